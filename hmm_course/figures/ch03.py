"""Figures of chapter 03, the micro half: rows and rings of counters, their equilibrium, what they forget, how long to watch."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from hmm_core.micro.particles import autocorrelation_time, estimate
from hmm_course.figures import AMBER, BLUE, GREEN, ORANGE, PINK, SKY, Data, canvas, fit_rate, plain
from hmm_course.figures.ch03_lattice import busy, run

Array = np.ndarray


def fugacity(density: Array) -> Array:
    """phi(U) = U/(1 + U), the share of busy counters on an endless row."""
    return density / (1 + density)


def ring_share(people: Array, sites: int) -> Array:
    """The same on a ring, exactly: E g = N/(N + L - 1), for all ways to distribute N people over L counters are as likely."""
    return people / (people + sites - 1)


def ring_queue(n: Array, people: int, sites: int) -> Array:
    """P(n) of a queue on such a ring: ways to distribute the others over the other counters, by all ways."""
    ways = np.array([math.comb(people - k + sites - 2, sites - 2) if k <= people else 0 for k in n.tolist()], float)
    return ways / math.comb(people + sites - 1, sites - 1)


def forgetting(sites: Array, density: Array) -> Array:
    """tau = L^2 (1 + U)^2/(8 pi^2): a wave of length L dies at the rate phi'(U) (2 pi/L)^2, and its square twice as fast."""
    return sites**2 * (1 + density) ** 2 / (8 * np.pi**2)


def piles(R: int, sites: int, people: int) -> Array:
    """R rings on which everybody stands at one counter."""
    n = np.zeros((R, sites), np.int64)
    n[:, 0] = people
    return n


# -- a row between two reservoirs ----------------------------------------------------------------------------------------------

ENDS = fugacity(np.array([3.0, 0.5]))
MOMENTS = (80, 400, 1600)


def queues_data(sites: int = 60, rows: int = 1000, frames: int = 200) -> Data:
    """A row that fills from both ends: every eighth moment of one, and the mean of many at three moments."""
    n, film, mean = np.zeros((rows, sites), np.int64), [], []
    rng = np.random.default_rng(3)
    for frame in range(1, frames + 1):
        n = run(n, 8, rng, tuple(ENDS))
        film.append(n[0])
        if 8 * frame in MOMENTS:
            mean.append(n.mean(axis=0))
    return {"film": np.array(film), "mean": np.array(mean), "moments": np.array(MOMENTS)}


def queues(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10, 3.6), width_ratios=(1.25, 1))
    length, sites = data["film"].shape
    image = left.imshow(
        data["film"].T, aspect="auto", cmap="magma_r", vmax=12, extent=(0, 8 * length, 0.5, sites + 0.5)
    )
    figure.colorbar(image, ax=left, label="people at a counter", extend="max")
    left.set(xlabel="time", ylabel="counter", title="One row")
    left.grid(False)
    place = np.arange(1, sites + 1)
    right.step(place, data["film"][-1], where="mid", color="0.7", lw=1, label="one row, t = 1600")
    for colour, moment, mean in zip((GREEN, BLUE, ORANGE), data["moments"], data["mean"], strict=True):
        right.plot(place, mean, color=colour, label=f"mean of 1000 rows, t = {moment}")
    right.set(xlabel="counter", ylabel="people at a counter", title="Many rows", ylim=(0, 10))
    right.legend()
    return figure


# -- equilibrium ---------------------------------------------------------------------------------------------------------------

SITES, DENSITIES = 20, (0.5, 1.0, 3.0)


def equilibrium_data(rings: int = 4000) -> Data:
    """Share of counters with n people, six forgetting times after everybody stood at one counter; and its standard error."""
    rng, length = np.random.default_rng(33), np.arange(16)
    out: Data = {"n": length, "density": np.array(DENSITIES), "share": [], "stderr": [], "ring": [], "busy": []}
    for U in DENSITIES:
        people = round(U * SITES)
        n = run(piles(rings, SITES, people), round(6 * forgetting(SITES, U)), rng)
        each = (n[:, :, None] == length).mean(axis=1)
        out["share"].append(each.mean(axis=0))
        out["stderr"].append(each.std(axis=0, ddof=1) / math.sqrt(rings))
        out["ring"].append(ring_queue(length, people, SITES))
        out["busy"].append(1 - each[:, 0].mean())
    return {name: np.array(value) for name, value in out.items()}


def equilibrium(data: Data) -> Any:
    figure, ax = canvas(figsize=(7.2, 3.7))
    for U, share, ring, colour in zip(data["density"], data["share"], data["ring"], (BLUE, GREEN, ORANGE), strict=True):
        seen, phi = share > 0, fugacity(U)
        ax.semilogy(data["n"][seen], share[seen], "o", color=colour, label=f"U = {U:g}")
        ax.semilogy(data["n"], (1 - phi) * phi ** data["n"], color=colour, lw=1)
        ax.semilogy(data["n"][ring > 0], ring[ring > 0], color=colour, lw=1, ls="--")
    ax.plot([], [], color="0.4", lw=1, label="(1 − φ) φⁿ")
    ax.plot([], [], color="0.4", lw=1, ls="--", label="exact for 20 counters")
    ax.set(xlabel="n, people at a counter", ylabel="share of the counters", ylim=(1e-4, 1))
    ax.legend()
    return plain(figure)


