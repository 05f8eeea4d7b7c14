r"""Flux laws j(x, y, u, xi) with their derivatives: what a nonlinear cell problem is about.

A law is any function flux(x, y, u, xi) -> j (d, ...), dj/du (d, ...), dj/dxi (d, d, ...), vectorised as a medium is: x (d, K, 1),
y (d, 1, P) or (d, K, P), u (K, 1), xi (d, K, P). A scalar field in place of dj/dxi stands for a multiple of the identity.
For fields of m = d components, u (m, K, 1) and xi (m, d, K, P), it returns j (m, d, ...), dj/du (m, d, m, ...) and dj/dxi
(m, d, m, d, ...). Solids (``solids``): ``RambergOsgood`` at small strain, ``NeoHookean`` at finite strain.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hmm_core.media.solids import NeoHookean as NeoHookean
from hmm_core.media.solids import RambergOsgood as RambergOsgood

Array = np.ndarray
MediumLike = Callable[[Array, Array], Array]
Flux = Callable[[Array, Array, Array, Array], tuple[Array, Array, Array]]


@dataclass(frozen=True)
class PowerLaw:
    r"""j = a(x, y) (|xi|^2 + delta^2)^((p - 2)/2) xi: the p-Laplacian for delta = 0, a power-law fluid or conductor.

    Monotone for p > 1, with the potential a/p (|xi|^2 + delta^2)^(p/2). At xi = 0 and delta = 0 the tangent vanishes for p > 2
    and is infinite for p < 2. In one dimension A* = <a^(-1/(p-1))>^(-(p-1)) for delta = 0 (``exact.power_mean``).
    """

    a: MediumLike
    p: float
    delta: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.a):
            raise TypeError(f"a={self.a!r} is not a medium: a function a(x, y) is needed")
        if not (1 < self.p < math.inf) or not 0 <= self.delta < math.inf:
            raise ValueError(f"p={self.p!r} must be > 1 and delta={self.delta!r} >= 0, both finite")

    def __call__(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, float, Array]:
        a, d = self.a(x, y), len(xi)
        square = (xi * xi).sum(axis=0) + self.delta**2
        power = a * square ** (self.p / 2 - 1)
        unit = xi / np.sqrt(np.where(square > 0, square, 1.0))
        tangent = power * (np.eye(d)[:, :, None, None] + (self.p - 2) * unit[:, None] * unit)
        return np.where(square > 0, power, 0.0) * xi, np.zeros((d, 1, 1)), tangent


@dataclass(frozen=True)
class Quasilinear:
    r"""j = a(x, y, u) xi: a conductivity (a number or a tensor at each point) that depends on the state. Not monotone in u.

    Its derivative in u is ``da_du`` if given, otherwise a central difference with step eps^(1/3) max(1, |u|), good to
    about ten digits.
    """

    a: Callable[[Array, Array, Array], Array]
    da_du: Callable[[Array, Array, Array], Array] | None = None

    def __post_init__(self) -> None:
        if not callable(self.a) or not (self.da_du is None or callable(self.da_du)):
            raise TypeError(f"a={self.a!r} must be a function a(x, y, u), da_du={self.da_du!r} another or None")

    def __call__(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, Array, Array]:
        a = np.asarray(self.a(x, y, u))
        if self.da_du is not None:
            slope = np.asarray(self.da_du(x, y, u))
        else:
            step = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(u))
            slope = (np.asarray(self.a(x, y, u + step)) - np.asarray(self.a(x, y, u - step))) / (2 * step)
        return self._times(a, xi), self._times(slope, xi), a

    @staticmethod
    def _times(a: Array, xi: Array) -> Array:
        return np.einsum("ij...,j...->i...", a, xi) if a.ndim >= 4 else a * xi


@dataclass(frozen=True)
class WithDerivatives:
    r"""A flux law from j(x, y, u, xi) alone.

    method "complex-step": dj/ds = Im j(s + i t)/t with t = 1e-30, exact to round-off (Squire and Trapp 1998,
    doi:10.1137/S003614459631241X); j has to be analytic, written without abs, norms of complex numbers or comparisons.
    "differences": central, with the step eps^(1/3) times the size of xi (or of u) at the point, good to about ten digits.

    The complex step is compared with a difference at a few points of each call, at each for itself; ValueError if they
    disagree. Points at rest (xi = 0), where powers of |xi| have no derivative or a vanishing one, and where j is not finite
    are left out.
    """

    j: Callable[[Array, Array, Array, Array], Array]
    method: str = "complex-step"

    def __post_init__(self) -> None:
        if not callable(self.j):
            raise TypeError(f"j={self.j!r} is not a function j(x, y, u, xi)")
        if self.method not in ("complex-step", "differences"):
            raise ValueError(f"method={self.method!r} is not one of 'complex-step', 'differences'")

    def __call__(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, Array, Array]:
        value = np.broadcast_to(np.asarray(self.j(x, y, u, xi)), xi.shape)
        if self.method == "differences":
            d_du, d_dxi = self._differences(x, y, u, xi)
            return value, d_du, d_dxi
        d_du, d_dxi = self._complex(x, y, u, xi)
        few, axes = slice(None, None, max(1, xi.shape[-1] // 3)), tuple(range(xi.ndim - 2))
        x, y = (v if v.shape[2] == 1 else v[..., few] for v in (x, y))
        xi, value_there = xi[..., few], np.abs(value[..., few]).max(axis=axes)
        known = np.isfinite(value_there) & xi.any(axis=axes)
        lengths = self._size(u), np.where(known, np.sqrt((xi * xi).sum(axis=axes)), 1.0)
        near = self._differences(x, y, u, xi)
        for name, exact, rough, length in zip(("u", "xi"), (d_du, d_dxi), near, lengths, strict=True):
            with np.errstate(invalid="ignore"):
                gap, size = (np.abs(v).reshape(-1, *known.shape).max(axis=0) for v in (exact[..., few] - rough, rough))
            wrong = known & np.isfinite(size) & ~(gap <= 1e-4 * np.maximum(size, value_there / length))
            if wrong.any():
                raise ValueError(
                    f"the complex step and a difference disagree on dj/d{name} by {gap[wrong].max():.1e}: j(x, y, u, xi) is not "
                    "analytic as it is written (abs, np.linalg.norm, comparisons); use method='differences'"
                )
        return value, d_du, d_dxi

    @staticmethod
    def _size(u: Array) -> Array:
        return np.maximum(1.0, np.abs(u).reshape(-1, *u.shape[-2:]).max(axis=0))

    @staticmethod
    def _units(value: Array) -> tuple[tuple[int, ...], Array]:
        """Component axes of a field (c, K, P), and its unit fields (N, c, 1, 1), N the number of components."""
        c = value.shape[:-2]
        return c, np.eye(math.prod(c)).reshape(-1, *c, 1, 1)

    def _complex(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, Array]:
        t, (m, u_units), (c, units) = 1e-30, self._units(u), self._units(xi)
        d_du = [np.broadcast_to(np.imag(self.j(x, y, u + 1j * t * e, xi)) / t, xi.shape) for e in u_units]
        d_dxi = [np.broadcast_to(np.imag(self.j(x, y, u, xi + 1j * t * e)) / t, xi.shape) for e in units]
        d_du, d_dxi, rest = _rates(d_du, c, m), _rates(d_dxi, c, c), ~xi.any(axis=tuple(range(len(c))))
        if rest.any():  # the step's own error, where the derivative vanishes: of |xi|^2 xi, say
            size = np.abs(self.j(x, y, u, np.ones_like(xi))).max(axis=tuple(range(len(c))))
            d_dxi[(np.abs(d_dxi) < t * size) & rest] = 0.0
        return d_du, d_dxi

    def _differences(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, Array]:
        def central(u_step: Array | float, xi_step: Array | float, step: Array) -> Array:
            above, below = (np.asarray(self.j(x, y, u + s * u_step, xi + s * xi_step)) for s in (1, -1))
            return np.broadcast_to((above - below) / (2 * step), xi.shape)

        (m, u_units), (c, units) = self._units(u), self._units(xi)
        small, size = np.finfo(float).eps ** (1 / 3), np.sqrt((xi * xi).sum(axis=tuple(range(len(c)))))
        u_step, xi_step = small * self._size(u), small * np.where(size > 0, size, 1.0)
        d_du = [central(u_step * e, 0.0, u_step) for e in u_units]
        d_dxi = [central(0.0, xi_step * e, xi_step) for e in units]
        return _rates(d_du, c, m), _rates(d_dxi, c, c)


def _rates(columns: list[Array], c: tuple[int, ...], m: tuple[int, ...]) -> Array:
    """Derivatives (c, K, P) in each component of something, as (c, m, K, P)."""
    stacked = np.stack(columns, axis=len(c))
    return stacked.reshape(*c, *m, *stacked.shape[-2:])
