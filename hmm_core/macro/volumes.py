"""Control volumes: the equal cells of an interval or a rectangle, whose averages a balance law moves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from typing import Any

import numpy as np

from hmm_core.closure import refuse_non_finite
from hmm_core.closure.answer import broadcasts, parameters_of
from hmm_core.micro.grid import read_only

Array = np.ndarray
SIDES = (("left", "right"), ("bottom", "top"))
GAUSS = np.polynomial.legendre.leggauss(4)  # for averages of functions over a cell


@dataclass(frozen=True)
class Volumes:
    """Equal control volumes on an interval or on a rectangle.

    cells    how many: a number, or (along x, along y)
    domain   (a, b), or ((a, b), (c, d))

    Fields are cell averages (c, *shape), c the component axes: none, or m. Sides are called left, right, bottom, top.
    ValueError for less than two cells along a side and for intervals without length.
    """

    cells: int | tuple[int, ...]
    domain: tuple = (0.0, 1.0)

    def __post_init__(self) -> None:
        cells = self.cells if isinstance(self.cells, tuple | list) else (self.cells,)
        if len(cells) not in (1, 2) or not all(isinstance(n, Integral) and n >= 2 for n in cells):
            raise ValueError(f"cells={self.cells!r}: one or two integers are needed, each at least 2")
        domain = np.asarray(self.domain, dtype=float)
        if domain.ndim == 1:
            domain = domain[None]
        if domain.shape != (len(cells), 2) or not np.isfinite(domain).all() or not (domain[:, 0] < domain[:, 1]).all():
            raise ValueError(f"domain={self.domain!r} must hold one pair a < b for each of {len(cells)} directions")
        object.__setattr__(self, "cells", tuple(int(n) for n in cells))
        object.__setattr__(self, "domain", tuple((float(a), float(b)) for a, b in domain))

    @property
    def dim(self) -> int:
        return len(self.cells)

    @property
    def width(self) -> Array:
        """Of a cell, along every axis (d,)."""
        return np.array([(b - a) / n for (a, b), n in zip(self.domain, self.cells, strict=True)])

    @property
    def centres(self) -> Array:
        """(d, *cells)"""
        return _points(self, None)

    def faces(self, axis: int) -> Array:
        """Centres of the faces across an axis: (d, *cells) with one more along it."""
        return _points(self, axis)

    def locate(self, points: Array) -> tuple[Array, ...]:
        """Index arrays of the cells that hold points (d, K). ValueError for points outside."""
        low, high = np.array(self.domain).T[..., None]
        inside = ((low <= points) & (points <= high)).all(axis=0)
        if not inside.all():
            k = int(np.argmin(inside))
            raise ValueError(
                f"{(~inside).sum()} points are outside {self.domain}; the first is {points[:, k].tolist()}"
            )
        index = ((points - low) / self.width[:, None]).astype(int)
        return tuple(np.minimum(i, n - 1) for i, n in zip(index, self.cells, strict=True))

    def average(self, name: str, function: Callable[[Array], Array]) -> Array:
        """Cell averages (c, *cells) of a function of x (d, K), by four Gauss points along every axis."""
        nodes, weights = GAUSS
        shift = np.stack(np.meshgrid(*[nodes / 2] * self.dim, indexing="ij")).reshape(self.dim, -1)
        weight = np.prod(np.meshgrid(*[weights / 2] * self.dim, indexing="ij"), axis=0).reshape(-1)
        x = self.centres.reshape(self.dim, -1, 1) + self.width[:, None, None] * shift[:, None]
        flat = read_only(x.reshape(self.dim, -1))
        value = values_of(name, function(flat), flat)
        return (value.reshape(*value.shape[:-1], -1, len(weight)) @ weight).reshape(*value.shape[:-1], *self.cells)


@lru_cache(maxsize=8)
def _points(grid: Volumes, faces: int | None) -> Array:
    lines = []
    for i, ((a, b), n) in enumerate(zip(grid.domain, grid.cells, strict=True)):
        lines.append(np.linspace(a, b, n + 1) if i == faces else a + (b - a) * (np.arange(n) + 0.5) / n)
    return read_only(np.stack(np.meshgrid(*lines, indexing="ij")))


def values_of(name: str, value: Any, x: Array, c: tuple[int, ...] | None = None) -> Array:
    """What a function of x (d, K) returned, as (c, K): real, finite, of a shape that fits. c=None: a scalar or m components."""
    value, count = np.asarray(value), x.shape[1]
    if value.dtype.kind not in "fiu":
        raise ValueError(f"{name} has values of type {value.dtype}; real numbers are needed")
    if c is None:
        c = value.shape[:-1] if value.ndim == 2 else ()
    if c and value.shape == c:
        value = value[:, None]
    if not broadcasts(value.shape, (*c, count)) or (c and value.ndim == 1):
        raise ValueError(f"{name} returned shape {value.shape} for x {x.shape}; expected {(*c, count)}")
    value = np.broadcast_to(value, (*c, count)).astype(float)
    refuse_non_finite(value, x, name)
    return value


def takes_time(function: Callable, others: int) -> bool:
    """Whether a function wants t after so many other arguments."""
    return sum(p.default is p.empty for p in parameters_of(function).values()) > others


# -- boundaries ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Side:
    """What is done at one side: kind "periodic", "outflow", "wall" or "inflow".

    signs   (m,) of a wall: how each component is mirrored; None for a scalar, of which nothing passes
    data    of inflow: function (x, t) -> (m, K)
    """

    kind: str
    signs: Array | None = None
    data: Callable[[Array, float], Array] | None = None

    def outside(self, inside: Array, other: Array, x: Array, t: float) -> Array:
        """The state on the other side of the face: (m, K) from the inner one, and from that at the opposite end."""
        if self.kind == "periodic":
            return other
        if self.kind == "inflow":
            return self.data(x, t)
        return inside if self.signs is None else self.signs[:, None] * inside

    def ghost(self, first: Array, last: Array, x: Array, t: float) -> Array:
        """The average of a cell beyond the face, from which slopes and gradients are taken: (m, K)."""
        state = self.outside(first, last, x, t)
        return 2 * state - first if self.kind == "inflow" else state  # the state stands at the face, half a cell away


def sides_of(boundary: Any, grid: Volumes, m: int, scalar: bool) -> tuple[tuple[Side, Side], ...]:
    """For each axis its two sides, from what the user wrote. ValueError or TypeError for what makes no sense."""
    names = [name for pair in SIDES[: grid.dim] for name in pair]
    given = dict(boundary) if isinstance(boundary, Mapping) else dict.fromkeys(names, boundary)
    if set(given) != set(names):
        raise ValueError(f"boundary names {sorted(map(str, given))}; the sides are {', '.join(names)}, each once")
    result = {name: _side(name, value, m, scalar) for name, value in given.items()}
    for low, high in SIDES[: grid.dim]:
        if (result[low].kind == "periodic") != (result[high].kind == "periodic"):
            raise ValueError(f"boundary: {low} and {high} are periodic together or not at all")
    return tuple((result[low], result[high]) for low, high in SIDES[: grid.dim])


def _side(name: str, value: Any, m: int, scalar: bool) -> Side:
    if isinstance(value, str) and value in ("periodic", "outflow"):
        return Side(value)
    if isinstance(value, str) and value == "wall":
        if not scalar:
            raise ValueError(
                f"boundary[{name!r}]='wall': of {m} components a wall mirrors some; say ('wall', (1, -1, ...))"
            )
        return Side("wall")
    if isinstance(value, tuple) and len(value) == 2 and value[0] == "wall":
        signs = np.asarray(value[1], dtype=float)
        if signs.shape != (m,) or not (abs(signs) == 1).all():
            raise ValueError(f"boundary[{name!r}]={value!r}: a wall needs {m} signs, 1 or -1")
        return Side("wall", signs)
    if not callable(value) and (isinstance(value, str | bool) or np.asarray(value).dtype.kind not in "fiu"):
        raise TypeError(
            f"boundary[{name!r}]={value!r}: 'periodic', 'outflow', 'wall', or the state that flows in "
            "(numbers, or a function of x or of x and t)"
        )
    c = () if scalar else (m,)
    if not callable(value):
        values_of(f"boundary[{name!r}]", value, np.zeros((1, 1)), c)
    timed = callable(value) and takes_time(value, 1)

    def data(x: Array, t: float) -> Array:
        result = value(read_only(x), *[t] * timed) if callable(value) else value
        return values_of(f"boundary[{name!r}]", result, x, c).reshape(m, -1)

    return Side("inflow", data=data)
