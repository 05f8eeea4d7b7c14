"""Figures of chapter 11, traffic: a balance law whose flux is told by cars on small rings, its waves, and its error bands."""

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.special import stdtrit

import hmm_core as hmm
from hmm_core.micro.particles import Chance, Exclusion
from hmm_course.figures import BLUE, GREEN, ORANGE, Data, canvas, plain

Array = np.ndarray
PLACES = 50  # of a ring: its flux is PLACES/(PLACES - 1) times that of an endless road
LIGHT, FRONT, LENGTH = 0.2, 0.5, 0.3  # density of the free road; where a queue of density 1 ends, how long it is
TIMES = (0.0, 0.2, 0.35, 0.5)


# -- the law, and the road -------------------------------------------------------------------------------------------------


def cars(seed: int = 11, budget: float = 100.0, replicas: int = 16) -> hmm.TrajectoryClosure:
    """Rings of cars that move ahead at rate 1 if the place there is free."""
    return hmm.TrajectoryClosure(Exclusion(sites=PLACES), seed, budget=budget, replicas=replicas)


def table(closure: Any, **changes: Any) -> hmm.TableClosure:
    """In front of rings: asked for the densities that the road has, and for each of them once."""
    return hmm.TableClosure(hmm.PhysicalFlux(closure), **{"u": (0, 1), "tol": 1e-3} | changes)


def ring_law(x: Array, u: Array, grad: Array) -> tuple[Array, Array, float]:
    """What rings would say in an endless time, F and dF/du: between N and N + 1 cars a straight line."""
    model, N = Exclusion(sites=PLACES), np.clip(np.floor(u * PLACES + 1e-9), 0, PLACES - 1)
    flux = np.array([model.ring_current(n) for n in range(PLACES + 1)])
    slope = PLACES * np.diff(flux)[N.astype(int)]
    return (flux[N.astype(int)] + (u - N / PLACES) * slope)[None], slope[None], 0.0


def queue(x: Array) -> Array:
    """Density at t = 0: standing cars behind a light that turns green, free road elsewhere."""
    return np.where((x[0] > FRONT - LENGTH) & (x[0] < FRONT), 1.0, LIGHT)


def tail(t: float) -> float:
    """Where the queue begins, exactly: a shock of speed -LIGHT, until the fan from the front has reached it."""
    met = LENGTH / (1 - LIGHT)
    if t <= met:
        return FRONT - LENGTH - LIGHT * t
    return FRONT + (1 - 2 * LIGHT) * t - 2 * (1 - LIGHT) * np.sqrt(met * t)


def dissolving(x: Array, t: float) -> Array:
    """The density of u_t + (u (1 - u))_x = 0 from ``queue``, exactly, as long as nothing has gone around the road."""
    if t == 0:
        return queue(x)
    inside = (tail(t) < x[0]) & (x[0] < FRONT + (1 - 2 * LIGHT) * t)
    return np.where(inside, np.clip((1 - (x[0] - FRONT) / t) / 2, LIGHT, 1.0), LIGHT)


def solve(flux: Any, cells: int = 100, times: Any = TIMES, **options: Any) -> hmm.Flow:
    """The road, closed to a ring itself."""
    return hmm.solve_balance_law(hmm.Volumes(cells), flux, queue, times, **options)


# -- what rings say -----------------------------------------------------------------------------------------------------------

SITES = np.array([6, 10, 18, 30, 50])


def flux_data() -> Data:
    """The flux at some densities; and by how much it exceeds 1/4 at the density 1/2 on ever larger rings."""
    u = np.linspace(0, 1, 17)
    told = cars(budget=60.0)(u[None], u, 0 * u[None])
    out = {"u": u, "F": -told.flux[0], "stderr": told.stderr[0], "sites": SITES}
    excess = []
    for sites in SITES:
        model, half = Exclusion(sites=int(sites)), np.array([0.5])
        closure = hmm.TrajectoryClosure(model, 11, budget=150.0, replicas=400)
        answer = closure(np.zeros((1, 1)), half, np.zeros((1, 1)))
        excess.append((-answer.flux[0, 0] - 0.25, answer.stderr[0, 0]))
    out["excess"], out["excess_stderr"] = np.array(excess).T
    return out


