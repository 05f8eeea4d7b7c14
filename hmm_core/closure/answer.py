r"""The dialogue's two sentences: a question (x, U, grad U), and an answer: the flux and its derivatives.

Shapes for K points in d dimensions. Scalar U: u (K,), grad (d, K), flux (d, K), d_du (d, K), d_dgrad (d, d, K). U of m
components: u (m, K), grad (m, d, K), flux (m, d, K), d_du (m, d, m, K), d_dgrad (m, d, m, d, K). Below, c stands for the
component axes: none, or m. All that is said here about shapes, and every check of them, stands in this module.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hmm_core.micro.grid import read_only
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a closure says. Unpacks as ``flux, d_du, d_dgrad = answer``.

    flux     (d, ...)      averaged flux sigma; for U of m components (m, d, ...)
    d_du     (d, ...)      its derivative in the macro value u; (m, d, m, ...)
    d_dgrad  (d, d, ...)   its derivative in the macro gradient; (m, d, m, d, ...)
    stderr   like flux     its standard error, for closures that sample at random: independent from point to point
    memory   arrays whose last axis is the point axis; given back with the next question about the same points
    info     {"micro_solves": int, "iterations": int}; from closures that adapt their effort also "reused", the points answered
             without a micro problem, and "tol", the relative accuracy of this answer; from those with a target also "missed", the
             points where it was not reached, and "worst", the largest standard error in units of it; from trajectories "short",
             the points whose runs were too short to be sure of their standard error; "repeats", whether the same question gets
             the same errors, and "slope_stderr", standard errors of d_du and d_dgrad as a pair (points in a row)
    """

    flux: Array
    d_du: Array
    d_dgrad: Array
    stderr: Array | None = None
    memory: dict[str, Array] | None = None
    info: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.flux, self.d_du, self.d_dgrad))


def ask(
    closure: Callable,
    x: Array,
    u: Array,
    grad: Array,
    memory: dict | None = None,
    tol: float | None = None,
    t: float | None = None,
) -> Answer:
    """Ask any closure, plain functions included, at K points: x (d, K), u (c, K), grad (c, d, K).

    What a function does not take (memory, tol, t) it is not given; a number or an array without the point axis holds at
    every point.

    Raises
    ------
    RefusedState
        The answer is not finite: there is none for this state. Names the closure and the first such point.
    ValueError, TypeError
        A shape or type that does not fit; an array of the memory whose last axis is not that of the points.

    What the closure itself raises comes through, with a note of the points where it was asked.
    """
    x, u, grad, _ = question(x, u, grad, getattr(closure, "dim", None))
    offered = {"memory": memory, "tol": tol, "t": t}
    name = f"closure {name_of(closure)}"
    try:
        answer = closure(x, u, grad, **_accepted(closure, offered))
    except Exception as error:
        low, high = (bound.round(6).tolist() for bound in (x.min(axis=1), x.max(axis=1)))
        error.add_note(f"{name} was asked at {x.shape[1]} points, x from {low} to {high}")
        raise
    try:
        flux, d_du, d_dgrad = answer
    except (TypeError, ValueError):
        raise ValueError(f"{name} returned {type(answer).__name__}; expected three arrays or an Answer") from None
    c, d, count = u.shape[:-1], *x.shape
    parts = [
        _spread(f"{name}: {part}", value, shape, x)
        for part, shape, value in (
            ("flux", (*c, d), flux),
            ("d_du", (*c, d, *c), d_du),
            ("d_dgrad", (*c, d, *c, d), d_dgrad),
        )
    ]
    if not isinstance(answer, Answer):
        return Answer(*parts)
    stderr = answer.stderr
    if stderr is not None:
        stderr = _spread(f"{name}: stderr", stderr, (*c, d), x)
        if stderr.min() < 0:
            raise ValueError(f"{name}: stderr is {stderr.min()} somewhere; a standard error is not negative")
    for part, value in (answer.memory or {}).items():
        if np.shape(value)[-1:] != (count,):
            raise ValueError(
                f"{name}: memory[{part!r}] has shape {np.shape(value)}; its last axis must be that of the {count} points, "
                "by which it is cut for the workers"
            )
    return Answer(*parts, stderr, answer.memory, answer.info)


