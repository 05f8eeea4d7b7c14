"""Figures of chapter 12, the structures: a beam with every fibre resolved, and a panel that hardens or stretches far."""

from functools import lru_cache
from typing import Any

import numpy as np
import skfem

import hmm_core as hmm
from hmm_core import media
from hmm_core.compare import Oscillating
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, fit_rate, plain, rate_plot
from hmm_course.figures.ch12 import fibres, hardening, rubber, small_strain, stiffness_matrix

LENGTH, HEIGHT = 2.0, 0.5
N_CELL = 12  # elements per period, of the cell problems as of what is resolved
SHARE = 0.4  # of the fibres
FORCE = np.array([0.0, -1e-3])
TIP = np.array([[LENGTH], [HEIGHT / 2]])
Q1, Q2 = (skfem.ElementVector(element()) for element in (skfem.ElementQuad1, skfem.ElementQuad2))

# -- a beam --------------------------------------------------------------------------------------------------------------------


def cantilever(columns: int, rows: int, element: Any = Q2) -> skfem.CellBasis:
    """[0, 2] x [0, 1/2], held at its wall, to be loaded at its end."""
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, LENGTH, columns + 1), np.linspace(0, HEIGHT, rows + 1))
    return hmm.macro_basis(
        mesh.with_boundaries({"wall": lambda x: x[0] < 1e-9, "end": lambda x: x[0] > LENGTH - 1e-9}), element
    )


def centred(x: Array, y: Array) -> Array:
    """The composite of which the beam is cut: fibres in the middle of periods that start at its corner."""
    return fibres(SHARE)(x, y - 0.5)


def bend(basis: skfem.CellBasis, closure: Any, force: Array = FORCE, **options: Any) -> hmm.Solution:
    """The wall holds, the end is loaded by a force per length."""
    return hmm.solve_elliptic(basis, closure, 0.0, dirichlet={"wall": 0.0}, neumann={"end": force}, **options)


def cell_closure(n: int = N_CELL) -> hmm.CellClosure:
    return hmm.CellClosure(centred, hmm.CellProblem(n=n))


@lru_cache(maxsize=4)
def resolved_beam(rows: int, n: int = N_CELL) -> hmm.Solution:
    """The same beam, each of its 4 rows^2 fibres in the mesh."""
    eps = HEIGHT / rows
    return bend(cantilever(4 * n * rows, n * rows, Q1), hmm.ExactClosure(Oscillating(centred, eps)))


def surface_loss(rows: int, n: int = N_CELL) -> float:
    """By which part of its stiffness a strip of so many rows misses the cell's, if pulled along them and free at its sides.

    One column is enough: its left and right sides are planes of symmetry, which stay plane.
    """
    eps = HEIGHT / rows
    mesh = skfem.MeshQuad.init_tensor(np.linspace(0, eps, n + 1), np.linspace(0, HEIGHT, rows * n + 1))
    basis = skfem.Basis(mesh, Q1, intorder=3)
    x = np.asarray(basis.global_coordinates())
    a = centred(0 * x.reshape(2, 1, -1), x.reshape(2, 1, -1) / eps).reshape(2, 2, 2, 2, *x.shape[1:])
    K = stiffness_matrix(basis, a)
    across, along = basis.nodal_dofs
    moved = across[mesh.p[0] > eps - 1e-12]
    u = np.zeros(basis.N)
    u[moved] = eps
    held = np.concatenate([across[mesh.p[0] < 1e-12], moved, along[:1]])
    u = skfem.solve(*skfem.condense(K, x=u, D=held))
    E = 1 / np.linalg.inv(media.mandel(hmm.CellProblem(n=n, tol=1e-11).effective_tensor(centred)))[0, 0]
    return float(1 - u @ K @ u / (eps * HEIGHT) / E)


def local_stress(solution: hmm.Solution, x: Array, eps: float, n: int = N_CELL) -> Array:
    """Mean sigma_11 (K,) of the micro elements with centres x (2, K): the law at their Gauss points, of the strain that the
    bilinear field through the reconstructed displacement of their corners has there."""
    h, inside = eps / n, 0.5 - 1e-9
    u = {
        (a, b): solution.reconstruct(x + h * inside * np.array([[2 * a - 1], [2 * b - 1]]), eps)
        for a in (0, 1)
        for b in (0, 1)
    }
    total, gauss = 0.0, (0.5 - np.sqrt(1 / 12), 0.5 + np.sqrt(1 / 12))
    for s in gauss:
        for t in gauss:
            across = (1 - t) * (u[1, 0] - u[0, 0]) + t * (u[1, 1] - u[0, 1])
            upwards = (1 - s) * (u[0, 1] - u[0, 0]) + s * (u[1, 1] - u[1, 0])
            y = ((x + h * np.array([[s - 0.5], [t - 0.5]])) / eps)[:, :, None]
            total = total + np.einsum(
                "klp,klp->p", centred(0 * y, y)[0, 0, ..., 0], np.stack([across, upwards], axis=1) / h
            )
    return total / 4


