"""Which chapter needs which, as a picture: ``make teaching`` writes teaching/chapters.svg with it.

Nothing is placed by hand. A chapter stands one column behind the last of those that lead to it, part I above part II, and an
arrow over several columns runs below the boxes of its part. What a chapter needs by way of another has no arrow of its own,
so that few are left; who follows them all backwards has read what is needed.
"""

import io
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

PARTS = {"0": ("Principles", "#0072B2", "#EDF4FA"), "1": ("Applications", "#D55E00", "#FCF3EC")}  # ink and ground
INK = "0.25"

# Millimetres: a box, between columns, from row to row, a lane for an arrow below the boxes, round a part, the foot.
WIDTH, HEIGHT, GAP, ROW, LANE, ROUND, FOOT = 27.0, 14.0, 14.5, 17.0, 4.0, 3.0, 8.0
PORT = 1.5  # between arrows that leave the same box

Course = Mapping[str, Any]  # number -> chapter with title, needs and helps
Arrow = tuple[str, str, str]  # from, to, "needs" or "helps"


def arrows(course: Course) -> list[Arrow]:
    """What leads to a chapter directly. Raises ValueError if a chapter refers to one that stands behind it."""
    behind: dict[str, set[str]] = {}  # everything that a chapter needs, by way of others too
    found = []
    for number, one in sorted(course.items()):
        needs, helps = ({k for k in named if k in course} for named in (one.needs, one.helps))
        if late := sorted(k for k in needs | helps if k >= number):
            raise ValueError(f"chapter {number} refers to {', '.join(late)}, which a reader has not read by then")
        behind[number] = needs.union(*(behind[k] for k in needs))
        found += [(k, number, "needs") for k in sorted(needs) if not any(k in behind[other] for other in needs)]
        found += [(k, number, "helps") for k in sorted(helps - behind[number])]
    return found


def stacked(things: Iterable[Any], middle: float, step: float) -> dict[Any, float]:
    """Equally spaced heights around a middle."""
    things = list(things)
    return {thing: middle + (k - (len(things) - 1) / 2) * step for k, thing in enumerate(things)}


class Places:
    """Where everything stands, in millimetres from the upper left corner."""

    def __init__(self, course: Course) -> None:
        self.arrows = arrows(course)
        self.column: dict[str, int] = {}
        for number in sorted(course):  # one behind the last of those that lead here
            self.column[number] = max((self.column[a] + 1 for a, b, _ in self.arrows if b == number), default=0)
        self.part: dict[str, tuple[float, float]] = {}  # top and bottom of each
        self.lane: dict[Arrow, float] = {}
        rows: dict[str, float] = {}
        top = 0.0
        for part in sorted({number[0] for number in course}):
            columns = [self.column[number] for number in course if number[0] == part]
            rows[part] = ROW * max(map(columns.count, columns))
            long = [(a, b, kind) for a, b, kind in self.arrows if b[0] == part and self.column[b] > self.column[a] + 1]
            bottom = top + ROUND + rows[part]
            self.lane |= {arrow: bottom + LANE * (k + 0.5) for k, arrow in enumerate(long)}
            self.part[part] = (top, bottom + LANE * len(long) + ROUND)
            top = self.part[part][1] + ROUND
        self.bottom = top - ROUND
        self.right = ROUND + max(self.column.values()) * (WIDTH + GAP) + WIDTH + ROUND
        self.y: dict[str, float] = {}
        for k in sorted(set(self.column.values())):  # what leads to a column has its place before it
            for part in self.part:
                here = [number for number in sorted(course) if (self.column[number], number[0]) == (k, part)]
                middle = self.part[part][0] + ROUND + rows[part] / 2
                self.y |= stacked(sorted(here, key=self.pull), middle, ROW)

    def start(self, arrow: Arrow) -> float:
        """The height from which an arrow comes to its end."""
        return self.lane.get(arrow, self.y[arrow[0]])

    def pull(self, number: str) -> float:
        """The mean height of what leads to a chapter: boxes in this order let few arrows cross."""
        heights = [self.start(arrow) for arrow in self.arrows if arrow[1] == number]
        return sum(heights) / max(len(heights), 1)

    def left(self, number: str) -> float:
        """The left edge of a box."""
        return ROUND + self.column[number] * (WIDTH + GAP)

    def way(self, arrow: Arrow) -> Path:
        """A curve from the right edge of a box to the left edge of another, level at both ends."""
        a, b, _ = arrow
        leaving = sorted(
            (one for one in self.arrows if one[0] == a), key=lambda one: self.lane.get(one, self.y[one[1]])
        )
        coming = sorted((one for one in self.arrows if one[1] == b), key=self.start)
        x0, y0 = self.left(a) + WIDTH, stacked(leaving, self.y[a], PORT)[arrow]
        x1, y1 = self.left(b), stacked(coming, self.y[b], PORT)[arrow]
        if arrow not in self.lane:
            return Path([(x0, y0), *bend((x0, y0), (x1, y1))], [Path.MOVETO, *[Path.CURVE4] * 3])
        lane = self.lane[arrow]
        down, up = (x0 + GAP, lane), (x1 - GAP, lane)
        codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
        return Path([(x0, y0), *bend((x0, y0), down), up, *bend(up, (x1, y1))], codes)


