"""The vocabulary: every kind an entry may have, the chains it may stand on, and the schema of its facts.

docs/format.md is the specification; this file is its table. Facts are closed msgspec structs: an unlisted field, a
wrong type, a float or a null is refused by the decoder itself. What a type cannot say (``grade`` belongs to the kind,
``candidates`` to ``one_of``) is said by `ledger.schema.check_facts`.

Grades and attestations are explained in docs/format.md and, for people, by `ledger.grades`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ledger.spelling import Code, Count, Digest, File, Hash, Id, Line, Note, Origin, Recipient, Seq, Status, Time

MAX_ITEMS: Final = 256
"""Items in one list of an entry; longer lists go on in ``<kind>.continued`` entries."""

BEAT_LIMIT_SECONDS: Final = 150
"""Two beats further apart than this are an outage of the recorder."""

Source = Literal["api", "gateway", "import", "portal", "report", "system", "webhook"]
Clock = Literal["attested", "deadline", "declared", "observed", "stated"]
Grade = Literal["G0", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"]
Attestation = Literal["A", "B", "C", "D", "E"]
Attribution = Literal["exact", "none", "one_of"]
Scope = Literal["all", "file", "recipient"]


class Facts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """What an entry says in the clear. Never personal data."""


class Verdict(Facts, frozen=True):
    """A detector's judgement: rule, rule list and a digest of the inputs it saw."""

    agent: Literal["machine", "person", "unknown"]
    inputs: Digest
    list: Code
    rule: Code


class Tracking(Facts, frozen=True):
    """What every tracking event carries beside its own facts."""

    attestation: Attestation
    attribution: Attribution
    grade: Grade
    candidates: Annotated[tuple[Recipient, ...], Meta(min_length=2, max_length=MAX_ITEMS)] | UnsetType = UNSET
    file: File | UnsetType = UNSET
    input: Seq | UnsetType = UNSET
    item: Count | UnsetType = UNSET
    late: bool | UnsetType = UNSET
    token: Hash | UnsetType = UNSET
    verdict: Verdict | UnsetType = UNSET


class Reasoned(Tracking, frozen=True, kw_only=True):
    reason: Code | UnsetType = UNSET


class Identified(Tracking, frozen=True, kw_only=True):
    method: Code


class Relay(Tracking, frozen=True, kw_only=True):
    code: Count | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    tls: bool | UnsetType = UNSET


class Delivery(Reasoned, frozen=True, kw_only=True):
    status: Status | UnsetType = UNSET


class Consent(Tracking, frozen=True, kw_only=True):
    purpose: Code


class Download(Tracking, frozen=True, kw_only=True):
    file: File
    transfer: Id


class Aborted(Download, frozen=True, kw_only=True):
    reason: Code | UnsetType = UNSET


class Retention(Facts, frozen=True):
    """How long a message is to be kept, in days: at least, and at most."""

    minimum: Count
    class_: Code = field(name="class")
    maximum: Count | UnsetType = UNSET


class MessageRecorded(Facts, frozen=True):
    content: Literal["hash_only", "kept"]
    envelope: Literal["declared", "given"]
    files: Count
    fingerprint: Code
    grade: Literal["G0"]
    recipients: Annotated[int, Meta(ge=1, le=99_999)]
    retention: Retention | UnsetType = UNSET


