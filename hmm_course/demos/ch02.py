"""Demo of chapter 02: scales move apart, or together."""

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from hmm_course.figures import BLUE, GREEN, ORANGE, canvas
from hmm_course.figures.ch01 import line_solution
from hmm_course.figures.ch02 import hmm_line, line_medium


@lru_cache(maxsize=64)
def _solutions(eps: float, elements: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fine edges, u^eps there, and U_H at the macro nodes."""
    edges, u, _ = line_solution(line_medium, eps, max(1500, round(40 / eps)))
    return edges, u, hmm_line(eps, elements).u


def scale_slider(separation: float = 1.2, elements: int = 8, periods: float = 3.0) -> Any:
    r"""A bar -(a u')' = 1 with a = (1 + x)/(2 + cos 2 pi x/eps), eps = 10^-separation, resolved and by HMM.

    Parameters
    ----------
    separation : log10(1/eps), from 0 (no separation) to 3.
    elements : macro elements, 2 to 32.
    periods : length of the window that is shown at the right, in periods, 1 to 8.

    Left: u^eps, HMM and the window around x = 0.2. Right: u^eps, the macro field U and its affine picture in the window.
    ValueError for a parameter outside its range.
    """
    if not 0 <= separation <= 3:
        raise ValueError(f"separation={separation!r} must lie in [0, 3]")
    if isinstance(elements, bool) or elements != int(elements) or not 2 <= elements <= 32:
        raise ValueError(f"elements={elements!r} must be an integer from 2 to 32")
    if not 1 <= periods <= 8:
        raise ValueError(f"periods={periods!r} must lie in [1, 8]")
    eps = 10.0 ** -round(float(separation), 6)
    edges, u, U = _solutions(eps, int(elements))
    nodes, at = np.linspace(0, 1, int(elements) + 1), 0.2
    lower, upper = max(at - periods * eps / 2, 0.0), min(at + periods * eps / 2, 1.0)

    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.7))
    coarse = np.interp(edges, nodes, U)
    left.plot(edges, u, color=ORANGE, lw=1.2, label="resolved uᵋ")
    left.plot(nodes, U, color=BLUE, marker="o", ms=4, label=f"HMM, {elements} elements")
    top = 1.45 * max(u.max(), U.max())
    left.add_patch(Rectangle((lower, 0), upper - lower, top, color="0.85", zorder=0))
    left.set(xlabel="x", ylabel="u", ylim=(0, top), xlim=(0, 1))
    left.legend(loc="upper right")
    error = np.sqrt(np.mean((coarse - u) ** 2) / np.mean(u**2))
    left.set_title(f"ε = {eps:.2g},  H/ε = {1 / elements / eps:.2g}:  HMM off by {100 * error:.2g} %")

    exact_U = 2 * (np.log2(1 + edges) - edges)
    inside = np.linspace(lower, upper, 400)
    centre, slope = 2 * (np.log2(1 + at) - at), 2 / (np.log(2) * (1 + at)) - 2
    right.plot(inside, np.interp(inside, edges, u), color=ORANGE, label="resolved uᵋ")
    right.plot(inside, np.interp(inside, edges, exact_U), color=GREEN, label="macro field U")
    right.plot(inside, centre + slope * (inside - at), color="black", ls="--", lw=1.2, label="affine: U + U′ξ")
    right.set(xlabel="x", ylabel="u", title=f"Window around x = {at}, length {periods:g} ε", xlim=(lower, upper))
    right.locator_params(axis="x", nbins=5)
    right.legend(loc="best")
    return figure
