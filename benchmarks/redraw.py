"""How long a reader waits for a slider, measured where she waits: in a browser, from key press to new picture.

    .venv/bin/python benchmarks/redraw.py                          all chapters that have sliders
    .venv/bin/python benchmarks/redraw.py 00 06 --presses 15       two of them
    .venv/bin/python benchmarks/redraw.py --checkout ../before     the same of another checkout, to compare

Needs Chromium (or Chrome) and the environment that `make lab` builds, and nothing else. The script starts JupyterLab by
`make lab` on a free port, opens a chapter, runs all of its cells and finds the sliders. A press is an arrow key on the
focused handle. Its time starts with the event of the key and ends with the first frame after another picture has been
decoded. Only states that were not there before count, so that no cache answers: at its end a slider turns round, and a
neighbour makes a step. Then the handle is dragged along its track for two seconds: how many pictures appear, and how long
after the release the last one comes. No notebook is saved; JupyterLab's settings and the browser's profile are fresh.
"""

import argparse
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
from statistics import median
from typing import Any
from urllib.request import ProxyHandler, build_opener

import websocket  # websocket-client, which JupyterLab's server brings along

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["headless", "disable-gpu", "disable-quic", "no-first-run", "no-proxy-server", "disable-background-networking"]
FLAGS += ["disable-component-update", "disable-sync", "window-size=1400,1000", "remote-debugging-port=0"]
FLAGS += ["no-sandbox"] * (os.geteuid() == 0)  # Chromium refuses to be root with one
NO_AUTOSAVE = {"docmanager-extension/plugin.jupyterlab-settings": {"autosave": False}}
LOCAL = build_opener(ProxyHandler({}))  # 127.0.0.1, past any proxy

# What the page is asked. `cell` is the node of the cell that holds the sliders; pictures are compared by their source.
PAGE = """
window.redraw = {
  notebook: () => [...jupyterapp.shell.widgets('main')].find(w => w.context && w.sessionContext),
  idle: () => redraw.notebook()?.sessionContext?.session?.kernel?.status === 'idle',
  cell: (k) => redraw.notebook().content.widgets[k].node,
  picture: (k) => [...redraw.cell(k).querySelectorAll('.jp-OutputArea img')].at(-1),
  handles: (k) => [...redraw.cell(k).querySelectorAll('.noUi-handle')],
  state: (k) => redraw.handles(k).map(h => h.getAttribute('aria-valuetext')).join(' '),
  label: (h) => h.closest('.widget-slider, .widget-hslider')?.querySelector('.widget-label')?.textContent,
  next: (k) => {  // the seconds from the next key to the next picture, promised as redraw.seconds
    const before = redraw.picture(k)?.src;
    let start = null;
    document.addEventListener('keydown', e => { start = e.timeStamp }, {capture: true, once: true});
    redraw.seconds = new Promise((resolve, reject) => {
      const end = performance.now() + 60000;
      const look = () => {
        const now = redraw.picture(k);
        if (start !== null && now && now.src !== before && now.complete && now.naturalWidth)
          requestAnimationFrame(() => resolve((performance.now() - start) / 1000));
        else if (performance.now() > end) reject(new Error('no new picture within a minute'));
        else requestAnimationFrame(look);
      };
      look();
    });
    redraw.seconds.catch(() => {});  // told when it is asked for
  },
  watch: (k) => {  // how many pictures appear from now on, and when the last one came
    const seen = {pictures: 0, last: null, release: null, stop: false};
    let source = redraw.picture(k)?.src;
    document.addEventListener('mouseup', e => { seen.release = e.timeStamp }, {capture: true, once: true});
    const look = () => {
      const now = redraw.picture(k);
      if (now?.complete && now.src !== source) { source = now.src; seen.pictures += 1; seen.last = performance.now(); }
      if (!seen.stop) requestAnimationFrame(look);
    };
    look();
    window.seen = seen;
  },
};
"""


