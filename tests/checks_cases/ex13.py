"""What the checks of exercise 13 are fed."""

import numpy as np
from scipy.special import stdtrit

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_core import exact, media
from hmm_course.checks import ex13 as checks
from hmm_course.variants import numbers

CLASS = 7  # whose fibres are bright, which wants another error bar, and whose scan leaves out columns
QUANTILE = numbers("13", CLASS)["quantile"]


def threshold_by(rounds=50, end=None):
    def threshold(grey):
        level = grey.mean()
        for _ in range(rounds):
            dark, bright = grey[grey < level].mean(), grey[grey >= level].mean()
            level = (dark + bright) / 2
        return {"dark": dark, "bright": bright}.get(end, level) if rounds else level

    return threshold


def until_it_stands_still(grey):
    level, last = grey.mean(), -np.inf
    while abs(level - last) > 1e-6:
        last, level = level, (grey[grey < level].mean() + grey[grey > level].mean()) / 2
    return level


def material(grey, level, fibre, resin):
    return media.from_image(grey < level, {True: fibre, False: resin})


def by_function(grey, level, fibre, resin):
    return media.from_image(grey, lambda g: np.where(g < level, fibre, resin))


def wiener(share, fibre, resin):
    return [1 / (share / fibre + (1 - share) / resin), share * fibre + (1 - share) * resin]


def claims_by(first=wiener, dim=2, swap=False, turn=(0, 1)):
    def claims(share, fibre, resin):
        hashin = exact.hashin_shtrikman_bounds(resin, fibre, 1 - share if swap else share, dim)
        return np.array([first(share, fibre, resin), hashin])[:, turn]

    return claims


def by_hand(share, fibre, resin):
    def bound(m, i, f):
        return m + f / (1 / (i - m) + (1 - f) / (2 * m))

    return [wiener(share, fibre, resin), [bound(resin, fibre, share), bound(fibre, resin, 1 - share)]]


def one_f(share, fibre, resin):
    rows = by_hand(share, fibre, resin)
    m, i, f = fibre, resin, share
    return [rows[0], [rows[1][0], m + f / (1 / (i - m) + (1 - f) / (2 * m))]]


def wide(share, fibre, resin):
    low, high = wiener(share, fibre, resin)
    return [[low, high], [0.9 * low, high]]


def slightly_off(share, fibre, resin):
    rows = np.array(by_hand(share, fibre, resin))
    return rows * [[1, 1], [1.01, 1]]


def cut(picture, count):
    side = len(picture) // count
    return [
        picture[i : i + side, j : j + side] for i in range(0, len(picture), side) for j in range(0, len(picture), side)
    ]


def by_split(picture, count):
    return [w for rows in np.split(picture, count) for w in np.split(rows, count, axis=1)]


def overlapping(picture, count):
    side = len(picture) // count
    return [picture[i : i + side, j : j + side] for i in range(count) for j in range(count)]


def small(picture, count):
    return [picture[:count, :count]] * count**2


