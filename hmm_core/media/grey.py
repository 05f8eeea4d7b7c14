r"""Grey pictures as media of two phases whose interfaces run between the pixels.

A threshold turns a grey picture into squares. But where a camera or a tomograph has blurred the edge of a grain over a pixel or
two, the grey levels tell where in the pixel it lies: the picture is a smooth function, sampled, and the interface its level set.
Cells with interface="laminate" use that (``micro.interface``). Noise moves the interface, by its size over the slope of the edge.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.checks import require
from hmm_core.media.functions import level_set
from hmm_core.media.images import Array, along_axes, pixels_of, spacing_of


@dataclass(frozen=True, eq=False)
class GreyLevel:
    """level(x, y): the grey level at y less the one where phases meet, by a periodic cubic spline through the pixels.

    spline   (N_1, ..., N_d)  its coefficients, axes along y_1, ..., y_d
    """

    spline: Array = field(repr=False)
    level: float
    spacing: float

    def __call__(self, x: Array | None, y: Array) -> Array:
        from scipy.ndimage import map_coordinates

        places = [
            np.mod(np.asarray(y_k) / self.spacing + count / 2 - 0.5, count)
            for y_k, count in zip(y, self.spline.shape, strict=True)
        ]
        places = np.array(np.broadcast_arrays(*places))
        return map_coordinates(self.spline, places, order=3, mode="grid-wrap", prefilter=False) - self.level


def from_grey(
    image: ArrayLike | str | Path,
    level: float,
    dark: float = 1.0,
    bright: float = 1.0,
    spacing: float | None = None,
) -> level_set:
    """Two phases that meet where a grey picture passes ``level``: ``dark`` below it, ``bright`` above, continued periodically.

    Parameters
    ----------
    image, spacing : as for ``from_image``.
    level : a grey level that the picture passes: between its darkest and its brightest pixel.
    dark, bright : positive numbers, or functions of x.

    Raises
    ------
    ValueError
        As ``from_image`` does; no edge has this level.
    """
    from scipy.ndimage import spline_filter

    pixels = pixels_of(image)
    side = spacing_of(spacing, pixels.shape)
    grey = along_axes(pixels).astype(float)
    low, high = float(grey.min()), float(grey.max())
    require(
        np.ndim(level) == 0 and low < level < high,
        "level",
        level,
        f"must lie between {low:g} and {high:g}, the grey levels",
    )
    spline = spline_filter(grey, order=3, mode="grid-wrap")
    spline.flags.writeable = False
    return level_set(GreyLevel(spline, float(level), side), dark, bright)
