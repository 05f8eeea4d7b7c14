"""Averages of a medium over the cell: what the slow variable feels of an oscillating capacity or density."""

from typing import Any

import numpy as np

from hmm_core.micro.grid import Array
from hmm_core.micro.question import macro_points, places, refuse_scale
from hmm_core.micro.sample import MediumLike, evaluated


def mean(a: MediumLike, cell: Any, x: Array, eps: float | None = None) -> Array:
    """<a> of a scalar medium over the averaging domain of the cell, with its window, at macro points x (d, K): (K,).

    By the quadrature of the cell's grid: exact for trigonometric polynomials that the grid resolves, O(1/n) for jumps that do not
    meet its lines. ValueError if the medium is not a scalar field, or what it returns is not finite.
    """
    refuse_scale(a, eps)
    points, _ = macro_points(x, cell.dim)
    weights, means = cell.grid.window(cell.size, cell.window).ravel(), []
    for first in range(0, points.shape[1], cell.chunk):
        slow, fast = places(points[:, first : first + cell.chunk, None], cell.domain[:, None], eps)
        field = evaluated(a, slow, fast)
        if field.shape[1] != 1:
            raise ValueError(f"the medium {a!r} is averaged as a scalar field, but returned tensors")
        means.append(np.broadcast_to(field[:, 0] @ weights, slow.shape[1]))
    found = np.concatenate(means)
    if not np.isfinite(found).all():
        k = int(np.argmin(np.isfinite(found)))
        raise ValueError(f"the medium {a!r} is not finite somewhere in the cell at x={points[:, k].tolist()}")
    return found
