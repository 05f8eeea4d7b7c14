"""Exercise 10, drivers who move at once: in a class they hurry close behind another."""

from typing import Any

from hmm_course.variants import Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """hurry, how much likelier a driver moves close behind another; light, a density; and what a text says of them.

    The fastest wave is the gap that runs back through a queue, at the speed hurry p. It sets the largest step r, and must not
    have eaten the queue when the road is looked at: so hurry stays below 1.5.
    """
    hurry, light = (some(draw, 1.25, 1.45), some(draw, 0.15, 0.3)) if draw else (1, 0.25)
    fastest = 0.5 * hurry
    step, limit, over, far = (round(part / fastest, 2) for part in (0.8, 1, 1.35 if draw else 1.25, 2))
    return {
        "hurry": hurry,
        "light": light,
        "level": (1 + light) / 2,
        "ups": 2 * (1 - light),
        "step": step,
        "limit": limit,
        "over": over,
        "far": far,
        "most": f"{limit:g}",
    } | told(
        draw,
        {
            "known": (r": $\rho(1-\rho)$", ""),  # in a class exercise 7 has a rate of its own
            "name": ("", ", HURRY"),
            "value": ("", f", {hurry}"),
            "what": ("", "; HURRY times that close behind another"),
            "or_hurry": ("", f", or ${hurry}\\,p$ close behind another, where the second place ahead is taken"),
            "hint_hurry": ("", ", or `HURRY * p` where a driver hurries"),
            "hint_second": ("", ", and a roll by -2 what stands on the second"),
            "hurried": ("", " * np.where(np.roll(rings, -2, axis=1), HURRY, 1)"),
            "by_hurry": ("", f"(1+{hurry - 1:.2g}\\rho)"),
            "times_hurry": ("", " * (1 + (HURRY - 1) * density)"),
            "speed": ("p=1/2", f"{hurry}\\,p={fastest:.3g}"),
            "where": ("", "at half density "),
            "of_what": ("of a lone car", "at which a gap runs back through a queue"),
            "digits": ("1", "2"),
            "flux": (
                "0.148 at half density with an error bar below 0.001, where the obvious guess says 0.125",
                "known at half density with an error bar below 0.001, and well above the obvious guess",
            ),
            "near": ("0.01", "0.03"),
            "chord": (", $-0.14$", ""),
            "this": ("This", "If nobody hurries, this"),
            "paper": (
                " It needed a paper. You did not:",
                " It needed a paper, and says nothing of drivers who hurry. Your table does:",
            ),
            "compared": ("np.abs(table - formula).max() < 0.006", "table[10] - formula[10] > 10 * error[10]"),
            "look": ("two", "three"),
            "any_more": ("any more", "for that either"),
        },
    )


PLACES = (
    "P«name» = 0.5«value»  # how likely a driver moves in a step, if the place ahead is free«what»",
    "and the flux was known«known».",
    "moves into it with probability $p$«or_hurry»; all moves",
    "random number is below $p$«hint_hurry».",
    "what stands on the next one«hint_second».",
    "(rng.random(rings.shape) < p«hurried»)",
    r"the flux would be $p\rho(1-\rho)«by_hurry»$",
    "guess = P * density * (1 - density)«times_hurry»",
    "sort themselves: «where»a car is followed by",
    "light traffic of density $«light»$",
    "1.0, «light»)",
    "peak, «light», «light»)",
    "rng.random((60, 1000)) < «light»)",
    "level=«level:.4g»)",
    "shock_speed(«light», 1.0, F)",
    "r=«step», end=0.4",
    "advanced with $r=«step»$",
    "up from «light» to 1 once and down once, so all its ups and downs are «ups:.2f» together",
    "for r in («step», «limit», «over», «far»)",
    ".max():.«digits»f}",
    "at most $«speed»$ here, the speed «of_what».",
    r"thus $r\le«most»$. Beyond",
    "at $r=«over»$ the density",
    "its flux, «flux»;",
    "agrees, to «near», with",
    "the speed of a chord«chord».",
    "«this» process happens to have a formula",
    "on an endless road.«paper»",
    "assert «compared»",
    "look «look» places ahead",
    "There is no formula «any_more», and nothing else",
)


def question(draw: Draw) -> Question:
    """The last driver who has to stop: the tail of the queue, and the wave of those who start."""
    p, light, red = some(draw, 0.4, 0.7), some(draw, 0.15, 0.3), some(draw, 0.2, 0.5)

    def flux(rho: float) -> float:
        return (1 - (1 - 4 * p * rho * (1 - rho)) ** 0.5) / 2

    def right() -> list[float]:
        # Followed by cars, n of them a unit of length apart in the queue: the nth drives n/light - n at the speed flux/light
        # before it stops, and starts n/p after green, for each start takes 1/p.
        n = red / ((1 - light) / flux(light) - 1 / p)
        return [n / p, n]

    tail = flux(light) / (1 - light)
    return Question(
        f"In your class's town nobody hurries, and the law on a long road is `class_F`. Traffic of density {light} meets a light "
        f"that is red for a time {red}, and a queue of density 1 grows behind it. Then it turns green. Give `mine`, two numbers: "
        "how long after green the last driver has to stop, and how far from the light, both within one percent. A queue "
        "dissolves from its front at the speed $|F'(1)|$.",
        f"def class_F(rho):\n    return (1 - np.sqrt(1 - 4 * {p} * rho * (1 - rho))) / 2",
        "# While those in front start, the tail goes on growing. The queue is gone where the two waves meet.\n"
        f"tail = -shock_speed({light}, 1.0, class_F)\n"
        "front = class_F(1 - 1e-6) / 1e-6  # the slope at density 1\n"
        f"after = tail * {red} / (front - tail)\n"
        "mine = after, front * after",
        right,
        1e-2,
        {
            "the tail goes on growing while the front starts: this is the queue as it was at green.": [
                tail * red / p,
                tail * red,
            ],
            "the time comes first, then the distance.": right()[::-1],
            "the time counts from green on, not from red.": [right()[0] + red, right()[1]],
        },
    )
