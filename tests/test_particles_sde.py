"""Stochastic differential equations and velocity jumps against closed forms: averages, their order in the step, start-up, drift.

What is random is held against ``fair`` (tests/fairness.py).
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from fairness import FAR, chance, fair
from numpy.polynomial.hermite_e import hermegauss
from scipy.sparse import csr_matrix

import hmm_core as hmm
from hmm_core.micro.particles import STRETCH, DoubleWell, Dumbbells, Langevin, Relaxation, RunAndTumble
from hmm_core.micro.sampled_law import RefusedState


def rng(seed=5):
    return np.random.default_rng(seed)


def watch(model, u=0.0, grad=0.0, points=200, **options):
    closure = hmm.TrajectoryClosure(model, rng(), **{"replicas": 4, "budget": 20.0 * model.block} | options)
    x = np.linspace(0, 1, points * model.dim).reshape(model.dim, points)
    slope = np.broadcast_to(np.reshape(grad, (-1, 1)), x.shape)
    return closure.measure(x, np.full(points, u), slope)


def means(told, what="flux"):
    estimates = told.flux if what == "flux" else told.slopes[what]
    return np.array([e.mean for e in estimates]).squeeze()


# -- a fast variable ----------------------------------------------------------------------------------------------------------


def minus_cube(u, y):
    return -(y**3)


def position(u, y):
    return y


def variance(u, y):
    return (y - u) ** 2


def square(u, y):
    return y * y


def fourth(u, y):
    return y**4


def rippled(u, y):
    """-V', V = y^2/2 + cos 2y."""
    return 2 * np.sin(2 * y) - y


def gibbs(f, u, temperature=0.5, height=1.0):
    y = np.linspace(-4, 4, 8001)
    w = np.exp(-(height * (y * y - 1) ** 2 - u * y) / temperature)
    return (w * f(u, y)).sum() / w.sum()


def test_reference_24_the_averaged_drift():
    """-E[Y^3] = -(u^3 + 3/2 u) of a normal law of variance 1/2 about u; what its start is wrong by is cut off."""
    told = watch(Langevin(minus_cube, begin=1.0), u=0.8, budget=60.0)
    assert fair(means(told), -(0.8**3 + 1.5 * 0.8)) < FAR
    assert fair(means(told, "u"), -(3 * 0.8**2 + 0.02**2 + 1.5)) < FAR


@pytest.mark.parametrize("dt", [0.1, 0.5, 1.0])
def test_a_linear_drift_has_its_variance_whatever_the_step(dt):
    told = watch(Langevin(variance, Relaxation(1.0), dt=dt, block=10.0, begin=0.5), u=0.5, budget=200.0)
    late = np.array([s[0, :, 4:].mean() for s in told.series])  # what the start has left behind
    assert fair(late, 0.5) < FAR < fair(late, 0.5 + 0.5 * late.std())


def discrete_mean(model, f):
    """E[f(0, Y)] of the scheme itself: z = y - s xi, s = (T dt/2)^(1/2), is a Markov chain; its transitions by quadrature."""
    z, (xi, weight) = np.linspace(-2.6, 2.6, 1601), hermegauss(31)
    weight = weight / weight.sum()
    s = math.sqrt(0.5 * model.temperature * model.dt)
    y = (z[:, None] + s * xi).ravel()
    state = {"u": np.zeros(y.size), "y": y, "xi": np.tile(xi, z.size)}
    place = (np.clip(model.step(state, np.zeros((1, y.size)))["y"], -2.599, 2.599) + 2.6) / (z[1] - z[0])
    low, rows, part = np.floor(place).astype(int), np.repeat(np.arange(z.size), xi.size), place - np.floor(place)
    share = np.tile(weight, z.size)
    entries = np.concatenate([share * (1 - part), share * part])
    P = csr_matrix((entries, (np.tile(rows, 2), np.concatenate([low, low + 1]))), (z.size, z.size)).T
    p = np.full(z.size, 1 / z.size)
    for _ in range(int(60 / model.dt)):
        p = P @ p
    return p @ (f(0.0, y).reshape(z.size, xi.size) @ weight)


def test_the_error_of_the_mean_is_of_second_order_in_the_step():
    y = np.linspace(-3, 3, 6001)
    w = np.exp(-(y * y / 2 + np.cos(2 * y)) / 0.25)
    exact = (w * y**4).sum() / w.sum()
    models = [Langevin(fourth, rippled, temperature=0.25, dt=dt) for dt in (0.1, 0.05)]
    coarse, fine = (discrete_mean(model, fourth) - exact for model in models)
    assert math.log2(coarse / fine) == pytest.approx(2.0, abs=0.25)


