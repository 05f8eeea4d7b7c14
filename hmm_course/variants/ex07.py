"""Exercise 7, cars on a ring: how fast a car moves, and how dense the light traffic is."""

from fractions import Fraction
from typing import Any

import numpy as np

from hmm_course.variants import Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """v, the rate at which a car moves, by which all times are longer; 1/part, the light traffic; and how a text says it."""
    v, part = (some(draw, 0.6, 0.85), int(draw.integers(6, 10))) if draw else (1, 8)
    level = Fraction(part + 2, 4 * part)  # halfway between the two densities
    return {
        "v": v,
        "part": part,
        "level": f"{level.numerator} / {level.denominator}",
        "speed": v * (1 / 2 - 1 / part),
        "burn": round(60 / v),
        "first": round(10 / v),
        "middle": round(20 / v),
        "last": round(41 / v),
        "guide": 0.075 * np.sqrt(v),
    } | told(
        draw,
        {
            "rate": ("1", "v"),
            "a_rate": ("1", "$v$"),
            "over": ("1", " v"),
            "times": ("", "v * "),
            "factor": ("", "v\\,"),
            "by": ("", " * v"),
            "per": ("", " / v"),
            "bracket": ("", "("),
            "closed": ("", ")"),
            "name": ("", ", v"),
            "value": ("", f", {v}"),
            "what": ("", ", the rate at which a car moves"),
            "here": ("", f", where $v={v}$"),
            "times_v": ("", ", times v"),
            "chance": ("", " with probability $v$"),
            "and_chance": ("", " & (rng.random(replicas) < v)"),
            "hint_rate": ("", " Each such car counts with its rate $v$."),
            "hint_chance": ("", " `rng.random(R) < v` is True with probability $v$."),
            "hint_move": ("", ", and the random number is below $v$"),
            "breaks": ("every second time", "every second time, or more often"),
            "batches": ("thirty", f"some {30 * v:.0f}"),
            "keep": ("keep the promise", "do about as well, without any $r_k$"),
            "independent": ("seven or eight", f"some {7.5 / v:.0f}"),
            "worth": (
                "slope $-0.52$; 2000 values are worth some 250 to 300",
                r"slope near $-\frac12$; 2000 values are worth far fewer",
            ),
            "holds": (
                "the 95 % interval holds in 50 % (naive), 91 % (mixing time), 94 % (batches)",
                "the naive 95 % interval breaks its promise, the others nearly keep it",
            ),
            "off": (
                "answers off by 5 %, densities by 2 %, and not a car lost",
                "the densities are off by less than the answers, and not a car is lost",
            ),
            "biased": ("runs at 0.382 instead of 0.373", "is too fast by the factor 40/39"),
        },
    )


PLACES = (
    "L, N«name» = 40, 20«value»  # places on the ring, cars on it«what»",
    "with probability $«factor»dt$«here», but only",
    r"each at rate «a_rate», per place: $j = \frac«over»L\,",
    "is the share of True.«hint_rate»",
    '"""Cars with a free place ahead«times_v», per place',
    "return «times»(rings & ~np.roll(",
    "that can move, move it«chance». $L$ such",
    "is what stands there.«hint_chance»",
    "the place ahead is free«hint_move». Where it is True",
    "move = new[row, place] & ~new[row, ahead]«and_chance»",
    "makes the rate of each car «rate».",
    "right.axhline(«times»N * (L - N)",
    r"$J = «factor»\frac{N}{L}",
    "J, burn = «times»N * (L - N) / (L * (L - 1)), «burn»",
    "np.arange(«first», «last»)",
    "assert 7 < «times»tau_start < 13",
    "after «burn» sweeps",
    "abs(bias[«middle»]) * np.exp(-(window - «middle»)",
    "«guide:.3f» / np.sqrt(lengths)",
    "naive bar breaks its promise «breaks».",
    "Batches «batches» mixing times long «keep».",
    r"costs «burn» sweeps, an independent value of the trajectory costs $2\tau$, «independent» sweeps",
    "20 * «burn» sweeps",
    "than a car, speed «a_rate».",
    r"- \tfrac«over»2(\rho_{i+1}",
    "for waves of speed up to «rate» in",
    "- «times»(np.roll(rho, -1) - rho) / 2",
    r"Light traffic, $\rho=\frac1«part»$",
    r"$F=«factor»\rho(1-\rho)$: a shock of speed $«factor»«bracket»1-\frac1«part»-\frac12«closed»=«speed:.3f»$",
    "ratio=0.8«per», end=0.5«per»",
    "np.where(x < 0.3, 1 / «part», 1 / 2)",
    "level=«level»)",
    "drive(lambda rho: «times»rho * (1 - rho)",
    "density at t = 0.5«per»",
    "(shock(*run) - 0.3) / 0.5«by» for",
    'abs(speed["exact"] - «speed:.3f»)',
    r"agree with $«factor»\frac{N(L-N)}{L(L-1)}$",
    "in about «first» sweeps; kept",
    "«worth»",
    "«holds»",
    "«off»",
    "the shock «biased»",
)


def question(draw: Draw) -> Question:
    """A small ring, and the flux per car instead of the flux per place."""
    length = int(draw.integers(9, 16))
    cars = int(draw.integers(3, length - 2))
    free = (length - cars) / (length - 1)
    return Question(
        f"On your class's ring there are {cars} cars on {length} places. Measure `mine`, the share of its cars that have a free "
        "place ahead, on average in the stationary state, so accurately that it tells a ring from an endless road: with a "
        "relative error below two percent.",
        f"class_cars, class_length = {cars}, {length}",
        "# Many rings at once, all started alike; the first sweeps are thrown away, for they remember the start.\n"
        "# The flux counts such cars with their rate v and per place; what is wanted is a share of the cars.\n"
        "class_rng = np.random.default_rng(1)\n"
        "rings = np.tile(np.arange(class_length) < class_cars, (400, 1))\n"
        "measured = []\n"
        "for time in range(150):\n"
        "    rings = sweep(rings, class_rng)\n"
        "    if time >= 50:\n"
        "        measured.append(flux(rings).mean())\n"
        "mine = np.mean(measured) / v * class_length / class_cars",
        lambda: free,
        0.02,
        {
            "this is the share on an endless road, 1 - r: on a ring a car knows that it is itself missing ahead.": 1
            - cars / length,
            "this is the share of the places; that of the cars is wanted.": free * cars / length,
        },
    )
