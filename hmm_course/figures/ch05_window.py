r"""Figures of chapter 05, where a window's order ends: the faint field that a held edge leaves, and what the ratio makes of it.

The corrector of a sample whose edge is held differs from the periodic one, chi, by a layer and by a faint field. Where the
edge cuts the medium along a period, the layer tends to a constant inside, its tail (Allaire and Amar 1999): so the faint
field v is A*-harmonic with one constant on each face, v(y) = V(y/R), grad v = O(1/R). With U_j = y_j + v_j,

    <a grad u>_q = A* <grad U>_q + C : <D^2 U>_q + O(R^-3) + O(R^-q-1),    <grad u>_q = <grad U>_q + O(R^-q-1),

where C_ijk = <chi_j sigma_i.e_k - chi_i sigma_j.e_k> and sigma_j = a (e_j + grad chi_j). The ratio divides by <grad U>_q, and
C : D^2 v = O(R^-2) is left. C vanishes in one dimension and where a reflection in a point leaves the medium as it is.

Samples are solved by a sparse factorisation here: an independent check of the iterations, and any edge can be held.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from hmm_core import CellProblem, media
from hmm_core.micro.grid import Q1Grid, multiply, window_weights
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, SKY, Array, Data, canvas, field_plot
from hmm_course.figures.ch05 import CORNERS, FRACTIONS, SMOOTH, envelopes, middle, sampled

N = 8  # elements per period; errors are against the tensor of one period on the same elements
MIRRORED = media.products(  # media.resonant with a sine for every cosine: a reflection in (1/4, 1/4) leaves it as it is
    ((media.Sine(2, 1.8), media.Sine(2, 1.8, power=-1)), (media.Sine(2, 1.8, power=-1), media.Sine(2, 1)))
)
# Index of the nodes on a face: y_1 low, y_1 high, y_2 low, y_2 high.
FACES = tuple((slice(None),) * axis + (end,) for axis in (0, 1) for end in (0, -1))


# -- fields on a square, by a sparse direct solver ---------------------------------------------------------------------------


def square(a: Callable, corner: Array, size: float) -> tuple[Q1Grid, Array, Any]:
    """Grid with all its nodes, coefficient (1, c, G, E) and stiffness matrix of a square with its lower left corner there."""
    grid = Q1Grid(2, round(N * size), float(size), "neumann")
    values = np.asarray(a(None, grid.points + np.reshape(corner, (2, 1)) + size / 2))
    values = np.broadcast_to(values, (*values.shape[:-1], grid.points.shape[1]))
    coefficient = values.reshape(1, -1, 4, grid.cells**2)
    return grid, coefficient, grid.matrix(grid.stencil(coefficient))


def extension(K: Any, fixed: Array, values: Array) -> Array:
    """u (J, nodes) with K u = 0 at the nodes that are not ``fixed``, and u = ``values`` at those that are."""
    rows = K[~fixed]
    solver = scipy.sparse.linalg.splu(
        rows[:, ~fixed].tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    u = np.array(values, dtype=float)
    u[:, ~fixed] = solver.solve(-(rows[:, fixed] @ u[:, fixed].T)).T
    return u


def harmonic(a: Callable, corner: Array, size: float, slope: float, levels: Array) -> tuple[Q1Grid, Array, Array]:
    """Grid, coefficient and the a-harmonic u_j (2, N+1, N+1) with u_j = ``slope`` y_j + ``levels`` (face, j) on the edge."""
    grid, coefficient, K = square(a, corner, size)
    fixed, steps = np.zeros(grid.shape, dtype=bool), np.zeros((2, *grid.shape))
    for face, level in zip(FACES, levels, strict=True):
        fixed[face] = True
        steps[(slice(None), *face)] += level[:, None]
    steps[:, :: grid.cells, :: grid.cells] /= 2  # at a corner two faces disagree: their mean
    u = extension(K, fixed.ravel(), (slope * grid.affine() + steps).reshape(2, -1))
    return grid, coefficient, u.reshape(steps.shape)


def filtered(grid: Q1Grid, coefficient: Array, u: Array, q: int) -> tuple[Array, Array]:
    """<grad u_j>_q and <a grad u_j>_q: columns j."""
    gradient = grid.gradient(u[None])
    weights = grid.window(grid.length, ("smooth", q))
    return tuple(np.tensordot(field[0], weights, axes=2).T for field in (gradient, multiply(coefficient, gradient)))


def curvature(grid: Q1Grid, u: Array, q: int) -> Array:
    """<d_i d_k u_j>_q = - int d_i u_j d_k K_q, as (i, k, j): K_q' = - 4 (2q + 1) y K_{q-1} / R^2 on a side of length R."""
    flat, sharp = (window_weights(grid.edges, grid.reference, grid.length, ("smooth", p)) for p in (q, q - 1))
    y = grid.edges[:-1] + grid.h * grid.reference[:, None]
    falling = -4 * (2 * q + 1) / grid.length**2 * y * sharp
    gradient = grid.gradient(u[None])[0].reshape(2, 2, 2, 2, grid.cells, grid.cells)  # (j, i, Gauss points, elements)
    parts = [np.einsum("jighab,ga,hb->ij", gradient, *pair) for pair in ((falling, flat), (flat, falling))]
    return -np.stack(parts, axis=1)


