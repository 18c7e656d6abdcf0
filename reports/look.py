"""Sizes, weights and colours of certificates. Calm, and as clear where it is printed in black."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.claims import Paper
from reports.blocks import Sort, Tone
from reports.script import Style

MM: Final = 72 / 25.4
PAGES: Final[Mapping[Paper, tuple[float, float]]] = {"a4": (210 * MM, 297 * MM), "letter": (612.0, 792.0)}

INK: Final = (0.11, 0.13, 0.16)
GREY: Final = (0.36, 0.39, 0.43)
ACCENT: Final = (0.05, 0.26, 0.36)
LINE: Final = (0.80, 0.82, 0.84)
PALE: Final = (0.93, 0.945, 0.95)
WARN: Final = (0.66, 0.24, 0.10)

WORDMARK: Final = Style("strong", 10.5, 13, ACCENT)
TITLE: Final = Style("strong", 22, 26, INK)
SECTION: Final = Style("strong", 11.5, 15, ACCENT)
LEAD: Final = Style("strong", 11.5, 16.5, INK)
BODY: Final = Style("text", 9.5, 13.2, INK)
STRONG: Final = Style("strong", 9.5, 13.2, INK)
DIM: Final = Style("text", 8.8, 12.4, GREY)
SMALL: Final = Style("text", 8.5, 12, INK)
CELL: Final = Style("text", 8.3, 11.4, INK)
CELL_CODE: Final = Style("code", 8, 11.4, INK)
NOTE: Final = Style("text", 7.4, 10, GREY)
HEAD: Final = Style("strong", 8, 11, INK)

TONES: Final[Mapping[Tone, Style]] = {"body": BODY, "dim": DIM, "lead": LEAD, "small": SMALL}

MARKS: Final[Mapping[Sort, tuple[float, float, float]]] = {
    "access": (0.66, 0.24, 0.10),
    "block": (0.11, 0.13, 0.16),
    "delivery": (0.05, 0.42, 0.40),
    "denied": (0.66, 0.24, 0.10),
    "lost": (0.66, 0.24, 0.10),
    "other": (0.55, 0.58, 0.61),
}
"""Told apart by their shapes as well."""
