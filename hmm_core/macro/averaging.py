r"""Scales in time: dx/dt = f(x, y, t) with a y so fast that x only feels its average.

    dy = g(x, y) dt/eps + eps^(-1/2) s(x) dW,    or in its own time tau = t/eps:    dy = g d tau + s dW

If y, with x held, forgets where it began, x follows dX/dt = F(X, t), F(x, t) = E_mu_x[f(x, y, t)]: the averaging principle. F has
no formula; it is asked for. Where the macro integrator wants it, y runs with x held, for a time ``settle`` and then for a
``window``, and the weighted mean of f over the window is the answer. Nothing of this depends on eps. (E, Liu and
Vanden-Eijnden, Comm. Pure Appl. Math. 58, 2005; Kelly and Vanden-Eijnden, doi:10.1186/s40687-017-0112-2.)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline

from hmm_core.micro.krylov import ConvergenceError

Array = np.ndarray
STAGES = {  # Butcher's A and b of the methods with a given step; c = sums of the rows of A
    "euler": ([[]], [1.0]),
    "heun": ([[], [1.0]], [0.5, 0.5]),
    "rk4": ([[], [0.5], [0.0, 0.5], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
}
ADAPTIVE = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")


@dataclass(frozen=True, eq=False)
class FastProcess:
    """The fast variable, in its own time tau, and how it is watched.

    rhs      g(x, y) -> (m, R), for x (n, 1) and R replicas y (m, R)
    start    y at the beginning (m,)
    step     of the integrator: Runge and Kutta's of order 4; with noise Heun's, of weak order 2
    window   length of the average
    settle   time that is left out before it
    kernel   weight of the average, over s in (-1/2, 1/2) windows: "box", or ("smooth", q), proportional to (1/4 - s^2)^q, which
             forgets the ends of the window faster: for y of period P the error is O((P/window)^(q+1))
    noise    s: a number, (m,) numbers, or a function of x (n, 1); None for an ordinary differential equation
    replicas independent copies, with noise
    """

    rhs: Callable[[Array, Array], Array]
    start: Any
    step: float
    window: float
    settle: float = 0.0
    kernel: str | tuple[str, float] = "box"
    noise: Any = None
    replicas: int = 1

    def __post_init__(self) -> None:
        if not callable(self.rhs):
            raise TypeError(f"rhs={self.rhs!r} must be a function g(x, y)")
        start = np.atleast_1d(np.asarray(self.start, dtype=float))
        if start.ndim != 1 or not np.isfinite(start).all():
            raise ValueError(f"start={self.start!r} must be finite numbers, one for each fast variable")
        object.__setattr__(self, "start", start)
        for name, low in (("step", 0.0), ("window", 0.0), ("settle", -1.0)):
            value = getattr(self, name)
            if not (isinstance(value, Real) and not isinstance(value, bool) and low < value < math.inf) or value < 0:
                allowed = "a positive number" if low == 0 else "a number, not negative"
                raise ValueError(f"{name}={value!r} must be {allowed}, in the time of the fast variable")
        if self.window < self.step:
            raise ValueError(f"window={self.window!r} is shorter than step={self.step!r}: there is nothing to average")
        q = self.kernel[1] if isinstance(self.kernel, tuple) and len(self.kernel) == 2 else 0
        if self.kernel not in ("box", ("smooth", q)) or not 0 <= q < math.inf:
            raise ValueError(f"kernel={self.kernel!r} must be 'box' or ('smooth', q) with q >= 0")
        whole = isinstance(self.replicas, Integral) and not isinstance(self.replicas, bool)
        if not whole or self.replicas < 1:
            raise ValueError(f"replicas={self.replicas!r} must be an integer, at least 1")
        if self.noise is None and self.replicas > 1:
            raise ValueError(f"replicas={self.replicas!r}: without noise all of them are the same one")

    @property
    def weights(self) -> Array:
        """Of the values of f at the steps 0 ... N of a window; their sum is 1."""
        s = np.linspace(-0.5, 0.5, round(self.window / self.step) + 1)
        weight = np.ones_like(s) if self.kernel == "box" else (0.25 - s**2) ** self.kernel[1]
        weight[[0, -1]] *= 0.5
        return weight / weight.sum()

    def stepped(self, x: Array, y: Array, h: float, rng: np.random.Generator | None) -> Array:
        """y (m, R) a step h later, x (n, 1) held."""

        def g(y: Array) -> Array:
            value = np.asarray(self.rhs(x, y), dtype=float)
            if value.shape != y.shape:
                raise ValueError(f"rhs returned shape {value.shape} for y of shape {y.shape}")
            return value

        if self.noise is None:
            k1 = g(y)
            k2 = g(y + h / 2 * k1)
            k3 = g(y + h / 2 * k2)
            return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + g(y + h * k3))
        s = np.asarray(self.noise(x) if callable(self.noise) else self.noise, dtype=float)
        kick = s.reshape(-1, 1) * math.sqrt(h) * rng.standard_normal(y.shape)
        k1 = g(y)
        return y + h / 2 * (k1 + g(y + h * k1 + kick)) + kick


@dataclass(frozen=True, eq=False)
class Force:
    """One answer: F (n,) at x (n,) and time t, and its standard error (n,) if there are replicas to tell it."""

    t: float
    x: Array
    F: Array
    stderr: Array | None


@dataclass(frozen=True)
class AveragedForce:
    """F(x, t), asked from a fast process: the closure of an ordinary differential equation."""

    slow: Callable[[Array, Array, float], Array]
    fast: FastProcess

    def __call__(self, x: Array, t: float, y: Array, rng: np.random.Generator | None) -> tuple[Force, Array]:
        """The answer at x (n,), and where y (m, R) has come from where it stood.

        Raises ConvergenceError if y or f leaves the finite numbers.
        """
        fast, held = self.fast, x[:, None]
        count = math.ceil(fast.settle / fast.step - 1e-9)
        for _ in range(count):
            y = fast.stepped(held, y, fast.settle / count, rng)
        total, weights = 0.0, fast.weights
        h = fast.window / (len(weights) - 1)
        for k, weight in enumerate(weights):
            if k:
                y = fast.stepped(held, y, h, rng)
            if weight:
                total = total + weight * self.at(held, y, t)
        if not (np.isfinite(total).all() and np.isfinite(y).all()):
            raise ConvergenceError(
                f"the fast variable left the finite numbers at t={t}, x={x.tolist()}: try a smaller step than {fast.step}"
            )
        replicas = total.shape[1]
        stderr = total.std(axis=1, ddof=1) / math.sqrt(replicas) if replicas > 1 else None
        return Force(t, x.copy(), total.mean(axis=1), stderr), y

    def at(self, x: Array, y: Array, t: float) -> Array:
        """f (n, R) at x (n, 1), y (m, R)."""
        value = np.asarray(self.slow(x, y, t), dtype=float)
        if value.shape not in ((len(x), 1), (len(x), y.shape[1])):
            raise ValueError(f"slow returned shape {value.shape}; {(len(x), y.shape[1])} is needed")
        return np.broadcast_to(value, (len(x), y.shape[1]))


@dataclass(frozen=True, eq=False)
class AveragedSolution:
    """X at ``times`` (T,): x (n, T). ``at(t)`` interpolates between the steps of the macro integrator.

    history    every answer that the fast process gave, in order
    fast_time  how long it ran for them, all replicas together, in its own time
    """

    times: Array
    x: Array
    history: tuple[Force, ...] = field(repr=False)
    fast_time: float
    _between: Callable[[Array], Array] = field(repr=False)

    def at(self, t: Any) -> Array:
        """X (n, ...) at times t (...) of the solution."""
        t = np.asarray(t, dtype=float)
        if not ((t >= self.times[0]) & (t <= self.times[-1])).all():
            raise ValueError(f"t={t.tolist()} must lie in [{self.times[0]}, {self.times[-1]}]")
        return self._between(t.ravel()).reshape(-1, *t.shape)


def solve_averaged(
    slow: Callable[[Array, Array, float], Array],
    fast: FastProcess,
    initial: Any,
    times: Sequence[float],
    *,
    method: str = "RK45",
    step: float | None = None,
    rng: np.random.Generator | None = None,
    keep: str | None = None,
    progress: bool = False,
    **options: Any,
) -> AveragedSolution:
    r"""Solve dX/dt = F(X, t) with the average F of f that the fast process tells whenever it is asked.

    Parameters
    ----------
    slow : f(x, y, t) -> (n, R), x (n, 1), y (m, R).
    fast : ``FastProcess``.
    initial : X at times[0]: a number or (n,).
    times : where X is wanted, increasing.
    method : with a given ``step``, "euler", "heun" or "rk4", whose steps are shortened so that they meet ``times``; or a method
        of ``scipy.integrate.solve_ivp``, which chooses its steps by ``rtol`` and ``atol`` (``options`` are handed on to it).
    keep : "state" - y goes on from where it was left, with new random numbers; nothing has to settle again. "nothing" - every
        question starts from ``fast.start`` with the same random numbers, so that F is a smooth function of x and t: what methods
        that choose their steps need, and so have. By default "state" with a given step.
    rng : a Generator, needed where there is noise.
    progress : show a bar of time.

    Errors of five kinds: of the macro steps; of F: the window (an oscillation not averaged out; with noise a
    statistical one, (window replicas)^(-1/2)), the start not forgotten (e^(-settle/tau)), the micro step; and of averaging
    itself, O(eps) or, with noise, eps^(1/2), which no choice here changes.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind or shape; times that do not increase; noise without a Generator (a seed is none).
    ConvergenceError
        The fast variable, or X, is not finite any more: names time and place; or solve_ivp gave up. It and KeyboardInterrupt
        carry the solution up to there as ``error.unfinished``.
    """
    x, times = checked(slow, fast, initial, times, rng)
    if method not in (*STAGES, *ADAPTIVE):
        raise ValueError(f"method={method!r} is not one of {', '.join([*STAGES, *ADAPTIVE])}")
    if (step is not None) != (method in STAGES) or not (step is None or 0 < step < math.inf):
        raise ValueError(f"step={step!r}: a positive step belongs to {', '.join(STAGES)}, and to them only")
    keep = keep or ("state" if step else "nothing")
    if keep not in ("state", "nothing") or (keep == "state" and not step):
        raise ValueError(f"keep={keep!r} must be 'nothing', or, with a given step, 'state'")
    return _Watch(slow, fast, times, rng, keep, progress).run(x, method, step, options)


def checked(slow: Any, fast: Any, initial: Any, times: Any, rng: Any) -> tuple[Array, Array]:
    """X at the beginning (n,) and the times (T,); TypeError or ValueError for anything that is not what it should be."""
    if not callable(slow):
        raise TypeError(f"slow={slow!r} must be a function f(x, y, t)")
    if not isinstance(fast, FastProcess):
        raise TypeError(f"fast={fast!r} must be a FastProcess")
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or len(times) < 2 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise ValueError(f"times={times.tolist()} must be at least two finite numbers that increase")
    x = np.atleast_1d(np.asarray(initial, dtype=float))
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError(f"initial={initial!r} must be finite numbers, one for each slow variable")
    if fast.noise is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng={rng!r}: with noise a numpy.random.Generator is needed, such as default_rng(0)")
    return x, times


class Path:
    """X at the steps of an integrator, with its slopes."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, Array, Array]] = []

    def add(self, t: float, x: Array, slope: Array) -> None:
        """x (n,) at t, and dx/dt there."""
        self.steps.append((float(t), x, slope))

    def solution(self, times: Array, history: list[Force], fast_time: float) -> AveragedSolution:
        """At these times, with cubics between the steps."""
        t, x, slope = (np.array(part) for part in zip(*self.steps, strict=True))
        between = CubicHermiteSpline(t, x, slope)
        return AveragedSolution(times, between(times).T, tuple(history), fast_time, lambda t: between(t).T)


