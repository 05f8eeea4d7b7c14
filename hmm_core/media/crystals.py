r"""Polycrystals: grains of one anisotropic crystal, each turned at random.

Grains are the Voronoi cells of one point in every cell of a cubic lattice, and their orientations are hashed like these points
(``media.random``): nothing is stored, any place may be asked about, and a period closes without a seam.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from hmm_core.media import exact
from hmm_core.media.exact import require
from hmm_core.media.random import _CENTRE, TiledMedium, hashed, uniform

Array = np.ndarray
_TURN = 5  # first index of the hashes of orientations; ``media.random`` has 0 to 4


@dataclass(frozen=True)
class polycrystal(TiledMedium):
    r"""a(y) = R diag(principal) R^T with a rotation R, uniformly distributed and independent, in every grain.

    Parameters
    ----------
    principal : the d conductivities of the crystal along its own axes, positive numbers; d = 2 or 3.
    jitter : 0 leaves the grains squares (cubes), 1 lets their points go as far as the walls of their lattice cells.
    tile : side of the lattice cells, in periods: a grain has the volume tile^d on average.
    rng, dim, period : see ``RandomMedium``; the period must be a whole number of tiles, at least three.

    In the plane det A* = det a: the infinite polycrystal conducts like (k_1 k_2)^(1/2) I, and every periodic sample has the
    determinant k_1 k_2 (Dykhne 1970).
    """

    principal: tuple[float, ...]
    jitter: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.dim in (2, 3), "dim", self.dim, "must be 2 or 3: crystals on a line have no orientation")
        principal = exact.positive("principal", self.principal)
        require(principal.shape == (self.dim,), "principal", self.principal, f"must be {self.dim} positive numbers")
        object.__setattr__(self, "principal", tuple(principal.tolist()))
        require(np.ndim(self.jitter) == 0 and 0 <= self.jitter <= 1, "jitter", self.jitter, "must lie between 0 and 1")
        if self.period is not None:
            require(
                self._count >= 3,
                "period",
                self.period,
                "must hold at least three tiles: smaller grains meet themselves",
            )

    def grain(self, y: Array) -> Array:
        """Index (d, ...) of the lattice cell whose point is nearest to y (d, ...)."""
        cell, local = self._lattice(self._points("y", y))
        shape = cell.shape
        cell, local = cell.reshape(self.dim, -1), local.reshape(self.dim, -1)
        best, owner = np.full(cell.shape[1], np.inf), cell.copy()
        for step in _NEAR[self.dim]:
            away = np.maximum(np.abs(local - step[:, None]) - self.jitter / 2, 0.0)
            hopeful = np.flatnonzero(
                (away * away).sum(axis=0) < best
            )  # no point of that cell is as near as the best one
            if len(hopeful):
                index = cell[:, hopeful] + step[:, None]
                index = index if self.period is None else np.mod(index, self._count)
                square = 0.0
                for axis in range(self.dim):
                    point = step[axis] + self.jitter * (uniform(hashed(self.rng, (_CENTRE, axis, *index))) - 0.5)
                    square = square + (local[axis, hopeful] - point) ** 2
                nearer = square < best[hopeful]
                best[hopeful[nearer]], owner[:, hopeful[nearer]] = square[nearer], index[:, nearer]
        return owner.reshape(shape)

    def _field(self, x: Array | None, y: Array) -> Array:
        grain = self.grain(y)
        R = self._rotation([uniform(hashed(self.rng, (_TURN, k, *grain))) for k in range(2 * self.dim - 3)])
        a = np.einsum("ik...,k,jk...->ij...", R, self.principal, R)
        return (a + a.swapaxes(0, 1)) / 2

    def _rotation(self, u: list[Array]) -> Array:
        """Uniformly distributed rotations (d, d, ...) from uniform numbers; in space by way of quaternions (Shoemake 1992)."""
        if self.dim == 2:
            c, s = np.cos(2 * np.pi * u[0]), np.sin(2 * np.pi * u[0])
            return np.array([[c, -s], [s, c]])
        low, high, first, second = np.sqrt(1 - u[0]), np.sqrt(u[0]), 2 * np.pi * u[1], 2 * np.pi * u[2]
        p, q, r, w = low * np.sin(first), low * np.cos(first), high * np.sin(second), high * np.cos(second)
        return np.array(
            [
                [1 - 2 * (q * q + r * r), 2 * (p * q - r * w), 2 * (p * r + q * w)],
                [2 * (p * q + r * w), 1 - 2 * (p * p + r * r), 2 * (q * r - p * w)],
                [2 * (p * r - q * w), 2 * (q * r + p * w), 1 - 2 * (p * p + q * q)],
            ]
        )

    def _closed_form(self, x: Array | None) -> Array:
        if self.dim == 2 and self.period is None:
            return self._isotropic(np.sqrt(self.principal[0]) * np.sqrt(self.principal[1]))
        return super()._closed_form(x)


# Lattice cells that may hold the nearest point, the nearest cells first: the point of y's own cell is no farther than d^(1/2).
_NEAR = {
    d: np.array(sorted(product(range(-2, 3), repeat=d), key=lambda s: sum(k * k for k in s)), float) for d in (2, 3)
}
