"""Averages over a part of the sampling domain, exact for what is a polynomial on every element."""

from itertools import product

import numpy as np

Array = np.ndarray


def window_weights(edges: Array, reference: Array, size: float, window: str | tuple[str, float] = "box") -> Array:
    r"""Weights (G, N) with sum(weights * f) = \int K(y) f(y) dy for f a polynomial on every element.

    ``K`` has unit integral and lives on |y| < size/2: the box 1/size, or K_q(y) ~ (1/4 - (y/size)^2)^q. ``f`` is
    the interpolant of its values at the points ``reference`` (G,) of [0, 1], mapped to the N elements between
    ``edges`` (N+1,). Elements that the window cuts are integrated exactly over the part inside: counting points in
    or out instead would stall the average near 1e-3.
    """
    h = edges[1] - edges[0]
    start = np.clip((-size / 2 - edges[:-1]) / h, 0, 1)
    stop = np.clip((size / 2 - edges[:-1]) / h, 0, 1)
    order = 0.0 if window == "box" else float(window[1])
    xi, weight = np.polynomial.legendre.leggauss(len(reference) + int(np.ceil(order)) + 2)
    xi, weight = (xi + 1) / 2, weight / 2
    s = start + (stop - start) * xi[:, None]  # (Q, N) quadrature points inside the window
    y = edges[:-1] + h * s
    kernel = np.clip(0.25 - (y / size) ** 2, 0, None) ** order * (stop - start) * weight[:, None]
    lagrange = np.ones((len(reference), *s.shape))
    for g, h_k in product(range(len(reference)), range(len(reference))):
        if g != h_k:
            lagrange[g] *= (s - reference[h_k]) / (reference[g] - reference[h_k])
    weights = (lagrange * kernel).sum(axis=1)
    return weights / kernel.sum()
