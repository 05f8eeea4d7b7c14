"""A class's own numbers: a seed changes the medium and the numbers of an exercise, and its checks follow.

    numbers("01", seed)          the numbers of the exercise's tasks, by name; seed 0 is the published exercise
    retell(texts, "01", seed)    the published texts, told with these numbers
    question("01", seed)         one question more: what the general functions of the exercise say about a medium of this class

Each exercise has a module here. It holds

    numbers(draw)     the published numbers if ``draw`` is None, else a class's, drawn from it; and what follows from them
    PLACES            the places in the published text where they stand: "return 1 / («alpha» + np.cos(2 * np.pi * y))"
    question(draw)    the question, with a model answer and the right value found in another way

A name between « and » stands for its number, written as Python does or by the format behind a colon, «top:.4g»; ``told`` picks
words that differ. Filled with the published numbers a place must occur in the exercise. So the exercise is written once,
as people read it, and the solutions stay the only source. Checks that depend on numbers take the seed:
``checks.corrector(corrector, seed=7)``.

``tools/exercises.py FOLDER --seed N`` makes a class's exercises. Many tasks ask for a general function, which answers for every
medium; that is their point, and no number can change them. It is for them that the question is there.
"""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

Array = np.ndarray
Draw = np.random.Generator
EXERCISES = ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13")
NAME = re.compile(r"«(\w+)(?::([^»]+))?»")


@dataclass(frozen=True)
class Question:
    """What a class is asked; code is run after the whole exercise."""

    text: str
    given: str  # code that sets up the medium
    answer: str  # a model answer: lines that use the functions of the exercise and set ``mine``
    right: Callable[[], Any]  # the value, found in another way
    rtol: float
    mistakes: Mapping[str, Any] = field(default_factory=dict)


def some(draw: Draw, low: float, high: float, digits: int = 2) -> float:
    """A number between two, with so many digits behind the point."""
    return round(float(draw.uniform(low, high)), digits)


def told(draw: Draw | None, pairs: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """What a text says, by name: the first of each pair as published, the second to a class."""
    return {name: pair[draw is not None] for name, pair in pairs.items()}


def _module(exercise: str) -> ModuleType:
    if exercise not in EXERCISES:
        raise ValueError(f"exercise must be one of {', '.join(EXERCISES)}, which take a seed; it is {exercise!r}")
    return importlib.import_module(f"hmm_course.variants.ex{exercise}")


def _draw(exercise: str, seed: int, what: str) -> Draw | None:
    """A generator of its own for every exercise and purpose; None for the published exercise, seed 0."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be a whole number, 0 for the published exercise or above; it is {seed!r}")
    return np.random.default_rng([seed, *f"{what} {exercise}".encode()]) if seed else None


def numbers(exercise: str, seed: int = 0) -> dict[str, Any]:
    """The numbers of an exercise, "01" to "13", by name. ValueError for another exercise or a seed that is none."""
    return _module(exercise).numbers(_draw(exercise, seed, "numbers"))


def _filled(place: str, values: Mapping[str, Any]) -> str:
    return NAME.sub(lambda name: format(values[name[1]], name[2] or ""), place)


def retell(texts: Sequence[str], exercise: str, seed: int) -> list[str]:
    """The published texts of an exercise with the numbers of a seed.

    Where two places begin together the longer is meant. ValueError if a place occurs in none of the texts, or only inside others,
    or if two that read alike in the published exercise would have to become different ones.
    """
    published, mine = numbers(exercise), numbers(exercise, seed)
    swaps: dict[str, str] = {}
    for place in _module(exercise).PLACES:
        old, new = _filled(place, published), _filled(place, mine)
        if swaps.setdefault(old, new) != new:
            raise ValueError(
                f"exercise {exercise}: {old!r} would become {swaps[old]!r} and {new!r}; say more of the place"
            )
    found = set()

    def told(place: re.Match[str]) -> str:
        found.add(place[0])
        return swaps[place[0]]

    longest_first = "|".join(re.escape(old) for old in sorted(swaps, key=len, reverse=True))
    result = [re.sub(longest_first, told, text) for text in texts]
    if missing := swaps.keys() - found:
        raise ValueError(f"exercise {exercise} has no place that reads {min(missing)!r}, unless inside another place")
    return result


def question(exercise: str, seed: int) -> Question:
    """The question of a seed above 0 for an exercise. ValueError as for ``numbers``; the published exercise has no question."""
    draw = _draw(exercise, seed, "question")
    if draw is None:
        raise ValueError("seed 0 is the published exercise, which has no question: give the number of a class, above 0")
    return _module(exercise).question(draw)
