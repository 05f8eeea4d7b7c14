"""Micro problems on workers: same answer as in process, whoever dies; what cannot travel is refused beforehand."""

import _thread
import logging
import os
import signal
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from skfem import ElementTriP1, MeshTri

import hmm_core
from hmm_core import Answer, CellClosure, CellProblem, ExactClosure, macro_basis, solve_elliptic

START = get_context("forkserver")  # forking a process that has threads may hang it


def medium(x, y):
    return 1 + 0.5 * x[0] * np.cos(2 * np.pi * y[0]) * np.cos(2 * np.pi * y[1]) + 0.25 * x[1] * np.sin(2 * np.pi * y[0])


def faulty_medium(x, y):
    if np.any(x[0] > 0.9):
        raise ZeroDivisionError("no material beyond 0.9")
    return medium(x, y)


def nonlinear(x, u):
    return (1 + u**2) * (1 + x[0])


@dataclass(frozen=True)
class Deadly:
    """A cell closure whose first worker to reach the middle of the domain dies there, once, without a word."""

    marker: Path
    master: int
    inner: CellClosure

    def __call__(self, x, u, grad, memory=None, tol=None):
        if os.getpid() != self.master and (abs(x[0] - 0.5) < 0.1).any():
            try:
                self.marker.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.inner(x, u, grad, memory)


@dataclass(frozen=True)
class Locked:
    """No serialiser takes a lock."""

    lock: object

    def __call__(self, x, u, grad):
        return grad, 0.0, np.eye(2)


@dataclass(frozen=True)
class Guarded:
    """A closure that needs a file, which a worker of another machine may lack; it says that it was asked, and may wait."""

    folder: Path
    inner: CellClosure
    waits: bool = False

    def __call__(self, x, u, grad, memory=None):
        (self.folder / "asked").touch()
        for _ in range(12000):  # two minutes, if the test forgets about it
            if not self.waits or (self.folder / "file").exists():
                break
            time.sleep(0.01)
        (self.folder / "file").read_text()
        return self.inner(x, u, grad, memory)


class Recorder(Executor):
    """An executor of unknown kind and size that remembers how many points each job had."""

    def __init__(self):
        self.inner, self.sizes = ThreadPoolExecutor(1), []

    def submit(self, function, *arguments, **options):
        self.sizes.append(arguments[1].shape[1])
        return self.inner.submit(function, *arguments, **options)


@pytest.fixture(scope="module")
def basis():
    return macro_basis(MeshTri().refined(3), ElementTriP1())


@pytest.fixture(scope="module")
def closure():
    return CellClosure(medium, CellProblem(dim=2, n=8))


@pytest.fixture(scope="module")
def serial(basis, closure):
    return solve_elliptic(basis, closure, 1.0)


def assert_equal_to(serial, solution):
    np.testing.assert_allclose(solution.u, serial.u, rtol=1e-12, atol=0)
    np.testing.assert_allclose(solution.flux, serial.flux, rtol=1e-11, atol=1e-14)
    assert [entry.micro_solves for entry in solution.history] == [entry.micro_solves for entry in serial.history]


# -- pools of the standard library ---------------------------------------------------------------------------------------


def test_threads(basis, closure, serial):
    with ThreadPoolExecutor(2) as executor:
        assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=executor))


def test_threads_take_what_cannot_be_pickled(basis):
    with ThreadPoolExecutor(2) as executor:
        for odd in (ExactClosure(lambda x: 1 + x[0]), Locked(threading.Lock())):
            expected = solve_elliptic(basis, odd, 1.0)
            np.testing.assert_allclose(solve_elliptic(basis, odd, 1.0, executor=executor).u, expected.u, rtol=1e-12)


def test_processes(basis, closure, serial):
    with ProcessPoolExecutor(2, mp_context=START) as executor:
        assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=executor))
        newton = solve_elliptic(basis, ExactClosure(nonlinear), 1.0)
        spread = solve_elliptic(basis, ExactClosure(nonlinear), 1.0, executor=executor)
        np.testing.assert_allclose(spread.u, newton.u, rtol=1e-12)
        with pytest.raises(ValueError, match=r"no material beyond 0\.9"):
            solve_elliptic(basis, CellClosure(faulty_medium, closure.cell), 1.0, executor=executor)
        assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=executor))  # it still works


