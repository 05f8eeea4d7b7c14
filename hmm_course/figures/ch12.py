"""Figures of chapter 12, the cell: fibres in resin, how stiff in which direction, between which bounds, up to which strain."""

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
import skfem
from scipy.sparse.linalg import splu

import hmm_core as hmm
from hmm_core import exact, media
from hmm_core.micro.nonlinear import solve_nonlinear
from hmm_course.figures import BLUE, GREEN, ORANGE, PINK, Array, Data, canvas, plain, rate_plot

CONTRAST = 20.0  # glass to resin
ANGLES = np.linspace(0, 2 * np.pi, 181)


def phases(contrast: float = CONTRAST) -> tuple[Array, Array]:
    """Stiffnesses of glass and resin in plane strain, in units of the resin's Young's modulus."""
    return media.stiffness(E=contrast, nu=0.2), media.stiffness(E=1.0, nu=0.35)


def fibres(fraction: float, contrast: float = CONTRAST) -> Any:
    """One round fibre in the middle of every period, on this share of the area."""
    return media.inclusion(*phases(contrast), fraction=fraction)


def layers(fraction: float, contrast: float = CONTRAST, dim: int = 2) -> Any:
    """The same two materials in layers, normal to the first axis."""
    glass, resin = (media.stiffness(E, nu, dim=dim) for E, nu in ((contrast, 0.2), (1.0, 0.35)))
    return media.laminate((glass, resin), (fraction, 1 - fraction), wave=(1.0, *(0.0,) * (dim - 1)))


# -- in which direction --------------------------------------------------------------------------------------------------------


def pull(theta: Array) -> Array:
    """The stress t x t of a unit pull in the direction theta, as a vector of Mandel's: (3, ...)."""
    c, s = np.cos(theta), np.sin(theta)
    return np.array([c * c, s * s, np.sqrt(2) * c * s])


def young(C: Array, theta: Array = ANGLES) -> Array:
    """Stress over strain, both along theta, of a strip cut in this direction and free at its sides: 1/(t.S t)."""
    t = pull(theta)
    return 1 / np.einsum("i...,ij,j...->...", t, np.linalg.inv(media.mandel(C)), t)


def directions_data(fraction: float = 0.5, n: int = 64) -> Data:
    """E(theta) of fibres and of layers of the same two materials, and of their two means."""
    lower, upper = exact.voigt_reuss_bounds(phases(), (fraction, 1 - fraction))
    return {
        "theta": ANGLES,
        "fibres": young(hmm.CellProblem(n=n).effective_tensor(fibres(fraction))),
        "layers": young(layers(fraction).effective()),
        "voigt": young(upper),
        "reuss": young(lower),
        "fraction": np.array(fraction),
    }


def picture(medium: Any, periods: int = 3, pixels: int = 96) -> Array:
    """Where the glass is: (3 pixels, 3 pixels)."""
    y = ((np.indices((periods * pixels,) * 2) + 0.5) / pixels - periods / 2).reshape(2, 1, -1)
    entry = np.broadcast_to(medium(0 * y, y), (2,) * 4 + (1, y.shape[2]))[0, 1, 0, 1, 0]
    return (entry > entry.min()).reshape((periods * pixels,) * 2)


