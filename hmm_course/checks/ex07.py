"""Checks of exercise 7, a flux from a trajectory: exclusion process, mixing time, error bar, a step of finite volumes.

What is random is asked with seeds of the checks' own, and the tolerances are at least four standard errors.
"""

from collections.abc import Callable

import numpy as np

from hmm_course.checks import NAN, Array, array, ask, close, fail, kind, match, number, passed, recognise, require
from hmm_course.variants import numbers

ALIKE = "rings that start alike end alike: every ring needs a random place of its own."
NO_RATE = "a car that can move does so at the rate v, not at the rate 1: where is v?"
TOO_MANY = 30.0  # chi squared with five degrees of freedom exceeds this once in 70,000 times


def _rings(answer: object, name: str, shape: tuple[int, int]) -> Array:
    """The answer as rings of this shape, 0 and 1; an array of True and False is what is asked for."""
    require(not isinstance(answer, list | tuple), f"{name} should be an array, as what went in; it is {kind(answer)}.")
    if isinstance(answer, np.ndarray) and answer.dtype == bool:
        answer = answer.astype(int)
    value = array(answer, name, shape)
    require((value == 0) | (value == 1), f"{name} should consist of free and taken places only, True and False.")
    return value


def configuration_flux(flux: Callable[[Array], Array], seed: int = 0) -> None:
    """flux(rings): the share of places that hold a car with a free place ahead, times the rate v, for each ring."""
    v = numbers("07", seed)["v"]
    times = "" if v == 1 else "v times "

    def of(rings: Array, case: str, nan: str = NAN) -> Array:
        return array(ask(flux, rings.copy(), name="flux", case=case), "flux(rings)", (len(rings),), nan)

    places = np.arange(8)
    empty_full = of(
        np.array([places < 0, places >= 0]),
        "an empty and a full ring of 8 places",
        "if you divide by the number of cars, an empty ring has none; the flux is counted per place of the road",
    )
    require(empty_full[0] == 0, "on an empty ring nobody moves: the flux is 0.")
    require(empty_full[1] == 0, "on a full ring nobody can move: a car counts only if the place ahead is free.")

    jams = np.array([places < 3, places >= 5])
    front, end = of(jams, "jams of three cars on 8 places, at the beginning and at the end")
    recognise(
        front,
        {
            f"for a jam of three cars on 8 places this is {v:g}, {times}the number of cars that can move: divide by the "
            "places.": v,
            "you divide by 40; how many places these rings have is rings.shape[1].": v / 40,
            "you divide by the number of cars; the flux is counted per place of the road.": v / 3,
            "this is the share of cars; only those with a free place ahead move.": v * 3 / 8,
            "this is the share of cars times the share of free places; look at the arrangement itself.": v * 15 / 64,
        },
    )
    match(front, v / 8, "the flux of a jam of three cars on 8 places", mistakes={NO_RATE: 1 / 8})
    require(end > 0, "the ring is not closed: after the last place comes place 0.")
    match(end, v / 8, "the flux of a jam at the end of the ring")

    rings = np.random.default_rng(0).random((6, 11)) < 0.5
    expected = [v * np.mean([ring[k] and not ring[(k + 1) % 11] for k in range(11)]) for ring in rings]
    match(of(rings, "six random rings of 11 places"), expected, "the flux of six random rings")
    passed("0 on empty and full rings", "1/L in a jam" if v == 1 else "v/L in a jam", "the ring is closed")


def _exact_sweep(start: tuple[int, ...], v: float) -> dict[tuple[int, ...], float]:
    """Probabilities of the configurations after one sweep: L attempts at independent random places, each a move with chance v."""
    length, now = len(start), {start: 1.0}
    for _ in range(length):
        then: dict[tuple[int, ...], float] = {}
        for state, p in now.items():
            for k in range(length):
                new, ahead = list(state), (k + 1) % length
                chance = v if state[k] and not state[ahead] else 0
                if chance:
                    new[k], new[ahead] = 0, 1
                for later, share in ((tuple(new), chance), (state, 1 - chance)):
                    then[later] = then.get(later, 0.0) + share * p / length
        now = then
    return now