def flux(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.5))
    u = np.linspace(0, 1, 201)
    left.plot(u, u * (1 - u), color="black", ls=":", lw=1.2, label="ρ(1 − ρ), an endless road")
    bars = {"fmt": "o", "ms": 3.5, "capsize": 2}
    left.errorbar(data["u"], data["F"], 2 * data["stderr"], color=BLUE, label="rings, ± 2 standard errors", **bars)
    left.set(xlabel="density ρ", ylabel="flux F", title="Cars that pass in a unit of time", ylim=(-0.01, 0.36))
    left.legend(loc="upper right", fontsize=8)
    right.errorbar(data["sites"], data["excess"], 2 * data["excess_stderr"], color=BLUE, label="measured", **bars)
    right.plot(data["sites"], 0.25 / (data["sites"] - 1.0), color="0.55", lw=1, ls="--", label="1/(4(L − 1)), exact")
    right.set(
        xlabel="places L of the ring",
        ylabel="F(1/2) − 1/4",
        title="How small may a ring be?",
        xscale="log",
        yscale="log",
    )
    right.set_xticks(data["sites"], [f"{L}" for L in data["sites"]])
    right.set_yticks([0.005, 0.01, 0.02, 0.05], ["0.005", "0.01", "0.02", "0.05"])
    right.legend()
    return plain(figure)


# -- a queue dissolves ---------------------------------------------------------------------------------------------------------


def road(places: int, copies: int = 100, times: tuple[float, ...] = TIMES, seed: int = 5) -> Array:
    """Mean densities (T, places) of the cars themselves: so many copies of the whole road, at the times given."""
    model, x, one = Exclusion(sites=places, block=1.0), (np.arange(places) + 0.5) / places, np.zeros(1, np.uint64)
    n = np.random.default_rng(seed).random((copies, places)) < queue(x[None])
    state = {"n": n[:, None].astype(np.int32), "weights": np.ones((copies, 1)), "ends": np.ones((copies, 2, 2))}
    state["top"], path, done = np.ones(copies, np.int64), [n.mean(axis=0)], 0
    for t in times[1:]:
        for _ in range(round(t * places) - done):
            done += 1
            state, _F = model.run(state, Chance(seed, one, one, done, 1, copies))
        path.append(state["n"].mean(axis=(0, 1)))
    return np.array(path)


def queue_data() -> Data:
    """The road by HMM with its band, and the cars themselves on 400 places."""
    told = table(cars())
    flow = solve(told)
    return {
        "x": flow.grid.centres[0],
        "t": np.array(TIMES),
        "U": flow.averages,
        "stderr": flow.stderr,
        "cars": road(400).reshape(len(TIMES), 50, 8).mean(axis=2),
        "asked": np.array(sum(entry.asked for entry in flow.history)),
        "rings": np.array(flow.micro_solves),
    }


def queue_figure(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11, 3.5), sharey=True)
    fine = np.linspace(0, 1, 1001)[None]
    bins = (np.arange(data["cars"].shape[1]) + 0.5) / data["cars"].shape[1]
    for k, ax in enumerate(axes, start=1):
        U, s, t = data["U"][k], data["stderr"][k], float(data["t"][k])
        ax.plot(fine[0], queue(fine), color="0.75", lw=1, label="t = 0")
        ax.fill_between(data["x"], U - 2 * s, U + 2 * s, color=BLUE, alpha=0.3, lw=0, label="± 2 standard errors")
        ax.plot(bins, data["cars"][k], ".", color=ORANGE, ms=4, label="the cars themselves")
        ax.plot(data["x"], U, color=BLUE, label="HMM")
        ax.plot(fine[0], dissolving(fine, t), color="black", ls=":", lw=1.2, label="exact, F = ρ(1 − ρ)")
        ax.set(xlabel="x", title=f"t = {t:g}", ylim=(0, 1.05))
    axes[0].set_ylabel("density ρ")
    axes[2].legend(loc="upper right", fontsize=8)
    return figure


# -- does the band keep its promise? -----------------------------------------------------------------------------------------

NODES = np.linspace(0, 1, 9)  # where the table of this road has its nodes
GROUPS, GROUP = 8, 2  # of rings at every node, each of so many
ROADS = 24  # of the study; places are shares of them, so that fewer roads are the first of these


