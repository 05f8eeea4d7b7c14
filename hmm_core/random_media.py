r"""Random media that are never stored: any point may be asked for, in any order, and the answer is always the same.

A realisation is one 64-bit key. What chance decides in a cell of an integer lattice (the phase of a tile, the centre of
a disk, a normal number) is a hash of the key and of the cell's index, so a sample of 10^12 tiles costs no memory, two
processes agree without talking, and realisation number i is another key, hashed from the first.

    random_checkerboard     tiles of one of two phases
    random_disks            one disk in every lattice cell, jittered inside it: disks (spheres) that never overlap
    gaussian_phases         two phases, where a Gaussian field is below or above a level: the volume fraction is exact
    lognormal               exp(mu + sigma g) of a Gaussian field g

Lengths are in periods of y. Values and statistics may be functions of x (functionally graded media): with the slow
variable frozen, each x sees its own stationary medium, made of the same random numbers. These names are found in
``hmm_core.media`` too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from hmm_core import exact
from hmm_core.exact import require
from hmm_core.media import Array, Medium, OfX, _at

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
        """Check fields that are numbers or functions of x: numbers now, functions when they are evaluated."""
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

    def _isotropic(self, value: ArrayLike) -> Array:
        """A closed form (d, d) or (d, d, M) with the number, or the values at M points, on its diagonal."""
        return exact.as_tensor(value, self.dim, np.ndim(value))

    def _mixture(self, x: Array | None, k1: str, k2: str, p: ArrayLike, exchangeable: bool) -> Array:
        """Closed forms of two phases, p the fraction of the second; exchangeable: isotropic, and phases alike at 1/2."""
        first, second = self._value(k1, x), self._value(k2, x)
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
    k1, k2 : the two values, positive numbers or functions of x (d, ...) -> (...).
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
        return np.where(second, self._value("k2", x), self._value("k1", x))

    def _closed_form(self, x: Array | None) -> Array:
        return self._mixture(x, "k1", "k2", self._value("p", x), exchangeable=True)


_VOLUME = {1: 2.0, 2: np.pi, 3: 4 * np.pi / 3}


@dataclass(frozen=True)
class random_disks(TiledMedium):
    r"""One disk (sphere, segment) in every lattice cell, at random inside it: none overlap, and the fraction is exact.

    Parameters
    ----------
    inside, matrix : the two values, positive numbers or functions of x (d, ...) -> (...).
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

    def _field(self, x: Array | None, y: Array) -> Array:
        cell, local = self._lattice(y)
        radius = self.radius_at(x) / self.tile
        room = self.jitter * np.maximum(1 - 2 * radius, 0)
        square = 0.0
        for axis, place in enumerate(local):
            centre = room * (uniform(hashed(self.rng, (_CENTRE, axis, *cell))) - 0.5)
            square = square + (place - centre) ** 2
        return np.where(square < radius * radius, self._value("inside", x), self._value("matrix", x))

    def _closed_form(self, x: Array | None) -> Array:
        fraction = _VOLUME[self.dim] * (self.radius_at(x) / self.tile) ** self.dim
        return self._mixture(x, "matrix", "inside", fraction, exchangeable=False)


# -- media made of a Gaussian field ---------------------------------------------------------------------------------

REACH, POWER = 3, 5  # lattice normals are smoothed with (1 - (t/REACH)^2)^POWER, t in spacings of the lattice
LENGTH = 1.7252835728550722  # spacings after which the correlation of the smoothed field has fallen to 1/e
POINTS = 2**15  # computed together, fewer in higher dimensions (measured)


