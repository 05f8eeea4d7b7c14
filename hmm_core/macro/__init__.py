"""The macro solver: a coarse space, the dialogue in four phases, the loop, the data, the solution, the workers.

space      a scikit-fem basis with the cheapest quadrature; its functions at points
boundary   sources and boundary conditions
workers    who answers: this process, or the workers of an executor
dialogue   one turn: restrict, micro_solve, reconstruct, update
loop       turn after turn, until the forces balance
solution   U, its error, its fine scale
elliptic   steady problems
evolution  parabolic ones: steps of TR-BDF2; inertia: the averaged capacity; forcing: data that change in time
waves      hyperbolic ones: the implicit midpoint rule; the dispersion that long times show
implicit   one step's equation, by the dialogue or, if the closure is linear, by a back substitution
march      from output time to output time; runs: how they begin, and begin again; trajectory: U in time; store: its files
averaging  ordinary differential equations with a fast variable

volumes    balance laws have cells of an interval or a rectangle as their space (and upwind, stepping, stiff)
flow       what became of the cell averages
balance    balance laws
"""

from hmm_core.macro.averaging import FastProcess, solve_averaged
from hmm_core.macro.balance import solve_balance_law
from hmm_core.macro.dialogue import State, micro_solve, reconstruct, restrict, secant, update
from hmm_core.macro.elliptic import solve_elliptic
from hmm_core.macro.evolution import solve_parabolic
from hmm_core.macro.flow import Flow
from hmm_core.macro.loop import Dialogue, Equations, converse
from hmm_core.macro.solution import NORMS, Solution
from hmm_core.macro.space import macro_basis
from hmm_core.macro.trajectory import Trajectory
from hmm_core.macro.volumes import Volumes
from hmm_core.macro.waves import solve_wave
from hmm_core.macro.workers import WorkersLost

__all__ = [
    "NORMS",
    "Dialogue",
    "Equations",
    "FastProcess",
    "Flow",
    "Solution",
    "State",
    "Trajectory",
    "Volumes",
    "WorkersLost",
    "converse",
    "macro_basis",
    "micro_solve",
    "reconstruct",
    "restrict",
    "secant",
    "solve_averaged",
    "solve_balance_law",
    "solve_elliptic",
    "solve_parabolic",
    "solve_wave",
    "update",
]
