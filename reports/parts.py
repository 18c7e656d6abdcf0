"""What of a message goes into a package as it is: the message itself and its files, as far as the evidence discloses
the hashes of their octets."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from ledger import fingerprint, originals
from ledger.canonical import Json
from ledger.case import Case
from ledger.errors import FormatError, ProofError
from ledger.fingerprint import HASHLIB, Leaf, Octets, Second

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
    said: Leaf | Octets
    name: str | None = None

    def check(self, found: Measured) -> None:
        """ProofError unless these are the octets, by every digest of them."""
        said = self.said
        if (found.sha256, found.size, found.second) != (said.sha256, said.size, said.second):
            raise ProofError(f"{self.place} is not what the evidence discloses as {self.fact}")


def parts_of(said: Case) -> dict[str, Part]:
    """The parts that evidence discloses, by the place of each in a package. A claim on one file has that alone."""
    sealed: Mapping[str, Json] = {name: value for item in said.recording for name, value in item.disclosed.items()}
    found = {}
    if "raw" in sealed and not isinstance(said.claim.recipient, str) and not isinstance(said.claim.file, str):
        place = FOLDER + MESSAGE
        # As of files: what is not well formed says nothing.
        with suppress(FormatError):
            found[place] = Part("raw", place, fingerprint.convert(sealed["raw"], Octets))
    for fact, leaf in originals.leaves_of(sealed).items():
        if leaf.file and said.claim.file in (UNSET, fact):
            place = FOLDER + _file_name(fact, leaf.name or "")
            found[place] = Part(fact, place, leaf, leaf.name)
    return found


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
