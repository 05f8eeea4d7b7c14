r"""Random media that are never stored: any point may be asked for, in any order, and the answer is always the same.

A realisation is one 64-bit key. What chance decides in a cell of an integer lattice (the phase of a tile, the centre of
a disk, a normal number) is a hash of the key and of the cell's index, so a sample of 10^12 tiles costs no memory, two
processes agree without talking, and realisation number i is another key, hashed from the first.

    random_checkerboard     tiles of one of two phases
    random_disks            one disk in every lattice cell, jittered inside it: disks (spheres) that never overlap
    (``gaussian``: gaussian_phases, lognormal)

Lengths are in periods of y. Values and statistics may be functions of x (functionally graded media): with the slow
variable frozen, each x sees its own stationary medium, made of the same random numbers. These names are found in
``hmm_core.media`` too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media import exact
from hmm_core.media.checks import require
from hmm_core.media.functions import Medium
from hmm_core.media.profiles import OfX, _at, _phases, _where

Array = np.ndarray

FARTHEST = 2.0**52  # lattice cells from the origin, beyond which floating-point numbers skip some

# -- chance from integers -------------------------------------------------------------------------------------------


def hashed(key: ArrayLike, index: Iterable[ArrayLike]) -> Array:
    """64 random bits for every index (i_1, i_2, ...) of integers, arrays that broadcast; equal indices get equal bits.

    Output number i_1 of the generator SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014) seeded with ``key`` seeds another one, whose output number i_2 seeds the next.
    """
    h = np.asarray(key, dtype=np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is meant
        for i in index:
            h = h + (np.asarray(i).astype(np.int64).view(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h = h ^ (h >> np.uint64(31))
    return h


def uniform(bits: Array) -> Array:
    """Numbers strictly between 0 and 1, evenly spread over 2^52 places, from 64 bits each."""
    return ((bits >> np.uint64(12)) + 0.5) * 2.0**-52


_TILE, _CENTRE, _NORMAL, _ORIGIN, _REALISATION = range(5)  # first index of every hash: what the bits are for

_POSITIVE = (lambda v: v > 0, "must be positive and finite")
_SHARE = (lambda v: (v >= 0) & (v <= 1), "must lie between 0 and 1")
PHASES = ("k1", "k2", "inside", "matrix")
_ALLOWED = {
    "k1": _POSITIVE,
    "k2": _POSITIVE,
    "inside": _POSITIVE,
    "matrix": _POSITIVE,
    "radius": _POSITIVE,
    "fraction": _SHARE,
    "p": _SHARE,
    "mu": (np.isfinite, "must be finite"),
    "sigma": (lambda v: v >= 0, "must be finite and not negative"),
}


# -- what random media share ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RandomMedium(Medium):
    """A medium that chance has made; each description is one realisation.

    Parameters
    ----------
    rng : a ``numpy.random.Generator``, from which one 64-bit key is drawn and kept in its place; or such a key.
    dim : 1, 2 or 3.
    period : None for the infinite medium. A number makes it periodic in every direction with this period (in periods of
        y), so that a cell of this size can be closed periodically without a seam.
    """

    rng: np.random.Generator | int
    dim: int = 2
    period: float | None = None

    def __post_init__(self) -> None:
        key = self.rng
        if isinstance(key, np.random.Generator):
            key = key.integers(2**64, dtype=np.uint64)
        elif isinstance(key, bool) or not isinstance(key, Integral):
            raise TypeError(f"rng={key!r} must be a numpy.random.Generator, such as default_rng(0), or an integer key")
        require(0 <= key < 2**64, "rng", key, "a key must be an integer from 0 to 2**64 - 1")
        object.__setattr__(self, "rng", int(key))
        require(isinstance(self.dim, Integral) and self.dim in (1, 2, 3), "dim", self.dim, "must be 1, 2 or 3")
        if self.period is not None:
            self._length("period")

    @property
    def correlation_length(self) -> float:
        """Distance over which the medium resembles itself, in periods: a smaller sample says little about the medium."""
        raise NotImplementedError

    def realisation(self, number: int) -> Self:
        """Realisation ``number`` of the same medium: independent of this one and of the others, and always the same."""
        ok = isinstance(number, Integral) and abs(number) < 2**63
        require(ok, "number", number, "must be an integer of less than 64 bits")
        return replace(self, rng=int(hashed(self.rng, (_REALISATION, int(number)))))

    def wrapped(self, period: float | None) -> Self:
        """The same statistics, made periodic with ``period`` (None: infinite again)."""
        return replace(self, period=period)

    def _length(self, name: str) -> None:
        value = getattr(self, name)
        require(np.ndim(value) == 0, name, value, "must be a positive number, in periods")
        object.__setattr__(self, name, float(exact.positive(name, value)))

    def _values(self, *names: str) -> None:
        """Check fields that are numbers (phases: tensors too) or functions of x: constants now, functions where evaluated."""
        phases = tuple(name for name in names if name in PHASES)
        if any(np.ndim(getattr(self, name)) for name in phases if not callable(getattr(self, name))):
            for name, value in _phases(self, *phases).items():
                object.__setattr__(self, name, value)
            names = tuple(name for name in names if name not in phases)
        for name in names:
            value = getattr(self, name)
            require(callable(value) or np.ndim(value) == 0, name, value, "must be a number or a function of x")
            if not callable(value):
                object.__setattr__(self, name, float(self._value(name, None)))

    def _value(self, name: str, x: Array | None) -> Array:
        """A number, or the values of a function at the slow points; checked."""
        value = np.asarray(_at(getattr(self, name), x), dtype=float)
        test, allowed = _ALLOWED[name]
        require(test(value) & np.isfinite(value), name, value.tolist(), allowed)
        return value

    def _phase(self, name: str, x: Array | None) -> Array:
        """The same for a phase, of which only numbers are checked here: a tensor or a stiffness may have negative entries."""
        value = np.asarray(_at(getattr(self, name), x), dtype=float)
        return self._value(name, x) if value.ndim < 2 or (x is not None and value.ndim < x.ndim) else value

    def _mixed(self, second: Array, k1: str, k2: str, x: Array | None) -> Array:
        """The field of phases k2 (where ``second``) and k1."""
        for name in (k1, k2):
            self._phase(name, x)
        return _where(second, getattr(self, k2), getattr(self, k1), x)

    def _isotropic(self, value: ArrayLike) -> Array:
        """A closed form (d, d) or (d, d, M) with the number, or the values at M points, on its diagonal."""
        return exact.tensor_field(value, self.dim, np.ndim(value))

    def _mixture(self, x: Array | None, k1: str, k2: str, p: ArrayLike, exchangeable: bool) -> Array:
        """Closed forms of two phases, p the fraction of the second; exchangeable: isotropic, and phases alike at 1/2."""
        first, second = self._phase(k1, x), self._phase(k2, x)
        if first.ndim > 1 or second.ndim > 1:
            return super()._closed_form(x)
        if self.period is None and self.dim == 1:
            return self._isotropic(1 / ((1 - p) / first + p / second))
        if self.period is None and self.dim == 2 and exchangeable and np.all(np.equal(p, 0.5)):
            return self._isotropic(exact.checkerboard(first, second))
        return super()._closed_form(x)


# -- media of tiles -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TiledMedium(RandomMedium):
    """Media in which chance decides once for every cell of a cubic lattice, corners at the multiples of ``tile``."""

    tile: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._length("tile")
        if self.period is not None:
            fits = self._count > 0 and abs(self._count * self.tile - self.period) < 1e-9 * self.period
            require(fits, "period", self.period, f"must be a whole number of tiles, tile={self.tile!r}")

    @property
    def correlation_length(self) -> float:
        """The side of a tile."""
        return self.tile

    @property
    def _count(self) -> int:
        return round(self.period / self.tile)

    def _lattice(self, y: Array) -> tuple[Array, Array]:
        """Index (d, ...) of the cell that holds y, and the place of y from the cell's centre, in tiles."""
        s = y / self.tile
        require(np.abs(s) < FARTHEST, "y", y, f"must be finite, no farther than {FARTHEST:.2g} tiles from the origin")
        cell = np.floor(s)
        index = cell if self.period is None else cell - self._count * np.floor(cell / self._count)  # np.mod is slow
        return index, s - cell - 0.5