@lru_cache(maxsize=1)
def told(tables: int, budget: float = 50.0) -> tuple[Array, Array]:
    """F and dF/du (9, tables, GROUPS) at the nodes of so many tables: means over each group of rings."""
    count = tables * GROUPS
    x = np.repeat(np.arange(count) / (ROADS * GROUPS), len(NODES))[None]  # a place has its own random numbers
    u = np.tile(NODES, count)
    answer = cars(budget=budget, replicas=GROUP)(x, u, 0 * x)
    return tuple(-part[0].reshape(tables, GROUPS, -1).transpose(2, 0, 1) for part in (answer.flux, answer.d_du))


class Remembered:
    """A closure that answers at the nodes with what rings have said, for a table in front of it: groups (9, G) together."""

    dim = 1

    def __init__(self, F: Array, slope: Array) -> None:
        self.values = F.mean(axis=1), slope.mean(axis=1), F.std(axis=1, ddof=1) / np.sqrt(F.shape[1])

    def __call__(self, x: Array, u: Array, grad: Array) -> hmm.Answer:
        k = np.rint(u * (len(NODES) - 1)).astype(int)
        F, slope, stderr = (value[k][None] for value in self.values)
        return hmm.Answer(F, slope, np.zeros((1, *F.shape)), stderr)


def curve(F: Array, slope: Array) -> Any:
    """The law between the nodes without any word on its noise: Hermite's cubics, as in a table."""
    law = CubicHermiteSpline(NODES, F.mean(axis=1), slope.mean(axis=1))
    return lambda x, u, grad: (law(np.clip(u, 0, 1))[None], law(np.clip(u, 0, 1), 1)[None], 0.0)


def promise_data(tables: int = ROADS, cells: int = 40) -> Data:
    """So many roads, each with a table of its own: distance to the road of ``ring_law``, and two bands.

    band: of the table's realisations, ``flow.stderr``. jackknife: from the roads of eight laws, each without one group of rings.
    """
    F, slope = told(tables)
    times = (0.0, TIMES[2])
    truth = solve(ring_law, cells, times).averages[-1]
    errors, bands, jackknives = [], [], []
    for k in range(tables):
        flow = solve(hmm.TableClosure(Remembered(F[:, k], slope[:, k]), u=(0, 1), tol=1.0, cells=4), cells, times)
        errors.append(flow.averages[-1] - truth)
        bands.append(flow.stderr[-1])
        others = [np.arange(GROUPS) != g for g in range(GROUPS)]
        roads = np.array([solve(curve(F[:, k, o], slope[:, k, o]), cells, times).averages[-1] for o in others])
        jackknives.append(np.sqrt((GROUPS - 1) * roads.var(axis=0)))
    x = (np.arange(cells) + 0.5) / cells
    return {"x": x, "U": truth, "error": np.array(errors), "band": np.array(bands), "jackknife": np.array(jackknives)}


def promise_numbers(data: Data, name: str) -> tuple[float, float]:
    """Claimed over true error (root mean squares), and in how many of the cells that move an interval of 95 % holds the truth:
    Student's t with 15 degrees of freedom for 16 realisations, 7 for 8 groups."""
    moving = np.sqrt((data["error"] ** 2).mean(axis=0)) > 1e-3
    half = stdtrit({"band": 15, "jackknife": 7}[name], 0.975) * data[name]
    ratio = np.sqrt((data[name] ** 2).mean() / (data["error"] ** 2).mean())
    return float(ratio), float((np.abs(data["error"]) < half)[:, moving].mean())


def promise(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.5))
    for error in data["error"]:
        left.plot(data["x"], data["U"] + error, color=ORANGE, lw=0.6)
    left.plot([], [], color=ORANGE, lw=0.6, label=f"{len(data['error'])} roads, other rings")
    left.plot(data["x"], data["U"], color="black", ls=":", lw=1.2, label="rings of endless time")
    left.set(xlabel="x", ylabel="density ρ", title=f"t = {TIMES[2]:g}", ylim=(0.1, 1.1))
    left.legend(loc="upper right", fontsize=8)
    for name, colour, label in (
        ("error", ORANGE, "true error"),
        ("band", BLUE, "noise of the nodes (flow.stderr)"),
        ("jackknife", GREEN, "jackknife over the rings"),
    ):
        right.plot(data["x"], np.sqrt((data[name] ** 2).mean(axis=0)), color=colour, label=label)
    right.set(
        xlabel="x", ylabel="error of ρ, root mean square", title="What a road knows of its error", ylim=(-0.001, 0.027)
    )
    right.legend(loc="upper right", fontsize=8)
    return figure
