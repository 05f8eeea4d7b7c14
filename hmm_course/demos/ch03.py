"""Demo of chapter 03: one ring of counters watched for a while, what it says, and whether forty such rings are right."""

from functools import lru_cache
from typing import Any

import numpy as np

from hmm_core.micro.particles import Estimate, estimate
from hmm_course.figures import BLUE, ORANGE, canvas
from hmm_course.figures.ch03 import SITES, forgetting, piles, ring_share
from hmm_course.figures.ch03_lattice import busy, run

Array = np.ndarray
RINGS, LONGEST = 40, 4096
STARTS = ("pile", "equilibrium")


@lru_cache(maxsize=64)
def _paths(people: int, start: str) -> Array:
    """Share of busy counters of forty rings at unit times (RINGS, LONGEST)."""
    rng, n = np.random.default_rng(people), piles(RINGS, SITES, people)
    if start == "equilibrium":
        n = run(n, round(8 * forgetting(SITES, people / SITES)), rng)
    return busy(n, LONGEST, 1.0, rng)


@lru_cache(maxsize=256)
def _told(people: int, start: str, length: int) -> tuple[list[Estimate], int]:
    """What each ring says, and how many of their intervals hold the truth."""
    told, truth = [estimate(path[None, None, :length]) for path in _paths(people, start)], ring_share(people, SITES)
    return told, sum(bool(low <= truth <= high) for low, high in (e.interval()[:, 0] for e in told))


def how_long(density: float = 2.0, length: int = 256, start: str = "pile") -> Any:
    r"""A ring of twenty counters: its share of busy counters while it is watched, its mean with a 95 % interval; forty rings.

    Parameters
    ----------
    density : people per counter, 0.5 to 4, in steps of 0.05.
    length : time of watching, an integer from 16 to 4096.
    start : "pile", everybody at one counter, or "equilibrium".

    ``estimate`` chooses what of the start to leave out (grey). ValueError for a parameter outside its range.
    """
    if not 0.5 <= density <= 4:
        raise ValueError(f"density={density!r} must lie in [0.5, 4]")
    if isinstance(length, bool) or length != int(length) or not 16 <= length <= LONGEST:
        raise ValueError(f"length={length!r} must be an integer from 16 to {LONGEST}")
    if start not in STARTS:
        raise ValueError(f"start={start!r} must be one of {', '.join(map(repr, STARTS))}")
    people, length = round(density * SITES), int(length)
    truth, path = ring_share(people, SITES), _paths(people, start)[0, :length]
    told, hits = _told(people, start, length)
    first, t = told[0], np.arange(1, length + 1)
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 3.7), width_ratios=(1.2, 1))
    left.plot(t, path, color="0.75", lw=0.6)
    left.axvspan(0, first.burn_in, color="0.9", lw=0)
    low, high = first.interval()[:, 0]
    kept = (first.burn_in, length)
    left.fill_between(kept, low, high, color=BLUE, alpha=0.3, lw=0)
    left.plot(kept, (first.mean[0], first.mean[0]), color=BLUE, label=f"its mean {first.mean[0]:.3f}")
    left.axhline(truth, color="black", lw=1, ls="--", label=f"closed form {truth:.3f}")
    tau = forgetting(SITES, people / SITES)
    left.set(xlabel="time", ylabel="busy counters", xlim=(0, length), ylim=(0, 1.05))
    left.set_title(f"One ring: T = {length / tau:.1f} τ, {first.burn_in:.0f} left out")
    left.legend(loc="lower right")
    for k, e in enumerate(told):
        low, high = e.interval()[:, 0]
        right.plot((k, k), (low, high), color=BLUE if low <= truth <= high else ORANGE, lw=1.6)
    right.axhline(truth, color="black", lw=1, ls="--")
    right.set(xlabel="ring", ylabel="95 % interval", title=f"{hits} of {RINGS} intervals hold")
    return figure
