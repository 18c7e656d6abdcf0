"""Cosignatures and the messages of a witness, with tlog-scales as the independent second implementation."""

from __future__ import annotations

from contextlib import suppress

import pytest
import tlog_scales.signing
import tlog_scales.tlog
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint, note, witness
from ledger.errors import FormatError, SignatureError
from ledger.witness import ED25519, ML_DSA_44, CosignatureVerifier, Cosigner, Request, attach, check_cosignatures

LOG = note.Signer("log.example/one", b"L" * 32)
CHECKPOINT = checkpoint.Checkpoint("log.example/one", 5, b"R" * 32)
TEXT = checkpoint.format(CHECKPOINT)
NOTE = checkpoint.sign(CHECKPOINT, LOG)
BOTH = pytest.mark.parametrize("kind", [ED25519, ML_DSA_44], ids=["Ed25519", "ML-DSA-44"])


def cosigner(name: str = "w.example", kind: int = ED25519, seed: bytes = b"W" * 32) -> Cosigner:
    return Cosigner(name, kind, seed)


def cosigned(*signatures: note.Signature, data: bytes = NOTE) -> bytes:
    text, old = note.parse(data)
    return note.format(text, [*old, *signatures])


@BOTH
@pytest.mark.parametrize("timestamp", [1, 1_700_000_000, 2**63 - 1])
def test_round_trip_and_a_second_implementation(kind: int, timestamp: int) -> None:
    key = cosigner(kind=kind)
    data = cosigned(key.cosign(TEXT, timestamp))
    verifier = CosignatureVerifier.parse(key.verifier.vkey)
    assert verifier == key.verifier
    assert check_cosignatures(data, LOG.verifier, [verifier], 1) == [("w.example", timestamp)]
    theirs = tlog_scales.tlog.Checkpoint.from_text(data.decode())
    theirs.verify(tlog_scales.signing.Vkey.from_string(verifier.vkey))


def test_accepts_what_the_second_implementation_signs() -> None:
    theirs = tlog_scales.signing.MLDSA44CosignatureSigner("w.example", b"W" * 32)
    line = theirs.sign(tlog_scales.tlog.Checkpoint.from_text(NOTE.decode()))
    data = NOTE + f"{line.serialize()}\n".encode()
    ((name, seconds),) = check_cosignatures(data, LOG.verifier, [cosigner(kind=ML_DSA_44).verifier], 1)
    assert (name, seconds) == ("w.example", int.from_bytes(line.payload[:8], "big"))


@BOTH
def test_every_bit_of_a_cosignature_and_of_the_text_counts(kind: int) -> None:
    key = cosigner(kind=kind)
    good = key.cosign(TEXT, 1_700_000_000).signature
    key.verifier.check(TEXT, good)
    for at in [*range(16), *range(16, len(good), 97), len(good) - 1]:
        for bit in (1, 128):
            changed = bytearray(good)
            changed[at] ^= bit
            with pytest.raises(SignatureError):
                key.verifier.check(TEXT, bytes(changed))
    for told in (
        checkpoint.Checkpoint("log.example/two", 5, b"R" * 32),
        checkpoint.Checkpoint("log.example/one", 6, b"R" * 32),
        checkpoint.Checkpoint("log.example/one", 5, b"S" * 32),
    ):
        with pytest.raises(SignatureError):
            key.verifier.check(checkpoint.format(told), good)


@BOTH
def test_another_time_is_another_statement(kind: int) -> None:
    key = cosigner(kind=kind)
    first, second = (key.cosign(TEXT, seconds).signature for seconds in (1, 2))
    with pytest.raises(SignatureError):
        key.verifier.check(TEXT, second[:8] + first[8:])


@BOTH
@pytest.mark.parametrize("blob", [b"", b"x" * 7, b"x" * 8], ids=len)
def test_malformed_blobs(kind: int, blob: bytes) -> None:
    key = cosigner(kind=kind)
    good = key.cosign(TEXT, 1).signature
    for bad in (blob, good[:-1], good + b"\0"):
        with pytest.raises(SignatureError, match="octets"):
            key.verifier.check(TEXT, bad)


@BOTH
@pytest.mark.parametrize("timestamp", [0, 2**63, 2**64 - 1])
def test_times_no_witness_may_state(kind: int, timestamp: int) -> None:
    """Signed in earnest over such a time: it is refused for the time, not for the signature."""
    key = cosigner(kind=kind)
    message = witness._message(kind, "w.example", timestamp, TEXT)
    blob = timestamp.to_bytes(8, "big") + key._private_key.sign(message)
    with pytest.raises(SignatureError, match=r"timestamp outside 1 to 2\^63 - 1"):
        key.verifier.check(TEXT, blob)
    with pytest.raises(FormatError, match="timestamp outside"):
        key.cosign(TEXT, timestamp)


@pytest.mark.parametrize("timestamp", [-1, True, 1.0])
def test_a_time_is_an_integer(timestamp: int) -> None:
    with pytest.raises(FormatError, match="timestamp outside"):
        cosigner().cosign(TEXT, timestamp)


