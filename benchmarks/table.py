"""From measured records to rows, verdicts, JSON and the table in the README."""

import os
import platform
import textwrap
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from benchmarks.run import Record
from benchmarks.tasks import Contender, Task

HEADER = ("", "result", "ratio", "error", "solver error", "aim", "verdict")


@dataclass(frozen=True)
class Row:
    """One contender of a task. ``ratio``: its time over that of hmm_core's fastest contender at no larger error."""

    task: str
    title: str
    contender: str
    ours: bool
    value: float | None
    unit: str
    runs: list[float]
    ratio: float | None = None
    against: str = ""
    error: float | None = None
    solver_error: float | None = None
    aim: str = ""
    verdict: str = ""

    def cells(self) -> tuple[str, ...]:
        return (
            self.contender,
            "" if self.value is None else _value(self.value, self.unit),
            "" if self.ratio is None else f"{self.ratio:.3g}×",
            _shown(self.error),
            "" if self.solver_error is None else f"{self.solver_error:.0e}",
            self.aim,
            self.verdict,
        )


def _value(value: float, unit: str) -> str:
    if unit == "s" and value < 1:
        return f"{1e3 * value:.3g} ms"
    return f"{value:.3g} {unit}"


def rows(key: str, task: Task, records: dict[str, Record]) -> list[Row]:
    result: list[Row] = []
    errors = {name: _errors(task, task.contenders[name], record) for name, record in records.items()}
    rivals = [name for name, c in task.contenders.items() if c.ours and name in records and records[name].finished]
    for name, contender in task.contenders.items():
        common = {"task": key, "title": task.title, "contender": name, "ours": contender.ours}
        if contender.missing:
            verdict = f"skipped: {', '.join(contender.missing)} not installed"
            result.append(Row(**common, value=None, unit="s", runs=[], verdict=verdict))
            continue
        record = records[name]
        if not record.finished:
            result.append(Row(**common, value=None, unit="s", runs=[], verdict=f"failed: {record.failure}"))
            continue
        error, solver_error = errors[name]
        shown = {"error": error, "solver_error": solver_error}
        median, limit = record.median, contender.limit
        measured = {"value": median, "unit": record.unit, "runs": record.times}
        if limit is not None:
            verdict = "met" if median < limit else "missed"
            result.append(Row(**common, **measured, **shown, aim=f"< {limit:g} {record.unit}", verdict=verdict))
        elif contender.ours or not rivals or not task.compare:
            result.append(Row(**common, **measured, **shown))
        else:
            able = [r for r in rivals if _no_worse(errors[r][0], error) and _small(errors[r][1], solver_error)]
            best = min(able or rivals, key=lambda r: records[r].median)
            entries = {"": (measured, contender.aim)}
            for part, seconds in record.parts.items():
                value = {"value": float(np.median(seconds)), "unit": "s", "runs": seconds}
                entries[f" ({part})"] = value, None
            for suffix, (value, aim) in entries.items():
                ratio = value["value"] / records[best].median
                row = common | {"contender": name + suffix}
                verdict = _verdict(ratio, aim, bool(able))
                aimed = f"≥ {aim:g}×" if aim else ""
                result.append(Row(**row, **value, **shown, ratio=ratio, against=best, aim=aimed, verdict=verdict))
    return result


def _errors(task: Task, contender: Contender, record: Record) -> tuple[float | None, float | None]:
    if record.answer is None:
        return None, None
    asked = task.error, contender.solver_error or task.solver_error
    return tuple(None if f is None else float(f(record.answer)) for f in asked)


def _no_worse(mine: float | None, other: float | None) -> bool:
    return mine is None or other is None or mine <= 1.01 * other


def _small(mine: float | None, other: float | None) -> bool:
    """Solver errors count only above what was asked, 1e-8: a direct solver's round-off is not an aim."""
    return mine is None or other is None or mine <= max(1e-8, other)


def _verdict(ratio: float, aim: float | None, comparable: bool) -> str:
    if not comparable:
        return "hmm_core is less accurate"
    if aim:
        return "met" if ratio >= aim else "missed"
    return "" if ratio >= 1 else "hmm_core is slower"


