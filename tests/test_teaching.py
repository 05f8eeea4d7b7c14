"""The lecturer's pages say what the course says: made anew they are the same, and what they read is read rightly."""

import html
import json
import re
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import yaml
from matplotlib.transforms import Bbox
from test_exercises import ROOT, SOLUTIONS, tool
from test_notebooks import CHAPTERS

from hmm_course.figures import ch00

sys.path.insert(0, str(ROOT / "tools"))

import chapter_map
import cheat_sheet
import npm
import slides

import notebooks
import teaching

TEACHING = ROOT / "teaching"
COURSE = teaching.chapters()


def page(name: str) -> str:
    return (TEACHING / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["chapters.md", "syllabi.md"])
def test_the_committed_pages_are_what_the_course_gives(name):
    assert page(name).rstrip("\n") == teaching.PAGES[name]().rstrip("\n"), "run `make teaching`"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_every_mistake_with_a_name_is_on_its_page(path):
    """Word for word what the check says to every wrong answer, but for the answers that are merely wrong."""
    made, count = teaching.known(path, tool.header(nbformat.read(path, as_version=4)))
    _, start, rest = page("misconceptions.md").partition(made.split("\n")[0])
    there = start + rest.partition("\n## ")[0]
    assert there.rstrip() == made.rstrip(), "run `make teaching`"
    assert there.count("\n- ") == count > 0


def test_the_page_of_mistakes_counts_them():
    text = page("misconceptions.md")
    assert f" know {text.count(chr(10) + '- ')} mistakes by name" in text


@pytest.mark.parametrize(
    ("reply", "nameless"),
    [
        ("effective for the constant a = 3 is off by 1 of its size.", True),
        ("flux is 2*a(y), which is something else than the exercise asks for.", True),
        ("corrector(y) should be an array of shape (60,); it has shape ().", True),
        ("w should have shape (2, 3); it has shape (3, 2).", True),
        ("balance contains f; only k1, k2, s may be left in it.", True),
        ("the slope of a sine is off by 0.7 of its size: is 40 the n in your matrix?", False),
        (
            "effective_1d gives the arithmetic mean, which is something else than the exercise asks for: layers in a row.",
            False,
        ),
        ("your tensor is not symmetric: did you average the flux, or the gradient?", False),
    ],
)
def test_a_message_without_a_name_is_known_by_its_end(reply, nameless):
    assert bool(teaching.NAMELESS.search(reply)) is nameless


def test_minutes_add_up_and_every_chapter_is_there():
    assert len(COURSE) == len(CHAPTERS)
    for one in COURSE.values():
        assert sum(part.minutes for part in one.sections) == one.minutes
        assert all(part.minutes >= 0 for part in one.sections) and len(one.sections) >= 3
        assert set(one.needs) | set(one.helps) <= set(COURSE)
        assert one.number == "00" or one.needs, f"{one.path.name} says which chapters it needs"
        assert one.number not in one.needs


