"""Bounds that hold: closed forms inside at every grid and any tolerance, rates, random pictures, rounding, refusals."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hmm_core as hmm
from hmm_core import exact, media
from hmm_core.analysis.certify import _exact, _inverse_below
from hmm_core.micro.grid import Q1Grid
from hmm_core.micro.voxels import Voxels


def picture(rng, n, dim=2, phases=2):
    image = rng.integers(0, phases, (n,) * dim)
    image.flat[:phases] = range(phases)
    return image


def rotated(k1, k2, angle):
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return R @ np.diag([k1, k2]) @ R.T


SQUARE = np.zeros((4, 4), dtype=int)
SQUARE[1:3, 1:3] = 1


# -- closed forms lie inside ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contrast", [1, 1.001, 3, 10, 100, 1e4, 1e6])
@pytest.mark.parametrize("tol", [1e-1, 1e-6])
def test_checkerboards_lie_inside_at_every_grid(contrast, tol):
    medium = media.checkerboard(1, contrast)
    for n in (2, 4, 6, 8, 32):
        bounds = hmm.certify(medium, pixels=2, n=n, tol=tol)
        assert bounds.contains(exact.checkerboard(1, contrast))
        low, high = np.linalg.eigvalsh(bounds.lower), np.linalg.eigvalsh(bounds.upper)
        assert exact.wiener_bounds([1, contrast])[0] <= low[0] * (1 + 1e-9) and high[1] <= (1 + contrast) / 2 * (
            1 + 1e-9
        )


@pytest.mark.parametrize("tol", [1e-1, 1e-6])
def test_squares_and_four_phases_lie_inside_at_every_grid(tol):
    for inside in (0.01, 10.0, 1000.0):
        medium = media.from_image(SQUARE, (1.0, inside))
        for n in (4, 8, 12, 32):
            assert hmm.certify(medium, n=n, tol=tol).contains(exact.obnosov(1.0, inside))
    for tiles in ((1, 2, 3, 4), (1, 100, 2, 50), (7, 1, 7, 1e4)):
        medium = media.from_image([[0, 1], [3, 2]], tiles)
        for n in (2, 4, 10, 32):
            assert hmm.certify(medium, n=n, tol=tol).contains(exact.checkerboard4(*tiles))


def test_laminates_are_certified_to_rounding():
    """Layers along the axes, of full tensors in two and three dimensions: multilinear fields solve them exactly."""
    a, b = rotated(1, 5, 0.4), rotated(2, 30, 1.1)
    bounds = hmm.certify(media.from_image([[0, 1, 1]] * 3, (a, b)), tol=1e-12)
    closed = exact.laminate([a, b], [1 / 3, 2 / 3])
    assert bounds.gap < 1e-9
    np.testing.assert_allclose(bounds.upper, closed, rtol=1e-9)
    np.testing.assert_allclose(bounds.lower, closed, rtol=1e-9)
    a, b = (np.pad(t, (0, 1)) + np.diag([0, 0, 3.0]) for t in (a, b))
    a[0, 2] = a[2, 0] = 0.5
    stack = np.array([0, 1, 1, 0]).reshape(4, 1, 1) * np.ones((1, 4, 4), dtype=int)
    bounds = hmm.certify(media.from_image(stack, (a, b)), n=8, tol=1e-12)
    closed = exact.laminate([a, b], normal=(0, 0, 1))
    np.testing.assert_allclose(bounds.upper, closed, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(bounds.lower, closed, rtol=1e-9, atol=1e-9)
    assert bounds.contains(closed) or bounds.gap < 1e-9


def test_one_value_alone_is_certified_to_rounding():
    tensor = rotated(1, 7, 0.3)
    bounds = hmm.certify(media.from_image(np.zeros((3, 3), dtype=int), [tensor]))
    assert bounds.contains(tensor) and bounds.gap < 1e-10 and bounds.rounding < 1e-11


def test_a_layer_in_any_unit():
    """Magnitudes are powers of two apart from what is solved."""
    one = hmm.certify(media.from_image(SQUARE, (1.0, 10.0)))
    for power in (-900, 800):
        scaled = hmm.certify(media.from_image(SQUARE, tuple(np.ldexp([1.0, 10.0], power))))
        np.testing.assert_array_equal(scaled.upper, np.ldexp(one.upper, power))
        np.testing.assert_array_equal(scaled.lower, np.ldexp(one.lower, power))


# -- rates ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contrast", [3, 10, 30])
def test_the_interval_of_a_checkerboard_shrinks_at_the_rate_of_its_corners(contrast):
    """Fields like r^s, s = (4/pi) arctan(contrast^-1/2), at the corners: energies converge like n^(-2s)."""
    medium, sizes = media.checkerboard(1, contrast), np.array([32, 64, 128])
    gaps = [hmm.certify(medium, pixels=2, n=int(n)).gap for n in sizes]
    rate = 2 * 4 / np.pi * np.arctan(contrast**-0.5)
    assert -np.polyfit(np.log(sizes), np.log(gaps), 1)[0] == pytest.approx(rate, abs=0.12)


def test_it_refines_until_the_bounds_are_as_close_as_asked():
    medium = media.from_image(SQUARE, (1.0, 10.0))
    bounds = hmm.certify(medium, rtol=2e-3)
    assert bounds.gap <= 2e-3 and bounds.history[-1] == (bounds.n, bounds.gap)
    assert [n for n, _ in bounds.history] == [8 * 2**k for k in range(len(bounds.history))]
    assert all(first > second for (_, first), (_, second) in itertools.pairwise(bounds.history))
    assert bounds.contains(exact.obnosov(1.0, 10.0))
    low, high = bounds.form([0.6, 0.8])
    assert low <= exact.obnosov(1.0, 10.0) <= high <= low * (1 + 2.1e-3)
    with pytest.raises(hmm.ConvergenceError, match="largest=64") as caught:
        hmm.certify(medium, rtol=1e-6, largest=64)
    best = caught.value.unfinished
    assert best.n == 64 and best.contains(exact.obnosov(1.0, 10.0))


def test_a_disk_of_pixels_contains_its_own_resolved_value():
    """The disk on 24^2 pixels, refined sixfold and extrapolated, is what the bounds are about; the round disk is not."""
    line = (np.arange(24) + 0.5) / 24 - 0.5
    image = (line**2 + line[:, None] ** 2 < 0.1).astype(int)
    medium = media.from_image(image, (1.0, 10.0))
    values = [hmm.CellProblem(n=n).effective_tensor(medium)[0, 0] for n in (96, 192, 384)]
    limit = values[2] - (values[1] - values[2]) ** 2 / (values[0] - 2 * values[1] + values[2])
    for n in (24, 48, 96):
        bounds = hmm.certify(medium, n=n)
        assert bounds.contains(limit)
    assert bounds.gap < 0.02


# -- random pictures --------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.integers(2, 8),
    st.integers(2, 4),
    st.floats(0, 4),
    st.sampled_from([1e-1, 1e-3]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_random_pictures_and_their_fine_tensor(n, phases, decades, tol, tensors, seed):
    rng = np.random.default_rng(seed)
    values = list(10 ** rng.uniform(-decades / 2, decades / 2, phases))
    if tensors:
        values = [rotated(v, v * rng.uniform(1, 10), rng.uniform(0, 3)) for v in values]
    medium = media.from_image(picture(rng, max(n, 2), phases=min(phases, n * n)), values[: min(phases, n * n)])
    fine = hmm.CellProblem(n=8 * n, tol=1e-10).effective_tensor(medium)
    coarse, finer = hmm.certify(medium, n=n if n > 1 else 2, tol=tol), hmm.certify(medium, n=4 * n, tol=1e-8)
    slack = 1e-9 * np.eye(2) * np.trace(fine)
    assert np.linalg.eigvalsh(coarse.upper - fine + slack)[0] >= 0  # fine is an upper bound itself
    assert np.linalg.eigvalsh(fine - coarse.lower)[0] >= 0 and np.linalg.eigvalsh(fine - finer.lower)[0] >= 0
    assert np.linalg.eigvalsh(coarse.upper - finer.lower)[0] >= 0
    assert finer.gap <= coarse.gap + 2 * tol
    low, high = finer.interval
    slack = 1e-9 * np.abs(fine).max()  # fine is computed
    assert (low <= fine + slack).all() and (fine <= high + slack + finer.gap * np.abs(fine).max()).all()


@settings(max_examples=8)
@given(st.integers(2, 4), st.floats(0, 3), st.booleans(), st.integers(0, 2**32 - 1))
def test_random_stacks_and_their_fine_tensor(n, decades, tensors, seed):
    rng = np.random.default_rng(seed)
    values = list(10 ** rng.uniform(-decades / 2, decades / 2, 3))
    if tensors:
        B = rng.standard_normal((3, 3, 3))
        values = [v * (b @ b.T + 0.3 * np.eye(3)) for v, b in zip(values, B, strict=True)]
    medium = media.from_image(picture(rng, n, 3, 3), values)
    fine = hmm.CellProblem(dim=3, n=6 * n, tol=1e-8).effective_tensor(medium)
    coarse, finer = (hmm.certify(medium, n=k * n, tol=1e-2) for k in (1, 2))
    for bounds in (coarse, finer):
        assert np.linalg.eigvalsh(bounds.upper - fine)[0] >= -1e-7 * np.trace(fine)
        assert np.linalg.eigvalsh(fine - bounds.lower)[0] >= 0
    assert finer.gap <= coarse.gap + 0.02


def test_bounds_of_a_stack_close_in():
    """Cubes of a three-dimensional checkerboard, contrast 10."""
    medium = media.from_image(np.indices((2, 2, 2)).sum(axis=0) % 2, (1.0, 10.0))
    gaps = [hmm.certify(medium, n=n).gap for n in (8, 16, 32)]
    assert gaps[0] > 1.5 * gaps[1] > 2.2 * gaps[2] and gaps[2] < 0.12


def test_any_field_at_all_bounds_from_above():
    """No solver: random nodal values instead of a corrector, against the exact tensor of Obnosov's square."""
    rng = np.random.default_rng(9)
    a = np.where(np.kron(SQUARE, np.ones((4, 4))), 10.0, 1.0)[None]
    grid = Q1Grid(2, 16, 1.0)
    for size in (0.0, 1e-3, 1.0):
        w = [grid.extend(size * rng.standard_normal((16, 16))) for _ in range(2)]
        energy = Voxels(grid, a).energy(w)
        assert np.linalg.eigvalsh(energy)[0] >= exact.obnosov(1.0, 10.0)


