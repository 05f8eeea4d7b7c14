"""Figures of chapter 03, the macro half: a crowd that spreads, by the exact law, by HMM and by ten thousand counters.

In macro units the row has the length 1, its counters the distance 1/(L + 1), and a time t of the counters is t/(L + 1)^2: then
dU/dt = d^2 phi(U)/dx^2.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import skfem

import hmm_core as hmm
from hmm_course.figures import BLUE, ORANGE, PINK, Data, canvas, committed, fit_rate, plain
from hmm_course.figures.ch03 import fugacity, ring_share
from hmm_course.figures.ch03_lattice import TICKS, drawn, run

Array = np.ndarray
END, DOORS = 0.008, (2.0, 0.5)  # macro time; densities of the reservoirs
BOX = 20  # counters of a box that is sorted by its people


def crowd(x: Array) -> Array:
    """U at t = 0, for x (...): a crowd around 0.55, and people behind the left door."""
    return 0.5 + 1.5 * np.exp(-x / 0.05) + 2.5 * np.exp(-(((x - 0.55) / 0.07) ** 2))


# -- the macro solver and its closures -----------------------------------------------------------------------------------------


def line(elements: int = 50) -> skfem.CellBasis:
    """The macro space."""
    mesh = skfem.MeshLine(np.linspace(0, 1, elements + 1)).with_boundaries(
        {"left": lambda x: x[0] == 0, "right": lambda x: x[0] == 1}
    )
    return hmm.macro_basis(mesh, skfem.ElementLineP1())


def exact() -> hmm.ExactClosure:
    """sigma = phi'(U) grad U, phi' = (1 + U)^-2."""
    return hmm.ExactClosure(lambda x, u: (1 + u) ** -2, lambda x, u: -2 * (1 + u) ** -3)


def ring_law(sites: int = 20) -> hmm.ExactClosure:
    """What rings of so few counters would say in an endless time: phi = N/(N + L - 1) = U/(U + c), c = 1 - 1/L."""
    c = 1 - 1 / sites
    return hmm.ExactClosure(lambda x, u: c * (u + c) ** -2, lambda x, u: -2 * c * (u + c) ** -3)


def pair(length: float = 0.02) -> hmm.particles.ZeroRange:
    """The micro model: the two ends of a box, each a ring of twenty counters."""
    return hmm.particles.ZeroRange(sites=20, p=1.0, q=1.0, ends="rings", length=length)


def asked(replicas: int = 8, budget: float = 100.0, seed: int = 1) -> hmm.TableClosure:
    """A table of what trajectories answer, over all states of the crowd."""
    watched = hmm.TrajectoryClosure(pair(), np.random.default_rng(seed), budget=budget, replicas=replicas)
    return hmm.TableClosure(watched, u=(0.45, 3.05), grad=(-32.0, 32.0), tol=1.0, x=[0.01])


def tries(table: hmm.TableClosure) -> int:
    """Jumps that were tried to fill a table: 2 L per ring and unit of time, by four rings for each of five states and replica."""
    watched = table.closure
    rings = 4 * 5 * watched.replicas
    return round(table.size * rings * watched.budget * 2 * watched.model.sites)


def spread(closure: Any, elements: int = 50, steps: int = 16) -> hmm.macro.trajectory.Trajectory:
    """The crowd up to ``END``."""
    doors = {"left": DOORS[0], "right": DOORS[1]}
    return hmm.solve_parabolic(
        line(elements),
        closure,
        lambda x: crowd(x[0]),
        0.0,
        np.linspace(0, END, steps + 1),
        dirichlet=doors,
        balance=1e-8,
    )


@lru_cache(maxsize=1)
def truth() -> tuple[Array, Array]:
    """Nodes x and U there at ``END``, on a mesh so fine that its error does not show."""
    found = spread(exact(), 400, 64)
    x, order = found.basis.doflocs[0], np.argsort(found.basis.doflocs[0])
    return x[order], found[-1].u[order]


# -- ten thousand counters -----------------------------------------------------------------------------------------------------

CELLS, TOTAL = 25, 40_000  # macro cells; counters of all rows together, which are looked at twenty times


def rows(sites: int, count: int, seed: int, moments: int = 1, together: bool = False) -> list[Array]:
    """Numbers (count, sites) of as many rows that start from local equilibrium, at the last moments of ``END``, 1 % apart."""
    rng = np.random.Generator(np.random.SFC64(seed))  # the fastest
    x = np.arange(1, sites + 1) / (sites + 1)
    n, whole, ends = drawn(crowd(x), count, rng), END * (sites + 1) ** 2, tuple(fugacity(np.array(DOORS)))
    last, seen = round(TICKS * whole / 100), []
    first = round(TICKS * whole) - last * (moments - 1)
    for ticks in [first, *[last] * (moments - 1)]:
        n = run(n, ticks / TICKS, rng, ends, together=together)
        seen.append(n)
    return seen


def resolved_data(sites: tuple[int, ...] = (100, 1000, 10_000)) -> Data:
    """Densities in 25 macro cells of rows of ever more counters, their standard errors, and boxes of 20 counters sorted by their
    people: how many there are of each kind, the mean share of busy counters in them, and its standard error."""
    out: Data = {key: [] for key in ("x", "density", "stderr", "boxes", "busy", "busy_stderr", "tries")}
    for L in sites:
        # boxes of one row are new ones after 1 % of END if that is long enough, as from 1000 counters on; otherwise more rows
        moments = 20 if L >= 1000 else 1
        R = TOTAL // L * (20 // moments)
        film = rows(L, R, seed=L, moments=moments, together=L > 5000)
        place = np.arange(1, L + 1) / (L + 1)
        density = film[-1].reshape(R, CELLS, -1).mean(axis=(0, 2))
        out["x"].append(place.reshape(CELLS, -1).mean(axis=1))
        out["density"].append(density)
        out["stderr"].append(np.sqrt(density * (1 + density) / (R * L / CELLS)))
        for key, value in zip(("boxes", "busy", "busy_stderr"), sorted_boxes(film), strict=True):
            out[key].append(value)
        out["tries"].append(TICKS * END * (L + 1) ** 2 * L / 2)
    return {"sites": np.array(sites)} | {key: np.array(value) for key, value in out.items()}


def sorted_boxes(film: list[Array], most: int = 100) -> tuple[Array, Array, Array]:
    """By the people N = 0 ... most of a box: boxes, their mean share of busy counters, its standard error."""
    boxes = np.concatenate([n.reshape(-1, BOX) for n in film])
    people, share = boxes.sum(axis=1), (boxes > 0).mean(axis=1)
    people, share = people[people <= most], share[people <= most]
    count = np.bincount(people, minlength=most + 1)
    first, second = (np.bincount(people, share**k, most + 1) / np.maximum(count, 1) for k in (1, 2))
    return count, first, np.sqrt(np.maximum(second - first**2, 0) / np.maximum(count, 1))


def resolved(data: Data) -> Any:
    figure, axes = canvas(1, len(data["sites"]), figsize=(11, 3.6), sharey=True)
    N = np.arange(data["boxes"].shape[1])
    for ax, L, boxes, busy, stderr in zip(
        axes, data["sites"], data["boxes"], data["busy"], data["busy_stderr"], strict=True
    ):
        seen = boxes >= 100
        ax.plot(N / BOX, ring_share(N, BOX), color="black", lw=1, label="equilibrium")
        ax.errorbar(
            N[seen] / BOX, busy[seen], 2 * stderr[seen], fmt="o", ms=3, color=ORANGE, lw=1, label="sorted boxes"
        )
        ax.set(xlabel="people per counter of the box", title=f"{L:,} counters", xlim=(0, 3))
    axes[0].set_ylabel("busy counters, mean of g")
    axes[0].legend(loc="lower right")
    return figure


def crowd_data(table: hmm.TableClosure | None = None, run: Any = None) -> Data:
    """The crowd at ``END``: exact law, HMM with a ``table`` and its ``run``, a law frozen at its mean, ten thousand counters."""
    table = table or asked()
    run = run or spread(table)
    order = np.argsort(run.basis.doflocs[0])
    full = committed("03-resolved")
    fixed = hmm.ExactClosure(float(np.mean((1 + crowd(np.linspace(0, 1, 1001))) ** -2.0)))
    x, u = truth()
    nodes = run.basis.doflocs[0][order]
    return {
        "x": x,
        "start": crowd(x),
        "exact": u,
        "nodes": nodes,
        "fine": np.interp(nodes, x, u),
        "hmm": run[-1].u[order],
        "same_mesh": spread(exact())[-1].u[order],
        "fixed": spread(fixed)[-1].u[order],
        "tries": np.array([tries(table), full["tries"][-1]]),
        "cells": full["x"][-1],
        "density": full["density"][-1],
        "stderr": full["stderr"][-1],
    }


def crowd_figure(data: Data) -> Any:
    figure, ax = canvas(figsize=(8.4, 4))
    ax.plot(data["x"], data["start"], color="0.6", lw=1, ls=":", label="at the start")
    ax.plot(data["x"], data["exact"], color="black", lw=1.2, label="∂U/∂t = ∂²φ(U)/∂x²")
    ax.plot(data["nodes"], data["fixed"], color=PINK, lw=1.2, ls="--", label="a law that does not follow U")
    ax.plot(data["nodes"], data["hmm"], "o", ms=4, color=BLUE, label="HMM: trajectories, by a table")
    ax.errorbar(
        data["cells"], data["density"], 2 * data["stderr"], fmt="s", ms=4, lw=1, color=ORANGE,
        label="4 rows of 10,000 counters, ± 2 s.e.",
    )  # fmt: skip
    ax.set(xlabel="x", ylabel="people at a counter, U", ylim=(0, 3.6))
    ax.legend(fontsize=8, loc="upper right")
    return figure


# -- in the long run -----------------------------------------------------------------------------------------------------------


def stationary(x: Array, sites: float = math.inf) -> Array:
    """phi = U/(U + c), c = 1 - 1/L, is a line between the doors: c = 1, or as rings of so many counters would say."""
    c = 1 - 1 / sites
    left, right = (U / (U + c) for U in DOORS)
    phi = left + (right - left) * x
    return c * phi / (1 - phi)


def settled_rows(sites: int = 50, count: int = 400, moments: int = 15) -> tuple[Array, Array]:
    """Mean numbers of rows between the doors long after they were empty, and standard errors, from so many moments."""
    rng, n, seen = np.random.default_rng(50), np.zeros((count, sites), np.int64), []
    unit, ends = (sites + 1) ** 2, tuple(fugacity(np.array(DOORS)))
    n = run(n, 3 * unit, rng, ends)
    for _ in range(moments):
        n = run(n, unit / 4, rng, ends)
        seen.append(n)
    means = np.mean(seen, axis=0)
    return means.mean(axis=0), means.std(axis=0, ddof=1) / math.sqrt(count)


def stationary_data(elements: int = 12) -> Data:
    """Between the doors in the long run: HMM, every element asking its own rings, without a table; and rows of counters."""
    watched = hmm.TrajectoryClosure(pair(0.1), np.random.default_rng(2), budget=100.0, replicas=16)
    basis, doors = line(elements), {"left": DOORS[0], "right": DOORS[1]}
    found = hmm.solve_elliptic(basis, watched, 0.0, dirichlet=doors, initial=lambda x: 2 - 1.5 * x[0])
    order = np.argsort(basis.doflocs[0])
    mean, stderr = settled_rows()
    return {
        "nodes": basis.doflocs[0][order],
        "hmm": found.u[order],
        "hmm_stderr": found.stderr[order],
        "place": np.arange(1, len(mean) + 1) / (len(mean) + 1),
        "mean": mean,
        "stderr": stderr,
    }


def stationary_figure(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.6))
    x = np.linspace(0, 1, 201)
    for ax, seen in ((left, lambda U: U), (right, fugacity)):
        ax.plot(x, seen(stationary(x)), color="black", lw=1.2, label="closed form")
        ax.plot(data["place"], seen(data["mean"]), "s", ms=3, color=ORANGE, label="400 rows of 50 counters")
        ax.plot(data["nodes"], seen(data["hmm"]), "o", ms=5, color=BLUE, label="HMM")
        ax.set(xlabel="x")
    left.set(ylabel="U", title="Density")
    right.set(ylabel="φ(U)", title="Fugacity")
    left.legend()
    return figure


# -- no room between the scales ------------------------------------------------------------------------------------------------

SHORT, PLACES = (10, 20, 40, 80), 10


def room_data(total: int = 4_000_000) -> Data:
    """Root mean square distance, in 10 macro cells, of the mean of very many rows from the macro equation, without what chance
    adds to it."""
    x, u = truth()
    out: Data = {
        "sites": np.array(SHORT, float),
        "time": END * (np.array(SHORT) + 1.0) ** 2,
        "distance": [],
        "noise": [],
    }
    for L in SHORT:
        part = 200_000 // L
        runs = [rows(L, part, seed=1000 * L + k)[-1].mean(axis=0) for k in range(total // (part * L))]
        cells = np.array(runs).reshape(len(runs), PLACES, -1).mean(axis=2)
        macro = np.interp(np.arange(1, L + 1) / (L + 1), x, u).reshape(PLACES, -1).mean(axis=1)
        chance = np.mean(cells.var(axis=0, ddof=1)) / len(runs)
        out["distance"].append(math.sqrt(max(np.mean((cells.mean(axis=0) - macro) ** 2) - chance, 0.0)))
        out["noise"].append(math.sqrt(chance))
    return {name: np.array(value) for name, value in out.items()}


def room(data: Data) -> Any:
    figure, ax = canvas(figsize=(6.4, 3.6))
    rate = fit_rate(data["sites"], data["distance"])
    ax.loglog(data["sites"], data["distance"], "o-", color=BLUE, label=f"mean of rows to macro: slope {rate:.2f}")
    ax.loglog(data["sites"], data["noise"], color="0.5", lw=1, ls=":", label="chance, already taken off")
    ax.set(xlabel="counters in the row, L", ylabel="distance of U", xticks=data["sites"])
    ax.set_xticklabels([f"{L:g}" for L in data["sites"]])
    ax.set_yticks([0.01, 0.02, 0.05], ["0.01", "0.02", "0.05"])
    ax.legend()
    return plain(figure)
