"""What one document draws of a face, as a font of its own: TrueType outlines in a CID font, ISO 32000-1 section 9.7.

A code stands for one cluster of characters and the way it looks, so that a reader of the file gets back exactly the
text that was set: several outlines under one code (a letter and its marks) become one composite glyph, and the same
outline that stands for two texts has two codes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from struct import pack, pack_into, unpack_from
from typing import Final

from reports.fonts import ASCII, Face
from reports.objects import Objects, Raw
from reports.shaping import Glyph

FULL: Final = 30_000
"""Codes after which another font is begun. A font has 65,535 at most, and outlines that others are made of, of which
the largest face has 31,000, take numbers too."""

_WORDS, _OFFSETS, _SCALE, _MORE, _SCALES, _MATRIX, _OVERLAP = 0x01, 0x02, 0x08, 0x20, 0x40, 0x80, 0x0400
Part = tuple[int, int, int]


class Embedded:
    """Codes are given in the order in which clusters are first drawn. Those of ASCII are the same in every font."""

    def __init__(self, face: Face, name: str) -> None:
        self.face, self.name = face, name
        self._ascii: set[str] = set()
        self._codes: dict[Glyph, int] = {}

    @property
    def full(self) -> bool:
        return len(self._codes) >= FULL

    def use(self, text: str) -> None:
        """ASCII that is drawn by its fixed codes."""
        self._ascii.update(text)

    def code(self, glyph: Glyph) -> int:
        key = glyph._replace(after=0)
        plain = self.face.ascii.get(glyph.text)
        if plain is not None and key == Glyph(glyph.text, ((plain[0], 0, 0),), plain[1], 0):
            self._ascii.add(glyph.text)
            return ASCII.index(glyph.text) + 1
        return self._codes.setdefault(key, len(ASCII) + 1 + len(self._codes))

    def write(self, objects: Objects) -> Raw:
        """The font and all it refers to."""
        face, plain = self.face, self.face.ascii
        drawn: dict[int, tuple[Part, ...]] = {
            code: ((plain[one][0], 0, 0),) for code, one in enumerate(ASCII, 1) if one in self._ascii
        }
        texts = {code: one for code, one in enumerate(ASCII, 1) if one in self._ascii}
        widths = {code: plain[one][1] for code, one in texts.items()}
        for glyph, code in self._codes.items():
            drawn[code], texts[code], widths[code] = glyph.parts, glyph.text, glyph.width
        program = _program(face, len(ASCII) + len(self._codes), drawn, widths)
        tag = "".join(chr(ord("A") + byte % 26) for byte in hashlib.sha256(program).digest()[:6])
        name = f"/{tag}+{face.name}"
        file = objects.stream(program, f"/Length1 {len(program)}")
        descriptor = objects.new(
            f"<</Type/FontDescriptor/FontName{name}/Flags 4/FontBBox[{_box(face)}]/ItalicAngle 0"
            f"/Ascent {_hhea(face, 4)}/Descent {_hhea(face, 6)}/CapHeight 714/StemV 80/FontFile2 {file.ref}>>"
        )
        descendant = objects.new(
            f"<</Type/Font/Subtype/CIDFontType2/BaseFont{name}/CIDToGIDMap/Identity/FontDescriptor {descriptor.ref}"
            f"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 0/W[{_widths(widths)}]>>"
        )
        unicode = objects.stream(_to_unicode(texts))
        return objects.new(
            f"<</Type/Font/Subtype/Type0/BaseFont{name}/Encoding/Identity-H"
            f"/DescendantFonts[{descendant.ref}]/ToUnicode {unicode.ref}>>"
        )


def _hhea(face: Face, at: int) -> int:
    value: int = unpack_from(">h", face.table("hhea"), at)[0]
    return round(value * 1000 / int(face.static.upem))


def _box(face: Face) -> str:
    return " ".join(str(round(side * 1000 / face.static.upem)) for side in unpack_from(">4h", face.table("head"), 36))


def _widths(widths: dict[int, int]) -> str:
    out: list[str] = []
    last = -1
    for code in sorted(widths):
        out.append(f" {widths[code]}" if code == last + 1 else f"{']' if out else ''}{code}[{widths[code]}")
        last = code
    return "".join(out) + "]" * bool(out)


def _to_unicode(texts: dict[int, str]) -> bytes:
    """Section 9.10.3: what text each code stands for."""
    rows = [f"<{code:04X}> <{texts[code].encode('utf-16-be').hex().upper()}>" for code in sorted(texts)]
    blocks = [rows[at : at + 100] for at in range(0, len(rows), 100)]
    maps = "\n".join(f"{len(block)} beginbfchar\n{chr(10).join(block)}\nendbfchar" for block in blocks)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        f"{maps}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
    ).encode("ascii")


def _program(face: Face, last: int, drawn: dict[int, tuple[Part, ...]], widths: dict[int, int]) -> bytes:
    """A TrueType font in which the number of each glyph is its code; what composite glyphs are made of comes after."""
    upem = face.static.upem
    numbers: dict[int, int] = {}
    outlines: list[bytes] = []

    def part(glyph: int) -> int:
        """The new number of an outline that others are made of. Fonts nest them; none contains itself."""
        if glyph not in numbers:
            numbers[glyph] = last + 1 + len(numbers)
            outlines.append(b"")
            outlines[numbers[glyph]] = _renumbered(face.glyphs(glyph), part)
        return numbers[glyph]

    outlines.extend([face.glyphs(0), *[b""] * last])
    most = 1
    for code in sorted(drawn):
        parts = [each for each in drawn[code] if face.glyphs(each[0])]
        if len(parts) == 1 and parts[0][1:] == (0, 0):
            outlines[code] = _renumbered(face.glyphs(parts[0][0]), part)
        elif parts:
            moved = [(glyph, round(x * upem / 1000), round(y * upem / 1000)) for glyph, x, y in parts]
            outlines[code] = _composite(face, moved, part)
            most = max(most, len(parts))
    metrics = b"".join(
        pack(">Hh", round(widths.get(code, 0) * upem / 1000), unpack_from(">h", outline, 2)[0] if outline else 0)
        for code, outline in enumerate(outlines)
    )
    return _file(face, outlines, metrics, most)


def _renumbered(outline: bytes, part: Callable[[int], int]) -> bytes:
    """A glyph as it is, unless it is made of others: these have new numbers."""
    if not outline or unpack_from(">h", outline)[0] >= 0:
        return outline
    out = bytearray(outline)
    at, flags = 10, _MORE
    while flags & _MORE:
        flags, glyph = unpack_from(">HH", out, at)
        pack_into(">H", out, at + 2, part(glyph))
        at += 8 if flags & _WORDS else 6
        at += 2 if flags & _SCALE else 4 if flags & _SCALES else 8 if flags & _MATRIX else 0
    return bytes(out)


def _composite(face: Face, parts: list[Part], part: Callable[[int], int]) -> bytes:
    boxes = [unpack_from(">4h", face.glyphs(glyph), 2) for glyph, _, _ in parts]
    sides = [
        edge(box[side] + offset[side % 2] for box, (_, *offset) in zip(boxes, parts, strict=True))
        for side, edge in enumerate((min, min, max, max))
    ]
    out = [pack(">h4h", -1, *sides)]
    for at, (glyph, x, y) in enumerate(parts, 1):
        out.append(pack(">HHhh", _WORDS | _OFFSETS | _OVERLAP | _MORE * (at < len(parts)), part(glyph), x, y))
    return b"".join(out)


def _file(face: Face, outlines: Iterable[bytes], metrics: bytes, most: int) -> bytes:
    glyf, places = bytearray(), [0]
    for outline in outlines:
        glyf += outline + bytes(-len(outline) % 4)
        places.append(len(glyf))
    count = len(places) - 1
    head, hhea, maxp = (bytearray(face.table(tag)) for tag in ("head", "hhea", "maxp"))
    pack_into(">I", head, 8, 0)
    pack_into(">h", head, 50, 1)  # long places
    pack_into(">H", hhea, 34, count)
    pack_into(">H", maxp, 4, count)
    # Of composite glyphs: points, contours, parts and depth. Those made here hold some of those of the font.
    limits = unpack_from(">4H", maxp, 6)
    pack_into(">2H", maxp, 10, *(min(0xFFFF, most * max(limits[at], limits[at + 2])) for at in (0, 1)))
    parts, depth = unpack_from(">2H", maxp, 28)
    pack_into(">2H", maxp, 28, max(most, parts), depth + 1)
    tables = {
        b"glyf": bytes(glyf),
        b"head": bytes(head),
        b"hhea": bytes(hhea),
        b"hmtx": metrics,
        b"loca": pack(f">{count + 1}I", *places),
        b"maxp": bytes(maxp),
    }
    return _sfnt(tables)


def _sfnt(tables: dict[bytes, bytes]) -> bytes:
    power = len(tables).bit_length() - 1
    out = bytearray(pack(">I4H", 0x00010000, len(tables), 16 << power, power, 16 * (len(tables) - (1 << power))))
    at = len(out) + 16 * len(tables)
    for tag, table in tables.items():
        out += pack(">4s3I", tag, _sum(table), at, len(table))
        at += len(table) + -len(table) % 4
    head = 0
    for tag, table in tables.items():
        head = len(out) if tag == b"head" else head
        out += table + bytes(-len(table) % 4)
    pack_into(">I", out, head + 8, (0xB1B0AFBA - _sum(bytes(out))) & 0xFFFFFFFF)
    return bytes(out)


def _sum(data: bytes) -> int:
    padded = data + bytes(-len(data) % 4)
    return int(sum(unpack_from(f">{len(padded) // 4}I", padded))) & 0xFFFFFFFF
