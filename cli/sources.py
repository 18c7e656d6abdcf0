"""Where messages to record come from: .eml files, mbox files, Maildirs, directories of them, standard input.

Whatever cannot be used is said, with its reason, and never stops the rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cli import mbox
from ledger import mime

LIMIT: Final = mime.Limits().size
STDIN: Final = Path("-")
MESSAGES: Final = frozenset({".eml"})
MAILBOXES: Final = frozenset({".mbox", ".mbx"})


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read. ``named``: by the caller himself, so that nothing of it is passed over in silence."""

    path: Path
    size: int
    named: bool
    maildir: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One message, or why there is none. ``label`` is its path, with ``#3`` for the third of an mbox."""

    label: str
    octets: bytes = b""
    problem: str = ""


def find(paths: Iterable[Path]) -> Iterator[Source | Found]:
    """Every file under ``paths``, each once; a `Found` with its problem for what cannot be looked at."""
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path == STDIN:
            yield Source(path, 0, True)
            continue
        yield from _walk(path, seen)


def _walk(path: Path, seen: set[tuple[int, int]]) -> Iterator[Source | Found]:
    try:
        status = path.stat()
    except OSError as error:
        yield Found(str(path), problem=error.strerror or "cannot be looked at")
        return
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    if path.is_file():
        yield Source(path, status.st_size, True)
    elif path.is_dir():
        yield from _directory(path, seen)
    else:
        yield Found(str(path), problem="neither a file nor a directory")


def _directory(top: Path, seen: set[tuple[int, int]]) -> Iterator[Source | Found]:
    problems: list[OSError] = []
    # Links to directories are not followed: they may lead in a circle, or out of what was named.
    for name, folders, files in os.walk(top, onerror=problems.append):
        folder = Path(name)
        folders.sort()
        maildir = {"cur", "new"} <= set(folders)
        if maildir and "tmp" in folders:
            folders.remove("tmp")  # half-delivered
        inside = folder.name in ("cur", "new") and (folder.parent / "cur").is_dir() and (folder.parent / "new").is_dir()
        for one in sorted(files):
            path = folder / one
            try:
                status = path.stat()
            except OSError as error:
                yield Found(str(path), problem=error.strerror or "cannot be looked at")
                continue
            if path.is_file() and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield Source(path, status.st_size, False, inside)
    for problem in problems:
        yield Found(str(problem.filename), problem=problem.strerror or "cannot be read")


def read(
    sources: Iterable[Source | Found],
    quoting: mbox.Quoting,
    skipped: Callable[[Path], None],
    progress: Callable[[int], None],
) -> Iterator[Found]:
    """Every message of every source, in order. ``skipped`` hears of files that are no mail; ``progress`` of octets."""
    for source in sources:
        if isinstance(source, Found):
            yield source
            continue
        try:
            if source.path == STDIN:
                yield from _one("-", sys.stdin.buffer)
            else:
                with source.path.open("rb") as file:
                    yield from _messages(source, file, quoting, skipped, progress)
        except OSError as error:
            yield Found(str(source.path), problem=error.strerror or "cannot be read")


def _messages(
    source: Source,
    file: BinaryIO,
    quoting: mbox.Quoting,
    skipped: Callable[[Path], None],
    progress: Callable[[int], None],
) -> Iterator[Found]:
    label, suffix = str(source.path), source.path.suffix.lower()
    head = file.read(5)
    file.seek(0)
    told = 0
    if source.maildir or suffix in MESSAGES:
        yield from _one(label, file)
    elif mbox.is_mbox(head):
        for number, octets in enumerate(mbox.split(file, LIMIT, quoting), 1):
            progress(file.tell() - told)
            told = file.tell()
            yield _found(f"{label}#{number}", octets)
    elif suffix in MAILBOXES:
        if head:
            yield Found(label, problem="not an mbox: it does not begin with a From line")
    elif source.named:
        yield from _one(label, file)
    else:
        skipped(source.path)
    progress(source.size - told)


def _one(label: str, file: BinaryIO) -> Iterator[Found]:
    octets = file.read(LIMIT + 1)
    if octets.startswith(b"From ") and b"\n" in octets:
        # A message saved with its separator; that line was never part of it.
        octets = octets[octets.index(b"\n") + 1 :]
    yield _found(label, octets if len(octets) <= LIMIT else None)


def _found(label: str, octets: bytes | None) -> Found:
    if octets is None:
        return Found(label, problem=f"larger than {LIMIT // 1_000_000} MB")
    return Found(label, octets) if octets else Found(label, problem="empty")
