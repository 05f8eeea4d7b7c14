"""The planner: what it proposes meets the tolerance, costs little more than the best, and what it says of it is true.

The three problems of the first test are not those that the planner was tuned on, though it still changed while their
numbers could be seen; how cheap a choice can be was found by tools/plan_search.py, whose results are committed.
"""

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skfem

import hmm_core as hmm
from hmm_core import errors, pilots, planner

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import plan_search  # noqa: E402

SEARCHED = json.loads(plan_search.RESULTS.read_text(encoding="utf-8"))


def waves(t):
    return np.sin(2 * np.pi * t)


def segments(N):
    return skfem.MeshLine(np.linspace(0, 1, N + 1))


def layers(slope=1.0, wave=1.0):
    """On a line: exp(slope x)/(2 + cos 2 pi wave y), A* = exp(slope x)/2."""
    return hmm.media.graded(lambda x: np.exp(slope * x[0]), hmm.media.layered(hmm.media.cosine(2, 1, -1), (wave,)))


def achieved(plan, a, source, norm, **options):
    """The error of the plan relative to u0, and its terms, by decompose_error."""
    eps = plan.closure.eps
    budget = hmm.decompose_error(
        a, eps=eps or 0.01, basis=plan.basis, cell=plan.cell, source=source, norm=norm, frozen=eps is None, **options
    )
    u0 = budget.solutions["u0"]
    law = options.get("effective") or a.effective
    size = u0.error(replace(u0, u=0 * u0.u), norm, gradient=u0.gradient_at, tensor=law)
    return budget.total / size, {name: term / size for name, term in budget.terms.items()}


# -- problems that it was not built on ------------------------------------------------------------------------


@pytest.mark.parametrize("name", plan_search.PROBLEMS)
def test_the_tolerance_is_met_and_not_paid_for_much(name):
    problem = plan_search.PROBLEMS[name]
    tol, plan = problem.given["tol"], hmm.plan(**problem.given)
    error, cost = problem.try_out(plan.N, plan.cell)  # all its sampling points, u0 from the exact law
    assert tol / 10 <= error <= tol
    assert cost <= 3 * SEARCHED[name]["cost"]
    assert plan.error == pytest.approx(error, rel=0.15)


def oblique(x, y):
    return (1 + x[0] ** 2 + x[1] / 2) * (1.4 + waves(y[0] + y[1])) * (1.5 + 0.6 * waves(y[1] + 0.25))


def squares(x, y):
    return (1 + x[1] / 2) * np.where(np.abs(y - np.round(y)).max(axis=0) < 0.3, 6.0, 1.0)


@pytest.mark.parametrize(
    ("a", "factor", "norm", "tol"),
    [
        (oblique, lambda x: 1 + x[0] ** 2 + x[1] / 2, "L2", 0.015),
        (squares, lambda x: 1 + x[1] / 2, "energy", 0.05),
    ],
    ids=["oblique waves", "squares"],
)
def test_the_tolerance_is_met_on_problems_met_after_the_planner_was_finished(a, factor, norm, tol):
    """No A* given. Both media are a function of x times one of y, so A*(x) is that function times a tensor."""
    plan = hmm.plan(a, eps=0.01, tol=tol, source=1.0, norm=norm, frozen=True)
    if a is oblique:
        star = hmm.CellProblem(n=40, scheme="fourier", tol=1e-11).effective_tensor(a, np.zeros((2, 1)))
    else:  # corners of the material: extrapolated with the measured exponent
        one, two, three = (hmm.CellProblem(n=n).effective_tensor(a, np.zeros((2, 1))) for n in (40, 80, 160))
        star = three + (three - two) / (np.abs(one - two).max() / np.abs(two - three).max() - 1)
    fine = hmm.macro_basis(skfem.MeshTri().refined(6), skfem.ElementTriP2())
    exact = hmm.ExactClosure(lambda x: factor(x) * star)
    u0 = hmm.solve_elliptic(fine, exact, 1.0)
    found = hmm.solve_elliptic(plan.basis, plan.closure, 1.0)
    points = np.asarray(fine.global_coordinates())

    def norm_of(value, gradient):
        density = (
            value**2
            if norm == "L2"
            else factor(points) * np.einsum("i...,ij,j...->...", gradient, star[..., 0], gradient)
        )
        return np.sqrt((density * fine.dx).sum())

    truth = u0.at(points), u0.gradient_at(points)
    error = norm_of(truth[0] - found.at(points), truth[1] - found.gradient_at(points)) / norm_of(*truth)
    assert tol / 10 <= error <= tol
    assert plan.error == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize("name", plan_search.PROBLEMS)
