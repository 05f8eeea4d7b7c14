"""Figures of chapter 01, the macro-micro dialogue: who says what, one micro problem, rounds, a flow in time, rivals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from hmm_core import CellClosure, CellProblem, ExactClosure, macro, macro_basis, solve_elliptic
from hmm_core.closure import Answer
from hmm_core.compare import msfem_line
from hmm_course.figures import AMBER, BLUE, GREEN, ORANGE, PINK, SKY, Array, Data, canvas, field_plot, fit_rate

# -- a medium whose contrast is set by the macro state ----------------------------------------------------------------------


def woven(beta: Array | float, y: Array) -> Array:
    r"""(2 + beta sin 2 pi (y_1 + y_2)) (2 + beta sin 2 pi (y_1 - y_2)): separable along the diagonals of the plane.

    Its mean is 4 whatever beta; its effective tensor is harmonic mean times arithmetic mean, 2 sqrt(4 - beta^2) I.
    """
    up, down = y[0] + y[1], y[0] - y[1]
    return (2 + beta * np.sin(2 * np.pi * up)) * (2 + beta * np.sin(2 * np.pi * down))


def contrast(u: Array) -> Array:
    """beta(u) = 1.8 tanh(2 u): homogeneous when cold, strongly heterogeneous when warm."""
    return 1.8 * np.tanh(2 * u)


def effective_conductivity(u: Array) -> Array:
    """2 sqrt(4 - beta(u)^2), the closed form that a cell problem does not know."""
    return 2 * np.sqrt(4 - contrast(u) ** 2)


@dataclass(frozen=True)
class StateClosure:
    """sigma = A(u) grad U with A(u) from the cell problem of the woven medium at contrast(strength u).

    The tangent in u is the difference to a second cell problem, at u + step.
    """

    cell: CellProblem
    strength: float = 1.0
    step: float = 1e-4

    def _medium(self, x: Array, y: Array) -> Array:
        return woven(contrast(self.strength * x[0]), y)

    def __call__(self, x: Array, u: Array, grad: Array) -> Answer:
        here, above = (
            self.cell.solve(self._medium, np.array([u + s, 0 * u]), correctors=False) for s in (0, self.step)
        )
        slope = (above.tensor - here.tensor) / self.step
        flux, d_du = (np.einsum("ijk,jk->ik", part, grad) for part in (here.tensor, slope))
        info = {"micro_solves": 2 * u.size}
        return Answer(flux, d_du, here.tensor, info=info)


# -- the dialogue as boxes and arrows ----------------------------------------------------------------------------------------


def dialogue_data(n: int = 32) -> Data:
    """How many numbers cross each border in two dimensions, counted on the arrays themselves."""
    cell = CellProblem(dim=2, n=n)
    micro = cell.solve(lambda x, y: woven(1.5, y))
    x, u, grad = np.zeros((2, 1)), np.zeros(1), np.ones((2, 1))
    flux, d_du, d_dgrad = ExactClosure(np.eye(2))(x, u, grad)
    unknowns = micro.correctors[..., :-1, :-1].size  # the last row repeats the first
    return {
        "down": np.array(x.size + u.size + grad.size),
        "up": np.array(flux.size + d_du.size + d_dgrad.size),
        "samples": np.array(cell.grid.points.shape[1]),
        "unknowns": np.array(unknowns),
        "compression": np.array(unknowns / micro.tensor.size),
    }


def dialogue(data: Data) -> Any:
    figure, ax = canvas(figsize=(8.2, 4.1))
    ax.set(xlim=(0, 10), ylim=(0, 5))
    ax.set_axis_off()
    ax.set_title("The dialogue at one sampling point, once per round")

    def box(x: float, y: float, w: float, h: float, color: str, title: str, text: str) -> None:
        style = {"boxstyle": "round,pad=0.02,rounding_size=0.15", "fc": color + "1a", "ec": color, "lw": 1.6}
        ax.add_patch(FancyBboxPatch((x, y), w, h, **style))
        ax.text(x + w / 2, y + h - 0.3, title, ha="center", va="center", weight="bold", color=color)
        ax.text(x + w / 2, y + (h - 0.4) / 2, text, ha="center", va="center", fontsize=9, linespacing=1.5)

    def arrow(start: tuple, end: tuple, color: str, bend: float = 0.0) -> None:
        style = {"arrowstyle": "-|>", "mutation_scale": 16, "lw": 1.8, "color": color}
        ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **style))

    box(
        0.2,
        3.1,
        9.6,
        1.6,
        BLUE,
        "macro solver",
        "knows the conservation law, the mesh and the data; stores U\ndoes not know σ",
    )
    counts = f"{data['samples']} samples of a, {data['unknowns']} unknowns w"
    box(
        2.9, 0.1, 4.2, 1.6, ORANGE, "micro problem", f"knows the material a(x, y)\n{counts}\nforgotten after the answer"
    )
    arrow((3.6, 3.05), (3.6, 1.78), "0.25")
    arrow((6.4, 1.78), (6.4, 3.05), "0.25")
    ax.text(3.4, 2.42, f"1. restriction\nx, U, ∇U: {data['down']} numbers", ha="right", va="center", linespacing=1.4)
    answer = f"3. reconstruction\nσ and its tangent: {data['up']} numbers"
    ax.text(6.6, 2.42, answer, ha="left", va="center", linespacing=1.4)
    ax.text(5.0, 2.42, "2. micro solve", ha="center", va="center", color=ORANGE)
    ax.text(9.6, 3.35, "4. macro update ↻", ha="right", va="center", color=BLUE)
    return figure


# -- one round by hand: a line, then a plane ---------------------------------------------------------------------------------


def line_micro_data(elements: int = 4, n: int = 64) -> Data:
    """The four micro problems of the first round on a line: a = (1 + x)/(2 + cos 2 pi y) at the element midpoints."""
    x = (np.arange(elements) + 0.5) / elements
    micro = CellProblem(dim=1, n=n).solve(lambda x, y: (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0])), x=x[None])
    y = micro.nodes
    return {
        "x": x,
        "y": y,
        "a": (1 + x[:, None]) / (2 + np.cos(2 * np.pi * y)),
        "v": y + micro.correctors[0],
        "effective": micro.tensor[0, 0],
    }


def line_micro(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(10, 3.3))
    y, colors = data["y"], (BLUE, ORANGE, GREEN, PINK)
    middles, a = (y[1:] + y[:-1]) / 2, (data["a"][:, 1:] + data["a"][:, :-1]) / 2
    flux = a * np.diff(data["v"]) / np.diff(y)
    for k, x in enumerate(data["x"]):
        left.plot(y, data["a"][k], color=colors[k % 4], label=f"x = {x:.3f}")
        right.plot(middles, flux[k], color=colors[k % 4])
        right.annotate(f"{data['effective'][k]:.4f}", (0.02, data["effective"][k]), va="bottom", fontsize=9)
    middle.plot(y, y, color="0.55", ls="--", lw=1.2, label="macro field, slope G = 1")
    middle.plot(y, data["v"][0], color="black", label="micro field y + w")
    left.set(xlabel="y", ylabel="a(x, y)", title="The material near x", ylim=(0, 2.6))
    left.legend(ncols=2, loc="upper center", fontsize=8)
    middle.set(xlabel="y", ylabel="y + w(y)", title="What the micro problem finds", ylim=(-0.55, 0.85))
    middle.legend(loc="upper left")
    right.set(xlabel="y", ylabel="a (1 + w′)", title="What it reports", ylim=(0, 1.15))
    return figure


def plane_micro_data(n: int = 32, beta: float = 1.5) -> Data:
    """One cell problem in the plane: coefficient, corrected field y_1 + w_1 and current density for a unit gradient e_1."""
    micro = CellProblem(dim=2, n=n, tol=1e-12).solve(lambda x, y: woven(beta, y))
    y = micro.nodes
    middles = (y[1:] + y[:-1]) / 2
    a = woven(beta, np.array(np.meshgrid(middles, middles, indexing="ij")))
    v = y[:, None] + micro.correctors[0]
    across, along = (v[:, 1:] + v[:, :-1]) / 2, (v[1:] + v[:-1]) / 2
    flux = a * np.array([np.diff(across, axis=0), np.diff(along, axis=1)]) / (y[1] - y[0])
    return {"y": y, "a": a, "v": v, "flux": flux, "tensor": micro.tensor}


def plane_micro(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(10.5, 3.5))
    y = data["y"]
    extent = (y[0], y[-1], y[0], y[-1])
    field_plot(axes[0], data["a"], extent, "coefficient a(y)", cmap="cividis")
    levels = np.linspace(-0.6, 0.6, 25)
    axes[1].contour(y, y, data["v"].T, levels, colors=BLUE, linestyles="solid", linewidths=1.1)
    axes[1].contour(
        y, y, np.broadcast_to(y, (len(y), len(y))), levels, colors="0.7", linewidths=0.6, linestyles="dashed"
    )
    axes[1].set(aspect="equal", title="isotherms of y₁ + w₁")
    axes[1].grid(False)
    size = np.sqrt((data["flux"] ** 2).sum(axis=0))
    field_plot(axes[2], size, extent, "size of the flux a(e₁ + ∇w₁)")
    middles, step = (y[1:] + y[:-1]) / 2, 4
    grid = np.meshgrid(middles, middles, indexing="ij")
    some = (slice(step // 2, None, step),) * 2
    arrows = [g[some] for g in grid] + [f[some] for f in data["flux"]]
    axes[2].quiver(*arrows, color="white", scale=60, width=0.008)
    for ax in axes:
        ax.set(xlabel="y₁", ylabel="y₂", xticks=(-0.5, 0, 0.5), yticks=(-0.5, 0, 0.5))
    return figure


# -- rounds of the dialogue with a law that follows the state ------------------------------------------------------------------


def rounds_data(source: float = 40.0, refinements: int = 3, rounds: int = 4, n: int = 12) -> Data:
    """U on the line x_2 = 1/2 after every round; the homogenized solution frozen at U = 0, and with the closed form."""
    mesh = skfem.MeshTri().refined(refinements)
    basis = macro_basis(mesh, skfem.ElementTriP1())
    closure = StateClosure(CellProblem(dim=2, n=n, scheme="fourier", tol=1e-12))
    line = np.flatnonzero(np.abs(mesh.p[1] - 0.5) < 1e-12)
    line = line[np.argsort(mesh.p[0, line])]
    load = skfem.LinearForm(lambda v, w: source * v).assemble(skfem.Basis(mesh, skfem.ElementTriP1()))
    free, u, profiles, residuals, asked = basis.complement_dofs(basis.get_dofs()), np.zeros(basis.N), [], [], []
    for _ in range(rounds + 1):
        state = macro.restrict(basis, u)
        answer = macro.micro_solve(closure, state)
        force, _, tangent = macro.reconstruct(basis, answer)
        residuals.append(np.linalg.norm((force - load)[free]) / np.linalg.norm(load[free]))
        asked.append([state.u.min(), state.u.max(), answer.d_dgrad[0, 0].min(), answer.d_dgrad[0, 0].max()])
        profiles.append(u[line])
        u = u + macro.update(tangent, force - load, free)
    frozen = solve_elliptic(basis, ExactClosure(effective_conductivity(0.0)), source)
    closed = solve_elliptic(basis, ExactClosure(lambda x, u: effective_conductivity(u)), source)
    return {
        "x": mesh.p[0, line],
        "profiles": np.array(profiles),
        "residuals": np.array(residuals[:3]),  # the later ones are round-off and differ between machines
        "asked": np.array(asked),
        "frozen": frozen.u[line],
        "closed": closed.u[line],
    }


def rounds(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.4, 3.6))
    shades = ("0.75", SKY, AMBER, ORANGE)
    for k, profile in enumerate(data["profiles"][1:4], start=1):
        left.plot(data["x"], profile, color=shades[k], marker="o", ms=3.5, label=f"U after round {k}")
    left.plot(data["x"], data["closed"], color="black", ls=":", lw=2.2, label="closed form A(U)")
    left.plot(data["x"], data["frozen"], color=PINK, ls="--", label="A frozen at U = 0")
    left.set(xlabel="x₁  (on x₂ = ½)", ylabel="U", title="The field follows the answers", ylim=(0, None))
    left.legend(loc="lower center")
    count = np.arange(1, len(data["asked"]) + 1)
    low, high = data["asked"][:, 2], data["asked"][:, 3]
    right.fill_between(count, low, high, color=BLUE, alpha=0.25, label="between coldest and warmest point")
    right.plot(count, low, color=BLUE, marker="o")
    right.plot(count, high, color=BLUE, marker="o")
    right.axhline(4, color=PINK, ls="--", label="mean of a, at any U")
    right.set(xlabel="round", ylabel="A₁₁ answered", title="The answers follow the field", ylim=(1, 4.4), xticks=count)
    right.legend(loc="lower left")
    return figure


# -- in time: a pulse of heat, asked step by step -------------------------------------------------------------------------------


def pulse(x: Array) -> Array:
    """A smooth bump of height one and width 0.3 around x = 0.4."""
    return np.where(np.abs(x - 0.4) < 0.15, np.cos(np.pi * (x - 0.4) / 0.3) ** 2, 0.0)


def march(
    conductivity: Callable[[Array, Array], Array], cells: int, time: float, largest: float
) -> tuple[Array, Array]:
    """Explicit finite volumes for U_t = (a U_x)_x on (0, 1), no flux at the ends: centres, U at the end.

    ``conductivity(u, x)`` at the faces, at most ``largest``; the step is 0.45 of what stability allows at dx^2 / largest.
    """
    dx = 1 / cells
    x, faces = (np.arange(cells) + 0.5) * dx, np.arange(1, cells) * dx
    steps = int(np.ceil(time * largest / (0.45 * dx**2)))
    U, sigma = pulse(x), np.zeros(cells + 1)
    for _ in range(steps):
        sigma[1:-1] = conductivity((U[1:] + U[:-1]) / 2, faces) * np.diff(U) / dx
        U = U + time / steps * np.diff(sigma) / dx
    return x, U


def pulse_data(cells: int = 40, time: float = 0.004, periods: tuple[int, ...] = (10, 20, 40)) -> Data:
    """The pulse at the end: HMM (a cell problem for every face and step), frozen at U = 0, and with every period resolved."""
    cell = CellProblem(dim=1, n=4)

    def material(u: Array, y: Array) -> Array:
        return 2 + contrast(u) * np.sin(2 * np.pi * y)

    def asked(u: Array, faces: Array) -> Array:
        return cell.effective_tensor(lambda x, y: material(x[0], y[0]), x=u[None])[0, 0]

    x, U = march(asked, cells, time, 2.0)
    _, frozen = march(lambda u, faces: 2.0, cells, time, 2.0)
    resolved = []
    for per in periods:
        _, fine = march(lambda u, faces, per=per: material(u, per * faces), 16 * per, time, 3.8)
        edges = np.linspace(0, 1, 16 * per + 1)
        content = np.interp(np.linspace(0, 1, cells + 1), edges, np.append(0, np.cumsum(fine)) / (16 * per))
        resolved.append(np.diff(content) * cells)  # averages over the macro cells
    return {
        "x": x,
        "start": pulse(x),
        "hmm": U,
        "frozen": frozen,
        "eps": 1 / np.array(periods),
        "resolved": np.array(resolved),
        "fine": fine,
    }


def pulse_figure(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.4, 3.6), width_ratios=(1.5, 1))
    fine = (np.arange(len(data["fine"])) + 0.5) / len(data["fine"])
    left.plot(data["x"], data["start"], color="0.6", lw=1, label="at t = 0")
    left.plot(
        fine, data["fine"], color="black", lw=1, label=f"every period resolved, ε = 1/{round(1 / data['eps'][-1])}"
    )
    left.plot(data["x"], data["hmm"], color=BLUE, ls="", marker="o", ms=4, label="dialogue at every step")
    left.plot(data["x"], data["frozen"], color=PINK, ls="--", label="A frozen at U = 0")
    left.set(xlabel="x", ylabel="U", title="A pulse of heat after t = 0.004", xlim=(0.1, 0.95), ylim=(-0.02, 1.05))
    left.legend(loc="upper right")
    gap = np.abs(data["resolved"] - data["hmm"]).max(axis=1)
    right.loglog(data["eps"], gap, color=BLUE, marker="o", label="dialogue")
    right.axhline(np.abs(data["resolved"][-1] - data["frozen"]).max(), color=PINK, ls="--", label="A frozen at U = 0")
    right.set(xlabel="ε", ylabel="largest distance to resolved", title="Distance as ε → 0", xticks=data["eps"])
    right.set_xticks(data["eps"], [f"1/{round(1 / eps)}" for eps in data["eps"]])
    right.minorticks_off()
    right.legend()
    return figure


# -- rivals: homogenization, MsFEM, HMM on the same line ------------------------------------------------------------------------


@dataclass
class Counted:
    """A medium that counts how many of its values it was asked for."""

    a: Callable[[Array, Array], Array]
    samples: int = 0

    def __call__(self, x: Array, y: Array) -> Array:
        value = np.asarray(self.a(x, y))
        self.samples += value.size
        return value


def shifting(x: Array, y: Array) -> Array:
    """1.5 + x + (1 + x/2) sin 2 pi y: mean and contrast both change along the line; A* = sqrt(1.25 + 2x + 3x^2/4)."""
    return 1.5 + x[0] + (1 + x[0] / 2) * np.sin(2 * np.pi * y[0])


MEDIA: dict[str, Callable[[Array, Array], Array]] = {
    "periodic": lambda x, y: 1 / (2 + np.cos(2 * np.pi * y[0])),
    "graded": lambda x, y: (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0])),
    "shifting": shifting,
}
HOMOGENIZED: dict[str, Callable[[Array], Array]] = {
    "periodic": lambda x: np.full_like(x[0], 0.5),
    "graded": lambda x: (1 + x[0]) / 2,
    "shifting": lambda x: np.sqrt(1.25 + 2 * x[0] + 0.75 * x[0] ** 2),
}


def line_solution(a: Callable[[Array, Array], Array], eps: float, cells: int) -> tuple[Array, Array, Array]:
    """Edges, u^eps there and (u^eps)' at the middles of ``cells`` fine cells: -(a u')' = 1 integrated twice."""
    edges = np.linspace(0, 1, cells + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    coefficient = a(middle[None], middle[None] / eps)
    c = (middle / coefficient).sum() / (1 / coefficient).sum()
    slope = (c - middle) / coefficient
    return edges, np.append(0, np.cumsum(slope)) / cells, slope


def rivals_data(elements: int = 16, n: int = 4, finest: int = 8) -> Data:
    """Three line media, eps = 1/6, 1/12, ...: distances to u^eps and coefficient evaluations of HMM and MsFEM."""
    basis = macro_basis(skfem.MeshLine(np.linspace(0, 1, elements + 1)), skfem.ElementLineP1())
    nodes = basis.doflocs[0]
    eps = 1 / (6 * 2 ** np.arange(finest))
    out: dict[str, Any] = {"eps": eps}
    for name, a in MEDIA.items():
        homogenized = solve_elliptic(basis, ExactClosure(HOMOGENIZED[name]), 1.0)
        rows = []
        for e in eps:
            edges, u, slope = line_solution(a, e, round(96 / e))
            for_hmm, for_fine, for_msfem = Counted(a), Counted(a), Counted(a)
            hmm = solve_elliptic(basis, CellClosure(for_hmm, CellProblem(dim=1, n=n)), 1.0)
            fine = solve_elliptic(basis, CellClosure(for_fine, CellProblem(dim=1, n=32)), 1.0).reconstruct(
                edges[None], e
            )
            ms = msfem_line(for_msfem, e, 1.0, elements)
            u_ms = np.interp(edges, ms.fine, ms.u_fine)
            U, U0 = (np.interp(edges, nodes, s.u) for s in (hmm, homogenized))
            distances = [np.sqrt(np.mean((u - v) ** 2)) for v in (U0, U, fine, u_ms)]
            slopes = [np.sqrt(np.mean((slope - np.diff(v) / np.diff(edges)) ** 2)) for v in (U, fine, u_ms)]
            rows.append([*distances, *slopes, for_hmm.samples, for_msfem.samples])
        names = ("l2_homogenized", "l2_hmm", "l2_fine", "l2_msfem", "h1_hmm", "h1_fine", "h1_msfem", "samples_hmm",
                 "samples_msfem")  # fmt: skip
        out |= {f"{name}_{key}": column for key, column in zip(names, np.array(rows).T, strict=True)}
    return out


def rivals(data: Data, medium: str = "graded") -> Any:
    figure, axes = canvas(1, 3, figsize=(11, 3.6))
    eps = data["eps"]
    looks = {"hmm": (BLUE, "o", "-", "HMM, U alone"), "fine": (SKY, "s", "--", "HMM, reconstructed")}
    looks |= {"msfem": (ORANGE, "^", "-", "MsFEM")}
    for ax, norm in zip(axes, ("l2", "h1"), strict=False):
        for key, (color, marker, line, label) in looks.items():
            ax.loglog(eps, data[f"{medium}_{norm}_{key}"], color=color, marker=marker, ls=line, label=label)
    axes[0].set(ylabel="L² distance to uᵋ", title="value", ylim=(1e-4, 1e-2))
    axes[1].set(ylabel="L² distance to duᵋ/dx", title="derivative", ylim=(1e-2, 1))
    for key in ("hmm", "msfem"):
        color, marker, line, _ = looks[key]
        samples = data[f"{medium}_samples_{key}"]
        label = f"{key.upper() if key == 'hmm' else 'MsFEM'}: slope {fit_rate(eps, samples) + 0.0:.2f}"
        axes[2].loglog(eps, samples, color=color, marker=marker, ls=line, label=label)
    axes[2].set(ylabel="coefficient evaluations", title="material looked at")
    for ax in axes:
        ax.set(xlabel="ε")
        ax.axvline(1 / 16, color="0.5", lw=1, ls=":")
        ax.annotate("ε = H", (1 / 16, 0.98), xycoords=("data", "axes fraction"), va="top", ha="right", rotation=90)
    axes[0].legend(loc="upper left")
    axes[2].legend()
    return figure
