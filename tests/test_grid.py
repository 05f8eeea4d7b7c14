"""The discrete operators: each against a plain, slow or closed form of the same thing."""

import numpy as np
import pytest
import skfem
import skfem.helpers as sh

from hmm_core import grid as g

BOUNDARIES = ("periodic", "dirichlet", "neumann")


def random_field(grid, seed=0, batch=2):
    return np.random.default_rng(seed).standard_normal((batch, 2, *(grid.nodes,) * grid.dim))


def random_coefficient(grid, components, seed=1, batch=2):
    """Positive definite tensors (or positive numbers) at every quadrature point."""
    rng = np.random.default_rng(seed)
    points = (len(grid.reference) ** grid.dim, grid.cells**grid.dim)
    if components == 1:
        return rng.uniform(0.5, 2, (batch, 1, *points))
    root = rng.standard_normal((batch, grid.dim, grid.dim, *points))
    tensor = np.einsum("bik...,bjk...->bij...", root, root) + np.eye(grid.dim)[None, :, :, None, None]
    return tensor.reshape(batch, grid.dim**2, *points)


def grids(bc):
    yield g.Q1Grid(2, 5, 1.3, bc)
    yield g.Q1Grid(3, 4, 0.9, bc)
    if bc == "periodic":
        yield g.FourierGrid(2, 6, 1.0)
        yield g.FourierGrid(3, 5, 2.0)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("tensor", (False, True))
def test_operator_is_divergence_of_flux_of_gradient(bc, tensor):
    for grid in grids(bc):
        a = random_coefficient(grid, grid.dim**2 if tensor else 1)
        w = random_field(grid)
        assembled = grid.operator(grid.stencil(a))(w)
        np.testing.assert_allclose(assembled, grid.divergence(g.multiply(a, grid.gradient(w))), atol=1e-12)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_matrix_and_operator_agree(bc):
    for grid in grids(bc):
        if isinstance(grid, g.Q1Grid):
            stencil = grid.stencil(random_coefficient(grid, 1))
            w = random_field(grid)
            matrix = grid.matrix(stencil[:1])
            np.testing.assert_allclose(matrix @ w[0, 1].ravel(), grid.operator(stencil)(w)[0, 1].ravel(), atol=1e-12)
            assert abs(matrix - matrix.T).max() < 1e-13


@pytest.mark.parametrize("cells", (2, 7, 100))
@pytest.mark.parametrize("bc", BOUNDARIES)
def test_preconditioner_inverts_the_constant_operator(bc, cells):
    """Small grids use a dense transform, large ones (100 > DENSE_TRANSFORM) the fast one."""
    for kind in (g.Q1Grid, g.FourierGrid) if bc == "periodic" else (g.Q1Grid,):
        for dim in (2, 3) if cells < 10 else (2,):
            grid = kind(dim, cells, 1.7, bc)
            if grid.nodes < 1:
                continue
            diagonal = np.array([[1.0, 2.0, 0.5], [3.0, 0.7, 1.1]])[:, :dim]
            points = (len(grid.reference) ** dim, cells**dim)
            a = np.einsum("bi,ij,ge->bijge", diagonal, np.eye(dim), np.ones(points)).reshape(2, dim * dim, *points)
            apply, precondition = grid.operator(grid.stencil(a)), grid.preconditioner(diagonal)
            r = apply(random_field(grid))  # in the range of the operator: no constants, no invisible frequencies
            np.testing.assert_allclose(apply(precondition(r)), r, atol=1e-9 * abs(r).max())
            z = random_field(grid, 5)
            np.testing.assert_allclose((z * precondition(r)).sum(), (precondition(z) * r).sum(), rtol=1e-9)


