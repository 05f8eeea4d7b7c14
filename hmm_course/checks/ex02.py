"""Checks of exercise 2, effective coefficients in the plane: layers, duality, and mixtures that reach the bounds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hmm_core import exact
from hmm_course.checks import Array, array, ask, close, expression, fail, given, kind, match, passed, recognise, require
from hmm_course.variants import numbers

EYE = np.eye(2)


def _phases() -> tuple[Any, ...]:
    """k1, k2, f as the notebook sets them up."""
    import sympy as sp

    return sp.symbols("k1 k2 f", positive=True)


def _equations(answer: Any, name: str, count: int, unknowns: Sequence[Any], allowed: set[Any]) -> dict[Any, Any]:
    """The one solution of a list of expressions that vanish, linear in the unknowns."""
    import sympy as sp

    given(answer, name)
    if isinstance(answer, sp.MatrixBase) or (isinstance(answer, np.ndarray) and answer.ndim == 1):
        answer = list(answer)
    if not isinstance(answer, list | tuple):
        fail(f"{name} should be a list of {count} expressions that vanish; it is {kind(answer)}.")
    require(len(answer) == count, f"{name} should hold {count} expressions; it holds {len(answer)}.")
    for number, line in enumerate(answer):
        if isinstance(line, bool | sp.core.relational.Relational | sp.logic.boolalg.BooleanAtom):
            fail(f"line {number + 1} of {name} is an equation; write left side minus right side, which must vanish.")
    lines = [expression(line, f"line {number + 1} of {name}", allowed) for number, line in enumerate(answer)]
    for number, line in enumerate(lines):
        empty = f"line {number + 1} of {name} is 0 whatever the unknowns are. Did you put in a value before you differentiated?"
        require(sp.simplify(line) != 0, empty)
    absent = ", ".join(str(unknown) for unknown in unknowns if not any(line.has(unknown) for line in lines))
    require(not absent, f"{absent} does not appear in {name}, so nothing fixes it.")
    found = sp.solve(lines, list(unknowns), dict=True)
    require(len(found) > 0, f"{name} contradict each other: no values of the unknowns meet all of them.")
    missing = [str(u) for u in unknowns if u not in found[0] or found[0][u].free_symbols & set(unknowns)]
    require(
        not missing and len(found) == 1,
        f"{name} do not fix {', '.join(missing) or 'one solution'}: is one line a consequence of the others?",
    )
    return {unknown: sp.factor(value) for unknown, value in found[0].items()}


def interface(conditions: Sequence[Any], seed: int = 0) -> None:
    """Continuous normal flux and tangential gradient, and the two means: the layers' tensor is diag(harmonic, arithmetic).

    The layers lie across y1, or as the seed has it across y2; then p and q change their places.
    """
    import sympy as sp

    own = numbers("02", seed)
    p, q = own["p"], own["q"]  # the component across the layers, and that along them
    k1, k2, f = _phases()
    unknowns = sp.symbols("p1 q1 p2 q2 G1 G2")
    gradient = _equations(conditions, "conditions", 4, unknowns[:4], {k1, k2, f, *unknowns})
    p1, q1, p2, q2 = (gradient[sp.Symbol(g)] for g in (f"{p}1", f"{q}1", f"{p}2", f"{q}2"))
    G1, G2 = unknowns[4:][:: 1 if own["axis"] == 1 else -1]
    known = {k1: 2, k2: 5, f: sp.Rational(1, 4), G1: 1, G2: 1}

    def vanishes(*terms: Any) -> bool:
        return all(sp.cancel(term) == 0 for term in terms)

    means = f * p1 + (1 - f) * p2 - G1, f * q1 + (1 - f) * q2 - G2
    exchanged = (1 - f) * p1 + f * p2 - G1, (1 - f) * q1 + f * q2 - G2
    if vanishes(*exchanged) and not vanishes(*means):
        fail("the fractions are exchanged: phase 1 takes up the fraction f, phase 2 the rest.")
    if vanishes((p1 + p2) / 2 - G1, (q1 + q2) / 2 - G2) and not vanishes(*means):
        fail("the means weigh both phases alike: phase 1 takes up the fraction f, phase 2 the fraction 1 - f.")
    require(vanishes(*means), "the mean of the gradient over both phases, with their fractions, is not (G1, G2).")
    normal, tangential = vanishes(k1 * p1 - k2 * p2), vanishes(q1 - q2)
    if vanishes(p1 - p2):
        end = "" if tangential else f", and along it the derivative {q} (the flux k {q} may jump)"
        fail(f"across an interface the gradient {p} may jump. What passes is the heat: k {p}{end}.")
    if vanishes(k1 * q1 - k2 * q2):
        fail(
            f"the flux along the interface, k {q}, may jump. The temperature has no jump, so its derivative {q} has none."
        )
    if vanishes(k1 * p2 - k2 * p1) or vanishes(p1 / k1 - p2 / k2):
        fail(
            f"a flux is conductivity times gradient, of the same phase: k1 {p}1 on the one side, k2 {p}2 on the other."
        )
    if vanishes(k1 * p1 + k2 * p2):
        fail(f"the sign: what leaves one layer enters the next, so k1 {p}1 equals k2 {p}2 and is not its opposite.")
    require(normal, f"the normal flux k {p} has a jump: heat would pile up at the interface.")
    require(tangential, f"the tangential gradient {q} has a jump: then the temperature would have one as well.")
    match(float(p1.subs(known)), 20 / 11, f"{p}1 for k1 = 2, k2 = 5, f = 1/4")
    passed("no heat piles up at the interface", "the temperature has no jump", "the means are (G1, G2)")


def _tensor(answer: Any, name: str) -> Array:
    """The answer as floating-point numbers (2, 2), as the pictures need them."""
    if hasattr(answer, "free_symbols") or (isinstance(answer, np.ndarray) and answer.dtype == object):
        fail(f"{name} consists of SymPy's numbers; compute with NumPy here, np.cos and np.array.")
    return array(answer, name, (2, 2))


def _symmetric(A: Array, name: str, otherwise: str) -> None:
    require(abs(A[0, 1] - A[1, 0]) < 1e-9 * abs(A).max(), f"{name} is not symmetric: {otherwise}")


def angle(laminate: Callable[..., Array], seed: int = 0) -> None:
    """laminate(k1, k2, f, angle) = h n n^T + m (I - n n^T), n = (cos angle, sin angle), or as the seed has it."""
    own = numbers("02", seed)

    def of(k1: float, k2: float, f: float, turn: float, case: str) -> Array:
        answer = ask(laminate, k1, k2, f, turn, name="laminate", case=case)
        return _tensor(answer, f"laminate for {case}")

    def keeps(turn: float) -> Array:
        """n n^T."""
        n = own["start"] + own["sense"] * turn
        return np.outer([np.cos(n), np.sin(n)], [np.cos(n), np.sin(n)])

    keep, rotation = keeps(0.7), np.array([[np.cos(0.7), np.sin(0.7)], [-np.sin(0.7), np.cos(0.7)]])
    equal = of(3, 3, 0.4, 0.7, "two equal phases of 3")
    recognise(
        equal,
        {
            "the identity is np.eye(2): 1 - n n^T subtracts from every entry of a matrix full of ones.": np.full(
                (2, 2), 3.0
            ),
            "across the layers you have <1/a>, the resistance; the conductivity is one over it.": keep / 3
            + 3 * (EYE - keep),
        },
    )
    for one_sided in (rotation, rotation.T):
        recognise(equal, {"a tensor turns with a matrix on either side, R ... R^T; one is missing.": 3 * one_sided})
    match(equal, 3 * EYE, "laminate for two equal phases of 3")
    k1, k2, f = 2.0, 5.0, 0.25
    h, m = exact.wiener_bounds([k1, k2], [f, 1 - f])
    h_swapped, m_swapped = exact.wiener_bounds([k1, k2], [1 - f, f])

    def tensor(turn: float, h: float = h, m: float = m) -> Array:
        return h * keeps(turn) + m * (EYE - keeps(turn))

    straight, case = of(k1, k2, f, 0.0, "the angle 0"), "laminate for the angle 0"
    recognise(
        straight,
        {
            f"the angle is that of the normal: at 0 the layers lie across y{own['axis']}, and the {own['first']} entry is the "
            "harmonic mean.": tensor(np.pi / 2),
            "the fractions are exchanged: k1 takes up the fraction f.": tensor(0, h_swapped, m_swapped),
            "this is the arithmetic mean in all directions: across the layers the resistances add up.": m * EYE,
            "this is the harmonic mean in all directions: along the layers each phase conducts on its own.": h * EYE,
            "n @ n is the number 1; the matrix n n^T is np.outer(n, n).": h + m * (EYE - 1),
        },
    )
    _symmetric(straight, "laminate at the angle 0", "n n^T is np.outer(n, n); n * n is no matrix.")
    match(straight, tensor(0), case)
    turn = np.pi / 6
    turned = of(k1, k2, f, turn, "the angle 30 degrees")
    _symmetric(
        turned, "laminate at 30 degrees", "if you rotate with a matrix R, it takes R on the left, R^T on the right."
    )
    recognise(
        turned,
        {
            "the sign of the off-diagonal entries: the layers turn the wrong way (R and R^T exchanged?).": tensor(
                -turn
            ),
            "the angle is in radians already: do not convert it.": tensor(np.radians(turn)),
            "the angle is in radians; you take it for degrees.": tensor(np.radians(np.radians(turn))),
            "nothing turns: the tensor at 30 degrees is the one at 0.": tensor(0),
        },
    )
    eigenvalues = np.linalg.eigvalsh(turned)
    if not close(eigenvalues, sorted([h, m])):
        fail(
            "turning the layers must not change the two principal conductivities, the harmonic and the arithmetic mean."
        )
    match(turned, tensor(turn), "laminate at 30 degrees")
    for other in (1.9, -0.6):
        match(of(k1, k2, f, other, f"the angle {other}"), tensor(other), f"laminate at the angle {other}")
    half_turn = of(k1, k2, f, turn + np.pi, "30 degrees and a half turn")
    match(half_turn, turned, "laminate after half a turn, compared with before,")
    passed("symmetric", "harmonic and arithmetic mean in the principal directions", "they turn with the layers")


def dual(function: Callable[..., Any], seed: int = 0) -> None:
    """dual(g, a g) = (J a g, J g) up to a common sign: a field without curl and one without divergence, for 1/a.

    For a class kappa/a; then the common factor may have a kappa in it.
    """
    import sympy as sp

    kappa = numbers("02", seed)["kappa"]
    y = sp.symbols("y1 y2")
    u, a = sp.Function("u")(*y), sp.Function("a")(*y)
    gradient = [u.diff(v) for v in y]
    flux = [a * g for g in gradient]

    answer = ask(function, gradient, flux, name="dual", case="a general gradient and flux")
    if isinstance(answer, sp.MatrixBase | np.ndarray):
        answer = answer.tolist()
    pairs = isinstance(answer, list | tuple) and len(answer) == 2
    pairs = pairs and all(isinstance(v, list | tuple | sp.MatrixBase | np.ndarray) and len(v) == 2 for v in answer)
    holds = f" of {len(answer)} things" if isinstance(answer, list | tuple) else ""
    require(
        pairs,
        f"what dual returns should be two pairs, ((., .), (., .)), new gradient first; it is {kind(answer)}{holds}.",
    )
    names = (("new gradient", answer[0]), ("new flux", answer[1]))
    (g1, g2), (j1, j2) = [[expression(c, f"a component of the {name}") for c in pair] for name, pair in names]

    def same(left: Any, right: Any) -> bool:
        return sp.simplify(left - right) == 0

    for sign in (1, -1):
        turned = [-sign * gradient[1], sign * gradient[0]]
        if same(g1, turned[0]) and same(g2, turned[1]):
            fail(
                "your new gradient is the old one, turned: that has lost its divergence, but what it needs is no curl. (Or "
                "are the two in the wrong order? The new gradient comes first.)"
            )
    if same(g1, flux[0]) and same(g2, flux[1]):
        fail("your new gradient is the flux as it was: that has no divergence, but a curl. It must be turned first.")
    if same(g1, gradient[0]) and same(g2, gradient[1]):
        fail(f"your new gradient is the old one; in the plate {kappa}/a the two fields change places.")
    curl, divergence = g2.diff(y[0]) - g1.diff(y[1]), sum(j.diff(v) for j, v in zip(flux, y, strict=True))
    factors = {1, kappa, sp.Rational(1, kappa)}
    if not any(same(curl, c * divergence) or same(curl, -c * divergence) for c in factors):
        fail(
            "your new gradient has a curl. Use that the old flux has no divergence, and that a quarter turn exchanges the two."
        )
    if same(j1, gradient[0]) and same(j2, gradient[1]):
        fail("your new flux is the old gradient as it was: that has a divergence. Turn it as well.")
    require(same(j1.diff(y[0]) + j2.diff(y[1]), 0), "your new flux has a divergence: heat would get lost on the way.")
    if same(a * j1, -kappa * g1) and same(a * j2, -kappa * g2):
        fail(
            f"new flux = -({kappa}/a) new gradient: one field was turned left and the other right. Turn both the same way."
        )
    if kappa != 1 and same(a * j1, g1) and same(a * j2, g2):
        fail(f"the new flux is 1/a times the new gradient; in the plate {kappa}/a it is {kappa}/a times.")
    right = same(a * j1, kappa * g1) and same(a * j2, kappa * g2)
    require(
        right,
        f"the new flux is not {kappa}/a times the new gradient, so this is no steady state in the plate {kappa}/a.",
    )
    passed("the new gradient has no curl", "the new flux has no divergence", f"it is {kappa}/a times the new gradient")


def checkerboard(balance: Any, seed: int = 0) -> None:
    """An expression that vanishes for s = sqrt(k1 k2), such as 1/s - s/(k1 k2), the two ways to B* for 1/a, a class's kappa/a."""
    import sympy as sp

    kappa = numbers("02", seed)["kappa"]
    k1, k2, _ = _phases()
    s = sp.Symbol("s", positive=True)
    balance = expression(balance, "balance", {s, k1, k2})
    require(balance.has(s), "s does not appear in balance, so nothing can be solved for it.")
    found = sp.solve(balance, s)
    require(len(found) == 1, f"balance should have exactly one positive solution s; it has {len(found)}.")
    value, mean = found[0], sp.sqrt(k1 * k2)
    if kappa != 1:
        for wrong in (mean * sp.sqrt(kappa), mean / sp.sqrt(kappa)):
            recognise(value, {f"the factor {kappa} of the plate {kappa}/a is missing in one of your two ways.": wrong})
    recognise(
        value,
        {
            f"this gives s = 1/sqrt(k1 k2): the factor between the exchanged board and the plate {kappa}/a goes the other "
            "way.": 1 / mean,
            f"this gives s = {sp.sqrt(kappa)}: the exchanged board is not the plate {kappa}/a itself, there is a factor between "
            "them.": sp.sqrt(kappa),
            "this gives k1 k2, which has the unit of a conductivity squared: did the turned fields give s instead of 1/s?": k1
            * k2,
            "this is the arithmetic mean, which only layers reach, and only along them.": (k1 + k2) / 2,
            "this is the harmonic mean, which only layers reach, and only across them.": 2 * k1 * k2 / (k1 + k2),
        },
    )
    swapped = value.subs({k1: k2, k2: k1}, simultaneous=True)
    require(sp.simplify(value - swapped) == 0, "exchanging the colours changes your s, but it only shifts the board.")
    require(sp.simplify(value.subs(k2, k1) - k1) == 0, "for k1 = k2 there is only one colour, and s must be its k1.")
    match(value, mean, "the s that balance gives")
    passed("one colour keeps its conductivity", "the colours may be exchanged", "one positive solution")


