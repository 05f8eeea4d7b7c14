"""The iterations, and media that are not symmetric: closed forms, transposition, both solvers and their rescue."""

import numpy as np
import pytest

import hmm_core as hmm
from hmm_core.micro import krylov
from hmm_core.micro.grid import Q1Grid

TWO_PI = 2 * np.pi
BOUNDARIES = ("periodic", "dirichlet", "neumann")


def skew_layers(x, y):
    """A shear flow in disguise: div(psi J grad u) is convection with the stream function psi."""
    psi, one = 2 * np.sin(TWO_PI * y[0]), np.ones_like(y[0])
    return np.array([[1.5 + np.cos(TWO_PI * y[0]), 0.3 * one + psi], [0.3 * one - psi, 2.0 * one]])


def swirl(x, y):
    psi = 3 * np.sin(TWO_PI * y[0]) * np.cos(TWO_PI * y[1]) + np.sin(TWO_PI * y[1])
    diagonal = 2 + np.sin(TWO_PI * (y[0] - y[1]))
    return np.array([[diagonal, psi], [-psi, 1.0 + 0 * psi]])


def transposed(medium):
    return lambda x, y: medium(x, y).swapaxes(0, 1)


def test_layers_that_are_not_symmetric():
    star = hmm.exact.laminate(lambda t: skew_layers(None, np.array([t])))
    q1 = [np.abs(hmm.CellProblem(n=n).effective_tensor(skew_layers) - star).max() for n in (16, 32)]
    assert np.log2(q1[0] / q1[1]) == pytest.approx(2, abs=0.1)
    fourier = hmm.CellProblem(n=32, scheme="fourier", tol=1e-12)
    np.testing.assert_allclose(fourier.effective_tensor(skew_layers), star, atol=1e-11)
    assert fourier.solve(skew_layers).solver == "fourier-bicgstab"


@pytest.mark.parametrize("bc", BOUNDARIES)
@pytest.mark.parametrize("options", ({}, {"size": 1.6, "window": ("smooth", 1)}, {"buffer": 0.3}))
def test_transposing_the_medium_transposes_the_plain_tensor(bc, options):
    cell = hmm.CellProblem(n=12, bc=bc, tol=1e-11, **options)
    A, B = cell.effective_tensor(swirl), cell.effective_tensor(transposed(swirl))
    assert np.abs(A - A.T).max() > 0.01
    if not options:
        np.testing.assert_allclose(A, B.T, rtol=1e-9, atol=1e-10)
    constant = np.array([[2.0, 1.0], [-1.5, 1.0]])
    np.testing.assert_allclose(cell.effective_tensor(lambda x, y: constant), constant, rtol=1e-9)


@pytest.mark.parametrize("bc", BOUNDARIES)
def test_bicgstab_agrees_with_a_factorisation_and_with_conjugate_gradients(bc, monkeypatch):
    cell = hmm.CellProblem(n=10, bc=bc, tol=1e-11)
    first = cell.solve(swirl)
    assert first.solver.endswith("bicgstab") and first.iterations > 3
    monkeypatch.setattr(krylov, "PATIENCE", 2)
    monkeypatch.setattr(krylov, "SMALL", 1)
    rescued = cell.solve(swirl)
    assert rescued.solver == "lu"
    np.testing.assert_allclose(rescued.tensor, first.tensor, rtol=1e-8, atol=1e-10)
    monkeypatch.undo()

    grid = Q1Grid(2, 10, 1.0, bc)
    a = np.exp(np.random.default_rng(1).normal(size=(3, 1, 4, 100)))
    diagonal, stencil = np.repeat(a.mean(axis=(2, 3)), 2, axis=1), grid.stencil(a)
    b, target = -grid.load(a - a.mean(axis=(2, 3), keepdims=True)), np.full((3, 2), 1e-20)
    apply, precondition = grid.operator(stencil), grid.preconditioner(diagonal)
    one, *_ = krylov.conjugate_gradients(apply, precondition, b, target, 200)
    two, *_ = krylov.bicgstab(apply, precondition, b, target, 200)
    np.testing.assert_allclose(two, one, atol=1e-9)


@pytest.mark.parametrize("n", (9, 10))
def test_a_small_fourier_grid_is_eliminated_where_the_iteration_gives_up(n, monkeypatch):
    """n even too, where more than the constants is invisible."""
    cell = hmm.CellProblem(scheme="fourier", n=n, tol=1e-11)
    first = cell.solve(swirl)
    monkeypatch.setattr(krylov, "PATIENCE", 2)
    monkeypatch.setattr(krylov, "SMALL", 1)
    rescued = cell.solve(swirl)
    assert first.solver == "fourier-bicgstab" and rescued.solver == "lu"
    np.testing.assert_allclose(rescued.tensor, first.tensor, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(rescued.correctors, first.correctors, atol=1e-6)


def test_a_batch_of_both_kinds_does_not_mix_answers():
    def medium(x, y):
        on = x[0] > 0.5
        return np.where(on, swirl(x, y), transposed(swirl)(x, y) / 2 + swirl(x, y) / 2)

    x = np.array([[0.2, 0.8, 0.4, 0.9], [0.0] * 4])
    cell = hmm.CellProblem(n=8)
    micro = cell.solve(medium, x)
    assert list(micro.solver) == ["fft-cg", "fft-bicgstab"] * 2 and micro.solves == 2
    for k in range(4):
        alone = cell.solve(medium, x[:, k])
        np.testing.assert_array_equal(micro.tensor[..., k], alone.tensor)
        np.testing.assert_array_equal(micro.correctors[:, k], alone.correctors)


def test_three_dimensions_and_the_macro_problem():
    def medium(x, y):
        flat = skew_layers(x, y)
        zero, one = np.zeros_like(y[0]), np.ones_like(y[0])
        return np.array([[*flat[0], zero], [*flat[1], zero], [zero, zero, one]])

    A = hmm.CellProblem(dim=3, n=12).effective_tensor(medium)
    np.testing.assert_allclose(A[:2, :2], hmm.CellProblem(n=12).effective_tensor(skew_layers), rtol=1e-6)
    assert A[2, 2] == pytest.approx(1) and np.abs(A[2, :2]).max() < 1e-9


@pytest.mark.parametrize(
    "options, words",
    (
        ({"average": "energy"}, "average='energy' needs a symmetric medium"),
        ({"equation": ("parabolic", 0.05), "bc": "dirichlet", "window": ("smooth", 2)}, "needs a symmetric medium"),
    ),
)
def test_what_needs_symmetry_says_so(options, words):
    with pytest.raises(ValueError, match=words):
        hmm.CellProblem(n=8, **options).effective_tensor(swirl)
