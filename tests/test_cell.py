"""Cell problems: closed forms, orders, invariants, ensembles of boundary conditions, bad input."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import splu

import hmm_core as hmm
from hmm_core import cell as cell_module

TWO_PI = 2 * np.pi
BOUNDARIES = ("periodic", "dirichlet", "neumann")


def sin(t):
    return np.sin(TWO_PI * t)


def cos(t):
    return np.cos(TWO_PI * t)


def hou_wu(x, y):
    return (2 + 1.8 * sin(y[0])) / (2 + 1.8 * cos(y[1])) + (2 + sin(y[1])) / (2 + 1.8 * sin(y[0]))


def graded(x, y):
    return 1 + 0.5 * x[0] * cos(y[0]) * cos(y[1]) + 0.25 * x[1] * sin(y[0]) + 0.2 * x[0] * x[1] * sin(y[0] + y[1])


def ball(fraction, inside, dim):
    """A centred disk or sphere of the given volume fraction in a matrix of coefficient 1."""
    square = fraction / np.pi if dim == 2 else (3 * fraction / (4 * np.pi)) ** (2 / 3)
    return lambda x, y: np.where(sum((c - np.round(c)) ** 2 for c in y) < square, inside, 1.0)


def checkerboard(k1, k2):
    return lambda x, y: np.where((np.floor(2 * y[0]) + np.floor(2 * y[1])) % 2 == 0, k1, k2)


def tiles(values):
    """Square tiles that fill the period; ``values`` (m, m) or (m, m, m)."""

    def medium(x, y):
        m = values.shape[0]
        return values[tuple(np.floor((c + 0.5) * m + 1e-9).astype(int) % m for c in y)]

    return medium


def extrapolate(sizes, values):
    """Limit and exponent of v(n) = v0 + c n^-p through three values at n, 2n, 4n."""
    first, second = values[0] - values[1], values[1] - values[2]
    return values[2] - second**2 / (first - second), np.log2(first / second)


# -- one dimension --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("scheme", ("q1", "fourier"))
def test_line_harmonic_means(bc, scheme):
    if scheme == "fourier" and bc != "periodic":
        return
    cell = hmm.CellProblem(dim=1, n=16, bc=bc, scheme=scheme)
    assert cell.effective_tensor(lambda x, y: 1.1 + sin(y[0]))[0, 0] == pytest.approx(np.sqrt(0.21), rel=1e-12)
    assert cell.effective_tensor(lambda x, y: 2 + cos(y[0]))[0, 0] == pytest.approx(np.sqrt(3), rel=1e-13)
    x = np.linspace(0, 1, 7)[None]
    tensor = cell.effective_tensor(lambda x, y: (1 + x[0]) / (2 + cos(y[0])), x=x)
    np.testing.assert_allclose(tensor[0, 0], (1 + x[0]) / 2, rtol=1e-13)


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("length", (0.7, 2.5, 3.0))
@pytest.mark.parametrize("shift", (0.0, 0.3))
def test_line_finite_samples(bc, length, shift):
    def medium(x, y):
        return 1 / (2 + cos(y[0]))

    cell = hmm.CellProblem(dim=1, n=8, bc=bc, size=length, buffer=0.4, offset=shift / length)
    exact = 1 / (2 + cos(shift) * np.sin(np.pi * length) / (np.pi * length))
    assert cell.effective_tensor(medium)[0, 0] == pytest.approx(exact, rel=1e-12)


def test_line_filtered_value():
    cell = hmm.CellProblem(dim=1, n=8, size=2.5, window=("smooth", 1))
    assert cell.effective_tensor(lambda x, y: 1 / (2 + cos(y[0])))[0, 0] == pytest.approx(0.498456704617, abs=1e-12)


@pytest.mark.parametrize("q", range(4))
@pytest.mark.parametrize("length", (1.3, 2.5, 7.25))
def test_line_filtered_by_every_order(q, length):
    """Bessel functions in closed form (exact.cosine_cell), ten digits and more."""
    cell = hmm.CellProblem(dim=1, n=16, size=length, window=("smooth", q), offset=0.3 / length)
    found = cell.effective_tensor(lambda x, y: 1 / (2 + cos(y[0])))[0, 0]
    assert found == pytest.approx(hmm.exact.cosine_cell(length, 0.3, q), rel=1e-10)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_line_corrector(bc):
    micro = hmm.CellProblem(dim=1, n=32, bc=bc).solve(lambda x, y: 1 / (2 + cos(y[0])))
    exact = sin(micro.nodes) / (2 * TWO_PI)  # w' = A*/a - 1 = cos(2 pi y)/2
    difference = micro.correctors[0] - exact
    np.testing.assert_allclose(difference, difference[0], atol=1e-14)
    assert micro.solver == "closed-form"


# -- exact tensors in two and three dimensions ----------------------------------------------------------------------


def test_one_layer_reference_values():
    def layer(x, y):
        return 2 + cos(y[0])

    for n, exact_integration in ((8, 1.74660082462), (16, 1.73573764630), (32, 1.73297681345)):
        tensor = hmm.CellProblem(n=n).effective_tensor(layer)
        assert tensor[0, 0] == pytest.approx(exact_integration, abs=7e-5 * (8 / n) ** 4)  # 2 x 2 Gauss points
        assert tensor[1, 1] == pytest.approx(2, rel=1e-12)
    assert hmm.CellProblem(n=8).effective_tensor(layer)[0, 0] == pytest.approx(1.74665, abs=5e-6)


@pytest.mark.parametrize("dim", (2, 3))
def test_aligned_laminate_is_exact(dim):
    phases = np.array([[3.0, 0.7, 0.2], [0.7, 2.0, -0.3], [0.2, -0.3, 1.0]])[:dim, :dim], np.eye(dim)
    f = 0.25

    def medium(x, y):
        inside = np.abs(y[0] - np.round(y[0])) < f / 2
        return np.where(inside, phases[0][..., None, None], phases[1][..., None, None])

    def mean(function):
        return f * function(phases[0]) + (1 - f) * function(phases[1])

    exact = np.empty((dim, dim))
    normal = 1 / mean(lambda a: 1 / a[0, 0])
    exact[0, :] = exact[:, 0] = [mean(lambda a, j=j: a[0, j] / a[0, 0]) * normal for j in range(dim)]
    for i in range(1, dim):
        for j in range(1, dim):
            exact[i, j] = (
                mean(lambda a, i=i, j=j: a[i, j] - a[i, 0] * a[0, j] / a[0, 0])
                + mean(lambda a, i=i: a[i, 0] / a[0, 0]) * mean(lambda a, j=j: a[0, j] / a[0, 0]) * normal
            )
    tensor = hmm.CellProblem(dim=dim, n=8, tol=1e-12).effective_tensor(medium)
    np.testing.assert_allclose(tensor, exact, atol=1e-11)


def test_oblique_laminate():
    """Smooth profile along the wave vector (1, 2): harmonic along the normal, arithmetic across."""
    tensor = hmm.CellProblem(scheme="fourier", n=40, tol=1e-12).effective_tensor(lambda x, y: 2 + cos(y[0] + 2 * y[1]))
    normal = np.array([1, 2]) / np.sqrt(5)
    exact = np.sqrt(3) * np.outer(normal, normal) + 2 * (np.eye(2) - np.outer(normal, normal))
    np.testing.assert_allclose(tensor, exact, atol=1e-8)


def test_separable():
    def medium(x, y):
        return 1 / ((2 + 1.8 * sin(y[0])) * (2 + 1.8 * sin(y[1])))

    tensor = hmm.CellProblem(scheme="fourier", n=96, tol=1e-12).effective_tensor(medium)
    np.testing.assert_allclose(tensor, 0.5735393346764 * np.eye(2), atol=1e-11)


@pytest.mark.parametrize(
    "medium, exact",
    (
        (hou_wu, [[3.946496219918, 0], [0, 3.341601662015]]),
        (
            lambda x, y: (2 + 1.8 * sin(y[0])) / (2 + 1.8 * cos(y[1])) + (2 + sin(y[1])) / (2 + 1.8 * cos(y[0])),
            [[2.7567779542, -0.002443027304], [-0.002443027304, 3.424849152422]],
        ),
        (lambda x, y: 2 + sin(y[0]) * sin(y[1]), 1.935359234812 * np.eye(2)),
    ),
)
def test_smooth_reference_media(medium, exact):
    tensor = hmm.CellProblem(scheme="fourier", n=64, tol=1e-12).effective_tensor(medium)
    np.testing.assert_allclose(tensor, exact, atol=1e-10)


@pytest.mark.parametrize(
    "medium, exact, exponent",
    (
        (checkerboard(1.0, 10.0), np.sqrt(10), 0.78),
        (tiles(np.array([[4.0, 1.0], [3.0, 2.0]])), 2.43975018237, 1.7),  # UL, UR, LR, LL = 1, 2, 3, 4
        (tiles(np.pad(np.full((2, 2), 10.0), 1, constant_values=1.0)), 1.54421999230, 1.46),  # Obnosov's square
    ),
)
def test_corner_media_by_extrapolation(medium, exact, exponent):
    """Q1 approaches from above with the exponent of the corner singularity; Aitken's limit is two digits better."""
    sizes = (64, 128, 256)
    values = [hmm.CellProblem(n=n).effective_tensor(medium)[0, 0] for n in sizes]
    limit, measured = extrapolate(sizes, values)
    assert values[0] > values[1] > values[2] > exact
    assert measured == pytest.approx(exponent, abs=0.05)
    assert abs(limit - exact) < 0.05 * (values[2] - exact)


