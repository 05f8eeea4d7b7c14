"""What is missing in this environment, and what to do about it: ``python -m hmm_course.doctor``.

It looks at Python, the packages of the course, the Jupyter kernel, the sliders, the fonts of the figures and the writable
places that they need, and solves one small problem. Every line says what was found; where something is wrong, the next line
says what to do. The exit status is the number of things to mend. It imports nothing but the standard library before it knows
what is there, so that it also speaks in a broken environment; paste its output into a report of a problem.
"""

import importlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PYTHON = (3, 11)
LIBRARY = ("numpy", "scipy", "scikit-fem", "pyamg", "tqdm")
COURSE = ("matplotlib", "ipywidgets", "sympy")
LAB = ("jupyterlab", "ipykernel")
SOLVE = "a small problem solves"


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``todo`` is empty if all is well."""

    what: str
    found: str
    todo: str = ""


def version(name: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def numbers(text: str) -> tuple[int, ...]:
    """1.13.0rc1 -> (1, 13, 0), enough to compare with a lower bound."""
    return tuple(int(part) for part in re.findall(r"\d+", text.split("rc")[0])[:3])


def lower_bounds() -> dict[str, str]:
    """Package -> the oldest version that the course allows, as this installation of it says."""
    try:
        lines = metadata.requires("hmm-core") or []
    except metadata.PackageNotFoundError:
        return {}
    matches = (re.match(r"([\w.-]+)(?:\[.*?\])? *>= *([\w.]+)", line) for line in lines)
    return {match[1].lower(): match[2] for match in matches if match}


# ------------------------------------------------------------------ what is looked at


def python() -> Iterator[Finding]:
    """The interpreter, and whether it is that of an environment."""
    found = f"{platform.python_version()} on {platform.platform()}, {sys.executable}"
    wanted = ".".join(map(str, PYTHON))
    todo = "" if sys.version_info >= PYTHON else f"Python >= {wanted} is needed: make PYTHON=python{wanted} lab"
    yield Finding("Python", found, todo)


def packages() -> Iterator[Finding]:
    """Every package that the library, the chapters and JupyterLab need: there, new enough, and importable."""
    bounds = lower_bounds()
    if not bounds:
        yield Finding("hmm-core", "not installed in this environment", "pip install -e . in the folder of the course")
    for extra, names in (("", LIBRARY), ("[course]", COURSE), ("[lab]", LAB)):
        install = f'pip install "hmm-core{extra}", or in the folder of the course: pip install -e ".{extra}"'
        for name in names:
            there = version(name)
            if there is None:
                yield Finding(name, "missing", install)
                continue
            bound = bounds.get(name, "0")
            old = numbers(there) < numbers(bound)
            yield Finding(name, there, f"{name} >= {bound} is needed: {install}" if old else broken(name))


def broken(name: str) -> str:
    """What to do about a package that is there and cannot be imported; "" if it can."""
    module = {"scikit-fem": "skfem"}.get(name, name)
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever it is: a broken package may raise anything
        return f"import {module} fails with {type(error).__name__}: {error}. pip install --force-reinstall {name}"
    return ""


def kernel() -> Iterator[Finding]:
    """The kernel that notebooks ask for, python3, and the Python that it starts."""
    mend = f"{Path(sys.executable).name} -m ipykernel install --sys-prefix --name python3"
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        yield Finding("kernel", "jupyter_client is missing", 'pip install "hmm-core[lab]"')
        return
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield Finding("kernel", "no kernel named python3", mend)
        return
    starts = spec.argv[0]
    here = Path(starts).name == starts or Path(starts).parent.resolve() == Path(sys.executable).parent.resolve()
    todo = "" if here else f"it starts {starts}, another Python than this one: {mend}"
    yield Finding("kernel", f"python3 in {spec.resource_dir}", todo)


def widgets() -> Iterator[Finding]:
    """The sliders: ipywidgets in Python, and its other half in the browser, of the same major version."""
    try:
        import ipywidgets
        from jupyter_core.paths import jupyter_path
    except ImportError as error:
        yield Finding(
            "sliders", f"{error.name} is missing", 'pip install "hmm-core[course]"; without it figures stay still'
        )
        return
    for folder in map(Path, jupyter_path("labextensions")):
        package = folder / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
        if package.is_file():
            manager = json.loads(package.read_text(encoding="utf-8"))["version"]
            yield Finding("sliders", f"ipywidgets {ipywidgets.__version__}, jupyterlab-manager {manager}")
            return
    yield Finding(
        "sliders",
        f"ipywidgets {ipywidgets.__version__}, but JupyterLab does not know it",
        "pip install jupyterlab_widgets into the environment that starts JupyterLab, then reload the page",
    )


def fonts() -> Iterator[Finding]:
    """The font of the figures has the signs of the course, and Matplotlib can keep its list of fonts."""
    try:
        import matplotlib
        from matplotlib import font_manager
        from matplotlib.ft2font import FT2Font
    except ImportError as error:
        yield Finding("fonts", f"{error.name} is missing", 'pip install "hmm-core[course]"')
        return
    path = font_manager.findfont("DejaVu Sans")
    missing = [sign for sign in "εδ∇⟨⟩·₁²" if not FT2Font(path).get_char_index(ord(sign))]
    todo = f"it lacks {' '.join(missing)}: pip install --force-reinstall matplotlib" if missing else ""
    yield Finding("fonts", Path(path).name, todo)
    cache = Path(matplotlib.get_cachedir())
    writable = os.access(cache, os.W_OK)
    todo = (
        "" if writable else "set MPLCONFIGDIR to a folder that you may write to; else every start takes seconds longer"
    )
    yield Finding("list of fonts", str(cache), todo)


def places() -> Iterator[Finding]:
    """A folder for temporary files: process pools and notebooks need one."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        yield Finding("temporary files", str(error), "set TMPDIR to a folder that you may write to")
        return
    yield Finding("temporary files", tempfile.gettempdir())