def test_a_killed_process_breaks_the_pool_and_loses_nothing(basis, closure, serial, tmp_path):
    deadly = Deadly(tmp_path / "died", os.getpid(), closure)
    with (
        ProcessPoolExecutor(2, mp_context=START) as executor,
        pytest.warns(RuntimeWarning, match="finishing in this process") as caught,
    ):
        solution = solve_elliptic(basis, deadly, 1.0, executor=executor)
    assert deadly.marker.exists() and len(caught) == 1
    assert_equal_to(serial, solution)


def test_a_pool_that_was_broken_before(basis, closure, serial):
    with ProcessPoolExecutor(1, mp_context=START) as executor:
        dead = executor.submit(os._exit, 1)
        assert dead.exception() is not None
        with pytest.warns(RuntimeWarning, match="finishing in this process"):
            assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=executor))


def test_processes_refuse_what_cannot_be_pickled_before_work_starts(basis):
    with ProcessPoolExecutor(2, mp_context=START) as executor:
        for odd in (
            ExactClosure(lambda x: 1.0),
            CellClosure(lambda x, y: 1.0, CellProblem(n=4)),
            Locked(threading.Lock()),
        ):
            with pytest.raises(TypeError, match=r"top level of a module, or use a ThreadPoolExecutor"):
                solve_elliptic(basis, odd, 1.0, executor=executor)
        assert not executor._processes, "no worker was started"


# -- slices --------------------------------------------------------------------------------------------------------------


def test_slices_are_few_and_memory_travels_with_them(basis, closure, serial):
    recorder = Recorder()
    recorder._max_workers = 3
    assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=recorder))
    assert len(recorder.sizes) == 24 and sum(recorder.sizes) == 2 * 128  # two dialogues, four slices per worker
    assert max(recorder.sizes) - min(recorder.sizes) <= 1


def test_never_more_slices_than_points(closure):
    recorder = Recorder()
    recorder._max_workers = 50
    solve_elliptic(macro_basis(MeshTri(), ElementTriP1()), closure, 1.0, lambda x: x[0], executor=recorder)
    assert recorder.sizes == [1, 1]


def test_an_executor_of_unknown_size(basis, closure, serial):
    assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=Recorder()))


def test_standard_errors_are_joined(basis):
    def noisy(x, u, grad):
        return Answer(grad, 0 * grad, np.eye(2)[:, :, None], stderr=0.1 + x, info={"micro_solves": x.shape[1]})

    alone = solve_elliptic(basis, noisy, 1.0)
    with ThreadPoolExecutor(2) as executor:
        solution = solve_elliptic(basis, noisy, 1.0, executor=executor)
    assert [entry.micro_solves for entry in solution.history] == [128, 128]
    np.testing.assert_allclose(solution.stderr, alone.stderr, rtol=1e-12)


def same_everywhere(x, y):
    return 2 + np.cos(2 * np.pi * y[0])


def two_kinds(x, y):
    return np.where(x[0] < 0.5, 1.0, 3.0) * same_everywhere(x, y)


@pytest.mark.parametrize(("a", "kinds"), [(same_everywhere, 1), (two_kinds, 1), (medium, 128)])
def test_equal_problems_stay_in_one_slice(basis, a, kinds):
    """However many slices there are, each distinct problem is solved once. A factor of the coefficient makes none."""
    closure = CellClosure(lambda x, y: a(x, y) + 0 * x[0], CellProblem(dim=2, n=8))
    kinds = 2 if a is two_kinds else kinds
    serial = solve_elliptic(basis, closure, 1.0)
    with ThreadPoolExecutor(2) as executor:
        for options in ({"executor": executor}, {"progress": True}):
            assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, **options))
    assert serial.micro_solves == kinds


@dataclass
class Weighed:
    """A closure that counts how often it is packed."""

    closure: CellClosure
    packed = 0

    def __call__(self, x, u, grad, memory=None):
        return self.closure(x, u, grad, memory)

    def __reduce__(self):
        type(self).packed += 1
        return Weighed, (self.closure,)


