r"""Steady problems: -div sigma(x, U, grad U) = f with data on the boundary, solved by the dialogue."""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
import skfem

from hmm_core.macro.boundary import Data, _boundary, _interpolate, _source
from hmm_core.macro.dialogue import Dialogue, micro_solve, reconstruct, restrict, update
from hmm_core.macro.solution import Solution
from hmm_core.macro.workers import _Pool
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray
SHORTEST_STEP = 2.0**-12
FIRST_ANSWER = 1e-2  # relative accuracy of the flux that the first turn, far from the solution, asks for


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
    basis : from ``macro_basis``, or any ``skfem.Basis`` of a scalar H1 element; its quadrature points are asked.
    closure : ``CellClosure``, ``NonlinearCellClosure``, ``ExactClosure``, or any closure(x, u, grad).
    source, dirichlet, neumann : a number or a function of x (d, K) -> (K,). Boundary data may be a dict
        {boundary name of the mesh: number or function}; without names they hold wherever nothing else is named.
        Where nothing is said, sigma.n = 0.
    robin : {boundary name: (alpha, u_inf)}, alpha >= 0.
    initial : where to start: a number, a function, dofs, or a Solution on the same space. Zero by default.
    method : "newton", or "picard", the textbook's loop: with the tensor that carries the last gradient into the last flux
        (``secant``) the problem is linear, and solved again until U stands still. More turns, no derivative in U needed.
        A step that does not reduce the residual, or leads to a state that the closure refuses, is shortened.
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
    """
    if not isinstance(basis, skfem.CellBasis) or basis.tind is not None:
        raise TypeError(f"basis={basis!r} is not a basis of a whole mesh: use macro_basis(mesh, element)")
    if not isinstance(basis.elem, skfem.ElementH1):
        raise ValueError(f"basis: {type(basis.elem).__name__} is not a scalar H1 element")
    if not callable(closure):
        raise TypeError(f"closure={closure!r} is not a closure: pass CellClosure(a, cell), for example")
    if getattr(closure, "dim", None) not in (None, basis.mesh.dim()):
        raise ValueError(f"the mesh is {basis.mesh.dim()}D, but the closure is made for {closure.dim}D")
    if method not in ("newton", "picard"):
        raise ValueError(f"method={method!r} is not one of 'newton', 'picard'")
    if not 0 < tol < 1 or max_iter < 1:
        raise ValueError(f"tol={tol!r} must lie in (0, 1) and max_iter={max_iter!r} must be at least 1")
    load = _source(basis, source)
    fixed, boundary_load, exchange = _boundary(basis, dirichlet, neumann, robin)
    load = load + boundary_load
    u = _start(basis, initial)
    u[list(fixed)] = list(fixed.values())
    free = np.setdiff1d(np.arange(basis.N), list(fixed))
    pool = None if executor is None else _Pool(executor, closure)

    history: list[Dialogue] = []
    memory, before, step, damping, previous = None, math.inf, np.zeros_like(u), 1.0, u
    wanted, slope, doubt = FIRST_ANSWER, 0.0, ""
    for turn in range(max_iter + 1):
        state = restrict(basis, u)
        try:
            answer = micro_solve(closure, state, memory, wanted, pool, f"dialogue {turn + 1}" if progress else None)
        except (ValueError, ConvergenceError) as error:
            if not history or damping <= SHORTEST_STEP:
                raise
            doubt = f"; on the way the closure refused a state: {error}"
            damping /= 2  # the step led where the micro model has no answer, and the way there is open
            u = previous + damping * step
            history[-1] = replace(history[-1], update=damping * float(np.abs(step).max(initial=0)))
            continue
        memory = answer.memory
        force, size, tangent = reconstruct(basis, answer, state if method == "picard" else None)
        tangent = tangent + exchange
        residual = force + exchange @ u - load
        norm, scale = _norm(residual[free]), _norm(load[free]) + _norm(size[free])
        round_off = 64 * np.finfo(float).eps * _norm((abs(tangent) @ abs(u))[free])
        relative, accuracy = norm / scale if norm else 0.0, answer.info.get("tol")
        micro_solves, iterations, reused = (
            int(answer.info.get(n, 0)) for n in ("micro_solves", "iterations", "reused")
        )
        history.append(Dialogue(relative, 0.0, micro_solves, iterations, reused, accuracy))
        small = norm <= max(tol * scale, round_off)
        wanted = max(0.1 * tol, min(FIRST_ANSWER, 0.1 * relative**3))  # Newton squares the residual; the answer's error
        # of this turn is in that of the next: a power of 3 costs a few percent and leaves the convergence quadratic
        if small and accuracy is not None and accuracy > tol:
            wanted = 0.1 * tol  # a small residual, but of flux that is not known so well: ask once more
            continue
        if small:
            flux = answer.flux.reshape(len(answer.flux), basis.nelems, -1)
            return Solution(u, basis, tuple(history), sum(entry.micro_solves for entry in history), flux, closure)
        if norm >= before and damping > SHORTEST_STEP:
            damping *= _shorter(slope, step[free] @ residual[free])
        else:
            step, damping, before, previous = update(tangent, residual, free), 1.0, norm, u
            slope = step[free] @ residual[free]
        u = previous + damping * step
        history[-1] = replace(history[-1], update=damping * float(np.abs(step).max(initial=0)))
    raise ConvergenceError(
        f"method={method!r} did not reach tol={tol} in {max_iter} updates; relative residuals "
        + ", ".join(f"{entry.residual:.1e}" for entry in history[-8:])
        + (f", of a flux that the closure knows to {accuracy:.1e} only" if small else doubt)
    )


def _shorter(begin: float, end: float) -> float:
    """Share of a step that went too far to try next, given step . residual at its ends: where a line through them vanishes.

    With a potential that is its minimum along the step, so a law that stiffens quickly is not halved its way back.
    """
    return min(0.5, max(0.02, begin / (begin - end))) if begin < 0 < end else 0.5


def _norm(vector: Array) -> float:
    norm = float(np.linalg.norm(vector))
    if not math.isfinite(norm):
        raise ConvergenceError("the macro state is not finite any more: the forces of this turn overflow")
    return norm


def _start(basis: skfem.CellBasis, initial: Any) -> Array:
    if isinstance(initial, Solution):
        initial = initial.u
    if initial is None or not np.ndim(initial):
        return _interpolate(basis, "initial", 0.0 if initial is None else initial)[1]
    if np.shape(initial) != (basis.N,) or not np.isfinite(initial).all():
        raise ValueError(f"initial has shape {np.shape(initial)}; {basis.N} finite dofs are needed")
    return np.array(initial, dtype=float)
