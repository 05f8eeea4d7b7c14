"""The macro solution: values, fine-scale reconstruction, norms of its error, files."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import skfem
from scipy.ndimage import map_coordinates

from hmm_core.closure import CellClosure, NonlinearCellClosure, as_tensor
from hmm_core.macro.boundary import Data, _evaluate
from hmm_core.macro.dialogue import Dialogue, State, restrict
from hmm_core.macro.space import _as_points, _degree, _field, _locate
from hmm_core.micro.nonlinear import solve_nonlinear

Array = np.ndarray
NORMS = ("L2", "H1", "H1-semi", "energy")


@dataclass(frozen=True, eq=False)
class Solution:
    """The macro solution: dofs ``u`` on ``basis``, the dialogue that led there, and the flux (d, elements, points)."""

    u: Array
    basis: skfem.CellBasis
    history: tuple[Dialogue, ...]
    micro_solves: int
    flux: Array = field(repr=False)
    closure: Callable = field(repr=False)

    def at(self, points: Array) -> Array:
        """U at points (d, ...): (...). ValueError for points outside the mesh."""
        x, shape = _as_points(self.basis, points)
        return _field(self.basis, self.u, *_locate(self.basis, x))[0].reshape(shape)

    def gradient_at(self, points: Array) -> Array:
        """grad U at points (d, ...): (d, ...). On a face between elements, that of one of them."""
        x, shape = _as_points(self.basis, points)
        return _field(self.basis, self.u, *_locate(self.basis, x))[1].reshape(len(x), *shape)

    def reconstruct(self, points: Array, eps: float) -> Array:
        r"""Fine-scale field U(x) + eps sum_j w_j(x/eps) d_jU(x) at points (d, ...): (...).

        w_j is the corrector of the nearest sampling point in the element, solved once for each that is needed and
        continued periodically; for a nonlinear closure U(x) + eps w(x/eps), w the micro field of that point's state.
        Defined for periodic cells of integer size without buffer: ValueError otherwise.
        """
        closure = self.closure
        if not isinstance(eps, int | float | np.number) or not 0 < eps < math.inf:
            raise ValueError(f"eps={eps!r} must be a positive number")
        nonlinear = isinstance(closure, NonlinearCellClosure)
        if not nonlinear and not isinstance(closure, CellClosure):
            raise ValueError(f"{type(closure).__name__} has no micro field to reconstruct; solve with a cell closure")
        cell = closure.cell
        if cell.bc != "periodic" or cell.size != round(cell.size) or cell.buffer:
            raise ValueError(
                f"reconstruction continues correctors periodically: it needs bc='periodic', integer size and buffer=0, "
                f"not bc={cell.bc!r}, size={cell.size!r}, buffer={cell.buffer!r}"
            )
        if closure.eps not in (None, eps):
            raise ValueError(f"eps={eps!r}, but the closure sampled the material at eps={closure.eps!r}")
        x, shape = _as_points(self.basis, points)
        d, (element, local) = len(x), _locate(self.basis, x)
        value, gradient = _field(self.basis, self.u, element, local)
        sampling = np.asarray(self.basis.global_coordinates())  # (d, elements, points)
        near = ((sampling[:, element] - x[:, :, None]) ** 2).sum(axis=0).argmin(axis=1)
        used, owner = np.unique(element * sampling.shape[2] + near, return_inverse=True)
        groups = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
        centres, state = (
            sampling.reshape(d, -1)[:, used],
            State(*(part[..., used] for part in restrict(self.basis, self.u))),
        )
        block = max(1, 2**22 // (d * (cell.cells + 1) ** d))  # correctors held at a time
        spline = 5 if cell.scheme == "fourier" else 1  # the smoothness of the micro solution
        for first in range(0, len(used), block):
            chosen = centres[:, first : first + block]
            if nonlinear:
                here = (part[..., first : first + block] for part in state)
                micro = solve_nonlinear(cell, closure.flux, *here, closure.eps)
                fields, nodes = micro.corrector(cell)[None], cell.grid.edges + cell.offset * cell.size
            else:
                micro = cell.solve(closure.a, chosen, closure.eps)
                fields, nodes = micro.correctors, micro.nodes
            open_grid = fields[(..., *(slice(-1),) * d)]  # the last node is the first of the next period
            for k, mine in enumerate(groups[first : first + block]):
                y = (x[:, mine] - (0 if closure.eps is None else chosen[:, k, None])) / eps
                index = (y - nodes[0]) / (nodes[1] - nodes[0])
                for j, corrector in enumerate(open_grid[:, k]):
                    w = map_coordinates(corrector, index, order=spline, mode="grid-wrap")
                    value[mine] += eps * w * (1.0 if nonlinear else gradient[j, mine])
        return value.reshape(shape)

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

        "L2", "H1-semi" |grad e|, "H1" both, "energy" (int grad e . A grad e)^(1/2). ``exact`` is a function of x or a
        Solution on this mesh or a finer one, which is then integrated over; ``gradient`` (d, K) -> (d, K) is needed for
        all but "L2", ``tensor`` (an array or a function) for "energy". ValueError names what is missing.
        """
        if norm not in NORMS:
            raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
        if norm == "energy" and tensor is None:
            raise ValueError("norm='energy' needs tensor=, an array or a function of x")
        basis, order = self.basis, intorder or 2 * _degree(self.basis.elem) + 4
        if isinstance(exact, Solution):
            basis = max(self.basis, exact.basis, key=lambda b: b.mesh.nelements)
        elif norm != "L2" and gradient is None:
            raise ValueError(f"norm={norm!r} needs gradient=, the gradient of exact as a function of x")
        rich = skfem.Basis(basis.mesh, basis.elem, basis.mapping, order, disable_doflocs=True)
        x = np.asarray(rich.global_coordinates())
        A = None
        if norm == "energy":
            flat = x.reshape(len(x), -1)
            A = as_tensor(tensor(flat) if callable(tensor) else tensor, flat, "tensor").reshape(len(x), *x.shape)
        true, own = (_values(function, gradient, rich, x, norm) for function in (exact, self))
        total, reference = (
            _square(*fields, norm, A, rich.dx) for fields in ((true[0] - own[0], true[1] - own[1]), true)
        )
        if total < 0 or (relative and not reference > 0):
            raise ValueError(f"norm={norm!r} squared is {total} of the error, {reference} of exact: no (relative) norm")
        return math.sqrt(total / reference if relative else total)

    def save(self, path: str | os.PathLike) -> None:
        """Write U at the vertices and the mean flux of every element for ParaView: .vtk, .vtu or .xdmf (needs h5py)."""
        path = Path(path)
        if path.suffix not in (".vtk", ".vtu", ".xdmf"):
            raise ValueError(f"path={str(path)!r} must end in .vtk, .vtu or .xdmf")
        mesh, d = self.basis.mesh, self.basis.mesh.dim()
        at_nodes = skfem.Basis(mesh, self.basis.elem, quadrature=(mesh.elem.doflocs.T, np.ones(len(mesh.elem.doflocs))))
        vertices = np.zeros(mesh.doflocs.shape[1])
        vertices[mesh.dofs.element_dofs.T] = np.asarray(at_nodes.interpolate(self.u))
        flux = (self.flux * self.basis.dx).sum(axis=2) / self.basis.dx.sum(axis=1)
        padding = ((0, 0), (0, 3 - d))
        try:
            import meshio
            from skfem.io.meshio import to_meshio

            out = to_meshio(mesh, {"U": vertices}, {"flux": [np.pad(flux.T, padding)]})
            out.points = np.pad(out.points, padding)
            meshio.write(path, out)
        except ImportError as error:
            raise ImportError(f"solution.save needs meshio{' and h5py' * (path.suffix == '.xdmf')}: {error}") from error


def _values(function: Any, gradient: Any, rich: skfem.CellBasis, x: Array, norm: str) -> tuple[Array, Array]:
    """Value and gradient of a solution, or of functions, at the quadrature points x (d, E, Q)."""
    if isinstance(function, Solution):
        if function.basis.mesh is not rich.mesh:
            return function.at(x), function.gradient_at(x)
        U = rich.with_element(function.basis.elem).interpolate(function.u)
        return np.asarray(U), U.grad
    grads = np.zeros_like(x) if norm == "L2" else _evaluate("gradient", gradient, x, (len(x),))
    return _evaluate("exact", function, x), grads


def _square(value: Array, gradient: Array, norm: str, A: Array | None, dx: Array) -> float:
    flux = gradient if A is None else np.einsum("ij...,j...->i...", A, gradient)
    density = (norm in ("L2", "H1")) * value**2 + (norm != "L2") * (flux * gradient).sum(axis=0)
    return float((density * dx).sum())