def bend(one: tuple[float, float], other: tuple[float, float]) -> list[tuple[float, float]]:
    """Control points and end of a cubic that is level at both ends."""
    middle = (one[0] + other[0]) / 2
    return [(middle, one[1]), (middle, other[1]), other]


def short(title: str) -> str:
    """What stands before a colon, in lines that fit into a box."""
    return textwrap.fill(title.split(":")[0], 17)


def draw(course: Course) -> Any:
    """The map as a figure that fits on A4."""
    at = Places(course)
    figure = plt.figure(figsize=(at.right / 25.4, (at.bottom + FOOT) / 25.4), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, at.right), ylim=(at.bottom + FOOT, 0))
    ax.axis("off")
    for part, (top, bottom) in at.part.items():
        name, ink, ground = PARTS[part]
        ax.add_patch(Rectangle((0, top), at.right, bottom - top, facecolor=ground, edgecolor="none"))
        ax.text(ROUND, top + 5.5, name, fontsize=10, fontweight="bold", color=ink, va="center")
    for arrow in at.arrows:
        line(ax, at.way(arrow), arrow[2])
    for number, one in course.items():
        x, y, ink = at.left(number), at.y[number] - HEIGHT / 2, PARTS[number[0]][1]
        box = FancyBboxPatch(
            (x, y), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=1.5", fc="white", ec=ink, lw=1.3
        )
        ax.add_patch(box)
        ax.text(x + 1.3, y + 1.1, number, fontsize=8, fontweight="bold", color=ink, va="top")
        ax.text(x + WIDTH / 2, y + 8.3, short(one.title), fontsize=7, ha="center", va="center", linespacing=1.15)
    x, y = ROUND, at.bottom + FOOT / 2 + 1
    for kind, words in {"needs": "is needed for", "helps": "helps with"}.items():
        line(ax, Path([(x, y), (x + 11, y)]), kind)
        ax.text(x + 13, y, words, fontsize=7.5, va="center", color=INK)
        x += WIDTH + GAP
    return figure


def line(ax: Any, way: Path, kind: str) -> None:
    """An arrow along a way, solid for what is needed, dashed for what helps; its head is always solid."""
    dashes = (0, (4, 2.5)) if kind == "helps" else "-"
    ax.add_patch(FancyArrowPatch(path=way, arrowstyle="-", color=INK, lw=1.1, ls=dashes, capstyle="butt"))
    head = Path([way.vertices[-1] - [1.5, 0], way.vertices[-1]])
    ax.add_patch(FancyArrowPatch(path=head, arrowstyle="-|>", mutation_scale=7, color=INK, lw=0.8))


def in_words(course: Course) -> str:
    """What the picture shows, for those who do not see it."""
    leads: dict[tuple[str, str], list[str]] = {}
    for a, b, kind in arrows(course):
        leads.setdefault((a, "is needed for" if kind == "needs" else "helps with"), []).append(b)
    return "; ".join(f"{a} {verb} {', '.join(ends)}" for (a, verb), ends in sorted(leads.items()))


def svg(course: Course) -> str:
    """The picture, the same from run to run, with its words inside."""
    with plt.rc_context({"svg.hashsalt": "chapters", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        figure, page = draw(course), io.StringIO()
        figure.savefig(page, format="svg", metadata={"Date": None, "Creator": None, "Description": in_words(course)})
        plt.close(figure)
    return page.getvalue()
