"""Figures of chapter 00, Start here: the scale gap, a first HMM solve, what it costs, and the map of the course."""

from collections.abc import Callable
from typing import Any

import numpy as np
import skfem
from matplotlib.collections import PatchCollection
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from hmm_core.closure import CellClosure, ExactClosure
from hmm_core.compare import Oscillating, resolve
from hmm_core.macro import Solution, macro_basis, solve_elliptic
from hmm_core.media.exact import cosine_solution
from hmm_core.micro.cell import CellProblem
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, fit_rate

# -- the media of the chapter ---------------------------------------------------------------------------------------


def cosine_medium(x: Array, y: Array) -> Array:
    """a(y) = 1/(2 + cos 2 pi y), the medium whose solution ``exact.cosine_solution`` knows."""
    return 1 / (2 + np.cos(2 * np.pi * y[0]))


def graded_medium(x: Array, y: Array) -> Array:
    """(3/2 + x_1 sin 2 pi y_1)(3/2 + x_2 sin 2 pi y_2): uniform in the corner x = 0, of contrast 25 in the corner (1, 1)."""
    return (1.5 + x[0] * np.sin(2 * np.pi * y[0])) * (1.5 + x[1] * np.sin(2 * np.pi * y[1]))


def graded_effective(x: Array) -> Array:
    """Its effective tensor (2, 2, ...): along each axis a harmonic mean times an arithmetic one (``exact.separable``)."""
    zero = np.zeros_like(x[0])
    return 1.5 * np.array([[np.sqrt(2.25 - x[0] ** 2), zero], [zero, np.sqrt(2.25 - x[1] ** 2)]])


class Counted:
    """A medium that counts how often it is evaluated."""

    def __init__(self, a: Callable[[Array, Array], Array]):
        self.a, self.evaluations = a, 0

    def __call__(self, x: Array, y: Array) -> Array:
        value = self.a(x, y)
        self.evaluations += np.size(value)
        return value


# -- the scale gap --------------------------------------------------------------------------------------------------


def scale_gap_data(periods: tuple[int, ...] = (4, 16, 64), points: int = 1025) -> Data:
    """u^eps and U of -(a(x/eps) u')' = 1 and their slopes, for eps = 1/periods: all in closed form."""
    x, eps = np.linspace(0, 1, points), 1 / np.asarray(periods, dtype=float)
    return {
        "x": x,
        "eps": eps,
        "U": cosine_solution(x),
        "dU": cosine_solution(x, derivative=True),
        "u": np.array([cosine_solution(x, e) for e in eps]),
        "du": np.array([cosine_solution(x, e, derivative=True) for e in eps]),
    }


def scale_gap(data: Data) -> Any:
    count = len(data["eps"])
    figure, axes = canvas(2, count, figsize=(9.5, 4.6), sharex=True, sharey="row", squeeze=False)
    for column, eps in enumerate(data["eps"]):
        for row, (fine, smooth) in enumerate((("u", "U"), ("du", "dU"))):
            ax, prime = axes[row, column], "'" * row
            ax.plot(
                data["x"],
                data[fine][column],
                color=BLUE,
                lw=1.3,
                label=rf"$(u^\varepsilon){prime}$" if row else r"$u^\varepsilon$",
            )
            ax.plot(data["x"], data[smooth], color=ORANGE, ls="--", label=f"$U{prime}$")
        axes[0, column].set_title(rf"$\varepsilon = 1/{1 / eps:.0f}$")
        axes[1, column].set_xlabel("$x$")
    axes[0, 0].set_ylabel("values")
    axes[1, 0].set_ylabel("slopes")
    axes[0, 0].legend(loc="lower center")
    axes[1, 0].legend(loc="lower left")
    return figure


# -- a coarse mesh that samples the coefficient ---------------------------------------------------------------------


class ElementMean:
    """x -> mean of a(x, x/eps) over an element of length H around x: what exact integration on a mesh sees."""

    def __init__(self, a: Callable[[Array, Array], Array], eps: float, H: float):
        self.a, self.eps, self.H = a, eps, H

    def __call__(self, x: Array) -> Array:
        points = max(16, int(16 * self.H / self.eps))
        near = x[..., None] + self.H * ((np.arange(points) + 0.5) / points - 0.5)
        return self.a(near, near / self.eps).mean(axis=-1)


