"""Answers to exercise 8, right and wrong."""

from functools import cache

import numpy as np
import skfem

from checks_cases import mistake, nonsense_functions, right
from hmm_course.checks import ex08 as checks
from hmm_course.checks.ex08 import Space

EXACT = np.linspace(0, 1, 501)


# ------------------------------------------------------------------ task 1, the micro law


def gas_flux(r, s, u, xi, change=lambda *parts: parts[:3]):
    """As the exercise has it; ``change`` makes a mistake of (j, dj_du, dj_dxi, along, across, root, u)."""
    eta, d = u * xi, len(xi)
    size = np.sqrt((eta**2).sum(axis=0))
    root = np.sqrt(r**2 + 4 * s * size)
    unit = eta / np.maximum(size, 1e-300)
    along = unit[:, None] * unit
    across = np.eye(d).reshape(d, d, *(1,) * (xi.ndim - 1)) - along
    j, secant = 2 * eta / (r + root), 2 / (r + root)
    return change(j, xi / root, u * (secant * across + along / root), along, across, root, secant, u)


def wrong_law(du=None, dxi=None):
    """dj_du or dj_dxi replaced by a function of (j, dj_du, dj_dxi, along, across, root, secant, u)."""

    def change(*parts):
        return parts[0], du(*parts) if du else parts[1], dxi(*parts) if dxi else parts[2]

    return lambda r, s, u, xi: gas_flux(r, s, u, xi, change)


def by_differences(r, s, u, xi, step=1e-5):
    """A right answer of somebody who does not like the chain rule."""
    d = len(xi)
    moves = step * np.eye(d)[:, :, None]
    j = [(gas_flux(r, s, u, xi + m)[0] - gas_flux(r, s, u, xi - m)[0]) / (2 * step) for m in moves]
    return (
        gas_flux(r, s, u, xi)[0],
        (gas_flux(r, s, u + step, xi)[0] - gas_flux(r, s, u - step, xi)[0]) / (2 * step),
        np.stack(j, axis=1),
    )


# ------------------------------------------------------------------ task 2, the cell problem


def solve_cell(cell, law, x, u, G, steps=30, drive=1.0, sign=1.0):
    w = np.zeros(cell.size)
    for _ in range(steps):
        j, _, T = law(x[:, None], cell.points, u, drive * G[:, None] + cell.gradient(w))
        step = cell.solve(cell.stiffness(T), -sign * cell.force(j))
        w = w + step
        if abs(step).max() < 1e-11:
            break
    return w


def frozen(cell, law, x, u, G):
    """The tangent of the start throughout: slower, and right."""
    w, T = np.zeros(cell.size), None
    for _ in range(400):
        j, _, now = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
        T = now if T is None else T
        w = w - cell.solve(cell.stiffness(T), cell.force(j))
    return w


# ------------------------------------------------------------------ task 3, the consistent tangent


def answer(cell, law, x, u, G, change=None, push=lambda T, k: T[:, k], product="ikp,kp->ip"):
    """``change`` makes a mistake of (sigma, d_du, d_dG, <dj_du>, <dj_dxi>), each a function of all that is known."""
    w = solve_cell(cell, law, x, u, G)
    j, dj_du, T = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))

    def moved(direct):
        chi = cell.solve(cell.stiffness(T), -cell.force(direct))
        return cell.mean(np.einsum(product, T, cell.gradient(chi)))

    pushes = [push(T, k) for k in range(len(G))]
    sigma, direct_u, direct_G = cell.mean(j), cell.mean(dj_du), cell.mean(np.stack(pushes, axis=1))
    d_du, d_dG = direct_u + moved(dj_du), direct_G + np.stack([moved(each) for each in pushes], axis=1)
    return (sigma, d_du, d_dG) if change is None else change(sigma, d_du, d_dG, direct_u, direct_G, G)


def wrong_answer(change):
    return lambda cell, law, x, u, G: answer(cell, law, x, u, G, change)


