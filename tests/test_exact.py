"""Closed forms against the reference sheet, against each other, and against independent quadrature."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import beta

from hmm_core import exact, media

conductivity = st.floats(1e-2, 1e2)
TWO_PI = 2 * np.pi


def sine(t):
    return 1.1 + np.sin(TWO_PI * t)


def inverse_cosine(t):
    return 1 / (2 + np.cos(TWO_PI * t))


def tensor_profile(t):
    return np.array([[2 + np.sin(TWO_PI * t), 0.5 * np.sin(TWO_PI * t)], [0.3, 3 + np.cos(2 * TWO_PI * t)]])


def spd(seed, dim):
    root = np.random.default_rng(seed).normal(size=(dim, dim))
    return root @ root.T + 0.1 * np.eye(dim)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


# -- one dimension --------------------------------------------------------------------------------------------------


def test_reference_1_harmonic_mean():
    assert exact.harmonic_mean(sine) == pytest.approx(0.458257569496, abs=5e-13)
    assert exact.harmonic_mean(lambda t: 2 + np.cos(TWO_PI * t)) == pytest.approx(np.sqrt(3), rel=1e-14)
    assert exact.arithmetic_mean(sine) == pytest.approx(1.1, rel=1e-14)


def test_means_of_phases_profiles_with_jumps_and_zero_mean():
    assert exact.harmonic_mean([1, 4], [0.25, 0.75]) == pytest.approx(1 / (0.25 + 0.75 / 4), rel=1e-15)
    assert exact.arithmetic_mean([[1, 2], [3, 6]]) == pytest.approx([2, 4])
    assert exact.arithmetic_mean(lambda t: 1.0 if t < 0.3 else 5.0) == pytest.approx(0.3 + 3.5, rel=1e-12)
    assert abs(exact.arithmetic_mean(lambda t: np.sin(TWO_PI * t))) < 1e-15


@pytest.mark.parametrize("place", [0.3, 0.4998, 0.7496, 0.1252, 0.24995, 0.3181])
def test_a_jump_need_not_be_named(place):
    """Most of these lie so close to where an adaptive rule cuts its intervals that it alone is 1e-4 off."""

    def step(t):
        return np.where(t < place, 1.0, 5.0)

    for mean in (exact.arithmetic_mean, exact.harmonic_mean):
        expected = mean([1, 5], [place, 1 - place])
        assert mean(step) == pytest.approx(expected, rel=2e-14)
        assert mean(media.Steps((1, 5), (place, 1 - place))) == pytest.approx(expected, rel=2e-14)
    beside = media.layered(media.Diagonal((step, media.Sine(2, 1))))  # one of them does not say where it jumps
    assert beside.effective() == pytest.approx(np.diag([expected, 2]), rel=2e-14)


def test_reference_2_solution_pair():
    eps = 1 / 8
    r = eps / TWO_PI
    x = np.linspace(0, 1, 41)
    printed = x - x**2 + r * (0.5 - x) * np.sin(x / r) + r**2 * (1 - np.cos(x / r))
    assert exact.cosine_solution(x, eps) == pytest.approx(printed, abs=1e-15)
    assert exact.cosine_solution(x) == pytest.approx(x * (1 - x), abs=1e-15)
    assert exact.cosine_solution(x, 1e-9, alpha=3) == pytest.approx(exact.cosine_solution(x, alpha=3), abs=1e-9)
    assert exact.harmonic_mean(inverse_cosine) == pytest.approx(0.5, rel=1e-14)
    squared, _ = quad(lambda s: (exact.cosine_solution(s, eps) - s * (1 - s)) ** 2, 0, 1, epsrel=1e-12, limit=500)
    assert squared == pytest.approx(r**2 * (1 / 24 + 11 / 4 * r**2), rel=1e-9)
    t = (np.arange(200_000) + 0.5) / 200_000
    gap = exact.cosine_solution(t, 1e-3, derivative=True) - exact.cosine_solution(t, derivative=True)
    assert np.sqrt(np.mean(gap**2)) == pytest.approx(0.204124145232, rel=1e-5)


def test_reference_3_solution_pair():
    assert exact.graded_solution(0.5) == pytest.approx(0.169925001442, abs=5e-13)
    assert exact.graded_solution(0.5, 1e-7) == pytest.approx(0.169925001442, abs=1e-7)


@pytest.mark.parametrize(
    "solution, a",
    [
        (exact.cosine_solution, lambda x, eps: 1 / (2 + np.cos(TWO_PI * x / eps))),
        (partial(exact.cosine_solution, alpha=1.3), lambda x, eps: 1 / (1.3 + np.cos(TWO_PI * x / eps))),
        (exact.graded_solution, lambda x, eps: (1 + x) / (2 + np.cos(TWO_PI * x / eps))),
    ],
)
@pytest.mark.parametrize("eps", [0.25, 0.37, 0.011])
def test_fine_scale_solutions_satisfy_their_equation(solution, a, eps):
    assert abs(solution(np.array([0.0, 1.0]), eps)).max() < 1e-14
    x = np.linspace(0.1, 0.9, 7)
    flux = a(x, eps) * solution(x, eps, derivative=True)
    assert np.ptp(flux + x) < 1e-12  # (a u')' = -1
    for s in x:
        integral, _ = quad(lambda t: solution(t, eps, derivative=True), 0, s, epsabs=1e-13, limit=1000)
        assert solution(s, eps) == pytest.approx(integral, abs=1e-11)


def test_reference_4_finite_cells():
    assert exact.cosine_cell(2.5) == pytest.approx(0.470074150153349, abs=5e-16)
    assert exact.cosine_cell(2.5, q=1) == pytest.approx(0.498456704617, abs=5e-13)
    assert exact.cosine_cell(2.5, 0.3) == pytest.approx(1 / (2 + np.cos(0.6 * np.pi) / (2.5 * np.pi)), rel=1e-14)


@given(st.floats(0.3, 9), st.floats(-0.5, 0.5), st.integers(0, 3))
def test_finite_cell_is_a_windowed_harmonic_mean(size, center, q):
    def weighted(y):
        kernel = (0.25 - (y / size) ** 2) ** q / (size * beta(q + 1, q + 1))
        return kernel * (3 + 1.2 * np.cos(TWO_PI * (y + center)))

    mean, _ = quad(weighted, -size / 2, size / 2, epsabs=1e-13, limit=200)
    assert exact.cosine_cell(size, center, q, alpha=3, beta=1.2) == pytest.approx(1 / mean, rel=1e-11)


def test_reference_6_p_laplacian():
    def a(t):
        return (2 + np.cos(TWO_PI * t)) ** -2

    assert exact.p_laplacian(a, 3) == pytest.approx(0.25, rel=1e-14)
    assert exact.p_laplacian(a, 2) == pytest.approx(exact.harmonic_mean(a), rel=1e-14)


# -- tensors --------------------------------------------------------------------------------------------------------


def test_reference_7_laminate_scalar_and_anisotropic():
    h, m = 1 / (0.3 / 1 + 0.7 / 5), 0.3 * 1 + 0.7 * 5
    n = np.array([0.6, 0.8])
    expected = h * np.outer(n, n) + m * (np.eye(2) - np.outer(n, n))
    assert exact.laminate([1, 5], [0.3, 0.7], n) == pytest.approx(expected, rel=1e-14)
    f, a = np.array([0.2, 0.3, 0.5]), np.stack([spd(1, 3), spd(2, 3), spd(3, 3)], axis=-1)
    got = exact.laminate(list(np.moveaxis(a, -1, 0)), f, (1, 0, 0))
    h = 1 / (f @ (1 / a[0, 0]))
    assert got[0, 0] == pytest.approx(h, rel=1e-14)
    for j in (1, 2):
        assert got[0, j] == pytest.approx(f @ (a[0, j] / a[0, 0]) * h, rel=1e-13)
        for i in (1, 2):
            expected = f @ (a[i, j] - a[i, 0] * a[0, j] / a[0, 0])
            expected += f @ (a[i, 0] / a[0, 0]) * (f @ (a[0, j] / a[0, 0])) * h
            assert got[i, j] == pytest.approx(expected, rel=1e-13)


@given(st.integers(0, 10**6), st.floats(0.05, 0.95), st.floats(0, 6.3))
def test_laminate_turns_with_its_phases_and_respects_wiener(seed, f, angle):
    a, b = spd(seed, 2), spd(seed + 1, 2)
    r = rotation(angle)
    plain = exact.laminate([a, b], [f, 1 - f], (0.3, -2.0))
    turned = exact.laminate([r @ a @ r.T, r @ b @ r.T], [f, 1 - f], r @ (0.3, -2.0))
    scale = np.abs(plain).max()
    assert turned == pytest.approx(r @ plain @ r.T, abs=1e-11 * scale)
    assert plain == pytest.approx(plain.T, abs=1e-12 * scale)
    upper = f * a + (1 - f) * b
    lower = np.linalg.inv(f * np.linalg.inv(a) + (1 - f) * np.linalg.inv(b))
    assert np.linalg.eigvalsh(upper - plain).min() > -1e-10 * scale
    assert np.linalg.eigvalsh(plain - lower).min() > -1e-10 * scale


@given(conductivity, conductivity, st.floats(0.01, 0.99), st.floats(0, 6.3))
def test_laminate_of_two_phases_obeys_keller_duality(k1, k2, f, angle):
    """det A* (k1, k2) = k1 k2 when A* turned by 90 degrees is k1 k2 times the inverse of the interchanged medium's."""
    n = (np.cos(angle), np.sin(angle))
    a, swapped = (exact.laminate(k, [f, 1 - f], n) for k in ([k1, k2], [k2, k1]))
    r = rotation(np.pi / 2)
    assert r.T @ a @ r == pytest.approx(k1 * k2 * np.linalg.inv(swapped), rel=1e-9, abs=1e-9)