def test_every_section_has_an_objective_and_every_objective_a_section(tmp_path):
    """In the course, and a chapter that is taken out of it leaves its objectives unread; what lacks the other is named."""
    goals = teaching.objectives(COURSE)
    assert teaching.objectives({number: one for number, one in COURSE.items() if number != "04"}) == goals
    for number, one in COURSE.items():
        for part in one.sections:
            text = goals[number][part.title]
            assert f" | {part.minutes} | {teaching.in_table(text)} | " in page("chapters.md"), "run `make teaching`"
            assert 6 <= len(text.split()) <= 20 and text[0].islower() and not text.endswith("."), text
    goals["00"]["The map"] = ""
    del goals["02"]["Between two lengths"]
    goals["06"]["Micro: a grid"] = goals["06"].pop("Micro: the grid inside")
    written = tmp_path / "objectives.yml"
    written.write_text(yaml.safe_dump(goals, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ValueError) as refusal:
        teaching.objectives(COURSE, written)
    assert str(refusal.value) == (
        "objectives.yml: no objective for 00 · The map; no objective for 02 · Between two lengths; "
        "no section 06 · Micro: a grid; no objective for 06 · Micro: the grid inside"
    )


def test_questions_and_sliders_are_found():
    """As many questions as folded answers, but for those that open a cell and answer a list; all sliders."""
    for one in COURSE.values():
        notebook = nbformat.read(one.path, as_version=4)
        prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        folded = sum(source.count("<details>") - source.startswith("<details>") for source in prose)
        assert sum(len(part.questions) for part in one.sections) == folded
        for question in (question for part in one.sections for question in part.questions):
            assert len(question.split()) >= 4 and not question.startswith(("**Check", "<")), question
        calls = sum("demos.explore(" in cell.source for cell in notebook.cells if cell.cell_type == "code")
        assert sum(len(part.sliders) for part in one.sections) == calls


def test_a_chapter_is_read_as_it_says(tmp_path):
    """Needs before a semicolon are necessary, behind it they help; a heading may stand in the middle of a cell."""
    v4 = nbformat.v4
    head = (
        "# 07 · A *new* one\n\nYou need not worry here.\n\n**You will be able to** *count*.\n\n"
        "**You need** chapters 01 and\n04 (the loop), patience; chapter 05 helps. **Time:** 45 minutes."
    )
    asked = "Text.\n\n**Check yourself.** Why?\n\n<details><summary>A</summary>\n\nSo.\n\n</details>"
    middle = f"{asked}\n\n## 2. Second | half\n\nMore."
    cells = [v4.new_markdown_cell(head), v4.new_markdown_cell("## 1. First\n\n" + "word " * 30)]
    cells += [v4.new_markdown_cell(middle), v4.new_markdown_cell("## What we saw\n\nIt.")]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "07_new.ipynb")
    one = teaching.chapters(tmp_path)["07"]
    assert (one.title, one.minutes, one.able) == ("A *new* one", 45, "*count*.")
    assert (one.needs, one.helps) == (("01", "04"), ("05",))
    assert [part.title for part in one.sections] == ["First", "Second | half"]
    assert one.sections[0].questions == ("Why?",) and one.sections[1].questions == ()
    assert chapter_map.arrows({"07": one}) == []
    rows = teaching.chapter_text(one, {"First": "count |a|", "Second | half": "*halve* it"}, {})
    assert r"| count \|a\| | " in rows and re.search(r"\| Second \\\| half \| \d+ \| \*halve\* it \| ", rows)
    nbformat.write(v4.new_notebook(cells=cells[1:]), tmp_path / "07_new.ipynb")
    with pytest.raises(ValueError, match=r"07_new.ipynb: the opening needs"):
        teaching.chapters(tmp_path)


@pytest.mark.parametrize(("total", "weights"), [(10, [1, 1, 1]), (7, [5, 0, 1]), (60, [0.1, 3.3, 8, 8])])
def test_sharing_out_loses_nothing(total, weights):
    shares = teaching.shared_out(total, weights)
    assert sum(shares) == total
    assert all(abs(share - total * weight / sum(weights)) < 1 for share, weight in zip(shares, weights, strict=True))


def test_the_syllabi_fit_their_time_and_name_what_is_there():
    """A session of 90 minutes holds at most 90 minutes of reading; sections that do not exist are refused."""
    plans = yaml.safe_load(page("syllabi.yml"))
    assert plans and all(plan["sessions"] for plan in plans)  # as many as a lecturer likes
    numbers = {tool.number(path) for path in SOLUTIONS}
    for session in (session for plan in plans for session in plan["sessions"]):
        there = {str(key): wanted for key, wanted in session["chapters"].items()}
        minutes = sum(teaching.part_of(number, wanted, COURSE)[1] for number, wanted in there.items())
        assert minutes <= 90 or (len(there) > 1 and "all" in there.values()), f"{session['title']}: {minutes} minutes"
        assert all(str(name) in numbers for name in session.get("exercises", []))
        taken = [
            COURSE[number].sections[k]
            for number, wanted in there.items()
            for k in range(len(COURSE[number].sections))
            if wanted == "all" or k + 1 in wanted
        ]
        if "slider" in session["live"]:
            assert any(part.sliders for part in taken), f"{session['title']}: a slider to show is in no section of it"
    with pytest.raises(ValueError, match=r"chapter 01 has sections 1 to 8, not \[9\]"):
        teaching.part_of("01", [9], COURSE)
    with pytest.raises(ValueError, match=r"syllabi.yml: there is no chapter 98"):
        teaching.part_of("98", "all", COURSE)


def test_a_syllabus_with_an_exercise_that_is_gone_is_refused(monkeypatch):
    gone = {name: task for name, task in teaching.practice().items() if name != "12"}
    monkeypatch.setattr(teaching, "practice", lambda: gone)
    with pytest.raises(ValueError, match=r"syllabi.yml: there is no exercise 12$"):
        teaching.syllabi_page()


def test_formulas_are_no_tags():
    assert teaching.plain("<a> and A*") == r"\<a> and A\*"


LINKS = [
    (path.name, link)
    for path in sorted(TEACHING.glob("*.md"))
    for link in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    if "://" not in link
]


