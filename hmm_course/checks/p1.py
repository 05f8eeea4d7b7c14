"""Checks of project 1, random media: intervals from samples, and how to split a budget between size and number."""

from collections.abc import Callable

import numpy as np
from scipy.special import stdtrit

from hmm_course.checks import Array, array, ask, close, match, passed, recognise, require

Interval = Callable[..., tuple[float, float]]

QUANTILE = "the quantile is that of (1 + confidence)/2, for half of the doubt lies on either side."


def _samples(count: int = 9, seed: int = 0) -> Array:
    return np.exp(0.4 * np.random.default_rng(seed).standard_normal(count))


def _pair(function: Interval, name: str, k: Array, confidence: float, case: str) -> Array:
    """What the reader's function answers: two finite numbers."""
    return array(ask(function, k.copy(), confidence, name=name, case=case), f"{name}(k, confidence)", (2,))


def _t(count: int, quantile: float) -> float:
    return float(stdtrit(count - 1, quantile))


def _wrong_halves(values: Array, confidence: float) -> dict[str, float]:
    """Half-widths that are often written for the mean of ``values``."""
    count, s = len(values), values.std(ddof=1)
    root, two_sided = np.sqrt(count), (1 + confidence) / 2
    t = _t(count, two_sided)
    return {
        "this is the whole width of the interval; half of it is asked for.": 2 * t * s / root,
        "this is the standard error; the interval is t times as wide.": s / root,
        "divide by the root of N: this interval is for one sample, not for the mean.": t * s,
        "divide by the root of N, not by N.": t * s / count,
        "use ddof=1: s has N - 1 in the denominator.": t * values.std() / root,
        "this is made of the variance; take the standard deviation.": t * s**2 / root,
        "1.96 belongs to many samples; for few, use Student's t with N - 1 degrees of freedom.": 1.96 * s / root,
        "the quantile is the normal one; for few samples, use Student's t with N - 1 degrees of freedom.": stdtrit(
            1e9, two_sided
        )
        * s
        / root,
        "Student's t has N - 1 degrees of freedom here, not N.": float(stdtrit(count, two_sided)) * s / root,
        QUANTILE: _t(count, confidence) * s / root,
    }


def interval_of_the_mean(estimate: Interval) -> None:
    """estimate(k, confidence) = mean and t s/sqrt(N), t the quantile (1 + confidence)/2 with N - 1 degrees of freedom."""
    name = "estimate"
    constant = _pair(estimate, name, np.full(5, 2.0), 0.95, "five equal samples of 2")
    match(constant[0], 2.0, "the mean of five equal samples of 2")
    require(abs(constant[1]) < 1e-12, "equal samples do not scatter: the half-width must be zero.")

    k, confidence = _samples(), 0.95
    mean, half = _pair(estimate, name, k, confidence, "nine samples")
    recognise(
        mean,
        {
            "this is the harmonic mean; the arithmetic one is asked for here.": 1 / np.mean(1 / k),
            "this is the median; the mean is asked for.": np.median(k),
            "these are the ends of the interval; return its middle and half its width.": k.mean()
            - _t(9, 0.975) * k.std(ddof=1) / 3,
        },
    )
    match(mean, k.mean(), "the mean of nine samples")
    require(half > 0, "the half-width should be a positive number.")
    right = _t(9, 0.975) * k.std(ddof=1) / 3
    match(half, right, "the half-width for nine samples", mistakes=_wrong_halves(k, confidence))

    scaled = _pair(estimate, name, 10 * k, confidence, "nine samples in other units")
    match(scaled, [10 * mean, 10 * half], "estimate for samples in other units")
    surer = _pair(estimate, name, k, 0.99, "nine samples and the confidence 0.99")[1]
    require(not close(surer, half), "the half-width does not change with the confidence: use the argument, not 0.95.")
    match(surer, _t(9, 0.995) * k.std(ddof=1) / 3, "the half-width for the confidence 0.99")
    two = _pair(estimate, name, k[:2], confidence, "two samples")[1]
    match(two, _t(2, 0.975) * k[:2].std(ddof=1) / np.sqrt(2), "the half-width for two samples")
    passed("no width for equal samples", "Student's t for few samples", "wider for more confidence")


