"""Figures of chapter 13, continued: random composites near percolation, and polycrystals."""

from typing import Any

import numpy as np
from scipy.ndimage import label

import hmm_core as hmm
from hmm_core import media
from hmm_course.figures import BLUE, GREEN, ORANGE, Array, Data, canvas, plain
from hmm_course.figures.ch13 import mean_conductivity, show

EDGES, CORNERS = (
    0.592746,
    0.407254,
)  # site percolation on the square lattice: by edges; and by edges or corners, 1 - the first
CROSS, BLOCK = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]), np.ones((3, 3))


# -- percolation --------------------------------------------------------------------------------------------------------------


def spans(tiles: Array, neighbours: Array) -> bool:
    """Whether a path of bright tiles leads from the left side to the right one."""
    clusters, _ = label(tiles, neighbours)
    return bool(np.intersect1d(clusters[:, 0], clusters[:, -1][clusters[:, -1] > 0]).size)


def bounds_of_tiles(p: float, contrast: float, count: int, side: int, per_tile: int = 4) -> tuple[Array, Array]:
    """Certified lower and upper conductivity (count,) of random tiles, phases 1 and ``contrast``, the second with chance p."""
    medium = media.random_checkerboard(1.0, contrast, p, rng=13, period=float(side))
    found = [
        hmm.certify(medium.realisation(k), pixels=side, size=float(side), n=per_tile * side, tol=1e-3)
        for k in range(count)
    ]
    return tuple(mean_conductivity(np.moveaxis([getattr(b, end) for b in found], 0, -1)) for end in ("lower", "upper"))


def percolation_data(count: int = 12, side: int = 16, tries: int = 200) -> Data:
    """How often a path spans a square of tiles; certified bounds against p and against the contrast."""
    p = np.round(np.linspace(0.3, 0.7, 17), 4)
    rng, spanning = np.random.default_rng(13), {}
    for name, neighbours in (("edges", CROSS), ("corners", BLOCK)):
        spanning[name] = np.array(
            [[np.mean([spans(rng.random((s, s)) < q, neighbours) for _ in range(tries)]) for q in p] for s in (16, 64)]
        )
    some, contrasts = p[::2], np.array([1e2, 1e4, 1e6])
    curve = np.array([bounds_of_tiles(q, 1e4, count, side) for q in some])
    ends = np.array([[bounds_of_tiles(q, k, 4, side) for k in contrasts] for q in (0.3, 0.5, 0.7)])
    return {
        "p": p,
        **spanning,
        "some": some,
        "lower": curve[:, 0],
        "upper": curve[:, 1],
        "contrasts": contrasts,
        "ends": np.exp(np.log(ends).mean(axis=-1)),
    }


def threshold(p: Array, chance: Array) -> float:
    """Where the chance to span passes one half, by a straight line between neighbours."""
    k = int(np.argmax(chance > 0.5))
    return float(p[k - 1] + (0.5 - chance[k - 1]) / (chance[k] - chance[k - 1]) * (p[k] - p[k - 1]))


def percolation(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(11.6, 4))
    for name, colour, text in (("edges", BLUE, "across edges"), ("corners", ORANGE, "or over corners")):
        left.plot(data["p"], data[name][0], color=colour, lw=1, ls="--")
        left.plot(data["p"], data[name][1], color=colour, label=text)
    left.set(
        xlabel="share p of good tiles",
        ylabel="chance that a path spans",
        title="Do good tiles connect? Solid: 64² tiles, dashed: 16²",
    )
    for name, colour, mark in (("upper", ORANGE, "v"), ("lower", BLUE, "^")):
        logs = np.log10(data[name])
        middle, error = logs.mean(axis=1), logs.std(axis=1, ddof=1) / np.sqrt(logs.shape[1])
        bars = np.array([10**middle - 10 ** (middle - 2 * error), 10 ** (middle + 2 * error) - 10**middle])
        right.errorbar(
            data["some"], 10**middle, bars, fmt=f"{mark}-", color=colour, ms=5, capsize=3, label=f"{name} bound"
        )
    right.plot(0.5, 1e2, "*", color=GREEN, ms=14, label="$\\sqrt{k_1k_2}$, exact")
    right.set(xlabel="share p of good tiles", ylabel="conductivity", title="Contrast 10⁴", yscale="log")
    for ax in (left, right):
        for p in (CORNERS, EDGES):
            ax.axvline(p, color="0.6", ls=":", lw=1.2)
    left.legend(fontsize=8, loc="upper left")
    right.legend(loc="upper left")
    return plain(figure)


