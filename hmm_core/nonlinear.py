r"""Nonlinear cell problems: a flux law j(x, y, u, xi) on a sampling domain, answered with its average and its tangent.

At a macro point x with state (U, G), find the micro field v = l . y + w (w as in ``cell``: periodic, zero on the boundary,
or a uniform flux there) with

    - div_y j(x, y, U, grad v) = 0   in Y,    <grad v> = G,

and answer with sigma = <j>, both averages over the inner cube with the cell's window. The load l (for a uniform flux: the
flux) is an unknown unless <grad w> = 0 by itself. The value U does not vary over the sampling domain.

Newton's method, batched: each step is a linear cell problem with the tensor dj/dxi. The same problem with d right-hand
sides more, at the end, is the *consistent tangent* d sigma / dG, d sigma / dU: the derivative of the answer itself.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hmm_core.cell import CellProblem, as_components, as_matrices
from hmm_core.grid import Array, LineGrid, multiply
from hmm_core.krylov import ConvergenceError, dot, dot_matrix, solve_systems
from hmm_core.laws import Flux
from hmm_core.sampling import is_symmetric, smallest_eigenvalue

State = dict[str, Array]  # of B problems: every array has the problem axis first

STEPS = 40  # Newton steps of one attempt
SHORTEST = 2.0**-10  # damping at which a step is given up
FASTEST, SLOWEST = 0.1, 0.9  # factors by which continuation reduces the linear law that helps it
LIFT = 1e-12  # of the tangent's size, where it degenerates: a large contrast is no degeneracy
LOWEST = 1e-4  # ellipticity relative to the mean: points where a law degenerates do not ask for ever more accuracy
ROUND_OFF = 8 * np.finfo(float).eps  # of the gradient: forces that large can be a sum of larger ones that cancel
HUGE = 1e150  # what is larger has no finite square
REST = 1e-8  # of the largest gradient: how close to rest a law whose tangent is infinite there is evaluated
LAW = ("j", "dj_du", "dj_dxi")
VALUES = (*LAW, "r", "gap")  # of a state; the rest are its unknowns


@dataclass(frozen=True, eq=False)
class NonlinearMicroSolution:
    """What ``solve_nonlinear`` found at K macro points.

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
    memory: State

    def corrector(self, cell: CellProblem) -> Array:
        """v - G . y on the grid points (K, N+1, ...) of the sampling domain; of mean zero unless it vanishes on the boundary."""
        grid, d = cell.grid, cell.dim
        if isinstance(grid, LineGrid):
            xi = np.moveaxis(self.memory["xi"], -1, 0)[:, 0]
            _, weights = np.polynomial.legendre.leggauss(len(grid.reference))
            steps = grid.h / 2 * np.einsum("bge,g->be", xi, weights)
            v, load = np.concatenate([np.zeros((len(xi), 1)), np.cumsum(steps, axis=1)], axis=1), 0.0
        else:
            v, load = grid.extend(np.moveaxis(self.memory["w"], -1, 0))[:, 0], self.memory["load"]
        y = np.array(np.meshgrid(*[grid.edges] * d, indexing="ij"))
        if d == 1:
            y = y - y[:, :1]
        w = v + np.einsum("jk,j...->k...", load - self.memory["grad"], y)
        if cell.bc == "dirichlet":
            return w
        inner = w[(slice(None), *(slice(-1),) * d)] if cell.bc == "periodic" else w
        return w - inner.mean(axis=tuple(range(1, d + 1)), keepdims=True)


