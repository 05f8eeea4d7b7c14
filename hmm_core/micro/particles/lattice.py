"""Particles on a line of sites: how many there are, where they start, and what stands at the ends."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
State = dict[str, Array]  # of S systems: every array has the system axis first


@dataclass(frozen=True)
class LatticeGas:
    r"""Particles that jump to a neighbouring site, to the right with rate p and to the left with rate q (times what the
    process says), on ``sites`` sites.

    ends : "ring" - closed to a ring, which keeps its number of particles, N = sites x density: the current j(rho) through a
        bond, in particles per unit of time, is the flux F(U) of a balance law. Or "reservoirs" - between two reservoirs of the
        densities U -+ length grad/2, for p = q: the box is ``length`` long in macro units, and (sites + 1) j/length
        is the flux F(U, grad U) of a diffusion.
    block : time over which one number is averaged.
    """

    sites: int = 100
    p: float = 1.0
    q: float = 0.0
    ends: str = "ring"
    length: float = 0.1
    block: float = 1.0

    dim: ClassVar[int] = 1
    most: ClassVar[float] = math.inf  # largest density

    def __post_init__(self) -> None:
        require(isinstance(self.sites, Integral) and self.sites >= 3, "sites", self.sites, "must be an integer >= 3")
        for name in ("p", "q", "length", "block"):
            value = getattr(self, name)
            ok = isinstance(value, Real) and not isinstance(value, bool) and 0 <= value < math.inf
            require(ok, name, value, "must be a finite number, not negative")
        require(
            self.length > 0 and self.block > 0, "block", (self.length, self.block), "length and block must be positive"
        )
        require(self.p + self.q > 0, "p", self.p, "p + q must be positive, or nothing moves")
        require(self.ends in ("ring", "reservoirs"), "ends", self.ends, "must be 'ring' or 'reservoirs'")
        if self.ends == "reservoirs":
            require(
                self.p == self.q, "p", (self.p, self.q), "p = q is needed between reservoirs: a drift has no Fick's law"
            )

    @property
    def bonds(self) -> int:
        return self.sites if self.ends == "ring" else self.sites + 1

    @property
    def depends(self) -> tuple[str, ...]:
        """What of the macro state its flux depends on."""
        return ("u",) if self.ends == "ring" else ("u", "grad")

    @property
    def grad_scale(self) -> float:
        """Change of the gradient that moves the density at an end by one."""
        return 2 / self.length

    def densities(self, u: Array, grad: Array) -> tuple[Array, Array]:
        """Of the left and right end, for u (S,), grad (1, S).

        Raises RefusedState where one is outside [0, most].
        """
        half = 0.0 if self.ends == "ring" else 0.5 * self.length * grad[0]
        left, right = u - half, u + half
        for density in (left, right):
            bad = ~((density >= 0) & (density <= self.most))
            if bad.any():
                k = int(np.argmax(bad))
                at = (
                    ""
                    if self.ends == "ring"
                    else f", at the end of a box of length {self.length} with gradient {grad[0, k]}"
                )
                raise RefusedState(f"density {density[k]} (u={u[k]}{at}) must lie in [0, {self.most}]")
        return left, right

    def numbers(self, u: Array, chance: Chance) -> Array:
        """Particles (S,) on the ring: whole numbers whose mean over the replicas is sites x density as nearly as can be."""
        share = (np.arange(chance.replicas) + 0.5) / chance.replicas
        share = np.broadcast_to(share, (chance.systems // chance.replicas, chance.replicas)).ravel()
        return np.floor(u * self.sites + share).astype(np.int64)

    def current(self, per_bond: Array) -> Array:
        """The macro flux (1, S) from the current through a bond."""
        return per_bond[None] * (1.0 if self.ends == "ring" else self.bonds / self.length)


def with_numbers(n: Array, target: Array, chance: Chance, most: float) -> Array:
    """Occupations n (S, L) with particles added or taken away, at sites chosen by chance, until there are ``target`` (S,)."""
    n = n.copy()
    for attempt in range(2, 2 + 10 * n.shape[1]):
        lack = target - n.sum(axis=1)
        if not lack.any():
            break
        may = np.where(lack[:, None] > 0, n < most, n > 0)
        order = np.where(may, chance.uniform(n.shape[1], purpose=attempt), 2.0).argsort(axis=1).argsort(axis=1)
        n = n + np.sign(lack)[:, None] * ((order < np.abs(lack)[:, None]) & may)
    return n
