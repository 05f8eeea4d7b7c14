"""What is compared with what: every task lists its contenders, its errors and its aims.

A contender is made by a function that imports what it needs and returns ``run``; ``run()`` does the whole task and
returns its answer, alone or with ``parts``, further seconds to report. What is not a time returns a ``Quantity``.
"""

import importlib.util
import re
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import particles, problems
from benchmarks.problems import BALL, SQUARE, ElasticBall, Pixels, ball, elastic_ball, graded, largest, smooth, square

Array = np.ndarray


@dataclass(frozen=True)
class Quantity:
    """A measured number that is not the time of the run."""

    value: float
    unit: str


@dataclass(frozen=True)
class Contender:
    """``ours``: whether it is hmm_core. ``aim``: the ratio wanted, or for a Quantity or time alone its limit."""

    make: Callable[[], Callable[[], Any]]
    ours: bool = False
    aim: float | None = None
    limit: float | None = None
    needs: tuple[str, ...] = ()
    fresh: bool = False  # a new process for every run
    wall: bool = False  # several processes or threads: always by the wall clock
    solver_error: Callable[[Any], float] | None = None  # of a discretisation of its own, instead of the task's

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


@dataclass(frozen=True)
class Task:
    title: str
    contenders: dict[str, Contender]
    error: Callable[[Any], float] | None = None  # against a converged reference
    solver_error: Callable[[Any], float] | None = None  # against the converged answer on the same grid
    note: str = ""
    compare: bool = True  # peers against hmm_core; otherwise the rows speak for themselves


def tasks(quick: bool = False) -> dict[str, Task]:
    """All tasks; ``quick`` makes them small enough to look at the machinery, not at the numbers."""
    result = {"hmm": whole_hmm(8 if quick else 32), "cells": many_cells(64 if quick else 1024)}
    size = (4, 8) if quick else (32, 16)
    result |= {"nonlinear": nonlinear_hmm(*size), "effort-nonlinear": nonlinear_effort(*size)}
    result |= {"parabolic": parabolic_hmm(4 if quick else 16, 10 if quick else 100)}
    for n in (32,) if quick else (64, 128, 256, 512):
        result |= {f"cell2d-{name}-{n}": one_cell(2, n, name) for name in ("smooth", "disk")}
    for n in (8,) if quick else (32, 64):
        result |= {f"cell3d-{name}-{n}": one_cell(3, n, name) for name in ("smooth", "sphere")}
    for dim, sides in ((2, (64,) if quick else (512,)), (3, (8,) if quick else (32,))):
        result |= {f"image{dim}d-{n}": image(dim, n) for n in sides}
    result |= {"image3d-128": large_image(16 if quick else 128), "image3d-memory": image_memory(16 if quick else 128)}
    result |= {"certify": certified(32 if quick else 256)}
    for dim, n, contrast in ((2, 32, 10), (3, 6, 10)) if quick else ((2, 128, 10), (2, 128, 100), (3, 32, 10)):
        result |= {f"elastic{dim}d-{contrast}-{n}": elastic_cell(dim, n, contrast)}
        result |= {f"elastic{dim}d-fourier-{contrast}-{n + 1}": elastic_fourier(dim, n + 1, contrast)}
    result |= {"eps-hmm": hmm_against_eps(quick), "eps-dns": dns_against_eps(quick)}
    result |= {"memory": memory(8 if quick else 32), "import": import_time()}
    for n in (32,) if quick else (64, 256):
        result |= {f"rough-{law}-{n}": rough_cell(n, law) for law in ("lognormal", "two-phase")}
    for shape in ("square", "disk"):
        result |= {f"jump-{shape}": fourier_on_a_jump(32 if quick else 64, shape)}
    result |= {"executors": executors(8 if quick else 32)}
    result |= {
        "exclusion": exclusion(),
        "ssa": networks(1 if quick else 100),
        "ssa-events": events(1 if quick else 100),
    }
    from benchmarks.balance import balance_tasks  # which needs what is defined here

    return result | balance_tasks(quick)


