"""muSpectre (Fourier-accelerated solvers in C++), used as its own examples use it: phases, unit loads in turn, CG on fields.

"Q1": its bilinear elements, unknown displacements, CG preconditioned by the mean stiffness; in 2D only. "Fourier": its
trigonometric polynomials, for odd n. Both are the discrete problems of hmm_core. "tetrahedra": six linear ones per voxel,
with a tensor of their own. Fourier and tetrahedra iterate on strains, with a projection on the compatible ones.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from benchmarks.problems import ElasticBall, blobs

Array = np.ndarray
MOST = 3000  # iterations


def elastic(contrast: float, dim: int, n: int, scheme: str, tol: float) -> Array:
    """The tensor of ``ElasticBall`` on unit strains (L, L).

    The modulus is that at the Gauss points of Q1, at the grid points of Fourier, at the centres of voxels for tetrahedra.
    """
    import muSpectre

    cell = muSpectre.cell.CellData.make([n] * dim, [1.0] * dim)
    elements = _elements(cell, scheme)
    kinds = [getattr(muSpectre.material, f"MaterialLinearElastic{k}_{dim}d") for k in (1, 4)]
    soft, hard = (kinds[0].make(cell, name, E, 0.3) for name, E in (("soft", 1.0), ("hard", contrast)))
    mixed = kinds[1].make(cell, "mixed") if scheme == "Q1" else None  # takes a modulus per quadrature point
    places = {"Q1": [0.5 - 12**-0.5, 0.5 + 12**-0.5], "Fourier": [0.0], "tetrahedra": [0.5]}[scheme]
    # The first axis runs fastest, in the points of a voxel and in the voxels.
    inside = np.array(list(product(places, repeat=dim)))[:, ::-1]
    voxel = np.stack(np.unravel_index(np.arange(n**dim), [n] * dim, order="F"))
    y = (voxel[:, None] + inside.T[:, :, None]) / n - 0.5
    moduli = ElasticBall(contrast).modulus(None, y).T
    share, poisson = (moduli > 1).mean(axis=1).tolist(), np.full(len(inside), 0.3)
    for k, hardness in enumerate(share):
        if 0 < hardness < 1:
            mixed.add_pixel(k, moduli[k], poisson)
        else:
            (hard if hardness else soft).add_pixel(k)
    one, pairs = np.eye(dim), [(i, j) for i in range(dim) for j in range(i, dim)]
    strains = [(np.outer(one[i], one[j]) + np.outer(one[j], one[i])) / 2 for i, j in pairs]
    solver = _solver(cell, elements, tol)
    solver.formulation = muSpectre.Formulation.small_strain
    return _energies(solver, strains)


def picture(n: int, tol: float) -> Array:
    """The conductivity (2, 2) of ``blobs``, Q1, one element per pixel."""
    import muSpectre

    medium, cell = blobs(2, n), muSpectre.cell.CellData.make([n, n], [1.0, 1.0])
    elements = _elements(cell, "Q1")
    make = muSpectre.material.MaterialLinearDiffusion_2d.make
    phases = [make(cell, f"phase {k}", float(value)) for k, value in enumerate((1.0, 100.0))]
    for k, phase in enumerate(medium.phases.ravel(order="F").tolist()):
        phases[phase].add_pixel(k)
    return _energies(_solver(cell, elements, tol), list(np.eye(2)[:, :, None]))


def _elements(cell: Any, scheme: str) -> Any:
    """What the solver is told of them; materials are made after this and before the solver."""
    import muSpectre

    if scheme == "Q1":
        return muSpectre.Discretisation(muSpectre.FEMStencil.bilinear_quadrangle(cell))
    cell.nb_quad_pts = {"Fourier": 1, "tetrahedra": 6}[scheme]
    return () if scheme == "Fourier" else muSpectre.linear_finite_elements.gradient_3d


def _solver(cell: Any, elements: Any, tol: float) -> Any:
    """CG to a relative residual ``tol``: the Newton loop around it takes one step, because the problem is linear."""
    import muSpectre
    from muSpectre import solvers

    silent = muSpectre.Verbosity.Silent
    newton = (silent, 1e-14, 0.0, MOST)
    if isinstance(elements, tuple):
        return solvers.SolverNewtonCG(cell, solvers.KrylovSolverCG(tol, MOST, silent), *newton, *elements)
    return solvers.SolverFEMNewtonPCG(elements, solvers.KrylovSolverPCG(tol, MOST, silent), *newton)


def _energies(solver: Any, loads: Sequence[Array]) -> Array:
    """<g_i . s_j> of the gradients and fluxes under unit loads, as the errors of g and s enter it multiplied."""
    solver.initialise_cell()
    if hasattr(solver, "set_reference_material"):
        solver.evaluate_stress_tangent()
        solver.set_reference_material(solver.tangent.map.mean())
    gradients, fluxes = [], []
    for load in loads:
        solver.solve_load_increment(load)
        gradients.append(solver.eval_grad.field.array().flatten(order="F"))
        fluxes.append(solver.flux.field.array().flatten(order="F"))
    points = gradients[0].size // loads[0].size
    return np.array([[g @ s for s in fluxes] for g in gradients]) / points


def converged(solve: Callable, *args: Any) -> Array:
    """Its own tensor with solver errors of about 1e-11."""
    return solve(*args, 1e-7)