def test_the_best_that_was_searched_for_is_what_it_says(name):
    found, problem = SEARCHED[name], plan_search.PROBLEMS[name]
    window = found["window"] if isinstance(found["window"], str) else tuple(found["window"])
    kind = next(c for c in problem.kinds if (c.bc, c.scheme, c.window) == (found["bc"], found["scheme"], window))
    error, cost = problem.try_out(found["N"], replace(kind, n=found["n"], size=found["size"]))
    assert error == pytest.approx(found["error"], abs=2e-5) and cost == pytest.approx(found["cost"], rel=1e-3)
    assert error <= problem.given["tol"]


# -- what it says of itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm, tol", (("energy", 0.02), ("energy", 0.005), ("H1", 0.02), ("L2", 0.003), ("L2", 3e-4)))
def test_on_a_line_for_tighter_and_looser_tolerances(norm, tol):
    """Every norm; a sample that is not a whole number of periods."""
    a = layers(wave=1.3)
    plan = hmm.plan(a, eps=0.01, tol=tol, source=1.0, norm=norm)
    error, terms = achieved(plan, a, 1.0, norm)
    assert tol / 10 <= error <= tol and plan.error == pytest.approx(error, rel=0.3)
    assert plan.terms["macro"] == pytest.approx(terms["macro"], rel=0.05)
    assert plan.terms["micro"] == 0.0  # closed form


def test_a_tighter_tolerance_costs_more():
    plans = [hmm.plan(layers(), eps=0.01, tol=tol, source=1.0) for tol in (0.1, 0.03, 0.01)]
    assert np.all(np.diff([plan.cost for plan in plans]) > 0) and np.all(np.diff([plan.N for plan in plans]) > 0)


def test_terms_that_are_not_there_are_zero_and_said_to_be():
    a = hmm.media.graded(plan_search.slope, hmm.media.separable(hmm.media.Sine(2, 1), hmm.media.Sine(2, 1)))
    frozen = hmm.plan(a, eps=0.02, tol=0.2, source=1.0, frozen=True)
    assert frozen.terms["modelling"] == frozen.terms["resonance"] == 0.0 < frozen.terms["micro"]
    assert "no modelling, no resonance" in str(frozen) and frozen.closure.eps is None
    moving = hmm.plan(a, eps=0.02, tol=0.2, source=1.0)
    assert moving.terms["resonance"] > 0 and moving.closure.eps == 0.02


def test_a_medium_without_slow_variable_is_one_cell_problem():
    plan = hmm.plan(hmm.media.hou_wu(), eps=0.01, tol=0.1, source=1.0, frozen=True, effective=np.diag([3.9465, 3.3416]))
    solved = hmm.solve_elliptic(plan.basis, plan.closure, 1.0)
    assert solved.micro_solves == 1
    micro = plan.cell.solve(plan.closure.a)
    assert plan.cost == planner.work(2, plan.cell.cells, 1, micro.iterations, plan.basis.N)


def test_the_laws_are_the_orders_of_theory():
    quasi = hmm.media.function(
        lambda x, y: np.exp(0.7 * waves(y[0]) + 0.7 * waves(np.sqrt(2) * y[1])), effective=np.eye(2)
    )
    box = [hmm.CellProblem(bc="dirichlet")]
    plan = hmm.plan(quasi, eps=0.01, tol=0.1, source=1.0, element=skfem.ElementTriP2(), cells=box)
    assert plan.cell.bc == "dirichlet" and plan.cell.window == "box" and plan.cell.scheme == "q1"
    assert plan.laws["macro"][1] == pytest.approx(2, abs=0.25)
    assert plan.laws["micro"][1] == pytest.approx(2, abs=0.25)
    assert plan.laws["sample"][1] == pytest.approx(1, abs=0.5)
    C, p = plan.laws["micro"]
    assert C * plan.cell.n**-p == pytest.approx(plan.terms["micro"], rel=0.3)


