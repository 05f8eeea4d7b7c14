"""What one would use instead of HMM on the same problem: resolve everything, homogenize beforehand, or MsFEM.

They differ in how much of the material they look at, and when. The problem is -div(a(x, x/eps) grad u) = f; in ``pores`` the
flow of a viscous fluid; in ``scales`` an ordinary differential equation with a fast variable.

dns         the oscillating coefficient on a mesh that resolves it
msfem       multiscale finite elements on a line
multiscale  the same in the plane, with oversampling; broken: its fields, which may jump between coarse elements
pores       Stokes flow between all the obstacles of a bed
scales      both variables resolved; projective integration
"""

from hmm_core.compare.dns import Oscillating, resolve
from hmm_core.compare.msfem import MsFEMLine, msfem_line
from hmm_core.compare.multiscale import MsFEMBasis, MsFEMSolution, msfem_basis, msfem_plane
from hmm_core.compare.pores import PoreFlow, resolve_pores
from hmm_core.compare.scales import projective, resolve_scales

__all__ = [
    "MsFEMBasis",
    "MsFEMLine",
    "MsFEMSolution",
    "Oscillating",
    "PoreFlow",
    "msfem_basis",
    "msfem_line",
    "msfem_plane",
    "projective",
    "resolve",
    "resolve_pores",
    "resolve_scales",
]
