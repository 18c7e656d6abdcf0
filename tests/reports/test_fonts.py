"""Faces: what they cover, what they cost, and that nothing of them depends on the moment."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time

import pytest
import uharfbuzz as hb
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import fonts
from reports.shaping import _plain, _shaped, complete
from tests.helpers import HOUSE

KINDS: list[fonts.Kind] = ["text", "strong", "code"]


@pytest.mark.parametrize("kind", ["text", "strong"])
def test_latin_greek_and_cyrillic_are_in_the_first_faces(kind: fonts.Kind) -> None:
    letters = {*map(chr, range(0x20, 0x7F)), *map(chr, range(0xA1, 0xAD)), *map(chr, range(0xAE, 0x180))}
    letters |= {*"ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ", *map(chr, range(0x400, 0x460))}
    letters |= {*"\u2013\u2014\u2018\u2019\u201c\u201d\u201e\u2020\u2022\u2026\u2030\u20ac\u2122\u2212\u1e9e"}
    assert fonts.first(kind).covers("".join(sorted(letters)))


def test_weights_differ_and_axes_are_gone() -> None:
    regular, strong = fonts.first("text"), fonts.first("strong")
    assert regular.glyphs(regular.ascii["H"][0]) != strong.glyphs(strong.ascii["H"][0])
    assert regular.ascii["H"][1] < strong.ascii["H"][1]
    for face in (regular, strong, fonts.first("code")):
        assert {"fvar", "gvar", "avar", "name"}.isdisjoint(face.static.table_tags)


def test_digits_and_hashes_line_up() -> None:
    for kind in KINDS:
        assert len({fonts.first(kind).ascii[digit][1] for digit in "0123456789"}) == 1
    assert len({width for _, width in fonts.first("code").ascii.values()}) == 1


def test_each_two_of_ascii_are_set_as_harfbuzz_would() -> None:
    printable = [chr(code) for code in range(0x20, 0x7F)]
    for kind in KINDS:
        face = fonts.first(kind)
        for first in printable:
            text = "".join(first + second for second in printable)
            glyphs = _shaped(face, text, False)
            assert [glyph.parts for glyph in glyphs] == [((face.ascii[character][0], 0, 0),) for character in text]


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40), st.sampled_from(KINDS))
def test_ascii_is_set_as_harfbuzz_would(text: str, kind: fonts.Kind) -> None:
    face = fonts.first(kind)
    glyphs = _shaped(face, text, False)
    assert "".join(glyph.text for glyph in glyphs) == text
    assert [glyph.parts for glyph in glyphs] == [((face.ascii[character][0], 0, 0),) for character in text]
    moved = sum(glyph.width + glyph.after for glyph in glyphs)
    assert _plain(face, text).width == moved
    kerned = "AV" in text and kind != "code"
    assert ("] TJ" in _plain(face, text).operand) >= kerned


def test_a_cluster_is_complete_only_if_all_of_it_is_drawn() -> None:
    assert complete(fonts.first("text"), "e\u0301")
    assert not complete(fonts.first("text"), "\u05d0\u05b8")


def test_the_region_comes_first_and_pictures_before_all() -> None:
    names = [face.name for face in fonts.chain_of("text", "JP", emoji=True)]
    assert names[:2] == ["NotoEmoji-400", "NotoSans-400"]
    regions = [name for name in names if name.removesuffix("-400")[-2:] in fonts.HAN]
    assert regions[:1] == ["NotoSansJP-400"] or not regions


MADE = """
import hashlib, sys, time
start = time.process_time()
from reports import fonts
loaded = time.process_time()
digest = hashlib.sha256()
for kind in ("text", "strong", "code"):
    face = fonts.first(kind)
    for tag in sorted(face.static.table_tags):
        digest.update(tag.encode() + face.table(tag))
print(digest.hexdigest(), loaded - start, time.process_time() - loaded)
"""


OPENED = """
from reports import canvas, fonts
from reports.script import Style, lines
lines("This is Latin.", Style(), 100)
print(*[face.name for family in fonts._FAMILIES.values() for face in family.values() if "coverage" in vars(face)])
"""


@pytest.mark.parametrize(("seed", "zone", "locale"), [("0", "UTC", "C"), ("7", "Asia/Tokyo", "C.UTF-8")])
def test_fonts_are_made_alike_everywhere_and_at_once(seed: str, zone: str, locale: str) -> None:
    made = subprocess.run(
        [sys.executable, "-c", MADE],
        env={"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONPATH": str(HOUSE)},
        capture_output=True,
        text=True,
        check=True,
        cwd=HOUSE,
    )
    digest, _, seconds = made.stdout.split()
    here = hashlib.sha256()
    for kind in KINDS:
        for tag in sorted(fonts.first(kind).static.table_tags):
            here.update(tag.encode() + fonts.first(kind).table(tag))
    assert digest == here.hexdigest()
    assert float(seconds) < 2


def test_no_font_is_opened_before_a_text_needs_it() -> None:
    seen = subprocess.run([sys.executable, "-c", OPENED], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert seen.stdout.split() == ["NotoSans-400"]


def test_a_static_font_has_all_that_the_variable_one_had() -> None:
    for name in ("Sans", "SansArabic", "Emoji"):
        face = fonts._FAMILIES[400][name]
        assert frozenset(hb.Face(face.static.blob).unicodes) == face.coverage


def test_other_scripts_cost_little() -> None:
    start = time.process_time()
    for face in fonts._FAMILIES[600].values():
        if face.name.startswith("NotoSans") and not face.name.removesuffix("-600").endswith(fonts.HAN):
            assert face.font is not None and face.static.glyph_count
    assert time.process_time() - start < 2
