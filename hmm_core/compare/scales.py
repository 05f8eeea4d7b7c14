r"""Instead of averaging: resolve dx/dt = f(x, y, t), dy = g dt/eps + eps^(-1/2) s dW all the way, or leap."""

import itertools
import math
from typing import Any

import numpy as np

from hmm_core.macro.averaging import AveragedForce, AveragedSolution, FastProcess, Path, checked
from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray


def resolve_scales(
    slow: Any, fast: FastProcess, eps: float, initial: Any, times: Any, *, rng: np.random.Generator | None = None
) -> AveragedSolution:
    """x and one y together, in steps of fast.step eps: y as the fast process steps, x by Heun's method. The cost grows
    like 1/eps; window, settle, kernel and replicas mean nothing here. Arguments and errors as for ``solve_averaged``."""
    x, times = checked(slow, fast, initial, times, rng)
    _positive(eps)
    f, path, y, x = AveragedForce(slow, fast).at, Path(), fast.start[:, None], x[:, None]
    for start, end in itertools.pairwise(times):
        count = math.ceil((end - start) / (fast.step * eps) - 1e-9)
        h = (end - start) / count
        for k in range(count):
            t = start + k * h
            slope = f(x, y, t)
            path.add(t, x[:, 0], slope[:, 0])
            y = fast.stepped(x + h / 2 * slope, y, h / eps, rng)
            x = x + h / 2 * (slope + f(x + h * slope, y, t + h))
        _finite(x, y, end)
    path.add(end, x[:, 0], f(x, y, end)[:, 0])
    return path.solution(times, [], float(times[-1] - times[0]) / eps)


def projective(
    slow: Any, fast: FastProcess, eps: float, initial: Any, times: Any, *, step: float, inner: int = 3
) -> AveragedSolution:
    """Projective forward Euler: ``inner`` + 1 resolved Euler steps of fast.step eps let a transient of y die out; then the change
    of the whole state (x, y) in the last one is extrapolated over the rest of a macro ``step``.

    For a y that relaxes. One that oscillates has no direction that is worth a leap, and one with noise is refused.
    (Scholarpedia, "Equation-free modeling", doi:10.4249/scholarpedia.4847; Maclean and Gottwald,
    doi:10.48550/arXiv.1301.6851.) Arguments and errors as for ``solve_averaged``.
    """
    x, times = checked(slow, fast, initial, times, None if fast.noise is None else np.random.default_rng())
    _positive(eps)
    if fast.noise is not None:
        raise ValueError(
            f"noise={fast.noise!r}: projective integration extrapolates a path, and a noisy one has no slope"
        )
    h = fast.step * eps
    shortest = min(step, np.diff(times).min() / math.ceil(np.diff(times).min() / step)) if step > 0 else 0.0
    if inner < 0 or not (inner + 1) * h <= shortest < math.inf:
        raise ValueError(
            f"step={step!r} and the distance of times must not be shorter than inner + 1 = {inner + 1} resolved steps of {h:g}"
        )
    f, path, y, x = AveragedForce(slow, fast).at, Path(), fast.start[:, None], x[:, None]
    for start, end in itertools.pairwise(times):
        count = math.ceil((end - start) / step - 1e-9)
        leap = (end - start) / count - (inner + 1) * h
        for k in range(count):
            t = start + k * (end - start) / count
            for _ in range(inner + 1):
                slopes = f(x, y, t), fast.rhs(x, y) / eps
                path.add(t, x[:, 0], slopes[0][:, 0])
                x, y, t = x + h * slopes[0], y + h * slopes[1], t + h
            x, y = x + leap * slopes[0], y + leap * slopes[1]
            _finite(x, y, t)
    path.add(end, x[:, 0], f(x, y, end)[:, 0])
    return path.solution(times, [], (len(path.steps) - 1) * fast.step)


def _positive(eps: float) -> None:
    if not 0 < eps < math.inf:
        raise ValueError(f"eps={eps!r} must be a positive number")


def _finite(x: Array, y: Array, t: float) -> None:
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ConvergenceError(
            f"the state is not finite any more at t={t}: the resolved steps are too long, or too few"
        )