class Page:
    """One tab, spoken to in the browser's debugging protocol."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=180, suppress_origin=True)
        self.number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (message := json.loads(self.socket.recv())).get("id") != self.number:
            pass  # events
        if "error" in message:
            raise RuntimeError(message["error"]["message"])
        return message["result"]

    def ask(self, javascript: str) -> Any:
        """Value of an expression; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=javascript, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def until(self, javascript: str, what: str, seconds: float = 120.0) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.ask(f"Boolean({javascript})"):
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: not within {seconds:g} s")
            time.sleep(0.05)

    def key(self, name: str) -> None:
        code = {"ArrowLeft": 37, "ArrowRight": 39}[name]
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def mouse(self, kind: str, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


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
def new_folder() -> Iterator[Path]:
    """A place for settings, profile and logs, gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:  # a browser may still write as it ends
        yield Path(name)


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
        # The environment is there, for it runs this script: -o keeps make from building it anew.
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


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A fresh browser with one empty page."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit(f"No browser found: install Chromium, so that one of {', '.join(BROWSERS)} is on the PATH.")
    profile = folder / "profile"
    command = [program, *(f"--{flag}" for flag in FLAGS), f"--user-data-dir={profile}", "about:blank"]
    with (folder / "browser.log").open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    with ended(process):
        port = profile / "DevToolsActivePort"
        for _ in range(300):
            if port.exists() and len(port.read_text().splitlines()) == 2:
                break
            time.sleep(0.1)
        else:
            sys.exit(f"{program} did not start:\n" + (folder / "browser.log").read_text(encoding="utf-8")[-2000:])
        with LOCAL.open(f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list") as answer:
            pages = [entry for entry in json.load(answer) if entry["type"] == "page"]
        page = Page(pages[0]["webSocketDebuggerUrl"])
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        yield page


def open_chapter(page: Page, address: str, path: str) -> list[int]:
    """Open a notebook, run its cells; numbers of those that hold sliders."""
    page.call("Page.navigate", url=f"{address}/lab/tree/{path}?reset")
    page.until("window.jupyterapp?.shell", "JupyterLab opens")
    page.ask(PAGE)
    page.until("redraw.notebook()?.content?.widgets?.length", f"{path} opens")
    page.ask("jupyterapp.shell.activateById(redraw.notebook().id)")
    page.until("redraw.idle()", "the kernel starts")
    start = time.monotonic()
    if not page.ask("jupyterapp.commands.execute('notebook:run-all-cells')"):
        raise RuntimeError("a cell failed")
    page.until("redraw.idle()", "all cells have run")
    print(f"{path}: all cells ran without error, {time.monotonic() - start:.0f} s", flush=True)
    with_widgets = page.ask(
        """redraw.notebook().content.widgets.map((cell, k) => [k, cell.model.type === 'code' &&
            cell.model.sharedModel.outputs.some(o => 'application/vnd.jupyter.widget-view+json' in (o.data ?? {}))])
            .filter(([k, there]) => there).map(([k]) => k)"""
    )
    return [k for k in with_widgets if show(page, k)]


def show(page: Page, cell: int) -> bool:
    """Scroll a cell into view; whether it holds sliders."""
    page.ask(f"redraw.notebook().content.activeCellIndex = {cell}")
    page.ask(f"redraw.notebook().content.scrollToItem({cell}, 'start')")
    time.sleep(1.5)
    return page.ask(f"redraw.handles({cell}).length > 0")


def settle(page: Page) -> None:
    page.until("redraw.idle()", "the kernel rests")
    time.sleep(0.3)


def presses(page: Page, cell: int, slider: int, count: int, seen: set[str]) -> list[float]:
    """Seconds from key press to new picture, of states that have not been seen."""
    handle, direction, times = f"redraw.handles({cell})[%d]", "ArrowRight", []

    def press(which: int, key: str) -> float:
        page.ask(f"{handle % which}.focus({{preventScroll: true}})")
        page.ask(f"redraw.next({cell})")
        page.key(key)
        seconds = page.ask("redraw.seconds")
        settle(page)
        return seconds

    def at_end(which: int, key: str) -> bool:
        end = "max" if key == "ArrowRight" else "min"
        return page.ask(f"(h => Number(h.ariaValueNow) === Number(h.ariaValue{end.title()}))({handle % which})")

    sliders = page.ask(f"redraw.handles({cell}).length")
    neighbour, sideways = (slider + 1) % sliders, "ArrowRight"
    for _ in range(20 * count):
        if len(times) == count:
            break
        if at_end(slider, direction):
            direction = "ArrowLeft" if direction == "ArrowRight" else "ArrowRight"
            if sliders > 1:
                if at_end(neighbour, sideways):
                    sideways = "ArrowLeft" if sideways == "ArrowRight" else "ArrowRight"
                press(neighbour, sideways)
                seen.add(page.ask(f"redraw.state({cell})"))
        seconds, state = press(slider, direction), page.ask(f"redraw.state({cell})")
        if state not in seen:
            times.append(seconds)
        seen.add(state)
    return times


def drag(page: Page, cell: int, slider: int, seconds: float = 2.0, moves: int = 60) -> tuple[int, float]:
    """Pull a handle to the far end of its track: number of pictures, and when the last one came after the release."""
    track = page.ask(
        f"""(h => {{ const t = h.closest('.noUi-target').getBoundingClientRect(), r = h.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2, t.x, t.right] }})(redraw.handles({cell})[{slider}])"""
    )
    x, y, low, high = track
    to = high if high - x > x - low else low
    page.ask(f"redraw.watch({cell})")
    page.mouse("mousePressed", x, y)
    for k in range(1, moves + 1):
        page.mouse("mouseMoved", x + (to - x) * k / moves, y)
        time.sleep(seconds / moves)
    page.mouse("mouseReleased", to, y)
    settle(page)
    time.sleep(1.0)
    settle(page)
    seen = page.ask("(seen.stop = true, seen)")
    return seen["pictures"], max(0.0, (seen["last"] or seen["release"]) - seen["release"]) / 1000


def report(page: Page, address: str, path: str, count: int) -> None:
    """Measure one chapter and print what was found."""
    every = []
    for cell in open_chapter(page, address, path):
        show(page, cell)
        seen = {page.ask(f"redraw.state({cell})")}
        for slider in range(page.ask(f"redraw.handles({cell}).length")):
            label = page.ask(f"redraw.label(redraw.handles({cell})[{slider}])")
            times = presses(page, cell, slider, count, seen)
            every += times
            pictures, late = drag(page, cell, slider)
            print(
                f"  {label:40} {median(times):.2f} s ({min(times):.2f} to {max(times):.2f}, {len(times)} presses); "
                f"dragged: {pictures} pictures, the last {late:.2f} s after the release",
                flush=True,
            )
    print(f"  {'all sliders':40} {median(every):.2f} s" if every else "  no sliders", flush=True)


def main() -> None:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", help="how their names start, e.g. 00 06 (default: all)")
    parser.add_argument("--presses", type=int, default=9, help="timed presses of every slider (default %(default)s)")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose chapters (default: this one's)")
    options = parser.parse_args()
    checkout = options.checkout.resolve()
    notebooks = [
        path.relative_to(checkout).as_posix()
        for path in sorted((checkout / "notebooks").glob("*.ipynb"))
        if not options.chapters or path.name.startswith(tuple(options.chapters))
    ]
    if not notebooks:
        parser.error(f"no notebook of {checkout} starts with {' or '.join(options.chapters)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what it started ends with it
    for path in notebooks:
        with new_folder() as folder, browser(folder) as page, lab(checkout, folder) as address:
            try:
                report(page, address, path, options.presses)
            except (RuntimeError, websocket.WebSocketException) as error:
                sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    main()
