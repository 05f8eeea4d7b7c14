"""Demo of chapter 06: the four terms of the error as a stack, while the mesh, the sample and the micro grid change."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import skfem

from hmm_core import CellProblem
from hmm_course.figures import ORANGE, Array, canvas
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
)

EPS = 0.04
CELLS = ("dirichlet", "neumann", "periodic")
VIEW = (-2.2, 4.2)  # periods; holds the largest sample, centred or not


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

    Left: the sample in its material, with its grid. Right: the terms in per cent of u0, in energy, as they are and with
    each effort doubled; the diamond is the error itself. ValueError for a parameter outside its range.
    """
    for name, value, low, high in (("N", N, 1, 6), ("n", n, 4, 16)):
        if isinstance(value, bool) or value != int(value) or not low <= value <= high:
            raise ValueError(f"{name}={value!r} must be an integer from {low} to {high}")
    if not 0.5 <= R <= 4:
        raise ValueError(f"R={R!r} must lie in [0.5, 4]")
    if bc not in CELLS:
        raise ValueError(f"bc={bc!r} is not one of {', '.join(map(repr, CELLS))}")
    N, R, n, one_sided = int(N), float(R), int(n), bool(one_sided)
    trials = {
        "as it is": _budget(N, R, n, bc, one_sided),
        "H / 2": _budget(2 * N, R, n, bc, one_sided),
        "2 δ": _budget(N, 2 * R, n, bc, one_sided),
        "h / 2": _budget(N, R, 2 * n, bc, one_sided),
    }
    figure, (left, right) = canvas(1, 2, figsize=(9.4, 4.0), width_ratios=(1, 1.5))
    _sample(left, R, n, 0.0 if one_sided else -R / 2)
    left.set(title=f"H = 1/{N} is {1 / (N * R * EPS):.2g} δ", xlabel="$y_1$, in periods", ylabel="$y_2$")
    stack(right, list(trials), np.array(list(trials.values())))
    worst = TERMS[int(trials["as it is"][:4].argmax())]
    right.set(xlabel="which effort is doubled (each: four times the work)", title=f"Largest: {worst}. What would help?")
    right.set(ylabel="error in energy, % of u⁰", xlim=(-0.5, 5.2))
    right.legend(fontsize=8, loc="upper right")
    right.grid(axis="x", visible=False)
    return figure


def _sample(ax: Any, R: float, n: int, start: float) -> None:
    """R periods of the material from ``start`` on, and their n R elements; x at 0."""
    low, high = VIEW
    y = np.linspace(low, high, 160)
    ax.imshow(PERIOD(None, np.array(np.meshgrid(y, y, indexing="ij"))).T, extent=VIEW * 2, cmap="Greys", alpha=0.7)
    edges = np.linspace(start, start + R, CellProblem(n=n, size=R).cells + 1)
    ax.vlines(edges, start, start + R, color=ORANGE, lw=0.4)
    ax.hlines(edges, start, start + R, color=ORANGE, lw=0.4)
    ax.plot(start + R * np.array([0, 1, 1, 0, 0]), start + R * np.array([0, 0, 1, 1, 0]), color=ORANGE, lw=2)
    ax.plot(0, 0, "o", color="k", ms=6)
    ax.set(xlim=VIEW, ylim=VIEW, xticks=range(-2, 5), yticks=range(-2, 5))
    ax.grid(False)


@lru_cache(maxsize=512)
def _budget(N: int, R: float, n: int, bc: str, one_sided: bool) -> Array:
    """Four relative terms and the total: the distances between five solutions, from u0 to what HMM computes."""
    macro, sample = _macro(N), (R, bc, one_sided)
    tensors = (
        K * np.eye(2),
        K * _limit("drift", max(2, round(8 / R)), *sample),
        _limit("material", max(8, n), *sample),
        _tensor("material", n, *sample),
    )
    chain = [macro.solve(tensor) for tensor in tensors]
    steps = [macro.distance(u, v) for u, v in pairwise(chain)]
    return np.array([macro.distance_to_u0(chain[0]), *steps, macro.distance_to_u0(chain[-1])]) / GRADED_SIZE


# -- what does not depend on the macro mesh -----------------------------------------------------------------------------


def _drift(eta: Array) -> Array:
    """The slow factor over the sample, relative to its value at x."""
    return np.exp(EPS * np.tensordot(SLOPE, eta, axes=1))


MEDIA = {"drift": lambda x, y: _drift(y), "material": lambda x, y: _drift(y) * PERIOD(None, y)}


@lru_cache(maxsize=512)
def _tensor(medium: str, n: int, R: float, bc: str, one_sided: bool) -> Array:
    cell = CellProblem(n=n, size=R, bc=bc, offset=0.5 if one_sided else 0.0, tol=1e-7)
    return cell.effective_tensor(MEDIA[medium])


def _limit(medium: str, n: int, *sample: Any) -> Array:
    """The tensor for h -> 0: Q1 tensors of n and 2n extrapolated."""
    coarse, fine = (_tensor(medium, k, *sample) for k in (n, 2 * n))
    return fine + (fine - coarse) / 3


# -- what does not depend on the sample ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Macro:
    """The macro problem of a law exp(g . x) T: linear in T, so that nothing is assembled when T changes.

    stiffness   (2, 2, J, J)  int exp(g . x) d_i v d_j u for every entry of T; the J inner dofs only, here and below
    load        (J,)          int f v
    energy      (J, J)        int K exp(g . x) grad u . grad v
    exact       (J,), ()      int K exp(g . x) grad u0 . grad v, and the same with v = u0
    """

    stiffness: Array
    load: Array
    energy: Array
    exact: tuple[Array, float]

    def solve(self, T: Array) -> Array:
        """Inner dofs of U."""
        return np.linalg.solve(np.tensordot(T, self.stiffness), self.load)

    def distance(self, u: Array, v: Array) -> float:
        """|u - v| in the energy norm."""
        return float(np.sqrt((u - v) @ self.energy @ (u - v)))

    def distance_to_u0(self, u: Array) -> float:
        """|u - u0| in the energy norm."""
        mixed, square = self.exact
        return float(np.sqrt(u @ self.energy @ u - 2 * u @ mixed + square))


@lru_cache(maxsize=12)
def _macro(N: int) -> _Macro:
    """N x N squares, two P2 triangles each, by the quadratures of ``solve_elliptic`` and of ``Solution.error``."""
    basis = square(N, degree=2)
    rich, richer = (skfem.Basis(basis.mesh, basis.elem, intorder=order) for order in (6, 8))
    inner = basis.complement_dofs(basis.get_dofs())

    def entries(basis: skfem.CellBasis) -> Array:
        forms = [
            [skfem.BilinearForm(lambda u, v, w, i=i, j=j: factor(w.x) * v.grad[i] * u.grad[j]) for j in range(2)]
            for i in range(2)
        ]
        return np.array([[form.assemble(basis).toarray()[np.ix_(inner, inner)] for form in row] for row in forms])

    load = skfem.LinearForm(lambda v, w: graded_source(w.x) * v).assemble(rich)
    mixed = skfem.LinearForm(lambda v, w: K * factor(w.x) * (grad_u0(w.x) * v.grad).sum(axis=0)).assemble(richer)
    size = skfem.Functional(lambda w: K * factor(w.x) * (grad_u0(w.x) ** 2).sum(axis=0)).assemble(richer)
    energy = K * np.trace(entries(richer))
    return _Macro(entries(basis), load[inner], energy, (mixed[inner], float(size)))
