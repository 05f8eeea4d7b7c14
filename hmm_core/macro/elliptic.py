r"""Steady problems: -div sigma(x, U, grad U) = f with data on the boundary, solved by the dialogue."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
import skfem

from hmm_core.macro.boundary import Data, _boundary, _interpolate, _rich, _source
from hmm_core.macro.loop import Dialogue, Equations, Turn, converse, error_band
from hmm_core.macro.solution import Solution
from hmm_core.macro.workers import Pool, WorkersLost
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray


def solve_elliptic(
    basis: skfem.CellBasis,
    closure: Callable,
    source: Data,
    dirichlet: Data | dict[str, Data] | None = 0.0,
    neumann: Data | dict[str, Data] | None = None,
    initial: "Data | Array | Solution | None" = None,
    method: str = "newton",
    executor: Executor | None = None,
    progress: bool = False,
    *,
    robin: dict[str, tuple[Data, Data]] | tuple[Data, Data] | None = None,
    tol: float = 1e-10,
    max_iter: int = 50,
) -> "Solution":
    r"""Solve -div sigma(x, U, grad U) = f with the closure's sigma; on the boundary U = dirichlet, sigma.n = neumann,
    or sigma.n = alpha (u_inf - U).

    Parameters
    ----------
    basis : from ``macro_basis``, or any ``skfem.Basis`` of an H1 element, scalar or ``ElementVector``; its quadrature points
        are asked.
    closure : ``CellClosure``, ``NonlinearCellClosure``, ``ExactClosure``, or any closure(x, u, grad).
    source, dirichlet, neumann : a number or a function of x (d, K) -> (K,). Boundary data may be a dict
        {boundary name of the mesh: number or function}; without names they hold wherever nothing else is named.
        Where nothing is said, sigma.n = 0. Vectors: (m,) numbers or x -> (m, K); a number is meant for every component.
    robin : {boundary name: (alpha, u_inf)}, alpha >= 0.
    initial : where to start: a number, a function, dofs, or a Solution on the same space; one that the same closure found
        is continued, and nothing is asked twice. Zero by default.
    method : "newton", or "picard", the textbook's loop: with the tensor that carries the last gradient into the last flux
        (``secant``) the problem is linear, and solved again until U stands still. More turns, no derivative in U needed.
        A step that does not reduce the residual, or leads to a state that the closure refuses, is shortened. A closure that
        answers with noise is asked until the residual drowns in it; then ``solution.stderr`` is the error band of U.
    executor : anything with ``submit`` as in concurrent.futures. The points are cut into a few slices per worker.
    progress : show a bar that counts micro problems.
    tol : residual at which the dialogue ends, relative to the forces in balance (or at round-off, if that comes first).
    max_iter : updates after which it gives up.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind, dimension, shape or name; data that are not finite; no Dirichlet or Robin boundary;
        a closure that cannot be sent to the executor's workers.
    ConvergenceError
        The dialogue did not reach ``tol``; the message holds the residuals.
    WorkersLost
        The executor was shut down, or a Dask cluster has no workers any more.

    These two and KeyboardInterrupt (Ctrl-C) carry the best state so far, a Solution, as ``error.unfinished`` (None before the
    first answer): look at it, save it, or go on with ``initial=error.unfinished``, which asks nothing twice.
    """
    refuse_misfit(basis, closure)
    if method not in ("newton", "picard"):
        raise ValueError(f"method={method!r} is not one of 'newton', 'picard'")
    if not 0 < tol < 1 or max_iter < 1:
        raise ValueError(f"tol={tol!r} must lie in (0, 1) and max_iter={max_iter!r} must be at least 1")
    load = _source(_rich(basis), source)
    fixed, boundary_load, exchange = _boundary(basis, dirichlet, neumann, robin, {})
    if not fixed and not exchange.diagonal().any():
        raise ValueError("no Dirichlet and no Robin boundary: U is only defined up to a constant; fix it somewhere")
    u = start(basis, initial)
    u[list(fixed)] = list(fixed.values())
    free = np.setdiff1d(np.arange(basis.N), list(fixed))
    equations = Equations(basis, closure, exchange, load + boundary_load, free)
    pool = None if executor is None else Pool(executor, closure)
    memory = _remembered(initial, basis, closure)

    def solution(turn: Turn, history: tuple[Dialogue, ...]) -> Solution:
        flux = turn.answer.flux.reshape(*turn.answer.flux.shape[:-1], basis.nelems, -1)
        asked = sum(entry.micro_solves for entry in history)
        return Solution(turn.u, basis, history, asked, flux, closure, turn.answer.memory)

    try:
        turn, history = converse(
            equations, u, memory, method=method, pool=pool, progress=progress, tol=tol, max_iter=max_iter
        )
    except (ConvergenceError, WorkersLost, KeyboardInterrupt) as error:
        if getattr(error, "unfinished", None):
            error.unfinished = solution(*error.unfinished)
        raise
    return replace(solution(turn, history), stderr=error_band(equations, turn))


def _remembered(initial: Any, basis: skfem.CellBasis, closure: Callable) -> dict | None:
    """What this closure remembers of the solution to start from, if it was this one, asked at these points."""
    if not isinstance(initial, Solution):
        return None
    try:
        same = initial.closure is closure or bool(initial.closure == closure)
    except ValueError:  # arrays inside
        same = False
    same = same and np.array_equal(initial.basis.global_coordinates(), basis.global_coordinates())
    return initial.memory if same else None


def refuse_misfit(basis: Any, closure: Any) -> None:
    """TypeError or ValueError unless this is a space and a closure that can answer for it."""
    if not isinstance(basis, skfem.CellBasis) or basis.tind is not None:
        raise TypeError(f"basis={basis!r} is not a basis of a whole mesh: use macro_basis(mesh, element)")
    if not isinstance(getattr(basis.elem, "elem", basis.elem), skfem.ElementH1):
        raise ValueError(f"basis: {type(basis.elem).__name__} is not an H1 element")
    if not callable(closure):
        raise TypeError(f"closure={closure!r} is not a closure: pass CellClosure(a, cell), for example")
    if getattr(closure, "dim", None) not in (None, basis.mesh.dim()):
        raise ValueError(f"the mesh is {basis.mesh.dim()}D, but the closure is made for {closure.dim}D")


def start(basis: skfem.CellBasis, initial: Any, name: str = "initial") -> Array:
    """Dofs (N,) of a number, a function of x, dofs or a Solution; zero for None."""
    if isinstance(initial, Solution):
        initial = initial.u
    if initial is None or not np.ndim(initial):
        return _interpolate(basis, name, 0.0 if initial is None else initial)[1]
    if np.shape(initial) != (basis.N,) or not np.isfinite(initial).all():
        raise ValueError(f"{name} has shape {np.shape(initial)}; {basis.N} finite dofs are needed")
    return np.array(initial, dtype=float)