def one_sweep(sweep: Callable[[Array, np.random.Generator], Array], seed: int = 0) -> None:
    """sweep(rings, rng): the rings after L attempts, each at a random place of its own in every ring, with chance v."""
    v = numbers("07", seed)["v"]

    def after(rings: Array, seed: int, case: str) -> Array:
        answer = ask(sweep, rings.copy(), np.random.default_rng(seed), name="sweep", case=case)
        return _rings(answer, "sweep(rings, rng)", rings.shape)

    mixed = np.random.default_rng(1).random((500, 10)) < 0.5
    moved = after(mixed, 2, "500 random rings of 10 places (the exercise has 40)")
    require(
        moved.sum(axis=1) == mixed.sum(axis=1),
        "the number of cars on a ring changes: a car moves only if the place ahead is free, and then leaves its own.",
    )
    again = after(mixed, 2, "500 random rings of 10 places, once more")
    require(close(moved, again), "the same seed gives two different answers: take every random number from rng.")
    other = after(mixed, 3, "500 random rings of 10 places, with another seed")
    if close(moved, other) and not close(moved, mixed):
        jammed = after(np.tile(np.arange(10) < 5, (500, 1)), 2, "500 equal rings of 10 places")
        alike = close(jammed, jammed[:1] + 0 * jammed)
        fail(
            ALIKE
            if alike
            else "two seeds give the same answer: take the numbers from rng as it comes, unseeded by you."
        )

    length, replicas = 12, round(4000 / v)  # as many moves at any rate

    def way(place: int) -> Array:
        """How far a lone car comes in a sweep, between -6 and 5."""
        rings = after(np.tile(np.arange(length) == place, (replicas, 1)), 3, f"one car, on place {place} of {length}")
        return np.mod(rings.argmax(axis=1) - place + 6, length) - 6

    steps, last = way(3), way(length - 1)
    mean = steps.mean()
    require(
        np.any(steps),
        "a lone car is where it was, in every ring: either nothing moves, or each attempt tries the car itself, which "
        "takes it once around the ring. An attempt tries one of the L places.",
    )
    if steps.std() == 0:
        jammed = after(np.tile(np.arange(length) < 6, (replicas, 1)), 3, "six cars in a jam on 12 places")
        require(not close(jammed, jammed[:1] + 0 * jammed), ALIKE)
        fail(
            "a lone car moves once in every ring, without fail: an attempt tries one of the L places, not of the cars."
        )
    require(
        abs(mean + 0.5) > 0.25 or steps.std() < 3,  # one of the 12 places, all equally likely
        "after a sweep a lone car is anywhere: that is far more than L attempts, and L is rings.shape[1].",
    )
    recognise(
        mean,
        {
            "one place is never tried, the others too often: rng.integers(L) draws 0 to L - 1.": v
            * length
            / (length - 1)
        },
        atol=0.03 * v,  # two standard errors
    )
    if v != 1:
        # Near v = 0.7 whoever tries every place once comes as far as whoever forgets v; but how many cars stay, differs.
        seen = np.array([mean, np.mean(steps == 0)])
        without_v, once_each = np.array([1, (1 - 1 / length) ** length]), np.array([np.exp(v) - 1, 1 - v])
        if abs(seen - without_v).sum() < abs(seen - once_each).sum():
            recognise(mean, {NO_RATE: 1.0}, atol=0.06)
    recognise(
        mean,
        {
            "cars move to the left; the place ahead is the one with the next higher number.": -v,
            "cars move back as often as ahead: only a car may move, a free place may not.": 0,
            "a lone car moves once in L sweeps: one unit of time has L attempts, not one.": v / length,
            "every place is tried exactly once, in random order; attempts are independent of each other.": np.exp(v)
            - 1,
        },
        atol=0.06 * v,  # four standard errors of a mean of 4000 ways
    )
    match(mean, v, "the mean way of a lone car", atol=0.08 * v)
    require(np.any(last), "a car on the last place never gets on: after it comes place 0.")

    start = (1, 1, 0, 0)
    probability = _exact_sweep(start, v)
    rings = after(np.tile(np.array(start, dtype=bool), (replicas, 1)), 4, "two cars in a jam on 4 places")
    counts = {state: np.sum(np.all(rings == state, axis=1)) for state in probability}
    chi2 = sum((counts[state] - replicas * p) ** 2 / (replicas * p) for state, p in probability.items())
    if chi2 > TOO_MANY:
        fail(
            "two cars in a jam on 4 places end up in the six possible arrangements with the wrong frequencies. In each "
            "attempt a car sees where the others are at that moment; L attempts follow one after the other."
        )
    passed(
        "cars are conserved",
        f"a lone car moves {'one place' if v == 1 else f'{v} places'} per sweep",
        "a jam dissolves with the exact probabilities",
    )


