"""The lecturer's pages are generated from the course itself, so that a new chapter or exercise appears in them by itself.

    python tools/teaching.py             notebooks, exercises, checks -> chapters.md, syllabi.md, misconceptions.md in teaching/
    python tools/teaching.py FOLDER      the same into another folder

``chapters.md`` comes from the front matter, headings, figures and questions of the chapters, and from
``teaching/objectives.yml``, which says what somebody can do after each section. ``chapters.svg``, which shows which chapter
needs which, comes from their front matter (tools/chapter_map.py), ``syllabi.md`` from ``teaching/syllabi.yml`` with the
minutes counted, ``misconceptions.md`` from the wrong answers of ``tests/checks_cases``: each is given to its check, and
what the check says is written down. What no notebook can say is written by hand beside them.
"""

import argparse
import contextlib
import importlib
import inspect
import io
import itertools
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chapter_map
import nbformat
import yaml
from files import whole

import exercises

ROOT = Path(__file__).resolve().parent.parent
TEACHING = ROOT / "teaching"
MADE = "<!-- Made by `make teaching` from {source}; edit those. -->"

ANSWER = re.compile(r"<details>.*?</details>", re.DOTALL)
LABEL = re.compile(r"^(?:\*\*|### )?(?:Check yourself|Question)\b[^*\n]*?[.:]?(?:\*\*)?\s*(?=\S)", re.IGNORECASE)
FRAME = ("What we saw", "References", "Next")  # headings of the closing


@dataclass(frozen=True)
class Section:
    """A heading of a chapter, and what stands below it."""

    title: str
    minutes: int  # the chapter's minutes, shared out by length
    figures: tuple[str, ...]  # how each alternative text begins
    sliders: tuple[str, ...]  # the parameters of each demo, in words
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Chapter:
    """What a chapter says about itself in its opening, and its sections."""

    path: Path
    number: str
    title: str
    able: str
    need: str
    needs: tuple[str, ...]  # numbers of chapters before a semicolon in "You need": necessary
    helps: tuple[str, ...]  # and behind it: good to know
    minutes: int
    sections: tuple[Section, ...]


# ------------------------------------------------------------------ reading


def one_line(text: str) -> str:
    """Prose on a single line, for a table or a list."""
    return " ".join(text.split())


def pieces(notebook: Any) -> list[tuple[str, list[Any]]]:
    """(heading, cells) for the opening, headed "", and each ``##``. A heading may stand in the middle of a cell."""
    found: list[tuple[str, list[Any]]] = [("", [])]
    for cell in notebook.cells:
        parts = [cell.source]
        if cell.cell_type == "markdown":
            parts = re.split(r"^(?=## )", cell.source, flags=re.MULTILINE)
        for part in filter(None, parts):
            if cell.cell_type == "markdown" and (heading := re.match(r"## (.+)", part)):
                found.append((heading[1].strip(), []))
            found[-1][1].append(nbformat.NotebookNode(cell | {"source": part}))
    return found


def questions(cell: Any) -> list[str]:
    """What is asked above each folded answer."""
    asked, start = [], 0
    for answer in ANSWER.finditer(cell.source):
        above = cell.source[start : answer.start()].strip().split("\n\n")
        if above[-1]:
            asked.append(LABEL.sub("", one_line(above[-1])))
        start = answer.end()
    return asked


def sliders(cell: Any) -> list[str]:
    """ "demo: parameter, parameter", in the words that stand beside the sliders."""
    demo = re.search(r"demos\.explore\(\s*demos\.(\w+)", cell.source)
    return [f"`{demo[1]}`: " + ", ".join(re.findall(r'=\("([^"]+)"', cell.source))] if demo else []


