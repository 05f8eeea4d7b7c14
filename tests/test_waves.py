"""Waves: orders, energy, reversibility, HMM against DNS for short and long times, runs that go on, bad input."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skfem
from skfem import ElementLineP1, ElementLineP2, ElementTriP1, ElementTriP2, MeshLine, MeshTri
from skfem.helpers import dot, grad

import hmm_core as hmm
from hmm_core import CellClosure, CellProblem, ConvergenceError, ExactClosure, Trajectory, macro_basis, solve_wave
from hmm_core.compare import Oscillating
from hmm_core.macro.waves import mean_square_corrector

SIDES = {
    "left": lambda x: x[0] == 0,
    "right": lambda x: x[0] == 1,
    "bottom": lambda x: x[1] == 0,
    "top": lambda x: x[1] == 1,
}
A = np.array([[2.0, 0.3], [0.3, 1.0]])


def square(refinements=2, element=ElementTriP1):
    return macro_basis(MeshTri().refined(refinements).with_boundaries(SIDES), element())


def line(elements=32, element=ElementLineP1):
    return macro_basis(MeshLine(np.linspace(0, 1, elements + 1)), element())


def slopes(errors):
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def graded(x, y):
    return 2 + 0.5 * x[0] * np.cos(2 * np.pi * y[0]) + 0.3 * x[1] * np.sin(2 * np.pi * y[1])


def bump(x):
    return np.prod(np.sin(np.pi * x), axis=0)


def rough(x):
    return np.where(x[0] > 0.4, 1.0, -0.5)


# -- orders --------------------------------------------------------------------------------------------------------------


def swing(t):
    return 1 + np.sin(3 * t)


def shape(x):
    return 1 + x[0] - 2 * x[1] + x[0] ** 2 + 0.5 * x[0] * x[1]


def exact(x, t):
    return swing(t) * shape(x)


def flux(x, t):
    return A @ (swing(t) * np.array([1 + 2 * x[0] + 0.5 * x[1], -2 + 0.5 * x[0]]))


def source(x, t):
    return -(2 + x[0]) * 9 * np.sin(3 * t) * shape(x) - swing(t) * (2 * A[0, 0] + 0.5 * (A[0, 1] + A[1, 0]))


def plain(x, u, grad):
    return np.einsum("ij,jk->ik", A, grad), 0.0, A


BOUNDARIES = {
    "dirichlet": {"dirichlet": exact},
    "mixed": {
        "dirichlet": {"left": exact},
        "neumann": {"right": lambda x, t: flux(x, t)[0], "bottom": lambda x, t: -flux(x, t)[1]},
        "robin": {"top": (lambda x, t: 2 + t + x[0], lambda x, t: exact(x, t) + flux(x, t)[1] / (2 + t + x[0]))},
    },
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("closure", [ExactClosure(A), plain], ids=["linear", "dialogue"])
def test_second_order_in_time(boundary, closure):
    """P2 holds the field exactly, so all of the error is that of the steps; every datum depends on t. U and its rate."""
    errors, rates = [], []
    for steps in (8, 16, 32):
        run = solve_wave(
            square(1, ElementTriP2),
            closure,
            lambda x: exact(x, 0.0),
            lambda x: 3 * shape(x),
            source,
            np.linspace(0, 1, steps + 1),
            lambda x: 2 + x[0],
            **({"dirichlet": None} | BOUNDARIES[boundary]),
        )
        errors.append(run.error(exact, relative=True))
        speed = hmm.Solution(run.rates[-1], run.basis, (), 0, run[-1].flux, closure)
        rates.append(speed.error(lambda x: 3 * np.cos(3) * shape(x), relative=True))
    assert errors[-1] < 2e-3 and rates[-1] < 2e-2
    np.testing.assert_allclose(slopes(errors), 2, atol=0.25)
    np.testing.assert_allclose(slopes(rates)[-1], 2, atol=0.3)


@pytest.mark.parametrize(("element", "order"), [(ElementLineP1, 2), (ElementLineP2, 3)])
def test_orders_in_space(element, order):
    """A standing wave of speed 2."""
    wave = lambda x, t: np.cos(2 * np.pi * t) * bump(x)  # noqa: E731
    errors = []
    for elements in (8, 16, 32):
        run = solve_wave(line(elements, element), ExactClosure(4.0), bump, 0.0, 0.0, [0, 0.4], step=0.4 / 800)
        errors.append(run.error(wave))
    np.testing.assert_allclose(slopes(errors)[-1], order, atol=0.2)


def test_between_the_outputs_waves_are_known_to_fourth_order():
    errors = []
    fine = solve_wave(line(16), ExactClosure(1.0), bump, 0.0, 0.0, np.linspace(0, 2, 1601))
    for every in (200, 100, 50):
        run = solve_wave(line(16), ExactClosure(1.0), bump, 0.0, 0.0, fine.times[::every], step=2 / 1600)
        errors.append(max(np.abs(run.when(t).u - fine.when(t).u).max() for t in fine.times[20::40]))
    np.testing.assert_allclose(slopes(errors), 4, atol=0.25)


# -- invariants ----------------------------------------------------------------------------------------------------------


def test_energy_is_conserved_to_round_off():
    """A rough start, springs on one side, a steady load, an oscillating density: 400 steps of any length."""
    density = lambda x, y: 2 + x[0] + np.cos(2 * np.pi * y[1])  # noqa: E731
    closure = CellClosure(graded, CellProblem(n=4))
    basis = square(3)
    mass = skfem.BilinearForm(lambda u, v, w: (2 + w.x[0]) * u * v).assemble(
        skfem.Basis(basis.mesh, basis.elem, intorder=4)
    )
    tensor = closure.cell.effective_tensor(graded, x=hmm.macro.restrict(basis, basis.zeros()).x).reshape(2, 2, -1, 1)
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(np.einsum("ij...,j...->i...", w.A, grad(u)), grad(v))).assemble(
        basis, A=tensor
    )
    spring = skfem.BilinearForm(lambda u, v, w: 3 * u * v).assemble(basis.boundary("right"))
    load = skfem.LinearForm(lambda v, w: 1.0 * v).assemble(basis)
    for step in (1e-3, 0.3):
        run = solve_wave(
            basis, closure, rough, bump, 1.0, step * np.array([0, 1, 10, 100, 400]), density,
            dirichlet={"left": 0.0}, robin={"right": (3.0, 0.0)}, step=step,
        )  # fmt: skip
        energies = [
            v @ mass @ v / 2 + s.u @ (stiffness + spring) @ s.u / 2 - load @ s.u
            for s, v in zip(run, run.rates, strict=True)
        ]
        np.testing.assert_allclose(energies, energies[0], rtol=400 * 1e-14)
        assert np.abs(run[-1].u - run[0].u).max() > 0.1
    assert run.micro_solves == 128 and run.history[-1].micro_solves == 0


def stiffening(x, u, grad):
    return (1 + grad**2) * grad, 0.0, (1 + 3 * grad**2)[None]


def test_energy_of_a_nonlinear_wave_does_not_drift():
    """It swings, by O(step^2), as much at last as at first."""
    basis = line(4)
    mass = skfem.BilinearForm(lambda u, v, w: u * v).assemble(skfem.Basis(basis.mesh, basis.elem, intorder=2))
    stored = skfem.Functional(lambda w: w.u.grad[0] ** 2 / 2 + w.u.grad[0] ** 4 / 4)
    swings = []
    for step in (0.04, 0.02):
        run = solve_wave(basis, stiffening, lambda x: 0.3 * bump(x), 0.0, 0.0, np.arange(0, 5, step))
        energies = np.array(
            [
                v @ mass @ v / 2 + stored.assemble(basis, u=basis.interpolate(s.u))
                for s, v in zip(run, run.rates, strict=True)
            ]
        )
        first, last = (np.abs(part / energies[0] - 1).max() for part in np.array_split(energies, 2))
        assert last < 1.3 * first
        swings.append(first)
    assert 0 < swings[1] < 0.35 * swings[0] < 0.01


@pytest.mark.parametrize("closure", [ExactClosure(2.0), stiffening], ids=["linear", "dialogue"])
def test_a_wave_runs_back(closure):
    there = solve_wave(line(16), closure, bump, 0.0, 1.0, np.linspace(0, 1, 41))
    back = solve_wave(line(16), closure, there[-1].u, -there.rates[-1], 1.0, there.times)
    np.testing.assert_allclose(back[-1].u, there[0].u, rtol=0, atol=1e-8)
    np.testing.assert_allclose(back.rates[-1], 0, atol=1e-7)


# -- HMM against DNS -----------------------------------------------------------------------------------------------------


def layered(x, y):
    """A* = sqrt(1.1^2 - 1) = 0.458257569496; even about y = 0, so that fixed ends are planes of symmetry."""
    return 1.1 + np.cos(2 * np.pi * y[0])


def heavy(x, y):
    return 1.5 + x[0] + np.cos(2 * np.pi * y[0])


SPEED = CellClosure(layered, CellProblem(dim=1, n=64))


class Resolved:
    """1/<1/a> over elements of length h around their midpoints: on a line the exact stiffness of a linear element."""

    def __init__(self, eps, h):
        point, weight = np.polynomial.legendre.leggauss(6)
        self.eps, self.offsets, self.weights = eps, h / 2 * point, weight / 2

    def __call__(self, x):
        return 1 / sum(w / layered(x, (x + s) / self.eps) for s, w in zip(self.offsets, self.weights, strict=True))


def resolved(eps, initial, velocity, times, step, rho=None):
    """32 linear elements in a period."""
    elements = round(32 / eps)
    density = 1.0 if rho is None else Oscillating(rho, eps)
    closure = ExactClosure(Resolved(eps, 1 / elements))
    return solve_wave(line(elements), closure, initial, velocity, 0.0, times, density, step=step)


@pytest.mark.parametrize("rho", [None, heavy])
def test_hmm_against_dns(rho):
    x, times = (np.arange(1000)[None] + 0.5) / 1000, np.linspace(0, 1, 11)

    def distance(run, other):
        return np.sqrt(np.mean([(run.at(x, t) - other.at(x, t)) ** 2 for t in times]))

    macro, wrong = (
        solve_wave(line(64, ElementLineP2), SPEED, bump, bump, 0.0, times, density, step=0.01)
        for density in (rho or 1.0, 1.3)
    )
    dns = [resolved(eps, bump, bump, times, 0.01, rho) for eps in (1 / 8, 1 / 16, 1 / 32)]
    errors = [distance(macro, run) for run in dns]
    np.testing.assert_allclose(slopes(errors), 1, atol=0.2)
    assert distance(wrong, dns[-1]) > 5 * errors[-1]


def test_the_dispersion_of_long_waves():
    """References: beta = A* <chi^2> = 0.0107828031 for a = 1.1 + sin (or cos)."""
    for medium, n in ((layered, 64), (lambda x, y: 1.1 + np.sin(2 * np.pi * y[0]), 64), (layered, 128)):
        closure = CellClosure(medium, CellProblem(dim=1, n=n))
        x = np.array([[0.2, 0.7]])
        star = closure.cell.effective_tensor(medium)[0, 0]
        assert star == pytest.approx(0.458257569496, abs=1e-11)
        assert star * mean_square_corrector(closure, x, 0.1) == pytest.approx(0.0107828031, abs=5e-11)
    # of a = 1/(2 + cos): chi = sin(2 pi y)/(4 pi)
    closure = CellClosure(lambda x, y: 1 / (2 + np.cos(2 * np.pi * y[0])), CellProblem(dim=1, n=32))
    assert mean_square_corrector(closure, x, 0.1) == pytest.approx(1 / (32 * np.pi**2), rel=1e-7)


def test_long_waves_of_the_corrected_model():
    """cos(omega t) sin(k x) with omega^2 = A* k^2/(1 + eps^2 <chi^2> k^2)."""
    eps, k = 0.2, 2 * np.pi
    star, square_of_chi = np.sqrt(1.1**2 - 1), 0.0107828031 / np.sqrt(1.1**2 - 1)
    omega = k * np.sqrt(star / (1 + eps**2 * square_of_chi * k**2))
    mode = lambda x, t: np.cos(omega * t) * np.sin(k * x[0])  # noqa: E731
    errors = []
    for step in (0.02, 0.01):
        run = solve_wave(
            line(64, ElementLineP2), SPEED, lambda x: mode(x, 0), 0.0, 0.0, [0, 2], dispersion=eps, step=step
        )
        errors.append(run.error(mode))
    np.testing.assert_allclose(slopes(errors), 2, atol=0.1)
    plain = solve_wave(run.basis, SPEED, lambda x: mode(x, 0), 0.0, 0.0, [0, 2], step=0.01)
    assert plain.error(mode) > 10 * errors[-1]


@pytest.mark.parametrize("eps", [1 / 10, 1 / 20])
def test_after_a_long_time_the_leading_order_is_lost_and_the_correction_is_not(eps):
    """At t ~ eps^-2 the homogenized wave is about two radians ahead of the DNS, whatever eps; the corrected one is O(eps) off."""
    start = lambda x: np.sin(2 * np.pi * x[0])  # noqa: E731
    times = np.concatenate([[0.0], eps**-2 + np.linspace(0, 1.5, 7)])
    step, x = 0.05, (np.arange(400)[None] + 0.5) / 400
    dns = resolved(eps, start, 0.0, times, step)

    def distance(run):
        """Relative to the amplitude, over one period."""
        squares = [np.mean((run.at(x, t) - dns.at(x, t)) ** 2) for t in times[1:]]
        return np.sqrt(2 * np.mean(squares) * 2)

    leading, corrected = (
        distance(solve_wave(line(32, ElementLineP2), SPEED, start, 0.0, 0.0, times, step=step, dispersion=dispersion))
        for dispersion in (None, eps)
    )
    assert leading > 1 and corrected < 2.5 * eps


# -- asking, and going on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
def test_an_interrupted_wave_ends_in_the_same_numbers(kind, tmp_path):
    closure = (
        CellClosure(graded, CellProblem(n=4))
        if kind == "linear"
        else hmm.NonlinearCellClosure(hmm.laws.PowerLaw(graded, 3, 0.5), CellProblem(n=4))
    )

    def solve(stop=None, initial=bump, **options):
        def push(x, t):
            if stop and t > 0.17:
                raise stop
            return np.cos(9 * t) * (1 + x[0])

        return solve_wave(square(1), closure, initial, 0.0, push, [0, 0.1, 0.2], step=0.04, **options)

    whole = solve()
    with pytest.raises(KeyboardInterrupt) as stopped:
        solve(KeyboardInterrupt(), path=tmp_path)
    part = stopped.value.unfinished
    assert len(part) == 2 and part.moment.t > 0.12
    for run in (solve(initial=part), solve(path=tmp_path), Trajectory.load(tmp_path, square(1), closure)):
        assert run.history == whole.history
        for mine, true in zip(run.frames, whole.frames, strict=True):
            np.testing.assert_array_equal(mine.u, true.u)
            np.testing.assert_array_equal(mine.rate, true.rate)
    with pytest.raises(ValueError, match="from another initial state"):
        solve_wave(square(1), closure, bump, 1.0, lambda x, t: 1 + x[0], [0, 0.1, 0.2], step=0.04, path=tmp_path)
    diffusion = hmm.solve_parabolic(square(1), closure, bump, 0.0, [0, 0.1])
    with pytest.raises(ValueError, match="initial is a run of another problem"):
        solve_wave(square(1), closure, diffusion, 0.0, 0.0, [0, 0.1, 0.2])


def test_a_nonlinear_wave_is_asked_from_memory_and_by_workers():
    closure = hmm.NonlinearCellClosure(hmm.laws.PowerLaw(graded, 3, 0.5), CellProblem(n=4))
    run = solve_wave(square(), closure, bump, 0.0, 0.0, 5e-3 * np.arange(4.0))
    cold = hmm.NonlinearCellClosure(closure.flux, closure.cell, adaptive=False)
    other = solve_wave(square(), cold, bump, 0.0, 0.0, run.times)
    np.testing.assert_allclose(run[-1].u, other[-1].u, rtol=0, atol=1e-8)
    np.testing.assert_allclose(run[-1].flux, other[-1].flux, rtol=0, atol=1e-6)
    assert sum(e.iterations for e in run.history) < 0.5 * sum(e.iterations for e in other.history)
    with ThreadPoolExecutor(2) as executor:
        together = solve_wave(square(), closure, bump, 0.0, 0.0, run.times, executor=executor)
    np.testing.assert_allclose(together[-1].u, run[-1].u, rtol=0, atol=1e-14)


# -- what goes wrong -----------------------------------------------------------------------------------------------------


BAD = [
    ({"times": [0, 1, 0.5]}, "times must increase"),
    ({"step": -1.0}, "step=-1.0 must be a number"),
    ({"density": -1.0}, "density must be positive; it is -1.0 at x="),
    ({"density": lambda x, y: 0.5 - x[0] + np.cos(2 * np.pi * y[0])}, "density must be positive; it is -0"),
    ({"velocity": np.zeros(3)}, "velocity has shape .3,.; 25 finite dofs"),
    ({"velocity": lambda x: np.nan + x[0]}, "velocity = nan at x="),
    ({"source": lambda x, t: np.where(t > 0.3, np.inf, 1.0) + 0 * x[0]}, r"at t=0\.\d+: source = inf at x="),
    ({"balance": 2.0}, "balance=2.0 must lie in"),
    ({"dispersion": 0.1}, "known on a line, for a closure of linear cell problems; this is a ExactClosure in 2D"),
]


@pytest.mark.parametrize(("changed", "message"), BAD)
def test_bad_input_is_named(changed, message):
    given = {"initial": bump, "velocity": 0.0, "source": 1.0, "times": np.linspace(0, 1, 5)} | changed
    with pytest.raises(ValueError, match=message):
        solve_wave(square(), ExactClosure(1.0), **given)


def test_where_the_dispersion_is_not_known():
    def solve(closure=SPEED, **options):
        return solve_wave(line(8), closure, bump, 0.0, 0.0, [0, 1], **({"dispersion": 0.1} | options))

    for eps in (0.0, -1.0, np.nan, True):
        with pytest.raises(ValueError, match=r"dispersion=.* must be the period"):
            solve(dispersion=eps)
    with pytest.raises(ValueError, match=r"without slow variable; .* varies from"):
        solve(CellClosure(lambda x, y: (1 + x[0]) * layered(x, y), SPEED.cell))
    with pytest.raises(ValueError, match=r"without slow variable; <chi.2> varies from"):
        solve(CellClosure(lambda x, y: 1 / (2 + x[0] * np.cos(2 * np.pi * y[0])), SPEED.cell))
    for closure in (ExactClosure(1.0), stiffening):
        with pytest.raises(ValueError, match="for a closure of linear cell problems"):
            solve(closure)
    for density in (heavy, lambda x: 1 + x[0]):
        with pytest.raises(ValueError, match="needs a density that is a number"):
            solve(density=density)
    with pytest.raises(ValueError, match=r"the closure sampled the material at eps=0\.2"):
        solve(CellClosure(layered, SPEED.cell, eps=0.2))


def test_the_end_of_a_wave_carries_what_was_computed():
    def brittle(x, u, grad):
        if np.abs(grad).max() > 5:
            raise hmm.RefusedState("it breaks")
        return grad, 0.0, np.eye(1)

    with pytest.raises((hmm.RefusedState, ConvergenceError), match="it breaks") as broken:
        solve_wave(line(8), brittle, 0.0, lambda x: 9 * bump(x), 0.0, np.linspace(0, 1, 51))
    part = broken.value.unfinished
    assert 5 < len(part) < 20 and "on the way to t=" in broken.value.__notes__[-1]
