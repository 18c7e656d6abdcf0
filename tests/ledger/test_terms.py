"""What a message is found by, and in which spelling: the same from what is sealed and from what is asked."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import terms
from ledger.terms import MAX_ADDRESSES, MAX_WORDS, by_address, by_domain, by_file, by_sha256, by_subject, fold

HASH = "0123456789abcdef" * 4


def values(kind: str, *facts: tuple[str, Any]) -> list[str]:
    return [value for found, value in terms.terms(facts) if found == kind]


def test_a_subject_whole_and_by_words() -> None:
    assert values("subject", ("subject", "Re:  Annual PLAN\u00a02026, annual a b")) == [
        "re: annual plan 2026, annual a b",
        "re",
        "annual",
        "plan",
        "2026",
    ]
    assert values("subject", ("subject", "")) == [] == values("subject", ("subject", " \t"))
    # A single letter is no word, but a subject may be one.
    assert values("subject", ("subject", "X")) == ["x"]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("BÜRO", "büro"),
        ("Bu\u0308ro", "büro"),
        ("\uff30\uff4c\uff41\uff4e", "plan"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ΜΆΪΟΣ", "μάϊοσ"),
        ("हिन्दी", "हिन्दी"),
        ("計画書", "計画書"),
        ("ﬁle", "file"),
    ],
)
def test_words_of_any_script_are_found_however_they_are_written(said: str, word: str) -> None:
    assert ("subject", word) in terms.terms([("subject", f"the ({said})!")])
    assert by_subject(said) == by_subject(said.lower()) == [("subject", word)]


def test_the_first_words_only() -> None:
    many = " ".join(f"w{k:03}" for k in range(100))
    found = values("subject", ("subject", many))
    assert len(found) == 1 + MAX_WORDS and found[-1] == f"w{MAX_WORDS - 1:03}"
    # Who asks for all of it asks for as many.
    assert by_subject(many) == [("subject", word) for word in found[1:]]


def test_file_names() -> None:
    assert values("file", ("f1", {"name": "Annual_Report-2026.tar.GZ"})) == [
        "annual_report-2026.tar.gz",
        "annual",
        "report",
        "2026",
        "tar",
        "gz",
        ".gz",
    ]
    assert values("file", ("f1", {"name": "README"})) == ["readme"]
    assert values("file", ("f1", {"name": ".profile"})) == [".profile", "profile"]
    assert values("file", ("f1", {"name": "see. this one"})) == ["see. this one", "see", "this", "one"]
    assert values("file", ("f1", {"sha256": HASH})) == []
    assert by_file(".PDF") == [("file", ".pdf")]
    assert by_file("annual report.pdf") == [("file", "annual"), ("file", "report"), ("file", "pdf")]


def test_hashes() -> None:
    assert values("sha256", ("raw", {"sha256": HASH, "size": 7}), ("f2", {"sha256": "f" * 64})) == [HASH, "f" * 64]
    assert by_sha256(f" {HASH.upper()}\n") == [("sha256", HASH)]
    for wrong in ("", HASH[1:], HASH + "0", "g" * 64):
        assert by_sha256(wrong) == []


def test_addresses_and_their_domains() -> None:
    assert terms.terms([("r12", {"address": "Bob.Roe@Example.COM.", "role": "to"})]) == [
        ("address", "bob.roe@example.com"),
        ("domain", "example.com"),
    ]
    assert by_address('"a@b"@C.org') == [("address", '"a@b"@c.org'), ("domain", "c.org")]
    assert by_domain("@Example.com") == by_domain("example.com.") == [("domain", "example.com")]
    for wrong in ("", "@", "bob", "bob@", "@example.com", "bob@."):
        assert by_address(wrong) == []
    for wrong in ("", "@", ".", "bob@example.com"):
        assert by_domain(wrong) == []
    # An empty sender is no address.
    assert terms.terms([("mail_from", "")]) == []


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Ann <a@x.example>", ["a@x.example"]),
        ("Doe, Jo <j@x.example>, k@y.example (at z@z.example)", ["j@x.example", "k@y.example", "z@z.example"]),
        ("list: a@x.example, b@x.example;", ["a@x.example", "b@x.example"]),
        ("'a@x.example', <mailto:b@x.example>.", ["a@x.example", "b@x.example"]),
        ("A@X.example, a@x.EXAMPLE", ["a@x.example"]),
        ("nobody at all", []),
        ("@ @@ a@ @b", []),
    ],
)
def test_addresses_in_headers(header: str, found: list[str]) -> None:
    for name in ("from", "to", "cc"):
        assert values("address", (name, header)) == found
    assert values("domain", ("from", header)) == list(dict.fromkeys(one.rpartition("@")[2] for one in found))


def test_no_header_makes_it_slow_or_long() -> None:
    start = time.monotonic()
    assert len(values("address", ("to", "".join(f"u{k}@b," for k in range(9000))))) == MAX_ADDRESSES
    for hostile in ("a" * 65_000, "@" * 65_000, "a@" * 32_000, "ü" * 32_000, "'" * 65_000, "<(" * 32_000):
        terms.terms([(name, hostile) for name in ("from", "to", "cc", "subject", "mail_from")])
    assert time.monotonic() - start < 2


def test_other_facts_are_not_looked_up() -> None:
    others: list[tuple[str, Any]] = [
        ("date", "today"),
        ("date", "Mon, 99 Jan 2026 10:00:00 +0100"),
        ("date", "1" * 5000),
        ("date", "Mon, 5 Jan 2026 10:00:00 +0100" + " " * 200),
        ("message_id", "<>"),
        ("f1", {"text": "x"}),
        ("p1", {"text": HASH, "sha256": HASH}),
        ("leaves", HASH),
        ("actor", "a@x.example"),
        ("subject.sha256", HASH),
        ("subject", {"x": 1}),
        ("r1", "a@x.example"),
        ("r1", {"address": 7}),
        ("r0", {"address": "a@x.example"}),
        ("f1", {"name": 7, "sha256": ["x"]}),
        ("f1", {"name": "", "sha256": "x"}),
        ("raw", {"sha256": True, "name": "x.pdf"}),
        ("mail_from", 7),
    ]
    assert terms.terms(others) == []


def test_a_date_is_looked_up_as_the_second_it_names() -> None:
    said = ["Mon, 5 Jan 2026 10:00:00 +0100", "5 Jan 2026 09:00:00 GMT", "Mon, 5 Jan 2026 09:00:00 -0000 (UTC)"]
    assert {tuple(terms.by_date(one)) for one in said} == {(("date", "1767603600"),)}
    assert terms.terms([("date", said[0])]) == terms.by_date(said[1])


def test_a_message_id_is_looked_up_without_its_brackets() -> None:
    assert terms.terms([("message_id", " <A.1@X.example> ")]) == terms.by_message_id("a.1@x.example")


@given(st.text(max_size=60))
def test_what_was_sealed_is_found_by_what_is_asked(text: str) -> None:
    stored = set(terms.terms([("subject", text), ("f1", {"name": text}), ("mail_from", text)]))
    assert set(by_subject(text)) <= stored
    assert set(by_address(text)) <= stored
    # Of a name that is nothing but an extension its words are stored too.
    assert set(by_file(text)) <= stored
    assert all(kind in terms.KINDS and value and fold(value) == value for kind, value in stored)


def test_folding_is_done_once() -> None:
    letters = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert [c for c in letters if fold(fold(c)) != fold(c)] == []
