"""The pictures of chapter 13 are those that the script makes, and show what it says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from hmm_core import media
from hmm_course.figures import ch13

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def made():
    sys.path.insert(0, str(ROOT / "tools"))  # where the tools find each other
    try:
        spec = importlib.util.spec_from_file_location("micrographs", ROOT / "tools" / "micrographs.py")
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
    finally:
        sys.path.pop(0)
    return tool.pictures()


@pytest.mark.parametrize("name", ["alloy", "fibres", "graded"])
def test_the_committed_picture_is_the_one_that_the_script_makes(made, name):
    """Up to one grey level in some pixels, where the last digit of a blur is rounded."""
    committed = ch13.micrograph(name).astype(int)
    off = np.abs(committed - made[name])
    assert off.max() <= 1 and (off > 0).mean() < 1e-3
    assert (ch13.DATA / f"{name}.png").stat().st_size < 60_000


def test_every_picture_is_made_by_the_script(made):
    assert {path.stem for path in ch13.DATA.glob("*.png")} == set(made)


def test_the_pictures_show_what_the_script_says():
    fibres = ch13.micrograph("fibres") < 105
    assert fibres.mean() == pytest.approx(0.35, abs=0.015)  # a blur makes convex grains look smaller
    seam = np.mean(fibres[0] != fibres[-1]), np.mean(fibres[:, 0] != fibres[:, -1])
    assert max(seam) < 0.05  # it closes
    graded = ch13.micrograph("graded") > 127
    assert graded[:, :32].mean() < 0.3 and graded[:, -32:].mean() > 0.7
    assert media.from_image(ch13.DATA / "alloy.png", lambda g: 1 + 9 * (g > ch13.LEVEL)).extent == (1.0, 1.0)
