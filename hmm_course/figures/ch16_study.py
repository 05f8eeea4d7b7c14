"""The study of chapter 16: six materials, five ways to solve for each, the errors that they make and the work that they cost.

Everything is on nested grids. The judge is a direct simulation with h = eps/8 (eps/32 for the coarse period); cell problems and
multiscale bases live on grids of the same h, so that what is measured is the method and not its micro grid.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import skfem
from scipy.interpolate import CubicSpline

import hmm_core as hmm
from hmm_core.compare import resolve
from hmm_core.compare.broken import BrokenField, Lattice, at_cells, element_matrices
from hmm_course.figures import Array, Data

METHODS = ("homogenization", "HMM", "HMM + reconstruction", "MsFEM", "MsFEM oversampled", "DNS")
UNIT = (0.0, 1.0), (0.0, 1.0)
LAYER = 0.5  # of oversampling, in coarse elements
BUDGETS = (4, 8, 16, 32)  # coarse elements per side
COLUMNS = ("N", "L2", "energy", "unknowns", "micro_solves", "evaluations", "work", "setup", "per_source")

# -- what conducts -----------------------------------------------------------------------------------------------------------


def woven(beta: Any, y: Array) -> Array:
    """Two sine waves along the diagonals; A* = 2 (4 - beta^2)^(1/2) I."""
    return (2 + beta * np.sin(2 * np.pi * (y[0] + y[1]))) * (2 + beta * np.sin(2 * np.pi * (y[0] - y[1])))


def periodic(x: Array, y: Array) -> Array:
    return woven(1.2, y)


def graded(x: Array, y: Array) -> Array:
    return (1 + x[1]) * woven(0.3 + 1.3 * x[0], y)


def random(x: Array, y: Array) -> Array:
    return _tiles()(x, y)


@lru_cache(maxsize=1)
def _tiles() -> Any:
    return hmm.media.random_checkerboard(1.0, 8.0, rng=np.random.default_rng(16))


def channels(x: Array, y: Array) -> Array:
    """A fine pattern of mean 1, and three veins a thousand times better that wind through almost all of the square."""
    vein = np.zeros(np.broadcast_shapes(x[0].shape, y[0].shape), dtype=bool)
    for height, phase in ((0.25, 0.0), (0.5, 2.0), (0.75, 4.0)):
        middle = height + 0.06 * np.sin(2 * np.pi * x[0] + phase)
        vein |= (np.abs(x[1] - middle) < 0.012) & (np.abs(x[0] - 0.5) < 0.44)
    return np.where(vein, 1000.0, woven(1.2, y) / 4)


def warming(x: Array, y: Array, u: Array) -> Array:
    """k(y, u): uniform where it is cold, strongly varying where it is warm."""
    return woven(1.5 * np.tanh(2 * u), y)


@dataclass(frozen=True)
class Case:
    """One material a(x, y), or k(x, y, u), at one eps, on a fine grid of M x M cells.

    HMM's samples are ``size`` periods wide, and ``cut`` where they are or taken with the slow variable frozen."""

    name: str
    a: Callable
    eps: float
    M: int
    size: float = 1.0
    cut: bool = False
    nonlinear: bool = False
    source: float = 1.0

    @property
    def n(self) -> int:
        """Micro elements per period."""
        return round(self.M * self.eps)

    @property
    def cell(self) -> hmm.CellProblem:
        return hmm.CellProblem(dim=2, n=self.n, size=self.size, tol=1e-6)


CASES = (
    Case("periodic", periodic, 1 / 32, 256),
    Case("graded", graded, 1 / 32, 256),
    Case("random", random, 1 / 32, 256, size=3.0, cut=True),
    Case("nonlinear", warming, 1 / 16, 128, nonlinear=True, source=40.0),
    Case("eps ~ H", periodic, 1 / 4, 128),
    Case("channels", channels, 1 / 32, 256, cut=True),
)

# -- fields on the fine grid, and their errors -------------------------------------------------------------------------------


def squares(N: int) -> skfem.CellBasis:
    line = np.linspace(0, 1, N + 1)
    return hmm.macro_basis(skfem.MeshQuad.init_tensor(line, line), skfem.ElementQuad1())


