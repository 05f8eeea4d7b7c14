"""Iterations for B x J independent linear systems at once, and what takes over when a problem is too rough for them.

A nodal field is (B, J, n, ..., n): B cell problems, J right-hand sides each. Every system has its own scalars and stops
by itself as soon as r . P^-1 r <= ``allowed`` (B, J), so its answer does not depend on the company it was solved in.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, Operator, Q1Grid

PATIENCE = 60  # iterations before a rough problem is handed to a matrix method (the crossover, measured) ...
SMALL = 2**18  # ... or as many as make this much work, unknowns x iterations: their set-up dwarfs a small cell
LIMIT = 2000  # iterations after which nothing more is hoped for
TRANSFORM = {"periodic": "fft", "dirichlet": "dst", "neumann": "dct"}


class ConvergenceError(RuntimeError):
    """An iteration did not reach its tolerance; the message holds the residual that it reached.

    From a macro solver, ``unfinished`` is the best state so far (see ``solve_elliptic``); a worker does not send it back.
    """

    unfinished: Any = None

    def __reduce__(self) -> tuple:
        return type(self), self.args, {name: value for name, value in vars(self).items() if name != "unfinished"}


def solve_systems(
    grid: Q1Grid | FourierGrid,
    stencil: Array,
    precondition: Operator,
    b: Array,
    target: Array,
    allowed: Array,
    symmetric: bool,
    tol: float,
    start: Array | None = None,
) -> tuple[Array, Array, Array, Array, Array]:
    """K w = b for the B problems of a chunk, by whatever serves each of them.

    Conjugate gradients or, if the coefficient is not symmetric, BiCGStab, with a constant-coefficient preconditioner;
    rough problems by conjugate gradients with algebraic multigrid, or a sparse factorisation. ``target`` (B, J) bounds
    r . P^-1 r, ``allowed`` (B, J) the energy of the error. Returns w, r, r . P^-1 r, iterations (B, J), the solvers (B,).
    """
    spectral = isinstance(grid, FourierGrid)
    limit = LIMIT if spectral else max(PATIENCE, SMALL // (grid.dim * math.prod(grid.shape)))
    iterate = conjugate_gradients if symmetric else bicgstab
    w, r, rho, iterations = iterate(grid.operator(stencil), precondition, b, target, limit, start)
    name = f"{'fourier' if spectral else TRANSFORM[grid.bc]}-{'cg' if symmetric else 'bicgstab'}"
    solver = np.full(len(b), name, dtype=object)
    slow = (rho > target).any(axis=1)
    if slow.any() and spectral:
        raise ConvergenceError(
            f"scheme='fourier' did not reach tol={tol} in {LIMIT} iterations (r . P^-1 r is {np.max(rho / target):.1e} "
            "times what it may be): it is made for smooth media; use scheme='q1'"
        )
    for k in np.flatnonzero(slow):
        rescue = _multigrid if symmetric else _factorise
        w[k], r[k], rho[k], steps = rescue(grid, stencil[k], b[k], w[k], allowed[k], tol)
        iterations[k] += steps
        solver[k] = "amg-cg" if symmetric else "lu"
    return w, r, rho, iterations, solver


def conjugate_gradients(
    apply: Operator, precondition: Operator, b: Array, allowed: Array, limit: int, start: Array | None = None
) -> tuple[Array, Array, Array, Array]:
    """Preconditioned conjugate gradients: w, r, r . P^-1 r and the iterations (B, J) that each system took."""
    w = np.zeros_like(b) if start is None else start
    r = b.copy() if start is None else b - apply(start)
    z = precondition(r)
    p = z.copy()
    rho = dot(r, z)
    active = rho > allowed
    iterations = np.zeros(rho.shape, dtype=int)
    scalar = (..., *(None,) * (b.ndim - 2))
    for _ in range(limit):
        if not active.any():
            break
        q = apply(p)
        alpha = np.divide(rho, dot(p, q), out=np.zeros_like(rho), where=active)
        w += alpha[scalar] * p
        q *= alpha[scalar]
        r -= q
        z = precondition(r)
        fresh = dot(r, z)
        beta = np.divide(fresh, rho, out=np.zeros_like(rho), where=active)
        p *= beta[scalar]
        p += z
        iterations += active
        rho = np.where(active, fresh, rho)
        active &= rho > allowed
    return w, r, rho, iterations


def bicgstab(
    apply: Operator, precondition: Operator, b: Array, allowed: Array, limit: int, start: Array | None = None
) -> tuple[Array, Array, Array, Array]:
    """The same for operators that are not symmetric: BiCGStab (van der Vorst 1992, doi:10.1137/0913035).

    It is run on P^-1 K in the inner product of P, so that residuals are measured as in ``conjugate_gradients``: each
    vector is kept as itself (r, v, s, t) and preconditioned (z, ...). An iteration costs two of theirs.
    """
    w = np.zeros_like(b) if start is None else start
    r = b.copy() if start is None else b - apply(start)
    z = precondition(r)
    p, v, v_z, shadow = np.zeros_like(r), np.zeros_like(r), np.zeros_like(r), z.copy()
    rho = dot(r, z)
    shadow_size = rho.copy()
    old, alpha, omega = (np.ones_like(rho) for _ in range(3))
    active = rho > allowed
    iterations = np.zeros(rho.shape, dtype=int)
    scalar = (..., *(None,) * (b.ndim - 2))

    def ratio(numerator: Array, denominator: Array) -> Array:
        return np.divide(numerator, denominator, out=np.zeros_like(rho), where=active & (denominator != 0))

    for _ in range(limit):
        if not active.any():
            break
        new = dot(shadow, r)
        lost = active & (
            np.abs(new) <= 1e-8 * np.sqrt(np.abs(rho) * shadow_size)
        )  # orthogonal to its shadow: start anew
        shadow = np.where(lost[scalar], z, shadow)
        new, shadow_size = np.where(lost, rho, new), np.where(lost, rho, shadow_size)
        beta = np.where(lost, 0.0, ratio(new, old) * ratio(alpha, omega))
        p = z + beta[scalar] * (p - omega[scalar] * v_z)
        v = apply(p)
        v_z = precondition(v)
        alpha = ratio(new, dot(shadow, v))
        s, s_z = r - alpha[scalar] * v, z - alpha[scalar] * v_z
        t = apply(s_z)
        t_z = precondition(t)
        omega = ratio(dot(t_z, s), dot(t_z, t))
        w += alpha[scalar] * p + omega[scalar] * s_z
        r, z = s - omega[scalar] * t, s_z - omega[scalar] * t_z
        iterations += active
        fresh = dot(r, z)
        if (active & (fresh <= allowed)).any():  # z has drifted from P^-1 r by round-off: be sure
            z = precondition(r)
            fresh = dot(r, z)
        old, rho = np.where(active, new, old), np.where(active, fresh, rho)
        active &= rho > allowed
    return w, r, rho, iterations


def lanczos(apply: Operator, start: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Krylov spaces of B x J symmetric positive operators, growing: yields bases, Ritz values and Ritz vectors.

    Bases (B, J, m, nodes), Ritz values (B, J, m), vectors (B, J, m, m), for m = 16, 20, 25, ... up to about 600. The
    three-term recurrence alone: lost orthogonality costs copies of Ritz values, not accuracy of functions of the
    operator (Druskin and Knizhnerman).
    """
    scalar = (..., *(None,) * (start.ndim - 2))
    basis, diagonal, off = [], [], []
    v, before, norm = start, np.zeros_like(start), np.sqrt(dot(start, start))
    least, wanted = np.zeros_like(norm), 16
    while len(basis) < 600:
        v = np.divide(v, norm[scalar], out=np.zeros_like(v), where=(norm > least)[scalar])
        image = apply(v)
        basis.append(v)
        diagonal.append(dot(image, v))
        least = least if off else 1e-12 * diagonal[0]
        image = image - diagonal[-1][scalar] * v - (norm[scalar] * before if off else 0)
        before, v, norm = v, image, np.sqrt(dot(image, image))
        off.append(np.where(norm > least, norm, 0.0))
        if len(basis) >= wanted:
            m, wanted = len(basis), int(1.25 * wanted)
            projected = np.zeros((*norm.shape, m, m))
            k = np.arange(m)
            projected[..., k, k] = np.moveaxis(diagonal, 0, -1)
            projected[..., k[1:], k[:-1]] = projected[..., k[:-1], k[1:]] = np.moveaxis(off[:-1], 0, -1)
            theta, modes = np.linalg.eigh(projected)
            yield np.stack(basis, axis=2), np.maximum(theta, np.finfo(float).tiny), modes


