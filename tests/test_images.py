"""Pictures as media: axes, values, statistics, files, the solver for constant elements, bad input."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hmm_core as hmm
from hmm_core import media
from hmm_core.micro import linear
from hmm_core.micro.grid import Q1Grid
from hmm_core.micro.voxels import Voxels, solve_voxels


class Hidden:
    """The same medium without what it knows of its pixels: every cell samples it at Gauss points."""

    def __init__(self, medium):
        self.medium = medium

    def __call__(self, x, y):
        return self.medium(x, y)


def spread(count, dim, seed=0):
    """Positive definite tensors."""
    B = np.random.default_rng(seed).standard_normal((count, dim, dim))
    return [b @ b.T + 0.2 * np.eye(dim) for b in B]


def isotropic(lam, mu, dim):
    eye = np.eye(dim)
    shear = np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye)
    return lam * np.einsum("ij,kl->ijkl", eye, eye) + mu * shear


# -- what a picture shows ---------------------------------------------------------------------------------------------------


def test_a_picture_keeps_the_axes_that_it_is_seen_with():
    """y_1 to the right, y_2 up, centred at 0: four pixels are the four-phase checkerboard."""
    y = np.random.default_rng(0).uniform(-3, 3, (2, 500))
    picture = media.from_image([[0, 1], [3, 2]], (1, 2, 3, 4))
    np.testing.assert_array_equal(picture(None, y), media.checkerboard4(1, 2, 3, 4)(None, y))


def test_pages_are_the_third_axis():
    stack = np.arange(8).reshape(2, 2, 2)
    medium = media.from_image(stack, lambda g: 1.0 + g)
    y = np.array([[-0.1, 0.1, -0.1, -0.1], [0.1, 0.1, -0.1, 0.1], [-0.1, -0.1, -0.1, 0.1]])
    np.testing.assert_array_equal(
        medium(None, y) - 1, [0, 1, 2, 4]
    )  # the first page, seen from the front, is the lower one


@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 6)])
def test_every_pixel_is_sampled_exactly_and_repeats(shape):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 4, shape)
    image.flat[:4] = range(4)
    medium = media.from_image(image, (1, 2, 3, 4), spacing=0.25)
    assert medium.extent == tuple(0.25 * n for n in medium.phases.shape)
    index = np.array([*np.ndindex(*medium.phases.shape)]).T
    inside = rng.uniform(0.001, 0.999, index.shape)
    y = 0.25 * (index + inside - np.array(medium.phases.shape)[:, None] / 2)
    np.testing.assert_array_equal(medium(None, y), 1 + medium.phases.ravel())
    periods = rng.integers(-3, 4, index.shape) * np.array(medium.extent)[:, None]
    np.testing.assert_array_equal(medium(None, y + periods), medium(None, y))
    row, column = 1, 2  # of the first page
    place = 0.25 * np.array([column + 0.5 - shape[-1] / 2, shape[-2] / 2 - row - 0.5, 0.5 - shape[0] / 2])[: len(shape)]
    assert medium(None, place) == 1 + image.reshape(-1, *shape[-2:])[0, row, column]


def test_values_by_label_by_number_and_by_grey_level():
    image = np.array([[7, 7], [200, 7]], dtype=np.uint8)
    by_label = media.from_image(image, {7: 1.0, 200: 5.0})
    assert by_label.fractions == {7: 0.75, 200: 0.25} and media.from_image(image > 100, (1, 5)).fractions == {
        False: 0.75,
        True: 0.25,
    }
    by_grey = media.from_image(image, lambda g: 1 + 4 * (g > 100))
    assert by_grey == by_label and hash(by_grey) == hash(by_label)
    assert by_label != media.from_image(image, {7: 1.0, 200: 6.0})
    assert pickle.loads(pickle.dumps(by_label)) == by_label
    mixed = media.from_image(image, {7: 2.0, 200: [[1, 0.5], [0.5, 3]]})
    np.testing.assert_array_equal(mixed(None, np.array([0.25, 0.25])), 2 * np.eye(2))
    np.testing.assert_array_equal(mixed(None, np.array([-0.25, -0.25])), [[1, 0.5], [0.5, 3]])
    tensors = media.from_image(image, lambda g: np.eye(2)[:, :, None] * (1.0 + g))
    np.testing.assert_array_equal(tensors(None, np.array([-0.25, -0.25])), 201 * np.eye(2))


def test_statistics_of_stripes():
    """Stripes of width 2 in a period of 8: phases, their correlation along and across, and the covariance's decay."""
    image = np.tile([0, 0, 1, 1, 1, 1, 1, 1], (8, 1))
    medium = media.from_image(image, {0: 1.0, 1: 10.0})
    assert medium.fractions == {0: 0.25, 1: 0.75}
    two_point = medium.two_point(0)
    np.testing.assert_allclose(two_point[:, 0], [0.25, 0.125, 0, 0, 0, 0, 0, 0.125], atol=1e-15)  # along y_1
    np.testing.assert_allclose(two_point[0], 0.25, atol=1e-15)
    assert media.from_image(np.zeros((4, 4), dtype=int), (3.0,)).correlation_length == 0


