r"""The macro space: a scikit-fem basis with the cheapest quadrature, and its functions at points of the mesh."""

import copy
import math
from typing import Any

import numpy as np
import skfem
from scipy.spatial import cKDTree
from skfem.quadrature import get_quadrature

Array = np.ndarray


def macro_basis(mesh: skfem.Mesh, element: skfem.Element) -> skfem.CellBasis:
    """The macro space with the cheapest admissible quadrature, for each of its points costs a micro problem.

    Polynomials P_l on segments, triangles, tetrahedra: exact for degree 2l - 2, that is 1 point for l = 1 and 2, 3, 4
    points for l = 2. Tensor products Q_l on quadrilaterals, hexahedra: l + 1 Gauss points per direction. These rules
    keep the order of the element (Ciarlet and Raviart 1972; for FE-HMM see Abdulle 2009).

    Raises TypeError or ValueError if ``mesh`` is not a mesh with elements of positive size, or if ``element`` is not
    an H1 element of that mesh.
    """
    if not isinstance(mesh, skfem.Mesh):
        raise TypeError(f"mesh={mesh!r} is not a scikit-fem mesh: pass skfem.MeshTri().refined(4), for example")
    if not isinstance(element, skfem.Element):
        raise TypeError(f"element={element!r} is not a scikit-fem element: pass skfem.ElementTriP1(), for example")
    name, scalar = type(element).__name__, getattr(element, "elem", element)
    if mesh.nelements == 0:
        raise ValueError(f"mesh: this {type(mesh).__name__} is empty, it has no elements")
    if not np.isfinite(mesh.doflocs).all():
        raise ValueError("mesh has vertices that are not finite")
    if not isinstance(scalar, skfem.ElementH1) or not scalar.nodal_dofs:
        raise ValueError(f"element {name} is not H1-conforming: its functions jump between elements")
    if element.refdom is not mesh.refdom:
        raise ValueError(f"element {name} lives on {element.refdom.name}s, the mesh consists of {mesh.refdom.name}s")
    degree, kind = _degree(scalar), mesh.refdom.__name__
    if kind in ("RefQuad", "RefHex"):
        rule = get_quadrature(mesh.refdom, 2 * degree + 1)
    elif kind not in ("RefLine", "RefTri", "RefTet"):
        raise ValueError(f"mesh of {mesh.refdom.name}s: segments, triangles, quads, tets and hexes are macro meshes")
    elif degree > 1:
        rule = get_quadrature(mesh.refdom, 2 * degree - 2)
    else:  # scikit-fem's smallest rules have 2 and 3 points on segments and triangles; the midpoint is enough
        d = mesh.dim()
        rule = np.full((d, 1), 1 / (d + 1)), np.array([1 / math.factorial(d)])
    try:
        with np.errstate(all="ignore"):
            basis = skfem.Basis(mesh, element, quadrature=rule)
    except Exception as error:  # isoparametric mappings raise a bare one
        raise ValueError(f"mesh: scikit-fem cannot build a basis on it ({error})") from error
    if not (basis.dx > 0).all():
        raise ValueError(f"mesh has {int((basis.dx <= 0).any(axis=1).sum())} elements of no volume")
    return basis


def components(basis: skfem.CellBasis) -> tuple[int, ...]:
    """Component axes of the fields of a space: none, or (m,)."""
    return (basis.elem.dim,) if isinstance(basis.elem, skfem.ElementVector) else ()


def component_of_dofs(basis: skfem.CellBasis) -> Array:
    """Which component (N,) each dof of a vector space moves."""
    number, (m,) = np.empty(basis.N, dtype=int), components(basis)
    for i, dofs in enumerate(basis.dofs.element_dofs):
        number[dofs] = i % m
    return number


def rows(field: Array) -> Array:
    """Values or gradients (..., E, Q) at the quadrature points, with all component axes as one: (L, E, Q)."""
    return np.asarray(field).reshape(-1, *field.shape[-2:])


def _degree(element: skfem.Element) -> int:
    element = getattr(element, "elem", element)
    tensor_product = element.refdom.__name__ in ("RefQuad", "RefHex")
    return math.ceil(element.maxdeg / element.dim) if tensor_product else element.maxdeg


# -- points in a mesh ----------------------------------------------------------------------------------------------------