def test_laminate_of_profiles_and_at_many_normals():
    assert exact.laminate(sine, normal=(1,)) == pytest.approx(np.array([[np.sqrt(0.21)]]), rel=1e-14)
    values = [tensor_profile(t) for t in (np.arange(400) + 0.5) / 400]  # the midpoint rule is spectral here
    angles = np.array([0.2, 1.0, 2.5])
    normals = np.array([np.cos(angles), np.sin(angles)])
    many = exact.laminate(tensor_profile, normal=normals)
    for k in range(3):
        expected = exact.laminate(values, normal=normals[:, k])
        assert many[..., k] == pytest.approx(expected, rel=1e-12)
        assert exact.laminate(tensor_profile, normal=normals[:, k]) == pytest.approx(expected, rel=1e-12)
    jumps = exact.laminate(lambda t: 1.0 if t < 0.3 else 5.0, normal=(1, 1))
    assert jumps == pytest.approx(exact.laminate([1, 5], [0.3, 0.7], (1, 1)), rel=1e-11)


def test_reference_8_separable():
    def factor(t):
        return 1 / (2 + 1.8 * np.sin(TWO_PI * t))

    assert exact.separable(factor, factor) == pytest.approx(0.5735393346764 * np.eye(2), abs=1e-13)
    three = exact.separable(factor, [1, 3], sine)
    h, m = exact.harmonic_mean, exact.arithmetic_mean
    assert np.diag(three) == pytest.approx([h(factor) * 2 * 1.1, m(factor) * 1.5 * 1.1, m(factor) * 2 * h(sine)])


