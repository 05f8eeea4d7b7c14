"""Figures of chapter 06, error analysis: the ladder of five problems, each of its steps alone, and budgets of all four."""

from typing import Any

import numpy as np
import skfem
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from hmm_core import (
    CellProblem,
    ErrorBudget,
    ExactClosure,
    Solution,
    decompose_error,
    macro_basis,
    media,
    plan,
    solve_elliptic,
)
from hmm_course.figures import Array, Data, canvas, rate_plot

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
TERMS = ("macro", "modelling", "resonance", "micro")
COLORS = dict(zip(TERMS, (BLUE, GREEN, ORANGE, PINK), strict=True))
SLOPE = (1.0, -0.7)


# -- the model problem: everything about it is known -------------------------------------------------------------------


def factor(x: Array) -> Array:
    """exp(x_1 - 0.7 x_2): how the material varies slowly."""
    return np.exp(np.tensordot(SLOPE, x, axes=1))


PERIOD = media.separable(media.Sine(2, 1), media.Sine(2, 1))  # (2 + sin 2 pi y_1)(2 + sin 2 pi y_2)
GRADED = media.graded(factor, PERIOD)
K = float(PERIOD.effective()[0, 0])  # 2 sqrt 3


def u0(x: Array) -> Array:
    return np.sin(np.pi * x[0]) * np.sin(np.pi * x[1])


def grad_u0(x: Array) -> Array:
    s, c = np.sin(np.pi * x), np.cos(np.pi * x)
    return np.pi * np.array([c[0] * s[1], s[0] * c[1]])


def flat_source(x: Array) -> Array:
    """f = -div(K grad u0)."""
    return 2 * np.pi**2 * K * u0(x)


def graded_source(x: Array) -> Array:
    """f = -div(K exp(g . x) grad u0)."""
    return factor(x) * (flat_source(x) - K * np.tensordot(SLOPE, grad_u0(x), axes=1))


FLAT_PROBLEM = {"source": flat_source, "exact": u0, "gradient": grad_u0, "effective": K, "frozen": True}
GRADED_PROBLEM = {"source": graded_source, "exact": u0, "gradient": grad_u0}


def _moments(g: float) -> tuple[float, float]:
    """int e^(g t) sin^2(pi t) dt and int e^(g t) cos^2(pi t) dt over (0, 1)."""
    half, wave = (np.exp(g) - 1) / (2 * g), g * (np.exp(g) - 1) / (2 * (g**2 + 4 * np.pi**2))
    return half - wave, half + wave


def energy_norm_of_u0() -> float:
    """(int K exp(g . x) |grad u0|^2 dx)^(1/2)."""
    (s1, c1), (s2, c2) = (_moments(g) for g in SLOPE)
    return float(np.sqrt(K * np.pi**2 * (c1 * s2 + s1 * c2)))


FLAT_SIZE = float(np.sqrt(K * np.pi**2 / 2))  # energy norm of u0 for A* = K
GRADED_SIZE = energy_norm_of_u0()  # and for A* = K exp(g . x)


def square(N: int, degree: int = 1) -> skfem.CellBasis:
    """N x N squares, two triangles each; P1 or P2."""
    line = np.linspace(0, 1, N + 1)
    element = skfem.ElementTriP1() if degree == 1 else skfem.ElementTriP2()
    return macro_basis(skfem.MeshTri.init_tensor(line, line), element)


def shares(budget: ErrorBudget, size: float) -> Array:
    """The four terms and the total, relative to the norm of u0."""
    return np.array([*budget.terms.values(), budget.total]) / size


def budgets(settings: list[dict], eps: float = 0.04, degree: int = 2) -> Array:
    """Four relative terms and the total (settings, 5), in the energy norm: N x N squares, cells of R periods, n elements."""
    rows = []
    for setting in settings:
        how = {"bc": "dirichlet", "offset": 0.5} | {k: v for k, v in setting.items() if k not in ("N", "R")}
        cell = CellProblem(size=setting["R"], tol=1e-6, **how)
        problem = {"eps": eps, "basis": square(setting["N"], degree), "cell": cell, "resolution": 0.3}
        rows.append(shares(decompose_error(GRADED, **problem, **GRADED_PROBLEM), GRADED_SIZE))
    return np.array(rows)


