"""The pictures of the site in the README: python docs/make_screenshots.py, after `make site`, writes docs/site.png.

Landing page, a chapter, a demo, and the landing page on a telephone in the dark. Needs Chromium and ChromeDriver.
"""

import io
import sys
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from browser import SITE, browser  # noqa: E402

CHAPTER = "notebooks/05_boundary_conditions.html"
SHOTS = (("index.html", (1280, 900), None), (CHAPTER, (1280, 900), "h1"), (CHAPTER, (1280, 900), ".frames"))
HEIGHT, GAP = 420, 12


def main() -> None:
    with browser() as page:

        def shot(name: str, size: tuple[int, int], place: str | None, theme: str = "light") -> Image.Image:
            page.set_window_size(*size)
            page.get((SITE / name).as_uri())
            page.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
            time.sleep(2)
            if place:
                page.execute_script(f"document.querySelector('{place}').scrollIntoView({{block: 'center'}})")
                time.sleep(1)
            picture = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
            return picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS)

        pictures = [shot(*what) for what in SHOTS] + [shot("index.html", (500, 1000), None, "dark")]
    # two rows, as wide as the wider one
    rows = [pictures[:2], pictures[2:]]
    width = max(sum(p.width for p in row) + GAP * (len(row) - 1) for row in rows)
    sheet = Image.new("RGB", (width, 2 * HEIGHT + GAP), "white")
    for k, row in enumerate(rows):
        left = 0
        for picture in row:
            sheet.paste(picture, (left, k * (HEIGHT + GAP)))
            left += picture.width + GAP
    sheet.quantize(128).save(ROOT / "docs" / "site.png", optimize=True)


if __name__ == "__main__":
    main()