def scrambled(picture, count):
    return list(np.reshape(picture, (count**2, len(picture) // count, -1)))  # in the order of memory


def bar_by(quantile=0.975, freedom=1, ddof=1, power=0.5, factor=1.0, normal=False, count=None):
    def error_bar(values):
        m = count or len(values)
        t = 1.96 if normal else stdtrit(m - freedom, quantile)
        return factor * t * np.std(values, ddof=ddof) / m**power

    return error_bar


error_bar = bar_by()


def interpolated(picture, ratio):
    rows = np.linspace(0, len(picture) - 1, ratio * len(picture))
    return np.array([np.interp(rows, np.arange(len(picture)), column) for column in picture.T]).T


CASES = [
    right(checks.threshold, threshold_by()),
    right(checks.threshold, until_it_stands_still),
    mistake(checks.threshold, threshold_by(0), "the mean of all grey levels"),
    mistake(checks.threshold, lambda g: np.median(g), "this is the median"),
    mistake(checks.threshold, lambda g: (g.min() + g.max()) / 2, "one hot pixel moves it"),
    mistake(checks.threshold, threshold_by(end="dark"), "the mean of the dark pixels"),
    mistake(checks.threshold, threshold_by(end="bright"), "the mean of the bright pixels"),
    mistake(checks.threshold, threshold_by(1), "after one round"),
    mistake(checks.threshold, lambda g: 128.0 + 0 * g.mean(), "the threshold is off"),
    mistake(checks.threshold, lambda g: 3.0, "between the two peaks"),
    *nonsense_functions(checks.threshold),
    right(checks.material, material),
    right(checks.material, by_function),
    right(checks.material, lambda g, level, f, r: media.from_image((g < level).astype(int), (r, f))),
    mistake(
        checks.material, lambda g, level, f, r: media.from_image(g > level, {True: f, False: r}), "fibres are *dark*"
    ),
    mistake(
        checks.material, lambda g, level, f, r: media.from_image(g, lambda v: v), "grey levels are no conductivities"
    ),
    mistake(
        checks.material,
        lambda g, level, f, r: media.from_image(g, lambda v: r + (f - r) * v / 300),
        "no conductivities",
    ),
    mistake(checks.material, lambda g, level, f, r: g < level, "not labels"),
    mistake(checks.material, lambda g, level, f, r: np.where(g < level, f, r), "not an array"),
    mistake(
        checks.material,
        lambda g, level, f, r: media.from_image((g < level).T, {True: f, False: r}),
        "turned or mirrored",
    ),
    mistake(
        checks.material, lambda g, level, f, r: media.from_image(g < level, {True: f, False: f}), "one conductivity"
    ),
    mistake(checks.material, lambda g, level, f, r: media.from_image(g < level, {True: 10.0, False: 1.0}), "is off by"),
    mistake(
        checks.material, lambda g, level, f, r: media.from_image(g < 61, {True: f, False: r}), "the share of fibre"
    ),
    nonsense(checks.material, lambda g, level, f, r: r + 0.4 * f, "of media.from_image", label="a number"),
    right(checks.material, lambda g, level, f, r: media.from_image(g > level, {True: f, False: r}), CLASS),
    mistake(checks.material, material, CLASS, "fibres are *bright*"),
    *nonsense_functions(checks.material),
    right(checks.claims, claims_by()),
    right(checks.claims, by_hand),
    mistake(checks.claims, claims_by(turn=(1, 0)), "in the first row the lower bound is above"),
    mistake(
        checks.claims, lambda *a: [by_hand(*a)[0], by_hand(*a)[1][::-1]], "in the second row the lower bound is above"
    ),
    mistake(checks.claims, claims_by(lambda s, f, r: wiener(1 - s, f, r)), "given to the resin"),
    mistake(checks.claims, claims_by(lambda s, f, r: [r ** (1 - s) * f**s, wiener(s, f, r)[1]]), "geometric mean"),
    mistake(checks.claims, claims_by(lambda s, f, r: [r, f]), "the first row"),
    mistake(checks.claims, claims_by(dim=3), "in space"),
    mistake(checks.claims, claims_by(swap=True), "that of the resin"),
    mistake(checks.claims, lambda *a: [wiener(*a)] * 2, "repeats the first"),
    mistake(checks.claims, one_f, "share of the *inclusions*"),
    mistake(checks.claims, wide, "inside the first"),
    mistake(checks.claims, slightly_off, "the second row (Hashin"),
    *nonsense_functions(checks.claims),
    right(checks.windows, cut, error_bar),
    right(checks.windows, by_split, error_bar),
    mistake(checks.windows, lambda p, c: np.split(p, c), error_bar, "these are stripes"),
    mistake(checks.windows, lambda p, c: cut(p, c)[:-1], error_bar, "should hold"),
    mistake(checks.windows, lambda p, c: [w[:, 1:] for w in cut(p, c)], error_bar, "pixels; it has shape"),
    mistake(checks.windows, overlapping, error_bar, "windows overlap"),
    mistake(checks.windows, small, error_bar, "not the number of pixels"),
    mistake(checks.windows, scrambled, error_bar, "neighbours in the picture"),
    mistake(checks.windows, lambda p, c: [w.T for w in cut(p, c)], error_bar, "neighbours in the picture"),
    mistake(checks.windows, cut, lambda v: np.std(v, ddof=1), "scatter of one window"),
    mistake(checks.windows, cut, bar_by(power=0), "t times s"),
    mistake(checks.windows, cut, lambda v: np.std(v, ddof=1) / np.sqrt(len(v)), "multiply by t"),
    mistake(checks.windows, cut, bar_by(normal=True), "infinitely many windows"),
    mistake(checks.windows, cut, bar_by(ddof=0), "with ddof=1"),
    mistake(checks.windows, cut, bar_by(freedom=0), "m - 1 degrees"),
    mistake(checks.windows, cut, bar_by(quantile=0.95), "quantile 0.975"),
    mistake(checks.windows, cut, bar_by(factor=2), "whole width"),
    mistake(checks.windows, cut, bar_by(power=1), "you divided by m"),
    mistake(checks.windows, cut, lambda v: bar_by(power=0.4)(v), "is off by"),
    mistake(checks.windows, cut, lambda v: error_bar(v[:9]), "fixed in it"),
    right(checks.windows, cut, bar_by(QUANTILE), CLASS),
    mistake(checks.windows, cut, error_bar, CLASS, "this is the usual interval, of 95 %"),
    mistake(checks.windows, cut, bar_by(2 * QUANTILE - 1), CLASS, f"is the quantile {QUANTILE}"),
    nonsense(checks.windows, 3.0, error_bar, "should be a function", label="a number to cut"),
    nonsense(checks.windows, lambda p, c: 3.0, error_bar, "list of windows", label="no list"),
    *nonsense_functions(checks.windows, (error_bar,)),
    nonsense(checks.windows, cut, None, "replace the", label="no error bar"),
    right(checks.squared, lambda p, ratio: np.repeat(p, ratio, axis=0)),
    right(checks.squared, lambda p, ratio: np.kron(p, np.ones((ratio, 1))).tolist()),
    mistake(checks.squared, lambda p, ratio: np.repeat(p, ratio, axis=1), "the columns are repeated"),
    mistake(checks.squared, lambda p, ratio: p[:, ::ratio], "are gone"),
    mistake(checks.squared, lambda p, ratio: np.tile(p, (ratio, 1)), "np.tile"),
    mistake(checks.squared, interpolated, "must not be interpolated"),
    mistake(checks.squared, lambda p, ratio: np.repeat(p, 2, axis=0), "should stay as they are"),
    mistake(checks.squared, lambda p, ratio: p, "six rows of square pixels"),
    mistake(checks.squared, lambda p, ratio: np.repeat(p, ratio, axis=0)[::-1] if ratio > 1 else p, "is off by"),
    right(checks.squared, lambda p, ratio: np.repeat(p, ratio, axis=1), CLASS),
    mistake(checks.squared, lambda p, ratio: np.repeat(p, ratio, axis=0), CLASS, "the rows are repeated"),
    mistake(checks.squared, lambda p, ratio: np.tile(p, (1, ratio)), CLASS, "each *column* should"),
    *nonsense_functions(checks.squared),
]
