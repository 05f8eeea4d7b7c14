"""Figures of chapter 05, boundary conditions and oversampling: three answers, the edge, resonance, filters, forgetting."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from hmm_core import CellProblem, exact, media
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, SKY, Array, Data, canvas, field_plot, fit_rate

CONDITIONS = {"neumann": (GREEN, "v"), "periodic": (BLUE, "o"), "dirichlet": (ORANGE, "^")}
LOOKS = ((PINK, "o"), (ORANGE, "^"), (GREEN, "s"), (BLUE, "D"))
ORDERS = dict(enumerate(LOOKS))

DISKS = media.inclusion(inside=10.0, radius=0.3)
SMOOTH = media.resonant()
FRACTIONS = (0.0, 0.25, 0.5, 0.75)
CORNERS = np.array([[0.0, 0.375], [0.0, 0.375]])  # lower left corners of the samples, in periods, one column each
CUTS = np.tile((0.125, 0.375, 0.625, 0.875), (2, 1))  # four of them, where no condition may be lucky with its cut


# -- errors of one description of the micro problem -------------------------------------------------------------------------


@lru_cache(maxsize=8)
def discrete_tensor(a: Callable, n: int) -> Array:
    """What an exact period answers on the same elements: errors against it are those of the sample, not of the grid."""
    return CellProblem(n=n, offset=0.5, tol=1e-12).effective_tensor(a)


def error_of(a: Callable, cell: CellProblem, corners: Array = CORNERS) -> float:
    """Largest entry of A - A*, relative to the largest of A*, over samples with their corners there."""
    A = cell.effective_tensor(a, x=corners + (cell.size + 2 * cell.buffer) / 2, eps=1.0)
    star = discrete_tensor(a, cell.n)
    return float(np.abs(A - star[..., None]).max() / np.abs(star).max())


def envelope(a: Callable, cell_of: Callable[[float], CellProblem], R: float, corners: Array = CORNERS) -> float:
    """Largest error over samples of R, R + 1/4, R + 1/2, R + 3/4 periods and all corners."""
    return max(error_of(a, cell_of(R + f), corners) for f in FRACTIONS)


def envelopes(
    a: Callable, cell_of: Callable[[float], CellProblem], periods: Sequence[float], corners: Array = CORNERS
) -> Array:
    return np.array([envelope(a, cell_of, R, corners) for R in periods])


def sampled(inner: float = 1.0, n: int = 8, tol: float = 1e-6, T: Callable | None = None, **options: Any) -> Callable:
    """R -> the cell problem solved on R periods and averaged over the inner part of ``inner`` R; ``T(R)`` where needed."""

    def cell_of(R: float) -> CellProblem:
        timed = {"equation": (options["equation"], T(R))} if T else {}
        return CellProblem(n=n, size=inner * R, buffer=(1 - inner) * R / 2, tol=tol, **options | timed)

    return cell_of


def middle(periods: Sequence[float]) -> Array:
    """The abscissa of an envelope: the middle of its sizes R ... R + 3/4."""
    return np.asarray(periods, dtype=float) + np.mean(FRACTIONS)


def _slopes(ax: Any, x: Array, error: Array, label: str, **style: Any) -> None:
    ax.loglog(x, error, label=f"{label}: slope {fit_rate(x, error):.2f}", **style)


def _guide(ax: Any, x: Array, start: float, slope: float) -> None:
    ax.loglog(x, start * (x / x[0]) ** slope, color="0.5", lw=1, ls="--", label=f"slope {slope:g}")


def _error_axis(ax: Any, ticks: Sequence[float]) -> None:
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()


def _size_axis(ax: Any, ticks: Sequence[float], label: str) -> None:
    ax.set(xlabel=label)
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()


# -- three answers on commensurate cells -------------------------------------------------------------------------------------


def three_answers_data(largest: int = 8, n: int = 24) -> Data:
    """A_11 of the disk composite for L = 1 ... ``largest`` periods, cut midway between disks, and the true one."""
    L = np.arange(1, largest + 1)
    answers = {
        bc: [
            CellProblem(n=n, bc=bc, size=float(size), offset=0.5 * (1 - size % 2) / size).effective_tensor(DISKS)[0, 0]
            for size in L
        ]
        for bc in CONDITIONS
    }
    true = exact.cylinders(np.pi * DISKS.radius**2, DISKS.inside)
    return {"L": L, "true": np.array(true), **{bc: np.array(values) for bc, values in answers.items()}}


def three_answers(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.4, 3.9))
    star = data["periodic"][0]
    for bc, (color, marker) in CONDITIONS.items():
        left.plot(data["L"], data[bc], color=color, marker=marker, label=bc.capitalize())
        if bc != "periodic":
            _slopes(right, data["L"], np.abs(data[bc] - star), bc.capitalize(), color=color, marker=marker)
    left.axhline(data["true"], color="black", lw=1.2, ls="--", label="A*₁₁, no grid")
    left.set(xlabel="cell size L (periods)", ylabel="A₁₁", title="What the edge is told, and what the grid adds")
    left.legend(loc="upper right", ncols=2)
    left.set_ylim(None, left.get_ylim()[1] + 0.015)
    _guide(right, data["L"], 0.6 * (star - data["neumann"][0]), -1)
    right.set(ylabel="|A₁₁ − periodic A₁₁|", title="Distance to the period on the same grid")
    _error_axis(right, (0.002, 0.005, 0.01, 0.02))
    _size_axis(right, data["L"][[0, 1, 3, 7]], "cell size L (periods)")
    right.legend()
    return figure


# -- where the field is wrong -------------------------------------------------------------------------------------------------


def gradients(micro: Any) -> Array:
    """grad w_j in the middle of every element, (d, d, N, N): component, then direction j."""
    h, w = micro.nodes[1] - micro.nodes[0], micro.correctors
    rise = [np.diff(w, axis=axis) / h for axis in (1, 2)]
    return np.array([(rise[0][:, :, 1:] + rise[0][:, :, :-1]) / 2, (rise[1][:, 1:] + rise[1][:, :-1]) / 2])


@lru_cache(maxsize=8)
def _period(a: Callable, n: int, corner: float, tol: float) -> Array:
    """grad w_j on one exact period."""
    return gradients(CellProblem(n=n, offset=corner + 0.5, tol=tol).solve(a))


def wound(a: Callable, bc: str, size: float, n: int, corner: float, tol: float = 1e-13) -> Array:
    """|grad w - grad w_periodic| in every element of one sample, with w_periodic from one exact period on the same grid."""
    inside = gradients(CellProblem(n=n, bc=bc, size=size, offset=corner / size + 0.5, tol=tol).solve(a))
    period = _period(a, n, corner, tol)
    tiles = np.arange(inside.shape[-1]) % n
    return np.sqrt(((inside - period[..., tiles[:, None], tiles]) ** 2).sum(axis=(0, 1)))


def edge_data(size: int = 5, n: int = 12) -> Data:
    """The disk composite on ``size`` periods: a, and the error of the corrector's gradient under both conditions."""
    middles = (np.arange(size * n) + 0.5) / n - 0.5
    return {
        "size": np.array(float(size)),
        "a": DISKS(None, np.array(np.meshgrid(middles, middles, indexing="ij"))),
        **{bc: wound(DISKS, bc, size, n, -0.5) for bc in ("dirichlet", "neumann")},
    }