def test_correlation_length_of_tiles():
    """Random tiles of side s: the covariance falls like (1 - |r_1|/s)(1 - |r_2|/s), to 1/e at 0.5 s in the mean of directions."""
    rng = np.random.default_rng(2)
    tiles = rng.random((32, 32)) < 0.5
    for side in (8, 16):
        medium = media.from_image(np.kron(tiles, np.ones((side, side), dtype=int)).astype(int), (1, 10))
        assert medium.correlation_length * 32 == pytest.approx(0.53, abs=0.05)
    fine = media.from_image(tiles.astype(int), {0: 1.0, 1: 10.0}, spacing=3.0)
    assert fine.extent == (96.0, 96.0) and 0 < fine.correlation_length < 3


@pytest.mark.parametrize("shape, count", [((8, 8), 2), ((6, 12), 3), ((4, 4, 4), 2)])
def test_windows_are_pieces_of_the_picture(shape, count):
    rng = np.random.default_rng(9)
    medium = media.from_image(rng.integers(0, 3, shape), (1, 2, 5), spacing=0.25)
    windows = medium.windows(count)
    assert len(windows) == count ** len(shape)
    for corner, window in zip(np.ndindex(*(count,) * len(shape)), windows, strict=True):
        assert window.extent == tuple(size / count for size in medium.extent)
        sides = np.array(window.phases.shape)
        index = np.array([*np.ndindex(*sides)]).T
        y = 0.25 * (index + 0.5 - sides[:, None] / 2)  # of the window; in the picture it lies at
        there = 0.25 * (index + 0.5 + (np.array(corner) * sides - np.array(medium.phases.shape) / 2)[:, None])
        np.testing.assert_array_equal(window(None, y), medium(None, there))
    assert sum(np.array([*w.fractions.values()]) for w in windows) == pytest.approx(
        len(windows) * np.array([*medium.fractions.values()])
    )


def test_a_window_may_show_one_phase_alone():
    medium = media.from_image(np.kron([[0, 1], [1, 1]], np.ones((4, 4), dtype=int)), (1.0, 10.0))
    cell = hmm.CellProblem(n=8, size=0.5)
    values = [cell.effective_tensor(window)[0, 0] for window in medium.windows(2)]
    np.testing.assert_allclose(values, [10, 1, 10, 10], rtol=1e-9)  # y_2 runs up
    for count in (3, 0, 2.0, 16):
        with pytest.raises(ValueError, match="count="):
            medium.windows(count)


