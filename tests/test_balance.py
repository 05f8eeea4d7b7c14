"""Balance laws: waves at their speeds, in second order, mass to round-off, what is stiff implicitly, and what is refused."""

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hmm_core as hmm
from hmm_core import Answer, ConvergenceError, Flow, PhysicalFlux, RefusedState, Volumes, solve_balance_law
from hmm_core.macro.upwind import LIMITERS, speeds

GAS = hmm.exact.EulerFlux()


def burgers(x, u, grad):
    """F alone, in one or two dimensions (then along x)."""
    F = np.zeros_like(grad)
    F[0] = u**2 / 2
    return F


def traffic(x, u, grad):
    """F with its tangent."""
    return (u * (1 - u))[None], (1 - 2 * u)[None], 0.0


def wave(x):
    return 1.5 + 0.5 * np.sin(2 * np.pi * x[0])


def burgers_wave(t):
    """Exact: u = u0(x - u t), as long as no shock has formed."""

    def exact(x):
        u = wave(x)
        for _ in range(60):
            y = 2 * np.pi * (x[0] - u * t)
            u = u - (u - 1.5 - 0.5 * np.sin(y)) / (1 + np.pi * t * np.cos(y))
        return u

    return exact


def jump(left, right, at=0.5):
    return lambda x: np.where(x[0] < at, left, right)


def gas(left, right):
    return lambda x: GAS.conserved(*(np.where(x[0] < 0.5, a, b) for a, b in zip(left, right, strict=True)))


def orders(errors):
    return np.log2(np.array(errors[:-1]) / errors[1:])


# -- conservation and order ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("riemann", ["hll", "rusanov"])
@pytest.mark.parametrize("limiter", ["van_leer", "mc"])
def test_second_order_on_a_smooth_wave(riemann, limiter):
    errors = []
    for n in (64, 128, 256):
        flow = solve_balance_law(Volumes(n), burgers, wave, [0, 0.1], riemann=riemann, limiter=limiter)
        errors.append(flow.error(burgers_wave(0.1)))
        assert abs(flow.mass()[1] - flow.mass()[0]) < 1e-14
    assert (orders(errors) > 1.9).all() and errors[-1] < 7e-5


def test_a_flat_profile_is_of_first_order():
    errors = [
        solve_balance_law(Volumes(n), burgers, wave, [0, 0.1], limiter="flat").error(burgers_wave(0.1))
        for n in (64, 128, 256)
    ]
    assert ((orders(errors) > 0.85) & (orders(errors) < 1.1)).all()


def test_second_order_with_inflow():
    """A wave that is sent in at the left: u(x, t) = 2 + sin(2 pi (x - t)) under F = u."""

    def exact(t):
        return lambda x: 2 + np.sin(2 * np.pi * (x[0] - t))

    errors = [
        solve_balance_law(
            Volumes(n),
            lambda x, u, grad: u[None],
            exact(0),
            [0, 0.7],
            boundary={"left": lambda x, t: exact(t)(x), "right": "outflow"},
        ).error(exact(0.7))
        for n in (32, 64, 128)
    ]
    assert (orders(errors) > 1.75).all() and errors[-1] < 2e-3


def test_the_tangent_and_differences_lead_to_the_same_waves():
    plain, told = (
        solve_balance_law(Volumes(50), flux, jump(0.2, 0.7), [0, 0.3], boundary="outflow", dt=0.01)
        for flux in (lambda x, u, grad: (u * (1 - u))[None], traffic)
    )
    np.testing.assert_allclose(plain.averages, told.averages, atol=1e-6)
    assert abs(plain.history[-1].steps - told.history[-1].steps) <= 1


@pytest.mark.parametrize("limiter", sorted(LIMITERS))
def test_limiters_keep_the_range_and_are_symmetric(limiter):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 1000))
    slope = LIMITERS[limiter](a, b)
    assert (np.abs(slope) <= 2 * np.minimum(np.abs(a), np.abs(b)) * (1 + 1e-15)).all() and not slope[a * b < 0].any()
    np.testing.assert_array_equal(slope, LIMITERS[limiter](b, a))
    np.testing.assert_array_equal(-slope, LIMITERS[limiter](-a, -b))
    if limiter != "flat":
        np.testing.assert_allclose(LIMITERS[limiter](a, a), a, rtol=1e-15)


class Kinked:
    """A flux that is straight between random nodes: alone, or as a table of noisy nodes offers it."""

    def __init__(self, rng, size, noisy):
        self.nodes = np.sort([0, 1, *rng.random(rng.integers(3, 40))])
        self.values = size * rng.standard_normal(self.nodes.size) + 2 * self.nodes * (1 - self.nodes)
        self.noisy, self.slopes = noisy, np.diff(self.values) / np.diff(self.nodes)
        if noisy:
            self.realisation = lambda k: self

    def __call__(self, x, u, grad):
        k = np.clip(np.searchsorted(self.nodes, u, side="right") - 1, 0, len(self.slopes) - 1)
        F = np.interp(u, self.nodes, self.values)[None]
        return Answer(F, self.slopes[k][None], 0.0, np.full_like(F, 0.1) if self.noisy else None)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31),
    st.sampled_from(["random", "jumps", "smooth"]),
    st.sampled_from([0.0, 0.02, 1.0]),
    st.booleans(),
    st.sampled_from(sorted(LIMITERS)),
    st.sampled_from(["hll", "rusanov"]),
)
def test_whatever_function_the_flux_is_the_variation_does_not_grow(seed, start, size, noisy, limiter, riemann):
    """So averages stay in the range of the first ones, to round-off."""
    rng, n = np.random.default_rng(seed), 24
    flux = Kinked(rng, size, noisy)
    smooth = 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(n) / n)
    U = {"random": rng.random(n), "jumps": rng.choice([0, 0.2, 1.0], n), "smooth": smooth}[start]
    times = np.linspace(0, 4 / n / min(100, np.abs(flux.slopes).max()), 5)
    flow = solve_balance_law(Volumes(n), flux, U, times, limiter=limiter, riemann=riemann, replicas=0)
    variation = np.abs(flow.averages - np.roll(flow.averages, 1, axis=1)).sum(axis=1)
    assert np.diff(variation).max() < 1e-12
    assert U.min() - 1e-14 <= flow.averages.min() and flow.averages.max() <= U.max() + 1e-14
    np.testing.assert_allclose(flow.averages.mean(axis=1), U.mean(), rtol=1e-12)


