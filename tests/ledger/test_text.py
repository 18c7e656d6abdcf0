"""The one spelling that texts are compared under."""

from __future__ import annotations

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import text

SAID = "Größe: 5 €\nzweite Zeile\n"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-32", "iso-8859-15", "windows-1252", "utf-7"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_the_same_text_in_any_character_set(charset: str, end: str) -> None:
    octets = SAID.replace("\n", end).encode(charset)
    assert text.read(octets, charset.encode(), "base64") == SAID.rstrip("\n")


def test_blanks_and_line_ends_where_nobody_sees_them() -> None:
    assert text.normal("a \t \n b\t\n\n \n") == "a\n b"
    assert text.normal("\ufeffa") == "a"
    # Within a line they are part of it.
    assert text.normal("a  b") == "a  b"


def test_one_composition() -> None:
    assert text.normal(unicodedata.normalize("NFD", SAID)) == text.normal(SAID)


def test_marks_without_end_are_left_as_they_are() -> None:
    few, many = "a" + "\u0315\u0300" * 500, "a" + "\u0315\u0300" * 200_000
    assert text.normal(few) == unicodedata.normalize("NFC", few) != few
    assert text.normal(many) == many
    # A long run of other letters is no run of marks.
    assert text.normal("\u4e00" * 5000 + "e\u0301") == "\u4e00" * 5000 + "\u00e9"


def test_without_a_name_it_is_utf_8_or_windows_1252() -> None:
    for name in (None, b"us-ascii", b"utf-8", b"UTF8 "):
        assert text.decoded("Größe €".encode(), name) == "Größe €"
        assert text.decoded("Größe €".encode("windows-1252"), name) == "Größe €"
    assert text.decoded("Größe".encode(), b"klingon") == text.decoded(b"Gr\xf6\xdfe", b"klingon") == "Größe"
    assert text.unknown(b" Klingon\x00-\xff ") == "klingon?-?" and len(text.unknown(b"x" * 99) or "") == 40
    assert [text.unknown(name) for name in (None, b"", b"ISO-8859-15", b"utf-8", b"US-ASCII")] == [None] * 5
    assert text.decoded(b"\xa4", b"iso-8859-15") == "€"


@pytest.mark.parametrize("word", ["größe ", "word "])
@pytest.mark.parametrize("length", [900, 998, 999, 1500, 1996, 1997, 5000])
def test_lines_that_a_relay_broke_are_joined(word: str, length: int) -> None:
    line = (word * 1000).encode()[:length]
    broken = line[:998]
    for start in range(998, len(line), 998):
        broken += b"\r\n " + line[start : start + 998]
    whole = b"before\r\n" + line + b"\r\nafter\r\n"
    assert text.joined(b"before\r\n" + broken + b"\r\nafter\r\n") == text.joined(whole)
    if length != 998:
        assert text.joined(whole) == whole
    # In base64 and quoted-printable nothing was broken, so nothing is joined.
    said = b"x" * 998 + b"\r\n y"
    assert text.read(said, None, "base64") != text.read(said, None, "8bit")


def test_what_is_too_long_has_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "LIMIT", 10)
    assert text.digest(b"x" * 11, None, "7bit") is None
    assert text.digest(b"x" * 10 + b"", None, "7bit") == hashlib.sha256(b"x" * 10).hexdigest()


@given(st.text(max_size=200))
def test_normal_once_and_for_all(said: str) -> None:
    once = text.normal(said)
    assert text.normal(once.replace("\n", "\r\n")) == once.removeprefix("\ufeff").rstrip(" \t\n")
    assert "\r" not in once and not any(line.endswith((" ", "\t")) for line in once.split("\n"))
    once.encode()


@given(st.binary(max_size=300), st.sampled_from([None, b"utf-8", b"utf-7", b"utf-16", b"iso-2022-jp", b"hz", b"\xff"]))
def test_nothing_raises(octets: bytes, charset: bytes | None) -> None:
    said = text.read(octets, charset, "8bit")
    assert said is None or isinstance(said.encode(), bytes)