def test_all_periodic_tilings_of_two_by_two():
    """Reference 11: the mean over all 16 tilings, kappa = 10."""

    def mean(n):
        total = 0.0
        for number in range(16):
            bits = np.array([number >> k & 1 for k in range(4)]).reshape(2, 2)
            total += hmm.CellProblem(n=n).effective_tensor(tiles(np.where(bits, 10.0, 1.0)))[0, 0]
        return total / 16

    sizes = (32, 64, 128)
    limit, exponent = extrapolate(sizes, [mean(n) for n in sizes])
    assert limit == pytest.approx(4.002552747375, rel=1e-3)
    assert 0.7 < exponent < 1.2


@pytest.mark.parametrize(
    "fraction, inside, exact, tolerance",
    (
        (0.1, 10.0, 1.17822179562, 1e-3),
        (0.3, 10.0, 1.65203601108, 1e-3),
        (0.5, 10.0, 2.41546738019, 1e-3),
        (0.7, 10.0, 4.06170739857, 5e-3),  # gaps of 0.06 periods
        (0.1, 1e6, 1.22222977382, 3e-3),  # the values for perfect conductors, which 1e6 is to six digits
        (0.3, 1e6, 1.86018830652, 3e-3),
        (0.5, 1e6, 3.08019782619, 3e-3),
    ),
)
def test_array_of_cylinders(fraction, inside, exact, tolerance):
    """Perrins et al. 1979: a staircase error of first order, so a straight line in h extrapolates it."""
    sizes = np.array([96, 128, 160, 192, 224, 256])
    values = [hmm.CellProblem(n=int(n), tol=1e-6).effective_tensor(ball(fraction, inside, 2))[0, 0] for n in sizes]
    _slope, limit = np.polyfit(1 / sizes, values, 1)
    assert limit == pytest.approx(exact, rel=tolerance)
    assert abs(limit - exact) < abs(values[-1] - exact) / 2


