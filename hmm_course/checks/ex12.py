"""Checks of exercise 12, a plate from its fibres: plane stiffnesses, bands by hand, tensors as matrices, turning, bending."""

from collections.abc import Callable

import numpy as np

from hmm_course.checks import Array, array, ask, close, fail, match, number, passed, recognise, require
from hmm_course.variants import numbers

# A stiffness without any mirror, and one whose axes are its mirrors; Voigt's notation.
SKEW = np.array([[5.0, 1.0, 0.7], [1.0, 3.0, -0.4], [0.7, -0.4, 1.5]])
STRAIGHT = np.array([[6.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.8]])
SOFT = np.array([[1.5, 0.4, 0.0], [0.4, 1.1, 0.0], [0.0, 0.0, 0.3]])


def _isotropic(E: float, nu: float, plane: str) -> Array:
    mu = E / (2 * (1 + nu))
    lam = E * nu / (1 - nu**2) if plane == "stress" else E * nu / ((1 + nu) * (1 - 2 * nu))
    return np.array([[lam + 2 * mu, lam, 0], [lam, lam + 2 * mu, 0], [0, 0, mu]])


def _with(C: Array, shear: float) -> Array:
    """The same matrix with another C_66."""
    return C * np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0]]) + np.diag([0, 0, shear])


def isotropic(function: Callable) -> None:
    """isotropic(E, nu, plane): C (3, 3) in plane stress and plane strain."""

    def of(E: float, nu: float, plane: str) -> Array:
        case = f"E = {E:g}, nu = {nu:g}, plane {plane}"
        return array(
            ask(function, E, nu, plane, name="isotropic", case=case), f"isotropic({E:g}, {nu:g}, {plane!r})", (3, 3)
        )

    for plane in ("stress", "strain"):
        C, true = of(3.0, 0.25, plane), _isotropic(3.0, 0.25, plane)
        other = _isotropic(3.0, 0.25, "strain" if plane == "stress" else "stress")
        require(close(C, C.T), "C should be symmetric: the work of a strain in the stress of another is mutual.")
        require(
            close(C[:2, 2], 0 * C[:2, 2], atol=1e-12),
            "an isotropic material does not shear when pulled: C_16 = C_26 = 0.",
        )
        mu = true[2, 2]
        recognise(
            C,
            {
                "C_66 is 2 mu: it multiplies gamma = 2 e_12, not e_12.": _with(true, 2 * mu),
                "C_66 is mu/2: sigma_12 = 2 mu e_12, and gamma is 2 e_12.": _with(true, mu / 2),
                f"for plane {plane} this is the matrix of the other case: a thin plate gives way across its thickness "
                "(plane stress), a long bar cannot (plane strain).": other,
                "this is diag(E, E, mu): what happened to the sideways contraction?": np.diag([3.0, 3.0, mu]),
                "this is the compliance, strain for stress; its inverse is asked for.": np.linalg.inv(true),
            },
        )
        if close(C[:2, :2], true[:2, :2]):
            match(C[2, 2], mu, "C_66")
        match(C, true, f"C for plane {plane}")
    free = np.linalg.inv(of(2.0, 0.3, "stress"))
    require(
        close(1 / free[0, 0], 2.0), "in plane stress a strip with free sides has the modulus E: 1/S_11 should be E."
    )
    require(close(of(2.0, 0.0, "stress"), of(2.0, 0.0, "strain")), "for nu = 0 both cases agree.")
    passed("symmetric", "a free strip of a thin plate has the modulus E", "both cases agree for nu = 0")


def _bands(first: Array, second: Array, f: float) -> Array:
    def mean(value: Callable) -> float:
        return f * value(first) + (1 - f) * value(second)

    A11, ratio = 1 / mean(lambda C: 1 / C[0, 0]), mean(lambda C: C[0, 1] / C[0, 0])
    A22 = mean(lambda C: C[1, 1] - C[0, 1] ** 2 / C[0, 0]) + ratio**2 * A11
    return np.array([[A11, ratio * A11, 0], [ratio * A11, A22, 0], [0, 0, 1 / mean(lambda C: 1 / C[2, 2])]])


