"""Judging the file of a certificate: the evidence inside it, and whether the paper says what that proves.

The paper follows from its evidence alone. So it is drawn again, and compared octet by octet: whoever changes a word of
it, hides an adverse fact or puts other evidence under it is found out, and he need not be asked for a reason. A ledger
that can be asked need not draw: it has the hash of the whole file.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Protocol

from ledger import case, certified, evidence
from ledger.certified import Status
from ledger.errors import FormatError, LedgerError, ProofError, UnknownReference
from ledger.trust import Trust
from ledger.verdict import Check, NotChecked, Verdict, conclude, run
from reports import attached, certificate

START: Final = b"%PDF-"
_WITHDRAWN: Final = "this file was sealed, and the certificate withdrawn"


class Ledger(Protocol):
    """Who can be asked what became of a certificate: `ledger.reading.Reading`."""

    id: str

    def certified(self, number: str, message: str) -> Status:
        """UnknownReference where it never sealed one of this number about this message."""


def is_pdf(data: bytes) -> bool:
    """Whether it says that it is, so that it is judged."""
    return data.startswith(START)


def twin(pdf: bytes) -> bytes:
    """The evidence inside a file. FormatError where there is none."""
    try:
        return attached.attachment(pdf, certificate.TWIN)
    except FormatError as error:
        raise FormatError(f"no Postseal certificate: {error}") from None


def check(
    pdf: bytes, octets: bytes, trust: Trust, content: bytes | None = None, ledger: Ledger | None = None
) -> Verdict:
    """Judge a file, and ``octets``, its `twin`. ``ledger`` is asked what became of it, if there is one."""
    judged = evidence.check(octets, trust, content)
    held = run("certificate", lambda: _check_sealed(pdf, octets, ledger))
    drawn = run("paper", lambda: _check_paper(pdf, octets) if ledger is None else _check_known(held))
    return conclude([*judged.checks, held, drawn], judged.required | {"paper"})


def _check_sealed(pdf: bytes, octets: bytes, ledger: Ledger | None) -> str:
    if ledger is None:
        raise NotChecked("whether it was withdrawn or superseded only the ledger can tell: look its number up")
    said = case.read(evidence.parse(octets))
    made = certified.of(said).claims
    if said.log[0].entry.chain != ledger.id:
        raise NotChecked("it is of another ledger than the one that can be asked here")
    try:
        known = ledger.certified(made.number, made.message)
    except UnknownReference:
        raise ProofError(f"this ledger never sealed a certificate {made.number} about this message") from None
    if known.sha256 != sha256(pdf).hexdigest():
        raise ProofError(f"another file than this was sealed as certificate {made.number}, entry {known.sealed.seq}")
    if known.withdrawn is not None:
        raise ProofError(f"{_WITHDRAWN} at {known.withdrawn.at}, entry {known.withdrawn.seq}")
    later = "" if known.superseded is None else f"; certificate {known.superseded} has taken its place since"
    return f"certificate {made.number}, sealed at {known.sealed.at}, entry {known.sealed.seq}{later}"


def _check_paper(pdf: bytes, octets: bytes) -> str:
    try:
        drawn = certificate.draw(octets)
    except LedgerError as error:
        raise ProofError(f"its evidence is that of no certificate: {error}") from None
    if drawn == pdf:
        return "drawn again from its evidence it is the same, octet by octet"
    if attached.producer(pdf) == certificate.PRODUCER:
        raise ProofError("drawn from its evidence it is another: the paper was changed, or is not of this evidence")
    said = "it says that other versions drew it than draw here, so that it cannot be compared"
    raise NotChecked(f"{said}: rely on the evidence inside it, not on what the paper says")


def _check_known(held: Check) -> str:
    """Without drawing it, which strangers could ask for all day: the file is the one that was drawn, or it is not."""
    if held.status == "passed" or held.detail.startswith(_WITHDRAWN):
        return "the file is the one that was drawn from the evidence inside it, and sealed"
    raise NotChecked("the file is none that was sealed here; `postseal verify` draws it again, and compares")
