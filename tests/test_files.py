"""Files are there whole or as they were, whatever interrupts their writing: a full disk, Ctrl-C; and make reproduce goes on."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient.exceptions import DeadKernelError
from skfem import ElementTriP1, MeshTri

import hmm_core as hmm
from hmm_course import figures

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import figures as figures_tool  # noqa: E402
import reproduce as reproduce_tool  # noqa: E402
from files import whole  # noqa: E402

import exercises as exercises_tool  # noqa: E402
import notebooks as notebooks_tool  # noqa: E402


def solution_on(refinements, source=1.0):
    return hmm.solve_elliptic(
        hmm.macro_basis(MeshTri().refined(refinements), ElementTriP1()), hmm.ExactClosure(1.0), source
    )


@contextmanager
def full_disk(size):
    """No file grows beyond so many bytes: the write that wants to fails, when the first part of the file is there."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def solution_file(suffix):
    def prepare(folder, version, monkeypatch):
        pytest.importorskip("meshio")
        solution = solution_on(4, version)
        return lambda: solution.save(folder / f"u{suffix}")

    return prepare


def figure(points):
    """A large table, or a small one and pictures."""

    def prepare(folder, version, monkeypatch):
        data = {"h": version * np.linspace(1, 2, points)}
        monkeypatch.setattr(figures, "load", lambda name: (lambda: data, drawn))
        monkeypatch.setattr(reproduce_tool, "BUILD", folder)
        monkeypatch.setattr(reproduce_tool, "against_reference", lambda *given: ("0", "ok"))
        return lambda: reproduce_tool.make("99-test")

    return prepare


def drawn(data):
    figure, ax = plt.subplots()
    plt.close(figure)
    ax.plot(data["h"])
    return figure


def reference(folder, version, monkeypatch):
    data = {"h": np.random.default_rng(int(version)).random(3000)}
    monkeypatch.setattr(figures, "load", lambda name: (lambda: data, drawn))
    monkeypatch.setattr(figures_tool, "REFERENCE", folder)
    return lambda: figures_tool.main(["99-test"])


def notebook(version):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"{version} " * 4000, id="0")])


def exercises(folder, version, monkeypatch):
    monkeypatch.setattr(exercises_tool, "generate", lambda: {"01_a.ipynb": nbformat.writes(notebook(version))})
    return lambda: exercises_tool.main([str(folder)])


def text(folder, version, monkeypatch):
    source = folder.with_name("01_a.ipynb")
    nbformat.write(notebook(version), source)
    return lambda: notebooks_tool.main(["text", str(source), "--into", str(folder)])


def built(folder, version, monkeypatch):
    source = folder.with_name("01_a.py")
    source.write_text(notebooks_tool.write_text(notebook(version)), encoding="utf-8")
    monkeypatch.setattr(notebooks_tool, "execute", lambda *given: None)
    return lambda: notebooks_tool.main(["build", str(source), "--into", str(folder)])


