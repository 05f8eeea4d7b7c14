r"""Closed forms of homogenization: means, effective tensors, bounds and one-dimensional solutions to compare with.

Angle brackets are averages over one period. Isotropic results are numbers (arrays, if the arguments are), anisotropic
ones tensors (d, d, ...) or, of elastic media, stiffnesses (d, d, d, d, ...). A *profile* is a function of the phase t,
period 1, evaluated one t at a time: it returns a number, a tensor or a stiffness, or one of these with trailing point axes;
an attribute ``jumps`` may name the places in (0, 1) where it jumps. Averages of profiles are accurate to round-off (about
1e-14, relative); where jumps are not named, layers thinner than 1/1000 may be overlooked.

The ``derive_*`` functions (``derivations``) replay the derivations with SymPy, imported when one of them is called. Two states
that meet, under a scalar law or Euler's equations, are in ``riemann``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad_vec
from scipy.special import binom, gamma, jv, sici

from hmm_core.media.checks import fractions_of, positive, require, tensor_field
from hmm_core.media.derivations import (
    derive_harmonic_mean as derive_harmonic_mean,
)
from hmm_core.media.derivations import (
    derive_laminate as derive_laminate,
)
from hmm_core.media.derivations import (
    derive_separable as derive_separable,
)
from hmm_core.media.elastic import hashin_shtrikman_elastic as hashin_shtrikman_elastic
from hmm_core.media.elastic import voigt_reuss_bounds as voigt_reuss_bounds
from hmm_core.media.riemann import SOD as SOD
from hmm_core.media.riemann import EulerFlux as EulerFlux
from hmm_core.media.riemann import EulerRiemann as EulerRiemann
from hmm_core.media.riemann import ScalarRiemann as ScalarRiemann

Array = np.ndarray
Profile = Callable[[float], ArrayLike]
PROBES = 0.12, 0.47, 0.83  # phases at which profiles show their size


# -- means ----------------------------------------------------------------------------------------------------------


def _mean(
    values: ArrayLike | Profile,
    weights: ArrayLike | None,
    transform: Callable[[ArrayLike], Array],
    names: tuple[str, str] = ("values", "weights"),
    size: Callable[[ArrayLike], Array] | None = None,
) -> Array:
    """<transform(a)> over phases (first axis, with weights) or along a profile (adaptive Gauss-Kronrod quadrature).

    Every component is as accurate as its own ``size(a)``, |transform(a)| unless round-off leaves more than that.
    """
    if not callable(values):
        transformed = np.array([transform(v) for v in values])
        return np.tensordot(fractions_of(weights, len(transformed), names[1]), transformed, axes=1)[()]
    require(weights is None, names[1], weights, "must be None for a profile, which is averaged by quadrature")

    def integrand(t: float) -> Array:
        return np.asarray(transform(values(t)), dtype=float)

    sizes = np.max([np.abs((size or transform)(values(t))) for t in PROBES], axis=0)
    scale = _power_of_two(np.where(sizes > 0, sizes, sizes.max()))
    mean, error = _integral(lambda t: integrand(t) / scale, getattr(values, "jumps", None))
    allowed = 1e-9 * max(1.0, np.abs(mean).max())
    require(error <= allowed, names[0], values, f"no integrable profile (relative error {error:.1e})")
    return np.asarray(mean * scale)[()]


def _power_of_two(size: ArrayLike) -> Array:
    """That of the order of ``size``: to divide by it loses nothing."""
    return np.ldexp(1.0, np.clip(np.frexp(size)[1], -1021, 1021))


# Where [0, 1] is cut before intervals are halved: no two of these share an end of an interval.
CUTS = (1 / np.pi, np.e - 2, np.sqrt(2) - 1, np.sqrt(3) - 1)


def _integral(integrand: Callable[[float], Array], jumps: Sequence[float] | None) -> tuple[Array, float]:
    """Integral over [0, 1] of what is of order one, and what it may be wrong by; ``jumps``: all there are, or None if they are
    not known.

    The rule for an interval overlooks a jump within 0.2 % of its length from one of its ends, and its error estimate does
    not know. So where jumps are unknown, two partitions have to agree.
    """

    def by(points: Sequence[float] | None) -> tuple[Array, float]:
        return quad_vec(integrand, 0, 1, epsabs=1e-15, epsrel=2e-13, norm="max", points=points)

    if jumps is not None:
        return by(jumps or None)
    found = []
    for cut in CUTS:
        mean, error = by((cut,))
        gap = min((np.abs(mean - other).max() for other in found), default=np.inf)
        if gap <= 1e-12 * max(1.0, np.abs(mean).max()):
            break
        found.append(mean)
    return mean, max(error, gap)


def _finite(a: ArrayLike) -> Array:
    a = np.asarray(a, dtype=float)
    require(np.isfinite(a), "values", a, "must be finite")
    return a


def arithmetic_mean(values: ArrayLike | Profile, weights: ArrayLike | None = None) -> Array:
    """<a>: of phases along the first axis, with ``weights`` (equal for None), or of a profile on [0, 1]."""
    return _mean(values, weights, _finite)


def harmonic_mean(values: ArrayLike | Profile, weights: ArrayLike | None = None) -> Array:
    r"""<1/a>^(-1), the effective coefficient of one dimension; arguments as for ``arithmetic_mean``, a > 0.

    a = alpha + beta sin(2 pi y) gives sqrt(alpha^2 - beta^2).
    """
    return 1 / _mean(values, weights, lambda a: 1 / positive("values", a))


def p_laplacian(values: ArrayLike | Profile, p: float, weights: ArrayLike | None = None) -> Array:
    r"""<a^(-1/(p-1))>^(-(p-1)): the effective coefficient of the one-dimensional flux a |u'|^(p-2) u', p > 1."""
    require(np.isfinite(p) and p > 1, "p", p, "must be a number above 1")
    return _mean(values, weights, lambda a: positive("values", a) ** (-1 / (p - 1))) ** (1 - p)


# -- effective tensors ----------------------------------------------------------------------------------------------


def laminate(
    phases: Sequence[ArrayLike] | Profile, fractions: ArrayLike | None = None, normal: ArrayLike = (1.0, 0.0)
) -> Array:
    r"""Effective tensor of layers: a varies along the unit vector n only.

    The flux through the layers is continuous, hence constant. With Q = n.a n, p = a n, q = n.a (of a tensor: a number and two
    vectors; of a stiffness: the acoustic tensor Q_ik = n_j a_ijkl n_l, p_ijk = a_ijkl n_l, q_ikl = n_j a_ijkl)

        A* = <a - p Q^-1 q> + <p Q^-1> <Q^-1>^-1 <Q^-1 q>,

    which for scalar a is h n n^T + m (I - n n^T), h the harmonic and m the arithmetic mean.

    Parameters
    ----------
    phases : numbers, tensors (d, d) or stiffnesses (d, d, d, d), one for each phase; or a profile t -> one of these. Need not be
        symmetric.
    fractions : volume fractions of the phases (equal for None); None for a profile.
    normal : direction (d,) of any length, or directions (d, ...) at points; then profiles may carry the points' axes.

    Returns
    -------
    tensor (d, d, ...) or (d, d, d, d, ...), to round-off.
    """
    n = np.asarray(normal, dtype=float)
    length = np.sqrt((n * n).sum(axis=0))
    require((n.ndim > 0) & (length > 0) & np.isfinite(length), "normal", normal, "must be a finite, non-zero vector")
    n = n / length
    dim, shape = len(n), n.shape[1:]
    some = [phases(t) for t in PROBES] if callable(phases) else phases
    unit, points = _power_of_two(max((np.abs(a).max() for a in some), default=1.0)), len(shape) * callable(phases)
    m = dim if any(np.ndim(a) > points + 2 for a in some) else 1  # components of the field, whose gradient a acts on

    def pieces(a: ArrayLike, size: bool = False) -> Array:
        a = tensor_field(np.asarray(a) / unit, dim, points)
        require((a.ndim > points + 2) == (m > 1), "phases", phases, "must all be stiffnesses, or none of them")
        trailing = a.shape[2 if m == 1 else 4 :]
        a = a.reshape(m, dim, m, dim, *trailing, *(1,) * (len(shape) - len(trailing)))
        Q = np.einsum("j...,ijkl...,l...->ik...", n, a, n)
        if m == 1:
            inverse = 1 / positive("phases", Q)
        else:
            Q = np.moveaxis(Q, (0, 1), (-2, -1))
            require(np.linalg.eigvalsh(Q + Q.swapaxes(-1, -2)) > 0, "phases", phases, "n.a n must be positive definite")
            inverse = np.moveaxis(np.linalg.inv(Q), (-2, -1), (0, 1))
        b, v, inverse = (np.abs(part) if size else part for part in (a, n, inverse))
        p, q = np.einsum("ijkl...,l...->ijk...", b, v), np.einsum("j...,ijkl...->ikl...", v, b)
        p, right = np.einsum("ijk...,km...->ijm...", p, inverse), np.einsum("ik...,kjl...->ijl...", inverse, q)
        relaxed = np.einsum("ijm...,mkl...->ijkl...", p, q)
        return np.concatenate(
            [part.reshape(-1, *shape) for part in (b + relaxed if size else b - relaxed, p, right, inverse)]
        )

    mean = _mean(phases, fractions, pieces, ("phases", "fractions"), partial(pieces, size=True))
    ends = np.cumsum([(m * dim) ** 2, m * dim * m, m * m * dim])
    tangential, p, q, inverse = (
        part.reshape(*axes, *shape)
        for part, axes in zip(np.split(mean, ends), ((m, dim, m, dim), (m, dim, m), (m, m, dim), (m, m)), strict=True)
    )
    stiff = np.moveaxis(np.linalg.inv(np.moveaxis(inverse, (0, 1), (-2, -1))), (-2, -1), (0, 1))
    A = unit * (tangential + np.einsum("ijk...,km...,mln...->ijln...", p, stiff, q))
    return A if m > 1 else A[0, :, 0]


def separable(*factors: ArrayLike | Profile) -> Array:
    r"""Effective tensor of a(y) = a_1(y_1) ... a_d(y_d): diagonal, A*_ii = <1/a_i>^(-1) prod_{j != i} <a_j>.

    Each factor is a profile, or an array of its values on equal subintervals.
    """
    require(len(factors) > 0, "factors", factors, "must be at least one")
    harmonic, arithmetic = ([mean(f) for f in factors] for mean in (harmonic_mean, arithmetic_mean))
    return np.diag([h * np.prod(arithmetic[:i] + arithmetic[i + 1 :]) for i, h in enumerate(harmonic)])


def checkerboard(k1: ArrayLike, k2: ArrayLike) -> Array:
    r"""sqrt(k1 k2): two phases in the plane that can be exchanged, such as the checkerboard. Isotropic.

    Also the infinite limit of the random checkerboard whose tiles are k1 or k2 with probability 1/2.
    Keller, J. Math. Phys. 5, 548 (1964); Dykhne, Zh. Eksp. Teor. Fiz. 59, 110 (1970), in English in Sov. Phys. JETP 32.
    """
    return np.sqrt(positive("k1", k1) * positive("k2", k2))


def checkerboard4(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> Array:
    r"""Effective tensor (2, 2, ...) of the four-phase checkerboard: upper left a, upper right b, lower right c, lower left d.

    Diagonal; with S = abcd (1/a + 1/b + 1/c + 1/d) / (a+b+c+d) and r = (a+d)(b+c) / ((a+b)(c+d)),
    A*_11 = sqrt(S r), A*_22 = sqrt(S / r). Conjectured by Mortola and Steffe (1985), proved by Craster and Obnosov
    and by Milton, J. Math. Phys. 42, 4873 (2001).
    """
    a, b, c, d = (positive(name, value) for name, value in zip("abcd", (a, b, c, d), strict=True))
    s = (b * c * d + a * c * d + a * b * d + a * b * c) / (a + b + c + d)
    r = (a + d) * (b + c) / ((a + b) * (c + d))
    zero = np.zeros_like(s * r)
    return np.array([[np.sqrt(s * r), zero], [zero, np.sqrt(s / r)]])


def obnosov(matrix: ArrayLike, inclusion: ArrayLike) -> Array:
    r"""k_m sqrt((k_m + 3 k_i) / (3 k_m + k_i)): a square inclusion of area fraction 1/4, periodic. Isotropic.

    Obnosov (1999). It is the four-phase checkerboard with three equal tiles.
    """
    m, i = positive("matrix", matrix), positive("inclusion", inclusion)
    return m * np.sqrt((m + 3 * i) / (3 * m + i))


def tilings_mean(k1: float, k2: float) -> float:
    """Arithmetic mean of A*_11 over the 16 periodic tilings of 2 x 2 tiles, each k1 or k2 with probability 1/2."""
    return float(np.mean([checkerboard4(*tiles)[0, 0] for tiles in product((k1, k2), repeat=4)]))


def cylinders(fraction: float, inside: float, terms: int = 40) -> float:
    r"""Square array of cylinders of conductivity ``inside`` in a matrix of 1, by Rayleigh's series. Isotropic.

    Outside a cylinder of radius r, u = Re sum over odd n of (A_n z^n + B_n z^-n). Its jump asks for A_n = -B_n/(b r^2n) with
    b = (inside - 1)/(inside + 1), the other cylinders for A_n = 1_{n=1} - sum_m binom(n+m-1, n) S_{n+m} B_m, where S_k is the
    sum of w^-k over the lattice, zero unless 4 divides k, and S_2 = pi. Then A* = 1 - 2 pi B_1, to about 1e-10 for fractions
    up to 0.7. Perrins, McKenzie and McPhedran, Proc. R. Soc. Lond. A 369, 207 (1979), doi:10.1098/rspa.1979.0160.
    """
    inside = float(positive("inside", inside))
    require(0 < fraction < np.pi / 4, "fraction", fraction, "must lie between 0 and pi/4, where cylinders touch")
    if inside == 1:
        return 1.0
    n = np.arange(1, 2 * terms, 2)
    c = np.zeros(2 * terms)  # (2k - 1) S_2k by Weierstrass' recursion
    c[2] = 3 * gamma(0.25) ** 8 / (960 * np.pi**2)
    for k in range(4, len(c)):
        c[k] = 3 * c[2 : k - 1] @ c[k - 2 : 1 : -1] / ((2 * k + 1) * (k - 3))
    c[1] = np.pi
    half = (n[:, None] + n) // 2
    r = np.sqrt(fraction / np.pi)
    field = (
        binom(n[:, None] + n - 1, n[:, None]) * c[half] / (2 * half - 1) * r ** (n[:, None] + n)
    )  # acts on B_m / r^m
    b = (inside - 1) / (inside + 1)
    return float(1 + 2 * np.pi * r**2 * np.linalg.inv(np.eye(terms) / b - field)[0, 0])


# -- bounds ---------------------------------------------------------------------------------------------------------


def wiener_bounds(values: ArrayLike, fractions: ArrayLike | None = None) -> tuple[Array, Array]:
    """(harmonic, arithmetic) mean: every effective coefficient of isotropic phases lies between, in any direction."""
    return harmonic_mean(values, fractions), arithmetic_mean(values, fractions)


def hashin_shtrikman_bounds(k1: ArrayLike, k2: ArrayLike, fraction: ArrayLike, dim: int = 2) -> tuple[Array, Array]:
    r"""(lower, upper) bound of isotropic mixtures of two isotropic phases, ``fraction`` that of phase 2, in [0, 1].

    The bound with matrix m and inclusions i (fraction f) is k_m + f / (1/(k_i - k_m) + (1 - f)/(d k_m)); the poorer
    phase as the matrix gives the lower one. Attained by coated disks (dim = 2) and spheres (dim = 3).
    Hashin and Shtrikman, J. Appl. Phys. 33, 3125 (1962), doi:10.1063/1.1728579.
    """
    require(dim in (1, 2, 3), "dim", dim, "must be 1, 2 or 3")
    k1, k2, f = positive("k1", k1), positive("k2", k2), np.asarray(fraction, dtype=float)
    require((f >= 0) & (f <= 1), "fraction", fraction, "must lie between 0 and 1")

    def bound(matrix: Array, inclusion: Array, f: Array) -> Array:
        weighted = (dim - 1) * (1 - f) * matrix + (1 + (dim - 1) * f) * inclusion  # written without cancellation
        return matrix * weighted / ((dim - 1 + f) * matrix + (1 - f) * inclusion)

    first, second = bound(k1, k2, f), bound(k2, k1, 1 - f)
    return np.minimum(first, second), np.maximum(first, second)


# -- one dimension: finite sampling domains, and boundary value problems --------------------------------------------


def cosine_cell(size: ArrayLike, center: ArrayLike = 0.0, q: float = 0, alpha: float = 2.0, beta: float = 1.0) -> Array:
    r"""What a one-dimensional cell problem answers for a = 1/(alpha + beta cos 2 pi y) on a domain of ``size`` periods.

    All boundary conditions give <1/a>_q^(-1) = [alpha + beta cos(2 pi s) F_q(L)]^(-1) for averages with the window
    K_q(y) ~ (1/4 - (y/L)^2)^q around ``center`` s, whose transform is, with J the Bessel function,
    F_q(L) = Gamma(q + 3/2) (2/(pi L))^(q + 1/2) J_{q+1/2}(pi L) = O(L^(-q-1)). q = 0 is the box, F_0 = sin(pi L)/(pi L).
    """
    size = positive("size", size)
    require(np.isfinite(q) and q >= 0, "q", q, "must be a number of at least 0")
    require(alpha > abs(beta), "alpha", alpha, f"must exceed |beta| = {abs(beta)}")
    transform = gamma(q + 1.5) * (2 / (np.pi * size)) ** (q + 0.5) * jv(q + 0.5, np.pi * size)
    return 1 / (alpha + beta * np.cos(2 * np.pi * np.asarray(center)) * transform)


def _wavenumber(eps: float) -> float:
    return 2 * np.pi / float(positive("eps", eps))


def cosine_solution(x: ArrayLike, eps: float | None = None, derivative: bool = False, alpha: float = 2.0) -> Array:
    r"""u^eps of -(a u')' = 1, u(0) = u(1) = 0, a = 1/(alpha + cos(2 pi x/eps)), alpha > 1: closed form.

    Without ``eps`` the homogenized U = alpha x(1 - x)/2. With k = 2 pi/eps: u' = (c - x)(alpha + cos kx), c such that u(1) = 0
    (c = 1/2 for integer 1/eps, when u = U + (1/2 - x) sin(kx)/k + (1 - cos kx)/k^2). ``derivative=True`` gives u' instead of u.
    ValueError unless eps > 0 and alpha > 1, below which the material is not elliptic.
    """
    x = np.asarray(x, dtype=float)
    require(1 < alpha < np.inf, "alpha", alpha, "must be finite and exceed 1, or 1/(alpha + cos) is no conductivity")
    if eps is None:
        return alpha * (1 - 2 * x) / 2 if derivative else alpha * x * (1 - x) / 2
    k = _wavenumber(eps)
    c = (alpha / 2 + np.sin(k) / k + (np.cos(k) - 1) / k**2) / (alpha + np.sin(k) / k)
    if derivative:
        return (c - x) * (alpha + np.cos(k * x))
    return alpha * (c * x - x**2 / 2) + (c - x) * np.sin(k * x) / k + (1 - np.cos(k * x)) / k**2


def graded_solution(x: ArrayLike, eps: float | None = None, derivative: bool = False) -> Array:
    r"""u^eps of -(a u')' = 1, u(0) = u(1) = 0, a = (1 + x)/(2 + cos(2 pi x/eps)); without ``eps`` U = 2 [log2(1 + x) - x].

    With k = 2 pi/eps: u' = (b/(1 + x) - 1)(2 + cos kx), so that u = b [2 ln(1 + x) + C(x)] - 2x - sin(kx)/k, where
    C(x) = int_0^x cos(ks)/(1 + s) ds is a sine and cosine integral and b follows from u(1) = 0.
    """
    x = np.asarray(x, dtype=float)
    if eps is None:
        return 2 / (np.log(2) * (1 + x)) - 2 if derivative else 2 * (np.log2(1 + x) - x)
    k = _wavenumber(eps)

    def primitive(x: ArrayLike) -> Array:  # of (2 + cos kx) / (1 + x), zero at 0
        sine, cosine = np.subtract(sici(k * (1 + np.asarray(x))), np.reshape(sici(k), (2,) + (1,) * np.ndim(x)))
        return 2 * np.log1p(x) + np.cos(k) * cosine + np.sin(k) * sine

    b = (2 + np.sin(k) / k) / primitive(1.0)
    if derivative:
        return (b / (1 + x) - 1) * (2 + np.cos(k * x))
    return b * primitive(x) - 2 * x - np.sin(k * x) / k