def test_a_trajectory_has_the_mean_of_the_scheme():
    """Wrong by the step, and by nothing else: the double well at dt = 0.1."""
    model = Langevin(square, DoubleWell(), dt=0.1, block=20.0, begin=1.0)
    told = watch(model, replicas=6, budget=220.0)
    late = np.array([s[0, :, 1:].mean() for s in told.series])
    assert fair(late, discrete_mean(model, square)) < FAR < fair(late, gibbs(square, 0.0))


def test_a_tilted_double_well_is_averaged():
    told = watch(Langevin(position, DoubleWell(0.5), dt=0.02, block=2.0), u=0.2, budget=80.0)
    late = np.array([s[0, :, 10:].mean() for s in told.series])
    assert fair(late, gibbs(position, 0.2, height=0.5)) < FAR


def test_a_bias_dies_as_the_process_forgets():
    """E[Y] = u + (y0 - u) e^(-t), averaged over blocks."""
    model = Langevin(position, dt=0.02, block=0.5, begin=4.0)
    told = watch(model, u=1.0, budget=5.0)
    path = np.array([s[0].mean(axis=0) for s in told.series])
    t = 0.5 * np.arange(11)
    exact = 1 + 3 * (np.exp(-t[:-1]) - np.exp(-t[1:])) / 0.5
    assert fair(path, exact).max() < FAR + 1  # dt/2 of a start that is 3 off, and ten of them
    slope = np.polyfit(t[1:6], np.log(path.mean(axis=0)[:5] - 1), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.06)


def test_a_slow_double_well_says_that_it_is_slow():
    """At height 4 T the wells are changed once in e^4: tau grows, and fewer samples are worth anything."""
    fast, slow = (
        watch(Langevin(position, DoubleWell(h), dt=0.02, block=2.0), points=4, budget=800.0) for h in (0.2, 2.0)
    )
    tau = [np.mean([e.tau for e in told.flux]) for told in (fast, slow)]
    assert tau[1] > 4 * tau[0]
    assert np.mean([e.effective for e in slow.flux]) < 0.25 * np.mean([e.effective for e in fast.flux])


# -- dumbbells ------------------------------------------------------------------------------------------------------------------


def hooke_moments(dt, rate):
    """<QQ> that the discrete scheme has at last in a shear flow: its step is linear in Q and xi."""
    model = Dumbbells(dt=dt, block=1.0)
    state = {"rate": np.full(3, rate)}
    A = model.step(state | {"Q": np.eye(3)}, np.zeros((3, 3)))["Q"].T
    B = model.step(state | {"Q": np.zeros((3, 3))}, np.eye(3))["Q"].T
    C = np.eye(3)
    for _ in range(int(60 / dt)):
        C = A @ C @ A.T + B @ B.T
    return C


def test_hookean_dumbbells_are_oldroyd_b_to_second_order():
    """Steady shear: <QQ> = 1 + lambda rate (e_x e_y + e_y e_x) + 2 (lambda rate)^2 e_x e_x."""
    exact = np.array([[1 + 2 * 1.5**2, 1.5, 0], [1.5, 1, 0], [0, 0, 1]])
    errors = [np.abs(hooke_moments(dt, 1.5) - exact).max() for dt in (0.2, 0.1, 0.05)]
    np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 2.0, atol=0.15)


def test_start_up_of_shear_is_that_of_oldroyd_b():
    """tau_xy = n k T lambda rate (1 - e^(-t/lambda)), averaged over each block; the last normal stress difference."""
    model = Dumbbells(relaxation=0.5, modulus=3.0, block=0.1, dt=0.01)
    told = watch(model, grad=2.0, budget=2.0, replicas=20)
    path = np.array([s[0].mean(axis=0) for s in told.series])
    t = 0.1 * np.arange(21)
    exact = -3.0 * 0.5 * 2.0 * (1 + 0.5 * (np.exp(-t[1:] / 0.5) - np.exp(-t[:-1] / 0.5)) / 0.1)
    assert fair(path, exact).max() < FAR + 0.5  # of twenty blocks
    Q = np.moveaxis(told.memory["Q"], -1, 0)[:, 0]  # points, replicas, 3
    stress = model.stress(Q).mean(axis=1)
    W, s = 1.0, 2.0 / 0.5  # rate lambda, t/lambda
    first = 2 * 3.0 * W**2 * (1 - math.exp(-s) * (1 + s))
    assert fair(stress[:, 0, 0] - stress[:, 1, 1], first) < FAR


