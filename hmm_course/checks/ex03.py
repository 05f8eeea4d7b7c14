"""Checks of exercise 3, a finite volume solver for cell problems: slopes on faces, balances in cells, mean fluxes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from hmm_core import exact
from hmm_course.checks import Array, array, ask, close, fail, given, kind, match, number, passed, recognise, require
from hmm_course.variants import numbers

SINGULAR = (
    "contains nan: the matrix is singular, for w is known up to a constant only. Hold one value of w and drop its row and "
    "column."
)


# -- a dense solver to compare with, in as few words as possible. A seed may move the faces to the other side of their cells.


def _slope(n: int, seed: int = 0) -> Array:
    right = n * (np.roll(np.eye(n), 1, axis=1) - np.eye(n))
    return right if numbers("03", seed)["side"] == 1 else -right.T


def _slopes(n: int, seed: int = 0) -> list[Array]:
    return [np.kron(_slope(n, seed), np.eye(n)), np.kron(np.eye(n), _slope(n, seed))]


def _fluxes(a1: Array, a2: Array, seed: int = 0) -> tuple[Array, Array]:
    """Mean fluxes of the correctors alone (entry ij: direction i, load j), and the mean conductivities on the diagonal."""
    D, a = _slopes(len(a1), seed), [a1.ravel(), a2.ravel()]
    K = sum(d.T @ (c[:, None] * d) for d, c in zip(D, a, strict=True))
    w = [-np.linalg.lstsq(K, d.T @ c, rcond=None)[0] for d, c in zip(D, a, strict=True)]
    of_w = np.array([[np.mean(a[i] * (D[i] @ w[j])) for j in (0, 1)] for i in (0, 1)])
    return of_w, np.diag([a1.mean(), a2.mean()])


def _tensor(a1: Array, a2: Array, seed: int = 0) -> Array:
    return sum(_fluxes(a1, a2, seed))


# -- what was handed in


def _matrix(answer: Any, name: str, size: int) -> Array:
    """A sparse matrix (size, size) as an array."""
    given(answer, name)
    if not sparse.issparse(answer):
        fail(f"{name} should be a sparse matrix of SciPy; it is {kind(answer)}. sparse.csr_array(...) makes one.")
    require(answer.shape == (size, size), f"{name} should have shape {(size, size)}; it has shape {answer.shape}.")
    return array(answer.toarray(), name, (size, size))


def _pair(answer: Any, name: str, what: str) -> tuple[Any, Any]:
    """Two things of which the second comes with the first."""
    given(answer, name)
    two = isinstance(answer, list | tuple | np.ndarray) and len(answer) == 2
    require(two, f"{name} should be two {what}; it is {kind(answer)}.")
    return answer[0], answer[1]


def gradient(function: Callable[[int], Any], seed: int = 0) -> None:
    """gradient(n): slope on face i = n (w[i + 1] - w[i]), with w[n] = w[0]; for faces on the left n (w[i] - w[i - 1])."""
    own, n = numbers("03", seed), 12
    right, low, high = own["side"] == 1, own["low"], own["high"]
    other = ("i - 1", "i") if right else ("i", "i + 1")
    last, repeated = ("last", "the one before") if right else ("first", "the second")

    def of(n: int) -> Array:
        """The answer; for faces on the left in the mirror, which makes right faces of them and changes the sign of slopes."""
        D = _matrix(ask(function, n, name="gradient", case=f"n = {n}"), f"gradient({n})", n)
        return D if right else -D[::-1, ::-1]

    D = of(n)
    expected, zigzag = _slope(n), (-1.0) ** np.arange(n)
    bounded = expected.copy()
    bounded[-1] = 0
    open_end = expected.copy()
    open_end[-1, 0] = 0
    last_twice = bounded + 0
    last_twice[-1, -2:] = -n, n
    recognise(
        D,
        {
            "a slope is a difference divided by the distance, which is 1/n: multiply by n.": expected / n,
            "the distance of two neighbours is 1/n, so the difference is multiplied by n, not divided by it.": expected
            / n**2,
            f"the sign: the slope on face i is positive if the cell on its right, {high}, has the larger value.": -expected,
            f"face i lies between the cells {low} and {high}; your row i takes the cells {' and '.join(other)}.": np.roll(
                expected, 1, axis=0
            ),
            f"this is the difference of the cells i + 1 and i - 1, a slope in cell i. Face i has the neighbours {low} and "
            f"{high}.": (expected + np.roll(expected, 1, axis=0)) / 2,
            f"the {last} face is missing: it lies between the last cell and the first.": bounded,
            f"the {last} face lies between the last cell and the first: a period comes after this one.": open_end,
            f"the {last} row repeats {repeated}; its face lies between the last cell and the first.": last_twice,
            "this is the transposed matrix: row i belongs to face i, column i to cell i.": expected.T,
        },
    )
    require(abs(D.sum(axis=1)) < 1e-9, "a constant w has no slope anywhere; your matrix gives it one.")
    require(
        abs(D @ zigzag).min() > 1, "your matrix does not see the zigzag w = +1, -1, +1, ...: take direct neighbours."
    )
    match(D, expected, f"gradient({n})")
    large = of(40)
    y = np.arange(40) / 40
    slope = 2 * np.pi * np.cos(2 * np.pi * (y + 1 / 40))
    error = abs(large @ np.sin(2 * np.pi * (y + 1 / 80)) - slope).max() / (2 * np.pi)
    require(
        error < 2e-3, f"for n = 40 the slope of a sine is off by {error:.2g} of its size: is 40 the n in your matrix?"
    )
    passed(
        "a constant has no slope",
        "the last face meets the first cell" if right else "the first face meets the last cell",
        "the slope of a sine",
    )


def _shapes(count: int) -> Array:
    """Conductivities of a line that has no symmetry, with mean contrast 9."""
    return 1 + 8 * np.random.default_rng(1).random(count)


def corrector(function: Callable[[Array], Array], seed: int = 0) -> None:
    """corrector(a): D^T (a (g + D w)) = 0 with <w> = 0, for a mean slope g of 1, or that of the seed."""
    n, g = 12, numbers("03", seed)["slope"]
    D = _slope(n, seed)

    def of(a: Array, case: str) -> Array:
        answer = ask(function, a.copy(), name="corrector", case=case)
        name = f"corrector for {case}"
        try:
            singular = np.shape(answer) == a.shape and bool(np.isnan(np.asarray(answer, dtype=float)).any())
        except (TypeError, ValueError):
            singular = False
        require(not singular, f"{name} {SINGULAR}")
        return array(answer, name, a.shape)

    flat = of(np.full(n, 3.0), "a = 3 everywhere")
    of(np.ones(3), "three cells with a = 1")  # elimination in a matrix left singular comes to an exact zero here
    require(
        abs(flat - flat.mean()) < 1e-8, "in a uniform material the field is uniform, so w should not vary; yours does."
    )
    a = _shapes(n)
    w = of(a, "random conductivities")
    require(
        abs(w - w.mean()).max() > 1e-6,
        f"w vanishes: the load is missing. The known part of the flux, {f'{g} ' if g != 1 else ''}a, goes to the right.",
    )
    flux = a * (g + D @ w)
    if np.ptp(a * (g - D @ w)) < 1e-8:
        fail(f"the sign of the load: {f'{g} ' if g != 1 else ''}D^T a goes to the right side with a minus.")
    if np.ptp(a * (g + n * (D @ w))) < 1e-8 or np.ptp(a * (g + D @ w / n)) < 1e-8:
        fail("a factor n is off: is your gradient the one of task 1?")
    if g != 1 and np.ptp(a * (1 + D @ w)) < 1e-8:
        fail(f"this is the corrector of a mean slope of 1; here the mean slope is {g}.")
    if abs(w[0]) < 1e-12 and np.ptp(flux) < 1e-8 and abs(w.mean()) > 1e-9:
        fail(f"the flux is constant, but w has the mean {w.mean():.2g}: subtract it.")
    spread = np.ptp(flux) / abs(flux.mean())
    require(
        spread < 1e-8,
        f"the flux a ({g} + Dw) should be the same on every face; yours varies by {spread:.2g} of its mean.",
    )
    require(abs(w.mean()) < 1e-9, f"w has the mean {w.mean():.2g}; it should be zero.")
    passed("nothing to correct in a uniform material", "the same flux on every face", "mean zero")


def line(function: Callable[[Array], float], seed: int = 0) -> None:
    """effective_line(a) = <a (g + D w)>/g = 1/<1/a>, for a mean slope g of 1, or that of the seed."""
    g = numbers("03", seed)["slope"]

    def of(a: Array, case: str) -> float:
        name = f"effective_line for {case}"
        return number(ask(function, a.copy(), name="effective_line", case=case), name)

    def mistakes(a: Array) -> dict[str, Any]:
        mean, right, n = a.mean(), exact.harmonic_mean(a), len(a)
        known: dict[str, Any] = {
            f"this is the mean of the slope, which is {g} in every material. It is the flux that counts, a times the slope.": g,
            f"the {g} is missing: the flux is a ({g} + Dw), driven by the mean slope {g}, to which w only adds.": right
            - mean,
            f"this is the arithmetic mean of a: the corrector does not enter. The slope is {g} + Dw.": mean,
            f"the sign of Dw: the slope of {f'{g} ' if g != 1 else ''}y + w is {g} + Dw.": 2 * mean - right,
            "this is a sum over the faces; an average divides by their number.": n * right,
        }
        if g != 1:
            known[
                f"this is the mean flux for a mean slope of {g}; the conductivity is the flux for each unit of it."
            ] = g * right
            known[f"your flux is that of a mean slope of 1, and your corrector answers a mean slope of {g}."] = (
                mean + g * (right - mean)
            )
        return known

    a = _shapes(12)
    value = of(a, "random conductivities")
    recognise(value, mistakes(a))
    match(of(np.full(8, 3.0), "a = 3 everywhere"), 3, "effective_line for a = 3 everywhere")
    low, high = exact.harmonic_mean(a), a.mean()
    require(a.min() < value < high, f"{value:.3g} is not between the smallest conductivity and their mean, {high:.3g}.")
    match(value, low, "effective_line for random conductivities")
    halves = np.repeat([1.0, 9.0], 5)
    match(of(halves, "slices of 1 and 9"), 1.8, "effective_line for slices of 1 and 9")
    passed("a uniform material keeps its conductivity", "below the arithmetic mean", "1.8 for slices of 1 and 9")


def gradients(function: Callable[[int], Any], seed: int = 0) -> None:
    """gradients(n): (D kron I, I kron D) for w.ravel(), D for right faces, or as the seed has it."""
    n = 5
    first, second = _pair(ask(function, n, name="gradients", case="n = 5"), "gradients(5)", "sparse matrices")
    D = [_matrix(d, f"the {name} matrix of gradients(5)", n * n) for d, name in ((first, "first"), (second, "second"))]
    expected = _slopes(n, seed)
    if close(D[0], expected[1]) and close(D[1], expected[0]):
        fail("the two directions are exchanged: with w.ravel() the second index runs fastest, so D stands left for y1.")
    for k, direction in enumerate(("y1", "y2")):
        name = f"the matrix along {direction}"
        recognise(
            D[k],
            {
                f"{name} should be the transposed one: rows are faces.": expected[k].T,
                f"{name} is the one along {'y2' if k == 0 else 'y1'}.": expected[1 - k],
                f"{name} moves along both directions at once (D kron D); in the other one it should do nothing.": np.kron(
                    _slope(n, seed), _slope(n, seed)
                ),
                f"{name} lacks the factor n.": expected[k] / n,
            },
        )
        match(D[k], expected[k], name)
    passed("constants have no slope", "each matrix moves along its own direction", "periodic")


def tensor(function: Callable[[Array, Array], Array], seed: int = 0) -> None:
    """tensor(a1, a2): entry ij = <a_i (delta_ij + D_i w_j)>, on right and upper faces, or as the seed has it."""
    n = 6

    def of(a1: Array, a2: Array, case: str) -> Array:
        answer = ask(function, a1.copy(), a2.copy(), name="tensor", case=case)
        try:
            singular = np.shape(answer) == (2, 2) and bool(np.isnan(np.asarray(answer, dtype=float)).any())
        except (TypeError, ValueError):
            singular = False
        require(not singular, f"tensor for {case} {SINGULAR}")
        return array(answer, f"tensor for {case}", (2, 2))

    of(np.ones((3, 3)), np.ones((3, 3)), "3 x 3 cells with a = 1")  # an exact zero, as in the check of corrector
    ones = np.ones((n, n))
    uniform = of(3 * ones, 3 * ones, "a = 3 everywhere")
    recognise(
        uniform,
        {
            "this is the mean of the gradient, the same in every material. Average the flux, a times the gradient.": np.eye(
                2
            ),
            "in a uniform material w = 0, and nothing is left: the flux lacks the part of e_j. It is a (e_j + grad w_j).": 0
            * uniform,
            "in a uniform material every entry is 3: e_j has a 1 in direction j only, the delta in a_i (delta_ij + D_i w_j).": 3
            * np.ones((2, 2)),
            "this is a sum over the cells; an average divides by their number.": 3 * n * n * np.eye(2),
        },
        atol=1e-9,
    )
    match(uniform, 3 * np.eye(2), "tensor for a = 3 everywhere", atol=1e-8)
    exchanged = {
        "a1 and a2 are exchanged: a1 goes with the first matrix of gradients, a2 with the second.": np.diag([5, 2])
    }
    layered = of(2 * ones, 5 * ones, "a1 = 2, a2 = 5")
    match(layered, np.diag([2, 5]), "tensor for a1 = 2, a2 = 5", atol=1e-8, mistakes=exchanged)

    a1, a2 = 10 ** np.random.default_rng(2).uniform(-0.5, 0.5, (2, n, n))
    A, (of_w, mean) = of(a1, a2, "random conductivities"), _fluxes(a1, a2, seed)
    recognise(
        A,
        {
            "the corrector does not enter: these are the arithmetic means. Does the right side of your system vanish?": mean,
            "the sign of the load: for e_j the right side is -D_j^T a_j, with a minus.": mean - of_w,
            "rows and columns of the grid are exchanged: is it a1.ravel(), not a1.T.ravel(), and D1, D2 in this order?": _tensor(
                a1.T, a2.T, seed
            ),
            "the diagonal is right, the rest is missing: a load along y1 drives a flux along y2 as well.": np.diag(
                np.diag(of_w + mean)
            ),
        },
    )
    if abs(A[0, 1] - A[1, 0]) > 1e-8:
        fail(
            "your tensor is not symmetric: does every flux in direction i use a_i and D_i, and every load e_j its own w_j?"
        )
    low = np.diag([exact.harmonic_mean(a1.ravel()), exact.harmonic_mean(a2.ravel())])
    if np.linalg.eigvalsh(mean - A)[0] < -1e-9:
        fail("your tensor exceeds the arithmetic means, which no material does: w can only lower the flux. A sign?")
    if np.linalg.eigvalsh(A - low)[0] < -1e-9:
        fail("your tensor is below the harmonic means, which no material is. Is the load in the right rows?")
    match(A, of_w + mean, "tensor for random conductivities")
    layers = np.repeat([[1.0], [9.0]], n // 2, axis=0) * ones
    match(of(layers, layers, "layers"), np.diag([1.8, 5]), "tensor for layers of 1 and 9 across y1", atol=1e-8)
    passed("uniform materials keep their conductivity", "symmetric", "between harmonic and arithmetic means", "layers")


def _known(y: Array) -> Array:
    """A material of period 1 without any symmetry."""
    return 3 + np.sin(2 * np.pi * y[0]) + 0.7 * np.cos(2 * np.pi * (y[1] - y[0])) + 0.4 * np.sin(2 * np.pi * y[1] + 0.5)


def faces(function: Callable[..., Any], seed: int = 0) -> None:
    """faces(a, n): a1[i, j] = a((i + 1)/n, (j + 1/2)/n), a2[i, j] = a((i + 1/2)/n, (j + 1)/n); i/n, j/n on left faces."""
    own, n = numbers("03", seed), 7
    mine = own["right"], own["upper"]
    here, there, theirs = (1, 0, ("left", "lower")) if own["side"] == 1 else (0, 1, ("right", "upper"))
    index = np.array(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))

    def at(first: float, second: float) -> Array:
        return _known((index + np.array([first, second])[:, None, None]) / n)

    def asked(y: Array) -> Array:
        y = np.asarray(y, dtype=float)
        require(
            y.ndim >= 1 and len(y) == 2, f"the material was asked at an array of shape {y.shape}; it must be (2, ...)."
        )
        return _known(y)

    name = "what faces returns"
    pair = _pair(ask(function, asked, n, name="faces", case="a material on 7 x 7 cells"), name, "arrays (n, n)")
    a1, a2 = (array(values, f"a{k + 1}", (n, n)) for k, values in enumerate(pair))
    right, upper = at(here, 0.5), at(0.5, here)
    pairs = {
        "you ask in the centres of the cells; the fluxes need the conductivity on the faces, half a cell "
        f"{'further' if here else 'before'}.": (
            at(0.5, 0.5),
            at(0.5, 0.5),
        ),
        f"a1 and a2 are exchanged: a1 belongs to the {mine[0]} faces, a2 to the {mine[1]} ones.": (upper, right),
        f"you ask on the {' and '.join(theirs)} faces; a1 and a2 belong to the {' and '.join(mine)} ones.": (
            at(there, 0.5),
            at(0.5, there),
        ),
        "you ask in the corners of the cells; a face's middle shares one coordinate with the centre of its cell.": (
            at(1, 1),
            at(1, 1),
        ),
        "you ask at i/n; the cells begin there, and their centres and faces lie elsewhere.": (at(0, 0), at(0, 0)),
        "the axes are exchanged: the first index goes along y1. meshgrid needs indexing='ij'.": (right.T, upper.T),
    }
    for said, (first, second) in pairs.items():
        if close(a1, first) and close(a2, second):
            fail(said)
    grid = np.linspace(0, 1, n)
    stretched = _known(np.array(np.meshgrid(grid, grid, indexing="ij")))
    if close(a1, stretched) or close(a2, stretched):
        fail("np.linspace(0, 1, n) holds both ends of the period, and its points lie neither in centres nor on faces.")
    match(a1, right, f"a1, asked on the {mine[0]} faces,")
    match(a2, upper, f"a2, asked on the {mine[1]} faces,")
    passed(f"{mine[0]} faces", f"{mine[1]} faces", "first index along y1")


def between(function: Callable[[Array], Any], seed: int = 0) -> None:
    """between(k): the harmonic mean of a cell and its neighbour on the right, above; for a class on the left, below."""
    own, n = numbers("03", seed), 6
    right, back = own["right"], -own["side"]
    elsewhere, outer, end, begin = (
        ("on the left and below", "k[i + 1, j]", "last", "first")
        if back == -1
        else ("on the right and above", "k[i - 1, j]", "first", "last")
    )
    k = 1 + 8 * np.random.default_rng(4).random((n, n))

    def of(cells: Array, case: str) -> list[Array]:
        pair = _pair(ask(function, cells.copy(), name="between", case=case), "what between returns", "arrays (n, n)")
        return [array(values, f"a{i + 1}", (n, n)) for i, values in enumerate(pair)]

    uniform = of(np.full((n, n), 3.0), "k = 3 everywhere")
    recognise(
        uniform[0],
        {
            "between two equal cells of 3 this gives 3/2: a mean of two resistances has a factor 1/2 in it.": np.full(
                (n, n), 1.5
            ),
            "between two equal cells of 3 this gives 6, a sum and no mean.": np.full((n, n), 6.0),
            "between two equal cells of 3 this gives 1/3: turn the mean resistance over.": np.full((n, n), 1 / 3),
        },
    )
    for i, values in enumerate(uniform):
        match(values, np.full((n, n), 3.0), f"a{i + 1} for k = 3 everywhere")
    answer = of(k, "random cells")

    def means(mean: Callable[[Array, Array], Array], shift: int = back) -> list[Array]:
        return [mean(k, np.roll(k, shift, axis=axis)) for axis in (0, 1)]

    def harmonic(first: Array, second: Array) -> Array:
        return 2 / (1 / first + 1 / second)

    expected = means(harmonic)
    mistakes = {
        "this is the arithmetic mean, for materials side by side. Here the heat passes one after the other.": means(
            lambda p, q: (p + q) / 2
        ),
        "this is the geometric mean; half a cell behind half a cell is a series of two resistances.": means(
            lambda p, q: np.sqrt(p * q)
        ),
        "you take the poorer of the two cells; the better one is on the way for half of it, too.": means(np.minimum),
        "a face belongs to two cells, and you take the conductivity of one.": means(lambda p, q: p),
        f"your neighbours are those {elsewhere}; {right} faces need np.roll with {back}.": means(harmonic, -back),
        f"a1 and a2 are exchanged: the {right} neighbour is {outer}, along axis 0.": expected[::-1],
    }
    for said, (first, second) in mistakes.items():
        if close(answer[0], first) and close(answer[1], second):
            fail(said)
    for i, (values, wanted) in enumerate(zip(answer, expected, strict=True)):
        inner = (slice(0, n - 1) if back == -1 else slice(1, n),) * 2
        if close(values[inner], wanted[inner]) and not close(values, wanted):
            fail(
                f"a{i + 1} is right inside, but not on the {end} faces: their neighbour is the {begin} cell of the row."
            )
        match(values, wanted, f"a{i + 1}")
    layers = np.repeat([[1.0], [9.0]], n // 2, axis=0) * np.ones((n, n))
    match(_tensor(*of(layers, "layers"), seed), np.diag([1.8, 5]), "the tensor of layers with your faces", atol=1e-9)
    passed("uniform cells keep their conductivity", "periodic", "layers of 1 and 9 give 1.8 and 5")
