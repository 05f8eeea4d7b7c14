"""Answers to exercise 5, right and wrong."""

from functools import cache
from itertools import pairwise, product

import numpy as np
from scipy.integrate import quad
from scipy.special import betainc

from checks_cases import mistake, nonsense_functions, right
from hmm_core import CellProblem
from hmm_course.checks import ex05 as checks
from hmm_course.variants import numbers

inv, eye = np.linalg.inv, np.eye(2)
CLASS = 9  # whose line has another mean resistance
RESISTANCE = numbers("05", CLASS)["p"]


def weights(edges, size, q):
    return np.diff(betainc(q + 1, q + 1, np.clip(edges / size + 0.5, 0, 1)))


def by_quadrature(edges, size, q):
    """As somebody integrates who has not met the beta function."""

    def density(y):
        return max(0.25 - (y / size) ** 2, 0) ** q * (abs(y) < size / 2)

    cut = np.clip(edges, -size / 2, size / 2)
    pieces = np.array([quad(density, low, high)[0] for low, high in pairwise(cut)])
    return pieces / quad(density, -size / 2, size / 2)[0]


def middles(edges, size, q):
    middle = (edges[1:] + edges[:-1]) / 2
    density = np.where(abs(middle) < size / 2, np.clip(0.25 - (middle / size) ** 2, 0, None) ** q, 0)
    return density / density.sum()


def scaled_in_place(edges, size, q):
    edges /= size
    return weights(edges, 1.0, q)


def by_sampling(edges, size, q):
    """A fine sum in place of the integral."""
    middle = (np.arange(100_000) + 0.5) / 100_000 * size - size / 2
    density = (0.25 - (middle / size) ** 2) ** q
    return np.histogram(middle, edges, weights=density / density.sum())[0]


def whole_only(edges, size, q):
    """Outside of [0, 1] the beta function is nan."""
    return np.diff(betainc(q + 1, q + 1, edges / size + 0.5))


def even_mesh(edges, size, q):
    return weights(np.linspace(edges[0], edges[-1], len(edges)), size, q)


def overlap_then_middles(edges, size, q):
    """The box is right, the window is its density at the middles."""
    return weights(edges, size, q) if q == 0 else middles(edges, size, q)


def line(L, b, whole=lambda L, b: L + 2 * b, box=lambda L, b: L):
    return 1 / (2 + np.sinc(whole(L, b))), 1 / (2 + np.sinc(box(L, b)))


def squared(L, b):
    flux, ratio = line(L, b)
    return flux, flux**2 / ratio


def window(field, w):
    return np.einsum("ijkl,k,l->ij", field, w, w)


def averages(flux, grad, w):
    F, G = window(flux, w), window(grad, w)
    return F, G, F @ inv(G)


def by_products(flux, grad, w):
    F, G = flux @ w @ w, grad @ w @ w
    return [F, G, np.linalg.solve(G.T, F.T).T]


def other(average, divide=lambda F, G: F @ inv(G)):
    """The same with another average of both fields, and another division."""

    def function(flux, grad, w):
        F, G = average(flux, w), average(grad, w)
        return F, G, divide(F, G)

    return function


def divided(divide):
    return other(window, divide)


@cache
def fields(side, centre):
    """As the notebook has it."""
    cell = CellProblem(n=8, bc="dirichlet", size=side, tol=1e-12)
    micro = cell.solve(checks._medium, np.full((2, 1), centre), eps=1.0)
    h, w = micro.nodes[1] - micro.nodes[0], micro.correctors[:, 0]
    d1, d2 = np.diff(w, axis=1) / h, np.diff(w, axis=2) / h
    grad, flux = np.zeros((2, 2, 2, len(micro.nodes) - 1, len(micro.nodes) - 1))
    for s, t in product([(1 - 1 / np.sqrt(3)) / 2, (1 + 1 / np.sqrt(3)) / 2], repeat=2):
        slope = np.array([(1 - t) * d1[:, :, :-1] + t * d1[:, :, 1:], (1 - s) * d2[:, :-1] + s * d2[:, 1:]])
        slope += eye[:, :, None, None]
        y = np.meshgrid(micro.nodes[:-1] + s * h, micro.nodes[:-1] + t * h, indexing="ij")
        grad += slope / 4
        flux += checks._medium(None, np.array(y) + centre) * slope / 4
    return micro.nodes, flux, grad


def oversampled(size, buffer, centre, q, side=lambda s, b: s + 2 * b, inner=lambda s, b: s, average=averages):
    edges, flux, grad = fields(side(size, buffer), centre)
    return average(flux, grad, weights(edges, inner(size, buffer), q))


def shifted(size, buffer, centre, q):
    """The centre subtracted from coordinates that are relative to it already."""
    edges, flux, grad = fields(size + 2 * buffer, centre)
    return averages(flux, grad, weights(edges - centre, size, q))


def split(F, G, star):
    return F - star @ G, star @ (G - eye)


