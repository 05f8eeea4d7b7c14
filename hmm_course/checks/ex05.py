"""Checks of exercise 5, oversampling and windows: weights, a line, averages in the plane, the buffer, two culprits."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.special import betainc

from hmm_core import CellProblem
from hmm_course.checks import Array, array, ask, close, fail, match, passed, recognise, require
from hmm_course.variants import numbers

Matrices = tuple[Array, ...]


def _shares(edges: Array, size: float, q: float) -> Array:
    return np.diff(betainc(q + 1, q + 1, np.clip(edges / size + 0.5, 0, 1)))


def weights(function: Callable[[Array, float, float], Array]) -> None:
    """weights(edges, size, q): the integral of K_q over every element, cut ones with the part inside."""
    edges = np.linspace(-1.5, 1.5, 31)  # elements of 0.1; the window of size 2.25 cuts two of them

    def of(q: int, size: float = 2.25) -> Array:
        case, nan = f"31 edges from -1.5 to 1.5, size = {size}, q = {q}", "betainc wants 0 <= t <= 1 and q + 1, twice"
        return array(ask(function, edges, size, q, name="weights", case=case), "weights(edges, size, q)", (30,), nan)

    middle = (edges[1:] + edges[:-1]) / 2
    inside = abs(middle) < 2.25 / 2
    box, bell = of(0), of(1)
    if np.all(box < 1e-12) and np.any(box < 0):
        fail("no weight is positive, some are negative: a share is right edge minus left edge, as np.diff has it.")
    require(box > -1e-12, "a weight is negative: clip the edges to the window before you take differences.")
    recognise(
        box,
        {
            "this is a density: multiply by the width of the element, since a share is an integral.": _shares(
                edges, 2.25, 0
            )
            / 0.1,
            "these are lengths inside the window: divide by its size, so that the shares add up to 1.": 2.25
            * _shares(edges, 2.25, 0),
            "the window was taken twice as wide: size is its full width, |y| < size/2.": _shares(edges, 4.5, 0),
            "the window is not there: every element has the same share.": np.full(30, 1 / 30),
            "elements count as a whole or not at all: one that the window cuts should count with its part.": inside
            / inside.sum(),
            "elements count as a whole or not at all: one that the window cuts should count with its part. And then the "
            "shares do not add up to 1.": inside * 0.1 / 2.25,
            "for q = 0 this is the bell of q = 1: betainc wants q + 1.": _shares(edges, 2.25, 1),
        },
    )
    outside = np.abs(box[abs(middle) > 1.2]).max()
    require(outside < 1e-12, f"elements outside of the window have weights up to {outside:.2g}; they should have none.")
    require(close(box.sum(), 1.0), f"the shares of the box add up to {box.sum():.4g}, not to 1.")
    exact = _shares(edges, 2.25, 0)
    if close(box, exact, 1e-3) and not close(box, exact):
        fail(
            "weights for q = 0 are nearly right. The shares are wanted exactly: an integral in closed form, not a sum."
        )
    match(box, exact, "weights for q = 0")
    profile = np.clip(0.25 - (middle / 2.25) ** 2, 0, None)
    recognise(
        bell,
        {
            "q makes no difference in your answer: for q = 1 the window is a bell.": box,
            "the exponent q is one too large.": _shares(edges, 2.25, 2),
            "the constant in front is missing: divide by L B(q+1, q+1).": _shares(edges, 2.25, 1) * 2.25 / 6,
            "the density at the middles is not the integral over an element, although it is close: the window ends inside "
            "of some.": profile / profile.sum(),
        },
    )
    require(close(bell.sum(), 1.0), f"the shares for q = 1 add up to {bell.sum():.4g}, not to 1.")
    require(close(bell, bell[::-1]), "the window is symmetric about 0, and so are these elements; your shares are not.")
    for q, size in ((1, 2.25), (3, 1.87), (2, 3.0)):
        match(of(q, size), _shares(edges, size, q), f"weights for size = {size}, q = {q}", rtol=1e-7)
    wide = _shares(edges, 4.0, 1)
    scaled = "you scale the shares so that they add up to 1; of a window wider than the mesh a part lies outside."
    match(of(1, 4.0), wide, "weights for a window wider than the mesh", mistakes={scaled: wide / wide.sum()})
    uneven = np.array([-1.0, -0.7, -0.1, 0.3, 0.9])
    answer = ask(function, uneven, 1.5, 1, name="weights", case="four elements of unequal width")
    name = "weights for elements of unequal width"
    match(array(answer, name, (4,)), _shares(uneven, 1.5, 1), name, rtol=1e-7)
    passed("nothing outside", "shares add up to 1", "cut elements count with their part", "q = 0, 1, 2, 3")


def line(function: Callable[[float, float], tuple[float, float]], seed: int = 0) -> None:
    """line_answers(L, b): 1/(p + sinc(L + 2b)) and 1/(p + sinc(L)); p = 2, or by the seed."""
    p = numbers("05", seed)["p"]

    def of(L: float, b: float) -> Array:
        case = f"L = {L}, b = {b}"
        return array(ask(function, L, b, name="line_answers", case=case), "line_answers(L, b)", (2,))

    flux, ratio = of(3.0, 1.0)
    name = "the ratio of L = 3 whole periods"
    same_c = "a factor c is left in the ratio: both averages have it, <a u'> = c and <u'> = c <1/a>."
    recognise(
        ratio,
        {
            "this is <1/a>, the mean resistance; the conductivity is one over it.": p,
            "this is <a>: what is averaged is u' = c/a, that is 1/a.": 1 / np.sqrt(p**2 - 1),
            "np.sinc(t) contains the pi already: it is sin(pi t)/(pi t).": 1 / (p + np.sinc(3 * np.pi)),
            "a pi is missing: the mean of cos(2 pi y) over a length l is sin(pi l)/(pi l).": 1 / (p + np.sin(3) / 3),
            "a factor 2: an interval of length l reaches from -l/2 to l/2, and the mean over it is sin(pi l)/(pi l).": 1
            / (p + np.sinc(1.5)),
        },
    )
    for wrong in (1.0, 1 / p**2):
        recognise(ratio, {same_c: wrong})
    if p != 2:
        recognise(ratio, {f"your line has the mean resistance 2; that of this one is {p}.": 1 / 2})
    match(ratio, 1 / p, name)
    match(flux, 1 / p, "the flux alone of 3 periods with buffers of one, which makes 5 periods,")
    L, b = 2.3, 0.4
    whole, box, half = L + 2 * b, L, L + b

    def answer(length: float) -> float:
        return float(1 / (p + np.sinc(length)))

    flux, ratio = of(L, b)
    if close(flux, answer(box)) and close(ratio, answer(whole)):
        fail("the two are swapped: return the flux alone first, then the ratio.")
    match(
        flux,
        answer(whole),
        "the flux alone for L = 2.3, b = 0.4",
        mistakes={
            "the flux alone knows nothing of the box: u is prescribed at the ends of the solved interval.": answer(box),
            "the buffer lies on both sides: the solved interval has the length L + 2b.": answer(half),
            "np.sinc(t) contains the pi already: it is sin(pi t)/(pi t).": 1 / (p + np.sinc(np.pi * whole)),
            "a pi is missing: the mean of cos(2 pi y) over a length l is sin(pi l)/(pi l).": 1
            / (p + np.sin(whole) / whole),
            "a factor 2: an interval of length l reaches from -l/2 to l/2.": answer(2 * whole),
            "the sign: cos has a maximum in the middle of the sample.": 1 / (p - np.sinc(whole)),
        },
    )
    match(
        ratio,
        answer(box),
        "the ratio for L = 2.3, b = 0.4",
        mistakes={
            "in the ratio c cancels, and both averages run over the box, of length L.": answer(whole),
            "the box has the length L; the buffer lies outside of it.": answer(half),
            "the slope is averaged over the box and is not one there: <a u'>/<u'>, and the constant c cancels.": answer(
                whole
            )
            ** 2
            / answer(box),
        },
    )
    still = of(L, 0.0)
    require(close(still[0], still[1]), "without a buffer box and solved interval are the same, and so are the answers.")
    passed(f"whole periods give 1/{p}", "the flux alone sees the solved interval", "the ratio sees the box")


def _three(answer: Any, name: str) -> Matrices:
    if not isinstance(answer, tuple | list | np.ndarray) or len(answer) != 3:
        fail(f"{name} should return three matrices: F, G, A.")
    return tuple(array(part, letter, (2, 2)) for part, letter in zip(answer, "FGA", strict=True))


def averages(function: Callable[[Array, Array, Array], Matrices]) -> None:
    """averages(flux, grad, w): F and G with the weights w_k w_l, and A = F G^-1."""
    rng = np.random.default_rng(3)
    w = np.array([0.05, 0.25, 0.4, 0.3])
    grad = np.eye(2)[:, :, None, None] + 0.4 * rng.standard_normal((2, 2, 4, 4))
    law = np.array([[2.0, 0.7], [0.3, 1.0]])
    uneven = 1 + rng.random((4, 4))
    flux = np.einsum("ij,jmkl->imkl", law, grad) * uneven

    def of(flux: Array, case: str) -> Matrices:
        return _three(ask(function, flux.copy(), grad.copy(), w.copy(), name="averages", case=case), "averages")

    right = [np.einsum("ijkl,k,l->ij", field, w, w) for field in (flux, grad)]
    F, G, A = of(flux, "four by four elements")
    if close(F, right[1]) and close(G, right[0]):
        fail("F and G are swapped: F is the average of the flux.")
    for value, expected, field, letter in ((F, right[0], flux, "F"), (G, right[1], grad, "G")):
        match(
            value,
            expected,
            letter,
            mistakes={
                f"{letter} is A: the order is F, G, A.": right[0] @ np.linalg.inv(right[1]),
                f"{letter} is a plain mean: use the weights.": field.mean(axis=(2, 3)),
                f"{letter} is a plain sum: use the weights.": field.sum(axis=(2, 3)),
                f"{letter} is transposed: entry [i, j] is component i under load j.": expected.T,
                f"{letter} was divided by the number of elements once more: the weights add up to 1 already.": expected
                / 16,
                f"{letter} was divided by the number of elements once more: the weights add up to 1.": expected / 4,
                f"{letter} has the weights along the first direction only.": np.einsum("ijkl,k->ij", field, w),
                f"{letter} has the weights along the second direction only.": np.einsum("ijkl,l->ij", field, w),
                f"{letter}: one direction is averaged without weights.": np.einsum("ijkl,k->ij", field, w) / 4,
                f"{letter}: only elements on the diagonal were counted, k = l.": np.einsum("ijkk,k->ij", field, w),
            },
        )
    inverse = np.linalg.inv(right[1])
    uniform = of(np.einsum("ij,jmkl->imkl", law, grad), "a uniform material, whose flux is law times gradient")[2]
    for value, wanted, of_what in ((uniform, law, law @ right[1]), (A, right[0] @ inverse, right[0])):
        match(
            value,
            wanted,
            "A",
            mistakes={
                "A is G^-1 F; it should satisfy A G = F, so the inverse stands on the right.": inverse @ of_what,
                "A is divided entry by entry; matrices are divided with np.linalg.inv.": of_what / right[1],
                "A is F * G^-1, multiplied entry by entry: the product of matrices is @.": of_what * inverse,
                "this is F: divide by the gradient that is there.": of_what,
                "A is transposed: entry [i, j] is the component i of the flux for the gradient e_j.": wanted.T,
                "A is F G: the inverse is missing.": of_what @ right[1],
                "A is G F^-1, the inverse of what is asked for.": np.linalg.inv(wanted),
                "A is F times the inverse of the transposed G.": of_what @ inverse.T,
            },
        )
    passed("weights in both directions", "a uniform material gives its own tensor", "A G = F")


def _medium(x: Array, y: Array, s: float = 1, c: float = 1) -> Array:
    """The medium of the notebook."""
    return np.exp(s * np.sin(2 * np.pi * y[0]) + c * np.cos(2 * np.pi * y[1]) + 0.5 * np.sin(2 * np.pi * (y[0] + y[1])))


def _library(size: float, buffer: float, centre: float, q: float, average: str, seed: int) -> Array:
    medium = partial(_medium, **{name: numbers("05", seed)[name] for name in "sc"})
    cell = CellProblem(n=8, bc="dirichlet", size=size, buffer=buffer, window=("smooth", q), average=average, tol=1e-6)
    return cell.effective_tensor(medium, x=np.full(2, centre), eps=1.0)


def oversampled(function: Callable[[float, float, float, float], Matrices], seed: int = 0) -> None:
    """oversampled(size, buffer, centre, q): F, G, A of the inner window; solved on size + 2 buffer; the seed's medium."""
    size, buffer, centre = 1.5, 0.25, 0.2
    library = partial(_library, seed=seed)

    def of(buffer: float, q: int) -> Matrices:
        case = f"size = {size}, buffer = {buffer}, centre = {centre}, q = {q}"
        return _three(ask(function, size, buffer, centre, q, name="oversampled", case=case), "oversampled")

    F, G, A = of(0.0, 0)
    require(
        close(G, np.eye(2), rtol=1e-6),
        "without a buffer the box covers all that was solved, so that G is the identity. `fields` returns edges, counted "
        "from the centre, then flux, then grad.",
    )
    match(
        A,
        library(size, 0, centre, 0, "ratio"),
        "A for a box without buffer",
        rtol=1e-4,
        mistakes={
            "this is the sample around (0, 0): hand the centre on to `fields`.": library(size, 0, 0.0, 0, "ratio")
        },
    )
    F, G, A = of(buffer, 0)
    require(not close(G, np.eye(2), rtol=1e-6), "G is the identity: the average runs over the whole solved square.")

    def flux(size: float, buffer: float) -> Array:
        return library(size, buffer, centre, 0, "flux")

    match(
        F,
        flux(size, buffer),
        "F for a box with a buffer",
        rtol=1e-4,
        mistakes={
            "the solved square is too small: the buffer lies on every side, which makes size + 2 buffer.": flux(
                size, buffer / 2
            ),
            "the solved square has the given size and the box is smaller: the buffer comes on top of size.": flux(
                size - 2 * buffer, buffer
            ),
        },
    )
    match(A, library(size, buffer, centre, 0, "ratio"), "A for a box with a buffer", rtol=1e-4)
    require(close(A @ G, F, rtol=1e-6), "A G is not F.")
    F, G, A = of(buffer, 2)
    smooth = library(size, buffer, centre, 2, "flux")
    match(
        F, smooth, "F for q = 2 with a buffer", rtol=0.02,
        mistakes={"q did not arrive at the weights: this is the box.": flux(size, buffer)},
    )  # fmt: skip
    match(A, library(size, buffer, centre, 2, "ratio"), "A for q = 2 with a buffer", rtol=0.02)
    passed("no buffer: G is the identity", "box and window as hmm_core has them", "A G = F")


