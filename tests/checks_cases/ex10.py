"""Answers to exercise 10, right and wrong."""

import numpy as np

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_course.checks import ex10 as checks
from hmm_course.variants import numbers

CLASS = 7  # where drivers hurry close behind another
HURRY = numbers("10", CLASS)["hurry"]


def ahead(rings):
    return np.roll(rings, -1, axis=1)


def step_by(
    way=1,
    closed=True,
    chance=None,
    used=None,
    below=True,
    follow=False,
    keep=False,
    lose=False,
    flux=None,
    hurries=None,
):
    """A parallel step, and what can go wrong with it; ``hurries(rings)`` says where HURRY counts."""

    def step(rings, p, rng):
        p = used if used is not None else p
        luck = rng.random(rings.shape) if chance is None else chance(rings, rng)
        if hurries is not None:
            luck = luck / np.where(hurries(rings), HURRY, 1)
        wants = rings & ((luck < p) if below else (luck >= 1 - p if p in (0, 1) else luck > p))
        free = ~np.roll(rings, -way, axis=1)
        if follow:  # whoever stands behind a car that moves may move as well
            for _ in range(rings.shape[1]):
                free = ~np.roll(rings, -way, axis=1) | np.roll(wants & free, -way, axis=1)
        moves = wants & free
        if not closed:
            moves[:, -1] = False
        new = np.roll(moves, way, axis=1) | (rings if keep else rings & ~moves)
        if lose:
            new = rings & ~moves
        return new, moves.mean(axis=1) if flux is None else flux(rings, moves, p)

    return step


def step_by_loop(rings, p, rng):
    new, flux = np.zeros_like(rings), []
    for r, ring in enumerate(rings):
        moved = 0
        for k in np.flatnonzero(ring):
            n = (k + 1) % len(ring)
            if not ring[n] and rng.random() < p:
                new[r, n] = True
                moved += 1
            else:
                new[r, k] = True
        flux.append(moved / len(ring))
    return new, flux


def hurried_by_loop(rings, p, rng):
    new, flux = np.zeros_like(rings), []
    for r, ring in enumerate(rings):
        moved = 0
        for k in np.flatnonzero(ring):
            one, two = ring[(k + 1) % len(ring)], ring[(k + 2) % len(ring)]
            go = not one and rng.random() < (p * HURRY if two else p)
            new[r, (k + go) % len(ring)] = True
            moved += go
        flux.append(moved / len(ring))
    return new, flux


def second(rings):
    return np.roll(rings, -2, axis=1)


def off_the_road(rings, p, rng):
    moves = rings & ~ahead(rings) & (rng.random(rings.shape) < p)
    after = np.roll(moves, 1, axis=1)
    after[:, 0] = False
    return (rings & ~moves) | after, moves.mean(axis=1)


def looks_behind(rings, p, rng):
    moves = rings & ~np.roll(rings, 1, axis=1) & (rng.random(rings.shape) < p)
    return (rings & ~moves) | np.roll(moves, 1, axis=1), moves.mean(axis=1)


def between_rings(rings, p, rng):
    moves = rings & ~np.roll(rings, -1, axis=0) & (rng.random(rings.shape) < p)
    return (rings & ~moves) | np.roll(moves, 1, axis=0), moves.mean(axis=1)


def in_place(rings, p, rng):
    moves = rings & ~ahead(rings) & (rng.random(rings.shape) < p)
    rings &= ~moves
    rings |= np.roll(moves, 1, axis=1)
    return rings, moves.mean(axis=1)


def estimate(series):
    rings = series.mean(axis=0)
    return rings.mean(), rings.std(ddof=1) / np.sqrt(len(rings))


def bar(error):
    return lambda s: (s.mean(), error(s))


def edge_by(send=np.minimum, take=np.maximum, compare=np.minimum, swap=False, peak_of=lambda peak: peak):
    def edge_flux(left, right, F, peak):
        peak = peak_of(peak)
        left, right = (right, left) if swap else (left, right)
        return compare(F(send(left, peak)), F(take(right, peak)))

    return edge_flux


