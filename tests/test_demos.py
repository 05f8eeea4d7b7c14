"""Demos: every one draws with its defaults, survives its sliders in the notebooks' cells, refuses nonsense."""

import base64
import inspect
import io
import json
import re
from pathlib import Path

import ipywidgets
import matplotlib.figure
import numpy as np
import PIL.Image
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hmm_core import ExactClosure, solve_elliptic
from hmm_course import demos
from hmm_course.demos import ch06
from hmm_course.figures.ch06 import K, factor, grad_u0, graded_source, square, u0

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
DEMOS = {
    name: value
    for name, value in vars(demos).items()
    if inspect.isfunction(value) and value.__module__.startswith("hmm_course.demos.ch")
}


@pytest.mark.parametrize("name", sorted(DEMOS))
def test_demo_draws_with_its_defaults(name):
    figure = DEMOS[name]()
    assert isinstance(figure, matplotlib.figure.Figure)
    assert np.ptp(drawn(figure)) == 255


def drawn(figure):
    """The pixels of a figure, drawn anew."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).astype(int)


def shown(moved):
    """The pixels of the picture below the sliders."""
    (html,) = (child.value for child in moved.children if isinstance(child, ipywidgets.HTML))
    image = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    return np.asarray(PIL.Image.open(io.BytesIO(image)).convert("RGBA")).astype(int)


def slider_cells():
    """The cells that hand a demo to ``explore``, with the first code cell of their notebooks, which imports."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        sources = ["".join(c["source"]) for c in cells]
        for source in sources:
            if found := re.search(r"demos\.explore\(\s*demos\.(\w+)", source):
                yield pytest.param(sources[0], source, id=found[1])


def made_by(first, source, monkeypatch):
    """What ``explore`` makes of a cell: the demo and its sliders."""
    made = []

    def record(demo, **controls):
        made.append((demo, explore(demo, **controls)))
        return made[-1][1]

    explore = demos.explore
    monkeypatch.setattr(demos, "explore", record)
    namespace = {}
    exec(first, namespace)
    exec(source, namespace)
    assert len(made) == 1, "the cell calls explore once"
    return made[0]


def ends(control):
    """First and last value of a control."""
    if hasattr(control, "options"):
        return control.options[0], control.options[-1]
    return (control.min, control.max) if hasattr(control, "min") else (not control.value, control.value)


def test_every_demo_has_its_sliders():
    """The demos of a chapter that somebody has deleted may stay."""
    there = {path.stem[:2] for path in NOTEBOOKS.glob("*.ipynb")}
    used = [name for name, demo in DEMOS.items() if demo.__module__.split(".ch")[1][:2] in there]
    assert sorted(cell.id for cell in slider_cells()) == sorted(used)


@pytest.mark.parametrize("first, source", slider_cells())
def test_sliders_move(first, source, monkeypatch):
    """Move every control to its ends: each time the picture is the figure of that state, pixel by pixel.

    The axes may stand as they stood before, with limits as wide as before, but not wider than three times what is needed.
    """
    demo, moved = made_by(first, source, monkeypatch)
    assert moved.kwargs == {p.name: p.default for p in inspect.signature(demo).parameters.values()}
    for control in moved.kwargs_widgets:
        assert len(control.description.split()) > 1, f"{control.description!r} is no words for {control._kwarg}"
        for value in ends(control):
            if control.value == value:
                continue
            before, control.value = moved.result, value
            assert moved.result is not before, f"the demo raised for {control._kwarg}={value}"
            fresh = demo(**moved.kwargs)
            fresh.set_layout_engine("none")
            for ax, held in zip(fresh.axes, moved.result.axes, strict=True):
                for (low, high), (start, end) in ((held.get_xlim(), ax.get_xlim()), (held.get_ylim(), ax.get_ylim())):
                    assert low <= start and end <= high and high - low <= 3 * (end - start)
                ax.set_position(held.get_position(original=True))
                ax.set(xlim=held.get_xlim(), ylim=held.get_ylim())
            assert np.abs(shown(moved) - drawn(fresh)).max() <= 2, f"another picture for {moved.kwargs}"
            (left, low), (right, high) = fresh.get_tightbbox().get_points()
            width, height = fresh.get_size_inches()
            assert left > 0 and low > 0 and right < width and high < height, f"words are cut for {moved.kwargs}"


def test_sliders_show_as_many_decimals_as_their_step_has():
    moved = demos.explore(
        demos.graded_cell, x1=("macro point x₁", (0.0, 1.0, 0.125)), contrast=("contrast a", (1.0, 9.0, 1.0))
    )
    assert [control.readout_format for control in moved.kwargs_widgets] == [".3f", ".0f"]


def test_a_state_that_raises_is_no_silent_picture(caplog):
    def demo(n: int = 3):
        """A square, refused above 4."""
        if n > 4:
            raise ValueError(f"n={n} is too large")
        figure = matplotlib.figure.Figure()
        figure.subplots().set(xlim=(0, n))
        return figure

    moved = demos.explore(demo, n=("how large n", (1, 9)))
    good, moved.kwargs_widgets[0].value = shown(moved), 7
    assert "n=7 is too large" in caplog.text
    moved.kwargs_widgets[0].value = 4
    assert moved.result.axes[0].get_xlim() == (0, 4) and (shown(moved) != good).any()
    moved.kwargs_widgets[0].value = 3
    assert (shown(moved) == good).all()


def test_labels_that_outgrow_their_place_are_laid_out_anew():
    def demo(n: int = 3):
        """An axis up to 10^n."""
        figure = matplotlib.figure.Figure(layout="constrained")
        figure.subplots().set(ylim=(0, 10.0**n), ylabel="of a certain size")
        return figure

    moved = demos.explore(demo, n=("decades n", (1, 5)))
    left = [moved.result.axes[0].get_position().x0]
    for value in (4, 5, 1):
        moved.kwargs_widgets[0].value = value
        left.append(moved.result.axes[0].get_position().x0)
        assert (shown(moved)[:, :3] == 255).all()
    assert left[0] < left[1] < left[2] == left[3]  # the axes stand still where they can


def test_the_error_budget_is_measured_as_the_library_measures_it():
    """The demo's macro problem is linear in the tensor; solutions and norms are those of ``solve_elliptic`` and ``error``."""

    def law(T):
        return lambda x: T[..., None] * factor(x)

    basis, macro, energy = square(3, degree=2), ch06._macro(3), law(K * np.eye(2))
    tensors = K * np.eye(2), np.array([[3.0, 0.4], [0.4, 2.5]])
    u, v = (solve_elliptic(basis, ExactClosure(law(T)), graded_source) for T in tensors)
    mine = [macro.solve(T) for T in tensors]
    assert macro.distance(*mine) == pytest.approx(u.error(v, "energy", gradient=v.gradient_at, tensor=energy), rel=1e-9)
    for own, library in zip(mine, (u, v), strict=True):
        expected = library.error(u0, "energy", gradient=grad_u0, tensor=energy)
        assert macro.distance_to_u0(own) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("controls", [{}, {"periods": ("periods", (1, 2)), "element": ("elements", (2, 3))}])
def test_controls_are_those_of_the_demo(controls):
    with pytest.raises(ValueError, match="sampling_line has periods, elements"):
        demos.explore(demos.sampling_line, **controls)