def edge(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11, 3.4))
    extent = (0.0, float(data["size"])) * 2
    field_plot(axes[0], data["a"], extent, "the sample, a", cmap="cividis")
    for ax, bc in zip(axes[1:], ("dirichlet", "neumann"), strict=True):
        field_plot(ax, np.log10(data[bc]), extent, f"{bc.capitalize()}: log₁₀ of the error", cmap="magma", vmin=-4, vmax=0,
                   extend="min")  # fmt: skip
    for ax in axes:
        ax.set(xlabel="y₁", ylabel="y₂")
    return figure


# -- resonance ----------------------------------------------------------------------------------------------------------------


def resonance_data(periods: tuple[int, ...] = (1, 2, 3, 4, 6, 8), n: int = 8) -> Data:
    """Raw errors for sizes in steps of 1/8 at one corner, and envelopes, of the three plain conditions on the smooth medium."""
    L = np.arange(8, 49) / 8
    cells = {bc: sampled(n=n, bc=bc) for bc in CONDITIONS}
    raw = {bc: np.array([error_of(SMOOTH, cell(size), CORNERS[:, :1]) for size in L]) for bc, cell in cells.items()}
    worst = {f"{bc}_envelope": envelopes(SMOOTH, cell, periods, CUTS) for bc, cell in cells.items()}
    return {"L": L, "R": np.array(periods), **raw, **worst}


