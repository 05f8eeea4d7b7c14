"""Exercises come from solutions, whole, without a leak, and stop only where the reader must write.

What runs here: every solution once, in this process, cell by cell as far as its last check; before a task is done right
its stub is run instead and must stop at the check below, saying that nothing is there yet. That whole solutions run in a
kernel, and answer as committed, is nbval's part (see the Makefile): nbgrader gives its verdict on those committed outputs.
Its own kernel is started for the first solution, which passes, and the first exercise, which fails. Its metadata
validator reads every notebook of both folders. A rule of the anatomy takes a notebook and returns what is wrong, in
words; at the end every rule meets a notebook that breaks it.
"""

import contextlib
import copy
import io
import itertools
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator, ValidationError
from nbgrader.preprocessors import CheckCellMetadata
from nbgrader.validator import Validator
from test_notebooks import DOI, code_cells, outputs, prose, words

from hmm_course.checks import NOTHING, CheckFailed

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import exercises as tool  # noqa: E402
import notebooks as builder  # noqa: E402

SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
EXERCISES = ROOT / "exercises"
STUBS = {"code": tool.CODE_STUB, "markdown": tool.TEXT_STUB}
each_solution = pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def marks(cell: Any) -> dict[str, Any]:
    return cell.metadata.get("nbgrader", {})


def is_check(cell: Any) -> bool:
    return cell.cell_type == "code" and marks(cell).get("grade", False)


def is_task(cell: Any) -> bool:
    return cell.cell_type == "code" and marks(cell).get("solution", False)


def is_project(notebook: Any) -> bool:
    return any(marks(cell).get("task") for cell in notebook.cells)


def regions(cell: Any) -> list[list[str]]:
    """The lines between BEGIN SOLUTION and END SOLUTION, region by region, marks included."""
    found, inside = [], False
    for line in cell.source.splitlines():
        if "BEGIN SOLUTION" in line:
            inside = True
            found.append([])
        if inside:
            found[-1].append(line)
        inside = inside and "END SOLUTION" not in line
    return found


def fill_in(cell: Any, solution: Any) -> Any:
    """The cell of an exercise with its stubs replaced by the regions of the solution."""
    cell, left, lines = copy.deepcopy(cell), regions(solution), []
    for line in cell.source.splitlines():
        lines += left.pop(0) if line.strip() == STUBS[cell.cell_type] and left else [line]
    cell.source = "\n".join(lines)
    return cell


# ------------------------------------------------------------------ from solutions to exercises


def test_the_committed_exercises_are_what_the_solutions_give():
    assert not tool.differences(tool.generate(), EXERCISES), "run `make exercises`"


@each_solution
def test_nothing_leaks(path):
    notebook, text = read(EXERCISES / path.name), (EXERCISES / path.name).read_text(encoding="utf-8")
    assert all(not cell.outputs and cell.execution_count is None for _, cell in code_cells(notebook))
    assert "BEGIN SOLUTION" not in text and "END SOLUTION" not in text
    shown = "\n".join(cell.source for cell in notebook.cells)
    secrets = [line.strip() for cell in read(path).cells for region in regions(cell) for line in region[1:-1]]
    assert secrets
    # shorter lines, such as `return total`, are nobody's secret
    assert not [line for line in secrets if len(line) >= 12 and line in shown]


@each_solution
def test_filled_in_it_is_the_solution_cell_for_cell(path):
    exercise, solution = read(EXERCISES / path.name), read(path)
    assert len(exercise.cells) == len(solution.cells)
    for mine, theirs in zip(exercise.cells, solution.cells, strict=True):
        filled = fill_in(mine, theirs)
        assert (filled.cell_type, filled.id, filled.source) == (theirs.cell_type, theirs.id, theirs.source)
        assert filled.metadata == theirs.metadata
    assert exercise.metadata == solution.metadata


def run(cell: Any, namespace: dict[str, Any]) -> None:
    """Execute a code cell as a kernel would, without its display."""
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(cell.source, f"<cell {cell.id}>", "exec"), namespace)


