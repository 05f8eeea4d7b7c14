r"""Flux laws of solids: stress as a function of the displacement gradient xi = grad u, with its consistent tangent.

Laws of fields of m = d components (see ``laws``): xi (d, d, K, P) -> stress (d, d, K, P), 0, tangent (d, d, d, d, K, P). In the
plane they are in plane strain. Moduli are numbers or media a(x, y), as in ``NeoHookean(E=media.inclusion(10, 1, radius=0.3),
nu=0.3)``. Both are elastic: they know no history, so that unloading retraces loading. Plasticity with memory, viscosity and
damage are not among them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hmm_core.media.checks import require

Array = np.ndarray
Modulus = float | Callable[[Array, Array], Array]


def _check(law: object, **allowed: tuple[Callable[[float], bool], str]) -> None:
    """Moduli that are numbers; those that are media are judged where they are asked."""
    for name, (test, words) in allowed.items():
        value = getattr(law, name)
        if not callable(value):
            require(
                np.ndim(value) == 0 and np.isfinite(value) and test(value), name, value, words + ", or a medium a(x, y)"
            )


def _at(modulus: Modulus, x: Array, y: Array) -> Array:
    return np.asarray(modulus(x, y) if callable(modulus) else modulus, dtype=float)


_E = (lambda v: v > 0, "must be a positive number")
_NU = (
    lambda v: -1 < v < 0.5,
    "must lie between -1 and 1/2, without these (at 1/2 the pressure is an unknown of its own)",
)


@dataclass(frozen=True)
class RambergOsgood:
    r"""Small strains, elastic in volume, hardening with a power of the stress in shape.

    The strain that belongs to a stress of deviator s, q = (3/2 s:s)^(1/2), pressure part sigma_m:

        epsilon = sigma_m/(3 K) I + s/(2 mu) + (3/2) alpha (q/yield_stress)^(n-1) s/E,

    in uniaxial tension sigma/E + alpha (yield_stress/E) (sigma/yield_stress)^n; K and mu follow from E and nu. It is inverted
    for s at every point by Newton's method in q alone. The potential is strictly convex. n = 1 is linear. Ramberg and Osgood,
    NACA Technical Note 902 (1943).

    Parameters
    ----------
    E, nu : Young's modulus and Poisson's ratio at small stress; yield_stress > 0, n >= 1 the hardening exponent, alpha >= 0.
    """

    E: Modulus
    nu: Modulus
    yield_stress: Modulus
    n: Modulus
    alpha: Modulus = 3 / 7

    def __post_init__(self) -> None:
        power = (lambda v: v >= 1, "must be a number of at least 1")
        share = (lambda v: v >= 0, "must be a number of at least 0")
        _check(self, E=_E, nu=_NU, yield_stress=_E, n=power, alpha=share)

    def __call__(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, float, Array]:
        E, nu, yielding, n, alpha = (_at(getattr(self, k), x, y) for k in ("E", "nu", "yield_stress", "n", "alpha"))
        d, mu, K = len(xi), E / (2 * (1 + nu)), E / (3 * (1 - 2 * nu))
        one = np.eye(d)[:, :, None, None]
        strain = (xi + xi.swapaxes(0, 1)) / 2
        trace = np.einsum("iikp->kp", strain)
        shape = strain - trace / 3 * one  # its third diagonal entry in the plane, -trace/3, is in the norm
        size = np.sqrt(np.maximum((strain * strain).sum(axis=(0, 1)) - trace**2 / 3, 0.0))
        # q solves q/(3 mu) + alpha (q/yielding)^n yielding/E = r, the equivalent strain; both terms bound it from above.
        r, plastic = np.sqrt(2 / 3) * size, alpha * yielding / E
        q = 3 * mu * r
        with np.errstate(divide="ignore", invalid="ignore"):
            q = np.fmin(q, yielding * (r / plastic) ** (1 / n))
        for _ in range(60):  # convex and increasing: from above it converges monotonically
            part = plastic * (q / yielding) ** n
            slope = 1 / (3 * mu) + n * plastic * (q / yielding) ** (n - 1) / yielding
            step = (q / (3 * mu) + part - r) / slope
            q = q - step
            if not (np.abs(step) > 1e-15 * q).any():
                break
        secant = np.divide(2 * q / 3, r, out=np.broadcast_to(2 * mu, r.shape).copy(), where=r > 0)  # |s|/|e|
        slope = 2 / 3 / (1 / (3 * mu) + n * plastic * (q / yielding) ** (n - 1) / yielding)  # d|s|/d|e|
        unit = np.divide(shape, size, out=np.zeros_like(shape), where=size > 0)
        volume, both = np.einsum("ij,kl->ijkl", np.eye(d), np.eye(d)), np.einsum("ik,jl->ijkl", np.eye(d), np.eye(d))
        both = (both + both.swapaxes(2, 3)) / 2
        volume, both = volume[..., None, None], both[..., None, None]
        tangent = (K - secant / 3) * volume + secant * both + (slope - secant) * unit[:, :, None, None] * unit
        return K * trace * one + secant * shape, 0.0, tangent


@dataclass(frozen=True)
class NeoHookean:
    r"""Finite strains: W = mu/2 (|F|^2 - 3 - 2 ln J) + lam/2 (ln J)^2, F = I + xi, J = det F, compressible neo-Hookean.

    Its flux is the first Piola-Kirchhoff stress P = mu (F - F^-T) + lam ln J F^-T, force per area of the unloaded body, the
    tangent dP/dF. lam and mu follow from E and nu, with which it agrees at small strain. P R-rotates with the body, and W is
    polyconvex for lam ln J < mu + lam; where J <= 0 there is no answer (the law returns nan, and solvers shorten their step).
    """

    E: Modulus
    nu: Modulus

    def __post_init__(self) -> None:
        _check(self, E=_E, nu=_NU)

    def __call__(self, x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, float, Array]:
        E, nu = _at(self.E, x, y), _at(self.nu, x, y)
        lam, mu = E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
        d = len(xi)
        F = np.moveaxis(xi, (0, 1), (-2, -1)) + np.eye(d)
        J = np.linalg.det(F)
        F = np.where((J > 0)[..., None, None], F, np.nan)
        with np.errstate(invalid="ignore"):
            log = np.log(np.where(J > 0, J, np.nan))
            inverse = np.moveaxis(np.linalg.inv(F), (-2, -1), (0, 1))
        flux = mu * (np.moveaxis(F, (-2, -1), (0, 1)) - inverse.swapaxes(0, 1)) + lam * log * inverse.swapaxes(0, 1)
        tangent = (mu - lam * log) * np.einsum("jk...,li...->ijkl...", inverse, inverse)
        tangent += lam * np.einsum("ji...,lk...->ijkl...", inverse, inverse)
        tangent += mu * np.einsum("ik,jl->ijkl", np.eye(d), np.eye(d))[..., None, None]
        return flux, 0.0, tangent