def length(cells: list[Any]) -> float:
    """How long a section keeps a reader, in arbitrary units: words, lines of code at three words, pictures at forty."""
    text = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    lines = sum(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code")
    pictures = sum("mystnb" in cell.metadata for cell in cells)
    return len(text.split()) + 3 * lines + 40 * pictures


def shared_out(total: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to the weights that add up to the total: the largest remainders get what is left."""
    exact = [total * weight / sum(weights) for weight in weights]
    floors = [int(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda k: floors[k] - exact[k])
    for k in order[: total - sum(floors)]:
        floors[k] += 1
    return floors


def chapter(path: Path) -> Chapter:
    """Read a chapter; ValueError says what its opening lacks."""
    (_, opening), *parts = pieces(nbformat.read(path, as_version=4))
    head = "\n\n".join(cell.source for cell in opening if cell.cell_type == "markdown")
    title = re.match(r"# (\d\d) · (.+)", head)
    able = re.search(r"you will be able to\**\s+(.+?)(?:\n\n|\Z)", head, re.DOTALL | re.IGNORECASE)
    need = re.search(r"You (?:will )?need\**\s+(?!not\b)(.+?)(?=\s*(?:\*\*Time|It takes|\n\n|\Z))", head, re.DOTALL)
    minutes = re.search(r"(\d+)\s+\**minutes", head, re.IGNORECASE)
    if not (title and able and need and minutes):
        raise ValueError(
            f"{path.name}: the opening needs '# NN · Title', what you will be able to do, need, and minutes"
        )
    bodies = [(heading, cells) for heading, cells in parts if not heading.startswith(FRAME)]
    weights = [length(cells) for _, cells in bodies]
    weights[0] += length(opening)
    times = shared_out(int(minutes[1]), weights)
    necessary, _, useful = need[1].partition(";")
    return Chapter(
        path,
        title[1],
        title[2].strip(),
        one_line(able[1]),
        one_line(need[1]),
        tuple(re.findall(r"\b[01]\d\b", necessary)),
        tuple(re.findall(r"\b[01]\d\b", useful)),
        int(minutes[1]),
        tuple(section(heading, time, cells) for (heading, cells), time in zip(bodies, times, strict=True)),
    )


def beginning(alt: str) -> str:
    """The first sentence of a description, and the next if it says only "Three panels."; 150 characters at most."""
    first, *rest = re.split(r"(?<=\.) ", alt)
    while rest and len(first.split()) < 8:
        first = f"{first} {rest.pop(0)}"
    return textwrap.shorten(first, 150, placeholder=" …")


def section(heading: str, minutes: int, cells: list[Any]) -> Section:
    """One heading with what can be shown and asked."""
    alts = [cell.metadata["mystnb"]["image"]["alt"] for cell in cells if "mystnb" in cell.metadata]
    return Section(
        re.sub(r"^\d+\. ", "", heading),
        minutes,
        tuple(map(beginning, alts)),
        tuple(itertools.chain.from_iterable(sliders(cell) for cell in cells if cell.cell_type == "code")),
        tuple(itertools.chain.from_iterable(questions(cell) for cell in cells if cell.cell_type == "markdown")),
    )


def chapters(folder: Path = ROOT / "notebooks") -> dict[str, Chapter]:
    """Number -> chapter, in order."""
    return {read.number: read for read in map(chapter, sorted(folder.glob("*.ipynb")))}


def practice(folder: Path = ROOT / "solutions") -> dict[str, tuple[Path, dict[str, str]]]:
    """Number of the exercise -> its file and the table that it opens with."""
    return {
        exercises.number(path): (path, exercises.header(nbformat.read(path, as_version=4)))
        for path in sorted(folder.glob("*.ipynb"))
    }


# ------------------------------------------------------------------ chapters.md


CHAPTERS = """\
# Chapters, section by section

{made}

Objectives, minutes, what to show and what to ask: the objectives of sections from [objectives.yml](objectives.yml), all else as
the chapters themselves say it. The minutes of a chapter are those that it states for a reader; they are shared out over its
sections by their length, so take them as a proportion. In front of a class count half of them if you show and talk, all of
them if the class computes along.

## Which chapter needs which

An arrow leads from a chapter to those that need it; a dashed one, to those where it helps. What a chapter needs by way of
another has no arrow of its own: follow the arrows backwards, and you have all that a class must have read.

![Map of the chapters as boxes with arrows: {arrows}.](chapters.svg)

{chapters}"""


def objectives(course: dict[str, Chapter], path: Path = TEACHING / "objectives.yml") -> dict[str, dict[str, str]]:
    """Chapter -> section -> what somebody can do after it; ValueError names the sections and objectives that lack each other.

    A chapter that is not there keeps its objectives, as it keeps its place in a syllabus.
    """
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    titles = {(number, part.title) for number, one in course.items() for part in one.sections}
    named = {(number, title) for number in course for title, goal in written.get(number, {}).items() if goal}
    if wrong := sorted(titles ^ named):
        told = [f"{'no objective for' if pair in titles else 'no section'} {' · '.join(pair)}" for pair in wrong]
        raise ValueError(f"{path.name}: {'; '.join(told)}")
    return written


def in_table(text: str) -> str:
    """Text that a cell of a table may hold."""
    return text.replace("|", "\\|")


def live(part: Section) -> str:
    """A cell of the table: figures, then sliders."""
    return "<br>".join([*part.figures, *(f"**sliders** {words}" for words in part.sliders)])


def chapter_text(one: Chapter, goals: dict[str, str], tasks: dict[str, tuple[Path, dict[str, str]]]) -> str:
    """One chapter of chapters.md; ``goals`` are the objectives of its sections."""
    rows = [(part.title, str(part.minutes), goals[part.title], live(part)) for part in one.sections]
    lines = [
        f"## [{one.number} · {one.title}](../notebooks/{one.path.name})",
        "",
        f"**After it** they are able to {one.able}",
        "",
        f"**It needs** {one.need} **Minutes:** {one.minutes}.",
        "",
        "| section | minutes | after it they can | to show live |",
        "|---|--:|---|---|",
        *(f"| {' | '.join(map(in_table, row))} |" for row in rows),
        "",
    ]
    if asked := [question for part in one.sections for question in part.questions]:
        lines += ["To discuss (the answers are folded in the chapter):", "", *(f"- {text}" for text in asked), ""]
    linked = [(number, path, head) for number, (path, head) in tasks.items() if one.path.name in head["chapter"]]
    if linked:
        links = [f"[{number}: {head['title']}](../exercises/{path.name})" for number, path, head in linked]
        lines += [f"Exercises: {', '.join(links)}.", ""]
    return "\n".join(lines)


def chapters_page() -> str:
    """chapters.md"""
    course, tasks = chapters(), practice()
    goals = objectives(course)
    body = "\n".join(chapter_text(one, goals[number], tasks) for number, one in course.items())
    made = MADE.format(source="../notebooks/*.ipynb and objectives.yml")
    return CHAPTERS.format(made=made, arrows=chapter_map.in_words(course), chapters=body)


# ------------------------------------------------------------------ syllabi.md

SYLLABI = """\
# Syllabi

{made}

Minutes are a reader's, added up over the sections that a session takes ([all sections](chapters.md)). If you show and talk, count
half of them. Where a session has two whole chapters, take one.

{plans}"""


def part_of(number: str, wanted: Any, course: dict[str, Chapter]) -> tuple[str, int]:
    """A chapter, or the sections of it that are wanted (counted from 1, or "all"), as a link, and their minutes."""
    if number not in course:
        raise ValueError(f"syllabi.yml: there is no chapter {number}")
    one = course[number]
    link = f"[{number} {one.title}](../notebooks/{one.path.name})"
    if wanted == "all":
        return link, one.minutes
    if bad := [k for k in wanted if not 1 <= k <= len(one.sections)]:
        raise ValueError(f"syllabi.yml: chapter {number} has sections 1 to {len(one.sections)}, not {bad}")
    return f"{link}, sections {', '.join(map(str, wanted))}", sum(one.sections[k - 1].minutes for k in wanted)


def syllabi_page() -> str:
    """syllabi.md"""
    course, tasks, plans = chapters(), practice(), []
    for plan in yaml.safe_load((TEACHING / "syllabi.yml").read_text(encoding="utf-8")):
        lines = [f"## {plan['title']}", "", one_line(plan["for"]), ""]
        for number, session in enumerate(plan["sessions"], start=1):
            parts = [part_of(str(key), wanted, course) for key, wanted in session["chapters"].items()]
            read, written = sum(minutes for _, minutes in parts), 0
            lines += [f"### {number}. {session['title']}", "", one_line(session["goal"]), ""]
            lines += [f"- **Material** ({read} minutes): " + "; ".join(text for text, _ in parts)]
            if names := [str(name) for name in session.get("exercises", [])]:
                if gone := [name for name in names if name not in tasks]:
                    raise ValueError(f"syllabi.yml: there is no exercise {', '.join(gone)}")
                written = sum(int(tasks[name][1]["minutes"]) for name in names)
                links = [f"[{tasks[name][1]['title']}](../exercises/{tasks[name][0].name})" for name in names]
                lines += [f"- **Homework** ({written} minutes): " + "; ".join(links)]
            lines += [f"- **Show live:** {one_line(session['live'])}", f"- **Ask:** {one_line(session['ask'])}", ""]
        plans.append("\n".join(lines))
    return SYLLABI.format(made=MADE.format(source="syllabi.yml and the notebooks"), plans="\n".join(plans))


# ------------------------------------------------------------------ misconceptions.md

MISCONCEPTIONS = """\
# Known mistakes, and what to say

{made}

The checks of the exercises know {count} mistakes by name, from what an answer computes or from a property that it lacks.
Below, task by task, is what a learner hears; it is also what to say at the blackboard. What people believe before they
compute anything is in [Before you teach it](before_you_teach.md). Behind "class 9" stands what only an edition with numbers
of its own can be told ([variants](grading.md#variants)); the numbers are those of that class.

{exercises}"""


# How a message ends that names no mistake: how far off a value is, or what shape it has, tells a learner something, and a
# lecturer nothing. The helpers that all checks share say these; what goes on behind them ("...: is 40 the n?") has a name.
NAMELESS = re.compile(
    r"(is off by \S+ of its size|, which is something else than the exercise asks for"
    r"|should (be|have) [^;]+; it has shape .+|contains .+ may be left in it)\.$"
)


def plain(text: str) -> str:
    """Text in which Markdown finds no tags and no emphasis: <a> and A* are formulas."""
    return re.sub(r"([<*_])", r"\\\1", text)


def said(case: Any) -> str:
    """What the check says to this answer."""
    from hmm_course.checks import CheckFailed

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            case.check(*case.arguments)
    except CheckFailed as failure:
        return one_line(str(failure))
    raise RuntimeError(f"{case.check.__name__} lets a known mistake pass: {case.says}")


def asked_as(case: Any) -> str:
    """The class that the check was asked for, if it was."""
    seed = inspect.signature(case.check).bind(*case.arguments).arguments.get("seed")
    return f"class {seed}: " if seed else ""


def mistakes(module: str) -> dict[Any, list[Any]]:
    """Check -> the wrong answers that it recognises, in the order of the exercise."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]
    try:
        cases = importlib.import_module(f"checks_cases.{module}").CASES
    finally:
        del sys.path[:2]
    found: dict[Any, list[Any]] = {}
    for case in cases:
        if case.kind == "mistake":
            found.setdefault(case.check, []).append(case)
    return found


def module_of(path: Path) -> str:
    """The name of an exercise's module of checks: ex01, p1."""
    name = path.stem.split("_")[0]
    return f"ex{name}" if name.isdigit() else name


def known(path: Path, head: dict[str, str]) -> tuple[str, int]:
    """One exercise of misconceptions.md, and how many mistakes it names; seconds, for every wrong answer is computed."""
    lines, count = [f"## {exercises.number(path)} · [{head['title']}](../exercises/{path.name})", ""], 0
    for check, cases in mistakes(module_of(path)).items():
        purpose = one_line((check.__doc__ or "").strip().split("\n\n")[0])
        heard: dict[str, str] = {}
        for case in cases:
            heard.setdefault(said(case), asked_as(case))
        replies = [of + plain(reply) for reply, of in heard.items() if not NAMELESS.search(reply)]
        count += len(replies)
        if replies:
            lines += [f"**`{check.__name__}`**: {plain(purpose)}", "", *(f"- {one}" for one in replies), ""]
    return "\n".join(lines), count


def misconceptions_page() -> str:
    """misconceptions.md"""
    texts, counts = zip(*(known(*task) for task in practice().values()), strict=True)
    made = MADE.format(source="../tests/checks_cases/*.py and ../hmm_course/checks/*.py")
    return MISCONCEPTIONS.format(made=made, count=sum(counts), exercises="\n".join(texts))


def chapters_picture() -> str:
    """chapters.svg"""
    return chapter_map.svg(chapters())


PAGES = {
    "chapters.md": chapters_page,
    "chapters.svg": chapters_picture,
    "syllabi.md": syllabi_page,
    "misconceptions.md": misconceptions_page,
}


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=TEACHING, help="where to write (default: teaching)")
    options = parser.parse_args(arguments)
    for name, make in PAGES.items():
        with whole(options.folder / name) as draft:
            draft.write_text(make().rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        print(f"{options.folder.name}/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
