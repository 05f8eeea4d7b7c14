"""Figures are checked through their data: recomputed with the defaults and compared with tests/reference."""

from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

from hmm_course import figures
from hmm_course.figures.rates import RATES

REFERENCE = Path(__file__).with_name("reference")
# More than 15 s in full: here for its first sizes only, arrays cut to match; ``make reproduce`` computes all of them.
LONG = {"03-resolved": (100, 1000), "05-long-resonance": (2, 3), "05-window-end": (4, 6), "06-one-problem": 1}
LONG |= {"11-promise": 3, "16-study": (4,)}


@pytest.mark.parametrize("name", sorted(figures.FIGURES))
def test_figure(name):
    compute, draw = figures.load(name)
    data = compute(LONG[name]) if name in LONG else compute()
    with np.load(REFERENCE / f"{name}.npz") as reference:
        assert sorted(data) == sorted(reference.files)
        for key in reference.files:
            computed, expected = np.asarray(data[key]), reference[key]
            expected = expected[: len(computed)] if name in LONG else expected
            assert computed.shape == expected.shape, key
            if computed.dtype.kind in "fiub":
                scale = np.abs(expected).max(initial=0)
                np.testing.assert_allclose(computed, expected, rtol=1e-6, atol=1e-9 * scale + 1e-13, err_msg=key)
            else:
                assert (computed == expected).all(), key
        drawn = draw(dict(reference) if name in LONG else data)
    assert isinstance(drawn, matplotlib.figure.Figure)
    drawn.canvas.draw()  # raises where a label or an axis is wrong
    assert all(
        ax.get_xlabel() or ax.get_title() or not ax.axison for ax in drawn.axes if ax.get_label() != "<colorbar>"
    )


def test_every_reference_belongs_to_a_figure():
    assert {path.stem for path in REFERENCE.glob("*.npz")} == set(figures.FIGURES)


def test_fit_rate_recovers_a_power_and_refuses_nonsense():
    h = np.array([1, 0.5, 0.25])
    assert figures.fit_rate(h, 3 * h**1.5) == pytest.approx(1.5)
    for x, error in ((h, h[:2]), (h[:1], h[:1]), (h, -h), (h, h * np.nan)):
        with pytest.raises(ValueError, match="rate needs"):
            figures.fit_rate(x, error)


@pytest.mark.parametrize("name", sorted(RATES))
def test_measured_rates_are_those_expected(name):
    """On the committed data: ``test_figure`` sees that the library computes them; of those in ``LONG``, the first sizes."""
    with np.load(REFERENCE / f"{name}.npz") as data:
        for row in RATES[name](data):
            assert abs(row.measured - row.expected) <= row.tolerance, row