def forgetting(forgetting_time: Callable[[Array, Array], float]) -> None:
    """forgetting_time(t, bias): tau of the least-squares line log|bias| = c - t/tau."""

    def of(t: Array, bias: Array, case: str, nan: str = NAN) -> float:
        answer = ask(forgetting_time, t, bias, name="forgetting_time", case=case)
        return number(answer, f"forgetting_time for {case}", nan)

    t, tau = np.arange(10, 41), 8.0
    bias = 0.3 * np.exp(-t / tau)
    value = of(t, bias, "bias = 0.3 exp(-t/8)")
    recognise(
        value,
        {
            "the sign: the slope is negative, a time is not.": -tau,
            "this is the slope of the line; tau is minus one over it.": -1 / tau,
            "this is the rate 1/tau, not the time tau.": 1 / tau,
            "use the natural logarithm, np.log; log10 measures powers of 10, not of e.": tau * np.log(10),
            "this comes from the intercept; np.polyfit returns the slope first.": -1 / np.log(0.3),
            "the bias itself is not a straight line in t; its logarithm is.": -1 / np.polyfit(t, bias, 1)[0],
            "the line need not pass through 0 at t = 0: fit a slope and an intercept.": -(t @ t) / (t @ np.log(bias)),
            "this is the time in which half is forgotten; tau is the time for a factor e.": tau * np.log(2),
        },
    )
    match(value, tau, "forgetting_time for bias = 0.3 exp(-t/8)")
    negative = of(t, -bias, "a negative bias, -0.3 exp(-t/8)", "take the absolute value before the logarithm")
    match(negative, tau, "forgetting_time for a negative bias")
    rough = np.exp(-t / tau) * (1 + 0.5 * np.sin(7.0 * t**1.1))
    slope = np.polyfit(t, np.log(rough), 1)[0]
    ends = -(t[-1] - t[0]) / np.log(rough[-1] / rough[0])
    match(
        of(t, rough, "a noisy bias"),
        -1 / slope,
        "forgetting_time for a noisy bias",
        mistakes={
            "you use the first and the last value only; fit a line through all of them.": ends,
            "t is fitted over log|bias|; log|bias| over t was asked for.": -np.polyfit(np.log(rough), t, 1)[0],
        },
    )
    passed("a negative bias is as good as a positive one", "exp(-t/8) is forgotten in 8 sweeps")


def _memory(phi: float, length: int, seed: int) -> Array:
    """x_t = phi x_(t-1) + noise, stationary: autocorrelation phi^k, mixing time (1 + phi)/(1 - phi)/2."""
    noise = np.random.default_rng(seed).standard_normal(length)
    x = noise[0] / np.sqrt(1 - phi * phi)
    return np.array([x, *(x := phi * x + kick for kick in noise[1:].tolist())])


def _swing(length: int, seed: int) -> Array:
    """x_t = 1.5 x_(t-1) - 0.81 x_(t-2) + noise: r_k swings, with a factor 0.9 and an angle of 0.6 a step."""
    x = [0.0, 0.0]
    for kick in np.random.default_rng(seed).standard_normal(length + 98).tolist():
        x.append(1.5 * x[-1] - 0.81 * x[-2] + kick)
    return np.array(x[100:])


