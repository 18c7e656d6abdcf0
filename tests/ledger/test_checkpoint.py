from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import checkpoint, note
from ledger.checkpoint import Checkpoint
from ledger.errors import FormatError, SignatureError
from ledger.merkle import EMPTY_ROOT, MAX_SIZE
from ledger.note import Signer

ORIGIN = "example.com/log"
LOG = Signer(ORIGIN, bytes(32))
NEXT = Signer(ORIGIN, b"n" * 32)
WITNESS = Signer("witness.example", b"w" * 32)
ROOT = bytes(range(32))
ROOT_TEXT = base64.b64encode(ROOT).decode()
ONE = Checkpoint(ORIGIN, 15, ROOT)
SIGNED = checkpoint.sign(ONE, LOG)


def text(size: str = "15", root: str = ROOT_TEXT, origin: str = ORIGIN) -> str:
    return f"{origin}\n{size}\n{root}\n"


def test_known_text() -> None:
    assert checkpoint.format(ONE) == text().encode()
    assert checkpoint.parse(text()) == checkpoint.parse(text().encode()) == ONE
    empty = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert checkpoint.parse(empty) == Checkpoint(ORIGIN, 0, EMPTY_ROOT)


@pytest.mark.parametrize(
    "size",
    [
        "",
        "00",
        "015",
        "+15",
        "-15",
        "1_5",
        " 15",
        "15 ",
        "15\r",
        "\u0661\u0665",
        "1\u0665",
        "0x1",
        "1.0",
        "1e3",
        "-0",
        str(MAX_SIZE + 1),
        "9" * 19,
        "1" * 20,
    ],
    ids=ascii,
)
def test_sizes_refused(size: str) -> None:
    for given_text in (text(size), text(size).encode()):
        with pytest.raises(FormatError):
            checkpoint.parse(given_text)


@pytest.mark.parametrize("size", [1, 9, 10, 999, MAX_SIZE])
def test_sizes_taken(size: int) -> None:
    assert checkpoint.parse(text(str(size))).size == size


@pytest.mark.parametrize(
    "root",
    [
        "",
        ROOT_TEXT[:-1],
        ROOT_TEXT + "=",
        ROOT_TEXT + "!!",
        "!!" + ROOT_TEXT,
        ROOT_TEXT[:-2] + "9=",  # bits that no octet holds
        " " + ROOT_TEXT,
        ROOT_TEXT + " ",
        "AAAA",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        ROOT.hex(),
    ],
)
def test_roots_refused(root: str) -> None:
    with pytest.raises(FormatError):
        checkpoint.parse(text(root=root))


@pytest.mark.parametrize("origin", ["", " ", "a b", "a+b", "é", "a\x7f", "a\u2028", "a\r", "a" * 256])
def test_origins_refused(origin: str) -> None:
    with pytest.raises(FormatError):
        checkpoint.parse(text(origin=origin))
    with pytest.raises(FormatError):
        Checkpoint(origin, 15, ROOT)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "\n",
        "\n\n\n",
        text()[:-1],
        text() + "\n",
        text() + "extension\n",
        "\n" + text(),
        text().replace("\n", "\r\n"),
        text().replace("\n", "\u2028"),
        text().replace("\n15", "\n\n15"),
        f"{ORIGIN}\n{ROOT_TEXT}\n15\n",
        text() + "a" * 600,
        SIGNED.decode(),
        text("0"),  # the empty tree has one root only
    ],
    ids=range(14),
)
def test_texts_refused(bad: str) -> None:
    for given_text in (bad, bad.encode()):
        with pytest.raises(FormatError):
            checkpoint.parse(given_text)


@pytest.mark.parametrize(
    ("size", "root"),
    [(-1, ROOT), (MAX_SIZE + 1, ROOT), (True, ROOT), (1.0, ROOT), (1, b""), (1, bytearray(32)), (0, ROOT)],
)
def test_values_refused(size: Any, root: Any) -> None:
    with pytest.raises(FormatError):
        Checkpoint(ORIGIN, size, root)


def test_sign_and_open() -> None:
    found, opened = checkpoint.open(SIGNED, ORIGIN, [LOG.verifier])
    assert found == ONE
    assert opened.text == checkpoint.format(ONE)
    both = note.sign(opened.text, [NEXT, WITNESS], opened.verified)
    found, opened = checkpoint.open(both, ORIGIN, [LOG.verifier, NEXT.verifier], [WITNESS.verifier])
    assert found == ONE
    assert [s.key_id for s in opened.verified] == [LOG.key_id, NEXT.key_id, WITNESS.key_id]
    assert checkpoint.open(both, ORIGIN, [NEXT.verifier])[0] == ONE


def test_only_the_logs_own_key_signs() -> None:
    with pytest.raises(SignatureError):
        checkpoint.sign(ONE, WITNESS)


def test_a_witness_does_not_stand_in_for_the_log() -> None:
    witnessed = note.sign(checkpoint.format(ONE), [WITNESS])
    namesake = note.sign(checkpoint.format(ONE), [NEXT])
    for verifiers in ([LOG.verifier], [], [WITNESS.verifier], [LOG.verifier, WITNESS.verifier]):
        with pytest.raises(SignatureError):
            checkpoint.open(witnessed, ORIGIN, verifiers, [WITNESS.verifier])
    with pytest.raises(SignatureError):
        checkpoint.open(namesake, ORIGIN, [LOG.verifier], [NEXT.verifier])


def test_a_bad_witness_line_spoils_it() -> None:
    forged = note.format(
        checkpoint.format(ONE), [*note.parse(SIGNED)[1], note.Signature(WITNESS.name, WITNESS.key_id, bytes(64))]
    )
    assert checkpoint.open(forged, ORIGIN, [LOG.verifier])[0] == ONE
    with pytest.raises(SignatureError):
        checkpoint.open(forged, ORIGIN, [LOG.verifier], [WITNESS.verifier])


def test_another_origin() -> None:
    other = Checkpoint("example.com/other", 15, ROOT)
    crossed = note.sign(checkpoint.format(other), [LOG])
    with pytest.raises(SignatureError, match=r"is of example\.com/other"):
        checkpoint.open(crossed, ORIGIN, [LOG.verifier])
    with pytest.raises(SignatureError):
        checkpoint.open(crossed, "example.com/other", [LOG.verifier])
    extended = note.sign(checkpoint.format(ONE) + b"extension\n", [LOG])
    with pytest.raises(FormatError):
        checkpoint.open(extended, ORIGIN, [LOG.verifier])


def test_every_bit() -> None:
    for at in range(len(SIGNED)):
        for bit in range(8):
            bad = SIGNED[:at] + bytes([SIGNED[at] ^ 1 << bit]) + SIGNED[at + 1 :]
            with pytest.raises((FormatError, SignatureError)):
                checkpoint.open(bad, ORIGIN, [LOG.verifier])


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_fuzz(data: st.DataObject) -> None:
    good = text()
    at = data.draw(st.integers(0, len(good)))
    to = data.draw(st.integers(at, min(at + 3, len(good))))
    bad = good[:at] + data.draw(st.text("\n0159+=/Aa \u0661\u2028\r_-", max_size=3) | st.text(max_size=3)) + good[to:]
    try:
        parsed = checkpoint.parse(bad)
    except FormatError:
        return
    assert checkpoint.format(parsed) == bad.encode()


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=100) | st.text("\na0=", max_size=60).map(str.encode))
def test_fuzz_bytes(data: bytes) -> None:
    try:
        parsed = checkpoint.parse(data)
    except FormatError:
        return
    assert checkpoint.format(parsed) == data
