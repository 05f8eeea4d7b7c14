"""Ensembles: statistics, reference 11, variance rates, bias by boundary condition, local representativity, bad input."""

import itertools
import pickle
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

import hmm_core as hmm
from hmm_core import media
from hmm_core.media import Affine
from hmm_core.micro import cell as cell_module
from hmm_core.micro.ensemble import Ensemble, effective_ensemble, ensembles_by_size
from hmm_course.figures import fit_rate

BOUNDARIES = ("neumann", "periodic", "dirichlet")
TILES = media.random_checkerboard(1.0, 10.0, rng=np.random.default_rng(2026))


def isotropic(tensor):
    return np.trace(tensor) / len(tensor)


# -- statistics -----------------------------------------------------------------------------------------------------


def test_mean_error_and_interval_are_the_textbook_ones():
    samples = np.random.default_rng(0).uniform(1, 2, (2, 2, 12))
    ensemble = Ensemble(samples, hmm.CellProblem(), confidence=0.9)
    assert ensemble.realisations == 12
    np.testing.assert_allclose(ensemble.mean, samples.mean(axis=2))
    np.testing.assert_allclose(ensemble.stderr, stats.sem(samples, axis=2))
    interval = stats.t.interval(0.9, 11, samples.mean(axis=2), stats.sem(samples, axis=2))
    np.testing.assert_allclose(ensemble.interval, interval)
    assert ensemble.contains(ensemble.mean).all() and not ensemble.contains(9.0).any()
    fewer = ensemble.first(5)
    np.testing.assert_allclose(fewer.mean, samples[..., :5].mean(axis=2))
    assert fewer.confidence == 0.9 and pickle.loads(pickle.dumps(fewer)).realisations == 5


@pytest.mark.parametrize("average", ("arithmetic", "harmonic"))
def test_intervals_cover_as_often_as_they_say(average):
    rng = np.random.default_rng(1)
    values = 2 + 0.4 * rng.standard_normal((2000, 15))
    hits = 0
    for row in values:
        tensors = np.eye(2)[..., None] * (row if average == "arithmetic" else 1 / row)
        hits += Ensemble(tensors, hmm.CellProblem(), average).contains(2.0 if average == "arithmetic" else 0.5)[0, 0]
    assert hits / len(values) == pytest.approx(0.95, abs=0.025)


def test_harmonic_average():
    rng = np.random.default_rng(2)
    root = rng.standard_normal((400, 2, 2)) * 0.3 + 2 * np.eye(2)
    samples = np.moveaxis(root @ root.swapaxes(1, 2), 0, 2)
    ensemble = Ensemble(samples, hmm.CellProblem(), "harmonic")
    inverses = np.linalg.inv(np.moveaxis(samples, 2, 0))
    np.testing.assert_allclose(ensemble.mean, np.linalg.inv(inverses.mean(axis=0)))
    without = np.array([np.linalg.inv(np.delete(inverses, k, axis=0).mean(axis=0)) for k in range(400)])
    jackknife = np.sqrt(399 * without.var(axis=0))
    np.testing.assert_allclose(ensemble.stderr, jackknife, rtol=0.02)
    difference = replace(ensemble, average="arithmetic").mean - ensemble.mean
    assert np.linalg.eigvalsh(difference)[0] > 0


def test_one_constant_tile_answers_its_own_value():
    """Reference 11: then the two averages are the means of the medium, under every boundary condition."""
    for bc in BOUNDARIES:
        cell = hmm.CellProblem(n=2, bc=bc, size=1, offset=0.5)
        ensemble = effective_ensemble(TILES, cell, 400)
        assert set(np.round(ensemble.samples[0, 0], 9)) == {1.0, 10.0}
        assert ensemble.contains(5.5).all()
        assert replace(ensemble, average="harmonic").contains(20 / 11).all()


# -- the batch ------------------------------------------------------------------------------------------------------


def test_an_ensemble_is_its_realisations_one_by_one():
    cell = hmm.CellProblem(n=6, size=2, bc="neumann", offset=0.3)
    medium = media.lognormal(Affine(0, (1, 0)), 0.8, length=0.5, rng=np.random.default_rng(3))
    x = np.array([0.4, 0.7])
    for eps in (None, 0.01):
        ensemble = effective_ensemble(medium, cell, 5, x=x, eps=eps)
        for k in range(5):
            alone = cell.effective_tensor(medium.realisation(k), x=x, eps=eps)
            np.testing.assert_allclose(ensemble.samples[..., k], alone, rtol=1e-12)
    other = effective_ensemble(medium, cell, [4, 17], x=x)
    np.testing.assert_allclose(other.samples[..., 0], effective_ensemble(medium, cell, 5, x=x).samples[..., 4])