# -- (a) whole HMM -------------------------------------------------------------------------------------------------------


def _hmm(cells: int, eps: float | None = None, workers: str = "", **cell: Any) -> Callable[[], Array]:
    import concurrent.futures
    from contextlib import nullcontext

    import skfem

    import hmm_core as hmm

    closure = hmm.CellClosure(graded, hmm.CellProblem(dim=2, **cell), eps)
    pool = {"threads": "ThreadPoolExecutor", "processes": "ProcessPoolExecutor"}.get(workers)

    def run() -> Array:
        basis = hmm.macro_basis(problems.macro_mesh(cells), skfem.ElementTriP1())
        with getattr(concurrent.futures, pool)(2) if pool else nullcontext() as executor:
            return hmm.solve_elliptic(basis, closure, 1.0, executor=executor).u

    return run


def _peer(cells: int, solver: str, *args: Any) -> Callable[[], Array]:
    from benchmarks import peers

    solve = getattr(peers, solver)
    return lambda: problems.macro_solve(solve(*args), cells)


def whole_hmm(cells: int) -> Task:
    x = problems.macro_points(cells)
    fourier = {
        f"hmm_core Fourier n={n}": Contender(partial(_hmm, cells, n=n, scheme="fourier"), ours=True)
        for n in (10, 12, 16)
    }
    return Task(
        f"Whole HMM: {x.shape[1]} cell problems and the macro solve",
        fourier
        | {
            "hmm_core Q1 n=32": Contender(partial(_hmm, cells, n=32), ours=True),
            "scikit-fem + SuperLU, Q1 n=32": Contender(
                partial(_peer, cells, "scikit_fem_superlu", graded, x, 32), aim=30
            ),
            "NGSolve order 4 on 4×4": Contender(
                partial(_peer, cells, "ngsolve_graded", x, 4, 4), aim=12, needs=("ngsolve",)
            ),
            "NGSolve order 5 on 3×3": Contender(partial(_peer, cells, "ngsolve_graded", x, 5, 3), needs=("ngsolve",)),
            "reduced assembly + CHOLMOD, Q1 n=32": Contender(
                partial(_peer, cells, "minimal_cholmod", graded, x, 32), needs=("cvxopt",)
            ),
        },
        error=lambda u: problems.l2_relative(u, problems.converged_macro(cells), cells),
        note="Error: relative L2 distance of U to Fourier n=24 on the same macro mesh. NGSolve is at its best on this "
        "problem with higher order on fewer elements, so that is shown too.",
    )


# -- (b) many cells ------------------------------------------------------------------------------------------------------


def _tensors(medium: Callable, x: Array | None, **cell: Any) -> Callable[[], Array]:
    import hmm_core as hmm
    from hmm_core.micro.cell import _grid

    def run() -> Array:
        _grid.cache_clear()  # tables that depend on the grid alone are part of the task, as the peers' meshes are
        return hmm.CellProblem(**cell).effective_tensor(medium, x=x)

    return run


def _peer_tensors(solver: str, *args: Any) -> Callable[[], Array]:
    from benchmarks import peers

    return partial(getattr(peers, solver), *args)


def many_cells(count: int) -> Task:
    side = (np.arange(round(count**0.5)) + 0.5) / round(count**0.5)
    x = np.stack(np.meshgrid(side, side)).reshape(2, -1)
    return Task(
        f"{count} cell problems, Q1 n=32",
        {
            "hmm_core": Contender(partial(_tensors, graded, x, dim=2, n=32), ours=True),
            "reduced assembly + SuperLU": Contender(partial(_peer_tensors, "minimal_superlu", graded, x, 32), aim=2.5),
            "reduced assembly + CHOLMOD": Contender(
                partial(_peer_tensors, "minimal_cholmod", graded, x, 32), aim=2.5, needs=("cvxopt",)
            ),
        },
        error=_against(lambda: problems.converged_tensors(x)),
        solver_error=_against(lambda: _converged(graded, x, dim=2, n=32)),
        note="Reduced assembly: the nonzeros are one precomputed sparse matrix times the coefficient; CHOLMOD (by way of "
        "cvxopt) keeps its symbolic analysis. Error: largest tensor entry, against Fourier n=24.",
    )