def directions(data: Data) -> Any:
    figure, (left, middle, right) = canvas(1, 3, figsize=(11, 3.3))
    fraction, theta = float(data["fraction"]), data["theta"]
    for ax, medium, title in ((left, fibres(fraction), "Fibres"), (middle, layers(fraction), "Layers")):
        ax.imshow(picture(medium).T, origin="lower", extent=(-1.5, 1.5, -1.5, 1.5), cmap="Greys", vmin=-0.25, vmax=1.3)
        ax.set(xlabel="$y_1$", title=title, xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        ax.grid(False)
    left.set_ylabel("$y_2$")
    for name, colour, style, label in (
        ("voigt", "0.55", "--", "mean of the stiffnesses"),
        ("layers", ORANGE, "-", "layers"),
        ("fibres", BLUE, "-", "fibres"),
        ("reuss", "0.35", ":", "mean of the compliances"),
    ):
        right.plot(data[name] * np.cos(theta), data[name] * np.sin(theta), color=colour, ls=style, label=label)
    right.set(xlabel="E cos θ", ylabel="E sin θ", title="Stiffness E along θ, resin = 1", aspect="equal")
    right.set(xlim=(-12, 12), ylim=(-12, 12), xticks=(-10, 0, 10), yticks=(-10, 0, 10))
    figure.legend(loc="outside right center", fontsize=8)
    return figure


# -- the array of reference ----------------------------------------------------------------------------------------------------

# C11, C12, C66 of a square array of fibres with E = 10 in a matrix with E = 1, nu = 0.3 both, plane strain; computed to eight
# digits without a grid
ARRAYS = {0.2: (1.7708174, 0.7158781, 0.4926840), 0.4: (2.4737489, 0.8813315, 0.6363495)}


def array_moduli(fraction: float, n: int) -> Array:
    """C11, C12, C66 by the cell problem on n x n squares, each wholly fibre or wholly matrix at a Gauss point."""
    medium = media.inclusion(media.stiffness(E=10, nu=0.3), media.stiffness(E=1, nu=0.3), fraction=fraction)
    return np.array(media.moduli(hmm.CellProblem(n=n).effective_tensor(medium))[:3])


def array_data(sizes: tuple[int, ...] = (8, 16, 32, 64, 128, 256)) -> Data:
    """Largest relative error of the three moduli, and the moduli."""
    found = {f: np.array([array_moduli(f, n) for n in sizes]) for f in ARRAYS}
    return {"n": np.array(sizes)} | {
        f"error_{round(100 * f)}": np.abs(found[f] / ARRAYS[f] - 1).max(axis=1) for f in ARRAYS
    }


def array(data: Data) -> Any:
    figure, ax = canvas(figsize=(5.8, 3.7))
    for name, colour, expected in (("20", GREEN, None), ("40", BLUE, 1.0)):
        rate_plot(ax, 1 / data["n"], data[f"error_{name}"], f"{name} % of fibres", expected, color=colour)
    ax.set(xlabel="h/ε = 1/n", ylabel="largest error of $C_{11}, C_{12}, C_{66}$", title="A round fibre on squares")
    ax.set_xticks(1 / data["n"], [f"1/{n}" for n in data["n"]])
    return plain(figure)


# -- between bounds ------------------------------------------------------------------------------------------------------------

CONDITIONS = ("neumann", "periodic", "dirichlet")


def bulk_and_shears(C: Array) -> Array:
    """Plane bulk modulus and the two shear moduli of square symmetry, along the axes and at 45 degrees."""
    C11, C12, C66, *_ = media.moduli(C)
    return np.array([(C11 + C12) / 2, C66, (C11 - C12) / 2])


def bounds_data(n: int = 48, count: int = 14) -> Data:
    """Bulk and shear moduli of the fibres against their share, for three conditions on one period, and four bounds."""
    fractions = np.linspace(0.05, 0.7, count)
    out: Data = {"fraction": fractions}
    for bc in CONDITIONS:
        cell = hmm.CellProblem(n=n, bc=bc)
        out[bc] = np.array([bulk_and_shears(cell.effective_tensor(fibres(f))) for f in fractions])
    for names, bound in (
        (("reuss", "voigt"), exact.voigt_reuss_bounds),
        (("lower", "upper"), exact.hashin_shtrikman_elastic),
    ):
        pairs = [bound(phases(), (f, 1 - f)) for f in fractions]
        for k, name in enumerate(names):
            out[name] = np.array([bulk_and_shears(pair[k]) for pair in pairs])
    return out


def bounds(data: Data) -> Any:
    figure, axes = canvas(1, 2, figsize=(9.6, 3.9))
    f = data["fraction"]
    panels = (
        (axes[0], 0, "Plane bulk modulus", (1, 2, 5, 10)),
        (axes[1], 1, "Shear modulus $C_{66}$", (0.5, 1, 2, 5)),
    )
    for ax, k, title, ticks in panels:
        ax.fill_between(f, data["reuss"][:, k], data["voigt"][:, k], color="0.93", label="Reuss to Voigt")
        ax.fill_between(f, data["lower"][:, k], data["upper"][:, k], color="0.8", label="Hashin–Shtrikman, isotropic")
        for bc, colour, style in (("dirichlet", ORANGE, "--"), ("periodic", BLUE, "-"), ("neumann", GREEN, "-.")):
            ax.semilogy(f, data[bc][:, k], color=colour, ls=style, label=f"{bc}, one period")
        ax.set(xlabel="share of fibres f", ylabel="over the resin's Young's modulus", title=title, xlim=(0.05, 0.7))
        if ax is axes[1]:
            ax.semilogy(f, data["periodic"][:, 2], color=PINK, lw=1.3, label="periodic, at 45°: $(C_{11}-C_{12})/2$")
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0].legend(loc="upper left")
    axes[1].legend(axes[1].lines[-1:], [axes[1].lines[-1].get_label()], loc="upper left")
    return plain(figure)


