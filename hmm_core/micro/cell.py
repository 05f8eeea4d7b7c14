r"""Cell problems on sampling domains: from an oscillating coefficient a(x, y) to the effective tensor A(x).

At a macro point x, on a cube Y of (size + 2 buffer) periods, find w_j with

    - div_y ( a (e_j + grad_y w_j) ) = 0   in Y,    w periodic | w = 0 on the boundary | uniform flux on the boundary,

and answer with A = <a grad u> <grad u>^-1, u_j = y_j + w_j, averaged over the inner cube of ``size`` periods
(E and Engquist 2003; Yue and E 2007 for the three boundary conditions and for oversampling).
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hmm_core.micro.grid import Array, FourierGrid, LineGrid, Q1Grid
from hmm_core.micro.interface import Laminated
from hmm_core.micro.krylov import ConvergenceError as ConvergenceError
from hmm_core.micro.linear import solve_batch
from hmm_core.micro.question import (
    macro_points,
    places,
    refuse_description,
    refuse_scale,
    refuse_slow_variable,
    warn_of_correlation,
    warn_of_seam,
)
from hmm_core.micro.regularised import richardson
from hmm_core.micro.sample import MediumLike, Part, restored, sample, samples

CHUNK = 2**15  # unknowns that iterate together: their arrays stay in cache, and Python's overhead is spread over many


@dataclass(frozen=True)
class MicroSolution:
    """What ``CellProblem.solve`` found. K macro points trail each field; with ``x=None`` that axis is absent.

    tensor      (d, d, K)          effective tensors; of stiffness media (d, d, d, d, K)
    correctors  (d, K, N+1, ...)   w_j on all grid points, boundary included (None if not asked for), of mean zero unless
                                   zero on the boundary. Periodic and Dirichlet: the solution for the applied gradient
                                   e_j. Neumann: normalised so that u_j = y_j + w_j has <grad u_j> = e_j. Stiffness media:
                                   (d, d, K, d, N+1, ...), at [i, j] the vector field for the gradient d_j u_i = 1 or,
                                   where the medium feels strains alone, for its symmetric part (Neumann: not rotated).
    nodes       (N+1,)             coordinates of the grid points along every axis, in periods, relative to x
    iterations  (K,)               conjugate gradient iterations (the most that any direction took)
    residual    (K,)               preconditioned residual relative to a unit gradient, at the end
    solver      (K,)               what ran: "fft-cg", "dst-cg", "dct-cg", "fourier-cg", "amg-cg", "closed-form"
    solves      int                distinct cell problems solved: equal coefficient fields are one problem
    """

    tensor: Array
    nodes: Array
    iterations: Array | int
    residual: Array | float
    solver: Array | str
    solves: int
    correctors: Array | None = None


@dataclass(frozen=True)
class CellProblem:
    """A description of the micro problem: how large a sample, what its boundary is told, how it is discretised.

    Parameters
    ----------
    dim : 1, 2 or 3.
    n : elements per period (>= 2); the grid has ceil(n (size + 2 buffer)) of them per side.
    bc : "periodic", "dirichlet" (w = 0) or "neumann" (uniform flux). In one dimension all three agree.
    size : side of the averaging domain, delta/eps, in periods; any positive number.
    buffer : oversampling layer on every side, (delta_b - delta)/2, in periods.
    offset : centre of the domain relative to x in units of ``size`` (0.5: x sits in a corner).
    window : "box", or ("smooth", q) with weight (1/4 - (y/size)^2)^q in every direction.
    average : "ratio" <a grad u><grad u>^-1; "flux" <a grad u> for <grad u> = e_j on the whole solved domain; "energy"
        <grad u_i . a grad u_j> (periodic, Dirichlet).
    equation : "elliptic", or one of two that forget the boundary faster (T in periods^2; scheme "q1"; not Neumann):
        ("zero-order", T) adds w/T to the cell problem (Gloria 2011): an error O(1/T) of the tensor, O(1/T^2) with
        average="energy", and a boundary layer of width T^(1/2) only;
        ("parabolic", T) lets u_t = div(a grad u), u(0) = div(a e_j), u = 0 on the boundary, run until T and answers
        with A_ij = <a_ij> - 2 int_0^T <u_i u_j> dt (Abdulle, Arjmand and Paganoni 2019). Both want a smooth window and
        a buffer; the parabolic one defines its own average.
    richardson : for "zero-order", extrapolate the tensors of T and 2T: O(1/T^2), O(1/T^3) with average="energy".
    scheme : "q1" multilinear elements, O(n^-2); "fourier" for smooth media, periodic, integer size, no buffer.
    tol : relative accuracy asked of the tensor's solution on the given grid.
    interface : "sharp", the medium as it is at quadrature points: a staircase, whose error is of first order and erratic;
        "laminate": elements that an interface cuts get the tensor of layers (``interface``; scheme "q1", media with a method
        ``interface``). It pays for contrasts up to a few hundred, on periodic cells most; the tensor is no upper bound then.

    Raises
    ------
    TypeError, ValueError
        For any argument outside these sets; the message names it.
    """

    dim: int = 2
    n: int = 32
    bc: str = "periodic"
    size: float = 1.0
    buffer: float = 0.0
    offset: float = 0.0
    window: str | tuple[str, float] = "box"
    average: str = "ratio"
    scheme: str = "q1"
    tol: float = 1e-8
    equation: str | tuple[str, float] = "elliptic"
    richardson: bool = False
    interface: str = "sharp"

    def __post_init__(self) -> None:
        refuse_description(self)

    @property
    def cells(self) -> int:
        """Elements per side of the solved domain."""
        return max(2, math.ceil(self.n * (self.size + 2 * self.buffer) - 1e-9))

    @property
    def grid(self) -> Q1Grid | FourierGrid | LineGrid:
        """The grid of scalar fields."""
        return self.grid_of("scalar")

    def grid_of(self, fields: str) -> Q1Grid | FourierGrid | LineGrid:
        """The grid of "scalar" fields, of "vector" ones, or of vector fields of which the "strain" counts."""
        closed_form = self.dim == 1 and self.equation == "elliptic"
        kind = LineGrid if closed_form else Q1Grid if self.scheme == "q1" else FourierGrid
        return _grid(kind, self.dim, self.cells, self.length, self.bc, fields)

    @property
    def length(self) -> float:
        """Side of the solved domain, in periods."""
        return float(self.size + 2 * self.buffer)

    @property
    def domain(self) -> Array:
        """Where the coefficient is sampled, relative to the macro point: (d, P), in periods."""
        return self.grid.points + self.offset * self.size

    def view(self, a: MediumLike, eps: float | None) -> tuple[MediumLike, Array]:
        """The medium as elements see it, and where they look at it: (d, P) in periods, relative to the macro point.

        At all quadrature points; or at the centres (d, E) of elements, in which it is constant by its own word or by lamination.
        """
        grid, centre = self.grid, self.offset * self.size
        if self.interface == "laminate":
            if not hasattr(a, "interface"):
                raise ValueError(
                    "interface='laminate' needs a medium that tells where its phases meet, such as media.level_set, "
                    f"media.inclusion or media.random_disks, not {getattr(a, '__name__', type(a).__name__)}"
                )
            return Laminated(a, grid.h), grid.centres + centre
        knows = getattr(a, "constant_between", None)
        if knows is None or eps is not None or not isinstance(grid, Q1Grid) or not knows(grid.edges + centre):
            return a, self.domain
        return a, grid.centres + centre

    @property
    def chunk(self) -> int:
        """Problems that are sampled and solved together."""
        return max(1, CHUNK // (self.dim * self.cells**self.dim))

    def effective_tensor(self, a: MediumLike, x: Array | None = None, eps: float | None = None) -> Array:
        r"""Effective tensor of the medium at one macro point, or at thousands.

        Parameters
        ----------
        a : medium a(x, y) -> scalar, tensor or stiffness field; x (d, K, 1), y (d, 1, P) or (d, K, P).
        x : (d, ...) macro points. Without it the medium must not depend on x; it is asked at some, which finds steps and
            trends but not what hides between them (``question.refuse_slow_variable``).
        eps : without it the slow variable is frozen, a(x, eta); with it the sample is cut out of the material as it
            is, a(x + eps eta, (x + eps eta)/eps). eta runs over the sampling domain, in periods.

        Returns
        -------
        (d, d) without x, (d, d, ...) with x (d, ...); of a stiffness (d, d, d, d, ...).

        Raises
        ------
        ValueError
            The medium is not finite or not positive definite somewhere (the message says where), or has the wrong shape,
            or is not symmetric where the equation or average needs it, or so large, small or varied that double precision
            does not hold it; or x and eps do not fit it.
        ConvergenceError
            The iteration did not reach ``tol``.
        """
        return self.solve(a, x, eps, correctors=False).tensor

    def solve(
        self, a: MediumLike, x: Array | None = None, eps: float | None = None, correctors: bool = True
    ) -> MicroSolution:
        """As ``effective_tensor``, and returns the whole micro solution."""
        if not callable(a):
            raise TypeError(f"a={a!r} is not a medium: a function a(x, y) is needed (lambda x, y: 2.0 for a constant)")
        warn_of_correlation(a, self.length)
        warn_of_seam(a, self)
        refuse_scale(a, eps)
        if x is None:
            if eps is not None:
                raise ValueError(f"eps={eps!r} is given without x: say at which macro points")
            refuse_slow_variable(a, self.dim, self.length, self.offset * self.size)
        points, shape = (np.zeros((self.dim, 1)), ()) if x is None else macro_points(x, self.dim)

        seen, domain = self.view(a, eps)

        def sampled(first: int, last: int) -> list[Part]:
            slow, fast = places(points[:, first:last, None], domain[:, None], eps)
            return samples(seen, slow, fast, sure=first > 0)

        return self.solve_sampled(sampled, shape, correctors)

    def solve_sampled(
        self, sampled: Callable[[int, int], list[Part]], shape: tuple[int, ...], correctors: bool
    ) -> MicroSolution:
        """Problems numbered 0, 1, ..., as many as ``shape`` holds, whose coefficients ``sampled(first, last)`` hands out."""
        if self.richardson:
            return richardson(self, sampled, shape, correctors)
        count, d = math.prod(shape), self.dim
        owner, exponents = np.empty((2, count), dtype=int)
        answers, seen = [], {}
        for first in range(0, count, self.chunk):
            for numbers, fields, exponent in sampled(first, min(first + self.chunk, count)):
                mine, fresh = [], []
                for k, problem in enumerate(zip(fields, exponent.tolist(), strict=True)):
                    known = len(seen)
                    mine.append(seen.setdefault(self._fingerprint(*problem), known))
                    if len(seen) > known:
                        fresh.append(k)
                owner[first + numbers], exponents[first + numbers] = mine, exponent
                if fresh:
                    points = fields[fresh].reshape(len(fresh), fields.shape[1], -1, self.cells**d)
                    answers.append(solve_batch(self, points, exponent[fresh], correctors))
        tensor, iterations, residual, solver, w = (
            None if part[0] is None else np.concatenate(part)[owner] for part in zip(*answers, strict=True)
        )
        tensor = restored(np.moveaxis(tensor, 0, -1), exponents, self.tol)
        unit = tensor.shape[: (tensor.ndim - 1) // 2]  # of macro gradients: (d,), or (d, d) of a vector field
        if w is not None:
            w = np.moveaxis(w, 0, len(unit))
            w = w.reshape(*unit, *shape, *w.shape[len(unit) + 1 :])
        iterations, residual, solver = (part.reshape(shape)[()] for part in (iterations, residual, solver))
        nodes = self.grid.edges + self.offset * self.size
        return MicroSolution(tensor.reshape(*unit, *unit, *shape), nodes, iterations, residual, solver, len(seen), w)

    def alike(self, a: MediumLike, x: Array, eps: float | None = None) -> Array:
        """Numbers (K,) for macro points x (d, K): equal ones have equal coefficients, and so are one problem."""
        points, _ = macro_points(x, self.dim)
        a, domain = self.view(a, eps)
        few = domain[:, None, :: max(1, domain.shape[1] // 16)]
        first = sample(a, *places(points[:, :, None], few, eps))
        labels, seen = np.arange(points.shape[1]), {}
        if len(first) > 1 and len(np.unique(first.reshape(len(first), -1), axis=0)) == len(first):
            return labels  # all differ, as a few micro points show
        for cut in (slice(k, k + self.chunk) for k in range(0, len(labels), self.chunk)):
            for numbers, fields, exponent in samples(a, *places(points[:, cut, None], domain[:, None], eps)):
                found = (self._fingerprint(*problem) for problem in zip(fields, exponent.tolist(), strict=True))
                labels[cut][numbers] = [seen.setdefault(kind, len(seen)) for kind in found]
        return labels

    def _fingerprint(self, field: Array, exponent: int) -> tuple:
        """Equal ones are one problem, up to a power of two if nothing but the coefficient has a magnitude."""
        return hashlib.blake2b(field, digest_size=16).digest(), 0 if self.equation == "elliptic" else exponent


@lru_cache(maxsize=32)
def _grid(kind: type, dim: int, cells: int, length: float, bc: str, fields: str) -> Q1Grid | FourierGrid | LineGrid:
    return kind(dim, cells, length, bc, fields)
