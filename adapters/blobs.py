"""Blobs in a local directory: ``<log id>/ab/abcdef...``, files and directories for their owner alone.

A blob is written beside its place, synced, linked into it, and its directory synced (`ledger.durable`): it is there
whole, or not at all.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger import durable
from ledger.errors import Damaged, Unavailable

PIECE: Final = 1 << 18
"""Octets read at a time."""

_NAME: Final = re.compile(r"[0-9a-f]{32}").fullmatch
_UNFINISHED: Final = ".tmp"


class LocalBlobs:
    """`ledger.blobs.Blobs` of one log in a directory for those of all."""

    def __init__(self, directory: Path, log: str) -> None:
        self._directory = directory / log

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        path = self._path(name)
        with _explained("written"):
            durable.make_directory(path.parent)
            durable.create_from(path, pieces)

    def get(self, name: str) -> Iterator[bytes]:
        path = self._path(name)
        with _explained("read"):
            try:
                # Not blocking: what is there may be a pipe nobody writes to.
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            except FileNotFoundError:
                raise Damaged(f"the blob {name} is missing") from None
            try:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise Damaged(f"what lies in the place of the blob {name} is no file")
                while piece := os.read(file, PIECE):
                    yield piece
            finally:
                os.close(file)

    def delete(self, name: str) -> None:
        path = self._path(name)
        with _explained("deleted"):
            durable.remove(path)
            durable.remove(durable.beside(path, _UNFINISHED))

    def names(self) -> Iterator[tuple[str, float]]:
        now = time.time()
        with _explained("listed"):
            for one in self._directory.glob("??/*"):
                name = one.name.removesuffix(_UNFINISHED)
                if _NAME(name):
                    # Others delete, too.
                    with suppress(FileNotFoundError):
                        yield name, now - one.lstat().st_mtime

    def _path(self, name: str) -> Path:
        # Names come from the database too, and whoever writes there is not to choose what is read here.
        if not _NAME(name):
            raise Damaged("what should be the name of a blob is none")
        return self._directory / name[:2] / name


@contextmanager
def _explained(done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the vault cannot be {done}: {error.strerror or type(error).__name__}") from None