# -- cells of pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim, n", [(2, 12), (3, 6)])
@pytest.mark.parametrize("kind", ["numbers", "tensors", "stiffnesses"])
@pytest.mark.parametrize("fine", [1, 2])
def test_without_a_matrix_the_answer_is_the_same(dim, n, kind, fine, monkeypatch):
    monkeypatch.setattr(linear, "SMALL", 0)
    image = np.random.default_rng(3).integers(0, 3, (n,) * dim)
    values = {
        "numbers": (1, 10, 100),
        "tensors": spread(3, dim),
        "stiffnesses": [isotropic(1, 1, dim), isotropic(3, 2, dim), isotropic(5, 0.3, dim)],
    }[kind]
    medium = media.from_image(image, values)
    cell = hmm.CellProblem(dim=dim, n=fine * n)
    one, other = cell.solve(medium), cell.solve(Hidden(medium))
    np.testing.assert_allclose(one.tensor, other.tensor, rtol=1e-12, atol=1e-12 * np.abs(other.tensor).max())
    np.testing.assert_allclose(one.correctors, other.correctors, atol=1e-7)  # the last iteration may differ
    assert one.iterations == other.iterations and one.solver == "fft-cg"
    assert one.residual == pytest.approx(other.residual, rel=1e-3)


@pytest.mark.parametrize("bc", ["periodic", "dirichlet", "neumann"])
@pytest.mark.parametrize("extra", [{}, {"buffer": 0.5}, {"window": ("smooth", 1)}, {"scheme": "fourier"}])
def test_other_cells_take_the_general_way(bc, extra):
    if extra.get("scheme") == "fourier" and bc != "periodic":
        return
    medium = media.from_image(np.random.default_rng(4).integers(0, 2, (8, 8)), (1, 5))
    cell = hmm.CellProblem(n=16, bc=bc, **extra)
    one, other = cell.effective_tensor(medium), cell.effective_tensor(Hidden(medium))
    np.testing.assert_allclose(one, other, rtol=1e-7 if extra else 1e-10, atol=1e-10)


def test_a_picture_in_a_closure_and_at_macro_points():
    medium = media.from_image(np.eye(6, dtype=int), (1, 10))
    x = np.random.default_rng(5).uniform(size=(2, 7))
    cell = hmm.CellProblem(n=6)
    micro = cell.solve(medium, x=x)
    assert micro.solves == 1
    np.testing.assert_array_equal(micro.tensor, np.broadcast_to(cell.effective_tensor(medium)[..., None], (2, 2, 7)))
    assert not np.allclose(cell.effective_tensor(medium)[0, 1], 0)


def test_where_pixels_are_cut_points_are_sampled():
    medium = media.from_image(np.eye(6, dtype=int), (1, 10))
    for n, kwargs, aligned in (
        (6, {}, True),
        (12, {}, True),
        (9, {}, False),
        (6, {"offset": 0.1}, False),
        (6, {"size": 2}, True),
    ):
        cell = hmm.CellProblem(n=n, **kwargs)
        assert (cell.view(medium, None)[1].shape[1] == cell.cells**2) == aligned
        assert cell.view(medium, 0.1)[1].shape[1] == 4 * cell.cells**2
        np.testing.assert_allclose(cell.effective_tensor(medium), cell.effective_tensor(Hidden(medium)), rtol=1e-10)
    odd = media.from_image(np.eye(5, dtype=int), (1, 10))
    assert hmm.CellProblem(n=5).view(odd, None)[1].shape[1] == 25


def test_a_seam_is_announced():
    """Two periods wide and one high: a periodic cell of side 2 holds whole pictures, one of side 1 does not."""
    medium = media.from_image(np.array([[0, 0, 1, 0], [0, 1, 1, 0]]), (1, 10), spacing=0.5)
    assert medium.extent == (2.0, 1.0)
    with pytest.warns(UserWarning, match="seam"):
        hmm.CellProblem(n=4).effective_tensor(medium)
    whole = hmm.CellProblem(n=4, size=2.0).effective_tensor(medium)
    assert hmm.certify(medium, n=8).contains(hmm.CellProblem(n=64, size=2.0).effective_tensor(medium))
    assert whole[0, 0] > 1
    hmm.CellProblem(n=4, bc="dirichlet").effective_tensor(medium)  # warns of nothing


