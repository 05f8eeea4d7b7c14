"""Elements that an interface cuts: fractions, laminates, orders of convergence, media that tell, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hmm_core as hmm
from hmm_core import exact, media
from hmm_core.micro.interface import Laminated, share_below
from hmm_core.micro.voxels import Voxels


def tensor(medium, n, interface, **cell):
    cell = {"tol": 1e-6} | cell
    return hmm.CellProblem(n=n, interface=interface, **cell).effective_tensor(medium)


def slope(sizes, errors):
    return -np.polyfit(np.log(sizes), np.log(np.abs(errors)), 1)[0]


# -- the rule -------------------------------------------------------------------------------------------------------------


@given(st.integers(2, 3), st.floats(-1, 1), st.integers(0, 2**32 - 1))
def test_fractions_that_a_plane_cuts_off_a_cube(dim, t, seed):
    rng = np.random.default_rng(seed)
    n = rng.standard_normal(dim)
    n /= np.linalg.norm(n)
    line = (np.arange(40) + 0.5) / 40 - 0.5
    points = np.array(np.meshgrid(*[line] * dim)).reshape(dim, -1)
    counted = (n @ points < t).mean()
    assert share_below(np.array(t), n) == pytest.approx(counted, abs=0.03)
    assert share_below(np.array(-t), n) == pytest.approx(1 - share_below(np.array(t), n), abs=1e-6)
    assert share_below(np.array([0.0, -2.0, 2.0]), n[:, None] * np.ones(3)) == pytest.approx([0.5, 0, 1], abs=1e-12)


def test_cut_elements_are_layers_and_whole_ones_are_phases():
    flat = media.level_set(lambda x, y: y[0] + 2 * y[1] - 0.01, 10.0, 2.0)
    y = np.array([[0.0, 0.4, -0.4], [0.0, 0.4, -0.4]])
    seen = Laminated(flat, 0.1)(np.zeros((2, 1)), y)
    f = share_below(np.array(0.01 / np.sqrt(5) / 0.1), np.array([1, 2]) / np.sqrt(5))
    np.testing.assert_allclose(seen[..., 0], exact.laminate([10.0, 2.0], [f, 1 - f], (1, 2)), rtol=1e-9)
    np.testing.assert_array_equal(seen[..., 1], 2 * np.eye(2))
    np.testing.assert_array_equal(seen[..., 2], 10 * np.eye(2))


@pytest.mark.parametrize("n", [5, 7, 16])
def test_layers_along_the_grid_are_exact_wherever_they_cut_it(n):
    medium = media.level_set(lambda x, y: np.abs(y[0] - np.round(y[0])) - 0.2, 10.0)
    closed = exact.laminate([10.0, 1.0], [0.4, 0.6])
    np.testing.assert_allclose(tensor(medium, n, "laminate", tol=1e-12), closed, rtol=1e-10, atol=1e-10)
    if n != 5:
        assert abs(tensor(medium, n, "sharp")[0, 0] - closed[0, 0]) > 1e-2


def test_interfaces_that_follow_the_grid_cut_nothing():
    square = media.inclusion(10, radius=0.25, shape="square")
    for n in (8, 16):
        np.testing.assert_allclose(tensor(square, n, "laminate"), tensor(square, n, "sharp"), atol=1e-9)


# -- accuracy, references 15 and 16 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5])
def test_disks_on_64_elements_beat_a_staircase_of_512(fraction):
    closed, disk = exact.cylinders(fraction, 10.0), media.inclusion(10.0, fraction=fraction)
    error = abs(tensor(disk, 64, "laminate")[0, 0] - closed)
    assert error < abs(tensor(disk, 512, "sharp")[0, 0] - closed) and error < 1e-3 * closed
    sizes = np.array([12, 16, 24, 32, 48, 64])
    errors = [tensor(disk, int(n), "laminate")[0, 0] - closed for n in sizes]
    assert np.all(np.diff(np.abs(errors)) < 0)  # nothing erratic
    assert 1.4 < slope(sizes, errors) < 2.1


@pytest.mark.parametrize("inside", [0.01, 0.1, 30.0, 100.0])
def test_other_contrasts(inside):
    closed, disk = exact.cylinders(0.3, inside), media.inclusion(inside, fraction=0.3)
    errors = [abs(tensor(disk, n, "laminate")[0, 0] / closed - 1) for n in (16, 32, 64)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 3e-3


@pytest.mark.parametrize("fraction, closed", [(0.1, 1.2433385), (0.3, 1.8877401)])
def test_spheres_on_24_elements_beat_a_staircase_of_64(fraction, closed):
    sphere = media.inclusion(10.0, fraction=fraction, shape="sphere")
    sizes = np.array([12, 16, 24])
    errors = np.array([tensor(sphere, int(n), "laminate", dim=3, tol=1e-5)[0, 0] - closed for n in sizes])
    assert np.all(np.diff(errors) < 0) and 1.5 < slope(sizes, errors) < 2.2
    assert 2 * errors[2] < abs(tensor(sphere, 64, "sharp", dim=3, tol=1e-3)[0, 0] - closed)


def test_a_level_that_is_no_distance_does_as_well():
    disk = media.level_set(lambda x, y: sum((t - np.round(t)) ** 2 for t in y) - 0.3 / np.pi, 10.0)
    assert abs(tensor(disk, 64, "laminate")[0, 0] / exact.cylinders(0.3, 10.0) - 1) < 1e-3


@pytest.mark.parametrize("bc", ["dirichlet", "neumann"])
@pytest.mark.parametrize("extra", [{}, {"buffer": 0.25}, {"window": ("smooth", 1)}])
def test_other_boundaries_and_windows_profit_less(bc, extra):
    """Without the voxel solver twisted elements keep all their energy: still first order, with a smaller constant."""
    disk = media.inclusion(10.0, fraction=0.3)
    fine = 1.5 * tensor(disk, 192, "laminate", bc=bc, **extra) - 0.5 * tensor(disk, 64, "laminate", bc=bc, **extra)
    errors = [np.abs(tensor(disk, 32, kind, bc=bc, **extra) - fine).max() for kind in ("sharp", "laminate")]
    assert errors[1] < 0.5 * errors[0]


def test_the_tolerance_is_kept():
    disk = media.inclusion(10.0, fraction=0.3)
    exactly = tensor(disk, 48, "laminate", tol=1e-12)
    for tol in (1e-2, 1e-4, 1e-6, 1e-8):
        assert np.abs(tensor(disk, 48, "laminate", tol=tol) - exactly).max() < tol * exactly.max()


def test_where_every_element_is_cut_the_system_stays_definite():
    """Disks smaller than an element, and stripes in every element along a diagonal."""
    stripes = media.level_set(lambda x, y: np.sin(2 * np.pi * 8 * (y[0] + y[1])), 10.0)
    A = tensor(stripes, 8, "laminate")
    assert np.isfinite(A).all() and np.linalg.eigvalsh(A)[0] > 1
    tiny = media.inclusion(10.0, radius=0.01)
    assert 1 <= tensor(tiny, 4, "laminate")[0, 0] < 1.1


# -- media, closures, ensembles ---------------------------------------------------------------------------------------------


def test_graded_disks_sampled_frozen_or_not():
    medium = media.inclusion(media.Affine(5, (1, 0)), fraction=media.Affine(0.3, (0.1, 0.05)))
    x = np.random.default_rng(0).uniform(size=(2, 4))
    A = hmm.CellProblem(n=48, interface="laminate").effective_tensor(medium, x=x)
    closed = np.array([exact.cylinders(0.3 + 0.1 * p + 0.05 * q, 5 + p) for p, q in x.T])
    np.testing.assert_allclose(A[0, 0], closed, rtol=1e-3)
    cell = hmm.CellProblem(n=48, interface="laminate")
    np.testing.assert_allclose(cell.effective_tensor(medium, x=x, eps=1e-4), A, rtol=0, atol=2e-3)
    assert list(cell.alike(medium, np.concatenate([x, x], axis=1))) == [0, 1, 2, 3, 0, 1, 2, 3]


def test_random_disks_know_their_nearest_one():
    medium = media.random_disks(10.0, fraction=0.6, rng=3, tile=0.25, period=1.0)
    y = np.random.default_rng(1).uniform(-1, 1, (2, 4000))
    level, inside, matrix = medium.interface(None, y)
    np.testing.assert_array_equal(np.where(level < 0, inside, matrix), medium(None, y))
    slopes = np.abs(medium.interface(None, y + 1e-6)[0] - level) / (1e-6 * np.sqrt(2))
    assert slopes.max() < 1 + 1e-6  # a distance, continuous across tiles
    coarse, fine = (tensor(medium, n, "laminate")[0, 0] for n in (64, 256))
    assert abs(coarse - fine) < 0.3 * abs(tensor(medium, 64, "sharp")[0, 0] - fine)


def test_ensembles_take_the_same_view():
    medium = media.random_disks(10.0, fraction=0.4, rng=3, tile=0.5)
    cell = hmm.CellProblem(n=16, interface="laminate")
    ensemble = hmm.effective_ensemble(medium, cell, realisations=3, wrap=True)
    for k in range(3):
        alone = cell.effective_tensor(medium.wrapped(1.0).realisation(k))
        np.testing.assert_allclose(ensemble.samples[..., k], alone, rtol=1e-9)


def test_the_planner_meets_disks_without_a_staircase():
    """A staircase needs n = 40 for this tolerance, after verifying choices whose errors go up and down."""
    disk, A = media.inclusion(10, fraction=0.3), exact.cylinders(0.3, 10) * np.eye(2)
    best = hmm.plan(disk, eps=1e-2, tol=0.03, norm="L2", source=1.0, effective=A)
    assert best.cell.interface == "laminate" and best.error <= 0.03 and best.cell.n <= 16
    assert 1.4 < best.laws["micro"][1] < 2.2


# -- refusals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: hmm.CellProblem(interface="layers"), "interface='layers'"),
        (lambda: hmm.CellProblem(interface="laminate", scheme="fourier"), "needs scheme='q1'"),
        (lambda: hmm.CellProblem(interface="laminate", dim=1), "dim=2 or 3"),
        (lambda: tensor(lambda x, y: 1 + 0 * y[0], 8, "laminate"), "tells where its phases meet"),
        (lambda: tensor(media.checkerboard(1, 2), 8, "laminate"), "not checkerboard4"),
        (lambda: media.level_set(3.0, 10.0), "level=3.0"),
        (lambda: media.level_set(lambda x, y: y[0], -1.0), "inside=-1"),
        (lambda: media.level_set(lambda x, y: y[0], 1.0, np.eye(2)), "matrix="),
        (lambda: tensor(media.level_set(lambda x, y: y[0] * np.nan, 1.0), 8, "laminate"), "level"),
        (lambda: tensor(media.level_set(lambda x, y: y[0] + x[0], 1.0, 2.0), 8, "laminate"), "depends on x"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_law_is_not_laminated():
    law = hmm.laws.PowerLaw(media.inclusion(10.0, radius=0.3), p=3)
    closure = hmm.NonlinearCellClosure(law, hmm.CellProblem(n=8, interface="laminate"))
    with pytest.raises(ValueError, match="interface='laminate'"):
        closure(np.zeros((2, 1)), np.zeros(1), np.ones((2, 1)))


def test_twisted_fields_cost_cut_elements_little():
    rng = np.random.default_rng(2)
    cell = hmm.CellProblem(n=6)
    a = rng.uniform(1, 2, (4, 6, 6))
    a[[1, 2]] = 0
    a[3] = a[0]
    whole = Voxels(cell.grid, a)
    soft = Voxels(cell.grid, a, np.zeros((6, 6)))
    field = rng.standard_normal((6, 6))
    affine = cell.grid.extend(np.zeros((6, 6)))
    np.testing.assert_allclose(soft.energy([affine, affine]), whole.energy([affine, affine]), rtol=1e-14)
    assert (field * soft.apply(field)).sum() < (field * whole.apply(field)).sum()