def _against(reference: Callable[[], Array]) -> Callable[[Array], float]:
    """The error against a reference that is computed when first needed."""
    once = cache(reference)
    return lambda tensor: largest(tensor, once())


def _converged(medium: Callable, x: Array | None, **cell: Any) -> Array:
    import hmm_core as hmm

    return hmm.CellProblem(**cell, tol=1e-12).effective_tensor(medium, x=x)


# -- nonlinear -----------------------------------------------------------------------------------------------------------


def _nonlinear(cells: int, **cell: Any) -> Callable[[], Array]:
    import skfem  # noqa: F401  imported before the count starts

    import hmm_core.macro  # noqa: F401

    return partial(problems.nonlinear_macro, cells, **cell)


def _nonlinear_peer(cells: int, n: int, warm: bool) -> Callable[[], Array]:
    from benchmarks import peers

    return partial(peers.scikit_fem_nonlinear, problems.stiffening, problems.HEAT, cells, n, warm)


def nonlinear_hmm(cells: int, n: int) -> Task:
    return Task(
        f"Nonlinear HMM: {2 * cells**2} sampling points, cells n={n}, the whole dialogue",
        {
            f"hmm_core Q1 n={n}": Contender(partial(_nonlinear, cells, n=n), ours=True),
            "hmm_core Fourier n=8": Contender(partial(_nonlinear, cells, n=8, scheme="fourier"), ours=True),
            f"one cell at a time, scikit-fem + SuperLU, Q1 n={n}": Contender(
                partial(_nonlinear_peer, cells, n, False), aim=20
            ),
            f"the same from the last micro fields, Q1 n={n}": Contender(partial(_nonlinear_peer, cells, n, True)),
        },
        error=lambda u: problems.l2_relative(u, problems.converged_nonlinear(cells), cells),
        note="The peer has the same consistent tangent, reuses mesh, basis and ordering, and stops at a residual of 1e-7. "
        "Error: relative L2 distance of U to Fourier n=20 on the same macro mesh.",
    )


def _effort(cells: int, n: int, adaptive: bool) -> Callable[[], Quantity]:
    def measure() -> Quantity:
        history = problems.nonlinear_solution(cells, adaptive, n=n).history
        return Quantity(sum(turn.iterations for turn in history), "micro iterations")

    return measure


def nonlinear_effort(cells: int, n: int) -> Task:
    return Task(
        "The same dialogue: micro iterations with and without adapting the effort to the macro residual",
        {
            f"{name}, Q1 n={n}": Contender(partial(_effort, cells, n, adaptive), ours=True)
            for name, adaptive in (("adaptive", True), ("every turn from the affine field to 1e-8", False))
        },
        compare=False,
    )


# -- in time -------------------------------------------------------------------------------------------------------------


def _parabolic(cells: int, steps: int, whole: bool) -> Callable[[], Array]:
    import skfem

    import hmm_core as hmm

    basis = hmm.macro_basis(problems.macro_mesh(cells), skfem.ElementTriP1())
    closure = hmm.CellClosure(graded, hmm.CellProblem(dim=2, n=32))
    times = np.array([0, problems.END / steps, problems.END])

    def run(initial: Any = problems.bump, times: Array = times) -> Any:
        return hmm.solve_parabolic(basis, closure, initial, 1.0, times, step=problems.END / steps)

    first = None if whole else run(times=times[:2])
    return lambda: (run() if whole else run(first))[-1].u


def _parabolic_peer(cells: int, steps: int, scheme: str) -> Callable[[], Array]:
    from benchmarks import peers

    return partial(peers.scikit_fem_parabolic, problems.tensors_q1(cells), cells, steps, scheme)


