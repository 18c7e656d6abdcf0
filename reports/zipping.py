"""Writing ZIP archives (PKWARE APPNOTE 6.3) in their plainest form, the same bytes of the same members.

Nothing is compressed, and size and CRC stand before each member's octets: so the bytes depend on no version of a
compressor, the size is known before the first is sent, and programs that read an archive as it arrives can read it.
The price is that a member's octets are read twice.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import Damaged

LARGE: int = 0xFFFFFFFF
"""What a field of 32 bits cannot hold, and says instead: the number stands in ZIP64's place."""

MANY: Final = 0xFFFF
LOCAL: Final = struct.Struct("<4s5H3L2H")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
END: Final = struct.Struct("<4s4H2LH")
END64: Final = struct.Struct("<4sQ2H2L4Q")
LOCATOR: Final = struct.Struct("<4sLQL")

_UNIX: Final = 3 << 8
_PLAIN, _ZIP64 = 20, 45
"""Versions needed to extract."""

_DATE: Final = 0x0021
"""1980-01-01, the zero of the format: a time would be a local one of nobody knows where."""

_MODE: Final = 0o100600 << 16
"""A regular file, for its owner alone."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive; its name is ASCII. ``pieces`` gives its octets, the same ones whenever it is called."""

    name: str
    size: int
    crc: int
    pieces: Callable[[], Iterable[bytes | memoryview]]

    @classmethod
    def of(cls, name: str, octets: bytes) -> Member:
        """A file whose octets are at hand."""
        return cls(name, len(octets), zlib.crc32(octets), lambda: (octets,))


def write(members: Sequence[Member]) -> Iterator[bytes | memoryview]:
    """The archive. Damaged where a member's octets are not those that were measured: then it breaks off."""
    directory = []
    place = 0
    for member in members:
        header = _local(member)
        yield header
        size = crc = 0
        for piece in member.pieces():
            size, crc = size + len(piece), zlib.crc32(piece, crc)
            yield piece
        if (size, crc) != (member.size, member.crc):
            raise Damaged(f"{member.name} changed while it was packed")
        directory.append(_central(member, place))
        place += len(header) + member.size
    yield from directory
    yield _end(len(members), sum(map(len, directory)), place)


def size_of(members: Sequence[Member]) -> int:
    """Octets of the archive."""
    place = directory = 0
    for member in members:
        directory += len(_central(member, place))
        place += len(_local(member)) + member.size
    return place + directory + len(_end(len(members), directory, place))


def _local(member: Member) -> bytes:
    name = member.name.encode("ascii")
    size, extra = _sizes(member)
    needed = _ZIP64 if extra else _PLAIN
    fields = (needed, 0, 0, 0, _DATE, member.crc, size, size, len(name), len(extra))
    return LOCAL.pack(b"PK\x03\x04", *fields) + name + extra


def _central(member: Member, place: int) -> bytes:
    name = member.name.encode("ascii")
    size, extra = _sizes(member)
    if place >= LARGE:
        extra = struct.pack("<2H", 1, len(extra[4:]) + 8) + extra[4:] + struct.pack("<Q", place)
        place = 0xFFFFFFFF
    needed = _ZIP64 if extra else _PLAIN
    fields = (needed | _UNIX, needed, 0, 0, 0, _DATE, member.crc, size, size, len(name), len(extra), 0, 0, 0, _MODE)
    return CENTRAL.pack(b"PK\x01\x02", *fields, place) + name + extra


def _sizes(member: Member) -> tuple[int, bytes]:
    """What the field of 32 bits says, and the extra field where that is not enough."""
    if member.size < LARGE:
        return member.size, b""
    return 0xFFFFFFFF, struct.pack("<2H2Q", 1, 16, member.size, member.size)


def _end(count: int, size: int, place: int) -> bytes:
    if count < MANY and size < LARGE and place < LARGE:
        return END.pack(b"PK\x05\x06", 0, 0, count, count, size, place, 0)
    big = END64.pack(b"PK\x06\x06", 44, _ZIP64 | _UNIX, _ZIP64, 0, 0, count, count, size, place)
    where = LOCATOR.pack(b"PK\x06\x07", 0, place + size, 1)
    return big + where + END.pack(b"PK\x05\x06", 0, 0, MANY, MANY, 0xFFFFFFFF, 0xFFFFFFFF, 0)
