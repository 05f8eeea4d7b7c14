"""Answers to exercise 7, right and wrong."""

import numpy as np

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_course.checks import ex07 as checks
from hmm_course.variants import numbers

CLASS, OTHER = 9, 23  # where a car moves at a rate v below 1; in the other class exp(v) - 1 is nearly 1
V, V_OTHER = (numbers("07", seed)["v"] for seed in (CLASS, OTHER))


def ahead(rings):
    return np.roll(rings, -1, axis=1)


def flux(rings):
    return (rings & ~ahead(rings)).mean(axis=1)


def flux_by_loop(rings):
    length = rings.shape[1]
    return [sum(bool(r[k]) and not r[(k + 1) % length] for k in range(length)) / length for r in rings]


def open_road(rings):
    return (rings[:, :-1] & ~rings[:, 1:]).sum(axis=1) / rings.shape[1]


def sweep_by(
    places=lambda rng, L, R: rng.integers(L, size=(L, R)),
    step=1,
    closed=True,
    exclusion=True,
    copy=True,
    swap=False,
    rate=1.0,
):
    """A sweep, and what can go wrong with it."""

    def sweep(rings, rng):
        replicas, length = rings.shape
        new, row = (rings.copy() if copy else rings), np.arange(replicas)
        for place in places(rng, length, replicas):
            target = place + step
            inside = (target >= 0) & (target < length)
            target = target % length
            move = new[row, place] ^ new[row, target] if swap else new[row, place].copy()
            if exclusion and not swap:
                move &= ~new[row, target]
            if not closed:
                move &= inside
            if rate < 1:
                move &= rng.random(replicas) < rate
            new[row, place] ^= move
            if swap:
                new[row, target] ^= move
            else:
                new[row, target] |= move
        return new

    return sweep


def sweep_by_loop(rings, rng):
    new = [list(ring) for ring in rings]
    for ring in new:
        for k in rng.integers(len(ring), size=len(ring)):
            n = (k + 1) % len(ring)
            if ring[k] and not ring[n]:
                ring[k], ring[n] = False, True
    return np.array(new)


def all_at_once(rings, rng):
    move = rings & ~ahead(rings)
    return (rings & ~move) | np.roll(move, 1, axis=1)


def each_car_by_chance(rings, rng):
    """Rate 1 in time steps of 1/L, but all cars at once and blocked by where the others were."""
    new = rings
    for _ in range(rings.shape[1]):
        move = new & ~ahead(new) & (rng.random(new.shape) < 1 / rings.shape[1])
        new = (new & ~move) | np.roll(move, 1, axis=1)
    return new


def the_cars_themselves(rings, rng):
    new = rings.copy()
    for ring in new:
        for _ in range(len(ring)):
            k = rng.choice(np.flatnonzero(ring))
            n = (k + 1) % len(ring)
            if not ring[n]:
                ring[k], ring[n] = False, True
    return new


def each_car_once(rings, rng):
    """As many attempts as cars, each with one of the cars."""
    new = rings.copy()
    for ring in new:
        for _ in range(ring.sum()):
            k = rng.choice(np.flatnonzero(ring))
            n = (k + 1) % len(ring)
            if not ring[n]:
                ring[k], ring[n] = False, True
    return new


def clock(rings, rng):
    return sweep_by()(rings, np.random.default_rng())


def frozen_neighbours(rings, rng):
    """Looks at the rings as they were at the beginning of the sweep."""
    new, row, length = rings.copy(), np.arange(len(rings)), rings.shape[1]
    blocked = ahead(rings)
    for place in rng.integers(length, size=(length, len(rings))):
        move = new[row, place] & ~blocked[row, place] & ~new[row, (place + 1) % length]
        new[row, place] ^= move
        new[row, (place + 1) % length] |= move
    return new


def line(t, bias):
    return np.polyfit(t, np.log(np.abs(bias)), 1)[0]


