"""Certificates as evidence and entries show them: what one claims, whether that is so, and what became of it.

Everything here is computed from entries. Whoever prints, refuses or verifies a certificate asks the same functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from ledger import claims, complete, disclosure
from ledger.case import Case, Item
from ledger.claims import Claims
from ledger.complete import Closing
from ledger.entry import Entry
from ledger.errors import Adverse, ProofError, UnknownReference
from ledger.event import ACCESSES

LOST: Final = frozenset(("delivery.bounced", "delivery.expired", "relay.failed"))
"""What ends the way of a message to a recipient, until something else is recorded."""

_COMPLETE: Final = ACCESSES.difference(("download.aborted", "download.started"))

DELIVERIES: Final = frozenset(("relay.accepted", "delivery.delivered", "delivery.relayed"))


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate in evidence: what it claims, the act that issued it, and the chains that it covers."""

    claims: Claims
    closing: Closing
    message: Sequence[Item]
    recipients: Sequence[Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Status:
    """What a ledger says of a certificate that was sealed: of which kind, message and recipient (None for all), the
    entry that sealed it, the hash of its file, and what became of it: superseded, by which number, or withdrawn, by
    which entry."""

    number: str
    kind: str
    message: str
    recipient: str | None
    sealed: Entry
    sha256: str
    superseded: str | None = None
    withdrawn: Entry | None = None


def of(case: Case) -> Certified:
    """The certificate that evidence is the twin of. ProofError, FormatError where it is of none, or of another one than
    it says."""
    closing = complete.check_complete(case)
    issued = closing.message
    if issued.kind != "certificate.issued":
        raise ProofError(f"the evidence ends at entry {issued.seq}, a {issued.kind}, and not where one was issued")
    if claims.FACT not in issued.disclosed:
        raise ProofError(f"what was to be certified is not disclosed on entry {issued.seq}")
    made = claims.from_json(issued.disclosed[claims.FACT])
    facts, claim = issued.facts, case.claim
    if claims.digest(made) != facts.claims:
        raise ProofError(f"entry {issued.seq} was for other claims than are disclosed on it")
    of_kind = "non_access" if made.certificate == "non_access" else "history"
    file = made.file if of_kind == "non_access" else UNSET
    wanted = (made.message, made.recipient, of_kind, file, made.number, made.certificate)
    if wanted != (claim.message, claim.recipient, claim.kind, claim.file, facts.number, facts.certificate):
        raise ProofError("the evidence is of another message, recipient, file or kind than the certificate")
    if facts.recipient != made.recipient:
        raise ProofError(f"entry {issued.seq} closes the chain of {facts.recipient or 'all'}, which it is not of")
    found = Certified(made, closing, case.message, complete.covered_chains(case))
    _check_shown(case, found)
    chains = [[item.entry for item in chain] for chain in (found.message, *found.recipients)]
    hosted = {name for name, file in case.files.items() if file.where == "hosted"}
    check_behind(made, chains[0], chains[1:], hosted)
    return found


def _check_shown(case: Case, found: Certified) -> None:
    """ProofError unless all is disclosed that was when it was asked for, and nothing sealed came between. What was
    vouched for later belongs beside the certificate: it cannot be told from what its holder made up himself."""
    if case.evidence.timestamps or case.evidence.replays:
        raise ProofError("timestamps and replay statements were added to the evidence of the certificate")
    covered = {item.seq: item for chain in (found.message, *found.recipients) for item in chain}
    size, closing = found.claims.size, found.closing.message.seq
    for seq, item in covered.items():
        if seq >= size and seq != closing and item.entry.sealed:
            raise ProofError(f"entry {seq} was recorded, and something sealed on it, while the certificate was issued")
    digests = [
        disclosure.digest(text)
        for held in case.evidence.entries
        if held.seq in covered and held.seq < size
        for text in held.disclosures
    ]
    if claims.shown_digest(digests) != found.claims.shown:
        raise ProofError("the evidence does not disclose what the certificate was made of: something was left out")


def check_behind(
    made: Claims, message: Sequence[Entry], recipients: Iterable[Sequence[Entry]], hosted: Collection[str]
) -> None:
    """Adverse where nothing stands behind what is to be certified, for any recipient that it covers. ``hosted`` are the
    files that wait behind a link: a block reaches no other. Of non-access the rehearsal decides."""
    if message[0].kind != "message.recorded":
        raise Adverse("the message was refused: there is nothing to certify of it")
    chains = list(recipients)
    if made.file is not UNSET and int(made.file[1:]) > message[0].facts.files:  # type: ignore[attr-defined]
        raise UnknownReference(f"the message has no {made.file}")
    if made.certificate == "delivery" and not any(delivery(chain) for chain in chains):
        lost = next((one for chain in chains for one in reversed(chain) if one.kind in LOST), None)
        if lost is not None:
            raise Adverse(f"entry {lost.seq}: {lost.kind} was recorded at {lost.at}, and no delivery after it")
        raise Adverse("no delivery is recorded, nor that a server took the message over")
    if made.certificate == "access" and not any(accesses(chain, made.file) for chain in chains):
        other = next((one for chain in chains for one in chain if is_access(one, made.file)), None)
        if other is not None:
            said = "no access is recorded that came to its end and that no machine made"
            raise Adverse(f"{said}: the first is the {other.kind} of entry {other.seq}")
        raise Adverse("no access is recorded" if made.file is UNSET else f"no access to {made.file} is recorded")
    if made.certificate in ("block", "non_access"):
        reached = files_of(made, hosted)
        if not any(blockings(chain, reached) for chain in chains):
            known = "no file is known to have waited behind a link: what travelled inside the mail is beyond any block"
            raise Adverse(known if not reached else "no block is recorded")


def files_of(made: Claims, hosted: Collection[str]) -> frozenset[str]:
    """The files that a certificate of a block, or of non-access, is about."""
    return frozenset(name for name in hosted if made.file in (UNSET, name))


def delivery(chain: Sequence[Entry]) -> Entry | None:
    """The earliest entry of the strongest kind that says a message went on its way to its recipient: delivered before
    taken over. None where it was lost afterwards, and nothing came later."""
    found = deliveries(chain)
    return next((one for one in found if one.kind == "delivery.delivered"), found[0] if found else None)


def deliveries(chain: Sequence[Entry]) -> list[Entry]:
    """All that says so: where delivery was never stated, only what came after the message was last lost."""
    found = [one for one in chain if one.kind in DELIVERIES]
    if any(one.kind == "delivery.delivered" for one in found):
        return found
    lost = max((one.seq for one in chain if one.kind in LOST), default=-1)
    return [one for one in found if one.seq > lost]


def accesses(chain: Sequence[Entry], file: Any = UNSET) -> list[Entry]:
    """What may be called access: not what machines made, or what only began, or broke off; of one ``file``, or of
    anything."""
    known = agents(chain)
    return [
        one
        for one in chain
        if one.kind in _COMPLETE
        and file in (UNSET, getattr(one.facts, "file", None))
        and known.get(one.seq) != "machine"
    ]


def is_access(one: Entry, file: Any = UNSET) -> bool:
    """Whether an entry is of access to this file, or may be: as a negative claim counts."""
    of = getattr(one.facts, "file", UNSET)
    return one.kind in ACCESSES and (UNSET in (of, file) or of == file)


@dataclass(frozen=True, slots=True)
class Blocking:
    """A block as it was applied on a recipient's chain, to which of the files that were asked about, ascending, and the
    entry that lifted it."""

    applied: Entry
    files: tuple[str, ...]
    lifted: Entry | None


def blockings(chain: Sequence[Entry], files: Collection[str]) -> list[Blocking]:
    """The blocks on a chain that cover any of these files, in order; with all that continues each."""
    found: list[tuple[Entry, list[str]]] = []
    lifted: dict[str, Entry] = {}
    for one in chain:
        facts: Any = one.facts
        if one.kind == "block.applied":
            found.append((one, list(facts.files)))
        elif one.kind == "block.applied.continued":
            found[-1][1].extend(facts.files)
        elif one.kind == "block.lifted":
            lifted.setdefault(facts.block, one)
    return [
        Blocking(one, tuple(covered), lifted.get(one.facts.block))  # type: ignore[attr-defined]
        for one, some in found
        if (covered := [name for name in some if name in files])
    ]


def agents(entries: Iterable[Entry]) -> Mapping[int, str]:
    """Who is judged to have made an event (``machine``, ``person``, ``unknown``), by its seq; what was judged anew
    counts as judged last. Who began to fetch a file has fetched it."""
    found: dict[int, str] = {}
    began: dict[str, int] = {}
    ended: dict[int, int] = {}
    for one in entries:
        facts: Any = one.facts
        verdict = getattr(facts, "verdict", UNSET)
        if verdict is not UNSET:
            found[facts.event if one.kind == "event.reclassified" else one.seq] = verdict.agent
        if one.kind == "download.started":
            began[facts.transfer] = one.seq
        elif one.kind.startswith("download.") and facts.transfer in began:
            ended[one.seq] = began[facts.transfer]
    return found | {seq: found[start] for seq, start in ended.items() if start in found and seq not in found}


def became(number: str, message: Sequence[Entry]) -> tuple[str | None, Entry | None]:
    """By which number a certificate was superseded, and the entry that withdrew it; each the first, or None."""
    superseded, withdrawn = None, None
    for one in message:
        facts: Any = one.facts
        if one.kind == "certificate.superseded" and facts.number == number:
            superseded = superseded or facts.by
        elif one.kind == "certificate.withdrawn" and facts.number == number:
            withdrawn = withdrawn or one
    return superseded, withdrawn
