"""Reading a ZIP archive that a stranger made, in one reading only.

ZIP says everything twice (before each member, and in the directory at the end) and lets anything lie in between, so
that two programs may see two archives in one. Here both must say the same, members must lie side by side from the first
octet to the directory, and nothing may follow its end. What `reports.zipping` writes is read, and what other programs
make of the same files when they pack them again: compressed (deflate) or not, with directories, with sizes after the
octets.

Nothing is inflated before the sizes that the directory states were added up, and nothing further than it states. Every
failure is a `FormatError`.
"""

from __future__ import annotations

import re
import stat
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ledger.errors import FormatError
from reports.zipping import CENTRAL, END, END64, LOCAL, LOCATOR, MANY

Octets: TypeAlias = "bytes | memoryview"

START: Final = b"PK\x03\x04"

MAX_MEMBERS: Final = 300_000
"""Files and directories."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)*/?", re.ASCII)
_LONGEST: Final = 512

_ENCRYPTED: Final = 1 << 0
_AFTER: Final = 1 << 3
"""Sizes and CRC stand after the octets, in a descriptor."""

_FLAGS: Final = 1 << 1 | 1 << 2 | _AFTER | 1 << 11
"""How hard was compressed, and that names are UTF-8: neither changes what is read."""

_STORED, _DEFLATED = 0, 8
_FULL: Final = 0xFFFFFFFF
_WIDE, _RENAMES = 0x0001, 0x7075
"""Extra fields: ZIP64's, and one that gives the file another name for some programs."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A member as the directory has it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    place: int


def read(data: bytes, limit: int) -> dict[str, Octets]:
    """The files of an archive by name, ``limit`` octets at most in all. Directories are seen through."""
    entries, end = _directory(data, limit)
    view = memoryview(data)
    found: dict[str, Octets] = {}
    places = [*(entry.place for entry in entries[1:]), end]
    if entries[0].place:
        raise FormatError("ZIP: something stands before the first file")
    for entry, after in zip(entries, places, strict=True):
        octets = _octets(view, entry, after)
        if not entry.name.endswith(b"/"):
            found[entry.name.decode("ascii")] = octets
    _check_directories(entries, found)
    return found


def _directory(data: bytes, limit: int) -> tuple[list[_Entry], int]:
    """Every member, in the order in which they lie in the archive, and where the directory begins."""
    count, size, start, end = _end(data)
    if start + size != end:
        raise FormatError("ZIP: its directory is not where its end says")
    if not 0 < count <= MAX_MEMBERS:
        raise FormatError(f"ZIP: {count} files, 1 to {MAX_MEMBERS} are read")
    entries = []
    names: set[str] = set()
    room = limit
    at = start
    for _ in range(count):
        entry, at = _entry(data, at, end)
        name = _name(entry.name)
        if name.rstrip("/").lower() in names:
            raise FormatError(f"ZIP: two files are called {name}, or differ in capitals only")
        names.add(name.rstrip("/").lower())
        room -= entry.size
        if room < 0:
            raise FormatError(f"ZIP: its files are larger than {limit} octets together")
        entries.append(entry)
    if at != end:
        raise FormatError("ZIP: something stands between its directory and its end")
    return sorted(entries, key=lambda entry: entry.place), start


def _end(data: bytes) -> tuple[int, int, int, int]:
    """How many members; size of the directory, where it begins, where it ends."""
    at = len(data) - END.size
    if at < 0 or data[at : at + 4] != b"PK\x05\x06":
        raise FormatError("ZIP: cut short, or something follows its end")
    _, disk, first, here, count, size, start, comment = END.unpack_from(data, at)
    if comment or disk or first or here != count:
        raise FormatError("ZIP: a comment, or part of an archive in several files")
    if count != MANY and _FULL not in (size, start):
        return count, size, start, at
    locator = at - LOCATOR.size
    if locator < 0 or data[locator : locator + 4] != b"PK\x06\x07":
        raise FormatError("ZIP: the end that large archives have is missing")
    _, disk, wide, disks = LOCATOR.unpack_from(data, locator)
    if disk or disks != 1 or wide != locator - END64.size or data[wide : wide + 4] != b"PK\x06\x06":
        raise FormatError("ZIP: the end that large archives have is not where it should be")
    _, length, _, _, disk, first, here64, count64, size64, start64 = END64.unpack_from(data, wide)
    same = count in (MANY, count64) and size in (_FULL, size64) and start in (_FULL, start64)
    if not same or length != END64.size - 12 or disk or first or here64 != count64:
        raise FormatError("ZIP: its two ends do not say the same")
    return count64, size64, start64, wide


