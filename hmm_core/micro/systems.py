"""The linear systems of a batch, all directions of each: solved, and refined until the tensor that they make stands."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, Operator, Q1Grid, multiply
from hmm_core.micro.krylov import ConvergenceError, dot, solve_systems
from hmm_core.micro.response import allowed_energy, fluctuation, is_quadratic, mean_tensor, respond, respond_at_nodes
from hmm_core.micro.sample import ellipticity

STIFF = 1e-4  # ellipticity below which round-off is looked for: above, cancellation leaves twelve digits of the tensor
REFINEMENTS = 5  # after which another one is no help


@dataclass(frozen=True, eq=False)
class Systems:
    """B problems - div a grad u_j + shift w_j = 0, u_j = y_j + w_j, j = 1..L, and, if there are F fluxes
    ``forcing`` (B, F, L, G, E), one more that each drives: J = L + F columns.

    ``scales``, if they are given, replace what ``ellipticity`` says in the choice of accuracies, and everywhere if the points of
    a do not tell (``pointwise`` is False, see ``finite``).
    """

    cell: Any
    grid: Q1Grid | FourierGrid
    a: Array
    symmetric: bool
    shift: Array | None = None
    forcing: Array | None = None
    scales: tuple[Array, Array] | None = None
    pointwise: bool = True

    def of(self, chosen: Array) -> "Systems":
        """Some of them."""
        if chosen.all():
            return self
        shift, forcing = (None if v is None else v[chosen] for v in (self.shift, self.forcing))
        scales = None if self.scales is None else tuple(v[chosen] for v in self.scales)
        return replace(self, a=self.a[chosen], shift=shift, forcing=forcing, scales=scales)

    @property
    def prescribed(self) -> bool:
        """Whether <grad u_j> = e_j; otherwise a uniform flux J_j is, at first <a> e_j."""
        return self.cell.bc != "neumann"

    @cached_property
    def mean(self) -> Array:
        return mean_tensor(self.a, len(self.grid.kinematics))

    @cached_property
    def diagonal(self) -> Array:
        return np.einsum("bii->bi", self.mean)

    @cached_property
    def reference(self) -> Array:
        """Of the preconditioner: the diagonal; for periodic strains, whose components it couples anyway, all of the mean."""
        whole = self.grid.fields == "strain" and self.grid.bc == "periodic" and self.symmetric and self.scales is None
        return self.mean if whole else self.diagonal

    @cached_property
    def ellipticity(self) -> tuple[Array, Array]:
        return ellipticity(self.a, self.reference) if self.pointwise else self.scales

    @cached_property
    def equivalence(self) -> Array:
        """The least K/P (B,): r . P^-1 r bounds the energy of the error once divided by it."""
        low, _ = self.scales or self.ellipticity
        return low / self.grid.korn(self.diagonal)

    @cached_property
    def quadratic(self) -> bool:
        return is_quadratic(self.cell, self.symmetric)

    @cached_property
    def doubtful(self) -> Array:
        """Problems (B,) whose round-off may show, in the fields or in the energies that ``respond_at_nodes`` subtracts."""
        limit = max(STIFF, 100 * np.finfo(float).eps / self.cell.tol)
        weakest = self.diagonal.min(axis=1) / self.diagonal.max(axis=1)  # direction
        low, _ = self.scales or self.ellipticity
        if (low * weakest <= limit).any():  # ``scales`` may be cut off at ``STIFF``
            low, _ = self.ellipticity
        return (low * weakest < limit) | (not self.quadratic)

    @cached_property
    def strength(self) -> Array:
        """What ``forcing`` does to a rigid sample: <f . D^-1 f> (B, F)."""
        f = self.forcing
        return (f * (f / self.diagonal[:, None, :, None, None])).mean(axis=(3, 4)).sum(axis=2)

    @cached_property
    def stencil(self) -> Array:
        stencil = self.grid.stencil(self.a)
        return stencil if self.shift is None else stencil + np.multiply.outer(self.shift, self.grid.mass)

    @cached_property
    def precondition(self) -> Operator:
        return self.grid.preconditioner(self.reference, self.shift)

    def allowed(self, prescribed: bool) -> Array:
        """Energy (B, J) that the error of w_j may hold."""
        scales = self.scales or self.ellipticity
        allowed = allowed_energy(self.cell, *scales, self.mean, self.quadratic, prescribed)
        if self.forcing is None:
            return allowed
        last = (allowed / self.diagonal).min(axis=1)[:, None] * self.strength
        return np.concatenate([allowed, last], axis=1)

    def load(self) -> Array:
        """The functionals b_j of w_j, as large as the fluctuation of a."""
        b = -self.grid.load(fluctuation(self.a, self.mean))
        return b if self.forcing is None else np.concatenate([b, -self.grid.divergence(self.forcing)], axis=1)

    def solve(self, b: Array, prescribed: bool, start: Array | None = None) -> tuple[Array, ...]:
        """K w = b; what is returned is that of ``solve_systems``."""
        allowed, tol = self.allowed(prescribed), self.cell.tol
        target = self.equivalence[:, None] * allowed
        if start is not None:
            start[target == 0] = 0.0  # nothing drives these any more
        return solve_systems(self.grid, self.stencil, self.precondition, b, target, allowed, self.symmetric, tol, start)

    def negligible(self, r: Array, prescribed: bool) -> Array:
        """Whether forces r cannot do more than is allowed, (B,)."""
        return (dot(r, self.precondition(r)) <= self.equivalence[:, None] * self.allowed(prescribed)).all(axis=1)

    def forces(self, w: Array, gradient: Array, outer: Array) -> Array:
        """What is out of balance, v -> - int (a grad u_j - J_j) . grad v - shift w_j v, with J = outer for a uniform flux.

        It is summed from fluxes, which are no larger than what acts on the sample; b - K w is a difference of forces that hold
        a stiff inclusion together.
        """
        flux, L = multiply(self.a, gradient), len(self.grid.kinematics)
        if not self.prescribed:
            flux[:, :L] -= outer.swapaxes(1, 2)[..., None, None]
        if self.forcing is not None:
            flux[:, L:] += self.forcing
        r = -self.grid.divergence(flux)
        return r if self.shift is None else r - self.grid.operator(np.multiply.outer(self.shift, self.grid.mass))(w)

    def answer(self, gradient: Array, outer: Array) -> tuple[Array, Array]:
        """Rates (B, L, J) and mean gradients (B, L, J), see ``respond``."""
        return respond(self.cell, self.grid, self.a, gradient, self.quadratic, outer, self.forcing)


class Solved(NamedTuple):
    """w (B, J, nodes), rates and mean gradients (B, L, J), uniform fluxes (B, L, L); iterations, the preconditioned residual
    relative to a unit gradient, and solvers (B,)."""

    w: Array
    rates: Array
    caused: Array
    outer: Array
    iterations: Array
    residual: Array
    solver: Array


def solve(systems: Systems, start: Array | None = None) -> Solved:
    """The solutions of all systems. Raises ConvergenceError where they cannot be told to the cell's ``tol``."""
    b = systems.load()
    w, r, rho, iterations, solver, left = systems.solve(b, systems.prescribed, start)
    reached, L = left <= 1, len(systems.grid.kinematics)
    doubtful = systems.doubtful | ~reached
    rates, caused = np.empty((2, len(w), L, w.shape[1]))
    outer = systems.mean.copy()
    if not doubtful.all():
        sure = ~doubtful if doubtful.any() else slice(None)  # all of them are not copied
        some = systems.of(~doubtful)
        rates[sure], caused[sure] = respond_at_nodes(
            some.cell, some.grid, some.mean, b[sure], w[sure], r[sure], some.forcing
        )
    if doubtful.any():
        found = _refine(systems.of(doubtful), w[doubtful], r[doubtful], reached[doubtful])
        w[doubtful], rates[doubtful], caused[doubtful], outer[doubtful], more = found
        iterations[doubtful] += more
    energy = np.maximum(rho[:, :L], 0.0) / (
        systems.diagonal * systems.grid.length**systems.grid.dim
    )  # may round to < 0
    return Solved(w, rates, caused, outer, iterations.max(axis=1), np.sqrt(energy.max(axis=1)), solver)


