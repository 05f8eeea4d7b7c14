r"""Diffusion in time: c dU/dt - div sigma(x, U, grad U) = f, advanced by asking."""

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem

from hmm_core.macro.boundary import Data
from hmm_core.macro.elliptic import refuse_misfit, start
from hmm_core.macro.forcing import Forcing
from hmm_core.macro.implicit import Conversing, Effort, Linear, Memory, Space
from hmm_core.macro.inertia import mass_matrix
from hmm_core.macro.march import Clock, Stepped
from hmm_core.macro.runs import evolve
from hmm_core.macro.solution import Solution
from hmm_core.macro.trajectory import Frame, Trajectory

Array = np.ndarray
ROOT = np.sqrt(2.0)
GAMMA = 2 - ROOT  # where the trapezoidal stage ends; with this one both stages have the same matrix
D, W = GAMMA / 2, ROOT / 4
ESTIMATE = (4 * W - 1) / 3, -1 / 3, 2 * D / 3  # weights of TR-BDF2 less those of the third-order formula in it


def solve_parabolic(
    basis: skfem.CellBasis,
    closure: Callable,
    initial: "Data | Array | Solution | Trajectory",
    source: Any,
    times: Any,
    capacity: Data = 1.0,
    dirichlet: Any = 0.0,
    neumann: Any = None,
    executor: Executor | None = None,
    progress: bool = False,
    *,
    robin: Any = None,
    step: float | None = None,
    tol: float | None = None,
    path: str | os.PathLike | None = None,
    balance: float = 1e-10,
    max_iter: int = 50,
) -> Trajectory:
    r"""Solve <c> dU/dt - div sigma(x, U, grad U) = f with the closure's sigma, from U = initial at the first of the times.

    Steps are those of TR-BDF2: the trapezoidal rule up to (2 - sqrt 2) h, then the backward formula through both points. It is of
    second order; L-stable, so that a rough initial state leaves no trace; of stage order two, so that boundary data which depend
    on t cost no order; and it holds a third-order formula, whose distance is the error estimate (Bank et al., Transient
    simulation of silicon devices and circuits, 1985; Hosea and Shampine, Analysis and implementation of TR-BDF2, 1996). Each of
    the two stages is the dialogue of steady problems, with M/dt for an extra matrix.

    A closure that is linear, and says so (``closure.linear``), is asked once, and every step is a back substitution. Any other is
    asked anew in every step, and goes on from what it remembers of the last one. One that accepts ``t`` is given it: so a medium
    may be a(x, y, t), and its tensor is computed again where it has changed.

    Parameters
    ----------
    basis, closure, executor, progress : as for ``solve_elliptic``; the bar counts output times.
    initial : U at the first time: a number, a function of x, dofs, or a Solution; where the boundary data give U, they hold. Or a
        Trajectory that this problem has left unfinished, or that ends before the last of the times: it goes on as if it had
        never stopped.
    source, dirichlet, neumann, robin : as for ``solve_elliptic``, and any function among them may be one of (x, t): one with a
        second parameter that has no default, or is called t. No boundary need be fixed.
    times : where to keep U, increasing; the first is that of the initial state. Nothing else is kept, so that memory does not
        grow with the number of steps.
    capacity : c > 0: a number, a function of x, or a medium c(x, y), averaged over the cell.
    step, tol : without both, the times are the steps. ``step``: equal steps of at most this length between the times. ``tol``:
        steps are chosen so that the estimated error of each, in the norm (int c e^2)^(1/2), is at most tol times the largest U
        so far.
    path : a folder that holds the run after every output time. If it holds one already, the same call continues it, whatever has
        interrupted it, and ends in the same numbers, bit for bit.
    balance, max_iter : residual at which each dialogue ends, and updates after which it gives up (``tol`` and ``max_iter`` of
        ``solve_elliptic``).

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind, dimension, shape or name; times that do not increase; a capacity that is not positive
        somewhere; data that are not finite, with the time; a run in ``path`` or ``initial`` of another problem.
    ConvergenceError, RefusedState
        A dialogue did not end, or the closure has no answer, and no shorter step was allowed; a state that is not finite.
    WorkersLost
        As for ``solve_elliptic``.

    Whatever ends a run carries what was computed as ``error.unfinished``, a Trajectory, and says at what time it happened.
    """
    refuse_misfit(basis, closure)
    clock = Clock.of(times, step, tol)
    t = float(clock.times[0])
    forcing = Forcing(basis, source, dirichlet, neumann, robin, t)
    mass = mass_matrix(basis, closure, capacity, "capacity")
    space = Space.of(basis, closure, mass, forcing, executor, balance, max_iter)

    def fields() -> dict[str, Array]:
        u = start(basis, initial)
        u[forcing.fixed] = forcing.values(t)
        return {"u": u}

    return evolve(TRBDF2, space, clock, initial, fields, path, progress)


@dataclass(frozen=True, eq=False)
class TRBDF2:
    """M dU/dt = push(U, t) = load - F(U) - R U. A step knows U and the push at its beginning, and finds both at its end."""

    space: Space
    equation: Linear | Conversing
    kind = "parabolic"

    def begin(self, fields: dict[str, Array], t: float) -> tuple[dict[str, Array], Memory, Effort]:
        first = self.equation.at_rest(fields["u"], t)
        return {"u": fields["u"], "push": first.push}, first.memory, first.effort

    def step(self, fields: dict[str, Array], memory: Memory, t: float, end: float, h: float, estimate: bool) -> Stepped:
        u, push, mass, s = fields["u"], fields["push"], self.space.mass, 1 / (D * h)
        old = s * (mass @ u)
        # M (U' - U) = D h (push + push'), then M (U'' - U) = h (W push + W push' + D push'')
        middle = self.equation.solve(t + GAMMA * h, s, old + push, (u,), memory)
        ahead = u + (middle.u - u) / GAMMA
        last = self.equation.solve(end, s, old + W / D * (push + middle.push), (ahead, middle.u), middle.memory)
        done = Stepped({"u": last.u, "push": last.push}, last.memory, middle.effort.plus(last.effort))
        if not estimate:
            return done
        # (M + D h K) e = h sum (b - b') push: the tangent keeps the estimate from being ruled by what has long decayed
        weights = zip(ESTIMATE, (push, middle.push, last.push), strict=True)
        error = last.solve(sum(weight * value for weight, value in weights) / D)
        return done._replace(norm=self._norm(last.u), error=self._norm(error))

    def frame(self, fields: dict[str, Array], memory: Memory, t: float) -> tuple[Frame, Effort]:
        flux, effort = self.equation.flux(fields["u"], t, memory)
        return Frame(fields["u"], None, flux), effort

    def _norm(self, u: Array) -> float:
        """(int c U^2)^(1/2), of numbers whose squares may be none."""
        size = np.abs(u).max(initial=0.0) or 1.0
        return float(size * np.sqrt(max(u / size @ (self.space.mass @ (u / size)), 0.0)))