def mixing(mixing_time: Callable[[Array], float]) -> None:
    """mixing_time(series): 1/2 + r_1 + r_2 + ..., stopped at the first lag k >= 6 tau."""

    def of(series: Array, case: str) -> float:
        return number(ask(mixing_time, series.copy(), name="mixing_time", case=case), f"mixing_time for {case}")

    length = 20_000
    memory = _memory(0.8, length, 0)
    first = of(memory, "a series with r_k = 0.8^k")
    shifted = of(memory + 10.0, "the same series plus 10")
    require(
        close(shifted, first, rtol=1e-3, atol=1e-6),
        "the answer changes when 10 is added to the series: subtract the mean.",
    )
    scaled = of(3 * memory, "the same series times 3")
    require(
        close(scaled, first, rtol=1e-3, atol=1e-6),
        "the answer changes with the units of the series: divide by the variance.",
    )

    independent = of(np.random.default_rng(1).standard_normal(length), "independent random numbers")
    recognise(
        independent,
        {
            "independent numbers have tau = 1/2 and yours is about 1: r_0 counts half, and tau is not yet 2 tau.": 1.0,
            "independent numbers have tau = 1/2 and yours is about 0: is the 1/2 there, and do you stop? All estimated r_k "
            "together always add up to -1/2.": 0.0,
        },
        atol=0.15,
    )
    require(
        abs(independent - 0.5) < 0.15,
        f"independent numbers have tau = 1/2 and yours is {independent:.2g}: stop at the first lag k >= 6 tau.",
    )

    # one estimate scatters by sqrt(2 (2 W + 1)/T) = 7 % for a window W of 27 lags, the mean of six by 3 %
    value = np.mean([first, *(of(_memory(0.8, length, seed), "a series with r_k = 0.8^k") for seed in range(2, 7))])
    match(
        value,
        4.5,
        "mixing_time for series with r_k = 0.8^k",
        rtol=0.13,
        mistakes={"you stop too early: go on to a lag of six times the sum, not of the sum itself.": 1.94},
    )
    swing = _swing(length, 0)
    d = swing - swing.mean()
    r = [np.mean(d[k:] * d[:-k]) / np.mean(d * d) for k in range(1, 9)]
    recognise(
        of(swing, "a series whose r_k swing from plus to minus"),
        {"you stop at the first negative r_k. Some correlations swing: stop at a lag of six times the sum.": 0.5
         + sum(r[:next(k for k, r_k in enumerate(r) if r_k < 0)])},
        rtol=0.02,
    )  # fmt: skip
    passed("independent values have tau = 1/2", "the mean does not matter", "0.8^k adds up to 4.5, within 13 %")


