"""Demo of chapter 13: a threshold, and what becomes of the tensor and its bounds."""

from functools import lru_cache
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_core import exact, media
from hmm_course.figures import BLUE, ORANGE, Array, canvas
from hmm_course.figures.ch13 import LEVEL, mean_conductivity, micrograph, show

LEVELS = np.arange(80, 181, 10)  # grey levels at which the curve is computed
SIDE = 128  # pixels of the corner of the alloy that is shown


@lru_cache(maxsize=16)
def _curve(contrast: float) -> tuple[Array, Array]:
    """Bright fraction and conductivity for all LEVELS."""
    grey, cell = micrograph("alloy")[:SIDE, :SIDE], hmm.CellProblem(n=SIDE, tol=1e-2)
    tensors = [cell.effective_tensor(media.from_image(grey > level, {False: 1.0, True: contrast})) for level in LEVELS]
    return np.array([(grey > level).mean() for level in LEVELS]), mean_conductivity(np.moveaxis(tensors, 0, -1))


@lru_cache(maxsize=256)
def _certified(level: float, contrast: float) -> tuple[float, float]:
    grey = micrograph("alloy")[:SIDE, :SIDE]
    found = hmm.certify(media.from_image(grey > level, {False: 1.0, True: contrast}), tol=1e-3)
    return tuple(float(mean_conductivity(end)) for end in (found.lower, found.upper))


def threshold_slider(level: float = LEVEL, contrast: float = 10.0) -> Any:
    """A threshold turns a grey picture into two phases, and two phases into a tensor with bounds.

    Parameters
    ----------
    level : grey level above which a pixel is bright, 80 to 175.
    contrast : conductivity of the bright phase, the dark one's being 1, more than 1 and at most 1000.

    Left: a corner of the alloy, and what the threshold makes of it. Right: its conductivity against the threshold, between the
    bounds of Wiener and of Hashin and Shtrikman; the certified interval at this level is in the title.
    ValueError for a parameter outside its range.
    """
    for name, value, low, high in (("level", level, 80, 175), ("contrast", contrast, 1.001, 1000)):
        if not low <= value <= high:
            raise ValueError(f"{name}={value!r} must lie in [{low}, {high}]")
    grey = micrograph("alloy")[:SIDE, :SIDE]
    share, conductivity = _curve(float(contrast))
    low, high = _certified(float(level), float(contrast))
    figure, (left, middle, right) = canvas(1, 3, figsize=(11.6, 3.9), width_ratios=(1, 1, 1.5))
    show(left, grey, "Grey levels", vmin=0, vmax=255)
    show(middle, grey > level, f"bright: {100 * (grey > level).mean():.0f} %")
    wiener = np.array([exact.wiener_bounds([1, contrast], [1 - f, f]) for f in share]).T
    right.fill_between(LEVELS, *wiener, color="0.9", label="Wiener")
    hashin = exact.hashin_shtrikman_bounds(1.0, contrast, share)
    right.fill_between(LEVELS, *hashin, color=BLUE, alpha=0.25, label="Hashin–Shtrikman")
    right.plot(LEVELS, conductivity, color=BLUE, label="this picture")
    middle_of = (low + high) / 2
    right.errorbar(
        level, middle_of, high - middle_of, fmt="none", color=ORANGE, lw=3, capsize=7, capthick=2, label="certified"
    )
    right.set(
        xlabel="threshold",
        ylabel="conductivity",
        yscale="log",
        ylim=(0.8 * wiener.min(), 1.6 * wiener.max()),
        xlim=(80, 175),
    )
    ticks = [
        t for t in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if right.get_ylim()[0] <= t <= right.get_ylim()[1]
    ]
    right.set_yticks(ticks, ticks)
    right.set_yticks([], minor=True)
    right.set_title(f"certified: {low:.2f} to {high:.2f}")
    right.legend(loc="upper right", ncols=2, fontsize=8)
    return figure