def test_a_noisy_table_keeps_its_own_bounds():
    """States outside them would be an error: nodes 1/32 apart, whose noise turns the tangents around."""

    def law(x, u, grad):
        noise = [np.random.default_rng([3, int(v * 2**40)]).standard_normal() for v in u]
        return Answer((u * (1 - u) + 0.02 * np.array(noise))[None], (1 - 2 * u)[None], 0.0, np.full_like(grad, 0.02))

    class Law:
        __call__ = staticmethod(law)

    table = hmm.TableClosure(Law(), u=(0, 1), tol=1e-3, slopes=False, cells=16)
    flow = solve_balance_law(Volumes(40), table, jump(1.0, 0.0), [0, 0.2, 0.35], replicas=4)
    assert flow.averages.min() > -1e-14 and flow.averages.max() < 1 + 1e-14


# -- waves ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left, right", [(0.1, 0.8), (0.4, 0.9), (0.2, 0.5)])
def test_a_jam_runs_at_the_speed_of_rankine_and_hugoniot(left, right):
    """Where the shock is follows from the mass to round-off, as long as the ends are at rest."""
    flow = solve_balance_law(
        Volumes(200), traffic, jump(left, right), [0, 0.4], boundary={"left": left, "right": right}
    )
    shock = hmm.exact.ScalarRiemann(lambda u: u * (1 - u), lambda u: 1 - 2 * u, left, right)
    assert shock.speeds == pytest.approx((1 - left - right,) * 2)
    place = 0.5 + (flow.mass()[1] - flow.mass()[0]) / (left - right)
    assert (place - 0.5) / 0.4 == pytest.approx(shock.speeds[0], abs=1e-12)
    assert flow.error(lambda x: shock((x[0] - 0.5) / 0.4)) < 0.5 / 200 * (right - left)
    assert left - 1e-14 <= flow.averages.min() and flow.averages.max() <= right + 1e-14


def test_a_fan_converges_through_the_sonic_point():
    """A queue that dissolves: an entropy violation would leave a jump in the middle, where f' = 0."""
    fan = hmm.exact.ScalarRiemann(lambda u: u * (1 - u), lambda u: 1 - 2 * u, 1.0, 0.0)
    np.testing.assert_allclose(fan(np.array([-2.0, -1, -0.5, 0, 0.5, 1, 2])), [1, 1, 0.75, 0.5, 0.25, 0, 0], atol=1e-15)
    errors = [
        solve_balance_law(Volumes(n), traffic, jump(1.0, 0.0), [0, 0.4], boundary="outflow").error(
            lambda x: fan((x[0] - 0.5) / 0.4)
        )
        for n in (50, 100, 200)
    ]
    assert (orders(errors) > 0.8).all() and errors[-1] < 3e-3


def test_a_law_that_bends_both_ways_gets_its_compound_wave():
    """Buckley-Leverett: a shock to u* and a fan behind it; u* is where the chord from 0 touches f: u* = 1/sqrt 3 for a = 1/2."""

    def f(u):
        return u**2 / (u**2 + 0.5 * (1 - u) ** 2)

    touching = math.sqrt(1 / 3)
    flow = solve_balance_law(
        Volumes(400),
        lambda x, u, grad: f(u)[None],
        jump(1.0, 0.0, 0.2),
        [0, 0.3],
        boundary={"left": 1.0, "right": "outflow"},
    )
    front = 0.2 + 0.3 * f(touching) / touching
    U = flow.averages[-1]
    ahead = flow.grid.centres[0] > front + 0.01
    behind = np.abs(flow.grid.centres[0] - front + 0.015) < 0.005
    assert abs(U[ahead]).max() < 1e-6 and U[behind].min() > touching - 0.01


def test_sod_in_L1_with_its_rate():
    solution = hmm.exact.EulerRiemann(*hmm.exact.SOD)
    errors = []
    for n in (80, 160, 320):
        flow = solve_balance_law(Volumes(n), GAS, gas(*hmm.exact.SOD), [0, 0.2], boundary="outflow")
        errors.append(flow.error(lambda x: GAS.conserved(*solution((x[0] - 0.5) / 0.2))))
        assert GAS.pressure(flow.averages[-1]).min() > 0.099
    assert (orders(errors) > 0.85).all() and errors[-1] < 8.5e-3  # shocks alone: 1; the contact smears
    U = flow.averages[-1]
    for at, density in ((0.6, solution.densities[0]), (0.78, solution.densities[1])):
        k = int(at * 320)
        assert U[0, k] == pytest.approx(density, rel=2e-3)
        assert U[1, k] / U[0, k] == pytest.approx(solution.velocity, rel=2e-3)


