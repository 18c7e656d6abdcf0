"""Checkpoints as in C2SP tlog-checkpoint v1.0.0: origin, size and root of a log, a line each, as a signed note.

    example.com/log
    1024
    base64 of the root hash

Stricter than the standard: no extension lines (nobody could audit them), an ASCII origin, a signature by a key
whose name is the origin, and one spelling for each value. There is no time in it: that is for witnesses and timestamps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger import note
from ledger.errors import FormatError, SignatureError
from ledger.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE

MAX_TEXT: Final = 512
"""Octets: more than any origin, size and root need."""

_ORIGIN: Final = re.compile(r"[!-*,-~]{1,255}")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log called ``origin`` had ``size`` entries, and this root. The empty tree has only one root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if type(self.origin) is not str or not _ORIGIN.fullmatch(self.origin):
            raise FormatError("checkpoint: origin is not 1 to 255 characters of ASCII without space and plus sign")
        if type(self.size) is not int or not 0 <= self.size <= MAX_SIZE:
            raise FormatError("checkpoint: size is not an integer from 0 to 2^63 - 1")
        if type(self.root) is not bytes or len(self.root) != HASH_SIZE:
            raise FormatError(f"checkpoint: root is not {HASH_SIZE} bytes long")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise FormatError("checkpoint: size 0 with a root that is not the empty tree's")


def parse(text: bytes | str) -> Checkpoint:
    """Parse the text of a checkpoint note (not the note: see `open`); `FormatError` for any other spelling."""
    if isinstance(text, bytes):
        try:
            text = text.decode("ascii")
        except UnicodeDecodeError as error:
            raise FormatError("checkpoint: not ASCII") from error
    if len(text) > MAX_TEXT:
        raise FormatError(f"checkpoint: {len(text)} characters, limit {MAX_TEXT}")
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise FormatError("checkpoint: not exactly three lines")
    origin, size, root, _ = lines
    if not _SIZE.fullmatch(size):
        raise FormatError("checkpoint: size is not a decimal number in its only spelling")
    return Checkpoint(origin, int(size), note.decode_base64(root))


def format(checkpoint: Checkpoint) -> bytes:
    """The inverse of `parse`: the octets that are signed."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{note.encode_base64(checkpoint.root)}\n".encode()


def sign(checkpoint: Checkpoint, signer: note.NoteSigner) -> bytes:
    """The checkpoint as a note with one signature, by the log's key: its name must be the origin."""
    if signer.name != checkpoint.origin:
        raise SignatureError(f"checkpoint of {checkpoint.origin} cannot be signed by a key called {signer.name}")
    return note.sign(format(checkpoint), [signer])


def open(
    data: bytes,
    origin: str,
    verifiers: Iterable[note.NoteVerifier],
    witnesses: Iterable[note.NoteVerifier] = (),
) -> tuple[Checkpoint, note.Note]:
    """Open a checkpoint note of the log ``origin``: at least one of its ``verifiers`` must have signed.

    ``witnesses`` are keys whose signatures are checked too where they are there; how many it takes is the caller's
    policy. A witness never stands in for the log, whatever its key is called. Another origin is a `SignatureError`:
    a known key may have signed it, but not for this log.
    """
    keys = list(verifiers)
    opened = note.open(data, [*keys, *witnesses])
    checkpoint = parse(opened.text)
    if checkpoint.origin != origin:
        raise SignatureError(f"checkpoint is of {checkpoint.origin}, not of {origin}")
    own = {(key.name, key.key_id) for key in keys if key.name == origin}
    if not any((signature.name, signature.key_id) in own for signature in opened.verified):
        raise SignatureError(f"checkpoint: no signature by a known key of {origin}")
    return checkpoint, opened
