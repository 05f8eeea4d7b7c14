"""What HMM is compared with: the resolved solution and the line MsFEM, against closed forms and rates."""

import numpy as np
import pytest
import skfem
from scipy.linalg import solveh_banded

from hmm_core import ExactClosure, exact, macro_basis, media, solve_elliptic
from hmm_core.compare import msfem_line, resolve
from hmm_course.figures import fit_rate


def periodic(x, y):  # reference 2
    return 1 / (2 + np.cos(2 * np.pi * y[0]))


def graded(x, y):  # reference 3
    return (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0]))


LINE = [(periodic, exact.cosine_solution), (graded, exact.graded_solution)]


# -- MsFEM on a line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1 / 16, 1 / 64, 1 / 256])
@pytest.mark.parametrize("elements", [2, 8, 16])
def test_msfem_is_exact_at_the_nodes_where_its_quadrature_is(eps, elements):
    """Whole periods in every element: the midpoint rule integrates 1/a to round-off, and so f = 1 gives u^eps itself."""
    solution = msfem_line(periodic, eps, 1.0, elements)
    np.testing.assert_allclose(solution.u, exact.cosine_solution(solution.nodes, eps), atol=1e-14)


@pytest.mark.parametrize("a, closed_form", LINE)
@pytest.mark.parametrize("eps", [0.23, 1 / 10])
def test_msfem_nodal_error_is_its_quadrature_s(a, closed_form, eps):
    """Elements cut periods: nodal values are still exact up to the midpoint rule, of order 2 in the fine grid."""
    points = np.array([16, 32, 64, 128])
    errors = []
    for per in points:
        solution = msfem_line(a, eps, 1.0, 8, points_per_period=int(per))
        errors.append(np.abs(solution.u - closed_form(solution.nodes, eps)).max())
    assert fit_rate(1 / points, errors) == pytest.approx(2, abs=0.15)
    assert errors[-1] < 1e-5


@pytest.mark.parametrize("a, closed_form", LINE)
@pytest.mark.parametrize("eps", [1 / 4, 1 / 200])
def test_msfem_between_nodes(a, closed_form, eps):
    """Between nodes the load of an element is missing: H^2 in the value, whether the element resolves eps or not."""
    elements = np.array([4, 8, 16, 32])
    errors = []
    for count in elements:
        solution = msfem_line(a, eps, 1.0, int(count), points_per_period=128)
        errors.append(np.sqrt(np.mean((solution.u_fine - closed_form(solution.fine, eps)) ** 2)))
    assert fit_rate(1 / elements, errors) == pytest.approx(2, abs=0.15)


def test_msfem_fine_solution_passes_through_its_nodal_values():
    solution = msfem_line(graded, 1 / 20, lambda x: np.exp(x[0]), 5)
    np.testing.assert_allclose(np.interp(solution.nodes, solution.fine, solution.u_fine), solution.u, atol=1e-14)
    assert solution.fine.shape == solution.u_fine.shape
    assert (solution.nodes[0], solution.nodes[-1], solution.u[0], solution.u[-1]) == (0, 1, 0, 0)


def test_msfem_takes_a_source_that_varies():
    """a = 1, f = pi^2 sin pi x: nodal values of sin pi x."""
    solution = msfem_line(lambda x, y: 1.0, 0.1, lambda x: np.pi**2 * np.sin(np.pi * x), 8, points_per_period=64)
    np.testing.assert_allclose(solution.u, np.sin(np.pi * solution.nodes), atol=1e-5)


def test_msfem_counts_what_it_looks_at():
    asked = []

    def a(x, y):
        asked.append(y.size)
        return periodic(x, y)

    for eps in (1 / 8, 1 / 64, 1 / 512):
        solution = msfem_line(a, eps, 1.0, 4)
        assert solution.samples == sum(asked) == 32 / eps
        asked.clear()
    assert (
        msfem_line(periodic, 0.3, 1.0, 7).samples == 7 * 16
    )  # whole fine cells per element: ceil(32 / (0.3 * 7)) = 16


