r"""The error of the method, term by term: macro, modelling, resonance, micro; each is a difference of two solutions.

u0  --H-->  U_*  --delta-->  U_inf  --eps/delta-->  U_delta  --h/eps-->  U_H
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
import skfem

from hmm_core.closure import CellClosure, ExactClosure, as_tensor
from hmm_core.macro import NORMS, Solution, restrict, solve_elliptic
from hmm_core.macro.boundary import Data
from hmm_core.micro.cell import CellProblem, ConvergenceError
from hmm_core.micro.grid import read_only
from hmm_core.micro.sample import MediumLike

Array = np.ndarray
FINEST = {1: 2**16, 2: 2**10, 3: 2**7}  # elements per side of a cell, by dimension, at which refinement gives up
LARGEST = {1: 200_000, 2: 200_000, 3: 20_000}  # unknowns of u0, likewise
FLOOR = 1e-8  # differences below this fraction of the solution are round-off and iteration tolerances
# The element that resolves u0 (below) contains that of the macro mesh (above), and its dofs are point values.
MACRO = ["LineP1", "LineP2", "TriP1", "TriP2", "TriP3", "TriP4", "TetP1", "TetP2", "Quad1", "Quad2", "Hex1", "Hex2"]
EXACT = ["LineP2", "LineP2", "TriP2", "TriP4", "TriP4", "TriP4", "TetP2", "TetP2", "Quad2", "Quad2", "Hex2", "Hex2"]
RICHER = {getattr(skfem, f"Element{m}"): getattr(skfem, f"Element{e}") for m, e in zip(MACRO, EXACT, strict=True)}


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """What ``decompose_error`` found: norms of the differences between neighbours in u0, U_*, U_inf, U_delta, U_H.

    macro, modelling, resonance, micro   the four terms; ``terms`` has them by name, ``bound`` is their sum
    total        norm of u0 - U_H, computed directly; norm: which
    unresolved   what U_delta may be wrong by, after refining its micro problem to ``n`` elements per period: a resonance
                 or micro term below it says only that it is small
    tensors      {"effective", "limit", "resolved", "cell"}: (d, d, K) at the sampling points x (d, K), behind U_*,
                 U_inf, U_delta, U_H
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
    a: MediumLike,
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
    resolution: float = 0.02,
) -> ErrorBudget:
    r"""Split the error u0 - U_H of the method for -div(a(x, x/eps) grad u) = f into its four terms.

    Let delta = size eps, eta run over the sampling domain (in periods), and T_h[b] be the tensor that ``cell``, with its
    boundary condition, buffer and window, finds for the coefficient b(eta) on a grid of step h. The tensors

        U_*        A*(x),
        U_inf      T_0[A*(x + eps eta)]                  (frozen: A*(x)),
        U_delta    T_0[a(x + eps eta, x/eps + eta)]      (frozen: T_0[a(x, eta)]),
        U_H        T_h[the same]

    define four problems on one macro mesh. Macro: depends on H and the smoothness of u0. Modelling: O(delta), if the
    domain is centred at x O(delta^2). Resonance: O(eps/delta) in general; for periodic cells of integer size O(eps), if
    frozen 0; the bias of a zero-order term counts here. Micro: O((h/eps)^2) for Q1. E, Ming and Zhang (2005),
    doi:10.1090/S0894-0347-04-00469-2, estimate the last three together as e(HMM); the review of Abdulle, E, Engquist and
    Vanden-Eijnden (2012), doi:10.1017/S0962492912000025, tells them apart.

    T_0 is a limit of computations: n is doubled and Q1 tensors extrapolated until U_delta (U_inf likewise) is known to
    ``resolution`` times the larger of the terms beside it; where trigonometric polynomials converge, to 1e-4 of that.

    Parameters
    ----------
    a, cell, basis, source, dirichlet, neumann, robin : the problem, as in ``CellClosure`` and ``solve_elliptic``.
    effective : A*: a number, an array (d, d) or a function of x (d, K) -> (d, d, K). By default ``a.effective``.
    exact : u0, a function of x (d, K) -> (K,), or a Solution that resolves it. By default it is computed with a richer
        element on finer meshes until the macro term moves by less than ``resolution`` times itself: triangles,
        tetrahedra and segments without named boundaries are refined where the gradient varies, other meshes everywhere.
    gradient : grad u0 (d, K) -> (d, K), for a function ``exact`` in any norm but "L2"; by default ``exact.gradient``.
    norm : "energy" (int grad e . A* grad e)^(1/2), "L2", "H1-semi" or "H1".
    frozen : False samples the material as it is (also up to delta outside of the macro domain, where A* then has to
        be known); True freezes the slow variable at the sampling point.

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
    gradient = getattr(exact, "gradient", None) if gradient is None else gradient
    if exact is not None and not isinstance(exact, Solution) and norm != "L2" and gradient is None:
        raise ValueError(f"norm={norm!r} needs the gradient of exact={exact!r}: pass gradient=, or use norm='L2'")
    x, slow = restrict(basis, np.zeros(basis.N)).x, None if frozen else eps
    conditions = {"dirichlet": dirichlet, "neumann": neumann, "robin": robin}
    macro = MacroProblem(basis, source, conditions, norm, gradient, a.effective if effective is None else effective)

    tensors = dict.fromkeys(("effective", "limit"), _positive(macro.effective(x), x))
    u_star = u_inf = macro.solve(tensors["effective"])
    micro = cell.solve(a, x, slow, correctors=False)
    u_cell, tensors["cell"] = macro.solve(micro.tensor), micro.tensor
    if not frozen:
        few = replace(q1_version(cell, math.ceil(8 / (cell.size + 2 * cell.buffer))), interface="sharp")
        u_inf, tensors["limit"], *_ = _resolve(
            "U_inf", refinements(few, macro.slow_medium, x, slow), macro, [u_star], resolution
        )
    fine = fourier_version(cell, a, x, slow) or q1_version(cell, cell.n // 2)
    share = resolution * (1e-4 if fine.scheme == "fourier" else 1.0)
    found = _resolve("U_delta", refinements(fine, a, x, slow), macro, [u_inf, u_cell], share)
    u_delta, tensors["resolved"], unresolved, n = found
    u0 = resolve_u0(macro, u_star, resolution) if exact is None else exact

    def to_u0(u: Solution) -> float:
        return macro.distance(_on(u0.basis, u) if exact is None else u, u0)

    solutions = {"effective": u_star, "limit": u_inf, "resolved": u_delta, "cell": u_cell}
    solutions["cell"] = replace(u_cell, closure=CellClosure(a, cell, slow), micro_solves=int(micro.solves))
    steps = zip((u_star, u_inf, u_delta), (u_inf, u_delta, u_cell), strict=True)
    terms = to_u0(u_star), *(macro.distance(u, v) for u, v in steps), to_u0(u_cell)
    return ErrorBudget(*terms, norm, unresolved, n, x, tensors, {"u0": u0} | solutions)


@dataclass(frozen=True, eq=False)
class Tabulated:
    """Tensors (d, d, K) known at the sampling points of a basis, as a function of all those points."""

    tensor: Array

    def __call__(self, x: Array) -> Array:
        return self.tensor


@dataclass(frozen=True, eq=False)
class MacroProblem:
    """The macro problem for whatever tensor, the norm in which its solutions are compared, and A*."""

    basis: skfem.CellBasis
    source: Data
    conditions: dict[str, Any]
    norm: str
    gradient: Callable | None
    A: Any
    known: dict[tuple, Array] = field(default_factory=dict)

    def effective(self, x: Array) -> Array:
        """A*(x), (d, d, K); solutions and norms ask for the same points again and again."""
        key = x.shape, x.tobytes()
        if key not in self.known:
            self.known[key] = self._effective(x)
        return self.known[key]

    def slow_medium(self, x: Array, y: Array) -> Array:
        return self._effective(x.reshape(len(x), -1)).reshape(len(x), *x.shape)

    def _effective(self, x: Array) -> Array:
        try:
            return as_tensor(self.A(read_only(x)) if callable(self.A) else self.A, x, "effective")
        except NotImplementedError as error:
            raise ValueError(f"effective=None, and there is no other way to get A*: {error}") from error

    def solve(self, tensor: Array) -> Solution:
        return solve_elliptic(self.basis, ExactClosure(Tabulated(tensor)), self.source, **self.conditions)

    def distance(self, u: Solution, v: Any) -> float:
        return u.error(v, self.norm, self.gradient, self.effective if self.norm == "energy" else None)

    def round_off(self, u: Solution) -> float:
        return FLOOR * self.distance(u, replace(u, u=np.zeros_like(u.u)))


# -- limits --------------------------------------------------------------------------------------------------------------


def q1_version(cell: CellProblem, n: int) -> CellProblem:
    """The cell problem by Q1 elements, solved so well that only the grid is left to err."""
    return replace(cell, scheme="q1", n=max(4, n), tol=min(cell.tol, 1e-8))


def best_interface(a: Any, dim: int) -> str:
    """How Q1 elements meet the interfaces of a medium: as layers, if it tells where they are."""
    return "laminate" if dim > 1 and hasattr(a, "interface") else "sharp"


def fourier_version(cell: CellProblem, a: MediumLike, x: Array, eps: float | None) -> CellProblem | None:
    """The cell problem by trigonometric polynomials, if it may have them and they converge fast at a few points."""
    few = x[:, :: max(1, x.shape[1] // 4)]
    try:
        rungs = [replace(cell, scheme="fourier", interface="sharp", n=n, tol=1e-12) for n in (16, 32, 64)]
        first, second, third = (rung.effective_tensor(a, few, eps) for rung in rungs)
    except (ValueError, ConvergenceError):
        return None  # not a whole number of periods, not periodic, or far from smooth
    before, step, size = (np.abs(part).max() for part in (second - first, third - second, third))
    return rungs[0] if step <= max(min(0.05 * before, 1e-4 * size), 1e-9 * size) else None


def refinements(problem: CellProblem, a: MediumLike, x: Array, eps: float | None) -> Iterator[tuple[Array, Array, int]]:
    """Ever better tensors by doubling n, each with another from which it differs by about what it may be wrong.

    Fourier: as they are. Q1: extrapolated to h = 0, for each doubling moves the tensor 4 times less, or by the measured
    factor where corners of the material keep it smaller. Then the other tensor is the best before; but where the
    factors follow no rule (interfaces that cut elements), it is the one without extrapolation, or worse.
    """
    coarse, best, last, ratio = None, None, None, None
    while problem.cells <= FINEST[problem.dim]:
        tensor, before = problem.effective_tensor(a, x, eps), best
        best = tensor
        if problem.scheme == "q1" and coarse is not None:
            step, factor = tensor - coarse[0], (problem.cells / coarse[1]) ** 2
            if last is not None and step.any():
                expected, ratio = ratio or factor, np.linalg.norm(last) / np.linalg.norm(step)
                if not 0.8 * factor < ratio < 2 * factor:
                    if not 0.8 < ratio / expected < 1.25:
                        before = tensor if ratio < factor else tensor + last / factor
                    factor = min(max(1.5, ratio), factor)
            best, last = tensor + step / (factor - 1), step
        if before is not None:
            yield best, before, problem.n
        coarse, problem = (tensor, problem.cells), replace(problem, n=2 * problem.n)


def _resolve(
    name: str,
    tensors: Iterator[tuple[Array, Array, int]],
    macro: MacroProblem,
    neighbours: list[Solution],
    resolution: float,
) -> tuple[Solution, Array, float, int]:
    """The macro solution for h -> 0, its tensors, what it may be wrong by, and the n it took.

    Enough is ``resolution`` times the distance to the farther neighbour, or round-off.
    """
    story = []
    for tensor, other, n in tensors:
        found = macro.solve(tensor)
        doubt, term = macro.distance(found, macro.solve(other)), max(macro.distance(found, u) for u in neighbours)
        if doubt <= max(resolution * term, macro.round_off(found)):
            return found, tensor, doubt, n
        story.append(f"{doubt / term:.1e} (n={n})")
    raise ConvergenceError(
        f"{name} is not resolved for h -> 0: its uncertainty relative to the terms beside it, {', '.join(story) or 'unknown'}, "
        f"has to reach resolution={resolution:.1e}, and the grid may not grow further. Allow more, or take a smaller cell"
    )


def resolve_u0(macro: MacroProblem, u_star: Solution, resolution: float) -> Solution:
    """The homogenized solution on finer meshes with a richer element, until the macro term stands still."""
    mesh, element = macro.basis.mesh, RICHER[type(macro.basis.elem)]()
    before, story = math.inf, []
    while True:
        fine = skfem.Basis(mesh, element, intorder=2 * element.maxdeg + 2)
        if story and LARGEST[mesh.dim()] < fine.N:
            raise ConvergenceError(
                f"u0 is not resolved; macro term (unknowns): {', '.join(story)}. Pass exact= or a larger resolution="
            )
        u0 = solve_elliptic(fine, ExactClosure(macro.effective), macro.source, **macro.conditions)
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
    """A finer mesh. Refined are the elements in which the gradient varies most, enough for half of its variation."""
    mesh, gradient, dx = u.basis.mesh, u.basis.interpolate(u.u).grad, u.basis.dx
    if mesh.boundaries or not isinstance(mesh, skfem.MeshLine1 | skfem.MeshTri1 | skfem.MeshTet1):
        return mesh.refined(1)
    mean = (gradient * dx).sum(axis=2) / dx.sum(axis=1)
    variation = ((gradient - mean[:, :, None]) ** 2 * dx).sum(axis=(0, 2))
    order = np.argsort(-variation)
    share = np.cumsum(variation[order])
    return mesh.refined(order[: 1 + np.searchsorted(share, share[-1] / 2)])


# -- bad input -----------------------------------------------------------------------------------------------------------


def _positive(tensor: Array, x: Array) -> Array:
    low = np.linalg.eigvalsh(np.moveaxis(tensor + tensor.swapaxes(0, 1), -1, 0))[:, 0]
    if not low.min() > 0:
        k = int(low.argmin())
        raise ValueError(f"effective is {tensor[..., k].tolist()} at x={x[:, k].tolist()}: not positive definite")
    return tensor


def _check(a: Any, eps: Any, basis: Any, cell: Any, effective: Any, norm: Any, frozen: Any, resolution: Any) -> None:
    for name, value, right, needed in (
        ("a", a, callable(a), "a medium: a function a(x, y)"),
        ("eps", eps, isinstance(eps, Real) and not isinstance(eps, bool), "a real number"),
        ("resolution", resolution, isinstance(resolution, Real), "a real number"),
        ("basis", basis, isinstance(basis, skfem.CellBasis), "a macro space: macro_basis(mesh, element)"),
        ("cell", cell, isinstance(cell, CellProblem), "a CellProblem, whose grid can be refined"),
        ("frozen", frozen, isinstance(frozen, bool), "True or False"),
    ):
        if not right:
            raise TypeError(f"{name}={value!r} must be {needed}")
    for name, value, top in (("eps", eps, math.inf), ("resolution", resolution, 1)):
        if not 0 < value < top:
            raise ValueError(f"{name}={value!r} must lie between 0 and {top}")
    if cell.dim != basis.mesh.dim():
        raise ValueError(f"cell has dim={cell.dim}, but basis lives on a {basis.mesh.dim()}D mesh")
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
    if effective is None and not hasattr(a, "effective"):
        raise ValueError(
            f"effective=None, and the medium {a!r} has no attribute effective: there is no way to get A*; pass effective="
        )
