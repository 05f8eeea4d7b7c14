"""Checks of project 2, a material of your own: what must hold whatever the material is."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hmm_core.closure import ask as ask_closure
from hmm_course.checks import Array, array, ask, close, fail, given, match, number, passed, require


def _inputs(x: Any, u: Any) -> tuple[Array, Array]:
    """The reader's places x (d, K) and states u, one for all or (K,)."""
    x = array(x, "x, places in your domain,")
    require(x.ndim == 2 and x.shape[0] in (1, 2, 3), f"x should have shape (d, K), K places; it has shape {x.shape}.")
    u = array(u, "u")
    return x, array(np.full(x.shape[1], u) if u.ndim == 0 else u, "u, states at your places,", (x.shape[1],))


def _parts(value: Any, name: str, shapes: dict[str, tuple[int, ...]]) -> list[Array]:
    """A law's three arrays, each of which has to broadcast to its shape."""
    if not isinstance(value, tuple | list) or len(value) != len(shapes):
        fail(f"{name} should return {len(shapes)} arrays, {', '.join(shapes)}, in this order.")
    return [
        _broadcast(part, f"{label} of {name}", shape)
        for part, (label, shape) in zip(value, shapes.items(), strict=True)
    ]


def _broadcast(value: Any, name: str, shape: tuple[int, ...]) -> Array:
    value = array(value, name)
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        fail(
            f"{name} has shape {value.shape}, which should broadcast to {shape}: components first, then places, then points."
        )


def material(answer: Callable[..., Any], x: Array, u: Array = 1.0, period: float | None = 1.0) -> None:
    """A medium a(x, y) or a flux law flux(x, y, u, xi): finite, elliptic, periodic, point by point, with its derivatives.

    x (d, K), u (K,): places in the domain, and states that occur there. period=None for a material without period.
    """
    given(answer, "your material")
    if not callable(answer):
        fail("your material should be a function, a(x, y) or flux(x, y, u, xi); it is not one.")
    x, u = _inputs(x, u)
    (d, K), N, rng = x.shape, 40, np.random.default_rng(2)
    y, xi = rng.random((d, 1, N)), rng.standard_normal((d, K, N))
    try:
        law = len(inspect.signature(answer).parameters) == 4
    except (TypeError, ValueError):
        law = False

    def at(x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, ...]:
        K, N = x.shape[1], y.shape[-1]
        if law:
            said = ask(answer, x[..., None], y, u[:, None], xi, name="your law", case=f"{K} places and {N} points")
            j, j_u, T = said if isinstance(said, tuple | list) and len(said) == 3 else (None, None, None)
            if T is None:
                fail("your law should return 3 arrays, j, dj_du, dj_dxi, in this order.")
            T = array(T, "dj_dxi of your law")
            if T.ndim < 4:  # a scalar field
                T = _broadcast(T, "dj_dxi of your law", (K, N)) * np.eye(d)[:, :, None, None]
            shapes = {"j": (d, K, N), "dj_du": (d, K, N), "dj_dxi": (d, d, K, N)}
            return tuple(_parts((j, j_u, T), "your law", shapes))
        a = array(ask(answer, x[..., None], y, name="your medium", case=f"{K} places and {N} points"), "your medium")
        if a.ndim == 4 and a.shape[:2] == (d, d):
            return (_broadcast(a, "your medium", (d, d, K, N)),)
        return (_broadcast(a, "your medium", (K, N)) * np.eye(d)[:, :, None, None],)

    *flux, T = at(x, y, u, xi)
    lowest = np.linalg.eigvalsh(np.moveaxis(T + T.swapaxes(0, 1), (0, 1), (-2, -1)) / 2).min()
    if not lowest > 0:
        fail(
            f"your material does not conduct in some direction: the smallest eigenvalue found is {lowest:.2g}, not positive."
        )
    if close(T, np.broadcast_to(T[..., :1], T.shape), 1e-12):
        fail(
            "your material does not vary with y: there is nothing to average. Is it made of x where it should be of y?"
        )
    few = slice(3, 4)
    alone = at(x, y[..., few], u, xi[..., few])[-1]
    if not close(alone, T[..., few], 1e-9):
        fail("a point asked alone gets another answer than among others. A material looks at one point at a time.")
    for k in range(d if period else 0):
        moved = at(x, y + period * np.eye(d)[k][:, None, None], u, xi)[-1]
        if not close(moved, T, 1e-6):
            fail(
                f"your material has not the period {period:g} in y[{k}]; use np.mod(y, {period:g}), or say period=None."
            )
    if law:
        j, j_u = flux
        size, step = np.abs(xi).max(), 1e-5
        for k in range(d):
            move = step * size * np.eye(d)[k][:, None, None]
            by_difference = (at(x, y, u, xi + move)[0] - at(x, y, u, xi - move)[0]) / (2 * step * size)
            match(T[:, k], by_difference, f"dj_dxi[:, {k}], compared with a centred difference of j,", rtol=1e-4)
        step = 1e-5 * np.maximum(1, np.abs(u))
        by_difference = (at(x, y, u + step, xi)[0] - at(x, y, u - step, xi)[0]) / (2 * step[:, None])
        scale = 1e-4 * np.abs(j).max() / np.abs(u).max()
        if close(j_u, 0 * j, atol=1e-12) and not close(by_difference, 0 * j, atol=scale):
            fail("dj_du is zero, but your flux changes with u: the macro loop has to know.")
        match(j_u, by_difference, "dj_du, compared with a centred difference of j,", rtol=1e-4, atol=scale * 1e-2)
    passed("finite and elliptic", "varies with y", "each point for itself", "derivatives" if law else "a medium")


