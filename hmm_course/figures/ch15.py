"""Figures of chapter 15: an oscillation averaged, kernels, a cubic force that a noisy variable exerts, two wells."""

from functools import lru_cache
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_core.compare import resolve_scales
from hmm_core.macro.averaging import AveragedForce
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Data, canvas, plain, rate_plot

Array = np.ndarray

# -- an oscillator: y turns on a circle ----------------------------------------------------------------------------------------

PERIOD = np.pi  # of y_1^2 at x = 0, in the time of y


def turning(x: Array, y: Array) -> Array:
    """g: on a circle, at the angular speed 1 + x^2."""
    speed = 1 + x[0] ** 2
    return np.stack([speed * y[1], -speed * y[0]])


def pushed(x: Array, y: Array, t: float) -> Array:
    """f = 2 y_1^2 - x, whose average is 1 - x."""
    return 2 * y[:1] ** 2 - x


def wheel(**changes: Any) -> hmm.FastProcess:
    """The turning variable, watched for twelve turns with a smooth kernel."""
    return hmm.FastProcess(
        turning, [1.0, 0.0], **{"step": 0.05, "window": 12 * np.pi, "kernel": ("smooth", 3)} | changes
    )


def averaged(t: Array) -> Array:
    """X(t) of dX/dt = 1 - X, X(0) = 0."""
    return 1 - np.exp(-t)


def wheel_data(eps: tuple[float, ...] = (0.1, 0.05, 0.02, 0.01, 0.005)) -> Data:
    """Resolved and averaged paths; their largest distance and the steps of y that each took, for ever faster y."""
    t, distance, steps = np.linspace(0, 3, 301), [], []
    for e in eps:
        path = resolve_scales(pushed, wheel(), e, 0.0, [0, 3])
        distance.append(np.abs(path.at(t)[0] - averaged(t)).max())
        steps.append(path.fast_time / wheel().step)
    found = hmm.solve_averaged(pushed, wheel(), 0.0, [0, 3], rtol=1e-3, atol=1e-3)
    return {
        "t": t,
        "resolved": resolve_scales(pushed, wheel(), eps[0], 0.0, [0, 3]).at(t)[0],
        "hmm": found.at(t)[0],
        "eps": np.array(eps),
        "distance": np.array(distance),
        "steps": np.array(steps),
        "hmm_steps": np.array(found.fast_time / wheel().step),
        "hmm_error": np.array(np.abs(found.at(t)[0] - averaged(t)).max()),
    }


def wheel_figure(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(10.5, 3.4))
    left.plot(data["t"], data["resolved"], color=ORANGE, lw=1.2, label=f"both resolved, ε = {data['eps'][0]:g}")
    left.plot(data["t"], data["hmm"], color=BLUE, label="HMM")
    left.plot(data["t"], averaged(data["t"]), color="black", lw=1, ls=":", label="1 − e⁻ᵗ")
    left.set(xlabel="t", ylabel="x", title="What the slow variable feels")
    left.legend()
    rate_plot(middle, data["eps"], data["distance"], "resolved to averaged", 1.0, color=ORANGE)
    middle.axhline(data["hmm_error"], color=BLUE, label="HMM to averaged")
    middle.set(xlabel="ε", ylabel="largest distance", title="How wrong is the average?")
    middle.legend()
    rate_plot(right, data["eps"], data["steps"], "resolved", -1.0, color=ORANGE)
    right.axhline(data["hmm_steps"], color=BLUE, label="HMM, any ε")
    right.set(xlabel="ε", ylabel="steps of y", title="What does it cost?")
    right.legend()
    return plain(figure)


# -- kernels -------------------------------------------------------------------------------------------------------------------

KERNELS = {"box": "box", "q = 1": ("smooth", 1), "q = 2": ("smooth", 2), "q = 3": ("smooth", 3)}


