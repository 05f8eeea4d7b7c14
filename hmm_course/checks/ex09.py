"""Checks of exercise 9, a composite that cools: matrices from a closure, the theta-scheme, its factors and its largest step."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hmm_course.checks import Array, array, ask, close, fail, given, kind, match, number, passed, recognise, require
from hmm_course.variants import numbers

NODES = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
EVEN = np.linspace(0, 1, 9)
COLD = "M is the node's share of the wall alone; the heat that a unit of the wall takes up is missing."


class _Wall:
    """A closure on a line, sigma = (1 + 3 x^2) grad, that counts its questions and looks at their shapes."""

    linear = True

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, x: Array, u: Array, grad: Array) -> tuple[Array, Array, Array]:
        self.asked += 1
        x, u, grad = np.asarray(x), np.asarray(u), np.asarray(grad)
        count = x.shape[-1] if x.ndim else 0
        for name, value, shape in (("x", x, (1, count)), ("u", u, (count,)), ("grad", grad, (1, count))):
            if value.shape != shape:
                raise ValueError(f"the closure was given {name} of shape {value.shape}, not {shape}")
        A = _conductivity(x[0])
        return A * grad, np.zeros((1, count)), A[None, None]


def _conductivity(x: Array) -> Array:
    return 1 + 3 * x**2


def _stiffness(nodes: Array, slopes: Array) -> Array:
    """K of the inner nodes, for what every element contributes."""
    K = np.zeros((len(nodes), len(nodes)))
    for k, s in enumerate(slopes):
        K[k : k + 2, k : k + 2] += s * np.array([[1, -1], [-1, 1]])
    return K[1:-1, 1:-1]


def _matrices(nodes: Array, heat: float = 1.0) -> tuple[Array, Array]:
    """M and K of a wall that takes up ``heat`` for one degree of a unit of its length."""
    H = np.diff(nodes)
    return heat * (H[:-1] + H[1:]) / 2, _stiffness(nodes, _conductivity((nodes[:-1] + nodes[1:]) / 2) / H)


def _step(M: Array, K: Array, U: Array, dt: float, theta: float) -> Array:
    return np.linalg.solve(np.diag(M) + theta * dt * K, M * U - (1 - theta) * dt * K @ U)


def _two(answer: Any, name: str) -> tuple[Any, Any]:
    given(answer, name)
    two = isinstance(answer, list | tuple) and len(answer) == 2
    require(two, f"{name} should return two things, M and K; it returned something {kind(answer)}.")
    return answer[0], answer[1]


def matrices(function: Callable, seed: int = 0) -> None:
    """matrices(closure, nodes): M (n,) and K (n, n) of the inner nodes, from one question at the middles of the elements.

    A seed says what heat a unit of the wall takes up for one degree; M has it as a factor.
    """
    closure, case, heat = _Wall(), "five uneven nodes, two of them the ends", numbers("09", seed)["heat"]
    M, K = _two(ask(function, closure, NODES.copy(), name="matrices", case=case), "matrices(closure, nodes)")
    for name, value, size in (("M", M, 1), ("K", K, 2)):
        if np.shape(given(value, name)) == (5,) * size:
            fail(
                f"{name} has a row for each of the five nodes; the two ends are held at 0, which leaves the three inner ones."
            )
    M, K = array(M, "M", (3,)), array(K, "K", (3, 3))
    require(closure.asked > 0, "the closure was never asked: K is made of the tangent that it answers with.")
    require(
        closure.asked == 1,
        "you ask for one element at a time: put all middles into one array (1, count), and ask once.",
    )
    require(
        np.any(K), "K is zero: without a gradient there is no flux. Take the tangent, the third part of the answer."
    )
    require(close(K, K.T), "K should be symmetric: what an element takes from one node it gives to the other.")
    require(np.diag(K) > 0, "K has the wrong sign: U^T K U is what conduction smooths away, and that is positive.")

    H, (mass, stiffness) = np.diff(NODES), _matrices(NODES, heat)
    A, at_nodes = _conductivity((NODES[:-1] + NODES[1:]) / 2), _conductivity(NODES)
    left, right = heat * H[:-1], heat * H[1:]
    recognise(
        M,
        {
            "M is twice too large: a node owns half of each of its two elements.": 2 * mass,
            "M holds the elements on the left of the nodes; a node owns half of each of its two elements.": left,
            "M holds the elements on the right of the nodes; a node owns half of each of its two elements.": right,
            "M is one everywhere; a node's share of the wall is half of each of its two elements.": np.ones(3),
        },
    )
    match(M, mass, "M", mistakes={COLD: mass / heat})
    recognise(
        K,
        {
            "divide by the length of the element: the gradient of U is a difference over H.": _stiffness(NODES, A),
            "K has H where it should have 1/H.": _stiffness(NODES, A * H),
            "K is divided by H twice: once comes from the gradient of U, once from that of the test function, and the "
            "integral over the element gives one back.": _stiffness(NODES, A / H**2),
            "the closure is asked at the left ends of the elements; ask in their middles.": _stiffness(
                NODES, at_nodes[:-1] / H
            ),
            "the closure is asked at the right ends of the elements; ask in their middles.": _stiffness(
                NODES, at_nodes[1:] / H
            ),
            "K knows nothing of the conductivity: multiply by the tangent.": _stiffness(NODES, 1 / H),
        },
    )
    match(K, stiffness, "K")
    passed("symmetric and positive", "one question for all elements", "halves of elements add up to the nodes' shares")


def one_step(function: Callable) -> None:
    """theta_step(M, K, U, dt, theta): U at the end of a step of the theta-scheme."""
    M, K = _matrices(NODES)
    U = np.array([1.0, -0.5, 2.0])

    def of(dt: float, theta: float, case: str) -> Array:
        answer = ask(function, M.copy(), K.copy(), U.copy(), dt, theta, name="theta_step", case=case)
        return array(answer, "theta_step(M, K, U, dt, theta)", (3,))

    require(close(of(0.0, 0.5, "dt = 0"), U), "in no time nothing happens: for dt = 0 the step should return U.")
    rate, short = -K @ U / M, 1e-7
    start = (of(short, 0.5, "a very short step") - U) / short
    recognise(
        start,
        {
            "it heats up instead of cooling down: K U comes with a minus on the right side.": -rate,
            "M is missing: each node has its share of the wall.": -K @ U,
            "dt comes in twice, or M^-1 once too often: look at a very short step.": rate / M,
        },
        rtol=1e-4,
    )
    match(start, rate, "(U' - U)/dt for a very short step, which should be -M^-1 K U,", rtol=1e-4)

    dt = 0.02
    explicit, implicit = _step(M, K, U, dt, 0.0), _step(M, K, U, dt, 1.0)
    for theta in (0.0, 1.0, 0.25):
        value = of(dt, theta, f"theta = {theta:g}")
        if theta == 0.25:
            recognise(
                value,
                {
                    "theta and 1 - theta are exchanged: theta belongs to the end of the step.": _step(
                        M, K, U, dt, 0.75
                    ),
                    "you average the explicit and the implicit end; theta averages the two fluxes, in one step.": (
                        1 - theta
                    )
                    * explicit
                    + theta * implicit,
                    "theta is always 1/2 here: use the argument.": _step(M, K, U, dt, 0.5),
                },
            )
        recognise(
            value,
            {
                "for theta = 0 this is the implicit step: theta belongs to the end of the step.": implicit
                if theta == 0
                else 1e9,
                "for theta = 1 this is the explicit step: theta belongs to the end of the step.": explicit
                if theta == 1
                else 1e9,
                "this is always the explicit step: theta K U' at the end of the step is missing.": explicit
                if theta
                else 1e9,
                "this is always the implicit step.": implicit if theta < 1 else 1e9,
            },
        )
        match(value, _step(M, K, U, dt, theta), f"the step for theta = {theta:g}")
    passed("nothing happens in no time", "a short step follows -M^-1 K U", "explicit, implicit, and in between")


def cooling(function: Callable, seed: int = 0) -> None:
    """cool(closure, nodes, U0, T, steps, theta): U at all times (steps + 1, n), with one question to the closure."""
    closure, U0, steps = _Wall(), np.sin(np.pi * EVEN[1:-1]), 6
    case = "eight elements and six steps"
    answer = ask(function, closure, EVEN.copy(), U0.copy(), 0.1, steps, 0.5, name="cool", case=case)
    shape = np.shape(answer)
    if shape == (7,):
        fail("cool returned the last state alone; keep U after every step, and U0, as rows of one array.")
    if shape == (6, 7):
        fail("cool returned six rows for six steps; U0 is the first row, so there are seven.")
    if shape == (7, 9):
        fail("the rows have nine entries; without the two ends there are seven inner nodes.")
    value = array(answer, "cool(...)", (7, 7))
    if close(value, value[:1] + 0 * value):
        fail("all rows are the same: is each step taken from where the last one ended, and a copy of it kept?")
    require(close(value[0], U0), "the first row should be U0.")
    heat = numbers("09", seed)["heat"]
    wall, K = _matrices(EVEN, heat)

    def rows(dt: float, M: Array = wall) -> Array:
        out = [U0]
        for _ in range(steps):
            out.append(_step(M, K, out[-1], dt, 0.5))
        return np.array(out)

    recognise(
        value,
        {
            "each step has the length T; there are `steps` of them in T.": rows(0.1),
            "the step is T/(steps + 1); seven rows are six steps.": rows(0.1 / (steps + 1)),
            "the step is T/(steps - 1); seven rows are six steps.": rows(0.1 / (steps - 1)),
            "every row is a step from U0; it should start where the last one ended.": np.array(
                [U0] + [rows(0.1 / 6)[1]] * 6
            ),
        },
    )
    match(value, rows(0.1 / steps), "what cool returns", mistakes={COLD: rows(0.1 / steps, wall / heat)})
    require(
        closure.asked == 1,
        f"the closure was asked {closure.asked} times for {steps} steps; the law is linear, so one question before the first "
        "step is enough.",
    )
    passed("starts with U0", "equal steps that end at T", "the closure is asked once")


def factor(function: Callable) -> None:
    """amplification(z, theta): the factor of a mode in one step, z = dt lambda."""
    z = np.array([0.0, 0.1, 1.0, 3.0, 1e6])

    def of(theta: float) -> Array:
        return array(
            ask(function, z.copy(), theta, name="amplification", case=f"theta = {theta:g}"),
            "amplification(z, theta)",
            (5,),
        )

    values = {theta: of(theta) for theta in (0.0, 0.25, 0.5, 1.0)}
    recognise(
        values[0.25],
        {
            "this is what the mode really does; what does the scheme make of it?": np.exp(-z),
            "the mode grows: its equation is u' = -lambda u.": (1 + 0.75 * z) / (1 - 0.25 * z),
            "theta and 1 - theta are exchanged.": (1 - 0.25 * z) / (1 + 0.75 * z),
            "this is one over the factor.": (1 + 0.25 * z) / (1 - 0.75 * z),
            "the part at the end of the step is missing: it stands below the line.": 1 - 0.75 * z,
            "the part at the beginning of the step is missing: it stands above the line.": 1 / (1 + 0.25 * z),
            "this is the absolute value; the sign is wanted too.": np.abs((1 - 0.75 * z) / (1 + 0.25 * z)),
        },
    )
    require(
        values[0.5][0] == 1 == values[1.0][0], "a mode that does not decay, z = 0, keeps its size: the factor is 1."
    )
    require(abs(values[1.0][-1]) < 1e-5, "for theta = 1 a mode that decays very fast is gone after one step.")
    require(
        abs(values[0.5][-1] + 1) < 1e-5,
        "for theta = 1/2 a mode that decays very fast changes its sign and keeps its size.",
    )
    for theta, value in values.items():
        match(value, (1 - (1 - theta) * z) / (1 + theta * z), f"the factor for theta = {theta:g}")
    passed("1 for z = 0", "0 or -1 far out", "all of theta")


def limit(function: Callable) -> None:
    """largest_step(M, K, theta): the longest step with which no mode grows; infinite from theta = 1/2 on."""
    M, K = _matrices(NODES)
    modes = np.sort(np.linalg.eigvals(K / M[:, None]).real)

    def of(theta: float, name: str) -> Any:
        return ask(function, M.copy(), K.copy(), theta, name="largest_step", case=name)

    for theta in (0.5, 1.0):
        answer = of(theta, f"theta = {theta:g}")
        free = isinstance(answer, int | float | np.number) and answer == np.inf
        if not free:
            value = number(answer, f"largest_step(M, K, {theta:g})")
            fail(
                f"for theta = {theta:g} you found a limit, {value:.3g}: is there a z > 0 whose factor leaves [-1, 1]? If there "
                "is none, return np.inf."
            )
    explicit, quarter = (
        number(of(theta, f"theta = {theta:g}"), f"largest_step(M, K, {theta:g})") for theta in (0.0, 0.25)
    )
    last = modes[-1]
    recognise(
        explicit,
        {
            "the slowest mode is not in danger; the fastest one gives the limit.": 2 / modes[0],
            "at this step the factor of the fastest mode is 0; up to -1 nothing grows.": 1 / last,
            "a decay at the rate lambda belongs to M^-1 K; these are the eigenvalues of K.": 2
            / np.linalg.eigvalsh(K)[-1],
            "this is twice the limit.": 4 / last,
        },
    )
    match(explicit, 2 / last, "the limit for theta = 0")
    recognise(
        quarter,
        {
            "the limit depends on theta: solve 1 - (1 - theta) z = -(1 + theta z).": 2 / last,
            "above the line stands 1 - theta, but below it theta has a say, too.": 2 / (0.75 * last),
        },
    )
    match(quarter, 4 / last, "the limit for theta = 1/4")
    passed("no limit from theta = 1/2 on", "the fastest mode gives it", "it grows with theta")
