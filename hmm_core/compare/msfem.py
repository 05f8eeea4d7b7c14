"""The multiscale finite element method: basis functions that know the material, computed beforehand."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hmm_core.micro.question import refuse_scale
from hmm_core.micro.sample import MediumLike
from hmm_core.micro.transforms import read_only

Array = np.ndarray


@dataclass(frozen=True)
class MsFEMLine:
    """Solution of a one-dimensional multiscale finite element method.

    nodes (N+1,) coarse nodes, u (N+1,) values there; fine (M,), u_fine (M,) the same solution between the nodes, where
    it is a sum of the oscillating basis functions; samples: how often the coefficient was evaluated.
    """

    nodes: Array
    u: Array
    fine: Array
    u_fine: Array
    samples: int


def msfem_line(
    a: MediumLike, eps: float, source: Callable[[Array], Array] | float, elements: int, points_per_period: int = 32
) -> MsFEMLine:
    r"""Multiscale finite elements for -(a(x, x/eps) u')' = f on (0, 1), u(0) = u(1) = 0 (Hou and Wu 1997).

    Beforehand, every coarse element gets basis functions that solve (a phi')' = 0 inside it. In one dimension

        phi'(x) = (1/a(x)) / \int_e 1/a,      so that      k_e = \int_e a phi' phi' = 1 / \int_e 1/a,

    by the midpoint rule on a fine grid that resolves eps everywhere. Then one coarse system is solved.

    Parameters
    ----------
    a : medium a(x, y), x and y (1, ...). eps : period. source : number or function of x (1, M). elements : coarse
    elements. points_per_period : fine points per period.

    Raises ValueError for fewer than 2 elements, eps <= 0 or one that the medium is not made for, fewer than 2 points per
    period, or a coefficient that is not positive and finite.
    """
    if elements < 2 or not eps > 0 or points_per_period < 2:
        raise ValueError(
            f"elements={elements}, eps={eps}, points_per_period={points_per_period}: at least 2 elements, a positive "
            "eps and 2 points per period are needed"
        )
    refuse_scale(a, eps)
    cells = int(np.ceil(points_per_period / (eps * elements)))  # fine cells per element
    edges = np.linspace(0, 1, elements * cells + 1)
    h = edges[1] - edges[0]
    middle = read_only(((edges[:-1] + edges[1:]) / 2)[None])
    coefficient = np.broadcast_to(np.asarray(a(middle, middle / eps), dtype=float), middle.shape)
    if not (np.isfinite(coefficient).all() and coefficient.min() > 0):
        raise ValueError(f"the medium a(x, y) must be positive and finite; it reaches {coefficient.min()}")
    resistance = h / coefficient.reshape(elements, cells)  # \int 1/a over the fine cells
    stiffness = 1 / resistance.sum(axis=1)
    right = np.cumsum(resistance, axis=1) * stiffness[:, None]  # phi of the right node, at the right end of fine cells
    left_end = np.hstack([np.zeros((elements, 1)), right[:, :-1]])
    f = source(middle) if callable(source) else source
    f = np.broadcast_to(np.asarray(f, dtype=float), middle.shape).reshape(elements, cells)
    load_right = h * (f * (left_end + right) / 2).sum(axis=1)
    load_left = h * f.sum(axis=1) - load_right

    inner = elements - 1
    matrix = np.zeros((inner, inner))
    np.fill_diagonal(matrix, stiffness[:-1] + stiffness[1:])
    off = np.arange(inner - 1)
    matrix[off, off + 1] = matrix[off + 1, off] = -stiffness[1:-1]
    u = np.zeros(elements + 1)
    u[1:-1] = np.linalg.solve(matrix, load_right[:-1] + load_left[1:])
    u_fine = np.concatenate([[0.0], (u[:-1, None] + (u[1:] - u[:-1])[:, None] * right).ravel()])
    return MsFEMLine(np.linspace(0, 1, elements + 1), u, edges, u_fine, coefficient.size)