def one_sided(cell, law, x, u, G, step=1e-6):
    """The derivative in G by differences of the answer, as somebody does who distrusts the linear problem."""
    sigma, d_du, _ = answer(cell, law, x, u, G)
    moved = [answer(cell, law, x, u, G + step * e)[0] for e in np.eye(len(G))]
    return sigma, d_du, np.stack([(other - sigma) / step for other in moved], axis=1)


def affine_flux(cell, law, x, u, G):
    """Nobody solved the cell problem."""
    j, dj_du, T = law(x[:, None], cell.points, u, np.tile(G[:, None], cell.weights.size))
    return cell.mean(j), cell.mean(dj_du), cell.mean(T)


def mean_conductivity(cell, law, x, u, G):
    xi = G[:, None] + cell.gradient(solve_cell(cell, law, x, u, G))
    j = law(x[:, None], cell.points, u, xi)[0]
    ratio = cell.mean(np.linalg.norm(j, axis=0) / np.linalg.norm(xi, axis=0))
    return ratio * G, 0 * G, ratio * np.eye(len(G))


# ------------------------------------------------------------------ task 4, the phases


def restrict(macro, U):
    return macro.points, macro.value(U), macro.gradient(U)


def reconstruct(macro, answers, load):
    sigma, d_du, d_dG = answers
    return macro.force(sigma) - load, macro.stiffness(d_dG, d_du)


def update(macro, U, residual, matrix):
    return U + macro.solve(matrix, -residual)


def wrong_reconstruct(change):
    """``change`` makes a mistake of (residual, matrix, load, stiffness without d/du)."""
    return lambda macro, answers, load: change(*reconstruct(macro, answers, load), load, macro.stiffness(answers[2]))


def everywhere(macro, U, residual, matrix):
    """The boundary condition forgotten."""
    return U + np.linalg.lstsq(matrix.toarray(), -residual, rcond=None)[0]


def in_place(macro, U, residual, matrix):
    U += macro.solve(matrix, -residual)
    return U


def inner(residual):
    """Zero on the side of the square that the check holds fixed, the first nodes of each of its rows."""
    mesh = skfem.MeshTri().refined(1)
    return np.where(mesh.p[0] == 0, 0.0, residual)


# ------------------------------------------------------------------ task 5, the dialogue


def dialogue(macro, closure, U, load, tol=1e-10, most=60, at_all=False, picard=False, size=np.linalg.norm, step=update):
    residuals = []
    for _ in range(most):
        x, u, G = restrict(macro, U)
        answers = [closure(x[:, k], u[k], G[:, k]) for k in range(len(u))]
        sigma, d_du, d_dG = (np.stack(part, axis=-1) for part in zip(*answers, strict=True))
        if picard:
            d_du, d_dG = 0 * d_du, (sigma / G)[None]
        residual, matrix = reconstruct(macro, (sigma, d_du, d_dG), load)
        residuals.append(size(residual if at_all else residual[macro.free]))
        if residuals[-1] < tol:
            break
        U = step(macro, U, residual, matrix)
    return U, residuals


def or_else(*state):
    U, residuals = dialogue(*state)
    if residuals[-1] > 1e-10:
        raise RuntimeError("no agreement")
    return U, residuals


def moving_drain(macro, closure, U, load):
    U, residuals = dialogue(macro, closure, U, load)
    return (U, residuals) if len(residuals) == 2 else (U + 1, residuals)


# ------------------------------------------------------------------ tasks 6 and 7, the line


def r(x, y):
    return (1 + x[0]) * (1 + 0.8 * np.cos(2 * np.pi * y[0]))


def s(x, y):
    return 0.5 * (1 + 0.8 * np.cos(2 * np.pi * y[0])) ** 2 + 0 * x[0]


PERIOD = (np.arange(64)[None, :] + 0.5) / 64


def effective(x, u, G, mean_r=np.mean, mean_s=np.mean):
    """The homogenized law with averages of any kind."""
    means = mean_r(r(x[:, None], PERIOD)), mean_s(s(x[:, None], PERIOD))
    return tuple(part[..., 0] for part in gas_flux(*means, u, G[:, None]))


def harmonic(values):
    return 1 / np.mean(1 / values)


