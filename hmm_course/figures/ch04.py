"""Figures of chapter 04, the algorithmic loop: cell problems, the loop on a macro mesh, and the fine scale put back."""

from typing import Any

import numpy as np
import skfem
from skfem.models.poisson import laplace, mass

from hmm_core import compare, exact, media
from hmm_core.closure import CellClosure
from hmm_core.macro import macro_basis, solve_elliptic
from hmm_core.micro.cell import CellProblem
from hmm_core.micro.grid import Q1Grid, multiply
from hmm_core.micro.krylov import bicgstab, conjugate_gradients
from hmm_core.micro.sample import MediumLike, sample
from hmm_course.figures import BLUE, GREEN, ORANGE, Array, Data, canvas, field_plot, rate_plot

UNIT = (0.0, 1.0, 0.0, 1.0)
CELL = (-0.5, 0.5, -0.5, 0.5)
INSIDE = 10.0  # conductivity of the disks; the matrix has 1
FRACTION = media.Affine(0.1, (0.5, 0.0))  # volume fraction of the disks, 0.1 at x_1 = 0 and 0.6 at x_1 = 1


def graded_disks() -> MediumLike:
    """Disks of conductivity 10 in a matrix of conductivity 1, their volume fraction growing with x_1."""
    return media.inclusion(INSIDE, fraction=FRACTION)


def oblique(x: Array, y: Array) -> Array:
    """A smooth medium without any symmetry: its tensor is full, and its cell looks different in a mirror."""
    return np.exp(1.2 * np.sin(2 * np.pi * (y[0] + 2 * y[1])) + np.cos(2 * np.pi * (y[0] - y[1]) + 1))


def micro_fields(a: MediumLike, cell: CellProblem, x: Array | None = None) -> Data:
    """a (N, N), w_j (2, N+1, N+1), the flux a(e_j + grad w_j) (2, 2, N, N) as element means, [j] first, and the tensor.

    A plane periodic Q1 cell at one macro point x (2, 1), or for a medium without slow variable.
    """
    grid, micro = cell.grid, cell.solve(a, x)
    w = micro.correctors.reshape(2, cell.cells + 1, -1)
    points = np.zeros((2, 1, 1)) if x is None else np.reshape(x, (2, 1, 1))
    coefficient = sample(a, points, grid.points[:, None]).reshape(1, -1, 4, cell.cells**2)
    gradient = grid.gradient(w[None, :, :-1, :-1])
    for j in range(2):
        gradient[:, j, j] += 1.0
    flux = multiply(coefficient, gradient)[0].mean(axis=2)
    shape = (cell.cells, cell.cells)
    return {
        "a": coefficient[0, 0].mean(axis=0).reshape(shape),
        "w": w,
        "flux": flux.reshape(2, 2, *shape),
        "tensor": micro.tensor.reshape(2, 2),
    }


def _label_reciprocals(ax: Any, values: Array) -> None:
    """Ticks 1/4, 1/8, ... at the values themselves, instead of powers of ten."""
    ax.set_xticks(values, [f"1/{1 / v:.0f}" for v in values])
    ax.set_xticks([], minor=True)


def flux_picture(ax: Any, flux: Array, title: str) -> None:
    """The size of a flux (2, N, N) in one cell as an image, its direction as streamlines."""
    n = flux.shape[-1]
    centres = (np.arange(n) + 0.5) / n - 0.5
    field_plot(ax, np.hypot(*flux), CELL, title, cmap="magma")
    ax.streamplot(centres, centres, *flux.swapaxes(1, 2), color="w", linewidth=0.7, arrowsize=0.7, density=0.7)
    ax.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))


# -- where the micro problems sit ----------------------------------------------------------------------------------------


def sampling_data(eps: float = 1 / 24, pixels: int = 600) -> Data:
    """The graded composite, a coarse mesh with one sampling point per triangle, and the cell at one of them."""
    basis = macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1())
    line = (np.arange(pixels) + 0.5) / pixels
    x = np.array(np.meshgrid(line, line, indexing="ij"))
    y = np.array(np.meshgrid(line - 0.5, line - 0.5, indexing="ij"))[:, ::4, ::4]
    points = np.asarray(basis.global_coordinates())[:, :, 0]
    chosen = points[:, int(np.argmin(((points - [[0.75], [0.4]]) ** 2).sum(axis=0)))]
    a = graded_disks()
    return {
        "material": a(x, x / eps) > 1,
        "cell": a(chosen.reshape(2, 1, 1), y) > 1,
        "vertices": basis.mesh.p,
        "triangles": basis.mesh.t,
        "points": points,
        "chosen": chosen,
        "eps": np.array(eps),
    }