def solve_nonlinear(
    cell: CellProblem,
    flux: Flux,
    x: Array,
    u: Array,
    grad: Array,
    eps: float | None = None,
    memory: State | None = None,
    tol: float | None = None,
) -> NonlinearMicroSolution:
    r"""Averaged flux and consistent tangent of a flux law at K macro points.

    Parameters
    ----------
    cell : any boundary condition, size, buffer and window; average "ratio" (<grad v> over the window is G) or "flux" (over
        the whole solved domain). scheme "fourier" for smooth laws, "q1" for all others.
    flux : flux(x, y, u, xi) -> (j, dj_du, dj_dxi) for x (d, K, 1) or (d, K, P), y (d, 1, P) or (d, K, P), u (K, 1) and
        xi (d, K, P): arrays that broadcast to (d, K, P), (d, K, P) and (d, d, K, P); a scalar field (K, P) stands for a
        multiple of the identity.
    x, u, grad : macro points (d, K) with values (K,) and gradients (d, K).
    eps : as in ``CellProblem.effective_tensor``.
    memory : what an earlier call returned for the same points: the iteration starts from there.
    tol : relative accuracy of the flux, and within a factor of ten of its tangent; by default the cell's.

    Where dj/dxi is zero or negative it is lifted, inside the iteration and in the tangent, to 1e-12 of its size elsewhere in
    the cell, which leaves the flux alone. If it is zero in the whole cell (a power law at rest), that at a unit gradient
    stands in; where it is infinite at rest, that very close to rest.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or shape; a law that raises, is not finite at the start (or beyond 1e150) or not elliptic
        at the solution.
    ConvergenceError
        Newton's method failed from the given start, from the affine field, and along a path from a linear law to this one.
    """
    if not callable(flux):
        raise TypeError(f"flux={flux!r} is not a law: a function flux(x, y, u, xi) -> j, dj_du, dj_dxi is needed")
    if cell.average == "energy" or cell.equation != "elliptic":
        given = f"average={cell.average!r}" if cell.average == "energy" else f"equation={cell.equation!r}"
        raise ValueError(f"{given} is defined for linear media only; a nonlinear cell takes average='ratio' or 'flux'")
    x, u, grad = (np.asarray(value, dtype=float) for value in (x, u, grad))
    if x.ndim != 2 or len(x) != cell.dim or grad.shape != x.shape or u.shape != x.shape[1:] or not x.size:
        given = f"x {x.shape}, u {u.shape}, grad {grad.shape}"
        raise ValueError(f"{given} for a {cell.dim}D cell; it needs x ({cell.dim}, K), u (K,), grad ({cell.dim}, K)")
    if not all(np.isfinite(value).all() for value in (x, u, grad)):
        raise ValueError("x, u and grad must be finite")
    if eps is not None and not 0 < eps < math.inf:
        raise ValueError(f"eps={eps!r} must be a positive number, or None to freeze the slow variable")
    cell = cell if tol is None else replace(cell, tol=min(max(tol, 1e-13), 0.1))
    kind, parts = _Line if isinstance(cell.grid, LineGrid) else _Cells, []
    for first in range(0, x.shape[1], cell.chunk):
        cut = slice(first, first + cell.chunk)
        problems = kind(cell, Law.sampled(flux, cell, x[:, cut], u[cut], eps), grad[:, cut].T)
        old = None if memory is None else {name: np.moveaxis(value[..., cut], -1, 0) for name, value in memory.items()}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of laws, where a step goes too far
            parts.append(_solve_batch(problems, old))
    joined = {name: np.moveaxis(np.concatenate([part[name] for part in parts]), 0, -1) for name in parts[0]}
    answers = [joined.pop(name) for name in ("flux", "d_du", "d_dgrad", "newton", "iterations", "residual")]
    return NonlinearMicroSolution(*answers, joined)


# -- Newton's method -------------------------------------------------------------------------------------------------------


def _solve_batch(problems: "_Problems", memory: State | None) -> State:
    """The answers for B problems, and the state to start from next time."""
    begin = problems.start() if memory is None else problems.predict(memory)
    state, balance, steps, work, stuck = _newton(problems, begin)
    if memory is not None and stuck.any():  # another attempt, from the affine field
        some, which = problems.of(stuck), np.flatnonzero(stuck)
        found, _, more, done, stuck[which] = _newton(some, some.start())
        _place(state, len(stuck), which, found)
        steps[which] += more
        work[which] += done
    for k in np.flatnonzero(stuck):
        _continue(problems, k, state, steps, work)
    balance = problems.measure(state) if balance is None else balance
    problems.refuse_non_elliptic(balance)
    answer = problems.answer(state, balance if memory is None else balance | problems.guess(memory))
    residual = np.sqrt(balance["merit"] / np.maximum(balance["energy"], np.finfo(float).tiny))
    report = {"newton": steps, "iterations": work + answer["iterations"], "residual": residual}
    return answer | report | {"grad": problems.G, "u": problems.law.u}


def _continue(problems: "_Problems", k: int, state: State, steps: Array, work: Array) -> None:
    """Rare: one problem, by way of the laws (1 - m) j + m D xi, from the linear one (m = 1) to its own (m = 0)."""
    one, law = problems.of(np.array([k])), problems.law
    now = one.start()
    stiffness = one.scales(now)["diagonal"].mean(axis=1)
    mixture, ratio = 1.0, FASTEST
    while ratio <= SLOWEST:
        for target in (0.0, mixture * ratio):
            some = replace(one, law=replace(one.law, mixture=target, stiffness=stiffness))
            begin = some.valued({name: value.copy() for name, value in now.items() if name not in VALUES})
            found, _, more, done, stuck = _newton(some, begin)
            steps[k] += more[0]
            work[k] += done[0]
            if not stuck.any():
                now, mixture = found, target
                break
        else:
            ratio **= 0.5
        if mixture == 0.0:
            for name, value in now.items():
                state[name][k] = value[0]
            return
        if mixture < np.finfo(float).eps:
            break
    one.refuse_non_elliptic(one.scales(_pick(state, np.array([k]))))
    raise ConvergenceError(
        f"the nonlinear cell problem at x={law.place(k)}, u={law.u[k]:.6g}, grad={one.G[0].tolist()} did not converge: Newton's "
        f"method stalls with {mixture:.1e} of a linear law mixed in. Is the flux law monotone in xi?"
    )


