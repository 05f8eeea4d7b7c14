r"""The discrete cell problem, solved again by somebody else: dense, one unknown at a time, in sixty decimal digits or more.

Nothing here is taken from the library's grids. An element matrix is a sum over Gauss points, a Fourier derivative is the closed
form of its matrix, a window is integrated by mpmath, and systems are eliminated without pivots, in ``decimal``. Elimination
loses at most as many digits as the condition number has: contrast 1e16 with anisotropy 1e20 leaves twenty of them. The range
of a decimal's exponent has no end that matters, so that no problem is ever scaled.

A sampled coefficient is a table (c, g, ..., g, N, ..., N) of floats: c = 1 or d*d components, g points on an axis of an element
(2 Gauss points for Q1, 1 node for Fourier, 10 Gauss points on a line), N elements on an axis.
"""

from decimal import Decimal, getcontext, localcontext
from functools import lru_cache
from itertools import product

import mpmath
import numpy as np

from hmm_core import CellProblem

Array = np.ndarray
DIGITS = 60
getcontext().prec = mpmath.mp.dps = DIGITS


def decimals(values) -> Array:
    """The exact value of floats, or of mpmath's numbers to all digits, as an array of decimals."""
    values = np.asarray(values)
    exact = [
        Decimal(mpmath.nstr(v, DIGITS)) if isinstance(v, mpmath.mpf) else Decimal(v) for v in values.ravel().tolist()
    ]
    return np.array([*exact, None], dtype=object)[:-1].reshape(values.shape)


ZERO, ONE = Decimal(0), Decimal(1)
GAUSS = (ONE / 2 - 1 / (2 * Decimal(3).sqrt()), ONE / 2 + 1 / (2 * Decimal(3).sqrt()))


def points_per_axis(cell: CellProblem) -> int:
    return 1 if cell.scheme == "fourier" and cell.dim > 1 else 10 if on_a_line(cell) else 2


def on_a_line(cell: CellProblem) -> bool:
    """Where the flux is one number, and nothing has to be solved."""
    return cell.dim == 1 and cell.equation == "elliptic"


def length(cell: CellProblem) -> Decimal:
    return Decimal(cell.size) + 2 * Decimal(cell.buffer)


def eliminate(K: Array, b: Array) -> Array:
    """K^-1 b, for K with a positive definite symmetric part: no pivots are needed."""
    K, b = K.copy(), b.copy()
    for k in range(len(K)):
        below, right = (np.flatnonzero(line) + k + 1 for line in (K[k + 1 :, k], K[k, k + 1 :]))
        factor = K[below, k] / K[k, k]
        K[np.ix_(below, right)] -= np.multiply.outer(factor, K[k, right])
        b[below] -= np.multiply.outer(factor, b[k])
    for k in reversed(range(len(K))):
        b[k] = (b[k] - K[k, k + 1 :] @ b[k + 1 :]) / K[k, k]
    return b


def coefficients(cell: CellProblem, table: Array) -> Array:
    """The table as decimal tensors (points, elements, d, d)."""
    d, g = cell.dim, points_per_axis(cell)
    flat = decimals(table).reshape(len(table), g**d, -1)
    if len(table) == 1:
        flat = (
            flat
            * np.array([ONE if i == j else ZERO for i, j in product(range(d), repeat=2)], dtype=object)[:, None, None]
        )
    return np.moveaxis(flat, 0, -1).reshape(*flat.shape[1:], d, d)


# -- spaces: gradients of the basis functions at all points (points, elements, d, local), and their numbers ------------------


