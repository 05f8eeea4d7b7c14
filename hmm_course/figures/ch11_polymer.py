"""Figures of chapter 11, complex fluids: dumbbells in a steady shear flow, and between plates of which one begins to move.

Here the micro model needs as long to relax as the flow to develop. So each macro cell keeps its dumbbells, and one step of the
macro solver is one step of theirs (Laso and Ottinger's CONNFFESSIT); with the same random numbers in every cell they are the
Brownian configuration fields of Hulsen, van Heel and van den Brule.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from hmm_core.micro.particles import Chance, Dumbbells
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Data, canvas, plain, rate_plot

Array = np.ndarray
SOLVENT, POLYMER = 0.1, 0.9  # viscosities eta_s and eta_p = n k T lambda; density, gap, lambda and final speed are 1
B = 20.0  # square of the largest extension of a FENE spring


def hooke(dt: float = 0.02) -> Dumbbells:
    """Hooke's springs: the stress is that of an Oldroyd-B fluid."""
    return Dumbbells(modulus=POLYMER, dt=dt, block=dt)


def fene(dt: float = 0.01, modulus: float = 1.0) -> Dumbbells:
    """Springs that cannot be extended without limit."""
    return Dumbbells(b=B, modulus=modulus, dt=dt, block=dt)


def at_rest(model: Dumbbells, count: int, seed: int) -> Array:
    """Q (count, 3) in equilibrium."""
    one, zero = np.zeros(1, np.uint64), np.zeros((1, count))
    return model.start(zero, zero[0], zero, Chance(seed, one, one, 0, 1, count))["Q"]


# -- the micro state as a part of the macro state ----------------------------------------------------------------------------


class Polymer(Protocol):
    """What stands in the cells: it is told the rates of shear (N,), goes on by one step, and answers with the stress (N,)."""

    dt: float

    def advance(self, rate: Array) -> Array: ...


@dataclass(eq=False)
class Fields:
    """``count`` dumbbells in each of N cells. shared: dumbbell k has the same start and the same kicks in all cells."""

    model: Dumbbells
    cells: int
    count: int
    seed: int = 0
    shared: bool = True
    Q: Array = field(init=False, repr=False)  # (N count, 3)

    def __post_init__(self) -> None:
        self.rng, different = np.random.default_rng(self.seed), 1 if self.shared else self.cells
        self.copies, self.numbers = self.cells // different, different * self.count
        self.Q = np.tile(at_rest(self.model, self.numbers, self.seed), (self.copies, 1))

    @property
    def dt(self) -> float:
        return self.model.dt

    def advance(self, rate: Array) -> Array:
        kicks = np.tile(self.rng.standard_normal((3, self.numbers)), (1, self.copies))
        state = self.model.step({"rate": np.repeat(rate, self.count), "Q": self.Q}, kicks)
        self.Q = state["Q"]
        return -self.model.current(state)[0].reshape(self.cells, self.count).mean(axis=1)


@dataclass(eq=False)
class Moments:
    """Infinitely many of Hooke's dumbbells: their step is linear in Q and the kicks, so <QQ> (N, 3, 3) follows exactly."""

    model: Dumbbells
    cells: int
    C: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.C = np.tile(np.eye(3), (self.cells, 1, 1))

    @property
    def dt(self) -> float:
        return self.model.dt

    def advance(self, rate: Array) -> Array:
        state, one = {"rate": np.repeat(rate, 3)}, np.tile(np.eye(3), (self.cells, 1))
        A = self.model.step(state | {"Q": one}, 0 * one.T)["Q"].reshape(-1, 3, 3)
        K = self.model.step(state | {"Q": 0 * one}, one.T)["Q"].reshape(-1, 3, 3)
        self.C = np.einsum("nki,nkl,nlj->nij", A, self.C, A) + np.einsum("nki,nkj->nij", K, K)
        return self.model.modulus * self.C[:, 0, 1]


def couette(polymer: Polymer, cells: int, end: float, speed: float = 1.0) -> tuple[Array, Array]:
    """Times (T,) and velocities (T, cells + 1) between a plate at rest and one that moves from t = 0 on.

    v_t = (eta_s v_y + tau)_y; in each step the stress is asked for at the rates of shear, and the solvent taken implicitly.
    """
    h, dt = 1 / cells, polymer.dt
    spread = (np.eye(cells + 1, k=1) - 2 * np.eye(cells + 1) + np.eye(cells + 1, k=-1)) * SOLVENT * dt / h**2
    spread[[0, -1]] = 0.0  # the plates do as they please
    implicit, v = np.linalg.inv(np.eye(cells + 1) - spread), np.zeros(cells + 1)
    v[-1] = speed
    path = [v]
    for _ in range(round(end / dt)):
        tau = polymer.advance(np.diff(v) / h)  # down: rates of shear; up: stresses, one step later
        v = implicit @ (v + dt / h * np.pad(np.diff(tau), 1))
        path.append(v)
    return dt * np.arange(len(path)), np.array(path)


