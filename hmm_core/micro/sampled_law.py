"""A flux law on the sampling domains of B problems, in the layout of the grids: evaluated, checked, softened at rest."""

import math
from dataclasses import dataclass, replace

import numpy as np

from hmm_core.media.laws import Flux
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.grid import Array, as_tensors, read_only
from hmm_core.micro.sample import smallest_eigenvalue

State = dict[str, Array]  # of B problems: every array has the problem axis first

HUGE = 1e150  # what is larger has no finite square
REST = 1e-8  # of the largest gradient: how close to rest a law whose tangent is infinite there is evaluated
LAW = ("j", "dj_du", "dj_dxi")


class RefusedState(ValueError):
    """There is no answer for this macro state: the law is not finite there, or not elliptic. A macro solver on its way takes
    a shorter step; any other error (a bug in a law, say) surfaces at once."""


@dataclass(frozen=True, eq=False)
class Law:
    """The flux law of B problems in the layout of the grids: xi (B, d, G, E) -> j, dj_du (B, d, G, E), dj_dxi (B, c, G, E)."""

    flux: Flux
    x: Array
    y: Array
    u: Array
    shape: tuple[int, int]  # (G, E)
    mixture: float = 0.0  # of the linear law ``stiffness`` (B,) times xi
    stiffness: Array | None = None

    @staticmethod
    def sampled(flux: Flux, cell: CellProblem, x: Array, u: Array, eps: float | None) -> "Law":
        eta = (cell.grid.points + cell.offset * cell.size)[:, None, :]
        x = x[:, :, None]
        places = (x, eta) if eps is None else (x + eps * eta, x / eps + eta)
        elements = cell.cells**cell.dim
        return Law(flux, *places, u, (eta.shape[2] // elements, elements))

    def of(self, chosen: Array) -> "Law":
        y = self.y if self.y.shape[1] == 1 else self.y[:, chosen]
        stiffness = None if self.stiffness is None else self.stiffness[chosen]
        return replace(self, x=self.x[:, chosen], y=y, u=self.u[chosen], stiffness=stiffness)

    def place(self, k: int) -> list[float]:
        """The macro point of a problem (frozen), or the centre of its sample."""
        return self.x[:, k].mean(axis=-1).tolist()

    def at_unit_gradient(self) -> Array:
        d, count = len(self.x), len(self.u)
        tangent = self(np.full((count, d, *self.shape), 1 / math.sqrt(d)))["dj_dxi"]
        if not np.isfinite(tangent).all() or not (np.abs(tangent).reshape(count, -1).max(axis=1) > 0).all():
            raise ValueError("dj_dxi vanishes (or is not finite) in a whole cell, at rest and at a unit gradient alike")
        return tangent

    def refuse(self, values: State) -> None:
        """Name the first place where the law is not finite, or too large."""
        for name in LAW:
            bad = ~(np.abs(values[name]) < HUGE)
            if bad.any():
                k, _, g, e = where = tuple(np.argwhere(bad)[0])
                point, xi = g * self.shape[1] + e, values["xi"][k, :, g, e].tolist()
                x, y = (v[:, k % v.shape[1], point % v.shape[2]].tolist() for v in (self.x, self.y))
                raise RefusedState(
                    f"flux(x, y, u, xi): {name} is not finite ({values[name][where]:.3g}) at x={x}, y={y}, u={self.u[k]:.6g}, "
                    f"xi={xi}. Start elsewhere (initial=), or regularise the law there"
                )

    def __call__(self, xi: Array) -> State:
        values = self._values(xi)
        at_rest = ~xi.any(axis=1, keepdims=True)
        if at_rest.any():
            singular = at_rest & ~np.logical_and.reduce(
                [np.isfinite(v).all(axis=1, keepdims=True) for v in values.values()]
            )
            if singular.any():
                self._soften(values, xi, singular)
        return values

    def _soften(self, values: State, xi: Array, singular: Array) -> None:
        """Laws with an infinite tangent at rest (a power below 2): there, the mean over small gradients in all directions."""
        d, size = xi.shape[1], np.abs(xi).reshape(len(xi), -1).max(axis=1)
        small = REST * np.where(size > 0, size, 1.0)[:, None, None, None]
        around = [
            self._values(np.where(singular, sign * small * direction, xi))
            for sign in (1, -1)
            for direction in np.eye(d)[:, None, :, None, None]
        ]
        for name, value in values.items():
            np.copyto(value, sum(near[name] for near in around) / len(around), where=singular)

    def _values(self, xi: Array) -> State:
        count, d = xi.shape[:2]
        gradient = np.ascontiguousarray(xi.swapaxes(0, 1)).reshape(d, count, -1)
        try:
            j, dj_du, dj_dxi = self.flux(*map(read_only, (self.x, self.y, self.u[:, None], gradient)))
        except Exception as error:
            raise ValueError(
                f"flux(x, y, u, xi) has to return j, dj_du, dj_dxi; for x {self.x.shape}, y {self.y.shape}, u {(count, 1)}, "
                f"xi {gradient.shape} it raised {type(error).__name__}: {error}"
            ) from error
        dj_dxi = np.asarray(dj_dxi)
        lead = (d, d) if dj_dxi.ndim >= 4 or dj_dxi.shape == (d, d) else ()
        parts = (("j", j, (d,)), ("dj_du", dj_du, (d,)), ("dj_dxi", dj_dxi, lead))
        values = {name: self._laid_out(name, np.asarray(value), axes, count) for name, value, axes in parts}
        if self.mixture:
            linear = self.mixture * self.stiffness[:, None, None, None]
            for value in values.values():
                value *= 1 - self.mixture
            values["j"] += linear * xi
            values["dj_dxi"][:, :: d + 1] += linear
        return values

    def _laid_out(self, name: str, value: Array, axes: tuple[int, ...], count: int) -> Array:
        points = (count, math.prod(self.shape))
        if axes and value.shape == axes:
            value = value[..., None, None]
        try:
            if value.dtype.kind not in "fiu":
                raise ValueError
            value = np.broadcast_to(value, (*axes, *points))
        except ValueError:
            raise ValueError(
                f"flux returned {name} of shape {value.shape}, type {value.dtype}; real numbers {(*axes, *points)} are needed"
            ) from None
        out = np.empty((count, math.prod(axes), points[1]))
        out[:] = np.moveaxis(value.reshape(-1, *points), 0, 1)
        return out.reshape(count, -1, *self.shape)


def _least(tangent: Array, d: int) -> Array:
    """Smallest eigenvalue (B, G, E) of the symmetric part."""
    flat = as_tensors(tangent, d).reshape(len(tangent), d, d, -1)
    return smallest_eigenvalue(flat).reshape(len(tangent), *tangent.shape[2:])
