"""The macro solver against closed forms: exactness, orders, data of every kind, the dialogue, and what it refuses."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import skfem
import sympy as sp
from skfem import (
    ElementHex1,
    ElementHex2,
    ElementLineP1,
    ElementLineP2,
    ElementQuad1,
    ElementQuad2,
    ElementTetP1,
    ElementTetP2,
    ElementTriP1,
    ElementTriP2,
    MeshHex,
    MeshLine,
    MeshQuad,
    MeshTet,
    MeshTri,
)

import hmm_core as hmm
from hmm_core import CellClosure, CellProblem, ConvergenceError, ExactClosure, macro_basis, solve_elliptic

SPACES = [  # mesh, element, sampling points per element, polynomial degree
    (MeshLine, ElementLineP1, 1, 1),
    (MeshLine, ElementLineP2, 2, 2),
    (MeshTri, ElementTriP1, 1, 1),
    (MeshTri, ElementTriP2, 3, 2),
    (MeshQuad, ElementQuad1, 4, 1),
    (MeshQuad, ElementQuad2, 9, 2),
    (MeshTet, ElementTetP1, 1, 1),
    (MeshTet, ElementTetP2, 4, 2),
    (MeshHex, ElementHex1, 8, 1),
    (MeshHex, ElementHex2, 27, 2),
]
IDS = [space[1].__name__.removeprefix("Element") for space in SPACES]
PLANE = [space for space in SPACES if space[0] in (MeshTri, MeshQuad)]
PLANE_IDS = [space[1].__name__.removeprefix("Element") for space in PLANE]
TENSOR = {
    1: np.array([[2.0]]),
    2: np.array([[2.0, 0.5], [0.2, 1.0]]),
    3: np.array([[2.0, 0.5, 0.1], [0.2, 1.0, -0.3], [0.0, 0.3, 3.0]]),
}


def bent(mesh):
    """The same mesh with its inner vertices moved: quads and hexes become truly multilinear."""
    p, d = mesh.p.copy(), mesh.dim()
    p[0] += 0.08 * np.prod(np.sin(np.pi * mesh.p), axis=0)
    p[d - 1] += 0.05 * np.prod(np.sin(2 * np.pi * mesh.p), axis=0)
    return type(mesh)(p, mesh.t)


SIDES = {
    "left": lambda x: x[0] == 0,
    "right": lambda x: x[0] == 1,
    "bottom": lambda x: x[1] == 0,
    "top": lambda x: x[1] == 1,
}


def unit_square(refinements):
    return MeshTri().refined(refinements).with_boundaries(SIDES)


def slopes(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def medium(x, y):
    return (1 + x[0]) * (2 + np.cos(2 * np.pi * y[0]))


def coarse_solution(**data):
    return solve_elliptic(macro_basis(unit_square(3), ElementTriP1()), ExactClosure(1.0), 1.0, **data)


class Manufactured:
    """-div(A grad u) = f for given u and A, symbols x0, x1 (and s, the value of u, in A)."""

    x = sp.symbols("x0 x1")
    s = sp.Symbol("s")

    def __init__(self, u, A, source=None):
        grad = [sp.diff(u, x) for x in self.x]
        at_u = sp.Matrix(A).subs(self.s, u)
        f = -sum(sp.diff((at_u[i, :] * sp.Matrix(grad))[0], self.x[i]) for i in range(2)) if source is None else source
        value, gradient, load = (sp.lambdify(self.x, e) for e in (u, grad, f))
        tensor = sp.lambdify((*self.x, self.s), sp.Matrix(A).tolist())
        self.u, self.f = (lambda x: value(*x)), (lambda x: load(*x))
        self.grad = lambda x: np.array([g + 0 * x[0] for g in gradient(*x)])
        self.A = lambda x, u: np.array([[a + 0 * x[0] for a in row] for row in tensor(*x, u)])
        self.A_of_x = lambda x: self.A(x, 0.0)


X0, X1 = Manufactured.x
S = Manufactured.s
GRADED = Manufactured(
    sp.sin(sp.pi * X0) * sp.exp(X1), [[2 + X0, sp.Rational(1, 2) * X1], [sp.Rational(1, 5), 1 + X0 * X1]]
)
NONLINEAR = Manufactured(  # reference 22
    8 * sp.sin(sp.pi * X0) * X1 * (1 - X1), [[1 + X0 * sp.sin(sp.pi * S), 0], [0, 2 + sp.atan(S)]]
)


# -- spaces --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mesh", "element", "points", "degree"), SPACES, ids=IDS)
def test_quadrature_is_as_cheap_as_it_can_be(mesh, element, points, degree):
    basis = macro_basis(mesh().refined(1), element())
    assert basis.dx.shape == (basis.mesh.nelements, points)
    assert np.isclose(basis.dx.sum(), 1.0)


@pytest.mark.parametrize(("mesh", "element", "points", "degree"), SPACES, ids=IDS)
@pytest.mark.parametrize("deform", [False, True])
def test_patch(mesh, element, points, degree, deform):
    """A linear field solves any constant-coefficient problem, and every space must hold it to round-off."""
    mesh = mesh().refined(2)
    mesh = bent(mesh) if deform else mesh
    slope = np.array([1.5, -2.0, 0.5])[: mesh.dim()]
    solution = solve_elliptic(
        macro_basis(mesh, element()), ExactClosure(TENSOR[mesh.dim()]), 0.0, lambda x: 3 + slope @ x
    )
    basis = solution.basis
    np.testing.assert_allclose(solution.u, 3 + slope @ basis.doflocs, rtol=0, atol=1e-12)
    expected = np.broadcast_to((TENSOR[mesh.dim()] @ slope)[:, None, None], solution.flux.shape)
    np.testing.assert_allclose(solution.flux, expected, rtol=0, atol=1e-11)
    assert len(solution.history) == 2


@pytest.mark.parametrize(("mesh", "element"), [space[:2] for space in SPACES if space[3] == 2])
def test_quadratics_with_quadratic_elements_are_exact(mesh, element):
    mesh = mesh().refined(1)
    d = mesh.dim()
    source = -2 * np.trace(TENSOR[d])
    solution = solve_elliptic(
        macro_basis(mesh, element()), ExactClosure(TENSOR[d]), source, lambda x: (x**2).sum(axis=0)
    )
    assert solution.error(lambda x: (x**2).sum(axis=0)) < 1e-12


@pytest.mark.parametrize(("mesh", "element", "points", "degree"), PLANE, ids=PLANE_IDS)
def test_orders_with_a_graded_tensor(mesh, element, points, degree):
    errors = {"L2": [], "H1": [], "energy": []}
    for refinements in (3, 4, 5):
        basis = macro_basis(bent(mesh().refined(refinements)), element())
        solution = solve_elliptic(basis, ExactClosure(GRADED.A_of_x), GRADED.f, GRADED.u)
        for norm, found in errors.items():
            found.append(solution.error(GRADED.u, norm, gradient=GRADED.grad, tensor=GRADED.A_of_x))
    np.testing.assert_allclose(slopes(errors["L2"])[-1], degree + 1, atol=0.15)
    np.testing.assert_allclose(slopes(errors["H1"])[-1], degree, atol=0.15)
    np.testing.assert_allclose(slopes(errors["energy"])[-1], degree, atol=0.15)


@pytest.mark.parametrize(
    ("mesh", "element"), [(MeshTet, ElementTetP1), (MeshHex, ElementHex1), (MeshTet, ElementTetP2)]
)
def test_orders_in_three_dimensions(mesh, element):
    def exact(x):
        return np.prod(np.sin(np.pi * x), axis=0)

    def source(x):  # A = (1 + x0) I
        gradient = np.pi * np.cos(np.pi * x[0]) * np.sin(np.pi * x[1]) * np.sin(np.pi * x[2])
        return 3 * np.pi**2 * (1 + x[0]) * exact(x) - gradient

    degree = 2 if element is ElementTetP2 else 1
    errors = []
    for refinements in (2, 3) if degree == 2 else (3, 4):
        basis = macro_basis(mesh().refined(refinements), element())
        errors.append(solve_elliptic(basis, ExactClosure(lambda x: 1 + x[0]), source).error(exact))
    assert slopes(errors)[0] > degree + 1 - 0.25


# -- references ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mesh", "element", "points", "degree"), PLANE, ids=PLANE_IDS)
def test_reference_20(mesh, element, points, degree):
    def exact(x):
        return np.sin(2 * np.pi * x[0]) * np.sin(2 * np.pi * x[1])

    errors = []
    for refinements in (4, 5):
        basis = macro_basis(mesh().refined(refinements), element())
        errors.append(solve_elliptic(basis, ExactClosure(1 / (8 * np.pi**2)), exact).error(exact, relative=True))
    np.testing.assert_allclose(slopes(errors), degree + 1, atol=0.15)
    assert errors[-1] < 0.02


def test_reference_20_by_cell_problems():
    def oscillating(x, y):
        c = np.cos(2 * np.pi * y[0])
        return np.array([[2 / (2 + c), 0 * c], [0 * c, 1 + c / 2]]) / (8 * np.pi**2)

    def exact(x):
        return np.sin(2 * np.pi * x[0]) * np.sin(2 * np.pi * x[1])

    basis = macro_basis(MeshTri().refined(3), ElementTriP2())
    solution = solve_elliptic(basis, CellClosure(oscillating, CellProblem(dim=2, n=24, scheme="fourier")), exact)
    assert solution.micro_solves == 1
    homogenized = solve_elliptic(basis, ExactClosure(1 / (8 * np.pi**2)), exact)
    np.testing.assert_allclose(solution.u, homogenized.u, atol=1e-7)


@pytest.mark.parametrize("by_cells", [False, True])
def test_reference_21(by_cells):
    closure = ExactClosure(np.diag([np.sqrt(3), 2]))
    if by_cells:
        closure = CellClosure(lambda x, y: 2 + np.cos(2 * np.pi * y[0]), CellProblem(dim=2, n=16, scheme="fourier"))
    solution = solve_elliptic(macro_basis(MeshQuad().refined(4), ElementQuad2()), closure, 1.0)
    assert abs(solution.at([0.5, 0.5]) - 0.0394650765200739) < 2e-6
    mean = skfem.Functional(lambda w: w.u).assemble(solution.basis, u=solution.u)
    assert abs(mean - 0.0188371368) < 2e-6


def test_reference_22_rates_and_quadratic_newton():
    errors = {"L2": [], "H1": []}
    for refinements in (4, 5, 6):
        basis = macro_basis(MeshTri().refined(refinements), ElementTriP1())
        solution = solve_elliptic(basis, ExactClosure(NONLINEAR.A), NONLINEAR.f, tol=1e-12)
        for norm, found in errors.items():
            found.append(solution.error(NONLINEAR.u, norm, gradient=NONLINEAR.grad))
    np.testing.assert_allclose(slopes(errors["L2"]), 2, atol=0.15)
    np.testing.assert_allclose(slopes(errors["H1"]), 1, atol=0.15)
    start = solve_elliptic(basis, ExactClosure(NONLINEAR.A), NONLINEAR.f, initial=NONLINEAR.u, tol=1e-13).history
    residuals = [entry.residual for entry in start]
    assert len(residuals) <= 5
    assert all(after < 100 * before**2 + 1e-14 for before, after in pairwise(residuals))


def test_picard_finds_the_same_solution_by_more_turns():
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())
    newton, picard = (
        solve_elliptic(basis, ExactClosure(NONLINEAR.A), NONLINEAR.f, method=method) for method in ("newton", "picard")
    )
    np.testing.assert_allclose(newton.u, picard.u, atol=1e-8)
    assert len(picard.history) > len(newton.history)


def test_picard_takes_whole_steps_through_a_coefficient_that_oscillates_with_u():
    """k(y, u), uniform where u = 0: a whole step makes the residual four times as large, and leads ten times nearer."""

    def k(x, u):
        y = 2 * np.pi * x / (1 / 16)
        beta = 1.5 * np.tanh(2 * u)
        return (2 + beta * np.sin(y[0] + y[1])) * (2 + beta * np.sin(y[0] - y[1]))

    line = np.linspace(0, 1, 65)
    basis = macro_basis(MeshQuad.init_tensor(line, line), ElementQuad1())
    newton, picard = (solve_elliptic(basis, ExactClosure(k), 40.0, method=method) for method in ("newton", "picard"))
    np.testing.assert_allclose(picard.u, newton.u, atol=1e-8)
    residuals = [turn.residual for turn in picard.history]
    assert residuals[2] < 0.05 * residuals[1] and all(b < 0.1 * a for a, b in pairwise(residuals[1:]))


# -- boundary data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("element", [ElementLineP1, ElementLineP2])
def test_flux_on_one_end(element):
    """-2 u'' = 1, u(0) = 1, 2 u'(1) = 3: u = 1 + 2 x - x^2/4, exact at the vertices."""
    mesh = MeshLine().refined(3).with_boundaries({"start": lambda x: x[0] == 0, "end": lambda x: x[0] == 1})
    solution = solve_elliptic(macro_basis(mesh, element()), ExactClosure(2.0), 1.0, {"start": 1.0}, {"end": 3.0})
    x = mesh.p
    np.testing.assert_allclose(solution.at(x), (1 + 2 * x - x**2 / 4)[0], atol=1e-13)


