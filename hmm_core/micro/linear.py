"""Linear cell problems, a batch at a time: sampled coefficients in, effective tensors and correctors out."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, LineGrid, Operator, Q1Grid, multiply
from hmm_core.micro.krylov import ConvergenceError, dot, solve_systems
from hmm_core.micro.motions import mean_rotation
from hmm_core.micro.regularised import parabolic
from hmm_core.micro.response import allowed_energy, fluctuation, is_quadratic, mean_tensor, respond, respond_at_nodes
from hmm_core.micro.sample import SYMMETRIC, ellipticity, fields_of, is_symmetric, scaled_time

STIFF = 1e-4  # ellipticity below which round-off is looked for: above, cancellation leaves twelve digits of the tensor
REFINEMENTS = 5  # after which another one is no help

# Tensors (B, d, d), iterations, residual, solver (B,), correctors (B, d, N+1, ...) on all grid points, or None. Of vector
# fields, tensors (B, d, d, d, d) and correctors (B, d, d, m, N+1, ...): each (d, d) numbers a gradient d_j u_i = 1 by [i, j].
Answers = tuple[Array, Array, Array, Array, Array | None]


def solve_batch(cell: Any, a: Array, exponent: Array, correctors: bool) -> Answers:
    """The answers for B coefficients 2^exponent a, a (B, c, G, E) of order one; the tensors are those of a."""
    grid = cell.grid_of(fields_of(a.shape[1], cell.dim))
    tensor, iterations, residual, solver, w = _in_components(cell, grid, a, exponent, correctors)
    if grid.components:
        S = grid.kinematics.reshape(-1, cell.dim**2)  # gradients d_j u_i are S^T times their L components
        tensor = (S.T @ tensor @ S).reshape(-1, *(cell.dim,) * 4)
        if w is not None:
            w = np.einsum("lij,bl...->bij...", grid.kinematics, w)
    return tensor, iterations, residual, solver, w


def _in_components(cell: Any, grid: Any, a: Array, exponent: Array, correctors: bool) -> Answers:
    """The same in the L components of a gradient: tensors (B, L, L), correctors (B, L, [m,] N+1, ...)."""
    if isinstance(grid, LineGrid):
        return _solve_line(cell, grid, a[:, 0], correctors)
    symmetric = is_symmetric(a, min(SYMMETRIC, cell.tol / 10))
    if symmetric.any() and not symmetric.all():
        return _solve_apart(cell, grid, a, exponent, symmetric, correctors)
    symmetric = bool(symmetric[0])
    kind, T = ("elliptic", None) if cell.equation == "elliptic" else cell.equation
    if not symmetric and (kind == "parabolic" or cell.average == "energy"):
        given = f"equation={cell.equation!r}" if kind == "parabolic" else "average='energy'"
        raise ValueError(f"{given} needs a symmetric medium; a(x, y) is not: use equation='elliptic', average='ratio'")
    if kind == "parabolic":
        return parabolic(cell, grid, a, scaled_time(T, exponent), correctors)

    shift = 1 / scaled_time(T, exponent) if kind == "zero-order" else np.zeros(len(a))
    systems = _Systems(cell, grid, a, shift, symmetric)
    b = -grid.load(fluctuation(a, systems.mean))
    w, r, rho, iterations, solver, left = systems.solve(b, cell.bc != "neumann")
    volume = grid.length**grid.dim
    residual = np.sqrt(np.maximum(rho, 0.0) / (volume * systems.diagonal)).max(axis=1)  # round-off may be < 0
    tensor, caused = np.empty((2, *systems.mean.shape))
    reached = left <= 1
    weakest = (
        systems.low * systems.diagonal.min(axis=1) / systems.diagonal.max(axis=1)
    )  # direction of the weakest phase
    doubtful = (weakest < max(STIFF, 100 * np.finfo(float).eps / cell.tol)) | ~reached | (not systems.quadratic)
    if doubtful.any():
        found = _refine(systems.of(doubtful), w[doubtful], r[doubtful], reached[doubtful])
        w[doubtful], tensor[doubtful], caused[doubtful], more = found
        iterations[doubtful] += more
    if not doubtful.all():
        sure = ~doubtful if doubtful.any() else slice(None)  # all of them are not copied
        tensor[sure], caused[sure] = respond_at_nodes(cell, grid, systems.mean[sure], b[sure], w[sure], r[sure])
    fields = _closed_correctors(grid, w, caused) if correctors else None
    return tensor, iterations.max(axis=1), residual, solver, fields


@dataclass(frozen=True, eq=False)
class _Systems:
    """B problems K w_j = b_j, j = 1..L: their coefficients a, the factors ``shift`` (B,) of a zero-order term, or zeros."""

    cell: Any
    grid: Q1Grid | FourierGrid
    a: Array
    shift: Array
    symmetric: bool

    def of(self, chosen: Array) -> "_Systems":
        """Some of them."""
        return self if chosen.all() else replace(self, a=self.a[chosen], shift=self.shift[chosen])

    @cached_property
    def mean(self) -> Array:
        return mean_tensor(self.a, len(self.grid.kinematics))

    @cached_property
    def diagonal(self) -> Array:
        return np.einsum("bii->bi", self.mean)

    @cached_property
    def scales(self) -> tuple[Array, Array]:
        return ellipticity(self.a, self.diagonal)

    @property
    def low(self) -> Array:
        return self.scales[0]

    @cached_property
    def equivalence(self) -> Array:
        """The least K/P (B,): r . P^-1 r bounds the energy of the error once divided by it."""
        return self.low / self.grid.korn(self.diagonal)

    @cached_property
    def stencil(self) -> Array:
        stencil = self.grid.stencil(self.a)
        return stencil + np.multiply.outer(self.shift, self.grid.mass) if self.shift.any() else stencil

    @cached_property
    def precondition(self) -> Operator:
        return self.grid.preconditioner(self.diagonal, self.shift)

    @cached_property
    def quadratic(self) -> bool:
        return is_quadratic(self.cell, self.symmetric)

    def allowed(self, prescribed: bool) -> Array:
        """Energy (B, L) that the error of w_j may hold, for mean gradients e_j or else for the uniform flux <a> e_j."""
        return allowed_energy(self.cell, *self.scales, self.mean, self.quadratic, prescribed)

    def negligible(self, r: Array, prescribed: bool) -> Array:
        """Which forces (B, L) cannot do more."""
        return dot(r, self.precondition(r)) <= self.equivalence[:, None] * self.allowed(prescribed)

    def solve(self, b: Array, prescribed: bool) -> tuple[Array, ...]:
        allowed, tol = self.allowed(prescribed), self.cell.tol
        target = self.equivalence[:, None] * allowed
        return solve_systems(self.grid, self.stencil, self.precondition, b, target, allowed, self.symmetric, tol)

    def forces(self, w: Array, gradient: Array, outer: Array) -> Array:
        """What is out of balance, v -> - int (a grad u_j - J_j) . grad v - shift w_j v, with J = outer for a uniform flux."""
        flux = multiply(self.a, gradient)
        if self.cell.bc == "neumann":
            flux -= outer.swapaxes(1, 2)[..., None, None]
        r = -self.grid.divergence(flux)
        if self.shift.any():
            r -= self.grid.operator(np.multiply.outer(self.shift, self.grid.mass))(w)
        return r

    def answer(self, gradient: Array, outer: Array) -> tuple[Array, Array]:
        return respond(self.cell, self.grid, self.a, gradient, self.quadratic, outer)


def _refine(systems: _Systems, w: Array, r: Array, reached: Array) -> tuple[Array, Array, Array, Array]:
    """w, the tensors, the mean gradients, and the iterations (B, L) it took to refine w until the tensors stand.

    Near round-off an iteration's own residual r keeps falling (``reached`` (B,) says whose is small enough) while the true one
    does not. The true one is summed from fluxes, which are no larger than what acts on the sample; b - K w is a difference of
    forces that hold a stiff inclusion together. And what is found is kept beside w, for in a stiff inclusion the digits that make
    the flux are below the last of w. Fields of a uniform flux J_j are first combined into those of mean gradients e_j, whose
    errors the tensor does not magnify.

    Raises ConvergenceError if the tensors do not come to rest.
    """
    grid, cell, outer = systems.grid, systems.cell, systems.mean
    rest, tensor, more = np.zeros_like(w), None, np.zeros(w.shape[:2], dtype=int)
    moving = np.ones(len(w), dtype=bool)
    for turn in range(REFINEMENTS + 1):
        gradient = total_gradient(grid, w, rest)
        before, (tensor, caused) = tensor, systems.answer(gradient, outer)
        missing = systems.forces(w + rest, gradient, outer)
        size = np.sqrt(np.maximum(np.abs(np.einsum("bii->bi", tensor)), np.finfo(float).tiny))
        if turn:
            change = (np.abs(tensor - before) / (size[:, :, None] * size[:, None])).max(axis=(1, 2))
            moving &= ~(reached & (change <= cell.tol / 2))  # which is far more than what is left
        else:
            mixed = caused * size[:, :, None] / (np.einsum("bii->bi", caused) * size)[:, None] - np.eye(w.shape[1])
            moving = ~(reached & systems.negligible(missing - r, cell.bc != "neumann").all(axis=1))
            moving |= np.abs(mixed).max(axis=(1, 2)) > 0.5
        if not moving.any():
            return w, tensor, caused, more
        tilted = moving & (cell.bc == "neumann") & (np.abs(caused - np.eye(w.shape[1])).max(axis=(1, 2)) > 0.1)
        if tilted.any():
            T, y = np.linalg.inv(caused[tilted]), grid.affine()
            w, rest, outer = w.copy(), rest.copy(), outer.copy()
            w[tilted] = np.einsum("bj...,bjk->bk...", y + w[tilted] + rest[tilted], T) - y
            rest[tilted], outer[tilted] = 0.0, outer[tilted] @ T
            missing = systems.forces(w, total_gradient(grid, w, rest), outer)
        missing[~moving] = 0.0
        step, _, rho, steps, _, left = systems.solve(missing, True)
        reached = (left <= 1) | (rho <= 0.01 * np.abs(dot(step, missing))).all(axis=1)
        w, rest = two_sum(w, rest + step)
        more += steps
    raise ConvergenceError(
        f"tol={cell.tol} cannot be reached in double precision for this medium: after {REFINEMENTS} refinements its fields are "
        f"not settled (the tensor changes by {change[moving].max():.1e} of itself). Ask for less, or for a lower contrast"
    )


def total_gradient(grid: Q1Grid | FourierGrid, w: Array, rest: Array) -> Array:
    """Gradients of u_j = y_j + w_j + rest_j, j = 1..L, where ``rest`` holds digits below the last of w.

    Differences are taken of u, so that they are as accurate as they are large: in stiff elements grad y and grad w nearly cancel.
    """
    if isinstance(grid, FourierGrid):
        gradient, j = grid.gradient(w) + grid.gradient(rest), np.arange(w.shape[1])
        gradient[:, j, j] += 1.0
        return gradient
    u, below = two_sum(grid.extend(w), grid.affine())
    return grid.closed_gradient(u) + grid.closed_gradient(below + grid.extend(rest))


def two_sum(u: Array, v: Array) -> tuple[Array, Array]:
    """u + v as they round, and what rounding left (Knuth)."""
    s = u + v
    t = s - u
    return s, (u - (s - t)) + (v - t)


def _solve_apart(cell: Any, grid: Any, a: Array, exponent: Array, symmetric: Array, correctors: bool) -> Answers:
    """A batch that mixes symmetric coefficients with others, which need another iteration."""
    order = np.argsort(np.concatenate([np.flatnonzero(symmetric), np.flatnonzero(~symmetric)]))
    parts = (_in_components(cell, grid, a[c], exponent[c], correctors) for c in (symmetric, ~symmetric))
    return tuple(None if part[0] is None else np.concatenate(part)[order] for part in zip(*parts, strict=True))


def _closed_correctors(grid: Q1Grid | FourierGrid, w: Array, gradients: Array) -> Array:
    """On all grid points, of mean zero unless they vanish on the boundary; for a uniform flux combined so that
    <grad u_j> = e_j, without mean rotation."""
    if grid.bc == "dirichlet":
        return grid.extend(w)
    axes = tuple(range(-grid.dim, 0))
    fields = grid.extend(w - (w * grid.nodal_window(grid.length)).sum(axis=axes, keepdims=True))
    if grid.bc == "periodic":
        return fields
    y = grid.affine()
    fields = np.einsum("bj...,bjk->bk...", fields + y, np.linalg.inv(gradients)) - y
    return fields - mean_rotation(grid, fields)


def _solve_line(cell: Any, grid: LineGrid, a: Array, correctors: bool) -> Answers:
    """One dimension: the flux c is constant and u' = c/a, so every average is a quadrature of 1/a."""
    inverse = 1 / a
    inner = np.tensordot(inverse, grid.window(cell.size, cell.window), axes=2)
    whole = np.tensordot(inverse, grid.window(grid.length), axes=2)
    tensor = {"ratio": 1 / inner, "flux": 1 / whole, "energy": inner / whole / whole}[cell.average]
    fields = None
    if correctors:
        _, weights = np.polynomial.legendre.leggauss(len(grid.reference))
        steps = grid.h / 2 * np.einsum("bge,g->be", inverse, weights)
        u = np.concatenate([np.zeros((len(a), 1)), np.cumsum(steps, axis=1)], axis=1)
        normal = inner if cell.bc == "neumann" and cell.average == "ratio" else whole
        fields = (u / normal[:, None] - (grid.edges - grid.edges[0]))[:, None]
        if cell.bc != "dirichlet":
            fields -= (fields[..., 1:] + fields[..., :-1]).mean(axis=-1, keepdims=True) / 2
    count = len(a)
    solver = np.full(count, "closed-form", dtype=object)
    return tensor[:, None, None], np.zeros(count, dtype=int), np.zeros(count), solver, fields
