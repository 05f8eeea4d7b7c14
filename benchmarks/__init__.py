"""Timings of hmm_core beside what one would use instead, all in one run: ``python -m benchmarks``.

    problems   the media, the macro problem, and the converged references that errors are measured against
    peers      the same answers by scikit-fem, SuperLU, CHOLMOD, PyAMG and NGSolve, as a user at home in them writes it
    spectral   the same by muSpectre, which solves elastic cells with Fourier transforms
    tasks      what is compared with what, and the aims
    run        one process per contender, runs in turn, medians
    table      rows, verdicts, JSON, the table in the README
    redraw     apart from these: how long a reader waits for a slider, in a browser (its text says how)

Measured numbers are in results.json and in the README.
"""
