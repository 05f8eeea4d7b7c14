"""Answers to exercise 8, right and wrong."""

import numpy as np

from checks_cases import mistake, nonsense_functions, right
from hmm_core import macro
from hmm_course.checks import ex08 as checks
from hmm_course.variants import numbers

# ------------------------------------------------------------------ given: the micro law


def gas_flux(r, s, u, xi):
    eta, d = u * xi, len(xi)
    size = np.sqrt((eta**2).sum(axis=0))
    root = np.sqrt(r**2 + 4 * s * size)
    direction = eta / np.maximum(size, 1e-300)
    along = direction[:, None] * direction
    across = np.eye(d).reshape(d, d, *(1,) * (xi.ndim - 1)) - along
    return 2 * eta / (r + root), xi / root, u * (along / root + across * 2 / (r + root))


# ------------------------------------------------------------------ task 1, the cell problem


def solve_cell(cell, law, x, u, G, steps=30, drive=1.0, sign=1.0, field=1.0):
    w = np.zeros(cell.size)
    for _ in range(steps):
        j, _, T = law(x[:, None], cell.points, u, drive * G[:, None] + field * cell.gradient(w))
        step = cell.solve(cell.stiffness(T), -sign * cell.force(j))
        w = w + step
        if abs(step).max() < 1e-11:
            break
    return w


def or_raise(cell, law, x, u, G, **wrong):
    """As the exercise asks: an error if the steps do not get small."""
    w = solve_cell(cell, law, x, u, G, **wrong)
    j = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))[0]
    if not np.abs(cell.force(j)).max() < 1e-6:
        raise RuntimeError("30 steps were not enough")
    return w


def for_ever(cell, law, x, u, G):
    """A while loop, and the step goes the wrong way."""
    w, step = np.zeros(cell.size), np.ones(1)
    while not abs(step).max() < 1e-11:
        j, _, T = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
        step = cell.solve(cell.stiffness(T), cell.force(j))
        w = w + step
    return w


def frozen(cell, law, x, u, G):
    """The tangent of the start throughout: slower, and right."""
    w, T = np.zeros(cell.size), None
    for _ in range(400):
        j, _, now = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
        T = now if T is None else T
        w = w - cell.solve(cell.stiffness(T), cell.force(j))
    return w


# ------------------------------------------------------------------ task 2, the consistent tangent


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


def rows(cell, law, x, u, G):
    """np.array of a list of answers to T[k]: two mistakes, which a symmetric T forgives."""
    sigma, d_du, _ = answer(cell, law, x, u, G)
    return sigma, d_du, answer(cell, law, x, u, G, push=lambda T, k: T[k])[2].T


def affine_flux(cell, law, x, u, G):
    """Nobody solved the cell problem."""
    j, dj_du, T = law(x[:, None], cell.points, u, np.tile(G[:, None], cell.points.shape[1]))
    return cell.mean(j), cell.mean(dj_du), cell.mean(T)


def mean_conductivity(cell, law, x, u, G):
    xi = G[:, None] + cell.gradient(solve_cell(cell, law, x, u, G))
    j = law(x[:, None], cell.points, u, xi)[0]
    ratio = cell.mean(np.linalg.norm(j, axis=0) / np.linalg.norm(xi, axis=0))
    return ratio * G, 0 * G, ratio * np.eye(len(G))


# ------------------------------------------------------------------ task 3, the dialogue


def dialogue(basis, closure, U, load, free, tol=1e-10, most=60, residual=lambda force, load: force - load, **how):
    """``how``: the mistakes, each a function that does something in another way."""
    size = how.get("size", lambda R, free: np.linalg.norm(R[free]))
    step = how.get("step", lambda U, matrix, R, free: U + macro.update(matrix, R, free))
    residuals = []
    for _ in range(most):
        state = macro.restrict(basis, U)
        said = macro.micro_solve(closure, state)
        force, _, matrix = macro.reconstruct(basis, said, state if how.get("picard") else None)
        R = residual(force, load)
        residuals.append(size(R, free))
        if residuals[-1] < tol:
            break
        U = step(U, matrix, R, free)
    return U, residuals


