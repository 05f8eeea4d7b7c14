"""Demo of chapter 06: the four terms of the error as a stack, while the mesh, the sample and the micro grid change."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from hmm_core import CellProblem, ExactClosure, Solution, solve_elliptic
from hmm_course.figures import Array, canvas
from hmm_course.figures.ch06 import (
    GRADED_SIZE,
    PERIOD,
    SLOPE,
    TERMS,
    K,
    factor,
    grad_u0,
    graded_source,
    square,
    stack,
    u0,
)

EPS = 0.04
CELLS = ("dirichlet", "neumann", "periodic")


def _drift(eta: Array) -> Array:
    """The slow factor over the sample, relative to its value at x."""
    return np.exp(EPS * np.tensordot(SLOPE, eta, axes=1))


def _limit(cell: CellProblem, medium: Any, n: int) -> Array:
    """The tensor for h -> 0: Q1 tensors of n and 2n extrapolated."""
    coarse, fine = (replace(cell, n=k).effective_tensor(medium) for k in (n, 2 * n))
    return fine + (fine - coarse) / 3


def error_budget(N: int = 3, R: float = 1.5, n: int = 8, bc: str = "dirichlet", one_sided: bool = True) -> Any:
    r"""The error budget of -div(exp(g . x) b(x/eps) grad u) = f on the unit square, eps = 0.04, as stacked terms.

    Every sampling point is placed at the same phase of the material, so that the tensor is exp(g . x) times that of one
    sample, and one cell problem serves them all.

    Parameters
    ----------
    N : macro squares per side, 1 to 6, two P2 triangles each; H = 1/N.
    R : size of the sample in periods, delta/eps, 0.5 to 4.
    n : micro elements per period, eps/h, 4 to 16.
    bc : one of ``CELLS``.
    one_sided : x sits in a corner of its sample; otherwise in the centre.

    Left: the terms in per cent of u0, in energy; the diamond is the error itself. Right: what doubling each effort would
    leave of the error. ValueError for a parameter outside its range.
    """
    for name, value, low, high in (("N", N, 1, 6), ("n", n, 4, 16)):
        if isinstance(value, bool) or value != int(value) or not low <= value <= high:
            raise ValueError(f"{name}={value!r} must be an integer from {low} to {high}")
    if not 0.5 <= R <= 4:
        raise ValueError(f"R={R!r} must lie in [0.5, 4]")
    if bc not in CELLS:
        raise ValueError(f"bc={bc!r} is not one of {', '.join(map(repr, CELLS))}")
    now = _budget(int(N), float(R), int(n), bc, bool(one_sided))
    figure, (left, right) = canvas(1, 2, figsize=(9.4, 3.9), width_ratios=(1, 1.6))
    stack(left, [f"H = 1/{N}, δ/ε = {R:g},\nn = {n}"], now[None])
    worst = TERMS[int(now[:4].argmax())]
    left.set(ylabel="error in energy, % of u⁰", xlim=(-0.7, 1.6), xlabel="this choice", title=f"largest: {worst}")
    left.legend(fontsize=8, loc="upper right")
    trials = {
        "as it is": now,
        "H / 2": _budget(int(2 * N), float(R), int(n), bc, bool(one_sided)),
        "2 δ": _budget(int(N), 2 * float(R), int(n), bc, bool(one_sided)),
        "h / 2": _budget(int(N), float(R), int(2 * n), bc, bool(one_sided)),
    }
    stack(right, list(trials), np.array(list(trials.values())))
    right.set(xlabel="which effort is doubled (each: four times the work)", title="What would help?")
    for ax in (left, right):
        ax.grid(axis="x", visible=False)
    return figure


def _budget(N: int, R: float, n: int, bc: str, one_sided: bool) -> Array:
    """Four relative terms and the total."""
    cell = CellProblem(n=n, size=R, bc=bc, offset=0.5 if one_sided else 0.0, tol=1e-7)
    tensors = (
        K * np.eye(2),
        K * _limit(cell, lambda x, y: _drift(y), max(2, round(8 / R))),
        _limit(cell, lambda x, y: _drift(y) * PERIOD(None, y), max(16, min(2 * n, round(96 / R)))),
        cell.effective_tensor(lambda x, y: _drift(y) * PERIOD(None, y)),
    )
    basis = square(N, degree=2)
    chain = [solve_elliptic(basis, ExactClosure(_Law(tensor)), graded_source) for tensor in tensors]

    def distance(u: Solution, v: Any, gradient: Any) -> float:
        return u.error(v, "energy", gradient=gradient, tensor=_Law(K * np.eye(2))) / GRADED_SIZE

    steps = [distance(u, v, v.gradient_at) for u, v in pairwise(chain)]
    return np.array([distance(chain[0], u0, grad_u0), *steps, distance(chain[-1], u0, grad_u0)])


class _Law:
    """exp(g . x) T as a function of x."""

    def __init__(self, tensor: Array) -> None:
        self.tensor = tensor

    def __call__(self, x: Array) -> Array:
        return self.tensor[..., None] * factor(x)
