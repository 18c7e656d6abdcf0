"""The table ``lookups``: what must stand there follows from what is sealed, so it is made again, and compared.

Whoever has no key ring can do none of this. docs/format.md, "Lookups".
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select

from ledger import disclosure, drafts, entry, vault
from ledger.canonical import Json
from ledger.errors import FormatError, SecretError
from ledger.store import tables as t
from ledger.store.append import Appender, Row, check_mac, lookup_row
from ledger.store.read import Reader

ROWS: Final = 50_000
"""Rows written at a time when the table is made again."""

AT_ONCE: Final = 256
"""Entries whose boxes are in memory at a time."""

_MODULUS: Final = 1 << 64


class Keys(Protocol):
    """A key ring."""

    def open_data_key(self, subject: str, epoch: int, wrapped: bytes) -> AESGCM:
        """The cipher of a stored key. SecretError."""

    def blind(self, kind: str, value: str) -> bytes:
        """A MAC under the ring's blind-index key."""

    def blinds(self, pairs: Sequence[tuple[str, str]]) -> list[bytes]:
        """The same for several (kind, value)."""


class Expected:
    """The rows that should stand, from what the messages' entries seal as it passes in ledger order."""

    def __init__(self, keys: Keys, give: Callable[[Sequence[Row]], None]) -> None:
        """``give`` gets the rows of one message after another, no two alike."""
        self._keys = keys
        self._give = give
        self._message = 0
        self._facts: dict[str, list[tuple[str, Json]]] = {}

    def take(self, made: entry.Entry, message: int, subject: str, texts: Iterable[str]) -> None:
        """What entry ``made`` of this message seals under one data key."""
        if not made.kind.startswith("message.recorded"):
            return
        if message != self._message:
            self.end()
            self._message = message
        self._facts.setdefault(subject, []).extend((d.name, d.value) for d in map(disclosure.parse, texts))

    def end(self) -> None:
        """There is no more."""
        found = drafts.lookups_of(self._facts.items(), self._keys.blinds)
        self._give([lookup_row(blind, self._message, subject) for blind, subject in found])
        self._facts = {}


def are_missing(reader: Reader) -> bool:
    """Whether there are messages and not one row: a log from before there was this table."""
    c = t.chains.c
    rows = select(t.lookups.c.message).limit(1)
    messages = select(c.no).where(c.no > 0, c.ordinal == 0).limit(1)
    with reader.snapshot() as connection:
        return connection.execute(rows).first() is None and connection.execute(messages).first() is not None


def rebuild(reader: Reader, appender: Appender, keys: Keys, *, missing: bool = False) -> int:
    """Drop every row and make them again, under the writer's lock and in one transaction; with ``missing`` only where
    `are_missing` still holds under it. RolledBack for a head that no holder of the ring made.

    Returns how many boxes did not open: nothing is found by what they hold. Damage to one must not keep all others
    from being found; `ledger.store.inspect` names each.
    """
    closed = 0
    head = appender.begin()
    try:
        check_mac(head, partial(keys.blind, "head"))
        if not missing or are_missing(reader):
            appender.clear(["lookups"])
            closed = _fill(reader, appender, keys, head.log)
    except BaseException:
        appender.rollback()
        raise
    appender.commit()
    return closed


def _fill(reader: Reader, appender: Appender, keys: Keys, log: str) -> int:
    closed = 0
    waiting: list[Row] = []
    expected = Expected(keys, waiting.extend)
    for chunk in reader.recordings():
        entries = {seq: (root, entry.decode(data)) for seq, root, data in chunk}
        recorded = [seq for seq, (_, made) in entries.items() if made.kind.startswith("message.recorded")]
        for start in range(0, len(recorded), AT_ONCE):
            for seq, subject, epoch, wrapped, box in reader.boxes(recorded[start : start + AT_ONCE]):
                root, made = entries[seq]
                try:
                    texts = vault.open_box(keys.open_data_key(subject, epoch, wrapped), log, seq, box)
                    expected.take(made, root, subject, texts)
                except (SecretError, FormatError):
                    closed += 1
            if len(waiting) >= ROWS:
                appender.look_up(waiting)
                waiting.clear()
    expected.end()
    appender.look_up(waiting)
    return closed


class Comparison:
    """Expected and stored rows, in any order and in eight bytes a chain: of each message's rows a sum of keyed hashes,
    for which nobody without the ring can make up others.
    """

    def __init__(self, keys: Keys, claim: str, chains: int) -> None:
        """``claim`` is the head's (`Head.claim`); ``chains`` how many there are."""
        self._expected = Expected(keys, self._expect)
        self._key = keys.blind("lookups", claim)
        self._sums = array("Q", bytes(8 * chains))
        self._stray = 0

    def take(self, made: entry.Entry, message: int, subject: str, texts: Iterable[str]) -> None:
        """`Expected.take`, of what may be no disclosures: then nothing is expected of them."""
        with suppress(FormatError):
            self._expected.take(made, message, subject, texts)

    def _expect(self, rows: Iterable[Row]) -> None:
        self._add(((part, blind, message, subject.encode()) for part, blind, message, subject in rows), 1)

    def _add(self, rows: Iterable[Row], sign: int) -> None:
        sums, chains = self._sums, len(self._sums)
        for part, blind, message, subject in rows:
            if 0 <= message < chains:
                said = b"%d:%d:%b:%b" % (part, message, blind, subject)
                made = int.from_bytes(blake2b(said, digest_size=8, key=self._key).digest(), "big")
                sums[message] = (sums[message] + sign * made) % _MODULUS
            else:
                self._stray += 1

    def findings(self, reader: Reader) -> list[str]:
        """What is wrong with the rows that stand, once all that was sealed has passed."""
        self._expected.end()
        for chunk in reader.lookups():
            self._add(chunk, -1)
        found = [f"lookups: {self._stray} rows are of no message"] if self._stray else []
        wrong = [no for no, left in enumerate(self._sums) if left]
        if wrong:
            found.append(
                f"lookups: {len(wrong)} messages are not found by what they sealed, the first is chain {wrong[0]}"
            )
        return found


def misplaced(reader: Reader) -> list[str]:
    """What can be said without keys: rows of no message, or under the data key of somebody else."""
    rows, chains = t.lookups, t.chains
    of = rows.outerjoin(chains, chains.c.id == func.substr(rows.c.subject, 1, 36))
    strange = chains.c.root.is_distinct_from(rows.c.message)
    with reader.snapshot() as connection:
        count = connection.execute(select(func.count()).select_from(of).where(strange)).scalar_one()
    return [f"lookups: {count} rows are of no message, or of somebody else's subject"] if count else []
