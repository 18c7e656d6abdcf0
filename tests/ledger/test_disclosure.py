from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import canonical, disclosure
from ledger.disclosure import Disclosure
from ledger.errors import FormatError, ProofError

SALT = bytes(range(16))

# RFC 9901 section 4.2: the digest is over D as it stands, white space in its JSON and all.
RFC_D = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
RFC_DIGEST = "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def d(content: Any) -> str:
    """D over any JSON, in canonical spelling."""
    return b64url(json.dumps(content, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode())


SALT_TEXT = b64url(SALT)


def test_digest_of_the_standard() -> None:
    assert disclosure.digest(RFC_D) == RFC_DIGEST
    disclosure.check([RFC_DIGEST], RFC_D)
    with pytest.raises(FormatError):
        disclosure.parse(RFC_D)  # not the canonical spelling


def test_known_bytes() -> None:
    made = disclosure.make("subject", "Grüße", SALT)
    assert base64.urlsafe_b64decode(made + "==") == '["AAECAwQFBgcICQoLDA0ODw","subject","Grüße"]'.encode()
    assert disclosure.parse(made) == Disclosure(SALT, "subject", "Grüße")
    assert disclosure.digest(made) == b64url(sha256(made.encode()).digest())
    assert len(disclosure.digest(made)) == 43


@settings(deadline=None, max_examples=200)
@given(
    st.from_regex(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*", fullmatch=True).filter(str.isascii),
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-100, 100) | st.booleans() | st.lists(st.text("a")),
    st.binary(min_size=16, max_size=16),
)
def test_there_and_back(name: str, value: Any, salt: bytes) -> None:
    made = disclosure.make(name, value, salt)
    assert made == d([b64url(salt), name, value])
    parsed = disclosure.parse(made)
    assert parsed == Disclosure(salt, name, value)
    assert disclosure.make(parsed.name, parsed.value, parsed.salt) == made
    disclosure.check([RFC_DIGEST, disclosure.digest(made)], made)


def test_many_at_once() -> None:
    facts: list[tuple[str, canonical.Json]] = [
        ("ip", "192.0.2.1"),
        ("r1", {"role": "to"}),
        ("ip", "192.0.2.1"),
        ("f2.sha256", 5),
    ]
    salts = [bytes([k]) * 16 for k in range(4)]
    texts, digests = disclosure.make_salted(facts, (b64url(salt).encode() for salt in salts).__next__)
    assert texts == [disclosure.make(name, value, salt) for (name, value), salt in zip(facts, salts, strict=True)]
    assert digests == list(map(disclosure.digest, texts))
    assert len(set(digests)) == 4
    assert disclosure.make_salted([], lambda: b"") == ([], [])


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17), bytes(32)], ids=len)
def test_salts_refused(salt: bytes) -> None:
    with pytest.raises(FormatError):
        disclosure.make("a", "b", salt)
    with pytest.raises(FormatError):
        disclosure.parse(d([b64url(salt), "a", "b"]))


@pytest.mark.parametrize(
    "name", ["", "A", "1", "_a", "a.", ".a", "a..b", "a b", "a\n", "a-b", "é", "a.B", "a.é", "a\u0661"]
)
def test_names_refused(name: str) -> None:
    with pytest.raises(FormatError):
        disclosure.make(name, "b", SALT)
    with pytest.raises(FormatError):
        disclosure.parse(d([SALT_TEXT, name, "b"]))


@pytest.mark.parametrize("name", ["a", "r1", "f2.sha256", "a_b.1._", "code_for"])
def test_names_taken(name: str) -> None:
    assert disclosure.parse(disclosure.make(name, True, SALT)).name == name


