"""What chapter 11 judges by: the dissolving queue, the Oldroyd-B fluid, infinitely many dumbbells, the road of the demo."""

import numpy as np
import pytest
from scipy.integrate import quad

from hmm_core.micro.particles import Exclusion
from hmm_course.demos import ch11 as demo
from hmm_course.figures import ch11
from hmm_course.figures import ch11_polymer as polymer


@pytest.mark.parametrize("t", [0.1, 0.3, 0.375, 0.5, 0.8])
def test_the_dissolving_queue_keeps_its_cars(t):
    """Before and after the fan reaches the tail; and the tail moves at the slope of the chord, whatever the density behind it."""

    def density(x):
        return float(ch11.dissolving(np.array([[x]]), t)[0])

    tail, front = ch11.tail(t), ch11.FRONT + (1 - 2 * ch11.LIGHT) * t
    cars = sum(quad(density, a, b, limit=200)[0] for a, b in ((-1, tail), (tail, front), (front, 2)))
    # what has passed the ends, -1 and 2, is the same
    assert cars == pytest.approx(3 * ch11.LIGHT + (1 - ch11.LIGHT) * ch11.LENGTH, abs=1e-6)
    behind = density(tail + 1e-9)
    speed = (ch11.tail(t + 1e-6) - ch11.tail(t - 1e-6)) / 2e-6
    assert speed == pytest.approx(1 - ch11.LIGHT - behind, abs=1e-4)


def test_the_law_of_rings_passes_through_their_currents():
    N = np.arange(ch11.PLACES + 1)
    flux, slope, _ = ch11.ring_law(None, N / ch11.PLACES, None)
    np.testing.assert_allclose(flux[0], [Exclusion(sites=ch11.PLACES).ring_current(int(n)) for n in N], atol=1e-14)
    middle, _, _ = ch11.ring_law(None, (N[:-1] + 0.5) / ch11.PLACES, None)
    np.testing.assert_allclose(middle[0], (flux[0, 1:] + flux[0, :-1]) / 2, atol=1e-14)
    np.testing.assert_allclose(slope[0, :-1], np.diff(flux[0]) * ch11.PLACES, atol=1e-12)


def test_oldroyd_b_obeys_its_equation():
    """lambda v_tt + v_t = eta v_yy + lambda eta_s v_tyy, between the plates; in the end Couette's straight line."""
    h, memory = 1e-3, 0.7
    y, t = 0.4 + h * np.arange(-1, 2), 0.9 + h * np.arange(-1, 2)
    v = polymer.oldroyd(y, t, relaxation=memory)
    v_t, v_tt = (v[2] - v[0]) / (2 * h), (v[2] - 2 * v[1] + v[0]) / h**2
    v_yy = (v[:, 2] - 2 * v[:, 1] + v[:, 0]) / h**2
    left = memory * v_tt[1] + v_t[1]
    right = (polymer.SOLVENT + polymer.POLYMER) * v_yy[1] + memory * polymer.SOLVENT * (v_yy[2] - v_yy[0]) / (2 * h)
    assert left == pytest.approx(right, abs=2e-4) and abs(left) > 0.1
    np.testing.assert_allclose(polymer.oldroyd(y, np.array([40.0]))[0], y, atol=1e-6)
    np.testing.assert_allclose(polymer.newton(y, np.array([40.0]))[0], y, atol=1e-12)


def test_moments_are_the_mean_of_many_dumbbells():
    """In cells of different rates, step by step; Fields with the same kicks and with kicks of their own."""
    model, rate = polymer.hooke(0.05), np.array([0.0, 1.0, 3.0])
    moments = polymer.Moments(model, 3)
    exact = np.array([moments.advance(rate) for _ in range(30)])
    assert exact[-1] == pytest.approx(polymer.POLYMER * rate * (1 - np.exp(-1.5)), abs=0.01)
    for shared in (True, False):
        fields = polymer.Fields(model, 3, 20_000, seed=1, shared=shared)
        path = np.array([fields.advance(rate) for _ in range(30)])
        # the standard error of one number is at most 0.9 (1 + 2 rate^2)^(1/2)/20000^(1/2)
        assert (np.abs(path - exact) < 4.5 * 0.9 * np.sqrt((1 + 2 * rate**2) / 20_000)).all()
    same = polymer.Fields(model, 3, 50)
    same.advance(np.ones(3))
    np.testing.assert_array_equal(same.Q[:50], same.Q[50:100])


def test_the_demos_road_conserves_and_respects_the_light():
    """Godunov's scheme with the exact parabola at its nodes: a red light keeps its queue, a shock has the chord's speed."""
    parabola = (demo.NODES * (1 - demo.NODES))[None]
    standing = demo._drive(parabola, 1.0, 1.0)
    np.testing.assert_array_equal(standing, 1.0)
    rho = demo._drive(parabola, 0.25, 0.75)[0]  # a shock at rest
    np.testing.assert_allclose(rho, np.where(np.arange(demo.CELLS) < demo.CELLS // 2, 0.25, 0.75), atol=1e-12)
    rho = demo._drive(parabola, 0.125, 0.5)[0]
    gained = (rho - np.where(np.arange(demo.CELLS) < demo.CELLS // 2, 0.125, 0.5)).mean()
    assert gained == pytest.approx(-(0.25 - 0.109375) * demo.END, abs=1e-12)


@pytest.mark.parametrize("wrong", [{"left": -0.1}, {"right": 1.5}, {"rings": 3}])
def test_the_demo_names_what_it_cannot_do(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}="):
        demo.two_densities(**wrong)
