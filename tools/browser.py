"""A browser, and JupyterLab in it: what the tests in a real browser and the benchmark of the sliders share.

Needs Chromium and ChromeDriver (Debian: chromium, chromium-driver), driven by Selenium.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site" / "html"  # where `make site` puts it
LITE = ROOT / "build" / "lite" / "site"  # and `make lite`
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["headless", "disable-gpu", "disable-quic", "no-first-run", "no-proxy-server", "disable-background-networking"]
FLAGS += ["disable-component-update", "disable-sync", "window-size=1400,1000"]
FLAGS += ["no-sandbox"] * (os.geteuid() == 0)  # Chromium refuses to be root with one
NO_AUTOSAVE = {"docmanager-extension/plugin.jupyterlab-settings": {"autosave": False}}
LOCAL = build_opener(ProxyHandler({}))  # 127.0.0.1, past any proxy

# What JupyterLab is asked. `cell` is the node of the cell that holds the sliders; pictures are compared by their source.
PAGE = """
window.lab = {
  notebook: () => [...jupyterapp.shell.widgets('main')].find(w => w.context && w.sessionContext),
  idle: () => lab.notebook()?.sessionContext?.session?.kernel?.status === 'idle',
  cell: (k) => lab.notebook().content.widgets[k].node,
  picture: (k) => [...lab.cell(k).querySelectorAll('.jp-OutputArea img')].at(-1),
  handles: (k) => [...lab.cell(k).querySelectorAll('.noUi-handle')],
  state: (k) => lab.handles(k).map(h => h.getAttribute('aria-valuetext')).join(' '),
  label: (h) => h.closest('.widget-slider, .widget-hslider')?.querySelector('.widget-label')?.textContent,
  next: (k) => {  // the seconds from the next key to the next picture, promised as lab.seconds
    const before = lab.picture(k)?.src;
    let start = null;
    document.addEventListener('keydown', e => { start = e.timeStamp }, {capture: true, once: true});
    lab.seconds = new Promise((resolve, reject) => {
      const end = performance.now() + 60000;
      const look = () => {
        const now = lab.picture(k);
        if (start !== null && now && now.src !== before && now.complete && now.naturalWidth)
          requestAnimationFrame(() => resolve((performance.now() - start) / 1000));
        else if (performance.now() > end) reject(new Error('no new picture within a minute'));
        else requestAnimationFrame(look);
      };
      look();
    });
    lab.seconds.catch(() => {});  // told when it is asked for
  },
  watch: (k) => {  // how many pictures appear from now on, and when the last one came
    const seen = {pictures: 0, last: null, release: null, stop: false};
    let source = lab.picture(k)?.src;
    document.addEventListener('mouseup', e => { seen.release = e.timeStamp }, {capture: true, once: true});
    const look = () => {
      const now = lab.picture(k);
      if (now?.complete && now.src !== source) { source = now.src; seen.pictures += 1; seen.last = performance.now(); }
      if (!seen.stop) requestAnimationFrame(look);
    };
    look();
    window.seen = seen;
  },
};
"""


class Missing(RuntimeError):
    """There is no browser, or it did not start."""


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """A fresh browser with one empty page. Raises ``Missing`` with what to install."""
    program, driver = next(filter(None, map(shutil.which, BROWSERS)), None), shutil.which("chromedriver")
    if program is None or driver is None:
        raise Missing(
            f"No browser found: install Chromium and ChromeDriver, so that one of {', '.join(BROWSERS)} is on the PATH."
        )
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    page = webdriver.Chrome(options=options, service=Service(driver))
    try:
        page.set_script_timeout(180)
        page.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        yield page
    finally:
        page.quit()


def ask(page: webdriver.Chrome, javascript: str) -> Any:
    """Value of an expression; promises are awaited."""
    return page.execute_script(f"return ({javascript})")


def until(page: webdriver.Chrome, javascript: str, what: str, seconds: float = 120.0) -> None:
    """Wait until an expression is true."""
    waiting = WebDriverWait(page, seconds, poll_frequency=0.05)
    waiting.until(lambda page: ask(page, f"Boolean({javascript})"), f"{what}: not within {seconds:g} s")


def press(page: webdriver.Chrome, *keys: str) -> None:
    """Keys, for what has the focus."""
    ActionChains(page, duration=0).send_keys(*keys).perform()


@contextmanager
def new_folder() -> Iterator[Path]:
    """A place for settings and logs, gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def ended(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """A process and its children, which end with the block."""
    try:
        yield process
    finally:
        for end in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, end)
                process.wait(timeout=10)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def lab(checkout: Path, folder: Path) -> Iterator[str]:
    """JupyterLab as ``make lab`` starts it; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "settings"
    for name, values in NO_AUTOSAVE.items():
        path = settings / "@jupyterlab" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    arguments = ["--no-browser", f"--port={port}", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    arguments += ["--allow-root"] * (os.geteuid() == 0)
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "PYTHONPATH": str(checkout),  # the kernel imports this checkout, wherever the environment was installed from
    }
    log = folder / "lab.log"
    with log.open("w") as stream:
        # The environment is there, for it runs this: -o keeps make from building it anew.
        command = ["make", "-o", ".venv/.ready", "lab", f"LAB_ARGS={' '.join(arguments)}"]
        process = subprocess.Popen(
            command, cwd=checkout, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    with ended(process):
        for _ in range(600):
            if process.poll() is not None:
                break
            try:
                LOCAL.open(f"{address}/api/status", timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            process.poll()
        if process.returncode is not None:
            sys.exit("JupyterLab did not start:\n" + log.read_text(encoding="utf-8")[-2000:])
        yield address


def open_notebook(page: webdriver.Chrome, address: str, path: str) -> None:
    """Open a notebook and wait until its kernel rests."""
    page.get(f"{address}/lab/tree/{path}?reset")
    until(page, "window.jupyterapp?.shell", "JupyterLab opens")
    page.execute_script(PAGE)
    until(page, "lab.notebook()?.content?.widgets?.length", f"{path} opens")
    ask(page, "jupyterapp.shell.activateById(lab.notebook().id)")
    until(page, "lab.idle()", "the kernel starts")


def run_all(page: webdriver.Chrome) -> None:
    """Run all cells. Raises RuntimeError if one fails."""
    if not ask(page, "jupyterapp.commands.execute('notebook:run-all-cells')"):
        raise RuntimeError("a cell failed")
    until(page, "lab.idle()", "all cells have run")


def slider_cells(page: webdriver.Chrome) -> list[int]:
    """Numbers of the cells that hold sliders."""
    with_widgets = ask(
        page,
        """lab.notebook().content.widgets.map((cell, k) => [k, cell.model.type === 'code' &&
            cell.model.sharedModel.outputs.some(o => 'application/vnd.jupyter.widget-view+json' in (o.data ?? {}))])
            .filter(([k, there]) => there).map(([k]) => k)""",
    )
    return [k for k in with_widgets if show(page, k)]


def show(page: webdriver.Chrome, cell: int) -> bool:
    """Scroll a cell into view; whether it holds sliders."""
    page.execute_script(f"lab.notebook().content.activeCellIndex = {cell}")
    ask(page, f"lab.notebook().content.scrollToItem({cell}, 'start')")
    time.sleep(1.5)
    return ask(page, f"lab.handles({cell}).length > 0")


def settle(page: webdriver.Chrome) -> None:
    until(page, "lab.idle()", "the kernel rests")
    time.sleep(0.3)


def nudge(page: webdriver.Chrome, cell: int, slider: int, key: str) -> float:
    """Press a key on a slider's handle: seconds from the key to the next picture."""
    ask(page, f"lab.handles({cell})[{slider}].focus({{preventScroll: true}})")
    page.execute_script(f"lab.next({cell})")
    press(page, key)
    seconds = ask(page, "lab.seconds")
    settle(page)
    return seconds


def at_end(page: webdriver.Chrome, cell: int, slider: int, upper: bool) -> bool:
    end = "Max" if upper else "Min"
    return ask(page, f"(h => Number(h.ariaValueNow) === Number(h.ariaValue{end}))(lab.handles({cell})[{slider}])")
