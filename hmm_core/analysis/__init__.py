"""Analysis: what is wrong with the answer, and what to choose so that it is good enough.

errors    the error of the method, split into its four terms
pilots    what meshes and samples get wrong, measured where it is cheap
certify   two-sided bounds of the effective tensor of a picture
planner   mesh, sample and micro grid for a tolerance at least cost
"""