def _newton(problems: "_Problems", state: State) -> tuple[State, State | None, Array, Array, Array]:
    """Damped Newton from a state: the state reached, its balance (None if some are stuck), steps, linear iterations, and
    which problems are stuck, all (B,).

    The linear problems are solved as well as the step deserves (relative residual ~ that of the nonlinear problem), and a
    step is halved until it reduces the residual, each problem for itself.
    """
    count = len(problems.G)
    steps, work = np.zeros((2, count), dtype=int)
    stuck, live, settled = np.zeros(count, dtype=bool), np.arange(count), {}
    for turn in range(STEPS + 1):
        now, some = _pick(state, live), problems.of(live)
        balance = some.measure(now)
        going = balance["merit"] > balance["target"]
        settled = _place(settled, count, live[~going], _pick(balance, ~going))
        if not going.any() or turn == STEPS:
            break
        live, now, some, balance = live[going], _pick(now, going), some.of(going), _pick(balance, going)
        step = some.direction(now, balance)
        work[live] += step.pop("iterations")
        steps[live] += 1
        damping, left = 1.0, np.arange(len(live))
        while left.size and damping >= SHORTEST:
            trying, begin, onward = some.of(left), _pick(now, left), _pick(step, left)
            trial = trying.values({name: begin[name] + damping * onward[name] for name in onward})
            merit = np.where(trying.finite(trial), trying.merit(trial, balance["diagonal"][left]), np.inf)
            good = merit <= np.maximum((1 - damping / 2) * balance["merit"][left], balance["target"][left])
            _place(state, count, live[left[good]], _pick(trial, good))
            left, damping = left[~good], damping / 2
        stuck[live[left]] = True
        live = np.delete(live, left)
        going = np.ones(len(live), dtype=bool)
        if not live.size:
            break
    stuck[live[going]] = True
    return state, None if stuck.any() else settled, steps, work, stuck


def _pick(state: State, chosen: Array) -> State:
    """Some of the problems, by mask or by increasing numbers; all of them are not copied."""
    count = chosen.sum() if chosen.dtype == bool else len(chosen)
    return state if all(len(value) == count for value in state.values()) else {n: v[chosen] for n, v in state.items()}


def _place(state: State, count: int, where: Array, part: State) -> State:
    """The inverse of ``_pick``: a part written into the state of ``count`` problems."""
    for name, value in part.items():
        if len(where) == count:
            state[name] = value
        elif len(where):
            state.setdefault(name, np.empty((count, *value.shape[1:]), value.dtype))[where] = value
    return state


