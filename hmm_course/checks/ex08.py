"""Checks of exercise 8, a complete workflow for a nonlinear problem, and the finite elements that it is built on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import skfem
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from scipy.sparse.linalg import splu

from hmm_core.macro import macro_basis
from hmm_course.checks import Array, array, ask, close, fail, given, match, number, passed, recognise, require

Law = Callable[[Array, Array, float, Array], tuple[Array, Array, Array]]


class Space:
    r"""Finite elements of lowest order as a few operations; the cell and the macro mesh are both such a space.

    size       how many values a field has; ``free``: those of them that no boundary condition fixes
    points     (d, P), where a law is asked; ``nodes`` (d, size): the places of the values of a macro field
    value      field (size,) -> its values (P,) at the points
    gradient   field (size,) -> its gradients (d, P) at the points
    mean       (..., P) -> (...), the average over all points
    force      fluxes j (d, P) -> (size,), the integrals of j . grad phi, one for each function phi of the space
    load       number f -> (size,), the integrals of f phi
    stiffness  T (d, d, P), and b (d, P) or None -> the matrix of the integrals of (T grad psi + b psi) . grad phi
    solve      matrix, right-hand side (size,) -> solution (size,), zero where the field is fixed
    """

    def __init__(self, basis: skfem.CellBasis, fixed: Array, owner: Array) -> None:
        self.size, self.nodes = int(owner.max()) + 1, basis.doflocs
        self.free = np.setdiff1d(np.arange(self.size), fixed)
        self.points = np.asarray(basis.global_coordinates()).reshape(basis.mesh.dim(), -1)
        self.weights = basis.dx.ravel()
        functions = [function[0] for function in basis.basis]
        rows, columns = np.arange(self.weights.size), owner[basis.element_dofs]

        def matrix(parts: list[Array]) -> csr_matrix:
            total = 0
            for part, column in zip(parts, columns, strict=True):
                entries = np.broadcast_to(part, basis.dx.shape).ravel(), (rows, np.repeat(column, basis.dx.shape[1]))
                total = total + coo_matrix(entries, shape=(rows.size, self.size)).tocsr()
            return total

        self._value = matrix([np.asarray(function) for function in functions])
        self._slopes = [matrix([function.grad[i] for function in functions]) for i in range(basis.mesh.dim())]

    @classmethod
    def cell(cls, dim: int, n: int) -> "Space":
        """Periodic fields on one period, n elements along each side, two Gauss points per element and direction.

        Only their gradients count, so one value is fixed.
        """
        edges = [np.linspace(0, 1, n + 1)] * dim
        mesh = skfem.MeshLine(*edges) if dim == 1 else skfem.MeshQuad.init_tensor(*edges)
        element = skfem.ElementLineP1() if dim == 1 else skfem.ElementQuad1()
        basis = skfem.Basis(mesh, element, intorder=3)
        index = np.round(basis.doflocs * n).astype(int) % n  # opposite sides are one
        return cls(basis, np.zeros(1, int), np.ravel_multi_index(tuple(index), (n,) * dim))

    @classmethod
    def macro(cls, mesh: skfem.Mesh, fixed: Array) -> "Space":
        """Continuous fields on a mesh of segments or triangles, linear on each, with one point in its middle."""
        basis = macro_basis(mesh, skfem.ElementLineP1() if mesh.dim() == 1 else skfem.ElementTriP1())
        return cls(basis, np.asarray(fixed), np.arange(basis.N))

    def value(self, field: Array) -> Array:
        return self._value @ field

    def gradient(self, field: Array) -> Array:
        return np.array([slope @ field for slope in self._slopes])

    def mean(self, values: Array) -> Array:
        return values @ self.weights / self.weights.sum()

    def force(self, j: Array) -> Array:
        return sum(slope.T @ (self.weights * part) for slope, part in zip(self._slopes, j, strict=True))

    def load(self, f: float) -> Array:
        return self._value.T @ (self.weights * f)

    def stiffness(self, T: Array, b: Array | None = None) -> csr_matrix:
        total = 0
        for i, slope in enumerate(self._slopes):
            answer = sum(other.multiply((self.weights * T[i, k])[:, None]) for k, other in enumerate(self._slopes))
            if b is not None:
                answer = answer + self._value.multiply((self.weights * b[i])[:, None])
            total = total + slope.T @ answer
        return total.tocsr()

    def solve(self, matrix: csr_matrix, rhs: Array) -> Array:
        solution = np.zeros_like(rhs, dtype=float)
        inner = csc_matrix(matrix)[self.free][:, self.free]
        solution[self.free] = splu(csc_matrix(inner)).solve(np.asarray(rhs, dtype=float)[self.free])
        return solution


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


STATES = {
    1: (np.array([0.3]), 1.5, np.array([1.2])),
    2: (np.array([0.3, 0.6]), 1.5, np.array([1.2, -0.4])),
}


def _micro_field(cell: Space, law: Law, x: Array, u: float, G: Array) -> Array:
    w = np.zeros(cell.size)
    for _ in range(20):
        j, _, T = law(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
        w = w + cell.solve(cell.stiffness(T), -cell.force(j))
    return w


def _several(answer: Any, name: str, parts: str, shapes: tuple[tuple[int, ...], ...]) -> list[Array]:
    """What a function returned as a tuple of arrays, checked one by one; ``parts`` names them, separated by commas."""
    names = parts.split(", ")
    if not isinstance(answer, tuple | list) or len(answer) != len(names):
        fail(f"{name} should return {len(names)} things, {parts}, in this order.")
    return [array(value, f"{part} of {name}", shape) for value, part, shape in zip(answer, names, shapes, strict=True)]


# ------------------------------------------------------------------ the checks


def micro_law(gas_flux: Callable[..., Any]) -> None:
    """gas_flux(r, s, u, xi): j with u xi = r j + s |j| j, and its derivatives in u and in xi."""
    rng = np.random.default_rng(8)
    for d in (2, 1):  # on a line along and across cannot be told apart
        P, u, step = 5, 1.5, 1e-5
        r, s, xi = 1 + rng.random(P), 0.5 + rng.random(P), rng.standard_normal((d, P))

        def at(u: float, xi: Array, d: int = d, r: Array = r, s: Array = s, P: int = P) -> list[Array]:
            answer = ask(gas_flux, r, s, u, xi, name="gas_flux", case=f"{P} points in {d} dimension{'s' * (d > 1)}")
            if isinstance(answer, tuple) and len(answer) == 3 and np.ndim(given(answer[1], "dj_du")) == 0:
                answer = answer[0], np.full((d, P), answer[1]) if answer[1] is not Ellipsis else ..., answer[2]
            return _several(answer, "gas_flux", "j, dj_du, dj_dxi", ((d, P), (d, P), (d, d, P)))

        j, j_u, j_xi = at(u, xi)
        true, true_u, true_xi = _gas(r, s, u, xi)
        require(close(j, true), "j no longer solves u xi = r j + s |j| j: leave the lines above yours as they are.")
        recognise(
            j_u,
            {
                "dj_du is missing: under a higher pressure the gas is denser, and the same gradient drives more mass.": 0
                * j,
                "dj_du is j/u, as if j were proportional to u. It is not: the inertia s |j| j grows faster.": j / u,
                "dj_du has a factor u too many: eta = u xi, so d eta/du = xi.": u * true_u,
                "dj_du has the wrong sign: a higher pressure carries more mass.": -true_u,
            },
        )
        identity, length = np.eye(d)[:, :, None], np.linalg.norm(xi, axis=0)
        along = xi[:, None] * xi / length**2
        secant, slope = np.linalg.norm(j, axis=0) / length, u / np.sqrt(r**2 + 4 * s * u * length)
        mistakes = {
            "dj_dxi has lost the factor u: eta = u xi, so d eta/d xi = u.": true_xi / u,
            "dj_dxi has lost the factor u, and it is the ratio of j to xi, not the slope.": secant / u * identity,
            "dj_dxi is the ratio of j to xi (a secant). Along the flow j answers more weakly.": secant * identity,
        }
        if d > 1:
            mistakes |= {
                "dj_dxi answers in all directions as it does along the flow. Across it, j only turns.": slope
                * identity,
                "along and across are in each other's place: 1/root belongs to the direction of the flow.": (
                    secant * along + slope * (identity - along)
                ),
                "dj_dxi answers along the flow only; across it, j turns with xi.": slope * along,
            }
        recognise(j_xi, mistakes)
        by_difference = (at(u + step, xi)[0] - at(u - step, xi)[0]) / (2 * step)
        match(j_u, by_difference, "dj_du, compared with a centred difference of j,", rtol=1e-6)
        for k in range(d):
            move = step * np.eye(d)[k][:, None]
            by_difference = (at(u, xi + move)[0] - at(u, xi - move)[0]) / (2 * step)
            match(j_xi[:, k], by_difference, f"dj_dxi[:, {k}], compared with a centred difference of j,", rtol=1e-6)
    passed("both derivatives agree with centred differences, in one dimension and in two")


def cell_problem(solve_cell: Callable[..., Any]) -> None:
    """solve_cell(cell, law, x, u, G): the periodic w for which j(G + grad w) exerts no force."""
    for d, n in ((1, 12), (2, 6)):
        cell, (x, u, G) = Space.cell(d, n), STATES[d]
        answer = ask(solve_cell, cell, _bed, x, u, G, name="solve_cell", case=f"a cell in {d} dimension{'s' * (d > 1)}")
        w = array(answer, "w of solve_cell", (cell.size,))

        def force(w: Array, cell: Space = cell, x: Array = x, u: float = u, G: Array = G) -> tuple[Array, Any]:
            j, _, T = _bed(x[:, None], cell.points, u, G[:, None] + cell.gradient(w))
            return cell.force(j), cell.stiffness(T)

        start, tangent = force(0 * w)
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
        require(
            left < 1e-8,
            f"the flux of your w still exerts a force, {left:.1e} of what it was for w = 0. Newton's step solves "
            "stiffness(T) step = -force(j), with j and T both taken at G + grad w.",
        )
        match(cell.gradient(w).mean(axis=1), np.zeros(d), "the mean of grad w", atol=1e-10)
    passed("no force is left", "the mean gradient is G", "in one dimension and in two")


def consistent_tangent(answer: Callable[..., Any]) -> None:
    """answer(cell, law, x, u, G): sigma = <j>, and its derivatives in u and G, micro field moving along."""
    for d, n in ((1, 12), (2, 6)):
        cell, (x, u, G) = Space.cell(d, n), STATES[d]

        def at(u: float, G: Array, cell: Space = cell, x: Array = x, d: int = d) -> list[Array]:
            case = f"a cell in {d} dimension{'s' * (d > 1)}"
            said = ask(answer, cell, _turning_bed, x, u, G, name="answer", case=case)
            return _several(said, "answer", "sigma, d_du, d_dG", ((d,), (d,), (d, d)))

        sigma, d_du, d_dG = at(u, G)
        affine = _turning_bed(x[:, None], cell.points, u, np.tile(G[:, None], cell.weights.size))
        xi = G[:, None] + cell.gradient(_micro_field(cell, _turning_bed, x, u, G))
        j, j_u, T = _turning_bed(x[:, None], cell.points, u, xi)
        conductivity = cell.mean(np.linalg.norm(j, axis=0) / np.linalg.norm(xi, axis=0))

        def moved(push: Array, cell: Space = cell, T: Array = T) -> Array:
            chi = cell.solve(cell.stiffness(T), -cell.force(push))
            return cell.mean(np.einsum("ikp,kp->ip", T, cell.gradient(chi)))

        match(
            sigma,
            cell.mean(j),
            "sigma",
            mistakes={
                "sigma is the average of j(G), as if no micro field answered; ask the law at G + grad w.": cell.mean(
                    affine[0]
                ),
                "sigma is a mean conductivity times G. Average the flux itself, where it flows.": conductivity * G,
                "sigma has the wrong sign: this course counts the flux up the gradient.": -cell.mean(j),
            },
        )
        direct, response = cell.mean(T), np.stack([moved(T[:, k]) for k in range(d)], axis=1)
        recognise(
            d_dG,
            {
                "d_dG is <dj_dxi>, the averaged tangent of the micro law. When G moves, w moves along: that is missing.": direct,
                "d_dG is a secant, sigma over G. The tangent is the slope of sigma(G).": np.outer(sigma, G) / (G @ G),
                "the response of w has the wrong sign: chi solves stiffness(T) chi = -force(T e).": direct - response,
                "d_dG is the response of w alone; <dj_dxi> comes in front of it.": response,
                "d_dG averages dj_dxi at G, not at G + grad w.": cell.mean(affine[2]),
            },
        )
        if d > 1:  # what cannot be seen on a line
            recognise(
                d_dG,
                {
                    "d_dG is transposed: column k is the derivative in G_k, entry [i, k].": (direct + response).T,
                    "the push for G_k is T[:, k], how all components of j answer; T[k] is how one of them does.": np.stack(
                        [cell.mean(T[k]) + moved(T[k]) for k in range(d)], axis=1
                    ),
                },
            )
        exact_dG = direct + response
        direct, response = cell.mean(j_u), moved(j_u)
        recognise(
            d_du,
            {
                "d_du is missing: sigma changes with the pressure, and the macro step has to know.": 0 * sigma,
                "d_du is <dj_du> alone. When u moves, w moves along here too: its part is missing.": direct,
                "the response of w in d_du has the wrong sign: it solves stiffness(T) psi = -force(dj_du).": direct
                - response,
            },
        )
        step = 1e-4
        for k in range(d):
            move = step * np.eye(d)[k]
            by_difference = (at(u, G + move)[0] - at(u, G - move)[0]) / (2 * step)
            match(d_dG[:, k], by_difference, f"d_dG[:, {k}], compared with a centred difference of sigma,", rtol=1e-5)
        by_difference = (at(u + step, G)[0] - at(u - step, G)[0]) / (2 * step)
        match(d_du, by_difference, "d_du, compared with a centred difference of sigma,", rtol=1e-5)
        for found, exact, name in ((d_dG, exact_dG, "d_dG"), (d_du, direct + response, "d_du")):
            require(
                close(found, exact, 1e-8),
                f"{name} is nearly right, as a difference quotient is. Newton's method will notice; the linear problem for chi "
                "gives it exactly.",
            )
    passed("the averaged flux", "both derivatives agree with centred differences of it")


def three_phases(restrict: Callable[..., Any], reconstruct: Callable[..., Any], update: Callable[..., Any]) -> None:
    """restrict(macro, U), reconstruct(macro, answers, load), update(macro, U, residual, matrix)."""
    mesh = skfem.MeshTri().refined(1)
    macro = Space.macro(mesh, np.flatnonzero(mesh.p[0] == 0))
    rng = np.random.default_rng(8)
    U, P, N = 1 + mesh.p[0] + mesh.p[1] ** 2, macro.weights.size, macro.size

    state = ask(restrict, macro, U, name="restrict", case="a mesh of 8 triangles")
    if isinstance(state, tuple | list) and len(state) == 3 and [np.shape(part) for part in state[::2]] == [(2, P)] * 2:
        places, slopes = (np.asarray(part) for part in state[::2])
        if close(places, macro.gradient(U)) and close(slopes, macro.points):
            fail("restrict hands over (gradient, value, place); the order is place, value, gradient.")
    if isinstance(state, tuple | list) and len(state) == 3 and np.shape(state[1]) == (N,):
        fail("restrict hands down the values at the nodes; the micro model is asked at macro.points: macro.value(U).")
    x, u, G = _several(state, "restrict", "x, u, G", ((2, P), (P,), (2, P)))
    match(x, macro.points, "x of restrict")
    match(u, macro.value(U), "u of restrict")
    match(G, macro.gradient(U), "G of restrict", mistakes={"G has the wrong sign: it is grad U.": -macro.gradient(U)})

    answers = (
        rng.standard_normal((2, P)),
        rng.standard_normal((2, P)),
        rng.standard_normal((2, 2, P)) + 3 * np.eye(2)[:, :, None],
    )
    load, v = macro.load(1.7), rng.standard_normal(N)
    pair = ask(reconstruct, macro, answers, load, name="reconstruct", case="fluxes and tangents drawn at random")
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        fail("reconstruct should return two things, residual and matrix, in this order.")
    residual = array(pair[0], "the residual of reconstruct", (N,))
    force = macro.force(answers[0])
    match(
        residual,
        force - load,
        "the residual",
        mistakes={
            "the residual has the wrong sign. It is force(sigma) - load; its derivative is then the matrix.": load
            - force,
            "the load is missing in the residual: force(sigma) has to balance it.": force,
            "the signs: force(sigma) and load stand on two sides of one equation, so their difference counts.": force
            + load,
            "you set the residual to zero where U is fixed. Leave it whole: macro.solve and macro.free see to that.": (
                np.where(np.isin(np.arange(N), macro.free), force - load, 0)
            ),
        },
    )
    matrix = given(pair[1], "the matrix of reconstruct")
    require(np.shape(matrix) == (N, N), f"the matrix of reconstruct should have shape {(N, N)}; use macro.stiffness.")
    right = macro.stiffness(answers[2], answers[1]) @ v
    match(
        array(matrix @ v, "the matrix times a vector"),
        right,
        "the matrix",
        mistakes={
            "the d/du part is missing in the matrix: sigma changes with U also at a fixed gradient.": macro.stiffness(
                answers[2]
            )
            @ v,
            "the matrix has the wrong sign: it is the derivative of force(sigma) - load.": -right,
            "the tangent is transposed.": macro.stiffness(answers[2].swapaxes(0, 1), answers[1]) @ v,
        },
    )
    K = macro.stiffness(answers[2])
    new = array(
        ask(update, macro, U, force, K, name="update", case="a residual at random"), "what update returns", (N,)
    )
    step = macro.solve(K, -force)
    recognise(
        new,
        {
            "update went the wrong way: matrix times step is *minus* the residual.": U - step,
            "update returns the step; add it to U.": step,
            "update returns U as it was.": U,
        },
    )
    fixed = np.setdiff1d(np.arange(N), macro.free)
    require(abs(new - U)[fixed] < 1e-9, "update moved values that the boundary condition fixes; use macro.solve.")
    match(new, U + step, "what update returns")
    passed("restrict: place, value, gradient", "reconstruct: residual and its derivative", "update: Newton's step")


def conversation(dialogue: Callable[..., Any]) -> None:
    """dialogue(macro, closure, U, load): turns until the residual is below 1e-10; U and the residuals of all turns."""
    mesh = skfem.MeshLine(np.linspace(0, 1, 9))
    macro = Space.macro(mesh, np.zeros(1, int))
    load, start = macro.load(2.0), 1 + mesh.p[0]

    def linear(x: Array, u: float, G: Array) -> tuple[Array, Array, Array]:
        return (2 + x[0]) * G, 0 * G, (2 + x[0]) * np.eye(1)

    def bent(x: Array, u: float, G: Array) -> tuple[Array, Array, Array]:
        j, j_u, T = _gas(1 + x[0], 0.5, u, G[:, None])
        return j[:, 0], j_u[:, 0], T[:, :, 0]

    def converse(closure: Law, case: str) -> tuple[Array, Array, Array]:
        pair = ask(dialogue, macro, closure, start.copy(), load, name="dialogue", case=case)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            fail("dialogue should return two things, U and the list of residuals, in this order.")
        U, history = array(pair[0], "U of dialogue", start.shape), array(pair[1], "the residuals of dialogue")
        require(history.ndim == 1 and history.size > 0, "the residuals of dialogue should be a list of numbers.")
        said = [closure(*state) for state in zip(macro.points.T, macro.value(U), macro.gradient(U).T, strict=True)]
        return U, history, macro.force(np.array([part[0] for part in said]).T) - load

    U, history, residual = converse(linear, "a linear closure")
    left = np.linalg.norm(residual[macro.free])
    if history.size > 2 and close(history[-1], np.linalg.norm(residual), 1e-3):
        fail("your residual never vanishes: at a fixed node it is the reaction there. Measure residual[macro.free].")
    require(left < 1e-9, f"for a linear closure the residual is still {left:.1e}; go on until it is below 1e-10.")
    require(history.size == 2, f"a linear problem needs one update, that is two residuals; you list {history.size}.")
    U, history, residual = converse(bent, "a nonlinear closure")
    left = np.linalg.norm(residual[macro.free])
    require(left < 1e-9, f"for a nonlinear closure the residual is still {left:.1e}; go on until it is below 1e-10.")
    require(abs(U[0] - 1) < 1e-12, "the pressure at the drain has moved; it is fixed.")
    begin = [bent(*state) for state in zip(macro.points.T, macro.value(start), macro.gradient(start).T, strict=True)]
    force = (macro.force(np.array([part[0] for part in begin]).T) - load)[macro.free]
    match(
        history[0],
        np.linalg.norm(force),
        "the first residual, that of the start,",
        mistakes={
            "the residuals are largest entries; list norms, np.linalg.norm.": np.abs(force).max(),
            "the residuals are root mean squares; list norms, np.linalg.norm.": np.sqrt(np.mean(force**2)),
            "the residuals are squares of norms: take the root.": force @ force,
        },
    )
    require(
        history.size > 3, f"a nonlinear problem is not solved in {history.size - 1} updates; list one residual a turn."
    )
    if history.size > 8:
        fail(f"{history.size - 1} updates are too many for Newton's method: is the matrix that of the last answer?")
    turns = 0

    def stubborn(x: Array, u: float, G: Array) -> tuple[Array, Array, Array]:
        """Says that it will answer a hundred times as strongly as it does, so that hardly anything moves."""
        nonlocal turns
        turns += x[0] < macro.points[0].min() + 1e-12
        if turns > 70:
            raise OverflowError
        return G, 0 * G, 100 * np.eye(1)

    try:
        dialogue(macro, stubborn, start.copy(), load)
    except OverflowError:
        fail("dialogue does not give up: after 60 turns without agreement it should.")
    except Exception:  # giving up with an error is one way to do it
        pass
    passed("linear: one update", "nonlinear: a few, and the residual vanishes", "the drain keeps its pressure")


def homogenized(
    effective: Callable[..., Any], r: Callable[[Array, Array], Array], s: Callable[[Array, Array], Array]
) -> None:
    """effective(x, u, G): the law of a layered line, the micro law with the means of both resistances."""
    y = (np.arange(400)[None, :] + 0.5) / 400
    for place, u, slope in ((0.2, 1.3, 0.8), (0.7, 2.0, 2.5)):
        x, G = np.array([place]), np.array([slope])
        said = ask(effective, x, u, G, name="homogenized", case=f"x = {place}, u = {u}, G = {slope}")
        sigma, d_du, d_dG = _several(said, "homogenized", "sigma, d_du, d_dG", ((1,), (1,), (1, 1)))
        at = np.broadcast_to(r(x[:, None], y), (400,)), np.broadcast_to(s(x[:, None], y), (400,))

        def law(r: float, s: float, u: float = u, G: Array = G) -> tuple[Array, Array, Array]:
            return tuple(part[..., 0] for part in _gas(np.array([r]), np.array([s]), u, G[:, None]))

        means, harmonic = (at[0].mean(), at[1].mean()), (1 / (1 / at[0]).mean(), 1 / (1 / at[1]).mean())
        match(
            sigma,
            law(*means)[0],
            "sigma of homogenized",
            rtol=1e-5,
            mistakes={
                "this is the average of the fluxes that a uniform gradient drives. On a line the flux is the uniform one.": _gas(
                    *at, u, np.tile(G[:, None], 400)
                )[0].mean(axis=1),
                "you have taken harmonic means of r and s. They are resistances already: layers in series add theirs.": law(
                    *harmonic
                )[0],
                "the inertial resistance s is missing.": law(means[0], 0.0)[0],
                "this is the flux at the pressure 1, not at u.": law(*means, u=1.0)[0],
                "only s is averaged as a resistance; so is r.": law(harmonic[0], means[1])[0],
                "only r is averaged as a resistance; so is s.": law(means[0], harmonic[1])[0],
                "the means are sums: divide by the number of points.": law(*(400 * m for m in means))[0],
                "r changes with x as well: average it at this x.": law(np.mean(r(0 * x[:, None], y)), means[1])[0],
            },
        )
        match(
            d_du,
            law(*means)[1],
            "d_du of homogenized",
            rtol=1e-5,
            mistakes={"d_du of homogenized is missing: hand on all that gas_flux returns.": np.zeros(1)},
        )
        match(d_dG, law(*means)[2], "d_dG of homogenized", rtol=1e-5)
    passed("in series the resistances add", "flux and both derivatives at two states")


def error_budget(budget: Callable[..., Any]) -> None:
    """budget(elements, n): macro error, micro error and total, each the distance of two pressures."""

    def of(elements: int, n: int) -> tuple[float, float, float]:
        said = ask(budget, elements, n, name="budget", case=f"{elements} elements and n = {n}")
        if not isinstance(said, tuple | list) or len(said) != 3:
            fail("budget should return three things, macro, micro and total, in this order.")
        return tuple(
            number(value, f"{part} of budget") for value, part in zip(said, ("macro", "micro", "total"), strict=True)
        )

    coarse, finer_cell, finer_mesh = of(8, 8), of(8, 16), of(16, 8)
    require(np.array([coarse, finer_cell, finer_mesh]) > 0, "errors are distances of two pressures, so positive.")
    macro, micro, total = coarse
    if close(micro, abs(total - macro), 1e-6) or close(total, np.hypot(macro, micro), 1e-6):
        fail(
            "one of the three is computed from the other two. Measure each: micro between two pressures that differ in the "
            "cell only, total between the exact one and that with cells."
        )
    if close(micro, total, 1e-9):
        fail(
            "micro equals total: compare with the pressure that has the same mesh and the exact law, not with the exact one."
        )
    if close(macro, total, 1e-9):
        fail("macro equals total: compute it with the homogenized law, so that no cell is involved.")
    if close(finer_cell[1], micro, 1e-6) and not close(finer_cell[0], macro, 1e-6):
        fail("macro changes with n, and micro does not: are they in each other's place?")
    require(close(finer_cell[0], macro, 1e-6), "macro changes with n; it must not know about the cell.")
    require(close(finer_mesh[1], micro, 0.3), "micro should hardly notice the macro mesh; yours does.")
    for name, before, after in (("macro", macro, finer_mesh[0]), ("micro", micro, finer_cell[1])):
        factor = before / after
        require(
            3 < factor < 5.5, f"{name} should fall by four when its own mesh is halved; yours falls by {factor:.2g}."
        )
    require(
        [all(each[2] <= (each[0] + each[1]) * (1 + 1e-6) for each in (coarse, finer_cell, finer_mesh))],
        "total exceeds macro + micro: one of the three is not a distance between the pressures it should be.",
    )
    passed("macro depends on H alone", "micro on h alone", "each falls by four", "total at most their sum")
