"""Exercise 3, a cell solver: a class's faces are the left and lower ones, its mean slope is not 1, its materials are others."""

from typing import Any

import numpy as np

from hmm_course.variants import Array, Draw, Question, some, told

# which faces belong to a cell, and what follows from it in words and in code: as published, and for a class
FACES = {
    "side": (1, -1),
    "right": ("right", "left"),
    "upper": ("upper", "lower"),
    "Right": ("Right", "Left"),
    "Upper": ("Upper", "Lower"),
    "to_right": ("to the right", "to the left"),
    "upwards": ("upwards", "downwards"),
    "plus": ("+", "-"),
    "minus": ("-", "+"),
    "one": ("1", "-1"),
    "back": ("-1", "1"),
    "low": ("i", "i - 1"),
    "high": ("i + 1", "i"),
    "seam": ("n - 1", "0"),
    "wrap": ("in the last row this is column 0", "in row 0 the first of them is column $n - 1$"),
    "difference": ("np.roll(np.eye(n), 1, axis=1) - np.eye(n)", "np.eye(n) - np.roll(np.eye(n), -1, axis=1)"),
    "balance": ("q_{i-1} - q_i", "q_i - q_{i+1}"),
    "of_40": ("(np.arange(40) + 1)", "np.arange(40)"),
    "of_8": ("(np.arange(8) + 1)", "np.arange(8)"),
    "end_i": ("(i+1)/n", "i/n"),
    "end_j": ("(j+1)/n", "j/n"),
    "window": ((0, 1.06), (-0.06, 1)),
    "a1_at": ("0.515, 0.65", "0.065, 0.65"),
    "a2_at": ("0.4, 0.765", "0.4, 0.455"),
}


def numbers(draw: Draw | None) -> dict[str, Any]:
    """slope: the mean slope on a line; good: slices of 1 and this; mean: of the wave; draw: of the random faces.

    The composites are of poor and 10 poor, so that relative errors and their orders stay. jump: where layers jump inside a cell.
    """
    slope, good, poor = draw.integers((2, 5, 2), (7, 20, 10)).tolist() if draw else (1, 9, 1)
    mean = some(draw, 2.1, 4, 1) if draw else 2
    jump = float(draw.choice([0.31, 0.33, 0.39, 0.41, 0.43])) if draw else 0.37  # on no face for n < 100
    bound = np.ceil(450 / (10 - 9 * jump)) / 100  # half a cell in the wrong phase, against the arithmetic mean
    return (
        {
            "slope": slope,
            "top": 2.5 * slope,
            "good": good,
            "effective": 2 * good / (1 + good),
            "alone": slope * ((1 + good) / 2 - 2 * good / (1 + good)),  # with a minus
            "mean": mean,
            "radicand": mean**2 - 1,
            "draw": int(draw.integers(4, 1000)) if draw else 3,
            "poor": poor,
            "rich": 10 * poor,
            "apart": 0.25 * poor,
            "jump": jump,
            "rest": 1 - jump,
            "bound": bound,
            "almost": bound - 0.08,
        }
        | told(
            draw,
            {
                "and_slope": ("", f" and a mean slope of {slope}"),
                "but_one": ("", ", for a mean slope of 1"),
                "times": ("", f"{slope} * "),
                "times_y": ("", slope),
                "over": ("", f" / {slope}"),
                "divided": ("", f", divided by {slope}"),
                "per": ("for a mean slope of 1", f"per mean slope, which is {slope}"),
                "mean_flux": ("mean flux", "mean flux per slope"),
                "digits": (1, 2),
            },
        )
        | told(draw, FACES)
    )