def parabolic_hmm(cells: int, steps: int) -> Task:
    return Task(
        f"Heat in time: {2 * cells**2} triangles, {steps} steps, cells Q1 n=32",
        {
            "hmm_core from the first step on": Contender(partial(_parabolic, cells, steps, False), ours=True),
            "hmm_core": Contender(partial(_parabolic, cells, steps, True), ours=True),
            "scikit-fem, tensor known, Crank-Nicolson": Contender(
                partial(_parabolic_peer, cells, steps, "Crank-Nicolson"), aim=0.33
            ),
            "scikit-fem, tensor known, TR-BDF2": Contender(partial(_parabolic_peer, cells, steps, "TR-BDF2"), aim=0.33),
        },
        error=lambda u: problems.l2_relative(u, problems.converged_parabolic(cells), cells),
        note="From the first step on: a stored run is continued, and assembles anew, as the peer does. Error: that of the steps.",
    )


# -- (c) one cell --------------------------------------------------------------------------------------------------------

# Residual at which the peer's CG stops: the loosest of 1e-1, 3e-2, 1e-2 ... with a tensor error of about 1e-8 at all n.
RTOL = {
    (2, "smooth"): 3e-3,
    (2, "disk"): 3e-4,
    (3, "smooth"): 1e-3,
    (3, "sphere"): 1e-3,
    (2, "lognormal"): 1e-6,
    (2, "two-phase"): 1e-5,
}


def one_cell(dim: int, n: int, name: str) -> Task:
    medium, aim = (smooth if name == "smooth" else ball), {2: 2, 3: 4}[dim]

    def reference() -> Array:
        if name == "smooth":
            return _converged(smooth, None, dim=dim, n={2: 32, 3: 24}[dim], scheme="fourier")
        return BALL[dim] * np.eye(dim)

    return Task(
        f"One {dim}D cell, {'smooth' if name == 'smooth' else f'{name} of contrast 10'}, Q1 n={n}",
        {
            "hmm_core": Contender(partial(_tensors, medium, None, dim=dim, n=n), ours=True),
            "scikit-fem + PyAMG": Contender(
                partial(_peer_tensors, "scikit_fem_pyamg", medium, dim, n, RTOL[dim, name]),
                aim=aim,
            ),
        },
        error=_against(reference),
        solver_error=_against(lambda: _converged(medium, None, dim=dim, n=n)),
    )


# -- pictures ------------------------------------------------------------------------------------------------------------


def _picture(dim: int, n: int, tol: float) -> Callable[[], Array]:
    return _tensors(problems.blobs(dim, n), None, dim=dim, n=n, tol=tol)


def _picture_peer(dim: int, n: int, rtol: float) -> Callable[[], Array]:
    return _peer_tensors("scikit_fem_pyamg", problems.blobs(dim, n), dim, n, rtol)


def image(dim: int, n: int) -> Task:
    peer = partial(_picture_peer, dim, n, 1e-3)
    limit = 2.0 if (dim, n) == (2, 512) else None
    return Task(
        f"A picture of {n}{'²' if dim == 2 else '³'} pixels, contrast 100",
        {
            "hmm_core": Contender(partial(_picture, dim, n, 1e-6), ours=True, limit=limit),
            "scikit-fem + PyAMG": Contender(peer, aim=2),
        }
        | ({"muSpectre, Q1": muspectre("picture", n, 3e-4, aim=2)} if dim == 2 else {}),
        solver_error=_against(lambda: _converged(problems.blobs(dim, n), None, dim=dim, n=n)),
        note="One element per pixel." + (PIXELS if dim == 2 else ""),
    )


PIXELS = (
    " muSpectre: the same discrete problem, CG preconditioned by FFT. It is missing in 3D, where for conduction it has a Fourier"
    " scheme for odd numbers of pixels alone."
)


def _muspectre(solve: str, *args: Any) -> Callable[[], Any]:
    import muSpectre  # noqa: F401  imported before the count starts

    from benchmarks import spectral

    return partial(getattr(spectral, solve), *args)


