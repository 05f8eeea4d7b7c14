"""The pictures of microstructures that chapter 13 reads: python tools/micrographs.py writes hmm_course/data/*.png.

They are generated, not photographed: each is a medium of ``hmm_core.media``, seen through a camera that blurs, adds noise and
counts to 255. So the truth behind them is known, which of a photograph it never is.

    alloy   256 x 256 pixels, 8 to the correlation length of a Gaussian field, cut at its median: two phases, half and half, from
            an infinite medium (the picture does not close periodically); dark 70, bright 185, blur 1 pixel, noise 4 levels
    fibres  192 x 192 pixels: one fibre in every cell of 16 x 16, at random inside it, 35 % of the area; fibres are *dark*, 60,
            resin bright, 150; the picture closes periodically
    graded  256 x 256 pixels, black or white, 6.4 to the correlation length; white grows from 15 % on the left to 85 %
"""

import sys
from pathlib import Path

import numpy as np
from files import whole
from PIL import Image
from scipy.ndimage import gaussian_filter

from hmm_core import media

Array = np.ndarray
DATA = Path(__file__).parents[1] / "hmm_course" / "data"
MARGIN, OVER = 5, 3  # pixels seen beyond the frame, for the blur; points along the side of a pixel


def seen(medium: media.Medium, pixels: int, size: float) -> Array:
    """Share of the brighter phase, of value 1 beside 0.5, in the pixels of a square of ``size`` periods, as it is seen."""
    side = size / pixels
    line = side / OVER * (np.arange((pixels + 2 * MARGIN) * OVER) + 0.5) - size / 2 - MARGIN * side
    y = np.array(np.meshgrid(line, line[::-1])).reshape(2, -1)
    field = medium(y / size + 0.5, y) > 0.75
    return field.reshape(len(line) // OVER, OVER, -1, OVER).mean(axis=(1, 3))


def camera(share: Array, dark: float, bright: float, noise: float, seed: int) -> Array:
    """Blurred by one pixel, framed, with noise, in 256 grey levels."""
    grey = dark + (bright - dark) * gaussian_filter(share, 1.0)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    grey += noise * np.random.default_rng(seed).standard_normal(grey.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def pictures() -> dict[str, Array]:
    """All of them, by name."""
    alloy = media.gaussian_phases(0.5, 1.0, length=1.0, rng=13)
    fibres = media.random_disks(0.5, 1.0, fraction=0.35, rng=5, period=12.0)
    graded = media.gaussian_phases(0.5, 1.0, lambda x: 0.15 + 0.7 * np.clip(x[0], 0, 1), length=1.0, rng=3)
    inside = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return {
        "alloy": camera(seen(alloy, 256, 32.0), 70, 185, 4, seed=1),
        "fibres": camera(seen(fibres, 192, 12.0), 60, 150, 4, seed=2),
        "graded": np.where(seen(graded, 256, 40.0)[inside] > 0.5, 255, 0).astype(np.uint8),
    }


def main() -> None:
    DATA.mkdir(exist_ok=True)
    for name, pixels in pictures().items():
        with whole(DATA / f"{name}.png") as draft:
            Image.fromarray(pixels if name != "graded" else pixels > 0).save(draft, "png", optimize=True)
        print("wrote", name)


if __name__ == "__main__":
    sys.exit(main())