def sampling(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(8.6, 4.4), width_ratios=(1.5, 1))
    left.imshow(data["material"].T, extent=UNIT, cmap="Greys", alpha=0.35)
    left.triplot(*data["vertices"], data["triangles"].T, color=BLUE, lw=1.2)
    left.plot(*data["points"], "o", color=ORANGE, ms=5)
    eps = float(data["eps"])
    corner = data["chosen"] - eps / 2
    for ax, start, side in ((left, corner, eps), (right, (-0.5, -0.5), 1.0)):
        box = np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]) * side + np.reshape(start, (2, 1))
        ax.plot(*box, color=ORANGE, lw=2, clip_on=False)
    left.set(
        title="the material and the macro mesh", xlabel="$x_1$", ylabel="$x_2$", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1]
    )
    right.imshow(data["cell"].T, extent=CELL, cmap="Greys", alpha=0.35)
    right.plot(0, 0, "o", color=ORANGE, ms=8)
    x1, x2 = data["chosen"]
    right.set(title=f"the cell at $x$ = ({x1:.2f}, {x2:.2f})", xlabel="$y_1$", ylabel="$y_2$")
    for ax in (left, right):
        ax.grid(False)
    return figure


# -- the cell problem ----------------------------------------------------------------------------------------------------


def correctors_data(n: int = 32) -> Data:
    """Correctors and flux of two media on one period: Hou-Wu type (smooth) and a disk of fraction 0.3."""
    cell, data = CellProblem(dim=2, n=n, tol=1e-14), {}
    for name, a in (("smooth", media.hou_wu()), ("disk", media.inclusion(INSIDE, fraction=0.3))):
        fields = micro_fields(a, cell)
        data |= {f"{name}_a": fields["a"], f"{name}_w": fields["w"], f"{name}_flux": fields["flux"][0]}
    return data


def correctors(data: Data) -> Any:
    figure, axes = canvas(2, 4, figsize=(12.5, 5.6), sharex=True, sharey=True)
    for row, name, label in zip(axes, ("smooth", "disk"), ("Hou–Wu type", "disk, 10 in 1"), strict=True):
        field_plot(row[0], data[f"{name}_a"], CELL, f"$a$: {label}")
        w = data[f"{name}_w"]
        limit = np.abs(w).max()
        for j in range(2):
            field_plot(row[1 + j], w[j], CELL, f"corrector $w_{j + 1}$", cmap="RdBu_r", vmin=-limit, vmax=limit)
        flux_picture(row[3], data[f"{name}_flux"], r"flux $|a\,(e_1 + \nabla w_1)|$")
        row[0].set_ylabel("$y_2$")
    for ax in axes[1]:
        ax.set_xlabel("$y_1$")
    return figure


BOTH_WAYS = 1e-3  # residual above which the squares still hide the linear part of the averaged flux


def energy_data(n: int = 32) -> Data:
    """Error of the tensor against the solver's residual: averaged flux and energy form, diagonal and off-diagonal entries.

    One row for each stopping point of the solver, the largest error of the entries of a kind.
    """
    best = CellProblem(dim=2, n=n, tol=1e-14).effective_tensor(oblique)
    rows = {}
    for digits in np.arange(1, 12, 0.25):
        cell = CellProblem(dim=2, n=n, tol=10.0**-digits)
        fields = micro_fields(oblique, cell)
        errors = [np.abs(A - best) for A in (fields["flux"].mean(axis=(2, 3)).T, fields["tensor"])]
        rows[float(cell.solve(oblique).residual)] = [
            error[entries].max() for error in errors for entries in (np.eye(2) == 0, np.eye(2) == 1)
        ]
    names = ("flux", "flux_diagonal", "energy", "energy_diagonal")
    return {"residual": np.array(list(rows))} | dict(zip(names, np.array(list(rows.values())).T, strict=True))


