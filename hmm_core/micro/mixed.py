r"""Taylor-Hood elements on a fitted mesh: -Laplace u + grad p = f, div u = 0; velocities quadratic, pressures linear.

Every component of u has the same matrix A of the Laplacian, with its own nodes held at zero, and with B_k the matrix of
-(q, d_k u_k) the discrete equations are A u_k + B_k^T p = f_k, sum_k B_k u_k = 0. So the pressure solves

    sum_k B_k A^-1 B_k^T p = sum_k B_k A^-1 f_k,

by conjugate gradients, preconditioned with the mass of the pressures: some thirty solutions with A, factorised once, whatever
the mesh (Uzawa's idea; Benzi, Golub and Liesen 2005, doi:10.1017/S0962492904000212).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from hmm_core.micro.fitted import FittedMesh, volumes
from hmm_core.micro.krylov import ConvergenceError, conjugate_gradients

Array = np.ndarray
LIMIT = 1000  # iterations after which nothing more is hoped for
FOLDED = 0.1  # of a straight simplex's volume element: where a bent side leaves less than that it is straightened
EDGES = {2: ((0, 1), (1, 2), (0, 2)), 3: ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))}
CUT = {  # a quadratic simplex, corners first and then the middles of EDGES, into linear ones
    2: ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)),
    3: ((0, 4, 6, 7), (4, 1, 5, 8), (6, 5, 2, 9), (7, 8, 9, 3), (6, 8, 4, 5), (6, 8, 5, 9), (6, 8, 9, 7), (6, 8, 7, 4)),
}


@dataclass(frozen=True, eq=False)
class TaylorHood:
    """The discrete equations, with N velocity nodes for each component and M pressure nodes.

    stiffness   (N, N)          A
    divergence  d times (M, N)  B_k
    load        (N,)            integrals of the velocity's basis functions
    inflow      (N,)            those over the side where the first coordinate is least, if that is not periodic
    mass        (M,)            integrals of the pressure's basis functions
    wall        (N,)            whether a node is on an obstacle
    sides       (d, N)          whether it is on a side across each axis that is not periodic
    places      (d, L)          where the nodes are; those on periodic sides are there twice
    node        (L,)            which of the N nodes these are
    corner      (V,)            the corners come first: which of the M pressure nodes these are
    simplices   (d+1, S)        between these places, for pictures
    ends        (2, L - V)      the corners between which the places after the V corners lie
    inside      (d, T, Q)       quadrature points of the T elements
    """

    stiffness: sparse.csr_matrix
    divergence: tuple[sparse.csr_matrix, ...]
    load: Array
    inflow: Array
    mass: Array
    wall: Array
    sides: Array
    places: Array
    node: Array
    corner: Array
    simplices: Array
    ends: Array
    inside: Array

    def pressure_at_places(self, p: Array) -> Array:
        """Pressures (J, M) at the places (J, L): linear along the edges."""
        at_corners = p[:, self.corner]
        return np.hstack([at_corners, at_corners[:, self.ends].mean(axis=1)])


def taylor_hood(fit: FittedMesh) -> TaylorHood:
    """The equations on this mesh, with quadratic sides at the obstacles, assembled by scikit-fem."""
    import skfem
    from skfem.helpers import dot, grad

    d, V = fit.points.shape
    if d == 2:
        flat, quadratic, P2, P1 = skfem.MeshTri1, skfem.MeshTri2, skfem.ElementTriP2(), skfem.ElementTriP1()
    else:
        flat, quadratic, P2, P1 = skfem.MeshTet1, skfem.MeshTet2, skfem.ElementTetP2(), skfem.ElementTetP1()
    straight = quadratic.from_mesh(flat(np.ascontiguousarray(fit.points), np.ascontiguousarray(fit.simplices)))
    numbers = skfem.Dofs(straight, P2).element_dofs
    ends = np.empty((2, straight.doflocs.shape[1] - V), dtype=int)
    for k, pair in enumerate(EDGES[d]):
        ends[:, numbers[d + 1 + k] - V] = numbers[list(pair)]
    index = np.hstack([2 * fit.index, fit.index[:, ends].sum(axis=1)])
    node = np.unique(fit.homes(index, 4), return_inverse=True)[1].reshape(-1)
    corner = np.unique(fit.homes(fit.index, 2), return_inverse=True)[1].reshape(-1)

    bent, offset = _bent(fit, ends)
    places = straight.doflocs.copy()
    places[:, V + bent] += offset
    basis = skfem.Basis(quadratic(places, straight.t), P2, intorder=4)
    element = volumes(fit.points, straight.t)
    folded = (basis.mapping.detDF(basis.X) / element[:, None]).min(axis=1) < FOLDED
    if folded.any():
        back = np.intersect1d(numbers[:, folded], V + bent)
        back = np.isin(node, node[back])  # both copies, where an edge is there twice
        places[:, back] = straight.doflocs[:, back]
        basis = skfem.Basis(quadratic(places, straight.t), P2, intorder=4)
    pressures = basis.with_element(P1)
    A = skfem.BilinearForm(lambda u, v, w: dot(grad(u), grad(v))).assemble(basis)
    B = [skfem.BilinearForm(lambda u, q, w, k=k: -grad(u)[k] * q).assemble(basis, pressures) for k in range(d)]
    integral = skfem.LinearForm(lambda v, w: v)

    U, P = _gather(node), _gather(corner)
    wall, sides = np.zeros(U.shape[1], dtype=bool), np.zeros((d, U.shape[1]), dtype=bool)
    wall[node[fit.walls]] = wall[node[V + bent]] = True
    sides[:, node] = fit.on_side(index, 4)
    inflow = np.zeros(len(wall))
    if not fit.periodic[0]:
        first = straight.facets_satisfying(lambda p: np.isclose(p[0], fit.points[0].min()), boundaries_only=True)
        inflow = U.T @ integral.assemble(skfem.FacetBasis(basis.mesh, P2, facets=first, intorder=4))
    return TaylorHood(
        stiffness=(U.T @ A @ U).tocsr(),
        divergence=tuple((P.T @ b @ U).tocsr() for b in B),
        load=U.T @ integral.assemble(basis),
        inflow=inflow,
        mass=P.T @ integral.assemble(pressures),
        wall=wall,
        sides=sides,
        places=places,
        node=node,
        corner=corner,
        simplices=np.hstack([numbers[list(part)] for part in CUT[d]]),
        ends=ends,
        inside=np.asarray(basis.global_coordinates()),
    )


def solve_stokes(system: TaylorHood, held: Array, load: Array, tol: float) -> tuple[Array, Array, int]:
    """Velocities (J, d, N), pressures (J, M) and iterations for J loads (J, d, N), the nodes ``held`` (d, N) at zero.

    Stops when the divergence that is left, |div u|, falls below tol |grad u|; ConvergenceError if it does not. ValueError if
    no node is free.
    """
    free = [np.flatnonzero(~rows) for rows in held]
    if not all(rows.size for rows in free):
        raise ValueError(
            "every node of the mesh is on an obstacle or a side: the fluid is too narrow for it, take a larger n"
        )
    known: dict[bytes, splu] = {}
    factors = []
    for rows in free:
        if rows.tobytes() not in known:  # components with the same nodes share their factors
            A = system.stiffness[rows][:, rows].tocsc()
            # symmetric positive definite: no pivoting, and the ordering that belongs to that
            known[rows.tobytes()] = splu(
                A, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
            )
        factors.append(known[rows.tobytes()])
    B = [b[:, rows] for b, rows in zip(system.divergence, free, strict=True)]
    BT = [b.T.tocsr() for b in B]
    forces = [load[:, k, rows].T for k, rows in enumerate(free)]

    def velocity(p: Array) -> list[Array]:
        return [lu.solve(f - bt @ p.T) for lu, f, bt in zip(factors, forces, BT, strict=True)]

    def schur(p: Array) -> Array:
        return sum(b @ lu.solve(bt @ p[0].T) for lu, b, bt in zip(factors, B, BT, strict=True)).T[None]

    at_rest = velocity(np.zeros((len(load), len(system.mass))))
    energy = sum((f * u).sum(axis=0) for f, u in zip(forces, at_rest, strict=True))
    divergence = sum(b @ u for b, u in zip(B, at_rest, strict=True)).T[None]
    allowed = tol**2 * energy[None]
    p, _, rho, steps = conjugate_gradients(schur, lambda r: r / system.mass, divergence, allowed, LIMIT)
    if not (rho <= allowed).all():
        left = float(np.sqrt(np.max(rho / energy)))
        raise ConvergenceError(
            f"the Stokes problem did not reach tol={tol} in {LIMIT} iterations: |div u| is {left:.1e} |grad u|"
        )
    u = np.zeros((*load.shape,))
    for k, (rows, values) in enumerate(zip(free, velocity(p[0]), strict=True)):
        u[:, k, rows] = values.T
    return u, p[0], int(steps.max())


def dissipation(system: TaylorHood, u: Array) -> Array:
    """(grad u_i, grad u_j) for velocities (J, d, N): (J, J)."""
    J, d, N = u.shape
    flat = u.reshape(-1, N)
    return np.einsum("ikn,jkn->ij", u, (system.stiffness @ flat.T).T.reshape(J, d, N))


def _bent(fit: FittedMesh, ends: Array) -> tuple[Array, Array]:
    """Which of the edges lie in the obstacle's surface, and how far their middles move onto it (d, E)."""
    home = fit.homes(fit.index, 2)
    walls, edges = (np.sort(home[pairs], axis=0).T @ np.array([home.max() + 1, 1]) for pairs in (fit.walls, ends))
    order = np.argsort(walls)
    found = order[np.minimum(np.searchsorted(walls[order], edges), len(walls) - 1)]
    bent = np.flatnonzero(walls[found] == edges)
    return bent, (fit.bulges - fit.points[:, fit.walls].mean(axis=1))[:, found[bent]]


def _gather(numbers: Array) -> sparse.csr_matrix:
    """(L, N): row l picks the unknown numbers[l]."""
    return sparse.csr_matrix((np.ones(len(numbers)), (np.arange(len(numbers)), numbers)))
