r"""A closure from trajectories: sigma = -E_mu[j], estimated by watching a particle model for as long as it takes."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from hmm_core.closure.answer import Answer, question, shaped
from hmm_core.media.exact import require
from hmm_core.media.random import hashed
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.statistics import Estimate, estimate

Array = np.ndarray
FIRST = 64  # blocks of a first look


@dataclass(frozen=True)
class TrajectoryClosure:
    r"""Closure by a particle model: sigma = -F, F = E_mu[j] the mean of its current at (U, grad U), with its standard error.

    Every point has ``replicas`` independent copies of the model. They run until the standard error of the flux is at most
    ``target``, or to the end of the ``budget``: ``answer.stderr`` says how well the flux is known, and
    ``answer.info["missed"]`` at how many points that is worse than the target. The tangent is told by central differences between
    copies that see the same random numbers, ``step`` apart.

    Parameters
    ----------
    model : a particle model, as those of ``hmm.particles``.
    rng : a ``numpy.random.Generator``, from which one key is drawn and kept in its place; or such a key.
    target : standard error of every component of the flux that is aimed at; None spends the whole budget.
    budget : time of one replica that may be spent on a question.
    replicas : independent copies at every point.
    step : half the distance of the states between which the tangent is told; its bias is O(step^2). In grad, times
        the model's ``grad_scale``.
    keep : "nothing" - every question is answered from the start, with the same random numbers at the same point: the law is a
        smooth one, if a wrong one by its standard error, and Newton's method and tables find it so. "state" - the copies go on
        from where the last question about this point has left them, with new numbers: nothing has to settle again.

    Raises TypeError or ValueError for arguments of the wrong kind; RefusedState for a macro state that the model cannot have.
    """

    model: Any
    rng: np.random.Generator | int
    target: float | None = None
    budget: float = 1000.0
    replicas: int = 16
    step: float = 0.02
    keep: str = "nothing"

    def __post_init__(self) -> None:
        for verb in ("start", "run"):
            if not callable(getattr(self.model, verb, None)):
                raise TypeError(f"model={self.model!r} has no {verb}(): a particle model is needed")
        key = self.rng
        if isinstance(key, np.random.Generator):
            key = int(key.integers(2**64, dtype=np.uint64))
        elif isinstance(key, bool) or not isinstance(key, Integral):
            raise TypeError(f"rng={key!r} must be a numpy.random.Generator, such as default_rng(0), or a key from one")
        require(0 <= key < 2**64, "rng", key, "a key must be an integer from 0 to 2**64 - 1")
        object.__setattr__(self, "rng", int(key))
        for name in ("target", "budget", "step"):
            value = getattr(self, name)
            number = isinstance(value, Real) and not isinstance(value, bool) and 0 < value < math.inf
            require(number or (name == "target" and value is None), name, value, "must be a positive number")
        require(
            self.budget >= 4 * self.model.block,
            "budget",
            self.budget,
            f"must be at least 4 blocks of {self.model.block}",
        )
        whole = isinstance(self.replicas, Integral) and not isinstance(self.replicas, bool)
        require(whole and self.replicas >= 1, "replicas", self.replicas, "must be an integer, at least 1")
        require(self.keep in ("nothing", "state"), "keep", self.keep, "must be 'nothing' or 'state'")

    @property
    def dim(self) -> int:
        return self.model.dim

    def __call__(self, x: Array, u: Array, grad: Array, memory: dict | None = None) -> Answer:
        x, u, grad, shape = question(x, u, grad, self.dim, scalar=True)
        told = self.measure(x, u, grad, memory)
        flux = -np.stack([e.mean for e in told.flux], axis=-1)
        stderr = np.stack([e.stderr for e in told.flux], axis=-1)
        d_du, d_dgrad = np.zeros_like(flux), np.zeros((self.dim, *flux.shape))
        for name, slopes in told.slopes.items():
            slope = -np.stack([e.mean for e in slopes], axis=-1)
            if name == "u":
                d_du = slope
            else:
                d_dgrad[:, int(name[4:])] = slope
        missed = 0 if self.target is None else int((stderr.max(axis=0) > self.target).sum())
        info = {"micro_solves": len(u), "iterations": told.blocks, "missed": missed}
        answer = shaped((flux, d_du, d_dgrad), shape, memory=told.memory if self.keep == "state" else None, info=info)
        return Answer(*answer, stderr.reshape(stderr.shape[0], *shape), answer.memory, info)

    def measure(self, x: Array, u: Array, grad: Array, memory: dict | None = None) -> "Told":
        """All that the runs say, at K points x (d, K), u (K,), grad (d, K); the flux is the physical one, F = -sigma."""
        shifts = self._shifts(u, grad)
        K, V, R = len(u), len(shifts), self.replicas
        us = np.stack([u + du for _, du, _ in shifts], axis=1)
        grads = np.stack([grad + dgrad for *_, dgrad in shifts], axis=2)
        bits = hashed(self.rng, (x + 0.0).view(np.int64))
        turn = np.zeros(K, np.uint64)
        state = None
        if memory is not None:
            if "turn" not in memory or np.shape(memory["turn"]) != (K,):
                raise ValueError(f"memory holds {sorted(memory)}: it does not belong to {K} points; use None")
            turn = memory["turn"].astype(np.uint64)
            state = {name: _systems(memory[name]) for name in memory if name != "turn"}
        many = np.repeat(us.ravel(), R), np.repeat(grads.reshape(self.dim, -1), R, axis=1)
        states = self.model.start(*many, Chance(self.rng, bits, turn, 0, V, R), state)
        states = {name: value.reshape(K, V, R, *value.shape[1:]) for name, value in states.items()}
        active, block = np.arange(K), 0
        series = np.empty((self.dim, K, V, R, 0))
        last, kept = max(4, int(self.budget / self.model.block)), np.zeros(K, int)
        until = min(last, FIRST if self.target is not None else last)
        while active.size:
            S = active.size * V * R
            mine = {name: value[active].reshape(S, *value.shape[3:]) for name, value in states.items()}
            parts = []
            while block < until:
                block += 1
                chance = Chance(self.rng, bits[active], turn[active], block, V, R)
                mine, flux = self.model.run(mine, chance)
                parts.append(flux.reshape(self.dim, active.size, V, R))
            fresh = np.zeros((self.dim, K, V, R, len(parts)))
            fresh[:, active] = np.stack(parts, axis=-1)
            series = np.concatenate([series, fresh], axis=-1)
            for name, value in mine.items():
                states[name][active] = value.reshape(active.size, V, R, *value.shape[1:])
            kept[active] = block
            if block == last:
                break
            stderr = np.stack([estimate(series[:, k, 0], self.model.block).stderr for k in active], axis=-1)
            active = active[stderr.max(axis=0) > self.target]
            until = min(last, 2 * block)
        flux = [estimate(series[:, k, 0, :, : kept[k]], self.model.block) for k in range(K)]
        slopes: dict[str, list[Estimate]] = {}
        for v in range(1, V, 2):
            name, above, low = shifts[v][0], shifts[v], shifts[v + 1]
            width = above[1] - low[1] if name == "u" else (above[2] - low[2])[int(name[4:])]
            rise = (series[:, :, v] - series[:, :, v + 1]) / width[:, None, None]
            slopes[name] = [estimate(rise[:, k, :, : kept[k]], self.model.block, flux[k].burn_in) for k in range(K)]
        memory = {name: np.moveaxis(value, 0, -1) for name, value in states.items()} | {"turn": turn + np.uint64(1)}
        return Told(flux, slopes, memory, int(kept.sum()) * R)

    def _shifts(self, u: Array, grad: Array) -> list[tuple[str, Array, Array]]:
        """(what, change of u (K,), change of grad (d, K)): the state itself, then pairs above and below it."""
        none, shifts = np.zeros_like(grad), [("", np.zeros_like(u), np.zeros_like(grad))]
        low, high = 0.0, getattr(self.model, "most", math.inf)
        if "u" in self.model.depends:
            room = 0.0 if "grad" not in self.model.depends else 0.5 * getattr(self.model, "length", 0.0) * abs(grad[0])
            up, down = np.minimum(self.step, high - room - u), np.minimum(self.step, u - room - low)
            shifts += [("u", np.maximum(up, 0.0), none), ("u", -np.maximum(down, 0.0), none)]
        if "grad" in self.model.depends:
            for j in range(self.dim):
                change = none.copy()
                change[j] = self.step * self.model.grad_scale
                shifts += [(f"grad{j}", np.zeros_like(u), change), (f"grad{j}", np.zeros_like(u), -change)]
        return shifts


@dataclass(frozen=True, eq=False)
class Told:
    """What K points' runs say: the flux F, an ``Estimate`` for each; its slopes, by what changes: "u", "grad0", ..., likewise; the
    micro state for the next question; the blocks run by all replicas."""

    flux: list[Estimate]
    slopes: dict[str, list[Estimate]]
    memory: dict[str, Array]
    blocks: int


def _systems(value: Array) -> Array:
    """(V, R, ..., K), as the memory has it -> (K V R, ...)."""
    moved = np.moveaxis(value, -1, 0)
    return moved.reshape(-1, *moved.shape[3:])
