r"""A closure from trajectories: sigma = -E_mu[j], estimated by watching a particle model for as long as it takes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from hmm_core.closure.answer import Answer, question, shaped
from hmm_core.media.exact import require
from hmm_core.media.random import hashed
from hmm_core.micro.particles.chance import Chance
from hmm_core.micro.particles.statistics import LEAST, Estimate, estimate, settled

Array = np.ndarray
FIRST = 64  # blocks of a first look


@dataclass(frozen=True)
class TrajectoryClosure:
    r"""Closure by a particle model: sigma = -F, F = E_mu[j] the mean of its current at (U, grad U), with its standard error.

    Every point has ``replicas`` independent copies of the model. They run until the standard error of the flux is at most
    ``target``, or to the end of the ``budget``. ``answer.stderr`` says how well the flux is known, ``answer.info["missed"]`` at
    how many points that is worse than the target, ``answer.info["worst"]`` how many times worse at the worst of them, and
    ``answer.info["short"]`` at how many the runs of few replicas were too short to be sure of it (``particles.Estimate``). The
    tangent is told by central differences between copies that see the same random numbers.

    Parameters
    ----------
    model : a particle model, as those of ``hmm.particles``.
    rng : a ``numpy.random.Generator``, from which one key is drawn and kept in its place; or such a key.
    target : standard error of every component of the flux that is aimed at; None spends the whole budget.
    budget : time of one replica that may be spent on a question.
    replicas : independent copies at every point.
    step : half the distance of the states between which the tangent is told; its bias is O(step^2), or O(step) where the state
        is nearer than that to the end of what the model can have. In grad, times the model's ``grad_scale``.
    keep : "nothing" - every question is answered from the start, with the same random numbers at the same point: the law is
        one function of the state, wrong by its standard error, and Newton's method and tables meet no noise. "state" - the copies
        go on from where the last question about this point has left them, with new numbers: nothing has to settle again.

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
            require(number or (name == "target" and value is None), name, value, "must be a positive finite number")
        shortest = LEAST * self.model.block
        require(self.budget >= shortest, "budget", self.budget, f"must be at least {LEAST} blocks, {shortest}")
        whole = isinstance(self.replicas, Integral) and not isinstance(self.replicas, bool)
        require(whole and self.replicas >= 1, "replicas", self.replicas, "must be an integer, at least 1")
        require(self.keep in ("nothing", "state"), "keep", self.keep, "must be 'nothing' or 'state'")

    @property
    def dim(self) -> int:
        return self.model.dim

    def __call__(self, x: Array, u: Array, grad: Array, memory: dict | None = None) -> Answer:
        x, u, grad, shape = question(x, u, grad, self.dim, scalar=True)
        told = self.measure(x, u, grad, memory)
        flux, stderr = (np.stack([getattr(e, name) for e in told.flux], axis=-1) for name in ("mean", "stderr"))
        d_du, d_dgrad = np.zeros_like(flux), np.zeros((self.dim, *flux.shape))
        blurs = np.zeros_like(d_du), np.zeros_like(d_dgrad)
        for name, slopes in told.slopes.items():
            place = (0, ...) if name == "u" else (1, slice(None), int(name[4:]))
            for parts, values in (((d_du, d_dgrad), [-e.mean for e in slopes]), (blurs, [e.stderr for e in slopes])):
                parts[place[0]][place[1:]] = np.stack(values, axis=-1)
        ratio = stderr.max(axis=0) / self.target if self.target else np.zeros(len(u))
        info = {"micro_solves": len(u), "iterations": told.blocks}
        info |= {"missed": int((ratio > 1).sum()), "worst": float(ratio.max()), "repeats": self.keep == "nothing"}
        info |= {"short": sum(e.short for e in told.flux), "slope_stderr": blurs}
        parts = shaped((-flux, d_du, d_dgrad), shape)
        keep = told.memory if self.keep == "state" else None
        return Answer(*parts, stderr.reshape(self.dim, *shape), keep, info)

    def measure(self, x: Array, u: Array, grad: Array, memory: dict | None = None) -> "Told":
        """All that the runs say, at K points x (d, K), u (K,), grad (d, K); the flux is the physical one, F = -sigma."""
        variants = self._variants(u, grad)
        K, V, R = len(u), len(variants), self.replicas
        turn, state = self._recalled(memory, x)
        bits = hashed(self.rng, (x + 0.0).view(np.int64))

        def chance(points: Array, block: int) -> Chance:
            return Chance(self.rng, bits[points], turn[points], block, V, R)

        us, grads = (np.stack([v[i] for v in variants], axis=-1) for i in (1, 2))
        asked = np.repeat(x, V * R, axis=1), np.repeat(us, R), np.repeat(grads.reshape(self.dim, -1), R, axis=1)
        states = self.model.start(*asked, chance(np.arange(K), 0), state)
        states = {name: np.array(value).reshape(K, V, R, *value.shape[1:]) for name, value in states.items()}
        settle = 0.0 if self.model.stationary and state is None else None
        series = self._watched(states, chance, settle)

        flux: list[Estimate] = []
        slopes: dict[str, list[Estimate]] = {name: [] for name, *_ in variants[1::2]}
        for k, path in enumerate(series):
            rises = []
            for v, name in enumerate(slopes):
                above, below = variants[2 * v + 1], variants[2 * v + 2]
                width = above[1] - below[1] if name == "u" else (above[2] - below[2])[int(name[4:])]
                rises.append((path[:, 2 * v + 1] - path[:, 2 * v + 2]) / width[k])
            # a slope may settle later than the flux, and is known better: what both need is cut off
            cut = settled(np.concatenate([path[:, 0], *rises])) * self.model.block if settle is None else settle
            flux.append(estimate(path[:, 0], self.model.block, cut))
            for name, rise in zip(slopes, rises, strict=True):
                slopes[name].append(estimate(rise, self.model.block, cut))
        memory = {name: np.moveaxis(value, 0, -1) for name, value in states.items()}
        memory |= {"x": x.copy(), "turn": turn + np.uint64(1)}
        blocks = R * sum(path.shape[-1] for path in series)
        return Told(flux, slopes, [path[:, 0] for path in series], memory, blocks)

    def _recalled(self, memory: dict | None, x: Array) -> tuple[Array, dict | None]:
        """How often these points were asked before (K,), and the state in which that left them; None if it was about others."""
        fresh = np.zeros(x.shape[1], np.uint64)
        if memory is None:
            return fresh, None
        if np.shape(memory.get("x")) != x.shape or "turn" not in memory:
            raise ValueError(
                f"memory holds {sorted(memory)}: it does not belong to {x.shape[1]} points in {self.dim}D; use None"
            )
        if not np.array_equal(memory["x"], x):
            return fresh, None
        return memory["turn"], {name: _systems(value) for name, value in memory.items() if name not in ("x", "turn")}

    def _watched(self, states: dict[str, Array], chance: Callable[..., Chance], settle: float | None) -> list[Array]:
        """Averages over the blocks (d, V, R, T) of every point: T as many as its target takes, in rounds of which each doubles
        what there is, or as the budget has. ``states`` are left as they are at the end."""
        K, V, R = next(iter(states.values())).shape[:3]
        rounds: list[list[Array]] = [[] for _ in range(K)]
        active, block, last = np.arange(K), 0, max(LEAST, int(self.budget / self.model.block + 1e-9))
        while active.size and block < last:
            until = min(last, 2 * block or FIRST) if self.target else last
            mine = {name: value[active].reshape(-1, *value.shape[3:]) for name, value in states.items()}
            blocks = []
            for n in range(block + 1, until + 1):
                mine, flux = self.model.run(mine, chance(active, n))
                blocks.append(flux.reshape(self.dim, active.size, V, R))
            for name, value in mine.items():
                states[name][active] = value.reshape(active.size, V, R, *value.shape[1:])
            fresh, block, noisy = np.stack(blocks, axis=-1), until, []
            for k, part in zip(active, np.moveaxis(fresh, 1, 0), strict=True):
                rounds[k] = [np.concatenate([*rounds[k], part], axis=-1)]
                so_far = rounds[k][0][:, 0]
                noisy.append(
                    bool(self.target) and estimate(so_far, self.model.block, settle).stderr.max() > self.target
                )
            active = active[noisy]
        return [parts[0] for parts in rounds]

    def _variants(self, u: Array, grad: Array) -> list[tuple[str, Array, Array]]:
        """(what, u (K,), grad (d, K)): the state itself, then pairs above and below it, or the nearest one with room for them."""
        inside = getattr(self.model, "inside", lambda u, grad, margin: u)(u, grad, self.step)
        variants = [("", u, grad)]
        if "u" in self.model.depends:
            variants += [("u", inside + self.step, grad), ("u", inside - self.step, grad)]
        if "grad" in self.model.depends:
            for j in range(self.dim):
                change = np.zeros_like(grad)
                change[j] = self.step * self.model.grad_scale
                variants += [(f"grad{j}", inside, grad + change), (f"grad{j}", inside, grad - change)]
        return variants


@dataclass(frozen=True, eq=False)
class Told:
    """What the runs at K points say.

    flux     the flux F, an ``Estimate`` for each point
    slopes   by what changes, "u", "grad0", ...: the slopes of F likewise
    series   (d, R, T) for each point: averages over the blocks of which the flux is the mean
    memory   the micro state, for the next question
    blocks   run by all replicas of all points; the copies for the slopes are not counted
    """

    flux: list[Estimate]
    slopes: dict[str, list[Estimate]]
    series: list[Array]
    memory: dict[str, Array]
    blocks: int


def _systems(value: Array) -> Array:
    """(V, R, ..., K), as the memory has it -> (K V R, ...)."""
    moved = np.moveaxis(value, -1, 0)
    return moved.reshape(-1, *moved.shape[3:])
