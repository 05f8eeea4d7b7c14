"""Figures of chapter 06 that a paper would show: one problem with each term of its error alone, and the dials turned together.

The problem: -div(exp(g . x) b(x/eps) grad u) = f on the unit square, b the material of chapter 06. Every sampling point is given
the same phase s of the material, b(y + s), as it has on a mesh that fits the lattice. Then the cell problems of all points
differ by the factor exp(g . x) alone, the law of U_H is exp(g . x) T with one 2 x 2 matrix T, and a single cell problem makes
a whole solution: cheap enough to try sixteen phases for every size of the sample.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem

from hmm_core import CellProblem, ExactClosure, Solution, exact, macro_basis, media, solve_elliptic
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, fit_rate, rate_plot
from hmm_course.figures.ch06 import PERIOD, K, square, ticks

NORMS = ("energy", "L2")
SMALL = 1e-6  # an eps that no term feels
MIRROR = 0.25  # phase at which b(s + y) = b(s - y)


@dataclass(frozen=True)
class Drifting:
    """-div(exp(g . x) b(x/eps) grad u) = f, where f makes u0 = sin(k_1 pi x_1) sin(k_2 pi x_2)."""

    g: tuple[float, float]
    k: tuple[float, float]

    def factor(self, x: Array) -> Array:
        return np.exp(np.tensordot(self.g, x, axes=1))

    def u0(self, x: Array) -> Array:
        return np.sin(np.pi * self.k[0] * x[0]) * np.sin(np.pi * self.k[1] * x[1])

    def gradient(self, x: Array) -> Array:
        k1, k2 = np.pi * np.array(self.k)
        return np.array([k1 * np.cos(k1 * x[0]) * np.sin(k2 * x[1]), k2 * np.sin(k1 * x[0]) * np.cos(k2 * x[1])])

    def source(self, x: Array) -> Array:
        laplacian = -(np.pi**2) * np.dot(self.k, self.k) * self.u0(x)
        return -K * self.factor(x) * (laplacian + np.tensordot(self.g, self.gradient(x), axes=1))

    def tensor(self, T: Array) -> Any:
        """exp(g . x) T as a function of x, for a matrix T; A* for T = K."""
        return lambda x: (T * np.eye(2) if np.ndim(T) == 0 else T)[:, :, None] * self.factor(x)

    def law(self, cell: CellProblem, eps: float = SMALL, phase: float = 0.0) -> Array:
        """T: the tensor of a sample of exp(g . x) b(x/eps + phase), not frozen, at the sampling point x = 0."""
        return cell.effective_tensor(lambda x, y: self.factor(eps * y) * PERIOD(None, y + phase))

    def solve(self, basis: skfem.CellBasis, T: Array) -> Solution:
        """U_H for the law exp(g . x) T."""
        return solve_elliptic(basis, ExactClosure(self.tensor(T)), self.source)

    def errors(self, basis: skfem.CellBasis, T: Array) -> Array:
        """u0 - U_H for the law exp(g . x) T, in energy and in L2, relative to u0."""
        U, known = self.solve(basis, T), {"gradient": self.gradient, "tensor": self.tensor(K), "relative": True}
        return np.array([U.error(self.u0, norm, **known) for norm in NORMS])


STEEP = Drifting((2.0, -1.0), (1.0, 2.0))  # a drift whose term can be seen beside the others
MILD = Drifting((1.0, -0.7), (1.0, 1.0))  # the problem of the chapter's ladder and budgets


def fine_basis() -> skfem.CellBasis:
    """P4 elements, H = 1/12: their own error is 4e-5 in energy."""
    line = np.linspace(0, 1, 13)
    return macro_basis(skfem.MeshTri.init_tensor(line, line), skfem.ElementTriP4())


# -- one problem, four panels ------------------------------------------------------------------------------------------

MESHES = (4, 6, 8, 11, 16, 23, 32, 45, 64)  # 1/H
DELTAS = (0.4, 0.2828, 0.2, 0.1414, 0.1, 0.05, 0.025, 0.0125)
WHOLE, PARTS, PHASES = (1, 2, 3, 4, 6, 8, 12), (0.25, 0.5, 0.75), 16
GRIDS = (4, 6, 8, 11, 16, 23, 32, 45, 64)  # eps/h
OFFSETS = {"one_sided": 0.5, "centred": 0.0}
ALONE = 0.1  # smallest delta of the fit for centred samples: below it the micro grid shows


def one_problem_data(points: int | None = None) -> Data:
    """Relative errors of U_H while one of H, delta, delta/eps, h/eps moves (its first ``points`` values).

    Arrays are named table.column. ``rest`` is what the other three dials leave when the one that moves is perfect.
    """
    fine, data = fine_basis(), {}

    def keep(table: str, column: str, found: Any) -> None:
        for norm, values in zip(NORMS, np.array(found).T, strict=True):
            data[f"{table}.{column}_{norm}"] = values

    N = MESHES[:points]
    data["macro.H"] = 1 / np.array(N)
    T = STEEP.law(CellProblem(n=24, scheme="fourier", tol=1e-12))
    for degree in (1, 2):
        keep("macro", f"P{degree}", [STEEP.errors(square(k, degree), T) for k in N])
    keep("macro", "rest", [np.abs(T / K - np.eye(2)).max() * np.ones(2)] * len(N))

    data["modelling.delta"] = np.array(DELTAS[:points])
    for name, offset in OFFSETS.items():
        cell = CellProblem(size=4.0, n=128, offset=offset)
        found = [STEEP.errors(fine, STEEP.law(cell, d / cell.size, MIRROR)) for d in DELTAS[:points]]
        keep("modelling", name, found)
    keep("modelling", "rest", [STEEP.errors(fine, STEEP.law(CellProblem(n=128)))] * len(found))

    R, phases = np.add.outer(WHOLE, PARTS).ravel()[:points], np.arange(PHASES) / PHASES
    data["resonance.R"], data["resonance.phase"] = np.repeat(R, PHASES), np.tile(phases, len(R))
    for bc in ("dirichlet", "neumann"):
        cells = [CellProblem(bc=bc, size=float(size), n=16) for size in R]
        keep("resonance", bc, [STEEP.errors(fine, STEEP.law(cell, phase=s)) for cell in cells for s in phases])
    keep("resonance", "rest", [STEEP.errors(fine, STEEP.law(CellProblem(n=16)))] * len(R) * PHASES)

    n = GRIDS[:points]
    data["micro.h_over_eps"] = 1 / np.array(n)
    keep("micro", "Q1", [STEEP.errors(fine, STEEP.law(CellProblem(n=k))) for k in n])
    keep("micro", "rest", [STEEP.errors(fine, K)] * len(n))
    return data


def envelope(data: Data, bc: str, norm: str = "energy") -> tuple[Array, Array]:
    """(R + 1/2, largest error over the sizes between R and R + 1 and all phases), for every whole R."""
    whole, error = np.floor(data["resonance.R"]), data[f"resonance.{bc}_{norm}"]
    R = np.unique(whole)
    return R + 0.5, np.array([error[whole == k].max() for k in R])


def curves(data: Data) -> dict[str, tuple[Array, Array, float]]:
    """What is fitted in the four panels, and the slope in theory: {"table, curve, norm": (x, error, slope)}."""
    H, delta, h = (data[name] for name in ("macro.H", "modelling.delta", "micro.h_over_eps"))
    alone, found = delta >= ALONE, {}
    for k, norm in enumerate(NORMS):
        for degree in (1, 2):
            found[f"macro, P{degree}, {norm}"] = H, data[f"macro.P{degree}_{norm}"], degree + k
        found[f"modelling, one-sided, {norm}"] = delta, data[f"modelling.one_sided_{norm}"], 1
        found[f"modelling, centred (δ ≥ {ALONE:g}), {norm}"] = delta[alone], data[f"modelling.centred_{norm}"][alone], 2
        for bc in ("dirichlet", "neumann"):
            found[f"resonance, {bc}, {norm}"] = *envelope(data, bc, norm), -1
        found[f"micro, Q1, {norm}"] = h, data[f"micro.Q1_{norm}"], 2
    return found


def one_problem(data: Data) -> Any:
    figure, axes = canvas(2, 2, figsize=(10.2, 8.6))
    tables, captions = dict(zip(("macro", "modelling", "resonance", "micro"), axes.flat, strict=True)), {
        "macro": "(a) macro.  Fixed: law exact to 3·10$^{-7}$ (Fourier cells)",
        "modelling": "(b) modelling.  Fixed: P4, H = 1/12; periodic, ε = δ/4 = 128 h",
        "resonance": "(c) resonance.  Fixed: P4, H = 1/12; ε = 10$^{-6}$, ε/h = 16",
        "micro": "(d) micro.  Fixed: P4, H = 1/12; periodic, δ = ε = 10$^{-6}$",
    }  # fmt: skip
    colors = {"P1": BLUE, "P2": GREEN, "one-sided": ORANGE, "centred": BLUE, "dirichlet": ORANGE, "neumann": BLUE}
    for bc, shift in (("dirichlet", 0.985), ("neumann", 1.015)):
        R, error = shift * data["resonance.R"], data[f"resonance.{bc}_energy"]
        tables["resonance"].loglog(R, error, ".", ms=2.5, color=colors[bc], alpha=0.4)
    for name, (x, y, order) in curves(data).items():
        table, what, norm = name.split(", ")
        if (table, norm) == ("resonance", "L2"):
            continue  # covers the energy
        look = {"ls": "-", "marker": "o"} if norm == "energy" else {"ls": "--", "marker": "s"}
        what_is = f"{what} envelope" if table == "resonance" else what
        label = f"{what_is}, {norm}: {fit_rate(x, y):.2f} ({order:g})"
        tables[table].loglog(
            x, y, ms=4, color=colors.get(what.split(" ")[0], PINK if norm == "energy" else BLUE), label=label, **look
        )
    tables["resonance"].plot([], [], ".", color="0.5", label="one size, one phase, energy")
    delta, late = data["modelling.delta"], data["modelling.delta"] < ALONE
    for norm, marker in zip(NORMS, "os", strict=True):
        y = data[f"modelling.centred_{norm}"][late]
        tables["modelling"].loglog(delta[late], y, marker, ms=4, mfc="white", color=BLUE)
    for table, ax in tables.items():
        ax.set_title(captions[table], fontsize=10)
        if table != "macro":
            ax.axhline(data[f"{table}.rest_energy"][0], color="0.5", ls=":", label="left by the other dials, energy")
    figure.suptitle(
        "−∇·(exp(2x$_1$ − x$_2$) b(x/ε) ∇u) = f,  b = (2 + sin 2πy$_1$)(2 + sin 2πy$_2$),  u⁰ = sin πx$_1$ sin 2πx$_2$;"
        "  phase 1/4 in (b), 16 phases in (c)",
        fontsize=10,
    )
    (a, b), (c, d) = axes
    for ax, label in ((a, "H"), (b, "δ"), (c, "δ / ε"), (d, "h / ε")):
        ax.set_xlabel(label)
    for ax in (a, c):
        ax.set_ylabel("error u⁰ − U$_H$, relative")
    b.set_ylim(2e-5, 2)
    c.set_ylim(5e-5, 0.6)
    for ax in (a, d):
        ticks(ax, (64, 32, 16, 8, 4))
    ticks(b, (80, 40, 20, 10, 5))
    c.set_xticks([1, 2, 4, 8, 12], ["1", "2", "4", "8", "12"])
    c.minorticks_off()
    for ax, place in ((a, "lower right"), (b, "upper left"), (c, "lower left"), (d, "upper left")):
        ax.legend(fontsize=8, loc=place, title="fitted slope (theory)", title_fontsize=8)
    return figure


# -- the micro grid, smooth media and jumps ------------------------------------------------------------------------------

TWO_MEDIA = {"smooth": (PERIOD, K), "disks": (media.inclusion(10.0, fraction=0.3), exact.cylinders(0.3, 10.0))}


def micro_data(modes: tuple[int, ...] = (4, 6, 8, 10, 12, 14)) -> Data:
    """Micro term in energy, relative to u0, of one period: Q1 elements and trigonometric polynomials, two media.

    A periodic cell has no other error than that of its grid, so U_* - U_H is the micro term.
    """
    n = np.unique(np.round(2 ** np.linspace(2, 7, 21)).astype(int))
    data, basis = {"n": n, "modes": np.array(modes)}, square(8, 2)
    U_star, norm = MILD.solve(basis, K), {"norm": "energy", "tensor": MILD.tensor(K)}
    size = U_star.error(lambda x: 0 * x[0], gradient=np.zeros_like, **norm)
    for name, (b, star) in TWO_MEDIA.items():

        def term(cell: CellProblem, b: Any = b, star: float = star) -> float:
            U_H = MILD.solve(basis, cell.effective_tensor(b) * K / star)
            return U_star.error(U_H, gradient=U_H.gradient_at, **norm) / size

        data[f"q1_{name}"] = np.array([term(CellProblem(n=int(k))) for k in n])
        data[f"fourier_{name}"] = np.array([term(CellProblem(n=k, scheme="fourier", tol=1e-10)) for k in modes])
    return data


def micro(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 4.0))
    for name, order, color in (("smooth", 2, BLUE), ("disks", 1, ORANGE)):
        rate_plot(left, 1 / data["n"], data[f"q1_{name}"], name, order, color=color, ms=4)
        right.semilogy(data["modes"], data[f"fourier_{name}"], "o-", color=color, label=name)
    left.set(xlabel="h / ε = 1 / n", ylabel="micro term, energy, relative", title="Q1 elements")
    ticks(left, (128, 32, 8))
    left.legend(fontsize=8)
    right.set(xlabel="n, points per period", title="trigonometric polynomials")
    right.legend()
    return figure


# -- the dials together ------------------------------------------------------------------------------------------------


def _digits(N: int) -> int:
    """Trigonometric polynomials that keep up with H^2: their error falls by 2 - sqrt(3) a point."""
    return 2 + int(np.ceil(2 * np.log(N) / np.log(2 + np.sqrt(3))))


def _half(R: float) -> float:
    """Half a period more than a whole number: samples of material whose period is not known."""
    return float(np.floor(R)) + 0.5


# name: (1/H, cell problem for it); P2 elements in the plane, so that the macro term is H^2
COUPLINGS: dict[str, tuple[tuple[int, ...], Any]] = {
    "fixed": ((2, 4, 8, 16, 32), lambda N: {"n": 8}),
    "slow": ((2, 4, 8, 16, 32), lambda N: {"n": round(np.sqrt(2 * N))}),
    "q1": ((2, 4, 8, 16, 32), lambda N: {"n": 2 * N}),
    "fourier": ((2, 4, 8, 16, 32), lambda N: {"n": _digits(N), "scheme": "fourier"}),
    "short": ((2, 3, 4, 6, 8, 12), lambda N: {"bc": "dirichlet", "n": 2 * N, "size": _half(N)}),
    "dirichlet": ((2, 3, 4, 6, 8), lambda N: {"bc": "dirichlet", "n": 2 * N, "size": _half(N**2 / 2)}),
}


def coupled_data() -> Data:
    """Energy errors and work while H shrinks and the sample follows it in six ways; the worse of two phases."""
    data = {}
    for name, (meshes, recipe) in COUPLINGS.items():
        cells = [CellProblem(**recipe(N)) for N in meshes]
        pairs = list(zip(meshes, cells, strict=True))
        worst = [max(MILD.errors(square(N, 2), MILD.law(cell, phase=s))[0] for s in (0.25, 0.75)) for N, cell in pairs]
        data[f"{name}.H"], data[f"{name}.error"] = 1 / np.array(meshes), np.array(worst)
        data[f"{name}.work"] = np.array([6.0 * N**2 * cell.cells**2 for N, cell in pairs])  # sampling points, unknowns
    return data


def coupled(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10.4, 4.6))
    for name, label, order, color, marker in (
        ("fixed", "periodic, h/ε = 1/8", 0, "0.5", "x"),
        ("slow", "periodic, h/ε ~ H$^{1/2}$", 1, PINK, "v"),
        ("q1", "periodic, h/ε ~ H", 2, BLUE, "o"),
        ("short", "Dirichlet, ε/δ ~ H", 1, GREEN, "^"),
        ("dirichlet", "Dirichlet, ε/δ ~ H$^2$", 2, ORANGE, "s"),
    ):
        H, error = data[f"{name}.H"], data[f"{name}.error"]
        rate = f": slope {fit_rate(H, error):.2f} ({order})" if order else ""
        left.loglog(H, error, marker=marker, ms=4, color=color, label=label + rate)
    for name, label, theory, color, marker in (
        ("dirichlet", "Dirichlet, Q1", "$^{-4}$", ORANGE, "s"),
        ("q1", "periodic, Q1", "$^{-2}$", BLUE, "o"),
        ("fourier", "periodic, Fourier", "$^{-1}$ log$^2$", "k", "D"),
    ):
        error, work = data[f"{name}.error"], data[f"{name}.work"]
        rate = f": slope {fit_rate(error, work):.2f} (tol{theory})"
        right.loglog(error, work, marker=marker, ms=4, color=color, label=label + rate)
    left.set(xlabel="H", ylabel="error in energy, relative", title="P2: what has to follow H", ylim=(2e-4, None))
    right.set(xlabel="error in energy, relative", ylabel="sampling points × unknowns", title="what a tolerance costs")
    right.set_ylim(None, 2e10)
    ticks(left, (32, 16, 8, 4, 2))
    left.legend(fontsize=8, loc="lower right")
    right.legend(fontsize=8, loc="upper right")
    return figure
