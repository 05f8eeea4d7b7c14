"""Exercise 8, a bed of gas."""

import numpy as np

from hmm_course.variants import Draw, Question, some


def question(draw: Draw) -> Question:
    p, q, u, slope = some(draw, 0.8, 1.6), some(draw, 0.3, 0.7), some(draw, 1, 2), some(draw, 1, 3)
    inertia = some(draw, 0.3, 0.9)
    viscous, quadratic = p, inertia * (1 + q**2 / 2)  # means over a period
    sigma = 2 * u * slope / (viscous + np.sqrt(viscous**2 + 4 * quadratic * u * slope))
    return Question(
        f"Your class's bed has the law `class_law`. Give `mine`, the averaged flux at pressure {u} for the mean gradient "
        f"{slope}, with a relative error below a thousandth.",
        "def class_law(x, y, u, xi):\n"
        f"    layer = 1 + {q} * np.cos(2 * np.pi * y[0])\n"
        f"    return gas_flux({p} * layer, {inertia} * layer**2, u, xi)",
        f"mine = answer(Cell(1, 128), class_law, np.zeros(1), {u}, np.array([{slope}]))[0][0]",
        lambda: sigma,
        1e-3,
    )