def naive_mesh_data(
    periods: int = 64,
    elements: tuple[int, ...] = (2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 512, 1024),
) -> Data:
    """Finite-element value at x = 1/2 against the number of elements: coefficient sampled once per element, averaged
    over it, or replaced by the answer of a cell problem."""
    eps, cell = 1 / periods, CellProblem(dim=1, n=16)
    values = np.empty((3, len(elements)))
    for k, count in enumerate(elements):
        basis = macro_basis(skfem.MeshLine(np.linspace(0, 1, count + 1)), skfem.ElementLineP1())
        sampled = ExactClosure(Oscillating(cosine_medium, eps))
        averaged = ExactClosure(ElementMean(cosine_medium, eps, 1 / count))
        for row, closure in enumerate((sampled, averaged, CellClosure(cosine_medium, cell))):
            values[row, k] = solve_elliptic(basis, closure, 1.0).at(np.array([[0.5]]))[0]
    return {
        "periods": np.array(periods),
        "elements": np.array(elements),
        "sampled": values[0],
        "averaged": values[1],
        "hmm": values[2],
        "true": cosine_solution(0.5, eps),
    }


def naive_mesh(data: Data) -> Any:
    figure, ax = canvas(figsize=(7.2, 3.8))
    ax.axhline(data["true"], color="0.45", lw=1, ls="--", label=r"true value $u^\varepsilon(1/2)$")
    ax.axvline(data["periods"], color="0.7", lw=1, ls=":")
    ax.text(data["periods"] * 1.06, 0.085, r"$H = \varepsilon$", color="0.35")
    for key, style, color, label in (
        ("sampled", "o-", ORANGE, "coefficient at the midpoint"),
        ("averaged", "s-", PINK, "coefficient averaged over the element"),
        ("hmm", "^-", BLUE, "HMM: answer of a cell problem"),
    ):
        ax.semilogx(data["elements"], data[key], style, color=color, lw=1.2, label=label)
    ax.set_xscale("log", base=2)
    ticks = 2 ** np.arange(1, 11)
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.set_xlabel("elements, $1/H$")
    ax.set_ylabel("computed value at $x = 1/2$")
    ax.set_ylim(0.06, 0.52)
    ax.legend(loc="upper right", ncols=2)
    return figure


# -- a first HMM solve ----------------------------------------------------------------------------------------------


def first_solution() -> Solution:
    """The solve of the chapter: -div(a grad u) = 1 in the graded medium on the unit square, u = 0 on the boundary."""
    basis = macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP2())
    return solve_elliptic(basis, CellClosure(graded_medium, CellProblem(dim=2, n=12, scheme="fourier")), 1.0)


def first_solve_data(solution: Solution | None = None, eps: float = 1 / 64) -> Data:
    """U, the sampling points, the material around the one that is nearest to (0.7, 0.7), and the micro field there."""
    solution = solution or first_solution()
    a, basis = solution.closure.a, solution.basis
    line = np.linspace(0, 1, 41)
    points = np.asarray(basis.global_coordinates()).reshape(2, -1)
    centre = points[:, [np.argmin(((points - 0.7) ** 2).sum(axis=0))]]
    window = np.linspace(-0.0775, 0.0775, 112)
    near = np.array(np.meshgrid(*(centre + window), indexing="ij"))
    gradient = solution.gradient_at(centre)[:, 0]
    phase = (centre / eps)[:, :, None]  # so that the cell is the piece of material that the middle picture shows

    def sample(x: Array, y: Array) -> Array:
        return a(x, y + phase)

    micro = CellProblem(dim=2, n=48).solve(sample, centre)
    y = np.array(np.meshgrid(micro.nodes, micro.nodes, indexing="ij"))
    potential = np.tensordot(gradient, y + micro.correctors[:, 0], axes=1)
    return {
        "x": line,
        "U": solution.at(np.array(np.meshgrid(line, line, indexing="ij"))),
        "vertices": basis.mesh.p,
        "triangles": basis.mesh.t,
        "points": points,
        "eps": np.array(eps),
        "centre": centre[:, 0],
        "window": window,
        "material": a(near, near / eps),
        "nodes": micro.nodes,
        "cell": sample(centre[..., None], y.reshape(2, 1, -1)).reshape(y.shape[1:]),
        "gradient": gradient,
        "potential": potential,
    }


