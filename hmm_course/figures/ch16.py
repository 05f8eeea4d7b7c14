"""Figures of chapter 16: six materials, multiscale bases and their resonance, the study, small periods, many sources."""

import json
from typing import Any

import numpy as np

import hmm_core as hmm
from hmm_core.compare.broken import CORNERS
from hmm_course.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    Array,
    Data,
    canvas,
    committed,
    of_the_repository,
    plain,
    rate_plot,
)
from hmm_course.figures.ch16_study import (
    CASES,
    COLUMNS,
    LAYER,
    METHODS,
    Case,
    Judge,
    broken,
    hmm_solution,
    multiscale,
    nodal,
    periodic,
    rebuilt,
    refined,
    slug,
    study_data,
    work_of,
)

__all__ = ["study_data"]
LOOK = {
    "homogenization": {"color": "0.45", "marker": "s", "ls": ":"},
    "HMM": {"color": BLUE, "marker": "o", "ls": ":", "mfc": "white"},
    "HMM + reconstruction": {"color": BLUE, "marker": "o"},
    "MsFEM": {"color": GREEN, "marker": "^"},
    "MsFEM oversampled": {"color": PINK, "marker": "D"},
    "DNS": {"color": ORANGE, "marker": "x"},
}
PRODUCTS = {"HMM + reconstruction": 3, "MsFEM": 4, "MsFEM oversampled": 4}  # U and two correctors; four basis functions
SECONDS = "benchmarks/relatives.json"


def table(data: Data, case: str, method: str) -> dict[str, Array]:
    """One table of the study, by its columns."""
    return {column: data[f"{slug(case, method)}.{column}"] for column in COLUMNS}


# -- the materials -----------------------------------------------------------------------------------------------------------


def gallery_data(pixels: int = 256) -> Data:
    """The coefficient of every case, the nonlinear one at the state of its solution, u = 0.85 in the middle."""
    x = (np.indices((pixels, pixels)) + 0.5) / pixels
    u = 0.85 * 16 * x[0] * (1 - x[0]) * x[1] * (1 - x[1])
    flat = x.reshape(2, 1, -1)
    out = {}
    for case in CASES:
        k = case.a(x, x / case.eps, u) if case.nonlinear else case.a(flat, flat / case.eps).reshape(pixels, pixels)
        out[case.name] = np.log10(k)
    return out


def gallery(data: Data) -> Any:
    figure, axes = canvas(2, 3, figsize=(9.6, 6.2))
    for ax, case in zip(axes.ravel(), CASES, strict=True):
        image = ax.imshow(data[case.name].T, origin="lower", extent=(0, 1, 0, 1), cmap="cividis", interpolation="none")
        figure.colorbar(image, ax=ax, shrink=0.75, label="$\\log_{10} a$")
        ax.set(
            title=f"{case.name.replace('~', '∼').replace('eps', 'ε')}, ε = 1/{1 / case.eps:.0f}",
            xticks=[0, 0.5, 1],
            yticks=[0, 0.5, 1],
        )
        ax.grid(False)
    return figure


# -- a multiscale basis, and its resonance -----------------------------------------------------------------------------------


def basis_data(n: int = 48, eps: float = 1 / 12) -> Data:
    """One function in an element of four periods: minus its bilinear part, by linear edges and oversampled."""
    bilinear = np.outer(np.linspace(0, 1, n + 1), np.linspace(0, 1, n + 1))
    out = {"bilinear": bilinear}
    for name, layer in (("linear", 0.0), ("oversampled", LAYER)):
        out[name] = hmm.msfem_basis(periodic, eps, 3, n, layer).phi[4, 3] - bilinear
    return out


