"""What is recorded of a message and of each of its recipients, at a glance: from projections and disclosures, in a
handful of queries however many recipients there are.

Nothing here is evidence, and a machine's event counts like anyone's: who needs to know reads the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import entry
from ledger.canonical import Json
from ledger.disclosure import parse
from ledger.drafts import Opening, openings_of
from ledger.entry import Entry
from ledger.errors import UnknownReference
from ledger.retention import Term
from ledger.state import FIRSTS, NEVER, Chain
from ledger.store import find
from ledger.store.read import Reader

Disclosures = Callable[[Sequence[int]], Mapping[int, Sequence[str]]]
"""What is sealed on entries and was not erased: D texts by seq."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is recorded of one recipient. ``address`` and ``role`` are None once he was erased, by the entry ``erased``.

    ``state`` is a word of `ledger.state.STATES`, and ``states`` are all that hold. ``firsts`` has the first entry of
    each kind that is remembered, ``blocks`` the blocks in force by file, ``downloads`` the files of which a hand-over
    has begun.
    """

    recipient: str
    chain: str
    address: str | None
    role: str | None
    state: str
    states: tuple[str, ...]
    grade: str
    firsts: Mapping[str, int]
    blocks: Mapping[str, tuple[str, ...]]
    downloads: tuple[str, ...]
    holds: tuple[str, ...]
    erased: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """A message. ``disclosed`` are names and values as they were sealed with it, recipients among them, as far as they
    were not erased.

    ``unattributed`` has the first of each kind on the message's own chain: events of nobody in particular. ``times``
    says of every entry named here when it was recorded. ``holds`` are those of the message as a whole, ``erased`` is
    the entry that says it is erased, ``term`` how long it is to be kept, where that was said.
    """

    message: str
    chain: int
    seq: int
    recorded_at: str
    content: str
    envelope: str
    files: int
    disclosed: Mapping[str, Json]
    recipients: tuple[Standing, ...]
    unattributed: Mapping[str, int]
    times: Mapping[int, str]
    holds: tuple[str, ...]
    erased: int | None
    term: Term | None


def overview(reader: Reader, disclosures: Disclosures, message: str) -> Overview:
    """UnknownReference."""
    own = reader.chain(message)
    if own is None or own.type != "message":
        raise UnknownReference("no such message in this log")
    chains = reader.recipients(own)
    made = recording(reader, own)
    disclosed = named(disclosures([one.seq for one in made]))
    known = {opening.chain: opening for opening in openings_of(disclosed)}
    recipients = tuple(standing(chain, known.get(chain.id)) for chain in chains)
    unattributed = firsts(own)
    seqs = {seq for said in (unattributed, *(r.firsts for r in recipients)) for seq in said.values()}
    erased = _seq(own.erased)
    seqs |= {seq for seq in (erased, *(r.erased for r in recipients)) if seq is not None}
    with reader.snapshot() as connection:
        told = [entry.decode(data) for data in find.entries(connection, seqs)]
    facts: Any = made[0].facts
    return Overview(
        message=message,
        chain=own.no,
        seq=made[0].seq,
        recorded_at=made[0].at,
        content=getattr(facts, "content", ""),
        envelope=getattr(facts, "envelope", ""),
        files=own.files,
        disclosed=disclosed,
        recipients=recipients,
        unattributed=unattributed,
        times={one.seq: one.at for one in (made[0], *told)},
        holds=own.holds,
        erased=erased,
        term=own.term,
    )


def _seq(seq: int) -> int | None:
    return None if seq == NEVER else seq


def recording(reader: Reader, message: Chain) -> list[Entry]:
    """The entries that recorded a message: what they seal, and they alone, is of the message as it was sent."""
    stop = 1 + find.continued(message.files + message.recipients)
    made = [entry.decode(data) for _, data in reader.chain_entries(message, 0, stop)]
    return [one for one in made if is_recording(one)]


def is_recording(made: Entry) -> bool:
    """Whether this entry of a message's chain is one that recorded it; an event right after it is none."""
    return made.n == 0 or made.kind == "message.recorded.continued"


def named(disclosures: Mapping[int, Sequence[str]]) -> dict[str, Json]:
    """Names and values."""
    return {one.name: one.value for texts in disclosures.values() for one in map(parse, texts)}


def standing(chain: Chain, known: Opening | None) -> Standing:
    """A recipient's chain, and who he is unless that was erased."""
    blocks: dict[str, tuple[str, ...]] = {}
    for block in chain.blocks:
        for file in sorted(block.files, key=lambda name: int(name[1:])):
            blocks[file] = (*blocks.get(file, ()), block.id)
    return Standing(
        recipient=f"r{chain.ordinal}",
        chain=chain.id,
        address=None if known is None else known.address,
        role=None if known is None else known.role,
        state=chain.state,
        states=chain.states,
        grade=f"G{chain.grade}",
        firsts=firsts(chain),
        blocks=blocks,
        downloads=chain.fetched,
        holds=chain.holds,
        erased=_seq(chain.erased),
    )


def firsts(chain: Chain) -> dict[str, int]:
    """The first entry of each kind that a chain remembers, by kind."""
    return {kind: chain.firsts[place] for kind, place in FIRSTS.items() if chain.firsts[place] != NEVER}
