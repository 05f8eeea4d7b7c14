"""Nonlinear cells and the dialogue that iterates: closed forms, tangents, orders, adaptivity, degenerate laws, bad input."""

import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import skfem
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import hmm_core as hmm
from hmm_core.closure import ask
from hmm_core.media.laws import PowerLaw, Quasilinear, WithDerivatives
from hmm_core.micro import newton
from hmm_core.micro.nonlinear import solve_nonlinear

TWO_PI = 2 * np.pi
BOUNDARIES = ("periodic", "dirichlet", "neumann")


def sin(t):
    return np.sin(TWO_PI * t)


def cos(t):
    return np.cos(TWO_PI * t)


def wavy(x, y):
    """A smooth conductivity of contrast about 8 in any dimension."""
    value = 1.6 + sin(y[0]) + 0.2 * x[0]
    return value if len(y) == 1 else value * (1.5 + 0.8 * cos(y[1]))


def layers(x, y):
    """Reference 6: (2 + cos)^-2, whose effective coefficient for p = 3 is 1/4."""
    return (2 + cos(y[0])) ** -2 + 0 * y[-1]


def power_mean(a, p):
    t = (np.arange(4000) + 0.5) / 4000
    return (a(t) ** (-1 / (p - 1))).mean() ** -(p - 1)


def skewed(x, y, u, xi):
    """A flux without potential: its tangent is not symmetric."""
    size = 1 + (xi * xi).sum(axis=0)
    turned = np.stack([xi[1], -xi[0], *(0 * xi[2:])])
    return wavy(x, y) * np.exp(0.4 * u) * np.sqrt(size) * xi + 0.7 * cos(y[0]) * np.sqrt(size) * turned


def stiffening(x, y, u, xi):
    return wavy(x, y) * (1 + u**2) * xi * np.sqrt(1 + (xi * xi).sum(axis=0))


def heated(x, y, u):
    return wavy(x, y) * np.exp(u * cos(y[0]) / 2) + 0.3 * u**2


LAWS = {
    "p=3": PowerLaw(wavy, 3.0),
    "p=1.5": PowerLaw(wavy, 1.5),
    "conductivity": Quasilinear(heated),
    "stiffening": WithDerivatives(stiffening),
    "skewed": WithDerivatives(skewed),
}
CELLS = {
    **{bc: {"bc": bc} for bc in BOUNDARIES},
    "window": {"bc": "dirichlet", "size": 1.7, "window": ("smooth", 2)},
    "periodic window": {"window": ("smooth", 1)},
    "buffer": {"bc": "neumann", "size": 1.3, "buffer": 0.25},
    "one-sided": {"bc": "dirichlet", "offset": 0.5, "buffer": 0.2},
    "flux alone": {"bc": "dirichlet", "average": "flux", "buffer": 0.3},
    "fourier": {"scheme": "fourier"},
}


