"""What the pages in a browser take from npm: exact versions, fetched once into build/. No lock file, for it would name a host."""

import json
import shutil
import subprocess
from pathlib import Path


class NotFetched(RuntimeError):
    """npm is missing or did not bring the packages."""


def fetched(wanted: Path, home: Path) -> Path:
    """``home``/node_modules, with what the file ``wanted`` names, a package.json; npm is asked only if something is missing.

    Raises ``NotFetched``.
    """
    kept, modules = home / "package.json", home / "node_modules"
    names = json.loads(wanted.read_text(encoding="utf-8"))["dependencies"]
    same = kept.exists() and kept.read_bytes() == wanted.read_bytes()
    if same and all((modules / name / "package.json").exists() for name in names):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetched(f"npm is missing, which brings {', '.join(names)}")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(wanted, kept)
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(command, cwd=home).returncode:
        kept.unlink()  # so that the next call asks again
        raise NotFetched(f"npm did not bring {', '.join(names)}")
    return modules
