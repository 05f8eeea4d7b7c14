"""What the checks of exercise 11 are fed."""

import numpy as np

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_course.checks import ex11 as checks
from hmm_course.variants import numbers

CLASS = 7  # whose y follows x faster and pushes back harder
RATE, PUSH = (numbers("11", CLASS)[name] for name in ("rate", "push"))


def step(x, y, h, rng):
    return x + (y - x) * np.exp(-h) + np.sqrt((1 - np.exp(-2 * h)) / 2) * rng.standard_normal(y.shape)


def step_by(mean=lambda x, y, h: x + (y - x) * np.exp(-h), kick=lambda h: np.sqrt((1 - np.exp(-2 * h)) / 2)):
    return lambda x, y, h, rng: mean(x, y, h) + kick(h) * rng.standard_normal(y.shape)


def one_by_one(x, y, h, rng):
    return [float(step(x, np.array([place]), h, rng)[0]) for place in y]


def euler(x, y, h, rng):
    return y + h * (x - y) + np.sqrt(h) * rng.standard_normal(y.shape)


def in_place(x, y, h, rng):
    y *= np.exp(-h)
    return y


def faster(x, y, h, rng, step=step):
    """A step of a class: time runs RATE times as fast."""
    return step(x, y, RATE * h, rng)


def push(y):
    return -PUSH * y**3


def answer_by(
    flux=lambda y: -(y**3), settle=None, from_start=False, bar="replicas", step=step, after=True, end=True, cube=False
):
    def answer(x, y, settle_for, window, h, rng):
        count = round((settle_for if settle is None else settle) / h)
        values = []
        for k in range(count + round(window / h)):
            if not after and k >= count:
                values.append(flux(y))
            old, y = y, step(x, y, h, rng)
            if (after and k >= count) or (from_start and k < count):
                values.append(flux(y))
        values = np.array(values)
        means = values.mean(axis=0)
        R, n = len(y), len(values)
        bars = {
            "replicas": means.std(ddof=1) / np.sqrt(R),
            "all": values.std() / np.sqrt(R * n),
            "one": means.std(ddof=1),
            "moment": values.std() / np.sqrt(R),
            "by R": means.std(ddof=1) / R,
            "half": 0.6 * means.std(ddof=1) / np.sqrt(R),
        }
        F = -(values.mean() ** 3) if cube else means.mean()
        return F, bars[bar], (y if end else old * 0 + y.mean())

    return answer


def of_y(x, y, settle, window, h, rng):
    """The right force with the error bar of y."""
    F, _, end = answer_by()(x, y.copy(), settle, window, h, rng)
    _, bar, _ = answer_by(flux=lambda y: y)(x, y.copy(), settle, window, h, rng)
    return F, bar, end


def plan_by(replicas=True, factor=2.0, tau=True, grid=4000, share=None):
    def plan(tol, variance, tau_, bias, R):
        A = factor * (tau_ if tau else 1.0) * variance / (R if replicas else 1)
        if share is not None:
            settle = max(0.0, np.log(bias / (tol * np.sqrt(share))))
            return settle, A / ((1 - share) * tol**2)
        first = max(0.0, np.log(bias / tol))
        settle = first + np.linspace(1e-6, 8, grid) if first else np.linspace(0, 8, grid)
        window = A / (tol**2 - bias**2 * np.exp(-2 * settle))
        k = np.argmin(settle + window)
        return settle[k], window[k]

    return plan


def all_settles(tol, variance, tau, bias, R):
    """From 0 on: where nothing is left for the noise the window is negative, and argmin likes it."""
    settle = np.linspace(0, 12, 2000)
    window = 2 * tau * variance / (R * (tol**2 - bias**2 * np.exp(-2 * settle)))
    best = np.argmin(settle + window)
    return settle[best], window[best]


def no_settling(tol, variance, tau, bias, R):
    return 0.0, 2 * tau * variance / (R * tol**2)


def bias_squared_twice(tol, variance, tau, bias, R):
    settle = np.log(bias / tol) / 2 + 0.5
    return settle, 2 * tau * variance / (R * tol**2)


