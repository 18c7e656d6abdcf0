"""The certificates in the vault, held against the entries that say what each of them is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256

from ledger import blobs, entry, papers
from ledger.blobs import Blobs
from ledger.errors import LedgerError
from ledger.papers import PART
from ledger.store.append import Row
from ledger.store.lookups import Keys
from ledger.store.read import Reader

_SEALED = b'"kind":"certificate.sealed"'


def sealed(reader: Reader) -> dict[int, dict[str, tuple[str, str]]]:
    """By number of the message: number of each certificate sealed on its chain, the message's id, its file's hash."""
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for chunk in reader.recordings():
        for _, no, data in chunk:
            if _SEALED in data:
                made = entry.decode(data)
                if made.kind == "certificate.sealed":
                    facts = made.facts
                    found.setdefault(no, {})[facts.number] = made.chain, facts.sha256  # type: ignore[attr-defined]
    return found


def findings(
    expected: Mapping[int, Mapping[str, tuple[str, str]]],
    rows: Mapping[int, Sequence[Row]],
    keys: Keys | None,
    log: str,
    erasing: Collection[int],
    store: Blobs | None,
) -> Iterator[str]:
    """A sentence for everything that is wrong. ``rows`` are those of ``blobs`` that are no content, by message; the
    rest is as `ledger.store.kept.findings` has it."""
    for no in sorted({*expected, *rows}):
        known = expected.get(no, {})
        there = {row[1].removeprefix(PART): row for row in rows.get(no, ())}
        erased = no in erasing or 0 in erasing
        for number in sorted(there.keys() - known.keys()):
            yield f"blobs: chain {no} has a part {PART}{number[:40]} that no entry tells of"
        for number in sorted(known.keys() - there.keys()):
            if not erased:
                yield f"blobs: certificate {number} is missing, and no entry tells of an erasure"
        for number in sorted(known.keys() & there.keys()):
            yield from _one(there[number], *known[number], keys, log, erased, store)


def _one(
    row: Row, message: str, digest: str, keys: Keys | None, log: str, erased: bool, store: Blobs | None
) -> Iterator[str]:
    _, part, name, size, small, wrapped, subject, epoch, data_key = row
    if subject is None:
        if not erased:
            yield f"blobs: the data key of the blob {name} is missing"
        return
    if not papers.is_subject(subject, message):
        yield f"blobs: the blob {name} is under the data key of somebody else"
        return
    if keys is None:
        return
    try:
        cipher = keys.open_data_key(subject, epoch, bytes(data_key))
        place = {"part": part, "name": name, "subject": subject, "size": size, "small": small}
        blob = blobs.unwrap(cipher, bytes(wrapped), log, message, **place)
        if store is not None and sha256(papers.read(store, log, message, blob)).hexdigest() != digest:
            yield f"blobs: {part} is not the file whose hash was recorded"
    except LedgerError as error:
        yield f"blobs: {part} does not open: {error}"
