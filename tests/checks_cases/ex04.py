"""Answers to exercise 4, right and wrong."""

import numpy as np

from checks_cases import mistake, nonsense_functions, right
from hmm_core import CellProblem
from hmm_course.checks import ex04 as checks
from hmm_course.variants import numbers

inv, eigs = np.linalg.inv, np.linalg.eigvalsh
CONDITIONS = ("neumann", "periodic", "dirichlet")
CLASS = 9  # whose samples lie elsewhere, and whose mean gradient has two components
CORNER, G = (numbers("04", CLASS)[name] for name in ("corner", "G"))
F, C = checks.FRACTIONS, checks.CORNERS


def gap(A, B):
    return eigs(B - A)[0]


def by_angle(A, B):
    """By trying directions, in the plane, and in space the axes."""
    if len(A) == 3:
        return np.diag(B - A).min()
    t = np.linspace(0, np.pi, 20001)
    xi = np.array([np.cos(t), np.sin(t)])
    return np.einsum("ik,ij,jk->k", xi, B - A, xi).min()


def answers(a, size, n=4, offset=0.5, conditions=CONDITIONS):
    return np.array([CellProblem(n=n, bc=bc, size=size, offset=offset).effective_tensor(a) for bc in conditions])


def energy(a, g, G=(1, 0)):
    return np.mean(a * ((G[0] + g[0]) ** 2 + (G[1] + g[1]) ** 2))


def energy_loop(a, g):
    total = 0.0
    for place in np.ndindex(a.shape):
        u = np.array([1.0, 0.0]) + [g[0][place], g[1][place]]
        total += u @ (a[place] * u)
    return total / a.size


def spoiled_input(a, g):
    g[0] += 1
    return np.mean(a * (g**2).sum(axis=0))


def bracket(N, D):
    return inv(inv(N).mean(axis=0)), D.mean(axis=0)