def resonance(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 3.8))
    x = middle(data["R"])
    floor = 1e-4
    for bc, (color, marker) in CONDITIONS.items():
        below = data[bc] < floor
        left.semilogy(data["L"], np.where(below, np.nan, data[bc]), color=color, marker=marker, ms=3, lw=1)
        left.plot(data["L"][below], np.full(below.sum(), 1.15 * floor), color=color, marker=11, ls="", ms=7)
        _slopes(right, x, data[f"{bc}_envelope"], bc.capitalize(), color=color, marker=marker)
    left.set(xlabel="cell size L (periods)", ylabel="relative error of A", title="Raw: one corner", ylim=(8e-5, 1))
    left.annotate("▾ below 10⁻⁶", (3.08, 1.2e-4), fontsize=8, color=BLUE)
    _guide(right, x, 0.6 * data["neumann_envelope"][0], -1)
    right.set(ylabel="largest relative error of A", title="Envelope")
    _error_axis(right, (0.05, 0.1, 0.2, 0.5))
    _size_axis(right, (1.5, 2.5, 4.5, 8.5), "R (periods)")
    right.legend()
    return figure


# -- oversampling -------------------------------------------------------------------------------------------------------------


def decay_data(size: int = 8, n: int = 12) -> Data:
    """Root mean square of the error of grad w on square shells, against their distance from the edge."""
    cases = {
        "disks_dirichlet": wound(DISKS, "dirichlet", size, n, -0.5),
        "disks_neumann": wound(DISKS, "neumann", size, n, -0.5),
        "smooth_dirichlet": wound(SMOOTH, "dirichlet", size, n, 0.0),
    }
    k = np.arange(size * n)
    shell = np.minimum(k, k[::-1])
    shell = np.minimum.outer(shell, shell)
    out = {"distance": (np.arange(size * n // 2) + 0.5) / n}
    for name, field in cases.items():
        squares = np.bincount(shell.ravel(), (field**2).ravel()) / np.bincount(shell.ravel())
        out[name] = np.maximum(np.sqrt(squares), 1e-6)  # below, the solver's tolerance shows
    return out


def decay_rate(distance: Array, error: Array) -> float:
    """k of error ~ exp(-k distance), fitted from a quarter period to one and a half."""
    window = (distance > 0.25) & (distance < 1.5)
    return float(-np.polyfit(distance[window], np.log(error[window]), 1)[0])


def decay(data: Data) -> Any:
    figure, ax = canvas(figsize=(6.6, 3.9))
    d = data["distance"]
    k = decay_rate(d, data["disks_dirichlet"])
    labels = {
        "disks_dirichlet": (ORANGE, "-", f"disks, Dirichlet: fit exp(−{k:.1f} d)"),
        "disks_neumann": (GREEN, "-", "disks, Neumann"),
        "smooth_dirichlet": (PINK, "--", "smooth medium, Dirichlet"),
    }
    for name, (color, line, label) in labels.items():
        above = data[name] > 1e-6
        ax.semilogy(d[above], data[name][above], color=color, ls=line, label=label)
    ax.axhspan(1e-7, 1e-6, color="0.9", lw=0)
    ax.annotate("near the solver's tolerance", (3.9, 2e-7), fontsize=8, color="0.4", ha="right")
    ax.set(xlabel="distance d from the edge (periods)", ylabel="root mean square error of ∇w", ylim=(1e-7, 3))
    ax.legend(loc="upper right", bbox_to_anchor=(1, 0.6))
    return figure


def oversampling_data(
    periods: tuple[int, ...] = (2, 3, 4, 6, 8), buffers: tuple[float, ...] = (0.0, 0.125, 0.25, 0.5), n: int = 8
) -> Data:
    """Dirichlet envelopes of the ratio with the box window, against the size of the averaging domain, per buffer.

    The corners are those of the averaging domain: a buffer must not change what is averaged.
    """

    def cell_of(buffer: float) -> Callable[[float], CellProblem]:
        return lambda size: CellProblem(n=n, bc="dirichlet", size=size, buffer=buffer, tol=1e-6)

    return {
        "delta": np.array(periods),
        "buffer": np.array(buffers),
        "error": np.array([envelopes(SMOOTH, cell_of(buffer), periods, CUTS - buffer) for buffer in buffers]),
    }


def oversampling(data: Data) -> Any:
    figure, ax = canvas(figsize=(6.6, 3.9))
    x = middle(data["delta"])
    for buffer, error, look in zip(data["buffer"], data["error"], LOOKS, strict=True):
        _slopes(ax, x, error, f"buffer {buffer:g}", color=look[0], marker=look[1])
    _guide(ax, x, 0.6 * data["error"][-1, 0], -1)
    ax.set(ylabel="largest relative error of A")
    _error_axis(ax, (0.02, 0.05, 0.1, 0.2))
    _size_axis(ax, (2.5, 4.5, 6.5, 8.5), "averaging domain δ/ε (periods)")
    ax.legend()
    return figure


# -- windows ------------------------------------------------------------------------------------------------------------------


def windows_line_data(n: int = 16) -> Data:
    """One dimension, a = 1/(2 + cos 2 pi y): q = 0 ... 3, closed form on a fine axis, solver on a coarse."""
    R, L, tests = np.arange(2, 13), np.linspace(2, 12.9, 437), np.arange(9, 52, 3) / 4

    def a(x: Array, y: Array) -> Array:
        return 1 / (2 + np.cos(2 * np.pi * y[0]))

    solved = [
        [CellProblem(dim=1, n=n, size=s, window=("smooth", q)).effective_tensor(a)[0, 0] for s in tests] for q in ORDERS
    ]
    fine = np.linspace(0, 1, 41)
    return {
        "L": L,
        "closed": np.array([np.abs(exact.cosine_cell(L, 0.0, q) - 0.5) for q in ORDERS]),
        "tests": tests,
        "solved": np.array(solved),
        "exact": np.array([exact.cosine_cell(tests, 0.0, q) for q in ORDERS]),
        "R": R,
        "envelope": np.array([[np.abs(exact.cosine_cell(r + fine, 0.0, q) - 0.5).max() for r in R] for q in ORDERS]),
    }


def windows_line(data: Data) -> Any:
    figure, ax = canvas(figsize=(7.2, 4.0))
    for q, (color, marker) in ORDERS.items():
        rate = fit_rate(middle(data["R"]), data["envelope"][q])
        ax.loglog(data["L"], data["closed"][q], color=color, lw=0.9, nonpositive="mask")
        ax.loglog(data["tests"], np.abs(data["solved"][q] - 0.5), color=color, ls="", marker=marker, ms=5,
                  label=f"q = {q}: envelope slope {rate:.2f}")  # fmt: skip
    ax.set(ylabel="|A − 1/2|", ylim=(1e-8, 0.2))
    _size_axis(ax, (2, 3, 4, 6, 8, 12), "cell size L (periods)")
    ax.legend(loc="lower left")
    return figure


def windows_plane_data(periods: tuple[int, ...] = (2, 3, 4, 6, 8), n: int = 8) -> Data:
    """Dirichlet envelopes on the smooth medium: filtered flux alone, and filtered ratio, for q = 0 ... 3."""
    both = {
        average: [envelopes(SMOOTH, sampled(n=n, bc="dirichlet", window=("smooth", q), average=average), periods)
                  for q in ORDERS]
        for average in ("flux", "ratio")
    }  # fmt: skip
    return {"R": np.array(periods), **{name: np.array(errors) for name, errors in both.items()}}


def windows_plane(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.8, 3.9), sharey=True)
    x = middle(data["R"])
    titles = {"flux": "⟨a∇u⟩ filtered alone", "ratio": "⟨a∇u⟩⟨∇u⟩⁻¹, both filtered"}
    for ax, (average, title) in zip(axes, titles.items(), strict=True):
        for q, (color, marker) in ORDERS.items():
            _slopes(ax, x, data[average][q], f"q = {q}", color=color, marker=marker)
        ax.set(title=title, ylim=(1e-4, 1))
        _size_axis(ax, (2.5, 4.5, 6.5, 8.5), "R (periods)")
        ax.legend(loc="lower left")
    axes[0].set(ylabel="largest relative error of A")
    return figure


# -- equations that forget the edge --------------------------------------------------------------------------------------------


def zero_order_data(n: int = 8, R: float = 6.0) -> Data:
    """Error against T: on an exact period, and as an envelope on a finite Dirichlet sample filtered with q = 3."""
    periods, times = 2.0 ** np.arange(-2, 4), 2.0 ** np.arange(-8, 3)
    star = discrete_tensor(SMOOTH, n)
    out = {"T_period": periods, "T": times}
    for name, average, richardson in (
        ("flux", "ratio", False), ("flux_richardson", "ratio", True), ("energy", "energy", False),
        ("energy_richardson", "energy", True),
    ):  # fmt: skip
        cells = [CellProblem(n=n, offset=0.5, average=average, richardson=richardson, equation=("zero-order", T),
                             tol=1e-12) for T in periods]  # fmt: skip
        errors = [np.abs(cell.effective_tensor(SMOOTH) - star).max() / np.abs(star).max() for cell in cells]
        out[f"{name}_period"] = np.array(errors)
    for name, average in (("flux", "flux"), ("energy", "energy"), ("ratio", "ratio")):
        make = [sampled(0.75, n, bc="dirichlet", window=("smooth", 3), average=average, equation="zero-order",
                        T=lambda S, T=T: T) for T in times]  # fmt: skip
        out[f"{name}_sample"] = np.array([error_of(SMOOTH, cell(R + 0.5)) for cell in make])
        elliptic = sampled(0.75, n, bc="dirichlet", window=("smooth", 3), average=average)(R + 0.5)
        out[f"{name}_elliptic"] = np.array(error_of(SMOOTH, elliptic))
    return out


def zero_order(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10.2, 4.0))
    looks = {"flux": (ORANGE, "^", "⟨a∇u⟩"), "flux_richardson": (PINK, "v", "⟨a∇u⟩, Richardson")}
    looks |= {"energy": (BLUE, "o", "energy"), "energy_richardson": (SKY, "s", "energy, Richardson")}
    for name, (color, marker, label) in looks.items():
        _slopes(left, data["T_period"], data[f"{name}_period"], label, color=color, marker=marker)
    left.set(ylabel="relative error of A", title="One exact period", ylim=(1e-15, 1))
    _size_axis(left, (0.25, 0.5, 1, 2, 4, 8), "T (periods²)")
    left.legend(loc="lower left", fontsize=8)
    for name, (color, marker, label) in {
        "flux": (ORANGE, "^", "flux alone"), "energy": (BLUE, "o", "energy"), "ratio": (GREEN, "s", "ratio")
    }.items():  # fmt: skip
        right.loglog(data["T"], data[f"{name}_sample"], color=color, marker=marker, label=label)
        right.axhline(data[f"{name}_elliptic"], color=color, lw=1, ls=":")
    right.set(xlabel="T (periods²)", ylabel="relative error of A", title="Dirichlet sample of 6.5 periods, q = 3")
    right.legend(loc="upper right", fontsize=8)
    return figure


def parabolic_data(periods: tuple[int, ...] = (2, 3, 4, 6, 8), n: int = 8) -> Data:
    """Envelopes of the parabolic cell problem against R for T = R/100, and errors against T at 8.5 periods with q = 5."""
    times = 2.0 ** np.arange(-7, 4)
    options = {"n": n, "bc": "dirichlet", "equation": "parabolic", "tol": 1e-6}
    orders = (1, 2, 3)
    return {
        "R": np.array(periods),
        "q": np.array(orders),
        "error": np.array(
            [envelopes(SMOOTH, sampled(0.75, T=lambda S: S / 100, window=("smooth", q), **options), periods)
             for q in orders]
        ),
        "T": times,
        "smooth": np.array(
            [error_of(SMOOTH, sampled(0.75, T=lambda S, T=T: T, window=("smooth", 5), **options)(8.5)) for T in times]
        ),
    }  # fmt: skip


def parabolic(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 3.9))
    x = middle(data["R"])
    for q, error in zip(data["q"], data["error"], strict=True):
        _slopes(left, x, error, f"q = {q}", color=ORDERS[q][0], marker=ORDERS[q][1])
    left.set(ylabel="largest relative error of A", title="T = R/100")
    _size_axis(left, (2.5, 4.5, 6.5, 8.5), "R (periods)")
    left.legend(loc="lower left")
    right.loglog(data["T"], data["smooth"], color=BLUE, marker="o")
    best = np.argmin(data["smooth"])
    right.annotate("too short", (data["T"][1], data["smooth"][1]), xytext=(12, 0), textcoords="offset points")
    right.annotate(
        "too long", (data["T"][-3], data["smooth"][-3]), xytext=(0, 10), textcoords="offset points", ha="center"
    )
    right.plot(data["T"][best], data["smooth"][best], "s", ms=11, mfc="none", mec=ORANGE, label="best")
    right.set(xlabel="T (periods²)", ylabel="relative error of A", title="R = 8.5, q = 5")
    right.legend(loc="upper right")
    return figure


