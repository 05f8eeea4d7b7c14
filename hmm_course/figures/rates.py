"""What the rate figures claim: for each, the quantities with the value to be expected and how to measure it.

``RATES[name](data)`` returns rows, which ``make reproduce`` prints. What was only measured is no expectation: it has no row.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hmm_course.figures import Data, fit_rate
from hmm_course.figures.ch04 import BOTH_WAYS, CORNER
from hmm_course.figures.ch05 import middle, slope_between
from hmm_course.figures.ch05_window import local_slopes
from hmm_course.figures.ch06_terms import curves
from hmm_course.figures.ch10 import narrow
from hmm_course.figures.ch13 import corner_rate
from hmm_course.figures.ch13_random import CORNERS, EDGES, determinants, threshold
from hmm_course.figures.ch14_waves import cable_conductivity, speed


class Row(NamedTuple):
    """One comparison. ``source`` says where ``expected`` is from: "theory", or "plan" for what the planner promised."""

    quantity: str
    expected: float
    measured: float
    tolerance: float
    source: str = "theory"


def _cost(data: Data) -> list[Row]:
    return [
        Row("DNS unknowns against eps", -2.0, fit_rate(data["eps_dns"], data["unknowns_dns"]), 0.15),
        Row("HMM unknowns against eps", 0.0, fit_rate(data["eps_hmm"], data["unknowns_hmm"]), 0.01),
        Row("DNS coefficient evaluations", -2.0, fit_rate(data["eps_dns"], data["evaluations_dns"]), 0.15),
        Row("HMM coefficient evaluations", 0.0, fit_rate(data["eps_hmm"], data["evaluations_hmm"]), 0.01),
    ]


def _rivals(data: Data) -> list[Row]:
    samples = {who: fit_rate(data["eps"], data[f"graded_samples_{who}"]) for who in ("hmm", "msfem")}
    return [
        Row("MsFEM coefficient evaluations", -1.0, samples["msfem"], 0.01),
        Row("HMM coefficient evaluations", 0.0, samples["hmm"], 0.01),
    ]


def _affine(data: Data) -> list[Row]:
    length, error = data["window_length_2"], data["window_error_2"]
    resonant = (length > 3e-4) & (length < 6e-3)
    return [
        Row("affine picture, value, against L", 2.0, fit_rate(data["length"], data["value"]), 0.15),
        Row("affine picture, gradient, against L", 1.0, fit_rate(data["length"], data["gradient"]), 0.15),
        Row("affine picture, mean gradient, against L", 2.0, fit_rate(data["length"], data["average"]), 0.15),
        Row("conductivity of a short window, against L", -1.0, fit_rate(length[resonant], error[resonant]), 0.2),
        Row("conductivity of a long window, against L", 2.0, fit_rate(length[-3:], error[-3:]), 0.3),
    ]


def _limit(data: Data) -> list[Row]:
    return [Row("HMM against the resolved solution, in eps", 1.0, fit_rate(data["eps"][2:], data["worst_1"][2:]), 0.1)]


def _rve(data: Data) -> list[Row]:
    board = fit_rate(data["sizes"], data["periodic_variance"])
    phases = fit_rate(data["gaussian_sizes"][1:], data["gaussian_variance"][1:])
    return [
        Row("variance, random checkerboard, against L", -2.0, board, 0.3),
        Row("variance, Gaussian phases, against L", -2.0, phases, 0.4),
    ]


def _forget(data: Data) -> list[Row]:
    ring, crowded = data["density"] == 1, data["sites"] == 20
    return [
        Row("time to forget the pile, against L", 2.0, fit_rate(data["sites"][ring], data["fitted"][ring]), 0.15),
        Row(
            "time to forget, against 1 + U", 2.0, fit_rate(1 + data["density"][crowded], data["fitted"][crowded]), 0.15
        ),
        Row("time to forget over its closed form", 1.0, float(np.mean(data["fitted"] / data["theory"])), 0.1),
    ]


def _long(data: Data) -> list[Row]:
    late, tail = data["T"] >= 512, (data["lag"] >= 40) & (data["lag"] <= 120)
    decay = float(np.polyfit(data["lag"][tail] / data["tau"], np.log(data["correlation"][tail]), 1)[0])
    return [
        Row("error of a time average, against T", -0.5, fit_rate(data["T"][late], data["error_settled"][late]), 0.05),
        Row("log of the autocorrelation's tail, in tau", -1.0, decay, 0.2),
    ]


def _convergence(data: Data) -> list[Row]:
    rows = []
    for element, order in (("P1", 1), ("P2", 2)):
        for k, (norm, rate) in enumerate((("L2", order + 1), ("energy", order))):
            rows.append(
                Row(f"{element} macro error, {norm}, against H", rate, fit_rate(data["H"], data[element][k]), 0.15)
            )
    return rows


def _floor(data: Data) -> list[Row]:
    return [
        Row(
            f"Q1 tensor error, {name}, against h/eps",
            order,
            fit_rate(1 / data[f"{name}_n"], data[f"{name}_error"]),
            0.1,
        )
        for name, order in (("smooth", 2.0), ("square", CORNER), ("disk", 1.0))
    ]


def _reconstruction(data: Data) -> list[Row]:
    inner = np.asarray(data["errors"])[1, 2]
    return [Row("gradient of the reconstruction inside, against eps", 1.0, fit_rate(data["eps"], inner), 0.3)]


def _energy(data: Data) -> list[Row]:
    late = data["residual"] < BOTH_WAYS
    return [
        Row("energy form against the residual", 2.0, fit_rate(data["residual"], data["energy"]), 0.1),
        Row("averaged flux, residuals below 1e-3", 1.0, fit_rate(data["residual"][late], data["flux"][late]), 0.15),
    ]


def _one_problem(data: Data) -> list[Row]:
    return [Row(name, order, fit_rate(x, y), 0.2 if order < 0 else 0.1) for name, (x, y, order) in curves(data).items()]


def _corner(data: Data) -> list[Row]:
    return [
        Row(f"{element} on the L-shaped domain, {norm}, against H", order, fit_rate(data["H"], data[name]), 0.15)
        for norm, order in (("energy", 2 / 3), ("L2", 4 / 3))
        for element in ("P1", "P2")
        for name in (f"{element}_{norm}",)
    ]


def _micro_term(data: Data) -> list[Row]:
    rows = [
        Row(f"Q1 micro term, {name}, against h/eps", order, fit_rate(1 / data["n"], data[f"q1_{name}"]), 0.15)
        for name, order in (("smooth", 2.0), ("disks", 1.0))
    ]
    decay = float(np.polyfit(data["modes"], np.log(data["fourier_smooth"]), 1)[0])
    return [*rows, Row("Fourier micro term, smooth, log per point", float(np.log(2 - np.sqrt(3))), decay, 0.05)]


def _coupled(data: Data) -> list[Row]:
    rows = [
        Row(f"error against H, {label}", order, fit_rate(data[f"{name}.H"], data[f"{name}.error"]), 0.25)
        for name, label, order in (
            ("slow", "h/eps ~ H^(1/2)", 1.0),
            ("q1", "h/eps ~ H", 2.0),
            ("short", "eps/delta ~ H", 1.0),
            ("dirichlet", "eps/delta ~ H^2", 2.0),
        )
    ]
    for name, label, power in (("q1", "periodic, Q1", -2.0), ("dirichlet", "Dirichlet, Q1", -4.0)):
        rows.append(
            Row(f"work against error, {label}", power, fit_rate(data[f"{name}.error"], data[f"{name}.work"]), 0.2)
        )
    return rows


def _three_answers(data: Data) -> list[Row]:
    star = data["periodic"][0]
    gaps = {bc: fit_rate(data["L"], np.abs(data[bc] - star)) for bc in ("neumann", "dirichlet")}
    return [Row(f"{bc} cell against L", -1.0, gap, 0.1) for bc, gap in gaps.items()]


def _plain_envelopes(data: Data) -> list[Row]:
    return [
        Row(f"resonance envelope, {bc}, against R", -1.0, fit_rate(middle(data["R"]), data[f"{bc}_envelope"]), 0.2)
        for bc in ("neumann", "periodic", "dirichlet")
    ]


def _oversampling(data: Data) -> list[Row]:
    return [
        Row(f"resonance, buffer {buffer:g}, against R", -1.0, fit_rate(middle(data["delta"]), error), 0.2)
        for buffer, error in zip(data["buffer"], data["error"], strict=True)
    ]


def _windows_line(data: Data) -> list[Row]:
    fits = [fit_rate(middle(data["R"]), envelope) for envelope in data["envelope"]]
    return [Row(f"line, window q={q}, against R", -q - 1.0, fit, 0.5) for q, fit in enumerate(fits)]


def _windows_plane(data: Data) -> list[Row]:
    return [
        Row(f"plane, {kind}, window q={q}, R <= 8", theory, fit_rate(middle(data["R"]), data[kind][q]), 0.5)
        for kind in ("flux", "ratio")
        for q in range(4)
        for theory in (-1.0 if kind == "flux" else -q - 1.0,)
    ]


def _zero_order(data: Data) -> list[Row]:
    orders = {"flux": 1.0, "flux_richardson": 2.0, "energy": 2.0, "energy_richardson": 3.0}
    return [
        Row(
            f"zero-order, {kind.replace('_', ' ')}, against T",
            -order,
            fit_rate(data["T_period"], data[f"{kind}_period"]),
            0.1,
        )
        for kind, order in orders.items()
    ]


def _parabolic(data: Data) -> list[Row]:
    return [
        Row(f"parabolic, window q={q}, against R", -q - 1.0, fit_rate(middle(data["R"]), error), 0.5)
        for q, error in zip(data["q"], data["error"], strict=True)
    ]


def _long_resonance(data: Data) -> list[Row]:
    def row(name: str, rate: float, first: float, last: float, tolerance: float = 0.25) -> Row:
        quantity = f"long envelope, {name.replace('_', ' ')}, {first:g} <= R <= {last:g}"
        return Row(quantity, rate, slope_between(data, name, first, last), tolerance)

    rows = [row(name, -1.0, 4, 24) for name in ("neumann", "periodic", "dirichlet")]
    rows += [row(f"flux_q{q}", -1.0, 4, 24) for q in (1, 2, 3, 5)]
    # The window's q + 1 holds until C : <D^2 v> = O(R^-2) of a held edge takes over (ch05_window); periodic edges have none.
    rows += [row("ratio_q1", -2.0, 4, 24), row("ratio_q2", -3.0, 4, 12), row("ratio_q3", -4.0, 4, 8)]
    rows += [row(name, -2.0, 16, 24) for name in ("ratio_q3", "ratio_q5", "neumann_q5")]
    rows += [row("periodic_q3", -4.0, 4, 24), row("periodic_q5", -6.0, 6, 24)]
    rows += [row("parabolic_q3", -4.0, 6, 24, 0.5), row("parabolic_q5", -6.0, 6, 24, 0.5)]
    # Richardson's T^-2 needs a larger T than R/50 to show; its envelope is drawn and has no row.
    return [*rows, row("zero_order_flux", -1.0, 4, 24), row("zero_order_energy", -2.0, 4, 24)]


def _window_end(data: Data) -> list[Row]:
    ends = {name: local_slopes(data, name)[-1] for name in ("straight_q3", "straight_q5", "mirrored", "levels")}
    over = float(data["straight_q5"][-1] / data["theory"][-1])
    return [
        Row("error at R = 32, q = 5, over C : <D^2 v>", 1.0, over, 0.03),
        Row("held straight, q = 3, 24 <= R <= 32", -2.0, ends["straight_q3"], 0.15),
        Row("held straight, q = 5, 24 <= R <= 32", -2.0, ends["straight_q5"], 0.1),
        Row("mirrored medium, C = 0, q = 5, 24 <= R <= 32", -3.0, ends["mirrored"], 0.1),
        Row("every face at its own level, q = 5, 24 <= R <= 32", -6.0, ends["levels"], 0.1),
    ]


def _planner(data: Data) -> list[Row]:
    rows = []
    for kind in ("dirichlet", "any"):
        predicted, achieved = data[kind][:, 3:5].T
        worst = float((achieved / predicted)[np.abs(np.log(achieved / predicted)).argmax()])
        largest = float((achieved / data["tolerance"]).max())
        rows += [
            Row(f"planner, {kind} samples: achieved over predicted", 1.0, worst, 0.1, "plan"),
            Row(f"planner, {kind} samples: achieved over tolerance", 0.55, largest, 0.45, "plan"),  # between 1/10 and 1
        ]
    return rows


def _steady(data: Data) -> list[Row]:
    return [
        Row("resolved temperature to HMM, against eps", 1.0, fit_rate(data["eps"], data["distance"]), 0.05),
        Row("resolved heat flow to HMM, against eps", 2.0, fit_rate(data["eps"], data["flow"]), 0.05),
    ]


def _cooling(data: Data) -> list[Row]:
    return [
        Row(f"resolved cooling to HMM, t = {t:g}, against eps", 1.0, fit_rate(data["eps"], row), 0.15)
        for t, row in zip(data["moments"], data["distance"], strict=True)
    ]


def _permeability(data: Data) -> list[Row]:
    gap, K = data["gap"][-4:], data["K"][-4:]
    return [
        Row("permeability against a narrow gap", 2.5, fit_rate(gap, K), 0.03),
        Row("permeability over lubrication's, narrowest gap", 1.0, float(K[-1] / narrow(gap[-1])), 0.01),
    ]


def _bed(data: Data) -> list[Row]:
    return [
        Row("a resolved row to Darcy, against eps", 2.0, fit_rate(data["eps_rows"], data["series"]), 0.1),
        Row("beds with walls that hold to Darcy, against eps", 1.0, fit_rate(data["eps_beds"], data["no_slip"]), 0.1),
    ]


def _array(data: Data) -> list[Row]:
    return [Row("moduli of round fibres, 40 %, against h/eps", 1.0, fit_rate(1 / data["n"], data["error_40"]), 0.15)]


def _beam(data: Data) -> list[Row]:
    last = float(data["gap"][-1] / (3 * data["strip"][-1]))
    return [
        Row("stiffness that a pulled strip loses, against eps", 1.0, fit_rate(data["eps"], data["strip"]), 0.02),
        Row("deflection, 8 rows, over three times that", 1.0, last, 0.1),
    ]


def _panel(data: Data) -> list[Row]:
    falls = np.log(data["newton"][1:5])
    orders = np.diff(falls)[1:] / np.diff(falls)[:-1]
    return [Row("order of Newton's method, panel that hardens", 2.0, float(orders[-1]), 0.15)]


def _ring(data: Data) -> list[Row]:
    return [
        Row("flux in excess of an endless road, against L - 1", -1.0, fit_rate(data["sites"] - 1, data["excess"]), 0.1)
    ]


def _couette(data: Data) -> list[Row]:
    return [
        Row(
            "couette flow, infinitely many dumbbells, against the step", 1.0, fit_rate(data["dt"], data["macro"]), 0.05
        ),
        Row("couette flow, scatter of v against dumbbells", -0.5, fit_rate(data["count"], data["own"]), 0.08),
    ]


def _waves(data: Data) -> list[Row]:
    return [
        Row("homogenized wave, t = 1, against eps", 1.0, fit_rate(data["eps"], data["early"]), 0.25),
        Row("homogenized wave, t = eps^-2, against eps", 0.0, fit_rate(data["eps"], data["leading"]), 0.15),
        Row("corrected wave, t = eps^-2, against eps", 1.0, fit_rate(data["eps"], data["corrected"]), 0.25),
    ]


def _certified(data: Data) -> list[Row]:
    gap = fit_rate(data["n"][-3:], data["gap"][-3:])
    return [Row("certified interval of a checkerboard, n >= 32, against n", -corner_rate(10.0), gap, 0.04)]


def _staircase(data: Data) -> list[Row]:
    return [Row("thresholded disk, worst of three grids, against n", -1.0, fit_rate(data["n"], data["threshold"]), 0.2)]


def _percolation(data: Data) -> list[Row]:
    return [
        Row(f"tiles span across {name} from this share on", known, threshold(data["p"], data[name][1]), 0.01)
        for name, known in (("edges", EDGES), ("corners", CORNERS))
    ]


def _polycrystal(data: Data) -> list[Row]:
    excess = determinants(data).mean(axis=1) - 10
    return [Row("determinant of a polycrystal less k_1 k_2, against n", -1.0, fit_rate(data["n"], excess), 0.1)]


def _wheel(data: Data) -> list[Row]:
    return [
        Row("resolved to averaged, against eps", 1.0, fit_rate(data["eps"], data["distance"]), 0.1),
        Row("steps to resolve, against eps", -1.0, fit_rate(data["eps"], data["steps"]), 0.01),
    ]


def _kernels(data: Data) -> list[Row]:
    names = ("box", "q = 1", "q = 2", "q = 3")
    return [
        Row(
            f"force left by a kernel, {name}, against the window", -q - 1.0, fit_rate(data["periods"], data[name]), 0.15
        )
        for q, name in enumerate(names)
    ]


def _four_terms(data: Data) -> list[Row]:
    last = data["settle"] >= 2
    decay = np.polyfit(data["settle"][last], np.log(data["start"][last]), 1)[0]
    return [
        Row("error against the macro step", 2.0, fit_rate(data["macro_step"], data["macro"]), 0.1),
        Row("log of the error against the time to settle", -1.0, decay, 0.15),
        Row("scatter against replicas", -0.5, fit_rate(data["effort"], data["statistical"]), 0.1),
        Row("error against the micro step", 2.0, fit_rate(data["micro_step"][1:], data["micro"][1:]), 0.15),
        Row("resolved paths to averaged, against eps", 0.5, fit_rate(data["eps"], data["averaging"]), 0.1),
    ]


def _resonance_of_elements(data: Data) -> list[Row]:
    return [
        Row("MsFEM's tensor, linear edges, against H/eps", -1.0, fit_rate(data["ratio"], data["linear"]), 0.15),
        Row("MsFEM's tensor, oversampled, against H/eps", -1.0, fit_rate(data["ratio"], data["oversampled"]), 0.15),
    ]


def _small_periods(data: Data) -> list[Row]:
    return [Row("HMM against the resolved solution, in eps", 1.0, fit_rate(data["eps"], data["HMM"][:, 0]), 0.1)]


def _relatives(data: Data) -> list[Row]:
    N, over = (data[f"periodic-MsFEM-oversampled.{column}"] for column in ("N", "L2"))
    return [Row("MsFEM oversampled, L2, against N", -2.0, fit_rate(N, over), 0.2)]


def _fails(data: Data) -> list[Row]:
    return [
        Row("before y stands still, against eps", 1.0, fit_rate(data["eps"], data["before"]), 0.1),
        Row("after y stood still, against eps", 0.5, fit_rate(data["eps"], data["after"]), 0.1),
    ]


def _gene(data: Data) -> list[Row]:
    late, fast, events = data["fast"] >= 100, data["direct_fast"], data["direct_events"]
    return [
        Row(
            "law of the gene to its limit, against F >= 100",
            -1.0,
            fit_rate(data["fast"][late], data["distance"][late]),
            0.05,
        ),
        Row("events of direct simulation, against F >= 1000", 1.0, fit_rate(fast[-2:], events[-2:]), 0.15),
    ]


def _swarm(data: Data) -> list[Row]:
    return [
        Row("all bacteria to drift and diffusion, against eps", 2.0, fit_rate(data["ladder"], data["distance"]), 0.2)
    ]


def _cable(data: Data) -> list[Row]:
    small, c = data["eps"] <= 0.75, speed(cable_conductivity())
    lag = 1 - data["speed"][small] / c
    return [
        Row("what a front lacks of its speed, against eps <= 0.75", 2.0, fit_rate(data["eps"][small], lag), 0.2),
        Row("speed of the front by HMM, over the closed form", 1.0, float(data["hmm_speed"]) / c, 2e-3),
    ]


RATES: dict[str, Callable[[Data], list[Row]]] = {
    "00-cost": _cost,
    "01-rivals": _rivals,
    "02-affine": _affine,
    "02-limit": _limit,
    "02-rve": _rve,
    "03-forget": _forget,
    "03-long": _long,
    "04-convergence": _convergence,
    "04-energy": _energy,
    "04-floor": _floor,
    "04-reconstruction-rates": _reconstruction,
    "05-three-answers": _three_answers,
    "05-resonance": _plain_envelopes,
    "05-oversampling": _oversampling,
    "05-windows-line": _windows_line,
    "05-windows-plane": _windows_plane,
    "05-zero-order": _zero_order,
    "05-parabolic": _parabolic,
    "05-window-end": _window_end,
    "05-long-resonance": _long_resonance,
    "06-one-problem": _one_problem,
    "06-corner": _corner,
    "06-micro": _micro_term,
    "06-coupled": _coupled,
    "06-planner": _planner,
    "10-steady": _steady,
    "10-cooling": _cooling,
    "10-permeability": _permeability,
    "10-bed": _bed,
    "11-flux": _ring,
    "11-couette": _couette,
    "11-waves": _waves,
    "12-array": _array,
    "12-beam": _beam,
    "12-panel": _panel,
    "13-bounds": _certified,
    "13-disk": _staircase,
    "13-percolation": _percolation,
    "13-polycrystal": _polycrystal,
    "14-gene": _gene,
    "14-swarm": _swarm,
    "14-cable": _cable,
    "15-wheel": _wheel,
    "15-kernels": _kernels,
    "15-four-terms": _four_terms,
    "15-fails": _fails,
    "16-resonance": _resonance_of_elements,
    "16-limit": _small_periods,
    "16-study": _relatives,
}