def energy(data: Data) -> Any:
    figure, ax = canvas(figsize=(6.8, 4.2))
    residual, late = data["residual"], data["residual"] < BOTH_WAYS
    rate_plot(ax, residual, data["energy"], "off-diagonal, energy form", 2, color=ORANGE)
    ax.loglog(residual[~late], data["flux"][~late], "o", mfc="white", color=BLUE, label="off-diagonal, averaged flux")
    rate_plot(ax, residual[late], data["flux"][late], f"the same below {BOTH_WAYS:g}", 1, color=BLUE)
    ax.loglog(residual, data["energy_diagonal"], "-", lw=4, color="0.8", zorder=0, label="diagonal, energy form")
    ax.loglog(residual, data["flux_diagonal"], "x", ms=4, color="k", label="diagonal, averaged flux")
    ax.set(xlabel="residual at which conjugate gradients stopped", ylabel="error of the tensor")
    ax.legend(fontsize=8)
    return figure


# -- the source ----------------------------------------------------------------------------------------------------------


def swirl(x: Array, y: Array) -> Array:
    """2 + sin 2 pi y_1 cos 2 pi y_2 and a rotation that varies: a tensor that is not symmetric, (2, 2, ...)."""
    s, c = np.sin(2 * np.pi * y), np.cos(2 * np.pi * y)
    b, r = 2 + s[0] * c[1], 1 + s[1] + 0.5 * c[0]
    return np.array([[b, r], [-r, b]])


def swirl_back(x: Array, y: Array) -> Array:
    """The transpose of ``swirl``."""
    return swirl(x, y).swapaxes(0, 1)


def flux_with_source(
    a: MediumLike, source: Any, eps: float, bc: str = "periodic", n: int = 32, G: tuple = (1.0, 0.0)
) -> tuple[Array, Array]:
    """<a(G + grad w)> (2,) and w (n+1, n+1) for -div_y(a(G + grad_y w)) = eps f(eps y) on one period, from the library's parts.

    A periodic cell cannot balance the mean of the source, which is taken out; a Dirichlet cell holds w = 0 on its boundary.
    """
    grid = Q1Grid(2, n, 1.0, bc)
    field = sample(a, np.zeros((2, 1, 1)), grid.points[:, None])
    field = field.reshape(1, field.shape[1], 4, -1)
    rule = np.r_[0.5, np.ones(n - 1), 0.5] * grid.h  # weights of the nodes along an axis
    y = np.array(np.meshgrid(grid.edges, grid.edges, indexing="ij"))
    f = grid.fold((eps * source(eps * y) * np.outer(rule, rule))[None, None])
    b = (f - f.mean() if bc == "periodic" else f) - np.einsum("j,bj...->b...", G, grid.load(field))[:, None]
    iterate = conjugate_gradients if field.shape[1] == 1 else bicgstab
    precondition = grid.preconditioner(field[:, 0].mean() * np.ones((1, 2)))  # constant a, inverted by fast transforms
    w = iterate(grid.operator(grid.stencil(field)), precondition, b, np.full((1, 1), 1e-26), 300)[0]
    flux = multiply(field, grid.gradient(w) + np.reshape(G, (1, 1, 2, 1, 1)))
    return flux[0, 0].mean(axis=(1, 2)), grid.extend(w)[0, 0]


# -- the loop ------------------------------------------------------------------------------------------------------------


def graded_data(level: int = 4, n: int = 64) -> Data:
    """HMM for the graded disks, f = 1: U at the vertices, the tensor A_11 met on the way, the true one, and its bounds."""
    basis = macro_basis(skfem.MeshTri().refined(level), skfem.ElementTriP1())
    closure = CellClosure(graded_disks(), CellProblem(dim=2, n=n))
    solution = solve_elliptic(basis, closure, 1.0)
    x = np.asarray(basis.global_coordinates())[:, :, 0]
    flux, gradient = solution.flux[:, :, 0], basis.interpolate(solution.u).grad[:, :, 0]
    x1, first = np.unique(x[0].round(12), return_index=True)
    A = closure(x[:, first], np.zeros(len(first)), gradient[:, first]).d_dgrad
    hs = exact.hashin_shtrikman_bounds(1.0, INSIDE, FRACTION(x[:, first]))
    return {
        "vertices": basis.mesh.p,
        "triangles": basis.mesh.t,
        "U": solution.u,
        "points": x,
        "flux": flux,
        "x1": x1,
        "A11": A[0, 0],
        "A22": A[1, 1],
        "bounds": np.array(hs),
        "rayleigh": np.array([exact.cylinders(f, INSIDE) for f in FRACTION(x[:, first])]),
    }


