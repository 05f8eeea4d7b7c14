"""The picture of the README, from the library: python docs/make_picture.py writes docs/hmm.png.

Heat flows from the left edge (U = 1) to the right edge (U = 0) through a composite whose disks conduct a hundred times
less than the matrix and grow to the right. The macro mesh is much coarser than the disks are small.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skfem
from matplotlib.patches import Rectangle

import hmm_core as hmm
from hmm_course import figures

EPS = 1 / 32
CORNER, WIDTH = np.array([20.5, 12.5]) * EPS, 4 * EPS  # the zoom: 4 x 4 periods
MATERIAL = hmm.media.inclusion(inside=0.01, matrix=1.0, radius=lambda x: 0.15 + 0.3 * x[0])


def heat(x):
    """A hot spot: the source of heat."""
    return 8.0 * np.exp(-40 * ((x[0] - 0.35) ** 2 + (x[1] - 0.7) ** 2))


def solve():
    mesh = skfem.MeshTri().refined(4).with_boundaries({"left": lambda x: x[0] == 0, "right": lambda x: x[0] == 1})
    basis = hmm.macro_basis(mesh, skfem.ElementTriP1())
    closure = hmm.CellClosure(MATERIAL, hmm.CellProblem(dim=2, n=64))
    return hmm.solve_elliptic(basis, closure, heat, dirichlet={"left": 1.0, "right": 0.0})


def window(corner, width, n):
    """Points (2, n, n) in the middle of n x n pixels of a square, and its extent for imshow."""
    steps = (np.arange(n) + 0.5) / n * width
    points = np.stack(np.meshgrid(corner[0] + steps, corner[1] + steps, indexing="ij"))
    return points, (corner[0], corner[0] + width, corner[1], corner[1] + width)


def draw(solution):
    figures.use_style()
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.5))
    colours = {"cmap": "cividis", "vmin": 0.0, "vmax": float(solution.u.max())}

    x, extent = window((0.0, 0.0), 1.0, 1024)
    left.imshow(MATERIAL(x, x / EPS).T, extent=extent, cmap="gray", vmin=-0.6, vmax=1.3)
    left.set_title(r"the material $a(x, x/\varepsilon)$, $\varepsilon = 1/32$")

    x, extent = window((0.0, 0.0), 1.0, 256)
    macro = solution.at(x)
    middle.imshow(macro.T, extent=extent, **colours)
    middle.contour(*x, macro, levels=np.linspace(0.1, 1.5, 15), colors="white", linewidths=0.6)
    mesh = solution.basis.mesh
    middle.triplot(*mesh.p, mesh.t.T, color="white", lw=0.2, alpha=0.6)
    middle.set_title(f"HMM: $U$ on {mesh.nelements} triangles")
    for ax in (left, middle):
        ax.add_patch(Rectangle(CORNER, WIDTH, WIDTH, fill=False, edgecolor="#D55E00", lw=1.5))

    x, extent = window(CORNER, WIDTH, 320)
    fine = solution.reconstruct(x, EPS)
    right.imshow(fine.T, extent=extent, cmap="cividis")
    right.contour(*x, fine, levels=16, colors="white", linewidths=0.7)
    right.contour(*x, MATERIAL(x, x / EPS), levels=[0.5], colors="black", linewidths=1.0)
    right.set_title(r"in the frame: $U + \varepsilon\, w(x, x/\varepsilon) \cdot \nabla U$")
    for ax in (left, middle, right):
        ax.set_xlabel("$x_1$")
        ax.set_ylabel("$x_2$")
        ax.grid(False)
        ax.locator_params(nbins=4)
    return figure


if __name__ == "__main__":
    draw(solve()).savefig(Path(__file__).with_name("hmm.png"), dpi=110, metadata={"Software": None})
