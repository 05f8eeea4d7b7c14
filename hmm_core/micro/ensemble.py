r"""Ensembles of cell problems: the effective tensor of a random medium, and how sure of it one may be.

One sample of a random medium answers with a random tensor. Two errors separate it from A*: the *scatter* of the samples,
which falls like (size/correlation length)^(-d/2) and can be averaged away over realisations, and the *bias* that the
boundary of the cell brings, which cannot: Dirichlet cells answer too high, Neumann cells too low, periodic ones least
wrong. Only a larger cell helps against it.

    ensemble = effective_ensemble(medium, CellProblem(size=4), realisations=200)
    ensemble.mean, ensemble.stderr, ensemble.interval       the confidence interval covers the scatter, not the bias
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from hmm_core.media.exact import require
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.question import places, refuse_scale, refuse_slow_variable, warn_of_correlation
from hmm_core.micro.sample import Array, Part, samples


@dataclass(frozen=True)
class Ensemble:
    """Effective tensors of many realisations, and their statistics.

    samples     (d, d, N)  one effective tensor for each realisation
    cell                   the cell problem that made them
    average                "arithmetic" <A>, or "harmonic" <A^-1>^-1: of resistances in series. The two differ by about
                           the scatter squared, so they agree as the cell grows; a cell that is one constant tile
                           answers its own k, and then they are the arithmetic and harmonic mean of the medium itself
    confidence             probability with which ``interval`` is meant to cover what infinitely many realisations of
                           this cell would give
    """

    samples: Array
    cell: CellProblem
    average: str = "arithmetic"
    confidence: float = 0.95

    def __post_init__(self) -> None:
        require(np.ndim(self.samples) == 3, "samples.shape", np.shape(self.samples), "must be (d, d, N)")
        require(self.samples.shape[2] >= 2, "realisations", self.samples.shape[2], "must be at least 2")
        allowed = 'must be "arithmetic" or "harmonic"'
        require(self.average in ("arithmetic", "harmonic"), "average", self.average, allowed)
        allowed = "must lie strictly between 0 and 1"
        require(isinstance(self.confidence, Real) and 0 < self.confidence < 1, "confidence", self.confidence, allowed)

    @property
    def realisations(self) -> int:
        """Number of samples N."""
        return self.samples.shape[2]

    @property
    def mean(self) -> Array:
        """The average tensor (d, d)."""
        if self.average == "arithmetic":
            return self.samples.mean(axis=2)
        return np.linalg.inv(_inverses(self.samples).mean(axis=2))

    @property
    def variance(self) -> Array:
        """Of one sample, entry by entry (d, d); harmonic: of what a sample adds to the mean, to first order."""
        return self._shares.var(axis=2, ddof=1)

    @property
    def stderr(self) -> Array:
        """Standard error of the mean, (d, d)."""
        return np.sqrt(self.variance / self.realisations)

    @property
    def interval(self) -> Array:
        """Confidence interval of every entry of the mean, (2, d, d): lower and upper end, by Student's t."""
        half = stdtrit(self.realisations - 1, (1 + self.confidence) / 2) * self.stderr
        return np.array([self.mean - half, self.mean + half])

    def contains(self, tensor: ArrayLike) -> Array:
        """Whether the interval of each entry, widened by the solver's tolerance, covers that of ``tensor``.

        ``tensor`` is a number (times I) or (d, d). Entries that do not scatter, such as zeros by symmetry, have an
        interval of no width; they are still known only to ``cell.tol``, relative to the diagonal, (A_ii A_jj)^(1/2).
        """
        tensor = np.asarray(tensor, dtype=float)
        tensor = tensor * np.eye(len(self.samples)) if tensor.ndim == 0 else tensor
        lower, upper = self.interval
        root = np.sqrt(np.abs(np.diag(self.mean)))
        slack = self.cell.tol * np.outer(root, root)
        return (lower - slack <= tensor) & (tensor <= upper + slack)

    def first(self, count: int) -> "Ensemble":
        """What the first ``count`` realisations alone would have said."""
        allowed = f"must be an integer from 2 to {self.realisations}"
        require(isinstance(count, Integral) and 2 <= count <= self.realisations, "count", count, allowed)
        return replace(self, samples=self.samples[..., :count])

    @property
    def _shares(self) -> Array:
        """Samples (d, d, N), linearised: d(M^-1) = -M^-1 dM M^-1 turns the scatter of inverses into that of the mean."""
        if self.average == "arithmetic":
            return self.samples
        mean, inverses = self.mean, _inverses(self.samples)
        return -np.einsum("ij,jkn,kl->iln", mean, inverses, mean)