@pytest.mark.parametrize("element", [ElementLineP1, ElementLineP2])
def test_exchange_on_one_end(element):
    """-u'' = 0, u(0) = 1, u'(1) = 2 (4 - u(1)): u = 1 + 2 x."""
    mesh = MeshLine().refined(3).with_boundaries({"start": lambda x: x[0] == 0, "end": lambda x: x[0] == 1})
    solution = solve_elliptic(macro_basis(mesh, element()), ExactClosure(1.0), 0.0, robin={"end": (2.0, 4.0)})
    np.testing.assert_allclose(solution.at(mesh.p), 8 / 3 * mesh.p[0], atol=1e-13)  # the rest: u(0) = 0
    solution = solve_elliptic(
        macro_basis(mesh, element()), ExactClosure(1.0), 0.0, {"start": 1.0}, robin={"end": (2.0, 4.0)}
    )
    np.testing.assert_allclose(solution.at(mesh.p), 1 + 2 * mesh.p[0], atol=1e-13)


def test_exchange_alone_fixes_the_solution():
    """With alpha = 1 everywhere and f = 1 on the unit square the mean over the boundary is u_inf + area/length."""
    solution = coarse_solution(dirichlet=None, robin=(1.0, 2.0))
    boundary = solution.basis.boundary()
    mean = skfem.Functional(lambda w: w.u).assemble(boundary, u=solution.u) / 4
    np.testing.assert_allclose(mean, 2.25, rtol=1e-12)