def test_a_cosigner_signs_checkpoints_only() -> None:
    for text in (b"hello\n", TEXT + b"extension\n", TEXT[:-1]):
        with pytest.raises(FormatError):
            cosigner().cosign(text, 1)


@BOTH
def test_swapped_keys(kind: int) -> None:
    """The right name with another's key, and the right key id with another's signature."""
    right, wrong = cosigner(kind=kind), cosigner(kind=kind, seed=b"X" * 32)
    by_wrong = wrong.cosign(TEXT, 7)
    with pytest.raises(SignatureError, match="0 witnesses cosigned, 1 required"):
        check_cosignatures(cosigned(by_wrong), LOG.verifier, [right.verifier], 1)
    forged = note.Signature("w.example", right.verifier.key_id, by_wrong.signature)
    with pytest.raises(SignatureError, match="does not verify"):
        check_cosignatures(cosigned(forged), LOG.verifier, [right.verifier], 0)


def test_the_name_is_in_an_ml_dsa_cosignature_and_not_in_an_ed25519_one() -> None:
    """Why one key under two names has to be refused by the list of witnesses."""
    a, b = cosigner("a.example"), cosigner("b.example")
    b.verifier.check(TEXT, a.cosign(TEXT, 7).signature)
    with pytest.raises(SignatureError, match="one key is listed twice"):
        check_cosignatures(cosigned(a.cosign(TEXT, 7), b.cosign(TEXT, 7)), LOG.verifier, [a.verifier, b.verifier], 2)
    a, b = cosigner("a.example", ML_DSA_44), cosigner("b.example", ML_DSA_44)
    with pytest.raises(SignatureError):
        b.verifier.check(TEXT, a.cosign(TEXT, 7).signature)


def test_the_log_is_no_witness_of_itself() -> None:
    itself = cosigner("w.example", seed=b"L" * 32)
    with pytest.raises(SignatureError, match="one key is listed twice"):
        check_cosignatures(cosigned(itself.cosign(TEXT, 7)), LOG.verifier, [itself.verifier], 1)


def test_a_cosignature_is_no_signature_by_the_log() -> None:
    named_so = cosigner("log.example/one")
    data = note.format(TEXT, [named_so.cosign(TEXT, 7)])
    with pytest.raises(SignatureError, match="no signature by a known key"):
        check_cosignatures(data, LOG.verifier, [named_so.verifier], 1)


def test_quorum_counts_names() -> None:
    a, a2 = cosigner("a.example"), cosigner("a.example", ML_DSA_44)
    b, c = cosigner("b.example", seed=b"B" * 32), cosigner("c.example", seed=b"C" * 32)
    witnesses = [key.verifier for key in (c, b, a, a2)]
    data = cosigned(b.cosign(TEXT, 9), a.cosign(TEXT, 8), a2.cosign(TEXT, 7), c.cosign(TEXT, 6))
    assert check_cosignatures(data, LOG.verifier, witnesses, 3) == [
        ("a.example", 8),
        ("b.example", 9),
        ("c.example", 6),
    ]
    with pytest.raises(SignatureError, match="3 witnesses cosigned, 4 required"):
        check_cosignatures(data, LOG.verifier, witnesses, 4)
    assert check_cosignatures(data, LOG.verifier, [b.verifier], 1) == [("b.example", 9)]
    assert check_cosignatures(NOTE, LOG.verifier, witnesses, 0) == []
    for quorum in (-1, True):
        with pytest.raises(SignatureError, match="quorum"):
            check_cosignatures(data, LOG.verifier, witnesses, quorum)


def test_another_origin() -> None:
    other = note.Signer("log.example/two", b"L" * 32)
    data = cosigned(cosigner().cosign(TEXT, 7))
    with pytest.raises(SignatureError):
        check_cosignatures(data, other.verifier, [cosigner().verifier], 1)
    other_text = checkpoint.format(checkpoint.Checkpoint("log.example/two", 5, b"R" * 32))
    data = note.sign(other_text, [LOG], [cosigner().cosign(other_text, 7)])
    with pytest.raises(SignatureError, match=r"log\.example/two, not of log\.example/one"):
        check_cosignatures(data, LOG.verifier, [cosigner().verifier], 1)


@pytest.mark.parametrize("vkey", [LOG.vkey, "x", cosigner().verifier.vkey[:-4] + "AAA=", ""])
def test_vkeys_of_another_type_or_form(vkey: str) -> None:
    with pytest.raises(FormatError):
        CosignatureVerifier.parse(vkey)


def test_keys_are_checked() -> None:
    for bad in ((0x01, bytes(32)), (ED25519, bytes(31)), (ML_DSA_44, bytes(32))):
        with pytest.raises(FormatError):
            CosignatureVerifier("w.example", *bad)
    with pytest.raises(FormatError, match="255"):
        CosignatureVerifier("é" * 128, ED25519, bytes(32))
    with pytest.raises(FormatError, match="32 octets"):
        Cosigner("w.example", ED25519, b"short")
    with pytest.raises(FormatError, match="0x01"):
        Cosigner("w.example", 0x01, bytes(32))
    assert "W" * 32 not in repr(cosigner())


