"""How Sphinx makes the site; ``tools/website.py`` gathers what it is made of and calls it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from docstrings import to_rst

import hmm_core

project = "The Heterogeneous Multiscale Method"
author = "The HMM course authors"
project_copyright = author
version = release = hmm_core.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "amsmath", "html_image", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the committed outputs are the references
nb_ipywidgets_js = {}  # nothing is fetched: sliders are shown as pictures to step through
nb_merge_streams = True
mathjax_path = "mathjax/tex-chtml.js"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
suppress_warnings = ["mystnb.unknown_mime_type"]

highlight_language = "none"  # of formulas in docstrings; notebooks say what they are
html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_title = project
html_favicon = "static/icon.svg"
html_css_files = ["site.css"]
html_js_files = ["frames.js"]
html_copy_source = html_show_sourcelink = False
html_sidebars = {"index": []}
html_theme_options = {
    "logo": {"text": "HMM"},
    "navbar_end": ["theme-switcher"],
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "show_prev_next": True,
    "back_to_top_button": False,
}


def setup(app):
    app.config.html_static_path = [str(Path(app.srcdir, "_static"))]  # gathered there, not beside this file
    app.connect("autodoc-process-docstring", lambda app, what, name, obj, options, lines: to_rst(lines))
