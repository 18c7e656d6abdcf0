"""The files of certificates in the vault: kept like content, one blob each, found by number.

What a certificate shows decides whose erasure destroys it: for one recipient he and the sender are on it, for the whole
message anybody may be. docs/format.md, "Blobs".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ledger import blobs
from ledger.blobs import NAME_SIZE, Blob, Blobs
from ledger.vault import HEADER, KEY_SIZE, RECIPIENT

PART: Final = "certificate."
"""Begins the name of the part of a message that a certificate of it is kept as; its number follows."""

_SUBJECT: Final = re.compile(rf"(?:{HEADER}|{RECIPIENT}[1-9][0-9]{{0,4}})").fullmatch


def subject_of(message: str, recipient: str | None) -> str:
    """The subject of the data key that a certificate's own key is wrapped under; ``recipient`` is ``r1`` ..."""
    return message + (HEADER if recipient is None else f":{recipient}")


def is_subject(subject: str, message: str) -> bool:
    """Whether certificates of this message are kept under that data key."""
    return subject.startswith(message) and _SUBJECT(subject.removeprefix(message)) is not None


def keep(
    store: Blobs,
    log: str,
    message: str,
    number: str,
    recipient: str | None,
    octets: bytes,
    random: Callable[[int], bytes],
) -> Blob:
    """Put a certificate, before the entry that says so is written. Durable when this returns. Unavailable."""
    made = Blob(
        part=PART + number,
        name=random(NAME_SIZE).hex(),
        subject=subject_of(message, recipient),
        size=len(octets),
        small=0,
        key=random(KEY_SIZE),
    )
    store.put(made.name, blobs.encrypt(made, log, message, [octets]))
    return made


def read(store: Blobs, log: str, message: str, blob: Blob) -> bytes:
    """The inverse. Damaged, Unavailable."""
    return b"".join(blobs.decrypt(blob, log, message, store.get(blob.name)))