def mixing_by(start=0.5, centre=True, divide=True, window=6.0, factor=1.0, biased=False):
    def mixing_time(series):
        d = series - series.mean() if centre else series
        scale = np.mean(d * d) if divide else 1.0
        tau = start
        for k in range(1, len(d)):
            tau += (np.sum(d[k:] * d[:-k]) / len(d) if biased else np.mean(d[k:] * d[:-k])) / scale
            if k >= window * tau:
                break
        return factor * tau

    return mixing_time


def all_lags(series):
    d = series - series.mean()
    power = np.abs(np.fft.rfft(d, 2 * len(d))) ** 2
    r = np.fft.irfft(power)[: len(d)]
    return 0.5 + np.sum(r[1:] / r[0])


def centred_in_place(series):
    series -= series.mean()
    return mixing_by()(series)


def while_positive(series):
    d, tau = series - series.mean(), 0.5
    for k in range(1, len(d)):
        r = np.mean(d[k:] * d[:-k]) / np.mean(d * d)
        if r < 0:
            break
        tau += r
    return tau


def means_of(series, batches):
    length = len(series) // batches
    return series[: batches * length].reshape(batches, length).mean(axis=1)


def error_bar(series, batches):
    return means_of(series, batches).std(ddof=1) / np.sqrt(batches)


def by_split(series, batches):
    return np.std([piece.mean() for piece in np.array_split(series, batches)], ddof=1) / np.sqrt(batches)


def no_rest(series, batches):
    return series.reshape(batches, -1).mean(axis=1).std(ddof=1) / np.sqrt(batches)


def step_by(mean=0.5, jump=0.5, sign=-1.0, use_ratio=True, closed=True):
    def macro_step(rho, F, ratio):
        edge = mean * (F + np.roll(F, -1)) - jump * (np.roll(rho, -1) - rho)
        change = edge - np.roll(edge, 1)
        if not closed:
            change[0] = change[-1] = 0.0
        return rho + sign * (ratio if use_ratio else 1.0) * change

    return macro_step


def step_with(edge_of):
    def macro_step(rho, F, ratio):
        edge = edge_of(rho, F, ratio)
        return rho - ratio * (edge - np.roll(edge, 1))

    return macro_step


def rusanov(rho, F, ratio=None):
    return (F + np.roll(F, -1)) / 2 - (np.roll(rho, -1) - rho) / 2


def random_order(rng, length, replicas):
    return rng.permuted(np.tile(np.arange(length), (replicas, 1)), axis=1).T


