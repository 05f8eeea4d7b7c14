"""make reproduce: what it writes, what it compares with, what it does when it is started again."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hmm_course import figures
from hmm_course.figures.rates import Row

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import reproduce  # noqa: E402

CALLS = []


def made_data():
    CALLS.append("data")
    h = np.array([0.5, 0.25, 0.125])
    return {"h": h, "error": 3 * h**2, "name": np.array(["a", "b"]), "sweep.h": h, "sweep.error": 3 * h**2}


def made(data):
    figure, ax = plt.subplots()
    plt.close(figure)
    ax.loglog(data["h"], data["error"])
    return figure


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """One small figure of its own, in folders of its own."""
    CALLS.clear()
    (tmp_path / "reference").mkdir()
    np.savez(tmp_path / "reference" / "99-test.npz", **made_data())
    CALLS.clear()
    monkeypatch.setattr(reproduce, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(reproduce, "BUILD", tmp_path / "build")
    monkeypatch.setattr(figures, "FIGURES", {"99-test": ("", "", "")})
    monkeypatch.setattr(figures, "load", lambda name: (made_data, made))
    monkeypatch.setattr(
        reproduce, "RATES", {"99-test": lambda d: [Row("error", 2.0, figures.fit_rate(d["h"], d["error"]), 0.1)]}
    )
    monkeypatch.setattr(sys, "argv", ["reproduce"])
    return tmp_path


def test_pictures_tables_and_verdicts(workshop, capsys):
    assert reproduce.main() == 0
    assert sorted(path.suffix for path in (workshop / "build" / "figures").iterdir()) == [".pdf", ".png"]
    table = np.loadtxt(workshop / "build" / "data" / "99-test" / "error.csv", delimiter=",")
    np.testing.assert_allclose(table, 3 * np.array([0.5, 0.25, 0.125]) ** 2)
    named = (workshop / "build" / "data" / "99-test" / "sweep.csv").read_text().splitlines()
    assert named[:2] == ["h,error", "0.5,0.75"] and len(named) == 4
    said = capsys.readouterr().out
    row = next(line for line in said.splitlines() if line.startswith("99-test") and " error " in line)
    assert row.split()[-4:] == ["2", "theory", "2.00", "ok"] and "2 comparisons, 0 not as expected" in said


def test_started_again_it_goes_on_with_what_is_missing(workshop, monkeypatch):
    reproduce.main()
    reproduce.main()
    assert CALLS == ["data"]
    (workshop / "build" / "data" / "99-test" / "done.json").unlink()  # interrupted before it was done
    reproduce.main()
    assert CALLS == ["data"] * 2
    monkeypatch.setattr(reproduce, "library_state", lambda: "another")
    reproduce.main()
    assert CALLS == ["data"] * 3
    monkeypatch.setattr(sys, "argv", ["reproduce", "--fresh"])
    reproduce.main()
    assert CALLS == ["data"] * 4


def test_what_differs_or_has_another_slope_fails(workshop, monkeypatch, capsys):
    monkeypatch.setattr(reproduce, "RATES", {"99-test": lambda d: [Row("error", 1.0, 2.0, 0.5)]})
    data = made_data()
    data["error"][1] *= 1.001
    np.savez(workshop / "reference" / "99-test.npz", **data)
    assert reproduce.main() == 1
    said = capsys.readouterr().out
    assert "differs" in said and "off by more than 0.5" in said and "2 not as expected" in said


def test_an_unknown_figure_is_refused(workshop, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproduce", "98-test"])
    with pytest.raises(SystemExit):
        reproduce.main()
    assert "no figure 98-test" in capsys.readouterr().err
