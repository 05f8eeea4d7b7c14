"""A closure that watches particles: the same numbers however it is asked, a law for Newton's method, errors that are true."""

import math
import os
import pickle
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import skfem

import hmm_core as hmm
from hmm_core import Answer, TrajectoryClosure
from hmm_core.micro.particles import Exclusion, ZeroRange

START = get_context("forkserver")
DIFFUSION = ZeroRange(sites=5, p=1, q=1, ends="rings")
BOX = replace(DIFFUSION, ends="reservoirs", block=4.0)


def saturating(n):
    return n / (1.0 + n)


def rng(seed=1):
    return np.random.default_rng(seed)


def line(points):
    x = np.linspace(0.1, 0.9, points)[None]
    return x, 0.5 + x[0], np.full((1, points), 2.0)


def arrays(answer):
    return [*answer, answer.stderr, *(answer.memory or {}).values()]


def join(parts):
    return [np.concatenate(pieces, axis=-1) for pieces in zip(*map(arrays, parts), strict=True)]


# -- however it is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (DIFFUSION, 0.05),
        (BOX, 1.2),
        (ZeroRange(sites=4, p=0.8, q=0.2, rate=saturating), 0.02),
        (Exclusion(sites=6), 0.02),
    ],
    ids=["rings", "reservoirs", "ring", "exclusion"],
)
@pytest.mark.parametrize("keep", ["nothing", "state"])
def test_any_slicing_gets_the_same_numbers(model, target, keep):
    """Points of different densities, of which some meet the target early, twice in a row."""
    x, u, grad = line(4)
    u = u if isinstance(model, ZeroRange) else 0.6 * u
    closure = TrajectoryClosure(model, rng(), target=target, budget=150, replicas=3, keep=keep)
    whole = closure(x, u, grad)
    again = closure(x, u, grad, whole.memory)
    for cuts in ([slice(0, 1), slice(1, 4)], [slice(0, 2), slice(2, 4)]):
        parts = [closure(x[:, c], u[c], grad[:, c]) for c in cuts]
        for ours, theirs in zip(arrays(whole), join(parts), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        parts = [closure(x[:, c], u[c], grad[:, c], part.memory) for c, part in zip(cuts, parts, strict=True)]
        for ours, theirs in zip(arrays(again), join(parts), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    backwards = closure(x[:, ::-1], u[::-1], grad[:, ::-1])
    np.testing.assert_array_equal(backwards.flux[:, ::-1], whole.flux)
    assert (keep == "state") == (not np.array_equal(again.flux, whole.flux))


@dataclass(frozen=True)
class Deadly:
    """The first worker that is asked about the middle dies there, once, without a word."""

    marker: Path
    master: int
    inner: TrajectoryClosure

    def __call__(self, x, u, grad, memory=None):
        if os.getpid() != self.master and (abs(x[0] - 0.5) < 0.1).any() and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner(x, u, grad, memory)


def interval(cells=8):
    return hmm.macro_basis(skfem.MeshLine(np.linspace(0, 1, cells + 1)), skfem.ElementLineP1())


def solve(closure, executor=None, cells=8, **options):
    return hmm.solve_elliptic(interval(cells), closure, 1.0, dirichlet=0.8, executor=executor, initial=0.8, **options)


@pytest.fixture(scope="module")
def closure():
    return TrajectoryClosure(DIFFUSION, rng(), budget=40.0, replicas=4)


@pytest.fixture(scope="module")
def serial(closure):
    return solve(closure)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gets_the_same_solution(closure, serial, workers):
    with ThreadPoolExecutor(workers) as pool:
        solution = solve(closure, pool)
    np.testing.assert_array_equal(solution.u, serial.u)
    np.testing.assert_array_equal(solution.stderr, serial.stderr)


@pytest.mark.filterwarnings("ignore:the executor broke")
def test_a_worker_killed_in_the_middle_changes_nothing(closure, serial, tmp_path):
    deadly = Deadly(tmp_path / "dead", os.getpid(), closure)
    with ProcessPoolExecutor(2, mp_context=START) as pool:
        solution = solve(deadly, pool)
    assert (tmp_path / "dead").exists()
    np.testing.assert_array_equal(solution.u, serial.u)


def test_a_closure_travels():
    closure = TrajectoryClosure(ZeroRange(), rng())
    assert pickle.loads(pickle.dumps(closure)) == closure
    assert TrajectoryClosure(ZeroRange(), rng()) == closure != TrajectoryClosure(ZeroRange(), rng(2))
    assert TrajectoryClosure(ZeroRange(), closure.rng) == closure


# -- the law ------------------------------------------------------------------------------------------------------------------


def test_the_answer_is_sigma_and_its_tangent():
    """sigma = -F = -j(rho): with U in the middle the tangent is that of the parabola; F depends on nothing else."""
    closure = TrajectoryClosure(Exclusion(sites=20), rng(), budget=100.0)
    x, u = np.linspace(0, 1, 40)[None], np.linspace(0.1, 0.9, 40)
    answer = closure(x, u, np.full((1, 40), 5.0))
    exact = -u * (1 - u) * 20 / 19
    assert isinstance(answer, Answer) and answer.memory is None and not answer.d_dgrad.any()
    z = (answer.flux[0] - exact) / answer.stderr[0]
    assert 0.5 < z.std() < 1.6 and abs(z.mean()) < 4 / math.sqrt(40)
    slope = -(1 - 2 * u) * 20 / 19
    assert np.abs(answer.d_du[0] - slope).mean() < 0.1 and np.polyfit(slope, answer.d_du[0], 1)[0] == pytest.approx(
        1, abs=0.06
    )
    plain = hmm.closure.ask(closure, x, u, np.full((1, 40), -5.0))
    np.testing.assert_array_equal(plain.flux, answer.flux)


def test_the_slopes_know_their_own_error():
    told = TrajectoryClosure(Exclusion(sites=20), rng(), budget=60.0, replicas=5).measure(
        np.linspace(0, 1, 200)[None], np.full(200, 0.3), np.zeros((1, 200))
    )
    slopes = told.slopes["u"]
    assert np.mean([e.stderr[0] for e in slopes]) == pytest.approx(np.std([e.mean[0] for e in slopes]), rel=0.2)
    apart = math.sqrt(2) * np.std([e.mean[0] for e in told.flux]) / 0.04
    assert np.std([e.mean[0] for e in slopes]) < 0.25 * apart  # what common random numbers gain


def exactly(model):
    """The closure that knows the rings' current in closed form."""
    alone = replace(model, q=0, ends="ring")
    phi = np.array([alone.ring_current(n) for n in range(10 * model.sites)])

    def closure(x, u, grad):
        half = 0.5 * model.length * grad[0]
        place = model.sites * np.stack([u - half, u + half])
        low = np.floor(place).astype(int)
        slope = model.sites * (phi[low + 1] - phi[low])
        value = phi[low] + (place - low) * slope / model.sites
        sigma, d_du = (value[1] - value[0]) / model.length, (slope[1] - slope[0]) / model.length
        return sigma[None], d_du[None], 0.5 * slope.sum(axis=0)[None, None]

    return closure


def test_newton_solves_the_law_that_it_sees_and_the_error_band_is_true():
    """Sixteen solutions, each with a seed of its own, about the one of the exact law: a bias of one band would be seen."""
    exact = solve(exactly(DIFFUSION), cells=2)
    z = []
    for seed in range(16):
        closure = TrajectoryClosure(DIFFUSION, rng(seed), budget=60.0, replicas=8, step=0.1)
        solution = solve(closure, cells=2)
        last = solution.history[-1]
        assert len(solution.history) <= 10 and last.residual <= 0.3 * last.noise
        z.append((solution.u - exact.u)[1] / solution.stderr[1])
    assert abs(np.mean(z)) < 4 / math.sqrt(16) and 0.5 < np.std(z) < 1.6


def test_the_state_that_is_kept_need_not_settle_again():
    """After eight macro steps of 8 blocks each there is no bias left; begun anew, 64 blocks leave one, and 8 are all bias."""
    x, bias = np.linspace(0, 1, 20)[None], {}
    for keep, budget in (("state", 8.0), ("nothing", 8.0), ("nothing", 64.0)):
        closure = TrajectoryClosure(Jammed(sites=40), rng(), budget=budget, replicas=4, keep=keep)
        memory = None
        for step in range(8):
            u = np.full(20, 0.4 + 0.01 * step)
            answer = closure(x, u, np.zeros((1, 20)), memory)
            memory = answer.memory
        error = answer.flux[0] + u * (1 - u) * 40 / 39
        bias[keep, budget] = error.mean() / (error.std() / math.sqrt(20))
    assert abs(bias["state", 8.0]) and bias["nothing", 64.0] > 3 and bias["nothing", 8.0] > 20


@dataclass(frozen=True)
class Jammed(Exclusion):
    """Starts far from equilibrium, and says so."""

    stationary = False

    def start(self, x, u, grad, chance, state=None):
        """All particles in a row."""
        begun = super().start(x, u, grad, chance, state)
        if state is None:
            begun["n"] = np.sort(begun["n"], axis=-1)[..., ::-1].copy()
        return begun


def test_memory_of_other_points_is_not_believed():
    closure = TrajectoryClosure(DIFFUSION, rng(), budget=10.0, keep="state")
    x, u, grad = line(3)
    answer = closure(x, u, grad)
    with pytest.raises(ValueError, match="does not belong to 2 points"):
        closure(x[:, :2], u[:2], grad[:, :2], answer.memory)
    moved = closure(x + 0.01, u, grad, answer.memory)
    np.testing.assert_array_equal(moved.flux, closure(x + 0.01, u, grad).flux)


@pytest.mark.parametrize("model", [Exclusion(sites=5, p=1, q=1, ends="rings"), DIFFUSION])
def test_at_the_end_of_what_a_model_can_have_the_tangent_is_told_from_inside(model):
    """U = 0 everywhere is where a macro solver starts."""
    closure = TrajectoryClosure(model, rng(), budget=100.0)
    answer = closure(np.zeros((1, 2)), np.array([0.0, 0.01]), np.array([[0.0, 0.1]]))
    assert answer.flux[0, 0] == 0.0 and answer.stderr[0, 0] == 0.0
    np.testing.assert_allclose(answer.d_dgrad[0, 0], 1.0, atol=0.15)
    with pytest.raises(hmm.RefusedState, match=r"density -0\.05"):
        closure(np.zeros((1, 1)), np.zeros(1), np.ones((1, 1)))


# -- target and budget ------------------------------------------------------------------------------------------------------


def test_a_target_that_is_met_ends_the_run():
    x, u, grad = line(5)
    tight, loose = (
        TrajectoryClosure(ZeroRange(sites=10), rng(), target=t, budget=4000.0)(x, u, grad) for t in (0.005, 0.02)
    )
    assert tight.stderr.max() <= 0.005 < loose.stderr.max() <= 0.02
    assert 2 * loose.info["iterations"] < tight.info["iterations"] < 5 * 16 * 4000
    assert tight.info["missed"] == 0 and tight.info["worst"] <= 1


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_a_target_that_is_missed_is_said_and_by_how_much(executor):
    x, u, grad = line(6)
    closure = TrajectoryClosure(ZeroRange(sites=10), rng(), target=1e-4, budget=50.0)
    pool = executor and hmm.macro.workers.Pool(executor(2), closure)
    answer = hmm.macro.dialogue.micro_solve(closure, hmm.macro.dialogue.State(x, u, grad), pool=pool)
    assert answer.info["missed"] == 6
    assert answer.info["worst"] == pytest.approx(answer.stderr.max() / 1e-4) and answer.info["worst"] > 10
    assert answer.info["iterations"] == 6 * 50 * 16


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_runs_too_short_for_their_error_bars_are_counted(executor):
    x, u, grad = line(6)
    for budget, replicas, short in ((50.0, 2, 6), (50.0, 16, 0), (3000.0, 2, 0)):
        closure = TrajectoryClosure(ZeroRange(sites=10), rng(), budget=budget, replicas=replicas)
        pool = executor and hmm.macro.workers.Pool(executor(2), closure)
        answer = hmm.macro.dialogue.micro_solve(closure, hmm.macro.dialogue.State(x, u, grad), pool=pool)
        assert answer.info["short"] == short


# -- what is refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rng": 1.0}, TypeError, "rng=1.0 must be a numpy.random.Generator"),
        ({"rng": None}, TypeError, "rng=None"),
        ({"rng": True}, TypeError, "rng=True"),
        ({"rng": np.random.RandomState(0)}, TypeError, "numpy.random.Generator"),
        ({"rng": -1}, ValueError, "rng=-1"),
        ({"model": "particles"}, TypeError, r"has no start\(\)"),
        ({"target": 0.0}, ValueError, "target=0.0"),
        ({"target": math.nan}, ValueError, "target=nan"),
        ({"budget": 3.0}, ValueError, "budget=3.0: must be at least 4 blocks, 4.0"),
        ({"budget": math.inf}, ValueError, "budget=inf"),
        ({"replicas": 0}, ValueError, "replicas=0"),
        ({"replicas": 2.5}, ValueError, "replicas=2.5"),
        ({"step": -0.1}, ValueError, "step=-0.1"),
        ({"keep": "all"}, ValueError, "keep='all'"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    with pytest.raises(error, match=message):
        replace(TrajectoryClosure(Exclusion(), rng()), **change)


def test_a_state_that_makes_no_sense_is_refused():
    closure = TrajectoryClosure(Exclusion(sites=5), rng(), budget=4.0)
    with pytest.raises(ValueError, match="made for 1D"):
        closure(np.zeros((2, 3)), np.zeros(3), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="U of 2 components"):
        closure(np.zeros((1, 3)), np.zeros((2, 3)), np.zeros((2, 1, 3)))
    with pytest.raises(ValueError, match="must be finite"):
        closure(np.zeros((1, 3)), np.full(3, np.nan), np.zeros((1, 3)))