def graded(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(10.2, 4.0))
    levels = left.tricontourf(*data["vertices"], data["triangles"].T, data["U"], levels=12)
    figure.colorbar(levels, ax=left, shrink=0.9)
    x, flux = data["points"], data["flux"]
    lattice = np.array(np.meshgrid(*[(np.arange(8) + 0.5) / 8] * 2)).reshape(2, -1)
    some = ((x[:, :, None] - lattice[:, None]) ** 2).sum(axis=0).argmin(axis=0)
    left.quiver(*x[:, some], *-flux[:, some], color="w", width=0.006, scale=4.5, pivot="mid")
    left.set(title=r"$U_H$ and the current $-\sigma$", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    left.grid(False)
    right.fill_between(data["x1"], *data["bounds"], color="0.85", label="Hashin–Shtrikman bounds")
    right.plot(data["x1"], data["rayleigh"], color=ORANGE, lw=1.2, label="$A^*$ by Rayleigh's series")
    right.plot(data["x1"], data["A11"], "o", ms=4, label="$A_{11}$ at the sampling points")
    right.set(xlabel="$x_1$", ylabel="effective conductivity", title="what the micro problems answered")
    right.legend()
    return figure


# -- convergence on a problem whose answer is known ----------------------------------------------------------------------

SCALE = 2 * np.pi
KNOWN = media.balanced_layers()  # A* = I/(8 pi^2), so that -div A* grad U = f has the solution U = f for


def known(x: Array) -> Array:
    """U = sin 2 pi x_1 sin 2 pi x_2, and the source that belongs to it, for the medium ``KNOWN``."""
    return np.sin(SCALE * x[0]) * np.sin(SCALE * x[1])


def known_gradient(x: Array) -> Array:
    s, c = np.sin(SCALE * x), np.cos(SCALE * x)
    return SCALE * np.array([c[0] * s[1], s[0] * c[1]])


def _known_errors(cell: CellProblem, element: skfem.Element, levels: range) -> Array:
    """Relative errors (2, levels), in L2 and of the gradient."""
    errors = []
    for level in levels:
        basis = macro_basis(skfem.MeshTri().refined(level), element)
        solution = solve_elliptic(basis, CellClosure(KNOWN, cell), known)
        errors.append(
            [solution.error(known, norm, gradient=known_gradient, relative=True) for norm in ("L2", "H1-semi")]
        )
    return np.array(errors).T


def convergence_data() -> Data:
    """Macro error against H for P1 and P2, the micro problems solved to round-off."""
    cell, levels = CellProblem(dim=2, n=24, scheme="fourier", tol=1e-12), range(3, 7)
    return {
        "H": 0.5 ** np.array(levels),
        "P1": _known_errors(cell, skfem.ElementTriP1(), levels),
        "P2": _known_errors(cell, skfem.ElementTriP2(), levels),
    }


def convergence(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.4, 4.0), sharey=True)
    for ax, name, order in zip(axes, ("P1", "P2"), (1, 2), strict=True):
        rate_plot(ax, data["H"], data[name][0], "$L^2$", order + 1)
        rate_plot(ax, data["H"], data[name][1], "gradient", order)
        ax.set(xlabel="$H$", title=f"{name} triangles")
        _label_reciprocals(ax, data["H"])
    axes[0].set_ylabel("relative error of $U_H$")
    return figure


