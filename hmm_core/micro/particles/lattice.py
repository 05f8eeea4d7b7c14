r"""Particles on a line of sites: how many there are, how they jump, what stands at the ends.

A particle jumps from a site that holds a to a neighbour that holds b at the rate p g(a) h(b) to the right, q g(a) h(b) to
the left.
Exclusion and zero-range processes are two choices of g and h. Time is uniformised: a bond is drawn at the ticks of a clock
that the state does not influence, and the jump happens with the probability that its rate demands. So averages over time
are those of the process, and two systems that see the same random numbers stay close.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar

import numpy as np

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
AT_ONCE = 2**14  # jumps that are prepared together: their arrays fit into the cache
ENDS = ("ring", "reservoirs", "rings")
ROUND_OFF = 1e-12  # densities so far out of bounds are taken to stand on the bound
State = dict[str, Array]  # of S systems: every array has the system axis first


@dataclass(frozen=True)
class LatticeGas:
    r"""Particles that jump to a neighbouring site, to the right with rate p and to the left with rate q (times what the
    process says), on ``sites`` sites.

    ends : "ring" - closed to a ring, which keeps its number of particles: the current j(rho) through a bond, in particles per
        unit of time, is the flux F(U) of a balance law. Or, for p = q, where a gradient drives a diffusion: "reservoirs" - a
        box between two reservoirs of the densities U -+ length grad/2, ``length`` long in macro units: (sites + 1) j/length is
        the flux F(U, grad U), and jumps are counted. "rings" - two rings of these densities, each in equilibrium: as the current
        is a difference p (V(a) - V(b)), F = -p (<V>_right - <V>_left)/length, known far better in the same time.
        A ring of a density between N and N + 1 particles is told by both, so that F is a continuous function of U.
    block : time over which one number is averaged, rounded to a whole number of 1/(p + q).
    """

    sites: int = 100
    p: float = 1.0
    q: float = 0.0
    ends: str = "ring"
    length: float = 0.1
    block: float = 1.0

    dim: ClassVar[int] = 1
    most: ClassVar[float] = math.inf  # largest density
    stationary: ClassVar[bool] = True  # start() draws from a measure in which the flux has its mean already

    def __post_init__(self) -> None:
        whole = isinstance(self.sites, Integral) and not isinstance(self.sites, bool)
        require(whole and self.sites >= 3, "sites", self.sites, "must be an integer >= 3")
        for name in ("p", "q", "length", "block"):
            value = getattr(self, name)
            ok = isinstance(value, Real) and not isinstance(value, bool) and 0 <= value < math.inf
            require(ok, name, value, "must be a finite number, not negative")
        require(self.length > 0, "length", self.length, "must be positive")
        require(self.p + self.q > 0, "p", self.p, "p + q must be positive, or nothing moves")
        require(self.ends in ENDS, "ends", self.ends, f"must be one of {', '.join(map(repr, ENDS))}")
        drift = self.ends != "ring" and self.p != self.q
        require(not drift, "p", (self.p, self.q), f"p = q is needed with ends={self.ends!r}: a drift has no Fick's law")
        sweeps = self.block * (self.p + self.q)
        require(sweeps > 0, "block", self.block, "must be positive")
        object.__setattr__(self, "block", max(1, round(sweeps)) / (self.p + self.q))

    @property
    def bonds(self) -> int:
        return self.sites + 1 if self.ends == "reservoirs" else self.sites

    @property
    def depends(self) -> tuple[str, ...]:
        """What of the macro state its flux depends on."""
        return ("u",) if self.ends == "ring" else ("u", "grad")

    @property
    def grad_scale(self) -> float:
        """Change of the gradient that moves the density at an end by one."""
        return 2 / self.length

    def rates(self, top: int) -> tuple[Array, Array]:
        """g(0 ... top) and h(0 ... top)."""
        raise NotImplementedError

    def potential(self, top: int) -> Array:
        """V(0 ... top), of which the expected current of the symmetric process is a difference."""
        raise NotImplementedError

    def densities(self, u: Array, grad: Array) -> tuple[Array, Array]:
        """Of the left and right end, for u (S,), grad (1, S).

        Raises RefusedState where one is outside [0, most].
        """
        half = 0.0 if self.ends == "ring" else 0.5 * self.length * grad[0]
        left, right = u - half, u + half
        for density in (left, right):
            bad = ~((density >= -ROUND_OFF) & (density <= self.most + ROUND_OFF))
            if bad.any():
                k = int(np.argmax(bad))
                box = f", at the end of a box of length {self.length} with gradient {grad[0, k]}"
                where = "" if self.ends == "ring" else box
                raise RefusedState(f"density {density[k]} (u={u[k]}{where}) must lie in [0, {self.most}]")
        return np.clip(left, 0.0, self.most), np.clip(right, 0.0, self.most)

    def inside(self, u: Array, grad: Array, margin: float) -> Array:
        """The nearest u whose densities may move by ``margin`` up and down."""
        room = margin + (0.0 if self.ends == "ring" else 0.5 * self.length * abs(grad[0]))
        return np.maximum(np.minimum(u, self.most - room), room)

    def fillings(self, u: Array, grad: Array) -> tuple[Array, Array]:
        """Particles (S, C) of the C rings that tell F at u (S,), grad (1, S), and the weights (S, C) of what they say."""
        density = np.stack(self.densities(u, grad)[: 2 if self.ends == "rings" else 1], axis=1)
        fewer = np.minimum(np.floor(density * self.sites + ROUND_OFF), self.most * self.sites - 1)
        more = density * self.sites - fewer
        parts = np.stack([1 - more, more], axis=2)
        if self.ends == "rings":
            parts *= self.p / self.length * np.array([[1.0], [-1.0]])
        numbers = (fewer[:, :, None] + [0, 1]).astype(np.int64)
        return numbers.reshape(len(u), -1), parts.reshape(len(u), -1)

    def run(self, state: State, chance: Chance) -> tuple[State, Array]:
        """One block: the state after it, and the flux (1, S) averaged over it.

        state : n (S, C, sites) particles, of C rings or one box; weights (S, C) of the rings; top (S,) so many that no site will
        hold more; ends (S, 2, 2) g and h of the left and the right reservoir.

        On rings the expected current, p g(a) h(b) - q g(b) h(a), or V, is averaged over the sites once a sweep. Between
        reservoirs jumps are counted: the expected current, summed over the bonds, is the same number there for all
        states, and its average would be no measurement.
        """
        box, bonds, (S, C) = self.ends == "reservoirs", self.bonds, state["n"].shape[:2]
        g, h = self.rates(int(state["top"].max()))
        ticks = np.repeat(np.ceil(bonds * np.maximum.accumulate(g)[state["top"]]).astype(np.int64), C)
        g, h = np.append(g, 1.0), np.append(h, 1.0)  # -1 stands at the ends, whose rates are the reservoirs'

        n = np.full((S * C, self.sites + 2 * box), -1, np.intp)
        inside = n[:, 1:-1] if box else n
        inside[:] = state["n"].reshape(inside.shape)
        flat, after = n.reshape(-1), np.append(np.arange(1, bonds), bonds if box else 0)
        reservoirs = np.moveaxis(state["ends"], 0, -1)[[[0, 0], [1, 1]], [[1, 0], [0, 1]]]  # by end, by direction
        sweeps, total = round(self.block * (self.p + self.q)), np.zeros(S * C)
        last, kinds = sweeps * ticks, [(t, np.flatnonzero(ticks == t)) for t in np.unique(ticks)]
        attempts = self._attempts(chance, C, np.arange(S * C) * n.shape[1], after, ticks / bonds)
        for tick, (bond, right, source, target, luck) in zip(range(int(last.max())), attempts, strict=False):
            leaves, enters = flat[source], flat[target]
            rate = g[leaves] * h[enters]
            if box:
                edge = np.flatnonzero((bond == 0) | (bond == bonds - 1))
                rate[edge] *= reservoirs[(bond[edge] > 0).astype(int), right[edge].astype(int), edge]
            move = luck < rate
            if len(kinds) > 1:
                move &= tick < last
            flat[source] = leaves - move
            flat[target] = enters + move
            if box:
                n[:, 0] = n[:, -1] = -1
                total += np.where(right, move, -1.0 * move)
                continue
            for t, mine in kinds:
                if (tick + 1) % t == 0 and tick < sweeps * t:
                    total[mine] += self._seen(n[mine], g, h, after)
        state = state | {"n": inside.reshape(S, C, self.sites).astype(np.int32)}
        if box:
            return state, total[None] / (self.block * self.length)
        return state, (state["weights"] * total.reshape(S, C)).sum(axis=1)[None] / (self.sites * sweeps)

    def _attempts(self, chance: Chance, C: int, base: Array, after: Array, bound: Array) -> Iterator[tuple[Array, ...]]:
        """Tick by tick, for S C systems at ``base``: the bond, whether to the right, the places from and to, and the rate (S C,)
        that the jump must exceed. All of that is told by one random number; systems of one copy get the same."""
        share, few = self.p / (self.p + self.q), max(1, AT_ONCE // len(base))
        to_right, to_left = (bound / part if part else bound for part in (share, 1 - share))
        for block in chance.blocks():
            for first in range(0, len(block), few):
                z = np.repeat(block[first : first + few, 0], C, axis=1) * self.bonds
                bond = z.astype(np.intp)
                z -= bond
                source, target, right = base + bond, base + after[bond], z < share
                if share < 1:
                    source, target = np.where(right, source, target), np.where(right, target, source)
                    z = np.where(right, z * to_right, (z - share) * to_left)
                else:
                    z *= to_right
                yield from zip(bond, right, source, target, z, strict=True)

    def _seen(self, n: Array, g: Array, h: Array, after: Array) -> Array:
        """Sum over the sites of rings n (rows, sites): of the expected current, or of V."""
        if self.ends == "rings":
            return self.potential(len(g) - 2)[n].sum(axis=1)
        G, H = g[n], h[n]
        return self.p * (G * H[:, after]).sum(axis=1) - self.q * (G[:, after] * H).sum(axis=1)


def with_numbers(n: Array, target: Array, chance: Chance, most: float) -> Array:
    """Occupations n (S, C, L) with particles added or taken away at sites chosen by chance, until there are ``target`` (S, C)."""
    n = n.copy()
    for attempt in range(2, 2 + 10 * n.shape[2]):
        lack = (target - n.sum(axis=2))[:, :, None]
        if not lack.any():
            break
        may = np.where(lack > 0, n < most, n > 0)
        luck = chance.uniform(n.shape[2], purpose=attempt)[:, None]
        order = np.where(may, luck, 2.0).argsort(axis=2).argsort(axis=2)
        n = n + np.sign(lack) * ((order < np.abs(lack)) & may)
    return n
