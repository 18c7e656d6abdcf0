"""A file taken out of a message, or another put in its place under its name."""

from __future__ import annotations

from typing import Final

from bench.survival import raw
from bench.survival.change import Copy
from bench.survival.raw import Part

OTHER: Final = b"%PDF-1.4\n% Not the file that was sent.\n" + bytes(range(256)) * 8


def removed(octets: bytes) -> Copy | None:
    """The delimiter before it goes with it. Never the only part of a multipart, which would be left without any."""
    victim = _middle([part for part in _files(octets) if _siblings(octets, part) > 1])
    if victim is None:
        return None
    return Copy(octets[: victim.opening] + octets[victim.end + 2 :], named(victim))


def replaced(octets: bytes) -> Copy | None:
    victim = _middle(_files(octets))
    if victim is None:
        return None
    return Copy(raw.edited(octets, raw.recode(octets, victim, OTHER, "base64")), named(victim))


def named(part: Part) -> tuple[str, ...]:
    """What the answer must call the file: by its name, or by its type where it has none."""
    return (part.name or part.type,)


def _files(octets: bytes) -> list[Part]:
    """Signatures are no files that anybody sent, and a part that is empty cannot be missed."""
    return [
        part
        for part in raw.attachments(octets)
        if part.end > part.body and "signature" not in part.type and not part.type.startswith("message/")
    ]


def _siblings(octets: bytes, part: Part) -> int:
    return next(
        (len(one.parts) for one in raw.read(octets).walk() if any(p.opening == part.opening for p in one.parts)), 0
    )


def _middle(parts: list[Part]) -> Part | None:
    return parts[len(parts) // 2] if parts else None
