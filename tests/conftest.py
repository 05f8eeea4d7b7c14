"""What every test relies on: no display, no clock, no chance."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("course", deadline=None, derandomize=True)
settings.load_profile("course")
