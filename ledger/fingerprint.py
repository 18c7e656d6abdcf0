"""What a message is: hashes of its octets and of each of its parts.

Everything is a function of the **normalised octets** (``mime.normalise``: bare LF made CRLF, bare CR kept), so a copy
saved with LF line ends has the fingerprint of the original. Hashes are of slices of them; nothing is written anew.

* ``raw``: SHA-256 and size of the normalised octets. The first ``header_size`` of them are the header block.
* ``leaves``: every MIME leaf in order (``mime.Walk``) with SHA-256 and size of its decoded octets. Preambles and
  epilogues of multiparts are in ``raw`` only.
* **Files** are numbered ``f1``, ``f2`` ... in MIME order: leaves that are attachments, or have a name, or are attached
  messages, or are neither text nor message nor shown within the text (a Content-ID). Leaves inside an attached message
  are no files of their own, since they travel, and are blocked, with the message that holds them.
* ``root``: RFC 6962 Merkle root over the leaf records, so that one part is proved without showing the others. A record
  is canonical JSON of ``blind, file, media_type, name, path, sha256, size`` (absent fields left out), where ``blind`` =
  HMAC-SHA-256(key: the 32 octets of ``raw``'s hash, message: ALGORITHM, a NUL, path). Without it, whoever holds a proof
  could confirm a guess at a neighbouring part, such as a short text; with it he must guess the whole message. It
  hides nothing once ``raw`` is shown too.

An unparsable message (``mime.Limits``, no header field at all) has ``reason`` and ``raw``, and neither leaves nor root.

Extension: ``ALGORITHM`` names all of the above. New hashes come as new fields under ids of their own, beside these; a
change to these is a new ``ALGORITHM``, and the old one goes on being checked.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from ledger import canonical, merkle, mime
from ledger.errors import FormatError, ProofError
from ledger.headertext import clean, read, read_parameter
from ledger.mime import Defect, Limits

ALGORITHM: Final = "postseal-fingerprint-1"

HeaderName = Literal["From", "To", "Cc", "Subject", "Date", "Message-ID"]
_HEADERS: Final[dict[bytes, HeaderName]] = {
    b"from": "From",
    b"to": "To",
    b"cc": "Cc",
    b"subject": "Subject",
    b"date": "Date",
    b"message-id": "Message-ID",
}
_DEFAULT: Final = Limits()
_ADDRESSED = frozenset((b"from", b"to", b"cc"))

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Line = Annotated[str, Meta(pattern=r"\A[\x20-\x7e]{1,200}\Z")]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Octets:
    """SHA-256 (lowercase hex) and size of some octets."""

    sha256: Sha256
    size: Size


@dataclass(frozen=True, slots=True)
class HeaderText:
    """A header as people read it (``headertext.read``)."""

    name: HeaderName
    value: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One MIME leaf. ``sha256`` and ``size`` are of the decoded octets; ``file`` is ``f1`` ... where it is a file."""

    path: Annotated[str, Meta(pattern=rf"\A{mime.PATH}\Z")]
    media_type: Annotated[str, Meta(pattern=rf"\A{mime.MEDIA_TYPE}\Z")]
    encoding: mime.Encoding
    sha256: Sha256
    size: Size
    name: Annotated[str, Meta(min_length=1)] | None = None
    file: Annotated[str, Meta(pattern=r"\Af[1-9][0-9]{0,8}\Z")] | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``headers``: every From, To, Cc, Subject, Date and Message-ID in order. ``reason`` is set, and ``root`` is not,
    where the message could not be parsed; ``normalised`` where line ends were changed before hashing."""

    algorithm: Literal["postseal-fingerprint-1"]
    raw: Octets
    normalised: bool
    headers: tuple[HeaderText, ...]
    leaves: tuple[Leaf, ...]
    defects: tuple[Defect, ...]
    header_size: Size | None = None
    root: Sha256 | None = None
    reason: Line | None = None

    @property
    def parsed(self) -> bool:
        return self.reason is None

    @property
    def files(self) -> tuple[Leaf, ...]:
        return tuple(leaf for leaf in self.leaves if leaf.file is not None)

    def header(self, name: str) -> str | None:
        """The first header of that name, spelled as in ``HeaderName``; of two, programs show either."""
        return next((header.value for header in self.headers if header.name == name), None)


def take(octets: bytes, limits: Limits = _DEFAULT, clock: Callable[[], float] = time.monotonic) -> Fingerprint:
    """The fingerprint of a message. Raises FormatError only for what is no message at all: nothing, or beyond
    ``limits.size``. Everything else that hinders reading ends in a fingerprint with a ``reason``.

    ``clock`` gives the seconds that ``limits.seconds`` counts."""
    if not octets:
        raise FormatError("a message of 0 octets")
    if len(octets) > limits.size:
        raise FormatError(f"a message of {len(octets)} octets, limit {limits.size}")
    whole = mime.normalise(octets)
    if len(whole) > limits.size:
        raise FormatError(f"a message of {len(whole)} octets with CRLF line ends, limit {limits.size}")
    walk = mime.Walk(whole, limits, clock)
    raw, header_size, root, reason = _hash(whole), None, None, None
    headers: tuple[HeaderText, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    try:
        header = mime.read_header(whole, 0, len(whole), limits)
        if not header.fields:
            raise mime.Unparsable("no header field")
        header_size = header.end
        if sum(value.count(b",") + 1 for name, value in header.fields if name in _ADDRESSED) > limits.addresses:
            raise mime.Unparsable(f"more than {limits.addresses} addresses")
        headers = tuple(HeaderText(_HEADERS[name], read(value)) for name, value in header.fields if name in _HEADERS)
        leaves = _leaves(walk, header)
        root = merkle.root(_hashes(raw, leaves)).hex()
    except mime.Unparsable as error:
        reason = str(error)
    defects = tuple(walk.defects) if reason is None else ()
    return Fingerprint(ALGORITHM, raw, whole is not octets, headers, leaves, defects, header_size, root, reason)


def _hash(octets: bytes | memoryview) -> Octets:
    return Octets(hashlib.sha256(octets).hexdigest(), len(octets))


def _leaves(walk: mime.Walk, header: mime.Header) -> tuple[Leaf, ...]:
    leaves: list[Leaf] = []
    files = 0
    for part in walk.leaves(header):
        sha256, size = hashlib.sha256(), 0
        damaged: list[bool] = []
        for piece in walk.pieces(part, damaged):
            sha256.update(piece)
            size += len(piece)
        if damaged:
            walk.defects.append(Defect(part.path, "damaged-encoding"))
        name = read_parameter(part.disposition_parameters, "filename") or read_parameter(part.parameters, "name")
        is_file = _is_file(part, name)
        files += is_file
        file = f"f{files}" if is_file else None
        leaves.append(Leaf(part.path, part.media_type, part.encoding, sha256.hexdigest(), size, name, file))
    return tuple(leaves)


def _is_file(part: mime.Part, name: str | None) -> bool:
    if part.nested:
        return False
    if name is not None or part.disposition == "attachment" or part.media_type in mime.MESSAGES:
        return True
    return not part.has_id and not part.media_type.startswith(("text/", "message/", "multipart/"))


def leaf_record(raw: Octets, leaf: Leaf) -> bytes:
    """The octets that stand for ``leaf`` under ``root``."""
    return _record(hmac.digest(bytes.fromhex(raw.sha256), f"{ALGORITHM}\0{leaf.path}".encode(), "sha256"), leaf)


def _record(blind: bytes, leaf: Leaf) -> bytes:
    record: dict[str, canonical.Json] = {
        "blind": blind.hex(),
        "media_type": leaf.media_type,
        "path": leaf.path,
        "sha256": leaf.sha256,
        "size": leaf.size,
    }
    if leaf.name is not None:
        record["name"] = leaf.name
    if leaf.file is not None:
        record["file"] = leaf.file
    return canonical.dumps(record)


def _hashes(raw: Octets, leaves: tuple[Leaf, ...]) -> list[bytes]:
    return [merkle.leaf_hash(leaf_record(raw, leaf)) for leaf in leaves]


@dataclass(frozen=True, slots=True)
class LeafProof:
    """That one part belongs to a message whose ``root`` is known: its record and the way up."""

    record: bytes
    index: int
    leaves: int
    hashes: tuple[bytes, ...]


def prove_leaf(fingerprint: Fingerprint, path: str) -> LeafProof:
    """Raises FormatError where there is no such leaf."""
    paths = [leaf.path for leaf in fingerprint.leaves]
    if path not in paths:
        raise FormatError("the message has no such part")
    index = paths.index(path)
    hashes = _hashes(fingerprint.raw, fingerprint.leaves)

    def subtrees(wanted: Sequence[merkle.Coordinate]) -> list[bytes]:
        return [merkle.root(hashes[at << level : (at + 1) << level]) for level, at in wanted]

    proof = merkle.prove_inclusion(index, len(hashes), subtrees)
    return LeafProof(leaf_record(fingerprint.raw, fingerprint.leaves[index]), index, len(hashes), tuple(proof))


def check_leaf(proof: LeafProof, root: str, octets: bytes | None = None) -> Leaf:
    """The leaf that ``proof`` shows to be under ``root`` (hex); ``octets``, if given, must be its content.

    Its ``encoding`` is ``unknown``: how the part was encoded is not proved. Raises FormatError and ProofError.
    """
    record = canonical.loads(proof.record)
    if not isinstance(record, dict) or "encoding" in record:
        raise FormatError("a leaf record is an object without an encoding")
    leaf = _convert({**record, "encoding": "unknown"}, Leaf)
    try:
        blind, top = bytes.fromhex(str(record.get("blind"))), bytes.fromhex(root)
    except ValueError:
        raise FormatError("a blind or a root is not hexadecimal") from None
    if _record(blind, leaf) != proof.record:
        raise FormatError("a leaf record has fields of its own")
    merkle.check_inclusion(merkle.leaf_hash(proof.record), proof.index, proof.leaves, proof.hashes, top)
    if octets is not None and _hash(octets) != Octets(leaf.sha256, leaf.size):
        raise ProofError("the octets are not those of the part that was proved")
    return leaf


def to_json(fingerprint: Fingerprint) -> dict[str, canonical.Json]:
    """What ``postseal fingerprint`` prints: a value of the canonical JSON profile, fields without a value left out."""
    out = _without_none(msgspec.to_builtins(fingerprint))
    out["parsed"] = fingerprint.parsed
    out["headers"], out["defects"] = list(out["headers"]), list(out["defects"])
    out["leaves"] = [_without_none(leaf) for leaf in out["leaves"]]
    return out


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def from_json(value: object) -> Fingerprint:
    """The inverse of ``to_json``, for what others send: ``to_json(from_json(v)) == v``, or FormatError.

    Checked: fields, forms, MIME order, numbering of files, and that ``root`` is the root of the leaves. Not checkable
    without the message: whether it says the truth.
    """
    given = canonical.dumps(cast("canonical.Json", value))
    fingerprint = _convert(value, Fingerprint)
    # What the conversion passed over (unknown fields, a null) does not come back. As octets, since 1 == True.
    if canonical.dumps(to_json(fingerprint)) != given:
        raise FormatError("a fingerprint with fields of its own, or without some that it must have")
    _check_texts(fingerprint)
    if fingerprint.header_size is not None and fingerprint.header_size > fingerprint.raw.size:
        raise FormatError("a header block larger than its message")
    if fingerprint.reason is not None:
        if fingerprint.leaves or fingerprint.defects or fingerprint.root is not None:
            raise FormatError("an unparsed fingerprint has neither leaves nor defects nor root")
        return fingerprint
    leaves = fingerprint.leaves
    if fingerprint.header_size is None or not leaves:
        raise FormatError("a parsed fingerprint has a header and a leaf")
    order = [tuple(map(int, leaf.path.split("."))) for leaf in leaves]
    if any(later <= earlier for earlier, later in pairwise(order)):
        raise FormatError("the leaves of a fingerprint are not in MIME order")
    if [leaf.file for leaf in fingerprint.files] != [f"f{number + 1}" for number in range(len(fingerprint.files))]:
        raise FormatError("the files of a fingerprint are not numbered f1, f2 ... in order")
    if fingerprint.root != merkle.root(_hashes(fingerprint.raw, leaves)).hex():
        raise FormatError("the root of a fingerprint is not that of its leaves")
    return fingerprint


def _check_texts(fingerprint: Fingerprint) -> None:
    """Texts are as ``headertext`` makes them: a name or subject that came as JSON holds no newline either."""
    texts = [text.value for text in fingerprint.headers] + [leaf.name or "" for leaf in fingerprint.leaves]
    if any(clean(text) != text for text in texts):
        raise FormatError("a header or file name of a fingerprint holds a control character")


def _convert(value: object, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FormatError(f"fingerprint: {error}") from None
