"""DKIM's relaxed canonicalisation (RFC 6376 sections 3.4.2 and 3.4.4), hashed, in time linear in size.

Everything is of normalised octets (``mime.normalise``): every LF follows a CR. Runs are shortened by halves and looked
for from no place twice, since mail is written by strangers: the usual patterns take minutes for a line of spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

_PIECE: Final = 1 << 18
_ENDS: Final = (b"", b"\r", b"\n")


def field(name: bytes, value: bytes) -> bytes:
    """One header field: its name in lower case, the value unfolded, runs of white space as one space, CRLF."""
    unfolded = _shorten(value.replace(b"\r\n", b""))
    return name.lower() + b":" + unfolded.strip(b" ") + b"\r\n"


def body_hash(octets: bytes, start: int) -> str:
    """SHA-256, in hex, of the body that begins at ``start``: what ``bh=`` holds under ``c=*/relaxed``."""
    digest = sha256()
    for piece in body(octets, start):
        digest.update(piece)
    return digest.hexdigest()


def body(octets: bytes, start: int) -> Iterator[bytes]:
    """The canonical octets of the body that begins at ``start``, piece by piece."""
    empty = 0  # line ends that count only if something follows
    for piece in _lines(octets, start):
        if piece.endswith(b"\r\n") and piece[-3:-2] not in _ENDS:
            content, ends = piece, 1
        else:
            content = without_ends(piece)
            ends = (len(piece) - len(content)) // 2
            content += b"\r\n" if content else b""
        if content:
            if empty:
                yield b"\r\n" * empty
            yield content
            empty = max(0, ends - 1)
        else:
            empty += ends


def _lines(octets: bytes, start: int) -> Iterator[bytes]:
    """Whole lines in pieces that stay in the cache, reduced."""
    while start < len(octets):
        stop = octets.find(b"\n", start + _PIECE) + 1 or len(octets)
        piece = octets[start:stop]
        start = stop
        # One octet is found much faster than two, and encoded files have neither.
        if b"\t" in piece or b" " in piece:
            piece = _shorten(piece).replace(b" \r\n", b"\r\n")
            if stop == len(octets):
                piece = piece.removesuffix(b" ")
        yield piece


def _shorten(octets: bytes) -> bytes:
    octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def without_ends(piece: bytes) -> bytes:
    """``piece`` without the CRLFs at its end; a bare CR there is content."""
    content = piece.rstrip(b"\r\n")
    ends = piece[len(content) :]
    bare = len(ends) - 1 if ends.endswith(b"\r") else ends.rfind(b"\r\r")
    return piece[: len(content) + bare + 1] if bare >= 0 else content
