"""Entry: the one thing the ledger stores. docs/format.md, "Entry".

`from_bytes` is for bytes from anywhere: everything the format says of a single entry is checked, except what needs its
neighbours (``seq``, ``prev``, ``cprev``) or its chain's type (`ledger.schema.check_facts`). `decode` leaves the
spelling of the envelope's strings to a caller who compares each of them with a value he has computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import event, spelling
from ledger.errors import FormatError

MAX_BYTES: Final = 65_535
"""An entry's length is a big-endian uint16 in C2SP entry bundles."""

ZERO: Final = "0" * 64
"""``prev`` of entry 0."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False, tag_field="kind"):
    """The fields of docs/format.md, in their JSON types; one subclass per kind narrows ``facts``."""

    kind: ClassVar[str]

    at: str
    chain: str
    facts: event.Facts
    n: spelling.Seq
    prev: str
    sealed: Annotated[list[Annotated[str, Meta(min_length=43, max_length=43)]], Meta(max_length=event.MAX_ITEMS)]
    seq: spelling.Seq
    source: event.Source
    v: Literal[1]
    act: str | UnsetType = UNSET
    clock: event.Clock | UnsetType = UNSET
    cprev: str | UnsetType = UNSET
    occurred: str | UnsetType = UNSET


def _subclass(kind: event.Kind) -> type[Entry]:
    made = msgspec.defstruct(
        "Entry_" + kind.name.replace(".", "_"),
        [("facts", kind.facts)],
        bases=(Entry,),
        namespace={"kind": kind.name},
        tag=kind.name,
        frozen=True,
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )
    return cast(type[Entry], made)


TYPES: Final[dict[str, type[Entry]]] = {name: _subclass(kind) for name, kind in event.KINDS.items()}
"""The struct of each kind. Built directly only with facts from `schema.parse_facts`: a constructor checks nothing."""

_union: object = None
for _type in TYPES.values():
    _union = _type if _union is None else _union | _type
_decode: Final[Callable[[bytes], Entry]] = msgspec.json.Decoder(_union).decode
# Struct fields in sorted order with nothing but strings, integers, booleans, arrays and objects is RFC 8785; the tests
# hold it against rfc8785 and `ledger.canonical`.
_encode: Final[Callable[[Entry], bytes]] = msgspec.json.Encoder(order="sorted").encode

_HEX: Final = re.compile(r"[0-9a-f]{64}").fullmatch
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_TIME: Final = re.compile(
    r"(?:19[7-9]|[2-9][0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
).fullmatch
_DIGEST: Final = re.compile(r"(?:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])*").fullmatch


def to_bytes(entry: Entry) -> bytes:
    """The canonical bytes. FormatError past 65,535 bytes or where a string cannot be UTF-8."""
    try:
        data = _encode(entry)
    except UnicodeEncodeError:
        raise FormatError("an entry holds a lone surrogate") from None
    if len(data) > MAX_BYTES:
        raise FormatError(f"an entry has {len(data)} bytes, more than {MAX_BYTES}")
    return data


def decode(data: bytes) -> Entry:
    """Schema and canonical spelling, but not the shape of ``at``, ``prev``, ``chain``, ``cprev``, ``act``, ``occurred``
    and ``sealed``: a caller of `decode` compares them himself or calls `check_shape`."""
    if len(data) > MAX_BYTES:
        raise FormatError(f"an entry has {len(data)} bytes, more than {MAX_BYTES}")
    try:
        entry = _decode(data)
        canonical = _encode(entry)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FormatError(f"not an entry: {error}") from None
    if canonical != data:
        raise FormatError("an entry is not canonical JSON")
    return entry


def check_sealed(sealed: list[str]) -> None:
    """Digests well formed, ascending, no two alike."""
    if sealed:
        if _DIGEST("".join(sealed)) is None:
            raise FormatError("sealed holds what is not a digest")
        previous = ""
        for digest in sealed:
            if digest <= previous:
                raise FormatError("sealed is not ascending without repeats")
            previous = digest


def check_time(time: str) -> None:
    """A real instant in the one spelling of docs/format.md."""
    if _TIME(time) is None:
        raise FormatError(f"not a time: {time[:40]!r}")
    try:
        datetime.fromisoformat(time)
    except ValueError:
        raise FormatError(f"no such instant: {time}") from None


def check_shape(entry: Entry) -> None:
    """The spelling of every string of the envelope, and which fields go together."""
    check_time(entry.at)
    if _HEX(entry.prev) is None:
        raise FormatError("prev is not a hash")
    if _ID(entry.chain) is None:
        raise FormatError("chain is not an id")
    if (entry.cprev is UNSET) != (entry.n == 0):
        raise FormatError("cprev is absent at n = 0, and only there")
    if entry.cprev is not UNSET and _HEX(entry.cprev) is None:
        raise FormatError("cprev is not a hash")
    if entry.act is not UNSET and _ID(entry.act) is None:
        raise FormatError("act is not an id")
    if (entry.occurred is UNSET) != (entry.clock is UNSET):
        raise FormatError("occurred and clock go together")
    if entry.occurred is not UNSET:
        check_time(entry.occurred)
    check_sealed(entry.sealed)


def from_bytes(data: bytes) -> Entry:
    """One entry from bytes from anywhere. FormatError says what is wrong."""
    entry = decode(data)
    check_shape(entry)
    return entry
