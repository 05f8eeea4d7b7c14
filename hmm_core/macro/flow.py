"""What a balance law has made of its cell averages: the solution at the times that were asked for, its error, its file."""

import math
import os
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np

from hmm_core.closure.files import whole
from hmm_core.macro.space import _as_points
from hmm_core.macro.upwind import minmod
from hmm_core.macro.volumes import Volumes, takes_time

Array = np.ndarray
NORMS = ("L1", "L2", "max")


@dataclass(frozen=True)
class Stretch:
    """The way to one of the times: how many steps, the shortest and the longest, how many of them were implicit in what is
    stiff and how many were tried in vain; the largest estimated error of a step (relative, L1, of the first order; 0: there was
    no reason to estimate it); at how many points the flux was asked, and the micro problems that took."""

    t: float
    steps: int = 0
    shortest: float = math.inf
    longest: float = 0.0
    implicit: int = 0
    rejected: int = 0
    error: float = 0.0
    asked: int = 0
    micro_solves: int = 0


@dataclass(frozen=True, eq=False)
class Flow:
    """Cell averages of U at the times that were asked for.

    times     (T,)
    averages  (T, c, *cells), c the component axes: none, or m
    grid      the ``Volumes``
    history   a ``Stretch`` for each time; micro_solves: all that the flux asked for
    stderr    like averages: standard errors of U from the noise of the flux, if it answers with noise
    memory    what the flux remembered of its points; dt, the step that was next, and replicas, perturbed averages: a flow goes
              on from here as if it had not stopped (``solve_balance_law(..., initial=flow)``)
    """

    times: Array
    averages: Array
    grid: Volumes
    history: tuple[Stretch, ...] = ()
    stderr: Array | None = None
    memory: dict[str, Array] | None = field(default=None, repr=False)
    dt: float | None = None
    replicas: Array | None = field(default=None, repr=False)

    @property
    def micro_solves(self) -> int:
        return sum(stretch.micro_solves for stretch in self.history)

    def mass(self) -> Array:
        """The integral of U over the domain at every time: (T, c)."""
        axes = tuple(range(-self.grid.dim, 0))
        return self.averages.sum(axis=axes) * np.prod(self.grid.width)

    def index(self, t: float) -> int:
        """Which of the times t is. ValueError if it is none of them: between two of them a shock is somewhere else."""
        k = int(np.abs(self.times - t).argmin())
        if not abs(self.times[k] - t) <= 1e-12 * max(1.0, np.abs(self.times).max()):
            raise ValueError(
                f"t={t!r} is none of the times {self.times.tolist()} at which U is known; ask for it in times="
            )
        return k

    def at(self, points: Array, t: float) -> Array:
        """U (c, ...) at points (d, ...) and one of the times: the average of the cell that holds the point, with the smaller
        of its two slopes along every axis. ValueError for points outside the domain and for other times."""
        d, U = self.grid.dim, self.averages[self.index(t)]
        flat, shape = _as_points(d, points)
        cell = self.grid.locate(flat)
        value = U[(..., *cell)].copy()
        for axis in range(d):
            i = U.ndim - d + axis
            ends = [(int(j == i), int(j == i)) for j in range(U.ndim)]
            jumps = np.diff(np.pad(U, ends, mode="edge"), axis=i)
            slope = minmod(*(np.take(jumps, np.arange(s, s + U.shape[i]), axis=i) for s in (0, 1)))[(..., *cell)]
            value += slope * (flat[axis] - self.grid.centres[axis][cell]) / self.grid.width[axis]
        return value.reshape((*value.shape[:-1], *shape))

    def error(self, exact: Callable[[Array], Array], norm: str = "L1", t: float | None = None) -> float:
        """Norm of the cell averages of exact - U at one of the times (the last): "L1", "L2" or "max" of the sum over components.

        ``exact`` is a function of x (d, K), or of (x, t), that returns (c, K), or an array of averages.
        """
        if norm not in NORMS:
            raise ValueError(f"norm={norm!r} is not one of {', '.join(map(repr, NORMS))}")
        t = float(self.times[-1]) if t is None else t
        U = self.averages[self.index(t)]
        if callable(exact):
            true = self.grid.average("exact", (lambda x: exact(x, t)) if takes_time(exact, 1) else exact)
        else:
            true = np.asarray(exact, dtype=float)
        if true.shape != U.shape:
            raise ValueError(f"exact has shape {true.shape}; U has shape {U.shape}")
        gap = np.abs(true - U).reshape(-1, *self.grid.cells).sum(axis=0)
        volume = float(np.prod(self.grid.width))
        return {"L1": gap.sum() * volume, "L2": math.sqrt((gap**2).sum() * volume), "max": gap.max()}[norm].__float__()

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to one .npz file, which is there when all of it is written; until then an older one stays."""
        parts = {
            "times": self.times,
            "averages": self.averages,
            "cells": np.array(self.grid.cells),
            "domain": np.array(self.grid.domain),
            "history": np.array([astuple(stretch) for stretch in self.history], dtype=float),
            "dt": np.array(np.nan if self.dt is None else self.dt),
        }
        parts |= {name: part for name in ("stderr", "replicas") if (part := getattr(self, name)) is not None}
        parts |= {f"memory/{name}": value for name, value in (self.memory or {}).items()}
        with whole(path, ".npz") as draft:
            np.savez(draft, **parts)

    @staticmethod
    def load(path: str | os.PathLike) -> "Flow":
        """What ``save`` wrote. ValueError if the file is not one of its files."""
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                parts = dict(stored)
            domain = tuple(map(tuple, parts["domain"]))
            grid = Volumes(tuple(map(int, parts["cells"])), domain)
            kinds = (float, int, float, float, int, int, float, int, int)
            history = tuple(Stretch(*(k(v) for k, v in zip(kinds, row, strict=True))) for row in parts["history"])
            memory = {
                name.removeprefix("memory/"): value for name, value in parts.items() if name.startswith("memory/")
            }
            dt = float(parts["dt"])
            rest = parts.get("stderr"), memory or None, None if math.isnan(dt) else dt, parts.get("replicas")
            return Flow(parts["times"], parts["averages"], grid, history, *rest)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"path={str(path)!r} does not hold a flow: {error}") from error
