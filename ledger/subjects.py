"""Whose data is where: the chains that an erasure covers, and the data keys that fall with each.

Found out from the look-ups and from what is sealed, before anything is destroyed. docs/format.md, "Disclosures at
rest, data keys", says what is under which key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ledger import drafts, terms
from ledger.erasure import Part
from ledger.errors import InvalidRequest, UnknownReference
from ledger.reading import Reading
from ledger.state import Chain
from ledger.vault import HEADER, RECIPIENT, SENDER, SHARED


def of_message(reading: Reading, message: str) -> list[Part]:
    """Everything there is of a message and its recipients."""
    own = reading.message(message)
    chains = reading.reader.recipients(own)
    parts = [Part(message, 0, (message, message + SENDER, message + SHARED, *_beside(reading, message, chains)))]
    return parts + [Part(message, chain.ordinal, (chain.id,)) for chain in chains]


def of_recipient(reading: Reading, message: str, number: int) -> list[Part]:
    """One recipient of a message."""
    chains = reading.reader.recipients(reading.message(message))
    if not 1 <= number <= len(chains):
        raise UnknownReference("no such recipient of this message")
    return _recipients(reading, message, [chains[number - 1]])


def _recipients(reading: Reading, message: str, chains: Sequence[Chain]) -> list[Part]:
    said = reading.disclosed(message)
    shared = (message + SHARED,) if any(_is_named(said, f"r{chain.ordinal}") for chain in chains) else ()
    # The header block may name him wherever he stands.
    return [
        Part(message, 0, (*shared, *_beside(reading, message, chains))),
        *(Part(message, chain.ordinal, (chain.id,)) for chain in chains),
    ]


def _beside(reading: Reading, message: str, chains: Iterable[Chain]) -> tuple[str, ...]:
    """The subjects, where there are such, of what may name anybody who sent or received the message, and of the
    certificates for these recipients."""
    theirs = (f"{message}{RECIPIENT}{chain.ordinal}" for chain in chains)
    return tuple(reading.reader.data_keys([message + HEADER, *theirs]))


def _is_named(said: Mapping[str, Any], recipient: str) -> bool:
    """Whether what names several people may name this one. Only where it surely does not is it left to the others."""
    known = said.get(recipient)
    if known is None or known["role"] not in ("bcc", "envelope"):
        return True
    if {"to.sha256", "cc.sha256"}.intersection(said):
        return True
    address = terms.fold(known["address"])
    return any(address in terms.fold(said[name]) for name in ("to", "cc") if name in said)


def address_index(reading: Reading, address: str) -> bytes:
    """What messages of an address are found by. InvalidRequest for what is none."""
    found = terms.by_address(address)
    if not found:
        raise InvalidRequest("a person is named by his address, such as anna@example.com")
    return drafts.blind_terms(found[:1], reading.ring.blinds)[0]


def of_person(reading: Reading, blind: bytes, acting: Iterable[str] = ()) -> list[Part]:
    """Everywhere somebody is named: as a recipient, as the sender, in To or Cc; and what he did himself, where one of
    ``acting`` (subjects of acting persons) is known. Empty where nothing is found."""
    found: dict[int, set[str]] = {}
    for no, subject in reading.reader.found_by(blind):
        found.setdefault(no, set()).add(subject)
    messages = {chain.no: chain for chain in reading.reader.numbered(sorted(found))}
    parts = []
    for no in sorted(found):
        parts += _in_message(reading, messages[no], found[no])
    acted = tuple(reading.reader.data_keys(sorted(acting)))
    return [*parts, Part("", 0, acted)] if acted else parts


def _in_message(reading: Reading, message: Chain, subjects: set[str]) -> list[Part]:
    # Who sent a message that version 0.1 recorded stands under the message's own key, with all else of it.
    own = {subject for subject in subjects if subject.startswith(message.id)}
    theirs = subjects - own
    chains = [chain for chain in reading.reader.recipients(message) if chain.id in theirs] if theirs else []
    parts = _recipients(reading, message.id, chains)
    keys = own.union(parts[0].keys) if chains else own
    # Certificates name the sender: somebody is that who is found in what stands under a key of the message itself.
    named = reading.reader.recipients(message) if own.difference({message.id + SHARED}) else ()
    return [Part(message.id, 0, tuple(sorted({*keys, *_beside(reading, message.id, named)}))), *parts[1:]]
