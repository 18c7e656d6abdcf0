"""Identifiers and instants: UUIDv7 (RFC 9562 section 5.7) and the ledger's one spelling of time.

Ids are ordered in time because random index keys cost a B-tree three times as much as ascending ones.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)


def uuid7(micros: int, random: bytes) -> str:
    """An id for the instant ``micros`` (microseconds since 1970, UTC) with 10 random bytes.

    The millisecond stands in the first 48 bits; the microsecond within it in 10 of the 12 bits that follow, so that ids
    of one process stay ordered below a millisecond.
    """
    millis, rest = divmod(micros, 1000)
    time, tail = f"{millis:012x}", random[2:9].hex()
    sub = (rest << 2) | (random[0] & 3)
    return f"{time[:8]}-{time[8:]}-7{sub:03x}-{(random[1] & 0x3F) | 0x80:02x}{tail[:2]}-{tail[2:]}"


def format_time(micros: int) -> str:
    """``YYYY-MM-DDTHH:MM:SS.ffffffZ`` for microseconds since 1970, UTC."""
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(time: str) -> int:
    """Microseconds since 1970 for a time whose spelling `ledger.entry.check_time` accepts."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MICRO
