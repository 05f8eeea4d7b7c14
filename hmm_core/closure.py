r"""The dialogue: a macro solver states (x, U, grad U) at its sampling points, a closure answers with the flux.

    sigma = sigma(x, U, grad U),    d sigma / dU,    d sigma / d grad U

The steady problem is -div sigma(x, U, grad U) = f, so for a linear medium sigma = A(x) grad U. Whatever the micro
model is (a formula, a periodic cell, a particle simulation), the macro solver sees only this answer.

A closure is any callable ``closure(x, u, grad, memory=None, tol=None)`` that is pure and picklable; a plain function
``closure(x, u, grad)`` that returns the three arrays is one.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from hmm_core.media.laws import Flux
from hmm_core.micro.nonlinear import solve_nonlinear
from hmm_core.micro.sample import smallest_eigenvalue

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Answer:
    """What a closure says. Unpacks as ``flux, d_du, d_dgrad = answer``.

    flux     (d, ...)      averaged flux sigma
    d_du     (d, ...)      its derivative in the macro value u
    d_dgrad  (d, d, ...)   its derivative in the macro gradient
    stderr   (d, ...)      standard error of the flux, for closures that sample at random
    memory   arrays whose last axis is the point axis; given back with the next question about the same points
    info     {"micro_solves": int, "iterations": int}; from closures that adapt their effort also "reused", the points answered
             without a micro problem, and "tol", the relative accuracy of this answer
    """

    flux: Array
    d_du: Array
    d_dgrad: Array
    stderr: Array | None = None
    memory: dict[str, Array] | None = None
    info: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.flux, self.d_du, self.d_dgrad))


@dataclass(frozen=True, eq=False)
class ExactClosure:
    r"""The homogenized problem in closed form: sigma = A grad U, with A known.

    Parameters
    ----------
    A : a number, a (d, d) array, or a function A(x) or A(x, u) that takes x (d, K) and u (K,) and returns tensors
        (d, d, K); a (d, d) tensor or a scalar field (K,) is also understood. A function with a second parameter that
        has no default, or that is called ``u``, is A(x, u).
    dA_du : function (x, u) -> like A(x, u), its derivative in u. Without it, central differences with the step
        eps^(1/3) max(1, |u|) are used, good to about ten digits.

    Raises ValueError if A has the wrong shape, is not finite or not positive definite (the message names such a point).
    """

    A: float | Array | Callable[..., Array]
    dA_du: Callable[[Array, Array], Array] | None = None

    def __post_init__(self) -> None:
        if not callable(self.A):
            A = np.asarray(self.A)
            if A.dtype.kind not in "fiu" or not np.isfinite(A).all():
                raise ValueError(f"A={self.A!r} must hold finite real numbers")
            if A.ndim not in (0, 2) or (A.ndim == 2 and A.shape[0] != A.shape[1]):
                raise ValueError(f"A has shape {A.shape}; a number, a (d, d) array or a function is needed")
        if self.dA_du is not None and not (callable(self.dA_du) and _takes_u(self.A)):
            raise ValueError("dA_du is the derivative of a function A(x, u): give both as functions, or leave it out")

    @property
    def dim(self) -> int | None:
        return None if callable(self.A) or np.ndim(self.A) == 0 else len(self.A)

    def __call__(self, x: Array, u: Array, grad: Array, memory: dict | None = None, tol: float | None = None) -> Answer:
        x, u, grad, shape = _points(x, u, grad, self.dim)
        if _takes_u(self.A):
            A, d_du = self._tensor(self.A, x, u), _apply(self._slope(x, u), grad)
        else:
            A = self._tensor(self.A, x) if callable(self.A) else as_tensor(self.A, x, "A")
            d_du = np.zeros_like(grad)
        _refuse_non_elliptic(A, x)
        return _shaped((_apply(A, grad), d_du, A), shape, info={"micro_solves": 0, "iterations": 0})

    def _slope(self, x: Array, u: Array) -> Array:
        if self.dA_du is not None:
            return self._tensor(self.dA_du, x, u)
        step = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(u))
        above, below = u + step, u - step
        return (self._tensor(self.A, x, above) - self._tensor(self.A, x, below)) / (above - below)

    def _tensor(self, function: Callable[..., Array], *state: Array) -> Array:
        return as_tensor(function(*state), state[0], f"{_name(function)} in ExactClosure")


@dataclass(frozen=True)
class CellClosure:
    r"""Linear closure by cell problems: sigma = A(x) grad U, A(x) = ``cell.effective_tensor(a, x, eps)``.

    The law is linear, so the tensor is all there is to know about a sampling point: it is computed once, returned in
    ``answer.memory`` with the point it belongs to, and used again when that memory comes back (E and Engquist 2003,
    The heterogeneous multiscale methods). ``tol`` is accepted for the common signature; the cell's own decides.

    Parameters
    ----------
    a : medium a(x, y) -> scalar or tensor field.
    cell : ``CellProblem``, or anything with its ``dim`` and ``solve``.
    eps : None freezes the slow variable at x; a number cuts the sample out of the material as it is.

    Raises TypeError or ValueError for arguments of the wrong kind, points of another dimension than the cell's, or a
    state that is not finite; what the cell raises about the medium comes through.
    """

    a: Callable[[Array, Array], Array]
    cell: Any
    eps: float | None = None

    def __post_init__(self) -> None:
        if not callable(self.a):
            raise TypeError(f"a={self.a!r} is not a medium: a function a(x, y) is needed")
        _check_sampling(self.cell, "solve", self.eps)

    @property
    def dim(self) -> int:
        return self.cell.dim

    def __call__(self, x: Array, u: Array, grad: Array, memory: dict | None = None, tol: float | None = None) -> Answer:
        x, _, grad, shape = _points(x, u, grad, self.dim)
        d, count = x.shape
        tensor, known = np.empty((d, d, count)), np.zeros(count, dtype=bool)
        if memory is not None:
            stored = np.shape(memory.get("tensor"))
            if stored != tensor.shape or np.shape(memory.get("x")) != x.shape:
                raise ValueError(f"memory: tensor {stored} does not belong to {count} points in {d}D; use None")
            known = (memory["x"] == x).all(axis=0)
            tensor[..., known] = memory["tensor"][..., known]
        info = {"micro_solves": 0, "iterations": 0}
        if not known.all():
            micro = self.cell.solve(self.a, x[:, ~known], self.eps, correctors=False)
            tensor[..., ~known] = micro.tensor
            info = {"micro_solves": int(micro.solves), "iterations": int(np.sum(micro.iterations))}
        parts = _apply(tensor, grad), np.zeros_like(grad), tensor
        return _shaped(parts, shape, memory={"tensor": tensor, "x": x}, info=info)


@dataclass(frozen=True)
class NonlinearCellClosure:
    r"""Closure by nonlinear cell problems: sigma = <j(x, y, U, grad v)>, <grad v> = grad U, with its consistent tangent.

    The answer depends on the state, so the dialogue goes on until U stands still. Two things keep that cheap. The macro
    solver says by ``tol`` how accurate an answer it can use: little at first, more as its residual falls. And with each
    answer the closure hands out its micro fields and their derivatives as ``memory``: when asked again about the same
    points, it starts from there, and where the square of the relative move, the size of what is left out to first order,
    is below a tenth of ``tol``, it answers with the flux that the last tangent tells and that tangent itself, which is
    then known to about tol^(1/2) (E and Engquist 2003, The heterogeneous multiscale methods; for the quasilinear case
    Abdulle and Vilmart, Analysis of the FE-HMM for quasilinear elliptic homogenization problems, Math. Comp.).

    Parameters
    ----------
    flux : law flux(x, y, u, xi) -> j, dj_du, dj_dxi (see ``laws``, which also makes one from j alone).
    cell : ``CellProblem``, as for ``solve_nonlinear``. Its ``tol`` is the accuracy when none is asked for; the macro solver
        always asks, down to a tenth of its own tolerance.
    eps : None freezes the slow variable at x; a number cuts the sample out of the material as it is. The value U is that at x
        in either case: what varies over the sample is the field that the cell problem finds.
    adaptive : False solves every question from the affine field, to the cell's own tolerance.

    Raises TypeError or ValueError for arguments of the wrong kind or a state that is not finite; what ``solve_nonlinear``
    raises about the law, or for want of convergence, comes through.
    """

    flux: Flux
    cell: Any
    eps: float | None = None
    adaptive: bool = True

    def __post_init__(self) -> None:
        if not callable(self.flux):
            raise TypeError(f"flux={self.flux!r} is not a law: a function flux(x, y, u, xi) is needed")
        _check_sampling(self.cell, "grid", self.eps)

    @property
    def dim(self) -> int:
        return self.cell.dim

    def __call__(self, x: Array, u: Array, grad: Array, memory: dict | None = None, tol: float | None = None) -> Answer:
        x, u, grad, shape = _points(x, u, grad, self.dim)
        if not self.adaptive:
            micro = solve_nonlinear(self.cell, self.flux, x, u, grad, self.eps)
            info = {"micro_solves": x.shape[1], "iterations": int(micro.iterations.sum())}
            return _shaped((micro.flux, micro.d_du, micro.d_dgrad), shape, info=info)
        tol = self.cell.tol if tol is None else tol
        memory = None if memory is None else self._checked(memory, x)
        asked = np.ones(x.shape[1], dtype=bool)
        if memory is not None:
            flux, near = _extrapolated(memory, u, grad, tol)
            asked = ~near
        work = {"micro_solves": int(asked.sum()), "iterations": 0, "reused": int((~asked).sum()), "tol": tol}
        if asked.any():
            old = memory if asked.all() else {name: value[..., asked] for name, value in memory.items()}
            micro = solve_nonlinear(self.cell, self.flux, x[:, asked], u[asked], grad[:, asked], self.eps, old, tol)
            work["iterations"] = int(micro.iterations.sum())
            fresh = {"x": x[:, asked], "flux": micro.flux, "d_du": micro.d_du, "d_dgrad": micro.d_dgrad}
            fresh |= micro.memory | {"accuracy": np.full(asked.sum(), tol)}
            memory = fresh if asked.all() else _merged(memory, fresh, asked)
        parts = memory["flux"], memory["d_du"], memory["d_dgrad"]
        if not asked.all():
            parts = np.where(asked, memory["flux"], flux), *parts[1:]
        return _shaped(parts, shape, memory=memory, info=work)

    def _checked(self, memory: dict, x: Array) -> dict | None:
        """The memory, if it is about these points; None if it is about others."""
        grid, line = self.cell.grid, len(x) == 1
        field = (1, len(grid.reference), grid.cells) if line else (1, *(grid.nodes,) * len(x))
        known = {"x", "flux", "d_dgrad", "grad", "u", "accuracy"} <= set(memory) and np.shape(memory["x"]) == x.shape
        if not known or np.shape(memory.get("xi" if line else "w")) != (*field, x.shape[1]):
            raise ValueError(
                f"memory holds {sorted(memory)}, x {np.shape(memory.get('x'))}: it does not belong to {x.shape[1]} points in "
                f"{len(x)}D and this cell; use None"
            )
        return memory if np.array_equal(memory["x"], x) else None


def _check_sampling(cell: Any, has: str, eps: float | None) -> None:
    if not (hasattr(cell, has) and hasattr(cell, "dim")):
        raise TypeError(f"cell={cell!r} is not a cell problem: pass CellProblem(dim=..., n=...)")
    if eps is not None and not (isinstance(eps, Real) and 0 < eps < math.inf):
        raise ValueError(f"eps={eps!r} must be a positive number, or None to freeze the slow variable")


def _extrapolated(memory: dict, u: Array, grad: Array, tol: float) -> tuple[Array, Array]:
    """The flux to first order in the change of (u, grad) since then, and where that change squared is below tol/10."""
    du, dgrad = u - memory["u"], grad - memory["grad"]
    step = _apply(memory["d_dgrad"], dgrad) + memory["d_du"] * du

    def relative(change: Array, *sizes: Array) -> Array:
        change, size = (
            np.linalg.norm(np.atleast_2d(change), axis=0),
            sum(np.linalg.norm(np.atleast_2d(s), axis=0) for s in sizes),
        )
        return np.divide(change, size, out=np.where(change > 0, np.inf, 0.0), where=size > 0)

    moved = relative(step, memory["flux"]), relative(dgrad, memory["grad"]), relative(du, memory["u"])
    near = (np.max(moved, axis=0) ** 2 <= 0.1 * tol) & (memory["accuracy"] <= tol)
    return memory["flux"] + step, near


def _merged(memory: dict, fresh: dict, where: Array) -> dict:
    merged = {name: memory[name].copy() for name in fresh}
    for name, value in fresh.items():
        merged[name][..., where] = value
    return merged


def ask(
    closure: Callable, x: Array, u: Array, grad: Array, memory: dict | None = None, tol: float | None = None
) -> Answer:
    """Ask any closure, plain functions included, at K points: x (d, K), u (K,), grad (d, K).

    A plain function may take (x, u, grad) only; a number or an array without the point axis holds at every point.
    ValueError names the closure and the first point whose answer is not finite, or the shape that does not fit.
    """
    x, u, grad, _ = _points(x, u, grad, getattr(closure, "dim", None))
    d, count = x.shape
    answer, name = closure(x, u, grad, **_accepted(closure, memory=memory, tol=tol)), f"closure {_name(closure)}"
    try:
        flux, d_du, d_dgrad = answer
    except (TypeError, ValueError):
        raise ValueError(f"{name} returned {type(answer).__name__}; expected three arrays or an Answer") from None
    parts = []
    for part, shape, value in (("flux", (d,), flux), ("d_du", (d,), d_du), ("d_dgrad", (d, d), d_dgrad)):
        value = np.asarray(value)
        if value.dtype.kind not in "fiu":
            raise ValueError(f"{name}: {part} has type {value.dtype}; real numbers are needed")
        full = value[..., None] if value.shape == shape else value
        if full.ndim not in (0, len(shape) + 1) or not _broadcasts(full.shape, (*shape, count)):
            raise ValueError(f"{name}: {part} has shape {value.shape}; expected {(*shape, count)}")
        parts.append(np.broadcast_to(full, (*shape, count)).astype(float, copy=False))
        refuse_non_finite(parts[-1], x, f"{name}: {part}")
    return Answer(*parts, *(answer.stderr, answer.memory, answer.info) if isinstance(answer, Answer) else ())


def _points(x: Array, u: Array, grad: Array, dim: int | None) -> tuple[Array, Array, Array, tuple[int, ...]]:
    """The question as (d, K), (K,), (d, K), checked, and the trailing shape that the caller gave to K."""
    if any(np.iscomplexobj(value) for value in (x, u, grad)):
        raise ValueError("x, u and grad must be real")
    x, u, grad = (np.asarray(value, dtype=float) for value in (x, u, grad))
    if x.size == 0 or x.ndim == 0:
        raise ValueError(f"x has shape {x.shape}; sampling points (d, ...) are needed")
    if dim is not None and x.shape[0] != dim:
        raise ValueError(f"x has shape {x.shape}, points in {x.shape[0]}D, but the closure is made for {dim}D")
    if grad.shape != x.shape or not _broadcasts(u.shape, x.shape[1:]):
        raise ValueError(f"x {x.shape} needs grad {x.shape} and u {x.shape[1:]}; got grad {grad.shape}, u {u.shape}")
    d, shape = x.shape[0], x.shape[1:]
    x, u, grad = x.reshape(d, -1), np.broadcast_to(u, shape).reshape(-1), grad.reshape(d, -1)
    for name, value in (("x", x), ("u", u), ("grad", grad)):
        refuse_non_finite(value, x, f"the macro state {name}")
    return x, u, grad, shape


def refuse_non_finite(value: Array, x: Array, what: str) -> None:
    """ValueError with the first point of x (d, K) where value (..., K) is not finite."""
    if not np.isfinite(value).all():
        k = int(np.argwhere(~np.isfinite(value))[:, -1].min())
        raise ValueError(f"{what} = {value[..., k].tolist()} at x={x[:, k].tolist()} (point {k}): it must be finite")


def _refuse_non_elliptic(A: Array, x: Array) -> None:
    """A direction without resistance, or with a negative one, has no solution that means anything."""
    smallest = smallest_eigenvalue((A + A.swapaxes(0, 1))[None] / 2)[0]
    if not smallest.min() > 0:
        k = int(smallest.argmin())
        raise ValueError(
            f"A must be positive definite (its symmetric part); at x={x[:, k].tolist()} it is {A[..., k].tolist()}"
        )


def as_tensor(value: Array, x: Array, name: str) -> Array:
    """A number, a scalar field (K,), a tensor (d, d) or a tensor field (d, d, K), as the last of these."""
    (d, count), value = x.shape, np.asarray(value)
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{name} returned {value.dtype} values; real numbers are needed")
    if value.ndim < 2 and _broadcasts(value.shape, (count,)):
        value = value * np.eye(d)[:, :, None]
    elif value.shape == (d, d):
        value = value[:, :, None]
    if value.shape[:2] != (d, d) or value.ndim != 3 or value.shape[2] not in (1, count):
        raise ValueError(f"{name} has shape {value.shape}; at {count} points in {d}D it needs {(d, d, count)}")
    tensor = np.array(np.broadcast_to(value, (d, d, count)), dtype=float)
    refuse_non_finite(tensor, x, name)
    return tensor


def _apply(tensor: Array, grad: Array) -> Array:
    return np.einsum("ijk,jk->ik", tensor, grad)


def _shaped(parts: tuple[Array, Array, Array], shape: tuple[int, ...], **rest: Any) -> Answer:
    return Answer(*(part.reshape(*part.shape[:-1], *shape) for part in parts), **rest)


def _broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return len(shape) <= len(target) and all(s in (1, t) for s, t in zip(shape[::-1], target[::-1], strict=False))


def _name(function: Callable) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # not a function, or a compiled one without a signature
        return {}


def _takes_u(function: Any) -> bool:
    second = [p for p in _parameters(function).values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][1:2]
    return any(p.default is p.empty or p.name == "u" for p in second)


def _accepted(function: Callable, **offered: Any) -> dict[str, Any]:
    parameters = _parameters(function)
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {name: value for name, value in offered.items() if anything or name in parameters}
