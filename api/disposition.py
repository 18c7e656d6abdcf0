"""`Content-Disposition` (RFC 6266, 8187) for a file whose name a stranger chose.

Whatever the name is, it stays one header of visible ASCII, and a name in the directory that the reader saves to: no
path, no hidden file, nothing that turns the direction of what follows it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

LONGEST: Final = 120
"""Characters of a name; what ends it, such as ``.pdf``, is kept."""

_ASCII: Final = re.compile(r"[^A-Za-z0-9 ._()-]")
_SEPARATORS: Final = re.compile(r'[/\\:*?"<>|]')
_HARMFUL: Final = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
"""Categories of Unicode that show nothing, or move what is shown."""


def attachment(name: str | None, otherwise: str) -> str:
    """The header's value. ``otherwise`` is what a file without a usable name is called."""
    said = _clean(name or "") or otherwise
    plain = _ASCII.sub("_", said)
    value = f'attachment; filename="{plain}"'
    return value if plain == said else f"{value}; filename*=UTF-8''{quote(said, safe='')}"


def _clean(name: str) -> str:
    said = "".join("_" if unicodedata.category(c) in _HARMFUL else c for c in unicodedata.normalize("NFC", name))
    # A leading dot hides a file, one at the end is dropped by some systems, and with it what the name seemed to be.
    said = _SEPARATORS.sub("_", said).strip(" .")
    if not said.strip("_ ."):
        return ""
    stem, dot, ending = said.rpartition(".")
    if len(said) > LONGEST and stem and len(ending) <= 16:
        return stem[: LONGEST - len(ending) - 1] + dot + ending
    return said[:LONGEST]
