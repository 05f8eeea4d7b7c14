r"""Choosing H, delta and h for a tolerance at least predicted cost, from a few cheap pilot solves.

    minimise  cost(N, R, n)   subject to   |u0 - U_H| <= tol |u0|,

where mesh(N) is the macro mesh, R = delta/eps the size of a sample in periods, n = eps/h. The macro term needs no sample
and is computed as it is. What samples get wrong is measured at a few sampling points, as the relative error E of their
tensors A* + L E L^T, A* = L L^T: against R on one grid, and against n in one sample. The cheapest choice in that table is
then *verified* at sampling points of its own mesh, for both errors are erratic (a larger sample may be cut worse, a finer
grid may meet an interface worse). The table is corrected by what was found and read again, until nothing cheaper is
left in it than a choice that has been verified.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np
import skfem
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from hmm_core.cell import CellProblem, ConvergenceError, MicroSolution
from hmm_core.closure import CellClosure, ExactClosure, as_tensor
from hmm_core.errors import LARGEST, RICHER, MacroProblem, fourier_version, q1_version, refinements, resolve_u0
from hmm_core.macro import NORMS, Data, Solution, macro_basis, restrict, solve_elliptic
from hmm_core.sampling import Medium, sample

Array = np.ndarray
POINTS = 32  # sampling points that pilots and verifications use, at least
AIM, ENOUGH = 0.8, 0.9  # shares of the tolerance: at which the table is read, and that a verified error may use
SMALL = 0.05  # an error that is this share of the tolerance need not be known better
LEAST = 1e-6  # smallest tolerance: differences of macro solutions are known to 1e-8, and a share of it has to be seen
TRIALS = 12  # verifications after which the best one so far is taken
UNKNOWNS = 2**21  # of all cell problems of one pilot together
# Sizes of samples, in periods, where the period is unknown; in the plane and in space, UNKNOWNS ends them earlier.
SIZES = (*np.arange(4, 16) / 4, *np.arange(8, 16) / 2, 8.0, 9.0, 10.0, 11.0, 12.0, 14.0, 20.0, 32.0, 48.0, 64.0, 96.0)
# Elements per period that are tried. No others: on interfaces, n between two good grids can be a bad one.
GRIDS = (*range(2, 13), *range(14, 25, 2), *range(28, 41, 4), 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
MESHES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192, 16384)


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
    a: Medium,
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
    law = _Law(a, None if frozen else float(eps), coarsest.dim(), effective, SMALL * tol)
    levels = _Levels(mesh, element, norm, source, conditions, law)
    levels.climb(0.7 * AIM * tol)
    families: list[_Family] = []
    for kinds in (cells,) if cells else _kinds(law, levels.pilot.x):
        exact_enough = (replace(cell, tol=float(np.clip(tol / 1000, 1e-10, 1e-4))) for cell in kinds)
        families += [family for cell in exact_enough if (family := _pilot(cell, law, levels.pilot, SMALL * tol))]
        if best := _search(families, levels, law, tol):
            return _described(best, families, levels, law, tol)
    reached = min((family.predict(norm)[0].min() for family in families), default=math.inf)
    raise ConvergenceError(
        f"tol={tol!r} in norm={norm!r} needs more than the allowed grids: the samples that were tried are wrong by "
        f"{reached:.1e} at least. Pass other cells=, a larger tol=, or frozen=True if the medium is known at frozen x"
    )


# -- what samples should answer --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Law:
    """The medium and its effective tensor, given or computed: ``exact`` at some points, ``anywhere`` by interpolation."""

    a: Medium
    slow: float | None
    dim: int
    effective: Any
    doubt: float  # allowed of a computed A*, relative
    known: dict = field(default_factory=dict)

    def given(self, x: Array) -> Array | None:
        A = getattr(self.a, "effective", None) if self.effective is None else self.effective
        try:
            return None if A is None else as_tensor(A(x) if callable(A) else A, x, "effective")
        except NotImplementedError:  # a medium of the library without a closed form
            return None

    def exact(self, x: Array) -> Array:
        """A*(x), (d, d, K); macro problems ask for the same points again and again."""
        key = x.shape, hash(x.tobytes())
        if key not in self.known:
            A = self.given(x)
            self.known[key] = self._computed(x) if A is None else A
        return self.known[key]

    def anywhere(self, x: Array) -> Array:
        """The same where it is given; otherwise interpolated between the points of ``prepare``."""
        if "between" not in self.known:
            return self.exact(x)
        return self.known["between"](x.T).T.reshape(self.dim, self.dim, -1)

    def prepare(self, x: Array) -> None:
        if self.given(x) is None:
            values = self.exact(x).reshape(-1, x.shape[1]).T
            self.known["between"] = RBFInterpolator(x.T, values, kernel="cubic")

    def repeats(self, x: Array, slow: float | None) -> tuple[float, float]:
        """How much the material varies within a period, and how much from one period to the next; means, relative."""
        eta, x = np.random.default_rng(0).random((self.dim, 1, 256)) - 0.5, x[:, :, None]

        def seen(eta: Array) -> Array:
            return sample(self.a, x, eta) if slow is None else sample(self.a, x + slow * eta, x / slow + eta)

        here = seen(eta)
        changes = [np.abs(seen(eta + e[:, None, None]) - here).mean() for e in np.eye(self.dim)]
        spread = np.abs(here - here.mean(axis=2, keepdims=True)).mean()
        return spread / np.abs(here).mean(), max(changes) / np.abs(here).mean()

    def periodic(self, x: Array, slow: float | None) -> bool:
        """Up to its drift; a jump that moves a little with x changes a few values much, hence the means."""
        spread, change = self.repeats(x, slow)
        return change <= max(0.1 * spread, 1e-12)

    def _computed(self, x: Array) -> Array:
        if self.periodic(x, None) and (self.slow is None or self.periodic(x, self.slow)):
            period = CellProblem(dim=self.dim, n=8)
            fine = fourier_version(period, self.a, x, None) or q1_version(period, 8)
            pairs = ((best, before) for best, before, _ in refinements(fine, self.a, x, None))
        else:
            if hasattr(self.a, "realisation"):
                raise ValueError("effective=None, but A* of a random medium is not to be had from one sample: pass it")
            sizes = itertools.takewhile(
                lambda size: self._affordable(x, size), (3.2 * 1.5**k for k in itertools.count())
            )
            pairs = ((best, before) for before, best in itertools.pairwise(self._filtered(x, size) for size in sizes))
        doubt = math.inf
        for best, before in pairs:
            doubt = float(np.sqrt((relative(before, best) ** 2).sum(axis=(0, 1)).mean() / self.dim))
            if doubt <= self.doubt:
                return best
        raise ConvergenceError(
            f"effective=None, and there is no way to get A* to {self.doubt:.1e}, a twentieth of tol: the best that was "
            f"computed differs by {doubt:.1e} from the one before. Pass effective="
        )

    def _affordable(self, x: Array, size: float) -> bool:
        return x.size * (16 * size) ** self.dim <= 2 * UNKNOWNS

    def _filtered(self, x: Array, size: float) -> Array:
        """From Dirichlet samples with a smooth window, extrapolated in h."""
        cell = CellProblem(dim=self.dim, n=8, size=size, bc="dirichlet", window=("smooth", 3))
        coarse, fine = (replace(cell, n=n).effective_tensor(self.a, x, self.slow) for n in (8, 16))
        return fine + (fine - coarse) / 3


def relative(tensor: Array, exact: Array) -> Array:
    """E of tensor = L (I + E) L^T with exact = L L^T; all (d, d, K)."""
    inverse = np.linalg.inv(_root(exact))
    return np.moveaxis(inverse @ np.moveaxis(tensor - exact, -1, 0) @ inverse.swapaxes(1, 2), 0, -1)


def _root(tensor: Array) -> Array:
    """Cholesky factors (K, d, d)."""
    return np.linalg.cholesky(np.moveaxis(tensor, -1, 0))


# -- the macro problem on every mesh ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Level:
    """The macro problem on mesh(N), its solution with A*, and a richer one on the same mesh that stands for u0."""

    macro: MacroProblem
    x: Array  # a few of the sampling points ...
    samples: int  # ... of which there are so many
    star: Solution
    rich: Solution
    size: float  # norm of the richer one
    gap: float  # the distance of the two, relative to it
    saturation: float  # how much farther than the richer one u0 is

    @property
    def term(self) -> float:
        """The macro term, relative."""
        return self.saturation * self.gap

    def error(self, u: Solution) -> float:
        return self.saturation * self.macro.distance(u, self.rich) / self.size

    def with_errors(self, E: Array) -> Solution:
        """U for tensors that are wrong by E (d, d, K), each around its point of x."""
        points = restrict(self.macro.basis, self.star.u).x
        A, nearest = self.macro.effective(points), cKDTree(self.x.T).query(points.T)[1]
        root = _root(A)
        return self.macro.solve(A + np.moveaxis(root @ np.moveaxis(E, -1, 0)[nearest] @ root.swapaxes(1, 2), 0, -1))

    def law(self, E: Array) -> float:
        """What tensors that are wrong by E do to U, relative, to first order in E."""
        small = min(1.0, 0.05 / max(np.abs(E).max(), 1e-300))
        return self.macro.distance(self.with_errors(small * E), self.star) / self.size / small


class _Levels:
    """Macro meshes on demand, and the macro term on and between them."""

    def __init__(
        self, mesh: Callable, element: skfem.Element, norm: str, source: Data, conditions: dict, law: _Law
    ) -> None:
        self.mesh, self.element, self.norm, self.source, self.conditions = mesh, element, norm, source, conditions
        self.law, self.known, self.saturation = law, {}, 1.0
        N = next((N for N in MESHES if self._space(N)[1].shape[1] >= POINTS), None)
        if N is None:
            raise ValueError(
                f"mesh={mesh!r} has fewer than {POINTS} sampling points, whatever N: it must refine with N"
            )
        law.prepare(_some(self._space(N)[1]))
        self.pilot = level = self(N)
        # A richer solution on the same mesh is not u0. Where u0 is singular this shows, on every mesh alike.
        if level.term > 1e-8:
            u0 = resolve_u0(level.macro, level.star, 0.02)
            star = replace(level.star, u=level.star.at(u0.basis.doflocs), basis=u0.basis)
            self.saturation = max(1.0, level.macro.distance(star, u0) / (level.term * level.size))
            self.pilot = self.known[N] = replace(level, saturation=self.saturation)

    def _space(self, N: int) -> tuple[skfem.CellBasis, Array]:
        basis = macro_basis(self.mesh(N), self.element)
        return basis, restrict(basis, np.zeros(basis.N)).x

    def __call__(self, N: int) -> _Level:
        if N not in self.known:
            basis, x = self._space(N)
            if any(basis.N <= level.macro.basis.N for M, level in self.known.items() if M < N):
                raise ValueError(
                    f"mesh={self.mesh!r} has no more unknowns for N={N} than before: it must refine with N"
                )
            macro = MacroProblem(basis, self.source, self.conditions, self.norm, None, self.law.anywhere)
            richer = RICHER[type(self.element)]()
            fine = skfem.Basis(basis.mesh, richer, intorder=2 * richer.maxdeg + 2)
            rich = solve_elliptic(fine, ExactClosure(macro.effective), self.source, **self.conditions)
            size = macro.distance(rich, replace(rich, u=np.zeros_like(rich.u)))
            if size == 0:
                raise ValueError(f"u0 is zero in norm={self.norm!r}: a relative tolerance has no meaning")
            # Frozen samples do not see where they lie in the material: those of the pilots serve on every mesh.
            few = self.pilot.x if self.known and self.law.slow is None else _some(x)
            star = macro.solve(macro.effective(x))
            gap = macro.distance(star, rich) / size
            self.known[N] = _Level(macro, few, x.shape[1], star, rich, size, gap, self.saturation)
        return self.known[N]

    def climb(self, wanted: float) -> None:
        """Look at finer meshes until the macro term alone is below ``wanted``."""
        for N in MESHES:
            level = self(N)
            if level.term <= wanted and len(self.known) > 1:
                return
            if LARGEST[self.law.dim] < 4 * level.macro.basis.N:
                break
        raise ConvergenceError(
            f"tol needs more than the allowed grids: with {level.macro.basis.N} macro unknowns (N={N}) the macro term is "
            f"still {level.term:.1e}, and it must come below {wanted:.1e}. Pass a richer element=, or a larger tol="
        )

    def table(self) -> tuple[Array, Array, Array, Array]:
        """N up to twice the largest known, macro term, samples, unknowns: powers of N between what is known and beyond."""
        known = sorted(self.known)
        levels, N = [self.known[N] for N in known], np.arange(known[0], 2 * known[-1] + 1)
        terms = np.minimum.accumulate([max(level.term, 1e-12) for level in levels])
        columns = terms, [level.samples for level in levels], [level.macro.basis.N for level in levels]
        return N, *(_powers(N, known, column) for column in columns)


def _powers(at: Array, x: Sequence[float], y: Sequence[float]) -> Array:
    """y = C x^p between neighbours, and beyond the last two."""
    at, x, y = np.log(at), np.log(x), np.log(y)
    beyond = y[-1] + (at - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2])
    return np.exp(np.where(at <= x[-1], np.interp(at, x, y), beyond))


def _some(x: Array) -> Array:
    """A few of the sampling points, at random, so that they sit at all phases of the material that occur."""
    count = min(x.shape[1], max(2 * POINTS, x.shape[1] // 16))
    return x[:, np.sort(np.random.default_rng(0).choice(x.shape[1], count, replace=False))]


# -- pilots ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Family:
    """One kind of sample: what the pilots saw against R and against n, and what became of it when it was verified."""

    cell: CellProblem
    sizes: Array
    sample: Array
    grids: Array
    micro: Array
    first: float  # the size for which micro was measured ...
    both: Array  # ... and with it the whole error of the law, against n
    iterations: Array  # against n
    distinct: float  # cell problems per sampling point; 0: one for all of them
    trials: "list[_Trial]" = field(default_factory=list)

    def predict(self, norm: str) -> tuple[Array, Array]:
        """For all (R, n) of the pilots, the error of the law and the cosine of its angle with the macro error.

        The law is the sum of what the pilots saw, scaled as the trials say; where there was a trial, what it found. In
        energy the macro error is orthogonal to all that a law can do on the macro mesh; in other norms the two are taken
        to add up until a trial knows the angle.
        """
        law = self.sample[:, None] + self.micro
        law[self.sizes == self.first] = self.both
        cosine = np.full(law.shape, 0.0 if norm == "energy" else 1.0)
        found = {
            (np.searchsorted(self.sizes, t.cell.size), np.searchsorted(self.grids, t.cell.n)): t for t in self.trials
        }
        if found:
            law *= np.exp(np.mean([np.log(max(t.law, 1e-12) / law[at]) for at, t in found.items()]))
            cosine[:] = np.mean([t.cosine for t in self.trials])
            for at, t in found.items():
                law[at], cosine[at] = t.law, t.cosine
        return law, cosine


def _pilot(cell: CellProblem, law: _Law, level: _Level, small: float) -> _Family | None:
    """Errors against n for one size, against the size for one n; None if this kind cannot do this medium."""
    x, exact = level.x, law.exact(level.x)

    def solve(n: int, size: float) -> MicroSolution | None:
        problem = replace(cell, n=int(n), size=float(size))
        if x.shape[1] * problem.dim * problem.cells**problem.dim > UNKNOWNS:
            return None
        return problem.solve(law.a, x, law.slow, correctors=False)

    least = getattr(law.a, "correlation_length", 0.0)  # smaller samples of a random medium are not representative
    first, found, steps = cell.size if cell.bc == "periodic" else max(2.0, least), [], [math.inf]
    try:
        for n in GRIDS:
            if max(steps[-2:]) <= small or (micro := solve(n, first)) is None:
                break
            found.append((n, relative(micro.tensor, exact), np.mean(micro.iterations), micro.solves))
            if len(found) > 1:
                steps.append(level.law(found[-1][1] - found[-2][1]))
    except (ValueError, ConvergenceError):
        if cell.scheme == "fourier":  # the medium is far from smooth
            return None
        raise
    grids, errors, iterations, solves = map(np.array, zip(*found, strict=True))
    limit = errors[-1]
    if cell.scheme == "q1" and len(grids) > 1:
        limit = limit + (limit - errors[-2]) / ((grids[-1] / grids[-2]) ** 2 - 1)
    sizes, sample = [first], [level.law(limit)]
    if cell.bc != "periodic":
        sizes, sample, k = [], [], min(6, len(grids) - 1)
        for size in (size for size in SIZES if size >= least):
            if (sample and sample[-1] <= 2 * small) or (micro := solve(grids[k], size)) is None:
                break
            sizes.append(size)
            sample.append(level.law(relative(micro.tensor, exact) - (errors[k] - limit)))
    micro, both = (np.array([level.law(E) for E in some]) for some in (errors - limit, errors))
    sample, micro, both = (np.maximum(column, 1e-14) for column in (sample, micro, both))
    distinct = 0.0 if solves[-1] == 1 else solves[-1] / x.shape[1]
    return _Family(cell, np.array(sizes), sample, grids, micro, first, both, iterations, distinct)


# -- search and verification -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Trial:
    """A choice, the errors E of its tensors at a few of its sampling points, and what these do to U."""

    family: _Family
    N: int
    cell: CellProblem
    E: Array
    macro: float
    law: float
    error: float
    cost: float

    @property
    def cosine(self) -> float:
        """Of the angle between macro error and law: error^2 = macro^2 + law^2 + 2 macro law cosine."""
        both = 2 * self.macro * self.law
        return float(np.clip((self.error**2 - self.macro**2 - self.law**2) / both, -1, 1)) if both else 0.0


def _search(families: list[_Family], levels: _Levels, law: _Law, tol: float) -> _Trial | None:
    """Verify the cheapest choice of the table, correct the table, and again, until nothing cheaper is left in it."""
    best = None
    for _ in range(TRIALS):
        below = 0.95 * best.cost if best else math.inf
        choices = (_cheapest(family, levels, AIM * tol, below) for family in families)
        cost, N, cell, family = min(choices, key=lambda choice: choice[0])
        if cost == math.inf:
            break
        trial = _verify(family, N, cell, levels, law)
        family.trials.append(trial)
        if trial.error <= ENOUGH * tol and (best is None or trial.cost < best.cost):
            best = trial
    return best


def _cheapest(family: _Family, levels: _Levels, aim: float, below: float) -> tuple[float, int, CellProblem, _Family]:
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


def _verify(family: _Family, N: int, cell: CellProblem, levels: _Levels, law: _Law) -> _Trial:
    """The error of a choice, from its own cell problems at a few of its own sampling points."""
    level = levels(N)
    micro = cell.solve(law.a, level.x, law.slow, correctors=False)
    E = relative(micro.tensor, law.exact(level.x))
    u = level.with_errors(E)
    solves = 1 if micro.solves == 1 else level.samples * micro.solves / level.x.shape[1]
    cost = work(cell.dim, cell.cells, solves, np.mean(micro.iterations), level.macro.basis.N)
    distance = level.macro.distance(u, level.star) / level.size
    return _Trial(family, N, cell, E, level.term, distance, level.error(u), float(cost))


def _described(best: _Trial, families: list[_Family], levels: _Levels, law: _Law, tol: float) -> Plan:
    """The plan, its error split into four terms as ``decompose_error`` would, from the same few points."""
    level, cell, slow = levels(best.N), best.cell, law.slow
    limit = fine = np.zeros_like(best.E)
    if slow is not None:
        few = q1_version(cell, math.ceil(8 / cell.size))
        average = few.effective_tensor(level.macro.slow_medium, level.x, slow)
        limit = relative(average, level.macro.effective(level.x))
    whole_periods = cell.bc == "periodic" and cell.window == "box" and cell.size == round(cell.size)
    if not whole_periods or law.repeats(level.x, slow)[1] > 1e-12:
        fine = replace(cell, n=2 * cell.n).effective_tensor(law.a, level.x, slow)
        fine = relative(fine, law.exact(level.x))
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
        closure=CellClosure(law.a, cell, slow),
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


def _kinds(law: _Law, x: Array) -> Iterator[list[CellProblem]]:
    """Kinds of sample worth trying, first those that may do without resonance."""
    if law.periodic(x, law.slow):
        period = CellProblem(dim=law.dim)
        yield [period] if law.dim == 1 else [period, replace(period, scheme="fourier")]
    yield [CellProblem(dim=law.dim, bc="dirichlet", window=window) for window in ("box", ("smooth", 1), ("smooth", 3))]


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