def ticks(ax: Any, denominators: tuple[int, ...]) -> None:
    """Ticks 1/k on a logarithmic horizontal axis, and no others."""
    ax.set_xticks([1 / k for k in denominators], [f"1/{k}" for k in denominators])
    ax.minorticks_off()


# -- the ladder --------------------------------------------------------------------------------------------------------


def ladder_data(N: int = 4, R: float = 1.5, n: int = 6, eps: float = 0.04) -> Data:
    return {"terms": budgets([{"N": N, "R": R, "n": n}], eps=eps)[0], "delta": np.array(R * eps), "H": np.array(1 / N)}


def ladder(data: Data) -> Any:
    figure, ax = canvas(figsize=(10, 4.6))
    ax.set(xlim=(0, 10.2), ylim=(-0.15, 5))
    ax.set_axis_off()
    steps = (
        ("u⁰", "homogenized solution\nno mesh, no sample"),
        ("U*", "macro mesh H\nexact law A*"),
        ("U$_∞$", "+ samples of size δ\nof the smooth A*"),
        ("U$_δ$", "+ oscillations of\nperiod ε, resolved"),
        ("U$_H$", "+ micro grid h:\nwhat we compute"),
    )
    causes = ("H", "δ", "ε / δ", "h / ε")
    for k, (name, text) in enumerate(steps):
        x, y = 0.1 + 2.0 * k, 3.6 - 0.87 * k
        color = "0.25" if k == 0 else COLORS[TERMS[k - 1]]
        style = {"boxstyle": "round,pad=0.02,rounding_size=0.12", "fc": "white", "ec": color, "lw": 1.8}
        ax.add_patch(FancyBboxPatch((x, y), 1.9, 1.15, **style))
        ax.text(x + 0.95, y + 0.86, name, ha="center", va="center", weight="bold", color=color, fontsize=13)
        ax.text(x + 0.95, y + 0.37, text, ha="center", va="center", fontsize=9)
        if k:
            start, end = (x - 0.05, y + 1.6), (x + 0.9, y + 1.22)
            arrow = {"arrowstyle": "-|>", "mutation_scale": 15, "lw": 1.8, "color": color}
            ax.add_patch(FancyArrowPatch(start, end, connectionstyle="arc3,rad=-0.35", **arrow))
            label = f"{TERMS[k - 1]}, by {causes[k - 1]}: {100 * data['terms'][k - 1]:.2f} %"
            ax.text(x + 0.85, y + 1.68, label, va="center", color=color)
    total = f"u⁰ − U$_H$: {100 * data['terms'][4]:.2f} %  (sum of the four: {100 * data['terms'][:4].sum():.2f} %)"
    ax.text(0.1, 0.35, total, fontsize=11)
    ax.set_title("One change at a time, from what we want to what we compute")
    return figure


# -- each term alone ---------------------------------------------------------------------------------------------------


def l_shape(x: Array) -> Array:
    """r^(2/3) sin(2 phi/3), harmonic around the inward corner of the L; phi from its upper edge."""
    r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
    return r ** (2 / 3) * np.sin(2 * phi / 3)


def grad_l_shape(x: Array) -> Array:
    r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
    outward, around = x / r, np.array([-x[1], x[0]]) / r
    return 2 / 3 * r ** (-1 / 3) * (np.sin(2 * phi / 3) * outward + np.cos(2 * phi / 3) * around)


