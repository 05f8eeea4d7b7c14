"""Do the 95 % intervals of a trajectory cover what they promise? A thousand runs of every model whose mean is known exactly.

python tools/coverage.py writes tests/reference/coverage.csv: per model the share of the runs whose interval holds the exact mean,
and the bias of the mean in standard errors of one run. "none": the start has the stationary mean, and nothing is cut off;
"chosen": the burn-in is chosen from the series itself. A minute. With --check, as in ``make reproduce``, nothing is written, and
the exit status is 1 if the table is not what is committed.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from files import whole
from scipy.signal import lfilter

import hmm_core as hmm
from hmm_core.micro.particles import Estimate, Exclusion, ZeroRange, estimate

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "tests" / "reference" / "coverage.csv"
RUNS = 1000
Array = np.ndarray


def watched(model: hmm.particles.Exclusion | hmm.particles.ZeroRange, u: float, grad: float = 0.0) -> Iterator[Array]:
    """Series (d, R, T) of a thousand runs about one state."""
    closure = hmm.TrajectoryClosure(model, np.random.default_rng(11), budget=200.0 * model.block, replicas=8)
    for part in np.array_split(np.linspace(0, 1, RUNS), 10):
        told = closure.measure(part[None], np.full(part.size, u), np.full((1, part.size), grad))
        yield from told.series


def autoregression(start: float | None) -> Iterator[Array]:
    """x_t = 0.8 x_(t-1) + noise of variance one, from equilibrium or from one value."""
    rng = np.random.default_rng(12)
    for _ in range(RUNS):
        before = 0.8 * (rng.standard_normal((1, 8, 1)) if start is None else np.full((1, 8, 1), start))
        yield lfilter([1.0], [1.0, -0.8], 0.6 * rng.standard_normal((1, 8, 200)), zi=before)[0]


def studies() -> Iterator[tuple[str, float, list[Array], bool]]:
    """Name, exact mean, series, whether it starts in equilibrium."""
    ring = Exclusion(sites=20)
    yield "exclusion ring", ring.ring_current(6), list(watched(ring, 0.3)), True
    queue = ZeroRange(sites=20)
    yield "zero-range ring", queue.ring_current(30), list(watched(queue, 1.5)), True
    pair = ZeroRange(sites=10, p=1.0, q=1.0, ends="rings")
    exact = -(queue_current(10, 10) - queue_current(10, 6)) / 0.1
    yield "zero-range on two rings", exact, list(watched(pair, 0.8, 4.0)), True
    box = Exclusion(sites=6, p=1.0, q=1.0, ends="reservoirs", block=5.0)
    yield "exclusion between reservoirs", -3.0, list(watched(box, 0.5, 3.0)), True
    yield "autoregression", 0.0, list(autoregression(None)), True
    yield "autoregression from 2 sigma", 0.0, list(autoregression(2.0)), False
    yield "autoregression from 10 sigma", 0.0, list(autoregression(10.0)), False


def queue_current(sites: int, particles: int) -> float:
    """<g> of a zero-range ring."""
    return ZeroRange(sites=sites).ring_current(particles)


def row(name: str, exact: float, told: list[Estimate], burn_in: str) -> list:
    """A line of the table."""
    intervals = np.array([e.interval()[:, 0] for e in told])
    covered = np.mean((intervals[:, 0] <= exact) & (exact <= intervals[:, 1]))
    means = np.array([e.mean[0] for e in told])
    return [name, len(told), burn_in, f"{covered:.3f}", f"{(means.mean() - exact) / means.std(ddof=1):.3f}"]


def main() -> int:
    """Measure, and write the table or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    options, rows = parser.parse_args(), []
    for name, exact, series, settled in studies():
        if settled:
            rows.append(row(name, exact, [estimate(s, burn_in=0.0) for s in series], "none"))
            print(*rows[-1], file=sys.stderr)
        rows.append(row(name, exact, [estimate(s) for s in series], "chosen"))
        print(*rows[-1], file=sys.stderr)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["model", "runs", "burn_in", "covered", "bias_in_stderr"], *rows])
    if options.check:
        same = text.getvalue() == RESULTS.read_text(encoding="utf-8")
        print(f"coverage of 95 % intervals: {'as committed' if same else f'not as in {RESULTS.relative_to(ROOT)}'}")
        return int(not same)
    with whole(RESULTS) as path:
        path.write_text(text.getvalue(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
