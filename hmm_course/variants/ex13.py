"""Exercise 13, a picture of fibres: how well they conduct, which shade they have, how sure one wants to be, gaps of a scan."""

from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from hmm_course.variants import Draw, Question, some

SHARE, SIDE = 0.351617, 192  # of fibre in the picture, by its threshold; pixels along its side

# Words and code, published and for a class: it gets the negative of the picture, columns for rows, and where the published text
# tells what was measured for fibres of 20, what holds for all.
WORDS = {
    "shade": ("dark", "bright"),
    "other": ("bright", "dark"),
    "darker": ("darker", "brighter"),
    "beyond": ("<", ">"),
    "negative": ("", "255 - "),
    "bins": ("30, 180", "76, 226"),
    "pair": ("FIBRE, RESIN", "RESIN, FIBRE"),
    "row": ("row", "column"),
    "column": ("column", "row"),
    "axis": (0, 1),
    "high": ("high", "wide"),
    "all": ("", ":, "),
    "along": ("", ", axis=1"),
    "flat": ("flat", "slim"),
    "factor": ("four or five", "three or more"),
    "wrong": ("10 instead of 2", "at least four times too much"),
    "certified": (", 2.02 to 2.04,", ""),
    "truth": (", 1.98", ""),
    "bar": ("of 0.014", "smaller than the error of the pixels"),
    "report": (r"$1.98\pm0.014$", r"`between` $\pm$ `bar`, as printed above"),
    "report_certified": ("between 2.02 and 2.04", "within its certificate"),
}


def numbers(draw: Draw | None) -> dict[str, Any]:
    """The conductivity of the fibres, in resin of 1, and how sure the error bar should be, in percent; what follows; the words.

    Fibres of 16 to 40 leave the errors in the order in which the exercise finds them: between the interfaces and the truth at
    most 6e-3, which is less than every class's bar by windows; then that bar; then the pixels, 2 to 3 percent off.
    """
    fibre, sure = (float(draw.integers(16, 41)), int(draw.choice([80, 90, 98, 99]))) if draw else (20.0, 95)
    quantile = round((1 + sure / 100) / 2, 4)
    lower = 1 + SHARE / (1 / (fibre - 1) + (1 - SHARE) / 2)  # Hashin and Shtrikman's; the truth lies close above
    scatter = (fibre - 1) * np.sqrt(SHARE * (1 - SHARE))
    return {name: pair[bool(draw)] for name, pair in WORDS.items()} | {
        "fibre": fibre,
        "times": f"{fibre:.0f}" if draw else "twenty",
        "sure": sure,
        "quantile": quantile,
        "normal": ndtri(quantile),
        "left": round(0.983 * lower, 2),
        "right": round(1.112 * lower, 2),
        "mean": SHARE * fibre + 1 - SHARE,
        "counted": stdtrit(SIDE**2 - 1, quantile) * scatter / SIDE,
    }


PLACES = (
    "FIBRE, RESIN = «fibre», 1.0",
    'grey = «negative»micrograph("fibres").astype(float)',
    "bins=np.arange(«bins», 2)",
    "Carbon fibres, «shade», in a «other» resin, cut across. The fibres conduct «times» times as well.",
    "The fibres are *«shade»*.",
    "With `grey «beyond» level` as labels True is «shade», hence fibre.",
    "fibres where it is «darker» than the level",
    "media.from_image(grey «beyond» level, {True: fibre, False: resin})",
    "Two of the usual mistakes cost a factor of «factor».",
    "half of the «sure» % confidence interval",
    "`stdtrit(m - 1, «quantile»)`",
    "Half the «sure» % confidence interval",
    "t instead of «normal:.2f», because",
    "bar = stdtrit(m - 1, «quantile»)",
    "media.from_grey(grey, level, «pair»)",
    "xlim=(«left», «right»)",
    "np.where(grey «beyond» level, FIBRE, RESIN)",
    "A slower scan leaves out every other «row»: «row»s are two «column»s apart.",
    "for «row»s that are `ratio` «column»s apart",
    "What was measured in a «row» stands for a strip as wide as `ratio` «column»s.",
    "The picture with square pixels: «row»s are ``ratio`` «column»s apart.",
    "# Each «row» stands for a strip ``ratio`` pixels «high»;",
    "np.repeat(picture, ratio, axis=«axis»)",
    "scan = grey[«all»::2]",
    "np.concatenate([scan, scan]«along»)",
    "round fibres become «flat» ones",
    "the composite conducts «report» («sure» %, sixteen windows), if the fibres conduct «fibre:.0f» and",
    "in «sure» of 100 sections",
    "the tensor lies «report_certified» for certain",
    "The wrong side of the threshold answers «wrong», the mean over pixels «mean:.1f»;",
    "A certified interval«certified» holds for the pixels and misses the material«truth».",
    "Sixteen windows give an error bar «bar». Pixels counted as samples give «counted:.3f»,",
)


def question(draw: Draw) -> Question:
    """The bounds, read backwards: which shares does a measured conductivity allow?"""
    fibre, resin = some(draw, 8, 40, 1), some(draw, 0.5, 2, 1)
    measured = round(resin * (fibre / resin) ** some(draw, 0.3, 0.7), 2)

    def meets(m: float, i: float) -> float:
        """The share of inclusions i in a matrix m for which the bound is what was measured: it is a linear equation."""
        above = measured - m
        return above * (1 / (i - m) + 1 / (2 * m)) / (1 + above / (2 * m))

    shares = [1 - meets(fibre, resin), meets(resin, fibre)]
    by_means = [(measured - resin) / (fibre - resin), (1 / resin - 1 / measured) / (1 / resin - 1 / fibre)]
    return Question(
        "A customer of your class has measured how well a composite conducts, `class_measured`, and asks how much fibre is in "
        "it. Its section is isotropic; fibre and resin conduct `class_fibre` and `class_resin`. Give `mine`, two numbers to six "
        "digits: the smallest and the largest share of fibre that the bounds allow.",
        f"class_fibre, class_resin, class_measured = {fibre}, {resin}, {measured}",
        "# Bounds grow with the share. The fewest fibres lift the upper one to what was measured, the most the lower one.\n"
        "from scipy.optimize import brentq\n\n\n"
        "def share_of_class(bound):\n"
        "    return brentq(lambda share: claims(share, class_fibre, class_resin)[1, bound] - class_measured, 0, 1)\n\n\n"
        "mine = share_of_class(1), share_of_class(0)",
        lambda: shares,
        1e-5,
        {
            "smallest and largest have changed places: the fewest fibres belong to the upper bound.": shares[::-1],
            "these are the shares that the two means allow; the section is isotropic, so less is possible.": by_means,
            "these are shares of the resin.": [1 - share for share in shares[::-1]],
        },
    )
