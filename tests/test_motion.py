"""Pictures that move: small, the same for the same run, and refused where they cannot be drawn."""

import re

import numpy as np
import pytest
import skfem
from matplotlib.figure import Figure

import hmm_core as hmm
from hmm_course.figures import motion


def bump(x):
    return np.prod(np.sin(np.pi * x), axis=0)


def cooling(mesh, element):
    basis = hmm.macro_basis(mesh, element)
    return hmm.solve_parabolic(basis, hmm.ExactClosure(1.0), bump, 0.0, np.linspace(0, 0.1, 5))


@pytest.mark.parametrize(
    ("mesh", "element"),
    [
        (skfem.MeshLine().refined(5), skfem.ElementLineP2()),
        (skfem.MeshTri().refined(3), skfem.ElementTriP1()),
        (skfem.MeshQuad().refined(2), skfem.ElementQuad2()),
    ],
)
def test_a_movie_is_small_and_reproducible(mesh, element):
    run = cooling(mesh, element)
    html = motion.movie(run, frames=3)
    assert len(html) < 1_000_000 and html.count("data:image/png;base64") == 3
    assert html == motion.movie(run, frames=3)
    pictures = re.findall(r"base64,([^\"]+)\"", html)
    assert len(set(pictures)) == 3  # it moves
    figure = motion.still(run, 0.05)
    assert isinstance(figure, Figure) and figure.axes[0].get_title() == "t = 0.05"


def test_it_is_made_smaller_until_it_fits(monkeypatch):
    run = cooling(skfem.MeshLine().refined(2), skfem.ElementLineP1())
    sharp = len(motion.movie(run, frames=2))
    monkeypatch.setattr(motion, "LARGEST", 0.8 * sharp)
    assert len(motion.movie(run, frames=2)) < 0.8 * sharp
    monkeypatch.setattr(motion, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"2 frames take .* MB at 40 dots per inch; show fewer"):
        motion.movie(run, frames=2)


def test_what_a_movie_does_not_show():
    with pytest.raises(ValueError, match="frames=1 must be at least 2"):
        motion.movie(cooling(skfem.MeshLine(), skfem.ElementLineP1()), frames=1)
    with pytest.raises(ValueError, match="this mesh is 3D"):
        motion.movie(cooling(skfem.MeshTet(), skfem.ElementTetP1()))
    basis = hmm.macro_basis(skfem.MeshTri(), skfem.ElementVector(skfem.ElementTriP1()))
    with pytest.raises(ValueError, match="this one has components"):
        motion.movie(hmm.solve_parabolic(basis, hmm.ExactClosure(1.0), 0.0, 0.0, [0, 1]))
