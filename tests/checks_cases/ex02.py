"""Answers to exercise 2, right and wrong."""

import numpy as np
import sympy as sp

from checks_cases import (
    mistake,
    nonsense,
    nonsense_expressions,
    nonsense_functions,
    right,
)
from hmm_core import exact
from hmm_course.checks import NOTHING
from hmm_course.checks import ex02 as checks
from hmm_course.variants import numbers

k1, k2, f = sp.symbols("k1 k2 f", positive=True)
p1, q1, p2, q2, G1, G2 = sp.symbols("p1 q1 p2 q2 G1 G2")
a0, b0, b1 = sp.symbols("a0 b0 b1")
r, s = sp.symbols("r s", positive=True)
normal, tangential = k1 * p1 - k2 * p2, q1 - q2
means = [f * p1 + (1 - f) * p2 - G1, f * q1 + (1 - f) * q2 - G2]
exchanged = [(1 - f) * p1 + f * p2 - G1, (1 - f) * q1 + f * q2 - G2]
outer = [b0 * r + b1 / r - r, k1 * (b0 - b1 / r**2) - s]
EYE = np.eye(2)
CLASS = 9  # whose dual plate is kappa/a and whose coated disk is larger
KAPPA, RADIUS = (numbers("02", CLASS)[name] for name in ("kappa", "radius"))


def nonsense_lists(check, length):
    """For a check of a list of expressions."""
    return [
        nonsense(check, None, NOTHING, label="None"),
        nonsense(check, ..., NOTHING, label="dots"),
        nonsense(check, [...] * length, NOTHING, label="a list of dots"),
        nonsense(check, 3.0, "should be a list", label="a number"),
        nonsense(check, [k1] * (length + 1), f"should hold {length} expressions", label="another length"),
        nonsense(check, ["text"] * length, "should be a SymPy expression", label="texts"),
        nonsense(check, [sp.Eq(k1, k2)] * length, "is an equation", label="equations"),
        nonsense(check, [k1 - k2] * length, "does not appear", label="no unknowns"),
        nonsense(check, [sp.nan] * length, "nan", label="nan"),
    ]


def laminate(k1, k2, f, angle):
    n = np.array([np.cos(angle), np.sin(angle)])
    h, m = exact.wiener_bounds([k1, k2], [f, 1 - f])
    return h * np.outer(n, n) + m * (EYE - np.outer(n, n))


def by_rotation(k1, k2, f, angle, shape="RAR^T"):
    """As somebody writes it who likes rotation matrices; ``shape`` makes a mistake of it."""
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    A = laminate(k1, k2, f, 0.0)
    return {"RAR^T": R @ A @ R.T, "R^TAR": R.T @ A @ R, "RA": R @ A, "AR^T": A @ R.T}[shape]


def projected(k1, k2, f, angle, one=EYE, product=np.outer, harmonic=lambda k1, k2, f: 1 / (f / k1 + (1 - f) / k2)):
    """As the third hint has it, with a piece of it misunderstood."""
    n = np.array([np.cos(angle), np.sin(angle)])
    keep = product(n, n)
    return harmonic(k1, k2, f) * keep + (f * k1 + (1 - f) * k2) * (one - keep)


def mean(which, turns=True):
    return lambda k1, k2, f, angle: exact.wiener_bounds([k1, k2], [f, 1 - f])[which] * EYE


def pieces(gradient, flux):
    return *gradient, *flux


def dual(gradient, flux):
    g1, g2, j1, j2 = pieces(gradient, flux)
    return (-j2, j1), (-g2, g1)


def of_pair(make):
    """dual from a function of the four components."""
    return lambda gradient, flux: make(*pieces(gradient, flux))


def neutral(at=None, core=k2, coat=k1, inside=(k2, k1), slope=-1):
    """The four conditions, with mistakes to choose from."""
    at = sp.sqrt(f) if at is None else at
    return [
        a0 * at - b0 * at - b1 / at,
        inside[0] * a0 - inside[1] * (b0 + slope * b1 / at**2),
        b0 + b1 - 1,
        coat * (b0 + slope * b1) - s,
    ]


def of_radius(conditions):
    """The same for the disk of the class: b1 grows with its area."""
    return [line.subs(b1, b1 / RADIUS**2) for line in conditions]


def layered(K1, K2, f):
    e1 = np.array([1.0, 0.0])
    columns = []
    for G in EYE:
        c = e1 @ (K2 - K1) @ G / ((1 - f) * K1[0, 0] + f * K2[0, 0])
        columns.append(f * K1 @ (G + (1 - f) * c * e1) + (1 - f) * K2 @ (G - f * c * e1))
    return np.array(columns).T


