"""The homogenized problem in closed form: a closure that needs no micro model."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hmm_core.closure.answer import (
    Answer,
    at_time,
    broadcasts,
    in_time,
    name_of,
    question,
    refuse_non_finite,
    shaped,
    takes_second,
)
from hmm_core.micro.sample import has_minor_symmetries, least_pivot
from hmm_core.micro.sampled_law import RefusedState
from hmm_core.micro.transforms import kinematics

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ExactClosure:
    r"""The homogenized problem in closed form: sigma = A grad U, with A known.

    Parameters
    ----------
    A : a number, a (d, d) array, or a function A(x) or A(x, u) that takes x (d, K) and u (K,) and returns tensors
        (d, d, K); a (d, d) tensor or a scalar field (K,) is also understood. For U of m components the tensors are
        (m, d, m, d, K), sigma_ij = A_ijkl d_l U_k. A function with a second parameter that has no default, or that is
        called ``u``, is A(x, u); one with a parameter called ``t`` is A(x, t), for a material that changes in time.
    dA_du : function (x, u) -> like A(x, u), its derivative in u (scalar U). Without it, central differences with the step
        eps^(1/3) max(1, |u|) are used, good to about ten digits.

    Raises ValueError if A has the wrong shape, and RefusedState if it is not finite or not positive definite (on symmetric
    gradients only, for stiffnesses, which do not see the others); the message names such a point.
    """

    A: float | Array | Callable[..., Array]
    dA_du: Callable[[Array, Array], Array] | None = None

    def __post_init__(self) -> None:
        if not callable(self.A):
            A = np.asarray(self.A)
            if A.dtype.kind not in "fiu" or not np.isfinite(A).all():
                raise ValueError(f"A={self.A!r} must hold finite real numbers")
            if A.ndim not in (0, 2, 4) or A.shape[: A.ndim // 2] != A.shape[A.ndim // 2 :]:
                raise ValueError(
                    f"A has shape {A.shape}; a number, a (d, d) or (m, d, m, d) array or a function is needed"
                )
        if self.dA_du is not None and not (callable(self.dA_du) and _takes_u(self.A)):
            raise ValueError("dA_du is the derivative of a function A(x, u): give both as functions, or leave it out")

    @property
    def dim(self) -> int | None:
        return None if callable(self.A) or np.ndim(self.A) == 0 else np.shape(self.A)[-1]

    @property
    def linear(self) -> bool:
        return not (_takes_u(self.A) or in_time(self.A))

    def frozen(self, t: float | None) -> "ExactClosure":
        """This closure with the tensor as it is at time t."""
        return ExactClosure(at_time(self.A, t)) if in_time(self.A) else self

    def __call__(
        self,
        x: Array,
        u: Array,
        grad: Array,
        memory: dict | None = None,
        tol: float | None = None,
        t: float | None = None,
    ) -> Answer:
        if in_time(self.A):
            return self.frozen(t)(x, u, grad)
        follows_u = _takes_u(self.A)
        x, u, grad, shape = question(x, u, grad, self.dim, scalar=follows_u)
        c = grad.shape[:-2]
        d_du = np.zeros((*grad.shape[:-1], *c, x.shape[1]))
        if follows_u:
            A, d_du = self._tensor(self.A, x, u), apply(self._slope(x, u), grad)
        else:
            A = self._tensor(self.A, x, c=c) if callable(self.A) else as_tensor(self.A, x, "A", c)
        refuse_non_elliptic(A, x)
        return shaped((apply(A, grad), d_du, A), shape, info={"micro_solves": 0, "iterations": 0})

    def _slope(self, x: Array, u: Array) -> Array:
        if self.dA_du is not None:
            return self._tensor(self.dA_du, x, u)
        step = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(u))
        above, below = u + step, u - step
        return (self._tensor(self.A, x, above) - self._tensor(self.A, x, below)) / (above - below)

    def _tensor(self, function: Callable[..., Array], *state: Array, c: tuple[int, ...] = ()) -> Array:
        return as_tensor(function(*state), state[0], f"{name_of(function)} in ExactClosure", c, RefusedState)


def as_tensor(value: Array, x: Array, name: str, c: tuple[int, ...] = (), error: type[Exception] = ValueError) -> Array:
    """A number, a scalar field (K,), a tensor (c, d, c, d) or a tensor field (c, d, c, d, K), as the last of these.

    Raises ValueError for another shape or type, and ``error`` where the tensor is not finite.
    """
    (d, count), value = x.shape, np.asarray(value)
    lead = (*c, d, *c, d)
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{name} returned {value.dtype} values; real numbers are needed")
    if value.ndim < 2 and broadcasts(value.shape, (count,)):
        value = value * np.eye(d * int(np.prod(c, initial=1))).reshape(*lead, 1)
    elif value.shape == lead:
        value = value[..., None]
    if value.shape[:-1] != lead or value.shape[-1] not in (1, count):
        raise ValueError(f"{name} has shape {value.shape}; at {count} points in {d}D it needs {(*lead, count)}")
    tensor = np.array(np.broadcast_to(value, (*lead, count)), dtype=float)
    refuse_non_finite(tensor, x, name, error)
    return tensor


def apply(tensor: Array, grad: Array) -> Array:
    """A grad U: (c, d, c, d, K) and (c, d, K) -> (c, d, K)."""
    count, rows = grad.shape[-1], grad.reshape(-1, grad.shape[-1])
    return np.einsum("ijk,jk->ik", tensor.reshape(len(rows), len(rows), count), rows).reshape(grad.shape)


def refuse_non_elliptic(A: Array, x: Array) -> None:
    """A direction without resistance, or with a negative one, has no solution that means anything."""
    least = least_pivot(_felt(A)[None])[0]
    if not least.min() > 0:
        k = int(least.argmin())
        raise RefusedState(
            f"A must be positive definite (its symmetric part); at x={x[:, k].tolist()} it is {A[..., k].tolist()}"
        )


def _felt(A: Array) -> Array:
    """A (c, d, c, d, K) as matrices (L, L, K); one that does not see rotations, as it acts on symmetric gradients."""
    if A.ndim == 3:
        return A
    m, d = A.shape[:2]
    if m == d and has_minor_symmetries(A.reshape(1, d**4, -1), d)[0]:
        S = kinematics(d, "strain")
        return np.einsum("lij,ijpqk,npq->lnk", S, A, S)
    return A.reshape(m * d, m * d, -1)


def _takes_u(function: object) -> bool:
    return takes_second(function, "u") and not in_time(function)