@pytest.mark.parametrize("fraction, exact", ((0.1, 1.2433385), (0.3, 1.8877401)))
def test_array_of_spheres(fraction, exact):
    # How elements cut the surface is erratic: seven small grids tell more than a large one.
    sizes = np.arange(24, 49, 4)
    values = [hmm.CellProblem(dim=3, n=int(n), tol=1e-5).effective_tensor(ball(fraction, 10.0, 3))[0, 0] for n in sizes]
    _slope, limit = np.polyfit(1 / sizes, values, 1)
    assert 7e-3 < values[-1] / exact - 1 < 2.6e-2
    assert limit == pytest.approx(exact, rel=3e-3)


# -- orders of convergence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_q1_is_second_order(bc):
    fine = hmm.CellProblem(n=256, bc=bc, tol=1e-10).effective_tensor(hou_wu)
    sizes = np.array([16, 32, 64])
    errors = [np.abs(hmm.CellProblem(n=int(n), bc=bc, tol=1e-10).effective_tensor(hou_wu) - fine).max() for n in sizes]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-2, abs=0.15)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_cut_elements_keep_second_order(bc):
    """An inner domain whose boundary cuts elements: size and buffer that no grid fits."""
    cell = {"bc": bc, "size": 1.37, "buffer": 0.211, "tol": 1e-9}
    fine = hmm.CellProblem(n=200, **cell).effective_tensor(hou_wu)
    sizes = np.array([10, 20, 40])
    errors = [np.abs(hmm.CellProblem(n=int(n), **cell).effective_tensor(hou_wu) - fine).max() for n in sizes]
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(-2, abs=0.35)


def test_fourier_is_spectral():
    errors = []
    for n in (8, 16, 24, 32):
        tensor = hmm.CellProblem(scheme="fourier", n=n, tol=1e-13).effective_tensor(
            lambda x, y: 2 + sin(y[0]) * sin(y[1])
        )
        errors.append(abs(tensor[0, 0] - 1.935359234812))
    assert errors[0] < 1e-4 and errors[1] < 1e-8 and errors[2] < 2e-12


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("buffer", (0.0, 0.3))
def test_tolerance_is_the_accuracy_of_the_tensor(bc, buffer):
    fine = hmm.CellProblem(n=24, bc=bc, buffer=buffer, tol=1e-12).effective_tensor(hou_wu)
    for tol in (1e-2, 1e-5, 1e-8):
        tensor = hmm.CellProblem(n=24, bc=bc, buffer=buffer, tol=tol).effective_tensor(hou_wu)
        assert np.abs(tensor - fine).max() < tol * np.abs(fine).max()


# -- rough media ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_rough_medium_switches_solver_and_agrees_with_a_direct_one(bc):
    rng = np.random.default_rng(3)
    n = 48
    values = np.exp(2 * rng.standard_normal((n, n)))
    problem = hmm.CellProblem(n=n, bc=bc)
    micro = problem.solve(tiles(values))
    assert micro.solver == "amg-cg"
    grid = problem.grid
    a = np.broadcast_to(values.ravel(), (1, 1, 4, n * n))
    matrix = grid.matrix(grid.stencil(a)).tolil()
    load = -grid.load(a - a.mean())[0]
    if bc != "dirichlet":  # constants are free: fix one value
        matrix[0, :] = 0
        matrix[0, 0] = 1.0
        load.reshape(2, -1)[:, 0] = 0
    factor = splu(matrix.tocsc())
    w = np.array([factor.solve(column.ravel()).reshape(column.shape) for column in load])[None]
    gradient = grid.gradient(w)
    gradient[:, 0, 0] += 1
    gradient[:, 1, 1] += 1
    flux = (a[:, None] * gradient).mean(axis=(0, 3, 4)).T
    exact = flux @ np.linalg.inv(gradient.mean(axis=(0, 3, 4)).T)
    np.testing.assert_allclose(micro.tensor, exact, rtol=0, atol=1e-7 * exact.max())


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_very_rough_medium(bc):
    """Lognormal with sigma = 2 on 256 x 256 cells: contrast 10^7, and no crawling."""
    values = np.exp(2 * np.random.default_rng(0).standard_normal((256, 256)))
    micro = hmm.CellProblem(n=256, bc=bc).solve(tiles(values), correctors=False)
    assert micro.solver == "amg-cg" and micro.iterations < 120
    wiener = 1 / (1 / values).mean(), values.mean()
    assert wiener[0] < np.linalg.eigvalsh(micro.tensor)[0] <= np.linalg.eigvalsh(micro.tensor)[1] < wiener[1]
    if bc != "neumann":  # duality: sqrt(det A*) = exp<log a> = 1 at infinity; Q1 with one element per cell is above
        assert 1 < np.sqrt(np.linalg.det(micro.tensor)) < 1.5


