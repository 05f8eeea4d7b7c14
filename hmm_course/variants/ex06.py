"""Exercise 6, four errors of a medium with another mean, other set-ups of the experiments, and a tolerance with a reserve."""

from typing import Any

import numpy as np

from hmm_course.variants import Array, Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """alpha of b(y), the fine grid, N of the experiments, the share of a tolerance to spend; and how a text tells them."""
    alpha, finer, N_modelling, N_micro, share = 2, 4, 4, 2, 1
    if draw:
        alpha, share = some(draw, 2.05, 2.25), some(draw, 0.75, 0.85)
        finer, N_modelling, N_micro = (int(draw.choice(few)) for few in ((3, 5), (2, 3), (3, 4)))
    published_and_class = {
        "times": ("four", {3: "three", 5: "five"}.get(finer)),
        "too_small": ("a sixteenth", {3: "a ninth", 5: "a twenty-fifth"}.get(finer)),
        "agreement": ("0.1", "0.15"),
        "title": ("Eleven per cent wrong", "Wrong, but why?"),
        "wrong": ("11 % wrong", "wrong by the first number of the picture"),
        "gone": ("at best a quarter of the error gone", "most of the error stays, or all of it"),
        "dials": (
            "11.0 %; four times the work on one dial left 8.4, 10.9, 10.6 %",
            "four times the work on one dial left most of it, or all",
        ),
        "terms": ("5.7, 3.3, 7.0, 0.9 %, as `decompose_error` says", "the numbers of `decompose_error`"),
        "laws": (
            r"macro $H^{1.94}$; modelling $\delta^{0.95}$ and $\delta^{2.00}$; resonance $R^{-1.11}$; "
            r"micro $(h/\varepsilon)^{2.07}$",
            r"macro $H^2$; modelling $\delta$ and $\delta^2$; resonance $R^{-1}$; micro $(h/\varepsilon)^2$, "
            "every exponent to within 0.2",
        ),
        "spend": ("`tol`", f"`{share} * tol`: the rest is kept in reserve"),
        "spent": ("tol", f"{share} tol"),
        "times_share": ("", f"{share} * "),
        "lowest": ("0.4", "0.25"),
        "met": (", none by more than a factor of two", ""),
        "halving": ("the tolerance costs 12 to 16", "a small tolerance costs about 15"),
        "cheaper": (
            "it does not add up all four terms",
            "it keeps nothing in reserve and does not add up all four terms",
        ),
        "cost": (
            "below 50 % and below 10 % of your cost, for the same tolerance",
            "both cheaper than yours, the periodic one by far",
        ),
    }
    return told(draw, published_and_class) | {
        "alpha": alpha,
        "finer": finer,
        "N_modelling": N_modelling,
        "N_micro": N_micro,
        "share": share,
    }


PLACES = (
    r"b(y)=\frac{«alpha»+\cos2\pi y_2}{«alpha»+\cos2\pi y_1}",
    "(«alpha» + np.cos(2 * np.pi * y[1])) / («alpha» + np.cos(2 * np.pi * y[0]))",
    "## «title»",
    "The result is «wrong», measured",
    "Four times the work, and «gone».",
    "A fine grid has «times» times as many",
    "n=«finer» * cell.n)",
    "(The micro term is «too_small» too small",
    "np.allclose(mine, theirs, rtol=«agreement»)",
    "of the cell, `N=«N_modelling»`, Dirichlet",
    "of one period, `N=«N_micro»`, frozen",
    "term(1, «N_modelling», hmm.CellProblem(n=4, bc=",
    "term(3, «N_micro», hmm.CellProblem(n=n), None)",
    "whose predicted error is at most «spend».",
    "Where the error exceeds `«times_share»tol`",
    "whose predicted error is at most «spent».",
    "np.where(error <= «times_share»tol, 6.0",
    "assert «lowest» * tol < achieved <= tol",
    "All four are met«met». Halving «halving» times the work",
    "left = «times_share»tol - C",
    "it is cheaper since «cheaper»",
    "| «dials» |",
    "| «terms» |",
    "| «laws» |",
    "four tolerances met«met» |",
    "| «cost» |",
)


def question(draw: Draw) -> Question:
    """The same table, asked the other way round: the best that a budget can buy."""
    C = {
        "macro": some(draw, 1, 2),
        "modelling": some(draw, 0.5, 2),
        "resonance": some(draw, 0.03, 0.1, 3),
        "micro": some(draw, 0.3, 0.9),  # below macro: with equal ones N and n could change places
    }
    eps, budget = some(draw, 0.005, 0.015, 3), 1000 * int(draw.integers(20, 2000))

    def best(samples: float = 6) -> Array:
        """The least predicted error for this cost, N and R by loops, n the largest that can be paid."""
        found = (np.inf, (0.0, 0.0, 0.0))
        for N in range(2, 25):
            for R in np.arange(1, 16.25, 0.25):
                n = min(32, int(np.sqrt(budget / samples) / (N * R)))
                error = C["macro"] / N**2 + C["modelling"] * (R * eps) ** 2 + C["resonance"] / R
                if n >= 3:
                    found = min(found, (error + C["micro"] / n**2, (float(N), float(R), float(n))))
        return np.array(found[1])

    return Question(
        f"In your class's problem the constants are `class_constants`, the period is {eps}, and you can pay for a cost of "
        f"{budget:,}. Give `mine`, the (N, R, n) of least predicted error, out of the values of task 5.",
        f"class_constants, class_eps, class_budget = {C}, {eps}, {budget:_}",
        "# Error and cost have changed places: one is bounded, the other is made small.\n"
        'N, R, n = (mesh.ravel() for mesh in np.meshgrid(NS, RS, NNS, indexing="ij"))\n'
        "parts = (1 / N**2, (R * class_eps) ** 2, 1 / R, 1 / n**2)  # in the order of the keys\n"
        "error = sum(constant * part for constant, part in zip(class_constants.values(), parts))\n"
        "best = np.where(6 * N**2 * (n * R) ** 2 <= class_budget, error, np.inf).argmin()\n"
        "mine = N[best], R[best], n[best]",
        best,
        1e-9,
        {"the cost counts 6 N^2 samples, not N^2.": best(1), "the order: (N, R, n).": best()[::-1]},
    )
