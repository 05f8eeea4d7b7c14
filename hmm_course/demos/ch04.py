"""Demos of chapter 04: a cell under load, and the cells along a graded composite."""

from functools import lru_cache
from typing import Any

import numpy as np

from hmm_core import exact, media
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.sample import MediumLike
from hmm_course.figures import AMBER, ORANGE, SKY, Array, canvas
from hmm_course.figures.ch04 import CELL, FRACTION, micro_fields

PLAIN = {"cmap": "viridis", "extent": CELL, "origin": "lower"}
MEDIA = ("disk", "square", "oblique layers", "checkerboard", "Hou–Wu type")


def cell_under_load(medium: str = "oblique layers", contrast: float = 10.0, angle: float = 20.0) -> Any:
    """Corrector w . G and flux a(G + grad w) in one period, for a mean gradient G at ``angle`` degrees to y_1.

    The thick orange arrow is G, the thin blue one the averaged flux sigma = A G.

    ``medium`` is one of ``MEDIA``, ``contrast`` (1 to 1000) the ratio of its phases: the disk's or the square's to
    the matrix's, or that of the largest to the smallest value of the sines in the Hou-Wu type medium.
    """
    _between("contrast", contrast, 1.0, 1000.0)
    _between("angle", angle, -360.0, 360.0)
    fields = micro_fields(_medium(medium, contrast), CellProblem(dim=2, n=32, tol=1e-4))
    G = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    w, flux = np.tensordot(G, fields["w"], 1), np.tensordot(G, fields["flux"], 1)
    A = fields["tensor"].round(6) + 0.0  # no -0.0000 in a title
    sigma = (A @ G).round(6) + 0.0
    figure, axes = canvas(1, 3, figsize=(9.6, 3.5), layout="none")
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.13, top=0.86, wspace=0.18)
    axes[0].imshow(fields["a"].T, **PLAIN)
    axes[0].set_title(f"$a$, between {fields['a'].min():.3g} and {fields['a'].max():.3g}")
    limit = max(np.abs(w).max(), 1e-12)
    axes[1].imshow(w.T, **PLAIN | {"cmap": "RdBu_r"}, vmin=-limit, vmax=limit)
    axes[1].set_title(f"$w\\cdot G$, at most {limit:.3f}" if limit > 1e-9 else "$w\\cdot G$ = 0")
    _flux(axes[2], flux)
    axes[2].set_title(f"flux, $\\sigma$ = ({sigma[0]:.3f}, {sigma[1]:.3f})")
    for direction, color, width in ((G, AMBER, 5), (sigma / np.linalg.norm(sigma), SKY, 2.5)):
        arrow = {"arrowstyle": "-|>", "mutation_scale": 8 + 3 * width, "lw": width, "color": color}
        axes[2].annotate("", 0.3 * direction, -0.3 * direction, arrowprops=arrow)
    figure.suptitle(
        f"$A_{{11}}$ = {A[0, 0]:.4f},  $A_{{12}}$ = {A[0, 1]:.4f},  $A_{{22}}$ = {A[1, 1]:.4f}", fontsize=11, y=0.99
    )
    return _plain(figure, axes)


def graded_cell(x1: float = 0.5, contrast: float = 10.0) -> Any:
    """The cell at macro point x_1 of the graded disks, its flux under e_1, and A_11 along the whole composite."""
    _between("x1", x1, 0.0, 1.0)
    _between("contrast", contrast, 1.0, 1000.0)
    fields = micro_fields(
        media.inclusion(float(contrast), fraction=FRACTION), CellProblem(dim=2, n=32, tol=1e-4), np.array([[x1], [0.5]])
    )
    path, A11, bounds = _along(float(contrast))
    figure, axes = canvas(1, 3, figsize=(9.6, 3.3), width_ratios=(1, 1, 1.35), layout="none")
    figure.subplots_adjust(left=0.065, right=0.98, bottom=0.15, top=0.9, wspace=0.22)
    axes[0].imshow(fields["a"].T, **PLAIN, vmin=1.0, vmax=max(contrast, 1.001))
    axes[0].set_title(f"$a(x, y)$ at $x_1$ = {x1:.2f}")
    _flux(axes[1], fields["flux"][0])
    axes[1].set_title("flux $a\\,(e_1 + \\nabla w_1)$")
    right = axes[2]
    right.fill_between(path, *bounds, color="0.87", label="Hashin–Shtrikman bounds")
    right.plot(path, A11, label="$A_{11}(x_1)$")
    right.plot(x1, fields["tensor"][0, 0], "o", ms=9, color=ORANGE, label=f"here {fields['tensor'][0, 0]:.3f}")
    right.set(xlabel="$x_1$", ylim=(0.9, 1.3 * A11.max()))
    right.legend(loc="upper left")
    _plain(figure, axes[:2])
    return figure


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}={value!r} must lie between {low:g} and {high:g}")


def _medium(name: str, contrast: float) -> MediumLike:
    if name == "disk":
        return media.inclusion(contrast, fraction=0.3)
    if name == "square":
        return media.inclusion(contrast, radius=0.25, shape="square")
    if name == "oblique layers":
        return media.laminate((contrast, 1.0), wave=(1.0, 2.0))
    if name == "checkerboard":
        return media.checkerboard(contrast, 1.0)
    if name == "Hou–Wu type":
        p = 2 * (contrast - 1) / (contrast + 1)  # (2 + p)/(2 - p) = contrast
        s, c, inverse = media.Sine(2, p), media.cosine(2, p, -1), media.Sine(2, p, power=-1)
        return media.products(((s, c), (inverse, media.Sine(2, 1))))
    raise ValueError(f"medium={name!r} is not one of {', '.join(MEDIA)}")


@lru_cache(maxsize=32)
def _along(contrast: float, points: int = 26) -> tuple[Array, Array, Array]:
    """x_1, A_11 there, and the Hashin-Shtrikman bounds."""
    x = np.array([np.linspace(0, 1, points), np.full(points, 0.5)])
    A = CellProblem(dim=2, n=32, tol=1e-4).effective_tensor(media.inclusion(contrast, fraction=FRACTION), x)
    return x[0], A[0, 0], np.array(exact.hashin_shtrikman_bounds(1.0, contrast, FRACTION(x)))


def _flux(ax: Any, flux: Array) -> None:
    """Size of the flux as an image (the few elements cut by an interface do not set the scale), its direction as arrows."""
    n, size = flux.shape[-1], np.hypot(*flux)
    ax.imshow(size.T, **PLAIN | {"cmap": "magma"}, vmin=0, vmax=1.05 * np.quantile(size, 0.9))
    some = slice(1, None, n // 10)
    y = (np.arange(n)[some] + 0.5) / n - 0.5
    ax.quiver(y, y, *flux[:, some, some].swapaxes(1, 2), color="w", width=0.004, pivot="mid")


def _plain(figure: Any, axes: Any) -> Any:
    for ax in axes:
        ax.grid(False)
        ax.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5], xlabel="$y_1$")
    axes[0].set_ylabel("$y_2$", labelpad=0)
    return figure
