"""The steps of a balance law: what is heard at a state, one step, and step after step until a time.

With r the rate of change, gamma = 1 - 1/sqrt 2 and any matrix L, a step is

    (1 - gamma dt L) k1 = r(U),   (1 - gamma dt L) k2 = r(U + dt k1) - 2 k1,   U' = U + dt (3 k1 + k2)/2,

of second order for every L (Verwer, Spee, Blom and Hundsdorfer 1999, doi:10.1137/S1064827597326651). Where nothing is stiff
L = 0, and it is Heun's method, which is strong stability preserving: a mean of U and of two Euler steps (Shu and Osher 1988,
doi:10.1016/0021-9991(88)90177-5). Otherwise L holds what is stiff (``stiff``), in which the step is L-stable; waves stay
explicit. Steady states stay, and mass is conserved, to round-off in both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hmm_core.closure import Answer, RefusedState, ask
from hmm_core.macro.dialogue import State, micro_solve
from hmm_core.macro.flow import Stretch
from hmm_core.macro.loop import DROWNED
from hmm_core.macro.stiff import Factor
from hmm_core.macro.upwind import Scheme, reconstruct, restrict
from hmm_core.macro.volumes import takes_time, values_of
from hmm_core.macro.workers import Pool
from hmm_core.micro.grid import read_only
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray
COARSE = 10.0  # a given step that is implicit may be so many times less accurate than a chosen one
FASTER = 1 / 0.9  # so many times the CFL number may be reached in the middle of a step: with the default, one half
DIFFERENCE = 1e-6  # steps of difference quotients, relative to the largest value of a component


class BeyondCFL(ValueError):
    """A given step is longer than the waves allow."""


@dataclass(frozen=True, eq=False)
class Law:
    """F and S, and how they are asked. ``sizes`` (m,): of the components at the beginning; replicas: of U,
    by which its error band is estimated."""

    scheme: Scheme
    flux: Callable
    source: Callable | None
    sizes: Array
    replicas: int
    pool: Pool | None


@dataclass(frozen=True)
class Steps:
    """How long steps are: below the CFL number, as given or as accurate as wanted."""

    cfl: float
    dt: float | None
    tol: float


@dataclass(frozen=True, eq=False)
class Moment:
    """Averages U (m, *cells) at time t, what the flux remembers, and the step that accuracy would allow next."""

    t: float
    U: Array
    memory: dict[str, Array] | None = None
    dt: float | None = None
    replicas: Array | None = None  # (R, m, *cells): U as the noise of the flux might have made it


@dataclass(frozen=True, eq=False)
class Heard:
    """The rate of change (m, *cells) at a state, and what limits the step."""

    change: Array
    speed: float
    stiffness: float
    conductivity: list[Array]
    reaction: Array | None  # dS/dU (m, m, cells)
    state: State
    answer: Answer

    @property
    def work(self) -> "Work":
        return Work(self.answer.flux.shape[-1], int(self.answer.info.get("micro_solves", 0)))


@dataclass(frozen=True)
class Work:
    """At how many points the flux was asked, and the micro problems that took."""

    asked: int
    micro_solves: int


# -- one step ------------------------------------------------------------------------------------------------------------


def listen(law: Law, U: Array, t: float, memory: dict | None) -> Heard:
    """Restrict, ask, reconstruct: the rate of change at a state. RefusedState names the time, and the place."""
    scheme = law.scheme
    _refuse_non_finite(law, U, t)
    try:
        state = restrict(scheme, U, t)
        answer = micro_solve(law.flux, state, memory, None, t, law.pool)
        rate = reconstruct(scheme, state, answer)
    except RefusedState as error:
        raise RefusedState(f"at t={t}: {error}") from error
    except Exception as error:
        error.add_note(f"on the way, at t={t}")
        raise
    change, stiffness, reaction = rate.change, rate.spread, None
    if law.source is not None:
        S, reaction = _source(law, U, t)
        change = change + S.reshape(U.shape)
        stiffness += float(np.abs(reaction).sum(axis=1).max())
    return Heard(change, rate.speed, stiffness, rate.conductivity, reaction, state, answer)


def step(law: Law, now: Moment, heard: Heard, dt: float, factor: Factor | None) -> tuple[Moment, float, float, Work]:
    """Update: the moment one step later, how far the first order is from it (L1, relative), the speed of waves in its middle,
    and what was asked on the way."""
    solve, axes = factor.solve if factor else lambda r: r, tuple(range(1, now.U.ndim))
    replicas = now.replicas
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by name when it is next heard
        k1 = solve(heard.change)
        middle = listen(law, now.U + dt * k1, now.t + dt, heard.answer.memory)
        k2 = solve(middle.change - 2 * k1)
        U, work = now.U + dt / 2 * (3 * k1 + k2), middle.work
        sizes = np.maximum(law.sizes, np.maximum(np.abs(now.U), np.abs(U)).mean(axis=axes))
        error = float(((dt / 2 * np.abs(k1 + k2)).mean(axis=axes) / sizes).max())
        if heard.answer.stderr is not None and law.replicas:
            replicas = np.array([now.U] * law.replicas) if replicas is None else replicas
            rates, first = perturbed(law, heard, now.U, replicas, now.t, 0)
            K1 = np.array([solve(r) for r in rates])
            rates, second = perturbed(law, middle, now.U + dt * k1, replicas + dt * K1, now.t + dt, 1)
            K2 = np.array([solve(r) for r in rates - 2 * K1])
            replicas = replicas + dt / 2 * (3 * K1 + K2)
            blur = ((dt / 2 * np.abs(K1 + K2 - (k1 + k2))).mean(axis=(0, *(i + 1 for i in axes))) / sizes).max()
            error = max(0.0, error - DROWNED * float(blur))  # of noise no shorter step makes less
            work = Work(work.asked, work.micro_solves + first + second)
    return Moment(now.t + dt, U, middle.answer.memory, None, replicas), error, middle.speed, work


def perturbed(law: Law, heard: Heard, U: Array, replicas: Array, t: float, stage: int) -> tuple[Array, int]:
    """Rates of change of replicas (R, m, *cells) of U: the flux that was heard at U, continued by its tangent, with errors.

    Errors that are independent from answer to answer are drawn anew. A flux whose errors depend on each other draws its own
    ``realisation``, which may solve micro problems where U was not: so many.
    """
    m, state, answer, solves = len(U), heard.state, heard.answer, 0
    rng = np.random.default_rng([stage, int(np.float64(t).view(np.uint64))])  # the same after a pause
    rows, count = answer.flux.size // answer.flux.shape[-1], answer.flux.shape[-1]
    A, K = (part.reshape(rows, -1, count) for part in (answer.d_du, answer.d_dgrad))
    S = 0.0 if law.source is None else _source(law, U, t)[0].reshape(U.shape)
    rates = np.empty_like(replicas)
    for r, W in enumerate(replicas):
        there = restrict(law.scheme, W, t)
        if hasattr(law.flux, "realisation"):
            told = ask(law.flux.realisation(r), *there)
            solves += int(told.info.get("micro_solves", 0))
        else:
            du, dgrad = ((b - a).reshape(-1, count) for a, b in zip(state[1:], there[1:], strict=True))
            change = np.einsum("ijk,jk->ik", A, du) + np.einsum("ijk,jk->ik", K, dgrad)
            error = answer.stderr * rng.standard_normal(answer.flux.shape)
            told = replace(answer, flux=answer.flux + change.reshape(error.shape) + error)
        rates[r] = reconstruct(law.scheme, there, told).change + S
        if heard.reaction is not None:
            rates[r] += np.einsum("ijk,jk->ik", heard.reaction, (W - U).reshape(m, -1)).reshape(U.shape)
    return rates, solves


def advance(law: Law, steps: Steps, now: Moment, end: float, bar: Any) -> tuple[Moment, Stretch]:
    """Step after step until ``end``. What is raised on the way carries the last moment as ``error.moment``."""
    stretch, factor, heard, cap = Stretch(end), None, None, math.inf
    try:
        while now.t < end:
            if heard is None:
                heard = listen(law, now.U, now.t, now.memory)
                stretch = _counted(stretch, heard.work)
            dt, implicit, controlled = _choose(law, steps, heard, now, end, cap)
            factor = Factor.of(law.scheme, heard.conductivity, heard.reaction, dt, factor) if implicit else None
            then, error, speed, work = step(law, now, heard, dt, factor)
            stretch, wish = _counted(stretch, work), None
            if law.scheme.scalar and steps.dt is None and dt * speed > FASTER * steps.cfl:
                cap, stretch = steps.cfl / speed, replace(stretch, rejected=stretch.rejected + 1)
                continue
            cap = math.inf
            if controlled:
                wish = dt * min(5.0, max(0.2, 0.9 * math.sqrt(steps.tol / error) if error > 0 else 5.0))
                if error > steps.tol:
                    now, stretch = replace(now, dt=wish), replace(stretch, rejected=stretch.rejected + 1)
                    continue
                wish = max(wish, now.dt or 0.0) if dt == end - now.t else wish  # a step cut short knows little
            elif implicit and error > COARSE * steps.tol:
                raise ConvergenceError(
                    f"dt={steps.dt}: in the implicit step from t={now.t} first and second order differ by {error:.2g} of U, "
                    f"more than {COARSE:g} tol={COARSE * steps.tol:.2g}; give a shorter dt, or none"
                )
            t = end if then.t >= end - 1e-14 * max(abs(end), dt) else then.t
            now, heard = replace(then, t=t, dt=wish), None
            stretch = replace(
                stretch,
                t=t,
                steps=stretch.steps + 1,
                shortest=min(stretch.shortest, dt),
                longest=max(stretch.longest, dt),
                implicit=stretch.implicit + implicit,
                error=max(stretch.error, error) if controlled or implicit else stretch.error,
            )
            bar.update(dt)
        _refuse_non_finite(law, now.U, now.t)
    except (Exception, KeyboardInterrupt) as error:
        error.moment = now, stretch
        raise
    return now, stretch


def _choose(law: Law, steps: Steps, heard: Heard, now: Moment, end: float, cap: float) -> tuple[float, bool, bool]:
    """The step, whether it is implicit in what is stiff, and whether its accuracy is controlled."""
    left, limit = end - now.t, min(cap, steps.cfl / heard.speed if heard.speed > 0 else math.inf)
    if steps.dt is not None:
        dt, controlled = min(steps.dt, left), False
        if dt > limit * (1 + 1e-12):
            raise BeyondCFL(
                f"dt={steps.dt}: at t={now.t} the fastest wave makes that a CFL number of {dt * heard.speed:.3g}, but cfl="
                f"{steps.cfl}; at most dt={limit:.3g} is allowed"
            )
    else:
        controlled = heard.stiffness * min(limit, left) > steps.cfl or law.source is not None or not heard.speed
        start = steps.cfl / max(heard.speed + heard.stiffness, steps.cfl / left)
        dt = min(limit, (now.dt or start) if controlled else limit)
        dt = min(dt, left) if controlled or not dt < left < 2 * dt else left / 2  # rather than a sliver at the end
    if not dt > 1e-14 * max(abs(now.t), left):
        raise ConvergenceError(
            f"at t={now.t} the step has shrunk to {dt:.1e}; waves cross {heard.speed:.3g} cells per unit time"
        )
    return dt, heard.stiffness * dt > steps.cfl, controlled


def _refuse_non_finite(law: Law, U: Array, t: float) -> None:
    if not np.isfinite(U).all():
        bad = (slice(None), *np.argwhere(~np.isfinite(U))[0][1:])
        x = law.scheme.grid.centres[bad].tolist()
        raise RefusedState(f"at t={t}: U = {U[bad].tolist()} at x={x}: it must be finite")


def _counted(stretch: Stretch, work: Work) -> Stretch:
    return replace(stretch, asked=stretch.asked + work.asked, micro_solves=stretch.micro_solves + work.micro_solves)


def _source(law: Law, U: Array, t: float) -> tuple[Array, Array]:
    """S (m, cells) and dS/dU (m, m, cells), by differences if it is not told."""
    grid, m = law.scheme.grid, len(U)
    x, u, c = grid.centres.reshape(grid.dim, -1), U.reshape(m, -1), () if law.scheme.scalar else (m,)
    timed = takes_time(law.source, 2)

    def told(u: Array) -> Any:
        state = read_only(x), read_only(u[0] if law.scheme.scalar else u)
        return law.source(*state, *[t] * timed)

    def checked(value: Any, lead: tuple[int, ...]) -> Array:
        try:
            return values_of(f"source at t={t}", value, x, lead)
        except ValueError as error:
            bad = np.asarray(value).dtype.kind in "fiu" and not np.isfinite(value).all()
            raise (RefusedState if bad else ValueError)(str(error)) from None

    S = told(u)
    if isinstance(S, tuple):
        S, slope = S
        slope = np.asarray(slope, dtype=float)
        slope = slope if not c or slope.ndim == 3 else slope[..., None]
        slope = np.broadcast_to(slope, (*c, *c, x.shape[1]))
        if not np.isfinite(slope).all():
            raise RefusedState(f"source at t={t}: dS/dU is not finite")
        return checked(S, c).reshape(m, -1), slope.reshape(m, m, -1)
    S, slope = checked(S, c).reshape(m, -1), np.empty((m, m, x.shape[1]))
    for j in range(m):
        moved, h = u.copy(), DIFFERENCE * law.sizes[j]
        moved[j] += (h := np.where(np.abs(u[j]) >= 2 * h, -np.sign(u[j]) * h, h))
        slope[:, j] = (checked(told(moved), c).reshape(m, -1) - S) / h
    return S, slope
