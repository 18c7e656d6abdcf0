"""A change in transit and the copy that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copy:
    """A message after the change. ``named``: what the answer must name as different, such as the file removed."""

    octets: bytes
    named: tuple[str, ...] = ()


Apply = Callable[[bytes], Copy | None]
"""From a message with CRLF line ends to its copy; None where there is nothing that the change could be made to."""


@dataclass(frozen=True, slots=True)
class Change:
    """``kind`` is a key of `bench.survival.expected.EXPECTED`."""

    kind: str
    hand: str
    apply: Apply


class Missing(Exception):
    """A hand that is not on this machine; the text says which, and what is left without it."""


def crlf(octets: bytes) -> bytes:
    """As a message goes over the wire; lone CRs are left as they are."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def lf(octets: bytes) -> bytes:
    """As mail programs on Unix hand a message on."""
    return octets.replace(b"\r\n", b"\n")
