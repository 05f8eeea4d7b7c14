"""Demo of chapter 00: how little of a material HMM looks at, and what it answers."""

from numbers import Integral
from typing import Any

import numpy as np
import skfem

from hmm_core.closure import CellClosure
from hmm_core.macro import macro_basis, solve_elliptic
from hmm_core.media.exact import graded_solution
from hmm_core.micro.cell import CellProblem
from hmm_course.figures import BLUE, GREEN, ORANGE, Array, canvas


def graded_line(x: Array, y: Array) -> Array:
    """a(x, y) = (1 + x)/(2 + cos 2 pi y), the medium whose solution ``exact.graded_solution`` knows."""
    return (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0]))


def sampling_line(periods: int = 16, elements: int = 6) -> Any:
    """-(a(x, x/eps) u')' = 1 on (0, 1), u(0) = u(1) = 0: u^eps and U in closed form, the HMM solution, and its samples.

    Parameters
    ----------
    periods : 1/eps, 1 to 200. elements : macro elements, 2 to 64; each asks one cell problem, at its midpoint.

    Raises ValueError for anything else.
    """
    for name, value, low, high in (("periods", periods, 1, 200), ("elements", elements, 2, 64)):
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
            raise ValueError(f"{name}={value!r} must be a whole number from {low} to {high}")
    eps, nodes = 1 / periods, np.linspace(0, 1, elements + 1)
    basis = macro_basis(skfem.MeshLine(nodes), skfem.ElementLineP1())
    solution = solve_elliptic(basis, CellClosure(graded_line, CellProblem(dim=1, n=16)), 1.0)
    x, middle = np.linspace(0, 1, max(401, 10 * periods + 1)), (nodes[:-1] + nodes[1:]) / 2

    figure, ax = canvas(figsize=(7.5, 4.0))
    ax.plot(x, graded_solution(x, eps), color=BLUE, lw=1.2, label=r"$u^\varepsilon$, exact")
    ax.plot(x, graded_solution(x), color=ORANGE, ls="--", label="$U$, exact")
    ax.plot(nodes, solution.at(nodes[None]), "o-", color=GREEN, lw=1.2, label="HMM")
    ax.hlines(np.full(elements, -0.012), middle - eps / 2, middle + eps / 2, color=GREEN, lw=7, label="samples")
    look = f"HMM looks at {elements * eps:.0%} of the material" if elements < periods else "the samples overlap"
    ax.set_title(rf"$\varepsilon = 1/{periods}$, $H = 1/{elements}$: {look}")
    ax.set_xlim(-0.02, 1.02)
    ax.set(xlabel="$x$", ylabel="solutions of the same problem", ylim=(-0.025, 0.245))
    ax.legend(ncols=4, loc="upper center")
    return figure