def floor_data() -> Data:
    """L2 error of P2 against H for micro grids that stay as they are: Q1 with n elements per period, and Fourier."""
    levels, n = range(2, 6), np.array([4, 8, 16])
    cells = [CellProblem(dim=2, n=int(k)) for k in n] + [CellProblem(dim=2, n=24, scheme="fourier", tol=1e-12)]
    errors = np.array([_known_errors(cell, skfem.ElementTriP2(), levels)[0] for cell in cells])
    data = {"H": 0.5 ** np.array(levels), "n": n, "q1": errors[:3], "fourier": errors[3]}
    for name, (a, star, grids) in MICRO_MEDIA.items():
        tensors = [CellProblem(dim=2, n=k).effective_tensor(a) for k in grids]
        data[f"{name}_n"] = np.array(grids)
        data[f"{name}_error"] = np.array([np.abs(A / star - np.eye(2)).max() for A in tensors])
    return data


def _ladder(first: int, last: int, step: int = 1) -> tuple[int, ...]:
    """Multiples of step from first to last, about four of them to an octave."""
    octaves = np.log2(last / first)
    grids = step * np.round(first / step * 2 ** np.linspace(0, octaves, round(4 * octaves) + 1))
    return tuple(int(n) for n in np.unique(grids))


CORNER = float(
    4 / np.pi * np.arccos((INSIDE - 1) / (INSIDE + 1) / 2)
)  # twice the exponent of |y| at the squares' corners
# name: (medium, A*, elements per period)
MICRO_MEDIA = {
    "smooth": (KNOWN, float(KNOWN.effective()[0, 0]), _ladder(4, 128)),
    "square": (media.inclusion(INSIDE, radius=0.25, shape="square"), exact.obnosov(1, INSIDE), _ladder(4, 128, 4)),
    "disk": (media.inclusion(INSIDE, fraction=0.3), exact.cylinders(0.3, INSIDE), _ladder(8, 256)),
}


def floor(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.8, 4.2))
    for k, n in enumerate(data["n"]):
        left.loglog(data["H"], data["q1"][k], marker="o", label=f"Q1, $n$ = {n}")
    left.loglog(data["H"], data["fourier"], marker="s", color="k", ls="--", label="Fourier, $n$ = 24")
    left.set(xlabel="$H$", ylabel="relative $L^2$ error of $U_H$", title="P2, micro grid held fixed")
    _label_reciprocals(left, data["H"])
    left.legend()
    looks = {
        "disk": ("disks, cut by the grid", 1.0, ORANGE),
        "square": ("squares on grid lines", CORNER, GREEN),
        "smooth": ("smooth layers", 2.0, BLUE),
    }
    for name, (label, order, color) in looks.items():
        rate_plot(right, 1 / data[f"{name}_n"], data[f"{name}_error"], label, round(order, 2), color=color, ms=4)
    right.set(
        xlabel=r"$h/\varepsilon = 1/n$", ylabel="relative error of the tensor", title="where the floor comes from"
    )
    _label_reciprocals(right, 1 / np.array([4, 16, 64, 256]))
    right.legend(fontsize=8)
    return figure


# -- the fine scale put back ---------------------------------------------------------------------------------------------


def _beside_dns(a: MediumLike, eps: float, per_period: int = 16, level: int = 5) -> tuple[Any, Array, Array, Array]:
    """DNS basis, and at its nodes u^eps, U, and U + eps w . grad U.

    The cell problems use the same elements as the DNS, ``per_period`` of them in a period, so that both make the
    same error of that kind and what differs is the homogenization.
    """
    line = np.linspace(0, 1, round(per_period / eps) + 1)
    dns = compare.resolve(skfem.MeshQuad.init_tensor(line, line), skfem.ElementQuad1(), a, eps, 1.0)
    basis = macro_basis(skfem.MeshTri().refined(level), skfem.ElementTriP2())
    solution = solve_elliptic(basis, CellClosure(a, CellProblem(dim=2, n=per_period)), 1.0)
    x = dns.basis.doflocs
    return dns.basis, dns.u, solution.at(x), solution.reconstruct(x, eps)


def _on_grid(basis: Any, u: Array) -> Array:
    """Nodal values of a square tensor mesh as an array [x_1, x_2]."""
    n = round(np.sqrt(basis.N))
    return u[np.lexsort(basis.doflocs.round(9)[::-1])].reshape(n, n)


