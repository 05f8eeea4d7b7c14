r"""Fields on the fine grids of coarse rectangles, which may jump from one element to the next: values, gradients, norms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hmm_core.macro.boundary import Data
from hmm_core.macro.solution import Solution, distance
from hmm_core.macro.space import _as_points

Array = np.ndarray
CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
TWO, THREE = (  # Gauss points and weights on [0, 1]
    ((points + 1) / 2, weights / 2) for points, weights in map(np.polynomial.legendre.leggauss, (2, 3))
)


@dataclass(frozen=True)
class Lattice:
    """A rectangle of counts[0] x counts[1] coarse elements with n x n fine cells each.

    Element (i, j) has the number e = i counts[1] + j, and coarse nodes are numbered alike. ``domain``: ((left, right), (bottom,
    top)). Nothing is checked here; ``msfem_basis`` does.
    """

    counts: tuple[int, int]
    n: int
    domain: tuple[tuple[float, float], tuple[float, float]]

    @property
    def elements(self) -> int:
        """How many coarse elements, E."""
        return self.counts[0] * self.counts[1]

    @property
    def nodes_shape(self) -> tuple[int, int]:
        """Coarse nodes along each side."""
        return self.counts[0] + 1, self.counts[1] + 1

    @property
    def node_count(self) -> int:
        """Of coarse nodes, those on the boundary included."""
        return self.nodes_shape[0] * self.nodes_shape[1]

    @property
    def H(self) -> Array:
        """Sides (2,) of a coarse element."""
        return np.array([(high - low) / c for (low, high), c in zip(self.domain, self.counts, strict=True)])

    @property
    def h(self) -> Array:
        """Sides (2,) of a fine cell."""
        return self.H / self.n

    @cached_property
    def nodes(self) -> Array:
        """Numbers of the corners of every element (E, 4)."""
        number = np.arange(self.node_count).reshape(self.nodes_shape)
        return at_cells(number).reshape(-1, 4)

    @cached_property
    def corners(self) -> Array:
        """Places of the coarse nodes (2, count)."""
        sides = [np.linspace(*ends, c + 1) for ends, c in zip(self.domain, self.counts, strict=True)]
        return np.stack(np.meshgrid(*sides, indexing="ij")).reshape(2, -1)

    @cached_property
    def inner(self) -> Array:
        """Coarse nodes that are not on the boundary."""
        return np.arange(self.node_count).reshape(self.nodes_shape)[1:-1, 1:-1].ravel()

    def points(self, which: Array, low: tuple[int, int], shape: tuple[int, int], rule: Any = TWO) -> Array:
        """Gauss points (2, K, P) of patches of ``shape`` fine cells that begin ``low`` cells before the elements ``which``:
        cell by cell (the second index runs fastest), and in each point by point."""
        place = np.array(np.unravel_index(which, self.counts))
        start = [left for left, _ in self.domain]
        axes = []
        for k in (0, 1):
            cells = place[k][:, None] * self.n - low[k] + np.arange(shape[k])  # (K, m)
            axes.append(start[k] + self.h[k] * (cells[:, :, None] + rule[0]))  # (K, m, g)
        K, g = len(which), len(rule[0])
        full = (K, shape[0], shape[1], g, g)
        x = np.broadcast_to(axes[0][:, :, None, :, None], full), np.broadcast_to(axes[1][:, None, :, None, :], full)
        return np.stack([part.reshape(K, -1) for part in x])

    @property
    def gauss(self) -> Array:
        """2 x 2 Gauss points of all fine cells (2, E, P)."""
        return self.points(np.arange(self.elements), (0, 0), (self.n, self.n))

    def locate(self, x: Array) -> tuple[Array, Array, Array]:
        """For points x (2, K): element (K,), fine cell in it (2, K), place in that (2, K) from 0 to 1.

        ValueError for points outside the rectangle."""
        low, high = np.array(self.domain).T
        slack = 1e-12 * (high - low)
        outside = ((x < (low - slack)[:, None]) | (x > (high + slack)[:, None])).any(axis=0)
        if outside.any():
            raise ValueError(
                f"{outside.sum()} points are outside {self.domain}; the first is {x[:, outside][:, 0].tolist()}"
            )
        total = self.n * np.array(self.counts)[:, None]
        s = (x - low[:, None]) / self.h[:, None]
        cell = np.clip(np.floor(s).astype(int), 0, total - 1)
        element = np.ravel_multi_index(tuple(cell // self.n), self.counts)
        return element, cell % self.n, s - cell


@dataclass(frozen=True, eq=False)
class BrokenField:
    """Values (E, n+1, n+1) on the fine nodes of every coarse element, bilinear between them. ValueError for another shape."""

    lattice: Lattice
    values: Array = field(repr=False)

    def __post_init__(self) -> None:
        wanted = self.lattice.elements, self.lattice.n + 1, self.lattice.n + 1
        if np.shape(self.values) != wanted:
            raise ValueError(
                f"values have shape {np.shape(self.values)}; this lattice needs {wanted}, element by element"
            )

    def at(self, points: Array) -> Array:
        """Values at points (2, ...): (...). On an edge between two elements, that of the right or upper one."""
        x, shape = _as_points(2, points)
        element, cell, s = self.lattice.locate(x)
        return sum(w * self.values[element, cell[0] + i, cell[1] + j] for (i, j), w, _ in _bilinear(s)).reshape(shape)

    def gradient_at(self, points: Array) -> Array:
        """Gradients at points (2, ...): (2, ...)."""
        x, shape = _as_points(2, points)
        element, cell, s = self.lattice.locate(x)
        slope = sum(g * self.values[element, cell[0] + i, cell[1] + j] for (i, j), _, g in _bilinear(s))
        return (slope / self.lattice.h[:, None]).reshape(2, *shape)

    def error(
        self,
        exact: Data | Solution,
        norm: str = "L2",
        gradient: Callable | None = None,
        tensor: Any = None,
        relative: bool = False,
    ) -> float:
        r"""Norm of exact - u, element by element (a "broken" norm: jumps do not count), by 3 x 3 points in every fine cell.

        Norms and arguments as in ``Solution.error``: "L2", "H1-semi", "H1", "energy" with ``tensor``; ``exact`` is a function
        with its ``gradient``, or whatever has ``at`` and ``gradient_at``.
        """
        lattice, weights = self.lattice, np.outer(THREE[1], THREE[1]).ravel()
        x = lattice.points(np.arange(lattice.elements), (0, 0), (lattice.n, lattice.n), THREE)
        dx = np.tile(weights * lattice.h.prod(), lattice.n**2)
        return distance(exact, self, x, dx, norm, gradient, tensor, relative)


def at_cells(values: Array) -> Array:
    """What nodes carry (..., n_1 + 1, n_2 + 1), at the four corners of every cell (..., n_1, n_2, 4)."""
    n, m = values.shape[-2] - 1, values.shape[-1] - 1
    return np.stack([values[..., i : i + n, j : j + m] for i, j in CORNERS], axis=-1)


def _bilinear(s: Array) -> list[tuple[tuple[int, int], Array, Array]]:
    """For places s (2, ...) in the unit square: every corner, its bilinear function and the gradient of that."""
    side, slope = np.stack([1 - s, s]), np.array([-1.0, 1.0])
    return [
        ((i, j), side[i, 0] * side[j, 1], np.stack([slope[i] * side[j, 1], slope[j] * side[i, 0]])) for i, j in CORNERS
    ]


def hats(n: int | tuple[int, int]) -> Array:
    """The four bilinear functions on the (n_1 + 1) x (n_2 + 1) nodes of a rectangle: (4, n_1 + 1, n_2 + 1)."""
    sides = [np.linspace(0, 1, m + 1) for m in ((n, n) if np.ndim(n) == 0 else n)]
    s = np.stack(np.meshgrid(*sides, indexing="ij"))
    return np.stack([w for _, w, _ in _bilinear(s)])


def element_matrices(a: Array, h: Array) -> Array:
    """Q1 matrices (K, cells, 4, 4) of coefficients (K, 1 or 4, cells * 4) at the 2 x 2 Gauss points of ``Lattice.points``."""
    s = np.stack(np.meshgrid(TWO[0], TWO[0], indexing="ij")).reshape(2, -1)
    slopes = np.stack([g for _, _, g in _bilinear(s)], axis=1) / h[:, None, None]  # (2, 4, G)
    weight = h.prod() / 4
    if a.shape[1] == 1:
        form = np.einsum("dig,djg->gij", slopes, slopes)[:, None]
    else:
        form = np.einsum("dig,ejg->gdeij", slopes, slopes).reshape(4, 4, 4, 4)
    K, c = a.shape[:2]
    points = a.reshape(K, c, -1, 4).transpose(0, 2, 3, 1)  # (K, cells, G, c)
    return (points.reshape(-1, 4 * c) @ (weight * form).reshape(4 * c, 16)).reshape(K, -1, 4, 4)


def load(lattice: Lattice, f: Array, test: Array) -> Array:
    """int f v over every element (E, 4), for f (E, P) at the 2 x 2 points and v (E or nothing, 4, n+1, n+1)."""
    s = np.stack(np.meshgrid(TWO[0], TWO[0], indexing="ij")).reshape(2, -1)
    weights = np.stack([w for _, w, _ in _bilinear(s)]) * lattice.h.prod() / 4  # (4 corners, G)
    n = lattice.n
    cells = f.reshape(lattice.elements, n, n, 4) @ weights.T  # (E, n, n, corners)
    nodal = np.zeros((lattice.elements, n + 1, n + 1))
    for k, (i, j) in enumerate(CORNERS):
        nodal[:, i : i + n, j : j + n] += cells[..., k]
    return np.einsum("...cij,...ij->...c", test, nodal)
