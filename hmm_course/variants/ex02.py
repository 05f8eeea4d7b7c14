"""Exercise 2, a plate of layers."""

import numpy as np

from hmm_course.checks import Array
from hmm_course.variants import Draw, Question, some


def question(draw: Draw) -> Question:
    k, f = [some(draw, 1, 9) for _ in range(6)], some(draw, 0.2, 0.8)
    cross = [some(draw, 0.2, 0.8), -some(draw, 0.2, 0.8)]
    K1, K2 = (np.array([[k[2 * i], cross[i]], [cross[i], k[2 * i + 1]]]) for i in (0, 1))

    def right() -> Array:
        mean = f * K1 + (1 - f) * K2  # the anisotropic laminate, entry by entry (Milton, chapter 9)
        share = f * K1[0] / K1[0, 0] + (1 - f) * K2[0] / K2[0, 0]
        across = 1 / (f / K1[0, 0] + (1 - f) / K2[0, 0])
        squares = f * np.outer(K1[0], K1[0]) / K1[0, 0] + (1 - f) * np.outer(K2[0], K2[0]) / K2[0, 0]
        return mean - squares + across * np.outer(share, share)

    turned = right()[::-1, ::-1]
    return Question(
        "Your class laminates `K1` (fraction `f1`) and `K2`, across $y_1$. Then the plate is turned by a right angle, "
        "counterclockwise. Give `mine`, its tensor (2, 2) in the fixed axes.",
        f"K1, K2, f1 = np.array({K1.tolist()}), np.array({K2.tolist()}), {f}",
        "# A tensor turns with the plate: R A R^T.\n"
        "quarter = np.array([[0.0, -1.0], [1.0, 0.0]])\n"
        "mine = quarter @ layered(K1, K2, f1) @ quarter.T",
        lambda: turned * np.array([[1, -1], [-1, 1]]),
        1e-9,
        {
            "this is the plate before it was turned.": right(),
            "the off-diagonal entries change sign in a quarter turn.": turned,
        },
    )