@each_solution
def test_every_task_stops_at_its_own_check_and_nowhere_else(path, monkeypatch):
    """The first one included: untouched, an exercise runs as far as its first task. Done right, it goes on to the next."""
    monkeypatch.chdir(EXERCISES)
    exercise, solution = read(EXERCISES / path.name), read(path)
    namespace = {"__name__": "__main__", "display": lambda *_, **__: None}
    cells = [number for number, _ in code_cells(solution)]
    last = max(k for k, number in enumerate(cells) if is_check(solution.cells[number]))
    with plt.rc_context():
        for number, after in itertools.pairwise(cells[: last + 1]):
            if is_task(solution.cells[number]) and is_check(solution.cells[after]):
                untouched = dict(namespace)
                run(exercise.cells[number], untouched)
                with pytest.raises(CheckFailed, match=re.escape(NOTHING)):
                    run(exercise.cells[after], untouched)
            run(solution.cells[number], namespace)
        run(solution.cells[cells[last]], namespace)
    plt.close("all")


@each_solution
def test_the_text_form_keeps_everything(path, tmp_path):
    """Percent text and back: sources, ids, alt texts and nbgrader's metadata."""
    solution = read(path)
    text = tmp_path / f"{path.stem}.py"
    text.write_text(builder.write_text(read(path)), encoding="utf-8")
    again = builder.read_text(text)
    for old, new in zip(solution.cells, again.cells, strict=True):
        assert (old.cell_type, old.id, old.source, old.metadata) == (new.cell_type, new.id, new.source, new.metadata)
    assert builder.write_text(again) == text.read_text(encoding="utf-8")


# ------------------------------------------------------------------ nbgrader's own validators


@each_solution
def test_nbgrader_accepts_the_metadata(path):
    for notebook in (read(path), read(EXERCISES / path.name)):
        MetadataValidator().validate_nb(notebook)
        assert all(marks(cell)["schema_version"] == 3 for cell in notebook.cells if marks(cell))
    broken = read(path)
    first = next(cell for cell in broken.cells if marks(cell))
    broken.cells.append(copy.deepcopy(first))
    with pytest.raises(ValidationError, match="Duplicate grade id"):
        MetadataValidator().validate_nb(broken)


def verdict(path: Path) -> dict[str, Any]:
    """Of nbgrader's full validator on the outputs that are there; left out is what clears and executes."""
    return Validator(preprocessors=[CheckCellMetadata]).validate(str(path))


@each_solution
def test_nbgrader_passes_the_solution(path):
    assert verdict(path) == {}


def stumble(cell: Any) -> None:
    error = {"ename": "CheckFailed", "evalue": "Not yet: no.", "traceback": ["Not yet: no."]}
    cell.outputs = [nbformat.v4.new_output("error", **error)]


def partly(cell: Any) -> None:
    """A check that ends in a number awards that many points."""
    cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "0.5"}, execution_count=1)]


def retype(cell: Any) -> None:
    marks(cell)["cell_type"] = "markdown"


def alter(cell: Any) -> None:
    marks(cell)["checksum"] = 32 * "0"


@pytest.mark.parametrize(
    ("spoiler", "found"), [(stumble, "failed"), (partly, "failed"), (retype, "type_changed"), (alter, "changed")]
)
def test_nbgrader_notices(spoiler, found, tmp_path):
    solution = read(SOLUTIONS[0])
    check = next(cell for cell in solution.cells if is_check(cell))
    spoiler(check)
    nbformat.write(solution, tmp_path / "spoiled.ipynb")
    (problem,) = verdict(tmp_path / "spoiled.ipynb")[found]
    assert problem["source"] == check.source.strip()


def test_nbgrader_runs_the_solution():
    """Validated as a lecturer does it: a kernel, every cell, no check that fails."""
    assert Validator().validate(str(SOLUTIONS[0])) == {}


def test_nbgrader_fails_the_untouched_exercise_in_words():
    path = SOLUTIONS[0]
    failed = Validator().validate(str(EXERCISES / path.name))["failed"]
    assert len(failed) == sum(is_check(cell) for cell in read(path).cells)
    assert failed[0]["raw_error"].startswith("Not yet: ") and NOTHING in failed[0]["raw_error"]
    assert "\n" not in failed[0]["raw_error"]  # one sentence, no traceback


