r"""The zero-range process: a particle leaves a site that holds n of them at rate g(n), wherever it goes.

Its stationary measures are products: a site holds n particles with a probability proportional to phi^n / (g(1) ... g(n)), and

    <g> = phi,    <n> = rho:    the fugacity phi(rho) is the current through a bond, up to p - q

(Evans and Hanney, doi:10.48550/arXiv.cond-mat/0501338). g(n) = 1 gives phi = rho/(1 + rho); g(n) = n are independent walkers,
phi = rho. Between reservoirs the fugacity is linear from end to end (Levine, Mukamel and Schuetz,
doi:10.48550/arXiv.cond-mat/0412129), so that F = -d phi(U)/dx: a nonlinear diffusion.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.lattice import LatticeGas, State, with_numbers
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
MOST = 20_000  # particles of one site that sums over the measure go up to


def one(n: Array) -> Array:
    """g(n) = 1 while there is somebody: the site serves one at a time."""
    return (n > 0).astype(float)


def each(n: Array) -> Array:
    """g(n) = n: everybody walks alone."""
    return n.astype(float)


@dataclass(frozen=True)
class ZeroRange(LatticeGas):
    __doc__ = f"""The zero-range process.

    rate : g, a function of an integer array with g(0) = 0 and g(n) > 0 for n > 0. By default 1.

    {LatticeGas.__doc__}"""

    rate: Callable[[Array], Array] = one

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.rate):
            raise TypeError(f"rate={self.rate!r} must be a function of the number of particles")
        self._rates(np.arange(4))

    def _rates(self, n: Array) -> Array:
        g = np.asarray(self.rate(n), dtype=float)
        require(g.shape == n.shape, "rate", g.shape, f"must return as many numbers as it is asked for, {n.shape}")
        bad = ~(np.isfinite(g) & np.where(n > 0, g > 0, g == 0))
        if bad.any():
            k = int(np.argmax(bad))
            require(False, "rate", g.ravel()[k], f"at n={n.ravel()[k]}: must be 0 at n = 0, positive and finite above")
        return g

    # -- the measure --------------------------------------------------------------------------------------------------------

    def _measure(self, fugacity: Array, most: int) -> Array:
        """Probabilities (most + 1, K) of 0, 1, ... particles on a site."""
        n = np.arange(1, most + 1)
        weights = np.concatenate([[0.0], np.cumsum(-np.log(self._rates(n)))])
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(fugacity) * np.arange(most + 1)[:, None] + weights[:, None]
        logs[0] = 0.0
        share = np.exp(logs - logs.max(axis=0))
        return share / share.sum(axis=0)

    def fugacity(self, density: ArrayLike) -> Array:
        """phi of a density (any shape): <n> = density, to round-off.

        Raises RefusedState for a density that no product measure has: negative, or above the one at which the particles
        condense onto one site.
        """
        density = np.asarray(density, dtype=float)
        if not (np.isfinite(density) & (density >= 0)).all():
            raise RefusedState(f"density {density[~(density >= 0)].ravel()[:1]} must be finite and not negative")
        rho = density.ravel()
        most = int(min(MOST, 100 + 60 * rho.max(initial=0)))
        n = np.arange(most + 1.0)[:, None]
        low, high = np.full(rho.size, -700.0), np.full(rho.size, math.log(self._rates(np.arange(1, most + 1)).max()))
        for _ in range(100):  # bisection in log phi
            middle = 0.5 * (low + high)
            few = (n * self._measure(np.exp(middle), most)).sum(axis=0) < rho
            low, high = np.where(few, middle, low), np.where(few, high, middle)
        found = np.where(rho > 0, np.exp(0.5 * (low + high)), 0.0)
        tail = self._measure(found, most)[-1]
        if (tail > 1e-12).any():
            k = int(np.argmax(tail))
            raise RefusedState(
                f"density {rho[k]} has no product measure: more than {most} particles on a site are likely"
            )
        return found.reshape(density.shape)

    def canonical(self, particles: int) -> tuple[Array, Array]:
        """The measure of N particles on the ring, as w (N + 1,) and Z (sites + 1, N + 1): L sites hold n particles with
        probability Z[L, n] = sum_k w_k Z[L - 1, n - k] in the product measure of density N/sites.

        All configurations of N particles are conditioned on Z[sites, N]; <g> = phi Z[sites, N - 1]/Z[sites, N].
        """
        w = self._measure(self.fugacity(np.array([particles / self.sites])), max(1, particles))[:, 0]
        Z = np.zeros((self.sites + 1, particles + 1))
        Z[0, 0] = 1.0
        for L in range(self.sites):
            Z[L + 1] = np.convolve(Z[L], w)[: particles + 1]
        return w[: particles + 1], Z

    def ring_current(self, particles: int) -> float:
        """(p - q) <g> of N particles on the ring, exactly."""
        if not particles:
            return 0.0
        _, Z = self.canonical(particles)
        phi = float(self.fugacity(particles / self.sites))
        return (self.p - self.q) * phi * Z[-1, -2] / Z[-1, -1]

    # -- the process --------------------------------------------------------------------------------------------------------

    def rates(self, top: int) -> tuple[Array, Array]:
        """g, and h = 1; but no site takes in more than ``top`` particles, which it would with a probability below 1e-14."""
        h = np.ones(top + 1)
        h[top] = 0.0
        return self._rates(np.arange(top + 1)), h

    def potential(self, top: int) -> Array:
        """V = g: its mean is the fugacity."""
        return self._rates(np.arange(top + 1))

    def start(self, x: Array, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """The stationary measure, on the ring with as many particles as u asks for; or the particles of ``state`` likewise."""
        densities = np.stack(self.densities(u, grad), axis=1)
        distinct, place = np.unique(densities, return_inverse=True)
        phi, likely = (value[place.reshape(-1, 2)] for value in (self.fugacity(distinct), self._likely(distinct)))
        if self.ends != "reservoirs":
            numbers, weights = self.fillings(u, grad)
            uniform = np.repeat(chance.uniform(self.sites), numbers.shape[1], axis=0)
            n = (
                self._on_ring(numbers.ravel(), uniform).reshape(*numbers.shape, self.sites)
                if state is None
                else state["n"]
            )
            n = with_numbers(n, numbers, chance, math.inf)
        else:
            profile = phi[:, :1] + np.diff(phi) * np.arange(1, self.sites + 1) / self.bonds
            n = state["n"] if state is not None else self._drawn(profile, chance.uniform(self.sites))[:, None]
            weights = np.ones((len(u), 1))
        top = np.maximum(likely.max(axis=1), n.max(axis=(1, 2)))
        shared = top.reshape(len(chance.points), -1).max(axis=1)  # by the copies of a point, which share a clock
        top, ends = np.repeat(shared, len(u) // len(shared)), np.stack([phi, np.ones_like(phi)], axis=2)
        return {"n": n.astype(np.int32), "weights": weights, "top": top, "ends": ends}

    def _on_ring(self, numbers: Array, uniform: Array) -> Array:
        """Occupations (rows, sites) of the stationary measure of so many particles (rows,), site by site."""
        n = np.zeros((len(numbers), self.sites), np.int64)
        for N in np.unique(numbers):
            mine = np.flatnonzero(numbers == N)
            w, Z = self.canonical(int(N))
            left = np.full(mine.size, N)
            for site in range(self.sites - 1):
                rest = left[:, None] - np.arange(N + 1)
                weight = np.where(rest >= 0, w * Z[self.sites - 1 - site][np.maximum(rest, 0)], 0.0)
                sums = np.cumsum(weight, axis=1)
                n[mine, site] = (sums <= uniform[mine, site, None] * sums[:, -1:]).sum(axis=1)
                left -= n[mine, site]
            n[mine, -1] = left
        return n

    def _drawn(self, fugacity: Array, uniform: Array) -> Array:
        distinct, place = np.unique(fugacity, return_inverse=True)
        n = np.empty(fugacity.size, np.int64)
        for k, phi in enumerate(distinct):
            mine = place.ravel() == k
            measure = self._measure(np.array([phi]), 1000)[:, 0] if phi > 0 else np.ones(1)
            n[mine] = np.searchsorted(np.cumsum(measure), uniform.ravel()[mine] * (1 - 1e-12))
        return n.reshape(fugacity.shape)

    def _likely(self, density: Array) -> Array:
        """Particles (S,) that a site of this density does not exceed, but with a probability below 1e-14 or so."""
        measure = self._measure(self.fugacity(density), int(100 + 60 * density.max()))
        tail = np.cumsum(measure[::-1], axis=0)[::-1]
        return np.maximum(1, (tail > 1e-16).sum(axis=0))
