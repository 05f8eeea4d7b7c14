"""Runs contenders in turn, each in its own process: ``python -m benchmarks.run TASK CONTENDER`` is one of them.

A process imports and prepares, then waits. Whenever a line arrives on its standard input it runs once and answers with
one line of JSON; the answer itself (an array) is left in a file. Only one process works at any time.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tasks import Contender, Quantity, Task, tasks

ROUNDS, ENOUGH, SLOW = 5, 8.0, 3.0  # runs at most; seconds after which two are enough (twice that: one); a first run
# that takes longer than the last of these counts, for then loading and warming up do not matter
HERE = Path(__file__).resolve().parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")}


@dataclass
class Record:
    """What was measured of one contender."""

    times: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    unit: str = "s"
    answer: Any = None
    failure: str = ""

    @property
    def median(self) -> float:
        return float(np.median(self.times))

    @property
    def finished(self) -> bool:
        return not self.failure and bool(self.times)


class Worker:
    """One contender's process."""

    def __init__(self, task: str, name: str, folder: Path, quick: bool = False, cpu: bool = False) -> None:
        self.file = folder / f"{abs(hash((task, name)))}.npy"
        self.errors = self.file.with_suffix(".txt").open("w+")
        command = [sys.executable, "-m", "benchmarks.run", task, name, str(self.file)]
        self.process = subprocess.Popen(
            [*command, *["--quick"] * quick, *["--cpu"] * cpu],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=HERE.parent,
            env=os.environ | ONE_THREAD,
        )

    def run(self) -> dict[str, Any]:
        with contextlib.suppress(BrokenPipeError):  # then standard error says why
            self.process.stdin.write("run\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith('{"seconds"'):  # libraries may print, too
                return json.loads(line)
        status = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return {"failure": lines[-1] if lines else f"ended with status {status}"}

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.process.wait()


def measure(key: str, task: Task, quick: bool = False, cpu: bool = False) -> dict[str, Record]:
    """Contenders A B C A B C ...: the first round only warms up, unless it is slow."""
    available = {name: c for name, c in task.contenders.items() if not c.missing}
    records = {name: Record() for name in available}
    workers: dict[str, Worker] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for turn in range(1 + (1 if quick else ROUNDS)):
                for name, contender in available.items():
                    record = records[name]
                    if record.failure or sum(record.times) > ENOUGH * (1 if len(record.times) > 1 else 2):
                        continue
                    if name not in workers:
                        workers[name] = Worker(key, name, Path(folder), quick, cpu and not contender.wall)
                    reply = workers[name].run()
                    _note(record, contender, reply, turn, workers[name].file)
                    if contender.fresh or record.failure:
                        workers.pop(name).close()
        finally:
            for worker in workers.values():
                worker.close()
    return records


def _note(record: Record, contender: Contender, reply: dict[str, Any], turn: int, file: Path) -> None:
    if "failure" in reply:
        record.failure = reply["failure"]
        return
    if file.exists():
        record.answer = np.load(file)
    if turn or reply["seconds"] > SLOW or contender.fresh:
        record.times.append(reply["value"])
        record.unit = reply["unit"]
        for part, seconds in reply["parts"].items():
            record.parts.setdefault(part, []).append(seconds)


def serve(task: str, name: str, file: str, quick: bool, cpu: bool) -> None:
    """The worker's side."""
    clock = time.process_time if cpu else time.perf_counter
    run = tasks(quick)[task].contenders[name].make()
    for _ in sys.stdin:
        start = clock()
        answer = run()
        seconds = clock() - start
        value, unit, parts = seconds, "s", {}
        if isinstance(answer, tuple):
            answer, parts = answer
        if isinstance(answer, Quantity):
            value, unit = answer.value, answer.unit
        else:
            np.save(file, answer)
        print(json.dumps({"seconds": seconds, "value": value, "unit": unit, "parts": parts}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], sys.argv[3], "--quick" in sys.argv, "--cpu" in sys.argv)
