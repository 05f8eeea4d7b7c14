"""Data of a macro problem: numbers and functions of x on the mesh and on its boundary, checked and assembled."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import skfem
from scipy.sparse import csr_matrix

from hmm_core.closure import refuse_non_finite
from hmm_core.macro.space import _degree, component_of_dofs, components, rows
from hmm_core.micro.grid import read_only

Array = np.ndarray
Data = float | Array | Callable[[Array], Array]


@skfem.LinearForm
def work(v, w):
    return (w.f * rows(v)).sum(axis=0)


@skfem.BilinearForm
def exchange(u, v, w):
    return w.alpha * (rows(u) * rows(v)).sum(axis=0)


def _evaluate(name: str, value: Data, x: Array, lead: tuple[int, ...] = ()) -> Array:
    """A number, (*lead,) numbers or a function at the points x (d, ...), checked: (*lead, ...)."""
    if not (callable(value) or isinstance(value, int | float | np.ndarray | np.number)) or isinstance(value, bool):
        raise TypeError(f"{name}={value!r} must be a number or a function of x")
    x = np.asarray(x)
    flat = read_only(x.reshape(len(x), -1))
    result = np.asarray(value(flat) if callable(value) else value)
    if result.dtype.kind not in "fiu":
        raise ValueError(f"{name} has values of type {result.dtype}; real numbers are needed")
    if result.shape not in ((), lead, (*lead, flat.shape[1])):
        raise ValueError(f"{name} returned shape {result.shape} for x {flat.shape}; expected {(*lead, flat.shape[1])}")
    result = result[..., None] if result.shape == lead else result
    result = np.broadcast_to(result, (*lead, flat.shape[1])).astype(float)
    refuse_non_finite(result, flat, name)
    return result.reshape(*lead, *x.shape[1:])


def _interpolate(basis: skfem.CellBasis, name: str, value: Data, facets: Array | None = None) -> tuple[Array, Array]:
    """Dofs (of the facets) and their values: by interpolation if dofs are point values, otherwise by L2 projection."""
    dofs, c = np.arange(basis.N) if facets is None else basis.get_dofs(facets).flatten(), components(basis)
    element = getattr(basis.elem, "elem", basis.elem)
    at_nodes = np.array([element.lbasis(element.doflocs.T, i)[0] for i in range(len(element.doflocs))])
    if np.allclose(at_nodes, np.eye(len(at_nodes))):
        values = _evaluate(name, value, basis.doflocs[:, dofs], c)
        return dofs, values[component_of_dofs(basis)[dofs], np.arange(len(dofs))] if c else values
    space = basis if facets is None else basis.boundary(facets)
    return dofs, space.project(_evaluate(name, value, space.global_coordinates(), c))[dofs]


def _rich(basis: skfem.CellBasis) -> skfem.CellBasis:
    """The same space with a richer rule, for what costs no micro problem."""
    return skfem.Basis(basis.mesh, basis.elem, basis.mapping, 2 * _degree(basis.elem) + 2, dofs=basis.dofs)


def _source(rich: skfem.CellBasis, source: Data) -> Array:
    """int f v."""
    return work.assemble(rich, f=rows(_evaluate("source", source, rich.global_coordinates(), components(rich))))


def _boundary(
    basis: skfem.CellBasis, dirichlet: Any, neumann: Any, robin: Any, edges: dict[str, skfem.FacetBasis]
) -> tuple[dict[int, float], Array, csr_matrix]:
    """Boundary data as fixed dofs with their values, a load vector, and the matrix of int alpha U v.

    ``edges``: where the bases on the boundary are kept for the next time, if there is one.
    """
    fixed, load, matrix, c = {}, np.zeros(basis.N), csr_matrix((basis.N, basis.N)), components(basis)
    for kind, name, facets, value in _parts(basis.mesh, {"dirichlet": dirichlet, "neumann": neumann, "robin": robin}):
        if kind == "dirichlet":
            fixed |= zip(*_interpolate(basis, name, value, facets), strict=True)
            continue
        if name not in edges:
            edges[name] = basis.boundary(facets, intorder=2 * _degree(basis.elem) + 2)
        edge = edges[name]
        x = edge.global_coordinates()
        if kind == "robin":
            if not isinstance(value, tuple | list) or len(value) != 2:
                raise ValueError(f"{name}={value!r} must be a pair (alpha, u_inf)")
            alpha, outside = _evaluate(f"{name} alpha", value[0], x), _evaluate(f"{name} u_inf", value[1], x, c)
            if alpha.min() < 0:
                raise ValueError(f"{name} alpha is {alpha.min()} somewhere; it must not be negative")
            matrix = matrix + exchange.assemble(edge, alpha=alpha)
            g = alpha * outside
        else:
            g = _evaluate(name, value, x, c)
        load += work.assemble(edge, f=rows(g))
    return fixed, load, matrix


def _parts(mesh: skfem.Mesh, data: dict[str, Any]) -> Iterable[tuple[str, str, Array, Any]]:
    """(kind, name for messages, facets, value) of every boundary condition."""
    known, taken, parts = mesh.boundaries or {}, {}, []
    for kind, given in data.items():
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if name not in known:
                there = ", ".join(map(repr, sorted(known))) or "none; name them with mesh.with_boundaries"
                raise ValueError(f"{kind}: there is no boundary named {name!r}; named boundaries: {there}")
            if name in taken:
                raise ValueError(f"boundary {name!r} is given both in {taken[name]} and in {kind}")
            if not len(known[name]):
                raise ValueError(f"{kind}: the boundary {name!r} has no facets")
            taken[name] = kind
            parts.append((kind, f"{kind}[{name!r}]", np.asarray(known[name]), value))
    rest = np.setdiff1d(mesh.boundary_facets(), np.concatenate([np.zeros(0, int), *(part[2] for part in parts)]))
    unnamed = [kind for kind, given in data.items() if given is not None and not isinstance(given, Mapping)]
    if len(unnamed) > 1:
        raise ValueError(f"{' and '.join(unnamed)} both claim the whole boundary: give at least one of them by names")
    return parts + [(kind, kind, rest, data[kind]) for kind in unnamed if len(rest)]
