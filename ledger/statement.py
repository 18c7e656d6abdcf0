"""Replay statements: an auditor's signed word that he replayed a whole log and every rule held.

    postseal-replay/1
    example.com/log
    1024
    base64 of the root hash
    1
    passed

A line each: the format; origin, size and root of the log; the version of the rules (docs/format.md, "Rules of a
replay"); the outcome. There is no word but ``passed``: a replay that failed is reported, not signed. The text is signed
as a C2SP note by a key of the auditor's own, whose name is his. What it proves is as good as the auditor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger import checkpoint, note
from ledger.checkpoint import Checkpoint
from ledger.errors import FormatError

FORMAT: Final = "postseal-replay/1"

_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Statement:
    """The first ``size`` entries of the log ``origin``, under ``root``, passed a replay by these rules."""

    origin: str
    size: int
    root: bytes
    rules_version: int

    @property
    def checkpoint(self) -> Checkpoint:
        """What was replayed, as the log's own checkpoint would say it."""
        return Checkpoint(self.origin, self.size, self.root)


def format(origin: str, size: int, root: bytes, rules_version: int) -> bytes:
    """The text that is signed; the inverse of `parse`. An empty log cannot have passed: it has no entry 0."""
    if type(rules_version) is not int or not _VERSION.fullmatch(str(rules_version)):
        raise FormatError("replay statement: the rules version is not a number from 1 to 999999999")
    replayed = checkpoint.format(Checkpoint(origin, size, root)).decode()
    if size == 0:
        raise FormatError("replay statement: of an empty log")
    return f"{FORMAT}\n{replayed}{rules_version}\npassed\n".encode()


def parse(text: bytes) -> Statement:
    """Parse the text of a statement (not the note: see `open`); `FormatError` for any other spelling."""
    first, _, rest = text.partition(b"\n")
    if first != FORMAT.encode():
        raise FormatError(f"replay statement: its first line is not {FORMAT}")
    lines = rest.split(b"\n")
    if len(lines) != 6 or lines[4:] != [b"passed", b""]:
        raise FormatError("replay statement: not exactly six lines that end with passed")
    replayed = checkpoint.parse(b"\n".join([*lines[:3], b""]))
    if not re.fullmatch(rb"[1-9][0-9]{0,8}", lines[3]):
        raise FormatError("replay statement: the rules version is not a number from 1 to 999999999")
    if replayed.size == 0:
        raise FormatError("replay statement: of an empty log")
    return Statement(replayed.origin, replayed.size, replayed.root, int(lines[3]))


def sign(text: bytes, signer: note.NoteSigner) -> bytes:
    """The statement as a note with one signature. FormatError where ``text`` is no statement."""
    parse(text)
    return note.sign(text, [signer])


def open(data: bytes, auditors: Iterable[note.NoteVerifier]) -> Statement:
    """The statement of a note that at least one of ``auditors`` signed; SignatureError otherwise."""
    return parse(note.open(data, auditors).text)