def otherwise(**how):
    return lambda *state: dialogue(*state, **how)


def or_else(*state, **how):
    U, residuals = dialogue(*state, **how)
    if residuals[-1] > 1e-10:
        raise RuntimeError("no agreement")
    return U, residuals


def whole(R, free):
    """The norm of all of it, reactions included."""
    return np.linalg.norm(R)


def in_place(U, matrix, R, free):
    U += macro.update(matrix, R, free)
    return U


def piece(U, matrix, R, free):
    return U + macro.update(matrix, R[free], free)


def everywhere(U, matrix, R, free):
    """The boundary condition forgotten."""
    return U + macro.update(matrix, R, np.arange(len(U)))


def anywhere(U, matrix, R, free):
    """The same, with a solver that takes a singular matrix."""
    return U + np.linalg.lstsq(matrix.toarray(), -R, rcond=None)[0]


def outside(basis, closure, U, load, free, run=dialogue):
    """Asked once, before the loop."""
    said = macro.micro_solve(closure, macro.restrict(basis, U))
    return run(basis, lambda *_: tuple(said), U, load, free)


def moving_drain(*state):
    U, residuals = dialogue(*state)
    return (U, residuals) if len(residuals) == 2 else (U + 1, residuals)


# ------------------------------------------------------------------ task 4, the line


def r(x, y):
    return (1 + x[0]) * (1 + 0.8 * np.cos(2 * np.pi * y[0]))


def s(x, y):
    return 0.5 * (1 + 0.8 * np.cos(2 * np.pi * y[0])) ** 2 + 0 * x[0]


PERIOD = (np.arange(200)[None, None, :] + 0.5) / 200  # as many as in the exercise


def effective(x, u, G, mean_r=np.mean, mean_s=np.mean):
    """The homogenized law with averages of any kind, each a function of (values, axis)."""
    return gas_flux(mean_r(r(x[:, :, None], PERIOD), axis=1), mean_s(s(x[:, :, None], PERIOD), axis=1), u, G)


def harmonic(values, axis):
    return 1 / np.mean(1 / values, axis=axis)


def overall(values, axis):
    return np.mean(values)


def mean_of_fluxes(x, u, G):
    resistances = r(x[:, :, None], PERIOD), s(x[:, :, None], PERIOD)
    parts = gas_flux(*resistances, u[:, None], np.repeat(G[:, :, None], 200, axis=2))
    return tuple(part.mean(axis=-1) for part in parts)


def wrong_parts(change):
    return lambda *state: change(*effective(*state), state[2])


THICK = numbers("08", 7)["thick"]  # of a class's bed


def all_thick(function, factors=(THICK,) * 3):
    """Flux and derivatives times the thickness, or some of them."""
    return lambda *state: tuple(factor * part for factor, part in zip(factors, function(*state), strict=True))


cell, tangent, talk, line = checks.cell_problem, checks.consistent_tangent, checks.conversation, checks.homogenized

