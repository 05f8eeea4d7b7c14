"""Exercise 5, a line seen through a window."""

import numpy as np

from hmm_course.variants import Draw, Question, some


def question(draw: Draw) -> Question:
    p, q, length, buffer = some(draw, 2, 4), some(draw, 0.5, 1.5), some(draw, 1.2, 3.4), some(draw, 0.1, 0.6)
    flux, ratio = (1 / (p + q * np.sinc(width)) for width in (length + 2 * buffer, length))
    return Question(
        f"Task 2 for the line of your class, $a = 1/({p} + {q}\\cos 2\\pi y)$, averaged over {length} periods with a buffer of "
        f"{buffer} on either side. Give `mine`, the two answers (flux alone, ratio).",
        f"p_class, q_class, L_class, b_class = {p}, {q}, {length}, {buffer}",
        "# The mean of 1/a over a centred width L: p + q sinc(L). The flux alone sees the solved width, the ratio the inner.\n"
        "mine = [1 / (p_class + q_class * np.sinc(width)) for width in (L_class + 2 * b_class, L_class)]",
        lambda: [flux, ratio],
        1e-9,
        {
            "flux and ratio have changed places: which of them forgets the buffer?": [ratio, flux],
            "this is the line of the exercise, 1/(2 + cos), not yours.": [
                1 / (2 + np.sinc(length + 2 * buffer)),
                1 / (2 + np.sinc(length)),
            ],
        },
    )
