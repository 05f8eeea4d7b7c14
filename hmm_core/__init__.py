"""Heterogeneous Multiscale Method: macro solvers that ask local micro simulations for the flux they do not know.

    media, exact      oscillating coefficients; closed forms and bounds to compare with
    laws              nonlinear flux laws j(x, y, u, xi) with their derivatives
    sampling, grid    media on sampling domains; regular-grid operators and the transforms that invert them
    krylov            iterations for many linear systems at once
    cell, nonlinear   cell problems: from a medium to its effective tensor, from a law to its averaged flux and tangent
    ensemble          the effective tensor of a random medium, with its confidence interval
    closure           the dialogue (x, U, grad U) -> flux and its tangent
    macro             the four-phase loop on any scikit-fem mesh
    errors            the error of the method, split into its four terms
    pilots, planner   mesh, sample and micro grid for a tolerance at least cost
    compare           what one would use instead: DNS, homogenization, MsFEM
    figures, demos    what the notebooks show and move
    checks            what the exercises say to an answer

Names are imported when first used, so ``import hmm_core`` costs nothing that a session does not need.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "CellClosure",
    "CellProblem",
    "ConvergenceError",
    "Ensemble",
    "ErrorBudget",
    "ExactClosure",
    "MicroSolution",
    "NonlinearCellClosure",
    "Plan",
    "Solution",
    "cell",
    "checks",
    "closure",
    "compare",
    "decompose_error",
    "demos",
    "effective_ensemble",
    "ensemble",
    "errors",
    "exact",
    "figures",
    "grid",
    "laws",
    "macro",
    "macro_basis",
    "media",
    "nonlinear",
    "pilots",
    "plan",
    "planner",
    "sampling",
    "solve_elliptic",
]

_HOME = {
    "Answer": "closure",
    "CellClosure": "closure",
    "CellProblem": "cell",
    "ConvergenceError": "cell",
    "ErrorBudget": "errors",
    "Ensemble": "ensemble",
    "ExactClosure": "closure",
    "MicroSolution": "cell",
    "NonlinearCellClosure": "closure",
    "Plan": "planner",
    "Solution": "macro",
    "decompose_error": "errors",
    "effective_ensemble": "ensemble",
    "macro_basis": "macro",
    "plan": "planner",
    "solve_elliptic": "macro",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'hmm_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