def split(function: Callable[[Array, Array, Array], Matrices]) -> None:
    """split(F, G, star) = (F - A* G, A* (G - I))."""
    star = np.array([[0.9, -0.2], [-0.2, 1.3]])
    G = np.array([[1.03, 0.01], [-0.02, 0.98]])
    F = star @ G + np.array([[0.004, 0.001], [-0.002, 0.003]])

    def of(F: Array, G: Array, case: str) -> Matrices:
        pair = ask(function, F, G, star, name="split", case=case)
        if not isinstance(pair, tuple | list | np.ndarray) or len(pair) != 2:
            fail("split should return two matrices: F - A* G and A* (G - I).")
        first, second = (array(part, name, (2, 2)) for part, name in zip(pair, ("part one", "part two"), strict=True))
        return first, second

    identity = np.eye(2)
    first, second = of(F, G, "a sample that answers almost like A*")
    if close(first, star @ (G - identity), atol=1e-12) and close(second, F - star @ G, atol=1e-12):
        fail("the two parts are swapped: F - A* G comes first.")
    match(
        first,
        F - star @ G,
        "part one, F - A* G,",
        mistakes={
            "the product is in the wrong order: the tensor stands to the left of the gradients.": F - G @ star,
            "a product of matrices is needed, @ instead of *.": F - star * G,
            "this is the whole error, F - A*: subtract what A* answers to the gradient that is there.": F - star,
            "the sign of part one: F comes first.": star @ G - F,
            "this is the error of the ratio, A - A*; here that of F itself is taken apart.": F @ np.linalg.inv(G)
            - star,
        },
    )
    match(
        second,
        star @ (G - identity),
        "part two, A* (G - I),",
        mistakes={
            "the product is in the wrong order: the tensor stands to the left of the gradients.": (G - identity) @ star,
            "the identity is missing: part two vanishes when the gradient is the one asked for.": star @ G,
            "a product of matrices is needed, @ instead of *.": star * (G - identity),
            "a tensor is missing: part two is a flux, A* (G - I).": G - identity,
            "the sign of part two: G - I.": star @ (identity - G),
            "G - 1 subtracts one from every entry; the identity is np.eye(2).": star @ (G - 1),
        },
    )
    require(close(first + second, F - star, rtol=1e-9), "the two parts do not add up to F - A*.")
    perfect = of(star @ G, G, "a sample that answers exactly like A*")[0]
    require(abs(perfect) < 1e-12, "for F = A* G the first part vanishes.")
    passed("the parts add up", "a perfect sample has no first part")