@dataclass(frozen=True)
class Layers:
    """A user's own random medium: layers of a random height, as a tensor field."""

    height: float

    def realisation(self, i):
        return Layers(1 + np.random.default_rng(i).random())

    def __call__(self, x, y):
        return np.eye(2)[:, :, None, None] * (2 + self.height * np.sign(y[0]))


def test_any_medium_with_realisations_will_do():
    ensemble = effective_ensemble(Layers(0.0), hmm.CellProblem(n=4), 20)
    heights = np.array([Layers(0.0).realisation(i).height for i in range(20)])
    np.testing.assert_allclose(ensemble.samples[0, 0], 2 - heights**2 / 2, rtol=1e-9)  # harmonic mean of 2 +- height
    np.testing.assert_allclose(ensemble.samples[1, 1], 2)


def test_equal_samples_are_solved_once(monkeypatch):
    """Thousands of small cells: the sixteen tilings of 2 x 2 are sixteen problems."""
    seen = set()

    def counting(cell, a, *rest, solve=cell_module.solve_batch):
        seen.update(field.tobytes() for field in a)
        return solve(cell, a, *rest)

    monkeypatch.setattr(cell_module, "solve_batch", counting)
    ensemble = effective_ensemble(TILES, hmm.CellProblem(n=4, size=2), 2000, wrap=True)
    assert len(seen) == 16 and ensemble.realisations == 2000


# -- reference 11 ---------------------------------------------------------------------------------------------------


def test_two_by_two_periodic_tilings():
    """The ensemble covers the mean over all 16 tilings on the same grid; extrapolated, 4.002552747375 for kappa = 10."""
    cell = hmm.CellProblem(n=8, size=2)
    points = np.floor(cell.grid.points).astype(int) % 2
    fields = [np.where(number >> (2 * points[0] + points[1]) & 1, 10.0, 1.0) for number in range(16)]
    all_tilings = [cell.effective_tensor(lambda x, y, field=field: field)[0, 0] for field in fields]
    ensemble = effective_ensemble(TILES, cell, 3000, wrap=True)
    assert ensemble.contains(np.mean(all_tilings)).all()
    assert ensemble.stderr[0, 0] < 0.05

    grids = [effective_ensemble(TILES, replace(cell, n=n), 500, wrap=True) for n in (8, 16, 32)]
    coarse, middle, fine = (grid.mean[0, 0] for grid in grids)
    limit = fine - (middle - fine) ** 2 / ((coarse - middle) - (middle - fine))
    lower, upper = grids[-1].interval[:, 0, 0]
    assert abs(limit - hmm.exact.tilings_mean(1, 10)) < (upper - lower) / 2 < 0.25


@pytest.fixture(scope="module")
def brackets():
    """Cells of 16 x 16 tiles, each extrapolated from two grids (the error falls like h^0.9, measured)."""
    ensembles = {}
    for bc in BOUNDARIES:
        cell = hmm.CellProblem(n=4, size=16, bc=bc, offset=0.5, tol=1e-5)
        pair = [effective_ensemble(TILES, replace(cell, n=n), 60, wrap=bc == "periodic") for n in (4, 8)]
        samples = pair[1].samples - (pair[0].samples - pair[1].samples) / (2**0.9 - 1)
        ensembles[bc] = replace(pair[1], samples=samples, confidence=0.99)
    return ensembles


def test_random_checkerboard_tends_to_the_geometric_mean(brackets):
    exact = np.sqrt(10)
    assert brackets["periodic"].contains(exact).all()
    assert isotropic(brackets["neumann"].interval[1]) < exact < isotropic(brackets["dirichlet"].interval[0])
    bias = {bc: abs(isotropic(ensemble.mean) - exact) for bc, ensemble in brackets.items()}
    assert bias["periodic"] < 0.5 * min(bias["neumann"], bias["dirichlet"])
    assert bias["dirichlet"] < 0.1 * exact and bias["neumann"] < 0.1 * exact


