r"""A fast variable that follows a slow one: overdamped Langevin dynamics

    dY = b(U, Y) dt + sqrt(2 T) dW,    F(U) = E_mu[f(U, Y)],

mu the stationary measure of Y while U stands still; for b = -dV/dy its density is exp(-V(U, y)/T) up to a constant. Time is
counted on the fast scale. The step is that of Leimkuhler and Matthews (doi:10.48550/arXiv.1203.5428), whose averages are
wrong by O(dt^2), and by nothing at all for the variance of a linear b.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.steps import Diffusion, State, finite_positive
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray


@dataclass(frozen=True)
class Relaxation:
    """b = -rate (y - u): the Ornstein-Uhlenbeck process about u; its measure is normal, of variance T/rate."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        finite_positive("rate", self.rate)

    def __call__(self, u: Array, y: Array) -> Array:
        return -self.rate * (y - u)


@dataclass(frozen=True)
class DoubleWell:
    """b = -dV/dy, V = height (y^2 - 1)^2 - u y: two wells, tilted by u. Where height is many T, Y changes wells once in about
    exp(height/T), and a trajectory shorter than that knows one of them only."""

    height: float = 1.0

    def __post_init__(self) -> None:
        finite_positive("height", self.height)

    def __call__(self, u: Array, y: Array) -> Array:
        return u - 4 * self.height * y * (y * y - 1)


@dataclass(frozen=True)
class Langevin(Diffusion):
    """A fast variable at a slow one that stands still.

    flux : f(u, y), arrays (S,) -> (S,): what is averaged.
    drift : b(u, y) likewise, such as ``Relaxation()`` or ``DoubleWell()``.
    temperature : T.
    begin : where Y starts.
    dt : time step.
    block : time over which one number is averaged; made a whole number of steps.
    """

    flux: Callable[[Array, Array], Array]
    drift: Callable[[Array, Array], Array] = Relaxation()
    temperature: float = 0.5
    _: KW_ONLY
    begin: float = 0.0

    depends: ClassVar[tuple[str, ...]] = ("u",)

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_positive("temperature", self.temperature)
        for name in ("flux", "drift"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name}={getattr(self, name)!r} must be a function of u and y")

    def start(self, x: Array, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """u (S,), y (S,), xi (S,): the last normal number, half of which the next step takes too."""
        if state is not None:
            return state | {"u": u}
        first = next(chance.columns(normal=True))[0]
        return {"u": u, "y": np.full(len(u), float(self.begin)), "xi": first}

    def step(self, state: State, xi: Array) -> State:
        """Raises RefusedState where Y leaves all bounds: dt is too large for this drift."""
        u, y, xi = state["u"], state["y"], xi[0]
        with np.errstate(over="ignore", invalid="ignore"):  # is refused below
            y = y + self.drift(u, y) * self.dt + np.sqrt(0.5 * self.temperature * self.dt) * (state["xi"] + xi)
        if not np.isfinite(y).all():
            raise RefusedState(f"y is not finite any more at u={u[~np.isfinite(y)][0]}: dt={self.dt} is too large")
        return {"u": u, "y": y, "xi": xi}

    def current(self, state: State) -> Array:
        """f (1, S)."""
        return np.broadcast_to(self.flux(state["u"], state["y"]), state["y"].shape)[None]