@dataclass(frozen=True)
class random_checkerboard(TiledMedium):
    r"""Square (cubic) tiles that are k2 with probability p and k1 otherwise, independently.

    Parameters
    ----------
    k1, k2 : the two values, positive numbers, tensors (d, d) or stiffnesses (d, d, d, d), or functions of x (d, ...) that return
        them with points behind.
    p : probability of k2, a number in [0, 1] or a function of x. (A tile is decided point by point: if the slow variable
        is not frozen and p varies across a tile, the tile may be cut along a level line of p.)
    tile : side of the tiles, in periods. Corners lie at its multiples: a cell with ``offset=0.5`` starts at one.
    rng, dim, period : see ``RandomMedium``; the period must be a whole number of tiles.

    A* of the infinite medium: sqrt(k1 k2) in the plane for p = 1/2 (phase interchange), the harmonic mean on the line.
    """

    k1: OfX
    k2: OfX
    p: OfX = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._values("k1", "k2", "p")

    def _field(self, x: Array | None, y: Array) -> Array:
        cell, _ = self._lattice(y)
        second = uniform(hashed(self.rng, (_TILE, *cell))) < self._value("p", x)
        return self._mixed(second, "k1", "k2", x)

    def _closed_form(self, x: Array | None) -> Array:
        return self._mixture(x, "k1", "k2", self._value("p", x), exchangeable=True)