@pytest.mark.parametrize("value", [None, 1.5, 2**53, "\ud800", (1,), {"é": 1}], ids=ascii)
def test_values_refused(value: Any) -> None:
    with pytest.raises(FormatError):
        disclosure.make("a", value, SALT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "!",
        "é",
        "\ud800",
        d([SALT_TEXT, "a"]),
        d([SALT_TEXT, "a", "b", "c"]),
        d([SALT_TEXT, "a", None]),
        d([SALT_TEXT, "a", 1.5]),
        d([SALT_TEXT, 1, "b"]),
        d([1, "a", "b"]),
        d([None, "a", "b"]),
        d([SALT_TEXT + "==", "a", "b"]),
        d([SALT_TEXT[:-1] + "x", "a", "b"]),
        d(["+" + SALT_TEXT[1:], "a", "b"]),
        d({"a": SALT_TEXT}),
        d("a"),
        d([SALT_TEXT, "a", "b"]) + "=",
        d([SALT_TEXT, "a", "b"]) + "\n",
        " " + d([SALT_TEXT, "a", "b"]),
        b64url(b'["' + SALT_TEXT.encode() + b'", "a", "b"]'),
        d([SALT_TEXT, "a", "b" * 98_302]),
    ],
    ids=lambda text: ascii(text[:60]) + str(len(text)),
)
def test_malformed(text: str) -> None:
    with pytest.raises(FormatError):
        disclosure.parse(text)


def test_no_other_alphabet_and_no_stray_bits() -> None:
    made = disclosure.make("a", "ÿ~?>ÿ~?>", SALT)
    assert "-" in made or "_" in made
    assert disclosure.parse(made).value == "ÿ~?>ÿ~?>"
    with pytest.raises(FormatError):
        disclosure.parse(made.replace("-", "+").replace("_", "/"))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for value in ("", "x", "xx"):
        made = disclosure.make("a", value, SALT)
        for last in set(alphabet) - {made[-1]}:
            with pytest.raises(FormatError):
                disclosure.parse(made[:-1] + last)


def test_length() -> None:
    # 98,302 octets of JSON make 131,070 characters of D.
    around = len(json.dumps([SALT_TEXT, "a", ""], separators=(",", ":")))
    longest = disclosure.make("a", "x" * (98_302 - around), SALT)
    assert len(longest) == disclosure.MAX_LENGTH
    assert disclosure.parse(longest).name == "a"
    with pytest.raises(FormatError):
        disclosure.make("a", "x" * (98_303 - around), SALT)


def test_every_bit_breaks_the_commitment() -> None:
    made = disclosure.make("ip", "192.0.2.1", SALT)
    sealed = [disclosure.digest(made), disclosure.digest(disclosure.make("ip", "192.0.2.2", SALT))]
    for at, character in enumerate(made):
        for bit in range(7):
            with pytest.raises(ProofError):
                disclosure.check(sealed, made[:at] + chr(ord(character) ^ 1 << bit) + made[at + 1 :])
    for wrong in (made[:-1], made + "A", made + "=", "", sealed[0]):
        with pytest.raises(ProofError):
            disclosure.check(sealed, wrong)
    with pytest.raises(ProofError):
        disclosure.check([], made)


@pytest.mark.parametrize("text", ["é", "\ud800", None, b"abc", 1], ids=ascii)
def test_only_ascii_strings_are_digested(text: Any) -> None:
    with pytest.raises(FormatError):
        disclosure.digest(text)


@settings(deadline=None, max_examples=400)
@given(
    st.text(max_size=30)
    | st.binary(max_size=60).map(b64url)
    | st.text('"[],:a1\\ué ', max_size=40).map(lambda t: b64url(t.encode()))
)
def test_fuzz(text: str) -> None:
    try:
        parsed = disclosure.parse(text)
    except FormatError:
        return
    assert disclosure.make(parsed.name, parsed.value, parsed.salt) == text


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_fuzz_json_inside(data: st.DataObject) -> None:
    good = f'["{SALT_TEXT}","a.b",["x"]]'.encode()
    at = data.draw(st.integers(0, len(good)))
    to = data.draw(st.integers(at, min(at + 2, len(good))))
    text = b64url(good[:at] + data.draw(st.text('"[],a0.\\ A_', max_size=3)).encode() + good[to:])
    try:
        parsed = disclosure.parse(text)
    except FormatError:
        return
    assert disclosure.make(parsed.name, parsed.value, parsed.salt) == text
