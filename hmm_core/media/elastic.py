r"""Elastic phases: stiffnesses a_ijkl from the moduli that engineers use, moduli from stiffnesses, and bounds.

A stiffness is an array (d, d, d, d) with stress sigma_ij = a_ijkl d_l u_k, and the phases of media may be such arrays:
``media.inclusion(inside=media.stiffness(E=10, nu=0.3), matrix=media.stiffness(E=1, nu=0.3), radius=0.25)``. In the plane it is
that of plane strain unless plane stress is asked for; E and nu are those of the material in space.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media.checks import fractions_of, positive, require

Array = np.ndarray
ISOTROPIC = 1e-8  # relative deviation up to which a phase counts as isotropic


# -- between moduli and stiffnesses ---------------------------------------------------------------------------------------


def stiffness(
    E: ArrayLike | None = None,
    nu: ArrayLike | None = None,
    *,
    lam: ArrayLike | None = None,
    mu: ArrayLike | None = None,
    dim: int = 2,
    plane: str = "strain",
) -> Array:
    r"""The isotropic stiffness lam delta_ij delta_kl + mu (delta_ik delta_jl + delta_il delta_jk).

    Parameters
    ----------
    E, nu : Young's modulus and Poisson's ratio of the material in space, numbers or fields (...): E > 0, -1 < nu < 1/2.
    lam, mu : its Lame constants instead: mu > 0, lam > -2 mu/3.
    dim : 2 or 3.
    plane : in the plane, "strain" (no strain across it; lam stays) or "stress" (no stress across it: a thin plate, for which
        lam becomes 2 lam mu/(lam + 2 mu)).

    Returns
    -------
    (d, d, d, d, ...)

    Raises
    ------
    ValueError
        Moduli outside these sets. An incompressible phase (nu = 1/2) has no stiffness: its pressure is an unknown of its own,
        for which displacement elements are not made. Close to it they lock: a matrix with nu = 0.49, 0.499, 0.4999 around
        a square of E = 10 is too stiff by 1, 4, 26 % of its moduli at n = 16, by 0.1, 0.4, 2 % at n = 64. In plane stress
        nu = 1/2 is allowed, for the plate gives way in its thickness.
    """
    require(dim in (2, 3), "dim", dim, "must be 2 or 3")
    require(plane in ("strain", "stress"), "plane", plane, "must be 'strain' or 'stress'")
    require(plane == "strain" or dim == 2, "plane", plane, f"plane stress is a state of plates: dim=2, not {dim}")
    if (E is None) == (lam is None) or (E is None) != (nu is None) or (lam is None) != (mu is None):
        given = ", ".join(f"{k}={v!r}" for k, v in {"E": E, "nu": nu, "lam": lam, "mu": mu}.items() if v is not None)
        raise ValueError(f"{given or 'nothing given'}: give E and nu, or lam and mu, and nothing else")
    if E is not None:
        E, ratio = positive("E", E), np.asarray(nu, dtype=float)
        _refuse_incompressible("nu", ratio, ratio == 0.5, plane)
        top = 0.5 if plane == "strain" else np.nextafter(0.5, 1)
        require(
            (ratio > -1) & (ratio < top),
            "nu",
            ratio.tolist(),
            "Poisson's ratio of a stable material lies between -1 and 1/2",
        )
        mu = E / (2 * (1 + ratio))
        lam = E * ratio / (1 - ratio**2) if plane == "stress" else E * ratio / ((1 + ratio) * (1 - 2 * ratio))
    else:
        mu, lam = positive("mu", mu), np.asarray(lam, dtype=float)
        _refuse_incompressible("lam", lam, lam == np.inf, "strain")
        require(
            lam > -2 * mu / 3,
            "lam",
            lam.tolist(),
            "must be above -2 mu/3, where the bulk modulus lam + 2 mu/3 vanishes",
        )
        if plane == "stress":
            lam = 2 * lam * mu / (lam + 2 * mu)
    return _isotropic(lam, mu, dim)


def _refuse_incompressible(name: str, value: Array, where: Array, plane: str) -> None:
    if np.any(where) and plane == "strain":
        raise ValueError(
            f"{name}={value.tolist()}: an incompressible phase has no stiffness (lam is infinite, its pressure is an unknown of "
            "its own), and cell problems in displacements alone cannot hold it; take nu below 1/2, or E, nu=0.5 in plane='stress'"
        )


def _isotropic(lam: ArrayLike, mu: ArrayLike, dim: int) -> Array:
    lam, mu = np.broadcast_arrays(lam, mu)
    one = np.eye(dim)
    volume, shape = np.einsum("ij,kl->ijkl", one, one), np.einsum("ik,jl->ijkl", one, one)
    return np.multiply.outer(volume, lam) + np.multiply.outer(shape + shape.swapaxes(2, 3), mu)


def pairs(dim: int) -> list[tuple[int, int]]:
    """Voigt's order of the strain components: 11, 22, 12 in the plane, 11, 22, 33, 23, 13, 12 in space."""
    return [(i, i) for i in range(dim)] + ([(0, 1)] if dim == 2 else [(1, 2), (0, 2), (0, 1)])


