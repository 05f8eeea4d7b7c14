"""The doctor in environments that are broken on purpose: an empty one, one without kernel and sliders, and worse."""

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

import hmm_core
from hmm_course import doctor

ROOT = Path(__file__).resolve().parent.parent


def environment(folder: Path, *, broken: tuple[str, ...] = (), packages: bool = True) -> list[str]:
    """A command that runs the doctor in a new environment, with this one's packages or none; broken ones cannot be imported."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / ("python.exe" if os.name == "nt" else "python")
    (folder / "broken").mkdir()
    for name in broken:
        (folder / "broken" / f"{name}.py").write_text(f"raise ImportError('{name} is broken')", encoding="utf-8")
    shared = [sysconfig.get_paths()["purelib"]] if packages else []
    lines = [str(folder / "broken"), str(ROOT), *shared]
    start = f"import sys; sys.path[:0] = {lines[:2]!r}; sys.path += {lines[2:]!r}"
    return [str(python), "-c", f"{start}; from hmm_course import doctor; sys.exit(doctor.main())"]


def examined(command: list[str], tmp_path: Path, **more: str) -> tuple[int, str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPYTER", "IPYTHON"))}
    nobody = {"HOME": str(tmp_path), "JUPYTER_PATH": str(tmp_path / "nothing"), "MPLCONFIGDIR": str(tmp_path)}
    run = subprocess.run(
        command, env=keep | nobody | more, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert "Traceback" not in run.stderr, run.stderr
    return run.returncode, run.stdout


def test_here_there_is_nothing_to_mend(capsys):
    assert doctor.main() == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert said.startswith("hmm-core ") and "! " not in said and said.endswith("Nothing to mend.\n")
    assert f"{doctor.SOLVE}: U(0.5, 0.5) = 0.0390" in said


def test_in_an_empty_environment_it_still_speaks(tmp_path):
    """Nothing but the standard library: every package is named, with the command that installs it."""
    status, said = examined(environment(tmp_path / "empty", packages=False), tmp_path)
    names = (*doctor.LIBRARY, *doctor.COURSE, *doctor.LAB)
    assert all(f"! {name}: missing" in said for name in names)
    assert "! kernel: jupyter_client is missing" in said and "! sliders: ipywidgets is missing" in said
    assert f"! {doctor.SOLVE}: ModuleNotFoundError" in said
    assert 'pip install "hmm-core[lab]"' in said
    known = "! hmm-core: not installed" not in said  # metadata beside the source, where an editable install leaves it
    assert status == said.count("\n! ") == len(names) + 5 - known and f"{status} to mend" in said


def test_without_kernel_and_sliders_it_says_what_to_do(tmp_path):
    command = environment(tmp_path / "half", broken=("ipykernel", "ipywidgets"))
    status, said = examined(command, tmp_path)
    assert "! kernel: no kernel named python3\n    -> python" in said and "ipykernel install --sys-prefix" in said
    assert "import ipywidgets fails with ImportError: ipywidgets is broken. pip install --force-reinstall" in said
    assert "! sliders: " in said
    assert f"  {doctor.SOLVE}: U(0.5, 0.5)" in said  # the library works all the same
    assert status == said.count("\n! ") == 4


def test_a_kernel_of_another_python_is_found(tmp_path, monkeypatch):
    spec = {"argv": [str(tmp_path / "bin" / "python"), "-m", "ipykernel"], "display_name": "Old", "language": "python"}
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    (finding,) = doctor.kernel()
    assert str(tmp_path / "bin" / "python") in finding.todo and "another Python" in finding.todo


def test_old_versions_are_found(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: "1.9")
    monkeypatch.setattr(doctor, "lower_bounds", lambda: {"numpy": "2.0", "scipy": "1.9", "tqdm": "1.10"})
    todo = {finding.what: finding.todo for finding in doctor.packages()}
    assert "numpy >= 2.0 is needed" in todo["numpy"] and not todo["scipy"] and "tqdm >= 1.10" in todo["tqdm"]


def test_an_old_python_is_found(monkeypatch):
    monkeypatch.setattr(doctor, "PYTHON", (99, 1))
    (finding,) = doctor.python()
    assert "Python >= 99.1 is needed" in finding.todo


def test_a_font_without_the_signs_is_found(monkeypatch):
    from matplotlib import font_manager

    path = font_manager.findfont("cmex10")
    monkeypatch.setattr(font_manager, "findfont", lambda _: path)
    signs, _ = doctor.fonts()
    assert "it lacks" in signs.todo and "∇" in signs.todo


def test_no_place_to_write_is_found(monkeypatch, tmp_path):
    import matplotlib

    def refuse(*_, **__):
        raise PermissionError("Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    (finding,) = doctor.places()
    assert "TMPDIR" in finding.todo
    monkeypatch.setattr(matplotlib, "get_cachedir", lambda: str(tmp_path / "gone"))
    assert "MPLCONFIGDIR" in list(doctor.fonts())[1].todo


def test_what_goes_wrong_while_looking_is_a_finding(monkeypatch):
    def look():
        raise KeyError("k")

    monkeypatch.setattr(doctor, "LOOKS", (look,))
    assert doctor.examine() == [doctor.Finding("look", "KeyError: 'k'", "report this line")]


@pytest.mark.parametrize(("wrong", "says"), [(0.5, "0.0395 was expected"), (None, "mend what stands above")])
def test_a_library_that_answers_wrongly_is_found(monkeypatch, wrong, says):
    class Solution:
        def at(self, _):
            return wrong

    monkeypatch.setattr(hmm_core, "solve_elliptic", lambda *_, **__: Solution() if wrong else None, raising=False)
    (finding,) = doctor.solves()
    assert says in finding.todo


@pytest.mark.parametrize(
    ("text", "expected"), [("2.0", (2, 0)), ("1.13.0rc1", (1, 13, 0)), ("2026.8.0", (2026, 8, 0)), ("10", (10,))]
)
def test_versions_compare_as_numbers(text, expected):
    assert doctor.numbers(text) == expected
