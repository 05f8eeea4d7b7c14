r"""Media: oscillating coefficients a(x, y), x the slow variable, y = x/eps the fast one, measured in periods.

    profiles    functions of one variable, of which media are made
    functions   deterministic media: layers, inclusions, checkerboards, graded ones; strata: curved layers
    random      tiles and disks that chance places; gaussian: phases and permeabilities from a Gaussian field
    elastic     stiffnesses from moduli and moduli from stiffnesses: phases of elastic media; checks: what is allowed
    crystals    grains that chance turns
    images      pictures of microstructures, pixel by pixel; grey: with interfaces between the pixels
    laws        nonlinear flux laws j(x, y, u, xi) with their derivatives
    exact       closed forms and bounds to compare with

Every medium is found here by its name: ``media.checkerboard(1, 10)``, ``media.lognormal(...)``. A plain function is one too.
"""

from hmm_core.media.crystals import polycrystal
from hmm_core.media.elastic import Moduli, from_voigt, mandel, moduli, stiffness, voigt
from hmm_core.media.functions import (
    Function,
    Medium,
    balanced_layers,
    checkerboard,
    checkerboard4,
    constant,
    function,
    graded,
    hou_wu,
    inclusion,
    laminate,
    layered,
    level_set,
    products,
    resonant,
    separable,
    sine_product,
)
from hmm_core.media.gaussian import GaussianMedium, gaussian_phases, lognormal
from hmm_core.media.grey import from_grey
from hmm_core.media.images import ImageMedium, from_image, voxelised
from hmm_core.media.profiles import Affine, Diagonal, Profile, Sine, Steps, cosine
from hmm_core.media.random import RandomMedium, TiledMedium, random_checkerboard, random_disks
from hmm_core.media.strata import stratified

__all__ = [
    "Affine",
    "Diagonal",
    "Function",
    "GaussianMedium",
    "ImageMedium",
    "Medium",
    "Moduli",
    "Profile",
    "RandomMedium",
    "Sine",
    "Steps",
    "TiledMedium",
    "balanced_layers",
    "checkerboard",
    "checkerboard4",
    "constant",
    "cosine",
    "from_grey",
    "from_image",
    "from_voigt",
    "function",
    "gaussian_phases",
    "graded",
    "hou_wu",
    "inclusion",
    "laminate",
    "layered",
    "level_set",
    "lognormal",
    "mandel",
    "moduli",
    "polycrystal",
    "products",
    "random_checkerboard",
    "random_disks",
    "resonant",
    "separable",
    "sine_product",
    "stiffness",
    "stratified",
    "voigt",
    "voxelised",
]
