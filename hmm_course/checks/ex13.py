"""Checks of exercise 13: a threshold, the material behind a picture, bounds, an error bar, pixels that are not square."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from hmm_core import exact
from hmm_core.media import ImageMedium, from_image
from hmm_course.checks import Array, array, ask, fail, kind, match, number, passed, recognise, require
from hmm_course.variants import numbers

FIBRE, RESIN = 30.0, 2.0  # conductivities that the checks use


def _picture(dark: float, bright: float, share: float, noise: float = 3.0, seed: int = 0) -> Array:
    """Grey levels of two peaks: dark on this share of 40 x 40 pixels, blurred edges in between, an odd pixel at both ends."""
    rng = np.random.default_rng(seed)
    grey = np.where(np.arange(1600) < 1600 * share, dark, bright) + rng.uniform(-noise, noise, 1600)
    grey[::6] = rng.uniform(dark, bright, len(grey[::6]))
    grey[[5, -5]] = dark - 30, bright + 50  # a dead pixel and a hot one
    return grey[rng.permutation(1600)].reshape(40, 40)


def threshold(function: Callable) -> None:
    """threshold(grey): the level where the iteration of means stands still, halfway between the two peaks."""
    cases = [_picture(60, 150, 0.3), _picture(40, 110, 0.12, seed=1), _picture(100, 200, 0.75, seed=2)]
    for grey in cases:
        level = number(ask(function, grey.copy(), name="threshold", case="a picture of two peaks"), "threshold(grey)")
        fixed = _fixed_point(grey)
        first = (grey[grey < grey.mean()].mean() + grey[grey >= grey.mean()].mean()) / 2
        recognise(
            level,
            {
                "this is the mean of all grey levels: where it lies depends on how much of each phase there is. It is only "
                "the first guess; go on from it.": grey.mean(),
                "this is the median: half of the pixels would be dark in every picture.": np.median(grey),
                "halfway between the darkest and the brightest pixel: one hot pixel moves it. Use the means of both groups.": (
                    grey.min() + grey.max()
                )
                / 2,
                "this is the mean of the dark pixels, one end of what you want to halve.": grey[grey < fixed].mean(),
                "this is the mean of the bright pixels, one end of what you want to halve.": grey[grey >= fixed].mean(),
            },
        )
        if not np.isclose(first, fixed, atol=1e-3):
            recognise(level, {"this is the level after one round; repeat until it no longer moves.": first})
        dark, bright = np.median(grey[grey < fixed]), np.median(grey[grey >= fixed])
        require(dark < level < bright, "the level should lie between the two peaks of the histogram.")
        match(level, fixed, "the threshold", rtol=1e-4)
    passed("between the peaks", "halfway", "whatever the fractions are")


def _fixed_point(grey: Array) -> float:
    level = grey.mean()
    for _ in range(100):
        level = (grey[grey < level].mean() + grey[grey >= level].mean()) / 2
    return float(level)


def material(function: Callable, seed: int = 0) -> None:
    """material(grey, level, fibre, resin): the medium of the picture, fibres where it is dark.

    A seed may make them bright.
    """
    shade = numbers("13", seed)["shade"]
    grey, level = _picture(60, 150, 0.25, seed=3), 100.0
    grey[:12, :12] = 60.0  # a place that is fibre for certain
    if shade == "bright":
        grey, level = 255 - grey, 255 - level
    labels = grey < level if shade == "dark" else grey > level
    case = f"a picture with the level {level:g}"
    medium = ask(function, grey.copy(), level, FIBRE, RESIN, name="material", case=case)
    if isinstance(medium, np.ndarray | list):
        binary = set(np.unique(array(_as_numbers(medium), "what material returns"))) <= {0.0, 1.0}
        fail(
            f"material should return a medium, not {'labels' if binary else 'an array'}: hand the picture and the conductivities "
            "of its labels to media.from_image."
        )
    require(
        isinstance(medium, ImageMedium), f"material should return a medium of media.from_image; it is {kind(medium)}."
    )
    table = np.unique(medium.table)
    require(medium.table.ndim == 1, "both phases should conduct alike in all directions: their values are numbers.")
    if len(table) > 2:
        fail(
            f"this medium has {len(table)} conductivities: grey levels are no conductivities. Compare with the level first, and "
            "give a value to each of the two labels."
        )
    require(len(table) == 2, "this medium has one conductivity everywhere; there should be a fibre's and the resin's.")
    match(table, [RESIN, FIBRE], "the pair of conductivities")
    share = float((medium.table[medium.phases] == FIBRE).mean())
    recognise(share, {f"fibres and resin are exchanged: in this picture the fibres are *{shade}*.": 1 - labels.mean()})
    match(share, labels.mean(), "the share of fibre")
    expected = from_image(labels, {True: FIBRE, False: RESIN})
    require(
        np.array_equal(medium.table[medium.phases], expected.table[expected.phases]),
        "the shares are right, but the picture is turned or mirrored: hand it over as it is, [row, column].",
    )
    passed("two phases", f"{shade} is fibre", "the picture as it is seen")


def claims(function: Callable) -> None:
    """claims(share, fibre, resin): [[harmonic, arithmetic], [lower, upper of Hashin and Shtrikman in the plane]]."""
    for share in (0.35, 0.8):
        found = array(
            ask(function, share, FIBRE, RESIN, name="claims", case=f"a share of {share:g}"),
            "claims(share, fibre, resin)",
            (2, 2),
        )
        wiener = np.array(exact.wiener_bounds([RESIN, FIBRE], [1 - share, share]))
        hashin = np.array(exact.hashin_shtrikman_bounds(RESIN, FIBRE, share))
        if (found[:, 0] > found[:, 1]).any():
            row = "first" if found[0, 0] > found[0, 1] else "second"
            fail(f"in the {row} row the lower bound is above the upper one: are the two exchanged?")
        other = np.array(exact.wiener_bounds([RESIN, FIBRE], [share, 1 - share]))
        recognise(found[0], {"the share is that of the fibre; here it was given to the resin.": other})
        recognise(
            found[0, 0],
            {"this is the geometric mean; the lower bound is the harmonic one.": RESIN ** (1 - share) * FIBRE**share},
        )
        match(found[0], wiener, "the first row (harmonic and arithmetic mean)")
        space = np.array(exact.hashin_shtrikman_bounds(RESIN, FIBRE, share, dim=3))
        mistakes = {
            "this row holds the bounds in space; in the plane d = 2.": space,
            "in the second row the share is that of the resin.": np.array(
                exact.hashin_shtrikman_bounds(RESIN, FIBRE, 1 - share)
            ),
            "the second row repeats the first.": wiener,
            "f is the share of the *inclusions*: when the fibre is the matrix, the resin includes, with 1 - share.": _same_f(
                share
            ),
        }
        recognise(found[1], mistakes)
        require(
            (wiener[0] <= found[1]).all() and (found[1] <= wiener[1]).all(),
            "the second row should lie inside the first: isotropy is additional knowledge, and knowledge narrows.",
        )
        match(found[1], hashin, "the second row (Hashin and Shtrikman)")
    passed("lower below upper", "the second row inside the first", "in the plane")


def _same_f(f: float) -> Array:
    def bound(m: float, i: float) -> float:
        return m + f / (1 / (i - m) + (1 - f) / (2 * m))

    return np.array([bound(RESIN, FIBRE), bound(FIBRE, RESIN)])


def windows(cut: Callable, error_bar: Callable, seed: int = 0) -> None:
    """cut(picture, count): count^2 windows; error_bar(values): half the 95 % interval of their mean by Student's t.

    A seed may ask for another level than 95 %.
    """
    sure, quantile = (numbers("13", seed)[name] for name in ("sure", "quantile"))
    picture = np.arange(144.0).reshape(12, 12)
    for count in (2, 3):
        name = f"cut(picture, {count})"
        found = ask(cut, picture.copy(), count, name="cut", case=f"a picture of 12 x 12 pixels and count = {count}")
        try:
            pieces = [array(piece, f"a window of {name}") for piece in found]
        except TypeError:
            fail(f"{name} should be a list of windows; it is {kind(found)}.")
        side = 12 // count
        if len(pieces) == count and all(p.shape == (side, 12) for p in pieces):
            fail("these are stripes: cut the rows and then the columns too.")
        if all(p.shape == (count, count) for p in pieces) and count != side:
            fail("count is the number of windows along a side, not the number of pixels of a window.")
        require(len(pieces) == count**2, f"{name} should hold {count**2} windows; it holds {len(pieces)}.")
        for piece in pieces:
            require(
                piece.shape == (side, side),
                f"a window of {name} should have {side} x {side} pixels; it has shape {piece.shape}.",
            )
        seen = np.sort(np.concatenate([p.ravel() for p in pieces]))
        if len(np.unique(seen)) < picture.size:
            fail("windows overlap, or leave pixels out: windows that share pixels are not independent.")
        steps = [np.abs(np.diff(p, axis=1) - 1).max() + np.abs(np.diff(p, axis=0) - 12).max() for p in pieces]
        require(np.max(steps) == 0, "the pixels of a window should be neighbours in the picture, as they were.")
    values = np.array([1.9, 2.2, 2.0, 2.5, 2.1, 1.7, 2.3, 2.0, 2.2])
    bar = number(ask(error_bar, values.copy(), name="error_bar", case="nine values"), "error_bar(values)")
    s, t, normal = values.std(ddof=1), float(stdtrit(8, quantile)), float(ndtri(quantile))
    usual = f"this is the usual interval, of 95 %; {sure} % is asked for."
    recognise(
        bar,
        {
            "this is the scatter of one window; the mean of m windows is surer, by the root of m.": s,
            "this is how far single windows scatter (t times s); the mean of m windows is surer, by the root of m.": t
            * s,
            f"this is the standard error s / sqrt(m); multiply by t for {sure} %.": s / 3,
            f"{normal:.2f} is for infinitely many windows; with nine the quantile of Student's t is larger.": normal
            * s
            / 3,
            "np.std divides by m; with ddof=1 it divides by m - 1, because the mean was estimated too.": t
            * values.std()
            / 3,
            "t has m - 1 degrees of freedom, not m.": float(stdtrit(9, quantile)) * s / 3,
            f"{sure / 100:g} leaves {100 - sure} % on one side; half of it on each side is the quantile {quantile:g}.": float(
                stdtrit(8, sure / 100)
            )
            * s
            / 3,
            "this is the whole width of the interval; half of it was asked for.": 2 * t * s / 3,
            "you divided by m; the standard error is s over the root of m.": t * s / 9,
        },
        rtol=2e-4,
    )
    mistakes = {usual: float(stdtrit(8, 0.975)) * s / 3}
    match(bar, t * s / 3, "the error bar of nine values", rtol=1e-4, mistakes=mistakes)
    more = number(ask(error_bar, np.tile(values, 4), name="error_bar", case="36 values"), "error_bar(values)")
    expected = float(stdtrit(35, quantile)) * np.tile(values, 4).std(ddof=1) / 6
    recognise(more, {"right for nine values, but the number of windows is fixed in it.": bar}, rtol=1e-4)
    match(more, expected, "the error bar of 36 values", rtol=1e-4)
    passed("every pixel in one window", "by Student's t", "narrower with more windows")


def squared(function: Callable, seed: int = 0) -> None:
    """square_pixels(picture, ratio): rows that are ``ratio`` columns apart, as a picture of square pixels.

    A seed may exchange rows and columns.
    """
    row, column = (numbers("13", seed)[name] for name in ("row", "column"))
    labels = np.array([[0, 1, 1, 0, 1, 0], [1, 0, 0, 0, 1, 1]])

    def seen(picture: Array) -> Array:
        """With what is called a row here as a row: below all is said of those."""
        return picture if row == "row" else picture.T

    def of(ratio: int) -> Array:
        case = f"{row}s that are {ratio} {column}s apart"
        answer = ask(function, seen(labels).copy(), ratio, name="square_pixels", case=case)
        return array(_as_numbers(answer), f"square_pixels(picture, {ratio})")

    same, value = seen(of(1)), seen(of(3))
    require(
        same.shape == labels.shape and (same == labels).all(),
        "pixels that are square already (ratio 1) should stay as they are.",
    )
    if value.shape == (2, 18):
        fail(f"the {column}s are repeated; the {row}s are what is too far apart.")
    if value.shape == (2, 2):
        fail(f"the pixels are square now, but two thirds of what was measured are gone: repeat the {row}s instead.")
    require(
        value.shape == (6, 6),
        f"two {row}s, three {column}s apart, are six {row}s of square pixels; the answer has shape {seen(value).shape}.",
    )
    require(np.isin(value, [0, 1]), "new labels have appeared between 0 and 1: labels must not be interpolated.")
    recognise(
        value,
        {
            f"the picture is repeated as a whole (np.tile); each *{row}* should be repeated (np.repeat).": np.tile(
                labels, (3, 1)
            )
        },
    )
    match(value, np.kron(labels, np.ones((3, 1))), "the picture of square pixels")
    passed(f"{row}s repeated, {column}s kept", "no new labels")


def _as_numbers(answer: Any) -> Any:
    return answer.astype(int) if isinstance(answer, np.ndarray) and answer.dtype == bool else answer
