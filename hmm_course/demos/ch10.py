"""Demos of chapter 10: a plate that cools, and a row of cylinders that water seeps through."""

from functools import lru_cache
from typing import Any

import numpy as np
import skfem
from matplotlib.tri import Triangulation

import hmm_core as hmm
from hmm_core.compare import resolve_pores
from hmm_course.figures import BLUE, ORANGE, Array, canvas
from hmm_course.figures.ch10 import FIBRE, HEAVY, HOT_COLD, cell, curve, half_plate, sampled, soft_disk, strip, through

RADII = np.linspace(0.1, 0.36, 14)
END = 0.3
COUNTS = (2, 4, 8)


# -- the plate -----------------------------------------------------------------------------------------------------------------


def _k(x: Array, y: Array) -> Array:
    return 1 + (FIBRE - 1) * soft_disk(x[0], y)


@lru_cache(maxsize=1)
def _laws() -> tuple[Array, Array, Array]:
    """Effective conductivity, arithmetic mean of k, and mean capacity of fibres with the radii RADII."""
    x, y = np.array([RADII, 0 * RADII]), (np.indices((48, 48)).reshape(2, 1, -1) + 0.5) / 48
    share = soft_disk(RADII[:, None], y).mean(axis=1)
    return cell().effective_tensor(_k, x=x)[0, 0], 1 + (FIBRE - 1) * share, 1 + (HEAVY - 1) * share


@lru_cache(maxsize=64)
def _cooled(left: float, right: float, exchange: float) -> tuple[Array, Array, Array, Array]:
    """Times; vertices' field at each, on a grid; the peak; and the peak that the arithmetic mean would give."""
    basis, times = half_plate(6, skfem.ElementQuad2()), np.linspace(0, END, 31)
    effective, mean, heavy = _laws()

    def along(values: Array) -> Any:
        return lambda x: np.interp(left + (right - left) * x[0], RADII, values)

    runs = [
        hmm.solve_parabolic(
            basis, hmm.ExactClosure(along(law)), 1.0, 0.0, times, along(heavy), None, robin={"rim": (exchange, 0.0)}
        )
        for law in (effective, mean)
    ]
    x = (np.indices((48, 24)) + 0.5) / 48
    places = basis.probes(x.reshape(2, -1))
    fields = np.array([(places @ solution.u).reshape(48, 24) for solution in runs[0]])
    peak, naive = (np.array([solution.u.max() for solution in run]) for run in runs)
    return times, fields, peak, naive


def cooling_plate(left: float = 0.15, right: float = 0.35, exchange: float = 30.0, t: float = 0.03) -> Any:
    """A plate of resin and fibres, taken from the oven at temperature 1 into air of temperature 0.

    Parameters
    ----------
    left, right : radius of the fibres at the two ends, in periods, 0.1 to 0.36.
    exchange : heat that the rim gives to the air, per area and degree, in units of the resin's conductivity per edge, 1 to 300.
    t : time of the picture, 0 to 0.3.

    Left: the temperature at t. Right: its peak in time, and what the arithmetic mean of the conductivity would say.
    ValueError for a parameter outside its range.
    """
    for name, value, low, high in (
        ("left", left, 0.1, 0.36),
        ("right", right, 0.1, 0.36),
        ("exchange", exchange, 1, 300),
        ("t", t, 0, END),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name}={value!r} must lie in [{low}, {high}]")
    times, fields, peak, naive = _cooled(round(float(left), 6), round(float(right), 6), float(exchange))
    k = int(np.abs(times - t).argmin())
    field = np.concatenate([fields[k], fields[k][:, ::-1]], axis=1)
    figure, (first, second) = canvas(1, 2, figsize=(9.6, 3.9))
    image = first.imshow(field.T, origin="lower", extent=(0, 1, 0, 1), cmap="inferno", vmin=0, vmax=1)
    figure.colorbar(image, ax=first, shrink=0.8, label="temperature")
    first.set(xlabel="$x_1$", ylabel="$x_2$", title=f"t = {times[k]:.2f}")
    first.grid(False)
    second.semilogy(times, peak, color=BLUE, label="HMM")
    second.semilogy(times, naive, color="0.4", ls="--", lw=1.2, label="arithmetic mean of k")
    second.plot(times[k], peak[k], "o", color=ORANGE)
    second.set(
        xlabel="t", ylabel="highest temperature", xlim=(0, END), ylim=(1e-3, 1.5), title="How long until it is cool?"
    )
    second.legend(loc="lower left")
    return figure


# -- the row of cylinders --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _seeping(left: float, right: float, N: int) -> tuple[Array, Array, Array, Array, float, float]:
    """x1 and Darcy's pressure; the resolved speed and the obstacles on pixels of one row; resolved flow and Darcy's."""

    def radius(x: Array) -> Array:
        return left + (right - left) * x[0]

    def phi(x: Array, y: Array) -> Array:
        z = y - 0.5
        return np.hypot(*(z - np.round(z))) - radius(x)

    law = hmm.solve_elliptic(
        strip(24, 1, 1.0, skfem.ElementQuad2()), hmm.ExactClosure(lambda x: curve()(radius(x))), 0.0, HOT_COLD
    )
    flow = resolve_pores(phi, 1 / N, (N, 1), n=12)
    width = 320 // N
    pixels = (np.indices((320, width)) + 0.5) / 320
    speed = np.hypot(*sampled(Triangulation(*flow.points, flow.simplices.T), flow.velocity, pixels)) * N**2
    x1 = np.linspace(0, 1, 121)
    return x1, law.at(np.array([x1, 0 * x1 + 0.5])), speed, phi(pixels, pixels * N) < 0, flow.flux * N**2, through(law)


def filter_row(left: float = 0.15, right: float = 0.35, N: int = 8) -> Any:
    """Water seeps through rows of N cylinders, from pressure 1 to 0: all pores resolved, beside Darcy's law.

    Parameters
    ----------
    left, right : radius of the cylinders at the two ends, in periods, 0.1 to 0.42.
    N : cylinders in a row, 2, 4 or 8; the period is eps = 1/N.

    Above: the speed between the cylinders. Below: the pressure of Darcy's law. The title compares the two flows.
    ValueError for a parameter outside its range.
    """
    for name, value in (("left", left), ("right", right)):
        if not 0.1 <= value <= 0.42:
            raise ValueError(f"{name}={value!r} must lie in [0.1, 0.42]")
    if N not in COUNTS:
        raise ValueError(f"N={N!r} must be one of {COUNTS}")
    x1, pressure, speed, solid, flux, law = _seeping(round(float(left), 6), round(float(right), 6), int(N))
    figure, (above, below) = canvas(2, 1, figsize=(7.6, 6.9), height_ratios=(2.2, 1), sharex=True)
    picture = np.ma.masked_where(np.tile(solid, N // 2), np.tile(speed, N // 2))
    image = above.imshow(picture.T, origin="lower", extent=(0, 1, 0, 0.5), cmap="viridis", vmin=0, aspect="equal")
    image.cmap.set_bad("0.75")
    above.set(ylabel="$x_2$", yticks=[0, 0.25, 0.5])
    above.set_title(f"flow / ε²: resolved {flux:.5f}, Darcy {law:.5f}, apart by {100 * (flux / law - 1):+.2f} %")
    above.grid(False)
    below.plot(x1, pressure, color=BLUE, label="Darcy")
    below.plot(x1, 1 - x1, color="0.55", ls=":", lw=1.2, label="an even bed")
    below.set(xlabel="$x_1$", ylabel="pressure", xlim=(0, 1), ylim=(-0.02, 1.02))
    below.legend(loc="lower left")
    return figure
