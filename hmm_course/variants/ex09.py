"""Exercise 9, a wall that cools: its layers, and the heat that it holds, on which the mass matrix depends."""

from typing import Any

import numpy as np

from hmm_course.variants import Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """Layers (1 + rise x)/(mean + cos 2 pi y), a wall that takes up ``heat`` for one degree; how a text says what follows."""
    rise = some(draw, 0.5, 1) if draw else 1
    mean = some(draw, 1.6, 2.4) if draw else 2
    heat = some(draw, 0.6, 0.9) if draw else 1
    return {
        "rise": rise,
        "mean": mean,
        "heat": heat,
    } | told(
        draw,
        {
            "slope": ("", f"{rise} * "),
            "effective": ("(1 + x)/2", f"(1 + {rise} x)/{mean}"),
            "takes_up": ("", f"It takes up the heat {heat} per unit of length and degree. "),
            "by": ("", f"{heat}\\,"),
            "half": (r"\tfrac12", rf"\tfrac{{{heat}}}{{2}}"),
            "owns": ("the node's share of the wall", "what the node's share of the wall takes up"),
            "mass": ("(H[:-1] + H[1:]) / 2", f"{heat} * (H[:-1] + H[1:]) / 2"),
            "orders": ("0.98, 0.98 and 2.00", "about 1, 1 and 2"),
            "square": ("H^2", f"({heat}\\,H^2)"),
            "limit": ("2 max A / H^2", f"2 max A / ({heat} H^2)"),
            "to_limit": ("2", f"{2 * (1 + rise) / mean / heat:.4g}"),
        },
    )


PLACES = (
    "return (1 + «slope»x[0]) / («mean» + np.cos(2 * np.pi * y[0]))",
    "here it answers with A(x) = «effective»",
    "to temperature 0. «takes_up»The temperature follows",
    r"«by»\partial_t U = \partial_x\sigma",
    r"M_j=«half»(H_{j-1}+H_j)",
    "($M_j$ is «owns»;",
    "return «mass», D.T @",
    r"| «orders» for $\theta=1",
    "HMM's step times «limit»: {(coarse * «to_limit» / H**2)",
    r"must stay below $«by»H^2/(2\max A)$",
    "decays in a time of about $«by»h^2/A$",
    r"at the rate $4A/«square»$",
    r"\Delta t\le2/\lambda=«by»H^2/(2A)$",
    r"decay in a time $«by»h^2/k\sim",
    r"limit $«by»H^2/(2\max A)$",
)


def question(draw: Draw) -> Question:
    """How stiff HMM's system is: a number of steps, in which the heat that the wall holds does not count."""
    low, rise, mean, theta = some(draw, 0.5, 1.5), some(draw, 0.5, 2), some(draw, 2, 4), some(draw, 0.1, 0.4)
    n = int(draw.integers(40, 81))

    def right() -> float:
        A = low + rise * (np.arange(n) + 0.5) / n  # the mean of the layers is a factor of all rates
        rates = np.linalg.eigvalsh(np.diag(A[:-1] + A[1:]) - np.diag(A[1:-1], 1) - np.diag(A[1:-1], -1))
        return float((1 - 2 * theta) * rates[-1] / (2 * rates[0]))

    return Question(
        f"Your class's wall has the conductivity `class_layers`. HMM cools it on {n} equal elements with theta = {theta}, in the "
        "longest steps with which no mode grows. Give `mine`, how many of them pass (not rounded) until the slowest mode, "
        "which decays like exp(-lambda t), is down to 1/e, within half a percent.",
        f"def class_layers(x, y):\n    return ({low} + {rise} * x[0]) / ({mean} + np.cos(2 * np.pi * y[0]))",
        "# The slowest mode needs the time 1/lambda; the fastest one, long gone by then, says how long a step may be.\n"
        "class_closure = hmm.CellClosure(class_layers, hmm.CellProblem(dim=1, n=32))\n"
        f"class_M, class_K = matrices(class_closure, np.linspace(0, 1, {n + 1}))\n"
        "slowest = eigh(class_K, np.diag(class_M), eigvals_only=True)[0]\n"
        f"mine = 1 / (slowest * largest_step(class_M, class_K, {theta}))",
        right,
        5e-3,  # whoever takes the scheme's own factor for exp(-lambda dt) is off by 0.15 percent at most
        {
            "these are the steps of theta = 0; a step may be longer here.": right() / (1 - 2 * theta),
            "these are the steps until the fastest mode is down to 1/e; the slowest one is asked for.": (1 - 2 * theta)
            / 2,
        },
    )
