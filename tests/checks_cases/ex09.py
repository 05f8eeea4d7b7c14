"""What the checks of exercise 9 are fed."""

import numpy as np
import scipy.linalg

from checks_cases import mistake, nonsense, nonsense_functions, right
from hmm_course.checks import ex09 as checks
from hmm_course.variants import numbers


def matrices_by(
    where=0.5, power=-1, sign=1, use=True, mass=lambda H: (H[:-1] + H[1:]) / 2, inner=np.s_[1:-1], flux=False, slope=0.0
):
    def matrices(closure, nodes):
        H = np.diff(nodes)
        x = (nodes[:-1] + where * H)[None]
        answer = closure(x, 0 * x[0], slope + 0 * x)
        A = (answer[0][0] if flux else answer[2][0, 0]) if use else 1.0
        s, size = A * H**power, len(nodes)
        K = np.zeros((size, size))
        for k in range(size - 1):
            K[k, k] += s[k]
            K[k + 1, k + 1] += s[k]
            K[k, k + 1] = K[k + 1, k] = -s[k]
        return (mass(H) if inner != np.s_[:] else np.ones(size)), sign * K[inner, inner]

    return matrices


matrices = matrices_by()


def by_differences(closure, nodes):
    """D^T diag(A H) D, the same matrix."""
    H = np.diff(nodes)
    D = (np.eye(len(nodes))[1:] - np.eye(len(nodes))[:-1])[:, 1:-1] / H[:, None]
    x = (nodes[:-1] + nodes[1:])[None] / 2
    sigma, _, _ = closure(x, np.zeros(x.shape[1]), np.ones_like(x))
    return [(nodes[2:] - nodes[:-2]) / 2, D.T @ ((sigma[0] * H)[:, None] * D)]


def one_by_one(closure, nodes):
    H, K = np.diff(nodes), np.zeros((len(nodes),) * 2)
    for k, h in enumerate(H):
        A = closure(np.array([[nodes[k] + h / 2]]), np.zeros(1), np.zeros((1, 1)))[2][0, 0, 0]
        K[k : k + 2, k : k + 2] += A / h * np.array([[1, -1], [-1, 1]])
    return (H[:-1] + H[1:]) / 2, K[1:-1, 1:-1]


def flat_points(closure, nodes):
    x = (nodes[:-1] + nodes[1:]) / 2
    return closure(x, 0 * x, 0 * x)


def never_asked(closure, nodes):
    return by_differences(lambda x, u, grad: (grad, 0, 0), nodes)


def one_way(closure, nodes):
    M, K = matrices(closure, nodes)
    return M, np.triu(K)


def half_share(closure, nodes):
    M, K = matrices(closure, nodes)
    return M, K * 1.1


def step(M, K, U, dt, theta):
    return np.linalg.solve(np.diag(M) + theta * dt * K, M * U - (1 - theta) * dt * K @ U)


def step_by(change):
    """The step with other arguments."""
    return lambda M, K, U, dt, theta: step(*change(M, K, U, dt, theta))


def blended(M, K, U, dt, theta):
    return (1 - theta) * step(M, K, U, dt, 0.0) + theta * step(M, K, U, dt, 1.0)


def in_place(M, K, U, dt, theta):
    U -= dt * K @ U / M
    return U


def cool_by(length=lambda T, steps: T / steps, ask_again=False, from_start=False, rows=np.s_[:], copy=True):
    def cool(closure, nodes, U0, T, steps, theta):
        M, K = matrices(closure, nodes)
        out = [U0]
        for _ in range(steps):
            if ask_again:
                M, K = matrices(closure, nodes)
            out.append(step(M, K, U0 if from_start else out[-1], length(T, steps), theta))
        return np.array(out)[rows]

    return cool


def with_ends(closure, nodes, U0, T, steps, theta):
    return np.pad(cool_by()(closure, nodes, U0, T, steps, theta), ((0, 0), (1, 1)))


def rates(M, K):
    return scipy.linalg.eigh(K, np.diag(M), eigvals_only=True)


def limit_by(value):
    """From the rates and theta, where there is a limit."""
    return lambda M, K, theta: np.inf if theta >= 0.5 else value(rates(M, K), theta)


def no_infinity(M, K, theta):
    return 2 / (abs(1 - 2 * theta) * rates(M, K)[-1]) if theta != 0.5 else 1.0


HEAT = numbers("09", 7)["heat"]  # of a class's wall


