"""What the checks of exercise 12 are fed."""

import numpy as np

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_course.checks import ex12 as checks
from hmm_course.variants import numbers

CLASS = 7  # whose plate turns the other way and carries a second load
LOAD = numbers("12", CLASS)["load"]
SWAP = np.ix_([1, 0, 2], [1, 0, 2])


def isotropic_by(thin="stress", shear=1.0, change=lambda C: C):
    """The matrix from E, nu; ``thin``: for which word the thin plate's is returned."""

    def isotropic(E, nu, plane):
        mu = E / (2 * (1 + nu))
        lam = E * nu / (1 - nu**2) if plane == thin or thin == "both" else E * nu / ((1 + nu) * (1 - 2 * nu))
        return change(np.array([[lam + 2 * mu, lam, 0], [lam, lam + 2 * mu, 0], [0, 0, shear * mu]]))

    return isotropic


def textbook(E, nu, plane):
    """E/(1 - nu^2) and friends."""
    if plane == "strain":
        E, nu = E / (1 - nu**2), nu / (1 - nu)
    return (E / (1 - nu**2) * np.array([[1, nu, 0], [nu, 1, 0], [0, 0, (1 - nu) / 2]])).tolist()


def bands(first, second, f):
    def mean(value):
        return f * value(first) + (1 - f) * value(second)

    A = np.zeros((3, 3))
    A[0, 0], q = 1 / mean(lambda C: 1 / C[0, 0]), mean(lambda C: C[0, 1] / C[0, 0])
    A[0, 1] = A[1, 0] = q * A[0, 0]
    A[1, 1] = mean(lambda C: C[1, 1] - C[0, 1] ** 2 / C[0, 0]) + q * q * A[0, 0]
    A[2, 2] = 1 / mean(lambda C: 1 / C[2, 2])
    return A


def by_blocks(first, second, f):
    """The same by what is continuous: mixed unknowns (sigma_11, sigma_12, e_22)."""
    across, total, coupling, rest = [0, 2], 0.0, 0.0, 0.0
    for C, share in ((first, f), (second, 1 - f)):
        inverse = np.linalg.inv(C[np.ix_(across, across)])
        total = total + share * inverse
        coupling = coupling + share * inverse @ C[across, 1:2]
        rest = rest + share * (C[1:2, 1:2] - C[1:2, across] @ inverse @ C[across, 1:2])
    A = np.zeros((3, 3))
    A[np.ix_(across, across)] = np.linalg.inv(total)
    A[across, 1:2] = A[np.ix_(across, across)] @ coupling
    A[1:2, across] = A[across, 1:2].T
    A[1, 1] = (rest + coupling.T @ A[np.ix_(across, across)] @ coupling)[0, 0]
    return A


def reuss(first, second, f):
    return np.linalg.inv(f * np.linalg.inv(first) + (1 - f) * np.linalg.inv(second))


def with_entry(i, j, value):
    """The right matrix with another entry: a function of both phases and f."""

    def wrong(first, second, f):
        A = bands(first, second, f)
        A[i, j] = A[j, i] = value(first, second, f)
        return A

    return wrong


def arithmetic(i, j):
    return with_entry(i, j, lambda C, D, f: f * C[i, j] + (1 - f) * D[i, j])


def nearly(first, second, f):
    """A_11 with a little of the wrong mean in it."""
    A = bands(first, second, f)
    A[0, 0] = 0.98 * A[0, 0] + 0.02 * (f * first + (1 - f) * second)[0, 0]
    return A


def no_square(first, second, f):
    A = bands(first, second, f)
    A[1, 1] -= A[0, 1] ** 2 / A[0, 0]
    return A


def to_voigt(A):
    rows = [(0, 0), (1, 1), (0, 1)]
    return np.array([[A[i, j, k, m] for k, m in rows] for i, j in rows])


def voigt_by(left=1.0, right=1.0):
    """Factors of the shear's row and column."""
    return lambda A: np.diag([1, 1, left]) @ to_voigt(A) @ np.diag([1, 1, right])


def lopsided(A):
    C = to_voigt(A)
    C[0, 1] += 0.1
    return C


def stress_turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c * c, s * s, -2 * c * s], [s * s, c * c, 2 * c * s], [c * s, -c * s, c * c - s * s]])


def turned(C, theta):
    T = stress_turn(theta)
    return T @ C @ T.T


