"""Answers to project 1, right and wrong."""

import numpy as np
from scipy.special import ndtri, stdtrit
from scipy.stats import t as student

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_course.checks import p1 as checks


def quantile(count, confidence=0.95):
    return stdtrit(count - 1, (1 + confidence) / 2)


def interval(half, mean=np.mean):
    """estimate with the half-width ``half(k, s, N, confidence)``."""
    return lambda k, confidence: (mean(k), half(k, k.std(ddof=1), len(k), confidence))


def standard(k, s, n, c):
    return quantile(n, c) * s / np.sqrt(n)


def by_scipy(k, confidence):
    low, high = student.interval(confidence, len(k) - 1, loc=k.mean(), scale=k.std(ddof=1) / np.sqrt(len(k)))
    return np.array([(low + high) / 2, (high - low) / 2]) if k.std() > 0 else (k.mean(), 0.0)


def turned(half, mean=lambda r: 1 / r.mean()):
    """harmonic with the half-width ``half(delta, r)``, delta that of the mean resistance r."""

    def harmonic(k, confidence):
        r = 1 / k
        delta = quantile(len(k), confidence) * r.std(ddof=1) / np.sqrt(len(k))
        return mean(r), half(delta, r.mean())

    return harmonic


def split_by(
    count=np.floor, promise=lambda b, v, n, t: abs(b) + t * np.sqrt(v / n), best=np.argmin, area=2, least=2, df=1
):
    def best_split(budget, sizes, variance, bias, confidence):
        n = count(budget / sizes**area)
        t = stdtrit(np.maximum(n, 1.5) - df, (1 + confidence) / 2)
        h = promise(bias, variance, np.maximum(n, 1), t)
        h = np.where(n >= least, h, np.inf if best is np.argmin else -np.inf)
        k = best(h)
        return sizes[k], n[k], h[k]

    return best_split


def by_loop(budget, sizes, variance, bias, confidence):
    best = None
    for size, v, b in zip(sizes, variance, bias, strict=True):
        n = int(budget // size**2)
        if n < 2:
            continue
        h = abs(b) + quantile(n, confidence) * np.sqrt(v / n)
        if best is None or h < best[2]:
            best = (size, n, h)
    return best


CASES = [
    right(checks.interval_of_the_mean, interval(standard)),
    right(checks.interval_of_the_mean, by_scipy),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: 2 * standard(k, s, n, c)), "the whole width"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: s / np.sqrt(n)), "the standard error"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: quantile(n, c) * s), "not for the mean"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: quantile(n, c) * s / n), "not by N"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: quantile(n, c) * k.std() / np.sqrt(n)), "ddof=1"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: quantile(n, c) * s**2 / np.sqrt(n)), "variance"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: 1.96 * s / np.sqrt(n)), "1.96 belongs to many"),
    mistake(
        checks.interval_of_the_mean,
        interval(lambda k, s, n, c: ndtri((1 + c) / 2) * s / np.sqrt(n)),
        "the quantile is the normal one",
    ),
    mistake(
        checks.interval_of_the_mean,
        interval(lambda k, s, n, c: stdtrit(n, (1 + c) / 2) * s / np.sqrt(n)),
        "N - 1 degrees of freedom here",
    ),
    mistake(
        checks.interval_of_the_mean,
        interval(lambda k, s, n, c: stdtrit(n - 1, c) * s / np.sqrt(n)),
        "half of the doubt",
    ),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: standard(k, s, n, 0.95)), "use the argument"),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: -standard(k, s, n, c)), "a positive number"),
    mistake(checks.interval_of_the_mean, interval(standard, lambda k: 1 / np.mean(1 / k)), "this is the harmonic mean"),
    mistake(checks.interval_of_the_mean, interval(standard, np.median), "this is the median"),
    mistake(
        checks.interval_of_the_mean,
        lambda k, c: (
            (k.mean() - standard(k, k.std(ddof=1), len(k), c), k.mean() + standard(k, k.std(ddof=1), len(k), c))
            if k.std() > 0
            else (k.mean(), 0.0)
        ),
        "the ends of the interval",
    ),
    mistake(checks.interval_of_the_mean, interval(lambda k, s, n, c: 0.1 + 0 * s), "must be zero"),
    mistake(
        checks.interval_of_the_mean,
        interval(lambda k, s, n, c: standard(k, s, n, c) if n > 2 else 1.96 * s / np.sqrt(n)),
        "the half-width for two samples is off",
    ),
    mistake(checks.interval_of_the_mean, lambda k, c: k.mean(), "array of shape (2,)"),
    *nonsense_functions(checks.interval_of_the_mean),
    right(checks.interval_of_the_harmonic_mean, turned(lambda delta, r: delta / r**2)),
    right(
        checks.interval_of_the_harmonic_mean,
        lambda k, c: (1 / by_scipy(1 / k, c)[0], by_scipy(1 / k, c)[1] * by_scipy(1 / k, c)[0] ** -2),
    ),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: d), "the half-width of the mean resistance"),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: d / r), "not by the mean resistance"),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: d * r**2), "you multiply by it"),
    mistake(
        checks.interval_of_the_harmonic_mean, turned(lambda d, r: 1 / d if d > 0 else 0.0), "stretched, not turned over"
    ),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: -d / r**2), "changes the sign"),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: 1.96 / 2.306004135 * d / r**2), "1.96 belongs"),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: 3 * d / r**2), "for one sample"),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: d / r**2, lambda r: r.mean()), "one over it"),
    mistake(checks.interval_of_the_harmonic_mean, interval(standard), "average 1/k and turn the result over"),
    mistake(
        checks.interval_of_the_harmonic_mean, interval(standard, lambda k: 1 / np.mean(1 / k)), "the scatter of 1/k"
    ),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: 1.1 * d / r**2), "is off by"),
    mistake(checks.interval_of_the_harmonic_mean, turned(lambda d, r: 0.1), "must be zero"),
    *nonsense_functions(checks.interval_of_the_harmonic_mean),
    right(checks.split, split_by()),
    right(checks.split, by_loop),
    mistake(checks.split, split_by(area=1), "not 33"),
    mistake(checks.split, split_by(count=lambda n: n), "a whole number"),
    mistake(checks.split, split_by(count=np.ceil), "round down"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: b + t * np.sqrt(v / n)), "whatever its sign"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: t * np.sqrt(v / n)), "the bias is missing"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: np.hypot(b, t * np.sqrt(v / n))), "without squares"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: abs(b) + t * np.sqrt(v)), "divide the variance"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: abs(b) + t * v / n), "take the root"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: abs(b) + 1.96 * np.sqrt(v / n)), "promises too much"),
    mistake(checks.split, split_by(promise=lambda b, v, n, t: abs(b) + np.sqrt(v / n)), "t is missing"),
    mistake(checks.split, split_by(df=0), "not N"),
    mistake(checks.split, split_by(best=np.argmax), "look for the smallest"),
    mistake(
        checks.split,
        split_by(least=1, promise=lambda b, v, n, t: abs(b) + np.where(n < 2, 0, t) * np.sqrt(v / n)),
        "at least two",
    ),
    mistake(checks.split, lambda *a: by_loop(*a[:4], 0.9), "half of the doubt"),
    mistake(checks.split, lambda *a: by_loop(*a[:4], 0.95), "for the confidence 0.8"),
    nonsense(
        checks.split, lambda B, L, v, b, c: (100.0, *by_loop(B, L, v, b, c)[1:]), "is off by", label="a size of its own"
    ),
    *nonsense_functions(checks.split),
]
