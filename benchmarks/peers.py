"""What one would use instead of hmm_core, written as somebody at home in the library would write it.

Q1 cells all discretise alike (2^d Gauss points, periodic nodes eliminated), so their tensors agree to solver accuracy.
Tensors are taken from the energy, A_ij = <a> delta_ij - b_i.w_j - w_i.r_j with r_j = b_j - K w_j: twice the digits of w.
Everything that does not depend on the coefficient (mesh, basis, sparsity, ordering) is set up once and used again.
"""

from collections.abc import Callable, Iterator
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

Array = np.ndarray
SYMMETRIC = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}


def energy_tensor(mean: float, b: Array, w: Array, r: Array | None = None) -> Array:
    """b, w, r (nodes, d) -> (d, d)."""
    stored = b.T @ w if r is None else b.T @ w + w.T @ r
    return mean * np.eye(b.shape[1]) - (stored + stored.T) / 2


# -- scikit-fem ----------------------------------------------------------------------------------------------------------


class ScikitFem:
    """Periodic Q1 cell: a DG-topology mesh on which opposite sides share their nodes, and forms assembled on one basis."""

    def __init__(self, dim: int, n: int) -> None:
        import skfem
        from skfem.helpers import dot, grad

        self.dim, line = dim, np.linspace(-0.5, 0.5, n + 1)
        mesh = (skfem.MeshQuad if dim == 2 else skfem.MeshHex).init_tensor(*[line] * dim)
        where = np.rint((mesh.p + 0.5) * n).astype(int)
        number = np.empty((n + 1,) * dim, dtype=int)
        number[tuple(where)] = np.arange(mesh.nvertices)
        far = np.flatnonzero((where == n).any(axis=0))
        periodic = skfem.MeshQuad1DG if dim == 2 else skfem.MeshHex1DG
        mesh = periodic.periodic(mesh, far, number[tuple(where[:, far] % n)])
        element = skfem.ElementQuad1() if dim == 2 else skfem.ElementHex1()
        self.basis = skfem.Basis(mesh, element, intorder=3)
        self.y = np.asarray(self.basis.global_coordinates())
        self.stiffness = skfem.BilinearForm(lambda u, v, w: w.a * dot(grad(u), grad(v)))
        self.loads = [skfem.LinearForm(lambda v, w, j=j: -w.a * grad(v)[j]) for j in range(dim)]

    def assemble(self, a: Array) -> tuple[sp.csr_matrix, Array, float]:
        """Coefficient at the quadrature points -> matrix, right-hand sides (nodes, d), mean of a."""
        b = np.stack([load.assemble(self.basis, a=a) for load in self.loads], axis=1)
        return self.stiffness.assemble(self.basis, a=a), b, float((a * self.basis.dx).sum())


def scikit_fem_superlu(a: Callable, x: Array, n: int) -> Array:
    """Tensors (2, 2, K): assemble, pin one node, factorise, two right-hand sides, for each point."""
    cell = ScikitFem(2, n)
    tensors = np.empty((2, 2, x.shape[1]))
    for k in range(x.shape[1]):
        matrix, b, mean = cell.assemble(a(x[:, k], cell.y))
        w = splu(matrix[1:, 1:].tocsc(), **SYMMETRIC).solve(b[1:])
        tensors[..., k] = energy_tensor(mean, b[1:], w)
    return tensors


