"""Docstrings of the library as reStructuredText: they are written to be read as they stand, with formulas in plain letters.

A paragraph that is indented, or set in columns, stays as it is set. A title underlined with hyphens ("Parameters", "Raises")
becomes one, and below it every line at the margin starts an entry. All else is text, in which nothing is a mark but ``code``.
"""

import re


def to_rst(lines: list[str]) -> None:
    """Rewrite a docstring's lines in place."""
    text = "\n".join(lines).strip("\n")
    paragraphs, section = [part for part in re.split(r"\n\s*\n", text) if part.strip()], False
    result: list[str] = []
    for paragraph in paragraphs:
        first, _, rest = paragraph.partition("\n")
        underline, _, below = rest.partition("\n")
        if re.fullmatch(r"[A-Z]\w+", first) and re.fullmatch(r"-{3,}", underline):
            result += [f".. rubric:: {first}", ""]
            section, paragraph = True, below
        if not paragraph.strip():
            continue
        if not paragraph.startswith(" ") and (section or is_list(paragraph)):
            result += entries(paragraph)
        elif set_as_it_stands(paragraph):
            result += ["::", "", *(f"    {line}" for line in paragraph.splitlines()), ""]
        else:
            section = section and paragraph.startswith(" ")
            result += [plain(line.strip()) if section else plain(line) for line in paragraph.splitlines()] + [""]
    lines[:] = result


def set_as_it_stands(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    columns = sum(bool(re.search(r"\S {2,}\S", line)) for line in lines)
    hanging = not lines[0].startswith(" ") and any(line.startswith("    ") for line in lines)
    return all(line.startswith("    ") for line in lines) or hanging or columns >= max(1, len(lines) / 2)


def is_list(paragraph: str) -> bool:
    """Whether every line at the margin is ``name : what it is``."""
    return all(re.match(r"[\w, .*]+ : ", line) for line in paragraph.splitlines() if not line.startswith(" "))


def entries(paragraph: str) -> list[str]:
    """``name : what it is`` with its further lines, each a point of a list."""
    result: list[str] = []
    for line in paragraph.splitlines():
        if line.startswith(" "):
            result.append(f"  {plain(line.strip())}")
            continue
        name, colon, what = line.partition(" : ")
        result.append(f"* **{plain(name)}** – {plain(what)}" if colon else f"* **{plain(line)}**")
    return [*result, ""]


def plain(text: str) -> str:
    """No marks but ``code``."""
    parts = re.split(r"(``.+?``)", text)
    return "".join(part if part.startswith("``") else re.sub(r"([\\*|`_])", r"\\\1", part) for part in parts)
