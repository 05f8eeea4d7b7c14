"""Media sampled on sampling domains: one layout for scalars and tensors, and a clear word where they cannot be used."""

import math

import numpy as np

from hmm_core.media.laws import Medium
from hmm_core.micro.transforms import read_only

Array = np.ndarray


def sample(a: Medium, x: Array, y: Array) -> Array:
    """Evaluate a(x, y) for x (d, K, 1) or (d, K, P) and y (d, 1, P) or (d, K, P): coefficients (K or 1, c, P).

    c = 1 for a scalar medium, d*d for a tensor. One row instead of K: the medium did not look at x, and all K
    problems are the same.

    Raises
    ------
    ValueError
        The medium raised, or its answer has the wrong shape or type, is not finite or (its symmetric part) not positive
        definite; the message says at which point.
    """
    try:
        value = a(read_only(x), read_only(y))  # both serve again
    except Exception as error:
        raise ValueError(
            f"the medium a(x, y) raised {type(error).__name__} for x of shape {x.shape} and y of shape {y.shape}: {error}"
        ) from error
    field = _as_field(value, len(x), x.shape[1], y.shape[2])
    _check(field, x, y)
    return field


def normalised(field: Array) -> tuple[Array, Array]:
    """Each row of a sampled coefficient (B, c, P) as 2^exponent times one of order one, and the exponents (B,)."""
    size = np.abs(field).reshape(len(field), -1).max(axis=1)
    _, exponent = np.frexp(size)
    return np.ldexp(field, -exponent[:, None, None]), exponent


def ellipticity(a: Array, diagonal: Array) -> tuple[Array, Array]:
    """Smallest value and harmonic mean (B,) of the least lam(y) with a(y) >= lam(y) diag(diagonal)."""
    if a.shape[1] == 1:
        lam = a[:, 0].reshape(len(a), -1)
        return lam.min(axis=1) / diagonal[:, 0], 1 / ((1 / lam).mean(axis=1) * diagonal[:, 0])
    d, root = diagonal.shape[1], np.sqrt(diagonal)
    scaled = a.reshape(len(a), d, d, -1) / (root[:, :, None] * root[:, None, :])[..., None]
    lam = np.maximum(smallest_eigenvalue(scaled), np.finfo(float).tiny)
    return lam.min(axis=1), 1 / (1 / lam).mean(axis=1)


def _as_field(value: Array, dim: int, count: int, points: int) -> Array:
    """The medium's answer as (count or 1, c, points); the number of its leading axes says scalar or tensor."""
    value = np.asarray(value)
    expected = f"expected a scalar field that broadcasts to ({count}, {points}) or a tensor field ({dim}, {dim}, ...)"
    if value.dtype.kind not in "fiub":
        raise ValueError(f"the medium a(x, y) returned {value.dtype} values; real numbers are needed")
    value = value.astype(float, copy=False)

    def fits(shape: tuple[int, ...]) -> bool:
        wanted = (count, points)[2 - len(shape) :] if shape else ()
        return len(shape) <= 2 and all(s in (1, w) for s, w in zip(shape, wanted, strict=True))

    if fits(value.shape):
        components, trailing = 1, value.shape
    elif value.shape[:2] == (dim, dim) and fits(value.shape[2:]):
        components, trailing = dim * dim, value.shape[2:]
    elif value.ndim >= 4 and value.shape[:4] == (dim,) * 4:
        raise ValueError(
            f"the medium a(x, y) returned a stiffness field {value.shape}; a scalar cell problem {expected}"
        )
    else:
        raise ValueError(f"the medium a(x, y) returned shape {value.shape}; {expected}")
    value = value.reshape(components, *(1,) * (2 - len(trailing)), *trailing)
    field = np.empty((value.shape[1], components, points))
    field[:] = value.swapaxes(0, 1)
    return field


def _place(k: int, point: int, slow: Array, fast: Array) -> str:
    x, y = (
        np.broadcast_to(v, (*v.shape[:1], max(v.shape[1], k + 1), max(v.shape[2], point + 1))) for v in (slow, fast)
    )
    return f"at x={x[:, k, point].tolist()}, y={y[:, k, point].tolist()}"


def _check(field: Array, slow: Array, fast: Array) -> None:
    """Finite and positive definite (the symmetric part): or an error that says where not."""
    if not np.isfinite(field.sum()):
        k, _, point = np.argwhere(~np.isfinite(field))[0]
        raise ValueError(f"the medium a(x, y) is not finite {_place(k, point, slow, fast)}: {field[k, :, point]}")
    if field.shape[1] == 1:
        if not field.min() > 0:
            k, _, point = np.unravel_index(field.argmin(), field.shape)
            raise ValueError(f"the medium a(x, y) must be positive; it is {field.min()} {_place(k, point, slow, fast)}")
        return
    d = math.isqrt(field.shape[1])
    tensor = field.reshape(len(field), d, d, -1)
    smallest = smallest_eigenvalue(tensor)
    if not smallest.min() > 0:
        k, point = np.unravel_index(smallest.argmin(), smallest.shape)
        raise ValueError(
            f"the tensor a(x, y) must be positive definite (its symmetric part); {_place(k, point, slow, fast)} it is "
            f"{tensor[k, :, :, point].tolist()}"
        )


def is_symmetric(a: Array) -> Array:
    """Whether each of the sampled coefficients (B, c, G, E) is symmetric, up to round-off: (B,)."""
    if a.shape[1] == 1:
        return np.ones(len(a), dtype=bool)
    d = math.isqrt(a.shape[1])
    if all(np.array_equal(a[:, i * d + j], a[:, j * d + i]) for i in range(d) for j in range(i)):
        return np.ones(len(a), dtype=bool)
    skew, size = np.zeros(len(a)), np.abs(a).reshape(len(a), -1).max(axis=1)
    for i, j in zip(*np.tril_indices(d, -1), strict=True):
        skew = np.maximum(skew, np.abs(a[:, i * d + j] - a[:, j * d + i]).reshape(len(a), -1).max(axis=1))
    return skew <= 1e-10 * size


def smallest_eigenvalue(tensor: Array) -> Array:
    """Of the symmetric parts of tensors (B, d, d, P): (B, P)."""
    if tensor.shape[1] == 2:  # by hand, for LAPACK's overhead on millions of 2 x 2 matrices is seconds
        half_trace, half_gap = (tensor[:, 0, 0] + tensor[:, 1, 1]) / 2, (tensor[:, 0, 0] - tensor[:, 1, 1]) / 2
        off = (tensor[:, 0, 1] + tensor[:, 1, 0]) / 2
        return half_trace - np.sqrt(half_gap * half_gap + off * off)
    symmetric = (tensor + tensor.swapaxes(1, 2)) / 2
    return np.linalg.eigvalsh(np.moveaxis(symmetric, (1, 2), (-2, -1)))[..., 0]
