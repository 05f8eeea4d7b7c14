"""The site in a real browser: every page quiet, fit for all readers and for a telephone; formulas, steppers and search work."""

import pytest
from browser import ROOT, SITE, ask, until

PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if "_static" not in path.parts)
AXE = ROOT / "build" / "site" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """axe.run(document, Object.assign({resultTypes: ['violations']}, %s)).then(found => found.violations
    .filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + n.failureSummary).join(' | ')))"""


def opened(page, address: str) -> list[str]:
    """Open a page, wait for its formulas; what it complained about."""
    page.get("about:blank")  # what the last page still says is its own
    page.get_log("browser")
    page.get(address)
    until(page, "document.readyState === 'complete'", "the page loads", 30)
    ask(page, "window.MathJax?.startup?.promise ?? null")
    return [entry["message"] for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def test_there_are_pages():
    assert len(PAGES) > 40 and {"index.html", "bibliography.html", "api/micro.html"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_and_fit_for_all(page, site, name):
    page.set_window_size(1300, 1000)
    assert opened(page, f"{site}/{name}") == []
    assert ask(page, "document.querySelectorAll('mjx-merror').length") == 0
    page.execute_script(AXE.read_text(encoding="utf-8"))
    page.execute_script(
        "document.head.append(Object.assign(document.createElement('style'), {textContent: arguments[0]}))",
        "* { transition: none !important }",
    )  # or colours on their way are looked at
    for theme, rules in (
        ("light", "{}"),
        ("dark", "{runOnly: ['color-contrast']}"),
    ):  # the dark differs in colours only
        page.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        assert ask(page, SERIOUS % rules) == [], theme
    page.set_window_size(390, 900)
    width = ask(page, "[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], "wider than a telephone"


def test_formulas_are_set(page, site):
    opened(page, f"{site}/notebooks/06_error_analysis.html")
    assert ask(page, "document.querySelectorAll('mjx-container').length") > 50


@pytest.mark.parametrize("name", [name for name in PAGES if 'class="frames"' in (SITE / name).read_text("utf-8")])
def test_a_demo_steps_through_its_pictures(page, site, name):
    opened(page, f"{site}/{name}")
    for number in range(ask(page, "document.querySelectorAll('.frames').length")):
        box = f"document.querySelectorAll('.frames')[{number}]"
        for control in range(ask(page, f"{box}.querySelectorAll('option').length")):
            page.execute_script(f"""const s = {box}.querySelector('select'); s.value = {control};
                s.dispatchEvent(new Event('change'))""")
            seen = set()
            for value in range(ask(page, f"Number({box}.querySelector('input').max)") + 1):
                page.execute_script(f"""const i = {box}.querySelector('input'); i.value = {value};
                    i.dispatchEvent(new Event('input'))""")
                until(page, f"(i => i.complete && i.naturalWidth > 100)({box}.querySelector('img'))", "a picture", 10)
                seen.add(ask(page, f"{box}.querySelector('img').src + {box}.querySelector('output').textContent"))
            assert len(seen) == value + 1 > 1


def test_search_finds(page, site):
    opened(page, f"{site}/search.html?q=oversampling")
    until(page, "document.querySelectorAll('#search-results li a').length > 3", "results of the search", 30)
    found = ask(page, "[...document.querySelectorAll('#search-results li a')].map(a => a.getAttribute('href'))")
    assert any("05_boundary_conditions" in link for link in found)
