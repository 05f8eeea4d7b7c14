"""Balance laws: Sod's problem beside PyClaw and beside a plain NumPy loop, and a table beside direct questions."""

import contextlib
from collections.abc import Callable
from functools import cache, partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.tasks import Contender, Quantity, Task

Array = np.ndarray
CFL, GAMMA = 0.45, 1.4


def balance_tasks(quick: bool) -> dict[str, Task]:
    """Sod's problem, and nonlinear heat closed by cell problems with and without a table."""
    n = 8 if quick else 32
    size = (100, 0.1) if quick else (10_000, 0.005)
    return {"sod": sod(*size), "table": table(n), "table-questions": questions(n)}


# -- Sod -----------------------------------------------------------------------------------------------------------------


def sod(n: int, t: float) -> Task:
    return Task(
        f"Sod's shock tube, {n} cells, to t = {t}",
        {
            "hmm_core, HLL": Contender(partial(_ours, n, t), ours=True),
            "hmm_core, HLL, speeds from eigenvalues": Contender(partial(_ours, n, t, False), ours=True),
            "NumPy, the same scheme for this gas only": Contender(partial(_numpy, n, t)),
            "PyClaw (Fortran), Roe with MC limiter": Contender(partial(_pyclaw, n, t), needs=("clawpack",)),
        },
        error=lambda U: float(np.abs(U - _exact(n, t)).sum() / n),
        note="Error: L1 of density, momentum and energy. PyClaw takes one Lax-Wendroff step with CFL 0.9 where Heun's takes two "
        "rates with CFL 0.45.",
    )


@cache
def _exact(n: int, t: float) -> Array:
    import hmm_core as hmm

    gas, solution = hmm.exact.EulerFlux(GAMMA), hmm.exact.EulerRiemann(*hmm.exact.SOD, GAMMA)
    return hmm.Volumes(n).average("exact", lambda x: gas.conserved(*solution((x[0] - 0.5) / t)))


def _start(x: Array) -> Array:
    left = x < 0.5
    return np.stack([np.where(left, 1, 0.125), 0 * x, np.where(left, 1, 0.1) / (GAMMA - 1)])


def _ours(n: int, t: float, speeds: bool = True) -> Callable[[], Array]:
    import hmm_core as hmm

    gas = hmm.exact.EulerFlux(GAMMA)

    def bare(x: Array, u: Array, grad: Array) -> tuple:
        return gas(x, u, grad)

    flux, grid = (gas if speeds else bare), hmm.Volumes(n)
    return lambda: hmm.solve_balance_law(
        grid, flux, lambda x: _start(x[0]), [0, t], boundary="outflow", cfl=CFL
    ).averages[-1]


def _numpy(n: int, t: float) -> Callable[[], Array]:
    """MUSCL with van Leer's limiter, HLL and Heun's method, as one would write them for Euler's equations and nothing else."""

    def flux(U: Array) -> tuple[Array, Array, Array]:
        rho, v = U[0], U[1] / U[0]
        p = (GAMMA - 1) * (U[2] - rho * v * v / 2)
        c = np.sqrt(GAMMA * p / rho)
        return np.stack([U[1], U[1] * v + p, (U[2] + p) * v]), v - c, v + c

    def rate(U: Array, h: float) -> tuple[Array, float]:
        padded = np.concatenate([U[:, :1], U, U[:, -1:]], axis=1)
        jumps = np.diff(padded)
        a, b = jumps[:, :-1], jumps[:, 1:]
        ab = a * b
        half = np.where(ab > 0, ab / np.where(ab > 0, a + b, 1.0), 0.0)
        left = np.concatenate([U[:, :1] - half[:, :1], U + half], axis=1)
        right = np.concatenate([U - half, U[:, -1:] + half[:, -1:]], axis=1)
        F, low, high = flux(left)
        G, low2, high2 = flux(right)
        low, high = np.minimum(np.minimum(low, low2), 0), np.maximum(np.maximum(high, high2), 0)
        H = (high * F - low * G + low * high * (right - left)) / (high - low)
        return -np.diff(H) / h, np.maximum(-low, high).max()

    def run() -> Array:
        h = 1 / n
        U, now = _start((np.arange(n) + 0.5) * h), 0.0
        while now < t:
            k, speed = rate(U, h)
            dt = min(CFL * h / speed, t - now)
            U, now = U + dt / 2 * (k + rate(U + dt * k, h)[0]), now + dt
        return U

    return run