def muspectre(solve: str, *args: Any, aim: float, own: bool = False) -> Contender:
    """``own``: its discretisation is not that of hmm_core, and the solver error is that against its own converged tensor."""

    def reference() -> Array:
        from benchmarks import spectral

        return spectral.converged(getattr(spectral, solve), *args[:-1])

    return Contender(
        partial(_muspectre, solve, *args),
        aim=aim,
        needs=("muSpectre",),
        solver_error=_against(reference) if own else None,
    )


def large_image(n: int) -> Task:
    return Task(
        f"A picture of {n}³ pixels, contrast 100",
        {"hmm_core": Contender(partial(_picture, 3, n, 1e-4), ours=True, limit=30.0)},
        note="One element per pixel. Peers were not measured at this size.",
        compare=False,
    )


def image_memory(n: int) -> Task:
    make = partial(_memory, partial(_picture, 3, n, 1e-4), 8e-6 * n**3, "fields")
    return Task(
        f"A picture of {n}³ pixels: peak memory above import, the picture made, in fields of {n}³ doubles",
        {"hmm_core": Contender(make, ours=True, limit=30, fresh=True)},
        compare=False,
    )


def _bounds(n: int) -> Callable[[], Array]:
    import hmm_core as hmm

    picture = problems.blobs(2, n)
    return lambda: hmm.certify(picture).upper


def certified(n: int) -> Task:
    return Task(
        f"A picture of {n}² pixels, contrast 100: its tensor, and bounds of it",
        {
            "hmm_core tensor": Contender(partial(_picture, 2, n, 1e-4), ours=True),
            "hmm_core certify": Contender(partial(_bounds, n), ours=True),
        },
        compare=False,
    )


# -- elastic cells -----------------------------------------------------------------------------------------------------------


def _strains(tensor: Array) -> Array:
    """A stiffness (d, d, d, d) on unit strains 11, 12, 22, ..., (L, L)."""
    pairs = [(i, j) for i in range(len(tensor)) for j in range(i, len(tensor))]
    return np.array([[tensor[p + q] for q in pairs] for p in pairs])


def _elastic(medium: Callable, **cell: Any) -> Callable[[], Array]:
    run = _tensors(medium, None, **cell)
    return lambda: _strains(run())


# Residual at which muSpectre's CG stops: the loosest of 1e-3, 3e-4, 1e-4 ... with a tensor error of about 1e-8.
STOP = {
    (2, 10): {"Q1": 3e-4, "Fourier": 1e-4},
    (2, 100): {"Q1": 1e-4, "Fourier": 1e-5},
    (3, 10): {"tetrahedra": 1e-4, "Fourier": 1e-4},
}


def elastic_muspectre(dim: int, n: int, contrast: float, scheme: str, own: bool = False) -> dict[str, Contender]:
    solved = muspectre("elastic", contrast, dim, n, scheme, STOP[dim, contrast][scheme], aim=5, own=own)
    return {f"muSpectre, {scheme} n={n}": solved}


def elastic_cell(dim: int, n: int, contrast: float) -> Task:
    medium, shape = ElasticBall(contrast), {2: "disk", 3: "sphere"}[dim]
    rtol = {2: 1e-4, 3: 3e-4}[dim]
    return Task(
        f"One elastic {dim}D cell, {shape} of contrast {contrast}, Q1 n={n}",
        {
            "hmm_core": Contender(partial(_elastic, medium, dim=dim, n=n), ours=True),
            "scikit-fem + PyAMG": Contender(
                partial(_peer_tensors, "scikit_fem_elastic", medium.modulus, dim, n, rtol), aim=5
            ),
        }
        | elastic_muspectre(dim, n, contrast, {2: "Q1", 3: "tetrahedra"}[dim], own=dim == 3),
        error=_against(lambda: elastic_ball(dim, contrast)),
        solver_error=_against(lambda: _strains(_converged(medium, None, dim=dim, n=n))),
        note="PyAMG: smoothed aggregation on blocks of the size of the space, told the rigid motions. "
        "muSpectre: "
        + {
            2: "the same discrete problem, CG preconditioned by FFT.",
            3: "it has no Q1 elements in 3D; six linear tetrahedra per voxel, the phase that of its centre, have another tensor, "
            "and their solver error is that against it, converged.",
        }[dim],
    )


