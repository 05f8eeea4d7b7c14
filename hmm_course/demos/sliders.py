"""Sliders for a demo: words beside them, and below them one picture, of which only what changed is drawn again."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from html import escape
from inspect import getdoc, signature
from io import BytesIO
from typing import Any

import numpy as np
from ipywidgets import HTML, FloatSlider, interactive
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

RIMS = np.s_[:3], np.s_[-3:], np.s_[:, :3], np.s_[:, -3:]  # of an image; layouts leave 4 pixels


def explore(demo: Callable[..., Any], **controls: tuple[str, Any]) -> interactive:
    r"""Sliders that move ``demo``, from its defaults on, above one picture that follows them.

    ``explore(demos.error_budget, N=("macro squares per side N", (1, 6)), ...)`` gives every parameter its words, and what
    ``ipywidgets.interact`` makes a control of: (low, high), (low, high, step), a list of choices, True or False.

    No moves queue up while a slider is dragged: until a picture is drawn, the browser holds back all but the newest.
    ValueError if controls and parameters are not the same.
    """
    parameters = list(signature(demo).parameters)
    if set(controls) != set(parameters):
        raise ValueError(f"controls for {', '.join(controls)}; {demo.__name__} has {', '.join(parameters)}")
    picture, frame, about = HTML(), Frame(), escape((getdoc(demo) or demo.__name__).split("\n\n")[0])

    @wraps(demo)  # with its signature, from which the controls take where they start
    def draw(**values: Any) -> Any:
        figure = demo(**values)
        image = frame.draw(figure) or frame.draw(figure := demo(**values))
        source = f"data:image/webp;base64,{b64encode(image).decode()}"
        # decoded before it is shown, so that nothing flickers
        picture.value = f'<img decoding="sync" style="max-width: 100%" alt="{about}" src="{source}">'
        return figure

    moved = interactive(draw, **{name: choices for name, (_, choices) in controls.items()})
    *inputs, messages = moved.children
    for name, control in zip(parameters, inputs, strict=True):
        control.description = controls[name][0]
        control.style.description_width, control.layout.width = "22em", "46em"
        if isinstance(control, FloatSlider):  # as many decimals as the step has: 3.625, not 3.63
            control.readout_format = f".{len(f'{control.step:g}'.partition('.')[2])}f"
    moved.children = *inputs, picture, messages
    return moved


@dataclass(frozen=True)
class Sweep:
    """One control of a demo and what it shows at some of its values, all others where they start.

    label, values (words beside the control), start (which of them the demo starts from), pictures (WebP, one a value)
    """

    label: str
    values: list[str]
    start: int
    pictures: list[bytes]


def sweeps(demo: Callable[..., Any], steps: int = 7, **controls: tuple[str, Any]) -> list[Sweep]:
    """What ``explore`` would show, for a page without Python: every control in turn at up to about ``steps`` values.

    RuntimeError that names the parameters at which the demo fails.
    """
    moved = interactive(demo, **{name: choices for name, (_, choices) in controls.items()})
    inputs = dict(zip(signature(demo).parameters, moved.children, strict=False))
    start, found = {name: control.value for name, control in inputs.items()}, []
    for name, control in inputs.items():
        values = _some(control, steps)
        pictures = [_picture(demo, start | {name: value}) for value in values]
        found.append(
            Sweep(controls[name][0], [_words(value) for value in values], values.index(control.value), pictures)
        )
    return found


def _some(control: Any, steps: int) -> list[Any]:
    """Values of a control, evenly spread over its range, the one where it stands among them."""
    if hasattr(control, "options"):
        return list(control.options)
    if isinstance(control.value, bool):
        return [False, True]
    count = round((control.max - control.min) / control.step)
    marks = {round(k) for k in np.linspace(0, count, min(steps, count + 1))}
    values = {float(f"{control.min + k * control.step:.10g}") for k in marks}
    return sorted({type(control.value)(value) for value in values} | {control.value})


def _words(value: Any) -> str:
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _picture(demo: Callable[..., Any], values: dict[str, Any]) -> bytes:
    file = BytesIO()
    try:
        demo(**values).savefig(file, format="webp", dpi=90, pil_kwargs={"quality": 80, "method": 6})
    except Exception as error:
        raise RuntimeError(f"{demo.__name__} fails at {values}: {error!r}") from error
    return file.getvalue()


class Frame:
    """What stays from picture to picture: where the axes stand, the limits that a demo leaves open, as long as a third of
    them is used, and ticks and labels that show the same as before.

    Three quarters of the time that a figure takes to draw is spent on its layout, ticks and labels. (A coarser picture
    while dragging would not help: they cost the same at every resolution.)
    """

    def __init__(self) -> None:
        self.places: list[tuple[Any, ...]] = []  # of every axes: position, and the limits of x and y
        self.kept: dict[tuple[int, str], tuple[Any, ...]] = {}
        self.fits = True
        self.canvas: Any = None
        self.alone: Any = None

    def draw(self, figure: Any) -> bytes:
        """The figure as a WebP image, without loss, its axes where those of the last one stood.

        Empty if ticks or labels do not fit there: draw the figure anew, and it will be laid out anew.
        """
        self.canvas = self.canvas or FigureCanvasAgg(figure)  # one for all figures: it remembers the size of words
        self.canvas.figure = figure
        figure.set_canvas(self.canvas)
        file, self.fits, engine = BytesIO(), True, figure.get_layout_engine()
        if len(self.places) == len(figure.axes):
            figure.set_layout_engine("none")
            for k, (ax, place) in enumerate(zip(figure.axes, self.places, strict=True)):
                self._hold(k, ax, *place)
        self.canvas.print_webp(file, pil_kwargs={"lossless": True, "quality": 0, "method": 0})  # fast
        if engine and not self.fits:
            self.places = []
            return b""
        self.places = [(ax.get_position(original=True), ax.get_xlim(), ax.get_ylim()) for ax in figure.axes]
        return file.getvalue()

    def _hold(self, k: int, ax: Any, position: Any, *limits: tuple[float, float]) -> None:
        ax.set_position(position)
        for axis, (low, high) in zip((ax.xaxis, ax.yaxis), limits, strict=True):
            start, end = axis.get_view_interval()
            open_limits = getattr(ax, f"get_autoscale{axis.axis_name}_on")() and not ax.images
            if open_limits and low <= start and end <= high and 3 * (end - start) >= high - low:
                axis.set_view_interval(low, high, ignore=True)
            axis.draw = self._kept((k, axis.axis_name), axis, axis.draw)
            axis.get_tightbbox = lambda *_, **__: None  # no title has to make room for it

    def _kept(self, place: tuple[int, str], axis: Any, draw: Callable[[Any], None]) -> Callable[[Any], None]:
        """Draws an axis as the image that is kept of it; first makes a new one if it shows something else by now."""

        def draw_kept(renderer: Any) -> None:
            ticks = axis.get_majorticklocs()
            words = axis.get_label_text(), *axis.get_major_formatter().format_ticks(ticks)
            shows = axis.axes.bbox.bounds, *axis.get_view_interval(), axis.get_scale(), *ticks, *words
            if self.kept.get(place, (None,))[0] != shows:
                size = renderer.width, renderer.height
                if not self.alone or (self.alone.width, self.alone.height) != size:
                    self.alone = RendererAgg(*size, renderer.dpi)
                self.alone.clear()
                draw(self.alone)
                image = np.asarray(self.alone.buffer_rgba())[::-1]
                self.kept[place] = shows, *_cropped(image)
                self.fits &= not any(image[rim][..., 3].any() for rim in RIMS)
            gc = renderer.new_gc()
            renderer.draw_image(gc, *self.kept[place][1:])
            gc.restore()

        return draw_kept


def _cropped(image: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Column and row where the part of an image starts that is not transparent, and that part."""
    rows, columns = (np.flatnonzero(image[..., 3].any(axis=axis)) for axis in (1, 0))
    x, y = (slice(found[0], found[-1] + 1) if found.size else slice(0, 1) for found in (columns, rows))
    return x.start, y.start, image[y, x].copy()
