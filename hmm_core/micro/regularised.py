r"""Cell problems that forget their boundary faster: a zero-order term with Richardson extrapolation, and a heat equation."""

from dataclasses import replace
from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, Q1Grid
from hmm_core.micro.krylov import ConvergenceError, dot, lanczos
from hmm_core.micro.response import fluctuation, mean_tensor


def richardson(cell: Any, *question: Any) -> Any:
    """The answer to ``cell.solve_sampled(*question)``: the error of the zero-order term is a power series in 1/T whose first
    term is known, so the tensors of T and 2T tell the limit better than either."""
    kind, T = cell.equation
    one, two = (replace(cell, equation=(kind, t), richardson=False).solve_sampled(*question) for t in (T, 2 * T))
    gain = 2 ** (2 if cell.average == "energy" else 1)
    tensor = two.tensor + (two.tensor - one.tensor) / (gain - 1)
    return replace(two, tensor=tensor, iterations=one.iterations + two.iterations, solves=one.solves + two.solves)


def parabolic(
    cell: Any, grid: Q1Grid, a: Array, T: Array, correctors: bool
) -> tuple[Array, Array, Array, Array, Array | None]:
    r"""A_ij = <a_ij> - 2 int_0^T <u_i u_j> dt for B sampled coefficients a, with a time T for each.

    u(t) = exp(-t K/m) u(0) in the Krylov space of each problem (Lanczos), so the time integral is exact there. The mass
    matrix is lumped, m = h^d. The space grows until the tensor stands still. Returns as ``linear.solve_batch`` does, in the
    L components of a gradient.
    """
    L, T = len(grid.kinematics), T[:, None, None]
    weights = grid.window(cell.size, cell.window)
    voigt = np.tensordot(a, weights, axes=2)
    voigt = voigt[:, :, None] * np.eye(L) if a.shape[1] == 1 else voigt.reshape(-1, L, L)
    m = grid.h**grid.dim
    start = -grid.load(fluctuation(a, mean_tensor(a, L))) / m
    length = np.sqrt(dot(start, start))
    nodal = grid.nodal_window(cell.size, cell.window)
    tensor, change = voigt, np.full(1, np.inf)
    for basis, theta, modes in lanczos(grid.operator(grid.stencil(a) / m), start):
        previous, first = tensor, length[..., None] * modes[..., 0, :]
        tensor = voigt.copy()
        weighted = (basis * nodal).reshape(*basis.shape[:3], -1)
        for i, j in np.ndindex(L, L):
            gram = weighted[:, i] @ basis[:, j].reshape(*basis[:, j].shape[:2], -1).swapaxes(1, 2)
            rate = theta[:, i, :, None] + theta[:, j, None, :]
            gram = modes[:, i].swapaxes(1, 2) @ gram @ modes[:, j] * -np.expm1(-T * rate) / rate
            tensor[:, i, j] -= 2 * np.einsum("bk,bkl,bl->b", first[:, i], gram, first[:, j])
        root = np.sqrt(
            np.abs(np.einsum("bii->bi", tensor))
        )  # of the diagonal: weak directions count as much as strong ones
        change = (np.abs(tensor - previous) / (root[:, :, None] * root[:, None, :])).max(axis=(1, 2))
        if (change < cell.tol).all():
            break
    else:
        raise ConvergenceError(
            f"equation={cell.equation!r}: the tensor still changes by {change.max():.1e} of tol={cell.tol}"
        )
    kept = (root**2 / np.einsum("bii->bi", voigt)).min()
    if kept * cell.tol < 4 * np.finfo(float).eps:
        raise ConvergenceError(
            f"equation={cell.equation!r}: tol={cell.tol} cannot be reached in double precision for this medium: the tensor is a "
            f"difference, {kept:.1e} of the mean that it is taken from. Ask for less, or for a lower contrast"
        )
    fields = None
    if correctors:  # the integral of u over time is the corrector, as far as T reaches
        amplitude = np.einsum("bjkl,bjl->bjk", modes, first * -np.expm1(-T * theta) / theta)
        fields = grid.extend(np.einsum("bjk,bjk...->bj...", amplitude, basis))
    count, steps = len(a), np.full(len(a), basis.shape[2])
    return (tensor + tensor.swapaxes(1, 2)) / 2, steps, change, np.full(count, "lanczos", dtype=object), fields