# -- what theory needs: one period, C, tails, and the faint field they make --------------------------------------------------


@lru_cache(maxsize=8)
def period(a: Callable) -> tuple[Array, Array]:
    """A* and the correctors chi (2, N+1, N+1), of mean zero, of one period on these elements."""
    micro = CellProblem(n=N, offset=0.5, tol=1e-13).solve(a)
    return micro.tensor, micro.correctors - micro.correctors[:, 1:, 1:].mean(axis=(1, 2), keepdims=True)


def repeated(chi: Array, corner: Array, cells: int) -> Array:
    """chi on the nodes of a square of ``cells`` elements a side with its lower left corner there."""
    i, j = (round(N * place) + np.arange(cells + 1) for place in corner)
    return chi[:, i[:, None] % N, j % N]


def coupling(a: Callable) -> Array:
    """C_ijk, antisymmetric in i and j: the mean flux that a curvature of U drives besides A* grad U."""
    grid, coefficient, _ = square(a, np.zeros(2), 1.0)
    _, chi = period(a)
    sigma = multiply(coefficient, grid.gradient((chi + grid.affine())[None]))[0]  # (i, k, G, E)
    rise = np.array([1 - grid.reference, grid.reference])  # shape functions of a line, at its Gauss points
    nodal = np.lib.stride_tricks.sliding_window_view(chi, (2, 2), axis=(1, 2))  # (j, elements, corner)
    values = np.einsum("jxyab,ag,bh->jghxy", nodal, rise, rise).reshape(2, *sigma.shape[2:])
    moment = np.einsum("jge,ikge->ijk", values, sigma) / values[0].size
    return moment - moment.swapaxes(0, 1)


@lru_cache(maxsize=256)
def tail(a: Callable, face: int, place: float, depth: int = 6) -> Array:
    """What v_j tends to inside if it is -chi_j on a straight edge at that place and continues with period 1 along it: (2,).

    A strip ``depth`` periods deep, its far end free: the layer falls like exp(-2 pi depth) or so, the end sees a constant.
    """
    axis, inward = divmod(face, 2)
    corner = np.zeros(2)
    corner[axis] = place - inward * depth
    grid, _, K = square(a, corner, float(depth))
    node = [np.arange(grid.cells + 1), np.arange(grid.cells + 1)]
    node[1 - axis] = node[1 - axis] % N  # all periods along the edge are one
    number = node[0][:, None] * (grid.cells + 1) + node[1]
    kept, number = np.unique(number, return_inverse=True)
    glue = scipy.sparse.csr_matrix((np.ones(number.size), (np.arange(number.size), number.ravel())))
    number = number.reshape(grid.shape)
    fixed, values = np.zeros(kept.size, dtype=bool), np.zeros((2, kept.size))
    fixed[number[FACES[face]]] = True
    values[:, number] = -repeated(period(a)[1], corner, grid.cells)
    far = extension(glue.T @ K @ glue, fixed, values)[:, number[FACES[face ^ 1]]]
    if np.ptp(far, axis=1).max() > 1e-6:
        raise ValueError(f"depth={depth}: the layer has not died out at the end of the strip")
    return far.mean(axis=1)


