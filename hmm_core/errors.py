r"""The error of the method, term by term: macro, modelling, resonance, micro.

Between the homogenized solution u0 and the computed U_H lie three problems on the same macro mesh, each of which makes
one more approximation than the one before:

    u0 -> U_*        the macro mesh, with the exact tensor A* at the sampling points                         macro
    U_* -> U_inf     A* seen through a sampling domain of size delta, as if eps/delta = 0                    modelling
    U_inf -> U_delta the material at its true eps/delta, the micro problem solved without error              resonance
    U_delta -> U_H   the micro problem on the given grid of step h                                           micro

Their four differences add up to at least the total error (triangle inequality), and each has a parameter of its own:
H, delta, eps/delta and h/eps.
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
LARGEST = 200_000  # unknowns of a resolved u0 at which refinement gives up
FLOOR = 1e-8  # differences below this fraction of U_H are round-off and iteration tolerances
RICHER = {
    skfem.ElementLineP1: skfem.ElementLineP2,
    skfem.ElementTriP1: skfem.ElementTriP2,
    skfem.ElementTriP2: skfem.ElementTriP4,
    skfem.ElementTriP3: skfem.ElementTriP4,
    skfem.ElementTetP1: skfem.ElementTetP2,
    skfem.ElementQuad1: skfem.ElementQuad2,
    skfem.ElementHex1: skfem.ElementHex2,
}


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """What ``decompose_error`` found: norms of the differences between neighbours in u0, U_*, U_inf, U_delta, U_H.

    macro, modelling, resonance, micro   the four terms
    total        norm of u0 - U_H, computed directly
    norm         in which norm
    unresolved   norm by which U_delta still moved in the last refinement of its micro problem: what resonance and
                 micro may be wrong by. Below it they say nothing but that they are small
    n            elements per period with which U_delta was resolved
    x            (d, K) sampling points
    tensors      {"effective", "limit", "resolved", "cell"}: (d, d, K) at those points, behind U_*, U_inf, U_delta, U_H
    solutions    the same keys, and "u0" (a Solution, or the function that was given)
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
        """The four terms by name, from the macro mesh down to the micro grid."""
        return {name: getattr(self, name) for name in ("macro", "modelling", "resonance", "micro")}

    @property
    def bound(self) -> float:
        """Sum of the four terms, which the total does not exceed."""
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

    With delta = size eps, Y the sampling domain in periods (buffer, offset, boundary condition and window included),
    and A_h[b](x) the tensor that ``cell`` finds for the coefficient b(eta), eta in Y, on a grid of step h:

        U_*        A*(x)
        U_inf      A_0[A*(x + eps eta)]                              (A*(x) if the slow variable is frozen)
        U_delta    A_0[a(x + eps eta, x/eps + eta)]                  (A_0[a(x, eta)] if it is frozen)
        U_H        A_h[the same]

    are the tensors of four problems on one macro mesh. ||u0 - U_*|| depends on H and on the smoothness of u0;
    ||U_* - U_inf|| is O(delta), O(delta^2) if the domain is centred at x; ||U_inf - U_delta|| is O(eps/delta) in general,
    zero (frozen; otherwise O(eps)) for periodic cells of integer size; ||U_delta - U_H|| is O((h/eps)^2) for Q1
    elements. E, Ming and Zhang (2005), doi:10.1090/S0894-0347-04-00469-2, measure the last three together as e(HMM);
    Abdulle, E, Engquist and Vanden-Eijnden (2012), doi:10.1017/S0962492912000025, split them as here.

    h -> 0 is a limit of computations: n is doubled, Q1 tensors extrapolated, until U_delta (and U_inf likewise) moves
    by less than ``resolution`` times the larger of the terms that it separates. Periodic problems that turn out
    smooth are resolved by trigonometric polynomials, four digits further.

    Parameters
    ----------
    a, cell, basis, source, dirichlet, neumann, robin : the problem, as in ``CellClosure`` and ``solve_elliptic``.
    eps : the period.
    effective : A*: a number, an array (d, d) or a function of x (d, K) -> (d, d, K). By default ``a.effective``.
    exact : u0, a function of x (d, K) -> (K,), or a Solution that resolves it. By default the homogenized problem is
        solved with a richer element on finer meshes (locally refined where scikit-fem can and no boundary has a name)
        until the macro term moves by less than ``resolution`` times itself.
    gradient : grad u0, (d, K) -> (d, K), for a function ``exact`` and any norm but "L2"; by default its attribute
        ``gradient``.
    norm : "energy" (int grad e . A* grad e)^(1/2), "L2", "H1-semi" |grad e|, or "H1".
    frozen : False samples the material as it is, True freezes the slow variable at the sampling point.
    resolution : relative accuracy of the terms, in (0, 1).

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or value; no way to get A*; what the medium, cell or macro solver refuses.
    ConvergenceError
        u0, U_inf or U_delta could not be resolved; the message says how far it came.
    """
    _check(a, eps, basis, cell, norm, frozen, resolution)
    if exact is not None and not isinstance(exact, Solution) and norm != "L2":
        gradient = gradient or getattr(exact, "gradient", None)
        if gradient is None:
            raise ValueError(f"norm={norm!r} needs the gradient of exact={exact!r}: pass gradient=, or use norm='L2'")
    effective = _Effective(_effective_of(a) if effective is None else effective)
    conditions = {"dirichlet": dirichlet, "neumann": neumann, "robin": robin}
    macro = _Macro(basis, source, conditions, norm, effective, gradient)
    x, slow = restrict(basis, np.zeros(basis.N)).x, None if frozen else eps

    micro = cell.solve(a, x, slow, correctors=False)
    u_cell = macro.solve(micro.tensor)
    u_star = u_inf = macro.solve(effective.at(x))
    if not frozen:
        few = _q1(replace(cell, n=max(2, math.ceil(8 / (cell.size + 2 * cell.buffer)))))
        refined = _refinements(few, effective.medium, x, slow)
        u_inf, *_ = _resolve("U_inf", refined, macro, [u_star], resolution)
    smooth = _fourier(cell, a, x, slow)
    refined = _refinements(smooth or _q1(replace(cell, n=max(2, cell.n // 2))), a, x, slow)
    share = 1e-4 if smooth else 1.0
    u_delta, unresolved, n = _resolve("U_delta", refined, macro, [u_inf, u_cell], share * resolution)
    u0 = _resolve_u0(macro, u_star, resolution) if exact is None else exact

    solutions = {"effective": u_star, "limit": u_inf, "resolved": u_delta, "cell": u_cell}
    tensors = {name: u.closure.A.tensor for name, u in solutions.items()}
    solutions["cell"] = replace(u_cell, closure=CellClosure(a, cell, slow), micro_solves=int(micro.solves))
    return ErrorBudget(
        macro=macro.distance(u_star, u0),
        modelling=macro.distance(u_star, u_inf),
        resonance=macro.distance(u_inf, u_delta),
        micro=macro.distance(u_delta, u_cell),
        total=macro.distance(u_cell, u0),
        norm=norm,
        unresolved=unresolved,
        n=n,
        x=x,
        tensors=tensors,
        solutions={"u0": u0} | solutions,
    )


# -- the macro problem, its tensors and its norm -------------------------------------------------------------------------


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
        """(d, d, K) at x (d, K): ValueError where it is not positive definite."""
        try:
            tensor = as_tensor(self.A(x) if callable(self.A) else self.A, x, "effective")
        except NotImplementedError as error:
            raise ValueError(f"effective=None, and there is no other way to get A*: {error}") from error
        low = np.linalg.eigvalsh(np.moveaxis(tensor + tensor.swapaxes(0, 1), -1, 0))[:, 0]
        if not low.min() > 0:
            k = int(low.argmin())
            raise ValueError(f"effective is {tensor[..., k].tolist()} at x={x[:, k].tolist()}: not positive definite")
        return tensor

    def medium(self, x: Array, y: Array) -> Array:
        tensor = self.at(x.reshape(len(x), -1))
        return tensor.reshape(*tensor.shape[:2], *x.shape[1:])


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
        """What differences of solutions like u are not known better than."""
        return FLOOR * self.distance(u, replace(u, u=np.zeros_like(u.u)))


# -- limits --------------------------------------------------------------------------------------------------------------


def _q1(cell: CellProblem) -> CellProblem:
    return replace(cell, scheme="q1", tol=min(cell.tol, 1e-8))


def _fourier(cell: CellProblem, a: Medium, x: Array, eps: float | None) -> CellProblem | None:
    """The cell problem by trigonometric polynomials, if it may have them and they converge fast at a few points."""
    few = x[:, :: max(1, x.shape[1] // 4)]
    try:
        rungs = [replace(cell, scheme="fourier", n=n, tol=1e-12) for n in (16, 32, 64)]
        first, second, third = (rung.effective_tensor(a, few, eps) for rung in rungs)
    except (ValueError, ConvergenceError):
        return None  # not a whole number of periods, not periodic, not smooth
    fast = np.abs(third - second).max() <= max(0.05 * np.abs(second - first).max(), 1e-9 * np.abs(third).max())
    return rungs[0] if fast else None


def _refinements(problem: CellProblem, a: Medium, x: Array, eps: float | None) -> Iterator[tuple[Array, int]]:
    """Ever better tensors by doubling n: as they are (Fourier), or with their error extrapolated to h = 0 (Q1).

    Q1 tensors change by factors of 4 from one doubling to the next, unless corners of the material are singular: then
    the measured factor, not theirs, tells how far the limit is.
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
    name: str, tensors: Iterator[tuple[Array, int]], macro: _Macro, neighbours: list[Solution], resolution: float
) -> tuple[Solution, float, int]:
    """The macro solution for h -> 0, how far the last refinement moved it, and the n it took.

    Refines until a step is shorter than ``resolution`` times the distance to the farther neighbour, or round-off.
    """
    last, story = None, []
    for tensor, n in tensors:
        found = macro.solve(tensor)
        if last is not None:
            step, term = macro.distance(found, last), max(macro.distance(found, other) for other in neighbours)
            if step <= max(resolution * term, macro.round_off(found)):
                return found, step, n
            story.append(f"{step:.1e} (n={n})")
        last = found
    raise ConvergenceError(
        f"{name} is not resolved for h -> 0: refinement moved it by {', '.join(story) or 'what one grid cannot tell'}; at "
        f"most resolution={resolution:.1e} times the terms that it separates is asked. Allow more, or take a smaller cell"
    )