def first_solve(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11, 3.4))
    eps, centre, x = float(data["eps"]), data["centre"], data["x"]
    corners = (data["points"] - eps / 2).T

    def squares(ax: Any, color: str) -> None:
        ax.add_collection(
            PatchCollection(
                [Rectangle(corner, eps, eps) for corner in corners], facecolor="none", edgecolor=color, lw=0.9
            )
        )

    image = left.contourf(x, x, data["U"].T, levels=14)
    figure.colorbar(image, ax=left, shrink=0.75, format="%.3f")
    left.triplot(*data["vertices"], data["triangles"].T, color="white", lw=0.5, alpha=0.6)
    squares(left, "white")
    half = data["window"][-1]
    left.add_patch(Rectangle(centre - half, 2 * half, 2 * half, facecolor="none", edgecolor=ORANGE, lw=2))
    left.set_title("macro solution $U$")

    extent = (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)
    image = middle.pcolormesh(
        *(centre[:, None] + data["window"]), data["material"].T, shading="gouraud", cmap="cividis"
    )
    figure.colorbar(image, ax=middle, shrink=0.75)
    middle.triplot(*data["vertices"], data["triangles"].T, color="white", lw=1)
    squares(middle, "white")
    middle.add_patch(Rectangle(centre - eps / 2, eps, eps, facecolor="none", edgecolor=ORANGE, lw=2.4))
    middle.set(xlim=extent[:2], ylim=extent[2:])
    middle.set_title(r"$a(x, x/\varepsilon)$ inside the frame")

    nodes = data["nodes"]
    image = right.pcolormesh(nodes, nodes, data["cell"].T, shading="gouraud", cmap="cividis")
    figure.colorbar(image, ax=right, shrink=0.75)
    right.contour(nodes, nodes, data["potential"].T, levels=12, colors="white", linewidths=1.1, linestyles="solid")
    for spine in right.spines.values():
        spine.set(visible=True, color=ORANGE, lw=2.4)
    right.set_title("one sampling cell")
    for ax, name in ((left, "x"), (middle, "x"), (right, "y")):
        ax.set_aspect("equal")
        ax.grid(False)
        ax.set_xlabel(f"${name}_1$")
        ax.set_ylabel(f"${name}_2$")
    return figure


# -- the cost -------------------------------------------------------------------------------------------------------


def square(elements: int) -> skfem.MeshQuad:
    """The unit square in elements x elements squares."""
    line = np.linspace(0, 1, elements + 1)
    return skfem.MeshQuad.init_tensor(line, line)


def dns_work(periods: int) -> tuple[Solution, int, int]:
    """Direct simulation with h = eps/8, bilinear elements: solution, unknowns solved for, coefficient evaluations.

    The second turn of the loop, which only confirms a linear solution, is not counted: it could be left out.
    """
    a = Counted(graded_medium)
    solution = resolve(square(8 * periods), skfem.ElementQuad1(), a, 1 / periods, 1.0)
    return solution, len(solution.basis.mesh.interior_nodes()), a.evaluations // len(solution.history)


def hmm_work(periods: int) -> tuple[Solution, int, int]:
    """HMM with samples cut out of the material at this eps: solution, unknowns of both scales, coefficient evaluations."""
    a, cell = Counted(graded_medium), CellProblem(dim=2, n=12, scheme="fourier")
    basis = macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP2())
    solution = solve_elliptic(basis, CellClosure(a, cell, eps=1 / periods), 1.0)
    unknowns = basis.N - basis.get_dofs().flatten().size + solution.micro_solves * cell.dim * cell.cells**cell.dim
    return solution, unknowns, a.evaluations


def cost_data(
    solution: Solution | None = None,
    periods: tuple[int, ...] = (4, 6, 8, 12, 16),
    beyond: tuple[int, ...] = (64, 256, 1024, 4096),
) -> Data:
    """Work of both methods, and their distance from a finer direct simulation (h = eps/6, biquadratic).

    Work: eps = 1/periods for DNS and HMM, 1/beyond for HMM alone. Distances, relative in L2, between the finer simulation
    and DNS, and between it and the one HMM solution that never heard of eps (``first_solution``).
    """
    solution = solution or first_solution()
    dns, hmm = {m: dns_work(m) for m in periods}, {m: hmm_work(m) for m in (*periods, *beyond)}
    errors = []
    for m in periods:
        truth = resolve(square(6 * m), skfem.ElementQuad2(), graded_medium, 1 / m, 1.0)
        errors.append([s.error(truth, relative=True, intorder=3) for s in (dns[m][0], solution)])
    return {
        "eps_dns": 1 / np.array(periods),
        "eps_hmm": 1 / np.array((*periods, *beyond)),
        "unknowns_dns": np.array([work[1] for work in dns.values()]),
        "unknowns_hmm": np.array([work[1] for work in hmm.values()]),
        "evaluations_dns": np.array([work[2] for work in dns.values()]),
        "evaluations_hmm": np.array([work[2] for work in hmm.values()]),
        "error_dns": np.array(errors)[:, 0],
        "error_hmm": np.array(errors)[:, 1],
    }


def _slope(x: Array, y: Array) -> str:
    return f"{round(fit_rate(x, y), 2) + 0.0:.2f}".replace("-", "−")  # and never "−0.00"


