"""What breaks in practice: many threads at once, a function that writes where it should read, Ctrl-C, dead workers.

Numbers stay what they are alone, nothing that was found is lost, and the error says why. (Full disks: ``test_files``.)
"""

import copy
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skfem import ElementTriP1, ElementTriP2, MeshTri

import hmm_core as hmm
from hmm_core.macro import WorkersLost, workers
from hmm_core.micro import cell as cells
from hmm_core.micro.grid import FourierGrid, LineGrid, Q1Grid

ROOT = Path(__file__).resolve().parent.parent
START = get_context("forkserver")  # forking a process that has threads may hang it
SOON = 120  # seconds; nobody waits for them unless something hangs


def smooth(x, y):
    return 1 + x[0] + 0.5 * np.cos(2 * np.pi * y[0]) * np.sin(2 * np.pi * y[1])


def rough(x, y):
    return 10.0 ** (6 * (np.sin(9 * np.pi * y[0]) * np.sin(7 * np.pi * y[1]) > 0.1)) + 0 * x[0]


def skew(x, y):
    one = np.ones(np.broadcast_shapes(x[0].shape, y[0].shape))
    return np.array([[2 * one, 0.5 * np.cos(2 * np.pi * y[0]) * one], [-0.5 * one, (1 + x[0]) * one]])


def square(refinements=3):
    return hmm.macro_basis(MeshTri().refined(refinements), ElementTriP1())


POINTS = np.random.default_rng(0).random((2, 6))
LINEAR = hmm.CellClosure(smooth, hmm.CellProblem(n=6))
NONLINEAR = hmm.NonlinearCellClosure(hmm.laws.PowerLaw(smooth, 3), hmm.CellProblem(n=4))
CLOSURES = pytest.mark.parametrize("closure", [LINEAR, NONLINEAR], ids=["linear", "nonlinear"])


# -- many threads, one description ---------------------------------------------------------------------------------------


def tensor(a, **options):
    cell = hmm.CellProblem(**{"n": 10} | options)
    x = None if cell.dim != 2 else POINTS
    return lambda: cell.effective_tensor(a, x)


def ensemble(medium):
    return lambda: hmm.effective_ensemble(medium, hmm.CellProblem(n=6, size=2), 4).samples


def whole_solve(closure):
    basis = hmm.macro_basis(MeshTri().refined(2), ElementTriP2())  # scikit-fem's own caches are shared too
    return lambda: hmm.solve_elliptic(basis, closure, 1.0).u


JOBS = {
    "periodic": tensor(smooth),
    "fft": tensor(smooth, n=56),
    "dirichlet, window": tensor(smooth, bc="dirichlet", buffer=0.5, window=("smooth", 2)),
    "neumann": tensor(smooth, bc="neumann"),
    "fourier": tensor(smooth, scheme="fourier"),
    "zero-order": tensor(smooth, bc="dirichlet", equation=("zero-order", 0.5)),
    "parabolic": tensor(smooth, bc="dirichlet", equation=("parabolic", 0.1)),
    "multigrid": tensor(rough, n=40),
    "not symmetric": tensor(skew),
    "line": tensor(lambda x, y: 1.5 + np.cos(2 * np.pi * y[0]), dim=1),
    "space": tensor(lambda x, y: 1.5 + np.cos(2 * np.pi * y[0]), dim=3, n=5),
    "gaussian": ensemble(hmm.media.gaussian_phases(1.0, 10.0, length=0.5, rng=3)),
    "random disks": ensemble(hmm.media.random_disks(10.0, fraction=0.3, rng=5)),
    "linear solve": whole_solve(LINEAR),
    "nonlinear solve": whole_solve(NONLINEAR),
}


