r"""The exclusion process: at most one particle a site; a jump onto an occupied site does not happen.

On a ring of L sites with N particles all configurations are equally likely, and the current through a bond is

    j = (p - q) N (L - N) / (L (L - 1))   ->   (p - q) rho (1 - rho)      (L -> inf),

the flux of Burgers' equation and of the simplest traffic. Between reservoirs of densities rho_l and rho_r, with p = q, it is
p (rho_l - rho_r)/(L + 1): Fick's law.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.lattice import LatticeGas, State, with_numbers

Array = np.ndarray


@dataclass(frozen=True)
class Exclusion(LatticeGas):
    __doc__ = "The exclusion process.\n\n" + (LatticeGas.__doc__ or "")

    most: ClassVar[float] = 1.0

    def rates(self, top: int) -> tuple[Array, Array]:
        """g = 1 where there is a particle, h = 1 where there is none."""
        return np.array([0.0, 1.0]), np.array([1.0, 0.0])

    def potential(self, top: int) -> Array:
        """V = n: Fick's law holds without a mean."""
        return np.array([0.0, 1.0])

    def ring_current(self, particles: int) -> float:
        """j of N particles on the ring, exactly."""
        require(0 <= particles <= self.sites, "particles", particles, f"must be an integer from 0 to {self.sites}")
        return (self.p - self.q) * particles * (self.sites - particles) / (self.sites * (self.sites - 1))

    def start(self, x: Array, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """The stationary measure (between reservoirs: independent sites of its densities, which have its current), or the
        particles of ``state``, on the ring as many of them as u asks for."""
        densities = np.stack(self.densities(u, grad), axis=1)
        if self.ends != "reservoirs":
            numbers, weights = self.fillings(u, grad)
            n = np.zeros((*numbers.shape, self.sites), np.int64) if state is None else state["n"].astype(np.int64)
            n = with_numbers(n, numbers, chance, 1)
        else:
            profile = densities[:, :1] + np.diff(densities) * np.arange(1, self.sites + 1) / self.bonds
            n = state["n"] if state is not None else (chance.uniform(self.sites) < profile)[:, None]
            weights = np.ones((len(u), 1))
        ends = np.stack([densities, 1 - densities], axis=2)
        return {"n": n.astype(np.int32), "weights": weights, "top": np.ones(len(u), np.int64), "ends": ends}
