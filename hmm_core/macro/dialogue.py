r"""One turn of the dialogue between a macro space and a closure, in four functions:

    restrict      macro dofs               ->  (x, U, grad U) at the sampling points
    micro_solve   (x, U, grad U)           ->  sigma and its tangent, asked from the closure
    reconstruct   sigma and tangent        ->  macro residual and tangent matrix
    update        residual, matrix         ->  new macro dofs

Find U with int sigma(x, U, grad U) . grad v dx = load(v) for all v, where sigma is not a formula but the answer of a closure
at the quadrature points of the macro basis (E and Engquist 2003). U may have m components; its gradient and the flux then have
m d rows, and below both are treated as rows, so that a scalar is nothing special.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import skfem
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import splu
from skfem.helpers import grad

from hmm_core.closure import Answer, ask
from hmm_core.macro.space import rows
from hmm_core.macro.workers import Pool, joined, progress_bar, slices
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray


class State(NamedTuple):
    """The macro state at K sampling points: x (d, K), u (K,), grad (d, K); for U of m components u (m, K), grad (m, d, K)."""

    x: Array
    u: Array
    grad: Array


@skfem.LinearForm
def internal_force(v, w):
    return (w.flux * rows(grad(v))).sum(axis=0)


@skfem.LinearForm
def magnitude(v, w):
    return np.abs((w.flux * rows(grad(v))).sum(axis=0))


@skfem.BilinearForm
def linearised_force(u, v, w):
    change = np.einsum("ij...,j...->i...", w.d_dgrad, rows(grad(u))) + np.einsum("ij...,j...->i...", w.d_du, rows(u))
    return (change * rows(grad(v))).sum(axis=0)


def restrict(basis: skfem.CellBasis, u: Array) -> State:
    """Phase 1: all that the micro model gets to know of the macro field, its value and gradient where it is asked."""
    x, U = np.asarray(basis.global_coordinates()), basis.interpolate(u)
    return State(*(np.asarray(part).reshape(*part.shape[:-2], -1) for part in (x, U, U.grad)))


def micro_solve(
    closure: Callable,
    state: State,
    memory: dict | None = None,
    tol: float | None = None,
    t: float | None = None,
    pool: Pool | None = None,
    label: str | None = None,
) -> Answer:
    """Phase 2: the closure's answer at all sampling points, in slices where there are workers or a progress bar."""
    count = state.x.shape[1]
    parts = pool.slices(count) if pool else min(count, 50) if label else 1
    cuts, order = slices(closure, state.x, parts, anew=memory is None)
    jobs = []
    for cut in cuts:
        mine = None if memory is None else {name: value[..., cut] for name, value in memory.items()}
        jobs.append((*(part[..., cut] for part in state), mine, tol, t))
    answers = []
    with progress_bar(count, label) as bar:
        for answer in pool.run(jobs) if pool else (ask(closure, *job) for job in jobs):
            answers.append(answer)
            if bar is not None:
                bar.update(answer.flux.shape[-1])
    return joined(answers, order)


def reconstruct(basis: skfem.CellBasis, answer: Answer, picard: State | None = None) -> tuple[Array, Array, csr_matrix]:
    """Phase 3: from the micro answers back to macro forces: int sigma . grad v, its size before cancellation, tangent.

    With the state ``picard`` that was asked about, the secant takes the tangent's place.
    """
    points = (basis.nelems, len(basis.W))
    count, components = points[0] * points[1], answer.d_du.size // answer.flux.size
    flux = answer.flux.reshape(-1, count)
    d_du, d_dgrad = (
        answer.d_du.reshape(len(flux), components, count),
        answer.d_dgrad.reshape(len(flux), len(flux), count),
    )
    if picard is not None:
        d_du, d_dgrad = np.zeros_like(d_du), secant(flux, picard.grad.reshape(-1, count), d_dgrad)
    flux, d_du, d_dgrad = (part.reshape(*part.shape[:-1], *points) for part in (flux, d_du, d_dgrad))
    force, size = internal_force.assemble(basis, flux=flux), magnitude.assemble(basis, flux=flux)
    return force, size, linearised_force.assemble(basis, d_du=d_du, d_dgrad=d_dgrad)


def secant(flux: Array, grad: Array, tangent: Array) -> Array:
    """Tensors A (d, d, K) with A grad = flux, of which the tangent's symmetric correction is smallest.

    A = T + (v g^T + g v^T)/|g|^2 - (v.g) g g^T/|g|^4, v = flux - T g (Powell's symmetric update). For a law linear in g it is
    the tangent, for |g|^(p-2) g the conductivity |g|^(p-2) I, and A = T where g = 0.
    """
    square = (grad * grad).sum(axis=0)
    g = np.divide(grad, np.sqrt(square), out=np.zeros_like(grad), where=square > 0)
    v = np.divide(flux, np.sqrt(square), out=np.zeros_like(flux), where=square > 0) - np.einsum(
        "ijk,jk->ik", tangent, g
    )
    v = np.where(square > 0, v, 0.0)
    return tangent + v[:, None] * g + g[:, None] * v - (v * g).sum(axis=0) * g[:, None] * g


def update(tangent: csr_matrix, residual: Array, free: Array) -> Array:
    """Phase 4: the step that makes the linearised residual vanish on the free dofs; the others keep their values."""
    if not free.size:
        return np.zeros_like(residual)
    singular = f"the macro tangent matrix ({free.size} unknowns) is singular: no finite update exists"
    try:
        step = skfem.solve(*skfem.condense(tangent, -residual, I=free), solver=_factorise)
    except RuntimeError as error:
        raise ConvergenceError(f"{singular} ({error})") from error
    if not np.isfinite(step).all():
        raise ConvergenceError(singular)
    return step


def _factorise(matrix: csr_matrix, b: Array) -> Array:
    """As SciPy's spsolve. That warns of a singular matrix, and warnings are silenced for all threads at once or for none."""
    return splu(matrix.T).solve(b, trans="T")


def noise(basis: skfem.CellBasis, stderr: Array) -> csr_matrix:
    """Forces (N, rows x points) that one standard error of each flux component at each sampling point exerts on the dofs.

    The errors are independent, so the covariance of the macro residual is this matrix times its transpose.
    """
    points = (basis.nelems, len(basis.W))
    weighted = stderr.reshape(-1, *points) * basis.dx
    number = np.arange(weighted.size).reshape(weighted.shape)
    entries: list[tuple[Any, Any, Any]] = []
    for i in range(basis.Nbfun):
        force = weighted * rows(basis.basis[i][0].grad)
        dofs = np.broadcast_to(basis.dofs.element_dofs[i][:, None], weighted.shape)
        entries.append((force.ravel(), dofs.ravel(), number.ravel()))
    values, dofs, columns = (np.concatenate(part) for part in zip(*entries, strict=True))
    return coo_matrix((values, (dofs, columns)), (basis.N, weighted.size)).tocsr()
