"""The macro solution: values, fine-scale reconstruction, norms of its error, files."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import skfem

from hmm_core.closure import as_tensor
from hmm_core.closure.files import whole
from hmm_core.macro.boundary import Data, _evaluate
from hmm_core.macro.dialogue import State, restrict
from hmm_core.macro.loop import Dialogue
from hmm_core.macro.space import _as_points, _degree, _field, _locate, components, rows
from hmm_core.micro.grid import read_only

Array = np.ndarray
NORMS = ("L2", "H1", "H1-semi", "energy")


@dataclass(frozen=True, eq=False)
class Solution:
    """The macro solution.

    u         dofs on ``basis``
    history   the dialogue that led there, turn by turn; micro_solves: all that it asked for
    flux      (d, elements, points), of m components (m, d, elements, points)
    closure, memory   who answered, and what it remembers: a dialogue that starts from here asks nothing twice
    stderr    standard errors of the dofs, if the closure answered with noise: the dialogue then ended in it, not at ``tol``
    """

    u: Array
    basis: skfem.CellBasis
    history: tuple[Dialogue, ...]
    micro_solves: int
    flux: Array = field(repr=False)
    closure: Callable = field(repr=False)
    memory: dict[str, Array] | None = field(default=None, repr=False)
    stderr: Array | None = field(default=None, repr=False)

    def at(self, points: Array) -> Array:
        """U at points (d, ...): (...); (m, ...) for m components. ValueError for points outside the mesh."""
        x, shape = _as_points(self.basis.mesh.dim(), points)
        U, _ = _field(self.basis, self.u, *_locate(self.basis, x))
        return U.reshape((*U.shape[:-1], *shape))

    def gradient_at(self, points: Array) -> Array:
        """grad U at points (d, ...): (d, ...) or (m, d, ...). On a face between elements, that of one of them."""
        x, shape = _as_points(self.basis.mesh.dim(), points)
        _, gradient = _field(self.basis, self.u, *_locate(self.basis, x))
        return gradient.reshape((*gradient.shape[:-1], *shape))

    def reconstruct(self, points: Array, eps: float) -> Array:
        r"""Fine-scale field U(x) + eps w(x/eps) at points (d, ...): (...).

        w is the micro field of the closure at the nearest sampling point in the element, with the macro gradient of x where
        the closure is linear (w = sum_j w_j d_jU), and continued periodically. Defined for periodic cells of integer size
        without buffer: ValueError otherwise, and for a closure without micro fields.
        """
        if not isinstance(eps, int | float | np.number) or not 0 < eps < math.inf:
            raise ValueError(f"eps={eps!r} must be a positive number")
        if not hasattr(self.closure, "micro_fields"):
            raise ValueError(
                f"{type(self.closure).__name__} has no micro field to reconstruct; solve with a cell closure"
            )
        x, shape = _as_points(self.basis.mesh.dim(), points)
        element, local = _locate(self.basis, x)
        value, gradient = _field(self.basis, self.u, element, local)
        sampling = np.asarray(self.basis.global_coordinates())  # (d, elements, points)
        near = ((sampling[:, element] - x[:, :, None]) ** 2).sum(axis=0).argmin(axis=1)
        used, owner = np.unique(element * sampling.shape[2] + near, return_inverse=True)
        groups = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
        state = State(*(part[..., used] for part in restrict(self.basis, self.u)))
        first, block = 0, 1
        while first < len(used):
            asked = slice(first, first + block)
            fields = self.closure.micro_fields(*(part[..., asked] for part in state), eps)
            for k, mine in enumerate(groups[asked]):
                y = (x[:, mine] - fields.origin[:, k, None]) / eps
                value[..., mine] += eps * fields.at(k, y, gradient[..., mine])
            first, block = first + block, max(1, 2**22 // fields.values[..., 0].size)
        return value.reshape((*value.shape[:-1], *shape))

    def error(
        self,
        exact: "Data | Solution",
        norm: str = "L2",
        gradient: Callable | None = None,
        tensor: Any = None,
        relative: bool = False,
        intorder: int | None = None,
    ) -> float:
        r"""Norm of exact - U by a rich quadrature (order 2 degree + 4, or ``intorder``).

        "L2", "H1-semi" |grad e|, "H1" both, "energy" (int grad e . A grad e)^(1/2). ``exact`` is a function of x, whatever has
        ``at`` and ``gradient_at``, or a Solution on this mesh or a finer one, which is then integrated over; ``gradient``
        (d, K) -> (d, K) of a function is needed for all but "L2", ``tensor`` (an array or a function) for "energy".
        ValueError names what is missing.
        """
        basis, order = self.basis, intorder or 2 * _degree(self.basis.elem) + 4
        if isinstance(exact, Solution):
            basis = max(self.basis, exact.basis, key=lambda b: b.mesh.nelements)
        rich = skfem.Basis(basis.mesh, basis.elem, basis.mapping, order, disable_doflocs=True)
        true, own = (_interpolated(field, rich) for field in (exact, self))
        return distance(true, own, np.asarray(rich.global_coordinates()), rich.dx, norm, gradient, tensor, relative)

    def save(self, path: str | os.PathLike) -> None:
        """Write U at the vertices and the mean flux of every element for ParaView: .vtk, .vtu (the smallest) or .xdmf.

        Each is one file, which is there when all of it is written; until then an older one stays. Needs meshio (.xdmf: h5py too).
        """
        with whole(path, ".vtk", ".vtu", ".xdmf") as draft:
            mesh, d = self.basis.mesh, self.basis.mesh.dim()
            at_nodes = skfem.Basis(
                mesh, self.basis.elem, quadrature=(mesh.elem.doflocs.T, np.ones(len(mesh.elem.doflocs)))
            )
            c = components(self.basis)
            vertices = np.zeros((*c, mesh.doflocs.shape[1]))
            vertices[..., mesh.dofs.element_dofs.T] = np.asarray(at_nodes.interpolate(self.u))
            flux = (self.flux * self.basis.dx).sum(axis=-1) / self.basis.dx.sum(axis=1)
            try:
                import meshio
                from skfem.io.meshio import to_meshio

                out = to_meshio(mesh, {"U": _in_space(vertices, len(c))}, {"flux": [_in_space(flux, len(c) + 1)]})
                out.points = np.pad(out.points, ((0, 0), (0, 3 - d)))
                # The numbers of .xdmf could be in an HDF5 file beside it, but HDF5 ends the process when the disk is full.
                options = {"data_format": "XML"} if draft.suffix == ".xdmf" else {}
                meshio.write(draft, out, **options)
            except ImportError as error:
                raise ImportError(f"solution.save needs meshio: {error}") from error


def _in_space(values: Array, axes: int) -> Array:
    """(d, ..., K) with so many axes of components as (K, 3^axes): the numbers of vectors and tensors in files."""
    values = np.moveaxis(values, -1, 0)
    return np.pad(values, [(0, 0)] + [(0, 3 - n) for n in values.shape[1:]]).reshape(len(values), *[-1] * bool(axes))


def _interpolated(field: Any, rich: skfem.CellBasis) -> Any:
    """A solution on this mesh as values and gradients at the quadrature points; anything else as it is."""
    if not isinstance(field, Solution) or field.basis.mesh is not rich.mesh:
        return field
    U = rich.with_element(field.basis.elem).interpolate(field.u)
    return np.asarray(U), U.grad


def distance(
    exact: Any, own: Any, x: Array, dx: Array, norm: str, gradient: Callable | None, tensor: Any, relative: bool
) -> float:
    """Norm of exact - own, as in ``Solution.error``, by quadrature at x (d, E, Q) with weights dx.

    Either is known by values (c, E, Q) and gradients (c, d, E, Q), or has ``at`` and ``gradient_at``; exact may be a function.
    """
    if norm not in NORMS:
        raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
    if norm == "energy" and tensor is None:
        raise ValueError("norm='energy' needs tensor=, an array or a function of x")
    if norm != "L2" and gradient is None and not (isinstance(exact, tuple) or hasattr(exact, "gradient_at")):
        raise ValueError(f"norm={norm!r} needs gradient=, the gradient of exact as a function of x")
    U, slope = _values(own, None, x, norm)
    c, A = U.shape[:-2], None
    value, wanted = _values(exact, gradient, x, norm, c)
    if norm == "energy":
        flat = read_only(x.reshape(len(x), -1))
        A = as_tensor(tensor(flat) if callable(tensor) else tensor, flat, "tensor", c)
        A = A.reshape(*A.shape[:-1], *x.shape[1:])
    total, reference = (_square(*field, norm, A, dx) for field in ((value - U, wanted - slope), (value, wanted)))
    if total < 0 or (relative and not reference > 0):
        raise ValueError(f"norm={norm!r} squared is {total} of the error, {reference} of exact: no (relative) norm")
    return math.sqrt(total / reference if relative else total)


def _values(field: Any, gradient: Any, x: Array, norm: str, c: tuple[int, ...] = ()) -> tuple[Array, Array]:
    """Values (c, E, Q) and gradients (c, d, E, Q) at points; for "L2" zeros are enough for these."""
    if isinstance(field, tuple):
        return field
    known = hasattr(field, "gradient_at")
    value = field.at(x) if known else _evaluate("exact", field, x, c)
    if norm == "L2":
        return value, np.zeros((*value.shape[:-2], *x.shape))
    return value, field.gradient_at(x) if known else _evaluate("gradient", gradient, x, (*c, len(x)))


def _square(value: Array, gradient: Array, norm: str, A: Array | None, dx: Array) -> float:
    slopes = rows(gradient)
    flux = slopes if A is None else np.einsum("ij...,j...->i...", A.reshape(len(slopes), *slopes.shape), slopes)
    density = (norm in ("L2", "H1")) * (rows(value) ** 2).sum(axis=0) + (norm != "L2") * (flux * slopes).sum(axis=0)
    return float((density * dx).sum())