# -- forgetting ----------------------------------------------------------------------------------------------------------------

CASES = ((10, 1.0), (20, 1.0), (40, 1.0), (20, 0.5), (20, 2.0), (20, 4.0))


def forget_data(counters: int = 400_000) -> Data:
    """Bias of the share of busy counters in time, from the pile, the mean of many rings; and the time that fits it."""
    rng = np.random.default_rng(333)
    sites, density = np.array(CASES).T
    out: Data = {"sites": sites, "density": density, "theory": forgetting(sites, density)}
    fitted, bias, time, noise = [], [], [], []
    for (L, U), tau in zip(CASES, out["theory"], strict=True):
        step = max(1, round(4 * tau / 8)) / 4
        series = busy(piles(counters // L, L, round(L * U)), 40, step, rng)
        off, t = series.mean(axis=0) - ring_share(round(L * U), L), step * np.arange(1, 41)
        late = (t > 1.5 * tau) & (t < 4 * tau)
        fitted.append(-1 / np.polyfit(t[late], np.log(np.abs(off[late])), 1)[0])
        bias.append(np.abs(off))
        time.append(t / tau)
        noise.append(series[:, -1].std() / math.sqrt(len(series)))
    return out | {name: np.array(v) for name, v in
                  {"fitted": fitted, "bias": bias, "time": time, "noise": noise}.items()}  # fmt: skip


def forget(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.8))
    colours = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY)
    for k, colour in enumerate(colours):
        seen = data["bias"][k] > 3 * data["noise"][k]
        label = f"L = {data['sites'][k]:g}, U = {data['density'][k]:g}"
        left.semilogy(data["time"][k][seen], data["bias"][k][seen], "o", ms=3, color=colour, label=label)
        right.loglog(data["theory"][k], data["fitted"][k], "o", color=colour)
    t = np.linspace(0, 5, 50)
    left.semilogy(t, 0.35 * np.exp(-t), color="0.4", lw=1, ls="--", label="a factor e for every τ")
    left.set(xlabel="t/τ, τ = L²(1 + U)²/8π²", ylabel="bias of the mean of g", title="The pile is forgotten")
    left.legend(fontsize=8)
    ends = np.array([data["theory"].min() / 1.3, data["theory"].max() * 1.3])
    right.loglog(ends, ends, color="0.4", lw=1, ls="--", label="measured = τ")
    right.set(xlabel="τ = L²(1 + U)²/8π²", ylabel="time that fits the bias", title="How long does that take?")
    right.legend()
    return plain(figure)


# -- many short runs or a long one ---------------------------------------------------------------------------------------------

PEOPLE, BUDGET = 40, 2000
SHARE, TAU = ring_share(PEOPLE, SITES), float(forgetting(SITES, PEOPLE / SITES))


@lru_cache(maxsize=2)
def paths(start: str, rings: int = 1000, length: int = 4096) -> Array:
    """Share of busy counters at unit times (rings, length), from the "pile" or from "equilibrium"."""
    n, rng = piles(rings, SITES, PEOPLE), np.random.default_rng(3333)
    if start == "equilibrium":
        n = run(n, round(10 * TAU), rng)
    series = busy(n, length, 1.0, rng)
    series.flags.writeable = False
    return series


def ensemble_data() -> Data:
    """Root mean square error of a mean for the same time in all: of BUDGET/t rings, each read once at t; of one trajectory."""
    begun = paths("pile")
    t = np.array([4, 6, 10, 16, 25, 40, 63, 100, 158, 251, 400])
    bias, variance = begun.mean(axis=0)[t - 1] - SHARE, begun.var(axis=0, ddof=1)[t - 1]
    one = np.array([estimate(path[None, None, :BUDGET]).mean[0] for path in begun[:500]])
    whole = begun[:500, :BUDGET].mean(axis=1)
    return {
        "t": t,
        "bias": np.abs(bias),
        "noise": np.sqrt(variance * t / BUDGET),
        "ensemble": np.sqrt(bias**2 + variance * t / BUDGET),
        "trajectory": np.sqrt(np.mean((one - SHARE) ** 2)),
        "whole": np.sqrt(np.mean((whole - SHARE) ** 2)),
    }


def ensemble(data: Data) -> Any:
    figure, ax = canvas(figsize=(7.2, 3.8))
    ax.loglog(data["t"], data["ensemble"], "o-", color=BLUE, label=f"{BUDGET}/t rings, each read once at t")
    seen = data["bias"] > 0.008  # three standard errors of the mean of 1000 rings
    ax.loglog(data["t"][seen], data["bias"][seen], color=BLUE, lw=1, ls=":", label="its bias: the pile")
    ax.loglog(data["t"], data["noise"], color=BLUE, lw=1, ls="--", label="its noise: few rings")
    ax.axhline(data["trajectory"], color=ORANGE, label=f"one ring for {BUDGET}, the start left out")
    ax.axhline(data["whole"], color=ORANGE, ls="--", lw=1.2, label="the same with its start")
    ax.set(xlabel="t, time of each ring", ylabel="error of the mean of g", ylim=(3e-3, 2))
    ax.legend(fontsize=8, loc="upper right")
    return plain(figure)


