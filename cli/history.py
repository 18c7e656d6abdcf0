"""The history of a message in words: each entry of each of its chains, and what they come to for each recipient.

The words claim no more than the entries show: nothing here says that somebody read something.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET

from ledger import entry
from ledger.certified import agents
from ledger.disclosure import parse
from ledger.entry import Entry
from ledger.reading import Reading

QUESTIONS: Final = {
    "sent": "relay.accepted",
    "received": "delivery.delivered",
    "opened": "message.opened",
    "link opened": "link.opened",
    "downloaded": "download.completed",
}
"""What a sender asks, and the kind of entry that answers."""

SAYS: Final = {
    "message.recorded": "the message was recorded",
    "message.refused": "the message was refused",
    "message.transformed": "the message was changed on its way",
    "recipient.added": "a recipient of the message",
    "recipient.identified": "the recipient was identified",
    "recipient.acknowledged": "receipt was declared",
    "recipient.refused": "receipt was refused",
    "relay.accepted": "the next server took it over",
    "relay.deferred": "the next server asked to try again later",
    "relay.failed": "it could not be handed to the next server",
    "delivery.delivered": "delivery was stated",
    "delivery.relayed": "handing on to another system was stated",
    "delivery.bounced": "it came back as undeliverable",
    "delivery.expired": "delivery was given up",
    "delivery.complained": "a complaint was stated",
    "delivery.autoresponded": "an automatic reply came",
    "message.opened": "remote content of the mail was fetched",
    "link.opened": "the link was followed",
    "link.confirmed": "a page that asks for a deliberate act was submitted",
    "code.sent": "a one-time code was sent",
    "code.failed": "a wrong one-time code was entered",
    "code.confirmed": "the one-time code was entered",
    "consent.given": "consent was given",
    "consent.withdrawn": "consent was withdrawn",
    "download.started": "handing over began",
    "download.completed": "all its bytes were handed over",
    "download.aborted": "handing over broke off",
    "access.denied": "asked for, and denied by the block",
    "event.reclassified": "an earlier event is judged anew",
    "block.requested": "a block was asked for",
    "block.applied": "blocked from here on",
    "block.lifted": "the block is lifted",
    "evidence.exported": "evidence was exported of all up to here",
    "certificate.issued": "a certificate was issued of all up to here",
    "content.viewed": "somebody looked",
    "erasure.requested": "an erasure was asked for",
    "erasure.approved": "a second person approved the erasure",
    "erasure.done": "erased: what was sealed until that was asked for cannot be read any more",
    "hold.placed": "held: nothing is erased from here on",
    "hold.released": "the hold is released",
}
_MACHINE: Final = {"machine": "by a machine", "person": "by a person, it seems", "unknown": "by whom is not known"}
_QUIET: Final = frozenset(
    {"attestation", "attribution", "content", "envelope", "fingerprint", "grade", "message", "recipient", "recipients"}
    | {
        "files",
        "file",
        "verdict",
        "late",
        "evidence",
        "scope",
        "candidates",
        "input",
        "item",
        "tokens",
        "asked",
        "part",
    }
)
"""Facts that stand elsewhere on the page, or say nothing to a person."""
_IDS: Final = frozenset({"block", "erasure", "hold", "transfer"})
"""Told apart by their ends; the whole id of a block or hold in force is in a list of its own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: ``on`` is ``message`` or ``r1`` ..., ``says`` a sentence, ``more`` what else it holds, by name."""

    entry: Entry
    on: str
    says: str
    more: Sequence[tuple[str, str]]

    @property
    def grade(self) -> str:
        return getattr(self.entry.facts, "grade", "")


def lines(reading: Reading, message: str) -> list[Line]:
    """Every entry of the message's chains, in ledger order."""
    own = reading.message(message)
    chains = [("message", own), *((f"r{c.ordinal}", c) for c in reading.reader.recipients(own))]
    found = [(on, entry.decode(data)) for on, chain in chains for _, data in reading.reader.chain_entries(chain)]
    found.sort(key=lambda one: one[1].seq)
    sealed = reading.disclosures([one.seq for _, one in found])
    return [line(one, on, sealed.get(one.seq, ())) for on, one in found]


