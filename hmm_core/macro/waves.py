r"""Waves: rho d2U/dt2 - div sigma(x, U, grad U) = f, advanced by asking; and what long times show of the micro structure.

For t up to order one a wave in a periodic medium is one in the homogenized medium. After t ~ eps^-2 it is not: waves of different
length travel at different speeds. On a line the next term, with the corrector chi of the cell problem, is

    rho (u - eps^2 <chi^2> u_xx)_tt = (A* u_x)_x,

that is u_tt = A* u_xx + beta eps^2 u_xxxx, beta = A* <chi^2>, which is ill-posed as it stands, with u_tt/A* in place of one u_xx
(Santosa and Symes, A dispersive effective medium for wave propagation in periodic composites, 1991; Dohnal, Lamacz and Schweizer,
arXiv:1401.7839; for multiscale methods the survey of Abdulle and Henning, arXiv:1605.07922).
"""

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import skfem
from scipy.sparse import csr_matrix
from skfem.helpers import grad

from hmm_core.macro.boundary import Data
from hmm_core.macro.dialogue import restrict
from hmm_core.macro.elliptic import refuse_misfit, start
from hmm_core.macro.forcing import Forcing
from hmm_core.macro.implicit import Conversing, Effort, Linear, Memory, Space
from hmm_core.macro.inertia import mass_matrix
from hmm_core.macro.march import Clock, Stepped
from hmm_core.macro.runs import evolve
from hmm_core.macro.solution import Solution
from hmm_core.macro.trajectory import Frame, Moment, Trajectory

Array = np.ndarray


def solve_wave(
    basis: skfem.CellBasis,
    closure: Callable,
    initial: "Data | Array | Solution | Trajectory",
    velocity: "Data | Array | Solution",
    source: Any,
    times: Any,
    density: Data = 1.0,
    dirichlet: Any = 0.0,
    neumann: Any = None,
    executor: Executor | None = None,
    progress: bool = False,
    *,
    robin: Any = None,
    dispersion: float | None = None,
    step: float | None = None,
    path: str | os.PathLike | None = None,
    balance: float = 1e-10,
    max_iter: int = 50,
) -> Trajectory:
    r"""Solve <rho> d2U/dt2 - div sigma(x, U, grad U) = f with the closure's sigma, from U = initial and dU/dt = velocity.

    Steps are those of the implicit midpoint rule: second order, stable for any step, reversible, and without damping. For a
    linear closure and steady data the energy 1/2 int rho V^2 + 1/2 int grad U . A grad U - int f U is conserved to round-off; for
    a nonlinear one with a potential it is not exactly, but does not drift. One dialogue in a step, at its middle. Waves shorter
    than a few steps or elements travel at a wrong speed, as with every such scheme.

    Parameters
    ----------
    basis, closure, source, times, dirichlet, neumann, robin, executor, progress, path, balance, max_iter : as for
        ``solve_parabolic``, and so are linear closures, those in time, what a run carries when it ends early, and how it goes on.
    initial, velocity : U and dU/dt at the first time: a number, a function of x, dofs, or a Solution; where the boundary data
        give U, they hold, and their rate. Or, as ``initial``, a Trajectory to be continued.
    density : rho > 0: a number, a function of x, or a medium rho(x, y), averaged over the cell.
    step : equal steps of at most this length between the times; without it the times are the steps.
    dispersion : the period eps of the material, for times of order eps^-2: adds the term -eps^2 <rho> <chi^2> u_xxtt, chi the
        corrector of the closure's cell. On a line, for a medium without slow variable and a density that is a number.

    Raises as ``solve_parabolic``, and ValueError where ``dispersion`` is asked for and not known.
    """
    refuse_misfit(basis, closure)
    clock = Clock.of(times, step, None)
    t = float(clock.times[0])
    forcing = Forcing(basis, source, dirichlet, neumann, robin, t)
    mass = mass_matrix(basis, closure, density, "density")
    if dispersion is not None:
        mass = mass + dispersive_mass(basis, closure, density, dispersion)
    space = Space.of(basis, closure, mass, forcing, executor, balance, max_iter)

    def fields() -> dict[str, Array]:
        u, v = start(basis, initial), start(basis, velocity, "velocity")
        u[forcing.fixed], v[forcing.fixed] = forcing.values(t), _rate(forcing, t, clock.plan(Moment(t, 0, {}, None))[0])
        return {"u": u, "rate": v}

    return evolve(Midpoint, space, clock, initial, fields, path, progress)


