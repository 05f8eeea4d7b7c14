"""Demo of chapter 11: two densities meet on a road whose flux rings have told, by as many of them as one likes."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import stdtrit

import hmm_core as hmm
from hmm_core.micro.particles import Exclusion
from hmm_course.figures import BLUE, ORANGE, canvas

Array = np.ndarray
NODES, CELLS, END, RINGS = np.linspace(0, 1, 9), 60, 0.4, 64


@lru_cache(maxsize=1)
def _told() -> Array:
    """What each of the rings says at the nodes, as a mean over 40 units of time: (RINGS, 9). All densities see the same
    random numbers, so a ring's errors are alike from node to node."""
    closure = hmm.TrajectoryClosure(Exclusion(sites=50), 11, budget=40.0, replicas=RINGS)
    series = closure.measure(np.zeros((1, 9)), NODES, np.zeros((1, 9))).series
    return np.array([path[0].mean(axis=1) for path in series]).T


def _drive(F: Array, left: float, right: float) -> Array:
    """Densities (laws, CELLS) at END under piecewise linear laws F (laws, 9), by Godunov's scheme: of all fluxes at densities
    between those on both sides, the least passes an edge where traffic thickens, and the largest where it thins."""
    fine = np.linspace(0, 1, 129)
    laws = np.array([np.interp(fine, NODES, f) for f in F])
    peak = laws.argmax(axis=1)[:, None]
    demand = np.where(np.arange(129) < peak, laws, laws.max(axis=1, keepdims=True))
    supply = np.where(np.arange(129) > peak, laws, laws.max(axis=1, keepdims=True))
    rho = np.tile(np.where(np.arange(CELLS + 2) <= CELLS // 2, left, right), (len(F), 1)).astype(float)
    steps = int(np.ceil(END * CELLS * np.abs(np.diff(F, axis=1)).max() * 8 / 0.9))
    row = np.arange(len(F))[:, None]
    for _ in range(steps):
        place = rho * 128
        low = np.minimum(place.astype(int), 127)
        part = place - low
        out, room = (law[row, low] * (1 - part) + law[row, low + 1] * part for law in (demand, supply))
        edge = np.minimum(out[:, :-1], room[:, 1:])
        rho[:, 1:-1] = np.clip(rho[:, 1:-1] - END * CELLS / steps * np.diff(edge, axis=1), 0, 1)
    return rho[:, 1:-1]


@lru_cache(maxsize=256)
def _solved(left: float, right: float, rings: int) -> tuple[Array, Array]:
    """The density, and its standard error: the jackknife over eight groups, or fewer, of the rings."""
    told, groups = _told()[:rings], min(rings, 8)
    parts = told.reshape(groups, -1, len(NODES)).mean(axis=1)
    laws = np.concatenate([told.mean(axis=0)[None], (parts.sum(axis=0) - parts) / (groups - 1)])
    rho = _drive(laws, left, right)
    return rho[0], np.sqrt((groups - 1) * rho[1:].var(axis=0))


def two_densities(left: float = 0.2, right: float = 0.7, rings: int = 8) -> Any:
    r"""Traffic of density ``left`` behind traffic of density ``right``: the flux told by rings, and the road at t = 0.4.

    Parameters
    ----------
    left, right : densities, 0 to 1.
    rings : at each of nine densities, 2, 4, 8, 16, 32 or 64, watched for 40 units of time.

    Left: what the rings say, and rho (1 - rho). Right: the road with its 95 % band, and the exact solution.
    ValueError for a parameter outside its range.
    """
    for name, value in (("left", left), ("right", right)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}={value!r} must lie in [0, 1]")
    if rings not in (2, 4, 8, 16, 32, 64):
        raise ValueError(f"rings={rings!r} must be one of 2, 4, 8, 16, 32, 64")
    left, right, rings = round(float(left), 6), round(float(right), 6), int(rings)
    rho, stderr = _solved(left, right, rings)
    told, wide = _told()[:rings], stdtrit(min(rings, 8) - 1, 0.975)
    exact = hmm.exact.ScalarRiemann(lambda u: u * (1 - u), lambda u: 1 - 2 * u, left, right)
    figure, (first, second) = canvas(1, 2, figsize=(9.6, 3.7), width_ratios=(1, 1.5))
    u = np.linspace(0, 1, 101)
    first.plot(u, u * (1 - u), color="black", ls=":", lw=1.2, label="ρ(1 − ρ)")
    bars = stdtrit(rings - 1, 0.975) * told.std(axis=0, ddof=1) / np.sqrt(rings)
    first.errorbar(NODES, told.mean(axis=0), bars, fmt="o", ms=3.5, capsize=2, color=BLUE, label=f"{rings} rings, 95 %")
    first.plot([left, right], [left * (1 - left), right * (1 - right)], color=ORANGE, lw=1.2, label="left and right")
    first.set(xlabel="density ρ", ylabel="flux F", title="What the rings say", ylim=(-0.01, 0.4))
    first.legend(loc="upper right", fontsize=8)
    x = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    fine = np.linspace(-0.5, 0.5, 601)
    second.fill_between(x, rho - wide * stderr, rho + wide * stderr, color=BLUE, alpha=0.3, lw=0, label="95 % band")
    second.plot(x, rho, color=BLUE, label="HMM")
    second.plot(fine, exact(fine / END), color="black", ls=":", lw=1.2, label="exact")
    low, high = exact.speeds
    kind = f"a shock of speed {low:.2f}" if low == high else f"a fan, from {low:.2f} to {high:.2f}"
    second.set(xlabel="x", ylabel="density ρ", xlim=(-0.5, 0.5), ylim=(-0.05, 1.3))
    second.set_title("nothing happens" if left == right else kind)
    second.legend(loc="upper right", ncols=3, fontsize=8)
    return figure
