"""Reaction networks against master equations: direct simulation, nested simulation, what is counted, what is refused."""

import math

import numpy as np
import pytest
from fairness import FAR, fair
from scipy.linalg import expm

from hmm_core.micro.particles import Network
from hmm_core.micro.sampled_law import RefusedState

CHAIN = np.array([[-1, 1, 0, 0, 0, 0], [1, -1, -1, 1, 0, 0], [0, 0, 1, -1, -1, 1], [0, 0, 0, 0, 1, -1]])
FAST = (0, 1, 4, 5)


def chain(fast):
    """Reference 25: S1 = S2 = S3 = S4, the outer pairs fast."""
    return Network(CHAIN, (fast, fast, 1.0, 1.0, fast, fast))


def probabilities(fast, t):
    """Of one molecule that starts as S1."""
    Q = np.zeros((4, 4))
    for i, k in zip(range(3), (fast, 1.0, fast), strict=True):
        Q[i, i + 1] = Q[i + 1, i] = k
    return expm(t * (Q - np.diag(Q.sum(axis=1))))[0]


def rng(seed=8):
    return np.random.default_rng(seed)


# -- direct -----------------------------------------------------------------------------------------------------------------


def test_decay_is_binomial():
    told = Network([[-1]], (2.0,)).run([10], 0.3, rng(), replicas=4000)
    p = math.exp(-0.6)
    assert fair(told.x[0], 10 * p) < FAR and fair((told.x[0] - 10 * p) ** 2, 10 * p * (1 - p)) < FAR
    assert told.events == (10 - told.x[0]).sum()
    np.testing.assert_allclose(told.mean, told.x[0].mean())
    np.testing.assert_allclose(told.stderr, math.sqrt(10 * p * (1 - p) / 4000), rtol=0.05)


def test_birth_and_death_is_poisson():
    told = Network([[1, -1]], (6.0, 1.5)).run([0], 2.0, rng(), replicas=4000)
    mean = 4 * (1 - math.exp(-3.0))
    assert fair(told.x[0], mean) < FAR and fair((told.x[0] - mean) ** 2, mean) < FAR


def test_pairs_meet_in_n_choose_2_ways():
    """2 A -> B, B -> 2 A: the master equation of six molecules."""
    net = Network([[-2, 2], [1, -1]], (0.7, 1.1))
    Q = np.zeros((4, 4))  # by the number of B
    for b in range(4):
        a = 6 - 2 * b
        if a >= 2:
            Q[b, b + 1] = 0.7 * a * (a - 1) / 2
        if b:
            Q[b, b - 1] = 1.1 * b
    p = expm(0.4 * (Q - np.diag(Q.sum(axis=1))))[0]
    told = net.run([6, 0], 0.4, rng(), replicas=4000)
    assert (told.x[0] + 2 * told.x[1] == 6).all()
    for b in range(4):
        assert fair(told.x[1] == b, p[b]) < FAR


def repressed(x):
    """A gene switch: production that its product represses, and decay."""
    return np.stack([8.0 / (1.0 + x[0] ** 2), 1.0 * x[0]])


def test_propensities_may_be_any_function():
    n = np.arange(60)
    Q = np.diag(8.0 / (1.0 + n[:-1] ** 2), 1) + np.diag(1.0 * n[1:], -1)
    p = expm(1.5 * (Q - np.diag(Q.sum(axis=1))))[0]
    told = Network([[1, -1]], repressed).run([0], 1.5, rng(), replicas=4000)
    assert fair(told.x[0], p @ n) < FAR


def test_the_direct_algorithm_takes_as_many_events_as_the_propensities_say():
    told = chain(300.0).run([1, 0, 0, 0], 1.0, rng(), replicas=500)
    exact = probabilities(300.0, 1.0)
    assert fair(told.x[0], exact[0]) < FAR and fair(told.x[3], exact[3]) < FAR
    assert told.events / 500 == pytest.approx(300.5, rel=0.02)


def test_nothing_happens_without_propensities():
    told = Network([[-1]], (1.0,)).run([0], 5.0, rng(), replicas=3)
    assert told.events == 0 and (told.x == 0).all()
    assert np.isnan(Network([[-1]], (1.0,)).run([0], 5.0, rng()).stderr).all()


# -- nested -----------------------------------------------------------------------------------------------------------------


def test_reference_25_by_nested_simulation():
    """P(S1, t = 1) = 0.34197124 of the exact chain; a hundredth of the 100 000 events that the direct algorithm takes each."""
    exact = probabilities(1e5, 1.0)
    assert exact[0] == pytest.approx(0.34197124, abs=5e-9)
    told = chain(1e5).run_nested([1, 0, 0, 0], 1.0, FAST, 5e-4, rng(), replicas=6000)
    assert fair(told.x[0], exact[0]) < FAR and fair(told.x[3], exact[3]) < FAR
    assert told.events / 6000 < 100_000 / 100


def test_the_error_of_the_window_falls_with_it():
    exact = probabilities(1e5, 1.0)[0]
    error = []
    for window in (1e-5, 4e-5, 1.6e-4):
        told = chain(1e5).run_nested([1, 0, 0, 0], 1.0, FAST, window, rng(), replicas=20_000)
        error.append(told.mean[0] - exact)
    assert error[0] > 2.5 * error[1] > 6 * error[2] > 0


def test_forgetting_before_the_window_pays():
    """The fast reactions have forgotten where they were after 1e-5 or so; a short window then does."""
    exact = probabilities(1e5, 1.0)[0]
    bare, rested = (
        chain(1e5).run_nested([1, 0, 0, 0], 1.0, FAST, 3e-5, rng(), replicas=20_000, burn_in=b) for b in (0.0, 2e-5)
    )
    assert abs(rested.mean[0] - exact) < 0.5 * abs(bare.mean[0] - exact)


