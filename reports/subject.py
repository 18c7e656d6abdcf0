"""Subject access: everything that is held about one address, gathered from the ledger. Never another recipient's.

A message is found as an erasure would find it (`ledger.subjects`): where somebody is a recipient, the sender, or is
mentioned in To or Cc. Of a message it is told what went to him or came from him; of others who got it only how many.
What was kept of its content is handed out without the header block, which may name others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ledger import drafts, entry, subjects
from ledger.canonical import Json
from ledger.disclosure import parse
from ledger.entry import Entry
from ledger.errors import Erased, UnknownReference
from ledger.overview import named, recording
from ledger.reading import Reading
from ledger.state import NEVER, Chain
from ledger.vault import SENDER, SHARED

FORMAT: Final = "postseal-subject-access/1"

Part = dict[str, Any]

_OURS: Final = frozenset({"actor", "reason_text"})
"""Sealed on his chain, and about those who acted."""

_ABOUT: Final = ("subject", "date", "message_id", "mail_from", "from")


def looks(reading: Reading, address: str) -> list[tuple[str, str | None]]:
    """(message, recipient or None) of each chain that `gather` will tell of: whoever asks is to be recorded there
    first. InvalidRequest for what is no address."""
    found = []
    for message, keys in _found(reading, address):
        theirs = [f"r{chain.ordinal}" for chain in _chains(reading, message, keys)]
        found += [(message.id, recipient) for recipient in theirs or (None,)]
    return found


def gather(reading: Reading, address: str, at: str) -> Part:
    """All of it, as JSON. ``at`` is the Time it is made at."""
    messages = [_message(reading, message, keys) for message, keys in _found(reading, address)]
    for number, one in enumerate(messages, 1):
        # Anybody may be put into a Cc: what was not sent to him, or by him, is not handed out.
        if one["was"] != ["mentioned"] and _body(reading, one["message"]) is not None:
            one["content"] = f"content/{number}.eml"
    return {
        "format": FORMAT,
        "address": address,
        "log": reading.origin,
        "made_at": at,
        "messages": messages,
        "own_acts": list(_acts(reading, address)),
    }


def contents(reading: Reading, found: Mapping[str, Any]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and octets of each ``content`` that `gather` told of. Erased, where it went since."""
    for one in found["messages"]:
        if "content" in one:
            yield one["content"], reading.content(one["message"]).body()[1]


def _body(reading: Reading, message: str) -> int | None:
    """Octets of what is kept without a header block, if that is there. Damaged, Unavailable."""
    try:
        return reading.content(message).body()[0]
    except (UnknownReference, Erased):
        return None


def _found(reading: Reading, address: str) -> Iterator[tuple[Chain, set[str]]]:
    """Messages, oldest first, and the subjects of the data keys under which he stands there."""
    found: dict[int, set[str]] = {}
    for no, subject in reading.reader.found_by(subjects.address_index(reading, address)):
        found.setdefault(no, set()).add(subject)
    for message in sorted(reading.reader.numbered(sorted(found)), key=lambda chain: chain.no):
        yield message, found[message.no]


def _chains(reading: Reading, message: Chain, keys: set[str]) -> list[Chain]:
    return [chain for chain in reading.reader.recipients(message) if chain.id in keys]


def _message(reading: Reading, message: Chain, keys: set[str]) -> Part:
    made = recording(reading.reader, message)
    sealed = named(reading.disclosures([one.seq for one in made]))
    chains = _chains(reading, message, keys)
    known = {opening.chain: opening for opening in drafts.openings_of(sealed)}
    roles = [known[chain.id].role for chain in chains if chain.id in known]
    sent = bool(keys & {message.id, message.id + SENDER})
    told: Part = {
        "message": message.id,
        "entry": made[0].seq,
        "recorded_at": made[0].at,
        "was": [*(["recipient"] if chains else []), *(["sender"] if sent else [])] or ["mentioned"],
        "roles": roles,
        "mentioned": message.id + SHARED in keys or bool({"to", "cc"}.intersection(roles)),
        "recipients_in_all": message.recipients,
        "held": bool(message.holds or any(chain.holds for chain in chains)),
        "about": {name: sealed[name] for name in _ABOUT if name in sealed},
        "files": [_file(f"f{k}", sealed) for k in range(1, message.files + 1)],
        "events": [one for chain in chains for one in _events(reading, chain)],
    }
    if message.term is not None:
        told["kept"] = {"class": message.term.name, "at_least_until": message.term.erasable}
        told["kept"] |= {} if message.term.due is None else {"at_most_until": message.term.due}
    if message.erased != NEVER:
        told["erased_by_entry"] = message.erased
    return told


def _file(name: str, sealed: Mapping[str, Json]) -> Part:
    held = sealed.get(name)
    return {"id": name} | (held if isinstance(held, dict) else {})


def _events(reading: Reading, chain: Chain) -> Iterator[Part]:
    """Every entry of a recipient's chain, with what is sealed on it of him."""
    entries = [entry.decode(data) for _, data in reading.reader.chain_entries(chain)]
    sealed = reading.disclosures([one.seq for one in entries], [chain.id])
    for one in entries:
        yield _event(one, f"r{chain.ordinal}", sealed.get(one.seq, ()))


def _event(made: Entry, recipient: str, texts: Sequence[str]) -> Part:
    told: Part = {"entry": made.seq, "recorded_at": made.at, "kind": made.kind, "recipient": recipient}
    told |= {"source": made.source, "facts": msgspec.to_builtins(made.facts)}
    if made.occurred is not UNSET:
        told |= {"occurred": made.occurred, "told_by": made.clock}
    return told | {"disclosed": {one.name: one.value for one in map(parse, texts) if one.name not in _OURS}}


def _acts(reading: Reading, address: str) -> Iterator[Part]:
    """What he did in the service himself, where his address is what he is known by there."""
    for subject in sorted({reading.acting(said) for said in (address, address.casefold())}):
        for seq in reading.reader.sealed_under(subject):
            made = entry.decode(reading.reader.entry(seq) or b"")
            said = {one.name: one.value for one in map(parse, reading.disclosures([seq], [subject]).get(seq, ()))}
            yield {"entry": seq, "recorded_at": made.at, "kind": made.kind, "disclosed": said}
