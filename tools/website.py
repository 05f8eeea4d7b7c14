"""The course as a web site that works offline: python tools/website.py [--out FOLDER] writes build/site/html.

Chapters and solutions are shown as they are committed, nothing is run again. Around them: exercises, theory beside
measurement, benchmarks, a reference from the docstrings, a bibliography. Sliders become pictures to step through, made by the
same demos. A notebook with a cell that was not executed or a picture without words stops it, and so does any warning of Sphinx
and any link that leads nowhere.
"""

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
from files import whole
from npm import fetched
from reproduce import library_state

import hmm_core
from hmm_course import demos, figures
from hmm_course.figures.rates import RATES

ROOT = Path(__file__).resolve().parent.parent
HERE, BUILD = ROOT / "site", ROOT / "build" / "site"
MATHJAX = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions", "a11y/assistive-mml.js")
ROOMS = {
    "Media": ("media", "laws", "exact"),
    "Micro solvers": ("micro", "particles"),
    "Closures": ("closure",),
    "Macro solvers": ("macro",),
    "Analysis": ("analysis",),
    "What one would use instead": ("compare",),
}


class Unfit(ValueError):
    """What the site is made of is not fit to be shown."""


# -- notebooks ----------------------------------------------------------------------------------------------------------------


def examine(notebook: Any, name: str, executed: bool = True) -> None:
    """Raises ``Unfit``, which says which cell was not executed or shows a picture without words."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if executed and cell.execution_count is None:
            raise Unfit(f"{name}, cell {number} was not executed: {cell.source.splitlines()[:1]}")
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if any("image/png" in output.get("data", {}) for output in cell.outputs) and not alt.strip():
            raise Unfit(f"{name}, cell {number} shows a picture and has no alt text: metadata mystnb.image.alt")


def stepped(notebook: Any, folder: Path) -> None:
    """Every slider cell shows pictures to step through, which are written into ``folder``/<demo>."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "demos.explore(" in cell.source:
            asked = Asked()
            exec(compile(cell.source, "slider cell", "exec"), {"demos": asked})
            found = steps(asked.demo, asked.controls, folder)
            cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": stepper(asked.demo, found)})]


class Asked:
    """Stands in for ``hmm_course.demos`` and takes down what is to be explored."""

    def __getattr__(self, name: str) -> Any:
        return getattr(demos, name)

    def explore(self, demo: Callable[..., Any], **controls: Any) -> None:
        self.demo, self.controls = demo, controls


def steps(demo: Callable[..., Any], controls: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The sweeps of a demo, with the names of files in place of pictures; made anew only for another state of the code."""
    home = folder / demo.__name__
    record, state = home / "sweeps.json", library_state()
    kept = json.loads(record.read_text()) if record.exists() else {}
    if kept.get("state") != state:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        figures.use_style()
        found = []
        for k, sweep in enumerate(demos.sweeps(demo, **controls)):
            names = [f"{k}-{i}.webp" for i in range(len(sweep.pictures))]
            for name, picture in zip(names, sweep.pictures, strict=True):
                (home / name).write_bytes(picture)
            found.append({"label": sweep.label, "values": sweep.values, "start": sweep.start, "pictures": names})
        kept = {"state": state, "sweeps": found}
        with whole(record) as draft:
            draft.write_text(json.dumps(kept))
    return kept["sweeps"]


def stepper(demo: Callable[..., Any], found: list[dict[str, Any]]) -> str:
    place = f"../_static/frames/{demo.__name__}/"
    found = [sweep | {"pictures": [place + name for name in sweep["pictures"]]} for sweep in found]
    about = " ".join((demo.__doc__ or demo.__name__).split("\n\n")[0].split())
    start = found[0]["pictures"][found[0]["start"]]
    return (
        f'<div class="frames" data-sweeps="{html.escape(json.dumps(found, ensure_ascii=False))}">'
        f'<img src="{start}" alt="{html.escape(about)}">'
        "<p>Pictures made beforehand, one control at a time. In JupyterLab all of them move together.</p></div>"
    )


# -- pages that are generated ---------------------------------------------------------------------------------------------------


def reproduction() -> str:
    """Theory beside measurement, from the committed data of the figures."""
    lines = [
        "# Theory beside measurement",
        "",
        "Every rate that theory gives and a figure of the course measures, from the data that the repository holds.",
        "`make reproduce` computes the data anew, compares them with these, and draws all figures as PDF and PNG.",
        "",
        "| figure | quantity | expected | from | measured | tolerance |",
        "|---|---|--:|---|--:|--:|",
    ]
    for name in sorted(figures.FIGURES):
        for row in RATES.get(name, lambda data: [])(figures.committed(name)):
            if abs(row.measured - row.expected) > row.tolerance:
                raise Unfit(f"figure {name}, {row.quantity}: {row.measured} is not {row.expected} ± {row.tolerance}")
            numbers = f"{row.expected:.4g} | {row.source} | {row.measured:.2f} | {row.tolerance:g}"
            lines.append(f"| {name} | {row.quantity} | {numbers} |")
    return "\n".join(lines) + "\n"


def benchmarks() -> str:
    """The table of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("<!-- benchmarks:begin -->")[2].partition("<!-- benchmarks:end -->")[0].strip()
    if not table:
        raise Unfit("README.md holds no table of benchmarks")
    return "# How fast\n\n" + table.replace("[benchmarks/](benchmarks/)", "the folder `benchmarks/`") + "\n"


def bibliography(chapters: dict[str, Any]) -> str:
    """Every work that a notebook cites, once, with the places that cite it."""
    works: dict[str, tuple[str, list[str]]] = {}
    for name, notebook in chapters.items():
        text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        listed = text.partition("## References")[2].partition("\n## ")[0]
        for item in re.findall(r"^- (.+(?:\n  .+)*)", listed, re.MULTILINE):
            item = " ".join(item.split())
            doi = re.search(r"10\.\d{4,9}/\S+[^\s.,;)]", item)
            key = doi[0].lower() if doi else re.sub(r"\W+", " ", item.lower())
            best, places = works.get(key, ("", []))
            works[key] = (max(best, item, key=len), [*places, name])
    lines = ["# Bibliography", "", "What the chapters and solutions cite, and where."]
    for item, places in sorted(works.values(), key=lambda work: re.sub(r"^(?:[A-Z]\. )+", "", work[0])):
        where = ", ".join(f"[{Path(place).stem.split('_')[0]}]({place})" for place in dict.fromkeys(places))
        linked = re.sub(r"doi:\s*(10\.\d{4,9}/\S+[^\s.,;)])", r"[doi:\1](https://doi.org/\1)", item)
        lines += ["", f"- {linked} ({where})"]
    return "\n".join(lines) + "\n"


def reference() -> Iterator[tuple[str, str]]:
    """(file, text): a page for every room of the library, its public names in it."""
    titles, told = [], set()  # what has two names is told once
    for title, modules in ROOMS.items():
        file = modules[0]
        titles.append(file)
        names = [name for name, home in hmm_core._HOME.items() if home.split(".")[0] == file]
        lines = [title, "=" * len(title), ""]
        for name in names:
            lines += entry("hmm_core", name)
            told.add(getattr(hmm_core, name))
        for module in modules:
            room = getattr(hmm_core, module)
            public = getattr(room, "__all__", None) or [
                name for name, thing in vars(room).items()
                if not name.startswith("_") and getattr(thing, "__module__", None) == room.__name__
            ]  # fmt: skip
            public = [name for name in public if callable(getattr(room, name)) and getattr(room, name) not in told]
            if public:
                lines += [f"hmm.{module}", "-" * len(f"hmm.{module}"), ""]
                lines += [line for name in public for line in entry(f"hmm_core.{module}", name)]
        yield f"api/{file}.rst", "\n".join(lines)
    intro = ["Reference", "=========", "", "Public names, by the rooms of the library. ``import hmm_core as hmm``.", ""]
    yield "api/index.rst", "\n".join([*intro, ".. toctree::", "   :maxdepth: 2", "", *(f"   {t}" for t in titles)])


def entry(place: str, name: str) -> list[str]:
    thing = getattr(hmm_core, name) if place == "hmm_core" else getattr(getattr(hmm_core, place.split(".")[1]), name)
    kind = "autofunction"
    if isinstance(thing, type):
        kind = "autoexception" if issubclass(thing, Exception) else "autoclass"
    members = ["   :members:"] if kind == "autoclass" else []
    return [f".. {kind}:: {place}.{name}", *members, ""]


# -- putting it together ----------------------------------------------------------------------------------------------------


def draw(path: Path, frames: Path) -> None:
    """The pictures of a notebook's sliders, to be found again by ``stepped``."""
    stepped(nbformat.read(path, as_version=4), frames)


def gather(source: Path, frames: Path) -> None:
    """All that Sphinx reads, in a folder of its own: notebooks where their links expect each other."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "pages", source)
    shutil.copytree(HERE / "static", source / "_static")
    shutil.copy(ROOT / "docs" / "hmm.png", source / "_static")
    chapters = sorted((ROOT / "notebooks").glob("*.ipynb"))
    with ProcessPoolExecutor() as pool:  # the pictures take longest
        list(pool.map(draw, chapters, repeat(frames)))
    cited = {}
    for folder in ("notebooks", "exercises", "solutions"):
        (source / folder).mkdir()
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            notebook, name = nbformat.read(path, as_version=4), f"{folder}/{path.name}"
            examine(notebook, name, executed=folder != "exercises")
            stepped(notebook, frames)
            if folder != "exercises":
                cited[name] = notebook
            nbformat.write(notebook, source / name)
    text = (ROOT / "exercises" / "README.md").read_text(encoding="utf-8").replace("(../solutions)", "(../solutions.md)")
    listed = "\n".join(path.stem for path in sorted((ROOT / "exercises").glob("*.ipynb")))
    listed = f"```{{toctree}}\n:hidden:\n\n{listed}\n../solutions\n```\n"
    (source / "exercises" / "README.md").write_text(f"{text}\n{listed}", encoding="utf-8")
    pages = {"reproduction.md": reproduction(), "benchmarks.md": benchmarks(), "bibliography.md": bibliography(cited)}
    for file, text in (pages | dict(reference())).items():
        (source / file).parent.mkdir(exist_ok=True)
        (source / file).write_text(text, encoding="utf-8")
    shutil.copytree(frames, source / "_static" / "frames", ignore=shutil.ignore_patterns("*.json"))


def mathjax(into: Path) -> None:
    """MathJax, from npm, for formulas without a network; fetched once."""
    home = fetched(HERE / "package.json", BUILD / "npm") / "mathjax"
    for part in MATHJAX:
        (into / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (home / "es5" / part).is_dir() else shutil.copy
        copy(home / "es5" / part, into / part)
    shutil.copy(home / "LICENSE", into / "LICENSE")


class Links(HTMLParser):
    """What a page refers to, and the places in it that can be referred to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {given[key] for key in ("id", "name") if given.get(key)}
        for key in ("href", "src"):
            if given.get(key):
                self.links.append((tag, given[key]))


def astray(folder: Path) -> list[str]:
    """Links of the pages in a folder that lead nowhere, and things that a page would fetch from elsewhere."""
    found = sorted(path for path in folder.rglob("*.html") if "_static" not in path.parts)
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in found}
    wrong = []
    for path, page in pages.items():
        for tag, link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("data", "mailto"):
                continue
            if parts.scheme or parts.netloc:
                if tag != "a" and not (tag == "link" and "canonical" in link):
                    wrong.append(f"{path.relative_to(folder)} fetches {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            missing = not target.exists()
            nowhere = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places
            if missing or (nowhere and tag == "a"):
                wrong.append(f"{path.relative_to(folder)} leads to {link}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=BUILD / "html", help="folder of the pages (default: build/site/html)"
    )
    options = parser.parse_args(arguments)
    source, out = BUILD / "source", options.out.resolve()
    try:
        gather(source, BUILD / "frames")
        mathjax(source / "_static" / "mathjax")
    except (Unfit, RuntimeError) as error:
        print(f"No site: {error}", file=sys.stderr)
        return 1
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", str(HERE)]
    done = subprocess.run([*command, "-d", str(BUILD / "doctrees"), str(source), str(out)]).returncode
    wrong = astray(out) if not done else []
    for line in wrong:
        print(line, file=sys.stderr)
    if not done and not wrong:
        print(f"{sum(1 for _ in out.rglob('*.html'))} pages: open {out / 'index.html'}")
    return int(bool(done or wrong))


if __name__ == "__main__":
    sys.exit(main())