# -- the long study: R from 2 to 24, for make reproduce (two minutes) -----------------------------------------------------------


def long_samples(n: int = 8) -> dict[str, tuple[Callable[[float], CellProblem], Array]]:
    """Kinds of sample, each with the corners of its samples."""
    plain = {bc: (sampled(n=n, bc=bc), CUTS) for bc in CONDITIONS}
    straight = {
        f"{average}_q{q}": sampled(n=n, bc="dirichlet", window=("smooth", q), average=average, tol=1e-8)
        for average in ("flux", "ratio")
        for q in (1, 2, 3, 5)
    }
    other_edges = {
        f"{bc}_q{q}": sampled(n=n, bc=bc, window=("smooth", q), tol=1e-9)
        for bc, q in (("periodic", 3), ("periodic", 5), ("neumann", 5))
    }
    damped = {"inner": 0.75, "n": n, "bc": "dirichlet", "window": ("smooth", 3), "equation": "zero-order"}
    heated = {"inner": 0.75, "n": n, "bc": "dirichlet", "equation": "parabolic", "T": lambda R: R / 100, "tol": 1e-8}
    forgetful = {
        "zero_order_flux": sampled(**damped, average="flux", T=lambda R: R / 50),
        "zero_order_richardson": sampled(**damped, average="flux", richardson=True, T=lambda R: R / 50),
        "zero_order_energy": sampled(**damped, average="energy", T=lambda R: R / 100),
        **{f"parabolic_q{q}": sampled(**heated, window=("smooth", q)) for q in (3, 5)},
    }
    return plain | {name: (cell_of, CORNERS) for name, cell_of in (straight | other_edges | forgetful).items()}


