"""The micro solver: what a sample of the material answers to a macro state.

question     whether it makes sense to ask: macro points, the scale of a medium, a slow variable that it hides
sample       the door: media on sampling domains, of order one, checked; stiffnesses in the components they act on
transforms   constant-coefficient operators of regular grids, and what inverts them
grid         discrete operators of regular grids, for fields of m components (motions: what no gradient sees; window: averages)
krylov       iterations for many linear systems at once; systems: solved, and refined until the tensor stands
response     from solved fields to averages, tensor and tangent
cell         linear cell problems: from a medium to its effective tensor (linear: a batch; regularised: relatives that
             forget their boundary)
sampled_law, problems, newton, nonlinear, line   nonlinear ones: from a flux law to its averaged flux and tangent
fitted, mixed, stokes   Stokes cell problems: a mesh fitted to an obstacle, its discrete equations, the permeability tensor;
             family: of all obstacles with one parameter
ensemble     the effective tensor of a random medium, with its confidence interval
particles    micro models that are no differential equations: lattice gases and others, watched for as long as it takes
"""
