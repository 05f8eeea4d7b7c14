"""Feedback for exercises: properties first, then values, and the mistakes that everybody makes by name.

A check is a function of what the reader wrote (a function, an array, a number, a SymPy expression). It raises
``CheckFailed`` with a sentence in the reader's words, or prints one line that says what passed. Each exercise has a
module of checks here, ``from hmm_course.checks import ex01 as checks``; this file holds what they share:

    given, number, array, expression   refuse what is missing, of the wrong kind or shape, or not finite; return the rest
    ask                                call the reader's function on one input; what goes wrong inside becomes a sentence
    require, recognise, match          a property; a known mistake by its value; a value with a tolerance
    passed                             the line printed at the end
    of_class                           the check of the question that a class's edition asks at its end

A check reads like the feedback that it gives (the whole of a new one):

    def effective_number(answer):
        value = number(answer, "your coefficient")
        require(value > 0, "a conductivity is positive: did a sign get lost?")
        match(value, 1.5, "your coefficient", mistakes={"this is the arithmetic mean": 2.0})
        passed("a positive number", "the harmonic mean")
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from hmm_course.variants import question

Array = np.ndarray
Mistakes = Mapping[str, Any]  # what to say: the value that this mistake gives

NOTHING = "replace the `...`"  # how every check answers an exercise that nobody has touched
NAN = "look for a division by zero or a value never filled in"  # unless a check knows better


class CheckFailed(AssertionError):
    """An answer that is not right yet. In a notebook only its sentence is shown, without the way through this package."""

    def _render_traceback_(self) -> list[str]:
        return [f"Not yet: {self}"]


def fail(message: str) -> NoReturn:
    """Say what is wrong."""
    raise CheckFailed(message)


def require(condition: Any, message: str) -> None:
    """A property that the answer must have; ``condition`` may be an array, then all of it counts."""
    if not np.all(condition):
        fail(message)


def kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if callable(value):
        return "a function" if not inspect.isclass(value) else f"the class {value.__name__}"
    return f"of type {type(value).__name__}"


# ------------------------------------------------------------------ what was handed in


def given(answer: Any, name: str) -> Any:
    """The answer, unless it is still missing: None (a function without return), or the dots of the stub."""
    if answer is None or answer is Ellipsis:
        fail(f"{name} is {answer}: {NOTHING} by your answer, which a function hands over with `return`.")
    return answer


def array(answer: Any, name: str, shape: tuple[int, ...] | None = None, nan: str = NAN) -> Array:
    """The answer as an array of finite real numbers, of this shape if one is asked for; ``nan``: where nan may come from."""
    given(answer, name)
    try:
        value = np.asarray(answer)
        if value.dtype.kind == "O":
            value = value.astype(float)
    except (TypeError, ValueError):
        fail(f"{name} should consist of numbers; it is {kind(answer)}.")
    if value.dtype.kind not in "iuf":
        fail(f"{name} should consist of real numbers; it is {kind(answer)}.")
    if shape is not None and value.shape != shape:
        wanted = f"an array of shape {shape}" if shape else "a single number"
        fail(f"{name} should be {wanted}; it has shape {value.shape}.")
    require(np.isfinite(value), f"{name} contains nan or inf: {nan}.")
    return value.astype(float)


def number(answer: Any, name: str, nan: str = NAN) -> float:
    """The answer as one finite real number."""
    return float(array(answer, name, (), nan))


def expression(answer: Any, name: str, allowed: set[Any] | None = None) -> Any:
    """The answer as a SymPy expression, in no other symbols than those allowed."""
    import sympy as sp

    given(answer, name)
    if isinstance(answer, bool | sp.core.relational.Relational | sp.logic.boolalg.BooleanAtom):
        fail(f"{name} is an equation; write the expression itself (for an equation Eq(left, right): its right side).")
    if not isinstance(answer, sp.Expr | int | float):
        fail(f"{name} should be a SymPy expression; it is {kind(answer)}.")
    value = sp.sympify(answer)
    if value.has(sp.nan, sp.zoo, sp.oo):
        fail(f"{name} is nan or infinite: look for a division by zero.")
    if allowed is not None and (extra := value.free_symbols - allowed):
        extra = ", ".join(sorted(map(str, extra)))
        fail(f"{name} contains {extra}; only {', '.join(sorted(map(str, allowed))) or 'numbers'} may be left in it.")
    return value


def ask(function: Any, *arguments: Any, name: str, case: str) -> Any:
    """What the reader's function answers for one input; ``case`` says in words which ("the constant medium a = 3").

    Arrays that go in must come out as they were, for the notebook uses its own once more.
    """
    given(function, name)
    if not callable(function):
        fail(f"{name} should be a function; it is {kind(function)}.")
    before = [argument.copy() if isinstance(argument, np.ndarray) else None for argument in arguments]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            answer = function(*arguments)
    except CheckFailed:
        raise
    except NotImplementedError:  # nbgrader's own stub
        raise CheckFailed(f"{name} is not written yet: {NOTHING} or the `raise` by your answer.") from None
    except Exception as error:
        raise CheckFailed(f"{name} stopped with {type(error).__name__}: {error}. It was asked for {case}.") from None
    for now, then in zip(arguments, before, strict=True):
        if then is not None and not np.all((now == then) | ((now != now) & (then != then))):  # nan equals nan here
            fail(
                f"{name} has changed an array that it was given. Work on a copy; `a = a + b` makes a new array, `a += b` "
                "changes the old one."
            )
    return given(answer, f"what {name} returns for {case}")


# ------------------------------------------------------------------ what it is worth


def close(value: Any, expected: Any, rtol: float = 1e-6, atol: float = 0.0) -> bool:
    """Whether two arrays, or two SymPy expressions, agree. The tolerance is relative to the largest entry expected."""
    if not (hasattr(value, "free_symbols") or hasattr(expected, "free_symbols")):
        value, expected = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
        limit = rtol * np.abs(expected).max(initial=0.0) + atol
        return value.shape == expected.shape and bool(np.all(np.abs(value - expected) <= limit))
    import sympy as sp

    return sp.simplify(sp.sympify(value) - sp.sympify(expected)) == 0


def recognise(value: Any, mistakes: Mistakes, rtol: float = 1e-6, atol: float = 0.0) -> None:
    """Fail with a mistake's own sentence if its value is the one that was found."""
    for sentence, wrong in mistakes.items():
        if close(value, wrong, rtol, atol):
            fail(sentence)


