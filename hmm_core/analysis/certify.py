r"""Two-sided bounds of effective tensors that hold for the fields at hand, solved well or badly.

For a medium that is constant in every pixel of a periodic sample, and symmetric, the effective tensor is a minimum,

    xi . A* xi = min over periodic w of <(xi + grad w) . a (xi + grad w)>,

so any w bounds it from above: U_ij = <(e_i + grad w_i) . a (e_j + grad w_j)> gives A* <= U for all xi at once (in Loewner's
order), whatever w_j the solver stopped at. The same for fluxes: any periodic sigma, div sigma = 0, <sigma> = xi, bounds

    xi . (A*)^-1 xi <= <sigma . a^-1 sigma>,

and sigma = xi + curl psi with any periodic psi is such a flux. In the plane curl psi is the gradient turned by 90 degrees, so
the lower bound is the upper one of the medium R^T a^-1 R; in space psi has three components, and a term <(div psi)^2> fixes
what the curl does not see while psi is sought. Potentials w and psi are multilinear on squares (cubes) that divide the pixels,
and the energies are integrated exactly (``micro.voxels``), so that only rounding is left: it is bounded and added.

Bounds from primal and dual finite elements go back to Dvorak (1993); Vondrejc, Zeman and Marek (arXiv:1404.3614) have them from
trigonometric polynomials.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.exact import positive, require
from hmm_core.media.images import ImageMedium
from hmm_core.micro.cell import CellProblem, ConvergenceError
from hmm_core.micro.grid import Q1Grid
from hmm_core.micro.linear import solve_batch
from hmm_core.micro.question import refuse_slow_variable
from hmm_core.micro.sample import least_pivot, sample, smallest_eigenvalue
from hmm_core.micro.voxels import Voxels, relax

Array = np.ndarray
LARGEST = {2: 2048, 3: 96}  # elements per side: about a minute, a few hundred megabytes
ROUND = np.finfo(float).eps / 2
ASYMMETRY = 1e-12  # relative: rotated tensors have that much from rounding, and their symmetric part is meant
TRUST = 1e-3  # rounding beyond which bounds say nothing of interest


@dataclass(frozen=True, eq=False)
class Bounds:
    """lower <= A* <= upper, in the sense of quadratic forms.

    lower, upper  (d, d)  the bounds; rounding is in them
    n                     elements per side of the sample
    iterations            of the conjugate gradients, all directions and both problems
    rounding              how much rounding has widened the bounds, relative to them
    history               (n, gap) of every grid
    """

    lower: Array
    upper: Array
    n: int
    iterations: int
    rounding: float
    history: tuple[tuple[int, float], ...] = field(repr=False)

    @property
    def gap(self) -> float:
        """The largest (xi . upper xi - xi . lower xi) / xi . upper xi over all directions."""
        root = np.sqrt(np.diag(self.upper))
        scaled = np.outer(root, root)
        return float(1 - 1 / np.linalg.eigvals(np.linalg.solve(self.lower / scaled, self.upper / scaled)).real.max())

    @property
    def interval(self) -> Array:
        """Lower and upper end for every entry of A*, (2, d, d)."""
        middle, half = (self.upper + self.lower) / 2, np.diag(self.upper - self.lower) / 2
        width = np.sqrt(np.outer(half, half)) * (1 + 4 * ROUND) + 4 * ROUND * np.abs(middle)
        return np.array([middle - width, middle + width])

    def form(self, xi: ArrayLike) -> tuple[float, float]:
        """Lower and upper end of xi . A* xi."""
        xi = np.asarray(xi, dtype=float)
        require(
            xi.shape == self.upper.shape[:1], "xi", xi.tolist(), f"must be a vector of {len(self.upper)} components"
        )
        return float(xi @ self.lower @ xi), float(xi @ self.upper @ xi)

    def contains(self, tensor: ArrayLike) -> bool:
        """Whether lower <= tensor <= upper, for a symmetric tensor (d, d) or a number times I."""
        tensor = np.asarray(tensor, dtype=float)
        tensor = tensor * np.eye(len(self.upper)) if tensor.ndim == 0 else tensor
        above, below = (np.linalg.eigvalsh((m + m.T) / 2)[0] for m in (self.upper - tensor, tensor - self.lower))
        return bool(min(above, below) >= 0)


def certify(
    a: Any,
    rtol: float | None = None,
    *,
    pixels: int | None = None,
    size: float = 1.0,
    n: int | None = None,
    tol: float = 1e-4,
    largest: int | None = None,
) -> Bounds:
    """Bounds of the effective tensor of a periodic sample that consists of pixels.

    Parameters
    ----------
    a : a picture (``media.from_image``), or any medium a(x, y) that ignores x and is constant in each of ``pixels``^d equal
        squares (cubes) of the sample, which is the cube of ``size`` periods around y = 0, continued periodically. Numbers or
        symmetric tensors, in two or three dimensions (two if it has no ``dim``).
    rtol : halve the elements until ``Bounds.gap`` is at most this. None: one grid.
    pixels, size : of a medium that is no picture. Whether the medium is constant in pixels is tried at some points in each.
    n : elements per side to begin with, a multiple of the number of pixels. By default that number, at least 8.
    tol : accuracy asked of the solver. The bounds hold for any; a loose one widens them.
    largest : elements per side that are still allowed (2048 in the plane, 96 in space).

    Raises
    ------
    ValueError, TypeError
        The medium is not made of such pixels, is not symmetric, is a stiffness, or is none; other arguments out of range.
    ConvergenceError
        ``rtol`` is not reached with ``largest`` elements: ``error.unfinished`` holds the bounds that are. Or the contrast is so
        large that rounding alone would be 1e-3 of the answer.
    """
    values, dim = _pixels(a, pixels, size)
    count = values.shape[-1]
    n = count * max(1, math.ceil(8 / count)) if n is None else n
    ok = isinstance(n, Integral) and not isinstance(n, bool) and n >= 2 and n % count == 0
    require(ok, "n", n, f"must be a multiple of {count}, the pixels per side of the sample")
    for name, value in (("rtol", rtol), ("tol", tol)):
        ok = (name == "rtol" and value is None) or (isinstance(value, Real) and 0 < value < 1)
        require(ok, name, value, "must lie between 0 and 1")
    largest = LARGEST[dim] if largest is None else largest
    require(isinstance(largest, Integral) and largest >= n, "largest", largest, f"must be an integer of at least {n}")
    tol = max(tol if rtol is None else min(tol, rtol / 20), 1e-14)
    exponent = int(np.frexp(np.abs(values).max())[1])
    values = np.ldexp(values, -exponent)
    inverse, slack = _inverse(values, dim)
    history, iterations = [], 0
    while True:
        fine = _refined(values, n // count), _refined(inverse, n // count)
        upper, first, steps = _upper(fine[0], dim, tol)
        dual, second, more = _upper_of_fluxes(fine[1], dim, tol)
        lower = _inverse_below(dual * (1 + slack))
        iterations += steps + more
        rounding = max(first, second + slack)
        if not rounding < TRUST:
            raise ConvergenceError(
                f"rounding alone may be {rounding:.1e} of the bounds: the contrast is too large for double precision"
            )
        bounds = Bounds(np.ldexp(lower, exponent), np.ldexp(upper, exponent), int(n), iterations, rounding, ())
        history.append((int(n), bounds.gap))
        bounds = Bounds(bounds.lower, bounds.upper, bounds.n, iterations, rounding, tuple(history))
        if rtol is None or bounds.gap <= rtol:
            return bounds
        if 2 * n > largest:
            error = ConvergenceError(
                f"rtol={rtol!r} is not reached with n={n} elements per side: the bounds differ by {bounds.gap:.1e}, and twice "
                f"as many exceed largest={largest}. They are in .unfinished of this error"
            )
            error.unfinished = bounds
            raise error
        n *= 2


# -- both problems -----------------------------------------------------------------------------------------------------------


def _upper(a: Array, dim: int, tol: float) -> tuple[Array, float, int]:
    """An upper bound (d, d) of the effective tensor of elements a (c, n, ..., n), its rounding, and the iterations."""
    cell = CellProblem(dim=dim, n=a.shape[-1], tol=tol)
    _, iterations, _, _, w = solve_batch(cell, a.reshape(1, len(a), 1, -1), np.zeros(1, dtype=int), True)
    grid = cell.grid
    return *_bounded(Voxels(grid, a), w[0], _slackness(a)), int(iterations[0])


def _upper_of_fluxes(b: Array, dim: int, tol: float) -> tuple[Array, float, int]:
    """The same for the inverse of the effective tensor, from b = a^-1."""
    if dim == 2:
        turned = b if len(b) == 1 else b[[3, 2, 1, 0]] * np.array([1.0, -1.0, -1.0, 1.0]).reshape(4, 1, 1)
        upper, rounding, iterations = _upper(turned, dim, tol)
        return np.array([[upper[1, 1], -upper[0, 1]], [-upper[0, 1], upper[0, 0]]]), rounding, iterations
    n, whole = b.shape[-1], b if len(b) > 1 else b * np.eye(3).reshape(9, 1, 1, 1)
    grid = Q1Grid(3, n, 1.0, "periodic", "potential")
    fluxes, gauge = np.zeros((2, 4, 4, n, n, n))
    fluxes[:3, :3] = gauge[:3, :3] = whole.reshape(3, 3, n, n, n)
    gauge[3, 3] = np.einsum("ii...->...", fluxes).mean() / 3
    cell = CellProblem(dim=3, n=n, tol=tol)
    psi, iterations, _, _ = relax(cell, grid, gauge.reshape(1, 16, 1, -1), 3)
    closed = [grid.extend(field) for field in psi]
    return *_bounded(Voxels(grid, fluxes.reshape(16, n, n, n)), closed, _slackness(b)), int(iterations.max())


def _bounded(voxels: Voxels, w: Any, slackness: float) -> tuple[Array, float]:
    r"""The energies (d, d) of fields w_j on the closed grid, enlarged by what rounding can have done to them, and by how much.

    With u the unit round-off and gamma_k = k u / (1 - k u): the modes of an element err by gamma_(d+4) 2^|m| max|w| / h at most,
    those of a gradient by as many times as S has entries in a row. As a field, this error has an energy of at most eta^2 =
    <trace a> 8 d (gamma max|w| / h)^2, and so changes xi . U xi by 2 eta |xi|_U + eta^2 (Cauchy-Schwarz). Products and sums of n
    terms err by gamma_(n+24), relative to sums of absolute values, which for tensors exceed the energy by ``slackness`` at most.
    Each entry thus errs by theta (U_ii U_jj)^(1/2), and U by theta d diag(U). The whole is doubled for what is of second order.
    """
    grid, dim = voxels.grid, voxels.grid.dim
    energy = voxels.energy(list(w))
    L = math.isqrt(len(voxels.a))
    trace = float(voxels.a[:: L + 1].mean() * (dim if L == 1 else L))
    rows = np.abs(grid.kinematics).sum(axis=(1, 2)).max()
    size = max(float(np.abs(field).max()) for field in w)
    eta = math.sqrt(8 * dim * trace) * rows * _gamma(dim + 4) * size / grid.h
    eta /= math.sqrt(np.diag(energy).min())
    slab = next(iter(voxels.slabs()))
    terms = (slab.stop - slab.start) * grid.cells ** (dim - 1)
    theta = 2 * (slackness * _gamma(terms + 24) + 2 * eta + eta * eta)
    return energy + theta * dim * np.diag(np.diag(energy)), theta * dim


def _gamma(count: int) -> float:
    return count * ROUND / (1 - count * ROUND)


def _slackness(a: Array) -> float:
    """sum_kl |g_k a_kl h_l| <= slackness (g.ag h.ah)^(1/2) for a (c, n, ..., n): 1 for numbers."""
    L = math.isqrt(len(a))
    if L == 1:
        return 1.0
    tensor = a.reshape(1, L, L, -1)
    root = np.sqrt(np.einsum("biip->bip", tensor))
    return float(1.01 * L / smallest_eigenvalue(tensor / (root[:, :, None] * root[:, None])).min())


# -- inverses without rounding -------------------------------------------------------------------------------------------------


def _inverse(a: Array, dim: int) -> tuple[Array, float]:
    """a^-1 of pixels (c, ...), and by how much, relatively, rounding may have made it too small."""
    if len(a) == 1:
        return 1 / a, 2 * ROUND
    kinds, which = np.unique(a.reshape(len(a), -1), axis=1, return_inverse=True)
    inverses = [_exact(kind.reshape(dim, dim)) for kind in kinds.T]
    inverse = np.array([[float(v) for v in M.ravel()] for M in inverses]).T[:, which.ravel()].reshape(a.shape)
    return inverse, 2 * ROUND * _slackness(inverse)


def _exact(matrix: Array) -> Array:
    """The inverse of a symmetric positive definite matrix of floats, in rational numbers."""
    size = len(matrix)
    rows = [
        [Fraction(float(v)) for v in row] + [Fraction(int(i == j)) for j in range(size)] for i, row in enumerate(matrix)
    ]
    for k in range(size):  # without exchanges: pivots are positive
        rows[k] = [v / rows[k][k] for v in rows[k]]
        for i in range(size):
            if i != k:
                rows[i] = [v - rows[i][k] * w for v, w in zip(rows[i], rows[k], strict=True)]
    return np.array([row[size:] for row in rows], dtype=object)


def _inverse_below(dual: Array) -> Array:
    """A matrix of floats that lies below dual^-1."""
    inverse = np.array([[float(v) for v in row] for row in _exact((dual + dual.T) / 2)])
    return inverse - 4 * len(dual) * ROUND * np.diag(np.diag(inverse))


# -- pixels ----------------------------------------------------------------------------------------------------------------


def _pixels(a: Any, pixels: int | None, size: float) -> tuple[Array, int]:
    """The coefficient of every pixel of a cubic sample (c, N, ..., N), c = 1 or d*d, checked; and d."""
    if isinstance(a, ImageMedium):
        require(pixels is None and size == 1.0, "pixels", pixels, "a picture knows its pixels and size")
        values, dim = _of_picture(a), a.dim
    else:
        if not callable(a):
            raise TypeError(
                f"a={a!r} is no medium: a picture, or a function a(x, y) that is constant in pixels, is needed"
            )
        values, dim = _of_function(a, pixels, float(positive("size", size)))
    require(dim in (2, 3), "a", dim, "is of one dimension, where A* is the harmonic mean (exact.harmonic_mean)")
    if len(values) == dim**4 and dim > 1:
        raise ValueError(f"a={a!r} is a stiffness: bounds are certified for conductivities only")
    if len(values) > 1:
        values = _symmetrised(values, dim)
    return values, dim


def _of_picture(a: ImageMedium) -> Array:
    side = math.lcm(*a.phases.shape)
    allowed = f"repeats itself as a cube of {side} pixels per side only, too many: crop it to a square"
    require(side <= LARGEST[a.dim], "image.shape", a.phases.shape, allowed)
    phases = np.tile(a.phases, [side // count for count in a.phases.shape])
    return a.table.reshape(-1, a.table.shape[-1])[:, phases]


def _of_function(a: Callable, pixels: int | None, size: float) -> tuple[Array, int]:
    dim = getattr(a, "dim", None) or 2
    ok = isinstance(pixels, Integral) and not isinstance(pixels, bool) and 1 <= pixels <= LARGEST.get(dim, 2048)
    require(
        ok,
        "pixels",
        pixels,
        f"say how many pixels per side the sample of {size:g} periods has, 1 to {LARGEST.get(dim, 2048)}",
    )
    line = size * ((np.arange(pixels) + 0.5) / pixels - 0.5)
    centres = np.array(np.meshgrid(*[line] * dim, indexing="ij")).reshape(dim, 1, -1)
    x = np.zeros((dim, 1, 1))
    refuse_slow_variable(a, dim, size)
    values = sample(a, x, centres)[0]
    rng = np.random.default_rng(0)
    for shift in (*(0.49 * np.array([*np.ndindex(*(2,) * dim)]) * 2 - 0.49), *rng.uniform(-0.5, 0.5, (4, dim))):
        there = sample(a, x, centres + (shift * size / pixels).reshape(dim, 1, 1))[0]
        if not np.array_equal(there, values):
            k = int((there != values).any(axis=0).argmax())
            raise ValueError(
                f"a={a!r} is not constant in pixels={pixels} per side of size={size:g}: it differs within the pixel at "
                f"y={centres[:, 0, k].tolist()}. Bounds need pixels; make a picture of the medium, or give other pixels="
            )
    return values.reshape(-1, *(pixels,) * dim), dim


def _symmetrised(values: Array, dim: int) -> Array:
    tensor = values.reshape(dim, dim, -1)
    skew = np.abs(tensor - tensor.swapaxes(0, 1)).max()
    require(
        skew <= ASYMMETRY * np.abs(tensor).max(),
        "a",
        float(skew),
        "is the skew part of the tensor; it must be symmetric",
    )
    tensor = (tensor + tensor.swapaxes(0, 1)) / 2
    require(
        least_pivot(tensor[None]).min() > 0, "a", float(least_pivot(tensor[None]).min()), "must be positive definite"
    )
    return tensor.reshape(values.shape)


def _refined(values: Array, times: int) -> Array:
    for axis in range(1, values.ndim if times > 1 else 1):
        values = np.repeat(values, times, axis=axis)
    return values
