"""A flux law on the sampling domains of B problems, in the layout of the grids: evaluated, checked, softened at rest."""

import math
from dataclasses import dataclass, replace

import numpy as np

from hmm_core.media.laws import Flux
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.grid import Array, as_tensors, read_only
from hmm_core.micro.question import places
from hmm_core.micro.sample import coincide, few_points, smallest_eigenvalue
from hmm_core.micro.transforms import kinematics

Batch = dict[str, Array]  # of B problems: every array has the problem axis first

HUGE = 1e150  # what is larger has no finite square
TINY = 1e-290  # energies below are lost in their round-off: a state with less is taken for one at rest
REST = 1e-8  # of the largest gradient: how close to rest a law whose tangent is infinite there is evaluated
LAW = ("j", "dj_du", "dj_dxi")


class RefusedState(ValueError):
    """There is no answer for this macro state: the law is not finite there, or not elliptic. A macro solver on its way takes
    a shorter step; any other error (a bug in a law, say) surfaces at once."""


@dataclass(frozen=True, eq=False)
class SampledLaw:
    """The flux law of B problems in the layout of the grids: xi (B, L, G, E) -> j (B, L, G, E), dj_du (B, L*F, G, E), dj_dxi
    (B, c, G, E), c = 1 or L*L.

    ``fields`` says which L components a gradient has (``grid``). The law itself sees and answers whole gradients, of scalars
    (d, ...) or of vectors (m, d, ...); a law of strains is asked at their symmetric part.
    """

    flux: Flux
    x: Array
    y: Array
    u: Array  # (B, F): one value, or m
    shape: tuple[int, int]  # (G, E)
    fields: str = "scalar"
    mixture: float = 0.0  # of the linear law ``stiffness`` (B,) times xi
    stiffness: Array | None = None

    @staticmethod
    def sampled(
        flux: Flux, cell: CellProblem, x: Array, u: Array, eps: float | None, sure: bool = False, fields: str = "scalar"
    ) -> "SampledLaw":
        """``sure``: the law has already shown that its answers follow the numbers of points."""
        slow, fast = places(x[:, :, None], cell.domain[:, None], eps)
        elements = cell.cells**cell.dim
        law = SampledLaw(flux, slow, fast, u, (fast.shape[2] // elements, elements), fields)
        if not sure and coincide((len(x), len(u), fast.shape[2]), len(x), len(u), fast.shape[2]):
            law.refuse_ambiguous()
        return law

    def refuse_ambiguous(self) -> None:
        """Where numbers of points coincide, an axis that is taken for another one shows when they do not."""
        x, y = few_points(self.x, self.y)
        u = self.u[np.resize(np.arange(len(self.u)), x.shape[1])]
        few = SampledLaw(self.flux, x, y, u, (1, y.shape[2]), self.fields)
        try:
            few._values(np.ones((x.shape[1], len(self.kinematics), *few.shape)))
        except ValueError as error:
            raise ValueError(
                f"for {len(self.u)} macro and {self.y.shape[2]} micro points in {len(x)}D an axis of what flux returns can mean "
                f"either, and asked again with other numbers of points, {error}"
            ) from error

    def of(self, chosen: Array) -> "SampledLaw":
        y = self.y if self.y.shape[1] == 1 else self.y[:, chosen]
        stiffness = None if self.stiffness is None else self.stiffness[chosen]
        return replace(self, x=self.x[:, chosen], y=y, u=self.u[chosen], stiffness=stiffness)

    @property
    def kinematics(self) -> Array:
        """S (L, m, d)."""
        return kinematics(len(self.x), self.fields)

    def feels_strains(self) -> bool:
        """Whether a law of vector fields answers with a symmetric flux to the symmetric part of the gradient, everywhere in all
        samples: as the symmetries of its tangent say at a gradient that is not symmetric."""
        d = len(self.x)
        xi = 0.05 * np.sin(1 + np.arange(d * d))  # finite strains among the laws have to allow it
        values = self._values(np.broadcast_to(xi[:, None, None], (len(self.u), d * d, *self.shape)))
        tangent = values["dj_dxi"]
        if tangent.shape[1] == 1 or values["dj_du"].any():
            return False
        tangent = tangent.reshape(len(tangent), d, d, d, d, -1)
        size = 1e-6 * np.abs(tangent).max(axis=(1, 2, 3, 4))
        gaps = (np.abs(tangent - tangent.swapaxes(*pair)).max(axis=(1, 2, 3, 4)) for pair in ((1, 2), (3, 4)))
        return all((gap <= size).all() for gap in gaps)

    def place(self, k: int) -> list[float]:
        """The macro point of a problem (frozen), or the centre of its sample."""
        return self.x[:, k].mean(axis=-1).tolist()

    def value(self, k: int) -> str:
        """The macro value of a problem, for messages."""
        return f"{self.u[k, 0]:.6g}" if self.fields == "scalar" else str(self.u[k].tolist())

    def at_unit_gradient(self) -> Array:
        L, count = len(self.kinematics), len(self.u)
        tangent = self(np.full((count, L, *self.shape), 1 / math.sqrt(L)))["dj_dxi"]
        size = np.abs(tangent).reshape(count, -1).max(axis=1)
        if not (size < np.inf).all() or not size.all():
            raise ValueError("dj_dxi vanishes (or is not finite) in a whole cell, at rest and at a unit gradient alike")
        if not size.min() > TINY:
            raise ValueError(
                f"dj_dxi is {size.min():.3g} at a unit gradient, too small for its energy: use another unit for flux"
            )
        return tangent

    def refuse(self, values: Batch) -> None:
        """Name the first place where the law is not finite, or too large."""
        for name in LAW:
            bad = ~(np.abs(values[name]) < HUGE)
            if bad.any():
                k, _, g, e = where = tuple(np.argwhere(bad)[0])
                point, xi = g * self.shape[1] + e, values["xi"][k, :, g, e].tolist()
                x, y = (v[:, k % v.shape[1], point % v.shape[2]].tolist() for v in (self.x, self.y))
                raise RefusedState(
                    f"flux(x, y, u, xi): {name} is not finite ({values[name][where]:.3g}) at x={x}, y={y}, u={self.value(k)}, "
                    f"xi={xi}. Start elsewhere (initial=), or regularise the law there"
                )

    def __call__(self, xi: Array) -> Batch:
        values = self._values(xi)
        at_rest = ~xi.any(axis=1, keepdims=True)
        if at_rest.any():
            singular = at_rest & ~np.logical_and.reduce(
                [np.isfinite(v).all(axis=1, keepdims=True) for v in values.values()]
            )
            if singular.any():
                self._soften(values, xi, singular)
        return values

    def _soften(self, values: Batch, xi: Array, singular: Array) -> None:
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

    def _values(self, xi: Array) -> Batch:
        (count, L), (_, m, d) = xi.shape[:2], self.kinematics.shape
        S, c = self.kinematics.reshape(L, m * d), () if self.fields == "scalar" else (m,)
        gradient = np.ascontiguousarray(xi.swapaxes(0, 1)).reshape(L, count, -1)
        if self.fields == "strain":
            gradient = np.tensordot(S.T, gradient, axes=1)
        gradient, u = gradient.reshape(*c, d, count, -1), self.u.T.reshape(*c, count, 1)
        try:
            j, dj_du, dj_dxi = self.flux(*map(read_only, (self.x, self.y, u, gradient)))
        except Exception as error:
            raise ValueError(
                f"flux(x, y, u, xi) has to return j, dj_du, dj_dxi; for x {self.x.shape}, y {self.y.shape}, u {u.shape}, "
                f"xi {gradient.shape} it raised {type(error).__name__}: {error}"
            ) from error
        dj_dxi, whole = np.asarray(dj_dxi), (*c, d, *c, d)
        lead = whole if dj_dxi.ndim >= 4 or dj_dxi.shape == whole else ()
        parts = (("j", j, (*c, d)), ("dj_du", dj_du, (*c, d, *c)), ("dj_dxi", dj_dxi, lead))
        values = {name: self._laid_out(name, np.asarray(value), axes, count) for name, value, axes in parts}
        if self.fields == "strain":
            for name, to in (
                ("j", S),
                ("dj_du", np.kron(S, np.eye(m))),
                ("dj_dxi", np.kron(S, S) if lead else np.eye(1)),
            ):
                part = values[name]
                values[name] = (to @ part.reshape(count, len(to.T), -1)).reshape(count, -1, *self.shape)
        if self.mixture:
            linear = self.mixture * self.stiffness[:, None, None, None]
            for value in values.values():
                value *= 1 - self.mixture
            values["j"] += linear * xi
            values["dj_dxi"][:, :: L + 1] += linear
        return values

    def _laid_out(self, name: str, value: Array, axes: tuple[int, ...], count: int) -> Array:
        """Components are never left out, but of a number (or a scalar dj_dxi): other axes could be taken for theirs."""
        points = (count, math.prod(self.shape))
        if axes and value.shape == axes:
            value = value[..., None, None]
        fits = value.ndim in (0, len(axes) + 2) or (not axes and value.ndim < 2)
        try:
            if value.dtype.kind not in "fiu" or not fits:
                raise ValueError
            value = np.broadcast_to(value, (*axes, *points))
        except ValueError:
            raise ValueError(
                f"flux returned {name} of shape {value.shape}, type {value.dtype}; real numbers {(*axes, *points)} are needed"
            ) from None
        out = np.empty((count, math.prod(axes), points[1]))
        out[:] = np.moveaxis(value.reshape(-1, *points), 0, 1)
        return out.reshape(count, -1, *self.shape)


def _least(tangent: Array, L: int) -> Array:
    """Smallest eigenvalue (B, G, E) of the symmetric part."""
    flat = as_tensors(tangent, L).reshape(len(tangent), L, L, -1)
    return smallest_eigenvalue(flat).reshape(len(tangent), *tangent.shape[2:])