def long_resonance_data(periods: tuple[int, ...] = (2, 3, 4, 6, 8, 12, 16, 24)) -> Data:
    """Envelopes over four fractional parts and two or four corners, against the period on the same grid."""
    kinds = long_samples().items()
    return {"R": np.array(periods)} | {
        name: envelopes(SMOOTH, cell_of, periods, corners) for name, (cell_of, corners) in kinds
    }


def slope_between(data: Data, name: str, first: float = 4, last: float = np.inf) -> float:
    """Slope of an envelope over first <= R <= last; on two or three periods a filter leaves too little of the sample."""
    chosen = (data["R"] >= first) & (data["R"] <= last)
    return fit_rate(middle(data["R"][chosen]), data[name][chosen])


def long_resonance(data: Data) -> Any:
    figure, axes = canvas(2, 3, figsize=(13, 7.6), sharex=True, sharey=True)
    R = middle(data["R"])
    looks = {1: (ORANGE, "^"), 2: (GREEN, "s"), 3: (BLUE, "D"), 5: (PINK, "o")}
    panels = {
        "plain averages": [(bc, bc.capitalize(), *look) for bc, look in CONDITIONS.items()],
        "filtered flux alone, Dirichlet": [(f"flux_q{q}", f"q = {q}", *look) for q, look in looks.items()],
        "filtered ratio, Dirichlet": [(f"ratio_q{q}", f"q = {q}", *look) for q, look in looks.items()],
        "filtered ratio, other edges": [
            ("periodic_q3", "periodic, q = 3", *looks[3]),
            ("periodic_q5", "periodic, q = 5", *looks[5]),
            ("neumann_q5", "Neumann, q = 5", GREEN, "v"),
        ],
        "parabolic, T = R/100": [(f"parabolic_q{q}", f"q = {q}", *looks[q]) for q in (3, 5)],
        "zero-order term": [
            ("zero_order_flux", "flux, T = R/50", ORANGE, "^"),
            ("zero_order_richardson", "the same, Richardson", PINK, "v"),
            ("zero_order_energy", "energy, T = R/100", SKY, "o"),
        ],
    }
    for ax, (title, lines) in zip(axes.ravel(), panels.items(), strict=True):
        for name, label, color, marker in lines:
            early, late = slope_between(data, name, 4, 8), slope_between(data, name, 16)
            ax.loglog(R, data[name], color=color, marker=marker, ms=4, label=f"{label}: {early:.1f} → {late:.1f}")
        ax.set(title=title)
        ax.legend(loc="lower left", fontsize=8, title="slope, R = 4 … 8 → 16 … 24", title_fontsize=8)
        _size_axis(ax, (2, 3, 4, 6, 8, 12, 16, 24), "R (periods)")
    for ax in axes[:, 0]:
        ax.set(ylabel="largest relative error of A")
    return figure