@pytest.mark.parametrize(("mesh", "element"), [(MeshTri, ElementTriP2), (MeshQuad, ElementQuad2)])
def test_all_kinds_of_boundary_data_at_once(mesh, element):
    """A quadratic field with a full tensor: quadratic elements reproduce it from any mixture of boundary data."""
    A = TENSOR[2]

    def exact(x):
        return 1 + x[0] - 2 * x[1] + x[0] ** 2 + 0.5 * x[0] * x[1] - x[1] ** 2

    def flux(x):
        return A @ np.array([1 + 2 * x[0] + 0.5 * x[1], -2 + 0.5 * x[0] - 2 * x[1]])

    source = -(2 * A[0, 0] + 0.5 * (A[0, 1] + A[1, 0]) - 2 * A[1, 1])
    basis = macro_basis(mesh().refined(2).with_boundaries(SIDES), element())

    def outside(x):  # on the top, sigma.n = alpha (u_inf - U) with alpha = 1 + x0
        return exact(x) + flux(x)[1] / (1 + x[0])

    common = {"neumann": {"right": lambda x: flux(x)[0]}, "robin": {"top": (lambda x: 1 + x[0], outside)}}
    for dirichlet in ({"left": exact, "bottom": exact}, exact):
        solution = solve_elliptic(basis, ExactClosure(A), source, dirichlet, **common)
        assert solution.error(exact) < 1e-11
    solution = solve_elliptic(
        basis,
        ExactClosure(A),
        source,
        {"left": exact},
        {"right": lambda x: flux(x)[0], "top": lambda x: flux(x)[1], "bottom": lambda x: -flux(x)[1]},
    )
    assert solution.error(exact) < 1e-11