# ------------------------------------------------------------------ anatomy


def header(notebook: Any) -> list[str]:
    """Goal, minutes, difficulty, chapter, what you need; 20 to 60 minutes unless it is a project."""
    try:
        head = tool.header(notebook)
    except ValueError as error:
        return [str(error)]
    wrong = []
    if not re.fullmatch(r"\d+", head["minutes"]):
        wrong.append(f"minutes are {head['minutes']!r}, not a number")
    elif not (int(head["minutes"]) >= 60 if is_project(notebook) else 20 <= int(head["minutes"]) <= 60):
        wrong.append(f"{head['minutes']} minutes; an exercise takes 20 to 60, a project more")
    if not re.match(r"[123] of 3\b", head["difficulty"]):
        wrong.append(f"difficulty is {head['difficulty']!r}, not '1 of 3', '2 of 3' or '3 of 3'")
    chapters = re.findall(r"\]\(\.\./notebooks/([\w.]+)\)", head["chapter"])
    if not chapters or not all((ROOT / "notebooks" / chapter).is_file() for chapter in chapters):
        wrong.append(f"chapter {head['chapter']!r} does not link to a chapter in ../notebooks")
    return wrong


def word_count(notebook: Any) -> list[str]:
    n, most = words(prose(notebook)), 2500 if is_project(notebook) else 1600
    return [] if 600 <= n <= most else [f"{n} words of prose; 600 to {most} are asked for"]


