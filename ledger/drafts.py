"""From what a caller knows to an act the ledger can decide: validated, disclosures salted and hashed, ids made.

All of it happens before the lock is taken; time and chance are arguments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, cast, get_args

from msgspec import UNSET, UnsetType

from ledger import canonical, disclosure, entry, event, fingerprint
from ledger.act import Event, RecipientPart, Recording
from ledger.canonical import Json
from ledger.chance import Chance
from ledger.envelope import Envelope
from ledger.errors import FormatError, InvalidRequest
from ledger.event import KINDS, MessageRecorded
from ledger.fingerprint import Fingerprint
from ledger.ids import uuid7
from ledger.plan import Sealed
from ledger.retention import Class
from ledger.schema import check_facts, parse_facts
from ledger.terms import Term, terms
from ledger.vault import HEADER, SENDER, SHARED

KEY_SIZE: Final = 16
"""Bytes of an event key."""

BLIND_SIZE: Final = 16
"""Bytes of the blind index of a term."""

LONG: Final = 65_536
"""Octets of a header's value, as JSON, past which its hash is sealed in its place: a disclosure could not hold it."""

MAX_PARTS: Final = 200
"""Parts that are no files; of a message with more of them none is sealed alone, the root over all leaves still is."""

_SOURCES: Final = frozenset(get_args(event.Source))
_CLOCKS: Final = frozenset(get_args(event.Clock))
_HASH: Final = re.compile(r"[0-9a-f]{64}").fullmatch


Blinds = Callable[[Sequence[Term]], Sequence[bytes]]
"""`ledger.keys.KeyRing.blinds`."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One recipient as recorded: ``r1``, address, role, the id of his chain."""

    recipient: str
    address: str
    role: str
    chain: str


def seal(subject: str, facts: Sequence[tuple[str, Json]], chance: Chance) -> Sequence[Sealed]:
    """Disclosures of (name, value), all under one data key. InvalidRequest where a name or value has no spelling."""
    if not facts:
        return ()
    if len({name for name, _ in facts}) != len(facts):
        raise InvalidRequest("two sealed facts of one name: evidence could not tell them apart")
    try:
        return (Sealed(subject, *disclosure.make_salted(facts, chance.salt)),)
    except FormatError as error:
        raise InvalidRequest(str(error)) from None


def _seal_each(parts: Sequence[tuple[str, Sequence[tuple[str, Json]]]], chance: Chance) -> list[Sealed]:
    """The same for several data keys, at least one fact for each."""
    try:
        texts, digests = disclosure.make_salted((fact for _, facts in parts for fact in facts), chance.salt)
    except FormatError as error:
        raise InvalidRequest(str(error)) from None
    made = []
    end = 0
    for subject, facts in parts:
        start, end = end, end + len(facts)
        made.append(Sealed(subject, texts[start:end], digests[start:end]))
    return made


def recording(
    print_: Fingerprint,
    sent: Envelope,
    roles: Sequence[str],
    *,
    micros: int,
    chance: Chance,
    blinds: Blinds,
    source: event.Source,
    content: str = "hash_only",
    occurred: str | None = None,
    clock: event.Clock | None = None,
    hosted: Sequence[str] = (),
    tokens: Mapping[int, Sequence[str]] | None = None,
    actor: tuple[str, str] | None = None,
    signed: Sequence[tuple[str, Json]] = (),
    retention: Class | None = None,
) -> tuple[Recording, list[Opening]]:
    """A message with its recipients. ``roles`` go with ``sent.rcpt_to``; ``tokens`` are hex hashes of link tokens by
    recipient number; ``hosted`` the files (``f1`` ...) that travelled behind a link; ``actor`` (subject, name);
    ``signed`` what is sealed of the message's own signatures (`ledger.signed.facts`)."""
    check_source(source)
    for token in (token for some in (tokens or {}).values() for token in some):
        if not _HASH(token):
            raise InvalidRequest("a link token is given as the hex of its SHA-256")
    if any(not 1 <= number <= len(sent.rcpt_to) for number in tokens or {}):
        raise InvalidRequest(f"link tokens for a recipient who is not one of {len(sent.rcpt_to)}")
    if unknown := set(hosted).difference(leaf.file for leaf in print_.files):
        raise InvalidRequest(f"{len(unknown)} files are said to be hosted that the message does not have")
    message = uuid7(micros, chance(10))
    chains = [uuid7(micros, chance(10)) for _ in sent.rcpt_to]
    openings = [
        Opening(f"r{number}", address, role, chain)
        for number, (address, role, chain) in enumerate(zip(sent.rcpt_to, roles, chains, strict=True), 1)
    ]
    own, sender, shared = _message_facts(print_, sent, hosted)
    said = {message: own, message + SENDER: sender}
    if signed:  # DKIM copies header fields, and DKIM2 names every recipient
        said[message + HEADER] = list(signed)
    if shared:
        said[message + SHARED] = shared
    for o in openings:
        said[o.chain] = [(o.recipient, {"address": o.address, "chain": o.chain, "role": o.role})]
    if actor is not None:
        said.setdefault(actor[0], []).append(("actor", actor[1]))
    theirs: list[tuple[str, list[tuple[str, Json]]]]
    theirs = [(o.chain, [("address", o.address), ("role", o.role)]) for o in openings]
    sealed = _seal_each([*said.items(), *theirs], chance)
    tokens = tokens or {}
    parts = [
        RecipientPart(part.subject, (part,), tuple(tokens.get(number, ())))
        for number, part in enumerate(sealed[len(said) :], 1)
    ]
    facts = cast(
        MessageRecorded,
        facts_of(
            "message.recorded",
            {
                "content": content,
                "envelope": "declared" if sent.declared else "given",
                "files": len(print_.files),
                "fingerprint": print_.algorithm,
                "grade": "G0",
                "recipients": len(openings),
            }
            | ({} if retention is None else {"retention": retention.facts()}),
        ),
    )
    act = uuid7(micros, chance(10))
    lookups = lookups_of(said.items(), blinds)
    made = Recording(message, facts, sealed[: len(said)], parts, lookups, source, act, *_instant(occurred, clock))
    return made, openings


