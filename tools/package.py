"""What a user installs, tried as a user would: the built wheel and source archive, each in an empty environment.

    python tools/package.py            build both, install each with its dependencies, run the README's ten lines

It needs the network, for the dependencies and for `build` (pip install build). ``tests/test_package.py`` looks into the
wheel without either.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def ten_lines() -> tuple[str, str]:
    """The README's first example, and what the README says that it prints."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code, said = (
        re.search(rf"^```{kind}\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE) for kind in ("python", "text")
    )
    return code[1], said[1]


def tried(archive: Path, folder: Path) -> str:
    """What the ten lines print after the archive alone has been installed into an empty environment."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", archive]
    subprocess.run(install, check=True, cwd=folder)
    script = folder / "ten_lines.py"
    script.write_text(ten_lines()[0], encoding="utf-8")
    run = subprocess.run([python, "-W", "error", script], cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout


def main() -> int:
    """Build, install, run, compare. Returns the number of archives that failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch) / "dist"
        build = [sys.executable, "-m", "build", "--outdir", built, ROOT]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        for archive in sorted(built.iterdir()):
            said = tried(archive, Path(scratch) / archive.suffix.strip("."))
            right = said == ten_lines()[1]
            failed += not right
            result = "the ten lines run as in README.md" if right else f"the ten lines print {said!r}"
            print(f"{archive.name} ({archive.stat().st_size / 1024:.0f} kB): {result}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
