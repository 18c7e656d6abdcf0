"""Where a certificate stands in the ledger, how it is verified, and what its limits are."""

from __future__ import annotations

import shlex
from hashlib import sha256
from typing import Any

from msgspec import UNSET

from ledger import document, note
from ledger.case import Case
from ledger.certified import Certified
from ledger.ids import format_time, parse_time
from ledger.retention import DAY
from reports.blocks import Block, Heading, Pair, Pairs, Steps, Text
from reports.facts import compared
from reports.wording import Words, moment


def place(case: Case, certified: Certified, words: Words) -> list[Block]:
    """Every id, hash and state that somebody may have to compare; and what is not there, said to be absent."""
    made, state = certified.claims, case.checkpoint
    items = case.items
    entries = words(
        "place.entries.said",
        count=len(items),
        first=str(min(items)),
        last=str(max(items)),
        recorded=str(case.message[0].seq),
        closing=str(certified.closing.message.seq),
    )
    supersedes = words("place.supersedes.none") if made.supersedes is UNSET else made.supersedes
    rows = [
        Pair(words("place.certificate"), made.number, code=True),
        Pair(words("place.message"), made.message, code=True),
        Pair(words("place.ledger"), state.origin, code=True),
        Pair(words("place.log"), case.log[0].entry.chain, code=True),
        Pair(words("place.entries"), entries),
        Pair(words("place.size"), str(state.size), code=True),
        Pair(words("place.root"), compared(state.root.hex()), code=True),
        Pair(words("place.key"), signing_key(case)[0], code=True),
        Pair(words("place.as_of"), moment(certified.closing.message.entry.at)),
        Pair(words("place.times"), words("place.times.none")),
        Pair(words("place.witnesses"), words("place.witnesses.none")),
        Pair(words("place.seal"), words("place.seal.none")),
        Pair(words("place.supersedes"), supersedes),
        Pair(words("place.superseded"), words("place.superseded.later")),
    ]
    return [Heading(words("heading.place")), Pairs(rows)]


def signing_key(case: Case) -> tuple[str, str]:
    """The verifier key that the checkpoint names, and the fingerprint of its Ed25519 key: SHA-256, in hex."""
    signers = {(line.name, line.key_id) for line in note.parse(document.text(case.evidence.checkpoint))[1]}
    for item in reversed(case.log):
        if item.kind == "key.introduced":
            key = note.Verifier.parse(item.facts.vkey)
            if (key.name, key.key_id) in signers:
                return item.facts.vkey, sha256(key.public_key).hexdigest()
    return case.log[0].facts.vkey, ""


def verify(case: Case, certified: Certified, words: Words) -> list[Block]:
    """Three steps."""
    vkey, fingerprint = signing_key(case)
    address = certified.claims.verify
    online = words("verify.online.none") if address is UNSET else words("verify.online", url=address)
    steps: list[tuple[str, tuple[str, ...]]] = [
        (online, ()),
        # A key that is broken across lines is another key, for whoever copies it.
        (words("verify.offline"), ("postseal verify certificate.pdf \\", f"    --vkey {shlex.quote(vkey)}")),
        (words("verify.key", fingerprint=compared(fingerprint)), ()),
    ]
    notes = [Text(words("verify.note"), "dim")]
    if certified.claims.certificate == "non_access":
        notes.insert(0, Text(words("verify.auditor")))
    return [Heading(words("heading.verify")), Steps(steps), *notes]


def limits(case: Case, certified: Certified, words: Words) -> list[Block]:
    """Who answers for it, how long it is kept, and what none of it can show."""
    made = certified.claims
    operator = words("limits.operator.none", origin=case.checkpoint.origin)
    rows = [
        Pair(words("limits.operator"), operator if made.operator is UNSET else made.operator),
        Pair(words("limits.basis"), words("limits.basis.none") if made.basis is UNSET else made.basis),
        Pair(words("limits.retention"), _retention(case, words)),
        Pair(words("limits.hold"), _hold(certified, words)),
        Pair(words("limits.made"), words("limits.made.said", drawing=made.drawing)),
    ]
    seq = str(certified.closing.message.seq)
    said = [
        words("limits.kinds"),
        words("limits.grades"),
        words("limits.clock"),
        words("limits.block"),
        words("limits.complete", seq=seq),
    ]
    texts = [Text(one, "small") for one in said]
    return [Heading(words("heading.limits")), Pairs(rows), *texts]


def _retention(case: Case, words: Words) -> str:
    opened: Any = case.message[0].facts
    if opened.retention is UNSET:
        return words("limits.retention.none")
    began = parse_time(case.message[0].entry.at)
    said = {"name": opened.retention.class_, "minimum": format_time(began + opened.retention.minimum * DAY)[:10]}
    if opened.retention.maximum is UNSET:
        return words("limits.retention.min", **said)
    return words("limits.retention.both", maximum=format_time(began + opened.retention.maximum * DAY)[:10], **said)


def _hold(certified: Certified, words: Words) -> str:
    """The first hold in force at the end, on the message or a recipient that is covered."""
    standing = {}
    for chain in (certified.message, *certified.recipients):
        for item in chain:
            if item.kind == "hold.placed":
                standing[item.facts.hold] = item
            elif item.kind == "hold.released":
                standing.pop(item.facts.hold, None)
    if not standing:
        return words("limits.hold.none")
    first = min(standing.values(), key=lambda item: item.seq)
    return words("limits.hold.some", at=moment(first.entry.at), seq=str(first.seq))