def test_a_closure_is_packed_once(basis, closure, serial):
    with ProcessPoolExecutor(2, mp_context=START) as executor:
        assert_equal_to(serial, solve_elliptic(basis, Weighed(closure), 1.0, executor=executor))
    assert Weighed.packed == 1


def test_a_worker_with_another_version_says_so(basis, closure, monkeypatch):
    with ProcessPoolExecutor(1, mp_context=START) as executor:
        executor.submit(os.getpid).result()
        monkeypatch.setattr(hmm_core, "__version__", "0.0.7")
        with pytest.raises(RuntimeError, match=r"worker has hmm_core .*0\.0\.7.*same version on all workers"):
            solve_elliptic(basis, closure, 1.0, executor=executor)


@pytest.mark.parametrize("shape", [(128, 2), (), (3, 5)])
def test_memory_that_cannot_be_cut_is_refused(basis, shape):
    def forgetful(x, u, grad):
        return Answer(grad, 0.0, np.eye(2), memory={"state": np.zeros(shape)})

    with pytest.raises(ValueError, match=r"memory\['state'\] has shape .*last axis"):
        solve_elliptic(basis, forgetful, 1.0)


def test_progress_counts_the_points_of_every_slice(basis, closure, capsys):
    with ThreadPoolExecutor(2) as executor:
        solve_elliptic(basis, closure, 1.0, executor=executor, progress=True)
    assert "128/128" in capsys.readouterr().err


# -- a dask cluster ------------------------------------------------------------------------------------------------------


@contextmanager
def cluster():
    distributed = pytest.importorskip("distributed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=logging.CRITICAL,
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning")
def test_dask(basis, closure, serial, tmp_path, monkeypatch):
    """One cluster for all, because starting it takes seconds."""
    with cluster() as client:
        executor = client.get_executor()
        assert_equal_to(serial, solve_elliptic(basis, closure, 1.0, executor=executor))

        deadly = Deadly(tmp_path / "died", os.getpid(), closure)
        assert_equal_to(serial, solve_elliptic(basis, deadly, 1.0, executor=executor))
        assert deadly.marker.exists()

        by_lambda = ExactClosure(lambda x: 1 + x[0])  # cloudpickle takes it
        expected = solve_elliptic(basis, by_lambda, 1.0)
        np.testing.assert_allclose(solve_elliptic(basis, by_lambda, 1.0, executor=executor).u, expected.u, rtol=1e-12)

        with pytest.raises(TypeError, match="cannot be sent"):
            solve_elliptic(basis, Locked(threading.Lock()), 1.0, executor=executor)
        with monkeypatch.context() as patch:
            patch.setattr(hmm_core, "__version__", "0.0.7")
            with pytest.raises(RuntimeError, match=r"worker has hmm_core .*0\.0\.7.*same version on all workers"):
                solve_elliptic(basis, closure, 1.0, executor=executor)

        (tmp_path / "first").mkdir()
        guarded = Guarded(tmp_path / "first", closure)
        with pytest.raises(FileNotFoundError) as kept:  # with all its frames, as an interactive session keeps it
            solve_elliptic(basis, guarded, 1.0, executor=executor)
        (tmp_path / "first" / "file").touch()
        assert kept
        assert_equal_to(serial, solve_elliptic(basis, guarded, 1.0, executor=executor))

        (tmp_path / "second").mkdir()
        guarded = Guarded(tmp_path / "second", closure, waits=True)

        def interrupt():
            while not (tmp_path / "second" / "asked").exists():
                time.sleep(0.01)
            _thread.interrupt_main()

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            solve_elliptic(basis, guarded, 1.0, executor=executor)
        (tmp_path / "second" / "file").touch()
        assert_equal_to(serial, solve_elliptic(basis, guarded, 1.0, executor=executor))
        with pytest.raises(ValueError, match=r"no material beyond 0\.9"):
            solve_elliptic(basis, CellClosure(faulty_medium, closure.cell), 1.0, executor=executor)