def bands(function: Callable) -> None:
    """bands(C_glass, C_resin, f): A (3, 3) of bands normal to the first axis."""

    def of(first: Array, second: Array, f: float, case: str) -> Array:
        answer = ask(function, first.copy(), second.copy(), f, name="bands", case=case)
        return array(answer, "bands(C_glass, C_resin, f)", (3, 3))

    same = of(SOFT, SOFT, 0.3, "two equal materials")
    if not close(same, SOFT):
        recognise(
            same,
            {
                "of two equal materials you lose part of A_22: add <C_12/C_11>^2 A_11.": SOFT
                - np.diag([0, SOFT[0, 1] ** 2 / SOFT[0, 0], 0]),
                "A_12 is missing: a strain along the bands makes a stress across them.": np.diag(np.diag(SOFT)),
            },
        )
        fail("two equal materials make no bands: then A should be their matrix.")
    f, A = 0.3, of(STRAIGHT, SOFT, 0.3, "two materials")
    true, arithmetic = _bands(STRAIGHT, SOFT, f), f * STRAIGHT + (1 - f) * SOFT
    series = np.linalg.inv(f * np.linalg.inv(STRAIGHT) + (1 - f) * np.linalg.inv(SOFT))
    other = _bands(STRAIGHT[np.ix_([1, 0, 2], [1, 0, 2])], SOFT[np.ix_([1, 0, 2], [1, 0, 2])], f)[
        np.ix_([1, 0, 2], [1, 0, 2])
    ]
    flat = true.copy()
    flat[1, 1] = arithmetic[1, 1]
    plain = true.copy()
    plain[0, 1] = plain[1, 0] = arithmetic[0, 1]
    turned_round = _bands(STRAIGHT, SOFT, 1 - f)
    recognise(
        A,
        {
            "this is the mean of the matrices (Voigt's bound): it strains all bands alike, also across.": arithmetic,
            "this is the inverse of the mean compliance (Reuss's bound): it stresses all bands alike, also along.": series,
            "these are bands normal to the second axis: 1 and 2 are exchanged.": other,
            "the shares are exchanged: f belongs to the first material.": turned_round,
            "A_66 is the arithmetic mean; all bands carry the same sigma_12, so their gammas add up.": _with(
                true, arithmetic[2, 2]
            ),
            "A_22 is the mean of C_22; in a pull along the bands each wants to get narrower in its own way, and only the mean "
            "of e_11 is yours to choose.": flat,
            "A_12 is the mean of C_12; sigma_11 does not jump, so look at C_12/C_11.": plain,
        },
    )
    require(close(A, A.T), "A should be symmetric: the work of a strain in the stress of another is mutual.")
    weight = np.sqrt([1, 1, 2])
    form = [np.linalg.eigvalsh(np.outer(weight, weight) * D) for D in (arithmetic - A, A - series)]
    require(form[0][0] > -0.01, "A is stiffer than the mean of the matrices; no arrangement is.")
    require(form[1][0] > -0.01, "A is softer than the inverse of the mean compliance; no arrangement is.")
    for (i, j), name in {(0, 0): "A_11", (0, 1): "A_12", (1, 1): "A_22", (2, 2): "A_66"}.items():
        match(A[i, j], true[i, j], name)
    match(A, true, "A")
    passed("two equal materials stay as they are", "between both means", "A_11, A_12, A_22, A_66")


PAIRS = [(0, 0), (1, 1), (0, 1)]


def _tensor(C: Array) -> Array:
    A = np.empty((2, 2, 2, 2))
    for r, (i, j) in enumerate(PAIRS):
        for s, (k, m) in enumerate(PAIRS):
            A[i, j, k, m] = A[j, i, k, m] = A[i, j, m, k] = A[j, i, m, k] = C[r, s]
    return A


def voigt(function: Callable) -> None:
    """to_voigt(A): C (3, 3) of a tensor."""
    A = _tensor(SKEW)
    C = array(ask(function, A.copy(), name="to_voigt", case="a tensor with all its entries"), "to_voigt(A)", (3, 3))
    column, two = np.array([1, 1, 2]), np.array([1, 1, np.sqrt(2)])
    flat = A.reshape(4, 4)
    recognise(
        C,
        {
            "the shear column is twice too large: gamma is 2 e_12, and the two of e_12 = e_21 cancels that half.": SKEW
            * column,
            "the shear row is twice too large: sigma_12 is one entry of the stress.": SKEW * column[:, None],
            "row and column of the shear carry a factor 2 each.": SKEW * np.outer(column, column),
            "this is Mandel's form, with a factor 2^(1/2) for every index of shear; Voigt's has none.": SKEW
            * np.outer(two, two),
            "the shear column is half of what it should be: there are two equal terms, e_12 and e_21.": SKEW / column,
            "these are rows and columns 11, 12, 21 of A as a 4 x 4 matrix; 22 is its last.": flat[:3, :3],
            "rows and columns are in the order 11, 12, 22; Voigt's is 11, 22, 12.": SKEW[np.ix_([0, 2, 1], [0, 2, 1])],
        },
    )
    require(close(C, C.T), "C should be symmetric, as A is: A_ijkl = A_klij.")
    match(C, SKEW, "to_voigt(A)")
    passed("symmetric", "11, 22, 12 in this order", "no factor too many")


def _stress_turn(theta: float) -> Array:
    c, s = np.cos(theta), np.sin(theta)
    return np.array([[c * c, s * s, -2 * c * s], [s * s, c * c, 2 * c * s], [c * s, -c * s, c * c - s * s]])


def _turned(C: Array, theta: float) -> Array:
    T = _stress_turn(theta)
    return T @ C @ T.T


