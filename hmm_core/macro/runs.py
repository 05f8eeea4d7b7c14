"""A run begins, or begins again where it was interrupted."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hmm_core.macro.implicit import Space, equation
from hmm_core.macro.march import Clock, Scheme, march, told
from hmm_core.macro.store import Store
from hmm_core.macro.trajectory import Frame, Interval, Moment, Trajectory

Array = np.ndarray


def evolve(
    scheme_of: type[Scheme],
    space: Space,
    clock: Clock,
    initial: Any,
    fields: Callable[[], dict[str, Array]],
    path: str | os.PathLike | None,
    progress: bool,
) -> Trajectory:
    """A run from the initial ``fields``, or one that goes on: with ``initial``, or with what the folder ``path`` holds.

    ValueError where the two are not about the same problem: a run that goes on must end as if it had never been interrupted.
    """
    store, key = None if path is None else Store(Path(path)), _digest(scheme_of.kind, space, clock)
    run = initial if isinstance(initial, Trajectory) else None
    if store is not None and store.holds("moment"):
        run = Trajectory.load(store.folder, space.basis, space.closure)
        first = initial.frames[0] if isinstance(initial, Trajectory) else Frame(**fields())
        _check(run, key, clock, first, f"path={str(path)!r}")
    elif run is not None:
        _check(run, key, clock, run.frames[0], "initial")
    try:
        if run is None:
            scheme, run = _begin(scheme_of, space, clock, fields(), key)
        else:
            moment = run.moment
            scheme = scheme_of(space, equation(space, moment.fields["u"], moment.t, moment.memory))
            run = replace(run, basis=space.basis, closure=space.closure)
    except BaseException as error:
        error.unfinished = run
        raise
    if store is not None and not store.holds("moment"):
        run.save(store.folder)
    return march(scheme, clock, run, store, progress)


def _begin(
    scheme_of: type[Scheme], space: Space, clock: Clock, fields: dict[str, Array], key: str
) -> tuple[Scheme, Trajectory]:
    """The first question, and the first output."""
    t = float(clock.times[0])
    scheme = scheme_of(space, equation(space, fields["u"], t, None))
    fields, memory, effort = scheme.begin(fields, t)
    frame, more = scheme.frame(fields, memory, t)
    moment, story = Moment(t, 0, fields, memory, story=Interval(t)), told(Interval(t), effort.plus(more))
    return scheme, Trajectory(clock.times[:1], (story,), space.basis, space.closure, (frame,), moment, key)


def _check(run: Trajectory, key: str, clock: Clock, first: Frame, name: str) -> None:
    """ValueError unless the run is one of this problem, at these times, from this state."""
    if run.key != key:
        raise ValueError(
            f"{name} is a run of another problem: space, closure, data at the first time, step or tol differ. Continue it with "
            "the arguments that it began with"
        )
    n, ahead = len(run), run.moment.plan[2] if run.moment.t > run.times[-1] else None
    if not np.array_equal(run.times, clock.times[:n]) or (ahead is not None and ahead != clock.times[n : n + 1]):
        raise ValueError(
            f"{name} is a run with other times: it has been at {run.times.tolist()[:5]} ..., and is to go on from there"
        )
    if not replace(run, times=run.times[:1], frames=(first,)).continues(run):
        raise ValueError(f"{name} is a run from another initial state: take another folder, or remove this one")


def _digest(kind: str, space: Space, clock: Clock) -> str:
    """Of what can be compared of two problems: of functions that do not describe themselves, what they say at the first time."""
    now, hashed = space.forcing.at(float(clock.times[0])), hashlib.blake2b(digest_size=16)
    closure = getattr(space.closure, "__dict__", {}) or {"": space.closure}
    fields = [f"{name}={value!r}" for name, value in closure.items() if " at 0x" not in repr(value)]
    described = (kind, clock.step, clock.tol, space.tol, type(space.closure).__qualname__, fields)
    hashed.update(repr(described).encode())
    for array in (space.basis.doflocs, space.mass.data, now.load, now.exchange.data, now.values):
        hashed.update(np.ascontiguousarray(array, dtype=float).tobytes())
    return hashed.hexdigest()
