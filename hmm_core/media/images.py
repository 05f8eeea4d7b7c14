r"""Pictures of materials as media: what a pixel shows, the material has, exactly, and the picture repeats itself.

A picture keeps the axes that it is seen with: y_1 points to the right along its rows, y_2 *up*, against the order of the
rows, and y_3 from page to page of a stack. An array is indexed like a picture: [row, column], or [page, row, column]. The
picture is centred at y = 0, so that [[a, b], [d, c]] is ``checkerboard4(a, b, c, d)``.

A cell with n elements per period resolves every pixel if pixels are whole numbers of elements: for a square picture of N
pixels that is one period, n = N, 2N, 3N, ...

``from_image`` makes the medium, ``voxelised`` one of another medium; its ``fractions``, ``two_point`` and ``correlation_length``
describe the picture, and ``windows`` cuts it. Interfaces that run between the pixels are in ``grey``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.exact import positive, require
from hmm_core.media.functions import Medium

Array = np.ndarray
Values = Sequence | Mapping[Any, ArrayLike] | Callable[[Array], ArrayLike]


@dataclass(frozen=True, eq=False)
class ImageMedium(Medium):
    """A picture, made by ``from_image``. Equal pictures with equal values are equal media.

    phases    (N_1, ..., N_d)  number of the phase at every pixel, axes along y_1, ..., y_d
    labels    (m,)             what the picture shows where the phase is number 0, 1, ...
    table     (..., m)         their coefficients: numbers, tensors (d, d, m) or stiffnesses (d, d, d, d, m)
    spacing                    side of a pixel, in periods of y
    """

    phases: Array = field(repr=False)
    labels: Array = field(repr=False)
    table: Array = field(repr=False)
    spacing: float

    @property
    def dim(self) -> int:
        return self.phases.ndim

    @property
    def extent(self) -> tuple[float, ...]:
        """Sides of the picture, after which it repeats itself, in periods of y."""
        return tuple(self.spacing * count for count in self.phases.shape)

    @property
    def fractions(self) -> dict[Any, float]:
        """Volume fraction of every label."""
        counts = np.bincount(self.phases.ravel(), minlength=len(self.labels))
        return dict(zip(self.labels.tolist(), (counts / self.phases.size).tolist(), strict=True))

    def two_point(self, label: Any) -> Array:
        """Probability that y and y + r both lie in the phase, for all shifts r by whole pixels: (N_1, ..., N_d), r = 0 first.

        The picture is continued periodically: r = N_1 - 1 is the shift by one pixel to the left.
        """
        known = self.labels.tolist()
        require(label in known, "label", label, f"must be one of {known[:20]}")
        return _correlation((self.phases == known.index(label)).astype(float))

    @cached_property
    def correlation_length(self) -> float:
        """Distance, in periods, at which the covariance of the coefficient, averaged over directions, is 1/e of the variance."""
        table = self.table.reshape(-1, self.table.shape[-1])
        table = table / np.abs(table).max()
        covariance = 0.0
        for entry in table:
            a = entry[self.phases]
            if np.ptp(a) > 0:
                covariance = covariance + _correlation(a - a.mean())
        if np.ndim(covariance) == 0:
            return 0.0
        square = 0.0
        for axis, count in enumerate(self.phases.shape):
            shift = np.minimum(np.arange(count), count - np.arange(count)).astype(float)
            square = square + (shift * shift).reshape([-1 if k == axis else 1 for k in range(self.dim)])
        ring = np.rint(np.sqrt(square)).astype(int).ravel()
        profile = np.bincount(ring, covariance.ravel()) / np.bincount(ring) / covariance.flat[0]
        below = int(np.argmax(profile < np.exp(-1)))  # the first; 0 if there is none
        if below == 0:
            return self.spacing * min(self.phases.shape) / 2
        return self.spacing * float(below - (np.exp(-1) - profile[below]) / (profile[below - 1] - profile[below]))

    def windows(self, count: int) -> "list[ImageMedium]":
        """The picture cut into count^d equal windows, each a medium of its own, centred at y = 0, with pixels as large as before.

        How their tensors scatter says how sure one picture is: that of the whole scatters like a mean of count^d independent
        windows, as long as these are several correlation lengths wide.
        """
        sides = [n // count if isinstance(count, Integral) and count >= 1 else 0 for n in self.phases.shape]
        fits = all(side >= 1 and side * count == n for side, n in zip(sides, self.phases.shape, strict=True))
        require(fits, "count", count, f"must divide the numbers of pixels along the sides, {self.phases.shape}")
        corners = product(*(range(0, n, side) for n, side in zip(self.phases.shape, sides, strict=True)))
        return [
            _frozen(
                self.phases[tuple(slice(k, k + side) for k, side in zip(corner, sides, strict=True))],
                self.labels,
                self.table,
                self.spacing,
            )
            for corner in corners
        ]

    def constant_between(self, edges: Array) -> bool:
        """Whether the boxes between these equidistant coordinates, the same along every axis, each lie in one pixel."""
        h = (edges[-1] - edges[0]) / (len(edges) - 1)
        fine, slack = round(self.spacing / h), 1e-6 * h
        if fine < 1 or abs(self.spacing - fine * h) * len(edges) > slack * fine:
            return False
        corners = np.array([edges[0] + size / 2 for size in self.extent])
        return bool((np.abs(corners - h * np.rint(corners / h)) < slack).all())

    def _field(self, x: Array | None, y: Array) -> Array:
        index = []
        for y_k, count in zip(y, self.phases.shape, strict=True):
            t = np.floor(y_k / self.spacing + count / 2)
            t -= count * np.floor(t / count)
            index.append(t.astype(np.intp))
        return self.table[..., self.phases[tuple(index)]]

    @cached_property
    def _digest(self) -> bytes:
        whole = hashlib.blake2b(repr((self.phases.shape, self.table.shape, self.spacing)).encode(), digest_size=16)
        for part in (self.phases.astype(np.int64), self.table):
            whole.update(np.ascontiguousarray(part))
        return whole.digest()

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ImageMedium) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


def from_image(
    image: ArrayLike | str | Path, values: Values, spacing: float | Sequence[float] | None = None
) -> ImageMedium:
    """The material that a picture shows, continued periodically.

    Parameters
    ----------
    image : labels or grey levels, [row, column] or [page, row, column]; or a file that holds them (PNG, TIFF and its stacks,
        whatever imageio reads). Colours are refused: say what they mean by making labels of them. A threshold makes
        labels of grey levels, ``image > 0.5``.
    values : the coefficient of every label: a dict {label: value}, or a sequence that the labels 0, 1, ... number, of
        positive numbers, tensors (d, d) or stiffnesses (d, d, d, d); or a function of the grey levels (P,) that returns
        numbers (P,) or tensors (d, d, P), such as ``lambda g: 1 + 9 * g / 255``.
    spacing : side of a pixel, in periods of y. Without it the picture, which must be square, is one period.

    Raises
    ------
    ValueError
        The picture holds NaN or labels without a value, or is not of two or three dimensions; a value is not positive and
        finite, or belongs to a label that no pixel has; pixels are not square; the file is no image.
    TypeError
        ``values`` is none of the three.
    ImportError
        A file was named, and imageio is not installed.
    """
    pixels = pixels_of(image)
    labels, phases = np.unique(pixels, return_inverse=True)
    phases = along_axes(phases.reshape(pixels.shape))
    table = _table(values, labels, pixels.ndim)
    return _frozen(phases, labels, table, spacing_of(spacing, pixels.shape))


def pixels_of(image: ArrayLike | str | Path) -> Array:
    """The pixels of an array or a file, [row, column] or [page, row, column]; ValueError for what is no picture."""
    pixels = _read(image) if isinstance(image, str | Path) else np.asarray(image)
    require(pixels.dtype.kind in "buif", "image", pixels.dtype, "must hold real numbers: labels or grey levels")
    allowed = "must have two or three axes: [row, column], or [page, row, column] of a stack"
    require(pixels.ndim in (2, 3) and pixels.size > 0, "image.shape", pixels.shape, allowed)
    broken = ~np.isfinite(pixels)
    if broken.any():
        where = np.argwhere(broken)[0].tolist()
        raise ValueError(
            f"image holds {pixels[tuple(where)]} at {where} ({broken.sum()} such pixels): mask or fill them first"
        )
    return pixels


def along_axes(pixels: Array) -> Array:
    """A picture as it is seen, with axes along y_1, ..., y_d."""
    return pixels[::-1].T if pixels.ndim == 2 else pixels[:, ::-1].transpose(2, 1, 0)


def voxelised(medium: Callable, pixels: int, size: float = 1.0) -> ImageMedium:
    """The picture of a medium a(x, y) that ignores x: its values at the centres of pixels^d squares (cubes) of a sample.

    The sample is the cube (the square, if the medium has no ``dim``) of ``size`` periods around y = 0. Its picture is another
    medium, periodic and made of pixels, for which ``certify`` has bounds; how far it is from the first one, no bound says.
    """
    require(isinstance(pixels, Integral) and pixels >= 1, "pixels", pixels, "must be a positive integer")
    dim, spacing = getattr(medium, "dim", None) or 2, float(positive("size", size)) / pixels
    line = spacing * (np.arange(pixels) + 0.5 - pixels / 2)
    y = np.array(np.meshgrid(*[line] * dim, indexing="ij")).reshape(dim, 1, -1)
    a = np.asarray(medium(np.zeros((dim, 1, 1)), y), dtype=float)
    lead = a.shape[: {0: 0, 1: 0, 2: 0}.get(a.ndim, a.ndim - 2)]
    flat = np.broadcast_to(a, (*lead, 1, y.shape[2])).reshape(-1, y.shape[2])
    table, phases = np.unique(flat, axis=1, return_inverse=True)
    table = table.reshape(*lead, -1)
    for k, value in enumerate(np.moveaxis(table, -1, 0)):
        _refuse_value(value, k, dim)
    return _frozen(phases.reshape((pixels,) * dim), np.arange(table.shape[-1]), table, spacing)


def _frozen(phases: Array, labels: Array, table: Array, spacing: float) -> ImageMedium:
    phases = np.ascontiguousarray(phases, dtype=np.min_scalar_type(len(labels)))
    for array in (phases, labels, table):
        array.flags.writeable = False
    return ImageMedium(phases, labels, table, spacing)


def spacing_of(spacing: Any, shape: tuple[int, ...]) -> float:
    """Side of a pixel in periods, checked; by default that of a square picture that is one period."""
    if spacing is None:
        if len(set(shape)) > 1:
            colours = ": are these colours? Make labels of them" if shape[-1] in (3, 4) else ""
            raise ValueError(
                f"image.shape={shape}: without spacing= the picture is one period and must be square{colours}. Crop it, or say "
                "how large a pixel is, in periods, and ask cells that hold whole pictures"
            )
        return 1 / shape[0]
    sides = np.asarray(spacing, dtype=float)
    allowed = f"must be the side of a pixel in periods, a positive number, or {len(shape)} equal ones"
    require(sides.ndim == 0 or sides.shape == (len(shape),), "spacing", spacing, allowed)
    require((sides > 0) & np.isfinite(sides), "spacing", spacing, allowed)
    require(np.ptp(sides) == 0, "spacing", spacing, "pixels must be square (voxels cubic): resample the picture first")
    return float(sides.flat[0])


def _table(values: Values, labels: Array, dim: int) -> Array:
    """Coefficients (..., m) of the labels, checked."""
    if callable(values):
        table = np.array(values(labels.copy()), dtype=float)
        shapes = [(dim,) * rank + labels.shape for rank in (0, 2, 4)]
        allowed = f"must return numbers {shapes[0]}, tensors {shapes[1]} or stiffnesses {shapes[2]} for {len(labels)} grey levels"
        require(table.shape in shapes, "values", table.shape, allowed)
        found = [table[..., k] for k in range(len(labels))]
    else:
        known = _by_label(values)
        unknown = [label for label in labels.tolist() if label not in known]
        more = " (grey levels? Threshold them, or give a function of them)" if len(unknown) > 20 else ""
        require(not unknown, "image", unknown[:20], f"these labels have no value in values{more}")
        empty = [label for label in known if label not in set(labels.tolist())]
        require(not empty, "values", empty[:20], "no pixel shows these labels: an empty phase; leave its value out")
        found = [np.asarray(known[label], dtype=float) for label in labels.tolist()]
    for label, value in zip(labels.tolist(), found, strict=True):
        _refuse_value(value, label, dim)
    ranks = {value.ndim for value in found}
    require(not (4 in ranks and len(ranks) > 1), "values", sorted(ranks), "stiffnesses do not mix with conductivities")
    if ranks == {0, 2}:
        found = [value * np.eye(dim) if value.ndim == 0 else value for value in found]
    return np.stack(found, axis=-1)


def _by_label(values: Any) -> dict:
    if isinstance(values, Mapping):
        return dict(values)
    if isinstance(values, Sequence | np.ndarray) and not isinstance(values, str):
        return dict(enumerate(values))
    raise TypeError(f"values={values!r} must be a dict, a sequence or a function: what conducts how well")


def _refuse_value(value: Array, label: Any, dim: int) -> None:
    name = f"values[{label!r}]"
    shapes = [(dim,) * rank for rank in (0, 2, 4)]
    require(
        value.shape in shapes,
        name,
        value.tolist(),
        f"must be a number, or a tensor of shape {shapes[1]} or {shapes[2]}",
    )
    if value.ndim == 0:
        allowed = (
            "must be positive and finite. Holes and perfect conductors are limits: whether they exist depends on which phase "
            "percolates. Take a small or a large number, and another one to see whether it matters"
        )
        require((value > 0) & np.isfinite(value), name, float(value), allowed)
        return
    require(np.isfinite(value), name, value.tolist(), "must be finite")
    if value.ndim == 2:
        definite = np.linalg.eigvalsh(value + value.T) > 0
        require(definite, name, value.tolist(), "must be positive definite (its symmetric part)")


def _correlation(a: Array) -> Array:
    """<a(y) a(y + r)> over a period, for all shifts r."""
    import scipy.fft

    spectrum = scipy.fft.rfftn(a)
    return scipy.fft.irfftn(np.abs(spectrum) ** 2, s=a.shape) / a.size


def _read(path: str | Path) -> Array:
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"image={str(path)!r}: there is no such file")
    try:
        import imageio.v3
    except ImportError as error:
        raise ImportError(
            "reading image files needs imageio: pip install 'hmm-core[images]' (or pass the picture as a NumPy array)"
        ) from error
    try:
        pixels = np.asarray(
            imageio.v3.imread(path.read_bytes(), index=..., plugin="pillow")
        )  # it forgets to close files
    except Exception as error:  # imageio raises whatever its reader does
        raise ValueError(f"image={str(path)!r} is no image that imageio can read: {error}") from error
    if pixels.ndim == 4:  # page, row, column, channel: grey or red, green, blue; and opacity
        count = pixels.shape[-1]
        colours, opacity = (1, 1) if count == 2 else (3, count - 3)
        same = (pixels[..., :colours] == pixels[..., :1]).all() and (not opacity or np.ptp(pixels[..., -1]) == 0)
        allowed = "shows colours or is transparent: turn it into labels or grey levels, and pass the array"
        require(same, "image", str(path), allowed)
        pixels = pixels[..., 0]
    return pixels[0] if len(pixels) == 1 else pixels
