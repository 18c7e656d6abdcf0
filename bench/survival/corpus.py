"""The messages of a corpus, and which of them are one and the same."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.survival import raw
from bench.survival.change import crlf
from bench.survival.raw import Untouchable
from cli import sources

SEED: Final = 20261123
ONE_IN: Final = 20
"""One message of so many is never recorded: it must not be taken for another."""

_BLANK = re.compile(r"\s+")
_FIELD: Final = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")
_READ: Final = ("from", "to", "cc", "subject", "date", "message-id")


@dataclass(frozen=True, slots=True)
class Original:
    """A message with CRLF line ends.

    ``all``: what it shares with messages that cannot be told from it: all octets, or the body with the fields that
    people read. ``same``: that, and Message-ID with text. ``identifier``: its Message-ID. ``fields``: From, To, Subject
    and Date. ``sent``: whether it has what every mail has that was sent: From, Date and Message-ID, once each, in a
    header of nothing but fields.
    """

    label: str
    octets: bytes
    all: frozenset[str]
    same: frozenset[str]
    identifier: str | None
    fields: str
    sent: bool

    def twin(self, other: Original) -> bool:
        """Whether both have one Message-ID, or one of them none and all else that names a mail is equal: as the test
        data of mail software has them, made from one another."""
        if self.identifier and other.identifier:
            return self.identifier == other.identifier
        return self.fields == other.fields


@dataclass(frozen=True, slots=True)
class Corpus:
    """In a random but fixed order, so that the first of them are of all sources."""

    recorded: Sequence[Original]
    strangers: Sequence[Original]


def load(paths: Sequence[Path], say: Callable[[str], None]) -> Corpus:
    """Every message that can be read; what cannot is said. Exact duplicates count once."""
    found: dict[bytes, Original] = {}
    problems = 0
    reading = sources.read(sources.find(paths), "rd", lambda _: None, lambda _: None)
    for one in reading:
        if one.problem:
            problems += 1
            continue
        octets = crlf(one.octets)
        digest = hashlib.sha256(octets).digest()
        if digest not in found:
            found[digest] = _original(one.label, octets, digest)
    if problems:
        say(f"{problems} files or messages could not be read")
    order = sorted(found)
    random.Random(SEED).shuffle(order)
    messages = [found[digest] for digest in order]
    known: set[str] = set()
    recorded, strangers = [], []
    for at, message in enumerate(messages):
        if at % ONE_IN == ONE_IN - 1:
            strangers.append(message)
        else:
            recorded.append(message)
            known |= message.same | {message.identifier or "", message.fields}
    return Corpus(recorded, [one for one in strangers if not (one.same | {one.identifier or one.fields}) & known])


def _original(label: str, octets: bytes, digest: bytes) -> Original:
    top = raw.read(octets)
    fields = [_BLANK.sub(" ", str(top.fields.get(name, ""))).strip() for name in _READ]
    body = hashlib.sha256(octets[top.body :].rstrip(b"\r\n")).hexdigest()
    whole = frozenset((digest.hex(), " ".join([*fields, body])))
    identifier = _BLANK.sub("", str(top.fields.get("message-id", ""))) or None
    said = _text(octets)
    with_text = {f"{identifier} {hashlib.sha256(said).hexdigest()}"} if identifier and said else set()
    named = " ".join(_BLANK.sub(" ", str(top.fields.get(name, ""))) for name in ("from", "to", "subject", "date"))
    return Original(label, octets, whole, whole | with_text, identifier, named, _was_sent(octets))


def _was_sent(octets: bytes) -> bool:
    header = octets.partition(b"\r\n\r\n")[0]
    lines = header.removeprefix(b">").split(b"\r\n")
    lines = lines[1:] if lines[0].startswith(b"From ") else lines
    if not all(_FIELD.match(line) for line in lines):
        return False
    names = [line.partition(b":")[0].strip().lower() for line in lines if line[:1] not in (b" ", b"\t")]
    return all(names.count(name) == 1 for name in (b"from", b"date", b"message-id"))


def _text(octets: bytes) -> bytes:
    texts = []
    for part in raw.inline_texts(octets):
        try:
            texts.append(raw.decoded(octets, part))
        except Untouchable:
            texts.append(octets[part.body : part.end])
    return b" ".join(b" ".join(texts).split())
