"""Exercise 6, four constants and a tolerance."""

import numpy as np

from hmm_course.variants import Array, Draw, Question, some


def question(draw: Draw) -> Question:
    C = {
        "macro": some(draw, 0.5, 2),
        "modelling": some(draw, 0.5, 2),
        "resonance": some(draw, 0.03, 0.1, 3),
        "micro": some(draw, 0.3, 1.5),
    }
    eps, tol = some(draw, 0.005, 0.015, 3), some(draw, 0.05, 0.09, 3)

    def right() -> Array:
        best = (np.inf, (0.0, 0.0, 0.0))
        for N in range(2, 25):
            for R in np.arange(1, 16.25, 0.25):
                rest = tol - C["macro"] / N**2 - C["modelling"] * (R * eps) ** 2 - C["resonance"] / R
                fitting = [n for n in range(3, 33) if C["micro"] / n**2 <= rest]
                if fitting:
                    best = min(best, (6.0 * N**2 * (fitting[0] * R) ** 2, (float(N), float(R), float(fitting[0]))))
        return np.array(best[1])

    return Question(
        f"In your class's problem the constants are `class_constants`, the period is {eps}. Give `mine`, the (N, R, n) of least "
        f"cost for the tolerance {tol}.",
        f"class_constants, class_eps, class_tol = {C}, {eps}, {tol}",
        "mine = cheapest(class_constants, class_eps, class_tol)",
        right,
        1e-9,
    )