def test_references_9_10_11_checkerboards():
    assert exact.checkerboard(1, 10) == pytest.approx(np.sqrt(10), rel=1e-15)
    assert exact.checkerboard4(1, 2, 3, 4)[0, 0] == pytest.approx(2.43975018237, abs=5e-12)
    assert exact.obnosov(1, 10) == pytest.approx(1.54421999230, abs=5e-12)
    assert exact.tilings_mean(1, 10) == pytest.approx(4.002552747375, abs=5e-13)
    k = 10.0
    formula = 2 * (1 + k) + 4 * np.sqrt((1 + 3 * k) / (3 + k)) + 4 * k * np.sqrt((k + 3) / (3 * k + 1))
    assert exact.tilings_mean(1, k) == pytest.approx((formula + 4 * k / (1 + k) + 2 * np.sqrt(k)) / 16, rel=1e-14)


@pytest.mark.parametrize(
    ("fraction", "ten", "perfect"),
    [
        (0.1, 1.17822179562, 1.22222977382),
        (0.3, 1.65203601108, 1.86018830652),
        (0.5, 2.41546738019, 3.08019782619),
        (0.7, 4.06170739857, 7.43270932874),
    ],
)
def test_reference_15_square_array_of_cylinders(fraction, ten, perfect):
    assert exact.cylinders(fraction, 10) == pytest.approx(ten, abs=1e-11)
    assert exact.cylinders(fraction, 1e14) == pytest.approx(perfect, abs=1e-11)
    assert exact.cylinders(fraction, 10) * exact.cylinders(fraction, 0.1) == pytest.approx(1, rel=1e-13)  # duality
    assert exact.cylinders(fraction, 1) == 1
    low, high = exact.hashin_shtrikman_bounds(1, 10, fraction)
    assert low < ten < high