def lookups_of(parts: Iterable[tuple[str, Iterable[tuple[str, Json]]]], blinds: Blinds) -> list[tuple[bytes, str]]:
    """What a message is found by, from what is sealed on its entry under each data key: (subject, its facts).

    What headers say of a recipient of the envelope is looked up as his alone: his erasure takes what is shared along.
    """
    found = {subject: terms(list(facts)) for subject, facts in parts}
    for subject in [subject for subject in found if subject.endswith(SHARED)]:
        message = subject.removesuffix(SHARED)
        of_all = (message, message + SENDER, message + HEADER, subject)
        theirs = {term for other, some in found.items() if other not in of_all for term in some}
        found[subject] = [term for term in found[subject] if term not in theirs]
    rows = [(term, subject) for subject, some in found.items() for term in some]
    return list(zip(blind_terms([term for term, _ in rows], blinds), [subject for _, subject in rows], strict=True))


def blind_terms(wanted: Sequence[Term], blinds: Blinds) -> list[bytes]:
    """What is looked up in place of each term: half of its blind index, which tells any two apart as well."""
    return [blind[:BLIND_SIZE] for blind in blinds(wanted)]


def _message_facts(
    print_: Fingerprint, sent: Envelope, hosted: Sequence[str]
) -> tuple[list[tuple[str, Json]], list[tuple[str, Json]], list[tuple[str, Json]]]:
    """What is sealed of the message itself, of its sender, and of several people at once."""
    own: list[tuple[str, Json]] = [("raw", fingerprint.octets(print_.raw))]
    sender: list[tuple[str, Json]] = [("mail_from", sent.mail_from)]
    shared: list[tuple[str, Json]] = []
    if print_.root is not None:
        own.append(("leaves", {"count": len(print_.leaves), "root": print_.root}))
    if print_.relaxed is not None:
        own.append(("relaxed", {"body": print_.relaxed.body, "mime": print_.relaxed.mime}))
        # Of somebody who was erased a guess at his address could be tried against it.
        shared.append(("relaxed.headers", print_.relaxed.headers))
    if print_.reason is not None:
        own.append(("unparsed", print_.reason))
    if print_.defects:
        own.append(("defects", dict(Counter(one.code for one in print_.defects))))
    for name, fact, part in (
        ("From", "from", sender),
        ("Subject", "subject", own),
        ("Date", "date", own),
        ("Message-ID", "message_id", own),
        ("To", "to", shared),
        ("Cc", "cc", shared),
    ):
        value = print_.header(name)
        if value is not None:
            part.append(_header(fact, value))
    few = len(print_.leaves) - len(print_.files) <= MAX_PARTS
    for name, leaf in print_.facts:
        if leaf.file is None and not few:
            continue
        said = fingerprint.part(leaf)
        # The name it is sealed under says that.
        if said.pop("file", None) is not None:
            said["where"] = "hosted" if leaf.file in hosted else "inside"
        own.append((name, said))
    return own, sender, shared


def _header(fact: str, value: str) -> tuple[str, Json]:
    if len(canonical.dumps(value)) <= LONG:
        return fact, value
    return f"{fact}.sha256", sha256(value.encode()).hexdigest()