def settle(
    grid: Q1Grid | FourierGrid,
    stencil: Array,
    precondition: Operator,
    b: Array,
    w: Array,
    r: Array,
    target: Array,
    allowed: Array,
    symmetric: bool,
    tol: float,
) -> Array:
    """w, refined until the energy of its error is below ``allowed`` (B, J); arguments as for ``solve_systems``.

    Near round-off the iteration's own residual r keeps falling while the true one does not. The two are compared; where they
    part, K dw = b - K w is solved, and dw . K dw says how wrong w was. Where each refinement finds as much again, round-off
    speaks: a stiff inclusion in a soft matrix is pushed by the sum of forces that are larger than itself.

    Raises ConvergenceError if the error cannot be brought below what is allowed.
    """
    apply, worst = grid.operator(stencil), 0.0
    drift = b - apply(w) - r
    if (dot(drift, precondition(drift)) <= target).all():
        return w
    for _ in range(3):
        missing = b - apply(w)
        step, *_ = solve_systems(grid, stencil, precondition, missing, target, allowed, symmetric, tol)
        energy = np.abs(dot(step, missing))
        w = w + step
        if (energy <= 0.01 * allowed).all():  # what round-off left this time it may exceed the next
            return w
        worst = float(np.max(energy / allowed))
    raise ConvergenceError(
        f"tol={tol} cannot be reached in double precision for this medium: round-off leaves {worst:.1e} times the energy that "
        "the error of a micro field may have. Ask for less, or for a lower contrast"
    )


