"""Grey pictures: the interface between the pixels, against closed forms and against a threshold; bad input."""

import pickle

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import hmm_core as hmm
from hmm_core import exact, media


def disk(n, fraction=0.3, blur=1.0, over=8):
    """A bright disk on dark ground, as a camera of n x n pixels sees it: share of each pixel, blurred."""
    line = (np.arange(n * over) + 0.5) / (n * over) - 0.5
    sharp = (line[:, None] ** 2 + line**2 < fraction / np.pi).astype(float)
    return gaussian_filter(sharp.reshape(n, over, n, over).mean(axis=(1, 3)), blur, mode="wrap")


def test_a_grey_picture_keeps_the_axes_of_a_picture():
    image = np.arange(48.0).reshape(6, 8)
    y = np.array(np.meshgrid(np.arange(8) - 3.5, 2.5 - np.arange(6))) / 8  # centres of pixels, as they are seen
    seen = media.from_grey(image, 20.5, spacing=1 / 8).level(None, y)
    np.testing.assert_allclose(seen, image - 20.5, atol=1e-12)
    np.testing.assert_allclose(
        media.from_grey(image, 20.5, spacing=1 / 8).level(None, y + [[[-3]], [[1.5]]]), seen, atol=1e-9
    )
    medium, labels = (
        media.from_grey(image, 20.5, 2.0, 5.0, spacing=1 / 8),
        media.from_image(image > 20.5, (2, 5), 1 / 8),
    )
    np.testing.assert_array_equal(medium(None, y), labels(None, y))
    stack = np.random.default_rng(0).random((4, 4, 4))
    y = np.array(np.meshgrid(*[(np.arange(4) - 1.5) / 4] * 3, indexing="ij"))
    np.testing.assert_array_equal(
        media.from_grey(stack, 0.5, 1, 3)(None, y), media.from_image(stack > 0.5, (1, 3))(None, y)
    )


@pytest.mark.parametrize("bright", [0.1, 10.0])
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_grey_levels_are_of_second_order_where_a_threshold_is_erratic(fraction, bright):
    """A threshold's error changes its sign with the grid, so that the worst of neighbouring grids tells."""
    closed = exact.cylinders(fraction, bright)

    def error(n, grey):
        image, cell = disk(n, fraction), hmm.CellProblem(n=n, interface="laminate" if grey else "sharp", tol=1e-6)
        medium = media.from_grey(image, 0.5, 1.0, bright) if grey else media.from_image(image > 0.5, (1.0, bright))
        return abs(cell.effective_tensor(medium)[0, 0] / closed - 1)

    sizes = np.array([24, 32, 48, 64, 96])
    errors = [error(int(n), True) for n in sizes]
    assert 1.5 < -np.polyfit(np.log(sizes), np.log(errors), 1)[0] < 2.4 and errors[3] < 2.5e-3
    near = range(58, 71, 2)
    assert max(error(n, False) for n in near) > 2.5 * max(error(n, True) for n in near)


def test_a_medium_of_greys_is_pickled_and_read_from_a_file(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("imageio")
    grey = (255 * disk(16)).astype(np.uint8)
    image.fromarray(grey).save(tmp_path / "grey.png")
    cell = hmm.CellProblem(n=16, interface="laminate")
    media_of = media.from_grey(grey, 127.5, 1, 10), media.from_grey(tmp_path / "grey.png", 127.5, 1, 10)
    tensors = [cell.effective_tensor(m) for m in (*media_of, pickle.loads(pickle.dumps(media_of[0])))]
    np.testing.assert_array_equal(tensors[0], tensors[1])
    np.testing.assert_array_equal(tensors[0], tensors[2])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: media.from_grey(disk(8), 2.0, 1, 10), "level=2.0"),
        (lambda: media.from_grey(np.ones((4, 4)), 1.0, 1, 10), "level=1.0"),
        (lambda: media.from_grey(disk(8), [0.5], 1, 10), "level="),
        (lambda: media.from_grey(disk(8), 0.5, -1.0, 10), "inside=-1"),
        (lambda: media.from_grey(disk(8), 0.5, 1.0, 0.0), "matrix=0"),
        (lambda: media.from_grey(disk(8)[:4], 0.5, 1, 10), "must be square"),
        (lambda: media.from_grey(disk(8) * np.nan, 0.5, 1, 10), "holds nan"),
    ],
)
def test_bad_greys_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
