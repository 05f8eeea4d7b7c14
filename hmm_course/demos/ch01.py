"""Demo of chapter 01: one problem whose law follows the state, one closure of your choice."""

from functools import lru_cache
from typing import Any

import numpy as np
import skfem

from hmm_core import CellProblem, ExactClosure, Solution, macro_basis, solve_elliptic
from hmm_course.figures import canvas
from hmm_course.figures.ch01 import StateClosure, effective_conductivity

SOURCE = 40.0
CELLS = {
    "closed form": None,
    "periodic, Fourier": CellProblem(dim=2, n=12, scheme="fourier", tol=1e-10),
    "periodic, Q1": CellProblem(dim=2, n=12, tol=1e-10),
    "Dirichlet, Q1": CellProblem(dim=2, n=12, bc="dirichlet", tol=1e-10),
}


@lru_cache(maxsize=64)
def _solve(elements: int, strength: float, closure: str) -> Solution:
    line = np.linspace(0, 1, elements + 1)
    basis = macro_basis(skfem.MeshTri.init_tensor(line, line), skfem.ElementTriP1())
    cell = CELLS[closure]
    if cell is None:
        return solve_elliptic(basis, ExactClosure(lambda x, u: effective_conductivity(strength * u)), SOURCE)
    return solve_elliptic(basis, StateClosure(cell, strength), SOURCE)


@lru_cache(maxsize=64)
def _reference(strength: float) -> tuple[np.ndarray, np.ndarray]:
    """U on x_2 = 1/2 from the closed form on a fine macro mesh."""
    x = np.linspace(0, 1, 33)
    return x, _solve(32, strength, "closed form").at(np.array([x, 0 * x + 0.5]))


def dialogue(closure: str = "periodic, Fourier", elements: int = 6, strength: float = 1.0) -> Any:
    r"""Heat in a material whose contrast grows with the temperature, -div(A(U) grad U) = 40 on the unit square.

    Parameters
    ----------
    closure : who answers, a key of ``CELLS``.
    elements : macro elements per side, 2 to 8 (two triangles each).
    strength : how strongly the material follows the state, 0 (not at all) to 1.2; contrast 1.8 tanh(2 strength U).

    Left: U on x_2 = 1/2 beside the closed form on a fine mesh. Right: residual of every round of the dialogue.
    ValueError for a parameter outside its range.
    """
    if closure not in CELLS:
        raise ValueError(f"closure={closure!r} is not one of {', '.join(map(repr, CELLS))}")
    if isinstance(elements, bool) or elements != int(elements) or not 2 <= elements <= 8:
        raise ValueError(f"elements={elements!r} must be an integer from 2 to 8")
    if not 0 <= strength <= 1.2:
        raise ValueError(f"strength={strength!r} must lie in [0, 1.2]")
    solution = _solve(int(elements), float(strength), closure)
    x, reference = _reference(round(float(strength), 6))
    own = solution.at(np.array([x, 0 * x + 0.5]))

    figure, (left, right) = canvas(1, 2, figsize=(9.4, 3.6))
    left.plot(x, reference, color="0.4", ls="--", label="closed form, fine mesh")
    left.plot(x, own, label=f"{closure}, {elements} × {elements} elements")
    left.set(xlabel="x₁  (on x₂ = ½)", ylabel="U", ylim=(0, 1.35), title="What the macro solver found")
    left.legend(loc="upper left", ncols=1)
    residuals = [max(entry.residual, 1e-17) for entry in solution.history]
    rounds = np.arange(1, len(residuals) + 1)
    right.semilogy(rounds, residuals, marker="o")
    right.set(xlabel="round of the dialogue", ylabel="relative residual", ylim=(1e-18, 10), xlim=(0.5, 8.5))
    error = np.abs(own - reference).max() / reference.max()
    right.set_title(f"{solution.micro_solves} micro problems, off by {100 * error:.1f} % of max U")
    return figure