def q1_space(cell: CellProblem) -> tuple[Array, Array]:
    """The gradients (g, d, 2^d), equal for all elements, and the numbers (elements, 2^d); -1: on a Dirichlet boundary."""
    d, N, h = cell.dim, cell.cells, length(cell) / cell.cells
    corners = list(product((0, 1), repeat=d))
    gradients = np.empty((2**d, d, 2**d), dtype=object)
    for (g, place), i, (c, corner) in product(enumerate(product(GAUSS, repeat=d)), range(d), enumerate(corners)):
        value = ONE
        for k in range(d):
            s = place[k] if corner[k] else 1 - place[k]
            value *= (1 if corner[k] else -1) / h if k == i else s
        gradients[g, i, c] = value
    # Elimination fills a band. Where the grid is wrapped, its planes are taken from both ends in turn to keep it narrow.
    folded = [k // 2 if k % 2 == 0 else N - (k + 1) // 2 for k in range(N)]
    rank = np.argsort(folded)
    numbers = np.empty((N**d, 2**d), dtype=int)
    for (e, element), (c, corner) in product(enumerate(product(range(N), repeat=d)), enumerate(corners)):
        node, number = [element[k] + corner[k] for k in range(d)], 0
        for k in range(d):
            if cell.bc == "periodic":
                number = number * N + (rank[node[k] % N] if k == 0 else node[k] % N)
            elif cell.bc == "neumann":
                number = number * (N + 1) + node[k]
            elif number >= 0:
                number = number * (N - 1) + node[k] - 1 if 0 < node[k] < N else -1
        numbers[e, c] = number
    return gradients, numbers


@lru_cache(maxsize=64)
def fourier_derivative(N: int, size: float) -> Array:
    """Of trigonometric interpolants at N points of a period ``size``, closed form; the highest cosine of even N is flat there."""
    D = np.full((N, N), ZERO, dtype=object)
    for j, k in product(range(N), repeat=2):
        if j != k and 2 * abs(j - k) != N:  # where the cotangent is zero
            angle = mpmath.pi * (j - k) / N
            slope = mpmath.cot(angle) if N % 2 == 0 else mpmath.csc(angle)
            D[j, k] = decimals(mpmath.pi / mpmath.mpf(size) * (-1) ** (j - k) * slope).item()
    return D


def fourier_gradients(cell: CellProblem) -> Array:
    """Derivatives (d, points, points)."""
    d, N = cell.dim, cell.cells
    D, one = (
        fourier_derivative(N, float(cell.size)),
        np.array([[ONE if j == k else ZERO for j in range(N)] for k in range(N)]),
    )
    parts = []
    for i in range(d):
        part = np.array([[ONE]])
        for k in range(d):
            part = np.kron(part, D if k == i else one)
        parts.append(part)
    return np.array(parts)


# -- averages ---------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def line_weights(N: int, solved: Decimal, size: Decimal, order: float, places: tuple) -> Array:
    r"""Weights (g, N) with sum(weights * f) = \int K f of the piecewise polynomial through f at ``places``, K = (1/4 - t^2)^q."""
    mp = mpmath.mpf
    h, weights = mp(str(solved)) / N, np.full((len(places), N), ZERO, dtype=object)
    places, half = [mp(str(p)) for p in places], mp(str(size)) / 2
    for e in range(N):
        left = mp(str(solved)) * (mp(e) / N - mp(1) / 2)
        begin, end = (min(max((edge - left) / h, mp(0)), mp(1)) for edge in (-half, half))
        for g in range(len(places)) if end > begin else ():

            def integrand(s, g=g, left=left):
                t = (left + h * s) / (2 * half)
                value = max(mp(1) / 4 - t * t, mp(0)) ** order
                for other in places[:g] + places[g + 1 :]:
                    value *= (s - other) / (places[g] - other)
                return value

            weights[g, e] = decimals(mpmath.quad(integrand, [begin, end], method="gauss-legendre", maxdegree=4)).item()
    return weights / weights.sum()


def window(cell: CellProblem, whole: bool = False, places: tuple | None = None) -> Array:
    """Weights (points, elements) of the averaging window, or of the whole solved domain."""
    d, solved = cell.dim, length(cell)
    if places is None:
        floats = (np.polynomial.legendre.leggauss(10)[0] + 1) / 2
        places = {1: (ZERO,), 2: GAUSS, 10: tuple(map(Decimal, floats.tolist()))}[points_per_axis(cell)]
    size = solved if whole else Decimal(cell.size)
    order = 0.0 if whole or cell.window == "box" else float(cell.window[1])
    line = line_weights(cell.cells, solved, size, order, places)
    weights = np.array(ONE, dtype=object)
    for _ in range(d):
        weights = np.multiply.outer(weights, line)  # (g, N, g, N, ...)
    weights = weights.transpose(*range(0, 2 * d, 2), *range(1, 2 * d, 2))
    return weights.reshape(len(places) ** d, -1)


def averaged(cell: CellProblem, a: Array, gradients: Array) -> Array:
    """The tensor of fields whose gradients are (points, elements, d, J)."""
    flux, weights, whole = a @ gradients, window(cell)[..., None, None], window(cell, whole=True)[..., None, None]
    if cell.average == "energy":
        return (weights * (gradients.swapaxes(2, 3) @ flux)).sum(axis=(0, 1))
    felt = (weights * flux).sum(axis=(0, 1))
    caused = ((whole if cell.average == "flux" else weights) * gradients).sum(axis=(0, 1))
    return eliminate(caused.T, felt.T).T


# -- the problems -----------------------------------------------------------------------------------------------------------


def tensor(cell: CellProblem, table: Array) -> Array:
    """The effective tensor (d, d) of one sampled coefficient, in decimals."""
    a = coefficients(cell, table)
    if on_a_line(cell):
        inverse = 1 / a[..., 0, 0]
        inner, whole = ((window(cell, whole=w) * inverse).sum() for w in (False, True))
        return np.array([[{"ratio": 1 / inner, "flux": 1 / whole, "energy": inner / whole**2}[cell.average]]])
    if cell.equation[0] == "parabolic":
        return parabolic(cell, a)
    with localcontext() as context:
        if cell.equation != "elliptic":  # 1/T is all that holds the constants, however small beside a
            context.prec += max(0, (max(a.ravel()) * Decimal(cell.equation[1])).adjusted())
        return averaged(cell, a, solved_gradients(cell, a))


def solved_gradients(cell: CellProblem, a: Array) -> Array:
    """Gradients (points, elements, d, d) of the fields that solve the cell problem, one for each direction."""
    d = cell.dim
    unit = np.array([[ONE if i == j else ZERO for j in range(d)] for i in range(d)])
    if cell.scheme == "fourier":
        B = fourier_gradients(cell)
        D = B.reshape(-1, B.shape[2])
        aB = np.einsum("eij,jen->ien", a[0], B, optimize=False)
        K, b = D.T @ aB.reshape(D.shape), -(D.T @ a[0].transpose(1, 0, 2).reshape(-1, d))
        for mode in invisible(cell):  # orthogonal to b and to the solution, and in nobody's way
            K = K + np.multiply.outer(mode, mode) * max(*a.ravel())
        w = eliminate(K, b)
        return np.moveaxis(np.array([part @ w for part in B]), 0, 1)[None] + unit
    gradients, numbers = q1_space(cell)
    K, b = q1_system(cell, a, gradients, numbers)
    if cell.equation != "elliptic":
        K = K + q1_mass(cell, numbers) / Decimal(cell.equation[1])
    free = len(K) - (
        cell.bc != "dirichlet" and cell.equation == "elliptic"
    )  # or constants are free: the last value is 0
    w = np.concatenate([eliminate(K[:free, :free], b[:free]), np.full((2, d), ZERO)])
    w = np.concatenate([w[:free], np.full((len(K) - free + 1, d), ZERO)])  # number -1 is a zero at the end
    field = w[numbers]  # (elements, local, J)
    return np.array([B @ field for B in gradients]) + (unit if cell.bc != "neumann" else ZERO)


def q1_system(cell: CellProblem, a: Array, gradients: Array, numbers: Array) -> tuple[Array, Array]:
    """Stiffness matrix, and the loads of unit gradients (of unit fluxes, if the flux is uniform on the boundary)."""
    d, size = cell.dim, numbers.max() + 1
    weight = (length(cell) / cell.cells / 2) ** d
    K, b = np.full((size + 1, size + 1), ZERO), np.full((size + 1, d), ZERO)  # row -1 collects what is no unknown
    for e, where in enumerate(numbers):
        element = sum(B.T @ (a[g, e] @ B) for g, B in enumerate(gradients)) * weight
        load = sum(B.T if cell.bc == "neumann" else -(B.T @ a[g, e]) for g, B in enumerate(gradients)) * weight
        for i, row in enumerate(where):
            b[row] += load[i]
            for j, column in enumerate(where):
                K[row, column] += element[i, j]
    return K[:size, :size], b[:size]


def q1_mass(cell: CellProblem, numbers: Array) -> Array:
    d, h, size = cell.dim, length(cell) / cell.cells, numbers.max() + 1
    M = np.full((size + 1, size + 1), ZERO)
    corners = list(product((0, 1), repeat=d))
    for where in numbers:
        for (i, p), (j, q) in product(enumerate(corners), repeat=2):
            M[where[i], where[j]] += (h / 6) ** d * 2 ** sum(s == t for s, t in zip(p, q, strict=True))
    return M[:size, :size]


def invisible(cell: CellProblem) -> list[Array]:
    """Grid functions whose trigonometric interpolant has no derivative at the nodes."""
    signs = [[ONE] * cell.cells] + ([[ONE * (-1) ** k for k in range(cell.cells)]] if cell.cells % 2 == 0 else [])
    modes = []
    for chosen in product(signs, repeat=cell.dim):
        mode = np.array(ONE, dtype=object)
        for line in chosen:
            mode = np.multiply.outer(mode, np.array(line))
        modes.append(mode.ravel())
    return modes


def parabolic(cell: CellProblem, a: Array) -> Array:
    r"""<a> - 2 \int_0^T <u_i u_j> dt, m u' + K u = 0, m u(0) = b, by the eigenvectors of K/m (mpmath)."""
    d, (gradients, numbers), T = cell.dim, q1_space(cell), mpmath.mpf(cell.equation[1])
    K, b = q1_system(cell, a, gradients, numbers)
    m = (length(cell) / cell.cells) ** d
    theta, modes = mpmath.eigsy(mpmath.matrix([[mpmath.mpf(str(v)) for v in row] for row in K / m]))
    modes = decimals(modes.tolist()).reshape(K.shape)
    first = modes.T @ (b / m)
    corner_weights = window(cell, places=(ZERO, ONE))  # (2^d, elements)
    nodal = np.full(len(K) + 1, ZERO)
    for e, where in enumerate(numbers):
        for i, number in enumerate(where):
            nodal[number] += corner_weights[i, e]
    gram = modes.T @ (nodal[:-1, None] * modes)
    rate = [[one + other for other in theta] for one in theta]
    gram = gram * decimals([[-mpmath.expm1(-T * r) / r for r in row] for row in rate])
    return (window(cell)[..., None, None] * a).sum(axis=(0, 1)) - 2 * first.T @ gram @ first
