"""Demo of chapter 15: a fast wheel, what it does to a slow variable, and the window that averages it."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_course.figures import BLUE, GREEN, ORANGE, canvas
from hmm_course.figures.ch15 import averaged, pushed, wheel

Array = np.ndarray
END = 3.0


@lru_cache(maxsize=64)
def _resolved(eps: float) -> tuple[Array, Array, Array]:
    """Times, x and the angle of y, by Runge and Kutta's method in steps of eps/8."""
    count = math.ceil(8 * END / eps)
    h, x, angle, path = END / count, 0.0, 0.0, [(0.0, 0.0)]

    def slopes(x: float, angle: float) -> tuple[float, float]:
        return 2 * math.cos(angle) ** 2 - x, (1 + x * x) / eps

    for _ in range(count):
        a1, b1 = slopes(x, angle)
        a2, b2 = slopes(x + h / 2 * a1, angle + h / 2 * b1)
        a3, b3 = slopes(x + h / 2 * a2, angle + h / 2 * b2)
        a4, b4 = slopes(x + h * a3, angle + h * b3)
        x, angle = x + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), angle + h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)
        path.append((x, angle))
    found = np.array(path).T
    return np.linspace(0, END, count + 1), found[0], found[1]


@lru_cache(maxsize=256)
def _hmm(periods: float, order: int) -> Array:
    """X at 21 times, in steps of Heun's method whose windows go on where the last has ended."""
    fast = wheel(step=0.2, window=periods * np.pi, kernel=("smooth", order) if order else "box")
    return hmm.solve_averaged(pushed, fast, 0.0, np.linspace(0, END, 21), method="heun", step=0.15).x[0]


def fast_wheel(eps: float = 0.05, periods: float = 2.25, order: int = 0) -> Any:
    r"""dx/dt = 2 y_1^2 - x, y on a circle at the speed (1 + x^2)/eps: resolved, averaged, and by HMM.

    Parameters
    ----------
    eps : ratio of the time scales, 0.01 to 0.2.
    periods : length of the window that HMM averages over, in periods of y_1^2 at x = 0, 1 to 12.
    order : q of the kernel (1/4 - s^2)^q, 0 (the box) to 4.

    Left: the paths. Right: the force in the first window, and its weight.
    ValueError for a parameter outside its range.
    """
    if not 0.01 <= eps <= 0.2:
        raise ValueError(f"eps={eps!r} must lie in [0.01, 0.2]")
    if not 1 <= periods <= 12:
        raise ValueError(f"periods={periods!r} must lie in [1, 12]")
    if isinstance(order, bool) or order != int(order) or not 0 <= order <= 4:
        raise ValueError(f"order={order!r} must be an integer from 0 to 4")
    eps, periods, order = round(float(eps), 6), round(float(periods), 6), int(order)
    t, x, _ = _resolved(eps)
    times, X = np.linspace(0, END, 21), _hmm(periods, order)
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.7), width_ratios=(1.3, 1))
    left.plot(t, x, color=ORANGE, lw=1, label=f"both resolved: {len(t) - 1:,} steps")
    left.plot(times, X, color=BLUE, marker="o", ms=3, label="HMM, any ε")
    left.plot(t, averaged(t), color="black", ls=":", lw=1.2, label="averaged: 1 − e⁻ᵗ")
    left.set(xlabel="t", ylabel="x", ylim=(0, 1.25), xlim=(0, END))
    left.set_title(
        f"ε = {eps:g}: resolved off by {np.abs(x - averaged(t)).max():.2g}, HMM by {np.abs(X - averaged(times)).max():.2g}"
    )
    left.legend(loc="lower right")
    tau = np.linspace(0, periods * np.pi, 400)
    weight = (0.25 - (tau / tau[-1] - 0.5) ** 2) ** order
    force = 2 * np.cos(tau) ** 2
    mean = float((weight * force).sum() / weight.sum())
    right.fill_between(tau, weight / weight.max(), color="0.85", label=f"weight, q = {order}")
    right.plot(tau, force, color=GREEN, lw=1.2, label="2 y₁²")
    right.axhline(mean, color=BLUE, label=f"weighted mean {mean:.3f}")
    right.axhline(1, color="black", ls=":", lw=1.2)
    right.set(xlabel="time of y", title="The first window, x = 0", ylim=(0, 2.9), xlim=(0, tau[-1]))
    right.legend(loc="upper center", ncols=2, fontsize=8)
    return figure