class NonlinearScikitFem(ScikitFem):
    """A nonlinear periodic Q1 cell by Newton's method: assemble, factorise, one right-hand side, until it stands still."""

    def __init__(self, n: int) -> None:
        import skfem
        from skfem.helpers import dot, grad, mul

        super().__init__(2, n)
        self.force = skfem.LinearForm(lambda v, w: dot(w.j, grad(v)))
        self.size = skfem.LinearForm(lambda v, w: np.abs(dot(w.j, grad(v))))
        self.jacobian = skfem.BilinearForm(lambda u, v, w: dot(mul(w.dj, grad(u)), grad(v)))
        self.y2 = self.y.reshape(2, 1, -1)

    def law(self, law: Callable, x: Array, u: float, xi: Array) -> tuple[Array, ...]:
        shape = self.y.shape[1:]
        parts = law(x[:, None, None], self.y2, np.full((1, 1), u), xi.reshape(2, 1, -1))
        return tuple(np.asarray(part).reshape(*part.shape[:-2], *shape) for part in parts)

    def answer(self, law: Callable, x: Array, u: float, G: Array, w: Array, tol: float) -> tuple[Array, Array, Array]:
        """Averaged flux, its derivatives in u and G; w (nodes,) is where to start, and is updated."""
        basis, dx = self.basis, self.basis.dx
        while True:
            xi = G[:, None, None] + basis.interpolate(w).grad
            j, dj_du, dj = self.law(law, x, u, xi)
            residual = self.force.assemble(basis, j=j)
            lu = splu(self.jacobian.assemble(basis, dj=dj)[1:, 1:].tocsc(), **SYMMETRIC)
            if np.linalg.norm(residual) <= tol * np.linalg.norm(self.size.assemble(basis, j=j)):
                break
            w[1:] -= lu.solve(residual[1:])
        loads = [self.force.assemble(basis, j=part) for part in (dj[:, 0], dj[:, 1], dj_du)]
        response = -lu.solve(np.stack(loads, axis=1)[1:])
        flux, rates = (j * dx).sum(axis=(1, 2)), []
        for k, direct in enumerate((dj[:, 0], dj[:, 1], dj_du)):
            moved = basis.interpolate(np.concatenate([[0.0], response[:, k]])).grad
            rates.append(((direct + np.einsum("ij...,j...->i...", dj, moved)) * dx).sum(axis=(1, 2)))
        return flux, rates[2], np.stack(rates[:2], axis=1)


def scikit_fem_nonlinear(law: Callable, source: float, cells: int, n: int, warm: bool, tol: float = 1e-8) -> Array:
    """The nonlinear HMM the obvious way: a Newton loop around one cell at a time, from w = 0 or, ``warm``, its last field."""
    import skfem
    from skfem.helpers import dot, grad, mul

    from benchmarks.problems import macro_mesh

    micro = NonlinearScikitFem(n)
    basis = skfem.Basis(macro_mesh(cells), skfem.ElementTriP1(), quadrature=(np.full((2, 1), 1 / 3), np.array([0.5])))
    force = skfem.LinearForm(lambda v, w: dot(w.flux, grad(v)) - w.f * v)
    tangent = skfem.BilinearForm(lambda u, v, w: dot(mul(w.A, grad(u)) + w.B * u, grad(v)))
    x, boundary = np.asarray(basis.global_coordinates())[:, :, 0], basis.get_dofs()
    U, w, before = np.zeros(basis.N), np.zeros((x.shape[1], micro.basis.N)), np.inf
    load = skfem.LinearForm(lambda v, w: source * v).assemble(skfem.Basis(basis.mesh, basis.elem))
    inner = np.setdiff1d(np.arange(basis.N), boundary)
    damping, start, step = 1.0, U, np.zeros(basis.N)
    while True:
        state = basis.interpolate(U)
        if not warm:
            w[:] = 0.0
        answers = [
            micro.answer(law, x[:, k], state.value[k, 0], state.grad[:, k, 0], w[k], tol) for k in range(x.shape[1])
        ]
        flux, B, A = (np.stack(part, axis=-1)[..., None] for part in zip(*answers, strict=True))
        residual = force.assemble(basis, flux=flux, f=np.zeros((x.shape[1], 1))) - load
        norm = np.linalg.norm(residual[inner])
        if norm <= 10 * tol * np.linalg.norm(load[inner]):
            return U
        if norm >= before:
            damping /= 2
        else:
            start, damping, before = U, 1.0, norm
            step = skfem.solve(*skfem.condense(tangent.assemble(basis, A=A, B=B), -residual, D=boundary))
        U = start + damping * step


def scikit_fem_parabolic(tensors: Array, cells: int, steps: int, scheme: str) -> Array:
    """dU/dt - div(A grad U) = 1 from ``bump`` until END, U = 0 on the boundary, A known: assemble, factorise once, step."""
    import skfem
    from skfem.helpers import dot, grad, mul

    from benchmarks.problems import END, bump, macro_mesh

    basis = skfem.Basis(macro_mesh(cells), skfem.ElementTriP1())
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(mul(w.A, grad(u)), grad(v)))
    K = stiffness.assemble(basis, A=np.repeat(tensors[..., None], len(basis.W), axis=-1))
    M = skfem.BilinearForm(lambda u, v, w: u * v).assemble(basis)
    f, inner = skfem.LinearForm(lambda v, w: 1.0 * v).assemble(basis), basis.complement_dofs(basis.get_dofs())
    K, M, f, h = K[inner][:, inner], M[inner][:, inner], f[inner], END / steps
    U = bump(basis.doflocs)
    u = U[inner]
    if scheme == "Crank-Nicolson":
        factors, old = splu((M / h + K / 2).tocsc()), (M / h - K / 2).tocsr()
        for _ in range(steps):
            u = factors.solve(old @ u + f)
    else:
        root, d = np.sqrt(2), 1 - 1 / np.sqrt(2)
        factors, old = splu((M + d * h * K).tocsc()), (M - d * h * K).tocsr()
        for _ in range(steps):
            middle = factors.solve(old @ u + 2 * d * h * f)
            u = factors.solve(M @ ((1 + root) / 2 * middle + (1 - root) / 2 * u) + d * h * f)
    U[inner] = u
    return U


