"""The rules of the house: what an import costs, which way imports point, what the files may name, what the lock promises."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hmm_core

ROOT = Path(__file__).resolve().parent.parent


def tracked_files():
    """Files under version control; in an unpacked archive, all that are not built."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode == 0 and git.stdout:
        return [path for name in git.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    built = {".venv", "build", ".git", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]


def rooms_in_order():
    """Rooms of the library as its docstring lists them, from the ground up: folders, and single modules beside them."""
    return re.findall(r"^    (\w+)/?  +\w", hmm_core.__doc__, flags=re.MULTILINE)


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {name_of(path): path for package in ("hmm_core", "hmm_course") for path in (ROOT / package).rglob("*.py")}


def imported_modules(path):
    """Modules of the two packages that a file imports, at the top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            found |= {_home(node.module, alias.name) for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("hmm_core", "hmm_course")}


def _home(module, name):
    """Where a name that is imported from a module really lives: packages hand on what their modules define."""
    if module == "hmm_core":
        return f"hmm_core.{(hmm_core._HOME | hmm_core._MODULES)[name]}"
    if f"{module}.{name}" in SOURCES:
        return f"{module}.{name}"
    thing = getattr(importlib.import_module(module), name) if module in SOURCES else None
    home = getattr(thing, "__module__", None)
    return home if home in SOURCES else module


IMPORTS = {name: imported_modules(path) for name, path in SOURCES.items()}


def room(name):
    return ".".join(name.split(".")[:2]) if "." in name else name


def test_the_rooms_are_those_of_the_sentence():
    """A medium, asked by a micro solver, answers through a closure to a macro solver; the analysis looks at all of it."""
    there = {room(name).partition(".")[2] for name in SOURCES if name.startswith("hmm_core.")}
    assert set(rooms_in_order()) == there
    assert rooms_in_order()[:4] == ["media", "micro", "closure", "macro"]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_imports_point_down(name):
    order = rooms_in_order()
    for other in IMPORTS[name]:
        if name.startswith("hmm_course"):
            continue  # above all of the library
        assert not other.startswith("hmm_course"), f"{name} imports {other}: the library knows nothing of the course"
        if name == "hmm_core":
            continue
        assert other != "hmm_core", f"{name} imports all of hmm_core; name the module it needs"
        mine, theirs = (room(module).partition(".")[2] for module in (name, other))
        assert order.index(theirs) <= order.index(mine), f"{name} imports {other}, which stands above it"


def test_imports_have_no_circles():
    """Neither between modules nor between rooms. A package's own file hands on names; it is no part of the circle."""
    packages = {name for name in SOURCES if SOURCES[name].name == "__init__.py"}
    modules = {name: used - packages for name, used in IMPORTS.items() if name not in packages}
    TopologicalSorter(modules).prepare()  # raises CycleError with the circle
    rooms = {}
    for name, used in IMPORTS.items():
        if name not in ("hmm_core", "hmm_course"):
            rooms.setdefault(room(name), set()).update(map(room, used))
    TopologicalSorter({name: used - {name} for name, used in rooms.items()}).prepare()


def test_no_module_of_the_library_is_long():
    """One idea each: a module above 400 lines has two."""
    long = {n: len(p.read_text(encoding="utf-8").splitlines()) for n, p in SOURCES.items() if n.startswith("hmm_core")}
    assert not {name: count for name, count in long.items() if count > 400}


def test_the_library_works_without_what_the_course_needs(tmp_path):
    """Nothing that draws or teaches is installed: every public name of the library works all the same."""
    for name in ("matplotlib", "ipywidgets", "sympy", "IPython"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not installed here')", encoding="utf-8")
    code = """
import pkgutil, importlib, hmm_core as hmm, numpy as np, skfem
for name in hmm.__all__:
    getattr(hmm, name)
for module in pkgutil.walk_packages(hmm.__path__, "hmm_core."):
    importlib.import_module(module.name)
basis = hmm.macro_basis(skfem.MeshTri().refined(2), skfem.ElementTriP1())
closure = hmm.CellClosure(hmm.media.checkerboard(1, 10), hmm.CellProblem(n=8))
hmm.solve_elliptic(basis, closure, 1.0)
try:
    hmm.exact.derive_harmonic_mean()
except ImportError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "SymPy" in run.stdout and "pip install" in run.stdout


def test_the_import_is_light():
    """A session pays for skfem, matplotlib, pyamg or sympy when it uses them, not before."""
    heavy = ("skfem", "matplotlib", "pyamg", "sympy", "scipy", "ipywidgets", "tqdm")
    code = f"import sys, hmm_core; dir(hmm_core); print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["media", "micro.cell", "micro.nonlinear", "closure"])
def test_lower_floors_do_without_the_upper_libraries(module):
    heavy = ("skfem", "matplotlib", "pyamg", "sympy")
    code = f"import sys, hmm_core.{module}; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", hmm_core.__all__)
def test_public_names_exist_and_are_documented(name):
    thing = getattr(hmm_core, name)
    text = (thing.__doc__ or "").strip()
    # a dataclass without a docstring gets its signature as one
    assert len(text.split()) >= 3 and not text.startswith(f"{name}("), f"hmm_core.{name} has no docstring"


PLAIN = ("hmm_course.figures.", "hmm_course.checks.ex", "hmm_course.checks.p")  # pairs of functions named by FIGURES


@pytest.mark.parametrize("module", sorted(name for name in SOURCES if not name.startswith(PLAIN)))
def test_functions_that_a_user_calls_are_documented(module):
    home = importlib.import_module(module)
    bare = [
        name
        for name, thing in vars(home).items()
        if not name.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == home.__name__
        and not (thing.__doc__ or "").strip()
    ]
    assert not bare, f"{module}: no docstring on {bare}"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = hmm_core.no_such_name


# ------------------------------------------------------------------ the course in JupyterLab


@pytest.mark.parametrize("grading", ["", "yes"])
def test_a_learner_meets_no_news_and_no_grading_buttons(grading, monkeypatch):
    """What ``make lab`` tells JupyterLab, read as JupyterLab reads it; GRADING=yes switches nbgrader on."""
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_federated_extensions, get_page_config
    from jupyterlab_server.settings_utils import _get_overrides

    monkeypatch.delenv("MAKEFLAGS", raising=False)
    command = ["make", "--dry-run", "--old-file=.venv/.ready", "lab", f"GRADING={grading}"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", re.search(r'JUPYTER_CONFIG_PATH="([^"$]+)', made.stdout)[1])
    extensions, nbgrader = jupyter_path("labextensions"), "@jupyter/nbgrader"
    assert nbgrader in get_federated_extensions(extensions)
    assert (nbgrader in get_page_config(extensions)["disabledExtensions"]) == (not grading)
    notices = _get_overrides("")[0]["@jupyterlab/apputils-extension:notification"]
    assert notices == {"fetchNews": "false", "checkForUpdates": False}


# ------------------------------------------------------------------ files


def forbidden():
    """Hosts of package registries and places of one machine, put together here so that this file names none."""
    dot = "."
    hosts = [
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npm" + "js", "org"),
        ("npm" + "js", "com"),
        ("yarn" + "pkg", "com"),
        ("deb", "debian"),
        ("debian", "org"),
        ("archive", "ubuntu"),
        ("ana" + "conda", "org"),
        ("ana" + "conda", "com"),
        ("crates", "io"),
        ("golang", "org"),
    ]
    slash = "/"
    places = [("work", "main"), ("work", "shared"), ("work", dot + "library"), ("opt", "pypi"), ("opt", "wheels")]
    options = ["index" + "-url", "find" + "-links", "trusted" + "-host"]
    return [dot.join(h) for h in hosts] + [slash + slash.join(p) for p in places] + options


def test_no_file_names_a_registry_or_a_machine():
    pattern = re.compile("|".join(map(re.escape, forbidden())).encode())
    found = [
        (str(path.relative_to(ROOT)), hit.group())
        for path in tracked_files()
        if (hit := pattern.search(path.read_bytes()))
    ]
    assert not found


def locked():
    """Package name -> its pinned requirements (several where markers choose)."""
    pins = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


def test_the_lock_pins_exact_versions_and_names_no_source():
    for pins in locked().values():
        for pin in pins:
            assert re.fullmatch(r"==[0-9][\w.!+]*", str(pin.specifier)), f"{pin} is not one exact version"
            assert pin.url is None


def test_the_lock_satisfies_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [line for extra in ("test", "lab", "dask", "vtk") for line in extras[extra]]
    pins = locked()
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name == "hmm-core":  # an extra that includes another
            assert requirement.extras <= set(extras)
            continue
        assert name in pins, f"{name} is not in requirements.lock: run `make lock`"
        for pin in pins[name]:
            version = str(pin.specifier).removeprefix("==")
            assert requirement.specifier.contains(version), f"the lock has {pin}, pyproject.toml wants {requirement}"


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-r requirements.lock", "-e ."]


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert hmm_core.__version__ == project["version"] == str(citation["version"])
    assert project["license"] == citation["license"] == "BSD-3-Clause"


def test_licences_are_there():
    assert "Redistribution and use in source and binary forms" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    text = (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    assert "Creative Commons Attribution 4.0 International Public License" in text
    assert "Section 8 -- Interpretation." in text
