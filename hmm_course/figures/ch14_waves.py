"""Figures of chapter 14: a wave of excitation in a cable of cells, and in a tissue of bricks."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_core.compare import Oscillating
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, plain, rate_plot

THRESHOLD, RECOVERY = 0.25, 0.002  # excited beyond it; speed of w
JUNCTION, SHARE = 0.02, 0.1  # conductivity of a gap junction, that of the cytoplasm being 1; its part of a period
N_CABLE = 30  # control volumes per period

# -- reactions -----------------------------------------------------------------------------------------------------------------


def nagumo(x: Array, v: Array) -> tuple[Array, Array]:
    """v (1 - v)(v - THRESHOLD) and its derivative: rest, 0, and excitation, 1, are stable."""
    return v * (1 - v) * (v - THRESHOLD), (1 - v) * (v - THRESHOLD) + v * (1 - 2 * v + THRESHOLD)


def fitzhugh(x: Array, u: Array) -> tuple[Array, Array]:
    """The same with a recovery variable w, which leads back to rest: v' = ... - w, w' = RECOVERY (v - w)."""
    v, w = u
    f, slope = nagumo(x, v)
    one = np.ones_like(v)
    return np.stack([f - w, RECOVERY * (v - w)]), np.array([[slope, -one], [RECOVERY * one, -RECOVERY * one]])


def speed(D: float) -> float:
    """Of Nagumo's front, (D/2)^(1/2) (1 - 2 THRESHOLD)."""
    return float(np.sqrt(D / 2) * (1 - 2 * THRESHOLD))


def width(D: float) -> float:
    """Of the front, from v = 0.9 to v = 0.1."""
    return float(2 * np.log(9) * np.sqrt(2 * D))


@dataclass(frozen=True)
class Front:
    """Nagumo's front 1/(1 + exp((x - at)/(2 D)^(1/2))), where it starts."""

    D: float
    at: float

    def __call__(self, x: Array) -> Array:
        return 1 / (1 + np.exp(np.clip((x[0] - self.at) / np.sqrt(2 * self.D), -50, 50)))


# -- a cable of cells ----------------------------------------------------------------------------------------------------------

CABLE = 24.0  # length
LADDER = (4.0, 3.75, 3.6, 3.25, 2.5, 2.0, 1.5, 1.0, 0.75, 0.5, 0.375)  # lengths of a cell
PATIENCE = 500.0  # a front that is slow must not be taken for one that stands


def cable(x: Array, y: Array) -> Array:
    """Cytoplasm, and a gap junction at every whole y."""
    z = y[0] - np.round(y[0])
    return np.where(np.abs(z) < SHARE / 2, JUNCTION, 1.0)


def cable_conductivity() -> float:
    """The harmonic mean."""
    return 1 / (1 - SHARE + SHARE / JUNCTION)


def run_cable(law: Any, cells: int, length: float = CABLE, times: Any = None) -> hmm.Flow:
    """A front from x = 5 on, nothing passes the ends."""
    D = cable_conductivity()
    times = np.arange(0, 110.5, 0.5) if times is None else times
    grid = hmm.Volumes(cells, (0, length))
    return hmm.solve_balance_law(grid, hmm.PhysicalFlux(law), Front(D, 5.0), times, nagumo, "outflow")


def resolved_cable(eps: float, n: int = N_CABLE) -> hmm.Flow:
    """Every junction resolved, by n = 10, 30, 50, ... volumes per period. Then junctions end in the middle of volumes: between
    two middles there is one material, and the flux through the face is that of resistors in series, exactly."""
    periods = round(CABLE / eps)
    times = np.arange(0, PATIENCE + 1) if eps > 2 else None
    return run_cable(hmm.ExactClosure(Oscillating(cable, eps)), periods * n, periods * eps, times)


def arrival(flow: hmm.Flow, x: float) -> float:
    """When v passes 1/2 at x; not a number if it never does."""
    return _passes(flow.times, np.array([flow.at(np.array([x]), t) for t in flow.times]))


def cable_speed(flow: hmm.Flow, eps: float) -> float:
    """Between the middles of two cells, from x = 8 on; 0 for a front that stops."""
    begin, count = (np.ceil(8 / eps - 0.5) + 0.5) * eps, np.floor(8 / eps)
    lasts = arrival(flow, begin + count * eps) - arrival(flow, begin)
    return 0.0 if np.isnan(lasts) else float(count * eps / lasts)


def cable_data(moment: float = 60.0) -> Data:
    """Fronts in cells of length 1 and 4, resolved, and by HMM; speeds for cells of many lengths."""
    macro = run_cable(hmm.CellClosure(cable, hmm.CellProblem(dim=1, n=40)), 240)
    flows = {eps: resolved_cable(eps) for eps in LADDER}
    out = {"moment": np.array(moment), "eps": np.array(LADDER)}
    for name, flow in (("hmm", macro), ("resolved_1", flows[1.0]), ("resolved_4", flows[4.0])):
        out[f"x_{name}"], out[name] = flow.grid.centres[0], flow.averages[flow.index(moment)]
    out["speed"] = np.array([cable_speed(flow, eps) for eps, flow in flows.items()])
    out["hmm_speed"] = np.array(cable_speed(macro, 1.0))
    return out


