"""A package: evidence with all that a stranger needs to check it, as a BagIt bag (RFC 8493) in a ZIP archive.

Evidence, content and certificate go in; every other file is made from these, so that a reader can make it again
(`reports.parcel`). docs/format.md, "Package", says which files there are, byte by byte. The same arguments make the
same archive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ledger import case, complete, document
from ledger.case import Case
from ledger.errors import FormatError, InvalidRequest, ProofError
from reports import byhand, zipping
from reports.parts import Measured, Part, measure, parts_of
from reports.sealed import PLACE, certificate_of
from reports.unfolded import shown_of, signer_of, unfold
from reports.zipping import Member

FOLDER: Final = "postseal-"
"""What the name of the one folder begins with; the message's id follows."""

HOW_TO: Final = "HOW-TO-VERIFY.txt"

MAX_FILES: Final = 250_000
"""Of more no package is made: unpacked they would be of no use to anybody, and the evidence alone is."""

PIECE: Final = 1 << 18
"""Octets handed over at a time, about."""

_ALGORITHMS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "sha256": lambda octets: hashlib.sha256(octets).hexdigest(),
    "sha512": lambda octets: hashlib.sha512(octets).hexdigest(),
}

Pieces: TypeAlias = Callable[[], Iterable[bytes | memoryview]]
"""Octets in pieces, the same ones whenever it is called."""


@dataclass(frozen=True, slots=True)
class Package:
    """An archive, ready to be sent: its octets come piece by piece, and how many there are is known."""

    name: str
    size: int
    files: int
    pieces: Iterator[bytes]


def pack(evidence: bytes, contents: Mapping[str, Pieces] | None = None, certificate: bytes | None = None) -> Package:
    """The package of some evidence; ``contents`` by fact: ``raw`` is the message, ``f1`` a file; ``certificate`` a PDF.

    Everything is read and held against the evidence before this returns: ProofError for content that is not what the
    evidence discloses, or may not be seen by whom it is about, and for a certificate that the log did not issue.
    InvalidRequest where there would be too many files.
    """
    said = case.read(document.parse(evidence))
    complete.check_complete(said)
    places = {part.fact: part for part in parts_of(said).values()}
    if 3 * len(said.items) > MAX_FILES:
        raise InvalidRequest(
            f"evidence of {len(said.items):,} entries is too large for a package; it is one file as .json"
        )
    large: dict[str, tuple[Measured, Pieces]] = {}
    for fact, pieces in (contents or {}).items():
        if fact not in places:
            raise ProofError(f"the evidence does not disclose {fact}, or shows it to somebody who may not see the rest")
        found = measure(pieces(), places[fact].second)
        places[fact].check(found)
        large[places[fact].place] = found, pieces
    if certificate is not None:
        octets = certificate
        large[PLACE] = measure((octets,)), lambda: (octets,)
    made = lay_out(said, evidence, {place: found for place, (found, _) in large.items()})
    top = f"{FOLDER}{said.claim.message}/"
    members = [Member.of(top + place, octets) for place, octets in made.items()]
    members += [Member(top + place, found.size, found.crc, pieces) for place, (found, pieces) in large.items()]
    members.sort(key=lambda member: _order(member.name))
    return Package(top.rstrip("/"), zipping.size_of(members), len(members), _gathered(zipping.write(members)))


def _gathered(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """In pieces of a size that is worth a turn: files are small and many, or large and in one piece."""
    waiting = bytearray()
    for piece in pieces:
        for start in range(0, len(piece), PIECE):
            waiting += piece[start : start + PIECE]
            if len(waiting) >= PIECE:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting)


def lay_out(said: Case, evidence: bytes, large: Mapping[str, Measured]) -> dict[str, bytes]:
    """Every file of a package by its place in the folder, but content and certificate, which are ``large``.

    The evidence has passed the check ``complete``. ProofError, FormatError where it cannot be made into a package.
    """
    parts = parts_of(said)
    held: list[Part] = [part for place, part in parts.items() if place in large]
    certificate = certificate_of(said, large[PLACE].sha256) if PLACE in large else None
    made = unfold(said, evidence)
    if len(made) + len(large) > MAX_FILES:
        raise FormatError(f"a package of {len(made) + len(large):,} files, limit {MAX_FILES:,}")
    sizes = {place: len(octets) for place, octets in made.items()} | {p: found.size for p, found in large.items()}
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": _info(said, sizes),
        HOW_TO: byhand.text(said, signer_of(said), held, certificate, len(shown_of(said))),
    }
    for name, hashed in _ALGORITHMS.items():
        lines = {place: hashed(octets) for place, octets in made.items()}
        lines |= {place: found.sha256 if name == "sha256" else found.sha512 for place, found in large.items()}
        tags[f"manifest-{name}.txt"] = _manifest(lines)
    tags["tagmanifest-sha256.txt"] = _manifest({place: _ALGORITHMS["sha256"](octets) for place, octets in tags.items()})
    return tags | made


def _info(said: Case, sizes: Mapping[str, int]) -> bytes:
    lines = (
        ("Bag-Software-Agent", "Postseal"),
        ("Bagging-Date", said.message[-1].entry.at[:10]),
        ("External-Description", f"Evidence about an e-mail message; see {HOW_TO}"),
        ("External-Identifier", said.claim.message),
        ("Payload-Oxum", f"{sum(sizes.values())}.{len(sizes)}"),
        ("Postseal-Package", str(byhand.VERSION)),
    )
    return "".join(f"{label}: {value}\n" for label, value in lines).encode("ascii")


def _manifest(hashes: Mapping[str, str]) -> bytes:
    """As `sha256sum` writes and checks them, ascending by place."""
    return "".join(f"{hashes[place]}  {place}\n" for place in sorted(hashes)).encode("ascii")


def _order(name: str) -> tuple[bool, bool, str]:
    """The folder's own files first, of them `bagit.txt`."""
    place = name.partition("/")[2]
    return place.startswith("data/"), place != "bagit.txt", place
