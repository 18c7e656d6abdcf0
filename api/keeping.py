"""Octets kept in memory because they are asked for again and never change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final


class Kept:
    """The values used last, ``limit`` octets of them at most. For one thread."""

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self.size = 0
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """The value, which counts as used now."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def put(self, key: Hashable, value: bytes) -> None:
        """Keep a value; those not used for longest go for it."""
        if key in self._values or len(value) > self.limit:
            return
        self._values[key] = value
        self.size += len(value)
        while self.size > self.limit:
            _, gone = self._values.popitem(last=False)
            self.size -= len(gone)
