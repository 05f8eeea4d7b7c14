r"""Stokes cell problems: from an obstacle in a periodic cell to the permeability tensor of the bed that it is repeated in.

The obstacle is where a level set phi(x, y) is negative, x the macro point and y the place in the cell, in periods. For each
direction e_i find the flow that this force drives,

    -Laplace u^i + grad p^i = e_i,    div u^i = 0   in the fluid,    u^i = 0 on the obstacle,    u^i, p^i periodic;

K_ij = <u^i . e_j>, the mean over the whole cell, is the permeability in units of a period squared: a pressure gradient drives
the mean velocity -K grad p / mu (Sanchez-Palencia 1980, Non-homogeneous media and vibration theory). K is symmetric positive
definite, for K_ij = <grad u^i : grad u^j>.
"""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real

import numpy as np

from hmm_core.micro.fitted import fitted_mesh
from hmm_core.micro.krylov import ConvergenceError
from hmm_core.micro.mixed import TaylorHood, dissipation, solve_stokes, taylor_hood
from hmm_core.micro.question import macro_points, refuse_slow_variable
from hmm_core.micro.transforms import read_only

Array = np.ndarray
LevelSet = Callable[[Array, Array], Array]
CHUNK = 2**20  # values of the level set at a time
POOR = 0.3  # of an element inside the obstacle: below, errors of K stayed under 0.6 % with n = 12 and 16 (measured)
FEWEST = 4  # cells per period: below, a facet would be its own neighbour


@dataclass(frozen=True, eq=False)
class StokesFlow:
    """The fields in one cell, for pictures and means.

    points     (d, L)     nodes, in periods; those on the cell's sides are there twice, once on either side
    simplices  (d+1, S)   between them; in 2D ``matplotlib.tri.Triangulation(*points, simplices.T)``
    velocity   (d, d, L)  at [i] the velocity u^i for the force e_i
    pressure   (d, L)     its periodic pressure, of mean zero
    """

    points: Array
    simplices: Array
    velocity: Array
    pressure: Array


@dataclass(frozen=True, eq=False)
class StokesSolution:
    """What ``StokesProblem.solve`` found. K macro points trail; with ``x=None`` that axis is absent.

    permeability  (d, d, K)  symmetric positive definite, in periods^2
    porosity      (K,)       share of the fluid in the cell
    identity      (K,)       |<grad u : grad u> - <u>| / |K|, zero for an exact solution of the discrete equations
    misfit        (K,)       the largest share of an element that lies in the obstacle: what the mesh has cut off
    iterations    (K,)       of the pressure
    solves        int        distinct cell problems solved: equal obstacles are one problem
    cell          (K,)       which of these a macro point has
    flows         tuple      the fields of each of these (None if not asked for)
    """

    permeability: Array
    porosity: Array | float
    identity: Array | float
    misfit: Array | float
    iterations: Array | int
    solves: int
    cell: Array | int
    flows: tuple[StokesFlow, ...] | None = None

    @property
    def tensor(self) -> Array:
        """The permeability, as closures call what cell problems find."""
        return self.permeability


