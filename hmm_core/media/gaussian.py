r"""Random media made of a Gaussian field: two phases with smooth interfaces, lognormal permeabilities."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from hmm_core.media import exact
from hmm_core.media.checks import require
from hmm_core.media.profiles import OfX
from hmm_core.media.random import _NORMAL, _ORIGIN, FARTHEST, RandomMedium, hashed, uniform

Array = np.ndarray
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
    k1, k2 : the two values, as for ``random_checkerboard``.
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
        return self._mixed(second, "k1", "k2", x)

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