def scikit_fem_pyamg(a: Callable, dim: int, n: int, rtol: float) -> tuple[Array, dict[str, float]]:
    """One cell; also the seconds that multigrid and CG took without mesh, basis and assembly."""
    cell = ScikitFem(dim, n)
    matrix, b, mean = cell.assemble(np.broadcast_to(a(None, cell.y), cell.y.shape[1:]))
    start = perf_counter()
    tensor = pyamg_tensor(matrix, b, mean, rtol, dim)
    return tensor, {"assembly not counted": perf_counter() - start}


def pyamg_tensor(matrix: sp.csr_matrix, b: Array, mean: float, rtol: float, dim: int) -> Array:
    """CG with the kind of multigrid that was faster: classical in 2D, smoothed aggregation in 3D."""
    import pyamg

    build = pyamg.ruge_stuben_solver if dim == 2 else pyamg.smoothed_aggregation_solver
    hierarchy = build(matrix, max_coarse=200)
    w = np.stack([hierarchy.solve(column, tol=rtol, accel="cg", maxiter=500) for column in b.T], axis=1)
    return energy_tensor(mean, b, w, b - matrix @ w)


class ElasticScikitFem(ScikitFem):
    """The same for displacements: stiffness E(y) times that of nu = 0.3, loads of the unit strains."""

    def __init__(self, dim: int, n: int) -> None:
        import skfem

        super().__init__(dim, n)
        self.basis = skfem.Basis(self.basis.mesh, skfem.ElementVector(self.basis.elem), intorder=3)
        lam, mu, one = 0.3 / (1.3 * 0.4), 1 / 2.6, np.eye(dim)
        pairs = [(i, j) for i in range(dim) for j in range(i, dim)]
        strains = [(np.outer(one[i], one[j]) + np.outer(one[j], one[i])) / 2 for i, j in pairs]
        self.stresses = [lam * np.trace(e) * one + 2 * mu * e for e in strains]
        self.mean = np.array([[(s * e).sum() for e in strains] for s in self.stresses])

        def energy(u, v, w):
            e, f = ((g + g.swapaxes(0, 1)) / 2 for g in (u.grad, v.grad))
            return w.a * (
                lam * np.einsum("ii...->...", e) * np.einsum("ii...->...", f) + 2 * mu * (e * f).sum(axis=(0, 1))
            )

        self.stiffness = skfem.BilinearForm(energy)
        self.loads = [
            skfem.LinearForm(lambda v, w, s=s: -w.a * np.einsum("ij,ij...->...", s, v.grad)) for s in self.stresses
        ]

    def motions(self) -> Array:
        """What smoothed aggregation is told: translations, and rotations, which are one locally."""
        x, component = self.basis.doflocs, np.arange(self.basis.N) % self.dim
        columns = [(component == i).astype(float) for i in range(self.dim)]
        for i in range(self.dim):
            for j in range(i):
                columns.append(np.where(component == i, x[j], 0.0) - np.where(component == j, x[i], 0.0))
        return np.stack(columns, axis=1)


def scikit_fem_elastic(a: Callable, dim: int, n: int, rtol: float) -> Array:
    """One elastic cell with smoothed aggregation that knows the rigid motions; the tensor on unit strains (L, L)."""
    import pyamg

    cell = ElasticScikitFem(dim, n)
    matrix, b, mean = cell.assemble(np.broadcast_to(a(None, cell.y), cell.y.shape[1:]))
    hierarchy = pyamg.smoothed_aggregation_solver(matrix.tobsr((dim, dim)), B=cell.motions(), max_coarse=200)
    w = np.stack([hierarchy.solve(column, tol=rtol, accel="cg", maxiter=500) for column in b.T], axis=1)
    stored = b.T @ w + w.T @ (b - matrix @ w)
    return mean * cell.mean - (stored + stored.T) / 2