def states(d, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((d, count)), rng.normal(size=count), rng.normal(size=(d, count))


def differences(cell, law, x, u, grad, eps=None, step=2e-5):
    """Tangents by central differences of the answer itself."""

    def flux(du, dgrad):
        return solve_nonlinear(cell, law, x, u + du, grad + dgrad, eps).flux

    directions = step * np.eye(len(x))[:, :, None]
    d_dgrad = np.stack([(flux(0, e) - flux(0, -e)) / (2 * step) for e in directions], axis=1)
    return (flux(step, 0) - flux(-step, 0)) / (2 * step), d_dgrad


# -- closed forms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("p", [1.3, 1.5, 3.0, 5.0])
def test_power_law_on_a_line(p, bc):
    cell = hmm.CellProblem(dim=1, n=16, bc=bc)
    grad = np.array([[1.0, -0.3, 2.5]])
    micro = solve_nonlinear(cell, PowerLaw(layers, p), np.zeros((1, 3)), np.zeros(3), grad)
    star = 0.25 if p == 3 else power_mean(lambda t: (2 + cos(t)) ** -2, p)
    np.testing.assert_allclose(micro.flux, star * np.abs(grad) ** (p - 2) * grad, rtol=1e-10)
    np.testing.assert_allclose(micro.d_dgrad[0], (p - 1) * star * np.abs(grad) ** (p - 2), rtol=1e-9)
    assert not micro.iterations.any() and not micro.d_du.any()


def test_a_window_on_a_line_is_a_window_on_the_constitutive_law():
    """With flux c everywhere, <(c/a)^(1/2)>_w = G: reference 4 with another mean."""
    cell = hmm.CellProblem(dim=1, n=32, size=2.5, window=("smooth", 1))
    micro = solve_nonlinear(cell, PowerLaw(layers, 3.0), np.zeros((1, 1)), np.zeros(1), np.array([[2.0]]))
    # <2 + cos>_1 = 1/0.498456704617 (reference 4), and sqrt(1/a) = 2 + cos
    assert micro.flux[0, 0] == pytest.approx((2.0 * 0.498456704617) ** 2, rel=1e-10)


@pytest.mark.parametrize("grad", [(1.0, 0.0), (0.0, 1.0), (0.8, -1.3)])
def test_power_law_in_layers(grad):
    """Across layers xi_1 varies so that a |xi| xi_1 = c, and <xi_1> = G_1; along them xi_2 = G_2. Solved by bisection."""
    t = (np.arange(512) + 0.5) / 512
    a, p = (2 + cos(t)) ** -2, 3.0

    def across(c):
        square = (np.sqrt(grad[1] ** 4 + 4 * (c / a) ** 2) - grad[1] ** 2) / 2
        return np.sign(c) * np.sqrt(square)

    c = brentq(lambda c: across(c).mean() - grad[0], -3, 3, xtol=1e-15) if grad[0] else 0.0
    xi = np.stack([across(c), np.full_like(t, grad[1])])
    exact = (a * np.sqrt((xi * xi).sum(axis=0)) * xi).mean(axis=1)
    error = []
    for n in (8, 16, 32):
        micro = solve_nonlinear(
            hmm.CellProblem(n=n), PowerLaw(layers, p), np.zeros((2, 1)), np.zeros(1), np.array(grad)[:, None]
        )
        error.append(np.abs(micro.flux[:, 0] - exact).max())
    assert error[-1] < 2e-3
    if grad[0]:
        np.testing.assert_allclose(np.log2(np.divide(error[:-1], error[1:])), 2, atol=0.1)
    spectral = hmm.CellProblem(n=32, scheme="fourier", tol=1e-11)
    micro = solve_nonlinear(spectral, PowerLaw(layers, p), np.zeros((2, 1)), np.zeros(1), np.array(grad)[:, None])
    np.testing.assert_allclose(micro.flux[:, 0], exact, atol=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("options", CELLS.values(), ids=CELLS)
def test_a_linear_law_is_a_linear_cell_problem(dim, options):
    cell = hmm.CellProblem(dim=dim, n=6, tol=1e-9, **options)
    x, u, grad = states(dim)
    law = Quasilinear(lambda x, y, u: wavy(x, y) + 0 * u, lambda x, y, u: 0 * u)
    micro, linear = solve_nonlinear(cell, law, x, u, grad), cell.solve(wavy, x)
    np.testing.assert_allclose(micro.d_dgrad, linear.tensor, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(micro.flux, np.einsum("ijk,jk->ik", linear.tensor, grad), rtol=1e-7, atol=1e-8)
    assert not micro.d_du.any() and micro.newton.max() <= 6
    if (
        cell.average == "ratio" and cell.bc != "neumann"
    ):  # elsewhere a corrector is another thing, or normalised otherwise
        field = np.einsum("jk...,jk->k...", linear.correctors, grad)
        if cell.window == "box" and not cell.buffer:
            np.testing.assert_allclose(micro.corrector(cell), field, atol=1e-4)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("tol", [1e-2, 1e-8])
@pytest.mark.parametrize("dim", [1, 2])
def test_a_large_contrast_is_not_taken_for_a_law_that_degenerates(dim, tol, bc):
    """Across layers the weak ones decide alone: a tangent lifted there would be wrong by as much as it is lifted."""

    def a(x, y):
        return np.where(y[0] % 1 < 0.5, 1.0, 1e-9) + 0 * y[-1]

    cell = hmm.CellProblem(dim=dim, n=8, bc=bc, tol=tol)
    grad = np.eye(dim)[:, :1]
    micro = solve_nonlinear(cell, Quasilinear(lambda x, y, u: a(x, y) + 0 * u), np.zeros((dim, 1)), np.zeros(1), grad)
    tensor = cell.effective_tensor(a)
    np.testing.assert_allclose(micro.d_dgrad[..., 0], tensor, rtol=1e-6, atol=1e-16)
    np.testing.assert_allclose(micro.flux, tensor[:, :1], rtol=1e-5, atol=1e-16)
    if dim == 1:
        assert tensor[0, 0] == pytest.approx(2 / (1 + 1e9), rel=1e-9)


@pytest.mark.parametrize("scheme", ["q1", "fourier"])
def test_layers_whose_tangent_vanishes(scheme):
    """Every other one has yielded: along them flux and tangent are those of the others, and across them there is none."""

    def law(x, y, u, xi):
        size = np.sqrt((xi * xi).sum(axis=0))
        unit, beyond = xi / size, np.maximum(size - np.where(y[0] % 1 < 0.5, 0.5, 2.0), 0.0)
        across = np.eye(2)[:, :, None, None] - unit[:, None] * unit
        return beyond * unit, np.zeros((2, 1, 1)), (beyond > 0) * unit[:, None] * unit + beyond / size * across

    micro = solve_nonlinear(
        hmm.CellProblem(n=8, scheme=scheme), law, np.zeros((2, 1)), np.zeros(1), np.array([[0.0], [1.0]])
    )
    np.testing.assert_allclose(micro.flux[:, 0], [0, 0.25], atol=1e-12)
    np.testing.assert_allclose(micro.d_dgrad[..., 0], np.diag([0, 0.5]), atol=1e-12)


def test_the_slow_variable_within_the_sample():
    """With eps the law is asked at x + eps eta and x/eps + eta, as a medium is."""
    x, u, grad = states(2)
    cell, eps = hmm.CellProblem(n=6, size=1.5, bc="dirichlet", offset=0.5), 0.05
    law = Quasilinear(lambda x, y, u: wavy(x, y) + 0 * u, lambda x, y, u: 0 * u)
    np.testing.assert_allclose(
        solve_nonlinear(cell, law, x, u, grad, eps).d_dgrad, cell.effective_tensor(wavy, x, eps), rtol=1e-6, atol=1e-7
    )


# -- the consistent tangent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dim", "law"), [(dim, law) for dim in (1, 2) for law in LAWS if dim > 1 or law != "skewed"]
)  # one dimension has no rotation
@pytest.mark.parametrize("options", CELLS.values(), ids=CELLS)
def test_tangent_against_differences(dim, law, options):
    cell = hmm.CellProblem(dim=dim, n=8, tol=1e-11, **options)
    x, u, grad = states(dim)
    micro = solve_nonlinear(cell, LAWS[law], x, u, grad)
    d_du, d_dgrad = differences(cell, LAWS[law], x, u, grad)
    np.testing.assert_allclose(micro.d_dgrad, d_dgrad, rtol=1e-6, atol=1e-6 * np.abs(d_dgrad).max())
    np.testing.assert_allclose(micro.d_du, d_du, rtol=1e-6, atol=1e-6 * max(1, np.abs(d_du).max()))


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("options", CELLS.values(), ids=CELLS)
def test_flux_and_tangent_are_as_accurate_as_asked(law, options, tol):
    x, u, grad = states(2, 8, seed=7)
    cell = hmm.CellProblem(n=8, tol=1e-12, **options)
    exact, asked = (solve_nonlinear(cell, LAWS[law], x, u, grad, tol=t) for t in (1e-12, tol))
    for name, factor in (("flux", 1), ("d_dgrad", 10), ("d_du", 10)):
        size = np.abs(getattr(exact, name)).max()
        assert np.abs(getattr(asked, name) - getattr(exact, name)).max() <= factor * tol * size


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("law", ["stiffening", "skewed"])
def test_tangent_against_differences_in_three_dimensions(bc, law):
    cell = hmm.CellProblem(dim=3, n=5, bc=bc, tol=1e-10)
    x, u, grad = states(3, 1)
    micro = solve_nonlinear(cell, LAWS[law], x, u, grad)
    d_du, d_dgrad = differences(cell, LAWS[law], x, u, grad)
    np.testing.assert_allclose(micro.d_dgrad, d_dgrad, atol=1e-6 * np.abs(d_dgrad).max())
    np.testing.assert_allclose(micro.d_du, d_du, atol=1e-6 * np.abs(d_du).max())


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_a_potential_makes_the_tangent_symmetric(bc):
    cell = hmm.CellProblem(n=8, bc=bc, tol=1e-10)
    x, u, grad = states(2)
    with_potential = solve_nonlinear(cell, LAWS["p=3"], x, u, grad).d_dgrad
    without = solve_nonlinear(cell, LAWS["skewed"], x, u, grad).d_dgrad
    np.testing.assert_allclose(with_potential, with_potential.swapaxes(0, 1), rtol=1e-8, atol=1e-9)
    assert np.abs(without - without.swapaxes(0, 1)).max() > 1e-3
    assert (np.linalg.eigvalsh(np.moveaxis(with_potential, -1, 0)) > 0).all()


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("power", [2, 4])
@pytest.mark.parametrize("mean", [0.0, 1e-12, 1e-9, 1e-6, 1e-3])
def test_forces_at_rest_that_balance_to_almost_no_flux(dim, power, mean):
    """j = a(y) |e|^(p-2) e, e = xi + grad psi: the micro field takes psi away, and what is left of j is round-off or little."""

    def law(x, y, u, xi):
        shift = np.stack([cos(y[0]) + 0 * u, *(0 * xi[1:])])
        return PowerLaw(layers, power, delta=1.0)(x, y, u, xi + shift)

    grad = mean * np.eye(dim)[:, :1]
    cell = hmm.CellProblem(dim=dim, n=8, scheme="fourier", tol=1e-10)
    micro = solve_nonlinear(cell, law, np.zeros((dim, 1)), np.zeros(1), grad)
    plain = cell.effective_tensor(layers)  # where |e| << 1 the law is linear
    np.testing.assert_allclose(micro.flux, plain @ grad, rtol=1e-5, atol=1e-15)
    np.testing.assert_allclose(micro.d_dgrad[..., 0], plain, rtol=1e-5, atol=1e-15)
    assert micro.newton.max() <= 12


# -- invariants ------------------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    p=st.floats(1.4, 4.0),
    angle=st.floats(0, 6.28),
    size=st.floats(0.01, 100),
    values=st.lists(st.floats(0.2, 5.0), min_size=9, max_size=9),
)
def test_bounds_homogeneity_and_the_order_of_boundary_conditions(p, angle, size, values):
    """<a^(-1/(p-1))>^(-(p-1)) <= F.G/|G|^p <= <a>; Neumann <= periodic <= Dirichlet; F(sG) = s^(p-1) F(G)."""
    tiles = np.array(values).reshape(3, 3)

    def a(x, y):
        return tiles[tuple(np.floor((c + 0.5) * 3 + 1e-9).astype(int) % 3 for c in y)]

    grad = size * np.array([[np.cos(angle)], [np.sin(angle)]])
    work = {}
    for bc in BOUNDARIES:
        cell = hmm.CellProblem(n=6, bc=bc, tol=1e-8)
        flux = solve_nonlinear(cell, PowerLaw(a, p), np.zeros((2, 1)), np.zeros(1), grad).flux
        scaled = solve_nonlinear(cell, PowerLaw(a, p), np.zeros((2, 1)), np.zeros(1), 3 * grad).flux
        np.testing.assert_allclose(scaled, 3 ** (p - 1) * flux, rtol=1e-6, atol=1e-6 * np.abs(scaled).max())
        work[bc] = (flux * grad).sum() / size**p
    slack = 1 + 1e-6
    assert power_mean(lambda t: tiles.ravel()[(t * 9).astype(int)], p) <= work["neumann"] * slack
    assert work["neumann"] <= work["periodic"] * slack <= work["dirichlet"] * slack**2 <= tiles.mean() * slack**3


def test_a_power_law_is_homogeneous_across_scales_in_one_batch():
    """Fluxes between 1 and 10^-30 in one batch: each problem has its own scale."""
    grad = np.array([[1.0], [0.5]]) * 10.0 ** np.arange(0, -8, -2)
    flux = solve_nonlinear(hmm.CellProblem(n=8), PowerLaw(wavy, 6.0), np.zeros((2, 4)), np.zeros(4), grad).flux
    np.testing.assert_allclose(flux / grad[0] ** 5, np.repeat(flux[:, :1], 4, axis=1), rtol=1e-8)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("options", [{}, {"size": 1.4, "buffer": 0.2, "window": ("smooth", 1)}])
def test_on_a_homogeneous_law_every_cell_answers_the_law_itself(bc, options):
    law = PowerLaw(lambda x, y: 2.0 + 0 * y[0], 3.0)
    x, u, grad = states(2)
    micro = solve_nonlinear(hmm.CellProblem(n=6, bc=bc, **options), law, x, u, grad)
    size = np.sqrt((grad * grad).sum(axis=0))
    np.testing.assert_allclose(micro.flux, 2 * size * grad, rtol=1e-7)
    exact = 2 * size * (np.eye(2)[:, :, None] + grad[:, None] * grad / size**2)
    np.testing.assert_allclose(micro.d_dgrad, exact, rtol=1e-7, atol=1e-8)


def test_an_answer_does_not_depend_on_its_company(monkeypatch):
    """Symmetric and other tangents in one batch, chunks of any size, one point alone: the same numbers."""

    def law(x, y, u, xi):
        turned = np.stack([xi[1], -xi[0]])
        j = wavy(x, y) * xi + np.where(x[0] > 0.5, 0.5, 0.0) * cos(y[1]) * turned
        tangent = wavy(x, y) * np.eye(2)[:, :, None, None] + np.where(x[0] > 0.5, 0.5, 0.0) * cos(y[1]) * np.array(
            [[0.0, 1.0], [-1.0, 0.0]]
        ).reshape(2, 2, 1, 1)
        return j, 0 * xi, tangent

    x, u, grad = states(2, 7)
    cell = hmm.CellProblem(n=8)
    together = solve_nonlinear(cell, law, x, u, grad)
    monkeypatch.setattr(hmm.cell, "CHUNK", 2 * 2 * 64)
    for answer in (
        solve_nonlinear(cell, law, x, u, grad),
        *(solve_nonlinear(cell, law, x[:, k, None], u[k, None], grad[:, k, None]) for k in range(7)),
    ):
        which = slice(None) if answer.flux.shape[1] == 7 else [int(np.argmin(np.abs(x[0] - answer_x(answer, x))))]
        np.testing.assert_allclose(answer.flux, together.flux[:, which], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(answer.d_dgrad, together.d_dgrad[..., which], rtol=1e-13, atol=1e-14)


def answer_x(answer, x):
    """The first coordinate of the one point an answer is about, recognised by its gradient."""
    return x[0, int(np.argmin(np.abs(answer.memory["u"] - states(2, 7)[1])))]


# -- the dialogue ----------------------------------------------------------------------------------------------------------


def reference_22(x, y, u):
    first = (2 + sin(y[0])) * (1 + x[0] * np.sin(np.pi * u)) / np.sqrt(3)
    second = (2 + sin(y[1])) * (2 + np.arctan(u)) / np.sqrt(3)
    zero = np.zeros(np.broadcast_shapes(first.shape, second.shape))
    return np.array([[first + zero, zero], [zero, second + zero]])


def manufactured(x):
    return 8 * np.sin(np.pi * x[0]) * x[1] * (1 - x[1])


def manufactured_gradient(x):
    return np.array(
        [
            8 * np.pi * np.cos(np.pi * x[0]) * x[1] * (1 - x[1]),
            8 * np.sin(np.pi * x[0]) * (1 - 2 * x[1]),
        ]
    )


def manufactured_source(x):
    """-d_1(A_11 d_1 u) - d_2(A_22 d_2 u) for A* = diag(1 + x_1 sin(pi u), 2 + arctan u)."""
    u, (ux, uy) = manufactured(x), manufactured_gradient(x)
    uxx, uyy = -(np.pi**2) * u, -16 * np.sin(np.pi * x[0])
    first = np.sin(np.pi * u) * ux + x[0] * np.pi * np.cos(np.pi * u) * ux**2 + (1 + x[0] * np.sin(np.pi * u)) * uxx
    return -(first + uy**2 / (1 + u**2) + (2 + np.arctan(u)) * uyy)


def test_reference_22_the_tensor_and_its_derivative():
    closure = hmm.NonlinearCellClosure(Quasilinear(reference_22), hmm.CellProblem(n=20, scheme="fourier", tol=1e-10))
    x, u, grad = states(2, 5)
    flux, d_du, d_dgrad = closure(x, u, grad)
    star = np.array([1 + x[0] * np.sin(np.pi * u), 2 + np.arctan(u)])
    slope = np.array([x[0] * np.pi * np.cos(np.pi * u), 1 / (1 + u**2)])
    np.testing.assert_allclose(flux, star * grad, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(d_dgrad, star * np.eye(2)[:, :, None], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(d_du, slope * grad, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("element", "levels", "elements_per_period", "rates"),
    [
        (skfem.ElementTriP1(), (2, 3, 4), lambda level: 2**level, (2, 1)),
        (skfem.ElementTriP2(), (2, 3), lambda level: round(6 * 8 ** ((level - 2) / 2)), (3, 2)),
    ],
    ids=["P1", "P2"],
)
def test_reference_22_converges_at_optimal_rates_with_h_refined_with_H(element, levels, elements_per_period, rates):
    """Q1 cells, (h/eps)^2 ~ H^2 for P1 and H^3 for P2."""
    errors = []
    for level in levels:
        basis = hmm.macro_basis(skfem.MeshTri().refined(level), element)
        cell = hmm.CellProblem(n=elements_per_period(level))
        solution = hmm.solve_elliptic(
            basis, hmm.NonlinearCellClosure(Quasilinear(reference_22), cell), manufactured_source
        )
        errors.append(
            [
                solution.error(manufactured),
                solution.error(manufactured, "H1-semi", gradient=manufactured_gradient),
            ]
        )
    slopes = np.log2(np.divide(errors[:-1], errors[1:]))[-1]
    np.testing.assert_allclose(slopes, rates, atol=0.15)


@pytest.mark.parametrize("law", ["exponential", "power"])
def test_a_conductivity_that_separates_is_solved_by_kirchhoffs_transform(law):
    """a(y) k(U): with V the integral of k, sigma = A* grad V, so V solves a linear problem."""
    k, forward = {
        "exponential": (np.exp, lambda u: np.exp(u) - 1),
        "power": (lambda u: (1 + u) ** 3, lambda u: ((1 + u) ** 4 - 1) / 4),
    }[law]
    closure = hmm.NonlinearCellClosure(
        Quasilinear(lambda x, y, u: (2 + cos(y[0])) * k(u) + 0 * y[1]),
        hmm.CellProblem(n=20, scheme="fourier", tol=1e-10),
    )
    x, u, grad = states(2, 4)
    u = np.abs(u)
    flux, d_du, _ = closure(x, u, grad)
    star = np.diag([np.sqrt(3), 2.0])
    np.testing.assert_allclose(flux, k(u) * (star @ grad), rtol=1e-8)
    np.testing.assert_allclose(d_du, (k(u + 1e-6) - k(u - 1e-6)) / 2e-6 * (star @ grad), rtol=1e-6)

    fine = hmm.macro_basis(skfem.MeshTri().refined(5), skfem.ElementTriP2())
    V = hmm.solve_elliptic(fine, hmm.ExactClosure(star), 40.0)
    errors = []
    for level in (2, 3, 4):
        basis = hmm.macro_basis(skfem.MeshTri().refined(level), skfem.ElementTriP1())
        U = hmm.solve_elliptic(basis, closure, 40.0)
        rich = skfem.Basis(basis.mesh, basis.elem, intorder=6)
        points = np.asarray(rich.global_coordinates())
        gap = forward(np.asarray(rich.interpolate(U.u))) - V.at(points)
        errors.append(np.sqrt((gap**2 * rich.dx).sum()))
    assert errors[-1] < 0.03 and np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.2)


def p_laplace(eps=None):
    """a(y) |xi| xi; with eps, the material itself as a closure: what a resolved computation asks at its points."""

    def closure(x, u, grad):
        flux, _, tangent = PowerLaw(bumps, 3.0, delta=1e-4)(
            x[..., None], x[..., None] / eps, u[..., None], grad[..., None]
        )
        return flux[..., 0], np.zeros_like(grad), tangent[..., 0]

    return closure


def bumps(x, y):
    return 1.5 + sin(y[0]) * sin(y[1])


def test_p_laplacian_in_the_plane_against_a_resolved_solution():
    fine = hmm.macro_basis(skfem.MeshTri().refined(6), skfem.ElementTriP1())
    closure = hmm.NonlinearCellClosure(PowerLaw(bumps, 3.0), hmm.CellProblem(n=8))
    basis = hmm.macro_basis(skfem.MeshTri().refined(4), skfem.ElementTriP1())
    macro = hmm.solve_elliptic(basis, closure, 1.0)
    exponent = []
    for eps in (1 / 4, 1 / 8):
        resolved = hmm.solve_elliptic(fine, p_laplace(eps), 1.0, initial=macro.at(fine.doflocs))
        error, corrected = (
            np.sqrt(np.mean((resolved.at(POINTS) - values) ** 2)) / np.sqrt(np.mean(resolved.at(POINTS) ** 2))
            for values in (macro.at(POINTS), macro.reconstruct(POINTS, eps))
        )
        exponent.append((error, corrected))
    (coarse, corrected_coarse), (small, corrected_small) = exponent
    assert small < 0.015 and 0.7 < np.log2(coarse / small) < 1.6
    assert corrected_coarse < 0.6 * coarse and corrected_small < 0.8 * small


POINTS = 0.1 + 0.8 * np.random.default_rng(5).random((2, 2000))


def newton_order(history):
    """From the last three residuals that are not round-off: about 2 if each is the square of the one before."""
    residuals = [turn.residual for turn in history if turn.residual > 1e-13][-3:]
    return np.log(residuals[2] / residuals[1]) / np.log(residuals[1] / residuals[0])


@pytest.mark.parametrize("law", ["p=3", "conductivity", "stiffening", "skewed"])
def test_newton_is_quadratic_and_picard_is_not(law):
    basis = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1())
    closure = hmm.NonlinearCellClosure(LAWS[law], hmm.CellProblem(n=8, scheme="fourier"))
    source = 30.0 if law == "conductivity" else 4.0  # enough to make the problem nonlinear
    newton = hmm.solve_elliptic(basis, closure, source)
    picard = hmm.solve_elliptic(basis, closure, source, method="picard", max_iter=200)
    assert newton_order(newton.history) > 1.6
    assert newton_order(picard.history) < 1.4
    assert len(picard.history) > len(newton.history)
    assert picard.error(newton, relative=True) < 1e-8


def test_the_secant_carries_the_gradient_into_the_flux():
    x, u, grad = states(2, 6)
    for law in ("p=3", "conductivity", "skewed"):
        micro = solve_nonlinear(hmm.CellProblem(n=6), LAWS[law], x, u, grad)
        secant = hmm.macro.secant(micro.flux, grad, micro.d_dgrad)
        np.testing.assert_allclose(np.einsum("ijk,jk->ik", secant, grad), micro.flux, rtol=1e-6)
        if law == "conductivity":
            np.testing.assert_allclose(secant, micro.d_dgrad, rtol=1e-5, atol=1e-6)
    size = np.sqrt((grad * grad).sum(axis=0))
    unit = grad / size
    tangent = size * (np.eye(2)[:, :, None] + unit[:, None] * unit)
    np.testing.assert_allclose(
        hmm.macro.secant(size * grad, grad, tangent), size * np.eye(2)[:, :, None], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_array_equal(hmm.macro.secant(0 * grad, 0 * grad, tangent), tangent)


@pytest.mark.parametrize("p", [1.2, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize(
    "initial", [None, lambda x: x[0] * (1 - x[0]) * x[1] * (1 - x[1])], ids=["from rest", "initial"]
)
def test_the_p_laplacian_from_rest_where_its_tangent_vanishes_or_is_infinite(p, initial):
    """-div(|grad u|^(p-2) grad u) = 1 in homogeneous material: F(sG) = s^(p-1) F(G) scales the solution."""
    basis = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1())
    one, eight = (
        hmm.solve_elliptic(
            basis, hmm.NonlinearCellClosure(PowerLaw(bumps, p), hmm.CellProblem(n=6)), source, initial=initial
        )
        for source in (1.0, 8.0)
    )
    np.testing.assert_allclose(eight.u, 8 ** (1 / (p - 1)) * one.u, rtol=1e-7, atol=1e-9)
    work = (one.flux * basis.interpolate(one.u).grad * basis.dx).sum()  # int sigma . grad U = int f U
    source = skfem.Basis(basis.mesh, basis.elem, intorder=4)
    assert work == pytest.approx((source.interpolate(one.u) * source.dx).sum(), rel=1e-8) and work > 0
    assert one.history[-1].residual < 1e-10


def limited(x, y, u, xi):
    """xi / (1 - |xi|^2)^(1/2): no flux carries a gradient above 1, and no state with one has an answer."""
    return wavy(x, y) * xi / np.sqrt(1 - (xi * xi).sum(axis=0))


def test_a_step_of_a_cell_to_where_the_law_ends_is_shortened():
    largest = []

    def watched(x, y, u, xi):
        largest.append((np.real(xi) ** 2).sum(axis=0).max())
        return limited(x, y, u, xi)

    def given(x, y, u, xi):
        size = 1 / np.sqrt(1 - (xi * xi).sum(axis=0))
        tangent = size * np.eye(2)[:, :, None, None] + size**3 * xi[:, None] * xi
        return wavy(x, y) * size * xi, 0 * xi, wavy(x, y) * tangent

    state = np.zeros((2, 1)), np.zeros(1), np.array([[0.93], [0.0]])
    found, exact = (solve_nonlinear(hmm.CellProblem(n=8), law, *state) for law in (WithDerivatives(watched), given))
    assert max(largest) > 1
    np.testing.assert_allclose(found.flux, exact.flux, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.d_dgrad, exact.d_dgrad, rtol=1e-8, atol=1e-8)


def test_a_macro_step_to_where_the_law_ends_is_shortened():
    basis, cell = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1()), hmm.CellProblem(n=4)
    closure = hmm.NonlinearCellClosure(WithDerivatives(limited), cell)
    with pytest.raises(ValueError, match=r"j is not finite"):
        closure(np.zeros((2, 1)), np.zeros(1), np.array([[1.1], [0.0]]))
    solution = hmm.solve_elliptic(basis, closure, 12.0)
    size = np.linalg.norm(hmm.macro.restrict(basis, solution.u).grad, axis=0)
    linear = hmm.solve_elliptic(basis, hmm.CellClosure(wavy, cell), 12.0)
    assert np.linalg.norm(hmm.macro.restrict(basis, linear.u).grad, axis=0).max() > 1.2
    assert 0.5 < size.max() < 1 and solution.history[-1].residual < 1e-10
    with pytest.raises(ValueError, match=r"j is not finite"):
        hmm.solve_elliptic(basis, closure, 12.0, initial=linear)


def test_a_dialogue_that_ends_says_what_the_closure_had_to_say():
    basis = hmm.macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1())

    def broken(x, y, u, xi):
        a = wavy(x, y) * np.where(np.abs(u) > 0.01, np.nan, 1.0)
        return a * xi, 0 * xi, a

    with pytest.raises(hmm.ConvergenceError, match=r"refused a state: .*j is not finite \(nan\)"):
        hmm.solve_elliptic(basis, hmm.NonlinearCellClosure(broken, hmm.CellProblem(n=4)), 1.0)

    def vague(x, u, grad):
        return hmm.Answer(grad, 0 * grad, np.eye(2)[:, :, None] + 0 * grad[0], info={"tol": 1e-6})

    with pytest.raises(hmm.ConvergenceError, match=r"knows to 1\.0e-06 only"):
        hmm.solve_elliptic(basis, vague, 1.0)


# -- effort that adapts ----------------------------------------------------------------------------------------------------


def test_adaptivity_saves_micro_iterations_and_changes_nothing():
    basis = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1())
    cell = hmm.CellProblem(n=8, tol=1e-11)
    adaptive, stubborn = (
        hmm.solve_elliptic(basis, hmm.NonlinearCellClosure(LAWS["stiffening"], cell, adaptive=on), 8.0)
        for on in (True, False)
    )
    effort = [sum(turn.iterations for turn in solution.history) for solution in (adaptive, stubborn)]
    assert effort[0] < 0.6 * effort[1]
    assert adaptive.error(stubborn, relative=True) < 1e-9
    tolerances = [turn.tol for turn in adaptive.history]
    assert tolerances[0] == pytest.approx(1e-2) and min(tolerances) <= 1e-10
    assert all(turn.reused == 0 and turn.tol is None for turn in stubborn.history)


def test_points_that_stand_still_are_answered_from_memory():
    """A strong source in one corner: far away the state has settled turns before the corner has."""
    basis = hmm.macro_basis(skfem.MeshTri().refined(4), skfem.ElementTriP1())
    closure = hmm.NonlinearCellClosure(LAWS["conductivity"], hmm.CellProblem(n=4))
    hot = hmm.solve_elliptic(basis, closure, lambda x: 60 * np.exp(-80 * ((x - 0.2) ** 2).sum(axis=0)), dirichlet=0.5)
    again = hmm.solve_elliptic(
        basis, closure, lambda x: 60 * np.exp(-80 * ((x - 0.2) ** 2).sum(axis=0)), 0.5, initial=hot
    )
    for solution in (hot, again):
        assert sum(turn.reused for turn in solution.history[:-1]) + solution.history[-1].reused > 0
    assert all(turn.reused + turn.micro_solves == 512 for turn in hot.history)


def test_extrapolated_answers_are_as_good_as_they_claim():
    closure = hmm.NonlinearCellClosure(LAWS["stiffening"], hmm.CellProblem(n=6, tol=1e-10))
    x, u, grad = states(2, 40, seed=3)
    first = closure(x, u, grad, tol=1e-10)
    for size, tol in ((1e-2, 1e-2), (1e-3, 1e-4), (3e-4, 1e-5)):
        change = np.random.default_rng(4).normal(size=grad.shape) * size
        second = closure(x, u, grad + change, memory=first.memory, tol=tol)
        exact = closure(x, u, grad + change, tol=1e-11)
        assert second.info["reused"] > 0 and second.info["micro_solves"] + second.info["reused"] == 40
        error = np.linalg.norm(second.flux - exact.flux, axis=0) / np.linalg.norm(exact.flux, axis=0)
        assert error.max() < tol


def test_memory_makes_the_next_question_cheaper():
    closure = hmm.NonlinearCellClosure(LAWS["p=3"], hmm.CellProblem(n=8))
    x, u, grad = states(2, 10)
    first = closure(x, u, grad)
    moved = closure(x, u + 0.01, 1.02 * grad, memory=first.memory)
    cold = closure(x, u + 0.01, 1.02 * grad)
    np.testing.assert_allclose(moved.flux, cold.flux, rtol=1e-6)
    assert moved.info["iterations"] < 0.6 * cold.info["iterations"]
    same = closure(x, u, grad, memory=first.memory)
    assert same.info == {"micro_solves": 0, "iterations": 0, "reused": 10, "tol": 1e-8}
    np.testing.assert_array_equal(same.flux, first.flux)
    elsewhere = closure(x + 0.1, u, grad, memory=first.memory)
    np.testing.assert_allclose(elsewhere.flux, closure(x + 0.1, u, grad).flux, rtol=1e-12)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_a_dependence_on_u_that_vanishes_at_one_point_is_forgotten(bc):
    """The last field's derivative in u is no start for one that is zero: nothing but zero solves K w = 0."""

    def law(x, y, u, xi):
        hot, size = np.maximum(u, 0.0), 1 + (xi * xi).sum(axis=0)
        a = wavy(x, y) * (1 + hot**2 * (1 + cos(y[0]) / 2))
        tangent = a * (size * np.eye(2)[:, :, None, None] + 2 * xi[:, None] * xi)
        return a * size * xi, wavy(x, y) * 2 * hot * (1 + cos(y[0]) / 2) * size * xi, tangent

    closure = hmm.NonlinearCellClosure(law, hmm.CellProblem(n=20, bc=bc))
    x, _, grad = states(2)
    first = closure(x, np.ones(3), grad)
    u = np.array([-1.0, 1.1, 0.9])
    warm, cold = closure(x, u, grad, memory=first.memory), closure(x, u, grad)
    assert warm.info["iterations"] < cold.info["iterations"]
    np.testing.assert_allclose(warm.flux, cold.flux, rtol=1e-7)
    assert not warm.d_du[:, 0].any() and warm.d_du[:, 1].all()


@pytest.mark.parametrize("dim", [1, 2])
def test_a_memory_that_leads_nowhere_costs_time_only(dim, monkeypatch):
    """Where Newton is stuck, or the law not finite, from the remembered fields, the affine field is tried."""
    cell = hmm.CellProblem(dim=dim, n=6)
    closure = hmm.NonlinearCellClosure(LAWS["p=3"], cell)
    x, u, grad = states(dim, 4)
    first = closure(x, u, grad)
    field = "xi" if dim == 1 else "w"
    spoilt = {name: value.copy() for name, value in first.memory.items()}
    spoilt[field][..., 1] *= 1e6 * np.random.default_rng(0).normal(size=spoilt[field].shape[:-1])
    spoilt[field][..., 2] = np.inf
    monkeypatch.setattr(newton, "STEPS", 12)
    cold, warm = closure(x, u, 1.1 * grad), closure(x, u, 1.1 * grad, memory=spoilt)
    np.testing.assert_allclose(warm.flux, cold.flux, rtol=1e-7)
    np.testing.assert_allclose(warm.d_dgrad, cold.d_dgrad, rtol=1e-4, atol=1e-4)


def test_workers_get_their_slice_of_memory_and_answer_the_same():
    basis = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1())
    closure = pickle.loads(pickle.dumps(hmm.NonlinearCellClosure(PowerLaw(wavy, 3.0), hmm.CellProblem(n=6))))
    alone = hmm.solve_elliptic(basis, closure, 1.0)
    with ProcessPoolExecutor(2) as pool:
        shared = hmm.solve_elliptic(basis, closure, 1.0, executor=pool)
    np.testing.assert_array_equal(shared.u, alone.u)
    assert [turn.iterations for turn in shared.history] == [turn.iterations for turn in alone.history]


