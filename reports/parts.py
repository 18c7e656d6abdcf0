"""What of a message goes into a package as it is: the message itself and its files, as far as the evidence discloses
the hashes of their octets."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET

from ledger.canonical import Json
from ledger.case import Case, SealedRaw
from ledger.errors import ProofError
from ledger.fingerprint import HASHLIB, Second
from ledger.spelling import ordinal

FOLDER: Final = "data/content/"
MESSAGE: Final = "message.eml"

LONGEST: Final = 100
"""Characters of a file's name; what ends it, such as ``.pdf``, is kept."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.-]+")
_ENDING: Final = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """Octets that were read to their end. ``second`` is by the algorithm that was asked for."""

    size: int
    crc: int
    sha256: str
    sha512: str
    second: Second | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The message (``raw``) or a file (``f1``), the place of its octets in a package, and their digests. ``name`` is
    the sender's own word."""

    fact: str
    place: str
    sha256: str
    size: int
    second: Second | None
    name: str | None = None

    def check(self, found: Measured) -> None:
        """ProofError unless these are the octets, by every digest of them."""
        if (found.sha256, found.size, found.second) != (self.sha256, self.size, self.second):
            raise ProofError(f"{self.place} is not what the evidence discloses as {self.fact}")


def parts_of(said: Case) -> dict[str, Part]:
    """The parts that evidence discloses, by the place of each in a package. A claim on one file has that alone, one on
    a recipient not the message, whose header names others."""
    sealed = {name: value for item in said.recording for name, value in item.disclosed.items()}
    found: list[Part | None] = []
    if said.raw is not None and said.claim.recipient is UNSET and said.claim.file is UNSET:
        found.append(_part("raw", FOLDER + MESSAGE, said.raw, sealed["raw"]))
    for fact, file in sorted(said.files.items(), key=lambda one: ordinal(one[0])):
        if said.claim.file in (UNSET, fact):
            value: Any = sealed[fact]
            name = value.get("name")
            place = FOLDER + _file_name(fact, name if isinstance(name, str) else "")
            found.append(_part(fact, place, file, value))
    return {part.place: part for part in found if part is not None}


def _part(fact: str, place: str, said: SealedRaw, value: Any) -> Part | None:
    """None where the second digest is of no sort that is known: then these octets could not be told from others."""
    name, second = value.get("name"), value.get("second")
    if second is not None:
        known = isinstance(second, dict) and second.keys() == {"algorithm", "digest"}
        if not known or second["algorithm"] not in tuple(HASHLIB):
            return None
        second = Second(second["algorithm"], second["digest"])
    return Part(fact, place, said.sha256, said.size, second, name if isinstance(name, str) else None)


def _file_name(fact: str, name: str) -> str:
    """A name that says what it is and can do no harm: ASCII, so that it is the same on every system and no shell, no
    screen and no manifest reads it otherwise. Numbered, so that no two are alike and none is a device of Windows'."""
    # Of letters from before 1990 alone: how these are taken apart will not change with a version of Unicode.
    plain = "".join(unicodedata.normalize("NFD", c)[0] if c < "\u0250" else "_" for c in name)
    safe = _UNSAFE.sub("_", plain).strip("._-")
    if len(safe) > LONGEST:
        stem, _, ending = safe.rpartition(".")
        ending = f".{ending}" if len(ending) < _ENDING else ""
        safe = ((stem if ending else safe)[: LONGEST - len(ending)]).rstrip("._-") + ending
    return f"{fact}-{safe}" if safe else fact


def spelt(value: Json) -> str:
    """A value in ASCII that shows whole: nothing a stranger wrote moves what stands beside it on a screen."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def measure(pieces: Iterable[bytes | memoryview], second: Second | None = None) -> Measured:
    """Read octets to their end."""
    size = crc = 0
    sha256, sha512 = hashlib.sha256(), hashlib.sha512()
    other = None if second is None else hashlib.new(HASHLIB[second.algorithm])
    for piece in pieces:
        size, crc = size + len(piece), zlib.crc32(piece, crc)
        for digest in (sha256, sha512, other):
            if digest is not None:
                digest.update(piece)
    made = None if second is None or other is None else Second(second.algorithm, other.hexdigest())
    return Measured(size, crc, sha256.hexdigest(), sha512.hexdigest(), made)
