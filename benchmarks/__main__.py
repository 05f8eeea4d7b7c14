"""``python -m benchmarks [--only NAME ...] [--quick] [--cpu] [--readme]``: prints the table and writes results.json."""

import argparse
import json
import time
from pathlib import Path

from benchmarks.run import measure
from benchmarks.table import as_json, as_markdown, as_text, facts, rows, summary
from benchmarks.tasks import tasks

HERE = Path(__file__).resolve().parent
RESULTS, README = HERE / "results.json", HERE.parent / "README.md"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="tasks whose name starts like this")
    parser.add_argument("--quick", action="store_true", help="tiny problems, one run each: does everything work?")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall clock: for a busy machine")
    parser.add_argument("--readme", action="store_true", help="also put the table into README.md")
    options = parser.parse_args()
    chosen = tasks(options.quick)
    chosen = {key: t for key, t in chosen.items() if not options.only or any(key.startswith(o) for o in options.only)}
    if not chosen:
        parser.error(f"--only {' '.join(options.only)}: the tasks are {', '.join(tasks(options.quick))}")
    start, result = time.perf_counter(), []
    for key, task in chosen.items():
        group = rows(key, task, measure(key, task, options.quick, options.cpu))
        result += group
        print(as_text(f"{task.title}   [{key}]", group, task.note), end="\n\n", flush=True)
    lines = summary(result)
    print(*lines, f"{time.perf_counter() - start:.0f} s in all.", sep="\n")
    if options.only or options.quick:
        print("A part of the tasks, or tiny ones: results.json and README.md stay as they are.")
        return
    RESULTS.write_text(
        json.dumps(as_json(result, facts(options.cpu), lines), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    if options.readme:
        text = README.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            parser.error(f"README.md has no place for the table: {BEGIN} … {END}")
        table = as_markdown(result, facts(options.cpu), lines)
        README.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
