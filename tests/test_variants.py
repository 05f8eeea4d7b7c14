"""Exercises with a seed: each class's question is answered by the model answer, and by no other class's.

The model answers run after their exercise, in this process, without the cells that only show something.
"""

import ast
import contextlib
import copy
from typing import Any

import nbformat
import numpy as np
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from test_exercises import ROOT, SOLUTIONS, is_task, marks, read, tool
from test_notebooks import code_cells

from hmm_course import variants
from hmm_course.checks import CheckFailed, close

NUMBERED = {path.stem.split("_")[0]: path for path in SOLUTIONS}
each_question = pytest.mark.parametrize("number", list(variants.QUESTIONS))


def harmless(node: ast.stmt) -> bool:
    """Imports, definitions, and what NumPy or SymPy make of constants: a study of the exercise is none of them."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef):
        return True
    calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
    plain = all(
        isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id in ("np", "sp") for f in calls
    )
    return isinstance(node, ast.Assign) and plain


def definitions(number: str) -> dict[str, Any]:
    """What the exercise defines, its tasks done as the solution does them."""
    namespace = {"__name__": "__main__"}
    for _, cell in code_cells(read(NUMBERED[number])):
        for node in ast.parse(cell.source).body:
            if is_task(cell) or harmless(node):
                with contextlib.suppress(Exception):  # what rests on a study that is left out
                    exec(compile(ast.Module([node], []), f"<cell {cell.id}>", "exec"), namespace)
    return namespace


@each_question
def test_the_model_answer_is_right_for_its_class_and_for_no_other(number, monkeypatch, capsys):
    """Two seeds; of thirty others a few may be so near that their answers are the same."""
    monkeypatch.chdir(ROOT / "exercises")
    namespace = definitions(number)
    for seed in (7, 11):
        asked = variants.question(number, seed)
        exec(asked.given, namespace)
        exec(asked.answer, namespace)
        assert variants.check(number, seed, namespace["mine"]) is None
        assert capsys.readouterr().out.startswith("Right: ")
    here = asked.right()
    far = [k for k in range(20, 50) if not close(variants.question(number, k).right(), here, 2 * asked.rtol)]
    assert len(far) >= 20
    for seed in far[:3]:
        with pytest.raises(CheckFailed):
            variants.check(number, seed, namespace["mine"])


@each_question
def test_seeds_change_numbers_and_the_value_and_repeat(number):
    values, texts = [], set()
    for seed in range(1, 7):
        asked = variants.question(number, seed)
        assert asked.given == variants.question(number, seed).given
        texts.add(asked.given + asked.text)
        values.append(np.ravel(np.asarray(asked.right(), dtype=float)))
    assert len(texts) == 6 and np.all(np.isfinite(values)) and np.abs(values).max() > 0
    assert len(np.unique(np.round(values, 6), axis=0)) >= 4  # the cheapest of few choices may repeat


@each_question
def test_known_mistakes_are_named_and_nothing_is_refused(number):
    asked = variants.question(number, 5)
    for words, value in asked.mistakes.items():
        with pytest.raises(CheckFailed) as failure:
            variants.check(number, 5, value)
        assert str(failure.value) == words
    with pytest.raises(CheckFailed, match="replace the"):
        variants.check(number, 5, ...)
    with pytest.raises(CheckFailed, match=r"mine is off by|should have shape"):
        variants.check(number, 5, 3.7 * np.asarray(asked.right()))


@each_question
def test_the_assignment_is_the_exercise_and_four_cells(number):
    solution = read(NUMBERED[number])
    before = copy.deepcopy(solution)
    varied = tool.for_a_class(solution, number, 3)
    assert solution == before and len(varied.cells) == len(solution.cells) + 4
    kept = [cell for cell in varied.cells if "-class-" not in cell.id]
    assert [cell.source for cell in kept] == [cell.source for cell in solution.cells]
    assert all(not cell.outputs for cell in varied.cells if cell.cell_type == "code")
    handed_out = tool.exercise(varied)
    for notebook in (varied, handed_out):
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
    shown = "\n".join(cell.source for cell in handed_out.cells)
    assert variants.question(number, 3).answer not in shown and "A question for your class" in shown
    assert sum(marks(cell).get("grade_id") == "class-check" for cell in handed_out.cells) == 1


def test_seeds_and_exercises_that_are_refused():
    with pytest.raises(ValueError, match=r"exercise must be one of 01, .* which take a seed; it is 'p1'"):
        variants.question("p1", 3)
    for seed in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="seed must be a whole number above 0"):
            variants.question("01", seed)


def test_the_command_writes_for_one_class_and_leaves_the_published_exercises(tmp_path, capsys):
    assert tool.main(["--seed", "7", str(tmp_path)]) == 0
    assert "with seed 7; the others take none" in capsys.readouterr().out
    assert {path.parent.name for path in tmp_path.rglob("*.ipynb")} == {"source", "exercises"}
    assert len(list(tmp_path.rglob("*.ipynb"))) == 2 * len(variants.QUESTIONS)
    for arguments in (["--seed", "7"], ["--seed", "7", "--check", str(tmp_path)]):
        with pytest.raises(SystemExit):
            tool.main(arguments)
    assert "a FOLDER of its own" in capsys.readouterr().err