@dataclass(frozen=True)
class GaussianMedium(RandomMedium):
    r"""Media made of a Gaussian field g(y): mean 0, variance 1, correlation exp(-(r/length)^2) up to 0.013.

    g is a moving average. Normal numbers, hashed at the points of a lattice of spacing length/1.725, are smoothed with
    the product over the axes of the kernel (1 - (t/3)^2)^5, t in spacings, normalised at every point. So g is normal
    with variance exactly 1, four times differentiable, and independent at points farther apart than ``range`` along an
    axis: distant samples know nothing of each other, and averages over large samples converge. (A sum of random
    cosines, the usual rival, has any covariance exactly but is neither normal nor ever independent.) The lattice has a
    random origin, which makes g stationary: otherwise g would know where its lattice is, by a modulation of 0.002.
    """

    length: float | tuple[float, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        length = exact.positive("length", self.length)
        allowed = f"must be one positive number, or one for each of the {self.dim} axes"
        require(length.shape in ((), (self.dim,)), "length", self.length, allowed)
        object.__setattr__(self, "length", tuple(map(float, length)) if length.ndim else float(length))
        if self.period is not None:
            allowed = f"must be at least the field's range, {max(self.range):.6g}, lest it meets itself"
            require(self.period >= max(self.range), "period", self.period, allowed)

    @property
    def correlation_length(self) -> float:
        """Distance at which the correlation of g has fallen to 1/e: the largest over the axes."""
        return float(np.max(self.length))

    @property
    def range(self) -> tuple[float, ...]:
        """Distance along each axis beyond which values of g are independent: 3.48 lengths."""
        return tuple((2 * REACH / LENGTH * np.broadcast_to(self.length, (self.dim,))).tolist())

    def _lattice(self) -> list[tuple[float, float, int | None]]:
        """For every axis: spacing, reach of the kernel in spacings, and how many points fill a period."""
        axes = []
        for length in np.broadcast_to(self.length, (self.dim,)) / LENGTH:
            count = None if self.period is None else int(np.ceil(self.period / length - 1e-9))
            spacing = length if count is None else self.period / count
            axes.append((spacing, REACH * length / spacing, count))
        return axes

    def covariance(self, lag: ArrayLike) -> Array:
        """E g(y) g(y + lag), for lags (d, ...) in periods."""
        lag, total = self._points("lag", lag), 1.0
        for along, (spacing, reach, count) in zip(lag, self._lattice(), strict=True):
            place = (np.arange(32) + 0.5) / 32  # of y between two lattice points; the average over it is spectral
            here, there = (_kernel(s, reach) for s in (place, place + along[..., None] / spacing))
            nodes = [first[..., None] + np.arange(weight.shape[-1]) for first, weight in (here, there)]
            apart = nodes[0][..., :, None] - nodes[1][..., None, :]
            shared = (apart if count is None else np.mod(apart, count)) == 0
            total = total * (here[1][..., :, None] * there[1][..., None, :] * shared).sum(axis=(-2, -1)).mean(axis=-1)
        return np.asarray(total)

    def gaussian(self, y: ArrayLike) -> Array:
        """g at points y (d, ...)."""
        y = self._points("y", y)
        flat, g, size = y.reshape(self.dim, -1), np.empty(y[0].size), POINTS >> 2 * (self.dim - 1)
        for first in range(0, len(g), size):
            g[first : first + size] = self._smoothed(flat[:, first : first + size])
        return g.reshape(y.shape[1:])

    def _smoothed(self, y: Array) -> Array:
        """g at points (d, P): the normals of the lattice points within reach, weighted and added up, axis by axis."""
        origin = uniform(hashed(self.rng, (_ORIGIN, np.arange(self.dim))))
        nodes, weights, code = [], [], 0
        for along, shift, (spacing, reach, count) in zip(y, origin, self._lattice(), strict=True):
            s = along / spacing + shift
            allowed = f"must be finite, no farther than {FARTHEST:.2g} lattice spacings from the origin"
            require(np.abs(s) < FARTHEST, "y", along, allowed)
            first, weight = _kernel(s, reach)
            values, which = np.unique(first, return_inverse=True)
            near = values[:, None] + np.arange(weight.shape[-1])
            nodes.append(near if count is None else np.mod(near, count))
            weights.append(weight)
            code = code * len(values) + which
        code, which = np.unique(code, return_inverse=True)  # points between the same lattice points share their normals
        index = []
        for near in reversed(nodes):
            code, place = np.divmod(code, len(near))
            index.insert(0, near[place].reshape(len(code), *(1,) * (self.dim - 1 - len(index)), -1, *(1,) * len(index)))
        total = ndtri(uniform(hashed(self.rng, (_NORMAL, *index))))[which]
        for weight in reversed(weights):
            total = (total * weight.reshape(len(weight), *(1,) * (total.ndim - 2), -1)).sum(axis=-1)
        return total


def _kernel(s: Array, reach: float) -> tuple[Array, Array]:
    """First lattice point within ``reach`` of s (...), and the weights (..., T) of T points from there: squares add up to 1."""
    first = np.floor(s - reach) + 1
    t = (s - first)[..., None] - np.arange(int(np.ceil(2 * reach - 1e-9)))
    weight = np.clip(1 - (t / reach) ** 2, 0, None) ** POWER
    return first, weight / np.sqrt((weight * weight).sum(axis=-1, keepdims=True))


@dataclass(frozen=True)
class gaussian_phases(GaussianMedium):
    r"""Two phases with smooth random interfaces: k2 where a Gaussian field g is below a level, k1 elsewhere.

    Parameters
    ----------
    k1, k2 : the two values, positive numbers or functions of x (d, ...) -> (...).
    fraction : volume fraction of k2, exactly: a number in [0, 1] or a function of x.
    length : correlation length of g, in periods: one number, or one for each axis. Grains are about as large.
    rng, dim, period : see ``RandomMedium``; the period must be at least 3.48 lengths.

    A* of the infinite medium: sqrt(k1 k2) in the plane for fraction 1/2 and a single length (phase interchange), the
    harmonic mean on the line.
    """

    k1: OfX
    k2: OfX
    fraction: OfX = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._values("k1", "k2", "fraction")

    def _field(self, x: Array | None, y: Array) -> Array:
        second = self.gaussian(y) < ndtri(self._value("fraction", x))
        return np.where(second, self._value("k2", x), self._value("k1", x))

    def _closed_form(self, x: Array | None) -> Array:
        return self._mixture(x, "k1", "k2", self._value("fraction", x), exchangeable=np.ndim(self.length) == 0)


@dataclass(frozen=True)
class lognormal(GaussianMedium):
    r"""a = exp(mu + sigma g(y)), g a Gaussian field of variance 1: permeabilities of soils and rocks.

    Parameters
    ----------
    mu, sigma : mean and standard deviation of log a, numbers or functions of x (d, ...) -> (...); sigma >= 0.
    length : correlation length of g, in periods: one number, or one for each axis.
    rng, dim, period : see ``RandomMedium``; the period must be at least 3.48 lengths.

    A* of the infinite medium: exp(mu) in the plane for a single length (a exp(-mu) and its reciprocal are alike),
    exp(mu - sigma^2/2) on the line.
    """

    mu: OfX = 0.0
    sigma: OfX = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._values("mu", "sigma")

    def _field(self, x: Array | None, y: Array) -> Array:
        return np.exp(self._value("mu", x) + self._value("sigma", x) * self.gaussian(y))

    def _closed_form(self, x: Array | None) -> Array:
        mu, sigma = self._value("mu", x), self._value("sigma", x)
        if self.period is None and self.dim == 1:
            return self._isotropic(np.exp(mu - sigma**2 / 2))
        if self.period is None and self.dim == 2 and np.ndim(self.length) == 0:
            return self._isotropic(np.exp(mu))
        return super()._closed_form(x)