def basis_figure(data: Data) -> Any:
    figure, axes = canvas(1, 4, figsize=(11.6, 3.0), width_ratios=(1, 1, 1, 1))
    top = np.abs(data["oversampled"]).max()
    for ax, field, title, style in (
        (axes[0], data["bilinear"] + data["linear"], "a basis function φ", {"cmap": "viridis"}),
        (axes[1], data["linear"], "φ − bilinear: linear edges", {"cmap": "RdBu_r", "vmin": -top, "vmax": top}),
        (axes[2], data["oversampled"], "… oversampled", {"cmap": "RdBu_r", "vmin": -top, "vmax": top}),
    ):
        image = ax.imshow(field.T, origin="lower", extent=(0, 4, 0, 4), **style)
        figure.colorbar(image, ax=ax, shrink=0.7)
        ax.set(title=title, xlabel="$x_1/ε$")
        ax.grid(False)
    axes[0].set_ylabel("$x_2/ε$")
    line = np.linspace(0, 4, len(data["linear"]))
    axes[3].plot(line, data["linear"][-1], color=GREEN, label="linear edges")
    axes[3].plot(line, data["oversampled"][-1], color=PINK, label="oversampled")
    axes[3].set(title="φ − bilinear, right edge", xlabel="$x_2/ε$")
    axes[3].legend(fontsize=8)
    return figure


def conductivity(ratio: float, n: int, layer: float) -> Array:
    """What an element of H = ratio eps conducts, as a tensor (2, 2), from its stiffness; ``n`` fine cells per side."""
    place = np.array(CORNERS) / 3
    basis = hmm.msfem_basis(periodic, 1 / (3 * ratio), 3, n, layer, "petrov-galerkin")
    return place.T @ basis.stiffness[4] @ place * 9


def resonance_data(
    ratios: tuple[int, ...] = (2, 4, 8), fractions: tuple[float, ...] = (0.25, 0.5), per: int = 6
) -> Data:
    """Error of an element's tensor against H/eps: the largest over some fractional parts, and for whole periods."""
    out: Data = {"ratio": np.array(ratios) + float(np.mean(fractions)), "periods": np.array(ratios)}
    A = hmm.CellProblem(dim=2, n=per, tol=1e-10).effective_tensor(periodic)[0, 0]
    for name, layer, parts in (("linear", 0.0, fractions), ("oversampled", LAYER, fractions), ("whole", LAYER, (0.0,))):
        out[name] = np.array(
            [
                max(np.abs(conductivity(k + s, round(per * (k + s)), layer) / A - np.eye(2)).max() for s in parts)
                for k in ratios
            ]
        )
    return out


