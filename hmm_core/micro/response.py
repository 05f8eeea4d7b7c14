r"""From solved micro fields to what the macro solver hears: averages, effective tensor, consistent tangent.

With a the coefficient (of a nonlinear law: its tangent dj/dxi at the solution) and u_j = y_j + w_j, j = 1..L, the fields that
belong to the unit gradients, all averages are linear in these fields, so that linear and nonlinear cells share them.
"""

from typing import Any

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, Q1Grid, multiply
from hmm_core.micro.krylov import dot_matrix


def is_quadratic(cell: Any, symmetric: bool) -> bool:
    """Whether A = <(e_i + grad w_i) . a (e_j + grad w_j)>: its error is the square of the solver's."""
    return symmetric and cell.buffer == 0 and cell.window == "box" and cell.equation == "elliptic"


def allowed_energy(
    cell: Any, low: Array, harmonic: Array, mean: Array, quadratic: bool, prescribed: bool = True
) -> Array:
    """Energy |e_j|^2 that the error of w_j may hold, so that the tensor has relative accuracy ``tol``, (B, L).

    A_jj >= harmonic D_jj, D the diagonal of the mean tensor M, bounds the tensor from below. In the energy form the tensor's
    error *is* the energy per volume; the averages of flux and gradient see its square root (Cauchy-Schwarz).

    ``prescribed``: <grad u_j> = e_j. Otherwise the load is the uniform flux M e_j, and the energy form gives the compliance C:
    A = M C^-1 M <= M passes its error on by A M^-1, and a soft phase asks for nothing more.
    """
    grid, diagonal = cell.grid, np.einsum("bii->bi", mean)
    if quadratic and not prescribed:
        root = np.sqrt(diagonal)
        inverse = np.linalg.inv(mean / (root[:, :, None] * root[:, None]))
        return 0.1 * cell.tol * diagonal / np.abs(np.einsum("bii->bi", inverse)) * grid.length**grid.dim
    if quadratic:
        return cell.tol * harmonic[:, None] * diagonal * grid.length**grid.dim
    weights = grid.window(cell.size, cell.window)
    volume = grid.h**grid.dim / (len(weights) * weights.max())
    return (cell.tol / 2) ** 2 * np.minimum(harmonic**2, low)[:, None] * diagonal * volume


def respond(
    cell: Any,
    grid: Q1Grid | FourierGrid,
    a: Array,
    gradient: Array,
    quadratic: bool,
    outer: Array,
    forcing: Array | None = None,
) -> tuple[Array, Array]:
    r"""Rates (B, L, J) at which the averaged flux follows J causes, and the mean gradients (B, L, J) of the solved fields.

    The first L causes are the macro gradient: ``gradient`` (B, J, L, G, E) holds those of u_1 ... u_L, and rates[..., :L] is the
    effective tensor <a grad u> <grad u>^-1; ``outer`` (B, L, L) is their flux where it is uniform on the boundary. Further causes
    may be fluxes ``forcing`` (B, F, L, G, E) on the last fields (dj/dU of a nonlinear law), whose rates are taken at fixed
    <grad u>.

    ``quadratic``: a is symmetric and nothing is cut off, so the tensor is the energy <grad u_i . a grad u_j>: the error of the
    fields enters squared. It is evaluated as it stands, a sum of positive terms; <a> minus the energy of w would be the same
    number, and lose its digits where <a> exceeds it by far (a few stiff inclusions in a soft matrix).
    """
    L = len(grid.kinematics)
    flux = multiply(a, gradient)
    if forcing is not None:
        flux[:, L:] += forcing
    if quadratic:
        energy = dot_matrix(gradient[:, :L], flux) / gradient[0, 0, 0].size
        energy[..., :L] = (energy[..., :L] + energy[..., :L].swapaxes(1, 2)) / 2
        if (
            cell.bc == "neumann"
        ):  # the work of the uniform flux on the mean gradients is the compliance; 2 work - energy is better
            work = outer.swapaxes(1, 2) @ gradient.mean(axis=(3, 4)).swapaxes(1, 2)
            both = work[..., :L] + work[..., :L].swapaxes(1, 2)
            return _of_uniform_flux(outer, np.concatenate([both, work[..., L:]], axis=2) - energy)
        return energy, _unit(energy)
    weights = grid.window(cell.size, cell.window)
    if cell.average == "energy":
        energy = dot_matrix(gradient[:, :L] * weights, flux)
        return energy, _unit(energy)
    felt = np.tensordot(flux, weights, axes=2).swapaxes(1, 2)
    caused = mean_gradient(cell, grid, gradient).swapaxes(1, 2)
    tensor = np.linalg.solve(caused[..., :L].swapaxes(1, 2), felt[..., :L].swapaxes(1, 2)).swapaxes(1, 2)
    return np.concatenate([tensor, felt[..., L:] - tensor @ caused[..., L:]], axis=2), caused


def mean_gradient(cell: Any, grid: Q1Grid | FourierGrid, gradient: Array) -> Array:
    """What the macro gradient is compared with, (..., G, E) -> (...): over the window, or over the whole solved domain."""
    if cell.average == "flux":
        return gradient.mean(axis=(-2, -1))
    return np.tensordot(gradient, grid.window(cell.size, cell.window), axes=2)


def respond_at_nodes(
    cell: Any, grid: Q1Grid | FourierGrid, mean: Array, b: Array, w: Array, r: Array, forcing: Array | None = None
) -> tuple[Array, Array]:
    """As ``respond`` for a quadratic answer, by inner products of nodal fields alone: the energy is <a> less that of w.

    A difference, so it costs the digits by which <a> exceeds the tensor, but no look at the quadrature points. b (B, J, nodes)
    are the loads that w answers to, up to the residuals r.
    """
    L = mean.shape[1]
    relaxed = dot_matrix(b, w) + dot_matrix(w, r)  # w . K w, to second order in the error of w
    relaxed = (relaxed + relaxed.swapaxes(1, 2))[:, :L] / (2 * grid.length**grid.dim)
    whole = mean if forcing is None else np.concatenate([mean, forcing.mean(axis=(3, 4)).swapaxes(1, 2)], axis=2)
    if cell.bc == "neumann":
        return _of_uniform_flux(mean, relaxed + np.concatenate([mean, -whole[..., L:]], axis=2))
    return whole - relaxed, _unit(whole)


def _of_uniform_flux(outer: Array, compliance: Array) -> tuple[Array, Array]:
    """Rates and mean gradients, where the fields belong to the uniform fluxes ``outer`` e_j."""
    L = outer.shape[1]
    tensor = outer @ np.linalg.solve(compliance[..., :L], outer.swapaxes(1, 2))
    caused = np.linalg.solve(outer.swapaxes(1, 2), compliance)
    return np.concatenate([tensor, -tensor @ caused[..., L:]], axis=2), caused


def _unit(rates: Array) -> Array:
    """Mean gradients of fields that are periodic or zero on the boundary: e_1 ... e_L, and nothing of the rest."""
    return np.eye(*rates.shape[1:]) + np.zeros(rates.shape)


def mean_tensor(a: Array, L: int) -> Array:
    """<a> of a sampled coefficient (B, c, G, E) as tensors (B, L, L)."""
    mean = a.mean(axis=(2, 3))
    return mean[:, :, None] * np.eye(L) if a.shape[1] == 1 else mean.reshape(-1, L, L)


def fluctuation(a: Array, mean: Array) -> Array:
    """a - <a>, in the layout of a."""
    return a - (mean[:, :1, :1] if a.shape[1] == 1 else mean).reshape(len(a), -1, 1, 1)
