"""What a certificate is to say, settled before it is drawn: of which message and whom, of which kind, how much of it is
shown, in which language, on which paper.

`certificate.issued` commits to these octets by their hash and seals them on the message's chain, so that evidence of
the certificate holds them; from the evidence alone the paper is drawn. docs/format.md, "Certificates".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import canonical
from ledger.canonical import Json
from ledger.errors import FormatError
from ledger.spelling import Code, File, Hash, Id, Recipient, Seq

FACT: Final = "claims"
"""The name under which they are sealed."""

DRAWING: Final = "postseal-certificate/1"
"""How the paper is drawn: what it holds, in which order, in which words. A change is a new version."""

Kind = Literal["access", "block", "delivery", "dispatch", "non_access"]
Language = Literal["de", "en", "fr", "nl"]
Paper = Literal["a4", "letter"]
Number = Annotated[str, Meta(pattern=r"^[a-z2-7]{4}(-[a-z2-7]{4}){3}\Z")]
Drawing = Annotated[str, Meta(pattern=r"^postseal-certificate/[1-9][0-9]{0,3}\Z")]
Address = Annotated[str, Meta(pattern=r"^https?://[!-~]{1,200}\Z")]
Words = Annotated[str, Meta(min_length=1, max_length=500)]

_NUMBER: Final = re.compile(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}").fullmatch
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
NUMBER_SIZE: Final = 10
"""Octets of a number, and of a token."""

HALF: Final = 5
"""Of these that are random in a number. The others are the number of the message's chain under a mask that follows from
the first: whoever has the key ring finds the message by them, and nobody else learns anything."""


class Claims(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """``content``: whether subject, names and hashes are shown, or the facts alone. ``token`` opens it where it can be
    looked up, at ``verify`` if there is such a page. ``recipient`` where it is of one and names no other; ``file``
    where it is of access to one file. ``operator`` runs the system, and has said on which legal ``basis``;
    ``supersedes`` is the number of the one that it takes the place of.

    ``shown`` is the `shown_digest` of all that is disclosed on entries before ``size``, so that nobody who holds the
    certificate can leave out what speaks against it."""

    certificate: Kind
    content: bool
    drawing: Drawing
    format: Literal["postseal-claims/1"]
    language: Language
    message: Id
    number: Number
    paper: Paper
    shown: Hash
    size: Seq
    token: Number
    basis: Words | UnsetType = UNSET
    file: File | UnsetType = UNSET
    operator: Words | UnsetType = UNSET
    recipient: Recipient | UnsetType = UNSET
    supersedes: Number | UnsetType = UNSET
    verify: Address | UnsetType = UNSET


def make(**said: Any) -> Claims:
    """FormatError for what is no claim."""
    return _convert({"drawing": DRAWING, "format": "postseal-claims/1"} | said)


def shown_digest(digests: Iterable[str]) -> str:
    """SHA-256, in hex, of the digests of disclosures, ascending, a line each."""
    return sha256("".join(f"{one}\n" for one in sorted(digests)).encode()).hexdigest()


def number(octets: bytes) -> Code:
    """A number, or a token, of `NUMBER_SIZE` octets: sixteen letters and digits in groups of four."""
    value = int.from_bytes(octets, "big")
    word = "".join(_ALPHABET[value >> 5 * place & 31] for place in range(15, -1, -1))
    return "-".join(word[at : at + 4] for at in range(0, 16, 4))


def octets(number: Number) -> bytes:
    """The inverse of `number`."""
    value = 0
    for letter in number.replace("-", ""):
        value = value << 5 | _ALPHABET.index(letter)
    return value.to_bytes(NUMBER_SIZE, "big")


def typed(word: str) -> Code:
    """A number or a token as somebody may have typed it from paper. FormatError where it is none."""
    letters = "".join(word.split()).replace("-", "").lower()
    spelled = "-".join(letters[at : at + 4] for at in range(0, len(letters), 4)) if len(letters) <= 64 else ""
    if _NUMBER(spelled) is None:
        raise FormatError("a number has sixteen letters and digits")
    return spelled


def to_json(claims: Claims) -> dict[str, Json]:
    """As they are sealed."""
    return cast("dict[str, Json]", msgspec.to_builtins(claims))


def from_json(value: Json) -> Claims:
    """The inverse. FormatError."""
    claims = _convert(value)
    if canonical.dumps(to_json(claims)) != canonical.dumps(value):
        raise FormatError("claims with fields of their own")
    return claims


def digest(claims: Claims) -> str:
    """SHA-256 of their canonical JSON, in hex: what `certificate.issued` has."""
    return sha256(canonical.dumps(to_json(claims))).hexdigest()


def _convert(value: object) -> Claims:
    try:
        claims = msgspec.convert(value, Claims)
    except msgspec.ValidationError as error:
        raise FormatError(f"claims: {error}") from None
    if claims.file is not UNSET and claims.certificate not in ("non_access", "access", "block"):
        raise FormatError("a certificate names a file only where it is of a block or of access")
    return claims