def kernels_data(turns: tuple[int, ...] = (4, 6, 8, 12, 16), fractions: int = 6) -> Data:
    """Error of the average force for windows of so many periods and a fraction: the largest over the fractions."""
    out = {"periods": np.array(turns, dtype=float)}
    for name, kernel in KERNELS.items():
        errors = np.array([[force_error(kernel, k + j / fractions) for j in range(fractions)] for k in turns])
        out[name] = errors.max(axis=1)
    s = np.linspace(-0.5, 0.5, 201)
    out["s"] = s
    for q in range(4):
        weight = (0.25 - s**2) ** q
        out[f"K{q}"] = weight / (weight.sum() * (s[1] - s[0]))
    return out


def force_error(kernel: Any, periods: float) -> float:
    """|F - 1| at x = 0, from a window of so many periods of y_1^2."""
    fast = wheel(step=0.1, window=periods * PERIOD, kernel=kernel)
    return float(abs(AveragedForce(pushed, fast)(np.zeros(1), 0.0, fast.start[:, None], None)[0].F[0] - 1))


def kernels(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.7), width_ratios=(1, 1.7))
    for q, (name, colour) in enumerate(zip(KERNELS, (ORANGE, BLUE, GREEN, PINK), strict=True)):
        left.plot(data["s"], data[f"K{q}"], color=colour, label=name)
        rate_plot(right, data["periods"], data[name], name, color=colour)
    left.set(xlabel="time in windows", ylabel="weight", title="Four kernels")
    right.set(xlabel="window, in periods", ylabel="error of the force", title="What they leave of the oscillation")
    return plain(figure)


# -- noise: a cubic force --------------------------------------------------------------------------------------------------------

END = 1.0
X_END = 0.204125307649  # the averaged equation, at t = 1
SECTIONS = {"step": 0.1, "window": 2.0, "noise": 1.0, "replicas": 20}


def attracted(x: Array, y: Array) -> Array:
    """g: y is drawn to x; with noise 1 its law is normal, of mean x and variance 1/2."""
    return x - y


def cubic(x: Array, y: Array, t: float) -> Array:
    """f = -y^3 + sin(pi t) + cos(sqrt 2 pi t)."""
    return -(y**3) + np.sin(np.pi * t) + np.cos(np.sqrt(2) * np.pi * t)


def cubic_averaged(x: Array, y: Array, t: float, variance: float = 0.5) -> Array:
    """F, for E y^3 = x^3 + 3 x var(y)."""
    return cubic(x, x, t) - 3 * variance * x


def ornstein(**changes: Any) -> hmm.FastProcess:
    """The noisy variable."""
    return hmm.FastProcess(attracted, **{"start": [1.0]} | SECTIONS | changes)


def discrete_variance(h: Array) -> Array:
    """Of y in steps h of Heun's method: y -> (1 - h + h^2/2) y + (1 - h/2) h^(1/2) N."""
    h = np.asarray(h, dtype=float)
    return h * (1 - h / 2) ** 2 / (1 - (1 - h + h**2 / 2) ** 2)


STILL = hmm.FastProcess(lambda x, y: 0 * y, [0.0], 1.0, 1.0)  # for forces that do not look at y


def known_force(step: float, variance: float = 0.5) -> float:
    """X(1) by Heun's method with a force in closed form."""

    def force(x: Array, y: Array, t: float) -> Array:
        return cubic_averaged(x, y, t, variance)

    return float(hmm.solve_averaged(force, STILL, 1.0, [0, END], method="heun", step=step).x[0, -1])


def four_terms_data(seeds: int = 40) -> Data:
    """X(1) against the averaged equation, one parameter at a time; and the resolved path against it, for ever smaller eps."""
    out: Data = {"macro_step": 0.1 * 0.5 ** np.arange(5), "micro_step": np.array([0.8, 0.4, 0.2, 0.1, 0.05])}
    out["macro"] = np.array([abs(known_force(step) - X_END) for step in out["macro_step"]])
    out["micro"] = np.array([abs(known_force(1e-3, discrete_variance(h)) - X_END) for h in out["micro_step"]])
    out["settle"] = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
    out["start"] = np.array([settling(settle) for settle in out["settle"]])
    out["effort"] = np.array([10.0, 40.0, 160.0, 640.0])
    rng = np.random.default_rng(15)
    out["statistical"] = np.array([spread(int(k), seeds, rng) for k in out["effort"]])
    out["eps"] = np.array([0.08, 0.04, 0.02, 0.01, 0.005])
    out["averaging"] = np.array([resolved_spread(eps, 8 * seeds, rng) for eps in out["eps"]])
    return out