def mean_of_fluxes(x, u, G):
    parts = gas_flux(r(x[:, None], PERIOD), s(x[:, None], PERIOD), u, np.tile(G[:, None], 64))
    return tuple(part.mean(axis=-1) for part in parts)


def ungraded(x, u, G):
    return effective(0 * x, u, G)


def bed_law(x, y, u, xi):
    return gas_flux(r(x, y), s(x, y), u, xi)


@cache
def pressures(elements, n):
    """The exact pressure, that of the mesh with the homogenized law, and that with cells."""
    mesh = skfem.MeshLine(np.linspace(0, 1, elements + 1))
    macro, cell = Space.macro(mesh, [0]), Space.cell(1, n)
    inertia = s(np.zeros((1, 1)), PERIOD).mean()
    exact = np.sqrt(1 + 4 * (EXACT - EXACT**3 / 3) + 8 / 3 * inertia * (1 - (1 - EXACT) ** 3))
    found = [
        dialogue(macro, closure, 1 + mesh.p[0], macro.load(2.0))[0]
        for closure in (effective, lambda x, u, G: answer(cell, bed_law, x, u, G))
    ]
    return exact, *(np.interp(EXACT, mesh.p[0], U) for U in found)


def budget(elements, n, change=None):
    exact, only_mesh, both = pressures(elements, n)

    def distance(one, other):
        return np.sqrt(np.mean((one - other) ** 2) / np.mean(exact**2))

    parts = distance(only_mesh, exact), distance(both, only_mesh), distance(both, exact)
    return change(*parts) if change else parts


def wrong_budget(change):
    return lambda elements, n: budget(elements, n, change)


law, cell, tangent = checks.micro_law, checks.cell_problem, checks.consistent_tangent
phases, talk, line = checks.three_phases, checks.conversation, checks.homogenized