@dataclass(frozen=True, eq=False)
class Midpoint:
    """M dV/dt = push(U, t), dU/dt = V. A step knows U and V at its beginning, and finds both at its end."""

    space: Space
    equation: Linear | Conversing
    kind = "wave"

    def begin(self, fields: dict[str, Array], t: float) -> tuple[dict[str, Array], Memory, Effort]:
        first = self.equation.at_rest(fields["u"], t)
        return fields, first.memory, first.effort

    def step(self, fields: dict[str, Array], memory: Memory, t: float, end: float, h: float, estimate: bool) -> Stepped:
        # M (V' - V) = h push(U_m), U' - U = h (V + V')/2 and U_m = (U + U')/2:  s M U_m + F(U_m) = load + s M (U + h/2 V)
        u, v, s, forcing = fields["u"], fields["rate"], 4 / h**2, self.space.forcing
        ahead = u + h / 2 * v
        values = (u[forcing.fixed] + forcing.values(end)) / 2 if forcing.moves["dirichlet"] else None
        middle = self.equation.solve(t + h / 2, s, s * (self.space.mass @ ahead), (ahead, u), memory, values)
        after, rate = 2 * middle.u - u, 4 / h * (middle.u - u) - v
        return Stepped({"u": after, "rate": rate}, middle.memory, middle.effort)

    def frame(self, fields: dict[str, Array], memory: Memory, t: float) -> tuple[Frame, Effort]:
        flux, effort = self.equation.flux(fields["u"], t, memory)
        return Frame(fields["u"], fields["rate"], flux), effort


def _rate(forcing: Forcing, t: float, h: float) -> Array:
    """Of the boundary data at t, from their values in the first step: what ``velocity`` says there need not fit them."""
    if not forcing.moves["dirichlet"]:
        return np.zeros(len(forcing.fixed))
    return (4 * forcing.values(t + h / 2) - 3 * forcing.values(t) - forcing.values(t + h)) / h


def dispersive_mass(basis: skfem.CellBasis, closure: Any, density: Data, eps: float) -> csr_matrix:
    """The matrix of eps^2 <chi^2> int rho U_x v_x. ValueError where the next term of the expansion is another one."""
    if callable(density):
        raise ValueError(f"dispersion={eps!r} needs a density that is a number, not {density!r}")
    square = mean_square_corrector(closure, restrict(basis, basis.zeros()).x, eps)
    return (eps**2 * square * density * skfem.BilinearForm(_slopes).assemble(basis)).tocsr()


def mean_square_corrector(closure: Any, x: Array, eps: float) -> float:
    """<chi^2> over the cell, the same at all points x (1, K); times A* it is the beta of long waves.

    ValueError in more than one dimension, for a closure without cell problems, or one whose correctors depend on x.
    """
    if len(x) != 1 or not getattr(closure, "linear", False) or not hasattr(closure, "micro_fields"):
        raise ValueError(
            f"dispersion={eps!r} is known on a line, for a closure of linear cell problems; this is a "
            f"{type(closure).__name__} in {len(x)}D"
        )
    if isinstance(eps, bool) or not isinstance(eps, int | float | np.number) or not 0 < eps < np.inf:
        raise ValueError(f"dispersion={eps!r} must be the period of the material, a positive number")
    fields = closure.micro_fields(x, np.zeros(x.shape[1]), np.ones_like(x), eps).values
    squares = (fields**2).mean(axis=tuple(range(1, fields.ndim)))
    tensors = closure(x, np.zeros(x.shape[1]), np.ones_like(x)).flux[0]
    for name, values in (("<chi^2>", squares), ("A*", tensors)):
        if np.ptp(values) > 1e-8 * abs(values).max():
            raise ValueError(
                f"dispersion={eps!r} needs a medium without slow variable; {name} varies from {values.min():.6g} to "
                f"{values.max():.6g}"
            )
    return float(squares.mean())


def _slopes(u: Any, v: Any, w: Any) -> Array:
    return grad(u)[0] * grad(v)[0]
