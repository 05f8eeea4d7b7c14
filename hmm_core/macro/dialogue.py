r"""Steady macro problems on any scikit-fem mesh: find U with

    int sigma(x, U, grad U) . grad v dx + int_R alpha U v ds = int f v dx + int_N g v ds + int_R alpha u_inf v ds

for all v, where sigma is not a formula but the answer of a closure at the quadrature points of the macro basis (E and
Engquist 2003). One turn of the dialogue is four functions, in this order:

    restrict      macro dofs               ->  (x, U, grad U) at the sampling points
    micro_solve   (x, U, grad U)           ->  sigma and its tangent, asked from the closure
    reconstruct   sigma and tangent        ->  macro residual and tangent matrix
    update        residual, matrix         ->  new macro dofs

For a linear closure one turn gives U and a second one, answered from memory, confirms it. Otherwise the loop is
Newton's method with the closure's own tangent. Closures that can adapt their effort are told how accurate an answer the
turn deserves.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import skfem
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import MatrixRankWarning
from skfem.helpers import dot, grad, mul

from hmm_core.closure import Answer, ask
from hmm_core.macro.workers import _bar, _joined, _Pool
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray


class State(NamedTuple):
    """The macro state at K sampling points: x (d, K), u (K,), grad (d, K)."""

    x: Array
    u: Array
    grad: Array


@skfem.LinearForm
def internal_force(v, w):
    return dot(w.flux, grad(v))


@skfem.LinearForm
def magnitude(v, w):
    return np.abs(dot(w.flux, grad(v)))


@skfem.BilinearForm
def linearised_force(u, v, w):
    return dot(mul(w.d_dgrad, grad(u)) + w.d_du * u, grad(v))


def restrict(basis: skfem.CellBasis, u: Array) -> State:
    """Phase 1: all that the micro model gets to know of the macro field, its value and gradient where it is asked."""
    x, U = np.asarray(basis.global_coordinates()), basis.interpolate(u)
    return State(x.reshape(len(x), -1), np.asarray(U).reshape(-1), U.grad.reshape(len(x), -1))


def micro_solve(
    closure: Callable,
    state: State,
    memory: dict | None = None,
    tol: float | None = None,
    pool: "_Pool | None" = None,
    label: str | None = None,
) -> Answer:
    """Phase 2: the closure's answer at all sampling points, in slices where there are workers or a progress bar."""
    count = state.x.shape[1]
    parts = pool.slices(count) if pool else min(count, 50) if label else 1
    edges = np.linspace(0, count, parts + 1).astype(int)
    jobs = []
    for cut in map(slice, edges[:-1], edges[1:]):
        mine = None if memory is None else {name: value[..., cut] for name, value in memory.items()}
        jobs.append((closure, *(part[..., cut] for part in state), mine, tol))
    answers = []
    with _bar(count, label) as bar:
        for answer in pool.run(jobs) if pool else (ask(*job) for job in jobs):
            answers.append(answer)
            if bar is not None:
                bar.update(answer.flux.shape[-1])
    return answers[0] if len(answers) == 1 else _joined(answers)


def reconstruct(basis: skfem.CellBasis, answer: Answer, picard: State | None = None) -> tuple[Array, Array, csr_matrix]:
    """Phase 3: from the micro answers back to macro forces: int sigma . grad v, its size before cancellation, tangent.

    With the state ``picard`` that was asked about, the secant takes the tangent's place.
    """
    points = (basis.nelems, len(basis.W))
    flux, d_du, d_dgrad = answer
    if picard is not None:
        d_du, d_dgrad = np.zeros_like(d_du), secant(flux, picard.grad, d_dgrad)
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatrixRankWarning)
        step = skfem.solve(*skfem.condense(tangent, -residual, I=free))
    if not np.isfinite(step).all():
        raise ConvergenceError(f"the macro tangent matrix ({free.size} unknowns) is singular: no finite update exists")
    return step


@dataclass(frozen=True)
class Dialogue:
    """One turn: the residual that its answer left (relative to the forces in balance), the largest change of U that
    followed (0: none was needed), what the micro model had to do, at how many points it could answer from memory
    instead, and how accurate an answer it was asked for (None: as accurate as the closure's own settings say)."""

    residual: float
    update: float
    micro_solves: int
    iterations: int
    reused: int = 0
    tol: float | None = None
