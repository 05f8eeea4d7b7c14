"""Cell problems that are meant to break the solver, and a judge: the library's answer beside that of ``dense``.

A case is a plain value: its ``repr`` makes it again. Media are tables of numbers that a function looks up, so that both sides
see the same floats.
"""

import contextlib
import math
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import dense
import numpy as np
from hypothesis import strategies as st

import hmm_core as hmm

Array = np.ndarray
CONTRAST, ANISOTROPY, MAGNITUDE = 8, 10, 250  # the largest exponents of ten
KINDS = ("constant", "phases", "points", "lognormal", "smooth", "layers", "inclusion", "checkerboard")
TENSORS = ("scalar", "diagonal", "rotated", "crystals", "skew")


@dataclass(frozen=True)
class Sample:
    """The coefficient at one macro point: 10^magnitude times a pattern between 1 and 10^contrast times a tensor whose weak
    direction is 10^anisotropy of its strong one."""

    kind: str = "phases"
    contrast: float = 1.0
    tensor: str = "scalar"
    anisotropy: float = 0.0
    magnitude: int = 0
    seed: int = 0

    def table(self, cell: hmm.CellProblem) -> Array:
        """(c, g, ..., g, N, ..., N)."""
        d, N, g, rng = cell.dim, cell.cells, dense.points_per_axis(cell), np.random.default_rng(self.seed)
        size, scale = 10.0 ** (self.contrast * self.pattern(d, g, N, rng)), 10.0**self.magnitude
        if self.tensor == "scalar" or d == 1:
            return scale * size[None]
        shape = size.shape if self.tensor == "crystals" else (1,) * (2 * d)
        strong = np.ones(d)
        strong[int(rng.integers(d))] = 10.0**self.anisotropy
        turn = np.eye(d)
        if self.tensor in ("rotated", "crystals"):
            turn, _ = np.linalg.qr(rng.standard_normal((*shape, d, d)))
        a = np.moveaxis((turn * strong) @ np.swapaxes(turn, -1, -2), (-2, -1), (0, 1))
        a = (a + a.swapaxes(0, 1)) / 2  # symmetric to the last bit
        a = np.broadcast_to(a.reshape(d, d, *(a.shape[2:] or shape)), (d, d, *size.shape)) * size
        if self.tensor == "skew":
            i, j = rng.permutation(d)[:2]
            swirl = rng.uniform(-3, 3) * self.pattern(d, g, N, rng) * np.sqrt(a[i, i] * a[j, j])
            a[i, j] += swirl
            a[j, i] -= swirl
        return scale * a.reshape(d * d, *size.shape)

    def pattern(self, d: int, g: int, N: int, rng: np.random.Generator) -> Array:
        """Between 0 and 1, (g, ..., g, N, ..., N); on a line with one number in each element."""
        elements, points = (1,) * d + (N,) * d, (1 if g == 10 else g,) * d + (N,) * d
        place = np.indices((N,) * d)
        if self.kind == "constant":
            value = np.zeros(elements)
        elif self.kind == "phases":
            value = rng.random(elements) < rng.uniform(0.1, 0.9)
        elif self.kind == "points":
            value = rng.random(points) < 0.5
        elif self.kind == "lognormal":
            value = rng.random(elements)
        elif self.kind == "smooth":
            s = np.arange(g if g < 10 else 1).reshape(-1, 1) / max(g, 2) if g < 10 else np.array([[0.5]])
            line = 2 * np.pi * (np.arange(N) + s) / N
            axes = [
                line.reshape([line.shape[0] if i == k else N if i == d + k else 1 for i in range(2 * d)])
                for k in range(d)
            ]
            phase = rng.uniform(0, 2 * np.pi, d)
            value = 0.5 + 0.5 * reduce(np.multiply, (np.cos(t + p) for t, p in zip(axes, phase, strict=True)))
        elif self.kind == "layers":
            value = (rng.random(N) if rng.random() < 0.5 else rng.integers(2, size=N))[place[int(rng.integers(d))]]
        elif self.kind == "inclusion":
            low = rng.integers(0, N, d)
            high = np.minimum(low + rng.integers(1, max(2, N // 2 + 1), d), N)
            value = np.logical_and.reduce([(p >= a) & (p < b) for p, a, b in zip(place, low, high, strict=True)])
        else:
            value = (place.sum(axis=0) // int(rng.integers(1, 3))) % 2
        return np.array(np.broadcast_to(value, (g,) * d + (N,) * d), dtype=float)


@dataclass(frozen=True)
class Case:
    samples: tuple[Sample, ...] = (Sample(),)
    cell: dict = field(default_factory=dict)

    @property
    def problem(self) -> hmm.CellProblem:
        return hmm.CellProblem(**self.cell)

    @property
    def family(self) -> str:
        cell = self.problem
        sharp = cell.buffer == 0 and cell.window == "box" and cell.equation == "elliptic"
        form = "line" if dense.on_a_line(cell) else "whole" if sharp else "windowed"
        kind = cell.equation if isinstance(cell.equation, str) else cell.equation[0]
        skew = "skew" if cell.dim > 1 and any(s.tensor == "skew" for s in self.samples) else "symmetric"
        return f"{cell.scheme:7} {cell.bc:9} {kind:10} {form:8} {skew:9}"

    def tables(self) -> list[Array]:
        tables = [sample.table(self.problem) for sample in self.samples]
        d, size = self.problem.dim, max(map(len, tables))
        unit = np.eye(d).reshape(d * d, *(1,) * (2 * d))
        return [table * unit if len(table) < size else table for table in tables]


def lookup(cell: hmm.CellProblem, tables: list[Array]):
    """The medium: macro point x = (k, 0, ...) sees the k-th table."""
    d, g, solved = cell.dim, dense.points_per_axis(cell), cell.size + 2 * cell.buffer
    places = {1: [0.0], 2: [0.2113, 0.7887], 10: (np.polynomial.legendre.leggauss(10)[0] + 1) / 2}[g]
    everything = np.array(tables)

    def medium(x: Array, y: Array) -> Array:
        t = ((y - cell.offset * cell.size) / solved + 0.5) * cell.cells
        element = np.rint(t).astype(int) % cell.cells if g == 1 else np.clip(np.floor(t).astype(int), 0, cell.cells - 1)
        point = np.abs(t - element - np.reshape(places, (-1, *(1,) * t.ndim))).argmin(axis=0)
        k = np.clip(np.rint(x[0]).astype(int), 0, len(tables) - 1)
        components = np.arange(everything.shape[1]).reshape(-1, 1, 1)
        value = everything[(k, components, *point, *element)]
        return value[0] if len(value) == 1 else value.reshape(d, d, *value.shape[1:])

    return medium


# -- drawing them -----------------------------------------------------------------------------------------------------------


@st.composite
def cells(draw, largest: int = 9) -> dict:
    dim = draw(st.sampled_from((1, 2, 2, 2, 2, 2, 3)))
    cell = {"dim": dim, "tol": 10.0 ** -draw(st.integers(2, 11))}
    cell["offset"] = draw(st.sampled_from((0.0, 0.5, -0.3)))
    cell["n"] = draw(st.integers(2, 3 if dim == 3 else largest))
    if dim > 1 and draw(st.integers(0, 4)) == 0:
        return cell | {"scheme": "fourier", "average": draw(st.sampled_from(("ratio", "flux", "energy")))}
    cell["bc"] = bc = draw(st.sampled_from(("periodic", "dirichlet", "neumann")))
    if draw(st.booleans()):
        cell["size"] = draw(st.sampled_from((1.0, 0.7, 1.3, 2.0) if dim < 3 else (1.0, 0.7)))
        cell["buffer"] = draw(st.sampled_from((0.0, 0.2, 0.35)))
        cell["window"] = draw(st.sampled_from(("box", ("smooth", 1), ("smooth", 3))))
    cell["average"] = draw(st.sampled_from(("ratio", "ratio", "flux", "energy")[: 3 if bc == "neumann" else 4]))
    kind = "elliptic" if bc == "neumann" else draw(st.sampled_from(("elliptic",) * 4 + ("zero-order", "parabolic")))
    if kind == "parabolic" and bc == "dirichlet" and dim < 3:
        solved = cell.get("size", 1.0) + 2 * cell.get("buffer", 0.0)
        cell["n"] = min(cell["n"], max(2, int(6 / solved)))  # its eigenvectors in sixty digits take long
        cell |= {"average": "ratio", "equation": (kind, draw(st.sampled_from((0.01, 0.1, 10.0))))}
    elif kind == "zero-order":
        cell["equation"] = (kind, draw(st.sampled_from((0.01, 1.0, 100.0))))
    return cell


@st.composite
def samples(draw, symmetric: bool = False, smooth: bool = False) -> Sample:
    exponent = st.sampled_from([k / 8 for k in (*range(-8, 9), *range(-3, 4), 0, 0, 0)])
    return Sample(
        kind="smooth" if smooth else draw(st.sampled_from(KINDS)),
        contrast=CONTRAST * draw(exponent),
        tensor=draw(st.sampled_from(TENSORS[: 4 if symmetric else 5])),
        anisotropy=ANISOTROPY * draw(exponent),
        magnitude=draw(st.sampled_from(range(-MAGNITUDE, MAGNITUDE + 1))),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@st.composite
def cases(draw) -> Case:
    cell = draw(cells())
    problem = hmm.CellProblem(**cell)
    symmetric = problem.average == "energy" or problem.equation[0] == "parabolic"
    one = samples(symmetric, smooth=problem.scheme == "fourier" and draw(st.booleans()))
    batch = draw(st.lists(one, min_size=1, max_size=3))
    if draw(st.booleans()):
        batch.append(batch[0])  # equal problems are one problem
    return Case(tuple(batch), cell)


@st.composite
def large_cases(draw) -> Case:
    """Grids that are too large for a factorisation or for dense transforms: multigrid, and the fast ones."""
    bc = draw(st.sampled_from(("dirichlet", "dirichlet", "neumann", "periodic")))
    cell = {"n": draw(st.sampled_from((34, 35, 49, 50))), "bc": bc, "tol": 10.0 ** -draw(st.integers(3, 10))}
    if draw(st.booleans()):
        cell |= {"size": 0.9, "window": draw(st.sampled_from(("box", ("smooth", 1))))}
    return Case((draw(samples()),), cell)


@st.composite
def nonlinear_cases(draw) -> Case:
    """For ``judge_nonlinear``: magnitudes whose squares are numbers."""
    cell = draw(cells(6).filter(lambda cell: "equation" not in cell and cell["average"] != "energy"))
    smooth = cell.get("scheme") == "fourier" and draw(st.booleans())
    batch = draw(st.lists(samples(smooth=smooth), min_size=1, max_size=2))
    return Case(tuple(replace(sample, magnitude=sample.magnitude // 5) for sample in batch), cell)


# -- judging them -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """``said``: "agrees", "refuses" (an exception of the library that says why), "wrong", "breaks" (any other exception, a
    warning, or a word on the console). ``ratio``: the largest error of an entry A_ij against tol sqrt(A_ii A_jj)."""

    said: str
    ratio: float = 0.0
    why: str = ""


@contextlib.contextmanager
def silence(heard: list[str]):
    """Collect what compiled code writes to the console."""
    with tempfile.TemporaryFile() as file:
        kept = [os.dup(stream) for stream in (1, 2)]
        try:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            yield
        finally:
            for stream, old in zip((1, 2), kept, strict=True):
                os.dup2(old, stream)
                os.close(old)
            file.seek(0)
            heard.append(file.read().decode(errors="replace"))


def answered(question: Callable[[], Any], tol: float, miss: Callable[[Any], list[float]]) -> Verdict:
    """The verdict on what the library answers to a question, whose errors are ``miss``."""
    heard: list[str] = []
    try:
        with warnings.catch_warnings(), silence(heard):
            warnings.simplefilter("error")
            answer = question()
    except hmm.ConvergenceError as error:
        return Verdict("breaks" if heard[0] else "refuses", why=f"{error} {heard[0][:200]}")
    except Exception as error:
        return Verdict("breaks", why=f"{type(error).__name__}: {error}")
    if heard[0]:
        return Verdict("breaks", why=f"on the console: {heard[0][:200]}")
    ratios = [error / tol for error in miss(answer)]
    worst = max(ratios)
    return Verdict("agrees" if worst <= 10 else "wrong", worst, "" if worst <= 10 else f"of the ratios {ratios}")


def judge(case: Case) -> Verdict:
    cell, tables = case.problem, case.tables()
    x = np.zeros((cell.dim, len(tables)))
    x[0] = np.arange(len(tables))

    def miss(answer: Array) -> list[float]:
        return [distance(answer[..., k], dense.tensor(cell, table)) for k, table in enumerate(tables)]

    return answered(lambda: cell.effective_tensor(lookup(cell, tables), x), cell.tol, miss)


def judge_nonlinear(case: Case) -> Verdict:
    """The same for ``solve_nonlinear`` with the linear law of the medium: its flux A G and its tangent A."""
    cell, tables = case.problem, case.tables()
    x, medium = np.zeros((cell.dim, len(tables))), lookup(cell, tables)
    x[0] = np.arange(len(tables))
    G = np.random.default_rng(case.samples[0].seed).standard_normal(x.shape)
    law = hmm.laws.Quasilinear(lambda x, y, u: medium(x, y), lambda x, y, u: 0.0 * medium(x, y))

    def miss(answer: hmm.nonlinear.NonlinearMicroSolution) -> list[float]:
        errors = []
        for k, table in enumerate(tables):
            exact, g = dense.tensor(cell, table), dense.decimals(G[:, k])
            size = np.array([(abs(v) * abs(g @ exact @ g)).sqrt() for v in exact.diagonal()])
            flux = float((np.abs(dense.decimals(answer.flux[:, k]) - exact @ g) / size).max())
            errors += [flux, distance(answer.d_dgrad[..., k], exact)]
        return errors

    return answered(lambda: hmm.nonlinear.solve_nonlinear(cell, law, x, np.zeros(len(tables)), G), cell.tol, miss)


def distance(A: Array, exact: Array) -> float:
    """The largest error of an entry against sqrt(A_ii A_jj): a weak direction counts as much as a strong one."""
    error = np.abs(dense.decimals(A) - exact)
    root = np.array([abs(v).sqrt() for v in exact.diagonal()])
    return float((error / root[:, None] / root).max()) if np.isfinite(A).all() else math.inf


def template(message: str) -> str:
    """A message without its numbers, to count it."""
    return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", message)