def test_periodic_samples_scatter_around_it_without_bias_on_a_logarithmic_scale():
    """Exchanging the phases turns A into 10 A^-1: the mean of log det A is log 10 for any size of a periodic cell."""
    for size in (2, 4):
        pair = [effective_ensemble(TILES, hmm.CellProblem(n=n, size=size), 400, wrap=True).samples for n in (4, 8)]
        samples = pair[1] - (pair[0] - pair[1]) / (2**0.9 - 1)
        logs = np.log(np.linalg.det(np.moveaxis(samples, 2, 0))) / 2
        assert abs(logs.mean() - np.log(10) / 2) < 2.6 * stats.sem(logs)


def test_bias_is_ordered_by_boundary_condition_and_shrinks():
    """On one grid and in the same realisations Neumann <= periodic <= Dirichlet sample by sample; larger cells close in."""
    gaps, sizes = [], (4, 8, 16)
    for size in sizes:
        cells = [hmm.CellProblem(n=4, size=size, bc=bc, tol=1e-6) for bc in BOUNDARIES]
        samples = [effective_ensemble(TILES, cell, 20).samples for cell in cells]
        for lower, upper in itertools.pairwise(samples):
            assert np.linalg.eigvalsh(np.moveaxis(upper - lower, 2, 0)).min() > -1e-4
        gaps.append(isotropic((samples[2] - samples[0]).mean(axis=2)))
    assert np.polyfit(np.log(sizes), np.log(gaps), 1)[0] == pytest.approx(-1, abs=0.3)


# -- rates ----------------------------------------------------------------------------------------------------------


def variance_rate(ensembles):
    """Slope of log(variance of a sample) over log(cell size): -d once cells are larger than the correlation length."""
    return fit_rate([e.cell.size for e in ensembles], [np.trace(e.variance) for e in ensembles])


@pytest.mark.parametrize(
    "dim, n, sizes, count, bc",
    (
        (1, 2, (16, 32, 64, 128), 1000, "dirichlet"),
        (2, 4, (4, 8, 16), 250, "periodic"),
        (3, 2, (3, 5, 8), 120, "periodic"),
    ),
)
def test_variance_rate_of_tiles(dim, n, sizes, count, bc):
    medium = media.random_checkerboard(1, 4, dim=dim, rng=np.random.default_rng(7))
    cell = hmm.CellProblem(dim=dim, n=n, bc=bc, offset=0.5, tol=1e-4)
    ensembles = ensembles_by_size(medium, cell, sizes, count, wrap=bc == "periodic")
    assert [ensemble.cell.size for ensemble in ensembles] == list(sizes)
    assert variance_rate(ensembles) == pytest.approx(-dim, abs=0.3)


@pytest.mark.parametrize("bc", ("periodic", "dirichlet"))
def test_variance_rate_of_a_gaussian_medium(bc):
    medium = media.lognormal(length=0.5, rng=np.random.default_rng(8))
    cell = hmm.CellProblem(n=4, bc=bc, tol=1e-4)
    assert variance_rate(ensembles_by_size(medium, cell, (3, 6, 12), (250, 200, 150))) == pytest.approx(-2, abs=0.3)


def test_error_of_the_mean_falls_with_the_number_of_realisations():
    ensemble = effective_ensemble(TILES, hmm.CellProblem(n=4, size=2), 1600, wrap=True)
    errors = [ensemble.first(n).stderr[0, 0] for n in (25, 100, 400, 1600)]
    assert np.polyfit(np.log([25, 100, 400, 1600]), np.log(errors), 1)[0] == pytest.approx(-0.5, abs=0.1)


# -- one material is as good as many realisations -------------------------------------------------------------------


def test_distant_samples_of_one_material_are_an_ensemble():
    """Local representativity: macro points apart by more than the correlation length, in one infinite realisation."""
    medium = media.gaussian_phases(1, 10, length=0.4, rng=np.random.default_rng(9))
    cell = hmm.CellProblem(n=8, size=3, tol=1e-5)
    line = np.linspace(0, 1, 15)
    x = np.array(np.meshgrid(line, line)).reshape(2, -1)  # 70 periods apart
    material = Ensemble(cell.effective_tensor(medium, x=x, eps=1e-3), cell)
    realisations = effective_ensemble(medium, cell, x.shape[1])
    error = np.hypot(material.stderr, realisations.stderr)
    assert (np.abs(material.mean - realisations.mean) < 3 * error).all()
    ratio = material.variance / realisations.variance
    assert (abs(np.log(ratio)) < 4 * np.sqrt(4 / x.shape[1])).all()


