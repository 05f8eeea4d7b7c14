r"""The error of the method, term by term: macro, modelling, resonance, micro.

Between the homogenized solution u0 and the computed U_H lie three problems on the same macro mesh, each of which makes
one more approximation than the one before:

    u0      -> U_*        a macro mesh, with the exact tensor A* at the sampling points                    macro
    U_*     -> U_inf      A* seen through a sampling domain of size delta, as if eps/delta were 0          modelling
    U_inf   -> U_delta    the material at its true eps/delta, the micro problem solved without error       resonance
    U_delta -> U_H        the micro problem on a grid of step h                                            micro

The four differences have a parameter each, H, delta, eps/delta and h/eps, and their norms sum to no less than the error.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
import skfem

from hmm_core.cell import CellProblem, ConvergenceError
from hmm_core.closure import CellClosure, ExactClosure, as_tensor
from hmm_core.macro import NORMS, Data, Solution, restrict, solve_elliptic
from hmm_core.sampling import Medium

Array = np.ndarray
FINEST = {1: 2**16, 2: 2**10, 3: 2**6}  # elements per side of a cell, by dimension, at which refinement gives up
LARGEST = 200_000  # unknowns of u0 at which refinement gives up
FLOOR = 1e-8  # differences below this fraction of the solution are round-off and iteration tolerances
RICHER = {  # the element that resolves u0: it contains the macro element, and its dofs are point values
    getattr(skfem, f"Element{macro}"): getattr(skfem, f"Element{richer}")
    for richer, contained in {
        "LineP2": ("LineP1", "LineP2"),
        "TriP2": ("TriP1",),
        "TriP4": ("TriP2", "TriP3", "TriP4"),
        "TetP2": ("TetP1", "TetP2"),
        "Quad2": ("Quad1", "Quad2"),
        "Hex2": ("Hex1", "Hex2"),
    }.items()
    for macro in contained
}


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """What ``decompose_error`` found: norms of the differences between neighbours in u0, U_*, U_inf, U_delta, U_H.

    macro, modelling, resonance, micro   the four terms; ``terms`` has them by name, ``bound`` is their sum
    total        norm of u0 - U_H, computed directly
    norm         which norm
    unresolved   how far the last refinement of the micro problem still moved U_delta: a resonance or micro term
                 below it says only that it is small
    n            elements per period that U_delta took
    x            (d, K) sampling points
    tensors      {"effective", "limit", "resolved", "cell"}: (d, d, K), behind U_*, U_inf, U_delta, U_H
    solutions    the same keys, and "u0": a Solution, or what was given
    """

    macro: float
    modelling: float
    resonance: float
    micro: float
    total: float
    norm: str
    unresolved: float
    n: int
    x: Array = field(repr=False)
    tensors: dict[str, Array] = field(repr=False)
    solutions: dict[str, Any] = field(repr=False)

    @property
    def terms(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("macro", "modelling", "resonance", "micro")}

    @property
    def bound(self) -> float:
        return sum(self.terms.values())


def decompose_error(
    a: Medium,
    *,
    eps: float,
    basis: skfem.CellBasis,
    cell: CellProblem,
    source: Data,
    effective: Any = None,
    exact: "Data | Solution | None" = None,
    gradient: Callable[[Array], Array] | None = None,
    norm: str = "energy",
    frozen: bool = False,
    dirichlet: Any = 0.0,
    neumann: Any = None,
    robin: Any = None,
    resolution: float = 0.01,
) -> ErrorBudget:
    r"""Split the error u0 - U_H of the method for -div(a(x, x/eps) grad u) = f into its four terms.

    Let delta = size eps, eta run over the sampling domain (in periods), and T_h[b] be the tensor that ``cell``, with its
    boundary condition, buffer and window, finds for the coefficient b(eta) on a grid of step h. The tensors

        U_*        A*(x),
        U_inf      T_0[A*(x + eps eta)]                  (frozen: A*(x)),
        U_delta    T_0[a(x + eps eta, x/eps + eta)]      (frozen: T_0[a(x, eta)]),
        U_H        T_h[the same]

    define four problems on one macro mesh. Macro: depends on H and the smoothness of u0. Modelling: O(delta), O(delta^2) if the
    domain is centred at x. Resonance: O(eps/delta) in general; for periodic cells of integer size O(eps), and 0 if
    frozen; the bias of a zero-order term counts here. Micro: O((h/eps)^2) for Q1. E, Ming and Zhang (2005),
    doi:10.1090/S0894-0347-04-00469-2, estimate the last three together as e(HMM), where modelling and resonance appear
    as powers of delta and eps/delta; Abdulle, E, Engquist and Vanden-Eijnden (2012), doi:10.1017/S0962492912000025,
    review the analysis and the names.

    T_0 is a limit of computations: n is doubled and Q1 tensors extrapolated until U_delta (U_inf likewise) moves by less
    than ``resolution`` times the larger of the terms beside it. Periodic problems that turn out smooth are resolved by
    trigonometric polynomials, four digits further.

    Parameters
    ----------
    a, cell, basis, source, dirichlet, neumann, robin : the problem, as in ``CellClosure`` and ``solve_elliptic``.
    effective : A*: a number, an array (d, d) or a function of x (d, K) -> (d, d, K). By default ``a.effective``.
    exact : u0, a function of x (d, K) -> (K,), or a Solution that resolves it. By default it is computed with a richer
        element on finer meshes until the macro term moves by less than ``resolution`` times itself: triangles,
        tetrahedra and segments without named boundaries are refined where the gradient varies, other meshes everywhere.
    gradient : grad u0 (d, K) -> (d, K), for a function ``exact`` in any norm but "L2"; by default ``exact.gradient``.
    norm : "energy" (int grad e . A* grad e)^(1/2), "L2", "H1-semi" or "H1".
    frozen : False samples the material as it is; True freezes the slow variable at the sampling point.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or value; no way to get A*; what the medium, cell or macro solver refuses.
    ConvergenceError
        u0, U_inf or U_delta could not be resolved; the message says how far it came.
    """
    _check(a, eps, basis, cell, effective, norm, frozen, resolution)
    if exact is None and type(basis.elem) not in RICHER:
        raise ValueError(f"exact=None, and no richer element than {type(basis.elem).__name__} is known: pass exact=")
    if callable(exact) and norm != "L2" and gradient is None and (gradient := getattr(exact, "gradient", None)) is None:
        raise ValueError(f"norm={norm!r} needs the gradient of exact={exact!r}: pass gradient=, or use norm='L2'")
    x, slow = restrict(basis, np.zeros(basis.N)).x, None if frozen else eps
    effective = _Effective(a.effective if effective is None else effective)
    conditions = {"dirichlet": dirichlet, "neumann": neumann, "robin": robin}
    macro = _Macro(basis, source, conditions, norm, effective, gradient)

    micro = cell.solve(a, x, slow, correctors=False)
    u_cell = macro.solve(micro.tensor)
    u_star = u_inf = macro.solve(_positive(effective.at(x), x))
    if not frozen:
        few = _q1(cell, math.ceil(8 / (cell.size + 2 * cell.buffer)))
        u_inf, *_ = _resolve("U_inf", few, effective.medium, x, slow, macro, [u_star], resolution)
    fine, share = (smooth, 1e-4) if (smooth := _fourier(cell, a, x, slow)) else (_q1(cell, cell.n // 2), 1.0)
    u_delta, unresolved, n = _resolve("U_delta", fine, a, x, slow, macro, [u_inf, u_cell], share * resolution)
    u0 = _resolve_u0(macro, u_star, resolution) if exact is None else exact

    def to_u0(u: Solution) -> float:
        return macro.distance(_on(u0.basis, u) if exact is None else u, u0)

    solutions = {"effective": u_star, "limit": u_inf, "resolved": u_delta, "cell": u_cell}
    tensors = {name: u.closure.A.tensor for name, u in solutions.items()}
    solutions["cell"] = replace(u_cell, closure=CellClosure(a, cell, slow), micro_solves=int(micro.solves))
    return ErrorBudget(
        macro=to_u0(u_star),
        modelling=macro.distance(u_star, u_inf),
        resonance=macro.distance(u_inf, u_delta),
        micro=macro.distance(u_delta, u_cell),
        total=to_u0(u_cell),
        norm=norm,
        unresolved=unresolved,
        n=n,
        x=x,
        tensors=tensors,
        solutions={"u0": u0} | solutions,
    )


@dataclass(frozen=True, eq=False)
class _Tabulated:
    """Tensors (d, d, K) known at the sampling points of a basis, as a function of all those points."""

    tensor: Array

    def __call__(self, x: Array) -> Array:
        return self.tensor


@dataclass(frozen=True, eq=False)
class _Effective:
    """A* at points, and as a medium that varies slowly only."""

    A: Any

    def at(self, x: Array) -> Array:
        try:
            return as_tensor(self.A(x) if callable(self.A) else self.A, x, "effective")
        except NotImplementedError as error:
            raise ValueError(f"effective=None, and there is no other way to get A*: {error}") from error

    def medium(self, x: Array, y: Array) -> Array:
        return self.at(x.reshape(len(x), -1)).reshape(len(x), *x.shape)


@dataclass(frozen=True, eq=False)
class _Macro:
    """The macro problem for whatever tensor, and the norm in which its solutions are compared."""

    basis: skfem.CellBasis
    source: Data
    conditions: dict[str, Any]
    norm: str
    effective: _Effective
    gradient: Callable | None

    def solve(self, tensor: Array) -> Solution:
        return solve_elliptic(self.basis, ExactClosure(_Tabulated(tensor)), self.source, **self.conditions)

    def distance(self, u: Solution, v: Any) -> float:
        return u.error(v, self.norm, self.gradient, self.effective.at if self.norm == "energy" else None)

    def round_off(self, u: Solution) -> float:
        return FLOOR * self.distance(u, replace(u, u=np.zeros_like(u.u)))


# -- limits --------------------------------------------------------------------------------------------------------------


def _q1(cell: CellProblem, n: int) -> CellProblem:
    return replace(cell, scheme="q1", n=max(2, n), tol=min(cell.tol, 1e-8))


def _fourier(cell: CellProblem, a: Medium, x: Array, eps: float | None) -> CellProblem | None:
    """The cell problem by trigonometric polynomials, if it may have them and they converge fast at a few points."""
    few = x[:, :: max(1, x.shape[1] // 4)]
    try:
        rungs = [replace(cell, scheme="fourier", n=n, tol=1e-12) for n in (16, 32, 64)]
        first, second, third = (rung.effective_tensor(a, few, eps) for rung in rungs)
    except (ValueError, ConvergenceError):
        return None  # not a whole number of periods, not periodic, or far from smooth
    fast = np.abs(third - second).max() <= max(0.05 * np.abs(second - first).max(), 1e-9 * np.abs(third).max())
    return rungs[0] if fast else None


def _refinements(problem: CellProblem, a: Medium, x: Array, eps: float | None) -> Iterator[tuple[Array, int]]:
    """Ever better tensors by doubling n: as they are (Fourier), or with their error extrapolated to h = 0 (Q1).

    Q1 tensors move 4 times less from one doubling to the next. Where corners of the material make it clearly less than
    4, the measured factor tells how far the limit is.
    """
    coarse, last = None, None
    while problem.cells <= FINEST[problem.dim]:
        tensor = problem.effective_tensor(a, x, eps)
        if problem.scheme == "fourier":
            yield tensor, problem.n
        elif coarse is not None:
            step, factor = tensor - coarse[0], (problem.cells / coarse[1]) ** 2
            if last is not None and step.any():
                measured = max(1.5, np.linalg.norm(last) / np.linalg.norm(step))
                factor = measured if measured < 0.8 * factor else factor
            yield tensor + step / (factor - 1), problem.n
            last = step
        coarse, problem = (tensor, problem.cells), replace(problem, n=2 * problem.n)


def _resolve(
    name: str,
    problem: CellProblem,
    a: Medium,
    x: Array,
    eps: float | None,
    macro: _Macro,
    neighbours: list[Solution],
    resolution: float,
) -> tuple[Solution, float, int]:
    """The macro solution for h -> 0, how far the last refinement moved it, and the n it took.

    Enough is a step below ``resolution`` times the distance to the farther neighbour, or below round-off.
    """
    last, story = None, []
    for tensor, n in _refinements(problem, a, x, eps):
        found = macro.solve(tensor)
        if last is not None:
            step, term = macro.distance(found, last), max(macro.distance(found, other) for other in neighbours)
            if step <= max(resolution * term, macro.round_off(found)):
                return found, step, n
            story.append(f"{step:.1e} (n={n})")
        last = found
    raise ConvergenceError(
        f"{name} is not resolved for h -> 0: doubling n moved it by {', '.join(story) or 'an unknown amount'}, and a side "
        f"may have {FINEST[problem.dim]} elements. Pass a larger resolution= (now {resolution:.0e}) or a smaller cell"
    )


def _resolve_u0(macro: _Macro, u_star: Solution, resolution: float) -> Solution:
    """The homogenized solution on finer meshes with a richer element, until the macro term stands still."""
    mesh, element = macro.basis.mesh, RICHER[type(macro.basis.elem)]()
    before, story = math.inf, []
    while True:
        fine = skfem.Basis(mesh, element, intorder=2 * element.maxdeg + 2)
        if story and fine.N > LARGEST:
            raise ConvergenceError(
                f"u0 is not resolved; macro term (unknowns): {', '.join(story)}. Pass exact= or a larger resolution="
            )
        u0 = solve_elliptic(fine, ExactClosure(macro.effective.at), macro.source, **macro.conditions)
        term = macro.distance(_on(fine, u_star), u0)
        if abs(term - before) <= max(resolution * term, macro.round_off(u_star)):
            return u0
        before = term
        story.append(f"{term:.3e} ({fine.N})")
        mesh = _refined(u0)


def _on(fine: skfem.CellBasis, u: Solution) -> Solution:
    """The same function in a space that contains it."""
    return replace(u, u=u.at(fine.doflocs), basis=fine)


def _refined(u: Solution) -> skfem.Mesh:
    """A finer mesh: in the elements with half of the variation of the gradient inside elements, largest first."""
    mesh, gradient, dx = u.basis.mesh, u.basis.interpolate(u.u).grad, u.basis.dx
    mean = (gradient * dx).sum(axis=2) / dx.sum(axis=1)
    variation = ((gradient - mean[:, :, None]) ** 2 * dx).sum(axis=(0, 2))
    order = np.argsort(-variation)
    share = np.cumsum(variation[order])
    if not mesh.boundaries:
        try:
            return mesh.refined(order[: 1 + np.searchsorted(share, share[-1] / 2)])
        except NotImplementedError:  # quadrilaterals and hexahedra
            pass
    return mesh.refined(1)


# -- bad input -----------------------------------------------------------------------------------------------------------


def _positive(tensor: Array, x: Array) -> Array:
    low = np.linalg.eigvalsh(np.moveaxis(tensor + tensor.swapaxes(0, 1), -1, 0))[:, 0]
    if not low.min() > 0:
        k = int(low.argmin())
        raise ValueError(f"effective is {tensor[..., k].tolist()} at x={x[:, k].tolist()}: not positive definite")
    return tensor


def _check(a: Any, eps: Any, basis: Any, cell: Any, effective: Any, norm: Any, frozen: Any, resolution: Any) -> None:
    if not callable(a):
        raise TypeError(f"a={a!r} is not a medium: a function a(x, y) is needed")
    for name, value, top in (("eps", eps, math.inf), ("resolution", resolution, 1)):
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}={value!r} must be a real number, not {type(value).__name__}")
        if not 0 < value < top:
            raise ValueError(f"{name}={value!r} must lie between 0 and {top}")
    if not isinstance(basis, skfem.CellBasis):
        raise TypeError(f"basis={basis!r} is not a macro space: pass macro_basis(mesh, element)")
    if not isinstance(cell, CellProblem):
        raise TypeError(f"cell={cell!r} is not a CellProblem, whose grid can be refined")
    if cell.dim != basis.mesh.dim():
        raise ValueError(f"cell has dim={cell.dim}, but basis lives on a {basis.mesh.dim()}D mesh")
    if effective is None and not hasattr(a, "effective"):
        raise ValueError(
            f"effective=None, and the medium {a!r} has no attribute effective: there is no way to get A*. Pass effective=, "
            "a tensor or a function of x"
        )
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
    if not isinstance(frozen, bool):
        raise TypeError(f"frozen={frozen!r} must be True or False")