def turned_as_tensor(C, theta):
    c, s = np.cos(theta), np.sin(theta)
    R, A, rows = np.array([[c, -s], [s, c]]), np.empty((2,) * 4), [(0, 0), (1, 1), (0, 1)]
    for p in range(3):
        for q in range(3):
            (i, j), (k, m) = rows[p], rows[q]
            A[i, j, k, m] = A[j, i, k, m] = A[i, j, m, k] = A[j, i, m, k] = C[p, q]
    return to_voigt(np.einsum("ai,bj,ck,dl,ijkl", R, R, R, R, A))


def half_shear(C, theta):
    T = stress_turn(theta)
    T[:2, 2] /= 2
    return T @ C @ T.T


def like_a_vector(C, theta):
    R = np.eye(3)
    R[:2, :2] = [[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]]
    return R @ C @ R.T


def deflection_by(E=lambda C: 1 / np.linalg.inv(C)[0, 0], G=lambda C: 1 / np.linalg.inv(C)[2, 2], a=1.0, b=1.0):
    def deflection(C, P, L, H):
        return a * 4 * P * L**3 / (E(C) * H**3) + b * 1.2 * P * L / (G(C) * H)

    return deflection


CASES = [
    right(checks.isotropic, isotropic_by()),
    right(checks.isotropic, textbook),
    mistake(checks.isotropic, isotropic_by(thin="strain"), "the matrix of the other case"),
    mistake(checks.isotropic, isotropic_by(thin="both"), "the matrix of the other case"),
    mistake(checks.isotropic, isotropic_by(shear=2.0), "C_66 is 2 mu"),
    mistake(checks.isotropic, isotropic_by(shear=0.5), "C_66 is mu/2"),
    mistake(checks.isotropic, isotropic_by(shear=1.3), "C_66 is off by"),
    mistake(checks.isotropic, isotropic_by(change=np.triu), "should be symmetric"),
    mistake(checks.isotropic, isotropic_by(change=lambda C: C + 0.1), "does not shear when pulled"),
    mistake(checks.isotropic, isotropic_by(change=np.linalg.inv), "this is the compliance"),
    mistake(checks.isotropic, lambda E, nu, plane: np.diag([E, E, E / (2 + 2 * nu)]), "sideways contraction"),
    mistake(checks.isotropic, isotropic_by(change=lambda C: 2 * C), "C for plane stress is off by"),
    *nonsense_functions(checks.isotropic),
    right(checks.bands, bands),
    right(checks.bands, by_blocks),
    mistake(checks.bands, lambda C, D, f: f * C + (1 - f) * D, "the mean of the matrices"),
    mistake(checks.bands, reuss, "the inverse of the mean compliance"),
    mistake(checks.bands, lambda C, D, f: bands(C[SWAP], D[SWAP], f)[SWAP], "normal to the second axis"),
    mistake(checks.bands, lambda C, D, f: bands(C, D, 1 - f), "the shares are exchanged"),
    mistake(checks.bands, arithmetic(2, 2), "A_66 is the arithmetic mean"),
    mistake(checks.bands, arithmetic(1, 1), "A_22 is the mean of C_22"),
    mistake(checks.bands, arithmetic(0, 1), "A_12 is the mean of C_12"),
    mistake(checks.bands, no_square, "you lose part of A_22"),
    mistake(checks.bands, lambda C, D, f: np.diag(np.diag(bands(C, D, f))), "A_12 is missing"),
    mistake(checks.bands, lambda C, D, f: bands(C, D, f) * f, "two equal materials make no bands"),
    mistake(checks.bands, lambda C, D, f: np.triu(bands(C, D, f)) + np.tril(C, -1), "A should be symmetric"),
    mistake(checks.bands, with_entry(0, 0, lambda C, D, f: max(C[0, 0], D[0, 0])), "stiffer than the mean"),
    mistake(checks.bands, with_entry(2, 2, lambda C, D, f: min(C[2, 2], D[2, 2])), "softer than"),
    mistake(checks.bands, nearly, "A_11 is off by"),
    *nonsense_functions(checks.bands),
    right(checks.voigt, to_voigt),
    right(checks.voigt, lambda A: A.reshape(4, 4)[np.ix_([0, 3, 1], [0, 3, 2])]),
    mistake(checks.voigt, voigt_by(right=2.0), "shear column is twice too large"),
    mistake(checks.voigt, voigt_by(left=2.0), "shear row is twice too large"),
    mistake(checks.voigt, voigt_by(2.0, 2.0), "a factor 2 each"),
    mistake(checks.voigt, voigt_by(np.sqrt(2), np.sqrt(2)), "Mandel's form"),
    mistake(checks.voigt, voigt_by(right=0.5), "half of what it should be"),
    mistake(checks.voigt, lambda A: A.reshape(4, 4)[:3, :3], "22 is its last"),
    mistake(checks.voigt, lambda A: to_voigt(A)[np.ix_([0, 2, 1], [0, 2, 1])], "Voigt's is 11, 22, 12"),
    mistake(checks.voigt, lopsided, "C should be symmetric"),
    mistake(checks.voigt, lambda A: 1.1 * to_voigt(A), "to_voigt(A) is off by"),
    nonsense(checks.voigt, lambda A: A, "shape (2, 2, 2, 2)", label="the tensor itself"),
    *nonsense_functions(checks.voigt),
    right(checks.turned, turned),
    right(checks.turned, turned_as_tensor),
    right(checks.turned, lambda C, t: np.linalg.inv(stress_turn(-t).T @ np.linalg.inv(C) @ stress_turn(-t))),
    mistake(checks.turned, lambda C, t: stress_turn(t) @ C @ np.linalg.inv(stress_turn(t)), "this is T C T^-1"),
    mistake(checks.turned, half_shear, "a factor 2 of the shear is missing"),
    mistake(checks.turned, lambda C, t: turned(C, -t), "turned clockwise"),
    mistake(checks.turned, like_a_vector, "like a vector"),
    mistake(checks.turned, lambda C, t: turned(C, np.radians(t)), "theta is in radians"),
    mistake(checks.turned, lambda C, t: stress_turn(t) @ C, "one T is missing"),
    mistake(checks.turned, lambda C, t: stress_turn(t).T @ C @ stress_turn(t), "this is T^T C T"),
    mistake(checks.turned, lambda C, t: np.cos(t) * C, "after a quarter turn"),
    mistake(checks.turned, lambda C, t: turned(C, t + 0.1), "for theta = 0 nothing turns"),
    mistake(checks.turned, lambda C, t: turned(C, t) + np.triu(np.ones((3, 3)), 1) * np.sin(t), "should be symmetric"),
    mistake(checks.turned, lambda C, t: turned(C, t) + np.sin(2 * t) * np.ones((3, 3)), "looks alike from everywhere"),
    mistake(
        checks.turned, lambda C, t: turned(C, np.pi / 2 * np.round(10 * t / np.pi) / 5), "turned(C, 0.4) is off by"
    ),
    right(checks.turned, lambda C, t: turned(C, -t), CLASS),
    mistake(checks.turned, turned, CLASS, "turned counterclockwise"),
    *nonsense_functions(checks.turned),
    right(checks.deflection, deflection_by()),
    right(checks.deflection, lambda C, P, L, H: float(deflection_by()(C, P, L, H))),
    mistake(checks.deflection, deflection_by(E=lambda C: C[0, 0], G=lambda C: C[2, 2]), "here E is C_11"),
    mistake(checks.deflection, deflection_by(G=lambda C: C[2, 2]), "G is C_66"),
    mistake(checks.deflection, deflection_by(E=lambda C: C[0, 0]), "but E is C_11"),
    mistake(checks.deflection, deflection_by(b=0.0), "the second term"),
    mistake(checks.deflection, deflection_by(a=0.0), "the first term"),
    mistake(checks.deflection, deflection_by(a=-1.0, b=-1.0), "the sign"),
    mistake(checks.deflection, deflection_by(a=1 / 12), "the twelve of I"),
    mistake(checks.deflection, deflection_by(a=3.0), "the three of"),
    mistake(
        checks.deflection,
        deflection_by(E=lambda C: np.linalg.inv(C)[0, 0], G=lambda C: np.linalg.inv(C)[2, 2]),
        "E and 1/E are exchanged",
    ),
    mistake(checks.deflection, deflection_by(a=-2.0), "the deflection is positive"),
    mistake(checks.deflection, lambda C, P, L, H: deflection_by()(C, P**2, L, H), "twice the force"),
    mistake(checks.deflection, lambda C, P, L, H: deflection_by()(np.eye(3), P, L, H), "half as far"),
    mistake(checks.deflection, deflection_by(b=5 / 6), "the deflection is off by"),
    right(checks.deflection, deflection_by(a=1 + 3 / 8 * LOAD, b=1 + LOAD / 2), CLASS),
    mistake(checks.deflection, deflection_by(), CLASS, "spread along the plate is missing"),
    mistake(checks.deflection, deflection_by(a=1 + LOAD, b=1 + LOAD), CLASS, "all the load is at the end"),
    *nonsense_functions(checks.deflection),
]
