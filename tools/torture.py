"""Many random cell problems against a dense solve in sixty digits: how many agree, and how well.

python tools/torture.py [--cases 10000] [--seed 0] [--workers 2] prints a summary and writes what was wrong to
build/torture.txt, one case a line; python tools/torture.py --again build/torture.txt judges these once more.
``make torture`` runs ten thousand: about half an hour on two cores.
"""

import argparse
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import dense_cases  # noqa: E402
from dense_cases import Case, Sample, Verdict, judge, template  # noqa: E402

BLOCK = 50  # cases that are drawn and judged together


def block(number: int, count: int) -> list[tuple[Case, Verdict]]:
    found = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(dense_cases.cases())
    def collect(case: Case) -> None:
        found.append((case, judge(case)))

    collect()
    return found[:count]


def report(found: list[tuple[Case, Verdict]], failures: Path) -> int:
    families, refusals, bad = defaultdict(list), Counter(), []
    for case, verdict in found:
        families[case.family].append(verdict)
        if verdict.said == "refuses":
            refusals[template(verdict.why)] += 1
        elif verdict.said != "agrees":
            bad.append((case, verdict))
    print(f"{'family':48} {'cases':>6} {'agree':>6} {'refuse':>6} {'bad':>6}   worst error/tol")
    for family, verdicts in sorted(families.items()):
        said = Counter(v.said for v in verdicts)
        worst = max((v.ratio for v in verdicts if v.said == "agrees"), default=0.0)
        counts = len(verdicts), said["agrees"], said["refuses"], said["wrong"] + said["breaks"]
        print(f"{family:48}", *(f"{count:6}" for count in counts), f"  {worst:.2g}")
    for message, count in refusals.most_common():
        print(f"{count:6} refused: {message}")
    for case, verdict in bad[:20]:
        print(f"{verdict.said} ({verdict.ratio:.2g}): {verdict.why[:200]}\n    {case}")
    failures.parent.mkdir(exist_ok=True)
    failures.write_text("".join(f"{case!r}\n" for case, _ in bad), encoding="utf-8")
    agreed = sum(v.said == "agrees" for _, v in found)
    print(f"{len(found)} cases: {agreed} agree, {sum(refusals.values())} refused, {len(bad)} bad ({failures})")
    return len(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--again", type=Path)
    given = parser.parse_args()
    if given.again:
        lines = given.again.read_text(encoding="utf-8").splitlines()
        cases = [eval(line, {"Case": Case, "Sample": Sample}) for line in lines]
        return min(1, report([(case, judge(case)) for case in cases], given.again.with_suffix(".again.txt")))
    numbers = range(given.seed, given.seed + -(-given.cases // BLOCK))
    found = []
    with ProcessPoolExecutor(given.workers) as pool:
        for part in pool.map(block, numbers, [BLOCK] * len(numbers)):
            found += part
            print(f"\r{len(found)} of {given.cases}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return min(1, report(found, ROOT / "build" / "torture.txt"))


if __name__ == "__main__":
    sys.exit(main())