def test_the_exact_gas_has_the_reference_values():
    sod = hmm.exact.EulerRiemann(*hmm.exact.SOD)
    values = sod.pressure, sod.velocity, *sod.densities
    np.testing.assert_allclose(values, (0.303130178051, 0.927452620049, 0.426319428178, 0.265573711705), rtol=3e-12)
    mirrored = hmm.exact.EulerRiemann(*((rho, -u, p) for rho, u, p in reversed(hmm.exact.SOD)))
    xi = np.linspace(-2, 2, 101)
    np.testing.assert_allclose(mirrored(-xi), sod(xi) * [[1], [-1], [1]], rtol=1e-12, atol=1e-12)
    shock = 1.0 + 0.0  # mass and momentum across the right shock, Rankine and Hugoniot
    speed = sod.densities[1] * sod.velocity / (sod.densities[1] - 0.125)
    assert shock * 0.125 * speed * sod.velocity == pytest.approx(sod.pressure - 0.1, rel=1e-11)


def test_the_tangent_of_the_gas_is_that_of_its_flux():
    rng = np.random.default_rng(0)
    for d in (1, 2):
        u = GAS.conserved(1 + rng.random(6), rng.standard_normal((d, 6)), 1 + rng.random(6))
        x, grad = np.zeros((d, 6)), np.zeros((d + 2, d, 6))
        _, A, _ = GAS(x, u, grad)
        for k in range(d + 2):
            h = 1e-6 * np.eye(d + 2)[:, k : k + 1]
            np.testing.assert_allclose(A[:, :, k], (GAS(x, u + h, grad)[0] - GAS(x, u - h, grad)[0]) / 2e-6, atol=1e-8)
        c, v = np.sqrt(1.4 * GAS.pressure(u) / u[0]), u[1] / u[0]
        for low, high in (speeds(A[:, 0], x),):
            np.testing.assert_allclose((low, high), (v - c, v + c), rtol=1e-10)
            np.testing.assert_allclose([bound[0] for bound in GAS.speeds(x, u)], (v - c, v + c), rtol=1e-13)


@pytest.mark.parametrize(
    "left, right, T, error", [((1, -2, 0.4), (1, 2, 0.4), 0.15, 0.025), ((1, 0, 1000.0), (1, 0, 0.01), 0.012, 0.125)]
)
def test_density_and_pressure_stay_positive(left, right, T, error):
    """Two fans with almost a vacuum between them, and a strong blast (the second and the third test of Toro's book)."""
    flow = solve_balance_law(Volumes(100), GAS, gas(left, right), [0, T / 2, T], boundary="outflow")
    assert flow.averages[:, 0].min() > 0 and min(GAS.pressure(U).min() for U in flow.averages) > 0
    exact = hmm.exact.EulerRiemann(left, right)
    true = flow.grid.average("exact", lambda x: exact((x[0] - 0.5) / T)[0])
    assert np.abs(flow.averages[-1, 0] - true).mean() < error


