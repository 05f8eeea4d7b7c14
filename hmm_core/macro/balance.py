r"""Balance laws: dU/dt + div F(x, U, grad U) = S(x, U), advanced in time by asking for F where it is needed.

    restrict      cell averages              ->  both states of every face
    micro_solve   states                     ->  F and its tangent, asked from the closure
    reconstruct   F                          ->  rate of change of the averages
    update        rate                       ->  the averages one step later

The four phases of the dialogue are these functions of ``upwind``, ``dialogue`` and ``stepping``.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import replace
from numbers import Integral
from types import SimpleNamespace
from typing import Any

import numpy as np

from hmm_core.closure import refuse_non_finite
from hmm_core.closure.physical import as_closure
from hmm_core.closure.table import REALISATIONS
from hmm_core.macro.flow import Flow, Stretch
from hmm_core.macro.stepping import DIFFERENCE, Law, Moment, Steps, advance
from hmm_core.macro.upwind import LIMITERS, RIEMANN, Scheme
from hmm_core.macro.volumes import Volumes, sides_of
from hmm_core.macro.workers import Pool

Array = np.ndarray


def solve_balance_law(
    grid: Volumes,
    flux: Callable,
    initial: Any,
    times: Sequence[float],
    source: Callable | None = None,
    boundary: Any = "periodic",
    executor: Executor | None = None,
    progress: bool = False,
    *,
    cfl: float = 0.45,
    dt: float | None = None,
    tol: float = 1e-3,
    limiter: str = "van_leer",
    riemann: str = "hll",
    replicas: int = 16,
    path: Any = None,
) -> Flow:
    r"""Solve dU/dt + div F(x, U, grad U) = S(x, U) on the cells of an interval or a rectangle.

    Parameters
    ----------
    grid : ``Volumes``.
    flux : F, the physical current. A closure or a function of (x, u, grad) that answers with F (d, K), dF/dU, dF/d grad U
        ((m, d, K), ... for m components), or a plain function that returns F alone: its derivatives, from which speeds and
        stiffness are estimated, are then differences. Closures of this library answer with sigma = -F: ``PhysicalFlux(closure)``.
        It may offer ``admissible(x, u) -> (K,)``, whether there is an answer for a state: cells with a face state where there
        is none get a flat profile; and ``speeds(x, u) -> (d, K), (d, K)``, the slowest and the fastest wave along every axis,
        which are otherwise eigenvalues of dF/dU.
    initial : a function of x (d, K) -> (K,), or (m, K) for m components, averaged over the cells; the averages themselves; a
        number; or a Flow, which is continued, as if it had not stopped.
    times : increasing; the first is that of ``initial``. A Flow knows its own: of these, those after its last are reached.
    source : S, a function of (x, u) or (x, u, t) that returns (c, K), or the pair S, dS/dU (m, m, K). Components that react
        and do not move stand beside one that does by ``WithImmobile(closure)``.
    boundary : one value, or {"left": ..., "right": ..., "bottom": ..., "top": ...}: "periodic", "outflow", "wall" (nothing
        passes), ("wall", (1, -1, 1)) for systems, the signs with which a wall mirrors the components, or the state that flows
        in: numbers, a function of x, or of (x, t).
    cfl : the step times the speed of waves over the width (summed over axes) stays below it; up to 1/2 a cell average is a
        mean of states that the first-order scheme would give, so bounds are kept, by a flux F(u) of one component whatever
        function it is, and by a noisy one if it is one function, as that of a ``TableClosure`` is. A step in whose middle waves
        turn out to be faster than that by a ninth is taken again (of one component; a given ``dt`` is not changed).
    dt : a step (the last before one of the times is shorter); an error if waves are too fast for it, or if it is implicit and
        less accurate than 10 ``tol``. None: the longest that ``cfl`` allows, with implicit steps or a source shorter where they
        would be less accurate than ``tol``.
    tol : relative L1 difference of the first and the second order in such a step.
    limiter : "van_leer", "mc", "minmod", or "flat", which makes the scheme one of first order.
    riemann : "hll" or "rusanov".
    replicas : of U, perturbed as the noise of the flux may perturb it, if its answers say how noisy they are; the spread of these
        is ``flow.stderr``, to a relative 1/sqrt(2 replicas). They cost arithmetic, but no micro problem: the flux heard at U is
        continued by its tangent, or, from a ``TableClosure``, by realisations of the table, which need nodes that are
        ``independent`` for a band that keeps its promise. 0: no band.
    path : a file *.npz, written whole at every one of the times; ``Flow.load`` reads it.

    Raises
    ------
    TypeError, ValueError
        Arguments of the wrong kind, shape or size; times that do not increase; a dt beyond the CFL number.
    RefusedState
        The flux has no answer for a state, or U is not finite any more; the message names time and place.
    ConvergenceError, WorkersLost
        A given step that is implicit and too long; from the micro problems and the executor.

    Whatever is raised on the way, KeyboardInterrupt too, carries what was computed as ``error.unfinished``: a Flow, up to the
    last step. Give it as ``initial``, with the same ``times``, and it goes on to the same numbers.
    """
    if not isinstance(grid, Volumes):
        raise TypeError(f"grid={grid!r} is not a grid: pass Volumes(100, (0, 1)), for example")
    if not callable(flux):
        raise TypeError(f"flux={flux!r} is not a flux: pass a closure, or a function of (x, u, grad)")
    if source is not None and not callable(source):
        raise TypeError(f"source={source!r} is not a function of (x, u)")
    for name, value, known in (("limiter", limiter, LIMITERS), ("riemann", riemann, RIEMANN)):
        if value not in known:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, known))}")
    if not 0 < cfl <= 1 or not 0 < tol < 1:
        raise ValueError(f"cfl={cfl!r} must lie in (0, 1], and tol={tol!r} in (0, 1)")
    if not (isinstance(replicas, Integral) and 0 <= replicas <= REALISATIONS):
        raise ValueError(f"replicas={replicas!r} must be an integer from 0 to {REALISATIONS}")
    if dt is not None and not 0 < dt < math.inf:
        raise ValueError(f"dt={dt!r} must be a positive number, or None")
    if getattr(flux, "dim", None) not in (None, grid.dim):
        raise ValueError(f"the grid is {grid.dim}D, but the flux is made for {flux.dim}D")
    if executor is not None and hasattr(flux, "realisation"):
        raise ValueError("executor: a table asks on its own; TableClosure(..., executor=executor)")
    flow = _begin(grid, initial, times)
    c = flow.averages.shape[1 : -grid.dim]
    m, scalar = (c or (1,))[0], not c
    sizes = _sizes(flow)
    flux = as_closure(flux, DIFFERENCE * sizes, float(np.max(grid.width * grid.cells)))
    offers = (getattr(flux, name, None) for name in ("admissible", "speeds"))
    repeats = hasattr(flux, "realisation")
    scheme = Scheme(
        grid, sides_of(boundary, grid, m, scalar), LIMITERS[limiter], RIEMANN[riemann], scalar, *offers, repeats
    )
    pool = None if executor is None else Pool(executor, flux)
    law, steps = Law(scheme, flux, source, sizes, replicas, pool), Steps(cfl, dt, tol)
    now = Moment(float(flow.times[-1]), flow.averages[-1].reshape(m, *grid.cells), flow.memory, flow.dt, flow.replicas)
    ends, reached = [float(end) for end in times if end > now.t], []
    if path is not None:
        flow.save(path)
    try:
        with _bar(progress, now.t, ends) as bar:
            for end in ends:
                now, stretch = advance(law, steps, now, end, bar)
                reached.append((now, stretch))
                if path is not None:
                    _extended(flow, reached).save(path)
    except (Exception, KeyboardInterrupt) as error:
        now, stretch = getattr(error, "moment", (now, None))
        if stretch is not None and now.t > (reached[-1][0].t if reached else flow.times[-1]):
            reached.append((now, stretch))
        error.unfinished = _extended(flow, reached)
        raise
    return _extended(flow, reached)


# -- the beginning and the record ----------------------------------------------------------------------------------------


def _begin(grid: Volumes, initial: Any, times: Sequence[float]) -> Flow:
    """A flow at the first of the times, from what the user gave."""
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not times.size or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise ValueError(f"times={times.tolist()} must be finite numbers that increase, the first that of initial")
    if isinstance(initial, Flow):
        if initial.grid != grid:
            raise ValueError(f"initial is a flow on {initial.grid}, not on {grid}")
        return initial
    if callable(initial):
        U = grid.average("initial", initial)
    else:
        U = np.asarray(initial)
        if U.dtype.kind not in "fiu" or not (
            U.ndim == 0 or (U.ndim <= grid.dim + 1 and U.shape[-grid.dim :] == grid.cells)
        ):
            raise ValueError(
                f"initial has shape {U.shape} and type {U.dtype}: a function of x, a number, or averages are needed, "
                f"{grid.cells} or (m, *{grid.cells})"
            )
        U = np.full(grid.cells, float(U)) if U.ndim == 0 else U.astype(float)
        refuse_non_finite(U.reshape(-1, int(np.prod(grid.cells))), grid.centres.reshape(grid.dim, -1), "initial")
    return Flow(times[:1], U[None], grid, (Stretch(float(times[0])),))


def _sizes(flow: Flow) -> Array:
    """How large the components (m,) are. From the first state: the same after a pause."""
    sizes = np.abs(flow.averages[0].reshape(-1, int(np.prod(flow.grid.cells)))).mean(axis=1)
    return np.where(sizes > 0, sizes, sizes.max() or 1.0)


def _extended(flow: Flow, reached: list[tuple[Moment, Stretch]]) -> Flow:
    """The flow with what was reached since."""
    if not reached:
        return flow
    moments, history = zip(*reached, strict=True)
    shape, last = flow.averages.shape[1:], moments[-1]
    noisy = [
        np.zeros(shape) if now.replicas is None else np.sqrt(((now.replicas - now.U) ** 2).mean(axis=0)).reshape(shape)
        for now in moments
    ]
    stderr = None
    if last.replicas is not None:
        stderr = np.concatenate([np.zeros_like(flow.averages) if flow.stderr is None else flow.stderr, noisy])
    return replace(
        flow,
        times=np.concatenate([flow.times, [now.t for now in moments]]),
        averages=np.concatenate([flow.averages, [now.U.reshape(shape) for now in moments]]),
        history=(*flow.history, *history),
        stderr=stderr,
        memory=last.memory,
        dt=last.dt,
        replicas=last.replicas,
    )


def _bar(progress: bool, begin: float, ends: list[float]) -> Any:
    if not progress or not ends:
        return nullcontext(SimpleNamespace(update=lambda dt: None))
    from tqdm.auto import tqdm

    return tqdm(
        total=ends[-1] - begin, desc="time", bar_format="{desc}: {percentage:3.0f}% {bar} {elapsed}<{remaining}"
    )
