"""Transfer encodings (RFC 2045 section 6), decoded piece by piece, damaged ones too, in time linear in size.

* **base64** (section 6.8): octets outside the alphabet are passed over, decoding ends at the first ``=``; of an
  unfinished quantum two characters give one octet, three give two, a lone one none. Damaged: foreign octets other than
  white space, more than padding and white space after the first ``=``, a quantum not properly padded.
* **quoted-printable** (section 6.7): white space at the end of a line is deleted first (rule 3); ``=`` before anything
  but two hexadecimal digits or a line end stands for itself, as ``binascii`` reads it. Damaged: such an ``=``.
* everything else: the octets as they are.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from typing import Final

import pybase64

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FOREIGN: Final = bytes(octet for octet in range(256) if octet not in _ALPHABET)
_WHITE: Final = b" \t\r\n"
_CHUNK: Final = 1 << 16  # stays in the cache; three passes over 64 KiB are twice as fast as three over 30 MB
_BARE_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r\n|\Z)")


def pieces(encoding: str, buffer: bytes, start: int, end: int, damaged: list[bool]) -> Iterator[bytes | memoryview]:
    """What ``buffer[start:end]`` (CRLF line ends) decodes to; True is put into ``damaged`` if the encoding was.

    Of encoded octets no more than 64 KiB are decoded between two pieces, a longer line of quoted-printable apart.
    """
    if encoding == "base64":
        yield from _base64(buffer, start, end, damaged)
    elif encoding == "quoted-printable":
        yield from _quoted_printable(buffer, start, end, damaged)
    else:
        yield memoryview(buffer)[start:end]


def _quoted_printable(buffer: bytes, start: int, end: int, damaged: list[bool]) -> Iterator[bytes]:
    """Cut behind line ends, where nothing that one piece says reaches into the next."""
    while start < end:
        stop = min(buffer.find(b"\n", start + _CHUNK, end) + 1 or end, end)
        octets = buffer[start:stop]
        start = stop
        if b" \r\n" in octets or b"\t\r\n" in octets or octets.endswith((b" ", b"\t")):
            octets = b"\r\n".join(line.rstrip(b" \t") for line in octets.split(b"\r\n"))
        if _BARE_EQUALS.search(octets):
            damaged.append(True)
        yield binascii.a2b_qp(octets)


def _base64(buffer: bytes, start: int, end: int, damaged: list[bool]) -> Iterator[bytes]:
    """Whole clean quanta at full speed; from the first chunk that is anything else, the rest is read patiently."""
    at, rest = start, b""
    while at < end:
        stop = min(at + _CHUNK, end)
        clean = rest + buffer[at:stop].translate(None, _WHITE)
        whole = len(clean) & ~3
        try:
            decoded = pybase64.b64decode(clean[:whole], validate=True)
        except binascii.Error:
            break
        if len(decoded) != whole // 4 * 3 and (stop < end or clean.find(b"=") < len(clean) - 2):
            break  # padding before the end: decoding ends there
        yield decoded
        rest, at = clean[whole:], stop
    if rest or at < end:
        yield from _damaged_base64(buffer, at, end, rest, damaged)


def _damaged_base64(buffer: bytes, at: int, end: int, rest: bytes, damaged: list[bool]) -> Iterator[bytes]:
    """``rest`` stood before ``at``, without its white space, and is still to be decoded."""
    foreign, tail, loose = False, b"", b""
    while (rest or at < end) and not tail:
        stop = min(at + _CHUNK, end)
        data, padding, after = (rest + buffer[at:stop].translate(None, _WHITE)).partition(b"=")
        kept = data.translate(None, _FOREIGN)
        foreign = foreign or len(kept) != len(data)
        kept = loose + kept
        whole = len(kept) & ~3
        yield binascii.a2b_base64(kept[:whole])
        rest, at, loose = b"", stop, kept[whole:]
        if padding:
            tail = padding + after + buffer[at:end].translate(None, _WHITE)
    if foreign or tail != {0: b"", 2: b"==", 3: b"="}.get(len(loose)):
        damaged.append(True)
    yield binascii.a2b_base64(loose + b"=" * (4 - len(loose))) if len(loose) > 1 else b""
