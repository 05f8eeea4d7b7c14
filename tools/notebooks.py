"""Chapters and solutions are written as text, executed here, and committed as notebooks with their outputs.

    python tools/notebooks.py text notebooks/04_the_loop.ipynb      -> build/notebooks/04_the_loop.py, to edit
    python tools/notebooks.py build build/notebooks/04_the_loop.py  -> notebooks/04_the_loop.ipynb, executed
    python tools/notebooks.py try build/notebooks/04_the_loop.py    -> nothing: says of every cell whether it fails, and where
    python tools/notebooks.py run notebooks/*.ipynb                 -> executed again, in place, or --into another folder

The text is Jupytext's percent format. A figure's alternative text stands on the line that opens its cell:

    # %% mystnb={"image": {"alt": "Two curves: ..."}}

So do the marks of an exercise (solutions/x.ipynb, edited as build/solutions/x.py), which become nbgrader's metadata: a
cell to write in and the check below it, an answer in words that is graded by hand, a part of a project with its points.

    # %% task="harmonic-mean"
    # %% check="harmonic-mean" points=2
    # %% [markdown] answer="why-not-the-mean" points=2
    # %% [markdown] part="report" points=10

A notebook is written only if every cell ran without error and without a word on stderr, and the seconds that it took are said:
on the clock, and of the processor, which do not grow when others use the machine too. What changes from run to run
(time stamps, Python's version, widget models) is left out, and cells are numbered, so that a second build of the same
text differs only where the results do.
"""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from files import whole
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
WIDGET = "application/vnd.jupyter.widget-view+json"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# The marks of an exercise and what nbgrader calls them: (written by the learner, graded, kept as it is, part of a project).
MARKS = {
    "task": {"solution": True, "grade": False, "locked": False, "task": False},
    "check": {"solution": False, "grade": True, "locked": True, "task": False},
    "answer": {"solution": True, "grade": True, "locked": False, "task": False},
    "part": {"solution": False, "grade": False, "locked": True, "task": True},
}


def mark(cell: Any) -> None:
    """Turn a mark of the text, task="name", into nbgrader's metadata; a check's id is name-check."""
    for kind, meaning in MARKS.items():
        if name := cell.metadata.pop(kind, None):
            points = {} if kind == "task" else {"points": cell.metadata.pop("points")}
            name = f"{name}-check" if kind == "check" else name
            cell.metadata["nbgrader"] = {"grade_id": name, "schema_version": 3} | meaning | points


def unmark(cell: Any) -> None:
    """The way back."""
    marks = cell.metadata.pop("nbgrader", {})
    for kind, meaning in MARKS.items():
        if marks and meaning.items() <= marks.items():
            cell.metadata[kind] = marks["grade_id"].removesuffix("-check" if kind == "check" else "")
            if "points" in marks:
                cell.metadata["points"] = marks["points"]


def read_text(path: Path) -> Any:
    """The notebook that a percent-format text describes: no outputs, cells numbered."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"{path.stem.split('_')[0]}-{number:02d}"
        mark(cell)
    return notebook


def write_text(notebook: Any) -> str:
    """Percent-format text of a notebook, without its outputs."""
    notebook.metadata = {"jupytext": {"notebook_metadata_filter": "-all"}}
    for cell in notebook.cells:
        unmark(cell)
    return jupytext.writes(notebook, fmt="py:percent")


def execute(notebook: Any, folder: Path, timeout: int = 300, go_on: bool = False) -> None:
    """Run every cell in order, as nbval will: in the notebook's folder, one numerical thread. ``go_on`` after one that fails."""
    os.environ.update(ONE_THREAD)
    notebook.metadata = {"kernelspec": dict(KERNEL)}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=timeout,
        allow_errors=go_on,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # its warning that it talks without encryption is no news to a reader
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    settle(notebook)


def settle(notebook: Any) -> None:
    """Leave out what changes from run to run or means nothing without a running kernel."""
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)


def failures(notebook: Any) -> list[str]:
    """What every cell that failed raised, with its number in brackets and the line."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                trace = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))  # without colours
                line = re.search(r"^-+> *(\d+)\s+(.*)", trace, re.MULTILINE)
                place = f", line {line[1]}: {line[2].strip()}" if line else ""
                error = f"{output.ename}: {output.evalue}".rstrip(": ")
                found.append(f"[{cell.execution_count}]{place}\n    {error}")
    return found


def complaints(notebook: Any) -> list[str]:
    """What cells said on stderr: warnings, mostly. A chapter is committed without any."""
    return [
        f"cell {number}: {output.text.strip()}"
        for number, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]


def seconds() -> tuple[float, float]:
    """On the clock, and of the processor in kernels that have ended (zero on Windows, which does not say)."""
    times = os.times()
    return times.elapsed, times.children_user + times.children_system


def home(path: Path) -> str:
    """The folder that a file belongs to, by the name of the one it lies in."""
    return "solutions" if path.resolve().parent.name == "solutions" else "notebooks"


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's text. Returns the number of files that failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["build", "text", "try", "run"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--into",
        type=Path,
        help="folder to write to (default: between notebooks and build/notebooks, "
        "and between solutions and build/solutions; run: where they are)",
    )
    parser.add_argument("--timeout", type=int, default=300, help="seconds that a cell may take (default %(default)s)")
    options = parser.parse_args(arguments)

    failed = 0
    for path in options.files:
        if options.action == "text":
            target = (options.into or ROOT / "build" / home(path)) / f"{path.stem}.py"
            with whole(target) as draft:
                draft.write_text(write_text(nbformat.read(path, as_version=4)), encoding="utf-8")
            print(f"{path} -> {target}")
            continue
        if options.action in ("build", "try"):
            notebook = read_text(path)
            folder = options.into or ROOT / home(path)
        else:
            notebook, folder = nbformat.read(path, as_version=4), path.parent
        target = (options.into or folder) / f"{path.stem}.ipynb"
        folder.mkdir(parents=True, exist_ok=True)
        start = seconds()
        try:
            execute(notebook, folder.resolve(), options.timeout, options.action == "try")
            problems = failures(notebook) + complaints(notebook)
        except CellExecutionError as error:
            problems = [str(error)]
        except (
            DeadKernelError,
            AssertionError,
        ):  # nbclient ends the kernel on Ctrl-C, and may then stumble over its absence
            print(
                f"{path}: not written, because its kernel ended: Ctrl-C, or no memory. Stopped here.", file=sys.stderr
            )
            return failed + 1
        if problems:
            failed += 1
            said = "these cells fail" if options.action == "try" else "not written, because"
            print(f"{path}: {said}", *problems, sep="\n", file=sys.stderr)
            continue
        if options.action == "try":
            print(f"{path}: every cell ran and every assert holds; nothing was written")
            continue
        nbformat.validate(notebook)
        with whole(target) as draft:
            nbformat.write(notebook, draft)
        clock, processor = (after - before for before, after in zip(start, seconds(), strict=True))
        print(f"{path} -> {target}, {len(notebook.cells)} cells, {clock:.0f} s, {processor:.0f} s of the processor")
    return failed


if __name__ == "__main__":
    sys.exit(main())
