"""What would the best choice have cost? An exhaustive search, for the three problems on which the planner is tested.

python tools/plan_search.py [name ...] tries every macro mesh, sample and micro grid in order of nominal cost and solves
the whole macro problem with each, all its sampling points included, until one meets the tolerance and nothing
cheaper is left. It writes tests/reference/plan_search.json: per problem the best choice, its error and cost, and how many were
tried. Minutes.
"""

import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import skfem
from files import whole

import hmm_core as hmm
from hmm_core.analysis.errors import RICHER, Tabulated
from hmm_core.analysis.planner import work

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "tests" / "reference" / "plan_search.json"
Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Problem:
    """What ``hmm.plan`` is given, the effective tensor (which it may not know), and the kinds of sample that compete."""

    given: dict[str, Any]
    law: Callable[[Array], Array]
    kinds: tuple[hmm.CellProblem, ...]
    sizes: tuple[float, ...]
    known: dict = field(default_factory=dict)

    @property
    def eps(self) -> float | None:
        return None if self.given.get("frozen") else self.given["eps"]

    def basis(self, N: int) -> skfem.CellBasis:
        line = np.linspace(0, 1, N + 1)
        return hmm.macro_basis(skfem.MeshTri.init_tensor(line, line), self.given["element"])

    def exact(self, N: int) -> hmm.Solution:
        """u0 by a richer element on the same mesh."""
        if N not in self.known:
            richer = RICHER[type(self.given["element"])]()
            fine = skfem.Basis(self.basis(N).mesh, richer, intorder=2 * richer.maxdeg + 2)
            self.known[N] = hmm.solve_elliptic(fine, hmm.ExactClosure(self.law), self.given["source"])
        return self.known[N]

    def error(self, u: hmm.Solution, N: int) -> float:
        """Of u on mesh(N), relative to u0."""
        u0 = self.exact(N)
        u = replace(u, basis=skfem.Basis(u0.basis.mesh, self.given["element"]))
        return u.error(u0, self.given.get("norm", "energy"), tensor=self.law, relative=True)

    def try_out(self, N: int, cell: hmm.CellProblem) -> tuple[float, float]:
        """Error and cost of one choice, with all its sampling points."""
        basis = self.basis(N)
        x = np.asarray(basis.global_coordinates()).reshape(cell.dim, -1)
        micro = cell.solve(self.given["a"], x, self.eps, correctors=False)
        u = hmm.solve_elliptic(basis, hmm.ExactClosure(Tabulated(micro.tensor)), self.given["source"])
        return self.error(u, N), work(cell.dim, cell.cells, micro.solves, float(np.mean(micro.iterations)), basis.N)


# -- the problems --------------------------------------------------------------------------------------------------------


def slope(x: Array) -> Array:
    return 1 + 0.5 * x[0] + x[1] ** 2


def hou_wu_law(x: Array) -> Array:
    """Reference values of the smooth medium of Hou-Wu type (see tests/test_cell.py), graded."""
    return np.diag([3.946496219918, 3.341601662015])[:, :, None] * slope(x)


def growing(x: Array) -> Array:
    """Volume fraction of the disks."""
    return 0.1 + 0.3 * x[0]


def disk_law(x: Array) -> Array:
    """Square array of disks of conductivity 10: the formula of Perrins, McKenzie and McPhedran (1979) for moderate fractions."""
    f, T = growing(x), (1 + 10) / (1 - 10)
    k = 1 - 2 * f / (T + f - 0.305827 * f**4 * T / (T**2 - 1.402958 * f**8) - 0.013362 * f**8 / T)
    return k * np.eye(2)[:, :, None]


def bent(x: Array) -> Array:
    """Phase of curved layers, whose period and direction change from place to place."""
    return x[0] + 0.4 * x[1] ** 2 + 0.3 * x[0] * x[1]