def voigt(stiffness: ArrayLike) -> Array:
    """A stiffness (d, d, d, d, ...) as the matrix (L, L, ...) of handbooks: 11, 22, 12 or 11, 22, 33, 23, 13, 12."""
    C = _checked("stiffness", stiffness)
    return np.array([[C[p + q] for q in pairs(len(C))] for p in pairs(len(C))])


def mandel(stiffness: ArrayLike) -> Array:
    r"""A stiffness (d, d, d, d, ...) as the matrix (L, L, ...) of a quadratic form on strains, in Mandel's notation.

    Its rows are Voigt's, with a factor 2^(1/2) for every index of shear, so that strains (e_11, e_22, 2^(1/2) e_12) have the
    length (e : e)^(1/2). Strain and stress have the same factors, so norm, eigenvalues and inverse are those of the tensor; in
    Voigt's, with engineering shears 2 e_12 in strains alone, norm and eigenvalues depend on how one looks at the material.
    Raises ValueError for other shapes. Mandel, Int. J. Solids Struct. 1, 273 (1965).
    """
    V = voigt(stiffness)
    weight = np.sqrt([1.0 if i == j else 2.0 for i, j in pairs(2 if len(V) == 3 else 3)])
    return np.multiply.outer(weight, weight).reshape(*V.shape[:2], *(1,) * (V.ndim - 2)) * V


def from_voigt(matrix: ArrayLike) -> Array:
    """The stiffness (d, d, d, d, ...) of a matrix (3, 3, ...) or (6, 6, ...) in Voigt's notation: engineering shear strains."""
    M = np.asarray(matrix, dtype=float)
    fits = M.ndim >= 2 and M.shape[:2] in ((3, 3), (6, 6))
    require(fits, "matrix.shape", M.shape, "must be (3, 3, ...) in the plane or (6, 6, ...) in space")
    dim = 2 if len(M) == 3 else 3
    C = np.empty((dim,) * 4 + M.shape[2:])
    for (r, p), (s, q) in product(enumerate(pairs(dim)), repeat=2):
        for first, last in product((p, p[::-1]), (q, q[::-1])):
            C[first + last] = M[r, s]
    return C


def _checked(name: str, value: ArrayLike) -> Array:
    C = np.asarray(value, dtype=float)
    fits = C.ndim >= 4 and C.shape[0] in (2, 3) and C.shape[:4] == C.shape[:1] * 4
    require(fits, name + ".shape", C.shape, "must be (d, d, d, d, ...), d = 2 or 3")
    require(np.isfinite(C), name, value, "must be finite")
    return C


def refuse_indefinite(name: str, C: Array) -> None:
    """ValueError with the name of a phase (d, d, d, d) whose strains do not all cost energy."""
    d = len(C)
    matrix, turned = C.reshape(d * d, d * d), C.swapaxes(0, 1).reshape(d * d, d * d)
    if np.allclose(matrix, turned, rtol=1e-12, atol=0) and np.allclose(C, C.swapaxes(2, 3), rtol=1e-12, atol=0):
        rotations = np.eye(d * d) - np.einsum("ik,jl->jikl", np.eye(d), np.eye(d)).reshape(d * d, d * d)
        matrix = matrix + np.abs(C).max() * rotations  # which do not cost any
    if not np.linalg.eigvalsh(matrix + matrix.T)[0] > 0:
        raise ValueError(
            f"{name}: the stiffness with Voigt matrix {voigt(C).round(12).tolist()} must be positive definite on strains (an "
            f"isotropic one: mu > 0 and lam > -2 mu/{d})"
        )


class Moduli(NamedTuple):
    """Of a stiffness, at every point: three entries, and the isotropic stiffness next to it.

    C11, C12, C66  a_1111, a_1122, a_1212: all there are in square or cubic symmetry
    E, nu          of the isotropic stiffness that is nearest in the sum of squares of a_ijkl, the average over all rotations
    distance       relative, from there to the stiffness itself: 0 if it is isotropic
    """

    C11: Array
    C12: Array
    C66: Array
    E: Array
    nu: Array
    distance: Array