def threads() -> Iterator[Finding]:
    """Numerical threads: one for each process is fastest here, for cell problems are small."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    yield Finding("numerical threads", ", ".join(f"{n}={os.environ.get(n, 'not set')}" for n in names))


def solves() -> Iterator[Finding]:
    """The first ten lines of the course, small: all of the library is asked once."""
    try:
        import numpy as np
        import skfem

        import hmm_core as hmm

        cell = hmm.CellProblem(dim=2, n=8, scheme="fourier")
        closure = hmm.CellClosure(lambda x, y: 2 + np.cos(2 * np.pi * y[0]), cell)
        basis = hmm.macro_basis(skfem.MeshTri().refined(3), skfem.ElementTriP1())
        value = float(hmm.solve_elliptic(basis, closure, source=1.0).at([0.5, 0.5]))
    except Exception as error:  # this is what the doctor is for
        yield Finding(SOLVE, f"{type(error).__name__}: {error}", "mend what stands above, or report this line")
        return
    exact = 0.0394651  # U at the centre for the tensor diag(sqrt 3, 2)
    todo = "" if abs(value - exact) < 0.02 * exact else f"{exact:.4f} was expected; report this line"
    yield Finding(SOLVE, f"U(0.5, 0.5) = {value:.4f}", todo)


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (python, packages, kernel, widgets, fonts, places, threads, solves)


def examine() -> list[Finding]:
    """Everything that is looked at. What goes wrong while looking is a finding too."""
    findings = []
    for look in LOOKS:
        try:
            findings += look()
        except Exception as error:
            findings.append(Finding(look.__name__, f"{type(error).__name__}: {error}", "report this line"))
    return findings


def main() -> int:
    """Print the report; the exit status is the number of things to mend."""
    course = version("hmm-core") or "not installed"
    print(f"hmm-core {course}")
    findings = examine()
    for finding in findings:
        print(f"{'  ' if not finding.todo else '! '}{finding.what}: {finding.found}")
        if finding.todo:
            print(f"    -> {finding.todo}")
    wrong = sum(bool(finding.todo) for finding in findings)
    print("Nothing to mend." if not wrong else f"{wrong} to mend, marked with !.")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
