"""Figures of chapter 14: a gene that switches itself on, and a swarm that runs and tumbles up a signal."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm

import hmm_core as hmm
from hmm_course.figures import BLUE, GREEN, ORANGE, Array, Data, canvas, plain, rate_plot

# -- the gene ------------------------------------------------------------------------------------------------------------------

LOW, HIGH, PAIR, DECAY = 1.5, 30.0, 14.0, 1.0  # production of the open and of the closed gene; scale of binding; decay
CHANGE = [[-2, 2, 1, 1, -1], [-1, 1, 0, 0, 0], [1, -1, 0, 0, 0]]  # protein, open gene, closed gene
MEET = [[2, 0, 0, 0, 1], [1, 0, 1, 0, 0], [0, 1, 0, 1, 0]]
BINDING = (0, 1)  # the fast reactions
FIRST, LAST = 8, 3.0  # molecules at the beginning, time at the end
ON = 10  # molecules from which on the gene counts as switched on
MOST = 60  # molecules, more than ever happen


def gene(fast: float) -> hmm.particles.Network:
    """open + 2 P <-> closed, at rates of the order ``fast``; open -> open + P, closed -> closed + P, P -> nothing."""
    return hmm.particles.Network(CHANGE, (2 * fast / PAIR**2, fast, LOW, HIGH, DECAY), MEET)


def start(n: int = FIRST) -> list[int]:
    """n molecules of protein, the gene open."""
    return [n, 1, 0]


def protein(x: Array) -> Array:
    """Of molecules (3, ...), all protein, also the two that sit on the gene."""
    return x[0] + 2 * x[2]


def closed(n: Array) -> Array:
    """Share of time in which the gene is closed, in equilibrium with n molecules."""
    return n * (n - 1) / (n * (n - 1) + PAIR**2)


def averaged(n: Array) -> Array:
    """The three slow propensities at n molecules, averaged over that equilibrium: (3, ...)."""
    p = closed(n)
    return np.stack([LOW * (1 - p), HIGH * p, DECAY * np.maximum(n - 2 * p, 0)])


def limit(n: int = FIRST, t: float = LAST) -> Array:
    """Probabilities (MOST + 1,) of the number of molecules at t for infinitely fast binding: a birth and death chain."""
    low, high, decay = averaged(np.arange(MOST + 1))
    return _at(np.diag((low + high)[:-1], 1) + np.diag(decay[1:], -1), n, t)


def exact(fast: float, n: int = FIRST, t: float = LAST) -> Array:
    """The same for the gene as it is, from its master equation."""
    count, total = np.arange(MOST + 1), MOST + 1
    rates = np.zeros((2 * total, 2 * total))  # first all numbers with an open gene, then with a closed one
    rates[:total, :total] = np.diag(np.full(MOST, LOW), 1) + np.diag(DECAY * count[1:], -1)
    rates[total:, total:] = np.diag(np.full(MOST, HIGH), 1) + np.diag(DECAY * np.maximum(count[1:] - 2, 0), -1)
    rates[count, total + count] = fast * count * (count - 1) / PAIR**2
    rates[total + count, count] = fast
    return _at(rates, n, t).reshape(2, total).sum(axis=0)


def _at(rates: Array, state: int, t: float) -> Array:
    """Probabilities at t of a Markov chain with these rates of jumps, from one state."""
    return expm((rates - np.diag(rates.sum(axis=1))) * t)[state]


def slow_events(n: int = FIRST, t: float = LAST, steps: int = 60) -> float:
    """How many proteins are made or broken until t, on average, for infinitely fast binding: by the midpoint rule."""
    rates = averaged(np.arange(MOST + 1)).sum(axis=0)
    return float(np.mean([limit(n, (k + 0.5) * t / steps) @ rates for k in range(steps)]) * t)


def apart(p: Array, q: Array) -> float:
    """Total variation: the largest difference of the probabilities of any event."""
    return float(np.abs(p - q).sum() / 2)


def gene_data(replicas: int = 800) -> Data:
    """What nested simulation is told, what it leads to, what it costs, and from when on it is right."""
    rng, out = np.random.default_rng(14), {"asked": np.array([2, 5, 8, 12, 16, 20, 25])}
    told = [gene(1e6).averages(start(n), BINDING, 1e-4, rng, 60, burn_in=5e-6) for n in out["asked"]]
    out["told"], out["told_stderr"] = (np.array(part).T for part in zip(*told, strict=True))
    out["direct_fast"], out["direct_events"] = np.array([10.0, 100.0, 1000.0, 10000.0]), np.zeros(4)
    for k, fast in enumerate(out["direct_fast"]):
        count = 2000 if fast < 1e4 else 30
        run = gene(fast).run(start(), LAST, rng, count)
        out["direct_events"][k] = run.events / count
        if fast == 1000:
            out["direct"], out["direct_count"] = np.bincount(protein(run.x), minlength=MOST + 1) / count, count
    run = gene(1e6).run_nested(start(), LAST, BINDING, 1e-4, rng, replicas, burn_in=3e-6)
    out["nested"], out["nested_events"] = (
        np.bincount(protein(run.x), minlength=MOST + 1) / replicas,
        run.events / replicas,
    )
    out["limit"], out["exact_1"], out["exact_1000"] = limit(), exact(1.0), exact(1000.0)
    out["fast"] = 10.0 ** np.arange(0, 7)
    out["distance"] = np.array([apart(exact(fast), out["limit"]) for fast in out["fast"]])
    return {name: np.asarray(value) for name, value in out.items()} | {"nested_count": np.array(replicas)}


def coarse(p: Array, bins: int = 2) -> tuple[Array, Array]:
    """Probabilities of so many numbers together, and their middles."""
    n = len(p) // bins
    return p[: n * bins].reshape(n, bins).sum(axis=1), bins * np.arange(n) + (bins - 1) / 2


def gene_figure(data: Data) -> Any:
    figure, axes = canvas(2, 2, figsize=(10, 7))
    rates, law, cost, wrong = axes.ravel()
    n = np.arange(0, 31)
    low, high, decay = averaged(n)
    rates.plot(n, low + high, color=BLUE, label="production, averaged")
    rates.plot(n, decay, color=ORANGE, label="decay, averaged")
    made, spread = data["told"][:2].sum(axis=0), data["told_stderr"][1]
    rates.errorbar(data["asked"], made, 2 * spread, fmt="o", color=BLUE, ms=4, label="answers of nested simulation")
    rates.plot(data["asked"], data["told"][2], "o", color=ORANGE, ms=4)
    rates.set(xlabel="molecules of protein", ylabel="events per unit of time", title="Rates: answers and closed form")
    p, middle = coarse(data["limit"])
    law.plot(middle, p, color="black", lw=1, label="binding infinitely fast, exact")
    law.plot(middle, coarse(data["exact_1"])[0], color="0.6", ls="--", label="binding as slow as the rest, exact")
    for name, colour, shift in (("direct", ORANGE, -0.25), ("nested", BLUE, 0.25)):
        q = coarse(data[name])[0]
        bar = 2 * np.sqrt(p * (1 - p) / data[f"{name}_count"])
        label = "direct, F = 10³" if name == "direct" else "nested, F = 10⁶"
        law.errorbar(middle + shift, q, bar, fmt="o", ms=3, lw=1, color=colour, label=label)
    law.set(xlabel="molecules of protein", ylabel="probability", xlim=(-1, 38), title=f"At t = {LAST:g}: off or on")
    cost.loglog(data["direct_fast"], data["direct_events"], "o-", color=ORANGE, label="direct")
    cost.axhline(data["nested_events"], color=BLUE, label="nested")
    reach = np.array([1e4, 1e6])
    cost.loglog(reach, data["direct_events"][-1] * reach / 1e4, color=ORANGE, ls=":", label="direct, continued")
    cost.set(xlabel="speed F of binding", ylabel="events per cell", title="What it costs")
    rate_plot(wrong, data["fast"][2:], data["distance"][2:], "F ≥ 100", -1.0, color=BLUE)
    wrong.loglog(data["fast"][:3], data["distance"][:3], "o-", color=BLUE, alpha=0.4)
    wrong.set(xlabel="speed F of binding", ylabel="total variation from the limit", title="When is it right?")
    for ax in (rates, law, cost, wrong):
        ax.legend(fontsize=8)
    return plain(figure)


# -- the swarm -----------------------------------------------------------------------------------------------------------------

PULL = 0.8  # of the signal: at last the density is proportional to exp(PULL cos 2 pi x)
TIMES = (0.0, 0.02, 0.1)


@dataclass(frozen=True)
class Bias:
    """a(x) = eps dS/dx of the signal S = PULL cos 2 pi x: in a run of length eps the signal changes by a."""

    eps: float

    def __call__(self, x: Array) -> Array:
        return -self.eps * PULL * 2 * np.pi * np.sin(2 * np.pi * x)


def bacterium(eps: float) -> hmm.particles.RunAndTumble:
    """Runs of mean length eps at the speed 1/eps: D = 1 without a signal, whatever eps is."""
    return hmm.particles.RunAndTumble(1 / eps, 1 / eps**2, bias=Bias(eps), block=10 * eps**2)


@dataclass(frozen=True, eq=False)
class DriftDiffusion:
    """F = V(x) U - D(x) dU/dx with V and D known at some points of the line with period 1, linear in between."""

    x: Array
    V: Array
    D: Array

    def __call__(self, x: Array, u: Array, grad: Array) -> tuple[Array, Array, Array]:
        V, D = (np.interp(x[0], self.x, value, period=1.0) for value in (self.V, self.D))
        return (V * u - D * grad[0])[None], V[None], -D[None, None]


def closed_form(eps: float, points: int = 512) -> DriftDiffusion:
    """V = v a, D = v^2 (1 - a^2)/lambda."""
    x = np.arange(points) / points
    a = Bias(eps)(x)
    return DriftDiffusion(x, a / eps, 1 - a**2)


def learned(
    eps: float, faces: int = 32, blocks: int = 40, replicas: int = 64, seed: int = 14
) -> tuple[Any, Array, Array]:
    """The law as the particles tell it at every face, asked once: F is linear in U and dU/dx. And standard errors of V."""
    x = np.arange(faces) / faces
    model = bacterium(eps)
    closure = hmm.TrajectoryClosure(model, seed, budget=blocks * model.block, replicas=replicas)
    answer = closure(x[None], np.ones(faces), np.zeros((1, faces)))
    return DriftDiffusion(x, -answer.flux[0], answer.d_dgrad[0, 0]), answer.stderr[0], x


def density(law: Any, cells: int = 32, times: tuple[float, ...] = TIMES) -> hmm.Flow:
    """U from an even density, on a line of period 1."""
    return hmm.solve_balance_law(hmm.Volumes(cells), law, lambda x: 1 + 0 * x[0], times, tol=1e-4)


def swarm(eps: float, count: int, t: float, rng: np.random.Generator) -> Array:
    """Places (count,) at t of bacteria that start evenly, every run simulated in the signal that they meet on their way.

    Tumbles are proposed at the highest rate of all, and happen with the probability that the rate at the place asks for.
    """
    a, v = Bias(eps), 1 / eps
    top = 1 + eps * PULL * 2 * np.pi
    x = (np.arange(count) + 0.5) / count
    e = np.where(rng.random(count) < (1 + a(x)) / 2, 1.0, -1.0)
    left, active = np.full(count, t), np.arange(count)
    while active.size:
        lasts = np.minimum(rng.exponential(eps**2 / top, active.size), left[active])
        x[active] += v * e[active] * lasts
        left[active] -= lasts
        active = active[left[active] > 0]
        tumbling = active[rng.random(active.size) * top < 1 - a(x[active]) * e[active]]
        e[tumbling] = np.where(rng.random(tumbling.size) < 0.5, 1.0, -1.0)
    return x % 1


@dataclass(frozen=True)
class Runs:
    """The law of all bacteria at once, without noise: U_+ and U_-, that run to the right and to the left and change into each
    other at the rates lambda (1 -+ a)/2."""

    eps: float

    def __call__(self, x: Array, u: Array, grad: Array) -> tuple[Array, Array, Array]:
        v = np.array([1.0, -1.0])[:, None] / self.eps
        speeds = np.zeros((2, 1, 2, x.shape[1]))
        speeds[[0, 1], 0, [0, 1]] = v
        return (v * u)[:, None], speeds, np.zeros((2, 1, 2, 1, x.shape[1]))

    def tumbles(self, x: Array, u: Array) -> tuple[Array, Array]:
        """What they gain and lose (2, K), and its derivative (2, 2, K)."""
        stop = (1 + np.array([-1.0, 1.0])[:, None] * Bias(self.eps)(x[0])) / (2 * self.eps**2)
        change = np.array([[-stop[0], stop[1]], [stop[0], -stop[1]]])
        return np.einsum("ijk,jk->ik", change, u), change

    def evenly(self, x: Array) -> Array:
        """An even density, directions as they are where the signal is."""
        return (1 + np.array([1.0, -1.0])[:, None] * Bias(self.eps)(x[0])) / 2


def kinetic(eps: float, cells: int = 200, times: tuple[float, ...] = TIMES) -> Array:
    """The density (T, cells) that infinitely many bacteria have."""
    law = Runs(eps)
    flow = hmm.solve_balance_law(hmm.Volumes(cells), law, law.evenly, times, source=law.tumbles)
    return flow.averages.sum(axis=1)


def swarm_data(
    eps: float = 0.05, count: int = 40_000, ladder: tuple[float, ...] = (0.1, 0.07, 0.05, 0.035, 0.025)
) -> Data:
    """A swarm beside HMM; the law that HMM was told; the distance of all bacteria's density to drift and diffusion."""
    law, stderr, x = learned(eps)
    places, U = swarm(eps, count, TIMES[-1], np.random.default_rng(14)), density(law)
    distance = [np.abs(kinetic(e)[-1] - density(closed_form(e), 200, TIMES).averages[-1]).mean() for e in ladder]
    return {
        "eps": np.array(eps),
        "count": np.array(count),
        "swarm": np.histogram(places, 32, (0, 1))[0] * 32 / count,
        "hmm": U.averages,
        "kinetic": kinetic(eps, 128)[-1],
        "x": x,
        "V": law.V,
        "D": law.D,
        "V_stderr": stderr,
        "ladder": np.array(ladder),
        "distance": np.array(distance),
    }


