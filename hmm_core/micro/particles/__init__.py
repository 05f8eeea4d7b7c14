"""Particles: micro models that are no differential equations. Asked for the flux at a macro state, they can only be watched.

    chance       random numbers, one stream for each macro point
    statistics   what a trajectory says about an average, and how well it knows it
    lattice      what lattice gases share
    exclusion    at most one particle a site
    zero_range   particles leave a site at a rate of their number there; independent walkers
    steps        what stochastic differential equations share
    langevin     a fast variable that follows a slow one
    dumbbells    polymers in a flow
    tumbling     straight runs and new directions, biased by a signal
    reactions    molecules that meet and change, event by event; fast ones nested in slow ones

A model (a reaction network is none: it runs by itself) is a frozen description with

    dim, block           of the macro problem; the time over which one number is averaged
    depends              what of the macro state its flux depends on: "u", "grad"
    stationary           whether its start has the stationary mean of the flux already, so that nothing need be cut off
    grad_scale           a change of the gradient that matters as one of u by one does, if it depends on it
    inside(u, grad, margin)    the nearest u around which there is room for differences; may be left out

and two verbs, for S systems at once, x (d, S), u (S,), grad (d, S):

    start(x, u, grad, chance, state=None) -> state    near equilibrium; or a given state, made to fit u and grad
    run(state, chance) -> state, F (d, S)             one block later, and the physical flux averaged over it

``start`` raises ``RefusedState`` for a macro state that the model cannot have. ``hmm.TrajectoryClosure`` makes a closure of it.
"""

from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.dumbbells import SHEAR, STRETCH, Dumbbells
from hmm_core.micro.particles.exclusion import Exclusion
from hmm_core.micro.particles.langevin import DoubleWell, Langevin, Relaxation
from hmm_core.micro.particles.reactions import Molecules, Network
from hmm_core.micro.particles.statistics import Estimate, autocorrelation_time, estimate, settled
from hmm_core.micro.particles.tumbling import RunAndTumble
from hmm_core.micro.particles.zero_range import ZeroRange, each, one

__all__ = [
    "SHEAR",
    "STRETCH",
    "Chance",
    "DoubleWell",
    "Dumbbells",
    "Estimate",
    "Exclusion",
    "Langevin",
    "Molecules",
    "Network",
    "Relaxation",
    "RunAndTumble",
    "ZeroRange",
    "autocorrelation_time",
    "each",
    "estimate",
    "one",
    "settled",
]
