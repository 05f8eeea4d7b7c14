"""Exercise 5, a line 1/(p + cos 2 pi y) seen through a window, and a medium of the plane with two amplitudes of its own."""

from typing import Any

import numpy as np

from hmm_course.variants import Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """p, the line's mean resistance; s and c, the medium's amplitudes, such that a buffer still halves the error of a box."""
    p = some(draw, 2.3, 3.6) if draw else 2
    s = c = 1
    if draw:  # below 1 or above
        s, c = (round(some(draw, 0.91, 0.97) + int(draw.integers(2)) / 10, 2) for _ in range(2))
    return {
        "p": p,
        "s": s,
        "c": c,
    } | told(
        draw,
        {
            "star": (r"\tfrac12", f"1/{p}"),
            "in_code": ("0.5", f"1 / {p}"),
            "in_picture": ("½", f"1/{p}"),
            "option": ("", f", alpha={p}"),
            "times_s": ("", f"{s} * "),
            "times_c": ("", f"{c} * "),
            "contrast": ("contrast 55, ", ""),
            "filtered": (
                "error 0.1 % at six periods, where the box has 14.5 %",
                "at six periods about a hundredth of the error of the box",
            ),
        },
    )


PLACES = (
    "«contrast»tensor not diagonal",
    "np.exp(«times_s»np.sin(2 * np.pi * y[0]) + «times_c»np.cos(2 * np.pi * y[1])",
    r"Take $a=1/(«p»+\cos2\pi y)$ on a line, $A^*=«star»$",
    r"\langle«p»+\cos2\pi y\rangle=«p»+\dfrac",
    "for a = 1/(«p» + cos 2 pi y), averaged",
    "1 / («p» + np.sinc(L + 2 * b))",
    "1 / («p» + np.sinc(L))",
    "slope = «p» + np.diff(",
    " - «in_code») for f in fractions)",
    "largest |A − «in_picture»|",
    "exact.cosine_cell(L, q=q«option»)",
    "$-4$; «filtered» |",
)


def question(draw: Draw) -> Question:
    """The line with another mean and another amplitude."""
    p, q, buffer = some(draw, 2, 4), some(draw, 1.1, 1.6), some(draw, 0.1, 0.6)
    length = round(int(draw.integers(1, 4)) + some(draw, 0.2, 0.8), 2)  # no whole periods
    flux, half, ratio = (1 / (p + q * np.sinc(width)) for width in (length + 2 * buffer, length + buffer, length))
    return Question(
        f"Task 2 for another line, $a = 1/({p} + {q}\\cos 2\\pi y)$, averaged over {length} periods with a buffer of "
        f"{buffer} on either side. Give `mine`, the two answers (flux alone, ratio).",
        f"p_class, q_class, L_class, b_class = {p}, {q}, {length}, {buffer}",
        "# The mean of 1/a over a centred width L: p + q sinc(L). The flux alone sees the solved width, the ratio the inner.\n"
        "mine = [1 / (p_class + q_class * np.sinc(width)) for width in (L_class + 2 * b_class, L_class)]",
        lambda: [flux, ratio],
        1e-9,
        {
            "flux and ratio have changed places: which of them forgets the buffer?": [ratio, flux],
            "the buffer lies on either side: it makes the solved width larger by two of them.": [half, ratio],
            f"the amplitude {q} of the cosine is missing.": [
                1 / (p + np.sinc(length + 2 * buffer)),
                1 / (p + np.sinc(length)),
            ],
        },
    )
