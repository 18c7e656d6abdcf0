"""The two sides of a comparison: what is known of a message that was recorded, and the copy that was received."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from ledger import likeness, mime
from ledger import text as texts
from ledger.fingerprint import Fingerprint, Leaf, Octets, Relaxed, take
from ledger.headertext import read

HEADERS: Final = ("From", "To", "Cc", "Subject", "Date", "Message-ID")

BESIDE: Final = ("Sender", "Reply-To", "Resent-From")
"""Fields that no fingerprint tells of."""

_MOVED_TO: Final = (b"reply-to", b"x-original-from")


@dataclass(frozen=True, slots=True)
class Original:
    """What is known of a message that was recorded.

    ``headers`` has the first of each of `HEADERS`; of one too long to be kept ``hashes`` has the hash. ``unknown`` are
    those that were erased, ``repeated`` those known to stand there more than once. ``leaves`` are by the names they are
    sealed under; ``partial`` where they are not all. ``odd`` is in what programs read it differently (`odd`), None
    where that is not known; ``beside`` likewise its fields of `BESIDE`. ``texts`` are those of its text parts, by path;
    ``without`` says why there are none.
    """

    raw: Octets | None
    relaxed: Relaxed | None
    headers: Mapping[str, str]
    leaves: Mapping[str, Leaf]
    texts: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()
    partial: bool = False
    odd: Mapping[str, int] | None = None
    beside: Mapping[str, str] | None = None
    without: str = "the content was not kept"


@dataclass(frozen=True)
class Copy:
    """What was received: its normalised octets and their fingerprint. After ``limits.seconds`` nothing more of it is
    compared."""

    octets: bytes
    print: Fingerprint
    limits: mime.Limits
    clock: Callable[[], float]
    until: float

    @classmethod
    def of(cls, octets: bytes, limits: mime.Limits | None = None, clock: Callable[[], float] = time.monotonic) -> Copy:
        """FormatError as `fingerprint.take`."""
        limits = limits or mime.Limits()
        until = clock() + limits.seconds
        return cls(mime.normalise(octets), take(octets, limits, clock=clock), limits, clock, until)

    @cached_property
    def texts(self) -> dict[str, str]:
        """Those of its text parts, by path."""
        return read_texts(self.octets, self.limits)

    @property
    def beside(self) -> dict[str, str]:
        """Its fields of `BESIDE`."""
        return beside(self._header)

    def is_from(self, sender: str) -> bool:
        """Whether the addresses of its From, as a relay reads them, are among those of ``sender``, and there are any:
        an encoded word is no address."""
        shown = set(self._addresses(b"from"))
        return shown.issubset(likeness.addresses(sender)) and (bool(shown) or "@" not in sender)

    def is_by_list(self, sender: str) -> bool:
        """Whether a mailing list put its own address in From, and that of the ``sender`` where replies go."""
        # To Cc a list adds him that has its answers go to itself.
        fields = (*_MOVED_TO, b"cc") if b"list-id" in self._header.first else _MOVED_TO
        moved, his = {one for name in fields for one in self._addresses(name)}, likeness.addresses(sender)
        shown = self.print.header("From") or ""
        return likeness.is_via(sender, shown) and bool(his) and moved.issuperset(his)

    def _addresses(self, name: bytes) -> list[str]:
        return likeness.addresses(likeness.bare(self._header.first.get(name, b"")))

    @cached_property
    def _header(self) -> mime.Header:
        return mime.read_header(self.octets, 0, len(self.octets), self.limits)

    @property
    def late(self) -> bool:
        """Whether its time is over."""
        return self.clock() > self.until


def odd(taken: Fingerprint) -> Counter[str]:
    """In what programs read a message differently, and how often: the defects of its structure but for a last part
    without its end."""
    return Counter(one.code for one in taken.defects if one.code != "unclosed")


def beside(header: mime.Header) -> dict[str, str]:
    """The fields that show, or answer to, somebody beside the sender."""
    names = ((name, name.lower().encode()) for name in BESIDE)
    return {name: read(header.first[key]) for name, key in names if key in header.first}


def read_texts(octets: bytes, limits: mime.Limits) -> dict[str, str]:
    """The text of each text part, in its normal spelling, by path: of normalised octets that `take` could parse."""
    found: dict[str, str] = {}
    walk = mime.Walk(octets, limits)
    for part in walk.leaves(mime.read_header(octets, 0, len(octets), limits)):
        if part.reads:
            said = texts.read(mime.decode(part)[0], part.parameters.get("charset"), part.encoding, delsp=part.delsp)
            if said is not None:
                found[part.path] = said
    return found
