r"""Finite strains: how stiff a cell is whose tangent is not definite at every point.

The tangent dP/dF of an elastic solid does not resist rotations of an unloaded one, and gives way to some gradients where the
solid is pressed: at a point it is no positive definite form, although the cell problem is well posed. But the minors

    (tr H)^2 - tr(H H) = H : N H,    N_ijkl = delta_ij delta_kl - delta_il delta_jk

of a gradient H = grad w integrate to zero for every w that is periodic or zero on the boundary, on the grid as well (a null
Lagrangian; Ball, Convexity conditions and existence theorems in nonlinear elasticity, Arch. Rational Mech. Anal., 1977). So the
tangent plus c N, c one number per cell, says as much of the cell's stiffness as the tangent itself. For isotropic phases at rest
it is lam (tr H)^2 + 2 mu |sym H|^2 + c (...), definite at every point for 0 < c < 2 min mu.

Farther from rest one c need not do for all points. Then the cell as a whole is asked whether it is stable (``least_stiffness``).
"""

from functools import lru_cache

import numpy as np

from hmm_core.micro.grid import FourierGrid, Q1Grid
from hmm_core.micro.krylov import dot
from hmm_core.micro.sample import is_symmetric
from hmm_core.micro.transforms import Array, read_only

SOFT = 1e-2  # of the tangent's size: how soft a cell is taken to be whose points do not tell
STEPS = 40  # of Lanczos' method: its least value is an upper bound at any step, and its sign settles within far fewer


@lru_cache
def null_lagrangian(dim: int) -> Array:
    """N (d*d, d*d)."""
    one = np.eye(dim)
    N = np.einsum("ij,kl->ijkl", one, one) - np.einsum("il,jk->ijkl", one, one)
    return read_only(N.reshape(dim * dim, dim * dim))


def null_share(tangent: Array, dim: int) -> Array:
    """c (B,) for tangents (B, L*L, G, E): the middle of what pairs of components, each for itself, allow at all points.

    The pair H_ij, H_ji has the form [[p, s - c], [s - c, q]], and H_ii, H_jj [[p, s + c], [s + c, q]]: definite for
    |s -+ c| < min(p, q) at the least.
    """
    if tangent.shape[1] == 1:
        return np.zeros(len(tangent))
    a = tangent.reshape(len(tangent), dim, dim, dim, dim, -1)
    low, high = np.full(len(a), -np.inf), np.full(len(a), np.inf)
    for i in range(dim):
        for j in range(i):
            for sign, (first, last) in ((1, ((i, j), (j, i))), (-1, ((i, i), (j, j)))):
                s = (a[(slice(None), *first, *last)] + a[(slice(None), *last, *first)]) / 2
                room = np.minimum(a[(slice(None), *first, *first)], a[(slice(None), *last, *last)])
                low = np.maximum(low, (sign * s - room).max(axis=1))
                high = np.minimum(high, (sign * s + room).min(axis=1))
    return (low + high) / 2


def least_stiffness(grid: Q1Grid | FourierGrid, tangent: Array, diagonal: Array) -> Array:
    """The least v . K v/(v . P v) (B,) over all fields, P the operator of the constant tensors diag(diagonal); -inf where K is
    not symmetric, for which that says nothing. By Lanczos' method: what is found is attained, so a negative one is certain."""
    L, eye = diagonal.shape[1], np.eye(diagonal.shape[1])
    tensors = np.broadcast_to(
        (diagonal[:, :, None] * eye).reshape(-1, L * L, 1, 1), (len(diagonal), L * L, *tangent.shape[2:])
    )
    K, P = (grid.operator(grid.stencil(np.ascontiguousarray(a))) for a in (tangent, tensors))
    solve = grid.preconditioner(diagonal)
    z = solve(np.random.default_rng(0).standard_normal((len(tangent), 1, *grid.shape)))
    live, basis, T = True, [], np.zeros((len(z), STEPS, STEPS))
    scalar = (..., *(None,) * (z.ndim - 2))
    for k in range(STEPS):
        for q, image in basis + basis:  # orthogonal to all before, twice for round-off: else T invents values
            z = z - dot(z, image)[scalar] * q
        norm = np.sqrt(np.maximum(dot(z, P(z)), 0.0))
        # Below 1e-6 all that the start holds has been seen; copies of the first value do no harm.
        live = live & (norm > (1e-6 if k else 0.0))
        q = np.divide(z, norm[scalar], out=np.zeros_like(z), where=live[scalar])
        if k:
            T[:, k, k - 1] = T[:, k - 1, k] = np.where(live, norm, 0.0)[:, 0]
        w = K(q)
        T[:, k, k] = np.where(live[:, 0], dot(q, w)[:, 0], T[:, 0, 0])
        z = solve(w)
        basis.append((q, P(q)))
    return np.where(is_symmetric(tangent), np.linalg.eigvalsh(T)[:, 0], -np.inf)