def test_a_boundary_that_is_not_named_lets_nothing_through():
    solution = coarse_solution(dirichlet={"left": 2.0, "right": 5.0})
    x = solution.basis.mesh.p
    np.testing.assert_allclose(solution.u, (2 + 3.5 * x[0] - x[0] ** 2 / 2), atol=1e-12)


def test_unnamed_neumann_data_hold_on_the_rest():
    """u = x0 lets 1 out on the right and nothing through bottom and top."""
    basis = macro_basis(unit_square(3), ElementTriP1())

    def outflow(x):
        return np.where(x[0] > 1 - 1e-9, 1.0, 0.0)

    solution = solve_elliptic(basis, ExactClosure(1.0), 0.0, {"left": 0.0}, outflow)
    np.testing.assert_allclose(solution.u, basis.doflocs[0], atol=1e-12)


def test_elements_whose_dofs_are_not_point_values():
    basis = macro_basis(unit_square(2), skfem.ElementTriMini())
    solution = solve_elliptic(basis, ExactClosure(TENSOR[2]), 0.0, lambda x: x[0] - 2 * x[1], initial=lambda x: x[0])
    assert solution.error(lambda x: x[0] - 2 * x[1]) < 1e-12


# -- the dialogue --------------------------------------------------------------------------------------------------------


def test_a_linear_closure_converges_in_one_update():
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())
    closure = CellClosure(lambda x, y: medium(x, y) + x[1] ** 2, CellProblem(dim=2, n=8))
    solution = solve_elliptic(basis, closure, 1.0)
    first, second = solution.history
    assert first.micro_solves == solution.micro_solves == basis.mesh.nelements
    assert first.iterations > 0 and first.update == np.abs(solution.u).max()
    assert second.residual < 1e-13 and second.update == second.micro_solves == second.iterations == 0
    frozen = closure(*hmm.macro.restrict(basis, solution.u)).d_dgrad
    np.testing.assert_allclose(
        solution.u, solve_elliptic(basis, lambda x, u, g: (np.einsum("ijk,jk->ik", frozen, g), 0.0, frozen), 1.0).u
    )


def test_the_loop_can_be_written_by_hand():
    """The four phases are functions that a reader can call one after the other."""
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())
    load = skfem.LinearForm(lambda v, w: v).assemble(basis)
    u, free = basis.zeros(), basis.complement_dofs(basis.get_dofs())
    state = hmm.macro.restrict(basis, u)
    answer = hmm.macro.micro_solve(ExactClosure(2.0), state)
    force, _, tangent = hmm.macro.reconstruct(basis, answer)
    u = u + hmm.macro.update(tangent, force - load, free)
    np.testing.assert_allclose(u, solve_elliptic(basis, ExactClosure(2.0), 1.0).u, atol=1e-14)


def test_initial_states():
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())
    reference = solve_elliptic(basis, ExactClosure(NONLINEAR.A), NONLINEAR.f)
    for initial in (reference, reference.u, reference.at):
        solution = solve_elliptic(basis, ExactClosure(NONLINEAR.A), NONLINEAR.f, initial=initial)
        assert len(solution.history) == 1
    assert len(solve_elliptic(basis, ExactClosure(1.0), 1.0, initial=3.0).history) == 2


def test_a_plain_function_closes_the_problem():
    """A nonlinear flux (1 + |G|^2) G in one dimension, f = 0: the solution is linear whatever the law."""

    def hardening(x, u, grad):
        return (1 + grad**2) * grad, 0.0, (1 + 3 * grad**2)[None]

    mesh = MeshLine().refined(3).with_boundaries({"start": lambda x: x[0] == 0, "end": lambda x: x[0] == 1})
    solution = solve_elliptic(macro_basis(mesh, ElementLineP1()), hardening, 0.0, {"start": 0.0, "end": 2.0})
    np.testing.assert_allclose(solution.u, 2 * mesh.p[0], atol=1e-10)
    np.testing.assert_allclose(solution.flux, 10.0, rtol=1e-9)


def test_nothing_to_solve():
    """One element, all of whose dofs are given; and a constant field, whose forces all vanish."""
    basis = macro_basis(MeshTri.init_refdom(), ElementTriP1())
    solution = solve_elliptic(basis, ExactClosure(1.0), 1.0, lambda x: x[0])
    np.testing.assert_array_equal(solution.u, basis.doflocs[0])
    assert len(solve_elliptic(basis, ExactClosure(1.0), 0.0).history) == 1
    constant = solve_elliptic(macro_basis(MeshTri().refined(3), ElementTriP1()), ExactClosure(1.0), 0.0, 1e6)
    np.testing.assert_allclose(constant.u, 1e6, rtol=1e-13)


def test_progress_counts_sampling_points(capsys):
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())
    closure = CellClosure(medium, CellProblem(dim=2, n=4))
    quiet = solve_elliptic(basis, closure, 1.0)
    assert capsys.readouterr().err == ""
    loud = solve_elliptic(basis, closure, 1.0, progress=True)
    shown = capsys.readouterr().err
    assert "128/128" in shown and "dialogue 1" in shown
    np.testing.assert_allclose(loud.u, quiet.u, rtol=1e-12)


