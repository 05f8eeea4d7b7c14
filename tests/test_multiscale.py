"""Multiscale finite elements in the plane: exact identities first, then orders, then what is refused."""

import re

import numpy as np
import pytest
import skfem

import hmm_core as hmm
from hmm_core import CellProblem, ExactClosure, macro_basis, msfem_basis, msfem_plane, solve_elliptic
from hmm_core.compare import Oscillating, resolve
from hmm_core.compare.broken import CORNERS, BrokenField, Lattice
from hmm_course.figures import fit_rate

OVERSAMPLED = {"oversampling": 0.5, "formulation": "petrov-galerkin"}
WAYS = [{}, {"formulation": "petrov-galerkin"}, {"oversampling": 1.0}, OVERSAMPLED]


def woven(x, y):
    return (2 + 1.2 * np.sin(2 * np.pi * (y[0] + y[1]))) * (2 + 1.2 * np.sin(2 * np.pi * (y[0] - y[1])))


def anisotropic(x, y):
    """A tensor that is neither diagonal nor symmetric."""
    s = np.sin(2 * np.pi * y[0]) * np.cos(2 * np.pi * y[1])
    return np.array([[3 + s, 0.5 + 0 * s], [0.2 * s, 2 - s]])


def squares(N, element=None):
    line = np.linspace(0, 1, N + 1)
    return macro_basis(skfem.MeshQuad.init_tensor(line, line), element or skfem.ElementQuad1())


def f(x):
    return np.exp(x[0]) * (1 + x[1])


def nodal(solution, N):
    i, j = np.rint(solution.basis.doflocs * N).astype(int)
    values = np.empty((N + 1, N + 1))
    values[i, j] = solution.u
    return values


# -- identities -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", WAYS)
def test_a_constant_material_gives_bilinear_elements(options):
    basis = msfem_basis(lambda x, y: 3.0, 0.5, 8, 4, **options)
    plain = solve_elliptic(squares(8), ExactClosure(3.0), 1.0)
    np.testing.assert_allclose(basis.solve(1.0).u, nodal(plain, 8), atol=1e-13)
    hat = basis.phi[0, 3]
    np.testing.assert_allclose(hat, np.outer(np.linspace(0, 1, 5), np.linspace(0, 1, 5)), atol=1e-13)


@pytest.mark.parametrize("options", WAYS)
@pytest.mark.parametrize("a", [woven, anisotropic])
def test_the_four_functions_of_an_element_add_up_to_one(options, a):
    basis = msfem_basis(a, 1 / 6, (3, 5), 8, **options)
    np.testing.assert_allclose(basis.phi.sum(axis=1), 1, atol=1e-11)
    at_corners = np.array([basis.phi[:, :, 8 * i, 8 * j] for i, j in CORNERS])
    np.testing.assert_allclose(at_corners, np.eye(4)[:, None] + np.zeros((4, 15, 4)), atol=1e-11)
    np.testing.assert_allclose(basis.stiffness.sum(axis=2), 0, atol=1e-10)  # a constant makes no flux


def symmetric(x, y):
    A = anisotropic(x, y)
    return (A + A.swapaxes(0, 1)) / 2


@pytest.mark.parametrize("a", [woven, symmetric])
def test_galerkin_finds_the_best_combination_of_its_functions(a):
    """Linear edges keep the functions in the fine space, so Galerkin's solution is the nearest to the resolved one in energy."""
    eps, N, n = 1 / 8, 4, 16
    fine = resolve(squares(N * n).mesh, skfem.ElementQuad1(), a, eps, 1.0)
    basis = msfem_basis(a, eps, N, n)
    coarse = basis.solve(1.0)
    energy = [coarse.error(fine, "energy", tensor=Oscillating(a, eps))]
    for k in range(3):  # any other combination is farther away
        u = coarse.u.ravel().copy()
        u[basis.lattice.inner] += 1e-3 * np.random.default_rng(k).normal(size=basis.lattice.inner.size)
        other = BrokenField(basis.lattice, np.einsum("ec,ecij->eij", u[basis.lattice.nodes], basis.phi))
        energy.append(other.error(fine, "energy", tensor=Oscillating(a, eps)))
    assert energy[0] < min(energy[1:])


