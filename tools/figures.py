"""Recompute the reference data of the figures: python tools/figures.py [name ...] writes tests/reference/<name>.npz.

Run it when a figure is meant to change, and look at what changed before you commit it.
"""

import sys
from pathlib import Path

import numpy as np
from files import whole

from hmm_course import figures

REFERENCE = Path(__file__).parents[1] / "tests" / "reference"


def main(names: list[str]) -> None:
    for name in names or sorted(figures.FIGURES):
        compute, _ = figures.load(name)
        data = compute()
        with whole(REFERENCE / f"{name}.npz") as draft:
            np.savez_compressed(draft, **data)
        print("wrote", name)


if __name__ == "__main__":
    main(sys.argv[1:])
