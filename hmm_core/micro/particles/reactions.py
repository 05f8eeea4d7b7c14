r"""Reaction networks: molecules that meet and change, one event at a time.

The stochastic simulation algorithm (Gillespie) waits an exponential time with the sum of all propensities a_r(x) and picks
reaction r with probability a_r/sum. Where some reactions are a thousand times faster than the others, nearly all events are
theirs, and change nothing that matters. The nested algorithm (E, Liu and Vanden-Eijnden, Nested stochastic simulation
algorithms for chemical kinetic systems with multiple time scales, J. Comput. Phys.) lets the fast ones alone run for a
short window, averages the slow propensities over it, and simulates the slow reactions with these: the closure of a network.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.exact import require
from hmm_core.micro.particles.steps import finite_positive
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
MOST = 1e15  # a propensity beyond which time does not advance any more


@dataclass(frozen=True, eq=False)
class Network:
    """Species and reactions.

    change : (species, reactions) whole numbers, what a reaction adds to the molecules of each species.
    rates : of the reactions, c_r; the law of mass action makes propensities of them: c_r times the number of ways to choose
        the ``reactants``. Or a function x (species, S) -> propensities (reactions, S).
    reactants : (species, reactions) molecules that meet; by default those that a reaction takes away.
    """

    change: ArrayLike
    rates: Sequence[float] | Callable[[Array], Array]
    reactants: ArrayLike | None = None

    def __post_init__(self) -> None:
        change = np.asarray(self.change)
        whole = change.ndim == 2 and change.size > 0 and (change == np.round(change)).all()
        require(whole, "change", self.change, "must be whole numbers (species, reactions)")
        object.__setattr__(self, "change", change.astype(np.int64))
        reactants = np.maximum(-self.change, 0) if self.reactants is None else np.asarray(self.reactants)
        ok = reactants.shape == change.shape and (reactants >= 0).all() and (reactants == np.round(reactants)).all()
        require(ok, "reactants", self.reactants, f"must be whole numbers {change.shape}, not negative")
        object.__setattr__(self, "reactants", reactants.astype(np.int64))
        if not callable(self.rates):
            rates = np.asarray(self.rates, dtype=float)
            ok = rates.shape == change.shape[1:] and (np.isfinite(rates) & (rates >= 0)).all()
            require(ok, "rates", self.rates, f"must be {change.shape[1]} finite numbers, not negative, or a function")
            object.__setattr__(self, "rates", tuple(rates.tolist()))

    def propensities(self, x: Array) -> Array:
        """a (reactions, S) at the molecules x (species, S).

        Raises RefusedState where one is negative, not finite, or so large that time does not advance.
        """
        if callable(self.rates):
            a = np.asarray(self.rates(x), dtype=float)
            require(a.shape == (self.change.shape[1], x.shape[1]), "rates", a.shape, "must be (reactions, S)")
        else:
            a = np.repeat(np.array(self.rates)[:, None], x.shape[1], axis=1)
            for i, r in zip(*np.nonzero(self.reactants), strict=True):
                for k in range(self.reactants[i, r]):
                    a[r] *= (x[i] - k) / (k + 1)
        bad = ~((a >= 0) & (a <= MOST))
        if bad.any():
            r, s = np.argwhere(bad)[0]
            raise RefusedState(
                f"propensity {a[r, s]} of reaction {r} at x={x[:, s].tolist()} must lie in [0, {MOST:.0e}]"
            )
        return a

    def run(
        self, x: ArrayLike, time: float, rng: np.random.Generator, replicas: int = 1, events: float = 1e7
    ) -> "Molecules":
        """Direct simulation of ``replicas`` copies from x (species,) over ``time``.

        Raises RefusedState where the propensities explode, or after ``events`` events of one copy.
        """
        x = self._begin(x, rng, replicas)
        finite_positive("time", time)
        left, done = np.full(replicas, float(time)), np.zeros(replicas, np.int64)
        active = np.arange(replicas)
        while active.size:
            a = self.propensities(x[:, active])
            left[active], reaction = _next(a, left[active], rng)
            active, reaction = active[left[active] > 0], reaction[left[active] > 0]
            x[:, active] += self.change[:, reaction]
            done[active] += 1
            if done.max() > events:
                s = int(done.argmax())
                raise RefusedState(f"{done[s]} events and no end, x={x[:, s].tolist()}: the propensities explode")
        return Molecules(x, int(done.sum()))

    def run_nested(
        self,
        x: ArrayLike,
        time: float,
        fast: Sequence[int],
        window: float,
        rng: np.random.Generator,
        replicas: int = 1,
        burn_in: float = 0.0,
        events: float = 1e7,
    ) -> "Molecules":
        """Nested simulation: the reactions ``fast`` alone over ``burn_in``, which is forgotten, and ``window``, over which the
        propensities of the others are averaged; then one of the others, by these averages, in a state of the window in which it
        is likely; and so on over ``time``. Its error falls as 1/window, and with burn_in as the fast reactions forget.

        Raises as ``run``, and ValueError for fast reactions that are none or all.
        """
        x = self._begin(x, rng, replicas)
        finite_positive("time", time)
        is_fast = self._nested(fast, window, burn_in)
        left, done, active, slow = np.full(replicas, float(time)), 0, np.arange(replicas), np.flatnonzero(~is_fast)
        while active.size:
            mine = x[:, active]
            if burn_in:
                mine, begun, *_ = self._watched(mine, is_fast, burn_in, rng, events)
                done += begun
            x[:, active], watched, averages, seen = self._watched(mine, is_fast, window, rng, events)
            left[active], reaction = _next(averages, left[active], rng)
            going = np.flatnonzero(left[active] > 0)
            active, reaction = active[going], reaction[going]
            x[:, active] = seen[reaction, :, going].T + self.change[:, slow[reaction]]
            done += watched + active.size
        return Molecules(x, done)

    def averages(
        self,
        x: ArrayLike,
        fast: Sequence[int],
        window: float,
        rng: np.random.Generator,
        replicas: int = 2,
        burn_in: float = 0.0,
        events: float = 1e7,
    ) -> tuple[Array, Array]:
        """The question that nested simulation asks: propensities (slow,) of the reactions that are not ``fast``, in their order,
        averaged over the window after ``burn_in`` while the fast ones run from x (species,), and their standard errors (slow,)
        by independent ``replicas`` (nan for one).

        Raises as ``run_nested``.
        """
        x, is_fast = self._begin(x, rng, replicas), self._nested(fast, window, burn_in)
        if burn_in:
            x, *_ = self._watched(x, is_fast, burn_in, rng, events)
        _, _, told, _ = self._watched(x, is_fast, window, rng, events)
        spread = told.std(axis=1, ddof=1) / math.sqrt(replicas) if replicas > 1 else np.full(len(told), math.nan)
        return told.mean(axis=1), spread

    def _nested(self, fast: Sequence[int], window: float, burn_in: float) -> Array:
        """Which reactions (reactions,) are fast. ValueError for what nested simulation cannot be asked."""
        finite_positive("window", window)
        require(0 <= burn_in < math.inf, "burn_in", burn_in, "must be a finite time, not negative")
        is_fast = np.zeros(self.change.shape[1], bool)
        known = [isinstance(r, Integral) and 0 <= r < is_fast.size for r in fast]
        require(all(known) and 0 < len(known) < is_fast.size, "fast", fast, "must be some of the reactions, not all")
        is_fast[list(fast)] = True
        return is_fast

    def _watched(self, x: Array, is_fast: Array, window: float, rng: np.random.Generator, events: float) -> tuple:
        """The fast reactions alone: x (species, S) at the end, events of all, averages (slow, S) of the other propensities, and
        for each of those a state (slow, species, S), drawn with a probability in proportion to it."""
        x, S = x.copy(), x.shape[1]
        left, done, most = np.full(S, window), 0, events
        sums, seen = np.zeros((np.count_nonzero(~is_fast), S)), np.repeat(x[None], np.count_nonzero(~is_fast), axis=0)
        active = np.arange(S)
        while active.size:
            a = self.propensities(x[:, active])
            after, reaction = _next(a[is_fast], left[active], rng)
            share = a[~is_fast] * (left[active] - np.maximum(after, 0.0))
            sums[:, active] += share
            r, s = np.nonzero(rng.random(share.shape) * sums[:, active] < share)
            seen[r, :, active[s]] = x[:, active[s]].T
            left[active] = after
            active, reaction = active[after > 0], reaction[after > 0]
            x[:, active] += self.change[:, np.flatnonzero(is_fast)[reaction]]
            done, most = done + active.size, most - 1
            if most < 0:
                raise RefusedState(f"{events} fast events and no end of a window of {window}: take a shorter one")
        return x, done, sums / window, seen

    def _begin(self, x: ArrayLike, rng: np.random.Generator, replicas: int) -> Array:
        """(species, replicas) copies of x."""
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng={rng!r} must be a numpy.random.Generator, such as default_rng(0)")
        ok = isinstance(replicas, Integral) and not isinstance(replicas, bool) and replicas >= 1
        require(ok, "replicas", replicas, "must be an integer, at least 1")
        begin = np.asarray(x)
        ok = begin.shape == self.change.shape[:1] and (begin >= 0).all() and (begin == np.round(begin)).all()
        require(ok, "x", x, f"must be {self.change.shape[0]} numbers of molecules, whole and not negative")
        return np.repeat(begin.astype(np.int64)[:, None], replicas, axis=1)


@dataclass(frozen=True, eq=False)
class Molecules:
    """What a simulation ends in: x (species, replicas), and the events that all replicas together took."""

    x: Array
    events: int

    @property
    def mean(self) -> Array:
        """(species,)"""
        return self.x.mean(axis=1)

    @property
    def stderr(self) -> Array:
        """(species,) of the mean; nan for one replica."""
        n = self.x.shape[1]
        return self.x.std(axis=1, ddof=1) / math.sqrt(n) if n > 1 else np.full(len(self.x), math.nan)


def _next(a: Array, left: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """What is left (S,) of the time after the next event, negative if there is none, and its reaction (S,)."""
    sums = np.cumsum(a, axis=0)
    total = sums[-1]
    wait = np.divide(rng.exponential(size=total.shape), total, out=np.full(total.shape, np.inf), where=total > 0)
    pick = rng.random(total.shape) * total
    return left - wait, np.minimum((sums <= pick).sum(axis=0), len(a) - 1)