def moduli(stiffness: ArrayLike, plane: str = "strain") -> Moduli:
    """The moduli of a stiffness (d, d, d, d, ...); ``plane`` says what its plane means, as in ``stiffness``."""
    require(plane in ("strain", "stress"), "plane", plane, "must be 'strain' or 'stress'")
    C = _checked("stiffness", stiffness)
    d, trace, full = len(C), np.einsum("iijj...->...", C), np.einsum("ijij...->...", C)
    mu = (d * full - trace) / (d * (d - 1) * (d + 2))
    lam = trace / d**2 - 2 * mu / d
    nearest = _isotropic(lam, mu, d)
    gap, size = (np.sqrt((part**2).sum(axis=(0, 1, 2, 3))) for part in (C - nearest, C))
    nu = lam / (lam + 2 * mu) if d == 2 and plane == "stress" else lam / (2 * (lam + mu))
    return Moduli(C[0, 0, 0, 0], C[0, 0, 1, 1], C[0, 1, 0, 1], 2 * mu * (1 + nu), nu, gap / size)


# -- bounds ---------------------------------------------------------------------------------------------------------------


def _phases(phases: Sequence[ArrayLike]) -> Array:
    require(len(phases) > 0, "phases", phases, "must list at least one phase")
    C = np.array([_checked(f"phases[{i}]", phase) for i, phase in enumerate(phases)])
    require(C.ndim == 5, "phases", phases, "must be stiffnesses (d, d, d, d)")
    for i, phase in enumerate(C):
        refuse_indefinite(f"phases[{i}]", phase)
    return C


def voigt_reuss_bounds(phases: Sequence[ArrayLike], fractions: ArrayLike | None = None) -> tuple[Array, Array]:
    """(lower, upper): <a^-1>^-1 (Reuss) and <a> (Voigt) of stiffnesses (d, d, d, d), inverses on strains.

    Every effective stiffness lies between, as quadratic forms on strains. Hill, J. Mech. Phys. Solids 11, 357 (1963),
    doi:10.1016/0022-5096(63)90036-X.
    """
    C = _phases(phases)
    f, d = fractions_of(fractions, len(C)), C.shape[1]
    compliance = np.tensordot(f, np.linalg.pinv(C.reshape(-1, d * d, d * d), hermitian=True), axes=1)
    return np.linalg.pinv(compliance, hermitian=True).reshape((d,) * 4), np.tensordot(f, C, axes=1)


def hashin_shtrikman_elastic(phases: Sequence[ArrayLike], fractions: ArrayLike | None = None) -> tuple[Array, Array]:
    r"""(lower, upper) bound of isotropic mixtures of isotropic phases, stiffnesses (d, d, d, d), as stiffnesses.

    With bulk modulus K = lam + 2 mu/d and shear modulus mu of each phase, both bounds have

        K* = <1/(K + F)>^-1 - F,  F = 2 (d-1)/d mu_0,      mu* = <1/(mu + H)>^-1 - H,
        H = mu_0 (d K_0/2 + (d+1)(d-2) mu_0/d)/(K_0 + 2 mu_0),

    K_0 and mu_0 the least (the largest) of all phases. In the plane: of cylinders whose cross-section is isotropic, in plane
    strain. Hashin and Shtrikman, J. Mech. Phys. Solids 11, 127 (1963), doi:10.1016/0022-5096(63)90060-7.
    """
    C = _phases(phases)
    f, d = fractions_of(fractions, len(C)), C.shape[1]
    distance = moduli(np.moveaxis(C, 0, -1)).distance
    require(distance < ISOTROPIC, "phases", phases, "must be isotropic")
    K = np.einsum("piijj->p", C) / d**2
    mu = (np.einsum("pijij->p", C) - d * K) / ((d - 1) * (d + 2))

    def bound(K0: float, mu0: float) -> Array:
        F, H = 2 * (d - 1) / d * mu0, mu0 * (d * K0 / 2 + (d + 1) * (d - 2) * mu0 / d) / (K0 + 2 * mu0)
        bulk, shear = 1 / (f @ (1 / (K + F))) - F, 1 / (f @ (1 / (mu + H))) - H
        return _isotropic(bulk - 2 * shear / d, shear, d)

    return bound(K.min(), mu.min()), bound(K.max(), mu.max())