def _multigrid(
    grid: Q1Grid, stencil: Array, b: Array, start: Array, allowed: Array, tol: float
) -> tuple[Array, Array, Array, Array]:
    """One rough problem, all its directions: the same iteration with an algebraic multigrid cycle (PyAMG) inside."""
    import pyamg

    matrix = grid.matrix(stencil[None])
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    cycle = pyamg.ruge_stuben_solver(matrix, max_coarse=200).aspreconditioner()
    shape = b.shape

    def precondition(r: Array) -> Array:
        return np.array([cycle @ column.ravel() for column in r[0]]).reshape(1, *shape)

    def apply(p: Array) -> Array:
        return np.array([matrix @ column.ravel() for column in p[0]]).reshape(1, *shape)

    # The cycle is equivalent to the operator itself, so its r . z is the energy of the error up to a modest factor.
    w, r, rho, steps = conjugate_gradients(apply, precondition, b[None], 0.1 * allowed[None], 200, start[None])
    if (rho > 0.1 * allowed).any():
        raise ConvergenceError(
            f"neither the transform nor the multigrid iteration reached tol={tol}: energy of the error about "
            f"{rho.max():.1e}, allowed {0.1 * allowed.min():.1e}"
        )
    return w[0], r[0], rho[0], steps[0]


def _factorise(
    grid: Q1Grid, stencil: Array, b: Array, start: Array, allowed: Array, tol: float
) -> tuple[Array, Array, Array, Array]:
    """One rough problem that is not symmetric, all its right-hand sides, by a sparse factorisation (SuperLU)."""
    from scipy.sparse.linalg import splu

    matrix = grid.matrix(stencil[None]).tocsc()
    first = 0 if grid.bc == "dirichlet" else 1  # constants are in the kernel: fix the first unknown
    lu = splu(matrix[first:, first:])

    def solve(columns: Array) -> Array:
        full = np.zeros((len(columns), matrix.shape[0]))
        full[:, first:] = lu.solve(np.ascontiguousarray(columns[:, first:].T)).T
        return full

    flat = b.reshape(len(b), -1)
    w = solve(flat)
    r = flat - (matrix @ w.T).T
    rho = np.abs((r * solve(r)).sum(axis=1))
    if not (rho <= allowed).all():
        raise ConvergenceError(f"not even a factorisation reaches tol={tol}: energy of the error {rho.max():.1e}")
    return w.reshape(b.shape), r.reshape(b.shape), rho, np.ones(len(b), dtype=int)


def dot(u: Array, v: Array) -> Array:
    """Inner products (B, J) of fields."""
    return np.einsum("bjx,bjx->bj", u.reshape(*u.shape[:2], -1), v.reshape(*v.shape[:2], -1))


def dot_matrix(u: Array, v: Array) -> Array:
    """Inner products (B, J, J') of all pairs of fields of a problem."""
    return u.reshape(*u.shape[:2], -1) @ v.reshape(*v.shape[:2], -1).swapaxes(1, 2)