@dataclass(frozen=True, eq=False)
class _Problems:
    """B cell problems for mean gradients G (B, d). A state holds the unknowns, and the values of the law there."""

    cell: CellProblem
    law: "Law"
    G: Array

    def of(self, chosen: Array) -> "_Problems":
        """Some of the problems, by mask or by increasing numbers."""
        count = chosen.sum() if chosen.dtype == bool else len(chosen)
        return self if count == len(self.G) else replace(self, law=self.law.of(chosen), G=self.G[chosen])

    def values(self, state: State) -> State:
        """With the values of the law, and the residual they leave."""
        state = state | self.law(state["xi"])
        return state | self.residual(state)

    def valued(self, state: State) -> State:
        """The same for a state to start from: where the law is not finite, an error, or the affine field instead."""
        state = self.values(state)
        bad = ~self.finite(state)
        if bad.any():
            if (state["xi"][bad] == self.G[bad][:, :, None, None]).all():
                self.law.refuse(state)
            _place(state, len(bad), np.flatnonzero(bad), self.of(bad).start())
        return state

    def finite(self, state: State) -> Array:
        """Whether the law is finite, and not so large that its square is not, everywhere in the cell (B,)."""
        values = [state[name].reshape(len(self.G), -1) for name in LAW]
        return np.logical_and.reduce([(v.max(axis=1) < HUGE) & (v.min(axis=1) > -HUGE) for v in values])

    def merit(self, state: State, diagonal: Array) -> Array:
        """Energy of the residual plus the energy that closes the gap."""
        closing = (diagonal * state["gap"] ** 2).sum(axis=1) * self.cell.grid.length**self.cell.dim
        return self.energy(state["r"], diagonal) + closing

    def scales(self, state: State) -> State:
        """The tangent lifted to be elliptic, how elliptic it is, and the energy of the state."""
        d, tangent, count = self.cell.dim, state["dj_dxi"], len(self.G)
        trace = d * tangent[:, 0] if tangent.shape[1] == 1 else tangent[:, :: d + 1].sum(axis=1)
        size = np.abs(trace).reshape(count, -1).max(axis=1) / d
        at_rest = size == 0
        if at_rest.any():
            tangent = tangent.copy()
            tangent[at_rest] = self.of(at_rest).law.at_unit_gradient()[:, : tangent.shape[1]]
            size = np.where(at_rest, np.abs(tangent).reshape(count, -1).max(axis=1), size)
        least = tangent[:, 0] if tangent.shape[1] == 1 else _least(tangent, d)
        low, floor = least.reshape(count, -1).min(axis=1), LIFT * size
        worst = low / size
        if (low < floor).any():
            lift = np.maximum(floor[:, None, None] - least, 0.0)
            tangent, least, low = tangent.copy(), least + lift, np.maximum(low, floor)
            tangent[:, :: d + 1] += lift[:, None]
        mean = as_matrices(tangent.mean(axis=(2, 3)), d)
        diagonal = np.einsum("bii->bi", mean)
        strongest = diagonal.max(axis=1)
        harmonic = 1 / ((1 / least).mean(axis=(1, 2)) * strongest)
        j, xi = (np.einsum("bige,bige->bi", state[n], state[n]) / least[0].size for n in ("j", "xi"))
        # What the residual is relative to: the flux itself, for a law near rest may be far stiffer than where it matters.
        energy = np.maximum((j / diagonal).sum(axis=1), 1e-12 * (diagonal * xi).sum(axis=1)) * self.cell.grid.length**d
        return {
            "tangent": tangent,
            "mean": mean,
            "diagonal": diagonal,
            "low": np.maximum(low / strongest, LOWEST),
            "harmonic": np.maximum(harmonic, LOWEST),
            "energy": energy,
            "round_off": ROUND_OFF**2 * (diagonal * xi).sum(axis=1) * self.cell.grid.length**d,
            "worst": worst,
        }

    def refuse_non_elliptic(self, balance: State) -> None:
        if (balance["worst"] < -1e-6).any():
            k = int(balance["worst"].argmin())
            raise ValueError(
                f"dj_dxi is not positive (semi)definite everywhere in the cell at x={self.law.place(k)}, u={self.law.u[k]:.6g}, "
                f"grad={self.G[k].tolist()}: its smallest eigenvalue is {balance['worst'][k]:.2g} times its size, so the cell "
                "problem is not elliptic there"
            )


