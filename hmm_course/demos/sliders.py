"""Sliders for a demo: words beside them, and below them one picture, of which only what changed is drawn again."""

from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from html import escape
from inspect import getdoc, signature
from io import BytesIO
from typing import Any

import numpy as np
from ipywidgets import HTML, interactive
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
    picture, frame, about = HTML(), Frame(), escape(getdoc(demo).split("\n\n")[0])

    @wraps(demo)  # with its signature, from which the controls take where they start
    def draw(**values: Any) -> Any:
        figure = demo(**values)
        png = frame.png(figure) or frame.png(figure := demo(**values))
        # decoded before it is shown, so that nothing flickers
        picture.value = f'<img decoding="sync" alt="{about}" src="data:image/png;base64,{b64encode(png).decode()}">'
        return figure

    moved = interactive(draw, **{name: choices for name, (_, choices) in controls.items()})
    *inputs, messages = moved.children
    for name, control in zip(parameters, inputs, strict=True):
        control.description = controls[name][0]
        control.style.description_width, control.layout.width = "22em", "46em"
    moved.children = *inputs, picture, messages
    return moved


class Frame:
    """What stays from picture to picture: where the axes stand, and ticks and labels that show the same as before.

    Three quarters of the time that a figure takes to draw is spent on its layout, ticks and labels. (A coarser picture
    while dragging would not help: they cost the same at every resolution.)
    """

    def __init__(self) -> None:
        self.places: list[Any] = []
        self.kept: dict[tuple[int, str], tuple[Any, ...]] = {}
        self.fits = True
        self.canvas: Any = None

    def png(self, figure: Any) -> bytes:
        """The figure as a PNG, its axes where those of the last one stood.

        Empty if ticks or labels do not fit there: draw the figure anew, and it will be laid out anew.
        """
        self.canvas = self.canvas or FigureCanvasAgg(figure)  # one for all figures: it remembers the size of words
        self.canvas.figure = figure
        figure.set_canvas(self.canvas)
        axes, file, self.fits = figure.axes, BytesIO(), True
        engine = figure.get_layout_engine()
        if len(self.places) == len(axes):
            figure.set_layout_engine("none")
            for k, (ax, place) in enumerate(zip(axes, self.places, strict=True)):
                ax.set_position(place)
                for axis in (ax.xaxis, ax.yaxis):
                    axis.draw = self._kept((k, axis.axis_name), axis, axis.draw)
                    axis.get_tightbbox = lambda *_, **__: None  # no title has to make room for it
        self.canvas.print_png(file, pil_kwargs={"compress_level": 1})
        if engine and not self.fits:
            self.places = []
            return b""
        self.places = [ax.get_position(original=True) for ax in axes]
        return file.getvalue()

    def _kept(self, place: tuple[int, str], axis: Any, draw: Callable[[Any], None]) -> Callable[[Any], None]:
        """Draws an axis as the image that is kept of it; first makes a new one if it shows something else by now."""

        def draw_kept(renderer: Any) -> None:
            ticks = axis.get_majorticklocs()
            words = axis.get_label_text(), *axis.get_major_formatter().format_ticks(ticks)
            shows = axis.axes.bbox.bounds, *axis.get_view_interval(), axis.get_scale(), *ticks, *words
            if self.kept.get(place, (None,))[0] != shows:
                alone = RendererAgg(renderer.width, renderer.height, renderer.dpi)
                draw(alone)
                image = np.asarray(alone.buffer_rgba())[::-1]
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