# -- the solution at points ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mesh", "element", "points", "degree"), SPACES, ids=IDS)
def test_values_and_gradients_anywhere(mesh, element, points, degree):
    mesh = bent(mesh().refined(2))
    d = mesh.dim()
    slope = np.array([1.5, -2.0, 0.5])[:d]
    solution = solve_elliptic(macro_basis(mesh, element()), ExactClosure(1.0), 0.0, lambda x: slope @ x)
    inside = np.random.default_rng(3).random((d, 40, 5))
    np.testing.assert_allclose(solution.at(inside), np.einsum("i,i...", slope, inside), atol=1e-12)
    assert solution.at(np.full(d, 0.3)).shape == ()
    assert solution.at(np.zeros((d, 0))).shape == (0,)
    gradient = solution.gradient_at(inside)
    np.testing.assert_allclose(gradient, np.broadcast_to(slope[:, None, None], inside.shape), atol=1e-10)
    facets = mesh.facets[:, mesh.boundary_facets()]
    for edge in (mesh.p, mesh.p[:, facets].mean(axis=1)):
        np.testing.assert_allclose(solution.at(edge), slope @ edge, atol=1e-12)


def test_points_in_very_thin_elements():
    mesh = MeshTri.init_tensor(np.linspace(0, 1, 4), np.linspace(0, 1, 60) ** 3)
    solution = solve_elliptic(macro_basis(mesh, ElementTriP1()), ExactClosure(1.0), 0.0, lambda x: x[0] - x[1])
    points = np.random.default_rng(4).random((2, 2000))
    np.testing.assert_allclose(solution.at(points), points[0] - points[1], atol=1e-10)


def test_points_in_curved_elements():
    mesh = skfem.MeshTri2.init_circle(2)
    solution = solve_elliptic(macro_basis(mesh, ElementTriP2()), ExactClosure(1.0), 4.0)
    assert abs(solution.at([0.0, 0.0]) - 1) < 2e-3
    angle = np.linspace(0, 2 * np.pi, 50)
    points = 0.98 * np.array([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(solution.at(points), 1 - 0.98**2, atol=1e-3)


def test_points_outside_are_refused():
    square = coarse_solution()
    for outside in ([1.2, 0.5], [50.0, 0.5], [0.5, 1 + 1e-6]):
        with pytest.raises(ValueError, match=r"1 points are outside the mesh"):
            square.at(np.array([[0.5, 0.5], outside]).T)
    corner = MeshTri.init_lshaped().refined(2)
    solution = solve_elliptic(macro_basis(corner, ElementTriP1()), ExactClosure(1.0), 1.0)
    with pytest.raises(ValueError, match="outside the mesh"):
        solution.gradient_at([0.05, 0.05])
    for bad in ([0.5], 0.5, [[0.5, np.nan], [0.5, 0.5]]):
        with pytest.raises(ValueError, match="points"):
            square.at(bad)


# -- reconstruction ------------------------------------------------------------------------------------------------------


def harmonic(x, y):
    return 1 / (2 + np.cos(2 * np.pi * y[0])) + 0 * x[0]


def test_reconstruction_in_one_dimension():
    """Reference 2 without its quadratic term: u = U + eps chi(x/eps) U', chi = sin(2 pi y)/(4 pi) up to a constant."""
    eps, basis = 0.05, macro_basis(MeshLine().refined(6), ElementLineP2())
    solution = solve_elliptic(basis, CellClosure(harmonic, CellProblem(dim=1, n=64)), 1.0)
    x = np.linspace(0, 1, 333)[None]
    expected = x - x**2 + eps / (4 * np.pi) * np.sin(2 * np.pi * x / eps) * (1 - 2 * x)
    np.testing.assert_allclose(solution.reconstruct(x, eps), expected[0], atol=eps * 1e-3)


@pytest.mark.parametrize(
    ("options", "accuracy"),
    [
        ({"n": 32}, 2e-3),
        ({"n": 32, "size": 2}, 2e-3),
        ({"n": 16, "scheme": "fourier"}, 1e-4),
        ({"n": 32, "offset": 0.3}, 2e-3),
    ],
)
@pytest.mark.parametrize("frozen", [True, False])
def test_reconstruction_of_a_laminate(options, accuracy, frozen):
    """Laminate in y0 with amplitude 1 + x1: the corrector is that of one dimension, U = x0 + x1 is imposed."""
    eps = 0.125
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())

    def laminate(x, y):
        return harmonic(x, y) + 0 * x[1]

    closure = CellClosure(laminate, CellProblem(dim=2, **options), eps=None if frozen else eps)
    solution = solve_elliptic(basis, closure, 0.0, lambda x: x[0] + x[1])
    points = np.random.default_rng(5).random((2, 50, 4))
    # U = x0 + x1 up to the accuracy of the tensor, w_1 = sin(2 pi y0)/(4 pi), w_2 = 0
    expected = (
        solution.at(points) + eps * np.sin(2 * np.pi * points[0] / eps) / (4 * np.pi) * solution.gradient_at(points)[0]
    )
    np.testing.assert_allclose(solution.reconstruct(points, eps), expected, atol=eps * accuracy)


def test_reconstruction_uses_the_corrector_of_the_place():
    """With a(x, y) the correctors differ from element to element: compare with one solve per sampling point."""

    def turning(x, y):
        return 2 + np.cos(2 * np.pi * (y[0] + x[0])) * np.sin(2 * np.pi * (y[1] - 2 * x[1]))

    basis, eps = macro_basis(MeshTri().refined(2), ElementTriP2()), 0.1
    closure = CellClosure(turning, CellProblem(dim=2, n=8))
    solution = solve_elliptic(basis, closure, 1.0)
    sampling = np.asarray(basis.global_coordinates())
    for element, q in ((0, 0), (7, 2), (20, 1)):
        at = sampling[:, element, q]
        micro = closure.cell.solve(turning, at[:, None])
        index = (at / eps - micro.nodes[0]) / (micro.nodes[1] - micro.nodes[0])
        low, part = np.floor(index).astype(int), index % 1
        w = 0.0
        for shift in np.ndindex(2, 2):
            weight = np.prod(np.where(shift, part, 1 - part))
            w = w + weight * micro.correctors[:, 0, *((low + shift) % 8)]
        expected = solution.at(at) + eps * w @ solution.gradient_at(at)
        np.testing.assert_allclose(solution.reconstruct(at, eps), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"bc": "dirichlet"}, "dirichlet"),
        ({"bc": "neumann"}, "neumann"),
        ({"size": 1.5}, "1.5"),
        ({"buffer": 0.5}, "0.5"),
    ],
)
def test_reconstruction_is_refused_where_it_is_not_defined(options, named):
    basis = macro_basis(MeshTri().refined(1), ElementTriP1())
    solution = solve_elliptic(basis, CellClosure(medium, CellProblem(dim=2, n=4, **options)), 1.0)
    with pytest.raises(ValueError, match=f"periodic.*{named}"):
        solution.reconstruct([0.5, 0.5], 0.1)


