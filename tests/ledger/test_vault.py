"""Wrapped data keys, boxes and the blind index: exact bytes, and nothing opens in another place."""

from __future__ import annotations

import hmac
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import FormatError, SecretError
from ledger.vault import Blinder, open_box, seal_box, unwrap, wrap
from tests.helpers import HOUSE

GOLDEN = HOUSE / "tests" / "golden" / "keys"
LOG = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5d-ac96-774b-bcce-b302099a8059"
SUBJECT = "01890a5d-ac96-774b-bcce-b302099a8058:shared"
NONCE = bytes(range(12))
KEY, KEK, BLIND = (bytes([n]) * 32 for n in (1, 2, 3))
TEXTS = ["D-of-a-first-fact", "D-of-a-second"]


def golden(name: str) -> bytes:
    return Path(GOLDEN / name).read_bytes()


def test_golden_box() -> None:
    assert seal_box(AESGCM(KEY), LOG, 7, TEXTS, NONCE) == golden("box")
    assert open_box(AESGCM(KEY), LOG, 7, golden("box")) == TEXTS


def test_golden_data_key() -> None:
    assert wrap(AESGCM(KEK), 3, SUBJECT, LOG, KEY, NONCE) == golden("data-key")
    assert unwrap(AESGCM(KEK), 3, SUBJECT, LOG, golden("data-key")) == KEY


def test_golden_blind() -> None:
    assert Blinder(BLIND)("address", "büro@example.org") == golden("blind")


@given(
    st.lists(st.text("abcXYZ019-_", min_size=1, max_size=50), min_size=1, max_size=20),
    st.integers(0, 2**53 - 1),
    st.binary(min_size=12, max_size=12),
)
def test_boxes_go_there_and_back(texts: list[str], seq: int, nonce: bytes) -> None:
    box = seal_box(AESGCM(KEY), LOG, seq, texts, nonce)
    assert open_box(AESGCM(KEY), LOG, seq, box) == texts
    assert len(box) == 12 + len("\n".join(texts)) + 16


@pytest.mark.parametrize(
    "open_it",
    [
        lambda box: open_box(AESGCM(KEK), LOG, 7, box),
        lambda box: open_box(AESGCM(KEY), OTHER, 7, box),
        lambda box: open_box(AESGCM(KEY), LOG, 8, box),
        lambda box: open_box(AESGCM(KEY), LOG, 7, box + b"\0"),
    ],
    ids=["key", "log", "seq", "longer"],
)
def test_a_box_opens_in_its_place_only(open_it: Callable[[bytes], object]) -> None:
    with pytest.raises(SecretError, match="does not open"):
        open_it(golden("box"))


@pytest.mark.parametrize(
    "open_it",
    [
        lambda wrapped: unwrap(AESGCM(KEY), 3, SUBJECT, LOG, wrapped),
        lambda wrapped: unwrap(AESGCM(KEK), 2, SUBJECT, LOG, wrapped),
        lambda wrapped: unwrap(AESGCM(KEK), 3, SUBJECT.removesuffix(":shared"), LOG, wrapped),
        lambda wrapped: unwrap(AESGCM(KEK), 3, SUBJECT, OTHER, wrapped),
    ],
    ids=["kek", "epoch", "subject", "log"],
)
def test_a_data_key_opens_in_its_place_only(open_it: Callable[[bytes], object]) -> None:
    with pytest.raises(SecretError, match="does not open"):
        open_it(golden("data-key"))


def test_every_bit_and_every_length_counts() -> None:
    for name, opened in [
        ("box", lambda data: open_box(AESGCM(KEY), LOG, 7, data)),
        ("data-key", lambda data: unwrap(AESGCM(KEK), 3, SUBJECT, LOG, data)),
    ]:
        data = golden(name)
        opened(data)
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(SecretError):
                opened(bytes(flipped))
        for length in range(len(data)):
            with pytest.raises(SecretError):
                opened(data[:length])


@pytest.mark.parametrize("texts", [[], ["a\nb"], ["a", "b\n"], ["ä"], ["\ud800"]])
def test_what_is_no_disclosure_is_not_sealed(texts: list[str]) -> None:
    with pytest.raises(FormatError):
        seal_box(AESGCM(KEY), LOG, 7, texts, NONCE)


def test_a_box_that_holds_no_text_is_refused_without_showing_it() -> None:
    box = NONCE + AESGCM(KEY).encrypt(NONCE, b"private\xff", f"postseal-sealed/1:{LOG}:7".encode())
    with pytest.raises(SecretError) as caught:
        open_box(AESGCM(KEY), LOG, 7, box)
    assert "private" not in everything_about(caught.value)


@pytest.mark.parametrize("size", [0, 11, 13])
def test_a_nonce_has_twelve_bytes(size: int) -> None:
    with pytest.raises(FormatError):
        seal_box(AESGCM(KEY), LOG, 7, TEXTS, bytes(size))
    with pytest.raises(FormatError):
        wrap(AESGCM(KEK), 3, SUBJECT, LOG, KEY, bytes(size))


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_has_thirty_two_bytes(size: int) -> None:
    for act in (
        lambda: wrap(AESGCM(KEK), 3, SUBJECT, LOG, bytes(size), NONCE),
        lambda: Blinder(bytes(size)),
    ):
        with pytest.raises(FormatError):
            act()


def test_blind_keeps_kinds_and_keys_apart() -> None:
    values = {
        Blinder(key)(kind, value)
        for key in (KEY, BLIND)
        for kind in ("address", "sha256")
        for value in ("a", "b", "a:b")
    }
    assert len(values) == 12
    assert {len(value) for value in values} == {32}


@pytest.mark.parametrize(("kind", "value"), [("a:b", "c"), ("", "c"), ("A", "c"), ("address\n", "c"), ("a", "\ud800")])
def test_blind_refuses_what_could_be_read_two_ways(kind: str, value: str) -> None:
    with pytest.raises(FormatError):
        Blinder(BLIND)(kind, value)


def everything_about(error: BaseException) -> str:
    """All words of an error and of what it came from, even what a traceback would leave out."""
    words, seen = "", error
    while seen is not None:
        words += repr(seen) + repr(vars(seen)) + "".join(traceback.format_exception(seen))
        seen = seen.__cause__ or seen.__context__  # type: ignore[assignment]
    return words


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["address", "subject", "x"]), st.text(max_size=90))
def test_a_blind_index_is_an_hmac(key: bytes, kind: str, value: str) -> None:
    blind = Blinder(key)
    for _ in range(2):
        assert blind(kind, value) == hmac.digest(key, f"postseal-blind/1:{kind}:{value}".encode(), "sha256")
