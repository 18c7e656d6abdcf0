"""Which of seven levels a copy reaches, held against a message that was recorded, and what differs.

A copy is held against a message only where something ties the two: the Message-ID or, where one of them has none,
sender, date, recipients and subject together. Content alone ties nothing: a thousand mails say "see attached".

What is compared of each part is, in this order, its octets, its text in one spelling, and, where the recorded text is
at hand, whether that stands in what was received. Parts are paired once each, so that of two alike both must be there.
docs/format.md, "Levels".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from ledger import mime, passage, terms, visible
from ledger import text as texts
from ledger.differs import (
    ADDITIONS,
    DIFFERENT,
    IDENTICAL,
    LEVELS,
    MISSING,
    REENCODED,
    TRANSPORT,
    Difference,
    Kind,
    Level,
    excerpt,
    weakest,
)
from ledger.fingerprint import Fingerprint, Leaf, Octets, Relaxed, take

TRIED: Final = 8
"""Texts that are held against one that is not there as it was."""

HEADERS: Final = ("From", "To", "Cc", "Subject", "Date", "Message-ID")


@dataclass(frozen=True, slots=True)
class Original:
    """What is known of a message that was recorded.

    ``headers`` has the first of each of `HEADERS`; of one too long to be kept ``hashes`` has the hash. ``unknown`` are
    those that were erased, ``repeated`` those known to stand there more than once. ``leaves`` are by the names they are
    sealed under; ``partial`` where they are not all. ``texts`` are those of its text parts, by path; ``without`` says
    why there are none.
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
    without: str = "the content was not kept"


@dataclass(frozen=True, slots=True)
class Copy:
    """What was received: its normalised octets and their fingerprint."""

    octets: bytes
    print: Fingerprint
    limits: mime.Limits

    @classmethod
    def of(cls, octets: bytes, limits: mime.Limits | None = None) -> Copy:
        """FormatError as `fingerprint.take`."""
        limits = limits or mime.Limits()
        return cls(mime.normalise(octets), take(octets, limits), limits)


@dataclass(frozen=True, slots=True)
class Match:
    """How much of the message the copy is, and every way in which it differs."""

    level: Level
    differences: tuple[Difference, ...]

    @property
    def open(self) -> bool:
        """Whether it may be more than this level says: what keeps it there could not be compared."""
        return {one.kind for one in self.differences if one.level == self.level} == {"not_compared"}


def compare(original: Original, copy: Copy) -> Match | None:
    """None where nothing ties the copy to the message."""
    raw = original.raw
    if raw is not None and (raw.sha256, raw.size) == (copy.print.raw.sha256, copy.print.raw.size):
        return Match(IDENTICAL, ())
    if not copy.print.parsed or not _tied(original, copy.print):
        return None
    said = _headers(original, copy.print) + _body(original, copy)
    said = said or [Difference(TRANSPORT, "transport", "", "what relays add to a message or change around it")]
    return Match(weakest(one.level for one in said), tuple(said))


def read_texts(octets: bytes, limits: mime.Limits) -> dict[str, str]:
    """The text of each text part, in its normal spelling, by path: of normalised octets that `take` could parse."""
    found: dict[str, str] = {}
    walk = mime.Walk(octets, limits)
    for part in walk.leaves(mime.read_header(octets, 0, len(octets), limits)):
        if part.reads:
            said = texts.read(mime.decode(part)[0], part.parameters.get("charset"), part.encoding)
            if said is not None:
                found[part.path] = said
    return found


# Headers


def _tied(original: Original, received: Fingerprint) -> bool:
    mine, theirs = original.headers.get("Message-ID"), received.header("Message-ID")
    if mine and theirs:
        return _same(mine, theirs)
    known, now = original.relaxed, received.relaxed
    if known is not None and now is not None and known.headers == now.headers:
        # Where there is none of them, it must be the same body.
        return known.headers != terms.NO_HEADER or known.body == now.body
    if "From" not in original.headers or "Date" not in original.headers:
        return False
    subject = original.headers.get("Subject", "")
    return all(_agrees(original, received, name) for name in ("From", "To", "Date")) and _squeeze(subject) in _squeeze(
        received.header("Subject") or ""
    )


def _agrees(original: Original, received: Fingerprint, name: str) -> bool:
    mine, theirs = original.headers.get(name), received.header(name)
    if name in original.unknown or (mine is None and theirs is None):
        return True
    if mine is None or theirs is None:
        return theirs is not None and sha256(theirs.encode()).hexdigest() == original.hashes.get(name)
    return _same(mine, theirs) or (name == "Date" and terms.by_date(mine) == terms.by_date(theirs) != [])


