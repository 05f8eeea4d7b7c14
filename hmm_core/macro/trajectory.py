"""The macro solution in time: at the output times, between them, its errors, its files."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import skfem

from hmm_core.closure import ask
from hmm_core.macro.dialogue import restrict
from hmm_core.macro.forcing import at
from hmm_core.macro.solution import Solution
from hmm_core.macro.store import Store

Array = np.ndarray


class Interval(NamedTuple):
    """How an output time t was reached from the one before: steps taken and rejected, turns of the dialogue, micro problems and
    their iterations, the largest estimated error of a step (0: steps were given)."""

    t: float
    steps: int = 0
    rejected: int = 0
    turns: int = 0
    micro_solves: int = 0
    iterations: int = 0
    error: float = 0.0


START = Interval(0.0)


class Frame(NamedTuple):
    """One output: dofs of U (N,), of waves also of dU/dt, and the flux (None: it follows from U without a micro problem)."""

    u: Array
    rate: Array | None = None
    flux: Array | None = None


@dataclass(frozen=True, eq=False)
class Moment:
    """All that the next step needs to know.

    t, reached    time, and the number of the last output
    fields        "u", and "push" (parabolic) or "rate" (waves)
    memory        the closure's
    plan          length of the steps that are planned, how many are left of them (0: plan anew), the output that they lead to
    wanted, size  length that the error estimate proposes, largest norm of U so far
    story         of the interval that is under way
    """

    t: float
    reached: int
    fields: dict[str, Array]
    memory: dict[str, Array] | None
    plan: tuple[float, int, float] = (0.0, 0, 0.0)
    wanted: float = 0.0
    size: float = 0.0
    story: Interval = START


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The macro solution in time. ``len(run)`` outputs; ``run[k]``, and iteration, give each as a ``Solution``.

    times      (n,) output times reached
    history    how each was reached, an ``Interval``; that of the first holds what the initial state asked for
    rates      dofs of dU/dt at the output times, of waves; otherwise None
    moment     from which ``initial=run`` goes on: the last step, which may lie beyond the last output in an unfinished run
    """

    times: Array
    history: tuple[Interval, ...]
    basis: skfem.CellBasis
    closure: Callable = field(repr=False)
    frames: tuple[Frame, ...] = field(repr=False)
    moment: Moment = field(repr=False)
    key: str = field(repr=False)

    @property
    def micro_solves(self) -> int:
        """All that was asked for."""
        return sum(entry.micro_solves for entry in self.history)

    @property
    def rates(self) -> tuple[Array, ...] | None:
        return None if self.frames[0].rate is None else tuple(frame.rate for frame in self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, k: int) -> Solution:
        frame = self.frames[k]
        return self._solution(float(self.times[k]), frame.u, frame.flux, self.history[k].micro_solves)

    def __iter__(self) -> Iterator[Solution]:
        return (self[k] for k in range(len(self)))

    def when(self, t: float) -> Solution:
        """The state at a time between the first and the last output.

        Between two outputs that of parabolic problems is interpolated linearly, O(dt^2) for outputs dt apart; that of waves,
        whose rates are known, by Hermite's cubic, O(dt^4). ValueError for a time outside.
        """
        times = self.times
        if not (isinstance(t, int | float | np.number) and times[0] <= t <= times[-1]):
            raise ValueError(f"t={t!r} must be a time between {times[0]:.6g} and {times[-1]:.6g}")
        k = min(int(np.searchsorted(times, t, side="right")) - 1, len(times) - 2)
        if t == times[k]:
            return self[k]
        if t == times[k + 1]:
            return self[k + 1]
        first, last, dt = self.frames[k], self.frames[k + 1], times[k + 1] - times[k]
        s = (t - times[k]) / dt
        u = (1 - s) * first.u + s * last.u
        if first.rate is not None:
            left, right = dt * first.rate - (last.u - first.u), dt * last.rate - (last.u - first.u)
            u = u + s * (1 - s) * ((1 - s) * left - s * right)
        flux = None if first.flux is None else (1 - s) * first.flux + s * last.flux
        return self._solution(float(t), u, flux, 0)

    def _solution(self, t: float, u: Array, flux: Array | None, micro_solves: int) -> Solution:
        closure = self.closure.frozen(t) if hasattr(self.closure, "frozen") else self.closure
        memory = self.moment.memory if flux is None else None  # of a linear closure: true at all times
        if flux is None:
            answer = ask(closure, *restrict(self.basis, u), memory, None, t)
            flux = answer.flux.reshape(*answer.flux.shape[:-1], self.basis.nelems, -1)
        return Solution(u.copy(), self.basis, (), micro_solves, flux, closure, memory)

    def at(self, points: Array, t: float) -> Array:
        """U at points (d, ...) at time t (see ``when``): (...); (m, ...) for m components."""
        return self.when(t).at(points)

    def error(
        self, exact: Any, norm: str = "L2", t: float | None = None, gradient: Callable | None = None, **options: Any
    ) -> float:
        """Norm of exact - U at time t, the last one by default: see ``Solution.error`` for norms and options.

        ``exact`` (and ``gradient``) is a function of x or of (x, t), a Solution or another Trajectory.
        """
        t = float(self.times[-1]) if t is None else t
        mine = self.when(t)
        exact = exact.when(t) if isinstance(exact, Trajectory) else at(exact, t)
        return mine.error(exact, norm, at(gradient, t), **options)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to a folder: with it ``initial=Trajectory.load(...)`` or ``path=...`` goes on to the same numbers.

        Every file is there when all of it is written; until then an older one stays. FileExistsError if the folder holds another
        run, of which it would become a mixture.
        """
        store = Store(Path(path))
        if store.holds("moment") and not self.continues(Trajectory.load(path, self.basis, self.closure)):
            raise FileExistsError(f"path={str(path)!r} holds another run: take another folder, or remove it")
        for k, (t, frame, interval) in enumerate(zip(self.times, self.frames, self.history, strict=True)):
            write_output(store, k, float(t), frame, interval)
        write_moment(store, self.moment, self.key)

    def continues(self, other: "Trajectory") -> bool:
        """Whether the two are the same run, as far as both have come."""
        shared, mine, theirs = min(len(self), len(other)), self.frames[0], other.frames[0]
        return (
            self.key == other.key
            and np.array_equal(self.times[:shared], other.times[:shared])
            and np.array_equal(mine.u, theirs.u)
            and (mine.rate is None or np.array_equal(mine.rate, theirs.rate))
        )

    @staticmethod
    def load(path: str | os.PathLike, basis: skfem.CellBasis, closure: Callable) -> "Trajectory":
        """What ``save``, or a solver with ``path=``, wrote about this space and closure.

        FileNotFoundError if there is no such run, ValueError for one on another space.
        """
        store = Store(Path(path))
        found = store.read("moment")
        last = int(found["reached"])
        outputs = [store.read(f"output-{k:06d}") for k in range(last + 1)]
        if outputs[0]["u"].shape != (basis.N,):
            raise ValueError(
                f"path={str(path)!r} holds a run with {outputs[0]['u'].size} dofs; this space has {basis.N}"
            )
        return Trajectory(
            np.array([float(output["t"]) for output in outputs]),
            tuple(_interval(output["interval"]) for output in outputs),
            basis,
            closure,
            tuple(Frame(output["u"], output.get("rate"), output.get("flux")) for output in outputs),
            Moment(
                float(found["t"]),
                last,
                _group(found, "field"),
                _group(found, "memory") or None,
                (float(found["plan"][0]), int(found["plan"][1]), float(found["plan"][2])),
                float(found["wanted"]),
                float(found["size"]),
                _interval(found["story"]),
            ),
            str(found["key"]),
        )


def write_output(store: Store, k: int, t: float, frame: Frame, interval: Interval) -> None:
    """One output time, in a file of its own."""
    fields = {name: value for name, value in frame._asdict().items() if value is not None}
    store.write(f"output-{k:06d}", {"t": t, "interval": np.array(interval), **fields})


def write_moment(store: Store, moment: Moment, key: str) -> None:
    """After its outputs: a run goes on from here."""
    arrays = {f"field.{name}": value for name, value in moment.fields.items()}
    arrays |= {f"memory.{name}": value for name, value in (moment.memory or {}).items()}
    numbers = {name: getattr(moment, name) for name in ("t", "reached", "wanted", "size")}
    store.write(
        "moment", {**arrays, **numbers, "plan": np.array(moment.plan), "story": np.array(moment.story), "key": key}
    )


def _group(arrays: dict[str, Array], name: str) -> dict[str, Array]:
    return {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}


def _interval(numbers: Array) -> Interval:
    t, *counts, error = numbers.tolist()
    return Interval(t, *map(int, counts), error)
