"""Randomness in small pieces from few system calls.

A system call for 16 bytes costs more than sealing a fact does. The pool is filled from the operating system's source
and each byte is handed out once; a forked child starts with an empty pool, or it would repeat its parent's salts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import Final

POOL: Final = 65_536


class Chance:
    """Call it with a number of bytes. Safe to share between threads; ``source`` is the system's own by default."""

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._lock = Lock()
        self._pool = b""
        self._used = 0
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

    def _forked(self) -> None:
        self._lock = Lock()
        self._pool = b""
        self._used = 0
