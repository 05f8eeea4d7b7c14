"""Answers to exercise 6, right and wrong."""

from dataclasses import replace
from functools import partial

import numpy as np

from checks_cases import mistake, nonsense_functions, right
from hmm_core import CellClosure, CellProblem, ExactClosure
from hmm_course.checks import ex06 as checks
from hmm_course.variants import numbers

# The notebook's functions, which the answers use.
g, a, law, smooth, u0, solve = (
    checks._g,
    checks._medium,
    checks._law,
    checks._smooth,
    checks._u0,
    checks._solve,
)


CLASS = 9  # with another medium, other meshes, and a reserve
TOLD = numbers("06", CLASS)


def distance(U, V):
    return checks._norm(U, V) / checks._size()


def ladder(law=law, limit=smooth, medium=a, last=a, fine=lambda c: replace(c, n=4 * c.n), coarse=lambda c: c, eps=None):
    """The list of four with one thing changed; ``eps``: names of rungs that are frozen."""
    frozen = eps or ()

    def closures(cell, eps):
        def sample(name, medium, cell):
            return CellClosure(medium, cell, None if name in frozen else eps)

        return [
            ExactClosure(law),
            sample("limit", limit, fine(cell)),
            sample("medium", medium, fine(cell)),
            sample("last", last, coarse(cell)),
        ]

    return closures


def ladder_of_class(times):
    """With the medium of the class and a fine grid of so many times as many elements."""
    medium = partial(a, alpha=TOLD["alpha"])
    return ladder(medium=medium, last=medium, fine=lambda c: replace(c, n=times * c.n))


def term(k, N, cell, eps, closures=None):
    rungs = (closures or ladder())(cell, eps)
    U = solve(N, rungs[k])
    return distance(U, u0) if k == 0 else distance(U, solve(N, rungs[k - 1]))


def from_all(function):
    """term from all four solutions, by function(U, k)."""
    return lambda k, N, cell, eps: function([solve(N, closure) for closure in ladder()(cell, eps)], k)


def to_u0(U, k):
    return distance(U[k], u0)


def polyfit(x, errors):
    p, c = np.polyfit(np.log(x), np.log(errors), 1)
    return np.exp(c), p


def by_ends(x, errors):
    p = np.log(errors[0] / errors[-1]) / np.log(x[0] / x[-1])
    return errors[0] / x[0] ** p, p


def modelling(delta, offset, k=1, eps=None, N=4):
    return term(k, N, CellProblem(n=4, bc="dirichlet", offset=offset), eps or delta)


def resonance(size, corner, offset=lambda s, c: 0.5 + c / s, k=2, bc="dirichlet"):
    return term(k, 2, CellProblem(n=3, bc=bc, size=size, offset=offset(size, corner), tol=1e-6), None)


def micro(n, k=3, N=2, **options):
    return term(k, N, CellProblem(n=n, **options), None)


def of_class(N_modelling, N_micro):
    """The three experiments with the ladder of the class, on these meshes."""
    on = partial(term, closures=ladder_of_class(TOLD["finer"]))
    return (
        lambda delta, offset: on(1, N_modelling, CellProblem(n=4, bc="dirichlet", offset=offset), delta),
        lambda s, c: on(2, 2, CellProblem(n=3, bc="dirichlet", size=s, offset=0.5 + c / s, tol=1e-6), None),
        lambda n: on(3, N_micro, CellProblem(n=n), None),
    )


NS, RS, NNS = checks.NS, checks.RS, checks.NNS


def loops(C, eps, tol):
    """As somebody writes it who has not met meshgrid; only R is vectorised."""
    best = (np.inf,)
    for N in NS:
        for n in NNS:
            error = C["macro"] / N**2 + C["modelling"] * (RS * eps) ** 2 + C["resonance"] / RS + C["micro"] / n**2
            for R in RS[error <= tol][:1]:  # the smallest is the cheapest
                best = min(best, (6 * N**2 * (n * R) ** 2, N, R, n))
    return best[1:]


