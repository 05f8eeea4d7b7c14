"""The rules of the house: what an import costs, which way imports point, what the files may name, what the lock promises."""

import ast
import importlib
import inspect
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
PACKAGE = ROOT / "hmm_core"

# From the ground up; a module imports from its own floor or from below. A new module takes its place here.
FLOORS = [
    {"grid", "krylov", "laws", "media", "random_media", "exact", "sampling"},
    {"cell", "nonlinear", "ensemble", "particles"},
    {"closure"},
    {"macro", "evolution", "balance"},
    {"errors", "compare"},
    {"pilots", "planner"},
    {"figures", "demos", "checks"},
]
FLOOR = {module: floor for floor, modules in enumerate(FLOORS) for module in modules}


def tracked_files():
    """Files under version control; in an unpacked archive, all that are not built."""
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if git.returncode == 0 and git.stdout:
        return [path for name in git.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    built = {".venv", "build", ".git", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis"}
    return [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]


def module_of(path):
    """The floor-plan name of a file: hmm_core/figures/start.py belongs to figures."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path):
    """Modules of hmm_core that a file imports, at the top or inside functions; '' is the package itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            names = [node.module]
            if node.module == "hmm_core":
                names = [f"hmm_core.{hmm_core._HOME.get(alias.name, alias.name)}" for alias in node.names]
        else:
            continue
        found |= {name.partition(".")[2].split(".")[0] for name in names if name.split(".")[0] == "hmm_core"}
    return found


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    module = module_of(path)
    assert module in FLOOR, f"{module}: which floor is it on? Add it to FLOORS (design: every import points down)"
    for other in imported_modules(path) - {module}:
        if other == "":
            assert FLOOR[module] == len(FLOORS) - 1, f"{path.name} imports all of hmm_core; name the module it needs"
        else:
            assert FLOOR[other] <= FLOOR[module], f"{path.name} imports {other}, which stands above it"


def test_imports_have_no_circles():
    graph = {}
    for path in SOURCES:
        graph.setdefault(module_of(path), set()).update(imported_modules(path) - {"", module_of(path)})
    TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_the_import_is_light():
    """A session pays for skfem, matplotlib, pyamg or sympy when it uses them, not before."""
    heavy = ("skfem", "matplotlib", "pyamg", "sympy", "scipy", "ipywidgets", "tqdm")
    code = f"import sys, hmm_core; dir(hmm_core); print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["exact", "media", "grid", "cell", "closure"])
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


@pytest.mark.parametrize(
    "module", ["media", "exact", "macro", "errors", "pilots", "planner", "compare", "figures", "demos", "checks"]
)
def test_functions_that_a_user_calls_are_documented(module):
    home = importlib.import_module(f"hmm_core.{module}")
    bare = [
        name
        for name, thing in vars(home).items()
        if not name.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == home.__name__
        and not (thing.__doc__ or "").strip()
    ]
    assert not bare, f"hmm_core.{module}: no docstring on {bare}"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = hmm_core.no_such_name


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
