"""Exercise 4, a floor of tiles, 1 and m^2, whose conductivity is m; where the samples lie, and which gradient they are given."""

from typing import Any

import numpy as np

from hmm_course.variants import Array, Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """The conductivity m of the floor, the corner of the samples, the mean gradient G; and how a text tells them."""
    mean, corner, G = 2, 0, (1, 0)
    if draw:
        mean = float(draw.choice([1.6, 1.7, 1.8, 1.9, 2.1, 2.2, 2.3, 2.4]))
        corner = int(draw.choice([1, 2, 3, 4, 9]))  # where the periodic mean is nearer to m than either bound
        loads = [(0.6, 0.8), (0.8, 0.6), (0.6, -0.8), (0.28, 0.96), (0.96, 0.28)]  # of length 1
        G = tuple(map(float, loads[draw.integers(len(loads))]))
    published_and_class = {
        "good": (4.0, round(mean**2, 2)),
        "load": ("e_1", "G"),
        "load_is": ("e_1 has a one in the first component only", f"G is {G}"),
        "changed_places": ("the 1 went to the second component", "the two components of G have changed places"),
        "added": ("1 is added to the first component", "G is added"),
        "load_in_tex": ("e_1", rf"({G[0]},\,{G[1]})"),
        "potential": ("y_1", "G . y"),
        "potential_in_tex": ("y_1", r"G\cdot y"),
        "potential_in_picture": ("y₁", "G·y"),
        "least": ("A_{11}", r"G\cdot AG"),
        "least_in_print": ("A_11", "G.AG"),
        "least_of_library": ("[:, 0, 0]", f" @ {list(G)} @ {list(G)}"),
        "of_load": ("micro.correctors[0]", f"np.tensordot({list(G)}, micro.correctors, 1)"),
        "nudge": ("add 1 to one of the two components", r"to each component of $\nabla w$ add its own number"),
        "energy": (r"(1+\partial_1w)^2+(\partial_2w)^2", rf"({G[0]}+\partial_1w)^2+({G[1]}+\partial_2w)^2"),
        "components": (
            "along, across = 1 + grad_w[0], grad_w[1]",
            f"first, second = {G[0]} + grad_w[0], {G[1]} + grad_w[1]",
        ),
        "squares": ("along**2 + across**2", "first**2 + second**2"),
        "place": ("0", f"({corner},{corner})"),
        "way": ("", f"; from there it is $({corner},{corner})$ further, and that too counts in units of `size`"),
        "square": ("[0, size]^2", f"[{corner}, {corner} + size]^2"),
        "shift": ("", f" + {corner} / size"),
        "too_large": ("about 0.02 too large", "somewhat too large, by the difference of the first and the last"),
        "from_finer": ("0.01 < finer[0] - finer[-1] < 0.03", "0 < finer[0] - finer[-1] < 0.05"),
        "missed": ("seven cases out of eight", "most cases"),
        "scatter": ("by 0.10, as much as the gap", "about as much as the gap"),
        "bracket": (
            r"bracket $[1.96,\ 2.06]$ around 2 at 16 tiles; on single floors of that size right in 14 %",
            f"bracket around {mean} at every size; on single floors of 16 tiles mostly wrong",
        ),
    }
    return told(draw, published_and_class) | {"mean": mean, "corner": corner, "G": G}


PLACES = (
    "conducts with 1 or with «good:g». Three",
    "media.random_checkerboard(1.0, «good», rng=4)",
    "exact.checkerboard(1.0, «good»)",
    r"$\sqrt{1\cdot«good:g»}=«mean»$ (exercise 2)",
    "scatter   «mean» between A_N and A_D",
    "«mean» * np.eye(2)",
    "missed the «mean» in «missed»",
    "still scatter «scatter», so that «mean» lies outside of most brackets",
    "all these numbers «too_large».)",
    "assert «from_finer»",
    "| «bracket» |",
    "corner of the sample lies at $y=«place»$",
    "moves the corner to the origin«way».",
    "of the sample «square»: Neumann",
    "offset=0.5«shift») for bc in conditions]",
    "offset=0.5«shift», tol=1e-12).solve(a)",
    "Fix the mean gradient $G=«load_in_tex»$",
    "of fields $u=«potential_in_tex»+w$",
    "the least energy is $«least»$",
    r"$\nabla u=«load»+\nabla w$: «nudge», without",
    r"\big(«energy»\big)",
    "for u = «potential» + w, a number",
    "«components»",
    "np.mean(a * («squares»))",
    "for the load «load».",
    "gradient(«of_load», h)",
    "energy of u = «potential_in_picture» + w",
    "library = np.array(answers(tiles, 4.0))«least_of_library»",
    '"«least_in_print» by hmm_core"',
    "energies equal $«least»$ to seven digits",
)


def question(draw: Draw) -> Question:
    """Disks, on samples of a size that fits nothing: whole periods away the corner sees the same."""
    inside, radius, size = some(draw, 4, 12, 1), some(draw, 0.25, 0.4), some(draw, 1.2, 2.8)

    def right() -> Array:
        import hmm_core as hmm

        disks = hmm.media.inclusion(inside=inside, radius=radius)
        cells = [hmm.CellProblem(n=8, bc=bc, size=size, offset=0.5) for bc in ("neumann", "periodic", "dirichlet")]
        low, middle, high = (cell.effective_tensor(disks) for cell in cells)
        return np.array([np.linalg.eigvalsh(middle - low)[0], np.linalg.eigvalsh(high - middle)[0]])

    return Question(
        f"Your class's material has disks, and its samples are {size} periods wide. Give `mine`, two numbers: the smallest "
        "gap between the Neumann and the periodic answer, and between the periodic and the Dirichlet answer, with `n=8`.",
        f"from hmm_core import media as class_media\n\nclass_disks, class_size = "
        f"class_media.inclusion(inside={inside}, radius={radius}), {size}",
        "low, middle, high = answers(class_disks, class_size, n=8)\n"
        "mine = smallest_gap(low, middle), smallest_gap(middle, high)",
        right,
        1e-4,
    )
