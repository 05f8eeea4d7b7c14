"""A class's exercises: what changes with the seed, that its model solution is right, and that the published one is not.

Every exercise is told for one class and run in this process as far as its last check. Before each check the published answer to
its task is tried in the place of the class's: the points that it loses, with those of the question, must be half of all.
"""

import copy
import itertools
import types

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from test_exercises import ROOT, SOLUTIONS, is_check, is_task, marks, read, run, tool
from test_notebooks import code_cells

from hmm_course import variants
from hmm_course.checks import CheckFailed, close, of_class

NUMBERED = {path.stem.split("_")[0]: path for path in SOLUTIONS}
each_exercise = pytest.mark.parametrize("number", variants.EXERCISES)
CLASS = 7


def test_every_exercise_takes_a_seed():
    assert (
        tuple(number for number in NUMBERED if not number.startswith("p")) == variants.EXERCISES
    )  # projects are one's own


@each_exercise
def test_the_class_solution_passes_and_the_published_answers_lose_half_of_the_points(number, monkeypatch):
    monkeypatch.chdir(ROOT / "exercises")
    published = {cell.id: cell for _, cell in code_cells(read(NUMBERED[number]))}
    cells = [cell for _, cell in code_cells(tool.for_a_class(read(NUMBERED[number]), number, CLASS))]
    last = max(k for k, cell in enumerate(cells) if is_check(cell))
    namespace = {"__name__": "__main__", "display": lambda *_, **__: None}
    total, lost = 0, marks(cells[last])["points"]  # the question is the last; nobody has published an answer
    with plt.rc_context():
        for cell, after in itertools.pairwise(cells[: last + 1]):
            if is_task(cell) and is_check(after):
                total += marks(after)["points"]
                if cell.id in published and "seed=" in after.source:
                    theirs = dict(namespace)
                    try:
                        run(published[cell.id], theirs)
                        run(after, theirs)
                    except (CheckFailed, AssertionError):
                        lost += marks(after)["points"]
            run(cell, namespace)
        run(cells[last], namespace)
    plt.close("all")
    assert lost >= total / 2, f"a copied solution keeps {total - lost} of {total} points"


@each_exercise
def test_seeds_change_numbers_repeat_and_leave_the_published_exercise(number):
    texts = [cell.source for cell in read(NUMBERED[number]).cells]
    assert variants.retell(texts, number, 0) == texts
    told = ["\n".join(variants.retell(texts, number, seed)) for seed in range(1, 13)]  # each finds all its places
    assert len(set(told)) >= 10 and told[0] == "\n".join(variants.retell(texts, number, 1))
    assert "«" not in "".join(told) and "\n".join(texts) not in told


@each_exercise
def test_the_question_has_another_answer_for_another_class(number):
    values, texts = [], set()
    for seed in range(1, 7):
        asked = variants.question(number, seed)
        assert asked.given == variants.question(number, seed).given
        texts.add(asked.given + asked.text)
        values.append(np.ravel(np.asarray(asked.right(), dtype=float)))
    assert len(texts) == 6 and np.all(np.isfinite(values)) and np.abs(values).max() > 0
    assert len(np.unique(np.round(values, 6), axis=0)) >= 4  # the cheapest of few choices may repeat
    others = [value for value in values[1:] if not close(value, values[0], 2 * asked.rtol)]
    assert len(others) >= 3


@each_exercise
def test_known_mistakes_are_named_and_nothing_is_refused(number):
    asked = variants.question(number, 5)
    for words, value in asked.mistakes.items():
        with pytest.raises(CheckFailed) as failure:
            of_class(number, 5, value)
        assert str(failure.value) == words
    with pytest.raises(CheckFailed, match="replace the"):
        of_class(number, 5, ...)
    with pytest.raises(CheckFailed, match=r"mine is off by|should have shape"):
        of_class(number, 5, 3.7 * np.asarray(asked.right()))


@each_exercise
def test_the_assignment_is_the_exercise_and_four_cells(number):
    solution = read(NUMBERED[number])
    before = copy.deepcopy(solution)
    varied = tool.for_a_class(solution, number, 3)
    assert solution == before and len(varied.cells) == len(solution.cells) + 4
    kept = [cell for cell in varied.cells if "-class-" not in cell.id]
    assert [(cell.id, marks(cell)) for cell in kept] == [(cell.id, marks(cell)) for cell in solution.cells]
    assert not any("mystnb" in cell.metadata for cell in kept)  # the words for the published pictures
    assert all(not cell.outputs for cell in varied.cells if cell.cell_type == "code")
    handed_out = tool.exercise(varied)
    for notebook in (varied, handed_out):
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
    shown = "\n".join(cell.source for cell in handed_out.cells)
    assert variants.question(number, 3).answer not in shown and "A question for your class" in shown
    assert sum(marks(cell).get("grade_id") == "class-check" for cell in handed_out.cells) == 1