def tails(a: Callable, corner: Array, size: float) -> Array:
    """Those of the four faces of a sample, (face, j)."""
    places = (corner[0], corner[0] + size, corner[1], corner[1] + size)
    return np.array([tail(a, face, round(place % 1.0, 9)) for face, place in enumerate(places)])


def faint_field(a: Callable, corner: Array, size: float, levels_size: float | None = None) -> tuple[Q1Grid, Array]:
    """v_j (2, N+1, N+1) of theory: A*-harmonic, equal to the tails on the faces."""
    star, levels = period(a)[0][:, :, None], tails(a, corner, levels_size or size)
    grid, _, v = harmonic(lambda x, y: star, np.zeros(2), size, 0.0, levels)
    return grid, v


def left_over(a: Callable, corner: Array, size: float, q: int) -> Array:
    """C : <D^2 v>_q on a sample of that size: what theory says the filtered ratio errs by, to leading order."""
    solved = 12.0  # v on a square of 12 periods, then scaled
    grid, v = faint_field(a, corner, solved, levels_size=size)
    return np.einsum("ijk,jkl->il", coupling(a), curvature(grid, v, q)) * (solved / size) ** 2


# -- the faint field, measured and of theory ---------------------------------------------------------------------------------


def over_a_period(field: Array) -> Array:
    """Means over the squares of one period around the nodes that have one around them, by the trapezoidal rule."""
    weights = np.append(np.append(0.5, np.ones(N - 1)), 0.5) / N
    for axis in (0, 1):
        field = np.lib.stride_tricks.sliding_window_view(field, N + 1, axis=axis) @ weights
    return field


def faint_data(size: float = 12.0) -> Data:
    """w_2 - chi_2 on a sample held straight, as it is and averaged over a period, and the A*-harmonic v_2 of theory."""
    corner = np.zeros(2)
    grid, _, u = harmonic(SMOOTH, corner, size, 1.0, np.zeros((4, 2)))
    wrong = u - grid.affine() - repeated(period(SMOOTH)[1], corner, grid.cells)
    _, v = faint_field(SMOOTH, corner, size)
    return {
        "size": np.array(size),
        "wrong": wrong[1],
        "mean": over_a_period(wrong[1]),
        "theory": v[1],
        "tails": tails(SMOOTH, corner, size)[:, 1],
    }


def faint(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11.4, 3.5))
    size = float(data["size"])
    panels = (
        ("wrong", "w₂ − χ₂, the layer cut off", 0.0),
        ("mean", "its mean over a period", 0.5),
        ("theory", "theory: A*-harmonic", 0.0),
    )
    for ax, (name, title, start) in zip(axes, panels, strict=True):
        extend = "both" if name == "wrong" else "neither"
        field_plot(ax, data[name], (start, size - start) * 2, title, cmap="PuOr", vmin=-0.09, vmax=0.09, extend=extend)
        if name != "wrong":
            y = np.linspace(start, size - start, len(data[name]))
            ax.contour(y, y, data[name].T, levels=np.arange(-0.08, 0.02, 0.01), colors="0.3", linewidths=0.6)
        ax.set(xlabel="y₁", ylabel="y₂", xlim=(0, size), ylim=(0, size))
    return figure


# -- where the order ends ----------------------------------------------------------------------------------------------------


