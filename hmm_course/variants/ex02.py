"""Exercise 2, plates of two phases: a class's layers lie across y2, its dual plate is kappa/a, its coated disk is larger."""

from typing import Any

import numpy as np

from hmm_course.variants import Array, Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """poor: the phases are poor and 10 poor, so that what is measured in percent stays; kappa: of the dual plate kappa/a.

    axis: which the layers of tasks 1 and 6 lie across; turn: how the normal of task 2 turns; radius: of the coated disk;
    offer: what the supplier's plates conduct, below the arithmetic and above the Hashin-Shtrikman bound.
    """
    poor, kappa, radius = draw.integers(2, 10, 3).tolist() if draw else (1, 1, 1)
    turn, offer = (int(draw.choice([-1, 1])), some(draw, 4.4, 5.2, 1) * poor) if draw else (0, 5.0)
    normal, as_array, theta = {  # in the text, in the solution, and theta of the picture's normals k
        0: (r"\cos\theta, \sin\theta", "np.cos(angle), np.sin(angle)", "k[1], k[0])"),
        1: (r"-\sin\theta, \cos\theta", "-np.sin(angle), np.cos(angle)", "-k[0], k[1]) % np.pi"),
        -1: (r"\sin\theta, \cos\theta", "np.sin(angle), np.cos(angle)", "k[0], k[1]) % np.pi"),
    }[turn]
    axis = 2 if draw else 1
    harmonic, arithmetic = 20 / 11 * poor, 5.5 * poor
    return {
        "poor": poor,
        "good": 10 * poor,
        "product": 10 * poor**2,
        "geometric": np.sqrt(10) * poor,
        "harmonic": harmonic,
        "arithmetic": arithmetic,
        "lower": 31 / 13 * poor,
        "upper": 130 / 31 * poor,
        "offer": offer,
        "rest": harmonic + arithmetic - offer,
        "tilt": np.degrees(np.arccos(np.sqrt((offer - harmonic) / (arithmetic - harmonic)))),
        "ticks": [2 * poor, 4 * poor],
        "darkest": 14 * poor,
        "darker": 25 * poor,
        "within": 0.05 * poor,
        "axis": axis,
        "other": 3 - axis,
        "first": ("first", "second")[axis - 1],
        "row": axis - 1,
        "other_row": 2 - axis,
        "p": "pq"[axis - 1],  # the component of the gradient across the layers
        "q": "qp"[axis - 1],
        "with_p": ("across the layers and $q$ along", "along the layers and $q$ across")[axis - 1],
        "sense": turn or 1,
        "normal": normal,
        "as_array": as_array,
        "theta": theta,
        "kappa": kappa,
        "dual_good": f"{kappa} / {10 * poor}",
        "radius": radius,
    } | told(
        draw,
        {
            "of_poor": ("known = np", f"known = {poor} * np"),
            "start": (0.0, np.pi / 2),  # the angle of the normal is start + sense theta
            "lead": ("", f"{kappa} "),
            "times": ("", f"{kappa} * "),
            "dual_poor": ("1.0", f"{kappa} / {poor}"),
            "and_times": ("", f" and multiplied by {kappa}"),
            "common": ("", " (a factor common to both changes nothing)"),
            "radius_times": ("", f"{radius} * "),
            "radius_tex": ("", radius),
        },
    )