@pytest.mark.parametrize("name", sorted({name for name, _ in LINKS}))
def test_links_lead_somewhere(name):
    missing = [link for file, link in LINKS if file == name and not (TEACHING / link).exists()]
    assert not missing


def test_the_rubric_page_names_both_projects():
    projects = [path.name for path in SOLUTIONS if path.name.startswith("p")]
    assert projects and all(name in page("rubrics.md") for name in projects)


# ------------------------------------------------------------------ the map


def a_course(**leads):
    """n04=("01 02", "00") is a chapter 04 that needs 01 and 02, and 00 helps."""
    return {
        name[1:]: SimpleNamespace(title=f"Chapter: {name}", needs=needs.split(), helps=helps.split())
        for name, (needs, helps) in leads.items()
    }


def test_an_arrow_is_left_out_where_others_lead_the_same_way():
    course = a_course(n00=("", ""), n01=("00", ""), n02=("00 01", "00"), n10=("01 02", "01"), n11=("01 98", "02"))
    expected = [("00", "01", "needs"), ("01", "02", "needs"), ("02", "10", "needs"), ("01", "11", "needs")]
    assert chapter_map.arrows(course) == [*expected, ("02", "11", "helps")]
    words = "00 is needed for 01; 01 is needed for 02, 11; 02 helps with 11; 02 is needed for 10"
    assert chapter_map.in_words(course) == words
    with pytest.raises(ValueError, match="chapter 00 refers to 01"):
        chapter_map.arrows(a_course(n00=("", "01"), n01=("", "")))


def reached(number, leads):
    """All that is come to by following the arrows backwards."""
    return set(leads[number]).union(*(reached(before, leads) for before in leads[number]))


def test_who_follows_the_arrows_backwards_has_all_that_is_needed():
    leads = {
        number: [a for a, b, kind in chapter_map.arrows(COURSE) if b == number and kind == "needs"] for number in COURSE
    }
    for number, one in COURSE.items():
        assert reached(number, leads) == reached(number, {n: c.needs for n, c in COURSE.items()}) >= set(one.needs)


FORKS = {
    "the course": COURSE,
    "without 02 and 04": {n: one for n, one in COURSE.items() if n not in ("02", "04")},
    "part I": {n: one for n, one in COURSE.items() if n < "10"},
    "one chapter": {"04": COURSE["04"]},
    "long ways": a_course(
        n00=("", ""), n01=("00", ""), n02=("01", ""), n03=("02", "00"), n10=("03", "01"), n11=("03", "02")
    ),
}


@pytest.mark.parametrize("name", FORKS)
def test_on_the_map_boxes_do_not_touch_and_arrows_run_between_them(name):
    course = FORKS[name]
    at = chapter_map.Places(course)
    boxes = {
        number: Bbox.from_bounds(
            at.left(number), at.y[number] - chapter_map.HEIGHT / 2, chapter_map.WIDTH, chapter_map.HEIGHT
        )
        for number in course
    }
    for number, box in boxes.items():
        top, bottom = at.part[number[0]]
        assert top < box.y0 and box.y1 < bottom and box.x0 > 0 and box.x1 < at.right
        assert box.count_overlaps([other for k, other in boxes.items() if k != number]) == 0
    for arrow in at.arrows:
        line = at.way(arrow).interpolated(1).to_polygons(closed_only=False)[0]
        assert (np.diff(line[:, 0]) > 0).all(), "arrows lead to the right"
        assert boxes[arrow[0]].x1 == line[0, 0] and line[-1, 0] == boxes[arrow[1]].x0
        inside = [number for number, box in boxes.items() if any(box.contains(x, y) for x, y in line[1:-1])]
        assert inside == [], f"{arrow} runs through {inside}"


def lines(svg):
    """All coordinates of what is drawn, letters not: these depend on the version of the font."""
    return np.array(re.findall(r"-?\d+\.?\d*", " ".join(re.findall(r'<path d="([^"]*)"', svg))), dtype=float)


def test_the_map_in_the_folder_is_the_one_that_the_chapters_give():
    there, made = page("chapters.svg"), chapter_map.svg(COURSE)
    assert made == chapter_map.svg(COURSE), "the same from run to run"
    words = chapter_map.in_words(COURSE)
    assert words in html.unescape(there) and words in page("chapters.md"), "run `make teaching`"
    titles = [f"<!-- {line} -->" for one in COURSE.values() for line in chapter_map.short(one.title).split("\n")]
    assert [title for title in titles if title not in there] == [], "run `make teaching`"
    assert lines(there).shape == lines(made).shape, "run `make teaching`"
    assert np.abs(lines(there) - lines(made)).max() < 0.1, "run `make teaching`"  # of a point, on a page of 500