def both_whole(tol, variance, tau, bias, R):
    """Each of the two errors as large as the tolerance."""
    return np.log(bias / tol) + 1e-3, 2 * tau * variance / (R * tol**2)


def one_case(tol, variance, tau, bias, R):
    return plan_by()(0.05, 4.0, 0.75, 6.0, 16)


def g(t):
    return np.sin(np.pi * t) + np.cos(np.sqrt(2) * np.pi * t)


def path_by(
    when=lambda k, H: k * H, H_=None, sign=1.0, forced=1.0, F_=1.0, keep=True, extra=0, first=True, twice=False, last=0
):
    def slow_path(ask, x, y, H, T):
        path = [x] if first else []
        for k in range(round(T / H) + extra):
            F, _, moved = ask(x, y)
            if twice:
                ask(x, y)
            y = moved if keep else y
            x = x + (H if H_ is None else H_) * (sign * F_ * F + forced * g(when(k, H)))
            path.append(x)
        return np.array(path)

    return slow_path


def from_formula(ask, x, y, H, T):
    return path_by()(lambda x, y: (-(x**3) - 1.5 * x, 0.0, y), x, y, H, T)


def suspicion(series, memory):
    T = series.shape[1]
    claimed = np.mean([2 * memory(one) * one.var() / T for one in series])
    return np.sqrt(series.mean(axis=1).var(ddof=1) / claimed)


def suspicion_by(change):
    """Of scatter, claimed, the number of replicas."""

    def of(series, memory):
        claimed = np.sqrt(np.mean([2 * memory(one) * one.var() / series.shape[1] for one in series]))
        return change(series.mean(axis=1).std(ddof=1), claimed, len(series))

    return of


def roots_first(series, memory):
    claimed = np.mean([np.sqrt(2 * memory(one) * one.var(ddof=1) / len(one)) for one in series])
    return series.mean(axis=1).std(ddof=1) / claimed


def together(series, memory):
    tau = np.mean([memory(one) for one in series])
    return series.mean(axis=1).std(ddof=1) / np.sqrt(2 * tau * series.var() / series.shape[1])


def without_ddof(series, memory):
    return suspicion(series, memory) * np.sqrt(1 - 1 / len(series))


def of_all(series, memory):
    return suspicion(series, lambda one: memory(series.ravel()))


def first_alone(series, memory):
    one, T = series[0], series.shape[1]
    return series.mean(axis=1).std(ddof=1) / np.sqrt(2 * memory(one) * one.var() / T)


def over_replicas(series, memory):
    return suspicion(series, memory) * series.mean(axis=0).std(ddof=1) / series.mean(axis=1).std(ddof=1)


def undivided(*asked):
    F, bar, end = answer_by()(*asked)
    return F * round(asked[3] / asked[4]), bar, end


def not_asked(series, memory):
    return suspicion(series, lambda one: 1.0)