def test_random_cells_of_contrast_a_thousand_in_a_batch():
    """Some problems of one batch go to multigrid, some do not; each answer is that of the problem alone."""
    rng = np.random.default_rng(4)
    fields = [np.where(rng.random((64, 64)) < p, 1.0, 1000.0) for p in (0.0, 0.5, 0.6)]

    def medium(x, y):
        return sum((np.round(x[0]) == k) * tiles(field)(x, y) for k, field in enumerate(fields))

    x = np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    micro = hmm.CellProblem(n=64).solve(medium, x=x)
    assert micro.solver[0] == "fft-cg" and "amg-cg" in micro.solver
    for k, field in enumerate(fields):
        np.testing.assert_allclose(
            micro.tensor[..., k], hmm.CellProblem(n=64).effective_tensor(tiles(field)), rtol=1e-12
        )


def test_fourier_on_a_jump_says_so():
    with pytest.raises(hmm.ConvergenceError, match="scheme='q1'"):
        values = np.exp(4 * np.random.default_rng(0).standard_normal((40, 40)))
        hmm.CellProblem(scheme="fourier", n=40).effective_tensor(tiles(values))


# -- invariants -----------------------------------------------------------------------------------------------------

fields_2d = st.integers(0, 2**32 - 1).map(lambda seed: np.exp(np.random.default_rng(seed).standard_normal((4, 4))))
property_test = settings(max_examples=15, deadline=None)


def tensor(values, bc="periodic", n=8, **kwargs):
    return hmm.CellProblem(dim=values.ndim, n=n, bc=bc, tol=1e-11, **kwargs).effective_tensor(tiles(values))


@property_test
@given(fields_2d)
def test_ordering_symmetry_and_wiener_bounds(values):
    neumann, periodic, dirichlet = (tensor(values, bc) for bc in ("neumann", "periodic", "dirichlet"))
    harmonic, arithmetic = 1 / (1 / values).mean(), values.mean()
    bounds = [harmonic * np.eye(2), neumann, periodic, dirichlet, arithmetic * np.eye(2)]
    for lower, upper in itertools.pairwise(bounds):
        np.testing.assert_allclose(upper, upper.T, atol=1e-12)
        assert np.linalg.eigvalsh(upper - lower)[0] > -1e-9


@property_test
@given(fields_2d, st.floats(1e-3, 1e3), st.sampled_from(BOUNDARIES))
def test_scaling(values, factor, bc):
    np.testing.assert_allclose(tensor(factor * values, bc), factor * tensor(values, bc), rtol=1e-9, atol=1e-9 * factor)


@property_test
@given(fields_2d, st.sampled_from(BOUNDARIES), st.sampled_from((0.0, 0.25)))
def test_rotation_by_a_right_angle(values, bc, buffer):
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    turned = tensor(np.rot90(values, -1), bc, buffer=buffer)
    np.testing.assert_allclose(turned, rotation.T @ tensor(values, bc, buffer=buffer) @ rotation, atol=1e-8)


@property_test
@given(fields_2d)
def test_phase_interchange(values):
    """Keller's theorem A(a) R A(1/a) R^T = I; Q1 is an upper bound on both factors."""
    rotation = np.array([[0.0, -1.0], [1.0, 0.0]])
    product = [np.linalg.eigvalsh(tensor(v, n=n))[[0, 1]] for v, n in ((values, 16), (1 / values, 16))]
    assert product[0][0] * product[1][1] >= 1 - 1e-9
    exact = tensor(values, n=64)
    dual = rotation @ np.linalg.inv(tensor(1 / values, n=64)) @ rotation.T
    np.testing.assert_allclose(exact, dual, rtol=0.1, atol=0.1)


@property_test
@given(fields_2d, fields_2d)
def test_monotone_in_the_coefficient(low, more):
    assert np.linalg.eigvalsh(tensor(low + more) - tensor(low))[0] > 0


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("dim", (2, 3))
@pytest.mark.parametrize("extra", ({}, {"buffer": 0.3}, {"size": 1.7}, {"window": ("smooth", 2)}, {"average": "flux"}))
def test_constant_tensor_is_returned_exactly(bc, dim, extra):
    constant = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, 0.3], [0.2, 0.3, 1.5]])[:dim, :dim]
    problem = hmm.CellProblem(dim=dim, n=5, bc=bc, **extra)
    np.testing.assert_allclose(problem.effective_tensor(lambda x, y: constant), constant, atol=1e-12)
    assert problem.effective_tensor(lambda x, y: 2.5) == pytest.approx(2.5 * np.eye(dim), abs=1e-12)


