"""Scales in time: an average force that is asked for, against averaged equations in closed form and both variables resolved."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import hmm_core as hmm
from hmm_core.compare import projective, resolve_scales
from hmm_core.macro.averaging import AveragedForce

SDE_TIMES, SDE_X = [0.5, 1.0, 2.0, 4.0], [0.632605847265, 0.204125307649, -0.178856340072, -0.382097645057]


def turning(x, y):
    """On the unit circle, at the angular speed 1 + x^2: y_0^2 is 1/2 on average."""
    speed = 1 + x[0] ** 2
    return np.stack([speed * y[1], -speed * y[0]])


def driven(x, y, t):
    """With <y_0^2> = 1/2, dX/dt = 1 - X."""
    return -x + 2 * y[:1] ** 2


def circle(**changes):
    return hmm.FastProcess(turning, [1.0, 0.0], **{"step": 0.05, "window": 20.0, "kernel": ("smooth", 3)} | changes)


def relaxing(**changes):
    """y -> x^2 at rate 1."""
    return hmm.FastProcess(lambda x, y: x[:1] ** 2 - y, [3.0], **{"step": 0.1, "window": 0.1, "settle": 30.0} | changes)


def followed(x, y, t):
    return -y


def ornstein(**changes):
    """Stationary law N(x, 1/2)."""
    return hmm.FastProcess(
        lambda x, y: x - y, [1.0], **{"step": 0.1, "window": 2.0, "noise": 1.0, "replicas": 50} | changes
    )


def cubic(x, y, t):
    return -(y**3) + np.sin(np.pi * t) + np.cos(np.sqrt(2) * np.pi * t)


EXACT_RELAXED = 1 / 2  # dX/dt = -X^2, X(0) = 1, at t = 1


# -- the deterministic cases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "order"), [("box", 1), (("smooth", 1), 2), (("smooth", 2), 3), (("smooth", 3), 4)])
def test_a_kernel_of_order_q_forgets_an_oscillation_like_the_window_to_the_minus_q_plus_1(kernel, order):
    """The largest error over windows of 4 and of 16 periods and a fraction."""

    def largest(periods):
        errors = []
        for fraction in np.linspace(0, 1, 9)[:-1]:
            fast = circle(step=0.05, window=(periods + fraction) * np.pi, kernel=kernel)  # y_0^2 has the period pi
            errors.append(abs(AveragedForce(driven, fast)(np.zeros(1), 0.0, fast.start[:, None], None)[0].F[0] - 1.0))
        return max(errors)

    assert np.log(largest(16) / largest(4)) / np.log(16.5 / 4.5) == pytest.approx(-order, abs=0.25)


def test_the_average_of_an_oscillator_drives_the_slow_variable():
    found = hmm.solve_averaged(driven, circle(window=40.0, step=0.1), 0.0, [0, 1, 2], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.x[0], 1 - np.exp(-found.times), atol=1e-4)
    np.testing.assert_allclose(found.at(1.5)[0], 1 - np.exp(-1.5), atol=1e-4)
    assert found.fast_time == pytest.approx(40 * len(found.history))


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_methods_with_a_given_step_have_their_order(method, order):
    errors = [
        abs(hmm.solve_averaged(followed, relaxing(), 1.0, [0, 1], method=method, step=h, keep="nothing").x[0, -1] - 0.5)
        for h in (0.2, 0.1)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_averaging_is_right_to_first_order_in_eps():
    """Both variables resolved, against the averaged equation: the distance halves with eps."""
    gap = []
    for eps in (0.02, 0.01):
        fast = hmm.FastProcess(lambda x, y: x[:1] ** 2 - y, [1.0], 0.1, 1.0)
        gap.append(abs(resolve_scales(followed, fast, eps, 1.0, [0, 1]).x[0, -1] - EXACT_RELAXED))
    assert np.log2(gap[0] / gap[1]) == pytest.approx(1, abs=0.1)


def test_resolving_agrees_with_a_stiff_integrator():
    eps = 0.05
    fast = hmm.FastProcess(lambda x, y: x[:1] ** 2 - y, [3.0], 0.02, 1.0)
    mine = resolve_scales(followed, fast, eps, 1.0, [0, 0.5, 1.0])
    stiff = solve_ivp(
        lambda t, z: [-z[1], (z[0] ** 2 - z[1]) / eps], (0, 1), [1.0, 3.0], "Radau", [0, 0.5, 1], rtol=1e-9
    )
    np.testing.assert_allclose(mine.x[0], stiff.y[0], atol=2e-6)


def test_projective_integration_leaps_over_a_relaxation_at_first_order():
    fast = hmm.FastProcess(lambda x, y: x[:1] ** 2 - y, [1.0], 1.0, 1.0)
    errors = [
        abs(projective(followed, fast, 1e-5, 1.0, [0, 1], step=h, inner=2).x[0, -1] - EXACT_RELAXED)
        for h in (0.1, 0.05)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.15)


def test_continuation_settles_once_where_a_fresh_start_has_to_settle_every_time():
    """With settle = 1 a fresh start is still 5 away from where it should be, a continued one has been there."""
    settings = {"settle": 1.0, "window": 0.1}
    errors = {
        keep: abs(
            hmm.solve_averaged(followed, relaxing(**settings), 1.0, [0, 1], method="rk4", step=0.02, keep=keep).x[0, -1]
            - 0.5
        )
        for keep in ("state", "nothing")
    }
    assert errors["state"] < 0.05 < 0.3 < errors["nothing"]


# -- with noise ---------------------------------------------------------------------------------------------------------------


def test_a_stochastic_fast_variable_leads_to_the_averaged_equation():
    """Reference 24, to four standard errors of the mean of twelve runs. E y^3 = x^3 + 3x var(y)."""
    runs = [
        hmm.solve_averaged(
            cubic, ornstein(), 1.0, [0, *SDE_TIMES], method="rk4", step=0.05, rng=np.random.default_rng(k)
        ).x[0, 1:]
        for k in range(12)
    ]
    mean, stderr = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    assert (np.abs(mean - SDE_X) < 4 * stderr).all()
    assert (stderr < 8e-3).all()


def test_the_macro_step_of_that_run_costs_no_more():
    exact = hmm.FastProcess(lambda x, y: 0 * y, [0.0], 1.0, 1.0)
    averaged = hmm.solve_averaged(
        lambda x, y, t: -(x**3) - 1.5 * x + cubic(x, 0 * x, t), exact, 1.0, [0, *SDE_TIMES], method="rk4", step=0.05
    )
    assert np.abs(averaged.x[0, 1:] - SDE_X).max() < 1e-5


def test_the_standard_error_of_the_force_is_that_of_many_seeds():
    fast = ornstein(replicas=20, settle=5.0)
    force = AveragedForce(cubic, fast)
    start = np.repeat(fast.start[:, None], 20, axis=1)
    answers = [force(np.ones(1), 0.0, start, np.random.default_rng(k))[0] for k in range(400)]
    F, said = np.array([a.F[0] for a in answers]), np.array([a.stderr[0] for a in answers])
    assert np.sqrt((said**2).mean()) == pytest.approx(F.std(), rel=0.12)
    h = fast.step  # Heun's step has a stationary variance of its own; 1 = cos 0, E y^3 = x^3 + 3 x var(y) at x = 1
    variance = h * (1 - h / 2) ** 2 / (1 - (1 - h + h**2 / 2) ** 2)
    assert abs(F.mean() - (1 - (1 + 3 * variance))) < 4 * F.std(ddof=1) / 20


def test_heuns_step_has_a_bias_of_second_order_in_the_stationary_variance():
    """Of an Ornstein-Uhlenbeck process, in closed form from the step's own linear map."""

    def variance(h):
        kicks = hmm.FastProcess(lambda x, y: -y, [0.0], h, h, noise=1.0)
        one = kicks.stepped(np.zeros((1, 1)), np.ones((1, 1)), h, _Fixed(0.0))[0, 0]
        push = kicks.stepped(np.zeros((1, 1)), np.zeros((1, 1)), h, _Fixed(1.0))[0, 0]
        return push**2 / (1 - one**2)

    errors = [abs(variance(h) - 0.5) for h in (0.2, 0.1)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2)