def _headers(original: Original, received: Fingerprint) -> list[Difference]:
    known, theirs = original.relaxed, received.relaxed
    if known is not None and theirs is not None and known.headers == theirs.headers:
        return []
    differences: list[Difference] = []
    for name in HEADERS:
        if name not in original.repeated and sum(one.name == name for one in received.headers) > 1:
            level = ADDITIONS if name in ("To", "Cc") else DIFFERENT
            differences.append(Difference(level, "header", name, "stands there more than once"))
        if not _agrees(original, received, name):
            quoted = [
                None if said is None else excerpt(said) for said in (original.headers.get(name), received.header(name))
            ]
            differences.append(Difference(*_header(original, received, name), *quoted))
    if not differences:
        differences.append(
            Difference(TRANSPORT, "transport", "", "headers were folded or encoded anew, and say the same")
        )
    if original.unknown:
        said = f"{', '.join(sorted(original.unknown))}: nothing was recorded, or it was erased"
        differences.append(Difference(TRANSPORT, "not_compared", "", said))
    return differences


def _header(original: Original, received: Fingerprint, name: str) -> tuple[Level, Kind, str, str]:
    """How much a header that says something else weighs, and how it differs."""
    mine, theirs = original.headers.get(name), received.header(name)
    # Lists and gateways add and drop readers, and some give a message a new Message-ID. Who wrote it, when and about
    # what is the message.
    level = ADDITIONS if name in ("To", "Cc", "Message-ID") else DIFFERENT
    detail = "says something else"
    if theirs is None:
        detail = "is missing"
    elif mine is None and name not in original.hashes:
        detail = "was added"
    elif mine is not None and name in ("Subject", "From", "To", "Cc") and _squeeze(mine) in _squeeze(theirs):
        level, detail = ADDITIONS, "something was added to it"
    return level, "header", name, detail


def _same(one: str, other: str) -> bool:
    return _squeeze(one) == _squeeze(other)


def _squeeze(said: str) -> str:
    return " ".join(said.split())


# Parts


def _body(original: Original, copy: Copy) -> list[Difference]:
    now_there = dict(copy.print.facts)
    pairs, lost, extra = _pair(original.leaves, now_there)
    known, theirs = original.relaxed, copy.print.relaxed
    same_octets = known is not None and theirs is not None and known.body == theirs.body
    same_reading = known is not None and theirs is not None and known.mime == theirs.mime
    if same_octets and (same_reading or not (lost or extra)):
        # The same but for blanks, as DKIM has it, which may still make a part read otherwise.
        said = "blanks were changed, and it reads otherwise for it"
        return [Difference(TRANSPORT, "changed", name, said) for name in lost]
    differences: list[Difference] = []
    recoded = [
        mine
        for mine, now in pairs
        # What an attached message holds is compared by itself.
        if original.leaves[mine].sha256 != now_there[now].sha256
        and original.leaves[mine].media_type not in mime.MESSAGES
    ]
    if recoded:
        differences.append(
            Difference(REENCODED, "re-encoded", "", f"{', '.join(recoded)}: the same text in other octets")
        )
    for mine, now in pairs:
        differences += _names(mine, original.leaves[mine], now_there[now])
    order = [_order(now_there[now]) for _, now in pairs]
    if order != sorted(order):
        differences.append(Difference(ADDITIONS, "moved", "", "its parts stand in another order"))
    differences += _lost(original, copy, lost, extra)
    if original.partial:
        # What was added cannot be told from what is not known.
        said = f"not all of its parts can be compared, because {original.without}"
        differences.append(Difference(DIFFERENT, "not_compared", "", said))
    else:
        for name, leaf in extra.items():
            differences.append(_added(copy, name, leaf))
    return differences or [Difference(REENCODED, "re-encoded", "", "its encoding, or what stands around its parts")]


def _added(copy: Copy, name: str, leaf: Leaf) -> Difference:
    said = None
    if leaf.media_type.startswith("text/") and leaf.size <= passage.LIMIT:
        text = read_texts(copy.octets, copy.limits).get(leaf.path, "")
        said = excerpt(visible.read(text, markup=leaf.media_type == "text/html").text) or None
    return Difference(ADDITIONS, "added", name, f"a part was added: {_describe(leaf)}", received=said)


