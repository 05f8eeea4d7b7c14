r"""What media are made of: profiles b(t) of one fast variable, functions of the slow one, and the checks on both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.checks import fractions_of, require, tensor_field
from hmm_core.media.elastic import refuse_indefinite

Array = np.ndarray
OfX = ArrayLike | Callable[[Array], ArrayLike]


def _frozen(value: ArrayLike) -> Any:
    """Nested tuples of floats: what a frozen, hashable description can hold of an array."""
    return tuple(map(_frozen, value)) if np.ndim(value) else float(value)


def _coefficient(name: str, value: ArrayLike) -> Any:
    """A positive number, a square tensor with positive definite symmetric part, or a stiffness, frozen; otherwise ValueError."""
    a = np.asarray(value, dtype=float)
    allowed = "must be a number, a tensor of shape (d, d) or a stiffness of shape (d, d, d, d)"
    require(a.ndim in (0, 2, 4) and len(set(a.shape)) < 2, name, value, allowed)
    require(np.isfinite(a), name, value, "must be finite")
    if a.ndim == 4:
        refuse_indefinite(name, a)
    else:
        eigenvalues = a if a.ndim == 0 else np.linalg.eigvalsh(a + a.T)
        require(eigenvalues > 0, name, value, "must be positive (a tensor: with positive definite symmetric part)")
    return _frozen(a)


def _alike(phases: dict[str, Any]) -> dict[str, Any]:
    """Constant phases with the same component axes: a number beside tensors is a multiple of the identity."""
    shapes = {np.shape(value) for value in phases.values()} - {()}
    given = {name: np.shape(value) for name, value in phases.items()}
    require(
        len(shapes) < 2, "shapes of " + ", ".join(phases), given, "must be tensors of one dimension, or stiffnesses"
    )
    if not shapes:
        return phases
    (shape,) = shapes
    allowed = "must all be stiffnesses where one of them is: a number says nothing of shear and volume"
    require(len(shape) == 2 or () not in given.values(), "shapes of " + ", ".join(phases), given, allowed)
    return {name: _frozen(tensor_field(value, shape[0])) for name, value in phases.items()}


def _phases(medium: Any, *names: str) -> dict[str, Any]:
    """Fields of a medium that are constant phases, checked and frozen, beside those that are functions of x."""
    values = {name: getattr(medium, name) for name in names}
    constant = {name: _coefficient(name, value) for name, value in values.items() if not callable(value)}
    for name, value in constant.items():
        fits = np.shape(value)[:1] in ((), (medium.dim,))
        require(fits, name, value, f"must be a phase in the medium's dimension, {medium.dim}")
    return values | _alike(constant)


def _where(hit: Array, first: OfX, second: OfX, x: Array | None) -> Array:
    """``first`` where hit and ``second`` elsewhere: constants of any rank, or functions of the slow points; components lead."""
    points, parts = max(np.ndim(hit), 0 if x is None else x.ndim - 1), []
    for phase in (first, second):
        value = np.asarray(_at(phase, x), dtype=float)
        rank = _rank(value, x) if callable(phase) else value.ndim
        trailing = value.shape[rank:]
        parts.append((rank, value.reshape((*value.shape[:rank], *(1,) * (points - len(trailing)), *trailing))))
    ranks, values = zip(*parts, strict=True)
    if set(ranks) == {0, 2}:
        one = np.eye(len(values[ranks.index(2)]))
        values = [value if rank else np.multiply.outer(one, value) for rank, value in parts]
    elif ranks[0] != ranks[1]:
        raise ValueError(
            f"phases of {ranks[0]} and {ranks[1]} component axes: all must be stiffnesses where one of them is"
        )
    return np.where(hit, *values)


def _rank(value: Array, x: Array) -> int:
    """How many axes of the values of a function of x are components: those before the axes of the points."""
    for rank in (0, 2, 4):
        lead, trailing = value.shape[:rank], value.shape[rank:]
        points = zip(trailing[::-1], x.shape[:0:-1], strict=False)
        if lead == (len(x),) * rank and len(trailing) < x.ndim and all(s in (1, w) for s, w in points):
            return rank
    raise ValueError(
        f"a function of x (d, ...) returned shape {value.shape} for x of shape {x.shape}; numbers {x.shape[1:]}, tensors "
        "(d, d, ...) or stiffnesses (d, d, d, d, ...) are needed"
    )


def _at(function: OfX, x: Array | None) -> ArrayLike:
    """A constant, or the values of a function at the slow points."""
    if not callable(function):
        return function
    require(x is not None, "x", x, "this medium depends on the slow variable; give points of shape (d, ...)")
    return function(x)


def _difference(theta: Callable[[Array], ArrayLike], x: Array, step: float = 4e-3) -> Array:
    """Gradient by central differences of sixth order: about 1e-13 relative where theta varies over lengths of order 1."""
    columns = []
    for e in np.eye(len(x)):
        shift = step * e.reshape(-1, *(1,) * (x.ndim - 1))
        d1, d2, d3 = (np.asarray(theta(x + k * shift)) - theta(x - k * shift) for k in (1, 2, 3))
        columns.append((45 * d1 - 9 * d2 + d3) / (60 * step))
    return np.array(columns)


# -- functions of one variable --------------------------------------------------------------------------------------


class Profile:
    """A function b(t) of the phase t, period 1, and of nothing else; ``jumps`` are its discontinuities in (0, 1)."""

    jumps: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sine(Profile):
    """b(t) = (mean + amplitude sin 2 pi (t + shift))^power; shift = 1/4 makes a cosine, power = -1 its reciprocal."""

    mean: float
    amplitude: float
    shift: float = 0.0
    power: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mean", "amplitude", "shift", "power"):
            require(np.isfinite(getattr(self, name)), name, getattr(self, name), "must be a finite number")
        allowed = f"must exceed |amplitude| = {abs(self.amplitude)} for power={self.power!r}"
        require(self.power == 1 or self.mean > abs(self.amplitude), "mean", self.mean, allowed)

    def __call__(self, t: ArrayLike) -> Array:
        if self.amplitude == 0:
            return np.float64(self.mean) ** self.power
        b = self.mean + self.amplitude * np.sin(2 * np.pi * (np.asarray(t) + self.shift))
        return b if self.power == 1 else b**self.power


def cosine(mean: float, amplitude: float, power: float = 1.0) -> Sine:
    """b(t) = (mean + amplitude cos 2 pi t)^power."""
    return Sine(mean, amplitude, 0.25, power)


@dataclass(frozen=True)
class Steps(Profile):
    """b(t) = values[p] on consecutive intervals of lengths fractions[p], the first of which starts at t = 0."""

    values: tuple
    fractions: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        require(np.iterable(self.values) and len(self.values), "values", self.values, "must list at least one phase")
        values = {f"values[{i}]": _coefficient(f"values[{i}]", v) for i, v in enumerate(self.values)}
        object.__setattr__(self, "values", tuple(_alike(values).values()))
        object.__setattr__(self, "fractions", _frozen(fractions_of(self.fractions, len(values))))

    @property
    def jumps(self) -> tuple[float, ...]:
        return tuple(np.cumsum(self.fractions)[:-1])

    def __call__(self, t: ArrayLike) -> Array:
        phase = np.searchsorted(self.jumps, np.mod(t, 1.0), side="right")
        return np.moveaxis(np.array(self.values), 0, -1)[..., phase]


@dataclass(frozen=True)
class Diagonal(Profile):
    """The tensor diag(b_1(t), ..., b_d(t)) of scalar profiles."""

    profiles: tuple[Profile, ...]

    def __post_init__(self) -> None:
        require(
            len(self.profiles) > 0 and all(map(callable, self.profiles)), "profiles", self.profiles, "must be functions"
        )
        object.__setattr__(self, "profiles", tuple(self.profiles))

    @property
    def jumps(self) -> tuple[float, ...] | None:
        """None where one of the profiles does not say."""
        known = [getattr(b, "jumps", None) for b in self.profiles]
        return None if None in known else tuple(sorted({t for places in known for t in places}))

    def __call__(self, t: ArrayLike) -> Array:
        a = np.zeros((len(self.profiles), len(self.profiles), *np.shape(t)))
        for i, b in enumerate(self.profiles):
            a[i, i] = b(t)
        return a


@dataclass(frozen=True)
class Affine:
    """g(x) = constant + slope . x, a function of the slow points x (d, ...) -> (...), with its ``gradient``."""

    constant: float
    slope: tuple[float, ...]

    def __post_init__(self) -> None:
        require(np.isfinite(self.constant), "constant", self.constant, "must be a finite number")
        slope = np.atleast_1d(np.asarray(self.slope, dtype=float))
        require(slope.ndim == 1 and np.isfinite(slope).all(), "slope", self.slope, "must hold d finite numbers")
        object.__setattr__(self, "slope", _frozen(slope))

    def __call__(self, x: ArrayLike) -> Array:
        return self.constant + np.tensordot(self.slope, x, axes=1)

    def gradient(self, x: ArrayLike) -> Array:
        return np.broadcast_to(np.reshape(self.slope, (-1,) + (1,) * (np.ndim(x) - 1)), np.shape(x))
