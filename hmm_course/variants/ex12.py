"""Exercise 12, a plate of bands: two materials, which way the material is turned, and a load beside the one at the end."""

from typing import Any

import numpy as np

from hmm_course.variants import Array, Draw, Question, some, told


def numbers(draw: Draw | None) -> dict[str, Any]:
    """The phases, the sense of a turn, the load that is spread along the plate; and how a text says what follows from them.

    The glass is so much stiffer than the resin that C_11 for E halves the deflection at 60 degrees, and no stiffer than that the
    plate keeps within 7 % of the handbook: both are asserted there.
    """
    if not draw:
        glass, resin, load = (20.0, 0.2), (1.0, 0.35), 0.0
    else:
        glass, resin = (some(draw, 18, 26, 1), some(draw, 0.15, 0.25)), (1.0, some(draw, 0.3, 0.42))
        load = float(draw.choice([0.4, 0.6, 0.8, 1.2, 1.4, 1.6]))
    bending, shear = f"(1 + 3 / 8 * {load}) * ", f"(1 + {load} / 2) * "
    return {
        "glass": glass,
        "resin": resin,
        "load": load,
    } | told(
        draw,
        {
            "sense": ("counterclockwise", "clockwise"),
            "turn": (1, -1),
            "lower": ("", "-"),  # the sign of s in the rows of R
            "upper": ("-", ""),
            "and_load": ("", f" A further load of ${load}\\,P$ is spread evenly along it."),
            "of_bending": ("", rf"\Big(1+\tfrac38\cdot{load}\Big)"),
            "of_shear": ("", rf"\Big(1+\tfrac12\cdot{load}\Big)"),
            "times_bending": ("", bending),
            "times_shear": ("", shear),
            "spread": ("", f"spread = np.array([0.0, -{load} * P / (length * H)])\n    "),
            "source": ("0.0", "spread"),
            "within": (0.05, 0.07),
            "off": ("4.4 %", "7 %"),
            "slope": ("slope 2.1", "slope close to 2"),
        },
    )


PLACES = (
    "GLASS, RESIN, SHARE = «glass», «resin», 0.5",
    "Turn the *material* by $\\theta$, «sense», and keep the axes",
    r"R=\begin{pmatrix}c&«upper»s\\«lower»s&c\end{pmatrix}",
    r"T=\begin{pmatrix}c^2&s^2&«upper»2cs\\s^2&c^2&«lower»2cs\\«lower»cs&«upper»cs&c^2-s^2\end{pmatrix}",
    "of the material turned «sense» by theta (radians)",
    "[[c * c, s * s, «upper»2 * c * s], [s * s, c * c, «lower»2 * c * s], [«lower»c * s, «upper»c * s, c * c - s * s]]",
    "`wave=(2, «lower»1)` gives bands whose normal points along $(2, «lower»1)$",
    "wave=(2.0, «lower»1.0)",
    "pull the right one down with the force $P$ (per thickness).«and_load» A handbook says",
    r"\delta=«of_bending»\frac{PL^3}{3EI}+«of_shear»\frac{6}{5}\,\frac{PL}{GH}",
    "return «times_bending»P * L**3 * S[0, 0] / (3 * H**3 / 12) + «times_shear»6 / 5 * P * L * S[2, 2] / H",
    "«spread»U = hmm.solve_elliptic(basis, closure, «source»,",
    "stiff = np.array([«times_bending»P * L**3",
    "assert off.max() < «within»",
    "plate and handbook within «off» at every angle",
    "| «slope» in $\\varepsilon$ |",
)


def question(draw: Draw) -> Question:
    """Sheets turned to both sides: they share the strain, so their stiffnesses are averaged, and their shears cancel."""
    glass, resin = (some(draw, 10, 40, 1), some(draw, 0.15, 0.3)), (some(draw, 0.8, 2, 1), some(draw, 0.3, 0.42))
    f, degrees = some(draw, 0.3, 0.7), int(draw.integers(15, 41))

    def turned(degrees: float) -> Array:
        """The bands with a turned normal, as a laminate of stiffnesses: no matrix of Voigt's is turned."""
        from hmm_core import exact, media

        normal = [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]
        phases = [media.stiffness(*phase, plane="stress") for phase in (glass, resin)]
        return media.voigt(exact.laminate(phases, [f, 1 - f], normal))

    def free(C: Array) -> Array:
        """Modulus and contraction of a strip that only sigma_11 pulls."""
        e = np.linalg.solve(C, [1.0, 0.0, 0.0])
        return np.array([1.0, -e[1]]) / e[0]

    plate = (turned(degrees) + turned(-degrees)) / 2
    return Question(
        "Your class has the materials `class_glass` and `class_resin`, and sheets of bands in which glass has the share "
        f"`class_share`. Many of them are glued face to face, all equally thin, every other one turned by ${degrees}°$, the rest "
        f"by $-{degrees}°$. A strip of this plate is cut along $x_1$ and pulled; its sides are free. Give `mine`, to six digits: "
        "Young's modulus, the mean stress over the strain $e_{11}$, and Poisson's ratio $-e_{22}/e_{11}$.",
        f"class_glass, class_resin, class_share, class_degrees = {glass}, {resin}, {f}, {degrees}",
        "# Glued, the sheets share the strain, so their stiffnesses are averaged; the strip is free, so the compliance answers.\n"
        'one = bands(isotropic(*class_glass, "stress"), isotropic(*class_resin, "stress"), class_share)\n'
        "angle_of_class = np.radians(class_degrees)\n"
        "S_class = np.linalg.inv((turned(one, angle_of_class) + turned(one, -angle_of_class)) / 2)\n"
        "mine = 1 / S_class[0, 0], -S_class[0, 1] / S_class[0, 0]",
        lambda: free(plate),
        1e-5,
        {
            "this is one sheet alone, or the mean of the compliances; but glued sheets share the strain.": free(
                turned(degrees)
            ),
            "the modulus is C_11, of a strip with held sides; yours are free.": [plate[0, 0], free(plate)[1]],
        },
    )