LENGTHS, JUDGED, TOGETHER = 2 ** np.arange(4, 13), 4 ** np.arange(2, 7), 16


def long_data(runs: int = 600) -> Data:
    """Error of the mean over a time T, and the share of 95 % intervals that hold the truth: of one ring, and of 16 rings for T/16
    each; and the autocorrelation of one ring."""
    out: Data = {"T": LENGTHS.astype(float), "T_judged": JUDGED.astype(float), "tau": np.array(TAU)}
    begun, settled = paths("pile"), paths("equilibrium")
    for name, series in (("kept", begun), ("settled", settled)):
        means = np.array([series[:, :T].mean(axis=1) for T in LENGTHS])
        out[f"error_{name}"] = np.sqrt(np.mean((means - SHARE) ** 2, axis=1))
    _, out["covered_settled"] = judged(settled[:runs, None], JUDGED, 0.0)
    out["error_cut"], out["covered_cut"] = judged(begun[:runs, None], JUDGED, None)
    for name, n, burn_in in (
        ("settled", run(paired(runs), round(10 * TAU), _rng(1)), 0.0),
        ("cut", paired(runs), None),
    ):
        many = busy(n, LENGTHS[-1] // TOGETHER, 1.0, _rng(2)).reshape(runs, TOGETHER, -1)
        _, out[f"covered_many_{name}"] = judged(many, JUDGED[2:] // TOGETHER, burn_in)
    centred = settled - SHARE
    out["lag"] = np.arange(0, 164, 4)
    products = [np.mean(centred[:, : centred.shape[1] - lag] * centred[:, lag:]) for lag in out["lag"]]
    out["correlation"] = np.array(products) / products[0]
    out["tau_sum"] = autocorrelation_time(settled[None])[0]
    out["tau_true"] = LENGTHS[-1] * out["error_settled"][-1] ** 2 / np.mean(centred**2)
    return out


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([33, seed])


def paired(groups: int) -> Array:
    """Piles for so many groups of rings that are watched together."""
    return piles(groups * TOGETHER, SITES, PEOPLE)


def judged(series: Array, lengths: Array, burn_in: float | None) -> tuple[Array, Array]:
    """Error of the estimates from (runs, R, T), for ever longer starts of them, and the share of their intervals that hold."""
    errors, shares = [], []
    for T in lengths:
        told = [estimate(one[None, :, :T], burn_in=burn_in) for one in series]
        ends = np.array([e.interval()[:, 0] for e in told])
        errors.append(np.sqrt(np.mean([(e.mean[0] - SHARE) ** 2 for e in told])))
        shares.append(np.mean((ends[:, 0] <= SHARE) & (ends[:, 1] >= SHARE)))
    return np.array(errors), np.array(shares)


def long_figure(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11.4, 3.8))
    names = {"kept": ("from the pile", ORANGE), "cut": ("start cut off", GREEN), "settled": ("from equilibrium", BLUE)}
    for name, (label, colour) in names.items():
        T = data["T_judged" if name == "cut" else "T"]
        rate = fit_rate(T[T >= 512], data[f"error_{name}"][T >= 512])
        left.loglog(T, data[f"error_{name}"], "o-", color=colour, label=f"{label}: slope {rate:.2f}")
        if name != "kept":
            right.semilogx(data["T_judged"], 100 * data[f"covered_{name}"], "o-", color=colour)
            right.semilogx(data["T_judged"][2:], 100 * data[f"covered_many_{name}"], "s--", color=colour)
    left.set(xlabel="T, time watched", ylabel="error of the mean of g", title="How wrong is it?")
    seen = data["correlation"] > 2e-3
    middle.semilogy(data["lag"][seen], data["correlation"][seen], "o", ms=3, color=BLUE, label="one ring")
    tail = data["correlation"][12] * np.exp((data["lag"][12] - data["lag"]) / data["tau"])
    middle.semilogy(data["lag"], tail, color="0.4", lw=1, ls="--", label=f"exp(−t/{data['tau']:.0f})")
    middle.set(xlabel="lag", ylabel="autocorrelation of g", title="How long does it remember?", ylim=(2e-3, 1.2))
    right.axhline(95, color="black", lw=1, ls=":")
    right.plot([], [], "o-", color="0.4", label="one ring")
    right.plot([], [], "s--", color="0.4", label="16 rings")
    right.set(xlabel="T, of all rings together", ylabel="intervals that hold, %", title="Does it know?", ylim=(0, 102))
    left.legend(fontsize=8, loc="lower left")
    middle.legend()
    right.legend(loc="center left", fontsize=8, title="colours as on the left", title_fontsize=8)
    return plain(figure)
