"""Nonlinear problems on a line: the flux is constant, so no linear system has to be solved."""

import numpy as np

from hmm_core.micro.grid import Array
from hmm_core.micro.problems import _Problems
from hmm_core.micro.sampled_law import Batch


class _Line(_Problems):
    """One dimension: the flux is one number c, so the unknowns are c (B, 1) and the gradient xi at every point."""

    def _average(self, field: Array) -> Array:
        grid, cell = self.cell.grid, self.cell
        weights = grid.window(cell.size, cell.window) if cell.average == "ratio" else grid.window(grid.length)
        return np.tensordot(field, weights, axes=2)

    def start(self) -> Batch:
        xi = np.zeros((len(self.G), 1, *self.law.shape)) + self.G[:, :, None, None]
        return self.valued({"xi": xi, "c": self._average(self.law(xi)["j"])})

    def predict(self, memory: Batch) -> Batch:
        change = np.concatenate([self.G - memory["grad"], self.law.u - memory["u"]], axis=1)
        state = {"c": memory["c"] + np.einsum("bik,bk->bi", memory["d_c"], change)}
        state["xi"] = memory["xi"].copy()
        if "d_xi" in memory:
            state["xi"] += np.einsum("bk...,bk->b...", memory["d_xi"], change)[:, None]
        return self.valued(state)

    def residual(self, state: Batch) -> Batch:
        return {"r": state["c"][:, :, None, None] - state["j"], "gap": self.G - self._average(state["xi"])}

    def energy(self, r: Array, diagonal: Array) -> Array:
        return (r * (r / diagonal[:, :, None, None])).mean(axis=(1, 2, 3)) * self.cell.grid.length

    def measure(self, state: Batch) -> Batch:
        balance = self.scales(state)
        target = max(1e-3 * self.cell.tol, 1e-13) ** 2 * balance["energy"]
        return balance | {"merit": self.merit(state, balance["diagonal"]), "target": target}

    def direction(self, state: Batch, balance: Batch) -> Batch:
        inverse, r, gap = 1 / balance["tangent"], state["r"], state["gap"]
        c = (gap - self._average(r * inverse)) / self._average(inverse)
        xi = (r + c[:, :, None, None]) * inverse
        return {"c": c, "xi": xi, "iterations": np.zeros(len(self.G), dtype=int)}

    def guess(self, memory: Batch) -> Batch:
        return {}

    def answer(self, state: Batch, balance: Batch) -> Batch:
        inverse = 1 / balance["tangent"]
        d_dgrad = 1 / self._average(inverse)
        d_du = self._average(state["dj_du"] * inverse) * d_dgrad
        rates = np.stack([d_dgrad, d_du], axis=2)  # (B, 1, 2)
        own = np.concatenate([np.zeros_like(state["dj_du"]), state["dj_du"]], axis=1)
        d_xi = (rates[:, 0, :, None, None] - own) * inverse
        flux = state["c"] + self.direction(state, balance)["c"]
        answer = {"flux": flux, "d_du": d_du, "d_dgrad": d_dgrad[:, :, None], "iterations": 0}
        return answer | {"c": state["c"], "xi": state["xi"], "d_c": rates, "d_xi": d_xi}