def cable_figure(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11.5, 3.7), width_ratios=(1.3, 1, 1))
    left.plot(data["x_hmm"], data["hmm"], color=BLUE, label="HMM, any ε")
    left.plot(data["x_resolved_1"], data["resolved_1"], color=ORANGE, lw=1.2, label="resolved, ε = 1")
    left.plot(data["x_resolved_4"], data["resolved_4"], color=PINK, lw=1.2, label="resolved, ε = 4")
    left.set(xlabel="x", ylabel="potential v", title=f"A front that started at 5, t = {data['moment']:g}", xlim=(0, 20))
    left.legend(fontsize=8, loc="upper right")
    c = speed(cable_conductivity())
    middle.plot(data["eps"], data["speed"], "o-", color=ORANGE, label="resolved")
    middle.axhline(data["hmm_speed"], color=BLUE, label="HMM")
    middle.axvline(width(cable_conductivity()), color="0.6", ls=":", label="width of the front")
    middle.set(xlabel="length ε of a cell", ylabel="speed", title="Slower, then not at all", ylim=(-0.01, 0.19))
    middle.legend(fontsize=8, loc="upper right", ncols=2)
    small = data["eps"] <= 0.75
    lag = 1 - data["speed"] / c
    rate_plot(right, data["eps"][small], lag[small], "ε ≤ 3/4", 2.0, color=ORANGE)
    rest = (data["eps"] >= 0.75) & (data["speed"] > 0)
    right.loglog(data["eps"][rest], lag[rest], "o-", color=ORANGE, alpha=0.4)
    right.set(xlabel="length ε of a cell", ylabel="1 − speed / limit", title="How much slower")
    right.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    right.set_xticks([], minor=True)
    return plain(figure)


# -- a tissue of bricks ----------------------------------------------------------------------------------------------------------

ENDS, SIDES = 6.0, 60.0  # resistance of the membranes, where a cell ends and at its sides


def membrane(z: Array, thick: float) -> Array:
    """1 at whole z, almost 0 elsewhere."""
    return np.exp(-((np.sin(np.pi * z) / (np.pi * thick)) ** 2))


def tissue(x: Array, y: Array, ends: float = ENDS, sides: float = SIDES) -> Array:
    """Bricks of length 1 and height 1/2, in rows that are shifted by half a brick; gap junctions at ends and sides."""
    row = 0.5 + 0.5 * np.tanh(np.sin(2 * np.pi * y[1]) / 0.4)
    across = row * membrane(y[0] - 0.25, 0.09) + (1 - row) * membrane(y[0] - 0.75, 0.09)
    return 1 / (1 + ends * across + sides * membrane(2 * y[1], 0.18))


def turned(x: Array, y: Array) -> Array:
    """The tissue, seen by a wave that runs across the bricks."""
    return tissue(x[::-1], y[::-1])


@lru_cache(maxsize=1)
def tissue_tensor() -> Array:
    return hmm.CellProblem(dim=2, n=32).effective_tensor(tissue)


def row_speed(axis: int, eps: float = 1.0, n: int = 16) -> float:
    """Of a plane front along (0) or across (1) the bricks, all of them resolved: one row of periods, which repeats sideways."""
    D = float(tissue_tensor()[axis, axis])
    periods, start, c = round((14 if axis == 0 else 8) / eps), (3.0 if axis == 0 else 2.0), speed(D)
    grid = hmm.Volumes((periods * n, n), ((0, periods * eps), (0, eps)))
    sides = {"left": "outflow", "right": "outflow", "bottom": "periodic", "top": "periodic"}
    law = hmm.PhysicalFlux(hmm.ExactClosure(Oscillating(turned if axis else tissue, eps)))
    times = np.linspace(0, (periods * eps - start - 1) / c, 120)
    flow = hmm.solve_balance_law(grid, law, Front(D, start), times, nagumo, sides)
    mean = flow.averages.reshape(len(times), periods, n * n).mean(axis=2)  # of every period
    first, last = round(0.45 * periods), round(0.8 * periods)
    return float((last - first) * eps / (_passes(times, mean[:, last]) - _passes(times, mean[:, first])))


def _passes(times: Array, v: Array) -> float:
    """When v (T,) grows past 1/2; not a number if it never does."""
    k = int(np.argmax(v > 0.5))
    return float(np.interp(0.5, v[k - 1 : k + 1], times[k - 1 : k + 1])) if v[k] > 0.5 else np.nan


# -- a pulse ---------------------------------------------------------------------------------------------------------------------


