"""Whether a question to a micro solver makes sense: the cell, the macro points, the scales of a medium and what it may hide."""

import math
import warnings
from collections.abc import Iterator
from functools import lru_cache, partial
from numbers import Integral, Real
from typing import Any

import numpy as np

from hmm_core.micro.sample import evaluated
from hmm_core.micro.transforms import read_only

Array = np.ndarray

# Where media that should not depend on x are asked whether they do:
PROBES = 16  # macro points in the unit cube
FAR = 37.3  # one in every orthant, at this distance from 0 along the first axis
POINTS = 24  # micro points, each time


# -- the cell ---------------------------------------------------------------------------------------------------------------


def refuse_description(cell: Any) -> None:
    """TypeError or ValueError for a ``CellProblem`` whose arguments are not what its docstring allows."""

    def choice(name: str, allowed: tuple) -> None:
        value = getattr(cell, name)
        if value not in allowed:
            raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}")

    def number(name: str, low: float, strict: bool) -> None:
        value = getattr(cell, name)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}={value!r} must be a real number, not {type(value).__name__}")
        if not math.isfinite(value) or value < low or (strict and value == low):
            raise ValueError(f"{name}={value!r} must be finite and {'>' if strict else '>='} {low}")

    for name in ("dim", "n"):
        value = getattr(cell, name)
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")
    choice("dim", (1, 2, 3))
    if cell.n < 2:
        raise ValueError(f"n={cell.n} elements per period: at least 2 are needed")
    choice("bc", ("periodic", "dirichlet", "neumann"))
    number("size", 0, strict=True)
    if isinstance(cell.buffer, Real) and cell.buffer < 0:
        raise ValueError(
            f"buffer={cell.buffer!r} must be >= 0: the averaging domain would reach outside of the solved domain"
        )
    number("buffer", 0, strict=False)
    number("offset", -math.inf, strict=False)
    if cell.window != "box":
        if not (isinstance(cell.window, tuple) and len(cell.window) == 2 and cell.window[0] == "smooth"):
            raise ValueError(f'window={cell.window!r} is neither "box" nor ("smooth", q)')
        order = cell.window[1]
        if isinstance(order, bool) or not isinstance(order, Real) or not 0 <= order < 50:
            raise ValueError(f'window={cell.window!r}: the order q in ("smooth", q) must be a number, 0 <= q < 50')
    choice("average", ("ratio", "flux", "energy"))
    if cell.average == "energy" and cell.bc == "neumann":
        raise ValueError("average='energy' needs a prescribed gradient: bc='periodic' or 'dirichlet'")
    choice("scheme", ("q1", "fourier"))
    choice("interface", ("sharp", "laminate"))
    if cell.interface == "laminate" and (cell.scheme != "q1" or cell.dim == 1):
        raise ValueError(f"interface='laminate' needs scheme='q1' and dim=2 or 3, not {cell.scheme!r} and {cell.dim}")
    number("tol", 0, strict=True)
    if not 1e-14 <= cell.tol < 1:
        raise ValueError(f"tol={cell.tol!r} must lie in [1e-14, 1): double precision reaches no further")
    if cell.scheme == "fourier":
        for name, wanted in (("bc", "periodic"), ("buffer", 0), ("window", "box")):
            if getattr(cell, name) != wanted:
                raise ValueError(f"scheme='fourier' needs {name}={wanted!r}, not {getattr(cell, name)!r}")
        if cell.size != round(cell.size):
            raise ValueError(f"scheme='fourier' needs an integer size, not size={cell.size!r}: use scheme='q1'")
    _refuse_equation(cell)


def _refuse_equation(cell: Any) -> None:
    if cell.richardson and not _is(cell, "zero-order"):
        raise ValueError("richardson=True extrapolates in T: it needs equation=('zero-order', T)")
    if cell.equation == "elliptic":
        return
    if not (_is(cell, "zero-order") or _is(cell, "parabolic")) or len(cell.equation) != 2:
        raise ValueError(f"equation={cell.equation!r} is not one of 'elliptic', ('zero-order', T), ('parabolic', T)")
    T = cell.equation[1]
    if isinstance(T, bool) or not isinstance(T, Real) or not (math.isfinite(T) and T > 0):
        raise ValueError(f"equation={cell.equation!r}: T must be a positive number (periods^2)")
    if cell.scheme == "fourier" or cell.bc == "neumann":
        raise ValueError(f"equation={cell.equation!r} needs scheme='q1' and bc='periodic' or 'dirichlet'")
    if _is(cell, "parabolic") and (cell.bc != "dirichlet" or cell.average != "ratio"):
        raise ValueError("equation=('parabolic', T) needs bc='dirichlet', and defines its own average")


def _is(cell: Any, kind: str) -> bool:
    return isinstance(cell.equation, tuple) and cell.equation[:1] == (kind,)


# -- where and what it is asked about -----------------------------------------------------------------------------------------


def macro_points(x: Any, dim: int) -> tuple[Array, tuple[int, ...]]:
    """Macro points x (d, ...) as (d, K), and the shape that the caller gave to K."""
    if np.iscomplexobj(x):
        raise ValueError("x is complex; macro points are real")
    x = np.asarray(x, dtype=float)
    if x.ndim == 0 or x.shape[0] != dim:
        raise ValueError(f"x has shape {x.shape}; a cell problem with dim={dim} takes points ({dim}, ...)")
    if not np.isfinite(x).all():
        raise ValueError(f"x holds {x[~np.isfinite(x)][0]}; macro points must be finite")
    if x.size == 0:
        raise ValueError(f"x has shape {x.shape}: there is no macro point in it")
    return x.reshape(dim, -1), x.shape[1:]


