"""Demo of chapter 14: a front of excitation runs along a cable of cells, or stops at a junction."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgttrf, dgttrs

from hmm_course.figures import BLUE, ORANGE, canvas
from hmm_course.figures.ch14_waves import CABLE, SHARE

Array = np.ndarray
CELLS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
STEP, EVERY, END = 0.2, 5, 200.0
G = 1 - np.sqrt(0.5)
PER_CELL = 30  # volumes; so that junctions end in the middle of volumes (``ch14_waves.resolved_cable``)


@lru_cache(maxsize=128)
def _front(cell: float, junction: float, threshold: float) -> tuple[Array, Array, Array]:
    """x, times, v (T, volumes): every junction resolved; cell = 0 for the even cable with the harmonic mean.

    Half a step of the reaction by Heun's method, a step of diffusion, half a step of the reaction. Diffusion is stiff in so fine
    a cable: its step (1 - g z)^(-2) (1 + (1 - 2 g) z), g = 1 - 1/sqrt 2, is of second order and forgets the jumps at once.
    """
    mean = 1 / (1 - SHARE + SHARE / junction)
    n = round(CABLE / cell) * PER_CELL if cell else 240
    h = CABLE / n
    x, faces = (np.arange(n) + 0.5) * h, np.arange(1, n) * h
    near = np.abs(faces / cell - np.round(faces / cell)) < SHARE / 2 if cell else faces < 0
    a = np.where(near, junction, 1.0 if cell else mean) * STEP / (h * h)
    factors = dgttrf(-G * a, 1 + G * (np.append(a, 0.0) + np.append(0.0, a)), -G * a)[:-1]
    v, path = 1 / (1 + np.exp(np.clip((x - 5) / np.sqrt(2 * mean), -50, 50))), []

    def react(v: Array) -> Array:
        f = v * (1 - v) * (v - threshold)
        ahead = v + STEP / 2 * f
        return v + STEP / 4 * (f + ahead * (1 - ahead) * (ahead - threshold))

    for k in range(round(END / STEP) + 1):
        if k % EVERY == 0:
            path.append(v)
        v = react(v)
        flow = (1 - 2 * G) * a * np.diff(v)
        v = v + np.append(flow, 0.0) - np.append(0.0, flow)
        v = react(dgttrs(*factors, dgttrs(*factors, v)[0])[0])
    return x, STEP * EVERY * np.arange(len(path)), np.array(path)


def _foremost(x: Array, v: Array) -> Array:
    """How far v > 1/2 reaches (T,)."""
    return (v > 0.5).sum(axis=1) * (x[1] - x[0])


def excited_cable(cell: float = 1.0, junction: float = 0.02, threshold: float = 0.25, t: float = 60.0) -> Any:
    """A front of excitation in a cable of cells: every gap junction resolved, and by HMM.

    Parameters
    ----------
    cell : length of a cell, eps, one of 0.5, 1, 1.5, 2, 3, 4, 6.
    junction : conductivity of a gap junction, that of the cytoplasm being 1, 0.002 to 1.
    threshold : potential beyond which a cell is excited, 0.05 to 0.45.
    t : time of the picture, 0 to 200.

    Left: the potential at t. Right: how far the excitation has come, in time.
    ValueError for a parameter outside its range.
    """
    if cell not in CELLS:
        raise ValueError(f"cell={cell!r} must be one of {CELLS}")
    for name, value, low, high in (
        ("junction", junction, 0.002, 1.0),
        ("threshold", threshold, 0.05, 0.45),
        ("t", t, 0.0, END),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name}={value!r} must lie in [{low}, {high}]")
    asked = round(float(junction), 6), round(float(threshold), 6)
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.7))
    for eps, colour, label in ((float(cell), ORANGE, f"resolved, ε = {cell:g}"), (0.0, BLUE, "HMM, any ε")):
        x, times, v = _front(eps, *asked)
        k, far = int(np.abs(times - t).argmin()), _foremost(x, v)
        left.plot(x, v[k], color=colour, lw=1.3, label=label)
        right.plot(times, far, color=colour, lw=1.3, label=label)
        right.plot(times[k], far[k], "o", color=colour, ms=4)
    D = 1 / (1 - SHARE + SHARE / junction)
    front = 2 * np.log(9) * np.sqrt(2 * D)
    left.set(xlabel="x", ylabel="potential v", xlim=(0, CABLE), ylim=(-0.05, 1.3), title=f"t = {times[k]:g}")
    right.set(xlabel="t", ylabel="place of the front", xlim=(0, END), ylim=(0, CABLE))
    right.set_title(f"A cell is {cell / front:.1f} widths of the front long")
    left.legend(loc="upper right", fontsize=8)
    right.legend(loc="lower right", fontsize=8)
    return figure
