"""Constant-coefficient operators on a regular grid, and what inverts them fast: sines, cosines, plane waves.

With a diagonal tensor D the operator is diagonal in a cosine/sine basis: K0 = T^-1 L(D) T^-T with T = t x ... x t (one
small matrix t per axis). Only t depends on the boundary condition.
"""

import math
from collections.abc import Callable
from functools import cached_property, lru_cache, wraps
from itertools import product
from typing import Any

import numpy as np
import scipy.fft

Array = np.ndarray
Operator = Callable[[Array], Array]


def read_only(array: Array) -> Array:
    """A view that cannot be written to: what is lent to a user's function comes back as it was."""
    view = array.view()
    view.flags.writeable = False
    return view


def shared(compute: Callable) -> cached_property:
    """A ``cached_property`` that holds an array, or several: read-only, for every cell problem of the session shares them."""

    @wraps(compute)
    def fixed(grid: Any) -> Any:
        value = compute(grid)
        return tuple(map(read_only, value)) if isinstance(value, tuple) else read_only(value)

    return cached_property(fixed)


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


@lru_cache
def kinematics(dim: int, fields: str) -> Array:
    """The kinematic matrix S (L, m, d), for "scalar", "vector" or "strain"; "potential": curl and divergence in space."""
    if fields == "scalar":
        S = np.eye(dim)[:, None]
    elif fields == "potential":
        S = np.zeros((4, 3, 3))
        S[3] = np.eye(3)
        for i, k, m in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            S[i, m, k], S[i, k, m] = 1.0, -1.0
    elif fields == "vector":
        S = np.eye(dim * dim).reshape(dim * dim, dim, dim)
    else:
        pairs = [(i, i) for i in range(dim)] + [(i, j) for i in range(dim) for j in range(i + 1, dim)]
        S = np.zeros((len(pairs), dim, dim))
        for row, (i, j) in zip(S, pairs, strict=True):
            row[i, j] = row[j, i] = 1.0 if i == j else math.sqrt(0.5)
    return read_only(S)


# How much the energy of all first derivatives, component by component, exceeds that of the strain (Korn), rotations apart.
# Dirichlet: an identity. Neumann: 4.8 on 48 x 48 elements and 3.7 on 6^3 (eigenvalues), growing ever more slowly with n.
KORN = {"dirichlet": 1.5, "neumann": 8.0}


