"""Solutions in time as a picture that moves: HTML with a slider and buttons, small enough for a notebook."""

import hashlib
import re
from collections.abc import Callable
from html import escape
from io import BytesIO
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

from hmm_core import Trajectory
from hmm_course.figures import STYLE, Array, canvas

LARGEST = 1_000_000  # bytes of HTML in a notebook
SHARPNESS = (100, 80, 65, 50, 40)  # dots per inch that are tried, until it fits


def movie(run: Trajectory, frames: int = 24, label: str = "U", seconds: float = 4.0, **style: Any) -> str:
    """A scalar field in time, evenly spaced from the first to the last output, as HTML of less than a megabyte.

    A curve on a line, colours on a triangular or quadrilateral mesh in the plane; the scale is the same in all frames. Show it
    by ``IPython.display.HTML(movie(run))``; ``still(run, t)`` is one frame, for paper.

    Raises ValueError for vectors, meshes in space, fewer than two frames, or if it does not fit.
    """
    if frames < 2:
        raise ValueError(f"frames={frames} must be at least 2")
    times = np.linspace(run.times[0], run.times[-1], frames)
    fields = [_at_vertices(run, t) for t in times]
    figure, show = _stage(run, fields, label, **style)

    def draw(k: int) -> None:
        show(times[k], fields[k])

    about = f"{label}, moving from t = {times[0]:.3g} to {times[-1]:.3g}"
    return _html(figure, draw, frames, seconds, about)


def still(run: Trajectory, t: float, label: str = "U", **style: Any) -> Any:
    """One frame of ``movie``, as a figure."""
    fields = [_at_vertices(run, when) for when in (run.times[0], t, run.times[-1])]
    figure, show = _stage(run, fields, label, **style)
    show(t, fields[1])
    return figure


def _at_vertices(run: Trajectory, t: float) -> Array:
    solution = run.when(t)
    if hasattr(run.basis.elem, "dim") and getattr(run.basis.elem, "elem", None) is not None:
        raise ValueError("a movie shows a scalar field; this one has components")
    return solution.u[run.basis.nodal_dofs[0]]


def _stage(
    run: Trajectory, fields: list[Array], label: str, **style: Any
) -> tuple[Any, Callable[[float, Array], None]]:
    """The figure, and the function that shows a field (vertices) at a time."""
    mesh, low, high = run.basis.mesh, min(f.min() for f in fields), max(f.max() for f in fields)
    if mesh.dim() == 1:
        figure, ax = canvas(figsize=(5, 3.2))
        order = np.argsort(mesh.p[0])
        (curve,) = ax.plot(mesh.p[0][order], fields[0][order], **style)
        ax.set(ylim=(low - 0.05 * (high - low), high + 0.05 * (high - low)), xlabel="x", ylabel=label)

        def show(t: float, field: Array) -> None:
            curve.set_ydata(field[order])
            ax.set_title(f"t = {t:.3g}")

        return figure, show
    if mesh.dim() != 2:
        raise ValueError(f"a movie shows a line or a plane; this mesh is {mesh.dim()}D")
    figure, ax = canvas(figsize=(4.8, 4))
    triangles = mesh.t.T if len(mesh.t) == 3 else np.concatenate([mesh.t[[0, 1, 2]].T, mesh.t[[0, 2, 3]].T])
    options = {"shading": "gouraud", "vmin": low, "vmax": high} | style
    image = ax.tripcolor(mesh.p[0], mesh.p[1], triangles, fields[0], **options)
    figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    ax.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    ax.grid(False)

    def show(t: float, field: Array) -> None:
        image.set_array(field)
        ax.set_title(f"t = {t:.3g}")

    return figure, show


SIGNS = {"minus": "−", "fast-backward": "⏮", "step-backward": "◂◂", "play fa-flip-horizontal": "◂", "pause": "❚❚"}
SIGNS |= {"play": "▸", "step-forward": "▸▸", "fast-forward": "⏭", "plus": "+"}


def _offline(html: str, about: str) -> str:
    """Signs on the buttons instead of an icon font, which would have to be fetched; words for those who hear the page."""
    html = re.sub(r"<link[^>]*>", "", html)
    html = html.replace("<img id=", f'<img alt="{escape(about)}" id=', 1)
    html = html.replace('type="range"', 'type="range" aria-label="picture"', 1)
    return re.sub(r'<i class="fa fa-([^"]+)"></i>', lambda found: SIGNS[found[1]], html)


def _html(figure: Any, draw: Callable[[int], None], frames: int, seconds: float, about: str) -> str:
    """The sharpest that fits, with names in it that follow from what it shows: the same run gives the same HTML."""
    with plt.style.context(STYLE), mpl.rc_context({"animation.embed_limit": 50.0, "savefig.bbox": "standard"}):
        for dpi in SHARPNESS:
            picture = BytesIO()
            draw(0)
            figure.savefig(picture, dpi=dpi)
            if 1.4 * frames * picture.tell() > LARGEST and dpi > SHARPNESS[-1]:  # as text it takes 4/3 of its bytes
                continue
            mpl.rcParams["figure.dpi"] = mpl.rcParams["savefig.dpi"] = dpi
            figure.set_dpi(dpi)
            html = FuncAnimation(figure, draw, frames=frames, init_func=lambda: None).to_jshtml(frames / seconds)
            if len(html) < LARGEST:
                name = re.search(r"_anim_img([0-9a-f]{32})", html)[1]
                html = _offline(html, about)
                plain = html.replace(name, "")
                return html.replace(name, hashlib.blake2b(plain.encode(), digest_size=16).hexdigest())
    raise ValueError(f"{frames} frames take {len(html) / 1e6:.2f} MB at {dpi} dots per inch; show fewer")
