"""Objects of a PDF file as bytes, each with the number that others refer to it by: ISO 32000-1 section 7.3."""

from __future__ import annotations

import zlib
from typing import Final

from reportlab.pdfbase.pdfdoc import PDFDocument, PDFObject

_SAFE: Final = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("\\()")


class Raw(PDFObject):  # type: ignore[misc]  # reportlab has no types
    """An indirect object. Its bytes may be put in until the file is written, so that objects can refer to others."""

    __RefOnly__ = 1

    def __init__(self, number: int) -> None:
        self.ref: Final = f"{number} 0 R"
        self.content = b"null"

    def format(self, document: PDFDocument) -> bytes:
        return self.content


class Objects:
    """Hands out the objects of one reportlab document, numbered in the order in which they are asked for."""

    def __init__(self, document: PDFDocument) -> None:
        self._document = document

    def new(self, content: str = "") -> Raw:
        raw = Raw(self._document.objectcounter + 1)
        if content:
            raw.content = content.encode("latin-1")
        self._document.Reference(raw)
        return raw

    def stream(self, data: bytes, entries: str = "") -> Raw:
        packed = zlib.compress(data, 6)
        raw = self.new()
        head = f"<</Length {len(packed)}/Filter/FlateDecode{entries}>>\nstream\n"
        raw.content = b"".join((head.encode("latin-1"), packed, b"\nendstream"))
        return raw


def text_string(text: str) -> str:
    """Text for people to read (section 7.9.2.2), never cut short by what it holds."""
    if _SAFE.issuperset(text):
        return f"({text})"
    return f"<FEFF{text.encode('utf-16-be', 'surrogatepass').hex().upper()}>"


def byte_string(text: str) -> str:
    """A string that must be ASCII, such as an address."""
    return f"<{text.encode('ascii').hex().upper()}>"


def number(value: float) -> str:
    """As short as a hundredth of a point allows: finer than any printer."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