@pytest.mark.parametrize("dim", (2, 3))
def test_scalar_media_equal_their_tensor_form(dim):
    def scalar(x, y):
        return 1.5 + sin(y[0]) * cos(y[1])

    def full(x, y):
        return np.eye(dim)[:, :, None, None] * scalar(x, y)

    for bc in BOUNDARIES:
        problem = hmm.CellProblem(dim=dim, n=8, bc=bc, tol=1e-10)
        np.testing.assert_allclose(problem.effective_tensor(scalar), problem.effective_tensor(full), atol=1e-9)


def test_three_dimensional_medium_without_third_variable_is_two_dimensional():
    flat = hmm.CellProblem(dim=2, n=16, tol=1e-10).effective_tensor(hou_wu)
    deep = hmm.CellProblem(dim=3, n=16, tol=1e-10).effective_tensor(hou_wu)
    np.testing.assert_allclose(deep[:2, :2], flat, rtol=1e-9, atol=1e-12)
    assert deep[2, 2] == pytest.approx(hou_wu(None, hmm.CellProblem(n=16).grid.points).mean(), rel=1e-12)


# -- batches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kwargs",
    (
        {"n": 16},
        {"n": 16, "bc": "dirichlet", "buffer": 0.2},
        {"n": 16, "bc": "neumann"},
        {"n": 12, "scheme": "fourier"},
        {"n": 8, "bc": "dirichlet", "window": ("smooth", 2), "buffer": 0.2, "equation": ("zero-order", 0.1)},
    ),
)
def test_one_batch_is_many_singles(kwargs):
    x = np.random.default_rng(0).random((2, 300))
    problem = hmm.CellProblem(**kwargs)
    together = problem.effective_tensor(graded, x=x)
    for k in (0, 1, 150, 299):
        np.testing.assert_allclose(together[..., k], problem.effective_tensor(graded, x=x[:, k]), rtol=1e-12)


def test_chunks_do_not_change_the_answer(monkeypatch):
    x = np.random.default_rng(0).random((2, 40))
    problem = hmm.CellProblem(n=12)
    together = problem.effective_tensor(graded, x=x)
    monkeypatch.setattr(cell_module, "CHUNK", 1)
    np.testing.assert_allclose(problem.effective_tensor(graded, x=x), together, rtol=1e-12)


def test_equal_fields_are_solved_once():
    x = np.array([[0.1, 0.7, 0.1, 0.1, 0.7], [0.0, 0.2, 0.5, 0.9, 0.1]])
    micro = hmm.CellProblem(n=8).solve(lambda x, y: 1 + x[0] + 0.5 * sin(y[0]) * cos(y[1]), x=x)
    assert micro.solves == 2
    np.testing.assert_array_equal(micro.tensor[..., 0], micro.tensor[..., 3])
    assert hmm.CellProblem(n=8).solve(hou_wu, x=np.zeros((2, 5000))).solves == 1


def test_shapes_follow_the_macro_points():
    problem = hmm.CellProblem(n=6)
    assert problem.effective_tensor(hou_wu).shape == (2, 2)
    assert problem.effective_tensor(graded, x=np.zeros(2)).shape == (2, 2)
    assert problem.effective_tensor(graded, x=np.zeros((2, 3))).shape == (2, 2, 3)
    micro = problem.solve(graded, x=np.zeros((2, 3, 4)))
    assert micro.tensor.shape == (2, 2, 3, 4) and micro.correctors.shape == (2, 3, 4, 7, 7)
    assert micro.iterations.shape == micro.residual.shape == micro.solver.shape == (3, 4)
    single = problem.solve(hou_wu)
    assert single.correctors.shape == (2, 7, 7) and single.nodes.shape == (7,)
    assert isinstance(single.solver, str) and single.solver == "fft-cg"
    assert problem.solve(hou_wu, correctors=False).correctors is None


def test_descriptions_are_values():
    problem = hmm.CellProblem(n=6, bc="neumann")
    problem.effective_tensor(hou_wu)
    assert pickle.loads(pickle.dumps(problem)) == problem and hash(problem) == hash(hmm.CellProblem(n=6, bc="neumann"))


# -- sampling in the material ---------------------------------------------------------------------------------------


def test_offset_moves_the_sample():
    def medium(x, y):
        return 2 + cos(y[0] - 0.3) * sin(y[1])

    corner = hmm.CellProblem(n=16, bc="dirichlet", size=1.5, offset=0.5)
    centred = hmm.CellProblem(n=16, bc="dirichlet", size=1.5)
    np.testing.assert_allclose(
        corner.effective_tensor(medium), centred.effective_tensor(lambda x, y: medium(x, y + 0.75)), rtol=1e-10
    )
    assert corner.solve(medium).nodes[0] == pytest.approx(0)


