"""Figures of chapter 06, error analysis: the ladder of five problems, a corner, budgets of all four terms, and the planner."""

from typing import Any

import numpy as np
import skfem
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from hmm_core import (
    CellProblem,
    ErrorBudget,
    ExactClosure,
    decompose_error,
    macro_basis,
    media,
    plan,
    solve_elliptic,
)
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, rate_plot

TERMS = ("macro", "modelling", "resonance", "micro")
COLORS = dict(zip(TERMS, (BLUE, GREEN, ORANGE, PINK), strict=True))
SLOPE = (1.0, -0.7)


# -- the model problem: everything about it is known -------------------------------------------------------------------


def factor(x: Array) -> Array:
    """exp(x_1 - 0.7 x_2): how the material varies slowly."""
    return np.exp(np.tensordot(SLOPE, x, axes=1))


PERIOD = media.separable(media.Sine(2, 1), media.Sine(2, 1))  # (2 + sin 2 pi y_1)(2 + sin 2 pi y_2)
GRADED = media.graded(factor, PERIOD)
LAYERS = media.graded(lambda x: np.exp(x[0]), media.layered(media.cosine(2, 1, -1), (1.0,)))  # e^x / (2 + cos 2 pi y)
K = float(PERIOD.effective()[0, 0])  # 2 sqrt 3


def shifted(s: float) -> Any:
    """The periodic material, moved by s periods in both directions."""
    return lambda x, y: PERIOD(x, y + s)


def u0(x: Array) -> Array:
    return np.sin(np.pi * x[0]) * np.sin(np.pi * x[1])


def grad_u0(x: Array) -> Array:
    s, c = np.sin(np.pi * x), np.cos(np.pi * x)
    return np.pi * np.array([c[0] * s[1], s[0] * c[1]])


def graded_source(x: Array) -> Array:
    """f = -div(K exp(g . x) grad u0)."""
    return K * factor(x) * (2 * np.pi**2 * u0(x) - np.tensordot(SLOPE, grad_u0(x), axes=1))


GRADED_PROBLEM = {"source": graded_source, "exact": u0, "gradient": grad_u0}


def _moments(g: float) -> tuple[float, float]:
    """int e^(g t) sin^2(pi t) dt and int e^(g t) cos^2(pi t) dt over (0, 1)."""
    half, wave = (np.exp(g) - 1) / (2 * g), g * (np.exp(g) - 1) / (2 * (g**2 + 4 * np.pi**2))
    return half - wave, half + wave


def energy_norm_of_u0() -> float:
    """(int K exp(g . x) |grad u0|^2 dx)^(1/2)."""
    (s1, c1), (s2, c2) = (_moments(g) for g in SLOPE)
    return float(np.sqrt(K * np.pi**2 * (c1 * s2 + s1 * c2)))


GRADED_SIZE = energy_norm_of_u0()


def square(N: int, degree: int = 1) -> skfem.CellBasis:
    """N x N squares, two triangles each; P1 or P2."""
    line = np.linspace(0, 1, N + 1)
    element = skfem.ElementTriP1() if degree == 1 else skfem.ElementTriP2()
    return macro_basis(skfem.MeshTri.init_tensor(line, line), element)


def shares(budget: ErrorBudget, size: float) -> Array:
    """The four terms and the total, relative to the norm of u0."""
    return np.array([*budget.terms.values(), budget.total]) / size


def budgets(settings: list[dict], eps: float = 0.04, degree: int = 2, resolution: float = 0.3) -> Array:
    """Four relative terms and the total (settings, 5), in the energy norm: N x N squares, cells of R periods, n elements."""
    rows = []
    for setting in settings:
        how = {"bc": "dirichlet", "offset": 0.5} | {k: v for k, v in setting.items() if k not in ("N", "R")}
        cell = CellProblem(size=setting["R"], tol=1e-6, **how)
        problem = {"eps": eps, "basis": square(setting["N"], degree), "cell": cell, "resolution": resolution}
        rows.append(shares(decompose_error(GRADED, **problem, **GRADED_PROBLEM), GRADED_SIZE))
    return np.array(rows)


def ticks(ax: Any, denominators: tuple[int, ...]) -> None:
    """Ticks 1/k on a logarithmic horizontal axis, and no others."""
    ax.set_xticks([1 / k for k in denominators], [f"1/{k}" for k in denominators])
    ax.minorticks_off()