def run_pulse(law: Any, grid: hmm.Volumes, reach: float, times: Any) -> hmm.Flow:
    """v and w after a stimulus v = 1 that reaches so far from the origin; nothing passes the sides."""

    def stimulus(x: Array) -> Array:
        far = np.sqrt((x * x).sum(axis=0))
        return np.stack([1 / (1 + np.exp(np.clip(4 * (far - reach), -50, 50))), 0 * far])

    beside = hmm.PhysicalFlux(hmm.WithImmobile(law))
    return hmm.solve_balance_law(grid, beside, stimulus, times, fitzhugh, "outflow")


def pulse_data() -> Data:
    """A pulse in the cable, resolved and by HMM."""
    times, eps = [0.0, 60.0, 100.0], 1.0
    macro = run_pulse(hmm.CellClosure(cable, hmm.CellProblem(dim=1, n=40)), hmm.Volumes(240, (0, CABLE)), 3.0, times)
    law = hmm.ExactClosure(Oscillating(cable, eps))
    fine = run_pulse(law, hmm.Volumes(round(CABLE / eps) * N_CABLE, (0, CABLE)), 3.0, times)
    return {
        "times": np.array(times),
        "x_hmm": macro.grid.centres[0],
        "hmm": macro.averages,
        "x_resolved": fine.grid.centres[0],
        "resolved": fine.averages,
    }


def tissue_data(pixels: int = 192, cells: int = 48, side: float = 14.0) -> Data:
    """The bricks; speeds of plane fronts along and across them, resolved, from the tensor, and from the mean conductivity; and a
    pulse that starts in a corner, by HMM."""
    y = 2 * (np.indices((pixels, pixels)) + 0.5) / pixels
    a, A = tissue(y, y), tissue_tensor()
    times, square = [0.0, 60.0, 100.0], hmm.Volumes((cells, cells), ((0, side), (0, side)))
    plane = run_pulse(hmm.CellClosure(tissue, hmm.CellProblem(dim=2, n=32)), square, 2.0, times)
    return {
        "times": np.array(times),
        "side": np.array(side),
        "plane": plane.averages[:, 0],
        "solves": np.array(plane.micro_solves),
        "bricks": a,
        "tensor": A,
        "limit": np.array([speed(A[k, k]) for k in (0, 1)]),
        "resolved": np.array([row_speed(k) for k in (0, 1)]),
        "arithmetic": np.array(speed(a.mean())),
    }


def front_at(v: Array, x: Array) -> float:
    """The foremost place where v passes 1/2."""
    k = int(np.flatnonzero(v > 0.5).max())
    return float(np.interp(-0.5, -v[k : k + 2], x[k : k + 2]))


def tissue_figure(data: Data) -> Any:
    """The bricks, and a pulse in them: quarters, mirrored."""
    figure, (left, middle, right) = canvas(1, 3, figsize=(11.5, 3.7), width_ratios=(1, 1, 1))
    image = left.imshow(data["bricks"].T, origin="lower", extent=(0, 2, 0, 2), cmap="cividis")
    figure.colorbar(image, ax=left, label="conductivity", shrink=0.8)
    left.set(xlabel="$y_1$", ylabel="$y_2$", title="Two periods of tissue")
    side = float(data["side"])
    for ax, k in ((middle, 1), (right, 2)):
        v = data["plane"][k]
        whole = np.concatenate([v[::-1], v])
        whole = np.concatenate([whole[:, ::-1], whole], axis=1)
        image = ax.imshow(whole.T, origin="lower", extent=(-side, side, -side, side), cmap="inferno", vmin=0, vmax=1)
        ax.set(xlabel="$x_1$", ylabel="$x_2$", title=f"Potential at t = {data['times'][k]:g}")
    figure.colorbar(image, ax=right, label="potential v", shrink=0.8)
    for ax in (left, middle, right):
        ax.grid(False)
    return figure


def pulse_figure(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10, 3.5))
    for k, colour in ((1, GREEN), (2, BLUE)):
        t = data["times"][k]
        left.plot(data["x_resolved"], data["resolved"][k, 0], color=ORANGE, lw=1.2)
        left.plot(data["x_hmm"], data["hmm"][k, 0], color=colour, ls="--", label=f"HMM, t = {t:g}")
    left.plot([], [], color=ORANGE, lw=1.2, label="resolved, ε = 1")
    right.plot(data["x_resolved"], data["resolved"][2, 1], color=ORANGE, lw=1.2, label="resolved, ε = 1")
    right.plot(data["x_hmm"], data["hmm"][2, 1], color=BLUE, ls="--", label=f"HMM, t = {data['times'][2]:g}")
    left.set(xlabel="x", ylabel="potential v", title="A pulse in the cable", ylim=(-0.3, 1.45))
    right.set(xlabel="x", ylabel="recovery w", title="Recovery at t = 100")
    left.legend(fontsize=8, ncols=3, loc="upper left")
    right.legend(fontsize=8)
    return figure