def question(x: Array, u: Array, grad: Array, dim: int | None = None, scalar: bool = False) -> tuple:
    """x (d, K), u (c, K), grad (c, d, K) as floats, checked, read-only, and the trailing shape that the caller gave to K.

    ``dim``: the only dimension that is allowed. ``scalar``: U of several components is refused.
    """
    if any(np.iscomplexobj(value) for value in (x, u, grad)):
        raise ValueError("x, u and grad must be real")
    x, u, grad = (np.asarray(value, dtype=float) for value in (x, u, grad))
    if x.size == 0 or x.ndim == 0:
        raise ValueError(f"x has shape {x.shape}; sampling points (d, ...) are needed")
    if dim is not None and x.shape[0] != dim:
        raise ValueError(f"x has shape {x.shape}, points in {x.shape[0]}D, but the closure is made for {dim}D")
    c = grad.shape[: max(0, grad.ndim - x.ndim)]
    if len(c) > 1 or grad.shape != (*c, *x.shape) or not broadcasts(u.shape, (*c, *x.shape[1:])):
        raise ValueError(f"x {x.shape} needs grad {x.shape} and u {x.shape[1:]}; got grad {grad.shape}, u {u.shape}")
    if c and scalar:
        raise ValueError(f"grad has shape {grad.shape}: U of {c[0]} components, but this closure is made for scalars")
    d, shape = x.shape[0], x.shape[1:]
    x, u, grad = x.reshape(d, -1), np.broadcast_to(u, (*c, *shape)).reshape(*c, -1), grad.reshape(*c, d, -1)
    for name, value in (("x", x), ("u", u), ("grad", grad)):
        refuse_non_finite(value, x, f"the macro state {name}")
    return *map(read_only, (x, u, grad)), shape


def shaped(parts: tuple[Array, Array, Array], shape: Shape, **rest: Any) -> Answer:
    """An answer whose point axis has the shape that the caller gave to it. Copies: what is in the memory too is not theirs."""
    return Answer(*(part.reshape(*part.shape[:-1], *shape).copy() for part in parts), **rest)


def _spread(name: str, value: Any, lead: Shape, x: Array) -> Array:
    """One part of an answer as (lead, K): real, finite, and of a shape that fits."""
    value, count = np.asarray(value), x.shape[1]
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{name} has type {value.dtype}; real numbers are needed")
    full = value[..., None] if value.shape == lead else value
    if full.ndim not in (0, len(lead) + 1) or not broadcasts(full.shape, (*lead, count)):
        raise ValueError(f"{name} has shape {value.shape}; expected {(*lead, count)}")
    finite = np.isfinite(full).all()  # looked at before a number becomes an array
    full = np.broadcast_to(full, (*lead, count)).astype(float, copy=False)
    if not finite:
        refuse_non_finite(full, x, name, RefusedState)
    return full


def refuse_non_finite(value: Array, x: Array, what: str, error: type[Exception] = ValueError) -> None:
    """An error with the first point of x (d, K) where value (..., K) is not finite."""
    if not np.isfinite(value).all():
        k = int(np.argwhere(~np.isfinite(value))[:, -1].min())
        raise error(f"{what} = {value[..., k].tolist()} at x={x[:, k].tolist()} (point {k}): it must be finite")


def broadcasts(shape: Shape, target: Shape) -> bool:
    """Whether an array of this shape broadcasts to the target without new leading axes of its own."""
    return len(shape) <= len(target) and all(s in (1, t) for s, t in zip(shape[::-1], target[::-1], strict=False))


def name_of(function: Callable) -> str:
    """How messages call a function or a closure."""
    return getattr(function, "__qualname__", type(function).__qualname__)


def parameters_of(function: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function; none if it does not tell."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # not a function, or a compiled one without a signature
        return {}


def takes_second(function: Any, name: str) -> bool:
    """Whether a function of x is one of (x, name): its second parameter has no default, or is called so."""
    positional = [p for p in parameters_of(function).values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return any(p.default is p.empty or p.name == name for p in positional[1:2])


def in_time(function: Any) -> bool:
    """Whether a medium, a law or a tensor changes in time: it has a parameter called t."""
    return "t" in parameters_of(function)


def at_time(function: Callable, t: float | None) -> Callable:
    """A medium, a law or a tensor as it is at time t. ValueError if it changes in time and t is not given."""
    if not in_time(function):
        return function
    if t is None:
        raise ValueError(
            f"{name_of(function)} changes in time, but it is asked without t: use solve_parabolic or solve_wave"
        )
    return AtTime(function, t)


@dataclass(frozen=True)
class AtTime:
    """A function of (..., t) as one of (...), at one time."""

    function: Callable
    t: float

    def __call__(self, *args: Any) -> Any:
        return self.function(*args, t=self.t)


def _accepted(function: Callable, offered: dict[str, Any]) -> dict[str, Any]:
    parameters = parameters_of(function)
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return {name: value for name, value in offered.items() if anything or name in parameters}