def sections(notebook: Any) -> dict[str, list[Any]]:
    """Heading -> cells up to the next heading of its level. A heading may stand in the middle of a cell."""
    found, name = {}, ""
    for cell in notebook.cells:
        pieces = (
            re.split(r"^(?=## )", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else [cell.source]
        )
        for piece in pieces:
            if cell.cell_type == "markdown" and (heading := re.match(r"## (.+)", piece)):
                name = heading.group(1)
            found.setdefault(name, []).append(nbformat.NotebookNode(cell | {"source": piece}))
    return found


def tasks_with_hints(notebook: Any) -> list[str]:
    """Tasks numbered 1, 2, ...; each has something to write, and three folded hints before it."""
    if is_project(notebook):
        return []
    tasks = {name: cells for name, cells in sections(notebook).items() if name.startswith("Task")}
    wrong = []
    if [name.split(":")[0] for name in tasks] != [f"Task {k + 1}" for k in range(len(tasks))] or not 3 <= len(
        tasks
    ) <= 7:
        wrong.append(f"the tasks are {list(tasks)}, not three to seven: '## Task 1: ...', '## Task 2: ...'")
    for name, cells in tasks.items():
        first = next((k for k, cell in enumerate(cells) if marks(cell).get("solution")), None)
        if first is None:
            wrong.append(f"{name}: nothing to write")
        text = "\n".join(cell.source for cell in cells[:first] if cell.cell_type == "markdown")
        hints = re.findall(r"<details>\s*<summary>Hint (\d)</summary>\n\n.+?\n\n</details>", text, re.DOTALL)
        if hints != ["1", "2", "3"]:
            wrong.append(
                f"{name}: hints {hints} before what is to be written, not three, folded: <summary>Hint 1</summary>"
            )
    return wrong


def a_check_after_each_task(notebook: Any) -> list[str]:
    """The next code cell; a project may do without."""
    cells = [cell for _, cell in code_cells(notebook)]
    wrong = [
        f"{marks(cell)['grade_id']}: the next code cell is not its check"
        for cell, after in zip(cells, [*cells[1:], None], strict=True)
        if is_task(cell) and not (after is not None and is_check(after)) and not is_project(notebook)
    ]
    wrong += [f"{marks(cell)['grade_id']}: no points" for cell in cells if is_check(cell) and marks(cell)["points"] < 1]
    return wrong


def solutions_explain(notebook: Any) -> list[str]:
    """Every cell to write in has a region, and a code region says why, in a comment of some words."""
    wrong = []
    for cell in notebook.cells:
        if marks(cell).get("solution"):
            inside = [line.strip() for region in regions(cell) for line in region[1:-1]]
            why = " ".join(line for line in inside if line.startswith("#") or cell.cell_type == "markdown")
            if len(why.split()) < 10:
                wrong.append(f"{marks(cell)['grade_id']}: the solution does not say why (ten words at least)")
        elif regions(cell):
            wrong.append(f"a solution in a cell that is not marked as a task: {cell.source[:40]!r}")
    return wrong


def closing(notebook: Any) -> list[str]:
    """What you saw, and references."""
    end = "\n\n".join(cell.source for cell in notebook.cells[-4:] if cell.cell_type == "markdown")
    wrong = [
        f"the closing has no {name!r} heading"
        for name in ("What you saw", "References")
        if not re.search(rf"^#+ .*{name}", end, re.MULTILINE)
    ]
    return wrong if DOI.search(end) else [*wrong, "no reference carries a DOI"]


def a_picture(notebook: Any) -> list[str]:
    pictures = [number for number, output in outputs(notebook) if "image/png" in output.get("data", {})]
    return [] if pictures else ["no picture"]


def rubric(notebook: Any) -> list[str]:
    """A project says what its points are for: a table under '## Rubric' whose points add up to those of its parts."""
    if not is_project(notebook):
        return []
    text = "\n".join(cell.source for cell in sections(notebook).get("Rubric", []))
    rows = [int(points) for points in re.findall(r"^\|.*\| *(\d+) *\|$", text, re.MULTILINE)]
    total = sum(marks(cell).get("points", 0) for cell in notebook.cells)
    return (
        [] if rows and sum(rows) == total else [f"the rubric's points {rows} do not add up to the {total} of the cells"]
    )


ANATOMY = [
    header,
    word_count,
    tasks_with_hints,
    a_check_after_each_task,
    solutions_explain,
    closing,
    a_picture,
    rubric,
]


@each_solution
def test_solution_has_the_promised_anatomy(path):
    wrong = [f"{rule.__name__}: {line}" for rule in ANATOMY for line in rule(read(path))]
    assert not wrong, "\n".join(wrong)


def spoil(**change: Any) -> Any:
    """old text -> new text, in every cell."""

    def spoiled(notebook: Any) -> None:
        for cell in notebook.cells:
            cell.source = re.sub(change["old"], change["new"], cell.source)

    return spoiled


def without(choose: Any) -> Any:
    def spoiled(notebook: Any) -> None:
        notebook.cells = [cell for cell in notebook.cells if not choose(cell)]

    return spoiled


def as_project(points: int) -> Any:
    """A part of this many points, and a rubric of ten."""

    def spoiled(notebook: Any) -> None:
        for cell in notebook.cells:
            marks(cell).pop("points", None)
        table = "## Rubric\n\n| what | points |\n|---|---|\n| a report | 10 |"
        cell = nbformat.v4.new_markdown_cell(table, metadata={"part": "report", "points": points})
        builder.mark(cell)
        notebook.cells.append(cell)

    return spoiled


SPOILERS = [
    (header, spoil(old=r"\| \*\*goal\*\* \|", new="| **aim** |")),
    (header, spoil(old=r"\| \*\*minutes\*\* \| \d+", new="| **minutes** | 5")),
    (header, spoil(old=r"\| \*\*minutes\*\* \| \d+", new="| **minutes** | long")),
    (header, spoil(old=r"\d of 3", new="easy")),
    (header, spoil(old=r"\.\./notebooks/", new="../notebooks/no_")),
    (word_count, without(lambda cell: cell.cell_type == "markdown")),
    (tasks_with_hints, spoil(old=r"## Task 2", new="## Task 3")),
    (tasks_with_hints, spoil(old=r"<summary>Hint 3</summary>", new="<summary>Answer</summary>")),
    (tasks_with_hints, without(lambda cell: marks(cell).get("solution"))),
    (a_check_after_each_task, without(is_check)),
    (solutions_explain, spoil(old=r"\n *# .*(?=\n)", new="")),
    (solutions_explain, spoil(old=r"<!-- (BEGIN|END) SOLUTION -->", new="")),
    (solutions_explain, lambda notebook: [cell.metadata.pop("nbgrader", None) for cell in notebook.cells]),
    (closing, spoil(old="## What you saw", new="## The end")),
    (closing, spoil(old=r"doi:10\.", new="")),
    (a_picture, lambda notebook: [cell.update(outputs=[]) for cell in notebook.cells if cell.cell_type == "code"]),
    (rubric, as_project(20)),
]


@pytest.mark.parametrize(("rule", "spoiler"), SPOILERS, ids=lambda thing: getattr(thing, "__name__", ""))
def test_rules_notice(rule, spoiler):
    notebook = read(SOLUTIONS[0])
    assert rule(notebook) == []
    spoiler(notebook)
    assert rule(notebook)


def test_every_rule_is_tried():
    assert {rule for rule, _ in SPOILERS} == set(ANATOMY)


def test_a_project_is_graded_by_its_rubric():
    notebook = read(SOLUTIONS[0])
    as_project(10)(notebook)
    assert is_project(notebook) and rubric(notebook) == []
    MetadataValidator().validate_cell(notebook.cells[-1])
    assert header(notebook) == ["50 minutes; an exercise takes 20 to 60, a project more"]


# ------------------------------------------------------------------ the tools


def small(source: str, kind: str = "task") -> Any:
    """A notebook with one cell to write in."""
    cell = nbformat.v4.new_code_cell(source, execution_count=3, metadata={kind: "one", "points": 1})
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="42\n")]
    builder.mark(cell)
    cell.metadata.pop("points", None)
    return nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": dict(builder.KERNEL)})


