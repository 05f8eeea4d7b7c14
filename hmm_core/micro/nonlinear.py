r"""Nonlinear cell problems: a flux law j(x, y, u, xi) on a sampling domain, answered with its average and its tangent.

At a macro point x with state (U, G), find the micro field v = l . y + w (w as in ``cell``: periodic, zero on the boundary,
or a uniform flux there) with

    - div_y j(x, y, U, grad v) = 0   in Y,    <grad v> = G,

and answer with sigma = <j>, both averages over the inner cube with the cell's window. The load l (for a uniform flux: the
flux) is an unknown unless <grad w> = 0 by itself. The value U does not vary over the sampling domain.

Fields of m = d components are no special case: a law whose flux follows the symmetric part of the gradient (solids at small
strain) is solved in L = d(d+1)/2 strains, any other (finite strain) in all L = d*d components of the gradient (``finite``).

Newton's method, batched: each step is a linear cell problem with the tensor dj/dxi. The same problem with d right-hand
sides more, at the end, is the *consistent tangent* d sigma / dG, d sigma / dU: the derivative of the answer itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hmm_core.media.laws import Flux
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.grid import Array, LineGrid
from hmm_core.micro.krylov import dot, dot_matrix, solve_systems
from hmm_core.micro.line import _Line
from hmm_core.micro.newton import _pick, _solve_batch
from hmm_core.micro.problems import _Problems
from hmm_core.micro.question import refuse_scale
from hmm_core.micro.response import allowed_energy, fluctuation, is_quadratic, mean_gradient
from hmm_core.micro.sample import is_symmetric
from hmm_core.micro.sampled_law import HUGE, Batch, SampledLaw
from hmm_core.micro.systems import Systems, solve


@dataclass(frozen=True, eq=False)
class NonlinearMicroSolution:
    """What ``solve_nonlinear`` found at K macro points; of fields of m components (m, d, K), (m, d, m, K), (m, d, m, d, K).

    flux, d_du   (d, K)          averaged flux and its derivative in U
    d_dgrad      (d, d, K)       its derivative in G
    newton, iterations (K,)      Newton steps, and linear iterations in all of them
    residual     (K,)            preconditioned residual relative to the forces in balance
    memory       arrays (..., K): the micro fields and their derivatives in (G, U), from which a neighbouring problem starts
    """

    flux: Array
    d_du: Array
    d_dgrad: Array
    newton: Array
    iterations: Array
    residual: Array
    memory: Batch

    def kept(self, what: str) -> Batch:
        """Of the memory: all ("fields"), without the derivatives of the fields ("start"), or the state alone ("nothing")."""
        left_out = {"fields": (), "start": ("d_w", "d_xi")}.get(what)
        if left_out is None:
            return {name: self.memory[name] for name in ("grad", "u")}
        return {name: value for name, value in self.memory.items() if name not in left_out}

    def corrector(self, cell: CellProblem) -> Array:
        """v - G . y on the grid points (K, N+1, ...) of the sampling domain; of mean zero unless it vanishes on the boundary."""
        d, G = cell.dim, self.memory["grad"]
        grid = cell.grid_of(_fields_of(G, len(self.memory["load"])) if d > 1 else "scalar")
        if isinstance(grid, LineGrid):
            xi = np.moveaxis(self.memory["xi"], -1, 0)[:, 0]
            _, weights = np.polynomial.legendre.leggauss(len(grid.reference))
            steps = grid.h / 2 * np.einsum("bge,g->be", xi, weights)
            v, load = np.concatenate([np.zeros((len(xi), 1)), np.cumsum(steps, axis=1)], axis=1), 0.0
        else:
            v, load = grid.extend(np.moveaxis(self.memory["w"], -1, 0))[:, 0], self.memory["load"]
        y = grid.affine() if d > 1 else (grid.edges - grid.edges[0])[None]
        w = v + np.einsum("jk,j...->k...", load - _components(G, grid), y)
        if cell.bc == "dirichlet":
            return w
        inner = w[(slice(None), *(slice(-1),) * d)] if cell.bc == "periodic" else w
        return w - inner.mean(axis=tuple(range(1, d + 1)), keepdims=True)


def _components(grad: Array, grid: Any) -> Array:
    """Gradients (d, K) or (m, d, K) in the L components that the fields of a grid have: (L, K)."""
    return grid.kinematics.reshape(len(grid.kinematics), -1) @ grad.reshape(-1, grad.shape[-1])


def _fields_of(grad: Array, L: int) -> str:
    return "scalar" if grad.ndim == 2 else "vector" if len(grad) ** 2 == L else "strain"


def fits(cell: CellProblem, memory: Batch, grad: Array) -> bool:
    """Whether a memory holds micro fields of this cell for macro gradients like these."""
    grid, line, count = cell.grid_of("scalar" if grad.ndim == 2 else "vector"), cell.dim == 1, grad.shape[-1]
    shape = (1, len(grid.reference), grid.cells) if line else (1, *grid.shape)
    return np.shape(memory.get("xi" if line else "w")) == (*shape, count)


def solve_nonlinear(
    cell: CellProblem,
    flux: Flux,
    x: Array,
    u: Array,
    grad: Array,
    eps: float | None = None,
    memory: Batch | None = None,
    tol: float | None = None,
) -> NonlinearMicroSolution:
    r"""Averaged flux and consistent tangent of a flux law at K macro points.

    Parameters
    ----------
    cell : any boundary condition, size, buffer and window; average "ratio" (<grad v> over the window is G) or "flux" (over
        the whole solved domain). scheme "fourier" for smooth laws, "q1" for all others.
    flux : flux(x, y, u, xi) -> (j, dj_du, dj_dxi) for x (d, K, 1) or (d, K, P), y (d, 1, P) or (d, K, P), u (K, 1) and
        xi (d, K, P): arrays with three, three and four axes that broadcast to (d, K, P), (d, K, P) and (d, d, K, P), or
        numbers; a scalar dj_dxi that broadcasts to (K, P) stands for a multiple of the identity. For fields of m = d components
        u (m, K, 1), xi (m, d, K, P) -> (m, d, K, P), (m, d, m, K, P), (m, d, m, d, K, P).
    x, u, grad : macro points (d, K) with values (K,) and gradients (d, K); of m components (m, K) and (m, d, K).
    eps : as in ``CellProblem.effective_tensor``.
    memory : what an earlier call returned for the same points: the iteration starts from there.
    tol : relative accuracy of the flux, and within a factor of ten of its tangent; by default the cell's.

    Where dj/dxi is zero or negative it is lifted, inside the iteration and in the tangent, to 1e-18 of its size elsewhere in
    the cell, which leaves the flux alone. If it is zero in the whole cell (a power law at rest), or the energy of the state
    below 1e-290, that at a unit gradient stands in; where it is infinite at rest, that very close to rest. A gradient below
    1e-150 is rest. At finite strain, where points may give way and the cell be stable, the least stiffness of the cell as a
    whole decides whether the tangent is that of an equilibrium; bc="neumann" is refused there, for nothing holds rotations.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or shape; an eps that the law's medium is not made for; a law that raises, is not finite at
        the start, beyond 1e150 there or below 1e-290 at a unit gradient (their squares are no numbers), or not elliptic at
        the solution.
    ConvergenceError
        Newton's method failed from the given start, from the affine field, and along a path from a linear law to this one.
    """
    if not callable(flux):
        raise TypeError(f"flux={flux!r} is not a law: a function flux(x, y, u, xi) -> j, dj_du, dj_dxi is needed")
    if cell.average == "energy" or cell.equation != "elliptic":
        given = f"average={cell.average!r}" if cell.average == "energy" else f"equation={cell.equation!r}"
        raise ValueError(f"{given} is defined for linear media only; a nonlinear cell takes average='ratio' or 'flux'")
    x, u, grad = (np.asarray(value, dtype=float) for value in (x, u, grad))
    d, c = cell.dim, grad.shape[:-2]
    if x.ndim != 2 or len(x) != d or grad.shape != (*c, *x.shape) or u.shape != (*c, *x.shape[1:]) or not x.size:
        given = f"x {x.shape}, u {u.shape}, grad {grad.shape}"
        raise ValueError(
            f"{given} for a {d}D cell; it needs x ({d}, K), u (K,), grad ({d}, K), or u (m, K), grad (m, {d}, K)"
        )
    if c not in ((), (d,)) or (c and d == 1):
        raise ValueError(f"grad has shape {grad.shape}: in {d}D cells fields have one component{f' or {d}' * (d > 1)}")
    if not all(np.isfinite(value).all() for value in (x, u, grad)):
        raise ValueError("x, u and grad must be finite")
    if not (np.abs(grad) < HUGE).all():
        raise ValueError(f"grad={grad[np.abs(grad) >= HUGE][0]:.3g}: beyond {HUGE:.0e} its square is not finite")
    grad = np.where(np.abs(grad).max(axis=tuple(range(grad.ndim - 1))) > 1 / HUGE, grad, 0.0)
    if cell.interface != "sharp":
        raise ValueError(
            f"interface={cell.interface!r} mixes the phases of linear media only: a law needs interface='sharp'"
        )
    refuse_scale(flux, eps)
    cell = cell if tol is None else replace(cell, tol=min(max(tol, 1e-13), 0.1))
    kind, parts = _Line if isinstance(cell.grid, LineGrid) else _Cells, []
    chunk = max(1, cell.chunk // max(1, *c)) if c else cell.chunk
    cuts = [slice(first, first + chunk) for first in range(0, x.shape[1], chunk)]

    def sampled(cut: slice, fields: str) -> SampledLaw:
        return SampledLaw.sampled(
            flux, cell, x[:, cut], u[..., cut].reshape(max(1, *c, 1), -1).T, eps, cut.start > 0, fields
        )

    fields = "scalar"
    if c and memory is not None:
        fields = _fields_of(grad, len(memory["load"]))
    elif c:
        with np.errstate(all="ignore"):
            fields = "strain" if all(sampled(cut, "vector").feels_strains() for cut in cuts) else "vector"
    grid = cell.grid_of(fields)
    G = _components(grad, grid)
    if memory is not None:
        memory = memory | {"grad": _components(memory["grad"], grid), "u": memory["u"].reshape(-1, x.shape[1])}
    for cut in cuts:
        problems = kind(cell, sampled(cut, fields), G[:, cut].T)
        old = None if memory is None else {name: np.moveaxis(value[..., cut], -1, 0) for name, value in memory.items()}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of laws, where a step goes too far
            parts.append(_solve_batch(problems, old))
    joined = {name: np.moveaxis(np.concatenate([part[name] for part in parts]), 0, -1) for name in parts[0]}
    answers = [joined.pop(name) for name in ("flux", "d_du", "d_dgrad")]
    report = [joined.pop(name) for name in ("newton", "iterations", "residual")]
    S = grid.kinematics.reshape(len(G), -1)
    if c:  # whole gradients, as they were asked for
        answers[0], answers[1] = (np.tensordot(S.T, part, axes=1) for part in answers[:2])
        answers[2] = np.einsum("li,lmk,mj->ijk", S, answers[2], S)
    shapes = (*c, d), (*c, d, *c), (*c, d, *c, d)
    answers = [part.reshape(*shape, -1) for part, shape in zip(answers, shapes, strict=True)]
    return NonlinearMicroSolution(*answers, *report, joined | {"grad": grad, "u": u})


class _Cells(_Problems):
    """Two and three dimensions: unknowns ``load`` (B, L), ``w`` (B, 1, nodes), for a uniform flux also ``outer`` (B, L)."""

    @property
    def forced(self) -> bool:
        """Whether <grad w> = 0 whatever w is, so that the load is G."""
        plain = self.cell.average == "flux" or (self.cell.window == "box" and self.cell.buffer == 0)
        return plain and self.cell.bc != "neumann"

    def _average(self, flux: Array) -> Array:
        """<flux> over the window: (..., G, E) -> (...)."""
        return np.tensordot(flux, self.grid.window(self.cell.size, self.cell.window), axes=2)

    def start(self) -> Batch:
        count, L = self.G.shape
        state = {"load": self.G.copy(), "w": np.zeros((count, 1, *self.grid.shape)), "outer": np.zeros((count, L))}
        state["xi"] = np.zeros((count, L, *self.law.shape)) + self.G[:, :, None, None]
        if self.cell.bc == "neumann":
            state["outer"] = self.law(state["xi"])["j"].mean(axis=(2, 3))
        return self.valued(state)

    def predict(self, memory: Batch) -> Batch:
        """To first order in the change of (G, U), by those derivatives of the last answer that were kept."""
        change = np.concatenate([self.G - memory["grad"], self.law.u - memory["u"]], axis=1)
        state = {
            name: memory[name] + np.einsum("bik,bk->bi", memory[f"d_{name}"], change) for name in ("load", "outer")
        }
        state["w"] = memory["w"].copy()
        if "d_w" in memory:
            state["w"] += np.einsum("bk...,bk->b...", memory["d_w"], change)[:, None]
        state["xi"] = state["load"][:, :, None, None] + self.grid.gradient(state["w"])[:, 0]
        return self.valued(state)

    def residual(self, state: Batch) -> Batch:
        """The functional v -> - int (j - outer) . grad v, and the gap G - <xi>."""
        flux = state["j"] if self.cell.bc != "neumann" else state["j"] - state["outer"][:, :, None, None]
        gap = np.zeros_like(self.G) if self.forced else self.G - mean_gradient(self.cell, self.grid, state["xi"])
        return {"r": -self.grid.divergence(flux[:, None]), "gap": gap}

    def energy(self, r: Array, diagonal: Array) -> Array:
        """r . P^-1 r (B,)."""
        return np.maximum(dot(r, self.grid.preconditioner(diagonal)(r))[:, 0], 0.0)

    def measure(self, state: Batch) -> Batch:
        balance = self.scales(state)
        cell, diagonal = self.cell, balance["diagonal"]
        balance["merit"] = self.merit(state, diagonal)
        balance["symmetric"] = is_symmetric(balance["tangent"])
        quadratic = balance["symmetric"] & is_quadratic(cell, True) & (cell.bc != "neumann")
        scales = [balance[name] for name in ("low", "harmonic", "mean")]
        shares = [
            (allowed_energy(cell, *scales, form, cell.bc != "neumann") / diagonal).min(axis=1)
            for form in (is_quadratic(cell, True), False)
        ]
        # The field has to be good for the tangent too, which follows it to first order whatever the flux does.
        share = np.where(quadratic, shares[0] * min(0.1, 100 * cell.tol), shares[1]) / cell.length**cell.dim
        balance["target"] = balance["equivalence"] * share * balance["energy"]
        return balance

    def direction(self, state: Batch, balance: Batch) -> Batch:
        """Newton's step in all unknowns, and the linear iterations it took."""
        return self._apart(_Cells._direction, state, balance)

    def answer(self, state: Batch, balance: Batch) -> Batch:
        """Flux, consistent tangent, and what a neighbouring problem starts from."""
        return self._apart(_Cells._answer, state, balance)

    def guess(self, memory: Batch) -> Batch:
        """The micro fields of the last tangent as ``_answer`` wants them, before their means were normalised."""
        if "d_w" not in memory:
            return {}
        L, load = self.G.shape[1], memory["d_load"]
        w = np.empty_like(memory["d_w"])
        w[:, :L] = np.einsum("bk...,bkj->bj...", memory["d_w"][:, :L], np.linalg.inv(load[..., :L]))
        w[:, L:] = memory["d_w"][:, L:] - np.einsum("bj...,bjf->bf...", w[:, :L], load[..., L:])
        return {"guess": w}

    def _apart(self, action: Callable, state: Batch, balance: Batch) -> Batch:
        """Symmetric tangents and others take different iterations: a batch that holds both is cut in two."""
        symmetric = balance["symmetric"]
        if symmetric.all() or not symmetric.any():
            return action(self, state, balance)
        parts = [action(self.of(c), _pick(state, c), _pick(balance, c)) for c in (symmetric, ~symmetric)]
        order = np.argsort(np.concatenate([np.flatnonzero(symmetric), np.flatnonzero(~symmetric)]))
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}

    def _direction(self, state: Batch, balance: Batch) -> Batch:
        grid, L, tangent, mean = self.grid, self.G.shape[1], balance["tangent"], balance["mean"]
        r, gap = state["r"], state["gap"]
        relative = np.minimum(0.01, np.maximum(balance["merit"], balance["round_off"]) / balance["energy"])
        b, target = r, np.maximum(relative * balance["merit"], 0.1 * balance["target"])[:, None]
        if not self.forced:
            b = np.concatenate([r, -grid.load(fluctuation(tangent, mean))], axis=1)
            equivalence = balance["equivalence"][:, None]
            needed = relative[:, None] * equivalence * balance["diagonal"] * grid.length**grid.dim
            systems = self._tangent(state, balance)
            loads = 0.1 * np.maximum(needed, equivalence * systems.allowed(systems.prescribed)[:, :L])
            target = np.concatenate([target, loads], axis=1)
        stencil, precondition = grid.stencil(tangent), grid.preconditioner(balance["diagonal"])
        allowed = (
            target / balance["equivalence"][:, None]
        )  # of the energy; a step that is not that good is damped, or another follows
        w, _, _, iterations, *_ = solve_systems(
            grid, stencil, precondition, b, target, allowed, bool(balance["symmetric"][0]), self.cell.tol
        )
        gradient = grid.gradient(w)
        step = {"load": np.zeros_like(gap), "w": w[:, :1], "outer": np.zeros_like(gap), "xi": gradient[:, 0]}
        if not self.forced:
            shape = mean_gradient(self.cell, grid, gradient)  # (B, 1 + L, L)
            response = np.eye(L) + shape[:, 1:].swapaxes(1, 2)
            load = np.linalg.solve(response, (gap - shape[:, 0])[..., None])[..., 0]
            step["load"], step["w"] = load, step["w"] + np.einsum("bj...,bj->b...", w[:, 1:], load)[:, None]
            # the gradient of this very w: parts that are far larger than their sum leave no trace
            step["xi"] = load[:, :, None, None] + grid.gradient(step["w"])[:, 0]
            if self.cell.bc == "neumann":
                step["outer"] = np.einsum("bij,bj->bi", mean, load)
        return step | {"iterations": iterations.max(axis=1)}

    def _tangent(self, state: Batch, balance: Batch) -> Systems:
        """The systems of the tangent; a flux that depends on U drives one more field for each component of U."""
        forcing, L = None, self.G.shape[1]
        if state["dj_du"].any():
            forcing = state["dj_du"].reshape(len(self.G), L, -1, *self.law.shape).swapaxes(1, 2)
        scales, symmetric = (balance["low"], balance["harmonic"]), bool(balance["symmetric"][0])
        return Systems(self.cell, self.grid, balance["tangent"], symmetric, None, forcing, scales, not self.whole)

    def _answer(self, state: Batch, balance: Batch) -> Batch:
        cell, grid, (count, L), F = self.cell, self.grid, self.G.shape, self.law.u.shape[1]
        systems = self._tangent(state, balance)
        sensitive = systems.forcing is not None
        found = solve(systems, balance["guess"][:, : L + F * sensitive].copy() if "guess" in balance else None)
        w, rates, caused = found.w, found.rates, found.caused
        flux = self._average(state["j"])
        if systems.quadratic and cell.bc != "neumann":  # made quadratically accurate too, by the residual
            flux = flux - dot_matrix(w[:, :L], state["r"])[..., 0] / grid.length**grid.dim
        # Per unit of G and of U: the load and the field that go with it.
        d_load, d_w = np.zeros((count, L, L + F)), np.zeros((count, L + F, *w.shape[2:]))
        d_load[..., :L], d_u = np.linalg.inv(caused[..., :L]), np.zeros((count, L, F))
        if sensitive:
            d_load[..., L:] = -d_load[..., :L] @ caused[..., L:]
            d_w[:, L:], d_u = w[:, L:], rates[..., L:]
        d_w += np.einsum("bj...,bjk->bk...", w[:, :L], d_load)
        outer = found.outer @ d_load if cell.bc == "neumann" else np.zeros_like(d_load)
        answer = {"flux": flux, "d_du": d_u, "d_dgrad": rates[..., :L], "iterations": found.iterations}
        kept = {name: state[name] for name in ("load", "w", "outer")}
        return answer | kept | {"d_load": d_load, "d_w": d_w, "d_outer": outer}
