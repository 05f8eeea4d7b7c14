"""Figures of chapter 02, scale separation: the affine picture, its limits, four kinds of media, representative volumes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import skfem
from matplotlib.patches import Rectangle

from hmm_core import CellClosure, CellProblem, ExactClosure, exact, macro_basis, media, solve_elliptic
from hmm_core.micro.ensemble import Ensemble, effective_ensemble, ensembles_by_size
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, field_plot, fit_rate, rate_plot
from hmm_course.figures.ch01 import line_solution

# -- the media of the chapter ------------------------------------------------------------------------------------------------


def line_medium(x: Array, y: Array) -> Array:
    """a = (1 + x)/(2 + cos 2 pi y) on a line; A* = (1 + x)/2."""
    return (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0]))


def rings(x: Array) -> Array:
    """theta(x), distance from (-0.3, -0.3): growth rings around a pith outside the unit square."""
    return np.hypot(x[0] + 0.3, x[1] + 0.3)


def rings_gradient(x: Array) -> Array:
    return (x + 0.3) / rings(x)


def timber(eps: float | None = None) -> media.Medium:
    """Growth rings a = 2 + 1.2 sin(2 pi theta(x)/eps): locally a laminate with means 1.6 across and 2 along."""
    return media.stratified(media.Sine(2, 1.2), rings, eps=eps, gradient=rings_gradient)


def contrast(x: Array) -> Array:
    """k2(x) = (1 + x_1)^2."""
    return (1 + x[0]) ** 2


def share(x: Array) -> Array:
    """p(x), from 0.05 to 0.95 across the unit square."""
    return 0.05 + 0.9 * x[0]


def disk_share(x: Array) -> Array:
    """Volume fraction of disks, from 0.05 to 0.6 across the unit square."""
    return 0.05 + 0.55 * x[0]


def tiles(k2: float = 4.0, rng: int = 2) -> media.Medium:
    """Random checkerboard with values 1 and k2, equally likely, tiles of side one period."""
    return media.random_checkerboard(1.0, k2, rng=rng)


PERIODS = 10  # along each side of the pictures


def share_of_tile(x: Array) -> Array:
    """p(x) at the middle of the tile that holds x: constant on each, so that the picture shows whole tiles."""
    return share((np.floor(x * PERIODS) + 0.5) / PERIODS)


GALLERY: dict[str, Callable[[], Any]] = {
    "periodic": lambda: media.inclusion(5.0, fraction=0.3),
    "stratified": timber,
    "graded": lambda: media.inclusion(5.0, fraction=disk_share),
    "checkerboard": lambda: tiles(5.0),
    "graded checkerboard": lambda: media.random_checkerboard(1.0, 5.0, p=share_of_tile, rng=2),
    "Gaussian phases": lambda: media.gaussian_phases(1.0, 5.0, length=1.0, rng=2),
}


def gallery_data(pixels: int = 160) -> Data:
    """Six media on the unit square."""
    eps = 1 / PERIODS
    line = (np.arange(pixels) + 0.4871) / pixels  # no pixel on an interface
    x = np.array(np.meshgrid(line, line, indexing="ij")).reshape(2, 1, -1)
    out = {}
    for name, make in GALLERY.items():
        medium = replace(timber(), eps=eps) if name == "stratified" else make()
        out[name] = np.broadcast_to(medium(x, x / eps), (1, x.shape[2])).reshape(pixels, pixels)
    return out


def gallery(data: Data) -> Any:
    figure, axes = canvas(2, 3, figsize=(9.6, 6.2))
    for ax, (name, field) in zip(axes.flat, data.items(), strict=True):
        field_plot(ax, field, (0, 1, 0, 1), name)
        ax.set(xlabel="x₁", ylabel="x₂", xticks=(0, 1), yticks=(0, 1))
    return figure


# -- the affine picture ------------------------------------------------------------------------------------------------------


def window_error(eps: float, lengths: Array, x: float, shift: float = 0.0) -> Array:
    """Conductivity <a u'>/<u'> that a window of length L around x sees in u^eps, relative to A*(x) = (1 + x)/2, minus one.

    a u' = c - x is known, so only u' = (c - x)/a is integrated, by four Gauss points on twelfths of a period.
    """
    edges = np.linspace(0, 1, 12 * round(1 / eps) + 1)
    s, w = np.polynomial.legendre.leggauss(4)

    def slope(lower: Array, upper: Array, c: float) -> float:
        points = (lower + upper)[:, None] / 2 + np.outer(upper - lower, s) / 2
        value = (c - points) / line_medium(points[None], points[None] / eps + shift)
        return float((value @ w * (upper - lower) / 2).sum())

    one = slope(edges[:-1], edges[1:], 0.0)  # -int x/a
    c = -one / (slope(edges[:-1], edges[1:], 1.0) - one)
    out = []
    for length in lengths:
        parts = max(12, round(12 * length / eps))
        cut = np.linspace(x - length / 2, x + length / 2, parts + 1)
        out.append((c - x) * length / slope(cut[:-1], cut[1:], c) / ((1 + x) / 2) - 1)
    return np.abs(out)


def affine_data(x: float = 0.2, scales: tuple[float, ...] = (1e-2, 1e-3, 1e-4)) -> Data:
    """Around x: U against its affine picture, and what windows of length L see of the oscillating solution."""
    length = np.geomspace(0.005, 0.3, 8)
    xi = np.linspace(-0.5, 0.5, 201)[:, None] * length
    U, slope = exact.graded_solution(x), exact.graded_solution(x, derivative=True)
    value = np.abs(exact.graded_solution(x + xi) - U - slope * xi).max(axis=0)
    gradient = np.abs(exact.graded_solution(x + xi, derivative=True) - slope).max(axis=0)
    ends = exact.graded_solution(x + length / 2) - exact.graded_solution(x - length / 2)
    rows = {"length": length, "value": value, "gradient": gradient, "average": np.abs(ends / length - slope)}
    rows["eps"] = np.array(scales)
    for k, eps in enumerate(scales):
        periods = np.unique(np.round(np.geomspace(1, 0.3 / eps - 1, 14))) + 0.5  # the worst lengths: half a period over
        rows[f"window_length_{k}"] = np.append(np.array([0.1, 0.2, 0.4]) * eps, periods * eps)
        phases = [window_error(eps, rows[f"window_length_{k}"], x, shift) for shift in np.arange(8) / 8]
        rows[f"window_error_{k}"] = np.max(phases, axis=0)
    return rows


def affine(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.9))
    looks = (("value", BLUE, "value U"), ("gradient", ORANGE, "gradient U′"), ("average", GREEN, "mean of U′"))
    for key, color, label in looks:
        rate = fit_rate(data["length"], data[key])
        left.loglog(data["length"], data[key], color=color, marker="o", label=f"{label}: slope {rate:.2f}")
    for slope, key in ((2, "value"), (1, "gradient")):
        reference = 0.5 * data[key][0] * (data["length"] / data["length"][0]) ** slope
        left.loglog(data["length"], reference, color="0.55", lw=1, ls="--")
    left.plot([], [], color="0.55", lw=1, ls="--", label="slopes 2 and 1")
    left.set(xlabel="L", ylabel="error of the affine picture", title="Macro field on a window of length L")
    left.legend(loc="lower right", frameon=True, edgecolor="none", framealpha=1)
    for k, (eps, color) in enumerate(zip(data["eps"], (BLUE, ORANGE, GREEN), strict=True)):
        right.loglog(data[f"window_length_{k}"], data[f"window_error_{k}"], color=color, marker="o", ms=4,
                     label=f"ε = {eps:g}")  # fmt: skip
        right.axvline(eps, color=color, lw=1, ls=":")
    right.set(xlabel="L", ylabel="relative error of the conductivity", title="What a window sees of uᵋ")
    right.legend(loc="lower left", frameon=True, edgecolor="none", framealpha=1)
    return figure


# -- the limit of separated scales -------------------------------------------------------------------------------------------


def hmm_line(eps: float, elements: int, shift: float = 0.0, n: int = 8) -> Any:
    """HMM for -(a(x, x/eps + shift) u')' = 1 on (0, 1), one cell of one period at every midpoint, not frozen."""
    basis = macro_basis(skfem.MeshLine(np.linspace(0, 1, elements + 1)), skfem.ElementLineP1())
    cell = CellProblem(dim=1, n=n)
    return solve_elliptic(basis, CellClosure(lambda x, y: line_medium(x, y + shift), cell, eps=eps), 1.0)


def limit_data(finest: int = 10, meshes: tuple[int, ...] = (16, 512), phases: int = 4) -> Data:
    """Relative L2 distance of U_H to u^eps for eps = 1/1.5, 1/3, ...: best and worst of several phases of the material."""
    eps = 1 / (1.5 * 2.0 ** np.arange(finest))
    out: dict[str, Any] = {"eps": eps, "H": 1 / np.array(meshes)}
    for k, elements in enumerate(meshes):
        errors = np.empty((phases, finest))
        for i, shift in enumerate(np.arange(phases) / phases):
            for j, e in enumerate(eps):
                edges, u, _ = line_solution(lambda x, y, s=shift: line_medium(x, y + s), e, max(1536, round(24 / e)))
                U = np.interp(edges, np.linspace(0, 1, elements + 1), hmm_line(e, elements, shift).u)
                errors[i, j] = np.sqrt(np.mean((U - u) ** 2) / np.mean(u**2))
        out[f"best_{k}"], out[f"worst_{k}"] = errors.min(axis=0), errors.max(axis=0)
    return out


def limit(data: Data) -> Any:
    figure, ax = canvas(figsize=(7, 4))
    eps = data["eps"]
    for k, (H, color) in enumerate(zip(data["H"], (ORANGE, BLUE), strict=True)):
        worst = data[f"worst_{k}"]
        note = f", slope {fit_rate(eps[2:], worst[2:]):.2f}" if k else ""
        ax.loglog(eps, worst, color=color, marker="o", label=f"H = 1/{round(1 / H)}{note}")
        ax.fill_between(eps, data[f"best_{k}"], worst, color=color, alpha=0.15)
        if eps.min() < H < eps.max():
            ax.axvline(H, color=color, lw=1, ls=":")
            ax.annotate("ε = H", (H * 1.04, 0.02), xycoords=("data", "axes fraction"), color=color, va="bottom")
    ax.loglog(eps, 0.4 * worst[-1] * eps / eps[-1], color="0.55", lw=1, ls="--", label="slope 1 expected")
    ax.set(xlabel="ε", ylabel="relative L² distance of U to uᵋ", title="From separated scales (left) to none (right)")
    ax.legend(loc="upper left", frameon=True, edgecolor="none", framealpha=1)
    return figure


# -- layers that bend ----------------------------------------------------------------------------------------------------------

SPOTS = np.array([[0.2, 0.5, 0.8], [0.7, 0.1, 0.6]])
KINDS: dict[str, dict] = {
    "plain average": {"bc": "dirichlet"},
    "smooth window": {"bc": "dirichlet", "window": ("smooth", 2)},
}


def timber_data(n: int = 16, sizes: tuple[float, ...] = (1.5, 2.5, 3.5, 4.5, 6.5), eps: float = 1e-3) -> Data:
    """Largest entry of the tensor error at three spots against the local laminate: layers frozen, or cut as they are."""
    expected = timber().effective(SPOTS)
    out: dict[str, Any] = {"sizes": np.array(sizes)}
    for name, options in KINDS.items():
        for way in ("frozen", "cut"):
            medium, at = (timber(), None) if way == "frozen" else (timber(eps), eps)
            cells = [CellProblem(dim=2, n=n, size=size, tol=1e-8, **options) for size in sizes]
            tensors = np.array([cell.effective_tensor(medium, x=SPOTS, eps=at) for cell in cells])
            out[f"{name}, {way}"] = np.abs(tensors - expected).max(axis=(1, 2, 3))
    line = (np.arange(120) + 0.5) / 120
    x = np.array(np.meshgrid(line, line, indexing="ij"))
    out["field"] = timber(1 / 16)(x.reshape(2, 1, -1), np.zeros((2, 1, 1))).reshape(120, 120)
    return out


def timber_figure(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.9), width_ratios=(1, 1.3))
    field_plot(left, data["field"], (0, 1, 0, 1), "a(x, θ(x)/ε),  ε = 1/16", cmap="YlOrBr")
    for x, y in SPOTS.T:
        left.add_patch(Rectangle((x - 0.08, y - 0.08), 0.16, 0.16, fill=False, ec=BLUE, lw=2))
    left.set(xlabel="x₁", ylabel="x₂")
    for name, color in zip(KINDS, (ORANGE, BLUE), strict=True):
        right.loglog(data["sizes"], data[f"{name}, frozen"], color=color, marker="o", label=f"{name}, frozen layers")
        right.loglog(data["sizes"], data[f"{name}, cut"], color=color, marker="x", ms=8, ls=":",
                     label=f"{name}, cut from the timber")  # fmt: skip
    right.set(
        xlabel="size of the cell L, in periods", ylabel="largest tensor error", title="Against the local laminate"
    )
    right.set_xticks(data["sizes"], [f"{size:g}" for size in data["sizes"]])
    right.minorticks_off()
    right.legend()
    return figure


# -- how large is representative? ----------------------------------------------------------------------------------------------

BOUNDARIES = {"dirichlet": ORANGE, "periodic": BLUE, "neumann": GREEN}


def ensembles(bc: str, sizes: tuple[int, ...], counts: tuple[int, ...], n: int = 4) -> list[Ensemble]:
    """Ensembles of the random checkerboard with values 1 and 4; periodic cells are closed without a seam."""
    cell = CellProblem(dim=2, n=n, bc=bc, offset=0.5, tol=1e-8)
    return ensembles_by_size(tiles(), cell, sizes, counts, wrap=bc == "periodic")


def rve_data(sizes: tuple[int, ...] = (2, 4, 8, 16), counts: tuple[int, ...] = (400, 400, 200, 60)) -> Data:
    """Mean, interval and variance of A_11 against the cell size, by boundary condition, and variances of a Gaussian medium."""
    out: dict[str, Any] = {"sizes": np.array(sizes), "counts": np.array(counts)}
    for bc in BOUNDARIES:
        found = ensembles(bc, sizes, counts)
        out[f"{bc}_mean"] = np.array([e.mean[0, 0] for e in found])
        out[f"{bc}_interval"] = np.array([e.interval[:, 0, 0] for e in found])
        out[f"{bc}_variance"] = np.array([np.trace(e.variance) / 2 for e in found])
    smooth = media.gaussian_phases(1.0, 4.0, length=0.5, rng=5)
    found = ensembles_by_size(smooth, CellProblem(dim=2, n=8, tol=1e-8), (2, 4, 8), (200, 120, 40), wrap=True)
    out["gaussian_sizes"] = np.array([2, 4, 8]) / 0.5
    out["gaussian_variance"] = np.array([np.trace(e.variance) / 2 for e in found])
    return out


def rve(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.9))
    for k, (bc, color) in enumerate(BOUNDARIES.items()):
        half = np.diff(data[f"{bc}_interval"])[:, 0] / 2
        shifted = data["sizes"] * 1.05 ** (k - 1)  # so that the bars can be told apart
        left.errorbar(shifted, data[f"{bc}_mean"], yerr=half, color=color, marker="o", capsize=3, label=bc.capitalize())
    left.axhline(2, color="black", ls="--", lw=1.2, label="√(k₁k₂)")
    left.set(xscale="log", xlabel="size of the cell L, in tiles", ylabel="mean of A₁₁, 95 % interval", title="Bias")
    left.set_xticks(data["sizes"], [str(size) for size in data["sizes"]])
    left.minorticks_off()
    left.legend()
    rate_plot(right, data["sizes"], data["periodic_variance"], "checkerboard", -2, color=BLUE)
    rate_plot(right, data["gaussian_sizes"], data["gaussian_variance"], "Gaussian phases", color=PINK)
    right.set(xlabel="L/ℓ, cell in correlation lengths", ylabel="variance of A₁₁", title="Scatter")
    right.set_xticks((2, 4, 8, 16), ("2", "4", "8", "16"))
    right.minorticks_off()
    return figure


# -- statistics that change from place to place --------------------------------------------------------------------------------


def drift_data(points: int = 9, size: int = 6, realisations: int = 40) -> Data:
    """A_11 along x_1 where p(x) drifts (checkerboard) and where the fraction of disks does, with intervals."""
    x = np.linspace(0, 1, points)
    board = media.random_checkerboard(1.0, 4.0, p=share, rng=3)
    disks = media.random_disks(4.0, fraction=disk_share, rng=4)
    out: dict[str, Any] = {"x": x}
    for name, medium, n in (("board", board, 4), ("disks", disks, 8)):
        cell = CellProblem(dim=2, n=n, size=size if name == "board" else 3, offset=0.5, tol=1e-8)
        found = [effective_ensemble(medium, cell, realisations, x=[s, 0.5], wrap=True) for s in x]
        out[f"{name}_mean"] = np.array([e.mean[0, 0] for e in found])
        out[f"{name}_interval"] = np.array([e.interval[:, 0, 0] for e in found])
    for name, fraction in (("board", share), ("disks", disk_share)):
        out[f"{name}_bounds"] = np.array(exact.hashin_shtrikman_bounds(1.0, 4.0, fraction(x[None])))
    return out


def drift(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.6, 3.7))
    for ax, name, title in zip(axes, ("board", "disks"), ("tiles, share p(x) = 0.05 + 0.9 x₁",
                               "disks, fraction 0.05 + 0.55 x₁"), strict=True):  # fmt: skip
        half = np.diff(data[f"{name}_interval"])[:, 0] / 2
        ax.fill_between(data["x"], *data[f"{name}_bounds"], color="0.85", label="Hashin–Shtrikman bounds")
        ax.errorbar(data["x"], data[f"{name}_mean"], yerr=half, color=BLUE, marker="o", capsize=3, label="cells, 95 %")
        ax.set(xlabel="x₁", ylabel="A₁₁(x)", title=title)
        ax.legend(loc="upper left")
    return figure


def local_problem(size: float, realisation: int, eps: float = 1 / 960) -> tuple[Any, Any]:
    """Tiles of 1 and (1 + x_1)^2, a million of them: the HMM solution and its closure, one small cell at 32 points."""
    medium = media.random_checkerboard(1.0, contrast, rng=7).realisation(realisation)
    basis = macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1())
    closure = CellClosure(medium, CellProblem(dim=2, n=8, size=size, tol=1e-8), eps=eps)
    return solve_elliptic(basis, closure, 1.0), closure


def local_data(sizes: tuple[int, ...] = (2, 4, 8), realisations: int = 8) -> Data:
    """Answers and U of HMM on one sample of a drifting checkerboard after the other, beside A*(x) = 1 + x_1."""
    basis = macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1())
    closed = solve_elliptic(basis, ExactClosure(lambda x: 1 + x[0]), 1.0)
    points = np.asarray(basis.global_coordinates())[:, :, 0]
    out: dict[str, Any] = {"sizes": np.array(sizes), "x": points[0], "closed": closed.u, "nodes": basis.mesh.p}
    error, scatter = np.empty((len(sizes), realisations)), np.empty((len(sizes), realisations))
    for i, size in enumerate(sizes):
        for j in range(realisations):
            solution, closure = local_problem(size, j)
            tensors = closure(points, np.zeros(points.shape[1]), np.ones_like(points)).d_dgrad
            error[i, j] = np.linalg.norm(solution.u - closed.u) / np.linalg.norm(closed.u)
            scatter[i, j] = np.sqrt(np.mean((tensors[0, 0] / (1 + points[0]) - 1) ** 2))
            if j == 0:
                out[f"answers_{size}"], out[f"u_{size}"] = tensors[0, 0], solution.u
    return out | {"error": error, "scatter": scatter}


def local(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.9))
    line = np.array([0, 1])
    for size, color, marker in ((2, "0.6", "x"), (4, ORANGE, "^"), (8, BLUE, "o")):
        left.plot(data["x"], data[f"answers_{size}"], color=color, marker=marker, ls="", label=f"L = {size} tiles")
    left.plot(line, 1 + line, color="black", ls="--", lw=1.2, label="√(k₁k₂) = 1 + x₁")
    left.set(xlabel="x₁ of the sampling point", ylabel="A₁₁ answered", title="One sample, 32 points")
    left.legend(loc="upper left")
    for key, color, label in (("scatter", ORANGE, "one answer A₁₁"), ("error", BLUE, "solution U")):
        middle = np.sqrt((data[key] ** 2).mean(axis=1))
        right.loglog(data["sizes"], middle, color=color, marker="o", label=label)
        right.fill_between(data["sizes"], data[key].min(axis=1), data[key].max(axis=1), color=color, alpha=0.15)
    right.loglog(data["sizes"], 0.6 * middle[-1] * data["sizes"][-1] / data["sizes"], color="0.55", ls="--", lw=1,
                 label="slope −1")  # fmt: skip
    right.set(xlabel="size of the cell L, in tiles", ylabel="relative error, r.m.s.", title="Eight samples")
    right.set_xticks(data["sizes"], [str(size) for size in data["sizes"]])
    right.minorticks_off()
    right.legend()
    return figure
