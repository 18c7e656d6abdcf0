"""Lines of what strangers wrote: all of it is seen, none of it acts, and none of it takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import fonts
from reports.fonts import first
from reports.paragraph import _chosen
from reports.script import LIMIT, Line, Style, lines, visible
from tests.reports.paper import ARABIC, CODE, EMOJI, EVERYTHING, HEBREW, LATIN, MIXED, PERSIAN, TEXT


def text_of(found: list[Line]) -> str:
    return "".join(line.text for line in found)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\x00b\tc\nd\re\x7f\x85", "a<U+0000>b<U+0009>c<U+000A>d<U+000D>e<U+007F><U+0085>"),
        ("\u202egpj.exe\u202c", "<U+202E>gpj.exe<U+202C>"),
        ("\u2066a\u2069 \u200e\u200f\u061c", "<U+2066>a<U+2069> <U+200E><U+200F><U+061C>"),
        ("a\u2028b\u2029c", "a<U+2028>b<U+2029>c"),
        ("\ud800 \udfff", "<U+D800> <U+DFFF>"),
        ("\ue000\U0010ffff\U000f0000\u0378", "<U+E000><U+10FFFF><U+F0000><U+0378>"),
        ("soft\u00adhyphen zero\u200bwidth\ufeff \u2060", "soft<U+00AD>hyphen zero<U+200B>width<U+FEFF> <U+2060>"),
        ("blank\u2003\u2000\u2800\u3164\u115f", "blank<U+2003><U+2000><U+2800><U+3164><U+115F>"),
        ("pay\u200cpal \u200d", "pay<U+200C>pal <U+200D>"),
        ("a\ufe0f \U000e0100 \U000e0041", "a<U+FE0F> <U+E0100> <U+E0041>"),
        ("a\u0301\u0302\u0303\u0304", "a\u0301\u0302<U+0303><U+0304>"),
        (" \u0301 \u0301", " <U+0301> <U+0301>"),
        (PERSIAN, PERSIAN),
        (EMOJI, EMOJI),
        ("naïve\u00a0café 10\u202f%", "naïve\u00a0café 10\u202f%"),
        ('<img src="/etc/hostname"> </para> &amp; <U+202E>', '<img src="/etc/hostname"> </para> &amp; <U+202E>'),
    ],
)
def test_what_is_not_seen_stands_as_its_number(text: str, seen: str) -> None:
    assert visible(text) == seen
    assert text_of(lines(text, TEXT, 10_000)) == seen


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.floats(40, 400))
def test_nothing_is_lost_and_nothing_is_too_wide(text: str, width: float) -> None:
    found = lines(text, TEXT, width)
    assert all(line.width <= width + 0.01 for line in found)
    printed = text_of(found)
    assert printed.isprintable() or all(c in "\u00a0\u202f\u3000\u200c\u200d" for c in printed if not c.isprintable())
    numbers = "".join(f"<U+{ord(character):04X}>" for character in text)
    assert len(printed.replace(" ", "")) <= len(numbers)
    missing = {point for line in found for point in line.missing}
    assert all(f"<U+{point:04X}>" in printed.replace(" ", "") for point in missing)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*"ab \u05d0\u05d1\u0628\u0645(1)-,é👍", "e\u0301"])), st.floats(20, 80))
def test_lines_hold_the_text_in_its_order(letters: list[str], width: float) -> None:
    text = "".join(letters)
    found = lines(text, TEXT, width)
    assert text_of(found).replace(" ", "") == visible(text).replace(" ", "")
    for line in found:
        assert sorted("".join(run.text for run in line.runs)) == sorted(line.text)


def test_ascii_alone_is_set_as_it_is_among_others() -> None:
    plain = lines("delivery.delivered AVATAR", TEXT, 500)[0]
    among = lines("delivery.delivered AVATAR é", TEXT, 500)[0]
    assert [run.text for run in plain.runs] == ["delivery.delivered AVATAR"]
    assert among.width > plain.width
    broken = lines("delivery.delivered AVATAR", TEXT, plain.width - 1)
    assert [line.text for line in broken] == ["delivery.delivered", "AVATAR"]


def test_an_empty_text_is_one_empty_line() -> None:
    (line,) = lines("", TEXT, 100)
    assert (line.text, line.width, line.runs) == ("", 0, ())
    assert [line.text for line in lines("\u0301", TEXT, 100)] == ["<U+0301>"]


def test_lines_that_read_from_right_to_left_say_so() -> None:
    assert [lines(text, TEXT, 500)[0].rtl for text in (HEBREW, ARABIC, LATIN, MIXED, "123")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert lines(f"\u200f{HEBREW}", TEXT, 500)[0].rtl


def test_a_number_keeps_its_order_among_letters_that_read_from_right_to_left() -> None:
    line = lines("א\u202eב", TEXT, 500)[0]
    assert [run.text for run in line.runs] == ["ב", "<U+202E>", "א"]
    assert line.runs[1].face is first("code")


def test_a_character_that_no_font_has_is_told() -> None:
    line = lines("a 𓀀 b", TEXT, 500)[0]
    assert line.text == "a <U+13000> b"
    assert line.missing == {0x13000}
    assert not lines("a \u202e b", TEXT, 500)[0].missing
    marked = lines("א\u0301", TEXT, 500)[0]
    assert (marked.text, marked.missing) == ("א<U+0301>", {0x301})


@pytest.mark.parametrize(
    ("text", "region"),
    [("漢字かな", "JP"), ("汉字", "SC"), ("漢字ㄅㄆㄇ", "TC"), ("漢字 한글", "KR"), ("漢字 abc", "SC")],
)
def test_chinese_japanese_and_korean(text: str, region: str) -> None:
    line = lines(text, TEXT, 500)[0]
    assert not line.missing
    assert line.runs[0].face.name == f"NotoSans{region}-400"  # which forms, what stands beside them says


@pytest.fixture
def without_cjk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for family in fonts._FAMILIES.values():
        for region in fonts.HAN:
            monkeypatch.delitem(family, region)
    _chosen.cache_clear()
    yield
    _chosen.cache_clear()


@pytest.mark.usefixtures("without_cjk")
def test_without_their_fonts_they_stand_as_numbers() -> None:
    line = lines("漢字かな 한글", TEXT, 500)[0]
    assert line.missing == set(map(ord, "漢字かな한글"))
    assert line.text.startswith("<U+6F22><U+5B57><U+304B>")


def test_pictures_are_whole() -> None:
    line = lines(EMOJI, TEXT, 500)[0]
    glyphs = [glyph for run in line.runs for glyph in run.glyphs if len(glyph.text) > 1]
    assert [glyph.text for glyph in glyphs] == ["👍🏽", "👨\u200d👩\u200d👧", "❤\ufe0f", "🇩🇪"]
    assert all(len([part for part in glyph.parts if run_has(line, part[0])]) >= 1 for glyph in glyphs)


def run_has(line: Line, glyph: int) -> bool:
    return any(run.face.glyphs(glyph) for run in line.runs if run.face.name.startswith("NotoEmoji"))


def test_a_long_word_is_broken_between_clusters() -> None:
    hexes = lines("9f86d081" * 8, CODE, 100)
    assert [len(line.text) for line in hexes] == [22, 22, 20]
    joined = lines("e\u0301" * 60, TEXT, 50)
    assert all(line.text.startswith("e") and line.text.endswith("\u0301") for line in joined)
    numbers = lines("\u202e" * 20, TEXT, 100)
    assert all(line.text == "<U+202E>" * (len(line.text) // 8) for line in numbers)


def test_arabic_that_is_broken_within_a_word_fits() -> None:
    assert all(line.width <= 60 for line in lines("مستشفى" * 30, TEXT, 60))


def test_a_cluster_wider_than_its_column_stands_as_numbers() -> None:
    (wide,) = lines("\ufdfd", TEXT, 500)
    assert wide.text == "\ufdfd"
    found = lines("\ufdfd", TEXT, wide.width - 1)
    assert "".join(line.text for line in found) == "<U+FDFD>"
    assert not found[0].missing
    assert [line.text for line in lines("<U+0041>", TEXT, 1)] == list("<U+0041>")


@pytest.mark.parametrize("text", EVERYTHING)
def test_what_is_cut_off_is_counted(text: str) -> None:
    long = (text + " ") * 100
    found = lines(long, TEXT, 200, most=2)
    assert len(found) == 2
    said = found[-1].text.rsplit("\u2026 [+", 1)[1]
    left = int(said.removesuffix("]").replace(",", ""))
    assert text_of(found).rsplit("\u2026 [+", 1)[0].replace(" ", "") == visible(long[:-left]).replace(" ", "") or (
        "<U+" in text_of(found)
    )
    assert text_of(lines("x" * (LIMIT + 1_234), TEXT, 200)).endswith("x\u2026 [+1,234]")
    assert text_of(lines("x" * 20, TEXT, 500, limit=5)) == "xxxxx\u2026 [+15]"


HOSTILE = [
    "x",
    "word ",
    "م",
    "א(",
    "([{א",
    "e\u0301\u0301\u0301",
    "\u0301",
    "👨\u200d👩\u200d👧",
    "\u202e",
    "漢",
    "ไ",
    "🇩",
    "\u200d",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_long_subject_is_set_at_once(text: str) -> None:
    lines(text, TEXT, 300)
    start = time.process_time()
    lines(text * (200_000 // len(text)), TEXT, 300)
    lines(text * (200_000 // len(text)), TEXT, 300, most=2)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("text", HOSTILE)
def test_time_grows_with_the_length(text: str) -> None:
    lines(text, TEXT, 300)

    def taken(length: int) -> float:
        start = time.process_time()
        lines(text * (length // len(text)), TEXT, 300, limit=length)
        return time.process_time() - start

    assert min(taken(32_000) for _ in range(2)) < 10 * min(taken(8_000) for _ in range(3))


def test_short_cells_are_set_fast() -> None:
    style = Style(size=8)
    lines("warm", style, 90)
    start = time.process_time()
    for row in range(20_000):
        for cell in (
            str(row),
            f"2026-11-23T10:{row % 60:02}",
            "delivered",
            f"r{row % 100}",
            f"192.0.2.{row % 256}",
            "ok",
        ):
            lines(cell, style, 90)
    assert time.process_time() - start < 3
