from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import note, statement
from ledger.errors import FormatError, SignatureError
from ledger.statement import Statement

AUDITOR = note.Signer("auditor.example", b"a" * 32)
STRANGER = note.Signer("stranger.example", b"s" * 32)
ROOT = bytes(range(32))
TEXT = (
    b"postseal-replay/1\nlog.example/mail\n1024\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n1\npassed\n"
)  # fmt: skip


def test_the_text_is_the_one_of_the_specification() -> None:
    assert statement.format("log.example/mail", 1024, ROOT, 1) == TEXT
    told = statement.parse(TEXT)
    assert told == Statement("log.example/mail", 1024, ROOT, 1)
    assert told.checkpoint.size == 1024


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"replay/1", b"replay/2"),
        (b"\n1024\n", b"\n01024\n"),
        (b"\n1024\n", b"\n1_024\n"),
        (b"\n1024\n", b"\n0\n"),
        (b"\n1024\n", b"\n-1\n"),
        (b"Hh8=", b"Hh9="),
        (b"Hh8=", b"Hh8"),
        (b"\n1\npassed", b"\n0\npassed"),
        (b"\n1\npassed", b"\n+1\npassed"),
        (b"\n1\npassed", b"\n\xd9\xa1\npassed"),
        (b"passed", b"failed"),
        (b"passed\n", b"passed"),
        (b"passed\n", b"passed\n\n"),
        (b"passed\n", b"passed\nmore\n"),
        (b"log.example/mail", b"log example"),
        (b"\nlog", b"\r\nlog"),
    ],
)
def test_any_other_spelling_is_refused(old: bytes, new: bytes) -> None:
    assert old in TEXT
    with pytest.raises(FormatError):
        statement.parse(TEXT.replace(old, new))


@pytest.mark.parametrize(
    ("origin", "size", "root", "rules"),
    [("a b", 1, ROOT, 1), ("a", 0, ROOT, 1), ("a", 1, ROOT[1:], 1), ("a", 1, ROOT, 0), ("a", 1, ROOT, True)],
)
def test_what_could_not_be_read_back_is_not_written(origin: str, size: int, root: bytes, rules: int) -> None:
    with pytest.raises(FormatError):
        statement.format(origin, size, root, rules)


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda a, b, c: TEXT[:a] + b + TEXT[c:], *[st.integers(0, 110)] * 1, st.binary(max_size=3), st.integers(0, 110)
    )
)
@example(TEXT)
def test_there_and_back_or_refused(text: bytes) -> None:
    try:
        told = statement.parse(text)
    except FormatError:
        return
    assert statement.format(told.origin, told.size, told.root, told.rules_version) == text


def test_signed_and_opened() -> None:
    signed = statement.sign(TEXT, AUDITOR)
    assert statement.open(signed, [STRANGER.verifier, AUDITOR.verifier]).rules_version == 1
    with pytest.raises(SignatureError):
        statement.open(signed, [STRANGER.verifier])
    with pytest.raises(SignatureError):
        statement.open(signed.replace(b"\n1024\n", b"\n1025\n"), [AUDITOR.verifier])
    with pytest.raises(FormatError):
        statement.sign(b"lunch at noon\n", AUDITOR)
    with pytest.raises(FormatError):
        statement.open(note.sign(b"lunch at noon\n", [AUDITOR]), [AUDITOR.verifier])
