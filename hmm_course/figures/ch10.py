"""Figures of chapter 10: a plate of resin and fibres that conducts and cools, a bed of cylinders that water seeps through."""

from functools import lru_cache
from typing import Any

import numpy as np
import skfem
from matplotlib.tri import LinearTriInterpolator, Triangulation

import hmm_core as hmm
from hmm_core.compare import Oscillating, resolve, resolve_pores
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, fit_rate, plain, rate_plot

FIBRE, HEAVY = 20.0, 2.0  # conductivity and heat capacity of the fibres, those of the resin being 1
N_CELL = 16  # elements per period, of the cell problems as of what is resolved

# -- the plate ---------------------------------------------------------------------------------------------------------------


def soft_disk(radius: Array, y: Array) -> Array:
    """Share of fibre at y: 1 in the middle of the period, 0 outside, with a soft edge at about this radius."""
    rho = np.hypot(np.cos(np.pi * y[0]), np.cos(np.pi * y[1])) / np.pi
    return 0.5 + 0.5 * np.tanh((radius - rho) / 0.05)


def fibre(x: Array, y: Array) -> Array:
    """Fibres that are thicker to the right."""
    return soft_disk(0.15 + 0.2 * x[0], y)


def conductivity(x: Array, y: Array) -> Array:
    """k(x, y)."""
    return 1 + (FIBRE - 1) * fibre(x, y)


def capacity(x: Array, y: Array) -> Array:
    """c(x, y)."""
    return 1 + (HEAVY - 1) * fibre(x, y)


def cell(n: int = N_CELL) -> hmm.CellProblem:
    return hmm.CellProblem(dim=2, n=n)


def line(count: int) -> Array:
    """Macro points along the middle of the plate, (2, count)."""
    return np.array([np.linspace(0, 1, count), np.full(count, 0.5)])


@lru_cache(maxsize=4)
def _means(count: int = 400) -> tuple[Array, Array, Array, Array]:
    """x1; arithmetic and harmonic mean of k, arithmetic mean of c, over the period at x1."""
    x1, y = np.linspace(0, 1, count), (np.indices((64, 64)).reshape(2, 1, -1) + 0.5) / 64
    x = np.array([x1, 0 * x1])[:, :, None]
    k, c = conductivity(x, y), capacity(x, y)
    return x1, k.mean(axis=1), 1 / (1 / k).mean(axis=1), c.mean(axis=1)


def arithmetic(x: Array) -> Array:
    """The mean conductivity at x: what one might take for the effective one."""
    x1, mean, _, _ = _means()
    return np.interp(x[0], x1, mean)


def harmonic_capacity(x: Array) -> Array:
    """A wrong average of c."""
    y = ((np.indices((32, 32)).reshape(2, -1) + 0.5) / 32).reshape(2, *(1,) * (x.ndim - 1), -1)
    return 1 / (1 / capacity(x[..., None], y)).mean(axis=-1)


def plate_data(eps: float = 1 / 8, pixels: int = 256) -> Data:
    """The plate; its effective conductivity and the two means along x1."""
    x = (np.indices((pixels, pixels)) + 0.5) / pixels
    x1, upper, lower, _ = _means()
    tensor = cell(32).effective_tensor(conductivity, x=line(33))
    return {
        "plate": conductivity(x, x / eps),
        "x1": line(33)[0],
        "A11": tensor[0, 0],
        "A22": tensor[1, 1],
        "means_x1": x1,
        "arithmetic": upper,
        "harmonic": lower,
    }


def plate(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.2, 3.8))
    image = left.imshow(data["plate"].T, origin="lower", extent=(0, 1, 0, 1), cmap="cividis")
    figure.colorbar(image, ax=left, label="conductivity k", shrink=0.8)
    left.grid(False)
    left.set(xlabel="$x_1$", ylabel="$x_2$", title="Resin and fibres, ε = 1/8")
    right.fill_between(data["means_x1"], data["harmonic"], data["arithmetic"], color="0.9", label="between the means")
    right.plot(data["x1"], data["A11"], color=BLUE, label="effective conductivity $A_{11}$")
    right.plot(data["x1"][::4], data["A22"][::4], "o", color=ORANGE, ms=4, label="$A_{22}$")
    right.set(xlabel="$x_1$", ylabel="conductivity", title="What the macro scale sees", xlim=(0, 1))
    right.legend(loc="upper left")
    return figure