def test_start_up_of_stretching_is_that_of_oldroyd_b():
    """<Q_i Q_i> of kappa = rate diag(1, -1/2, -1/2): linear equations, one by one."""
    model = Dumbbells(flow=STRETCH, block=0.25, dt=0.01)
    rate, t = 0.3, 1.5
    told = watch(model, grad=rate, budget=t, replicas=20)
    Q = np.moveaxis(told.memory["Q"], -1, 0)[:, 0]
    stress = model.stress(Q).mean(axis=1)
    for i, k in enumerate((rate, -rate / 2, -rate / 2)):
        last = 1 / (1 - 2 * k)
        assert fair(stress[:, i, i], last + (1 - last) * math.exp(-(1 - 2 * k) * t) - 1) < FAR


def test_fene_equilibrium_is_drawn_and_kept():
    """<Q F> = 1 and <Q^2> = 3 b/(b + 5)."""
    model = Dumbbells(b=12.0, dt=0.05, block=2.0)
    first = model.start(np.zeros((1, 4000)), np.zeros(4000), np.zeros((1, 4000)), chance(4000, 1))
    assert fair((first["Q"] ** 2).sum(axis=1), 3 * 12 / 17) < FAR
    assert fair(np.trace(model.stress(first["Q"]), axis1=-2, axis2=-1), 0.0) < FAR
    later, _ = model.run(first, chance(4000, 1, block=1))
    assert fair((later["Q"] ** 2).sum(axis=1), 3 * 12 / 17) < FAR
    assert ((later["Q"] ** 2).sum(axis=1) < 12).all()


def test_fene_viscosity_near_rest_and_thinning():
    """b/(b + 5) near rest, less and less the faster the flow; two expressions of one stress (Kramers, Giesekus) agree."""
    near = watch(Dumbbells(b=20.0, dt=0.05), grad=0.0, budget=8.0, replicas=8)
    late = means(near, "grad0")
    assert fair(late, -20 / 25) < FAR
    viscosity = []
    for rate in (1.0, 4.0, 16.0):
        model = Dumbbells(b=20.0, dt=0.1 / rate, block=0.5)
        told = watch(model, grad=rate, points=200, budget=5.0, replicas=2)
        viscosity.append(-means(told).mean() / rate)
        Q = np.moveaxis(told.memory["Q"], -1, 0)[:, 0].reshape(-1, 3)
        tau_xy = model.stress(Q)[:, 0, 1]
        assert fair(tau_xy - rate * Q[:, 1] ** 2, 0.0) < FAR
    assert 0.8 > viscosity[0] > viscosity[1] + 0.1 > viscosity[2] + 0.2
    assert -1 < math.log(viscosity[2] / viscosity[1]) / math.log(4) < -0.3


def test_no_step_takes_a_fene_spring_beyond_its_extension():
    model = Dumbbells(b=5.0, dt=0.5, block=0.5)
    wild = rng().standard_normal((2000, 3))
    wild *= (math.sqrt(5) * rng().random((2000, 1)) / np.linalg.norm(wild, axis=1, keepdims=True)) * (1 - 1e-9)
    after = model.step({"rate": np.full(2000, 100.0), "Q": wild}, 10 * rng().standard_normal((3, 2000)))["Q"]
    assert ((after**2).sum(axis=1) < 5).all()
    gentle = rng().standard_normal((2000, 3)) * 0.3
    c = 0.5 / 4
    solved = model._relaxed(gentle)
    h = model.stiffness(solved)[:, None]
    np.testing.assert_allclose((1 + c * h) * solved, gentle, rtol=1e-11, atol=1e-13)


def test_a_flow_goes_on_from_the_state_that_is_kept():
    """Macro steps of two blocks each follow the start-up; begun anew, each sees its beginning only."""
    x, W = np.linspace(0, 1, 60)[None], np.ones((1, 60))
    last = {}
    for keep in ("state", "nothing"):
        closure = hmm.TrajectoryClosure(Dumbbells(block=0.1), rng(), budget=0.4, replicas=20, keep=keep)
        memory = None
        for _ in range(8):
            answer = closure(x, np.zeros(60), W, memory)
            memory = answer.memory
        last[keep] = answer.flux[0].mean()
    t = 8 * 0.4
    assert last["state"] == pytest.approx(1 - math.exp(-t), abs=0.1)
    assert last["nothing"] < 0.35