def module(places: tuple[str, ...]) -> types.SimpleNamespace:
    return types.SimpleNamespace(numbers=lambda draw: {"p": 3 if draw else 2, "q": 5 if draw else 2}, PLACES=places)


def test_places_are_filled_at_once_the_longer_first(monkeypatch):
    monkeypatch.setattr(variants, "_module", lambda _: module(("p = «p»", "p = «p» + «q:.1f»", "x «q»")))
    assert variants.retell(["p = 2 and p = 2 + 2.0", "x 2"], "01", 1) == ["p = 3 and p = 3 + 5.0", "x 5"]
    for text, missing in (("p = 2 + 2.0, p = 2", "x 2"), ("p = 2 + 2.0, x 2", "p = 2")):
        with pytest.raises(ValueError, match=f"exercise 01 has no place that reads '{missing}'"):
            variants.retell([text], "01", 1)
    monkeypatch.setattr(variants, "_module", lambda _: module(("«p»", "«q»")))
    with pytest.raises(ValueError, match="'2' would become '3' and '5'"):
        variants.retell(["2"], "01", 1)


def test_checks_that_take_a_seed_are_given_it_and_no_others():
    checks = types.SimpleNamespace(one=lambda a, seed=0: a, two=lambda a: a)
    source = "checks.one(f(ü), (1,\n 2)); checks.one(2)\nchecks.two(3)\nother.one(4)"
    assert tool.with_seed(source, checks, 7) == (
        "checks.one(f(ü), (1,\n 2), seed=7); checks.one(2, seed=7)\nchecks.two(3)\nother.one(4)"
    )


def test_seeds_and_exercises_that_are_refused():
    with pytest.raises(ValueError, match=r"exercise must be one of 01, .* which take a seed; it is 'p1'"):
        variants.numbers("p1", 3)
    for seed in (-1, 1.5, True):
        with pytest.raises(ValueError, match="seed must be a whole number, 0 for the published exercise or above"):
            variants.numbers("01", seed)
    with pytest.raises(ValueError, match="seed 0 is the published exercise, which has no question"):
        variants.question("01", 0)


def test_the_command_runs_what_it_writes_for_one_class(tmp_path, capsys, monkeypatch):
    before = {path: path.read_bytes() for path in [*NUMBERED.values(), *(ROOT / "exercises").iterdir()]}
    assert tool.main(["--seed", "7", "--only", "01", "--", str(tmp_path)]) == 0
    assert "exercise 01 with the numbers of class 7; its solution was run" in capsys.readouterr().out
    name = NUMBERED["01"].stem
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert written == {f"source/{name}/{name}.ipynb", f"exercises/{name}.ipynb", "nbgrader_config.py"}
    assert before == {path: path.read_bytes() for path in before}
    assert tool.main(["--seed", "7", "--only", "01", "--", str(tmp_path)]) == 0  # the same once more: nothing is lost
    source = tmp_path / "source" / name / f"{name}.ipynb"
    changed = source.read_text(encoding="utf-8").replace('"points": 2', '"points": 6')
    source.write_text(changed, encoding="utf-8")
    assert tool.main(["--seed", "7", "--only", "01", "--", str(tmp_path)]) == 1
    assert f"{source} was changed" in capsys.readouterr().err and source.read_text(encoding="utf-8") == changed
    for arguments in (["--seed", "7"], ["--seed", "7", "--check", str(tmp_path)]):
        with pytest.raises(SystemExit):
            tool.main(arguments)
    assert "a FOLDER of its own" in capsys.readouterr().err

    def broken(notebook, folder):
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stderr", text="a warning")]

    monkeypatch.setattr(tool, "execute", broken)
    with pytest.raises(RuntimeError, match=r"exercise 01 does not run with seed 8: .*cell 1: a warning"):
        tool.main(["--seed", "8", "--only", "01", "--", str(tmp_path / "other")])
    assert not (tmp_path / "other").exists()
