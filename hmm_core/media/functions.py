r"""Oscillating coefficients a(x, y): x the slow variable, y = x/eps the fast one, measured in periods.

Every medium here is called like a function, a(x, y), with points x (d, K, 1) or (d,) and y (d, 1, N) or (d, K, N), and
returns a scalar field or a tensor field (d, d, ...) whose trailing axes broadcast over the points. What does not depend
on x comes back without the axis of x, so that solvers see one problem instead of K; then x may be None.

``medium.effective(x)`` is the homogenized tensor (d, d, ...) at points x (d, ...), to round-off, where a closed form is
known (``effective()`` gives (d, d) if it does not depend on x); elsewhere it raises NotImplementedError.

Media are frozen, hashable descriptions, named in lower case because they are used as functions; they can be pickled if
the functions inside can. Three kinds go inside: profiles b(t) of one fast variable (``Sine``, ``Steps``, ``Diagonal``),
functions of x such as ``Affine``, and your own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media import exact
from hmm_core.media.checks import require
from hmm_core.media.profiles import (
    Diagonal,
    OfX,
    Sine,
    Steps,
    _alike,
    _at,
    _coefficient,
    _frozen,
    _phases,
    _where,
    cosine,
)

Array = np.ndarray


class Medium:
    """What all media share: checked points, and an effective tensor spread over them.

    A medium supplies ``dim`` (None: any), ``_field(x, y)`` and, where it is known, ``_closed_form(x)``, which gets x
    as None or (d, M) and answers (d, d) or (d, d, M). ``allowed_eps`` are the values of eps, None (frozen) among them, that it
    can be sampled with; without it all. Solvers refuse others, and find it inside of other media and laws.
    """

    dim: int | None = None

    def __call__(self, x: ArrayLike | None, y: ArrayLike) -> ArrayLike:
        y = self._points("y", y)
        return self._field(None if x is None else self._points("x", x), y)

    def effective(self, x: ArrayLike | None = None) -> Array:
        """The homogenized tensor: (d, d, ...) at x (d, ...), of a stiffness (d, d, d, d, ...); for x=None without the points, if
        it does not depend on x."""
        if x is None:
            return np.asarray(self._closed_form(None))
        x = self._points("x", x)
        a = np.asarray(self._closed_form(x.reshape(len(x), -1)), dtype=float)
        lead = (len(x),) * (2 if a.ndim < 4 else 4)
        require(a.shape[: len(lead)] == lead, "effective", a, f"must have shape ({len(x)}, {len(x)}, ...)")
        a = np.broadcast_to(a if a.ndim > len(lead) else a[..., None], (*lead, x[0].size))
        return a.reshape(*lead, *x.shape[1:]).copy()

    def _points(self, name: str, points: ArrayLike) -> Array:
        points = np.asarray(points, dtype=float)
        allowed = f"must be points of shape ({self.dim or 'd'}, ...), components first"
        require(points.ndim > 0 and self.dim in (None, len(points)), name + ".shape", points.shape, allowed)
        return points

    def _field(self, x: Array | None, y: Array) -> ArrayLike:
        raise NotImplementedError

    def _closed_form(self, x: Array | None) -> Array:
        raise NotImplementedError(
            f"no closed form of the effective tensor is known for {self!r}; compute it with "
            "CellProblem(...).effective_tensor"
        )


@dataclass(frozen=True)
class constant(Medium):
    """a = value, a positive number (in any dimension), a tensor (d, d) or a stiffness (d, d, d, d); A* = a."""

    value: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _coefficient("value", self.value))

    @property
    def dim(self) -> int | None:
        return len(self.value) if isinstance(self.value, tuple) else None

    def _field(self, x: Array | None, y: Array) -> ArrayLike:
        return self.value if self.dim is None else np.reshape(self.value, (*np.shape(self.value), *(1,) * (y.ndim - 1)))

    def _closed_form(self, x: Array | None) -> Array:
        dim = self.dim or (None if x is None else len(x))
        require(dim is not None, "x", x, "a constant number fits every dimension; give points of shape (d, ...)")
        return exact.tensor_field(self.value, dim)


@dataclass(frozen=True)
class layered(Medium):
    r"""a(y) = b(k . y): layers with wave vector k and profile b.

    Parameters
    ----------
    profile : b, vectorised, of period 1: ``Sine``, ``Steps``, ``Diagonal`` or any function t -> number, tensor (d, d, ...) or
        stiffness (d, d, d, d, ...).
    wave : k (d,). Integer entries make the medium 1-periodic in y; any real vector is a medium, layered at its angle with
        period 1/|k|. Default: layers that cross the first axis of the plane.

    A* is the laminate tensor with normal k/|k| (``exact.laminate``), to round-off for smooth profiles and for known jumps.
    """

    profile: Callable[[ArrayLike], ArrayLike]
    wave: tuple[float, ...] = (1.0, 0.0)

    def __post_init__(self) -> None:
        wave = np.atleast_1d(np.asarray(self.wave, dtype=float))
        require(
            wave.ndim == 1 and np.isfinite(wave).all() and wave.any(), "wave", self.wave, "must be a non-zero vector"
        )
        object.__setattr__(self, "wave", _frozen(wave))

    @property
    def dim(self) -> int:
        return len(self.wave)

    def _field(self, x: Array | None, y: Array) -> Array:
        return self.profile(sum(k * y_k for k, y_k in zip(self.wave, y, strict=True) if k))

    def _closed_form(self, x: Array | None) -> Array:
        return exact.laminate(self.profile, normal=self.wave)


@dataclass(frozen=True)
class products(Medium):
    r"""a(y) = sum_k b_k1(y_1) ... b_kd(y_d), each term a tuple of d profiles. One term has a closed form: ``separable``."""

    terms: tuple[tuple[Callable[[ArrayLike], ArrayLike], ...], ...]

    def __post_init__(self) -> None:
        lengths = {len(factors) for factors in self.terms}
        require(len(lengths) == 1 and 0 not in lengths, "terms", self.terms, "must be products of d profiles each")
        object.__setattr__(self, "terms", tuple(map(tuple, self.terms)))

    @property
    def dim(self) -> int:
        return len(self.terms[0])

    def _field(self, x: Array | None, y: Array) -> Array:
        total = 0.0
        for factors in self.terms:
            value = factors[0](y[0])
            for factor, y_k in zip(factors[1:], y[1:], strict=True):
                value = value * factor(y_k)
            total = total + value
        return total

    def _closed_form(self, x: Array | None) -> Array:
        return exact.separable(*self.terms[0]) if len(self.terms) == 1 else super()._closed_form(x)


@dataclass(frozen=True)
class checkerboard4(Medium):
    """Square tiles of side 1/2, period 1: upper left a, upper right b, lower right c, lower left d, seen from y = 0.

    Each is a positive number, a tensor (2, 2) or a stiffness (2, 2, 2, 2). Tile edges lie at multiples of 1/2, so an even number
    of elements per period of a cell centred at 0 resolves them. A* of numbers by ``exact.checkerboard4``.
    """

    a: ArrayLike
    b: ArrayLike
    c: ArrayLike
    d: ArrayLike
    dim = 2

    def __post_init__(self) -> None:
        for name, value in _alike({name: _coefficient(name, getattr(self, name)) for name in "abcd"}).items():
            require(np.shape(value)[:1] in ((), (2,)), name, value, "must be one of the plane")
            object.__setattr__(self, name, value)

    def _field(self, x: Array | None, y: Array) -> Array:
        left, lower = np.floor(2 * y).astype(np.int64) & 1
        return np.moveaxis(np.array([self.b, self.a, self.c, self.d]), 0, -1)[..., 2 * lower + left]

    def _closed_form(self, x: Array | None) -> Array:
        return super()._closed_form(x) if np.ndim(self.a) else exact.checkerboard4(self.a, self.b, self.c, self.d)


_SHAPES = {"disk": (2, np.pi), "sphere": (3, 4 * np.pi / 3), "square": (2, 4.0), "cube": (3, 8.0)}


@dataclass(frozen=True)
class inclusion(Medium):
    r"""One inclusion in every period, centred at the integer points of y.

    Parameters
    ----------
    inside, matrix : the two values, positive numbers, tensors (d, d) or stiffnesses (d, d, d, d), or functions of x (d, ...)
        that return them with points behind.
    radius : of the disk or sphere, half the side of the square or cube, in periods: a number in (0, 1/2] or a function of x.
    fraction : volume fraction instead of the radius, likewise (a function of x: a functionally graded composite).
    shape : "disk", "sphere", "square" or "cube"; it sets the dimension.

    A* is known for the square of fraction 1/4 (``exact.obnosov``); a mesh resolves it if 4 divides n.
    """

    inside: OfX
    matrix: OfX = 1.0
    radius: OfX | None = None
    fraction: OfX | None = None
    shape: str = "disk"

    def __post_init__(self) -> None:
        require(self.shape in _SHAPES, "shape", self.shape, f"must be one of {', '.join(_SHAPES)}")
        for name, value in _phases(self, "inside", "matrix").items():
            object.__setattr__(self, name, value)
        require(
            (self.radius is None) != (self.fraction is None),
            "radius",
            self.radius,
            f"give either the radius or the fraction (fraction={self.fraction!r})",
        )
        if not callable(self.fraction if self.radius is None else self.radius):
            self._size(None)

    @property
    def dim(self) -> int:
        return _SHAPES[self.shape][0]

    def _size(self, x: Array | None) -> Array:
        """The radius or half side, checked."""
        dim, volume = _SHAPES[self.shape]
        name, value = ("fraction", self.fraction) if self.radius is None else ("radius", self.radius)
        size = np.asarray(_at(value, x), dtype=float)
        limit = 0.5 if name == "radius" else volume / 2**dim
        allowed = f"must lie in (0, {limit:.6g}], where the {self.shape} still fits into its period"
        require((size > 0) & (size <= limit * (1 + 1e-15)), name, size if callable(value) else value, allowed)
        return size if name == "radius" else (size / volume) ** (1 / dim)

    def interface(self, x: Array | None, y: Array) -> tuple[Array, ArrayLike, ArrayLike]:
        """A level function, negative inside, and the values inside and in the matrix (see ``micro.interface``)."""
        r = np.abs(y - np.round(y))
        distance = r.max(axis=0) if self.shape in ("square", "cube") else np.sqrt((r * r).sum(axis=0))
        return distance - self._size(x), _at(self.inside, x), _at(self.matrix, x)

    def _field(self, x: Array | None, y: Array) -> Array:
        r = np.abs(y - np.round(y))
        size = self._size(x)
        hit = r.max(axis=0) < size if self.shape in ("square", "cube") else (r * r).sum(axis=0) < size * size
        return _where(hit, self.inside, self.matrix, x)

    def _closed_form(self, x: Array | None) -> Array:
        numbers = [_at(value, x) for value in (self.matrix, self.inside)]
        if (
            any(np.ndim(k) > 1 for k in numbers)
            or self.shape != "square"
            or not np.allclose(self._size(x), 0.25, rtol=0, atol=1e-15)
        ):
            return super()._closed_form(x)
        k = exact.obnosov(*numbers)
        return exact.tensor_field(k, 2, np.ndim(k))


@dataclass(frozen=True)
class level_set(Medium):
    """Two phases that meet where ``level(x, y)`` is zero: ``inside`` where it is negative, ``matrix`` elsewhere.

    Parameters
    ----------
    level : a vectorised function of points; near its zeros it should be smooth, with a gradient.
    inside, matrix : positive numbers or functions of x (d, ...) -> (...).

    Cells with interface="laminate" resolve the interface better than their elements (``micro.interface``).
    """

    level: Callable[[Array | None, Array], ArrayLike]
    inside: OfX
    matrix: OfX = 1.0

    def __post_init__(self) -> None:
        require(callable(self.level), "level", self.level, "must be a function level(x, y)")
        for name in ("inside", "matrix"):
            value = getattr(self, name)
            require(callable(value) or np.ndim(value) == 0, name, value, "must be a number or a function of x")
            object.__setattr__(self, name, value if callable(value) else _coefficient(name, value))

    def interface(self, x: Array | None, y: Array) -> tuple[Array, ArrayLike, ArrayLike]:
        """The level function and both values (see ``micro.interface``)."""
        level = np.asarray(self.level(x, y), dtype=float)
        require(np.isfinite(level), "level", level, "must be finite everywhere")
        return level, _at(self.inside, x), _at(self.matrix, x)

    def _field(self, x: Array | None, y: Array) -> Array:
        level, inside, matrix = self.interface(x, y)
        return np.where(level < 0, inside, matrix)


@dataclass(frozen=True)
class graded(Medium):
    """a(x, y) = g(x) b(x, y): a factor g, a function of x (d, ...) -> (...), times a medium b. A* = g B*."""

    factor: Callable[[Array], ArrayLike]
    medium: Callable[[Array, Array], ArrayLike]

    def __post_init__(self) -> None:
        for name in ("factor", "medium"):
            require(callable(getattr(self, name)), name, getattr(self, name), "must be a function")

    @property
    def dim(self) -> int | None:
        return getattr(self.medium, "dim", None)

    def _field(self, x: Array | None, y: Array) -> Array:
        return _at(self.factor, x) * self.medium(x, y)

    def _closed_form(self, x: Array | None) -> Array:
        if not hasattr(self.medium, "effective"):
            return super()._closed_form(x)
        return _at(self.factor, x) * self.medium.effective(x)


@dataclass(frozen=True)
class Function(Medium):
    """See ``function``."""

    f: Callable[[Array, Array], ArrayLike]
    tensor: Any

    def _field(self, x: Array | None, y: Array) -> ArrayLike:
        return self.f(x, y)

    def _closed_form(self, x: Array | None) -> Array:
        return super()._closed_form(x) if self.tensor is None else _at(self.tensor, x)


# -- names for what these make --------------------------------------------------------------------------------------


def function(
    f: Callable[[Array, Array], ArrayLike], effective: ArrayLike | Callable[[Array], Array] | None = None
) -> Medium:
    """A plain function f(x, y) with its closed form attached: a tensor (d, d), or a function of x (d, ...) -> (d, d, ...)."""
    require(callable(f), "f", f, "must be a function a(x, y)")
    return Function(f, effective if effective is None or callable(effective) else _coefficient("effective", effective))


def laminate(values: tuple, fractions: tuple[float, ...] | None = None, wave: tuple[float, ...] = (1.0, 0.0)) -> Medium:
    """Layers of constant phases, numbers, tensors or stiffnesses, with volume fractions (equal for None)."""
    return layered(Steps(values, fractions), wave)


def separable(*profiles: Callable[[ArrayLike], ArrayLike]) -> Medium:
    """a(y) = b_1(y_1) ... b_d(y_d); A* by ``exact.separable``."""
    return products((profiles,))


def checkerboard(k1: ArrayLike, k2: ArrayLike) -> Medium:
    """Two-phase checkerboard, k1 at the upper left of y = 0; of numbers A* = sqrt(k1 k2) I (Keller 1964, Dykhne 1970)."""
    k1, k2 = _coefficient("k1", k1), _coefficient("k2", k2)
    return checkerboard4(k1, k2, k1, k2)


def hou_wu() -> Medium:
    """(2 + 1.8 sin 2 pi y_1)/(2 + 1.8 cos 2 pi y_2) + (2 + sin 2 pi y_2)/(2 + 1.8 sin 2 pi y_1), of Hou-Wu / Ming-Yue type."""
    return products(((Sine(2, 1.8), cosine(2, 1.8, -1)), (Sine(2, 1.8, power=-1), Sine(2, 1))))


def resonant() -> Medium:
    """(2 + 1.8 sin 2 pi y_1)/(2 + 1.8 cos 2 pi y_2) + (2 + sin 2 pi y_2)/(2 + 1.8 cos 2 pi y_1): studies of resonance use it."""
    return products(((Sine(2, 1.8), cosine(2, 1.8, -1)), (cosine(2, 1.8, -1), Sine(2, 1))))


def sine_product() -> Medium:
    """2 + sin 2 pi y_1 sin 2 pi y_2: A* is isotropic by symmetry."""
    return products(((Sine(2, 0), Sine(1, 0)), (Sine(0, 1), Sine(0, 1))))


def balanced_layers() -> Medium:
    """diag(2/(2 + cos 2 pi y_1), 1 + cos(2 pi y_1)/2)/(8 pi^2): anisotropic layers with A* = I/(8 pi^2)."""
    k = 8 * np.pi**2
    return layered(Diagonal((cosine(k, k / 2, -1), cosine(1 / k, 0.5 / k))))
