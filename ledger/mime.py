"""The structure of a message, read on its octets: header fields, MIME parts, transfer encodings.

Offsets and slices of one buffer, never objects that could be written out again: what is hashed is what was there.
Written for hostile input: every limit is checked before the work it bounds, nothing is searched twice from the same
place, and nesting costs one search of the buffer a level, so time is linear in size for a given ``Limits.depth``.

Reading follows RFC 5322 section 2 and RFC 2045 to 2047, RFC 2183, RFC 2231, and where they leave damaged mail open:

* **Line ends.** ``normalise`` first. A line ends at CRLF. A bare LF is made CRLF; a bare CR is an octet like any other
  (it ends a line in no mail system in use, and a reader who let it would see a different structure than the others).
* **Header block.** Fields up to the first empty line, or to the first line that is neither a field nor a continuation:
  there the body begins (defect ``header-cut``). A UTF-8 byte order mark (editors) and one ``From `` or ``>From `` line
  (mbox) before the first field are passed over.
* **Repeated fields and parameters.** The first one counts (defect ``repeated-field`` where the structure hangs on it).
* **Multiparts** (RFC 2046 section 5.1). A delimiter is a line: CRLF (or the start of the body), ``--``, the boundary,
  perhaps ``--``, spaces and tabs, CRLF or the end. Its CRLFs belong to it. Preamble and epilogue are no part. Without a
  close delimiter the last part reaches to the end (``unclosed``). A multipart without a boundary (``no-boundary``) or
  delimiter (``no-parts``) is a leaf.
* **Content-Type** that cannot be read is ``text/plain`` (RFC 2045 section 5.2; ``message/rfc822`` within a digest).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta

from ledger import parameters, transfer
from ledger.errors import Unparsable

PATH: Final = r"[1-9][0-9]{0,8}(\.[1-9][0-9]{0,8}){0,99}"
MEDIA_TYPE: Final = r"[!#$%&'*+\-.^_`{|}~0-9a-z]+/[!#$%&'*+\-.^_`{|}~0-9a-z]+"
Encoding = Literal["7bit", "8bit", "binary", "base64", "quoted-printable", "unknown"]
OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
"""How the files begin in which Outlook saves a mail as its own program has it, and not as it was sent."""

MESSAGES: Final = frozenset(("message/rfc822", "message/global"))
_PIECE: Final = 1 << 18
"""Octets of a large message that are looked through at a time."""

_APART: Final = frozenset(("alternative", "digest", "encrypted", "related", "report", "signed"))
WITHIN: Final = rf"(mixed|{'|'.join(sorted(_APART))})(/(mixed|{'|'.join(sorted(_APART))})){{0,99}}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may be before it is left unparsed. Sizes in octets of the normalised message; ``size`` also bounds
    what all its attached messages decode to, ``seconds`` the time for reading it."""

    size: int = 150_000_000
    header_bytes: int = 1_000_000
    header_fields: int = 2_000
    depth: int = 40
    parts: int = 10_000
    parameters: int = 200
    addresses: int = 20_000
    seconds: float = 20


