"""What goes in and out, as the OpenAPI document shows it. Instants are UTC, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.errors import KINDS, PREFIX
from ledger import event

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Base64 = Annotated[str, Field(json_schema_extra={"format": "byte"})]
File = Annotated[str, Field(pattern=r"^f[1-9][0-9]{0,4}$", examples=["f1"])]
Recipient = Annotated[str, Field(pattern=r"^r[1-9][0-9]{0,4}$", examples=["r1"])]
Address = Annotated[str, Field(max_length=998, examples=["anna@example.com"])]
_KINDS: Final = sorted(name for name, kind in event.KINDS.items() if kind.grade is not None)
Kind = Annotated[str, Field(json_schema_extra={"enum": [*_KINDS]})]
Detail = str | int | bool | list[Any] | dict[str, Any]


class Body(BaseModel):
    """A request: an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Said(BaseModel):
    """A response."""

    model_config = ConfigDict(extra="forbid")


class Receipt(Said):
    """An entry and the proof that the log held it at the checkpoint. Keep it: it verifies without us."""

    log: Id
    seq: int = Field(ge=0)
    leaf_hash: Hash
    entry: Base64
    checkpoint: str
    proof: list[Hash]


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: Annotated[str, Field(json_schema_extra={"enum": [PREFIX + name for name in KINDS]})]
    title: str
    status: int
    detail: str
    receipt: Receipt | None = Field(default=None, description="Of the denial, where a block refused an access.")


class Envelope(Body):
    """The SMTP envelope: who was written to on the wire, blind copies included."""

    mail_from: Address
    rcpt_to: Annotated[list[Address], Field(min_length=1, max_length=99_999)]
    hosted: Annotated[list[File], Field(description="Files that travel behind a link, and so can be blocked.")] = []


class HashOnly(Body):
    """What `postseal fingerprint FILE` prints, with the envelope: the content stays where it is."""

    envelope: Envelope
    fingerprint: dict[str, Any]


class NewRecipient(Said):
    id: Recipient
    address: Address


class NewFile(Said):
    id: File
    name: str | None = None
    media_type: str
    size: int
    sha256: Hash


class Recorded(Said):
    message: Id
    recipients: list[NewRecipient]
    files: list[NewFile]
    receipt: Receipt
    repeated: bool = Field(description="An earlier request with this idempotency key recorded it.")


class NewEvent(Body):
    """A tracking event. ``recipient`` by number or address; without one it is about the message as a whole."""

    kind: Kind
    recipient: Annotated[str, Field(max_length=998)] | None = None
    file: File | None = None
    transfer: Id | None = None
    occurred: str | None = Field(default=None, description="The source's own instant; needs ``clock``.")
    clock: event.Clock | None = None
    source: event.Source = "api"
    attestation: Literal["C", "D", "E"] = Field(
        default="D", description="A and B need the signed octets themselves: they come in as webhooks."
    )
    event_key: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="What the source calls this event: the same one is recorded once."
    )
    facts: dict[str, Any] | None = Field(default=None, description="Further facts of the kind, never personal data.")
    details: dict[str, Detail] | None = Field(default=None, description="What is sealed: addresses, agents, free text.")


class BulkEvent(NewEvent):
    """One line of many."""

    message: Id
    id: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="Yours; comes back.")


class Appended(Said):
    receipt: Receipt
    repeated: bool


class BulkLine(Said):
    """One line of the answer, in the order of the request."""

    id: str | None = None
    seq: int | None = None
    leaf_hash: Hash | None = None
    repeated: bool | None = None
    problem: ProblemDocument | None = None
    checkpoint: str | None = Field(default=None, description="On the last line only.")


class NewBlock(Body):
    scope: Literal["file", "recipient", "all"]
    recipient: Annotated[str, Field(max_length=998)] | None = None
    file: File | None = None
    reason: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="A code, such as wrong-file.")


class NewLift(Body):
    reason: Annotated[str, Field(max_length=64)] | None = None


class Pair(Said):
    recipient: Recipient
    file: File
    in_time: Literal["yes", "no", "unknown"]


class Blocked(Said):
    block: Id
    pairs: list[Pair]
    receipt: Receipt


class Lifted(Said):
    receipt: Receipt


class LogState(Said):
    log: Id
    origin: str
    vkey: str = Field(description="The key that signs now (C2SP signed-note)")
    size: int


class Logs(Said):
    logs: list[LogState]


class Entry(Said):
    seq: int
    leaf_hash: Hash
    entry: Base64


class Consistency(Said):
    old: int
    new: int
    proof: list[Hash]


class Check(Said):
    name: str
    status: Literal["passed", "failed", "not_checked"]
    detail: str


class Verified(Said):
    verdict: Literal["valid", "invalid", "unknown"]
    checks: list[Check]
    matches: list[dict[str, Any]]


class Health(Said):
    status: Literal["ok", "failing"]
    reason: str | None = None


READ_BY_HAND: Final = (ProblemDocument, HashOnly, NewEvent, BulkEvent, BulkLine, NewBlock, NewLift)
"""What routes read or write themselves, and FastAPI would not find."""
