from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import note
from ledger.errors import FormatError, SignatureError
from ledger.note import Signature, Signer, Verifier

# The example of C2SP signed-note.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNATURE = "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
TEXT = b"This is an example message.\n"
EXAMPLE = TEXT + f"\n— example.com/foo {SIGNATURE}\n".encode()

LOG = Signer("example.com/log", bytes(range(32)))
OTHER = Signer("example.com/other", bytes(32))
SIGNED = note.sign(TEXT, [LOG, OTHER])


def lines(count: int) -> list[Signature]:
    return [Signature(f"w{i}", bytes(4), b"x") for i in range(count)]


class Cosigner:
    """A signature type from another file: the time goes with the signature, and is signed."""

    name = "witness.example"
    key_id = note.key_id(name, 0x04, bytes(32))

    def sign(self, text: bytes) -> bytes:
        return bytes(8) + sha256(text).digest()

    def check(self, text: bytes, signature: bytes) -> None:
        if signature != self.sign(text):
            raise SignatureError("cosignature does not verify")


def test_the_example_of_the_standard() -> None:
    verifier = Verifier.parse(VKEY)
    assert (verifier.name, verifier.key_id.hex(), verifier.vkey) == ("example.com/foo", "530d903a", VKEY)
    opened = note.open(EXAMPLE, [verifier])
    assert opened.text == TEXT
    assert [signature.name for signature in opened.verified] == ["example.com/foo"]
    assert opened.unverified == ()
    assert note.format(*note.parse(EXAMPLE)) == EXAMPLE


def test_every_bit_of_the_example() -> None:
    verifier = Verifier.parse(VKEY)
    for at in range(len(EXAMPLE)):
        for bit in range(8):
            bad = EXAMPLE[:at] + bytes([EXAMPLE[at] ^ 1 << bit]) + EXAMPLE[at + 1 :]
            with pytest.raises((FormatError, SignatureError)):
                note.open(bad, [verifier])
    for end in range(len(EXAMPLE)):
        with pytest.raises((FormatError, SignatureError)):
            note.open(EXAMPLE[:end], [verifier])


def test_sign_and_open() -> None:
    opened = note.open(SIGNED, [LOG.verifier, OTHER.verifier])
    assert [s.name for s in opened.verified] == [LOG.name, OTHER.name]
    assert opened.verified[0].key_id == LOG.key_id == Verifier.parse(LOG.vkey).key_id
    one = note.open(SIGNED, [OTHER.verifier])
    assert ([s.name for s in one.verified], [s.name for s in one.unverified]) == ([OTHER.name], [LOG.name])


def test_the_seed_stays_inside() -> None:
    assert bytes(range(32)).hex() not in repr(LOG)
    assert repr(LOG) == f"Signer({LOG.vkey!r})"
    assert not hasattr(LOG, "__dict__")


def test_existing_signatures_are_kept_and_own_ones_replaced() -> None:
    opened = note.open(SIGNED, [LOG.verifier])
    stale = Signature(LOG.name, LOG.key_id, b"stale")
    again = note.sign(TEXT, [LOG], [stale, *opened.unverified])
    assert [s.name for s in note.parse(again)[1]] == [OTHER.name, LOG.name]
    assert len(note.open(again, [LOG.verifier, OTHER.verifier]).verified) == 2


def test_a_signer_of_another_type() -> None:
    cosigner = Cosigner()
    both = note.sign(TEXT, [LOG, cosigner])
    opened = note.open(both, [LOG.verifier, cosigner])
    assert [s.name for s in opened.verified] == [LOG.name, cosigner.name]
    assert len(opened.verified[1].signature) == 40
    forged = note.format(TEXT, [*opened.verified[:1], Signature(cosigner.name, cosigner.key_id, bytes(40))])
    with pytest.raises(SignatureError):
        note.open(forged, [LOG.verifier, cosigner])
    assert len(note.open(forged, [LOG.verifier]).unverified) == 1