def closure(answer: Callable[..., Any], x: Array, u: Array, grad: Array) -> None:
    """A closure(x, u, grad): up the gradient, the same when asked again or in another order, with its own tangent.

    x (d, K), u (K,), grad (d, K): a few states that occur in the problem, at least two.
    """
    given(answer, "your closure")
    if not callable(answer):
        fail("your closure should be a function of (x, u, grad), such as hmm.CellClosure(...); it is not one.")
    x, u = _inputs(x, u)
    grad = array(grad, "grad", x.shape)
    require(x.shape[1] >= 2, "give two states or more, so that they can be asked in another order.")

    def at(x: Array, u: Array, grad: Array) -> Any:
        said = ask(ask_closure, answer, x, u, grad, name="your closure", case=f"{x.shape[1]} states")
        return said.flux, said.d_du, said.d_dgrad

    flux, d_du, d_dgrad = at(x, u, grad)
    along = (flux * grad).sum(axis=0)
    if (along < 0).all():
        fail(
            "your closure answers down the gradient. Here sigma counts up the gradient: sigma = A grad U with positive A."
        )
    require(along > 0, "at some of your states the flux points down the gradient: look at them one by one.")
    again, turned = at(x, u, grad)[0], at(x[:, ::-1], u[::-1], grad[:, ::-1])[0][:, ::-1]
    if not close(again, flux, 1e-3):
        fail("asked twice, your closure answers differently: does it draw random numbers, or remember?")
    if not close(turned, flux, 1e-3):
        fail("asked in another order, your closure answers differently: each place must be answered for itself.")
    step, size = 1e-2, np.linalg.norm(grad, axis=0)
    for k in range(len(x)):
        move = step * size * np.eye(len(x))[k][:, None]
        by_difference = (at(x, u, grad + move)[0] - at(x, u, grad - move)[0]) / (2 * step * size)
        match(
            d_dgrad[:, k], by_difference, f"d_dgrad[:, {k}], compared with a centred difference of the flux,", rtol=2e-2
        )
    step = 1e-2 * np.maximum(1e-3, np.abs(u))
    by_difference = (at(x, u + step, grad)[0] - at(x, u - step, grad)[0]) / (2 * step)
    effect, size = np.abs(by_difference * u).max(), np.abs(flux).max()
    if effect > 0.02 * size and not np.any(d_du):
        fail("d_du is zero, but the flux changes with u: the macro loop has to know.")
    if not close(d_du * u, by_difference * u, rtol=2e-2, atol=2e-3 * size):
        fail("d_du does not agree with a centred difference of the flux in u.")
    passed("up the gradient", "the same in any order", "its tangent is the slope of its flux")


def settling(values: Sequence[float]) -> None:
    """The same quantity from coarse to fine, three values or more: its changes must shrink."""
    values = array(values, "values")
    require(values.ndim == 1 and values.size >= 3, "give three values or more, a list from coarse to fine.")
    changes = np.abs(np.diff(values))
    if not changes.any():
        fail("the values do not change at all: did the finer parameter reach the computation?")
    require(changes > 0, "two neighbours are equal: did the finer parameter reach the computation?")
    ratio = changes[:-1] / changes[1:]
    if (ratio < 0.8).all():
        fail("the changes grow. Are the values listed from fine to coarse? Turn the list round.")
    if not (ratio > 1.3).all():
        fail(
            f"the changes do not shrink: {', '.join(f'{c:.1e}' for c in changes)}. The coarsest is too coarse, or it stalls."
        )
    passed("each refinement changes less than the one before")


def budget(errors: Mapping[str, float], tolerance: float) -> None:
    """Name -> relative error, not negative, three or more; their sum meets the tolerance."""
    given(errors, "your budget")
    if not isinstance(errors, Mapping):
        fail("your budget should be a dictionary, name of the error to its size relative to the result.")
    tolerance = number(tolerance, "the tolerance")
    require(0 < tolerance < 1, "the tolerance should be a fraction between 0 and 1: 0.05 for 5 percent.")
    parts = {str(name): number(value, f"the error {name!r}") for name, value in errors.items()}
    require(len(parts) >= 3, f"your budget has {len(parts)} terms; mesh, cell mesh and sample make three at least.")
    negative = [name for name, value in parts.items() if value < 0]
    if negative:
        fail(f"the error {negative[0]!r} is negative. Sizes add up; signed errors may cancel by luck.")
    if max(parts.values()) > 1:
        fail("an error exceeds the result itself: are these percents? Write 0.02 for 2 percent.")
    if not any(parts.values()):
        fail("all errors are zero: measure them, each by a change of its own parameter.")
    total, worst = sum(parts.values()), max(parts, key=parts.get)
    if total > tolerance:
        fail(f"the errors add up to {total:.2g}, more than the tolerance of {tolerance:g}; the largest is {worst!r}.")
    passed("sizes, not signs", "their sum meets the tolerance")
