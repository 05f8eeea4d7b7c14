"""Random media: what a hash must look like, order of queries, statistics against their formulas, closed forms, bad input."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

import hmm_core as hmm
from hmm_core import media
from hmm_core.media import Affine
from hmm_core.media.random import hashed, uniform

SHARE = Affine(0.3, (0.4, 0.0))


def rng(seed=0):
    return np.random.default_rng(seed)


MEDIA = {
    "tiles": media.random_checkerboard(1, 10, rng=rng(1)),
    "small periodic tiles": media.random_checkerboard(1, 10, 0.3, tile=0.25, period=2, rng=rng(2)),
    "disks": media.random_disks(10, radius=0.3, rng=rng(3)),
    "periodic disks": media.random_disks(10, 2, fraction=0.4, jitter=0.5, tile=0.5, period=3, rng=rng(4)),
    "phases": media.gaussian_phases(1, 10, 0.3, length=0.4, rng=rng(5)),
    "lognormal": media.lognormal(0.5, 1.2, length=(0.4, 0.8), rng=rng(6)),
    "periodic lognormal": media.lognormal(length=0.5, period=2.1, rng=rng(7)),
    "graded tiles": media.random_checkerboard(1, Affine(5, (1, 0)), SHARE, rng=rng(8)),
    "graded disks": media.random_disks(10, fraction=SHARE, rng=rng(9)),
    "graded phases": media.gaussian_phases(1, 10, SHARE, length=0.4, rng=rng(10)),
    "graded lognormal": media.lognormal(Affine(0, (1, 1)), SHARE, length=0.4, rng=rng(11)),
}


@pytest.fixture(params=sorted(MEDIA))
def named(request):
    return request.param, MEDIA[request.param]


def apart(count, dim, distance, seed=0):
    """Points that are no closer to each other than ``distance``: what a random medium says there is independent."""
    steps = np.arange(count) - count // 2
    points = np.zeros((dim, count))
    points[0] = steps * (distance + 1.0)
    return points + rng(seed).uniform(0, 1, (dim, count))


def within(sample, expected, sigmas=4.5):
    """Whether the mean of independent numbers is the expected one, as far as their scatter tells."""
    return abs(np.mean(sample) - expected) < sigmas * np.std(sample) / np.sqrt(np.size(sample))


# -- the hash -------------------------------------------------------------------------------------------------------


def test_splitmix64_known_outputs():
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert hashed(1234567, (np.arange(5),)).tolist() == expected


@pytest.mark.parametrize("dim, size", ((1, 2**16), (2, 2**8), (3, 41)))
@pytest.mark.parametrize("origin", (0, -(10**12)))
def test_hash_of_a_lattice_looks_like_noise(dim, size, origin):
    index = np.meshgrid(*[np.arange(size) + origin] * dim, indexing="ij", sparse=True)
    bits = hashed(2026, index)
    u = uniform(bits)
    assert u.shape == (size,) * dim and u.min() > 0 and u.max() < 1
    assert within(u, 1 / 2) and within((u - 0.5) ** 2, 1 / 12)
    counts = np.histogram(u, bins=64, range=(0, 1))[0]
    assert np.sum((counts - u.size / 64) ** 2) / (u.size / 64) < chi2.ppf(0.9999, 63)
    for axis in range(dim):
        for lag in (1, 2, 3, 8):
            pairs = (u - 0.5) * (np.roll(u, lag, axis) - 0.5) * 12
            assert abs(pairs.mean()) < 4.5 / np.sqrt(u.size)
    for bit in range(64):
        assert within(bits >> np.uint64(bit) & np.uint64(1), 0.5, 5)
    assert np.unique(bits).size == bits.size


def test_keys_axes_and_pairs_are_unrelated():
    i = np.arange(2**14)
    first, second = uniform(hashed(7, (i,))), uniform(hashed(8, (i,)))
    swapped = uniform(hashed(7, (i, 0))), uniform(hashed(7, (0, i)))
    for u, v in ((first, second), swapped, (first, swapped[0])):
        assert abs(np.corrcoef(u, v)[0, 1]) < 4.5 / np.sqrt(i.size)
        joint = np.histogram2d(u, v, bins=8, range=((0, 1), (0, 1)))[0]
        assert np.sum((joint - i.size / 64) ** 2) / (i.size / 64) < chi2.ppf(0.9999, 63)


# -- what random media share ----------------------------------------------------------------------------------------


def test_a_key_is_drawn_once_and_is_the_realisation(named):
    _, medium = named
    y = rng(1).uniform(-9, 9, (2, 500))
    x = np.array([0.3, 0.2])
    assert type(medium)(**vars(medium)) == medium
    copy = pickle.loads(pickle.dumps(medium))
    assert copy == medium and hash(copy) == hash(medium)
    assert eval(repr(medium), {**vars(media), "Affine": Affine}) == medium
    np.testing.assert_array_equal(copy(x, y), medium(x, y))
    other = medium.realisation(3)
    assert other == medium.realisation(3) != medium.realisation(4) and other.rng != medium.rng
    assert (np.asarray(other(x, y)) != medium(x, y)).mean() > 0.05
    generator = rng(5)
    drawn = [media.random_checkerboard(1, 2, rng=generator).rng for _ in range(2)]
    assert drawn[0] != drawn[1]
    assert drawn == [int(k) for k in rng(5).integers(2**64, size=2, dtype=np.uint64)]


def test_the_answer_does_not_depend_on_order_or_company(named):
    _, medium = named
    x = np.array([0.4, 0.1])
    y = np.concatenate([rng(2).uniform(-3, 3, (2, 4000)), rng(3).uniform(-1e9, 1e9, (2, 1000))], axis=1)
    together = medium(x, y)
    order = rng(4).permutation(y.shape[1])
    np.testing.assert_array_equal(medium(x, y[:, order]), np.asarray(together)[order])
    for k in (0, 1234, 4321):
        assert medium(x, y[:, k]) == together[k]


@pytest.mark.parametrize(
    "x_shape, y_shape",
    (
        ((2, 5, 1), (2, 1, 7)),
        ((2, 5, 1), (2, 5, 7)),
        ((2,), (2, 7)),
        ((2, 7), (2, 7)),
        ((2,), (2,)),
        ((2, 3, 1, 1), (2, 1, 2, 4)),
    ),
)
def test_shapes(named, x_shape, y_shape):
    name, medium = named
    x, y = rng(1).uniform(0, 1, x_shape), rng(2).uniform(-2, 2, y_shape)
    value = np.asarray(medium(x, y))
    shape = np.broadcast_shapes(x_shape[1:], y_shape[1:])
    assert value.shape == (shape if name.startswith("graded") else y_shape[1:])
    value = np.broadcast_to(value, shape)
    x, y = (np.broadcast_to(v.reshape(2, *(1,) * (len(shape) + 1 - v.ndim), *v.shape[1:]), (2, *shape)) for v in (x, y))
    for place in list(np.ndindex(shape))[:6]:
        assert value[place] == medium(x[(slice(None), *place)], y[(slice(None), *place)])
    if name.startswith("graded"):
        with pytest.raises(ValueError, match="x=None"):
            medium(None, y)


@pytest.mark.parametrize("dim", (1, 2, 3))
def test_wrapping_repeats_and_changes_nothing_else(dim):
    infinite = (
        media.random_checkerboard(1, 10, tile=0.5, dim=dim, rng=rng(1)),
        media.random_disks(10, radius=0.2, tile=0.5, dim=dim, rng=rng(2)),
        media.lognormal(length=0.8, dim=dim, rng=rng(3)),
    )
    y = rng(4).uniform(-5, 5, (dim, 300))
    for medium in infinite:
        wrapped = medium.wrapped(3.0)
        for axis in range(dim):
            shift = 3.0 * np.eye(dim)[axis][:, None]
            moved = np.asarray(wrapped(None, y - 7 * shift))
            assert (
                np.mean(np.abs(moved - wrapped(None, y)) < 1e-9) > 0.99
            )  # up to points that rounding moves over an edge
            assert np.mean(np.abs(np.asarray(medium(None, y + shift)) - medium(None, y)) < 1e-9) < 0.9
        assert wrapped.wrapped(None) == medium
    home = rng(5).uniform(0, 3, (dim, 300))
    for medium in infinite[:2]:  # around the origin nothing changes
        np.testing.assert_array_equal(medium.wrapped(3.0)(None, home), medium(None, home))


def test_a_sample_far_larger_than_memory():
    """A macro domain of 10^9 tiles a side: cells anywhere in it, each with its own material."""
    medium = media.random_checkerboard(1, 10, rng=rng(3))
    cell = hmm.CellProblem(n=4, size=4, bc="dirichlet", tol=1e-4)
    x = rng(1).uniform(size=(2, 50))
    micro = cell.solve(medium, x=x, eps=1e-9, correctors=False)
    assert micro.solves == 50
    np.testing.assert_array_equal(cell.effective_tensor(medium, x=x[:, ::-7], eps=1e-9), micro.tensor[..., ::-7])


# -- statistics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", (1, 2, 3))
@pytest.mark.parametrize("p", (0.0, 0.2, 0.5, 1.0))
def test_tiles_are_constant_and_their_phases_independent(dim, p):
    medium = media.random_checkerboard(1, 10, p, tile=0.7, dim=dim, rng=rng(6))
    line = np.arange(2**15) if dim == 1 else np.arange(150) if dim == 2 else np.arange(30)
    tiles = np.array(np.meshgrid(*[line - 9] * dim, indexing="ij"), dtype=float)
    second = medium(None, 0.7 * (tiles + 0.5)) == 10
    if p in (0, 1):
        assert (second == p).all()
        return
    assert within(second, p)
    corner = rng(7).uniform(0.001, 0.999, tiles.shape)
    np.testing.assert_array_equal(medium(None, 0.7 * (tiles + corner)) == 10, second)
    for axis in range(dim):
        pairs = (second - p) * (np.roll(second, 1, axis) - p) / (p * (1 - p))
        assert abs(pairs.mean()) < 4.5 / np.sqrt(pairs.size)


@pytest.mark.parametrize("dim, fraction", ((1, 0.6), (2, 0.3), (2, 0.7), (3, 0.3)))
def test_disks_have_their_fraction_and_do_not_overlap(dim, fraction):
    tile, tiles, n = 0.8, {1: 200, 2: 24, 3: 5}[dim], {1: 200, 2: 40, 3: 24}[dim]
    medium = media.random_disks(2.0, fraction=fraction, tile=tile, dim=dim, rng=rng(8))
    radius = float(medium.radius_at())
    index = np.array(np.meshgrid(*[np.arange(tiles)] * dim, indexing="ij")).reshape(dim, -1, 1)
    local = np.array(np.meshgrid(*[(np.arange(n) + 0.5) / n] * dim, indexing="ij")).reshape(dim, 1, -1)
    y = tile * (index + local)
    inside = medium(None, y) == 2.0
    assert inside.mean() == pytest.approx(fraction, abs=0.01)
    assert np.abs(inside.mean(axis=1) - fraction).max() < 0.15  # every tile holds one whole disk
    centres = (y * inside).sum(axis=2) / inside.sum(axis=1)
    distance = np.sqrt(((y - centres[:, :, None]) ** 2).sum(axis=0))
    assert distance[inside].max() < radius + tile / n and distance[~inside].min() > radius - tile / n
    gaps = np.sqrt(((centres[:, :, None] - centres[:, None, :]) ** 2).sum(axis=0)) + 9 * np.eye(centres.shape[1])
    assert gaps.min() > 2 * radius - 0.5 * tile / n
    room = (1 - 2 * radius / tile) / 2
    places = centres / tile - index[..., 0] - 0.5
    assert np.abs(places).max() < room + 0.5 / n
    for along in places:
        assert within(along, 0) and np.var(along) == pytest.approx(room**2 / 3, rel=0.2)


def test_jitter():
    lattice = media.random_disks(10, radius=0.2, jitter=0.0, rng=rng(1))
    y = rng(2).uniform(-3, 3, (2, 2000))
    np.testing.assert_array_equal(lattice(None, y), media.inclusion(10, radius=0.2)(None, y - 0.5))
    full = media.random_disks(10, radius=0.5, rng=rng(1))
    np.testing.assert_array_equal(full(None, y), media.inclusion(10, radius=0.5)(None, y - 0.5))


@pytest.mark.parametrize("dim, length", ((1, 0.5), (2, 0.5), (3, 0.5), (2, (0.3, 1.2))))
def test_the_gaussian_field_is_normal_with_its_covariance(dim, length):
    medium = media.lognormal(length=length, dim=dim, rng=rng(9))
    y = apart(12_000, dim, max(medium.range))
    g = medium.gaussian(y)
    assert within(g, 0) and within(g**2, 1) and within(g**3, 0) and within(g**4, 3)
    assert medium.covariance(np.zeros(dim)) == pytest.approx(1, rel=1e-14)
    lengths = np.broadcast_to(length, (dim,))
    lags = (
        np.array([np.r_[t, np.zeros(dim - 1)] for t in (0.2, 0.6, 1.0, 1.6)] + [np.full(dim, 0.5)]).T * lengths[:, None]
    )
    for lag in lags.T:
        pairs = g * medium.gaussian(y + lag[:, None])
        formula = medium.covariance(lag)
        assert within(pairs, formula)
        assert formula == pytest.approx(np.exp(-np.sum((lag / lengths) ** 2)), abs=0.013)
    assert medium.covariance(lags).shape == (lags.shape[1],)
    unit = np.eye(dim)[0]
    assert medium.covariance(lengths[0] * unit) == pytest.approx(np.exp(-1), rel=1e-12)
    assert medium.covariance(1.0001 * medium.range[0] * unit) == 0 < medium.covariance(0.9 * medium.range[0] * unit)


def test_the_gaussian_field_is_smooth_and_stationary():
    medium = media.lognormal(length=1.0, dim=1, rng=rng(10))
    step = 0.05
    t = np.arange(0, 200, step)
    g = medium.gaussian(t[None])
    curvature = -2 / step**2 * (medium.covariance(np.array([step])) - 1)
    assert np.var(np.diff(g) / step) == pytest.approx(curvature, rel=0.2)  # 2/length^2, nearly
    assert np.abs(np.diff(g)).max() < 6 * step * np.sqrt(curvature)
    # Over realisations the lattice is nowhere: the variance of a difference is the same from any place.
    differences = [
        [np.subtract(*medium.realisation(k).gaussian(np.array([[y, y + 0.5]]))) for k in range(1500)]
        for y in (0.0, 0.29)
    ]
    for sample in differences:
        assert within(np.square(sample), 2 - 2 * medium.covariance(np.array([0.5])))


def test_a_wrapped_field_keeps_its_covariance():
    medium = media.lognormal(length=0.5, period=2.0, rng=rng(11))
    y = rng(12).uniform(-4, 4, (2, 200))
    np.testing.assert_allclose(medium.gaussian(y + [[2.0], [-4.0]]), medium.gaussian(y), atol=1e-12)
    lag = np.array([[0.0, 0.4, 0.4, 1.0, 1.6], [0.0, 0.0, 0.3, 0.0, 0.0]])
    sample = np.array([medium.realisation(k).gaussian(np.concatenate([lag, lag * 0], axis=1)) for k in range(2500)])
    for k in range(5):
        assert within(sample[:, k] * sample[:, k + 5], medium.covariance(lag)[k])
    assert medium.covariance(np.array([1.6, 0])) == pytest.approx(medium.covariance(np.array([0.4, 0])))
    infinite = medium.wrapped(None)
    assert medium.covariance(lag[:, 1:3]) == pytest.approx(infinite.covariance(lag[:, 1:3]), abs=3e-3)


@pytest.mark.parametrize("dim", (1, 2, 3))
@pytest.mark.parametrize("fraction", (0.05, 0.5, 0.7))
def test_phases_of_a_gaussian_field_have_their_fraction(dim, fraction):
    medium = media.gaussian_phases(1.0, 10.0, fraction, length=0.5, dim=dim, rng=rng(13))
    assert within(medium(None, apart(8_000, dim, medium.range[0])) == 10, fraction)


def test_lognormal_moments():
    medium = media.lognormal(0.5, 0.6, length=0.5, rng=rng(14))
    a = medium(None, apart(20_000, 2, medium.range[0]))
    assert within(np.log(a), 0.5) and within((np.log(a) - 0.5) ** 2, 0.36) and within(a, np.exp(0.5 + 0.18))


def test_extreme_fractions_are_one_phase():
    y = rng(1).uniform(-5, 5, (2, 500))
    for fraction in (0.0, 1.0):
        value = media.gaussian_phases(1, 10, fraction, length=1.0, rng=rng(2))(None, y)
        assert (np.asarray(value) == (10 if fraction else 1)).all()


@pytest.mark.parametrize("name", ("graded tiles", "graded disks", "graded phases", "graded lognormal"))
def test_graded_statistics(name):
    """At a frozen x the medium has the statistics of that x."""
    medium = MEDIA[name]
    distance = max(medium.range) if hasattr(medium, "range") else 1.5
    y = apart(8_000, 2, distance)[:, None]
    x = np.array([[0.0, 1.0], [0.5, 0.5]])[:, :, None]
    a = medium(x, y)
    for k, share in enumerate((0.3, 0.7)):
        if name == "graded lognormal":
            assert within(np.log(a[k]), 0.5 + k) and within((np.log(a[k]) - 0.5 - k) ** 2, share**2)
        else:
            assert within(a[k] != 1, share)
    # The same random numbers decide everywhere: where there is less of the second phase, it is part of the more.
    if name in ("graded tiles", "graded phases"):
        assert (a[1][a[0] != 1] != 1).all()


# -- closed forms ---------------------------------------------------------------------------------------------------


def test_closed_forms():
    assert media.random_checkerboard(1, 10, rng=1).effective() == pytest.approx(np.sqrt(10) * np.eye(2))
    assert media.random_checkerboard(1, 10, 0.25, dim=1, rng=1).effective() == pytest.approx(1 / (0.75 + 0.025))
    assert media.random_disks(10, radius=0.25, dim=1, rng=1).effective() == pytest.approx(1 / 0.55)
    assert media.gaussian_phases(2, 8, length=1, rng=1).effective() == pytest.approx(4 * np.eye(2))
    assert media.gaussian_phases(2, 8, 0.25, length=1, dim=1, rng=1).effective() == pytest.approx(1 / (0.375 + 1 / 32))
    assert media.lognormal(1.0, 2.0, length=1, rng=1).effective() == pytest.approx(np.e * np.eye(2))
    assert media.lognormal(1.0, 2.0, length=1, dim=1, rng=1).effective() == pytest.approx(np.exp(-1))
    x = rng(0).uniform(size=(2, 3, 4))
    graded = media.lognormal(Affine(0, (1, 1)), SHARE, length=1, rng=1)
    assert graded.effective(x)[1, 1] == pytest.approx(np.exp(x.sum(axis=0)))
    assert graded.effective(x[:, 0, 0]) == pytest.approx(np.exp(x[:, 0, 0].sum()) * np.eye(2))
    line = media.random_checkerboard(1, 10, Affine(0.3, (0.4,)), dim=1, rng=1)
    assert line.effective(x[:1])[0, 0] == pytest.approx(1 / (1 - 0.9 * (0.3 + 0.4 * x[0])))


@pytest.mark.parametrize(
    "medium",
    (
        media.random_checkerboard(1, 10, 0.4, rng=1),
        media.random_checkerboard(1, 10, dim=3, rng=1),
        media.random_checkerboard(1, 10, period=2, rng=1),
        media.random_disks(10, radius=0.2, rng=1),
        media.gaussian_phases(1, 10, 0.4, length=1, rng=1),
        media.lognormal(length=(1, 2), rng=1),
        media.lognormal(length=1, dim=3, rng=1),
    ),
)
def test_no_closed_form_is_invented(medium):
    with pytest.raises(NotImplementedError, match="CellProblem"):
        medium.effective()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**64 - 1), st.floats(0.1, 0.9), st.integers(1, 12))
def test_a_line_of_tiles_is_its_harmonic_mean(key, p, tiles):
    medium = media.random_checkerboard(1, 10, p, dim=1, rng=key)
    values = medium(None, np.arange(tiles)[None] + 0.5)
    tensor = hmm.CellProblem(dim=1, n=2, size=tiles, offset=0.5).effective_tensor(medium)
    assert tensor[0, 0] == pytest.approx(1 / np.mean(1 / values), rel=1e-12)


def test_long_lines_approach_the_closed_form():
    for medium in (
        media.random_checkerboard(1, 10, 0.3, dim=1, rng=rng(1)),
        media.random_disks(10, fraction=0.4, dim=1, rng=rng(2)),
        media.gaussian_phases(1, 10, 0.3, length=0.5, dim=1, rng=rng(3)),
        media.lognormal(0.2, 0.7, length=0.5, dim=1, rng=rng(4)),
    ):
        tensor = hmm.CellProblem(dim=1, n=16, size=2000).effective_tensor(medium)
        assert tensor[0, 0] == pytest.approx(medium.effective()[0, 0], rel=0.06)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, words",
    (
        (lambda: media.random_checkerboard(1, 10), TypeError, "rng"),
        (lambda: media.random_checkerboard(1, 10, rng=None), TypeError, "rng=None.*Generator"),
        (lambda: media.random_checkerboard(1, 10, rng=np.random), TypeError, "Generator"),
        (lambda: media.random_checkerboard(1, 10, rng=True), TypeError, "rng=True"),
        (lambda: media.random_checkerboard(1, 10, rng=-1), ValueError, "rng=-1"),
        (lambda: media.random_checkerboard(1, 10, rng=2**64), ValueError, "rng="),
        (lambda: media.random_checkerboard(0, 10, rng=1), ValueError, "k1=0"),
        (lambda: media.random_checkerboard(1, np.nan, rng=1), ValueError, "k2=nan"),
        (lambda: media.random_checkerboard(1, np.eye(3), rng=1), ValueError, "k2="),
        (lambda: media.random_checkerboard(1, 10, 1.2, rng=1), ValueError, "p=1.2.*between 0 and 1"),
        (lambda: media.random_checkerboard(1, 10, rng=1, dim=4), ValueError, "dim=4"),
        (lambda: media.random_checkerboard(1, 10, rng=1, dim=2.0), ValueError, "dim=2.0"),
        (lambda: media.random_checkerboard(1, 10, rng=1, tile=0), ValueError, "tile=0"),
        (lambda: media.random_checkerboard(1, 10, rng=1, tile=(1, 2)), ValueError, "tile="),
        (lambda: media.random_checkerboard(1, 10, rng=1, tile=0.4, period=1), ValueError, "period=1.*tile=0.4"),
        (lambda: media.random_checkerboard(1, 10, rng=1, period=0.4), ValueError, "period=0.4"),
        (lambda: media.random_checkerboard(1, 10, rng=1, period=-2), ValueError, "period=-2"),
        (lambda: media.random_checkerboard(1, 10, rng=1).realisation(0.5), ValueError, "number=0.5"),
        (lambda: media.random_checkerboard(1, 10, rng=1)(None, np.zeros((3, 4))), ValueError, "y.shape"),
        (lambda: media.random_checkerboard(1, 10, rng=1)(None, np.full((2, 4), np.nan)), ValueError, "finite"),
        (
            lambda: media.random_checkerboard(1, 10, rng=1)(None, np.full((2, 4), 1e17)),
            ValueError,
            "tiles from the origin",
        ),
        (
            lambda: media.random_checkerboard(1, 10, SHARE, rng=1)(np.full((2, 1), 9.0), np.zeros((2, 1))),
            ValueError,
            "p=.*between 0 and 1",
        ),
        (lambda: media.random_disks(10, rng=1), ValueError, "radius=None.*either"),
        (lambda: media.random_disks(10, radius=0.1, fraction=0.1, rng=1), ValueError, "radius=0.1.*either"),
        (lambda: media.random_disks(10, radius=0.6, rng=1), ValueError, "radius=0.6.*0.5"),
        (lambda: media.random_disks(10, radius=0.4, tile=0.5, rng=1), ValueError, "radius=0.4.*0.25"),
        (lambda: media.random_disks(10, radius=0, rng=1), ValueError, "radius=0"),
        (lambda: media.random_disks(10, fraction=0.8, rng=1), ValueError, "fraction=0.8.*0.785"),
        (lambda: media.random_disks(10, fraction=0.0, rng=1), ValueError, "fraction=0.0"),
        (lambda: media.random_disks(10, fraction=0.6, dim=3, rng=1), ValueError, "fraction=0.6.*0.523"),
        (lambda: media.random_disks(10, radius=0.1, jitter=1.5, rng=1), ValueError, "jitter=1.5"),
        (lambda: media.random_disks(-1, radius=0.1, rng=1), ValueError, "inside=-1"),
        (lambda: media.gaussian_phases(1, 10, rng=1), TypeError, "length"),
        (lambda: media.gaussian_phases(1, 10, length=0, rng=1), ValueError, "length=0"),
        (lambda: media.gaussian_phases(1, 10, length=(1, 2, 3), rng=1), ValueError, "length="),
        (lambda: media.gaussian_phases(1, 10, -0.1, length=1, rng=1), ValueError, "fraction=-0.1"),
        (lambda: media.lognormal(np.inf, length=1, rng=1), ValueError, "mu=inf"),
        (lambda: media.lognormal(0, -1, length=1, rng=1), ValueError, "sigma=-1"),
        (lambda: media.lognormal(0, "rough", length=1, rng=1), ValueError, "rough"),
        (lambda: media.lognormal(length=1, period=3, rng=1), ValueError, "period=3.0.*3.47"),
        (lambda: media.lognormal(length=1, rng=1)(None, np.full((2, 3), np.inf)), ValueError, "finite"),
        (lambda: media.lognormal(length=1, rng=1).covariance(np.zeros(3)), ValueError, "lag.shape"),
        (lambda: media.no_such_medium, AttributeError, "no_such_medium"),
    ),
)
def test_bad_input_names_the_argument_and_its_value(call, error, words):
    with pytest.raises(error, match=words):
        call()