def settling(settle: float, replicas: int = 200_000) -> float:
    """Error of the force at x = 1/2, t = 0, from a start at y = 2 that is left so long: the mean of many replicas."""
    fast = ornstein(start=[2.0], settle=settle, window=0.1, replicas=replicas)
    start = np.repeat(fast.start[:, None], replicas, axis=1)
    answer, _ = AveragedForce(cubic, fast)(np.array([0.5]), 0.0, start, np.random.default_rng(15))
    return float(abs(answer.F[0] - (1 - 0.5**3 - 1.5 * 0.5)))


def spread(replicas: int, seeds: int, rng: np.random.Generator) -> float:
    """Standard deviation of X(1) over many solves with so many replicas."""
    ends = [
        hmm.solve_averaged(cubic, ornstein(replicas=replicas), 1.0, [0, END], method="heun", step=0.05, rng=rng).x[
            0, -1
        ]
        for _ in range(seeds)
    ]
    return float(np.std(ends, ddof=1))


def resolved_spread(eps: float, paths: int, rng: np.random.Generator) -> float:
    """Root mean square of x^eps(1) - X(1): many paths at once, y by Heun's method in steps of eps/10."""
    count = round(10 * END / eps)
    h, x = END / count, np.ones((1, paths))
    y, fast = x + np.sqrt(0.5) * rng.standard_normal((1, paths)), ornstein()
    for k in range(count):
        slope = cubic(x, y, k * h)
        y = fast.stepped(x + h / 2 * slope, y, h / eps, rng)
        x = x + h / 2 * (slope + cubic(x, y, (k + 1) * h))
    return float(np.sqrt(np.mean((x - X_END) ** 2)))


def four_terms(data: Data) -> Any:
    figure, axes = canvas(2, 2, figsize=(9.6, 6.6))
    rate_plot(axes[0, 0], data["macro_step"], data["macro"], "Heun", 2.0, color=BLUE)
    axes[0, 0].set(xlabel="macro step H", ylabel="error of X(1)", title="Macro step")
    axes[0, 1].semilogy(data["settle"], data["start"], marker="o", color=BLUE, label="start at y = 2")
    decay = 0.6 * data["start"][-1] * np.exp(data["settle"][-1] - data["settle"])
    axes[0, 1].semilogy(data["settle"], decay, color="0.55", lw=1, ls="--", label="a factor e for every τ")
    axes[0, 1].set(xlabel="time to settle, in units of τ", ylabel="error of F", title="The start is forgotten")
    axes[0, 1].legend()
    rate_plot(axes[1, 0], data["effort"], data["statistical"], "scatter of X(1)", -0.5, color=BLUE)
    axes[1, 0].set(xlabel="replicas", ylabel="standard deviation", title="Chance")
    rate_plot(axes[1, 1], data["micro_step"], data["micro"], "Heun", 2.0, color=BLUE)
    axes[1, 1].set(xlabel="micro step h, in units of τ", ylabel="error of X(1)", title="Micro step")
    return plain(figure)


# -- an oscillation that stands still for a moment -------------------------------------------------------------------------------


def slowing(x: Array, y: Array) -> Array:
    """g: on a circle, at the angular speed x."""
    return np.stack([x[0] * y[1], -x[0] * y[0]])


def nudged(x: Array, y: Array, t: float) -> Array:
    """f = y_1/2 - 1, whose average is -1 as long as x is not zero: X = 1 - t."""
    return y[:1] / 2 - 1


