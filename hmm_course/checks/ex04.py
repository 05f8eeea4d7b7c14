"""Checks of exercise 4, boundary conditions and cell size: order, energy, envelope, bracket."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hmm_core import CellProblem
from hmm_course.checks import Array, array, ask, close, fail, match, number, passed, recognise, require
from hmm_course.variants import numbers

FRACTIONS, CORNERS = (0.0, 0.25, 0.5, 0.75), (0.0, 0.375)  # as the notebook has them


def order(smallest_gap: Callable[[Array, Array], float]) -> None:
    """smallest_gap(A, B): the smallest eigenvalue of B - A, which decides A <= B."""

    def gap(A: Any, B: Any, case: str) -> float:
        return number(ask(smallest_gap, np.array(A), np.array(B), name="smallest_gap", case=case), "smallest_gap(A, B)")

    one, two = np.eye(2), np.diag([3.0, 6.0])
    value = gap(one, two, "A = diag(1, 1), B = diag(3, 6)")
    recognise(
        value,
        {
            "the sign: smallest_gap(A, B) looks at B - A, which is positive if B is the larger one.": -2.0,
            "the sign: look at B - A, and at its smallest eigenvalue; this is that of A - B.": -5.0,
            "this is the largest eigenvalue: the order must hold in every direction, so the worst one decides.": 5.0,
            "this is the smallest entry of B - A, here an off-diagonal zero; entries do not decide, directions do.": 0.0,
            "this is the trace: a mean over directions, where the order must hold in every single one.": 7.0,
            "this is half the trace: a mean over directions, where the order must hold in every single one.": 3.5,
            "this is the determinant: two negative eigenvalues would look positive in it.": 10.0,
        },
    )
    match(value, 2.0, "smallest_gap for A = diag(1, 1), B = diag(3, 6)")
    turned = np.array([[2.0, 1.0], [1.0, 2.0]])  # eigenvalues 1 and 3
    value = gap(np.diag([1.0, 3.0]), turned, "A = diag(1, 3), B = [[2, 1], [1, 2]]")
    recognise(
        value,
        {
            "these are differences of eigenvalues, which here are all zero although neither matrix is the larger one: "
            "take the eigenvalues of the difference.": 0.0,
            "the smallest entry of B - A does not decide: with off-diagonal entries look at its eigenvalues.": -1.0,
        },
    )
    require(value < 0, "for A = diag(1, 3), B = [[2, 1], [1, 2]] neither is larger, so the smallest gap is negative.")
    match(value, -np.sqrt(2), "smallest_gap for A = diag(1, 3), B = [[2, 1], [1, 2]]")
    three = gap(np.eye(3), 4 * np.eye(3), "three dimensions, A = I, B = 4 I")
    match(three, 3.0, "smallest_gap for A = I, B = 4 I in three dimensions")
    passed("diagonal matrices", "matrices with different eigenvectors", "three dimensions")


def _sample(x: Array, y: Array) -> Array:
    """Smooth, anisotropic, without symmetries and, after whole tiles, another: so every way of asking shows in the answer."""
    return np.exp(np.sin(1.4 * np.pi * y[0]) + 0.5 * np.cos(1.4 * np.pi * (y[0] + y[1]) + 0.4))


def answers(function: Callable[..., Array], seed: int = 0) -> None:
    """answers(a, size, n): tensors (3, 2, 2), Neumann, periodic, Dirichlet; the corner lies at y = 0, or as the seed says."""
    size, n, corner = 1.25, 6, numbers("04", seed)["corner"]
    place = f"({corner}, {corner})" if corner else "0"
    case = f"a smooth medium, size = {size}, n = {n}"
    value = array(ask(function, _sample, size, n, name="answers", case=case), "answers(a, size, n)", (3, 2, 2))
    mean = [np.trace(tensor) / 2 for tensor in value]
    if mean[0] > mean[1] > mean[2]:
        fail(
            "your first tensor is the largest and your last the smallest: the order asked for is Neumann, periodic, Dirichlet."
        )
    require(
        close(mean[0], mean[1]) + close(mean[1], mean[2]) == 0, "two of your three tensors are equal: is bc passed on?"
    )

    def stack(**options: Any) -> Array:
        how = {"n": n, "size": size, "offset": 0.5 + corner / size} | options
        conditions = ("neumann", "periodic", "dirichlet")
        return np.array([CellProblem(bc=bc, **how).effective_tensor(_sample) for bc in conditions])

    match(
        value,
        stack(),
        "answers(a, 1.25, 6)",
        mistakes={
            f"this sample is centred at y = {place}; move its lower left corner there with offset.": stack(
                offset=corner / size
            ),
            "the offset is counted in units of size: half of it is 0.5, whatever the size.": stack(
                offset=size / 2 + corner / size
            ),
            f"the sign of the offset: this sample has its upper right corner at y = {place}.": stack(
                offset=corner / size - 0.5
            ),
            f"this sample has its lower left corner at y = 0; it should lie at {place}.": stack(offset=0.5),
            "the offset is counted in units of size: divide the coordinate of the corner by it.": stack(
                offset=0.5 + corner
            ),
            "size did not arrive at CellProblem: this is the answer of one period.": stack(size=1.0),
            "n did not arrive at CellProblem: this is the answer with n = 4.": stack(n=4),
            "n did not arrive at CellProblem: this is the answer with its default, n = 32.": stack(n=32),
        },
    )
    passed("three different tensors", "the sample asked for", "Neumann, periodic, Dirichlet")


def energy(function: Callable[[Array, Array], float], seed: int = 0) -> None:
    """energy(a, grad_w) = <a |G + grad w|^2> with equal weights; G = e_1, or as the seed says."""
    told = numbers("04", seed)
    (G1, G2), u, load_is = told["G"], f"u = {told['potential']} + w", told["load_is"]

    def of(a: Array, grad: Array, case: str) -> float:
        return number(ask(function, a, grad.copy(), name="energy", case=case), f"energy for {case}")

    rng, shape = np.random.default_rng(5), (4, 3, 3)
    a, grad, zero = 1 + rng.random(shape), rng.standard_normal((2, *shape)), np.zeros((2, *shape))
    still = of(np.full(shape, 3.0), zero, "a = 3 and w = 0")
    match(
        still,
        3.0,
        "energy for a = 3 and w = 0",
        mistakes={
            f"{told['load']} is missing: with w = 0 the gradient of {u} is not zero.": 0.0,
            "this is a sum over the points; the energy is an average.": 3.0 * a.size,
            "no factor one half here: this energy is <grad u . a grad u>.": 1.5,
            "a is missing: the square of the gradient is weighted with the conductivity.": 1.0,
            f"1 was added to both components: {load_is}.": 6.0,
            "the medium enters once, not as a square.": 9.0,
        },
    )
    value = of(a, grad, "an uneven medium and an uneven field")
    first, second = G1 + grad[0], G2 + grad[1]
    match(
        value,
        np.mean(a * (first**2 + second**2)),
        "energy for an uneven medium",
        mistakes={
            "the second component of grad w is missing: heat that goes sideways costs energy too.": np.mean(
                a * (first**2 + G2**2)
            ),
            "this is a mean flux, linear in grad w; the energy is quadratic.": np.mean(a * (G1 * first + G2 * second)),
            f"{told['changed_places']}: {u}.": np.mean(a * ((G2 + grad[0]) ** 2 + (G1 + grad[1]) ** 2)),
            f"this is the energy for the mean gradient e_1: {load_is}.": np.mean(
                a * ((1 + grad[0]) ** 2 + grad[1] ** 2)
            ),
            "average the product a |grad u|^2, not its factors one by one.": np.mean(a) * np.mean(first**2 + second**2),
            "square the components one by one: (d_1 u)^2 + (d_2 u)^2, not (d_1 u + d_2 u)^2.": np.mean(
                a * (first + second) ** 2
            ),
            f"the sign: {u}, so that {told['added']}.": np.mean(a * ((G1 - grad[0]) ** 2 + (G2 - grad[1]) ** 2)),
            "only 1 + |grad w|^2: the square of a sum has a mixed term.": np.mean(
                a * (1 + grad[0] ** 2 + grad[1] ** 2)
            ),
        },
    )
    passed("a constant medium with w = 0 gives its own value", "both components", "an average, quadratic in the field")


def envelope(function: Callable[[Callable[[float, float], float], float], float]) -> None:
    """envelope(error, R): the largest error(L, corner) over the sizes R + f and the corners."""

    def of(error: Callable[[float, float], float], R: float, case: str) -> float:
        return number(ask(function, error, R, name="envelope", case=case), f"envelope for {case}")

    def swing(L: float, corner: float) -> float:
        return (1.1 + np.sin(2 * np.pi * L + 3 * corner - 0.825)) / L**2

    table = np.array([[swing(2 + f, c) for c in CORNERS] for f in FRACTIONS])
    value = of(swing, 2, "an error that swings, R = 2")
    match(
        value,
        table.max(),
        "envelope for an error that swings, R = 2",
        mistakes={
            "this is the mean: lucky samples hide unlucky ones; the envelope is the largest.": table.mean(),
            "this is the smallest error, the luckiest sample; the envelope is the largest.": table.min(),
            "this is the sum; the envelope is the largest.": table.sum(),
            "only the whole size L = R was tried: go through FRACTIONS too.": table[0].max(),
            "only one corner was tried: go through CORNERS too.": table[:, 0].max(),
            "the mean over corners: take the largest there too.": table.mean(axis=1).max(),
            "the mean over sizes: take the largest there too.": table.mean(axis=0).max(),
            "only one sample was tried: go through FRACTIONS and CORNERS.": table[0, 0],
            "the sizes are R + f: here R was left out.": np.max(
                [[swing(f, c) for c in CORNERS] for f in FRACTIONS if f]
            ),
            "the sizes are R + f, not R times f.": np.max([[swing(2 * f, c) for c in CORNERS] for f in FRACTIONS if f]),
        },
    )
    corner = of(lambda L, c: c, 2, "an error that is larger at the second corner")
    match(corner, max(CORNERS), "envelope for an error that is larger at the second corner")
    two, four = (of(lambda L, c: 1 / L, R, f"the error 1/L, R = {R}") for R in (2, 4))
    require(
        close(two, 2 * four),
        "for the error 1/L the envelope should halve when R doubles; the largest is that of L = R.",
    )
    passed("the largest of eight samples", "an error 1/L keeps its rate")


def bracket(function: Callable[[Array, Array], tuple[Array, Array]]) -> None:
    """bracket(neumann, dirichlet): (mean of inverses)^-1 of the first stack, mean of the second."""

    def of(neumann: Array, dirichlet: Array, case: str) -> tuple[Array, Array]:
        pair = ask(function, neumann, dirichlet, name="bracket", case=case)
        if not isinstance(pair, tuple | list | np.ndarray) or len(pair) != 2:
            fail("bracket should return two tensors, (lower, upper).")
        lower, upper = (array(part, name, (2, 2)) for part, name in zip(pair, ("lower", "upper"), strict=True))
        return lower, upper

    rng = np.random.default_rng(7)
    full = rng.standard_normal((6, 2, 2))
    N = np.eye(2) + full @ full.swapaxes(1, 2)
    D = N + np.array([[0.5, 0.1], [0.1, 0.4]])
    lower, upper = of(N, D, "six samples")
    right, mean = np.linalg.inv(np.linalg.inv(N).mean(axis=0)), D.mean(axis=0)
    if close(lower, mean) and close(upper, right):
        fail("lower and upper are swapped: return the one from the Neumann samples first.")
    resist = np.linalg.inv(N).mean(axis=0)
    match(
        lower,
        right,
        "the lower bound",
        mistakes={
            "the lower bound is the arithmetic mean of the Neumann tensors, no bound: their resistances average.": N.mean(
                axis=0
            ),
            "the lower bound is a mean resistance: invert it once more.": resist,
            "the inverse of a matrix is not one over its entries: use np.linalg.inv.": 1 / (1 / N).mean(axis=0),
            "the inverse of the mean is not the mean of the inverses: invert each sample first.": np.linalg.inv(
                N.mean(axis=0)
            ),
            "the lower bound comes from the Neumann samples; this one comes from the Dirichlet samples.": np.linalg.inv(
                np.linalg.inv(D).mean(axis=0)
            ),
            "the smallest sample is no bound for the infinite medium: average.": N.min(axis=0),
        },
    )
    match(
        upper,
        mean,
        "the upper bound",
        mistakes={
            "the upper bound is a harmonic mean; for prescribed gradients the conductivities average as they are.": np.linalg.inv(
                np.linalg.inv(D).mean(axis=0)
            ),
            "the upper bound comes from the Dirichlet samples; this one comes from the Neumann samples.": N.mean(
                axis=0
            ),
            "the largest sample is no bound for the infinite medium: average.": D.max(axis=0),
        },
    )
    low, high = of(
        np.eye(2) * np.array([1.0, 9.0])[:, None, None], np.eye(2) * np.array([1.0, 9.0])[:, None, None], "two tiles"
    )
    match((low[0, 0], high[0, 0]), (1.8, 5.0), "the bracket of two equal tiles, 1 and 9,")
    passed(
        "resistances average for prescribed flux",
        "conductivities for prescribed gradients",
        "tiles of 1 and 9: 1.8 to 5",
    )