def _resolve_u0(macro: _Macro, u_star: Solution, resolution: float) -> Solution:
    """The homogenized solution on finer meshes with a richer element, until the macro term stands still."""
    mesh, element = macro.basis.mesh, macro.basis.elem
    element = RICHER.get(type(element), lambda: element)()
    before, story = math.inf, []
    while True:
        fine = skfem.Basis(mesh, element, intorder=2 * element.maxdeg + 2)
        if story and fine.N > LARGEST:
            raise ConvergenceError(
                f"u0 is not resolved; macro term by unknowns: {', '.join(story[-5:])}. Pass exact=, or a larger resolution="
            )
        u0 = solve_elliptic(fine, ExactClosure(macro.effective.at), macro.source, **macro.conditions)
        term = macro.distance(u_star, u0)
        if abs(term - before) <= max(resolution * term, macro.round_off(u_star)):
            return u0
        before = term
        story.append(f"{fine.N}: {term:.3e}")
        mesh = _refined(u0)


def _refined(u: Solution) -> skfem.Mesh:
    """A finer mesh: where the gradient varies most within elements, in those that hold 4/5 of the squares of it."""
    mesh, gradient, dx = u.basis.mesh, u.basis.interpolate(u.u).grad, u.basis.dx
    mean = (gradient * dx).sum(axis=2) / dx.sum(axis=1)
    square = ((gradient - mean[:, :, None]) ** 2 * dx).sum(axis=(0, 2))
    order = np.argsort(-square)
    share = np.cumsum(square[order])
    if not mesh.boundaries and share[-1] > 0:
        try:
            return mesh.refined(order[: 1 + np.searchsorted(share, 0.8 * share[-1])])
        except NotImplementedError:  # quadrilaterals and hexahedra
            pass
    return mesh.refined(1)


