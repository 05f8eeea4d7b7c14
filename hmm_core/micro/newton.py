"""Newton's method for many small nonlinear problems at once, each damped and stopped by itself.

A *problems* object (``nonlinear`` has two kinds) describes B of them; their common state is a dict of arrays.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from hmm_core.micro.grid import Array
from hmm_core.micro.krylov import ConvergenceError
from hmm_core.micro.sampled_law import LAW, Batch

STEPS = 40  # Newton steps of one attempt
SHORTEST = 2.0**-10  # damping at which a step is given up
FASTEST, SLOWEST = 0.1, 0.9  # factors by which continuation reduces the linear law that helps it
VALUES = (*LAW, "r", "gap")  # of a state; the rest are its unknowns


def _solve_batch(problems: Any, memory: Batch | None) -> Batch:
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


def _continue(problems: Any, k: int, state: Batch, steps: Array, work: Array) -> None:
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
        f"the nonlinear cell problem at x={law.place(k)}, u={law.value(k)}, grad={one.G[0].tolist()} did not converge: Newton's "
        f"method stalls with {mixture:.1e} of a linear law mixed in. Is the flux law monotone in xi?"
    )


def _newton(problems: Any, state: Batch) -> tuple[Batch, Batch | None, Array, Array, Array]:
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
        deep = balance["merit"] <= balance["round_off"]  # may be noise: a step that does not help is the last
        rest = deep.copy()
        while left.size and damping >= SHORTEST:
            trying, begin, onward = some.of(left), _pick(now, left), _pick(step, left)
            trial = trying.values({name: begin[name] + damping * onward[name] for name in onward})
            merit = np.where(trying.finite(trial), trying.merit(trial, balance["diagonal"][left]), np.inf)
            good = merit <= np.maximum((1 - damping / 2) * balance["merit"][left], balance["target"][left])
            _place(state, count, live[left[good]], _pick(trial, good))
            rest[left[good]] = False
            left, damping = left[~good & ~deep[left]], damping / 2
        stuck[live[left]] = True
        settled = _place(settled, count, live[rest], _pick(balance, rest))
        live = np.delete(live, np.union1d(left, np.flatnonzero(rest)))
        going = np.ones(len(live), dtype=bool)
        if not live.size:
            break
    stuck[live[going]] = True
    return state, None if stuck.any() else settled, steps, work, stuck


def _pick(state: Batch, chosen: Array) -> Batch:
    """Some of the problems, by mask or by increasing numbers; all of them are not copied."""
    count = chosen.sum() if chosen.dtype == bool else len(chosen)
    return state if all(len(value) == count for value in state.values()) else {n: v[chosen] for n, v in state.items()}


def _place(state: Batch, count: int, where: Array, part: Batch) -> Batch:
    """The inverse of ``_pick``: a part written into the state of ``count`` problems."""
    for name, value in part.items():
        if len(where) == count:
            state[name] = value
        elif len(where):
            state.setdefault(name, np.empty((count, *value.shape[1:]), value.dtype))[where] = value
    return state
