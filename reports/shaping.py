"""Text of one face and one direction as glyphs, in the order in which they stand on paper."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import uharfbuzz as hb

from reports.fonts import ASCII, Face

# Letters joined for beauty alone would tear words apart when text is copied out of the file.
_FEATURES: Final = {"kern": True, "liga": False, "clig": False, "dlig": False, "calt": False}
_CALT: Final = {**_FEATURES, "calt": True}
# An accent that stands by itself has another form after a capital; in code each character is itself, wherever it is.
_CODE: Final = {**_FEATURES, "ccmp": False}
_KEPT: Final = 64
_HEX: Final = {ord(character): f"{code:04X}" for code, character in enumerate(ASCII, 1)}
"""In every font that is written, ASCII has these codes."""


class Glyph(NamedTuple):
    """What one cluster of characters looks like: outlines with the places at which they stand, and ``after`` it the
    move from its width to where the next begins."""

    text: str
    parts: tuple[tuple[int, int, int], ...]
    width: int
    after: int


class Run(NamedTuple):
    """A part of a line. ``operand`` is set where all is ASCII, whose codes are fixed, and ``glyphs`` elsewhere."""

    face: Face
    text: str
    width: int
    operand: str
    glyphs: tuple[Glyph, ...]


@lru_cache(None)
def _kerns(face: Face) -> dict[tuple[str, str], int]:
    """How much nearer two characters of ASCII stand than their widths say; pairs that keep their distance are left
    out."""
    if face.fixed:
        return {}
    kerns: dict[tuple[str, str], int] = {}
    for left in ASCII:
        text = left + "".join(right + left for right in ASCII)
        moves = [glyph.after for glyph in _shaped(face, text, False)]
        kerns |= {(left, right): moves[2 * at] for at, right in enumerate(ASCII) if moves[2 * at]}
    return kerns


def run(face: Face, text: str, rtl: bool) -> Run:
    """Text of one face and one direction. Short ones come again and again; what is long is not kept."""
    if text.isascii() and not rtl:
        return _plain(face, text) if len(text) <= _KEPT else _plain.__wrapped__(face, text)
    return _drawn(face, text, rtl) if len(text) <= _KEPT else _drawn.__wrapped__(face, text, rtl)


@lru_cache(16_384)
def _plain(face: Face, text: str) -> Run:
    """Printable ASCII from left to right: what HarfBuzz would make of it, without asking it."""
    glyphs = face.ascii
    width = sum([glyphs[character][1] for character in text])
    moves = _moves(face, text)
    codes = text.translate(_HEX)
    if not any(moves):
        return Run(face, text, width, f"<{codes}> Tj", ())
    pieces, start = [], 0
    for at, move in enumerate(moves, 1):
        if move:
            pieces.append(f"<{codes[4 * start : 4 * at]}>{-move}")
            start, width = at, width + move
    return Run(face, text, width, f"[{''.join(pieces)}<{codes[4 * start :]}>] TJ", ())


def _moves(face: Face, text: str) -> list[int | None]:
    kerns = _kerns(face)
    return list(map(kerns.get, pairwise(text))) if kerns else []


@lru_cache(8_192)
def _drawn(face: Face, text: str, rtl: bool) -> Run:
    glyphs = _shaped(face, text, rtl)
    return Run(face, text, sum(glyph.width + glyph.after for glyph in glyphs), "", glyphs)


def advances(face: Face, text: str, rtl: bool) -> list[int]:
    """How far each character of a text moves on; all of a cluster's way is at its first."""
    if text.isascii() and not rtl:
        moves = _moves(face, text) or [0] * len(text)
        return [face.ascii[character][1] + (move or 0) for character, move in zip(text, [*moves, 0], strict=False)]
    out: list[int] = []
    glyphs = run(face, text, rtl).glyphs
    for glyph in reversed(glyphs) if rtl else glyphs:
        out += [glyph.width + glyph.after, *[0] * (len(glyph.text) - 1)]
    return out


def complete(face: Face, text: str) -> bool:
    """Whether the face draws all of it."""
    return all(part[0] for glyph in run(face, text, False).glyphs for part in glyph.parts)


def _shaped(face: Face, text: str, rtl: bool) -> tuple[Glyph, ...]:
    buffer = hb.Buffer()
    buffer.add_codepoints([ord(character) for character in text])
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if rtl else "ltr"
    buffer.language = "und"  # otherwise that of the process
    hb.shape(face.font, buffer, _CODE if face.fixed else _FEATURES if text.isascii() else _CALT)
    infos, places = buffer.glyph_infos or [], buffer.glyph_positions or []
    starts = sorted({info.cluster for info in infos})
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=False))
    glyphs: list[Glyph] = []
    at = 0
    while at < len(infos):
        cluster, stop = infos[at].cluster, at
        while stop < len(infos) and infos[stop].cluster == cluster:
            stop += 1
        drawn = list(zip(infos[at:stop], places[at:stop], strict=True))
        said = text[cluster : ends[cluster]]
        if rtl:
            # Readers turn such text round code by code. So each has one character; the first one's draws them all.
            glyphs += [Glyph(character, (), 0, 0) for character in said[:0:-1]]
            said = said[:1]
        glyphs.append(_glyph(face, said, drawn))
        at = stop
    return tuple(glyphs)


def _glyph(face: Face, text: str, drawn: list[tuple[hb.GlyphInfo, hb.GlyphPosition]]) -> Glyph:
    """One glyph as it is, or several put together, so that one code stands for the whole cluster."""
    parts, x = [], 0
    for info, place in drawn:
        parts.append((info.codepoint, x + place.x_offset, place.y_offset))
        x += place.x_advance
    if len(parts) == 1 and parts[0][1:] == (0, 0):
        width = face.font.get_glyph_h_advance(parts[0][0])
        return Glyph(text, tuple(parts), width, x - width)
    return Glyph(text, tuple(parts), x, 0)