def swarm_figure(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11, 3.7), width_ratios=(1.2, 1, 1))
    centre = (np.arange(32) + 0.5) / 32
    bar = 2 * np.sqrt(data["swarm"] * 32 / data["count"])
    left.errorbar(centre, data["swarm"], bar, fmt="o", ms=3, lw=1, color=ORANGE, label=f"{data['count']:,} bacteria")
    left.plot(centre, data["hmm"][-1], color=BLUE, label="HMM")
    left.plot(centre, data["hmm"][1], color=BLUE, lw=1, ls=":", label=f"HMM, t = {TIMES[1]:g}")
    left.set(xlabel="x", ylabel="density", title=f"A swarm at t = {TIMES[-1]:g}, ε = {data['eps']:g}", ylim=(0, 2.6))
    left.legend(fontsize=8, loc="upper center")
    law = closed_form(float(data["eps"]))
    middle.plot(law.x, law.V, color=BLUE, lw=1)
    middle.plot(law.x, 4 * law.D, color=GREEN, lw=1)
    middle.errorbar(data["x"], data["V"], 2 * data["V_stderr"], fmt="o", ms=3, lw=1, color=BLUE, label="V, answers")
    middle.plot(data["x"], 4 * data["D"], "o", ms=3, color=GREEN, label="4 D, answers")
    middle.set(xlabel="x", ylabel="V and 4 D", title="The law (lines: closed form)", ylim=(-6.5, 8.5))
    middle.legend(fontsize=8, ncols=2, loc="upper center")
    rate_plot(right, data["ladder"], data["distance"], "distance", 2.0, color=ORANGE)
    right.set(xlabel="ε, length of a run", ylabel="mean distance of the densities", title="How wrong is the limit?")
    right.set_xticks([0.025, 0.05, 0.1], ["0.025", "0.05", "0.1"], minor=False)
    right.set_xticks([], minor=True)
    right.set_yticks([0.005, 0.01, 0.02, 0.05], ["0.005", "0.01", "0.02", "0.05"])
    return plain(figure)
