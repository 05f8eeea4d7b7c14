r"""Darcy flow: a closure that answers with the filtration velocity, by Stokes cell problems."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from hmm_core.closure.answer import Answer, Array, question
from hmm_core.closure.cells import linear_answer, remembered


@dataclass(frozen=True)
class PermeabilityClosure:
    r"""Darcy's law by Stokes cell problems: sigma = eps^2 K(x)/mu grad p, K(x) = ``stokes.permeability(phi, x)``.

    So ``solve_elliptic`` solves -div(eps^2 K/mu grad p) = f for the pressure p; the filtration velocity, fluid per area of the
    bed and time, is v = -sigma, and a body force b (per volume) changes grad p into grad p - b. K is all there is to
    know about a point: it is computed once, and returned in ``answer.memory``. Points with equal obstacles are one problem;
    where one number tells the obstacles apart, ``permeability_curve`` in an ``ExactClosure`` needs fewer.

    Parameters
    ----------
    phi : level set phi(x, y) of the obstacle, negative inside, y in periods (``StokesProblem.permeability`` says more).
    stokes : ``StokesProblem``, or anything with its ``dim``, ``permeability``, ``solve`` and ``alike``.
    mu : viscosity of the fluid, > 0.
    eps : length of a period, > 0, in the unit that x has. K itself is in periods^2.

    Raises TypeError or ValueError for arguments of the wrong kind, points of another dimension, or a state that is not finite;
    what the Stokes problem raises about the obstacle comes through.
    """

    phi: Callable[[Array, Array], Array]
    stokes: Any
    mu: float = 1.0
    eps: float = 1.0
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not callable(self.phi):
            raise TypeError(
                f"phi={self.phi!r} is not a level set: a function phi(x, y) is needed, negative in the obstacle"
            )
        if not all(hasattr(self.stokes, name) for name in ("dim", "permeability", "solve", "alike")):
            raise TypeError(f"stokes={self.stokes!r} is not a Stokes problem: pass StokesProblem(dim=..., n=...)")
        for name in ("mu", "eps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Real):
                raise TypeError(f"{name}={value!r} must be a real number, not {type(value).__name__}")
            if not 0 < value < math.inf:
                raise ValueError(f"{name}={value!r} must be positive and finite")

    @property
    def dim(self) -> int:
        return self.stokes.dim

    def __call__(self, x: Array, u: Array, grad: Array, memory: dict | None = None, tol: float | None = None) -> Answer:
        x, _, grad, shape = question(x, u, grad, self.dim, scalar=True)
        K, info = remembered(lambda new: self.stokes.solve(self.phi, new, fields=False), x, grad, memory)
        return linear_answer(K, x, grad, shape, info, self.eps**2 / self.mu)

    def alike(self, x: Array) -> Array:
        """Numbers (K,) for points x (d, K): equal ones have the same obstacle, and so the same permeability."""
        return self.stokes.alike(self.phi, x)
