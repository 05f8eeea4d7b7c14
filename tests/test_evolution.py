"""Diffusion in time: orders, invariants, HMM against DNS, how often it asks, runs that go on, bad input."""

import os
import signal
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
import skfem
from skfem import (
    ElementLineP1,
    ElementLineP2,
    ElementQuad1,
    ElementTriP1,
    ElementTriP2,
    ElementVector,
    MeshLine,
    MeshQuad,
    MeshTri,
)

import hmm_core as hmm
from hmm_core import CellClosure, CellProblem, ConvergenceError, ExactClosure, Trajectory, macro_basis, solve_parabolic
from hmm_core.compare import Oscillating
from hmm_core.micro.averages import mean

SIDES = {
    "left": lambda x: x[0] == 0,
    "right": lambda x: x[0] == 1,
    "bottom": lambda x: x[1] == 0,
    "top": lambda x: x[1] == 1,
}
A = np.array([[2.0, 0.3], [-0.1, 1.0]])


def square(refinements=2, element=ElementTriP1):
    return macro_basis(MeshTri().refined(refinements).with_boundaries(SIDES), element())


def line(refinements=5, element=ElementLineP1):
    return macro_basis(MeshLine().refined(refinements), element())


def slopes(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def wave(x, y):
    return 1 / (2 + np.cos(2 * np.pi * y[0]))  # A* = 1/2


def graded(x, y):
    return 2 + 0.5 * x[0] * np.cos(2 * np.pi * y[0]) + 0.3 * x[1] * np.sin(2 * np.pi * y[1])


def bump(x):
    return np.prod(np.sin(np.pi * x), axis=0)


# -- orders --------------------------------------------------------------------------------------------------------------


def swing(t):
    return 1 + np.sin(3 * t)


def quadratic(x, t):
    return swing(t) * (1 + x[0] - 2 * x[1] + x[0] ** 2 + 0.5 * x[0] * x[1])


def quadratic_flux(x, t):
    return A @ (swing(t) * np.array([1 + 2 * x[0] + 0.5 * x[1], -2 + 0.5 * x[0]]))


def quadratic_source(x, t):
    rate = 3 * np.cos(3 * t) * (1 + x[0] - 2 * x[1] + x[0] ** 2 + 0.5 * x[0] * x[1])
    return (2 + x[0]) * rate - swing(t) * (2 * A[0, 0] + 0.5 * (A[0, 1] + A[1, 0]))


def plain(x, u, grad):
    """The same law, without the word that it is linear: every step is a dialogue."""
    return np.einsum("ij,jk->ik", A, grad), 0.0, A


BOUNDARIES = {
    "dirichlet": {"dirichlet": quadratic},
    "mixed": {
        "dirichlet": {"left": quadratic},
        "neumann": {"right": lambda x, t: quadratic_flux(x, t)[0], "bottom": lambda x, t: -quadratic_flux(x, t)[1]},
        "robin": {
            "top": (lambda x, t: 2 + t + x[0], lambda x, t: quadratic(x, t) + quadratic_flux(x, t)[1] / (2 + t + x[0]))
        },
    },
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("closure", [ExactClosure(A), plain], ids=["linear", "dialogue"])
def test_second_order_in_time(boundary, closure):
    """P2 holds the field exactly, so all of the error is that of the steps; every datum depends on t."""
    errors = []
    for steps in (8, 16, 32):
        run = solve_parabolic(
            square(1, ElementTriP2),
            closure,
            lambda x: quadratic(x, 0.0),
            quadratic_source,
            np.linspace(0, 1, steps + 1),
            lambda x: 2 + x[0],
            **({"dirichlet": None} | BOUNDARIES[boundary]),
        )
        errors.append(run.error(quadratic, relative=True))
    assert errors[-1] < 1e-3
    np.testing.assert_allclose(slopes(errors), 2, atol=0.15)


def test_second_order_in_time_where_the_law_follows_the_state():
    """sigma = (1 + u^2) grad u with data in t, against 80 steps: they share their error in space."""

    def solve(steps):
        return solve_parabolic(
            square(2),
            ExactClosure(lambda x, u: 1 + u**2),
            bump,
            lambda x, t: 20 * np.cos(9 * t) + 0 * x[0],
            np.linspace(0, 0.5, steps + 1),
            dirichlet=lambda x, t: t * x[0],
        )

    exact = solve(80)[-1].u
    errors = [np.linalg.norm(solve(steps)[-1].u - exact) for steps in (10, 20)]
    np.testing.assert_allclose(slopes(errors), 2, atol=0.2)


@pytest.mark.parametrize(
    ("mesh", "element", "order"), [(MeshTri, ElementTriP1, 2), (MeshQuad, ElementQuad1, 2), (MeshTri, ElementTriP2, 3)]
)
def test_orders_in_space(mesh, element, order):
    def exact(x, t):
        return np.exp(-t) * bump(x)

    def source(x, t):  # c = 1 + x1, A = (1 + x0) I
        slope = np.pi * np.cos(np.pi * x[0]) * np.sin(np.pi * x[1])
        return np.exp(-t) * ((2 * np.pi**2 * (1 + x[0]) - 1 - x[1]) * bump(x) - slope)

    errors = []
    for refinements in (2, 3, 4):
        basis = macro_basis(mesh().refined(refinements), element())
        closure = ExactClosure(lambda x: 1 + x[0])
        run = solve_parabolic(basis, closure, bump, source, [0, 0.5], lambda x: 1 + x[1], step=1 / 80)
        errors.append(run.error(exact))
    np.testing.assert_allclose(slopes(errors)[-1], order, atol=0.2)


def test_chosen_steps_keep_the_error_at_the_tolerance():
    """Fast at first, slow later: a tolerance 64 times smaller takes 4 times the steps, and gives an error 16 times smaller."""
    exact = lambda x, t: quadratic(x, np.sqrt(t + 1e-4))  # noqa: E731

    def source(x, t):
        root = np.sqrt(t + 1e-4)
        shape = 1 + x[0] - 2 * x[1] + x[0] ** 2 + 0.5 * x[0] * x[1]
        return 1.5 * np.cos(3 * root) / root * shape - swing(root) * (2 * A[0, 0] + 0.5 * (A[0, 1] + A[1, 0]))

    errors, steps = [], []
    for tol in (6.4e-4, 1e-5):
        run = solve_parabolic(
            square(1, ElementTriP2),
            ExactClosure(A),
            lambda x: exact(x, 0.0),
            source,
            [0, 0.1, 1],
            dirichlet=exact,
            tol=tol,
        )
        assert all(0 < entry.error <= tol for entry in run.history[1:])
        errors.append(run.error(exact, relative=True))
        steps.append([entry.steps for entry in run.history])
    assert errors[0] < 1e-2 and 8 < errors[0] / errors[1] < 40
    assert (
        sum(steps[1]) < 5 * sum(steps[0]) and steps[1][1] > 2 * steps[1][2] / 9
    )  # most in the first tenth, per length


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_chosen_steps_do_not_depend_on_the_unit(size):
    runs = [
        solve_parabolic(line(3), ExactClosure(1.0), lambda x, unit=unit: unit * bump(x), 0.0, [0, 0.3], tol=1e-3)
        for unit in (1.0, size)
    ]
    assert runs[0].history[-1].steps == runs[1].history[-1].steps > 3


def test_vectors_are_two_scalars():
    basis = macro_basis(MeshTri().refined(2), ElementVector(ElementTriP1()))
    times = np.linspace(0, 0.1, 6)
    both = solve_parabolic(
        basis,
        ExactClosure(2.0),
        lambda x: np.array([bump(x), x[0] * 0]),
        lambda x, t: np.array([0 * x[0], t + x[1]]),
        times,
    )
    points = np.random.default_rng(1).random((2, 9))
    for k, (initial, source) in enumerate(((bump, 0.0), (0.0, lambda x, t: t + x[1]))):
        one = solve_parabolic(square(), ExactClosure(2.0), initial, source, times)
        np.testing.assert_allclose(both.at(points, 0.1)[k], one.at(points, 0.1), rtol=0, atol=1e-14)


# -- invariants ----------------------------------------------------------------------------------------------------------


def rough(x):
    """Jumps, and does not fit the boundary."""
    return np.where(x[0] > 0.4, 1.0, -0.5)


def test_energy_decays_from_a_rough_start():
    """f = 0, U = 0 on the boundary: int c U^2 falls in every step, and at the rate of the slowest mode at last."""
    capacity = lambda x: 1 + x[0]  # noqa: E731
    for step in (1e-3, 1.0):  # L-stable: also far beyond what the mesh resolves
        run = solve_parabolic(
            square(3), CellClosure(graded, CellProblem(n=4)), rough, 0.0, step * np.arange(12.0), capacity
        )
        energies = [skfem.Functional(lambda w: (1 + w.x[0]) * w.u**2).assemble(s.basis, u=s.u) for s in run]
        assert all(after < before for before, after in pairwise(energies))
    assert energies[2] < 1e-3 * energies[0]


def test_heat_is_conserved_where_nothing_lets_it_out():
    mass = skfem.BilinearForm(lambda u, v, w: (1 + w.x[0]) * u * v).assemble(
        skfem.Basis(MeshTri().refined(3), ElementTriP1())
    )
    run = solve_parabolic(
        square(3), ExactClosure(A), rough, lambda x, t: 1 + 0 * x[0], np.linspace(0, 1, 11), lambda x: 1 + x[0], None
    )
    heat = np.array([(mass @ solution.u).sum() for solution in run])
    np.testing.assert_allclose(heat, heat[0] + run.times, rtol=1e-12)


def test_a_stationary_state_is_that_of_the_steady_problem():
    closure = CellClosure(graded, CellProblem(n=6))
    steady = hmm.solve_elliptic(square(3), closure, 1.0, {"left": 1.0}, robin={"right": (2.0, 3.0)})
    run = solve_parabolic(
        square(3), closure, 0.0, 1.0, [0, 1e3], dirichlet={"left": 1.0}, robin={"right": (2.0, 3.0)}, tol=1e-3
    )
    np.testing.assert_allclose(run[-1].u, steady.u, atol=1e-9)
    np.testing.assert_allclose(run[-1].flux, steady.flux, atol=1e-8)


# -- HMM against DNS -----------------------------------------------------------------------------------------------------


def density(x, y):
    return 1.5 + x[0] + np.cos(2 * np.pi * y[0])


def fine(eps, **options):
    """Resolved with 32 quadratic elements per period."""
    mesh = MeshLine(np.linspace(0, 1, round(32 / eps) + 1))
    return solve_parabolic(
        macro_basis(mesh, ElementLineP2()),
        ExactClosure(Oscillating(wave, eps)),
        0.0,
        cooling,
        [0, 0.1],
        step=1 / 200,
        **options,
    )


def cooling(x, t):
    return 1 + np.cos(5 * t) * x[0]


@pytest.mark.parametrize("oscillating", [False, True])
def test_hmm_against_dns(oscillating):
    """O(eps) in L2. With a capacity that does not oscillate, O(eps^2) with the correctors."""
    macro = solve_parabolic(
        line(7, ElementLineP2),
        CellClosure(wave, CellProblem(dim=1, n=32)),
        0.0,
        cooling,
        [0, 0.1],
        density if oscillating else 1.0,
        step=1 / 200,
    )
    x = (np.arange(2000)[None] + 0.5) / 2000
    plain, corrected = [], []
    for eps in (1 / 4, 1 / 8, 1 / 16):
        dns = fine(eps, **({"capacity": Oscillating(density, eps)} if oscillating else {}))
        exact = dns.at(x, 0.1)
        plain.append(np.sqrt(np.mean((macro.at(x, 0.1) - exact) ** 2)))
        corrected.append(np.sqrt(np.mean((macro[-1].reconstruct(x, eps) - exact) ** 2)))
    assert plain[-1] < 2e-2 * np.abs(exact).max()
    np.testing.assert_allclose(slopes(plain)[-1], 1, atol=0.2)
    assert (np.array(corrected) < 0.5 * np.array(plain)).all() or oscillating
    if not oscillating:
        assert slopes(corrected)[-1] > 1.6


def test_the_average_of_a_medium():
    cell, x = CellProblem(dim=2, n=8), np.random.default_rng(1).random((2, 5))
    np.testing.assert_allclose(mean(lambda x, y: 1 + x[0] + np.cos(2 * np.pi * y[1]), cell, x), 1 + x[0], rtol=1e-13)
    np.testing.assert_allclose(mean(hmm.media.checkerboard(1, 4), cell, x), 2.5, rtol=1e-13)
    y = np.linspace(0, 0.3, 20001)
    cut = CellProblem(dim=1, n=64, size=0.3, offset=0.5)
    expected = np.trapezoid(1 + np.sin(2 * np.pi * y), y) / 0.3
    np.testing.assert_allclose(
        mean(lambda x, y: 1 + np.sin(2 * np.pi * y[0]), cut, np.zeros((1, 1))), expected, rtol=1e-6
    )
    with pytest.raises(ValueError, match="averaged as a scalar field"):
        mean(lambda x, y: np.eye(2)[:, :, None, None] + 0 * y[0], cell, x)
    with pytest.raises(ValueError, match="not finite somewhere in the cell"):
        mean(lambda x, y: np.where(x[0] > 0.5, np.nan, 1.0) + 0 * y[0], cell, x)


# -- how often it asks ---------------------------------------------------------------------------------------------------


def test_a_linear_closure_is_asked_once():
    for options in ({}, {"step": 0.01}, {"tol": 1e-3}):
        run = solve_parabolic(square(), CellClosure(graded, CellProblem(n=4)), bump, 1.0, [0, 0.1, 0.3], **options)
        assert [entry.micro_solves for entry in run.history] == [32, 0, 0] and run.micro_solves == 32
        assert [entry.turns for entry in run.history] == [1, 0, 0]


def test_a_linear_closure_gives_the_numbers_of_the_dialogue():
    @dataclass
    class Silent:
        closure: object

        def __call__(self, x, u, grad, memory=None):
            return self.closure(x, u, grad, memory)

    closure = CellClosure(graded, CellProblem(n=4))
    first, second = (
        solve_parabolic(square(), c, bump, lambda x, t: t * x[0], [0, 0.1, 0.3], tol=1e-3)
        for c in (closure, Silent(closure))
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.u, other.u, rtol=0, atol=1e-11)
        np.testing.assert_allclose(one.flux, other.flux, rtol=0, atol=1e-10)
    assert second.micro_solves == 32 and second.history[-1].turns > 4


def test_a_false_word_about_linearity_is_found():
    class Lying:
        linear = True

        def __call__(self, x, u, grad):
            return (1 + u**2) * grad, 2 * u * grad, (1 + u**2) * np.eye(2)[:, :, None]

    class Bent(Lying):
        def __call__(self, x, u, grad):
            return grad + 1, 0.0, np.eye(2)

    for closure in (Bent(),):
        with pytest.raises(ValueError, match="says that it is linear"):
            solve_parabolic(square(), closure, bump, 1.0, [0, 1])


def test_a_nonlinear_closure_starts_from_the_last_step():
    """Steps that hardly move the state cost a small part of the first question, and Newton few turns."""
    closure = hmm.NonlinearCellClosure(hmm.laws.PowerLaw(graded, 3, 0.1), CellProblem(n=6))
    run = solve_parabolic(square(), closure, bump, 0.0, 1e-3 * np.arange(4.0))
    cold = solve_parabolic(
        square(), hmm.NonlinearCellClosure(closure.flux, closure.cell, adaptive=False), bump, 0.0, 1e-3 * np.arange(4.0)
    )
    np.testing.assert_allclose(run[-1].u, cold[-1].u, rtol=0, atol=1e-8)
    assert sum(e.iterations for e in run.history) < 0.5 * sum(e.iterations for e in cold.history)
    assert all(entry.turns <= 9 for entry in run.history)


def heating(x, y, t):
    return (1 + t) * (2 + np.cos(2 * np.pi * y[0])) + 0 * y[1]


def half_heating(x, y, t):
    return np.where(x[0] < 0.5, 1.0, 1 + t) * graded(x, y)


def test_a_medium_that_changes_in_time():
    """A*(t) = (1 + t) diag(sqrt 3, 2): manufactured, of second order in time."""
    star = np.diag([np.sqrt(3), 2.0])

    def source(x, t):
        return 3 * np.cos(3 * t) * (x[0] ** 2 + x[1]) - (1 + t) * 2 * star[0, 0] * swing(t)

    exact = lambda x, t: swing(t) * (x[0] ** 2 + x[1])  # noqa: E731
    errors = []
    for steps in (5, 10, 20):
        run = solve_parabolic(
            square(1, ElementTriP2),
            CellClosure(heating, CellProblem(n=12, scheme="fourier")),
            lambda x: exact(x, 0),
            source,
            np.linspace(0, 1, steps + 1),
            dirichlet=exact,
        )
        errors.append(run.error(exact))
    np.testing.assert_allclose(slopes(errors), 2, atol=0.2)
    known = solve_parabolic(
        run.basis, ExactClosure(lambda x, t: (1 + t) * star), lambda x: exact(x, 0), source, run.times, dirichlet=exact
    )
    np.testing.assert_allclose(run[-1].u, known[-1].u, atol=1e-5)
    np.testing.assert_allclose(run[3].flux, known[3].flux, atol=1e-4)
    frozen = CellClosure(lambda x, y: heating(x, y, 1.0), CellProblem(n=12, scheme="fourier"))
    still = hmm.Solution(run[-1].u, run.basis, (), 0, run[-1].flux, frozen)
    points = np.random.default_rng(1).random((2, 9))
    np.testing.assert_allclose(run[-1].reconstruct(points, 0.1), still.reconstruct(points, 0.1), rtol=1e-12)
    with pytest.raises(ValueError, match="heating changes in time, but it is asked without t"):
        hmm.solve_elliptic(run.basis, run.closure, 1.0)


def test_only_what_has_changed_is_computed_again():
    basis = square(3)
    run = solve_parabolic(basis, CellClosure(half_heating, CellProblem(n=4)), bump, 0.0, [0, 0.01, 0.02])
    right = int((hmm.macro.restrict(basis, basis.zeros()).x[0] >= 0.5).sum())
    assert [entry.micro_solves for entry in run.history] == [128, 2 * right, 2 * right]


def law_in_time(x, y, u, xi, t):
    return hmm.laws.PowerLaw(lambda x, y: (1 + t) * graded(x, y), 3, 0.1)(x, y, u, xi)


def test_a_law_that_changes_in_time():
    cell, times = CellProblem(n=4), [0, 0.02, 0.04]
    run = solve_parabolic(square(1), hmm.NonlinearCellClosure(law_in_time, cell), bump, 0.0, times)
    cold = solve_parabolic(square(1), hmm.NonlinearCellClosure(law_in_time, cell, adaptive=False), bump, 0.0, times)
    np.testing.assert_allclose(run[-1].u, cold[-1].u, rtol=0, atol=1e-8)
    still = hmm.NonlinearCellClosure(lambda x, y, u, xi: law_in_time(x, y, u, xi, 0.0), cell)
    assert np.abs(solve_parabolic(square(1), still, bump, 0.0, times)[-1].u - run[-1].u).max() > 1e-4


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
def test_workers_give_the_same_numbers(kind):
    cell = CellProblem(n=4)
    closure = (
        CellClosure(half_heating, cell)
        if kind == "linear"
        else hmm.NonlinearCellClosure(hmm.laws.PowerLaw(graded, 3, 0.1), cell)
    )
    alone = solve_parabolic(square(), closure, bump, 1.0, [0, 0.01, 0.02])
    with ThreadPoolExecutor(2) as executor:
        together = solve_parabolic(square(), closure, bump, 1.0, [0, 0.01, 0.02], executor=executor)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.u, other.u, rtol=0, atol=1e-14)  # sums of other lengths round otherwise


# -- the trajectory ------------------------------------------------------------------------------------------------------


def test_between_the_outputs():
    exact = lambda x, t: np.exp(-t) * x[0]  # noqa: E731
    errors = []
    for n in (4, 8, 16):
        run = solve_parabolic(
            line(2, ElementLineP2),
            ExactClosure(1.0),
            lambda x: x[0],
            lambda x, t: -np.exp(-t) * x[0],
            np.linspace(0, 1, n + 1),
            dirichlet=exact,
            step=1 / 64,
        )
        errors.append(run.error(exact, "H1", 0.5 + 0.5 / n, gradient=lambda x, t: np.exp(-t) * np.ones_like(x)))
    np.testing.assert_allclose(slopes(errors), 2, atol=0.2)
    assert len(run) == 17 and len(list(run)) == 17 and run.rates is None
    assert run.at([0.5], 1.0) == run[-1].at([0.5]) and run.at([0.5], 0.0) == 0.5
    assert run.error(run) == 0 and run.error(run[-1]) == 0 and run.error(run[0], t=0.0) == 0
    for t in (-0.1, 1.1, np.nan, "1"):
        with pytest.raises(ValueError, match="must be a time between 0 and 1"):
            run.at([0.5], t)
    run[3].u[:] = 0
    assert run[3].u.any()


def test_the_bar_counts_output_times(capsys):
    solve_parabolic(line(2), ExactClosure(1.0), bump, 0.0, [0, 1, 2])
    assert capsys.readouterr().err == ""
    solve_parabolic(line(2), ExactClosure(1.0), bump, 0.0, [0, 1, 2], progress=True)
    assert "2/2" in capsys.readouterr().err


@pytest.mark.parametrize(("closure", "steps"), [("linear", 400), ("dialogue", 40)])
def test_many_steps_need_no_more_memory(closure, steps):
    """The arrays that are there after a tenth of the steps, and at the end."""
    arrays, sizes = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain), {}

    def source(x, t):
        for when in (0.1, 0.95):
            if t > when and when not in sizes:
                found = tracemalloc.take_snapshot().filter_traces([arrays])
                sizes[when] = sum(trace.size for trace in found.traces)
        return t * x[0]

    tracemalloc.start()
    law = ExactClosure(2.0) if closure == "linear" else plain_line
    run = solve_parabolic(line(3), law, bump, source, [0, 1], step=1 / steps)
    tracemalloc.stop()
    assert len(run.frames) == 2 and run.history[-1].steps == steps
    state = run[0].u.nbytes
    assert sizes[0.95] - sizes[0.1] < 0.5 * steps * state