def section(rows: int, U: hmm.Solution, n: int = N_CELL) -> tuple[Array, Array]:
    """Points (2, K) across the beam near x1 = 0.8, through fibres; sigma_11 there (3, K): resolved, rebuilt, macro."""
    fine = resolved_beam(rows, n)
    centres, stress = np.asarray(fine.basis.global_coordinates()).mean(axis=2), fine.flux[0, 0].mean(axis=1)
    here = round(1.6 * rows) * n + n // 2 + 0.5
    on = np.abs(centres[0] - here * HEIGHT / (rows * n)) < 1e-9
    on = np.flatnonzero(on)[np.argsort(centres[1, on])]
    x = centres[:, on]
    macro = np.einsum("ijkl,kl...->ij...", U.memory["tensor"][..., 0], U.gradient_at(x))[0, 0]
    return x, np.array([stress[on], local_stress(U, x, HEIGHT / rows, n), macro])


def beam_data(rows: tuple[int, ...] = (1, 2, 4, 8), shown: int = 4, n: int = N_CELL) -> Data:
    """Deflection resolved and by HMM, stress on a line across the beam, and what a strip loses at its free sides."""
    U = bend(cantilever(64, 16), cell_closure(n))
    deflection = np.array([resolved_beam(N, n).at(TIP)[1, 0] for N in rows])
    fine = resolved_beam(shown, n)
    x = np.asarray(fine.basis.global_coordinates()).mean(axis=2)
    order = np.lexsort((x[1].round(9), x[0].round(9)))
    line, stress = section(shown, U, n)
    peaks, off = [], []
    for N in rows[2:]:
        y, values = section(N, U, n)
        values = values[:, np.abs(y[1] - HEIGHT / 2) < HEIGHT / 2 - HEIGHT / N]  # without the fibres next to a face
        peaks.append(np.abs(values).max(axis=1))
        off.append(np.linalg.norm(values[1:] - values[0], axis=1) / np.linalg.norm(values[0]))
    middle = np.array([np.linspace(0, LENGTH, 81), np.full(81, HEIGHT / 2)])
    return {
        "rows": np.array(rows),
        "eps": HEIGHT / np.array(rows),
        "deflection": deflection,
        "hmm": np.array(U.at(TIP)[1, 0]),
        "gap": deflection / U.at(TIP)[1, 0] - 1,
        "strip": np.array([surface_loss(N, n) for N in rows]),
        "picture": fine.flux[0, 0].mean(axis=1)[order].reshape(4 * n * shown, n * shown),
        "x1": middle[0],
        "bent_hmm": U.at(middle)[1],
        "bent_resolved": np.array([resolved_beam(N, n).at(middle)[1] for N in (1, shown)]),
        "section": line[0, 0],
        "x2": line[1],
        "stress": stress,
        "peaks": np.array(peaks),
        "stress_off": np.array(off),
    }


def beam(data: Data) -> Any:
    figure, axes = canvas(2, 2, figsize=(9.8, 6.2), width_ratios=(1.55, 1))
    (top, line), (bent, rates) = axes
    bound = np.percentile(np.abs(data["picture"]), 99.5)
    image = top.imshow(
        data["picture"].T, origin="lower", extent=(0, LENGTH, 0, HEIGHT), cmap="RdBu_r", vmin=-bound, vmax=bound
    )
    figure.colorbar(
        image, ax=top, orientation="horizontal", shrink=0.7, label="stress $σ_{11}$, resin's E = 1", extend="both"
    )
    top.set(xlabel="$x_1$", ylabel="$x_2$", title="Every fibre resolved, ε = 1/8")
    top.grid(False)
    resolved, rebuilt, macro = data["stress"]
    line.plot(resolved, data["x2"], color=ORANGE, lw=1.4, label="resolved")
    line.plot(rebuilt, data["x2"], color=BLUE, ls="--", lw=1.4, label="HMM, reconstructed")
    line.plot(macro, data["x2"], color="0.3", lw=1.2, label="HMM, macro")
    line.set(
        xlabel="stress $σ_{11}$, resin's E = 1", ylabel="$x_2$", title=f"On the section $x_1$ = {data['section']:.2f}"
    )
    line.set_xticks((-0.02, 0, 0.02))
    line.legend(loc="upper left", fontsize=8)
    scale = 1 / abs(FORCE[1])
    bent.plot(data["x1"], scale * data["bent_resolved"][0], color=PINK, ls="-.", label="resolved, one row")
    bent.plot(data["x1"], scale * data["bent_resolved"][1], color=ORANGE, label="resolved, four rows")
    bent.plot(data["x1"], scale * data["bent_hmm"], color=BLUE, ls="--", label="HMM")
    bent.set(xlabel="$x_1$", ylabel="deflection over load", title="The axis of the beam")
    bent.legend(loc="lower left")
    rate_plot(rates, data["eps"], data["strip"], "a pulled strip", 1.0, color=GREEN)
    rates.loglog(data["eps"], 3 * data["strip"], color=GREEN, ls=":", label="three times that")
    last = fit_rate(data["eps"][-2:], data["gap"][-2:])
    rates.loglog(data["eps"], data["gap"], "o-", color=ORANGE, label=f"deflection: last slope {last:.2f}")
    rates.set(xlabel="ε", ylabel="relative distance to HMM", title="Every fibre resolved against HMM", ylim=(2e-3, 1.5))
    rates.set_xticks(data["eps"], [f"1/{round(1 / e)}" for e in data["eps"]])
    rates.legend(loc="upper left", fontsize=8)
    return plain(figure)


