"""Slides in a real browser with the network closed: quiet, formulas set, one after the other by the space bar."""

import slides
from browser import ROOT, ask, press, until

CLOSED = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}


def test_slides_need_no_network(page):
    (chapter,) = (ROOT / "notebooks").glob("05_*.ipynb")
    assert slides.main([str(chapter)]) == 0
    page.get("about:blank")
    page.get_log("browser")
    page.execute_cdp_cmd("Network.enable", {})
    page.execute_cdp_cmd("Network.emulateNetworkConditions", CLOSED)
    try:
        page.get((slides.SLIDES / f"{chapter.stem}.slides.html").as_uri())
        until(page, "document.querySelector('.reveal.ready')", "the slides are ready", 30)
        until(page, "window.MathJax?.Hub?.queue.pending === 0", "formulas are set", 60)
        assert ask(page, "MathJax.Hub.getAllJax().length") > 50
        seen = set()
        for _ in range(10):
            seen.add(ask(page, "document.querySelector('.slides section.present section.present').textContent"))
            press(page, " ")
        assert len(seen) > 5  # pictures have no text, and a fragment stays on its slide
        assert [entry["message"] for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    finally:
        page.execute_cdp_cmd(
            "Network.emulateNetworkConditions",
            CLOSED | {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1},
        )