@BOTH
def test_attach_keeps_known_cosignatures_and_replaces_older_ones(kind: int) -> None:
    key, stranger = cosigner(kind=kind), cosigner("s.example", seed=b"S" * 32)
    first = attach(NOTE, [key.cosign(TEXT, 7), stranger.cosign(TEXT, 8)], [key.verifier])
    assert first == cosigned(key.cosign(TEXT, 7)) or kind == ML_DSA_44  # ML-DSA signatures are randomised
    again = attach(first, [key.cosign(TEXT, 9)], [key.verifier])
    assert check_cosignatures(again, LOG.verifier, [key.verifier], 1) == [("w.example", 9)]
    assert len(note.parse(again)[1]) == 2
    with pytest.raises(SignatureError):
        attach(NOTE, [note.Signature("w.example", key.verifier.key_id, b"x" * 72)], [key.verifier])


REQUEST = Request(3, (b"a" * 32, b"b" * 32), NOTE)


def test_requests_there_and_back() -> None:
    body = witness.format_request(REQUEST)
    encoded = [note.encode_base64(digest) for digest in REQUEST.proof]
    assert body == f"old 3\n{encoded[0]}\n{encoded[1]}\n\n".encode() + NOTE
    assert witness.parse_request(body) == REQUEST
    first = Request(0, (), NOTE)
    assert witness.parse_request(witness.format_request(first)) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"old 3\n", b"old 03\n"), (b"old 3\n", b"old +3\n"), (b"old 3\n", b"old 3 \n"), (b"old 3\n", b"old -3\n"),
        (b"old 3\n", b"old  3\n"), (b"old 3\n", b"old\n"), (b"old 3\n", b"Old 3\n"), (b"old 3\n", b""),
        (b"old 3\n", b"old 6\n"), (b"old 3\n", b"old 9999999999999999999\n"), (b"old 3\n", b"old 3\r\n"),
        (b"old 3\n", "old \u0663\n".encode()), (b"\n\n", b"\n"), (b"YWFh", b"YWE="), (b"YWFh", b" YWFh"),
        (b"old 3\n", b"old 3\nAAAA\n"), (b"old 3\n", b"old 3\n" + (note.encode_base64(bytes(32)) + "\n").encode() * 62),
        (b"log.example/one\n5", b"log.example/one\n05"), ("\u2014".encode(), b"-"),
    ],
)  # fmt: skip
def test_requests_in_another_spelling_are_refused(old: bytes, new: bytes) -> None:
    body = witness.format_request(REQUEST)
    assert old in body
    with pytest.raises(FormatError):
        witness.parse_request(body.replace(old, new, 1))


@pytest.mark.parametrize(
    "request_",
    [Request(6, (), NOTE), Request(-1, (), NOTE), Request(0, (b"x",), NOTE), Request(0, (b"a" * 32,) * 64, NOTE)],
)
def test_requests_that_would_be_refused_are_not_made(request_: Request) -> None:
    with pytest.raises(FormatError):
        witness.format_request(request_)


def test_a_proof_may_have_63_hashes() -> None:
    long = Request(3, (b"a" * 32,) * 63, NOTE)
    assert witness.parse_request(witness.format_request(long)) == long


def test_responses_there_and_back() -> None:
    signatures = (cosigner().cosign(TEXT, 7), cosigner(kind=ML_DSA_44).cosign(TEXT, 8))
    body = witness.format_response(signatures)
    assert body.count(b"\n") == 2
    assert witness.parse_response(body) == signatures
    for bad in (
        b"",
        b"\n",
        body + b"\n",
        body[:-1],
        b"x\n" + body,
        b"x\n\n" + body,
        b"\n" + body,
        body + b"x\n",
        b"\xff" + body,
    ):
        with pytest.raises(FormatError):
            witness.parse_response(bad)


def test_conflicts_there_and_back() -> None:
    for size in (0, 7, 2**63 - 1):
        assert witness.parse_conflict(witness.format_conflict(size)) == size
    for bad in (
        b"",
        b"7",
        b"07\n",
        b"7\n\n",
        b" 7\n",
        b"9223372036854775808\n",
        b"-1\n",
        "\u0667\n".encode(),
        b"\xff\n",
    ):
        with pytest.raises(FormatError):
            witness.parse_conflict(bad)


@given(st.binary() | st.binary().map(lambda tail: b"old 3\n\n" + tail))
def test_whatever_is_parsed_has_one_spelling_and_nothing_but_format_errors_escape(body: bytes) -> None:
    with suppress(FormatError):
        assert witness.format_request(witness.parse_request(body)) == body
    with suppress(FormatError):
        assert witness.format_response(witness.parse_response(body)) == body
    with suppress(FormatError):
        assert witness.format_conflict(witness.parse_conflict(body)) == body