def window_end_data(periods: Sequence[int] = (4, 6, 8, 12, 16, 24, 32)) -> Data:
    """Envelopes of the filtered ratio over the sizes R ... R + 3/4 and two corners, by a direct solver, and what theory leaves.

    straight_q: u_j = y_j on the edge. levels: q = 5, every face at its own level, minus the tail. mirrored: straight, q = 5, a
    medium with C = 0. periodic: q = 5, by ``CellProblem``. theory: the largest entry of C : <D^2 v>_5. All relative.
    """
    samples = [(np.full(2, corner), f) for corner in CORNERS[0] for f in FRACTIONS]
    cases = {"straight": (SMOOTH, 0.0, (2, 3, 5)), "levels": (SMOOTH, -1.0, (5,)), "mirrored": (MIRRORED, 0.0, (5,))}

    def errors(a: Callable, share: float, orders: tuple[int, ...], corner: Array, size: float) -> list[float]:
        solved = harmonic(a, corner, size, 1.0, share * tails(a, corner, size))
        averages = [filtered(*solved, q) for q in orders]
        return [distance(a, flux @ np.linalg.inv(gradient) - period(a)[0]) for gradient, flux in averages]

    def distance(a: Callable, difference: Array) -> float:
        return float(np.abs(difference).max() / np.abs(period(a)[0]).max())

    out = {"R": np.array(periods)}
    for name, case in cases.items():
        worst = np.array([np.max([errors(*case, corner, R + f) for corner, f in samples], axis=0) for R in periods])
        names = [f"{name}_q{q}" for q in case[-1]] if len(case[-1]) > 1 else [name]
        out |= dict(zip(names, worst.T, strict=True))
    out["periodic"] = envelopes(SMOOTH, sampled(n=N, window=("smooth", 5), tol=1e-10), periods)
    theory = [[distance(SMOOTH, left_over(SMOOTH, corner, R + f, 5)) for corner, f in samples] for R in periods]
    return out | {"theory": np.max(theory, axis=1)}


def local_slopes(data: Data, name: str) -> Array:
    """Slopes of an envelope between neighbouring R."""
    return np.diff(np.log(data[name])) / np.diff(np.log(middle(data["R"])))


def window_end(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10.4, 4.4), width_ratios=(1.15, 1))
    looks = {
        "straight_q2": (GREEN, "s", "-", "held straight, q = 2"),
        "straight_q3": (BLUE, "D", "-", "held straight, q = 3"),
        "straight_q5": (PINK, "o", "-", "held straight, q = 5"),
        "mirrored": (ORANGE, "^", "-", "the same, a mirrored medium"),
        "levels": (SKY, "v", "--", "every face at its own level, q = 5"),
        "periodic": ("black", "x", ":", "periodic, q = 5"),
    }
    R = middle(data["R"])
    between = np.sqrt(R[1:] * R[:-1])
    for name, (color, marker, line, label) in looks.items():
        left.loglog(R, data[name], color=color, marker=marker, ls=line, label=label)
        right.semilogx(between, local_slopes(data, name), color=color, marker=marker, ls=line)
    left.loglog(R, data["theory"], color="0.4", lw=4, alpha=0.5, zorder=0, label="C : ⟨D²v⟩, computed, not fitted")
    left.set(ylabel="largest relative error of A", title="Ratio, filtered", ylim=(3e-10, 2e-2))
    left.legend(loc="lower left", fontsize=8)
    for slope in (-2, -3, -6):
        right.axhline(slope, color="0.6", lw=1, ls="--", zorder=0)
    right.set(ylabel="slope from one R to the next", title="Local slopes", ylim=(-6.6, -1.4))
    for ax in (left, right):
        ax.set_xticks((4, 6, 8, 12, 16, 24, 32), ["4", "6", "8", "12", "16", "24", "32"])
        ax.minorticks_off()
        ax.set(xlabel="R (periods)")
    return figure
