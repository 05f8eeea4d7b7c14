"""What chapter 14 holds its models against, each against something else: master equation, all bacteria, resolved cables."""

import numpy as np
import pytest
from fairness import FAR, fair

import hmm_core as hmm
from hmm_course.demos import ch14 as demo
from hmm_course.figures import ch14, ch14_waves

N = np.arange(ch14.MOST + 1)


@pytest.mark.parametrize("fast", [1.0, 30.0])
def test_the_master_equation_is_that_of_the_network(fast):
    p = ch14.exact(fast)
    assert p.sum() == pytest.approx(1.0, abs=1e-10) and p.min() > -1e-12 and p[-1] < 1e-7
    run = ch14.gene(fast).run(ch14.start(), ch14.LAST, np.random.default_rng(5), replicas=6000)
    n = ch14.protein(run.x)
    assert fair(n, p @ N) < FAR and fair(n >= ch14.ON, p[ch14.ON :].sum()) < FAR


def test_the_limit_is_that_of_the_master_equation():
    assert ch14.apart(ch14.exact(1e5), ch14.limit()) < 1e-4
    low, high, decay = ch14.averaged(N)
    crossings = np.flatnonzero(np.diff(np.sign((low + high - decay)[1:40])))
    assert len(crossings) == 3  # off, the ridge between, on


def test_in_the_end_all_bacteria_are_where_the_signal_is():
    """U proportional to exp S, whatever the length of a run; drift and diffusion say (1 - a^2) U' = S' U."""
    eps, x = 0.1, (np.arange(100) + 0.5) / 100
    rest = np.exp(ch14.PULL * np.cos(2 * np.pi * x))
    np.testing.assert_allclose(ch14.kinetic(eps, 100, (0.0, 0.6))[-1], rest / rest.mean(), rtol=2e-3)
    U = ch14.density(ch14.closed_form(eps), 100, (0.0, 0.6)).averages[-1]
    a = ch14.Bias(eps)(x)
    slope = (np.roll(np.log(U), -1) - np.roll(np.log(U), 1)) * 50
    np.testing.assert_allclose(slope * (1 - a**2), a / eps, atol=0.05)


def test_the_swarm_is_a_sample_of_all_bacteria():
    eps, t, count = 0.1, 0.05, 40_000
    places = ch14.swarm(eps, count, t, np.random.default_rng(3))
    share = ch14.kinetic(eps, 200, (0.0, t))[-1].reshape(20, 10).mean(axis=1) / 20
    found = np.histogram(places, 20, (0, 1))[0]
    chi2 = ((found - count * share) ** 2 / (count * share)).sum()
    assert chi2 < 45  # 19 degrees of freedom: once in a thousand


def test_a_front_is_as_fast_as_the_closed_form_says():
    closure = hmm.CellClosure(ch14_waves.cable, hmm.CellProblem(dim=1, n=40))
    D = ch14_waves.cable_conductivity()
    assert closure(np.zeros((1, 1)), np.zeros(1), np.ones((1, 1))).flux[0, 0] == pytest.approx(D, rel=1e-6)
    found = ch14_waves.cable_speed(ch14_waves.run_cable(closure, 240), 1.0)
    assert found == pytest.approx(ch14_waves.speed(D), rel=2e-3)


def test_a_front_stands_where_cells_are_long():
    flow = ch14_waves.resolved_cable(4.0)
    assert ch14_waves.cable_speed(flow, 4.0) == 0.0
    assert np.abs(flow.averages[-1] - flow.averages[-2]).max() < 1e-9  # in equilibrium, not slow


@pytest.mark.parametrize("eps", [0.5, 1.0, 4.0])
def test_the_demo_has_the_cable_of_the_library(eps):
    _, times, v = demo._front(eps, ch14_waves.JUNCTION, ch14_waves.THRESHOLD)
    flow = ch14_waves.resolved_cable(eps)
    for t in (20.0, 60.0):
        np.testing.assert_allclose(v[np.searchsorted(times, t - 1e-9)], flow.averages[flow.index(t)], atol=4e-3)