class _Cells(_Problems):
    """Two and three dimensions: unknowns ``load`` (B, d), ``w`` (B, 1, nodes), for a uniform flux also ``outer`` (B, d)."""

    @property
    def forced(self) -> bool:
        """Whether <grad w> = 0 whatever w is, so that the load is G."""
        plain = self.cell.average == "flux" or (self.cell.window == "box" and self.cell.buffer == 0)
        return plain and self.cell.bc != "neumann"

    def _average(self, field: Array, of: str) -> Array:
        """<field> over the window ("flux"), or as the constraint on the gradient has it: (..., G, E) -> (...)."""
        if of == "gradient" and self.cell.average == "flux":
            return field.mean(axis=(-2, -1))
        return np.tensordot(field, self.cell.grid.window(self.cell.size, self.cell.window), axes=2)

    def start(self) -> State:
        count, d, grid = len(self.G), self.cell.dim, self.cell.grid
        state = {"load": self.G.copy(), "w": np.zeros((count, 1, *(grid.nodes,) * d)), "outer": np.zeros((count, d))}
        state["xi"] = np.zeros((count, d, *self.law.shape)) + self.G[:, :, None, None]
        if self.cell.bc == "neumann":
            state["outer"] = self.law(state["xi"])["j"].mean(axis=(2, 3))
        return self.valued(state)

    def predict(self, memory: State) -> State:
        """To first order in the change of (G, U), by the derivatives that belong to the last answer."""
        change = np.concatenate([self.G - memory["grad"], (self.law.u - memory["u"])[:, None]], axis=1)
        state = {
            name: memory[name] + np.einsum("bik,bk->bi", memory[f"d_{name}"], change) for name in ("load", "outer")
        }
        state["w"] = memory["w"] + np.einsum("bk...,bk->b...", memory["d_w"], change)[:, None]
        state["xi"] = state["load"][:, :, None, None] + self.cell.grid.gradient(state["w"])[:, 0]
        return self.valued(state)

    def residual(self, state: State) -> State:
        """The functional v -> - int (j - outer) . grad v, and the gap G - <xi>."""
        flux = state["j"] if self.cell.bc != "neumann" else state["j"] - state["outer"][:, :, None, None]
        gap = np.zeros_like(self.G) if self.forced else self.G - self._average(state["xi"], "gradient")
        return {"r": -self.cell.grid.divergence(flux[:, None]), "gap": gap}

    def energy(self, r: Array, diagonal: Array) -> Array:
        """r . P^-1 r (B,)."""
        return np.maximum(dot(r, self.cell.grid.preconditioner(diagonal)(r))[:, 0], 0.0)

    def measure(self, state: State) -> State:
        balance = self.scales(state)
        cell, diagonal = self.cell, balance["diagonal"]
        balance["merit"] = self.merit(state, diagonal)
        balance["symmetric"] = is_symmetric(balance["tangent"])
        quadratic = balance["symmetric"] & cell.energy_form(True) & (cell.bc != "neumann")
        shares = [
            (cell.allowed_energy(balance["low"], balance["harmonic"], diagonal, form) / diagonal).min(axis=1)
            for form in (True, False)
        ]
        # The field has to be good for the tangent too, which follows it to first order whatever the flux does.
        share = np.where(quadratic, shares[0] * min(0.1, 100 * cell.tol), shares[1]) / cell.grid.length**cell.dim
        balance["target"] = np.maximum(balance["low"] * share * balance["energy"], balance["round_off"])
        return balance

    def direction(self, state: State, balance: State) -> State:
        """Newton's step in all unknowns, and the linear iterations it took."""
        return self._apart(_Cells._direction, state, balance)

    def answer(self, state: State, balance: State) -> State:
        """Flux, consistent tangent, and what a neighbouring problem starts from."""
        return self._apart(_Cells._answer, state, balance)

    def guess(self, memory: State) -> State:
        """The micro fields of the last tangent as ``_answer`` wants them, before their means were normalised."""
        d, load = self.cell.dim, memory["d_load"]
        w = np.empty_like(memory["d_w"])
        w[:, :d] = np.einsum("bk...,bkj->bj...", memory["d_w"][:, :d], np.linalg.inv(load[..., :d]))
        w[:, d] = memory["d_w"][:, d] - np.einsum("bj...,bj->b...", w[:, :d], load[..., d])
        return {"guess": w}

    def _apart(self, action: Callable, state: State, balance: State) -> State:
        """Symmetric tangents and others take different iterations: a batch that holds both is cut in two."""
        symmetric = balance["symmetric"]
        if symmetric.all() or not symmetric.any():
            return action(self, state, balance, bool(symmetric[0]))
        parts = [
            action(self.of(c), _pick(state, c), _pick(balance, c), c is symmetric) for c in (symmetric, ~symmetric)
        ]
        order = np.argsort(np.concatenate([np.flatnonzero(symmetric), np.flatnonzero(~symmetric)]))
        return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}

    def _direction(self, state: State, balance: State, symmetric: bool) -> State:
        grid, d, tangent, mean = self.cell.grid, self.cell.dim, balance["tangent"], balance["mean"]
        r, gap = state["r"], state["gap"]
        relative = np.minimum(0.01, balance["merit"] / balance["energy"])
        b, target = r, np.maximum(relative * balance["merit"], 0.1 * balance["target"])[:, None]
        if not self.forced:
            b = np.concatenate([r, -grid.load(tangent - as_components(mean, tangent.shape[1]))], axis=1)
            needed = (relative * balance["low"])[:, None] * balance["diagonal"] * grid.length**d
            loads = 0.1 * np.maximum(needed, self._tangent_target(balance, symmetric))
            target = np.concatenate([target, loads], axis=1)
        w, _, iterations = self._solve(tangent, balance, b, target, symmetric)
        gradient = grid.gradient(w)
        step = {"load": np.zeros_like(gap), "w": w[:, :1], "outer": np.zeros_like(gap), "xi": gradient[:, 0]}
        if not self.forced:
            shape = self._average(gradient, "gradient")  # (B, 1 + d, d)
            response = np.eye(d) + shape[:, 1:].swapaxes(1, 2)
            load = np.linalg.solve(response, (gap - shape[:, 0])[..., None])[..., 0]
            step["load"], step["w"] = load, step["w"] + np.einsum("bj...,bj->b...", w[:, 1:], load)[:, None]
            step["xi"] = step["xi"] + load[:, :, None, None] + np.einsum("bj...,bj->b...", gradient[:, 1:], load)
            if self.cell.bc == "neumann":
                step["outer"] = np.einsum("bij,bj->bi", mean, load)
        return step | {"iterations": iterations.max(axis=1)}

    def _tangent_target(self, balance: State, symmetric: bool) -> Array:
        """r . P^-1 r (B, d) that the d directions of the tangent may leave."""
        allowed = self.cell.allowed_energy(balance["low"], balance["harmonic"], balance["diagonal"], symmetric)
        return balance["low"][:, None] * allowed

    def _solve(
        self, tangent: Array, balance: State, b: Array, target: Array, symmetric: bool, start: Array | None = None
    ) -> tuple[Array, Array, Array]:
        grid = self.cell.grid
        precondition = grid.preconditioner(balance["diagonal"])
        allowed = target / balance["low"][:, None]
        w, r, _, iterations, _ = solve_systems(
            grid, grid.stencil(tangent), precondition, b, target, allowed, symmetric, self.cell.tol, start
        )
        return w, r, iterations

    def _answer(self, state: State, balance: State, symmetric: bool) -> State:
        cell, grid, d, count = self.cell, self.cell.grid, self.cell.dim, len(self.G)
        tangent, mean, volume = balance["tangent"], balance["mean"], grid.length**d
        b = -grid.load(tangent - as_components(mean, tangent.shape[1]))
        target = self._tangent_target(balance, symmetric)
        sensitive = bool(state["dj_du"].any())
        if sensitive:  # one more direction: how the micro field follows U
            b = np.concatenate([b, -grid.divergence(state["dj_du"][:, None])], axis=1)
            strength = (np.square(state["dj_du"]).mean(axis=(2, 3)) / balance["diagonal"]).sum(axis=1, keepdims=True)
            last = (target / balance["diagonal"]).min(axis=1, keepdims=True) * strength
            target = np.concatenate([target, last], axis=1)
        start = balance["guess"][:, : b.shape[1]].copy() if "guess" in balance else None
        if start is not None:
            start[target == 0] = 0.0  # a law that does not depend on U here any more
        w, r, iterations = self._solve(tangent, balance, b, target, symmetric, start)
        energy_form = cell.energy_form(symmetric)
        caused = np.zeros((count, d, b.shape[1]))  # mean gradients of the responses
        caused[..., :d] = np.eye(d)
        if not self.forced:
            gradient = grid.gradient(w)
            caused += self._average(gradient, "gradient").swapaxes(1, 2)
        flux = self._average(state["j"], "flux")
        if energy_form:  # as in ``cell``: made quadratically accurate by the residuals
            correction = dot_matrix(b, w) + dot_matrix(w, r)
            correction = (correction + correction.swapaxes(1, 2)) / (2 * volume)
            whole = np.concatenate([mean, state["dj_du"].mean(axis=(2, 3))[:, :, None]], axis=2)[..., : b.shape[1]]
            if cell.bc == "neumann":
                compliance = mean + correction[:, :d, :d]
                scale = mean @ np.linalg.inv(compliance)
                rates = np.concatenate([scale @ mean, scale @ (whole - correction[:, :d])[..., d:]], axis=2)
                caused[..., :d] = np.linalg.solve(mean, compliance)
            else:
                rates = whole - correction[:, :d]
                flux = flux - dot_matrix(w[:, :d], state["r"])[..., 0] / volume
        else:
            moving = multiply(tangent, grid.gradient(w) if self.forced else gradient)
            moving[:, :d] += columns(tangent, d)
            if sensitive:
                moving[:, d] += state["dj_du"]
            felt = self._average(moving, "flux").swapaxes(1, 2)
            rates = np.linalg.solve(caused[..., :d].swapaxes(1, 2), felt[..., :d].swapaxes(1, 2)).swapaxes(1, 2)
            rates = np.concatenate([rates, felt[..., d:] - rates @ caused[..., d:]], axis=2)
        # Per unit of G and of U: the load and the field that go with it.
        d_load, d_w, d_u = np.zeros((count, d, d + 1)), np.zeros((count, d + 1, *w.shape[2:])), np.zeros((count, d))
        d_load[..., :d] = np.linalg.inv(caused[..., :d])
        if sensitive:
            d_load[..., d:] = -d_load[..., :d] @ caused[..., d:]
            d_w[:, d], d_u = w[:, d], rates[..., d]
        d_w += np.einsum("bj...,bjk->bk...", w[:, :d], d_load)
        outer = mean @ d_load if cell.bc == "neumann" else np.zeros_like(d_load)
        answer = {"flux": flux, "d_du": d_u, "d_dgrad": rates[..., :d], "iterations": iterations.max(axis=1)}
        kept = {name: state[name] for name in ("load", "w", "outer")}
        return answer | kept | {"d_load": d_load, "d_w": d_w, "d_outer": outer}


