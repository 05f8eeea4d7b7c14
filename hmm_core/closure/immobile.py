"""Components that stay where they are, beside one that a closure moves: reaction and diffusion, with a recovery variable."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from hmm_core.closure.answer import Answer, ask

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class WithImmobile:
    r"""The closure of U = (U_0, U_1, ..., U_m) of which the first component flows as a scalar closure says, and the others not:

        sigma_0 = sigma(x, U_0, grad U_0),    sigma_1 = ... = sigma_m = 0.

    What the components do to each other is the macro solver's ``source``. So an excitation wave, in which only the potential is
    conducted, is ``solve_balance_law(grid, PhysicalFlux(WithImmobile(closure)), ..., source=S)``. Memory, standard errors and
    what the micro problems took are those of the closure; so is which states it has an answer for.

    closure : of a scalar.
    immobile : how many components stay, at least 1.

    Raises TypeError or ValueError for arguments of the wrong kind, and for a U of another number of components.
    """

    closure: Callable
    immobile: int = 1

    def __post_init__(self) -> None:
        if not callable(self.closure):
            raise TypeError(f"closure={self.closure!r} is not a closure: pass CellClosure(a, cell), for example")
        whole = isinstance(self.immobile, Integral) and not isinstance(self.immobile, bool)
        if not whole or self.immobile < 1:
            raise ValueError(f"immobile={self.immobile!r} must be an integer, at least 1")

    def __call__(self, x: Array, u: Array, grad: Array, memory: Any = None, tol: Any = None, t: Any = None) -> Answer:
        m, d, shape = self.immobile + 1, len(x), np.shape(x)[1:]
        if np.shape(grad) != (m, d, *shape):
            raise ValueError(f"grad has shape {np.shape(grad)}; one component that moves and {m - 1} that stay: {m}")
        first = np.broadcast_to(u, (m, *shape))[0].reshape(-1)
        answer = ask(self.closure, np.reshape(x, (d, -1)), first, grad[0].reshape(d, -1), memory, tol, t)
        parts = (answer.flux, (m, d)), (answer.d_du, (m, d, m)), (answer.d_dgrad, (m, d, m, d))
        flux, d_du, d_dgrad = (self._beside(value, lead, shape) for value, lead in parts)
        stderr = None if answer.stderr is None else self._beside(answer.stderr, (m, d), shape)
        return replace(answer, flux=flux, d_du=d_du, d_dgrad=d_dgrad, stderr=stderr)

    @staticmethod
    def _beside(value: Array, lead: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        """Zeros (lead, shape) with the scalar closure's value where all components are the first."""
        whole = np.zeros((*lead, *shape))
        whole[tuple(slice(None) if i % 2 else 0 for i in range(len(lead)))] = value.reshape(*value.shape[:-1], *shape)
        return whole

    def __getattr__(self, name: str) -> Any:
        if name in ("alike", "dim"):
            return getattr(self.closure, name)
        if name == "realisation":
            drawn = self.closure.realisation
            return lambda k: WithImmobile(drawn(k), self.immobile)
        if name == "admissible":
            fine = self.closure.admissible
            return lambda x, u: fine(x, u[0])
        raise AttributeError(name)