def test_unknown_keys_are_ignored_even_with_a_known_name_or_id() -> None:
    same_name = Signature(LOG.name, bytes(4), b"x")
    same_id = Signature("example.com/x", LOG.key_id, b"x")
    good = note.parse(SIGNED)[1][0]
    opened = note.open(note.format(TEXT, [same_name, good, same_id]), [LOG.verifier])
    assert (opened.verified, opened.unverified) == ((good,), (same_name, same_id))
    with pytest.raises(SignatureError, match="no signature by a known key"):
        note.open(note.format(TEXT, [same_name, same_id]), [LOG.verifier])
    with pytest.raises(SignatureError):
        note.open(SIGNED, [])


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    good, other = note.parse(SIGNED)[1]
    bad = Signature(OTHER.name, OTHER.key_id, bytes(64))
    for signatures in ([good, bad], [bad, good], [good, other, bad], [other, bad, good]):
        data = note.format(TEXT, signatures)
        with pytest.raises(SignatureError, match="does not verify"):
            note.open(data, [LOG.verifier, OTHER.verifier])
    for wrong in (other.signature[:-1], other.signature + b"\x00", b"x"):
        with pytest.raises(SignatureError):
            note.open(note.format(TEXT, [Signature(OTHER.name, OTHER.key_id, wrong)]), [OTHER.verifier])


def test_a_key_that_signed_twice_counts_once() -> None:
    good = note.parse(SIGNED)[1][0]
    opened = note.open(note.format(TEXT, [good, good]), [LOG.verifier])
    assert opened.verified == (good,)


def test_two_keys_of_one_name_and_id() -> None:
    class Twin:
        name = LOG.name
        key_id = LOG.key_id

        def check(self, text: bytes, signature: bytes) -> None:
            """Take anything."""

    with pytest.raises(SignatureError, match="two different keys"):
        note.open(SIGNED, [LOG.verifier, Twin()])
    assert note.open(SIGNED, [LOG.verifier, Verifier.parse(LOG.vkey)]).verified


def test_the_text_may_have_empty_lines() -> None:
    for text in (b"\n", b"\n\n", b"a\n\nb\n", b"a\n\n", "\n— a AAAAAAA=\n".encode(), "ü\x7f\x85\u2028\n".encode()):
        data = note.sign(text, [LOG])
        assert note.open(data, [LOG.verifier]).text == text
        assert note.format(*note.parse(data)) == data


@pytest.mark.parametrize(
    "text",
    [b"", b"a", b"a\n\tb\n", b"a\r\n", b"\x00\n", b"\x1f\n", b"\xff\n", b"\xed\xa0\x80\n", "a\n", None],
    ids=repr,
)
def test_texts_refused(text: Any) -> None:
    with pytest.raises(FormatError):
        note.sign(text, [LOG])
    if isinstance(text, bytes):
        with pytest.raises(FormatError):
            note.parse(text + SIGNED[len(TEXT) :])


def test_how_many_signatures() -> None:
    for count in (1, 16, 64):
        assert len(note.parse(note.format(TEXT, lines(count)))[1]) == count
    for count in (0, 65):
        with pytest.raises(FormatError):
            note.format(TEXT, lines(count))
    with pytest.raises(FormatError):
        note.sign(TEXT, [])
    line = "— w AAAAAHg=\n".encode()
    assert len(note.parse(TEXT + b"\n" + line * 64)[1]) == 64
    with pytest.raises(FormatError):
        note.parse(TEXT + b"\n" + line * 65)