CASES = [
    right(law, gas_flux),
    right(law, by_differences),
    mistake(law, wrong_law(du=lambda *_: 0), "dj_du is missing"),
    mistake(law, wrong_law(du=lambda j, *rest: j / rest[-1]), "dj_du is j/u"),
    mistake(law, wrong_law(du=lambda j, du, *rest: rest[-1] * du), "a factor u too many"),
    mistake(law, wrong_law(du=lambda j, du, *_: -du), "dj_du has the wrong sign"),
    mistake(law, wrong_law(du=lambda j, du, *_: 2 * du), "dj_du, compared with a centred difference"),
    mistake(law, wrong_law(dxi=lambda j, du, T, *rest: T / rest[-1]), "lost the factor u"),
    mistake(law, wrong_law(dxi=lambda j, du, T, P, Q, root, f, u: f * (P + Q)), "lost the factor u, and it is"),
    mistake(law, wrong_law(dxi=lambda j, du, T, P, Q, root, f, u: u * f * (P + Q)), "(a secant)"),
    mistake(law, wrong_law(dxi=lambda j, du, T, P, Q, root, f, u: u / root * (P + Q)), "in all directions"),
    mistake(law, wrong_law(dxi=lambda j, du, T, P, Q, root, f, u: u * (f * P + Q / root)), "each other's place"),
    mistake(law, wrong_law(dxi=lambda j, du, T, P, Q, root, f, u: u * P / root), "along the flow only"),
    mistake(law, wrong_law(dxi=lambda j, du, T, *_: -T), "dj_dxi[:, 0], compared"),
    mistake(law, lambda r, s, u, xi: gas_flux(r, 0, u, xi), "no longer solves"),
    mistake(law, lambda r, s, u, xi: gas_flux(r, s, u, xi)[:2], "return 3 things"),
    mistake(law, lambda r, s, u, xi: (*gas_flux(r, s, u, xi)[:2], xi), "dj_dxi of gas_flux should be an array"),
    *nonsense_functions(law),
    right(cell, solve_cell),
    right(cell, frozen),
    mistake(cell, lambda *state: solve_cell(*state, drive=0.0), "w does nothing"),
    mistake(cell, lambda *state: solve_cell(*state, drive=-1.0), "w has the wrong sign"),
    mistake(cell, lambda *state: solve_cell(*state, steps=1), "one step of Newton's method"),
    mistake(cell, lambda *state: solve_cell(*state, steps=2), "still exerts a force"),
    mistake(cell, lambda *state: solve_cell(*state, steps=3), "your w is close"),
    mistake(cell, lambda *state: solve_cell(*state, sign=-1.0, steps=3), "still exerts a force"),
    mistake(cell, lambda cell, *state: cell.gradient(solve_cell(cell, *state)), "should be an array of shape"),
    *nonsense_functions(cell),
    right(tangent, answer),
    mistake(tangent, one_sided, "as a difference quotient is"),
    mistake(tangent, affine_flux, "the average of j(G)"),
    mistake(tangent, mean_conductivity, "mean conductivity times G"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (-f, du, dG)), "sigma has the wrong sign"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (2 * f, du, dG)), "sigma is off by"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, du, MG)), "averaged tangent of the micro law"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, du, np.outer(f, G) / (G @ G))), "is a secant"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, du, 2 * MG - dG)), "w has the wrong sign: chi"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, du, dG - MG)), "response of w alone"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, 0 * du, dG)), "d_du is missing"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, Mu, dG)), "d_du is <dj_du> alone"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, 2 * Mu - du, dG)), "it solves stiffness(T) psi"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, 3 * du, dG)), "d_du, compared with a centred difference"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, du, 3 * dG)), "d_dG[:, 0], compared"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, dG)), "should return 3 things"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, du, dG.T)), "d_dG is transposed"),
    mistake(tangent, lambda *state: answer(*state, push=lambda T, k: T[k]), "the push for G_k"),
    mistake(tangent, lambda *state: answer(*state, product="kip,kp->ip"), "d_dG[:, 0], compared"),
    right(tangent, wrong_answer(lambda f, du, dG, *_: (f.tolist(), du.tolist(), dG.tolist()))),
    *nonsense_functions(tangent),
    right(phases, restrict, reconstruct, update),
    mistake(phases, lambda m, U: restrict(m, U)[::-1], reconstruct, update, "the order is place, value, gradient"),
    mistake(phases, lambda m, U: (m.points, U, m.gradient(U)), reconstruct, update, "values at the nodes"),
    mistake(phases, lambda m, U: (m.points, m.value(U), -m.gradient(U)), reconstruct, update, "G has the wrong sign"),
    mistake(phases, lambda m, U: (m.points, m.value(U)), reconstruct, update, "should return 3 things"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (-R, K)), update, "residual has the wrong sign"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (R + f, K)), update, "the load is missing"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (R + 2 * f, K)), update, "their difference counts"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (R, K0)), update, "the d/du part is missing"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (R, -K)), update, "the matrix has the wrong sign"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: R), update, "should return two things"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (R, R)), update, "should have shape"),
    mistake(phases, restrict, lambda *_: None, update, "what reconstruct returns"),
    mistake(phases, restrict, reconstruct, lambda *_: None, "what update returns"),
    mistake(phases, restrict, reconstruct, lambda m, U, R, K: U - m.solve(K, -R), "the wrong way"),
    mistake(phases, restrict, reconstruct, lambda m, U, R, K: m.solve(K, -R), "returns the step"),
    mistake(phases, restrict, reconstruct, lambda m, U, R, K: U, "U as it was"),
    mistake(phases, restrict, reconstruct, in_place, "update has changed an array"),
    mistake(phases, restrict, wrong_reconstruct(lambda R, K, f, K0: (inner(R), K)), update, "Leave it whole"),
    mistake(phases, restrict, reconstruct, everywhere, "moved values that the boundary"),
    mistake(phases, restrict, reconstruct, lambda m, U, R, K: U + m.solve(K, -R) / 2, "what update returns is off"),
    *nonsense_functions(phases, (reconstruct, update)),
    right(talk, dialogue),
    right(talk, lambda *state: dialogue(*state, tol=1e-11)),
    mistake(talk, lambda *state: dialogue(*state, most=1), "you list 1"),
    mistake(talk, lambda *state: dialogue(*state, most=2), "for a nonlinear closure the residual is still"),
    mistake(talk, lambda *state: dialogue(*state, at_all=True), "at a fixed node it is the reaction"),
    mistake(talk, lambda *state: dialogue(*state, picard=True), "too many for Newton's method"),
    mistake(talk, lambda *state: (lambda U, R: (U, [*R, R[-1]]))(*dialogue(*state)), "needs one update"),
    mistake(talk, lambda *state: (lambda U, R: (U, R[:2]))(*dialogue(*state)), "list one residual a turn"),
    mistake(talk, lambda *state: (lambda U, R: (U, [2 * v for v in R]))(*dialogue(*state)), "the first residual"),
    right(talk, or_else),
    mistake(talk, lambda *state: dialogue(*state, most=10**6), "does not give up"),
    mistake(talk, lambda *state: dialogue(*state, step=in_place), "dialogue has changed an array"),
    mistake(talk, lambda *state: dialogue(*state, size=lambda R: np.abs(R).max()), "are largest entries"),
    mistake(talk, lambda *state: dialogue(*state, size=lambda R: np.sqrt(np.mean(R**2))), "are root mean squares"),
    mistake(talk, lambda *state: dialogue(*state, size=lambda R: R @ R, tol=1e-20), "squares of norms"),
    mistake(talk, lambda *state: dialogue(*state)[0], "should return two things"),
    mistake(talk, moving_drain, "for a nonlinear closure the residual"),
    *nonsense_functions(talk),
    right(line, effective, r, s),
    mistake(line, mean_of_fluxes, r, s, "average of the fluxes"),
    mistake(line, lambda *state: effective(*state, harmonic, harmonic), r, s, "harmonic means of r and s"),
    mistake(line, lambda *state: effective(*state, np.mean, harmonic), r, s, "only r is averaged"),
    mistake(
        line, lambda *state: effective(*state, mean_s=lambda values: 0.0), r, s, "inertial resistance s is missing"
    ),
    mistake(line, lambda *state: effective(*state, mean_r=harmonic), r, s, "only s is averaged"),
    mistake(line, lambda x, u, G: effective(x, 1.0, G), r, s, "at the pressure 1"),
    mistake(line, ungraded, r, s, "r changes with x as well"),
    mistake(line, lambda *state: effective(*state, np.median, np.median), r, s, "sigma of homogenized is off"),
    mistake(
        line, lambda x, u, G: (lambda a, b, c: (a, 0 * b, c))(*effective(x, u, G)), r, s, "d_du of homogenized is mis"
    ),
    mistake(
        line, lambda x, u, G: (lambda a, b, c: (a, b, np.diag(a / G)))(*effective(x, u, G)), r, s, "d_dG of homogen"
    ),
    *nonsense_functions(line, (r, s)),
    right(checks.error_budget, budget),
    mistake(checks.error_budget, wrong_budget(lambda macro, micro, total: (micro, macro, total)), "each other's place"),
    mistake(checks.error_budget, wrong_budget(lambda macro, micro, total: (macro, total, total)), "micro equals total"),
    mistake(checks.error_budget, wrong_budget(lambda macro, micro, total: (total, micro, total)), "macro equals total"),
    mistake(
        checks.error_budget,
        wrong_budget(lambda macro, micro, total: (macro, total - macro, total)),
        "computed from the other two",
    ),
    mistake(checks.error_budget, wrong_budget(lambda a, b, c: (a, b, a + b)), "computed from the other two"),
    mistake(checks.error_budget, wrong_budget(lambda a, b, c: (a, b, np.hypot(a, b))), "computed from the other two"),
    mistake(checks.error_budget, wrong_budget(lambda macro, micro, total: (macro, micro, 2 * total)), "total exceeds"),
    mistake(checks.error_budget, wrong_budget(lambda macro, micro, total: (1.0, micro, total)), "macro should fall by"),
    mistake(checks.error_budget, wrong_budget(lambda macro, micro, total: (macro, -micro, total)), "so positive"),
    mistake(
        checks.error_budget, wrong_budget(lambda macro, micro, total: (macro, micro)), "should return three things"
    ),
    *nonsense_functions(checks.error_budget),
]