def test_a_gas_between_walls_keeps_mass_and_energy():
    walls = {"left": ("wall", (1, -1, 1)), "right": ("wall", (1, -1, 1))}
    flow = solve_balance_law(Volumes(60), GAS, gas(*hmm.exact.SOD), [0, 0.5], boundary=walls)
    np.testing.assert_allclose(flow.mass()[1, [0, 2]], flow.mass()[0, [0, 2]], rtol=1e-14)
    mirrored = solve_balance_law(Volumes(60), GAS, gas(*reversed(hmm.exact.SOD)), [0, 0.5], boundary=walls)
    np.testing.assert_allclose(mirrored.averages[..., ::-1], flow.averages * [[1], [-1], [1]], atol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_bounds_of_speeds_are_the_outer_eigenvalues(m):
    rng = np.random.default_rng(m)
    values, vectors = rng.standard_normal((50, m)), rng.standard_normal((50, m, m))
    values[:5] = values[:5, :1]  # all equal
    A = np.einsum("kij,kj,kjl->ilk", vectors, values, np.linalg.inv(vectors))
    low, high = speeds(A, np.zeros((1, 50)))
    np.testing.assert_allclose(low[5:], values[5:].min(axis=1), atol=1e-6)
    np.testing.assert_allclose(high[5:], values[5:].max(axis=1), atol=1e-6)
    np.testing.assert_allclose(low[:5], values[:5, 0], atol=2e-3)  # round-off of a root of order m
    if m > 1:
        A[:2, :2, 7] = [[0, 1], [-1, 0]]
        A[2:, :, 7] = A[:, 2:, 7] = 0
        with pytest.raises(RefusedState, match="complex eigenvalues"):
            speeds(A, np.zeros((1, 50)))


# -- states that stay ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [10, (7, 5)])
def test_a_constant_stays_constant_exactly(cells):
    d = np.ndim(cells) + 1
    state = GAS.conserved(np.array([1.3]), np.full((d, 1), 0.7), np.array([0.9]))
    grid = Volumes(cells, (0, 1) if d == 1 else ((0, 1), (0, 2)))
    U = np.ones((d + 2, *grid.cells)) * state.reshape(-1, *[1] * d)
    for boundary in ("periodic", "outflow", state[:, 0]):
        np.testing.assert_array_equal(solve_balance_law(grid, GAS, U, [0, 0.3], boundary=boundary).averages[-1], U)


def test_a_steady_state_of_conduction_stays():
    flux = PhysicalFlux(hmm.ExactClosure(0.7))
    flow = solve_balance_law(Volumes(20), flux, lambda x: 1 + x[0], [0, 10.0], boundary={"left": 1.0, "right": 2.0})
    np.testing.assert_allclose(flow.averages[-1], flow.averages[0], atol=1e-13)
    assert flow.history[-1].implicit and flow.history[-1].steps < 12


# -- what is stiff -------------------------------------------------------------------------------------------------------


def heat(t, kappa=0.7):
    return lambda x: 1 + np.exp(-4 * np.pi**2 * kappa * t) * np.sin(2 * np.pi * x[0])


def test_heat_in_second_order_with_implicit_steps():
    """From steps a hundred times those that an explicit scheme allows."""
    flux, errors = PhysicalFlux(hmm.ExactClosure(0.7)), []
    for n in (32, 64, 128):
        flow = solve_balance_law(Volumes(n), flux, heat(0), [0, 0.05], dt=0.1 / n)
        errors.append(flow.error(heat(0.05)))
        assert flow.history[-1].implicit == flow.history[-1].steps
        assert abs(flow.mass()[1] - 1) < 1e-13
    assert (orders(errors) > 1.95).all() and errors[-1] < 5e-5


def test_steps_of_heat_are_as_long_as_accuracy_allows():
    flux, grid = PhysicalFlux(hmm.ExactClosure(0.7)), Volumes(256)
    coarse, fine = (solve_balance_law(grid, flux, heat(0), [0, 0.05], tol=tol) for tol in (1e-3, 1e-5))
    decay = math.exp(-0.7 * (2 * math.sin(math.pi / 256) * 256) ** 2 * 0.05)  # of the sine on this grid, exactly
    reference = 1 + decay * (coarse.averages[0] - 1)
    gaps = [np.abs(flow.averages[-1] - reference).mean() for flow in (coarse, fine)]
    assert gaps[0] < 1e-3 and gaps[1] < gaps[0] / 30  # second order: a factor of 100
    assert coarse.history[-1].steps < 30 < fine.history[-1].steps < 400


def test_a_given_implicit_step_that_is_too_long_is_refused():
    """The tangent of a degenerate law vanishes where the gradient does: there a long linearised step overshoots."""

    def power(x, u, grad):
        return -np.abs(grad) * grad / 4, 0.0, -np.abs(grad)[None] / 2

    with pytest.raises(ConvergenceError, match=r"dt=0\.001: in the implicit step from t=0\.00.* shorter dt"):
        solve_balance_law(Volumes(100), power, lambda x: np.sin(2 * np.pi * x[0]), [0, 0.02], dt=1e-3)


def test_a_drop_spreads_as_barenblatt_and_pattle_say():
    """u_t = (u^2)_xx from a parabola: t^(-1/3) (1 - x^2/(12 t^(2/3)))_+, a front that moves at finite speed."""

    def drop(x, t):
        return t ** (-1 / 3) * np.maximum(1 - x[0] ** 2 / (12 * t ** (2 / 3)), 0)

    def flux(x, u, grad):
        return -2 * u * grad, -2 * grad, -2 * u[None, None]

    errors = []
    for n in (50, 100, 200):
        flow = solve_balance_law(Volumes(n, (-6, 6)), flux, lambda x: drop(x, 1.0), [1, 2], boundary="wall", tol=3e-4)
        errors.append(flow.error(drop))
        assert flow.averages.min() > -1e-15 and abs(flow.mass()[1] - flow.mass()[0]) < 1e-12
    assert (orders(errors) > 1.3).all() and errors[-1] < 4e-4  # second order but for the front


def burgers_viscous(nu):
    def flux(x, u, grad):
        return u**2 / 2 - nu * grad

    return flux


def test_waves_and_viscosity_together():
    """The travelling front u = 1 - tanh((x - t)/(2 nu)) of Burgers' equation, waves explicit and viscosity implicit."""
    nu, errors = 0.1, []

    def front(t):
        return lambda x: 1 - np.tanh((x[0] - t) / (2 * nu))

    for n in (100, 200):
        flow = solve_balance_law(
            Volumes(n, (-2, 3)), burgers_viscous(nu), front(0), [0, 1.0], boundary={"left": 2.0, "right": 0.0}
        )
        errors.append(flow.error(front(1.0)))
    assert (orders(errors) > 1.8).all() and errors[-1] < 1e-3
    assert flow.history[-1].implicit > 0


def test_a_stiff_source_relaxes_at_once():
    flow = solve_balance_law(Volumes(4), burgers, 1.0, [0, 0.5, 5.0], source=lambda x, u: 1000 * (0.3 - u))
    np.testing.assert_allclose(flow.averages[1:], 0.3, atol=1e-6)
    assert flow.history[1].steps + flow.history[2].steps < 200


@pytest.mark.parametrize("tell", [True, False])
def test_a_source_in_second_order(tell):
    """Logistic growth of every cell on its own, with its derivative and without."""

    def source(x, u, t):
        S = u * (1 - u)
        return (S, 1 - 2 * u) if tell else S

    errors = [
        solve_balance_law(Volumes(2), lambda x, u, grad: 0 * grad, 0.1, [0, 2], source=source, dt=dt).error(
            lambda x: 1 / (1 + 9 * math.exp(-2)) + 0 * x[0]
        )
        for dt in (0.2, 0.1, 0.05)
    ]
    assert (orders(errors) > 1.8).all() and errors[-1] < 1e-4


def test_the_physical_flux_is_minus_what_a_closure_answers():
    closure = hmm.CellClosure(lambda x, y: (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0])), hmm.CellProblem(dim=1, n=16))
    flux, x = PhysicalFlux(closure), np.array([[0.0, 0.3, 0.7]])
    answer = flux(x, np.ones(3), np.full((1, 3), 2.0))
    np.testing.assert_allclose(answer.flux, -(1 + x), rtol=1e-12)
    np.testing.assert_allclose(answer.d_dgrad[0], -(1 + x) / 2, rtol=1e-12)
    assert answer.info["micro_solves"] == 3 and flux.dim == 1 and not hasattr(flux, "admissible")
    again = flux(x, np.ones(3), np.full((1, 3), 4.0), memory=answer.memory)
    np.testing.assert_allclose(again.flux, 2 * answer.flux)
    assert again.info["micro_solves"] == 0
    np.testing.assert_array_equal(flux.alike(x), closure.alike(x))
    assert pickle.loads(pickle.dumps(PhysicalFlux(hmm.ExactClosure(2.0))))(x, np.ones(3), x).flux[0, 1] == -0.6