# -- polycrystals -------------------------------------------------------------------------------------------------------------

CRYSTAL = (1.0, 10.0)  # conductivities of a grain along its own axes


def polycrystal_data(count: int = 20, grains: int = 6, sizes: tuple[int, ...] = (36, 72, 144)) -> Data:
    """One polycrystal, coloured by the direction that conducts well; tensors of many, on ever finer grids."""
    medium = media.polycrystal(CRYSTAL, rng=13, tile=1 / grains)
    line = (np.arange(192) + 0.5) / 192 - 0.5
    a = medium.wrapped(1.0)(None, np.array(np.meshgrid(line, line[::-1])))
    cells = [hmm.CellProblem(n=n, tol=1e-4) for n in sizes]
    found = [hmm.effective_ensemble(medium, cell, realisations=count, wrap=True) for cell in cells]
    return {
        "angle": 0.5 * np.arctan2(2 * a[0, 1], a[0, 0] - a[1, 1]),
        "n": np.array(sizes),
        "samples": np.array([ensemble.samples for ensemble in found]),
        "mean": found[-1].mean,
        "interval": found[-1].interval,
    }


def determinants(data: Data) -> Array:
    """det A* of every sample on every grid, (grids, samples)."""
    return np.linalg.det(np.moveaxis(data["samples"], -1, 1))


def polycrystal(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10, 4.1), width_ratios=(1, 1.2))
    image = show(left, np.degrees(data["angle"]), "Grains", cmap="twilight", vmin=-90, vmax=90)
    figure.colorbar(image, ax=left, shrink=0.8, label="good direction, degrees", ticks=[-90, 0, 90])
    for k, colour in ((0, "0.7"), (len(data["n"]) - 1, BLUE)):
        low, high = np.linalg.eigvalsh(np.moveaxis(data["samples"][k], -1, 0)).T
        right.plot(low, high, "o", color=colour, ms=4, label=f"samples of 36 grains, {data['n'][k]}² elements")
    curve = np.linspace(2.2, np.sqrt(10), 50)
    right.plot(curve, 10 / curve, color="0.3", lw=1.3, label="$\\lambda_1\\lambda_2=k_1k_2$")
    right.plot(np.sqrt(10), np.sqrt(10), "*", color=ORANGE, ms=14, label="infinitely many grains")
    right.set(
        xlabel="smaller eigenvalue $\\lambda_1$",
        ylabel="larger eigenvalue $\\lambda_2$",
        title="Their tensors",
        ylim=(2.6, 4.8),
    )
    right.legend(loc="lower left", fontsize=8)
    return figure


def square_crystal(C11: float, C12: float, C66: float, angle: float) -> Array:
    """The stiffness (2, 2, 2, 2) of a crystal of square symmetry, turned by an angle."""
    c, s = np.cos(angle), np.sin(angle)
    R = np.array([[c, -s], [s, c]])
    own = media.from_voigt([[C11, C12, 0], [C12, C11, 0], [0, 0, C66]])
    return np.einsum("ia,jb,kc,ld,abcd->ijkl", R, R, R, R, own)


def elastic_grains(pixels: int = 64, side: int = 8) -> tuple[Any, list[Array], Array]:
    """A picture of elastic grains (K = 2, shear moduli 1 and 2.5), their stiffnesses, and their shares of the area."""
    line = (np.arange(pixels) + 0.5) / pixels - 0.5
    grain = media.polycrystal(CRYSTAL, rng=13, tile=1 / side, period=1.0).grain(np.array(np.meshgrid(line, line[::-1])))
    names, labels = np.unique(grain[0] * side + grain[1], return_inverse=True)
    angles = np.random.default_rng(13).uniform(0, np.pi / 2, len(names))
    stiffnesses = [square_crystal(3.0, 1.0, 2.5, angle) for angle in angles]
    shares = np.bincount(labels.ravel()) / labels.size
    return media.from_image(labels.reshape(pixels, pixels), stiffnesses), stiffnesses, shares