def passage_data(eps: tuple[float, ...] = (0.02, 0.01, 0.005, 0.0025, 0.00125), phases: int = 8) -> Data:
    """Distance of x to 1 - t, root mean square over phases, before (0.3 < t < 0.5) and after (1.3 to 1.5) y stands still."""
    rows, t = [], np.linspace(0.3, 0.5, 101)
    for e in eps:
        found = []
        for phase in 2 * np.pi * np.arange(phases) / phases:
            fast = hmm.FastProcess(slowing, [np.cos(phase), np.sin(phase)], 0.25, 1.0)
            path = resolve_scales(nudged, fast, e, 1.0, [0, 1.5])
            found.append([path.at(moment)[0] - (1 - moment) for moment in (t, 1 + t)])
        rows.append(np.sqrt(np.mean(np.square(found), axis=(0, 2))))
    before, after = np.array(rows).T
    return {"eps": np.array(eps), "before": before, "after": after}


# -- two wells -----------------------------------------------------------------------------------------------------------------


def two_wells(x: Array, y: Array) -> Array:
    """g: the force of the potential y^4/4 - y^2/2 - x y."""
    return y - y**3 + x


NOISES = (1.2, 0.8, 0.5)


@lru_cache(maxsize=8)
def wells_paths(noise: float, length: float, paths: int, seed: int = 4) -> tuple[Array, Array]:
    """Paths of y (T, paths) at unit times, x = 0 held, from both wells alike; and the times."""
    fast = hmm.FastProcess(two_wells, [1.0], step=0.05, window=1.0, noise=noise, replicas=paths)
    rng, y = np.random.default_rng(seed), np.where(np.arange(paths) % 2, 1.0, -1.0)[None]
    rows = []
    for _ in range(round(length)):
        for _ in range(20):
            y = fast.stepped(np.zeros((1, 1)), y, 0.05, rng)
        rows.append(y[0].copy())
    return np.arange(1, len(rows) + 1.0), np.array(rows)


def fails_data() -> Data:
    """Two ways in which averaging fails."""
    return passage_data() | wells_data()


def wells_data(length: float = 400.0, paths: int = 64) -> Data:
    """One path for each noise; the standard error that one trajectory claims by batches, and that of all of them together."""
    out: Data = {"noise": np.array(NOISES), "windows": np.array([10.0, 20.0, 40.0, 80.0, 160.0, 320.0])}
    for noise in NOISES:
        t, y = wells_paths(noise, length, paths)
        out["t"], out[f"path {noise:g}"] = t, y[:, 1]
        claimed, true = [], []
        for window in out["windows"].astype(int):
            batches = y[:window].reshape(10, -1, paths).mean(axis=1)
            claimed.append(np.median(batches.std(axis=0, ddof=1)) / np.sqrt(10))
            true.append(y[:window].mean(axis=0).std(ddof=1))
        out[f"claimed {noise:g}"], out[f"true {noise:g}"] = np.array(claimed), np.array(true)
    return out


def fails(data: Data) -> Any:
    """Of ``passage_data`` and ``wells_data`` together."""
    figure, (first, left, right) = canvas(1, 3, figsize=(11, 3.8), width_ratios=(1, 1.2, 1.1))
    rate_plot(first, data["eps"], data["before"], "before", 1.0, color=BLUE)
    rate_plot(first, data["eps"], data["after"], "after", 0.5, color=ORANGE)
    first.set(xlabel="ε", ylabel="distance to 1 − t", title="y stands still for a moment")
    for k, (noise, colour) in enumerate(zip(data["noise"], (GREEN, BLUE, ORANGE), strict=True)):
        left.plot(data["t"], data[f"path {noise:g}"] - 4 * k, color=colour, lw=0.8)
        left.text(data["t"][-1] * 1.01, -4 * k, f"s = {noise:g}", color=colour, va="center")
        right.loglog(data["windows"], data[f"true {noise:g}"], marker="o", color=colour)
        right.loglog(data["windows"], data[f"claimed {noise:g}"], color=colour, ls="--")
    right.plot([], [], color="0.3", marker="o", label="among 64 paths")
    right.plot([], [], color="0.3", ls="--", label="claimed by one of them")
    left.set(xlabel="time of y", yticks=[], title="Two wells, three noises (shifted)")
    right.set(
        xlabel="window", ylabel="standard error of ⟨y⟩", title="Who knows what it does not know?", ylim=(0.06, 1.8)
    )
    right.legend(loc="upper right")
    return plain(figure)