# -- run and tumble -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "drift", "diffusion"),
    [
        (RunAndTumble(speed=2.0, rate=3.0, block=4.0), [0.0], [[4 / 3]]),
        (RunAndTumble(speed=2.0, rate=3.0, bias=(0.5,), block=4.0), [1.0], [[4 / 3 * 0.75]]),
        (RunAndTumble(speed=2.0, rate=3.0, dim=2, block=4.0), [0.0, 0.0], np.eye(2) * 4 / 6),
        (RunAndTumble(dim=2, bias=(0.3, 0.4)), 2 * (1 - math.sqrt(0.75)) * np.array([0.6, 0.8]), None),
        (RunAndTumble(speed=0.5, rate=2.0, dim=3, block=5.0), [0.0, 0.0, 0.0], np.eye(3) * 0.25 / 6),
    ],
    ids=["1D", "1D up a gradient", "2D", "2D up a gradient", "3D"],
)
def test_drift_and_diffusivity_in_closed_form(model, drift, diffusion):
    told = watch(model, u=0.7, grad=0.0 if diffusion is None else 1.5, budget=8 * model.block)
    flux = means(told).reshape(200, -1)
    grad = np.full(model.dim, 1.5)
    exact = 0.7 * np.array(drift) - (0 if diffusion is None else np.array(diffusion) @ grad)
    assert fair(flux, exact).max() < FAR + 0.3
    assert fair(flux, exact + 0.5 * flux.std(axis=0)).min() > FAR
    if diffusion is not None:
        for j in range(model.dim):
            assert fair(means(told, f"grad{j}").reshape(200, -1), -np.array(diffusion)[j]).max() < FAR + 0.3
    assert fair(means(told, "u").reshape(200, -1), np.array(drift)).max() < FAR + 0.3 or not np.any(drift)


def upward(x):
    return 0.8 * x


def test_a_bias_may_depend_on_the_place():
    """V(x) = v a(x) in one dimension."""
    closure = hmm.TrajectoryClosure(RunAndTumble(bias=upward), rng(), budget=4000.0)
    x = np.linspace(0, 1, 5)[None]
    answer = closure(x, np.ones(5), np.zeros((1, 5)))
    assert np.abs((answer.flux[0] + 0.8 * x[0]) / answer.stderr[0]).max() < FAR
    with pytest.raises(RefusedState, match=r"bias has \|a\|=1\.6 at x=\[2\.0\]"):
        closure(np.full((1, 1), 2.0), np.ones(1), np.zeros((1, 1)))


# -- what is refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Langevin(position, dt=0.0), ValueError, "dt=0.0"),
        (lambda: Langevin(position, dt=2.0), ValueError, "must not exceed the block of 1.0"),
        (lambda: Langevin(position, temperature=-1.0), ValueError, "temperature=-1.0"),
        (lambda: Langevin("y"), TypeError, "flux='y'"),
        (lambda: Langevin(position, drift=1.0), TypeError, "drift=1.0"),
        (lambda: Relaxation(math.nan), ValueError, "rate=nan"),
        (lambda: DoubleWell(0.0), ValueError, "height=0.0"),
        (lambda: Dumbbells(b=0.0), ValueError, "b=0.0"),
        (lambda: Dumbbells(b=math.nan), ValueError, "b=nan"),
        (lambda: Dumbbells(relaxation=math.inf), ValueError, "relaxation=inf"),
        (lambda: Dumbbells(flow=((1, 0, 0), (0, 0, 0), (0, 0, 0))), ValueError, "without a trace"),
        (lambda: Dumbbells(b=9.0).stiffness(np.array([[3.0, 0, 0]])), ValueError, "b=9.0 cannot be extended so far"),
        (lambda: RunAndTumble(speed=0.0), ValueError, "speed=0.0"),
        (lambda: RunAndTumble(rate=-1.0), ValueError, "rate=-1.0"),
        (lambda: RunAndTumble(dim=4), ValueError, "dim=4"),
        (lambda: RunAndTumble(dim=2, bias=(0.1,)), ValueError, "must be 2 numbers"),
        (lambda: RunAndTumble(block=4.0), ValueError, "nothing has mixed"),
    ],
)
def test_bad_descriptions_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_state_beyond_the_extension_is_refused():
    model = replace(Dumbbells(), b=4.0)
    stretched = {"Q": np.full((6, 3), 1.2)}
    with pytest.raises(ValueError, match="cannot be extended so far"):
        model.start(np.zeros((1, 6)), np.zeros(6), np.zeros((1, 6)), chance(6, 1), stretched)


def test_a_step_that_is_too_large_is_refused():
    with pytest.raises(RefusedState, match=r"dt=1\.0 is too large"):
        watch(Langevin(position, DoubleWell(5.0), dt=1.0, block=20.0, begin=3.0), points=2, budget=80.0)
