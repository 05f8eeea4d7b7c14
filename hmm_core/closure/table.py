"""A table in front of a closure: micro problems are solved at the nodes of a lattice of states, and only where it is asked."""

import copy
import itertools
import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from hmm_core.closure.answer import Answer, ask, question, shaped
from hmm_core.closure.files import whole
from hmm_core.closure.lattice import DROWNED, REALISATIONS, Lattice, Store
from hmm_core.closure.physical import as_closure
from hmm_core.media.random import hashed
from hmm_core.micro.grid import read_only
from hmm_core.micro.krylov import ConvergenceError
from hmm_core.micro.sampled_law import RefusedState

Array = np.ndarray
Bounds = Sequence[float] | Sequence[Sequence[float]]
PLACES = 18  # bits of a place in which nodes differ: 6e-11 of it
SLACK = 1e-12  # of the range: round-off of a macro solver is forgiven


class TableFull(ConvergenceError):
    """A table has no room for another node."""


@dataclass(frozen=True, eq=False)
class TableClosure:
    r"""The answers of a closure of (u), (grad u) or (u, grad u), interpolated from a lattice of states that fills itself.

    A question looks for the box of the lattice that holds its state. Where nothing is known of it, the closure is asked at its
    corners and middles, all that are missing together; where what is interpolated there is farther from the closure's own
    answer than ``tol`` allows, the box is halved (see ``lattice``). So the closure is asked where the macro solution goes,
    densely where the law bends, and never twice. What is in the table is a cache: it decides what a question costs, not what
    the answer is. An answer is within ``tol`` of the closure's own if the law has no features that hide between nodes of the
    coarsest boxes.

    The answers are continuous for one tabulated number; for more they may jump by ``tol`` where boxes of two sizes meet.

    Parameters
    ----------
    closure : any closure; a plain function may return its flux alone. Its answer must not depend on x (looked at once, by two
        questions), nor on what is not tabulated (looked at in every tangent), and it must have one in all of the bounds.
    u, grad : the bounds (low, high) of a scalar; or one pair for each component, of grad for each component and axis, in the
        order of its entries. None: the law does not depend on it.
    tol : largest error of interpolation, in the units of the flux: a number, or an array like one flux.
    cells : boxes of the coarsest level along every axis; they are always halved.
    max_size : nodes that the table may hold.
    x : the place whose law is tabulated, for a closure that depends on x. None: it must not, and is asked at x = 0.
    executor : anything with ``submit`` as in concurrent.futures, by which missing nodes are asked, in slices. Give it here and
        not to the macro solver: workers that each had a table would ask everything once more.
    slopes : whether interpolation uses the closure's tangent. Without it more nodes are needed; of a noisy closure the tangent
        may be worth less than that.
    independent : for bands of noisy closures: every node is asked at its own x (last bits differ), so that with fixed random
        numbers it errs on its own; where the middles of a box tell of more than ``tol``, but not of more than noise, they are
        used; ``realisation`` draws errors of tangents as well. It takes more nodes: shared errors are smooth.

    Noisy closures: nodes keep their standard errors, boxes are not halved for the sake of noise, and answers carry what it
    makes of them. Errors of neighbouring answers are then not independent: ``realisation`` draws them, for ``solve_balance_law``;
    the band of ``solve_elliptic`` takes errors for independent, and is too narrow. A queue told by rings, 14 seeds: with
    ``independent``, intervals of 95 % held in 93 % of the moving cells without slopes, in 95 % with them; else 85 and 92 %.

    Pickles with its content, without its executor. Threads share one table; copies in other processes fill on their own.

    Raises
    ------
    ValueError
        A state outside the bounds (the message holds them); a closure that depends on x, or on what is not tabulated.
    TableFull
        The nodes would be more than ``max_size``.
    RefusedState
        The law jumps: no box is small enough.
    """

    closure: Callable
    u: Bounds | None = None
    grad: Bounds | None = None
    tol: float | Array = 1e-4
    cells: int = 2
    max_size: int = 10_000
    x: Sequence[float] | None = None
    slopes: bool = True
    executor: Executor | None = None
    independent: bool = False
    _store: Store = field(default_factory=Store, repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)
    _drawn: int | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.closure):
            raise TypeError(f"closure={self.closure!r} is not a closure: pass CellClosure(a, cell), for example")
        pairs = [*_pairs("u", self.u), *_pairs("grad", self.grad)]
        if not pairs:
            raise ValueError("u=None and grad=None: give bounds to at least one of them")
        if self.executor is not None and not hasattr(self.executor, "submit"):
            raise TypeError(f"executor={self.executor!r} has no submit(): pass a concurrent.futures executor, or None")
        if not (isinstance(self.cells, Integral) and self.cells >= 1 and isinstance(self.max_size, Integral)):
            raise ValueError(f"cells={self.cells!r} and max_size={self.max_size!r} must be integers, cells at least 1")
        if len(pairs) > 8:
            raise ValueError(f"u and grad have {len(pairs)} numbers: a table of more than 8 has too many corners")
        if self.lattice.depth < 4:
            raise ValueError(f"cells={self.cells!r}: boxes of {len(pairs)} numbers could not be halved often enough")
        if not (np.asarray(self.tol, dtype=float) > 0).all():
            raise ValueError(f"tol={self.tol!r} must be positive")

    @property
    def lattice(self) -> Lattice:
        low, high = zip(*_pairs("u", self.u), *_pairs("grad", self.grad), strict=True)
        return Lattice(low, high, int(self.cells), bool(self.slopes))

    @property
    def size(self) -> int:
        """Nodes that are known: so often was the closure asked."""
        return len(self._store.names)

    @property
    def dim(self) -> int | None:
        return getattr(self.closure, "dim", None)

    def admissible(self, x: Array, u: Array) -> Array:
        """Whether states (c, K) are inside the bounds of u: (K,)."""
        if self.u is None:
            return np.ones(u.shape[-1], dtype=bool)
        low, high = np.array(_pairs("u", self.u)).T[..., None]
        rows = u.reshape(-1, u.shape[-1])
        slack = SLACK * (high - low)
        return ((low - slack <= rows) & (rows <= high + slack)).all(axis=0)

    def __call__(self, x: Array, u: Array, grad: Array) -> Answer:
        x, u, grad, shape = question(x, u, grad, self.dim)
        with self._lock:
            leaf, z, work = self._found(x, u, grad)
            value, slope, stderr, error = self._interpolated(leaf, z)
        c, (d, count) = u.shape[:-1], x.shape
        flux = value.T.reshape(*c, d, count)
        m = math.prod(c)
        parts, first = [], 0
        for bounds, rows, lead in ((self.u, m, c), (self.grad, m * d, (*c, d))):
            width = 0 if bounds is None else rows
            part = slope[:, first : first + width] if width else np.zeros((count, rows, value.shape[1]))
            parts.append(part.transpose(2, 1, 0).reshape(*c, d, *lead, count))
            first += width
        info = {"micro_solves": work[0], "iterations": work[1], "error": float(error.max())}
        noisy = None if stderr is None else stderr.T.reshape(*c, d, *shape)
        return shaped((flux, *parts), shape, stderr=noisy, info=info)

    def realisation(self, k: int) -> "TableClosure":
        """The table as the noise of its nodes might have made it: one of ``REALISATIONS``, the same at every question.

        It shares its nodes with this one; their errors are drawn from normal distributions, of tangents none, unless they are
        ``independent`` and the closure knows them (``info["slope_stderr"]``). States outside the bounds are moved to them, for a
        solution that errs may err beyond.
        """
        if not (isinstance(k, Integral) and 0 <= k < REALISATIONS):
            raise ValueError(f"k={k!r} must be one of the integers 0 ... {REALISATIONS - 1}")
        return replace(self, _drawn=int(k))

    # -- where a state is ------------------------------------------------------------------------------------------------

    def _found(self, x: Array, u: Array, grad: Array) -> tuple[Array, Array, list[int]]:
        """The leaf of every point (K,), its state (K, D), and the work of finding it: micro problems, iterations."""
        lattice, count = self.lattice, x.shape[1]
        states = [
            (name, part.reshape(-1, count), _pairs(name, bounds))
            for name, part, bounds in (("u", u, self.u), ("grad", grad, self.grad))
            if bounds is not None
        ]
        for name, part, pairs in states:
            if len(part) != len(pairs):
                raise ValueError(f"{name} has {len(part)} numbers, but the table has bounds for {len(pairs)}: {pairs}")
            for i, (low, high) in enumerate(pairs):
                slack = SLACK * (high - low)
                out = ~((low - slack <= part[i]) & (part[i] <= high + slack))
                if out.any() and self._drawn is None:
                    k = int(out.argmax())
                    which = name if len(pairs) == 1 else f"{name}[{i}]"
                    raise ValueError(
                        f"{which} = {part[i, k]} at x={x[:, k].tolist()} is outside the table's bounds {(low, high)}; "
                        f"{int(out.sum())} of {count} points are"
                    )
        z = np.clip(np.concatenate([part for _, part, _ in states]).T, lattice.low, lattice.high)
        work = [0, 0]
        # What is not tabulated is zero: a noisy closure's errors depend on it, and must not on who asks first.
        rest = tuple(np.zeros(part.shape[:-1]) for part in (x, u, grad))
        leaf = lattice.find(self._store, z, lambda level, index: self._fill(level, index, rest, work))
        if not self._store.checked:
            self._refuse_other_dependence(x, u, grad, work)
        return leaf, z, work

    def _fill(self, level: int, index: Array, rest: tuple, work: list[int]) -> None:
        """Ask what is missing about boxes (B, D), and decide which of them are halved."""
        lattice, store = self.lattice, self._store
        corners, middles, t = lattice.nodes(index, level)
        nodes = np.concatenate([corners, middles], axis=1)
        names = lattice.name(nodes.reshape(-1, lattice.dim), lattice.depth + 1)
        self._learn(names, rest, work)
        rows = np.array([store.names[int(name)] for name in names]).reshape(nodes.shape[:2])
        at_corners, known = rows[:, : corners.shape[1]], self._store.as_arrays()["nodes"][rows]
        h = lattice.width / (lattice.cells * 2**level)
        error = lattice.errors(known[:, : corners.shape[1]], known[:, corners.shape[1] :], t, h)
        halved, noisy = np.ones(len(index), dtype=bool), np.zeros(len(index), dtype=bool)
        if level:
            around = lattice.name(index // 2, level - 1)
            expected = np.array([store.halved[level - 1][int(name)] for name in around]) / 2**lattice.order
            error = np.maximum(error, expected / 2)
            tol = np.broadcast_to(np.asarray(self.tol, dtype=float).reshape(-1), error.shape[1:])
            halved = (error * lattice.safety > np.maximum(tol, DROWNED * known[:, :, 1].max(axis=1))).any(axis=1)
            noisy = ~halved & self.independent & (error * lattice.safety > tol).any(axis=1)
        if level == lattice.depth and halved.any():
            z = lattice.place(middles[halved][0])[0].tolist()
            raise RefusedState(
                f"the law jumps near the state {z}: in boxes of {h.tolist()} it still moves by {error.max():.3g}"
            )
        for k, name in enumerate(map(int, lattice.name(index, level))):
            store.boxes[level][name] = -1 if halved[k] or noisy[k] else len(store.leaves)
            if halved[k]:
                store.halved[level][name] = error[k]
            elif not noisy[k]:
                store.leaves.append((at_corners[k], np.array([level, *index[k]]), float(error[k].max())))
        for k in np.flatnonzero(noisy):  # the middles are known: their boxes cost nothing, and err less
            for part, nodes_of in zip(*lattice.halves(), strict=True):
                place = 2 * index[k] + part
                store.level(level + 1)[int(lattice.name(place[None], level + 1)[0])] = len(store.leaves)
                store.leaves.append((rows[k, nodes_of], np.array([level + 1, *place]), float(error[k].max())))
        store.arrays.clear()

    def _learn(self, names: Array, rest: tuple, work: list[int]) -> None:
        """Ask the closure at the nodes that are not known yet."""
        lattice, store = self.lattice, self._store
        missing = np.array(sorted({int(name) for name in names} - store.names.keys()), dtype=np.int64)
        if not missing.size:
            return
        if self.size + len(missing) > self.max_size:
            raise TableFull(
                f"the table holds {self.size} nodes and needs {len(missing)} more, above max_size={self.max_size}: allow more, "
                f"or a larger tol than {self.tol!r}"
            )
        z = lattice.place(lattice.index(missing, lattice.depth + 1))
        known = []
        for answer in self._asked(z, *rest, missing):
            P, count, slopes, blurs = answer.flux[..., 0].size, answer.flux.shape[-1], [], []
            tangents = zip((answer.d_du, answer.d_dgrad), answer.info.get("slope_stderr", ((), ())), strict=True)
            for (part, blur), bounds, name in zip(tangents, (self.u, self.grad), ("u", "grad"), strict=True):
                if bounds is not None:
                    slopes.append(part.reshape(P, -1, count))
                    blurs.append(np.reshape(blur, (P, -1, count)) if len(blur) else np.zeros_like(slopes[-1]))
                elif part.any():
                    raise ValueError(
                        f"the closure's flux depends on {name} (its tangent does): give the table bounds {name}="
                    )
            stderr = np.zeros(answer.flux.shape) if answer.stderr is None else answer.stderr
            parts = [answer.flux.reshape(P, 1, count), stderr.reshape(P, 1, count), *slopes, *blurs]
            known += list(np.concatenate(parts, axis=1).transpose(2, 1, 0))
            work[0] += int(answer.info.get("micro_solves", count))
            work[1] += int(answer.info.get("iterations", 0))
        for name, row in zip(missing, known, strict=True):
            store.names[int(name)] = len(store.values)
            store.values.append(row)
        store.arrays.clear()

    def _asked(self, z: Array, x: Array, u: Array, grad: Array, names: Array | None = None) -> list[Answer]:
        """The closure's answers at states z (B, D), in slices. What is not tabulated: x (d,), u (c,), grad (c, d).

        Nodes with names (B,), if ``independent``, at places of their own.
        """
        closure, count, first = as_closure(self.closure, 1e-6 * self.lattice.width, 1.0), len(z), 0
        if self.x is not None:
            x = np.asarray(self.x, dtype=float).reshape(x.shape)
        state = [np.repeat(part[..., None], count, axis=-1) for part in (x, u, grad)]
        if names is not None and self.independent:
            bits = hashed(0, (names,)) >> np.uint64(64 - PLACES)
            state[0] = ((state[0] + 0.0).view(np.uint64) + bits).view(float)
        for k, bounds in ((1, self.u), (2, self.grad)):
            if bounds is not None:
                size = state[k][..., 0].size
                state[k], first = z.T[first : first + size].reshape(state[k].shape).copy(), first + size
        state = list(map(read_only, state))
        if self.executor is None:
            return [ask(closure, *state)]
        parts = min(count, 4 * (getattr(self.executor, "_max_workers", None) or 1))
        cuts = itertools.pairwise(np.linspace(0, count, parts + 1).astype(int))
        jobs = [self.executor.submit(ask, closure, *(part[..., a:b] for part in state)) for a, b in cuts]
        return [job.result() for job in jobs]

    def _refuse_other_dependence(self, x: Array, u: Array, grad: Array, work: list[int]) -> None:
        """Once, as soon as a question allows: the first node again, and what is not tabulated as far from zero as it gets."""
        parts = [part for part, known in ((x, self.x), (u, self.u), (grad, self.grad)) if known is None]
        gap = sum((np.abs(part.reshape(-1, x.shape[1])).sum(axis=0) for part in parts), np.zeros(x.shape[1]))
        k = int(gap.argmax())
        if not gap[k] and parts:
            return
        lattice, known = self.lattice, self._store.as_arrays()
        z = lattice.place(lattice.index(known["names"][:1], lattice.depth + 1))
        (answer,) = self._asked(z, x[:, k], u[..., k], grad[..., k])
        work[0] += int(answer.info.get("micro_solves", 1))
        flux, there = answer.flux.reshape(-1), known["nodes"][0, 0]
        blur = 0.0 if answer.stderr is None else np.hypot(answer.stderr.reshape(-1), known["nodes"][0, 1])
        if (np.abs(flux - there) > 1e-9 * np.abs(there).max() + 5 * blur).any():
            others = [name for name, part in (("x", self.x), ("u", self.u), ("grad", self.grad)) if part is None]
            raise ValueError(
                f"the closure's flux depends on {' or '.join(others)}: at the state {z[0].tolist()} it is {there.tolist()}, but "
                f"{flux.tolist()} at x={x[:, k].tolist()}, u={u[..., k].tolist()}, grad={grad[..., k].tolist()}; a table knows "
                "only what it has bounds for (x= takes the law of one place)"
            )
        self._store.checked = True

    def _interpolated(self, leaf: Array, z: Array) -> tuple[Array, Array, Array | None, Array]:
        """Value (K, P), slope (K, D, P), standard error and estimated error (K,) of states z (K, D) in leaves (K,)."""
        lattice, arrays = self.lattice, self._store.as_arrays()
        corners, place, error = arrays["corners"][leaf], arrays["place"][leaf], arrays["error"][leaf]
        known = arrays["nodes"][corners]
        f, g = known[:, :, 0], known[:, :, 2 : 2 + lattice.dim]
        if self._drawn is not None:
            drawn = self._store.draws()[corners, self._drawn]
            f = f + known[:, :, 1] * drawn[:, :, 0]
            g = g + self.independent * known[:, :, 2 + lattice.dim :] * drawn[:, :, 1:]
        h = lattice.width / (lattice.cells * 2.0 ** place[:, :1])
        t = np.clip((z - lattice.low) / h - place[:, 1:], 0.0, 1.0)
        value, slope = lattice.interpolate(f, g, t, h)
        stderr = None
        if arrays["nodes"][:, 1].any():
            stderr = np.sqrt(np.einsum("kc,kcp->kp", lattice.weights(t)[0] ** 2, known[:, :, 1] ** 2))
        return value, slope, stderr, error

    # -- keeping it ------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike) -> None:
        """Write the table to one .npz file, which is there when all of it is written. The closure is not in it."""
        with self._lock:
            nodes, names = np.array(self._store.values), np.fromiter(self._store.names, dtype=np.int64)
        with whole(path, ".npz") as draft:
            np.savez(draft, nodes=nodes, names=names, lattice=self._lattice_as_numbers())

    def load(self, path: str | os.PathLike) -> "TableClosure":
        """This table, with the nodes that one with the same bounds and cells has saved: what they tell is not asked again.

        Boxes are decided anew, so ``tol`` may be another one. ValueError if the file holds a table of another lattice.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                parts = dict(stored)
            nodes, names, numbers = parts["nodes"], parts["names"], parts["lattice"]
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(f"path={str(path)!r} does not hold a table: {error}") from error
        mine = self._lattice_as_numbers()
        if not np.array_equal(numbers, mine):
            raise ValueError(
                f"path={str(path)!r} holds a table of the lattice {numbers.tolist()}, not of {mine.tolist()}"
            )
        with self._lock:
            for name, row in zip(names, nodes, strict=True):
                if int(name) not in self._store.names:
                    self._store.names[int(name)] = len(self._store.values)
                    more = 2 + 2 * self.lattice.dim - len(row)  # an older file: nothing is known of errors of slopes
                    self._store.values.append(np.pad(row, ((0, more), (0, 0))))
            self._store.arrays.clear()
            self._store.checked = True
        return self

    def _lattice_as_numbers(self) -> Array:
        lattice = self.lattice
        counts = len(_pairs("u", self.u)), lattice.cells
        return np.array([*counts, *lattice.low, *lattice.high], dtype=float)

    def __getstate__(self) -> dict:
        with self._lock:
            return {
                **self.__dict__,
                "_store": copy.deepcopy(replace(self._store, arrays={})),
                "_lock": None,
                "executor": None,
            }

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state | {"_lock": threading.RLock()})


def _pairs(name: str, bounds: Bounds | None) -> list[tuple[float, float]]:
    """Bounds as a list of pairs. ValueError if they are none."""
    if bounds is None:
        return []
    pairs = np.asarray(bounds, dtype=float)
    pairs = pairs[None] if pairs.ndim == 1 else pairs
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.isfinite(pairs).all() or not (pairs[:, 0] < pairs[:, 1]).all():
        raise ValueError(f"{name}={bounds!r} must be bounds (low, high), or one such pair for each of its numbers")
    return [(float(low), float(high)) for low, high in pairs]
