r"""Derivations of closed forms, replayed with SymPy: dictionaries of expressions in the order of the argument."""

from itertools import product
from typing import Any


def _sympy() -> Any:
    try:
        import sympy
    except ImportError as error:
        raise ImportError(f'derivations are made with SymPy: pip install "hmm-core[course]" ({error})') from error
    return sympy


def derive_harmonic_mean() -> dict[str, Any]:
    r"""From u^eps = u0(x, y) + eps u1 + eps^2 u2, y = x/eps, to A* = <1/a>^(-1) for -(a(x/eps) u')' = f(x).

    Keys: ``expansion``; ``orders`` ({-2, -1, 0}: the equations at these powers of eps; order -2 makes a periodic u0 free
    of y); ``cell_equation`` (order -1 with u1 = w(y) u0'(x)); ``flux`` (a(1 + w') is a constant c);
    ``corrector_gradient`` (w'); ``periodicity`` (<w'> = 0, which fixes c); ``effective`` (that c); ``solvability`` (order 0
    without its derivative in y, whose average is zero); ``homogenized`` (its average). Averages are left as integrals.
    """
    sp = _sympy()
    x, y, eps, c = sp.symbols("x y epsilon c")
    a, w, f, u0 = sp.Function("a")(y), sp.Function("w")(y), sp.Function("f")(x), sp.Function("u0")(x)
    u = [sp.Function(f"u{k}")(x, y) for k in range(3)]
    expansion = u[0] + eps * u[1] + eps**2 * u[2]

    def total(g: Any) -> Any:  # d/dx of g(x, x/eps)
        return sp.diff(g, x) + sp.diff(g, y) / eps

    residual = sp.expand(eps**2 * (-total(a * total(expansion)) - f))
    orders = {k: sp.Eq(residual.coeff(eps, k + 2), 0) for k in (-2, -1, 0)}
    order = {k: orders[k].lhs.subs({u[1]: w * u0.diff(x), u[0]: u0}).doit() for k in (-1, 0)}
    cell = sp.Eq(sp.simplify(order[-1] / u0.diff(x)), 0)
    flux = sp.Eq(a * (1 + w.diff(y)), c)  # the left side of the cell equation is the derivative of -a(1 + w')
    slope = sp.solve(flux, w.diff(y))[0]
    periodicity = sp.Eq(c * sp.Integral(1 / a, (y, 0, 1)) - 1, 0)
    effective = sp.solve(periodicity, c)[0]
    solvability = sp.simplify(order[0] + sp.diff(a * (u[2].diff(y) + w * u0.diff(x, 2)), y))
    averaged = sp.simplify(solvability.subs(w.diff(y), slope))
    return {
        "expansion": expansion,
        "orders": orders,
        "cell_equation": cell,
        "flux": flux,
        "periodicity": periodicity,
        "effective": effective,
        "corrector_gradient": slope.subs(c, effective),
        "solvability": solvability,
        "homogenized": sp.Eq(averaged.subs(c, effective), 0),
    }


def derive_laminate(dim: int = 2) -> dict[str, Any]:
    r"""The laminate tensor for a(y_1), normal e_1, from the d cell problems -div a(e_j + grad w_j) = 0.

    w_j depends on y_1 only, so a_11 w_j' + a_1j is a constant c_j, and <w_j'> = 0 fixes it.
    Keys: ``tensor`` (a, of functions aij(y)), ``cell_equation``, ``corrector_gradient`` (w_j') and ``constants`` (c_j), lists
    over j; ``flux`` (column j: a(e_j + w_j' e_1)), ``effective`` (its average, of unevaluated integrals).
    """
    sp = _sympy()
    if dim not in (1, 2, 3):
        raise ValueError(f"dim={dim!r}: must be 1, 2 or 3")
    y, constants = sp.Symbol("y"), sp.symbols(f"c1:{dim + 1}")
    a = sp.Matrix(dim, dim, lambda i, j: sp.Function(f"a{i + 1}{j + 1}")(y))

    def average(g: Any) -> Any:
        return sp.Integral(g, (y, 0, 1)) if g.has(y) else g

    cells, slopes, values = [], [], []
    for j, c in enumerate(constants):
        slope = sp.Function(f"w{j + 1}")(y).diff(y)
        normal_flux = a[0, 0] * slope + a[0, j]
        cells.append(sp.Eq(-sp.Derivative(normal_flux, y), 0))
        slopes.append(sp.solve(sp.Eq(normal_flux, c), slope)[0])
        values.append(sp.solve(sp.Eq(c * average(1 / a[0, 0]) - average(a[0, j] / a[0, 0]), 0), c)[0])
    flux = (a + a[:, 0] * sp.Matrix([slopes])).applyfunc(sp.expand)
    effective = sp.zeros(dim)
    for i, j in product(range(dim), repeat=2):  # c_j is a constant and leaves the average
        rest, factor = flux[i, j].coeff(constants[j], 0), flux[i, j].coeff(constants[j], 1)
        effective[i, j] = average(rest) + values[j] * average(factor)
    return {
        "tensor": a,
        "cell_equation": cells,
        "corrector_gradient": slopes,
        "constants": values,
        "flux": flux,
        "effective": effective,
    }


def derive_separable() -> dict[str, Any]:
    r"""A* of a = a1(y1) a2(y2): in direction e_j the corrector depends on y_j only and solves the one-dimensional cell.

    Keys: ``coefficient``; lists over j of ``cell_equation`` (the other factor drops out), ``corrector_gradient``
    (w_j' = c_j/a_j - 1, c_j = <1/a_j>^(-1)), ``flux`` (vector, free of y_j) and ``divergence`` (of it: zero);
    ``effective`` (matrix of the averaged fluxes).
    """
    sp = _sympy()
    y = sp.symbols("y1 y2")
    factors = [sp.Function(f"a{j + 1}")(y[j]) for j in range(2)]
    a, cells, slopes, fluxes, columns = factors[0] * factors[1], [], [], [], []
    for j in range(2):
        slope = sp.Function(f"w{j + 1}")(y[j]).diff(y[j])
        cells.append(sp.Eq(sp.simplify(-sp.diff(a * (1 + slope), y[j]) / factors[1 - j]), 0))
        slopes.append(1 / (sp.Integral(1 / factors[j], (y[j], 0, 1)) * factors[j]) - 1)
        fluxes.append(sp.Matrix([sp.simplify(a * (1 + slopes[j])) if i == j else 0 for i in range(2)]))
        constant = fluxes[j][j] / factors[1 - j]  # what is left is averaged over the other variable
        columns.append([constant * sp.Integral(factors[1 - j], (y[1 - j], 0, 1)) if i == j else 0 for i in range(2)])
    divergence = [sp.simplify(flux[0].diff(y[0]) + flux[1].diff(y[1])) for flux in fluxes]
    return {
        "coefficient": a,
        "cell_equation": cells,
        "corrector_gradient": slopes,
        "flux": fluxes,
        "divergence": divergence,
        "effective": sp.Matrix(columns).T,
    }
