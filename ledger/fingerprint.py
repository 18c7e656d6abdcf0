"""What a message is: hashes of its octets and of each of its parts.

Everything is a function of the **normalised octets** (``mime.normalise``: bare LF made CRLF, bare CR kept), so a copy
saved with LF line ends has the fingerprint of the original. Hashes are of slices of them; nothing is written anew.

* ``raw``: SHA-256 and size of the normalised octets. The first ``header_size`` of them are the header block.
* ``relaxed``: what survives a relay that adds headers and folds lines: SHA-256 under DKIM's relaxed canonicalisation
  (``ledger.relaxed``) of the ``body``, of the ``headers`` From, To, Cc, Subject, Date and Message-ID, in this order and
  of several of a name in the order in which they stand, and likewise of Content-Type, Content-Transfer-Encoding and
  Content-Disposition (``mime``), which say how the body is read.
* ``leaves``: every MIME leaf in order (``mime.Walk``) with SHA-256 and size of its decoded octets. Preambles and
  epilogues of multiparts are in ``raw`` only.
* ``text`` of a leaf: SHA-256 of what it says in one spelling (``ledger.text``), which survives another transfer
  encoding and another character set. Of an attached message: of its own From, To ... as people read them.
* **Files** are numbered ``f1``, ``f2`` ... in MIME order: leaves that are attachments, or have a name, or are attached
  messages, or are neither text nor message nor shown within the text (a Content-ID). Leaves inside an attached message
  are no files of their own, since they travel, and are blocked, with the message that holds them.
* ``root``: RFC 6962 Merkle root over the leaf records, so that one part is proved without showing the others. A record
  is canonical JSON of ``blind, charset, cid, disposition, file, media_type, name, path, second, sha256, size, text,
  within`` (absent fields left out), where ``blind`` = HMAC-SHA-256(key: the 32 octets of ``raw``'s hash, message: the
  algorithm, a NUL, path). Without it, whoever holds a proof could confirm a guess at a neighbouring part, such as a
  short text; with it he must guess the whole message. It hides nothing once ``raw`` is shown too.
* ``second``: beside each SHA-256 of octets a digest by another algorithm (`HASHLIB`), for the day when one is not
  enough. Whoever makes the fingerprint chooses; a message's all have it, or none.

An unparsable message (``mime.Limits``, no header field at all) has ``reason`` and ``raw``, and neither leaves nor root.

Extension: ``ALGORITHM`` names all of the above; version 1 had of a part no more than ``file, media_type, name, path,
sha256, size`` and no ``relaxed``, and goes on being read. A change to what is there is a new version.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from ledger import canonical, merkle, mime, relaxed
from ledger import text as texts
from ledger.errors import FormatError, ProofError, Unparsable
from ledger.headertext import read, read_parameter
from ledger.mime import Defect, Limits

ALGORITHM: Final = "postseal-fingerprint-2"
ALGORITHMS: Final = ("postseal-fingerprint-1", ALGORITHM)

SecondName = Literal["sha3-256", "sha512"]
HASHLIB: Final[dict[SecondName, str]] = {"sha3-256": "sha3_256", "sha512": "sha512"}
"""Digests that may stand beside each SHA-256: their names here, and in `hashlib`."""

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
class Second:
    """A digest beside SHA-256, in lowercase hex."""

    algorithm: SecondName
    digest: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64}|[0-9a-f]{128})\Z")]


@dataclass(frozen=True, slots=True)
class Octets:
    """SHA-256 (lowercase hex) and size of some octets."""

    sha256: Sha256
    size: Size
    second: Second | None = None


@dataclass(frozen=True, slots=True)
class Relaxed:
    """SHA-256, in hex, under DKIM's relaxed canonicalisation."""

    body: Sha256
    headers: Sha256
    mime: Sha256