def macro_data(N: tuple[int, ...] = (4, 8, 16, 32, 64), levels: tuple[int, ...] = (1, 2, 3, 4, 5)) -> Data:
    """The macro term u0 - U_*, which needs no sample: smooth u0 with P1 and P2 in two norms; u0 on the L-shaped domain."""
    N = np.array(N)
    data = {"H": 1 / N, "H_corner": 0.5 ** np.array(levels)}

    def keep(name: str, solutions: list[Solution], exact: Any, gradient: Any, A: float) -> None:
        for norm in ("energy", "L2"):
            errors = [u.error(exact, norm, gradient=gradient, tensor=A) for u in solutions]
            data[f"{name}_{norm}"] = np.array(errors)

    for degree in (1, 2):  # P2 on twice as large elements: the same number of unknowns
        bases = [square(int(k) // degree, degree) for k in N]
        keep(f"P{degree}", [solve_elliptic(b, ExactClosure(K), flat_source) for b in bases], u0, grad_u0, K)
    meshes = [skfem.MeshTri.init_lshaped().refined(level) for level in levels]
    bases = [macro_basis(mesh, skfem.ElementTriP1()) for mesh in meshes]
    corner = [solve_elliptic(b, ExactClosure(1.0), 0.0, dirichlet=l_shape) for b in bases]
    keep("corner", corner, l_shape, grad_l_shape, 1.0)
    return data


def macro(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 4.2))
    for degree, norm, color, order in (
        (1, "energy", BLUE, 1),
        (1, "L2", ORANGE, 2),
        (2, "energy", GREEN, 2),
        (2, "L2", PINK, 3),
    ):
        rate_plot(left, degree * data["H"], data[f"P{degree}_{norm}"], f"P{degree}, {norm}", order, color=color)
    rate_plot(right, data["H_corner"], data["corner_energy"], "P1, energy", 0.667, color=BLUE)
    rate_plot(right, data["H_corner"], data["corner_L2"], "P1, L2", 1.333, color=ORANGE)
    left.set(xlabel="H", ylabel="macro term", title="smooth u⁰ on the square", ylim=(8e-8, None))
    right.set(xlabel="H", title="u⁰ = r$^{2/3}$ sin(2φ/3) on the L")
    ticks(left, (64, 32, 16, 8, 4, 2))
    ticks(right, (32, 16, 8, 4, 2))
    left.legend(fontsize=7.5, ncols=2, loc="lower right")
    right.legend(fontsize=8)
    for line in (*left.get_legend().get_lines(), *right.get_legend().get_lines()):
        line.set_markersize(4)
    return figure


LAYERS = media.graded(lambda x: np.exp(x[0]), media.layered(media.cosine(2, 1, -1), (1.0,)))


def modelling_data(delta: tuple[float, ...] = (0.2, 0.1, 0.05, 0.025, 0.0125)) -> Data:
    """The modelling term on a line, a = e^x / (2 + cos 2 pi y), samples of one period, delta = eps: x at an end, or centred."""
    data, basis = {"delta": np.array(delta)}, macro_basis(skfem.MeshLine().refined(4), skfem.ElementLineP1())
    known = {"exact": 0.0, "gradient": np.zeros_like}  # u0 is of no interest here
    for name, offset in (("one-sided", 0.5), ("centred", 0.0)):
        cell = CellProblem(dim=1, n=8, offset=offset)
        for norm in ("energy", "L2"):
            problem = {"basis": basis, "norm": norm, "cell": cell, "source": 1.0}
            found = [decompose_error(LAYERS, eps=d, **problem, **known) for d in delta]
            data[f"{name}_{norm}"] = np.array([budget.modelling for budget in found])
    return data


def modelling(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.6, 3.8), sharey=True)
    for ax, norm in zip(axes, ("energy", "L2"), strict=True):
        rate_plot(ax, data["delta"], data[f"one-sided_{norm}"], "x in a corner", 1, color=ORANGE)
        rate_plot(ax, data["delta"], data[f"centred_{norm}"], "x in the centre", 2, color=BLUE)
        ax.set(xlabel="δ", title=f"{norm} norm", ylim=(1e-8, 0.1))
        ax.legend(fontsize=8, loc="lower right")
        ticks(ax, (80, 40, 20, 10, 5))
    axes[0].set_ylabel("modelling term")
    return figure


def shifted(s: float) -> Any:
    """The periodic material, moved by s periods in both directions."""
    return lambda x, y: PERIOD(x, y + s)


