"""Closures that ask cell problems: the effective tensor of a linear medium, the averaged flux of a nonlinear law."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from hmm_core.closure.answer import Answer, at_time, in_time, question, shaped
from hmm_core.closure.exact import apply
from hmm_core.media.laws import Flux
from hmm_core.micro.nonlinear import fits, solve_nonlinear
from hmm_core.micro.question import places
from hmm_core.micro.sample import evaluated

Array = np.ndarray
KEPT = ("fields", "start", "nothing")


@dataclass(frozen=True, eq=False)
class MicroFields:
    """The micro fields w behind an answer at K points: U + eps w(y) is the fine scale, y in periods from ``origin``.

    values   (K, J, c, n, ..., n) on one period of the grid (the point after the last is the first one again): of a linear
             closure the w_j of w = sum_j w_j d_jU, of another one w itself, J = 1
    linear   which of the two
    first    coordinate of the first grid point along every axis, in periods
    step     distance of grid points
    origin   (d, K): y = (x - origin)/eps; zero where the slow variable is frozen
    order    of the splines that interpolate: the smoothness of the micro solution
    """

    values: Array
    linear: bool
    first: float
    step: float
    origin: Array
    order: int

    def at(self, k: int, y: Array, grad: Array) -> Array:
        """w (c, P) of point k at y (d, P), where the macro gradient is grad (c, d, P)."""
        index, (d, count) = (y - self.first) / self.step, y.shape
        share = grad.reshape(-1, count) if self.linear else np.ones((1, count))
        fields = self.values[k]
        w = np.zeros((*fields.shape[1:-d], count))
        for j, part in np.ndindex(len(fields), int(np.prod(w.shape[:-1], initial=1))):
            field = fields[j].reshape(-1, *fields.shape[-d:])[part]
            w.reshape(-1, count)[part] += share[j] * map_coordinates(field, index, order=self.order, mode="grid-wrap")
        return w


@dataclass(frozen=True)
class CellClosure:
    r"""Linear closure by cell problems: sigma = A(x) grad U, A(x) = ``cell.effective_tensor(a, x, eps)``.

    The law is linear, so the tensor is all there is to know about a sampling point: it is computed once, returned in
    ``answer.memory`` with the point it belongs to, and used again when that memory comes back (E and Engquist 2003,
    The heterogeneous multiscale methods). ``tol`` is accepted for the common signature; the cell's own decides.

    Parameters
    ----------
    a : medium a(x, y) -> scalar or tensor field; or (d, d, d, d, ...), a_ijkl, for U of d components. One that changes in time
        is a(x, y, t); the tensor is computed again at the points where the coefficient in the cell has changed.
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

    @property
    def linear(self) -> bool:
        return not in_time(self.a)

    def frozen(self, t: float | None) -> "CellClosure":
        """This closure with the medium as it is at time t."""
        return replace(self, a=at_time(self.a, t)) if in_time(self.a) else self

    def __call__(
        self,
        x: Array,
        u: Array,
        grad: Array,
        memory: dict | None = None,
        tol: float | None = None,
        t: float | None = None,
    ) -> Answer:
        x, _, grad, shape = question(x, u, grad, self.dim)
        a = at_time(self.a, t)
        then = self._unchanged if in_time(self.a) else None
        solve = partial(self.cell.solve, a, eps=self.eps, correctors=False)
        tensor, info = remembered(solve, x, grad, memory, then and partial(then, t=t))
        answer = linear_answer(tensor, x, grad, shape, info)
        if then:
            answer.memory["t"] = np.full(x.shape[1], t)
        return answer

    def _unchanged(self, x: Array, memory: dict, t: float) -> Array:
        """Whether the coefficient at x (d, K) is the same at both times, at every point of the cell where it is looked at."""
        same, cell, before = [], self.cell, memory["t"][0]
        for first in range(0, x.shape[1], cell.chunk):
            where = places(x[:, first : first + cell.chunk, None], cell.domain[:, None], self.eps)
            then, now = (evaluated(at_time(self.a, moment), *where) for moment in (before, t))
            same.append(np.broadcast_to((then == now).all(axis=(1, 2)), where[0].shape[1]))
        return np.concatenate(same)

    def alike(self, x: Array) -> Array:
        """Numbers (K,) for points x (d, K): equal ones have the same coefficient in the cell, and so the same tensor."""
        return np.arange(x.shape[1]) if in_time(self.a) else self.cell.alike(self.a, x, self.eps)

    def micro_fields(self, x: Array, u: Array, grad: Array, eps: float) -> MicroFields:
        """The correctors w_j at K points."""
        x, _, grad, _ = question(x, u, grad, self.dim)
        origin = _periodic_origin(self, x, eps)
        micro = self.cell.solve(self.a, x, self.eps)
        values = micro.correctors.reshape(-1, *micro.correctors.shape[grad.ndim - 1 :]).swapaxes(0, 1)
        return _fields(self.cell, values, True, micro.nodes, origin)


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
    flux : law flux(x, y, u, xi) -> j, dj_du, dj_dxi (see ``laws``, which also makes one from j alone); flux(x, y, u, xi, t) if
        it changes in time. Of U of m = d components too (``solids``): elastic ones, for what is remembered of a point is where
        to start, not its history.
    cell : ``CellProblem``, as for ``solve_nonlinear``. Its ``tol`` is the accuracy when none is asked for; the macro solver
        always asks, down to a tenth of its own tolerance.
    eps : None freezes the slow variable at x; a number cuts the sample out of the material as it is. The value U is that at x
        in either case: what varies over the sample is the field that the cell problem finds.
    adaptive : False solves every question from the affine field, to the cell's own tolerance.
    keep : what is remembered of a point: "fields", d + 2 micro fields; "start", one, from which the next problem starts, but
        not how it moves with the state (for large or 3D cells); "nothing" but flux and tangent.

    Raises TypeError or ValueError for arguments of the wrong kind or a state that is not finite; what ``solve_nonlinear``
    raises about the law, or for want of convergence, comes through.
    """

    flux: Flux
    cell: Any
    eps: float | None = None
    adaptive: bool = True
    keep: str = "fields"

    def __post_init__(self) -> None:
        if not callable(self.flux):
            raise TypeError(f"flux={self.flux!r} is not a law: a function flux(x, y, u, xi) is needed")
        if self.keep not in KEPT:
            raise ValueError(f"keep={self.keep!r} is not one of {', '.join(map(repr, KEPT))}")
        _check_sampling(self.cell, "grid", self.eps)

    @property
    def dim(self) -> int:
        return self.cell.dim

    def frozen(self, t: float | None) -> "NonlinearCellClosure":
        """This closure with the law as it is at time t."""
        return replace(self, flux=at_time(self.flux, t)) if in_time(self.flux) else self

    def __call__(
        self,
        x: Array,
        u: Array,
        grad: Array,
        memory: dict | None = None,
        tol: float | None = None,
        t: float | None = None,
    ) -> Answer:
        x, u, grad, shape = question(x, u, grad, self.dim)
        law = at_time(self.flux, t)
        if not self.adaptive:
            micro = solve_nonlinear(self.cell, law, x, u, grad, self.eps)
            info = {"micro_solves": x.shape[1], "iterations": int(micro.iterations.sum())}
            return shaped((micro.flux, micro.d_du, micro.d_dgrad), shape, info=info)
        tol = self.cell.tol if tol is None else tol
        memory = None if memory is None else self._checked(memory, x, grad)
        asked = np.ones(x.shape[1], dtype=bool)
        if memory is not None:
            flux, near = _extrapolated(memory, u, grad, tol)
            asked = ~near if law is self.flux else ~near | (memory["t"] != t)
        work = {"micro_solves": int(asked.sum()), "iterations": 0, "reused": int((~asked).sum()), "tol": tol}
        if asked.any():
            old = None
            if memory is not None and self.keep != "nothing":
                old = memory if asked.all() else {name: value[..., asked] for name, value in memory.items()}
            micro = solve_nonlinear(self.cell, law, x[:, asked], u[..., asked], grad[..., asked], self.eps, old, tol)
            work["iterations"] = int(micro.iterations.sum())
            fresh = {"x": x[:, asked], "flux": micro.flux, "d_du": micro.d_du, "d_dgrad": micro.d_dgrad}
            fresh |= micro.kept(self.keep) | {"accuracy": np.full(asked.sum(), tol)}
            if law is not self.flux:
                fresh["t"] = np.full(asked.sum(), t)
            memory = fresh if asked.all() else _merged(memory, fresh, asked)
        parts = memory["flux"], memory["d_du"], memory["d_dgrad"]
        if not asked.all():
            parts = np.where(asked, memory["flux"], flux), *parts[1:]
        return shaped(parts, shape, memory=memory, info=work)

    def micro_fields(self, x: Array, u: Array, grad: Array, eps: float) -> MicroFields:
        """w = v - grad U . y of the states at K points."""
        x, u, grad, _ = question(x, u, grad, self.dim)
        origin, cell = _periodic_origin(self, x, eps), self.cell
        micro = solve_nonlinear(cell, self.flux, x, u, grad, self.eps)
        return _fields(cell, micro.corrector(cell)[:, None], False, cell.grid.edges + cell.offset * cell.size, origin)

    def _checked(self, memory: dict, x: Array, grad: Array) -> dict | None:
        """The memory, if it is about these points; None if it is about others."""
        known = {"x", "flux", "d_dgrad", "grad", "u", "accuracy"} <= set(memory) and np.shape(memory["x"]) == x.shape
        if not known or not (self.keep == "nothing" or fits(self.cell, memory, grad)):
            raise ValueError(
                f"memory holds {sorted(memory)}, x {np.shape(memory.get('x'))}: it does not belong to {x.shape[1]} points in "
                f"{len(x)}D and this cell; use None"
            )
        return memory if np.array_equal(memory["x"], x) else None


def remembered(
    solve: Callable[[Array], Any],
    x: Array,
    grad: Array,
    memory: dict | None,
    unchanged: Callable[[Array, dict], Array] | None = None,
) -> tuple[Array, dict]:
    """Tensors (c, d, c, d, K) of a linear law at points x (d, K), by ``solve`` where the memory has none; and the work.

    unchanged : of points that the memory has, whether (K,) its tensors still hold. None: always.
    """
    c, d, count = grad.shape[:-2], *x.shape
    tensor, known = np.empty((*c, d, *c, d, count)), np.zeros(count, dtype=bool)
    if memory is not None:
        stored = np.shape(memory.get("tensor"))
        if stored != tensor.shape or np.shape(memory.get("x")) != x.shape:
            raise ValueError(f"memory: tensor {stored} does not belong to {count} points in {d}D; use None")
        known = (memory["x"] == x).all(axis=0)
        if unchanged and known.any():
            known[known] = unchanged(x[:, known], memory)
        tensor[..., known] = memory["tensor"][..., known]
    if known.all():
        return tensor, {"micro_solves": 0, "iterations": 0}
    micro = solve(x[:, ~known])
    if micro.tensor.shape[:-1] != tensor.shape[:-1]:
        given = "several components" if c else "one component"
        raise ValueError(f"U has {given}, but the medium's effective tensor has shape {micro.tensor.shape}")
    tensor[..., ~known] = micro.tensor
    return tensor, {"micro_solves": int(micro.solves), "iterations": int(np.sum(micro.iterations))}


def linear_answer(
    tensor: Array, x: Array, grad: Array, shape: tuple[int, ...], info: dict, factor: float = 1.0
) -> Answer:
    """What the linear law sigma = factor tensor grad U says; the tensor is remembered."""
    d_du = np.zeros((*grad.shape[:-1], *grad.shape[:-2], x.shape[1]))
    scaled = factor * tensor
    return shaped((apply(scaled, grad), d_du, scaled), shape, memory={"tensor": tensor, "x": x.copy()}, info=info)


def _check_sampling(cell: Any, has: str, eps: float | None) -> None:
    if not (hasattr(cell, has) and hasattr(cell, "dim")):
        raise TypeError(f"cell={cell!r} is not a cell problem: pass CellProblem(dim=..., n=...)")
    if eps is not None and not (isinstance(eps, Real) and 0 < eps < math.inf):
        raise ValueError(f"eps={eps!r} must be a positive number, or None to freeze the slow variable")


def _periodic_origin(closure: Any, x: Array, eps: float) -> Array:
    """Where y = 0 lies for each point, if micro fields can be continued from there over the whole material."""
    cell = closure.cell
    if cell.bc != "periodic" or cell.size != round(cell.size) or cell.buffer:
        raise ValueError(
            f"reconstruction continues correctors periodically: it needs bc='periodic', integer size and buffer=0, "
            f"not bc={cell.bc!r}, size={cell.size!r}, buffer={cell.buffer!r}"
        )
    if closure.eps not in (None, eps):
        raise ValueError(f"eps={eps!r}, but the closure sampled the material at eps={closure.eps!r}")
    return np.zeros_like(x) if closure.eps is None else x


def _fields(cell: Any, values: Array, linear: bool, nodes: Array, origin: Array) -> MicroFields:
    open_grid = values[(..., *(slice(-1),) * cell.dim)]  # the last node is the first of the next period
    return MicroFields(open_grid, linear, nodes[0], nodes[1] - nodes[0], origin, 5 if cell.scheme == "fourier" else 1)


def _extrapolated(memory: dict, u: Array, grad: Array, tol: float) -> tuple[Array, Array]:
    """The flux to first order in the change of (u, grad) since then, and where that change squared is below tol/10."""
    du, dgrad = u - memory["u"], grad - memory["grad"]
    rows = du.reshape(-1, du.shape[-1])
    driven = np.einsum("ifk,fk->ik", memory["d_du"].reshape(-1, *rows.shape), rows)
    step = apply(memory["d_dgrad"], dgrad) + driven.reshape(dgrad.shape)

    def relative(change: Array, size: Array) -> Array:
        change, size = (np.linalg.norm(part.reshape(-1, part.shape[-1]), axis=0) for part in (change, size))
        return np.divide(change, size, out=np.where(change > 0, np.inf, 0.0), where=size > 0)

    moved = relative(step, memory["flux"]), relative(dgrad, memory["grad"]), relative(du, memory["u"])
    near = (np.max(moved, axis=0) ** 2 <= 0.1 * tol) & (memory["accuracy"] <= tol)
    return memory["flux"] + step, near


def _merged(memory: dict, fresh: dict, where: Array) -> dict:
    merged = {name: memory[name].copy() for name in fresh}
    for name, value in fresh.items():
        merged[name][..., where] = value
    return merged
