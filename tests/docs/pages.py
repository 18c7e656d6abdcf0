"""Reading the pages in docs/, for tests that hold them to the code."""

from __future__ import annotations

from tests.helpers import HOUSE


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of a page in docs/, without its two head rows."""
    section = (HOUSE / "docs" / page).read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]