# -- a panel -------------------------------------------------------------------------------------------------------------------


def panel(n: int, element: Any = Q2) -> skfem.CellBasis:
    """Cook's tapered panel, 48 wide, 44 high on the left and 16 on the right; in units of 48."""
    line = np.linspace(0, 1, n + 1)
    mesh = skfem.MeshQuad.init_tensor(line, line)
    s, t = mesh.p
    mesh = skfem.MeshQuad(np.array([48 * s, 44 * s + t * (44 - 28 * s)]) / 48, mesh.t)
    return hmm.macro_basis(
        mesh.with_boundaries({"wall": lambda x: x[0] < 1e-9, "end": lambda x: x[0] > 1 - 1e-9}), element
    )


CORNER = np.array([[1.0], [60 / 48]])


def loaded(basis: skfem.CellBasis, closure: Any, load: float, steps: int = 1, **options: Any) -> hmm.Solution:
    """The end pulled upwards in equal steps, each started from where the last two point to."""
    before, now = np.zeros(basis.N), None
    for share in (np.arange(steps) + 1) / steps:
        start = before if now is None else 2 * now.u - before
        before = before if now is None else now.u
        now = bend(basis, closure, np.array([0.0, load * share]), initial=start, **options)
    return now


HARD_LOAD, RUBBER_LOAD = 4e-3, 0.05


def hard_panel(method: str = "newton", m: int = 3, n: int = 8) -> hmm.Solution:
    closure = hmm.NonlinearCellClosure(hardening(), hmm.CellProblem(n=n, tol=1e-9))
    return bend(panel(m), closure, np.array([0.0, HARD_LOAD]), method=method, tol=1e-10)


def panel_data(m: int = 3, n: int = 8) -> Data:
    """Residuals of the two loops for the panel that hardens; the panel of rubber by its linear law and at finite strain."""
    runs = {method: hard_panel(method, m, n) for method in ("newton", "picard")}
    law, basis = rubber(), panel(m)
    far = loaded(basis, hmm.NonlinearCellClosure(law, hmm.CellProblem(n=n, tol=1e-7)), RUBBER_LOAD, 2, tol=1e-8)
    straight = bend(basis, hmm.CellClosure(small_strain(law), hmm.CellProblem(n=n)), np.array([0.0, RUBBER_LOAD]))
    edges = _edges(2 * m)
    return {method: np.array([turn.residual for turn in run.history]) for method, run in runs.items()} | {
        "edges": edges,
        "moved": far.at(edges),
        "linear": straight.at(edges),
        "tip": np.array([far.at(CORNER)[:, 0], straight.at(CORNER)[:, 0]]),
    }


def _edges(lines: int, points: int = 25) -> Array:
    """Lines of the panel at constant s and at constant t: (2, 2 (lines + 1), points), a little inside."""
    level, along = np.linspace(1e-9, 1 - 1e-9, lines + 1)[:, None], np.linspace(1e-9, 1 - 1e-9, points)[None]
    s = np.concatenate([level + 0 * along, along + 0 * level])
    t = np.concatenate([along + 0 * level, level + 0 * along])
    return np.array([48 * s, 44 * s + t * (44 - 28 * s)]) / 48


def panel_figure(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 4.2))
    for name, colour, mark, label in (
        ("newton", BLUE, "o-", "Newton, consistent tangent"),
        ("picard", ORANGE, "s-", "secant of the last state"),
    ):
        left.semilogy(np.arange(len(data[name])), data[name], mark, color=colour, ms=4, label=label)
    left.set(xlabel="turn of the dialogue", ylabel="relative residual", title="A panel that hardens")
    left.legend()
    for name, colour, label in (
        (None, "0.75", "unloaded"),
        ("linear", ORANGE, "linear law"),
        ("moved", BLUE, "finite strain"),
    ):
        x = data["edges"] + (0 if name is None else data[name])
        right.plot(
            x[0].T, x[1].T, color=colour, lw=0.8 if name is None else 1.1, label=[label] + [None] * (x.shape[1] - 1)
        )
    right.set(xlabel="$x_1$", ylabel="$x_2$", title="A panel of rubber", aspect="equal")
    right.grid(False)
    right.legend(loc="lower right")
    return figure