class Continued(Facts, frozen=True):
    """The rest of a list: digests in ``sealed``, or the files or tokens of the entry before."""

    part: Annotated[int, Meta(ge=1, le=99_999)]
    files: Annotated[tuple[File, ...], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = UNSET
    tokens: Annotated[tuple[Hash, ...], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = UNSET


class Because(Facts, frozen=True):
    reason: Code


class Transformed(Facts, frozen=True):
    by: Code


class RecipientAdded(Facts, frozen=True):
    message: Id
    recipient: Recipient
    tokens: Annotated[tuple[Hash, ...], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = UNSET


class AccessDenied(Facts, frozen=True):
    asked: Literal["download.started", "link.confirmed"]
    block: Id
    file: File | UnsetType = UNSET
    token: Hash | UnsetType = UNSET
    transfer: Id | UnsetType = UNSET


class Reclassified(Facts, frozen=True):
    event: Seq
    verdict: Verdict


class BlockRequested(Facts, frozen=True):
    scope: Scope
    file: File | UnsetType = UNSET
    reason: Code | UnsetType = UNSET
    recipient: Recipient | UnsetType = UNSET


class BlockApplied(Facts, frozen=True):
    block: Id
    files: Annotated[tuple[File, ...], Meta(max_length=MAX_ITEMS)]
    scope: Scope
    reason: Code | UnsetType = UNSET
    recipient: Recipient | UnsetType = UNSET
    recipients: Count | UnsetType = UNSET


class BlockLifted(Facts, frozen=True):
    block: Id
    reason: Code | UnsetType = UNSET


class Closing(Facts, frozen=True):
    """What closes a chain: ``recipients`` on the message's, ``keys``, ``message`` and ``pending`` on the log's."""

    keys: Annotated[tuple[Seq, ...], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = UNSET
    message: Id | UnsetType = UNSET
    pending: Count | UnsetType = UNSET
    recipient: Recipient | UnsetType = UNSET
    recipients: Count | UnsetType = UNSET


class CertificateIssued(Closing, frozen=True, kw_only=True):
    certificate: Literal["access", "block", "delivery", "dispatch", "non_access"]
    claims: Hash
    number: Code


class EvidenceExported(Closing, frozen=True, kw_only=True):
    evidence: Id


class CertificateSealed(Facts, frozen=True):
    number: Code
    sha256: Hash


class CertificateSuperseded(Facts, frozen=True):
    by: Code
    number: Code


class CertificateWithdrawn(Facts, frozen=True):
    number: Code
    reason: Code | UnsetType = UNSET


class Viewed(Facts, frozen=True):
    what: Code


class Erasure(Facts, frozen=True):
    erasure: Id
    subject: Literal["message", "person", "recipient"]


class Hold(Facts, frozen=True):
    hold: Id
    reason: Code | UnsetType = UNSET


class WebhookReceived(Facts, frozen=True):
    attestation: Attestation
    provider: Code
    endpoint: Id | UnsetType = UNSET
    items: Count | UnsetType = UNSET


class Unparsed(Facts, frozen=True):
    channel: Code
    reason: Code
    input: Seq | UnsetType = UNSET


class Unattributed(Facts, frozen=True):
    attestation: Attestation
    channel: Code
    asserts: Code | UnsetType = UNSET
    input: Seq | UnsetType = UNSET
    reason: Code | UnsetType = UNSET


class Gap(Facts, frozen=True):
    channel: Code
    since: Time
    until: Time


class Predecessor(Facts, frozen=True):
    origin: Origin
    root: Hash
    size: Count


class Opened(Facts, frozen=True):
    log: Id
    origin: Origin
    vkey: Line
    continues: Predecessor | UnsetType = UNSET


class Started(Facts, frozen=True):
    instance: Id
    store: Literal["postgresql", "sqlite"]
    version: Code


class Instance(Facts, frozen=True):
    instance: Id


class Stepped(Facts, frozen=True):
    ahead: bool
    micros: Count


class KeyIntroduced(Facts, frozen=True):
    vkey: Line
    endorsement: Note | UnsetType = UNSET


class KeyRetired(Facts, frozen=True):
    vkey: Line


class KeyCompromised(Facts, frozen=True):
    since: Time
    vkey: Line


class Timestamped(Facts, frozen=True):
    root: Hash
    size: Count
    token: Hash


class Reviewed(Facts, frozen=True):
    root: Hash
    size: Count
    verdict: Literal["failed", "passed"]


class Kind(Struct, frozen=True, gc=False):
    """One word of the vocabulary. ``grade`` is set for tracking events only, and fixed by the kind."""

    name: str
    on: frozenset[str]
    facts: type[Facts]
    grade: str | None = None
    opens: bool = False
    continued: bool = False
    closes: bool = False
    access: bool = False


_M, _R, _L = frozenset({"message"}), frozenset({"recipient"}), frozenset({"log"})
_MR, _LM, _ALL = _M | _R, _L | _M, _M | _R | _L

_TABLE: Final = (
    Kind("message.recorded", _M, MessageRecorded, opens=True, continued=True),
    Kind("message.refused", _M, Because, opens=True),
    Kind("message.transformed", _M, Transformed),
    Kind("recipient.added", _R, RecipientAdded, opens=True, continued=True),
    Kind("recipient.identified", _R, Identified, "G6", access=True),
    Kind("recipient.acknowledged", _R, Tracking, "G8", access=True),
    Kind("recipient.refused", _R, Reasoned, "G8"),
    Kind("relay.accepted", _MR, Relay, "G1"),
    Kind("relay.deferred", _MR, Relay, "G0"),
    Kind("relay.failed", _MR, Relay, "G0"),
    Kind("delivery.delivered", _MR, Delivery, "G2"),
    Kind("delivery.relayed", _MR, Delivery, "G1"),
    Kind("delivery.bounced", _MR, Delivery, "G0"),
    Kind("delivery.expired", _MR, Delivery, "G0"),
    Kind("delivery.complained", _MR, Delivery, "G2"),
    Kind("delivery.autoresponded", _MR, Delivery, "G2"),
    Kind("message.opened", _MR, Tracking, "G3", access=True),
    Kind("link.opened", _MR, Tracking, "G4", access=True),
    Kind("link.confirmed", _MR, Tracking, "G5", access=True),
    Kind("code.sent", _R, Tracking, "G0"),
    Kind("code.failed", _R, Reasoned, "G4"),
    Kind("code.confirmed", _R, Tracking, "G6", access=True),
    Kind("consent.given", _R, Consent, "G5"),
    Kind("consent.withdrawn", _R, Consent, "G5"),
    Kind("download.started", _MR, Download, "G4", access=True),
    Kind("download.completed", _MR, Download, "G7", access=True),
    Kind("download.aborted", _MR, Aborted, "G4", access=True),
    Kind("access.denied", _MR, AccessDenied),
    Kind("event.reclassified", _MR, Reclassified),
    Kind("block.requested", _M, BlockRequested),
    Kind("block.applied", _MR, BlockApplied, continued=True),
    Kind("block.lifted", _MR, BlockLifted),
    Kind("certificate.issued", _ALL, CertificateIssued, closes=True),
    Kind("certificate.sealed", _ALL, CertificateSealed),
    Kind("certificate.superseded", _ALL, CertificateSuperseded),
    Kind("certificate.withdrawn", _ALL, CertificateWithdrawn),
    Kind("evidence.exported", _ALL, EvidenceExported, closes=True),
    Kind("content.viewed", _ALL, Viewed),
    Kind("erasure.requested", _ALL, Erasure),
    Kind("erasure.approved", _ALL, Erasure),
    Kind("erasure.done", _ALL, Erasure),
    Kind("hold.placed", _ALL, Hold),
    Kind("hold.released", _ALL, Hold),
    Kind("audit.reviewed", _L, Reviewed),
    Kind("webhook.received", _L, WebhookReceived),
    Kind("input.unparsed", _LM, Unparsed),
    Kind("input.unattributed", _LM, Unattributed),
    Kind("listener.gap", _L, Gap),
    Kind("ledger.opened", _L, Opened, opens=True),
    Kind("ledger.started", _L, Started),
    Kind("ledger.stopped", _L, Instance),
    Kind("ledger.heartbeat", _L, Instance),
    Kind("clock.stepped", _L, Stepped),
    Kind("key.introduced", _L, KeyIntroduced),
    Kind("key.retired", _L, KeyRetired),
    Kind("key.compromised", _L, KeyCompromised),
    Kind("checkpoint.timestamped", _L, Timestamped),
)

KINDS: Final[Mapping[str, Kind]] = {k.name: k for k in _TABLE} | {
    f"{k.name}.continued": Kind(f"{k.name}.continued", k.on, Continued) for k in _TABLE if k.continued
}
"""Every kind by name, the continued ones included."""

ACCESSES: Final = frozenset(k.name for k in _TABLE if k.access)
"""What counts against a negative claim, whoever or whatever made it."""

POLICED: Final = frozenset({"download.started", "link.confirmed"})
"""What a block forbids; asked of `ledger.policy` in the transaction that would record it."""

ELSEWHERE: Final = frozenset({"import", "report", "webhook"})
"""Sources that report what already happened elsewhere: recorded although blocked, and flagged ``late``."""

BEATS: Final = frozenset({"ledger.heartbeat", "ledger.started"})
"""What shows that the recorder was alive."""

CLOSING: Final = frozenset(k.name for k in _TABLE if k.closes)
