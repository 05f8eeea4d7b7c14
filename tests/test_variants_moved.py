"""The checks of exercises 2 and 3 for a class: what is right there is what is right in the published exercise, moved.

A class's layers lie across y2, its faces on the left: the published exercise with exchanged axes, or in the mirror. So each
published answer has a twin for the class, and the check must say of the twin what it says of the answer.
"""

import numpy as np
import pytest
import sympy as sp
from checks_cases import ex02 as plane
from checks_cases import ex03 as solver
from scipy import sparse

from hmm_course.checks import CheckFailed, ex02, ex03
from hmm_course.variants import numbers

SEED = 3
# answers of another form, which nothing can move, and those whose own mistake stands in the way
NOT_MOVED = (
    "should be",
    "of type",
    "an array of shape",
    "left side",
    "in radians already",
    "on either side",
    "both directions",
)
p1, q1, p2, q2, G1, G2 = sp.symbols("p1 q1 p2 q2 G1 G2")
k1, k2, b1 = plane.k1, plane.k2, plane.b1


def turned(array):
    """Both axes reversed: the mirror of a grid, or in two by two the exchange of the axes."""
    return np.asarray(array)[::-1, ::-1].copy()


def moves():
    """Check -> what makes a class's answer of a published one."""
    own, slope = numbers("02", SEED), numbers("03", SEED)["slope"]
    exchanged = {p1: q1, q1: p1, p2: q2, q2: p2, G1: G2, G2: G1}

    def dual(answer):
        def moved(gradient, flux):
            new_gradient, new_flux = answer(gradient, flux)
            return new_gradient, [own["kappa"] * component for component in new_flux]

        return moved

    def mirrored(matrix):
        return sparse.csr_array(-turned(matrix.toarray()))

    return {
        ex02.interface: lambda answer: [line.subs(exchanged, simultaneous=True) for line in answer],
        ex02.angle: lambda answer: lambda *of: answer(*of[:3], own["start"] + own["sense"] * of[3]),
        ex02.dual: dual,
        ex02.neutral: lambda answer: [line.subs(b1, b1 / own["radius"] ** 2) for line in answer],  # r grows to radius r
        ex02.layered: lambda answer: lambda K1, K2, f: turned(answer(turned(K1), turned(K2), f)),
        ex03.gradient: lambda answer: lambda n: mirrored(answer(n)),
        ex03.corrector: lambda answer: lambda a: -slope * answer(a[::-1].copy())[::-1],
        ex03.gradients: lambda answer: lambda n: [mirrored(matrix) for matrix in answer(n)],
        ex03.tensor: lambda answer: lambda a1, a2: answer(turned(a1), turned(a2)),
        ex03.faces: lambda answer: lambda a, n: [turned(values) for values in answer(lambda y: a(1 - y), n)],
        ex03.between: lambda answer: lambda k: [turned(values) for values in answer(turned(k))],
    }


def test_a_moved_answer_is_right_or_wrong_as_before_and_the_published_one_is_wrong():
    tried = dict.fromkeys(moves(), 0)
    for case in plane.CASES + solver.CASES:
        if case.check not in tried or case.kind == "nonsense" or any(words in case.label for words in NOT_MOVED):
            continue
        if len(case.arguments) > 1:  # of a class already
            continue
        moved = moves()[case.check](case.arguments[0])
        if case.kind == "right":
            case.check(moved, SEED)
            with pytest.raises(CheckFailed):
                case.check(case.arguments[0], SEED)
            tried[case.check] += 1
        else:
            with pytest.raises(CheckFailed) as failure:
                case.check(moved, SEED)
            said = str(failure.value)
            assert "stopped with" not in said, case.label
            assert not said.endswith("of its size.") or "off" in case.says, f"no name for the mistake: {case.label}"
    assert all(tried.values()), tried