# -- hard laws -------------------------------------------------------------------------------------------------------------


def test_continuation_helps_where_newton_from_the_affine_field_stalls(monkeypatch):
    """A law that turns from stiff to soft within the cell; the way by a linear law reaches the balance that Newton misses."""
    called = []
    original = newton._continue
    monkeypatch.setattr(newton, "_continue", lambda *a: (called.append(1), original(*a)))
    monkeypatch.setattr(newton, "STEPS", 6)
    law = PowerLaw(layers, 1.3)
    micro = solve_nonlinear(hmm.CellProblem(dim=1, n=16), law, np.zeros((1, 1)), np.zeros(1), np.array([[0.7]]))
    assert called
    star = power_mean(lambda t: (2 + cos(t)) ** -2, 1.3)
    assert micro.flux[0, 0] == pytest.approx(star * 0.7**0.3, rel=1e-9)


def test_what_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr(newton, "STEPS", 1)
    with pytest.raises(hmm.ConvergenceError, match=r"x=\[0.25, 0.75\].*grad=\[1.0, 2.0\].*monotone"):
        solve_nonlinear(
            hmm.CellProblem(n=8, tol=1e-12),
            PowerLaw(layers, 4.0),
            np.array([[0.25], [0.75]]),
            np.zeros(1),
            np.array([[1.0], [2.0]]),
        )
    monkeypatch.undo()
    basis = hmm.macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1())
    with pytest.raises(hmm.ConvergenceError, match="'newton' did not reach tol=1e-10 in 2 updates; relative residuals"):
        hmm.solve_elliptic(basis, hmm.NonlinearCellClosure(LAWS["stiffening"], hmm.CellProblem(n=4)), 50.0, max_iter=2)