# -- which one, when ------------------------------------------------------------------------------------------------------------


def methods(n: int = 8) -> dict[str, Callable[[float], CellProblem]]:
    """Everything in this chapter, on a sample of R periods whose length is no multiple of the period."""

    def buffered(R: float) -> CellProblem:
        return CellProblem(n=n, bc="dirichlet", size=R - 1, buffer=0.5, tol=1e-6)

    dirichlet = {"n": n, "bc": "dirichlet"}
    damped = dirichlet | {"window": ("smooth", 3), "inner": 0.75, "equation": "zero-order"}
    heated = dirichlet | {"inner": 0.75, "equation": "parabolic", "T": lambda R: R / 100}
    return {
        "Dirichlet": sampled(**dirichlet),
        "periodic": sampled(n=n),
        "Neumann": sampled(n=n, bc="neumann"),
        "Dirichlet, buffer 1/2": buffered,
        "Dirichlet, inner half": sampled(0.5, **dirichlet),
        "Dirichlet, q = 3, flux alone": sampled(**dirichlet, window=("smooth", 3), average="flux"),
        "Dirichlet, q = 1, ratio": sampled(**dirichlet, window=("smooth", 1)),
        "Dirichlet, q = 3, ratio": sampled(**dirichlet, window=("smooth", 3)),
        "periodic, q = 3, ratio": sampled(n=n, window=("smooth", 3)),
        "periodic, q = 5, ratio": sampled(n=n, window=("smooth", 5)),
        "zero-order, q = 3, flux, Richardson": sampled(**damped, average="flux", richardson=True, T=lambda R: R / 50),
        "zero-order, q = 3, energy": sampled(**damped, average="energy", T=lambda R: R / 100),
        "parabolic, q = 3": sampled(**heated, window=("smooth", 3)),
    }


