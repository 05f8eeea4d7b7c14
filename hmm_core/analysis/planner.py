r"""Choosing H, delta and h for a tolerance at least predicted cost, from a few cheap pilot solves.

    minimise  cost(N, R, n)   subject to   |u0 - U_H| <= tol |u0|,

where mesh(N) is the macro mesh, R = delta/eps the size of a sample in periods, n = eps/h. Pilots (see ``pilots``) make a
table of errors. The cheapest choice in it is then *verified* at sampling points of its own mesh, for errors are erratic:
a larger sample may be cut worse, a finer grid may meet an interface worse. The table is corrected by what was found and
read again, until nothing cheaper is left in it than a choice that has been verified.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
import skfem

from hmm_core.analysis.errors import RICHER, best_interface, q1_version
from hmm_core.analysis.pilots import MESHES, Family, Levels, Material, Trial, pilot, relative
from hmm_core.closure import CellClosure
from hmm_core.macro import NORMS
from hmm_core.macro.boundary import Data
from hmm_core.micro.cell import CellProblem, ConvergenceError
from hmm_core.micro.sample import MediumLike

Array = np.ndarray
AIM, ENOUGH = 0.8, 0.9  # shares of the tolerance: at which the table is read, and that a verified error may use
SMALL = 0.05  # an error that is this share of the tolerance need not be known better
LEAST = 1e-6  # smallest tolerance: differences of macro solutions are known to 1e-8, and a share of it has to be seen
TRIALS = 12  # verifications after which the best one so far is taken


@dataclass(frozen=True, eq=False)
class Plan:
    """A choice of all parameters, what it is predicted to be wrong by, and what it costs. ``print`` shows it.

    N, basis    the macro mesh, mesh(N), and its space
    cell        the cell problem; ``closure`` asks it, so that solve_elliptic(plan.basis, plan.closure, source) is U_H
    error       predicted norm of u0 - U_H relative to that of u0, below ``tol``
    terms       {"macro", "modelling", "resonance", "micro"}: its parts, likewise; 0.0 where the method has no such term.
                In L2 they can cancel: then the error is smaller than the largest of them
    cost        see ``work``
    laws        {"macro", "sample", "micro"}: (C, p) such that the pilots' terms are about C N^-p, C R^-p, C n^-p;
                (0.0, 0.0): no such term was seen, or there is no choice
    trials      the choices that were verified, (N, cell, error, cost) each
    """

    N: int
    cell: CellProblem
    error: float
    terms: dict[str, float]
    cost: float
    tol: float
    norm: str
    laws: dict[str, tuple[float, float]]
    trials: tuple[tuple[int, CellProblem, float, float], ...] = field(repr=False)
    basis: skfem.CellBasis = field(repr=False)
    closure: CellClosure = field(repr=False)

    def __str__(self) -> str:
        cell, points = self.cell, self.basis.nelems * len(self.basis.W)
        window = "" if cell.window == "box" else f", window q = {cell.window[1]:g}"
        frozen = ", slow variable frozen" if self.closure.eps is None else ""
        terms = (f"{name} {term:.1e}" if term else f"no {name}" for name, term in self.terms.items())
        laws = zip(self.laws.items(), "NRn", strict=True)
        laws = [f"{name} {C:.2g} {x}^-{p:.1f}" for (name, (C, p)), x in laws if C]
        return (
            f"macro mesh  N = {self.N}: {self.basis.N} unknowns, {points} sampling points\n"
            f"sample      {cell.size:g} periods, {cell.bc}{window}{frozen}\n"
            f"micro grid  n = {cell.n} per period, {cell.scheme}\n"
            f"error       {self.error:.1e} of u0 in {self.norm}, tolerance {self.tol:g}: {', '.join(terms)}\n"
            f"pilots      {', '.join(laws) or 'no error seen'}\n"
            f"cost        {self.cost:.1e}, {len(self.trials)} choices verified"
        )


def work(dim: int, cells: Array, solves: Array, iterations: Array, unknowns: Array) -> Array:
    """Cost of one macro solve: micro unknowns x iterations over all distinct cell problems, + the macro factorisation.

    A cell problem with ``cells`` elements per side has dim cells^dim unknowns (a closed form in one dimension counts as one
    iteration); equal ones are solved once. The sparse factorisation of M macro unknowns takes about M, M^(3/2), M^2
    operations in 1, 2, 3 dimensions. No clock is read.
    """
    return solves * dim * cells**dim * np.maximum(1.0, iterations) + unknowns ** ((dim + 1) / 2)


def plan(
    a: MediumLike,
    *,
    eps: float,
    tol: float,
    source: Data,
    norm: str = "energy",
    mesh: Callable[[int], skfem.Mesh] | None = None,
    element: skfem.Element | None = None,
    effective: Any = None,
    frozen: bool = False,
    cells: Sequence[CellProblem] | None = None,
    dirichlet: Any = 0.0,
    neumann: Any = None,
    robin: Any = None,
) -> Plan:
    r"""Macro mesh, sample and micro grid for -div(a(x, x/eps) grad u) = f such that |u0 - U_H| <= tol |u0|.

    Parameters
    ----------
    a, eps, source, dirichlet, neumann, robin, frozen : the problem, as in ``decompose_error``.
    tol, norm : the tolerance, relative to u0, and the norm in which it is meant.
    mesh : a function of an integer N >= 2 that returns ever finer meshes; by default the unit interval, square or cube
        of dimension ``a.dim`` (2 if it has none), N segments, N^2 squares of two triangles, N^3 cubes of six tetrahedra.
    element : of the macro space; by default P1 or Q1.
    effective : A*, as in ``decompose_error``; by default ``a.effective``. Where neither is known, it is computed at a few
        points, from an exact period or from filtered samples of growing size, and interpolated between them.
    cells : kinds of sample to choose from. n is free, and size as well unless they are periodic. By default one period,
        by Q1 and by trigonometric polynomials, if the material repeats itself up to its drift; if not, or if that does not
        meet the tolerance, Dirichlet samples with the box window and the smooth ones of q = 1 and 3.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or value; a tolerance that the pilots cannot see; a random medium without effective=
        (see ``effective_ensemble``); what medium, cell or macro solver refuse.
    ConvergenceError
        There is no way to get A* well enough, or no choice on grids that are allowed meets the tolerance.
    """
    _check(a, eps, tol, norm, frozen, mesh, cells)
    mesh = mesh or _unit(getattr(a, "dim", None) or (cells[0].dim if cells else 2))
    coarsest = mesh(MESHES[0])
    if not isinstance(coarsest, skfem.Mesh):
        raise TypeError(f"mesh={mesh!r} returned {type(coarsest).__name__} for N=2, not a scikit-fem mesh")
    if any(cell.dim != coarsest.dim() for cell in cells or ()):
        raise ValueError(f"cells has dim={cells[0].dim}, but mesh(2) is {coarsest.dim()}D")
    element = element or _simplest(coarsest)
    if type(element) not in RICHER:
        raise ValueError(
            f"element={type(element).__name__}: no richer one is known, by which to measure the macro term"
        )
    conditions = {"dirichlet": dirichlet, "neumann": neumann, "robin": robin}
    material = Material(a, None if frozen else float(eps), coarsest.dim(), effective, SMALL * tol)
    levels = Levels(mesh, element, norm, source, conditions, material)
    levels.climb(0.7 * AIM * tol)
    families: list[Family] = []
    for kinds in (cells,) if cells else _kinds(material, levels.pilot.x):
        exact_enough = (replace(cell, tol=float(np.clip(tol / 1000, 1e-10, 1e-4))) for cell in kinds)
        families += [family for cell in exact_enough if (family := pilot(cell, material, levels.pilot, SMALL * tol))]
        if best := _search(families, levels, material, tol):
            return _described(best, families, levels, material, tol)
    reached = min((family.predict(norm)[0].min() for family in families), default=math.inf)
    raise ConvergenceError(
        f"tol={tol!r} in norm={norm!r} needs more than the allowed grids: the samples that were tried are wrong by "
        f"{reached:.1e} at least. Pass other cells=, a larger tol=, or frozen=True if the medium is known at frozen x"
    )


# -- search and verification -------------------------------------------------------------------------------------------------


def _search(families: list[Family], levels: Levels, material: Material, tol: float) -> Trial | None:
    """Verify the cheapest choice of the table, correct the table, and again, until nothing cheaper is left in it."""
    best = None
    for _ in range(TRIALS):
        below = 0.95 * best.cost if best else math.inf
        choices = (_cheapest(family, levels, AIM * tol, below) for family in families)
        cost, N, cell, family = min(choices, key=lambda choice: choice[0])
        if cost == math.inf:
            break
        trial = _verify(family, N, cell, levels, material)
        family.trials.append(trial)
        if trial.error <= ENOUGH * tol and (best is None or trial.cost < best.cost):
            best = trial
    return best


def _cheapest(family: Family, levels: Levels, aim: float, below: float) -> tuple[float, int, CellProblem, Family]:
    """(cost, N, cell, family) of least cost among the choices predicted within ``aim`` that have not been verified."""
    n, (law, cosine) = family.grids, family.predict(levels.norm)
    meshes, macro, samples, unknowns = levels.table()
    square = aim**2 - law**2 * (1 - cosine**2)
    room = np.sqrt(np.maximum(square, 0)) - cosine * law  # for the macro term
    k = np.searchsorted(-macro, -np.maximum(room, 0))  # the coarsest mesh that fits into it
    fits, k = (square > 0) & (room > 0) & (k < len(meshes)), np.minimum(k, len(meshes) - 1)
    cells = np.maximum(2, np.ceil(n * family.sizes[:, None] - 1e-9))
    solves = np.maximum(1, samples[k] * family.distinct)
    cost = np.where(fits, work(family.cell.dim, cells, solves, family.iterations, unknowns[k]), math.inf)
    done = {(trial.N, trial.cell) for trial in family.trials}
    for at in zip(*np.unravel_index(np.argsort(cost, axis=None), cost.shape), strict=True):
        choice = int(meshes[k[at]]), replace(family.cell, n=int(n[at[1]]), size=float(family.sizes[at[0]]))
        if cost[at] >= below:
            break
        if choice not in done:
            return float(cost[at]), *choice, family
    return math.inf, 0, family.cell, family


def _verify(family: Family, N: int, cell: CellProblem, levels: Levels, material: Material) -> Trial:
    """The error of a choice, from its own cell problems at a few of its own sampling points."""
    level = levels(N)
    micro = cell.solve(material.a, level.x, material.slow, correctors=False)
    E = relative(micro.tensor, material.exact(level.x))
    u = level.with_errors(E)
    solves = 1 if micro.solves == 1 else level.samples * micro.solves / level.x.shape[1]
    cost = work(cell.dim, cell.cells, solves, np.mean(micro.iterations), level.macro.basis.N)
    distance = level.macro.distance(u, level.star) / level.size
    return Trial(family, N, cell, E, level.term, distance, level.error(u), float(cost))


def _described(best: Trial, families: list[Family], levels: Levels, material: Material, tol: float) -> Plan:
    """The plan, its error split into four terms as ``decompose_error`` would, from the same few points."""
    level, cell, slow = levels(best.N), best.cell, material.slow
    limit = fine = np.zeros_like(best.E)
    if slow is not None:
        few = replace(q1_version(cell, math.ceil(8 / cell.size)), interface="sharp")
        average = few.effective_tensor(level.macro.slow_medium, level.x, slow)
        limit = relative(average, level.macro.effective(level.x))
    whole_periods = cell.bc == "periodic" and cell.window == "box" and cell.size == round(cell.size)
    if not whole_periods or material.repeats(level.x, slow)[1] > 1e-12:
        fine = replace(cell, n=2 * cell.n).effective_tensor(material.a, level.x, slow)
        fine = relative(fine, material.exact(level.x))
        fine = fine + (fine - best.E) / 3 if cell.scheme == "q1" else fine
    chain = [level.star, *map(level.with_errors, (limit, fine, best.E))]
    steps = [level.macro.distance(u, v) / level.size for u, v in itertools.pairwise(chain)]
    names, steps = ("macro", "modelling", "resonance", "micro"), [level.term, *steps]
    family, meshes = best.family, sorted(levels.known)
    return Plan(
        N=best.N,
        cell=cell,
        error=best.error,
        terms={name: step if step > LEAST / 10 else 0.0 for name, step in zip(names, steps, strict=True)},
        cost=best.cost,
        tol=tol,
        norm=levels.norm,
        laws={
            "macro": _fit(meshes, [levels.known[N].term for N in meshes]),
            "sample": _fit(family.sizes, family.sample),
            "micro": _fit(family.grids, family.micro),
        },
        trials=tuple((t.N, t.cell, t.error, t.cost) for f in families for t in f.trials),
        basis=level.macro.basis,
        closure=CellClosure(material.a, cell, slow),
    )


def _fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """(C, p) of y = C x^-p, where there is something to see."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    seen = y > LEAST / 10
    if seen.sum() < 2:
        return 0.0, 0.0
    p, C = np.polyfit(np.log(x[seen]), np.log(y[seen]), 1)
    return float(np.exp(C)), float(-p)