def oldroyd(y: Array, t: Array, modes: int = 400, relaxation: float = 1.0) -> Array:
    """v (T, Y) of the Oldroyd-B fluid, exactly: y plus sines, each of which obeys two linear equations with its stress.

    v = y + sum a_n sin n pi y, tau = eta_p (1 - e^(-t/lambda)) + sum b_n cos n pi y;
    a' = -eta_s k^2 a - k b, lambda b' = eta_p k a - b, k = n pi, a_n(0) = 2 (-1)^n/k, b_n(0) = 0.
    """
    v = np.broadcast_to(y, (len(t), len(y))).copy()
    for n in range(1, modes + 1):
        k = n * np.pi
        rates, vectors = np.linalg.eig(
            np.array([[-SOLVENT * k * k, -k], [POLYMER * k / relaxation, -1 / relaxation]], dtype=complex)
        )
        start = np.linalg.solve(vectors, np.array([2 * (-1) ** n / k, 0]))
        a = (vectors[0] * start * np.exp(rates * t[:, None])).sum(axis=1).real
        v += a[:, None] * np.sin(k * y)
    return v


def newton(y: Array, t: Array, modes: int = 200) -> Array:
    """v (T, Y) if the stress were always that of a steady flow: a viscous fluid of viscosity eta_s + eta_p = 1."""
    k = np.pi * np.arange(1, modes + 1)
    a = 2 * np.cos(k) / k * np.exp(-(SOLVENT + POLYMER) * k**2 * t[:, None])
    return y + a @ np.sin(k[:, None] * y)


# -- a flow of constant rate -----------------------------------------------------------------------------------------------


def started(model: Dumbbells, rate: float, end: float, count: int, seed: int = 11) -> tuple[Array, Array, Array]:
    """Times, mean shear stress and its standard error after each step of a flow that starts at t = 0: independent dumbbells."""
    rng, state = np.random.default_rng(seed), {"rate": np.full(count, rate), "Q": at_rest(model, count, seed)}
    t, means, errors = [0.0], [], []
    for n in range(round(end / model.dt) + 1):
        stress = -model.current(state)[0]
        means.append(stress.mean())
        errors.append(stress.std(ddof=1) / np.sqrt(count))
        state = model.step(state, rng.standard_normal((3, count)))
        t.append((n + 1) * model.dt)
    return np.array(t[:-1]), np.array(means), np.array(errors)


def viscosity(rate: float, count: int = 1000, seed: int = 11) -> tuple[float, float]:
    """Steady shear viscosity of FENE dumbbells over n k T lambda, and its standard error: from means in time, one for each."""
    model, rng = fene(min(0.02, 0.1 / rate)), np.random.default_rng(seed)
    end = min(6.0, 2.0 + 20 / rate)
    state = {"rate": np.full(count, rate), "Q": at_rest(model, count, seed)}
    total, steps = 0.0, round(end / model.dt)
    for n in range(steps):
        state = model.step(state, rng.standard_normal((3, count)))
        if n >= steps // 2:
            total = total + state["Q"][:, 1] ** 2 / (steps - steps // 2)  # Giesekus: eta = n k T lambda <Q_y^2>
    return float(np.mean(total)), float(np.std(total, ddof=1) / np.sqrt(count))


RATES = (1.0, 5.0, 20.0)


def shear_data() -> Data:
    """Start-up of Hooke's and of FENE springs; the steady viscosity of the latter over the rate."""
    t, stress, stderr = started(hooke(), 2.0, 4.0, 4000)
    out = {"t": t[::10], "hooke": stress[::10] / 2 / POLYMER, "hooke_stderr": stderr[::10] / 2 / POLYMER}
    for rate in RATES:
        t, stress, stderr = started(fene(min(0.02, 0.1 / rate)), rate, 4.0, 4000)
        every = round(len(t) / 100)
        out[f"t {rate:g}"], out[f"fene {rate:g}"] = t[::every], stress[::every] / rate
        out[f"stderr {rate:g}"] = stderr[::every] / rate
    rates = np.array([0.3, 1.0, 3.0, 10.0, 30.0, 100.0])
    out["rate"] = rates
    out["viscosity"], out["viscosity_stderr"] = np.array([viscosity(rate) for rate in rates]).T
    return out


def shear(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11, 3.6))
    t = np.linspace(0, 4, 200)
    left.errorbar(
        data["t"], data["hooke"], 2 * data["hooke_stderr"], fmt="o", ms=3, capsize=2, color=BLUE, label="4000 dumbbells"
    )
    left.plot(t, 1 - np.exp(-t), color="black", ls=":", lw=1.2, label="1 − exp(−t/λ)")
    left.set(xlabel="t/λ", ylabel="stress / (nkTλ × rate)", title="Hooke's springs remember", ylim=(-0.1, 1.2))
    left.legend(loc="lower right")
    for rate, colour in zip(RATES, (GREEN, BLUE, ORANGE), strict=True):
        x, y, s = (data[f"{name} {rate:g}"] for name in ("t", "fene", "stderr"))
        middle.fill_between(x, y - 2 * s, y + 2 * s, color=colour, alpha=0.25, lw=0)
        middle.plot(x, y, color=colour, label=f"λ × rate = {rate:g}")
    middle.set(xlabel="t/λ", ylabel="stress / (nkTλ × rate)", title=f"FENE springs, b = {B:g}: overshoot")
    middle.set(ylim=(-0.05, 1.0), xlim=(0, 4))
    middle.legend(loc="lower right", fontsize=8)
    rate = data["rate"]
    right.errorbar(
        rate, data["viscosity"], 2 * data["viscosity_stderr"], fmt="o", ms=4, color=BLUE, label="steady viscosity"
    )
    right.axhline(B / (B + 5), color="black", ls=":", lw=1.2, label="b/(b + 5), near rest")
    last = data["viscosity"][-1] * (rate[2:] / rate[-1]) ** (-2 / 3)
    right.plot(rate[2:], 1.4 * last, color="0.55", ls="--", lw=1, label="slope −2/3")
    right.set(xlabel="λ × rate of shear", ylabel="viscosity / nkTλ", title="... and thinning")
    right.set(xscale="log", yscale="log", ylim=(0.06, 1.6))
    right.legend(loc="lower left", fontsize=8)
    return plain(figure)