def test_where_the_coarse_mesh_resolves_eps_it_converges_like_bilinear_elements():
    eps, sizes, off = 1 / 2, np.array([8, 16, 32]), []
    fine = nodal(resolve(squares(64).mesh, skfem.ElementQuad1(), woven, eps, 1.0), 64)
    for N in sizes:
        coarse = msfem_plane(woven, eps, 1.0, int(N), 64 // int(N))
        off.append(np.abs(coarse.u - fine[:: 64 // N, :: 64 // N]).max() / fine.max())
    assert off[-1] < 0.02 and fit_rate(1 / sizes, off) > 1.5


def test_layers():
    """Along the layers every function is linear and the element's conductivity is the arithmetic mean. Across them the linear
    edges make it too large, by O(eps/H), and oversampling by less."""

    def layers(x, y):
        return 1 / (2 + np.cos(2 * np.pi * y[0]))

    ratios, place = np.array([2, 4, 8]), np.array(CORNERS) / 3
    grid = np.arange(8)[:, None] + (np.array([-1, 1]) / np.sqrt(3) + 1) / 2
    mean = layers(None, grid.ravel()[None] / 8).mean()
    harmonic = CellProblem(dim=2, n=8, tol=1e-12).effective_tensor(layers)[0, 0]
    off = []
    for options in ({}, OVERSAMPLED):
        A = [place.T @ msfem_basis(layers, 1 / (3 * k), 3, 8 * k, **options).stiffness[4] @ place * 9 for k in ratios]
        assert [tensor[1, 1] for tensor in A] == pytest.approx([mean] * 3, rel=1e-10)
        off.append([tensor[0, 0] / harmonic - 1 for tensor in A])
    assert fit_rate(ratios, off[0]) == pytest.approx(-1, abs=0.1) and (np.abs(off[1]) < 0.3 * np.array(off[0])).all()


@pytest.mark.parametrize("a", [woven, anisotropic])
def test_with_linear_edges_it_is_hmm_with_samples_as_large_as_elements(a):
    """A linear field's share of the stiffness is |e| G'.A G with A of a Dirichlet cell of size H, to round-off."""
    eps, N, n = 1 / 16, 4, 32
    basis = msfem_basis(a, eps, N, n)
    place = np.array(CORNERS) / N
    cell = CellProblem(dim=2, n=8, size=4, bc="dirichlet", tol=1e-12)
    for e, (i, j) in ((0, (0, 0)), (6, (1, 2))):
        centre = (np.array([[i], [j]]) + 0.5) / N
        A = cell.effective_tensor(a, x=centre, eps=eps)[..., 0]
        np.testing.assert_allclose(place.T @ basis.stiffness[e] @ place * N**2, A, atol=1e-9)


@pytest.mark.parametrize("a", [woven, anisotropic])
def test_without_oversampling_both_formulations_have_one_matrix(a):
    both = [msfem_basis(a, 1 / 8, 4, 16, formulation=way).stiffness for way in ("galerkin", "petrov-galerkin")]
    np.testing.assert_allclose(*both, atol=1e-11)


@pytest.mark.parametrize("options", WAYS)
def test_symmetry(options):
    """Galerkin is symmetric for a symmetric material; Petrov-Galerkin with oversampling is not."""
    K = msfem_basis(woven, 1 / 7, 4, 14, **options).stiffness
    skew = np.abs(K - K.swapaxes(1, 2)).max()
    assert (skew > 1e-3) if options == OVERSAMPLED else (skew < 1e-10)


@pytest.mark.parametrize("options", [{}, OVERSAMPLED])
def test_flux_is_conserved_inside_every_element(options):
    """No test function, no force, and at the inner fine nodes all fluxes balance, by a matrix that was assembled elsewhere."""
    basis = msfem_basis(woven, 1 / 7, 4, 14, **options)
    u = basis.solve(f)
    np.testing.assert_allclose(basis.stiffness.sum(axis=1), 0, atol=1e-10)
    n, fine = 14, resolve(squares(56).mesh, skfem.ElementQuad1(), woven, 1 / 7, f)
    values = u.values[5]  # of element (1, 1)
    A = _matrix(fine, woven, 1 / 7)
    i, j = np.rint(fine.basis.doflocs * 56).astype(int)
    number = np.empty((57, 57), dtype=int)
    number[i, j] = np.arange(fine.basis.N)
    own = np.zeros(fine.basis.N)
    own[number[n : 2 * n + 1, n : 2 * n + 1]] = values
    inner = number[n + 1 : 2 * n, n + 1 : 2 * n].ravel()
    assert np.abs((A @ own)[inner]).max() < 1e-12 * np.abs(A).max()


def _matrix(solution, a, eps):
    @skfem.BilinearForm
    def form(u, v, w):
        x = np.asarray(w.x).reshape(2, 1, -1)
        return a(x, x / eps).reshape(w.x[0].shape) * (u.grad * v.grad).sum(axis=0)

    return form.assemble(solution.basis)


def test_more_right_hand_sides_are_linear_and_cost_no_new_basis():
    basis = msfem_basis(woven, 1 / 8, 4, 16)
    one, two = basis.solve(1.0), basis.solve(f)
    both = basis.solve(lambda x: 2 + 3 * f(x))
    np.testing.assert_allclose(both.values, 2 * one.values + 3 * two.values, atol=1e-13)
    assert one.basis is two.basis is basis


@pytest.mark.parametrize("options", WAYS)
def test_a_linear_field_is_kept_by_a_constant_tensor(options):
    """Whatever rectangle it is in. Not by Galerkin with oversampling: bilinear functions have no flux balance under a tensor with
    off-diagonal entries, so its functions jump, and as test functions they see forces that are not there."""
    domain = ((-1.0, 2.0), (0.5, 1.5))
    solution = msfem_plane(
        lambda x, y: np.array([[2.0, 0.5], [0.3, 1.0]])[:, :, None, None] + 0 * y[0],
        1.0,
        0.0,
        (5, 3),
        4,
        dirichlet=lambda x: 1 + x[0] - 2 * x[1],
        domain=domain,
        **options,
    )
    x = np.random.default_rng(0).uniform([-1, 0.5], [2, 1.5], (50, 2)).T
    off = np.abs(solution.at(x) - (1 + x[0] - 2 * x[1])).max()
    if options == {"oversampling": 1.0}:
        assert 1e-4 < off < 0.02
    else:
        assert off < 1e-12
        np.testing.assert_allclose(solution.gradient_at(x), np.array([[1.0], [-2.0]]) + 0 * x, atol=1e-11)


@pytest.mark.parametrize("options", WAYS)
def test_boundary_values_are_those_given(options):
    domain = ((-1.0, 2.0), (0.5, 1.5))
    u = msfem_plane(woven, 0.5, 1.0, (5, 3), 12, dirichlet=lambda x: x[0], domain=domain, **options).u
    for side in (u[:, 0], u[:, -1]):
        np.testing.assert_allclose(side, np.linspace(-1, 2, 6), atol=1e-13)


def test_the_fine_solution_passes_through_the_coarse_nodes():
    solution = msfem_plane(woven, 1 / 8, f, 4, 16, **OVERSAMPLED)
    line = np.linspace(0, 1, 5)
    x = np.stack(np.meshgrid(line, line, indexing="ij"))
    np.testing.assert_allclose(solution.at(x), solution.u, atol=1e-12)


def test_what_it_counts():
    asked = []

    def a(x, y):
        asked.append(np.broadcast(x[0], y[0]).size)
        return woven(x, y)

    for options in ({}, OVERSAMPLED):
        asked.clear()
        basis = msfem_basis(a, 1 / 8, 4, 16, **options)
        assert basis.samples == sum(n for n in asked if n > 100) and basis.micro_solves == 16
    assert msfem_basis(woven, 1 / 8, 4, 16).samples == 4 * 64**2
    assert msfem_basis(woven, 1 / 8, 4, 16).unknowns == 3 * 16 * 15**2


# -- orders ----------------------------------------------------------------------------------------------------------------


def resonance(ratios, **options):
    """Distance of the coarse solution on 4 x 4 elements to that with the effective tensor, for H = ratio * eps."""
    A = CellProblem(dim=2, n=6, tol=1e-10).effective_tensor(woven)
    plain, off = nodal(solve_elliptic(squares(4), ExactClosure(A), 1.0), 4), []
    for ratio in ratios:
        u = msfem_plane(woven, 1 / (4 * ratio), 1.0, 4, 6 * ratio, **options).u
        off.append(np.abs(u - plain).max() / plain.max())
    return np.array(off)


def test_resonance_with_linear_edges_is_of_first_order_in_eps_over_H():
    ratios = (2, 4, 8)
    plain, over = resonance(ratios), resonance(ratios, **OVERSAMPLED)
    assert fit_rate(np.array(ratios), plain) == pytest.approx(-1, abs=0.15)
    assert (over < 0.9 * plain).all()


def test_oversampling_against_the_resolved_solution():
    """At H = eps .. 4 eps linear edges are stuck at a few percent; oversampling is not, and its energy error is half."""
    eps, fine = 1 / 16, resolve(squares(64).mesh, skfem.ElementQuad1(), woven, 1 / 16, 1.0)
    energy = {"relative": True, "norm": "energy", "tensor": Oscillating(woven, eps)}
    plain, over = (
        np.array(
            [
                [s.error(fine, relative=True), s.error(fine, **energy)]
                for s in (msfem_plane(woven, eps, 1.0, N, 64 // N, **options) for N in (4, 8, 16))
            ]
        ).T
        for options in ({}, OVERSAMPLED)
    )
    assert plain[0].min() > 0.04 and over[0, 2] < 0.008
    assert fit_rate(np.array([4, 8, 16]), over[0]) == pytest.approx(-2, abs=0.15)
    assert over[1, 2] < 0.4 * plain[1, 2]


def test_errors_are_those_of_a_known_function():
    """Plain bilinear interpolation: 2 in L2, 1 in energy, in all norms of ``Solution.error``."""

    def exact(x):
        return np.sin(np.pi * x[0]) * np.sin(np.pi * x[1])

    def slope(x):
        return np.pi * np.array(
            [np.cos(np.pi * x[0]) * np.sin(np.pi * x[1]), np.sin(np.pi * x[0]) * np.cos(np.pi * x[1])]
        )

    sizes, found = np.array([4, 8, 16]), []
    for N in sizes:
        here = msfem_plane(lambda x, y: 1.0, 1.0, lambda x: 2 * np.pi**2 * exact(x), int(N), 2)
        same = solve_elliptic(squares(int(N)), ExactClosure(1.0), lambda x: 2 * np.pi**2 * exact(x))
        row = [here.error(exact, norm, gradient=slope, tensor=2.0) for norm in ("L2", "H1-semi", "H1", "energy")]
        assert row[0] == pytest.approx(same.error(exact), rel=0.02)
        assert row[2] == pytest.approx(np.hypot(row[0], row[1])) and row[3] == pytest.approx(np.sqrt(2) * row[1])
        found.append(row)
    assert [fit_rate(1 / sizes, column) for column in np.array(found).T] == pytest.approx([2, 1, 1, 1], abs=0.1)


# -- what is refused ---------------------------------------------------------------------------------------------------------

GOOD = {"a": woven, "eps": 0.25, "elements": 4, "n": 8}


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"elements": 0}, ValueError, "elements=0"),
        ({"elements": (4, 4, 4)}, ValueError, "elements="),
        ({"elements": (4, 2.5)}, TypeError, "elements=2.5"),
        ({"n": 1}, ValueError, "n=1"),
        ({"n": 8.0}, TypeError, "n=8.0"),
        ({"n": True}, TypeError, "n=True"),
        ({"eps": 0.0}, ValueError, "eps=0.0"),
        ({"eps": 0.01}, ValueError, "cannot resolve eps=0.01"),
        ({"elements": 2.5}, TypeError, "elements=2.5"),
        ({"eps": None}, TypeError, "eps=None"),
        ({"eps": True}, TypeError, "eps=True"),
        ({"eps": -1.0}, ValueError, "eps=-1.0 must be positive"),
        ({"eps": float("nan")}, ValueError, "eps=nan must be positive"),
        ({"elements": np.array([4, 0])}, ValueError, "elements=0"),
        ({"oversampling": -0.5}, ValueError, "oversampling=-0.5"),
        ({"oversampling": "much"}, TypeError, "oversampling='much'"),
        ({"formulation": "mixed"}, ValueError, "formulation='mixed'"),
        ({"domain": ((0, 1), (1, 0))}, ValueError, "domain="),
        ({"domain": ((0, 1), (0, 1, 2))}, ValueError, "domain="),
        ({"domain": "square"}, ValueError, "domain='square'"),
        ({"domain": ((0, 1), (0, np.inf))}, ValueError, "domain="),
        ({"a": lambda x, y: y[0] - 1}, ValueError, "positive"),
        ({"a": lambda x, y: np.nan * y[0]}, ValueError, "not finite"),
        ({"a": lambda x, y: np.ones(7)}, ValueError, "shape (7,)"),
        ({"a": lambda x, y: np.array([[1.0, 2.0], [2.0, 1.0]])[:, :, None, None]}, ValueError, "positive definite"),
        ({"a": lambda x, y: np.eye(4).reshape(2, 2, 2, 2, 1, 1)}, ValueError, "stiffness"),
    ],
)
def test_nonsense_is_refused(change, error, words):
    with pytest.raises(error, match=re.escape(words)):
        msfem_basis(**GOOD | change)


def test_what_a_solution_refuses():
    solution = msfem_plane(**GOOD, source=1.0)
    with pytest.raises(ValueError, match="outside"):
        solution.at(np.array([[0.5], [1.2]]))
    with pytest.raises(ValueError, match="coordinates"):
        solution.at(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="finite coordinates"):
        solution.at(np.array([[0.5], [np.nan]]))
    with pytest.raises(ValueError, match="points='here'"):
        solution.gradient_at("here")
    with pytest.raises(ValueError, match="values have shape"):
        BrokenField(solution.lattice, solution.values[:3])
    with pytest.raises(ValueError, match="norm='max'"):
        solution.error(0.0, "max")
    with pytest.raises(ValueError, match="gradient="):
        solution.error(lambda x: x[0], "H1")
    with pytest.raises(ValueError, match="tensor="):
        solution.error(lambda x: x[0], "energy", gradient=lambda x: x)
    with pytest.raises(ValueError, match="relative"):
        solution.error(0.0, relative=True)
    with pytest.raises(ValueError, match="source"):
        solution.basis.solve(lambda x: np.full(x.shape[1], np.nan))


def test_the_lattice_finds_its_points():
    lattice = Lattice((3, 2), 4, ((0.0, 3.0), (-1.0, 1.0)))
    element, cell, s = lattice.locate(np.array([[0.1, 3.0, 1.0], [-1.0, 1.0, 0.0]]))
    assert element.tolist() == [0, 5, 3] and cell.T.tolist() == [[0, 0], [3, 3], [0, 0]]
    np.testing.assert_allclose(s.T, [[0.4, 0], [1, 1], [0, 0]], atol=1e-12)
    assert hmm.msfem_plane is msfem_plane