def _entry(data: bytes, at: int, end: int) -> tuple[_Entry, int]:
    if at + CENTRAL.size > end or data[at : at + 4] != b"PK\x01\x02":
        raise FormatError("ZIP: its directory ends early")
    _, _, _, flags, method, _, _, crc, packed, size, *rest = CENTRAL.unpack_from(data, at)
    name_size, extra_size, comment, disk, _, mode, place = rest
    at += CENTRAL.size
    name, extra = data[at : at + name_size], data[at + name_size : at + name_size + extra_size]
    at += name_size + extra_size
    if at > end or comment or disk:
        raise FormatError("ZIP: a file of its directory has a comment, or is cut short")
    size, packed, place = _wide(extra, (size, packed, place))
    if flags & _ENCRYPTED:
        raise FormatError("ZIP: a file is encrypted")
    if flags & ~_FLAGS or method not in (_STORED, _DEFLATED) or (method == _STORED and packed != size):
        raise FormatError("ZIP: a file is packed in a way that is not read here")
    if stat.S_IFMT(mode >> 16) not in (0, stat.S_IFDIR if name.endswith(b"/") else stat.S_IFREG):
        raise FormatError("ZIP: it holds a link, a device or the like")
    if name.endswith(b"/") and size:
        raise FormatError("ZIP: a directory that has octets")
    return _Entry(name, flags, method, crc, packed, size, place), at


def _name(name: bytes) -> str:
    """Names that every system writes to the same place, within where it is told to."""
    said = name.decode("ascii", "replace")
    if len(said) > _LONGEST or not _NAME.fullmatch(said):
        raise FormatError(f"ZIP: a file is called {said[:80]!r}, which is no name in a package")
    return said


def _wide(extra: bytes, said: Sequence[int]) -> tuple[int, int, int]:
    """Size, packed size and place, from the extra field where 32 bits were not enough (APPNOTE 4.5.3)."""
    found: list[int] = list(said)
    seen = False
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise FormatError("ZIP: an extra field is cut short")
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if at + length > len(extra) or kind == _RENAMES or (kind == _WIDE and seen):
            raise FormatError("ZIP: an extra field is cut short, comes twice, or gives a file another name")
        if kind == _WIDE:
            seen = True
            numbers = list(struct.unpack_from(f"<{length // 8}Q", extra, at))
            for index, value in enumerate(found):
                if value == _FULL and numbers:
                    found[index] = numbers.pop(0)
        at += length
    return found[0], found[1], found[2]


def _octets(view: memoryview, entry: _Entry, after: int) -> Octets:
    """The octets of a member that lies between its place and ``after``, if both places say the same of it."""
    at = entry.place
    if at + LOCAL.size > after or bytes(view[at : at + 4]) != START:
        raise FormatError("ZIP: its files do not lie side by side")
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = LOCAL.unpack_from(view, at)
    at += LOCAL.size
    name = bytes(view[at : at + name_size])
    size, packed, _ = _wide(bytes(view[at + name_size : at + name_size + extra_size]), (size, packed, 0))
    at += name_size + extra_size
    known = (entry.crc, entry.packed, entry.size)
    unsaid = bool(flags & _AFTER) and crc == 0 and {packed, size} <= {0, _FULL}
    if (name, flags, method) != (entry.name, entry.flags, entry.method) or not (unsaid or (crc, packed, size) == known):
        raise FormatError("ZIP: a file is not what the directory says of it")
    end = at + entry.packed
    if end > after or bytes(view[end:after]) not in _descriptors(entry):
        raise FormatError("ZIP: its files do not lie side by side")
    octets = view[at:end] if entry.method == _STORED else _inflated(view[at:end], entry.size)
    if zlib.crc32(octets) != entry.crc:
        raise FormatError("ZIP: a file is damaged: it has another CRC than it should")
    return octets


def _descriptors(entry: _Entry) -> tuple[bytes, ...]:
    """What may stand after a member's octets."""
    if not entry.flags & _AFTER:
        return (b"",)
    made = [struct.pack("<L2Q", entry.crc, entry.packed, entry.size)]
    if max(entry.packed, entry.size) < _FULL:
        made.append(struct.pack("<3L", entry.crc, entry.packed, entry.size))
    return (*made, *(b"PK\x07\x08" + one for one in made))


def _inflated(packed: memoryview, size: int) -> bytes:
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        # One more than there should be: whether more comes must show, but not how much.
        octets = inflate.decompress(packed, size + 1)
    except zlib.error:
        raise FormatError("ZIP: a file cannot be inflated") from None
    if len(octets) != size or not inflate.eof or inflate.unused_data or inflate.unconsumed_tail:
        raise FormatError("ZIP: a file inflates to another size than it should")
    return octets


def _check_directories(entries: Sequence[_Entry], found: dict[str, Octets]) -> None:
    """A directory is there for a file in it, or it would be something nobody looks into; and no file is one, too."""
    needed = {name[: at + 1] for name in found for at, letter in enumerate(name) if letter == "/"}
    for entry in entries:
        name = entry.name.decode("ascii")
        if name.endswith("/") and name not in needed:
            raise FormatError(f"ZIP: {name[:80]!r} is an empty directory")
        if name + "/" in needed:
            raise FormatError(f"ZIP: {name[:80]!r} is a file and a directory")