def search(
    error=lambda C, N, R, n, eps: (
        C["macro"] / N**2 + C["modelling"] * (R * eps) ** 2 + C["resonance"] / R + C["micro"] / n**2
    ),
    cost=lambda N, R, n: 6.0 * N**2 * (n * R) ** 2,
    pick=lambda error, cost, tol: np.where(error <= tol, cost, np.inf).argmin(),
):
    def cheapest(C, eps, tol):
        N, R, n = (mesh.ravel() for mesh in np.meshgrid(NS, RS, NNS, indexing="ij"))
        best = pick(error(C, N, R, n, eps), cost(N, R, n), tol)
        return N[best], R[best], n[best]

    return cheapest


def share(which):
    """The error of some of the terms only."""

    def error(C, N, R, n, eps):
        terms = {
            "macro": C["macro"] / N**2,
            "modelling": C["modelling"] * (R * eps) ** 2,
            "resonance": C["resonance"] / R,
            "micro": C["micro"] / n**2,
        }
        return which(terms)

    return search(error=error)


def without(name):
    return share(lambda terms: sum(value for key, value in terms.items() if key != name))


CASES = [
    right(checks.ladder, ladder()),
    right(checks.ladder, lambda cell, eps: tuple(ladder(law=g)(cell, eps))),
    mistake(checks.ladder, lambda cell, eps: ladder()(cell, eps)[::-1], "the wrong way"),
    mistake(checks.ladder, ladder(law=lambda x: 2 / np.sqrt(3) * law(x)), "the arithmetic mean"),
    mistake(
        checks.ladder, lambda cell, eps: [ladder()(cell, eps)[-1], *ladder()(cell, eps)[1:]], "its law is known exactly"
    ),
    mistake(checks.ladder, ladder(eps=("limit", "medium", "last")), "sees no drift"),
    mistake(checks.ladder, ladder(limit=a), "without oscillation"),
    mistake(checks.ladder, ladder(limit=a, fine=lambda c: c), "on the coarse grid"),
    mistake(checks.ladder, ladder(fine=lambda c: c), "U_delta has the grid of U_H"),
    mistake(checks.ladder, ladder(eps=("medium",)), "U_delta: the slow variable is frozen"),
    mistake(checks.ladder, ladder(medium=smooth), "from here on the material oscillates"),
    mistake(checks.ladder, ladder(fine=lambda c: replace(c, n=2 * c.n)), "twice as many"),
    mistake(
        checks.ladder,
        lambda cell, eps: [*ladder()(cell, eps)[:2], CellClosure(a, CellProblem(n=12), eps), *ladder()(cell, eps)[3:]],
        "is a new one",
    ),
    *[
        mistake(
            checks.ladder,
            lambda cell, eps, lost=lost: [
                *ladder()(cell, eps)[:2],
                CellClosure(a, replace(cell, n=12, **lost), eps),
                *ladder()(cell, eps)[3:],
            ],
            words,
        )
        for lost, words in (
            ({"size": 1.0}, "lost its size"),
            ({"offset": 0.0}, "lost its offset"),
            ({"bc": "periodic"}, "lost its boundary condition"),
        )
    ],
    mistake(checks.ladder, ladder(coarse=lambda c: replace(c, n=4 * c.n)), "U_H has the fine grid"),
    mistake(checks.ladder, ladder(eps=("last",)), "U_H: the slow variable is frozen"),
    mistake(checks.ladder, ladder(last=smooth), "its material is a"),
    mistake(checks.ladder, ladder(medium=lambda x, y: 1.1 * a(x, y)), "the tensor behind U_delta is off"),
    mistake(checks.ladder, lambda cell, eps: ladder()(cell, eps or 0.1), "with eps=None nothing drifts"),
    mistake(checks.ladder, lambda cell, eps: ladder()(cell, eps)[:3], "list of four"),
    mistake(checks.ladder, lambda cell, eps: [law, *ladder()(cell, eps)[1:]], "the closure of U_* stopped"),
    mistake(checks.ladder, lambda cell, eps: [1.0, *ladder()(cell, eps)[1:]], "should be a function"),
    right(checks.ladder, ladder_of_class(TOLD["finer"]), CLASS),
    mistake(checks.ladder, ladder_of_class(4), CLASS, "the fine grid has four times as many elements"),
    *nonsense_functions(checks.ladder),
    right(checks.term, term),
    right(checks.term, from_all(lambda U, k: distance(U[k], U[k - 1] if k else u0))),
    mistake(checks.term, from_all(to_u0), "all terms up to this one are mixed"),
    mistake(
        checks.term, from_all(lambda U, k: abs(to_u0(U, k) - (to_u0(U, k - 1) if k else 0))), "two distances to u0"
    ),
    mistake(checks.term, from_all(lambda U, k: distance(U[k], U[0] if k else u0)), "is the distance to U_*"),
    mistake(checks.term, lambda k, *rest: term(k, *rest) * checks._size(), "is not relative"),
    mistake(checks.term, lambda k, *rest: term(k, *rest) ** 2, "is squared"),
    mistake(checks.term, lambda k, *rest: term(min(k + 1, 3), *rest), "this is term 1: count from 0"),
    mistake(checks.term, lambda k, *rest: -term(k, *rest), "is negative"),
    mistake(checks.term, lambda k, *rest: 1.1 * term(k, *rest), "term 0, macro, is off by"),
    mistake(checks.term, lambda k, N, cell, eps: term(k, N, cell, eps or 0.1), "should vanish"),
    *nonsense_functions(checks.term),
    right(checks.fit, polyfit),
    right(checks.fit, lambda x, e: (10 ** np.polyfit(np.log10(x), np.log10(e), 1)[1], polyfit(x, e)[1])),
    mistake(checks.fit, lambda x, e: polyfit(x, e)[::-1], "the order: return"),
    mistake(checks.fit, lambda x, e: np.polyfit(np.log(x), np.log(e), 1)[::-1], "this is log C: undo"),
    mistake(checks.fit, lambda x, e: np.polyfit(np.log(x), np.log(e), 1), "in the wrong order"),
    mistake(checks.fit, lambda x, e: (10 ** np.log(polyfit(x, e)[0]), polyfit(x, e)[1]), "with the wrong base"),
    mistake(checks.fit, lambda x, e: (np.exp(np.log10(polyfit(x, e)[0])), polyfit(x, e)[1]), "undone with base e"),
    mistake(checks.fit, lambda x, e: polyfit(e, x), "changed places"),
    mistake(checks.fit, lambda x, e: (polyfit(x, e)[0], -polyfit(x, e)[1]), "the sign of p"),
    mistake(checks.fit, lambda x, e: np.polyfit(x, e, 1)[::-1], "straight line to the numbers"),
    mistake(checks.fit, by_ends, "first and last point only"),
    mistake(checks.fit, lambda x, e: (polyfit(x, e)[0], round(polyfit(x, e)[1])), "errors that scatter is off"),
    mistake(checks.fit, lambda x, e: (polyfit(x, e)[0], abs(polyfit(x, e)[1])), "errors 0.4/x"),
    mistake(checks.fit, lambda x, e: polyfit(x, e)[1], "shape (2,)"),
    *nonsense_functions(checks.fit),
    right(checks.experiments, modelling, resonance, micro),
    mistake(
        checks.experiments, lambda d, o: term(1, 4, CellProblem(n=4, offset=o), None), resonance, micro, "vanishes"
    ),
    mistake(checks.experiments, lambda d, o: modelling(d, 0.5), resonance, micro, "offset did not arrive"),
    mistake(
        checks.experiments, lambda d, o: modelling(d, o, k=2), resonance, micro, "is term 1; this is the resonance"
    ),
    mistake(checks.experiments, lambda d, o: modelling(d, 0.5 - o), resonance, micro, "should be much larger"),
    mistake(checks.experiments, lambda d, o: modelling(d / 2, o), resonance, micro, "modelling(0.2, 0.5) is off"),
    mistake(checks.experiments, lambda d, o: modelling(d, o, eps=0.2), resonance, micro, "does eps follow delta"),
    mistake(
        checks.experiments, modelling, lambda s, c: resonance(s, c, lambda s, c: c / s), micro, "half a size is missing"
    ),
    mistake(
        checks.experiments,
        modelling,
        lambda s, c: resonance(s, c, lambda s, c: 0.5 + c),
        micro,
        "in units of size: 0.5",
    ),
    mistake(
        checks.experiments, modelling, lambda s, c: resonance(s, c, lambda s, c: c + s / 2), micro, "divide centre"
    ),
    mistake(checks.experiments, modelling, lambda s, c: resonance(s, 0.0), micro, "starts at y = 0"),
    mistake(
        checks.experiments, modelling, lambda s, c: resonance(s, c, lambda s, c: 0.0), micro, "has its centre at y = 0"
    ),
    mistake(checks.experiments, modelling, lambda s, c: resonance(1.0, c), micro, "one period wide"),
    mistake(checks.experiments, modelling, lambda s, c: resonance(s, c, k=3), micro, "this is the micro term"),
    mistake(checks.experiments, modelling, lambda s, c: resonance(s, c, k=1), micro, "frozen, term 1 is zero"),
    mistake(checks.experiments, modelling, lambda s, c: resonance(s, c, bc="periodic"), micro, "boundary is periodic"),
    mistake(checks.experiments, modelling, lambda s, c: 2 * resonance(s, c), micro, "resonance(1.6, 0.3) is off"),
    mistake(checks.experiments, modelling, resonance, lambda n: micro(n, bc="dirichlet"), "these samples are clamped"),
    mistake(checks.experiments, modelling, resonance, lambda n: micro(32), "its default, 32"),
    mistake(checks.experiments, modelling, resonance, lambda n: micro(4), "about a quarter"),
    mistake(checks.experiments, modelling, resonance, lambda n: 2 * micro(n), "micro(4) is off"),
    mistake(checks.experiments, modelling, None, micro, "resonance is None"),
    mistake(checks.experiments, lambda d, o: modelling(d, o, N=2), resonance, micro, "this is modelling for N = 2"),
    mistake(checks.experiments, modelling, resonance, lambda n: micro(n, N=4), "this is micro for N = 4"),
    right(checks.experiments, *of_class(TOLD["N_modelling"], TOLD["N_micro"]), CLASS),
    mistake(checks.experiments, *of_class(4, TOLD["N_micro"]), CLASS, "this is modelling for N = 4"),
    mistake(checks.experiments, *of_class(TOLD["N_modelling"], 2), CLASS, "this is micro for N = 2"),
    *nonsense_functions(checks.experiments, rest=(resonance, micro)),
    right(checks.cheapest, search()),
    right(checks.cheapest, loops),
    mistake(checks.cheapest, search(pick=lambda error, cost, tol: error.argmin()), "most accurate of all"),
    mistake(checks.cheapest, share(lambda t: sum(t.values()) - t["modelling"]), "does not see the modelling term"),
    *[
        mistake(checks.cheapest, without(name), f"does not see the {name} term")
        for name in ("macro", "resonance", "micro")
    ],
    mistake(
        checks.cheapest,
        search(
            error=lambda C, N, R, n, eps: (
                C["macro"] / N**2 + C["modelling"] * R**2 + C["resonance"] / R + C["micro"] / n**2
            )
        ),
        "not R",
    ),
    mistake(checks.cheapest, share(lambda t: np.max(list(t.values()), axis=0)), "their sum is not"),
    mistake(checks.cheapest, share(lambda t: 4 * np.max(list(t.values()), axis=0)), "a quarter of the tolerance"),
    mistake(checks.cheapest, search(cost=lambda N, R, n: (n * R) ** 2), "counts one sample"),
    mistake(checks.cheapest, search(cost=lambda N, R, n: 6.0 * N**2 * n * R), "in two directions"),
    mistake(checks.cheapest, search(cost=lambda N, R, n: 6.0 * N**2 * n**2), "depends on R as well"),
    mistake(checks.cheapest, search(cost=lambda N, R, n: 6.0 * N**2 * R**2), "depends on n as well"),
    mistake(checks.cheapest, search(pick=lambda error, cost, tol: cost.argmin()), "above the tolerance"),
    mistake(
        checks.cheapest,
        search(pick=lambda error, cost, tol: np.where(error <= 0.9 * tol, cost, np.inf).argmin()),
        "times as much as the cheapest",
    ),
    mistake(checks.cheapest, lambda C, eps, tol: search()(C, eps, tol)[::-1], "the order: return (N, R, n)"),
    mistake(checks.cheapest, lambda C, eps, tol: 864.0, "shape (3,)"),
    right(checks.cheapest, lambda C, eps, tol: search()(C, eps, TOLD["share"] * tol), CLASS),
    mistake(checks.cheapest, search(), CLASS, "spends the whole tolerance"),
    *nonsense_functions(checks.cheapest),
]
