"""Particle models against what is known exactly: stationary currents, relaxation, what a trajectory says and how well.

What is random is held against ``fair`` (tests/fairness.py). Seeds are fixed, so a test that passes today passes tomorrow.
"""

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fairness import FAR, chance, fair
from scipy.linalg import null_space
from scipy.signal import lfilter

import hmm_core as hmm
from hmm_core.micro.particles import Exclusion, ZeroRange, autocorrelation_time, each, estimate, one, settled
from hmm_core.micro.sampled_law import RefusedState


def runs(model, u, grad=0.0, replicas=5, budget=15.0, points=200):
    """So many independent runs about one state, as the closure's points."""
    closure = hmm.TrajectoryClosure(model, np.random.default_rng(3), replicas=replicas, budget=budget)
    x = np.linspace(0, 1, points)[None]
    return closure.measure(x, np.full(points, u), np.full((1, points), grad))


def slow_start(n):
    """Of two particles both are served, of more no more: neither of the two cases with a closed form."""
    return np.minimum(n, 2) * 1.0


# -- small systems, solved ------------------------------------------------------------------------------------------------


def transitions(model, particles):
    """All configurations of a small ring, the matrix of one tick of the clock, and each one's expected current."""
    states = [s for s in itertools.product(range(particles + 1), repeat=model.sites) if sum(s) == particles]
    if isinstance(model, Exclusion):
        states = [s for s in states if max(s) <= 1]
    place = {s: i for i, s in enumerate(states)}
    g, h = model.rates(particles if isinstance(model, ZeroRange) else 1)
    h = np.ones_like(h) if isinstance(model, ZeroRange) else h
    Q, current = np.zeros((len(states),) * 2), np.zeros(len(states))
    for s, i in place.items():
        for a in range(model.sites):
            for b, rate, sign in (((a + 1) % model.sites, model.p, 1), ((a - 1) % model.sites, model.q, -1)):
                if s[a] and (rate := rate * g[s[a]] * h[s[b]]):
                    t = list(s)
                    t[a], t[b] = t[a] - 1, t[b] + 1
                    Q[i, place[tuple(t)]] += rate
                    Q[i, i] -= rate
                    current[i] += sign * rate / model.sites
    return states, Q, current


SMALL = [
    (Exclusion(sites=5), 2),
    (Exclusion(sites=6, p=1.0, q=0.3), 3),
    (ZeroRange(sites=4), 3),
    (ZeroRange(sites=4, rate=slow_start, p=0.2, q=0.9), 4),
    (ZeroRange(sites=3, rate=each), 4),
]


@pytest.mark.parametrize(("model", "particles"), SMALL)
def test_the_exact_ring_current_is_that_of_the_master_equation(model, particles):
    _, Q, current = transitions(model, particles)
    stationary = null_space(Q.T)[:, 0]
    assert model.ring_current(particles) == pytest.approx(stationary @ current / stationary.sum(), rel=1e-12)


