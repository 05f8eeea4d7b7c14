"""The clock of chapter 03, which moves half of all bonds in one tick, against the master equation and closed forms.

What is random is held against ``fair`` (tests/fairness.py), with fixed seeds.
"""

import itertools

import numpy as np
import pytest
from fairness import FAR, fair

from hmm_course.figures import ch03
from hmm_course.figures.ch03_lattice import TICKS, busy, drawn, run


def configurations(people, sites):
    return [s for s in itertools.product(range(people + 1), repeat=sites) if sum(s) == people]


def tick(people, sites=4):
    """Matrix of one tick on a small ring: half the even bonds' product, half the odd bonds'."""
    states = configurations(people, sites)
    place = {s: i for i, s in enumerate(states)}

    def tried(bond):
        P = np.zeros((len(states),) * 2)
        for s, i in place.items():
            for a, b in (bond, bond[::-1]):
                t = list(s)
                if s[a]:
                    t[a], t[b] = t[a] - 1, t[b] + 1
                P[i, place[tuple(t)]] += 0.5
        return P

    even, odd = ([tried((a, (a + 1) % sites)) for a in range(first, sites, 2)] for first in (0, 1))
    return states, (np.linalg.multi_dot(even) + np.linalg.multi_dot(odd)) / 2


def test_all_configurations_of_a_ring_stay_equally_likely():
    states, P = tick(3)
    np.testing.assert_allclose(P.T, P, atol=1e-15)  # reversible, and so doubly stochastic
    busy_share = np.mean([np.mean(np.array(s) > 0) for s in states])
    assert busy_share == pytest.approx(ch03.ring_share(3, 4))


def test_the_mean_of_a_tick_is_that_of_the_process():
    """E[n_i' - n_i] = (g_(i-1) - 2 g_i + g_(i+1))/4, whatever the configuration."""
    states, P = tick(3)
    n = np.array(states)
    g = (n > 0) * 1.0
    np.testing.assert_allclose(P @ n - n, (np.roll(g, 1, 1) - 2 * g + np.roll(g, -1, 1)) / TICKS, atol=1e-14)


def test_a_pile_dissolves_as_the_master_equation_says():
    states, P = tick(3)
    n, rng, p = ch03.piles(40_000, 4, 3), np.random.default_rng(1), np.eye(20)[states.index((3, 0, 0, 0))]
    for _ in range(3):
        n, p = run(n, 0.5, rng), p @ np.linalg.matrix_power(P, 2)
        assert (n.sum(axis=1) == 3).all()
        for s, expected in zip(states, p, strict=True):
            here = (n == s).all(axis=1)
            assert not here.any() if expected == 0 else fair(here, expected) < FAR


def test_between_reservoirs_the_mean_of_g_is_a_line():
    """Exactly; and the queues are those of independent counters, up to O(L^-2)."""
    ends, L = (0.6, 0.2), 6
    phi = ends[0] + (ends[1] - ends[0]) * np.arange(1, L + 1) / (L + 1)
    n = run(np.zeros((20_000, L), int), 200, np.random.default_rng(2), ends)
    assert fair(n > 0, phi).max() < FAR
    np.testing.assert_allclose(n.mean(axis=0), phi / (1 - phi), rtol=0.02)


def test_one_coin_for_all_is_the_same_process_and_faster():
    """Rings that share their coins: right in the mean over many runs, but all rings of one run err together."""
    n, share = ch03.piles(200, 4, 3), []
    for seed in range(250):
        share.append((run(n, 0.5, np.random.default_rng(seed), together=True) == [3, 0, 0, 0]).all(axis=1).mean())
    states, P = tick(3)
    start = states.index((3, 0, 0, 0))
    assert fair(share, np.linalg.matrix_power(P, 2)[start, start]) < FAR
    assert np.std(share) > 3 * (0.25 / 200) ** 0.5


def test_the_start_is_drawn_from_the_product_measure():
    density = np.array([0.1, 1.0, 3.0])
    n = drawn(density, 20_000, np.random.default_rng(3))
    assert fair(n, density).max() < FAR and fair(n**2, density * (1 + density) + density**2).max() < FAR


def test_the_exact_distribution_of_one_queue():
    states = np.array(configurations(5, 4))
    share = [(states == k).mean() for k in range(7)]
    np.testing.assert_allclose(ch03.ring_queue(np.arange(7), 5, 4), share, atol=1e-14)


def test_a_series_says_what_the_rows_are_at_the_ends_of_its_blocks():
    n = ch03.piles(3, 4, 2)
    series = busy(n, 5, 1.0, np.random.default_rng(4))
    assert series.shape == (3, 5) and set(series.ravel()) <= {0.25, 0.5}
    assert (n == ch03.piles(3, 4, 2)).all()


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (np.zeros((2, 5), int), "even L"),
        (np.zeros(4, int), "even L"),
        (np.full((1, 4), 300), "0 ... 255"),
        (np.full((1, 4), -1), "0 ... 255"),
    ],
)
def test_rows_that_it_cannot_hold_are_refused(n, message):
    with pytest.raises(ValueError, match=message):
        run(n, 1, np.random.default_rng(0))