@pytest.fixture
def impatient():
    """Threads take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("name", JOBS)
def test_eight_threads_at_once_from_cold(name, impatient):
    """One cell problem, grid, closure, medium for all of them, and nothing in the caches: the same bits as alone."""
    job, line = JOBS[name], threading.Barrier(8)
    alone = job()
    cells._grid.cache_clear()
    Q1Grid.window.cache_clear()

    def run(_):
        line.wait(SOON)
        return job()

    with ThreadPoolExecutor(8) as executor:
        for answer in executor.map(run, range(8)):
            np.testing.assert_array_equal(answer, alone)


def test_a_singular_macro_problem_leaves_warning_filters_alone(monkeypatch):
    """They belong to all threads: one that changes them and puts them back may put back what another had changed."""
    changed, original = [], warnings.catch_warnings

    def counted(*given, **options):
        changed.append(given)
        return original(*given, **options)

    with monkeypatch.context() as patch, suppress(hmm.ConvergenceError):
        patch.setattr(warnings, "catch_warnings", counted)
        hmm.solve_elliptic(square(1), hmm.ExactClosure(1.0), 1.0)
        hmm.solve_elliptic(square(1), lambda x, u, grad: (grad + x, 0.0, np.zeros((2, 2))), 1.0)
    assert not changed


# -- who may write where -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Q1Grid, FourierGrid, LineGrid])
@pytest.mark.parametrize("fields", ["scalar", "strain"])
def test_what_a_grid_remembers_cannot_be_written_to(kind, fields):
    dims = (1,) if kind is LineGrid else (2, 3)
    for dim in dims:
        grid = kind(dim, 4, 1.0, "periodic", fields)
        for name in dir(kind):
            getattr(grid, name, None)
        held = [grid.reference, grid.window(1.0), *vars(grid).values()]
        held += [part for parts in held if isinstance(parts, tuple) for part in parts]
        arrays = [value for value in held if isinstance(value, np.ndarray)]
        assert len(arrays) >= 5
        with pytest.raises(ValueError, match="read-only"):
            grid.points[:] = 0.0
        assert not any(array.flags.writeable for array in arrays)


def in_place(function):
    """The same function, written carelessly: it scales its first array of points where it stands."""

    def careless(x, *rest):
        x *= 2.0
        return function(x / 2, *rest)

    return careless


def last_in_place(x, y):
    y *= 2 * np.pi
    return 2 + np.cos(y[0]) + 0 * y[1]


def test_a_medium_that_writes_into_its_points_is_refused_and_harms_nobody():
    """The points of the grid were those of every cell problem of the session."""
    cell = hmm.CellProblem(n=7)
    with pytest.raises(ValueError, match="read-only"):
        cell.effective_tensor(last_in_place)
    expected = hmm.exact.harmonic_mean(lambda t: 2 + np.cos(2 * np.pi * t))
    np.testing.assert_allclose(
        cell.effective_tensor(lambda x, y: 2 + np.cos(2 * np.pi * y[0]))[0, 0], expected, rtol=0.02
    )
    x = POINTS.copy()
    with pytest.raises(ValueError, match="read-only"):
        cell.effective_tensor(in_place(smooth), x)
    np.testing.assert_array_equal(x, POINTS)
    with pytest.raises(ValueError, match="read-only"):
        hmm.compare.msfem_line(in_place(lambda x, y: 2 + x[0]), 0.1, 1.0, 4)


def law_in_place(which):
    def law(*question):
        question[which][...] *= 2.0
        return question[3], 0 * question[3], np.ones(question[3].shape[1:])

    return law


@pytest.mark.parametrize("which", range(4))
def test_a_law_that_writes_into_what_it_was_asked_is_refused(which):
    with pytest.raises(ValueError, match="read-only"):
        hmm.solve_elliptic(square(1), hmm.NonlinearCellClosure(law_in_place(which), hmm.CellProblem(n=4)), 1.0)


@pytest.mark.parametrize("which", range(3))
def test_a_closure_that_writes_into_what_it_was_asked_is_refused(which):
    def closure(*question, memory=None):
        question[which][...] = 0.0
        return question[2], 0.0, np.eye(2)

    with pytest.raises(ValueError, match="read-only"):
        hmm.solve_elliptic(square(1), lambda x, u, grad: closure(x, u, grad), 1.0)


def test_data_that_write_into_their_points_are_refused():
    exact = hmm.ExactClosure(1.0)
    solution = hmm.solve_elliptic(square(1), exact, 1.0)
    careless = in_place(lambda x: 1 + x[0])
    for attempt in (
        lambda: hmm.solve_elliptic(square(1), hmm.ExactClosure(careless), 1.0),
        lambda: hmm.solve_elliptic(square(1), exact, careless),
        lambda: hmm.solve_elliptic(square(1), exact, 1.0, careless),
        lambda: solution.error(careless),
        lambda: solution.error(lambda x: x[0], "energy", lambda x: 0 * x, careless),
    ):
        with pytest.raises(ValueError, match="read-only"):
            attempt()


@CLOSURES
def test_the_caller_may_write_into_answers_and_questions(closure):
    """Signs are changed in place, points moved: what is remembered stays what it was, and is not believed of other points."""
    x, u, grad = POINTS.copy(), np.zeros(6), np.ones((2, 6))
    first = closure(x, u, grad)
    remembered = copy.deepcopy(first.memory)
    for part in (*first, x, u, grad):
        part *= -1.0
    x += 1.3
    for name, value in first.memory.items():
        np.testing.assert_array_equal(value, remembered[name])
    for mine, anew in zip(closure(x, u, grad, first.memory), closure(x, u, grad), strict=True):
        np.testing.assert_array_equal(mine, anew)


@CLOSURES
def test_nothing_writes_into_a_memory(closure):
    solution = hmm.solve_elliptic(square(), closure, 1.0)
    for value in solution.memory.values():
        value.flags.writeable = False
    more = hmm.solve_elliptic(square(), closure, 1.7, initial=solution)
    np.testing.assert_allclose(more.u, hmm.solve_elliptic(square(), closure, 1.7).u, rtol=1e-7, atol=1e-12)


# -- copies that travel --------------------------------------------------------------------------------------------------


@CLOSURES
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_and_pickles_are_as_good(closure, copied):
    basis = square(2)
    solution = hmm.solve_elliptic(basis, closure, 1.0)
    twin = copied(solution)
    np.testing.assert_array_equal(twin.at([0.3, 0.4]), solution.at([0.3, 0.4]))
    assert hmm.solve_elliptic(basis, closure, 1.0, initial=twin).micro_solves == 0
    assert copied(closure) == closure and copied(closure.cell) == closure.cell
    state = POINTS, np.zeros(6), np.ones((2, 6))
    answer = copied(closure(*state))
    for mine, anew in zip(copied(closure)(*state, answer.memory), closure(*state), strict=True):
        np.testing.assert_array_equal(mine, anew)
    micro = closure.cell.solve(smooth, POINTS)
    for name, value in vars(copied(micro)).items():
        np.testing.assert_array_equal(value, getattr(micro, name))


# -- interrupts ----------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys, time, warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
import numpy as np
import skfem
import hmm_core as hmm

def wait(folder):
    end = time.monotonic() + 120
    while not (folder / "go").exists() and time.monotonic() < end:
        time.sleep(0.01)

@dataclass(frozen=True)
class Patient:
    '''Says that it was asked, and answers once it may.'''
    folder: Path

    def __call__(self, x, u, grad):
        (self.folder / f"asked {x[0, 0]!r}").touch()
        wait(self.folder)
        return (1 + x[0]) * grad, 0.0, (1 + x[0]) * np.eye(2)[:, :, None]

POOLS = {
    "this process": lambda: None,
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(1, mp_context=get_context("forkserver")),
}

if __name__ == "__main__":
    kind, folder = sys.argv[1], Path(sys.argv[2])
    basis = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1())
    executor = POOLS[kind]()
    try:
        hmm.solve_elliptic(basis, Patient(folder), 1.0, executor=executor, progress=True)
    except KeyboardInterrupt as stop:
        print("interrupted", stop.unfinished, flush=True)
        wait(folder)
        print(hmm.solve_elliptic(basis, Patient(folder), 1.0, executor=executor).u.sum().item(), flush=True)
        if executor:
            executor.shutdown()
        raise
"""