@pytest.mark.parametrize(("model", "particles"), [SMALL[1], SMALL[3]])
def test_a_jam_dissolves_as_the_master_equation_says(model, particles):
    """The whole path to equilibrium. The clock ticks at regular times, so that of a chain with matrix 1 + Q/rate."""
    states, Q, current = transitions(model, particles)
    jam = (1,) * particles + (0,) * (model.sites - particles)
    if isinstance(model, ZeroRange):
        jam = (particles,) + (0,) * (model.sites - 1)
    copies = 2000
    first = chance(400, copies // 400)
    state = model.start(np.zeros((1, copies)), np.full(copies, particles / model.sites), np.zeros((1, copies)), first)
    state |= {"n": np.tile(jam, (copies, 2, 1)), "top": np.full(copies, max(state["top"].max(), max(jam)))}
    g, _ = model.rates(int(state["top"].max()))
    rate = math.ceil(model.sites * g.max()) * (model.p + model.q)
    tick = np.eye(len(states)) + Q / rate
    p = np.eye(len(states))[states.index(jam)]
    for n in range(1, 6):
        state, flux = model.run(state, chance(400, copies // 400, block=n))
        p = p @ np.linalg.matrix_power(tick, round(rate * model.block))
        assert fair(flux[0], p @ current) < FAR, n


# -- rings ------------------------------------------------------------------------------------------------------------------

RINGS = [
    (Exclusion(sites=20), 0.3),
    (Exclusion(sites=20, p=0.7, q=0.3), 0.55),
    (ZeroRange(sites=20), 0.5),
    (ZeroRange(sites=20), 3.0),
    (ZeroRange(sites=20, rate=slow_start, p=0.2, q=0.8), 1.5),
]


def ring_mean(model, u):
    """Exact current of a ring of this density: on the line between the two whole numbers of particles around it."""
    low = math.floor(u * model.sites + 1e-9)
    return model.ring_current(low) + (u * model.sites - low) * (model.ring_current(low + 1) - model.ring_current(low))


@pytest.mark.parametrize(("model", "u"), RINGS)
def test_ring_currents_and_their_slopes_are_fair(model, u):
    told = runs(model, u)
    means, exact = np.array([e.mean[0] for e in told.flux]), ring_mean(model, u)
    assert fair(means, exact) < FAR < fair(means, exact + 0.5 * means.std())
    slope = (ring_mean(model, u + 0.02) - ring_mean(model, u - 0.02)) / 0.04
    assert fair([e.mean[0] for e in told.slopes["u"]], slope) < FAR


def test_walkers_on_a_ring_carry_their_number():
    told = runs(ZeroRange(sites=20, rate=each, p=0.8, q=0.2), 0.75, points=3)
    for e in told.flux:
        assert e.mean[0] == pytest.approx(0.6 * 0.75, rel=1e-13) and e.stderr[0] < 1e-14


@pytest.mark.parametrize(("model", "u"), [(Exclusion(sites=12), 0.5), (ZeroRange(sites=12), 2.0)])
def test_a_ring_keeps_its_particles_and_its_rules(model, u):
    told = runs(model, u, points=4, replicas=3)
    n = np.moveaxis(told.memory["n"], -1, 0).reshape(4, 3, 3, 2, 12)  # points, variants, replicas, N and N + 1, sites
    for v, density in enumerate((u, u + 0.02, u - 0.02)):
        fewer = math.floor(density * 12 + 1e-9)
        assert (n[:, v].sum(axis=-1) == [fewer, fewer + 1]).all() and n.min() >= 0
    assert n.max() <= model.most


def test_large_rings_have_the_currents_of_the_balance_laws():
    """Reference 26: rho (1 - rho), and phi(rho) = rho/(1 + rho); the ring's own is O(1/L) away."""
    for L in (10, 100, 1000):
        assert Exclusion(sites=L).ring_current(3 * L // 10) - 0.21 == pytest.approx(0.21 / (L - 1), rel=1e-9)
    distance = [ZeroRange(sites=L).ring_current(2 * L) - 2 / 3 for L in (8, 16, 32, 64)]
    assert np.diff(np.log2(distance)) == pytest.approx(-1.0, abs=0.1)


@pytest.mark.parametrize(("rate", "phi"), [(one, lambda r: r / (1 + r)), (each, lambda r: r)])
def test_fugacities_in_closed_form(rate, phi):
    rho = np.array([[0.0, 1e-6, 0.1], [1.0, 3.0, 20.0]])
    np.testing.assert_allclose(ZeroRange(rate=rate).fugacity(rho), phi(rho), rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("rate", [one, each, slow_start])
def test_a_start_is_drawn_from_the_stationary_measure(rate):
    model, particles = ZeroRange(sites=8, rate=rate), 12
    copies = 600
    u = np.full(copies, particles / 8)
    n = model.start(np.zeros((1, copies)), u, np.zeros((1, copies)), chance(copies, 1))["n"][:, 0]
    assert (n.sum(axis=1) == particles).all()
    exact = model.ring_current(particles)
    g = model.rates(particles)[0][n]
    if rate is not each:
        assert fair(g.mean(axis=1), exact).max() < FAR
    assert fair(g, exact).max() < FAR + 0.5  # of eight sites


# -- reservoirs -------------------------------------------------------------------------------------------------------------


RESERVOIRS = {"sites": 6, "ends": "reservoirs", "block": 10}


@pytest.mark.parametrize(
    ("model", "u", "grad", "phi", "density"),
    [
        (Exclusion(p=1, q=1, **RESERVOIRS), 0.4, 3.0, lambda r: r, lambda phi: phi),
        (ZeroRange(p=1, q=1, **RESERVOIRS), 1.0, 6.0, lambda r: r / (1 + r), lambda phi: phi / (1 - phi)),
        (ZeroRange(p=0.5, q=0.5, rate=each, **RESERVOIRS), 0.5, -4.0, lambda r: r, lambda phi: phi),
    ],
    ids=["exclusion: Fick", "zero range: phi(U)", "walkers: Fick"],
)
def test_between_reservoirs_the_flux_is_a_gradient(model, u, grad, phi, density):
    """F = -p (phi(right) - phi(left))/length, exactly at any number of sites; the profile of phi is a line."""
    told = runs(model, u, grad, replicas=1, budget=60.0, points=200)

    def exact(grad):
        return -model.p * (phi(u + 0.05 * grad) - phi(u - 0.05 * grad)) / 0.1

    means = np.array([e.mean[0] for e in told.flux])
    assert fair(means, exact(grad)) < FAR < fair(means, exact(grad) + 0.5 * means.std())
    step = 0.02 * model.grad_scale
    slope = (exact(grad + step) - exact(grad - step)) / (2 * step)
    assert fair([e.mean[0] for e in told.slopes["grad0"]], slope) < FAR
    left, right = phi(u - 0.05 * grad), phi(u + 0.05 * grad)
    n = np.moveaxis(told.memory["n"], -1, 0)[:, 0, 0, 0]  # at the end, of the state asked about
    assert fair(n, density(left + (right - left) * np.arange(1, 7) / 7)).max() < FAR + 0.5  # of six sites


@pytest.mark.parametrize(("rate", "u", "grad"), [(one, 0.8, 4.0), (slow_start, 1.5, -3.0)])
def test_two_rings_tell_the_gradient_of_the_fugacity(rate, u, grad):
    model = ZeroRange(sites=10, p=1, q=1, ends="rings", rate=rate)
    told = runs(model, u, grad, replicas=2)
    alone = replace(model, q=0, ends="ring")
    exact = -(ring_mean(alone, u + 0.05 * grad) - ring_mean(alone, u - 0.05 * grad)) / 0.1
    means = np.array([e.mean[0] for e in told.flux])
    assert fair(means, exact) < FAR < fair(means, exact + 0.5 * means.std())


@pytest.mark.parametrize(
    "model", [Exclusion(sites=10, p=2, q=2, ends="rings"), ZeroRange(10, 2, 2, "rings", rate=each)]
)
def test_on_two_rings_ficks_law_holds_without_noise(model):
    told = runs(model, 0.4, 3.0, points=2, budget=4.0)
    assert told.flux[0].mean[0] == pytest.approx(-6.0, rel=1e-12)
    assert told.slopes["grad0"][0].mean[0] == pytest.approx(-2.0, rel=1e-12)


# -- what a trajectory says -------------------------------------------------------------------------------------------------


def ar1(a, shape, seed, start=None):
    """x_t = a x_(t-1) + noise, of variance one; from equilibrium, or from one value. tau = (1 + a)/(1 - a)."""
    rng = np.random.default_rng(seed)
    noise = math.sqrt(1 - a * a) * rng.standard_normal(shape)
    before = rng.standard_normal((*shape[:-1], 1)) if start is None else np.full((*shape[:-1], 1), start)
    return lfilter([1.0], [1.0, -a], noise, axis=-1, zi=a * before)[0]


@pytest.mark.parametrize("a", [0.0, 0.5, 0.9, -0.4])
def test_the_autocorrelation_time_of_an_autoregression(a):
    tau = autocorrelation_time(ar1(a, (3, 8, 20000), 1))
    np.testing.assert_allclose(tau, (1 + a) / (1 - a), rtol=0.1)  # known to 2 % or so
    e = estimate(ar1(a, (3, 8, 20000), 1), step=0.25, burn_in=0.0)
    exact = math.sqrt((1 + a) / (1 - a) / (8 * 20000))
    np.testing.assert_allclose(e.correlated, exact, rtol=0.06)
    np.testing.assert_allclose(e.stderr, exact, rtol=0.25)
    assert e.tau == pytest.approx(0.25 * tau.max()) and e.effective == pytest.approx(8 * 20000 / tau.max())
    assert e.duration == 5000.0 and e.burn_in == 0.0


def coverage(series, exact=0.0, **options):
    intervals = np.array([estimate(one_run, **options).interval()[:, 0] for one_run in series])
    return np.mean((intervals[:, 0] <= exact) & (exact <= intervals[:, 1]))


@pytest.mark.parametrize(("replicas", "blocks"), [(16, 200), (1, 2000)])
def test_intervals_cover_what_they_promise(replicas, blocks):
    """95 %; of 600 runs that share has a standard error of 0.9 %, so 91 % would be refused. The study below has a thousand."""
    share = coverage(ar1(0.8, (600, 1, replicas, blocks), 5), burn_in=0.0)
    assert abs(share - 0.95) < FAR * math.sqrt(0.95 * 0.05 / 600)


def test_one_series_with_a_weak_long_memory():
    """A twenty-fifth of the variance that lasts makes three quarters of tau, and hides in the noise of the autocorrelation:
    batches of 20 tau, as the window sees it, would hold in 85 %."""
    series = ar1(0.2, (600, 1, 1, 4096), 6) * math.sqrt(0.96) + ar1(0.98, (600, 1, 1, 4096), 7) * math.sqrt(0.04)
    share = coverage(series, burn_in=0.0)
    assert abs(share - 0.95) < FAR * math.sqrt(0.95 * 0.05 / 600)


def test_batches_of_many_replicas_grow_with_the_series():
    """The same memory, 4,800 tau of sixteen replicas: batches that stay 20 tau long, as the window sees them, hold in 84 %."""
    shape = (400, 1, 16, 1620)
    series = ar1(0.2, shape, 6) * math.sqrt(0.96) + ar1(0.98, shape, 7) * math.sqrt(0.04)
    assert estimate(series[0], burn_in=0.0).batches == 80
    assert coverage(series, burn_in=0.0) > 0.9


@pytest.mark.parametrize(("tau", "called"), [(25, 0.97), (100, 0.8), (2000, 0.0)])
def test_a_series_too_short_for_its_error_bar_says_so(tau, called):
    """The weak long memory again, tau = 5.4: of 25 tau intervals of 95 % hold in 84 %, of 100 tau in 87 %."""
    blocks = round(5.4 * tau)
    series = ar1(0.2, (300, 1, 1, blocks), 6) * math.sqrt(0.96) + ar1(0.98, (300, 1, 1, blocks), 7) * math.sqrt(0.04)
    short = np.mean([estimate(one_run, burn_in=0.0).short for one_run in series])
    assert short >= called if called else short == 0
    assert not estimate(series[:, 0].swapaxes(0, 1)[:, :16], burn_in=0.0).short  # many replicas tell by their scatter
    assert tau != 25 or coverage(series, burn_in=0.0) < 0.9


def test_the_error_falls_as_the_root_of_time():
    times = 2 ** np.arange(8, 13)
    means = [ar1(0.7, (400, 1, T), 2)[:, 0].mean(axis=1) for T in times]
    slope = np.polyfit(np.log(times), np.log([m.std() for m in means]), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.04)
    said = [np.mean([estimate(s[None], burn_in=0.0).stderr for s in ar1(0.7, (100, 1, T), 2)]) for T in times]
    np.testing.assert_allclose(said, [m.std() for m in means], rtol=0.2)


def test_what_is_cut_off_takes_the_bias_of_a_cold_start_with_it():
    cold = ar1(0.9, (300, 1, 8, 400), 3, start=20.0)
    all_of_it = np.array([estimate(s, burn_in=0.0).mean[0] for s in cold])
    assert all_of_it.mean() == pytest.approx(20 * 0.9 * (1 - 0.9**400) / (400 * 0.1), rel=0.03)
    chosen = [estimate(s) for s in cold]
    bias = np.mean([e.mean[0] for e in chosen])
    assert abs(bias) < 0.5 * np.std([e.mean[0] for e in chosen])
    assert (
        15 < np.mean([e.burn_in for e in chosen]) < 100
    )  # 20 sigma have fallen below the noise of the mean after 50 or so
    assert coverage(cold) > 0.9


def test_a_series_that_does_not_settle_is_cut_in_half_at_most():
    drifting = np.arange(100.0)[None, None] + ar1(0.5, (1, 2, 100), 4)
    assert settled(drifting) == 50


@pytest.mark.parametrize(
    ("series", "options", "message"),
    [
        (np.zeros((4, 4)), {}, "block averages"),
        (np.full((1, 2, 8), np.nan), {}, "finite"),
        (np.zeros((1, 2, 3)), {}, "4 are needed"),
        (np.zeros((1, 2, 8)), {"burn_in": 5.0}, "4 are needed"),
    ],
)
def test_a_series_that_says_nothing_is_refused(series, options, message):
    with pytest.raises(ValueError, match=message):
        estimate(series, **options)


def test_a_constant_is_known_without_error():
    e = estimate(np.full((1, 4, 32), 2.5))
    assert e.mean == 2.5 and e.stderr == 0 and e.correlated == 0 and np.isfinite(e.tau)
    with pytest.raises(ValueError, match="confidence"):
        e.interval(1.0)


def test_the_coverage_study_keeps_the_promise():
    """tools/coverage.py: a thousand runs of every model."""
    rows = (Path(__file__).parent / "reference" / "coverage.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "model,runs,burn_in,covered,bias_in_stderr"
    table = [row.split(",") for row in rows[1:]]
    assert len(table) >= 6 and all(int(row[1]) >= 1000 for row in table)
    for name, _, burn_in, covered, bias in table:
        assert abs(float(bias)) < FAR / math.sqrt(1000), name
        low = 0.93 if burn_in == "none" else 0.91
        assert low <= float(covered) <= 0.97, name


# -- what is refused --------------------------------------------------------------------------------------------------------


def no_rate(n):
    return np.where(n == 2, -1.0, n * 1.0)


def sticky(n):
    """Condenses above a finite density."""
    return np.where(n > 0, 1 + 4 / np.maximum(n, 1), 0.0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Exclusion(p=-1.0), ValueError, "p=-1.0"),
        (lambda: Exclusion(q=math.nan), ValueError, "q=nan"),
        (lambda: Exclusion(p=math.inf), ValueError, "p=inf"),
        (lambda: Exclusion(p=0.0, q=0.0), ValueError, "nothing moves"),
        (lambda: Exclusion(p="fast"), ValueError, "p='fast'"),
        (lambda: Exclusion(sites=2), ValueError, "sites=2"),
        (lambda: Exclusion(sites=10.0), ValueError, "sites=10.0"),
        (lambda: Exclusion(ends="open"), ValueError, "ends='open'"),
        (lambda: Exclusion(ends="reservoirs"), ValueError, "p = q is needed"),
        (lambda: Exclusion(block=0.0), ValueError, "block=0.0"),
        (lambda: Exclusion(length=0.0), ValueError, "length=0.0"),
        (lambda: ZeroRange(rate=3.0), TypeError, "rate=3.0"),
        (lambda: ZeroRange(rate=no_rate), ValueError, "at n=2"),
        (lambda: ZeroRange(rate=lambda n: 1.0), ValueError, "as many numbers"),
        (lambda: Exclusion(sites=5).ring_current(6), ValueError, "particles=6"),
    ],
)
def test_bad_descriptions_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("model", "u", "grad", "message"),
    [
        (Exclusion(), 1.2, 0.0, r"density 1.2 .* must lie in \[0, 1.0\]"),
        (Exclusion(), -0.1, 0.0, "density -0.1"),
        (Exclusion(p=1, q=1, ends="reservoirs"), 0.9, 3.0, "end of a box of length 0.1 with gradient 3.0"),
        (ZeroRange(), -1.0, 0.0, "density -1.0"),
        (ZeroRange(rate=sticky), 50.0, 0.0, "no product measure"),
    ],
)
def test_states_that_a_model_cannot_have_are_refused(model, u, grad, message):
    with pytest.raises(RefusedState, match=message):
        runs(model, u, grad, points=2)
