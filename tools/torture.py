"""Many random cell problems against a dense solve in sixty digits: how many agree, and how well.

python tools/torture.py [--cases 10000] [--seed 0] [--workers 2] prints a summary and writes what was wrong to
build/torture.txt, one case a line; python tools/torture.py --again build/torture.txt judges these once more.
``make torture`` runs ten thousand: about half an hour. Ctrl-C ends it with the summary of what was judged so far.
"""

import argparse
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from dense_cases import (  # noqa: E402
    Case,
    Sample,
    Verdict,
    cases,
    judge,
    judge_nonlinear,
    large_cases,
    nonlinear_cases,
    template,
)

Judged = tuple[str, Case, Verdict]  # the first: "linear" or "nonlinear"
BLOCK = ((22, cases(), "linear"), (1, large_cases(), "linear"), (2, nonlinear_cases(), "nonlinear"))
JUDGES = {"linear": judge, "nonlinear": judge_nonlinear}


def drawn(number: int, count: int, strategy: SearchStrategy, use: Callable[[Case], None]) -> None:
    """Use ``count`` cases, always the same for the same number. Hypothesis draws the simplest one first: it is left out."""
    simplest = True

    @seed(number)
    @settings(
        max_examples=count + 1,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def used(case: Case) -> None:
        nonlocal simplest
        if not simplest:
            use(case)
        simplest = False

    used()


def block(number: int) -> list[Judged]:
    found: list[Judged] = []
    for count, strategy, kind in BLOCK:
        drawn(number, count, strategy, lambda case, kind=kind: found.append((kind, case, JUDGES[kind](case))))
    return found


def keep_bad(found: list[Judged], failures: Path) -> list[Judged]:
    bad = [judged for judged in found if judged[2].said not in ("agrees", "refuses")]
    failures.parent.mkdir(exist_ok=True)
    failures.write_text("".join(f"{(kind, case)!r}\n" for kind, case, _ in bad), encoding="utf-8")
    return bad


def report(found: list[Judged], failures: Path) -> int:
    families, refusals, bad = defaultdict(list), Counter(), keep_bad(found, failures)
    hardness = {"contrast": defaultdict(list), "tol": defaultdict(list)}
    for kind, case, verdict in found:
        families["nonlinear" if kind == "nonlinear" else case.family].append(verdict)
        steps = max(abs(s.contrast) for s in case.samples), -round(math.log10(case.problem.tol))
        for name, step in zip(hardness, steps, strict=True):
            hardness[name][step].append(verdict.said == "refuses")
        if verdict.said == "refuses":
            refusals[template(verdict.why)] += 1
    print(f"{'family':48} {'cases':>6} {'agree':>6} {'refuse':>6} {'bad':>6}   worst error/tol")
    for family, verdicts in sorted(families.items()):
        said = Counter(v.said for v in verdicts)
        worst = max((v.ratio for v in verdicts if v.said == "agrees"), default=0.0)
        counts = len(verdicts), said["agrees"], said["refuses"], said["wrong"] + said["breaks"]
        print(f"{family:48}", *(f"{count:6}" for count in counts), f"  {worst:.2g}")
    for name, sign in (("contrast", ""), ("tol", "-")):
        shares = (f"1e{sign}{step:g}: {sum(v)}/{len(v)}" for step, v in sorted(hardness[name].items()))
        print(f"refused, by {name}:", ", ".join(shares))
    for message, count in refusals.most_common():
        print(f"{count:6} refused: {message}")
    for kind, case, verdict in bad[:20]:
        print(f"{kind}, {verdict.said} ({verdict.ratio:.2g}): {verdict.why[:200]}\n    {case}")
    agreed = sum(verdict.said == "agrees" for *_, verdict in found)
    print(f"{len(found)} cases: {agreed} agree, {sum(refusals.values())} refused, {len(bad)} bad ({failures})")
    return len(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", type=Path)
    options = parser.parse_args()
    if options.again:
        lines = options.again.read_text(encoding="utf-8").splitlines()
        kept = [eval(line, {"Case": Case, "Sample": Sample}) for line in lines]
        found = [(kind, case, JUDGES[kind](case)) for kind, case in kept]
        return min(1, report(found, options.again.with_suffix(".again.txt")))
    size = sum(count for count, *_ in BLOCK)
    numbers = range(options.seed, options.seed + -(-options.cases // size))
    found, failures = [], ROOT / "build" / "torture.txt"
    pool = ProcessPoolExecutor(options.workers)
    try:
        for part in pool.map(block, numbers):
            found += part
            bad = len(keep_bad(found, failures))
            print(f"\r{len(found)} of {options.cases}, {bad} bad", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:  # then what was judged so far is reported
        pass
    finally:
        pool.shutdown(cancel_futures=True)
    print(file=sys.stderr)
    return min(1, report(found, failures))


if __name__ == "__main__":
    sys.exit(main())
