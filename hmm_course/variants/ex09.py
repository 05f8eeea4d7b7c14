"""Exercise 9, a wall that cools."""

import numpy as np

from hmm_course.variants import Draw, Question, some


def question(draw: Draw) -> Question:
    low, rise, mean, time = some(draw, 0.5, 1.5), some(draw, 0.5, 2), some(draw, 2, 4), some(draw, 0.1, 0.3)

    def right() -> float:
        n = 400  # lumped elements, the sum over their modes
        x = (np.arange(n) + 0.5) / n
        A = (low + rise * x) / mean
        K = n * n * (np.diag(A[:-1] + A[1:]) - np.diag(A[1:-1], 1) - np.diag(A[1:-1], -1))
        rates, modes = np.linalg.eigh(K)
        return float(modes[n // 2 - 1] @ (np.exp(-rates * time) * (modes.T @ np.ones(n - 1))))

    return Question(
        f"Your class's wall has the conductivity `class_layers` and is 1 warm everywhere at the start. Give `mine`, the "
        f"temperature in its middle at time {time}, with a relative error below one percent.",
        f"def class_layers(x, y):\n    return ({low} + {rise} * x[0]) / ({mean} + np.cos(2 * np.pi * y[0]))",
        "# The closure asks the layers. A few steps with theta = 1 damp the sudden start, then theta = 1/2 is accurate.\n"
        "class_closure = hmm.CellClosure(class_layers, hmm.CellProblem(dim=1, n=32))\n"
        "class_nodes = np.linspace(0, 1, 65)\n"
        f"start = cool(class_closure, class_nodes, np.ones(63), {time} / 20, 10, 1.0)[-1]\n"
        f"mine = cool(class_closure, class_nodes, start, {time} * 19 / 20, 100, 0.5)[-1][31]",
        right,
        1e-2,
    )
