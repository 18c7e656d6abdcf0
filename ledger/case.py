"""What a document's entries say: every entry decoded, its disclosures opened, its chains laid out.

`read` makes the check ``intact``, and nothing else is checked on entries that did not pass it. It takes each entry and
each disclosure for itself; how entries belong together is checked by `ledger.complete`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from ledger import checkpoint, disclosure, document, entry, event, note, schema, spelling
from ledger.canonical import Json
from ledger.checkpoint import Checkpoint
from ledger.document import Claim, Evidence, Held
from ledger.entry import Entry
from ledger.errors import FormatError, LedgerError
from ledger.merkle import leaf_hash

OPENS: Final = {
    "ledger.opened": "log",
    "message.recorded": "message",
    "message.refused": "message",
    "recipient.added": "recipient",
}
"""The kinds that open a chain, and the type of the chain that each opens."""


class SealedRaw(Struct, frozen=True):
    """``raw`` of `message.recorded`: the octets with CRLF line ends."""

    sha256: spelling.Hash
    size: spelling.Count


class SealedRecipient(Struct, frozen=True):
    """``r1`` ... of `message.recorded`."""

    address: str
    chain: spelling.Id
    role: Literal["bcc", "cc", "envelope", "to"]


class SealedFile(SealedRaw, frozen=True):
    """``f1`` ... of `message.recorded`: the decoded octets; whether they travelled inside or wait behind a link."""

    where: Literal["hosted", "inside"]


@dataclass(frozen=True, slots=True)
class Item:
    """One entry held, its leaf hash and what is disclosed on it, by name."""

    entry: Entry
    leaf: bytes
    disclosed: Mapping[str, Json]

    @property
    def seq(self) -> int:
        return self.entry.seq

    @property
    def kind(self) -> str:
        return self.entry.kind

    @property
    def facts(self) -> Any:
        """Typed by the entry's kind."""
        return self.entry.facts


@dataclass(frozen=True, slots=True)
class Case:
    """A document laid out: entries ascending by seq, and by chain in the same order."""

    evidence: Evidence
    checkpoint: Checkpoint
    items: Mapping[int, Item]
    chains: Mapping[str, Sequence[Item]]
    types: Mapping[str, str]
    raw: SealedRaw | None = None
    files: Mapping[str, SealedFile] = field(default_factory=dict)
    recipients: Mapping[str, SealedRecipient] = field(default_factory=dict)

    @property
    def claim(self) -> Claim:
        return self.evidence.claim

    @property
    def log(self) -> Sequence[Item]:
        """The log's own chain, or nothing where entry 0 is not held or is not what opens a log."""
        first = self.items.get(0)
        return self.chains[first.entry.chain] if first is not None and first.kind == "ledger.opened" else ()

    @property
    def recording(self) -> Sequence[Item]:
        """The entries of it that recorded the message: what they seal, and they alone, is of it as it was sent."""
        kinds = ("message.recorded", "message.recorded.continued")
        return [*takewhile(lambda item: item.kind in kinds, self.message)]

    @property
    def erased(self) -> str:
        """Why what was sealed of the message itself is not disclosed, where it was erased; empty otherwise."""
        done = [item for item in self.message if item.kind == "erasure.done"]
        # That of a recipient leaves it, and that of a person does, unless version 0.1 recorded him as the sender.
        for subject, said in (("message", "erased"), ("person", "perhaps erased")):
            for item in reversed(done):
                if item.facts.subject == subject:
                    return f"{said} at {item.entry.at} by entry {item.seq}"
        return ""

    @property
    def message(self) -> Sequence[Item]:
        """The chain of the message claimed, or nothing."""
        return self.chains.get(self.claim.message, ())


def read(evidence: Evidence) -> Case:
    """Decode every entry and open every disclosure. The error names the entry. No signature is checked here."""
    text, _ = note.parse(document.text(evidence.checkpoint))
    items: dict[int, Item] = {}
    chains: dict[str, list[Item]] = {}
    for held in evidence.entries:
        try:
            item = _item(held)
        except LedgerError as error:
            raise type(error)(f"entry {held.seq}: {error}") from None
        items[item.seq] = item
        chains.setdefault(item.entry.chain, []).append(item)
    types = {id: OPENS[chain[0].kind] for id, chain in chains.items() if chain[0].kind in OPENS}
    for id, chain_type in types.items():
        for item in chains[id]:
            try:
                schema.check_facts(event.KINDS[item.kind], chain_type, item.facts)
            except FormatError as error:
                raise FormatError(f"entry {item.seq}: {error}") from None
    return Case(
        evidence, checkpoint.parse(text), items, chains, types, *_sealed(chains.get(evidence.claim.message, ()))
    )


def _item(held: Held) -> Item:
    made = entry.from_bytes(held.entry)
    if made.seq != held.seq:
        raise FormatError(f"its own seq is {made.seq}")
    disclosed: dict[str, Json] = {}
    previous = ""
    for text in held.disclosures:
        digest = disclosure.digest(text)
        disclosure.check(made.sealed, text)
        if digest <= previous:
            raise FormatError("its disclosures do not ascend by digest, each once")
        previous = digest
        said = disclosure.parse(text)
        if said.name in disclosed:
            raise FormatError(f"two disclosures are called {said.name}")
        disclosed[said.name] = said.value
    return Item(made, leaf_hash(held.entry), disclosed)


def _sealed(
    message: Sequence[Item],
) -> tuple[SealedRaw | None, dict[str, SealedFile], dict[str, SealedRecipient]]:
    """What the message's opening entry and those that continue it disclose of message, files and recipients."""
    raw = None
    files: dict[str, SealedFile] = {}
    recipients: dict[str, SealedRecipient] = {}
    seen: set[str] = set()
    for item in message:
        if item.kind not in ("message.recorded", "message.recorded.continued"):
            break
        for name, value in item.disclosed.items():
            if name in seen:
                raise FormatError(f"entry {item.seq}: {name} is disclosed twice for one message")
            seen.add(name)
            try:
                if name == "raw":
                    raw = msgspec.convert(value, SealedRaw)
                elif name[0] == "f" and name[1:].isdigit():
                    files[name] = msgspec.convert(value, SealedFile)
                elif name[0] == "r" and name[1:].isdigit():
                    recipients[name] = msgspec.convert(value, SealedRecipient)
            except msgspec.ValidationError as error:
                raise FormatError(f"entry {item.seq}: disclosure {name}: {error}") from None
    return raw, files, recipients
