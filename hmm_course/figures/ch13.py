"""Figures of chapter 13: a grey picture, its phases, its tensor, bounds of it, and how sure of it one may be."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import skfem
from scipy.ndimage import gaussian_filter
from scipy.special import stdtrit

import hmm_core as hmm
from hmm_core import exact, media
from hmm_course.figures import BLUE, GREEN, ORANGE, Array, Data, canvas, plain, rate_plot

DATA = Path(__file__).parents[1] / "data"
POOR, GOOD = 1.0, 10.0  # conductivities of the dark and of the bright phase
LEVEL = 127.5  # halfway between the two peaks of the alloy's histogram
ALLOY = 8  # pixels to the correlation length of the field that the alloy was cut from
PHASES = {False: POOR, True: GOOD}


def micrograph(name: str) -> Array:
    """The grey levels of "alloy", "fibres" or "graded", [row, column]."""
    pixels = imageio.v3.imread(DATA / f"{name}.png")
    return pixels.astype(np.uint8) * (255 if pixels.dtype == bool else 1)


def phases(bright: Array, spacing: float | None = None) -> Any:
    """The medium of a picture of True (GOOD) and False (POOR)."""
    return media.from_image(bright, PHASES, spacing)


def mean_conductivity(tensors: Array) -> Array:
    """trace/d of tensors (d, d, ...)."""
    return np.einsum("ii...->...", tensors) / len(tensors)


def show(ax: Any, picture: Array, title: str, **style: Any) -> Any:
    """A picture as it is seen."""
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)
    return ax.imshow(picture, **({"cmap": "gray", "interpolation": "nearest"} | style))


# -- from grey levels to phases --------------------------------------------------------------------------------------------


def radial(correlation: Array, reach: int) -> Array:
    """The mean of an even function of shifts (N, N) over directions, for distances of 0, 1, ... pixels."""
    shift = np.minimum(np.arange(len(correlation)), len(correlation) - np.arange(len(correlation)))
    ring = np.rint(np.hypot(shift[:, None], shift)).astype(int).ravel()
    return (np.bincount(ring, correlation.ravel()) / np.bincount(ring))[: reach + 1]


def picture_data() -> Data:
    """The alloy, its histogram, and the two-point correlation of its bright phase beside that of the infinite medium."""
    grey = micrograph("alloy")
    reach = 48
    return {
        "grey": grey,
        "counts": np.bincount(grey.ravel(), minlength=256),
        "r": np.arange(reach + 1) / ALLOY,
        "two_point": radial(phases(grey > LEVEL).two_point(True), reach),
        "arcsine": _arcsine(reach),
    }


def _arcsine(reach: int) -> Array:
    """1/4 + arcsin(rho(r)) / 2 pi: the chance that a Gaussian field is above its median in two places, rho its correlation."""
    field = media.gaussian_phases(POOR, GOOD, length=1.0, rng=0)
    lag = np.arange(reach + 1) / ALLOY
    angle = np.arange(8) * np.pi / 16
    rho = field.covariance(lag * np.array([np.cos(angle), np.sin(angle)])[:, :, None]).mean(axis=0)
    return 0.25 + np.arcsin(np.clip(rho, -1, 1)) / (2 * np.pi)


def picture(data: Data) -> Any:
    figure, axes = canvas(1, 4, figsize=(13, 3.3), width_ratios=(1, 1.15, 1, 1.25))
    first, second, third, fourth = axes
    show(first, data["grey"], "What the microscope saw", vmin=0, vmax=255)
    second.fill_between(np.arange(256), data["counts"], color="0.6", step="mid")
    second.axvline(LEVEL, color=ORANGE, ls="--", label="threshold")
    second.set(
        xlabel="grey level",
        ylabel="pixels",
        title="Its histogram",
        xlim=(40, 215),
        ylim=(0, 1.25 * data["counts"].max()),
    )
    second.legend(loc="upper right")
    show(third, data["grey"] > LEVEL, "Two phases")
    fourth.plot(data["r"], data["two_point"], "o", color=BLUE, ms=3, label="measured")
    fourth.plot(data["r"], data["arcsine"], color="0.3", lw=1.2, label="infinite medium")
    fourth.axhline(0.25, color="0.6", ls=":", lw=1)
    fourth.set(
        xlabel="distance r, in lengths ℓ",
        ylabel="chance S(r): both ends bright",
        title="Two-point correlation",
        ylim=(0.15, 0.52),
    )
    fourth.legend()
    return figure


# -- bounds -----------------------------------------------------------------------------------------------------------------


def bounds_data(sizes: tuple[int, ...] = (4, 8, 16, 32, 64, 128)) -> Data:
    """Intervals for the alloy by what they know; the certified interval of the checkerboard against the grid."""
    medium = phases(micrograph("alloy") > LEVEL)
    share = medium.fractions[True]
    rows = [exact.wiener_bounds([POOR, GOOD], [1 - share, share]), exact.hashin_shtrikman_bounds(POOR, GOOD, share)]
    for n in (256, 512):
        found = hmm.certify(medium, n=n)
        rows.append((found.lower[0, 0], found.upper[0, 0]))
    board = [hmm.certify(media.checkerboard(POOR, GOOD), pixels=2, n=n) for n in sizes]
    return {
        "intervals": np.array(rows, dtype=float),
        "n": np.array(sizes),
        "lower": np.array([b.lower[0, 0] for b in board]),
        "upper": np.array([b.upper[0, 0] for b in board]),
        "gap": np.array([b.gap for b in board]),
    }


KNOWN = (
    "volume fractions\n(Wiener)",
    "… and isotropy\n(Hashin–Shtrikman)",
    "every pixel,\n256² elements",
    "every pixel,\n512² elements",
)


def bounds(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(13, 3.6), width_ratios=(1.5, 1, 1))
    for k, (low, high) in enumerate(data["intervals"]):
        left.plot((low, high), (-k, -k), color=BLUE if k > 1 else "0.5", lw=7, solid_capstyle="butt")
        left.plot((low, high), (-k, -k), "|", color="k", ms=14)
    left.set_yticks([-0.0, -1, -2, -3], KNOWN)
    left.set(xlabel="conductivity", title="The alloy: what do you know?", ylim=(-3.6, 0.6), xlim=(1, 6))
    middle.fill_between(data["n"], data["lower"], data["upper"], color=BLUE, alpha=0.25, label="certified")
    middle.plot(data["n"], data["upper"], "v", color=BLUE, ms=5)
    middle.plot(data["n"], data["lower"], "^", color=BLUE, ms=5)
    middle.axhline(np.sqrt(POOR * GOOD), color=ORANGE, ls="--", label="$\\sqrt{k_1k_2}$")
    middle.set(xlabel="elements n", ylabel="conductivity", title="A checkerboard", xscale="log")
    middle.legend()
    rate_plot(right, data["n"], data["gap"], "gap", -round(corner_rate(GOOD / POOR), 2), color=BLUE)
    right.set(xlabel="elements n", ylabel="(upper − lower) / upper", title="The interval shrinks")
    for ax in (middle, right):
        ax.set_xticks(data["n"][::2], data["n"][::2])
        ax.set_xticks([], minor=True)
    return plain(figure)


def corner_rate(contrast: float) -> float:
    """2s, where r^s is how the potential grows from a corner of a checkerboard: energies of Q1 converge like n^(-2s)."""
    return float(8 / np.pi * np.arctan(contrast**-0.5))


# -- a pixel is not a circle -------------------------------------------------------------------------------------------------

FRACTION = 0.3  # of the disk


@lru_cache(maxsize=64)
def blurred_disk(n: int, over: int = 4) -> Array:
    """A bright disk as a camera of n x n pixels sees it: its share of every pixel, blurred by one pixel."""
    line = (np.arange(n * over) + 0.5) / (n * over) - 0.5
    sharp = (line[:, None] ** 2 + line**2 < FRACTION / np.pi).astype(float)
    return gaussian_filter(sharp.reshape(n, over, n, over).mean(axis=(1, 3)), 1.0, mode="wrap")


def disk_data(sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512), smooth: int = 4) -> Data:
    """Relative error of the tensor of a disk: thresholded, from its grey levels (the first sizes), from its equation.

    Errors change their signs between neighbouring grids, so each is the worst of n, n + 2 and n + 4 elements.
    """
    closed, disk = exact.cylinders(FRACTION, GOOD), media.inclusion(GOOD, fraction=FRACTION)

    def worst(n: int, interface: str, medium: Any) -> float:
        cells = [hmm.CellProblem(n=k, tol=1e-6, interface=interface) for k in (n, n + 2, n + 4)]
        return max(abs(cell.effective_tensor(medium(cell.n))[0, 0] / closed - 1) for cell in cells)

    few = sizes[:smooth]
    return {
        "n": np.array(sizes),
        "few": np.array(few),
        "threshold": np.array([worst(n, "sharp", lambda k: phases(blurred_disk(k) > 0.5)) for n in sizes]),
        "grey": np.array(
            [worst(n, "laminate", lambda k: media.from_grey(blurred_disk(k), 0.5, POOR, GOOD)) for n in few]
        ),
        "equation": np.array([worst(n, "laminate", lambda k: disk) for n in few]),
        "shown": blurred_disk(24),
    }


def disk(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(12.4, 3.7), width_ratios=(1, 1, 1.7))
    show(axes[0], data["shown"], "24² grey pixels")
    show(axes[1], data["shown"] > 0.5, "thresholded")
    angle = np.linspace(0, 2 * np.pi, 200)
    for ax in axes[:2]:
        radius = 24 * np.sqrt(FRACTION / np.pi)
        ax.plot(11.5 + radius * np.cos(angle), 11.5 + radius * np.sin(angle), color=ORANGE, lw=1.5)
    right = axes[2]
    rate_plot(right, data["n"], data["threshold"], "threshold, pixels", color=ORANGE)
    rate_plot(right, data["few"], data["grey"], "grey levels, layers", color=BLUE)
    rate_plot(right, data["few"], data["equation"], "equation, layers", color=GREEN)
    right.set(xlabel="pixels per side = elements n", ylabel="relative error of $A_{11}$", ylim=(5e-5, 0.1))
    right.set_title("A pixel is not a circle")
    right.set_xticks([16, 64, 256], [16, 64, 256])
    right.set_xticks([], minor=True)
    return plain(figure)


# -- how much of the picture is enough ---------------------------------------------------------------------------------------


def window_tensors(picture: media.ImageMedium, count: int, tol: float = 1e-4) -> Array:
    """Tensors (2, 2, count^2) of the windows of a picture that is one period, each continued periodically."""
    cell = hmm.CellProblem(n=len(picture.phases), size=1 / count, tol=tol)
    return np.stack([cell.effective_tensor(window) for window in picture.windows(count)], axis=-1)


def half_width(samples: Array, confidence: float = 0.95) -> float:
    """Half the confidence interval of the mean of independent samples, by Student's t."""
    count = len(samples)
    return float(stdtrit(count - 1, (1 + confidence) / 2) * np.std(samples, ddof=1) / np.sqrt(count))


