"""Workers: an executor that answers slices of the sampling points, and one answer made of theirs."""

import itertools
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hmm_core.closure import Answer, ask

Array = np.ndarray
LOOK, PATIENCE = 5.0, 12  # a Dask cluster that has no worker at so many looks in a row, seconds apart, is given up


def version() -> str:
    """Of the library in this process."""
    return sys.modules[__name__.partition(".")[0]].__version__


@dataclass(frozen=True)
class Parcel:
    """A closure as it travels: pickled once per solve, unpickled once by each worker."""

    version: str
    closure: bytes


@lru_cache(maxsize=4)
def _opened(parcel: Parcel) -> Callable:
    return pickle.loads(parcel.closure)


def answer(parcel: Parcel, *question: Any) -> Answer:
    """``ask``, on a worker. RuntimeError if it runs another version of the library: the numbers would not be the same."""
    if parcel.version != version():
        raise RuntimeError(
            f"this worker has hmm_core {version()}, the closure comes from a process with hmm_core {parcel.version}: install the "
            "same version on all workers"
        )
    return ask(_opened(parcel), *question)


class WorkersLost(RuntimeError):
    """The executor has dropped a slice, or has no worker left to answer it."""


class Pool:
    """An executor and a closure that it can run. A pool that breaks hands its remaining slices back to this process."""

    def __init__(self, executor: Executor, closure: Callable):
        if not hasattr(executor, "submit"):
            raise TypeError(f"executor={executor!r} has no submit(): pass a concurrent.futures executor, or None")
        self.executor: Executor | None = executor
        self.closure, self.job, self.options, self.losses = closure, (ask, closure), {}, (CancelledError,)
        home = type(executor).__module__.partition(".")[0]
        try:
            if home == "distributed":
                import cloudpickle
                from distributed import KilledWorker

                self.job = answer, Parcel(version(), cloudpickle.dumps(closure))
                self.options = {"pure": False}  # or Dask would hash every question, and repeat an error that is mended
                self.losses = CancelledError, KilledWorker
            elif isinstance(executor, ProcessPoolExecutor) or home == "mpi4py":
                self.job = answer, Parcel(version(), pickle.dumps(closure))
        except Exception as error:
            raise TypeError(
                f"the closure cannot be sent to the workers of {type(executor).__name__} ({error}): define its functions "
                f"at the top level of a module, or use a {ThreadPoolExecutor.__name__}"
            ) from error

    def slices(self, count: int) -> int:
        """Four per worker: small enough to balance the load, few enough to keep batches large."""
        executor, client = self.executor, getattr(self.executor, "_client", None)
        workers = getattr(executor, "_max_workers", None) or getattr(executor, "num_workers", None)
        if client is not None:
            workers = sum(client.ncores().values())
        return min(count, 4 * (workers or os.cpu_count() or 1)) if executor else 1

    def run(self, questions: list[tuple]) -> Iterable[Answer]:
        """Answers in the order of the questions. An end before the last one, by an error or by Ctrl-C, calls back what waits."""
        futures: list[Future | None] = []
        try:
            for q in questions:
                futures.append(self._try(self._submit, q) if self.executor else None)
            for q, future in zip(questions, futures, strict=True):
                found = None if future is None else self._try(self._result, future)
                yield ask(self.closure, *q) if found is None else found
        finally:
            for future in filter(None, futures):
                future.cancel()

    def _submit(self, question: tuple) -> Future:
        return self.executor.submit(*self.job, *question, **self.options)

    def _result(self, future: Future) -> Answer:
        """What a worker answered. A Dask scheduler without workers waits for new ones for ever; this does not."""
        client, empty = getattr(self.executor, "_client", None), 0
        while client is not None and not wait([future], LOOK).done:
            empty = 0 if client.ncores() else empty + 1
            if empty == PATIENCE:
                raise WorkersLost(
                    f"the Dask cluster {client.scheduler.address} has no workers any more: start new ones"
                )
        try:
            return future.result()
        except self.losses as error:
            why = str(error) or "it was shut down, or its scheduler was"
            raise WorkersLost(f"{type(self.executor).__name__} dropped a slice: {why}") from error

    def _try(self, action: Callable, argument: Any) -> Any:
        """The action's result, or None if the pool is broken."""
        try:
            return action(argument)
        except BrokenExecutor as error:
            if self.executor is not None:
                warnings.warn(f"the executor broke ({error}); finishing in this process", RuntimeWarning, stacklevel=4)
            self.executor = None
            return None


def slices(closure: Callable, x: Array, parts: int, anew: bool) -> tuple[list, Array | None]:
    """Where to cut the points x (d, K) into so many parts, and the order (K,) in which the parts hold them (None: as they are).

    Points that share one micro problem, as the closure may tell, stay together when it is solved anew.
    """
    count = x.shape[1]
    if parts == 1:
        return [slice(None)], None
    labels = closure.alike(x) if anew and hasattr(closure, "alike") else None
    if labels is None or len(kinds := np.unique(labels)) == count:
        edges = np.linspace(0, count, parts + 1).astype(int)
        return list(itertools.starmap(slice, itertools.pairwise(edges))), None
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], kinds)
    edges = starts[np.linspace(0, len(kinds), min(parts, len(kinds)) + 1).astype(int)[1:-1]]
    return np.split(order, edges), order


def progress_bar(count: int, label: str | None) -> Any:
    """A bar that counts micro problems; nothing without a label."""
    if label is None:
        return nullcontext()
    from tqdm.auto import tqdm

    return tqdm(total=count, desc=label, unit=" micro problems")


def joined(answers: list[Answer], order: Array | None) -> Answer:
    """One answer from those of slices, which held the points in this order."""
    if len(answers) == 1 and order is None:
        return answers[0]
    place = slice(None) if order is None else np.argsort(order)

    def join(parts: list[Array]) -> Array:
        return np.concatenate(parts, axis=-1)[..., place]

    parts = [join(part) for part in zip(*answers, strict=True)]
    stderr = None if any(a.stderr is None for a in answers) else join([a.stderr for a in answers])
    memory = None
    if all(a.memory is not None for a in answers):
        memory = {name: join([a.memory[name] for a in answers]) for name in answers[0].memory}
    info = {name: sum(a.info.get(name, 0) for a in answers) for name in ("micro_solves", "iterations", "reused")}
    for name, total in (("missed", sum), ("short", sum), ("repeats", min), ("tol", max), ("worst", max)):
        if any(name in a.info for a in answers):
            info[name] = total(a.info.get(name, 0) for a in answers)
    return Answer(*parts, stderr, memory, info)
