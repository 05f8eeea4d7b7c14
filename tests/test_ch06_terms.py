"""The problem of the four panels: its shortcut, its exact solution, and that each term stands alone."""

from pathlib import Path

import numpy as np
import pytest

from hmm_core import CellClosure, CellProblem, media, solve_elliptic
from hmm_core.macro import restrict
from hmm_course.figures.ch06 import GRADED_SIZE, PERIOD, K, square
from hmm_course.figures.ch06_terms import MILD, STEEP, curves, envelope

REFERENCE = Path(__file__).with_name("reference")


@pytest.mark.parametrize("problem", [STEEP, MILD])
def test_source_belongs_to_the_exact_solution(problem):
    """f against -div(K exp(g . x) grad u0) by central differences."""
    x, step = np.random.default_rng(0).random((2, 20)), 1e-4

    def flux(x):
        return K * problem.factor(x) * problem.gradient(x)

    divergence = sum(
        (flux(x + step * np.eye(2)[:, [i]])[i] - flux(x - step * np.eye(2)[:, [i]])[i]) / (2 * step) for i in (0, 1)
    )
    assert np.allclose(problem.source(x), -divergence, rtol=1e-5, atol=1e-4)
    up, down = (problem.u0(x + s * step * np.array([[1.0], [0.0]])) for s in (1, -1))
    assert np.allclose((up - down) / (2 * step), problem.gradient(x)[0], atol=1e-5)


def test_mild_is_the_problem_of_the_chapter():
    norm = MILD.solve(square(16, 2), K).error(
        lambda x: 0 * x[0], "energy", gradient=np.zeros_like, tensor=MILD.tensor(K)
    )
    assert norm == pytest.approx(GRADED_SIZE, rel=1e-4)


@pytest.mark.parametrize(("bc", "offset"), [("periodic", 0.5), ("dirichlet", 0.0)])
def test_one_cell_problem_makes_the_whole_solution(bc, offset):
    """On a mesh that fits the lattice the method itself, at every sampling point, finds the law exp(g . x) T."""
    basis, cell = square(2, 2), CellProblem(n=8, size=1.5, bc=bc, offset=offset, tol=1e-12)
    eps = 1 / (12 * 4)  # the three sampling points of a triangle lie at multiples of 1/12
    x = restrict(basis, np.zeros(basis.N)).x
    assert np.allclose(x / eps, np.round(x / eps), atol=1e-9)
    closure = CellClosure(media.graded(STEEP.factor, PERIOD), cell, eps=eps)
    method = solve_elliptic(basis, closure, STEEP.source)
    shortcut = STEEP.solve(basis, STEEP.law(cell, eps))
    assert np.abs(method.u - shortcut.u).max() < 1e-9 * np.abs(method.u).max()
    assert np.abs(method.u - STEEP.solve(basis, K).u).max() > 1e-2 * np.abs(method.u).max()


def test_each_term_stands_alone():
    """What the other dials leave is a tenth at most; a quarter where it is the macro term, which adds in squares."""
    with np.load(REFERENCE / "06-one-problem.npz") as data:
        for name, (_, error, _) in curves(data).items():
            table, _, norm = name.split(", ")
            assert data[f"{table}.rest_{norm}"][0] < (0.26 if table == "micro" else 0.1) * error.min(), name
        assert set(data["resonance.phase"]) == set(np.arange(16) / 16)
        R, worst = envelope(data, "dirichlet")
        inside = (data["resonance.R"] > 3) & (data["resonance.R"] < 4)
        assert inside.sum() == 48 and worst[R == 3.5] == data["resonance.dirichlet_energy"][inside].max()
