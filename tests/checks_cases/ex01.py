"""Answers to exercise 1, right and wrong."""

import numpy as np
import sympy as sp

from checks_cases import mistake, nonsense_expressions, nonsense_functions, right
from hmm_core import exact
from hmm_course.checks import ex01 as checks
from hmm_course.variants import numbers

x, y, eps, c = sp.symbols("x y epsilon c")
a, w, U = sp.Function("a")(y), sp.Function("w")(y), sp.Function("U")(x)
slope = w.diff(y)


def mean(g):
    return sp.Integral(g, (y, 0, 1))


def harmonic(points, scale=lambda value, n: value):
    """effective_1d with these points; ``scale`` makes a mistake of it."""
    return lambda a, n: scale(1 / np.mean(1 / a(points(n))), n)


def midpoints(n):
    return (np.arange(n) + 0.5) / n


def loop(a, n):
    """As somebody writes it who has not met arrays."""
    return n / sum(1 / float(a((i + 0.5) / n)) for i in range(n))


def corrector(y):
    return np.sin(2 * np.pi * y) / (4 * np.pi)


def reconstruct(x, eps, corrector=corrector):
    return x * (1 - x) + eps * corrector(x / eps) * (1 - 2 * x)


CLASS = 9
RESISTANCE = numbers("01", CLASS)["alpha"]


def of_class(y):
    return 2 / RESISTANCE * corrector(y)


