"""A class's assignment from end to end, by nbgrader's own commands and the configuration of teaching/.

A part of exercise 3 is released with the numbers of a class, and five people hand it in: one did it right, one half, one
nothing, one copied the published solution, and one tries everything: an endless loop, checks put in the place of the real ones
in three ways, the solution read from the course folder.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps.nbgraderapp import NbGraderApp
from test_exercises import tool

ROOT = Path(__file__).resolve().parent.parent
SOLUTION = ROOT / "solutions" / "03_write_a_cell_solver.ipynb"
NAME, STEM = "cells", "03_write_a_cell_solver"
TASKS = ("gradient", "corrector", "line", "gradients", "tensor")

RIGHT = {"zigzag": "The zigzag +1, -1 has a slope of zero over two cells, so it would cost nothing."}
HALF = {
    "gradient": None,  # as the solution has it
    "corrector": "def corrector(a):\n    return np.zeros(len(a))",
    "line": "def effective_line(a):\n    return 1 / np.mean(1 / a)",
}
LOOP = "while True:\n    pass"
REPLACED = """
def effective_line(a):
    return 0.0
import hmm_course.checks as package
from hmm_course.checks import ex03
class checks:
    corrector = line = gradients = staticmethod(lambda answer: print("Right: all of it."))
ex03.corrector = ex03.line = ex03.gradients = checks.corrector
package.fail = package.require = lambda *_: None
"""
READ = """
import json, os
try:
    cells = json.load(open("../../../source/cells/03_write_a_cell_solver.ipynb"))["cells"]
except PermissionError as error:
    print(f"refused: {error}")
    cells = []
for cell in cells:
    if cell["metadata"].get("nbgrader", {}).get("grade_id") == "gradients":
        exec("".join(cell["source"]))
