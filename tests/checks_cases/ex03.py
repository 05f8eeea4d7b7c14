"""Answers to exercise 3, right and wrong."""

import warnings

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_core import exact
from hmm_course.checks import ex03 as checks
from hmm_course.variants import numbers

EYE = np.eye(2)
CLASS = 9  # whose faces lie on the left, and whose mean slope is not 1
SLOPE = numbers("03", CLASS)["slope"]


def dense(n):
    return n * (np.roll(np.eye(n), 1, axis=1) - np.eye(n))


def gradient(n):
    return sparse.csr_array(dense(n))


def by_diagonals(n):
    """As somebody writes it who thinks in diagonals."""
    return sparse.diags([-n, n, n], [0, 1, 1 - n], shape=(n, n))


def changed(change):
    """gradient with its dense matrix changed."""
    return lambda n: sparse.csr_array(change(dense(n), n))


def with_last_row(row):
    def change(D, n):
        D[-1] = row(D, n)
        return D

    return changed(change)


def corrector(a, sign=-1, scale=1.0, shift=True):
    D = dense(len(a))
    w = np.linalg.lstsq(D.T @ (a[:, None] * D), sign * D.T @ a, rcond=None)[0] * scale
    return w - w.mean() if shift else w - w[0]


def with_one_held(a):
    D, w = gradient(len(a)), np.zeros(len(a))
    w[1:] = spsolve((D.T @ sparse.diags_array(a) @ D)[1:, 1:].tocsc(), (-D.T @ a)[1:])
    return w - w.mean()


def with_a_mean_row(a):
    """Another way to fix the constant."""
    D, n = dense(len(a)), len(a)
    return np.linalg.solve(D.T @ (a[:, None] * D) + np.ones((n, n)), -D.T @ a)


def nothing_held(a):
    """The singular system, solved as it is: in general this works by luck, in the first material it does not."""
    D = gradient(len(a))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spsolve((D.T @ sparse.diags_array(a) @ D).tocsc(), -D.T @ a)


def line(a, one=1.0, use=lambda a: a, sign=1.0, reduce=np.mean):
    return reduce(use(a) * (one + sign * dense(len(a)) @ corrector(a)))


def of_class(a):
    """corrector in the mirror, where right faces are left ones, for the mean slope of the class."""
    return -SLOPE * corrector(a[::-1])[::-1]


def gradients(n, order="DI"):
    pair = sparse.kron(gradient(n), sparse.eye_array(n)), sparse.kron(sparse.eye_array(n), gradient(n))
    return pair if order == "DI" else pair[::-1]


def tensor(a1, a2, sign=-1, delta=EYE, factors=None, reduce=np.mean):
    D = [d.toarray() for d in gradients(len(a1))]
    a = [a1.ravel(), a2.ravel()]
    K = sum(D[k].T @ (a[k][:, None] * D[k]) for k in (0, 1))
    w = [sign * np.linalg.lstsq(K, D[j].T @ a[j], rcond=None)[0] for j in (0, 1)]
    flux = factors(a) if factors else a
    return np.array([[reduce(flux[i] * (delta[i, j] + D[i] @ w[j])) for j in (0, 1)] for i in (0, 1)])


def places(n, first, second):
    """Points (2, n, n) at (i + first, j + second)/n."""
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    return np.array([(i + first) / n, (j + second) / n])


def asked_at(one, two):
    return lambda a, n: (a(places(n, *one)), a(places(n, *two)))


def faces(a, n):
    return asked_at((1, 0.5), (0.5, 1))(a, n)


def with_linspace(a, n):
    grid = np.linspace(0, 1, n)
    values = a(np.array(np.meshgrid(grid, grid, indexing="ij")))
    return values, values


def between(k, mean=lambda p, q: 2 * p * q / (p + q), shift=-1):
    return mean(k, np.roll(k, shift, axis=0)), mean(k, np.roll(k, shift, axis=1))


def by_mean(mean):
    return lambda k: between(k, mean)


def not_wrapped(k):
    a1, a2 = between(k)
    a1[-1], a2[:, -1] = k[-1], k[:, -1]
    return a1, a2


def in_words(check):
    """Functions that return things of the wrong kind."""
    return [
        nonsense(check, lambda *_: (None, None), "replace the `...`", label="a pair of None"),
        nonsense(check, lambda *_: ("text", "text"), "should", label="a pair of texts"),
        *nonsense_functions(check),
    ]