@pytest.mark.parametrize(
    "change",
    [
        {"elements": 1},
        {"eps": 0.0},
        {"eps": -0.1},
        {"eps": np.nan},
        {"points_per_period": 1},
    ],
)
def test_msfem_refuses_nonsense(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        msfem_line(**{"a": periodic, "eps": 0.1, "source": 1.0, "elements": 4} | change)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_msfem_refuses_media_that_are_not_positive_and_finite(value):
    with pytest.raises(ValueError, match="positive and finite"):
        msfem_line(lambda x, y: np.where(y[0] > 3, value, 1.0), 0.1, 1.0, 4)


# -- resolved ------------------------------------------------------------------------------------------------------------


def square(n):
    line = np.linspace(0, 1, n + 1)
    return skfem.MeshQuad.init_tensor(line, line)


def layered_solution(eps, cells=2**13):
    """Reference 20 without asymptotics: u^eps = phi(x_1) sin 2 pi x_2, -(a_11 phi')' + 4 pi^2 a_22 phi = sin 2 pi x_1.

    Central differences on a fine grid, extrapolated once.
    """

    def differences(cells):
        h = 1 / cells
        nodes, middles = np.linspace(0, 1, cells + 1)[1:-1], (np.arange(cells) + 0.5) / cells
        a11 = 2 / (2 + np.cos(2 * np.pi * middles / eps)) / (8 * np.pi**2)
        a22 = (1 + 0.5 * np.cos(2 * np.pi * nodes / eps)) / (8 * np.pi**2)
        bands = np.zeros((2, cells - 1))
        bands[0, 1:] = -a11[1:-1] / h**2
        bands[1] = (a11[1:] + a11[:-1]) / h**2 + 4 * np.pi**2 * a22
        return nodes, solveh_banded(bands, np.sin(2 * np.pi * nodes))

    nodes, coarse = differences(cells)
    fine = differences(2 * cells)[1][1::2]
    x, phi = np.pad(nodes, 1, constant_values=(0, 1)), np.pad((4 * fine - coarse) / 3, 1)
    return lambda points: np.interp(points[0], x, phi) * np.sin(2 * np.pi * points[1])


def load(x):
    return np.sin(2 * np.pi * x[0]) * np.sin(2 * np.pi * x[1])


def test_resolved_solution_of_a_tensor_medium_converges_to_the_oscillating_one():
    eps = 1 / 4
    truth, sizes = layered_solution(eps), np.array([16, 32, 64])
    errors = [
        resolve(square(n), skfem.ElementQuad1(), media.balanced_layers(), eps, load).error(truth, intorder=8)
        for n in sizes
    ]
    assert fit_rate(1 / sizes, errors) == pytest.approx(2, abs=0.2)
    assert errors[-1] < 5e-3


def test_resolved_solution_is_as_far_from_the_homogenized_one_as_reference_20_says():
    eps = 1 / 16
    line = np.linspace(0, 1, 257)
    mesh = skfem.MeshQuad.init_tensor(line, np.linspace(0, 1, 33))  # the layers cross the first axis only
    # elements of height 1/32 are as large as eps/2 allows
    solution = resolve(mesh, skfem.ElementQuad2(), media.balanced_layers(), eps, load)
    assert solution.error(load) == pytest.approx(eps / (4 * np.sqrt(2)), rel=0.05)

    def two_terms(x):
        corrector = np.cos(2 * np.pi * x[0]) * np.sin(2 * np.pi * x[1]) * np.sin(2 * np.pi * x[0] / eps)
        return load(x) + eps / 2 * corrector

    assert solution.error(two_terms) < eps**2
    assert solution.error(layered_solution(eps)) < 1e-4


def test_resolved_line_is_the_closed_form():
    eps, sizes = 1 / 8, np.array([64, 128, 256])
    errors = []
    for n in sizes:
        mesh = skfem.MeshLine(np.linspace(0, 1, n + 1))
        solution = resolve(mesh, skfem.ElementLineP1(), periodic, eps, 1.0)
        errors.append(solution.error(lambda x: exact.cosine_solution(x[0], eps), intorder=8))
    assert fit_rate(1 / sizes, errors) == pytest.approx(2, abs=0.1)


def test_resolved_solution_keeps_its_boundary_values():
    solution = resolve(square(16), skfem.ElementQuad1(), lambda x, y: 1.0, 0.5, 0.0, dirichlet=lambda x: 1 + x[0])
    np.testing.assert_allclose(solution.u, 1 + solution.basis.doflocs[0], atol=1e-12)


def test_resolved_problem_is_the_homogenized_one_when_nothing_oscillates():
    mesh, element = square(8), skfem.ElementQuad1()
    resolved = resolve(mesh, element, lambda x, y: 1 + x[0], 0.5, 1.0)
    homogenized = solve_elliptic(macro_basis(mesh, element), ExactClosure(lambda x: 1 + x[0]), 1.0)
    np.testing.assert_allclose(resolved.u, homogenized.u, atol=1e-13)


@pytest.mark.parametrize("eps", [0.1, 1e-3, 0.0, -1.0, np.nan])
def test_resolve_refuses_what_the_mesh_cannot_hold(eps):
    with pytest.raises(ValueError, match="cannot resolve"):
        resolve(square(16), skfem.ElementQuad1(), media.balanced_layers(), eps, 1.0)


def test_resolve_measures_the_largest_element():
    """Graded meshes count by their coarsest element, however many fine ones there are."""
    mesh = skfem.MeshLine(np.concatenate([np.linspace(0, 0.5, 200), np.linspace(0.5, 1, 5)[1:]]))
    with pytest.raises(ValueError, match=r"0\.125 cannot resolve eps=0\.2"):
        resolve(mesh, skfem.ElementLineP1(), periodic, 0.2, 1.0)
    assert resolve(mesh, skfem.ElementLineP1(), periodic, 0.25, 1.0).u.max() > 0