def elastic_fourier(dim: int, n: int, contrast: float) -> Task:
    medium, shape = ElasticBall(contrast), {2: "disk", 3: "sphere"}[dim]
    cell = {"dim": dim, "n": n, "scheme": "fourier"}
    return Task(
        f"One elastic {dim}D cell, {shape} of contrast {contrast}, Fourier n={n}",
        {"hmm_core Fourier": Contender(partial(_elastic, medium, **cell), ours=True)}
        | elastic_muspectre(dim, n, contrast, "Fourier"),
        error=_against(lambda: elastic_ball(dim, contrast)),
        solver_error=_against(lambda: _strains(_converged(medium, None, **cell))),
        note="muSpectre: the same discrete problem, CG on strains; it wants odd n.",
    )


# -- (d) cost against eps ------------------------------------------------------------------------------------------------


def hmm_against_eps(quick: bool) -> Task:
    cells = 8 if quick else 32
    return Task(
        "Whole HMM (Fourier n=16), samples cut out of the material at ε; error: distance to the homogenized solution",
        {
            f"ε = {eps:.0e}": Contender(partial(_hmm, cells, eps, n=16, scheme="fourier"), ours=True)
            for eps in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
        },
        error=lambda u: _distance(u, cells),
        note="The distance is relative, in L2, to the homogenized solution on a fine P2 mesh: the macro error of this mesh.",
        compare=False,
    )


def dns_against_eps(quick: bool) -> Task:
    inverse = (4, 8) if quick else (4, 8, 16, 32, 64, 128)
    return Task(
        "Resolving ε: scikit-fem P1, mesh ε/8, classical multigrid (PyAMG) + CG; error: the same distance",
        {f"ε = 1/{k}": Contender(partial(_resolved, 1 / k)) for k in inverse},
        error=lambda u: _distance(u, round(len(u) ** 0.5) - 1),
        note="A resolved u differs from the homogenized solution by O(ε) anyway; that part is no error of it.",
        compare=False,
    )


def _resolved(eps: float) -> Callable[[], Array]:
    from benchmarks import peers

    return partial(peers.resolved, graded, eps)


def _distance(u: Array, cells: int) -> float:
    return problems.l2_relative(u, problems.homogenized().at(problems.macro_mesh(cells).p), cells)


# -- (e) memory, import --------------------------------------------------------------------------------------------------