@dataclass(frozen=True, slots=True)
class HeaderText:
    """A header as people read it (``headertext.read``)."""

    name: HeaderName
    value: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One MIME leaf. ``sha256`` and ``size`` are of the decoded octets; ``file`` is ``f1`` ... where it is a file;
    ``within`` the subtypes of the multiparts around it in its own message, as ``mixed/alternative``; ``charset`` the
    one it names, where that is not known here; ``cid`` is of its Content-ID, without brackets."""

    path: Annotated[str, Meta(pattern=rf"\A{mime.PATH}\Z")]
    media_type: Annotated[str, Meta(pattern=rf"\A{mime.MEDIA_TYPE}\Z")]
    encoding: mime.Encoding
    sha256: Sha256
    size: Size
    name: Annotated[str, Meta(min_length=1)] | None = None
    file: Annotated[str, Meta(pattern=r"\Af[1-9][0-9]{0,8}\Z")] | None = None
    text: Sha256 | None = None
    second: Second | None = None
    within: Annotated[str, Meta(pattern=rf"\A{mime.WITHIN}\Z")] | None = None
    disposition: Literal["attachment", "inline"] | None = None
    charset: Annotated[str, Meta(pattern=r"\A[!-@\[-~]{1,40}\Z")] | None = None
    cid: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """``headers``: every From, To, Cc, Subject, Date and Message-ID in order. ``reason`` is set, and ``root`` is not,
    where the message could not be parsed; ``normalised`` where line ends were changed before hashing."""

    algorithm: Literal["postseal-fingerprint-1", "postseal-fingerprint-2"]
    raw: Octets
    normalised: bool
    headers: tuple[HeaderText, ...]
    leaves: tuple[Leaf, ...]
    defects: tuple[Defect, ...]
    header_size: Size | None = None
    root: Sha256 | None = None
    reason: Line | None = None
    relaxed: Relaxed | None = None

    @property
    def parsed(self) -> bool:
        return self.reason is None

    @property
    def files(self) -> tuple[Leaf, ...]:
        return tuple(leaf for leaf in self.leaves if leaf.file is not None)

    @property
    def facts(self) -> Iterator[tuple[str, Leaf]]:
        """Each leaf under the name it is sealed by: ``f1`` ... where it is a file, ``p1`` ... the others."""
        others = 0
        for leaf in self.leaves:
            others += leaf.file is None
            yield leaf.file or f"p{others}", leaf

    def header(self, name: str) -> str | None:
        """The first header of that name, spelled as in ``HeaderName``; of two, programs show either."""
        return next((header.value for header in self.headers if header.name == name), None)


def take(
    octets: bytes,
    limits: Limits = _DEFAULT,
    second: SecondName | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Fingerprint:
    """The fingerprint of a message, with digests by ``second`` beside each SHA-256 where it is given.

    Raises FormatError only for what is no message at all: nothing, or beyond ``limits.size``. Everything else that
    hinders reading ends in a fingerprint with a ``reason``. ``clock`` gives the seconds that ``limits.seconds`` counts.
    """
    if not octets:
        raise FormatError("a message of 0 octets")
    if len(octets) > limits.size:
        raise FormatError(f"a message of {len(octets)} octets, limit {limits.size}")
    whole = mime.normalise(octets)
    if len(whole) > limits.size:
        raise FormatError(f"a message of {len(whole)} octets with CRLF line ends, limit {limits.size}")
    walk = mime.Walk(whole, limits, clock)
    raw = hashed(whole, second)
    header_size, root, reason, known = None, None, None, None
    headers: tuple[HeaderText, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    try:
        header = mime.read_header(whole, 0, len(whole), limits)
        if not header.fields:
            raise Unparsable("no header field")
        header_size = header.end
        if sum(value.count(b",") + 1 for name, value in header.fields if name in _ADDRESSED) > limits.addresses:
            raise Unparsable(f"more than {limits.addresses} addresses")
        headers = named(header)
        leaves = _leaves(walk, header, limits, second)
        body = relaxed.body_hash(whole, header.end)
        known = Relaxed(body, _relaxed(header, _HEADERS), _relaxed(header, mime.STRUCTURAL))
        root = merkle.root(hashes_of(ALGORITHM, raw, leaves)).hex()
    except Unparsable as error:
        reason = str(error)
    defects = tuple(walk.defects) if reason is None else ()
    return Fingerprint(ALGORITHM, raw, whole is not octets, headers, leaves, defects, header_size, root, reason, known)


def named(header: mime.Header) -> tuple[HeaderText, ...]:
    """The fields of a header block that a fingerprint tells of, as people read them."""
    return tuple(HeaderText(_HEADERS[name], read(value)) for name, value in header.fields if name in _HEADERS)


def _relaxed(header: mime.Header, names: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for wanted in names:
        if wanted in header.first:
            for name, value in header.fields:
                if name == wanted:
                    digest.update(relaxed.field(name, value))
    return digest.hexdigest()


def hashed(octets: bytes, second: SecondName | None = None) -> Octets:
    """Digests and size of some octets."""
    other = None if second is None else Second(second, hashlib.new(HASHLIB[second], octets).hexdigest())
    return Octets(hashlib.sha256(octets).hexdigest(), len(octets), other)


def is_of(octets: bytes, part: Leaf | Octets) -> bool:
    """Whether these are the octets of a part, by every digest of it."""
    second = part.second
    return hashed(octets, None if second is None else second.algorithm) == Octets(part.sha256, part.size, second)


def _leaves(walk: mime.Walk, header: mime.Header, limits: Limits, second: SecondName | None) -> tuple[Leaf, ...]:
    leaves: list[Leaf] = []
    files = 0
    for part in walk.leaves(header):
        sha256, size = hashlib.sha256(), 0
        other = None if second is None else hashlib.new(HASHLIB[second])
        damaged: list[bool] = []
        kept: list[bytes | memoryview] = []
        for piece in walk.pieces(part, damaged):
            sha256.update(piece)
            size += len(piece)
            if other is not None:
                other.update(piece)
            if part.reads and size <= texts.LIMIT:
                kept.append(piece)
        if damaged:
            walk.defects.append(Defect(part.path, "damaged-encoding"))
        text = None
        if part.reads and size <= texts.LIMIT:
            text = texts.digest(b"".join(kept), part.parameters.get("charset"), part.encoding, delsp=part.delsp)
        elif part.media_type in mime.MESSAGES:
            text = _attached(walk, part)
        names = read_parameter(part.disposition_parameters, "filename"), read_parameter(part.parameters, "name")
        name = names[0] or names[1]
        if None not in names and names[0] != names[1]:
            walk.defects.append(Defect(part.path, "two-names"))
        is_file = _is_file(part, name)
        files += is_file
        leaves.append(
            Leaf(
                part.path,
                part.media_type,
                part.encoding,
                sha256.hexdigest(),
                size,
                name,
                f"f{files}" if is_file else None,
                text,
                None if other is None or second is None else Second(second, other.hexdigest()),
                "/".join(part.within) or None,
                _disposition(part.disposition),
                texts.unknown(part.parameters.get("charset")) if part.reads else None,
                hashlib.sha256(mime.bare_id(part.content_id)).hexdigest() if part.content_id else None,
            )
        )
    return tuple(leaves)


def _disposition(said: str) -> Literal["attachment", "inline"] | None:
    """RFC 2183 section 2.8: an unknown one is an attachment."""
    if not said:
        return None
    return "inline" if said == "inline" else "attachment"


def _attached(walk: mime.Walk, part: mime.Part) -> str | None:
    header = walk.attached(part)
    if not header.fields:  # what is declared to be a message, and is none
        return texts.digest(mime.decode(part)[0], None, part.encoding)
    said: list[canonical.Json] = [[one.name, " ".join(one.value.split())] for one in named(header)]
    return hashlib.sha256(canonical.dumps(said)).hexdigest()


def _is_file(part: mime.Part, name: str | None) -> bool:
    if part.nested:
        return False
    if name is not None or part.disposition == "attachment" or part.media_type in mime.MESSAGES:
        return True
    return not part.content_id and not part.media_type.startswith(("text/", "message/", "multipart/"))


def leaf_record(raw: Octets, leaf: Leaf, algorithm: str = ALGORITHM) -> bytes:
    """The octets that stand for ``leaf`` under ``root``."""
    return _record(hmac.digest(bytes.fromhex(raw.sha256), f"{algorithm}\0{leaf.path}".encode(), "sha256"), leaf)


def _record(blind: bytes, leaf: Leaf) -> bytes:
    return canonical.dumps({"blind": blind.hex(), **part(leaf)})


def part(leaf: Leaf) -> dict[str, canonical.Json]:
    """What is said of a leaf: its fields but ``encoding``, absent ones left out."""
    said: dict[str, canonical.Json] = {
        "media_type": leaf.media_type,
        "path": leaf.path,
        "sha256": leaf.sha256,
        "size": leaf.size,
    }
    for name in ("name", "file", "text", "within", "disposition", "charset", "cid"):
        value = getattr(leaf, name)
        if value is not None:
            said[name] = value
    return said | _second(leaf.second)


def octets(raw: Octets) -> dict[str, canonical.Json]:
    """What is said of octets as such."""
    return {"sha256": raw.sha256, "size": raw.size, **_second(raw.second)}


def _second(second: Second | None) -> dict[str, canonical.Json]:
    return {} if second is None else {"second": {"algorithm": second.algorithm, "digest": second.digest}}


def hashes_of(algorithm: str, raw: Octets, leaves: tuple[Leaf, ...]) -> list[bytes]:
    """The leaf hashes of the tree under ``root``."""
    return [merkle.leaf_hash(leaf_record(raw, leaf, algorithm)) for leaf in leaves]


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
    hashes = hashes_of(fingerprint.algorithm, fingerprint.raw, fingerprint.leaves)

    def subtrees(wanted: Sequence[merkle.Coordinate]) -> list[bytes]:
        return [merkle.root(hashes[at << level : (at + 1) << level]) for level, at in wanted]

    proof = merkle.prove_inclusion(index, len(hashes), subtrees)
    record = leaf_record(fingerprint.raw, fingerprint.leaves[index], fingerprint.algorithm)
    return LeafProof(record, index, len(hashes), tuple(proof))


def check_leaf(proof: LeafProof, root: str, octets: bytes | None = None) -> Leaf:
    """The leaf that ``proof`` shows to be under ``root`` (hex); ``octets``, if given, must be its content.

    Its ``encoding`` is ``unknown``: how the part was encoded is not proved. Raises FormatError and ProofError.
    """
    record = canonical.loads(proof.record)
    if not isinstance(record, dict) or "encoding" in record:
        raise FormatError("a leaf record is an object without an encoding")
    leaf = convert({**record, "encoding": "unknown"}, Leaf)
    try:
        blind, top = bytes.fromhex(str(record.get("blind"))), bytes.fromhex(root)
    except ValueError:
        raise FormatError("a blind or a root is not hexadecimal") from None
    if _record(blind, leaf) != proof.record:
        raise FormatError("a leaf record has fields of its own")
    merkle.check_inclusion(merkle.leaf_hash(proof.record), proof.index, proof.leaves, proof.hashes, top)
    if octets is not None and not is_of(octets, leaf):
        raise ProofError("the octets are not those of the part that was proved")
    return leaf


def convert(value: object, kind: type[T]) -> T:
    """``value`` as ``kind``, every field checked; FormatError."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise FormatError(f"fingerprint: {error}") from None