def until(condition):
    """Wait for what is sure to come."""
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def group_is_empty(leader):
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kind", ["this process", "threads", "processes"])
def test_ctrl_c_comes_through_and_the_pool_goes_on(kind, tmp_path):
    """A terminal sends it to all processes; a pool whose workers died of it is reported, and the next solve goes on here."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    folder = tmp_path / "said"
    folder.mkdir()
    child = subprocess.Popen(
        [sys.executable, script, kind, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        until(lambda: any(folder.iterdir()) or child.poll() is not None)
        os.killpg(child.pid, signal.SIGINT)
        assert child.stdout.readline() == "interrupted None\n"  # while the workers are still at it
        (folder / "go").touch()
        said, errors = child.communicate(timeout=SOON)
        expected = hmm.solve_elliptic(square(), hmm.ExactClosure(lambda x: 1 + x[0]), 1.0).u.sum()
        assert float(said) == pytest.approx(expected, rel=1e-12)
        assert child.returncode == -signal.SIGINT, errors
        assert "dialogue 1" in errors and re.search(r"^Traceback", errors, re.MULTILINE), "the bar ended its line"
        until(lambda: group_is_empty(child.pid))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


@dataclass
class Stopped:
    """A closure that is interrupted when it is asked for the so-manyth time."""

    closure: Any
    turn: int
    error: type[BaseException] = KeyboardInterrupt
    asked: int = 0

    def __eq__(self, other):
        return self.closure == getattr(other, "closure", other)

    def __call__(self, x, u, grad, memory=None, tol=None):
        self.asked += 1
        if self.asked == self.turn:
            raise self.error
        return self.closure(x, u, grad, memory, tol)


def test_an_interrupt_loses_nothing():
    through = hmm.solve_elliptic(square(), NONLINEAR, 1.0)
    turns = len(through.history)
    assert turns >= 5
    for turn in range(2, turns):
        with pytest.raises(KeyboardInterrupt) as stop:
            hmm.solve_elliptic(square(), Stopped(NONLINEAR, turn), 1.0)
        unfinished = stop.value.unfinished
        assert unfinished.history[:-1] == through.history[: turn - 2] and len(unfinished.history) == turn - 1
        rest = hmm.solve_elliptic(square(), NONLINEAR, 1.0, initial=replace(unfinished, closure=NONLINEAR))
        assert rest.history[0].micro_solves == 0, "what was asked is not asked again"
        np.testing.assert_allclose(rest.u, through.u, rtol=1e-8, atol=1e-12)
    with pytest.raises(KeyboardInterrupt) as stop:
        hmm.solve_elliptic(square(), Stopped(NONLINEAR, 1), 1.0)
    assert stop.value.unfinished is None


def test_a_dialogue_that_gave_up_keeps_its_best_state():
    through = hmm.solve_elliptic(square(), NONLINEAR, 1.0)
    with pytest.raises(hmm.ConvergenceError, match="in 3 updates") as failure:
        hmm.solve_elliptic(square(), NONLINEAR, 1.0, max_iter=3)
    unfinished = failure.value.unfinished
    assert unfinished.history[:3] == through.history[:3] and len(unfinished.history) == 4
    rest = hmm.solve_elliptic(square(), NONLINEAR, 1.0, initial=unfinished)
    assert rest.history[0].micro_solves == 0
    assert unfinished.micro_solves + rest.micro_solves <= through.micro_solves + 128
    np.testing.assert_allclose(rest.u, through.u, rtol=1e-8, atol=1e-12)
    failure.value.add_note("seen")
    copied = pickle.loads(pickle.dumps(failure.value))
    assert str(copied) == str(failure.value) and copied.__notes__ == ["seen"]
    assert copied.unfinished is None, "a worker's error is not as heavy as its memory"


def test_the_best_state_is_not_the_last_one_tried():
    """A step that leads nowhere is tried and shortened; what is kept is where it began."""
    best = []

    def law(x, u, grad):
        if len(best) == 3:
            raise KeyboardInterrupt
        best.append(u.copy())
        size = 1 + 1e4 * np.abs(grad) ** 4
        tangent = np.zeros((2, 2, grad.shape[1])) + np.eye(2)[:, :, None]  # far too soft: the first step goes too far
        return size * grad, 0.0, tangent

    with pytest.raises(KeyboardInterrupt) as stop:
        hmm.solve_elliptic(square(), law, 10.0, initial=lambda x: 0.1 * x[0] * (1 - x[0]))
    unfinished = stop.value.unfinished
    assert len(unfinished.history) == 3 and unfinished.history[1].residual > unfinished.history[0].residual
    np.testing.assert_array_equal(hmm.macro.restrict(unfinished.basis, unfinished.u).u, best[0])


class Queue(Executor):
    """Nothing is ever answered: slices wait."""

    def __init__(self, room=10**6):
        self.waiting, self.room, self._max_workers = [], room, 2

    def submit(self, function, /, *arguments, **options):
        if len(self.waiting) == self.room:
            raise KeyboardInterrupt
        self.waiting.append(Future())
        return self.waiting[-1]


def test_an_interrupt_while_slices_are_handed_out_calls_them_back():
    queue = Queue(room=3)
    with pytest.raises(KeyboardInterrupt) as kept:  # as an interactive session keeps it, with all its frames
        hmm.solve_elliptic(square(), LINEAR, 1.0, executor=queue)
    assert kept and len(queue.waiting) == 3 and all(future.cancelled() for future in queue.waiting)


def test_an_interrupt_between_two_slices_calls_back_the_rest(monkeypatch):
    queue = Queue()

    class Bar:
        def update(self, count):
            raise KeyboardInterrupt

    @contextmanager
    def bar(count, label):
        yield Bar()

    def submit(function, *arguments, **options):
        future = Queue.submit(queue, function)
        if len(queue.waiting) == 1:
            future.set_result(function(*arguments))
        return future

    monkeypatch.setattr(queue, "submit", submit)
    monkeypatch.setattr(hmm.macro.dialogue, "progress_bar", bar)
    with pytest.raises(KeyboardInterrupt) as kept:
        hmm.solve_elliptic(square(), LINEAR, 1.0, executor=queue, progress=True)
    assert kept and len(queue.waiting) == 8 and all(future.cancelled() for future in queue.waiting[1:])


# -- workers that die ----------------------------------------------------------------------------------------------------


@dataclass
class Counted:
    """Counts the points that it is asked about in this process."""

    closure: Any
    points: list = field(default_factory=list)

    def __call__(self, x, u, grad, memory=None, tol=None):
        self.points.append(x.shape[1])
        return self.closure(x, u, grad, memory, tol)


class Breaking(Executor):
    """Answers some slices, then breaks: those that it has answered are there, the others are not, no more are taken."""

    def __init__(self, answers, takes):
        self.answers, self.takes, self.taken, self._max_workers = answers, takes, 0, 2

    def submit(self, function, /, *arguments, **options):
        self.taken += 1
        future = Future()
        if self.taken > self.takes:
            raise BrokenProcessPool("it broke")
        if self.taken in self.answers:
            future.set_result(function(*arguments))
        else:
            future.set_exception(BrokenProcessPool("it broke"))
        return future


@pytest.mark.parametrize(("answers", "takes"), [((1, 2, 5), 8), ((1, 3), 4), ((), 0)])
def test_finished_slices_are_not_asked_again(answers, takes):
    """Eight slices of 16 points: those without an answer are asked in this process, once."""
    alone, counted = hmm.solve_elliptic(square(), LINEAR, 1.0), Counted(LINEAR)
    with pytest.warns(RuntimeWarning, match="finishing in this process") as caught:
        solution = hmm.solve_elliptic(square(), counted, 1.0, executor=Breaking(answers, takes))
    assert len(caught) == 1
    assert counted.points == [16] * 8 + [128], "each slice once, whoever answered, then the whole second turn"
    np.testing.assert_allclose(solution.u, alone.u, rtol=1e-12)


@dataclass(frozen=True)
class Mortal:
    """A closure whose worker dies when it is asked with memory about the middle of the domain."""

    master: int
    closure: Any

    def __call__(self, x, u, grad, memory=None, tol=None):
        if os.getpid() != self.master and memory is not None and (abs(x[0] - 0.5) < 0.1).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return self.closure(x, u, grad, memory, tol)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_that_dies_in_a_later_turn_of_a_nonlinear_dialogue():
    alone = hmm.solve_elliptic(square(), NONLINEAR, 1.0)
    with (
        ProcessPoolExecutor(2, mp_context=START) as executor,
        pytest.warns(RuntimeWarning, match="finishing in this process") as caught,
    ):
        solution = hmm.solve_elliptic(square(), Mortal(os.getpid(), NONLINEAR), 1.0, executor=executor)
    assert len(caught) == 1
    np.testing.assert_allclose(solution.u, alone.u, rtol=1e-10, atol=1e-13)
    assert [turn.micro_solves for turn in solution.history] == [turn.micro_solves for turn in alone.history]


def bad_beyond(x, u, grad):
    if np.any(x[0] > 0.9):
        raise ZeroDivisionError("no material beyond 0.9")
    return LINEAR(x, u, grad)


@pytest.mark.parametrize("pool", [lambda: ThreadPoolExecutor(2), lambda: ProcessPoolExecutor(1, mp_context=START)])
def test_an_error_in_one_slice_says_where_and_spares_the_pool(pool):
    with pool() as executor:
        with pytest.raises(ZeroDivisionError, match=r"no material beyond 0\.9") as caught:
            hmm.solve_elliptic(square(), bad_beyond, 1.0, executor=executor)
        (note,) = caught.value.__notes__
        low, high = (json.loads(bound) for bound in re.findall(r"\[.*?\]", note))
        assert "closure bad_beyond was asked at" in note and low[0] <= 0.9 < high[0]
        solution = hmm.solve_elliptic(square(), LINEAR, 1.0, executor=executor)
    np.testing.assert_allclose(solution.u, hmm.solve_elliptic(square(), LINEAR, 1.0).u, rtol=1e-12)


def test_an_error_in_one_slice_calls_back_the_others():
    queue = Queue()

    def submit(function, *arguments):
        future = Queue.submit(queue, function)
        if len(queue.waiting) == 3:
            future.set_exception(ValueError("no answer"))
        elif len(queue.waiting) < 3:
            future.set_result(function(*arguments))
        return future

    queue.submit = submit
    with pytest.raises(ValueError, match="no answer"):
        hmm.solve_elliptic(square(), LINEAR, 1.0, executor=queue)
    assert len(queue.waiting) == 8 and all(future.cancelled() for future in queue.waiting[3:])


class Leaving(Executor):
    """Answers the first so many slices, and drops the others as an executor does that is shut down."""

    def __init__(self, answers):
        self.answers, self._max_workers = answers, 2

    def submit(self, function, /, *arguments, **options):
        self.answers -= 1
        future = Future()
        if self.answers >= 0:
            future.set_result(function(*arguments))
        else:
            future.cancel()
        return future


def test_an_executor_that_is_shut_down_is_named_and_nothing_is_lost():
    with pytest.raises(WorkersLost, match="Leaving dropped a slice: it was shut down") as lost:
        hmm.solve_elliptic(square(), NONLINEAR, 1.0, executor=Leaving(20))  # in the third turn
    unfinished = lost.value.unfinished
    assert len(unfinished.history) == 2
    rest = hmm.solve_elliptic(square(), NONLINEAR, 1.0, initial=unfinished)
    assert rest.history[0].micro_solves == 0
    np.testing.assert_allclose(rest.u, hmm.solve_elliptic(square(), NONLINEAR, 1.0).u, rtol=1e-8, atol=1e-12)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning")
def test_a_dask_cluster_without_workers_is_given_up(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "LOOK", 0.02)
    monkeypatch.setattr(workers, "PATIENCE", 3)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        alone = hmm.solve_elliptic(square(), LINEAR, 1.0)
        np.testing.assert_allclose(hmm.solve_elliptic(square(), LINEAR, 1.0, executor=executor).u, alone.u, rtol=1e-12)
        cluster.scale(0)
        until(lambda: not client.ncores())
        with pytest.raises(WorkersLost, match=r"Dask cluster .* has no workers any more") as lost:
            hmm.solve_elliptic(square(), LINEAR, 2.0, executor=executor, initial=alone)
        assert lost.value.unfinished is None
