"""What one would use instead of HMM on the same problem: resolve everything, homogenize beforehand, or MsFEM.

The first two solve -div(a(x, x/eps) grad u) = f. They differ in how much of the material they look at, and when.

dns     the oscillating coefficient on a mesh that resolves it
msfem   multiscale finite elements on a line
scales  scales in time: both variables resolved; projective integration
"""

from hmm_core.compare.dns import Oscillating, resolve
from hmm_core.compare.msfem import MsFEMLine, msfem_line
from hmm_core.compare.scales import projective, resolve_scales

__all__ = ["MsFEMLine", "Oscillating", "msfem_line", "projective", "resolve", "resolve_scales"]