def _as_points(d: int, points: Array) -> tuple[Array, tuple[int, ...]]:
    """Points (d, ...) as (d, K), and the shape that K stands for."""
    try:
        x = np.asarray(points, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"points={points!r} must be coordinates ({d}, ...)") from error
    if x.ndim == 0 or len(x) != d or not np.isfinite(x).all():
        raise ValueError(f"points of shape {x.shape} must be finite coordinates ({d}, ...) in {d}D")
    return x.reshape(d, -1), x.shape[1:]


def _field(basis: skfem.CellBasis, u: Array, elements: Array, X: Array) -> tuple[Array, Array]:
    """U (c, K) and grad U (c, d, K) in elements (K,) at reference points X (d, K, 1)."""
    mapping, value, gradient = _uncached(basis.mapping), 0.0, 0.0
    for dofs, i in zip(basis.dofs.element_dofs[:, elements], range(basis.Nbfun), strict=True):
        phi = basis.elem.gbasis(mapping, X, i, tind=elements)[0]
        value, gradient = value + u[dofs] * phi[..., 0], gradient + u[dofs] * phi.grad[..., 0]
    return value, gradient


def _locate(basis: skfem.CellBasis, x: Array) -> tuple[Array, Array]:
    """Element (K,) and reference coordinates (d, K, 1) of points x (d, K).

    Elements with near centroids first; the few points left over (thin elements) try all whose bounding box holds them.
    scikit-fem's own finder tries every element near any point for every point, which 10^5 points cannot afford.
    """
    mesh = basis.mesh
    corners = mesh.doflocs[:, mesh.dofs.element_dofs]
    centre, low, high = corners.mean(axis=1), corners.min(axis=1), corners.max(axis=1)
    slack = 1e-3 * (high - low).max()  # curved elements bulge
    radius = np.sqrt(((corners - centre[:, None]) ** 2).sum(axis=0).max()) + slack
    element, local = np.full(x.shape[1], -1), np.empty((*x.shape, 1))

    def attempt(point: Array, candidate: Array) -> None:
        X, inside = _invert(basis, x[:, point], candidate)
        element[point[inside]], local[:, point[inside]] = candidate[inside], X[:, inside]

    def refuse(outside: Array) -> None:
        if outside.size:
            raise ValueError(f"{outside.size} points are outside the mesh; the first is {x[:, outside[0]].tolist()}")

    distance, near = cKDTree(centre.T).query(x.T, [*range(1, 1 + min(8, mesh.nelements))])
    refuse(np.flatnonzero(distance.min(axis=1, initial=np.inf) > radius))
    for candidate in near.T:
        left = np.flatnonzero(element < 0)
        attempt(left, candidate[left])
    left = np.flatnonzero(element < 0)
    for some in np.array_split(left, 1 + left.size * mesh.nelements // 2**22):
        gap = [np.maximum(a - c[some, None], c[some, None] - b) for c, a, b in zip(x, low, high, strict=True)]
        which, candidate = np.nonzero(np.max(gap, axis=0) <= slack)
        attempt(some[which], candidate)
        refuse(some[element[some] < 0])
    return element, local


def _invert(basis: skfem.CellBasis, x: Array, elements: Array, tol: float = 1e-9) -> tuple[Array, Array]:
    """Reference coordinates (d, K, 1) of x (d, K) in given elements by Newton's method, and whether they lie inside."""
    X, moved = np.full((*x.shape, 1), 1 / (len(x) + 1)), np.full((*x.shape, 1), np.inf)
    for _ in range(20 if x.size else 0):
        mapping = _uncached(basis.mapping)
        step = np.einsum("ijkl,jkl->ikl", mapping.invDF(X, elements), x[:, :, None] - mapping.F(X, elements))
        moved = np.clip(X + step, -0.37, 1.37) - X  # enough to tell outside from inside, and no farther
        X = X + moved
        if np.abs(moved).max() < tol / 100:
            break
    end = X.sum(axis=0) if basis.mesh.refdom.__name__ in ("RefTri", "RefTet") else X.max(axis=0)
    inside = (X.min(axis=0) >= -tol) & (end <= 1 + tol) & (np.abs(moved).max(axis=0) < tol)
    return X, inside[:, 0]


def _uncached(mapping: Any) -> Any:
    """The mapping without its cache, which would otherwise keep the Jacobians of all points ever asked for."""
    mapping = copy.copy(mapping)
    mapping.__dict__.pop("_cache", None)
    return mapping