@pytest.mark.parametrize("dim", (2, 3))
def test_stiffness_matrix_equals_scikit_fem(dim):
    cells, axis = 3, np.linspace(-0.5, 0.5, 4)
    mesh = (skfem.MeshQuad if dim == 2 else skfem.MeshHex).init_tensor(*[axis] * dim)
    basis = skfem.Basis(mesh, skfem.ElementQuad1() if dim == 2 else skfem.ElementHex1(), intorder=3)

    def field(x):
        return 1 + 0.5 * np.sin(3 * x[0]) * x[1]

    stiffness = skfem.BilinearForm(lambda u, v, w: field(w.x) * sh.dot(sh.grad(u), sh.grad(v))).assemble(basis)
    grid = g.Q1Grid(dim, cells, 1.0, "neumann")
    a = field(grid.points).reshape(1, 1, 2**dim, -1)
    matrix = grid.matrix(grid.stencil(a))
    number = np.ravel_multi_index(np.rint((mesh.p + 0.5) * cells).astype(int), (cells + 1,) * dim)
    np.testing.assert_allclose(matrix[number][:, number].toarray(), stiffness.toarray(), atol=1e-13)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_gradient_is_exact_on_the_space_and_divergence_is_its_transpose(bc):
    for grid in grids(bc):
        w, rng = random_field(grid), np.random.default_rng(3)
        flux = rng.standard_normal(grid.gradient(w).shape)
        weight = (grid.h**grid.dim) / len(grid.reference) ** grid.dim
        np.testing.assert_allclose(weight * (flux * grid.gradient(w)).sum(), (grid.divergence(flux) * w).sum())
    grid = g.Q1Grid(2, 4, 1.0, "neumann")
    x = np.meshgrid(grid.edges, grid.edges, indexing="ij")
    slope = grid.gradient((2 * x[0] - 3 * x[1] + x[0] * x[1])[None, None])
    y = grid.points.reshape(2, 4, -1)
    np.testing.assert_allclose(slope[0, 0], np.array([2 + y[1], -3 + y[0]]), atol=1e-13)


def test_load_is_the_divergence_of_the_columns_of_the_tensor():
    for grid in grids("periodic"):
        a = random_coefficient(grid, grid.dim**2)
        columns = a.reshape(len(a), grid.dim, grid.dim, *a.shape[2:]).swapaxes(1, 2)
        np.testing.assert_allclose(grid.load(a), grid.divergence(columns), atol=1e-13)
        scalar = random_coefficient(grid, 1)
        full = np.einsum("bcge,ij->bijge", scalar, np.eye(grid.dim)).reshape(2, grid.dim**2, *scalar.shape[2:])
        np.testing.assert_allclose(grid.load(scalar), grid.load(full), atol=1e-13)


@pytest.mark.parametrize("cut", (0.37, 1.0, 1.234))
@pytest.mark.parametrize("window", ("box", ("smooth", 0), ("smooth", 1), ("smooth", 2), ("smooth", 2.5)))
def test_windows_integrate_over_cut_elements_exactly(cut, window):
    edges = 1.5 * (np.arange(8) / 7 - 0.5)
    for points in (2, 10):
        reference = (np.polynomial.legendre.leggauss(points)[0] + 1) / 2
        weights = g.window_weights(edges, reference, cut, window)
        y = edges[:-1] + (edges[1] - edges[0]) * reference[:, None]
        assert np.isclose(weights.sum(), 1)
        np.testing.assert_allclose((weights * (2 - 3 * y)).sum(), 2, atol=1e-12)
        if points == 10:  # second moment: (cut/2)^2 / (2q+3)
            q = 0 if window == "box" else window[1]
            tolerance = 1e-12 if q == int(q) else 1e-4
            np.testing.assert_allclose((weights * y**2).sum(), (cut / 2) ** 2 / (2 * q + 3), rtol=tolerance)


def test_window_in_three_dimensions_is_a_tensor_product():
    grid = g.Q1Grid(3, 5, 2.0, "dirichlet")
    weights, y = grid.window(1.1), grid.points.reshape(3, 8, -1)
    assert np.isclose(weights.sum(), 1)
    np.testing.assert_allclose((weights * (1 + y[0]) * (2 - y[1]) * (3 + y[2])).sum(), 6)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_mass_matrix_and_shifted_preconditioner(bc):
    for grid in grids(bc):
        if isinstance(grid, g.Q1Grid):
            a = np.ones((1, 1, 2**grid.dim, grid.cells**grid.dim))
            apply = grid.operator(grid.stencil(a) + 3.0 * grid.mass)
            precondition = grid.preconditioner(np.ones((1, grid.dim)), 3.0)
            w = random_field(grid, batch=1)
            if bc != "dirichlet":  # constants, to which loads are orthogonal, are left out
                w -= (w * grid.nodal_window(grid.length)).sum(axis=tuple(range(2, w.ndim)), keepdims=True)
            np.testing.assert_allclose(precondition(apply(w)), w, atol=1e-10)
            if bc != "dirichlet":  # constants have energy: the volume
                one = np.ones((1, 1, *(grid.nodes,) * grid.dim))
                np.testing.assert_allclose(grid.operator(grid.mass[None])(one).sum(), grid.length**grid.dim)


def test_nodal_window_averages_linear_fields_exactly():
    grid = g.Q1Grid(2, 9, 2.0, "neumann")
    x = np.meshgrid(grid.edges, grid.edges, indexing="ij")
    for window in ("box", ("smooth", 2)):
        weights = grid.nodal_window(1.3, window)
        np.testing.assert_allclose((weights * (3 + x[0] - 2 * x[1])).sum(), 3)
