"""From a ledger to evidence: which entries a claim needs, and which disclosures may go with them.

docs/format.md, "Evidence", lists the entries. What is disclosed follows from the claim: evidence about one recipient
shows nobody else, so the headers that name others and their own disclosures stay sealed, and so does what was said of
the message as a whole: a report or a reason may name anybody. What the log's own entries seal (raw webhooks, among them
those of other messages) is in no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ledger import entry, event, evidence
from ledger.disclosure import parse
from ledger.document import Claim, Evidence
from ledger.entry import Entry
from ledger.errors import InvalidRequest, UnknownReference
from ledger.spelling import ordinal
from ledger.state import Chain
from ledger.store.read import Reader
from ledger.transaction import Recorded

_OTHERS: Final = frozenset({"cc", "to"})
_OURS: Final = frozenset({"actor", "reason_text"})
_RECIPIENT: Final = re.compile(r"r[1-9][0-9]{0,4}").fullmatch

Disclosures = Callable[[Sequence[int]], Mapping[int, list[str]]]
Choose = Callable[[Entry, str], bool]
"""Whether a disclosure of this name on this entry goes into the evidence."""


def may_show(message: str, recipient: str | None, log: str) -> Choose:
    """Everything on the chains of a message for a claim on all of it; for one recipient nothing that may name another
    or a person of ours."""

    def choose(held: Entry, name: str) -> bool:
        if held.chain == log:
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


def assemble(
    reader: Reader,
    disclosures: Disclosures,
    claim: Claim,
    closing: Sequence[Recorded],
    checkpoint: bytes,
    choose: Choose,
) -> Evidence:
    """The evidence for a claim that the act ``closing`` has just closed, under the checkpoint it was answered with."""
    ends = {made.chain: made for made in (entry.decode(r.data) for r in closing)}
    message = reader.chain(claim.message)
    if message is None:
        raise UnknownReference("no such message in this log")
    log = reader.log_chain()
    held: dict[int, bytes] = {}
    for chain in [message, *reader.recipients(message)]:
        if chain.id in ends:
            held.update(reader.chain_entries(chain, 0, ends[chain.id].n + 1))
    last = ends[log.id]
    facts: Any = last.facts
    for seq in (0, *facts.keys, last.seq):
        held[seq] = _entry(reader, seq)
    if claim.kind == "non_access":
        held.update(_watch(reader, log, min(seq for seq, _ in reader.chain_entries(message, 0, 1)), last.n))
    shown = _shown(disclosures(sorted(held)), held, choose)
    size = int(checkpoint.split(b"\n", 2)[1])
    return evidence.build(claim, held, shown, checkpoint, reader.nodes(size))


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
            shown[seq] = chosen
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