# -- laws ------------------------------------------------------------------------------------------------------------------


def law_arguments(d, seed=2):
    rng = np.random.default_rng(seed)
    return rng.random((d, 3, 1)), rng.random((d, 1, 5)), rng.normal(size=(3, 1)), rng.normal(size=(d, 3, 5))


@pytest.mark.parametrize("method", ["complex-step", "differences"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_derivatives_from_the_flux_alone(dim, method):
    power = PowerLaw(wavy, 3.0, delta=0.1)
    arguments = law_arguments(dim)
    exact = power(*arguments)
    found = WithDerivatives(lambda x, y, u, xi: wavy(x, y) * np.sqrt((xi * xi).sum(axis=0) + 0.01) * xi, method)(
        *arguments
    )
    for mine, theirs in zip(found, exact, strict=True):
        np.testing.assert_allclose(
            *np.broadcast_arrays(mine, theirs), rtol=1e-12 if method[0] == "c" else 1e-8, atol=1e-9
        )
    heat = Quasilinear(heated)(*arguments)
    again = WithDerivatives(lambda x, y, u, xi: heated(x, y, u) * xi, method)(*arguments)
    np.testing.assert_allclose(again[1], heat[1], rtol=1e-7)
    np.testing.assert_allclose(again[2], heat[2] * np.eye(dim)[:, :, None, None], rtol=1e-8, atol=1e-9)


def test_the_complex_step_refuses_what_is_not_analytic():
    law = WithDerivatives(lambda x, y, u, xi: wavy(x, y) * np.sqrt((np.abs(xi) ** 2).sum(axis=0)) * xi)
    with pytest.raises(ValueError, match=r"not analytic.*method='differences'"):
        law(*law_arguments(2))


@pytest.mark.parametrize("p", [1.5, 3.0, 4.0])
def test_a_power_law_by_complex_steps_may_start_at_rest(p):
    """There |xi|^(p-2) xi has a tangent that is zero or infinite, which no difference finds."""

    def j(x, y, u, xi):
        return bumps(x, y) * (xi * xi).sum(axis=0) ** (p / 2 - 1) * xi

    basis, cell = hmm.macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1()), hmm.CellProblem(n=6)
    by_steps, given = (
        hmm.solve_elliptic(basis, hmm.NonlinearCellClosure(law, cell), 1.0)
        for law in (WithDerivatives(j), PowerLaw(bumps, p))
    )
    np.testing.assert_allclose(by_steps.u, given.u, rtol=1e-9)
    assert len(by_steps.history) == len(given.history)


def test_quasilinear_laws_take_tensors_and_derivatives():
    arguments = law_arguments(2)
    by_difference = Quasilinear(reference_22)(*arguments)

    def slope(x, y, u):
        first = (2 + sin(y[0])) * x[0] * np.pi * np.cos(np.pi * u) / np.sqrt(3)
        second = (2 + sin(y[1])) / (1 + u**2) / np.sqrt(3)
        return np.array([[first + 0 * second, 0 * first * second], [0 * first * second, second + 0 * first]])

    given = Quasilinear(reference_22, slope)(*arguments)
    np.testing.assert_allclose(by_difference[1], given[1], rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(by_difference[0], given[0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PowerLaw(2.0, 3.0), "a=2.0 is not a medium"),
        (lambda: PowerLaw(wavy, 1.0), "p=1.0 must be > 1"),
        (lambda: PowerLaw(wavy, 2.0, -1.0), "delta=-1.0"),
        (lambda: Quasilinear(1.0), "a=1.0 must be a function"),
        (lambda: WithDerivatives(1.0), "j=1.0 is not a function"),
        (lambda: WithDerivatives(stiffening, "guess"), "method='guess'"),
        (lambda: hmm.NonlinearCellClosure(1.0, hmm.CellProblem()), "flux=1.0 is not a law"),
        (lambda: hmm.NonlinearCellClosure(stiffening, "cell"), "cell='cell' is not a cell problem"),
        (lambda: hmm.NonlinearCellClosure(stiffening, hmm.CellProblem(), eps=-1.0), "eps=-1.0"),
        (lambda: solve_nonlinear(hmm.CellProblem(), 3, *states(2)), "flux=3 is not a law"),
    ],
)
def test_bad_descriptions(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def returning(j=None, dj_du=None, dj_dxi=None):
    def flux(x, y, u, xi):
        exact = wavy(x, y) * xi, 0 * xi, wavy(x, y) * np.eye(2)[:, :, None, None]
        return tuple(e if g is None else g(e, xi) for e, g in zip(exact, (j, dj_du, dj_dxi), strict=True))

    return flux


@pytest.mark.parametrize(
    ("flux", "words"),
    [
        (lambda x, y, u, xi: xi, "has to return j, dj_du, dj_dxi"),
        (lambda x, y, u: None, "has to return j, dj_du, dj_dxi.*TypeError"),
        (returning(j=lambda e, xi: e[0][None, None]), r"returned j of shape .* are needed"),
        (returning(j=lambda e, xi: e + 0j), "type complex128; real numbers"),
        (returning(dj_du=lambda e, xi: np.zeros(3)), "returned dj_du of shape"),
        (returning(dj_dxi=lambda e, xi: np.ones((3, 3, 1, 1))), "returned dj_dxi of shape"),
        (returning(j=lambda e, xi: np.where(xi > -9, np.nan, e)), r"j is not finite \(nan\) at x=\[.*y=\[.*u=.*xi=\["),
        (returning(dj_dxi=lambda e, xi: e * np.inf), r"dj_dxi is not finite \(inf\) at"),
        (returning(j=lambda e, xi: e * 1e200), r"j is not finite \(.*e\+200\) at"),
        (returning(dj_dxi=lambda e, xi: np.where((xi == xi[:, :, :1]).all(), e, np.nan)), "stalls with"),
        (returning(j=lambda e, xi: -e, dj_dxi=lambda e, xi: -e), "not positive .semi.definite.*not elliptic"),
        (returning(dj_dxi=lambda e, xi: 0 * e), "dj_dxi vanishes"),
    ],
)
@pytest.mark.parametrize("bc", ["periodic", "neumann"])
def test_bad_laws(flux, words, bc):
    with pytest.raises((ValueError, hmm.ConvergenceError), match=words):
        solve_nonlinear(hmm.CellProblem(n=6, bc=bc), flux, *states(2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"average": "energy"}, "average='energy' is defined for linear media only"),
        ({"equation": ("zero-order", 1.0)}, "equation=.*linear media only"),
    ],
)
def test_cells_that_are_for_linear_media(options, words):
    with pytest.raises(ValueError, match=words):
        hmm.NonlinearCellClosure(LAWS["p=3"], hmm.CellProblem(n=6, **options))(*states(2))