class _Line(_Problems):
    """One dimension: the flux is one number c, so the unknowns are c (B, 1) and the gradient xi at every point."""

    def _average(self, field: Array) -> Array:
        grid, cell = self.cell.grid, self.cell
        weights = grid.window(cell.size, cell.window) if cell.average == "ratio" else grid.window(grid.length)
        return np.tensordot(field, weights, axes=2)

    def start(self) -> State:
        xi = np.zeros((len(self.G), 1, *self.law.shape)) + self.G[:, :, None, None]
        return self.valued({"xi": xi, "c": self._average(self.law(xi)["j"])})

    def predict(self, memory: State) -> State:
        change = np.concatenate([self.G - memory["grad"], (self.law.u - memory["u"])[:, None]], axis=1)
        state = {"c": memory["c"] + np.einsum("bik,bk->bi", memory["d_c"], change)}
        state["xi"] = memory["xi"] + np.einsum("bk...,bk->b...", memory["d_xi"], change)[:, None]
        return self.valued(state)

    def residual(self, state: State) -> State:
        return {"r": state["c"][:, :, None, None] - state["j"], "gap": self.G - self._average(state["xi"])}

    def energy(self, r: Array, diagonal: Array) -> Array:
        return np.square(r).mean(axis=(1, 2, 3)) / diagonal[:, 0] * self.cell.grid.length

    def measure(self, state: State) -> State:
        balance = self.scales(state)
        target = np.maximum(max(1e-3 * self.cell.tol, 1e-13) ** 2 * balance["energy"], balance["round_off"])
        return balance | {"merit": self.merit(state, balance["diagonal"]), "target": target}

    def direction(self, state: State, balance: State) -> State:
        inverse, r, gap = 1 / balance["tangent"], state["r"], state["gap"]
        c = (gap - self._average(r * inverse)) / self._average(inverse)
        xi = (r + c[:, :, None, None]) * inverse
        return {"c": c, "xi": xi, "iterations": np.zeros(len(self.G), dtype=int)}

    def guess(self, memory: State) -> State:
        return {}

    def answer(self, state: State, balance: State) -> State:
        inverse = 1 / balance["tangent"]
        d_dgrad = 1 / self._average(inverse)
        d_du = self._average(state["dj_du"] * inverse) * d_dgrad
        rates = np.stack([d_dgrad, d_du], axis=2)  # (B, 1, 2)
        own = np.concatenate([np.zeros_like(state["dj_du"]), state["dj_du"]], axis=1)
        d_xi = (rates[:, 0, :, None, None] - own) * inverse
        flux = state["c"] + self.direction(state, balance)["c"]
        answer = {"flux": flux, "d_du": d_du, "d_dgrad": d_dgrad[:, :, None], "iterations": 0}
        return answer | {"c": state["c"], "xi": state["xi"], "d_c": rates, "d_xi": d_xi}


