"""Demos of the course: pure functions ``demo(parameters) -> Figure`` that a notebook calls once and then lets you move.

One module per chapter; every demo is importable from here.
"""

from hmm_course.demos.ch00 import sampling_line
from hmm_course.demos.ch01 import dialogue
from hmm_course.demos.ch02 import scale_slider
from hmm_course.demos.ch03 import how_long
from hmm_course.demos.ch04 import cell_under_load, graded_cell
from hmm_course.demos.ch05 import sample_and_edge
from hmm_course.demos.ch06 import error_budget
from hmm_course.demos.ch10 import cooling_plate, filter_row
from hmm_course.demos.ch11 import two_densities
from hmm_course.demos.ch12 import pulled_fibres
from hmm_course.demos.ch13 import threshold_slider
from hmm_course.demos.ch14 import excited_cable
from hmm_course.demos.ch15 import fast_wheel
from hmm_course.demos.ch16 import relatives
from hmm_course.demos.sliders import explore, sweeps

__all__ = [
    "cell_under_load",
    "cooling_plate",
    "dialogue",
    "error_budget",
    "excited_cable",
    "explore",
    "fast_wheel",
    "filter_row",
    "graded_cell",
    "how_long",
    "pulled_fibres",
    "relatives",
    "sample_and_edge",
    "sampling_line",
    "scale_slider",
    "sweeps",
    "threshold_slider",
    "two_densities",
]