def test_the_slow_variable_is_frozen_unless_eps_is_given():
    def medium(x, y):
        return (1 + x[0]) * (2 + sin(y[0]))

    x, eps = np.array([[0.3], [0.0]]), 1 / 64
    problem = hmm.CellProblem(n=24, size=1.0, offset=0.5, scheme="q1")
    frozen = problem.effective_tensor(medium, x=x)[1, 1, 0]
    moving = problem.effective_tensor(medium, x=x, eps=eps)[1, 1, 0]
    assert frozen == pytest.approx(1.3 * 2, rel=1e-10)
    eta = np.linspace(0, 1, 20001)
    exact = np.trapezoid((1.3 + eps * eta) * (2 + sin(0.3 / eps + eta)), eta)
    assert moving == pytest.approx(exact, rel=1e-4) and abs(moving - frozen) > 5 * abs(moving - exact)


def test_periodic_cell_of_any_phase_gives_the_same_tensor():
    reference = hmm.CellProblem(scheme="fourier", n=48, tol=1e-11).effective_tensor(hou_wu)
    moved = hmm.CellProblem(scheme="fourier", n=48, tol=1e-11, offset=0.37).effective_tensor(hou_wu)
    np.testing.assert_allclose(moved, reference, atol=1e-8)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_textbook_flux_average(bc):
    """On the whole domain flux and ratio agree; under a smooth window the flux alone is the worse by far."""
    plain = [hmm.CellProblem(n=12, bc=bc, size=1.6, average=av).effective_tensor(hou_wu) for av in ("ratio", "flux")]
    np.testing.assert_allclose(plain[0], plain[1], atol=1e-7)
    exact = np.diag([3.946496219918, 3.341601662015])
    errors = {
        average: np.abs(
            hmm.CellProblem(n=24, bc=bc, size=6.4, window=("smooth", 3), average=average).effective_tensor(hou_wu)
            - exact
        ).max()
        for average in ("ratio", "flux")
    }
    assert 3 * errors["ratio"] < errors["flux"]


@pytest.mark.parametrize("bc", ("dirichlet", "neumann"))
def test_samples_converge_to_the_periodic_tensor(bc):
    """Resonance: O(1/size). The largest error over three phases of the cut is the envelope."""
    exact = hmm.CellProblem(n=16).effective_tensor(hou_wu)
    sizes = (2, 4, 8)
    errors = []
    for size in sizes:
        parts = [hmm.CellProblem(n=16, bc=bc, size=size + f).effective_tensor(hou_wu) for f in (0.0, 1 / 4, 1 / 2)]
        errors.append(max(np.abs(part - exact).max() for part in parts))
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(-1, abs=0.35)


# -- cell problems that forget their boundary ------------------------------------------------------------------------


def resonant(x, y):
    return (2 + 1.8 * sin(y[0])) / (2 + 1.8 * cos(y[1])) + (2 + sin(y[1])) / (2 + 1.8 * cos(y[0]))


@pytest.mark.parametrize(
    "average, richardson, order", (("flux", False, 1), ("flux", True, 2), ("energy", False, 2), ("energy", True, 3))
)
def test_systematic_error_of_the_zero_order_term(average, richardson, order):
    """Gloria 2011: 1/T, 1/T^2 for the energy, one more (two more for the flux) by Richardson; on an exact period."""
    exact = hmm.CellProblem(n=12, tol=1e-12).effective_tensor(resonant)
    lengths = np.array([4.0, 8.0, 16.0])
    errors = []
    for T in lengths:
        problem = hmm.CellProblem(n=12, average=average, equation=("zero-order", T), richardson=richardson, tol=1e-12)
        errors.append(np.abs(problem.effective_tensor(resonant) - exact).max())
    assert np.polyfit(np.log(lengths), np.log(errors), 1)[0] == pytest.approx(-order, abs=0.05)


def test_zero_order_term_reaches_the_plain_cell_problem():
    for dim, bc in ((1, "dirichlet"), (2, "periodic"), (2, "dirichlet"), (3, "dirichlet")):
        plain = hmm.CellProblem(dim=dim, n=6, bc=bc, size=1.3, tol=1e-10)
        damped = hmm.CellProblem(dim=dim, n=6, bc=bc, size=1.3, tol=1e-10, equation=("zero-order", 1e8))
        tensors = [problem.effective_tensor(lambda x, y: 2 + sin(y[0])) for problem in (plain, damped)]
        np.testing.assert_allclose(tensors[0], tensors[1], atol=1e-6 if dim > 1 else 5e-2)  # 1D: closed form against Q1


@pytest.mark.parametrize("bc", ("periodic", "dirichlet"))
def test_a_zero_order_term_far_below_the_medium_is_none(bc):
    """T in periods^2 is 1e100 for a medium of size 1e100: 1/T must not make constants of round-off."""
    damped = hmm.CellProblem(n=8, bc=bc, tol=1e-10, equation=("zero-order", 1.0))
    plain = hmm.CellProblem(n=8, bc=bc, tol=1e-10)
    A = damped.effective_tensor(lambda x, y: 1e100 * hou_wu(x, y))
    np.testing.assert_allclose(A / 1e100, plain.effective_tensor(hou_wu), rtol=1e-9, atol=1e-9)


def test_average_of_energy_equals_that_of_flux_on_the_whole_cell():
    for bc in ("periodic", "dirichlet"):
        energy, flux = (
            hmm.CellProblem(n=10, bc=bc, average=average, tol=1e-10).effective_tensor(hou_wu)
            for average in ("energy", "flux")
        )
        np.testing.assert_allclose(energy, flux, atol=1e-7)
    line = hmm.CellProblem(dim=1, n=8, average="energy").effective_tensor(lambda x, y: 2 + cos(y[0]))
    assert line[0, 0] == pytest.approx(np.sqrt(3))