class Transforms:
    """What a grid knows of its constant-coefficient operators. It has ``dim``, ``cells``, ``nodes``, ``bc``, ``fields``,
    ``components``, and ``_symbols_1d``, the eigenvalues of stiffness and mass along one axis."""

    @property
    def kinematics(self) -> Array:
        """S (L, m, d)."""
        return kinematics(self.dim, self.fields)

    @shared
    def frequencies(self) -> Array:
        """Angles theta (n,) of the basis functions along one axis."""
        first = 1 if self.bc == "dirichlet" else 0
        return (2 if self.bc == "periodic" else 1) * np.pi * (first + np.arange(self.nodes)) / self.cells

    @shared
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

    @shared
    def symbols(self) -> Array:
        """Eigenvalues (d, n, ..., n) of the operators -d_k d_k, k = 1..d."""
        stiffness, mass = self._symbols_1d
        symbols = np.ones((self.dim, *(self.nodes,) * self.dim))
        for k, j in product(range(self.dim), range(self.dim)):
            symbols[k] *= (stiffness if j == k else mass).reshape([-1 if i == j else 1 for i in range(self.dim)])
        return symbols

    @shared
    def mass_symbol(self) -> Array:
        """Eigenvalues (n, ..., n) of the mass matrix."""
        _, mass = self._symbols_1d
        return np.prod(np.meshgrid(*[mass] * self.dim, indexing="ij"), axis=0)

    @shared
    def invisible(self) -> Array:
        """Modes (n, ..., n) that no operator sees. Their indices tell, not their size, for weak directions are small too.

        They are the constants and, on even Fourier grids, products of the highest frequencies, whose derivative vanishes.
        """
        line = np.zeros(self.nodes, dtype=bool)
        line[self._invisible_1d] = True
        return np.logical_and.reduce(np.meshgrid(*[line] * self.dim, indexing="ij"))

    @property
    def _invisible_1d(self) -> list[int]:
        return [] if self.bc == "dirichlet" else [0]

    @shared
    def hidden(self) -> Array:
        """The projection (n, n) onto what is invisible along one axis."""
        modes = self.transform[self._invisible_1d]
        return np.linalg.pinv(modes) @ modes

    def visible(self, field: Array) -> Array:
        """A nodal field without its invisible modes, which do nothing, but whose size costs digits."""
        hidden = field
        for k in range(self.dim):
            hidden = along(self.hidden, hidden, k, self.dim)
        return field - hidden

    def korn(self, diagonal: Array) -> Array:
        """C (B,) such that C r . P^-1 r bounds r . K0^-1 r, P^-1 the ``preconditioner`` made for K0: 1 where they agree.

        Strains that are not periodic are preconditioned component by component: P <= C K0 by Korn's inequality.
        """
        if self.fields != "strain" or self.bc == "periodic":
            return np.ones(len(diagonal))
        return KORN[self.bc] * diagonal.max(axis=1) / diagonal.min(axis=1)

    def preconditioner(self, diagonal: Array, shift: float | Array | None = None) -> Operator:
        """The inverse of K0 + shift M for B constant tensors diag(diagonal), diagonal (B, L), or, for periodic strains, tensors
        (B, L, L): r -> T^T L^-1 T r.

        Modes that K0 does not see are left out, which keeps every iterate orthogonal to them: loads are, and a small shift would
        blow up what round-off puts there. ``shift`` is a number or (B,).
        Each component is inverted for itself; only periodic strains, whose frequencies do not mix, couple them.
        """
        if self.fields == "strain" and self.bc == "periodic":
            return self._coupled_preconditioner(diagonal, shift)
        dense = self.nodes <= DENSE_TRANSFORM
        half = self.bc == "periodic" and not dense  # the real FFT stores half of the frequencies
        columns = slice(self.nodes // 2 + 1 if half else self.nodes)
        weights = np.einsum("lmk,bl->bmk", self.kinematics**2, diagonal)  # of -d_k d_k on component m
        symbols = np.tensordot(weights, self.symbols[..., columns], axes=1)
        if shift is not None:
            symbols = symbols + np.reshape(shift, (-1, *(1,) * (symbols.ndim - 1))) * self.mass_symbol[..., columns]
        inverse = np.divide(1.0, symbols, out=np.zeros(symbols.shape), where=~self.invisible[..., columns])
        inverse = inverse.reshape(len(inverse), 1, *self.components, *inverse.shape[2:])
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

    def _coupled_preconditioner(self, diagonal: Array, shift: float | Array | None) -> Operator:
        """Periodic strains: one m x m matrix for every frequency."""
        columns = slice(self.nodes // 2 + 1)
        S = self.kinematics
        tensors = diagonal if diagonal.ndim == 3 else diagonal[:, :, None] * np.eye(len(S))
        weights = np.einsum("lmk,blp,pnj->bmnkj", S, tensors, S)
        symbols = np.tensordot(weights, self.mixed_symbols[..., columns], axes=2)  # (B, m, m, n, ..., n)
        if shift is not None:
            shift = np.multiply.outer(np.broadcast_to(shift, len(symbols)), self.mass_symbol[..., columns])
            symbols = symbols + shift[:, None, None] * np.eye(self.dim).reshape(1, self.dim, self.dim, *(1,) * self.dim)
        visible = ~self.invisible[..., columns]
        inverse = np.zeros_like(symbols)
        blocks = np.linalg.inv(np.moveaxis(symbols[..., visible], -1, 1))
        inverse[..., visible] = np.moveaxis(blocks, 1, -1)
        axes = tuple(range(-self.dim, 0))

        def transform(r: Array) -> Array:
            spectrum = np.einsum("bmn...,bjn...->bjm...", inverse, scipy.fft.rfftn(r, axes=axes))
            return scipy.fft.irfftn(spectrum, s=r.shape[-self.dim :], axes=axes)

        return transform

    @shared
    def mixed_symbols(self) -> Array:
        """Eigenvalues (d, d, n, ..., n) of the operators -d_k d_j of a periodic grid."""
        stiffness, mass = self._symbols_1d
        symbols = np.ones((self.dim, self.dim, *(self.nodes,) * self.dim))
        for k, j, axis in product(range(self.dim), repeat=3):
            factor = mass if axis not in (k, j) else stiffness if k == j else self._slope_symbol
            symbols[k, j] *= factor.reshape([-1 if i == axis else 1 for i in range(self.dim)])
        return symbols

    @shared
    def _root_half(self) -> Array:
        """W^(-1/2) of the Neumann grid: sqrt(2) on every boundary face."""
        line = np.ones(self.nodes)
        line[[0, -1]] = np.sqrt(2)
        weight = np.ones((self.nodes,) * self.dim)
        for k in range(self.dim):
            weight = weight * line.reshape([-1 if i == k else 1 for i in range(self.dim)])
        return weight
