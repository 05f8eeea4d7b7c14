"""Answers to project 2, right and wrong."""

import numpy as np

import hmm_core as hmm
from checks_cases import mistake, nonsense, nonsense_arrays, nonsense_functions, right
from hmm_course.checks import NOTHING
from hmm_course.checks import p2 as checks

X = np.array([[0.2, 0.7, 0.4], [0.1, 0.5, 0.9]])
U = np.array([0.5, 1.5, 1.0])
G = np.array([[1.0, -0.5, 0.3], [0.2, 0.8, -1.0]])
STATES = X, U, G


def medium(x, y):
    return (1 + x[0]) * (2 + np.cos(2 * np.pi * y[0]))


def tensor(x, y):
    a = medium(x, y)
    return np.stack([np.stack([a, 0 * a]), np.stack([0 * a, 2 * a])])


def law(x, y, u, xi):
    """A conductivity that grows with the state."""
    return (1 + u) * medium(x, y) * xi, medium(x, y) * xi, (1 + u) * medium(x, y)


def normalised(x, y):
    """A picture whose brightness is scaled by what it happens to see."""
    a = medium(x, y)
    return a / a.max()


def changed(flux=None, du=None, dxi=None):
    """The law with one of its parts spoiled."""

    def spoiled(x, y, u, xi):
        j, j_u, T = law(x, y, u, xi)
        return flux(j) if flux else j, du(j_u) if du else j_u, dxi(T) if dxi else T

    return spoiled


CELL = hmm.CellProblem(dim=2, n=6, tol=1e-6)
LINEAR = hmm.CellClosure(medium, CELL)
NONLINEAR = hmm.NonlinearCellClosure(law, CELL)


def plain(x, u, grad):
    """sigma = (1 + u) grad U, as a plain function."""
    return (1 + u) * grad, grad, (1 + u) * np.eye(2)[:, :, None]


def wrong_closure(flux=lambda f: f, du=lambda d: d, dG=lambda d: d):
    def spoiled(x, u, grad):
        f, d_du, d_dG = plain(x, u, grad)
        return flux(f), du(d_du), dG(d_dG)

    return spoiled


class Moody:
    """Answers differently each time."""

    def __init__(self):
        self.asked = 0

    def __call__(self, x, u, grad):
        self.asked += 1
        return (1 + self.asked) * grad, 0 * grad, (1 + self.asked) * np.eye(2)[:, :, None] + 0 * u


def by_place_in_the_list(x, u, grad):
    weight = 1 + np.arange(len(u))
    return weight * grad, 0 * grad, weight * np.eye(2)[:, :, None]


