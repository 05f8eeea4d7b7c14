r"""What is stiff in a balance law: how the rate of change follows gradients across faces, and dS/dU, as a sparse matrix."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, identity
from scipy.sparse.linalg import splu

from hmm_core.macro.upwind import Scheme, along

Array = np.ndarray
GAMMA = 1 - math.sqrt(0.5)


@dataclass(frozen=True, eq=False)
class Factor:
    """1 - gamma dt L, factorised, and what it was made from."""

    made_from: list[Array]
    dt: float
    solve: Callable

    @staticmethod
    def of(
        scheme: Scheme, conductivity: list[Array], reaction: Array | None, dt: float, last: "Factor | None"
    ) -> "Factor":
        """The last one, if nothing in it has changed."""
        parts = [*conductivity, *([] if reaction is None else [reaction])]
        if last is not None and last.dt == dt and all(map(np.array_equal, parts, last.made_from)):
            return last
        L = stiff_part(scheme, conductivity, reaction)
        lu = splu((identity(L.shape[0]) - GAMMA * dt * L).tocsc())
        return Factor(parts, dt, lambda r: lu.solve(r.reshape(-1)).reshape(r.shape))


def stiff_part(scheme: Scheme, conductivity: list[Array], reaction: Array | None) -> csr_matrix:
    """L (m cells, m cells): the derivative of the rate by way of the gradients across faces, and dS/dU."""
    grid = scheme.grid
    cells = np.arange(np.prod(grid.cells)).reshape(1, *grid.cells)
    entries = []  # (row cells, column cells, (m, m, ...) values)
    for axis, (sides, K) in enumerate(zip(scheme.sides, conductivity, strict=True)):
        index = along(cells, axis, grid.dim)[0]
        K = K / grid.width[axis] ** 2
        pairs = [(index[:, :-1], index[:, 1:], K[..., 1:-1])]
        if sides[0].kind == "periodic":
            pairs.append((index[:, -1:], index[:, :1], K[..., :1]))
        for a, b, k in pairs:
            entries += [(a, a, k), (b, b, k), (a, b, -k), (b, a, -k)]
        for side, end in ((sides[0], 0), (sides[1], -1)):
            factor = {"inflow": 2.0, "outflow": 0.0, "periodic": 0.0}.get(side.kind)
            if factor is None:
                factor = 0.0 if side.signs is None else (1 - side.signs)[None, :, None]
            entries.append((index[:, end], index[:, end], K[..., end] * factor))
    if reaction is not None:
        entries.append((cells.reshape(-1), cells.reshape(-1), reaction))
    m, count, parts = len(entries[0][2]), cells.size, []
    for rows, columns, values in entries:
        for i, j in np.ndindex(m, m):
            parts.append((values[i, j].reshape(-1), i * count + rows.reshape(-1), j * count + columns.reshape(-1)))
    values, rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    return coo_matrix((values, (rows, columns)), shape=(m * count, m * count)).tocsr()