class _Fixed:
    def __init__(self, value):
        self.value = value

    def standard_normal(self, shape):
        return np.full(shape, self.value)


def test_the_same_random_numbers_make_a_smooth_force_for_methods_that_choose_their_steps():
    solve = [
        hmm.solve_averaged(cubic, ornstein(settle=5.0), 1.0, [0, 0.5], rng=np.random.default_rng(7), rtol=tol, atol=tol)
        for tol in (1e-4, 1e-8)
    ]
    assert abs(solve[0].x[0, -1] - solve[1].x[0, -1]) < 1e-4
    assert len(solve[1].history) < 200  # noise would make it shorten its steps for ever


# -- bad input ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": 0.0}, "step=0.0"),
        ({"step": True}, "step=True"),
        ({"window": 0.01}, "window=0.01"),
        ({"settle": -1.0}, "settle=-1.0"),
        ({"kernel": "hat"}, "kernel='hat'"),
        ({"kernel": ("smooth", -1)}, "kernel="),
        ({"replicas": 0}, "replicas=0"),
        ({"replicas": 4, "noise": None}, "replicas=4"),
        ({"start": [np.nan]}, "start="),
    ],
)
def test_a_fast_process_says_what_it_needs(changes, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        hmm.FastProcess(**{"rhs": turning, "start": [1.0, 0.0], "step": 0.1, "window": 1.0} | changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"times": [0, 1, 1]}, ValueError, "times="),
        ({"initial": np.nan}, ValueError, "initial="),
        ({"method": "leapfrog"}, ValueError, "method='leapfrog'"),
        ({"method": "euler", "step": None}, ValueError, "step=None"),
        ({"method": "RK45", "step": 0.1}, ValueError, "step=0.1"),
        ({"method": "RK45", "step": None, "keep": "state"}, ValueError, "keep='state'"),
        ({"fast": ornstein(), "rng": 7}, TypeError, "Generator"),
        ({"fast": turning}, TypeError, "FastProcess"),
        ({"slow": 1.0}, TypeError, "slow=1.0"),
        ({"slow": lambda x, y, t: np.ones(3)}, ValueError, "slow returned"),
    ],
)
def test_solve_averaged_says_what_it_needs(changes, error, message):
    call = {"slow": driven, "fast": circle(), "initial": 0.0, "times": [0, 1], "method": "euler", "step": 0.5} | changes
    with pytest.raises(error, match=message):
        hmm.solve_averaged(**call)