def resonance_data(
    whole: tuple[int, ...] = (1, 2, 3, 4, 6), parts: tuple[float, ...] = (0.25, 0.5, 0.75), n: int = 4
) -> Data:
    """The resonance term (whole + part periods; two phases), Dirichlet and Neumann, and periodic cells of whole periods."""
    data = {"R": np.array(whole, dtype=float), "parts": np.array(parts)}

    def term(size: float, bc: str, shift: float, norm: str = "energy") -> float:
        cell = CellProblem(n=n, size=size, bc=bc, tol=1e-6)
        problem = {"eps": 1e-3, "basis": square(2), "cell": cell, "norm": norm, "resolution": 0.3}
        return decompose_error(shifted(shift), **problem, **FLAT_PROBLEM).resonance

    for bc in ("dirichlet", "neumann"):
        data[bc] = np.array([[[term(R + p, bc, s) for s in (0.0, 0.25)] for p in parts] for R in whole]) / FLAT_SIZE
    data["periodic"] = np.array([term(R, "periodic", 0.0) for R in whole]) / FLAT_SIZE
    data["periodic"] = np.where(data["periodic"] < 1e-9, 0.0, data["periodic"])  # round-off
    return data


def envelope(data: Data, bc: str) -> Array:
    """The largest term over fractional parts and phases, for every whole number of periods."""
    return data[bc].max(axis=(1, 2))


def resonance(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.6, 3.8), sharey=True)
    for ax, bc, color in zip(axes, ("dirichlet", "neumann"), (ORANGE, BLUE), strict=True):
        R = (data["R"][:, None, None] + data["parts"][:, None] + np.zeros(2)).ravel()
        ax.loglog(R, data[bc].ravel(), ".", color="0.6", label="one size, one phase")
        rate_plot(ax, data["R"] + 0.5, envelope(data, bc), "envelope", -1, color=color)
        ax.set(xlabel="δ / ε", title=f"{bc.capitalize()} cells", xticks=[1, 2, 4, 8], xticklabels=["1", "2", "4", "8"])
        ax.minorticks_off()
        ax.legend(fontsize=8, loc="lower left")
        ax.set_ylim(1e-3, 0.4)
    axes[0].set_ylabel("resonance term / ‖u⁰‖")
    return figure


def micro_data(n: tuple[int, ...] = (8, 14, 24, 44, 80), modes: tuple[int, ...] = (4, 6, 8, 10, 12, 14)) -> Data:
    """The micro term of one period: Q1 elements in two norms, trigonometric polynomials in the energy norm."""
    data = {"n": np.array(n), "modes": np.array(modes)}

    def term(norm: str, **cell: Any) -> float:
        problem = {"eps": 1e-3, "basis": square(2), "cell": CellProblem(**cell), "norm": norm}
        return decompose_error(PERIOD, **problem, **FLAT_PROBLEM).micro

    for norm in ("energy", "L2"):
        data[f"q1_{norm}"] = np.array([term(norm, n=k) for k in n])
    data["fourier"] = np.array([term("energy", n=k, scheme="fourier", tol=1e-13) for k in modes])
    return data


def micro(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.8))
    for norm, color in (("energy", BLUE), ("L2", ORANGE)):
        rate_plot(left, 1 / data["n"], data[f"q1_{norm}"], f"Q1, {norm}", 2, color=color)
    left.set(xlabel="h / ε = 1 / n", ylabel="micro term", title="Q1 elements: a power")
    ticks(left, (80, 40, 20, 10))
    rate = np.polyfit(data["modes"], np.log(data["fourier"]), 1)[0]
    right.semilogy(
        data["modes"], data["fourier"], "o-", color=GREEN, label=f"Fourier, energy: × {np.exp(rate):.2f} per point"
    )
    right.set(xlabel="n, points per period", title="trigonometric polynomials: an exponential")
    right.legend()
    return figure


# -- the budget while one parameter moves ------------------------------------------------------------------------------

BASE = {"N": 3, "R": 1.5, "n": 8}
MOVES = {"N": (2, 3, 4, 6), "R": (0.5, 1.5, 2.5, 3.5), "n": (4, 8, 16, 32)}


def budget_data(eps: float = 0.04) -> Data:
    """Budgets around ``BASE``, P2, one-sided Dirichlet cells: rows of four relative terms and the total."""
    data = {}
    for name, values in MOVES.items():
        data[name] = np.array(values, dtype=float)
        data[f"{name}_terms"] = budgets([BASE | {name: value} for value in values], eps=eps)
    return data


