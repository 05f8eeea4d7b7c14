"""The method and the public names on one page: teaching/cheat_sheet.pdf.

    python tools/cheat_sheet.py             -> teaching/cheat_sheet.pdf
    python tools/cheat_sheet.py FILE        the same into another file; its ending says which kind

The names in ``NAMES`` are looked up in the library when the sheet is drawn, so that it cannot name what is not there.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from files import whole
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hmm_core as hmm

ROOT = Path(__file__).resolve().parent.parent
SHEET = ROOT / "teaching" / "cheat_sheet.pdf"
WIDTH, HEIGHT = 210 / 25.4, 297 / 25.4  # A4
BLUE, GREY = "#0072B2", "0.35"

# heading -> rows (what, words); the first is set as it stands: a formula, or names
METHOD = {
    "The problem": [
        (r"$-\nabla\cdot\sigma=f,\quad \sigma=?$", "balance known, law unknown"),
        (r"$a^\varepsilon(x)=a(x,\,x/\varepsilon)$", "x slow, y = x/ε fast, in periods"),
        (r"$\varepsilon\ll\delta\ll H\ll 1$", "period, sample, macro mesh, domain"),
    ],
    "The dialogue, at every sampling point": [
        ("1  restriction", r"U → x, U, $G=\nabla U$ (dialogue.restrict)"),
        ("2  micro solve", r"x, U, G → field in the cell (closure)"),
        ("3  reconstruction", r"cell → flux $\sigma$ and its tangent"),
        ("4  macro update", "one Newton step of U; linear: one in all"),
    ],
    "The cell problem": [
        (r"$-\nabla\cdot a(G+\nabla w)=0$", "in the cell; no source is needed"),
        (
            r"$A=\langle a\nabla u\rangle\,\langle\nabla u\rangle^{-1}$",
            r"$u=G\cdot y+w$; the ratio, not the flux alone",
        ),
        (r"$\langle\nabla u\cdot a\nabla u\rangle$", "energy form: error of the solver squared"),
        (
            r"$u^\varepsilon\approx U+\varepsilon\,w(x/\varepsilon)\cdot\nabla U$",
            "never drop w for a gradient or a flux",
        ),
    ],
    "The edge of the sample": [
        ("periodic", "exact on whole periods; good for random media"),
        ("dirichlet  w = 0", "too stiff;  Neumann (flux given): too soft"),
        (r"$A_N\leq A_{per}\leq A_D$", "on one cell: two solves bracket the third"),
        (
            r"resonance $O(\varepsilon/\delta)$",
            "a buffer wins a constant; a window on flux and\ngradient wins orders; on the flux alone nothing",
        ),
    ],
    "Four errors": [
        (r"macro  $H,\ H^2$", "P1, energy and L²; less at corners"),
        (r"modelling  $\delta^2$", "centred sample; δ one-sided; 0 if x is frozen"),
        (r"resonance  $\varepsilon/\delta$", "0 on exact periods"),
        (r"micro  $(h/\varepsilon)^2$", "Q1, smooth; less at jumps; Fourier: exponential"),
        (
            "statistical",
            r"$N^{-1/2}$ of independent samples, $T^{-1/2}$ of a"
            "\n"
            r"trajectory, and a start forgotten like $e^{-T/\tau}$",
        ),
    ],
    "Closed forms to test with": [
        (r"line:  $\langle 1/a\rangle^{-1}$", r"$2+\cos 2\pi y\ \to\ \sqrt{3}$"),
        ("layers", "harmonic across, arithmetic along"),
        (r"checkerboard  $\sqrt{k_1k_2}$", r"$\langle1/a\rangle^{-1}\leq A\leq\langle a\rangle$ always"),
    ],
}

NAMES = {
    "Media: any function a(x, y) of arrays": [
        ("media.inclusion  laminate  checkerboard", "with a closed form if one is known"),
        ("media.random_checkerboard  random_disks", "random; also lognormal, ..."),
        ("media.from_image  stratified  graded", "a picture, curved layers, slow change"),
        ("laws.PowerLaw  Quasilinear  NeoHookean", "flux(x, y, u, ξ) and derivatives"),
    ],
    "Micro": [
        ("CellProblem(dim, n, bc, size, buffer,", 'bc "periodic" "dirichlet" "neumann"'),
        ("  window, average, scheme, tol)", 'scheme "q1", or "fourier" if smooth'),
        ("  .effective_tensor(a, x, eps)", "the tensor (d, d) or (d, d, K)"),
        ("  .solve(a)", ".tensor  .correctors  .iterations"),
        ("effective_ensemble(medium, cell, N)", "mean and confidence interval"),
        ("StokesProblem  permeability_curve", "from obstacles to a permeability"),
    ],
    "Closures: (x, U, ∇U) → flux, tangent": [
        ("CellClosure(a, cell, eps)", "linear: one tensor for each point"),
        ("ExactClosure(A)", "the homogenized law"),
        ("NonlinearCellClosure(law, cell)", "follows the state, with its tangent"),
        ("TrajectoryClosure(particles, ...)", "time averages with standard errors"),
        ("TableClosure(closure)", "fills itself where it is asked"),
        ("PhysicalFlux(closure)", "−σ, for a balance law"),
    ],
    "Macro": [
        ("macro_basis(mesh, element)", "any scikit-fem mesh and H¹ element"),
        ("solve_elliptic(basis, closure, source,", "dirichlet, neumann, robin, tol)"),
        ("solve_parabolic  solve_wave", "(basis, closure, initial, ..., times)"),
        ("solve_balance_law(volumes, flux, ...)", "shocks; the flux is asked at faces"),
        ("solve_averaged(slow, FastProcess, ...)", "a fast variable in time"),
        ("solution.at(x)  .reconstruct(x, eps)", "U; with the fine scale"),
        ("solution.error(exact, norm)", '"L2", "H1", "H1-semi", "energy"'),
        ("solution.history  .micro_solves", "what the dialogue took"),
    ],
    "Analysis and comparison": [
        ("decompose_error(a, eps, basis, ...)", ".macro .modelling .resonance .micro"),
        ("plan(a, eps, tol, source)", "mesh, sample and micro grid for tol"),
        ("certify(image)", "bounds of a tensor"),
        ("exact.laminate  obnosov  cylinders  ...", "closed forms and bounds"),
        ("compare.resolve  msfem_line  projective", "what one would use instead"),
    ],
}

CODE = """\
basis = hmm.macro_basis(skfem.MeshTri().refined(5), skfem.ElementTriP1())
closure = hmm.CellClosure(a, hmm.CellProblem(dim=2, n=64))
U = hmm.solve_elliptic(basis, closure, source=1.0)
U.at([0.265, 0.51]), U.reconstruct([0.265, 0.51], eps=1 / 50)"""


def named(text: str) -> list[str]:
    """The dotted names in a row of NAMES; a module said once holds for the names that follow it."""
    found, module = [], ""
    for word in text.replace("(", " ( ").split():
        if word == "(" or word == "...":
            break
        prefix, _, rest = word.rpartition(".")
        module = prefix or module
        found.append(f"{module}.{rest}" if module else rest)
    return [name for name in found if name.split(".")[0] not in ("", "solution")]


def missing() -> list[str]:
    """Names of the sheet that the library does not have."""
    lost = []
    for rows in NAMES.values():
        for what, _ in rows:
            if what.startswith(" "):
                continue  # goes on from the row above
            for name in named(what):
                thing = hmm
                for part in name.split("."):
                    thing = getattr(thing, part, None)
                if thing is None:
                    lost.append(name)
    return lost


def column(ax: Axes, blocks: dict[str, list[tuple[str, str]]], left: float, middle: float, mono: bool) -> float:
    """Set blocks from the top down in millimetres; returns where the column ends."""
    y = 30.0
    for heading, rows in blocks.items():
        ax.text(left, y, heading, fontsize=9.2, fontweight="bold", color=BLUE, va="baseline")
        ax.plot([left, 98 if not mono else 203], [y + 1.3, y + 1.3], color=BLUE, lw=0.6)
        y += 6.2
        for what, words in rows:
            font = {"family": "monospace", "fontsize": 6.1} if mono else {"fontsize": 7.8}
            ax.text(left, y, what, va="baseline", **font)
            for line in words.split("\n"):
                ax.text(middle, y, line, fontsize=6.9, color=GREY, va="baseline")
                y += 4.6
            y += 1.2 if not mono else 0.75
        y += 4.2
    return y


def sheet() -> Figure:
    """The page. Raises ValueError if it names what the library does not have."""
    if lost := missing():
        raise ValueError(f"the cheat sheet names {lost}, which hmm_core does not have")
    with plt.rc_context({"mathtext.fontset": "dejavusans", "pdf.fonttype": 42}):
        figure = plt.figure(figsize=(WIDTH, HEIGHT))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, 210), ylim=(297, 0))
        ax.axis("off")
        ax.text(8, 15, "The Heterogeneous Multiscale Method on one page", fontsize=15, fontweight="bold")
        idea = "A macro solver never knows the micro structure: it asks a closure. All names below: import hmm_core as hmm."
        ax.text(8, 21.5, idea, fontsize=8.4, color=GREY)
        column(ax, METHOD, 8, 43, mono=False)
        column(ax, NAMES, 104, 158, mono=True)
        ax.text(8, 262, "Ten lines, shortened", fontsize=9.2, fontweight="bold", color=BLUE)
        ax.plot([8, 203], [263.3, 263.3], color=BLUE, lw=0.6)
        ax.text(8, 267, CODE, family="monospace", fontsize=7.4, va="top", linespacing=1.45)
        foot = f"hmm_core {hmm.__version__} · text CC BY 4.0 · made by tools/cheat_sheet.py"
        ax.text(203, 289, foot, fontsize=6, color=GREY, ha="right")
    return figure


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's text. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=SHEET, help="where to write (default: teaching/)")
    options = parser.parse_args(arguments)
    stamps = {"metadata": {"CreationDate": None}} if options.file.suffix == ".pdf" else {"dpi": 130}
    with whole(options.file) as draft:
        figure = sheet()
        figure.savefig(draft, **stamps)
        plt.close(figure)
    print(options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