def test_a_step_too_long_for_the_fast_variable_names_time_and_place():
    fast = hmm.FastProcess(lambda x, y: -100 * y, [1.0], 1.0, 400.0)
    with pytest.raises(hmm.ConvergenceError, match=r"t=0.0, x=\[1.0\].*step than 1.0"), np.errstate(all="ignore"):
        hmm.solve_averaged(followed, fast, 1.0, [0, 1], method="euler", step=0.1)


def test_what_was_computed_before_an_interruption_is_kept():
    def interrupted(x, y, t):
        if t > 0.55:
            raise KeyboardInterrupt
        return -y

    with pytest.raises(KeyboardInterrupt) as caught:
        hmm.solve_averaged(interrupted, relaxing(), 1.0, [0, 0.3, 1], method="heun", step=0.1)
    kept = caught.value.unfinished
    assert kept.times == pytest.approx([0.0, 0.3, 0.4])
    assert kept.x[0, -1] == pytest.approx(1 / 1.4, abs=5e-3)


def test_projective_integration_refuses_what_it_cannot_leap_over():
    with pytest.raises(ValueError, match="noise"):
        projective(cubic, ornstein(), 1e-3, 1.0, [0, 1], step=0.1)
    with pytest.raises(ValueError, match="resolved steps"):
        projective(followed, relaxing(), 1.0, 1.0, [0, 1], step=0.1)
