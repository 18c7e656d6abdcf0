"""Files that are put in place whole and survive a power cut: key files, high-water marks, blobs.

A change is written to a file beside the target, synced, renamed over it, and the directory synced: whoever reads sees
the old file or the new one, never a part. Whoever dies on the way leaves at most one ``.tmp``, which nobody reads and
the next change removes. Changes are made under `locked`; readers need no lock.

What the operating system refuses leaves here as `OSError`, for the caller to say what it means.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size and time of change: different for any two contents that `replace` put in place."""

_PRIVATE: Final = 0o600


def beside(path: Path, suffix: str) -> Path:
    """The file that goes with another: ``x.ring`` and ``.lock`` make ``x.ring.lock``."""
    return path.with_name(path.name + suffix)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the right to change ``path``, against other processes and other threads; waits for it. Not reentrant.

    The lock is on a file of its own, because the target is another file after every change. That file stays: removing
    it would give two processes a lock each.
    """
    make_directory(path.parent)
    lock = os.open(beside(path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)  # releases it, as the end of the process would


def identity(path: Path) -> Identity:
    """What tells one content of ``path`` from the next; FileNotFoundError when there is none."""
    return _identity(os.stat(path))  # noqa: PTH116 - asked before every use of a secret, and pathlib is slower


def read(path: Path, limit: int, *, private: bool = False) -> tuple[bytes, Identity]:
    """The whole file and its identity. PermissionError when ``private`` and anyone but its owner may open it."""
    # Not blocking: what is there may be a pipe nobody writes to.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a file")
        if private and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise PermissionError(f"it is open to others than its owner (mode {mode:04o}, not 0600)")
        if private and status.st_uid not in {os.geteuid(), 0}:
            raise PermissionError(f"it belongs to another user (uid {status.st_uid})")
        data = b""
        while len(data) <= limit and (more := os.read(file, limit + 1 - len(data))):
            data += more
        if len(data) > limit:
            raise OSError(f"it is larger than {limit} bytes")
        return data, _identity(status)
    finally:
        os.close(file)


def create(path: Path, data: bytes) -> None:
    """Put a first file in place, mode 0600, under `locked`. FileExistsError when there is one, whoever made it."""
    create_from(path, [data])


def create_from(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """The same of a file that comes in pieces. Who makes up a name that nobody else has needs no lock."""
    temporary = _write(path, pieces, None)
    # A link, unlike a rename, never replaces; and unlike O_EXCL on the name itself it never shows half a file.
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Put a new content in the place of an old one, mode 0600, under `locked`. Durable when it returns."""
    temporary = _write(path, [data], path.stat().st_mtime_ns)
    temporary.rename(path)
    # If we die here the rename may come undone in a power cut, but nobody was told that it happened.
    _sync_directory(path.parent)


def _write(path: Path, pieces: Iterable[bytes | memoryview], after: int | None) -> Path:
    """A synced file beside ``path``. Its time of change is later than ``after``, so that `identity` differs even where
    clocks tick slowly and the inode of the file before last is used again."""
    temporary = beside(path, ".tmp")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(temporary, flags, _PRIVATE)
    try:
        for data in pieces:
            written = 0
            while written < len(data):
                written += os.write(file, data[written:])
        os.fchmod(file, _PRIVATE)  # whatever the umask took away
        if after is not None:
            changed = max(os.fstat(file).st_mtime_ns, after + 1)
            os.utime(file, ns=(changed, changed))
        os.fsync(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    return temporary


def make_directory(path: Path) -> None:
    """Create what is missing of ``path``, each directory for its owner alone and synced into the one above."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir(mode=0o700, exist_ok=True)
        _sync_directory(place.parent)


def remove(path: Path) -> None:
    """Take a file away for good; nothing happens where there is none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