def test_cells_conduct_as_their_effective_tensor():
    """A layered medium: the harmonic mean is what heat gets to feel; each face is asked once, and never again."""
    closure = hmm.CellClosure(lambda x, y: 1 / (2 + np.cos(2 * np.pi * y[0])), hmm.CellProblem(dim=1, n=16))
    flow = solve_balance_law(Volumes(32), PhysicalFlux(closure), heat(0), [0, 0.02, 0.05], tol=1e-4)
    exact = solve_balance_law(Volumes(32), PhysicalFlux(hmm.ExactClosure(0.5)), heat(0), [0, 0.02, 0.05], tol=1e-4)
    np.testing.assert_allclose(flow.averages, exact.averages, atol=1e-9)
    assert flow.micro_solves == 1 and flow.history[-1].asked > 500


# -- two dimensions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", ["traffic", "gas", "heat"])
def test_a_rectangle_repeats_the_line(axis, kind):
    n, ends = 30, ("left", "right") if axis == 0 else ("bottom", "top")
    others = dict.fromkeys(("bottom", "top") if axis == 0 else ("left", "right"), "periodic")

    def flat_traffic(x, u, grad):
        F, A = np.zeros((2, u.size)), np.zeros((2, u.size))
        F[axis], A[axis] = u * (1 - u), 1 - 2 * u
        return F, A, 0.0

    line, plane, boundary = {
        "traffic": (traffic, flat_traffic, 0.2),
        "gas": (GAS, GAS, "outflow"),
        "heat": (*[PhysicalFlux(hmm.ExactClosure(0.3))] * 2, "wall"),
    }[kind]
    one = solve_balance_law(
        Volumes(n), line, gas(*hmm.exact.SOD) if kind == "gas" else jump(0.2, 0.7), [0, 0.1], boundary=boundary
    )
    grid = Volumes((n, 4) if axis == 0 else (4, n), ((0, 1), (0, 1)))

    def embedded(U):
        if kind == "gas":
            U = np.stack([U[0], U[1], 0 * U[1], U[2]] if axis == 0 else [U[0], 0 * U[1], U[1], U[2]])
        return np.repeat(U[..., None] if axis == 0 else U[..., None, :], 4, axis=-1 if axis == 0 else -2)

    dt = 0.45 / n / 4 if kind == "gas" else None  # the other axis has its own, slower waves
    one = solve_balance_law(Volumes(n), line, one.averages[0], [0, 0.1], boundary=boundary, dt=dt)
    two = solve_balance_law(
        grid, plane, embedded(one.averages[0]), [0, 0.1], boundary=others | dict.fromkeys(ends, boundary), dt=dt
    )
    np.testing.assert_allclose(two.averages[-1], embedded(one.averages[-1]), atol=2e-14)


def test_an_oblique_wave_in_second_order():
    def flux(x, u, grad):
        return np.stack([u, u / 2])

    def exact(t):
        return lambda x: np.sin(2 * np.pi * (x[0] - t)) * np.cos(2 * np.pi * (x[1] - t / 2))

    errors = [
        solve_balance_law(Volumes((n, n), ((0, 1), (0, 1))), flux, exact(0), [0, 0.2]).error(exact(0.2))
        for n in (32, 64)
    ]
    assert (orders(errors) > 1.8).all() and errors[-1] < 6e-3


def test_anisotropic_heat():
    """Gradients along the faces count: a wave of heat in a tensor whose axes are not those of the grid."""
    A, k, errors = np.array([[1, 0.4], [0.4, 0.8]]), 2 * np.pi * np.array([1, -1]), []

    def exact(t):
        return lambda x: np.exp(-k @ A @ k * t) * np.cos(np.einsum("i,i...->...", k, x))

    for n in (16, 32):
        grid = Volumes((n, n), ((0, 1), (0, 1)))
        flow = solve_balance_law(grid, PhysicalFlux(hmm.ExactClosure(A)), exact(0), [0, 0.02], dt=0.016 / n)
        errors.append(flow.error(exact(0.02)))
    assert (orders(errors) > 1.8).all() and errors[-1] < 2e-3


