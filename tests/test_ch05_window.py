"""Where a window's order ends: the pieces of the explanation, each against a closed form or the library's own solver."""

import numpy as np
import pytest

import hmm_core as hmm
from hmm_course.figures import ch05_window as window
from hmm_course.figures.ch05 import SMOOTH

TWO_PI = 2 * np.pi


def layers(x, y):
    """A function of y_1 alone: chi_2 = 0, sigma_1 = A*_11 e_1, sigma_2 = a e_2, and 1, y_2 are a-harmonic."""
    return 2 + np.sin(TWO_PI * y[0]) + 0.5 * np.cos(2 * TWO_PI * y[0])


def of_layers():
    """A*_11, <a>, chi_1 at the nodes of a line and <a chi_1>, where Q1 with two Gauss points solves the line exactly."""
    gauss = np.array([0.5 - np.sqrt(1 / 12), 0.5 + np.sqrt(1 / 12)])
    y = (np.arange(window.N)[:, None] + gauss) / window.N
    a = layers(None, y[None])
    mean = a.mean(axis=1)  # of every element; the flux is one constant through all of them
    flux = 1 / np.mean(1 / mean)
    nodes = np.append(0, np.cumsum((flux / mean - 1) / window.N))
    nodes -= nodes[:-1].mean()
    inside = nodes[:-1, None] + np.diff(nodes)[:, None] * gauss
    return flux, a.mean(), nodes, (a * inside).mean()


def test_a_straight_edge_is_the_dirichlet_cell_of_the_library():
    for size, corner in ((2.0, 0.0), (3.25, 0.375)):
        cell = hmm.CellProblem(n=window.N, bc="dirichlet", size=size, window=("smooth", 3), tol=1e-12)
        expected = cell.effective_tensor(SMOOTH, x=np.full((2, 1), corner + size / 2), eps=1.0)[..., 0]
        solved = window.harmonic(SMOOTH, np.full(2, corner), size, 1.0, np.zeros((4, 2)))
        gradient, flux = window.filtered(*solved, 3)
        assert flux @ np.linalg.inv(gradient) == pytest.approx(expected, abs=1e-10)


def test_levels_stand_on_the_edge_and_constants_pass():
    levels = np.arange(8.0).reshape(4, 2)
    _, _, u = window.harmonic(SMOOTH, np.zeros(2), 2.0, 0.0, levels)
    for face, level in zip(window.FACES, levels, strict=True):
        assert (u[(slice(None), *face)][:, 1:-1] == level[:, None]).all()
    _, _, u = window.harmonic(SMOOTH, np.zeros(2), 2.0, 0.0, np.full((4, 2), 3.0))
    assert u == pytest.approx(np.full_like(u, 3.0), abs=1e-12)


@pytest.mark.parametrize("q", [1, 2, 5])
def test_curvature_of_a_quadratic_is_its_hessian(q):
    grid, _, _ = window.square(SMOOTH, np.zeros(2), 12.0)
    y = grid.affine()
    hessian = np.array([[[1.0, 0.5], [0.5, -2.0]], [[0.0, 3.0], [3.0, 1.0]]])  # of two functions
    u = np.einsum("jik,iab,kab->jab", hessian, y, y) / 2
    assert window.curvature(grid, u, q) == pytest.approx(np.moveaxis(hessian, 0, 2), abs=0.02)


def test_layers_in_closed_form():
    """Tails: -chi_1 of the place on faces across, -<a chi_1>/<a> on faces along (y_2 is the a-harmonic function to test with)."""
    flux, mean, chi, moment = of_layers()
    star, _ = window.period(layers)
    assert star == pytest.approx(np.diag([flux, mean]), rel=1e-9, abs=1e-9)
    for place in (0.0, 0.375):
        for face in (0, 1):
            assert window.tail(layers, face, place) == pytest.approx([-chi[round(place * window.N)], 0], abs=1e-9)
        for face in (2, 3):
            assert window.tail(layers, face, place) == pytest.approx([-moment / mean, 0], abs=1e-9)
    C = window.coupling(layers)
    assert C[0, 1] == pytest.approx([0, -moment], abs=1e-9)


def test_coupling_is_antisymmetric_and_vanishes_where_a_point_reflects_the_medium():
    C = window.coupling(SMOOTH)
    assert np.array_equal(C, -C.swapaxes(0, 1)) and abs(C).max() > 0.05
    assert abs(window.coupling(window.MIRRORED)).max() < 1e-12
    assert abs(window.coupling(hmm.media.sine_product())).max() < 1e-12


def test_a_strip_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="depth=1"):
        window.tail(SMOOTH, 0, 0.0, depth=1)


def test_theory_predicts_the_error_entry_by_entry():
    """Whole periods, where corners do not interfere: 3 % of the largest entry at R = 20."""
    corner, size = np.zeros(2), 20.0
    gradient, flux = window.filtered(*window.harmonic(SMOOTH, corner, size, 1.0, np.zeros((4, 2))), 5)
    error = flux @ np.linalg.inv(gradient) - window.period(SMOOTH)[0]
    theory = window.left_over(SMOOTH, corner, size, 5)
    assert abs(error - theory).max() < 0.03 * abs(error).max()
