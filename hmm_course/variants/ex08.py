"""Exercise 8, a bed of gas: its layers, its thickness, which every flux through it counts, and the load."""

from typing import Any

import numpy as np

from hmm_course.variants import Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """swing of the layers, inertia, load f, and thick, the thickness of the bed; and how a text says what follows from them."""
    swing = some(draw, 0.7, 0.84) if draw else 0.8
    inertia = some(draw, 0.4, 0.6) if draw else 0.5
    thick = some(draw, 0.6, 0.85) if draw else 1
    # A flux like the published one: with a much larger one four elements are too few to show the order.
    load = round(some(draw, 1.65, 1.95) * thick, 2) if draw else 2
    return {
        "swing": swing,
        "inertia": inertia,
        "load": load,
        "thick": thick,
    } | told(
        draw,
        {
            "times": ("", f"{thick} * "),
            "by": ("", f"{thick}\\,"),
            "thickness": ("", f" of thickness {thick}"),
            "balance": (" j", f"({thick}\\,j)"),
            "is_what": ("", ", the flux through the whole thickness of the bed,"),
            "averaged": ("averaged ", ""),
            "through": ("", f" through the thickness {thick}"),
            "then": ("", f", times {thick}"),
            "parts": ("gas_flux(*means, u, G)", f"tuple({thick} * part for part in gas_flux(*means, u, G))"),
            "counts": ("", " As in task 2 the whole thickness counts."),
            "each": ("", f", each part times {thick}"),
            "few": ("five", "a few"),
            "many": ("22", "many more"),
            "in_layers": (r"\sigma", rf"(\sigma/{thick})"),
            "viscous": ("4", f"2 * {load} / {thick}"),
            "inertial": ("8 / 3", f"2 / 3 * ({load} / {thick}) ** 2"),
            "same_plate": ("", " of the same thickness"),
            "source": ("2.0", f"2.0 / {thick}"),
            "per_thickness": ("", f", for a bed of thickness 1, so that its source is divided by {thick}"),
            "too_much": ("2.060 against 1.142 at gradient 2", "the two numbers printed after task 2"),
            "less": ("0.400 against 0.571", "the two numbers printed below them"),
            "slope": ("1.97", "close to 2"),
            "stalls": (" at 0.0105", ""),
        },
    )


PLACES = (
    "evenly in a porous bed«thickness», at the rate",
    r"so $-\nabla\cdot«balance» = f$",
    "(1 + x[0]) * (1 + «swing» * np.cos(2 * np.pi * y[0]))",
    "«inertia» * (1 + «swing» * np.cos(2 * np.pi * y[0])) ** 2",
    r"The answer is $\sigma = «by»\langle j\rangle$ (`cell.mean`)«is_what» and,",
    r"\frac{\partial\sigma}{\partial G_k} = «by»\big\langle p",
    "Then take the mean«then».",
    "The «averaged»flux sigma (d,)«through», its derivative in u",
    "return «times»cell.mean(p + times(T",
    "sigma, d_du = «times»cell.mean(j), response(dj_du)",
    "on a line it is the harmonic mean of T«then».",
    "guess = «times»np.interp(2.0",
    "the average of the fluxes«through» is {guess",
    "$f = «load»$. For comparison",
    "return basis, 1 + x, «load» * unit_load",
    "Newton's method «few», Picard's loop «many». Why",
    "for `x` (1, K), `u` (K,) and `G` (1, K).«counts» Let",
    "Return all that `gas_flux` returns«each».",
    "return «parts»",
    r"\langle r\rangle«in_layers» + \langle s\rangle«in_layers»^2$",
    "1 + «viscous» * (fine - fine**3 / 3) + «inertial» * inertia",
    "So take a plate«same_plate» with oblique",
    "takes the law as it is«per_thickness».",
    "source=«source», dirichlet",
    "| «too_much» |",
    "| «less» |",
    "one update; «few» with Newton's method, «many» with Picard's loop",
    "slope «slope» if mesh and cells are refined; with the mesh alone the error stalls«stalls» |",
)


def question(draw: Draw) -> Question:
    """How strongly the flux follows the gradient: a ratio, in which the thickness of the bed does not count."""
    p, q, u, slope = some(draw, 0.8, 1.6), some(draw, 0.3, 0.7), some(draw, 1, 2), some(draw, 1, 3)
    inertia = some(draw, 0.3, 0.9)
    viscous, quadratic = p, inertia * (1 + q**2 / 2)  # means over a period
    root = np.sqrt(viscous**2 + 4 * quadratic * u * slope)
    right = (viscous + root) / (2 * root)
    return Question(
        f"Your class's bed has the law `class_law`. At pressure {u} and mean gradient {slope} the gradient grows by one percent. "
        "Give `mine`, by how many percent the flux through the bed grows (in the limit of small changes), with a relative error "
        "below a thousandth.",
        "def class_law(x, y, u, xi):\n"
        f"    layer = 1 + {q} * np.cos(2 * np.pi * y[0])\n"
        f"    return gas_flux({p} * layer, {inertia} * layer**2, u, xi)",
        "# Tangent over secant: it tells how far the law is from a linear one.\n"
        f"sigma, _, d_dG = answer(Cell(1, 128), class_law, np.zeros(1), {u}, np.array([{slope}]))\n"
        f"mine = d_dG[0, 0] * {slope} / sigma[0]",
        lambda: right,
        1e-3,
        {
            "this is secant over tangent: turn it over.": 1 / right,
            "this is how much the flux grows as a share; give it in percent.": right / 100,
            "by one percent the flux grows only if the law is linear.": 1,
        },
    )
