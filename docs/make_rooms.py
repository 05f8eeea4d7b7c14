"""The map of the library, drawn from the library: python docs/make_rooms.py writes docs/rooms.png.

Rooms, their order and what they are for come from the docstring of ``hmm_core``, the modules from the folders, the arrows from
the imports; nothing is drawn by hand.
"""

import ast
import re
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

import hmm_core
from hmm_course import figures

LIBRARY = Path(hmm_core.__file__).parent
COLOURS = ("#D9E7F2", "#E3EED9", "#FBEFD0", "#F6DFD3", "#E8E0EF", "#E8E0EF")
WIDTH = 10.2
BETWEEN = ("is asked by", "answers through", "to", "and all of it is looked at by", "and compared with")


def rooms():
    """(name, what it is for) from the ground up."""
    found = re.findall(r"^    (\w+)/?  +(\S.*(?:\n {14,}\S.*)*)", hmm_core.__doc__, flags=re.MULTILINE)
    return [(name, " ".join(text.split())) for name, text in found]


def modules(name):
    """Modules of a room, and the rooms that they import."""
    names, used = [], set()
    for path in sorted((LIBRARY / name).rglob("*.py")):
        inside = path.parent != LIBRARY / name  # a folder in the room: one name
        if path.stem != "__init__" and not inside:
            names.append(path.stem)
        elif inside and f"{path.parent.name}/" not in names:
            names.append(f"{path.parent.name}/")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hmm_core."):
                used.add(node.module.split(".")[1])
    return names, used - {name}


def draw():
    figures.use_style()
    plan = rooms()
    order = {name: k for k, (name, _) in enumerate(plan)}
    figure = plt.figure(figsize=(10, 1.15 * len(plan) + 0.3), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    for k, (name, purpose) in enumerate(plan):
        names, used = modules(name)
        box = FancyBboxPatch((0, k), WIDTH, 0.72, boxstyle="round,pad=0.04", facecolor=COLOURS[k], edgecolor="0.4")
        ax.add_patch(box)
        ax.text(0.12, k + 0.57, f"{name}/", fontsize=13, fontweight="bold", va="center", family="monospace")
        ax.text(1.5, k + 0.57, textwrap.fill(purpose, 100), fontsize=9.5, va="center")
        lines = textwrap.fill("  ".join(names), 125)
        ax.text(0.12, k + 0.2, lines, fontsize=8, va="center", family="monospace", color="0.25", linespacing=1.3)
        if k:
            ax.text(
                WIDTH / 2, k - 0.14, BETWEEN[k - 1], fontsize=9, va="center", ha="center", style="italic", color="0.35"
            )
        for other in used:
            x = WIDTH + 0.25 + 0.22 * order[other]
            start, end = k + 0.36, order[other] + 0.36
            ax.annotate("", (x, end), (x, start), arrowprops={"arrowstyle": "->", "color": "0.35", "lw": 1.1})
            ax.plot([WIDTH + 0.05, x], [start, start], color="0.75", lw=0.6)
            ax.plot([WIDTH + 0.05, x], [end, end], color="0.75", lw=0.6)
    ax.text(WIDTH + 1.2, -0.2, "imports point down", fontsize=9, ha="right", va="center", color="0.35")
    ax.set(xlim=(-0.15, WIDTH + 1.3), ylim=(-0.35, len(plan) - 0.1))
    ax.axis("off")
    return figure


if __name__ == "__main__":
    draw().savefig(Path(__file__).with_name("rooms.png"), dpi=130)
