r"""Multiscale finite elements in the plane: on coarse rectangles, basis functions that know the material.

Every coarse element gets four functions that solve -div(a grad phi) = 0 inside, 1 at one corner and 0 at the others. On the
edges their values are a guess, linear between the corners (Hou and Wu 1997, doi:10.1006/jcph.1997.5682). With oversampling the
guess is made on the boundary of a larger patch, and the four solutions there are combined so that they are 1 and 0 at the
corners of the element (Hou, Wu, Cai 1999, doi:10.1090/S0025-5718-99-01077-7); then they jump across edges.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import splu

from hmm_core.compare.broken import CORNERS, BrokenField, Lattice, at_cells, element_matrices, hats, load
from hmm_core.macro.boundary import Data, _evaluate
from hmm_core.micro.question import refuse_scale
from hmm_core.micro.sample import MediumLike, sample

Array = np.ndarray
CHUNK = 2**16  # fine cells whose patches are solved together
FORMULATIONS = ("galerkin", "petrov-galerkin")


@dataclass(frozen=True, eq=False)
class MsFEMBasis:
    """The bases of all coarse elements: made once, used for every right-hand side.

    lattice       the coarse and the fine grid
    phi           (E, 4, n+1, n+1)  the functions on the fine nodes of every element; corners (0, 0), (1, 0), (0, 1), (1, 1)
    stiffness     (E, 4, 4)  of the coarse elements: row i is tested with function i
    formulation   what a test function is
    unknowns      of all local problems together, once for each of the three functions that have to be solved for
    micro_solves  how many local problems, of three right-hand sides each; samples: how often the coefficient was evaluated
    """

    lattice: Lattice
    phi: Array = field(repr=False)
    stiffness: Array = field(repr=False)
    formulation: str
    unknowns: int
    micro_solves: int
    samples: int

    def solve(self, source: Data, dirichlet: Data = 0.0) -> "MsFEMSolution":
        """u = sum of u_i phi_i, tested with every function of an inner node; u = ``dirichlet`` on the boundary, linear
        between coarse nodes. ``source``: a number or a function of x (2, K), integrated on the fine grid."""
        lattice, test = self.lattice, self.phi if self.formulation == "galerkin" else hats(self.lattice.n)
        f = _evaluate("source", source, lattice.gauss)
        b = np.bincount(lattice.nodes.ravel(), load(lattice, f, test).ravel(), lattice.node_count)
        u, inner = np.zeros(lattice.node_count), lattice.inner
        outer = np.setdiff1d(np.arange(lattice.node_count), inner)
        u[outer] = _evaluate("dirichlet", dirichlet, lattice.corners[:, outer])
        if inner.size:
            u[inner] = self._factor.solve(b[inner] - (self.matrix @ u)[inner])
        values = np.einsum("ec,ecij->eij", u[lattice.nodes], self.phi)
        return MsFEMSolution(lattice, values, u.reshape(lattice.nodes_shape), self)

    @cached_property
    def matrix(self) -> csc_matrix:
        """Of the coarse system, boundary nodes included."""
        nodes = self.lattice.nodes
        rows, columns = (np.broadcast_to(part, self.stiffness.shape) for part in (nodes[:, :, None], nodes[:, None]))
        size = self.lattice.node_count
        return coo_matrix((self.stiffness.ravel(), (rows.ravel(), columns.ravel())), (size, size)).tocsc()

    @cached_property
    def _factor(self) -> Any:
        inner = self.lattice.inner
        return splu(self.matrix[inner][:, inner])


@dataclass(frozen=True, eq=False)
class MsFEMSolution(BrokenField):
    """A multiscale finite element solution: a field on the fine grid of every coarse element.

    u      (N_1 + 1, N_2 + 1)  values at the coarse nodes
    basis  what it is made of
    ``at``, ``gradient_at`` and ``error`` are those of ``BrokenField``.
    """

    u: Array
    basis: MsFEMBasis = field(repr=False)


def msfem_basis(
    a: MediumLike,
    eps: float,
    elements: int | tuple[int, int],
    n: int,
    oversampling: float = 0.0,
    formulation: str = "galerkin",
    domain: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0)),
) -> MsFEMBasis:
    r"""Multiscale basis functions for -div(a(x, x/eps) grad u) = f on a rectangle.

    Parameters
    ----------
    a : medium a(x, y), scalar or tensor, positive definite. eps : period, > 0.
    elements : coarse elements per side, one number or two. n : fine elements per side of each; the fine grid has to resolve eps.
    oversampling : width of the layer around an element that its patch has in addition, in elements; cut off at the boundary
        of the domain, where the linear guess is the truth of u = 0. 0: the element itself.
    formulation : "galerkin" tests with the multiscale functions; "petrov-galerkin" with bilinear ones, so that what enters is the
        averaged flux (Hou, Wu, Zhang, Commun. Math. Sci. 2, 2004). Without oversampling the two matrices are equal:
        a multiscale function differs from the bilinear one by a function that vanishes on the edges.
        With it they differ; Galerkin's functions then jump as test functions too, and it does not keep every linear field.
    domain : ((left, right), (bottom, top)).

    The local problems are solved by Q1 elements with 2 x 2 Gauss points on the fine grid, like ``resolve`` on a mesh of
    elements * n squares, exactly (by a sparse factorization). The four functions of an element add up to 1.

    Raises TypeError or ValueError for arguments outside these sets, fine elements larger than eps/2, a medium that is not finite,
    not positive definite or made for another eps, and a patch whose functions cannot be told apart at the corners of its element.
    """
    counts = tuple(elements) if np.ndim(elements) == 1 else (elements, elements)
    _refuse(counts, n, eps, oversampling, formulation)
    domain = _rectangle(domain)
    refuse_scale(a, eps)
    lattice = Lattice((int(counts[0]), int(counts[1])), int(n), domain)
    if max(lattice.h) > eps / 2:
        raise ValueError(f"n={n}: fine elements of {max(lattice.h):.3g} cannot resolve eps={eps!r}; at most eps/2 can")
    phi = np.empty((lattice.elements, 4, n + 1, n + 1))
    stiffness = np.empty((lattice.elements, 4, 4))
    unknowns = samples = 0
    for mine, low, shape in _patches(lattice, math.ceil(oversampling * n - 1e-9)):
        x = lattice.points(mine, low, shape)
        values = sample(a, x, x / eps)
        if values.shape[1] not in (1, 4):
            raise ValueError("the medium a(x, y) is a stiffness: this solver takes scalar or tensor (2, 2, ...) media")
        local = element_matrices(np.broadcast_to(values, (len(mine), *values.shape[1:])), lattice.h)
        psi = _solved(local, shape)
        phi[mine] = _restricted(psi, low, n)
        own = local.reshape(len(mine), *shape, 4, 4)[:, low[0] : low[0] + n, low[1] : low[1] + n]
        stiffness[mine] = _energies(own.reshape(len(mine), -1, 4, 4), phi[mine], formulation)
        unknowns += 3 * len(mine) * (shape[0] - 1) * (shape[1] - 1)
        samples += values.shape[-1] * len(mine)
    return MsFEMBasis(lattice, phi, stiffness, formulation, unknowns, lattice.elements, samples)


def msfem_plane(
    a: MediumLike,
    eps: float,
    source: Data,
    elements: int | tuple[int, int],
    n: int,
    dirichlet: Data = 0.0,
    **options: Any,
) -> MsFEMSolution:
    """Multiscale finite elements for -div(a(x, x/eps) grad u) = f, u = dirichlet on the boundary of a rectangle.

    ``msfem_basis(a, eps, elements, n, **options).solve(source, dirichlet)``, see there. More right-hand sides: keep the basis.
    """
    return msfem_basis(a, eps, elements, n, **options).solve(source, dirichlet)


def _refuse(counts: tuple, n: Any, eps: Any, oversampling: Any, formulation: Any) -> None:
    if len(counts) != 2:
        raise ValueError(f"elements={counts!r} must be one integer or a pair of them")
    for name, value, least in (("elements", counts[0], 1), ("elements", counts[1], 1), ("n", n, 2)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")
        if value < least:
            raise ValueError(f"{name}={value}: at least {least} per side is needed")
    for name, value in (("eps", eps), ("oversampling", oversampling)):
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}={value!r} must be a number, not {type(value).__name__}")
    if not 0 < eps < math.inf:
        raise ValueError(f"eps={eps!r} must be positive and finite: a basis is made for one period")
    if not 0 <= oversampling < math.inf:
        raise ValueError(f"oversampling={oversampling!r} must be finite and >= 0, in coarse elements")
    if formulation not in FORMULATIONS:
        raise ValueError(f"formulation={formulation!r} is not one of {', '.join(map(repr, FORMULATIONS))}")


def _rectangle(domain: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    try:
        (left, right), (bottom, top) = ((float(low), float(high)) for low, high in domain)
    except (TypeError, ValueError):
        left = right = bottom = top = math.nan
    if not (-math.inf < left < right < math.inf and -math.inf < bottom < top < math.inf):
        raise ValueError(f"domain={domain!r} must be ((left, right), (bottom, top)), finite, in this order")
    return (left, right), (bottom, top)


# -- the local problems ------------------------------------------------------------------------------------------------------


def _patches(lattice: Lattice, layer: int) -> Iterator[tuple[Array, tuple[int, int], tuple[int, int]]]:
    """Elements (K,) whose patches look alike, a chunk at a time: where in its patch an element begins, and the patch's
    shape, in fine cells."""
    n = lattice.n
    place = np.array(np.unravel_index(np.arange(lattice.elements), lattice.counts))
    total = n * np.array(lattice.counts)[:, None]
    low, high = np.minimum(layer, n * place), np.minimum(layer, total - n * (place + 1))
    kinds, which = np.unique(np.concatenate([low, high]), axis=1, return_inverse=True)
    for k, kind in enumerate(kinds.T):
        shape = int(n + kind[0] + kind[2]), int(n + kind[1] + kind[3])
        mine = np.flatnonzero(which.ravel() == k)
        pieces = math.ceil(len(mine) * shape[0] * shape[1] / CHUNK)
        for some in np.array_split(mine, min(pieces, len(mine))):
            yield some, (int(kind[0]), int(kind[1])), shape


def _solved(local: Array, shape: tuple[int, int]) -> Array:
    """The functions psi (K, 4, shape + 1) of patches with element matrices (K, cells, 4, 4): bilinear on the boundary.

    One factorization of all patches side by side; three solves, for the four add up to 1.
    """
    count, nodes = len(local), (shape[0] + 1, shape[1] + 1)
    number = np.arange(nodes[0] * nodes[1]).reshape(nodes)
    cell = at_cells(number).reshape(-1, 4)
    inside = number[1:-1, 1:-1].ravel()
    linear = hats(shape).reshape(4, -1)
    psi = np.broadcast_to(linear[None], (count, 4, number.size)).copy()
    if inside.size:
        own = cell + number.size * np.arange(count)[:, None, None]
        rows, columns = (np.broadcast_to(part, local.shape).ravel() for part in (own[..., :, None], own[..., None, :]))
        matrix = coo_matrix((local.ravel(), (rows, columns)), (count * number.size,) * 2).tocsr()
        free = (inside + number.size * np.arange(count)[:, None]).ravel()
        bilinear = np.tile(linear[:3], count).T
        residual = -(matrix @ bilinear)[free]
        w = splu(matrix[free][:, free].tocsc()).solve(residual)
        psi[:, :3, inside] += w.T.reshape(3, count, -1).swapaxes(0, 1)
        psi[:, 3] = 1 - psi[:, :3].sum(axis=1)
    return psi.reshape(count, 4, *nodes)


def _restricted(psi: Array, low: tuple[int, int], n: int) -> Array:
    """The combinations of the patches' functions that are 1 at one corner of the element and 0 at the others (K, 4, n+1, n+1)."""
    own = psi[:, :, low[0] : low[0] + n + 1, low[1] : low[1] + n + 1]
    at_corners = np.stack([own[:, :, i * n, j * n] for i, j in CORNERS], axis=2)
    if (np.linalg.cond(at_corners) > 1e10).any():
        raise ValueError("oversampling: a patch's functions have nearly equal values at the corners of its element")
    return np.einsum("kij,kjab->kiab", np.linalg.inv(at_corners), own)


def _energies(local: Array, phi: Array, formulation: str) -> Array:
    """Stiffness (K, 4, 4) of elements with fine element matrices (K, n*n, 4, 4)."""
    test = phi if formulation == "galerkin" else hats(phi.shape[-1] - 1)[None]
    trial, test = (at_cells(part).reshape(len(part), 4, -1, 4) for part in (phi, test))
    forces = np.einsum("kcij,kbcj->kbci", local, trial)
    return np.einsum("kaci,kbci->kab", np.broadcast_to(test, trial.shape), forces)
