"""The README's example runs as pasted and prints what the README says; its links lead somewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks.table import Row, as_markdown  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_the_example_runs_as_pasted(tmp_path):
    script = tmp_path / "example.py"
    script.write_text("".join(blocks("python")), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "".join(blocks("text"))
    assert run.stderr == ""


def test_the_example_has_ten_lines():
    first = blocks("python")[0]
    assert sum(bool(line.strip()) for line in first.splitlines()) == 10


LINKS = [link for link in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in link]


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link):
    """To a file or folder, and to a heading of it by its words in small letters."""
    path, _, anchor = link.partition("#")
    assert (ROOT / path).exists()
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
    assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_the_map_is_true():
    rows = re.findall(r"^\| (`\w+/`(?:, `\w+/`)*) \|", README, re.MULTILINE)
    named = [folder for row in rows for folder in re.findall(r"`(\w+)/`", row)]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(named) == sorted({line.split("/")[0] for line in tracked if "/" in line and line[0] != "."})


def test_the_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z-]+)(?=[ `;])", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"README names `make {target}`"


def test_the_benchmarks_have_their_place():
    assert 0 < README.find("<!-- benchmarks:begin -->") < README.find("<!-- benchmarks:end -->")
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    rows = [Row(**row) for row in results["rows"]]
    assert as_markdown(rows, results, results["summary"]) in README, "the table is not that of results.json"