def _refine(systems: Systems, w: Array, r: Array, reached: Array) -> tuple[Array, Array, Array, Array, Array]:
    """w, the rates, the mean gradients, the uniform fluxes, and the iterations (B, J) it took to refine w until the rates stand.

    Near round-off an iteration's own residual r keeps falling (``reached`` (B,) says whose is small enough) while the true one,
    that of the fluxes, does not. What is found is kept beside w, for in a stiff inclusion the digits that make the flux are below
    the last of w. Fields of uniform fluxes J_j are first combined into those of mean gradients e_j, whose errors the tensor does
    not magnify.

    Raises ConvergenceError if the rates do not come to rest.
    """
    if systems.scales is not None and systems.pointwise:
        systems = replace(systems, scales=None)
        reached = reached & systems.negligible(r, systems.prescribed)
    grid, cell, outer, L = systems.grid, systems.cell, systems.mean, len(systems.grid.kinematics)
    rest, rates, more = np.zeros_like(w), None, np.zeros(w.shape[:2], dtype=int)
    moving = np.ones(len(w), dtype=bool)
    for turn in range(REFINEMENTS + 1):
        gradient = total_gradient(grid, w, rest)
        before, (rates, caused) = rates, systems.answer(gradient, outer)
        missing = systems.forces(w + rest, gradient, outer)
        size = np.sqrt(np.maximum(np.abs(np.einsum("bii->bi", rates[..., :L])), np.finfo(float).tiny))
        if turn:
            last = () if systems.forcing is None else (np.sqrt(systems.strength + np.finfo(float).tiny),)
            change = np.abs(rates - before) / size[:, :, None] / np.concatenate([size, *last], axis=1)[:, None]
            change = change.max(axis=(1, 2))
            moving &= ~(reached & (change <= cell.tol / 2))  # which is far more than what is left
        else:
            mixed = caused[..., :L] * size[:, :, None] / (np.einsum("bii->bi", caused[..., :L]) * size)[:, None]
            moving = ~(reached & systems.negligible(missing - r, systems.prescribed))
            moving |= np.abs(mixed - np.eye(L)).max(axis=(1, 2)) > 0.5
        if not moving.any():
            return w, rates, caused, outer, more
        tilted = moving & (np.abs(caused[..., :L] - np.eye(L)).max(axis=(1, 2)) > 0.1)
        if not systems.prescribed and tilted.any():
            T, y = np.linalg.inv(caused[tilted][..., :L]), grid.affine()
            w, rest, outer = w.copy(), rest.copy(), outer.copy()
            w[tilted, :L] = np.einsum("bj...,bjk->bk...", y + w[tilted, :L] + rest[tilted, :L], T) - y
            rest[tilted, :L], outer[tilted] = 0.0, outer[tilted] @ T
            missing = systems.forces(w, total_gradient(grid, w, rest), outer)
        missing[~moving] = 0.0
        step, _, rho, steps, _, left = systems.solve(missing, True)
        reached = (left <= 1) | (rho <= 0.01 * np.abs(dot(step, missing))).all(axis=1)
        w, rest = two_sum(w, rest + step)
        more += steps
    raise ConvergenceError(
        f"tol={cell.tol} cannot be reached in double precision for this medium: after {REFINEMENTS} refinements its fields are "
        f"not settled (the tensor changes by {change[moving].max():.1e} of itself). Ask for less, or for a lower contrast"
    )


def total_gradient(grid: Q1Grid | FourierGrid, w: Array, rest: Array) -> Array:
    """Gradients of u_j = y_j + w_j + rest_j, j = 1..L, where ``rest`` holds digits below the last of w; of w_L + rest_L.

    Differences are taken of u, so that they are as accurate as they are large: in stiff elements grad y and grad w nearly cancel.
    """
    L = len(grid.kinematics)
    if isinstance(grid, FourierGrid):
        gradient, j = grid.gradient(w) + grid.gradient(rest), np.arange(L)
        gradient[:, j, j] += 1.0
        return gradient
    u, below = grid.extend(w), grid.extend(rest)
    y = np.zeros(u.shape[1:])
    y[:L] = grid.affine()
    u, lost = two_sum(u, y)
    return grid.closed_gradient(u) + grid.closed_gradient(below + lost)


def two_sum(u: Array, v: Array) -> tuple[Array, Array]:
    """u + v as they round, and what rounding left (Knuth)."""
    s = u + v
    t = s - u
    return s, (u - (s - t)) + (v - t)
