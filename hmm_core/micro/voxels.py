r"""Periodic cells whose coefficient is constant in every element: pictures of materials, without a matrix.

A multilinear field is, in an element of side h with local coordinates xi in [-1/2, 1/2]^d, a sum over modes m in {0, 1}^d of
u_m xi^m, and u_m comes from the corner values by means (m_k = 0) and differences (m_k = 1) along one axis after the other. In
these modes derivatives are shifts, d_k u = (1/h) sum_{m_k = 1} u_m xi^(m - e_k), and the functions xi^mu are orthogonal with
<xi^mu xi^mu> = 12^-|mu|. So energies are integrated exactly, as sums of squares if a is a number, and the operator costs some
additions along the axes, needs no field but the coefficient, and goes through the cell slab by slab, in cache.

Gradients are dictionaries {(l, mu): coefficients}, l one of the L components that the kinematic matrix S (L, m, d) makes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, Q1Grid
from hmm_core.micro.interface import twist
from hmm_core.micro.krylov import conjugate_gradients, dot
from hmm_core.micro.systems import Systems

SLAB = 2**14  # elements that are worked on together
LIMIT = 200  # iterations after which a rough picture is handed to the general solvers, which have multigrid

Mode = tuple[int, ...]
Gradient = dict[tuple[int, Mode], Array]


@dataclass(frozen=True, eq=False)
class Voxels:
    """The operator v -> int (a grad w) . grad v, a (c, n, ..., n) with c = 1 or L*L, on a periodic grid.

    ``twist`` (n, ..., n) multiplies the flux of what deviates from the mean gradient of an element (see ``interface``).
    """

    grid: Q1Grid
    a: Array
    twist: Array | None = None

    # -- an element's modes ---------------------------------------------------------------------------------------------

    @cached_property
    def terms(self) -> list[tuple[int, int, int, float]]:
        """(l, component, k, S_lck) where it is not zero."""
        S = self.grid.kinematics
        return [(*map(int, at), float(S[tuple(at)])) for at in np.argwhere(S)]

    @cached_property
    def simple(self) -> bool:
        """Numbers that act on scalars: the modes themselves are orthogonal."""
        return len(self.a) == 1 and not self.grid.components

    def slabs(self) -> Iterator[slice]:
        n = self.grid.cells
        step = max(1, SLAB // n ** (self.grid.dim - 1))
        return (slice(first, min(first + step, n)) for first in range(0, n, step))

    def modes(self, closed: Array) -> dict[Mode, Array]:
        """Corner values (s+1, n+1, ...) of a slab -> u_m (s, n, ...), without the constant mode."""
        parts = {(): closed}
        for axis in range(self.grid.dim):
            low, high = ((slice(None),) * axis + (cut,) for cut in (slice(-1), slice(1, None)))
            split = {}
            for mode, v in parts.items():
                if any(mode) or axis < self.grid.dim - 1:
                    mean = v[low] + v[high]
                    mean *= 0.5
                    split[(*mode, 0)] = mean
                split[(*mode, 1)] = v[high] - v[low]
            parts = split
        return parts

    def corners(self, parts: dict[Mode, Array]) -> Array:
        """The transpose."""
        for axis in reversed(range(self.grid.dim)):
            low, high = ((slice(None),) * axis + (cut,) for cut in (slice(-1), slice(1, None)))
            joined = {}
            for mode in {mode[:-1]: None for mode in parts}:
                mean, slope = parts.get((*mode, 0)), parts[(*mode, 1)]
                shape = list(slope.shape)
                shape[axis] += 1
                v = np.zeros(shape)
                v[high] = slope
                v[low] -= slope
                if mean is not None:
                    mean = 0.5 * mean
                    v[high] += mean
                    v[low] += mean
                joined[mode] = v
            parts = joined
        return parts[()]

    def gradient(self, closed: Array) -> Gradient:
        """Of a field ([m,] s+1, n+1, ...) on a slab, times h."""
        fields = closed if self.grid.components else closed[None]
        modes, gradient = [self.modes(field) for field in fields], {}
        for row, c, k, factor in self.terms:
            for mode, value in modes[c].items():
                if mode[k]:
                    key = row, (*mode[:k], 0, *mode[k + 1 :])
                    value = value if factor == 1 else factor * value
                    gradient[key] = gradient[key] + value if key in gradient else value
        return gradient

    def flux(self, slab: slice, gradient: Gradient) -> Gradient:
        """a times a gradient on a slab."""
        a = self.a[:, slab]
        if len(a) == 1:
            return {key: a[0] * value for key, value in gradient.items()}
        L, flux = len(self.grid.kinematics), {}
        for (k, mu), value in gradient.items():
            for i in range(L):
                if a[i * L + k].any():
                    part = a[i * L + k] * value
                    if self.twist is not None and any(mu):
                        part *= self.twist[slab]
                    flux[i, mu] = flux[i, mu] + part if (i, mu) in flux else part
        return flux

    def divergence(self, flux: Gradient) -> Array:
        """The functional v -> sum over the slab of <flux . h grad v> in elements: ([m,] s+1, n+1, ...)."""
        parts: list[dict[Mode, Array]] = [{} for _ in range(self.grid.kinematics.shape[1])]
        for row, c, k, factor in self.terms:
            for (component, mu), value in flux.items():
                if component == row and not mu[k]:
                    mode = (*mu[:k], 1, *mu[k + 1 :])
                    value = (factor / 12.0 ** sum(mu)) * value
                    parts[c][mode] = parts[c][mode] + value if mode in parts[c] else value
        shape = next(iter(flux.values())).shape
        for part in parts:
            for mode in product((0, 1), repeat=self.grid.dim):
                if any(mode) and mode not in part:
                    part[mode] = np.zeros(shape)
        return np.array([self.corners(part) for part in parts]) if self.grid.components else self.corners(parts[0])

    # -- fields ---------------------------------------------------------------------------------------------------------

    def cut(self, slab: slice, closed: Array) -> Array:
        """The part of a closed field ([m,] n+1, ...) on a slab."""
        lead = (slice(None),) * len(self.grid.components)
        return closed[(*lead, slice(slab.start, slab.stop + 1))]

    def gathered(self, functional: Any) -> Array:
        """Functionals of all slabs, ``functional(slab)``, as one of the unknowns."""
        grid = self.grid
        out = np.zeros((*grid.components, *(grid.cells + 1,) * grid.dim))
        for slab in self.slabs():
            self.cut(slab, out)[...] += functional(slab)
        return np.ascontiguousarray(grid.fold(out))

    def apply(self, field: Array) -> Array:
        """w ([m,] n, ...) -> K w."""
        closed, scale = self.grid.extend(field), self.grid.h ** (self.grid.dim - 2)

        def functional(slab: slice) -> Array:
            if not self.simple:
                return self.divergence(self.flux(slab, self.gradient(self.cut(slab, closed))))
            parts, a = self.modes(closed[slab.start : slab.stop + 1]), self.a[0, slab]
            for mode, value in parts.items():
                value *= a
                if sum(mode) > 1:
                    value *= sum(mode) / 12.0 ** (sum(mode) - 1)
            return self.corners(parts)

        out = self.gathered(functional)
        return out if scale == 1 else np.multiply(out, scale, out=out)

    def load(self, a: Array, j: int) -> Array:
        """v -> int (a e_j) . grad v for a coefficient (c, n, ..., n)."""
        L, zero, h = len(self.grid.kinematics), (0,) * self.grid.dim, self.grid.h
        rows = {j: a[0]} if len(a) == 1 else {i: a[i * L + j] for i in range(L)}
        return h ** (self.grid.dim - 1) * self.gathered(
            lambda slab: self.divergence({(i, zero): row[slab] for i, row in rows.items()})
        )

    def energy(self, w: list[Array]) -> Array:
        """<(e_i + grad w_i) . a (e_j + grad w_j)> (J, J) of fields on the closed grid, integrated exactly.

        Products are summed slab by slab, and these sums without error.
        """
        count, zero, h = len(w), (0,) * self.grid.dim, self.grid.h
        sums: list[list[list[float]]] = [[[] for _ in range(count)] for _ in range(count)]
        for slab in self.slabs():
            gradients = [self.gradient(self.cut(slab, field)) for field in w]
            for j, gradient in enumerate(gradients):
                for key in gradient:
                    gradient[key] = gradient[key] / h
                gradient[j, zero] = gradient.get((j, zero), 0.0) + 1.0
            for j, gradient in enumerate(gradients):
                flux = self.flux(slab, gradient)
                for i in range(j + 1):
                    sums[i][j] += [
                        float(np.vdot(gradients[i][key], value)) / 12.0 ** sum(key[1])
                        for key, value in flux.items()
                        if key in gradients[i]
                    ]
        energy = np.zeros((count, count))
        for i, j in product(range(count), repeat=2):
            energy[i, j] = math.fsum(sums[min(i, j)][max(i, j)]) / self.grid.cells**self.grid.dim
        return energy


def solve_voxels(cell: Any, grid: Q1Grid, a: Array) -> tuple[Array, ...] | None:
    """One symmetric problem, a (1, c, 1, E): tensor (L, L), w (L, [m,] n, ...), iterations (L,), residual.

    None where it is not solved to the cell's ``tol``, in ``LIMIT`` iterations or in double precision.
    """
    w, iterations, missing, reached = relax(cell, grid, a, len(grid.kinematics))
    if not reached:
        return None
    tensor = voxels_of(cell, grid, a).energy([grid.extend(field) for field in w])
    return tensor, w, iterations, float(np.sqrt(missing.max()))


def relax(cell: Any, grid: Q1Grid, a: Array, columns: int) -> tuple[Array, Array, Array, bool]:
    """Fields w_j (columns, [m,] n, ...) for the unit gradients e_j, iterations and energies of what they leave out of balance,
    relative to the unit gradients' (columns,), and whether the tensor is as accurate as the cell's ``tol`` asks.

    Directions are solved one after the other: all takes about twenty fields of memory, the solution included.
    """
    systems, voxels = Systems(cell, grid, a, True), voxels_of(cell, grid, a)
    target = systems.equivalence[:, None] * systems.allowed(True)
    fluctuation = _fluctuation(voxels.a, systems.mean[0])
    w, iterations, missing, reached = np.empty((columns, *grid.shape)), [], [], True
    for j in range(columns):
        b = -voxels.load(fluctuation, j)[None, None]
        found, _, rho, steps = conjugate_gradients(
            lambda p: voxels.apply(p[0, 0])[None, None], systems.precondition, b, target[:, j : j + 1], LIMIT
        )
        w[j] = found[0, 0]
        b -= voxels.apply(w[j])  # an iteration's own residual keeps falling where the true one does not
        rest = dot(b, systems.precondition(b))[0, 0]
        reached &= bool(rho[0, 0] <= target[0, j] and rest <= 4 * target[0, j])
        iterations.append(steps[0, 0])
        missing.append(rest / (systems.diagonal[0, j] * grid.length**grid.dim))
    return w, np.array(iterations), np.array(missing), reached


def voxels_of(cell: Any, grid: Q1Grid, a: Array) -> Voxels:
    """The operator of a coefficient (1, c, 1, E)."""
    a = a.reshape(-1, *(grid.cells,) * grid.dim)
    return Voxels(grid, a, twist(a) if cell.interface == "laminate" else None)


def _fluctuation(a: Array, mean: Array) -> Array:
    """a - <a>: its load is that of a, without the digits that cancel."""
    return a - (mean[:1, :1] if len(a) == 1 else mean).reshape(len(a), *(1,) * (a.ndim - 1))