@given(conductivity, conductivity, conductivity, conductivity)
def test_four_phase_checkerboard_contains_its_limits(a, b, c, d):
    general = exact.checkerboard4(a, b, c, d)
    assert exact.checkerboard4(c, b, a, d)[0, 0] == pytest.approx(general[1, 1], rel=1e-12)  # reflected at y1 = y2
    assert exact.checkerboard4(a, b, a, b) == pytest.approx(np.sqrt(a * b) * np.eye(2), rel=1e-12)
    assert exact.checkerboard4(a, b, b, a) == pytest.approx(exact.laminate([a, b]), rel=1e-12, abs=1e-12)
    assert exact.checkerboard4(b, a, a, a) == pytest.approx(exact.obnosov(a, b) * np.eye(2), rel=1e-12)
    dual = exact.checkerboard4(1 / a, 1 / b, 1 / c, 1 / d)
    assert general[0, 0] * dual[1, 1] == pytest.approx(1, rel=1e-12)  # Keller's theorem
    low, high = exact.wiener_bounds([a, b, c, d])
    assert low * (1 - 1e-12) <= np.diag(general).min() <= np.diag(general).max() <= high * (1 + 1e-12)


@given(conductivity, conductivity)
def test_phase_interchange_of_isotropic_media(k1, k2):
    assert exact.checkerboard(k1, k2) * exact.checkerboard(k2, k1) == pytest.approx(k1 * k2, rel=1e-12)
    # Three quarters of k1 and one of k2, and the same square with both exchanged:
    assert exact.obnosov(k1, k2) * exact.obnosov(k2, k1) == pytest.approx(k1 * k2, rel=1e-12)


# -- bounds ---------------------------------------------------------------------------------------------------------


