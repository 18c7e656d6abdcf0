"""The high-water mark: the largest state this machine has acknowledged, kept outside the database.

A database that is behind its mark, or has another root at the mark's size, was restored from a backup or tampered with;
to write to it would make two ledgers of one name. A mark's file holds a signed checkpoint. docs/format.md,
"High-water mark". The mark itself never goes backward, whoever writes it and however many do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger import canonical, checkpoint, durable, note
from ledger.checkpoint import Checkpoint
from ledger.errors import FormatError, RolledBack, SignatureError, StartRefused, Unavailable

FORMAT: Final = "postseal-mark/1"

MAX_BYTES: Final = 1 << 20

_LOG: Final = re.compile(r"[0-9a-f-]{36}")
_FIELDS: Final = {"checkpoint", "format", "log", "origin", "root", "size"}
_WAY_OUT: Final = (
    "way out: bring back the newest database, or let this one continue as a new origin that names the old one "
    '(docs/operating.md, "Backup and restore")'
)
_LOST: Final = (
    "compare the database with a checkpoint that somebody else holds, then set the mark anew "
    '(docs/operating.md, "High-water mark")'
)


@dataclass(frozen=True, slots=True)
class Mark:
    """``log`` is the log's id, ``note`` the signed checkpoint that says what ``checkpoint`` says."""

    log: str
    checkpoint: Checkpoint
    note: bytes

    def __post_init__(self) -> None:
        if not _LOG.fullmatch(self.log):
            raise FormatError("high-water mark: not the id of a log")
        if checkpoint.parse(note.parse(self.note)[0]) != self.checkpoint:
            raise FormatError("high-water mark: the note says something else")


def mark_path(data_dir: Path, log: str) -> Path:
    """Where the mark of a log lies."""
    if not _LOG.fullmatch(log):
        raise FormatError("high-water mark: not the id of a log")
    return data_dir / "marks" / f"{log}.json"


def parse(data: bytes) -> Mark:
    """The mark in a file's bytes; FormatError for any other spelling. No signature is checked."""
    if not data.endswith(b"\n"):
        raise FormatError("high-water mark: no final newline")
    value = canonical.loads(data[:-1], limit=MAX_BYTES)
    if not isinstance(value, dict) or set(value) != _FIELDS or value["format"] != FORMAT:
        raise FormatError(f"high-water mark: not a {FORMAT}")
    log, signed = value["log"], value["checkpoint"]
    if not isinstance(log, str) or not isinstance(signed, str):
        raise FormatError("high-water mark: log or checkpoint is not text")
    octets = signed.encode()
    mark = Mark(log, checkpoint.parse(note.parse(octets)[0]), octets)
    if format(mark) != data:
        raise FormatError("high-water mark: origin, size or root is not what the checkpoint says")
    return mark


def format(mark: Mark) -> bytes:
    """The inverse of `parse`."""
    return (
        canonical.dumps(
            {
                "checkpoint": mark.note.decode(),
                "format": FORMAT,
                "log": mark.log,
                "origin": mark.checkpoint.origin,
                "root": mark.checkpoint.root.hex(),
                "size": mark.checkpoint.size,
            }
        )
        + b"\n"
    )


def create(path: Path, mark: Mark) -> None:
    """The first mark, of a log that was just opened; or one that a person sets anew after the old one was lost."""
    try:
        with durable.locked(path):
            durable.create(path, format(mark))
    except FileExistsError:
        raise StartRefused(f"there is a high-water mark already, {path}: it is never replaced by a first one") from None
    except OSError as error:
        raise StartRefused(f"the high-water mark {path} cannot be written: {error.strerror or error}") from None


def read(path: Path, log: str, origin: str, verifiers: Iterable[note.NoteVerifier]) -> Mark:
    """The mark of this log. StartRefused when it is missing, damaged, of another log, or not signed by any of its keys:
    a mark that says nothing must not be taken for one that forbids nothing."""
    mark = _read(path, log)
    try:
        checkpoint.open(mark.note, origin, verifiers)
    except (FormatError, SignatureError) as error:
        raise StartRefused(f"the high-water mark {path} cannot be trusted: {error}; {_LOST}") from error
    return mark


def check_new(data_dir: Path, origin: str) -> None:
    """StartRefused where a mark says that a log of this origin has had entries: before one is opened in an empty
    database. The database may have been lost, or be another than the one meant; a second log of one name is a fork."""
    places = data_dir / "marks"
    try:
        files = sorted(file for file in places.iterdir() if file.suffix == ".json") if places.exists() else []
    except OSError as error:
        raise StartRefused(f"the high-water marks in {places} cannot be read: {error.strerror or error}") from None
    for file in files:
        marked = _read(file, file.stem).checkpoint
        if marked.origin == origin and marked.size > 0:
            raise RolledBack(
                f"the database is empty, but {marked.size} entries of {origin} were acknowledged "
                f"({file}): another database, or a lost one; {_WAY_OUT}"
            )


def advance(path: Path, mark: Mark, root_at: Callable[[int], bytes]) -> Mark:
    """Raise the mark to ``mark`` unless it is there or above already. Returns what it is afterwards.

    ``root_at`` gives the root that the log had at a size. RolledBack, with the mark left as it is, when the log is not
    a continuation of what was marked before. Durable when it returns; Unavailable when that cannot be.
    """
    try:
        with durable.locked(path):
            old = _read(path, mark.log)
            if old.checkpoint.origin != mark.checkpoint.origin:
                raise StartRefused(f"the high-water mark {path} is of {old.checkpoint.origin}, another origin")
            if mark.checkpoint.size < old.checkpoint.size:
                return old
            check(old, mark.checkpoint.size, root_at)
            if mark.checkpoint.size == old.checkpoint.size:
                if mark.checkpoint.root != old.checkpoint.root:
                    raise _forked(old)
                return old
            durable.replace(path, format(mark))
            return mark
    except OSError as error:
        raise Unavailable(f"the high-water mark {path} cannot be raised: {error.strerror or error}") from None


def check(mark: Mark, size: int, root_at: Callable[[int], bytes]) -> None:
    """RolledBack unless a database with ``size`` entries holds all that was marked. Asks for the root at the mark's
    size only where the database reaches it."""
    marked = mark.checkpoint
    if size < marked.size:
        raise RolledBack(
            f"the database holds {size} entries of {marked.origin}, but {marked.size} were acknowledged: "
            f"it is an older copy; {_WAY_OUT}"
        )
    if root_at(marked.size) != marked.root:
        raise _forked(mark)


def _forked(mark: Mark) -> RolledBack:
    marked = mark.checkpoint
    return RolledBack(
        f"the first {marked.size} entries in the database are not those of {marked.origin} that were acknowledged: "
        f"it is forked; {_WAY_OUT}"
    )


def _read(path: Path, log: str) -> Mark:
    try:
        mark = parse(durable.read(path, MAX_BYTES)[0])
    except FileNotFoundError:
        raise StartRefused(f"the high-water mark {path} is missing; {_LOST}") from None
    except FormatError as error:
        raise StartRefused(f"the high-water mark {path} is damaged: {error}; {_LOST}") from error
    except OSError as error:
        raise StartRefused(f"the high-water mark {path} cannot be read: {error.strerror or error}") from None
    if mark.log != log:
        raise StartRefused(f"the high-water mark {path} is of another log; {_LOST}")
    return mark
