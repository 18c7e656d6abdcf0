"""What goes in and out, as the OpenAPI document shows it. Instants are UTC, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.errors import KINDS, PREFIX
from ledger import event, search

ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
Id = Annotated[str, Field(pattern=f"^{ID}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Base64 = Annotated[str, Field(json_schema_extra={"format": "byte"})]
File = Annotated[str, Field(pattern=r"^f[1-9][0-9]{0,4}$", examples=["f1"])]
Recipient = Annotated[str, Field(pattern=r"^r[1-9][0-9]{0,4}$", examples=["r1"])]
Instant = Annotated[str, Field(examples=["2026-11-23T14:03:11.000000Z"])]
State = Literal[
    "recorded", "relayed", "delivered", "opened", "link_opened", "downloaded", "bounced", "blocked", "denied"
]
Address = Annotated[str, Field(max_length=998, examples=["anna@example.com"])]
_KINDS: Final = sorted(name for name, kind in event.KINDS.items() if kind.grade is not None)
Kind = Annotated[str, Field(json_schema_extra={"enum": [*_KINDS]}, examples=["message.opened"])]
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
    keep_content: Annotated[bool, Field(description="Keep the message, encrypted; else its hashes alone.")] = False
    dkim_keys: Annotated[
        dict[str, str],
        Field(
            description="Key records (TXT) of the message's DKIM signatures, by their names in the DNS: the signatures "
            "are checked, and the records archived with the message.",
            examples=[{"s1._domainkey.example.com": "v=DKIM1; k=rsa; p=..."}],
        ),
    ] = {}
    retention: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="How long it is to be kept: a class of POSTSEAL_RETENTION; by default its first."
    )


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
    occurred: str | None = Field(
        default=None, description="The source's own, in UTC (RFC 3339, with Z); needs `clock`."
    )
    clock: event.Clock | None = None
    source: event.Source = "api"
    attestation: Literal["C", "D", "E"] = Field(
        default="D",
        description="Who vouches. D: the calling system saw it, as a system of the operator's. C: it was told over a "
        "channel that authenticates. E: nobody in particular told it. A and B need the octets that were signed.",
    )
    event_key: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None, description="What the source calls this event: the same one is recorded once."
    )
    facts: dict[str, Any] | None = Field(default=None, description="Further facts of the kind, never personal data.")
    details: dict[str, Detail] | None = Field(default=None, description="What is sealed: addresses, agents, free text.")


LINE_ID: Final = 256
"""Characters of the name that a client gives a line."""


class BulkEvent(NewEvent):
    """One line of many."""

    message: Id
    id: Annotated[str, Field(max_length=LINE_ID)] | None = Field(default=None, description="Yours; comes back.")


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
    model_config = ConfigDict(json_schema_extra={"examples": [{"scope": "file", "file": "f1", "reason": "wrong-file"}]})

    scope: Literal["file", "recipient", "all"]
    recipient: Annotated[str, Field(max_length=998)] | None = None
    file: File | None = None
    reason: Annotated[str, Field(max_length=64)] | None = Field(default=None, description="A code, such as wrong-file.")


class NewLift(Body):
    reason: Annotated[str, Field(max_length=64)] | None = None


class Pair(Said):
    recipient: Recipient
    file: File
    in_time: Literal["yes", "no", "unknown", "out_of_reach"] = Field(
        description="Before anybody fetched it. `out_of_reach`: it travelled inside the mail, where no block helps."
    )


class Blocked(Said):
    block: Id
    pairs: list[Pair]
    receipt: Receipt


class Lifted(Said):
    receipt: Receipt


class Lift(Said):
    seq: int
    at: Instant
    reason: str | None = None


class BlockState(Said):
    """A block. ``seq`` and ``at`` are of its entry; ``in_time`` as it was when the block was made."""

    block: Id
    scope: Literal["file", "recipient", "all"]
    seq: int
    at: Instant
    in_force: bool
    recipient: Recipient | None = None
    reason: str | None = None
    pairs: list[Pair]
    lifted: Lift | None = None


class Blocks(Said):
    blocks: list[BlockState]


class Search(Body):
    """Every condition that is given must hold. Of ``subject`` and ``file`` every word; ``.pdf`` finds by the ending."""

    address: Annotated[str | None, Field(max_length=998, description="Of a sender or recipient")] = None
    domain: Annotated[str | None, Field(max_length=255)] = None
    subject: Annotated[str | None, Field(max_length=1000)] = None
    file: Annotated[str | None, Field(max_length=1000)] = None
    sha256: Hash | None = None
    since: Instant | None = None
    until: Annotated[Instant | None, Field(description="This instant itself is not included.")] = None
    state: State | None = None
    before: Annotated[Id | None, Field(description="`next` of the page before.")] = None
    limit: Annotated[int, Field(ge=1, le=search.MOST)] = 50


class FoundRecipient(Said):
    id: Recipient
    address: str | None = Field(default=None, description="Missing once it was erased.")
    state: State


class FoundMessage(Said):
    message: Id
    seq: int
    recorded_at: Instant
    subject: str | None = None
    mail_from: str | None = None
    files: int
    recipients: int
    first: list[FoundRecipient] = Field(description=f"The first {search.SHOWN} recipients.")


class Messages(Said):
    messages: list[FoundMessage]
    next: Id | None = Field(default=None, description="`before` of the next page, if there may be one.")


class First(Said):
    """The entry that recorded something first."""

    seq: int
    at: Instant


class FileState(Said):
    """A file to a recipient: whether a hand-over has begun, and the blocks in force."""

    id: File
    fetched: bool
    blocks: list[Id]


class RecipientState(Said):
    """``state`` is what matters most of ``states``; ``firsts`` the first entry of each kind; ``files`` those that
    something happened to."""

    id: Recipient
    address: str | None = None
    role: str | None = None
    state: State
    states: list[State]
    grade: str
    firsts: dict[str, First]
    files: list[FileState]
    holds: list[Id]
    erased: First | None = Field(default=None, description="The entry that says what was known of him is erased.")


class Retention(Said):
    """How long the message is to be kept, in days, as it was said when it was recorded."""

    class_: str = Field(alias="class")
    minimum: int
    maximum: int | None = None
    erasable: Instant = Field(description="Before this nothing of it is erased.")
    due: Instant | None = Field(default=None, description="From here on it is due to be erased.")


class MessageFile(Said):
    """Only its number once it was erased. ``where``: behind a link, or inside the mail, where no block reaches."""

    id: File
    name: str | None = None
    media_type: str | None = None
    size: int | None = None
    sha256: Hash | None = None
    where: Literal["hosted", "inside"] | None = None


class Octets(Said):
    """A message's octets with CRLF line ends."""

    sha256: Hash
    size: int


class Message(Said):
    message: Id
    seq: int
    recorded_at: Instant
    content: str
    envelope: Literal["given", "declared"]
    mail_from: str | None = None
    headers: dict[str, str]
    raw: Octets | None = None
    files: list[MessageFile]
    recipients: list[RecipientState]
    unattributed: dict[str, First] = Field(description="Of events that nobody in particular could be named for.")
    holds: list[Id] = Field(description="In force on the message as a whole.")
    retention: Retention | None = None
    erased: First | None = Field(default=None, description="The entry that says the message is erased.")


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


class Health(Said):
    status: Literal["ok", "failing"]
    reason: str | None = None


READ_BY_HAND: Final = (
    ProblemDocument,
    HashOnly,
    NewEvent,
    BulkEvent,
    BulkLine,
    NewBlock,
    NewLift,
    Search,
)
"""What routes read or write themselves, and FastAPI would not find."""