def _inverses(tensors: Array) -> Array:
    return np.moveaxis(np.linalg.inv(np.moveaxis(tensors, 2, 0)), 0, 2)


def effective_ensemble(
    medium: Any,
    cell: CellProblem,
    realisations: int | Iterable[int] = 100,
    x: ArrayLike | None = None,
    eps: float | None = None,
    average: str = "arithmetic",
    confidence: float = 0.95,
    wrap: bool = False,
) -> Ensemble:
    """Solve the cell problem in many realisations of a random medium, all in one batch.

    Parameters
    ----------
    medium : with a method ``realisation(i)`` that returns a medium a(x, y), as the random ones of ``hmm.media`` have.
    cell : what is solved in each. Equal samples, such as the few tilings of a small cell, are solved once.
    realisations : how many (0, 1, ...), or their numbers: other numbers are other, independent samples.
    x, eps : one macro point (d,), as in ``CellProblem.effective_tensor``; without it the statistics must not depend on x.
    average, confidence : see ``Ensemble``.
    wrap : make the medium periodic with the period of the cell (``medium.wrapped``): a periodic cell without seams.

    Warns
    -----
    UserWarning
        The medium's correlation length exceeds the cell: its samples are not representative, however many.
    """
    if not callable(getattr(medium, "realisation", None)):
        raise TypeError(f"medium={medium!r} has no method realisation(i): an ensemble needs a random medium")
    if isinstance(realisations, Integral) and not isinstance(realisations, bool):
        numbers = np.arange(realisations)
    elif isinstance(realisations, Iterable):
        numbers = np.array([*realisations])
        require(numbers.dtype.kind in "iu", "realisations", realisations, "must be a count, or integer numbers")
    else:
        raise TypeError(f"realisations={realisations!r} must be a count, or integer numbers")
    require(numbers.size >= 2, "realisations", realisations, "must be at least 2: one sample has no scatter")
    require(np.abs(numbers) < 2**53, "realisations", realisations, "must be numbers below 2**53")
    if wrap:
        require(cell.bc == "periodic", "wrap", wrap, f"makes sense with bc='periodic', not bc={cell.bc!r}")
        medium = medium.wrapped(cell.length)
    one = medium.realisation(int(numbers[0]))
    refuse_scale(one, eps)
    warn_of_correlation(one, cell.length)
    if x is None:
        require(eps is None, "eps", eps, "needs x: say at which macro point")
        refuse_slow_variable(one, cell.dim, cell.length, cell.offset * cell.size)
    else:
        x = np.asarray(x, dtype=float)
        ok = x.shape == (cell.dim,) and np.isfinite(x).all()
        require(ok, "x", x, f"must be one finite macro point of shape ({cell.dim},)")
    point = np.zeros((cell.dim, 1, 1)) if x is None else x[:, None, None]
    slow, fast = places(point, cell.view(one, eps)[1][:, None], eps)

    def sampled(first: int, last: int) -> list[Part]:
        """Realisation by realisation, joined to parts of one kind."""
        kinds: dict[int, list[Part]] = {}
        for k in range(last - first):
            seen, _ = cell.view(medium.realisation(int(numbers[first + k])), eps)
            for _, field, exponent in samples(seen, slow, fast):
                kinds.setdefault(field.shape[1], []).append((np.array([k]), field, exponent))
        return [tuple(map(np.concatenate, zip(*parts, strict=True))) for parts in kinds.values()]

    return Ensemble(cell.solve_sampled(sampled, numbers.shape, False).tensor, cell, average, confidence)


def ensembles_by_size(
    medium: Any, cell: CellProblem, sizes: Sequence[float], realisations: int | Sequence[int] = 100, **options: Any
) -> list[Ensemble]:
    """The same ensemble for cells of several sizes, in periods, and one number of realisations for all or one for each.

    Options are those of ``effective_ensemble``.
    """
    sizes = list(sizes)
    counts = [realisations] * len(sizes) if isinstance(realisations, Integral) else list(realisations)
    require(len(counts) == len(sizes), "realisations", realisations, f"must be a count, or {len(sizes)} of them")
    return [
        effective_ensemble(medium, replace(cell, size=size), count, **options)
        for size, count in zip(sizes, counts, strict=True)
    ]