def test_a_blast_in_a_box_is_symmetric():
    grid = Volumes((12, 12), ((0, 1), (0, 1)))
    walls = {
        side: ("wall", (1, -1, 1, 1) if side in ("left", "right") else (1, 1, -1, 1))
        for side in ("left", "right", "bottom", "top")
    }
    flow = solve_balance_law(
        grid,
        GAS,
        lambda x: GAS.conserved(1 + 0 * x[0], 0 * x, np.where((x**2).sum(axis=0) < 0.2, 10.0, 0.1)),
        [0, 0.4],
        boundary=walls,
    )
    U = flow.averages[-1]
    np.testing.assert_allclose(U[0], U[0].T, atol=1e-13)
    np.testing.assert_allclose(U[1], U[2].T, atol=1e-13)
    np.testing.assert_allclose(flow.mass()[1, [0, 3]], flow.mass()[0, [0, 3]], rtol=1e-13)


# -- noise ---------------------------------------------------------------------------------------------------------------


class Noisy:
    """A flux with fresh errors in every answer."""

    def __init__(self, flux, size, seed):
        self.flux, self.size, self.rng = flux, size, np.random.default_rng(seed)

    def __call__(self, x, u, grad):
        flux, d_du, d_dgrad = self.flux(x, u, grad)
        return Answer(
            flux + self.size * self.rng.standard_normal(flux.shape), d_du, d_dgrad, np.full_like(flux, self.size)
        )


def conducting(x, u, grad):
    return -0.05 * grad, 0.0, -0.05 * np.eye(1)


def gentle(x):
    return 0.3 + 0.2 * np.sin(2 * np.pi * x[0])


NOISY = {
    "fan": (traffic, gentle, 0.01, None),
    "shock": (traffic, jump(0.2, 0.7), 3e-3, None),
    "heat": (conducting, heat(0), 0.02, 0.01),
}


@pytest.mark.parametrize(("flux", "initial", "size", "dt"), NOISY.values(), ids=NOISY)
def test_the_band_is_the_spread_of_independent_runs(flux, initial, size, dt):
    """Forty runs with other errors, against what one run tells of itself."""
    grid, times, options = Volumes(30), [0, 0.1, 0.2], {"boundary": "outflow", "dt": dt}
    runs = [solve_balance_law(grid, Noisy(flux, size, s), initial, times, replicas=0, **options) for s in range(40)]
    assert runs[0].stderr is None
    flow = solve_balance_law(grid, Noisy(flux, size, 100), initial, times, replicas=32, **options)
    assert not flow.stderr[0].any() and flow.stderr.shape == flow.averages.shape
    for k in (1, 2):
        spread = np.std([run.averages[k] for run in runs], axis=0)
        assert np.sqrt((flow.stderr[k] ** 2).mean() / (spread**2).mean()) == pytest.approx(1, abs=0.25)


def test_replicas_conserve_mass_and_go_on(tmp_path):
    grid = Volumes(20)
    flow = solve_balance_law(grid, Noisy(traffic, 0.01, 0), jump(0.2, 0.7), [0, 0.1, 0.2])
    np.testing.assert_allclose(flow.replicas.sum(axis=(1, 2)), flow.averages[-1].sum(), rtol=1e-13)
    flow.save(tmp_path / "flow.npz")
    again = Flow.load(tmp_path / "flow.npz")
    np.testing.assert_array_equal(again.replicas, flow.replicas)
    np.testing.assert_array_equal(again.stderr, flow.stderr)


def test_a_noisy_table_gives_the_band_of_its_nodes():
    """Other tables, of other noise, against what one table tells of errors of the law that last from step to step."""
    grid = Volumes(20)

    def table(seed):
        def law(x, u, grad):
            noise = [np.random.default_rng([seed, int(v * 2**40)]).standard_normal() for v in u]
            flux, d_du, _ = traffic(x, u, grad)
            return Answer(
                flux + 5e-3 * np.array(noise), d_du, 0.0, np.full_like(flux, 5e-3), info={"micro_solves": len(u)}
            )

        class Law:
            __call__ = staticmethod(law)

        return hmm.TableClosure(Law(), u=(0, 1), tol=1e-3, slopes=False)

    runs = [solve_balance_law(grid, table(seed), gentle, [0, 0.2], replicas=0) for seed in range(40)]
    spread = np.sqrt((np.std([run.averages[1] for run in runs], axis=0) ** 2).mean())
    bands = []
    for seed in range(3):
        flow = solve_balance_law(grid, table(seed), gentle, [0, 0.2], replicas=16)
        assert flow.micro_solves == runs[seed].micro_solves
        bands.append((flow.stderr[1] ** 2).mean())
    assert np.sqrt(np.mean(bands)) == pytest.approx(spread, rel=0.3)


# -- the flow, its file, and going on ------------------------------------------------------------------------------------


def test_the_flow_at_points():
    grid = Volumes((10, 20), ((0, 1), (0, 4)))
    flow = Flow(np.array([0.0]), (grid.centres[0] + 3 * grid.centres[1])[None], grid)
    points = np.random.default_rng(0).uniform([[[0.1]], [[0.2]]], [[[0.9]], [[3.8]]], (2, 5, 3))
    np.testing.assert_allclose(flow.at(points, 0.0), points[0] + 3 * points[1], atol=1e-13)
    assert flow.at([1.0, 4.0], 0.0).shape == () and flow.error(lambda x: x[0] + 3 * x[1], "max", t=0) < 1e-13
    assert (
        flow.error(lambda x: x[0] + 3 * x[1] + 1)
        == pytest.approx(4)
        == 2 * flow.error(lambda x: x[0] + 3 * x[1] + 1, "L2")
    )
    with pytest.raises(ValueError, match="outside"):
        flow.at([1.2, 0.5], 0.0)
    with pytest.raises(ValueError, match=r"t=0\.1 is none of the times"):
        flow.at([0.5, 0.5], 0.1)
    with pytest.raises(ValueError, match="norm"):
        flow.error(lambda x: x[0], "H1")
    with pytest.raises(ValueError, match="shape"):
        flow.error(np.zeros(3))