def places(x: Array, eta: Array, eps: float | None) -> tuple[Array, Array]:
    """Where a medium is asked, slow and fast variable, for macro points x (d, K, 1) and the sampling domain eta (d, 1, P)."""
    return (x, eta) if eps is None else (x + eps * eta, x / eps + eta)


def refuse_scale(a: Any, eps: float | None) -> None:
    """ValueError for an eps that is none, or that the medium (or flux law) cannot be sampled with.

    A medium that knows its scale has ``allowed_eps``, the values that it may be asked with. What holds it, another medium, a
    law, a ``functools.partial``, need not say so; a plain function that calls it hides it.
    """
    if eps is not None and not (isinstance(eps, Real) and math.isfinite(eps) and eps > 0):
        raise ValueError(f"eps={eps!r} must be a positive number, or None to freeze the slow variable")
    for medium, allowed in _scaled_media(a):
        if eps not in allowed:
            which = " or ".join("eps=None (slow variable frozen)" if e is None else f"eps={e!r}" for e in allowed)
            given = " (slow variable frozen)" if eps is None else ""
            raise ValueError(f"eps={eps!r}{given}, but {medium!r} can only be sampled with {which}")


def _scaled_media(a: Any, depth: int = 8) -> Iterator[tuple[Any, tuple]]:
    """The media with ``allowed_eps`` in a callable and, object by object, in the callables that it holds."""
    allowed = getattr(a, "allowed_eps", None)
    if allowed is not None:
        yield a, allowed
    elif callable(a) and depth and not isinstance(a, type):
        held = (
            (a.func, *a.args, *a.keywords.values()) if isinstance(a, partial) else getattr(a, "__dict__", {}).values()
        )
        for part in held:
            yield from _scaled_media(part, depth - 1)


def refuse_slow_variable(a: Any, dim: int, length: float, centre: float = 0.0) -> None:
    """ValueError if the medium depends on x: without x it would be answered for x = 0 without a word.

    It is asked at x = 0, at points all over the unit cube, and far away in every orthant, so that a step is found wherever it
    stands within that distance. What cannot be seen: a dependence confined to places between these points (of the size of a
    tenth of the cube), or to a small part of the sampling domain.
    """
    y, probes = read_only(centre + length * (_spread(POINTS, dim) - 0.5)[:, None]), _probes(dim)
    with np.errstate(all="ignore"):
        try:
            there = evaluated(a, probes, y, sure=True)
            if (there == there[0]).all():
                return
        except ValueError:  # it may yet answer for one point after the other
            pass
        try:
            here = np.asarray(a(probes[:, :1], y))
        except Exception:  # the medium is asked again in earnest, and its error reported there
            return
        for x in probes.T[0, 1:]:
            try:
                there = np.asarray(a(x.reshape(dim, 1, 1), y))
                same, cause = np.array_equal(here, there, equal_nan=here.dtype.kind == there.dtype.kind == "f"), None
            except Exception as error:
                same, cause = False, error
            if not same:
                raise ValueError(
                    f"x=None, but the medium depends on x: at x={x.tolist()} it is another one than at x=0. Say at which macro "
                    "point it is meant, x=..."
                ) from cause


def warn_of_correlation(a: Any, length: float) -> None:
    """UserWarning if the sampling domain is smaller than the distance over which the medium resembles itself."""
    if getattr(a, "correlation_length", 0.0) > length:
        warnings.warn(
            f"the medium's correlation length, {a.correlation_length:.6g} periods, exceeds the cell's size + 2 buffer = "
            f"{length:.6g}: such a sample is not representative",
            UserWarning,
            stacklevel=4,
        )


def warn_of_seam(a: Any, cell: Any) -> None:
    """UserWarning if a periodic cell closes a picture, which says how far it extends, where it does not repeat itself."""
    extent = np.array(getattr(a, "extent", ()))
    if cell.bc == "periodic" and (np.abs(cell.length / extent - np.rint(cell.length / extent)) > 1e-9).any():
        warnings.warn(
            f"a periodic cell of side {cell.length:.6g} does not hold whole pictures, which repeat themselves after "
            f"{extent.tolist()} periods: it closes them with a seam",
            UserWarning,
            stacklevel=4,
        )


@lru_cache
def _probes(dim: int) -> Array:
    """Macro points (dim, N, 1), the first of them 0."""
    corners = np.array([*np.ndindex(*(2,) * dim)])
    far = FAR * (2 * corners - 1) * np.sqrt([1, 2, 3][:dim])
    return read_only(np.concatenate([np.zeros((1, dim)), _spread(PROBES, dim).T, far]).T[:, :, None])


@lru_cache
def _spread(count: int, dim: int) -> Array:
    """Points (dim, count) that fill the unit cube evenly, coordinates irrational: k/phi^j modulo 1, phi^(dim + 1) = phi + 1."""
    phi = max(np.roots([1, *(0,) * (dim - 1), -1, -1]).real)
    return np.mod(np.outer(phi ** -np.arange(1.0, dim + 1), np.arange(1, count + 1)), 1.0)