LAYERS = hmm.media.stratified(hmm.media.Steps((1.0, 4.0)), bent, eps=1 / 90)
PROBLEMS = {
    "smooth, graded, periodic": Problem(
        {
            "a": hmm.media.graded(slope, hmm.media.hou_wu()),
            "eps": 1 / 64,
            "tol": 0.02,
            "source": 1.0,
            "norm": "L2",
            "element": skfem.ElementTriP1(),
            "frozen": True,
        },
        hou_wu_law,
        (hmm.CellProblem(tol=2e-5), hmm.CellProblem(scheme="fourier", tol=2e-5)),
        (1.0,),
    ),
    "disks of growing size": Problem(
        {
            "a": hmm.media.inclusion(10.0, fraction=growing),
            "eps": 1 / 50,
            "tol": 0.04,
            "source": lambda x: 1 + 4 * x[0],
            "element": skfem.ElementTriP2(),
            "frozen": True,
        },
        disk_law,
        (hmm.CellProblem(tol=4e-5), hmm.CellProblem(scheme="fourier", tol=4e-5)),
        (1.0,),
    ),
    "curved layers": Problem(
        {"a": LAYERS, "eps": 1 / 90, "tol": 0.06, "source": 1.0, "element": skfem.ElementTriP2()},
        LAYERS.effective,
        tuple(
            hmm.CellProblem(bc="dirichlet", window=window, tol=6e-5) for window in ("box", ("smooth", 1), ("smooth", 3))
        ),
        tuple(np.arange(2, 49) / 4),
    ),
}


# -- the search ----------------------------------------------------------------------------------------------------------


def candidates(problem: Problem) -> Iterator[tuple[float, int, hmm.CellProblem]]:
    """(nominal cost, N, cell) in order of cost; macro meshes whose own error cannot be made good are left out."""
    tol, norm = problem.given["tol"], problem.given.get("norm", "energy")
    meshes = {}
    for N in range(2, 200):
        basis = problem.basis(N)
        star = problem.error(hmm.solve_elliptic(basis, hmm.ExactClosure(problem.law), problem.given["source"]), N)
        if star <= (tol if norm == "energy" else 3 * tol):  # in energy nothing cancels the macro term
            x = np.asarray(basis.global_coordinates()).reshape(2, -1)
            count = replace(problem.kinds[0], n=16, tol=0.1)  # how many samples are distinct
            meshes[N] = count.solve(problem.given["a"], x, problem.eps, correctors=False).solves, basis.N
        if star < tol / 3:
            break
    found = []
    for kind in problem.kinds:
        few = np.random.default_rng(1).random((2, 8))
        for size in problem.sizes:
            steps = np.mean(replace(kind, n=8, size=size).solve(problem.given["a"], few, problem.eps, False).iterations)
            for n in range(2, 65):
                cell = replace(kind, n=n, size=float(size))
                for N, (solves, unknowns) in meshes.items():
                    found.append((work(2, cell.cells, solves, float(steps), unknowns), N, cell))
    yield from sorted(found, key=lambda choice: choice[0])


def search(problem: Problem) -> dict[str, Any]:
    """The cheapest choice that meets the tolerance. Nominal and true cost differ by the iterations on coarse grids."""
    best, tried = {"cost": math.inf}, 0
    for nominal, N, cell in candidates(problem):
        if nominal > 2.5 * best["cost"]:
            break
        error, cost = problem.try_out(N, cell)
        tried += 1
        if error <= problem.given["tol"] and cost < best["cost"]:
            choice = {
                "N": N,
                "n": cell.n,
                "size": cell.size,
                "bc": cell.bc,
                "scheme": cell.scheme,
                "window": cell.window,
            }
            best = choice | {"error": round(error, 5), "cost": round(cost)}
        if tried % 200 == 0:
            print(f"  {tried} tried, nominal cost {nominal:.2e}, best {best['cost']:.2e}", flush=True)
    return best | {"tried": tried}


def main(names: list[str]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in names or PROBLEMS:
        print(name, flush=True)
        results[name] = search(PROBLEMS[name])
        print(" ", results[name], flush=True)
        with whole(RESULTS) as draft:
            draft.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