def _pair(
    recorded: Mapping[str, Leaf], received: Mapping[str, Leaf]
) -> tuple[list[tuple[str, str]], dict[str, Leaf], dict[str, Leaf]]:
    """Each part with its like, once; what is left on either side. In the order of the parts recorded."""
    left: dict[tuple[str, str], list[str]] = {}
    extra = dict(sorted(received.items(), key=lambda item: _order(item[1])))
    for name, leaf in extra.items():
        for key in _keys(leaf):
            left.setdefault(key, []).append(name)
    pairs: list[tuple[str, str]] = []
    lost: dict[str, Leaf] = {}
    for mine, leaf in sorted(recorded.items(), key=lambda item: _order(item[1])):
        alike = [name for key in _keys(leaf) for name in left.get(key, ()) if name in extra]
        found = next((name for name in alike if extra[name].path == leaf.path), alike[0] if alike else None)
        if found is None:
            lost[mine] = leaf
        else:
            pairs.append((mine, found))
            del extra[found]
    return pairs, lost, extra


def _keys(leaf: Leaf) -> list[tuple[str, str]]:
    """What a part is known by: its octets; its text, of which its type says how it is shown."""
    said = [("octets", leaf.sha256)]
    return said if leaf.text is None else [*said, (leaf.media_type, leaf.text)]


def _order(leaf: Leaf) -> tuple[int, ...]:
    return tuple(map(int, leaf.path.split(".")))


def _names(name: str, mine: Leaf, theirs: Leaf) -> list[Difference]:
    differences = []
    if mine.name is not None and mine.name != theirs.name:
        said = "has another name"
        differences.append(Difference(ADDITIONS, "renamed", name, said, excerpt(mine.name), excerpt(theirs.name or "")))
    if mine.media_type != theirs.media_type:
        said = "is declared to be of another type"
        differences.append(Difference(ADDITIONS, "renamed", name, said, mine.media_type, theirs.media_type))
    return differences


def _lost(original: Original, copy: Copy, lost: Mapping[str, Leaf], extra: dict[str, Leaf]) -> list[Difference]:
    """What became of parts that are not there as they were. Takes from ``extra`` what stands in their place."""
    differences: list[Difference] = []
    received = read_texts(copy.octets, copy.limits) if any(leaf.text for leaf in lost.values()) else {}
    gone: list[str] = []
    for name, leaf in lost.items():
        if any(leaf.path.startswith(f"{path}.") for path in gone):
            continue  # inside an attached message that is not there: that is said of it
        said, now = _one(original, received, name, leaf, extra)
        if now is not None:
            del extra[now]
        elif leaf.media_type in mime.MESSAGES:
            gone.append(leaf.path)
        differences += said
    return differences


def _one(
    original: Original, received: Mapping[str, str], name: str, leaf: Leaf, extra: Mapping[str, Leaf]
) -> tuple[list[Difference], str | None]:
    """How one part differs from what stands in its place, if anything does."""
    place = _place(leaf, extra)
    mine = original.texts.get(leaf.path)
    if leaf.text is not None and leaf.media_type not in mime.MESSAGES:
        alike = [now for now, other in extra.items() if other.media_type == leaf.media_type and other.path in received]
        found = []
        for now in alike[:TRIED] if mine is not None else ():
            differences = passage.find(
                name, mine or "", received[extra[now].path], markup=leaf.media_type == "text/html"
            )
            found.append((LEVELS.index(weakest(one.level for one in differences)), now != place, now, differences))
        if found:
            level, _, now, differences = min(found, key=lambda one: one[:2])
            # To a text that is read, lists and gateways add theirs. A file is the same, or another one.
            if leaf.file is None or level <= LEVELS.index(REENCODED):
                return differences, now
            if now == place:
                said = f"was replaced: {_describe(leaf)}, and now {_describe(extra[now])}"
                told = [Difference(MISSING, "replaced", name, said, leaf.sha256, extra[now].sha256)]
                return told + [replace(one, level=MISSING) for one in differences], now
        elif alike and leaf.file is None:
            said = f"its text is not the same; how it differs is not known, because {original.without}"
            return [Difference(DIFFERENT, "not_compared", name, said)], alike[0]
    if place is not None:
        said = f"was replaced: {_describe(leaf)}, and now {_describe(extra[place])}"
        return [Difference(MISSING, "replaced", name, said, leaf.sha256, extra[place].sha256)], place
    return [Difference(MISSING, "missing", name, f"is missing: {_describe(leaf)}")], None


def _place(leaf: Leaf, extra: Mapping[str, Leaf]) -> str | None:
    """What stands where a part was: under its name, or, being of its kind, in its place."""
    for now, other in extra.items():
        if leaf.name is not None and leaf.name == other.name:
            return now
    for now, other in extra.items():
        if other.path == leaf.path and other.media_type == leaf.media_type and leaf.name is None:
            return now
    return None


def _describe(leaf: Leaf) -> str:
    named = "" if leaf.name is None else f" “{excerpt(leaf.name)}”"
    return f"{leaf.media_type}{named}, {leaf.size:,} bytes"