# -- between two plates -------------------------------------------------------------------------------------------------------

CELLS, END = 20, 4.0


def couette_data() -> Data:
    """Velocities by dumbbells, in closed form, and without memory; FENE; and the scatter of v(1/2, t) over their number."""
    y = np.linspace(0, 1, CELLS + 1)
    t, v = couette(Fields(hooke(), CELLS, 1000, seed=11), CELLS, END)
    every = slice(None, None, 5)
    out = {
        "y": y,
        "t": t[every],
        "hooke": v[every],
        "oldroyd": oldroyd(y, t[every][1:]),
        "newton": newton(y, t[every][1:]),
    }
    fast = couette(Fields(fene(modulus=POLYMER * (B + 5) / B), CELLS, 500, seed=11), CELLS, END, speed=5.0)[1]
    out["fene"] = fast[::10] / 5.0
    out["dt"], off = np.array([0.08, 0.04, 0.02, 0.01]), []
    for dt in out["dt"]:
        t, v = couette(Moments(hooke(dt), 40), 40, 2.0)
        late = t > 0.5
        off.append(np.sqrt(np.mean((v[late] - oldroyd(np.linspace(0, 1, 41), t[late])) ** 2)))
    out["macro"] = np.array(off)
    out["count"] = np.array([60, 240, 960])
    still = couette(Moments(hooke(0.04), 10), 10, 2.0)[1]
    for name, shared in (("shared", True), ("own", False)):
        runs = [
            [couette(Fields(hooke(0.04), 10, int(count), seed, shared), 10, 2.0)[1] for seed in range(12)]
            for count in out["count"]
        ]
        out[name] = np.sqrt(np.mean((np.array(runs) - still) ** 2, axis=(1, 2, 3)))
    return out


def couette_figure(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11, 3.7))
    left, middle, right = axes
    k = CELLS // 2
    left.plot(data["t"], data["hooke"][:, k], color=BLUE, label="1000 dumbbells a cell")
    left.plot(data["t"][1:], data["oldroyd"][:, k], color="black", ls=":", lw=1.4, label="Oldroyd-B, exact")
    left.plot(data["t"][1:], data["newton"][:, k], color=ORANGE, ls="--", label="closure without memory")
    left.plot(data["t"], data["fene"][:, k], color=GREEN, lw=1, label="FENE, λ × rate = 5")
    left.set(
        xlabel="t/λ", ylabel="v(½, t) / speed of the plate", title="Half-way between the plates", ylim=(-0.05, 1.15)
    )
    left.legend(loc="upper right", fontsize=7)
    for moment, colour in ((0.2, PINK), (0.6, BLUE), (1.2, GREEN), (3.9, ORANGE)):
        n = int(np.abs(data["t"] - moment).argmin())
        middle.plot(data["hooke"][n], data["y"], color=colour, label=f"t = {data['t'][n]:.1f}")
        middle.plot(data["oldroyd"][n - 1], data["y"], color="black", ls=":", lw=1.2)
    middle.set(xlabel="v", ylabel="y", title="Velocity across the gap")
    middle.legend(loc="lower right", fontsize=8)
    rate_plot(right, data["count"], data["own"], "own kicks in every cell", -0.5, color=ORANGE)
    right.loglog(data["count"], data["shared"], marker="s", color=BLUE, label="the same kicks in all cells")
    right.set(xlabel="dumbbells in a cell", ylabel="scatter of v", title="Chance", ylim=(3e-4, 0.2))
    right.legend(loc="upper right", fontsize=8)
    return plain(figure)