def batch_means(error_bar: Callable[[Array, int], float]) -> None:
    """error_bar(series, batches): standard deviation of the batch means (ddof=1) over the root of their number."""

    def of(series: Array, batches: int, case: str) -> float:
        return number(ask(error_bar, series.copy(), batches, name="error_bar", case=case), f"error_bar for {case}")

    require(abs(of(np.full(200, 0.3), 10, "a constant series")) < 1e-12, "a constant series has an error bar of zero.")

    series, batches, case = _memory(0.9, 2000, 0), 20, "2000 values in 20 batches"
    means, mixed = series.reshape(batches, -1).mean(axis=1), series.reshape(-1, batches)
    right = means.std(ddof=1) / np.sqrt(batches)
    value = of(series, batches, case)
    recognise(
        value,
        {
            "this takes all values as independent, which is the naive bar: compare the means of the batches.": series.std(
                ddof=1
            )
            / np.sqrt(series.size),
            "this takes all values as independent, the naive bar (without ddof).": series.std() / np.sqrt(series.size),
            "use ddof=1: the mean was estimated from the same numbers.": means.std() / np.sqrt(batches),
            "this is the scatter of one batch mean; the average over all batches is better by a root of their number.": means.std(
                ddof=1
            ),
            "divide by the root of the number of batches, not of their length.": means.std(ddof=1)
            / np.sqrt(series.size // batches),
            "divide by the root of the number of batches, not by the number.": means.std(ddof=1) / batches,
            "divide by the root of the number of batches, not of all values.": means.std(ddof=1) / np.sqrt(series.size),
            "b - 1 comes in once: with ddof=1 divide by the root of b.": means.std(ddof=1) / np.sqrt(batches - 1),
            "this is a variance: take the root.": right**2,
            "your batches hold every 20th value; successive values belong into one batch: reshape(batches, -1).": mixed.mean(
                axis=0
            ).std(ddof=1)
            / np.sqrt(batches),
            "your batches are 20 values long; there should be 20 batches: reshape(batches, -1).": mixed.mean(
                axis=1
            ).std(ddof=1)
            / np.sqrt(len(mixed)),
        },
    )
    across = series.reshape(batches, -1).mean(axis=0).std(ddof=1)
    for number_of in (batches, series.size // batches):
        recognise(
            value,
            {"the other axis: you average over the batches, not over the times in each.": across / np.sqrt(number_of)},
        )
    match(value, right, f"error_bar for {case}", rtol=1e-9)
    fine = series.reshape(40, -1).mean(axis=1)
    match(
        of(series, 40, "2000 values in 40 batches"),
        fine.std(ddof=1) / np.sqrt(40),
        "error_bar for 40 batches",
        rtol=1e-9,
        mistakes={"the number of batches is an argument; you took 20.": right},
    )
    longer = _memory(0.9, 2013, 0)
    rest = of(longer, batches, "2013 values in 20 batches, 13 left over")
    match(
        rest, longer[13:].reshape(20, -1).mean(axis=1).std(ddof=1) / np.sqrt(20), "error_bar for 2013 values", rtol=0.3
    )
    passed("zero for a constant", "batches in the order of time", "values left over do no harm")


def conservative_step(macro_step: Callable[[Array, Array, float], Array], seed: int = 0) -> None:
    """macro_step(rho, F, ratio): rho_i - ratio (F_(i+1/2) - F_(i-1/2)) with the Rusanov flux of speed v, on a ring."""
    v = numbers("07", seed)["v"]
    rng, cells, ratio = np.random.default_rng(0), 12, 0.7

    def of(rho: Array, F: Array, case: str) -> Array:
        answer = ask(macro_step, rho.copy(), F.copy(), ratio, name="macro_step", case=case)
        return array(answer, "macro_step(rho, F, ratio)", rho.shape)

    even = of(np.full(cells, 0.4), np.full(cells, 0.24), "an even density")
    require(close(even, np.full(cells, 0.4)), "an even density with an even flux must stay as it is.")

    rho, F = rng.random(cells), rng.random(cells)
    value = of(rho, F, "random densities and fluxes")
    right, F_right = np.roll(rho, -1), np.roll(F, -1)

    def step(edge: Array, ratio: float = ratio) -> Array:
        return rho - ratio * (edge - np.roll(edge, 1))

    edge = (F + F_right) / 2 - v * (right - rho) / 2
    recognise(
        value,
        {
            "the sign: what leaves through the right edge is taken away from the cell.": rho
            + ratio * (edge - np.roll(edge, 1)),
            "the difference of densities is missing in the edge flux; without it the scheme is unstable.": step(
                (F + F_right) / 2
            ),
            "the sign of the difference of densities: it lets cars flow from dense to thin.": step(
                (F + F_right) / 2 + v * (right - rho) / 2
            ),
            "the factor 1/2 in front of the difference of densities is missing.": step(
                (F + F_right) / 2 - v * (right - rho)
            ),
            "the factor 1/2 in front of the fluxes is missing: it is their mean.": step(
                F + F_right - v * (right - rho) / 2
            ),
            "both factors 1/2 are missing.": step(F + F_right - v * (right - rho)),
            "this is the flux of the left cell; information may run to the left as well, use the mean.": step(F),
            "this is the flux of the right cell; use the mean of both.": step(F_right),
            f"your dissipation is divided by ratio (Lax and Friedrichs); here the speed bound is {v:g}.": step(
                (F + F_right) / 2 - (right - rho) / (2 * ratio)
            ),
            "ratio is missing in front of the difference of the edge fluxes.": step(edge, 1.0),
            "the edges are shifted by one cell: cell i gains at its left edge what cell i-1 loses at its right edge.": rho
            - ratio * (np.roll(edge, -1) - edge),
            "the left edge of cell i is the right edge of cell i-1, np.roll(edge, 1); yours is that of cell i+1.": rho
            - ratio * (edge - np.roll(edge, -1)),
            "rolled the wrong way: rho_(i+1) at position i is np.roll(rho, -1).": step(
                (F + np.roll(F, 1)) / 2 - v * (np.roll(rho, 1) - rho) / 2
            ),
            "F was computed anew from rho; use the values that are handed in.": step(
                v * (rho * (1 - rho) + right * (1 - right)) / 2 - v * (right - rho) / 2
            ),
            "only what leaves is counted; what enters at the left edge is missing.": rho - ratio * edge,
            "this is the change in a step; add it to the density.": step(edge) - rho,
        },
    )
    gain = value.sum() - rho.sum()
    require(
        abs(gain) < 1e-9,
        f"cars are made or lost, {gain:.2g} in a step: what leaves a cell must enter the next, around the ring too.",
    )
    slow = {f"the speed bound is {v:g}, that of a car, and not 1.": step((F + F_right) / 2 - (right - rho) / 2)}
    match(value, step(edge), "macro_step for random densities and fluxes", mistakes=slow)
    passed("an even density stays", "cars are conserved whatever the flux", f"the Rusanov flux of speed {v:g}")
