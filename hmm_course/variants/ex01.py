"""Exercise 1, a rod: a = 1/(alpha + cos 2 pi y), whose effective conductivity is 1/alpha."""

from typing import Any

import numpy as np

from hmm_course.variants import Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """alpha, the rod's mean resistance; and how a text says what follows from it."""
    alpha = round(some(draw, 1.3, 1.9) + int(draw.integers(2)), 2) if draw else 2  # not near 2
    return {
        "alpha": alpha,
        "effective": 1 / alpha,
        "ceiling": 1.1 / (alpha - 1),
        "least": f"{alpha + 1:g}",
        "arithmetic": 1 / np.sqrt(alpha**2 - 1),
        "top": alpha / 8,
        "twice": 2 * alpha,
        "graded": 0.169925001442 * alpha / 2,
    } | told(
        draw,
        {
            "exactly": ("0.5", f"1 / {alpha}"),
            "named": ("1/(2 + cos)", f"1/({alpha}+cos)"),
            "steepest": ("one and a half", f"{1 + 1 / alpha:.2f}"),
            "as_fraction": (r"\tfrac12", rf"\tfrac{{1}}{{{alpha}}}"),
            "half": ("", f"{alpha / 2:g}\\,"),
            "times_half": ("", f"{alpha / 2:g} * "),
            "option": ("", f", alpha={alpha}"),
        },
    )


PLACES = (
    r"a(y) = \frac{1}{«alpha» + \cos 2\pi y}",
    "return 1 / («alpha» + np.cos(2 * np.pi * y))",
    "exact.cosine_solution(rod, 1 / periods«option»)",
    "ylim=(0, «ceiling:.2g»)",
    "assert abs(A - «exactly») < 1e-12",
    "The top at «top:.4g» is where",
    "where a = 1/«least» is smallest",
    r"$a = 1/(«alpha» + \cos 2\pi y)$ with $A^* = 1/«alpha»$",
    r"w' = «as_fraction»\cos 2\pi y$. The integral",
    r"amplitude $1/(«twice:g»\pi)$",
    "a = 1/(«alpha» + cos(2 pi y)): periodic, mean zero, slope 1/(«alpha» a(y)) - 1",
    "w' = («alpha» + cos 2 pi y)/«alpha» - 1 = cos(2 pi y)/«alpha».",
    "return np.sin(2 * np.pi * y) / («twice:g» * np.pi)",
    "The uniform rod has $U(x) = «half»x(1-x)$",
    "return «times_half»x * (1 - x) + eps * corrector(x / eps) * «times_half»(1 - 2 * x)",
    '("U", «times_half»points * (1 - points))',
    "truth = exact.cosine_solution(points, e«option»)",
    "exact.cosine_solution(near, e«option»)",
    "left.plot(near, «times_half»near * (1 - near)",
    "up to «steepest» times $U'$",
    '"«named»": a',
    "[«exactly», np.sqrt(3)",
    r"$a(x, y) = (1 + x)/(«alpha» + \cos 2\pi y)$",
    "closed form {«times_half»exact.graded_solution(0.5):.6f}",
    "solution.at([0.5]) - «graded:.12f»",
    "«arithmetic:.3f» for the rod, whose effective conductivity is «effective:.3g»",
)


def question(draw: Draw) -> Question:
    """Two harmonics, so that the corrector is not the one of the exercise."""
    p, q, r = some(draw, 2, 4), some(draw, 0.4, 0.9), some(draw, 0.4, 0.9)
    steep = np.hypot(q, r) / p
    mean = 1 / np.sqrt(p**2 - q**2 - r**2)  # of the conductivity
    naive = [mean, mean * p * (1 + steep)]
    return Question(
        "The rod of your class is `rod_of_class`. Give `mine`, two numbers: its effective conductivity, and the largest slope of "
        "the fine field, $\\max_y (1 + w'(y))$ for a macro slope of 1, to six digits.",
        f"def rod_of_class(y):\n    return 1 / ({p} + {q} * np.cos(2 * np.pi * y) + {r} * np.sin(2 * np.pi * y))",
        "# The flux is constant: a (1 + w') = A, so the slope is A/a, largest where a is smallest.\n"
        "own = effective_1d(rod_of_class)\n"
        "mine = own, np.max(own / rod_of_class(np.linspace(0, 1, 20001)))",
        lambda: [1 / p, 1 + steep],
        1e-6,
        {
            "the second number is w', without the slope 1 of the macro field.": [1 / p, steep],
            "the second number is the smallest slope; it is largest where a is smallest.": [1 / p, 1 - steep],
            "the first number is the arithmetic mean of the rod.": [mean, 1 + steep],
            "both numbers come from the arithmetic mean, which is not the conductivity of the rod.": naive,
        },
    )
