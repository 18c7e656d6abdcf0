"""Rows as PostgreSQL's COPY takes them in binary: documentation of COPY, "Binary Format".

The driver can do this for any row; for the tables that grow with every entry it is written out here, because value by
value it costs the writer as much as everything else it does for an entry. Integers are big-endian; each value comes
after its length in four octets, each row after the number of its columns in two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from ledger.state import Chain

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"

CHANGED: Final = (
    "no, n, leaf, grade, accesses, sent, received, opened, link_opened, started, downloaded, bounced, denied, extra"
)
"""What may change of a chain once the transaction that opened it is over, and which chain it is."""

_LENGTH: Final = Struct("!i").pack
_ENTRY: Final = Struct("!hiqiqiqiqi").pack
_SEALED: Final = Struct("!hiqiqi").pack
_SEEN: Final = Struct("!hiqi").pack
_SEQ: Final = Struct("!iq").pack
_PART: Final = Struct("!hiqi").pack
_MESSAGE: Final = Struct("!iqi").pack
_CHAIN: Final = Struct("!hiqiqi").pack
_STATE: Final = Struct("!ihiqiqiqiqiqiqiqiqiqi").pack


def _entries(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    return [
        b"%b%b%b%b" % (_ENTRY(6, 8, seq, 8, root, 8, chain, 8, n, len(leaf)), leaf, _LENGTH(len(data)), data)
        for seq, root, chain, n, leaf, data in rows
    ]


def _sealed(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    return [_SEALED(3, 8, seq, 8, key, len(box)) + box for seq, key, box in rows]


def _seen(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    return [b"%b%b%b" % (_SEEN(3, 8, chain, len(key)), key, _SEQ(8, seq)) for chain, key, seq in rows]


def _lookups(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    return [
        b"%b%b%b%b" % (_PART(4, 8, part, len(blind)), blind, _MESSAGE(8, message, len(subject)), subject.encode())
        for part, blind, message, subject in rows  # a subject is ASCII: an id, or the hex of a blind index
    ]


GROWING: Final[Mapping[str, Callable[[Iterable[Sequence[Any]]], list[bytes]]]] = {
    "entries": _entries,
    "lookups": _lookups,
    "sealed": _sealed,
    "seen": _seen,
}
"""The tables that get rows with every entry, or every message."""


def stream(rows: Iterable[bytes]) -> bytes:
    """A whole COPY."""
    return b"".join([SIGNATURE, *rows, TRAILER])


def changed(chains: Iterable[Chain]) -> list[bytes]:
    """Rows of the columns of `CHANGED`."""
    rows = []
    for chain in chains:
        leaf, extra = chain.leaf.encode(), chain.extra().encode()
        a, b, c, d, e, f, g, h = chain.firsts
        state = _STATE(
            2, chain.grade, 8, chain.accesses, 8, a, 8, b, 8, c, 8, d, 8, e, 8, f, 8, g, 8, h, len(extra)
        )  # fmt: skip
        rows.append(b"%b%b%b%b" % (_CHAIN(14, 8, chain.no, 8, chain.n, len(leaf)), leaf, state, extra))
    return rows
