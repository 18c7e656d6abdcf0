"""From a ledger to evidence: which entries a claim needs, and which disclosures may go with them.

docs/format.md, "Evidence", lists the entries. What is disclosed follows from the claim: evidence about one recipient
shows nobody else, so the headers that name others and their own disclosures stay sealed, and so does what was said of
the message as a whole: a report or a reason may name anybody. What the log's own entries seal (raw webhooks, among them
those of other messages) is in no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ledger import absence, case, claims, entry, event, evidence
from ledger.canonical import Json
from ledger.case import Item
from ledger.claims import Claims
from ledger.complete import Closing
from ledger.disclosure import digest, parse
from ledger.document import Claim, Evidence, Held
from ledger.entry import Entry
from ledger.errors import Adverse, InvalidRequest, ProofError, UnknownReference
from ledger.headertext import clean
from ledger.ids import format_time
from ledger.spelling import ordinal
from ledger.state import Chain
from ledger.store.read import Reader
from ledger.transaction import Recorded
from ledger.trust import Trust
from ledger.verdict import NotChecked

_OTHERS: Final = frozenset({"cc", "dkim", "relaxed.headers", "signatures", "to"})
_OURS: Final = frozenset({"actor", "reason_text"})
_RECIPIENT: Final = re.compile(r"r[1-9][0-9]{0,4}").fullmatch
_FILE: Final = re.compile(r"f[1-9][0-9]{0,4}").fullmatch
_PARTIES: Final = frozenset({"cc", "date", "from", "mail_from", "message_id", "to"})
"""What says between whom a message went, when, and which one it is, and nothing of what is in it."""

_TRACES: Final = frozenset({"address", "diagnostic", "ip", "mx", "reply", "role", "tls", "user_agent"})
"""What is sealed of events that is of servers and connections, and not in anybody's own words."""

Disclosures = Callable[[Sequence[int]], Mapping[int, list[str]]]
Choose = Callable[[Entry, str], bool]
"""Whether a disclosure of this name on this entry goes into the evidence."""


def may_show(message: str, recipient: str | None, log: str, only: Collection[str] | None = None) -> Choose:
    """Everything on the chains of a message for a claim on all of it; for one recipient nothing that may name another
    or a person of ours. With ``only``, of that nothing but these names among what recorded the message."""

    def choose(held: Entry, name: str) -> bool:
        if held.chain == log or name == claims.FACT:
            return False
        if only is not None and (name not in only or not held.kind.startswith("message.recorded")):
            return False
        if recipient is None:
            return True
        if name in _OURS:
            return False
        if held.chain != message:
            return True
        if not held.kind.startswith("message.recorded"):
            return False
        return name not in _OTHERS and (_RECIPIENT(name) is None or name == recipient)

    return choose


def may_print(made: Claims, log: str) -> Choose:
    """The same for a certificate: its own claims; and where it is of the facts alone, nothing of what the message said,
    unless that is what they are about."""
    recipient = None if made.recipient is UNSET else made.recipient
    allowed = may_show(made.message, recipient, log)

    def choose(held: Entry, name: str) -> bool:
        if name == claims.FACT and held.kind == "certificate.issued":
            facts: Any = held.facts
            return held.chain == made.message and facts.number == made.number
        # Who asked for something is nobody's to know who is handed a certificate, and may have to be erased.
        if name == "actor" or not allowed(held, name):
            return False
        if made.content:
            return True
        if held.chain != made.message or not held.kind.startswith("message.recorded"):
            return name in _TRACES
        # Whether a file waited behind a link is sealed with its name.
        if made.certificate in ("block", "non_access") and _FILE(name) is not None:
            return True
        return name in _PARTIES or _RECIPIENT(name) is not None

    return choose


def committed(reader: Reader, disclosures: Disclosures, chains: Iterable[Chain], size: int, choose: Choose) -> str:
    """What `ledger.claims.Claims.shown` is, of these chains up to a tree of ``size`` entries."""
    held = {seq: data for chain in chains for seq, data in reader.chain_entries(chain) if seq < size}
    shown = _shown(disclosures(sorted(held)), held, choose)
    return claims.shown_digest(digest(text) for texts in shown.values() for text in texts)


def check_there(names: Collection[str], sealed: Mapping[str, Json]) -> None:
    """UnknownReference unless each of these facts is disclosed of the message."""
    for name in names:
        if name not in sealed:
            raise UnknownReference(f"nothing is sealed of this message as {clean(name)!r}, or it was erased")