def test_chapter_00_draws_the_same_arrows():
    """Its map is placed by hand, and shows what is needed, not what helps."""
    data = ch00.course_map_data()
    pairs = {(data["numbers"][a], data["numbers"][b]) for a, b in data["edges"].T}
    assert pairs == {(a, b) for a, b, kind in chapter_map.arrows(COURSE) if kind == "needs"}


# ------------------------------------------------------------------ the cheat sheet


def test_the_cheat_sheet_names_what_there_is(monkeypatch):
    assert cheat_sheet.missing() == []
    assert cheat_sheet.named("media.inclusion  laminate") == ["media.inclusion", "media.laminate"]
    assert cheat_sheet.named("CellProblem(dim, n, bc") == ["CellProblem"]
    assert (
        len([name for rows in cheat_sheet.NAMES.values() for what, _ in rows for name in cheat_sheet.named(what)]) > 35
    )
    monkeypatch.setitem(cheat_sheet.NAMES, "Micro", [("media.no_such_medium(x)", "")])
    with pytest.raises(ValueError, match=r"media\.no_such_medium"):
        cheat_sheet.sheet()


def test_the_cheat_sheet_is_one_page_and_nothing_leaves_it():
    pdf = (TEACHING / "cheat_sheet.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page ") == 1 and b"CreationDate" not in pdf
    figure = cheat_sheet.sheet()
    renderer, page = figure.canvas.get_renderer(), figure.bbox
    boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    shrunk = [box.shrunk(0.96, 0.6) for box in boxes if box.width > 0 and box.height > 0]
    assert not [1 for k, box in enumerate(shrunk) if box.count_overlaps(shrunk[k + 1 :])]
    plt.close(figure)


# ------------------------------------------------------------------ slides


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_slides_show_headings_figures_and_questions_and_no_code(path):
    chapter = nbformat.read(path, as_version=4)
    made = slides.slides(chapter)
    nbformat.validate(made)
    kind = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in made.cells]
    assert kind[0] == "slide" and made.cells[0].source.startswith("# ") and None not in kind
    headings = [cell.source.split("\n")[0][3:] for cell in made.cells if cell.source.startswith("## ")]
    assert headings == [
        h.strip() for h, _ in teaching.pieces(chapter) if h and not h.startswith(("References", "Next"))
    ]
    assert all(not cell.source for cell in made.cells if cell.cell_type == "code")
    shown = [output["data"]["image/png"] for cell in made.cells for output in cell.get("outputs", [])]
    there = [o.get("data", {}).get("image/png") for cell in chapter.cells for o in cell.get("outputs", [])]
    assert shown == [png for png in there if png]
    questions = [text for part in COURSE[path.stem[:2]].sections for text in part.questions]
    visible = [teaching.one_line(cell.source) for cell, k in zip(made.cells, kind, strict=True) if k == "subslide"]
    assert all(any(text.endswith(question) for text in visible) for question in questions)
    assert sum(k == "fragment" for k in kind) == sum(c.source.count("<details>") for c in chapter.cells)
    lengths = [len(c.source.split()) for c, k in zip(made.cells, kind, strict=True) if k in ("slide", "-")]
    assert max(lengths) < 200  # what does not fit is spoken


def npm_that(brings, calls):
    """Stands in for npm: makes what ``brings`` names in node_modules, and fails if it names nothing."""

    def run(command, cwd):
        calls.append(cwd)
        for place in brings:
            (cwd / place).parent.mkdir(parents=True, exist_ok=True)
            (cwd / place).touch()
        return SimpleNamespace(returncode=int(not brings))

    return run


