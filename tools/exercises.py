"""Exercises are generated from their solutions, which are the only source.

    python tools/exercises.py             solutions/*.ipynb -> exercises/*.ipynb and the map exercises/README.md
    python tools/exercises.py FOLDER      the same into another folder
    python tools/exercises.py --check     write nothing, say what differs (exit status 1 if anything does)
    python tools/exercises.py FOLDER --seed 7   for one class, with numbers of its own: FOLDER becomes its course folder
    python tools/exercises.py FOLDER --seed 7 --only 03 08   the same for some exercises

nbgrader's own preprocessors do it: what stands between ``BEGIN SOLUTION`` and ``END SOLUTION`` becomes a stub, outputs and
execution counts go. All else stays cell for cell, with nbgrader's metadata, so that a lecturer can hand the solutions to
``nbgrader generate_assignment`` as they are. ``tools/notebooks.py`` builds the solutions from text. A seed changes the medium
and the numbers of each exercise, its checks with them, and adds a question (``hmm_course/variants``). Such a solution is run as a
whole before it is written; nothing of that is committed.
"""

import argparse
import ast
import copy
import importlib
import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
from files import whole
from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, ClearSolutions

from hmm_course import variants
from notebooks import complaints, execute, mark

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = ROOT / "solutions"
EXERCISES = ROOT / "exercises"
CONFIGURATION = ROOT / "teaching" / "nbgrader_config.py"

CODE_STUB = "...  # your code here"
TEXT_STUB = "*Your answer here.*"
FIELDS = ("goal", "minutes", "difficulty", "chapter", "you need")

README = """\
# Exercises

<!-- Made by `make exercises` from the first cells of ../solutions/*.ipynb. -->

From pencil to a full workflow. You write the few lines that teach something, the rest is there. After each task a
check tells you what is right about your answer, or what is not, and three folded hints go from a nudge to almost the
answer.

{table}

`make lab` in the folder above opens JupyterLab; the notebooks are in `exercises/`. Run a notebook from the top: it goes
as far as your first unfinished task and stops there. When you are through, or stuck for good, the notebook of the same
name in [`solutions/`](../solutions) explains one way to do it. Keep your work under another name, for `make exercises`
writes these files anew.

For lecturers: the solutions carry [nbgrader](https://nbgrader.readthedocs.io)'s marks, with points for every check and
for the answers in words, which you grade by hand. Put them into your course's `source/` folder, and `nbgrader
generate_assignment` does the rest.
"""


def exercise(solution: Any) -> Any:
    """The notebook that a learner gets: stubs for solutions, nothing executed. The argument is left as it is."""
    notebook, resources = copy.deepcopy(solution), {}
    for preprocessor in (
        CheckCellMetadata(),
        ClearSolutions(code_stub={"python": CODE_STUB}, text_stub=TEXT_STUB),
        ClearOutput(),
    ):
        notebook, resources = preprocessor.preprocess(notebook, resources)
    return notebook


def header(notebook: Any) -> dict[str, str]:
    """Title and the table of the first cell: goal, minutes, difficulty, chapter, what you need."""
    first = notebook.cells[0].source
    title = re.match(r"# (.+)", first)
    rows = re.findall(r"^\| *(?:\*\*)?([\w ]+?)(?:\*\*)? *\| *(.+?) *\|$", first, re.MULTILINE)
    found = {"title": title.group(1) if title else ""} | {key.lower(): value for key, value in rows}
    if missing := [field for field in ("title", *FIELDS) if not found.get(field)]:
        raise ValueError(f"the first cell must be a title and a table with {FIELDS}; missing: {missing}")
    return found


def number(path: Path) -> str:
    """1 for 01_line.ipynb, P1 for the project p1_media.ipynb."""
    return path.stem.split("_")[0].lstrip("0").upper()


def readme(solutions: dict[Path, Any]) -> str:
    """The reader's map of the exercises."""
    lines = ["| | exercise | goal | minutes | difficulty | chapter | you need |", "|---|---|---|--:|---|---|---|"]
    for path, notebook in solutions.items():
        head = header(notebook)
        cells = [number(path), f"[{head['title']}]({path.name})", *(head[field] for field in FIELDS)]
        lines.append(f"| {' | '.join(cells)} |")
    return README.format(table="\n".join(lines))


def generate(folder: Path = SOLUTIONS) -> dict[str, str]:
    """File name -> text, of everything that belongs into exercises/."""
    solutions = {path: nbformat.read(path, as_version=4) for path in sorted(folder.glob("*.ipynb"))}
    files = {path.name: nbformat.writes(exercise(notebook)) + "\n" for path, notebook in solutions.items()}
    return files | {"README.md": readme(solutions)}


def with_seed(source: str, checks: ModuleType, seed: int) -> str:
    """The cell of a check; every check that takes a seed is given this one."""
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    lines = [line.encode() for line in source.splitlines()]  # the parser counts bytes
    for call in sorted(calls, key=lambda call: (call.end_lineno, call.end_col_offset), reverse=True):
        of_ours = ast.unparse(call.func.value) == "checks"
        if of_ours and "seed" in inspect.signature(getattr(checks, call.func.attr)).parameters:
            row, column = call.end_lineno - 1, call.end_col_offset - 1
            lines[row] = lines[row][:column] + f", seed={seed}".encode() + lines[row][column:]
    return b"\n".join(lines).decode()


