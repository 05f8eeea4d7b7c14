"""Rigid motions: fields of a grid that no gradient sees, constants and, where strains are all that counts, rotations."""

from dataclasses import replace

import numpy as np

from hmm_core.micro.grid import Array, Q1Grid


def rigid_motions(grid: Q1Grid) -> Array:
    """The constants, and for strains the infinitesimal rotations, as fields of m components: (k, *grid.shape).

    Where the boundary condition rules some of them out they are still what is cheap to move around, piece by piece.
    """
    inner = {"periodic": slice(None, -1), "dirichlet": slice(1, -1), "neumann": slice(None)}[grid.bc]
    y = np.array(np.meshgrid(*[grid.edges[inner]] * grid.dim, indexing="ij"))
    components = np.eye(grid.kinematics.shape[1])
    motions = [np.multiply.outer(e, np.ones(y.shape[1:])) for e in components]
    if grid.fields == "strain":
        motions += [
            np.multiply.outer(components[i], y[j]) - np.multiply.outer(components[j], y[i])
            for i in range(grid.dim)
            for j in range(i)
        ]
    return np.reshape(motions, (-1, *grid.shape))


def pinned(grid: Q1Grid) -> Array:
    """Numbers of unknowns that, held at zero, leave no rigid motion: a corner, for rotations its neighbours along the faces."""
    if grid.bc == "dirichlet":
        return np.array([], dtype=int)
    nodes = grid.nodes**grid.dim
    held = [nodes * m for m in range(grid.kinematics.shape[1])]
    if grid.fields == "strain" and grid.bc == "neumann":
        far = [(grid.nodes - 1) * grid.nodes ** (grid.dim - 1 - k) for k in range(grid.dim)]  # corner along axis k
        held += [nodes * m + far[k] for k in range(grid.dim) for m in range(k + 1, grid.dim)]
    return np.array(held)


def mean_rotation(grid: Q1Grid, closed: Array) -> Array | float:
    """Rotations by the skew part of the mean gradients of fields (B, J, m, N+1, ...) on all grid points; 0 but for strains."""
    if grid.fields != "strain":
        return 0.0
    slope = replace(grid, fields="vector", bc="neumann").gradient(closed).mean(axis=(-2, -1))
    slope = slope.reshape(*slope.shape[:2], grid.dim, grid.dim)
    y = np.array(np.meshgrid(*[grid.edges] * grid.dim, indexing="ij"))
    return np.tensordot((slope - slope.swapaxes(2, 3)) / 2, y, axes=1)