# -- assembly reduced to what must be done per coefficient ---------------------------------------------------------------


class Minimal:
    """Q1 on a regular periodic grid, node 0 pinned: the nonzeros are one fixed sparse matrix times the coefficient.

    ``lower`` keeps the lower triangle only, which is what Cholesky factorisations read.
    """

    def __init__(self, dim: int, n: int, lower: bool = False) -> None:
        gauss = np.array([0.5 - 0.5 / np.sqrt(3), 0.5 + 0.5 / np.sqrt(3)])
        value, slope = np.array([1 - gauss, gauss]), n * np.array([[-1.0, -1.0], [1.0, 1.0]])
        corners = list(product((0, 1), repeat=dim))
        gradients = np.array(
            [
                [
                    [np.prod([(slope if k == i else value)[c[k], g[k]] for k in range(dim)]) for g in corners]
                    for i in range(dim)
                ]
                for c in corners
            ]
        )  # (corner, direction, Gauss point)
        weight = (0.5 / n) ** dim
        element = np.stack(np.meshgrid(*[np.arange(n)] * dim, indexing="ij")).reshape(dim, -1)
        self.y = (
            np.stack(
                [(element[:, None] + np.array(g)[:, None, None]) for g in product(gauss, repeat=dim)], axis=1
            ).reshape(dim, len(corners), -1)
            / n
            - 0.5
        )
        nodes = np.stack([np.ravel_multi_index((element + np.array(c)[:, None]) % n, (n,) * dim) for c in corners]) - 1
        self.size, points = n**dim - 1, self.y[0].size
        point = np.arange(points).reshape(len(corners), -1)

        rows, columns, sources, weights = [], [], [], []
        for (i, row), (j, column), g in product(enumerate(nodes), enumerate(nodes), range(len(corners))):
            keep = (row >= 0) & (column >= 0) & ((row >= column) | (not lower))
            rows.append(row[keep])
            columns.append(column[keep])
            sources.append(point[g][keep])
            weights.append(np.full(keep.sum(), weight * gradients[i, :, g] @ gradients[j, :, g]))
        rows, columns, sources = np.concatenate(rows), np.concatenate(columns), np.concatenate(sources)
        slots, slot = np.unique(columns.astype(np.int64) * self.size + rows, return_inverse=True)
        self.rows, self.columns = (slots % self.size).astype(np.int32), (slots // self.size).astype(np.int32)
        self.fill = sp.csr_matrix((np.concatenate(weights), (slot, sources)), shape=(len(slots), points))

        loads = []
        for j in range(dim):
            entries = [
                (
                    np.full((nodes[i] >= 0).sum(), -weight * gradients[i, j, g]),
                    nodes[i][nodes[i] >= 0],
                    point[g][nodes[i] >= 0],
                )
                for i, g in product(range(len(corners)), repeat=2)
            ]
            data, row, source = (np.concatenate(part) for part in zip(*entries, strict=True))
            loads.append(sp.csr_matrix((data, (row, source)), shape=(self.size, points)))
        self.load = sp.vstack(loads).tocsr()
        self.dim = dim
        starts = np.searchsorted(self.columns, np.arange(self.size + 1)).astype(np.int32)
        self.matrix = sp.csc_matrix((np.ones(len(slots)), self.rows, starts), shape=(self.size, self.size))

    def systems(self, a: Callable, x: Array, chunk: int = 64) -> Iterator[tuple[Array, Array, float]]:
        """Nonzeros, right-hand sides (nodes, d) and mean for each point: one product per chunk."""
        y = self.y.reshape(self.dim, 1, -1)
        for first in range(0, x.shape[1], chunk):
            points = x[:, first : first + chunk, None]
            values = np.ascontiguousarray(np.broadcast_to(a(points, y), (points.shape[1], y.shape[2])))
            nonzeros, loads = (self.fill @ values.T).T, (self.load @ values.T).T
            for data, b, mean in zip(nonzeros, loads, values.mean(axis=1), strict=True):
                yield np.ascontiguousarray(data), b.reshape(self.dim, -1).T, mean


def minimal_superlu(a: Callable, x: Array, n: int) -> Array:
    cell, tensors = Minimal(2, n), []
    for data, b, mean in cell.systems(a, x):
        cell.matrix.data = data
        tensors.append(energy_tensor(mean, b, splu(cell.matrix, **SYMMETRIC).solve(b)))
    return np.stack(tensors, axis=-1)


def minimal_cholmod(a: Callable, x: Array, n: int) -> Array:
    """As above with Cholesky; the symbolic analysis is done once."""
    import cvxopt
    from cvxopt import cholmod

    cell, tensors = Minimal(2, n, lower=True), []
    cholmod.options["supernodal"] = SUPERNODAL
    matrix = cvxopt.spmatrix(1.0, cell.rows.tolist(), cell.columns.tolist(), (cell.size, cell.size))
    factor = cholmod.symbolic(matrix)
    for data, b, mean in cell.systems(a, x):
        matrix.V = cvxopt.matrix(data)
        cholmod.numeric(matrix, factor)
        w = cvxopt.matrix(np.asfortranarray(b))
        cholmod.solve(factor, w)
        tensors.append(energy_tensor(mean, b, np.asarray(w)))
    return np.stack(tensors, axis=-1)


SUPERNODAL = 1  # CHOLMOD's choice between column and block factors; forced blocks were slower at n = 32


def minimal_pyamg(a: Callable, n: int, rtol: float) -> Array:
    cell = Minimal(2, n)
    ((cell.matrix.data, b, mean),) = cell.systems(a, np.zeros((2, 1)))
    return pyamg_tensor(cell.matrix.tocsr(), b, mean, rtol, 2)[..., None]


# -- NGSolve -------------------------------------------------------------------------------------------------------------


def ngsolve_graded(x: Array, order: int = 4, cells: int = 4) -> Array:
    """Tensors (2, 2, K) of ``problems.graded``: high order on few quadrilaterals.

    Of quadrilaterals and triangles, with and without static condensation, compiled coefficients and more quadrature,
    this was the fastest at this accuracy. The factorisation keeps its ordering from point to point. (The solution on
    a pinned node does not matter: only products with loads enter.)
    """
    import ngsolve as ng
    from ngsolve.meshes import MakeStructured2DMesh

    ng.SetNumThreads(1)
    mesh = MakeStructured2DMesh(quads=True, nx=cells, ny=cells, periodic_x=True, periodic_y=True)
    space = ng.Periodic(ng.H1(mesh, order=order))
    free = ng.BitArray(space.FreeDofs(True))
    free[mesh.nv - 1] = False  # pin one node; of those identified by periodicity the last is the one that counts
    p, q, tau = ng.Parameter(0.0), ng.Parameter(0.0), 2 * ng.pi
    a = (
        1
        + p / 2 * ng.cos(tau * ng.x) * ng.cos(tau * ng.y)
        + q / 4 * ng.sin(tau * ng.x)
        + p * q / 5 * ng.sin(tau * (ng.x + ng.y))
    )
    u, v = space.TnT()
    stiffness = ng.BilinearForm(space, symmetric=True, condense=True)
    stiffness += a * ng.grad(u) * ng.grad(v) * ng.dx
    loads = [ng.LinearForm(space), ng.LinearForm(space)]
    for j, load in enumerate(loads):
        load += -a * ng.grad(v)[j] * ng.dx
    w, g, inverse = loads[0].vec.CreateVector(), loads[0].vec.CreateVector(), None
    tensors = np.empty((2, 2, x.shape[1]))
    for k in range(x.shape[1]):
        p.Set(x[0, k])
        q.Set(x[1, k])
        stiffness.Assemble()
        if inverse is None:
            inverse = stiffness.mat.Inverse(free, inverse="sparsecholesky")
        else:
            inverse.Update()
        stored = np.empty((2, 2))
        for load in loads:
            load.Assemble()
        for j, load in enumerate(loads):
            g.data = load.vec + stiffness.harmonic_extension_trans * load.vec
            w.data = inverse * g
            w.data += stiffness.harmonic_extension * w
            w.data += stiffness.inner_solve * load.vec
            stored[:, j] = [ng.InnerProduct(other.vec, w) for other in loads]
        tensors[..., k] = np.eye(2) * ng.Integrate(a * ng.dx, mesh) - (stored + stored.T) / 2
    return tensors


def ngsolve_ball(contrast: float, dim: int = 2, order: int = 8, h: float = 0.06, share: float = 0.3) -> Array:
    """C1111, C1122 and C1212 of ``problems.ElasticBall`` by elements bent to the surface: a reference, not a contender.

    One of the 2^dim equal parts of the cell, the ball at its corner. By symmetry, stretched along 1 no side moves along its
    normal but that at the end; sheared in 12 a side moves along itself as the mean strain says, and does not along 3.
    """
    import netgen.occ as occ
    import ngsolve as ng

    if dim == 2:
        cell, ball = occ.Rectangle(0.5, 0.5).Face(), occ.Circle((0, 0), (share / np.pi) ** 0.5).Face()
    else:
        cell = occ.Box((0, 0, 0), (0.5, 0.5, 0.5))
        ball = occ.Sphere((0, 0, 0), (share * 3 / 4 / np.pi) ** (1 / 3))
    hard, soft = cell * ball, cell - ball
    for part, name in ((hard, "hard"), (soft, "soft")):
        (part.faces if dim == 2 else part.solids).name = name
    shape = occ.Glue([hard, soft])
    for side in shape.edges if dim == 2 else shape.faces:
        for i, axis in enumerate("xyz"[:dim]):
            low, high = (getattr(corner, axis) for corner in side.bounding_box)
            if high - low < 1e-5:
                side.name = f"across{i}"
    mesh = ng.Mesh(occ.OCCGeometry(shape, dim=dim).GenerateMesh(maxh=h))
    mesh.Curve(order + 1)
    E, nu = mesh.MaterialCF({"hard": contrast, "soft": 1.0}), 0.3
    shear, lame = E / 2 / (1 + nu), E * nu / (1 + nu) / (1 - 2 * nu)

    def stress(strain: Any) -> Any:
        return 2 * shear * strain + lame * ng.Trace(strain) * ng.Id(dim)

    def strain(u: Any) -> Any:
        slopes = ng.CF(tuple(ng.grad(u[i])[j] for i in range(dim) for j in range(dim)), dims=(dim, dim))
        return (slopes + slopes.trans) / 2

    def mean_stress(G: Array, held: list[str]) -> Array:
        """Under the mean strain G, component i of u being that of G x on the sides ``held[i]``."""
        space = ng.FESpace([ng.H1(mesh, order=order, dirichlet=sides) for sides in held])
        u, v = space.TnT()
        a = ng.BilinearForm(space, symmetric=True)
        a += ng.InnerProduct(stress(strain(u)), strain(v)) * ng.dx
        a.Assemble()
        w = ng.GridFunction(space)
        for part, row, sides in zip(w.components, G, held, strict=True):
            part.Set(
                sum(g * x for g, x in zip(row, (ng.x, ng.y, ng.z), strict=False)), definedon=mesh.Boundaries(sides)
            )
        w.vec.data -= a.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky") * (a.mat * w.vec)
        told = ng.Integrate(stress(strain(w.components)), mesh, order=2 * order + 4)
        return 2**dim * np.reshape(told, (dim, dim))

    one, across = np.eye(dim), [f"across{i}" for i in range(dim)]
    stretched = mean_stress(np.outer(one[0], one[0]), across)
    held = [across[1], across[0], *["|".join(across)] * (dim - 2)]
    sheared = mean_stress((np.outer(one[0], one[1]) + np.outer(one[1], one[0])) / 2, held)
    return np.array([stretched[0, 0], stretched[1, 1], sheared[0, 1]])


# -- the resolved problem ------------------------------------------------------------------------------------------------


def resolved(a: Callable, eps: float, points_per_period: int = 8) -> Array:
    """P1 solution of -div(a(x, x/eps) grad u) = 1 on the unit square, u = 0 on the boundary, at the mesh nodes."""
    import pyamg
    import skfem
    from skfem.helpers import dot, grad

    line = np.linspace(0, 1, round(points_per_period / eps) + 1)
    basis = skfem.Basis(skfem.MeshTri.init_tensor(line, line), skfem.ElementTriP1(), intorder=2)
    stiffness = skfem.BilinearForm(lambda u, v, w: a(w.x, w.x / eps) * dot(grad(u), grad(v)))
    matrix, load = stiffness.assemble(basis), skfem.LinearForm(lambda v, w: v).assemble(basis)
    matrix, load, u, free = skfem.condense(matrix, load, D=basis.get_dofs())
    u[free] = pyamg.ruge_stuben_solver(matrix, max_coarse=200).solve(load, tol=1e-8, accel="cg")
    return u
