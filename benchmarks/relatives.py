"""Processor seconds of the relatives of chapter 16, measured once: ``python -m benchmarks.relatives`` writes relatives.json.

The graded material of the chapter at eps = 1/32: what each method needs before the first source, and for every source. No test
depends on them; chapter 16 shows them beside the work that it counts, as ratios to the direct simulation.
"""

import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from scipy.sparse.linalg import splu
from skfem.models.poisson import unit_load

import hmm_core as hmm
from benchmarks.table import facts
from hmm_course.figures.ch16_study import CASES, LAYER, homogenized, squares

CASE, N, RUNS = CASES[1], 16, 3


def measured(prepare: Callable[[], Any], use: Callable[[Any], Any]) -> dict[str, float]:
    """The least processor time over a few runs: to prepare, and to use once."""
    setup, each = [], []
    for _ in range(RUNS):
        start = time.process_time()
        ready = prepare()
        setup.append(time.process_time() - start)
        start = time.process_time()
        for _ in range(RUNS):
            use(ready)
        each.append((time.process_time() - start) / RUNS)
    return {"setup": round(min(setup), 5), "per_source": round(min(each), 6)}


def factorized(M: int, closure: Any) -> tuple[Any, Any, Any]:
    """Space, factors and inner nodes of -div(A grad u) on M x M squares."""
    basis = squares(M)
    state = hmm.macro.restrict(basis, basis.zeros())
    _, _, tangent = hmm.macro.reconstruct(basis, hmm.macro.micro_solve(closure, state))
    free = basis.complement_dofs(basis.get_dofs())
    return basis, splu(tangent[free][:, free].tocsc()), free


def solve(ready: tuple[Any, Any, Any]) -> Any:
    """One more source."""
    basis, factors, free = ready
    return factors.solve(unit_load.assemble(basis)[free])


def main() -> None:
    case = CASE
    oscillating = hmm.ExactClosure(hmm.compare.Oscillating(case.a, case.eps))
    seconds = {
        "homogenization": measured(lambda: factorized(N, homogenized(case)[0]), solve),
        "HMM": measured(lambda: factorized(N, hmm.CellClosure(case.a, case.cell)), solve),
        "DNS": measured(lambda: factorized(case.M, oscillating), solve),
    }
    for method, options in (
        ("MsFEM", {}),
        ("MsFEM oversampled", {"oversampling": LAYER, "formulation": "petrov-galerkin"}),
    ):
        seconds[method] = measured(
            lambda options=options: hmm.msfem_basis(case.a, case.eps, N, case.M // N, **options),
            lambda basis: basis.solve(1.0),
        )
    order = ("homogenization", "HMM", "MsFEM", "MsFEM oversampled", "DNS")
    out = {
        "date": date.today().isoformat(),
        "machine": facts(True),
        "seconds": {method: seconds[method] for method in order},
    }
    path = Path(__file__).with_name("relatives.json")
    path.write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for method, row in out["seconds"].items():
        print(f"{method:20s} before {row['setup']:8.4f} s   each {row['per_source']:8.5f} s")


if __name__ == "__main__":
    main()