def by_jumps(K1, K2, f, first, second, with_flux=True):
    """Column by column, as the third hint has it; ``first`` and ``second`` scale the jumps of the two gradients."""
    A, e1 = np.empty((2, 2)), EYE[0]
    for k, G in enumerate(EYE):
        c = e1 @ (K2 - K1) @ G / ((1 - f) * K1[0, 0] + f * K2[0, 0])
        gradients = G + first * c * e1, G - second * c * e1
        A[:, k] = sum(
            weight * (K @ g if with_flux else g) for weight, K, g in zip((f, 1 - f), (K1, K2), gradients, strict=True)
        )
    return A


def jumping(change):
    """layered with its term c changed."""

    def wrong(K1, K2, f):
        D, low = K2 - K1, (1 - f) * K1[0, 0] + f * K2[0, 0]
        return f * K1 + (1 - f) * K2 - f * (1 - f) * change(D, low, K1, K2, f)

    return wrong


CASES = [
    right(checks.interface, [normal, tangential, *means]),
    right(checks.interface, (q2 - q1, means[1], 3 * means[0], k2 * p2 - k1 * p1)),
    right(checks.interface, np.array([normal, tangential, *means])),
    right(checks.interface, sp.Matrix([p1 / p2 - k2 / k1, tangential, *means])),
    mistake(checks.interface, [p1 - p2, tangential, *means], "the gradient p may jump"),
    mistake(checks.interface, [p1 - p2, k1 * q1 - k2 * q2, *means], "along it the derivative q"),
    mistake(checks.interface, [normal, k1 * q1 - k2 * q2, *means], "the flux along the interface"),
    mistake(checks.interface, [k1 * p2 - k2 * p1, tangential, *means], "of the same phase"),
    mistake(checks.interface, [k1 * p1 + k2 * p2, tangential, *means], "the sign"),
    mistake(checks.interface, [normal, tangential, *exchanged], "the fractions are exchanged"),
    mistake(checks.interface, [normal, tangential, p1 + p2 - 2 * G1, q1 + q2 - 2 * G2], "weigh both phases alike"),
    mistake(checks.interface, [normal, tangential, p1 + p2 - G1, q1 + q2 - G2], "is not (G1, G2)"),
    mistake(checks.interface, [normal, tangential, means[0], 2 * means[0]], "do not fix q1"),
    mistake(checks.interface, [k1**2 * p1 - k2**2 * p2, tangential, *means], "normal flux k p has a jump"),
    mistake(checks.interface, [normal, q1 - 2 * q2, *means], "tangential gradient q has a jump"),
    mistake(checks.interface, [normal, tangential, q1 - q2 - 1, *means[:1]], "contradict each other"),
    mistake(checks.interface, [normal, tangential, p1 - G1, q1 - G2], "is not (G1, G2)"),
    mistake(checks.interface, [sp.Eq(k1 * p1, k2 * p2), tangential, *means], "left side minus right side"),
    mistake(checks.interface, [k1 * p1 == k2 * p2, tangential, *means], "left side minus right side"),
    mistake(checks.interface, [normal, tangential, means[0], means[1] - s], "contains s"),
    *nonsense_lists(checks.interface, 4),
    right(checks.angle, laminate),
    right(checks.angle, by_rotation),
    mistake(checks.angle, lambda *a: laminate(*a[:3], a[3] + np.pi / 2), "the angle is that of the normal"),
    mistake(checks.angle, lambda k1, k2, f, t: laminate(k2, k1, f, t), "the fractions are exchanged"),
    mistake(checks.angle, mean(1), "arithmetic mean in all directions"),
    mistake(checks.angle, mean(0), "harmonic mean in all directions"),
    mistake(checks.angle, lambda *a: by_rotation(*a, shape="R^TAR"), "turn the wrong way"),
    mistake(checks.angle, lambda *a: laminate(*a[:3], np.radians(a[3])), "in radians already"),
    mistake(checks.angle, lambda *a: laminate(*a[:3], 0.0), "nothing turns"),
    mistake(
        checks.angle,
        lambda k1, k2, f, t: k1 * by_rotation(1, k2 / k1, f, t, shape="RA") if k1 != k2 else k1 * EYE,
        "is not symmetric",
    ),
    mistake(
        checks.angle,
        lambda *a: np.diag(np.diag(laminate(*a))),
        "principal conductivities",
    ),
    right(checks.angle, lambda *a: laminate(*a).tolist()),
    mistake(checks.angle, lambda *a: by_rotation(*a, shape="RA"), "on either side"),
    mistake(checks.angle, lambda *a: by_rotation(*a, shape="AR^T"), "on either side"),
    mistake(checks.angle, lambda *a: projected(*a, one=1.0), "the identity is np.eye(2)"),
    mistake(checks.angle, lambda *a: projected(*a, product=np.multiply), "np.outer(n, n); n * n is no matrix"),
    mistake(checks.angle, lambda *a: projected(*a, product=np.dot), "n @ n is the number 1"),
    mistake(checks.angle, lambda *a: projected(*a, harmonic=lambda k1, k2, f: f / k1 + (1 - f) / k2), "you have <1/a>"),
    mistake(checks.angle, lambda *a: 2 * laminate(*a), "two equal phases of 3 is off"),
    mistake(checks.angle, lambda *a: sp.Matrix(laminate(*a)), "compute with NumPy"),
    mistake(checks.angle, lambda *a: laminate(*a).astype(object), "compute with NumPy"),
    mistake(checks.angle, lambda *a: by_rotation(*a)[0], "should be an array of shape (2, 2)"),
    *nonsense_functions(checks.angle),
    right(checks.dual, dual),
    right(checks.dual, of_pair(lambda g1, g2, j1, j2: ([j2, -j1], [g2, -g1]))),
    right(checks.dual, of_pair(lambda g1, g2, j1, j2: (sp.Matrix([-j2, j1]), sp.Matrix([-g2, g1])))),
    right(checks.dual, of_pair(lambda g1, g2, j1, j2: np.array([[-j2, j1], [-g2, g1]]))),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-g2, g1), (-j2, j1))), "old one, turned"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((j1, j2), (g1, g2))), "the flux as it was"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((g1, g2), (j1, j2))), "change places"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-j2, j1), (g1, g2))), "the old gradient as it was"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-j2, j1), (g2, -g1))), "turned left and the other right"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((j2, j1), (g2, g1))), "has a curl"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-j2, j1), (g2, g1))), "your new flux has a divergence"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-j2, j1), (-2 * g2, 2 * g1))), "not 1/a times"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: (-j2, j1, -g2, g1)), "it is of type tuple of 4 things"),
    mistake(checks.dual, of_pair(lambda g1, g2, j1, j2: 3), "should be two pairs"),
    right(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-j2, j1), (-KAPPA * g2, KAPPA * g1))), CLASS),
    right(checks.dual, of_pair(lambda g1, g2, j1, j2: ((-j2 / KAPPA, j1 / KAPPA), (-g2, g1))), CLASS),
    mistake(checks.dual, dual, CLASS, f"in the plate {KAPPA}/a it is {KAPPA}/a times"),
    *nonsense_functions(checks.dual),
    right(checks.checkerboard, 1 / s - s / (k1 * k2)),
    right(checks.checkerboard, s**2 - k1 * k2),
    right(checks.checkerboard, s - sp.sqrt(k1 * k2)),
    mistake(checks.checkerboard, 1 / s - s * k1 * k2, "goes the other way"),
    mistake(checks.checkerboard, 1 / s - s, "there is a factor between them"),
    mistake(checks.checkerboard, 1 - s / (k1 * k2), "squared"),
    mistake(checks.checkerboard, s - (k1 + k2) / 2, "arithmetic mean"),
    mistake(checks.checkerboard, 1 / s - (1 / k1 + 1 / k2) / 2, "harmonic mean"),
    mistake(checks.checkerboard, 1 / s - s / k1**2, "exchanging the colours"),
    mistake(checks.checkerboard, s - 2 * sp.sqrt(k1 * k2), "only one colour"),
    mistake(checks.checkerboard, s**2 - (k1**2 + k2**2) / 2, "something else"),
    mistake(checks.checkerboard, k1 - k2, "s does not appear"),
    mistake(checks.checkerboard, s + k1, "exactly one positive solution"),
    mistake(checks.checkerboard, 1 / s - s / (k1 * k2 * f), "contains f"),
    right(checks.checkerboard, KAPPA / s - KAPPA * s / (k1 * k2), CLASS),
    right(checks.checkerboard, 1 / s - s / (k1 * k2), CLASS),  # a common factor says nothing
    mistake(checks.checkerboard, 1 / s - KAPPA * s / (k1 * k2), CLASS, "missing in one of your two ways"),
    mistake(checks.checkerboard, KAPPA / s - s / (k1 * k2), CLASS, "missing in one of your two ways"),
    *nonsense_expressions(checks.checkerboard),
    right(checks.neutral, neutral()),
    right(checks.neutral, [2 * c for c in neutral()[::-1]]),
    mistake(checks.neutral, neutral(at=f), "f is an area fraction"),
    mistake(checks.neutral, neutral(inside=(1, 1)), "Is the flux, k times the slope"),
    mistake(checks.neutral, neutral(coat=k2, inside=(k1, k2)), "the phases are exchanged"),
    mistake(checks.neutral, neutral(slope=1), "is -b1/r**2, with a minus"),
    mistake(checks.neutral, [*neutral()[:3], b0 - b1 - 1], "s does not appear"),
    mistake(checks.neutral, [*neutral()[:3], 0 * s], "is 0 whatever the unknowns are"),
    mistake(checks.neutral, neutral(at=r), "r is still in your conditions"),
    mistake(checks.neutral, neutral(inside=(k1, k2)), "without a coat"),
    mistake(checks.neutral, neutral(coat=2 * k1), "if core and coat are equal"),
    mistake(checks.neutral, [*neutral()[1:], 2 * neutral()[3]], "do not fix"),
    mistake(checks.neutral, [*neutral()[:2], *(c.subs(r, sp.sqrt(f)) for c in outer)], "as if there were no coat"),
    mistake(checks.neutral, [a0, b0, b1, s - (1 - f) * k1 - f * k2], "this is the arithmetic mean"),
    mistake(checks.neutral, [a0, b0, b1, s - k1 * (k2 / k1) ** f], "which is something else"),
    right(checks.neutral, of_radius(neutral()), CLASS),
    mistake(checks.neutral, neutral(), CLASS, f"your disk has the radius 1; it is {RADIUS}"),
    mistake(checks.neutral, of_radius(neutral(at=sp.sqrt(f) / RADIUS)), CLASS, f"it ends at r = {RADIUS} sqrt(f)"),
    *nonsense_lists(checks.neutral, 4),
    right(checks.layered, layered),
    right(checks.layered, lambda K1, K2, f: exact.laminate([K1, K2], [f, 1 - f])),
    mistake(checks.layered, lambda K1, K2, f: f * K1 + (1 - f) * K2, "arithmetic mean in both directions"),
    mistake(
        checks.layered,
        lambda K1, K2, f: np.linalg.inv(f * np.linalg.inv(K1) + (1 - f) * np.linalg.inv(K2)),
        "harmonic mean in both directions",
    ),
    mistake(
        checks.layered,
        lambda K1, K2, f: exact.laminate([K1, K2], [f, 1 - f], normal=(0, 1)),
        "harmonic mean stands in the first place",
    ),
    mistake(checks.layered, lambda K1, K2, f: layered(K1, K2, 1 - f), "the fractions are exchanged"),
    mistake(checks.layered, lambda K1, K2, f: by_jumps(K1, K2, f, f, 1 - f), "the mean of your two gradients is not G"),
    mistake(checks.layered, lambda K1, K2, f: by_jumps(K1, K2, f, 1 - f, f, with_flux=False), "the mean flux"),
    right(checks.layered, lambda K1, K2, f: by_jumps(K1, K2, f, 1 - f, f)),
    mistake(checks.layered, jumping(lambda D, low, K1, K2, f: -np.outer(D[:, 0], D[0]) / low), "the sign of c"),
    mistake(
        checks.layered,
        jumping(lambda D, low, K1, K2, f: np.outer(D[:, 0], D[0]) / (f * K1[0, 0] + (1 - f) * K2[0, 0])),
        "in the denominator",
    ),
    mistake(
        checks.layered,
        jumping(lambda D, low, K1, K2, f: np.diag([D[0, 0] ** 2, 0]) / low),
        "has K12 in it as well",
    ),
    mistake(
        checks.layered,
        lambda K1, K2, f: (
            layered(K1, K2, f) if np.allclose(K1, K2) else layered(np.diag(np.diag(K1)), np.diag(np.diag(K2)), f)
        ),
        "are lost on the way",
    ),
    mistake(
        checks.layered, lambda K1, K2, f: layered(np.diag(np.diag(K1)), np.diag(np.diag(K2)), f), "are lost on the way"
    ),
    mistake(
        checks.layered,
        jumping(lambda D, low, K1, K2, f: np.outer([D[0, 0], 0], D[0]) / low),
        "is not symmetric",
    ),
    mistake(
        checks.layered,
        jumping(lambda D, low, K1, K2, f: (np.outer(D[:, 0], D[0]) - 9 * D[0, 1] ** 2 * np.diag([0, 1])) / low),
        "better than the arithmetic mean",
    ),
    mistake(
        checks.layered,
        jumping(lambda D, low, K1, K2, f: (np.outer(D[:, 0], D[0]) + 9 * D[0, 1] ** 2 * np.diag([0, 1])) / low),
        "worse than the harmonic mean",
    ),
    mistake(
        checks.layered,
        jumping(lambda D, low, K1, K2, f: np.outer(D[:, 0], D[0]) / low * (0.5 if D[0, 1] else 1)),
        "two full tensors is off by",
    ),
    *nonsense_functions(checks.layered),
]
