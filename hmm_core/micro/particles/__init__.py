"""Particles: micro models that are no differential equations. Asked for the flux at a macro state, they can only be watched.

    chance       random numbers, one stream for each macro point
    statistics   what a trajectory says about an average, and how well it knows it
    lattice      what lattice gases share
    exclusion    at most one particle a site
    zero_range   particles leave a site at a rate of their number there; independent walkers

A model is a frozen description with ``dim``, ``depends`` (what of the macro state its flux depends on: "u", "grad"), ``block``
(the time over which one number is averaged), and two verbs, for S systems at once, u (S,), grad (d, S):

    start(u, grad, chance, state=None) -> state     near equilibrium; or a given state, made to fit u and grad
    run(state, chance) -> state, F (d, S)           one block later, and the physical flux averaged over it

``start`` raises ``RefusedState`` for a macro state that the model cannot have. ``hmm.TrajectoryClosure`` makes a closure of a model.
"""

from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.exclusion import Exclusion
from hmm_core.micro.particles.statistics import Estimate, autocorrelation_time, estimate, settled
from hmm_core.micro.particles.zero_range import ZeroRange, each, one

__all__ = [
    "Chance",
    "Estimate",
    "Exclusion",
    "ZeroRange",
    "autocorrelation_time",
    "each",
    "estimate",
    "one",
    "settled",
]
