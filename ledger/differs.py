"""What differs between a message that was recorded and a copy of it: the seven levels, and differences by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

Level = Literal[
    "identical",
    "identical but for transport headers",
    "same content re-encoded",
    "all original parts present, with additions",
    "text contained, links rewritten",
    "parts missing",
    "different",
]

LEVELS: Final[tuple[Level, ...]] = (
    "identical",
    "identical but for transport headers",
    "same content re-encoded",
    "all original parts present, with additions",
    "text contained, links rewritten",
    "parts missing",
    "different",
)
"""From the strongest to the weakest."""

IDENTICAL, TRANSPORT, REENCODED, ADDITIONS, LINKS, MISSING, DIFFERENT = LEVELS

Kind = Literal[
    "added",  # text or a part that was not there
    "changed",  # words
    "header",  # a header field that people read
    "link",  # leads elsewhere
    "markup",  # HTML around the same text and links
    "missing",  # a part
    "moved",  # parts in another order
    "not_compared",  # and why
    "re-encoded",
    "renamed",  # a file
    "replaced",  # a part, by another in its place
    "transport",  # what relays add and change
]

EXCERPT: Final = 200
"""Characters of a text that a difference quotes."""

_END: Final = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. ``where`` is a header's name, a file (``f1``) or another part (``p1``), or empty for the
    message as a whole; ``recorded`` and ``received`` quote both sides, as far as there is something to quote. ``level``
    is the most that a copy which differs in this can reach."""

    level: Level
    kind: Kind
    where: str
    detail: str
    recorded: str | None = None
    received: str | None = None


def weakest(levels: Iterable[Level]) -> Level:
    """The one that says least."""
    return max(levels, key=LEVELS.index)


def excerpt(text: str) -> str:
    """A text on one line; of a long one its beginning, its end and how long it is."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT:
        return line
    return f"{line[: EXCERPT - _END]} … {line[-_END:]} ({len(line):,} characters)"


def unquoted(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """The same without the words of what was kept: who may not read it must not be able to ask for it word by word."""
    return tuple(replace(one, recorded=None) if one.kind in ("changed", "link") else one for one in differences)