def test_how_long() -> None:
    rest = len(note.sign(b"\n", [LOG]))
    longest = b"a" * (note.MAX_NOTE - rest) + b"\n"
    assert note.open(note.sign(longest, [LOG]), [LOG.verifier]).text == longest
    with pytest.raises(FormatError):
        note.sign(b"a" + longest, [LOG])
    with pytest.raises(FormatError):
        note.parse(b"a" + note.sign(longest, [LOG]))
    post_quantum = [Signature(f"w{i}", bytes(4), bytes(5000)) for i in range(16)]
    assert len(note.parse(note.format(TEXT, post_quantum))[1]) == 16


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "— w AAAAAHg=",
        "— w AAAAAHg=\n\n",
        "— w AAAAAHg=\r\n",
        "— w AAAAAHg= \n",
        "— w AAAAAHg\n",
        "— w AAAAAHh=\n",
        "— w AAAAAHg==\n",
        "— w AAAA!AHg=\n",
        "— w AAAAAA==\n",
        "— w \n",
        "— w\n",
        "— w  AAAAAHg=\n",
        "—  AAAAAHg=\n",
        "—  w AAAAAHg=\n",
        "- w AAAAAHg=\n",
        "\u2013w AAAAAHg=\n",
        "w AAAAAHg=\n",
        " — w AAAAAHg=\n",
        "— w+x AAAAAHg=\n",
        "— w\u00a0x AAAAAHg=\n",
        "— w\u2028 AAAAAHg=\n",
        "— w\u0085 AAAAAHg=\n",
        "— w\u3000x AAAAAHg=\n",
        "— w\tx AAAAAHg=\n",
        "— w AAAA\x00AHg=\n",
        "— w AAAAAHg=\nx\n",
        "— w AAAAAHg=\n— w\n",
        "— w AAAAA-_=\n",
    ],
    ids=ascii,
)
def test_signature_lines_refused(line: str) -> None:
    assert len(note.parse(TEXT + "\n— w AAAAAHg=\n".encode())[1]) == 1
    with pytest.raises(FormatError):
        note.parse(TEXT + b"\n" + line.encode())


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b"\n\n\n", "x", None], ids=repr)
def test_what_is_no_note(data: Any) -> None:
    with pytest.raises(FormatError):
        note.parse(data)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "+",
        "++",
        VKEY + "\n",
        VKEY[:-1],
        VKEY + "=",
        VKEY.replace("530d903a", "530D903A"),
        VKEY.replace("530d903a", "530d903b"),
        VKEY.replace("foo", "bar"),
        VKEY.replace("foo", "f oo"),
        VKEY.replace("foo", "f+oo"),
        VKEY.replace("3U2k", "3U2l"),
        "x+" + sha256(b"x\n\x01").hexdigest()[:8] + "+AQ==",
        note.format_vkey("x", 0x01, bytes(31)),
        note.format_vkey("x", 0x01, bytes(33)),
        note.format_vkey("x", 0x04, bytes(32)),
        "\ud800+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "é" * 3,
        None,
        b"x",
    ],
    ids=ascii,
)
def test_vkeys_refused(vkey: Any) -> None:
    with pytest.raises(FormatError):
        Verifier.parse(vkey)


def test_vkeys_of_other_types() -> None:
    # FB EF BE is ++++ in base64; only the first two plus signs of a vkey separate.
    key = b"\x00\x00" + b"\xfb\xef\xbe" * 10
    vkey = note.format_vkey("w.example", 0x06, key)
    assert vkey.count("+") > 2
    assert note.parse_vkey(vkey) == ("w.example", 0x06, key)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), "a" * 32, bytearray(32)], ids=repr)
def test_seeds_refused(seed: Any) -> None:
    with pytest.raises(FormatError):
        Signer("x", seed)


@pytest.mark.parametrize("name", ["", " ", "a b", "a+b", "a\n", "\x00", "a\u2003b", "\ud800", None, b"a"], ids=ascii)
def test_names_refused(name: Any) -> None:
    with pytest.raises(FormatError):
        Signer(name, bytes(32))
    with pytest.raises(FormatError):
        Signature(name, bytes(4), b"x")


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_base64(data: bytes) -> None:
    text = note.encode_base64(data)
    assert text == base64.b64encode(data).decode()
    assert note.decode_base64(text) == data


@settings(deadline=None, max_examples=500)
@given(st.text("AB+/=-_\n ab\x00é", max_size=12) | st.text(max_size=8))
def test_fuzz_base64(text: str) -> None:
    try:
        data = note.decode_base64(text)
    except FormatError:
        return
    assert note.encode_base64(data) == text


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_fuzz_notes(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SIGNED)))
    to = data.draw(st.integers(at, min(at + 3, len(SIGNED))))
    pieces = st.binary(max_size=3) | st.sampled_from(
        [b"\n", b"\n\n", "— ".encode(), b" ", b"=", b"+", b"\r", b"\xc2\x85"]
    )
    bad = SIGNED[:at] + data.draw(pieces) + SIGNED[to:]
    try:
        opened = note.open(bad, [LOG.verifier, OTHER.verifier])
    except (FormatError, SignatureError):
        return
    assert note.format(*note.parse(bad)) == bad
    assert opened.text == TEXT


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80) | st.text("\n— aAB=+ \x00é", max_size=40).map(str.encode))
def test_fuzz_bytes(data: bytes) -> None:
    for noise in (data, TEXT + b"\n" + data, data + SIGNED):
        try:
            parsed = note.parse(noise)
        except FormatError:
            continue
        assert note.format(*parsed) == noise


@settings(deadline=None, max_examples=300)
@given(
    st.text(max_size=60)
    | st.tuples(st.text(max_size=5), st.text("0123456789abcdef", max_size=9), st.text("AB+/=", max_size=9)).map(
        "+".join
    )
)
def test_fuzz_vkeys(vkey: str) -> None:
    try:
        parsed = note.parse_vkey(vkey)
    except FormatError:
        return
    assert note.format_vkey(*parsed) == vkey