CASES = [
    right(checks.exact_step, step),
    right(checks.exact_step, one_by_one),
    right(
        checks.exact_step,
        lambda x, y, h, rng: x + (y - x) / np.exp(h) + rng.normal(0, np.sqrt(-np.expm1(-2 * h) / 2), y.size),
    ),
    mistake(checks.exact_step, euler, "Euler's method, y + h (x - y)"),
    mistake(checks.exact_step, step_by(kick=np.sqrt), "Euler's method, of variance h"),
    mistake(checks.exact_step, step_by(kick=lambda h: np.sqrt(1 - np.exp(-2 * h))), "a factor 2 in the variance"),
    mistake(checks.exact_step, step_by(kick=lambda h: (1 - np.exp(-2 * h)) / 2), "the root is missing"),
    mistake(checks.exact_step, step_by(kick=lambda h: np.sqrt((1 - np.exp(-h)) / 2)), "where e^(-2h) belongs"),
    mistake(checks.exact_step, step_by(kick=lambda h: np.sqrt(0.5)), "the one that y has at last"),
    mistake(checks.exact_step, step_by(lambda x, y, h: y * np.exp(-h)), "drawn to 0, not to x"),
    mistake(checks.exact_step, step_by(lambda x, y, h: (y - x) * np.exp(-h)), "x is missing"),
    mistake(checks.exact_step, step_by(lambda x, y, h: x + (y - x) * np.exp(h)), "y runs away from x"),
    mistake(checks.exact_step, step_by(lambda x, y, h: y), "the mean does not move"),
    mistake(checks.exact_step, step_by(lambda x, y, h: y + x + (y - x) * np.exp(-h)), "the old y is added"),
    mistake(checks.exact_step, lambda x, y, h, rng: step(x, y, h, np.random.default_rng(0)), "unseeded by you"),
    mistake(
        checks.exact_step, lambda x, y, h, rng: step(x, y, h, np.random.default_rng()), "every random number from rng"
    ),
    mistake(checks.exact_step, lambda x, y, h, rng: step(x, y[:1], h, rng) + 0 * y, "the same place"),
    mistake(checks.exact_step, in_place, "has changed an array"),
    mistake(checks.exact_step, step_by(lambda x, y, h: x + (y - x) / (1 + h)), "is off by"),
    nonsense(checks.exact_step, lambda x, y, h, rng: y[:5], "shape", label="too few"),
    right(checks.exact_step, faster, CLASS),
    mistake(checks.exact_step, step, CLASS, "y follows x at the rate RATE"),
    mistake(
        checks.exact_step, step_by(lambda x, y, h: x + (y - x) * np.exp(-RATE * h)), CLASS, "e^(-2 RATE h) belongs"
    ),
    *nonsense_functions(checks.exact_step),
    right(checks.time_average, answer_by()),
    right(checks.time_average, answer_by(after=False)),
    right(checks.time_average, lambda *a: list(answer_by()(*a))),
    mistake(checks.time_average, answer_by(flux=lambda y: y, cube=True), "the cube of the mean"),
    mistake(checks.time_average, answer_by(flux=lambda y: y**3), "minus the cube"),
    mistake(checks.time_average, answer_by(flux=lambda y: y), "you average y itself"),
    mistake(checks.time_average, undivided, "divide by the number of its steps"),
    mistake(checks.time_average, answer_by(settle=0.0), "nothing is left out"),
    mistake(checks.time_average, answer_by(from_start=True), "must not be added up"),
    mistake(checks.time_average, answer_by(settle=1.0), "you leave out one time unit"),
    mistake(checks.time_average, answer_by(bar="all"), "they remember each other"),
    mistake(checks.time_average, answer_by(bar="one"), "the scatter of one replica"),
    mistake(checks.time_average, answer_by(bar="moment"), "at one moment"),
    mistake(checks.time_average, answer_by(bar="by R"), "not by the number"),
    mistake(checks.time_average, answer_by(bar="half"), "your error bar says"),
    mistake(checks.time_average, of_y, "the error bar is that of y"),
    mistake(checks.time_average, answer_by(end=False), "y at the end should be the places"),
    mistake(checks.time_average, lambda *a: answer_by()(*a)[:2], "three things"),
    mistake(checks.time_average, answer_by(step=step_by(kick=lambda h: np.sqrt(1 - np.exp(-2 * h)))), "is off by"),
    right(checks.time_average, answer_by(push, step=faster), CLASS),
    right(checks.time_average, answer_by(push, step=faster, after=False), CLASS),
    mistake(checks.time_average, answer_by(step=faster), CLASS, "and PUSH is missing"),
    mistake(checks.time_average, answer_by(push), CLASS, "forgets its start too slowly"),
    mistake(checks.time_average, answer_by(push, step=faster, settle=0.0), CLASS, "nothing is left out"),
    mistake(checks.time_average, answer_by(push, step=faster, settle=1.0), CLASS, "you leave out one time unit"),
    *nonsense_functions(checks.time_average),
    right(checks.least_cost, checks._cheapest),
    right(checks.least_cost, plan_by()),
    right(checks.least_cost, lambda *a: np.array(plan_by(grid=1000)(*a))),
    mistake(checks.least_cost, no_settling, "settle = 0"),
    mistake(checks.least_cost, all_settles, "leaves no room for the noise"),
    mistake(checks.least_cost, plan_by(replicas=False), "does not know that there are replicas"),
    mistake(checks.least_cost, plan_by(factor=1.0), "the factor 2 is missing"),
    mistake(checks.least_cost, plan_by(factor=1.0, tau=False), "forgets the correlation"),
    mistake(checks.least_cost, both_whole, "Squares add up"),
    mistake(checks.least_cost, bias_squared_twice, "its square like e^(-2 settle)"),
    mistake(checks.least_cost, plan_by(share=0.9), "more than it need"),
    mistake(checks.least_cost, plan_by(share=1e-6), "more than it need"),
    mistake(checks.least_cost, one_case, "use the arguments"),
    mistake(checks.least_cost, lambda *a: 5.0, "two numbers"),
    nonsense(checks.least_cost, lambda *a: (-1.0, 5.0), "not negative", label="negative"),
    nonsense(checks.least_cost, lambda *a: (0.1, 5.0), "the start alone", label="hardly settled"),
    right(checks.least_cost, lambda *a: checks._cheapest(*a, RATE), CLASS),
    mistake(checks.least_cost, plan_by(), CLASS, "as if the bias died like e^(-settle)"),
    *nonsense_functions(checks.least_cost),
    right(checks.macro_path, path_by(), g),
    right(checks.macro_path, lambda *a: path_by()(*a).tolist(), g),
    mistake(checks.macro_path, path_by(forced=0.0), g, "the forcing is missing"),
    mistake(checks.macro_path, path_by(when=lambda k, H: 0.0), g, "the forcing stands still"),
    mistake(checks.macro_path, path_by(when=lambda k, H: (k + 1) * H), g, "at the beginning"),
    mistake(checks.macro_path, path_by(when=lambda k, H: k), g, "time passes by 1"),
    mistake(checks.macro_path, path_by(H_=1.0), g, "runs away"),
    mistake(checks.macro_path, path_by(sign=-1.0), g, "runs away"),
    mistake(checks.macro_path, path_by(F_=0.0), g, "the force is missing"),
    mistake(checks.macro_path, path_by(keep=False), g, "starts from the same y"),
    mistake(checks.macro_path, path_by(extra=-1), g, "21 entries"),
    mistake(checks.macro_path, path_by(first=False), g, "begin with X(0)"),
    mistake(checks.macro_path, path_by(twice=True), g, "asked 40 times"),
    mistake(checks.macro_path, from_formula, g, "never called"),
    mistake(checks.macro_path, path_by(F_=1.1), g, "is off by"),
    nonsense(checks.macro_path, lambda ask, x, y, H, T: x, g, "one array", label="a number"),
    *nonsense_functions(checks.macro_path, (g,)),
    right(checks.hidden_scale, suspicion),
    right(checks.hidden_scale, roots_first),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: c / s), "the claimed error over the scatter"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: (s / c) ** 2), "this is the square"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: s / c * np.sqrt(2)), "the factor 2 is missing"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: s / c * np.sqrt(6)), "the memory is missing"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: s / c / np.sqrt(R)), "over the root of R"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: s), "the scatter alone"),
    mistake(checks.hidden_scale, without_ddof, "use ddof=1"),
    mistake(checks.hidden_scale, together, "of all values together"),
    mistake(checks.hidden_scale, of_all, "memory wants one series"),
    mistake(checks.hidden_scale, not_asked, "never called"),
    mistake(checks.hidden_scale, first_alone, "asked for 1 of 12 replicas"),
    mistake(checks.hidden_scale, over_replicas, "axis=1"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: s / c * np.sqrt(R / 400)), "not the number of replicas"),
    mistake(checks.hidden_scale, suspicion_by(lambda s, c, R: s / c * 1.5), "is off by"),
    *nonsense_functions(checks.hidden_scale),
]
