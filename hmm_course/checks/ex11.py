"""Checks of exercise 11, how long is long enough: a step without error, a time average, its cheapest window, HMM in time, a lie.

What is random is asked with seeds of the checks' own, and the tolerances are at least four standard errors.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from hmm_course.checks import Array, array, ask, close, fail, match, number, passed, recognise, require
from hmm_course.variants import numbers

COUNT = 40_000


def exact_step(step: Callable[[float, Array, float, Any], Array], seed: int = 0) -> None:
    """step(x, y, h, rng): x + (y - x) e^(-h) + ((1 - e^(-2h))/2)^(1/2) N, for each replica its own N.

    By the seed h is rate h.
    """
    rate = numbers("11", seed)["rate"]
    by_rate, twice = ("", "") if rate == 1 else ("RATE ", " RATE ")

    def of(x: float, start: float, h: float, seed: int, case: str) -> Array:
        rng = np.random.default_rng(seed)
        answer = ask(step, x, np.full(COUNT, start), h, rng, name="step", case=case)
        return array(answer, f"step for {case}", (COUNT,))

    case = f"{COUNT} replicas at y = 3, with x = 0.5 and h = 0.6"
    y = of(0.5, 3.0, 0.6, 0, case)
    require(close(y, of(0.5, 3.0, 0.6, 0, case)), "the same seed gives two answers: take every random number from rng.")
    require(
        y.std() > 1e-9,
        "all replicas go to the same place: draw a normal number for each of them, rng.standard_normal(y.shape).",
    )
    other = of(0.5, 3.0, 0.6, 1, case)
    require(
        not close(y, other), "two seeds give the same answer: take the numbers from rng as it comes, unseeded by you."
    )
    e, near = np.exp(-0.6 * rate), 0.016  # four standard errors of a mean of 40 000
    recognise(
        y.mean(),
        {
            f"the mean is that of Euler's method, y + {by_rate}h (x - y): for h = 0.6 the exact factor is e^(-{by_rate}h).": 3
            - 0.6 * rate * 2.5,
            "y is drawn to 0, not to x: it is the distance y - x that shrinks.": 3 * e,
            f"x is missing: x + (y - x) e^(-{by_rate}h); you have the distance alone.": 2.5 * e,
            f"y runs away from x: the distance shrinks by e^(-{by_rate}h), it does not grow.": 0.5 + 2.5 / e,
            f"the mean does not move: the distance to x shrinks by e^(-{by_rate}h).": 3.0,
            "the old y is added once more.": 3.5 + 2.5 * e,
        },
        atol=near,
    )
    slow = {
        "y follows x at the rate RATE: the distance shrinks by e^(-RATE h), not by e^(-h).": 0.5 + 2.5 * np.exp(-0.6)
    }
    match(y.mean(), 0.5 + 2.5 * e, f"the mean of step for {case}", atol=near, mistakes=slow)
    wide, variance = 0.5 * (1 - e**2), y.var()
    recognise(
        variance,
        {
            f"the kick is that of Euler's method, of variance {by_rate}h: exact is (1 - e^(-2{twice}h))/2.": 0.6 * rate,
            f"the kick is too strong by a factor 2 in the variance: (1 - e^(-2{twice}h))/2.": 2 * wide,
            f"the root is missing: (1 - e^(-2{twice}h))/2 is the variance of the kick, its root goes in front of the normal "
            "number.": wide**2,
            f"the kick has e^(-{by_rate}h) where e^(-2{twice}h) belongs.": (1 - e) / 2,
            "the variance is the one that y has at last, 1/2: after a step h it is smaller by the factor "
            f"1 - e^(-2{twice}h).": 0.5,
        },
        rtol=0.03,  # four standard errors of a variance of 40 000
    )
    slow = {"the kick has e^(-2h) where e^(-2 RATE h) belongs.": 0.5 * (1 - np.exp(-1.2))}
    match(variance, wide, f"the variance of step for {case}", rtol=0.03, mistakes=slow)
    late = of(-1.0, 3.0, 60.0, 2, "one step of length 60, with x = -1")
    match(late.mean(), -1.0, "the mean after a step of length 60", atol=0.016)
    match(late.var(), 0.5, "the variance after a step of length 60", rtol=0.03)
    drift = array(
        ask(
            step,
            0.5,
            np.linspace(-1, 1, 5),
            1e-12,
            np.random.default_rng(0),
            name="step",
            case="five places, h = 1e-12",
        ),
        "step for five places",
        (5,),
    )
    match(drift, np.linspace(-1, 1, 5), "step of no length", atol=1e-4)
    passed("no step is too long: the law at last is normal with mean x and variance 1/2", "every replica for itself")


def _mean_force(x: float, start: float, times: Array) -> float:
    """Mean over the times, in units of 1/rate, of E[-Y^3] for Y that starts so at 0."""
    m, v = x + (start - x) * np.exp(-times), 0.5 * (1 - np.exp(-2 * times))
    return float(-(m**3 + 3 * m * v).mean())


def time_average(answer: Callable[[float, Array, float, float, float, Any], Any], seed: int = 0) -> None:
    """answer(x, y, settle, window, h, rng): mean of -y^3 over the window, standard error by replicas, and y at the end.

    By the seed the force is -push y^3, and y is faster by rate.
    """
    rate, push = (numbers("11", seed)[name] for name in ("rate", "push"))
    power = "y^3" if push == 1 else "PUSH y^3"

    def of(y: Array, settle: float, window: float, seed: int, case: str) -> tuple[float, float, Array]:
        told = ask(answer, 0.5, y.copy(), settle, window, 0.1, np.random.default_rng(seed), name="answer", case=case)
        if not isinstance(told, tuple | list) or len(told) != 3:
            fail("answer should return three things: the force, its standard error, and y at the end.")
        end = array(told[2], "y at the end", y.shape)
        return number(told[0], "the force"), number(told[1], "the standard error"), end

    x, far, many = 0.5, 2.0, np.full(20_000, 2.0)
    F, _, end = of(many, 8.0, 10.0, 0, "20 000 replicas at y = 2, settle = 8, window = 10")
    exact, step = -push * (x**3 + 1.5 * x), 0.1 * rate
    recognise(
        F,
        {
            f"you average y and take the cube of the mean. The slow variable feels -{power}: average that.": -push
            * x**3,
            "the sign: the force is minus the cube.": -exact,
            f"you average y itself; the force is -{power}.": x,
            "the start is averaged in: nothing is left out. First run y for `settle`, then begin to add up.": push
            * _mean_force(x, far, step * np.arange(1, 101)),
            "settle is part of your average: what y does before the window must not be added up.": push
            * _mean_force(x, far, step * np.arange(1, 181)),
            "you leave out one time unit; how many is the argument settle.": push
            * _mean_force(x, far, rate + step * np.arange(1, 101)),
        },
        atol=0.025,  # at least three standard errors, and at most half of what each of these is off
    )
    recognise(F, {f"you add up -{power} over the window: divide by the number of its steps.": 100 * exact}, rtol=0.08)
    weak = {"the force is -PUSH y^3, and PUSH is missing.": exact / push}
    match(F, exact, "the force at x = 0.5", atol=0.08, mistakes=weak)
    require(
        close(end.mean(), x, atol=0.07) and end.std() > 0.5,
        "y at the end should be the places of all replicas after the last step, from which the next question goes on.",
    )

    soon = round(20 / rate)  # steps; a window of five more shows what is left of the start
    case = f"20 000 replicas at y = 2, settle = {0.1 * soon:g}, window = 0.5"
    F, _, _ = of(many, 0.1 * soon, 0.5, 1, case)
    left = push * _mean_force(x, far, step * (soon + np.arange(1, 6)))
    slow = {
        "y forgets its start too slowly: it follows x at the rate RATE, which belongs into your step.": push
        * _mean_force(x, far, 0.1 * (soon + np.arange(1, 6)))
    }
    match(F, left, "the force soon after the start", atol=0.09 * push, mistakes=slow)

    runs = [of(np.full(30, 0.5), 4.0, 8.0, seed, "30 replicas, window = 8") for seed in range(80)]
    spread, claimed = np.std([run[0] for run in runs], ddof=1), np.mean([run[1] for run in runs])
    variance = 4.40625 * push**2  # of push y^3 at x = 1/2, by Hermite polynomials
    recognise(
        claimed,
        {
            "the error bar takes all values of the window as independent; they remember each other. Average each replica over "
            "the window first; only the replicas are independent.": np.sqrt(variance / (30 * 80)),
            "this is the scatter of one replica: the mean of R of them is better by the root of R.": spread
            * np.sqrt(30),
            f"this is the scatter of {power} from replica to replica at one moment, over the root of R: average each replica "
            "over the window first.": np.sqrt(variance / 30),
            f"the error bar is that of y, not of -{power}.": np.sqrt(2 * 0.5 / rate / (30 * 8)),
            "divide by the root of the number of replicas, not by the number.": spread / np.sqrt(30),
        },
        rtol=0.15,
    )
    require(
        0.7 < claimed / spread < 1.35,
        f"over 80 runs the force scatters by {spread:.2g}, and your error bar says {claimed:.2g} on average: the standard error "
        "is the standard deviation (ddof=1) of the replicas' averages over the root of their number.",
    )
    passed(
        "the flux is averaged, not the variable", "the start is left out", "the error bar is as wide as answers scatter"
    )


def _cheapest(
    tol: float, variance: float, theta: float, bias: float, replicas: int, rate: float = 1.0
) -> tuple[float, float]:
    """settle and window of least sum with bias^2 e^(-2 rate settle) + 2 theta variance/(replicas window) = tol^2."""
    A, B = 2 * theta * variance / replicas, bias**2
    middle = tol**2 + rate * A
    q = min(1.0, (middle - np.sqrt(middle**2 - tol**4)) / B)
    return float(-np.log(q) / (2 * rate)), float(A / (tol**2 - B * q))


def least_cost(plan: Callable[[float, float, float, float, int], Any], seed: int = 0) -> None:
    """plan(tol, variance, theta, bias, replicas): settle and window that meet the tolerance at least cost.

    The bias dies like e^(-settle), by the seed like e^(-rate settle).
    """
    rate = numbers("11", seed)["rate"]
    by_rate = "" if rate == 1 else "RATE "

    def of(*asked: float) -> tuple[float, float]:
        case = "tol = {:g}, variance = {:g}, theta = {:g}, bias = {:g}, {} replicas".format(*asked)
        told = ask(plan, *asked, name="plan", case=case)
        if not isinstance(told, tuple | list | np.ndarray) or len(told) != 2:
            fail("plan should return two numbers: settle and window.")
        settle, window = (number(value, name) for value, name in zip(told, ("settle", "window"), strict=True))
        require(
            settle >= 0 and window > 0,
            f"settle = {settle:.3g}, window = {window:.3g}: times are not negative, and the window must have a length. A settle "
            "that is too short leaves no room for the noise; do not try it.",
        )
        return settle, window

    asked = (0.05, 4.0, 0.75, 6.0, 16)
    tol, variance, theta, bias, replicas = asked
    settle, window = of(*asked)
    noise = 2 * theta * variance / (replicas * window)
    start = bias**2 * np.exp(-2 * rate * settle)
    require(settle > 0, "settle = 0: all of the bias is left, and no window makes that smaller in your formula.")
    if start >= tol**2:
        twice = bias**2 * np.exp(-4 * rate * settle)
        dies = f"the bias dies like e^(-{by_rate}settle), its square like e^(-2 {by_rate}settle)."
        words = dies if twice < tol**2 else "settle for longer."
        fail(f"the start alone leaves an error of {np.sqrt(start):.2g}, more than the tolerance {tol:g}: {words}")
    if rate != 1:
        words = "you settle as if the bias died like e^(-settle); it dies like e^(-RATE settle)."
        recognise(settle, {words: _cheapest(*asked)[0]}, rtol=0.03)
    room = tol**2 - start
    recognise(
        window,
        {
            "your window forgets the correlation: values of the window are no independent ones, 2 theta takes the place of a "
            "step.": variance / (replicas * room),
            "the variance of the mean is 2 theta variance/(replicas window): the factor 2 is missing.": theta
            * variance
            / (replicas * room),
            "your window does not know that there are replicas: R of them share the work.": 2 * theta * variance / room,
        },
        rtol=1e-3,
    )
    total = start + noise
    require(
        total <= tol**2 * 1.0001,
        f"the error of this plan is {np.sqrt(total):.3g}, and {tol:g} was asked for. Squares add up: bias and noise share tol^2.",
    )
    for given in (asked, (0.02, 4.0, 0.75, 6.0, 1), (0.2, 1.0, 3.0, 2.0, 64), (0.05, 4.0, 0.75, 60.0, 16)):
        settle, window = of(*given)
        best = _cheapest(*given, rate)
        error = np.sqrt(given[3] ** 2 * np.exp(-2 * rate * settle) + 2 * given[2] * given[1] / (given[4] * window))
        require(
            error <= given[0] * 1.0001,
            f"for {given[4]} replicas and tol = {given[0]:g} the error of your plan is {error:.3g}: use the arguments.",
        )
        more = (settle + window) / sum(best) - 1
        require(
            more < 0.02,
            f"the tolerance is met, but for {given[4]} replicas and tol = {given[0]:g} your plan costs {100 * more:.0f} % more "
            "than it need. Try many values of settle; each leaves some room for the noise, which sets the window.",
        )
    passed("bias and noise share the tolerance", "no more than 2 % above the least cost")


def macro_path(slow_path: Callable[..., Array], forcing: Callable[[float], float]) -> None:
    """slow_path(ask, x, y, H, T): Euler's X, from what ask(x, y) -> force, stderr, y says; y goes on."""
    heard: list[tuple[float, float]] = []

    def oracle(x: float, y: Array) -> tuple[float, float, Array]:
        heard.append((float(x), float(np.mean(y))))
        return -(x**3) - 1.5 * x, 0.1, y + 1

    y = np.zeros(4)
    value = ask(slow_path, oracle, 1.0, y, 0.1, 2.0, name="slow_path", case="a force in closed form, H = 0.1, T = 2")
    value = array(value, "the path", None, "it runs away. Is H in front of the slope, and the force added")
    require(value.ndim == 1, f"the path should be one array of numbers X; it has shape {value.shape}.")
    require(len(heard) > 0, "ask was never called: the force comes from it.")
    require(value.size > 0 and close(value[0], 1.0), "the path should begin with X(0), the x that is handed in.")
    require(
        value.size == 21, f"the path should have 21 entries, X at the times 0, H, 2 H, ..., T; it has {value.size}."
    )
    require(
        len(heard) <= 20, f"the force was asked {len(heard)} times in 20 steps: once in each, and no more; it is dear."
    )
    states = np.array([state for _, state in heard])

    def euler(
        times: Array | None = None, sign: float = 1.0, H: float = 0.1, forced: float = 1.0, F: float = 1.0
    ) -> Array:
        x = [1.0]
        for t in 0.1 * np.arange(20) if times is None else times:
            x.append(x[-1] + H * (sign * F * (-(x[-1] ** 3) - 1.5 * x[-1]) + forced * forcing(t)))
        return np.array(x)

    right = euler()
    with np.errstate(over="ignore", invalid="ignore"):
        mistakes = {
            "the forcing is missing: dX/dt = F(X) + g(t).": euler(forced=0.0),
            "the forcing stands still: it is g at the time of the step, k H.": euler(np.zeros(20)),
            "the forcing is that of the end of each step; Euler's method takes it at the beginning.": euler(
                0.1 * np.arange(1, 21)
            ),
            "time passes by 1 in a step: it is H.": euler(np.arange(20.0)),
            "H is missing in front of the slope.": euler(H=1.0),
            "the sign: the force is added.": euler(sign=-1.0),
            "the force is missing: dX/dt = F(X) + g(t).": euler(F=0.0),
        }
    mistakes = {words: wrong for words, wrong in mistakes.items() if np.isfinite(wrong).all()}
    match(value, right, "the path for a force in closed form", mistakes=mistakes)
    require(
        close(states, np.arange(20.0)),
        "every question starts from the same y. Hand on the y that the last answer returned, and nothing has to settle again.",
    )
    passed("one question in each step", "y goes on where the last answer has left it", "Euler's method")


