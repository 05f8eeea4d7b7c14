"""What stochastic differential equations share: small steps, and a current averaged over a block of them."""

import math
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance

Array = np.ndarray
State = dict[str, Array]  # of S systems: every array has the system axis first


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """A stochastic differential equation for S systems at once.

    dt : time step.
    block : time over which one number is averaged; made a whole number of steps.
    """

    dt: float = 0.05
    block: float = 1.0

    dim: ClassVar[int] = 1
    noises: ClassVar[int] = 1  # normal numbers that a step takes
    stationary: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("dt", "block"):
            finite_positive(name, getattr(self, name))
        require(self.dt <= self.block, "dt", self.dt, f"must not exceed the block of {self.block}")
        object.__setattr__(self, "block", round(self.block / self.dt) * self.dt)

    def step(self, state: State, xi: Array) -> State:
        """One step later, by the normal numbers xi (noises, S)."""
        raise NotImplementedError

    def current(self, state: State) -> Array:
        """The flux (d, S) of every system now."""
        raise NotImplementedError

    def run(self, state: State, chance: Chance) -> tuple[State, Array]:
        """One block: the state after it, and the flux (d, S) averaged over it by the trapezoidal rule."""
        steps, numbers = round(self.block / self.dt), chance.columns(width=self.noises, normal=True)
        begin, total = self.current(state), 0.0
        for _ in range(steps):
            state = self.step(state, next(numbers))
            now = self.current(state)
            total = total + now
        return state, (total + 0.5 * (begin - now)) / steps


def finite_positive(name: str, value: float, infinite: bool = False) -> None:
    """ValueError unless ``value`` is a positive number, finite if it must be."""
    number = isinstance(value, Real) and not isinstance(value, bool) and value > 0
    allowed = "must be a positive number" if infinite else "must be a positive finite number"
    require(number and (infinite or value < math.inf), name, value, allowed)
