"""The little of DER (X.690 section 10) that timestamps need: tag, length, content, one spelling for each.

Definite lengths in their shortest form and tags of one octet; BER's other spellings are refused. Every failure is a
`FormatError`. Numbers of tags: 0x02 INTEGER, 0x06 OBJECT IDENTIFIER, 0x30 SEQUENCE, 0x31 SET, 0xA0 [0] constructed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ledger.errors import FormatError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
NULL: Final = b"\x05\x00"
OBJECT_IDENTIFIER: Final = 0x06
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31


@dataclass(frozen=True, slots=True)
class Element:
    """One value; ``octets`` is all of it, ``content`` what is inside."""

    tag: int
    content: bytes
    octets: bytes

    def children(self) -> Iterator[Element]:
        """The elements inside, read as they are asked for."""
        at = 0
        while at < len(self.content):
            element = _read(self.content, at)
            yield element
            at += len(element.octets)


class Fields:
    """The elements of a SEQUENCE or SET in order, taken one at a time; what is left over must be asked about."""

    def __init__(self, element: Element, tag: int = SEQUENCE) -> None:
        if element.tag != tag:
            raise FormatError(f"DER: tag {element.tag:#04x} where {tag:#04x} belongs")
        self._left = list(element.children())[::-1]

    def take(self, tag: int) -> Element:
        """The next element, which must have this tag."""
        found = self.take_if(tag)
        if found is None:
            raise FormatError(f"DER: no element with tag {tag:#04x} where one belongs")
        return found

    def take_if(self, tag: int) -> Element | None:
        """The next element if it has this tag: an OPTIONAL one."""
        return self._left.pop() if self._left and self._left[-1].tag == tag else None

    def end(self) -> None:
        """There is nothing more."""
        if self._left:
            raise FormatError(f"DER: an element with tag {self._left[-1].tag:#04x} too many")


def read(data: bytes) -> Element:
    """The one element that ``data`` is."""
    element = _read(data, 0)
    if len(element.octets) != len(data):
        raise FormatError(f"DER: {len(data) - len(element.octets)} octets after the end")
    return element


def _read(data: bytes, at: int) -> Element:
    if len(data) < at + 2 or data[at] & 0x1F == 0x1F:
        raise FormatError("DER: cut short, or a tag of several octets")
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= 0x80:
        count = length - 0x80
        long = data[start : start + count]
        start += count
        length = int.from_bytes(long, "big")
        if not 1 <= count <= 4 or len(long) != count or long[0] == 0 or length < 0x80:
            raise FormatError("DER: a length that is indefinite, too long or not in its shortest form")
    if start + length > len(data):
        raise FormatError("DER: cut short")
    return Element(tag, data[start : start + length], data[at : start + length])


def write(tag: int, *contents: bytes) -> bytes:
    """An element with these contents one after the other."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    long = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(long))) + long + content


def read_integer(element: Element) -> int:
    """An INTEGER, or a value that carries one under an implicit tag."""
    content = element.content
    if not content or (len(content) > 1 and content[0] == (0xFF if content[1] & 0x80 else 0)):
        raise FormatError("DER: an integer not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def write_integer(value: int) -> bytes:
    """An INTEGER of either sign."""
    magnitude = value if value >= 0 else ~value
    return write(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def read_oid(element: Element) -> str:
    """An OBJECT IDENTIFIER in dotted form."""
    content = element.content
    if element.tag != OBJECT_IDENTIFIER or not content or content[-1] & 0x80:
        raise FormatError("DER: not an object identifier")
    arcs: list[int] = []
    arc, fresh = 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise FormatError("DER: an object identifier not in its shortest form")
        arc = arc << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def write_oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    parts = dotted.split(".")
    if (
        not all(part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in parts)
        or len(parts) < 2
    ):
        raise FormatError("DER: not an object identifier in dotted form")
    first, second, *rest = map(int, parts)
    if first > 2 or (first < 2 and second > 39):
        raise FormatError("DER: not an object identifier in dotted form")
    out = bytearray()
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        out += bytes(groups[::-1])
    return write(OBJECT_IDENTIFIER, bytes(out))
