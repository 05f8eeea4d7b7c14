"""Slides of the chapters, made by rule: build/slides/NN_name.slides.html.

    python tools/slides.py                        every chapter
    python tools/slides.py notebooks/04_*.ipynb   these

A heading opens a slide with its first paragraph; displayed formulas and tables follow, then every figure on its own, below it;
a question gets a slide, and its answer appears on a key press. All other prose becomes speaker notes (key S). Code and sliders
stay in the notebook, where they can be run. A slide is a draft: what you want to say differently, change in the chapter or in
the page.

A cell that says itself what it is goes before the rule. Mark it in JupyterLab (the gear in the upper right corner, Slide Type),
and it is shown whole, as it stands, with its code: Slide, Sub-Slide or Fragment, Notes, or Skip, which leaves it out.

The pages are nbconvert's, which need reveal.js, MathJax, RequireJS and jQuery. npm brings them once (80 MB) into the folder of
the slides, so that it can be shown without a network and carried on a stick; without npm the pages load them from the web.
"""

import argparse
import html
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from files import whole
from nbconvert import SlidesExporter
from npm import NotFetched, fetched
from traitlets.config import Config

from teaching import ANSWER, FRAME, pieces

ROOT = Path(__file__).resolve().parent.parent
SLIDES = ROOT / "build" / "slides"
PACKAGES = ROOT / "tools" / "reveal" / "package.json"
LOCAL = {  # setting of nbconvert -> where npm puts it
    "reveal_url_prefix": "node_modules/reveal.js",
    "mathjax_url": "node_modules/mathjax/MathJax.js?config=TeX-AMS_CHTML-full,Safe",
    "require_js_url": "node_modules/requirejs/require.js",
    "jquery_url": "node_modules/jquery/dist/jquery.min.js",
}
NO_DIAGRAMS = "data:text/javascript,export default {initialize() {}}"  # nbconvert loads Mermaid; the chapters need none
CODELESS = "codeless"  # tag of the pictures, whose code is not shown
NO_ALT = 'alt="No description has been provided for this image"'  # what nbconvert writes, for it looks elsewhere
STYLE = """<style>
.reveal .jp-RenderedImage img { display: block; margin: 0 auto; max-height: 640px; width: auto; }
.reveal h1, .reveal h2, .reveal h3 { text-transform: none; } .reveal h1 { font-size: 2.4em; } .reveal h2 { font-size: 1.6em; }
/* formulas for screen readers, which MathJax hides and the theme shows */
.MJX_Assistive_MathML { position: absolute !important; clip: rect(1px, 1px, 1px, 1px) !important;
  width: 1px !important; height: 1px !important; overflow: hidden !important; }
</style>
</head>"""
SHOWN = re.compile(r"\$\$.*?\$\$|^\|.+?\|$(?:\n^\|.+?\|$)*", re.DOTALL | re.MULTILINE)  # formulas and tables


def slide(kind: str, source: str) -> Any:
    """A text cell of this kind: slide, subslide, fragment, notes, or - to go on with the one before."""
    return nbformat.v4.new_markdown_cell(source.strip(), metadata={"slideshow": {"slide_type": kind}})


def picture(cell: Any) -> list[Any]:
    """The pictures of a code cell without its code, each with its description."""
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    found = []
    for output in cell.get("outputs", []):
        if png := output.get("data", {}).get("image/png"):
            kept = nbformat.v4.new_output("display_data", data={"image/png": png})
            marks = {"slideshow": {"slide_type": "subslide"}, "alt": alt, "tags": [CODELESS]}
            found.append(nbformat.v4.new_code_cell("", outputs=[kept], metadata=marks))
            found.append(slide("notes", alt))
    return found


def text(source: str, opens: bool) -> list[Any]:
    """Slides of a piece of prose; ``opens``: it starts with a heading."""
    asked = []
    while answer := ANSWER.search(source):
        before, after = source[: answer.start()].rstrip(), source[answer.end() :]
        before, _, question = before.rpartition("\n\n")
        inside = re.sub(r"</?details>|<summary>.*?</summary>", "", answer[0], flags=re.DOTALL)
        asked += [slide("subslide", question), slide("fragment", inside)]
        source = f"{before}\n\n{after}".strip()
    found = []
    if opens:
        paragraphs = source.split("\n\n")
        first = paragraphs[:2] if len(paragraphs) > 1 and not SHOWN.match(paragraphs[1]) else paragraphs[:1]
        found.append(slide("slide", "\n\n".join(first)))
        source = "\n\n".join(paragraphs[len(first) :])
    found += [slide("-" if opens and k == 0 else "subslide", hit[0]) for k, hit in enumerate(SHOWN.finditer(source))]
    if rest := SHOWN.sub("", source).strip():
        found.append(slide("notes", rest))
    return found + asked


def marked(cell: Any) -> str | None:
    """What a cell says itself that it is."""
    return cell.metadata.get("slideshow", {}).get("slide_type")


def as_marked(cell: Any, goes_on: bool) -> Any:
    """The cell as it stands; ``goes_on``: its first half, above a heading, has opened the slide."""
    kind = marked(cell)
    marks = {"slideshow": {"slide_type": "-" if goes_on and kind in ("slide", "subslide", "fragment") else kind}}
    if cell.cell_type == "code":
        marks["alt"] = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        return nbformat.v4.new_code_cell(cell.source, outputs=cell.outputs, metadata=marks)
    return nbformat.v4.new_markdown_cell(cell.source, metadata=marks)


def slides(notebook: Any) -> Any:
    """The notebook of the slides; the argument is left as it is."""
    cells, before = [], None
    for heading, piece in pieces(notebook):
        left_out = heading.startswith(FRAME) and not heading.startswith("What we saw")
        for number, cell in enumerate(piece):
            if marked(cell):
                cells.append(as_marked(cell, goes_on=cell.id == before))
            elif left_out:
                continue
            elif cell.cell_type == "code":
                cells += picture(cell)
            else:
                cells += text(cell.source, opens=number == 0)
            before = cell.id
    return nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def written(path: Path, folder: Path = SLIDES) -> str:
    """The HTML of one chapter's slides; what it needs is taken from ``folder``/node_modules if it is there."""
    here = LOCAL if beside(folder) else {}
    codeless = Config(TagRemovePreprocessor={"enabled": True, "remove_input_tags": {CODELESS}})
    exporter = SlidesExporter(
        config=codeless,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        reveal_number="c/t",
        reveal_theme="white",
        mermaid_js_url=NO_DIAGRAMS,
        **here,
    )
    notebook = slides(nbformat.read(path, as_version=4))
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                page = page.replace(NO_ALT, f'alt="{html.escape(cell.metadata["alt"])}"', 1)
    return page.replace("</head>", STYLE, 1)


def beside(folder: Path) -> bool:
    """Whether everything that the pages load lies beside them."""
    return all((folder / place.split("?")[0]).exists() for place in LOCAL.values())


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="chapters (default: all)")
    parser.add_argument("--into", type=Path, default=SLIDES, help="folder to write to (default: build/slides)")
    options = parser.parse_args(arguments)
    try:
        fetched(PACKAGES, options.into)
    except NotFetched as error:
        print(error, file=sys.stderr)
    for path in options.files or sorted((ROOT / "notebooks").glob("*.ipynb")):
        with whole(options.into / f"{path.stem}.slides.html") as draft:
            draft.write_text(written(path, options.into), encoding="utf-8")
        print(options.into / f"{path.stem}.slides.html")
    print("They work offline." if beside(options.into) else "They load reveal.js and MathJax from the web.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