def line(made: Entry, on: str, sealed: Iterable[str] = ()) -> Line:
    """One entry in words."""
    return Line(made, on, _says(made), _more(made, sealed))


def _says(made: Entry) -> str:
    facts: Any = made.facts
    said = SAYS.get(made.kind, "")
    file = getattr(facts, "file", UNSET)
    files = getattr(facts, "files", UNSET)
    if isinstance(file, str):
        said = f"{file}: {said}"
    elif made.kind.startswith("block.applied") and isinstance(files, tuple):
        said = f"{', '.join(files)}: {said}"
    verdict = getattr(facts, "verdict", UNSET)
    if verdict is not UNSET:
        said += f", {_MACHINE[verdict.agent]} (rule {verdict.rule})"
    if getattr(facts, "late", UNSET) is True:
        said += "; LATE: it fell on a blocked file"
    return said


def _more(made: Entry, sealed: Iterable[str]) -> list[tuple[str, str]]:
    facts: Any = made.facts
    found = []
    if made.occurred is not UNSET:
        found.append((f"occurred, {made.clock}", made.occurred[:19] + "Z"))
    if hasattr(facts, "attestation"):
        found.append(("vouched", facts.attestation))
    for name in facts.__struct_fields__:
        value = getattr(facts, name)
        if name not in _QUIET and value is not UNSET:
            found.append((name, f"...{str(value)[-8:]}" if name in _IDS else str(value)))
    # The first entries' facts are the page's head.
    if made.kind.split(".")[0] not in ("message", "recipient") or made.kind == "message.opened":
        for one in sorted((parse(text) for text in sealed), key=lambda d: d.name):
            found.append((one.name, str(one.value)))
    return found


def answers(history: Sequence[Line], recipient: str) -> dict[str, tuple[str, bool]]:
    """For each of `QUESTIONS` the first recorded time that answers it, and whether only machines did; empty if none.

    A positive answer discounts what a machine made; an event judged anew counts as judged last.
    """
    known = agents(line.entry for line in history)
    found: dict[str, tuple[str, bool]] = {}
    for question, kind in QUESTIONS.items():
        times = [(line.entry.at, known.get(line.entry.seq)) for line in _of(history, recipient, kind)]
        others = [at for at, agent in times if agent != "machine"]
        if times:
            found[question] = (others[0], False) if others else (times[0][0], True)
    return found


def lost(history: Sequence[Line], recipient: str) -> str:
    """``bounced`` or ``expired`` where that was recorded; empty otherwise."""
    for word in ("bounced", "expired"):
        if _of(history, recipient, f"delivery.{word}"):
            return word
    return ""


def _of(history: Sequence[Line], recipient: str, kind: str) -> list[Line]:
    return [line for line in history if line.on == recipient and line.entry.kind == kind]


@dataclass(slots=True)
class Block:
    """One block of a message: since when, until when (empty while it is in force), and its files by recipient."""

    id: str
    since: Entry
    lifted: str = ""
    files: dict[str, list[str]] = field(default_factory=dict)


def blocks(history: Sequence[Line]) -> list[Block]:
    """Every block, in the order in which they were made."""
    found: dict[str, Block] = {}
    latest = ""
    for said in history:
        facts: Any = said.entry.facts
        if said.entry.kind == "block.applied":
            latest = facts.block
            found.setdefault(latest, Block(latest, said.entry))
        if said.entry.kind.startswith("block.applied") and said.on != "message":
            found[latest].files.setdefault(said.on, []).extend(facts.files)
        elif said.entry.kind == "block.lifted":
            found[facts.block].lifted = said.entry.at
    return list(found.values())