def test_reference_13_bounds():
    f, k = 0.3, 10.0
    assert exact.hashin_shtrikman_bounds(1, k, f)[0] == pytest.approx(1 + f / (1 / (k - 1) + (1 - f) / 2), rel=1e-14)
    assert exact.hashin_shtrikman_bounds(1, k, f, 3)[0] == pytest.approx(1 + f / (1 / (k - 1) + (1 - f) / 3), rel=1e-14)
    upper = k + (1 - f) / (1 / (1 - k) + f / (2 * k))
    assert exact.hashin_shtrikman_bounds(1, k, f)[1] == pytest.approx(upper, rel=1e-14)
    assert exact.wiener_bounds([1, k], [0.7, 0.3]) == pytest.approx((1 / (0.7 + 0.03), 3.7), rel=1e-14)


@given(conductivity, conductivity, st.floats(0.01, 0.99), st.sampled_from([1, 2, 3]))
def test_hashin_shtrikman_lies_within_wiener(k1, k2, f, dim):
    low, high = exact.hashin_shtrikman_bounds(k1, k2, f, dim)
    wiener = exact.wiener_bounds([k1, k2], [1 - f, f])
    slack = 1e-12 * high
    assert wiener[0] - slack <= low <= high + slack <= wiener[1] + 2 * slack
    assert exact.hashin_shtrikman_bounds(k2, k1, 1 - f, dim) == pytest.approx((low, high), rel=1e-12)
    if dim == 1:
        assert (low, high) == pytest.approx((wiener[0], wiener[0]), rel=1e-12)
    if dim == 2:  # duality maps the bounds onto each other
        assert low * exact.hashin_shtrikman_bounds(k2, k1, f)[1] == pytest.approx(k1 * k2, rel=1e-12)


@given(conductivity, conductivity)
def test_exact_results_lie_within_hashin_shtrikman(k1, k2):
    for value, f in ((exact.checkerboard(k1, k2), 0.5), (exact.obnosov(k1, k2), 0.25)):
        low, high = exact.hashin_shtrikman_bounds(k1, k2, f)
        assert low * (1 - 1e-12) <= value <= high * (1 + 1e-12)


def test_bounds_are_vectorised():
    low, high = exact.hashin_shtrikman_bounds(1.0, np.array([2.0, 10.0]), np.array([[0.0], [1.0]]))
    assert low == pytest.approx(np.array([[1, 1], [2, 10]])) and high == pytest.approx(low)


# -- derivations ----------------------------------------------------------------------------------------------------


def test_import_does_not_bring_sympy():
    code = "import sys, hmm_core.media.exact, hmm_core.media; sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_derived_harmonic_mean():
    sp = pytest.importorskip("sympy")
    steps = exact.derive_harmonic_mean()
    x, y, c = sp.symbols("x y c")
    a, w = sp.Function("a")(y), sp.Function("w")(y)
    u0 = sp.Function("u0")(x)
    assert set(steps["orders"]) == {-2, -1, 0}
    assert sp.simplify(steps["orders"][-2].lhs.subs(sp.Function("u0")(x, y), u0).doit()) == 0
    assert sp.simplify(steps["cell_equation"].lhs + sp.diff(steps["flux"].lhs, y)) == 0
    assert sp.simplify(steps["solvability"] + steps["flux"].lhs * u0.diff(x, 2) + sp.Function("f")(x)) == 0
    assert sp.simplify(steps["periodicity"].lhs.subs(c, steps["effective"])) == 0
    residual = steps["cell_equation"].lhs.subs(w.diff(y), steps["corrector_gradient"]).doit()
    assert sp.simplify(residual) == 0
    number = steps["effective"].subs(a, sp.Rational(11, 10) + sp.sin(2 * sp.pi * y)).evalf(15)
    assert float(number) == pytest.approx(exact.harmonic_mean(sine), rel=1e-12)
    assert sp.simplify(steps["homogenized"].lhs + steps["effective"] * u0.diff(x, 2) + sp.Function("f")(x)) == 0


