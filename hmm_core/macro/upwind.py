r"""Finite volumes in space: from cell averages to face states, from the answers there to the rate of change.

    dU_i/dt = -sum over axes (F_{i+1/2} - F_{i-1/2})/h + S(U_i)

    restrict      averages            ->  on each face x, the states on both of its sides, grad U
    (ask)         face states         ->  F and its tangent
    reconstruct   F on both sides     ->  one flux for each face (Rusanov, or Harten, Lax and van Leer), rate of change, speeds

Face states are those of limited linear profiles (MUSCL; van Leer 1979, doi:10.1016/0021-9991(79)90145-1), the flux between them
is Rusanov's or that of Harten, Lax and van Leer 1983 (doi:10.1137/1025002). Wave speeds are bounds of the eigenvalues of dF/dU
on both sides of a face; of one component, of the chord (F_r - F_l)/(u_r - u_l) as well. With low <= chord <= high both fluxes are

    F = F_l - D (u_r - u_l) = F_r - C (u_r - u_l),    C, D >= 0,    C + D <= max(-low, high),

so that no step makes the total variation larger (Harten 1983, doi:10.1016/0021-9991(83)90136-5), whatever function F is. Without
the chord a kink of F, or noise in it, makes one of them negative, and averages leave the range of their neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hmm_core.closure import Answer, RefusedState
from hmm_core.macro.dialogue import State
from hmm_core.macro.volumes import Side, Volumes

Array = np.ndarray
SEEN = 1e-3  # of the largest state: chords over less do not shorten the step, unless F is known to the last digit
ROUND_OFF = 1e-15


def minmod(a: Array, b: Array) -> Array:
    """The smaller slope, none at an extremum."""
    return np.where(a * b > 0, np.where(np.abs(a) < np.abs(b), a, b), 0.0)


def van_leer(a: Array, b: Array) -> Array:
    """The harmonic mean of two slopes of one sign: between them where the profile is smooth, never more than twice one."""
    ab = a * b
    up = ab > 0
    return np.where(up, 2 * ab / np.where(up, a + b, 1.0), 0.0)


def mc(a: Array, b: Array) -> Array:
    """The central slope, but no more than twice either (monotonised central)."""
    size = np.minimum(np.abs(a + b) / 2, 2 * np.minimum(np.abs(a), np.abs(b)))
    return np.where(a * b > 0, np.sign(a) * size, 0.0)


def flat(a: Array, b: Array) -> Array:
    """No slope: the scheme is then of first order."""
    return np.zeros_like(a)


LIMITERS = {"van_leer": van_leer, "mc": mc, "minmod": minmod, "flat": flat}


def rusanov(states: tuple[Array, Array], fluxes: tuple[Array, Array], low: Array, high: Array) -> Array:
    """One flux from those on both sides, with the largest speed as viscosity."""
    (left, right), (F, G) = states, fluxes
    return (F + G - np.maximum(-low, high) * (right - left)) / 2


def hll(states: tuple[Array, Array], fluxes: tuple[Array, Array], low: Array, high: Array) -> Array:
    """One flux from those on both sides: the mean between the slowest and the fastest wave; upwind where all go one way."""
    (left, right), (F, G) = states, fluxes
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    spread = high - low
    still = spread == 0
    mean = (high * F - low * G + low * high * (right - left)) / np.where(still, 1.0, spread)
    return np.where(still, (F + G) / 2, mean)


RIEMANN = {"hll": hll, "rusanov": rusanov}


@dataclass(frozen=True, eq=False)
class Scheme:
    """How space is cut, what is done at its sides, and which formulas are used."""

    grid: Volumes
    sides: tuple[tuple[Side, Side], ...]
    limiter: Callable
    riemann: Callable
    scalar: bool
    admissible: Callable | None = None
    speeds: Callable | None = None
    repeats: bool = False  # the flux is one function of the state at every x, noisy or not: that of a table


@dataclass(frozen=True, eq=False)
class Rate:
    """change     (m, *cells): what F makes of dU/dt
    speed         sum over axes of the largest wave speed over the width: the CFL number of a unit time step
    spread        the same for what F owes to grad U, 2 |dF/d grad U|/width^2
    conductivity  for each axis dF_n/d(d_n U) on its faces, (m, m, rows, faces)"""

    change: Array
    speed: float
    spread: float
    conductivity: list[Array]


def along(U: Array, axis: int, dim: int) -> Array:
    """A field (m, *cells) as (m, rows, n), n cells along the axis."""
    U = np.moveaxis(U, 1 + axis, -1)
    return U.reshape(len(U), -1, U.shape[-1]) if dim == 2 else U[:, None, :]


def back(field: Array, axis: int, dim: int) -> Array:
    """(m, rows, n) as a field (m, *cells)."""
    return np.moveaxis(field, -1, 1 + axis) if dim == 2 else field[:, 0]


def profiles(scheme: Scheme, U: Array, t: float, axis: int) -> tuple[Array, Array, Array, Array]:
    """x (d, rows, faces), the states left and right of the faces (m, rows, faces), and the slope across (m, rows, faces)."""
    grid, (low, high) = scheme.grid, scheme.sides[axis]
    V, x = along(U, axis, grid.dim), along(grid.faces(axis), axis, grid.dim)
    first, last, x0, x1 = V[..., 0], V[..., -1], x[..., 0], x[..., -1]
    padded = np.concatenate(
        [low.ghost(first, last, x0, t)[..., None], V, high.ghost(last, first, x1, t)[..., None]], -1
    )
    jumps = np.diff(padded)
    half = scheme.limiter(jumps[..., :-1], jumps[..., 1:]) / 2
    lower, upper = V - half, V + half
    if scheme.admissible is not None:  # no answer for a face state: none is lost with a flat profile
        c = () if scheme.scalar else (len(V),)
        bad = np.zeros(V.shape[1:], dtype=bool)
        for state, place in ((lower, x[..., :-1]), (upper, x[..., 1:])):
            fine = scheme.admissible(place.reshape(grid.dim, -1), state.reshape(*c, -1))
            bad |= ~np.asarray(fine, dtype=bool).reshape(bad.shape)
        lower, upper = np.where(bad, V, lower), np.where(bad, V, upper)
    for side, faces, end, place in ((low, lower, 0, x0), (high, upper, -1, x1)):
        if side.kind == "inflow":  # the ghost is as far outside as the first cell is inside: its slope may overshoot
            state = side.data(place, t)
            bounds = np.minimum(state, V[..., end]), np.maximum(state, V[..., end])
            faces[..., end] = np.clip(faces[..., end], *bounds)
    begin = low.outside(lower[..., 0], upper[..., -1], x0, t)[..., None]
    end = high.outside(upper[..., -1], lower[..., 0], x1, t)[..., None]
    left, right = np.concatenate([begin, upper], -1), np.concatenate([lower, end], -1)
    return x, left, right, jumps / grid.width[axis]


def restrict(scheme: Scheme, U: Array, t: float) -> State:
    """All that the closure gets to know: both states of every face with the gradient across it, axis after axis.

    Periodic ends are one face, asked once.
    """
    grid, parts = scheme.grid, []
    for axis in range(grid.dim):
        x, left, right, slope = profiles(scheme, U, t, axis)
        grad = np.empty((len(U), grid.dim, *slope.shape[1:]))
        grad[:, axis] = slope
        if grid.dim == 2:
            grad[:, 1 - axis] = _transverse(scheme, U, t, axis)
        n = slope.shape[-1] - (scheme.sides[axis][0].kind == "periodic")
        for state in (left, right):
            parts.append([part[..., :n].reshape(*part.shape[:-2], -1) for part in (x, state, grad)])
    x, u, grad = (np.concatenate(part, -1) for part in zip(*parts, strict=True))
    return State(x, u[0], grad[0]) if scheme.scalar else State(x, u, grad)


def _transverse(scheme: Scheme, U: Array, t: float, axis: int) -> Array:
    """The other derivative on the faces across an axis (m, rows, faces): means of central differences."""
    other, dim = 1 - axis, scheme.grid.dim
    (low, high), V = scheme.sides[other], along(U, other, dim)
    x = along(scheme.grid.faces(other), other, dim)
    ends = (
        low.ghost(V[..., 0], V[..., -1], x[..., 0], t)[..., None],
        high.ghost(V[..., -1], V[..., 0], x[..., -1], t)[..., None],
    )
    padded = np.concatenate([ends[0], V, ends[1]], -1)
    slope = along(back((padded[..., 2:] - padded[..., :-2]) / (2 * scheme.grid.width[other]), other, dim), axis, dim)
    mode = "wrap" if scheme.sides[axis][0].kind == "periodic" else "edge"
    slope = np.pad(slope, ((0, 0), (0, 0), (1, 1)), mode=mode)
    return (slope[..., 1:] + slope[..., :-1]) / 2


def reconstruct(scheme: Scheme, state: State, answer: Answer) -> Rate:
    """From the answers on both sides of all faces to the rate of change of the averages.

    Raises, unless the answers are noisy, RefusedState where dF/dU has no real eigenvalues, so that there is no wave to follow,
    and ValueError where F runs up the gradient.
    """
    grid, d = scheme.grid, scheme.grid.dim
    m = 1 if scheme.scalar else len(state.u)
    count = state.x.shape[-1]
    u, flux = state.u.reshape(m, count), answer.flux.reshape(m, d, count)
    d_du, d_dgrad = answer.d_du.reshape(m, d, m, count), answer.d_dgrad.reshape(m, d, m, d, count)
    change, speed, spread, conductivity, first, follows = 0.0, 0.0, 0.0, [], 0, answer.d_dgrad.any()
    function = scheme.repeats and not follows
    for axis, (low_side, high_side) in enumerate(scheme.sides):
        periodic = low_side.kind == "periodic"
        n = grid.cells[axis] + (not periodic)
        rows = int(np.prod(grid.cells)) // grid.cells[axis]
        sides = [slice(first + k * rows * n, first + (k + 1) * rows * n) for k in (0, 1)]
        first += 2 * rows * n
        states, fluxes = tuple(u[:, s] for s in sides), tuple(flux[:, axis, s] for s in sides)
        if scheme.speeds is None:
            bounds = [speeds(d_du[:, axis, :, s], state.x[:, s], answer.stderr is None) for s in sides]
        else:
            bounds = [[b[axis] for b in scheme.speeds(state.x[:, s], state.u[..., s])] for s in sides]
        low, high = np.minimum(bounds[0][0], bounds[1][0]), np.maximum(bounds[0][1], bounds[1][1])
        fastest = np.maximum(-low, high).max()
        if scheme.scalar and (answer.stderr is None or function):
            jump, rise = (states[1] - states[0])[0], (fluxes[1] - fluxes[0])[0]
            apart = np.abs(jump) > ROUND_OFF * np.abs(u).max()
            chord = np.where(apart, rise / np.where(apart, jump, 1.0), low)
            low, high = np.minimum(low, chord), np.maximum(high, chord)
            if function:
                gaps = [
                    across(*(part.reshape(rows, n) for part in pair), periodic)
                    for pair in ((states[0][0], states[1][0]), (fluxes[0][0], fluxes[1][0]))
                ]
                fastest = max(fastest, steepest(jump, rise, flux), steepest(*gaps, flux))
            else:  # solvers' tolerances, over a small jump, would make a step of any shortness
                seen = np.abs(jump) > SEEN * np.abs(u).max()
                fastest = max(fastest, np.abs(chord[seen]).max(initial=0.0))
        F = scheme.riemann(states, fluxes, low, high).reshape(m, rows, n)
        if periodic:
            F = np.concatenate([F, F[..., :1]], -1)
        if scheme.scalar:
            for side, end in ((low_side, 0), (high_side, -1)):
                if side.kind == "wall":
                    F[..., end] = 0.0
        width = grid.width[axis]
        change = change - back(np.diff(F) / width, axis, d)
        speed += float(fastest / width)
        if not follows:
            conductivity.append(np.broadcast_to(0.0, (m, m, rows, grid.cells[axis] + 1)))
            continue
        normal = d_dgrad[:, axis, :, axis]
        if answer.stderr is None:
            _refuse_backwards(np.trace(normal) / m, state.x)
        spread += 2 * float(np.abs(normal[..., sides[0].start : sides[1].stop]).sum(axis=1).max() / width**2)
        K = ((normal[..., sides[0]] + normal[..., sides[1]]) / 2).reshape(m, m, rows, n)
        conductivity.append(np.concatenate([K, K[..., :1]], -1) if periodic else K)
    return Rate(change, speed, spread, conductivity)


def across(left: Array, right: Array, periodic: bool) -> Array:
    """What a field changes by in a cell: from what a face (rows, n) sees on its right to what the next sees on its left."""
    gap = np.roll(left, -1, axis=-1) - right
    return gap if periodic else gap[:, :-1]


def steepest(jump: Array, rise: Array, flux: Array) -> float:
    """The largest |rise/jump|, without what round-off may add to it."""
    rise = np.maximum(np.abs(rise) - ROUND_OFF * np.abs(flux).max(), 0.0)
    return float(np.divide(rise, np.abs(jump), out=np.zeros_like(rise), where=jump != 0).max(initial=0.0))


def _refuse_backwards(slope: Array, x: Array) -> None:
    """A current that runs up its gradient sharpens what it should spread."""
    if slope.max() > 1e-6 * np.abs(slope).max():  # differences are no better
        k = int(slope.argmax())
        raise ValueError(
            f"dF/d grad U = {slope[k]} at x={x[:, k].tolist()}: the current runs up the gradient, and no solution lasts. "
            "Closures answer with sigma, balance laws move by F = -sigma: PhysicalFlux(closure)"
        )


def speeds(A: Array, x: Array, sure: bool = True) -> tuple[Array, Array]:
    """Bounds (K,) of the eigenvalues of matrices A (m, m, K)."""
    m = len(A)
    if m == 1:
        return A[0, 0], A[0, 0]
    if m == 2:
        mean, square = (A[0, 0] + A[1, 1]) / 2, ((A[0, 0] - A[1, 1]) / 2) ** 2 + A[0, 1] * A[1, 0]
        reach, imaginary = np.sqrt(np.abs(square)), np.where(square < 0, np.sqrt(np.abs(square)), 0.0)
        low, high = mean - reach, mean + reach
    elif m == 3:
        low, high, imaginary = _cubic(A)
    else:
        values = np.linalg.eigvals(np.moveaxis(A, -1, 0))
        imaginary = np.abs(values.imag).max(axis=1)
        low = (values.real - np.abs(values.imag)).min(axis=1)
        high = (values.real + np.abs(values.imag)).max(axis=1)
    size = np.abs(A).max(axis=(0, 1))
    if sure and (imaginary > 1e-3 * size).any():
        k = int((imaginary - 1e-3 * size).argmax())
        raise RefusedState(
            f"dF/dU = {A[..., k].tolist()} at x={x[:, k].tolist()} has complex eigenvalues: the law is not hyperbolic there"
        )
    return low, high


def _cubic(A: Array) -> tuple[Array, Array, Array]:
    """The same for m = 3, by Cardano's formula for three real roots, and how large imaginary parts are."""
    mean = (A[0, 0] + A[1, 1] + A[2, 2]) / 3
    a, b, c = A[0, 0] - mean, A[1, 1] - mean, A[2, 2] - mean
    bc, ac, ab = A[1, 2] * A[2, 1], A[0, 2] * A[2, 0], A[0, 1] * A[1, 0]
    square = (a * a + b * b + c * c + 2 * (ab + ac + bc)) / 6
    half = (a * (b * c - bc) - b * ac - c * ab + A[0, 1] * A[1, 2] * A[2, 0] + A[0, 2] * A[1, 0] * A[2, 1]) / 2
    p = np.sqrt(np.abs(square))
    ratio = half / np.where(p > 0, p, 1.0) ** 3
    angle = np.arccos(np.clip(ratio, -1.0, 1.0)) / 3
    over = np.arccosh(np.maximum(np.abs(ratio), 1.0)) / 3
    imaginary = np.where(square < 0, p, np.sqrt(3) * p * np.sinh(over))
    reach = np.where(square < 0, 2 * p, 2 * p * (np.cosh(over) - 1))
    return mean + 2 * p * np.cos(angle + 2 * np.pi / 3) - reach, mean + 2 * p * np.cos(angle) + reach, imaginary
