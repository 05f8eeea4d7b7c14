r"""Run and tumble: straight runs of speed v, ended at random; then a new direction, any with equal probability.

In direction e a run ends at the rate lambda (1 - a . e), a the bias that a gradient of some signal gives. On the large scale
that is a drift and a diffusion,

    F = V U - D grad U,    V = v a  in 1D,  v (1 - (1 - |a|^2)^(1/2)) a/|a|^2  in 2D;    D = v^2/(d lambda)  for a = 0

(Hillen and Othmer, The diffusion limit of transport equations derived from velocity-jump processes, SIAM J. Appl. Math. 61).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.steps import State, finite_positive
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
MIXED = 5.0  # runs that a block must hold


@dataclass(frozen=True)
class RunAndTumble:
    """Particles that run and tumble, each by itself: F of a density U and its gradient.

    Two particles make a system: V is told by where they go in a block, D by how far apart they get in it and in the neighbouring
    block. What is left out by that, and by a start with random directions, is of the size exp(-block rate).

    speed, rate : v and lambda.
    dim : 1, 2 or 3.
    bias : a, |a| < 1: d numbers, or a function of x (d, K) that returns (d, K). () for none.
    block : time over which one number is averaged, at least 5/rate.
    """

    speed: float = 1.0
    rate: float = 1.0
    dim: int = 1
    bias: Sequence[float] | Callable[[Array], Array] = ()
    block: float = 10.0

    depends: ClassVar[tuple[str, ...]] = ("u", "grad")
    stationary: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("speed", "rate", "block"):
            finite_positive(name, getattr(self, name))
        require(isinstance(self.dim, Integral) and self.dim in (1, 2, 3), "dim", self.dim, "must be 1, 2 or 3")
        runs = self.block * self.rate
        require(runs >= MIXED, "block", self.block, f"must be at least {MIXED}/rate, or nothing has mixed within it")
        if not callable(self.bias):
            bias = tuple(self.bias) if isinstance(self.bias, Sequence) else (self.bias,)
            require(len(bias) in (0, self.dim), "bias", self.bias, f"must be {self.dim} numbers or a function of x")
            object.__setattr__(self, "bias", bias)

    @property
    def grad_scale(self) -> float:
        """A gradient that matters: one over the length of a run."""
        return self.rate / self.speed

    def _tilt(self, x: Array) -> Array:
        """a (S, d) at x (d, S)."""
        a = self.bias(x) if callable(self.bias) else np.array(self.bias or (0.0,) * self.dim, dtype=float)[:, None]
        a = np.broadcast_to(np.asarray(a, dtype=float), x.shape)
        size = np.sqrt((a * a).sum(axis=0))
        if not (size < 1).all():
            k = int(np.argmax(~(size < 1)))
            raise RefusedState(
                f"bias has |a|={size[k]} at x={x[:, k].tolist()}: it must be below 1, or a rate is negative"
            )
        return a.T

    def start(self, x: Array, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """e (S, 2, d) directions, apart (S, d) by how much a block has parted the two, and what is asked: u, grad, a."""
        asked = {"u": u, "grad": grad.T, "a": self._tilt(x)}
        if state is not None:
            return {"e": state["e"], "apart": state["apart"], **asked}
        e = self._directions(chance.uniform(2, 2))
        state, _ = self.run({"e": e, "apart": np.zeros((len(u), self.dim)), **asked}, chance)
        return state

    def run(self, state: State, chance: Chance) -> tuple[State, Array]:
        """One block: the state after it, and V U - D grad U (d, S) as the two particles of each system tell it."""
        e, a, T = state["e"], state["a"][:, None], self.block
        left, moved = np.full(e.shape[:2], T), np.zeros_like(e)
        numbers = chance.columns(width=6)
        while (left > 0).any():
            drawn = next(numbers).T.reshape(-1, 2, 3)  # systems, particles, numbers
            ends = self.rate * (1 - (a * e).sum(axis=2))
            lasts = np.minimum(-np.log1p(-drawn[:, :, 0]) / ends, left)
            moved += self.speed * lasts[:, :, None] * e
            left = left - lasts
            e = np.where((left > 0)[:, :, None], self._directions(drawn[:, :, 1:]), e)
        apart, before = moved[:, 0] - moved[:, 1], state["apart"]
        along = [(part * state["grad"]).sum(axis=1, keepdims=True) for part in (apart, before)]
        spread = (apart * (along[0] + along[1]) + before * along[0]) / (4 * T)
        flux = state["u"][:, None] * moved.mean(axis=1) / T - spread
        return state | {"e": e, "apart": apart}, flux.T

    def _directions(self, uniform: Array) -> Array:
        """Unit vectors (..., d), all alike, from two numbers (..., 2)."""
        first, second = uniform[..., 0], 2 * math.pi * uniform[..., 1]
        if self.dim == 1:
            return np.where(first < 0.5, -1.0, 1.0)[..., None]
        if self.dim == 2:
            return np.stack([np.cos(second), np.sin(second)], axis=-1)
        height = 2 * first - 1
        flat = np.sqrt(1 - height * height)
        return np.stack([flat * np.cos(second), flat * np.sin(second), height], axis=-1)
