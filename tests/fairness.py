"""Whether a random number is fair: raw biases over hundreds of independent runs, in units of their own standard error.

A fair model is refused with probability 6e-5 (``FAR`` = 4, two-sided, normal). One whose bias is half the standard error of a
single run passes with less than 2e-3, for ``fair`` asks for enough runs: 200 of them shift z by 7. Means of t statistics
would not do: where mean and standard error are correlated, as for counts, they are skewed.
"""

import math

import numpy as np

from hmm_core.micro.particles import Chance

FAR = 4.0


def chance(points, replicas, variants=1, block=0, key=7):
    """Random numbers for so many points, each with a stream of its own."""
    return Chance(key, np.arange(points, dtype=np.uint64), np.zeros(points, np.uint64), block, variants, replicas)


def fair(samples, exact):
    """|z| of the mean of independent samples (n, ...) about what it should be; n large enough to see half a standard error."""
    samples = np.asarray(samples, dtype=float)
    assert 0.5 * math.sqrt(len(samples)) > FAR + 3
    return np.abs(samples.mean(axis=0) - exact) / (samples.std(axis=0, ddof=1) / math.sqrt(len(samples)))
