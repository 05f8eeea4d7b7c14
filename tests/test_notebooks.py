"""What nbval cannot see: every chapter executed, in order, quiet, nothing let off, and shaped as the course promises.

A rule takes a notebook and returns what is wrong, in words. At the end every rule meets a notebook that breaks it.
"""

import ast
import base64
import copy
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import notebooks as notebooks_tool  # noqa: E402

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))

ESCAPE = re.compile(r"^\s*#.*\b(NBVAL_(?!CHECK_OUTPUT)\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)", re.MULTILINE)
ESCAPE_TAG = re.compile(r"^(nbval-(?!check-output)|raises-exception)")
OTHER_PICTURES = {"image/svg+xml", "image/jpeg", "image/gif", "application/pdf"}
PLACE = re.compile(r"(?:^|[\s'\"(=])(?:/(?:home|root|Users|tmp|opt|usr|var|mnt|work)/|~/|[A-Za-z]:\\)")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
CLOCK = re.compile(
    r"\b(perf_counter|process_time|timeit|time\.(time|monotonic)|datetime\.now)\b|^\s*%%?time", re.MULTILINE
)
DURATION = re.compile(r"Wall time|CPU times|\d\s?(ms|µs|it/s)\b|\d\s?s/it\b")
DOI = re.compile(r"\b10\.\d{4,9}/\S+")
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)")  # to a file beside it: no address of the web, no attachment


