"""What certificates are asked for and answered with, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from api.schemas import Body, File, Hash, Id, Instant, Receipt, Said
from ledger.claims import Kind, Language, Paper

Number = Annotated[str, Field(pattern=r"^[a-z2-7]{4}(-[a-z2-7]{4}){3}$", examples=["k3mw-7qpa-ztx2-hl4c"])]


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


READ_BY_HAND: Final[tuple[type[BaseModel], ...]] = (NewCertificate, NewWithdrawal, NewLookup)
"""What routes read themselves, and FastAPI would not find."""