def neutral(conditions: Sequence[Any], seed: int = 0) -> None:
    """The coated disk that does not disturb a uniform field: its s is the Hashin-Shtrikman bound with the coat as matrix.

    Its radius is 1, or that of the seed. s does not depend on it, b1 does.
    """
    import sympy as sp

    R = numbers("02", seed)["radius"]
    core_ends = f"r = {R} sqrt(f)" if R != 1 else "r = sqrt(f)"
    k1, k2, f = _phases()
    s = sp.Symbol("s", positive=True)
    unknowns = (*sp.symbols("a0 b0 b1"), s)
    a0, b0, b1, _ = unknowns
    r = sp.Symbol("r", positive=True)
    if isinstance(conditions, list | tuple) and any(isinstance(c, sp.Expr) and c.has(r) for c in conditions):
        fail(
            f"r is still in your conditions: they hold at {core_ends} and at r = {R}, so put these in with .subs(r, ...)."
        )
    found, radius = _equations(conditions, "neutral", 4, unknowns, {k1, k2, f, *unknowns}), sp.sqrt(f)

    def solve(at: Any = radius, coat: Any = k1, core: Any = k2) -> Any:
        """The unknowns of a disk of radius 1, for a core of another radius, or of other phases."""
        lines = [a0 * at - b0 * at - b1 / at, core * a0 - coat * (b0 - b1 / at**2), b0 + b1 - 1, coat * (b0 - b1) - s]
        return sp.solve(lines, list(unknowns), dict=True)[0]

    mistakes = {
        "f is an area fraction: a core of radius f would have the area f^2. It is sqrt(f).": solve(at=f)[s],
        "the phases are exchanged: the core is phase 2, the coat is phase 1.": solve(coat=k2, core=k1)[s],
        "this gives s = k1, as if there were no core. Is the flux, k times the slope, continuous at the core? And the "
        "slope of b1/r is -b1/r**2, with a minus.": k1,
        "this is the arithmetic mean; look at the two flux conditions again.": (1 - f) * k1 + f * k2,
        f"this gives s = k2, as if there were no coat. The coat ends at r = {R}: are its two conditions taken there?": k2,
    }
    if R != 1:
        mistakes[f"the core takes up the fraction f of a disk of radius {R}: it ends at {core_ends}."] = solve(
            at=radius / R
        )[s]
    value = found[s]
    recognise(value, mistakes)
    uniform = sp.simplify(value.subs(k2, k1))
    require(uniform == k1, f"if core and coat are equal, k2 = k1, s should be k1; yours is {uniform}.")
    require(sp.simplify(value.subs(f, 1) - k2) == 0, "without a coat, f = 1, the disk is all core, and s should be k2.")
    match(value, solve()[s], "the s that neutral gives")
    if R != 1:
        unit = solve()[b1]  # grows with the area of the disk
        match(
            found[b1],
            R**2 * unit,
            "b1",
            mistakes={f"your s is right, but your disk has the radius 1; it is {R}.": unit},
        )
    number = float(value.subs({k1: 1, k2: 10, f: sp.Rational(3, 10)}))
    match(number, exact.hashin_shtrikman_bounds(1, 10, 0.3)[0], "s for k1 = 1, k2 = 10, f = 0.3")
    passed("equal phases keep their k", "without a coat s is the core's", "s is the bound of Hashin and Shtrikman")


