"""Polycrystals and voxelised media: who is nearest, uniform rotations, determinants, bounds beside error bars, bad input."""

import itertools
import pickle

import numpy as np
import pytest

import hmm_core as hmm
from hmm_core import exact, media
from hmm_core.media.random import hashed, uniform

PLANE = media.polycrystal((1.0, 10.0), rng=3, tile=0.125, period=1.0)
SPACE = media.polycrystal((1.0, 2.0, 10.0), rng=4, dim=3, tile=0.25, period=1.0)


@pytest.mark.parametrize("medium", [PLANE, SPACE])
@pytest.mark.parametrize("jitter", [1.0, 0.4, 0.0])
@pytest.mark.parametrize("period", [1.0, None])
def test_every_place_belongs_to_the_nearest_point(medium, jitter, period):
    """Against all points of a block of lattice cells around the places asked about."""
    medium = type(medium)(medium.principal, jitter, rng=medium.rng, dim=medium.dim, tile=medium.tile, period=period)
    y = np.random.default_rng(0).uniform(-0.4, 0.4, (medium.dim, 300))
    reach, count = int(0.4 / medium.tile) + 4, round(1 / medium.tile)
    cells = np.array([*np.ndindex(*(2 * reach,) * medium.dim)]).T - reach
    index = cells if period is None else np.mod(cells, count)
    points = np.array([uniform(hashed(medium.rng, (1, k, *index))) for k in range(medium.dim)])
    points = medium.tile * (cells + 0.5 + jitter * (points - 0.5))
    nearest = ((y[:, :, None] - points[:, None]) ** 2).sum(axis=0).argmin(axis=1)
    same = (medium.grain(y) == index[:, nearest]).all(axis=0)
    assert same.all() or (jitter == 0 and same.mean() > 0.99)


@pytest.mark.parametrize("medium", [PLANE, SPACE])
def test_grains_are_crystals_that_repeat_and_do_not_depend_on_the_order(medium):
    y = np.random.default_rng(1).uniform(-2, 2, (medium.dim, 400))
    a = medium(None, y)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(np.moveaxis(a, -1, 0)), np.tile(medium.principal, (400, 1)), rtol=1e-12
    )
    np.testing.assert_array_equal(a, a.swapaxes(0, 1))
    np.testing.assert_array_equal(medium(None, y[:, ::-1])[..., ::-1], a)
    np.testing.assert_array_equal(medium(None, y.reshape(medium.dim, 20, 20)).reshape(a.shape), a)
    np.testing.assert_allclose(medium(None, np.round(y, 3) + 3.0), medium(None, np.round(y, 3)), rtol=1e-9)
    assert pickle.loads(pickle.dumps(medium)) == medium
    other = medium.realisation(1)
    assert not np.array_equal(other(None, y), a) and other == medium.realisation(1)
    assert medium.correlation_length == medium.tile


@pytest.mark.parametrize("medium", [PLANE, SPACE])
def test_orientations_are_uniform(medium):
    u = [np.random.default_rng(k).random(100_000) for k in range(2 * medium.dim - 3)]
    R = medium._rotation(u)
    eye = np.eye(medium.dim)[:, :, None]
    np.testing.assert_allclose(np.einsum("ij...,kj...->ik...", R, R), eye * np.ones(R.shape[2]), atol=1e-14)
    assert np.linalg.det(np.moveaxis(R, -1, 0)).min() > 0.999
    np.testing.assert_allclose(R.mean(axis=2), 0, atol=0.01)
    np.testing.assert_allclose((R**2).mean(axis=2), 1 / medium.dim, atol=0.01)
    if medium.dim == 3:
        np.testing.assert_allclose((R**4).mean(axis=2), 0.2, atol=0.01)  # of a direction that is uniform on the sphere


def test_determinants_in_the_plane():
    """det A* = k_1 k_2 for every periodic sample (Dykhne): the bounds hold it, Q1 is above, and both close in."""
    gaps = []
    for pixels in (16, 32, 64, 128):
        picture = media.voxelised(PLANE, pixels)
        bounds = hmm.certify(picture, n=pixels)
        assert np.linalg.det(bounds.lower) <= 10.0 <= np.linalg.det(bounds.upper)
        gaps.append(bounds.gap)
    assert gaps[-1] < 0.03 and all(b < 0.6 * a for a, b in itertools.pairwise(gaps))
    infinite = media.polycrystal((1.0, 10.0), rng=3)
    np.testing.assert_allclose(infinite.effective(), np.sqrt(10) * np.eye(2), rtol=1e-14)
    with pytest.raises(NotImplementedError):
        PLANE.effective()
    with pytest.raises(NotImplementedError):
        SPACE.effective()


