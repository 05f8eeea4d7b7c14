"""The macro solver: a coarse space, the dialogue in four phases, the data, the solution, the workers.

space      a scikit-fem basis with the cheapest quadrature; its functions at points
boundary   sources and boundary conditions
workers    who answers: this process, or the workers of an executor
dialogue   restrict, micro_solve, reconstruct, update
elliptic   the loop for steady problems
solution   U, its error, its fine scale
"""

from hmm_core.macro.dialogue import Dialogue, State, micro_solve, reconstruct, restrict, secant, update
from hmm_core.macro.elliptic import solve_elliptic
from hmm_core.macro.solution import NORMS, Solution
from hmm_core.macro.space import macro_basis

__all__ = [
    "NORMS",
    "Dialogue",
    "Solution",
    "State",
    "macro_basis",
    "micro_solve",
    "reconstruct",
    "restrict",
    "secant",
    "solve_elliptic",
    "update",
]