@dataclass(frozen=True)
class StokesProblem:
    """A description of the Stokes cell problem: its dimension and how it is discretised.

    The mesh is fitted to the obstacle, with Taylor-Hood elements and quadratic sides (``fitted``, ``mixed``). Where the surface
    is smooth the error of K falls at about n^-4: round obstacles reach 0.1 % with n = 12, spheres in a fifth of the
    cell 0.5 % with n = 6. Corners that point into the fluid leave an order of about one: square obstacles 1 % with n = 16, 0.2 %
    with n = 64. A UserWarning says where the mesh has cut off so much of an obstacle that percents may be wrong.

    Parameters
    ----------
    dim : 2 or 3.
    n : cells of the regular mesh per period (>= 4): squares that are cut into four triangles, cubes of twelve tetrahedra. A gap
        between obstacles is resolved from a width of about 1/n on; a narrower one may be closed. What closes the bed, or
        leaves nothing of an obstacle, is refused; an obstacle that falls between the mesh's vertices is, from about 0.2/n on.
    tol : the divergence that is left, |div u| <= tol |grad u|; the error that it makes in K is of the order of its square.

    Raises TypeError or ValueError for any argument outside these sets; the message names it.
    """

    dim: int = 2
    n: int = 16
    tol: float = 1e-10

    def __post_init__(self) -> None:
        for name in ("dim", "n"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral):
                raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")
        if self.dim not in (2, 3):
            raise ValueError(f"dim={self.dim!r} is not one of 2, 3: on a line an obstacle stops the flow")
        if self.n < FEWEST:
            raise ValueError(f"n={self.n} cells per period: at least {FEWEST} are needed")
        if isinstance(self.tol, bool) or not isinstance(self.tol, Real):
            raise TypeError(f"tol={self.tol!r} must be a real number, not {type(self.tol).__name__}")
        if not 1e-13 <= self.tol < 1e-2:
            raise ValueError(f"tol={self.tol!r} must lie in [1e-13, 1e-2)")

    def permeability(self, phi: LevelSet, x: Array | None = None) -> Array:
        r"""Permeability of the obstacle at one macro point, or at many: (d, d), or (d, d, ...) for x (d, ...).

        Parameters
        ----------
        phi : level set phi(x, y), negative in the obstacle, with x (d, K, 1) and y (d, 1, P); values that broadcast to (K, P).
            It is asked for y in [-1/2, 1/2)^d and continued periodically, so its signs on opposite sides have to agree. It
            must cross zero continuously, and best smoothly: a distance, or the minimum of several for obstacles that overlap.
        x : (d, ...) macro points. Without it the level set must not depend on x.

        Raises
        ------
        ValueError
            The level set is of the wrong shape, not finite, not periodic, or jumps; there is no obstacle, or no fluid; the fluid
            is in pieces, or is blocked by obstacles that touch; the mesh does not see a detail. The message says which, where.
        ConvergenceError
            The iteration did not reach ``tol``.
        """
        return self.solve(phi, x, fields=False).permeability

    def solve(self, phi: LevelSet, x: Array | None = None, fields: bool = True) -> StokesSolution:
        """As ``permeability``, and returns the whole solution."""
        if not callable(phi):
            raise TypeError(f"phi={phi!r} is not a level set: a function phi(x, y) is needed, negative in the obstacle")
        if x is None:
            refuse_slow_variable(phi, self.dim, 1.0)
        points, shape = (np.zeros((self.dim, 1)), ()) if x is None else macro_points(x, self.dim)
        kinds, first, owner = np.unique(self.alike(phi, points), return_index=True, return_inverse=True)
        found = []
        for k in first:
            try:
                found.append(self._one(phi, points[:, k : k + 1], fields))
            except (ValueError, ConvergenceError) as error:
                if x is not None:
                    error.add_note(f"this is the cell of the macro point x={points[:, k].tolist()}")
                raise
        tensor, porosity, identity, misfit, iterations, flows = zip(*found, strict=True)
        owner = owner.reshape(shape)
        per_point = (np.array(values)[owner][()] for values in (porosity, identity, misfit, iterations))
        permeability = np.moveaxis(np.array(tensor)[owner], (-2, -1), (0, 1))
        return StokesSolution(permeability, *per_point, len(kinds), owner[()], flows if fields else None)

    def alike(self, phi: LevelSet, x: Array) -> Array:
        """Numbers (K,) for macro points x (d, K): equal ones have equal level sets, and so are one problem."""
        points, _ = macro_points(x, self.dim)
        grid = (np.indices((2 * self.n,) * self.dim).reshape(self.dim, -1) + 0.25) / (2 * self.n) - 0.5
        labels, seen = np.empty(points.shape[1], dtype=int), {}
        step = max(1, CHUNK // grid.shape[1])
        for cut in (slice(k, k + step) for k in range(0, len(labels), step)):
            rows = level_set(phi, points[:, cut, None], grid[:, None])
            prints = [hashlib.blake2b(np.ascontiguousarray(row), digest_size=16).digest() for row in rows]
            labels[cut] = [seen.setdefault(key, len(seen)) for key in prints]
        return labels

    def _one(self, phi: LevelSet, x: Array, fields: bool) -> tuple[Array, float, float, float, int, StokesFlow | None]:
        d, n = self.dim, self.n
        level = partial(_periodic, phi, x)
        _refuse_aperiodic(phi, x, n)
        system = taylor_hood(fitted_mesh(level, (n,) * d, (-0.5,) * d, 1 / n, (True,) * d))
        misfit = warn_of_misfit(level, system, n)
        load = np.eye(d)[:, :, None] * system.load
        u, p, iterations = solve_stokes(system, np.array([system.wall] * d), load, self.tol)
        K = dissipation(system, u)  # as accurate as the square of |div u|, where the mean velocity is to first order
        K = (K + K.T) / 2
        identity = np.abs(K - np.einsum("ijn,n->ij", u, system.load)).max() / np.abs(K).max()
        if not np.linalg.eigvalsh(K).min() > 0:
            raise ConvergenceError(f"the permeability {K.tolist()} is not positive definite: take a larger n than {n}")
        flow = None
        if fields:
            p -= (p @ system.mass / system.mass.sum())[:, None]
            flow = StokesFlow(system.places, system.simplices, u[:, :, system.node], system.pressure_at_places(p))
        return K, float(system.mass.sum()), float(identity), misfit, iterations, flow


def level_set(phi: LevelSet, x: Array, y: Array) -> Array:
    """phi(x, y) for x (d, K, 1) or (d, K, P) and y (d, 1, P) or (d, K, P), as (K, P): real, finite, of a shape that fits."""
    count, places = x.shape[1], y.shape[2]
    try:
        value = np.asarray(phi(read_only(x), read_only(y)))
    except Exception as error:
        raise ValueError(
            f"the level set phi(x, y) raised {type(error).__name__} for x of shape {x.shape} and y of shape {y.shape}: {error}"
        ) from error
    if value.dtype.kind not in "fiu":
        raise ValueError(f"the level set phi(x, y) returned {value.dtype} values; real numbers are needed")
    try:
        value = np.broadcast_to(value, (count, places)).astype(float)
    except ValueError:
        raise ValueError(
            f"the level set phi(x, y) returned shape {value.shape}; expected one that broadcasts to ({count}, {places})"
        ) from None
    if not np.isfinite(value).all():
        k, j = np.argwhere(~np.isfinite(value))[0]
        at, place = (v[:, min(k, v.shape[1] - 1), min(j, v.shape[2] - 1)].tolist() for v in (x, y))
        raise ValueError(f"the level set phi(x, y) is {value[k, j]} at x={at}, y={place}: it must be finite")
    return value


def warn_of_misfit(level: Callable[[Array], Array], system: TaylorHood, n: int, stacklevel: int = 3) -> float:
    """The largest share of an element that lies in the obstacle; UserWarning if that is so much that it shows in the flow."""
    share = (level(system.inside.reshape(len(system.inside), -1)).reshape(system.inside.shape[1:]) < 0).mean(axis=1)
    worst = int(share.argmax())
    if share[worst] > POOR:
        where = system.inside[:, worst].mean(axis=1).round(3).tolist()
        warnings.warn(
            f"the mesh cuts off a part of the obstacle near {where}, so that percents of the flow may be wrong: it has corners, "
            f"or is too small or sharp for n={n}",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    return float(share[worst])


def _periodic(phi: LevelSet, x: Array, y: Array) -> Array:
    """At one macro point x (d, 1) and places y (d, P) anywhere: (P,)."""
    return level_set(phi, x[:, :, None], (y - np.floor(y + 0.5))[:, None])[0]


def _refuse_aperiodic(phi: LevelSet, x: Array, n: int) -> None:
    d = len(x)
    face = (np.indices((4 * n,) * (d - 1)).reshape(d - 1, -1) + 0.5) / (4 * n) - 0.5
    for k in range(d):
        here, there = (np.insert(face, k, side, axis=0) for side in (-0.5, 0.5))
        signs = [level_set(phi, x[:, :, None], y[:, None])[0] < 0 for y in (here, there)]
        if not np.array_equal(*signs):
            j = int(np.argmax(signs[0] != signs[1]))
            raise ValueError(
                f"the level set phi(x, y) is not periodic: at y={here[:, j].tolist()} and {there[:, j].tolist()} it has "
                "different signs. Measure the distance to the obstacle's nearest copy, y - centre - round(y - centre)"
            )
