"""The evidence document, `postseal-evidence/1`: its shape, and nothing of its meaning. docs/format.md, "Evidence".

Canonical JSON, read and written by msgspec the way `ledger.entry` does it: what does not come back the same, or has a
field of its own, is a `FormatError`. What the entries say and whether it holds is for `ledger.evidence.check`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import entry, event, note, spelling
from ledger.errors import FormatError

MAX_BYTES: Final = 256 * 1024 * 1024

MAX_TIMESTAMPS: Final = 256
MAX_REPLAYS: Final = 64
"""Each costs a reader signatures and hashes that a stranger chose, so there is an end to them."""

Note = Annotated[str, Meta(min_length=1, max_length=note.MAX_NOTE)]
Hashes = Annotated[tuple[spelling.Hash, ...], Meta(max_length=128)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    pass


class Claim(_Part, frozen=True):
    """What the document is evidence of. Without ``recipient`` all of them; without ``file`` every hosted file."""

    kind: Literal["history", "non_access"]
    message: spelling.Id
    file: spelling.File | UnsetType = UNSET
    recipient: spelling.Recipient | UnsetType = UNSET


class Held(_Part, frozen=True):
    """One entry's bytes as the ledger stored them, and those of its disclosures that are revealed."""

    disclosures: Annotated[tuple[str, ...], Meta(max_length=event.MAX_ITEMS)]
    entry: Annotated[bytes, Meta(max_length=entry.MAX_BYTES)]
    seq: spelling.Seq


class Stamp(_Part, frozen=True, tag_field="of"):
    """An RFC 3161 token (DER). Which bytes it covers is said by its subclass."""

    token: bytes


class OfCheckpoint(Stamp, frozen=True, tag="checkpoint"):
    """Covers the text of the document's checkpoint."""


class OfEarlier(Stamp, frozen=True, tag="earlier"):
    """Covers the text of ``note``, an earlier checkpoint of the same log."""

    consistency: Hashes
    note: Note


class OfAll(Stamp, frozen=True, tag="all"):
    """A renewal: covers the document with only the timestamps before this one."""


class Replay(_Part, frozen=True):
    """An auditor's signed statement, and what ties it to the checkpoint: empty where their sizes are equal."""

    consistency: Hashes
    statement: Note


class Evidence(_Part, frozen=True):
    """The document."""

    checkpoint: Note
    claim: Claim
    entries: Annotated[tuple[Held, ...], Meta(min_length=1)]
    format: Literal["postseal-evidence/1"]
    proof: tuple[spelling.Hash, ...]
    replays: Annotated[tuple[Replay, ...], Meta(max_length=MAX_REPLAYS)]
    timestamps: Annotated[tuple[OfCheckpoint | OfEarlier | OfAll, ...], Meta(max_length=MAX_TIMESTAMPS)]


_decode: Final[Callable[[bytes], Evidence]] = msgspec.json.Decoder(Evidence).decode
_encode: Final[Callable[[Evidence], bytes]] = msgspec.json.Encoder(order="sorted").encode


def parse(data: bytes) -> Evidence:
    """The document of these bytes; FormatError says where they are none."""
    if len(data) > MAX_BYTES:
        raise FormatError(f"evidence of {len(data)} bytes, limit {MAX_BYTES}")
    try:
        evidence = _decode(data)
        canonical = _encode(evidence)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FormatError(f"not evidence: {error}") from None
    if canonical != data:
        raise FormatError("evidence is not canonical JSON")
    if evidence.claim.kind != "non_access" and evidence.claim.file is not UNSET:
        raise FormatError("a claim names a file only where it is a non_access claim")
    for before, held in pairwise(evidence.entries):
        if held.seq <= before.seq:
            raise FormatError(f"entry {held.seq} stands after entry {before.seq}: entries ascend by seq, each once")
    return evidence


def format(evidence: Evidence) -> bytes:
    """The inverse of `parse`. FormatError past 256 MiB, or where a string cannot be UTF-8."""
    try:
        data = _encode(evidence)
    except UnicodeEncodeError:
        raise FormatError("evidence holds a lone surrogate") from None
    if len(data) > MAX_BYTES:
        raise FormatError(f"evidence of {len(data)} bytes, limit {MAX_BYTES}")
    return data


def renewal_imprints(evidence: Evidence) -> list[bytes]:
    """SHA-256 of the document with only its first k timestamps, for k from 0 to all of them.

    The k-th is what an ``all`` token in place k must cover; the last is what the next renewal is made for.
    """
    whole = _encode(evidence)
    items = [msgspec.json.encode(stamp, order="sorted") for stamp in evidence.timestamps]
    # "timestamps" is the last key of the document, so that each shorter document is a prefix of the whole, closed.
    end = len(whole) - len(b",".join(items)) - len(b"]}")
    running = sha256(whole[:end])
    imprints = []
    for k in range(len(items) + 1):
        closed = running.copy()
        closed.update(b"]}")
        imprints.append(closed.digest())
        if k < len(items):
            running.update(b"," * (k > 0) + items[k])
    return imprints


def text(value: str) -> bytes:
    """The bytes of a note that the document holds as a string."""
    return value.encode("utf-8", "surrogatepass")
