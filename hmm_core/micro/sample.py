"""The door: media sampled on sampling domains in one layout, of order one, and a clear word where they cannot be used.

A medium answers with a scalar field, a tensor field (d, d, ...) or a stiffness field (d, d, d, d, ...). Inside, all three are
coefficients (B, c, P) that act on L gradient components: c = 1, a number times the identity, or c = L*L. A stiffness a_ijkl,
flux sigma_ij = a_ijkl d_l u_k, acts on all L = d*d components d_l u_k; or, where it has the minor symmetries a_ijkl = a_jikl =
a_ijlk at every point of a sample, on the L = d(d+1)/2 components of the strain in Mandel's notation: on all d*d it would be
singular, for it does not resist rotations.
"""

import math
from collections.abc import Callable

import numpy as np

from hmm_core.media.laws import MediumLike
from hmm_core.micro.transforms import kinematics, read_only

Array = np.ndarray

# Problems of one kind: their numbers (all of them for a single row, where the medium ignores x), their coefficients (B, c, P)
# of order one, and the exponents (B,) of the powers of two that these were divided by.
Part = tuple[Array, Array, Array]

LEAST = 2.0**-1000  # of the largest entry in a sample: a diagonal that falls below has no reciprocals to count on
MINOR = 64 * np.finfo(float).eps  # relative to the diagonal: what round-off makes of the minor symmetries
SYMMETRIC = 1e-10  # the same of symmetry: tangents by differences are no better


def sample(a: MediumLike, x: Array, y: Array) -> Array:
    """Evaluate a(x, y) for x (d, K, 1) or (d, K, P) and y (d, 1, P) or (d, K, P): coefficients (K or 1, c, P).

    c = 1 for a scalar medium, d*d for a tensor, d^4 for a stiffness. One row instead of K: the medium did not look at x,
    and all K problems are the same.

    Raises
    ------
    ValueError
        The medium raised, or its answer has the wrong shape or type, is not finite, not positive definite (its symmetric
        part), or varies by more than double precision holds; the message says at which point.
    """
    field = evaluated(a, x, y)
    _parts(field.copy(), x, y)
    return field


def samples(a: MediumLike, x: Array, y: Array, sure: bool = False) -> list[Part]:
    """The same, of order one, a stiffness in the components that it acts on: one part, or one of either kind of stiffness.

    ``sure``: the medium has already shown that its answers follow the numbers of points.
    """
    return _parts(evaluated(a, x, y, sure), x, y)