CASES = [
    right(cell, solve_cell),
    right(cell, frozen),
    mistake(cell, lambda *state: solve_cell(*state, drive=0.0), "w does nothing"),
    mistake(cell, lambda *state: solve_cell(*state, drive=-1.0), "w has the wrong sign"),
    mistake(cell, lambda *state: solve_cell(*state, steps=1), "one step of Newton's method"),
    mistake(cell, lambda *state: solve_cell(*state, steps=2), "still exerts a force"),
    mistake(cell, lambda *state: solve_cell(*state, steps=3), "your w is close"),
    mistake(cell, lambda *state: solve_cell(*state, sign=-1.0, steps=3), "the step goes the wrong way"),
    mistake(cell, lambda *state: or_raise(*state, sign=-1.0), "the step goes the wrong way"),
    mistake(cell, for_ever, "the step goes the wrong way"),
    mistake(cell, lambda cell, law, x, u, G: solve_cell(cell, law, x, u, 0 * G + 1), "where the mean slope was 1"),
    mistake(cell, lambda *state: solve_cell(*state, field=state[-1][:, None]), "is asked at G (1 + grad w)"),
    mistake(cell, lambda *state: solve_cell(*state, field=0.0), "the law is asked at G in every turn"),
    mistake(cell, lambda *state: or_raise(*state, field=0.0), "the law is asked at G in every turn"),
    mistake(cell, lambda *state: or_raise(*state, field=2.0), "stopped with RuntimeError: 30 steps"),
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
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, du, dG - MG)), "response of w alone, <T grad chi>"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, 0 * du, dG)), "d_du is missing"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, Mu, dG)), "d_du is <dj_du> alone"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, 2 * Mu - du, dG)), "it solves stiffness(T) psi"),
    mistake(tangent, wrong_answer(lambda f, du, dG, Mu, MG, G: (f, du - Mu, dG)), "d_du is the response of w alone"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, 3 * du, dG)), "d_du, compared with a centred difference"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, du, 3 * dG)), "d_dG[:, 0], compared"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, dG)), "should return 3 things"),
    mistake(tangent, wrong_answer(lambda f, du, dG, *_: (f, du, dG.T)), "d_dG is transposed"),
    mistake(tangent, lambda *state: answer(*state, push=lambda T, k: T[k]), "T[k] is how one of them does"),
    mistake(tangent, rows, "not T[k], and the answer to it is column k"),
    mistake(tangent, lambda *state: answer(*state, product="kip,kp->ip"), "d_dG[:, 0], compared"),
    right(tangent, wrong_answer(lambda f, du, dG, *_: (f.tolist(), du.tolist(), dG.tolist()))),
    right(tangent, all_thick(answer), 7),
    mistake(tangent, answer, 7, "what passes through the whole thickness"),
    mistake(tangent, all_thick(answer, (THICK, THICK, 1)), 7, "sigma has the thickness of the bed as a factor"),
    mistake(tangent, all_thick(answer, (THICK, 1, THICK)), 7, "sigma has the thickness of the bed as a factor"),
    mistake(tangent, all_thick(affine_flux), 7, "the average of j(G)"),
    *nonsense_functions(tangent),
    right(talk, dialogue),
    right(talk, otherwise(tol=1e-11)),
    right(talk, or_else),
    mistake(talk, otherwise(most=1), "you list 1"),
    mistake(talk, otherwise(most=2), "for a nonlinear closure the residual is still"),
    mistake(talk, otherwise(size=whole), "measure residual[free]"),
    mistake(talk, lambda *state: or_else(*state, size=whole), "measure residual[free]"),
    mistake(talk, otherwise(size=whole, most=10**6), "measure residual[free]"),
    mistake(talk, otherwise(picard=True), "too many for Newton's method"),
    mistake(talk, otherwise(residual=lambda force, load: load - force), "the update goes the wrong way"),
    mistake(talk, otherwise(step=lambda U, K, R, free: U - macro.update(K, R, free)), "the update goes the wrong way"),
    mistake(talk, otherwise(residual=lambda force, load: load - force, most=10**6), "the update goes the wrong way"),
    mistake(talk, otherwise(residual=lambda force, load: force), "the load is missing"),
    mistake(talk, otherwise(residual=lambda force, load: force + load), "the residual is their difference"),
    mistake(talk, otherwise(step=lambda U, K, R, free: macro.update(K, R, free)), "returns the step; add it"),
    mistake(talk, otherwise(step=lambda U, K, R, free: U), "about the same U again"),
    mistake(talk, lambda *state: or_else(*state, step=lambda U, K, R, free: U), "about the same U again"),
    mistake(talk, outside, "about the same U again"),
    mistake(talk, lambda *state: outside(*state, run=or_else), "about the same U again"),
    mistake(talk, otherwise(step=piece), "takes the whole residual"),
    mistake(talk, otherwise(step=everywhere), "hand `free` to macro.update"),
    mistake(talk, otherwise(step=anywhere), "hand `free` to macro.update"),
    mistake(talk, otherwise(step=lambda U, K, R, free: U + macro.update(K, R, free) / 2), "needs one update"),
    mistake(talk, lambda *state: (lambda U, R: (U, [*R, R[-1]]))(*dialogue(*state)), "needs one update"),
    mistake(talk, lambda *state: (lambda U, R: (U, R[:2]))(*dialogue(*state)), "list one residual a turn"),
    mistake(talk, lambda *state: (lambda U, R: (U, [2 * v for v in R]))(*dialogue(*state)), "the first residual"),
    mistake(talk, otherwise(most=10**6), "does not give up"),
    mistake(talk, otherwise(step=in_place), "dialogue has changed an array"),
    mistake(talk, otherwise(size=lambda R, free: np.abs(R[free]).max()), "are largest entries"),
    mistake(talk, otherwise(size=lambda R, free: np.sqrt(np.mean(R[free] ** 2))), "are root mean squares"),
    mistake(talk, otherwise(size=lambda R, free: R[free] @ R[free], tol=1e-20), "squares of norms"),
    mistake(talk, lambda basis, closure, U, load, free: (U, [1.0]), "never asks the closure"),
    mistake(talk, lambda *state: dialogue(*state)[0], "should return two things"),
    mistake(talk, moving_drain, "has moved"),
    *nonsense_functions(talk),
    right(line, effective, r, s),
    mistake(line, mean_of_fluxes, r, s, "average of the fluxes"),
    mistake(line, lambda *state: effective(*state, harmonic, harmonic), r, s, "harmonic means of r and s are not"),
    mistake(line, lambda *state: effective(*state, np.mean, harmonic), r, s, "only r is averaged"),
    mistake(line, lambda *state: effective(*state, mean_s=lambda *_, axis: 0.0), r, s, "resistance s is missing"),
    mistake(line, lambda *state: effective(*state, mean_r=harmonic), r, s, "only s is averaged"),
    mistake(line, lambda *state: effective(*state, np.sum, np.sum), r, s, "the means are sums"),
    mistake(line, lambda *state: effective(*state, overall, overall), r, s, "you average over all x as well"),
    mistake(line, lambda x, u, G: effective(x, 1.0, G), r, s, "at the pressure 1"),
    mistake(line, lambda x, u, G: effective(0 * x, u, G), r, s, "r changes with x as well"),
    mistake(line, lambda *state: effective(*state, np.median, np.median), r, s, "sigma of homogenized is off"),
    mistake(line, wrong_parts(lambda a, b, c, G: (a, 0 * b, c)), r, s, "d_du of homogenized is missing"),
    mistake(line, wrong_parts(lambda a, b, c, G: (a, b, (a / G)[None])), r, s, "is a secant"),
    mistake(line, wrong_parts(lambda a, b, c, G: (a, b, 2 * c)), r, s, "d_dG of homogenized is off"),
    mistake(line, wrong_parts(lambda a, b, c, G: a), r, s, "should return 3 things"),
    right(line, all_thick(effective), r, s, 7),
    mistake(line, effective, r, s, 7, "what passes through the whole thickness"),
    mistake(line, all_thick(effective, (THICK, 1, THICK)), r, s, 7, "sigma has the thickness of the bed as a factor"),
    mistake(line, all_thick(effective, (THICK, THICK, 1)), r, s, 7, "sigma has the thickness of the bed as a factor"),
    *nonsense_functions(line, (r, s)),
]