def which_data(R: float = 6.0, n: int = 8) -> Data:
    """Per method the envelope at R on both smooth media, and its work: iterations, averaged over the samples."""
    errors, work = [], []
    for cell_of in methods(n).values():
        errors.append([envelope(a, cell_of, R, CUTS) for a in (SMOOTH, media.hou_wu())])
        counts = []
        for f in FRACTIONS:
            counts.append(cell_of(R + f).solve(SMOOTH, CORNERS + (R + f) / 2, 1.0, correctors=False).iterations.mean())
        work.append(np.mean(counts))
    return {"method": np.array(list(methods(n))), "error": np.array(errors), "iterations": np.array(work)}


def which(data: Data) -> Any:
    figure, ax = canvas(figsize=(8.2, 4.4))
    rows = np.arange(len(data["method"]))[::-1]
    ax.hlines(rows, *data["error"].T, color="0.75")
    ax.plot(data["error"][:, 0], rows, "o", color=BLUE, label="medium of this chapter")
    ax.plot(data["error"][:, 1], rows, "s", color=ORANGE, label="Hou–Wu type medium")
    ax.set(xscale="log", yticks=rows, xlabel="largest relative error of A, samples of 6 to 6.75 periods")
    ax.set_yticklabels(
        [f"{name}  [{count:.0f}]" for name, count in zip(data["method"], data["iterations"], strict=True)]
    )
    ax.legend(loc="lower right")
    return figure