PLACES = (
    "half of conductivity «poor» (light) and half of conductivity «good» (dark)",
    "«poor:.1f», «good:.1f»",
    "«good:.1f», «poor:.1f»",
    "inside=«good:.1f», matrix=«poor:.1f»",
    "vmax=«darkest»",
    "vmax=«darker»",
    "Take layers across $y_«axis»$",
    "where $p$ points «with_p» them",
    r"$k\,«p»$ is continuous, $«q»$ is continuous",
    "the normal flux k «p» has no jump («p» itself has one)",
    "derivative «q» has no jump (the tangential flux k «q» has one)",
    "[k1 * «p»1 - k2 * «p»2, «q»1 - «q»2, f",
    "their normal is $n = («normal»)$",
    "makes this angle (radians) with the «first» axis",
    "normal = np.array([«as_array»])",
    "yticks=«ticks»",
    "np.arctan2(«theta» for k",
    "atol=«within:.4g»)",
    "«harmonic:.2f» and «arithmetic:g»",
    "$«kappa»/a$",
    "in the plate «kappa»/a",
    "turned the same way«and_times».\n\n</details>",
    "return (-j2, j1), (-«times»g2, «times»g1)",
    "the mean flux $«lead»J G$«common».",
    "$B^* J A^* G = «lead»J G$",
    r"B^* = «lead»J\,(A^*)",
    "B^* = «lead»J(A^*)",
    "laminate(«dual_poor», «dual_good», 0.3, angle)",
    "«times»J @ np.linalg.inv(A)",
    "B* = «lead»J (A*)",
    "$«kappa»/k_1 = «lead»k_2/(k_1 k_2)$ and $«kappa»/k_2 = «lead»k_1/(k_1 k_2)$",
    r"$B^* = «lead»I/s$ from the turned fields, and $B^* = «lead»s\,I/(k_1 k_2)$",
    "# Left: «lead»J (s I)^-1 J^T = «lead»I/s",
    "everywhere «kappa»/(k1 k2) times another one has «kappa»/(k1 k2) times",
    "balance = «kappa» / s - «times»s / (k1 * k2)",
    "For «poor» and «good» it is «geometric:.3f»",
    "np.sqrt(«product»)",
    "outer radius «radius», so that the core has the radius $«radius_tex»\\sqrt f$",
    "continuous at $r = «radius_tex»\\sqrt f$ and at $r = «radius»$",
    ".subs(r, «radius_times»sp.sqrt(f))",
    "between coat and outside at $r = «radius»$",
    "[c.subs(r, «radius») for c in outer]",
    "the tensor (2, 2) of layers across $y_«axis»$",
    "The tensor (2, 2) of layers across y«axis» with",
    "jump in its «first» component only",
    r"$G + (1-f)\,c\,e_«axis»$ and $G - f\,c\,e_«axis»$",
    "Continuity of the «first» component of the flux",
    r"e_«axis»\cdot(K_2 - K_1)\,G}{(1-f)\,(K_1)_{«axis»«axis»} + f\,(K_2)_{«axis»«axis»}}",
    "it turns the «first» entry into",
    "(K2 - K1)[«row»] / ((1 - f) * K1[«row», «row»] + f * K2[«row», «row»])",
    "np.outer((K2 - K1)[:, «row»], c)",
    "core and coat across $y_«axis»$, then layers of these and coat across $y_«other»$",
    "Layers across y«axis», then across y«other»;",
    "{A[«row», «row»]:.6f} across, {A[«other_row», «other_row»]:.6f} along",
    "«product» / dark",
    "«of_poor».array([1.178",
    "half of conductivity «poor» and half of conductivity «good», that conducts «offer:.1f» in every",
    "layers that conduct «offer:.1f» along",
    "reaches at most «upper:.2f»",
    "bound allows «arithmetic:g»",
    "lie at «tilt:.0f»° to the edge",
    r"$«harmonic:.2f» + «arithmetic:g» - «offer:.1f» \approx «rest:.2f»$",
    "«lower:.6f» and «upper:.6f»",
    "four fractions, and «geometric:.3f»",
)


def question(draw: Draw) -> Question:
    """A laminate, turned: a tensor has axes."""
    k, f = [some(draw, 1, 9) for _ in range(6)], some(draw, 0.2, 0.8)
    cross = [some(draw, 0.2, 0.8), -some(draw, 0.2, 0.8)]
    K1, K2 = (np.array([[k[2 * i], cross[i]], [cross[i], k[2 * i + 1]]]) for i in (0, 1))

    def across(n: int) -> Array:
        """The anisotropic laminate with its layers across axis n, entry by entry (Milton, chapter 9)."""
        mean = f * K1 + (1 - f) * K2
        share = f * K1[n] / K1[n, n] + (1 - f) * K2[n] / K2[n, n]
        harmonic = 1 / (f / K1[n, n] + (1 - f) / K2[n, n])
        squares = f * np.outer(K1[n], K1[n]) / K1[n, n] + (1 - f) * np.outer(K2[n], K2[n]) / K2[n, n]
        return mean - squares + harmonic * np.outer(share, share)

    def turned(A: Array) -> Array:
        return A[::-1, ::-1] * np.array([[1, -1], [-1, 1]])

    plate, other = across(1), turned(across(0))
    return Question(
        "Your class laminates `K1` (fraction `f1`) and `K2`, across $y_2$. Then the plate is turned by a right angle, "
        "counterclockwise. Give `mine`, its tensor (2, 2) in the fixed axes.",
        f"K1, K2, f1 = np.array({K1.tolist()}), np.array({K2.tolist()}), {f}",
        "# A tensor turns with the plate: R A R^T.\n"
        "quarter = np.array([[0.0, -1.0], [1.0, 0.0]])\n"
        "mine = quarter @ layered(K1, K2, f1) @ quarter.T",
        lambda: turned(plate),
        1e-9,
        {
            "this is the plate before it was turned.": plate,
            "the off-diagonal entries change sign in a quarter turn.": plate[::-1, ::-1],
            "the layers of this plate lie across y1 before it is turned, and they should lie across y2.": other,
        },
    )
