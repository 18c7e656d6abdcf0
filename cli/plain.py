"""Text for a terminal, without a library: what `postseal verify` prints with, and what all commands clean text with."""

from __future__ import annotations

import re
from typing import Any, Final

RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
BOLD: Final = "1"
DIM: Final = "2"

# Letters that turn the direction of what follows could make a line say what it does not (a file called "exe.fdp").
_TURNS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """One line that a terminal cannot be moved by, whoever wrote it."""
    visible = _TURNS.sub("\N{REPLACEMENT CHARACTER}", text)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in visible)


def colour(stream: Any) -> bool:
    """Whether to colour what goes to ``stream``."""
    return bool(stream.isatty())


def paint(text: str, *codes: str, on: bool) -> str:
    """Text in a colour, where colours are on."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if on and codes else text


def moment(at: str) -> str:
    """A ledger's time to the second, in UTC and saying so: ``2026-11-23T04:49:56Z``."""
    return at[:19] + "Z"


def octets(size: int) -> str:
    """``12 B``, ``3.4 KB``: for people; what is proved is the exact number."""
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("unreachable")


def plural(count: int, noun: str) -> str:
    """``1 file``, ``2 files``, ``3 entries``."""
    if count == 1:
        return f"{count:,} {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{count:,} {noun}s"