def fields_of(c: int, dim: int) -> str:
    """The kind of fields whose gradients a coefficient of c components acts on."""
    return {(dim * (dim + 1) // 2) ** 2: "strain", dim**4: "vector", dim * dim: "scalar", 1: "scalar"}[c]


# -- magnitudes -----------------------------------------------------------------------------------------------------------


def restored(tensor: Array, exponent: Array, tol: float) -> Array:
    """2^exponent tensor for (..., K) and (K,), or ValueError where double precision does not hold that to ``tol``."""
    with np.errstate(over="ignore"):
        whole = np.ldexp(tensor, exponent)
    size = np.abs(whole).reshape(-1, whole.shape[-1]).max(axis=0)
    lost = ~np.isfinite(size) | (size * tol < np.finfo(float).smallest_subnormal)
    if lost.any():
        k = int(lost.argmax())
        size = np.abs(tensor[..., k]).max()
        raise ValueError(
            f"the effective tensor is about {size:.3g} * 2**{exponent[k]} (point {k}), which double precision does not hold to "
            f"tol={tol}: measure the medium a(x, y) in another unit"
        )
    return whole


def scaled_time(T: float, exponent: Array) -> Array:
    """T (B,) as felt by coefficients that were divided by 2^exponent. Beyond 2^(+-512) it is as good as infinite or zero."""
    mantissa, power = math.frexp(T)
    return np.ldexp(mantissa, np.clip(power + exponent, -512, 512))


# -- what the medium says -------------------------------------------------------------------------------------------------


def evaluated(a: MediumLike, x: Array, y: Array, sure: bool = False) -> Array:
    """The medium's answer as (K or 1, c, P); the number of its leading axes says scalar, tensor or stiffness."""
    numbers = len(x), x.shape[1], y.shape[2]
    value = _answer(a, x, y)
    rank = _rank(value.shape, *numbers)
    if not sure and coincide(value.shape, *numbers):
        rank = _asked_again(a, x, y, value.shape)
    components, trailing = numbers[0] ** rank, value.shape[rank:]
    value = value.reshape(components, *(1,) * (2 - len(trailing)), *trailing)
    field = np.empty((value.shape[1], components, numbers[2]))
    field[:] = value.swapaxes(0, 1)
    return field


def _answer(a: MediumLike, x: Array, y: Array) -> Array:
    try:
        value = np.asarray(a(read_only(x), read_only(y)))  # both serve again
    except Exception as error:
        raise ValueError(
            f"the medium a(x, y) raised {type(error).__name__} for x of shape {x.shape} and y of shape {y.shape}: {error}"
        ) from error
    if value.dtype.kind not in "fiub":
        raise ValueError(f"the medium a(x, y) returned {value.dtype} values; real numbers are needed")
    return value.astype(float, copy=False)


def _rank(shape: tuple[int, ...], dim: int, count: int, points: int) -> int:
    """How many leading axes are components; the others have to broadcast to (count, points)."""
    for rank in (0, 2, 4) if dim > 1 else (0, 2):
        trailing = shape[rank:]
        wanted = (count, points)[max(0, 2 - len(trailing)) :]
        fits = len(trailing) <= 2 and all(s in (1, w) for s, w in zip(trailing, wanted, strict=True))
        if fits and shape[:rank] == (dim,) * rank:
            return rank
    line = " (on a line a stiffness is a number: return a scalar field)" if dim == 1 else ""
    raise ValueError(
        f"the medium a(x, y) returned shape {shape}; expected a scalar field that broadcasts to ({count}, {points}), a tensor "
        f"field ({dim}, {dim}, ...) or a stiffness field ({dim}, {dim}, {dim}, {dim}, ...){line}"
    )


def coincide(shape: tuple[int, ...], dim: int, count: int, points: int) -> bool:
    """Whether an axis of this shape could be two of these: components, macro points, micro points."""
    return any(size > 1 and (dim, count, points).count(size) > 1 for size in shape)


def few_points(x: Array, y: Array) -> tuple[Array, Array]:
    """Three (in space, two) of the macro points and four of the micro points: no number of them can be taken for another."""
    macro = np.resize(np.arange(x.shape[1]), 2 if len(x) == 3 else 3)
    micro = np.resize(np.arange(y.shape[2]), 4)
    y = y if y.shape[1] == 1 else y[:, macro]
    return x[:, macro][..., micro if x.shape[2] > 1 else slice(None)], y[..., micro]


def _asked_again(a: MediumLike, x: Array, y: Array, shape: tuple[int, ...]) -> int:
    """The rank, where numbers of points coincide: an axis that is taken for another one shows when they do not."""
    few = few_points(x, y)
    try:
        return _rank(_answer(a, *few).shape, len(x), few[0].shape[1], few[1].shape[2])
    except ValueError as error:
        raise ValueError(
            f"the medium a(x, y) returned shape {shape} for {x.shape[1]} macro and {y.shape[2]} micro points in {len(x)}D, so an "
            f"axis can mean either; asked again with other numbers of points, {error}"
        ) from error


# -- of order one, in the components that it acts on, and checked ---------------------------------------------------------


def _parts(field: Array, slow: Array, fast: Array) -> list[Part]:
    """Overwrites ``field`` (K or 1, c, P)."""
    numbers, dim = np.arange(slow.shape[1]), len(slow)
    exponent = _normalise(field, lambda k, point: _whereabouts(k, point, slow, fast))
    parts = [(numbers, field, exponent)]
    if dim > 1 and field.shape[1] == dim**4:
        minor, S = has_minor_symmetries(field, dim), kinematics(dim, "strain").reshape(-1, dim * dim)
        groups = (minor, np.kron(S, S) @ field[minor]), (~minor, field[~minor])
        mine = [numbers[rows] if len(rows) > 1 else numbers for rows, _ in groups]
        parts = [(m, part, exponent[rows]) for m, (rows, part) in zip(mine, groups, strict=True) if rows.any()]
    for mine, part, powers in parts:
        _refuse_indefinite(part, powers, lambda k, point, m=mine: _whereabouts(m[k], point, slow, fast), dim)
    return parts


def _normalise(field: Array, place: Callable[[int, int], str]) -> Array:
    """Divide each row of (B, c, P), in place, by the power of two that makes it of order one; the exponents (B,)."""
    rows = field.reshape(len(field), -1)
    low, high = rows.min(axis=1), rows.max(axis=1)
    size = np.maximum(high, -low)
    if not (size < np.inf).all():  # nor for NaN
        k, _, point = np.argwhere(~np.isfinite(field))[0]
        raise ValueError(f"the medium a(x, y) is not finite {place(k, point)}: {field[k, :, point]}")
    diagonal = field[:, :: math.isqrt(field.shape[1]) + 1]
    least = low if field.shape[1] == 1 else diagonal.reshape(len(field), -1).min(axis=1)
    if field.shape[1] == 1 and not low.min() > 0:
        k, _, point = np.unravel_index(field.argmin(), field.shape)
        raise ValueError(f"the medium a(x, y) must be positive; it is {field.min()} {place(k, point)}")
    _, exponent = np.frexp(size)
    lost = (least > 0) & (least < LEAST * size)
    if lost.any():
        k = int(lost.argmax())
        _, point = np.unravel_index(diagonal[k].argmin(), diagonal[k].shape)
        raise ValueError(
            f"the medium a(x, y) varies from {least[k]:.3g} {place(k, point)} to {size[k]:.3g} in one sample: more than double "
            "precision holds together"
        )
    if (np.abs(exponent) < 1000).all():
        field *= np.ldexp(1.0, -exponent)[:, None, None]
    else:  # the power itself need not be a number
        np.ldexp(field, -exponent[:, None, None], out=field)
    return exponent


def has_minor_symmetries(field: Array, dim: int) -> Array:
    """Whether stiffness fields (B, d^4, P) satisfy a_ijkl = a_jikl = a_ijlk everywhere, up to round-off: (B,)."""
    a = field.reshape(len(field), dim, dim, dim * dim, -1)
    diagonal = np.maximum(field[:, :: dim * dim + 1], 0.0).reshape(len(field), dim, dim, -1)
    root = np.sqrt(np.maximum(diagonal, diagonal.swapaxes(1, 2)))  # of pairs (i, j), exchanged or not
    pairs, symmetric = root.reshape(len(field), dim * dim, -1), np.ones(len(field), dtype=bool)
    for one in (a, field.reshape(len(field), dim * dim, dim, dim, -1).transpose(0, 2, 3, 1, 4)):
        for i in range(dim):
            for j in range(i):
                allowed = MINOR * root[:, i, j, None] * pairs
                symmetric &= (np.abs(one[:, i, j] - one[:, j, i]) <= allowed).all(axis=(1, 2))
    return symmetric


def _refuse_indefinite(a: Array, exponent: Array, place: Callable[[int, int], str], dim: int) -> None:
    """ValueError unless the symmetric parts of a (B, c, P) are positive definite everywhere."""
    L = math.isqrt(a.shape[1])
    if L == 1:
        return
    tensor = a.reshape(len(a), L, L, -1)
    least = least_pivot(tensor)
    if not least.min() > 0:
        k, point = np.unravel_index(np.argmin(least), least.shape)
        name, on = {
            "scalar": ("tensor", ""),
            "strain": ("stiffness", " on strains, in Mandel's notation"),
            "vector": (
                "stiffness",
                f" on all {L} components of the gradient, for it lacks the minor symmetries a_ijkl = a_jikl = a_ijlk somewhere",
            ),
        }[fields_of(L * L, dim)]
        raise ValueError(
            f"the {name} a(x, y) must be positive definite (its symmetric part){on}; {place(k, point)} it is "
            f"{np.ldexp(tensor[k, :, :, point], exponent[k]).tolist()}"
        )


def _whereabouts(k: int, point: int, slow: Array, fast: Array) -> str:
    x, y = (v[:, min(k, v.shape[1] - 1), min(point, v.shape[2] - 1)].tolist() for v in (slow, fast))
    return f"at x={x}, y={y}"


# -- what solvers want to know of coefficients ----------------------------------------------------------------------------


def ellipticity(a: Array, reference: Array) -> tuple[Array, Array]:
    """Smallest value and harmonic mean (B,) of the least lam(y) with a(y) >= lam(y) R, R = diag(reference) or, of symmetric
    tensors (B, L, L), the reference itself."""
    if a.shape[1] == 1:
        lam = a[:, 0].reshape(len(a), -1)
        return lam.min(axis=1) / reference[:, 0], 1 / ((1 / lam).mean(axis=1) * reference[:, 0])
    L = reference.shape[1]
    scaled = a.reshape(len(a), L, L, -1)
    if reference.ndim == 3:
        root = np.linalg.inv(np.linalg.cholesky((reference + reference.swapaxes(1, 2)) / 2))
        both = np.einsum("bik,bjl->bijkl", root, root).reshape(len(a), L * L, L * L)
        scaled = (both @ scaled.reshape(len(a), L * L, -1)).reshape(scaled.shape)
    else:
        root = np.sqrt(reference)
        scaled = scaled / (root[:, :, None] * root[:, None, :])[..., None]
    lam = np.maximum(smallest_eigenvalue(scaled), LEAST)
    return lam.min(axis=1), 1 / (1 / lam).mean(axis=1)


def is_symmetric(a: Array, tol: float = SYMMETRIC) -> Array:
    """Whether each of the sampled coefficients (B, c, G, E) is symmetric at every point, up to ``tol``: (B,).

    At every point for itself and relative to the diagonal, (a_ii a_jj)^(1/2): a skew part that is small beside the entries
    of a stiffer phase, or of a stiffer direction, may still rule where it stands.
    """
    L, symmetric = math.isqrt(a.shape[1]), np.ones(len(a), dtype=bool)
    for i in range(L):
        for j in range(i):
            upper, lower = a[:, j * L + i], a[:, i * L + j]
            if not np.array_equal(upper, lower):
                allowed = tol * np.sqrt(np.abs(a[:, i * L + i])) * np.sqrt(np.abs(a[:, j * L + j]))
                symmetric &= (np.abs(upper - lower) <= allowed).reshape(len(a), -1).all(axis=1)
    return symmetric


def least_pivot(tensor: Array) -> Array:
    """Of the elimination of the symmetric parts of tensors (B, L, L, P), without exchanges: positive where definite, (B, P).

    Unlike an eigenvalue, a pivot knows its sign where the diagonal spans many orders.
    """
    L = tensor.shape[1]
    s = {(i, j): tensor[:, i, j] / 2 + tensor[:, j, i] / 2 for i in range(L) for j in range(i)}
    s |= {(i, i): tensor[:, i, i] for i in range(L)}
    least = s[0, 0]
    with np.errstate(all="ignore"):  # after a pivot that is not positive, anything may follow
        for k in range(L):
            least = np.minimum(least, s[k, k])
            for i in range(k + 1, L):
                factor = s[i, k] / s[k, k]
                for j in range(k + 1, i + 1):
                    s[i, j] = s[i, j] - factor * s[j, k]
    return least


def smallest_eigenvalue(tensor: Array) -> Array:
    """Of the symmetric parts of tensors (B, L, L, P): (B, P)."""
    if tensor.shape[1] == 2:  # by hand, for LAPACK's overhead on millions of 2 x 2 matrices is seconds
        first, last = tensor[:, 0, 0], tensor[:, 1, 1]
        off, gap = tensor[:, 0, 1] + tensor[:, 1, 0], first - last
        for twice in (off, gap):
            np.abs(twice, out=twice)
        with np.errstate(over="ignore"):
            root = gap * gap
            root += off * off
            np.sqrt(root, out=root)
        if not 1e-140 < root.max() < 1e140:  # their squares may be no numbers
            root = np.hypot(gap, off)
        root += gap
        np.maximum(root, off, out=root)
        np.maximum(root, np.finfo(float).tiny, out=root)
        np.divide(off, root, out=root)
        root *= off
        root *= 0.5
        return np.minimum(first, last) - root  # not the mean less the root: a small one would be lost
    symmetric = (tensor + tensor.swapaxes(1, 2)) / 2
    return np.linalg.eigvalsh(np.moveaxis(symmetric, (1, 2), (-2, -1)))[..., 0]