# -- steady: a strip of the plate --------------------------------------------------------------------------------------------

ENDS = {"left": lambda x: x[0] == 0, "right": lambda x: x[0] == 1}
HOT_COLD = {"left": 1.0, "right": 0.0}


def strip(columns: int, rows: int, height: float, element: Any) -> skfem.CellBasis:
    """[0, 1] x [0, height], its two ends named."""
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, 1, columns + 1), np.linspace(0, height, rows + 1))
    return hmm.macro_basis(mesh.with_boundaries(ENDS), element)


def through(solution: hmm.Solution) -> float:
    """What flows from left to right, per height."""
    return float(-(solution.flux[0] * solution.basis.dx).sum() / solution.basis.dx.sum())


def steady(closure: Any) -> hmm.Solution:
    """1 on the left, 0 on the right, nothing passes the other two sides: by 32 quadratic macro elements."""
    return hmm.solve_elliptic(strip(32, 1, 1.0, skfem.ElementQuad2()), closure, 0.0, HOT_COLD)


def resolved_row(N: int, n: int = N_CELL) -> hmm.Solution:
    """One row of N periods, every one of them resolved: insulated sides are mirrors, so the whole plate is such rows."""
    mesh = strip(n * N, n, 1 / N, skfem.ElementQuad1()).mesh
    return resolve(mesh, skfem.ElementQuad1(), conductivity, 1 / N, 0.0, HOT_COLD)


def steady_data(rows: tuple[int, ...] = (4, 8, 16, 32)) -> Data:
    """Temperature and heat flow, resolved, by HMM, and with the arithmetic mean."""
    macro, naive = steady(hmm.CellClosure(conductivity, cell())), steady(hmm.ExactClosure(arithmetic))
    distance, flow = [], []
    for N in rows:
        fine = resolved_row(N)
        x = np.asarray(fine.basis.global_coordinates()).reshape(2, -1)
        off = macro.at(x) - fine.at(x)
        distance.append(np.sqrt((off**2 * fine.basis.dx.ravel()).sum() * N))
        flow.append(abs(through(fine) / through(macro) - 1))
        if N == 8:
            shown = fine
    x = np.array([np.linspace(0, 1, 321), np.full(321, 0.5 / 8)])
    return {
        "x1": x[0],
        "resolved": shown.at(x),
        "hmm": macro.at(x),
        "naive": naive.at(x),
        "eps": 1 / np.array(rows),
        "distance": np.array(distance),
        "flow": np.array(flow),
        "flows": np.array([through(shown), through(macro), through(naive)]),
    }


def steady_figure(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.7))
    left.plot(data["x1"], data["resolved"], color=ORANGE, lw=1.4, label="resolved, ε = 1/8, through the fibres")
    left.plot(data["x1"], data["hmm"], color=BLUE, label="HMM")
    left.plot(data["x1"], data["naive"], color="0.4", ls="--", lw=1.2, label="arithmetic mean")
    left.set(xlabel="$x_1$", ylabel="temperature", title="From hot to cold")
    left.legend()
    rate_plot(right, data["eps"], data["distance"], "temperature, $L^2$", 1.0, color=BLUE)
    rate_plot(right, data["eps"], data["flow"], "heat flow, relative", 2.0, color=GREEN)
    right.set(xlabel="ε", ylabel="resolved to HMM", title="Two rates")
    _eps_ticks(right, data["eps"])
    return plain(figure)


# -- in time: the plate is taken out of the oven -----------------------------------------------------------------------------

RIM = {"rim": lambda x: (x[0] == 0) | (x[0] == 1) | (x[1] == 0)}  # of the lower half; the upper one is its mirror image
END = 0.12
TIMES = np.linspace(0, END, 25)


def half_plate(m: int, element: Any) -> skfem.CellBasis:
    """[0, 1] x [0, 1/2] in 2m x m squares, its outer rim named."""
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, 1, 2 * m + 1), np.linspace(0, 0.5, m + 1))
    return hmm.macro_basis(mesh.with_boundaries(RIM), element)


def whole_plate(m: int, element: Any) -> skfem.CellBasis:
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, 1, m + 1), np.linspace(0, 1, m + 1))
    return hmm.macro_basis(mesh, element)


