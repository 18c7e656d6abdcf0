"""Opening the ledger that the settings name to read it. It must be there, and to look at it writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from adapters.blobs import LocalBlobs
from api import settings
from api.settings import Settings
from cli.exits import UNAVAILABLE, USAGE, Stop
from ledger import mark, store
from ledger.errors import FormatError
from ledger.keys import KeyRing, MasterKey, ring_path
from ledger.reading import Reading
from ledger.store.engine import read_only, sqlite_path
from ledger.store.read import Reader


@contextmanager
def open_reading() -> Iterator[Reading]:
    """The ledger with what is sealed in it."""
    here = settings.from_environment()
    with open_reader(here) as reader:
        reading = Reading.over(reader, here.data_dir, MasterKey.load(here.master_key_file), os.urandom)
        reading.blobs = LocalBlobs(here.blobs_dir, reading.id)
        yield reading


@contextmanager
def open_reader(here: Settings) -> Iterator[Reader]:
    """The entries alone: no secret is needed to read them."""
    path = sqlite_path(here.database_url)
    if path is not None and (not path.exists() or path.stat().st_size == 0):  # to look would create it
        raise _no_ledger(here, f"{path} is not there")
    frozen = None if path is None else _frozen(path)
    with closing(store.open_reader(here.database_url)) as reader:
        head = None if store.is_empty(reader) else reader.find_head()
        if head is None:
            raise _no_ledger(here, "the database is empty")
        if head.origin != here.origin:
            raise Stop(UNAVAILABLE, f"this database holds the log {head.origin}, not {here.origin} (POSTSEAL_ORIGIN)")
        yield reader
    if path is not None and frozen is not None and frozen != _frozen(path):
        raise Stop(UNAVAILABLE, f"{path} was written to meanwhile; who may not write there can read it only at rest")


def find_keys(here: Settings, reader: Reader) -> KeyRing | None:
    """The log's key ring, where this machine has it; who audits a copy of the database has none."""
    log = reader.head().log
    path = ring_path(here.data_dir, log)
    if not path.exists() or not here.master_key_file.exists():
        return None
    return KeyRing.load(path, MasterKey.load(here.master_key_file), log, os.urandom)


def _frozen(path: Path) -> tuple[int, ...] | None:
    """What changes with an SQLite file that is read as if nobody could write to it; None where that is not so."""
    uri = read_only(path)
    if uri is None or "immutable" not in uri:
        return None
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _no_ledger(here: Settings, found: str) -> Stop:
    """There is none yet; or there was one, and its key ring and high-water mark outlived it."""
    left, acknowledged = _left_behind(here)
    if not left:
        return Stop(USAGE, f"there is no ledger yet ({found}); `postseal record` begins one")
    count = f" of {acknowledged:,} entries" if acknowledged else ""
    return Stop(
        UNAVAILABLE,
        f"{found}, but {' and '.join(left)} of a ledger{count} {'are' if left[1:] else 'is'} here: restore the newest "
        'backup of its database, or set POSTSEAL_DATABASE_URL right (docs/operating.md, "Backup and restore")',
    )


def _left_behind(here: Settings) -> tuple[list[str], int]:
    """What lies in the data directory of a log that had entries and this origin, and how many those were at least."""
    sizes: dict[str, int] = {}
    others = set()
    for file in (here.data_dir / "marks").glob("*.json"):
        try:
            marked = mark.parse(file.read_bytes()).checkpoint
        except (OSError, FormatError):
            sizes[file.stem] = 0
            continue
        # One of no entry is what a first start leaves that was interrupted.
        if marked.origin == here.origin and marked.size:
            sizes[file.stem] = marked.size
        else:
            others.add(file.stem)
    ring = any(file.stem not in others for file in (here.data_dir / "keys").glob("*.ring"))
    left = [*(["the key ring"] if ring else []), *(["the high-water mark"] if sizes else [])]
    return left, max(sizes.values(), default=0)