def match(
    value: Any, expected: Any, name: str, rtol: float = 1e-6, atol: float = 0.0, mistakes: Mistakes | None = None
) -> None:
    """The value is the one expected. If not, it may be a known mistake; else say by how much it is off."""
    if close(value, expected, rtol, atol):
        return
    recognise(value, mistakes or {}, rtol, atol)
    if hasattr(value, "free_symbols") or hasattr(expected, "free_symbols"):
        fail(f"{name} is {value}, which is something else than the exercise asks for.")
    if np.shape(value) != np.shape(expected):
        fail(f"{name} should have shape {np.shape(expected)}; it has shape {np.shape(value)}.")
    if not np.any(expected):
        fail(f"{name} should vanish and does not.")
    off = np.abs(np.asarray(value) - expected).max() / np.abs(expected).max()
    fail(f"{name} is off by {off:.2g} of its size.")


def passed(*what: str) -> None:
    """The line below a check cell. It is a reference output: nothing in it may change from run to run."""
    print("Right: " + "; ".join(what) + ".")


def of_class(exercise: str, seed: int, mine: Any) -> None:
    """Whether ``mine`` answers the question of a seed for an exercise, up to its tolerance."""
    asked = question(exercise, seed)
    right = np.asarray(asked.right(), dtype=float)
    value = array(mine, "mine", right.shape)
    match(value, right, "mine", rtol=asked.rtol, mistakes=asked.mistakes)
    passed("this is what your class's medium answers")


def checks_of(module: Any) -> dict[str, Callable[..., None]]:
    """The public checks that an exercise's module defines, by name."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    }
