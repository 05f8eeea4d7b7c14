"""Media: values where they are known, shapes, pickling, effective tensors against independent computations, bad input."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmm_core import exact, media
from hmm_core.media import Affine, Diagonal, Sine, Steps, cosine

TWO_PI = 2 * np.pi
AFFINE = Affine(1.0, (0.5, -0.25))


def curved(x):
    return 0.3 * x[0] ** 2 + x[1] + 0.1 * np.sin(x[0] * x[1])


def curved_gradient(x):
    c = 0.1 * np.cos(x[0] * x[1])
    return np.array([0.6 * x[0] + c * x[1], 1 + c * x[0]])


def graded_wave(x, t):
    return (2 + x[0] ** 2) * (1.5 + np.sin(TWO_PI * t))


def tensor_wave(x, t):
    a = np.zeros((2, 2, *np.broadcast_shapes(np.shape(x[0]), np.shape(t))))
    a[0, 0] = 2 + np.sin(TWO_PI * t)
    a[1, 1] = 3 + x[1] ** 2
    a[0, 1] = a[1, 0] = 0.5
    return a


def plain(x, y):
    return (1 + x[0] ** 2) * (2 + np.cos(TWO_PI * y[0]))


def plain_effective(x):
    a = np.zeros((2, 2, *x.shape[1:]))
    a[0, 0], a[1, 1] = np.sqrt(3) * (1 + x[0] ** 2), 2 * (1 + x[0] ** 2)
    return a


MEDIA = {
    "number": media.constant(2.0),
    "tensor": media.constant([[2.0, 0.5], [0.5, 3.0]]),
    "layers": media.layered(Sine(1.1, 1.0)),
    "diagonal layers": media.layered(Diagonal((cosine(2, 1, -1), Steps((1, 3)))), (1, 2)),
    "laminate": media.laminate((1, 10, 3), (0.2, 0.5, 0.3), (1, -1)),
    "anisotropic laminate": media.laminate((1, ((2, 0.5), (0.5, 3))), (0.4, 0.6), (0.6, 0.8)),
    "separable": media.separable(Sine(2, 1.8, power=-1), Sine(2, 1.8, power=-1)),
    "hou_wu": media.hou_wu(),
    "resonant": media.resonant(),
    "sine_product": media.sine_product(),
    "balanced_layers": media.balanced_layers(),
    "checkerboard": media.checkerboard(1, 10),
    "checkerboard4": media.checkerboard4(1, 2, 3, 4),
    "disk": media.inclusion(10, 1, radius=0.3),
    "square": media.inclusion(10, fraction=0.25, shape="square"),
    "graded disk": media.inclusion(Affine(5, (1, 0)), fraction=Affine(0.3, (0.1, 0.05))),
    "graded": media.graded(AFFINE, media.laminate((1, 4))),
    "function": media.function(plain, plain_effective),
    "stratified": media.stratified(graded_wave, curved),
    "stratified tensor": media.stratified(tensor_wave, AFFINE),
    "material": media.stratified(Sine(2, 1), curved, eps=0.01),
}
SLOW = {"graded disk", "graded", "function", "stratified", "stratified tensor", "material"}
NO_CLOSED_FORM = {"hou_wu", "resonant", "sine_product", "disk", "graded disk"}


@pytest.fixture(params=sorted(MEDIA))
def named(request):
    return request.param, MEDIA[request.param]


def leading(value, points):
    """Leading axes of a field over points with so many axes: 0 for a scalar, 2 for a tensor."""
    return 0 if np.ndim(value) <= points else 2


# -- what all media share -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x_shape, y_shape",
    [
        ((2, 5, 1), (2, 1, 7)),
        ((2, 5, 1), (2, 5, 7)),
        ((2,), (2, 7)),
        ((2, 7), (2, 7)),
        ((2, 1), (2, 7)),
        ((2,), (2,)),
        ((2, 5, 1, 1), (2, 1, 3, 4)),
        ((2, 5, 7), (2, 5, 7)),
    ],
)
def test_values_broadcast_and_agree_with_single_points(named, x_shape, y_shape):
    name, medium = named
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 1, x_shape), rng.uniform(-2, 2, y_shape)
    value = np.asarray(medium(x, y), dtype=float)
    trailing = np.broadcast_shapes(x_shape[1:], y_shape[1:])
    lead = leading(value, len(trailing))
    full = np.broadcast_to(value, (2,) * lead + trailing)
    if name not in SLOW and name != "number":
        assert value.shape == (2,) * lead + ((1,) * (len(y_shape) - 1) if name == "tensor" else y_shape[1:])
    xs, ys = (np.array([np.broadcast_to(c, trailing).ravel() for c in p]) for p in (x, y))
    for k in range(0, xs.shape[1], 3):
        single = np.asarray(medium(xs[:, k], ys[:, k]), dtype=float)
        assert full.reshape((2,) * lead + (-1,))[..., k] == pytest.approx(single, rel=1e-9)


def test_pickle_equality_hash_and_repr(named):
    _, medium = named
    copy = pickle.loads(pickle.dumps(medium))
    assert copy == medium and hash(copy) == hash(medium) and repr(copy) == repr(medium)
    x, y = np.full((2, 1, 1), 0.3), np.random.default_rng(0).uniform(size=(2, 1, 9))
    assert np.array_equal(copy(x, y), medium(x, y))


def test_a_medium_is_its_repr():
    for name in ("laminate", "checkerboard4", "hou_wu", "square"):
        assert eval(repr(MEDIA[name]), vars(media)) == MEDIA[name]


def test_without_slow_variable_x_may_be_missing(named):
    name, medium = named
    y = np.random.default_rng(0).uniform(size=(2, 9))
    if name in SLOW - {"function"}:
        with pytest.raises(ValueError, match="x=None"):
            medium(None, y)
    elif name not in SLOW:
        assert np.array_equal(medium(None, y), medium(np.zeros(2), y))


def test_media_have_period_one_and_are_positive(named):
    name, medium = named
    if name in ("stratified", "stratified tensor", "material", "anisotropic laminate"):
        pytest.skip("not 1-periodic in y")
    rng = np.random.default_rng(2)
    x, y = rng.uniform(size=(2, 1)), rng.uniform(size=(2, 50))
    a = np.asarray(medium(x, y))
    assert np.asarray(medium(x, y + [[3.0], [-2.0]])) == pytest.approx(a, rel=1e-12)
    smallest = a if leading(a, 1) == 0 else np.linalg.eigvalsh(np.moveaxis(a, -1, 0))
    assert smallest.min() > 0


def test_effective_has_one_shape(named):
    name, medium = named
    x = np.random.default_rng(3).uniform(size=(2, 4, 3))
    if name in NO_CLOSED_FORM:
        with pytest.raises(NotImplementedError, match="CellProblem"):
            medium.effective(x)
        return
    everywhere = medium.effective(x)
    assert everywhere.shape == (2, 2, 4, 3)
    assert medium.effective(x[:, 1, 2]) == pytest.approx(everywhere[..., 1, 2], rel=1e-12, abs=1e-14)
    if name in SLOW | {"number"}:
        with pytest.raises(ValueError, match="x=None"):
            medium.effective()
    else:
        assert medium.effective().shape == (2, 2)
        assert medium.effective() == pytest.approx(everywhere[..., 0, 0], rel=1e-14)


# -- values ---------------------------------------------------------------------------------------------------------


def test_profiles():
    t = np.array([-0.25, 0.0, 0.25, 1.1])
    assert Sine(2, 1)(t) == pytest.approx(2 + np.sin(TWO_PI * t))
    assert cosine(2, 1, -1)(t) == pytest.approx(1 / (2 + np.cos(TWO_PI * t)))
    steps = Steps((1, 5, 7), (0.2, 0.3, 0.5))
    assert steps.jumps == pytest.approx((0.2, 0.5))
    assert steps(np.array([0.0, 0.19, 0.21, 0.51, -0.1, 1.25, -1e-18])) == pytest.approx([1, 1, 5, 7, 7, 5, 7])
    mixed = Steps((2, ((1, 0.5), (0.5, 4))))
    assert mixed(np.array([0.1, 0.6])).shape == (2, 2, 2)
    assert mixed(0.1) == pytest.approx(2 * np.eye(2)) and mixed(0.6) == pytest.approx(np.array([[1, 0.5], [0.5, 4]]))
    x = np.random.default_rng(0).uniform(size=(2, 3, 4))
    assert AFFINE(x) == pytest.approx(1 + 0.5 * x[0] - 0.25 * x[1])
    assert AFFINE.gradient(x)[:, 2, 1] == pytest.approx([0.5, -0.25])


def test_tiles_of_the_checkerboards():
    y = np.array([[-0.1, 0.1, 0.1, -0.1], [0.1, 0.1, -0.1, -0.1]])  # upper left, upper right, lower right, lower left
    assert media.checkerboard4(1, 2, 3, 4)(None, y) == pytest.approx([1, 2, 3, 4])
    assert media.checkerboard(1, 10)(None, y) == pytest.approx([1, 10, 1, 10])
    line = (np.arange(8) + 0.5) / 8 - 0.5
    grid = np.array(np.meshgrid(line, line, indexing="ij"))
    assert media.checkerboard4(1, 2, 3, 4)(None, grid).mean() == 2.5


def test_smooth_media_are_their_formulas():
    y = np.random.default_rng(4).uniform(size=(2, 100))
    (s1, s2), (c1, c2) = np.sin(TWO_PI * y), np.cos(TWO_PI * y)
    assert media.hou_wu()(None, y) == pytest.approx((2 + 1.8 * s1) / (2 + 1.8 * c2) + (2 + s2) / (2 + 1.8 * s1))
    assert media.resonant()(None, y) == pytest.approx((2 + 1.8 * s1) / (2 + 1.8 * c2) + (2 + s2) / (2 + 1.8 * c1))
    assert media.sine_product()(None, y) == pytest.approx(2 + s1 * s2)
    a = media.balanced_layers()(None, y) * 8 * np.pi**2
    assert a[0, 0] == pytest.approx(2 / (2 + c1)) and a[1, 1] == pytest.approx(1 + c1 / 2)
    assert not a[0, 1].any() and not a[1, 0].any()


@pytest.mark.parametrize("shape, dim", [("disk", 2), ("square", 2), ("sphere", 3), ("cube", 3)])
@pytest.mark.parametrize("fraction", [0.1, 0.4])
def test_inclusions_have_their_volume_fraction(shape, dim, fraction):
    n = {2: 800, 3: 120}[dim]
    line = (np.arange(n) + 0.5) / n - 0.5
    y = np.array(np.meshgrid(*(line,) * dim)).reshape(dim, -1)
    inside = media.inclusion(2.0, 1.0, fraction=fraction, shape=shape)(None, y) == 2.0
    assert inside.mean() == pytest.approx(fraction, abs=0.01)
    assert inside[np.abs(y).max(axis=0) < 0.01].all() and not inside[np.abs(y).min(axis=0) > 0.49].any()


def test_inclusion_of_a_given_radius_graded_in_x():
    medium = media.inclusion(Affine(5, (1, 0)), matrix=Affine(1, (0, 1)), radius=Affine(0.1, (0.2, 0)))
    x = np.array([[0.0, 1.0], [0.0, 1.0]])[:, :, None]
    y = np.array([[0.0, 0.2, 1.2, 0.4], [0.0, 0.0, 2.0, 0.0]])[:, None, :]
    assert medium(x, y) == pytest.approx(np.array([[5, 1, 1, 1], [6, 6, 6, 2]]))


# -- effective tensors ----------------------------------------------------------------------------------------------


def test_references_1_2_3_8_9_10():
    assert media.layered(Sine(1.1, 1), (1,)).effective() == pytest.approx(np.array([[0.458257569496]]), abs=5e-13)
    assert media.layered(cosine(2, 1)).effective() == pytest.approx(np.diag([np.sqrt(3), 2]), rel=1e-14, abs=1e-14)
    assert media.layered(cosine(2, 1, -1), (1,)).effective() == pytest.approx(np.array([[0.5]]), rel=1e-14)
    line = media.graded(Affine(1, 1), media.layered(cosine(2, 1, -1), (1,)))
    x = np.linspace(0, 1, 5)[None]
    assert line.effective(x)[0, 0] == pytest.approx((1 + x[0]) / 2, rel=1e-14)
    assert line(x[:, :, None], np.zeros((1, 1, 1)))[:, 0] == pytest.approx((1 + x[0]) / 3)
    assert MEDIA["separable"].effective() == pytest.approx(0.5735393346764 * np.eye(2), abs=1e-13)
    assert MEDIA["checkerboard"].effective() == pytest.approx(np.sqrt(10) * np.eye(2), rel=1e-14)
    assert MEDIA["checkerboard4"].effective()[0, 0] == pytest.approx(2.43975018237, abs=5e-12)
    assert MEDIA["square"].effective() == pytest.approx(1.54421999230 * np.eye(2), abs=5e-12)


def test_reference_20_balanced_layers():
    assert media.balanced_layers().effective() * 8 * np.pi**2 == pytest.approx(np.eye(2), rel=1e-13, abs=1e-14)


def test_reference_21_center_and_mean_of_the_homogenized_solution():
    a1, a2 = np.diag(media.layered(cosine(2, 1)).effective())
    m = np.arange(1, 20_001, 2)  # single sine series in x1, closed form in x2, f = 1 on the unit square
    k = m * np.pi
    decay = np.sqrt(a1 / a2) * k
    amplitude = 4 / (m * np.pi * a1 * k**2)
    center = np.sum(amplitude * np.sin(k / 2) * (1 - 1 / np.cosh(np.minimum(decay / 2, 700))))
    mean = np.sum(amplitude * 2 / k * (1 - np.tanh(decay / 2) * 2 / decay))
    assert center == pytest.approx(0.0394650765200739, abs=1e-12)
    assert mean == pytest.approx(0.0188371368, abs=5e-11)


@given(st.floats(0.05, 0.95), st.floats(0.1, 10), st.floats(0, 6.3), st.floats(0.3, 4))
def test_laminate_depends_on_the_direction_of_its_wave_only(f, contrast, angle, length):
    wave = length * np.array([np.cos(angle), np.sin(angle)])
    a = media.laminate((1, contrast), (f, 1 - f), tuple(wave)).effective()
    h, m = exact.wiener_bounds([1, contrast], [f, 1 - f])
    n = wave / length
    assert a == pytest.approx(h * np.outer(n, n) + m * (np.eye(2) - np.outer(n, n)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["layers", "diagonal layers", "laminate", "anisotropic laminate"])
def test_layers_against_their_sampled_values(name):
    medium = MEDIA[name]
    n = np.array(medium.wave) / np.linalg.norm(medium.wave)
    t = (np.arange(1000) + 0.5) / 1000
    y = n[:, None] * t / np.linalg.norm(medium.wave)  # one period along the normal
    samples = np.moveaxis(np.asarray(medium(None, y)), -1, 0)
    assert medium.effective() == pytest.approx(exact.laminate(list(samples), normal=n), rel=1e-12, abs=1e-13)


def test_three_dimensions():
    medium = media.laminate((1, 4), wave=(0, 0, 1))
    assert medium.effective() == pytest.approx(np.diag([2.5, 2.5, 1.6]), rel=1e-12, abs=1e-14)
    product = media.separable(Sine(2, 1), Steps((1, 3)), cosine(3, 1))
    mean, harmonic = np.array([2, 2, 3]), np.array([np.sqrt(3), 1.5, np.sqrt(8)])
    assert np.diag(product.effective()) == pytest.approx(mean.prod() / mean * harmonic, rel=1e-13)
    assert media.constant(3.0).effective(np.zeros((3, 2))) == pytest.approx(3 * np.eye(3)[..., None] * np.ones(2))


def test_graded_square_and_attached_closed_forms():
    square = media.inclusion(Affine(5, (1, 0)), Affine(1, (0, 1)), radius=0.25, shape="square")
    x = np.array([0.3, 0.7])
    assert square.effective(x) == pytest.approx(exact.obnosov(1.7, 5.3) * np.eye(2), rel=1e-14)
    assert square.effective(x[:, None])[..., 0] == pytest.approx(square.effective(x))
    assert MEDIA["function"].effective(x) == pytest.approx(plain_effective(x))
    assert media.function(plain, np.diag([1.0, 2.0])).effective() == pytest.approx(np.diag([1.0, 2.0]))
    with pytest.raises(NotImplementedError):
        media.function(plain).effective(x)
    with pytest.raises(NotImplementedError):
        media.graded(AFFINE, plain).effective(x)


def test_stratified_with_linear_phase_is_a_laminate():
    phase = Affine(0.7, (0.6, 0.8))
    steps = Steps((1, 10, 3), (0.2, 0.5, 0.3))
    curved_layers, flat = media.stratified(steps, phase), media.layered(steps, (0.6, 0.8))
    x = np.random.default_rng(5).uniform(size=(2, 4, 1))
    y = np.random.default_rng(6).uniform(size=(2, 1, 30))
    assert np.broadcast_to(flat(x, y), (4, 30)) == pytest.approx(np.broadcast_to(curved_layers(x, y), (4, 30)))
    assert curved_layers.effective(x) == pytest.approx(flat.effective(x), rel=1e-14)


@pytest.mark.parametrize("b", [graded_wave, tensor_wave])
def test_stratified_effective_by_the_midpoint_rule(b):
    medium = media.stratified(b, curved, gradient=curved_gradient)
    x = np.random.default_rng(7).uniform(size=(2, 3))
    for k in range(3):
        at = x[:, k]
        samples = [b(at, t) for t in (np.arange(200) + 0.5) / 200]
        expected = exact.laminate(samples, normal=curved_gradient(at))
        assert medium.effective(x)[..., k] == pytest.approx(expected, rel=1e-12)
        assert media.stratified(b, curved).effective(x)[..., k] == pytest.approx(expected, rel=1e-11)


def test_stratified_material_and_its_frozen_view():
    eps, x = 1e-4, np.array([0.4, 0.9])
    eta = np.random.default_rng(8).uniform(-0.5, 0.5, size=(2, 20))
    material = media.stratified(graded_wave, curved, eps=eps)
    points = x[:, None] + eps * eta
    assert material(points, points / eps) == pytest.approx(graded_wave(points, curved(points) / eps), rel=1e-14)
    # Next to x the material is the frozen medium, shifted by the phase at x; the rest is of the order of eps.
    frozen = graded_wave(x, curved(x) / eps + curved_gradient(x) @ eta)
    assert material(points, points / eps) == pytest.approx(frozen, abs=20 * eps)
    assert media.stratified(graded_wave, curved)(x, eta) == pytest.approx(
        graded_wave(x, curved_gradient(x) @ eta), abs=1e-11
    )


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: media.constant(-1), "value=-1"),
        (lambda: media.constant([[1, 2], [2, 1]]), "value="),
        (lambda: media.constant([1, 2]), "value="),
        (lambda: media.constant(np.nan), "value=nan"),
        (lambda: Sine(1, 2, power=-1), "mean=1"),
        (lambda: Sine(np.inf, 1), "mean=inf"),
        (lambda: Diagonal((1.0, 2.0)), "profiles="),
        (lambda: Affine(0, (1, np.nan)), "slope="),
        (lambda: Affine(np.nan, (1, 2)), "constant=nan"),
        (lambda: media.laminate((1, -2)), r"values\[1\]=-2"),
        (lambda: media.laminate(()), r"values=\(\)"),
        (lambda: media.laminate(3.0), "values=3.0"),
        (lambda: media.laminate((1, np.nan)), r"values\[1\]=nan"),
        (lambda: media.laminate((np.eye(2), np.eye(3))), r"shapes of values\[0\], values\[1\]"),
        (lambda: media.laminate((1, 2), (0.5, 0.6)), "fractions="),
        (lambda: media.laminate((1, 2), (1.5, -0.5)), "fractions="),
        (lambda: media.laminate((1, 2), (0.2, 0.3, 0.5)), "fractions="),
        (lambda: media.laminate((1, 2), wave=(0, 0)), "wave="),
        (lambda: media.laminate((1, 2), wave=(np.nan, 1)), "wave="),
        (lambda: media.products(((Sine(2, 1),), (Sine(2, 1), Sine(2, 1)))), "terms="),
        (lambda: media.separable(), "terms="),
        (lambda: media.checkerboard(1, 0), "k2=0"),
        (lambda: media.checkerboard4(1, 2, np.nan, 3), "c=nan"),
        (lambda: media.inclusion(0), "inside=0"),
        (lambda: media.inclusion(2, matrix=np.eye(3), radius=0.1), "matrix="),
        (lambda: media.inclusion(2), "radius=None"),
        (lambda: media.inclusion(2, radius=0.2, fraction=0.3), "radius=0.2"),
        (lambda: media.inclusion(2, radius=0.6), "radius=0.6"),
        (lambda: media.inclusion(2, radius=0), "radius=0"),
        (lambda: media.inclusion(2, radius=np.nan), "radius=nan"),
        (lambda: media.inclusion(2, fraction=0.8), "fraction=0.8"),
        (lambda: media.inclusion(2, fraction=0.6, shape="sphere"), "fraction=0.6"),
        (lambda: media.inclusion(2, fraction=-0.1, shape="cube"), "fraction=-0.1"),
        (lambda: media.inclusion(2, radius=0.2, shape="ellipse"), "shape='ellipse'"),
        (lambda: media.inclusion(2, fraction=Affine(0.7, (1, 0)))(np.full((2, 1), 0.5), np.zeros((2, 3))), "fraction="),
        (lambda: media.graded(2.0, media.constant(1.0)), "factor=2.0"),
        (lambda: media.graded(AFFINE, 3.0), "medium=3.0"),
        (lambda: media.function(3.0), "f=3.0"),
        (lambda: media.function(plain, [[1, 0], [0, -1]]), "effective="),
        (lambda: media.function(plain, 0.0), "effective=0"),
        (lambda: media.stratified(2.0, curved), "b=2.0"),
        (lambda: media.stratified(graded_wave, 1.0), "theta=1.0"),
        (lambda: media.stratified(graded_wave, curved, eps=0), "eps=0"),
        (lambda: media.stratified(Sine(2, 1), Affine(1, (0, 0))).effective(np.zeros(2)), "theta="),
        (
            lambda: media.stratified(Sine(2, 1), curved, gradient=curved)(np.zeros((2, 3)), np.zeros((2, 3))),
            "gradient=",
        ),
        (lambda: media.hou_wu()(None, np.zeros((3, 4))), "y.shape"),
        (lambda: media.hou_wu()(np.zeros((1, 4)), np.zeros((2, 4))), "x.shape"),
        (lambda: media.checkerboard(1, 2).effective(np.zeros((3, 4))), "x.shape"),
        (lambda: media.constant(1.0)(None, 0.5), "y.shape"),
    ],
)
def test_bad_input_names_the_argument_and_its_value(call, name):
    with pytest.raises(ValueError, match=name):
        call()