# -- the ladder --------------------------------------------------------------------------------------------------------


def ladder_data(N: int = 4, R: float = 1.5, n: int = 6, eps: float = 0.04) -> Data:
    terms = budgets([{"N": N, "R": R, "n": n}], eps=eps, resolution=0.02)[0]
    return {"terms": terms, "delta": np.array(R * eps), "H": np.array(1 / N)}


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


# -- a corner of the domain ----------------------------------------------------------------------------------------------


def l_shape(x: Array) -> Array:
    """r^(2/3) sin(2 phi/3), harmonic around the inward corner of the L; phi from its upper edge."""
    r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
    return r ** (2 / 3) * np.sin(2 * phi / 3)


def grad_l_shape(x: Array) -> Array:
    r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
    outward, around = x / r, np.array([-x[1], x[0]]) / r
    return 2 / 3 * r ** (-1 / 3) * (np.sin(2 * phi / 3) * outward + np.cos(2 * phi / 3) * around)


def corner_data(levels: tuple[int, ...] = (1, 2, 3, 4, 5)) -> Data:
    """The macro term u0 - U_*, which needs no sample, for u0 on the L-shaped domain: P1 and P2."""
    data = {"H": 0.5 ** np.array(levels)}
    for name, element in (("P1", skfem.ElementTriP1()), ("P2", skfem.ElementTriP2())):
        bases = [macro_basis(skfem.MeshTri.init_lshaped().refined(level), element) for level in levels]
        solutions = [solve_elliptic(basis, ExactClosure(1.0), 0.0, dirichlet=l_shape) for basis in bases]
        for norm in ("energy", "L2"):
            errors = [u.error(l_shape, norm, gradient=grad_l_shape, tensor=1.0) for u in solutions]
            data[f"{name}_{norm}"] = np.array(errors)
    return data


def corner(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.6, 3.6))
    for ax, norm, order in zip(axes, ("energy", "L2"), (0.667, 1.333), strict=True):
        for name, color, expected in (("P1", BLUE, order), ("P2", ORANGE, None)):
            rate_plot(ax, data["H"], data[f"{name}_{norm}"], name, expected, color=color)
        ax.set(xlabel="H", title=f"{norm} norm")
        ticks(ax, (32, 16, 8, 4, 2))
    axes[0].set_ylabel("macro term on the L")
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
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 4.2))
    tol, looks = data["tolerance"], {"dirichlet": ("Dirichlet samples", ORANGE, "^"), "any": ("any kind", BLUE, "o")}
    left.fill_between(tol, tol / 10, tol, color="0.85", label="from tol/10 to tol")
    for kind, (label, color, marker) in looks.items():
        N, R, n, predicted, achieved, cost = data[kind].T
        left.loglog(tol, predicted, color=color, label=f"{label}, predicted")
        left.loglog(tol, achieved, color=color, marker=marker, ls="", label=f"{label}, achieved")
        right.loglog(tol, cost, color=color, marker=marker, label=label)
        for k in range(len(tol)):
            if kind == "any" and (data["any"][k, :3] == data["dirichlet"][k, :3]).all():
                continue  # the same H, delta/eps, n, written once
            place = {"xytext": (10, 4), "ha": "left"} if kind == "dirichlet" else {"xytext": (0, -16), "ha": "center"}
            note = f"1/{N[k]:.0f}, {R[k]:g}, {n[k]:.0f}"
            right.annotate(note, (tol[k], cost[k]), textcoords="offset points", va="center", fontsize=8, **place)
    left.set(xlabel="tolerance", ylabel="error in energy, relative", title="what was promised, and kept")
    right.set(xlabel="tolerance", ylabel="unknowns × iterations", title="what it costs; beside it H, δ/ε, n")
    right.set(
        xlim=(0.7 * tol.min(), 1.8 * tol.max()), ylim=(0.2 * data["any"][:, 5].min(), 3 * data["dirichlet"][:, 5].max())
    )
    for ax in (left, right):
        ax.set_xticks(tol, [f"{100 * t:g} %" for t in tol])
        ax.minorticks_off()
        ax.legend(fontsize=8, frameon=True, framealpha=1, edgecolor="0.7")  # the band's swatch lies on the band
    return figure
