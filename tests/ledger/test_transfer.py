"""Transfer encodings in pieces. What they decode to is in test_mime.py, through whole messages."""

from __future__ import annotations

import base64
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import mime, transfer

ENCODINGS = ["base64", "quoted-printable"]
tokens = st.sampled_from(
    [b"QUJD", b"Q", b"QQ", b"=", b"==", b"*", b"\r\n", b" ", b"\t", b"\r", b"\xff", b"=\r\n", b"=41", b"=4", b"=zz",
     b"=\rx", b"a b"]
)  # fmt: skip


def decode(encoding: str, octets: bytes, chunk: int, start: int = 0) -> tuple[bytes, bool]:
    damaged: list[bool] = []
    with mock.patch.object(transfer, "_CHUNK", chunk):
        return b"".join(transfer.pieces(encoding, octets, start, len(octets), damaged)), any(damaged)


@given(
    st.sampled_from(ENCODINGS), st.lists(tokens | st.binary(max_size=3), max_size=40).map(b"".join), st.integers(1, 40)
)
def test_where_pieces_are_cut_changes_nothing(encoding: str, octets: bytes, chunk: int) -> None:
    octets = mime.normalise(octets)
    assert decode(encoding, octets, chunk) == decode(encoding, octets, 1 << 20)
    assert decode(encoding, b"junk=" + octets, chunk, 5) == decode(encoding, octets, chunk)


@pytest.mark.parametrize("damage", [b"", b"*", b"QQ==", b"="])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_piece_is_larger_than_it_may_be(encoding: str, damage: bytes) -> None:
    octets = damage + base64.encodebytes(bytes(300_000)).replace(b"\n", b"\r\n")
    sizes = [len(piece) for piece in transfer.pieces(encoding, octets, 0, len(octets), [])]
    assert max(sizes) <= transfer._CHUNK + 100
