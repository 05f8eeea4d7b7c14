"""From output time to output time, by steps that are given or chosen: what all problems in time share."""

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, NamedTuple, Protocol

import numpy as np

from hmm_core.closure import RefusedState
from hmm_core.macro.implicit import Effort, Memory, Space, effort
from hmm_core.macro.store import Store
from hmm_core.macro.trajectory import Frame, Interval, Moment, Trajectory, write_moment, write_output
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray
FIRST_STEP = 1e-2  # of the first interval, where the error estimate chooses; it grows or shrinks from there
SAFETY = 0.9  # share of the step that the estimate allows
SHRINK, GROW = 0.1, 5.0  # least and largest factor from step to step
LEAST = 1e-5  # of the way from output to output: where a dialogue fails in a step that short, it is not for want of a good start
WORTH_WHILE = 1.3  # a step that could grow by less stays, and with it the factors of the macro matrix


class Stepped(NamedTuple):
    """The end of a step, and the norms of U and of the estimated error (None: not asked for)."""

    fields: dict[str, Array]
    memory: Memory
    effort: Effort
    norm: float = 0.0
    error: float | None = None


class Scheme(Protocol):
    """A time stepping scheme."""

    kind: str
    space: Space

    def begin(self, fields: dict[str, Array], t: float) -> tuple[dict[str, Array], Memory, Effort]:
        """What the first step starts from."""

    def step(
        self, fields: dict[str, Array], memory: Memory, t: float, end: float, h: float, estimate: bool
    ) -> Stepped: ...

    def frame(self, fields: dict[str, Array], memory: Memory, t: float) -> tuple[Frame, Effort]:
        """What is kept at an output time."""


@dataclass(frozen=True)
class Clock:
    """Output times, and how to get from one to the next: by a single step, by equal ones of at most ``step``, or by ones whose
    estimated error is at most ``tol`` relative to the largest U so far."""

    times: Array
    step: float | None = None
    tol: float | None = None

    @staticmethod
    def of(times: Any, step: Any, tol: Any) -> "Clock":
        """TypeError or ValueError for times that are none, or do not increase."""
        found = np.asarray(times)
        if found.dtype.kind not in "fiu" or found.ndim != 1 or len(found) < 2:
            raise ValueError(
                f"times={times!r} must be a list of at least two numbers, the first of them where the run starts"
            )
        found = found.astype(float)
        if not np.isfinite(found).all():
            raise ValueError(f"times must be finite; number {int(np.argmin(np.isfinite(found)))} is not")
        if not (np.diff(found) > 0).all():
            k = int(np.argmin(np.diff(found) > 0))
            raise ValueError(f"times must increase; number {k} is {found[k]}, the next one {found[k + 1]}")
        for name, value, high in (("step", step, math.inf), ("tol", tol, 1.0)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < high):
                raise ValueError(f"{name}={value!r} must be a number, 0 < {name} < {high}, or None")
        if step is not None and tol is not None:
            raise ValueError(f"step={step!r} and tol={tol!r}: steps are given or chosen, not both")
        if step is not None and not step > 4 * np.spacing(np.abs(found).max()):
            raise ValueError(f"step={step!r} is too short to move times up to {np.abs(found).max():.6g}")
        return Clock(found, step, tol)

    def plan(self, moment: Moment) -> tuple[float, int, float]:
        """Equal steps to the next output: their length, their number, and where they lead."""
        end = float(self.times[moment.reached + 1])
        left = end - moment.t
        wanted = self.step or left
        if self.tol is not None:
            wanted = moment.wanted or FIRST_STEP * left
        count = max(1, math.ceil(left / wanted * (1 - 1e-12)))
        return left / count, count, end


