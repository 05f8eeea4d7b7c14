"""What can be known without a network about the course in a browser alone: it needs nothing that is not there."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import lite  # noqa: E402

# Pyodide has them, or their wheels are pure Python and in the build.
THERE = {"numpy", "scipy", "matplotlib", "sympy", "tqdm", "skfem", "ipywidgets", "IPython", "imageio"}
THERE |= {"hmm_core", "hmm_course"}
NOTEBOOKS = [path for folder in ("notebooks", "exercises") for path in sorted((ROOT / folder).glob("*.ipynb"))]
SOURCES = sorted(path for package in ("hmm_core", "hmm_course") for path in (ROOT / package).rglob("*.py"))
SOURCES.remove(ROOT / "hmm_course" / "doctor.py")  # looks at an installation, of which a browser has none
NOT_AT_IMPORT = {"pyamg", "meshio", "distributed", "cloudpickle"}  # where they are used, they are asked for


def imported(tree: ast.AST) -> set[str]:
    """Names of the packages that a piece of code imports, wherever in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_import_what_is_there(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    source = "\n".join("\n".join(line for line in cell.splitlines() if not line.startswith("%")) for cell in cells)
    assert imported(ast.parse(source)) <= THERE
    assert not {"threading", "subprocess", "concurrent", "multiprocessing"} & imported_all(source)


def imported_all(source: str) -> set[str]:
    return {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}


def test_the_packages_import_what_is_there():
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert imported(tree) <= THERE | NOT_AT_IMPORT, path
        top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
        assert not imported(top) & NOT_AT_IMPORT, path


def test_without_pyamg_all_but_large_rough_cells_work():
    script = """
import sys
sys.modules.update(dict.fromkeys(("pyamg", "meshio", "dask", "h5py")))
import numpy as np, hmm_core as hmm, hmm_course.demos
print(hmm.CellProblem(n=16).effective_tensor(lambda x, y: 2 + np.cos(2 * np.pi * y[0])).round(3).tolist())
rough = hmm.media.random_checkerboard(1e-3, 1e3, rng=np.random.default_rng(0))
print(hmm.CellProblem(n=4, size=4.0, bc="dirichlet").effective_tensor(rough)[0, 0] > 0)
try:
    hmm.CellProblem(n=16, size=16.0, bc="dirichlet").effective_tensor(rough)
except ModuleNotFoundError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    smooth, small, large = run.stdout.splitlines()
    assert smooth.startswith("[[1.7") and small == "True" and "need PyAMG" in large


def test_a_wheel_with_something_compiled_is_told_apart(tmp_path):
    for name, inside, is_pure in (
        ("a-1-py3-none-any.whl", "a.py", True),
        ("b-1-py3-none-any.whl", "b.so", False),
        ("c-1-cp311-cp311-linux_x86_64.whl", "c.py", False),
    ):
        with ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(inside, "")
        assert lite.pure(tmp_path / name) == is_pure


def test_every_notebook_installs_the_course_first(tmp_path):
    lite.contents(tmp_path / "contents")
    written = sorted((tmp_path / "contents").rglob("*.ipynb"))
    assert len(written) == len(NOTEBOOKS)
    assert all(nbformat.read(path, as_version=4).cells[0].source == lite.INSTALL for path in written)
    assert (tmp_path / "contents" / "tests" / "reference").is_dir()


def test_what_was_computed_before_is_found_from_an_installed_package(tmp_path):
    """The packages lie elsewhere, as in JupyterLite and on Colab, and the session is in the folder of the chapters."""
    lite.contents(tmp_path / "contents")
    for package in ("hmm_core", "hmm_course"):
        shutil.copytree(ROOT / package, tmp_path / "installed" / package)
    script = (
        "import hmm_course; from hmm_course.figures import ch16, committed; print(hmm_course.__file__);"
        "print(len(committed('03-resolved')), len(ch16.sources_data()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path / "contents" / "notebooks",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
    )
    place, counts = run.stdout.split("\n", 1)
    assert place.startswith(str(tmp_path)) and all(int(count) > 0 for count in counts.split())
