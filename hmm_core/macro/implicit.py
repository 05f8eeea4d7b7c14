r"""One implicit equation, of which steps in time are made:

    find U at time t:    s M U + F(U, t) + R(t) U = load(t) + inertia    on the free dofs,    U = data on the others,

F the macro force of the closure's flux, R the exchange through the boundary. A closure that is linear, and says so, is asked
once: F(U) = K U, and a step is a back substitution. With any other it is the dialogue of steady problems, with s M + R as its
extra matrix, which goes on from what the closure remembers of the step before.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import skfem
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import SuperLU, splu

from hmm_core.closure import Answer, RefusedState
from hmm_core.macro.dialogue import micro_solve, reconstruct, restrict, update
from hmm_core.macro.forcing import Forcing
from hmm_core.macro.loop import Dialogue, Equations, converse
from hmm_core.macro.workers import Pool
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray
Memory = dict[str, Array] | None


class Effort(NamedTuple):
    """Turns of the dialogue, micro problems and their iterations."""

    turns: int = 0
    micro_solves: int = 0
    iterations: int = 0

    def plus(self, other: "Effort") -> "Effort":
        return Effort(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Balanced(NamedTuple):
    """U (N,), what is left for inertia there, load - F(U) - R U (N,), the closure's memory, the effort, and the solver
    of the linearised equation, (N,) -> (N,)."""

    u: Array
    push: Array
    memory: Memory
    effort: Effort
    solve: Callable[[Array], Array] | None = None


@dataclass(frozen=True, eq=False)
class Space:
    """The problem, discretised in space: all of it but the time stepping."""

    basis: skfem.CellBasis
    closure: Callable
    mass: csr_matrix
    forcing: Forcing
    pool: Pool | None
    tol: float
    max_iter: int

    @staticmethod
    def of(
        basis: skfem.CellBasis,
        closure: Callable,
        mass: csr_matrix,
        forcing: Forcing,
        executor: Executor | None,
        balance: float,
        max_iter: int,
    ) -> "Space":
        if not 0 < balance < 1 or max_iter < 1:
            raise ValueError(f"balance={balance!r} must lie in (0, 1) and max_iter={max_iter!r} must be at least 1")
        pool = None if executor is None else Pool(executor, closure)
        return Space(basis, closure, mass, forcing, pool, balance, max_iter)

    def ask(self, u: Array, t: float, memory: Memory) -> Answer:
        return micro_solve(self.closure, restrict(self.basis, u), memory, self.tol, t, self.pool)

    def at_rest(self, u: Array, t: float, memory: Memory) -> tuple[Balanced, csr_matrix]:
        """What moves a state, and the tangent of F there."""
        answer, now = self.ask(u, t, memory), self.forcing.at(t)
        force, _, tangent = reconstruct(self.basis, answer)
        return Balanced(u, now.load - force - now.exchange @ u, answer.memory, effort_of(answer)), tangent

    def fluxes(self, answer: Answer) -> Array:
        return answer.flux.reshape(*answer.flux.shape[:-1], self.basis.nelems, -1)


class Conversing:
    """Any closure: every equation is a dialogue. It starts from the first of the guesses that the closure has an answer for."""

    def __init__(self, space: Space):
        self.space = space

    def at_rest(self, u: Array, t: float) -> Balanced:
        return self.space.at_rest(u, t, None)[0]

    def solve(
        self, t: float, s: float, inertia: Array, guesses: tuple, memory: Memory, values: Array | None = None
    ) -> Balanced:
        space, now = self.space, self.space.forcing.at(t)
        free, extra = space.forcing.free, s * space.mass
        equations = Equations(space.basis, space.closure, extra + now.exchange, now.load + inertia, free, t)
        options = {"pool": space.pool, "tol": space.tol, "max_iter": space.max_iter}
        for guess in guesses:
            u = guess.copy()
            u[space.forcing.fixed] = now.values if values is None else values
            try:
                turn, history = converse(equations, u, memory, **options)
                break
            except RefusedState:  # the guess itself, a step ahead of what is known
                if guess is guesses[-1]:
                    raise
        push = extra @ turn.u - inertia - turn.residual
        return Balanced(turn.u, push, turn.answer.memory, effort(history), lambda rhs: update(turn.tangent, -rhs, free))

    def flux(self, u: Array, t: float, memory: Memory) -> tuple[Array | None, Effort]:
        """At an output time. Of a closure that remembers the state it costs nothing."""
        answer = self.space.ask(u, t, memory)
        return self.space.fluxes(answer), effort_of(answer)


class Linear:
    """A closure with sigma = A(x) grad U: F(U) = K U, and the factors of s M + K + R serve as long as s stays."""

    def __init__(self, space: Space, u: Array, t: float, memory: Memory):
        self.space = space
        self._first, self.stiffness = space.at_rest(u, t, memory)
        now = space.forcing.at(t)
        force = now.load - self._first.push - now.exchange @ u
        doubt = np.abs(force - self.stiffness @ u).max(initial=0)
        if doubt > 1e-8 * (abs(self.stiffness) @ abs(u)).max(initial=0):
            raise ValueError(
                f"the closure {type(space.closure).__name__} says that it is linear, but its flux is not its tangent times grad U"
            )
        self._factored = lru_cache(maxsize=4)(lambda s: Factored(space, self.stiffness + now.exchange, s, now.values))

    def at_rest(self, u: Array, t: float) -> Balanced:
        """Known: it is there that the closure was asked."""
        return self._first

    def solve(
        self, t: float, s: float, inertia: Array, guesses: tuple, memory: Memory, values: Array | None = None
    ) -> Balanced:
        space, now = self.space, self.space.forcing.at(t)
        values = now.values if values is None else values
        if space.forcing.exchange_is_steady:
            system = self._factored(s)
        else:
            system = Factored(space, self.stiffness + now.exchange, s, values)
        u = system.solve(now.load + inertia, values)
        if not np.isfinite(u).all():
            place = space.basis.doflocs[:, int(np.argmin(np.isfinite(u)))].tolist()
            raise ConvergenceError(f"the macro state is not finite any more at t={t:.6g}, first at x={place}")
        return Balanced(u, now.load - system.resisting @ u, memory, Effort(), system.solve)

    def flux(self, u: Array, t: float, memory: Memory) -> tuple[Array | None, Effort]:
        """Not now: it follows from U whenever it is wanted."""
        return None, Effort()


class Factored:
    """s M + ``resisting``, with its factors on the free dofs."""

    def __init__(self, space: Space, resisting: csr_matrix, s: float, values: Array):
        self.free, self.fixed = space.forcing.free, space.forcing.fixed
        rows = (s * space.mass + resisting).tocsr()[self.free]
        self.resisting, self.coupling = resisting.tocsr(), rows[:, self.fixed]
        self.values, self.lifted = values, self.coupling @ values
        self.factors: SuperLU | None = splu(rows[:, self.free].tocsc()) if self.free.size else None

    def solve(self, rhs: Array, values: Array | None = None) -> Array:
        """(N,) -> (N,), with these values of the fixed dofs; without them they are zero."""
        u, push = np.zeros_like(rhs), rhs[self.free]
        if values is not None:
            u[self.fixed] = values  # mostly the same as ever
            push = push - (self.lifted if values is self.values else self.coupling @ values)
        if self.factors is not None:
            u[self.free] = self.factors.solve(push)
        return u


def equation(space: Space, u: Array, t: float, memory: Memory) -> Linear | Conversing:
    """For problems that begin, or go on, with U at time t."""
    return Linear(space, u, t, memory) if getattr(space.closure, "linear", False) else Conversing(space)


def effort_of(answer: Answer) -> Effort:
    """Of one turn."""
    return Effort(1, int(answer.info.get("micro_solves", 0)), int(answer.info.get("iterations", 0)))


def effort(history: tuple[Dialogue, ...]) -> Effort:
    """Of a dialogue."""
    done: Any = ((1, turn.micro_solves, turn.iterations) for turn in history)
    return Effort(*map(sum, zip(*done, strict=True)))
