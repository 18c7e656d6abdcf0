"""Which of seven levels a copy reaches, held against a message that was recorded, and what differs.

A copy is held against a message only where something ties the two: the Message-ID or, where one of them has none,
sender, date, recipients and subject together. Content alone ties nothing: a thousand mails say "see attached".

What is compared of each part is, in this order, its octets, its text in one spelling, and, where the recorded text is
at hand, whether that stands in what was received. Parts are paired once each, so that of two alike both must be there.
docs/format.md, "Levels".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Final

from ledger import likeness, mime, passage, shown, terms, visible
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

_MOVED_TO: Final = (b"reply-to", b"x-original-from", b"cc")
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

    @cached_property
    def repeated(self) -> bool:
        """Whether a field that says how the body is read stands there more than once."""
        return any(name in self._header.repeated for name in mime.STRUCTURAL)

    @cached_property
    def sender(self) -> list[str]:
        """The addresses of its From as a relay reads them: an encoded word is no address."""
        return self._addresses(b"from")

    def is_by_list(self, sender: str) -> bool:
        """Whether a mailing list put its own address in From, and that of the ``sender`` where replies go."""
        moved = {one for name in _MOVED_TO for one in self._addresses(name)}
        return likeness.is_via(sender, self.print.header("From") or "") and moved.issuperset(likeness.addresses(sender))

    def _addresses(self, name: bytes) -> list[str]:
        return likeness.addresses(likeness.bare(self._header.first.get(name, b"")))

    @cached_property
    def _header(self) -> mime.Header:
        return mime.read_header(self.octets, 0, len(self.octets), self.limits)

    @property
    def late(self) -> bool:
        """Whether its time is over."""
        return self.clock() > self.until


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
    said = _headers(original, copy) + _body(original, copy)
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
        return likeness.same(mine, theirs)
    known, now = original.relaxed, received.relaxed
    if known is not None and now is not None and known.headers == now.headers:
        return known.headers != terms.NO_HEADER or known.body == now.body
    if "From" not in original.headers or "Date" not in original.headers:
        return False
    mine, theirs = original.headers.get("Subject", ""), received.header("Subject") or ""
    if likeness.squeeze(mine) not in likeness.squeeze(theirs):
        return False
    return all(_agrees(original, received, name) for name in ("From", "To", "Date"))


def _agrees(original: Original, received: Fingerprint, name: str) -> bool:
    mine, theirs = original.headers.get(name), received.header(name)
    if name in original.unknown or (mine is None and theirs is None):
        return True
    if mine is None or theirs is None:
        return theirs is not None and sha256(theirs.encode()).hexdigest() == original.hashes.get(name)
    return likeness.same(mine, theirs) or (name == "Date" and terms.by_date(mine) == terms.by_date(theirs) != [])


def _headers(original: Original, copy: Copy) -> list[Difference]:
    received = copy.print
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
            differences.append(Difference(*_header(original, copy, name), *quoted))
        elif name == "From" and name in original.headers and copy.sender != likeness.addresses(original.headers[name]):
            said = "shows an address that it is not from"
            differences.append(Difference(DIFFERENT, "header", name, said, excerpt(original.headers[name])))
    if not differences:
        differences.append(
            Difference(TRANSPORT, "transport", "", "headers were folded or encoded anew, and say the same")
        )
    if original.unknown:
        # Who wrote it, when and about what is the message; whom it was to is not all of it.
        level = DIFFERENT if original.unknown & {"From", "Subject", "Date"} else TRANSPORT
        said = f"{', '.join(sorted(original.unknown))}: not shown, not recorded, or erased"
        differences.append(Difference(level, "not_compared", "", said))
    return differences


def _header(original: Original, copy: Copy, name: str) -> tuple[Level, Kind, str, str]:
    """How much a header that says something else weighs, and how it differs."""
    mine, theirs = original.headers.get(name), copy.print.header(name)
    # Lists and gateways add and drop readers, and some give a message a new Message-ID. Who wrote it, when and about
    # what is the message.
    level = ADDITIONS if name in ("To", "Cc", "Message-ID") else DIFFERENT
    detail = "says something else"
    if theirs is None:
        detail = "is missing"
    elif name == "Subject" and name not in original.hashes and likeness.is_tagged(mine or "", theirs):
        level, detail = ADDITIONS, "something was added to it"
    elif mine is None and name not in original.hashes:
        detail = "was added"
    elif name == "From" and mine is not None and likeness.addresses(mine) == likeness.addresses(theirs):
        level, detail = ADDITIONS, "shows another name"
    elif name == "From" and mine is not None and copy.is_by_list(mine):
        level, detail = ADDITIONS, "shows a mailing list, which put the recorded address into Reply-To or Cc"
    return level, "header", name, detail


# Parts


def _body(original: Original, copy: Copy) -> list[Difference]:
    now_there = dict(copy.print.facts)
    pairs, lost, extra = _pair(original.leaves, now_there)
    known, theirs = original.relaxed, copy.print.relaxed
    same = known is not None and theirs is not None and (known.body, known.mime) == (theirs.body, theirs.mime)
    if same and not lost and (original.partial or not extra):
        # The same but for blanks, as DKIM has it; and no blank has made a part read otherwise.
        return []
    differences: list[Difference] = []
    if copy.repeated:
        said = "a field that says how it is read stands there more than once"
        differences.append(Difference(DIFFERENT, "header", "", said))
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
        differences += shown.named(mine, original.leaves[mine], now_there[now])
        if not original.partial:
            differences += shown.placed(mine, original.leaves[mine], now_there[now], whole=not lost)
    order = [_order(now_there[now]) for _, now in pairs]
    if order != sorted(order):
        differences.append(Difference(ADDITIONS, "moved", "", "its parts stand in another order"))
    differences += _lost(original, copy, lost, extra)
    if original.partial:
        # What was added cannot be told from what is not known.
        said = f"not all of its parts can be compared, because {original.without}"
        differences.append(Difference(DIFFERENT, "not_compared", "", said))
    else:
        beside: dict[str, set[str]] = {}
        for _, now in pairs:
            for around, child in shown.alternatives(now_there[now]):
                beside.setdefault(around, set()).add(child)
        for name, leaf in extra.items():
            differences.append(_added(copy, name, leaf, beside))
    return differences or [Difference(REENCODED, "re-encoded", "", "its encoding, or what stands around its parts")]


def _added(copy: Copy, name: str, leaf: Leaf, beside: Mapping[str, set[str]]) -> Difference:
    """``beside``: of each multipart/alternative the children that lead to recorded parts."""
    said = None
    instead = any(around in beside and child not in beside[around] for around, child in shown.alternatives(leaf))
    if leaf.media_type.startswith("text/") and leaf.size <= passage.LIMIT:
        text = "" if copy.late else copy.texts.get(leaf.path, "")
        said = excerpt(visible.read(text, markup=leaf.media_type == "text/html").text) or None
    if instead:
        told = f"an alternative was added, and programs show one of them: {_describe(leaf)}"
        return Difference(DIFFERENT, "added", name, told, received=said)
    return Difference(ADDITIONS, "added", name, f"a part was added: {_describe(leaf)}", received=said)


def _pair(
    recorded: Mapping[str, Leaf], received: Mapping[str, Leaf]
) -> tuple[list[tuple[str, str]], dict[str, Leaf], dict[str, Leaf]]:
    """Each part with its like, once; what is left on either side. In the order of the parts recorded."""
    extra = dict(sorted(received.items(), key=lambda item: _order(item[1])))
    left: dict[tuple[str, str], deque[str]] = {}
    for name, leaf in extra.items():
        left.setdefault(_key(leaf), deque()).append(name)
    pairs: list[tuple[str, str]] = []
    lost: dict[str, Leaf] = {}
    for mine, leaf in sorted(recorded.items(), key=lambda item: _order(item[1])):
        alike = left.get(_key(leaf))
        if alike:
            pairs.append((mine, alike.popleft()))
            del extra[pairs[-1][1]]
        else:
            lost[mine] = leaf
    return pairs, lost, extra


def _key(leaf: Leaf) -> tuple[str, str]:
    """What a part is known by: its text, of which its type says how it is shown; or its octets."""
    return ("octets", leaf.sha256) if leaf.text is None else (leaf.media_type, leaf.text)


def _order(leaf: Leaf) -> tuple[int, ...]:
    return tuple(map(int, leaf.path.split(".")))


def _lost(original: Original, copy: Copy, lost: Mapping[str, Leaf], extra: dict[str, Leaf]) -> list[Difference]:
    """What became of parts that are not there as they were. Takes from ``extra`` what stands in their place."""
    differences: list[Difference] = []
    received = copy.texts if any(leaf.text for leaf in lost.values()) else {}
    gone: list[str] = []
    for name, leaf in lost.items():
        if copy.late:
            said = f"not compared any further: that took longer than {copy.limits.seconds:g} seconds"
            return [*differences, Difference(DIFFERENT, "not_compared", name, said)]
        if any(leaf.path.startswith(f"{path}.") for path in gone):
            continue  # inside an attached message that is not there: that is said of it
        told, now = _one(original, received, name, leaf, extra)
        if now is not None:
            del extra[now]
        elif leaf.media_type in mime.MESSAGES:
            gone.append(leaf.path)
        differences += told
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
