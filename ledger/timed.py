"""When, by clocks that are not the ledger's: the timestamps of a document, and the check ``timed``.

A token over a checkpoint shows that everything below the checkpoint's size was there by its time. A token whose hash
stands in an entry shows that this entry, and every later one, came after its time. Between the two lies the fact. The
ledger's own ``at`` is a claim beside that; it must not contradict it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography import x509

from ledger import checkpoint, document, ids, keyhistory, merkle, note, timestamp
from ledger.case import Case
from ledger.checkpoint import Checkpoint
from ledger.complete import Closing
from ledger.document import OfAll, OfEarlier, Stamp
from ledger.errors import LedgerError, ProofError, SignatureError
from ledger.trust import Trust
from ledger.verdict import NotChecked

TOLERANCE: Final = 900_000_000
"""Microseconds by which the ledger's clock may contradict a timestamp: as far as it may be wrong and still record."""

_CAVEAT: Final = "whether an authority's certificate was revoked is not checked"
_END: Final = ids.parse_time("9999-12-31T23:59:59.999999Z")


@dataclass(frozen=True, slots=True)
class Proven:
    """A token that holds: made between ``earliest`` and ``latest`` (microseconds since 1970), over this checkpoint.

    ``token`` is its SHA-256 (hex), by which a `checkpoint.timestamped` entry names it.
    """

    checkpoint: Checkpoint
    earliest: int
    latest: int
    token: str


def judge(case: Case, trust: Trust) -> list[Proven]:
    """The tokens that hold, in the document's order. One that is false fails them all, whoever made it.

    `NotChecked` where there is none, or none by an authority that the policy names: like a signature by an unknown
    key, a token by an unknown authority says nothing, for or against.
    """
    stamps = case.evidence.timestamps
    if not stamps:
        raise NotChecked("no timestamp is held")
    anchors = [x509.load_der_x509_certificate(anchor) for anchor in trust.anchors]
    text = note.parse(document.text(case.evidence.checkpoint))[0]
    imprints = document.renewal_imprints(case.evidence)
    proven: list[Proven] = []
    for place, stamp in enumerate(stamps):
        try:
            if isinstance(stamp, OfEarlier):
                covered, imprint = _earlier(case, stamp)
            else:
                covered = case.checkpoint
                imprint = imprints[place] if isinstance(stamp, OfAll) else sha256(text).digest()
            made = _judge(stamp, imprint, covered, anchors)
        except LedgerError as error:
            raise type(error)(f"timestamp {place + 1} of {len(stamps)}: {error}") from None
        if made is None:
            continue
        if isinstance(stamp, OfAll) and any(made.latest < before.earliest for before in proven):
            raise ProofError(f"timestamp {place + 1} of {len(stamps)} is older than one that it renews")
        proven.append(made)
    if not proven:
        raise NotChecked(f"none of the {len(stamps)} timestamps is by an authority that the trust policy names")
    return proven


def _earlier(case: Case, stamp: OfEarlier) -> tuple[Checkpoint, bytes]:
    """The earlier checkpoint and its text's hash, once it is shown to be of this very log."""
    keys = keyhistory.read(case.log)
    told, opened = checkpoint.open(document.text(stamp.note), case.checkpoint.origin, [key.verifier for key in keys])
    ours = case.checkpoint
    merkle.check_consistency(
        told.size, told.root, ours.size, ours.root, [bytes.fromhex(node) for node in stamp.consistency]
    )
    return told, sha256(opened.text).digest()


def _judge(stamp: Stamp, imprint: bytes, covered: Checkpoint, anchors: Sequence[x509.Certificate]) -> Proven | None:
    """The token, or None where it is not by one of our authorities: then no name of an anchor's is in it."""
    try:
        told = timestamp.check(stamp.token, imprint, anchors)
    except SignatureError:
        if any(anchor.subject.public_bytes() in stamp.token for anchor in anchors):
            raise
        return None
    at, accuracy = ids.parse_time(told.gen_time), told.accuracy or 0
    return Proven(covered, at - accuracy, min(at + accuracy, _END), sha256(stamp.token).hexdigest())


def first_after(proven: Iterable[Proven], size: int, since: str) -> Proven | None:
    """The first token from before ``since`` over a tree of at least ``size``, if there is one."""
    limit = ids.parse_time(since)
    found = [each for each in proven if each.checkpoint.size >= size and each.latest < limit]
    return min(found, key=lambda each: each.latest, default=None)


def check_timed(case: Case, proven: Sequence[Proven], closing: Closing) -> str:
    """Between which instants the fact lies: the message's opening entry, or for a negative claim the closing entry."""
    by_token = {each.token: each for each in proven}
    fact = closing.log if case.claim.kind == "non_access" else case.message[0]
    after: tuple[int, Proven] | None = None
    for item in case.log:
        each = by_token.get(item.facts.token) if item.kind == "checkpoint.timestamped" else None
        if each is None:
            continue
        told = each.checkpoint
        if (item.facts.size, item.facts.root) != (told.size, told.root.hex()) or told.size > item.seq:
            raise ProofError(f"entry {item.seq} names a timestamp that is not of the checkpoint it says")
        if ids.parse_time(item.entry.at) + TOLERANCE < each.earliest:
            raise ProofError(f"entry {item.seq} says it was recorded before the timestamp was made that it names")
        if item.seq < fact.seq:
            after = item.seq, each
    for each in proven:
        last = max((item for item in case.items.values() if item.seq < each.checkpoint.size), key=lambda item: item.seq)
        if ids.parse_time(last.entry.at) - TOLERANCE > each.latest:
            raise ProofError(f"entry {last.seq} says it was recorded after a timestamp that covers it")
    covering = [each for each in proven if each.checkpoint.size > fact.seq]
    if not covering:
        raise NotChecked(f"no timestamp held covers entry {fact.seq}")
    first = min(covering, key=lambda each: each.latest)
    before = ids.format_time(first.latest)
    if after is None:
        return f"entry {fact.seq} was recorded before {before}; no timestamp shows after when ({_CAVEAT})"
    if first.latest < after[1].earliest:
        raise ProofError(
            f"entry {fact.seq} lies before {ids.format_time(first.latest)} and after entry {after[0]}, which is later"
        )
    return (
        f"entry {fact.seq} was recorded after {ids.format_time(after[1].earliest)} (entry {after[0]}) "
        f"and before {before} ({_CAVEAT})"
    )