# -- bad input -----------------------------------------------------------------------------------------------------------


def _effective_of(a: Medium) -> Callable[[Array], Array]:
    if not hasattr(a, "effective"):
        raise ValueError(
            f"effective=None, and the medium a={a!r} has no closed form .effective: there is no way to get A*. Pass "
            "effective=, a tensor or a function of x"
        )
    return a.effective


def _check(a: Any, eps: Any, basis: Any, cell: Any, norm: Any, frozen: Any, resolution: Any) -> None:
    if not callable(a):
        raise TypeError(f"a={a!r} is not a medium: a function a(x, y) is needed")
    for name, value, top in (("eps", eps, math.inf), ("resolution", resolution, 1.0)):
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}={value!r} must be a real number, not {type(value).__name__}")
        if not 0 < value < top:
            raise ValueError(f"{name}={value!r} must lie between 0 and {top}")
    if not isinstance(basis, skfem.CellBasis):
        raise TypeError(f"basis={basis!r} is not a macro space: pass macro_basis(mesh, element)")
    if not isinstance(cell, CellProblem):
        raise TypeError(f"cell={cell!r} is not a CellProblem: its grid has to be refined")
    if cell.dim != basis.mesh.dim():
        raise ValueError(f"cell.dim={cell.dim}, but basis lives on a {basis.mesh.dim()}D mesh")
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
    if not isinstance(frozen, bool):
        raise TypeError(f"frozen={frozen!r} must be True or False")
