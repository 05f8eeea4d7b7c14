"""Linear cell problems, a batch at a time: sampled coefficients in, effective tensors and correctors out."""

from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, LineGrid, Q1Grid
from hmm_core.micro.motions import mean_rotation
from hmm_core.micro.regularised import parabolic
from hmm_core.micro.response import is_quadratic
from hmm_core.micro.sample import SYMMETRIC, fields_of, is_symmetric, scaled_time
from hmm_core.micro.systems import Systems, solve
from hmm_core.micro.voxels import solve_voxels

SMALL = 2**15  # elements times dimensions up to which a matrix is quicker than none (measured), and needs little memory

# Tensors (B, d, d), iterations, residual, solver (B,), correctors (B, d, N+1, ...) on all grid points, or None. Of vector
# fields, tensors (B, d, d, d, d) and correctors (B, d, d, m, N+1, ...): each (d, d) numbers a gradient d_j u_i = 1 by [i, j].
Answers = tuple[Array, Array, Array, Array, Array | None]


def solve_batch(cell: Any, a: Array, exponent: Array, correctors: bool) -> Answers:
    """The answers for B coefficients 2^exponent a, a (B, c, G, E) of order one; the tensors are those of a.

    G = 1 on Q1 elements: the coefficient is constant in every one of them.
    """
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
    if isinstance(grid, Q1Grid) and a.shape[2] == 1:
        return _solve_constant_elements(cell, grid, a, exponent, correctors)
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

    shift = 1 / scaled_time(T, exponent) if kind == "zero-order" else None
    found = solve(Systems(cell, grid, a, symmetric, shift))
    fields = _closed_correctors(grid, found.w, found.caused) if correctors else None
    return found.rates, found.iterations, found.residual, found.solver, fields


def _solve_constant_elements(cell: Any, grid: Q1Grid, a: Array, exponent: Array, correctors: bool) -> Answers:
    """One after the other, without a matrix; small ones, and what this does not solve, as if a varied within the elements."""
    everywhere = len(grid.corners)
    if cell.interface == "sharp" and grid.dim * a.shape[-1] <= SMALL:
        return _in_components(cell, grid, np.repeat(a, everywhere, axis=2), exponent, correctors)
    parts = []
    for k in range(len(a)):
        one = a[k : k + 1]
        found = None
        if grid.bc == "periodic" and is_quadratic(cell, bool(is_symmetric(one, min(SYMMETRIC, cell.tol / 10))[0])):
            found = solve_voxels(cell, grid, one)
        if found is None:
            one = np.repeat(one, everywhere, axis=2)
            parts.append(_in_components(cell, grid, one, exponent[k : k + 1], correctors))
            continue
        tensor, w, iterations, residual = found
        fields = _closed_correctors(grid, w[None], tensor[None]) if correctors else None
        solver = np.full(1, "fft-cg", dtype=object)
        parts.append((tensor[None], np.array([iterations.max()]), np.array([residual]), solver, fields))
    return tuple(None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True))


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
