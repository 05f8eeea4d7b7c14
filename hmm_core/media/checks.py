"""Checks that media share: what is not allowed raises ValueError with the argument, its value and what is."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray


def require(ok: ArrayLike, name: str, value: Any, allowed: str) -> None:
    """Raise ValueError naming the argument, its value and what is allowed, unless ``ok`` holds everywhere."""
    if not np.all(ok):
        raise ValueError(f"{name}={value!r}: {allowed}")


def positive(name: str, value: ArrayLike) -> Array:
    """``value`` as a float array; ValueError unless every entry is a positive finite number."""
    numbers = np.asarray(value, dtype=float)
    require((numbers > 0) & np.isfinite(numbers), name, value, "must be positive and finite")
    return numbers


def fractions_of(fractions: ArrayLike | None, count: int, name: str = "fractions") -> Array:
    """Volume fractions (count,), equal ones for None; ValueError unless positive with sum 1."""
    f = np.full(count, 1 / count) if fractions is None else np.asarray(fractions, dtype=float)
    require(f.shape == (count,), name, fractions, f"must hold one number for each of the {count} phases")
    require((f > 0) & (abs(f.sum() - 1) < 1e-12), name, fractions, "must be positive numbers that add up to 1")
    return f


def tensor_field(a: ArrayLike, dim: int, points: int = 0) -> Array:
    """A scalar field with at most ``points`` axes, a tensor field (d, d, ...) with as many besides, or a stiffness field
    (d, d, d, d, ...) with more than a tensor field has: as a tensor or stiffness with all its axes."""
    a = np.asarray(a, dtype=float)
    require(np.isfinite(a), "phases", a, "must be finite")
    if a.ndim <= points:
        return np.eye(dim).reshape(dim, dim, *(1,) * a.ndim) * a
    rank = 2 if a.ndim <= points + 2 else 4
    fits = a.shape[:rank] == (dim,) * rank and a.ndim <= points + rank
    allowed = f"must be a number, a tensor of shape ({dim}, {dim}) or a stiffness of shape ({dim}, {dim}, {dim}, {dim})"
    require(fits, "phases", a, allowed)
    return a.reshape(*a.shape[:rank], *(1,) * (points + rank - a.ndim), *a.shape[rank:])