@pytest.mark.parametrize("contrast", [1e3, 1e6])
def test_rough_pictures_are_handed_to_multigrid(contrast, monkeypatch):
    monkeypatch.setattr(linear, "SMALL", 0)
    values = np.exp(np.random.default_rng(6).uniform(0, np.log(contrast), 400))
    medium = media.from_image(np.arange(400).reshape(20, 20), values)
    cell = hmm.CellProblem(n=60)
    one, other = cell.solve(medium), cell.solve(Hidden(medium))
    np.testing.assert_allclose(one.tensor, other.tensor, rtol=2e-8, atol=1e-8 * np.abs(other.tensor).max())


def test_the_operator_is_that_of_the_grid():
    """Modes against Gauss points, numbers and full tensors, cubes whose side is not one."""
    rng = np.random.default_rng(7)
    for dim, n, fields, c in ((2, 7, "scalar", 1), (2, 7, "scalar", 4), (3, 4, "scalar", 9), (3, 4, "strain", 36)):
        grid = Q1Grid(dim, n, 1.7, "periodic", fields)
        a = rng.standard_normal((1, c, 1, n**dim))
        field = rng.standard_normal((1, 1, *grid.shape))
        gauss = np.repeat(a, 2**dim, axis=2)
        voxels = Voxels(grid, a.reshape(c, *(n,) * dim))
        expected = grid.operator(grid.stencil(gauss))(field)[0, 0]
        np.testing.assert_allclose(voxels.apply(field[0, 0]), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        loads = grid.load(gauss)[0]
        for j, load in enumerate(loads):
            np.testing.assert_allclose(voxels.load(voxels.a, j), load, rtol=0, atol=1e-12 * np.abs(loads).max())


# -- files ------------------------------------------------------------------------------------------------------------------


def written(path, *pages, mode=None):
    image = pytest.importorskip("PIL.Image")
    pictures = [image.fromarray(page) if mode is None else image.fromarray(page).convert(mode) for page in pages]
    pictures[0].save(path, **({"save_all": True, "append_images": pictures[1:]} if len(pages) > 1 else {}))
    return path


@pytest.mark.parametrize("mode", [None, "LA", "RGB", "P"])
def test_a_file_holds_the_same_picture(tmp_path, mode):
    pytest.importorskip("imageio")
    grey = (np.arange(36).reshape(6, 6) * 7).astype(np.uint8)
    path = written(tmp_path / "grey.png", grey, mode=mode)
    law = np.vectorize(lambda g: 1.0 + g)
    assert media.from_image(path, law) == media.from_image(str(path), law) == media.from_image(grey, law)


def test_stacks_and_deep_greys(tmp_path):
    pytest.importorskip("imageio")
    grey = (np.arange(25).reshape(5, 5) * 9).astype(np.uint8)
    stack = np.array([np.roll(grey, k, axis=0) for k in range(5)])
    path = written(tmp_path / "stack.tif", *stack)
    assert media.from_image(path, lambda g: 1.0 + g) == media.from_image(stack, lambda g: 1.0 + g)
    deep = grey.astype(np.uint16) * 200
    assert media.from_image(written(tmp_path / "deep.png", deep), lambda g: 1.0 + g).labels.max() == deep.max()


def test_files_that_are_no_pictures(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no such file"):
        media.from_image(tmp_path / "missing.png", (1, 2))
    path = tmp_path / "words.png"
    path.write_text("not a picture")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "imageio", None)
        patch.setitem(sys.modules, "imageio.v3", None)
        with pytest.raises(ImportError, match=r"hmm-core\[images\]"):
            media.from_image(path, (1, 2))
    pytest.importorskip("imageio")
    with pytest.raises(ValueError, match="no image that"):
        media.from_image(path, (1, 2))
    colours = np.random.default_rng(8).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    with pytest.raises(ValueError, match="colours"):
        media.from_image(written(tmp_path / "colours.png", colours), (1, 2))


# -- bad input ------------------------------------------------------------------------------------------------------------

LABELS = np.array([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    "image, values, spacing, message",
    [
        ([[0.0, np.nan], [1.0, 0.0]], (1, 2), None, r"holds nan at \[0, 1\]"),
        ([[0.0, np.inf], [1.0, 0.0]], (1, 2), None, "holds inf"),
        ([[0, 5], [1, 0]], (1, 2), None, r"image=\[5\].*no value"),
        (np.linspace(0, 1, 100).reshape(10, 10), (1, 2), None, "Threshold"),
        (LABELS, (1, 2, 3), None, r"values=\[2\].*empty phase"),
        (LABELS, {0: 1, 1: 2, 7: 3}, None, "empty phase"),
        (LABELS, (1, 0), None, r"values\[1\]=0.0.*percolates"),
        (LABELS, (1, np.inf), None, r"values\[1\]=inf.*percolates"),
        (LABELS, (1, -2), None, "must be positive"),
        (LABELS, (1, np.nan), None, "must be positive"),
        (LABELS, (1, [[1, 2], [2, 1]]), None, "positive definite"),
        (LABELS, (1, np.eye(3)), None, r"shape \(2, 2\)"),
        (LABELS, (1, isotropic(1, 1, 2)), None, "do not mix"),
        (LABELS, (isotropic(1, np.nan, 2), isotropic(1, 1, 2)), None, "finite"),
        (LABELS, lambda g: np.ones(5), None, "for 2 grey levels"),
        (LABELS, lambda g: g, None, "percolates"),
        (LABELS, (1, 2), (0.5, 0.25), "must be square"),
        (LABELS, (1, 2), 0.0, "spacing=0.0"),
        (LABELS, (1, 2), (1, 1, 1), "spacing="),
        (np.zeros((2, 3), dtype=int), (1,), None, "must be square"),
        (np.zeros((4, 4, 3), dtype=int), (1,), None, "colours"),
        (np.zeros(4, dtype=int), (1,), None, "two or three axes"),
        (np.zeros((0, 4), dtype=int), (1,), None, "two or three axes"),
        ([["a", "b"]], (1, 2), None, "real numbers"),
        (LABELS + 1j, (1, 2), None, "real numbers"),
    ],
)
def test_bad_pictures_and_values_are_named(image, values, spacing, message):
    with pytest.raises(ValueError, match=message):
        media.from_image(image, values, spacing)


def test_bad_kinds():
    with pytest.raises(TypeError, match="values="):
        media.from_image(LABELS, 3.0)
    with pytest.raises(TypeError, match="values="):
        media.from_image(LABELS, "ab")
    medium = media.from_image(LABELS, (1, 2))
    with pytest.raises(ValueError, match="label=2"):
        medium.two_point(2)
    with pytest.raises(ValueError, match=r"y.shape"):
        medium(None, np.zeros((3, 4)))


def test_large_pictures_have_no_matrix(monkeypatch):
    """Small ones have one, for speed; the answers agree."""
    medium = media.from_image(np.random.default_rng(9).integers(0, 2, (132, 132)), (1, 10))
    cell, answers, called = hmm.CellProblem(n=132, tol=1e-6), [], []
    monkeypatch.setattr(linear, "solve_voxels", lambda *args: called.append(1) or solve_voxels(*args))
    for limit in (2**20, linear.SMALL):
        assert not called
        monkeypatch.setattr(linear, "SMALL", limit)
        answers.append(cell.effective_tensor(medium))
    assert called == [1]
    np.testing.assert_allclose(*answers, rtol=1e-10, atol=1e-10)


@settings(max_examples=25)
@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_a_turned_picture_has_the_turned_tensor(n, seed):
    image = np.random.default_rng(seed).integers(0, 2, (n, n))
    image[0, :2] = 0, 1
    cell = hmm.CellProblem(n=n, tol=1e-10)
    A, B = (cell.effective_tensor(media.from_image(picture, (1, 10))) for picture in (image, np.rot90(image)))
    R = np.array([[0, -1], [1, 0]])  # rot90 turns what is seen counterclockwise
    np.testing.assert_allclose(B, R @ A @ R.T, atol=1e-8)
