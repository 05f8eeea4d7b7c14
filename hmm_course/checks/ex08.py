"""Checks of exercise 8, a complete workflow for a nonlinear problem, and the periodic elements of its cells."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import skfem
from scipy.sparse import csr_matrix
from skfem.helpers import dot, grad, mul
from skfem.models.poisson import unit_load

from hmm_core import macro, macro_basis
from hmm_course.checks import Array, CheckFailed, array, ask, close, fail, match, passed, recognise, require
from hmm_course.variants import numbers

Law = Callable[[Array, Array, float, Array], tuple[Array, Array, Array]]
Closure = Callable[[Array, Array, Array], tuple[Array, Array, Array]]


@skfem.LinearForm
def _force(phi: Any, w: Any) -> Any:
    return dot(w.j, grad(phi))


@skfem.BilinearForm
def _stiffness(psi: Any, phi: Any, w: Any) -> Any:
    return dot(mul(w.T, grad(psi)), grad(phi))


class Cell:
    """Periodic finite elements on one period, n along each side: linear on a line, bilinear in the plane.

    size       how many values a periodic field w has
    points     (d, P), where a law is asked
    gradient   w (size,) -> grad w (d, P) at the points
    force      fluxes j (d, P) -> (size,), the integrals of j . grad phi, one for each function phi
    stiffness  T (d, d, P) -> the matrix (size, size) of the integrals of T grad psi . grad phi
    solve      matrix, right-hand side (size,) -> solution (size,) whose first value is 0, for constants do not count
    mean       (..., P) -> (...), the average over the period
    """

    def __init__(self, dim: int, n: int) -> None:
        edges = [np.linspace(0, 1, n + 1)] * dim
        mesh = skfem.MeshLine(*edges) if dim == 1 else skfem.MeshQuad.init_tensor(*edges)
        self.basis = skfem.Basis(mesh, skfem.ElementLineP1() if dim == 1 else skfem.ElementQuad1(), intorder=3)
        self.size, self.points = n**dim, self.basis.global_coordinates().reshape(dim, -1)
        index = np.round(self.basis.doflocs * n).astype(int) % n  # opposite sides are one
        owner = np.ravel_multi_index(tuple(index), (n,) * dim)
        self._wrap = csr_matrix((np.ones(self.basis.N), (np.arange(self.basis.N), owner)))

    def _by_element(self, values: Array) -> Array:
        return values.reshape(*values.shape[:-1], self.basis.nelems, -1)

    def gradient(self, w: Array) -> Array:
        return self.basis.interpolate(self._wrap @ w).grad.reshape(len(self.points), -1)

    def force(self, j: Array) -> Array:
        return self._wrap.T @ _force.assemble(self.basis, j=self._by_element(j))

    def stiffness(self, T: Array) -> csr_matrix:
        return self._wrap.T @ _stiffness.assemble(self.basis, T=self._by_element(T)) @ self._wrap

    def solve(self, matrix: csr_matrix, rhs: Array) -> Array:
        return skfem.solve(*skfem.condense(matrix.tocsr(), rhs, D=np.zeros(1, int)))

    def mean(self, values: Array) -> Array:
        return values.mean(axis=-1)  # Gauss points of equal weight


# ------------------------------------------------------------------ what the answers are compared with


def _gas(r: Array, s: Array, u: Array, xi: Array) -> tuple[Array, Array, Array]:
    """u xi = r j + s |j| j solved for j, with its derivatives in u and xi."""
    size = np.abs(u) * np.sqrt((xi * xi).sum(axis=0))
    root = np.sqrt(r * r + 4 * s * size)
    across = 2 / (r + root)
    unit = u * xi / np.where(size > 0, size, 1.0)
    identity = np.eye(len(xi)).reshape(len(xi), len(xi), *(1,) * (xi.ndim - 1))
    return across * u * xi, xi / root, u * (across * identity + (1 / root - across) * unit[:, None] * unit)


def _bed(x: Array, y: Array, u: float, xi: Array) -> tuple[Array, Array, Array]:
    """A bed unlike that of the exercise: oblique, so that its flux is not along the gradient."""
    dense = 2 + 1.5 * np.cos(2 * np.pi * (y[0] - (y[1] if len(y) > 1 else 0)))
    return _gas((1 + x[0]) * dense, 0.7 * dense**2, u, xi)


def _turning_bed(x: Array, y: Array, u: float, xi: Array) -> tuple[Array, Array, Array]:
    """The same, and in the plane a flux across the gradient, as of a Hall effect: the tangent is not symmetric."""
    j, j_u, T = _bed(x, y, u, xi)
    if len(xi) == 1:
        return j, j_u, T
    across, quarter = 0.6 + 0.3 * np.cos(2 * np.pi * y[0]), np.array([[0.0, -1.0], [1.0, 0.0]])
    return j + across * (quarter @ xi), j_u, T + across * quarter[:, :, None]


MOVED = "the pressure at the drain has moved; it is fixed: hand `free` to macro.update."
STALE = "the closure is asked about the same U again: restrict and micro_solve belong into the loop, with the new U."
THIN = "sigma has the thickness of the bed as a factor, and so have its derivatives."
CASES = (  # a cell, and a state (x, u, G) to ask about
    ("a cell in 1 dimension", Cell(1, 12), (np.array([0.3]), 1.5, np.array([1.2]))),
    ("a cell in 2 dimensions", Cell(2, 6), (np.array([0.3, 0.6]), 1.5, np.array([1.2, -0.4]))),
)


def _micro_field(cell: Cell, law: Law, x: Array, u: float, G: Array) -> Array:
    w = np.zeros(cell.size)
    for _ in range(20):
        j, _, T = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
        w = w + cell.solve(cell.stiffness(T), -cell.force(j))
    return w


class _Overheard:
    """A law or a closure that keeps what it is asked, u and xi or G, and refuses to answer for ever."""

    def __init__(self, function: Callable[..., Any], most: int) -> None:
        self.function, self.most, self.questions = function, most, []

    def __call__(self, *question: Array) -> Any:
        if len(self.questions) == self.most:
            raise RuntimeError(f"it is still asking after {self.most} questions")
        self.questions.append((question[-2], np.array(question[-1])))
        return self.function(*question)

    def second(self, mistakes: dict[str, Array]) -> None:
        """The gradient of the second question tells which step was taken, even in a loop that came to nothing."""
        if len(self.questions) > 1:
            recognise(self.questions[1][1], mistakes)


def _several(answer: Any, name: str, parts: str, shapes: tuple[tuple[int, ...], ...]) -> list[Array]:
    """What a function returned as a tuple of arrays, checked one by one; ``parts`` names them, separated by commas."""
    names = parts.split(", ")
    if not isinstance(answer, tuple | list) or len(answer) != len(names):
        fail(f"{name} should return {len(names)} things, {parts}, in this order.")
    return [array(value, f"{part} of {name}", shape) for value, part, shape in zip(answer, names, shapes, strict=True)]


# ------------------------------------------------------------------ the checks


def cell_problem(solve_cell: Callable[..., Any]) -> None:
    """solve_cell(cell, law, x, u, G): the periodic w for which j(G + grad w) exerts no force."""
    for case, cell, (x, u, G) in CASES:

        def force(w: Array, cell: Cell = cell, x: Array = x, u: float = u, G: Array = G) -> tuple[Array, Any]:
            j, _, T = _bed(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
            return cell.force(j), cell.stiffness(T)

        start, tangent = force(np.zeros(cell.size))
        first, xi = cell.gradient(cell.solve(tangent, -start)), np.tile(G[:, None], cell.points.shape[1])
        astray = {
            "the step goes the wrong way: stiffness(T) times the step is *minus* force(j).": xi - first,
            "the law is asked at G in every turn. Ask it at G + grad w, with the w of this turn.": xi,
            "the law is asked at G (1 + grad w). G enters through v = G.y + w: ask it at G + grad w.": xi * (1 + first),
        }
        law = _Overheard(_bed, most=500)
        try:
            answer = ask(solve_cell, cell, law, x, u, G, name="solve_cell", case=case)
            w = array(answer, "w of solve_cell", (cell.size,))
        except CheckFailed:
            law.second(astray)
            raise
        if law.questions and close(law.questions[0][1], 1 + 0 * xi):
            fail("the law is asked at 1 + grad w, as in exercise 3, where the mean slope was 1. Here it is G.")
        small = 1e-8 * np.linalg.norm(start)
        if np.linalg.norm(cell.gradient(w)) < 1e-8:
            fail("w does nothing. The constraint <grad v> = G enters through v = G.y + w: ask the law at G + grad w.")
        if np.linalg.norm(force(-w)[0]) < small:
            fail("w has the wrong sign: it answers the gradient -G. Ask the law at G + grad w.")
        if np.linalg.norm(start + tangent @ w) < small:
            fail("this w solves the linearised problem only: one step of Newton's method. Step until w stands still.")
        left = np.linalg.norm(force(w)[0]) / np.linalg.norm(start)
        if 1e-8 <= left < 1e-3:
            fail(
                f"your w is close: the force that is left is {left:.1e} of the first. Go on until a step is below 1e-11."
            )
        if left >= 1e-3:
            law.second(astray)
            fail(
                f"the flux of your w still exerts a force, {left:.1e} of what it was for w = 0. Newton's step solves "
                "stiffness(T) step = -force(j), with j and T both taken at G + grad w."
            )
    passed("no force is left", "in one dimension and in two")


def consistent_tangent(answer: Callable[..., Any], seed: int = 0) -> None:
    """answer(cell, law, x, u, G): sigma = <j>, and its derivatives in u and G, micro field moving along.

    A seed gives the bed a thickness, which is a factor of all three.
    """
    thick = numbers("08", seed)["thick"]
    for case, cell, (x, u, G) in CASES:
        d = len(G)

        def at(u: float, G: Array, case: str = case, cell: Cell = cell, x: Array = x, d: int = d) -> list[Array]:
            said = ask(answer, cell, _turning_bed, x, u, G, name="answer", case=case)
            return _several(said, "answer", "sigma, d_du, d_dG", ((d,), (d,), (d, d)))

        def mean(values: Array, cell: Cell = cell) -> Array:
            return thick * cell.mean(values)

        sigma, d_du, d_dG = at(u, G)
        xi = np.tile(G[:, None], cell.points.shape[1])
        flat = [mean(part) for part in _turning_bed(x[:, None], cell.points, u, xi)]
        xi = xi + cell.gradient(_micro_field(cell, _turning_bed, x, u, G))
        j, j_u, T = _turning_bed(x[:, None], cell.points, u, xi)
        conductivity = mean(np.linalg.norm(j, axis=0) / np.linalg.norm(xi, axis=0))

        def moved(push: Array, cell: Cell = cell, T: Array = T, mean: Callable[[Array], Array] = mean) -> Array:
            chi = cell.solve(cell.stiffness(T), -cell.force(push))
            return mean(np.einsum("ikp,kp->ip", T, cell.gradient(chi)))

        match(
            sigma,
            mean(j),
            "sigma",
            mistakes={
                "sigma is the average of j(G), as if no micro field answered; ask the law at G + grad w.": flat[0],
                "sigma is a mean conductivity times G. Average the flux itself, where it flows.": conductivity * G,
                "sigma has the wrong sign: this course counts the flux up the gradient.": -mean(j),
                "sigma is <j>; what passes through the whole thickness of the bed is wanted.": cell.mean(j),
            },
        )
        direct, response = mean(T), np.stack([moved(T[:, k]) for k in range(d)], axis=1)
        mistakes = {
            "d_dG is <T>, the averaged tangent of the micro law. When G moves, w moves along: <T grad chi> is missing.": direct,
            "d_dG is a secant, sigma over G. The tangent is the slope of sigma(G).": np.outer(sigma, G) / (G @ G),
            "the response of w has the wrong sign: chi solves stiffness(T) chi = -force(T e).": direct - response,
            "d_dG is the response of w alone, <T grad chi>; the mean of the push comes in front of it.": response,
            "d_dG averages dj_dxi at G, not at G + grad w.": flat[2],
        }
        if thick != 1:
            mistakes[THIN] = (direct + response) / thick
        if d > 1:  # what cannot be seen on a line
            rows = np.stack([mean(T[k]) + moved(T[k]) for k in range(d)])
            mistakes |= {
                "d_dG is transposed: column k is the derivative in G_k, entry [i, k].": (direct + response).T,
                "the push for G_k is T[:, k], how all components of j answer; T[k] is how one of them does.": rows.T,
                "the push for G_k is T[:, k], not T[k], and the answer to it is column k of d_dG, not row k.": rows,
            }
        recognise(d_dG, mistakes)
        direct_u, response_u = mean(j_u), moved(j_u)
        thin = {THIN: (direct_u + response_u) / thick} if thick != 1 else {}
        recognise(
            d_du,
            thin
            | {
                "d_du is missing: sigma changes with the pressure, and the macro step has to know.": 0 * sigma,
                "d_du is <dj_du> alone. When u moves, w moves along here too: its part is missing.": direct_u,
                "the response of w in d_du has the wrong sign: it solves stiffness(T) psi = -force(dj_du).": (
                    direct_u - response_u
                ),
                "d_du is the response of w alone; the mean of the push, <dj_du>, comes in front of it.": response_u,
            },
        )
        step = 1e-4
        for k in range(d):
            move = step * np.eye(d)[k]
            by_difference = (at(u, G + move)[0] - at(u, G - move)[0]) / (2 * step)
            match(d_dG[:, k], by_difference, f"d_dG[:, {k}], compared with a centred difference of sigma,", rtol=1e-5)
        by_difference = (at(u + step, G)[0] - at(u - step, G)[0]) / (2 * step)
        match(d_du, by_difference, "d_du, compared with a centred difference of sigma,", rtol=1e-5)
        for found, exact, name in ((d_dG, direct + response, "d_dG"), (d_du, direct_u + response_u, "d_du")):
            require(
                close(found, exact, 1e-8),
                f"{name} is nearly right, as a difference quotient is. Newton's method will notice; the linear problem for chi "
                "gives it exactly.",
            )
    passed("the averaged flux", "both derivatives agree with centred differences of it")


def conversation(dialogue: Callable[..., Any]) -> None:
    """dialogue(basis, closure, U, load, free): turns until the residual is below 1e-10; U and the residuals of all turns."""
    basis = macro_basis(skfem.MeshLine(np.linspace(0, 1, 9)), skfem.ElementLineP1())
    load, start, free = 2 * unit_load.assemble(basis), 1 + basis.doflocs[0], np.arange(1, basis.N)

    def linear(x: Array, u: Array, G: Array) -> tuple[Array, Array, Array]:
        return (2 + x[0]) * G, 0 * G, (2 + x[0]) * np.eye(1)[:, :, None]

    def bent(x: Array, u: Array, G: Array) -> tuple[Array, Array, Array]:
        return _gas(1 + x[0], 0.5, u, G)

    def stubborn(x: Array, u: Array, G: Array) -> tuple[Array, Array, Array]:
        """Says that it will answer a hundred times as strongly as it does, so that hardly anything moves."""
        return G, 0 * G, 100 * np.ones((1, *G.shape))

    def forces(closure: Closure, U: Array) -> tuple[Array, Any]:
        force, _, tangent = macro.reconstruct(basis, macro.micro_solve(closure, macro.restrict(basis, U)))
        return force, tangent

    def recognise_the_loop(heard: _Overheard) -> None:
        require(
            len(heard.questions) > 0, "dialogue never asks the closure: micro_solve is the second of the four phases."
        )
        force, matrix = forces(heard.function, start)

        def after(residual: Array, U: Array = start) -> Array:
            return macro.restrict(basis, U + macro.update(matrix, residual, free)).grad

        heard.second(
            {
                "the load is missing: the residual is what force and load leave of each other.": after(force),
                "force and load stand on two sides of an equation: the residual is their difference.": after(
                    force + load
                ),
                "the update goes the wrong way: force - load is the residual, the step is added.": after(load - force),
                "macro.update returns the step; add it to U.": after(force - load, 0 * start),
                STALE: after(0 * load),
            }
        )
        u, G = heard.questions[-1]
        require(np.shape(G) != (1, 8) or not abs(u[0] - G[0, 0] / 16 - start[0]) > 1e-6, MOVED)  # h/2 = 1/16
        if len(heard.questions) > 20 and close(G, heard.questions[-9][1], 1e-9):
            fail(
                "U stands still and you go on. End the loop when the residual is small, and measure residual[free]: at a "
                "fixed node it is the reaction there, which does not vanish."
            )

    def converse(closure: Closure, case: str) -> Array:
        heard = _Overheard(closure, most=200)
        try:
            pair = ask(dialogue, basis, heard, start.copy(), load, free, name="dialogue", case=case)
        except CheckFailed as failure:
            require("is singular" not in str(failure), MOVED)
            require(
                "out of bounds" not in str(failure), "macro.update takes the whole residual; `free` tells it the rest."
            )
            require(len(heard.questions) != 1 or "RuntimeError" not in str(failure), STALE)
            if heard.questions:
                recognise_the_loop(heard)
            raise
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            fail("dialogue should return two things, U and the list of residuals, in this order.")
        U, history = array(pair[0], "U of dialogue", start.shape), array(pair[1], "the residuals of dialogue")
        require(history.ndim == 1 and history.size > 0, "the residuals of dialogue should be a list of numbers.")
        require(len(heard.questions) > 1 or history.size < 3, STALE)
        recognise_the_loop(heard)
        require(abs(U[0] - 1) < 1e-12, MOVED)
        left = np.linalg.norm((forces(closure, U)[0] - load)[free])
        require(left < 1e-9, f"for {case} the residual is still {left:.1e}; go on until it is below 1e-10.")
        return history

    history = converse(linear, "a linear closure")
    require(history.size == 2, f"a linear problem needs one update, that is two residuals; you list {history.size}.")
    history = converse(bent, "a nonlinear closure")
    first = forces(bent, start)[0] - load
    match(
        history[0],
        np.linalg.norm(first[free]),
        "the first residual, that of the start,",
        mistakes={
            "the residuals are largest entries; list norms, np.linalg.norm.": np.abs(first[free]).max(),
            "the residuals are root mean squares; list norms, np.linalg.norm.": np.sqrt(np.mean(first[free] ** 2)),
            "the residuals are squares of norms: take the root.": first[free] @ first[free],
        },
    )
    require(
        history.size > 3, f"a nonlinear problem is not solved in {history.size - 1} updates; list one residual a turn."
    )
    if history.size > 8:
        fail(f"{history.size - 1} updates are too many for Newton's method: is the matrix that of the last answer?")
    heard = _Overheard(stubborn, most=70)
    with suppress(Exception):  # giving up with an error is one way to do it
        dialogue(basis, heard, start.copy(), load, free)
    require(len(heard.questions) < 70, "dialogue does not give up: after 60 turns without agreement it should.")
    passed("linear: one update", "nonlinear: a few, and the residual vanishes", "the drain keeps its pressure")


def homogenized(
    effective: Callable[..., Any],
    r: Callable[[Array, Array], Array],
    s: Callable[[Array, Array], Array],
    seed: int = 0,
) -> None:
    """effective(x, u, G): the law of a layered line, the micro law with the means of both resistances.

    A seed gives the bed a thickness, which is a factor of the flux and its derivatives.
    """
    thick = numbers("08", seed)["thick"]
    x, u, G = np.array([[0.2, 0.7]]), np.array([1.3, 2.0]), np.array([[0.8, 2.5]])
    y = (np.arange(200)[None, None, :] + 0.5) / 200
    said = ask(effective, x, u, G, name="homogenized", case="x = 0.2 and 0.7, u = 1.3 and 2, G = 0.8 and 2.5")
    sigma, d_du, d_dG = _several(said, "homogenized", "sigma, d_du, d_dG", ((1, 2), (1, 2), (1, 1, 2)))
    rs, ss = (np.broadcast_to(resistance(x[:, :, None], y), (2, 200)) for resistance in (r, s))
    (r1, s1), (rh, sh) = (
        (mean(rs), mean(ss)) for mean in (lambda v: v.mean(axis=1), lambda v: 1 / (1 / v).mean(axis=1))
    )

    def flux(r: Array, s: Array, u: Array = u) -> Array:
        return thick * _gas(r, s, u, G)[0]

    uniform = thick * _gas(rs, ss, u[:, None], np.repeat(G[:, :, None], 200, axis=2))[0].mean(axis=-1)
    _, exact_u, exact_G = (thick * part for part in _gas(r1, s1, u, G))
    mistakes = {
        "this is the average of the fluxes that a uniform gradient drives. On a line the flux is the uniform one.": uniform,
        "harmonic means of r and s are not what counts: they are resistances, and layers in series add theirs.": flux(
            rh, sh
        ),
        "the inertial resistance s is missing.": flux(r1, 0 * s1),
        "this is the flux at the pressure 1, not at u.": flux(r1, s1, np.ones(2)),
        "only s is averaged as a resistance; so is r.": flux(rh, s1),
        "only r is averaged as a resistance; so is s.": flux(r1, sh),
        "the means are sums: divide by the number of points.": flux(200 * r1, 200 * s1),
        "you average over all x as well: there is one mean for each point.": flux(rs.mean(), ss.mean()),
        "r changes with x as well: average it at this x.": flux(r(np.zeros((1, 1, 1)), y).mean(), s1),
        "this is the flux j; what passes through the whole thickness of the bed is wanted.": flux(r1, s1) / thick,
    }
    match(sigma, flux(r1, s1), "sigma of homogenized", rtol=1e-5, mistakes=mistakes)
    mistakes = {
        "d_du of homogenized is missing: hand on all that gas_flux returns.": 0 * exact_u,
        THIN: exact_u / thick,
    }
    match(d_du, exact_u, "d_du of homogenized", rtol=1e-5, mistakes=mistakes)
    mistakes = {
        "d_dG of homogenized is a secant, sigma over G: hand on all that gas_flux returns.": (sigma / G)[None],
        THIN: exact_G / thick,
    }
    match(d_dG, exact_G, "d_dG of homogenized", rtol=1e-5, mistakes=mistakes)
    passed("in series the resistances add", "flux and both derivatives at two states")
