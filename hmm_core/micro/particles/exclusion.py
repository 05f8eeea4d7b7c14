r"""The exclusion process: at most one particle a site; a jump onto an occupied site does not happen.

On a ring of L sites with N particles all configurations are equally likely, and the current through a bond is

    j = (p - q) N (L - N) / (L (L - 1))   ->   (p - q) rho (1 - rho)      (L -> inf),

the flux of Burgers' equation and of the simplest traffic. Between reservoirs of densities rho_l and rho_r, with p = q, it is
p (rho_l - rho_r)/(L + 1): Fick's law.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.lattice import LatticeGas, State, with_numbers

Array = np.ndarray


@dataclass(frozen=True)
class Exclusion(LatticeGas):
    __doc__ = "The exclusion process.\n\n" + (LatticeGas.__doc__ or "")

    most: ClassVar[float] = 1.0

    def start(self, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """n (S, sites): occupations of the stationary measure (between reservoirs: of the densities in between, independent),
        or those of ``state`` with as many particles as u asks for. ends (S, 2): the reservoirs' densities."""
        ends = np.stack(self.densities(u, grad), axis=1)
        if self.ends == "ring":
            n = np.zeros((len(u), self.sites), np.int64) if state is None else state["n"].astype(np.int64)
            n = with_numbers(n, self.numbers(u, chance), chance, 1)
        elif state is None:
            profile = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.arange(1, self.sites + 1) / self.bonds
            n = chance.uniform(self.sites) < profile
        else:
            n = state["n"]
        return {"n": n.astype(np.uint8), "ends": ends}

    def run(self, state: State, chance: Chance) -> tuple[State, Array]:
        """One block: the state after it, and the flux (1, S). On the ring it is the expected current, averaged over the
        lattice once a sweep. Between reservoirs that is the same number for all states, so jumps are counted there.

        A bond is drawn at random, bonds x (p + q) times in a unit of time, with a direction. That is the process seen
        at the ticks of a clock that its state does not influence, so all averages over time are its own.
        """
        systems, ring = chance.systems, self.ends == "ring"
        lattice = np.empty((systems, self.sites + 2), np.uint8)
        lattice[:, 1:-1] = state["n"]
        flat, base = lattice.reshape(-1), np.arange(systems) * (self.sites + 2) + ring
        after = np.roll(np.arange(self.sites), -1) if ring else np.arange(1, self.sites + 2)
        share, ends = self.p / (self.p + self.q), state["ends"].T
        sweeps = max(1, round(self.block * (self.p + self.q)))
        total, columns = np.zeros(systems), chance.columns(width=1 if ring else 2)
        for _ in range(sweeps):
            for _ in range(self.bonds):
                v = next(columns)
                if not ring:
                    v, w = v
                    lattice[:, 0], lattice[:, -1] = w < ends
                z = v * self.bonds
                bond = z.astype(np.intp)
                a, b = base + bond, base + after[bond]
                here, there = flat[a], flat[b]
                rightward = z - bond < share
                move = (here != there) & (here == rightward)
                flat[a], flat[b] = here ^ move, there ^ move
                if not ring:
                    total += np.where(rightward, move, -1.0 * move)
            if ring:  # as many bonds 1 0 as 0 1
                n = lattice[:, 1:-1]
                active = (n[:, :-1] > n[:, 1:]).sum(axis=1) + (n[:, -1] > n[:, 0])
                total += (self.p - self.q) * active
        time = sweeps if ring else sweeps / (self.p + self.q)
        return state | {"n": lattice[:, 1:-1].copy()}, self.current(total / (self.bonds * time))
