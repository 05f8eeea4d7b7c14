"""Regular grids of a sampling domain: the discrete operators of the cell problem and what inverts them fast.

A sampling domain is a cube of side ``length`` (in periods) centred at 0 and cut into ``cells`` elements per side. Three
descriptions share one interface: ``Q1Grid`` (multilinear finite elements, any boundary condition), ``FourierGrid``
(trigonometric polynomials, periodic) and ``LineGrid`` (one dimension, quadrature only).

Array layouts, for B cell problems solved together with J right-hand sides each:

    coefficient  (B, c, G, E)     c = 1 scalar or d*d tensor components, G quadrature points in each of E elements
    nodal field  (B, J, n, ..., n)
    gradient     (B, J, d, G, E)

The constant-coefficient operator with diagonal tensor D is diagonal in a cosine/sine basis: K0 = T^-1 L(D) T^-T with
T = t x ... x t (one small matrix t per axis). Only t depends on the boundary condition.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
import scipy.fft

Array = np.ndarray
Operator = Callable[[Array], Array]

# glibc hands blocks above 128 KB back to the system and pays page faults for the next one, until a larger block has been
# freed once. The fields of an iteration are such blocks, so free one: it is never touched and costs nothing.
np.empty(2**22 - 2**12)

# Up to this n a dense transform by matrix product is at least twice as fast as the FFT (measured; 5 times the DST at 32).
DENSE_TRANSFORM = 48


def along(matrix: Array, field: Array, axis: int, dim: int) -> Array:
    """Apply a matrix along one of the ``dim`` trailing axes of a field."""
    first, shape = field.ndim - dim + axis, field.shape
    n, rest = shape[first], math.prod(shape[first + 1 :])
    if rest == 1:  # BLAS is faster on small matrices that are not transposed views
        return (field.reshape(-1, n) @ np.ascontiguousarray(matrix.T)).reshape(*shape[:-1], len(matrix))
    return (matrix @ field.reshape(-1, n, rest)).reshape(*shape[:first], len(matrix), *shape[first + 1 :])


def window_weights(edges: Array, reference: Array, size: float, window: str | tuple[str, float] = "box") -> Array:
    r"""Weights (G, N) with sum(weights * f) = \int K(y) f(y) dy for f a polynomial on every element.

    ``K`` has unit integral and lives on |y| < size/2: the box 1/size, or K_q(y) ~ (1/4 - (y/size)^2)^q. ``f`` is
    the interpolant of its values at the points ``reference`` (G,) of [0, 1], mapped to the N elements between
    ``edges`` (N+1,). Elements that the window cuts are integrated exactly over the part inside: counting points in
    or out instead would stall the average near 1e-3.
    """
    h = edges[1] - edges[0]
    start = np.clip((-size / 2 - edges[:-1]) / h, 0, 1)
    stop = np.clip((size / 2 - edges[:-1]) / h, 0, 1)
    order = 0.0 if window == "box" else float(window[1])
    xi, weight = np.polynomial.legendre.leggauss(len(reference) + int(np.ceil(order)) + 2)
    xi, weight = (xi + 1) / 2, weight / 2
    s = start + (stop - start) * xi[:, None]  # (Q, N) quadrature points inside the window
    y = edges[:-1] + h * s
    kernel = np.clip(0.25 - (y / size) ** 2, 0, None) ** order * (stop - start) * weight[:, None]
    lagrange = np.ones((len(reference), *s.shape))
    for g, h_k in product(range(len(reference)), range(len(reference))):
        if g != h_k:
            lagrange[g] *= (s - reference[h_k]) / (reference[g] - reference[h_k])
    weights = (lagrange * kernel).sum(axis=1)
    return weights / kernel.sum()


def multiply(a: Array, gradient: Array) -> Array:
    """Flux a*gradient at the quadrature points: (B, c, G, E) x (B, J, d, G, E) -> (B, J, d, G, E)."""
    d = gradient.shape[2]
    if a.shape[1] == 1:
        return a[:, None] * gradient
    return np.einsum("bikge,bjkge->bjige", a.reshape(len(a), d, d, *a.shape[2:]), gradient)


@dataclass(frozen=True)
class _Grid:
    """What the discretisations share: places of points, averages, and the transform that inverts K0."""

    dim: int
    cells: int
    length: float
    bc: str = "periodic"

    @property
    def h(self) -> float:
        return self.length / self.cells

    @property
    def nodes(self) -> int:
        """Unknowns per axis."""
        return self.cells + {"periodic": 0, "dirichlet": -1, "neumann": 1}[self.bc]

    @cached_property
    def edges(self) -> Array:
        """Coordinates (cells+1,) of the element boundaries along every axis, in periods, centre at 0."""
        return self.length * (np.arange(self.cells + 1) / self.cells - 0.5)

    @cached_property
    def points(self) -> Array:
        """Quadrature points (d, G*E): quadrature index first, elements in C order."""
        line = self.edges[:-1] + self.h * self.reference[:, None]  # (g, N)
        axes = []
        for k in range(self.dim):
            shape = [1] * (2 * self.dim)
            shape[k], shape[self.dim + k] = line.shape
            axes.append(np.broadcast_to(line.reshape(shape), self._point_shape).ravel())
        return np.array(axes)

    @property
    def _point_shape(self) -> tuple[int, ...]:
        return (len(self.reference),) * self.dim + (self.cells,) * self.dim

    @lru_cache(maxsize=32)  # noqa: B019  grids are few, and live as long as the session anyway
    def window(self, size: float, window: str | tuple[str, float] = "box") -> Array:
        """Averaging weights (G, E) of the tensor-product window: sum(weights * f) = <f>. Not to be written to."""
        line = window_weights(self.edges, self.reference, size, window)
        weights = np.ones(self._point_shape)
        for k in range(self.dim):
            shape = [1] * (2 * self.dim)
            shape[k], shape[self.dim + k] = line.shape
            weights = weights * line.reshape(shape)
        weights.flags.writeable = False
        return weights.reshape(len(self.reference) ** self.dim, -1)

    def nodal_window(self, size: float, window: str | tuple[str, float] = "box") -> Array:
        """The same average for fields given at the unknowns: weights (n, ..., n) of their multilinear interpolant."""
        left, right = window_weights(self.edges, np.array([0.0, 1.0]), size, window)
        line = np.append(left, 0.0)
        line[1:] += right
        return self.restrict(np.prod(np.meshgrid(*[line] * self.dim, indexing="ij"), axis=0))

    # -- the constant-coefficient operator and its inverse ----------------------------------------------------------

    @cached_property
    def frequencies(self) -> Array:
        """Angles theta (n,) of the basis functions along one axis."""
        first = 1 if self.bc == "dirichlet" else 0
        return (2 if self.bc == "periodic" else 1) * np.pi * (first + np.arange(self.nodes)) / self.cells

    @cached_property
    def transform(self) -> Array:
        """The matrix t (n, n) of one axis: discrete Hartley (periodic), sine (Dirichlet), cosine (Neumann).

        The Neumann operator is not symmetric until its boundary rows are halved, K0 = W C^-1 L C, so its t carries
        W^(-1/2): the half weights turn the orthonormal cosine matrix into the plain one.
        """
        if self.bc == "periodic":
            angle = np.outer(self.frequencies, np.arange(self.cells))
            return (np.cos(angle) + np.sin(angle)) / np.sqrt(self.cells)
        if self.bc == "dirichlet":
            return np.sqrt(2 / self.cells) * np.sin(np.outer(self.frequencies, np.arange(1, self.cells)))
        t = np.sqrt(2 / self.cells) * np.cos(np.outer(self.frequencies, np.arange(self.cells + 1)))
        t[[0, -1]] /= np.sqrt(2)
        return t

    @cached_property
    def symbols(self) -> Array:
        """Eigenvalues (d, n, ..., n) of the operators -d_k d_k, k = 1..d."""
        stiffness, mass = self._symbols_1d
        symbols = np.ones((self.dim, *(self.nodes,) * self.dim))
        for k, j in product(range(self.dim), range(self.dim)):
            symbols[k] *= (stiffness if j == k else mass).reshape([-1 if i == j else 1 for i in range(self.dim)])
        return symbols

    @cached_property
    def mass_symbol(self) -> Array:
        """Eigenvalues (n, ..., n) of the mass matrix."""
        _, mass = self._symbols_1d
        return np.prod(np.meshgrid(*[mass] * self.dim, indexing="ij"), axis=0)

    def preconditioner(self, diagonal: Array, shift: float = 0.0) -> Operator:
        """The inverse of K0 + shift M for B constant tensors diag(diagonal), diagonal (B, d): r -> T^T L^-1 T r.

        Constants (and, for even Fourier grids, the highest frequencies) have L = 0: they are left out, which keeps
        every iterate orthogonal to them.
        """
        dense = self.nodes <= DENSE_TRANSFORM
        half = self.bc == "periodic" and not dense  # the real FFT stores half of the frequencies
        columns = slice(self.nodes // 2 + 1 if half else self.nodes)
        symbols = np.tensordot(diagonal, self.symbols[..., columns], axes=1) + shift * self.mass_symbol[..., columns]
        visible = symbols > 1e-12 * symbols.max(
            axis=tuple(range(1, symbols.ndim)), keepdims=True
        )  # each problem for itself
        inverse = np.divide(1.0, symbols, out=np.zeros_like(symbols), where=visible)[:, None]
        axes = tuple(range(-self.dim, 0))

        def dense_transform(r: Array) -> Array:
            for k in range(self.dim):
                r = along(self.transform, r, k, self.dim)
            r *= inverse
            for k in range(self.dim):
                r = along(self.transform.T, r, k, self.dim)
            return r

        def fast_transform(r: Array) -> Array:
            if self.bc == "periodic":
                spectrum = scipy.fft.rfftn(r, axes=axes)
                spectrum *= inverse
                return scipy.fft.irfftn(spectrum, s=r.shape[-self.dim :], axes=axes)
            if self.bc == "dirichlet":
                spectrum = scipy.fft.dstn(r, type=1, norm="ortho", axes=axes)
                spectrum *= inverse
                return scipy.fft.dstn(spectrum, type=1, norm="ortho", axes=axes, overwrite_x=True)
            spectrum = scipy.fft.dctn(r * self._root_half, type=1, norm="ortho", axes=axes)
            spectrum *= inverse
            return scipy.fft.dctn(spectrum, type=1, norm="ortho", axes=axes, overwrite_x=True) * self._root_half

        return dense_transform if dense else fast_transform

    @cached_property
    def _root_half(self) -> Array:
        """W^(-1/2) of the Neumann grid: sqrt(2) on every boundary face."""
        line = np.ones(self.nodes)
        line[[0, -1]] = np.sqrt(2)
        weight = np.ones((self.nodes,) * self.dim)
        for k in range(self.dim):
            weight = weight * line.reshape([-1 if i == k else 1 for i in range(self.dim)])
        return weight

    # -- nodal fields on the closed grid of (cells+1)^d points, which all boundary conditions share -----------------

    def extend(self, field: Array) -> Array:
        """Nodal unknowns -> values at all (cells+1)^d grid points (wrapped, or zero on the boundary)."""
        if self.bc == "neumann":
            return field
        keep = field.ndim - self.dim
        if self.bc == "dirichlet":
            closed = np.zeros((*field.shape[:keep], *(self.cells + 1,) * self.dim))
            closed[(..., *(slice(1, -1),) * self.dim)] = field
            return closed
        return np.pad(field, [(0, 0)] * keep + [(0, 1)] * self.dim, mode="wrap")

    def restrict(self, closed: Array) -> Array:
        """The transpose of ``extend``: a functional on all grid points -> on the unknowns (a view; may overwrite)."""
        if self.bc == "neumann":
            return closed
        if self.bc == "dirichlet":
            return closed[(..., *(slice(1, -1),) * self.dim)]
        for k in range(-self.dim, 0):
            face = np.moveaxis(closed, k, 0)
            face[0] += face[-1]
        return closed[(..., *(slice(0, -1),) * self.dim)]


@dataclass(frozen=True)
class Q1Grid(_Grid):
    """Multilinear finite elements with 2^d Gauss points in every element."""

    reference = np.array([0.5 - 0.5 / np.sqrt(3), 0.5 + 0.5 / np.sqrt(3)])

    @cached_property
    def _symbols_1d(self) -> tuple[Array, Array]:
        cos = np.cos(self.frequencies)
        return (2 - 2 * cos) / self.h, self.h * (2 + cos) / 3

    @cached_property
    def corners(self) -> list[tuple[int, ...]]:
        return list(product((0, 1), repeat=self.dim))

    @cached_property
    def shape_gradients(self) -> Array:
        """Gradients (corner, d, G) of the 2^d shape functions at the Gauss points."""
        value = np.array([1 - self.reference, self.reference])  # (corner, point) in one dimension
        slope = np.array([[-1.0, -1.0], [1.0, 1.0]]) / self.h
        table = np.empty((len(self.corners), self.dim, len(self.corners)))
        for (c, corner), (g, gauss) in product(enumerate(self.corners), enumerate(self.corners)):
            for i in range(self.dim):
                factors = [(slope if k == i else value)[corner[k], gauss[k]] for k in range(self.dim)]
                table[c, i, g] = np.prod(factors)
        return table

    @property
    def _point_weight(self) -> float:
        return (self.h / 2) ** self.dim

    def _element(self, corner: tuple[int, ...]) -> tuple:
        """The slice of the closed grid that holds one corner of every element."""
        return (..., *(slice(c, c + self.cells) for c in corner))

    def _scatter(self, values: Array) -> Array:
        """Add corner values (..., corner, E) of all elements into the unknowns."""
        closed = np.zeros((*values.shape[:-2], *(self.cells + 1,) * self.dim))
        values = values.reshape(*values.shape[:-1], *(self.cells,) * self.dim)
        for c, corner in enumerate(self.corners):
            closed[self._element(corner)] += values[(..., c, *(slice(None),) * self.dim)]
        return np.ascontiguousarray(self.restrict(closed))

    def load(self, a: Array) -> Array:
        """Functionals v -> int (a e_j) . grad v, for j = 1..d: (B, c, G, E) -> (B, d, nodes)."""
        d, g = self.dim, len(self.corners)
        if a.shape[1] == 1:
            table = self.shape_gradients.transpose(1, 0, 2)  # (j, corner, g)
        else:
            table = np.einsum("cig,jk->jcikg", self.shape_gradients, np.eye(d))
        table = self._point_weight * table.reshape(d * g, -1)
        return self._scatter((table @ a.reshape(len(a), -1, a.shape[-1])).reshape(len(a), d, g, -1))

    def divergence(self, flux: Array) -> Array:
        """Functional v -> int flux . grad v: (B, J, d, G, E) -> (B, J, nodes)."""
        table = self._point_weight * self.shape_gradients.reshape(len(self.corners), -1)
        return self._scatter(table @ flux.reshape(*flux.shape[:2], -1, flux.shape[-1]))

    def gradient(self, field: Array) -> Array:
        """Gradient at the Gauss points: (B, J, nodes) -> (B, J, d, G, E)."""
        closed = self.extend(field)
        values = np.stack([closed[self._element(c)].reshape(*field.shape[:2], -1) for c in self.corners], axis=2)
        table = self.shape_gradients.reshape(len(self.corners), -1).T
        return (table @ values).reshape(*field.shape[:2], self.dim, len(self.corners), -1)

    def stencil(self, a: Array) -> Array:
        """The operator v -> int a grad w . grad v as 3^d couplings of every node: (B, c, G, E) -> (B, 3^d, nodes).

        Assembled once, it makes an iteration as cheap for tensors at Gauss points as for one number per element.
        """
        flat, tables = a.reshape(len(a), -1, a.shape[-1]), self._couplings[a.shape[1] > 1]
        closed = np.zeros((len(a), 3**self.dim, *(self.cells + 1,) * self.dim))
        for corner, table in zip(self.corners, tables, strict=True):
            couplings = (table @ flat).reshape(len(a), -1, *(self.cells,) * self.dim)
            for beta, other in enumerate(self.corners):
                closed[:, self._offset(corner, other)][self._element(corner)] += couplings[:, beta]
        return self.restrict(closed)

    @cached_property
    def _couplings(self) -> tuple[Array, Array]:
        """grad phi_beta . a grad phi_alpha as linear maps (alpha, beta, c * G) of a scalar and of a tensor."""
        g, count = self.shape_gradients, len(self.corners)
        scalar, tensor = np.einsum("aig,big->abg", g, g), np.einsum("aig,bkg->abikg", g, g)
        return tuple(self._point_weight * table.reshape(count, count, -1) for table in (scalar, tensor))

    @cached_property
    def mass(self) -> Array:
        """The operator w -> int w v as a stencil (3^d, nodes)."""
        value = np.array([1 - self.reference, self.reference])
        line = value @ value.T * self.h / 2
        closed = np.zeros((3**self.dim, *(self.cells + 1,) * self.dim))
        for corner, other in product(self.corners, self.corners):
            coupling = np.prod([line[c, o] for c, o in zip(corner, other, strict=True)])
            closed[self._offset(corner, other)][self._element(corner)] += coupling
        return self.restrict(closed)

    def _offset(self, corner: tuple[int, ...], other: tuple[int, ...]) -> int:
        """Which of the 3^d couplings leads from one corner of an element to another."""
        return int(np.ravel_multi_index([1 + o - c for o, c in zip(other, corner, strict=True)], (3,) * self.dim))

    def operator(self, stencil: Array) -> Operator:
        """w (B, J, nodes) -> K w, by the sparse matrix of all B problems: compiled loops that read a coupling once."""
        matrix = self.matrix(stencil)

        def apply(field: Array) -> Array:
            out = np.empty_like(field)
            for j in range(field.shape[1]):
                out[:, j] = (matrix @ field[:, j].ravel()).reshape(out[:, j].shape)
            return out

        return apply

    def matrix(self, stencil: Array):
        """Stencils (B, 3^d, nodes) as one SciPy CSR matrix with B diagonal blocks."""
        import scipy.sparse

        columns, inside = self._neighbours
        batch, size = len(stencil), len(columns)
        entries = stencil.reshape(batch, -1, size).swapaxes(1, 2) * inside
        first = size * np.arange(batch, dtype=columns.dtype)[:, None, None]
        rows = np.arange(0, entries.size + 1, columns.shape[1], dtype=columns.dtype)
        return scipy.sparse.csr_matrix((entries.ravel(), (columns + first).ravel(), rows), shape=(batch * size,) * 2)

    @cached_property
    def _neighbours(self) -> tuple[Array, Array]:
        """Numbers (nodes, 3^d) of the nodes around every node, wrapped, and 1 or 0: whether they are unknowns."""
        box = (self.nodes,) * self.dim
        number = np.pad(np.arange(math.prod(box), dtype=np.int32).reshape(box), 1, mode="wrap")
        inside = np.pad(np.ones(box), 1, mode="wrap" if self.bc == "periodic" else "constant")
        shifts = [tuple(slice(s, s + self.nodes) for s in shift) for shift in product((0, 1, 2), repeat=self.dim)]
        return tuple(np.stack([table[s].ravel() for s in shifts], axis=1) for table in (number, inside))


@dataclass(frozen=True)
class FourierGrid(_Grid):
    """Trigonometric polynomials with the trapezoidal rule on their grid: spectral for smooth coefficients.

    Derivatives are one small dense matrix per axis; the grids that smooth media need are too small for an FFT to win.
    """

    reference = np.array([0.0])

    @cached_property
    def wavenumbers(self) -> Array:
        k = np.fft.fftfreq(self.cells, d=self.h) * 2 * np.pi
        if self.cells % 2 == 0:
            k[self.cells // 2] = 0.0  # the derivative of the highest cosine vanishes on the grid
        return k

    @cached_property
    def derivative(self) -> Array:
        """The matrix (n, n) that differentiates trigonometric interpolants along one axis."""
        return np.real(np.fft.ifft(1j * self.wavenumbers[:, None] * np.fft.fft(np.eye(self.cells), axis=0), axis=0))

    @cached_property
    def _symbols_1d(self) -> tuple[Array, Array]:
        return self.h * self.wavenumbers**2, np.full(self.cells, self.h)

    def gradient(self, field: Array) -> Array:
        parts = [along(self.derivative, field, k, self.dim) for k in range(self.dim)]
        return np.stack(parts, axis=2).reshape(*field.shape[:2], self.dim, 1, -1)

    def divergence(self, flux: Array) -> Array:
        flux = flux.reshape(*flux.shape[:3], *(self.cells,) * self.dim)
        parts = [along(self.derivative.T, flux[:, :, k], k, self.dim) for k in range(self.dim)]
        return self.h**self.dim * sum(parts)

    def load(self, a: Array) -> Array:
        d = self.dim
        columns = np.zeros((len(a), d, d, *a.shape[2:]))  # (B, j, i, G, E): column j of the tensor
        if a.shape[1] == 1:
            for j in range(d):
                columns[:, j, j] = a[:, 0]
        else:
            columns[:] = a.reshape(len(a), d, d, *a.shape[2:]).swapaxes(1, 2)
        return self.divergence(columns)

    def stencil(self, a: Array) -> Array:
        return a  # nothing to assemble: the operator acts through the derivatives

    def operator(self, a: Array) -> Operator:
        return lambda field: self.divergence(multiply(a, self.gradient(field)))


@dataclass(frozen=True)
class LineGrid(_Grid):
    """One dimension: the flux is constant, so all that is needed is a quadrature (ten Gauss points per element)."""

    reference = (np.polynomial.legendre.leggauss(10)[0] + 1) / 2