def gap(medium: Any, size: float, n: int = 16) -> float:
    """Largest entry between the Dirichlet and the Neumann tensor of a sample of so many periods."""
    soft, stiff = (hmm.CellProblem(n=n, bc=bc, size=size).effective_tensor(medium) for bc in ("neumann", "dirichlet"))
    return float(np.abs(stiff - soft).max())


# -- fields in a cell ----------------------------------------------------------------------------------------------------------


def fields(cell: hmm.CellProblem, medium: Any) -> tuple[Array, Array]:
    """Stress and strain of every unit strain at the Gauss points: (2, 2, 2, 2, points), the first two axes say which."""
    w = cell.solve(medium).correctors
    grid = hmm.grid.Q1Grid(2, cell.n, cell.size, "neumann", "vector")
    gradient = grid.gradient(w.reshape(1, 4, *w.shape[2:]))[0].reshape(2, 2, 2, 2, -1)
    one = np.eye(2)
    drive = np.einsum("ik,jl->ijkl", one, one)
    strain = gradient + (drive + drive.swapaxes(0, 1))[..., None] / 2
    strain = (strain + strain.swapaxes(2, 3)) / 2
    y = cell.grid.points[:, None]
    a = np.broadcast_to(medium(0 * y, y), (2,) * 4 + (1, y.shape[2]))[..., 0, :]
    return np.einsum("klmnp,ijmnp->ijklp", a, strain), strain


def works(stress: Array, strain: Array) -> tuple[Array, Array]:
    """<sigma : e> and <sigma> : <e> of fields (2, 2, 2, 2, points), for every unit strain against every other."""
    mean = np.einsum("ijkl,mnkl->ijmn", stress.mean(axis=-1), strain.mean(axis=-1))
    return np.einsum("ijklp,mnklp->ijmn", stress, strain) / stress.shape[-1], mean


# -- classical FE^2 ------------------------------------------------------------------------------------------------------------


class RepresentativeVolume:
    """A periodic cell in scikit-fem, without the library's: one node is held, nodes on opposite sides are one unknown."""

    def __init__(self, n: int) -> None:
        line = np.linspace(-0.5, 0.5, n + 1)
        mesh = skfem.MeshQuad.init_tensor(line, line)
        self.basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementQuad1()), intorder=3)
        owner = np.ravel_multi_index(tuple(np.rint((mesh.p + 0.5) * n).astype(int) % n), (n, n))
        dofs = self.basis.nodal_dofs
        columns = (2 * owner[None] + np.array([[0], [1]])).ravel()
        T = sp.csr_matrix((np.ones(dofs.size), (dofs.ravel(), columns)), shape=(self.basis.N, 2 * n * n))
        self.T, self.y = T[:, 2:], np.asarray(self.basis.global_coordinates())

    def respond(self, medium: Any, x: Array, gradient: Array) -> tuple[Array, Array]:
        """Mean stress (2, 2) for a macro gradient at x (2,), and its tangent (2, 2, 2, 2) by four more right-hand sides."""
        a = medium(x.reshape(2, 1, 1), self.y.reshape(2, 1, -1)).reshape(2, 2, 2, 2, *self.y.shape[1:])
        K = stiffness_matrix(self.basis, a)
        factors = splu((self.T.T @ K @ self.T).tocsc())

        def relaxed(G: Array) -> Array:
            start = stress(a, np.broadcast_to(G[..., None, None], (2, 2, *self.y.shape[1:])))
            w = self.T @ factors.solve(-self.T.T @ internal_forces(self.basis, start))
            return ((start + stress(a, self.basis.interpolate(w).grad)) * self.basis.dx).sum(axis=(-2, -1))

        tangent = np.moveaxis([relaxed(G) for G in np.eye(4).reshape(4, 2, 2)], 0, -1).reshape(2, 2, 2, 2)
        return relaxed(gradient), tangent


def stress(a: Array, gradient: Array) -> Array:
    return np.einsum("ijkl...,kl...->ij...", a, gradient)


def internal_forces(basis: skfem.CellBasis, sigma: Array) -> Array:
    """int sigma : grad v."""
    return skfem.LinearForm(lambda v, w: (sigma * v.grad).sum(axis=(0, 1))).assemble(basis)


def stiffness_matrix(basis: skfem.CellBasis, C: Array) -> Any:
    """int grad v : C grad u."""
    return skfem.BilinearForm(lambda u, v, w: (stress(C, u.grad) * v.grad).sum(axis=(0, 1))).assemble(basis)


# -- strong loads --------------------------------------------------------------------------------------------------------------