def _pyclaw(n: int, t: float) -> Callable[[], Array]:
    with TemporaryDirectory() as folder, contextlib.chdir(folder):  # it opens a log where it is imported
        from clawpack import pyclaw, riemann

    def run() -> Array:
        solver = pyclaw.ClawSolver1D(riemann.euler_with_efix_1D)
        solver.bc_lower[0] = solver.bc_upper[0] = pyclaw.BC.extrap
        solver.limiters, solver.cfl_desired, solver.cfl_max, solver.dt_initial = (
            pyclaw.limiters.tvd.MC,
            0.9,
            1.0,
            0.1 / n,
        )
        solver.max_steps = 10**6
        domain = pyclaw.Domain([0.0], [1.0], [n])
        state = pyclaw.State(domain, 3)
        state.problem_data.update(gamma=GAMMA, gamma1=GAMMA - 1, efix=True)
        state.q[:] = _start(state.grid.p_centers[0])
        claw = pyclaw.Controller()
        claw.solution, claw.solver, claw.tfinal = pyclaw.Solution(state, domain), solver, t
        claw.num_output_times, claw.output_format, claw.keep_copy, claw.verbosity = 1, None, False, 0
        claw.run()
        return np.array(claw.solution.q)

    return run


# -- a table -------------------------------------------------------------------------------------------------------------


def table(n: int) -> Task:
    """Heat in a composite whose law is not linear: a cell problem on both sides of every face at every step, or a table."""
    return Task(
        f"Nonlinear heat in {n} × {n} control volumes, the flux from cell problems (Fourier n=8)",
        {
            "hmm_core, through a table": Contender(partial(_heat, n, 1e-2), ours=True),
            "hmm_core, asked at every face and step": Contender(partial(_heat, n, None)),
        },
        error=lambda U: float(np.abs(U - _reference(n)).mean()),
        note="Error: L1 distance to direct questions of cells that are solved to 1e-10; the mean of |U| is 0.14.",
    )


def questions(n: int) -> Task:
    """The same, in micro problems."""
    return Task(
        "The same heat: micro problems",
        {
            name: Contender(partial(_count, n, tol), ours=True)
            for name, tol in (("through a table", 1e-2), ("asked at every face and step", None))
        },
        compare=False,
    )


def _composite(x: Array, y: Array) -> Array:
    return 1 / (2 + np.cos(2 * np.pi * y[0]) * np.cos(2 * np.pi * y[1]))


def _solved(n: int, tol: float | None, accuracy: float = 1e-8) -> Any:
    import hmm_core as hmm

    cell = hmm.CellProblem(dim=2, n=8, scheme="fourier", tol=accuracy)
    closure = hmm.NonlinearCellClosure(hmm.laws.PowerLaw(_composite, 3), cell)
    if tol is not None:
        closure = hmm.TableClosure(closure, grad=[(-8.0, 8.0)] * 2, tol=tol)
    return hmm.solve_balance_law(
        hmm.Volumes((n, n), ((0, 1), (0, 1))),
        hmm.PhysicalFlux(closure),
        lambda x: np.sin(2 * np.pi * x[0]) * np.cos(2 * np.pi * x[1]),
        [0, 0.01],
    )


def _heat(n: int, tol: float | None) -> Callable[[], Array]:
    import hmm_core.macro  # noqa: F401  imported before the count starts

    return lambda: _solved(n, tol).averages[-1]


def _count(n: int, tol: float | None) -> Callable[[], Quantity]:
    return lambda: Quantity(_solved(n, tol).micro_solves, "micro problems")


@cache
def _reference(n: int) -> Array:
    return _solved(n, None, 1e-10).averages[-1]