@pytest.mark.parametrize("kind", ["waves", "heat", "memory"])
def test_what_was_interrupted_goes_on_to_the_same_numbers(kind, tmp_path):
    times, cell = [0, 0.02, 0.05], hmm.CellProblem(dim=1, n=8)
    flux = {
        "waves": traffic,
        "heat": PhysicalFlux(hmm.ExactClosure(lambda x, u: 1 + u**2)),
        "memory": PhysicalFlux(hmm.CellClosure(lambda x, y: (1 + x[0]) / (2 + np.cos(2 * np.pi * y[0])), cell)),
    }[kind]
    options = {"boundary": {"left": 0.2, "right": 0.5}, "source": None if kind == "waves" else lambda x, u, t: t - u}
    whole = solve_balance_law(Volumes(30), flux, jump(0.2, 0.7), times, **options)

    class Stops:
        """Ctrl-C in the middle of a question."""

        dim, left = 1, 4 if kind == "waves" else 12

        def __call__(self, x, u, grad, memory=None, tol=None, t=None):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return hmm.closure.ask(flux, x, u, grad, memory, tol, t)

    with pytest.raises(KeyboardInterrupt) as stop:
        solve_balance_law(Volumes(30), Stops(), jump(0.2, 0.7), times, **options)
    unfinished = stop.value.unfinished
    unfinished.save(tmp_path / "flow.npz")
    again = Flow.load(tmp_path / "flow.npz")
    assert 0 < again.times[-1] < 0.05 and again.history == unfinished.history
    rest = solve_balance_law(Volumes(30), flux, again, times, **options)
    np.testing.assert_array_equal(rest.averages[-1], whole.averages[-1])
    assert sum(s.steps for s in rest.history) == sum(s.steps for s in whole.history)
    assert rest.micro_solves == whole.micro_solves


def test_the_file_is_written_whole_at_every_time(tmp_path):
    path = tmp_path / "flow.npz"
    flow = solve_balance_law(Volumes((4, 5), ((0, 1), (0, 2))), burgers, wave, [0, 0.1, 0.2], path=path)
    again = Flow.load(path)
    np.testing.assert_array_equal(again.averages, flow.averages)
    assert again.grid == flow.grid and again.history == flow.history and again.times.tolist() == [0, 0.1, 0.2]
    assert [p.name for p in tmp_path.iterdir()] == ["flow.npz"]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="does not hold a flow"):
        Flow.load(path)
    with pytest.raises(ValueError, match=r"\.npz"):
        flow.save(tmp_path / "flow.txt")
    with pytest.raises(FileNotFoundError, match="no folder"):
        flow.save(tmp_path / "nowhere" / "flow.npz")


def test_workers_change_nothing(capsys):
    serial = solve_balance_law(Volumes(20), traffic, jump(0.2, 0.7), [0, 0.1], boundary="outflow")
    with ThreadPoolExecutor(2) as executor:
        threads = solve_balance_law(
            Volumes(20), traffic, jump(0.2, 0.7), [0, 0.1], boundary="outflow", executor=executor, progress=True
        )
    np.testing.assert_array_equal(threads.averages, serial.averages)
    assert "100%" in capsys.readouterr().err


# -- what is refused -----------------------------------------------------------------------------------------------------


def test_a_step_beyond_the_CFL_number_says_what_is_allowed():
    with pytest.raises(
        ValueError, match=r"dt=0\.02: at t=0\.0 .* CFL number of 4, but cfl=0\.45; at most dt=0\.00225 is"
    ):
        solve_balance_law(Volumes(100), burgers, wave, [0, 0.1], dt=0.02)
    with pytest.raises(ValueError, match="CFL") as late:  # waves that grow faster on the way
        solve_balance_law(Volumes(50), burgers, wave, [0, 0.05, 1.0], source=lambda x, u: 0 * u + 2, dt=0.003)
    unfinished = late.value.unfinished
    assert 0.05 < unfinished.times[-1] < 1 and f"t={unfinished.times[-1]}" in str(late.value)


@dataclass(frozen=True)
class OnlyBelow:
    top: float = 1.0

    def __call__(self, x, u, grad):
        if u.max() > self.top:
            k = int(u.argmax())
            raise RefusedState(f"density {u[k]} at x={x[:, k].tolist()} is above {self.top}")
        return u[None], np.ones_like(grad), 0.0


def test_a_refused_state_names_time_and_place_and_keeps_what_was_computed():
    with pytest.raises(RefusedState, match=r"at t=0\.4\d+: density .* at x=\[.* is above 1\.0") as refused:
        solve_balance_law(Volumes(20), OnlyBelow(), 0.6, [0, 0.1, 1.0], source=lambda x, u: 1.0 + 0 * u)
    unfinished = refused.value.unfinished
    assert unfinished.times[1] == 0.1 and 0.35 < unfinished.times[-1] < 0.45
    np.testing.assert_allclose(unfinished.averages[-1], 0.6 + unfinished.times[-1], rtol=1e-12)


