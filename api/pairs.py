"""What a block covered, told again: a repeated request is answered as the first one was."""

from __future__ import annotations

from typing import Any

from ledger import entry
from ledger.act import in_time
from ledger.errors import UnknownReference
from ledger.sequencer import Outcome
from ledger.state import Chain
from ledger.store.read import Reader


def then(reader: Reader, outcome: Outcome) -> list[tuple[int, str, str]]:
    """Recipient number, file, and whether the block came in time, as it stood when the block was recorded."""
    first = entry.decode(outcome.recorded[0].data)
    message = _as_of(reader, first)
    covered: list[tuple[int, str, str]] = []
    for recorded in outcome.recorded:
        made = entry.decode(recorded.data)
        if made.chain == first.chain:
            continue
        recipient = _as_of(reader, made)
        facts: Any = made.facts
        covered += [(recipient.ordinal, file, in_time(message, recipient, file)) for file in facts.files]
    return covered


def _as_of(reader: Reader, made: entry.Entry) -> Chain:
    """A chain as it stood before the block's act wrote on it."""
    found = reader.chain(made.chain)
    if found is None:
        raise UnknownReference("no such chain in this log")
    chain = Chain(found.no, found.id, found.root, found.ordinal, found.files)
    for _, data in reader.chain_entries(found, 0, made.n):
        earlier = entry.decode(data)
        if earlier.act != made.act or earlier.kind.startswith("message."):
            chain.fold(earlier, "")
    return chain