def stack(ax: Any, names: list[str], rows: Array) -> None:
    """Stacked bars of the four terms in per cent, the total as a diamond."""
    bottom, at = np.zeros(len(rows)), np.arange(len(rows))
    for k, term in enumerate(TERMS):
        ax.bar(at, 100 * rows[:, k], 0.6, bottom, color=COLORS[term], label=term)
        bottom = bottom + 100 * rows[:, k]
    ax.plot(at, 100 * rows[:, 4], "kD", ms=6, mfc="white", mew=1.5, ls="none", label="total, measured")
    ax.set_xticks(at, names)


def budget(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(10.5, 4.2), sharey=True)
    labels = {"N": "H = 1/{:.0f}", "R": "{:.1f}", "n": "{:.0f}"}
    titles = {"N": "finer macro mesh", "R": "larger sample, δ/ε", "n": "finer micro grid, ε/h"}
    for ax, name in zip(axes, MOVES, strict=True):
        stack(ax, [labels[name].format(v) for v in data[name]], data[f"{name}_terms"])
        ax.set(title=titles[name], xlabel={"N": "H", "R": "δ/ε", "n": "n"}[name])
        ax.grid(axis="x", visible=False)
    axes[0].set_ylabel("error in energy, % of u⁰")
    axes[2].legend(loc="upper right", fontsize=8)
    return figure


# -- the planner, and what becomes of its plans --------------------------------------------------------------------------

KINDS = {"dirichlet": [CellProblem(bc="dirichlet")], "any": None}


def planner_data(tolerances: tuple[float, ...] = (0.2, 0.1, 0.05), eps: float = 1 / 200) -> Data:
    """Plans for P2 elements, from Dirichlet samples and from all kinds: rows (N, R, n, predicted, achieved error, cost)."""
    source, exact, gradient = (GRADED_PROBLEM[name] for name in ("source", "exact", "gradient"))
    data = {"tolerance": np.array(tolerances)}
    for kind, cells in KINDS.items():
        rows = []
        for tol in tolerances:
            p = plan(GRADED, eps=eps, tol=tol, source=source, element=skfem.ElementTriP2(), cells=cells)
            U = solve_elliptic(p.basis, p.closure, source)
            error = U.error(exact, "energy", gradient=gradient, tensor=GRADED.effective) / GRADED_SIZE
            rows.append([p.N, p.cell.size, p.cell.n, p.error, error, p.cost])
        data[kind] = np.array(rows)
    return data


def planner(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.9))
    tol, looks = data["tolerance"], {"dirichlet": ("Dirichlet samples", ORANGE, "^"), "any": ("any kind", BLUE, "o")}
    left.fill_between(tol, tol / 10, tol, color="0.9", label="tol/10 to tol")
    for kind, (label, color, marker) in looks.items():
        N, R, n, predicted, achieved, cost = data[kind].T
        left.loglog(tol, predicted, color=color, label=f"{label}, predicted")
        left.loglog(tol, achieved, color=color, marker=marker, ls="", label=f"{label}, achieved")
        right.loglog(tol, cost, color=color, marker=marker, label=label)
        below = {"xytext": (0, -14 if kind == "any" else 7), "textcoords": "offset points"}
        for k in range(len(tol)):
            right.annotate(f"1/{N[k]:.0f}, {R[k]:g}, {n[k]:.0f}", (tol[k], cost[k]), fontsize=8, ha="center", **below)
    left.set(xlabel="tolerance", ylabel="error in energy, relative", title="what was promised, and kept")
    right.set(xlabel="tolerance", ylabel="unknowns × iterations", title="what it costs, by H, δ/ε, n")
    right.set(xlim=(0.7 * tol.min(), 1.4 * tol.max()), ylim=(0.3 * cost.min(), 3 * data["dirichlet"][:, 5].max()))
    for ax in (left, right):
        ax.set_xticks(tol, [f"{100 * t:g} %" for t in tol])
        ax.minorticks_off()
        ax.legend(fontsize=8)
    return figure
