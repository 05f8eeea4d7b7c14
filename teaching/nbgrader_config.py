"""nbgrader for this course: copy this file into the folder that holds source/, where you call nbgrader.

It does two things that nbgrader does not. Before every check it imports the checks anew, from where they are installed, so
that a submission which replaces them gains nothing. And it closes the course folder (solutions, gradebook, other people's
work) to a running submission, which may read its own folder only and start no processes.

This stops curiosity and copied tricks. It is no sandbox: whoever knows Python's insides gets around it, because an answer
and its check run in one process. Grade under an account, or in a container, that can read nothing else of value.
"""

from copy import deepcopy
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    Execute,
    IgnorePattern,
    LimitOutput,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade

COURSE = Path.cwd().resolve()  # nbgrader's root is the folder where it is called

GUARD = """
def close(course, here):
    import os, sys
    realpath, commonpath, decode = os.path.realpath, os.path.commonpath, os.fsdecode
    processes = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"}

    def outside(path):
        path = realpath(decode(path))
        return commonpath([path, course]) == course and commonpath([path, here]) != here

    def hook(event, arguments):
        if event in processes:
            raise PermissionError("a submission starts no processes")
        if event == "open" or event == "sqlite3.connect" or event.startswith("os."):
            if any(isinstance(a, (str, bytes)) and outside(a) for a in arguments):
                raise PermissionError("a submission reads its own folder only")

    path, sys.path = sys.path, [p for p in sys.path if realpath(p or here) != here]
    import hmm_course.checks  # the installed one, whatever else was handed in under this name
    sys.path = path
    sys.addaudithook(hook)  # Python has no way to take a hook back
"""

FRESH = """
import sys as _sys
for _name in [name for name in _sys.modules if name.startswith(("hmm_course.checks", "hmm_course.variants"))]:
    del _sys.modules[_name]
"""


class GuardedExecute(Execute):
    """Execute with one cell more at the start, and one before every check, which are gone again afterwards."""

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        source = COURSE / "source" / names["assignment"] / f"{names['notebook']}.ipynb"
        imports = [
            line
            for cell in nbformat.read(source, as_version=4).cells
            if cell.cell_type == "code"
            for line in cell.source.splitlines()
            if line.startswith("from hmm_course.checks import")
        ]
        here = Path(resources["metadata"]["path"]).resolve()
        guard = self.extra(f"{GUARD}\nclose({str(COURSE)!r}, {str(here)!r})\ndel close")
        fresh = self.extra("\n".join([FRESH, *imports]))
        nb.cells = [guard] + [
            piece
            for cell in nb.cells
            for piece in ([deepcopy(fresh), cell] if is_grade(cell) and cell.cell_type == "code" else [cell])
        ]
        nb, resources = super().preprocess(nb, resources)
        nb.cells = [cell for cell in nb.cells if "guard" not in cell.metadata]
        return nb, resources

    @staticmethod
    def extra(source):
        """A cell that is taken out after the run."""
        return nbformat.v4.new_code_cell(source, metadata={"guard": True})


c = get_config()  # noqa: F821 - nbgrader provides it
c.CourseDirectory.course_id = "hmm"
c.ClearSolutions.code_stub = {"python": "...  # your code here"}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.Autograde.autograde_preprocessors = [  # nbgrader's own list, with Execute guarded
    GuardedExecute,
    IgnorePattern,
    ClearMetadataPreprocessor,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
c.Execute.timeout = 120  # seconds that a cell may take: an endless loop ends here, and its task has no points