edge_flux = edge_by()


def macro_by(sign=-1.0, ends=None, times=True, over=False, add=True, frozen=False):
    def macro_step(rho, r, F, peak, behind, ahead):
        first, last = (behind, ahead) if ends is None else ends(rho, behind, ahead)
        road = np.concatenate([[first], rho, [last]])
        loss = np.diff(edge_flux(road[:-1], road[1:], F, peak))
        loss = loss * (r if times else 1.0) if not over else loss / r
        if frozen:
            loss[0] = loss[-1] = 0.0
        return (rho if add else 0.0) + sign * loss

    return macro_step


def turned(rho, r, F, peak, behind, ahead):
    road = np.concatenate([[behind], rho, [ahead]])
    return rho - r * np.diff(edge_flux(road[1:], road[:-1], F, peak))


def not_conserved(rho, r, F, peak, behind, ahead):
    road = np.concatenate([[behind], rho, [ahead]])
    return rho - r * (F(road[1:-1]) - F(road[:-2]))


def chord(left, right, F):
    return (F(left) - F(right)) / (left - right)


def slope(F, rho, h=1e-6):
    return (F(rho + h) - F(rho - h)) / (2 * h)


CASES = [
    right(checks.one_step, step_by()),
    right(checks.one_step, step_by_loop),
    right(checks.one_step, lambda r, p, rng: list(step_by()(r, p, rng))),
    mistake(checks.one_step, step_by(follow=True), "the jam moves as one"),
    mistake(checks.one_step, step_by(way=-1), "cars move to the left"),
    mistake(checks.one_step, lambda r, p, rng: (r.copy(), 0.0 * r.mean(axis=1)), "and nothing has"),
    mistake(checks.one_step, looks_behind, "the place behind it"),
    mistake(checks.one_step, between_rings, "to another ring"),
    mistake(checks.one_step, step_by(keep=True), "still at its old place"),
    mistake(checks.one_step, step_by(lose=True), "appears nowhere"),
    mistake(checks.one_step, step_by(closed=False), "the ring is not closed"),
    mistake(checks.one_step, off_the_road, "has left the road: after it comes place 0"),
    mistake(checks.one_step, step_by(flux=lambda r, m, p: m.sum(axis=1)), "divide by the places"),
    mistake(
        checks.one_step,
        step_by(flux=lambda r, m, p: m.sum(axis=1) / np.maximum(1, r.sum(axis=1))),
        "the number of cars",
    ),
    mistake(checks.one_step, step_by(flux=lambda r, m, p: m.sum(axis=1) / 60), "you divide by 60"),
    mistake(checks.one_step, step_by(flux=lambda r, m, p: r.mean(axis=1)), "this is the share of cars"),
    mistake(
        checks.one_step, step_by(flux=lambda r, m, p: p * (r & ~ahead(r)).mean(axis=1)), "this is what one expects"
    ),
    mistake(checks.one_step, step_by(flux=lambda r, m, p: (r & ~ahead(r)).mean(axis=1)), "that can move; count those"),
    mistake(checks.one_step, step_by(flux=lambda r, m, p: m.mean()), "array of shape (2,)"),
    mistake(checks.one_step, step_by(used=1.0), "where is p?"),
    mistake(checks.one_step, step_by(chance=lambda r, rng: np.full(r.shape, rng.random())), "share one random number"),
    mistake(checks.one_step, step_by(below=False), "yours if it is above"),
    mistake(checks.one_step, lambda r, p, rng: step_by(used=p if p == 1 else 0.5)(r, p, rng), "you took 0.5"),
    mistake(checks.one_step, lambda r, p, rng: step_by(used=p if p == 1 else 0.4)(r, p, rng), "is off by"),
    mistake(checks.one_step, step_by(chance=lambda r, rng: rng.random((len(r), 1))), "a random number of its own"),
    mistake(checks.one_step, step_by(chance=lambda r, rng: rng.random((1, r.shape[1]))), "every ring needs numbers"),
    mistake(checks.one_step, step_by(chance=lambda r, rng: np.random.default_rng(0).random(r.shape)), "two seeds give"),
    mistake(
        checks.one_step, step_by(chance=lambda r, rng: np.random.default_rng().random(r.shape)), "the same seed gives"
    ),
    mistake(checks.one_step, in_place, "has changed an array"),
    mistake(checks.one_step, lambda r, p, rng: step_by()(r, p, rng)[0], "should return two things"),
    nonsense(
        checks.one_step, lambda r, p, rng: (0.5 * r, r.mean(axis=1)), "free and taken places only", label="halves"
    ),
    right(checks.one_step, step_by(hurries=second), CLASS),
    right(checks.one_step, hurried_by_loop, CLASS),
    mistake(checks.one_step, step_by(), CLASS, "nobody hurries"),
    mistake(checks.one_step, step_by(hurries=lambda rings: rings), CLASS, "everybody hurries"),
    mistake(checks.one_step, step_by(hurries=lambda rings: ~second(rings)), CLASS, "who have two free places ahead"),
    mistake(
        checks.one_step,
        step_by(hurries=lambda rings: np.roll(rings, 1, axis=1)),
        CLASS,
        "is np.roll(rings, -2, axis=1)",
    ),
    mistake(
        checks.one_step,
        step_by(hurries=lambda rings: np.roll(rings, -3, axis=1)),
        CLASS,
        "is np.roll(rings, -2, axis=1)",
    ),
    *nonsense_functions(checks.one_step),
    right(checks.error_bar, estimate),
    right(checks.error_bar, lambda s: np.array(estimate(s)).tolist()),
    mistake(checks.error_bar, bar(lambda s: s.std(ddof=1) / np.sqrt(s.size)), "within a ring they are not"),
    mistake(checks.error_bar, bar(lambda s: s.std() / np.sqrt(s.size)), "and without ddof"),
    mistake(
        checks.error_bar,
        bar(lambda s: s.mean(axis=1).std(ddof=1) / np.sqrt(len(s))),
        "average over the rings and compare",
    ),
    mistake(checks.error_bar, bar(lambda s: s.mean(axis=0).std() / np.sqrt(s.shape[1])), "use ddof=1"),
    mistake(checks.error_bar, bar(lambda s: s.mean(axis=0).std(ddof=1)), "the scatter of one ring"),
    mistake(checks.error_bar, bar(lambda s: s.mean(axis=0).std(ddof=1) / s.shape[1]), "not by the number"),
    mistake(checks.error_bar, bar(lambda s: s.mean(axis=0).std(ddof=1) / np.sqrt(len(s))), "not of the steps"),
    mistake(checks.error_bar, bar(lambda s: s.mean(axis=0).std(ddof=1) / np.sqrt(s.size)), "not of all values"),
    mistake(checks.error_bar, bar(lambda s: estimate(s)[1] ** 2), "this is a variance"),
    mistake(checks.error_bar, lambda s: (s.mean(axis=0)[0], estimate(s)[1]), "the mean of 24 series"),
    mistake(checks.error_bar, lambda s: estimate(s)[::-1], "the mean comes first"),
    mistake(checks.error_bar, bar(lambda s: s.std()), "the scatter of single values"),
    mistake(checks.error_bar, lambda s: s.mean(), "should return two things"),
    mistake(
        checks.error_bar,
        bar(lambda s: s.mean(axis=0).std(ddof=1) / np.sqrt(24)),
        "the standard error of ten rings is off",
    ),
    *nonsense_functions(checks.error_bar),
    right(checks.godunov, edge_flux),
    right(
        checks.godunov,
        lambda le, ri, F, pk: np.where(
            F(np.minimum(le, pk)) < F(np.maximum(ri, pk)), F(np.minimum(le, pk)), F(np.maximum(ri, pk))
        ),
    ),
    mistake(checks.godunov, lambda le, ri, F, pk: (F(le) + F(ri)) / 2, "the mean of both fluxes"),
    mistake(checks.godunov, lambda le, ri, F, pk: F((le + ri) / 2), "the flux at the mean density"),
    mistake(checks.godunov, lambda le, ri, F, pk: F(le), "the flux of the left cell"),
    mistake(checks.godunov, lambda le, ri, F, pk: F(ri), "the flux of the right cell"),
    mistake(checks.godunov, lambda le, ri, F, pk: np.minimum(F(le), F(ri)), "nothing would ever start"),
    mistake(checks.godunov, lambda le, ri, F, pk: np.maximum(F(le), F(ri)), "pass a red light"),
    mistake(checks.godunov, edge_by(compare=np.maximum), "it is the smaller"),
    mistake(checks.godunov, edge_by(swap=True), "left and right are exchanged, or D and S"),
    mistake(checks.godunov, edge_by(send=np.maximum, take=np.minimum), "or D and S: the left cell"),
    mistake(checks.godunov, lambda le, ri, F, pk: F(np.minimum(le, pk)), "what the left cell sends"),
    mistake(checks.godunov, lambda le, ri, F, pk: F(np.maximum(ri, pk)), "what the right cell takes"),
    mistake(checks.godunov, edge_by(peak_of=lambda peak: 0.5), "you took 1/2"),
    mistake(checks.godunov, lambda le, ri, F, pk: (F(le) + F(ri)) / 2 - (ri - le) / 2, "Rusanov"),
    mistake(checks.godunov, lambda le, ri, F, pk: np.minimum(le, 1 - ri), "between two cells of the same density"),
    *nonsense_functions(checks.godunov),
    right(checks.one_macro_step, macro_by()),
    mistake(checks.one_macro_step, macro_by(sign=1.0), "is taken away from the cell"),
    mistake(checks.one_macro_step, macro_by(times=False), "r is missing"),
    mistake(checks.one_macro_step, macro_by(over=True), "you divide by r"),
    mistake(checks.one_macro_step, macro_by(ends=lambda rho, b, a: (rho[-1], rho[0])), "closed to a ring"),
    mistake(checks.one_macro_step, macro_by(ends=lambda rho, b, a: (a, b)), "behind and ahead are exchanged"),
    mistake(checks.one_macro_step, macro_by(ends=lambda rho, b, a: (rho[0], rho[-1])), "goes on as in the last cell"),
    mistake(checks.one_macro_step, macro_by(ends=lambda rho, b, a: (0.0, 1.0)), "an even road in even traffic"),
    mistake(checks.one_macro_step, macro_by(frozen=True), "the first and the last cell stay as they are"),
    mistake(checks.one_macro_step, macro_by(add=False), "an even road in even traffic"),
    mistake(checks.one_macro_step, turned, "left first"),
    mistake(checks.one_macro_step, not_conserved, "is off by"),
    *nonsense_functions(checks.one_macro_step),
    right(checks.rankine_hugoniot, chord),
    right(checks.rankine_hugoniot, lambda le, ri, F: (F(ri) - F(le)) / (ri - le)),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: -chord(le, ri, F), "the sign"),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: 1 / chord(le, ri, F), "one over the speed"),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: F(le) - F(ri), "divide by that of the densities"),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: F(ri) - F(le), "the other way round"),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: slope(F, (le + ri) / 2), "the derivative of F at the mean"),
    mistake(
        checks.rankine_hugoniot, lambda le, ri, F: (slope(F, le) + slope(F, ri)) / 2, "the mean of the wave speeds"
    ),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: F(le) / le, "the speed of a car"),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: (F(le) - F(ri)) / (le + ri), "the densities are added"),
    mistake(checks.rankine_hugoniot, lambda le, ri, F: 2 * chord(le, ri, F), "is off by"),
    *nonsense_functions(checks.rankine_hugoniot),
]
