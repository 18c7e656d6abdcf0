"""Which recorded message, or which file of one, some octets are a copy of, and what differs.

Messages are found by what copies keep: the hash of the octets, the Message-ID, the second of the Date, the subject.
Each one found is then held against the copy (`ledger.match`): being found proves nothing. Octets that are no message,
and the files of a message that is none of ours, are found by their hash, or by that of their text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from ledger import drafts, entry, fingerprint, match, mime, originals, signed, terms, vault
from ledger import text as texts
from ledger.differs import IDENTICAL, LEVELS, LINKS, REENCODED, Difference, Level
from ledger.drafts import Blinds
from ledger.errors import FormatError
from ledger.fingerprint import Leaf
from ledger.overview import is_recording, named
from ledger.sides import Copy, Original
from ledger.signed import Again
from ledger.state import Chain
from ledger.store import find
from ledger.store.read import Reader
from ledger.terms import Term

MOST: Final = 100
"""Messages that are looked at for one copy, the newest."""

ATTACHED: Final = 4
"""Messages attached to a mail that are looked at where the mail itself is not found, the first."""

Opened = Callable[[Sequence[int], Sequence[str]], Mapping[int, Sequence[str]]]
"""What is sealed on entries under the data keys of some subjects, and was not erased: D texts by seq."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is at hand of a message's content: its ``whole`` normalised octets; or its ``body`` alone, as a message that
    can be read by itself; or nothing. ``without`` says why there is no whole."""

    whole: bytes | None
    body: bytes | None
    without: str


Contents = Callable[[Chain], Kept]


@dataclass(frozen=True, slots=True)
class Identified:
    """A message that the octets are a copy of, at a level; or, with ``part`` (``f1``, ``p1`` of an attached message), a
    file of it. With ``inside`` it is not the octets that are, but that part of the mail that they are. ``dkim``: how
    the copy's own signatures verify under the keys archived with the message."""

    message: str
    seq: int
    recorded_at: str
    level: Level
    part: str | None
    differences: tuple[Difference, ...]
    dkim: tuple[Again, ...] = ()
    inside: str | None = None


@dataclass(frozen=True, slots=True)
class _Recorded:
    chain: Chain
    seq: int
    at: str
    sealed: Mapping[str, Any]


def identify(reader: Reader, blinds: Blinds, opened: Opened, contents: Contents, octets: bytes) -> list[Identified]:
    """Messages before files, the best first. FormatError where the octets are none, or too many."""
    copy = Copy.of(octets)
    found = _messages(reader, blinds, opened, contents, copy)
    if not found:
        for name, attached in _attached(copy):
            found += [replace(one, inside=name) for one in _messages(reader, blinds, opened, contents, attached)]
    if not found or min(LEVELS.index(one.level) for one in found) > LEVELS.index(LINKS):
        known = {one.message for one in found}
        found += [one for one in _files(reader, blinds, opened, octets, copy) if one.message not in known]
    return sorted(
        found, key=lambda one: (one.inside is not None, one.part is not None, LEVELS.index(one.level), -one.seq)
    )


def _attached(copy: Copy) -> Iterator[tuple[str, Copy]]:
    """The first messages attached to it, by name."""
    names = {one.path: name for name, one in copy.print.facts if one.file and one.media_type in mime.MESSAGES}
    if names:
        header = mime.read_header(copy.octets, 0, len(copy.octets), copy.limits)
        found = (part for part in mime.Walk(copy.octets, copy.limits).leaves(header) if part.path in names)
        for part in islice(found, ATTACHED):
            octets, damaged = mime.decode(part)
            with suppress(FormatError):  # nothing in it, or too much with its line ends set right
                if not damaged:  # of what is, programs read more or less
                    yield names[part.path], Copy.of(octets)


