"""What has been kept long enough: messages past the maximum of their class, which nothing keeps any longer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.ids import format_time
from ledger.reading import Reading
from ledger.retention import Term
from ledger.state import NEVER


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is due to be erased; ``held`` by a hold of it or of a recipient, ``asked`` where its erasure was
    asked for and is not done."""

    message: str
    term: Term
    held: bool
    asked: bool


def due(reading: Reading, at: int) -> Iterator[Due]:
    """At an instant in microseconds since 1970, the oldest first."""
    now, last = format_time(at), 0
    while found := reading.reader.kept(last):
        for chain in found:
            last = chain.no
            if (
                chain.term is not None
                and chain.erased == NEVER
                and chain.term.due is not None
                and chain.term.due <= now
            ):
                held = bool(chain.holds) or any(one.holds for one in reading.reader.recipients(chain))
                yield Due(chain.id, chain.term, held, bool(chain.erasures))