def test_slides_work_offline_with_npm_and_say_so_without(tmp_path, capsys, monkeypatch):
    """Every picture is described; nothing is loaded from elsewhere if npm has brought the packages."""
    path, calls = CHAPTERS[0], []
    page = tmp_path / f"{path.stem}.slides.html"
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    assert slides.main([str(path), "--into", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "npm is missing" in said.err and "from the web" in said.out
    assert re.findall(r"https?://[^\"' ]+\.m?(?:js|css)[\"'?]", page.read_text(encoding="utf-8"))

    monkeypatch.setattr(npm.shutil, "which", lambda name: name)
    monkeypatch.setattr(npm.subprocess, "run", npm_that([], calls))
    assert slides.main([str(path), "--into", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "npm did not bring" in said.err and "from the web" in said.out

    names = json.loads(slides.PACKAGES.read_text(encoding="utf-8"))["dependencies"]
    brings = [f"node_modules/{name}/package.json" for name in names]
    brings += [place.split("?")[0] for place in slides.LOCAL.values() if place.count("/") > 1]  # reveal.js is a folder
    monkeypatch.setattr(npm.subprocess, "run", npm_that(brings, calls))
    for _ in range(2):  # the second time they are there
        assert slides.main([str(path), "--into", str(tmp_path)]) == 0
        said = capsys.readouterr()
        assert not said.err and "work offline" in said.out
    assert len(calls) == 2
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"' ]+\.m?(?:js|css)[\"'?]", text) == []
    assert 'src="node_modules/mathjax/MathJax.js' in text and "No description has been provided" not in text


def test_packages_are_fetched_anew_for_other_versions(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(npm.shutil, "which", lambda name: name)
    monkeypatch.setattr(npm.subprocess, "run", npm_that(["node_modules/one/package.json"], calls))
    wanted, home = tmp_path / "wanted.json", tmp_path / "home"
    for version in ("1.0.0", "1.0.0", "1.0.1"):
        wanted.write_text(json.dumps({"dependencies": {"one": version}}), encoding="utf-8")
        assert npm.fetched(wanted, home) == home / "node_modules"
    assert len(calls) == 2


@pytest.mark.parametrize("file", ["site/package.json", "tools/reveal/package.json"])
def test_versions_from_npm_are_exact(file):
    wanted = json.loads((ROOT / file).read_text(encoding="utf-8"))
    versions = [*wanted["dependencies"].values(), *wanted.get("devDependencies", {}).values()]
    assert versions and all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)


def test_a_cell_that_says_what_it_is_goes_before_the_rule(tmp_path):
    """As JupyterLab marks it: whole, as it stands, code too. What is not marked goes by the rule."""
    v4 = nbformat.v4

    def mark(kind):
        return {"slideshow": {"slide_type": kind}}

    png = v4.new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
    figure = {"mystnb": {"image": {"alt": "A curve that falls."}}}
    prose = "## 1. By rule\n\nFirst.\n\nSpoken."
    closing = "## References\n\nShown."
    cells = [
        v4.new_markdown_cell(prose),
        v4.new_markdown_cell(
            "A long text.\n\nNo longer spoken.\n\n## 2. And a heading in it\n\nMore.", metadata=mark("subslide")
        ),
        v4.new_code_cell(
            "shown = 1\nprint(shown)", outputs=[v4.new_output("stream", text="1")], metadata=mark("fragment")
        ),
        v4.new_code_cell("plot()", outputs=[png], metadata=figure | mark("-")),
        v4.new_code_cell("plot()", outputs=[png], metadata=figure),
        v4.new_code_cell("left_out = 1", outputs=[png], metadata=figure | mark("skip")),
        v4.new_markdown_cell("## 3. Only said\n\nWords.", metadata=mark("notes")),
        v4.new_markdown_cell("## Next\n\nNot shown."),
        v4.new_markdown_cell(closing, metadata=mark("slide")),
    ]
    chapter = v4.new_notebook(cells=cells)
    made = slides.slides(chapter)
    found = [(cell.metadata["slideshow"]["slide_type"], cell.source) for cell in made.cells]
    assert found == [
        ("slide", "## 1. By rule\n\nFirst."),
        ("notes", "Spoken."),
        ("subslide", "A long text.\n\nNo longer spoken.\n\n"),
        ("-", "## 2. And a heading in it\n\nMore."),
        ("fragment", "shown = 1\nprint(shown)"),
        ("-", "plot()"),
        ("subslide", ""),
        ("notes", "A curve that falls."),
        ("skip", "left_out = 1"),
        ("notes", "## 3. Only said\n\nWords."),
        ("slide", closing),
    ]
    nbformat.write(chapter, tmp_path / "07_marked.ipynb")
    page = slides.written(tmp_path / "07_marked.ipynb", tmp_path)
    assert page.count('alt="A curve that falls."') == 2 and "No description" not in page
    assert page.count("plot") == 1 and "left_out" not in page  # the code of the marked cell, not of the other

    # and it stays through the text in which chapters are edited
    text = tmp_path / "07_marked.py"
    text.write_text(notebooks.write_text(chapter), encoding="utf-8")
    assert '# %% [markdown] slideshow={"slide_type": "slide"}\n' in text.read_text(encoding="utf-8")
    kept = [cell.metadata.get("slideshow") for cell in notebooks.read_text(text).cells]
    assert kept == [cell.metadata.get("slideshow") for cell in cells]
