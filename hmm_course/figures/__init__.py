"""Figures of the course. A figure is two functions: one computes its arrays, one draws them.

``xxx_data(...)`` returns a dict of arrays, which ``tests/reference`` holds and the tests compare; ``xxx(data)`` draws a
matplotlib Figure from nothing else. ``FIGURES`` lists them all by name. One module per chapter; what chapters
share is here.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

Array = np.ndarray
Data = dict[str, Array]

STYLE = str(Path(__file__).with_name("hmm.mplstyle"))
# The colours of the style, in its order; everybody can tell them apart, the colour-blind too (Okabe and Ito).
BLUE, ORANGE, GREEN, PINK, AMBER, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"

# name: (module, function that computes, function that draws)
FIGURES: dict[str, tuple[str, str, str]] = {
    "00-scale-gap": ("ch00", "scale_gap_data", "scale_gap"),
    "00-naive-mesh": ("ch00", "naive_mesh_data", "naive_mesh"),
    "00-first-solve": ("ch00", "first_solve_data", "first_solve"),
    "00-cost": ("ch00", "cost_data", "cost"),
    "00-course-map": ("ch00", "course_map_data", "course_map"),
    "01-dialogue": ("ch01", "dialogue_data", "dialogue"),
    "01-line-micro": ("ch01", "line_micro_data", "line_micro"),
    "01-plane-micro": ("ch01", "plane_micro_data", "plane_micro"),
    "01-rounds": ("ch01", "rounds_data", "rounds"),
    "01-pulse": ("ch01", "pulse_data", "pulse_figure"),
    "01-rivals": ("ch01", "rivals_data", "rivals"),
    "02-affine": ("ch02", "affine_data", "affine"),
    "02-limit": ("ch02", "limit_data", "limit"),
    "02-gallery": ("ch02", "gallery_data", "gallery"),
    "02-timber": ("ch02", "timber_data", "timber_figure"),
    "02-rve": ("ch02", "rve_data", "rve"),
    "02-drift": ("ch02", "drift_data", "drift"),
    "02-local": ("ch02", "local_data", "local"),
    "03-queues": ("ch03", "queues_data", "queues"),
    "03-equilibrium": ("ch03", "equilibrium_data", "equilibrium"),
    "03-forget": ("ch03", "forget_data", "forget"),
    "03-ensemble": ("ch03", "ensemble_data", "ensemble"),
    "03-long": ("ch03", "long_data", "long_figure"),
    "03-resolved": ("ch03_macro", "resolved_data", "resolved"),
    "03-crowd": ("ch03_macro", "crowd_data", "crowd_figure"),
    "03-stationary": ("ch03_macro", "stationary_data", "stationary_figure"),
    "03-room": ("ch03_macro", "room_data", "room"),
    "04-sampling": ("ch04", "sampling_data", "sampling"),
    "04-correctors": ("ch04", "correctors_data", "correctors"),
    "04-energy": ("ch04", "energy_data", "energy"),
    "04-graded": ("ch04", "graded_data", "graded"),
    "04-convergence": ("ch04", "convergence_data", "convergence"),
    "04-floor": ("ch04", "floor_data", "floor"),
    "04-reconstruction": ("ch04", "reconstruction_data", "reconstruction"),
    "04-line": ("ch04", "line_data", "line"),
    "04-reconstruction-rates": ("ch04", "reconstruction_rates_data", "reconstruction_rates"),
    "04-graded-reconstruction": ("ch04", "graded_reconstruction_data", "reconstruction"),
    "05-three-answers": ("ch05", "three_answers_data", "three_answers"),
    "05-edge": ("ch05", "edge_data", "edge"),
    "05-resonance": ("ch05", "resonance_data", "resonance"),
    "05-decay": ("ch05", "decay_data", "decay"),
    "05-oversampling": ("ch05", "oversampling_data", "oversampling"),
    "05-windows-line": ("ch05", "windows_line_data", "windows_line"),
    "05-windows-plane": ("ch05", "windows_plane_data", "windows_plane"),
    "05-zero-order": ("ch05", "zero_order_data", "zero_order"),
    "05-parabolic": ("ch05", "parabolic_data", "parabolic"),
    "05-which": ("ch05", "which_data", "which"),
    "05-faint-field": ("ch05_window", "faint_data", "faint"),
    "05-window-end": ("ch05_window", "window_end_data", "window_end"),
    "05-long-resonance": ("ch05", "long_resonance_data", "long_resonance"),
    "06-ladder": ("ch06", "ladder_data", "ladder"),
    "06-one-problem": ("ch06_terms", "one_problem_data", "one_problem"),
    "06-corner": ("ch06", "corner_data", "corner"),
    "06-micro": ("ch06_terms", "micro_data", "micro"),
    "06-budget": ("ch06", "budget_data", "budget"),
    "06-coupled": ("ch06_terms", "coupled_data", "coupled"),
    "06-planner": ("ch06", "planner_data", "planner"),
    "10-plate": ("ch10", "plate_data", "plate"),
    "10-steady": ("ch10", "steady_data", "steady_figure"),
    "10-cooling": ("ch10", "cooling_data", "cooling"),
    "10-pores": ("ch10", "pores_data", "pores"),
    "10-permeability": ("ch10", "permeability_data", "permeability"),
    "10-bed": ("ch10", "bed_data", "bed_figure"),
    "11-flux": ("ch11", "flux_data", "flux"),
    "11-queue": ("ch11", "queue_data", "queue_figure"),
    "11-promise": ("ch11", "promise_data", "promise"),
    "11-shear": ("ch11_polymer", "shear_data", "shear"),
    "11-couette": ("ch11_polymer", "couette_data", "couette_figure"),
    "11-waves": ("ch11_waves", "waves_data", "waves"),
    "12-directions": ("ch12", "directions_data", "directions"),
    "12-array": ("ch12", "array_data", "array"),
    "12-bounds": ("ch12", "bounds_data", "bounds"),
    "12-strong": ("ch12", "strong_data", "strong"),
    "12-beam": ("ch12_structures", "beam_data", "beam"),
    "12-panel": ("ch12_structures", "panel_data", "panel_figure"),
    "13-picture": ("ch13", "picture_data", "picture"),
    "13-bounds": ("ch13", "bounds_data", "bounds"),
    "13-disk": ("ch13", "disk_data", "disk"),
    "13-windows": ("ch13", "windows_data", "windows"),
    "13-graded": ("ch13", "graded_data", "graded"),
    "13-percolation": ("ch13_random", "percolation_data", "percolation"),
    "13-polycrystal": ("ch13_random", "polycrystal_data", "polycrystal"),
    "14-gene": ("ch14", "gene_data", "gene_figure"),
    "14-swarm": ("ch14", "swarm_data", "swarm_figure"),
    "14-cable": ("ch14_waves", "cable_data", "cable_figure"),
    "14-pulse": ("ch14_waves", "pulse_data", "pulse_figure"),
    "14-tissue": ("ch14_waves", "tissue_data", "tissue_figure"),
    "15-wheel": ("ch15", "wheel_data", "wheel_figure"),
    "15-kernels": ("ch15", "kernels_data", "kernels"),
    "15-four-terms": ("ch15", "four_terms_data", "four_terms"),
    "15-fails": ("ch15", "fails_data", "fails"),
    "16-gallery": ("ch16", "gallery_data", "gallery"),
    "16-basis": ("ch16", "basis_data", "basis_figure"),
    "16-resonance": ("ch16", "resonance_data", "resonance"),
    "16-limit": ("ch16", "limit_data", "limit"),
    "16-study": ("ch16", "study_data", "study_figure"),
    "16-losses": ("ch16", "losses_data", "losses"),
    "16-sources": ("ch16", "sources_data", "sources"),
}


def load(name: str) -> tuple[Callable[..., Data], Callable[..., Any]]:
    """The two functions of a figure, by its name in ``FIGURES``."""
    module, compute, draw = FIGURES[name]
    home = import_module(f"{__name__}.{module}")
    return getattr(home, compute), getattr(home, draw)


def of_the_repository(name: str) -> Path:
    """A file of the checkout, or beside the folder of the notebook where the package is installed elsewhere."""
    places = [root / name for root in (Path(__file__).parents[2], Path.cwd().parent)]
    return next((file for file in places if file.exists()), places[0])


def committed(name: str) -> Data:
    """The data of a figure in tests/reference, for studies too long for a chapter; ``make reproduce`` computes them."""
    with np.load(of_the_repository(f"tests/reference/{name}.npz")) as data:
        return dict(data)


def use_style() -> None:
    """Set the look of the course for the session (the first cell of every chapter)."""
    plt.style.use(STYLE)


def canvas(rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    """A figure in the course's style with its axes; closed for pyplot, so that a notebook shows it once."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(rows, columns, **options)
        plt.close(figure)
    return figure, axes