def code_cells(notebook: Any) -> list[tuple[int, Any]]:
    return [(number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def outputs(notebook: Any) -> list[tuple[int, Any]]:
    return [(number, output) for number, cell in code_cells(notebook) for output in cell.outputs]


def prose(notebook: Any) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def shown(notebook: Any) -> list[tuple[int, str]]:
    """Everything that a reader sees as text below a cell; pictures inside HTML are none."""
    return [
        (
            number,
            output.get("text", "")
            + "".join(readable(str(v)) for k, v in output.get("data", {}).items() if "text" in k),
        )
        for number, output in outputs(notebook)
    ]


def readable(html: str) -> str:
    return re.sub(r"data:image/\w+;base64,[^\"']*", "", html)


def words(text: str) -> int:
    """Words of prose: formulas count as one word each, code, tags, rules of tables and link targets as none."""
    text = re.sub(r"```.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$", " formula ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    text = re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text)
    return len([word for word in text.split() if re.search(r"[A-Za-z]", word)])


def lines_of_code(source: str) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


# ------------------------------------------------------------------ every notebook


def executed_in_order(notebook: Any) -> list[str]:
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}, not 1, 2, 3 ..."]


def no_errors(notebook: Any) -> list[str]:
    return [f"cell {n}: {o.ename}: {o.evalue}" for n, o in outputs(notebook) if o.output_type == "error"]


def nothing_on_stderr(notebook: Any) -> list[str]:
    return [f"cell {n}: {o.text}" for n, o in outputs(notebook) if o.get("name") == "stderr"]


def no_silent_escape(notebook: Any) -> list[str]:
    """A cell that nbval does not compare says why: the marker, and below it a comment that starts '# because'."""
    wrong = []
    for number, cell in code_cells(notebook):
        lines = cell.source.splitlines()
        marked = [i for i, line in enumerate(lines) if ESCAPE.match(line)]
        if any(ESCAPE_TAG.match(tag) for tag in cell.metadata.get("tags", [])):
            marked.append(-1)  # the tag stands, so to say, above the first line
        for i in marked:
            if not (i + 1 < len(lines) and re.match(r"# because \w+", lines[i + 1])):
                wrong.append(f"cell {number} escapes comparison without '# because ...' on the next line")
    return wrong


def pictures_are_png(notebook: Any) -> list[str]:
    wrong = []
    for number, output in outputs(notebook):
        data = output.get("data", {})
        if kinds := OTHER_PICTURES & set(data):
            wrong.append(f"cell {number} shows {sorted(kinds)}; only PNG compares safely")
        if "image/png" in data and not base64.b64decode(data["image/png"]).startswith(b"\x89PNG"):
            wrong.append(f"cell {number}: image/png is not a PNG")
    return wrong


def pictures_have_alt_text(notebook: Any) -> list[str]:
    wrong = []
    for number, cell in code_cells(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if any("image/png" in o.get("data", {}) for o in cell.outputs) and len(alt.split()) < 5:
            wrong.append(f"cell {number} shows a picture; its metadata mystnb.image.alt says {alt!r}")
    return wrong


def kernel_is_python3(notebook: Any) -> list[str]:
    name = notebook.metadata.get("kernelspec", {}).get("name")
    return [] if name == "python3" else [f"kernelspec.name is {name!r}, not 'python3'"]


def no_places(notebook: Any) -> list[str]:
    """No path of somebody's machine and no memory address, in cells or below them."""
    texts = [(n, cell.source) for n, cell in enumerate(notebook.cells)] + shown(notebook)
    hits = [(n, pattern.search(text)) for n, text in texts for pattern in (PLACE, ADDRESS)]
    return [f"cell {n} names {hit.group().strip()!r}" for n, hit in hits if hit]


def no_clock(notebook: Any) -> list[str]:
    """Timings live in benchmarks/."""
    wrong = [(n, CLOCK.search(cell.source)) for n, cell in code_cells(notebook)]
    wrong += [(n, DURATION.search(text)) for n, text in shown(notebook)]
    return [f"cell {n} depends on the clock: {hit.group()!r}" for n, hit in wrong if hit]


def settled(notebook: Any) -> list[str]:
    """Nothing in the file that the next build would change without a reason (see tools/notebooks.py)."""
    wrong = [f"cell {n}: execution time stamps" for n, cell in code_cells(notebook) if "execution" in cell.metadata]
    if extra := set(notebook.metadata) - {"kernelspec", "language_info"}:
        wrong.append(f"notebook metadata {sorted(extra)}")
    if "version" in notebook.metadata.get("language_info", {}):
        wrong.append("language_info.version")
    return wrong


def code_parses(notebook: Any) -> list[str]:
    """Plain Python: no shell lines, no installs, no magics."""
    wrong = []
    for number, cell in code_cells(notebook):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            wrong.append(f"cell {number}: {error.msg}")
    return wrong


# ------------------------------------------------------------------ chapters


def cell_count(notebook: Any) -> list[str]:
    n = len(notebook.cells)
    return [] if 25 <= n <= 45 else [f"{n} cells; a chapter has 25 to 45"]


def word_count(notebook: Any) -> list[str]:
    n = words(prose(notebook))
    return [] if 1200 <= n <= 2000 else [f"{n} words of prose; a chapter has 1,200 to 2,000"]


def code_length(notebook: Any) -> list[str]:
    n = sum(lines_of_code(cell.source) for _, cell in code_cells(notebook))
    return [] if 70 <= n <= 150 else [f"{n} lines of code; a chapter has 70 to 150"]


def cells_fit_a_screen(notebook: Any) -> list[str]:
    lengths = [(n, len(cell.source.splitlines())) for n, cell in code_cells(notebook)]
    return [f"cell {n} has {length} lines; 40 fit a screen" for n, length in lengths if length > 40]


def opening(notebook: Any) -> list[str]:
    first = notebook.cells[0] if notebook.cells else None
    wrong = []
    if first is None or first.cell_type != "markdown" or not re.match(r"# \S", first.source):
        wrong.append("the first cell is not a title")
    start = "\n".join(cell.source for cell in notebook.cells[:4] if cell.cell_type == "markdown").lower()
    if "you will be able to" not in start:
        wrong.append("the opening does not say what you will be able to do")
    if not re.search(r"you (will )?need", start):
        wrong.append("the opening does not say what you need")
    if not re.search(r"\bminutes\b", start):
        wrong.append("the opening does not say how many minutes it takes")
    return wrong


def check_yourself(notebook: Any) -> list[str]:
    text = prose(notebook)
    wrong = [] if re.search(r"check yourself", text, re.IGNORECASE) else ["no 'check yourself'"]
    count, closed = text.count("<details>"), text.count("</details>")
    if not 2 <= count <= 5 or count != closed or text.count("<summary>") != count:
        wrong.append(f"{count} folded answers ({closed} closed); two or three, each with a <summary>")
    return wrong


def closing(notebook: Any) -> list[str]:
    """What we saw, the references, and where to go next."""
    end = "\n\n".join(cell.source for cell in notebook.cells[-6:] if cell.cell_type == "markdown")
    wrong = [
        f"the closing has no {name!r} heading"
        for name in ("What we saw", "References")
        if not re.search(rf"^#+ .*{name}", end, re.IGNORECASE | re.MULTILINE)
    ]
    if not re.search(r"\bnext\b", end, re.IGNORECASE):
        wrong.append("the closing does not say what comes next")
    if not DOI.search(end):
        wrong.append("no reference carries a DOI")
    return wrong


def asserts(notebook: Any) -> list[str]:
    n = sum(isinstance(node, ast.Assert) for _, cell in code_cells(notebook) for node in ast.walk(parsed(cell.source)))
    return [] if n >= 3 else [f"{n} asserts; what matters is asserted"]


def parsed(source: str) -> ast.AST:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


COMMON = [
    executed_in_order,
    no_errors,
    nothing_on_stderr,
    no_silent_escape,
    pictures_are_png,
    pictures_have_alt_text,
    kernel_is_python3,
    no_places,
    no_clock,
    settled,
    code_parses,
]
ANATOMY = [
    cell_count,
    word_count,
    code_length,
    cells_fit_a_screen,
    opening,
    check_yourself,
    closing,
    asserts,
]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS, ids=name_of)
def test_notebook_is_a_valid_reference(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    wrong = [f"{rule.__name__}: {line}" for rule in COMMON for line in rule(notebook)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", CHAPTERS, ids=name_of)
def test_chapter_has_the_promised_anatomy(path):
    notebook = nbformat.read(path, as_version=4)
    wrong = [f"{rule.__name__}: {line}" for rule in ANATOMY for line in rule(notebook)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS, ids=name_of)
def test_links_lead_somewhere(path):
    """Who deletes a chapter learns here which others speak of it."""
    links = LINK.findall(prose(nbformat.read(path, as_version=4)))
    assert not [link for link in links if not (path.parent / link).is_file()]


# ------------------------------------------------------------------ the rules themselves


def good_notebook() -> Any:
    """The smallest notebook that satisfies every rule."""
    v4 = nbformat.v4
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    said = v4.new_output("stream", name="stdout", text="slope 2.00\n")
    picture = v4.new_output("display_data", data={"image/png": png, "text/plain": "<Figure size 640x480 with 1 Axes>"})
    bar = v4.new_output("display_data", data={"text/plain": "  0%|          | 0/3 [00:00<?, ?it/s]"})
    question = "**Check yourself.** Why?\n\n<details>\n<summary>Answer</summary>\n\nBecause.\n\n</details>"
    head = "# A chapter\n\nAfter it you will be able to read this. You need nothing. It takes 30 minutes."
    tail = "## What we saw\n\nA slope of 2.\n\n## References\n\nA. Author, doi:10.1000/182\n\n## Next\n\nAnother one."
    text = "word " * 120 + "and $O(h^2)$ and `code`."
    code = "\n".join(f"x{i} = {i}" for i in range(7)) + "\nassert x6 == 6"
    cells = [v4.new_markdown_cell(head)]
    for number in range(12):
        cells += [v4.new_markdown_cell(text), v4.new_code_cell(code, execution_count=number + 1)]
    cells[2].outputs = [said]
    cells[4].outputs = [picture]
    cells[4].metadata["mystnb"] = {"image": {"alt": "One curve that falls with slope two."}}
    cells[6].source, cells[6].outputs = (
        "# NBVAL_IGNORE_OUTPUT\n# because the slider lives in the browser\n" + code,
        [bar],
    )
    cells += [v4.new_markdown_cell(question), v4.new_markdown_cell(question), v4.new_markdown_cell(tail)]
    return v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def setting(index: int, **values: Any) -> Any:
    """A spoiler that sets attributes of one cell."""

    def spoil(notebook: Any) -> None:
        for key, value in values.items():
            notebook.cells[index][key] = value

    return spoil


def showing(**output: Any) -> Any:
    return setting(2, outputs=[nbformat.from_dict(output)])


SPOILERS = [
    (executed_in_order, setting(2, execution_count=7)),
    (executed_in_order, setting(8, execution_count=None)),
    (no_errors, showing(output_type="error", ename="ValueError", evalue="no", traceback=[])),
    (nothing_on_stderr, showing(output_type="stream", name="stderr", text="RuntimeWarning")),
    (no_silent_escape, setting(6, source="# NBVAL_IGNORE_OUTPUT\nx = 1")),
    (no_silent_escape, setting(6, source="x = 1\n#NBVAL_SKIP")),
    (no_silent_escape, setting(6, source="# NBVAL_RAISES_EXCEPTION\n# why not\nx = 1")),
    (no_silent_escape, setting(8, metadata={"tags": ["nbval-ignore-output"]})),
    (no_silent_escape, setting(8, metadata={"tags": ["raises-exception"]})),
    (pictures_are_png, showing(output_type="display_data", data={"image/svg+xml": "<svg/>"}, metadata={})),
    (pictures_have_alt_text, setting(4, metadata={})),
    (pictures_have_alt_text, setting(4, metadata={"mystnb": {"image": {"alt": "A plot"}}})),
    (kernel_is_python3, lambda notebook: notebook.metadata.kernelspec.update(name="hmm")),
    (no_places, setting(2, source="open('/" + "home/me/data.npz')")),
    (no_places, setting(1, source=r"See C:\data.")),
    (no_places, showing(output_type="stream", name="stdout", text="<function f at 0x7f3a5c0d1e40>")),
    (no_clock, setting(2, source="import time\nt = time.perf_counter()")),
    (no_clock, setting(2, source="%timeit f()")),
    (no_clock, showing(output_type="stream", name="stdout", text="solved in 12 ms")),
    (settled, setting(2, metadata={"execution": {"iopub.status.busy": "2020-01-01"}})),
    (settled, lambda notebook: notebook.metadata.update(widgets={})),
    (code_parses, setting(2, source="!pip list")),
    (cell_count, lambda notebook: notebook.cells.extend(notebook.cells)),
    (word_count, setting(1, source="word " * 1000)),
    (code_length, setting(2, source="x = 1\n" * 100)),
    (cells_fit_a_screen, setting(2, source="x = 1\n" * 41)),
    (opening, setting(0, source="A chapter without a title")),
    (opening, setting(0, source="# A title, and nothing else")),
    (check_yourself, setting(-2, source="No question here")),
    (closing, setting(-1, source="## What we saw\n\nA lot.\n\n## References\n\nA. Author\n\nNext: more.")),
    (closing, setting(-1, source="The end, doi:10.1000/182")),
    (asserts, lambda notebook: [cell.update(source="x = 1") for _, cell in code_cells(notebook)]),
]


def test_a_good_notebook_passes():
    notebook = good_notebook()
    nbformat.validate(notebook)
    assert not [line for rule in COMMON + ANATOMY for line in rule(notebook)]


@pytest.mark.parametrize(
    ("rule", "spoil"), SPOILERS, ids=[f"{rule.__name__}-{i}" for i, (rule, _) in enumerate(SPOILERS)]
)
def test_each_rule_bites(rule, spoil):
    notebook = copy.deepcopy(good_notebook())
    spoil(notebook)
    assert rule(notebook)


def test_every_rule_has_been_seen_to_bite():
    assert {rule for rule, _ in SPOILERS} == set(COMMON + ANATOMY)


def test_pictures_inside_html_are_not_read():
    """Among a million letters of base64 some look like a duration."""
    notebook = good_notebook()
    frame = 'frames[0] = "data:image/png;base64,iVBOR7ms/\\\nAA=\\\n"'
    showing(output_type="display_data", data={"text/html": frame}, metadata={})(notebook)
    assert not no_clock(notebook)
    showing(output_type="display_data", data={"text/html": frame + " 7 ms"}, metadata={})(notebook)
    assert no_clock(notebook)


def test_words_are_words():
    assert words("One two $a+b$ three.\n\n$$x = y$$\n\n| a | 12 |\n|---|---|") == 6
    assert words("```python\nx = 1\n```\n[a link](target.ipynb) <br/>") == 2


# ------------------------------------------------------------------ running them


def test_a_run_into_another_folder_leaves_the_file_alone_and_says_its_seconds(tmp_path, capsys):
    """The processor's seconds are those of the kernel: here it computes for one and waits for another."""
    busy = "import time\nwhile time.process_time() < 1.5:\n    pass\ntime.sleep(1)\nprint(2)"
    path, into = tmp_path / "07_busy.ipynb", tmp_path / "copies"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(busy)]), path)
    before = path.read_bytes()
    assert notebooks_tool.main(["run", str(path), "--into", str(into)]) == 0
    assert path.read_bytes() == before
    assert nbformat.read(into / path.name, as_version=4).cells[0].outputs[0].text == "2\n"
    said = re.search(r"1 cells, (\d+) s, (\d+) s of the processor$", capsys.readouterr().out, re.MULTILINE)
    clock, processor = map(int, said.groups())
    assert 1 <= processor < clock or os.name == "nt"


def test_a_try_names_every_cell_that_fails_and_writes_nothing(tmp_path, capsys):
    path = tmp_path / "07_changed.py"
    path.write_text("# %%\nx = 1\nassert x == 2\n\n# %%\nassert x == 1\n\n# %%\nprint(x)\ny\n", encoding="utf-8")
    assert notebooks_tool.main(["try", str(path), "--into", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert (
        "[1], line 2: assert x == 2\n    AssertionError\n[3], line 2: y\n    NameError: name 'y' is not defined" in said
    )
    assert "[2]" not in said and [one.name for one in tmp_path.iterdir()] == [path.name]
    path.write_text("# %%\nassert True\n", encoding="utf-8")
    assert notebooks_tool.main(["try", str(path), "--into", str(tmp_path)]) == 0
    assert "every assert holds" in capsys.readouterr().out and [one.name for one in tmp_path.iterdir()] == [path.name]
