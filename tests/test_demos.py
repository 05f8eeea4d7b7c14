"""Demos: every one draws with its defaults, survives its sliders in the notebooks' interact cells, refuses nonsense."""

import inspect
import json
from pathlib import Path

import ipywidgets
import matplotlib.figure
import pytest

from hmm_course import demos

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
DEMOS = {name: value for name, value in vars(demos).items() if inspect.isfunction(value) and name[0] != "_"}


@pytest.mark.parametrize("name", sorted(DEMOS))
def test_demo_draws_with_its_defaults(name):
    figure = DEMOS[name]()
    assert isinstance(figure, matplotlib.figure.Figure)
    figure.canvas.draw()


def interactive_cells():
    """The cells that hand a demo to ipywidgets.interact, with everything before them that imports or defines."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
        sources = ["".join(c["source"]) for c in cells]
        for source in sources:
            if "interact(" in source:
                yield pytest.param(sources[0], source, id=f"{path.stem}-{source.split('interact(')[1][:30]}")


@pytest.mark.parametrize("first, source", interactive_cells())
def test_sliders_move(first, source, monkeypatch):
    """Run the cell with ``interact`` replaced by ``interactive``; move every widget to its ends; nothing may raise."""
    made, shown = [], []

    def record(function, **widgets):
        def strict(**values):
            shown.append(function(**values))

        made.append(ipywidgets.interactive(strict, **widgets))
        return made[-1]

    namespace = {}
    exec(first, namespace)
    monkeypatch.setattr(ipywidgets, "interact", record)
    namespace = {name: (record if name == "interact" else value) for name, value in namespace.items()}
    exec(source, namespace)
    assert made, "the cell does not call interact"
    for widget in made:
        widget.update()
        for child in widget.children:
            if hasattr(child, "options"):
                values = [option[1] if isinstance(option, tuple) else option for option in child.options]
                moves = [values[0], values[-1]]
            elif hasattr(child, "min"):
                moves = [child.min, child.max]
            elif isinstance(child, ipywidgets.Checkbox):
                moves = [True, False]
            else:
                continue
            for value in moves:
                before = len(shown)
                child.value = value
                widget.update()
                assert len(shown) > before, f"the demo raised for {child.description}={value}"
                assert isinstance(shown[-1], matplotlib.figure.Figure)
