"""What the checks of the exercises say: right answers pass, wrong ones hear what is wrong, nonsense gets a sentence too.

The answers stand in checks_cases/, one module for each module of hmm_course/checks, and every check must have some of each.
"""

import importlib
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from IPython.core.interactiveshell import InteractiveShell

from hmm_course import checks

CASES_FOLDER = Path(__file__).with_name("checks_cases")
MODULES = sorted(path.stem for path in Path(checks.__file__).parent.glob("*.py") if path.stem != "__init__")
CASES = {name: importlib.import_module(f"checks_cases.{name}").CASES for name in MODULES}
ALL = [
    pytest.param(case, id=f"{name}-{case.check.__name__}-{number}-{case.kind} {case.label}".strip())
    for name, cases in CASES.items()
    for number, case in enumerate(cases)
]


@pytest.mark.parametrize("case", ALL)
def test_check(case, capsys):
    if case.says is None:
        assert case.check(*case.arguments) is None
        said = capsys.readouterr().out
        assert said.startswith("Right: ") and said.count("\n") == 1
        return
    with pytest.raises(checks.CheckFailed) as failure:
        case.check(*case.arguments)
    message = str(failure.value)
    assert case.says in message
    assert len(message.split()) >= 5 and "Traceback" not in message
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", MODULES)
def test_every_check_meets_right_answers_mistakes_and_nonsense(name):
    module = importlib.import_module(f"hmm_course.checks.{name}")
    public = checks.checks_of(module)
    assert public, f"{name} has no checks"
    for check in public.values():
        kinds = [case.kind for case in CASES[name] if case.check is check]
        assert kinds.count("right") >= 1, f"{name}.{check.__name__}: no right answer"
        assert kinds.count("nonsense") >= 3, f"{name}.{check.__name__}: {kinds.count('nonsense')} nonsense, not three"
        assert kinds.count("mistake") >= 1, f"{name}.{check.__name__}: no known mistake"
        assert (check.__doc__ or "").strip(), f"{name}.{check.__name__} has no docstring"


def test_every_list_of_cases_belongs_to_checks():
    assert {path.stem for path in CASES_FOLDER.glob("*.py")} - {"__init__"} == set(MODULES)


# ------------------------------------------------------------------ the core


def test_a_failure_is_short_in_a_notebook():
    """One sentence, and no frame of this package."""
    shell = InteractiveShell()
    shell.run_cell("from hmm_course.checks import number")
    said = []
    shell._showtraceback = lambda kind, value, lines: said.extend(lines)
    assert not shell.run_cell("number(None, 'A')").success
    assert said == ["Not yet: A is None: replace the `...` by your answer, which a function hands over with `return`."]


@pytest.mark.parametrize(
    ("answer", "shape", "says"),
    [
        (None, None, "is None: replace"),
        (..., None, "is Ellipsis: replace"),
        ("1.5", None, "real numbers"),
        ({1, 2}, None, "consist of numbers"),
        ([[1], [2, 3]], None, "consist of numbers"),
        (1j, None, "real numbers"),
        (True, None, "real numbers"),
        ([1.0, np.nan], None, "nan or inf"),
        ([1.0, -np.inf], (2,), "nan or inf"),
        ([1.0, 2.0], (3,), "array of shape (3,); it has shape (2,)"),
        ([1.0], (), "a single number; it has shape (1,)"),
        (sp.Symbol("p"), None, "consist of numbers"),
    ],
)
def test_arrays_that_are_refused(answer, shape, says):
    with pytest.raises(checks.CheckFailed) as failure:
        checks.array(answer, "A", shape)
    assert str(failure.value).startswith("A ") and says in str(failure.value)


def test_a_check_may_know_where_nan_comes_from():
    with pytest.raises(checks.CheckFailed, match=r"^A contains nan or inf: take the absolute value first.$"):
        checks.number(np.nan, "A", "take the absolute value first")


@pytest.mark.parametrize("answer", [2, 2.0, np.float32(2), np.array(2), sp.Integer(2), sp.sqrt(4)])
def test_numbers_that_are_accepted(answer):
    assert checks.number(answer, "A") == 2.0 and type(checks.number(answer, "A")) is float


def test_expressions():
    p, q = sp.symbols("p q")
    assert checks.expression(p + q, "E", {p, q}) == p + q
    assert checks.expression(2, "E") == 2
    with pytest.raises(checks.CheckFailed, match="contains q; only p may be left"):
        checks.expression(p + q, "E", {p})
    with pytest.raises(checks.CheckFailed, match="contains p; only numbers may be left"):
        checks.expression(p, "E", set())
    for equation in (sp.Eq(p, q), sp.true, True):
        with pytest.raises(checks.CheckFailed, match="is an equation"):
            checks.expression(equation, "E")
    with pytest.raises(checks.CheckFailed, match="infinite"):
        checks.expression(p + sp.zoo, "E")


def test_asking_says_which_input_a_function_failed_on():
    with pytest.raises(
        checks.CheckFailed, match=r"^f stopped with KeyError: 'k'. It was asked for the empty dictionary.$"
    ):
        checks.ask(lambda d: d["k"], {}, name="f", case="the empty dictionary")
    with pytest.raises(checks.CheckFailed, match=r"^f is not written yet: replace"):
        checks.ask(lambda: exec("raise NotImplementedError"), name="f", case="nothing")
    assert checks.ask(lambda v: v / np.zeros(1), np.ones(1), name="f", case="a division")[0] == np.inf  # no warning


def test_what_goes_into_a_function_comes_out_as_it_was():
    def double(a):
        a *= 2
        return a

    with pytest.raises(checks.CheckFailed, match=r"^double has changed an array that it was given\. Work on a copy"):
        checks.ask(double, np.ones(2), name="double", case="ones")
    kept = np.array([0.0, np.nan])
    assert checks.ask(double, kept, name="double", case="zero and nan") is kept  # the same numbers as before


def test_tolerances_are_relative_to_the_largest_entry():
    assert checks.close([1000, 0], [1000, 1e-4], rtol=1e-6)
    assert not checks.close([1000, 0], [1000, 1e-2], rtol=1e-6)
    assert checks.close(1e-9, 0, atol=1e-8) and not checks.close(1e-9, 0)
    assert not checks.close([1, 1], 1)  # of another shape
    p = sp.Symbol("p")
    assert checks.close((p + 1) ** 2, p**2 + 2 * p + 1) and not checks.close(p, 2 * p)


def test_match_says_how_far_off_a_value_is_and_never_what_it_should_be():
    with pytest.raises(checks.CheckFailed, match=r"^A is off by 0.25 of its size.$"):
        checks.match(5.0, 4.0, "A")
    with pytest.raises(checks.CheckFailed, match=r"^A should vanish and does not.$"):
        checks.match(5.0, 0.0, "A")
    with pytest.raises(checks.CheckFailed, match=r"^A should have shape \(2,\); it has shape \(\).$"):
        checks.match(5.0, [1.0, 2.0], "A")
    with pytest.raises(checks.CheckFailed, match=r"^transposed$"):
        checks.match(
            np.array([[1, 3], [2, 1]]), np.array([[1, 2], [3, 1]]), "A", mistakes={"transposed": [[1, 3], [2, 1]]}
        )
    checks.match(5.0, 5.0, "A", mistakes={"never said, for the value is right": 5.0})