_VOLUME = {1: 2.0, 2: np.pi, 3: 4 * np.pi / 3}


@dataclass(frozen=True)
class random_disks(TiledMedium):
    r"""One disk (sphere, segment) in every lattice cell, at random inside it: none overlap, and the fraction is exact.

    Parameters
    ----------
    inside, matrix : the two values, as k1 and k2 of ``random_checkerboard``.
    radius : in periods, at most tile/2: a number or a function of x.
    fraction : volume fraction instead of the radius, likewise: at most pi/4 (spheres: pi/6).
    jitter : 0 leaves the disks on a lattice, 1 lets them go as far as the walls of their cells; neighbours are at least
        (1 - jitter)(tile - 2 radius) apart.
    tile : side of the lattice cells, in periods.
    rng, dim, period : see ``RandomMedium``; the period must be a whole number of tiles.

    A* is known on the line only.
    """

    inside: OfX
    matrix: OfX = 1.0
    radius: OfX | None = None
    fraction: OfX | None = None
    jitter: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        one = (self.radius is None) != (self.fraction is None)
        allowed = f"give either the radius or the fraction (fraction={self.fraction!r})"
        require(one, "radius", self.radius, allowed)
        self._values("inside", "matrix", self._given)
        require(np.ndim(self.jitter) == 0 and 0 <= self.jitter <= 1, "jitter", self.jitter, "must lie between 0 and 1")
        if not callable(getattr(self, self._given)):
            self.radius_at(None)

    @property
    def _given(self) -> str:
        return "fraction" if self.radius is None else "radius"

    def radius_at(self, x: ArrayLike | None = None) -> Array:
        """Radius in periods, at slow points."""
        value, volume = self._value(self._given, x), _VOLUME[self.dim]
        limit = self.tile / 2 if self._given == "radius" else volume / 2**self.dim
        allowed = f"must lie in (0, {limit:.6g}], where the {self.dim}-dimensional disk fits into tile={self.tile!r}"
        require((value > 0) & (value <= limit * (1 + 1e-15)), self._given, value.tolist(), allowed)
        return value if self._given == "radius" else self.tile * (value / volume) ** (1 / self.dim)

    def _place_in(self, cell: Array, local: Array, radius: Array) -> Array:
        """Square of the distance, in tiles, from the centre of the disk in a lattice cell."""
        room = self.jitter * np.maximum(1 - 2 * radius, 0)
        square = 0.0
        for axis, place in enumerate(local):
            centre = room * (uniform(hashed(self.rng, (_CENTRE, axis, *cell))) - 0.5)
            square = square + (place - centre) ** 2
        return square

    def interface(self, x: Array | None, y: Array) -> tuple[Array, ArrayLike, ArrayLike]:
        """Distance from the nearest disk, negative inside, and both values (see ``micro.interface``)."""
        radius = self.radius_at(x) / self.tile
        cell, local = self._lattice(y)
        side = np.where(local < 0, -1.0, 1.0)  # neighbours farther away have farther disks
        nearest = np.inf
        for step in product((0, 1), repeat=self.dim):
            step = np.reshape(step, (-1, *(1,) * (cell.ndim - 1))) * side
            index = cell + step if self.period is None else np.mod(cell + step, self._count)
            nearest = np.minimum(nearest, self._place_in(index, local - step, radius))
        return self.tile * (np.sqrt(nearest) - radius), self._phase("inside", x), self._phase("matrix", x)

    def _field(self, x: Array | None, y: Array) -> Array:
        radius = self.radius_at(x) / self.tile
        hit = self._place_in(*self._lattice(y), radius) < radius * radius
        return self._mixed(hit, "matrix", "inside", x)

    def _closed_form(self, x: Array | None) -> Array:
        fraction = _VOLUME[self.dim] * (self.radius_at(x) / self.tile) ** self.dim
        return self._mixture(x, "matrix", "inside", fraction, exchangeable=False)