def test_without_a_law_it_is_computed():
    """Quasi-periodic, so that there is no period to solve on: filtered samples of growing size stand in for A*."""

    def quasi(x, y):
        return np.exp(0.7 * waves(y[0]) + 0.7 * waves(np.sqrt(2) * y[0]))

    line = hmm.macro_basis(skfem.MeshLine().refined(8), skfem.ElementLineP2())
    u0 = hmm.solve_elliptic(line, hmm.ExactClosure(1 / np.i0(0.7) ** 2), 1.0)
    plan = hmm.plan(quasi, eps=0.01, tol=0.02, source=1.0, mesh=segments)
    U = hmm.solve_elliptic(plan.basis, plan.closure, 1.0)
    error = U.error(u0, "energy", gradient=u0.gradient_at, tensor=1 / np.i0(0.7) ** 2, relative=True)
    assert 0.002 <= error <= 0.02 and plan.error == pytest.approx(error, rel=0.1)


def test_the_terms_are_those_of_decompose_error():
    """A graded material, not frozen, Dirichlet samples only: all four terms are there."""
    a = hmm.media.graded(plan_search.slope, hmm.media.separable(hmm.media.Sine(2, 1), hmm.media.Sine(2, 1)))
    box = [hmm.CellProblem(bc="dirichlet")]
    plan = hmm.plan(a, eps=0.03, tol=0.15, source=1.0, element=skfem.ElementTriP2(), cells=box)
    error, terms = achieved(plan, a, 1.0, "energy", resolution=0.2)
    assert 0.015 <= error <= 0.15 and plan.error == pytest.approx(error, rel=0.1)
    assert plan.terms["macro"] == pytest.approx(terms["macro"], rel=0.05)
    for name in ("modelling", "resonance", "micro"):
        assert plan.terms[name] == pytest.approx(terms[name], rel=0.5)


def test_a_random_medium_with_its_law():
    """Samples smaller than the correlation length, which would be warned of, are not tried."""
    tiles = hmm.media.random_checkerboard(1.0, 2.0, tile=1.5, dim=1, rng=np.random.default_rng(1))
    plan = hmm.plan(tiles, eps=1e-3, tol=0.1, source=1.0)
    error, _ = achieved(plan, tiles, 1.0, "energy")
    assert min(cell.size for _, cell, _, _ in plan.trials) >= 1.5
    assert 0.01 <= error <= 0.1 and plan.error == pytest.approx(error, rel=0.2)


def test_users_bring_their_mesh_element_and_boundary_data():
    """The L-shaped domain, whose corner costs a third of the order: H^(2/3), measured, not assumed."""

    def mesh(N):
        line = np.linspace(-1, 1, 2 * N + 1)
        square = skfem.MeshTri.init_tensor(line, line)
        return square.remove_elements(np.flatnonzero((square.p[:, square.t].mean(axis=1) > 0).all(axis=0)))

    def corner(x):
        r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
        return r ** (2 / 3) * np.sin(2 * phi / 3)

    plan = hmm.plan(
        hmm.media.constant(2.0), eps=0.1, tol=0.06, source=0.0, mesh=mesh, dirichlet=corner, frozen=True, norm="energy"
    )
    assert plan.laws["macro"][1] == pytest.approx(2 / 3, abs=0.1)
    U = hmm.solve_elliptic(plan.basis, plan.closure, 0.0, dirichlet=corner)

    def slope(x):
        r, phi = np.hypot(*x), np.mod(np.arctan2(x[1], x[0]) - np.pi / 2, 2 * np.pi)
        radial, angular = np.sin(2 * phi / 3), np.cos(2 * phi / 3)
        return 2 / 3 * r ** (-1 / 3) * (radial * x / r + angular * np.array([-x[1], x[0]]) / r)

    error = U.error(corner, "energy", gradient=slope, tensor=2.0, relative=True)
    assert 0.006 <= error <= 0.06 and plan.error == pytest.approx(error, rel=0.1)


def test_three_dimensions():
    medium = hmm.media.layered(hmm.media.cosine(3, 1), (1.0, 0.0, 0.0))
    plan = hmm.plan(medium, eps=0.1, tol=0.6, source=1.0, frozen=True)
    U = hmm.solve_elliptic(plan.basis, plan.closure, 1.0)
    fine = skfem.Basis(plan.basis.mesh, skfem.ElementTetP2(), intorder=4)
    u0 = hmm.solve_elliptic(fine, hmm.ExactClosure(medium.effective()), 1.0)
    error = U.error(u0, "energy", gradient=u0.gradient_at, tensor=medium.effective(), relative=True)
    assert 0.06 <= error <= 0.6 and plan.error == pytest.approx(error, rel=0.1) and plan.cell.dim == 3