def fit_rate(x: Array, error: Array) -> float:
    """Least-squares slope of log(error) against log(x): error ~ x^rate."""
    x, error = np.asarray(x, dtype=float), np.asarray(error, dtype=float)
    if x.shape != error.shape or x.size < 2 or not ((x > 0).all() and (error > 0).all()):
        raise ValueError(f"a rate needs two or more positive pairs; got x={x}, error={error}")
    return float(np.polyfit(np.log(x), np.log(error), 1)[0])


def rate_plot(ax: Any, x: Array, error: Array, label: str, expected: float | None = None, **style: Any) -> float:
    """Log-log error against a parameter: fitted slope in the legend, expected slope as a grey line. Returns the fit."""
    rate = fit_rate(x, error)
    ax.loglog(x, error, marker="o", label=f"{label}: slope {rate:.2f}", **style)
    if expected is not None:
        x = np.asarray(x, dtype=float)
        ax.loglog(
            x,
            0.6 * np.min(error) * (x / x[np.argmin(error)]) ** expected,
            color="0.55",
            lw=1,
            ls="--",
            label=f"slope {expected:g} expected",
        )
    ax.legend()
    return rate


def field_plot(ax: Any, field: Array, extent: tuple[float, float, float, float], title: str = "", **style: Any) -> Any:
    """A field on a square grid, first axis = x_1, as an image with equal axes and a colour bar; ``extend`` as of that."""
    extend = style.pop("extend", "neither")
    image = ax.imshow(np.asarray(field).T, extent=extent, origin="lower", **style)
    ax.figure.colorbar(image, ax=ax, shrink=0.8, extend=extend)
    ax.set_title(title)
    ax.grid(False)
    return image


def plain(figure: Any) -> Any:
    """No numbers at the minor ticks of logarithmic axes: they would collide."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if axis.get_scale() == "log":
                axis.set_minor_formatter(NullFormatter())
    return figure