def limit_data(inverse: tuple[int, ...] = (4, 8, 16, 32), N: int = 16) -> Data:
    """The periodic material at ever smaller eps, N = 16: errors (L2, energy) of four methods."""
    out: Data = {"eps": 1 / np.array(inverse, dtype=float)}
    rows: dict[str, list] = {method: [] for method in METHODS[1:5]}
    for k in inverse:
        case = Case("periodic", periodic, 1 / k, 8 * max(k, N // 2))
        judge, asked = Judge(case), hmm_solution(case, N)
        rows["HMM"].append(judge.errors(refined(nodal(asked), case.M)))
        rows["HMM + reconstruction"].append(judge.errors(rebuilt(asked, case)))
        for method, layer in (("MsFEM", 0.0), ("MsFEM oversampled", LAYER)):
            rows[method].append(judge.errors(broken(multiscale(case, N, layer)[0])))
    out |= {method: np.array(row) for method, row in rows.items()}
    return out


def limit(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11.2, 3.6))
    for ax, k, methods in ((left, 0, ("HMM", "MsFEM", "MsFEM oversampled")), (middle, 1, METHODS[2:5])):
        for method in methods:
            ax.loglog(data["eps"], data[method][:, k], label=method, **LOOK[method] | {"mfc": None, "ls": "-"})
    left.set(xlabel="ε", ylabel="relative error", title="Mean field, $L^2$, H = 1/16")
    middle.set(xlabel="ε", title="Fine scale, energy")
    eps = 2.0 ** -np.arange(3, 11)
    for method in ("HMM", "MsFEM", "MsFEM oversampled", "DNS"):
        right.loglog(eps, work_of(method, eps), label=method, **LOOK[method] | {"mfc": None, "ls": "-", "ms": 4})
    right.set(xlabel="ε", ylabel="work for one source", title="What it costs")
    left.set_ylim(3e-3, 0.2)
    middle.set_ylim(0.05, 1)
    for ax in (left, middle):
        ax.set_xticks(data["eps"], [f"1/{1 / e:.0f}" for e in data["eps"]])
        ax.axvline(1 / 16, color="0.6", lw=1, ls="--")
        ax.legend(fontsize=8)
    right.legend(fontsize=8)
    return plain(figure)


def resonance(data: Data) -> Any:
    figure, ax = canvas(1, 1, figsize=(6.4, 3.9))
    rate_plot(ax, data["ratio"], data["linear"], "linear edges", -1.0, color=GREEN)
    rate_plot(ax, data["ratio"], data["oversampled"], "oversampled", color=PINK)
    ax.loglog(data["periods"], data["whole"], color=ORANGE, marker="s", ls=":", label="oversampled, whole periods")
    ax.legend()
    ax.set(xlabel="H/ε", ylabel="error of the element's tensor", title="Resonance", ylim=(1e-4, 0.3), xticks=[2, 4, 8])
    ax.set_xticklabels(["2", "4", "8"])
    return plain(figure)


# -- the study ---------------------------------------------------------------------------------------------------------------


def study_figure(data: Data, column: str = "L2") -> Any:
    """Errors against work, a panel for every material: the mean field ("L2") or the fine scale ("energy")."""
    fine = column == "energy"
    methods = [
        m for m in METHODS if not (fine and m in ("homogenization", "HMM")) and not (not fine and m == METHODS[2])
    ]
    figure, axes = canvas(2, 3, figsize=(10.6, 6.4), sharey=True)
    for ax, case in zip(axes.ravel(), CASES, strict=True):
        for method in methods:
            rows = table(data, case.name, method)
            shown = rows[column] > 0
            ax.loglog(rows["work"][shown], rows[column][shown], label=method, **LOOK[method])
        judge = table(data, case.name, "DNS")["work"][-1]
        ax.axvline(judge, color=ORANGE, lw=1, ls="--", label="the judge" if case is CASES[0] else None)
        ax.axhline(0.2 if fine else 0.03, color="0.6", lw=0.8, ls="-.")
        ax.set(title=case.name.replace("~", "∼").replace("eps", "ε"), ylim=(0.02, 6) if fine else (1e-3, 1.5))
    for ax in axes[1]:
        ax.set_xlabel("work, one source")
    for ax in axes[:, 0]:
        ax.set_ylabel("relative error, energy" if fine else "relative error, $L^2$")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
    return plain(figure)


def cheapest(
    data: Data,
    case: str,
    column: str,
    tol: float,
    sources: int = 1,
    methods: tuple[str, ...] = METHODS,
    written: bool = False,
) -> tuple[str, int, float]:
    """Method, N and work of the cheapest row of a case with an error of at most tol, for so many sources.

    ``written``: the fine field of every source is written out, which costs PRODUCTS for each node of the fine grid."""
    best = ("none", 0, np.inf)
    nodes = {c.name: c.M**2 for c in CASES}[case]
    for method in methods:
        rows = table(data, case, method)
        each = rows["per_source"] + written * PRODUCTS.get(method, 0) * nodes
        work = rows["setup"] + sources * each
        for N, error, cost in zip(rows["N"], rows[column], work, strict=True):
            if error <= tol and cost < best[2]:
                best = method, int(N), float(cost)
    return best


def losses_data() -> Data:
    """Cuts through the two cases where HMM must lose: along x_1 for the coarse period, along x_2, across the veins."""
    coarse, veins = CASES[4], CASES[5]
    out: Data = {}
    for case, name, N in ((coarse, "coarse", 16), (veins, "veins", 8)):
        judge, asked = Judge(case), hmm_solution(case, N)
        fields = {
            "resolved": judge.cells,
            "HMM": refined(nodal(asked), case.M),
            "HMM-reconstruction": rebuilt(asked, case),
        }
        fields["MsFEM-oversampled"] = broken(multiscale(case, N, LAYER)[0])
        middle = case.M // 2
        for method, cells in fields.items():
            out[f"{name}.{method}"] = cells[:, middle, 0] if name == "coarse" else cells[middle, :, 0]
        out[f"{name}.x"] = np.arange(case.M) / case.M
    return out


def losses(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(10.2, 3.8))
    for ax, name, title, along in zip(
        axes, ("coarse", "veins"), ("ε ∼ H: ε = 1/4, N = 16", "channels, N = 8"), ("$x_1$", "$x_2$"), strict=True
    ):
        x = data[f"{name}.x"]
        ax.plot(x, data[f"{name}.resolved"], color="black", lw=1.4, label="resolved")
        ax.plot(x, data[f"{name}.HMM"], color=BLUE, ls="--", lw=1.2, label="HMM")
        if name == "coarse":
            ax.plot(x, data[f"{name}.HMM-reconstruction"], color=BLUE, label="HMM + reconstruction")
        ax.plot(x, data[f"{name}.MsFEM-oversampled"], color=PINK, lw=1.2, label="MsFEM oversampled")
        ax.set(xlabel=along, ylabel="u on the middle line", title=title, xlim=(0, 1), ylim=(0, None))
        ax.legend(fontsize=8)
    return figure


# -- many sources ------------------------------------------------------------------------------------------------------------


def sources_data(N: int = 16) -> Data:
    """For the graded material, N = 16: work counted and processor seconds measured (by benchmarks/relatives.py, once), before the
    first source and for every one."""
    data, seconds = committed("16-study"), json.loads(of_the_repository(SECONDS).read_text(encoding="utf-8"))["seconds"]
    out: Data = {"methods": np.array(list(seconds))}
    for column in ("setup", "per_source"):
        rows = [table(data, "graded", method) for method in seconds]
        at = [
            int(np.argmax(r["N"])) if m == "DNS" else int(np.flatnonzero(r["N"] == N)[0])
            for m, r in zip(seconds, rows, strict=True)
        ]
        out[f"work_{column}"] = np.array([r[column][k] for r, k in zip(rows, at, strict=True)])
        out[f"seconds_{column}"] = np.array([row[column] for row in seconds.values()])
    return out


def sources(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 3.8))
    m = 2.0 ** np.arange(0, 13)
    for ax, unit, title in (
        (left, "work", "counted: work"),
        (right, "seconds", "measured: processor seconds / those of DNS"),
    ):
        dns = list(data["methods"]).index("DNS")
        scale = 1.0 if unit == "work" else data["seconds_setup"][dns] + data["seconds_per_source"][dns]
        for k, method in enumerate(data["methods"]):
            cost = (data[f"{unit}_setup"][k] + m * data[f"{unit}_per_source"][k]) / scale
            ax.loglog(m, cost, label=method, **LOOK[method] | {"mfc": None, "ls": "-", "ms": 4})
        ax.set(xlabel="number of sources", title=title)
    left.set_ylabel("work")
    left.legend(fontsize=8)
    return plain(figure)


def handover(data: Data, case: str, column: str, tol: float, most: int = 2000) -> tuple[str, int, str]:
    """Who is cheapest for one source, from which number of sources on another one is, and who that is ("": nobody up to most)."""
    first = cheapest(data, case, column, tol)[0]
    for sources in range(2, most + 1):
        if (then := cheapest(data, case, column, tol, sources)[0]) != first:
            return first, sources, then
    return first, most, ""
