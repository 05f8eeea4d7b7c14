"""Checks of exercise 1, effective coefficients on a line: from the two-scale expansion to the harmonic mean."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hmm_core import exact
from hmm_course.checks import Array, array, ask, close, expression, fail, match, number, passed, recognise, require
from hmm_course.variants import numbers

Profile = Callable[[Array], Array]


def _symbols() -> tuple[Any, ...]:
    """x, y, epsilon, c, and a(y), w(y), as the notebook sets them up."""
    import sympy as sp

    x, y, eps, c = sp.symbols("x y epsilon c")
    return x, y, eps, c, sp.Function("a")(y), sp.Function("w")(y)


def chain_rule(total: Callable[[Any], Any]) -> None:
    """total(g) = dg/dx + (1/eps) dg/dy, the derivative of x -> g(x, x/eps)."""
    import sympy as sp

    x, y, eps, *_ = _symbols()

    def derivative(g: Any) -> Any:
        return expression(ask(total, g, name="total", case=f"g = {g}"), f"total({g})", {x, y, eps})

    slow, fast = derivative(sp.sin(x)), derivative(y**2)
    match(
        slow,
        sp.cos(x),
        "total(sin(x))",
        mistakes={
            "a function of x alone keeps its ordinary derivative; yours vanishes for sin(x).": 0,
            "a function of x alone gets no 1/eps; yours has one for sin(x).": sp.cos(x) / eps,
        },
    )
    match(
        fast,
        2 * y / eps,
        "total(y**2)",
        mistakes={
            "eps is missing: y stands for x/eps, whose derivative is 1/eps.": 2 * y,
            "y stands for x/eps, whose derivative is 1/eps, not eps.": 2 * y * eps,
            "y is no constant here: it stands for x/eps and changes with x.": 0,
            "the sign of the fast part: y = x/eps grows with x.": -2 * y / eps,
        },
    )
    g = sp.Function("g")(x, y)
    match(derivative(x * y), y + x / eps, "total(x*y)")
    match(derivative(g), g.diff(x) + g.diff(y) / eps, "total(g(x, y))")
    passed("sin(x) becomes cos(x)", "y**2 becomes 2 y/eps", "x y becomes y + x/eps")


def cell_flux(flux: Any) -> None:
    """a (1 + w'): what the equation of order 1/eps says is constant in y, per unit of the macro slope U'."""
    x, y, *_, a, w = _symbols()
    flux, slope = expression(flux, "flux"), w.diff(y)
    require(not flux.has(x), "flux still depends on x: give it per unit of macro slope, without the factor U'(x).")
    inside = not (flux.has(w.diff(y, 2)) or flux.has(a.diff(y)))
    require(inside, "flux is what stands *inside* the outer derivative d/dy; yours has been differentiated once more.")
    require(flux.has(a), "flux does not contain a(y): a flux is a conductivity times a slope.")
    match(
        flux,
        a * (1 + slope),
        "flux",
        mistakes={
            "the 1 is missing: the macro slope drives the cell, and w' only comes on top of it.": a * slope,
            "w' is missing: the corrector's slope comes on top of the macro slope.": a,
            "a flux takes the slope of the corrector, w.diff(y), not w itself.": a * (1 + w),
            "the sign: here the flux a(1 + w') points up the slope; the physical current is minus that.": -a
            * (1 + slope),
            "the corrector's slope is added to the macro slope, with a plus.": a * (1 - slope),
        },
    )
    passed("conductivity times slope", "its derivative in y is the equation of order 1/eps")


def effective(answer: Any) -> None:
    """1/<1/a> as a SymPy expression: the constant c for which the corrector is periodic."""
    import sympy as sp

    _, y, _, c, a, _ = _symbols()
    answer = expression(answer, "effective")
    require(not answer.has(c), "c is still in your answer: it is the unknown that <w'> = 0 determines.")
    require(y not in answer.free_symbols, "your answer changes with y; one number should stand for the whole period.")
    require(answer.has(a), "the coefficient a(y) has disappeared from your answer.")

    def mean(g: Any) -> Any:
        return sp.Integral(g, (y, 0, 1))

    recognise(
        answer,
        {
            "this is <a>, the arithmetic mean, the guess that the first picture refutes.": mean(a),
            "this is <1/a>: you have averaged the resistance; the conductivity is one over it.": mean(1 / a),
            "this is 1/<a>; the quantity to average is 1/a, not a.": 1 / mean(a),
            "the sign: solve <w'> = 0 with w' = c/a - 1.": -1 / mean(1 / a),
        },
    )
    constant = answer.subs(a, sp.Integer(3)).doit()
    match(number(constant, "effective for a = 3"), 3.0, "effective for the constant a = 3")
    value = number(answer.subs(a, 2 + sp.cos(2 * sp.pi * y)).evalf(15), "effective for a = 2 + cos(2 pi y)")
    match(value, np.sqrt(3), "effective for a = 2 + cos(2 pi y)")
    passed("a constant medium keeps its value", "2 + cos(2 pi y) gives the square root of 3")


def harmonic_mean(effective_1d: Callable[..., float]) -> None:
    """effective_1d(a, n): 1/<1/a> by a rule with n points on one period."""
    n = 64

    def of(a: Profile, case: str) -> float:
        return number(ask(effective_1d, a, n, name="effective_1d", case=case), f"effective_1d for {case}")

    def layers(y: Array) -> Array:
        return np.where(np.mod(y, 1) < 0.5, 1.0, 9.0)

    def wave(y: Array) -> Array:
        return 2 + np.cos(2 * np.pi * np.asarray(y))

    constant = of(lambda y: 3.0 + 0 * np.asarray(y), "the constant a = 3")
    invert = "this averages 1/a, the resistance; the conductivity is one over that."
    divide = "this is a sum and not yet an average: divide by the number of points, n."
    recognise(constant, {divide: 3 * n})
    mistakes = {invert: 1 / 3, divide: 3 / n, divide + " Then turn it over.": n / 3}
    match(constant, 3.0, "effective_1d for the constant a = 3", mistakes=mistakes)

    ends = "both ends of the period are among your points, y = 0 and y = 1: that is the same point, counted twice."
    half = of(layers, "two equal layers of 1 and 9")
    recognise(
        half,
        {
            "for layers of 1 and 9 this is 5, the arithmetic mean: right for layers side by side, not one after the other.": 5,
            "for layers of 1 and 9 this is 3, the geometric mean; that answers a checkerboard in the plane, not a line.": 3,
            invert: 5 / 9,
        },
    )
    for points in (n, n + 1):
        recognise(half, {ends: 1 / np.mean(1 / layers(np.linspace(0, 1, points)))})
    require(1 <= half <= 5, f"layers of 1 and 9 give {half:.3g}; it must lie between 1, the smallest, and 5, the mean.")
    match(half, 1.8, "effective_1d for two equal layers of 1 and 9")

    value = of(wave, "a = 2 + cos(2 pi y)")
    shifted = of(lambda y: wave(np.asarray(y) + 0.3), "a = 2 + cos(2 pi (y + 0.3))")
    require(close(shifted, value), "the answer changes when the material is shifted by 0.3 periods; it should not.")
    match(value, np.sqrt(3), "effective_1d for a = 2 + cos(2 pi y)")
    sine = of(lambda y: 1.1 + np.sin(2 * np.pi * np.asarray(y)), "a = 1.1 + sin(2 pi y)")
    match(sine, np.sqrt(1.1**2 - 1), "effective_1d for a = 1.1 + sin(2 pi y)", rtol=1e-6)
    passed("constants are kept", "layers of 1 and 9 give 1.8", "a shift changes nothing", "closed forms to six digits")


def corrector(w: Profile, seed: int = 0) -> None:
    """w(y) = sin(2 pi y)/(2 pi m): w' = A*/a - 1 for a = 1/(m + cos 2 pi y), periodic, with mean zero; m = 2, or by the seed."""
    y, step, m = (np.arange(60) + 0.5) / 60, 1e-4, numbers("01", seed)["alpha"]

    def at(points: Array, case: str) -> Array:
        return array(ask(w, points, name="corrector", case=case), "corrector(y)", points.shape)

    value = at(y, "60 points of one period")
    sine, cosine = np.sin(2 * np.pi * y), np.cos(2 * np.pi * y)
    recognise(
        value,
        {
            "this is the slope w'; the corrector is its integral.": cosine / m,
            "the sign: where a is small the slope must exceed the mean, so w' = A*/a - 1.": -sine / (2 * m * np.pi),
            "a factor 2 pi: the integral of cos(2 pi y) is sin(2 pi y)/(2 pi).": sine / m,
            f"a factor: the integral of cos(2 pi y)/{m} has the 1/{m} and the 1/(2 pi).": sine / (2 * np.pi),
            "w does nothing: the slope A*/a - 1 is not zero.": 0 * y,
        },
    )
    if m != 2:
        recognise(value, {f"your w belongs to a mean resistance of 2; that of this rod is {m}.": sine / (4 * np.pi)})
    next_period = at(y + 1, "the next period") - value
    require(
        abs(next_period) < 1e-9, f"w is not periodic: it changes by {next_period[0]:.3g} from one period to the next."
    )
    slope = (at(y + step, "shifted points") - at(y - step, "shifted points")) / (2 * step)
    match(slope, cosine / m, "the slope of w, compared with A*/a - 1,", rtol=1e-5)
    require(abs(value.mean()) < 1e-9, f"w has the mean {value.mean():.3g}: choose the constant for which it is zero.")
    match(value, sine / (2 * m * np.pi), "corrector(y)", rtol=1e-6)
    passed("periodic", "mean zero", "slope A*/a - 1")


def reconstruction(u: Callable[[Array, float], Array], seed: int = 0) -> None:
    """u(x, eps) = U(x) + eps w(x/eps) U'(x) for U = m x(1 - x)/2: second order in eps from the true solution; m as above."""
    x, m = np.linspace(0, 1, 401), numbers("01", seed)["alpha"]

    def w(y: Array) -> Array:
        return np.sin(2 * np.pi * y) / (2 * m * np.pi)

    def at(eps: float) -> Array:
        return array(ask(u, x, eps, name="reconstruct", case=f"eps = 1/{1 / eps:.0f}"), "reconstruct(x, eps)", x.shape)

    macro, slope, eps = m * x * (1 - x) / 2, m * (1 - 2 * x) / 2, 1 / 8
    recognise(
        at(eps),
        {
            "eps is missing in front of the corrector: it is u1 that carries w, and u1 comes with a factor eps.": macro
            + w(x / eps) * slope,
            "w has to be asked at the fast variable x/eps, not at x.": macro + eps * w(x) * slope,
            "the corrector is multiplied by the slope U'(x), not by U(x).": macro + eps * w(x / eps) * macro,
            "the slope U'(x) is missing: the corrector w answers a slope of 1.": macro + eps * w(x / eps),
            "the sign: the corrector is added.": macro - eps * w(x / eps) * slope,
            "this is U alone, without its fine scale.": macro,
            "this is the correction alone; it is added to U(x).": eps * w(x / eps) * slope,
        },
    )
    if m != 2:
        bare = eps * w(x / eps) * (1 - 2 * x)
        recognise(
            at(eps),
            {
                f"your U is x(1-x); that of this rod has the factor {m / 2:g} in front.": x * (1 - x) + bare,
                f"U has its factor {m / 2:g}, but its slope U' does not.": macro + bare,
            },
        )
    require(abs(at(eps)[[0, -1]]) < 1e-9, "the reconstruction must vanish at both ends, as U and w(x/eps) do here.")
    distance = {e: np.sqrt(np.mean((at(e) - exact.cosine_solution(x, e, alpha=m)) ** 2)) for e in (1 / 8, 1 / 16)}
    if distance[1 / 16] > 0.3 * distance[1 / 8]:
        ratio = distance[1 / 8] / distance[1 / 16]
        fail(f"half the eps should leave a quarter of the distance to the true solution; yours shrinks by {ratio:.2g}.")
    match(at(eps), macro + eps * w(x / eps) * slope, "reconstruct(x, eps)", rtol=1e-6)
    passed("zero at both ends", "half the eps, a quarter of the distance to the true solution")