def summary(result: list[Row]) -> list[str]:
    """Lines that need several rows: does the cost depend on eps?"""
    lines = []
    hmm = [row for row in result if row.task == "eps-hmm" and row.value]
    if len(hmm) > 1:
        times = [row.value for row in hmm]
        spread = max(times) / min(times) - 1
        noise = max(max(row.runs) / min(row.runs) - 1 for row in hmm)
        lines.append(
            f"HMM between ε = 1e-2 and 1e-6: slowest and fastest median differ by {spread:.0%}; runs of the same ε "
            f"differ by up to {noise:.0%}."
        )
    dns = [row for row in result if row.task == "eps-dns" and row.value]
    if len(dns) > 2:
        inverse = np.log([float(row.contender.rpartition("/")[2]) for row in dns[-3:]])
        slope = np.polyfit(inverse, np.log([row.value for row in dns[-3:]]), 1)[0]
        lines.append(f"Resolved: cost grows like ε^-{slope:.1f} over the last three.")
    same = [row.value for row in result if row.task == "nonlinear" and "Q1" in row.contender and row.value]
    if len(same) == 3:
        ours, cold, warm = same
        lines.append(
            f"Nonlinear HMM with the same Q1 cells on both sides: {cold / ours:.3g}×, and {warm / ours:.3g}× if the peer starts "
            "from its last micro fields. The rest of the ratio is the Fourier scheme's."
        )
    return lines


def grouped(result: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in result:
        groups.setdefault(row.title, []).append(row)
    return groups


def as_text(title: str, group: list[Row], note: str = "") -> str:
    cells = [HEADER, *(row.cells() for row in group)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(HEADER))]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([title, *lines, *([f"  {note}"] if note else [])])


def as_markdown(result: list[Row], facts: dict[str, Any], lines: list[str]) -> str:
    """The README's section: one line per comparison, then what is not a comparison."""
    table = ["| task | hmm_core | instead | ratio | errors | aim | verdict |", "|---|---|---|--:|--:|--:|---|"]
    rest = []
    for title, group in grouped(result).items():
        measured = {row.contender: row for row in group if row.value is not None}
        first = title
        for row in group:
            if row.ratio is not None:
                mine = measured[row.against]
                errors = [_shown(r.error if r.error is not None else r.solver_error) for r in (mine, row)]
                name = mine.contender.removeprefix("hmm_core").strip(" ,")
                cells = [first, f"{name} {_value(mine.value, 's')}", f"{row.contender} {_value(row.value, 's')}"]
                cells += [f"{row.ratio:.3g}×", " / ".join(errors), row.aim, row.verdict]
                table.append("| " + " | ".join(cell.strip() for cell in cells) + " |")
                first = ""
            elif row.value is None:
                rest.append(f"{title}, {row.contender}: {row.verdict}.")
        compared = any(row.ratio is not None for row in group)
        shown = [row for row in measured.values() if row.ours or not compared]
        if shown and not (compared and len(shown) == 1):
            items = []
            for row in shown:
                details = [f"error {_shown(row.error)}"] * (row.error is not None)
                details += [f"aim {row.aim}, {row.verdict}"] * bool(row.aim)
                items.append(
                    f"{row.contender} {_value(row.value, row.unit)}" + f" ({'; '.join(details)})" * bool(details)
                )
            rest.append(f"{title}: " + ", ".join(items) + ".")
    software = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    text = (
        "Every contender in a process of its own, one numerical thread, run in turn (A B C A B C …), medians; imports are "
        "not counted. *hmm_core*: the fastest of its variants whose error is no larger than that of the other side. "
        "*Errors* (hmm_core / instead): against a converged reference; for rough cells and pictures, of the solver alone. "
        f"Losses are shown as they are. Measured ({facts['clock']}) on {facts['cores']} cores; {software}. `make bench` measures "
        "again; [benchmarks/](benchmarks/) says what exactly is run."
    )
    aims = [row for row in result if row.aim and row.ratio is not None]
    missed = [row for row in aims if row.verdict == "missed"]
    slower = [row for row in result if row.ratio is not None and row.ratio < 1]
    text += f" Of {len(aims)} ratios with an aim {len(aims) - len(missed)} meet it."
    text = textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
    lists = [("The aim is missed", missed), ("hmm_core is slower", slower)]
    losses = [
        f"- {what}: " + "; ".join(f"{row.title}, beside {row.contender} ({row.ratio:.3g}×)" for row in where) + "."
        for what, where in lists
        if where
    ]
    more = ["<details><summary>More measurements, without a peer</summary>", ""]
    more += [*(f"- {line}" for line in (*rest, *lines)), "", "</details>"]
    return "\n".join([text, "", *losses, "", *table, "", *more])


def _shown(error: float | None) -> str:
    return "" if error is None else f"{error:.1e}"


def facts(cpu: bool = False) -> dict[str, Any]:
    versions = {"python": platform.python_version()}
    for name in ("numpy", "scipy", "scikit-fem", "pyamg", "ngsolve", "cvxopt", "numba", "gillespy2", "muSpectre"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "clock": "processor time; executors and imports by the wall clock" if cpu else "wall clock",
        "versions": versions,
    }


def as_json(result: list[Row], facts: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    return {**facts, "summary": lines, "rows": [asdict(row) for row in result]}