# -- defaults, bad input -----------------------------------------------------------------------------------------------------


def _kinds(material: Material, x: Array) -> Iterator[list[CellProblem]]:
    """Kinds of sample worth trying, first those that may do without resonance."""
    one = CellProblem(dim=material.dim, interface=best_interface(material.a, material.dim))
    if material.periodic(x, material.slow):
        yield [one] if material.dim == 1 else [one, replace(one, scheme="fourier", interface="sharp")]
    yield [replace(one, bc="dirichlet", window=window) for window in ("box", ("smooth", 1), ("smooth", 3))]


def _unit(dim: int) -> Callable[[int], skfem.Mesh]:
    kind = {1: skfem.MeshLine, 2: skfem.MeshTri, 3: skfem.MeshTet}[dim]
    return lambda N: kind.init_tensor(*[np.linspace(0, 1, N + 1)] * dim)


def _simplest(mesh: skfem.Mesh) -> skfem.Element:
    names = {"RefLine": "LineP1", "RefTri": "TriP1", "RefQuad": "Quad1", "RefTet": "TetP1", "RefHex": "Hex1"}
    return getattr(skfem, f"Element{names[mesh.refdom.__name__]}")()


def _check(a: Any, eps: Any, tol: Any, norm: Any, frozen: Any, mesh: Any, cells: Any) -> None:
    def number(value: Any) -> bool:
        return isinstance(value, Real) and not isinstance(value, bool)

    listed = isinstance(cells, Sequence) and len(cells) and all(isinstance(cell, CellProblem) for cell in cells)
    for name, value, right, needed in (
        ("a", a, callable(a), "a medium: a function a(x, y)"),
        ("eps", eps, number(eps), "a real number"),
        ("tol", tol, number(tol), "a real number"),
        ("frozen", frozen, isinstance(frozen, bool), "True or False"),
        ("mesh", mesh, mesh is None or callable(mesh), "a function of an integer N that returns a mesh"),
        ("cells", cells, cells is None or listed, "a list of CellProblem, the kinds of sample to choose from"),
    ):
        if not right:
            raise TypeError(f"{name}={value!r} must be {needed}")
    if not 0 < eps < math.inf:
        raise ValueError(f"eps={eps!r} must lie between 0 and inf")
    if not LEAST <= tol < 1:
        raise ValueError(
            f"tol={tol!r} must lie in [{LEAST:g}, 1), relative to u0: pilots see no errors smaller than that"
        )
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
