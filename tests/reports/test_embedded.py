"""The fonts within a file: the outlines are those of the face, each where it was shaped to stand."""

from __future__ import annotations

import io
from typing import Any

import pikepdf
import pytest
import uharfbuzz as hb
from fontTools.pens.recordingPen import RecordingPen
from fontTools.pens.transformPen import TransformPen

from reports.embedded import Embedded
from reports.fonts import ASCII, Face, Kind, first
from reports.script import Style, lines
from reports.shaping import Glyph
from tests.reports.paper import EVERYTHING, TEXT, paragraph


def clusters(text: str) -> list[tuple[Face, Glyph]]:
    runs = [run for line in lines(text, TEXT, 10_000) for run in line.runs]
    return [(run.face, glyph) for run in runs for glyph in run.glyphs]


def program(raw: bytes, face: Face) -> tuple[hb.Font, dict[int, str], dict[int, float]]:
    """The font of a face in a file, what its codes stand for, and their widths."""
    with pikepdf.open(io.BytesIO(raw)) as pdf:
        for font in pdf.pages[0].Resources.Font.values():
            if str(font.BaseFont).endswith(f"+{face.name}"):
                descendant = font.DescendantFonts[0]
                rows = font.ToUnicode.read_bytes().decode().split("endcodespacerange")[1].split("\n")
                pairs = [row.replace("<", "").split("> ") for row in rows if row.startswith("<")]
                texts = {int(code, 16): bytes.fromhex(said[:-1]).decode("utf-16-be") for code, said in pairs}
                widths: dict[int, float] = {}
                entries = list(descendant.W)
                for first, row in zip(entries[::2], entries[1::2], strict=True):
                    widths |= {int(first) + at: float(width) for at, width in enumerate(row)}
                return hb.Font(hb.Face(descendant.FontDescriptor.FontFile2.read_bytes())), texts, widths
    raise AssertionError(face.name)


def drawn(font: hb.Font, glyph: int, x: float = 0, y: float = 0) -> list[Any]:
    pen = RecordingPen()
    font.draw_glyph_with_pen(glyph, TransformPen(pen, (1, 0, 0, 1, x, y)))
    return pen.value


def expected(face: Face, glyph: Glyph) -> list[Any]:
    """What was shaped, part by part."""
    font, scale = hb.Font(face.static), face.static.upem / 1000
    return [step for part, x, y in glyph.parts for step in drawn(font, part, round(x * scale), round(y * scale))]


@pytest.mark.parametrize("text", [*EVERYTHING, "é\u0303 ç\u0303 ą\u0301"])
def test_what_is_drawn_is_what_was_shaped(text: str) -> None:
    raw = paragraph(text, TEXT, 520)
    for face, glyph in clusters(text):
        font, texts, widths = program(raw, face)
        shown = expected(face, glyph)
        codes = [code for code, said in texts.items() if said == glyph.text and drawn(font, code) == shown]
        assert glyph.width in [widths[code] for code in codes], (glyph, face.name)
        for code in codes:
            assert abs(font.get_glyph_h_advance(code) * 1000 / face.static.upem - widths[code]) <= 1


@pytest.mark.parametrize("kind", ["text", "strong", "code"])
def test_ascii_has_the_same_codes_in_every_font(kind: Kind) -> None:
    _, texts, _ = program(paragraph(f"{ASCII} \u00e9", Style(kind, 4), 540), first(kind))
    assert [texts[code] for code in range(1, 96)] == list(ASCII)


def test_a_code_is_one_cluster_and_the_way_it_looks() -> None:
    face = next(face for face, _ in clusters("é"))
    font = Embedded(face, "F1")
    one, two = Glyph("é", ((7, 0, 0),), 500, 0), Glyph("é", ((7, 0, 0),), 500, -20)
    assert font.code(one) == font.code(two) == 96
    assert font.code(one._replace(text="e\u0301")) == 97
    assert font.code(one._replace(parts=((8, 0, 0),))) == 98
