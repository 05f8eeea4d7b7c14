"""The course around ``hmm_core``: what its notebooks show, move and grade.

    figures   the arrays of every figure, and the functions that draw them
    demos     pure functions of a few parameters that a slider moves
    checks    what the exercises say to an answer
    variants  a question for a class, whose medium and numbers are drawn from a seed
    doctor    what is missing in an environment: python -m hmm_course.doctor

It needs matplotlib, ipywidgets and SymPy (``pip install "hmm-core[course]"``); the library needs none of them.
"""