def test_a_state_that_is_not_finite_names_time_and_place():
    with pytest.raises(RefusedState, match=r"at t=9\.0[0-9]*: U = \[nan\] at x=\[0\.05\]: it must be finite") as blown:
        solve_balance_law(
            Volumes(10), lambda x, u, grad: u[None], 0.0, [0, 0.5, 30.0], source=lambda x, u: 1e307 + 0 * u, dt=0.04
        )
    assert 8.9 < blown.value.unfinished.times[-1] < 9.1
    with pytest.raises(ValueError, match=r"at t=0\.0: .*x=\[0\.5\].*finite"):
        solve_balance_law(Volumes(10), lambda x, u, grad: np.where(x < 0.5, u, np.nan), 1.0, [0, 1])


GRID = Volumes(10)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((10, burgers, wave, [0, 1]), {}, "grid"),
        ((GRID, 3.0, wave, [0, 1]), {}, "flux"),
        ((GRID, burgers, wave, [0, 1], 3.0), {}, "source"),
        ((GRID, burgers, wave, [0, 1, 1]), {}, "increase"),
        ((GRID, burgers, wave, [0, np.nan]), {}, "times"),
        ((GRID, burgers, wave, []), {}, "times"),
        ((GRID, burgers, np.ones(9), [0, 1]), {}, r"initial has shape \(9,\)"),
        ((GRID, burgers, np.full(10, np.nan), [0, 1]), {}, "initial"),
        ((GRID, burgers, "wave", [0, 1]), {}, "initial"),
        ((GRID, burgers, lambda x: x[0, :3], [0, 1]), {}, "initial returned shape"),
        ((GRID, burgers, lambda x: np.log(x[0] - 2 + 0j), [0, 1]), {}, "real numbers"),
        ((GRID, burgers, Flow(np.zeros(1), np.ones((1, 9)), Volumes(9)), [0, 1]), {}, "is a flow on"),
        ((GRID, PhysicalFlux(hmm.ExactClosure(np.eye(2))), wave, [0, 1]), {}, "made for 2D"),
        ((GRID, hmm.ExactClosure(0.7), wave, [0, 1]), {}, r"runs up the gradient.* PhysicalFlux\(closure\)"),
        ((GRID, burgers, wave, [0, 1]), {"cfl": 1.5}, "cfl"),
        ((GRID, burgers, wave, [0, 1]), {"tol": 0.0}, "tol"),
        ((GRID, burgers, wave, [0, 1]), {"dt": -1.0}, "dt"),
        ((GRID, burgers, wave, [0, 1]), {"limiter": "superbee"}, "limiter"),
        ((GRID, burgers, wave, [0, 1]), {"riemann": "roe"}, "riemann"),
        ((GRID, burgers, wave, [0, 1]), {"replicas": 33}, "replicas"),
        ((GRID, burgers, wave, [0, 1]), {"path": "flow.txt"}, "npz"),
        ((GRID, burgers, wave, [0, 1]), {"boundary": {"left": 1.0}}, "sides are left, right"),
        ((GRID, burgers, wave, [0, 1]), {"boundary": {"left": "periodic", "right": 1.0}}, "together"),
        ((GRID, burgers, wave, [0, 1]), {"boundary": "open"}, "outflow"),
        ((GRID, burgers, wave, [0, 1]), {"boundary": np.nan}, "boundary"),
        ((GRID, burgers, wave, [0, 1]), {"boundary": [1.0, 2.0]}, "boundary"),
        ((GRID, burgers, wave, [0, 1]), {"boundary": lambda x, t: np.nan}, "boundary"),
        ((GRID, GAS, gas(*hmm.exact.SOD), [0, 1]), {"boundary": "wall"}, r"say \('wall'"),
        ((GRID, GAS, gas(*hmm.exact.SOD), [0, 1]), {"boundary": ("wall", (1, -1))}, "3 signs"),
        ((GRID, GAS, wave, [0, 1]), {}, "components"),
        ((GRID, lambda x, u, grad: u, wave, [0, 1]), {}, r"flux has shape \(20,\)"),
        ((GRID, burgers, wave, [0, 1]), {"source": lambda x, u: u[:3]}, "source at t=0.0 returned shape"),
    ],
)
def test_bad_input(arguments, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        solve_balance_law(*arguments, **options)


@pytest.mark.parametrize(
    "cells, domain",
    [(1, (0, 1)), (2.5, (0, 1)), (4, (1, 0)), (4, ((0, 1), (0, 1))), ((4, 4), (0, 1)), ((2,) * 3, ((0, 1),) * 3)],
)
def test_bad_grids(cells, domain):
    with pytest.raises((ValueError, TypeError), match=r"cells|domain"):
        Volumes(cells, domain)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hmm.exact.EulerRiemann((0, 0, 1), (1, 0, 1)), "left"),
        (lambda: hmm.exact.EulerRiemann((1, 0, 1), (1, 0, -1)), "right"),
        (lambda: hmm.exact.EulerRiemann((1, -10, 1), (1, 10, 1)), "vacuum"),
        (lambda: hmm.exact.EulerFlux(1.0), "gamma"),
        (lambda: hmm.exact.ScalarRiemann(np.sin, np.cos, -2.0, 2.0), "monotone"),
        (lambda: PhysicalFlux(3.0), "closure"),
    ],
)
def test_bad_closed_forms(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
