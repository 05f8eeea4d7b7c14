r"""The dialogue: a macro solver states (x, U, grad U) at its sampling points, a closure answers with the flux.

    sigma = sigma(x, U, grad U),    d sigma / dU,    d sigma / d grad U

The steady problem is -div sigma(x, U, grad U) = f, so for a linear medium sigma = A(x) grad U. Whatever the micro model is (a
formula, a periodic cell, a particle simulation), the macro solver sees only this answer.

    answer         the answer, and the question: shapes, checks, plain functions
    exact          the homogenized problem in closed form
    cells          cell problems, linear and nonlinear
    permeability   Stokes cells: Darcy's law
    physical       the physical current F = -sigma of a balance law
    immobile       components that stay where they are, beside one that moves
    trajectory     particle models, watched
    table          any closure, asked at the nodes of a lattice only (lattice); files: written whole

A closure is any callable ``closure(x, u, grad, memory=None, tol=None, t=None)`` that is pure and picklable; a plain function
``closure(x, u, grad)`` that returns the three arrays is one. The arrays that it is asked with are read-only. Some more things a
closure may offer, if it can:

    linear                           True: sigma = A(x) grad U, the same at all times. Then a time step asks it nothing
    frozen(t)                        the closure as it is at time t, if it changes in time
    dim                              the only dimension that it is made for
    alike(x) -> numbers (K,)         points with equal numbers share one micro problem: they are sent to one worker
    micro_fields(x, u, grad, eps)    the micro fields behind its answer, for ``Solution.reconstruct`` (a ``MicroFields``)
    realisation(k)                   itself as its noise may have made it, where errors of its answers depend on each other
    admissible(x, u) -> (K,) bool    whether there is an answer for a state, for ``solve_balance_law``
    speeds(x, u) -> (d, K), (d, K)   the slowest and the fastest wave of a balance law along every axis
"""

from hmm_core.closure.answer import Answer, ask, refuse_non_finite
from hmm_core.closure.cells import CellClosure, MicroFields, NonlinearCellClosure
from hmm_core.closure.exact import ExactClosure, as_tensor
from hmm_core.closure.immobile import WithImmobile
from hmm_core.closure.permeability import PermeabilityClosure
from hmm_core.closure.physical import PhysicalFlux
from hmm_core.closure.table import TableClosure, TableFull
from hmm_core.closure.trajectory import TrajectoryClosure
from hmm_core.micro.sampled_law import RefusedState

__all__ = [
    "Answer",
    "CellClosure",
    "ExactClosure",
    "MicroFields",
    "NonlinearCellClosure",
    "PermeabilityClosure",
    "PhysicalFlux",
    "RefusedState",
    "TableClosure",
    "TableFull",
    "TrajectoryClosure",
    "WithImmobile",
    "as_tensor",
    "ask",
    "refuse_non_finite",
]