def facts_of(kind: str, said: Mapping[str, object]) -> event.Facts:
    """Facts checked against the schema of their kind; InvalidRequest names the field."""
    try:
        return parse_facts(kind, said)
    except FormatError as error:
        raise InvalidRequest(str(error)) from None


def tracking(
    message: str,
    recipient: str | None,
    kind: str,
    chance: Chance,
    *,
    source: event.Source = "api",
    attestation: str = "D",
    facts: Mapping[str, object] | None = None,
    sealed: Sequence[tuple[str, Json]] = (),
    occurred: str | None = None,
    clock: event.Clock | None = None,
    key: bytes | None = None,
) -> Event:
    """A tracking event for ``r1``... or, without a recipient, for the message. Grade and attribution are filled in.

    What is sealed is protected by the recipient's data key, or the message's; ``key`` (16 bytes) identifies the event
    at its source.
    """
    check_source(source)
    if key is not None and len(key) != KEY_SIZE:
        raise InvalidRequest(f"an event key has {KEY_SIZE} bytes")
    number = 0 if recipient is None else number_of(recipient)
    made = _tracking_facts(kind, number, attestation, facts) if facts else _plain_facts(kind, number > 0, attestation)
    when, whose = _instant(occurred, clock)
    return Event(message, number, kind, made, source, seal("", sealed, chance), when, whose, key)


def _tracking_facts(kind: str, number: int, attestation: str, facts: Mapping[str, object]) -> event.Facts:
    known = KINDS.get(kind)
    if known is None or known.grade is None:
        raise InvalidRequest(f"no tracking event is called {kind[:64]!r}")
    attribution = "exact" if number else "none"
    made = facts_of(kind, {"attestation": attestation, "attribution": attribution, "grade": known.grade, **facts})
    try:
        check_facts(known, "recipient" if number else "message", made)
    except FormatError as error:
        raise InvalidRequest(str(error)) from None
    return made


@lru_cache(1024)
def _plain_facts(kind: str, on_recipient: bool, attestation: str) -> event.Facts:
    # They say the same each time, and nothing can change them.
    return _tracking_facts(kind, on_recipient, attestation, {})


def check_source(source: str) -> None:
    """InvalidRequest unless it is a class of observers: a type checker does not see what a caller was told."""
    if source not in _SOURCES:
        raise InvalidRequest(f"a source is one of {', '.join(sorted(_SOURCES))}")


def check_block(scope: str, recipient: str | None, file: str | None, reason: str | None) -> None:
    """InvalidRequest unless these are a block's words and go together."""
    said = {"scope": scope, "recipient": recipient, "file": file, "reason": reason}
    facts_of("block.requested", {name: value for name, value in said.items() if value is not None})
    if scope == "all" and (recipient is not None or file is not None):
        raise InvalidRequest("a block of all names neither recipient nor file")
    if scope == "recipient" and (recipient is None or file is not None):
        raise InvalidRequest("a block of a recipient names him, and no file")
    if scope == "file" and file is None:
        raise InvalidRequest("a block of a file names it")


def check_lift(block: str, reason: str | None) -> None:
    """InvalidRequest unless these are a lift's words."""
    facts_of("block.lifted", {"block": block} | ({} if reason is None else {"reason": reason}))


@lru_cache(1024)
def number_of(recipient: str) -> int:
    """12 for ``r12``; InvalidRequest for any other spelling."""
    digits = recipient[1:]
    if recipient[:1] != "r" or not digits.isascii() or not digits.isdigit() or digits[0] == "0" or len(digits) > 5:
        raise InvalidRequest("a recipient is called r1, r2 ...")
    return int(digits)


def _instant(occurred: str | None, clock: event.Clock | None) -> tuple[str | UnsetType, event.Clock | UnsetType]:
    if (occurred is None) != (clock is None):
        raise InvalidRequest("an instant needs the clock that told it, and a clock an instant")
    if occurred is None or clock is None:
        return UNSET, UNSET
    if clock not in _CLOCKS:
        raise InvalidRequest(f"a clock is one of {', '.join(sorted(_CLOCKS))}")
    try:
        entry.check_time(occurred)
    except FormatError as error:
        raise InvalidRequest(str(error)) from None
    return occurred, clock


def openings_of(disclosed: Mapping[str, Any]) -> list[Opening]:
    """The recipients a message's disclosures name, in order; those erased are missing."""
    found = []
    for name, value in disclosed.items():
        if name[0] == "r" and name[1:].isdigit():
            found.append(Opening(name, value["address"], value["role"], value["chain"]))
    return sorted(found, key=lambda o: int(o.recipient[1:]))
