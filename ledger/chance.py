"""Randomness in small pieces from few system calls.

A system call for 16 bytes costs more than sealing a fact does. The pools are filled from the operating system's source
and each byte is handed out once; a forked child starts with empty pools, or it would repeat its parent's salts.
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from collections.abc import Callable
from threading import Lock
from typing import Final

POOL: Final = 65_536
SALTS: Final = 1024

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")


class Chance:
    """Call it with a number of bytes. Safe to share between threads; ``source`` is the system's own by default."""

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._lock = Lock()
        self._pool = b""
        self._used = 0
        self._salts: list[bytes] = []
        os.register_at_fork(after_in_child=self._forked)

    def __call__(self, size: int) -> bytes:
        if size > POOL:
            return self._source(size)
        with self._lock:
            start = self._used
            end = start + size
            if end > len(self._pool):
                self._pool = self._source(POOL)
                start, end = 0, size
            self._used = end
            return self._pool[start:end]

    def salt(self) -> bytes:
        """16 random bytes as a disclosure spells them: 22 characters of unpadded base64url."""
        try:
            return self._salts.pop()
        except IndexError:
            # Two threads may both get here; each then brings salts of its own.
            salts = self._make_salts()
            self._salts += salts[1:]
            return salts[0]

    def _make_salts(self) -> list[bytes]:
        # 16 bytes and two zeros are 24 characters, of which the first 22 are what the 16 alone would be.
        random = self._source(16 * SALTS)
        spaced = bytearray(18 * SALTS)
        for place in range(16):
            spaced[place::18] = random[place::16]
        text = b2a_base64(spaced, newline=False).translate(_TO_URL)
        return [text[at : at + 22] for at in range(0, len(text), 24)]

    def _forked(self) -> None:
        self._lock = Lock()
        self._pool = b""
        self._used = 0
        self._salts = []
