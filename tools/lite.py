"""The course for a browser alone: python tools/lite.py writes build/lite/site, a JupyterLite with the course in it.

Python itself, NumPy, SciPy, Matplotlib and SymPy come from Pyodide, over the network, when a page is opened; the wheels of this
project and of the pure Python packages that it needs are in the build. PyAMG is compiled and stays away: what needs it (rough
media on large grids) says so there. The first cell of every notebook, added here, installs the course.
"""

import argparse
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import nbformat

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "lite"
PURE = ("scikit-fem", "imageio", "ipywidgets", "jupyterlab_widgets", "widgetsnbextension")  # that Pyodide does not have
INSTALL = "%pip install --quiet hmm-core[course]  # in this browser; takes a minute the first time"


def wheels(into: Path) -> list[Path]:
    """Wheels of this project and of the pure packages, in the versions that are installed here."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", into, ROOT], check=True)
    pinned = [f"{name}=={version(name)}" for name in PURE]
    subprocess.run([*pip, "download", "--no-deps", "--only-binary=:all:", "--dest", into, *pinned], check=True)
    found = sorted(into.glob("*.whl"))
    if bad := [wheel.name for wheel in found if not pure(wheel)]:
        raise RuntimeError(f"not pure Python: {', '.join(bad)}")
    return found


def pure(wheel: Path) -> bool:
    """Whether a wheel holds nothing compiled."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    return wheel.name.endswith("-none-any.whl") and not any(name.endswith((".so", ".pyd", ".dylib")) for name in names)


def contents(into: Path) -> None:
    """Chapters, exercises and the data of the long studies, as the notebooks expect to find them."""
    shutil.rmtree(into, ignore_errors=True)
    for folder in ("notebooks", "exercises"):
        (into / folder).mkdir(parents=True)
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            notebook.cells.insert(0, nbformat.v4.new_code_cell(INSTALL, id="lite"))
            nbformat.write(notebook, into / folder / path.name)
    shutil.copytree(ROOT / "tests" / "reference", into / "tests" / "reference")
    (into / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "relatives.json", into / "benchmarks")  # chapter 16 shows these seconds


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    found = wheels(BUILD / "wheels")
    contents(BUILD / "contents")
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    command = [sys.executable, "-m", "jupyterlite_core", "build", "--contents", BUILD / "contents"]
    command += ["--output-dir", BUILD / "site", "--lite-dir", BUILD]
    for wheel in found:
        command += ["--piplite-wheels", wheel]
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True)  # where it keeps its own records
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    else:
        print(f"{BUILD / 'site'}: serve it, for example with python -m http.server, and open lab/index.html")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