WRITERS = {
    "vtu": solution_file(".vtu"),
    "vtk": solution_file(".vtk"),
    "xdmf": solution_file(".xdmf"),
    "table": figure(3000),
    "pictures": figure(30),
    "reference": reference,
    "exercises": exercises,
    "text": text,
    "notebook": built,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there(name, tmp_path, monkeypatch):
    folder, prepare = tmp_path / "target", WRITERS[name]
    folder.mkdir()
    prepare(folder, 1.0, monkeypatch)()
    again = prepare(folder, 2.0, monkeypatch)
    before = contents(folder)
    with pytest.raises(OSError, match=r"File too large|problem writing"), full_disk(2000):
        again()
    left = contents(folder)
    assert before.keys() == left.keys()
    assert all(left[path] == old for path, old in before.items() if name != "pictures" or "figures" in path)
    again()
    after = contents(folder)
    assert after.keys() == before.keys() and all(after[path] != old for path, old in before.items() if old)


def test_an_interrupt_while_writing_leaves_what_was_there(tmp_path):
    path = tmp_path / "new folder" / "a.txt"
    for stop in (KeyboardInterrupt, OSError):
        with pytest.raises(stop), whole(path) as draft:
            draft.write_text("half of", encoding="utf-8")
            raise stop
        assert contents(tmp_path) == {"new folder": None}
    with whole(path) as draft:
        draft.write_text("all of it", encoding="utf-8")
    assert contents(path.parent) == {"a.txt": b"all of it"}


@pytest.mark.parametrize("error", [DeadKernelError("Kernel died"), AssertionError()])
def test_a_notebook_whose_kernel_ends_stays_as_it_was(error, tmp_path, monkeypatch, capsys):
    """So nbclient reports Ctrl-C. What comes after it in the list is not begun."""
    for name in ("a.ipynb", "b.ipynb"):
        nbformat.write(notebook(1.0), tmp_path / name)
    before, begun = contents(tmp_path), []

    def execute(*given):
        begun.append(given)
        raise error

    monkeypatch.setattr(notebooks_tool, "execute", execute)
    assert notebooks_tool.main(["run", *(str(tmp_path / name) for name in before)]) == 1
    assert contents(tmp_path) == before and len(begun) == 1
    assert "not written, because its kernel ended" in capsys.readouterr().err


def test_where_a_solution_cannot_be_saved(tmp_path, monkeypatch):
    pytest.importorskip("meshio")
    solution = solution_on(1)
    monkeypatch.chdir(tmp_path)
    solution.save("u.vtu")  # beside the session
    assert list(contents(tmp_path)) == ["u.vtu"]
    for folder in ("folder.vtu", "folder.xdmf"):
        (tmp_path / folder).mkdir()
    before = contents(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"folder\.vtu"):
        solution.save("folder.vtu")
    with pytest.raises(IsADirectoryError, match=r"folder\.xdmf"):
        solution.save("folder.xdmf")
    with pytest.raises(FileNotFoundError, match="there is no folder 'nowhere'"):
        solution.save("nowhere/u.vtu")
    assert contents(tmp_path) == before
    if os.geteuid():  # the superuser may write anywhere
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError):
            solution.save("v.vtu")
        tmp_path.chmod(0o700)


# -- make reproduce ------------------------------------------------------------------------------------------------------


@pytest.fixture
def gallery(tmp_path, monkeypatch):
    """Three small figures; the second may be stopped by an error, when it is computed or when it is drawn."""
    stops, made = {}, []

    def load(name):
        def compute():
            made.append(name)
            if stops.get("compute") and name == "2":
                raise stops["compute"]
            return {"h": np.arange(3.0)}

        def draw(data):
            if stops.get("draw") and name == "2":
                raise stops["draw"]
            return drawn(data)

        return compute, draw

    (tmp_path / "reference").mkdir()
    for name in "123":
        np.savez(tmp_path / "reference" / f"{name}.npz", h=np.arange(3.0))
    monkeypatch.setattr(reproduce_tool, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(reproduce_tool, "BUILD", tmp_path / "build")
    monkeypatch.setattr(figures, "FIGURES", dict.fromkeys("123"))
    monkeypatch.setattr(figures, "load", load)
    monkeypatch.setattr(sys, "argv", ["reproduce"])
    return stops, made


@pytest.mark.parametrize("where", ["compute", "draw"])
@pytest.mark.parametrize(("stop", "status"), [(KeyboardInterrupt(), 130), (OSError(28, os.strerror(28)), 1)])
def test_make_reproduce_says_what_is_done_and_goes_on(gallery, capsys, where, stop, status):
    stops, made = gallery
    stops[where] = stop
    assert reproduce_tool.main() == status
    said = capsys.readouterr().err
    assert f"Stopped by {stop!r}. 1 of 3 figures are up to date: 1." in said
    stops.clear()
    assert reproduce_tool.main() == 0
    assert made == ["1", "2", "2", "3"]


def test_a_figure_that_is_being_made_anew_is_not_done(gallery, monkeypatch):
    """Otherwise the next run would take a mixture of old and new files for finished."""
    stops, made = gallery
    assert reproduce_tool.main() == 0
    stops["draw"] = KeyboardInterrupt()
    monkeypatch.setattr(sys, "argv", ["reproduce", "--fresh"])
    assert reproduce_tool.main() == 130
    stops.clear()
    monkeypatch.setattr(sys, "argv", ["reproduce"])
    assert reproduce_tool.main() == 0
    assert made == ["1", "2", "3", "1", "2", "2"]


def test_figures_are_made_again_when_their_own_code_changes(tmp_path, monkeypatch):
    states = []
    for changed in ("", "hmm_core/solver.py", "hmm_course/figures/ch00.py", "hmm_course/figures/hmm.mplstyle"):
        for name in ("hmm_core/solver.py", "hmm_course/figures/ch00.py", "hmm_course/figures/hmm.mplstyle"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("new" if name == changed else "old", encoding="utf-8")
        monkeypatch.setattr(reproduce_tool, "ROOT", tmp_path)
        states.append(reproduce_tool.library_state())
    assert len(set(states)) == 4
