"""Demo of chapter 05: what you tell the edge, how large a sample you cut, how you average."""

from functools import lru_cache
from typing import Any

import numpy as np

from hmm_core import CellProblem
from hmm_course.figures import BLUE, ORANGE, Array, canvas, field_plot
from hmm_course.figures.ch05 import CONDITIONS, CORNERS, SMOOTH, error_of, wound

N = 8
FLOOR = 1e-6  # smaller errors are an arrow at the left


@lru_cache(maxsize=256)
def _field(bc: str, size: float) -> Array:
    """log10 of the error of grad w on a sample of that size."""
    return np.log10(np.maximum(wound(SMOOTH, bc, size, N, 0.0, tol=1e-6), 1e-5))


@lru_cache(maxsize=1024)
def _error(bc: str, size: float, buffer: float, window: str | tuple[str, int]) -> float:
    """Relative error of A."""
    cell = CellProblem(n=N, bc=bc, size=size, buffer=buffer, window=window, tol=1e-5)
    return error_of(SMOOTH, cell, CORNERS[:, :1])


def sample_and_edge(bc: str = "dirichlet", size: float = 3.5, buffer: float = 0.0, q: int = 2) -> Any:
    r"""One sample of the smooth medium, cut at the corner of a period: the wrong field, and the wrong tensor.

    Parameters
    ----------
    bc : "neumann", "periodic" or "dirichlet".
    size : side of the averaging domain in periods, 1 to 6, a multiple of 1/8.
    buffer : oversampling layer in periods, 0 to 1, a multiple of 1/8.
    q : order of the smooth window, 0 (box) to 5.

    Left: log10 of the error of grad w, the averaging domain outlined. Right: error of A under all three conditions, with
    the box and with the window. ValueError for a parameter outside its range.
    """
    if bc not in CONDITIONS:
        raise ValueError(f"bc={bc!r} is not one of {', '.join(map(repr, CONDITIONS))}")
    for name, value, low, high in (("size", size, 1, 6), ("buffer", buffer, 0, 1)):
        if not low <= value <= high or N * value != round(N * value):
            raise ValueError(f"{name}={value!r} must be a multiple of 1/{N} in [{low}, {high}]")
    if isinstance(q, bool) or q != int(q) or not 0 <= q <= 5:
        raise ValueError(f"q={q!r} must be an integer from 0 to 5")
    whole = size + 2 * buffer
    error = _field(bc, float(whole))  # shown down to 1e-3

    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.8), width_ratios=(1, 1.2))
    field_plot(
        left,
        error,
        (0, whole, 0, whole),
        f"{bc.capitalize()}: log₁₀ of the error of ∇w",
        vmin=-3,
        vmax=0.5,
        cmap="magma",
        extend="min",
    )
    frame = np.array([0, 1, 1, 0, 0]) * size + buffer
    left.plot(frame, np.roll(frame, -1), color="white", lw=1.2, ls="--")
    left.set(xlabel="y₁", ylabel="y₂")

    for row, other in enumerate(CONDITIONS):
        errors = [_error(other, float(size), float(buffer), window) for window in ("box", ("smooth", int(q)))]
        strong = 1.0 if other == bc else 0.35
        looks = {"box": ("o", 9, "none", ORANGE), f"window q = {q}": ("D", 7, BLUE, BLUE)}
        for error, (name, (marker, ms, face, color)) in zip(errors, looks.items(), strict=True):
            seen = error >= FLOOR
            style = {"ms": ms, "mfc": face, "color": color, "alpha": strong, "label": name if other == bc else None}
            right.plot(error if seen else 1.2 * FLOOR, row, marker if seen else "<", ls="", **style)
    right.set(
        xscale="log",
        xlim=(FLOOR, 1),
        ylim=(-0.6, 2.6),
        xlabel="relative error of A (arrow: below 10⁻⁶)",
        title=f"{size:g} periods averaged, {whole:g} solved",
    )
    right.set_yticks(range(3), [name.capitalize() for name in CONDITIONS])
    right.legend(loc="upper left")
    return figure
