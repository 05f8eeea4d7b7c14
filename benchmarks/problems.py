"""The problems that are timed, and the converged answers that errors are measured against."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

Array = np.ndarray
TAU = 2 * np.pi


# -- media a(x, y) -------------------------------------------------------------------------------------------------------


def graded(x: Array, y: Array) -> Array:
    """1 + x1/2 cos 2 pi y1 cos 2 pi y2 + x2/4 sin 2 pi y1 + x1 x2/5 sin 2 pi (y1 + y2)."""
    return (
        1
        + x[0] / 2 * np.cos(TAU * y[0]) * np.cos(TAU * y[1])
        + x[1] / 4 * np.sin(TAU * y[0])
        + x[0] * x[1] / 5 * np.sin(TAU * (y[0] + y[1]))
    )


def smooth(x: Array, y: Array) -> Array:
    """``graded`` at x = (1, 1), and in 3D a third direction; contrast about 6."""
    corner = np.ones(2)
    return graded(corner, y) if len(y) == 2 else graded(corner, y[:2]) + np.cos(TAU * y[2]) * np.sin(TAU * y[0]) / 5


def ball(x: Array, y: Array) -> Array:
    """A disk or sphere of volume fraction 0.3 and conductivity 10 in a matrix of 1."""
    y = y - np.rint(y)
    square = 0.3 / np.pi if len(y) == 2 else (0.3 * 3 / 4 / np.pi) ** (2 / 3)
    return np.where((y**2).sum(axis=0) < square, 10.0, 1.0)


@dataclass(frozen=True)
class ElasticBall:
    """The same places, E = contrast inside and 1 outside, nu = 0.3; a stiffness, or E alone for who builds it from that."""

    contrast: float

    def __call__(self, x: Array, y: Array) -> Array:
        from hmm_core.media import stiffness

        return stiffness(self.modulus(x, y), 0.3, dim=len(y))

    def modulus(self, x: Array, y: Array) -> Array:
        return np.where(ball(x, y) > 1, self.contrast, 1.0)


# Perrins, McKenzie, McPhedran 1979 for the square array; McPhedran, McKenzie 1978 for the simple cubic one.
BALL = {2: 1.65203601108, 3: 1.8877401}

# C1111, C1122, C1212 of ``ElasticBall``, by dimension and contrast: ``peers.ngsolve_ball`` with elements of order 10 (2D) and 6
# (3D). The same code gives the digits that are known of the square array for shares of 0.2 and 0.4.
ELASTIC_BALL = {
    (2, 10): (2.075005973206, 0.793250604969, 0.557033200299),
    (2, 100): (2.243318460723, 0.812643697165, 0.587810952690),
    (3, 10): (2.280315, 0.807445, 0.612544),
}


def elastic_ball(dim: int, contrast: float) -> Array:
    """The tensor of ``ElasticBall`` on unit strains 11, 12, 22, ..., (L, L): that of a cubic crystal."""
    normal, cross, shear = ELASTIC_BALL[dim, contrast]
    stretch = np.array([i == j for i in range(dim) for j in range(i, dim)])
    return cross * np.outer(stretch, stretch) + np.diag(np.where(stretch, normal - cross, shear))


def square(x: Array, y: Array) -> Array:
    """A square of side 1/2 and conductivity 1000 in a matrix of 1; the grid lines of even n meet its sides."""
    return np.where(np.abs(y - np.rint(y)).max(axis=0) < 0.25, 1e3, 1.0)


SQUARE = (3001 / 1003) ** 0.5  # Obnosov 1999


@dataclass(frozen=True)
class Pixels:
    """One independent random value in each of n x n squares: "lognormal" with sigma = 2, or "two-phase" 1 and 1000."""

    n: int
    law: str

    @cached_property
    def values(self) -> Array:
        normal = np.random.default_rng(7).standard_normal((self.n, self.n))
        return np.exp(2 * normal) if self.law == "lognormal" else np.where(normal > 0, 1e3, 1.0)

    def __call__(self, x: Array, y: Array) -> Array:
        return self.values[tuple(np.floor((y + 0.5) * self.n).astype(int) % self.n)]


@lru_cache
def blobs(dim: int, n: int):
    """A picture of n^dim pixels, 40 % of conductivity 100 in 1: a Gaussian field with blobs of n/16 pixels, thresholded."""
    from scipy.ndimage import gaussian_filter

    from hmm_core import media

    noise = np.random.default_rng(11).standard_normal((n,) * dim)
    field = gaussian_filter(noise, n / 32, mode="wrap")
    return media.from_image(field > np.quantile(field, 0.6), (1.0, 100.0))


def stiffening(x: Array, y: Array, u: Array, xi: Array) -> tuple[Array, Array, Array]:
    """The flux law ``graded`` e^u (1 + |xi|^2)^(1/2) xi with its derivatives in u and xi."""
    root = np.sqrt(1 + (xi * xi).sum(axis=0))
    c = graded(x, y) * np.exp(u)
    j = c * root * xi
    return j, j, c * root * np.eye(2)[:, :, None, None] + (c / root) * xi[:, None] * xi


HEAT = 20.0  # source of the nonlinear problem: gradients of order one


# -- the macro problem ---------------------------------------------------------------------------------------------------


def macro_mesh(cells: int = 32):
    """The unit square in cells x cells x 2 triangles."""
    import skfem

    line = np.linspace(0, 1, cells + 1)
    return skfem.MeshTri.init_tensor(line, line)


def macro_points(cells: int = 32) -> Array:
    """Centroids (2, K) of the macro triangles."""
    mesh = macro_mesh(cells)
    return mesh.p[:, mesh.t].mean(axis=1)


def macro_solve(tensors: Array, cells: int = 32) -> Array:
    """P1 solution of -div(A grad U) = 1, U = 0 on the boundary, from tensors (2, 2, K): what the peers need of FE."""
    import skfem
    from skfem.helpers import dot, grad, mul

    basis = skfem.Basis(macro_mesh(cells), skfem.ElementTriP1(), quadrature=(np.full((2, 1), 1 / 3), np.array([0.5])))
    stiffness = skfem.BilinearForm(lambda u, v, w: dot(mul(w.A, grad(u)), grad(v)))
    matrix = stiffness.assemble(basis, A=tensors[..., None])
    load = skfem.LinearForm(lambda v, w: v).assemble(basis)
    return skfem.solve(*skfem.condense(matrix, load, D=basis.get_dofs()))


END = 0.1  # of the heat equation: the slowest mode has fallen to a seventh by then


def bump(x: Array) -> Array:
    return np.sin(np.pi * x[0]) * np.sin(np.pi * x[1])


# -- references and errors -----------------------------------------------------------------------------------------------


def converged_tensors(x: Array, n: int = 24) -> Array:
    """Tensors (2, 2, K) of ``graded`` by Fourier-Galerkin, converged to about 1e-11."""
    import hmm_core as hmm

    return hmm.CellProblem(dim=2, n=n, scheme="fourier", tol=1e-12).effective_tensor(graded, x=x)


@lru_cache(maxsize=4)
def converged_macro(cells: int = 32) -> Array:
    return macro_solve(converged_tensors(macro_points(cells)), cells)


def nonlinear_solution(cells: int, adaptive: bool = True, **cell):
    """P1 solution of -div sigma(x, U, grad U) = HEAT, U = 0 on the boundary, sigma that of ``stiffening`` cells."""
    import skfem

    import hmm_core as hmm

    basis = hmm.macro_basis(macro_mesh(cells), skfem.ElementTriP1())
    closure = hmm.NonlinearCellClosure(stiffening, hmm.CellProblem(dim=2, **cell), adaptive=adaptive)
    return hmm.solve_elliptic(basis, closure, HEAT)


def nonlinear_macro(cells: int, **cell) -> Array:
    return nonlinear_solution(cells, **cell).u


@lru_cache(maxsize=4)
def converged_nonlinear(cells: int = 32) -> Array:
    return nonlinear_macro(cells, n=20, scheme="fourier", tol=1e-10)


@lru_cache(maxsize=4)
def tensors_q1(cells: int) -> Array:
    """Tensors (2, 2, K) of ``graded`` by Q1 cells of 32 x 32 elements."""
    import hmm_core as hmm

    return hmm.CellProblem(dim=2, n=32).effective_tensor(graded, x=macro_points(cells))


@lru_cache(maxsize=4)
def converged_parabolic(cells: int) -> Array:
    """dU/dt - div(A grad U) = 1 from ``bump``, U = 0 on the boundary, at t = END: exact in time on this mesh, for these cells."""
    from benchmarks.peers import scikit_fem_parabolic

    return scikit_fem_parabolic(tensors_q1(cells), cells, 3200, "TR-BDF2")


@lru_cache(maxsize=1)
def homogenized():
    """The homogenized solution with its macro error gone too: P2 elements."""
    import skfem

    import hmm_core as hmm

    closure = hmm.CellClosure(graded, hmm.CellProblem(dim=2, n=16, scheme="fourier"))
    return hmm.solve_elliptic(hmm.macro_basis(macro_mesh(48), skfem.ElementTriP2()), closure, 1.0)


def l2_relative(u: Array, reference: Array, cells: int) -> float:
    """Relative L2 norm of a difference of P1 fields on the macro mesh."""
    import skfem

    mass = skfem.BilinearForm(lambda u, v, w: u * v).assemble(skfem.Basis(macro_mesh(cells), skfem.ElementTriP1()))
    difference = u - reference
    return float(np.sqrt(difference @ mass @ difference / (reference @ mass @ reference)))


def largest(tensor: Array, reference: Array) -> float:
    """Largest entry of a difference of tensors, relative to the largest entry."""
    if tensor.shape != reference.shape:
        raise ValueError(f"tensors {tensor.shape} and {reference.shape} do not belong together")
    return float(np.abs(tensor - reference).max() / np.abs(reference).max())
