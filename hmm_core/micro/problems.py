"""What the nonlinear problems of a batch share, whatever their dimension: values of the law, scales, ellipticity."""

from dataclasses import dataclass, replace

import numpy as np

from hmm_core.micro.cell import CellProblem
from hmm_core.micro.finite import SOFT, least_stiffness, null_lagrangian, null_share
from hmm_core.micro.grid import Array, FourierGrid, LineGrid, Q1Grid
from hmm_core.micro.newton import _place
from hmm_core.micro.response import mean_tensor
from hmm_core.micro.sampled_law import HUGE, LAW, TINY, Batch, RefusedState, SampledLaw, _least

LIFT = 1e-18  # of the tangent's size in the cell, where it degenerates: no contrast or anisotropy that is meant is as large
LOWEST = 1e-4  # ellipticity relative to the mean (``systems.STIFF``): points where a law degenerates ask for no more
ROUND_OFF = 8 * np.finfo(float).eps  # of the gradient: forces that large can be a sum of larger ones that cancel


@dataclass(frozen=True, eq=False)
class _Problems:
    """B cell problems for mean gradients G (B, L). A state holds the unknowns, and the values of the law there."""

    cell: CellProblem
    law: "SampledLaw"
    G: Array

    def of(self, chosen: Array) -> "_Problems":
        """Some of the problems, by mask or by increasing numbers."""
        count = chosen.sum() if chosen.dtype == bool else len(chosen)
        return self if count == len(self.G) else replace(self, law=self.law.of(chosen), G=self.G[chosen])

    @property
    def grid(self) -> Q1Grid | FourierGrid | LineGrid:
        return self.cell.grid_of(self.law.fields)

    def values(self, state: Batch) -> Batch:
        """With the values of the law, and the residual they leave."""
        state = state | self.law(state["xi"])
        return state | self.residual(state)

    def valued(self, state: Batch) -> Batch:
        """The same for a state to start from: where the law is not finite, an error, or the affine field instead."""
        state = self.values(state)
        bad = ~self.finite(state)
        if bad.any():
            if (state["xi"][bad] == self.G[bad][:, :, None, None]).all():
                self.law.refuse(state)
            _place(state, len(bad), np.flatnonzero(bad), self.of(bad).start())
        return state

    def finite(self, state: Batch) -> Array:
        """Whether the law is finite, and not so large that its square is not, everywhere in the cell (B,)."""
        values = [state[name].reshape(len(self.G), -1) for name in LAW]
        return np.logical_and.reduce([(v.max(axis=1) < HUGE) & (v.min(axis=1) > -HUGE) for v in values])

    def merit(self, state: Batch, diagonal: Array) -> Array:
        """Energy of the residual plus the energy that closes the gap."""
        closing = (diagonal * state["gap"] ** 2).sum(axis=1) * self.cell.length**self.cell.dim
        return self.energy(state["r"], diagonal) + closing

    def scales(self, state: Batch) -> Batch:
        """The tangent lifted to be elliptic, how elliptic it is, and the energy of the state."""
        L, tangent, count = self.G.shape[1], state["dj_dxi"], len(self.G)
        trace = L * tangent[:, 0] if tangent.shape[1] == 1 else tangent[:, :: L + 1].sum(axis=1)
        size = np.abs(trace).reshape(count, -1).max(axis=1) / L
        largest = np.abs(self.G).max(axis=1)
        at_rest = (size == 0) | ((largest > 0) & (size * largest * largest < TINY))
        if at_rest.any():
            tangent = tangent.copy()
            tangent[at_rest] = self.of(at_rest).law.at_unit_gradient()[:, : tangent.shape[1]]
            size = np.where(at_rest, np.abs(tangent).reshape(count, -1).max(axis=1), size)
        least = tangent[:, 0] if tangent.shape[1] == 1 else _least(self._convexified(tangent), L)
        low, floor = least.reshape(count, -1).min(axis=1), LIFT * size
        uncertain = ~(low > 0) & self.whole
        if uncertain.any():  # points may give way where the cell is stable, which is looked at in the end
            least = np.where(uncertain[:, None, None], np.maximum(least, SOFT * size[:, None, None]), least)
            low = least.reshape(count, -1).min(axis=1)
        loose = self.law.fields == "vector" and self.cell.bc == "neumann"  # nothing else holds rotations
        worst = self._worst(tangent, least) if loose or (low < 0).any() else np.zeros(count)
        if (low < floor).any():
            lift = np.maximum(floor[:, None, None] - least, 0.0)
            tangent, least, low = tangent.copy(), least + lift, np.maximum(low, floor)
            tangent[:, :: L + 1] += lift[:, None]
        mean = mean_tensor(tangent, L)
        diagonal = np.einsum("bii->bi", mean)
        strongest = diagonal.max(axis=1)
        harmonic = 1 / ((1 / least).mean(axis=(1, 2)) * strongest)
        j, xi = _mean_square(state["j"], 1 / diagonal), _mean_square(state["xi"], diagonal)
        # What the residual is relative to: the flux itself, for a law near rest may be far stiffer than where it matters.
        volume = self.cell.length**self.cell.dim
        energy = np.maximum(j, 1e-12 * xi) * volume
        low = np.maximum(low / strongest, LOWEST)
        return {
            "tangent": tangent,
            "mean": mean,
            "diagonal": diagonal,
            "low": low,
            "equivalence": low / self.grid.korn(diagonal),
            "harmonic": np.maximum(harmonic, LOWEST),
            "energy": energy,
            "round_off": ROUND_OFF**2 * xi * volume,
            "worst": worst,
            "uncertain": uncertain,
        }

    @property
    def whole(self) -> bool:
        """Whether all of the gradient counts, and null Lagrangians of it are free (``finite``)."""
        return self.law.fields == "vector" and self.cell.bc != "neumann"

    def _convexified(self, tangent: Array) -> Array:
        """What the tangent's points say of the cell's ellipticity."""
        if not self.whole:
            return tangent
        null = null_share(tangent, self.cell.dim)[:, None] * null_lagrangian(self.cell.dim).ravel()
        return tangent + null[:, :, None, None]

    @staticmethod
    def _worst(tangent: Array, least: Array) -> Array:
        """The smallest eigenvalue relative to the tangent at the same point, (B,): a soft phase may not be negative either."""
        size = np.abs(tangent).max(axis=1)
        return np.divide(least, size, out=np.zeros_like(least), where=size > 0).reshape(len(least), -1).min(axis=1)

    def refuse_non_elliptic(self, balance: Batch) -> None:
        uncertain = balance["uncertain"]
        if uncertain.any():
            ratio = least_stiffness(self.grid, balance["tangent"][uncertain], balance["diagonal"][uncertain])
            if (ratio <= 0).any():
                k = int(np.flatnonzero(uncertain)[ratio.argmin()])
                raise RefusedState(
                    f"the cell at x={self.law.place(k)}, grad={self.G[k].tolist()} is unstable: some fluctuation of its field "
                    f"takes no energy (stiffness {ratio.min():.2g} relative to the mean)"
                )
        loose = self.law.fields == "vector" and self.cell.bc == "neumann"
        if (balance["worst"] < (1e-6 if loose else -1e-6)).any():
            k = int(balance["worst"].argmin())
            why = (
                "a uniform flux on the boundary does not hold the rotations of a solid at finite strain: use another bc"
                if loose
                else "so the cell problem is not elliptic"
            )
            raise RefusedState(
                f"dj_dxi is not positive (semi)definite everywhere in the cell at x={self.law.place(k)}, "
                f"u={self.law.value(k)}, grad={self.G[k].tolist()}: its smallest eigenvalue is {balance['worst'][k]:.2g} times "
                f"its size there, {why}"
            )


def _mean_square(field: Array, weight: Array) -> Array:
    """<field . weight field> (B,) of fields (B, d, G, E) and weights (B, d)."""
    square = (np.einsum("bige,bige->bi", field, field) * weight).sum(axis=1)
    small = ~(square > 1e-250)
    if small.any():  # its squares need not be numbers
        few = field[small]
        square[small] = np.einsum("bige,bige->b", few, few * weight[small][:, :, None, None])
    return square / field[0, 0].size