CASES = [
    right(checks.material, medium, X),
    right(checks.material, tensor, X),
    right(checks.material, law, X, U),
    right(checks.material, hmm.laws.PowerLaw(medium, p=3.0, delta=0.5), X, U),
    right(checks.material, lambda x, y: medium(x, y / 3), X, 1.0, None),
    mistake(checks.material, lambda x, y: medium(x, y) - 3, X, "does not conduct"),
    mistake(checks.material, lambda x, y: medium(x, x) + 0 * y[0], X, "does not vary with y"),
    mistake(checks.material, normalised, X, "asked alone"),
    mistake(checks.material, lambda x, y: medium(x, y / 3), X, "has not the period 1 in y[0]"),
    mistake(checks.material, lambda x, y: medium(x, y)[..., :7], X, "should broadcast to"),
    mistake(checks.material, changed(du=lambda d: 0 * d), X, U, "the macro loop has to know"),
    mistake(checks.material, changed(du=lambda d: 2 * d), X, U, "dj_du, compared with a centred difference"),
    mistake(checks.material, changed(dxi=lambda T: 2 * T), X, U, "dj_dxi[:, 0], compared"),
    mistake(checks.material, changed(flux=lambda j: -j, dxi=lambda T: -T), X, U, "does not conduct"),
    mistake(checks.material, lambda x, y, u, xi: law(x, y, u, xi)[0], X, U, "should return 3 arrays"),
    mistake(checks.material, medium, X[0], "should have shape (d, K)"),
    *(case for case in nonsense_functions(checks.material, (X,)) if case.label != "a number"),
    right(checks.closure, LINEAR, *STATES),
    right(checks.closure, NONLINEAR, *STATES),
    right(checks.closure, plain, *STATES),
    mistake(checks.closure, wrong_closure(lambda f: -f, dG=lambda d: -d), *STATES, "answers down the gradient"),
    mistake(
        checks.closure, wrong_closure(lambda f: f * [1, -1, 1], dG=lambda d: d * [1, -1, 1]), *STATES, "one by one"
    ),
    mistake(checks.closure, wrong_closure(dG=lambda d: 2 * d), *STATES, "d_dgrad[:, 0], compared"),
    mistake(checks.closure, wrong_closure(du=lambda d: 0 * d), *STATES, "d_du is zero"),
    mistake(checks.closure, wrong_closure(du=lambda d: 3 * d), *STATES, "d_du does not agree"),
    mistake(checks.closure, Moody(), *STATES, "asked twice"),
    mistake(checks.closure, by_place_in_the_list, *STATES, "in another order"),
    mistake(checks.closure, plain, X[:, :1], U[:1], G[:, :1], "two states or more"),
    nonsense(checks.closure, None, *STATES, NOTHING, label="None"),
    nonsense(checks.closure, ..., *STATES, NOTHING, label="dots"),
    nonsense(checks.closure, 3.0, *STATES, "should be a function", label="a number"),
    nonsense(checks.closure, lambda x, u, grad: 1 / 0, *STATES, "stopped with ZeroDivisionError", label="raises"),
    nonsense(checks.closure, lambda x, u, grad: (np.nan * grad, grad, np.eye(2)), *STATES, "nan", label="nan"),
    right(checks.settling, [1.0, 1.4, 1.5, 1.525]),
    right(checks.settling, (3.0, 2.9, 2.95)),
    mistake(checks.settling, [1.525, 1.5, 1.4, 1.0], "from fine to coarse"),
    mistake(checks.settling, [1.0, 1.0, 1.0], "do not change at all"),
    mistake(checks.settling, [1.0, 1.0, 1.1], "two neighbours are equal"),
    mistake(checks.settling, [1.0, 1.1, 1.2], "do not shrink"),
    mistake(checks.settling, [1.0, 1.1], "three values or more"),
    *nonsense_arrays(checks.settling, (3,))[:3],
    nonsense(checks.settling, [1.0, np.nan, 1.0], "nan", label="nan"),
    right(checks.budget, {"mesh": 0.01, "cell": 0.01, "sample": 0.02}, 0.05),
    mistake(checks.budget, {"mesh": 0.01, "cell": 0.01, "sample": 0.04}, 0.05, "the largest is 'sample'"),
    mistake(checks.budget, {"mesh": 0.01, "cell": -0.01, "sample": 0.04}, 0.05, "may cancel by luck"),
    mistake(checks.budget, {"mesh": 1.0, "cell": 1.0, "sample": 2.5}, 0.05, "are these percents"),
    mistake(checks.budget, {"mesh": 0.01, "cell": 0.01}, 0.05, "has 2 terms"),
    mistake(checks.budget, {"mesh": 0.0, "cell": 0.0, "sample": 0.0}, 0.05, "all errors are zero"),
    mistake(checks.budget, {"mesh": 0.01, "cell": 0.01, "sample": 0.02}, 5, "a fraction between 0 and 1"),
    mistake(checks.budget, [0.01, 0.01, 0.02], 0.05, "should be a dictionary"),
    nonsense(checks.budget, None, 0.05, NOTHING, label="None"),
    nonsense(checks.budget, ..., 0.05, NOTHING, label="dots"),
    nonsense(checks.budget, {"mesh": np.nan, "cell": 0.1, "sample": 0.1}, 0.5, "nan", label="nan"),
    nonsense(checks.budget, {"mesh": "big", "cell": 0.1, "sample": 0.1}, 0.5, "real numbers", label="text"),
]
