"""Iterations for B x J independent linear systems at once, and what takes over when a problem is too rough for them.

A nodal field is (B, J, n, ..., n): B cell problems, J right-hand sides each. Every system has its own scalars and stops
by itself as soon as r . P^-1 r <= ``allowed`` (B, J), so its answer does not depend on the company it was solved in.
"""

import math
from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, Operator, Q1Grid
from hmm_core.micro.motions import pinned, rigid_motions

PATIENCE = 60  # iterations before a rough problem is handed to a matrix method (the crossover, measured) ...
VECTORS = 3  # times as many for fields of m components, whose multigrid costs so much more to set up
SMALL = 2**18  # ... or as many as make this much work, unknowns x iterations: their set-up dwarfs a small cell
DIRECT = 2**10  # unknowns up to which a factorisation costs less than multigrid's set-up (measured)
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
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """K w = b for the B problems of a chunk, by whatever serves each of them.

    Conjugate gradients or, if the coefficient is not symmetric, BiCGStab, with a constant-coefficient preconditioner;
    rough problems by a factorisation or, large and symmetric, conjugate gradients with multigrid. ``target`` (B, J) bounds
    r . P^-1 r, ``allowed`` (B, J) the energy of the error, as these rescues estimate it. Returns w, r, r . P^-1 r,
    iterations (B, J), the solvers (B,), and energy / allowed of what even a rescue left (B,), at most 1 where it was enough.
    """
    spectral = isinstance(grid, FourierGrid)
    size = math.prod(grid.shape)
    lonely = spectral and size > DIRECT  # there is no other solver for it
    limit = (
        LIMIT if lonely else min(max(PATIENCE * (VECTORS if grid.components else 1), SMALL // (grid.dim * size)), LIMIT)
    )
    iterate = conjugate_gradients if symmetric else bicgstab
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # where it breaks down, rho is no number
        w, r, rho, iterations = iterate(grid.operator(stencil), precondition, b, target, limit, start)
    if (
        not symmetric
    ):  # on the way its iterates may be far larger than the solution, and so is what round-off left of them
        w = grid.visible(w)
    name = f"{'fourier' if spectral else TRANSFORM[grid.bc]}-{'cg' if symmetric else 'bicgstab'}"
    solver, left = np.full(len(b), name, dtype=object), np.zeros(len(b))
    slow = ~(np.abs(rho) <= target).all(axis=1)  # far below zero: a preconditioner that is not definite
    if slow.any() and lonely:
        raise ConvergenceError(
            f"scheme='fourier' did not reach tol={tol} in {LIMIT} iterations (r . P^-1 r is {np.max(rho / target):.1e} "
            "times what it may be): it is made for smooth media; use scheme='q1'"
        )
    if spectral:
        rescues = (_eliminate,)
    elif size <= DIRECT or not symmetric:
        rescues = (_factorise,)
    else:  # in space, a factorisation of that size would not fit into memory
        rescues = (_multigrid, _factorise)[: 4 - grid.dim]
    for k in np.flatnonzero(slow):
        for rescue in rescues:
            w[k], r[k], rho[k], steps = rescue(grid, stencil[k], b[k], w[k], allowed[k])
            iterations[k] += steps
            solver[k] = "amg-cg" if rescue is _multigrid else "lu"
            left[k] = np.max(np.abs(rho[k]) / allowed[k])
            if left[k] <= 1:
                break
    return w, r, rho, iterations, solver, left


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
        alpha = np.divide(rho, dot(p, q), out=np.zeros(rho.shape), where=active)[scalar]
        w += alpha * p
        q *= alpha
        r -= q
        z = precondition(r)
        last, rho = rho, dot(r, z)
        p *= np.divide(rho, last, out=np.zeros(rho.shape), where=active)[scalar]
        p += z
        iterations += active
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


def _multigrid(grid: Q1Grid, stencil: Array, b: Array, start: Array, allowed: Array) -> tuple[Array, ...]:
    """One rough problem, all its directions: the same iteration with an algebraic multigrid cycle (PyAMG) inside.

    Classical for scalars; for fields of m components by aggregation, which can be told what moves at no cost.
    """
    try:
        import pyamg
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("rough media on a grid this large need PyAMG: pip install pyamg") from error
    from scipy.linalg import lu_factor, lu_solve

    matrix, shape, coarsest = grid.matrix(stencil[None]), b.shape, []
    matrix.sum_duplicates()
    matrix.eliminate_zeros()

    def solve_coarsest(A: Any, r: Array) -> Array:
        """By elimination: the pseudoinverse that PyAMG offers drops what is 1e14 times softer than the rest."""
        if not coarsest:
            A, stiffness = A.toarray(), A.diagonal()
            if grid.bc != "dirichlet":  # constants get a stiffness between the largest and the smallest, and r has none
                A += np.sqrt(stiffness.min() * stiffness.max())
            coarsest.append(lu_factor(A))
        return lu_solve(coarsest[0], r)

    if not grid.components:
        cycle = pyamg.ruge_stuben_solver(matrix, max_coarse=200, coarse_solver=solve_coarsest).aspreconditioner()
        solve = cycle.matvec
    else:
        motions, m = rigid_motions(grid), grid.dim
        by_node = np.arange(matrix.shape[0]).reshape(m, -1).T.ravel()
        blocks, free = matrix[by_node][:, by_node].tobsr((m, m)), motions.reshape(len(motions), -1)[:, by_node].T
        cycle = pyamg.smoothed_aggregation_solver(blocks, B=free, smooth="energy", max_coarse=200).aspreconditioner()
        by_component = np.argsort(by_node)

        def solve(r: Array) -> Array:
            return cycle.matvec(r[by_node])[by_component]

    def precondition(r: Array) -> Array:
        return np.array([solve(column.ravel()) for column in r[0]]).reshape(1, *shape)

    def apply(p: Array) -> Array:
        return np.array([matrix @ column.ravel() for column in p[0]]).reshape(1, *shape)

    # The cycle is equivalent to the operator itself, so its r . z is the energy of the error up to a modest factor.
    start = start[None] if np.isfinite(start).all() else None
    w, r, rho, steps = conjugate_gradients(apply, precondition, b[None], 0.1 * allowed[None], 200, start)
    return w[0], r[0], 10 * rho[0], steps[0]


def _eliminate(grid: FourierGrid, a: Array, b: Array, start: Array, allowed: Array) -> tuple[Array, ...]:
    """One rough problem of a small Fourier grid, by elimination. Modes that nothing sees get a stiffness, and have no load."""
    from scipy.linalg import lu_factor, lu_solve

    size, flat = b[0].size, b.reshape(len(b), -1)
    unit = np.eye(size)
    K = grid.operator(a[None])(unit.reshape(1, size, *grid.shape)).reshape(size, size).T
    hidden = reduce(np.kron, [grid.hidden] * grid.dim)
    hidden = np.kron(np.eye(size // len(hidden)), hidden)
    lu = lu_factor(K + np.trace(K) / size * hidden)
    w = lu_solve(lu, flat.T).T
    r = flat - w @ K.T
    rho = np.abs((r * lu_solve(lu, r.T).T).sum(axis=1))
    return w.reshape(b.shape), r.reshape(b.shape), rho, np.ones(len(b), dtype=int)


def _factorise(grid: Q1Grid, stencil: Array, b: Array, start: Array, allowed: Array) -> tuple[Array, ...]:
    """One rough problem, all its right-hand sides, by a sparse factorisation (SuperLU).

    Where rigid motions are among the unknowns a few of these are held at 0; what each of them would bring, ``lift``, is then
    added so that the solution has no rigid motion left (that is right where a zero-order term resists them, too).
    """
    from scipy.sparse.linalg import splu

    matrix, flat = grid.matrix(stencil[None]).tocsc(), b.reshape(len(b), -1)
    held = pinned(grid)
    motions = rigid_motions(grid)[: len(held)].reshape(-1, matrix.shape[0])
    free = np.delete(np.arange(matrix.shape[0]), held)
    lu = splu(matrix[free][:, free])
    lift = np.zeros((len(held), matrix.shape[0]))
    lift[np.arange(len(held)), held] = 1.0
    lift[:, free] = lu.solve(-matrix[free][:, held].toarray()).T

    def solve(rows: Array) -> Array:
        full = np.zeros_like(rows)
        full[:, free] = lu.solve(np.ascontiguousarray(rows[:, free].T)).T
        return full - np.linalg.solve(motions @ lift.T, motions @ full.T).T @ lift if len(held) else full

    w = solve(flat)
    r = flat - (matrix @ w.T).T
    rho = np.abs((r * solve(r)).sum(axis=1))
    return w.reshape(b.shape), r.reshape(b.shape), rho, np.ones(len(b), dtype=int)


def dot(u: Array, v: Array) -> Array:
    """Inner products (B, J) of fields."""
    return np.einsum("bjx,bjx->bj", u.reshape(*u.shape[:2], -1), v.reshape(*v.shape[:2], -1))


def dot_matrix(u: Array, v: Array) -> Array:
    """Inner products (B, J, J') of all pairs of fields of a problem."""
    return u.reshape(*u.shape[:2], -1) @ v.reshape(*v.shape[:2], -1).swapaxes(1, 2)