PLACES = (
    "c1.ravel() «plus» 1 / 8",
    "c2.ravel() «plus» 1 / 8",
    "ax.text(«a1_at»,",
    "ax.text(«a2_at»,",
    "xlim=«window», ylim=«window»",
    "between the cells $«low»$ and $«high»$, face $«seam»$ between",
    "$-n$ in column $«low»$ and $+n$ in column $«high»$; «wrap»",
    "`np.roll(np.eye(n), «one», axis=1)` has its ones in column $i«plus»1$",
    "n * («difference»)",
    r"(D^T q)_i = n\,(«balance»)",
    r"With $D$ for your matrix«and_slope», the flux on the faces is $a\,(«slope» + Dw)$",
    r"D^T\big(a\,(«slope» + Dw)\big)",
    "right side `-«times»D.T @ a`",
    "and a mean slope of «slope».",
    "sparse.diags_array(a) @ D, -«times»D.T @ a",
    "and the mean slope is «slope».",
    r"The mean of $a\,(«slope» + Dw)$ over all faces«divided».",
    '"""The mean flux «per»."""',
    "uniform slope «slope» that drives it",
    "np.mean(a * («slope» + gradient(len(a)) @ corrector(a)))«over»",
    "np.where(np.arange(40) < 20, 1.0, «good:.1f»)",
    "«of_40» / 40",
    'plot(centres, «times»centres + w, label="field «times_y»y + w")',
    'plot(centres, «times»centres, "k--", lw=1, label="slope «slope»")',
    'plot(edges, «slope» + D @ w, ".", label="slope «slope» + Dw")',
    'slices * («slope» + D @ w), label="flux a («slope» + Dw)")',
    "ylim=(0, «top»)",
    "wave = «mean:g» + np.cos(2 * np.pi * «of_8» / 8)",
    "slices of 1 and «good»:  «mean_flux» {",
    "np.mean(«slope» + D @ w):.4f}, of the flux without the «slope» {",
    '"«mean:g» + cos, n = 8:',
    "the square root of «radicand:.4g» is {np.sqrt(«radicand:.4g»)",
    "The mean of the slope is «slope» in every material",
    "Without the «slope» even",
    "The «mean_flux» is the harmonic mean",
    "along $y_1$ on the «right» faces and along $y_2$ on the «upper» faces",
    "the slopes on the «right» and on the «upper» faces",
    "conductivities on the «right» faces `a1` (n, n) and on the «upper» faces `a2`",
    "All of it is as in one dimension«but_one».",
    "np.random.default_rng(«draw»)",
    "Which coordinate of a «right» face",
    r"«Right» face of cell $(i, j)$: $(«end_i», (j+\tfrac12)/n)$. «Upper» face: $((i+\tfrac12)/n, «end_j»)$",
    "holds the «right» faces",
    "in the middle of the «right» and «upper» faces",
    "half a cell «to_right» and a2 to one shifted «upwards»",
    "edge = centre «plus» 0.5 / n",
    "«right», «upper» = (np.array",
    "return a(«right»), a(«upper»)",
    "[0] «minus» np.array([0.5 / n, 0])",
    "lambda y: «mean:g» + np.cos(2 * np.pi * y[0])",
    "«mean:g» + cos 2πy₁, n = 8",
    "exact {np.sqrt(«radicand:.4g»):.5f} and «mean:g»",
    "np.diag([np.sqrt(«radicand:.4g»), «mean:g»])",
    "is the neighbour on the «right».",
    "on the «right» and «upper» faces, for conductivities k",
    "np.roll(k, «back», axis=",
    "Four composites of «poor» and «rich» with",
    "«poor:.1f», «rich:.1f»",
    "inside=«rich:.1f», matrix=«poor:.1f»",
    "jump at «jump»",
    "(«jump», «rest:.2f»)",
    "«bound» / n",
    "«bound»/n",
    "is at most {scaled.max():.«digits»f}",
    "«almost:.2g» < scaled.max() < «bound»",
    ".max() < «apart»  # the checkerboard",
    "«effective:.4g» for slices of 1 and «good»; the mean slope says «slope», the flux without the «slope» says −«alone:.4g»",
)


def question(draw: Draw) -> Question:
    """A wave that is no layer, so that the corrector is needed in both directions."""
    p, q, r = some(draw, 2.5, 4), some(draw, 0.5, 0.95), some(draw, 0.5, 0.95)

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
        {"this is the mean of the material itself, as if no corrector answered.": p * np.eye(2)},
    )
