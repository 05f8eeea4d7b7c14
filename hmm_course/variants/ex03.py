"""Exercise 3, a periodic material."""

from typing import Any

import numpy as np

from hmm_course.checks import Array
from hmm_course.variants import Draw, Question, some


def question(draw: Draw) -> Question:
    p, q, r = some(draw, 2.5, 4), some(draw, 0.5, 1.0), some(draw, 0.5, 1.0)

    def medium(x: Any, y: Array) -> Array:
        return p + q * np.sin(2 * np.pi * y[0]) * np.cos(2 * np.pi * y[1]) + r * np.sin(2 * np.pi * (y[0] + y[1]))

    def right() -> Array:
        import hmm_core as hmm

        return hmm.CellProblem(dim=2, n=24, scheme="fourier").effective_tensor(medium)

    return Question(
        "Your class's material is `class_medium`. Give `mine`, its tensor (2, 2), with a relative error below a thousandth. "
        "How do you know that it is small enough?",
        "def class_medium(y):\n"
        f"    wave = {q} * np.sin(2 * np.pi * y[0]) * np.cos(2 * np.pi * y[1])\n"
        f"    return {p} + wave + {r} * np.sin(2 * np.pi * (y[0] + y[1]))",
        "# Second order: from n = 32 to 64 the tensor changes by three times what is left.\n"
        "mine = tensor(*faces(class_medium, 64))",
        right,
        1e-3,
    )
