"""What evidence and certificates are asked for and answered with, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from api.schemas import Body, File, Hash, Id, Instant, Receipt, Said
from ledger.claims import Kind, Language, Paper

Number = Annotated[str, Field(pattern=r"^[a-z2-7]{4}(-[a-z2-7]{4}){3}$", examples=["k3mw-7qpa-ztx2-hl4c"])]


class NewEvidence(Body):
    """``history``: what is recorded. ``non_access``: that no access is recorded, to ``file`` or to any hosted file."""

    kind: Literal["history", "non_access"] = "history"
    recipient: Annotated[str, Field(max_length=998)] | None = None
    file: File | None = None
    only: (
        Annotated[
            list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]],
            Field(
                max_length=256,
                description="Of a history: disclose these facts of the message alone, such as `f1` to prove one file",
                examples=[["f1"]],
            ),
        ]
        | None
    ) = None
    content: bool = Field(
        default=False,
        description="Of a package: with the message and files that were kept, as far as they are disclosed; of one "
        "recipient's, files alone. Needs a role that may read content, and the look is recorded",
    )
    certificate: Number | None = Field(
        default=None, description="Of a package: the number of a certificate of this message that goes along"
    )


class NewCertificate(Body):
    """``recipient`` (by number or address): of him alone, showing no other. ``file``: of a block or of access, to that
    file. ``facts_only`` withholds subject, names and hashes; the same proof covers them."""

    kind: Annotated[Kind, Field(examples=["dispatch"])]
    recipient: Annotated[str, Field(max_length=998)] | None = None
    file: File | None = None
    facts_only: bool = False
    language: Language = "en"
    paper: Paper = "a4"
    supersedes: Number | None = None


class Issued(Said):
    """A certificate that was issued. ``token`` opens it on the page /verify, beside its number; both stand on it.
    ``sha256`` is of the file, as the ledger has sealed it."""

    number: Number
    token: Number
    url: str
    sha256: Hash
    receipt: Receipt


class NewWithdrawal(Body):
    reason: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", examples=["wrong-recipient"])] | None = None


class Withdrawn(Said):
    receipt: Receipt


class NewLookup(Body):
    """Number and token as they stand on the paper; blanks and capitals do not matter."""

    number: Annotated[str, Field(max_length=64, examples=["k3mw-7qpa-ztx2-hl4c"])]
    token: Annotated[str, Field(max_length=64, examples=["pq2l-77bd-mz5e-a4ut"])]


class Certificate(Said):
    """What became of a certificate: ``current``, ``superseded`` (by another number) or ``withdrawn``."""

    number: Number
    kind: Kind
    status: Literal["current", "superseded", "withdrawn"]
    message: Id
    recipient: str | None = None
    sealed_at: Instant
    seq: int
    sha256: Hash
    superseded_by: Number | None = None
    withdrawn_at: Instant | None = None


READ_BY_HAND: Final[tuple[type[BaseModel], ...]] = (NewEvidence, NewCertificate, NewWithdrawal, NewLookup)
"""What routes read themselves, and FastAPI would not find."""
