"""Demo of chapter 12: fibres in resin, pulled in any direction."""

from functools import lru_cache
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_core import exact, media
from hmm_course.figures import BLUE, ORANGE, Array, canvas
from hmm_course.figures.ch12 import ANGLES, fibres, fields, phases, pull, young

CONTRASTS = (2.0, 5.0, 20.0, 100.0)
N = 32


@lru_cache(maxsize=64)
def _cell(fraction: float, contrast: float) -> tuple[Array, Array, Array, Array, Array]:
    """The stiffness; the stress of every unit strain on the elements (2, 2, 2, 2, N, N); where the glass is; both means."""
    cell, medium = hmm.CellProblem(n=N), fibres(fraction, contrast)
    stress = fields(cell, medium)[0].reshape(2, 2, 2, 2, 4, N, N).mean(axis=4)
    y = cell.grid.centres[:, None]
    glass = np.broadcast_to(medium(0 * y, y), (2,) * 4 + (1, N * N))[0, 1, 0, 1, 0].reshape(N, N)
    bounds = exact.voigt_reuss_bounds(phases(contrast), (fraction, 1 - fraction))
    return cell.effective_tensor(medium), stress, glass > glass.min(), *(young(C) for C in bounds)


def pulled_fibres(fraction: float = 0.4, contrast: float = 20.0, angle: float = 0.0) -> Any:
    """A square array of fibres, pulled in one direction.

    Parameters
    ----------
    fraction : share of the fibres, 0.05 to 0.7.
    contrast : Young's modulus of the fibres over that of the resin, 2, 5, 20 or 100.
    angle : direction of the pull against the rows of fibres, in degrees, 0 to 90.

    Left: the stress along the pull, over its mean, in four periods. Right: the stiffness in every direction, between the two
    means; the dot is the pull. ValueError for a parameter outside its range.
    """
    for name, value, low, high in (("fraction", fraction, 0.05, 0.7), ("angle", angle, 0, 90)):
        if not low <= value <= high:
            raise ValueError(f"{name}={value!r} must lie in [{low}, {high}]")
    if contrast not in CONTRASTS:
        raise ValueError(f"contrast={contrast!r} must be one of {CONTRASTS}")
    C, stress, glass, reuss, voigt = _cell(round(float(fraction), 6), float(contrast))
    theta = np.radians(angle)
    t = np.array([np.cos(theta), np.sin(theta)])
    e11, e22, shear = np.linalg.solve(media.mandel(C), pull(theta))
    strain = np.array([[e11, shear / np.sqrt(2)], [shear / np.sqrt(2), e22]])
    along = np.einsum("ij,ijklpq,k,l->pq", strain, stress, t, t)
    figure, (left, right) = canvas(1, 2, figsize=(9.4, 4.2))
    image = left.imshow(
        np.tile(along, (2, 2)).T, origin="lower", extent=(-0.5, 1.5, -0.5, 1.5), cmap="viridis", vmin=0, vmax=3
    )
    figure.colorbar(image, ax=left, shrink=0.8, extend="both", label="stress along the pull, over its mean")
    edge = (np.arange(2 * N) + 0.5) / N - 0.5
    left.contour(edge, edge, np.tile(glass, (2, 2)).T, levels=[0.5], colors="white", linewidths=1)
    for sign in (1, -1):
        left.annotate(
            "", 0.5 + 0.8 * sign * t, 0.5 + 0.3 * sign * t, arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 2}
        )
    left.set(
        xlabel="$y_1$", ylabel="$y_2$", xticks=(0, 1), yticks=(0, 1), title=f"largest: {along.max():.1f} times the mean"
    )
    left.grid(False)
    for E, colour, style, label in (
        (voigt, "0.55", "--", "mean of the stiffnesses"),
        (young(C), BLUE, "-", "fibres"),
        (reuss, "0.55", ":", "mean of the compliances"),
    ):
        right.plot(E * np.cos(ANGLES), E * np.sin(ANGLES), color=colour, ls=style, label=label)
    here = young(C, theta)
    right.plot(*(here * t), "o", color=ORANGE)
    reach = 1.1 * min(voigt.max(), 3.5 * young(C).max())
    right.set(xlim=(-reach, reach), ylim=(-reach, 1.6 * reach), xlabel="E cos θ", ylabel="E sin θ", aspect="equal")
    right.set_title(f"E({angle:g}°) = {here:.2f}, resin = 1")
    right.legend(loc="upper center", fontsize=8)
    return figure
