"""Demo of chapter 16: one material, five methods, three periods, three budgets."""

from functools import lru_cache
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_core.compare import Oscillating
from hmm_course.figures import Array, canvas, plain
from hmm_course.figures.ch16 import LOOK
from hmm_course.figures.ch16_study import (
    LAYER,
    METHODS,
    Case,
    Judge,
    broken,
    factor,
    hmm_solution,
    multiscale,
    nodal,
    periodic,
    rebuilt,
    refined,
    squares,
    substitute,
    work_of,
)

M = 96  # fine cells per side, for every eps
INVERSE = (4, 8, 16)
BUDGETS = (4, 8, 16)
WAYS = METHODS[1:]


@lru_cache(maxsize=1)
def _solved() -> dict[tuple[int, int, str], tuple[Array, Array, float]]:
    """(1/eps, N, method): the field along x_2 = 1/2 (and of the judge, N = 0), its two errors, its work."""
    found = {}
    for k in INVERSE:
        case = Case("periodic", periodic, 1 / k, M)
        judge = Judge(case)
        found[k, 0, "judge"] = judge.cells[:, M // 2, 0], np.zeros(2), float(work_of("DNS", case.eps, n=case.n))
        for N in BUDGETS:
            asked = hmm_solution(case, N)
            coarse = hmm.solve_elliptic(squares(3 * N), hmm.ExactClosure(Oscillating(periodic, case.eps)), 1.0)
            fields = {"HMM": refined(nodal(asked), M), "HMM + reconstruction": rebuilt(asked, case)}
            fields |= {"DNS": refined(nodal(coarse), M), "MsFEM": broken(multiscale(case, N)[0])}
            fields["MsFEM oversampled"] = broken(multiscale(case, N, LAYER)[0])
            for method, cells in fields.items():
                m = (3 * N - 1) ** 2  # of DNS, whole numbers of squares per period or not
                solver = "HMM" if method == "HMM + reconstruction" else method
                work = factor(m) + substitute(m) if method == "DNS" else work_of(solver, case.eps, N, case.n)
                found[k, N, method] = cells[:, M // 2, 0], judge.errors(cells), float(work)
    return found


def relatives(method: str = "HMM + reconstruction", inverse_eps: int = 8, N: int = 8) -> Any:
    """A woven material with the period 1/inverse_eps, a unit source, and one of five methods on N x N coarse squares.

    Parameters
    ----------
    method : "HMM", "HMM + reconstruction", "MsFEM", "MsFEM oversampled", or "DNS" on 3N x 3N squares, fine enough or not.
    inverse_eps : periods per side, 4, 8 or 16. N : coarse squares per side, 4, 8 or 16.

    Left: the solution along the middle line beside the resolved one. Right: the error in energy against the work, all methods
    and budgets at this period, the chosen one ringed. ValueError for another choice.
    """
    for name, value, allowed in (("method", method, WAYS), ("inverse_eps", inverse_eps, INVERSE), ("N", N, BUDGETS)):
        if value not in allowed:
            raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, allowed))}")
    found = _solved()
    x = np.arange(M) / M
    truth, _, most = found[inverse_eps, 0, "judge"]
    field, errors, _ = found[inverse_eps, N, method]
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 3.9))
    left.plot(x, truth, color="black", lw=1, label="resolved")
    left.plot(x, field, color=LOOK[method]["color"], lw=1.6, label=f"{method}, N = {N}")
    left.set(xlabel="$x_1$", ylabel="u on the middle line", xlim=(0, 1), ylim=(0, 0.03))
    left.set_title(f"ε = 1/{inverse_eps}: $L^2$ {100 * errors[0]:.1f} %, energy {100 * errors[1]:.1f} %")
    left.legend(loc="lower center")
    for way in WAYS:
        rows = np.array([[found[inverse_eps, n, way][2], found[inverse_eps, n, way][1][1]] for n in BUDGETS])
        right.loglog(*rows.T, label=way, **LOOK[way])
    right.loglog(found[inverse_eps, N, method][2], errors[1], "o", ms=14, mfc="none", mec="black")
    right.axvline(most, color="0.5", ls="--", lw=1)
    right.set(xlabel="work", ylabel="relative error, energy", title="All of them", ylim=(0.03, 1.2), xlim=(1e2, 3e8))
    right.legend(fontsize=7, loc="lower left")
    return plain(figure)
