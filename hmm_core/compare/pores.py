"""Direct numerical simulation of porous flow: the Stokes equations between all the obstacles of a rectangular bed."""

import math
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real

import numpy as np

from hmm_core.micro.fitted import fitted_mesh
from hmm_core.micro.mixed import dissipation, solve_stokes, taylor_hood
from hmm_core.micro.question import refuse_scale
from hmm_core.micro.stokes import FEWEST, LevelSet, level_set, warn_of_misfit

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class PoreFlow:
    """Flow through a rectangle from left to right.

    points     (2, L)  nodes
    simplices  (3, S)  triangles between them: ``matplotlib.tri.Triangulation(*points, simplices.T)``
    velocity   (2, L)
    pressure   (L,)
    flux       float   mean of the horizontal velocity on a vertical section, obstacles included: the filtration velocity
    identity   float   |mu (grad u, grad u) - (p_left - p_right) flux height|, relative: zero but for the solver's tolerance
    """

    points: Array
    simplices: Array
    velocity: Array
    pressure: Array
    flux: float
    identity: float


def resolve_pores(
    phi: LevelSet,
    eps: float,
    cells: tuple[int, int] = (8, 8),
    n: int = 12,
    pressures: tuple[float, float] = (1.0, 0.0),
    mu: float = 1.0,
    walls: str = "slip",
    tol: float = 1e-10,
) -> PoreFlow:
    r"""-mu Laplace u + grad p = 0, div u = 0 in a rectangle of ``cells`` periods eps, around all obstacles phi(x, x/eps) < 0.

    On the left and right sides the pressure is given and the velocity is horizontal. Mesh and elements are those of
    ``StokesProblem``, n squares per period.

    Parameters
    ----------
    phi : level set phi(x, y) with points x (2, 1, P) and y = x/eps; the rectangle is [0, cells[0] eps] x [0, cells[1] eps]. An
        obstacle must keep off the four sides: put it in the middle of its cell, y = (1/2, 1/2).
    pressures : on the left and on the right. mu : viscosity.
    walls : the horizontal sides; "slip", where no fluid crosses and none is held back (what a mirror would do), or "no-slip".
    tol : the divergence that is left, relative to the velocity gradient.

    Raises TypeError or ValueError for arguments outside these sets, and what ``fitted_mesh`` says about obstacles.
    """
    for name, value in (("n", n), *((f"cells[{k}]", c) for k, c in enumerate(cells))):
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")
    if n < FEWEST or len(cells) != 2 or min(cells) < 1:
        raise ValueError(
            f"n={n}, cells={cells}: at least {FEWEST} squares per period and two positive numbers of cells are needed"
        )
    for name, value in (("eps", eps), ("mu", mu)):
        if not (isinstance(value, Real) and 0 < value < math.inf):
            raise ValueError(f"{name}={value!r} must be positive and finite")
    if walls not in ("slip", "no-slip"):
        raise ValueError(f"walls={walls!r} is not one of 'slip', 'no-slip'")
    refuse_scale(phi, eps)
    left, right = pressures
    if not (np.isfinite([left, right]).all() and left != right):
        raise ValueError(f"pressures={pressures!r}: two different finite numbers are needed, or nothing flows")

    shape = tuple(n * c for c in cells)
    level = partial(_material, phi, eps)
    system = taylor_hood(fitted_mesh(level, shape, (0.0, 0.0), eps / n, (False, False)))
    warn_of_misfit(level, system, n, stacklevel=2)
    ends, sides = system.sides
    held = np.array([system.wall | (sides if walls == "no-slip" else False), system.wall | ends | sides])
    load = np.zeros((1, *held.shape))
    load[0, 0] = system.inflow  # of a unit pressure drop in a fluid of unit viscosity
    u, p, _ = solve_stokes(system, held, load, tol)
    through, lost = (system.inflow @ u[0, 0]).item(), dissipation(system, u).item()
    drop = left - right
    return PoreFlow(
        points=system.places,
        simplices=system.simplices,
        velocity=drop / mu * u[0][:, system.node],
        pressure=right + drop * system.pressure_at_places(p)[0],
        flux=drop / mu * lost / (cells[1] * eps),
        identity=abs(lost - through) / lost,
    )


def _material(phi: LevelSet, eps: float, points: Array) -> Array:
    x = points[:, None]
    return level_set(phi, x, x / eps)[0]
