r"""Riemann problems: what becomes of two constant states that meet at x = 0. The solution depends on xi = x/t alone.

scalar laws u_t + f(u)_x = 0 with f' monotone    a shock, or a fan where f'(u) = xi
Euler's equations of a perfect gas               two waves, shock or fan, and a contact between them

E. F. Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics, 2009 (doi:10.1007/b79761).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ScalarRiemann:
    """u(xi) of u_t + f(u)_x = 0 from ``left`` and ``right``, f' = ``slope`` monotone between them.

    ValueError if the slope is not monotone there (looked at in 1000 points): the solution is then made of several waves.
    """

    f: Callable
    slope: Callable
    left: float
    right: float

    def __post_init__(self) -> None:
        rise = np.diff(self.slope(np.linspace(self.left, self.right, 1000)))
        size = 1e-12 * np.abs(rise).max(initial=0)
        if (rise > size).any() and (rise < -size).any():
            raise ValueError(f"slope of f is not monotone between left={self.left!r} and right={self.right!r}")

    @property
    def speeds(self) -> tuple[float, float]:
        """Of the left and the right edge of the wave; equal ones are that of a shock (Rankine and Hugoniot)."""
        left, right = (float(self.slope(np.asarray(u))) for u in (self.left, self.right))
        if left < right or self.left == self.right:
            return left, right
        shock = float((self.f(self.right) - self.f(self.left)) / (self.right - self.left))
        return shock, shock

    def __call__(self, xi: Array) -> Array:
        """u at x/t = xi, any shape."""
        xi = np.asarray(xi, dtype=float)
        low, high = self.speeds
        u = np.where(xi <= low, self.left, self.right)
        inside = (low < xi) & (xi < high)
        if inside.any():  # f' rises from left to right: halve until the point of the fan is found to round-off
            a, b = np.full(inside.sum(), self.left), np.full(inside.sum(), self.right)
            for _ in range(80):
                middle = (a + b) / 2
                below = self.slope(middle) < xi[inside]
                a, b = np.where(below, middle, a), np.where(below, b, middle)
            u[inside] = (a + b) / 2
        return u


@dataclass(frozen=True)
class EulerFlux:
    """F(U) of a perfect gas in d dimensions, U = (density, momentum (d), energy), as a closure: F, dF/dU, and 0 for grad U.

    ``gamma``: ratio of specific heats, above 1 (ValueError). States without positive density and pressure have no flux (nan).
    """

    gamma: float = 1.4

    def __post_init__(self) -> None:
        if not 1 < self.gamma < np.inf:
            raise ValueError(f"gamma={self.gamma!r} must be above 1")

    def pressure(self, u: Array) -> Array:
        """(K,) from u (d + 2, K)."""
        return (self.gamma - 1) * (u[-1] - sum(q * q for q in u[1:-1]) / (2 * u[0]))

    def admissible(self, x: Array, u: Array) -> Array:
        """Whether density and pressure are positive: (K,). ValueError if u (d + 2, K) has other components."""
        if u.shape[:-1] != (len(x) + 2,):
            raise ValueError(f"u has components {u.shape[:-1]}; a gas in {len(x)}D has {len(x) + 2}")
        with np.errstate(all="ignore"):
            return (u[0] > 0) & (self.pressure(u) > 0)

    def speeds(self, x: Array, u: Array) -> tuple[Array, Array]:
        """Of the slowest and the fastest wave along every axis: (d, K) each."""
        with np.errstate(all="ignore"):
            v, c = u[1:-1] / u[0], np.sqrt(self.gamma * self.pressure(u) / u[0])
        return v - c, v + c

    def conserved(self, density: Array, velocity: Array, pressure: Array) -> Array:
        """U from density (K,), velocity (K,) or (d, K), pressure (K,)."""
        density, pressure = np.asarray(density, dtype=float), np.asarray(pressure, dtype=float)
        velocity = np.atleast_2d(velocity)
        energy = pressure / (self.gamma - 1) + density * (velocity**2).sum(axis=0) / 2
        return np.stack(np.broadcast_arrays(density, *density * velocity, energy))

    def __call__(self, x: Array, u: Array, grad: Array) -> tuple[Array, Array, float]:
        d, count = x.shape
        with np.errstate(all="ignore"):
            self.admissible(x, u[:, :0])  # the number of components
            g, v, p = self.gamma - 1, u[1:-1] / u[0], self.pressure(u)
            rho = np.where((u[0] > 0) & (p > 0), u[0], np.nan)
            H, of_rho = (u[-1] + p) / rho, g * sum(w * w for w in v) / 2
            F, A = np.zeros((d + 2, d, count)), np.zeros((d + 2, d, d + 2, count))
            for i in range(d):
                F[0, i], F[-1, i] = rho * v[i], rho * H * v[i]
                A[0, i, 1 + i] = 1.0
                A[-1, i, 0], A[-1, i, -1] = v[i] * (of_rho - H), self.gamma * v[i]
                for j in range(d):
                    F[1 + j, i] = rho * v[i] * v[j]
                    A[1 + j, i, 0] = -v[i] * v[j]
                    A[1 + j, i, 1 + j] += v[i]
                    A[1 + j, i, 1 + i] += v[j]
                    A[-1, i, 1 + j] = -g * v[i] * v[j]
                    A[1 + i, i, 1 + j] -= g * v[j]
                F[1 + i, i] += p
                A[1 + i, i, 0] += of_rho
                A[1 + i, i, -1] = g
                A[-1, i, 1 + i] += H
        return F, A, 0.0


@dataclass(frozen=True, eq=False)
class EulerRiemann:
    """The exact solution of Euler's equations from (density, velocity, pressure) left and right.

    pressure, velocity   between the waves
    densities            left and right of the contact

    ValueError for densities or pressures that are not positive, and where the states part so fast that a vacuum opens.
    """

    left: Sequence[float]
    right: Sequence[float]
    gamma: float = 1.4
    pressure: float = field(init=False)
    velocity: float = field(init=False)
    densities: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        EulerFlux(self.gamma)
        g = self.gamma
        for name, (rho, u, p) in (("left", self.left), ("right", self.right)):
            if not (rho > 0 and p > 0 and np.isfinite([rho, u, p]).all()):
                raise ValueError(f"{name}={(rho, u, p)!r}: density and pressure must be positive")
        sounds = [np.sqrt(g * p / rho) for rho, _, p in (self.left, self.right)]
        apart = self.right[1] - self.left[1]
        if 2 * sum(sounds) / (g - 1) <= apart:
            raise ValueError(
                f"left={self.left!r}, right={self.right!r}: they part faster than the gas follows, a vacuum opens"
            )

        def drift(p: float) -> float:
            return self._change(self.left, p) + self._change(self.right, p) + apart

        top = max(self.left[2], self.right[2])
        while drift(top) < 0:
            top *= 2
        p = brentq(drift, 1e-14 * min(self.left[2], self.right[2]), top, xtol=1e-300, rtol=1e-15)
        u = (self.left[1] + self.right[1] + self._change(self.right, p) - self._change(self.left, p)) / 2
        object.__setattr__(self, "pressure", p)
        object.__setattr__(self, "velocity", u)
        object.__setattr__(self, "densities", tuple(self._density(side, p) for side in (self.left, self.right)))

    def _change(self, side: Sequence[float], p: float) -> float:
        """Of velocity through the wave from a side to the pressure p."""
        (rho, _, p0), g = side, self.gamma
        if p > p0:
            return (p - p0) * np.sqrt(2 / rho / ((g + 1) * p + (g - 1) * p0))
        return 2 * np.sqrt(g * p0 / rho) / (g - 1) * ((p / p0) ** ((g - 1) / (2 * g)) - 1)

    def _density(self, side: Sequence[float], p: float) -> float:
        (rho, _, p0), g = side, self.gamma
        if p > p0:
            ratio, h = p / p0, (g - 1) / (g + 1)
            return rho * (ratio + h) / (h * ratio + 1)
        return rho * (p / p0) ** (1 / g)

    def __call__(self, xi: Array) -> Array:
        """(density, velocity, pressure) at x/t = xi (...): (3, ...)."""
        xi = np.asarray(xi, dtype=float)
        values = np.empty((3, *xi.shape))
        leftwards = xi < self.velocity
        for side, density, sign, here in zip(
            (self.left, self.right), self.densities, (1, -1), (leftwards, ~leftwards), strict=True
        ):
            (rho, u, p), g = side, self.gamma
            u, eta, u1 = sign * u, sign * xi[here], sign * self.velocity  # as if the wave went to the left
            c, c1 = np.sqrt(g * p / rho), np.sqrt(g * self.pressure / density)
            if self.pressure > p:
                head = tail = u - c * np.sqrt((g + 1) / (2 * g) * self.pressure / p + (g - 1) / (2 * g))
            else:
                head, tail = u - c, u1 - c1
            sound = 2 / (g + 1) * c + (g - 1) / (g + 1) * (u - eta)
            fan = (
                rho * np.maximum(sound / c, 0) ** (2 / (g - 1)),
                sign * (eta + sound),
                p * np.maximum(sound / c, 0) ** (2 * g / (g - 1)),
            )
            for k, (outer, middle, inner) in enumerate(
                zip((rho, sign * u, p), fan, (density, self.velocity, self.pressure), strict=True)
            ):
                values[k][here] = np.where(eta <= head, outer, np.where(eta < tail, middle, inner))
        return values


SOD = (1.0, 0.0, 1.0), (0.125, 0.0, 0.1)  # density, velocity, pressure, left and right
