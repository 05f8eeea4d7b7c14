r"""The dialogue, repeated until the forces balance: one loop for steady problems, and for every step of those in time.

    find U:    int sigma(x, U, grad U) . grad v dx + v . (M U) = load . v    for all v on the free dofs,

M a matrix of the macro problem itself: exchange through the boundary, inertia over the time step, or nothing. For a linear
closure one turn gives U and a second one, answered from memory, confirms it. Otherwise the loop is Newton's method with the
closure's own tangent. Closures that can adapt their effort are told how accurate an answer the turn deserves; closures that
answer with noise are asked until the residual drowns in it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import skfem
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import splu

from hmm_core.closure import Answer, RefusedState
from hmm_core.macro.dialogue import State, micro_solve, noise, reconstruct, restrict, update
from hmm_core.macro.space import components
from hmm_core.macro.workers import Pool, WorkersLost
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray
SHORTEST_STEP = 2.0**-12
FIRST_ANSWER = 1e-2  # relative accuracy of the flux that the first turn, far from the solution, asks for
DROWNED = 2.0  # residuals of this many standard errors of themselves say nothing (two answers differ by sqrt 2)
REPEATED = 0.3  # where the closure repeats its errors, they do say something, until they add little to the error


@dataclass(frozen=True)
class Dialogue:
    """One turn: the residual that its answer left (relative to the forces in balance), the largest change of U that
    followed (0: none was needed), what the micro model had to do, at how many points it could answer from memory
    instead, how accurate an answer it was asked for (None: as accurate as the closure's own settings say), and how large a
    residual the closure's own noise makes (0: it knows its flux exactly, or does not say)."""

    residual: float
    update: float
    micro_solves: int
    iterations: int
    reused: int = 0
    tol: float | None = None
    noise: float = 0.0


@dataclass(frozen=True, eq=False)
class Equations:
    """The macro problem: M is ``extra``; sigma is ``closure``'s answer, asked at time ``t`` if that matters to it."""

    basis: skfem.CellBasis
    closure: Callable
    extra: csr_matrix
    load: Array
    free: Array
    t: float | None = None


@dataclass(frozen=True, eq=False)
class Turn:
    """What was heard at u: the answer, and the balance of forces on the free dofs that follows from it."""

    u: Array
    answer: Answer
    tangent: csr_matrix
    residual: Array
    norm: float  # of the residual
    scale: float  # of the forces in balance
    round_off: float  # of the residual
    noise: float  # standard error of the residual

    @property
    def relative(self) -> float:
        return self.norm / self.scale if self.norm else 0.0

    @property
    def tol(self) -> float | None:
        return self.answer.info.get("tol")

    @property
    def depth(self) -> float:
        """Standard errors of itself below which the residual need not fall."""
        return REPEATED if self.answer.info.get("repeats") else DROWNED

    def entry(self, change: float) -> Dialogue:
        done = (int(self.answer.info.get(name, 0)) for name in ("micro_solves", "iterations", "reused"))
        return Dialogue(self.relative, change, *done, self.tol, self.noise / self.scale if self.noise else 0.0)


@dataclass(frozen=True)
class Accuracy:
    """How well the flux has to be known for a dialogue that ends at a relative residual of ``tol``."""

    tol: float

    def wanted(self, turn: Turn) -> float:
        """Newton squares the residual; the answer's error of this turn is in that of the next: a power of 3 costs a few
        percent and leaves the convergence quadratic."""
        return max(0.1 * self.tol, min(FIRST_ANSWER, 0.1 * turn.relative**3))

    def suffices(self, turn: Turn) -> bool:
        """A small residual of a flux that is not known so well is no small residual."""
        return turn.tol is None or turn.tol <= self.tol


@dataclass(frozen=True, eq=False)
class Stride:
    """A step from a turn, and the share of it that is taken."""

    begin: Turn
    step: Array
    slope: float  # step . residual at the beginning
    along: bool = False  # whether balance along the step is enough
    share: float = 1.0
    refusal: str = ""  # what the closure said on the way

    @property
    def end(self) -> Array:
        return self.begin.u + self.share * self.step

    @property
    def length(self) -> float:
        return self.share * float(np.abs(self.step).max(initial=0))

    def is_good(self, turn: Turn, free: Array) -> bool:
        """Whether it has led to a smaller residual, as far as noise lets one see; at last it is taken as it is.

        Sometimes the residual grows while the step leads nearer: a solid that turns is stretched at first; Picard's step through
        a coefficient that oscillates with U leaves forces of all signs, large in this norm and moving little. There it is enough
        that the force along the step, step . residual, has come down to half (Matthies and Strang 1979,
        doi:10.1002/nme.1620141104).
        """
        smaller = turn.norm < self.begin.norm + DROWNED * turn.noise or self.share <= SHORTEST_STEP
        return smaller or (
            self.along and self.slope < 0 and abs(self.step[free] @ turn.residual[free]) <= -0.5 * self.slope
        )

    def shortened(self, turn: Turn, free: Array) -> "Stride":
        """By where a line through step . residual at its ends vanishes. With a potential that is its minimum along the step,
        so a law that stiffens quickly is not halved its way back."""
        end = self.step[free] @ turn.residual[free]
        known = self.slope < 0 < end
        return replace(
            self, share=self.share * (min(0.5, max(0.02, self.slope / (self.slope - end))) if known else 0.5)
        )


def converse(
    equations: Equations,
    u: Array,
    memory: dict | None = None,
    *,
    method: str = "newton",
    pool: Pool | None = None,
    progress: bool = False,
    tol: float = 1e-10,
    max_iter: int = 50,
) -> tuple[Turn, tuple[Dialogue, ...]]:
    """The last turn, at the U that balances the forces, and the story. Give ``turn.answer.memory`` to the next dialogue about
    the same points, and it asks nothing twice.

    Ends when the residual is below ``tol`` relative to the forces in balance, below round-off, or, after a whole step, within
    the noise of the answers. Raises ConvergenceError after ``max_iter`` steps; what the closure raises about the first state
    comes through, later a ``RefusedState`` shortens the step that led there. A ConvergenceError, the loss of all workers and
    Ctrl-C carry the best turn so far and the story as ``error.unfinished`` (None before the first answer).
    """

    basis, free = equations.basis, equations.free

    def hear(u: Array, memory: dict | None, wanted: float) -> Answer:
        label = f"dialogue {len(history) + 1}" if progress else None
        return micro_solve(equations.closure, restrict(basis, u), memory, wanted, equations.t, pool, label)

    def weigh(u: Array, answer: Answer) -> Turn:
        turn = _balance(equations, u, answer, restrict(basis, u) if method == "picard" else None)
        history.append(turn.entry(0.0))
        return turn

    history: list[Dialogue] = []
    accuracy, stride, turn = Accuracy(tol), None, None
    try:
        turn = weigh(u, hear(u, memory, FIRST_ANSWER))
        while True:
            small = turn.norm <= max(tol * turn.scale, turn.round_off)
            drowned = stride is not None and stride.share == 1.0 and turn.norm <= turn.depth * turn.noise
            if (small and accuracy.suffices(turn)) or drowned:
                return turn, tuple(history)
            if len(history) > max_iter:
                doubt = stride.refusal if stride else ""
                doubt = f", of a flux that the closure knows to {turn.tol:.1e} only" if small else doubt
                if turn.noise and turn.norm <= DROWNED * turn.noise:
                    doubt += ", within the closure's noise: with a larger budget its tangent would lead further down"
                raise ConvergenceError(_story(method, tol, history, doubt))
            memory, wanted = turn.answer.memory, accuracy.wanted(turn)
            if small:
                turn = weigh(turn.u, hear(turn.u, memory, 0.1 * tol))
                continue
            if stride is None or stride.is_good(turn, free):
                step = update(turn.tangent, turn.residual, free)
                along = method == "picard" or _has_energy(equations, turn)
                stride = Stride(turn, step, float(step[free] @ turn.residual[free]), along)
            else:
                stride = stride.shortened(turn, free)
            answer = None
            while answer is None:  # a step to where the micro model has no answer is shortened until it has one
                history[-1] = replace(history[-1], update=stride.length)
                try:
                    answer = hear(stride.end, memory, wanted)
                except (RefusedState, ConvergenceError) as error:
                    stride = replace(
                        stride, share=stride.share / 2, refusal=f"; on the way the closure refused a state: {error}"
                    )
                    if stride.share < SHORTEST_STEP:
                        raise ConvergenceError(_story(method, tol, history, stride.refusal)) from error
            turn = weigh(stride.end, answer)
    except (ConvergenceError, WorkersLost, KeyboardInterrupt) as error:
        best = turn if stride is None or turn.norm < stride.begin.norm else stride.begin
        error.unfinished = None if turn is None else (best, tuple(history))
        raise


def _has_energy(equations: Equations, turn: Turn) -> bool:
    """Whether the forces on a field of several components are a gradient here, as the symmetry of their tangent says."""
    if not components(equations.basis):
        return False
    gap = abs(turn.tangent - turn.tangent.T).max()
    return bool(gap <= 1e-6 * abs(turn.tangent).max())


def _balance(equations: Equations, u: Array, answer: Answer, picard: State | None) -> Turn:
    """The forces that follow from an answer at u."""
    basis, free = equations.basis, equations.free
    force, size, tangent = reconstruct(basis, answer, picard)
    tangent = tangent + equations.extra
    residual = force + equations.extra @ u - equations.load
    norm, scale = _norm(residual[free]), _norm(equations.load[free]) + _norm(size[free])
    round_off = 64 * np.finfo(float).eps * _norm((abs(tangent) @ abs(u))[free])
    blur = 0.0 if answer.stderr is None else math.sqrt(noise(basis, answer.stderr).power(2)[free].sum())
    return Turn(u, answer, tangent, residual, norm, scale, round_off, blur)


def error_band(equations: Equations, turn: Turn) -> Array | None:
    """Standard errors of the dofs of U: what the noise of the answers, independent from point to point, makes of them."""
    if turn.answer.stderr is None:
        return None
    free, variance = equations.free, np.zeros(equations.basis.N)
    forces = noise(equations.basis, turn.answer.stderr)[free].tocsc()
    inverse = splu(turn.tangent[free][:, free].tocsc())
    for first in range(0, forces.shape[1], 256):
        variance[free] += (inverse.solve(forces[:, first : first + 256].toarray()) ** 2).sum(axis=1)
    return np.sqrt(variance)


def _norm(vector: Array) -> float:
    norm = float(np.linalg.norm(vector))
    if not math.isfinite(norm):
        raise ConvergenceError("the macro state is not finite any more: the forces of this turn overflow")
    return norm


def _story(method: str, tol: float, history: list[Dialogue], doubt: str) -> str:
    residuals = ", ".join(f"{entry.residual:.1e}" for entry in history[-8:])
    updates = sum(entry.update > 0 for entry in history)
    return f"method={method!r} did not reach tol={tol} in {updates} updates; relative residuals {residuals}{doubt}"