def test_molecules_that_ignore_each_other_are_as_many_copies_of_one():
    exact = 6 * probabilities(2000.0, 0.7)
    told = chain(2000.0).run_nested([6, 0, 0, 0], 0.7, FAST, 0.02, rng(), replicas=1500)
    assert (told.x.sum(axis=0) == 6).all() and told.x.min() >= 0
    assert fair(told.x[0], exact[0]) < FAR and fair(told.x[2], exact[2]) < FAR


def test_the_averages_are_those_of_the_equilibrium():
    """2 P + open = closed, fast: closed for a share p = n(n - 1)/(n(n - 1) + K^2) of the time, n of all molecules P."""
    n, K, F = 12, 10.0, 1e4
    gene = Network(
        [[-2, 2, 1, 1, -1], [-1, 1, 0, 0, 0], [1, -1, 0, 0, 0]],
        (2 * F / K**2, F, 2.0, 30.0, 1.5),
        [[2, 0, 0, 0, 1], [1, 0, 1, 0, 0], [0, 1, 0, 1, 0]],
    )
    told, stderr = gene.averages([n, 1, 0], (0, 1), 200 / F, rng(), replicas=400, burn_in=10 / F)
    p = n * (n - 1) / (n * (n - 1) + K**2)
    exact = np.array([2 * (1 - p), 30 * p, 1.5 * (n - 2 * p)])
    assert (np.abs(told - exact) < FAR * stderr).all()
    # the variance of a share of time: 2 p (1 - p)/(rate W), rate that at which the gene forgets
    np.testing.assert_allclose(
        stderr[1], 30 * np.sqrt(2 * p * (1 - p) / ((1 + n * (n - 1) / K**2) * 200 * 400)), rtol=0.2
    )
    assert np.isnan(gene.averages([n, 1, 0], (0, 1), 20 / F, rng(), replicas=1)[1]).all()


# -- what is refused --------------------------------------------------------------------------------------------------------


def test_propensities_that_explode_are_refused():
    auto = Network([[1]], (1.0,), reactants=[[2]])  # 2 A -> 3 A: infinitely many in a finite time
    with pytest.raises(RefusedState, match="explode"):
        auto.run([10], 10.0, rng(), replicas=2, events=3000)
    with pytest.raises(RefusedState, match=r"propensity nan of reaction 0 at x=\[3\]"):
        Network([[1]], lambda x: x * math.nan).run([3], 1.0, rng())
    with pytest.raises(RefusedState, match=r"propensity -3\.0"):
        Network([[1]], lambda x: -1.0 * x).run([3], 1.0, rng())
    with pytest.raises(RefusedState, match=r"must lie in \[0, 1e\+15\]"):
        Network([[1]], lambda x: 10.0 ** (x * x)).run([3], 1.0, rng())
    with pytest.raises(RefusedState, match="take a shorter one"):
        chain(1e5).run_nested([1, 0, 0, 0], 1.0, FAST, 0.5, rng(), events=1000)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Network([[0.5]], (1.0,)), ValueError, "change="),
        (lambda: Network([1, 2], (1.0, 1.0)), ValueError, "change="),
        (lambda: Network([[1]], (-1.0,)), ValueError, r"rates=\(-1.0,\)"),
        (lambda: Network([[1]], (math.inf,)), ValueError, "1 finite numbers"),
        (lambda: Network([[1]], (1.0, 2.0)), ValueError, "1 finite numbers"),
        (lambda: Network([[1]], (1.0,), reactants=[[-1]]), ValueError, "reactants="),
        (lambda: Network([[1]], (1.0,)).run([0], 1.0, 5), TypeError, "rng=5"),
        (lambda: Network([[1]], (1.0,)).run([0], 1.0, rng(), replicas=0), ValueError, "replicas=0"),
        (lambda: Network([[1]], (1.0,)).run([0], math.nan, rng()), ValueError, "time=nan"),
        (lambda: Network([[1]], (1.0,)).run([0.5], 1.0, rng()), ValueError, "x="),
        (lambda: Network([[1]], (1.0,)).run([-1], 1.0, rng()), ValueError, "x="),
        (lambda: Network([[1]], (1.0,)).run([0, 0], 1.0, rng()), ValueError, "must be 1 numbers"),
        (lambda: Network([[1]], lambda x: np.ones(3)).run([0], 1.0, rng()), ValueError, "rates="),
        (lambda: chain(1.0).run_nested([1, 0, 0, 0], 1.0, (), 0.1, rng()), ValueError, "some of the reactions"),
        (lambda: chain(1.0).run_nested([1, 0, 0, 0], 1.0, range(6), 0.1, rng()), ValueError, "not all"),
        (lambda: chain(1.0).run_nested([1, 0, 0, 0], 1.0, (7,), 0.1, rng()), ValueError, "some of the reactions"),
        (lambda: chain(1.0).run_nested([1, 0, 0, 0], 1.0, FAST, 0.0, rng()), ValueError, "window=0.0"),
        (lambda: chain(1.0).run_nested([1, 0, 0, 0], 1.0, FAST, 0.1, rng(), burn_in=-1), ValueError, "burn_in=-1"),
        (lambda: chain(1.0).averages([1, 0, 0, 0], (), 0.1, rng()), ValueError, "some of the reactions"),
        (lambda: chain(1.0).averages([1, 0, 0, 0], FAST, 0.0, rng()), ValueError, "window=0.0"),
        (lambda: chain(1.0).averages([1, 0, 0], FAST, 0.1, rng()), ValueError, "must be 4 numbers"),
        (lambda: chain(1.0).averages([1, 0, 0, 0], FAST, 0.1, 5), TypeError, "rng=5"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
