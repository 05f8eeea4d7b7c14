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

    def start(self, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """n (S, sites): occupations from the product measure, on the ring with as many particles as u asks for; or those of
        ``state`` likewise. phi (S, 2): the reservoirs' fugacities; most (S,): particles that no site will exceed."""
        left, right = self.densities(u, grad)
        if self.ends == "ring":
            numbers = self.numbers(u, chance)
            n = self._on_ring(numbers, chance) if state is None else with_numbers(state["n"], numbers, chance, math.inf)
            phi, most = np.zeros((len(u), 2)), n.sum(axis=1)
        else:
            distinct, place = np.unique(np.stack([left, right], axis=1), return_inverse=True)
            phi = self.fugacity(distinct)[place.reshape(-1, 2)]
            profile = phi[:, :1] + (phi[:, 1:] - phi[:, :1]) * np.arange(1, self.sites + 1) / self.bonds
            n = self._drawn(profile, chance.uniform(self.sites)) if state is None else state["n"]
            most = self._likely(np.maximum(left, right))
        shared = most.reshape(len(chance.points), -1).max(
            axis=1
        )  # by the variants of a point: they are to share a clock
        return {"n": n, "phi": phi, "most": np.repeat(shared, len(u) // len(shared))}

    def _on_ring(self, numbers: Array, chance: Chance) -> Array:
        """Occupations (S, sites) of the stationary measure of so many particles (S,), site by site."""
        n, uniform = np.zeros((len(numbers), self.sites), np.int64), chance.uniform(self.sites)
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

    def run(self, state: State, chance: Chance) -> tuple[State, Array]:
        """One block: the state after it, and the flux (1, S): on the ring (p - q) <g>, averaged over the lattice once a sweep;
        between reservoirs, where that is the same number for all states, jumps are counted.

        A site is drawn at random, and one of its particles jumps with probability g(n)/G, G the largest rate that can occur:
        the process at the ticks of a clock that its state does not influence.
        """
        ring, sites, phi, most = self.ends == "ring", self.sites, state["phi"].T, state["most"]
        systems = len(most)
        table = self._rates(np.arange(most.max() + 2))
        places = sites if ring else sites + 2  # with the reservoirs as the first and the last site
        ticks = np.ceil(places * np.maximum.accumulate(table)[most])  # a sweep
        bound, share = ticks / places, self.p / (self.p + self.q)
        n = np.zeros((systems, places), np.int64)
        n[:, slice(None) if ring else slice(1, -1)] = state["n"]
        flat, base = n.reshape(-1), np.arange(systems) * places
        sweeps, columns, total = (
            max(1, round(self.block * (self.p + self.q))),
            chance.columns(width=2),
            np.zeros(systems),
        )
        together = ticks.min() == ticks.max()
        for _ in range(sweeps):
            for tick in range(int(ticks.max())):
                v, w = next(columns)
                z = v * places
                site = z.astype(np.intp)
                right_going = z - site < share
                rate = table[flat[base + site]]
                target = site + np.where(right_going, 1, -1)
                if ring:
                    target %= sites
                    move = w * bound < rate
                else:
                    first, final = site == 0, site == places - 1
                    rate = np.where(first, phi[0], np.where(final, phi[1], rate))
                    move = (w * bound < rate) & (target >= 0) & (target < places)
                    target = np.where(move, target, site)
                if not together:
                    move &= tick < ticks
                flat[base + site] -= move
                flat[base + target] += move
                if not ring:
                    n[:, 0] = n[:, -1] = 0
                    total += np.where(right_going, move, -1.0 * move)
            if ring:
                total += (self.p - self.q) * table[n].sum(axis=1)
            elif (n.max(axis=1) > most).any():
                raise RefusedState(
                    f"more than {most.min()} particles met on a site, which has a probability below 1e-14"
                )
        time = sweeps if ring else sweeps / (self.p + self.q)
        inside = n if ring else n[:, 1:-1]
        return state | {"n": inside.copy()}, self.current(total / (self.bonds * time))

    def _likely(self, density: Array) -> Array:
        """Particles (S,) that a site of this density does not exceed, but with a probability below 1e-14 or so."""
        distinct, place = np.unique(density, return_inverse=True)
        measure = self._measure(self.fugacity(distinct), int(100 + 60 * distinct.max()))
        tail = np.cumsum(measure[::-1], axis=0)[::-1]
        return (tail > 1e-16).sum(axis=0)[place]