@lru_cache(maxsize=1)
def _other_pictures(number: int, pixels: int, count: int) -> tuple[Array, ...]:
    """Of other pictures of the same alloy: conductivity, error bar by windows, and by counting pixels as samples."""
    line = (np.arange(pixels) + 0.5 - pixels / 2) / ALLOY
    y = np.array(np.meshgrid(line, line)).reshape(2, -1)
    whole, windows, naive = np.empty((3, number))
    first = media.gaussian_phases(POOR, GOOD, length=1.0, rng=1)
    for k in range(number):
        bright = (first.realisation(k)(None, y) > 5).reshape(pixels, pixels)
        picture = phases(bright)
        whole[k] = mean_conductivity(window_tensors(picture, 1))[0]
        windows[k] = half_width(mean_conductivity(window_tensors(picture, count)))
        naive[k] = half_width(np.where(bright, GOOD, POOR).ravel())
    return whole, windows, naive


def windows_data(number: int = 60, pixels: int = 128, count: int = 4) -> Data:
    """Conductivity of the windows of the alloy, of three sizes; sixty smaller pictures and their error bars."""
    alloy = phases(micrograph("alloy") > LEVEL)
    whole, windows, naive = _other_pictures(number, pixels, count)
    found = {f"window_{w}": mean_conductivity(window_tensors(alloy, 256 // w)) for w in (16, 32, 64)}
    return found | {"whole": whole, "by_windows": windows, "by_pixels": naive}


def windows(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(12, 3.8), width_ratios=(1, 1.7))
    truth = np.sqrt(POOR * GOOD)
    for k, side in enumerate((16, 32, 64)):
        values = data[f"window_{side}"]
        spread = np.linspace(-0.28, 0.28, len(values)) if len(values) > 1 else [0]
        left.plot(k + np.array(spread), np.sort(values), ".", color=BLUE, ms=4)
        left.errorbar(k, values.mean(), half_width(values), fmt="o", color=ORANGE, capsize=4, zorder=3)
    left.axhline(truth, color="0.3", ls="--", lw=1)
    left.set_xticks(range(3), [f"{w}² pixels\n({w // ALLOY}ℓ)² × {(256 // w) ** 2}" for w in (16, 32, 64)])
    left.set(ylabel="conductivity of a window", title="Windows of the alloy, and their mean", ylim=(0, 10.5))
    place = np.arange(len(data["whole"]))
    for name, colour, shift, label in (
        ("by_windows", BLUE, 0, "sixteen windows"),
        ("by_pixels", ORANGE, 0.3, "16,384 pixels"),
    ):
        inside = np.abs(data["whole"] - truth) < data[name]
        right.errorbar(
            place + shift,
            data["whole"],
            data[name],
            fmt="none",
            ecolor=colour,
            lw=1.6,
            label=f"error bar by {label}: {100 * inside.mean():.0f} % hold the truth",
        )
    right.axhline(truth, color="0.3", ls="--", lw=1)
    right.set(xlabel="picture", ylabel="conductivity", title="Sixty pictures of the same alloy", ylim=(1.7, 6))
    right.legend(loc="upper left")
    return figure


# -- a picture without a representative window -------------------------------------------------------------------------------

LENGTHS = 40  # correlation lengths along the side of "graded": 6.4 pixels each
ENDS = {"left": lambda x: x[0] == -0.5, "right": lambda x: x[0] == 0.5}


def _plate(m: int) -> skfem.CellBasis:
    line = np.linspace(-0.5, 0.5, m + 1)
    return hmm.macro_basis(skfem.MeshQuad.init_tensor(line, line).with_boundaries(ENDS), skfem.ElementQuad1())


def _conducts(m: int, closure: Any) -> hmm.Solution:
    """Temperature 1 on the left of the picture, 0 on its right, on m x m elements."""
    return hmm.solve_elliptic(_plate(m), closure, 0.0, {"left": 1.0, "right": 0.0})


def _profile(solution: hmm.Solution, x1: Array) -> Array:
    """Temperature against x1, averaged over x2."""
    x2 = (np.arange(128) + 0.5) / 128 - 0.5
    points = np.array(np.meshgrid(x1, x2, indexing="ij")).reshape(2, -1)
    return solution.at(points).reshape(len(x1), -1).mean(axis=1)


def graded_data(m: int = 4, size: float = 3.0) -> Data:
    """A graded picture: resolved pixel by pixel, by HMM with windows cut from it, with one tensor for all of it."""
    bright = micrograph("graded") > 127
    medium, eps = phases(bright, LENGTHS / len(bright)), 1 / LENGTHS
    x1 = np.linspace(-0.5, 0.5, 65)
    resolved = _conducts(len(bright), hmm.ExactClosure(lambda x: medium(None, x / eps)))
    cell = hmm.CellProblem(n=8, size=size, tol=1e-3)
    asked = _conducts(
        m, hmm.CellClosure(lambda x, y: medium(x, y), cell, eps)
    )  # a picture would warn of seams, meant here
    basis = asked.basis
    return {
        "picture": bright,
        "x1": x1,
        "resolved": _profile(resolved, x1),
        "hmm": _profile(asked, x1),
        "share": bright.mean(axis=0),
        "points": np.asarray(basis.global_coordinates()).reshape(2, -1),
        "size": np.array(size * eps),
        "seen": np.array(asked.micro_solves * (size * eps) ** 2),
    }


def graded(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10.4, 4.1), width_ratios=(1, 1.25))
    show(left, data["picture"], "Windows that HMM looks at", extent=(-0.5, 0.5, -0.5, 0.5))
    half = float(data["size"]) / 2
    for a, b in data["points"].T:
        square = np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]]) * half
        left.plot(a + square[0], b + square[1], color=ORANGE, lw=1.4)
    left.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))
    right.plot(data["x1"], data["resolved"], color="0.3", lw=2.4, label="every pixel resolved")
    right.plot(data["x1"], data["hmm"], color=ORANGE, label="HMM, windows on the left")
    right.plot(data["x1"], 0.5 - data["x1"], color=BLUE, ls="--", lw=1.3, label="one tensor for the picture")
    right.set(xlabel="$x_1$", ylabel="temperature, averaged over $x_2$", title="From hot to cold")
    right.legend()
    return figure
