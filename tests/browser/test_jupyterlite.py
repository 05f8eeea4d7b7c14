"""JupyterLite opens and shows the course; its Python needs the network, and is not started here."""

from browser import ask, until


def test_the_course_is_there(page, lite):
    page.set_window_size(1300, 1000)
    page.get(f"{lite}/lab/index.html?path=notebooks/00_start_here.ipynb")
    until(page, "document.querySelectorAll('.jp-Notebook .jp-Cell').length > 3", "chapter 00 opens", 120)
    assert "Start here" in ask(page, "document.querySelector('.jp-Notebook').textContent")
    assert "pip install" in ask(page, "document.querySelector('.jp-CodeCell').textContent")
