"""What leaves the house: the wheel, the citation, the changelog, the paper, the files for a public host.

The wheel is built offline, from a copy; tools/package.py installs it into an empty environment, with the network.
"""

import email
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from test_house import SOURCES, tracked_files
from test_notebooks import DOI

import hmm_core

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel, from a copy that holds what version control holds."""
    folder = tmp_path_factory.mktemp("wheel")
    wanted = ("hmm_core", "hmm_course")
    for path in tracked_files():
        name = path.relative_to(ROOT)
        if name.parts[0] in wanted or len(name.parts) == 1:
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "source" / name)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    run = subprocess.run(
        [sys.executable, "-c", build], cwd=folder / "source", capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_is_pure_python_and_holds_the_packages_only(wheel):
    assert wheel.name == f"hmm_core-{PROJECT['version']}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"hmm_core", "hmm_course", f"hmm_core-{PROJECT['version']}.dist-info"}
    tracked = set(tracked_files())
    modules = {path.relative_to(ROOT).as_posix() for path in SOURCES.values() if path in tracked}
    assert modules <= set(names)
    assert "hmm_course/figures/hmm.mplstyle" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if re.search(r"(^|/)(tests?|__pycache__)/|\.(so|pyd|dll)$", name)]
    assert wheel.stat().st_size < 1_000_000


def test_the_wheel_says_what_it_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(f"hmm_core-{PROJECT['version']}.dist-info/METADATA").decode()
    told = email.message_from_string(metadata)
    needed = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    assert set(map(Requirement, needed)) == set(map(Requirement, PROJECT["dependencies"]))
    assert told["Requires-Python"] == PROJECT["requires-python"] and told["License-Expression"] == PROJECT["license"]
    assert set(told.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert "## Ten lines" in told.get_payload()  # the README is its description


def test_the_citation_is_complete():
    """The keys that the citation file format asks for, and no unknown ones among the few that we use."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    known = {
        "abstract",
        "cff-version",
        "message",
        "title",
        "type",
        "authors",
        "version",
        "date-released",
        "license",
        "keywords",
    }
    assert set(citation) <= known | {"doi", "repository-code", "url", "identifiers", "preferred-citation"}
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all({"name"} <= set(a) or {"family-names", "given-names"} <= set(a) for a in citation["authors"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(citation["date-released"]))


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", text, re.MULTILINE).groups()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert version == hmm_core.__version__ and date == str(citation["date-released"])


def entries():
    """Key -> text of every entry of the bibliography."""
    text = (ROOT / "paper" / "paper.bib").read_text(encoding="utf-8")
    return dict(re.findall(r"^@\w+\{(\w+),(.*?)^\}$", text, re.DOTALL | re.MULTILINE))


def test_the_paper_cites_what_its_bibliography_has_and_all_of_it():
    paper = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
    assert set(re.findall(r"@(\w+)", paper)) == set(entries())
    for key, body in entries().items():
        assert DOI.search(body), f"{key} has no DOI"
        assert all(re.search(rf"^\s*{field}\s*=", body, re.MULTILINE) for field in ("author", "title", "year")), key


def test_the_paper_has_the_parts_that_the_journal_asks_for():
    _, front, text = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8").split("---\n", 2)
    head = yaml.safe_load(front)
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(head)
    assert (ROOT / "paper" / head["bibliography"]).is_file()
    parts = (
        "Summary",
        "Statement of need",
        "Learning objectives",
        "Instructional design",
        "Adoption",
        "Story",
        "References",
    )
    assert all(re.search(rf"^# {part}", text, re.MULTILINE) for part in parts)
    assert 700 <= len(text.split()) <= 1500


def test_the_workflow_covers_systems_versions_and_weeks():
    path = ROOT / ".github" / "workflows" / "test.yml"
    text, flow = path.read_text(encoding="utf-8"), yaml.safe_load(path.read_text(encoding="utf-8"))
    matrix = flow["jobs"]["versions"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"][0] == PROJECT["requires-python"].removeprefix(">=")
    assert set(matrix["resolution"]) == {"lowest-direct", "highest"}
    assert "schedule" in flow[True] and "have not been run" in text  # YAML reads the key `on` as true
    for name in re.findall(r"\b(?:tests|tools)/\w+\.py", text):
        assert (ROOT / name).is_file(), name
