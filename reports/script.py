"""Text that strangers wrote, as lines that say no more and no less than it does.

Nothing in it is an instruction: there is no markup, and characters that are not seen, or that change the order of
others, stand as their numbers, `<U+202E>`. So does a character that no font has. What is longer than its limit is cut,
and the line says by how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import regex

from reports.fonts import Kind, first
from reports.paragraph import Paragraph, Piece
from reports.shaping import Run, run

LIMIT: Final = 2_000
"""Characters that are set of one text, unless another limit is asked for."""

_ROUNDED: Final = 0.5
"""Thousandths of the size by which a line may be too long, because widths are sums."""

_JOINED: Final = "".join(
    rf"\p{{Script={name}}}"
    for name in (
        *("Arabic", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada"),
        *("Malayalam", "Sinhala", "Myanmar", "Khmer"),
    )
)
_UNSEEN: Final = regex.compile(
    rf"""
    (?<=[{_JOINED}]\p{{M}}*)[\u200c\u200d](?=[{_JOINED}])(*SKIP)(*FAIL)        # spelling, in these scripts
    | (?<=\p{{Extended_Pictographic}}[\ufe0f\p{{Emoji_Modifier}}]*)\u200d(?=\p{{Extended_Pictographic}})(*SKIP)(*FAIL)
    | (?<=\p{{Emoji}})[\ufe0e\ufe0f](*SKIP)(*FAIL)
    | [[\p{{C}}\p{{Z}}\p{{Default_Ignorable_Code_Point}}\u2800]--[\ \u00a0\u202f\u3000]]
    | (?<=[\p{{Latin}}\p{{Greek}}\p{{Cyrillic}}\p{{Common}}]\p{{M}}{{2}})\p{{M}}+  # or other lines are reached
    | (?<=\p{{M}}{{4}})\p{{M}}+
    | (?<![\p{{L}}\p{{N}}\p{{P}}\p{{S}}\p{{M}}])\p{{M}}+  # with nothing to stand on
    """,
    regex.VERBOSE | regex.V1,
)


class Style(NamedTuple):
    face: Kind = "text"
    size: float = 9.0
    leading: float = 12.0
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Line(NamedTuple):
    """``text`` in the order in which it is read, ``runs`` from left to right, ``width`` in points."""

    text: str
    style: Style
    width: float
    rtl: bool
    runs: tuple[Run, ...]
    missing: frozenset[int]


def visible(text: str) -> str:
    """The text with all that is not seen by its number."""
    return "".join(piece.text for piece in _pieces(text))


def lines(text: str, style: Style, width: float, *, limit: int = LIMIT, most: int | None = None) -> list[Line]:
    """A paragraph in lines no wider than ``width`` points, at least one. ``limit`` is in characters, ``most`` in lines;
    what they cut off is counted."""
    room = width * 1000 / style.size + _ROUNDED
    kept = min(len(text), limit)
    if kept == len(text) and text.isascii() and text.isprintable():
        only = run(first(style.face), text, False)
        if only.width <= room:
            return [Line(text, style, only.width * style.size / 1000, False, (only,) if text else (), frozenset())]
    while True:
        pieces = list(_pieces(text[:kept]))
        if kept < len(text):
            pieces.append(Piece(f"\u2026 [+{len(text) - kept:,}]", kept, "said"))
        paragraph = Paragraph(pieces, style.face, room)
        if most is None or len(paragraph.stops) <= most or not kept:
            break
        kept = max(0, min(kept - 1, paragraph.source(paragraph.stops[most - 1] - 1)))
    return [
        Line(printed, style, sum(each.width for each in runs) * style.size / 1000, paragraph.rtl, runs, missing)
        for printed, runs, missing in paragraph.lines()
    ]


def _pieces(text: str) -> Iterator[Piece]:
    if text.isascii() and text.isprintable():
        yield Piece(text, 0, "text")
        return
    last = 0
    for found in _UNSEEN.finditer(text):
        if found.start() > last:
            yield Piece(text[last : found.start()], last, "text")
        for at, character in enumerate(found[0], found.start()):
            yield Piece(f"<U+{ord(character):04X}>", at, "number")
        last = found.end()
    if last < len(text):
        yield Piece(text[last:], last, "text")