@pytest.mark.parametrize("dim", [1, 2])
def test_derived_laminate(dim):
    sp = pytest.importorskip("sympy")
    steps = exact.derive_laminate(dim)
    y = sp.Symbol("y")
    s = sp.sin(2 * sp.pi * y)
    concrete = {"a11": 2 + s, "a12": s / 2, "a21": sp.Rational(3, 10), "a22": 3 + sp.cos(4 * sp.pi * y)}
    replace = {sp.Function(name)(y): value for name, value in concrete.items()}
    effective = steps["effective"].subs(replace)
    means = {mean: mean.evalf(15) for mean in effective.atoms(sp.Integral)}  # once each, not wherever they stand
    number = np.array(effective.subs(means).tolist(), dtype=float)
    expected = exact.laminate(tensor_profile if dim == 2 else lambda t: 2 + np.sin(TWO_PI * t), normal=np.eye(dim)[0])
    assert number == pytest.approx(expected, rel=1e-12)
    normal_flux = steps["flux"][0, :]
    assert [sp.diff(j, y) for j in normal_flux] == [0] * dim


def test_derived_separable():
    sp = pytest.importorskip("sympy")
    steps = exact.derive_separable()
    y1, y2 = sp.symbols("y1 y2")
    assert steps["divergence"] == [0, 0]
    replace = {
        sp.Function("a1")(y1): 2 + sp.sin(2 * sp.pi * y1),
        sp.Function("a2")(y2): 1 / (2 + sp.cos(2 * sp.pi * y2)),
    }
    number = np.array(steps["effective"].subs(replace).evalf(15).tolist(), dtype=float)
    assert number == pytest.approx(exact.separable(lambda t: 2 + np.sin(TWO_PI * t), inverse_cosine), rel=1e-12)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: exact.harmonic_mean([1, -2]), "values"),
        (lambda: exact.harmonic_mean([1, np.nan]), "values"),
        (lambda: exact.harmonic_mean(lambda t: np.sin(TWO_PI * t)), "values"),
        (lambda: exact.arithmetic_mean(lambda t: np.nan), "values"),
        (lambda: exact.arithmetic_mean([1, 2], [0.5, 0.6]), "weights"),
        (lambda: exact.arithmetic_mean([1, 2], [0.5, 0.25, 0.25]), "weights"),
        (lambda: exact.arithmetic_mean(sine, [1.0]), "weights"),
        (lambda: exact.p_laplacian([1, 2], 1), "p="),
        (lambda: exact.laminate([1, 2], [1.5, -0.5]), "fractions"),
        (lambda: exact.laminate([1, 2], normal=(0, 0)), "normal"),
        (lambda: exact.laminate([1, np.inf]), "phases"),
        (lambda: exact.laminate([1, -1]), "phases"),
        (lambda: exact.laminate([np.eye(3)], normal=(1, 0)), "phases"),
        (lambda: exact.separable(), "factors"),
        (lambda: exact.checkerboard(0, 1), "k1"),
        (lambda: exact.checkerboard4(1, 2, -3, 4), "c="),
        (lambda: exact.obnosov(1, np.nan), "inclusion"),
        (lambda: exact.cylinders(0.8, 10), "fraction"),
        (lambda: exact.cylinders(0.2, -1), "inside"),
        (lambda: exact.hashin_shtrikman_bounds(1, 2, 1.5), "fraction"),
        (lambda: exact.hashin_shtrikman_bounds(1, 2, 0.5, 4), "dim"),
        (lambda: exact.cosine_cell(0), "size"),
        (lambda: exact.cosine_cell(1, q=-1), "q="),
        (lambda: exact.cosine_cell(1, alpha=0.5), "alpha"),
        (lambda: exact.cosine_solution(0.5, 0), "eps"),
        (lambda: exact.cosine_solution(0.5, 0.1, alpha=1), "alpha"),
        (lambda: exact.cosine_solution(0.5, alpha=np.nan), "alpha"),
        (lambda: exact.graded_solution(0.5, -1), "eps"),
        (lambda: exact.derive_laminate(4), "dim"),
    ],
)
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=name):
        call()
