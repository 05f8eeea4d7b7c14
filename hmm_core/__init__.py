"""Heterogeneous Multiscale Method: macro solvers that ask local micro simulations for the flux they do not know.

A medium, asked by a micro solver, answers through a closure to a macro solver, and the analysis looks at all of it:

    media/     oscillating coefficients, random ones, nonlinear laws; closed forms and bounds to compare with
    micro/     cell problems: from a medium to its effective tensor, from a law to its averaged flux and tangent,
               from an obstacle to its permeability
    closure/   the dialogue (x, U, grad U) -> flux and its tangent
    macro/     the four-phase loop on any scikit-fem mesh, steady and in time; balance laws on control volumes; averages in time
    analysis/  the error of the method, split into its four terms; mesh, sample and micro grid for a tolerance; bounds
    compare/   what one would use instead: DNS, MsFEM, projective integration

Every folder imports from those above it in this list only. Names are imported when first used, so ``import hmm_core``
costs nothing that a session does not need.
"""

from importlib import import_module
from typing import Any

__version__ = "1.0.0"

# Where the public names live. A module is a name too: ``hmm.media``, ``hmm.exact``.
_HOME = {
    "Answer": "closure.answer",
    "Bounds": "analysis.certify",
    "CellClosure": "closure.cells",
    "CellProblem": "micro.cell",
    "ConvergenceError": "micro.krylov",
    "Ensemble": "micro.ensemble",
    "ErrorBudget": "analysis.errors",
    "ExactClosure": "closure.exact",
    "FastProcess": "macro.averaging",
    "Flow": "macro.flow",
    "MicroSolution": "micro.cell",
    "NonlinearCellClosure": "closure.cells",
    "PermeabilityClosure": "closure.permeability",
    "PermeabilityCurve": "micro.family",
    "PhysicalFlux": "closure.physical",
    "Plan": "analysis.planner",
    "RefusedState": "micro.sampled_law",
    "Solution": "macro.solution",
    "StokesFlow": "micro.stokes",
    "StokesProblem": "micro.stokes",
    "StokesSolution": "micro.stokes",
    "TableClosure": "closure.table",
    "Trajectory": "macro.trajectory",
    "TrajectoryClosure": "closure.trajectory",
    "Volumes": "macro.volumes",
    "WithImmobile": "closure.immobile",
    "certify": "analysis.certify",
    "decompose_error": "analysis.errors",
    "effective_ensemble": "micro.ensemble",
    "macro_basis": "macro.space",
    "msfem_basis": "compare.multiscale",
    "msfem_plane": "compare.multiscale",
    "permeability_curve": "micro.family",
    "plan": "analysis.planner",
    "solve_averaged": "macro.averaging",
    "solve_balance_law": "macro.balance",
    "solve_elliptic": "macro.elliptic",
    "solve_parabolic": "macro.evolution",
    "solve_wave": "macro.waves",
}
_MODULES = {
    "analysis": "analysis",
    "cell": "micro.cell",
    "closure": "closure",
    "compare": "compare",
    "ensemble": "micro.ensemble",
    "errors": "analysis.errors",
    "exact": "media.exact",
    "family": "micro.family",
    "grid": "micro.grid",
    "laws": "media.laws",
    "macro": "macro",
    "media": "media",
    "micro": "micro",
    "nonlinear": "micro.nonlinear",
    "particles": "micro.particles",
    "pilots": "analysis.pilots",
    "planner": "analysis.planner",
    "stokes": "micro.stokes",
}
__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{_MODULES[name]}")
    raise AttributeError(f"module 'hmm_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