class _Watch:
    """One solve: what has been asked so far, and where y stands."""

    def __init__(self, slow: Callable, fast: FastProcess, times: Array, rng: Any, keep: str, progress: bool):
        self.force, self.times, self.rng, self.keep, self.progress = (
            AveragedForce(slow, fast),
            times,
            rng,
            keep,
            progress,
        )
        self.first = self.y = np.repeat(fast.start[:, None], fast.replicas, axis=1)
        self.key = None if rng is None else int(rng.integers(2**63))
        self.history: list[Force] = []
        self.path = Path()

    def ask(self, t: float, x: Array) -> Array:
        if not np.isfinite(x).all():
            raise ConvergenceError(f"X={x.tolist()} at t={t} is not finite any more: try a smaller step")
        again = self.keep == "nothing"
        rng = np.random.default_rng(self.key) if again and self.key is not None else self.rng
        answer, self.y = self.force(x, float(t), self.first if again else self.y, rng)
        self.history.append(answer)
        return answer.F

    def run(self, x: Array, method: str, step: float | None, options: dict[str, Any]) -> AveragedSolution:
        from tqdm.auto import tqdm

        bar = tqdm(total=float(self.times[-1] - self.times[0]), unit=" time", disable=not self.progress)
        try:
            with bar:
                return self._given(x, method, step, bar) if step else self._adaptive(x, method, bar, options)
        except (ConvergenceError, KeyboardInterrupt) as error:
            error.unfinished = self._so_far()
            raise

    def _given(self, x: Array, method: str, step: float, bar: Any) -> AveragedSolution:
        A, b = STAGES[method]
        for start, end in zip(self.times[:-1], self.times[1:], strict=True):
            count = math.ceil((end - start) / step - 1e-9)
            h = (end - start) / count
            for k in range(count):
                t, slopes = start + k * h, []
                for row in A:
                    stage = x + h * sum((a * s for a, s in zip(row, slopes, strict=True)), np.zeros_like(x))
                    slopes.append(self.ask(t + h * sum(row), stage))
                self.path.add(t, x, slopes[0])
                x = x + h * sum(weight * s for weight, s in zip(b, slopes, strict=True))
                bar.update(h)
        if not np.isfinite(x).all():
            raise ConvergenceError(f"X={x.tolist()} at t={end} is not finite any more: try a smaller step")
        self.path.add(end, x, slopes[-1])
        return self.path.solution(self.times, self.history, self._fast_time())

    def _adaptive(self, x: Array, method: str, bar: Any, options: dict[str, Any]) -> AveragedSolution:
        def asked(t: float, x: Array) -> Array:
            F = self.ask(t, x)
            bar.update(max(0.0, t - self.times[0] - bar.n))
            return F

        found = solve_ivp(asked, self.times[[0, -1]], x, method, self.times, dense_output=True, **options)
        if found.status != 0:
            raise ConvergenceError(f"method={method!r}: {found.message}")
        return AveragedSolution(self.times, found.y, tuple(self.history), self._fast_time(), found.sol)

    def _fast_time(self) -> float:
        fast = self.force.fast
        return len(self.history) * (fast.settle + fast.window) * fast.replicas

    def _so_far(self) -> AveragedSolution | None:
        steps = self.path.steps
        if len(steps) < 2:
            return None
        until = steps[-1][0]
        return self.path.solution(np.append(self.times[self.times < until], until), self.history, self._fast_time())