def peak_memory() -> float:
    """Largest resident size of this process so far, in MB. (On Linux ru_maxrss starts at the peak of the parent.)"""
    status = Path("/proc/self/status")
    if status.exists():
        return float(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _memory(make: Callable, megabytes: float = 1.0, unit: str = "MB") -> Callable[[], Quantity]:
    """``megabytes``: those of one unit. What preparing the run takes counts, as memory once freed is used again."""
    import skfem  # noqa: F401  what the run imports, before the count starts

    import hmm_core.macro  # noqa: F401

    before = peak_memory()
    run = make()

    def measure() -> Quantity:
        run()
        return Quantity((peak_memory() - before) / megabytes, unit)

    return measure


def memory(cells: int) -> Task:
    cells_of = {"Fourier n=12": {"n": 12, "scheme": "fourier"}, "Q1 n=32": {"n": 32}}
    return Task(
        "Whole HMM: peak memory above import",
        {
            f"hmm_core {name}": Contender(
                partial(_memory, partial(_hmm, cells, **cell)), ours=True, limit=200, fresh=True
            )
            for name, cell in cells_of.items()
        },
        compare=False,
    )


def _import(statement: str) -> Callable[[], Quantity]:
    import subprocess

    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"

    def measure() -> Quantity:
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        return Quantity(float(out), "s")

    return measure


def import_time() -> Task:
    statements = ("import hmm_core", "from hmm_core import CellProblem", "from hmm_core import solve_elliptic")
    return Task(
        "Import in a fresh process",
        {s: Contender(partial(_import, s), ours=True, limit=0.7) for s in statements}
        | {"import skfem": Contender(partial(_import, "import skfem"))},
        compare=False,
    )


# -- (f) where it loses --------------------------------------------------------------------------------------------------


def rough_cell(n: int, law: str) -> Task:
    medium, x = Pixels(n, law), np.zeros((2, 1))
    described = {"lognormal": "lognormal squares, σ = 2", "two-phase": "random squares of contrast 1000"}[law]
    return Task(
        f"One rough 2D cell, {described}, Q1 n={n}",
        {
            "hmm_core": Contender(partial(_tensors, medium, x, dim=2, n=n), ours=True),
            "reduced assembly + SuperLU": Contender(partial(_peer_tensors, "minimal_superlu", medium, x, n)),
            "reduced assembly + CHOLMOD": Contender(
                partial(_peer_tensors, "minimal_cholmod", medium, x, n), needs=("cvxopt",)
            ),
            "reduced assembly + PyAMG": Contender(partial(_peer_tensors, "minimal_pyamg", medium, n, RTOL[2, law])),
        },
        solver_error=_against(lambda: _converged(medium, x, dim=2, n=n)),
    )


def fourier_on_a_jump(n: int, shape: str) -> Task:
    medium, exact, described = {
        "square": (square, SQUARE, "square of contrast 1000"),
        "disk": (ball, BALL[2], "disk of contrast 10"),
    }[shape]
    return Task(
        f"One {described}, n={n}: Fourier on a jump",
        {
            "hmm_core Fourier": Contender(partial(_tensors, medium, None, dim=2, n=n, scheme="fourier"), ours=True),
            "hmm_core Q1": Contender(partial(_tensors, medium, None, dim=2, n=n), ours=True),
        },
        error=_against(lambda: exact * np.eye(2)),
        compare=False,
    )


def executors(cells: int) -> Task:
    contenders = {}
    for label, cell in (("Fourier n=12", {"n": 12, "scheme": "fourier"}), ("Q1 n=32", {"n": 32})):
        for name in ("", "threads", "processes"):
            contenders[f"{label}, {f'2 {name}' if name else 'serial'}"] = Contender(
                partial(_hmm, cells, workers=name, **cell), ours=True, wall=True
            )
    return Task(
        "Whole HMM on an executor of two workers, started and stopped inside",
        contenders,
        error=lambda u: problems.l2_relative(u, problems.converged_macro(cells), cells),
        note="One numerical thread per worker. Two processes pay for Q1 cells; Fourier cells are too quick for them.",
        compare=False,
    )


# -- (g) particles -------------------------------------------------------------------------------------------------------


def exclusion() -> Task:
    moves = particles.COPIES * particles.SITES * particles.TIME
    return Task(
        f"Exclusion process, {particles.COPIES} rings of {particles.SITES} sites: {moves:.1e} attempted jumps",
        {
            "hmm_core NumPy": Contender(particles.exclusion, ours=True),
            "a plain loop, Numba": Contender(particles.exclusion_numba, aim=0.5, needs=("numba",)),
        },
        note="The ratio is the share of the loop's speed. hmm_core also averages the expected current, for which the loop "
        "counts jumps.",
    )


def networks(runs: int) -> Task:
    return Task(
        f"One molecule in S1 = S2 = S3 = S4, fast outer pairs (1e5 : 1), {runs} runs",
        {
            "hmm_core nested": Contender(partial(particles.network, True, runs), ours=True),
            "hmm_core direct": Contender(partial(particles.network, False, runs)),
            "direct, a plain loop, Numba": Contender(partial(particles.network_numba, runs), needs=("numba",)),
            "direct, GillesPy2 (NumPy)": Contender(partial(particles.network_gillespy2, runs), needs=("gillespy2",)),
        },
        note="As many runs have as large a statistical error; the window's own error of the nested ones is far below it.",
    )


def events(runs: int) -> Task:
    return Task(
        "The same: events that a run takes",
        {
            "nested": Contender(partial(particles.network, True, runs, True), ours=True, limit=1000),
            "direct": Contender(partial(particles.network, False, runs, True), ours=True),
        },
        compare=False,
    )
