"""Python's email package, by which countless scripts and services rewrite mail: one independent hand among several."""

from __future__ import annotations

import email
import email.policy
import platform
from typing import cast

from bench.survival.change import Change, Copy

# Everything that a message can raise there, which is no news: such a message is left out of the row.
_REFUSED = (ValueError, LookupError, TypeError, AttributeError, IndexError, RecursionError, AssertionError)


def changes() -> list[Change]:
    hand = f"Python {platform.python_version()} email"
    return [
        Change("boundaries", f"{hand}, parsed and written", written),
        Change("refolded", f"{hand}, all headers anew", refolded),
        Change("utf-8", f"{hand}, set_content", to_utf_8),
    ]


def written(octets: bytes) -> Copy | None:
    """With the old policy, as most programs still do."""
    try:
        changed = email.message_from_bytes(octets).as_bytes()
    except _REFUSED:
        return None
    return Copy(changed) if changed.replace(b"\r\n", b"\n") != octets.replace(b"\r\n", b"\n") else None


def refolded(octets: bytes) -> Copy | None:
    try:
        return Copy(email.message_from_bytes(octets, policy=email.policy.SMTP.clone(refold_source="all")).as_bytes())
    except _REFUSED:
        return None


def to_utf_8(octets: bytes) -> Copy | None:
    """Every text decoded and set again: the package chooses the transfer encoding."""
    try:
        message = email.message_from_bytes(octets, policy=email.policy.SMTP)
        done = False
        for part in message.walk():
            if part.get_filename() or part.is_attachment():
                continue
            if part.get_content_type() not in ("text/plain", "text/html") or part.get_content_charset() == "utf-8":
                continue
            raw = cast("bytes", part.get_payload(decode=True))
            text = raw.decode(part.get_content_charset() or "ascii")
            if not text.isascii():
                part.set_content(text, subtype=part.get_content_subtype(), charset="utf-8")
                done = True
        return Copy(message.as_bytes()) if done else None
    except _REFUSED:
        return None