def interval_of_the_harmonic_mean(harmonic: Interval) -> None:
    """harmonic(k, confidence) = 1/<1/k> and its half-width to first order, that of <1/k> divided by <1/k>^2."""
    name = "harmonic"
    constant = _pair(harmonic, name, np.full(5, 2.0), 0.95, "five equal samples of 2")
    recognise(constant[0], {"this is the mean resistance; the conductivity is one over it.": 0.5})
    match(constant[0], 2.0, "the harmonic mean of five equal samples of 2")
    require(abs(constant[1]) < 1e-12, "equal samples do not scatter: the half-width must be zero.")

    k, confidence = _samples(seed=1), 0.95
    r = 1 / k
    mean, half = _pair(harmonic, name, k, confidence, "nine samples")
    recognise(mean, {"this is the arithmetic mean: average 1/k and turn the result over.": k.mean()})
    match(mean, 1 / r.mean(), "the harmonic mean of nine samples")
    require(
        half > 0, "the half-width should be a positive number: turning a number over changes the sign of a difference."
    )
    of_resistance = _t(9, 0.975) * r.std(ddof=1) / 3
    stretch = 1 / r.mean() ** 2
    mistakes = {
        "this is the half-width of the mean resistance; divide by its square.": of_resistance,
        "divide by the square of the mean resistance, not by the mean resistance.": of_resistance / r.mean(),
        "divide by the square of the mean resistance; you multiply by it.": of_resistance * r.mean() ** 2,
        "this is one over the half-width of the resistance; small differences are stretched, not turned over.": 1
        / of_resistance,
        "this is the half-width of the arithmetic mean; start from the scatter of 1/k.": _t(9, 0.975)
        * k.std(ddof=1)
        / 3,
    }
    mistakes |= {sentence: stretch * wrong for sentence, wrong in _wrong_halves(r, confidence).items()}
    match(half, stretch * of_resistance, "the half-width for nine samples", mistakes=mistakes)
    surer = _pair(harmonic, name, k, 0.99, "nine samples and the confidence 0.99")[1]
    match(surer, stretch * _t(9, 0.995) * r.std(ddof=1) / 3, "the half-width for the confidence 0.99")
    passed("no width for equal samples", "resistances averaged and turned over", "the scatter stretched by 1/r^2")


def _promises(budget: float, sizes: Array, variance: Array, bias: Array, confidence: float) -> tuple[Array, Array]:
    count = np.floor(budget / sizes**2)
    t = stdtrit(np.maximum(count, 2) - 1, (1 + confidence) / 2)
    return count, np.where(count >= 2, abs(bias) + t * np.sqrt(variance / np.maximum(count, 1)), np.inf)


def split(best_split: Callable[..., tuple[float, int, float]]) -> None:
    """best_split(budget, sizes, variance, bias, confidence): the size with the smallest |bias| + t sqrt(variance/N)."""

    def of(budget: float, sizes: Array, variance: Array, bias: Array, confidence: float, case: str) -> Array:
        arguments = (budget, sizes.copy(), variance.copy(), bias.copy(), confidence)
        answer = ask(best_split, *arguments, name="best_split", case=case)
        return array(answer, "best_split(...)", (3,))

    one = of(100.0, np.array([3.0]), np.array([0.5]), np.array([-0.2]), 0.95, "a single size, 3, and a budget of 100")
    recognise(
        one[1],
        {
            "the area of a sample is its size squared: 100 buys 11 samples of size 3, not 33.": 33,
            "the number of samples is a whole number: round 100/9 down.": 100 / 9,
            "twelve samples of size 3 cost more than 100: round down.": 12,
        },
    )
    match(one[:2], [3.0, 11.0], "size and number for a single size")
    t, root = float(stdtrit(10, 0.975)), np.sqrt(0.5 / 11)
    match(
        one[2],
        0.2 + t * root,
        "the promise for a single size",
        mistakes={
            "a bias counts whatever its sign: take its absolute value.": -0.2 + t * root,
            "the bias is missing: chance is only half of the promise.": t * root,
            "bias and chance are added here, without squares: a bias does not average out.": np.hypot(0.2, t * root),
            "divide the variance by the number of samples.": 0.2 + t * np.sqrt(0.5),
            "take the root of variance/N.": 0.2 + t * 0.5 / 11,
            "1.96 promises too much for eleven samples; use Student's t.": 0.2 + 1.96 * root,
            "t is missing: one standard error covers only two cases out of three.": 0.2 + root,
            "Student's t has N - 1 degrees of freedom here, not N.": 0.2 + float(stdtrit(11, 0.975)) * root,
            QUANTILE: 0.2 + float(stdtrit(10, 0.95)) * root,
        },
    )

    sizes = np.arange(2.0, 60.0)
    for budget, spread, off, power in ((500.0, 3.0, 1.0, 1), (3000.0, 0.02, 1.0, 1), (3000.0, 3.0, 0.2, 2)):
        variance, bias = spread / sizes**2, -off / sizes**power
        case = f"budget {budget:g}, variance {spread:g}/L^2, bias -{off:g}/L^{power}, sizes 2 to 59"
        count, promise = _promises(budget, sizes, variance, bias, 0.95)
        best = np.argmin(promise)
        found = of(budget, sizes, variance, bias, 0.95, case)
        require(found[1] >= 2, f"you recommend {found[1]:g} sample; at least two are needed for an interval ({case}).")
        require(found[0] in sizes, f"the size {found[0]:g} is not among those offered ({case}).")
        worst = np.argmax(np.where(np.isfinite(promise), promise, -np.inf))
        require(best == worst or found[0] != sizes[worst], "you return the largest promise; look for the smallest.")
        match(found[0], sizes[best], f"the best size ({case})")
        match(found[1:], [count[best], promise[best]], f"number and promise ({case})")
    variance, bias = 3.0 / sizes**2, 0.2 / sizes
    _, promise = _promises(3000.0, sizes, variance, bias, 0.8)
    surer = of(3000.0, sizes, variance, bias, 0.8, "the confidence 0.8")
    match(surer[2], promise.min(), "the promise for the confidence 0.8")
    passed(
        "an area buys size squared", "the bias counts whatever its sign", "the smallest promise among affordable sizes"
    )
