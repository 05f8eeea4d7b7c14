"""How long a reader waits for a slider, measured where she waits: in a browser, from key press to new picture.

    .venv/bin/python benchmarks/redraw.py                          all chapters that have sliders
    .venv/bin/python benchmarks/redraw.py 00 06 --presses 15       two of them
    .venv/bin/python benchmarks/redraw.py --checkout ../before     the same of another checkout, to compare

Needs Chromium (or Chrome), ChromeDriver and the environment that `make test-browser` builds. The script starts JupyterLab by
`make lab` on a free port, opens a chapter, runs all of its cells and finds the sliders. A press is an arrow key on the
focused handle. Its time starts with the event of the key and ends with the first frame after another picture has been
decoded. Only states that were not there before count, so that no cache answers: at its end a slider turns round, and a
neighbour makes a step. Then the handle is dragged along its track for two seconds: how many pictures appear, and how long
after the release the last one comes. No notebook is saved; JupyterLab's settings and the browser's profile are fresh.
"""

import argparse
import signal
import sys
import time
from pathlib import Path
from statistics import median

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.keys import Keys

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from browser import (  # noqa: E402
    Missing,
    ask,
    at_end,
    browser,
    lab,
    new_folder,
    nudge,
    open_notebook,
    run_all,
    settle,
    show,
    slider_cells,
)


def open_chapter(page: Chrome, address: str, path: str) -> list[int]:
    """Open a notebook, run its cells; numbers of those that hold sliders."""
    open_notebook(page, address, path)
    start = time.monotonic()
    run_all(page)
    print(f"{path}: all cells ran without error, {time.monotonic() - start:.0f} s", flush=True)
    return slider_cells(page)


def presses(page: Chrome, cell: int, slider: int, count: int, seen: set[str]) -> list[float]:
    """Seconds from key press to new picture, of states that have not been seen."""
    upwards, sideways, times = True, True, []
    sliders = ask(page, f"lab.handles({cell}).length")
    neighbour = (slider + 1) % sliders

    def press(which: int, up: bool) -> float:
        return nudge(page, cell, which, Keys.ARROW_RIGHT if up else Keys.ARROW_LEFT)

    for _ in range(20 * count):
        if len(times) == count:
            break
        if at_end(page, cell, slider, upwards):
            upwards = not upwards
            if sliders > 1:
                if at_end(page, cell, neighbour, sideways):
                    sideways = not sideways
                press(neighbour, sideways)
                seen.add(ask(page, f"lab.state({cell})"))
        seconds, state = press(slider, upwards), ask(page, f"lab.state({cell})")
        if state not in seen:
            times.append(seconds)
        seen.add(state)
    return times


def drag(page: Chrome, cell: int, slider: int, seconds: float = 2.0, moves: int = 60) -> tuple[int, float]:
    """Pull a handle to the far end of its track: number of pictures, and when the last one came after the release."""
    x, y, low, high = ask(
        page,
        f"""(h => {{ const t = h.closest('.noUi-target').getBoundingClientRect(), r = h.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2, t.x, t.right] }})(lab.handles({cell})[{slider}])""",
    )
    to = high if high - x > x - low else low
    page.execute_script(f"lab.watch({cell})")
    actions = ActionBuilder(page, duration=round(1000 * seconds / moves))
    actions.pointer_action.move_to_location(round(x), round(y)).pointer_down()
    for k in range(1, moves + 1):
        actions.pointer_action.move_to_location(round(x + (to - x) * k / moves), round(y))
    actions.pointer_action.pointer_up()
    actions.perform()
    settle(page)
    time.sleep(1.0)
    settle(page)
    seen = ask(page, "(seen.stop = true, seen)")
    return seen["pictures"], max(0.0, (seen["last"] or seen["release"]) - seen["release"]) / 1000


def report(page: Chrome, address: str, path: str, count: int) -> None:
    """Measure one chapter and print what was found."""
    every = []
    for cell in open_chapter(page, address, path):
        show(page, cell)
        seen = {ask(page, f"lab.state({cell})")}
        for slider in range(ask(page, f"lab.handles({cell}).length")):
            label = ask(page, f"lab.label(lab.handles({cell})[{slider}])")
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
        try:
            with new_folder() as folder, browser() as page, lab(checkout, folder) as address:
                report(page, address, path, options.presses)
        except Missing as error:
            sys.exit(str(error))
        except (RuntimeError, WebDriverException) as error:
            sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    main()
