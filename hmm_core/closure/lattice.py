r"""A lattice of boxes that are halved where they are too large: which box holds a point, and what its corners say there.

A box of level l has the integers (l, i_1 ... i_D) as its name, a node those of its place on the finest lattice. Whether a box
is halved depends on the function at nodes of that box and of those around it that were halved, and on nothing else; so the box
that holds a point, and the value there, are the same whatever was asked before.

On an interval with corner values f and slopes g the interpolant is the cubic of Hermite, with an error of order h^4. In D
dimensions it is the mean, with multilinear weights w, of half-way Taylor polynomials,

    p(z) = sum_c w_c(z) (f_c + g_c . (z - z_c)/2),

exact for quadratics, of order h^3. Without slopes it is multilinear, of order h^2. The error is estimated at the middles of the
box, its sides and edges, from value and slope of e = p - f there: |e| + sum_j h_j |e_j|/5 bounds what the leading terms of even
and of odd order are anywhere. Where these middles happen to lie well, the box around, of twice the size, tells: half of what
its error leads one to expect is the least that is believed. So boxes of level 0 are always halved.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np

Array = np.ndarray
REALISATIONS = 32  # of the noise of its nodes that a table can tell
DROWNED = 3.0  # errors of so many standard errors of the values say nothing about the interpolation


@dataclass
class Store:
    """What is known: nodes, by their names, and boxes, by level and name: which of the leaves one is, or -1 if it is halved."""

    names: dict[int, int] = field(default_factory=dict)
    # of the nodes: (2 + 2 D, P), rows f, standard error, slopes, their errors
    values: list[Array] = field(default_factory=list)
    boxes: list[dict[int, int]] = field(default_factory=list)
    halved: list[dict[int, Array]] = field(default_factory=list)  # errors (P,) of the boxes that are halved
    leaves: list[tuple[Array, Array, float]] = field(
        default_factory=list
    )  # corner nodes, place of the lower one, error
    arrays: dict = field(default_factory=dict)  # the same as arrays, made when they are needed
    checked: bool = False  # whether it was looked at what else the law depends on

    def level(self, level: int) -> dict[int, int]:
        """The boxes of a level."""
        while len(self.boxes) <= level:
            self.boxes.append({})
            self.halved.append({})
        return self.boxes[level]

    def as_arrays(self) -> dict:
        """nodes (N, 2 + 2 D, P), names (N,); of the leaves corners (M, 2^D), place (M, 1 + D) and error (M,)."""
        arrays = self.arrays
        if "nodes" not in arrays:
            arrays["nodes"], arrays["names"] = np.array(self.values), np.fromiter(self.names, dtype=np.int64)
        if "corners" not in arrays and self.leaves:
            for part, column in zip(("corners", "place", "error"), zip(*self.leaves, strict=True), strict=True):
                arrays[part] = np.array(column)
        return arrays

    def draws(self) -> Array:
        """Standard normal numbers of values and slopes at the nodes (N, REALISATIONS, 1 + D, P), from their names."""
        arrays = self.as_arrays()
        if "draws" not in arrays:
            _, rows, P = arrays["nodes"].shape
            rngs = [np.random.default_rng([7, name]) for name in map(int, arrays["names"])]
            sizes = (REALISATIONS, 1, P), (REALISATIONS, rows // 2 - 1, P)
            arrays["draws"] = np.array([np.concatenate(list(map(rng.standard_normal, sizes)), 1) for rng in rngs])
        return arrays["draws"]


@dataclass(frozen=True)
class Lattice:
    """low, high (D,): the range; cells: boxes of level 0 along every axis; slopes: whether nodes know theirs."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    cells: int
    slopes: bool = True

    @property
    def dim(self) -> int:
        return len(self.low)

    @property
    def depth(self) -> int:
        """The finest level: names of nodes are integers of 62 bits."""
        return min(30, 62 // self.dim - int(np.ceil(np.log2(self.cells))) - 2)

    @property
    def width(self) -> Array:
        return np.subtract(self.high, self.low)

    def name(self, index: Array, level: int) -> Array:
        """(K,) from index (K, D) of boxes of a level, or of nodes on the finest lattice: level depth + 1."""
        count = self.cells * 2**level + (level > self.depth)
        code = np.zeros(len(index), dtype=np.int64)
        for i in index.T:
            code = code * count + i
        return code

    def index(self, name: Array, level: int) -> Array:
        """The inverse: (K, D)."""
        count, parts = self.cells * 2**level + (level > self.depth), []
        for _ in range(self.dim):
            name, i = np.divmod(name, count)
            parts.append(i)
        return np.stack(parts[::-1], axis=1)

    @property
    def order(self) -> int:
        """Of the interpolation."""
        return 2 if not self.slopes else 4 if self.dim == 1 else 3

    @property
    def safety(self) -> float:
        """So many times the estimate counts: an interval has one middle to look at, other boxes have several."""
        return 2.0 if self.dim == 1 else 1.5

    def place(self, index: Array) -> Array:
        """Where nodes are: (K, D)."""
        return self.low + self.width * (index / (self.cells * 2 ** (self.depth + 1)))

    def find(self, store: Store, z: Array, fill: Callable[[int, Array], None]) -> Array:
        """The leaves (K,) that hold points z (K, D); ``fill(level, index)`` is called for boxes that nothing is known of."""
        scaled = (z - self.low) / self.width * self.cells
        leaf, left = np.empty(len(z), dtype=int), np.arange(len(z))
        for level in range(self.depth + 1):
            index = np.clip((scaled[left] * 2**level).astype(np.int64), 0, self.cells * 2**level - 1)
            names = self.name(index, level)
            status = _status(store, level, names)
            if (status == -2).any():
                fill(level, self.index(np.unique(names[status == -2]), level))
                status = _status(store, level, names)
            leaf[left], left = status, left[status == -1]
            if not left.size:
                break
        return leaf

    def nodes(self, index: Array, level: int) -> tuple[Array, Array, Array]:
        """Nodes of boxes (B, D): their corners (B, 2^D, D), the middles (B, M, D), and where these are in [0, 1]^D (M, D)."""
        step = 2 ** (self.depth + 1 - level)
        offsets = np.array(list(product((0, 1, 2), repeat=self.dim)))
        middle = (offsets == 1).any(axis=1)
        corners, middles = (index[:, None] * step + part * step // 2 for part in (offsets[~middle], offsets[middle]))
        return corners, middles, offsets[middle] / 2

    def halves(self) -> tuple[Array, Array]:
        """The parts of a box: where they lie in it (2^D, D), and which of its nodes, corners first, are theirs (2^D, 2^D)."""
        offsets, parts = (np.array(list(product(range(sides), repeat=self.dim))) for sides in (3, 2))
        middle = (offsets == 1).any(axis=1)
        order = np.argsort(np.argsort(middle, kind="stable"))  # corners first
        return parts, order[(parts[:, None] + parts[None]) @ 3 ** np.arange(self.dim)[::-1]]

    def errors(self, corners: Array, middles: Array, t: Array, h: Array) -> Array:
        """Estimates (B, P) from what nodes know at corners (B, 2^D, R, P) and middles (B, M, R, P), which are at t (M, D)."""
        B, M = middles.shape[:2]
        f, g = (np.repeat(part, M, axis=0) for part in (corners[:, :, 0], corners[:, :, 2 : 2 + self.dim]))
        value, slope = self.interpolate(f, g, np.tile(t, (B, 1)), np.broadcast_to(h, (B * M, self.dim)))
        known = middles.reshape(B * M, *middles.shape[2:])
        error = np.abs(value - known[:, 0])
        if self.slopes:
            error = error + np.einsum("j,kjp->kp", h, np.abs(slope - known[:, 2 : 2 + self.dim])) / 5
        return error.reshape(B, M, -1).max(axis=1)

    def interpolate(self, f: Array, g: Array, t: Array, h: Array) -> tuple[Array, Array]:
        """Value (K, P) and slope (K, D, P) at t (K, D) in [0, 1]^D, from f (K, 2^D, P) and g (K, 2^D, D, P) of boxes h (K, D)."""
        if self.slopes and self.dim == 1:
            t, h, (f0, f1), (g0, g1) = t, h, f.swapaxes(0, 1), g[:, :, 0].swapaxes(0, 1)
            s = 1 - t
            value = s * s * (1 + 2 * t) * f0 + t * t * (3 - 2 * t) * f1 + h * t * s * (s * g0 - t * g1)
            slope = 6 * t * s * (f1 - f0) / h + s * (1 - 3 * t) * g0 + t * (3 * t - 2) * g1
            return value, slope[:, None]
        weights, derivatives = self.weights(t)
        if not self.slopes:
            return np.einsum("kc,kcp->kp", weights, f), np.einsum("kcj,kcp->kjp", derivatives / h[:, None], f)
        offsets = np.array(list(product((0, 1), repeat=self.dim)))
        away = (t[:, None] - offsets) * h[:, None]
        terms = f + np.einsum("kcj,kcjp->kcp", away, g) / 2
        slope = np.einsum("kcj,kcp->kjp", derivatives / h[:, None], terms) + np.einsum("kc,kcjp->kjp", weights, g) / 2
        return np.einsum("kc,kcp->kp", weights, terms), slope

    def weights(self, t: Array) -> tuple[Array, Array]:
        """Multilinear weights (K, 2^D) of the corners, and their derivatives in t (K, 2^D, D)."""
        factors = np.stack([1 - t, t], axis=1)  # (K, 2, D)
        signs, axes = np.array([-1.0, 1.0]), range(self.dim)
        weights = np.ones((len(t), 2**self.dim))
        derivatives = np.ones((len(t), 2**self.dim, self.dim))
        for c, corner in enumerate(product((0, 1), repeat=self.dim)):
            for i in axes:
                weights[:, c] *= factors[:, corner[i], i]
                for j in axes:
                    derivatives[:, c, j] *= signs[corner[i]] if i == j else factors[:, corner[i], i]
        return weights, derivatives


def _status(store: Store, level: int, names: Array) -> Array:
    """Leaf, -1 for halved, -2 for unknown boxes (K,)."""
    known = store.level(level)
    if ("level", level) not in store.arrays:
        keys = np.fromiter(known.keys(), dtype=np.int64, count=len(known))
        order = np.argsort(keys)
        store.arrays["level", level] = keys[order], np.fromiter(known.values(), dtype=int, count=len(known))[order]
    keys, status = store.arrays["level", level]
    if not keys.size:
        return np.full(len(names), -2)
    at = np.minimum(np.searchsorted(keys, names), len(keys) - 1)
    return np.where(keys[at] == names, status[at], -2)
