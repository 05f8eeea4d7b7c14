"""Workers: an executor that answers slices of the sampling points, and one answer made of theirs."""

import os
import pickle
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np

from hmm_core.closure import Answer, ask


class _Pool:
    """An executor and a closure that it can run. A pool that breaks hands its remaining slices back to this process."""

    def __init__(self, executor: Executor, closure: Callable):
        if not hasattr(executor, "submit"):
            raise TypeError(f"executor={executor!r} has no submit(): pass a concurrent.futures executor, or None")
        self.executor: Executor | None = executor
        home = type(executor).__module__.partition(".")[0]
        try:
            if home == "distributed":
                import cloudpickle

                cloudpickle.dumps(closure)
            elif isinstance(executor, ProcessPoolExecutor) or home == "mpi4py":
                pickle.dumps(closure)
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

    def run(self, jobs: list[tuple]) -> Iterable[Answer]:
        """Answers in the order of the jobs."""
        futures = [self._try(self.executor.submit, ask, *job) if self.executor else None for job in jobs]
        try:
            for job, future in zip(jobs, futures, strict=True):
                answer = None if future is None else self._try(future.result)
                yield ask(*job) if answer is None else answer
        finally:
            for future in filter(None, futures):
                future.cancel()

    def _try(self, action: Callable, *args: Any) -> Any:
        """The action's result, or None if the pool is broken."""
        try:
            return action(*args)
        except BrokenExecutor as error:
            if self.executor is not None:
                warnings.warn(f"the executor broke ({error}); finishing in this process", RuntimeWarning, stacklevel=4)
            self.executor = None
            return None


def _bar(count: int, label: str | None) -> Any:
    if label is None:
        return nullcontext()
    from tqdm.auto import tqdm

    return tqdm(total=count, desc=label, unit=" micro problems")


def _joined(answers: list[Answer]) -> Answer:
    """One answer from those of consecutive slices."""
    parts = [np.concatenate(part, axis=-1) for part in zip(*answers, strict=True)]
    stderr = None if any(a.stderr is None for a in answers) else np.concatenate([a.stderr for a in answers], axis=-1)
    memory = None
    if all(a.memory is not None for a in answers):
        memory = {name: np.concatenate([a.memory[name] for a in answers], axis=-1) for name in answers[0].memory}
    info = {name: sum(a.info.get(name, 0) for a in answers) for name in ("micro_solves", "iterations", "reused")}
    if any("tol" in a.info for a in answers):
        info["tol"] = max(a.info.get("tol", 0.0) for a in answers)
    return Answer(*parts, stderr, memory, info)
