"""The table ``blobs``, and the blobs themselves, held against the entries that say what is kept, and its hash. Those of
certificates are left to `ledger.store.papers`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from ledger import blobs, content, disclosure, entry, vault
from ledger.blobs import Blob, Blobs
from ledger.content import PARTS, Content
from ledger.errors import LedgerError
from ledger.papers import PART
from ledger.store import papers
from ledger.store import tables as t
from ledger.store.append import Row
from ledger.store.lookups import Keys
from ledger.store.read import Reader


def findings(
    reader: Reader, keys: Keys | None, log: str, erasing: Collection[int], store: Blobs | None
) -> Iterator[str]:
    """A sentence for everything that is wrong. ``erasing`` are the numbers of the messages (0: the log) on whose chains
    an erasure is recorded. Blobs are read only with ``keys`` and a ``store``."""
    expected = _expected(reader)
    certificates: dict[int, list[Row]] = {}
    with reader.snapshot() as connection:
        for no, found in _by_message(connection):
            rows = [row for row in found if not row[1].startswith(PART)]
            if len(rows) < len(found):
                certificates[no] = [row for row in found if row[1].startswith(PART)]
            if not rows:
                continue
            if no not in expected:
                yield f"blobs: {len(rows)} rows are of no message that was kept, the first is of chain {no}"
                continue
            seq, message = expected.pop(no)
            erased = no in erasing or 0 in erasing
            yield from _strange(no, message, rows, erased)
            if content.missing(row[1] for row in rows) and not erased:
                yield f"blobs: something of the content of chain {no} is missing, and no entry tells of an erasure"
            if keys is not None:
                yield from _opened(reader, keys, log, (no, seq, message), rows, store)
    for no in sorted(expected):
        if not (no in erasing or 0 in erasing):
            yield f"blobs: the content of chain {no} is missing, and no entry tells of an erasure"
    yield from papers.findings(papers.sealed(reader), certificates, keys, log, erasing, store)


def _expected(reader: Reader) -> dict[int, tuple[int, str]]:
    """The messages whose entry says that they are kept: by number, that entry's seq and the message's id."""
    found = {}
    for chunk in reader.recordings():
        for seq, no, data in chunk:
            # What a replay finds wrong with an entry it says itself.
            if b'"content":"kept"' in data:
                made = entry.decode(data)
                facts: Any = made.facts
                if made.n == 0 and getattr(facts, "content", "") == "kept":
                    found[no] = seq, made.chain
    return found


def _by_message(connection: Connection) -> Iterator[tuple[int, list[Row]]]:
    b, k = t.blobs.c, t.data_keys.c
    query = select(b.message, b.part, b.name, b.size, b.small, b.wrapped, k.subject, k.epoch, k.wrapped)
    query = query.join_from(t.blobs, t.data_keys, b.key == k.no, isouter=True).order_by(b.message, b.part)
    rows: list[Row] = []
    for row in connection.execution_options(stream_results=True).execute(query):
        if rows and rows[0][0] != row[0]:
            yield rows[0][0], rows
            rows = []
        rows.append(tuple(row))
    if rows:
        yield rows[0][0], rows


def _strange(no: int, message: str, rows: list[Row], erased: bool) -> Iterator[str]:
    for _, part, name, *_, subject, _, _ in rows:
        if part not in PARTS or (part == "whole" and len(rows) > 1):
            yield f"blobs: chain {no} has a part that no message has"
        elif subject is None and not erased:
            yield f"blobs: the data key of the blob {name} is missing"
        elif subject is not None and subject != message + PARTS[part]:
            yield f"blobs: the blob {name} is under the data key of somebody else"


def _opened(
    reader: Reader, keys: Keys, log: str, recorded: tuple[int, int, str], rows: list[Row], store: Blobs | None
) -> Iterator[str]:
    no, seq, message = recorded
    parts: dict[str, Blob] = {}
    try:
        for _, part, name, size, small, wrapped, subject, epoch, data_key in rows:
            if subject is not None:
                cipher = keys.open_data_key(subject, epoch, bytes(data_key))
                place = {"part": part, "name": name, "subject": subject, "size": size, "small": small}
                parts[part] = blobs.unwrap(cipher, bytes(wrapped), log, message, **place)
        if store is not None:
            _check(Content(log, message, 0, store, parts, _sealed(reader, keys, log, seq, message)))
    except LedgerError as error:
        yield f"blobs: what is kept of chain {no} does not open: {error}"


def _check(held: Content) -> None:
    """What is left is whole; and has the hash that was recorded, where nothing is missing."""
    if not content.missing(held.parts):
        held.whole()
        return
    for part in held.parts:
        held.check(part)


def _sealed(reader: Reader, keys: Keys, log: str, seq: int, message: str) -> Mapping[str, Any]:
    said = {}
    for _, subject, epoch, wrapped, box in reader.boxes([seq], [message]):
        for text in vault.open_box(keys.open_data_key(subject, epoch, wrapped), log, seq, box):
            one = disclosure.parse(text)
            said[one.name] = one.value
    return said
