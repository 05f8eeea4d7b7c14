"""A browser for the tests of this folder, and the site that they look at. ``make test`` needs neither."""

import functools
import sys
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
pytest.importorskip("selenium", reason="make test-browser installs it")


from browser import LITE, SITE, browser  # noqa: E402


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def page():
    with browser() as page:
        yield page


@contextmanager
def served(folder: Path):
    """Address at which a folder can be read."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def site():
    """Address of the site as it was built."""
    if not (SITE / "index.html").exists():
        pytest.fail("there is no site to look at: make site")
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def lite():
    """Address of the JupyterLite as it was built."""
    if not (LITE / "lab" / "index.html").exists():
        pytest.fail("there is nothing to look at: make lite")
    with served(LITE) as address:
        yield address
