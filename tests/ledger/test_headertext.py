"""Header values for people: encoded words, parameters, and what cannot be read."""

from __future__ import annotations

import email.header
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import headertext


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" plain\r\n", "plain"),
        (b" folded\r\n  once\r\n", "folded  once"),
        ("Grüße €".encode(), "Grüße €"),
        (b"Gr\xfc\xdfe", "Gr��e"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_x?=", "Grüße x"),
        (b"=?ISO-8859-1*de?Q?Gr=FC=DFe?= <a@b>", "Grüße <a@b>"),
        (b"=?utf-8?B?4oKs?= =?UTF-8?b?4oKs?=\r\n =?utf-8?q?=E2=82?= =?utf-8?q?=AC?= end", "€€€ end"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=FC?=", "aü"),
        (b'"=?utf-8?q?quoted=2C_too?=" <a@b>', '"quoted, too" <a@b>'),
        (b"=?utf-8?q?with space?=", "with space"),
        (b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        # left as they stand or replaced, never an exception
        (b"=?klingon?q?qapla=27?=", "=?klingon?q?qapla=27?="),
        (b"=?punycode?q?abc?= =?rot13?q?abc?=", "=?punycode?q?abc?==?rot13?q?abc?="),
        (b"=?utf-8?x?abc?= =?utf-8?q?", "=?utf-8?x?abc?= =?utf-8?q?"),
        (b"=?utf-8?b?4oK?= =?utf-8?b?!?=", "�"),
        (b"=?utf-8?q?=FF=zz?=", "�=zz"),
        (b"=?utf-7?q?+2AA-?= =?utf-32?q?=00=00=00?=", "��"),
        (b"=?utf-8?q?line=0D=0Abreak=00?=\ttab", "line��break� tab"),
        (b"", ""),
    ],
)
def test_read(value: bytes, expected: str) -> None:
    assert headertext.read(value) == expected


@given(st.text(), st.sampled_from(["utf-8", "utf-16", "iso-8859-1"]))
def test_reads_what_the_email_package_writes(text: str, charset: str) -> None:
    # Zl and Zp: to the email package U+2028 and U+2029 end a line, and it drops them.
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp")).strip()
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        charset = "utf-8"
    value = email.header.Header(text, charset, maxlinelen=60).encode(linesep="\r\n").encode("ascii", "replace")
    if value.startswith(b"=?"):
        assert headertext.read(value) == text.strip()


@given(st.binary(), st.sampled_from([b"", b"=?utf-7?q?", b"=?utf-8?b?", b"=?hz?q?", b"=?iso-2022-kr?q?"]))
def test_never_raises_and_holds_nothing_that_breaks_a_line(octets: bytes, before: bytes) -> None:
    text = headertext.read(before + octets + (b"?=" if before else b""))
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
    assert headertext.clean(text) == text
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"filename": b"a.pdf"}, "a.pdf"),
        ({"filename": b"a.pdf", "filename*": b"utf-8''%"}, "%"),
        ({"filename*": "utf-8'de'Prüfung.pdf".encode()}, "Prüfung.pdf"),
        ({"filename*": b"iso-8859-1''Pr\xfcfung.pdf"}, "Prüfung.pdf"),
        ({"filename*": b"klingon''Pr\xc3\xbc"}, "Prü"),
        ({"filename": b"=?utf-8?q?Pr=C3=BC?="}, "Prü"),
        ({"filename": b"  "}, None),
        ({"filename*": b"utf-8''"}, None),
        ({"filename": b"../../etc/pass\nwd"}, "../../etc/pass�wd"),
        ({}, None),
    ],
)
def test_read_parameter(parameters: dict[str, bytes], expected: str | None) -> None:
    assert headertext.read_parameter(parameters, "filename") == expected