def cost(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11.5, 4.2))
    for ax, key, title in (
        (axes[0], "unknowns", "unknowns solved for"),
        (axes[1], "evaluations", "evaluations of the coefficient"),
    ):
        for name, marker, color in (("dns", "s-", ORANGE), ("hmm", "o-", BLUE)):
            eps, work = data[f"eps_{name}"], data[f"{key}_{name}"]
            ax.loglog(eps, work, marker, color=color, label=f"{name.upper()}: slope {_slope(eps, work)}")
        far = np.array([data["eps_dns"].min(), data["eps_hmm"].min()])
        ax.loglog(
            far, data[f"{key}_dns"][-1] * (far / far[0]) ** -2, "--", color="0.55", lw=1, label="slope −2 expected"
        )
        ax.set_title(title)
    ax, eps = axes[2], data["eps_dns"]
    ax.loglog(eps, data["error_dns"], "s-", color=ORANGE, label=r"DNS, $h = \varepsilon/8$")
    label = f"HMM: slope {_slope(eps, data['error_hmm'])}, last two {_slope(eps[-2:], data['error_hmm'][-2:])}"
    ax.loglog(eps, data["error_hmm"], "o-", color=BLUE, label=label)
    ends = eps[[0, -1]]
    ax.loglog(ends, 0.6 * data["error_hmm"][0] * ends / ends[0], "--", color="0.55", lw=1, label="slope 1 expected")
    ax.set_xticks(eps, [f"1/{1 / e:.0f}" for e in eps])
    ax.minorticks_off()
    ax.set_ylim(0.004, 0.4)
    ax.set_title("distance to the resolved solution")
    axes[0].set_ylabel("number")
    axes[1].set_ylabel("number")
    axes[2].set_ylabel(r"$\|u - u^\varepsilon\| \, / \, \|u^\varepsilon\|$")
    for ax in axes:
        ax.set_xlabel(r"$\varepsilon$")
        ax.legend(loc="upper right" if ax is not axes[2] else "upper left")
    return figure


# -- the map of the course ------------------------------------------------------------------------------------------

# chapter: (title, column, row, chapters that it needs)
CHAPTERS = {  # title, place, what it needs
    "00": ("Start here", 0, 2.5, ()),
    "01": ("The macro–micro\ndialogue", 1, 2.5, ("00",)),
    "02": ("Scale\nseparation", 2, 0.5, ("01",)),
    "03": ("Statistical\nmechanics", 3, 0, ("02",)),
    "04": ("The algorithmic\nloop", 2, 3, ("01",)),
    "05": ("Boundary\nconditions", 3, 1, ("02", "04")),
    "06": ("Error\nanalysis", 4, 0, ("05",)),
    "10": ("Heat and\nporous flow", 3, 3, ("04",)),
    "11": ("Balance laws,\nfluids, waves", 3, 4, ("04",)),
    "12": ("Solid\nmechanics", 4, 1, ("05",)),
    "13": ("Materials\nscience", 3, 2, ("02", "04")),
    "14": ("Computational\nbiology", 3, 5, ("04",)),
    "15": ("Scales\nin time", 2, 5, ("01",)),
    "16": ("HMM among\nits relatives", 4, 2, ("05",)),
}


def course_map_data() -> Data:
    """Boxes of the map: numbers, titles, places (2, C), and pairs (2, E): the first is needed by the second."""
    numbers = list(CHAPTERS)
    edges = [(numbers.index(need), k) for k, c in enumerate(CHAPTERS.values()) for need in c[3]]
    return {
        "numbers": np.array(numbers),
        "titles": np.array([c[0] for c in CHAPTERS.values()]),
        "places": np.array([c[1:3] for c in CHAPTERS.values()], dtype=float).T,
        "edges": np.array(edges).T,
    }


def course_map(data: Data) -> Any:
    figure, ax = canvas(figsize=(9.5, 7))
    width, height, wide, tall = 1.32, 0.74, 1.72, 1.1
    places = data["places"] * [[wide], [-tall]]
    for number, title, (x, y) in zip(data["numbers"], data["titles"], places.T, strict=True):
        colour = GREEN if number == "00" else BLUE if number < "10" else ORANGE
        ax.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=colour,
                edgecolor=colour,
                lw=1.6,
                zorder=2,
            )
        )
        words = {"color": "white", "ha": "center", "va": "center", "zorder": 3}
        ax.text(x, y + 0.22, number, fontsize=9, fontweight="bold", **words)
        ax.text(x, y - 0.11, title, fontsize=8.5, **words)
    for need, by in data["edges"].T:
        (x0, y0), (x1, y1) = places[:, need], places[:, by]
        ax.add_patch(
            FancyArrowPatch(
                (x0 + width / 2, y0),
                (x1 - width / 2, y1),
                arrowstyle="-|>",
                mutation_scale=11,
                color="0.4",
                lw=1.1,
                shrinkA=0,
                shrinkB=1,
                zorder=1,
            )
        )
    right, bottom = places[0].max(), places[1].min()
    ax.set(xlim=(-0.75, right + 0.85), ylim=(bottom - 0.5, places[1].max() + 0.5), aspect="equal")
    ax.axis("off")
    return figure