@dataclass(frozen=True, slots=True)
class Defect:
    """A departure from the standards that changes how a part is read. ``path`` is ``0`` for the message itself."""

    path: Annotated[str, Meta(pattern=rf"\A(0|{PATH})\Z")]
    code: Literal[
        "header-cut", "repeated-field", "repeated-parameter", "odd-parameter", "bare-cr", "another-root",
        "no-boundary", "no-parts", "unclosed", "no-message", "damaged-encoding", "unknown-encoding", "two-names",
        "after-end",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """Fields in order as (lower-case name, raw value with its folds), the first from ``start``; the body from ``end``.

    ``first`` has the first value of each name; ``repeated`` the names that came again.
    """

    fields: tuple[tuple[bytes, bytes], ...]
    first: dict[bytes, bytes]
    repeated: frozenset[bytes]
    end: int
    cut: bool
    start: int


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME leaf: where its encoded octets lie in ``buffer``, and what its header says of them."""

    path: str
    media_type: str
    parameters: dict[str, bytes]
    disposition: str
    disposition_parameters: dict[str, bytes]
    encoding: Encoding
    content_id: bytes  # as it stands; empty where there is none
    nested: bool  # inside an attached message
    within: tuple[str, ...]  # subtypes of the multiparts around it in its message, from the outside
    buffer: bytes = field(repr=False)
    start: int
    end: int

    @property
    def reads(self) -> bool:
        """Whether it is text to people or to programs, reports about mail among them."""
        return self.media_type.startswith(("text/", "message/")) and self.media_type not in MESSAGES

    @property
    def delsp(self) -> bool:
        """Whether programs join its lines without the blank before their ends (RFC 3676 section 4)."""
        said = (self.parameters.get(name, b"").strip().lower() for name in ("format", "delsp"))
        return tuple(said) == (b"flowed", b"yes")


def normalise(octets: bytes) -> bytes:
    """``octets`` with every bare LF made CRLF; the same object if there was none. Idempotent."""
    if b"\r" not in octets:
        return octets.replace(b"\n", b"\r\n")
    if all(_is_normal(octets, start, stop) for start, stop in _pieces(octets)):
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _pieces(octets: bytes) -> Iterator[tuple[int, int]]:
    """Where whole lines begin and end, about `_PIECE` octets of them at a time."""
    start = 0
    while start < len(octets):
        stop = octets.find(b"\n", start + _PIECE) + 1 or len(octets)
        yield start, stop
        start = stop


def _is_normal(octets: bytes, start: int, stop: int) -> bool:
    """Whether every LF between the two places follows a CR."""
    ends = octets.count(b"\n", start, stop)
    # Encoded files have lines of one length. Then to look at each line's end is enough, and four times as fast as to
    # look for two octets everywhere: if that many LF stand there, none stands elsewhere.
    first = octets.find(b"\n", start, stop)
    if first > start and octets[first : stop : first + 1 - start] == b"\n" * ends:
        return octets[first - 1 : stop : first + 1 - start].startswith(b"\r" * ends)
    return ends == octets.count(b"\r\n", start, stop)


# Every LF here follows a CR, and no alternative can match the same octet in two ways, so a match is linear.
_FIELD = re.compile(rb"\r\n|([!-9;-~]+)[ \t]*:([^\n]*(?:\n|\Z)(?:[ \t][^\n]*(?:\n|\Z))*+)")
_BEFORE = re.compile(rb"(?:\xef\xbb\xbf)?(?:>?From [^\n]*\n)?")


def read_header(buffer: bytes, start: int, end: int, limits: Limits) -> Header:
    """The header block that begins at ``start``. Raises Unparsable beyond the limits."""
    stop = min(end, start + limits.header_bytes + 1)
    before = _BEFORE.match(buffer, start, stop)
    at = first_field = before.end() if before else start
    fields: list[tuple[bytes, bytes]] = []
    first: dict[bytes, bytes] = {}
    repeated: set[bytes] = set()
    cut = False
    while at < end:
        found = _FIELD.match(buffer, at, stop)
        if found is None:
            cut = True
            break
        name = found[1]
        if name is None:  # the empty line
            at = found.end()
            break
        if len(fields) == limits.header_fields:
            raise Unparsable(f"more than {limits.header_fields} header fields")
        name, value, at = name.lower(), found[2], found.end()
        if first.setdefault(name, value) is not value:
            repeated.add(name)
        fields.append((name, value))
        if at == stop and stop < end:
            break
    if at - start > limits.header_bytes or (cut and stop < end and buffer.find(b"\n", at, stop) < 0):
        raise Unparsable(f"a header block larger than {limits.header_bytes} octets")
    return Header(tuple(fields), first, frozenset(repeated), at, cut, first_field)


_MEDIA_TYPE = re.compile(MEDIA_TYPE, re.ASCII)
STRUCTURAL: Final = (b"content-type", b"content-transfer-encoding", b"content-disposition")
_ONCE = frozenset((*STRUCTURAL, b"content-id", b"content-location"))
_TOKEN = re.compile(rb"[A-Za-z0-9-]+")
_ENCODINGS: Final[dict[bytes, Encoding]] = {word.encode(): word for word in get_args(Encoding) if word != "unknown"}
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+(?:\r\n|\Z)")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entity stands; ``path`` is empty for a message's own body."""

    path: str
    within: tuple[str, ...]
    depth: int
    nested: bool


class Walk:
    """Iterates the leaves of a normalised message in MIME order; ``defects`` fills while it goes.

    Paths are those of IMAP (RFC 9051 section 6.4.5.1): ``1`` for the only part of a plain mail, ``2.1`` for the first
    part of the second. An attached message is a leaf itself, directly followed by its own leaves under its path.
    Time counts from the making of the walk; ``clock`` gives seconds.
    """

    def __init__(self, octets: bytes, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.defects: list[Defect] = []
        self._octets = octets
        self._limits = limits
        self._parts = 0
        self._decoded = 0
        self._opened: tuple[Part, bytes] | None = None
        self._clock = clock
        self._until = clock() + limits.seconds

    def check_time(self) -> None:
        """Raises Unparsable once the time is over. Called wherever a stranger decides how often something is done."""
        if self._clock() > self._until:
            raise Unparsable(f"took longer than {self._limits.seconds:g} seconds")

    def pieces(self, part: Part, damaged: list[bool]) -> Iterator[bytes | memoryview]:
        """As the function of that name; raises Unparsable once the time is over."""
        for piece in pieces(part, damaged):
            self.check_time()
            yield piece

    def leaves(self, header: Header) -> Iterator[Part]:
        """The leaves below ``header``, the message's own. Raises Unparsable beyond the limits, perhaps after some."""
        body = self._octets, header.end, len(self._octets)
        return self._entity(header, *body, _Place("", (), 1, nested=False), "text/plain")

    def _entity(
        self, header: Header, buffer: bytes, start: int, end: int, place: _Place, default: str
    ) -> Iterator[Part]:
        limits, here = self._limits, place.path or "0"
        self.check_time()
        if place.depth > limits.depth:
            raise Unparsable(f"parts nested deeper than {limits.depth}")
        if header.cut:
            self.defects.append(Defect(here, "header-cut"))
        if not header.repeated.isdisjoint(_ONCE):
            self.defects.append(Defect(here, "repeated-field"))
        block = header.start, header.end
        if buffer.count(b"\r", *block) != buffer.count(b"\r\n", *block):
            self.defects.append(Defect(here, "bare-cr"))
        declared = parameters.read(header.first.get(b"content-type", b""), limits.parameters)
        shown = parameters.read(header.first.get(b"content-disposition", b""), limits.parameters)
        if declared.repeated or shown.repeated:
            self.defects.append(Defect(here, "repeated-parameter"))
        if declared.odd:
            self.defects.append(Defect(here, "odd-parameter"))
        media_type = declared.head.decode("ascii", "replace").lower()
        if not _MEDIA_TYPE.fullmatch(media_type):
            media_type = "text/plain" if declared.head else default
        if media_type.startswith("multipart/"):
            spans = self._split(buffer, start, end, declared.either("boundary").rstrip(), here)
            if spans:
                subtype = media_type.removeprefix("multipart/")
                default = "message/rfc822" if subtype == "digest" else "text/plain"
                within = (*place.within, subtype if subtype in _APART else "mixed")
                for number, (first, last) in enumerate(spans, 1):
                    inner = read_header(buffer, first, last, limits)
                    root = declared.either("start") if subtype == "related" and number == 1 else b""
                    if root and bare_id(root) != bare_id(inner.first.get(b"content-id", b"")):
                        self.defects.append(Defect(here, "another-root"))
                    path = f"{place.path}.{number}" if place.path else str(number)
                    below = _Place(path, within, place.depth + 1, place.nested)
                    yield from self._entity(inner, buffer, inner.end, last, below, default)
                return
        self._parts += 1
        if self._parts > limits.parts:
            raise Unparsable(f"more than {limits.parts} parts")
        encoding = _encoding(header.first.get(b"content-transfer-encoding"))
        if encoding == "unknown":
            self.defects.append(Defect(place.path or "1", "unknown-encoding"))
        part = Part(
            place.path or "1",
            media_type,
            declared.named,
            shown.head.decode("ascii", "replace").lower(),
            shown.named,
            encoding,
            header.first.get(b"content-id", b""),
            place.nested,
            place.within,
            buffer,
            start,
            end,
        )
        yield part
        if media_type in MESSAGES:
            yield from self._attached(part, place.depth)

    def attached(self, part: Part) -> Header:
        """The header block of an attached message. Raises Unparsable beyond the limits."""
        return read_header(*self._open(part), self._limits)

    def _open(self, part: Part) -> tuple[bytes, int, int]:
        """Where an attached message lies: straight in the buffer, or decoded first where it was encoded."""
        if part.encoding not in ("base64", "quoted-printable"):
            return part.buffer, part.start, part.end
        if self._opened is None or self._opened[0] is not part:
            self._opened = part, normalise(b"".join(self.pieces(part, [])))
            # All of them are in memory at once: an encoding that changes nothing could be put around itself.
            self._decoded += len(self._opened[1])
            if self._decoded > self._limits.size:
                raise Unparsable(f"attached messages of more than {self._limits.size} octets")
        return self._opened[1], 0, len(self._opened[1])

    def _attached(self, part: Part, depth: int) -> Iterator[Part]:
        """The leaves of an attached message."""
        buffer, start, end = self._open(part)
        inner = read_header(buffer, start, end, self._limits)
        if not inner.fields:
            self.defects.append(Defect(part.path, "no-message"))
            return
        top = parameters.read(inner.first.get(b"content-type", b""), self._limits.parameters)
        path = part.path if top.head.lower().startswith(b"multipart/") else part.path + ".1"
        for leaf in self._entity(inner, buffer, inner.end, end, _Place(path, (), depth + 1, nested=True), "text/plain"):
            # A multipart that turned out to be none would stand on its message's own path.
            yield leaf if leaf.path != part.path else replace(leaf, path=part.path + ".1")

    def _split(self, buffer: bytes, start: int, end: int, boundary: bytes, here: str) -> list[tuple[int, int]]:
        """The spans of the parts between delimiters; none if there is no delimiter line."""
        if not boundary:
            self.defects.append(Defect(here, "no-boundary"))
            return []
        needle, spans, opened, at = b"--" + boundary, [], -1, start
        while (found := _find(buffer, needle, at, end)) >= 0:
            self.check_time()
            at = found + len(needle)
            if found != start and not buffer.startswith(b"\r\n", found - 2):
                if buffer.startswith(b"\r", found - 1):
                    self.defects.append(Defect(here, "bare-cr"))
                continue
            tail = _DELIMITER_END.match(buffer, at, end)
            if tail is None and buffer.startswith((b"\r", b"--\r"), at):
                self.defects.append(Defect(here, "bare-cr"))
            if tail is None or (tail[1] is not None and opened < 0):
                continue  # the start of a longer boundary, or a close delimiter before any part
            # Of two delimiter lines in a row the second lacks a CRLF of its own: there is no part between.
            if 0 <= opened < found:
                spans.append((opened, found - 2))
                if len(spans) > self._limits.parts:
                    raise Unparsable(f"more than {self._limits.parts} parts")
            if tail[1] is not None:
                if buffer.find(b"\r\n" + needle, tail.end() - 2, end) >= 0:
                    self.defects.append(Defect(here, "after-end"))
                if not spans:
                    self.defects.append(Defect(here, "no-parts"))
                return spans
            opened = at = tail.end()
        if 0 <= opened < end:
            spans.append((opened, end))
        self.defects.append(Defect(here, "unclosed" if spans else "no-parts"))
        return spans


def _find(buffer: bytes, needle: bytes, start: int, end: int) -> int:
    """Where ``needle``, which begins with a hyphen, stands next, or -1. One octet is looked for ten times as fast as
    several, and base64 has none of these."""
    while (at := buffer.find(b"-", start, end)) >= 0:
        start = min(at + _PIECE, end)
        found = buffer.find(needle, at, min(start + len(needle) - 1, end))
        if found >= 0:
            return found
    return -1


def bare_id(value: bytes) -> bytes:
    """A Content-ID without its brackets and what is around them."""
    return value.strip().removeprefix(b"<").removesuffix(b">")


def _encoding(value: bytes | None) -> Encoding:
    """The transfer encoding; ``unknown`` where this file cannot decode it: then the octets stay as they are."""
    if value is None:
        return "7bit"
    token = _TOKEN.search(parameters.COMMENT.sub(b"", value))
    return _ENCODINGS.get(token[0].lower(), "unknown") if token else "7bit"


def decode(part: Part) -> tuple[bytes, bool]:
    """The decoded octets of a leaf, and whether its encoding was damaged."""
    damaged: list[bool] = []
    return b"".join(pieces(part, damaged)), any(damaged)


def pieces(part: Part, damaged: list[bool]) -> Iterator[bytes | memoryview]:
    """The decoded octets of a leaf, piece by piece; True is put into ``damaged`` if its encoding was."""
    return transfer.pieces(part.encoding, part.buffer, part.start, part.end, damaged)
