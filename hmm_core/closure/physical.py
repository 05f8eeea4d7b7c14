"""The physical current of a balance law, dU/dt + div F = S: F = -sigma, and functions that say F and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from inspect import isroutine
from typing import Any

import numpy as np

from hmm_core.closure.answer import Answer, _accepted, ask

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class PhysicalFlux:
    """F = -sigma of a closure: heat runs down the temperature, sigma = A grad U points up.

    Steady problems are -div sigma = f, balance laws dU/dt + div F = S. Whatever the closure offers (``alike``, ``dim``,
    memory, standard errors) is offered here too.
    """

    closure: Callable

    def __post_init__(self) -> None:
        if not callable(self.closure):
            raise TypeError(f"closure={self.closure!r} is not a closure: pass CellClosure(a, cell), for example")

    def __call__(self, x: Array, u: Array, grad: Array, memory: Any = None, tol: Any = None, t: Any = None) -> Answer:
        shape, d = np.shape(x)[1:], len(x)
        c = np.shape(grad)[: np.ndim(grad) - np.ndim(x)]
        state = np.reshape(x, (d, -1)), np.broadcast_to(u, (*c, *shape)).reshape(*c, -1), np.reshape(grad, (*c, d, -1))
        answer = ask(self.closure, *state, memory, tol, t)
        flux, d_du, d_dgrad = (-part.reshape(*part.shape[:-1], *shape) for part in answer)
        stderr = None if answer.stderr is None else answer.stderr.reshape(flux.shape)
        return replace(answer, flux=flux, d_du=d_du, d_dgrad=d_dgrad, stderr=stderr)

    def __getattr__(self, name: str) -> Any:
        if name in ("alike", "dim", "admissible"):
            return getattr(self.closure, name)
        if name == "realisation":
            drawn = self.closure.realisation
            return lambda k: PhysicalFlux(drawn(k))
        raise AttributeError(name)


@dataclass(frozen=True, eq=False)
class Differences:
    """A plain function of (x, u, grad) as a closure: its own three arrays, or its flux alone with one-sided differences.

    steps   (m,) steps in the components of u, taken towards zero or, close to it, upwards: densities stay densities
    length  steps in the gradient are ``steps/length``

    The differences serve to estimate speeds and stiffness, for which six digits are plenty.
    """

    function: Callable
    steps: Array
    length: float

    def __call__(self, x: Array, u: Array, grad: Array, memory: Any = None, tol: Any = None, t: Any = None) -> Any:
        given = _accepted(self.function, {"memory": memory, "tol": tol, "t": t})
        flux = self.function(x, u, grad, **given)
        if not isinstance(flux, np.ndarray):
            return flux
        c, (d, count) = u.shape[:-1], x.shape
        if flux.shape != grad.shape:
            raise ValueError(
                f"flux has shape {flux.shape}; expected {grad.shape}, or three arrays: flux, d_du, d_dgrad"
            )
        d_du, d_dgrad = np.empty((*c, d, *c, count)), np.empty((*c, d, *c, d, count))
        for k in np.ndindex(c):
            step = self.steps[k] if c else self.steps[0]
            moved = u.copy()
            moved[k] += (h := np.where(np.abs(u[k]) >= 2 * step, -np.sign(u[k]) * step, step))
            d_du[(..., *k, slice(None))] = (self.function(x, moved, grad, **given) - flux) / h
            for j in range(d):
                steeper = grad.copy()
                steeper[(*k, j)] += step / self.length
                change = self.function(x, u, steeper, **given) - flux
                d_dgrad[(..., *k, j, slice(None))] = change / (step / self.length)
        return Answer(flux, d_du, d_dgrad)


def as_closure(flux: Callable, steps: Array, length: float) -> Callable:
    """Plain functions with ``Differences``; what is a closure as it is."""
    return Differences(flux, steps, length) if isroutine(flux) or isinstance(flux, partial) else flux
