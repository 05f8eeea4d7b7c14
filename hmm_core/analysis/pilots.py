r"""Pilots: what meshes and samples get wrong, measured where it is cheap.

A mesh needs no samples to show its macro term: it is computed as it is, against a richer element. What samples get wrong
is measured at a few sampling points, as the relative error E of their tensors A* + L E L^T, A* = L L^T: against n in
one sample, and against the size on one grid.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import skfem
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from hmm_core.analysis.errors import (
    LARGEST,
    RICHER,
    MacroProblem,
    best_interface,
    fourier_version,
    q1_version,
    refinements,
    resolve_u0,
)
from hmm_core.closure import ExactClosure, as_tensor
from hmm_core.macro import Solution, macro_basis, restrict, solve_elliptic
from hmm_core.macro.boundary import Data
from hmm_core.micro.cell import CellProblem, ConvergenceError, MicroSolution
from hmm_core.micro.grid import read_only
from hmm_core.micro.sample import MediumLike, sample

Array = np.ndarray
POINTS = 32  # sampling points that pilots and verifications use, at least
UNKNOWNS = 2**21  # of all cell problems of one pilot together
# Sizes of samples, in periods, where the period is unknown; in the plane and in space, UNKNOWNS ends them earlier.
SIZES = (*np.arange(4, 16) / 4, *np.arange(8, 16) / 2, 8.0, 9.0, 10.0, 11.0, 12.0, 14.0, 20.0, 32.0, 48.0, 64.0, 96.0)
# Elements per period that are tried. No others: on interfaces, n between two good grids can be a bad one.
GRIDS = (*range(2, 13), *range(14, 25, 2), *range(28, 41, 4), 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
MESHES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 8192, 16384)


# -- what samples should answer --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Material:
    """The medium and its effective tensor, given or computed: ``exact`` at some points, ``anywhere`` by interpolation."""

    a: MediumLike
    slow: float | None
    dim: int
    effective: Any
    doubt: float  # allowed of a computed A*, relative
    known: dict = field(default_factory=dict)

    def given(self, x: Array) -> Array | None:
        A = getattr(self.a, "effective", None) if self.effective is None else self.effective
        try:
            return None if A is None else as_tensor(A(read_only(x)) if callable(A) else A, x, "effective")
        except NotImplementedError:  # a medium of the library without a closed form
            return None

    def exact(self, x: Array) -> Array:
        """A*(x), (d, d, K); macro problems ask for the same points again and again."""
        key = x.tobytes()
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
            period = CellProblem(dim=self.dim, n=8, interface=best_interface(self.a, self.dim))
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
class Level:
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


class Levels:
    """Macro meshes on demand, and the macro term on and between them."""

    def __init__(
        self, mesh: Callable, element: skfem.Element, norm: str, source: Data, conditions: dict, material: Material
    ) -> None:
        self.mesh, self.element, self.norm, self.source, self.conditions = mesh, element, norm, source, conditions
        self.material, self.known, self.saturation = material, {}, 1.0
        N = next((N for N in MESHES if self._space(N)[1].shape[1] >= POINTS), None)
        if N is None:
            raise ValueError(
                f"mesh={mesh!r} has fewer than {POINTS} sampling points, whatever N: it must refine with N"
            )
        material.prepare(_some(self._space(N)[1]))
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

    def __call__(self, N: int) -> Level:
        if N not in self.known:
            basis, x = self._space(N)
            if any(basis.N <= level.macro.basis.N for M, level in self.known.items() if M < N):
                raise ValueError(
                    f"mesh={self.mesh!r} has no more unknowns for N={N} than before: it must refine with N"
                )
            macro = MacroProblem(basis, self.source, self.conditions, self.norm, None, self.material.anywhere)
            richer = RICHER[type(self.element)]()
            fine = skfem.Basis(basis.mesh, richer, intorder=2 * richer.maxdeg + 2)
            rich = solve_elliptic(fine, ExactClosure(macro.effective), self.source, **self.conditions)
            size = macro.distance(rich, replace(rich, u=np.zeros_like(rich.u)))
            if size == 0:
                raise ValueError(f"u0 is zero in norm={self.norm!r}: a relative tolerance has no meaning")
            # Frozen samples do not see where they lie in the material: those of the pilots serve on every mesh.
            few = self.pilot.x if self.known and self.material.slow is None else _some(x)
            star = macro.solve(macro.effective(x))
            gap = macro.distance(star, rich) / size
            self.known[N] = Level(macro, few, x.shape[1], star, rich, size, gap, self.saturation)
        return self.known[N]

    def climb(self, wanted: float) -> None:
        """Look at finer meshes until the macro term alone is below ``wanted``."""
        for N in MESHES:
            level = self(N)
            if level.term <= wanted and len(self.known) > 1:
                return
            if LARGEST[self.material.dim] < 4 * level.macro.basis.N:
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
class Trial:
    """A choice, the errors E of its tensors at a few of its sampling points, and what these do to U."""

    family: "Family"
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


@dataclass(frozen=True, eq=False)
class Family:
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
    trials: list[Trial] = field(default_factory=list)

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


def pilot(cell: CellProblem, material: Material, level: Level, small: float) -> Family | None:
    """Errors against n for one size, against the size for one n; None if this kind cannot do this medium."""
    x, exact = level.x, material.exact(level.x)

    def solve(n: int, size: float) -> MicroSolution | None:
        problem = replace(cell, n=int(n), size=float(size))
        if x.shape[1] * problem.dim * problem.cells**problem.dim > UNKNOWNS:
            return None
        return problem.solve(material.a, x, material.slow, correctors=False)

    least = getattr(material.a, "correlation_length", 0.0)  # smaller samples of a random medium are not representative
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
    return Family(cell, np.array(sizes), sample, grids, micro, first, both, iterations, distinct)
