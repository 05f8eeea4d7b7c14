r"""A family of obstacles, phi(s, y) with one number s: its permeability as a function of s, by interpolation.

In a graded bed the obstacles differ in a radius, an angle, a distance. Then K(x) = K(s(x)) is known from a few Stokes problems:
log K (symmetric, so that K stays positive definite) is interpolated by a polynomial in Chebyshev points, and their number
doubled until the values at the new points agree with what the old polynomial said.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real

import numpy as np
from numpy.polynomial.chebyshev import chebval

from hmm_core.micro.krylov import ConvergenceError
from hmm_core.micro.stokes import LevelSet, StokesProblem

Array = np.ndarray
DEGREES = (4, 8, 16, 32, 64)


@dataclass(frozen=True, eq=False)
class PermeabilityCurve:
    """K(s) for low <= s <= high: ``curve(s)`` answers with (d, d, ...) for s (...).

    coefficients  (m + 1, d, d)  of log K in Chebyshev polynomials
    error         float          relative, measured where the last points came in: what the polynomial before them missed
    solves        int            Stokes problems solved
    """

    low: float
    high: float
    coefficients: Array
    error: float
    solves: int

    def __call__(self, s: Array) -> Array:
        s = np.asarray(s, dtype=float)
        outside = ~((s >= self.low) & (s <= self.high))  # NaN, too
        if outside.any():
            raise ValueError(
                f"s={s[outside].flat[0]} lies outside [{self.low}, {self.high}], where the permeability is known"
            )
        return _function(np.exp, chebval((2 * s - self.low - self.high) / (self.high - self.low), self.coefficients))


def permeability_curve(
    phi: LevelSet, stokes: StokesProblem, low: float, high: float, tol: float = 1e-3
) -> PermeabilityCurve:
    """The permeability of the obstacles phi(s, y) < 0 as a function of s between ``low`` and ``high``.

    Parameters
    ----------
    phi : level set phi(s, y) of a number s and places y (d, 1, P), in periods.
    stokes : ``StokesProblem``.
    tol : relative error allowed of the interpolation, in the largest entry of K. That of the mesh comes on top, and below it
        there is nothing to interpolate: it jumps as the mesh changes with s.

    Raises TypeError or ValueError for bad arguments, what ``stokes`` raises about an obstacle, and ConvergenceError if 65 points
    are not enough.
    """
    if not callable(phi):
        raise TypeError(f"phi={phi!r} is not a level set: a function phi(s, y) is needed, negative in the obstacle")
    for name, value in (("low", low), ("high", high), ("tol", tol)):
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}={value!r} must be a real number, not {type(value).__name__}")
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"low={low!r} and high={high!r}: an interval is needed")
    if not 0 < tol < 1:
        raise ValueError(f"tol={tol!r} must lie in (0, 1)")
    known: dict[float, Array] = {}
    curve = None
    for m in DEGREES:
        cosines = [math.cos(math.pi * (k / m)) for k in range(m + 1)]  # the same numbers again, and new ones between
        s = [low + (high - low) * (1 + c) / 2 for c in cosines]
        fresh = [value for value in s if value not in known]
        for value in fresh:
            known[value] = _one(phi, stokes, value)
        if curve is None:
            error = math.inf
        else:
            there = np.array([known[value] for value in fresh]).transpose(1, 2, 0)
            error = float(np.max(np.abs(curve(fresh) - there).max(axis=(0, 1)) / np.abs(there).max(axis=(0, 1))))
        values = _function(np.log, np.array([known[value] for value in s]).transpose(1, 2, 0))
        curve = PermeabilityCurve(low, high, _coefficients(values), error, len(known))
        if error <= tol:
            return curve
    raise ConvergenceError(
        f"the permeability is not interpolated to tol={tol} by {len(known)} points: between them it misses {error:.1e}. "
        f"If that is the mesh, n={stokes.n}, take a larger n; if phi has a kink in s, two intervals"
    )


def _one(phi: LevelSet, stokes: StokesProblem, s: float) -> Array:
    try:
        return stokes.permeability(partial(_member, phi, s))
    except (ValueError, ConvergenceError) as error:
        error.add_note(f"this is the obstacle for s={s}")
        raise


def _member(phi: LevelSet, s: float, x: Array, y: Array) -> Array:
    return phi(s, y)


def _coefficients(values: Array) -> Array:
    """Of the polynomial with these values (d, d, m+1) at cos(pi k/m), k = 0, ..., m: (m+1, d, d)."""
    m = values.shape[-1] - 1
    half = np.ones(m + 1)
    half[[0, -1]] = 0.5
    cosine = np.cos(np.pi / m * np.outer(np.arange(m + 1), np.arange(m + 1)))
    return np.moveaxis(2 / m * (values * half) @ cosine * half, -1, 0)


def _function(f: Callable[[Array], Array], tensor: Array) -> Array:
    """f of symmetric tensors (d, d, ...)."""
    values, vectors = np.linalg.eigh(np.moveaxis(tensor, (0, 1), (-2, -1)))
    return np.moveaxis((vectors * f(values)[..., None, :]) @ vectors.swapaxes(-1, -2), (-2, -1), (0, 1))
