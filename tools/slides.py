"""Slides of the chapters, made by rule: build/slides/NN_name.slides.html.

    python tools/slides.py                        every chapter
    python tools/slides.py notebooks/04_*.ipynb   these

The notebooks carry no marks for slides. A heading opens a slide with its first paragraph; displayed formulas and tables follow,
then every figure on its own, below it; a question gets a slide, and its answer appears on a key press. All other prose becomes
speaker notes (key S). Code and sliders stay in the notebook, where they can be run. A slide is a draft: what you want to say
differently, change in the chapter or in the page.

The pages are nbconvert's, which load reveal.js, MathJax, RequireJS and jQuery from the web. To show them without a
network, put these beside them once (about 80 MB), and make the slides again; they are found there:

    npm install --prefix build/slides reveal.js@4 mathjax@2 requirejs@2 jquery@3
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

from teaching import ANSWER, FRAME, pieces

ROOT = Path(__file__).resolve().parent.parent
SLIDES = ROOT / "build" / "slides"
LOCAL = {  # setting of nbconvert -> where npm puts it
    "reveal_url_prefix": "node_modules/reveal.js",
    "mathjax_url": "node_modules/mathjax/MathJax.js?config=TeX-AMS_CHTML-full,Safe",
    "require_js_url": "node_modules/requirejs/require.js",
    "jquery_url": "node_modules/jquery/dist/jquery.min.js",
}
NO_ALT = 'alt="No description has been provided for this image"'  # what nbconvert writes, for it looks elsewhere
STYLE = """<style>
.reveal .jp-RenderedImage img { display: block; margin: 0 auto; max-height: 640px; width: auto; }
.reveal h1 { font-size: 2.4em; } .reveal h2 { font-size: 1.6em; }
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
            marks = {"slideshow": {"slide_type": "subslide"}, "alt": alt}
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


def slides(notebook: Any) -> Any:
    """The notebook of the slides; the argument is left as it is."""
    cells = []
    for heading, piece in pieces(notebook):
        if heading.startswith(FRAME) and not heading.startswith("What we saw"):
            continue
        for number, cell in enumerate(piece):
            if cell.cell_type == "code":
                cells += picture(cell)
            else:
                cells += text(cell.source, opens=number == 0)
    return nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def written(path: Path, folder: Path = SLIDES) -> str:
    """The HTML of one chapter's slides; what it needs is taken from ``folder``/node_modules if it is there."""
    here = {name: place for name, place in LOCAL.items() if (folder / place.split("?")[0]).exists()}
    exporter = SlidesExporter(exclude_input=True, exclude_output_prompt=True, reveal_number="c/t", **here)
    notebook = slides(nbformat.read(path, as_version=4))
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    for cell in notebook.cells:
        if "alt" in cell.metadata:
            page = page.replace(NO_ALT, f'alt="{html.escape(cell.metadata["alt"])}"', 1)
    return page.replace("</head>", STYLE, 1)


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="chapters (default: all)")
    parser.add_argument("--into", type=Path, default=SLIDES, help="folder to write to (default: build/slides)")
    options = parser.parse_args(arguments)
    for path in options.files or sorted((ROOT / "notebooks").glob("*.ipynb")):
        with whole(options.into / f"{path.stem}.slides.html") as draft:
            draft.write_text(written(path, options.into), encoding="utf-8")
        print(options.into / f"{path.stem}.slides.html")
    offline = all((options.into / place.split("?")[0]).exists() for place in LOCAL.values())
    print(
        "They work offline." if offline else "They load reveal.js and MathJax from the web; for offline use see --help."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
