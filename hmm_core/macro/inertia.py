r"""What resists change in time: the matrix of int c U v, c a capacity or a density, averaged over the cell if it oscillates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import skfem
from scipy.sparse import csr_matrix

from hmm_core.closure.answer import takes_second
from hmm_core.macro.boundary import Data, _evaluate, _rich, exchange
from hmm_core.micro.averages import mean
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.grid import read_only


def mass_matrix(basis: skfem.CellBasis, closure: Callable, capacity: Data, name: str) -> csr_matrix:
    """The matrix of int <c> U v by a richer rule than the basis has.

    ``capacity``: a number, a function of x, or a medium c(x, y), which is averaged over the closure's cell (one period, if the
    closure has none). ValueError, with the argument's ``name``, where it is not positive.
    """
    rich = _rich(basis)
    x = np.asarray(rich.global_coordinates())
    flat = read_only(x.reshape(len(x), -1))
    if callable(capacity) and takes_second(capacity, "y"):
        values = mean(capacity, cell_of(closure, len(x)), flat, getattr(closure, "eps", None))
    else:
        values = _evaluate(name, capacity, flat)
    if not values.min() > 0:
        k = int(values.argmin())
        raise ValueError(f"{name} must be positive; it is {values[k]} at x={flat[:, k].tolist()}")
    return exchange.assemble(rich, alpha=values.reshape(x.shape[1:])).tocsr()


def cell_of(closure: Any, dim: int) -> CellProblem:
    """The cell of a closure, or one period."""
    cell = getattr(closure, "cell", None)
    return cell if isinstance(cell, CellProblem) else CellProblem(dim=dim)
