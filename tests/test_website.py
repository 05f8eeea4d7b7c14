"""What stops ``make site``, and that it says where to look. The pages themselves are tested in a browser (tests/browser)."""

import base64
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.figure
import nbformat
import pytest

from hmm_course import demos

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import website  # noqa: E402

v4 = nbformat.v4
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PICTURE = v4.new_output("display_data", data={"image/png": PNG})
ALT = {"mystnb": {"image": {"alt": "A curve that falls with slope two."}}}
FAILING = """
def square(side=2, colour="red"):
    if side > 3:
        raise ValueError("that large?")
    from matplotlib.figure import Figure
    return Figure()

demos.explore(square, side=("its side", (1, 5)), colour=("its colour", ["red", "blue"]))
"""


def cell(source="x = 1", count: int | None = 1, **given):
    return v4.new_code_cell(source, execution_count=count, **given)


BAD = {
    "a cell that was not executed": (
        cell("x = 1\ny = 2", count=None),
        "notebooks/07_bad.ipynb, cell 1 was not executed: ['x = 1']",
    ),
    "a picture without words": (
        cell("plot()", outputs=[PICTURE]),
        "notebooks/07_bad.ipynb, cell 1 shows a picture and has no alt text: metadata mystnb.image.alt",
    ),
    "a picture with empty words": (
        cell("plot()", outputs=[PICTURE], metadata={"mystnb": {"image": {"alt": " "}}}),
        "cell 1 shows a picture and has no alt text",
    ),
    "a demo that raises": (
        cell(FAILING),
        "square fails at {'side': 4, 'colour': 'red'}: ValueError('that large?')",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_fit_to_be_shown_stops_the_site_and_is_named(name, tmp_path, monkeypatch, capsys):
    bad, words = BAD[name]
    for folder in ("notebooks", "exercises", "solutions", "docs"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "docs" / "hmm.png", tmp_path / "docs")
    nbformat.write(
        v4.new_notebook(cells=[v4.new_markdown_cell("# 07 · Bad"), bad]), tmp_path / "notebooks" / "07_bad.ipynb"
    )
    monkeypatch.setattr(website, "ROOT", tmp_path)
    monkeypatch.setattr(website, "BUILD", tmp_path / "build")
    monkeypatch.setattr(website, "ProcessPoolExecutor", ThreadPoolExecutor)  # what is replaced here counts there too
    assert website.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("No site: ") and words in said
    assert not (tmp_path / "build" / "html").exists()


def test_what_is_fit_passes():
    good = v4.new_notebook(cells=[v4.new_markdown_cell("# 07 · Good"), cell(), cell(outputs=[PICTURE], metadata=ALT)])
    website.examine(good, "07_good.ipynb")
    website.examine(v4.new_notebook(cells=[cell(count=None)]), "an exercise", executed=False)


def test_every_control_gets_its_pictures():
    def square(side: int = 2, colour: str = "red"):
        return matplotlib.figure.Figure(figsize=(side, 1), facecolor=colour)

    found = demos.sweeps(square, side=("its side", (1, 5)), colour=("its colour", ["red", "blue"]))
    assert [(sweep.label, sweep.values, sweep.start) for sweep in found] == [
        ("its side", ["1", "2", "3", "4", "5"], 1),
        ("its colour", ["red", "blue"], 0),
    ]
    assert len({picture for sweep in found for picture in sweep.pictures}) == 6  # the start is in both


def test_a_rate_that_is_not_measured_stops_the_site(monkeypatch):
    name = next(iter(sorted(website.RATES)))
    (row, *_) = website.RATES[name](website.figures.committed(name))
    monkeypatch.setitem(website.RATES, name, lambda data: [row._replace(expected=row.expected + 1)])
    with pytest.raises(website.Unfit, match=f"figure {name}, .* is not"):
        website.reproduction()


def test_links_that_lead_nowhere_and_things_from_elsewhere_are_found(tmp_path):
    links = ["there.html#here", "there.html#nowhere", "gone.html", "#top"]
    pages = {
        "index.html": " ".join(f'<a href="{link}">a link</a>' for link in links),
        "there.html": '<p id="here"><a href="https://example.org">5</a> <script src="https://example.org/a.js"></script></p>',
    }
    for name, text in pages.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert website.astray(tmp_path) == [
        "index.html leads to there.html#nowhere",
        "index.html leads to gone.html",
        "index.html leads to #top",
        "there.html fetches https://example.org/a.js",
    ]
