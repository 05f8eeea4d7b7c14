"""The micro solver: what a sample of the material answers to a macro state.

sample       media on sampling domains, checked
grid         discrete operators of regular grids, and the transforms that invert them
krylov       iterations for many linear systems at once
cell         linear cell problems: from a medium to its effective tensor
sampled_law, newton, nonlinear, line   nonlinear ones: from a flux law to its averaged flux and tangent
ensemble     the effective tensor of a random medium, with its confidence interval
"""
