"""Exercise 4, disks, cut in three ways."""

import numpy as np

from hmm_course.variants import Array, Draw, Question, some


def question(draw: Draw) -> Question:
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
