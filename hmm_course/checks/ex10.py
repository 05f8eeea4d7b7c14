"""Checks of exercise 10, traffic without a formula: drivers who move at once, an error bar from rings, Godunov's scheme.

What is random is asked with seeds of the checks' own, and the tolerances are at least four standard errors.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from hmm_course.checks import Array, array, ask, close, fail, kind, match, number, passed, recognise, require
from hmm_course.variants import numbers


def _two(answer: Any, name: str, what: str) -> tuple[Any, Any]:
    """The answer as a pair."""
    if not (isinstance(answer, tuple | list) and len(answer) == 2):
        fail(f"{name} should return two things, {what}: `return a, b`. It is {kind(answer)}.")
    return answer[0], answer[1]


def one_step(step: Callable, seed: int = 0) -> None:
    """step(rings, p, rng): the rings one parallel step later, and the share of places from which a car moved.

    A car moves with probability p, close behind another with hurry p.
    """
    hurry = numbers("10", seed)["hurry"]

    def after(rings: Array, p: float, seed: int, case: str) -> tuple[Array, Array]:
        answer = ask(step, rings.copy(), p, np.random.default_rng(seed), name="step", case=case)
        new, flux = _two(answer, "step(rings, p, rng)", "the new rings and the flux of each")
        if isinstance(new, np.ndarray) and new.dtype == bool:
            new = new.astype(int)
        new = array(new, "the rings that step returns", rings.shape)
        require((new == 0) | (new == 1), "the rings that step returns should be free and taken places only.")
        return new, array(flux, "the flux that step returns", (len(rings),))

    places = np.arange(8)
    jams = np.array([places < 3, places >= 5])
    new, flux = after(jams, 1.0, 0, "jams of three cars on 8 places, at the beginning and at the end, p = 1")
    right = np.array([[1, 1, 0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1, 1, 0]])
    recognise(
        new[0],
        {
            "the jam moves as one: a car followed another that left in the same step. All look at the road as it was at the "
            "beginning of the step.": np.roll(jams[0], 1),
            "cars move to the left; the place ahead has the next higher number.": [0, 1, 1, 0, 0, 0, 0, 1],
            "with p = 1 the first car of a jam must move, and nothing has.": jams[0],
            "a car moves if the place ahead is free; yours looks at the place behind it.": [0, 1, 1, 0, 0, 0, 0, 0],
            "cars jump to another ring: roll along the places of a ring, axis=1.": jams[1],
            "the car that moves is still at its old place, too.": [1, 1, 1, 1, 0, 0, 0, 0],
            "the car that moves has left the road: it appears nowhere.": [1, 1, 0, 0, 0, 0, 0, 0],
        },
    )
    require(
        close(new[0], right[0]),
        "of a jam of three cars with p = 1 the first one moves, by one place, and nothing else.",
    )
    recognise(
        new[1],
        {
            "the ring is not closed: after the last place comes place 0.": jams[1],
            "the car on the last place has left the road: after it comes place 0.": [0, 0, 0, 0, 0, 1, 1, 0],
        },
    )
    require(close(new[1], right[1]), "a jam at the end of the ring should move on to place 0.")
    recognise(
        flux,
        {
            "the flux is counted per place: divide by the places.": [1, 1],
            "you divide by the number of cars; the flux is counted per place of the road.": [1 / 3, 1 / 3],
            "you divide by 60; how many places these rings have is rings.shape[1].": [1 / 60, 1 / 60],
            "this is the share of cars; only those that have moved count.": [3 / 8, 3 / 8],
        },
    )
    match(flux, [1 / 8, 1 / 8], "the flux of a jam with p = 1")

    empty, moved = after(np.array([places < 0, places >= 0]), 0.5, 1, "an empty and a full ring")
    require(close(empty, [[0] * 8, [1] * 8]) and not moved.any(), "on an empty and on a full ring nothing moves.")

    mixed = np.random.default_rng(2).random((4000, 12)) < 0.5
    could, close_behind = mixed & ~np.roll(mixed, -1, axis=1), np.roll(mixed, -2, axis=1)
    chance = 0.3 * np.where(close_behind, hurry, 1)
    new, flux = after(mixed, 0.3, 3, "4000 random rings of 12 places, p = 0.3")
    require(new.sum(axis=1) == mixed.sum(axis=1), "the number of cars on a ring changes.")
    moves = mixed & (new == 0)
    require(could[moves], "a car has moved although the place ahead was taken at the beginning of the step.")
    share = moves.sum() / could.sum()
    require(share < 1, "with p = 0.3 every car that can move does: where is p? Or do all share one random number?")
    again, _ = after(mixed, 0.3, 3, "4000 random rings of 12 places, once more")
    require(close(new, again), "the same seed gives two different answers: take every random number from rng.")
    other, _ = after(mixed, 0.3, 4, "4000 random rings of 12 places, with another seed")
    require(not close(new, other), "two seeds give the same answer: take the numbers from rng as it comes.")
    row = np.where(could.sum(axis=1) >= 2)[0]
    together = np.mean([moves[r].sum() in (0, could[r].sum()) for r in row])
    require(together < 0.9, "in a ring either all cars move or none: every car needs a random number of its own.")
    column = [moves[could[:, k], k].mean() for k in range(12)]
    require(
        np.std(column) < 0.1, "cars at one place move in all rings or in none: every ring needs numbers of its own."
    )
    recognise(
        share,
        {
            "a car moves if its number is below p; yours if it is above.": 1 - chance[could].mean(),
            "p is an argument; you took 0.5.": chance[could].mean() / 0.6,
        },
        atol=0.02,
    )
    mistakes = {
        "nobody hurries: close behind another, a driver moves with another probability.": 0.3,
        "everybody hurries: only those do who have one free place ahead and a car on the second.": 0.3 * hurry,
    }
    match(
        share, chance[could].mean(), "with p = 0.3, the share of movable cars that move", atol=0.02, mistakes=mistakes
    )
    if hurry != 1:
        far = moves[could & ~close_behind].mean()
        words = "those hurry who have two free places ahead; it should be those who have only one."
        recognise(far, {words: 0.3 * hurry}, atol=0.018)  # who looks at another place stays further away
        new, _ = after(mixed, 1 / hurry, 5, "4000 random rings of 12 places, p = 1/HURRY")
        require(
            (mixed & (new == 0))[could & close_behind].mean() > 0.999,
            "with p = 1/HURRY whoever has one free place ahead and a car on the second moves for certain, and yours do not. The "
            "second place ahead is np.roll(rings, -2, axis=1).",
        )
        match(far, 0.3, "the share of cars with two free places ahead that move", atol=0.03)
    recognise(
        flux,
        {
            "this is what one expects, p times the share of cars that can move; count those that have moved.": (
                chance * could
            ).mean(axis=1),
            "these are the cars that can move; count those that have moved.": could.mean(axis=1),
        },
    )
    match(flux, moves.mean(axis=1), "the flux of random rings")
    passed("a jam loses its first car only", "cars are conserved", "every car decides for itself")


def _rings(seed: int, length: int = 200, rings: int = 24) -> Array:
    """Series (length, rings) that remember: x_t = 0.9 x_(t-1) + noise, about a level."""
    noise = np.random.default_rng(seed).standard_normal((length, rings))
    x = noise[0] / np.sqrt(1 - 0.81)
    return 5.0 + np.array([x, *(x := 0.9 * x + kick for kick in noise[1:])])


def error_bar(estimate: Callable) -> None:
    """estimate(series): the mean of (T, R), and the standard error of R independent means."""

    def of(series: Array, case: str) -> tuple[float, float]:
        answer = ask(estimate, series.copy(), name="estimate", case=case)
        mean, error = _two(answer, "estimate(series)", "the mean and its standard error")
        return number(mean, f"the mean of {case}"), number(error, f"the standard error of {case}")

    series, case = _rings(0), "24 series of 200 values that remember"
    mean, error = of(series, case)
    require(not close(error, series.mean()), "the mean comes first, then its standard error.")
    match(mean, series.mean(), f"the mean of {case}")
    means, all_of_them = series.mean(axis=0), series.size
    right = means.std(ddof=1) / np.sqrt(24)
    recognise(
        error,
        {
            "this takes all values as independent; within a ring they are not. Average over each ring first.": series.std(
                ddof=1
            )
            / np.sqrt(all_of_them),
            "this takes all values as independent (and without ddof); average over each ring first.": series.std()
            / np.sqrt(all_of_them),
            "you average over the rings and compare times; the rings are what is independent: axis=0 first.": series.mean(
                axis=1
            ).std(ddof=1)
            / np.sqrt(200),
            "use ddof=1: the mean was estimated from the same numbers.": means.std() / np.sqrt(24),
            "this is the scatter of one ring; the mean over R rings is better by a root of R.": means.std(ddof=1),
            "divide by the root of the number of rings, not by the number.": means.std(ddof=1) / 24,
            "divide by the root of the number of rings, not of the steps.": means.std(ddof=1) / np.sqrt(200),
            "divide by the root of the number of rings, not of all values.": means.std(ddof=1) / np.sqrt(all_of_them),
            "this is a variance: take the root.": right**2,
            "this is the scatter of single values; how well do you know their mean?": series.std(),
        },
    )
    match(error, right, f"the standard error of {case}", rtol=1e-9)
    short = series[:50, :10]
    match(
        of(short, "ten rings, 50 values each")[1],
        short.mean(axis=0).std(ddof=1) / np.sqrt(10),
        "the standard error of ten rings",
    )
    passed("the mean over everything", "every ring counts once", "the rings' means tell the error")


def _law(rho: Any) -> Any:
    """Rises up to 1/3, falls beyond."""
    rho = np.asarray(rho, dtype=float)
    return rho * (1 - rho) ** 2


PEAK = 1 / 3


def _sends(rho: Array) -> Array:
    return _law(np.minimum(rho, PEAK))


def _takes(rho: Array) -> Array:
    return _law(np.maximum(rho, PEAK))


def _edge(left: Array, right: Array) -> Array:
    return np.minimum(_sends(left), _takes(right))


def godunov(edge_flux: Callable) -> None:
    """edge_flux(left, right, F, peak): the smaller of what the left cell sends and the right one takes."""

    def of(left: Array, right: Array, case: str) -> Array:
        answer = ask(edge_flux, left.copy(), right.copy(), _law, PEAK, name="edge_flux", case=case)
        return array(answer, "edge_flux(left, right, F, peak)", left.shape)

    rng = np.random.default_rng(0)
    left, right = rng.random(40), rng.random(40)
    value = of(left, right, "random densities")
    F_left, F_right = _law(left), _law(right)
    recognise(
        value,
        {
            "this is the mean of both fluxes, which wiggles and then blows up: information comes from one side.": (
                F_left + F_right
            )
            / 2,
            "this is the flux at the mean density; it does not know from which side information comes.": _law(
                (left + right) / 2
            ),
            "this is the flux of the left cell; a queue ahead would never be felt.": F_left,
            "this is the flux of the right cell; what arrives from the left would never be felt.": F_right,
            "this is the smaller of F(left) and F(right): at a green light, from 1 to 0, nothing would ever start. Move "
            "the densities to their side of the peak first.": np.minimum(F_left, F_right),
            "this is the larger of F(left) and F(right): cars would pass a red light.": np.maximum(F_left, F_right),
            "you let the larger of D and S pass; it is the smaller.": np.maximum(_sends(left), _takes(right)),
            "left and right are exchanged, or D and S: the left cell sends, and the right one takes.": _edge(
                right, left
            ),
            "this is what the left cell sends; the right one must be able to take it.": _sends(left),
            "this is what the right cell takes; the left one must be able to send it.": _takes(right),
            "peak is an argument; you took 1/2.": np.minimum(_law(np.minimum(left, 0.5)), _law(np.maximum(right, 0.5))),
            "this is Rusanov's flux, which smears more than it must; take the smaller of D and S.": (F_left + F_right)
            / 2
            - (right - left) / 2,
        },
    )
    even = of(left, left, "the same density on both sides")
    require(close(even, F_left), "between two cells of the same density passes F of that density.")
    ends = of(np.array([0.4, 1.0]), np.array([1.0, 0.0]), "a red light and a green light")
    require(abs(ends[0]) < 1e-12, "before a full cell nothing moves: the flux is 0.")
    require(abs(ends[1] - _law(PEAK)) < 1e-12, "from a queue into the free road passes as much as a road can carry.")
    match(value, _edge(left, right), "edge_flux for random densities")
    passed("F between equal cells", "nothing at a red light", "as much as a road can carry at a green one")


def one_macro_step(macro_step: Callable) -> None:
    """macro_step(rho, r, F, peak, behind, ahead): a conservative step of an open road."""
    rng = np.random.default_rng(1)
    rho, r, behind, ahead = rng.random(12), 0.8, 0.15, 0.7

    def of(rho: Array, r: float, behind: float, ahead: float, case: str) -> Array:
        answer = ask(macro_step, rho.copy(), r, _law, PEAK, behind, ahead, name="macro_step", case=case)
        return array(answer, "macro_step(...)", rho.shape)

    even = of(np.full(12, 0.3), r, 0.3, 0.3, "an even road")
    require(close(even, np.full(12, 0.3)), "an even road in even traffic must stay as it is.")
    value = of(rho, r, behind, ahead, "random densities")

    def change(first: float, last: float) -> Array:
        road = np.concatenate([[first], rho, [last]])
        return np.diff(_edge(road[:-1], road[1:]))

    loss, closed = change(behind, ahead), change(0.0, 1.0)
    road = np.concatenate([[behind], rho, [ahead]])
    turned = np.diff(_edge(road[1:], road[:-1]))
    recognise(
        value,
        {
            "the sign: what leaves through the right edge is taken away from the cell.": rho + r * loss,
            "r is missing in front of the difference of the edge fluxes.": rho - loss,
            "you divide by r; r is dt/dx already.": rho - loss / r,
            "this is the change in a step; add it to the density.": -r * loss,
            "the road is open, yours is closed to a ring: the ends see `behind` and `ahead`.": rho
            - r * change(rho[-1], rho[0]),
            "behind and ahead are exchanged.": rho - r * change(ahead, behind),
            "edge_flux gets what stands right of an edge as its left side: left first.": rho - r * turned,
            "nothing enters and nothing leaves at your ends: use `behind` and `ahead`.": rho - r * closed,
            "at your ends the road goes on as in the last cell: use `behind` and `ahead`.": rho
            - r * change(rho[0], rho[-1]),
            "the first and the last cell stay as they are; they have two edges like all others.": np.concatenate(
                [rho[:1], (rho - r * loss)[1:-1], rho[-1:]]
            ),
        },
    )
    match(value, rho - r * loss, "macro_step for random densities")
    gain = value.sum() - rho.sum()
    balance = r * (_edge(np.array([behind]), rho[:1]) - _edge(rho[-1:], np.array([ahead])))[0]
    require(abs(gain - balance) < 1e-12, "cars are made or lost on the way: each edge flux is taken from one cell and given "
            "to the next.")  # fmt: skip
    passed("an even road stays", "what leaves a cell enters the next", "the ends see the traffic outside")


def rankine_hugoniot(shock_speed: Callable) -> None:
    """shock_speed(left, right, F): the slope of the chord."""

    def of(left: float, right: float) -> float:
        case = f"densities {left:g} and {right:g}"
        return number(ask(shock_speed, left, right, _law, name="shock_speed", case=case), f"shock_speed for {case}")

    left, right = 0.2, 0.9
    value, speed = of(left, right), (_law(left) - _law(right)) / (left - right)

    def slope(rho: float) -> float:
        return (1 - rho) * (1 - 3 * rho)

    recognise(
        value,
        {
            "the sign: fewer cars leave a queue than arrive, and then its tail runs backwards.": -speed,
            "this is one over the speed: fluxes over densities.": 1 / speed,
            "this is the difference of the fluxes; divide by that of the densities.": _law(left) - _law(right),
            "this is the difference of the fluxes, the other way round; divide by that of the densities.": _law(right)
            - _law(left),
            "this is the derivative of F at the mean density; a shock moves with the slope of the chord.": slope(0.55),
            "this is the mean of the wave speeds on both sides; a shock moves with the slope of the chord.": (
                slope(left) + slope(right)
            )
            / 2,
            "this is the speed of a car on the left, F/rho; the shock is no car.": _law(left) / left,
            "the densities are added; their difference is wanted.": (_law(left) - _law(right)) / (left + right),
        },
        rtol=1e-4,
    )
    match(value, speed, "the speed of the shock from 0.2 to 0.9")
    match(of(0.1, 0.3), (_law(0.3) - _law(0.1)) / 0.2, "the speed of the shock from 0.1 to 0.3")
    require(abs(of(0.6, 1.0) + _law(0.6) / 0.4) < 1e-12, "the tail of a standing queue moves at -F(left)/(1 - left).")
    passed("cars that come in minus cars that go out", "the tail of a queue runs backwards", "the slope of a chord")