def test_random_composites_and_media_made_of_pixels():
    medium = media.random_checkerboard(1.0, 1000.0, 0.6, rng=3, tile=0.125, period=2.0)
    bounds = hmm.certify(medium, pixels=16, size=2.0, n=64)
    cell = hmm.CellProblem(n=64, size=2.0, tol=1e-8)
    assert bounds.contains(cell.effective_tensor(medium))
    assert 0 < bounds.gap < 1


# -- rounding -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contrast", [1.0, 1e3, 1e6])
def test_energies_agree_with_rational_arithmetic_within_the_stated_rounding(contrast):
    """A small cell in exact fractions: the stated bound on rounding is kept, and is no larger than 1e-9."""
    from hmm_core.analysis.certify import _bounded

    rng, n = np.random.default_rng(10), 4
    a = np.where(picture(rng, n), contrast, 1.0)
    grid = Q1Grid(2, n, 1.0)
    w = [grid.extend(rng.standard_normal((n, n))) for _ in range(2)]
    total = [[Fraction(0)] * 2 for _ in range(2)]
    fields = [[[Fraction(float(v)) for v in row] for row in field] for field in w]
    for p, q in np.ndindex(n, n):
        grads = []
        for j, f in enumerate(fields):
            dx = [(f[p + 1][q + t] - f[p][q + t]) * n + (j == 0) for t in (0, 1)]  # linear in y: at both ends
            dy = [(f[p + t][q + 1] - f[p + t][q]) * n + (j == 1) for t in (0, 1)]
            grads.append((dx, dy))
        for i, j in np.ndindex(2, 2):
            for g, h in zip(grads[i], grads[j], strict=True):
                mean = (2 * g[0] * h[0] + g[0] * h[1] + g[1] * h[0] + 2 * g[1] * h[1]) / 6
                total[i][j] += Fraction(float(a[p, q])) * mean / (n * n)
    upper, rounding = _bounded(Voxels(grid, a[None]), w, 1.0)
    difference = np.array(
        [[Fraction(float(upper[i, j])) - total[i][j] for j in range(2)] for i in range(2)], dtype=object
    )
    assert difference[0, 0] > 0 and difference[0, 0] * difference[1, 1] >= difference[0, 1] * difference[1, 0]
    assert rounding < 1e-9
    assert float(difference[0, 0] / total[0][0]) < 2 * rounding