def test_a_region_becomes_a_stub_with_its_indentation():
    source = "def f():\n    'Doc.'\n    ### BEGIN SOLUTION\n    return 42\n    ### END SOLUTION\n\nf()"
    solution = small(source)
    cell = tool.exercise(solution).cells[0]
    assert cell.source == f"def f():\n    'Doc.'\n    {tool.CODE_STUB}\n\nf()"
    assert cell.outputs == [] and cell.execution_count is None
    assert solution.cells[0].source == source and solution.cells[0].outputs  # the solution is left as it was


def test_what_would_leak_is_refused():
    with pytest.raises(RuntimeError, match="no end solution"):
        tool.exercise(small("### BEGIN SOLUTION\nx = 42"))
    unmarked = small("### BEGIN SOLUTION\nx = 42\n### END SOLUTION")
    del unmarked.cells[0].metadata["nbgrader"]
    with pytest.raises(RuntimeError, match="non-solution cell"):
        tool.exercise(unmarked)


def test_the_check_option_writes_nothing_and_names_what_differs(tmp_path, capsys):
    assert tool.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{SOLUTIONS[0].name} is missing" in said and "README.md is missing" in said
    assert list(tmp_path.iterdir()) == []
    assert tool.main([str(tmp_path)]) == 0 and tool.main(["--check", str(tmp_path)]) == 0
    (tmp_path / SOLUTIONS[0].name).write_text("{}", encoding="utf-8")
    (tmp_path / "99_stray.ipynb").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert tool.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{SOLUTIONS[0].name} differs" in said and "99_stray.ipynb has no solution" in said


@pytest.mark.parametrize("kind", list(builder.MARKS))
def test_marks_survive_the_way_to_nbgrader_and_back(kind):
    cell = nbformat.v4.new_markdown_cell("x", metadata={kind: "my-name"} | ({} if kind == "task" else {"points": 2}))
    before = copy.deepcopy(cell.metadata)
    builder.mark(cell)
    assert cell.metadata["nbgrader"]["grade_id"] == ("my-name-check" if kind == "check" else "my-name")
    builder.unmark(cell)
    assert cell.metadata == before


def test_the_map_lists_every_exercise():
    text = (EXERCISES / "README.md").read_text(encoding="utf-8")
    for path in SOLUTIONS:
        head = tool.header(read(path))
        row = next(line for line in text.splitlines() if f"]({path.name})" in line)
        assert all(f"| {head[field]} |" in row for field in tool.FIELDS)
