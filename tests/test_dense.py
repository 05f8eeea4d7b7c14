"""Cell problems that are meant to break the solver, against a dense solve in sixty digits. ``make torture`` runs thousands."""

import dense_cases
import pytest
from dense_cases import Case, Sample
from hypothesis import HealthCheck, Phase, given, seed, settings


def all_judged(number, count, cases, judge):
    """Within 10 tol of each entry, measured by the diagonal, or an exception that says why; few are refused."""
    said = []

    @seed(number)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def judged(case):
        verdict = judge(case)
        assert verdict.said in ("agrees", "refuses"), (
            f"{verdict.said} ({verdict.ratio:.2g} tol): {verdict.why}\n{case!r}"
        )
        said.append(verdict.said)

    judged()
    assert said.count("agrees") >= 0.8 * len(said)


@pytest.mark.parametrize("number", range(6))
def test_random_cell_problems_agree_with_a_dense_solve_or_are_refused(number):
    all_judged(1000 + number, 50, dense_cases.cases(), dense_cases.judge)


@pytest.mark.parametrize("number", range(2))
def test_flux_and_tangent_of_a_linear_law_agree_with_a_dense_solve_or_are_refused(number):
    """By Newton's method, which does not know that the law is linear."""
    all_judged(1000 + number, 30, dense_cases.nonlinear_cases(), dense_cases.judge_nonlinear)


FOUND = {  # by ``make torture``, where an answer was wrong
    "iterates of BiCGStab so large that they left constants of 3e6 in w": Case(
        (Sample("smooth", -5.0, "skew", 2.5, -26, 6703),),
        {"n": 3, "scheme": "fourier", "average": "flux", "tol": 1e-11},
    ),
    "a multigrid cycle that is not definite": Case(
        (Sample("points", 4.0, "diagonal", -10.0, 41, 569821),), {"n": 50, "bc": "dirichlet", "tol": 1e-4}
    ),
    "a parabolic tensor, the difference of numbers 1e7 times as large": Case(
        (Sample("checkerboard", 7.0, "diagonal", 8.75, 33, 758),),
        {"dim": 1, "n": 4, "bc": "dirichlet", "equation": ("parabolic", 0.1), "tol": 1e-11},
    ),
}


NONLINEAR = {
    "a Newton step whose xi was summed from gradients 1e8 times as large": Case(
        (
            Sample("points", 5.0, magnitude=10, seed=1897517),
            Sample("phases", -5.0, "skew", -8.75, magnitude=-35, seed=117266),
        ),
        {"n": 2, "offset": -0.3, "bc": "neumann", "tol": 1e-11},
    ),
    "an average of fluxes that cancel in the stiffest points": Case(
        (Sample("checkerboard", -8.0, "diagonal", -5.0, -12, 8),),
        {"n": 4, "bc": "neumann", "average": "flux", "tol": 1e-10},
    ),
}


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
def test_what_the_torture_found(case):
    verdict = dense_cases.judge(case)
    assert verdict.said == ("refuses" if "equation" in case.cell else "agrees"), verdict


@pytest.mark.parametrize("case", NONLINEAR.values(), ids=NONLINEAR)
def test_what_the_torture_found_in_laws(case):
    verdict = dense_cases.judge_nonlinear(case)
    assert verdict.said == "agrees", verdict