def hardening(fraction: float = 0.4) -> Any:
    """Fibres that stay elastic in a matrix that yields at a hundredth of their strength and hardens with n = 5."""
    E, limit = media.inclusion(CONTRAST, 1.0, fraction=fraction), media.inclusion(1.0, 0.01, fraction=fraction)
    return hmm.laws.RambergOsgood(E=E, nu=0.3, yield_stress=limit, n=5)


def rubber(fraction: float = 0.3) -> Any:
    """Fibres in rubber: both neo-Hookean."""
    return hmm.laws.NeoHookean(E=media.inclusion(CONTRAST, 1.0, fraction=fraction), nu=0.3)


def small_strain(law: Any) -> Any:
    """The medium that a law of solids is near rest."""
    return lambda x, y: media.stiffness(law.E(x, y), law.nu)


def respond(law: Any, gradient: Array, n: int = 16) -> Any:
    """What a periodic cell answers to gradients (2, 2, K): .flux and .d_dgrad."""
    nothing = np.zeros((2, gradient.shape[-1]))
    return solve_nonlinear(hmm.CellProblem(n=n, tol=1e-10), law, nothing, nothing, gradient)


def sheared(gamma: Array, degrees: float = 0.0) -> Array:
    """Gradients (2, 2, K) of shear strains gamma, in axes turned by so many degrees."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    R = np.array([[c, -s], [s, c]])
    return np.multiply.outer(R @ np.array([[0, 0.5], [0.5, 0]]) @ R.T, gamma)


@lru_cache(maxsize=4)
def _homogeneous(kind: str) -> Any:
    if kind == "hardening":
        return hmm.laws.RambergOsgood(E=lambda x, y: 1 + 0 * y[0], nu=0.3, yield_stress=0.01, n=5)
    return hmm.laws.NeoHookean(E=lambda x, y: 1 + 0 * y[0], nu=0.3)


def pulled(law: Any, stretch: Array, n: int = 16) -> Array:
    """Force per unloaded area (K,) at stretches (K,), free across: the other stretch is found where no force is left there."""
    grad = np.zeros((2, 2, len(stretch)))
    grad[0, 0], grad[1, 1] = stretch - 1, (1 / stretch - 1) / 2
    for _ in range(30):
        answer = respond(law, grad, n)
        step = answer.flux[1, 1] / answer.d_dgrad[1, 1, 1, 1]
        grad[1, 1] -= step
        if np.abs(step).max() < 1e-10:
            return answer.flux[0, 0]
    raise RuntimeError(f"the free side is off by {np.abs(step).max():.1e} after 30 steps")


def strong_data(n: int = 12, count: int = 17) -> Data:
    """Shear stress against shear strain of the hardening composite; force against stretch of the rubber."""
    gamma, stretch = np.linspace(0, 0.1, count), np.linspace(0.7, 1.6, 13)
    soft = _homogeneous("hardening")
    return {
        "gamma": gamma,
        "composite": respond(hardening(), sheared(gamma), n).flux[0, 1],
        "turned": np.einsum(
            "ijk,ij->k", respond(hardening(), sheared(gamma, 45), n).flux, sheared(np.ones(1), 45)[..., 0]
        ),
        "matrix": respond(soft, sheared(gamma), 2).flux[0, 1],
        "stretch": stretch,
        "filled": pulled(rubber(), stretch, n),
        "slope": young(hmm.CellProblem(n=n).effective_tensor(small_strain(rubber())), np.zeros(1))[0],
        "plain": pulled(_homogeneous("rubber"), stretch, 2),
    }


def strong(data: Data) -> Any:
    figure, (left, right) = canvas(1, 2, figsize=(9.6, 3.8))
    left.plot(data["gamma"], 100 * data["turned"], color=ORANGE, label="fibres, sheared at 45°")
    left.plot(data["gamma"], 100 * data["composite"], color=BLUE, label="fibres, sheared along the rows")
    left.plot(data["gamma"], 100 * data["matrix"], color="0.45", ls="--", label="matrix alone")
    left.set(xlabel="shear strain γ", ylabel="shear stress over the yield stress", title="Hardening, small strain")
    left.legend(loc="upper left")
    right.plot(data["stretch"], data["filled"], color=BLUE, label="fibres in rubber")
    right.plot(
        data["stretch"], data["slope"] * (data["stretch"] - 1), color=BLUE, ls=":", lw=1.2, label="its linear law"
    )
    right.plot(data["stretch"], data["plain"], color="0.45", ls="--", label="rubber alone")
    right.set(xlabel="stretch λ", ylabel="force per unloaded area, rubber's E = 1", title="Rubber, finite strain")
    right.legend(loc="upper left")
    return figure
