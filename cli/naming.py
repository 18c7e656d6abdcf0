"""How a person names things on a command line: recipients by number or address, instants with any offset, values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.exits import USAGE, Stop
from ledger import envelope
from ledger.reading import Reading


def recipient_of(reading: Reading, message: str, said: str) -> str:
    """``r1`` ... for a number or an address of this message's recipients."""
    if "@" not in said:
        return said
    wanted = envelope.comparable(said)
    for opening in reading.recipients(message):
        if envelope.comparable(opening.address) == wanted:
            return opening.recipient
    raise Stop(USAGE, "no recipient of this message has that address, or it was erased")


def instant(said: str) -> str:
    """A ledger's time for an instant in ISO 8601 that says its offset."""
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        raise Stop(USAGE, "an instant is written like 2026-11-23T14:03:11Z or 2026-11-23T15:03:11+01:00") from None
    if read.tzinfo is None:
        raise Stop(USAGE, "an instant without its offset from UTC could be any of two dozen; end it with Z or +01:00")
    return read.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def pairs(option: str, said: Sequence[str] | None) -> list[tuple[str, str]]:
    """``name=value`` of an option that may be repeated."""
    found = []
    for one in said or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise Stop(USAGE, f"{option} is written name=value")
        found.append((name, value))
    return found


def typed(said: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Facts in the type they have: numbers and truth values are not text."""
    words: dict[str, Any] = {"true": True, "false": False}
    return {
        name: words[value] if value in words else int(value) if value.isascii() and value.isdigit() else value
        for name, value in said
    }