def test_graded_statistics_at_two_places():
    medium = media.random_checkerboard(1, 10, Affine(0.2, (0.6,)), dim=1, rng=np.random.default_rng(10))
    cell = hmm.CellProblem(dim=1, n=2, size=40, offset=0.5)
    for x in (np.array([0.0]), np.array([1.0])):
        ensemble = effective_ensemble(medium, cell, 200, x=x, average="harmonic")
        assert ensemble.contains(medium.effective(x)).all()  # resistances add up: no bias at any size


# -- warnings and bad input -----------------------------------------------------------------------------------------


def test_a_correlation_length_beyond_the_cell_is_said():
    medium = media.lognormal(length=1.5, rng=1)
    with pytest.warns(UserWarning, match=r"correlation length, 1\.5 periods, exceeds the cell.* = 1"):
        effective_ensemble(medium, hmm.CellProblem(n=4), 2)
    with pytest.warns(UserWarning, match="2 periods"):
        effective_ensemble(replace(TILES, tile=2.0), hmm.CellProblem(n=4), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effective_ensemble(medium, hmm.CellProblem(n=4, buffer=0.3), 2)
        effective_ensemble(TILES, hmm.CellProblem(n=4), 2)


CELL = hmm.CellProblem(n=4, size=2)
GRADED = media.random_checkerboard(1, 10, Affine(0.4, (0.3, 0)), rng=1)


@pytest.mark.parametrize(
    "call, error, words",
    (
        (lambda: effective_ensemble(media.hou_wu(), CELL), TypeError, r"hou_wu|products.*realisation\(i\)"),
        (lambda: effective_ensemble(TILES, CELL, 1), ValueError, "realisations=1.*at least 2"),
        (lambda: effective_ensemble(TILES, CELL, -3), ValueError, "realisations=-3"),
        (lambda: effective_ensemble(TILES, CELL, 2.5), TypeError, "realisations=2.5"),
        (lambda: effective_ensemble(TILES, CELL, [0.5, 1]), ValueError, "realisations="),
        (lambda: effective_ensemble(TILES, CELL, [0, 2**60]), ValueError, r"2\*\*53"),
        (lambda: effective_ensemble(TILES, CELL, 2, average="geometric"), ValueError, "average='geometric'"),
        (lambda: effective_ensemble(TILES, CELL, 2, confidence=1.0), ValueError, "confidence=1.0"),
        (lambda: effective_ensemble(TILES, CELL, 2, confidence=95), ValueError, "confidence=95"),
        (lambda: effective_ensemble(TILES, CELL, 2, eps=0.1), ValueError, "eps=0.1.*needs x"),
        (lambda: effective_ensemble(TILES, CELL, 2, x=np.zeros(2), eps=0.0), ValueError, "eps=0.0"),
        (lambda: effective_ensemble(TILES, CELL, 2, x=np.zeros((2, 3))), ValueError, r"(?s)x=.*shape \(2,\)"),
        (lambda: effective_ensemble(TILES, CELL, 2, x=[0, np.nan]), ValueError, "(?s)x=.*finite"),
        (lambda: effective_ensemble(GRADED, CELL, 2), ValueError, "x"),
        (
            lambda: effective_ensemble(TILES, replace(CELL, bc="neumann"), 2, wrap=True),
            ValueError,
            "wrap=True.*neumann",
        ),
        (lambda: effective_ensemble(TILES, replace(CELL, size=1.5), 2, wrap=True), ValueError, "period=1.5"),
        (lambda: effective_ensemble(replace(TILES, dim=3), CELL, 2), ValueError, "shape"),
        (lambda: effective_ensemble(TILES, CELL, 4).first(5), ValueError, "count=5"),
        (lambda: ensembles_by_size(TILES, CELL, (2, 3), (10, 10, 10)), ValueError, "realisations="),
        (lambda: Ensemble(np.ones((2, 2)), CELL), ValueError, "samples.shape"),
    ),
)
def test_bad_input_names_the_argument_and_its_value(call, error, words):
    with pytest.raises(error, match=words):
        call()