def test_reconstruction_refuses_other_closures_and_bad_eps():
    with pytest.raises(ValueError, match="ExactClosure has no micro field"):
        coarse_solution().reconstruct([0.5, 0.5], 0.1)
    basis = macro_basis(MeshTri().refined(1), ElementTriP1())
    solution = solve_elliptic(basis, CellClosure(medium, CellProblem(dim=2, n=4), eps=0.1), 1.0)
    for eps in (0, -1, np.nan, np.inf, None):
        with pytest.raises(ValueError, match="eps"):
            solution.reconstruct([0.5, 0.5], eps)
    with pytest.raises(ValueError, match=r"eps=0.2, but .* eps=0.1"):
        solution.reconstruct([0.5, 0.5], 0.2)
    with pytest.raises(ValueError, match="outside"):
        solution.reconstruct([1.5, 0.5], 0.1)


# -- norms ---------------------------------------------------------------------------------------------------------------


def test_norms_of_a_known_difference():
    """U = 0 against x0^2 + x1 on the unit square: every norm by hand."""
    zero = coarse_solution(dirichlet=0.0)
    zero = type(zero)(0 * zero.u, zero.basis, zero.history, 0, 0 * zero.flux, zero.closure)

    def exact(x):
        return x[0] ** 2 + x[1]

    def gradient(x):
        return np.array([2 * x[0], 1 + 0 * x[0]])

    l2, semi = np.sqrt(1 / 5 + 1 / 3 + 1 / 3), np.sqrt(4 / 3 + 1)
    assert np.isclose(zero.error(exact), l2)
    assert np.isclose(zero.error(exact, "H1-semi", gradient=gradient), semi)
    assert np.isclose(zero.error(exact, "H1", gradient=gradient), np.hypot(l2, semi))
    tensors = {np.sqrt(3 * 4 / 3 + 2): np.diag([3.0, 2.0]), semi * 2: 4.0, np.sqrt(1 + 1 / 2): lambda x: x[0]}
    for value, tensor in tensors.items():
        assert np.isclose(zero.error(exact, "energy", gradient=gradient, tensor=tensor), value)
    assert np.isclose(zero.error(exact, relative=True), 1.0)
    assert np.isclose(zero.error(2.0), 2.0)
    assert np.isclose(zero.error(exact, intorder=2), l2, rtol=0.01)


def test_two_solutions_are_compared_on_the_finer_mesh():
    coarse, fine = (
        solve_elliptic(macro_basis(MeshTri().refined(r), ElementTriP1()), ExactClosure(1.0), 1.0) for r in (3, 6)
    )
    quadratic = solve_elliptic(macro_basis(MeshTri().refined(3), ElementTriP2()), ExactClosure(1.0), 1.0)
    for norm in ("L2", "H1", "energy"):
        against = coarse.error(fine, norm, tensor=1.0)
        np.testing.assert_allclose(against, fine.error(coarse, norm, tensor=1.0), rtol=1e-10)
        np.testing.assert_allclose(against, coarse.error(quadratic, norm, tensor=1.0), rtol=0.05)
    assert coarse.error(coarse, "H1") == 0


def test_what_error_refuses():
    solution = coarse_solution()
    for norm in ("H1", "H1-semi"):
        with pytest.raises(ValueError, match="gradient="):
            solution.error(lambda x: x[0], norm)
    with pytest.raises(ValueError, match="tensor="):
        solution.error(lambda x: x[0], "energy", gradient=lambda x: x)
    with pytest.raises(ValueError, match=r"norm='max' is not one of 'L2', 'H1', 'H1-semi', 'energy'"):
        solution.error(lambda x: x[0], "max")
    with pytest.raises(ValueError, match=r"exact = nan at x="):
        solution.error(lambda x: np.nan * x[0])
    with pytest.raises(ValueError, match="gradient returned shape"):
        solution.error(lambda x: x[0], "H1", gradient=lambda x: x[0])
    with pytest.raises(ValueError, match="relative"):
        solution.error(0.0, relative=True)
    with pytest.raises(ValueError, match="tensor"):
        solution.error(0.0, "energy", gradient=0.0, tensor=np.eye(3))