"""
PROCESS = 'import subprocess\ndef tensor(a1, a2):\n    return 0\nprint(subprocess.check_output(["cat", "../../../gradebook.db"]))'
HOSTILE = {"gradient": None, "corrector": LOOP, "line": REPLACED, "gradients": READ, "tensor": PROCESS}
FORGED = 'def gradient(*_):\n    print("Right: all of it.")\n\n\ncorrector = line = gradients = tensor = gradient\n'


def marks(cell: Any) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def assignment() -> Any:
    """For class 7: the setup, the first tasks with their checks, and the answer in words."""
    wanted = {*TASKS, *(f"{task}-check" for task in TASKS), "zigzag"}
    notebook = tool.for_a_class(nbformat.read(SOLUTION, as_version=4), "03", 7)
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    notebook.cells = [setup, *(cell for cell in notebook.cells if marks(cell).get("grade_id") in wanted)]
    return notebook


def handed_in(released: Any, answers: dict[str, str | None], solution: Any) -> Any:
    """The released notebook with its stubs replaced: by the solution where the answer is None."""
    right = {marks(cell).get("grade_id"): cell.source for cell in solution.cells}
    for cell in released.cells:
        name = marks(cell).get("grade_id")
        if name in answers:
            cell.source = right[name] if answers[name] is None else answers[name]
    return released


def nbgrader(folder: Path, *arguments: str) -> str:
    """Run a command in the course folder, with nobody's own settings."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic by name
    environment = {**os.environ, "PATH": path, "JUPYTER_CONFIG_DIR": str(folder / "none"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stderr


def graded_course(folder: Path) -> None:
    """Release, hand in, grade: everybody's work."""
    shutil.copy(ROOT / "teaching" / "nbgrader_config.py", folder)
    solution = assignment()
    source = folder / "source" / NAME / f"{STEM}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(solution, source)
    nbgrader(folder, "generate_assignment", NAME)

    everything = dict.fromkeys(TASKS) | RIGHT
    copied = {marks(cell).get("grade_id"): cell.source for cell in nbformat.read(SOLUTION, as_version=4).cells}
    copied = {task: copied[task] for task in everything}
    people = {"ada": everything, "ben": HALF, "cleo": {}, "dan": copied, "mallory": HOSTILE}
    for student, answers in people.items():
        released = nbformat.read(folder / "release" / NAME / f"{STEM}.ipynb", as_version=4)
        target = folder / "submitted" / student / NAME / f"{STEM}.ipynb"
        target.parent.mkdir(parents=True)
        submission = handed_in(released, answers, solution)
        if student == "mallory":  # a check that is easier, and a package of the same name beside the notebook
            next(c for c in submission.cells if marks(c).get("grade_id") == "line-check").source = "print('Right')"
            forged = target.parent / "hmm_course" / "checks"
            forged.mkdir(parents=True)
            (forged.parent / "__init__.py").write_text("", encoding="utf-8")
            (forged / "__init__.py").write_text("", encoding="utf-8")
            (forged / "ex03.py").write_text(FORGED, encoding="utf-8")
        nbformat.write(submission, target)
    nbgrader(folder, "autograde", NAME, "--student=[abcd]*")
    nbgrader(folder, "autograde", NAME, "--student=mallory", "--GuardedExecute.timeout=15")  # the loop ends after that


def graded(folder: Path, student: str) -> tuple[dict[str, float | None], Any]:
    """Points for each check and answer (None: by hand), and the notebook as the grader sees it."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as book:
        grades = book.find_submission_notebook(STEM, NAME, student).grades
        points = {grade.name.removesuffix("-check"): grade.auto_score for grade in grades}
    return points, nbformat.read(folder / "autograded" / student / NAME / f"{STEM}.ipynb", as_version=4)


def below(notebook: Any, name: str) -> str:
    """What stands below a cell."""
    cell = next(cell for cell in notebook.cells if marks(cell).get("grade_id") == name)
    return "\n".join(o.get("text", "") + o.get("ename", "") + " " + o.get("evalue", "") for o in cell.outputs)


def what_is_released_is_the_exercise(course: Path) -> None:
    exercise = tool.exercise(assignment())
    theirs = {marks(cell).get("grade_id"): cell.source for cell in exercise.cells if marks(cell)}
    released = nbformat.read(course / "release" / NAME / f"{STEM}.ipynb", as_version=4)
    mine = {marks(cell).get("grade_id"): cell.source for cell in released.cells if marks(cell)}
    assert len(mine) == 11 and mine == {name: theirs[name] for name in mine}


def a_right_submission_has_all_points_and_words_wait_for_a_reader(course: Path) -> None:
    points, _ = graded(course, "ada")
    assert points == {"gradient": 2, "corrector": 3, "line": 2, "gradients": 2, "tensor": 4, "zigzag": None}


def a_half_right_submission_has_the_points_of_its_half(course: Path) -> None:
    """A corrector that is zero fails; the mean flux, right without it, has its points although it came by another way."""
    points, notebook = graded(course, "ben")
    assert points == {"gradient": 2, "corrector": 0, "line": 2, "gradients": 0, "tensor": 0, "zigzag": 0}
    assert "CheckFailed" in below(notebook, "corrector-check")


def an_empty_submission_has_none(course: Path) -> None:
    points, notebook = graded(course, "cleo")
    assert set(points) == {*TASKS, "zigzag"} and not any(points.values())
    assert points["zigzag"] == 0  # the unchanged stub is no answer to read
    assert "replace the `...`" in below(notebook, "gradient-check")


def a_copied_solution_has_the_points_of_what_answers_for_every_class(course: Path) -> None:
    points, _ = graded(course, "dan")
    assert points == {"gradient": 0, "corrector": 0, "line": 2, "gradients": 0, "tensor": 0, "zigzag": None}


def a_hostile_submission_has_what_it_earned(course: Path) -> None:
    points, notebook = graded(course, "mallory")
    assert points == {"gradient": 2, "corrector": 0, "line": 0, "gradients": 0, "tensor": 0, "zigzag": 0}
    assert "KeyboardInterrupt" in below(notebook, "corrector") or "Timeout" in below(notebook, "corrector")
    assert "CheckFailed" in below(notebook, "line-check")  # its own check cell was put back, and the real check asked
    assert "refused: a submission reads its own folder only" in below(notebook, "gradients")
    assert "PermissionError a submission starts no processes" in below(notebook, "tensor")


def the_guard_leaves_no_trace(course: Path) -> None:
    for student in ("ada", "mallory"):
        _, notebook = graded(course, student)
        assert not [cell for cell in notebook.cells if "addaudithook" in cell.source or "_sys" in cell.source]


def test_the_page_calls_commands_that_nbgrader_has():
    page = (ROOT / "teaching" / "grading.md").read_text(encoding="utf-8")
    called = set(re.findall(r"(?:^|`)nbgrader (\w+)", page, re.MULTILINE))
    there = set(NbGraderApp.subcommands) - {"formgrade"}  # which only says where the formgrader is now
    assert {"generate_assignment", "autograde", "generate_feedback"} <= called <= there


def test_every_submission_has_what_it_earned(tmp_path):
    """One test, for all of it rests on one graded course."""
    graded_course(tmp_path)
    what_is_released_is_the_exercise(tmp_path)
    a_right_submission_has_all_points_and_words_wait_for_a_reader(tmp_path)
    a_half_right_submission_has_the_points_of_its_half(tmp_path)
    an_empty_submission_has_none(tmp_path)
    a_copied_solution_has_the_points_of_what_answers_for_every_class(tmp_path)
    a_hostile_submission_has_what_it_earned(tmp_path)
    the_guard_leaves_no_trace(tmp_path)