CASES = [
    right(checks.configuration_flux, flux),
    right(checks.configuration_flux, flux_by_loop),
    mistake(checks.configuration_flux, lambda r: (r & ~ahead(r)).sum(axis=1), "divide by the places"),
    mistake(
        checks.configuration_flux,
        lambda r: (r & ~ahead(r)).sum(axis=1) / np.maximum(r.sum(axis=1), 1),
        "divide by the number of cars",
    ),
    mistake(checks.configuration_flux, lambda r: (r & ~ahead(r)).sum(axis=1) / r.sum(axis=1), "an empty ring has none"),
    mistake(checks.configuration_flux, lambda r: (r & ~ahead(r)).sum(axis=1) / 40, "you divide by 40"),
    mistake(checks.configuration_flux, lambda r: r.mean(axis=1) * ~r.all(axis=1), "only those with a free place ahead"),
    mistake(checks.configuration_flux, lambda r: r.mean(axis=1), "on a full ring nobody can move"),
    mistake(checks.configuration_flux, lambda r: (~ahead(r)).mean(axis=1), "on an empty ring nobody moves"),
    mistake(checks.configuration_flux, lambda r: r.mean(axis=1) * (1 - r.mean(axis=1)), "look at the arrangement"),
    mistake(checks.configuration_flux, open_road, "the ring is not closed"),
    mistake(checks.configuration_flux, lambda r: flux(r).mean(), "array of shape (2,)"),
    mistake(checks.configuration_flux, lambda r: (r & ~ahead(r)).mean(axis=0), "array of shape (2,)"),
    mistake(checks.configuration_flux, lambda r: (r & ~np.roll(r, -2, axis=1)).mean(axis=1), "is off by"),
    right(checks.configuration_flux, lambda r: V * flux(r), CLASS),
    mistake(checks.configuration_flux, flux, CLASS, "at the rate v, not at the rate 1"),
    mistake(checks.configuration_flux, lambda r: V * (r & ~ahead(r)).sum(axis=1), CLASS, "v times the number of cars"),
    *nonsense_functions(checks.configuration_flux),
    right(checks.one_sweep, sweep_by()),
    right(checks.one_sweep, sweep_by_loop),
    right(checks.one_sweep, lambda r, rng: sweep_by()(r, rng).astype(int)),
    mistake(checks.one_sweep, sweep_by(step=-1), "cars move to the left"),
    mistake(checks.one_sweep, sweep_by(closed=False), "a car on the last place never gets on"),
    mistake(checks.one_sweep, sweep_by(exclusion=False), "the number of cars on a ring changes"),
    mistake(checks.one_sweep, sweep_by(copy=False), "has changed an array"),
    mistake(checks.one_sweep, sweep_by(swap=True), "cars move back as often as ahead"),
    mistake(
        checks.one_sweep, sweep_by(lambda rng, L, R: rng.integers(L, size=(1, R))), "one unit of time has L attempts"
    ),
    mistake(
        checks.one_sweep,
        sweep_by(lambda rng, L, R: np.repeat(rng.integers(L, size=(L, 1)), R, axis=1)),
        "a random place of its own",
    ),
    mistake(checks.one_sweep, sweep_by(random_order), "every place is tried exactly once"),
    mistake(checks.one_sweep, sweep_by(lambda rng, L, R: rng.integers(L - 1, size=(L, R))), "one place is never tried"),
    mistake(checks.one_sweep, sweep_by(lambda rng, L, R: rng.integers(L, size=(R, R))), "far more than L attempts"),
    mistake(checks.one_sweep, sweep_by(lambda rng, L, R: rng.integers(L, size=(L // 2, R))), "is off by"),
    mistake(checks.one_sweep, sweep_by(lambda rng, L, R: rng.integers(40, size=(40, R))), "the exercise has 40"),
    mistake(checks.one_sweep, all_at_once, "a random place of its own"),
    mistake(checks.one_sweep, each_car_once, "not of the cars"),
    mistake(checks.one_sweep, lambda r, rng: sweep_by()(r, np.random.default_rng(0)), "unseeded by you"),
    mistake(checks.one_sweep, lambda r, rng: sweep_by()(r, rng).tolist(), "should be an array, as what went in"),
    mistake(checks.one_sweep, the_cars_themselves, "An attempt tries one of the L places"),
    mistake(checks.one_sweep, each_car_by_chance, "wrong frequencies"),
    mistake(checks.one_sweep, frozen_neighbours, "wrong frequencies"),
    mistake(checks.one_sweep, clock, "take every random number from rng"),
    right(checks.one_sweep, sweep_by(rate=V), CLASS),
    right(checks.one_sweep, sweep_by(rate=V_OTHER), OTHER),
    mistake(checks.one_sweep, sweep_by(), CLASS, "at the rate v, not at the rate 1"),
    mistake(checks.one_sweep, sweep_by(), OTHER, "at the rate v, not at the rate 1"),
    mistake(checks.one_sweep, sweep_by(random_order, rate=V_OTHER), OTHER, "every place is tried exactly once"),
    nonsense(checks.one_sweep, lambda r, rng: 0.5 * r, "free and taken places only", label="halves"),
    nonsense(checks.one_sweep, lambda r, rng: r, "nothing moves", label="nothing moves"),
    *nonsense_functions(checks.one_sweep),
    right(checks.forgetting, lambda t, bias: -1 / line(t, bias)),
    right(checks.forgetting, lambda t, b: -1 / np.linalg.lstsq(np.c_[t, 1 + 0 * t], np.log(abs(b)), rcond=None)[0][0]),
    mistake(checks.forgetting, lambda t, bias: 1 / line(t, bias), "the sign"),
    mistake(checks.forgetting, line, "this is the slope"),
    mistake(checks.forgetting, lambda t, bias: -line(t, bias), "this is the rate"),
    mistake(checks.forgetting, lambda t, b: -1 / np.polyfit(t, np.log10(abs(b)), 1)[0], "the natural logarithm"),
    mistake(checks.forgetting, lambda t, b: -1 / np.polyfit(t, np.log(abs(b)), 1)[1], "from the intercept"),
    mistake(checks.forgetting, lambda t, b: -1 / np.polyfit(t, abs(b), 1)[0], "its logarithm is"),
    mistake(checks.forgetting, lambda t, b: -(t @ t) / (t @ np.log(abs(b))), "need not pass through 0"),
    mistake(checks.forgetting, lambda t, b: -np.polyfit(np.log(abs(b)), t, 1)[0], "t is fitted over"),
    mistake(checks.forgetting, lambda t, bias: -np.log(2) / line(t, bias), "half is forgotten"),
    mistake(checks.forgetting, lambda t, bias: -1 / np.polyfit(t, np.log(bias), 1)[0], "take the absolute value"),
    mistake(
        checks.forgetting, lambda t, b: -(t[-1] - t[0]) / np.log(abs(b[-1] / b[0])), "the first and the last value only"
    ),
    mistake(checks.forgetting, lambda t, bias: -2 / line(t, bias), "is off by"),
    *nonsense_functions(checks.forgetting),
    right(checks.mixing, mixing_by()),
    right(checks.mixing, mixing_by(window=8.0)),
    right(checks.mixing, mixing_by(biased=True)),
    mistake(checks.mixing, mixing_by(centre=False), "subtract the mean"),
    mistake(checks.mixing, mixing_by(divide=False), "divide by the variance"),
    mistake(checks.mixing, mixing_by(start=1.0), "r_0 counts half"),
    mistake(checks.mixing, mixing_by(factor=2.0), "not yet 2 tau"),
    mistake(checks.mixing, mixing_by(start=0.0, window=50.0), "is the 1/2 there"),
    mistake(checks.mixing, all_lags, "always add up to -1/2"),
    mistake(checks.mixing, mixing_by(window=1.0), "you stop too early"),
    mistake(checks.mixing, while_positive, "at the first negative r_k"),
    mistake(checks.mixing, centred_in_place, "mixing_time has changed an array"),
    mistake(checks.mixing, lambda series: 0.75, "stop at the first lag"),
    mistake(checks.mixing, mixing_by(window=2.0), "is off by"),
    *nonsense_functions(checks.mixing),
    right(checks.batch_means, error_bar),
    right(checks.batch_means, by_split),
    mistake(checks.batch_means, lambda s, b: s.std(ddof=1) / np.sqrt(s.size), "the naive bar: compare"),
    mistake(checks.batch_means, lambda s, b: s.std() / np.sqrt(s.size), "without ddof"),
    mistake(checks.batch_means, lambda s, b: means_of(s, b).std() / np.sqrt(b), "use ddof=1"),
    mistake(checks.batch_means, lambda s, b: means_of(s, b).std(ddof=1), "the scatter of one batch mean"),
    mistake(checks.batch_means, lambda s, b: means_of(s, b).std(ddof=1) / np.sqrt(s.size // b), "not of their length"),
    mistake(checks.batch_means, lambda s, b: means_of(s, b).std(ddof=1) / b, "not by the number"),
    mistake(checks.batch_means, lambda s, b: error_bar(s, b) ** 2, "this is a variance"),
    mistake(
        checks.batch_means,
        lambda s, b: s.reshape(-1, b).mean(axis=0).std(ddof=1) / np.sqrt(b),
        "successive values belong into one batch",
    ),
    mistake(
        checks.batch_means,
        lambda s, b: s.reshape(-1, b).mean(axis=1).std(ddof=1) / np.sqrt(s.size // b),
        "there should be 20 batches",
    ),
    mistake(checks.batch_means, lambda s, b: error_bar(s, 20), "you took 20"),
    mistake(checks.batch_means, lambda s, b: error_bar(s, b) * (1 + (b > 20)), "error_bar for 40 batches is off"),
    mistake(checks.batch_means, lambda s, b: means_of(s, b).std(ddof=1) / np.sqrt(s.size), "not of all values"),
    mistake(checks.batch_means, lambda s, b: means_of(s, b).std(ddof=1) / np.sqrt(b - 1), "comes in once"),
    mistake(checks.batch_means, lambda s, b: s.reshape(b, -1).mean(axis=0).std(ddof=1) / np.sqrt(b), "the other axis"),
    right(checks.batch_means, lambda s, b: means_of(s, b).std() / np.sqrt(b - 1)),
    mistake(checks.batch_means, no_rest, "13 left over"),
    mistake(checks.batch_means, lambda s, b: 0.1, "a constant series has an error bar of zero"),
    *nonsense_functions(checks.batch_means),
    right(checks.conservative_step, step_by()),
    mistake(checks.conservative_step, step_by(sign=1.0), "is taken away from the cell"),
    mistake(checks.conservative_step, step_by(jump=0.0), "without it the scheme is unstable"),
    mistake(checks.conservative_step, step_by(jump=-0.5), "from dense to thin"),
    mistake(checks.conservative_step, step_by(jump=1.0), "in front of the difference of densities"),
    mistake(checks.conservative_step, step_by(mean=1.0), "it is their mean"),
    mistake(checks.conservative_step, step_by(mean=1.0, jump=1.0), "both factors"),
    mistake(checks.conservative_step, step_with(lambda rho, F, ratio: F), "this is the flux of the left cell"),
    mistake(
        checks.conservative_step, step_with(lambda rho, F, ratio: np.roll(F, -1)), "this is the flux of the right cell"
    ),
    mistake(
        checks.conservative_step,
        step_with(lambda rho, F, ratio: (F + np.roll(F, -1)) / 2 - (np.roll(rho, -1) - rho) / (2 * ratio)),
        "Lax and Friedrichs",
    ),
    mistake(checks.conservative_step, step_by(use_ratio=False), "ratio is missing"),
    mistake(
        checks.conservative_step,
        lambda rho, F, ratio: rho - ratio * (np.roll(rusanov(rho, F), -1) - rusanov(rho, F)),
        "shifted by one cell",
    ),
    right(checks.conservative_step, lambda rho, F, ratio: step_by()(rho, F, ratio).tolist()),
    mistake(
        checks.conservative_step,
        lambda rho, F, ratio: rho - ratio * (rusanov(rho, F) - np.roll(rusanov(rho, F), -1)),
        "yours is that of cell i+1",
    ),
    mistake(
        checks.conservative_step,
        step_with(lambda rho, F, ratio: (F + np.roll(F, 1)) / 2 - (np.roll(rho, 1) - rho) / 2),
        "rolled the wrong way",
    ),
    mistake(checks.conservative_step, step_with(lambda rho, F, ratio: rusanov(rho, rho * (1 - rho))), "computed anew"),
    mistake(checks.conservative_step, lambda rho, F, ratio: step_by()(rho, F, ratio) - rho, "an even density"),
    mistake(checks.conservative_step, lambda rho, F, ratio: rho - ratio * rusanov(rho, F), "an even density"),
    mistake(checks.conservative_step, step_by(closed=False), "around the ring too"),
    mistake(checks.conservative_step, step_by(jump=0.7), "is off by"),
    right(checks.conservative_step, step_by(jump=V / 2), CLASS),
    mistake(checks.conservative_step, step_by(), CLASS, "that of a car, and not 1"),
    *nonsense_functions(checks.conservative_step),
]