# -- files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".vtk", ".vtu", ".xdmf"])
@pytest.mark.parametrize(
    ("mesh", "element"), [(MeshLine, ElementLineP1), (MeshTri, ElementTriP2), (MeshHex, ElementHex1)]
)
def test_saved_files_hold_values_and_flux(tmp_path, suffix, mesh, element):
    meshio = pytest.importorskip("meshio")
    basis = macro_basis(mesh().refined(2), element())
    solution = solve_elliptic(basis, ExactClosure(2.0), 0.0, lambda x: x[0])
    solution.save(tmp_path / f"u{suffix}")
    found = meshio.read(tmp_path / f"u{suffix}")
    np.testing.assert_allclose(found.point_data["U"], found.points[:, 0], atol=1e-14)
    flux = np.concatenate(found.cell_data["flux"])
    np.testing.assert_allclose(flux, np.tile([2.0, 0, 0], (basis.mesh.nelements, 1)), atol=1e-12)


def test_saving_a_curved_mesh(tmp_path):
    meshio = pytest.importorskip("meshio")
    solution = solve_elliptic(
        macro_basis(skfem.MeshTri2.init_circle(2), ElementTriP2()), ExactClosure(1.0), 0.0, lambda x: x[1]
    )
    solution.save(tmp_path / "u.vtu")
    found = meshio.read(tmp_path / "u.vtu")
    np.testing.assert_allclose(found.point_data["U"], found.points[:, 1], atol=1e-13)


@pytest.mark.parametrize("suffix", [".msh", ".vtk"])
def test_a_mesh_from_a_file_is_a_macro_mesh(tmp_path, suffix):
    pytest.importorskip("meshio")
    original = unit_square(3)
    original.save(tmp_path / f"square{suffix}")
    mesh = MeshTri.load(tmp_path / f"square{suffix}")
    a = solve_elliptic(macro_basis(mesh, ElementTriP1()), ExactClosure(1.0), 1.0)
    b = solve_elliptic(macro_basis(original, ElementTriP1()), ExactClosure(1.0), 1.0)
    assert np.isclose(a.at([0.4, 0.3]), b.at([0.4, 0.3]), rtol=1e-12)
    with_names = MeshTri.load(tmp_path / f"square{suffix}")
    assert set(with_names.boundaries or {}) in (set(), set(original.boundaries))


def test_saving_refuses_what_it_cannot_write(tmp_path, monkeypatch):
    solution = coarse_solution()
    with pytest.raises(ValueError, match=r"\.vtk, \.vtu or \.xdmf"):
        solution.save(tmp_path / "u.png")
    monkeypatch.setitem(sys.modules, "meshio", None)
    with pytest.raises(ImportError, match="needs meshio: "):
        solution.save(tmp_path / "u.vtk")


# -- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mesh", "element", "error", "message"),
    [
        ("square", ElementTriP1(), TypeError, "not a scikit-fem mesh"),
        (MeshTri, ElementTriP1(), TypeError, "not a scikit-fem mesh"),
        (MeshTri(), ElementTriP1, TypeError, "not a scikit-fem element"),
        (MeshTri(np.zeros((2, 0)), np.zeros((3, 0), dtype=int)), ElementTriP1(), ValueError, "no elements"),
        (MeshTri(), ElementQuad1(), ValueError, "ElementQuad1"),
        (MeshTri(), ElementTetP1(), ValueError, "ElementTetP1"),
        (MeshTri(), skfem.ElementTriP0(), ValueError, "not H1-conforming"),
        (MeshTri(), skfem.ElementTriCR(), ValueError, "not H1-conforming"),
        (MeshTri(), skfem.ElementTriRT0(), ValueError, "not H1-conforming"),
        (MeshTri(), skfem.ElementTriMorley(), ValueError, "not H1-conforming"),
        (
            MeshTri(np.array([[0.0, 1, np.nan], [0, 0, 1]]), np.array([[0, 1, 2]]).T),
            ElementTriP1(),
            ValueError,
            "finite",
        ),
        (MeshTri(np.array([[0.0, 1, 2], [0, 0, 0]]), np.array([[0, 1, 2]]).T), ElementTriP1(), ValueError, "volume"),
        (skfem.MeshWedge1(), skfem.ElementWedge1(), ValueError, "macro meshes"),
    ],
)
def test_bad_spaces(mesh, element, error, message):
    with pytest.raises(error, match=message):
        macro_basis(mesh, element)


def test_vector_spaces_have_a_basis_and_refuse_scalar_laws():
    basis = macro_basis(MeshTri().refined(1), skfem.ElementVector(ElementTriP1()))
    assert basis.dx.shape[1] == 1
    with pytest.raises(ValueError, match=r"needs \(2, 2, 2, 2, 8\)"):
        solve_elliptic(basis, ExactClosure(np.eye(2)), 1.0)
    with pytest.raises(ValueError, match="several components"):
        solve_elliptic(basis, CellClosure(medium, CellProblem(dim=2, n=4)), 1.0)
    law = hmm.NonlinearCellClosure(hmm.laws.PowerLaw(medium, 3), CellProblem(dim=2, n=4))
    with pytest.raises(ValueError, match=r"\(2, 2, 2, 8, 64\) are needed"):
        solve_elliptic(basis, law, 1.0)