def in_its_own_time(closure, nodes, U0, T, steps, theta):
    """The heat that the wall takes up makes time pass more slowly, and nothing else."""
    return cool_by()(closure, nodes, U0, T / HEAT, steps, theta)


CASES = [
    right(checks.matrices, matrices),
    right(checks.matrices, by_differences),
    right(checks.matrices, matrices_by(flux=True, slope=1.0)),
    mistake(checks.matrices, matrices_by(inner=np.s_[:]), "the two ends are held at 0"),
    mistake(checks.matrices, never_asked, "the closure was never asked"),
    mistake(checks.matrices, one_by_one, "one element at a time"),
    mistake(checks.matrices, flat_points, "the closure was given x of shape"),
    mistake(checks.matrices, matrices_by(flux=True), "Take the tangent"),
    mistake(checks.matrices, one_way, "K should be symmetric"),
    mistake(checks.matrices, matrices_by(sign=-1), "K has the wrong sign"),
    mistake(checks.matrices, matrices_by(mass=lambda H: H[:-1] + H[1:]), "M is twice too large"),
    mistake(checks.matrices, matrices_by(mass=lambda H: H[:-1]), "on the left of the nodes"),
    mistake(checks.matrices, matrices_by(mass=lambda H: H[1:]), "on the right of the nodes"),
    mistake(checks.matrices, matrices_by(mass=lambda H: np.ones(3)), "M is one everywhere"),
    mistake(checks.matrices, matrices_by(mass=lambda H: np.full(3, 0.25)), "M is off by"),
    mistake(checks.matrices, matrices_by(power=0), "divide by the length of the element"),
    mistake(checks.matrices, matrices_by(power=1), "H where it should have 1/H"),
    mistake(checks.matrices, matrices_by(power=-2), "divided by H twice"),
    mistake(checks.matrices, matrices_by(where=0.0), "at the left ends"),
    mistake(checks.matrices, matrices_by(where=1.0), "at the right ends"),
    mistake(checks.matrices, matrices_by(use=False), "knows nothing of the conductivity"),
    mistake(checks.matrices, half_share, "K is off by"),
    mistake(checks.matrices, lambda closure, nodes: matrices(closure, nodes)[1], "should return two things"),
    right(checks.matrices, matrices_by(mass=lambda H: HEAT * (H[:-1] + H[1:]) / 2), 7),
    mistake(checks.matrices, matrices, 7, "the heat that a unit of the wall takes up is missing"),
    mistake(checks.matrices, matrices_by(mass=lambda H: HEAT * H[1:]), 7, "on the right of the nodes"),
    *nonsense_functions(checks.matrices),
    right(checks.one_step, step),
    right(checks.one_step, lambda M, K, U, dt, th: U - dt * np.linalg.solve(np.diag(M) + th * dt * K, K @ U)),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (M, -K, U, dt, th)), "it heats up"),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (1 + 0 * M, K, U, dt, th)), "M is missing"),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (M**2, K, U, dt, th)), "once too often"),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (M, K, U, 2 * dt, th)), "is off by"),
    mistake(
        checks.one_step, step_by(lambda M, K, U, dt, th: (M, K, U, dt, 1 - th)), "for theta = 0 this is the implicit"
    ),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (M, K, U, dt, 0.0)), "for theta = 1 this is the explicit"),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (M, K, U, dt, 1.0)), "for theta = 0 this is the implicit"),
    mistake(checks.one_step, blended, "theta averages the two fluxes"),
    mistake(
        checks.one_step,
        step_by(lambda M, K, U, dt, th: (M, K, U, dt, th if th in (0, 1) else 0.5)),
        "theta is always 1/2",
    ),
    mistake(
        checks.one_step, step_by(lambda M, K, U, dt, th: (M, K, U, dt, th if th in (0, 1) else 0.75)), "are exchanged"
    ),
    mistake(checks.one_step, step_by(lambda M, K, U, dt, th: (M, K, U, dt, th**2)), "is off by"),
    mistake(checks.one_step, lambda M, K, U, dt, th: step(M, K, U, dt, th) - U, "in no time nothing happens"),
    mistake(checks.one_step, in_place, "has changed an array"),
    *nonsense_functions(checks.one_step),
    right(checks.cooling, cool_by()),
    right(checks.cooling, lambda *a: cool_by()(*a).tolist()),
    mistake(checks.cooling, cool_by(rows=-1), "the last state alone"),
    mistake(checks.cooling, cool_by(rows=np.s_[1:]), "U0 is the first row"),
    mistake(checks.cooling, with_ends, "without the two ends"),
    mistake(checks.cooling, lambda c, n, U0, T, s, th: np.array([U0] * (s + 1)), "all rows are the same"),
    mistake(checks.cooling, lambda *a: cool_by()(*a)[::-1], "the first row should be U0"),
    mistake(checks.cooling, cool_by(length=lambda T, steps: T), "each step has the length T"),
    mistake(checks.cooling, cool_by(length=lambda T, steps: T / (steps + 1)), "the step is T/(steps + 1)"),
    mistake(checks.cooling, cool_by(length=lambda T, steps: T / (steps - 1)), "the step is T/(steps - 1)"),
    mistake(checks.cooling, cool_by(from_start=True), "every row is a step from U0"),
    mistake(checks.cooling, cool_by(length=lambda T, steps: T / 50), "is off by"),
    mistake(checks.cooling, cool_by(ask_again=True), "the closure was asked 7 times for 6 steps"),
    right(checks.cooling, in_its_own_time, 7),
    mistake(checks.cooling, cool_by(), 7, "the heat that a unit of the wall takes up is missing"),
    *nonsense_functions(checks.cooling),
    right(checks.factor, lambda z, th: (1 - (1 - th) * z) / (1 + th * z)),
    right(checks.factor, lambda z, th: 1 - z / (1 + th * z)),
    mistake(checks.factor, lambda z, th: np.exp(-z), "what the mode really does"),
    mistake(checks.factor, lambda z, th: (1 + (1 - th) * z) / (1 - th * z + 1e-9 * (th * z == 1)), "the mode grows"),
    mistake(checks.factor, lambda z, th: (1 - th * z) / (1 + (1 - th) * z), "are exchanged"),
    mistake(
        checks.factor,
        lambda z, th: (1 + th * z) / (1 - (1 - th) * z + 1e-9 * ((1 - th) * z == 1)),
        "one over the factor",
    ),
    mistake(checks.factor, lambda z, th: 1 - (1 - th) * z, "the part at the end of the step is missing"),
    mistake(checks.factor, lambda z, th: 1 / (1 + th * z), "the part at the beginning of the step is missing"),
    mistake(checks.factor, lambda z, th: abs((1 - (1 - th) * z) / (1 + th * z)), "the sign is wanted"),
    mistake(checks.factor, lambda z, th: 2 * (1 - (1 - th) * z) / (1 + th * z), "the factor is 1"),
    mistake(checks.factor, lambda z, th: 1 - z / (1 + th * z) ** 0.5, "gone after one step"),
    mistake(checks.factor, lambda z, th: 1 - z / (1 + th**2 * z), "changes its sign and keeps its size"),
    mistake(
        checks.factor,
        lambda z, th: (1 - (1 - th) * z) / (1 + th * z) + (th == 0.25) * z * 1e-3,
        "the factor for theta = 0.25",
    ),
    *nonsense_functions(checks.factor),
    right(checks.limit, limit_by(lambda r, th: 2 / ((1 - 2 * th) * r[-1]))),
    right(
        checks.limit,
        lambda M, K, th: np.inf if th >= 0.5 else 2 / (1 - 2 * th) / max(np.linalg.eigvals(K / M[:, None]).real),
    ),
    mistake(checks.limit, no_infinity, "for theta = 0.5 you found a limit"),
    mistake(checks.limit, limit_by(lambda r, th: 2 / ((1 - 2 * th) * r[0])), "the slowest mode is not in danger"),
    mistake(checks.limit, limit_by(lambda r, th: 1 / ((1 - 2 * th) * r[-1])), "up to -1 nothing grows"),
    mistake(checks.limit, limit_by(lambda r, th: 4 / ((1 - 2 * th) * r[-1])), "twice the limit"),
    mistake(
        checks.limit,
        lambda M, K, th: np.inf if th >= 0.5 else 2 / (1 - 2 * th) / np.linalg.eigvalsh(K)[-1],
        "belongs to M^-1 K",
    ),
    mistake(checks.limit, limit_by(lambda r, th: 2 / r[-1]), "the limit depends on theta"),
    mistake(checks.limit, limit_by(lambda r, th: 2 / ((1 - th) * r[-1])), "theta has a say"),
    mistake(checks.limit, limit_by(lambda r, th: 3 / r[-1]), "the limit for theta = 0 is off"),
    nonsense(checks.limit, lambda M, K, th: rates(M, K), "single number", label="all the rates"),
    *nonsense_functions(checks.limit),
]