def plain_line(x, u, grad):
    return 2 * grad, 0.0, np.full((1, 1), 2.0)


# -- runs that go on -----------------------------------------------------------------------------------------------------


@dataclass
class Stopping:
    """A source that ends the run when it is asked at a time beyond ``t``; what it says does not depend on that."""

    stop: BaseException | None = None
    t: float = 0.17
    asked: list = field(default_factory=list)

    def __call__(self, x, t):
        self.asked.append(t)
        if self.stop is not None and t > self.t:
            raise self.stop
        return np.cos(9 * t) * (1 + x[0])


def closure_of(kind):
    cell = CellProblem(n=4)
    if kind == "nonlinear":
        return hmm.NonlinearCellClosure(hmm.laws.PowerLaw(graded, 3, 0.1), cell)
    return CellClosure(half_heating if kind == "in time" else graded, cell)


TIMES = np.array([0, 0.1, 0.2])
STEPS = {"given": {"step": 0.04}, "chosen": {"tol": 0.01}}


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("kind", ["linear", "nonlinear", "in time"])
def test_an_interrupted_run_ends_in_the_same_numbers(kind, steps, tmp_path):
    def solve(source, times=TIMES, initial=bump, **options):
        return solve_parabolic(square(1), closure_of(kind), initial, source, times, **STEPS[steps], **options)

    whole = solve(Stopping())
    with pytest.raises(KeyboardInterrupt) as stopped:
        solve(Stopping(KeyboardInterrupt()), path=tmp_path / "run")
    part = stopped.value.unfinished
    assert len(part) == 2 and 0.1 + (steps == "given") * 0.03 <= part.moment.t < 0.2
    assert "in the step from t=0.1" in stopped.value.__notes__[-1]

    def same(run):
        assert run.history == whole.history
        np.testing.assert_array_equal(run.times, whole.times)
        for mine, true in zip(run.frames, whole.frames, strict=True):
            np.testing.assert_array_equal(mine.u, true.u)
        np.testing.assert_array_equal(run[-1].flux, whole[-1].flux)

    part.save(tmp_path / "copy")
    loaded = Trajectory.load(tmp_path / "copy", square(1), closure_of(kind))
    assert loaded.moment.t == part.moment.t
    same(solve(Stopping(), initial=part))  # from the last step
    same(solve(Stopping(), initial=loaded))
    source = Stopping()
    same(solve(source, path=tmp_path / "run"))  # from the last output time
    assert min(t for t in source.asked if t > 0) >= 0.1
    same(Trajectory.load(tmp_path / "run", square(1), closure_of(kind)))
    same(solve(Stopping(), path=tmp_path / "run"))
    short = solve(Stopping(), TIMES[:2])
    same(solve(Stopping(), initial=short))


KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}]
from test_evolution import *

def source(x, t):
    if t > 0.17:
        os.kill(os.getpid(), signal.SIGKILL)
    return Stopping()(x, t)

solve_parabolic(square(1), closure_of("nonlinear"), bump, source, TIMES, step=0.04, path=sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
def test_a_killed_run_ends_in_the_same_numbers(tmp_path):
    code = KILLED.format(tests=os.path.dirname(__file__))
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], check=False)
    assert ended.returncode == -signal.SIGKILL
    (tmp_path / "run" / ".draft.npz").write_bytes(b"half of")  # as if it had been writing
    again, whole = (
        solve_parabolic(square(1), closure_of("nonlinear"), bump, Stopping(), TIMES, step=0.04, path=path)
        for path in (tmp_path / "run", None)
    )
    for one, other in zip(again, whole, strict=True):
        np.testing.assert_array_equal(one.u, other.u)


def test_a_full_disk_leaves_a_run_that_goes_on(tmp_path):
    resource = pytest.importorskip("resource")

    def solve(path, n=7):
        return solve_parabolic(square(3), closure_of("nonlinear"), bump, 1.0, 1e-3 * np.arange(n), path=path)

    solve(tmp_path / "run", 3)
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # outputs fit, the closure's memory does not
    try:
        with pytest.raises(OSError, match=r"File too large|bytes") as full:
            solve(tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    after = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    assert {name: after[name] for name in before} == before and len(full.value.unfinished) == 3
    whole = solve(None)
    unfinished = full.value.unfinished
    for run in (
        solve(tmp_path / "run"),
        solve_parabolic(square(3), closure_of("nonlinear"), unfinished, 1.0, whole.times),
    ):
        np.testing.assert_array_equal(run[-1].u, whole[-1].u)


def test_a_run_of_another_problem_is_not_continued(tmp_path):
    def solve(path=tmp_path, closure=None, initial=bump, source=1.0, times=(0, 0.1, 0.2), **options):
        return solve_parabolic(square(1), closure or closure_of("linear"), initial, source, times, path=path, **options)

    run = solve()
    for changed in (
        {"source": 2.0}, {"step": 0.01}, {"tol": 0.1}, {"capacity": 2.0}, {"dirichlet": 1.0},
        {"closure": CellClosure(graded, CellProblem(n=6))}, {"robin": {"left": (1.0, 0.0)}, "dirichlet": {"right": 0.0}},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="is a run of another problem"):
            solve(**changed)
        with pytest.raises(ValueError, match="initial is a run of another problem"):
            solve(None, initial=run, **changed)
    with pytest.raises(ValueError, match="from another initial state"):
        solve(initial=0.0)
    with pytest.raises(ValueError, match="initial is a run of another problem"):
        solve_parabolic(square(2), run.closure, run, 1.0, [0, 0.1, 0.2])
    for times in ((0, 0.15, 0.2), (0, 0.1)):
        with pytest.raises(ValueError, match="a run with other times"):
            solve(times=times)
    with pytest.raises(ValueError, match="holds a run with 9 dofs; this space has 25"):
        Trajectory.load(tmp_path, square(2), run.closure)
    with pytest.raises(FileExistsError, match="holds another run"):
        solve(None, initial=0.0).save(tmp_path)
    with pytest.raises(ValueError, match="is a run of another problem"):
        solve(closure=CellClosure(hmm.media.checkerboard(1, 4), run.closure.cell))
    solve(None, times=(0, 0.1)).save(tmp_path)  # a shorter part of it
    np.testing.assert_array_equal(solve()[-1].u, run[-1].u)
    with pytest.raises(FileNotFoundError, match="holds no run"):
        Trajectory.load(tmp_path / "nowhere", square(1), run.closure)
    whole = (tmp_path / "moment.npz").read_bytes()
    for damaged in (b"", b"junk", whole[: len(whole) // 2]):
        (tmp_path / "moment.npz").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"moment\.npz' is damaged, or no file of a run"):
            solve()


# -- what goes wrong -----------------------------------------------------------------------------------------------------


def test_before_the_first_answer_there_is_nothing_to_carry():
    def never(x, u, grad):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        solve_parabolic(square(), never, 0.0, 1.0, [0, 1])
    assert stopped.value.unfinished is None


def explosive(x, u, grad):
    """A law that has no answer above 1.7."""
    if u.max() > 1.7:
        raise hmm.RefusedState("no answer above 1.7")
    return grad, 0.0, np.eye(2)


def test_the_end_of_a_run_carries_what_was_computed():
    with pytest.raises((hmm.RefusedState, ConvergenceError), match="no answer above") as refused:
        solve_parabolic(square(2), explosive, 0.0, 100.0, np.linspace(0, 1, 101), dirichlet=None)
    part = refused.value.unfinished
    assert part[-1].u.max() == pytest.approx(1) and part.times[-1] == pytest.approx(0.01)
    assert "from t=0.01, on the way to t=0.02" in refused.value.__notes__[-1]
    with pytest.raises((hmm.RefusedState, ConvergenceError), match="no answer above") as refused:
        solve_parabolic(square(2), explosive, 0.0, 100.0, [0, 0.01, 1], dirichlet=None, tol=0.1)
    assert refused.value.unfinished.moment.t == pytest.approx(0.017, abs=1e-4)  # shorter steps come nearer


def test_a_guess_that_is_refused_is_replaced():
    """Extrapolated from the first stage, U would be negative, which the closure refuses and the solution never is."""
    refused = []

    def positive(x, u, grad):
        if u.min() < -1e-12:
            refused.append(u.min())
            raise hmm.RefusedState("negative")
        return grad, 0.0, np.eye(1)

    run, free = (solve_parabolic(line(3), closure, bump, 0.0, [0, 0.17]) for closure in (positive, plain_half))
    np.testing.assert_allclose(run[-1].u, free[-1].u, rtol=0, atol=1e-12)
    assert len(refused) == 1 and run[-1].u.min() >= 0


def plain_half(x, u, grad):
    return grad, 0.0, np.eye(1)


def test_a_dialogue_that_fails_says_where():
    def creased(x, u, grad):
        k = 1 + np.where(x[0] > 0.7, np.abs(np.sin(1e4 * u)), 0)
        return k * grad, 0.0, k * np.eye(2)[:, :, None]

    with pytest.raises(ConvergenceError, match="did not reach") as failed:
        solve_parabolic(square(3), creased, bump, lambda x, t: 9 * x[0], [0, 0.5, 1], max_iter=5)
    assert "farthest from balance at x=[0." in failed.value.__notes__[-1] and len(failed.value.unfinished) == 1


def test_a_state_that_is_not_finite():
    with pytest.raises(ConvergenceError, match=r"not finite any more at t=5.*, first at x=\[0\.") as failed:
        solve_parabolic(line(3), ExactClosure(1.0), 0.0, lambda x: 1e306 * (x[0] > 0.4), [0, 0.25, 1e6], dirichlet=None)
    assert len(failed.value.unfinished) == 2 and failed.value.unfinished[1].u.max() > 1e304


BAD = [
    ({"times": [0, 0]}, "times must increase; number 0 is 0.0, the next one 0.0"),
    ({"times": [0, 1, 0.5]}, "times must increase; number 1 is 1.0, the next one 0.5"),
    ({"times": [0.0]}, "times=.* at least two numbers"),
    ({"times": 1.0}, "times=1.0 must be a list"),
    ({"times": ["a", "b"]}, "times="),
    ({"times": [0, np.inf]}, "times must be finite; number 1 is not"),
    ({"step": 0.0}, "step=0.0 must be a number"),
    ({"step": 1e-18}, "step=1e-18 is too short to move times up to 1"),
    ({"step": True}, "step=True must be a number"),
    ({"tol": -1e-3}, "tol=-0.001 must be a number"),
    ({"tol": 1.0}, "tol=1.0 must be a number"),
    ({"tol": 0.1, "step": 0.1}, "given or chosen"),
    ({"balance": 0.0}, "balance=0.0 must lie in"),
    ({"max_iter": 0}, "max_iter=0"),
    ({"capacity": -1.0}, "capacity must be positive; it is -1.0 at x="),
    ({"capacity": lambda x: x[0] - 0.5}, "capacity must be positive; it is -0"),
    ({"capacity": lambda x, y: np.cos(2 * np.pi * y[0]) - 0.5}, "capacity must be positive; it is"),
    ({"capacity": np.nan}, "capacity = nan"),
    ({"initial": np.zeros(3)}, "initial has shape .3,.; 25 finite dofs"),
    ({"initial": lambda x: np.nan + x[0]}, "initial = nan at x="),
    ({"initial": lambda x: x}, "initial returned shape"),
    ({"source": lambda x, t: np.where(t > 0.3, np.nan, 1.0) + 0 * x[0]}, r"at t=0\.\d+: source = nan at x="),
    ({"source": lambda x, t: x}, r"at t=0: source returned shape"),
    ({"dirichlet": lambda x, t: np.where(t > 0.4, np.nan, 0 * x[0])}, r"at t=0\.\d+: dirichlet = "),
    ({"dirichlet": {"left": 0.0}, "robin": {"top": (lambda x, t: 0.5 - t, 0.0)}}, r"at t=0\.\d+: robin\['top'\] alpha is -0"),
    ({"dirichlet": {"nowhere": 0.0}}, "at t=0: dirichlet: there is no boundary named 'nowhere'"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), BAD)
def test_bad_input_is_named(changed, message):
    given = {"initial": bump, "source": 1.0, "times": np.linspace(0, 1, 5)} | changed
    with pytest.raises(ValueError, match=message):
        solve_parabolic(square(), ExactClosure(1.0), **given)


def test_wrong_kinds_are_named():
    with pytest.raises(TypeError, match="is not a basis"):
        solve_parabolic(MeshTri(), ExactClosure(1.0), 0.0, 1.0, [0, 1])
    with pytest.raises(TypeError, match="is not a closure"):
        solve_parabolic(square(), 1.0, 0.0, 1.0, [0, 1])
    with pytest.raises(TypeError, match=r"capacity='much' must be a number or a function"):
        solve_parabolic(square(), ExactClosure(1.0), 0.0, 1.0, [0, 1], "much")
