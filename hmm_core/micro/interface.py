r"""Elements that an interface cuts: the phases mixed as a laminate, instead of a staircase.

A medium of two phases may tell where they meet: a method ``interface(x, y)`` returns a level function, negative inside, and the
two values. In an element of side h the interface is taken for the plane that touches the level set: with n its normal and f the
fraction that it cuts off the cube,

    a = m I + (k - m) n n^T,   m = f k_1 + (1 - f) k_2,   1/k = f/k_1 + (1 - f)/k_2,

the effective tensor of layers with normal n ("composite voxels", Kabel, Merkert and Schneider, Comput. Methods Appl. Mech. Eng.
294, 168, 2015). Layers answer to the *mean* gradient of the element: how a multilinear field twists it is no strain of theirs, so
cut elements take (almost) no energy from what deviates from the mean. It is no upper bound.
"""

import math
from itertools import product
from typing import Any

import numpy as np

from hmm_core.micro.transforms import Array

STEP = 1e-2  # of an element: for differences of the level function
SKEW = 1e-4  # least component of a normal: 0 would make the formula for fractions 0/0
WHOLE = SKEW / 4  # fraction below which an element is not cut, where interfaces follow the grid
TWIST = 0.02  # share of the flux that cut elements take from what deviates from their mean gradient: it keeps systems definite


class Laminated:
    """The medium as elements of side h see it: tensors (d, d, ...) at the centres y of elements."""

    def __init__(self, medium: Any, h: float) -> None:
        self.medium, self.h = medium, h

    def __call__(self, x: Array, y: Array) -> Array:
        d, step = len(y), STEP * self.h
        level, inside, matrix = self.medium.interface(x, y)
        slope = []
        for e in np.eye(d):
            shift = step * e.reshape(-1, *(1,) * (y.ndim - 1))
            ahead, behind = (self.medium.interface(x, y + s)[0] for s in (shift, -shift))
            slope.append((ahead - behind) / (2 * step))
        slope = np.array(np.broadcast_arrays(*slope, level)[:d], dtype=float)
        length = np.sqrt((slope * slope).sum(axis=0))
        flat = length == 0  # far from any interface, such as the centre of a disk
        n = slope / np.where(flat, 1.0, length)
        n[:, flat] = math.sqrt(1 / d)
        distance = np.where(flat, np.where(level < 0, -np.inf, np.inf), level / np.where(flat, 1.0, length))
        f = share_below(-distance / self.h, n)
        f = np.where(f < WHOLE, 0.0, np.where(f > 1 - WHOLE, 1.0, f))
        mean = f * inside + (1 - f) * matrix
        across = (
            -f * (1 - f) * (inside - matrix) ** 2 / (f * matrix + (1 - f) * inside)
        )  # harmonic less arithmetic mean
        return across * n[:, None] * n + mean * np.eye(d).reshape(d, d, *(1,) * mean.ndim)


def share_below(t: Array, n: Array) -> Array:
    """Volume (...) of the part n . y < t of the unit cube around 0, for unit normals n (d, ...).

    n . y is a sum of independent numbers, each evenly spread over |.| < |n_k|/2: its distribution is a divided difference of
    t_+^d / d! over the corners of the cube.
    """
    half = np.maximum(np.abs(n), SKEW) / 2
    t = np.clip(t, -half.sum(axis=0), half.sum(axis=0))
    total = np.zeros_like(t)
    for signs in product((1, -1), repeat=len(n)):
        reach = t + sum(sign * a for sign, a in zip(signs, half, strict=True))
        total += math.prod(signs) * np.maximum(reach, 0.0) ** len(n)
    return np.clip(total / (math.factorial(len(n)) * np.prod(2 * half, axis=0)), 0.0, 1.0)


def twist(a: Array) -> Array:
    """What multiplies the flux of higher modes in elements a (c, n, ..., n): 1, and ``TWIST`` in those that are cut.

    Phases are numbers, so that cut elements are those whose tensor is not a multiple of the identity.
    """
    d = math.isqrt(len(a))
    cut = np.zeros(a.shape[1:], dtype=bool)
    for i, j in product(range(d), repeat=2):
        cut |= a[i * d + j] != (a[0] if i == j else 0.0)
    return np.where(cut, TWIST, 1.0)