def hidden_scale(suspicion: Callable[[Array, Callable[[Array], float]], float]) -> None:
    """suspicion(series, memory): scatter of the replicas' means over the standard error that they claim."""
    rng = np.random.default_rng(0)
    widths = np.linspace(0.8, 1.2, 12)[:, None]  # no two replicas claim the same
    series = widths * rng.standard_normal((12, 400)) + 0.5 * rng.standard_normal((12, 1))

    def of(series: Array, memory: Callable[[Array], float], case: str) -> float:
        told = ask(suspicion, series.copy(), memory, name="suspicion", case=case)
        return number(told, f"suspicion for {case}")

    calls: list[tuple[int, ...]] = []

    def three(one: Array) -> float:
        calls.append(np.shape(one))
        return 3.0

    value = of(series, three, "12 replicas of 400 values with memory 3")
    require(len(calls) > 0, "memory was never called: what a replica claims depends on how long it remembers.")
    require(
        all(shape == (400,) for shape in calls),
        f"memory wants one series (T,); it was called with shape {calls[0]}.",
    )
    require(len(calls) >= 12, f"memory was asked for {len(calls)} of 12 replicas: each makes a claim of its own.")
    means, within = series.mean(axis=1), series.var(axis=1)
    claimed = np.sqrt(np.mean(2 * 3.0 * within / 400))
    scatter = means.std(ddof=1)
    recognise(
        value,
        {
            "this is the claimed error over the scatter; suspicion grows with the scatter.": claimed / scatter,
            "this is the square: take the root.": (scatter / claimed) ** 2,
            "the memory is missing in what a replica claims: its variance is 2 theta Var/T.": scatter
            / np.sqrt(np.mean(within / 400)),
            "the factor 2 is missing: a replica claims the variance 2 theta Var/T.": scatter
            / np.sqrt(np.mean(3.0 * within / 400)),
            "a replica claims an error for its own mean: compare with the scatter of the means, not with that over the root of "
            "R.": scatter / claimed / np.sqrt(12),
            "use ddof=1: the common mean was estimated from the same R means.": means.std() / claimed,
            "the variance within a replica is that about its own mean; you took that of all values together.": scatter
            / np.sqrt(2 * 3.0 * series.var() / 400),
            "this is the scatter alone: divide by what the replicas claim.": scatter,
            "you average over the replicas; the averages over time are wanted, one for each row: axis=1.": series.mean(
                axis=0
            ).std(ddof=1)
            / claimed,
            "T is the length of a series, not the number of replicas: series.shape[1].": scatter
            / np.sqrt(np.mean(2 * 3.0 * within / 12)),
        },
        rtol=2e-4,
    )
    match(
        value, scatter / claimed, "suspicion for 12 replicas", rtol=0.03
    )  # the mean of roots or a pooled ddof=1 is fine
    shifted = of(5 + 2 * series, three, "the same series times 2 plus 5")
    require(
        close(shifted, value, rtol=1e-6), "the answer changes with the units of the series: both errors scale alike."
    )
    passed("a pure number", "the scatter of the means over what they claim")
