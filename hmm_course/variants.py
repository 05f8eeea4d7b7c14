"""A class's own question for an exercise: medium and numbers are drawn from a seed, so no published solution has the answer.

    question("03", seed)             what is asked: text, the cell that sets it up, a model answer, what is right
    check("03", seed, mine)          says whether an answer is right, as the checks of the exercises do

``tools/exercises.py --seed N FOLDER`` puts the question with its check at the end of the exercise. The tasks of most exercises
are general functions, which answer for every medium; that is their point, and why a seed cannot change them. The question asks
for what they say about a medium that nobody else has. Seed 0 is the published exercise, without a question.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hmm_course.checks import Array, array, match, passed

Draw = np.random.Generator


@dataclass(frozen=True)
class Question:
    """What a class is asked; code is run after the whole exercise."""

    text: str
    given: str  # code that sets up the medium
    answer: str  # a model answer: lines that use the functions of the exercise and set ``mine``
    right: Callable[[], Any]  # the value, found in another way
    rtol: float
    mistakes: Mapping[str, Any] = field(default_factory=dict)


def _one(draw: Draw, low: float, high: float, digits: int = 2) -> float:
    return round(float(draw.uniform(low, high)), digits)


def _line(draw: Draw) -> Question:
    p, q, r = _one(draw, 2, 4), _one(draw, 0.4, 0.9), _one(draw, 0.4, 0.9)
    steep = np.hypot(q, r) / p
    return Question(
        "The rod of your class is `rod_of_class`. Give `mine`, two numbers: its effective conductivity, and the largest slope of "
        "the fine field, $\\max_y (1 + w'(y))$ for a macro slope of 1, to six digits.",
        f"def rod_of_class(y):\n    return 1 / ({p} + {q} * np.cos(2 * np.pi * y) + {r} * np.sin(2 * np.pi * y))",
        "# The flux is constant: a (1 + w') = A, so the slope is A/a, largest where a is smallest.\n"
        "own = effective_1d(rod_of_class)\n"
        "mine = own, np.max(own / rod_of_class(np.linspace(0, 1, 20001)))",
        lambda: [1 / p, 1 + steep],
        1e-6,
        {"the second number is w', without the slope 1 of the macro field.": [1 / p, steep]},
    )


def _plane(draw: Draw) -> Question:
    k, f = [_one(draw, 1, 9) for _ in range(6)], _one(draw, 0.2, 0.8)
    cross = [_one(draw, 0.2, 0.8), -_one(draw, 0.2, 0.8)]
    K1, K2 = (np.array([[k[2 * i], cross[i]], [cross[i], k[2 * i + 1]]]) for i in (0, 1))

    def right() -> Array:
        mean = f * K1 + (1 - f) * K2  # the anisotropic laminate, entry by entry (Milton, chapter 9)
        share = f * K1[0] / K1[0, 0] + (1 - f) * K2[0] / K2[0, 0]
        across = 1 / (f / K1[0, 0] + (1 - f) / K2[0, 0])
        squares = f * np.outer(K1[0], K1[0]) / K1[0, 0] + (1 - f) * np.outer(K2[0], K2[0]) / K2[0, 0]
        return mean - squares + across * np.outer(share, share)

    turned = right()[::-1, ::-1]
    return Question(
        "Your class laminates `K1` (fraction `f1`) and `K2`, across $y_1$. Then the plate is turned by a right angle, "
        "counterclockwise. Give `mine`, its tensor (2, 2) in the fixed axes.",
        f"K1, K2, f1 = np.array({K1.tolist()}), np.array({K2.tolist()}), {f}",
        "# A tensor turns with the plate: R A R^T.\n"
        "quarter = np.array([[0.0, -1.0], [1.0, 0.0]])\n"
        "mine = quarter @ layered(K1, K2, f1) @ quarter.T",
        lambda: turned * np.array([[1, -1], [-1, 1]]),
        1e-9,
        {
            "this is the plate before it was turned.": right(),
            "the off-diagonal entries change sign in a quarter turn.": turned,
        },
    )


def _cell(draw: Draw) -> Question:
    p, q, r = _one(draw, 2.5, 4), _one(draw, 0.5, 1.0), _one(draw, 0.5, 1.0)

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


def _edges(draw: Draw) -> Question:
    inside, radius, size = _one(draw, 4, 12, 1), _one(draw, 0.25, 0.4), _one(draw, 1.2, 2.8)

    def right() -> Array:
        import hmm_core as hmm

        disks = hmm.media.inclusion(inside=inside, radius=radius)
        cells = [hmm.CellProblem(n=8, bc=bc, size=size, offset=0.5) for bc in ("neumann", "periodic", "dirichlet")]
        low, middle, high = (cell.effective_tensor(disks) for cell in cells)
        return np.array([np.linalg.eigvalsh(middle - low)[0], np.linalg.eigvalsh(high - middle)[0]])

    return Question(
        f"Your class's material has disks, and its samples are {size} periods wide. Give `mine`, two numbers: the smallest "
        "gap between the Neumann and the periodic answer, and between the periodic and the Dirichlet answer, with `n=8`.",
        f"from hmm_core import media as class_media\n\nclass_disks, class_size = "
        f"class_media.inclusion(inside={inside}, radius={radius}), {size}",
        "low, middle, high = answers(class_disks, class_size, n=8)\n"
        "mine = smallest_gap(low, middle), smallest_gap(middle, high)",
        right,
        1e-4,
    )


def _window(draw: Draw) -> Question:
    p, q, length, buffer = _one(draw, 2, 4), _one(draw, 0.5, 1.5), _one(draw, 1.2, 3.4), _one(draw, 0.1, 0.6)
    flux, ratio = (1 / (p + q * np.sinc(width)) for width in (length + 2 * buffer, length))
    return Question(
        f"Task 2 for the line of your class, $a = 1/({p} + {q}\\cos 2\\pi y)$, averaged over {length} periods with a buffer of "
        f"{buffer} on either side. Give `mine`, the two answers (flux alone, ratio).",
        f"p_class, q_class, L_class, b_class = {p}, {q}, {length}, {buffer}",
        "# The mean of 1/a over a centred width L: p + q sinc(L). The flux alone sees the solved width, the ratio the inner.\n"
        "mine = [1 / (p_class + q_class * np.sinc(width)) for width in (L_class + 2 * b_class, L_class)]",
        lambda: [flux, ratio],
        1e-9,
        {
            "flux and ratio have changed places: which of them forgets the buffer?": [ratio, flux],
            "this is the line of the exercise, 1/(2 + cos), not yours.": [
                1 / (2 + np.sinc(length + 2 * buffer)),
                1 / (2 + np.sinc(length)),
            ],
        },
    )


def _cheapest(draw: Draw) -> Question:
    C = {
        "macro": _one(draw, 0.5, 2),
        "modelling": _one(draw, 0.5, 2),
        "resonance": _one(draw, 0.03, 0.1, 3),
        "micro": _one(draw, 0.3, 1.5),
    }
    eps, tol = _one(draw, 0.005, 0.015, 3), _one(draw, 0.05, 0.09, 3)

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


def _traffic(draw: Draw) -> Question:
    length = int(draw.integers(9, 16))
    cars = int(draw.integers(3, length - 2))
    road = cars / length * (1 - cars / length)
    exact = cars * (length - cars) / (length * (length - 1))
    return Question(
        f"On your class's ring there are {cars} cars on {length} places. Measure `mine`, its mean flux in the stationary state, "
        "so accurately that it tells a ring from an endless road: with a relative error below two percent.",
        f"class_cars, class_length = {cars}, {length}",
        "# Many rings at once, all started alike; the first sweeps are thrown away, for they remember the start.\n"
        "class_rng = np.random.default_rng(1)\n"
        "rings = np.tile(np.arange(class_length) < class_cars, (400, 1))\n"
        "measured = []\n"
        "for time in range(150):\n"
        "    rings = sweep(rings, class_rng)\n"
        "    if time >= 50:\n"
        "        measured.append(flux(rings).mean())\n"
        "mine = np.mean(measured)",
        lambda: exact,
        0.02,
        {
            "this is the flux of an endless road, r (1 - r): on a ring a car knows that it is itself missing ahead.": road
        },
    )


def _gas(draw: Draw) -> Question:
    p, q, u, slope = _one(draw, 0.8, 1.6), _one(draw, 0.3, 0.7), _one(draw, 1, 2), _one(draw, 1, 3)
    inertia = _one(draw, 0.3, 0.9)
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


def _wall(draw: Draw) -> Question:
    low, rise, mean, time = _one(draw, 0.5, 1.5), _one(draw, 0.5, 2), _one(draw, 2, 4), _one(draw, 0.1, 0.3)

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


QUESTIONS: dict[str, Callable[[Draw], Question]] = {
    "01": _line,
    "02": _plane,
    "03": _cell,
    "04": _edges,
    "05": _window,
    "06": _cheapest,
    "07": _traffic,
    "08": _gas,
    "09": _wall,
}


def question(exercise: str, seed: int) -> Question:
    """The question of this seed for an exercise, "01" to "09". ValueError if the exercise has none, or for a seed below 1."""
    if exercise not in QUESTIONS:
        raise ValueError(f"exercise must be one of {', '.join(QUESTIONS)}, which take a seed; it is {exercise!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 1:
        raise ValueError(f"seed must be a whole number above 0 (0 is the published exercise); it is {seed!r}")
    return QUESTIONS[exercise](np.random.default_rng([seed, int(exercise)]))


def check(exercise: str, seed: int, mine: Any) -> None:
    """Whether ``mine`` answers the question. Raises ``CheckFailed`` with a sentence, or prints one line."""
    asked = question(exercise, seed)
    right = np.asarray(asked.right(), dtype=float)
    value = array(mine, "mine", right.shape)
    match(value, right, "mine", rtol=asked.rtol, mistakes=asked.mistakes)
    passed("this is what your class's medium answers")
