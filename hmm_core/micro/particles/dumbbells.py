r"""Polymers in a flow: two beads and a spring, which the flow stretches and the solvent jostles.

    dQ = (kappa Q - F(Q)/(2 lambda)) dt + lambda^(-1/2) dW,    tau = n k T (<Q F> - 1),    F = Q/(1 - |Q|^2/b),

kappa_ij = d_j v_i the velocity gradient, Q in units of (k T/H)^(1/2), lambda the relaxation time. Without a limit to the
extension (b = inf, Hooke's spring) the stress is that of the Oldroyd-B fluid: the upper convected derivative of tau, times
lambda, is n k T lambda (kappa + kappa^T) - tau. FENE springs (b finite) thin under shear: in a steady one the viscosity is
n k T lambda <Q_y^2>, and near rest, where <Q^2> = 3 b/(b + 5), it is n k T lambda b/(b + 5).

A step is a predictor and a corrector that takes the spring implicitly: second order, and never beyond the extension, because
the length of the new Q is the root of a cubic between 0 and b^(1/2).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import betaincinv

from hmm_core.media.exact import require
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.steps import Diffusion, State, finite_positive

Array = np.ndarray
SHEAR = ((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
STRETCH = ((1.0, 0.0, 0.0), (0.0, -0.5, 0.0), (0.0, 0.0, -0.5))


@dataclass(frozen=True, kw_only=True)
class Dumbbells(Diffusion):
    """Dumbbells in the flow kappa = grad x ``flow``: the macro gradient is its rate, and sigma = -F the stress tau : flow, for a
    shear flow the shear stress. They start at rest.

    b : square of the largest extension; inf for Hooke's spring.
    relaxation : lambda.
    modulus : n k T.
    flow : (3, 3), without a trace: ``SHEAR``, ``STRETCH`` or any other homogeneous flow.
    dt : time step.
    block : time over which one number is averaged; made a whole number of steps.
    """

    b: float = math.inf
    relaxation: float = 1.0
    modulus: float = 1.0
    flow: tuple[tuple[float, ...], ...] = SHEAR
    dt: float = 0.02
    block: float = 0.2

    depends: ClassVar[tuple[str, ...]] = ("grad",)
    noises: ClassVar[int] = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        finite_positive("b", self.b, infinite=True)
        finite_positive("relaxation", self.relaxation)
        finite_positive("modulus", self.modulus)
        flow = np.asarray(self.flow, dtype=float)
        ok = flow.shape == (3, 3) and np.isfinite(flow).all() and abs(np.trace(flow)) <= 1e-12 * abs(flow).max()
        require(ok, "flow", self.flow, "must be a finite (3, 3) matrix without a trace")
        object.__setattr__(self, "flow", tuple(map(tuple, flow.tolist())))

    @property
    def grad_scale(self) -> float:
        """A rate of flow that matters: one per relaxation time."""
        return 1 / self.relaxation

    def stiffness(self, Q: Array) -> Array:
        """1/(1 - |Q|^2/b) (...) for Q (..., 3).

        Raises ValueError where |Q|^2 >= b.
        """
        square = (Q * Q).sum(axis=-1)
        if not (square < self.b).all():
            worst = float(square.max())
            raise ValueError(
                f"Q has |Q|^2={worst}: a spring with b={self.b} cannot be extended so far, |Q|^2 must be below b"
            )
        return 1 / (1 - square / self.b)

    def stress(self, Q: Array) -> Array:
        """n k T (Q F - 1) (..., 3, 3) of dumbbells Q (..., 3); tau is its mean."""
        tension = self.stiffness(Q)[..., None, None] * Q[..., :, None] * Q[..., None, :]
        return self.modulus * (tension - np.eye(3))

    def start(self, x: Array, u: Array, grad: Array, chance: Chance, state: State | None = None) -> State:
        """rate (S,) of the flow, Q (S, 3): those of equilibrium, density (1 - |Q|^2/b)^(b/2), or those of ``state``."""
        if state is not None:
            self.stiffness(state["Q"])
            return {"rate": grad[0], "Q": state["Q"]}
        Q = next(chance.columns(width=3, normal=True)).T
        if self.b < math.inf:
            share = betaincinv(1.5, 0.5 * self.b + 1, chance.uniform(1))
            Q = Q * np.sqrt(self.b * share / (Q * Q).sum(axis=1, keepdims=True))
        return {"rate": grad[0], "Q": Q}

    def step(self, state: State, xi: Array) -> State:
        """The predictor's flow, the corrector's spring."""
        Q, rate, flow = state["Q"], state["rate"][:, None], np.array(self.flow).T
        pull = Q * (self.stiffness(Q)[:, None] * self.dt / (2 * self.relaxation))
        noise = math.sqrt(self.dt / self.relaxation) * xi.T
        drag = rate * (Q @ flow) * self.dt
        after = rate * ((Q + drag - pull + noise) @ flow) * self.dt
        pushed = Q + 0.5 * (drag + after - pull) + noise
        return {"rate": state["rate"], "Q": self._relaxed(pushed)}

    def _relaxed(self, pushed: Array) -> Array:
        """Q with (1 + c/(1 - |Q|^2/b)) Q = pushed, c = dt/(4 lambda): the middle root of a cubic for |Q|."""
        c = self.dt / (4 * self.relaxation)
        if self.b == math.inf:
            return pushed / (1 + c)
        r = np.sqrt((pushed * pushed).sum(axis=1) / self.b)
        p = (1 + c) / 3 + r * r / 9
        q = r * (r * r / 27 + (1 + c) / 6 - 0.5)
        s = r / 3 + 2 * np.sqrt(p) * np.cos((np.arccos(np.clip(q / p**1.5, -1, 1)) - 2 * np.pi) / 3)
        s = np.clip(s, 0.0, 1 - 1e-9)
        return pushed * np.divide(s, r, out=np.zeros_like(r), where=r > 0)[:, None]

    def current(self, state: State) -> Array:
        """-tau : flow (1, S) of every dumbbell."""
        Q = state["Q"]
        return -self.modulus * (self.stiffness(Q) * ((Q @ np.array(self.flow)) * Q).sum(axis=1))[None]