def cool(basis: skfem.CellBasis, closure: Any, c: Any = capacity, **options: Any) -> hmm.Trajectory:
    """U = 1 at first, 0 on the rim from then on."""
    options = options or {"step": END / 48}
    return hmm.solve_parabolic(basis, closure, 1.0, 0.0, TIMES, c, {"rim": 0.0}, **options)


def resolved_cooling(N: int, n: int = N_CELL) -> hmm.Trajectory:
    """Half the plate with every fibre resolved, and a capacity that oscillates with them."""
    basis = half_plate(n * N // 2, skfem.ElementQuad1())
    return cool(basis, hmm.ExactClosure(Oscillating(conductivity, 1 / N)), Oscillating(capacity, 1 / N))


def peaks(run: hmm.Trajectory) -> Array:
    """The highest temperature at every output."""
    return np.array([solution.u.max() for solution in run])


def cooling_data(rows: tuple[int, ...] = (4, 8, 16), moments: tuple[float, ...] = (0.01, 0.04, 0.08)) -> Data:
    """Cooling, resolved for ever smaller periods, by HMM, and with two wrong averages."""
    macro = half_plate(16, skfem.ElementQuad2())
    closure = hmm.CellClosure(conductivity, cell())
    run = cool(macro, closure)
    distance = np.empty((len(moments), len(rows)))
    for k, N in enumerate(rows):
        fine = resolved_cooling(N)
        x = np.asarray(fine.basis.global_coordinates()).reshape(2, -1)
        for j, t in enumerate(moments):
            truth, dx = fine.at(x, t), fine.basis.dx.ravel()
            distance[j, k] = np.sqrt(((run.at(x, t) - truth) ** 2 * dx).sum() / (truth**2 * dx).sum())
        if N == 8:
            shown, unknowns = fine, fine.basis.N
    pixels = 96
    x = (np.indices((pixels, pixels // 2)).reshape(2, -1) + 0.5) / pixels
    picture = (pixels, pixels // 2)
    t = 0.02
    return {
        "t": TIMES,
        "moment": np.array(t),
        "resolved": shown.at(x, t).reshape(picture),
        "hmm": run.at(x, t).reshape(picture),
        "peak_resolved": peaks(shown),
        "peak_hmm": peaks(run),
        "peak_mean": peaks(cool(macro, hmm.ExactClosure(arithmetic))),
        "peak_light": peaks(cool(macro, closure, harmonic_capacity)),
        "eps": 1 / np.array(rows),
        "moments": np.array(moments),
        "distance": distance,
        "unknowns": np.array([unknowns, macro.N]),
    }


def cooling(data: Data) -> Any:
    figure, axes = canvas(2, 2, figsize=(9.6, 7.2))
    for ax, name, title in zip(axes[0], ("resolved", "hmm"), ("Resolved, ε = 1/8", "HMM"), strict=True):
        field = np.concatenate([data[name], data[name][:, ::-1]], axis=1)
        image = ax.imshow(field.T, origin="lower", extent=(0, 1, 0, 1), cmap="inferno", vmin=0, vmax=0.8)
        figure.colorbar(image, ax=ax, shrink=0.8, label="temperature")
        ax.grid(False)
        ax.set(xlabel="$x_1$", ylabel="$x_2$", title=f"{title}, t = {data['moment']:g}")
    left, right = axes[1]
    left.semilogy(data["t"], data["peak_mean"], color="0.4", ls="--", lw=1.2, label="arithmetic mean of k")
    left.semilogy(data["t"], data["peak_light"], color=PINK, ls="-.", lw=1.2, label="harmonic mean of c")
    left.semilogy(data["t"], data["peak_hmm"], color=BLUE, label="HMM")
    left.semilogy(data["t"][::2], data["peak_resolved"][::2], "o", color=ORANGE, ms=4, label="resolved, ε = 1/8")
    left.set(xlabel="t", ylabel="highest temperature", title="How long until it is cool?", xlim=(0, END))
    left.legend(loc="lower left")
    for t, row, colour in zip(data["moments"], data["distance"], (GREEN, BLUE, PINK), strict=True):
        rate_plot(right, data["eps"], row, f"t = {t:g}", 1.0 if t == data["moments"][0] else None, color=colour)
    right.set(xlabel="ε", ylabel="relative $L^2$ distance", title="Resolved to HMM")
    _eps_ticks(right, data["eps"])
    return plain(figure)


# -- the pores: one cell -----------------------------------------------------------------------------------------------------

# Drag of a square array of cylinders, at the share c of the area (Sangani and Acrivos 1982, recomputed)
DRAG = {0.1: 24.8316752, 0.2: 51.5269490, 0.4: 217.894315, 0.5: 532.548118}


def disk(radius: float) -> Any:
    """phi(x, y) of one cylinder in every period."""
    return lambda x, y: np.hypot(*(y - np.round(y))) - radius


def tilted(a: float = 0.42, b: float = 0.16, degrees: float = 30.0) -> Any:
    """phi(x, y) of an ellipse with half axes a, b."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def phi(x: Array, y: Array) -> Array:
        z = y - np.round(y)
        return np.hypot((cosine * z[0] + sine * z[1]) / a, (cosine * z[1] - sine * z[0]) / b) - 1

    return phi


AROUND = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


def pores_data(n: int = 16, pixels: int = 81) -> Data:
    """The flow that the force e_1 drives around a cylinder and around a tilted ellipse: (2, pixels, pixels) each."""
    out: Data = {}
    grid = np.linspace(-0.5, 0.5, pixels)
    for name, phi in (("disk", disk(0.3)), ("ellipse", tilted())):
        found = hmm.StokesProblem(n=n).solve(phi)
        flow = found.flows[0]
        places = Triangulation(*flow.points, flow.simplices.T)
        y = np.array(np.meshgrid(grid, grid, indexing="ij"))
        out[name] = sampled(places, flow.velocity[0], y, AROUND)
        out[f"{name}_solid"] = phi(None, y[:, None])[0] < 0
        out[f"{name}_K"] = found.permeability
    out["y"] = grid
    return out


def sampled(
    places: Triangulation, velocity: Array, y: Array, periods: tuple[tuple[int, int], ...] = ((0, 0),)
) -> Array:
    """A velocity at points y (2, ...), or at those so many periods away, if the mesh's uneven sides leave them out there.

    Zero inside obstacles.
    """
    out = np.zeros_like(y)
    for shift in periods:
        found = [
            LinearTriInterpolator(places, part)(*(y + np.reshape(shift, (2, 1, 1)))).filled(0.0) for part in velocity
        ]
        out = np.where((out == 0).all(axis=0), found, out)
    return out


def pores(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.4, 4))
    y = data["y"]
    for ax, name, title in zip(axes, ("disk", "ellipse"), ("A cylinder", "A tilted ellipse"), strict=True):
        speed = np.ma.masked_where(data[f"{name}_solid"], np.hypot(*data[name]) / data[f"{name}_K"][0, 0])
        image = ax.imshow(speed.T, origin="lower", extent=(-0.5, 0.5, -0.5, 0.5), cmap="viridis", vmin=0)
        image.cmap.set_bad("0.75")
        figure.colorbar(image, ax=ax, shrink=0.8, label="speed over its mean along $e_1$")
        lines = {"color": "white", "linewidth": 0.7, "arrowstyle": "-", "density": 0.8, "broken_streamlines": False}
        ax.streamplot(y, y, data[name][0].T, data[name][1].T, **lines)
        mean = data[f"{name}_K"][:, 0] / np.hypot(*data[f"{name}_K"][:, 0])
        ax.annotate("", 0.3 * mean, (0, 0), arrowprops={"arrowstyle": "-|>", "color": BLUE, "lw": 2.5})
        ax.annotate("", (0.3, 0), (0, 0), arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 1.2, "ls": "--"})
        ax.set(xlabel="$y_1$", ylabel="$y_2$", title=title, xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))
        ax.grid(False)
    return figure


def narrow(gap: Array) -> Array:
    """K of cylinders that almost touch, ``gap`` periods apart, by the theory of lubrication: 2 sqrt 2/(9 pi) gap^(5/2)."""
    return 2 * np.sqrt(2) / (9 * np.pi) * gap**2.5


def dilute(c: Array) -> Array:
    """K of thin cylinders that take the share c of the area (Hasimoto 1959)."""
    return (-0.5 * np.log(c) - 0.738 + c) / (4 * np.pi)


def permeability_data(n: int = 32) -> Data:
    """K of cylinders from thin to almost touching."""
    gap = np.array([0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.16, 0.12, 0.1, 0.08, 0.06, 0.05])
    problem = hmm.StokesProblem(n=n)
    known = np.array(list(DRAG))
    return {
        "gap": gap,
        "K": np.array([problem.permeability(disk((1 - g) / 2))[0, 0] for g in gap]),
        "known_gap": 1 - 2 * np.sqrt(known / np.pi),
        "known_K": 1 / np.array(list(DRAG.values())),
        "n": np.array([8, 12, 16, 24]),
        "error": np.array([_largest_error(k) for k in (8, 12, 16, 24)]),
    }


def _largest_error(n: int) -> float:
    """Of K against the known drags."""
    problem = hmm.StokesProblem(n=n)
    return max(abs(problem.permeability(disk(np.sqrt(c / np.pi)))[0, 0] * drag - 1) for c, drag in DRAG.items())


def permeability(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.9), width_ratios=(1.5, 1))
    gap = data["gap"]
    g = np.geomspace(0.045, 0.5, 60)
    rate = fit_rate(gap[-4:], data["K"][-4:])
    left.loglog(g, narrow(g), color="0.45", ls="--", lw=1.2, label="almost touching: slope 5/2")
    g = np.linspace(0.55, 0.93, 60)
    left.loglog(g, dilute(np.pi * (1 - g) ** 2 / 4), color=PINK, ls="-.", lw=1.5, label="thin cylinders")
    left.loglog(gap, data["K"], "o", color=BLUE, ms=4, label=f"cell problems; last four: slope {rate:.2f}")
    left.loglog(data["known_gap"], data["known_K"], "x", color=ORANGE, ms=8, label="Sangani and Acrivos")
    left.set(xlabel="gap between two cylinders, in periods", ylabel="permeability K", title="From thin to touching")
    left.legend()
    right.loglog(data["n"], data["error"], "o-", color=BLUE)
    right.set(xlabel="squares per period n", ylabel="largest relative error of K", title="Against the known drags")
    right.set_xticks(data["n"], [str(k) for k in data["n"]])
    return plain(figure)


# -- the bed -----------------------------------------------------------------------------------------------------------------


def radius(x: Array) -> Array:
    """Of the cylinders of the graded bed, in periods."""
    return 0.15 + 0.15 * x[0] + 0.1 * x[1]


def bed(x: Array, y: Array) -> Array:
    """phi(x, y): a cylinder in the middle of every period."""
    z = y - 0.5
    return np.hypot(*(z - np.round(z))) - radius(x)


def row_radius(x: Array) -> Array:
    return 0.15 + 0.2 * x[0]


def row(x: Array, y: Array) -> Array:
    """The same in a row: the radius depends on x1 only."""
    z = y - 0.5
    return np.hypot(*(z - np.round(z))) - row_radius(x)


def member(r: float, y: Array) -> Array:
    """phi(r, y): the family of obstacles, by their radius."""
    return np.hypot(y[0], y[1]) - r


@lru_cache(maxsize=4)
def curve(n: int = 12) -> Any:
    """K(r) for 0.1 <= r <= 0.42."""
    return hmm.permeability_curve(member, hmm.StokesProblem(n=n), 0.1, 0.42, tol=2e-3)


def darcy(r: Any, m: int = 16, n: int = 12) -> hmm.Solution:
    """Pressure 1 on the left, 0 on the right; mu = eps = 1."""
    basis = strip(m, m, 1.0, skfem.ElementQuad2())
    return hmm.solve_elliptic(basis, hmm.ExactClosure(lambda x: curve(n)(r(x))), 0.0, HOT_COLD)


def bed_data(rows: tuple[int, ...] = (2, 4, 8, 16), beds: tuple[int, ...] = (2, 4, 8), n: int = 12) -> Data:
    """A bed of 8 x 8 cylinders, resolved, beside Darcy's law; and the flow through rows and beds of ever more cylinders."""
    law, law_row = darcy(radius, n=n), darcy(row_radius, m=64)
    series = [resolve_pores(row, 1 / N, (N, 1), n).flux * N**2 / through(law_row) - 1 for N in rows]
    flows = {walls: [resolve_pores(bed, 1 / N, (N, N), n, walls=walls) for N in beds] for walls in ("slip", "no-slip")}
    off = {
        walls: [f.flux * N**2 / through(law) - 1 for f, N in zip(found, beds, strict=True)]
        for walls, found in flows.items()
    }
    flow, pixels = flows["slip"][-1], (np.indices((160, 160)) + 0.5) / 160
    x = np.array([np.linspace(0, 1, 81), np.full(81, 2.5 / 8)])
    return {
        "speed": np.hypot(*sampled(Triangulation(*flow.points, flow.simplices.T), flow.velocity, pixels)) * 64,
        "solid": bed(pixels, pixels * 8) < 0,
        **_filtration(law),
        "x1": x[0],
        "pressure": law.at(x),
        "cells": (np.arange(8) + 0.5) / 8,
        "pressure_cells": _cell_means(flow)[:, 2],
        "eps_rows": 1 / np.array(rows),
        "series": np.abs(series),
        "eps_beds": 1 / np.array(beds),
        "slip": np.abs(off["slip"]),
        "no_slip": np.abs(off["no-slip"]),
    }


def _filtration(law: hmm.Solution) -> Data:
    """Darcy's velocity in the middle of the macro squares, sorted into a grid (m, m)."""
    x = np.asarray(law.basis.global_coordinates()).mean(axis=2)
    m = round(np.sqrt(x.shape[1]))
    order = np.lexsort((x[1].round(9), x[0].round(9)))
    return {"x": x[:, order].reshape(2, m, m), "velocity": -law.flux.mean(axis=2)[:, order].reshape(2, m, m)}


def _cell_means(flow: Any, cells: int = 8) -> Array:
    """Mean pressure of the fluid in every period: (cells, cells)."""
    corners = flow.points[:, flow.simplices]
    (a, b), (c, d) = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area, pressure = np.abs(a * d - b * c), flow.pressure[flow.simplices].mean(axis=0)
    place = np.ravel_multi_index(tuple((cells * corners.mean(axis=1)).astype(int)), (cells, cells))
    total, weighted = (np.bincount(place, weights, cells**2) for weights in (area, area * pressure))
    return (weighted / total).reshape(cells, cells)


def bed_figure(data: Data) -> Any:
    figure, ((first, second), (left, right)) = canvas(2, 2, figsize=(9.6, 7.6))
    top = np.percentile(data["speed"], 99.5)
    speed = np.ma.masked_where(data["solid"], data["speed"])
    look = {"origin": "lower", "extent": (0, 1, 0, 1), "cmap": "viridis", "vmin": 0}
    image = first.imshow(speed.T, vmax=top, **look)
    image.cmap.set_bad("0.75")
    figure.colorbar(image, ax=first, shrink=0.8, extend="max", label="speed / ε²")
    first.set(xlabel="$x_1$", ylabel="$x_2$", title="All pores resolved")
    image = second.imshow(np.hypot(*data["velocity"]).T, **look)
    figure.colorbar(image, ax=second, shrink=0.8, label="filtration velocity / ε²")
    every = np.s_[:, ::2, ::2]
    second.quiver(*data["x"][every], *data["velocity"][every], color="white", pivot="mid", width=0.005)
    second.set(xlabel="$x_1$", ylabel="$x_2$", title="Darcy's law with K(x)")
    for ax in (first, second):
        ax.grid(False)
    left.plot(data["x1"], data["pressure"], color=BLUE, label="Darcy")
    left.plot(data["cells"], data["pressure_cells"], "o", color=ORANGE, label="mean over a resolved period")
    left.plot(data["x1"], 1 - data["x1"], color="0.55", lw=1, ls=":", label="a bed that is even")
    left.set(xlabel="$x_1$", ylabel="pressure", title="Along the third row, $x_2$ = 0.31")
    left.legend()
    rate_plot(right, data["eps_rows"], data["series"], "a row", 2.0, color=BLUE)
    right.loglog(data["eps_beds"], data["slip"], "s", color=GREEN, label="beds, walls without friction")
    rate_plot(right, data["eps_beds"], data["no_slip"], "beds, walls that hold", 1.0, color=ORANGE)
    right.set(xlabel="ε", ylabel="relative distance of the flow", title="Resolved to Darcy", ylim=(5e-4, 60))
    right.legend(loc="upper left")
    _eps_ticks(right, data["eps_rows"])
    return plain(figure)


def _eps_ticks(ax: Any, eps: Array) -> None:
    ax.set_xticks(eps, [f"1/{round(1 / e)}" for e in eps])
