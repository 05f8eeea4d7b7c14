"""Data that may change in time: functions of x or of (x, t), and what they exert on a macro space at one moment."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import skfem
from scipy.sparse import csr_matrix

from hmm_core.closure.answer import takes_second
from hmm_core.macro.boundary import _boundary, _rich, _source

Array = np.ndarray


class Forces(NamedTuple):
    """At one moment: the load (N,), the matrix of the exchange through the boundary, the values of the fixed dofs."""

    load: Array
    exchange: csr_matrix
    values: Array


class Forcing:
    """Source and boundary data of a problem in time. What does not depend on t is assembled once.

    A function is one of (x, t) if it has a second parameter without default, or one called t; otherwise it is one of x.
    """

    def __init__(self, basis: skfem.CellBasis, source: Any, dirichlet: Any, neumann: Any, robin: Any, t: float):
        self.basis, self.source, self.boundary = basis, source, (dirichlet, neumann, robin)
        self.moves = {"source": changes(source), "boundary": changes(self.boundary), "dirichlet": changes(dirichlet)}
        self.exchange_is_steady = not changes(robin)
        self._rich, self._edges = _rich(basis), {}
        self._kept: dict[str, Any] = {}
        self._part("source", t)
        self.fixed, self._first_values, _, _ = self._part("boundary", t)
        self.free = np.setdiff1d(np.arange(basis.N), self.fixed)

    def at(self, t: float) -> Forces:
        """ValueError or TypeError, with the time, for data that make no sense at t."""
        load = self._part("source", t)
        _, values, boundary_load, exchange = self._part("boundary", t)
        return Forces(load + boundary_load, exchange, values)

    def values(self, t: float) -> Array:
        """Of the fixed dofs alone."""
        return self._part("boundary", t)[1] if self.moves["dirichlet"] else self._first_values

    def _part(self, name: str, t: float) -> Any:
        if name in self._kept:
            return self._kept[name]
        try:
            found = _source(self._rich, at(self.source, t)) if name == "source" else self._boundary_at(t)
        except (ValueError, TypeError) as error:
            raise type(error)(f"at t={t:.6g}: {error}") from error
        if not self.moves[name]:
            self._kept[name] = found
        return found

    def _boundary_at(self, t: float) -> tuple[Array, Array, Array, csr_matrix]:
        fixed, load, exchange = _boundary(self.basis, *(at(data, t) for data in self.boundary), self._edges)
        dofs = np.array(sorted(fixed), dtype=int)
        return dofs, np.array([fixed[dof] for dof in dofs], dtype=float), load, exchange


def changes(data: Any) -> bool:
    """Whether there is a function of (x, t) in the data."""
    if isinstance(data, Mapping):
        return any(map(changes, data.values()))
    if isinstance(data, tuple | list):
        return any(map(changes, data))
    return callable(data) and takes_second(data, "t")


def at(data: Any, t: float) -> Any:
    """The data at time t: the same, with functions of x only."""
    if isinstance(data, Mapping):
        return {name: at(value, t) for name, value in data.items()}
    if isinstance(data, tuple | list):
        return tuple(at(value, t) for value in data)
    return partial(_called, data, t) if changes(data) else data


def _called(function: Any, t: float, x: Array) -> Array:
    return function(x, t)
