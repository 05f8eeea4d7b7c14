"""Direct numerical simulation: the oscillating coefficient on a mesh that resolves it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hmm_core.closure import ExactClosure
from hmm_core.macro import Solution, macro_basis, solve_elliptic
from hmm_core.micro.question import refuse_scale
from hmm_core.micro.sample import MediumLike

Array = np.ndarray


@dataclass(frozen=True)
class Oscillating:
    """The coefficient itself, x -> a(x, x/eps): the tensor of a closure that needs no micro model."""

    a: MediumLike
    eps: float

    def __call__(self, x: Array) -> Array:
        return self.a(x, x / self.eps)


def resolve(mesh: Any, element: Any, a: MediumLike, eps: float, source: Any, dirichlet: Any = 0.0) -> Solution:
    r"""Direct numerical simulation: -div(a(x, x/eps) grad u) = f on a mesh that resolves eps.

    It is the macro solver with the oscillating coefficient for a closure. The mesh has to be a good deal finer than
    eps, and this is not checked beyond the obvious.

    Raises ValueError if the elements are larger than eps/2, or the medium is made for another eps: the answer would look like
    a solution and not be one.
    """
    coarsest = _longest_edge(mesh)
    if not eps > 0 or coarsest > eps / 2:
        raise ValueError(f"elements of size {coarsest:.3g} cannot resolve eps={eps!r}: they must be at most eps/2")
    refuse_scale(a, eps)
    return solve_elliptic(macro_basis(mesh, element), ExactClosure(Oscillating(a, eps)), source, dirichlet)


def _longest_edge(mesh: Any) -> float:
    """Largest extent of an element along a coordinate axis."""
    corners = mesh.p[:, mesh.t]
    return float((corners.max(axis=1) - corners.min(axis=1)).max())