# -- the law on the sampling domains ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Law:
    """The flux law of B problems in the layout of the grids: xi (B, d, G, E) -> j, dj_du (B, d, G, E), dj_dxi (B, c, G, E)."""

    flux: Flux
    x: Array
    y: Array
    u: Array
    shape: tuple[int, int]  # (G, E)
    mixture: float = 0.0  # of the linear law ``stiffness`` (B,) times xi
    stiffness: Array | None = None

    @staticmethod
    def sampled(flux: Flux, cell: CellProblem, x: Array, u: Array, eps: float | None) -> "Law":
        eta = (cell.grid.points + cell.offset * cell.size)[:, None, :]
        x = x[:, :, None]
        places = (x, eta) if eps is None else (x + eps * eta, x / eps + eta)
        elements = cell.cells**cell.dim
        return Law(flux, *places, u, (eta.shape[2] // elements, elements))

    def of(self, chosen: Array) -> "Law":
        y = self.y if self.y.shape[1] == 1 else self.y[:, chosen]
        stiffness = None if self.stiffness is None else self.stiffness[chosen]
        return replace(self, x=self.x[:, chosen], y=y, u=self.u[chosen], stiffness=stiffness)

    def place(self, k: int) -> list[float]:
        """The macro point of a problem (frozen), or the centre of its sample."""
        return self.x[:, k].mean(axis=-1).tolist()

    def at_unit_gradient(self) -> Array:
        d, count = len(self.x), len(self.u)
        tangent = self(np.full((count, d, *self.shape), 1 / math.sqrt(d)))["dj_dxi"]
        if not np.isfinite(tangent).all() or not (np.abs(tangent).reshape(count, -1).max(axis=1) > 0).all():
            raise ValueError("dj_dxi vanishes (or is not finite) in a whole cell, at rest and at a unit gradient alike")
        return tangent

    def refuse(self, values: State) -> None:
        """Name the first place where the law is not finite, or too large."""
        for name in LAW:
            bad = ~(np.abs(values[name]) < HUGE)
            if bad.any():
                k, _, g, e = where = tuple(np.argwhere(bad)[0])
                point, xi = g * self.shape[1] + e, values["xi"][k, :, g, e].tolist()
                x, y = (v[:, k % v.shape[1], point % v.shape[2]].tolist() for v in (self.x, self.y))
                raise ValueError(
                    f"flux(x, y, u, xi): {name} is not finite ({values[name][where]:.3g}) at x={x}, y={y}, u={self.u[k]:.6g}, "
                    f"xi={xi}. Start elsewhere (initial=), or regularise the law there"
                )

    def __call__(self, xi: Array) -> State:
        values = self._values(xi)
        at_rest = ~xi.any(axis=1, keepdims=True)
        if at_rest.any():
            singular = at_rest & ~np.logical_and.reduce(
                [np.isfinite(v).all(axis=1, keepdims=True) for v in values.values()]
            )
            if singular.any():
                self._soften(values, xi, singular)
        return values

    def _soften(self, values: State, xi: Array, singular: Array) -> None:
        """Laws with an infinite tangent at rest (a power below 2): there, the mean over small gradients in all directions."""
        d, size = xi.shape[1], np.abs(xi).reshape(len(xi), -1).max(axis=1)
        small = REST * np.where(size > 0, size, 1.0)[:, None, None, None]
        around = [
            self._values(np.where(singular, sign * small * direction, xi))
            for sign in (1, -1)
            for direction in np.eye(d)[:, None, :, None, None]
        ]
        for name, value in values.items():
            np.copyto(value, sum(near[name] for near in around) / len(around), where=singular)

    def _values(self, xi: Array) -> State:
        count, d = xi.shape[:2]
        gradient = np.ascontiguousarray(xi.swapaxes(0, 1)).reshape(d, count, -1)
        try:
            j, dj_du, dj_dxi = self.flux(self.x, self.y, self.u[:, None], gradient)
        except Exception as error:
            raise ValueError(
                f"flux(x, y, u, xi) has to return j, dj_du, dj_dxi; for x {self.x.shape}, y {self.y.shape}, u {(count, 1)}, "
                f"xi {gradient.shape} it raised {type(error).__name__}: {error}"
            ) from error
        dj_dxi = np.asarray(dj_dxi)
        lead = (d, d) if dj_dxi.ndim >= 4 or dj_dxi.shape == (d, d) else ()
        parts = (("j", j, (d,)), ("dj_du", dj_du, (d,)), ("dj_dxi", dj_dxi, lead))
        values = {name: self._laid_out(name, np.asarray(value), axes, count) for name, value, axes in parts}
        if self.mixture:
            linear = self.mixture * self.stiffness[:, None, None, None]
            for value in values.values():
                value *= 1 - self.mixture
            values["j"] += linear * xi
            values["dj_dxi"][:, :: d + 1] += linear
        return values

    def _laid_out(self, name: str, value: Array, axes: tuple[int, ...], count: int) -> Array:
        points = (count, math.prod(self.shape))
        if axes and value.shape == axes:
            value = value[..., None, None]
        try:
            if value.dtype.kind not in "fiu":
                raise ValueError
            value = np.broadcast_to(value, (*axes, *points))
        except ValueError:
            raise ValueError(
                f"flux returned {name} of shape {value.shape}, type {value.dtype}; real numbers {(*axes, *points)} are needed"
            ) from None
        out = np.empty((count, math.prod(axes), points[1]))
        out[:] = np.moveaxis(value.reshape(-1, *points), 0, 1)
        return out.reshape(count, -1, *self.shape)


def as_tensors(components: Array, d: int) -> Array:
    """(B, d*d, G, E) as (B, d, d, G, E)."""
    return components.reshape(len(components), d, d, *components.shape[2:])


def columns(tangent: Array, d: int) -> Array:
    """a e_j for all j: (B, c, G, E) -> (B, j, d, G, E)."""
    if tangent.shape[1] == 1:
        return tangent[:, None] * np.eye(d)[:, :, None, None]
    return as_tensors(tangent, d).swapaxes(1, 2)


def _least(tangent: Array, d: int) -> Array:
    """Smallest eigenvalue (B, G, E) of the symmetric part."""
    flat = as_tensors(tangent, d).reshape(len(tangent), d, d, -1)
    return smallest_eigenvalue(flat).reshape(len(tangent), *tangent.shape[2:])
