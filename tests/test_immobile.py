"""Components that stay, beside one that moves: against the scalar problem, the speed of Nagumo's front, and what is refused."""

import math
import pickle

import numpy as np
import pytest

import hmm_core as hmm
from hmm_core import PhysicalFlux, Volumes, WithImmobile, solve_balance_law
from hmm_core.closure import ask


def graded(x, y):
    return (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0]))


CELL = hmm.CellClosure(graded, hmm.CellProblem(dim=1, n=16))


def bump(x):
    return 1 + np.cos(2 * np.pi * x[0])


def test_the_answer_is_the_scalar_one_and_nothing_besides():
    x, u, grad = np.array([[0.0, 0.3, 0.7]]), np.arange(6.0).reshape(2, 3), np.arange(1.0, 7.0).reshape(2, 1, 3)
    alone, beside = ask(CELL, x, u[0], grad[0]), ask(WithImmobile(CELL), x, u, grad)
    np.testing.assert_array_equal(beside.flux[0], alone.flux)
    np.testing.assert_array_equal(beside.d_dgrad[0, :, 0], alone.d_dgrad)
    assert not beside.flux[1].any() and np.count_nonzero(beside.d_dgrad) == np.count_nonzero(alone.d_dgrad)
    assert beside.info == alone.info and beside.memory.keys() == alone.memory.keys()
    again = ask(WithImmobile(CELL), x, u, grad, beside.memory)
    assert alone.info["micro_solves"] > 0 == again.info["micro_solves"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(WithImmobile(CELL)))(x, u, grad).flux, beside.flux)


def test_the_slope_in_u_and_the_noise_go_with_the_first_component():
    law = hmm.ExactClosure(lambda x, u: 1 + u**2, lambda x, u: 2 * u)
    x, u, grad = np.zeros((2, 3)), np.full((3, 3), 0.5), np.ones((3, 2, 3))
    beside = WithImmobile(law, 2)(x, u, grad)
    np.testing.assert_allclose(beside.d_du[0, :, 0], 1.0)
    assert np.count_nonzero(beside.d_du) == 6
    swarm = hmm.TrajectoryClosure(hmm.particles.RunAndTumble(), np.random.default_rng(1), budget=50.0, replicas=2)
    noisy = WithImmobile(swarm)(np.zeros((1, 2)), np.ones((2, 2)), np.ones((2, 1, 2)))
    assert noisy.stderr.shape == (2, 1, 2) and (noisy.stderr[0] > 0).all() and not noisy.stderr[1].any()


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_the_point_axes_keep_their_shape(shape):
    answer = WithImmobile(hmm.ExactClosure(2.0))(np.zeros((1, *shape)), np.zeros((2, *shape)), np.ones((2, 1, *shape)))
    assert answer.flux.shape == (2, 1, *shape) and answer.d_dgrad.shape == (2, 1, 2, 1, *shape)
    assert (answer.flux[0] == 2.0).all()


def test_without_a_source_the_first_moves_as_alone_and_the_other_rests():
    times = [0, 0.01, 0.03]
    alone = solve_balance_law(Volumes(32), PhysicalFlux(CELL), bump, times, dt=1e-3, boundary="wall")
    both = solve_balance_law(
        Volumes(32),
        PhysicalFlux(WithImmobile(CELL)),
        lambda x: np.stack([bump(x), x[0]]),
        times,
        dt=1e-3,
        boundary=("wall", (1, 1)),
    )
    np.testing.assert_allclose(both.averages[:, 0], alone.averages, rtol=1e-10)
    np.testing.assert_array_equal(both.averages[-1, 1], both.averages[0, 1])
    assert both.micro_solves == alone.micro_solves


class Torn:
    """Conducts in two phases; in between there is none."""

    def admissible(self, x, u):
        return (u < 0.35) | (u > 0.65)

    def __call__(self, x, u, grad):
        return np.where(self.admissible(x, u), grad, np.nan), np.zeros_like(grad), np.ones((1, 1, 1))


def test_where_the_closure_refuses_a_face_state_the_profile_is_flat():
    """All averages have an answer; a limited profile across the jump leads to face states that have none."""
    law, x = Torn(), np.array([[0.0, 0.5, 1.0]])
    u = np.array([[0.3, 0.5, 0.7], [0.5, 0.3, 0.5]])
    assert PhysicalFlux(WithImmobile(law)).admissible(x, u).tolist() == [True, False, True]
    assert not hasattr(WithImmobile(CELL), "admissible")

    def run(law):
        return solve_balance_law(
            Volumes(32),
            PhysicalFlux(WithImmobile(law)),
            lambda x: np.stack([0.2 + 0.3 * x[0] + 0.3 * (x[0] > 0.5), 0 * x[0]]),
            [0, 2e-6],
            dt=1e-6,
            boundary="outflow",
        )

    before, after = run(law).averages[:, 0]
    assert law.admissible(None, after).all() and np.abs(after - before)[15:17].min() > 1e-4
    with pytest.raises(hmm.RefusedState):
        run(lambda x, u, grad: law(x, u, grad))  # the same law, which does not say what it refuses


def test_what_stays_follows_what_moves():
    """w' = v of a v that spreads: its integral over space grows as the conserved one of v says, w(t) = t int v."""
    flow = solve_balance_law(
        Volumes(32),
        PhysicalFlux(WithImmobile(hmm.ExactClosure(0.3))),
        lambda x: np.stack([bump(x), 0 * x[0]]),
        [0, 0.5],
        source=lambda x, u: np.stack([0 * u[0], u[0]]),
    )
    np.testing.assert_allclose(flow.mass()[-1], [1.0, 0.5], rtol=1e-10)


def nagumo(x, u):
    v = u[0]
    slope = np.zeros((2, 2, v.size))
    slope[0, 0] = -3 * v**2 + 2.5 * v - 0.25
    return np.stack([v * (1 - v) * (v - 0.25), 0 * v]), slope


def test_the_front_runs_at_the_speed_of_the_closed_form():
    """v_t = D v_xx + v (1 - v)(v - a): v = 1/(1 + exp((x - c t)/(2 D)^(1/2))), c = (D/2)^(1/2) (1 - 2 a); in second order."""
    D, errors = 0.5, []
    c = math.sqrt(D / 2) * 0.5
    for n in (60, 120):
        flow = solve_balance_law(
            Volumes(n, (0, 30)),
            PhysicalFlux(WithImmobile(hmm.ExactClosure(D))),
            lambda x: np.stack([1 / (1 + np.exp((x[0] - 10) / math.sqrt(2 * D))), 0 * x[0]]),
            [0, 10, 40],
            source=nagumo,
            boundary="outflow",
            tol=1e-4,
        )
        errors.append(abs((flow.mass()[2, 0] - flow.mass()[1, 0]) / (30 * c) - 1))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2) and errors[1] < 4e-3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: WithImmobile(3.0), TypeError, "closure=3.0"),
        (lambda: WithImmobile(CELL, 0), ValueError, "immobile=0"),
        (lambda: WithImmobile(CELL, True), ValueError, "immobile=True"),
        (lambda: WithImmobile(CELL)(np.zeros((1, 2)), np.zeros((3, 2)), np.zeros((3, 1, 2))), ValueError, "grad has"),
        (lambda: WithImmobile(CELL)(np.zeros((1, 2)), np.zeros(2), np.zeros((1, 2))), ValueError, "grad has"),
        (lambda: WithImmobile(CELL).nothing, AttributeError, "nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_it_is_made_for_the_dimension_of_its_closure():
    assert WithImmobile(CELL).dim == 1