CASES = [
    right(checks.order, gap),
    right(checks.order, lambda A, B: float(min(np.linalg.eigvals(B - A)))),
    right(checks.order, by_angle),
    mistake(checks.order, lambda A, B: gap(B, A), "smallest eigenvalue; this is that of A - B"),
    mistake(checks.order, lambda A, B: -gap(A, B), "the sign: smallest_gap"),
    mistake(checks.order, lambda A, B: eigs(B - A)[-1], "the largest eigenvalue"),
    mistake(checks.order, lambda A, B: (B - A).min(), "smallest entry"),
    mistake(checks.order, lambda A, B: np.diag(B - A).min(), "does not decide"),
    mistake(checks.order, lambda A, B: np.trace(B - A), "the trace"),
    mistake(checks.order, lambda A, B: np.trace(B - A) / 2, "half the trace"),
    mistake(checks.order, lambda A, B: np.linalg.det(B - A), "the determinant"),
    mistake(checks.order, lambda A, B: (eigs(B) - eigs(A)).min(), "differences of eigenvalues"),
    mistake(checks.order, lambda A, B: abs(eigs(B - A)).min(), "neither is larger"),
    mistake(checks.order, lambda A, B: eigs(B - A), "should be a single number"),
    mistake(checks.order, lambda A, B: gap(A[:2, :2], B[:2, :2]) - (len(A) == 3), "three dimensions"),
    *nonsense_functions(checks.order),
    right(checks.answers, answers),
    right(checks.answers, lambda a, size, n: list(answers(a, size, n))),
    mistake(
        checks.answers, lambda a, size, n: answers(a, size, n, conditions=CONDITIONS[::-1]), "largest and your last"
    ),
    mistake(checks.answers, lambda a, size, n: answers(a, size, n, conditions=("dirichlet",) * 3), "are equal"),
    mistake(checks.answers, lambda a, size, n: answers(a, size, n, offset=0.0), "centred"),
    mistake(checks.answers, lambda a, size, n: answers(a, size, n, offset=size / 2), "units of size"),
    mistake(checks.answers, lambda a, size, n: answers(a, size, n, offset=-0.5), "upper right corner"),
    mistake(checks.answers, lambda a, size, n: answers(a, 1.0, n), "answer of one period"),
    mistake(checks.answers, lambda a, size, n: answers(a, size), "with n = 4"),
    mistake(checks.answers, lambda a, size, n: answers(a, size, 32), "n = 32"),
    mistake(
        checks.answers,
        lambda a, size, n: answers(a, size, n, conditions=("neumann", "dirichlet", "periodic")),
        "off by",
    ),
    mistake(checks.answers, lambda a, size, n: answers(a, size, n)[:, 0, 0], "shape (3, 2, 2)"),
    right(checks.answers, lambda a, size, n: answers(a, size, n, offset=0.5 + CORNER / size), CLASS),
    mistake(checks.answers, answers, CLASS, "has its lower left corner at y = 0"),
    mistake(
        checks.answers,
        lambda a, size, n: answers(a, size, n, offset=0.5 + CORNER),
        CLASS,
        "divide the coordinate of the corner",
    ),
    *nonsense_functions(checks.answers),
    right(checks.energy, energy),
    right(checks.energy, energy_loop),
    mistake(checks.energy, lambda a, g: np.mean(a * (g**2).sum(axis=0)), "e_1 is missing"),
    mistake(checks.energy, lambda a, g: energy(a, g) * a.size, "a sum over the points"),
    mistake(checks.energy, lambda a, g: energy(a, g) / 2, "one half"),
    mistake(checks.energy, lambda a, g: energy(1, g), "a is missing"),
    mistake(checks.energy, lambda a, g: np.mean(a * ((1 + g) ** 2).sum(axis=0)), "both components"),
    mistake(checks.energy, lambda a, g: energy(a**2, g), "not as a square"),
    mistake(checks.energy, lambda a, g: np.mean(a * (1 + g[0]) ** 2), "second component of grad w is missing"),
    mistake(checks.energy, lambda a, g: np.mean(a * (1 + g[0])), "mean flux"),
    mistake(checks.energy, lambda a, g: energy(a, g[::-1]), "went to the second component"),
    mistake(checks.energy, lambda a, g: np.mean(a) * energy(1, g), "not its factors"),
    mistake(checks.energy, lambda a, g: np.mean(a * (1 + g[0] + g[1]) ** 2), "one by one: (d_1 u)^2"),
    mistake(checks.energy, lambda a, g: energy(a, -g), "the sign"),
    mistake(checks.energy, lambda a, g: np.mean(a * (1 + (g**2).sum(axis=0))), "mixed term"),
    mistake(checks.energy, lambda a, g: energy(a, 2 * g), "off by"),
    mistake(checks.energy, spoiled_input, "has changed an array"),
    mistake(checks.energy, lambda a, g: a * ((1 + g[0]) ** 2 + g[1] ** 2), "single number"),
    right(checks.energy, lambda a, g: energy(a, g, G), CLASS),
    mistake(checks.energy, energy, CLASS, "for the mean gradient e_1"),
    mistake(checks.energy, lambda a, g: energy(a, g, G[::-1]), CLASS, "components of G have changed places"),
    mistake(checks.energy, lambda a, g: energy(a, g, (0, 0)), CLASS, "G is missing"),
    *nonsense_functions(checks.energy),
    right(checks.envelope, lambda error, R: max(error(R + f, c) for f in F for c in C)),
    right(checks.envelope, lambda error, R: np.max([[error(R + f, c) for f in F] for c in C])),
    mistake(checks.envelope, lambda error, R: np.mean([error(R + f, c) for f in F for c in C]), "this is the mean"),
    mistake(checks.envelope, lambda error, R: min(error(R + f, c) for f in F for c in C), "luckiest"),
    mistake(checks.envelope, lambda error, R: sum(error(R + f, c) for f in F for c in C), "the sum"),
    mistake(checks.envelope, lambda error, R: max(error(R, c) for c in C), "whole size"),
    mistake(checks.envelope, lambda error, R: max(error(R + f, C[0]) for f in F), "one corner"),
    mistake(
        checks.envelope, lambda error, R: max(np.mean([error(R + f, c) for c in C]) for f in F), "mean over corners"
    ),
    mistake(checks.envelope, lambda error, R: max(np.mean([error(R + f, c) for f in F]) for c in C), "mean over sizes"),
    mistake(checks.envelope, lambda error, R: error(R, 0.0), "only one sample"),
    mistake(checks.envelope, lambda error, R: max(error(f, c) for f in F[1:] for c in C), "R was left out"),
    mistake(checks.envelope, lambda error, R: max(error(R * f, c) for f in F[1:] for c in C), "not R times f"),
    mistake(checks.envelope, lambda error, R: max(error(R + f, c) for f in F[:2] for c in C) + C[1] - C[0], "off by"),
    mistake(
        checks.envelope, lambda error, R: max(error(min(R, 2) + f, c) for f in F for c in C), "halve when R doubles"
    ),
    mistake(checks.envelope, lambda error, R: [error(R + f, c) for f in F for c in C], "single number"),
    *nonsense_functions(checks.envelope),
    right(checks.bracket, bracket),
    right(checks.bracket, lambda N, D: [inv(sum(inv(A) for A in N) / len(N)), sum(D) / len(D)]),
    mistake(checks.bracket, lambda N, D: bracket(N, D)[::-1], "swapped"),
    mistake(checks.bracket, lambda N, D: (N.mean(axis=0), D.mean(axis=0)), "arithmetic mean of the Neumann"),
    mistake(checks.bracket, lambda N, D: (inv(N).mean(axis=0), D.mean(axis=0)), "invert it once more"),
    mistake(checks.bracket, lambda N, D: (1 / (1 / N).mean(axis=0), D.mean(axis=0)), "one over its entries"),
    mistake(checks.bracket, lambda N, D: (inv(N.mean(axis=0)), D.mean(axis=0)), "mean of the inverses"),
    mistake(checks.bracket, lambda N, D: bracket(D, D), "this one comes from the Dirichlet samples"),
    mistake(checks.bracket, lambda N, D: bracket(N, N), "this one comes from the Neumann samples"),
    mistake(checks.bracket, lambda N, D: (N.min(axis=0), D.mean(axis=0)), "smallest sample"),
    mistake(checks.bracket, lambda N, D: (bracket(N, D)[0], D.max(axis=0)), "largest sample"),
    mistake(checks.bracket, lambda N, D: (bracket(N, D)[0], bracket(D, D)[0]), "harmonic mean"),
    mistake(checks.bracket, lambda N, D: (inv(inv(N).sum(axis=0)), D.mean(axis=0)), "lower bound is off by"),
    mistake(checks.bracket, lambda N, D: (bracket(N, D)[0], D.sum(axis=0)), "upper bound is off by"),
    mistake(checks.bracket, lambda N, D: bracket(N, D)[0], "should"),
    mistake(checks.bracket, lambda N, D: bracket(N, D)[0][0], "lower should be"),
    *nonsense_functions(checks.bracket),
]
