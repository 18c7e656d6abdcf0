"""A field that people read, written otherwise: the body is as it was, and yet it is not the message that was sent."""

from __future__ import annotations

import re
from typing import Final

from bench.survival import raw
from bench.survival.change import Copy

SENDER: Final = "somebody.else@example.com"
SUBJECT: Final = "Withdrawal of everything said before"
_YEAR = re.compile(rb"(?<= )(19|20)([0-9]{2})(?= )")


def sender(octets: bytes) -> Copy | None:
    return _set(octets, b"From", SENDER)


def subject(octets: bytes) -> Copy | None:
    return _set(octets, b"Subject", SUBJECT)


def date(octets: bytes) -> Copy | None:
    """Another year."""
    top = raw.read(octets)
    field = re.search(rb"^Date:[^\n]*", octets[: top.body], re.MULTILINE | re.IGNORECASE)
    year = _YEAR.search(octets, field.start(), field.end()) if field else None
    if year is None:
        return None
    other = b"1998" if year[0] != b"1998" else b"1999"
    return Copy(octets[: year.start()] + other + octets[year.end() :], (other.decode(),))


def _set(octets: bytes, name: bytes, value: str) -> Copy | None:
    top = raw.read(octets)
    if not top.fields.get(name.decode()):
        return None
    return Copy(raw.edited(octets, [raw.set_field(octets, top, name, value.encode())]), (value,))