def test_plans_are_repeatable_and_can_be_kept():
    a = hmm.media.layered(hmm.media.cosine(2, 1, -1), (1.3,))
    one, two = (hmm.plan(a, eps=0.01, tol=0.02, source=1.0) for _ in range(2))
    assert (one.N, one.cell, one.error, one.cost) == (two.N, two.cell, two.error, two.cost)
    kept = pickle.loads(pickle.dumps(one))
    assert str(kept) == str(one) and "array" not in repr(one)
    assert (one.N, one.cell) in {(N, cell) for N, cell, _, _ in one.trials}


def test_relative_errors_of_tensors():
    rng = np.random.default_rng(3)
    A, E = rng.normal(size=(2, 2, 5)), rng.normal(size=(2, 2, 5))
    A = np.einsum("ijk,ljk->ilk", A, A) + np.eye(2)[:, :, None]
    L = np.moveaxis(np.linalg.cholesky(np.moveaxis(A, -1, 0)), 0, -1)
    np.testing.assert_allclose(pilots.relative(A + np.einsum("ijk,jlk,mlk->imk", L, E, L), A), E, atol=1e-12)


def test_work_counts_unknowns_iterations_and_the_factorisation():
    assert planner.work(2, 10, 50, 7.0, 400) == 50 * 2 * 100 * 7 + 400**1.5
    assert planner.work(1, 10, 50, 0.0, 400) == 50 * 10 + 400


# -- bad input -------------------------------------------------------------------------------------------------------

GOOD = {"a": layers(), "eps": 0.01, "tol": 0.05, "source": 1.0}


@pytest.mark.parametrize(
    "kwargs, error, words",
    (
        ({"a": 2.0}, TypeError, "a=2.0"),
        ({"eps": -0.1}, ValueError, "eps=-0.1"),
        ({"eps": None}, TypeError, "eps=None"),
        ({"tol": "small"}, TypeError, "tol='small'"),
        ({"tol": 0.0}, ValueError, "tol=0.0.*1e-06"),
        ({"tol": 1e-9}, ValueError, "tol=1e-09.*pilots see no errors"),
        ({"tol": 1.0}, ValueError, "tol=1.0"),
        ({"norm": "H2"}, ValueError, "norm='H2'"),
        ({"frozen": 1}, TypeError, "frozen=1"),
        ({"mesh": skfem.MeshLine()}, TypeError, "(?s)mesh=.*function of an integer"),
        ({"mesh": lambda N: N}, TypeError, "mesh=.*returned int for N=2"),
        ({"mesh": lambda N: skfem.MeshLine()}, ValueError, "must refine with N"),
        ({"mesh": lambda N: skfem.MeshLine().refined(6)}, ValueError, "must refine with N"),
        ({"cells": []}, TypeError, r"cells=\[\]"),
        ({"cells": [2]}, TypeError, r"cells=\[2\]"),
        ({"cells": [hmm.CellProblem(dim=2)]}, ValueError, "dim=2.*1D"),
        ({"element": skfem.ElementLineMini()}, ValueError, "ElementLineMini.*richer"),
        ({"source": 0.0}, ValueError, "u0 is zero"),
        ({"effective": -1.0}, ValueError, "positive definite.*-1.0"),
        ({"dirichlet": None}, ValueError, "no Dirichlet"),
    ),
)
def test_bad_input(kwargs, error, words):
    with pytest.raises(error, match=words):
        hmm.plan(**GOOD | kwargs)


def test_no_way_to_get_the_effective_tensor(monkeypatch):
    tiles = hmm.media.random_disks(10.0, radius=0.3, rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match=r"effective=None.*random medium.*pass it"):
        hmm.plan(tiles, eps=0.01, tol=0.02, source=1.0)
    monkeypatch.setattr(pilots, "UNKNOWNS", 2**11)
    with pytest.raises(hmm.ConvergenceError, match=r"effective=None.*no way to get A\* to 1.0e-04.*Pass effective="):
        hmm.plan(
            lambda x, y: 2 + waves(y[0]) * waves(np.sqrt(2) * y[0]), eps=0.01, tol=0.002, source=1.0, mesh=segments
        )


def test_more_than_the_allowed_grids(monkeypatch):
    with pytest.raises(hmm.ConvergenceError, match=r"tol=1e-05 in norm='L2'.*samples.*wrong by.*frozen=True"):
        hmm.plan(layers(wave=np.sqrt(2)), eps=0.2, tol=1e-5, source=1.0, norm="L2")
    monkeypatch.setitem(errors.LARGEST, 1, 300)
    with pytest.raises(hmm.ConvergenceError, match=r"macro unknowns.*macro term is still.*richer element"):
        hmm.plan(layers(), eps=0.01, tol=0.001, source=1.0)