def for_a_class(solution: Any, number: str, seed: int) -> Any:
    """The solution with the numbers and the question of this seed, nothing executed. The argument is left as it is."""
    notebook, _ = ClearOutput().preprocess(copy.deepcopy(solution), {})
    checks = importlib.import_module(f"hmm_course.checks.ex{number}")
    texts = variants.retell([cell.source for cell in notebook.cells], number, seed)
    for cell, text in zip(notebook.cells, texts, strict=True):
        graded = cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
        cell.source = with_seed(text, checks, seed) if graded else text
        cell.metadata.pop("mystnb", None)  # describes the published pictures, for the web site
    notebook.cells[0].source += f"\n\nThe numbers are those of class {seed}; another class has others."

    asked, v4 = variants.question(number, seed), nbformat.v4
    task = f"mine = ...\n### BEGIN SOLUTION\n{asked.answer}\n### END SOLUTION"
    check = f"from hmm_course.checks import of_class\n\nof_class({number!r}, {seed}, mine)"
    added = [
        v4.new_markdown_cell(f"## A question for your class\n\n{asked.text}"),
        v4.new_code_cell(asked.given),
        v4.new_code_cell(task, metadata={"task": "class"}),
        v4.new_code_cell(check, metadata={"check": "class", "points": 10}),
    ]
    for k, cell in enumerate(added):
        cell["id"] = f"{number}-class-{k}"
        mark(cell)
    place = next(k for k, cell in enumerate(notebook.cells) if cell.source.startswith("## What you saw"))
    notebook.cells[place:place] = added
    return notebook


def write_new(folder: Path, files: dict[str, str]) -> None:
    """Write all, or none: FileExistsError if one is there with another text, for a lecturer may have changed it (points, say)."""
    for name, text in files.items():
        if (folder / name).is_file() and (folder / name).read_text(encoding="utf-8") != text:
            raise FileExistsError(
                f"{folder / name} was changed, or belongs to another seed. It stays as it is: "
                "delete it if it shall be written anew, or name another folder."
            )
    for name, text in files.items():
        with whole(folder / name) as draft:
            draft.write_text(text, encoding="utf-8", newline="\n")


def write_for_a_class(seed: int, folder: Path, only: Sequence[str] = ()) -> None:
    """A course folder for nbgrader, source/NAME/NAME.ipynb, and exercises/NAME.ipynb. RuntimeError if a solution does not run."""
    for number in only or variants.EXERCISES:
        path = next(SOLUTIONS.glob(f"{number}_*.ipynb"))
        varied = for_a_class(nbformat.read(path, as_version=4), number, seed)
        ran = copy.deepcopy(varied)
        execute(ran, SOLUTIONS)
        if wrong := complaints(ran):
            raise RuntimeError(f"exercise {number} does not run with seed {seed}: {wrong}")
        places = {f"source/{path.stem}/{path.name}": varied, f"exercises/{path.name}": exercise(varied)}
        write_new(folder, {name: nbformat.writes(notebook) + "\n" for name, notebook in places.items()})
        print(f"{folder}: exercise {number} with the numbers of class {seed}; its solution was run", flush=True)
    if not (folder / CONFIGURATION.name).exists():  # one that is there may have been changed
        write_new(folder, {CONFIGURATION.name: CONFIGURATION.read_text(encoding="utf-8")})


def differences(files: dict[str, str], folder: Path) -> list[str]:
    """What in a folder is not as generated, in words."""
    wrong = []
    for name, text in files.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            wrong.append(f"{name} differs from what its solution gives")
    wrong += [f"{path.name} has no solution" for path in sorted(folder.glob("*.ipynb")) if path.name not in files]
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=EXERCISES, help="where to write (default: exercises)")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--seed", type=int, help="the number of a class, above 0; then FOLDER must be given")
    parser.add_argument(
        "--only", nargs="+", default=(), choices=variants.EXERCISES, metavar="NN", help="with --seed: these"
    )
    options = parser.parse_args(arguments)
    if options.seed is not None:
        if options.folder == EXERCISES or options.check:
            parser.error("--seed writes for one class: give it a FOLDER of its own, and no --check")
        try:
            write_for_a_class(options.seed, options.folder, options.only)
        except FileExistsError as error:
            print(error, file=sys.stderr)
            return 1
        return 0

    files = generate()
    if not options.check:
        for name, text in files.items():
            with whole(options.folder / name) as draft:
                draft.write_text(text, encoding="utf-8", newline="\n")
    wrong = differences(files, options.folder)
    for line in wrong:
        print(f"{options.folder.name}: {line}", file=sys.stderr)
    if not wrong:
        print(f"{options.folder.name}: {len(files) - 1} exercises as their solutions give them")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
