"""Which certificate a file is: the one whose hash the log stated when it was issued."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET

from ledger.case import Case
from ledger.certified import Status
from ledger.document import Claim
from ledger.errors import InvalidRequest, ProofError

PLACE = "data/certificate.pdf"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's number, the entry that issued it, and the number of the one that took its place, if any."""

    number: str
    seq: int
    superseded: str | None = None


def certificate_of(said: Case, sha256: str) -> Certificate:
    """The certificate of this hash, by the message's own chain. ProofError where it states none, or it was withdrawn;
    and where the claim is about one recipient and the certificate is not about him alone: it would show others."""
    sealed = [i for i in said.message if i.kind == "certificate.sealed" and i.facts.sha256 == sha256]
    if not sealed:
        raise ProofError("no entry of the message's chain states the hash of the certificate")
    number: str = sealed[-1].facts.number
    told = [item for item in said.message if getattr(item.facts, "number", None) == number]
    issued = [i for i in told if i.kind == "certificate.issued" and i.seq < sealed[-1].seq]
    if len(issued) != 1:
        raise ProofError(f"certificate {number} was not issued once, before it was sealed")
    if any(item.kind == "certificate.withdrawn" for item in told):
        raise ProofError(f"certificate {number} was withdrawn")
    if said.claim.recipient not in (UNSET, issued[0].facts.recipient):
        raise ProofError(f"certificate {number} is not about {said.claim.recipient} alone")
    by = [item.facts.by for item in told if item.kind == "certificate.superseded"]
    return Certificate(number, issued[0].seq, by[-1] if by else None)


def check_fits(known: Status, claim: Claim) -> None:
    """InvalidRequest where evidence of this claim could not be handed out with that certificate, before it is made."""
    if known.message != claim.message:
        raise InvalidRequest(f"certificate {known.number} is about another message")
    if claim.recipient not in (UNSET, known.recipient):
        raise InvalidRequest(f"certificate {known.number} is not about {claim.recipient} alone")
    if known.withdrawn is not None:
        raise InvalidRequest(f"certificate {known.number} was withdrawn by entry {known.withdrawn.seq}")