def layered(function: Callable[..., Array], seed: int = 0) -> None:
    """layered(K1, K2, f): the tensor of layers across y1 with tensor phases; exact.laminate. As the seed has it across y2."""
    own = numbers("02", seed)
    axis, place = own["axis"], own["first"]
    K1, K2, f = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[5.0, -1.0], [-1.0, 3.0]]), 0.3

    def across_1(A: Array) -> Array:
        """With the axes exchanged if the layers lie across y2: then the same is right as for y1."""
        return A if axis == 1 else A[::-1, ::-1]

    def of(first: Array, second: Array, f: float, case: str) -> Array:
        answer = ask(function, across_1(first).copy(), across_1(second).copy(), f, name="layered", case=case)
        return across_1(_tensor(answer, f"layered for {case}"))

    def mixed(t: float, first: Array = K1, second: Array = K2, weight: float = f) -> Array:
        """The right formula with the fraction t where the jump is scaled, to build mistakes."""
        D = second - first
        c = D[0] / ((1 - t) * first[0, 0] + t * second[0, 0])
        return weight * first + (1 - weight) * second - weight * (1 - weight) * np.outer(D[:, 0], c)

    lost = "the off-diagonal entries of the phases are lost on the way."
    equal = of(K1, K1, f, "two equal phases")
    unmultiplied = "this is the mean of the two gradients; the tensor comes from the mean flux, K1 and K2 times them."
    match(equal, K1, "layered for two equal phases", mistakes={lost: np.diag(np.diag(K1)), unmultiplied: EYE})
    scalar = of(2 * EYE, 5 * EYE, f, "scalar phases 2 and 5")
    h, m = exact.wiener_bounds([2, 5], [f, 1 - f])
    recognise(
        scalar,
        {
            "for scalar phases this is the arithmetic mean in both directions: the gradient jumps across the layers.": m
            * EYE,
            "for scalar phases this is the harmonic mean in both directions: along the layers the gradient does not jump.": h
            * EYE,
            f"the layers lie across y{axis}, so for scalar phases the harmonic mean stands in the {place} place.": np.diag(
                [m, h]
            ),
            "the fractions are exchanged: K1 takes up the fraction f.": exact.laminate([2, 5], [1 - f, f]),
            "the sign of c: the flux is continuous if the gradient is larger where the phase conducts worse.": 2
            * m
            * EYE
            - np.diag([h, m]),
            "the mean of your two gradients is not G: phase 1, with the fraction f, jumps by (1 - f) c, phase 2 by -f c.": (
                m * EYE + np.diag([(f**2 * 2 - (1 - f) ** 2 * 5) * 3 / ((1 - f) * 2 + f * 5), 0])
            ),
            "in the denominator the fractions are exchanged: (1 - f) goes with K1, f with K2.": mixed(
                1 - f, 2 * EYE, 5 * EYE
            ),
        },
    )
    match(scalar, np.diag([h, m]), "layered for scalar phases")
    general, D = of(K1, K2, f, "two full tensors"), K2 - K1
    expected = exact.laminate([K1, K2], [f, 1 - f])
    harmonic = np.linalg.inv(f * np.linalg.inv(K1) + (1 - f) * np.linalg.inv(K2))
    low = (1 - f) * K1[0, 0] + f * K2[0, 0]
    recognise(
        general,
        {
            "this is the harmonic mean of the tensors, as if every component of the flux were continuous.": harmonic,
            f"only the {place} entries of K1 and K2 enter your jump: the {place} component of K G has K12 in it as well.": f
            * K1
            + (1 - f) * K2
            - f * (1 - f) * np.diag([D[0, 0] ** 2, 0]) / low,
            lost: exact.laminate([np.diag(np.diag(K1)), np.diag(np.diag(K2))], [f, 1 - f]),
        },
    )
    _symmetric(general, "layered for two full tensors", f"the jump c e{axis} changes both components of the flux.")
    if np.linalg.eigvalsh(f * K1 + (1 - f) * K2 - general)[0] < -1e-9:
        fail("your layers conduct better than the arithmetic mean in some direction; nothing does (Wiener's bound).")
    if np.linalg.eigvalsh(general - harmonic)[0] < -1e-9:
        fail("your layers conduct worse than the harmonic mean in some direction; nothing does (Wiener's bound).")
    match(general, expected, "layered for two full tensors")
    passed("scalar phases as in task 2", "symmetric", "between Wiener's bounds", "the closed form for two full tensors")
