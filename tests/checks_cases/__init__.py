"""What the checks are fed: for each exercise a module with a list ``CASES``, made with the functions below.

    right(check, answer)                                an answer that passes
    mistake(check, answer, "words of the message")      a wrong answer that learners really give
    *nonsense_functions(check)                          None, dots, a number, functions that raise or return rubbish
    *nonsense_arrays(check, shape)                      the same for arrays; nonsense_expressions

More than one argument is given as ``right(check, first, second)``; ``mistake`` takes the words last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hmm_course.checks import NOTHING


@dataclass(frozen=True)
class Case:
    """A check, what it is fed, and what it must say: a piece of its message, or None if it must pass."""

    kind: str  # "right", "mistake" or "nonsense"
    check: Callable[..., None]
    arguments: tuple[Any, ...]
    says: str | None
    label: str = ""


def right(check: Callable[..., None], *arguments: Any) -> Case:
    """The check passes."""
    return Case("right", check, arguments, None)


def mistake(check: Callable[..., None], *arguments_and_words: Any) -> Case:
    """The check fails and says these words, the last argument."""
    *arguments, says = arguments_and_words
    return Case("mistake", check, tuple(arguments), says, says[:40])


def nonsense(check: Callable[..., None], *arguments_and_words: Any, label: str = "") -> Case:
    """The check fails with a sentence, and not in some other way."""
    *arguments, says = arguments_and_words
    return Case("nonsense", check, tuple(arguments), says, label or says[:40])


def _missing(check: Callable[..., None], rest: tuple[Any, ...]) -> list[Case]:
    return [
        nonsense(check, None, *rest, NOTHING, label="None"),
        nonsense(check, Ellipsis, *rest, NOTHING, label="dots"),
    ]


def _raises(*_: Any, **__: Any) -> None:
    raise ZeroDivisionError("division by zero")


def nonsense_functions(check: Callable[..., None], rest: tuple[Any, ...] = ()) -> list[Case]:
    """For a check of a function; ``rest``: further arguments of the check."""
    return [
        *_missing(check, rest),
        nonsense(check, 3.0, *rest, "should be a function", label="a number"),
        nonsense(check, _raises, *rest, "stopped with ZeroDivisionError: division by zero", label="raises"),
        nonsense(check, lambda *_, **__: None, *rest, NOTHING, label="returns None"),
        nonsense(check, lambda *_, **__: np.nan, *rest, "", label="returns nan"),
        nonsense(check, lambda *_, **__: "text", *rest, "should", label="returns text"),
        nonsense(check, lambda *_, **__: np.ones((7, 5, 3)), *rest, "should", label="returns a strange shape"),
    ]


def nonsense_arrays(check: Callable[..., None], shape: tuple[int, ...], rest: tuple[Any, ...] = ()) -> list[Case]:
    """For a check of an array of this shape, () for a number."""
    return [
        *_missing(check, rest),
        nonsense(check, "text", *rest, "should", label="text"),
        nonsense(check, np.ones((7, *shape)), *rest, "shape", label="another shape"),
        nonsense(check, np.full(shape, np.nan), *rest, "nan", label="nan"),
        nonsense(check, _raises, *rest, "should", label="a function"),
        nonsense(check, np.full(shape, 1j), *rest, "real", label="complex"),
    ]


def nonsense_expressions(check: Callable[..., None], rest: tuple[Any, ...] = ()) -> list[Case]:
    """For a check of a SymPy expression."""
    import sympy as sp

    return [
        *_missing(check, rest),
        nonsense(check, "a + 1", *rest, "should be a SymPy expression", label="text"),
        nonsense(check, np.ones(3), *rest, "should be a SymPy expression", label="an array"),
        nonsense(check, sp.nan, *rest, "nan", label="nan"),
        nonsense(check, sp.Eq(sp.Symbol("p"), 1), *rest, "equation", label="an equation"),
        nonsense(check, _raises, *rest, "should be a SymPy expression", label="a function"),
    ]