@pytest.mark.parametrize("order", (2, 3))
def test_parabolic_cell_problem_beats_the_resonance(order):
    """Rate R^-(q+1) of Abdulle, Arjmand and Paganoni: the envelope over three phases, K = 0.75, T = 0.02 R."""
    exact = hmm.CellProblem(n=16).effective_tensor(resonant)
    sizes, errors = (4, 7, 10), []
    for size in sizes:
        found = []
        for length in (size, size + 0.25, size + 0.5):
            problem = hmm.CellProblem(
                n=16, bc="dirichlet", size=0.75 * length, buffer=0.125 * length, window=("smooth", order),
                equation=("parabolic", 0.02 * length), tol=1e-6,
            )  # fmt: skip
            found.append(np.abs(problem.effective_tensor(resonant) - exact).max())
        errors.append(max(found))
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] == pytest.approx(-(order + 1), abs=0.5)


def test_parabolic_tensor_on_an_invariant_subspace_is_the_dirichlet_tensor():
    """T beyond all time scales, averaged over all of the domain: 2 int u K^-1 u = b K^-1 b, whatever the mass matrix."""
    plain = hmm.CellProblem(n=10, bc="dirichlet", tol=1e-10)
    long = hmm.CellProblem(n=10, bc="dirichlet", equation=("parabolic", 50.0), tol=1e-9)
    lumped, tensor = long.solve(hou_wu), plain.effective_tensor(hou_wu)
    np.testing.assert_allclose(lumped.tensor, tensor, rtol=1e-3, atol=1e-3)  # the window is not quite the lumped mass
    assert lumped.solver == "lanczos" and lumped.correctors.shape == (2, 11, 11)
    np.testing.assert_allclose(lumped.correctors, plain.solve(hou_wu).correctors, atol=1e-4)


def test_parabolic_batch_equals_singles():
    x = np.array([[0.1, 0.5, 0.9], [0.3, 0.2, 0.8]])
    problem = hmm.CellProblem(n=8, bc="dirichlet", size=2.0, equation=("parabolic", 0.1), tol=1e-9)
    together = problem.effective_tensor(graded, x=x)
    for k in range(3):
        np.testing.assert_allclose(together[..., k], problem.effective_tensor(graded, x=x[:, k]), rtol=1e-8, atol=1e-10)


# -- correctors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_correctors_satisfy_their_boundary_condition_and_give_the_tensor(bc):
    problem = hmm.CellProblem(n=24, bc=bc, tol=1e-10)
    micro = problem.solve(hou_wu)
    w = micro.correctors
    if bc == "periodic":
        np.testing.assert_array_equal(w[:, 0], w[:, -1])
    if bc == "dirichlet":
        assert np.abs(w[:, 0]).max() == np.abs(w[:, :, -1]).max() == 0
    grid = hmm.grid.Q1Grid(2, 24, 1.0, "neumann")
    gradient = grid.gradient(w[None])
    gradient[:, 0, 0] += 1
    gradient[:, 1, 1] += 1
    np.testing.assert_allclose(gradient.mean(axis=(0, 3, 4)), np.eye(2), atol=1e-4)
    a = hou_wu(None, grid.points).reshape(1, 1, 4, -1)
    np.testing.assert_allclose((a[:, None] * gradient).mean(axis=(0, 3, 4)).T, micro.tensor, atol=2e-3)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kwargs, error, words",
    (
        ({"dim": 4}, ValueError, "dim=4"),
        ({"dim": 2.0}, TypeError, "dim=2.0"),
        ({"n": 1}, ValueError, "n=1"),
        ({"n": 8.5}, TypeError, "n=8.5"),
        ({"bc": "robin"}, ValueError, "bc='robin'"),
        ({"size": 0}, ValueError, "size=0"),
        ({"size": -1.0}, ValueError, "size=-1.0"),
        ({"size": np.nan}, ValueError, "size=nan"),
        ({"size": "big"}, TypeError, "size='big'"),
        ({"buffer": -0.1}, ValueError, "buffer=-0.1 must be >= 0: .*outside of the solved domain"),
        ({"offset": np.inf}, ValueError, "offset=inf"),
        ({"window": "hat"}, ValueError, "window='hat'"),
        ({"window": ("smooth", -1)}, ValueError, "window"),
        ({"average": "mean"}, ValueError, "average='mean'"),
        ({"scheme": "p2"}, ValueError, "scheme='p2'"),
        ({"tol": 0.0}, ValueError, "tol=0.0"),
        ({"tol": 1e-30}, ValueError, "tol=1e-30"),
        ({"average": "energy", "bc": "neumann"}, ValueError, "average='energy'"),
        ({"equation": "hyperbolic"}, ValueError, "equation='hyperbolic'"),
        ({"equation": ("zero-order", -1.0)}, ValueError, "T must be a positive"),
        ({"equation": ("zero-order", 1.0), "bc": "neumann"}, ValueError, "equation=.*bc"),
        ({"equation": ("zero-order", 1.0), "scheme": "fourier"}, ValueError, "equation=.*scheme"),
        ({"equation": ("parabolic", 1.0)}, ValueError, "parabolic.*dirichlet"),
        ({"richardson": True}, ValueError, "richardson=True"),
        ({"scheme": "fourier", "bc": "dirichlet"}, ValueError, "fourier.*bc"),
        ({"scheme": "fourier", "size": 1.5}, ValueError, "fourier.*size"),
        ({"scheme": "fourier", "buffer": 0.5}, ValueError, "fourier.*buffer"),
    ),
)
def test_bad_descriptions(kwargs, error, words):
    with pytest.raises(error, match=words):
        hmm.CellProblem(**kwargs)