CASES = [
    right(checks.chain_rule, lambda g: g.diff(x) + g.diff(y) / eps),
    right(checks.chain_rule, lambda g: sp.diff(g, x) + 1 / eps * sp.diff(g, y)),
    mistake(checks.chain_rule, lambda g: g.diff(x) + g.diff(y), "eps is missing"),
    mistake(checks.chain_rule, lambda g: g.diff(x) + eps * g.diff(y), "1/eps, not eps"),
    mistake(checks.chain_rule, lambda g: g.diff(x), "y is no constant"),
    mistake(checks.chain_rule, lambda g: g.diff(x) - g.diff(y) / eps, "sign of the fast part"),
    mistake(checks.chain_rule, lambda g: g.diff(y) / eps, "keeps its ordinary derivative"),
    mistake(checks.chain_rule, lambda g: (g.diff(x) + g.diff(y)) / eps, "gets no 1/eps"),
    mistake(checks.chain_rule, lambda g: g.diff(x) + g.diff(y) / c, "contains c"),
    mistake(checks.chain_rule, lambda g: g.diff(x) + g.diff(y) / eps + g.diff(x, y), "something else"),
    *nonsense_functions(checks.chain_rule),
    right(checks.cell_flux, a * (1 + slope)),
    right(checks.cell_flux, sp.expand(a + a * slope)),
    mistake(checks.cell_flux, a * slope, "the 1 is missing"),
    mistake(checks.cell_flux, a, "w' is missing"),
    mistake(checks.cell_flux, a * (1 + w), "not w itself"),
    mistake(checks.cell_flux, -a * (1 + slope), "points up the slope"),
    mistake(checks.cell_flux, a * (1 - slope), "with a plus"),
    mistake(checks.cell_flux, 1 + slope, "does not contain a(y)"),
    mistake(checks.cell_flux, a * (1 + slope) * U.diff(x), "without the factor U'(x)"),
    mistake(checks.cell_flux, (a * (1 + slope)).diff(y), "differentiated once more"),
    mistake(checks.cell_flux, 2 * a * (1 + slope), "something else"),
    *nonsense_expressions(checks.cell_flux),
    right(checks.effective, 1 / mean(1 / a)),
    right(checks.effective, mean(1 / a) ** -1 * 2 / 2),
    mistake(checks.effective, mean(a), "arithmetic mean"),
    mistake(checks.effective, mean(1 / a), "averaged the resistance"),
    mistake(checks.effective, 1 / mean(a), "not a"),
    mistake(checks.effective, -1 / mean(1 / a), "the sign"),
    mistake(checks.effective, c / a, "c is still in your answer"),
    mistake(checks.effective, 1 / a, "changes with y"),
    mistake(checks.effective, sp.sqrt(3), "has disappeared"),
    mistake(checks.effective, sp.exp(mean(sp.log(a))), "a = 2 + cos(2 pi y) is off by"),
    mistake(checks.effective, 2 / mean(1 / a), "constant a = 3 is off"),
    *nonsense_expressions(checks.effective),
    right(checks.harmonic_mean, harmonic(midpoints)),
    right(checks.harmonic_mean, harmonic(lambda n: np.arange(n) / n)),
    right(checks.harmonic_mean, loop),
    mistake(checks.harmonic_mean, lambda a, n: np.mean(a(midpoints(n))), "arithmetic mean"),
    mistake(checks.harmonic_mean, lambda a, n: np.exp(np.mean(np.log(a(midpoints(n))))), "geometric mean"),
    mistake(checks.harmonic_mean, lambda a, n: np.mean(1 / a(midpoints(n))), "one over that"),
    mistake(checks.harmonic_mean, lambda a, n: 1 / np.sum(1 / a(midpoints(n))), "divide by the number of points"),
    mistake(checks.harmonic_mean, lambda a, n: np.sum(1 / a(midpoints(n))), "Then turn it over"),
    mistake(checks.harmonic_mean, lambda a, n: np.sum(a(midpoints(n))), "not yet an average"),
    mistake(checks.harmonic_mean, harmonic(lambda n: np.linspace(0, 1, n)), "counted twice"),
    mistake(checks.harmonic_mean, harmonic(lambda n: np.linspace(0, 1, n + 1)), "counted twice"),
    mistake(checks.harmonic_mean, lambda a, n: np.max(a(midpoints(n))), "between 1, the smallest, and 5"),
    mistake(checks.harmonic_mean, lambda a, n: harmonic(midpoints)(a, 4), "shifted by 0.3 periods"),
    mistake(checks.harmonic_mean, lambda a, n: harmonic(midpoints)(a, 3), "off by"),
    mistake(checks.harmonic_mean, lambda a, n: 1 / a(midpoints(n)), "should be a single number"),
    *nonsense_functions(checks.harmonic_mean),
    right(checks.corrector, corrector),
    mistake(checks.corrector, lambda y: np.cos(2 * np.pi * y) / 2, "this is the slope"),
    mistake(checks.corrector, lambda y: -corrector(y), "the sign"),
    mistake(checks.corrector, lambda y: 2 * np.pi * corrector(y), "a factor 2 pi"),
    mistake(checks.corrector, lambda y: 2 * corrector(y), "has the 1/2 and the 1/(2 pi)"),
    mistake(checks.corrector, lambda y: 0 * y, "does nothing"),
    mistake(checks.corrector, lambda y: y + 2 * corrector(y), "not periodic"),
    mistake(checks.corrector, lambda y: corrector(y) + 0.1, "has the mean 0.1"),
    mistake(checks.corrector, lambda y: corrector(y) + 0.01 * np.cos(2 * np.pi * y), "the slope of w"),
    mistake(checks.corrector, lambda y: corrector(0.25), "should be an array of shape"),
    right(checks.corrector, of_class, CLASS),
    mistake(checks.corrector, corrector, CLASS, "belongs to a mean resistance of 2"),
    *nonsense_functions(checks.corrector),
    right(checks.reconstruction, reconstruct),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x) + corrector(x / eps) * (1 - 2 * x), "eps is missing"),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x) + eps * corrector(x) * (1 - 2 * x), "fast variable"),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x) * (1 + eps * corrector(x / eps)), "not by U(x)"),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x) + eps * corrector(x / eps), "slope U'(x) is missing"),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x) - eps * corrector(x / eps) * (1 - 2 * x), "the sign"),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x), "without its fine scale"),
    mistake(checks.reconstruction, lambda x, eps: eps * corrector(x / eps) * (1 - 2 * x), "added to U(x)"),
    mistake(checks.reconstruction, lambda x, eps: 1 - x**2 + 0 * eps, "vanish at both ends"),
    mistake(checks.reconstruction, lambda x, eps: x * (1 - x) * 2 + 0 * eps, "yours shrinks by 1"),
    mistake(checks.reconstruction, exact.cosine_solution, "off by"),
    right(checks.reconstruction, lambda x, eps: RESISTANCE / 2 * reconstruct(x, eps, of_class), CLASS),
    mistake(checks.reconstruction, lambda x, eps: reconstruct(x, eps, of_class), CLASS, "your U is x(1-x)"),
    mistake(
        checks.reconstruction,
        lambda x, eps: RESISTANCE / 2 * x * (1 - x) + eps * of_class(x / eps) * (1 - 2 * x),
        CLASS,
        "but its slope U' does not",
    ),
    *nonsense_functions(checks.reconstruction),
]