def march(scheme: Scheme, clock: Clock, run: Trajectory, store: Store | None, progress: bool) -> Trajectory:
    """The trajectory, continued to the last of the times.

    Whatever ends it before carries what was computed as ``error.unfinished``, a Trajectory that can be continued.
    """
    moment, frames, history = run.moment, list(run.frames), list(run.history)

    def so_far() -> Trajectory:
        n = moment.reached + 1
        return replace(run, times=clock.times[:n], history=tuple(history[:n]), frames=tuple(frames[:n]), moment=moment)

    with _bar(len(clock.times) - 1, moment.reached, progress) as bar:
        try:
            while moment.reached < len(clock.times) - 1:
                k = moment.reached + 1
                if moment.t < clock.times[k]:
                    moment = _advance(scheme, clock, moment)
                    continue
                frame, more = scheme.frame(moment.fields, moment.memory, moment.t)
                del frames[k:], history[k:]  # what an interrupt may have left
                frames.append(frame)
                history.append(told(moment.story, more, t=moment.t))
                after = replace(moment, reached=k, story=Interval(moment.t))
                if store is not None:
                    write_output(store, k, moment.t, frame, history[k])
                    write_moment(store, after, run.key)
                moment = after
                bar.update()
        except BaseException as error:
            place, error.unfinished = _place(error, scheme.space), so_far()
            ahead = clock.times[min(moment.reached + 1, len(clock.times) - 1)]
            error.add_note(
                f"in the step from t={moment.t:.6g}, on the way to t={ahead:.6g}{place}; what was "
                "computed until then is error.unfinished, a Trajectory to look at, to save, or to continue"
            )
            raise
    return so_far()


def _advance(scheme: Scheme, clock: Clock, moment: Moment) -> Moment:
    """One accepted step."""
    h, left, end = plan = moment.plan if moment.plan[1] else clock.plan(moment)
    story, wanted = moment.story, moment.wanted
    while True:
        t = end if left == 1 else moment.t + h
        if not t > moment.t:
            raise ConvergenceError(f"no step is short enough: steps of {h:.3g} do not move t={moment.t!r}")
        try:
            # Twelve digits: steps between evenly spaced times differ in the last ones, and each length has its own matrix.
            length, estimate = float(f"{h:.12g}"), clock.tol is not None
            with np.errstate(over="ignore", invalid="ignore"):  # what follows from it is not finite, and refused
                done = scheme.step(moment.fields, moment.memory, moment.t, t, length, estimate)
        except (ConvergenceError, RefusedState) as error:
            if clock.tol is None or SHRINK * h < LEAST * (end - clock.times[moment.reached]):
                raise
            heard = getattr(error, "unfinished", None)
            factor, story = SHRINK, told(story, effort(heard[1])) if heard else story
        else:
            story = told(story, done.effort)
            if done.error is None:
                factor, size = 1.0, moment.size
                break
            size = max(moment.size, done.norm)
            error = done.error / size if size else 0.0
            factor = min(GROW, max(SHRINK, SAFETY * (clock.tol / error) ** (1 / 3))) if error else GROW
            if error <= clock.tol:
                story = story._replace(error=max(story.error, error))
                break
        story, wanted = story._replace(rejected=story.rejected + 1), factor * h
        h, left, end = plan = clock.plan(replace(moment, wanted=wanted))
    story = story._replace(steps=story.steps + 1)
    plan = (h, left - 1, end)
    if not 1 / WORTH_WHILE < factor < WORTH_WHILE:
        wanted, plan = max(factor * h, wanted if factor > 1 else 0.0), (h, 0, end)
    return replace(
        moment, t=t, fields=done.fields, memory=done.memory, plan=plan, wanted=wanted or h, size=size, story=story
    )


def told(story: Interval, more: Effort, **changes: Any) -> Interval:
    """The story, with this effort added."""
    return story._replace(**{name: getattr(story, name) + count for name, count in more._asdict().items()}, **changes)


def _place(error: BaseException, space: Space) -> str:
    """Where the forces of a dialogue that failed were farthest from balance."""
    found = getattr(error, "unfinished", None)
    if not isinstance(found, tuple):
        return ""
    free = space.forcing.free
    worst = free[np.argmax(np.abs(found[0].residual[free]))]
    return f", where forces were farthest from balance at x={space.basis.doflocs[:, worst].tolist()}"


def _bar(total: int, done: int, progress: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=done, desc="time", unit=" outputs", disable=not progress)