def somewhere(value):
    """1 everywhere but in a small square around y = (0.2, 0.2)."""
    return lambda x, y: np.where((abs(y[0] - 0.2) < 0.1) & (abs(y[1] - 0.2) < 0.1), value, 1.0)


def raising(x, y):
    raise KeyError("no such material")


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("n", (8, 64))
def test_a_weak_problem_is_solved_in_the_company_of_a_strong_one(bc, n):
    """One point of the batch is 10^18 times stiffer than the other: each has its own scale."""

    def medium(x, y):
        return 10 ** (-20 * x[0]) * (1.6 + sin(y[0])) * (1.5 + 0.8 * cos(y[1]))

    x, cell = np.array([[0.0, 0.9], [0.0, 0.0]]), hmm.CellProblem(n=n, bc=bc)
    together = cell.effective_tensor(medium, x)
    for k in range(2):
        alone = cell.effective_tensor(medium, x[:, k])
        np.testing.assert_allclose(together[..., k], alone, rtol=1e-10, atol=1e-12 * alone.max())


@pytest.mark.parametrize(
    "medium, words",
    (
        (somewhere(np.nan), r"not finite at x=.*y=\[0\.\d+, 0\.\d+\]"),
        (somewhere(np.inf), "not finite at"),
        (somewhere(-1.0), r"positive; it is -1.0 at x=.*y=\[0\.\d+, 0\.\d+\]"),
        (somewhere(0.0), "positive"),
        (lambda x, y: 1j + y[0], "complex"),
        (lambda x, y: "stiff", "real numbers"),
        (lambda x, y: np.ones((3, 3)), r"shape \(3, 3\)"),
        (lambda x, y: np.ones((2, 3, 1, 1)), r"shape \(2, 3, 1, 1\)"),
        (lambda x, y: np.ones((2, 2, 2, 2, 1, 1)), "stiffness"),
        (lambda x, y: np.array([[1.0, 3.0], [0.0, 1.0]]), "positive definite"),
        (lambda x, y: np.array([[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (raising, "raised KeyError"),
        (lambda x, y: 1 + x[0] ** 2, "depends on x"),
    ),
)
@pytest.mark.parametrize("bc", ("periodic", "neumann"))
def test_bad_media(medium, words, bc):
    with pytest.raises(ValueError, match=words):
        hmm.CellProblem(n=8, bc=bc).effective_tensor(medium)


def test_bad_media_name_the_macro_point():
    with pytest.raises(ValueError, match=r"x=\[0\.75, 0\.5\]"):
        x = np.array([[0.25, 0.75], [0.5, 0.5]])
        hmm.CellProblem(n=8).effective_tensor(lambda x, y: np.where(x[0] > 0.6, -1.0, 1.0) + 0 * y[0], x=x)


@pytest.mark.parametrize(
    "x, eps, words",
    (
        (np.zeros((3, 4)), None, r"shape \(3, 4\)"),
        (np.float64(1), None, "shape"),
        (np.full((2, 1), np.nan), None, "x holds nan"),
        (np.zeros((2, 0)), None, "no macro point"),
        (np.zeros((2, 1), dtype=complex), None, "complex"),
        (None, 0.1, "eps=0.1"),
        (np.zeros((2, 1)), -0.1, "eps=-0.1"),
        (np.zeros((2, 1)), np.nan, "eps=nan"),
    ),
)
def test_bad_macro_points(x, eps, words):
    with pytest.raises(ValueError, match=words):
        hmm.CellProblem(n=8).effective_tensor(hou_wu, x=x, eps=eps)


def test_a_sample_smaller_than_the_correlation_length_is_warned_of():
    tiles = hmm.media.random_checkerboard(1.0, 2.0, tile=2.0, rng=0)
    with pytest.warns(UserWarning, match="correlation length, 2 periods, exceeds"):
        hmm.CellProblem(n=8, size=1.0).effective_tensor(tiles)


def test_a_medium_is_a_function():
    with pytest.raises(TypeError, match="not a medium"):
        hmm.CellProblem(n=8).effective_tensor(2.0)


def test_non_positive_medium_on_a_line():
    with pytest.raises(ValueError, match="positive"):
        hmm.CellProblem(dim=1, n=8).effective_tensor(lambda x, y: sin(y[0]))


def test_a_tolerance_that_double_precision_cannot_reach():
    with pytest.raises(hmm.ConvergenceError, match="tol=1e-08 cannot be reached in double precision"):
        hmm.CellProblem(n=16, buffer=0.25).effective_tensor(ball(0.3, 1e16, 2))