CASES = [
    right(checks.gradient, gradient),
    right(checks.gradient, by_diagonals),
    mistake(checks.gradient, changed(lambda D, n: D / n), "multiply by n"),
    mistake(checks.gradient, changed(lambda D, n: D / n**2), "not divided by it"),
    mistake(checks.gradient, changed(lambda D, n: -D), "the sign"),
    mistake(checks.gradient, changed(lambda D, n: np.roll(D, 1, axis=0)), "takes the cells i - 1 and i"),
    mistake(checks.gradient, changed(lambda D, n: (D + np.roll(D, 1, axis=0)) / 2), "a slope in cell i"),
    mistake(checks.gradient, changed(lambda D, n: -D.T), "takes the cells i - 1 and i"),
    mistake(checks.gradient, changed(lambda D, n: D.T), "transposed"),
    mistake(checks.gradient, with_last_row(lambda D, n: 0), "the last face is missing"),
    mistake(checks.gradient, with_last_row(lambda D, n: D[-1] * np.eye(n)[-1]), "a period comes after this one"),
    mistake(checks.gradient, with_last_row(lambda D, n: D[-2]), "the last row repeats"),
    mistake(checks.gradient, changed(lambda D, n: D + np.eye(n)), "a constant w has no slope"),
    mistake(checks.gradient, changed(lambda D, n: np.roll(D, 1, axis=0) + D), "does not see the zigzag"),
    mistake(checks.gradient, changed(lambda D, n: 1.1 * D), "off by"),
    mistake(checks.gradient, lambda n: gradient(n) * 12 / n, "is 40 the n in your matrix"),
    mistake(checks.gradient, dense, "should be a sparse matrix"),
    mistake(checks.gradient, lambda n: gradient(n)[:-1], "should have shape (12, 12)"),
    *nonsense_functions(checks.gradient),
    right(checks.corrector, corrector),
    right(checks.corrector, with_one_held),
    right(checks.corrector, with_a_mean_row),
    mistake(checks.corrector, lambda a: corrector(a, sign=1), "the sign of the load"),
    mistake(checks.corrector, lambda a: 0 * a, "the load is missing"),
    mistake(checks.corrector, lambda a: corrector(a, shift=False), "subtract it"),
    mistake(checks.corrector, lambda a: corrector(a) + 0.1, "it should be zero"),
    mistake(checks.corrector, lambda a: corrector(a, scale=1 / len(a)), "a factor n is off"),
    mistake(checks.corrector, lambda a: corrector(a, scale=len(a)), "a factor n is off"),
    mistake(checks.corrector, lambda a: corrector(a, scale=0.5), "should be the same on every face"),
    mistake(checks.corrector, lambda a: np.sin(np.arange(len(a))), "in a uniform material"),
    mistake(checks.corrector, nothing_held, "the matrix is singular"),
    mistake(checks.corrector, lambda a: corrector(a)[1:], "should be an array of shape (12,)"),
    right(checks.corrector, of_class, CLASS),
    mistake(checks.corrector, lambda a: of_class(a) / SLOPE, CLASS, "this is the corrector of a mean slope of 1"),
    *nonsense_functions(checks.corrector),
    right(checks.line, line),
    right(checks.line, exact.harmonic_mean),
    mistake(checks.line, lambda a: line(a, use=lambda a: 1), "mean of the slope, which is 1"),
    mistake(checks.line, lambda a: line(a, one=0.0), "the 1 is missing"),
    mistake(checks.line, np.mean, "arithmetic mean"),
    mistake(checks.line, lambda a: line(a, sign=-1.0), "the sign of Dw"),
    mistake(checks.line, lambda a: line(a, reduce=np.sum), "this is a sum"),
    mistake(checks.line, lambda a: line(a, use=np.sqrt), "a = 3 everywhere is off"),
    mistake(checks.line, lambda a: np.max(a), "is not between"),
    mistake(checks.line, lambda a: np.exp(np.mean(np.log(a))), "off by"),
    mistake(checks.line, lambda a: a * (1 + dense(len(a)) @ corrector(a)), "should be a single number"),
    right(checks.line, line, CLASS),  # a mean flux per mean slope, whatever the slope
    mistake(checks.line, lambda a: SLOPE * line(a), CLASS, "the flux for each unit of it"),
    mistake(
        checks.line,
        lambda a: np.mean(a) + SLOPE * (line(a) - np.mean(a)),
        CLASS,
        "your flux is that of a mean slope of 1",
    ),
    *nonsense_functions(checks.line),
    right(checks.gradients, gradients),
    mistake(checks.gradients, lambda n: gradients(n, "ID"), "exchanged"),
    mistake(checks.gradients, lambda n: tuple(d.T for d in gradients(n)), "rows are faces"),
    mistake(checks.gradients, lambda n: (gradients(n)[0],) * 2, "is the one along y1"),
    mistake(checks.gradients, lambda n: (sparse.kron(gradient(n), gradient(n)),) * 2, "both directions at once"),
    mistake(checks.gradients, lambda n: tuple(d / n for d in gradients(n)), "lacks the factor n"),
    mistake(checks.gradients, lambda n: tuple(2 * d for d in gradients(n)), "off by"),
    mistake(checks.gradients, lambda n: (gradient(n), gradient(n)), "should have shape (25, 25)"),
    mistake(checks.gradients, lambda n: gradients(n)[0], "should be two sparse matrices"),
    *in_words(checks.gradients),
    right(checks.tensor, tensor),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, factors=lambda a: (1, 1)), "the mean of the gradient"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, delta=np.zeros((2, 2))), "lacks the part of e_j"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, delta=np.ones((2, 2))), "every entry is 3"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, reduce=np.sum), "a sum over the cells"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, sign=0), "does not enter"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, sign=1), "the sign of the load"),
    mistake(checks.tensor, lambda a1, a2: tensor(a2, a1), "a1 and a2 are exchanged"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1.T, a2.T), "rows and columns of the grid"),
    mistake(checks.tensor, lambda a1, a2: np.diag(np.diag(tensor(a1, a2))), "the rest is missing"),
    mistake(checks.tensor, lambda a1, a2: tensor(a1, a2, factors=lambda a: (a[0], a[1][::-1])), "is not symmetric"),
    mistake(checks.tensor, lambda a1, a2: np.diag([a1.max(), a2.max()]), "exceeds the arithmetic means"),
    mistake(checks.tensor, lambda a1, a2: np.diag([a1.min(), a2.min()]), "below the harmonic means"),
    mistake(
        checks.tensor,
        lambda a1, a2: np.diag([exact.harmonic_mean(a1.ravel()), exact.harmonic_mean(a2.ravel())]),
        "off by",
    ),
    mistake(checks.tensor, lambda a1, a2: np.full((2, 2), np.nan), "the matrix is singular"),
    *nonsense_functions(checks.tensor),
    right(checks.faces, faces),
    right(checks.faces, lambda a, n: np.array(faces(lambda y: a(y % 1), n))),
    mistake(checks.faces, asked_at((0.5, 0.5), (0.5, 0.5)), "in the centres of the cells"),
    mistake(checks.faces, asked_at((0.5, 1), (1, 0.5)), "a1 and a2 are exchanged"),
    mistake(checks.faces, asked_at((0, 0.5), (0.5, 0)), "on the left and lower faces"),
    mistake(checks.faces, asked_at((1, 1), (1, 1)), "in the corners"),
    mistake(checks.faces, asked_at((0, 0), (0, 0)), "you ask at i/n"),
    mistake(checks.faces, lambda a, n: tuple(v.T for v in faces(a, n)), "needs indexing='ij'"),
    mistake(checks.faces, with_linspace, "both ends of the period"),
    mistake(checks.faces, asked_at((1, 0.5), (0.5, 0.9)), "a2, asked on the upper faces, is off"),
    mistake(checks.faces, lambda a, n: (a(np.ones((3, n, n))),) * 2, "it must be (2, ...)"),
    mistake(checks.faces, lambda a, n: faces(a, n)[0], "should be two arrays"),
    *in_words(checks.faces),
    right(checks.between, between),
    right(checks.between, lambda k: np.array(between(k))),
    mistake(checks.between, by_mean(lambda p, q: (p + q) / 2), "arithmetic mean"),
    mistake(checks.between, by_mean(lambda p, q: np.sqrt(p * q)), "geometric mean"),
    mistake(checks.between, by_mean(np.minimum), "the poorer of the two"),
    mistake(checks.between, by_mean(lambda p, q: p), "belongs to two cells"),
    mistake(checks.between, by_mean(lambda p, q: p * q / (p + q)), "this gives 3/2"),
    mistake(checks.between, by_mean(lambda p, q: p + q), "this gives 6"),
    mistake(checks.between, by_mean(lambda p, q: (1 / p + 1 / q) / 2), "this gives 1/3"),
    mistake(checks.between, lambda k: between(k, shift=1), "on the left and below"),
    mistake(checks.between, lambda k: between(k)[::-1], "a1 and a2 are exchanged"),
    mistake(checks.between, not_wrapped, "not on the last faces"),
    mistake(checks.between, by_mean(lambda p, q: np.maximum(p, q)), "off by"),
    mistake(checks.between, lambda k: between(k)[0], "should be two arrays"),
    *in_words(checks.between),
]