def test_memory_and_states_that_do_not_belong():
    closure = hmm.NonlinearCellClosure(LAWS["p=3"], hmm.CellProblem(n=4))
    x, u, grad = states(2)
    memory = closure(x, u, grad).memory
    with pytest.raises(ValueError, match=r"memory holds .* does not belong to 2 points"):
        closure(x[:, :2], u[:2], grad[:, :2], memory=memory)
    with pytest.raises(ValueError, match="memory holds"):
        closure(x, u, grad, memory={"tensor": np.zeros((2, 2, 3))})
    with pytest.raises(ValueError, match=r"memory holds .* and this cell"):
        hmm.NonlinearCellClosure(LAWS["p=3"], hmm.CellProblem(n=5))(x, u, grad, memory=memory)
    for (points, value, gradient), words in (
        ((x[:1], u, grad[:1]), "for a 2D cell; it needs"),
        ((x, u[:2], grad), "for a 2D cell; it needs"),
        ((x[:, :0], u[:0], grad[:, :0]), "for a 2D cell; it needs"),
        ((x, np.nan * u, grad), "must be finite"),
    ):
        with pytest.raises(ValueError, match=words):
            solve_nonlinear(closure.cell, LAWS["p=3"], points, value, gradient)
    with pytest.raises(ValueError, match="eps=-1 must be"):
        solve_nonlinear(closure.cell, LAWS["p=3"], x, u, grad, eps=-1)
    with pytest.raises(ValueError, match=r"macro state grad.*must be finite"):
        closure(x, u, np.where(grad > 0, np.nan, grad))
    with pytest.raises(ValueError, match="1D, but the closure is made for 2D"):
        ask(closure, x[:1], u, grad[:1])