def assemble(
    reader: Reader,
    disclosures: Disclosures,
    claim: Claim,
    closing: Sequence[Recorded],
    checkpoint: bytes,
    choose: Choose,
) -> Evidence:
    """The evidence for a claim that the act ``closing`` has just closed, under the checkpoint it was answered with.
    Adverse where non-access does not hold."""
    ends = {made.chain: made for made in (entry.decode(r.data) for r in closing)}
    log = reader.log_chain()
    held: dict[int, bytes] = {}
    for chain in _covered(reader, claim):
        held.update(reader.chain_entries(chain, 0, ends[chain.id].n + 1))
    since = min(held)
    last = ends[log.id]
    facts: Any = last.facts
    for seq in (0, *facts.keys, last.seq):
        held[seq] = _entry(reader, seq)
    if claim.kind == "non_access":
        held.update(_watch(reader, log, since, last.n))
    shown = _shown(disclosures(sorted(held)), held, choose)
    size = int(checkpoint.split(b"\n", 2)[1])
    made = evidence.build(claim, held, shown, checkpoint, reader.nodes(size))
    if claim.kind == "non_access":
        # Whom to trust is asked by other checks.
        found = evidence.check(evidence.format(made), Trust.of()).check("no_access_recorded")
        if found.status != "passed":
            raise Adverse(found.detail)
    return made


def rehearse(
    reader: Reader, disclosures: Disclosures, claim: Claim, checkpoint: bytes, at: int, choose: Choose
) -> None:
    """Adverse where a claim of non-access would not hold if its chains were closed at this instant (microseconds since
    1970), so that it is refused before anything is closed. ``checkpoint`` is any of this log's."""
    log = reader.log_chain()
    held = {seq: data for chain in _covered(reader, claim) for seq, data in reader.chain_entries(chain)}
    held.update(_watch(reader, log, min(held), log.n - 1))
    held[0] = _entry(reader, 0)
    shown = _shown(disclosures(sorted(held)), held, choose)
    document = Evidence(
        checkpoint=checkpoint.decode(),
        claim=claim,
        entries=tuple(Held(disclosures=tuple(shown.get(seq, ())), entry=held[seq], seq=seq) for seq in sorted(held)),
        format="postseal-evidence/1",
        proof=(),
        replays=(),
        timestamps=(),
    )
    said = case.read(document)
    before = said.log[-1].entry
    closed = Item(
        entry.TYPES["evidence.exported"](
            at=max(format_time(at), before.at),
            chain=log.id,
            facts=event.EvidenceExported(evidence=claim.message, pending=0),
            n=before.n + 1,
            prev=entry.ZERO,
            sealed=[],
            seq=reader.head().size,
            source="system",
            v=1,
        ),
        b"",
        {},
    )
    said = replace(said, chains={**said.chains, log.id: [*said.log, closed]})
    try:
        absence.check_no_access(said, Closing(closed, closed, ()))
    except (ProofError, NotChecked) as error:
        raise Adverse(str(error)) from None


def _covered(reader: Reader, claim: Claim) -> list[Chain]:
    """The message's chain and those of the recipients that the claim covers."""
    message = reader.chain(claim.message)
    if message is None or message.type != "message":
        raise UnknownReference("no such message in this log")
    theirs = reader.recipients(message)
    if claim.recipient is not UNSET:
        theirs = [chain for chain in theirs if f"r{chain.ordinal}" == claim.recipient]
        if not theirs:
            raise UnknownReference("the message has no such recipient")
    return [message, *theirs]


def _entry(reader: Reader, seq: int) -> bytes:
    found = reader.entry(seq)
    if found is None:
        raise UnknownReference(f"entry {seq} is not in this log")
    return found


def _watch(reader: Reader, log: Chain, since: int, until: int) -> Iterable[tuple[int, bytes]]:
    """The log's own entries from the last beat before entry ``since`` up to position ``until``."""
    first = 0
    for n, data in reader.chain_before(log, since):
        if entry.decode(data).kind in event.BEATS:
            first = n
            break
    return reader.chain_entries(log, first, until + 1)


def _shown(found: Mapping[int, list[str]], held: Mapping[int, bytes], choose: Choose) -> dict[int, list[str]]:
    shown: dict[int, list[str]] = {}
    for seq, texts in found.items():
        made = entry.decode(held[seq])
        chosen = [text for text in texts if choose(made, parse(text).name)]
        if chosen:
            shown[seq] = sorted(chosen, key=digest)
    return shown


def claim_of(message: str, recipient: str | None, kind: str, file: str | None, files: int) -> Claim:
    """A claim; ``kind`` is ``history`` or ``non_access``; the message has ``files`` files. InvalidRequest otherwise."""
    said = {"kind": kind, "message": message}
    said |= {} if recipient is None else {"recipient": recipient}
    said |= {} if file is None else {"file": file}
    try:
        claim = msgspec.convert(said, Claim)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"claim: {error}") from None
    if file is not None and kind != "non_access":
        raise InvalidRequest("only a claim of non-access names a file")
    if file is not None and ordinal(file) > files:
        raise UnknownReference(f"the message has {files} files, no {file}")
    return claim