CASES = [
    right(checks.weights, weights),
    right(checks.weights, by_quadrature),
    mistake(checks.weights, lambda e, s, q: weights(e, s, q) / 0.1, "a density"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, q) * s, "divide by its size"),
    mistake(checks.weights, lambda e, s, q: weights(e, 2 * s, q), "twice as wide"),
    mistake(checks.weights, lambda e, s, q: np.diff(e) / (e[-1] - e[0]), "the window is not there"),
    mistake(checks.weights, middles, "as a whole or not at all"),
    mistake(checks.weights, lambda e, s, q: np.nan_to_num(whole_only(e, s, q)), "as a whole or not at all"),
    mistake(checks.weights, whole_only, "betainc wants 0 <= t <= 1"),
    mistake(
        checks.weights, lambda e, s, q: np.diff(betainc(q, q, np.clip(e / s + 0.5, 0, 1))), "betainc wants 0 <= t <= 1"
    ),
    mistake(checks.weights, lambda e, s, q: weights(e, s, q + 1), "the bell of q = 1"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, q) / weights(e, s, q).sum(), "a part lies outside"),
    mistake(checks.weights, even_mesh, "of unequal width is off"),
    mistake(checks.weights, lambda e, s, q: (abs(e[1:] + e[:-1]) < s) * np.diff(e) / s, "do not add up to 1"),
    mistake(checks.weights, lambda e, s, q: np.diff(e / s + 0.5), "outside of the window"),
    mistake(checks.weights, lambda e, s, q: -weights(e, s, q), "right edge minus left edge"),
    mistake(checks.weights, lambda e, s, q: np.diff(np.clip(e / s, -0.5, 1.0) ** 2), "a weight is negative: clip"),
    mistake(checks.weights, by_sampling, "nearly right"),
    mistake(checks.weights, scaled_in_place, "weights has changed an array"),
    mistake(checks.weights, lambda e, s, q: 2 * weights(e, s, q), "add up to 2"),
    mistake(checks.weights, lambda e, s, q: weights(e, 0.9 * s, q), "weights for q = 0 is off"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, 0), "q makes no difference"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, 2 * q), "one too large"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, q) * (s / 6 if q else 1), "constant in front"),
    mistake(checks.weights, overlap_then_middles, "density at the middles"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, q) * (1 + q), "for q = 1 add up to 2"),
    mistake(checks.weights, lambda e, s, q: weights(e + 0.01 * q, s, q), "is symmetric"),
    mistake(checks.weights, lambda e, s, q: weights(e, s, min(q, 1)), "q = 3 is off"),
    mistake(checks.weights, lambda e, s, q: betainc(q + 1, q + 1, np.clip(e / s + 0.5, 0, 1)), "shape (30,)"),
    *nonsense_functions(checks.weights),
    right(checks.line, line),
    right(checks.line, lambda L, b: np.array(line(L, b))),
    mistake(checks.line, lambda L, b: line(L, b)[::-1], "swapped"),
    mistake(checks.line, lambda L, b: line(L, b, whole=lambda L, b: L), "knows nothing of the box"),
    mistake(checks.line, lambda L, b: line(L, b, whole=lambda L, b: L + b), "on both sides"),
    mistake(checks.line, lambda L, b: line(L, b, box=lambda L, b: L + 2 * b), "both averages run over the box"),
    mistake(checks.line, lambda L, b: line(L, b, box=lambda L, b: L + b), "outside of it"),
    mistake(checks.line, squared, "is not one there"),
    mistake(checks.line, lambda L, b: (2 + np.sinc(L + 2 * b), 2 + np.sinc(L)), "mean resistance"),
    mistake(checks.line, lambda L, b: (1 / np.sqrt(3), 1 / np.sqrt(3)), "this is <a>"),
    mistake(checks.line, lambda L, b: (1 / (2 - np.sinc(L + 2 * b)), 1 / (2 - np.sinc(L))), "the sign"),
    mistake(checks.line, lambda L, b: line(L, b, lambda L, b: 2 * (L + 2 * b), lambda L, b: 2 * L), "a factor 2"),
    mistake(checks.line, lambda L, b: tuple(1 / (2 + np.sin(t) / t) for t in (L + 2 * b, L)), "a pi is missing"),
    mistake(checks.line, lambda L, b: line(np.pi * L, np.pi * b), "contains the pi already"),
    mistake(checks.line, lambda L, b: line(L / 2, b / 2), "a factor 2"),
    mistake(checks.line, lambda L, b: (line(L, b)[0], line(L, b)[0] / line(L, b)[1]), "a factor c is left"),
    mistake(checks.line, lambda L, b: (line(L, b)[0], line(L, b)[0] * line(L, b)[1]), "a factor c is left"),
    mistake(checks.line, lambda L, b: (line(L, b)[0], 0.6), "3 whole periods is off by"),
    mistake(checks.line, lambda L, b: line(L, b)[1], "shape (2,)"),
    mistake(checks.line, lambda L, b: (line(L, b)[0], 0.5), "the ratio for L = 2.3, b = 0.4 is off"),
    mistake(checks.line, lambda L, b: line(L, b or 0.1), "without a buffer"),
    right(checks.line, lambda L, b: tuple(1 / (1 / one - 2 + RESISTANCE) for one in line(L, b)), CLASS),
    mistake(checks.line, line, CLASS, "your line has the mean resistance 2"),
    *nonsense_functions(checks.line),
    right(checks.averages, averages),
    right(checks.averages, by_products),
    mistake(checks.averages, lambda f, g, w: averages(g, f, w), "swapped"),
    mistake(checks.averages, other(lambda f, w: f.mean(axis=(2, 3))), "plain mean"),
    mistake(checks.averages, other(lambda f, w: f.sum(axis=(2, 3))), "plain sum"),
    mistake(checks.averages, other(lambda f, w: window(f, w).T), "F is transposed"),
    mistake(checks.averages, other(lambda f, w: window(f, w) / 16), "the weights add up to 1 already"),
    mistake(checks.averages, other(lambda f, w: window(f, w) / 4), "once more"),
    mistake(checks.averages, other(lambda f, w: np.einsum("ijkl,k->ij", f, w)), "first direction only"),
    mistake(checks.averages, other(lambda f, w: np.einsum("ijkl,l->ij", f, w)), "second direction only"),
    mistake(checks.averages, other(lambda f, w: (f @ np.ones(4)) @ w / 4), "without weights"),
    mistake(checks.averages, other(lambda f, w: np.einsum("ijkk,k->ij", f, w)), "on the diagonal"),
    mistake(checks.averages, divided(lambda F, G: inv(G) @ F), "stands on the right"),
    mistake(checks.averages, divided(lambda F, G: F / G), "entry by entry"),
    mistake(checks.averages, divided(lambda F, G: F * inv(G)), "the product of matrices is @"),
    mistake(checks.averages, lambda f, g, w: averages(f, g, w)[::-1], "the order is F, G, A"),
    mistake(checks.averages, lambda f, g, w: [averages(f, g, w)[k] for k in (2, 0, 1)], "the order is F, G, A"),
    mistake(checks.averages, divided(lambda F, G: F), "this is F"),
    mistake(checks.averages, divided(lambda F, G: (F @ inv(G)).T), "A is transposed"),
    mistake(checks.averages, divided(lambda F, G: F @ G), "the inverse is missing"),
    mistake(checks.averages, divided(lambda F, G: G @ inv(F)), "the inverse of what is asked for"),
    mistake(checks.averages, divided(lambda F, G: F @ inv(G.T)), "transposed G"),
    mistake(checks.averages, divided(lambda F, G: 2 * F @ inv(G)), "A is off by"),
    mistake(checks.averages, lambda f, g, w: averages(f, g, w)[:2], "three matrices"),
    *nonsense_functions(checks.averages),
    right(checks.oversampled, oversampled),
    mistake(
        checks.oversampled, lambda s, b, c, q: oversampled(s, b, c, q, inner=lambda s, b: s + 2 * b), "whole solved"
    ),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, b, c, q, side=lambda s, b: s + b), "on every side"),
    mistake(
        checks.oversampled,
        lambda s, b, c, q: oversampled(s, b, c, q, side=lambda s, b: s, inner=lambda s, b: s - 2 * b),
        "comes on top",
    ),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, b, c, 0), "q did not arrive"),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, b, 0.0, q), "hand the centre on"),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, b, 2 * c, q), "A for a box without buffer is off"),
    mistake(checks.oversampled, shifted, "counted from the centre"),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, 0.5, c, q), "so that G is the identity"),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, b, c, min(q, 1)), "F for q = 2"),
    mistake(
        checks.oversampled,
        lambda s, b, c, q: oversampled(s, b, c, q, average=divided(lambda F, G: F)),
        "A for a box with a buffer",
    ),
    mistake(checks.oversampled, lambda s, b, c, q: oversampled(s, b, c, q)[2], "three matrices"),
    *nonsense_functions(checks.oversampled),
    right(checks.split, split),
    right(checks.split, lambda F, G, S: [F - S @ G, S @ G - S]),
    mistake(checks.split, lambda F, G, S: split(F, G, S)[::-1], "swapped"),
    mistake(checks.split, lambda F, G, S: (F - G @ S, (G - eye) @ S), "wrong order"),
    mistake(checks.split, lambda F, G, S: (F - S * G, S * (G - eye)), "@ instead of *"),
    mistake(checks.split, lambda F, G, S: (F - S, S @ (G - eye)), "the whole error"),
    mistake(checks.split, lambda F, G, S: (F @ inv(G) - S, S @ (G - eye)), "the error of the ratio"),
    mistake(checks.split, lambda F, G, S: (S @ G - F, S @ (eye - G)), "sign of part one"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, (G - eye) @ S), "wrong order"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, S @ G), "identity is missing"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, S * (G - eye)), "@ instead of *"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, G - eye), "a tensor is missing"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, S @ (eye - G)), "sign of part two"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, S @ (G - 1)), "every entry"),
    mistake(checks.split, lambda F, G, S: (F - S @ G, 2 * S @ (G - eye)), "off by"),
    mistake(checks.split, lambda F, G, S: F - S, "should"),
    *nonsense_functions(checks.split),
]