def test_inverses_are_exact_and_rounded_down():
    rng = np.random.default_rng(11)
    for dim in (2, 3):
        B = rng.standard_normal((dim, dim))
        matrix = B @ B.T + 1e-6 * np.eye(dim)
        matrix = (matrix + matrix.T) / 2
        inverse = _exact(matrix)
        product = [
            [sum(Fraction(float(matrix[i, k])) * inverse[k, j] for k in range(dim)) for j in range(dim)]
            for i in range(dim)
        ]
        assert product == [[Fraction(int(i == j)) for j in range(dim)] for i in range(dim)]
        below = _inverse_below(matrix)
        room = np.array(
            [[inverse[i, j] - Fraction(float(below[i, j])) for j in range(dim)] for i in range(dim)], dtype=object
        )
        assert all(room[i, i] > sum(abs(room[i, j]) for j in range(dim) if j != i) for i in range(dim))


# -- refusals -----------------------------------------------------------------------------------------------------------------

IMAGE = media.from_image(SQUARE, (1.0, 10.0))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: hmm.certify(media.checkerboard(1, 10)), ValueError, "pixels=None"),
        (lambda: hmm.certify(media.checkerboard(1, 10), pixels=3), ValueError, "not constant in pixels=3"),
        (lambda: hmm.certify(media.inclusion(10, radius=0.3), pixels=16), ValueError, "not constant in pixels=16"),
        (lambda: hmm.certify(media.sine_product(), pixels=4), ValueError, "not constant"),
        (lambda: hmm.certify(lambda x, y: 1 + x[0] + 0 * y[0], pixels=4), ValueError, "depends on x"),
        (lambda: hmm.certify(media.checkerboard(1, 10), pixels=2, size=-1), ValueError, "size=-1"),
        (lambda: hmm.certify(3.0), TypeError, "a=3.0"),
        (lambda: hmm.certify(IMAGE, pixels=4), ValueError, "pixels=4"),
        (lambda: hmm.certify(IMAGE, n=6), ValueError, "n=6"),
        (lambda: hmm.certify(IMAGE, n=True), ValueError, "n=True"),
        (lambda: hmm.certify(IMAGE, rtol=0.0), ValueError, "rtol=0.0"),
        (lambda: hmm.certify(IMAGE, tol=2), ValueError, "tol=2"),
        (lambda: hmm.certify(IMAGE, largest=2), ValueError, "largest=2"),
        (lambda: hmm.certify(media.from_image(SQUARE, (np.eye(2), [[2, 0.5], [-0.5, 2]]))), ValueError, "symmetric"),
        (lambda: hmm.certify(media.laminate((1, 2), wave=(1.0,)), pixels=2), ValueError, "one dimension"),
        (
            lambda: hmm.certify(media.from_image(SQUARE, [np.einsum("ik,jl->ijkl", np.eye(2), np.eye(2))] * 2)),
            ValueError,
            "stiffness",
        ),
        (lambda: hmm.certify(media.from_image(np.zeros((63, 64), dtype=int), [1.0], spacing=1)), ValueError, "crop it"),
        (lambda: hmm.certify(IMAGE).form([1.0]), ValueError, "xi="),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_rectangles_are_certified_as_the_square_that_they_fill():
    image = np.array([[0, 1, 1, 0]])
    a = hmm.certify(media.from_image(image, (1.0, 4.0), spacing=0.25), tol=1e-10)
    assert a.contains(np.diag([1.6, 2.5]))
