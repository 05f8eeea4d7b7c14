"""Curved layers: a profile along the level lines of a phase, as one material and as a cell sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from hmm_core.media import exact
from hmm_core.media.checks import require
from hmm_core.media.functions import Medium
from hmm_core.media.profiles import Affine, Profile, _difference

Array = np.ndarray


@dataclass(frozen=True)
class stratified(Medium):
    r"""Curved layers a(x, theta(x)/eps): a profile b(x, t), period 1 in t, along the level lines of a phase theta.

    Near x they look like plane layers with wave vector grad theta(x): with ``eps=None`` the medium is b(x, grad theta(x) . y),
    what a cell problem with frozen slow variable sees. With ``eps`` it is b(x, theta(x)/eps), the material itself; y is then
    unused. Each can be sampled in its own way only, and solvers refuse the other: the material at its own eps, the frozen view
    with eps=None (or with any eps if theta is ``Affine``, for then the two are the same up to their phase).

    Parameters
    ----------
    b : (x, t) -> numbers or tensors, vectorised; or a ``Profile``, which needs no x.
    theta : phase, a function of x (d, ...) -> (...).
    eps : period of the layers where |grad theta| = 1, or None.
    gradient : grad theta, a function of x (d, ...) -> (d, ...); by default theta's own attribute ``gradient`` (``Affine`` has
        one), else central differences of sixth order (1e-13 if theta varies over lengths of order one).

    A* is the laminate tensor of b(x, .) with normal grad theta/|grad theta|, by quadrature in t.
    """

    b: Callable[..., ArrayLike]
    theta: Callable[[Array], ArrayLike]
    eps: float | None = None
    gradient: Callable[[Array], ArrayLike] | None = None

    def __post_init__(self) -> None:
        for name in ("b", "theta"):
            require(callable(getattr(self, name)), name, getattr(self, name), "must be a function")
        if self.eps is not None:
            exact.positive("eps", self.eps)

    @property
    def allowed_eps(self) -> tuple[float | None, ...] | None:
        """Its own; every one for plane layers."""
        return None if self.eps is None and isinstance(self.theta, Affine) else (self.eps,)

    def _profile(self, x: Array) -> Callable[[ArrayLike], ArrayLike]:
        return self.b if isinstance(self.b, Profile) else partial(self.b, x)

    def _slope(self, x: Array) -> Array:
        gradient = self.gradient or getattr(self.theta, "gradient", None)
        slope = _difference(self.theta, x) if gradient is None else np.asarray(gradient(x), dtype=float)
        require(
            slope.shape[:1] == x.shape[:1] and np.isfinite(slope).all(),
            "gradient",
            slope,
            f"must be finite, of shape {x.shape}",
        )
        return slope

    def _field(self, x: Array | None, y: Array) -> ArrayLike:
        require(x is not None, "x", x, "the phase depends on the slow variable; give points of shape (d, ...)")
        if self.eps is not None:
            return self._profile(x)(np.asarray(self.theta(x)) / self.eps)
        return self._profile(x)(sum(k * y_k for k, y_k in zip(self._slope(x), y, strict=True)))

    def _closed_form(self, x: Array | None) -> Array:
        require(x is not None, "x", x, "the layers' direction depends on the slow variable; give points (d, ...)")
        slope = np.broadcast_to(self._slope(x), x.shape)
        require(
            slope.any(axis=0),
            "theta",
            self.theta,
            "its gradient must not vanish where the effective tensor is asked for",
        )
        return exact.laminate(self._profile(x), normal=slope)