def nodal(solution: hmm.Solution) -> Array:
    """A Q1 solution on N x N squares as values (N+1, N+1)."""
    N = round(np.sqrt(solution.basis.mesh.nelements))
    i, j = np.rint(solution.basis.doflocs * N).astype(int)
    values = np.empty((N + 1, N + 1))
    values[i, j] = solution.u
    return values


def refined(values: Array, M: int) -> Array:
    """A bilinear field on N x N squares, on the cells of M x M."""
    N = len(values) - 1
    s = np.arange(M + 1) / (M // N)
    k = np.minimum(s.astype(int), N - 1)
    P = np.zeros((M + 1, N + 1))
    P[np.arange(M + 1), k], P[np.arange(M + 1), k + 1] = k + 1 - s, s - k
    return at_cells(P @ values @ P.T)


def broken(field: BrokenField) -> Array:
    """A broken field on the cells of its fine grid, put together (M, M, 4)."""
    (N, _), n = field.lattice.counts, field.lattice.n
    return at_cells(field.values).reshape(N, N, n, n, 4).transpose(0, 2, 1, 3, 4).reshape(N * n, N * n, 4)


def rebuilt(solution: hmm.Solution, case: Case) -> Array:
    """HMM's reconstruction on the cells (M, M, 4), which jumps where its next sampling point is another one."""
    N = 2 * round(np.sqrt(solution.basis.mesh.nelements))  # a quarter of an element for each sampling point
    n, i = case.M // N, np.arange(N)[:, None]
    line = (i * n + np.clip(np.arange(n + 1), 1e-6, n - 1e-6)) / case.M  # (N, n + 1), seen from inside
    shape = (N, N, n + 1, n + 1)
    x = np.stack([np.broadcast_to(line[:, None, :, None], shape), np.broadcast_to(line[None, :, None, :], shape)])
    values = solution.reconstruct(x, case.eps).reshape(N * N, n + 1, n + 1)
    return broken(BrokenField(Lattice((N, N), n, UNIT), values))


@lru_cache(maxsize=8)
def _grid(M: int) -> Lattice:
    return Lattice((1, 1), M, UNIT)


class Judge:
    """The resolved solution of a case, and how far from it others are."""

    def __init__(self, case: Case) -> None:
        self.case, x = case, _grid(case.M).gauss[:, 0]
        self.solution, _ = direct(case, case.M, tol=1e-7)
        self.cells = at_cells(nodal(self.solution))
        a = material(case, BrokenField(_grid(case.M), nodal(self.solution)[None]))
        self.stiffness = element_matrices(
            np.broadcast_to(a(x, x / case.eps), x.shape[1:])[None, None], _grid(case.M).h
        )[0]
        self.size = np.array(self.norms(np.zeros_like(self.cells)))

    def norms(self, cells: Array) -> tuple[float, float]:
        """L2 and energy norm of the distance to a field (M, M, 4) on the cells."""
        d = (cells - self.cells).reshape(-1, 4)
        line = np.array([[2, 1], [1, 2]]) / 6
        mass = np.kron(line, line) / self.case.M**2
        energy = ((self.stiffness @ d[:, :, None])[..., 0] * d).sum()
        return float(np.sqrt(((d @ mass) * d).sum())), float(np.sqrt(energy))

    def errors(self, cells: Array) -> Array:
        """The same, relative (2,)."""
        return np.array(self.norms(cells)) / self.size


# -- the methods: solutions --------------------------------------------------------------------------------------------------


def material(case: Case, known: BrokenField | None) -> Callable:
    """The medium a(x, y); of a nonlinear case as it is at the field that is known by now (zero at first)."""
    if not case.nonlinear:
        return case.a
    return lambda x, y: case.a(x, y, 0.0 if known is None else known.at(x))


def repeated(case: Case, solve: Callable, tol: float = 1e-3) -> tuple[Any, int]:
    """solve(medium) -> (solution, field) until the field stands still: once, if the material does not follow it."""
    known = None
    for rounds in range(1, 60):
        solution, found = solve(material(case, known))
        still = known is not None and np.abs(found.values - known.values).max() < tol * np.abs(found.values).max()
        if still or not case.nonlinear:
            return solution, rounds
        known = found
    raise hmm.ConvergenceError(
        f"{case.name}: the material still changes the field by more than {tol} after {rounds} rounds"
    )


def direct(case: Case, M: int, tol: float = 1e-3) -> tuple[hmm.Solution, int]:
    """Everything resolved on M x M squares, and in how many rounds."""
    mesh = squares(M).mesh

    def solve(a: Callable) -> tuple[hmm.Solution, BrokenField]:
        found = resolve(mesh, skfem.ElementQuad1(), a, case.eps, case.source)
        return found, BrokenField(_grid(M), nodal(found)[None])

    return repeated(case, solve, tol)


def multiscale(case: Case, N: int, layer: float = 0.0) -> tuple[Any, int]:
    """A MsFEM solution, and how often its bases had to be made."""
    options = {"oversampling": layer, "formulation": "petrov-galerkin" if layer else "galerkin"}

    def solve(a: Callable) -> tuple[Any, Any]:
        found = hmm.msfem_plane(a, case.eps, case.source, N, case.M // N, **options)
        return found, found

    return repeated(case, solve)


def hmm_solution(case: Case, N: int) -> hmm.Solution:
    """HMM with four samples in each of N x N squares."""
    if case.nonlinear:
        closure = hmm.NonlinearCellClosure(hmm.laws.Quasilinear(case.a), case.cell)
    else:
        closure = hmm.CellClosure(case.a, case.cell, eps=case.eps if case.cut else None)
    return hmm.solve_elliptic(squares(N), closure, case.source, tol=1e-5)


def homogenized(case: Case, entries: int = 17) -> tuple[hmm.ExactClosure, int, int]:
    """The law made beforehand; how many cell problems that takes, of how many unknowns each.

    Periodic: one cell. Graded or nonlinear: a table, of ``entries``. Random: one large specimen of the same statistics.
    Channels: there is no period but the whole square.
    """
    line = np.linspace(0, 1, entries)
    x, cell = np.stack([line, 0 * line]), replace(case.cell, size=1.0)
    if case.a is graded:
        A = cell.effective_tensor(case.a, x=x)[0, 0]
        return hmm.ExactClosure(lambda x: (1 + x[1]) * np.interp(x[0], line, A)), entries, case.n**2
    if case.nonlinear:
        law = CubicSpline(line, cell.effective_tensor(lambda x, y: case.a(x, y, x[0]), x=x)[0, 0])
        return hmm.ExactClosure(lambda x, u: law(u)), entries, case.n**2
    if case.a is random:
        other, size = _tiles().realisation(1), 16
        return hmm.ExactClosure(replace(cell, size=float(size)).effective_tensor(other)), 1, (size * case.n) ** 2
    if case.a is channels:
        whole = hmm.CellProblem(dim=2, n=case.M, offset=0.5, tol=1e-6)
        return hmm.ExactClosure(whole.effective_tensor(lambda x, y: channels(y, y / case.eps))), 1, case.M**2
    return hmm.ExactClosure(cell.effective_tensor(case.a)), 1, case.n**2


# -- the methods: errors and costs -------------------------------------------------------------------------------------------


def factor(m: Array) -> Array:
    """Operations to factorize m equations on a grid in the plane by nested dissection, up to a constant (George 1973)."""
    return m**1.5


def substitute(m: Array) -> Array:
    """Operations to solve with the factors, up to a constant."""
    return m * np.log2(np.maximum(m, 2))


def work_of(method: str, eps: Array, N: int = 16, n: int = 8, multigrid: bool = False) -> Array:
    """The work for one source at any eps, without solving: N x N elements, n micro elements per period.

    By a direct solver; ``multigrid``: by one that needs work in proportion to the unknowns, for every right-hand side."""

    def of(m: Array, sides: int) -> Array:
        return sides * m if multigrid else factor(m) + sides * substitute(m)

    eps, macro = np.asarray(eps, dtype=float), of((N - 1.0) ** 2, 1)
    if method == "DNS":
        return of((n / eps - 1) ** 2, 1)
    if method == "HMM":
        return 4 * N**2 * of(float(n * n), 2) + macro + 0 * eps
    side = n / (eps * N)
    return N**2 * of((side * (1 + 2 * LAYER * (method == "MsFEM oversampled")) - 1) ** 2, 3) + macro


def record(
    N: int, errors: Array, equations: int, micro: tuple[int, float, int], seen: int, rounds: int, keeps: str = "all"
) -> list[float]:
    """One row of a table (COLUMNS): what a method reached with N squares per side, and what it paid.

    ``equations`` of the macro system; ``micro``: how many local problems, of how many unknowns, with how many right-hand sides;
    ``seen``: evaluations of the coefficient; ``rounds``: how often the macro system was made. What it ``keeps`` for the next
    source, "all" of it, the "law" or "nothing", is "setup"; the rest is "per_source".
    """
    count, size, sides = micro
    local = count * (factor(size) + sides * substitute(size))
    parts = [local, rounds * factor(equations), rounds * substitute(equations)]
    setup = sum(parts[: {"all": 2, "law": 1, "nothing": 0}[keeps]])
    return [N, *errors, equations + count * sides * size, count, seen, sum(parts), setup, sum(parts) - setup]


def turns(solution: hmm.Solution) -> int:
    """How often the law was asked anew: once if it is linear, for the turn that confirms is answered from memory."""
    return 1 if getattr(solution.closure, "linear", False) else len(solution.history)


def study(case: Case, budgets: tuple[int, ...] = BUDGETS) -> dict[str, Array]:
    """For each method a table (budgets, COLUMNS)."""
    judge, M, n = Judge(case), case.M, round(case.size * case.n)
    rows: dict[str, list] = {method: [] for method in METHODS}
    law, cells, unknowns = homogenized(case)
    keeps = "nothing" if case.nonlinear else "all"
    for N in budgets:
        equations = (N - 1) ** 2
        plain = hmm.solve_elliptic(squares(N), law, case.source, tol=1e-5)
        errors, rounds = judge.errors(refined(nodal(plain), M)), turns(plain)
        cost = equations, (cells, unknowns, 2), 4 * cells * unknowns, rounds, "law" if case.nonlinear else "all"
        rows["homogenization"].append(record(N, errors, *cost))

        asked = hmm_solution(case, N)
        rounds = turns(asked)
        count = 4 * N * N * rounds  # equal samples are asked for all the same
        for method, field in (("HMM", refined(nodal(asked), M)), ("HMM + reconstruction", rebuilt(asked, case))):
            cost = record(N, judge.errors(field), equations, (count, n * n, 2), 4 * count * n * n, rounds, keeps)
            rows[method].append(cost)

        for method, layer in (("MsFEM", 0.0), ("MsFEM oversampled", LAYER)):
            found, rounds = multiscale(case, N, layer)
            count, errors = found.basis.micro_solves, judge.errors(broken(found))
            local = count * rounds, found.basis.unknowns / (3 * count), 3
            rows[method].append(record(N, errors, equations, local, found.basis.samples * rounds, rounds, keeps))
    sizes = [m for m in (8, 16, 32, 64, 128, 256) if 2 / case.eps <= m <= M]
    for m in sizes if len(budgets) == len(BUDGETS) else sizes[: len(budgets)]:
        found, rounds = direct(case, m) if m < M or case.nonlinear else (judge.solution, 1)
        errors = judge.errors(refined(nodal(found), M)) if m < M else np.zeros(2)
        rows["DNS"].append(record(m, errors, (m - 1) ** 2, (0, 1, 0), 4 * m * m * rounds, rounds, keeps))
    return {method: np.array(table, dtype=float) for method, table in rows.items()}


def slug(case: Case | str, method: str) -> str:
    """The name of a table."""
    name = case if isinstance(case, str) else case.name
    return f"{name} {method}".replace(" + ", "-").replace(" ~ ", "~").replace(" ", "-")


def study_data(budgets: tuple[int, ...] = BUDGETS) -> Data:
    """All tables, a column an array: ``periodic-HMM.L2`` and so on."""
    return {
        f"{slug(case, method)}.{column}": table[:, k]
        for case in CASES
        for method, table in study(case, budgets).items()
        for k, column in enumerate(COLUMNS)
    }
