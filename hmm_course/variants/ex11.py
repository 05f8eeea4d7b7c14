"""Exercise 11, a jittery push: how fast the fast variable follows, and how strongly it pushes back."""

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from hmm_course.variants import Draw, Question, some, told


def _averaged(push: float) -> str:
    """The averaged equation at t = 1/2, 1, 2, 4, nine digits each."""

    def slope(t: float, x: np.ndarray) -> np.ndarray:
        return -push * (x**3 + 1.5 * x) + np.sin(np.pi * t) + np.cos(np.sqrt(2) * np.pi * t)

    times = [0.5, 1, 2, 4]
    path = solve_ivp(slope, (0, 4), [1.0], "DOP853", times, rtol=1e-12, atol=1e-13)
    return ", ".join(f"{x:.9f}" for x in path.y[0])


def numbers(draw: Draw | None) -> dict[str, Any]:
    """dy = rate (x - y) dtau + sqrt(rate) dW and a force -push y^3: the variance of y stays 1/2; and how a text says it."""
    rate, push = (some(draw, 1.25, 1.6), some(draw, 1.2, 1.5)) if draw else (1, 1)
    steps = round(25 / rate)
    return {
        "rate": rate,
        "push": push,
        "variance": 4.40625 * push**2,  # of push y^3 at x = 1/2, by Hermite polynomials; the memory too
        "theta": 107 / 141 / rate,
        "steps": steps,
        "last": steps - 1,
        "time": steps / 10,
        "true": _averaged(push),
    } | told(
        draw,
        {
            "constants": (
                "",
                f"\nRATE, PUSH = {rate}, {push}  # how fast y follows x, and how strongly it pushes back\n",
            ),
            "given": ("", f"Here $\\kappa={rate}$ and $c={push}$, `RATE` and `PUSH` in the code. "),
            "kappa": ("", "\\kappa "),
            "root": ("", "\\sqrt\\kappa\\,"),
            "over": ("", "/\\kappa"),
            "c": ("", "c\\,"),
            "law": (r"-x^3-\frac32x", r"-c\,(x^3+\frac32x)"),
            "by_rate": ("", "RATE * "),
            "by_push": ("", "PUSH * "),
            "per_rate": ("", " / RATE"),
            "bracket": ("", "("),
            "closed": ("", ")"),
            "own": ("1", r"$1/\kappa$"),
            "within": ("within a tenth of", "close to"),
            "memories": ("50 000", "tens of thousands of"),
            "hardly": (r"hardly more than the memory $\theta$", r"some two memories $\theta$"),
            "astray": ("by 0.4", "by several tenths"),
            "off": ("a tenth", "far less"),
        },
    )


PLACES = (
    "use_style()\n«constants»\n\ndef forcing",
    r"\dot x=-«c»y^3+",
    r"dy=«kappa»(x-y)\,d\tau+«root»dW,",
    r"«given»For small $\varepsilon$ the slow",
    r"\mathrm{E}[-«c»y^3]",
    "shrunk by $e^{-«kappa»h}$",
    r"variance $\frac12(1-e^{-2«kappa»h})$",
    "np.exp(-«by_rate»h)",
    "np.exp(-2 * «by_rate»h)",
    "average $-«c»y^3$ over",
    "Add up `-«by_push»y**3`",
    "total -= «by_push»y**3",
    "variance of $-«c»y^3$ in",
    r"of }-«c»y^3;",
    r"$b\,e^{-«kappa»s}$",
    "in range(«steps»):",
    "np.mean(-«by_push»(crowd**3))",
    "b = (pilot[«last»] -",
    "np.exp(«by_rate»«time»)  # pilot[«last»] is at «time»",
    "series.append(-«by_push»(one[0] ** 3))",
    "variance / «variance:.3f»",
    "theta / «theta:.3f»",
    "whose memory is «own».",
    r"b^2e^{-2«kappa»\,\text{settle}}",
    r"$\log(b/\text{tol})«over»$",
    "Before log(bias/tol)«per_rate» the start",
    "np.log(bias / tol)«per_rate»)",
    "np.exp(-2 * «by_rate»settle)",
    "with $F=«law»$",
    "«by_push»«bracket»-(x**3) - 1.5 * x«closed», 0",
    "(-«by_push»(x**3), 0, y)",
    "np.array([«true»])",
    "stays «within» the averaged law",
    "window is «memories» memories long",
    "has length 1, «hardly»",
    "leads $X$ astray «astray»",
    "a few tenths, $X$ by «off»",
)


def question(draw: Draw) -> Question:
    """Where the slow variable rests, found by asking only; the strength of the push falls out of it."""
    held = some(draw, 1, 2.5)
    rest = next(root.real for root in np.roots([1, 0, 1.5, -held]) if abs(root.imag) < 1e-9)
    return Question(
        "In your class's laboratory the forcing is held at the constant `class_forcing`. Find by asking `answer` where the slow "
        "variable comes to rest: give `mine`, that $x$, within two percent.",
        f"class_forcing = PUSH * {held}",
        "# Noise in the force keeps x moving about its place of rest, so the later part of the path is averaged.\n"
        "class_x, class_y, class_rng, class_path = 1.0, np.full(256, 1.0), np.random.default_rng(1), []\n"
        "for _ in range(300):\n"
        "    force, _, class_y = answer(class_x, class_y, 0.2, 2.0, 0.1, class_rng)\n"
        "    class_x += 0.05 * (force + class_forcing)\n"
        "    class_path.append(class_x)\n"
        "mine = np.mean(class_path[100:])",
        lambda: rest,
        0.02,
        {"here the forcing balances the cube of the mean of y, not the mean of its cube.": held ** (1 / 3)},
    )