def test_error_bars_and_bounds_of_a_polycrystal():
    """Periodic samples of 6^2 grains: the mean of the tensors is isotropic within its error bars, near (k_1 k_2)^(1/2)."""
    medium = media.polycrystal((1.0, 10.0), rng=5, tile=1 / 6)
    ensemble = hmm.effective_ensemble(
        medium, hmm.CellProblem(n=36, tol=1e-5), realisations=40, wrap=True, confidence=0.999
    )
    low, high = ensemble.interval
    assert low[0, 1] <= 0 <= high[0, 1] and high[0, 0] >= low[1, 1] and high[1, 1] >= low[0, 0]
    assert low[0, 0] < 1.1 * np.sqrt(10) and high[0, 0] > np.sqrt(10)  # Q1 is above by a few percent


def test_a_random_composite_near_percolation():
    """p = 0.55 of contrast 1e4: bounds of every realisation, and their means with error bars, enclose what is computed."""
    medium = media.random_checkerboard(1.0, 1e4, 0.55, rng=6, tile=0.125, period=1.0)
    found = [hmm.certify(medium.realisation(k), pixels=8, n=32) for k in range(12)]
    cell = hmm.CellProblem(n=96, tol=1e-6, offset=0.5)
    ensemble = hmm.effective_ensemble(medium, cell, realisations=12, wrap=True)
    for k, bounds in enumerate(found):
        assert bounds.contains(ensemble.samples[..., k])
    lower, upper = (
        hmm.Ensemble(np.moveaxis([getattr(b, name) for b in found], 0, -1), cell) for name in ("lower", "upper")
    )
    assert lower.mean[0, 0] < ensemble.mean[0, 0] < upper.mean[0, 0]
    assert lower.interval[0, 0, 0] < upper.interval[1, 0, 0]


@pytest.mark.parametrize("contrast", [1e2, 1e4, 1e6])
def test_high_contrast_is_solved_to_the_stated_accuracy(contrast):
    """Random pixels: two tolerances agree to the looser one, and the tensor of Q1 lies below the certified upper bound."""
    picture = media.voxelised(media.random_checkerboard(1.0, contrast, 0.6, rng=7, tile=1 / 16, period=1.0), 16)
    loose, tight = (hmm.CellProblem(n=64, tol=tol).effective_tensor(picture) for tol in (1e-4, 1e-9))
    assert np.abs(loose - tight).max() < 1e-4 * tight.max()
    bounds = hmm.certify(picture, n=64)
    assert bounds.contains(tight * (1 - 1e-9)) and bounds.rounding < 1e-7


# -- voxelised media --------------------------------------------------------------------------------------------------------


def test_a_voxelised_medium_is_its_values_at_the_centres():
    for medium, pixels, size in (
        (media.inclusion(10, radius=0.3), 20, 1.0),
        (media.inclusion(10, radius=0.3, shape="sphere"), 6, 1.0),
        (PLANE, 24, 1.0),
        (SPACE, 8, 1.0),
        (media.sine_product(), 9, 2.0),
        (media.constant(3.0), 2, 1.0),
        (media.constant([[2.0, 0.5], [0.5, 1.0]]), 3, 1.0),
        (lambda x, y: np.where(y[0] > y[1], 2.0, 1.0), 7, 1.0),
    ):
        picture = media.voxelised(medium, pixels, size)
        dim = picture.dim
        line = size * ((np.arange(pixels) + 0.5) / pixels - 0.5)
        y = np.array(np.meshgrid(*[line] * dim, indexing="ij")).reshape(dim, 1, -1)
        expected = np.asarray(medium(np.zeros((dim, 1, 1)), y), dtype=float)
        got = picture(None, y)
        np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape), rtol=1e-13, atol=1e-13)
        assert picture.extent == pytest.approx((size,) * dim)
    cell = hmm.CellProblem(n=16)
    square = media.inclusion(10, radius=0.25, shape="square")
    np.testing.assert_allclose(
        cell.effective_tensor(media.voxelised(square, 16)), cell.effective_tensor(square), rtol=1e-10
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: media.polycrystal((1.0, 2.0, 3.0), rng=0), "principal="),
        (lambda: media.polycrystal((1.0, -2.0), rng=0), "principal="),
        (lambda: media.polycrystal((1.0, np.inf), rng=0), "principal="),
        (lambda: media.polycrystal((1.0,), rng=0, dim=1), "dim=1"),
        (lambda: media.polycrystal((1.0, 2.0), 1.5, rng=0), "jitter=1.5"),
        (lambda: media.polycrystal((1.0, 2.0), rng=0, period=2.0), "three tiles"),
        (lambda: media.polycrystal((1.0, 2.0), rng=0, period=3.5), "whole number of tiles"),
        (lambda: PLANE(None, np.zeros((3, 4))), r"y\.shape"),
        (lambda: media.voxelised(PLANE, 0), "pixels=0"),
        (lambda: media.voxelised(PLANE, 8, -1.0), "size=-1"),
        (lambda: media.voxelised(lambda x, y: y[0], 8), "must be positive"),
        (lambda: exact.positive("k", [0.0]), "must be positive"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
