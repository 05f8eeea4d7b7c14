"""Checks of exercise 6, four errors: the ladder of closures, its terms, a fit, three experiments, a choice of parameters."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import skfem

from hmm_core import CellClosure, CellProblem, ExactClosure, macro_basis, solve_elliptic
from hmm_course.checks import Array, array, ask, close, fail, given, kind, match, number, passed, recognise, require
from hmm_course.variants import numbers

# The problem of the notebook.


def _g(x: Array) -> Array:
    return 1 + x[0] ** 2 + x[1]


def _smooth(x: Array, y: Array) -> Array:
    return _g(x)


def _medium(x: Array, y: Array, alpha: float = 2) -> Array:
    return _g(x) * (alpha + np.cos(2 * np.pi * y[1])) / (alpha + np.cos(2 * np.pi * y[0]))


def _law(x: Array) -> Array:
    return _g(x) * np.eye(2)[:, :, None]


def _u0(x: Array) -> Array:
    return np.sin(np.pi * x[0]) * x[1] * (1 - x[1])


def _gradient(x: Array) -> Array:
    s, c = np.sin(np.pi * x[0]), np.cos(np.pi * x[0])
    return np.array([np.pi * c * x[1] * (1 - x[1]), s * (1 - 2 * x[1])])


def _source(x: Array) -> Array:
    laplace, slope = -np.sin(np.pi * x[0]) * (np.pi**2 * x[1] * (1 - x[1]) + 2), _gradient(x)
    return -_g(x) * laplace - 2 * x[0] * slope[0] - slope[1]


def _solve(N: int, closure: Any) -> Any:
    line = np.linspace(0, 1, N + 1)
    basis = macro_basis(skfem.MeshTri.init_tensor(line, line), skfem.ElementTriP2())
    return solve_elliptic(basis, closure, _source)


def _closures(cell: CellProblem, eps: float | None, seed: int) -> list[Any]:
    told = numbers("06", seed)
    medium, fine = partial(_medium, alpha=told["alpha"]), replace(cell, n=told["finer"] * cell.n)
    samples = [(_smooth, fine), (medium, fine), (medium, cell)]
    return [ExactClosure(_law), *(CellClosure(medium, problem, eps) for medium, problem in samples)]


def _norm(U: Any, V: Any) -> float:
    return U.error(V, "energy", gradient=_gradient if V is _u0 else None, tensor=_law)


@cache
def _size() -> float:
    U = _solve(8, ExactClosure(_law))
    return _norm(replace(U, u=0 * U.u), _u0)


@cache
def _term(k: int, N: int, cell: CellProblem, eps: float | None, seed: int) -> float:
    rungs = _closures(cell, eps, seed)
    return _norm(_solve(N, rungs[k]), _solve(N, rungs[k - 1]) if k else _u0) / _size()


RUNGS = ("U_*", "U_inf", "U_delta", "U_H")


def ladder(closures: Callable[[CellProblem, float | None], list[Any]], seed: int = 0) -> None:
    """closures(cell, eps): exact law; fine samples of g; fine samples of a; samples of a on the given grid."""
    cell, eps, told = CellProblem(n=3, size=1.25, bc="dirichlet", offset=0.5), 0.1, numbers("06", seed)
    medium, n, times = partial(_medium, alpha=told["alpha"]), told["finer"] * cell.n, told["times"]
    x = np.array([[0.21, 0.52, 0.83], [0.34, 0.75, 0.46]])

    def tensor(closure: Any, name: str) -> Array:
        answer = ask(closure, x, np.zeros(3), np.ones((2, 3)), name=f"the closure of {name}", case="three points")
        try:
            _, _, tangent = answer
        except (TypeError, ValueError):
            fail(f"the closure of {name} should answer with flux and tangent, but it is {kind(closure)}.")
        return array(tangent, f"the tensor behind {name}", (2, 2, 3))

    def of(problem: CellProblem, eps: float | None, case: str) -> list[Array]:
        found = ask(closures, problem, eps, name="closures", case=case)
        if isinstance(found, str | np.ndarray) or not isinstance(found, Iterable) or len(list(found)) != 4:
            fail(f"closures should return a list of four closures; it returns {kind(found)}.")
        return [tensor(closure, name) for closure, name in zip(found, RUNGS, strict=True)]

    def sampled(medium: Any, problem: CellProblem, eps: float | None) -> Array:
        return problem.effective_tensor(medium, x, eps)

    got = of(cell, eps, "a Dirichlet cell of 1.25 periods, eps = 0.1")
    fine = replace(cell, n=n)
    star, limit, resolved, computed = _law(x), *(tensor(c, "") for c in _closures(cell, eps, seed)[1:])
    if close(got[0], computed, 1e-4) and close(got[3], star, 1e-4):
        fail("the list runs the wrong way: it starts with the law (U_*) and ends with what is computed (U_H).")
    mean = told["alpha"] / np.sqrt(told["alpha"] ** 2 - 1) * star
    one_period = replace(fine, size=1.0)
    expected = {
        "U_*": (star, {"U_* is told the arithmetic mean of a; its law is A*(x) = g(x) I.": mean,
                       "U_* is told what samples answer; its law is known exactly.": computed}),
        "U_inf": (limit, {
            "U_inf: the slow variable is frozen, so that a sample sees no drift: pass eps on.": star,
            "U_inf is told samples of a; its material is the smooth g, without oscillation.": resolved,
            "U_inf is told samples of a on the coarse grid; its material is the smooth g.": computed}),
        "U_delta": (resolved, {
            f"U_delta has the grid of U_H: it should be fine, {times} times as many elements per period.": computed,
            "U_delta: the slow variable is frozen: pass eps on.": sampled(medium, fine, None),
            "U_delta is told samples of the smooth g; from here on the material oscillates.": limit,
            "the fine cell has lost its size: replace(cell, n=...) keeps all the rest.": sampled(medium, one_period, eps),
            "the fine cell has lost its offset: replace(cell, n=...) keeps all the rest.": sampled(
                medium, replace(fine, offset=0.0), eps),
            "the fine cell has lost its boundary condition: replace(cell, n=...) keeps all the rest.": sampled(
                medium, replace(fine, bc="periodic"), eps),
            "the fine cell is a new one: replace(cell, n=...) keeps size, offset and boundary condition.": sampled(
                medium, CellProblem(n=n), eps),
            f"the fine grid has twice as many elements; {times} times as many are asked for.": sampled(
                medium, replace(fine, n=2 * cell.n), eps),
            f"the fine grid has four times as many elements; {times} times as many are asked for.": sampled(
                medium, replace(fine, n=4 * cell.n), eps)}),
        "U_H": (computed, {
            "U_H has the fine grid: it is computed on the cell as it is given.": resolved,
            "U_H: the slow variable is frozen: pass eps on.": sampled(medium, cell, None),
            "U_H is told samples of the smooth g; its material is a.": sampled(_smooth, cell, eps)}),
    }  # fmt: skip
    for name, value in zip(RUNGS, got, strict=True):
        right, mistakes = expected[name]
        match(value, right, f"the tensor behind {name}", rtol=1e-4, mistakes=mistakes)
    frozen = of(replace(cell, n=4), None, "frozen samples, eps = None")
    require(
        close(frozen[1], frozen[0]), "with eps=None nothing drifts, and U_inf should have the law of U_*: pass eps on."
    )
    passed("the law", "samples of the smooth law", "samples of a, fine", "and as given", "frozen: no drift")


def term(function: Callable[[int, int, CellProblem, float | None], float], seed: int = 0) -> None:
    """term(k, N, cell, eps): relative energy distance of neighbours on the ladder."""
    N, cell, eps = 2, CellProblem(n=3, size=1.25, bc="dirichlet", offset=0.5), 0.1

    def of(k: int, eps: float | None = eps) -> float:
        case = f"k = {k}, N = 2, a Dirichlet cell of 1.25 periods, eps = {eps}"
        value = number(ask(function, k, N, cell, eps, name="term", case=case), f"term {k}")
        require(value >= 0, f"term {k} is negative; a distance is not.")
        return value

    terms = [of(k) for k in range(4)]
    solutions = [_solve(N, closure) for closure in _closures(cell, eps, seed)]
    right = [_norm(solutions[0], _u0), *(_norm(*pair) for pair in zip(solutions[1:], solutions, strict=False))]
    to_u0 = [_norm(U, _u0) for U in solutions]
    size = _size()
    for k, name in enumerate(("macro", "modelling", "resonance", "micro")):
        mistakes = {
            f"term {k} is not relative: use distance, which divides by the norm of u0.": right[k],
            f"term {k} is squared: the distance itself is asked for.": (right[k] / size) ** 2,
        }
        if k:
            mistakes |= {
                f"term {k} is the distance to u0, in which all terms up to this one are mixed; take the neighbour.": to_u0[
                    k
                ]
                / size,
                f"term {k} is a difference of two distances to u0; the distance of two neighbours is asked for.": abs(
                    to_u0[k] - to_u0[k - 1]
                )
                / size,
                f"term {k} is the distance to U_*; take the neighbour.": _norm(solutions[k], solutions[0]) / size,
                f"this is term {k - 1}: count from 0, the macro term.": right[k - 1] / size,
            }
        if k < 3:
            mistakes[f"this is term {k + 1}: count from 0, the macro term."] = right[k + 1] / size
        match(terms[k], right[k] / size, f"term {k}, {name},", rtol=1e-3, mistakes=mistakes)
    require(of(1, None) < 1e-9, "frozen, the modelling term should vanish.")
    passed("four distances of neighbours", "frozen: no modelling term")


def fit(function: Callable[[Array, Array], tuple[float, float]]) -> None:
    """fit(parameter, errors): (C, p) by least squares in the logarithms."""

    def of(x: Array, errors: Array, case: str) -> Array:
        return array(ask(function, x, errors, name="fit", case=case), "fit(parameter, errors)", (2,))

    x = np.array([0.5, 0.25, 0.125, 0.0625])
    exactly = of(x, 3 * x**2, "errors 3 x^2")
    match(
        exactly,
        (3.0, 2.0),
        "fit for errors 3 x^2",
        mistakes={
            "the order: return (C, p).": (2.0, 3.0),
            "this is log C: undo the logarithm.": (np.log(3), 2.0),
            "this is log C and in the wrong order: return (C, p).": (2.0, np.log(3)),
            "the logarithm was undone with the wrong base.": (10 ** np.log(3), 2.0),
            "the logarithm was taken with base 10 and undone with base e.": (np.exp(np.log10(3)), 2.0),
            "parameter and errors have changed places: p is the slope of log(error) against log(parameter).": (
                np.exp(-np.log(3) / 2),
                0.5,
            ),
            "the sign of p: errors that fall with the parameter have a positive exponent here.": (3.0, -2.0),
            "this fits a straight line to the numbers; fit their logarithms.": np.polyfit(x, 3 * x**2, 1)[::-1],
        },
    )
    noisy = 3 * x**2 * np.array([1.0, 1.3, 0.8, 1.1])
    p, c = np.polyfit(np.log(x), np.log(noisy), 1)
    ends = np.log(noisy[0] / noisy[-1]) / np.log(x[0] / x[-1])
    value = of(x, noisy, "errors that scatter")
    recognise(value[1], {"this slope looks at the first and last point only; least squares use all.": ends})
    match(value, (np.exp(c), p), "fit for errors that scatter")
    falling = of(np.array([1.0, 2.0, 4.0]), np.array([0.4, 0.2, 0.1]), "errors 0.4/x")
    match(falling, (0.4, -1.0), "fit for errors 0.4/x")
    passed("3 x^2", "errors that scatter", "a negative exponent")


def experiments(
    modelling: Callable[[float, float], float],
    resonance: Callable[[float, float], float],
    micro: Callable[[int], float],
    seed: int = 0,
) -> None:
    """One term each, against delta and offset, size and corner, n."""
    told = numbers("06", seed)
    for name, function in (("modelling", modelling), ("resonance", resonance), ("micro", micro)):
        given(function, name)

    def drift(delta: float, offset: float) -> float:
        case = f"delta = {delta}, offset = {offset}"
        return number(ask(modelling, delta, offset, name="modelling", case=case), "modelling(delta, offset)")

    def smooth(delta: float, offset: float, k: int = 1, N: int = told["N_modelling"]) -> float:
        return _term(k, N, CellProblem(n=4, bc="dirichlet", offset=offset), delta, seed)

    def on_other_meshes(name: str, at: Callable[[int], float]) -> dict[str, float]:
        """What is right but for N."""
        return {f"this is {name} for N = {N}; look again which N is asked for.": at(N) for N in (2, 3, 4)}

    corner, centre = drift(0.2, 0.5), drift(0.2, 0.0)
    require(corner > 1e-9, "modelling vanishes: a frozen sample sees no drift, so eps must be a number here.")
    recognise(
        corner,
        {
            "offset did not arrive: x in the corner and x in the centre answer alike.": centre,
            "modelling is term 1; this is the resonance term.": smooth(0.2, 0.5, k=2),
            "modelling is term 1; this is the macro term.": smooth(0.2, 0.5, k=0),
        },
    )
    require(
        corner > 5 * centre, "with x in the corner the modelling term should be much larger than with x in the centre."
    )
    elsewhere = on_other_meshes("modelling", lambda N: smooth(0.2, 0.5, N=N))
    match(corner, smooth(0.2, 0.5), "modelling(0.2, 0.5)", rtol=1e-3, mistakes=elsewhere)
    match(centre, smooth(0.2, 0.0), "modelling(0.2, 0.0)", rtol=1e-2)
    ratio = corner / drift(0.1, 0.5)
    require(
        1.7 < ratio < 2.2,
        f"half the delta should leave about half of modelling, not 1/{ratio:.2g}: does eps follow delta?",
    )

    def cut(size: float, corner: float) -> float:
        case = f"size = {size}, corner = {corner}"
        return number(ask(resonance, size, corner, name="resonance", case=case), "resonance(size, corner)")

    def sample(size: float, offset: float, k: int = 2, eps: float | None = None, **options: Any) -> float:
        how = {"n": 3, "bc": "dirichlet", "size": size, "offset": offset, "tol": 1e-6} | options
        return _term(k, 2, CellProblem(**how), eps, seed)

    size, corner = 1.6, 0.3
    found = cut(size, corner)
    require(found > 1e-9, "resonance vanishes: it is term 2; frozen, term 1 is zero.")
    match(
        found,
        sample(size, 0.5 + corner / size),
        "resonance(1.6, 0.3)",
        rtol=1e-3,
        mistakes={
            "this sample has its centre at the corner: half a size is missing in the offset.": sample(
                size, corner / size
            ),
            "the offset counts in units of size: 0.5 + corner/size.": sample(size, 0.5 + corner),
            "the offset counts in units of size: divide centre = corner + size/2 by the size.": sample(
                size, corner + size / 2
            ),
            "corner did not arrive: this sample starts at y = 0.": sample(size, 0.5),
            "corner did not arrive: this sample has its centre at y = 0.": sample(size, 0.0),
            "size did not arrive: this sample is one period wide.": sample(1.0, 0.5 + corner),
            "resonance is term 2; this is the micro term.": sample(size, 0.5 + corner / size, k=3),
            "the boundary is periodic; clamped samples are asked for.": sample(
                size, 0.5 + corner / size, bc="periodic"
            ),
        },
    )

    def grid(n: int) -> float:
        return number(ask(micro, n, name="micro", case=f"n = {n}"), "micro(n)")

    def period(n: int, k: int = 3, N: int = told["N_micro"], **options: Any) -> float:
        return _term(k, N, CellProblem(n=n, **options), None, seed)

    four = grid(4)
    match(
        four,
        period(4),
        "micro(4)",
        rtol=1e-3,
        mistakes={
            "micro is term 3; this is the resonance term.": period(4, k=2),
            "these samples are clamped; periodic cells are asked for.": period(4, bc="dirichlet"),
            "n did not arrive: this is its default, 32.": period(32),
        }
        | on_other_meshes("micro", lambda N: period(4, N=N)),
    )
    ratio = four / grid(8)
    require(3.3 < ratio < 5, f"half the micro step should leave about a quarter of micro, not 1/{ratio:.2g}.")
    passed("modelling follows delta and offset", "resonance follows size and corner", "micro follows n")


NS, RS, NNS = np.arange(2, 25), np.arange(1, 16.25, 0.25), np.arange(3, 33)
KEYS = ("macro", "modelling", "resonance", "micro")


def _table(C: dict[str, float], eps: float) -> tuple[Array, Array, list[Array]]:
    """Predicted error, cost, and the three parameters, of every combination."""
    grid = [mesh.ravel() for mesh in np.meshgrid(NS, RS, NNS, indexing="ij")]
    return _predicted(C, eps, *grid), 6.0 * grid[0] ** 2 * (grid[1] * grid[2]) ** 2, grid


def _predicted(C: dict[str, float], eps: float, N: Any, R: Any, n: Any) -> Any:
    return sum(_shares(C, eps, N, R, n))


def _shares(C: dict[str, float], eps: float, N: Any, R: Any, n: Any) -> tuple[Any, ...]:
    return C["macro"] / N**2, C["modelling"] * (R * eps) ** 2, C["resonance"] / R, C["micro"] / n**2


def cheapest(function: Callable[[dict[str, float], float, float], tuple[int, float, int]], seed: int = 0) -> None:
    """cheapest(C, eps, tol): the (N, R, n) of least cost whose predicted error is at most tol, or the seed's share of it."""
    share = numbers("06", seed)["share"]

    def of(C: dict[str, float], eps: float, tol: float) -> Array:
        case = f"C = {C}, eps = {eps}, tol = {tol}"
        found = array(ask(function, dict(C), eps, tol, name="cheapest", case=case), "cheapest(C, eps, tol)", (3,))
        for value, allowed, name in zip(found, (NS, RS, NNS), ("N", "R", "n"), strict=True):
            places = "NS" if name == "N" else "RS" if name == "R" else "NNS"
            require(
                np.any(allowed == value), f"{name} = {value:g} is not among the values of {places}: return (N, R, n)."
            )
        return found

    cases = (
        (dict(zip(KEYS, (1.0, 0.005, 0.1, 0.5), strict=True)), 0.01, 0.1),
        (dict(zip(KEYS, (0.5, 8.0, 0.4, 2.0), strict=True)), 0.05, 0.3),
        (dict(zip(KEYS, (4.0, 1.0, 0.05, 0.2), strict=True)), 0.1, 0.15),
    )
    for C, eps, budget in cases:
        error, cost, grid = _table(C, eps)
        tol = round(budget / share, 3)
        found, allowed = of(C, eps, tol), share * tol
        predicted = _predicted(C, eps, *found)

        def least(error: Array, cost: Array, tol: float = allowed, grid: list[Array] = grid) -> Array:
            best = np.where(error <= tol, cost, np.inf).argmin()
            return np.array([part[best] if np.any(error <= tol) else np.nan for part in grid])

        smallest = np.array([part[error.argmin()] for part in grid])
        if close(found, smallest):
            fail(
                "this is the most accurate of all, at whatever cost; accurate enough is enough, then the cost decides."
            )
        parts = _shares(C, eps, *grid)
        known = {
            "the order: return (N, R, n).": least(error, cost)[::-1],
            f"this choice spends the whole tolerance; only {share:g} of it may be spent.": least(error, cost, tol),
            "the modelling term has the width delta = R eps, not R.": least(
                parts[0] + C["modelling"] * grid[1] ** 2 + parts[2] + parts[3], cost
            ),
            "this choice does not see the modelling term.": least(error - parts[1], cost),
            "this choice does not see the resonance term.": least(error - parts[2], cost),
            "this choice does not see the micro term.": least(error - parts[3], cost),
            "this choice does not see the macro term.": least(error - parts[0], cost),
            "every term alone is below tol here, their sum is not.": least(np.max(parts, axis=0), cost),
            "a quarter of the tolerance for each term meets it, and costs more than needed: only the sum must fit.": least(
                4 * np.max(parts, axis=0), cost
            ),
            "the cost counts one sample; there are 6 N^2 of them.": least(error, cost / grid[0] ** 2),
            "a sample has (n R)^2 unknowns, in two directions.": least(error, cost / (grid[1] * grid[2])),
            "the cost of a sample depends on R as well as on n.": least(error, cost / grid[1] ** 2),
            "the cost of a sample depends on n as well as on R.": least(error, cost / grid[2] ** 2),
        }
        lowest = cost[error <= allowed].min()
        spent = 6 * found[0] ** 2 * (found[1] * found[2]) ** 2
        if predicted > allowed or spent > lowest:
            recognise(found, known)
        limit = f"the tolerance {tol}" if share == 1 else f"{share} times the tolerance {tol}"
        require(predicted <= allowed * (1 + 1e-12), f"its predicted error is {predicted:.3g}, above {limit}.")
        ratio = spent / lowest
        require(ratio < 1 + 1e-9, f"it meets the tolerance, but costs {ratio:.3g} times as much as the cheapest.")
    passed("the tolerance is met", "nothing in the table is cheaper")