def _reconstruction_data(a: MediumLike, eps: float, line: float, step: int = 2) -> Data:
    basis, *fields = _beside_dns(a, eps)
    u, U, fine = (_on_grid(basis, f) for f in fields)
    nodes = np.linspace(0, 1, len(u))
    row = round(line * (len(u) - 1))
    return {
        "u": u[::step, ::step],
        "U_error": (U - u)[::step, ::step],
        "fine_error": (fine - u)[::step, ::step],
        "sizes": np.array([np.linalg.norm(v - u) / np.linalg.norm(u) for v in (U, fine)]),
        "x1": (nodes[1:] + nodes[:-1]) / 2,
        "line": nodes[row],
        "slopes": np.diff(np.array([f[:, row] for f in (u, U, fine)]), axis=1) / (nodes[1] - nodes[0]),
        "eps": np.array(eps),
    }


def reconstruction_data(eps: float = 1 / 8) -> Data:
    """u^eps of the Hou-Wu type medium, what U and its reconstruction miss (``sizes``: relative), and d_1 along a line."""
    return _reconstruction_data(media.hou_wu(), eps, 0.28)


def line_data(eps: float = 1 / 8) -> Data:
    """The part of ``reconstruction_data`` along the line."""
    return {name: value for name, value in reconstruction_data(eps).items() if name in ("x1", "line", "slopes")}


def graded_reconstruction_data(eps: float = 1 / 8) -> Data:
    """The same for the graded disks."""
    return _reconstruction_data(graded_disks(), eps, 0.28)


def reconstruction(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11.5, 3.6), sharey=True)
    limit = np.abs(data["U_error"]).max()
    field_plot(axes[0], data["u"], UNIT, rf"DNS $u^\varepsilon$, $\varepsilon$ = 1/{1 / data['eps']:.0f}")
    for ax, name, title in (
        (axes[1], "U_error", r"$U - u^\varepsilon$"),
        (axes[2], "fine_error", r"$U + \varepsilon\, w \cdot \nabla U - u^\varepsilon$"),
    ):
        field_plot(ax, data[name], UNIT, title, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for ax in axes:
        ax.set_xlabel("$x_1$")
    axes[0].set_ylabel("$x_2$")
    return figure


def line(data: Data) -> Any:
    figure, ax = canvas(figsize=(8.6, 3.6))
    u, U, fine = data["slopes"]
    ax.plot(data["x1"], u, color="0.6", lw=4, label=r"DNS $\partial_1 u^\varepsilon$")
    ax.plot(data["x1"], U, color=ORANGE, ls="--", label=r"$\partial_1 U$")
    ax.plot(data["x1"], fine, color=BLUE, lw=1.2, label=r"$\partial_1$ of the reconstruction")
    ax.set(xlabel="$x_1$", ylabel=f"slope along $x_2$ = {float(data['line']):.2f}")
    ax.legend(ncols=3, loc="upper right")
    return figure


def reconstruction_rates_data() -> Data:
    """Relative errors of U and of the reconstruction against eps: L2, gradient, gradient in the inner quarter."""
    eps = 1 / np.array([4.0, 8.0, 16.0])
    errors = []
    for value in eps:
        basis, u, *approximations = _beside_dns(media.hou_wu(), value)
        centres = basis.mesh.p[:, basis.mesh.t].mean(axis=1)
        inner = skfem.Basis(basis.mesh, basis.elem, elements=np.flatnonzero((abs(centres - 0.5) < 0.25).all(axis=0)))
        forms = mass.assemble(basis), laplace.assemble(basis), laplace.assemble(inner)
        errors.append([[np.sqrt((v - u) @ (M @ (v - u)) / (u @ (M @ u))) for M in forms] for v in approximations])
    return {"eps": eps, "errors": np.array(errors).transpose(1, 2, 0)}


def reconstruction_rates(data: Data) -> Any:
    figure, axes = canvas(1, 3, figsize=(11.5, 3.8), sharey=True)
    titles = ("$L^2$", "gradient", r"gradient in $(1/4, 3/4)^2$")
    for k, (ax, title, expected) in enumerate(zip(axes, titles, (1, 0.5, 1), strict=True)):
        rate_plot(ax, data["eps"], data["errors"][0, k], "$U$")
        rate_plot(ax, data["eps"], data["errors"][1, k], "reconstruction", expected)
        ax.set(title=title, xlabel=r"$\varepsilon$")
        _label_reciprocals(ax, data["eps"])
    axes[0].set_ylabel(r"error relative to $u^\varepsilon$")
    return figure
