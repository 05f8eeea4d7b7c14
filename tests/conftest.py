"""What every test relies on: no display, no clock, no chance; and a notebook's cells stay together."""

import signal
from typing import Any

import matplotlib
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

matplotlib.use("Agg")  # here only: kernels that tests start draw as they would for a reader
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts its background jobs, and tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("course", deadline=None, derandomize=True)
settings.load_profile("course")


class Scheduling(LoadScopeScheduling):
    """A notebook runs in one worker, its cells in order; every other test goes to whoever is free.

    What has most cells comes first, so the long ones are through when the last tests fill the gaps.
    """

    def _split_scope(self, nodeid: str) -> str:
        return super()._split_scope(nodeid) if ".ipynb::" in nodeid else nodeid


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Scheduling:
    return Scheduling(config, log)