BAD_PROBLEMS = [
    ({"method": "bfgs"}, ValueError, r"method='bfgs' is not one of 'newton', 'picard'"),
    ({"dirichlet": {"roof": 0.0}}, ValueError, r"no boundary named 'roof'.*'bottom', 'left', 'right', 'top'"),
    ({"neumann": {"roof": 0.0}}, ValueError, r"neumann: .*'roof'"),
    ({"robin": {"roof": (1.0, 0.0)}}, ValueError, r"robin: .*'roof'"),
    ({"dirichlet": None}, ValueError, "no Dirichlet and no Robin"),
    ({"dirichlet": {}}, ValueError, "no Dirichlet and no Robin"),
    ({"dirichlet": None, "neumann": 1.0}, ValueError, "no Dirichlet and no Robin"),
    ({"dirichlet": None, "robin": {"left": (0.0, 1.0)}}, ValueError, "no Dirichlet and no Robin"),
    ({"neumann": 1.0}, ValueError, "dirichlet and neumann both claim"),
    (
        {"dirichlet": {"left": 1.0}, "neumann": {"left": 1.0}},
        ValueError,
        r"'left' is given both in dirichlet and in neumann",
    ),
    ({"robin": {"left": (-1.0, 1.0)}}, ValueError, "negative"),
    ({"robin": {"left": 1.0}}, ValueError, r"pair \(alpha, u_inf\)"),
    ({"robin": {"left": (np.nan, 1.0)}}, ValueError, r"alpha = nan"),
    ({"robin": {"left": (1.0, lambda x: x)}}, ValueError, r"u_inf returned shape"),
    ({"dirichlet": np.nan}, ValueError, r"dirichlet = nan at x="),
    ({"dirichlet": {"left": lambda x: 1 / (x[1] - x[1])}}, ValueError, r"dirichlet\['left'\] = "),
    ({"neumann": {"left": np.inf}}, ValueError, r"neumann\['left'\] = inf"),
    ({"dirichlet": "zero"}, TypeError, "dirichlet='zero'"),
    ({"dirichlet": lambda x: x}, ValueError, "dirichlet returned shape"),
    ({"source": np.nan}, ValueError, r"source = nan"),
    ({"source": lambda x: np.where(x[0] > 0.9, np.nan, 1.0)}, ValueError, r"source = nan at x="),
    ({"source": lambda x: x}, ValueError, r"source returned shape \(2, "),
    ({"source": lambda x: np.ones(3)}, ValueError, "source returned shape"),
    ({"source": lambda x: 1j}, ValueError, "source has values of type complex"),
    ({"source": None}, TypeError, "source=None"),
    ({"source": "one"}, TypeError, "source='one'"),
    ({"initial": np.zeros(3)}, ValueError, "initial has shape"),
    ({"initial": np.inf}, ValueError, "initial = inf"),
    ({"tol": 0.0}, ValueError, "tol"),
    ({"max_iter": 0}, ValueError, "max_iter"),
    ({"closure": ExactClosure(np.eye(3))}, ValueError, "mesh is 2D, but the closure is made for 3D"),
    (
        {"closure": CellClosure(medium, CellProblem(dim=1, n=4))},
        ValueError,
        "mesh is 2D, but the closure is made for 1D",
    ),
    ({"closure": 2.0}, TypeError, "closure=2.0"),
    ({"closure": lambda x, u, grad: (grad * np.nan, 0.0, np.eye(2))}, ValueError, "<lambda>: flux = .*must be finite"),
    ({"executor": 4}, TypeError, "submit"),
    ({"basis": MeshTri()}, TypeError, "macro_basis"),
]


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize(("change", "error", "message"), BAD_PROBLEMS)
def test_bad_problems(change, error, message):
    problem = {
        "basis": macro_basis(unit_square(2), ElementTriP1()),
        "closure": ExactClosure(1.0),
        "source": 1.0,
    } | change
    with pytest.raises(error, match=message):
        solve_elliptic(**problem)


def test_boundary_names_of_a_mesh_without_any():
    with pytest.raises(ValueError, match=r"with_boundaries"):
        solve_elliptic(macro_basis(MeshTri(), ElementTriP1()), ExactClosure(1.0), 1.0, {"left": 0.0})


def test_an_empty_named_boundary():
    mesh = MeshTri().refined(1).with_boundaries({"nowhere": lambda x: x[0] > 5})
    with pytest.raises(ValueError, match="no facets"):
        solve_elliptic(macro_basis(mesh, ElementTriP1()), ExactClosure(1.0), 1.0, {"nowhere": 0.0})


def test_a_medium_that_raises_is_heard():
    def broken(x, y):
        raise ZeroDivisionError("no such material")

    basis = macro_basis(MeshTri().refined(1), ElementTriP1())
    with pytest.raises(ValueError, match="no such material"):
        solve_elliptic(basis, CellClosure(broken, CellProblem(dim=2, n=4)), 1.0)


def test_no_convergence_raises_with_the_residuals():
    basis = macro_basis(MeshTri().refined(3), ElementTriP1())
    with pytest.raises(ConvergenceError, match=r"in 2 updates; relative residuals 1.0e\+00, "):
        solve_elliptic(basis, ExactClosure(NONLINEAR.A), NONLINEAR.f, max_iter=2)


def test_a_singular_tangent_raises():
    basis = macro_basis(MeshTri().refined(2), ElementTriP1())
    with pytest.raises(ConvergenceError, match="singular"):
        solve_elliptic(basis, lambda x, u, grad: (0 * grad, 0.0, np.zeros((2, 2))), 1.0)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_state_that_overflows_is_an_error():
    def runaway(x, u, grad):
        return grad, 0.0, 1e-300 * np.eye(2)

    basis = macro_basis(MeshTri().refined(2), ElementTriP1())
    with pytest.raises((ConvergenceError, ValueError), match="finite"):
        solve_elliptic(basis, runaway, 1e20)


def test_the_macro_solver_does_not_need_meshio_or_dask():
    code = "import sys, hmm_core.macro; assert not {'meshio', 'distributed', 'tqdm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
