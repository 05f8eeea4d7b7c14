"""Rebuild every figure of the course and its data, compare with the reference, and print expectation beside measurement.

python tools/reproduce.py [--fresh] [name ...] writes build/figures/<name>.pdf and .png and build/data/<name>/<array>.csv;
arrays named table.column become the named columns of <table>.csv. Interrupted, it says what is done, and the next run goes on
with the rest; figures made by an older state of the code are made again.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from files import whole
from tqdm.auto import tqdm

from hmm_course import figures
from hmm_course.figures.rates import RATES

ROOT = Path(__file__).parents[1]
PACKAGES = ("hmm_core", "hmm_course")
REFERENCE, BUILD = ROOT / "tests" / "reference", ROOT / "build"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="figures; all by default")
    parser.add_argument("--fresh", action="store_true", help="make those again that are up to date")
    options = parser.parse_args()
    unknown = set(options.names) - set(figures.FIGURES)
    if unknown:
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(sorted(figures.FIGURES))}")
    names, state = options.names or sorted(figures.FIGURES), library_state()
    figures.use_style()
    try:
        with tqdm(names, desc="figures") as bar:
            for name in bar:
                if options.fresh or finished(name).get("library") != state:
                    record(name).unlink(missing_ok=True)  # what is being made is not done
                    rows = make(name)
                    with whole(record(name)) as draft:
                        draft.write_text(json.dumps({"library": state, "rows": rows}))
    except (KeyboardInterrupt, OSError) as error:
        there = [name for name in names if finished(name).get("library") == state]
        print(f"\nStopped by {error!r}. {len(there)} of {len(names)} figures are up to date: {', '.join(there) or 'none'}.\n"
              "Start again to make the others.", file=sys.stderr)  # fmt: skip
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    rows = [(name, *row) for name in names for row in finished(name)["rows"]]
    print(f"\n{'figure':26s} {'quantity':56s} {'expected':>8s} {'from':9s} {'measured':>8s}  verdict")
    for name, quantity, expected, source, measured, verdict in rows:
        print(f"{name:26s} {quantity:56s} {expected:>8s} {source:9s} {measured:>8s}  {verdict}")
    bad = sum(row[-1] != "ok" for row in rows)
    print(
        f"\n{len(rows)} comparisons, {bad} not as expected; figures in {BUILD.name}/figures, data in {BUILD.name}/data"
    )
    return bad > 0


def record(name: str) -> Path:
    """The file that says that a figure is done."""
    return BUILD / "data" / name / "done.json"


def finished(name: str) -> dict:
    """What it says: by which state of the code, with which rows; nothing if the figure is not done."""
    return json.loads(record(name).read_text()) if record(name).exists() else {}


def make(name: str) -> list[tuple[str, str, str, str, str]]:
    """Compute, write and draw one figure; rows (quantity, expected, from where, measured, verdict)."""
    compute, draw = figures.load(name)
    data = compute()
    for table, columns in named_tables(data).items():
        with whole(BUILD / "data" / name / f"{table}.csv") as draft:
            np.savetxt(draft, np.column_stack(list(columns.values())),
                       delimiter=",", header=",".join(columns), comments="", fmt="%.10g")  # fmt: skip
    for key, value in data.items():
        value = np.asarray(value)
        if "." in key:
            continue
        form = {"fmt": "%.10g"} if value.dtype.kind in "fiub" else {"fmt": "%s"}
        with whole(BUILD / "data" / name / f"{key}.csv") as draft:
            np.savetxt(draft, np.atleast_2d(value.reshape(len(value), -1) if value.ndim else value),
                       delimiter=",", header=f"shape {value.shape}", **form)  # fmt: skip
    picture = draw(data)
    for suffix in ("pdf", "png"):
        with whole(BUILD / "figures" / f"{name}.{suffix}") as draft:
            picture.savefig(draft)
    rows = [("largest distance to the reference data", "0", "reference", *against_reference(name, data))]
    for row in RATES.get(name, lambda data: [])(data):
        verdict = "ok" if abs(row.measured - row.expected) <= row.tolerance else f"off by more than {row.tolerance:g}"
        rows.append((row.quantity, f"{row.expected:.4g}", row.source, f"{row.measured:.2f}", verdict))
    return rows


def named_tables(data: figures.Data) -> dict[str, figures.Data]:
    """Arrays named table.column, by table: one file each, one column for each array."""
    tables = {}
    for key, value in data.items():
        if "." in key:
            table, column = key.split(".", 1)
            tables.setdefault(table, {})[column] = value
    return tables


def against_reference(name: str, data: figures.Data) -> tuple[str, str]:
    """Largest difference of an array to the committed one, relative to the array's largest entry."""
    worst = 0.0
    with np.load(REFERENCE / f"{name}.npz") as reference:
        for key in reference.files:
            value, expected = np.asarray(data[key]), reference[key]
            if value.dtype.kind in "fiu":
                scale = np.abs(expected).max(initial=0) or 1.0
                worst = max(worst, float(np.abs(value - expected).max(initial=0) / scale))
            elif not (value == expected).all():
                worst = np.inf
    return f"{worst:.0e}", "ok" if worst < 1e-6 else "differs"


def library_state() -> str:
    """A fingerprint of the code that the figures are made by."""
    sources = sorted(
        path for suffix in ("py", "mplstyle") for folder in PACKAGES for path in (ROOT / folder).rglob(f"*.{suffix}")
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