def _messages(reader: Reader, blinds: Blinds, opened: Opened, contents: Contents, copy: Copy) -> list[Identified]:
    """Messages that it is a copy of, all at the same level."""
    found = _judged(reader, blinds, opened, contents, copy, terms.by_sha256(copy.print.raw.sha256))
    if not found:
        found = _judged(
            reader, blinds, opened, contents, copy, terms.by_message_id(copy.print.header("Message-ID") or "")
        )
    if not found:
        # One of the two has no Message-ID. Many may be of one second: those with the same headers come first. What has
        # no date either has its subject.
        headers = [] if copy.print.relaxed is None else terms.by_headers(copy.print.relaxed.headers)
        dates, subjects = copy.print.header("Date") or "", copy.print.header("Subject") or ""
        for some in (headers, terms.by_date(dates), terms.by_whole_subject(subjects)):
            found = found or _judged(reader, blinds, opened, contents, copy, some)
    # Of messages with one Message-ID it is the one that it is most of.
    best = min((LEVELS.index(one.level) for one in found), default=0)
    return [one for one in found if LEVELS.index(one.level) == best]


def _judged(
    reader: Reader, blinds: Blinds, opened: Opened, contents: Contents, copy: Copy, wanted: Sequence[Term]
) -> list[Identified]:
    """Messages that are found by any of these terms and that something ties to the copy."""
    found = []
    for one in _found(reader, blinds, opened, wanted):
        judged = match.compare(_original(one, contents), copy)
        if judged is not None:
            told = _told(one, judged.level, None, judged.differences)
            found.append(replace(told, dkim=signed.again(copy.octets, one.sealed)))
    return found


def _files(reader: Reader, blinds: Blinds, opened: Opened, octets: bytes, copy: Copy) -> list[Identified]:
    """Files that the octets are, or that travel in them."""
    hashes: dict[str, str | None] = dict.fromkeys([fingerprint.hashed(octets).sha256, copy.print.raw.sha256])
    said: dict[str | None, str | None] = {} if b"\0" in octets else {texts.digest(octets, None, "binary"): None}
    for name, leaf in copy.print.facts:
        if _is_file(leaf):
            hashes.setdefault(leaf.sha256, name)
            if leaf.media_type.startswith("text/"):
                said.setdefault(leaf.text, name)
    wanted = [term for one in hashes for term in terms.by_sha256(one)]
    wanted += [term for one in said if one is not None for term in terms.by_text(one)]
    found = []
    for recorded in _found(reader, blinds, opened, wanted):
        for name, leaf in originals.leaves_of(recorded.sealed).items():
            if not _is_file(leaf):
                continue
            if leaf.sha256 in hashes:
                found.append(replace(_told(recorded, IDENTICAL, name, ()), inside=hashes[leaf.sha256]))
            elif leaf.text is not None and leaf.text in said:
                told = Difference(REENCODED, "re-encoded", name, "the same text in other octets")
                found.append(replace(_told(recorded, REENCODED, name, (told,)), inside=said[leaf.text]))
    return found


def _is_file(leaf: Leaf) -> bool:
    """Or one of an attached message."""
    return leaf.file is not None or leaf.name is not None


def _told(recorded: _Recorded, level: Level, part: str | None, differences: Iterable[Difference]) -> Identified:
    return Identified(recorded.chain.id, recorded.seq, recorded.at, level, part, tuple(differences))


def _found(reader: Reader, blinds: Blinds, opened: Opened, wanted: Sequence[Term]) -> list[_Recorded]:
    with reader.snapshot() as connection:
        messages = find.with_any(connection, drafts.blind_terms(wanted, blinds), MOST)
        recordings = find.recordings(connection, messages, 0)
    made: dict[int, list[entry.Entry]] = {}
    for no, _, data in recordings:
        one = entry.decode(data)
        if is_recording(one):
            made.setdefault(no, []).append(one)
    # Whom it went to is nobody's business here.
    subjects = [one.id + end for one in messages for end in ("", *vault.BESIDE)]
    told = opened([one.seq for some in made.values() for one in some], subjects)
    return [_recorded(chain, made[chain.no], told) for chain in messages if chain.no in made]


def _recorded(chain: Chain, made: Sequence[entry.Entry], told: Mapping[int, Sequence[str]]) -> _Recorded:
    return _Recorded(chain, made[0].seq, made[0].at, named({one.seq: told.get(one.seq, ()) for one in made}))


def _original(recorded: _Recorded, contents: Contents) -> Original:
    kept = contents(recorded.chain)
    if kept.whole is not None:
        return originals.of_octets(kept.whole)
    made = originals.of_sealed(recorded.sealed, kept.without)
    return made if kept.body is None else originals.with_body(made, kept.body)
