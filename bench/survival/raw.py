"""Where the parts of a message lie, read by a second pair of eyes.

What changes a message here must not lean on the code that is asked afterwards what it is, so fields are read by the
standard library and parts are found here, line by line. It reads only what is well made: a multipart that is not closed
has no parts for it, and is left alone. Messages have CRLF line ends.
"""

from __future__ import annotations

import base64
import binascii
import email
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message
from itertools import pairwise

Edit = tuple[int, int, bytes]
"""From, to, and what stands there instead."""


class Untouchable(Exception):
    """A part that cannot be changed as asked without changing more."""


@dataclass(slots=True)
class Part:
    """One entity: its header block (``start`` to ``body``, the empty line included) and its body (``body`` to ``end``).

    ``opening`` is where the delimiter line before it begins, ``close`` where a multipart's close delimiter does.
    """

    start: int
    body: int
    end: int
    fields: Message
    opening: int = -1
    close: int = -1
    boundary: bytes = b""
    parts: list[Part] = field(default_factory=list)

    @property
    def type(self) -> str:
        return self.fields.get_content_type()

    @property
    def name(self) -> str | None:
        """The file name as people read it; None also where it cannot be read."""
        try:
            return worded(self.fields.get_filename() or "") or None
        except (LookupError, UnicodeError, ValueError, TypeError):
            return None

    @property
    def charset(self) -> str:
        try:
            return str(self.fields.get_content_charset() or "us-ascii").strip()
        except (LookupError, UnicodeError, ValueError, TypeError):
            return "unknown"

    @property
    def attached(self) -> bool:
        return self.name is not None or str(self.fields.get("content-disposition", "")).lower().startswith("attachment")

    @property
    def encoding(self) -> str:
        return str(self.fields.get("content-transfer-encoding", "7bit")).strip().lower()

    def walk(self) -> Iterator[Part]:
        """Itself and everything below; attached messages are not entered."""
        yield self
        for part in self.parts:
            yield from part.walk()


def worded(name: str) -> str:
    """A file name with its encoded words decoded, which do not belong there and are everywhere (RFC 2047 section 5)."""
    try:
        return str(make_header(decode_header(name)))
    except (LookupError, UnicodeError, ValueError, TypeError):
        return name


def read(octets: bytes) -> Part:
    return _entity(octets, 0, len(octets), 0)


def _entity(octets: bytes, start: int, end: int, depth: int) -> Part:
    if octets.startswith(b"\r\n", start):
        body = start + 2
    else:
        blank = octets.find(b"\r\n\r\n", start, end)
        body = end if blank < 0 else blank + 4
    part = Part(start, body, end, email.message_from_bytes(octets[start:body]))
    boundary = part.fields.get_boundary() if part.type.startswith("multipart/") else None
    if boundary and depth < 20:
        part.boundary = boundary.encode("utf-8", "surrogateescape")
        _split(octets, part, depth)
    return part


def _split(octets: bytes, whole: Part, depth: int) -> None:
    line = re.compile(rb"^--" + re.escape(whole.boundary) + rb"(--)?[ \t]*(?:\r\n|\Z)", re.MULTILINE)
    marks = list(line.finditer(octets, whole.body, whole.end))
    closing = next((at for at, mark in enumerate(marks) if mark[1]), 0)
    if not closing:
        return
    whole.close = marks[closing].start()
    for mark, after in pairwise(marks[: closing + 1]):
        end = max(mark.end(), after.start() - 2)
        part = _entity(octets, mark.end(), end, depth + 1)
        part.opening = mark.start()
        if whole.type == "multipart/digest":
            part.fields.set_default_type("message/rfc822")
        whole.parts.append(part)


def inline_texts(octets: bytes) -> list[Part]:
    """The text/plain and text/html leaves that a reader shows as the message itself."""
    return [part for part in read(octets).walk() if part.type in ("text/plain", "text/html") and not part.attached]


def attachments(octets: bytes) -> list[Part]:
    """Leaves that are files, below a multipart."""
    return [part for part in read(octets).walk() if part.opening >= 0 and not part.parts and part.attached]


def decoded(octets: bytes, part: Part) -> bytes:
    """Raises Untouchable where the encoding is unknown or damaged."""
    body = octets[part.body : part.end]
    if part.encoding in ("7bit", "8bit", "binary", ""):
        return body
    if part.encoding == "quoted-printable":
        return quopri.decodestring(body)
    if part.encoding == "base64":
        try:
            return base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error:
            raise Untouchable("damaged base64") from None
    raise Untouchable(f"transfer encoding {part.encoding}")


def encoded(content: bytes, encoding: str) -> bytes:
    """In lines of 76, without a line end after the last unless the content has one."""
    if encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    if encoding == "quoted-printable":
        return b"\r\n".join(_quoted(line) for line in content.replace(b"\r\n", b"\n").split(b"\n"))
    return content


def _quoted(line: bytes) -> bytes:
    """One line, RFC 2045 section 6.7; lone CRs are encoded."""
    out, width = [], 0
    for at, octet in enumerate(line):
        last = at == len(line) - 1
        plain = (33 <= octet <= 126 and octet != 61) or (octet in (9, 32) and not last)
        piece = bytes((octet,)) if plain else b"=%02X" % octet
        if width + len(piece) > 75:
            out.append(b"=\r\n")
            width = 0
        out.append(piece)
        width += len(piece)
    return b"".join(out)


def recode(octets: bytes, part: Part, content: bytes, encoding: str | None = None) -> list[Edit]:
    """The edits that give ``part`` this content: in its own encoding, or in another that its header then names."""
    if encoding is None or encoding == part.encoding:
        return [(part.body, part.end, encoded(content, part.encoding))]
    named = set_field(octets, part, b"Content-Transfer-Encoding", encoding.encode())
    return [named, (part.body, part.end, encoded(content, encoding))]


def set_field(octets: bytes, part: Part, name: bytes, value: bytes) -> Edit:
    """The edit that replaces the first field of that name, or adds one at the end of the header block."""
    found = re.compile(rb"^" + name + rb"[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE | re.IGNORECASE).search(
        octets, part.start, part.body
    )
    line = name + b": " + value + b"\r\n"
    if found:
        return found.start(), found.end(), line
    at = part.body - 2 if octets.startswith(b"\r\n", part.body - 2) and part.body > part.start else part.body
    return at, at, line


def edited(octets: bytes, edits: list[Edit]) -> bytes:
    """All edits at once; they must not overlap."""
    for start, end, instead in sorted(edits, reverse=True):
        octets = octets[:start] + instead + octets[end:]
    return octets