def turned(function: Callable, seed: int = 0) -> None:
    """turned(C, theta): the matrix of the material turned counterclockwise.

    A seed may turn it the other way.
    """
    sense = numbers("12", seed)["turn"]

    def of(C: Array, theta: float, case: str) -> Array:
        return array(ask(function, C.copy(), theta, name="turned", case=case), "turned(C, theta)", (3, 3))

    require(close(of(SKEW, 0.0, "theta = 0"), SKEW, atol=1e-12), "for theta = 0 nothing turns.")
    angle = 0.4
    value, turn = of(SKEW, angle, "theta = 0.4"), sense * angle
    T, true, back = _stress_turn(turn), _turned(SKEW, turn), _turned(SKEW, -turn)
    single = T.copy()
    single[:2, 2] /= 2
    R = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    degrees, wrong_way = _turned(SKEW, np.radians(turn)), "clockwise" if sense > 0 else "counterclockwise"
    recognise(
        value,
        {
            "this is T C T^-1: engineering strains do not turn like stresses, for their shear is 2 e_12. The work of both must "
            "stay the same.": T @ SKEW @ np.linalg.inv(T),
            "a factor 2 of the shear is missing in T: sigma_12 comes twice in R sigma R^T.": single @ SKEW @ single.T,
            f"the material is turned {wrong_way}; change the sign of theta.": back,
            "here C is turned like a vector or a conductivity; it has four indices, so two factors T for pairs of them.": R
            @ SKEW
            @ R.T,
            "this turns by theta degrees; theta is in radians.": degrees,
            "one T is missing: stress is turned, strain is not.": T @ SKEW,
            "this is T^T C T, which belongs to compliances turned the other way.": T.T @ SKEW @ T,
        },
    )
    require(close(value, value.T), "the turned matrix should be symmetric.")
    quarter = of(STRAIGHT, np.pi / 2, "a quarter turn")
    require(
        close(quarter, STRAIGHT[np.ix_([1, 0, 2], [1, 0, 2])], atol=1e-9),
        "after a quarter turn 1 and 2 should have changed places.",
    )
    even = _isotropic(2.0, 0.3, "stress")
    require(
        close(of(even, 0.7, "an isotropic material"), even, atol=1e-9),
        "an isotropic material looks alike from everywhere.",
    )
    match(value, true, "turned(C, 0.4)")
    passed("nothing for theta = 0", "1 and 2 change places in a quarter turn", "isotropic stays isotropic")


def deflection(function: Callable, seed: int = 0) -> None:
    """deflection(C, P, L, H): bending and shear of a cantilever.

    A seed adds a load that is spread along it. In bending it counts 3/8 of one at the end, in shear a half.
    """
    load = numbers("12", seed)["load"]
    more_bending, more_shear = 1 + 3 / 8 * load, 1 + load / 2

    def of(C: Array, P: float, L: float, H: float) -> float:
        case = f"P = {P:g}, L = {L:g}, H = {H:g}"
        return number(ask(function, C.copy(), P, L, H, name="deflection", case=case), "deflection(C, P, L, H)")

    P, L, H = 0.02, 5.0, 0.8
    S, inertia = np.linalg.inv(SKEW), H**3 / 12

    def bent(compliance: float) -> float:
        return more_bending * P * L**3 * compliance / (3 * inertia)

    def sheared(compliance: float) -> float:
        return more_shear * 1.2 * P * L * compliance / H

    bending, shear, stiff = bent(S[0, 0]), sheared(S[2, 2]), bent(1 / SKEW[0, 0]) + sheared(1 / SKEW[2, 2])
    mistakes = {
        "here E is C_11: this is the stiffness with the sides held. They are free: ask the compliance.": stiff,
        "E comes from the compliance, as it should, but G is C_66; with C_16 in the matrix 1/S_66 is something else.": bending
        + sheared(1 / SKEW[2, 2]),
        "the shear comes from the compliance, as it should, but E is C_11.": bent(1 / SKEW[0, 0]) + shear,
        "the second term, of the shear, is missing.": bending,
        "the first term, of the bending, is missing.": shear,
        "the sign: the deflection is asked for as a positive number.": -(bending + shear),
        "the twelve of I = H^3/12 is missing.": bending / 12 + shear,
        "the three of P L^3/(3 E I) is missing.": 3 * bending + shear,
        "E and 1/E are exchanged: a stiff plate bends less.": bent(1 / S[0, 0]) + sheared(1 / S[2, 2]),
    }
    if load:
        mistakes |= {
            "the load that is spread along the plate is missing.": bending / more_bending + shear / more_shear,
            "all the load is at the end here; what is spread along the plate bends it less.": (1 + load)
            * (bending / more_bending + shear / more_shear),
        }
    value = of(SKEW, P, L, H)
    recognise(value, mistakes)
    require(value > 0, "the plate bends the way it is pulled: the deflection is positive.")
    require(close(of(SKEW, 2 * P, L, H), 2 * value), "twice the force bends twice as far.")
    require(close(of(2 * SKEW, P, L, H), value / 2), "a plate twice as stiff bends half as far.")
    match(value, bending + shear, "the deflection")
    passed("proportional to the force", "half for twice the stiffness", "bending and shear by the compliance")
