"""The same text in another transfer encoding, or another character set."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bench.survival import raw
from bench.survival.change import Copy
from bench.survival.raw import Edit, Part, Untouchable

_CHARSET = re.compile(rb"(charset[ \t]*=[ \t]*)(\"[^\"\r\n]*\"|[^;\s]+)", re.IGNORECASE)


def to_base64(octets: bytes) -> Copy | None:
    return _reencode(octets, "base64")


def to_quoted_printable(octets: bytes) -> Copy | None:
    return _reencode(octets, "quoted-printable")


def _reencode(octets: bytes, encoding: str) -> Copy | None:
    edits: list[Edit] = []
    for part in raw.inline_texts(octets):
        if part.encoding == encoding or part.body == part.end:
            continue
        try:
            content = raw.decoded(octets, part)
        except Untouchable:
            continue
        # Quoted-printable has one line end; text that holds bare LFs or CRs inside base64 would come out as another.
        if encoding == "quoted-printable" and re.search(rb"(?<!\r)\n|\r(?!\n)", content):
            continue
        edits += raw.recode(octets, part, content, encoding)
    return Copy(raw.edited(octets, edits)) if edits else None


def to_utf_8(octets: bytes) -> Copy | None:
    """Texts in another character set, where they hold anything that is written otherwise in UTF-8."""
    edits: list[Edit] = []
    for part in raw.inline_texts(octets):
        try:
            edits += _converted(octets, part)
        except (Untouchable, UnicodeError, LookupError):
            continue
    return Copy(raw.edited(octets, edits)) if edits else None


def _converted(octets: bytes, part: Part) -> Iterable[Edit]:
    content = raw.decoded(octets, part)
    changed = content.decode(part.charset).encode()
    found = _CHARSET.search(octets, part.start, part.body)
    if changed == content or found is None:
        return []
    charset = found.start(2), found.end(2), b"utf-8"
    encoding = "8bit" if part.encoding in ("7bit", "") else part.encoding
    return [charset, *raw.recode(octets, part, changed, encoding)]
