"""Figures of chapter 11, waves: a layered bar at long time, resolved, to leading order, and with the dispersive term."""

from functools import lru_cache
from typing import Any

import numpy as np
import skfem

import hmm_core as hmm
from hmm_course.figures import BLUE, GREEN, ORANGE, Data, canvas, plain, rate_plot

Array = np.ndarray
STAR, BETA = 0.458257569496, 0.0107828031  # A* and A* <chi^2> of the medium, in closed form


def layered(x: Array, y: Array) -> Array:
    """1.1 + cos 2 pi y: even about y = 0, so that the held ends of the bar are planes of symmetry."""
    return 1.1 + np.cos(2 * np.pi * y[0])


def pulse(x: Array) -> Array:
    """Where the bar starts, at rest."""
    return np.sin(2 * np.pi * x[0])


def bar(elements: int, element: Any = None) -> skfem.CellBasis:
    mesh = skfem.MeshLine(np.linspace(0, 1, elements + 1))
    return hmm.macro_basis(mesh, element or skfem.ElementLineP2())


@lru_cache(maxsize=1)
def closure() -> hmm.CellClosure:
    return hmm.CellClosure(layered, hmm.CellProblem(dim=1, n=64))


class Resolved:
    """1/<1/a> over elements of length h around their midpoints: on a line the exact stiffness of a linear element."""

    def __init__(self, eps: float, h: float) -> None:
        point, weight = np.polynomial.legendre.leggauss(6)
        self.eps, self.offsets, self.weights = eps, h / 2 * point, weight / 2

    def __call__(self, x: Array) -> Array:
        return 1 / sum(w / layered(x, (x + s) / self.eps) for s, w in zip(self.offsets, self.weights, strict=True))


def resolved(eps: float, times: Array, step: float, per_period: int = 32) -> hmm.Trajectory:
    """The bar with so many linear elements in a period."""
    elements = round(per_period / eps)
    law = hmm.ExactClosure(Resolved(eps, 1 / elements))
    return hmm.solve_wave(bar(elements, skfem.ElementLineP1()), law, pulse, 0.0, 0.0, times, step=step)


def homogenized(times: Array, step: float, dispersion: float | None = None) -> hmm.Trajectory:
    """Thirty-two elements, whatever eps; with ``dispersion=eps`` the next term."""
    return hmm.solve_wave(bar(32), closure(), pulse, 0.0, 0.0, times, step=step, dispersion=dispersion)


def drift(eps: float, t: Array) -> Array:
    """By how many radians the homogenized wave is ahead: omega ~ k A*^(1/2) (1 - eps^2 <chi^2> k^2/2)."""
    k = 2 * np.pi
    return k**3 * eps**2 * BETA / np.sqrt(STAR) / 2 * t


def distance(run: Any, truth: Any, times: Array) -> float:
    """Relative to a wave of amplitude one, root mean square in space and over these times."""
    x = (np.arange(400)[None] + 0.5) / 400
    squares = [np.mean((run.at(x, t) - truth.at(x, t)) ** 2) for t in times]
    return float(2 * np.sqrt(np.mean(squares)))


def waves_data(eps: tuple[float, ...] = (1 / 6, 1 / 10, 1 / 16), step: float = 0.05) -> Data:
    """Distance to the resolved bar over one swing at t = eps^-2 for ever finer layers; along the way for one of them."""
    out: dict[str, list] = {"leading": [], "corrected": [], "early": []}
    swing = np.linspace(0, 1.4, 8)
    for e in eps:
        times = np.concatenate([[0.0], 1 + swing, e**-2 + swing])
        truth = resolved(e, times, step)
        plain_run, better = homogenized(times, step), homogenized(times, step, e)
        out["early"].append(distance(plain_run, truth, times[1:9]))
        out["leading"].append(distance(plain_run, truth, times[9:]))
        out["corrected"].append(distance(better, truth, times[9:]))
    data = {"eps": np.array(eps)} | {name: np.array(values) for name, values in out.items()}
    e, x = eps[1], np.linspace(0, 1, 401)[None]
    starts = e**-2 * np.array([0, 0.25, 0.5, 0.75, 1, 1.5, 2])
    times = np.unique(np.concatenate([start + swing for start in starts]).round(9))
    truth, plain_run, better = resolved(e, times, step), homogenized(times, step), homogenized(times, step, e)
    for name, run in (("path", plain_run), ("path_corrected", better)):
        data[name] = np.array([distance(run, truth, start + swing) for start in starts])
    late = e**-2 + 0.6
    shapes = np.array([run.at(x, late) for run in (truth, plain_run, better)])
    return data | {"starts": starts, "x": x[0], "shapes": shapes}


def waves(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11, 3.6))
    e = data["eps"][1]
    for shape, colour, style, name in zip(
        data["shapes"],
        ("black", ORANGE, BLUE),
        ("-", "--", ":"),
        ("resolved", "leading order", "corrected"),
        strict=True,
    ):
        left.plot(data["x"], shape, color=colour, ls=style, lw=2.4 if style == ":" else 1.5, label=name)
    left.set(xlabel="x", ylabel="u", title=f"The bar soon after t = ε⁻² = {e**-2:.0f}", ylim=(-1.25, 1.9))
    left.legend(loc="upper right", fontsize=8)
    scaled = data["starts"] * e**2
    middle.plot(scaled, data["path"], color=ORANGE, marker="o", label="leading order")
    middle.plot(scaled, data["path_corrected"], color=BLUE, marker="o", label="corrected")
    t = np.linspace(0, 2, 200)
    middle.plot(t, 2 * np.abs(np.sin(drift(1.0, t) / 2)), color="0.55", lw=1, ls="--", label="expected from the drift")
    middle.set(
        xlabel="ε² t", ylabel="distance to the resolved bar", title=f"On the way, ε = 1/{1 / e:.0f}", ylim=(0, 2.6)
    )
    middle.legend(loc="upper right", fontsize=8)
    rate_plot(right, data["eps"], data["corrected"], "corrected, t = ε⁻²", 1.0, color=BLUE)
    right.loglog(data["eps"], data["leading"], marker="o", color=ORANGE, label="leading order, t = ε⁻²")
    right.loglog(data["eps"], data["early"], marker="s", color=GREEN, label="leading order, t = 1")
    right.set(xlabel="ε", ylabel="distance to the resolved bar", title="Ever finer layers", ylim=(0.02, 12))
    right.set_xticks(data["eps"], [f"1/{1 / e:.0f}" for e in data["eps"]])
    right.legend(loc="upper left", fontsize=7)
    return plain(figure)
