"""Which of seven levels a copy reaches, held against a message that was recorded, and what differs.

A copy is held against a message only where something ties the two: the Message-ID or, where one of them has none,
sender, date, recipients and subject together; or, of a message recorded without a date, all its content. Content alone
ties nothing: a thousand mails say "see attached".

What is compared of each part is, in this order, its octets, its text in one spelling, and, where the recorded text is
at hand, whether that stands in what was received. Parts are paired once each, so that of two alike both must be there.
docs/format.md, "Levels".
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Literal

from ledger import leftover, likeness, mime, passage, shown, terms, visible
from ledger.differs import (
    ADDITIONS,
    DIFFERENT,
    IDENTICAL,
    LEVELS,
    LINKS,
    MISSING,
    REENCODED,
    TRANSPORT,
    Difference,
    Kind,
    Level,
    excerpt,
    weakest,
)
from ledger.fingerprint import Fingerprint, Leaf
from ledger.leftover import Left
from ledger.sides import HEADERS, Copy, Original, odd

TRIED: Final = 8
"""Texts that are held against one that is not there as it was."""


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
    if not copy.print.parsed or (by := _tied(original, copy.print)) is None:
        return None
    said = _oddities(original, copy) + _beside(original, copy) + _headers(original, copy) + _body(original, copy)
    said = said or [Difference(TRANSPORT, "transport", "", "what relays add to a message or change around it")]
    level = weakest(one.level for one in said)
    return None if by == "content" and LEVELS.index(level) > LEVELS.index(LINKS) else Match(level, tuple(said))


def _beside(original: Original, copy: Copy) -> list[Difference]:
    """Whom it shows, or is answered to, beside the sender: relays and lists add that, and so may others."""
    known = original.beside or {}
    return [
        Difference(TRANSPORT, "header", name, "stands beside From", known.get(name), excerpt(said))
        for name, said in copy.beside.items()
        if known.get(name) != said
    ]


def _oddities(original: Original, copy: Copy) -> list[Difference]:
    new = odd(copy.print) - Counter(original.odd or {})
    if not new:
        return []
    if original.odd is None:
        said = f"built so that programs read it differently; whether that was recorded is not known: {', '.join(new)}"
        return [Difference(DIFFERENT, "not_compared", "", said)]
    said = f"it is built so that programs read it differently, as what was recorded was not: {', '.join(sorted(new))}"
    return [Difference(DIFFERENT, "header", "", said)]


# Headers


def _tied(original: Original, received: Fingerprint) -> Literal["headers", "content"] | None:
    """By what, if anything ties them."""
    mine, theirs = original.headers.get("Message-ID"), received.header("Message-ID")
    if mine and theirs:
        return "headers" if likeness.bracketless(mine) == likeness.bracketless(theirs) else None
    known, now = original.relaxed, received.relaxed
    if known is not None and now is not None and known.headers == now.headers:
        return "headers" if known.headers != terms.NO_HEADER or known.body == now.body else None
    if "From" not in original.headers:
        return None
    mine, theirs = original.headers.get("Subject", ""), received.header("Subject") or ""
    if likeness.squeeze(mine) not in likeness.squeeze(theirs):
        return None
    dated = "Date" in original.headers or "Date" in original.hashes or "Date" in original.unknown
    if not all(_agrees(original, received, name) for name in ("From", "To", *["Date"] * dated)):
        return None
    return "headers" if "Date" in original.headers else "content"


def _agrees(original: Original, received: Fingerprint, name: str) -> bool:
    mine, theirs = original.headers.get(name), received.header(name)
    if name in original.unknown or (mine is None and theirs is None):
        return True
    if mine is None or theirs is None:
        return theirs is not None and sha256(theirs.encode()).hexdigest() == original.hashes.get(name)
    if name == "Message-ID":
        return likeness.bracketless(mine) == likeness.bracketless(theirs)
    same = likeness.same(mine, theirs, quotes=name == "Subject")
    return same or (name == "Date" and terms.by_date(mine) == terms.by_date(theirs) != [])


def _headers(original: Original, copy: Copy) -> list[Difference]:
    received = copy.print
    known, theirs = original.relaxed, received.relaxed
    if known is not None and theirs is not None and known.headers == theirs.headers:
        return []
    differences: list[Difference] = []
    for name in HEADERS:
        if name in original.repeated:
            said = "stands there more than once, and they are not all as they were"
            differences.append(Difference(DIFFERENT, "header", name, said))
        if name not in original.repeated and sum(one.name == name for one in received.headers) > 1:
            level = ADDITIONS if name in ("To", "Cc") else DIFFERENT
            differences.append(Difference(level, "header", name, "stands there more than once"))
        if not _agrees(original, received, name):
            quoted = [
                None if said is None else excerpt(said) for said in (original.headers.get(name), received.header(name))
            ]
            differences.append(Difference(*_header(original, copy, name), *quoted))
        elif name == "From" and name in original.headers and not copy.is_from(original.headers[name]):
            said = "shows an address that it is not from"
            differences.append(Difference(DIFFERENT, "header", name, said, excerpt(original.headers[name])))
    if not differences and not original.unknown:
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
    elif name == "Subject" and mine is not None and "".join(mine.split()) == "".join(theirs.split()):
        level, detail = ADDITIONS, "has other blanks"
    elif mine is None and name not in original.hashes:
        detail = "was added"
        if name in ("Date", "Message-ID"):  # as the first server does where there is none: RFC 5321 section 6.4
            level = TRANSPORT
    elif name == "From" and mine is not None and "@" in mine and copy.is_from(mine):
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
    if "after-end" in {**odd(copy.print), **(original.odd or {})}:
        said = (
            "parts stand after what is said to be their end; programs show them, or do not, and they are not compared"
        )
        differences.append(Difference(DIFFERENT, "not_compared", "", said))
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
    if not original.partial and shown.merged((original.leaves[mine], now_there[now]) for mine, now in pairs):
        said = "its parts are alternatives to each other otherwise than they were: programs show one of them"
        differences.append(Difference(DIFFERENT, "moved", "", said))
    order = [leftover.order(now_there[now]) for _, now in pairs]
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
        ids = {leaf.cid for leaf in original.leaves.values()} - {None}
        words = _vouching(original, copy, pairs, now_there)
        for name, leaf in extra.items():
            differences.append(_added(copy, name, leaf, beside, words))
            if leaf.cid in ids:
                said = "is shown where a recorded part was: it has its Content-ID"
                differences.append(Difference(LINKS, "link", name, said))
    return differences or [Difference(REENCODED, "re-encoded", "", "its encoding, or what stands around its parts")]


def _added(
    copy: Copy, name: str, leaf: Leaf, beside: Mapping[str, set[str]], words: Mapping[str, Sequence[str]]
) -> Difference:
    """``beside``: of each multipart/alternative the children that lead to recorded parts; ``words`` what they say."""
    said = None
    instead = any(around in beside and child not in beside[around] for around, child in shown.alternatives(leaf))
    if leaf.media_type.startswith("text/") and leaf.size <= passage.LIMIT:
        text = "" if copy.late else copy.texts.get(leaf.path, "")
        shown_text = visible.read(text, markup=leaf.media_type == "text/html").text
        said = excerpt(shown_text.replace(visible.LINK, "(link)").replace(visible.IMAGE, "(image)")) or None
        said_alike = shown_text.replace(visible.LINK, "").split()
        if instead and any(words.get(around) == said_alike for around, _ in shown.alternatives(leaf)):
            told = f"an alternative was added that says the same words, and may look otherwise: {_describe(leaf)}"
            return Difference(LINKS, "markup", name, told, received=said)
    if instead:
        told = f"an alternative was added, and programs show one of them: {_describe(leaf)}"
        return Difference(DIFFERENT, "added", name, told, received=said)
    return Difference(ADDITIONS, "added", name, f"a part was added: {_describe(leaf)}", received=said)


def _vouching(
    original: Original, copy: Copy, pairs: Sequence[tuple[str, str]], received: Mapping[str, Leaf]
) -> dict[str, list[str]]:
    """The words of the first recorded plain text in each multipart/alternative."""
    found: dict[str, list[str]] = {}
    for mine, now in pairs:
        if original.leaves[mine].media_type == "text/plain" and not copy.late:
            for around, _ in shown.alternatives(received[now]):
                if around not in found:
                    text = visible.read(copy.texts.get(received[now].path, ""), markup=False).text
                    found[around] = text.replace(visible.LINK, "").split()
    return found


def _pair(
    recorded: Mapping[str, Leaf], received: Mapping[str, Leaf]
) -> tuple[list[tuple[str, str]], dict[str, Leaf], dict[str, Leaf]]:
    """Each part with its like, once; what is left on either side. In the order of the parts recorded."""
    extra = dict(sorted(received.items(), key=lambda item: leftover.order(item[1])))
    left: dict[leftover.Key, deque[str]] = {}
    theirs, ours = leftover.keys(received.values()), leftover.keys(recorded.values())
    for name, leaf in extra.items():
        left.setdefault(theirs[leaf.path], deque()).append(name)
    pairs: list[tuple[str, str]] = []
    lost: dict[str, Leaf] = {}
    for mine, leaf in sorted(recorded.items(), key=lambda item: leftover.order(item[1])):
        alike = left.get(ours[leaf.path])
        if alike:
            pairs.append((mine, alike.popleft()))
            del extra[pairs[-1][1]]
        else:
            lost[mine] = leaf
    return pairs, lost, extra


def _lost(original: Original, copy: Copy, lost: Mapping[str, Leaf], extra: dict[str, Leaf]) -> list[Difference]:
    """What became of parts that are not there as they were. Takes from ``extra`` what stands in their place."""
    differences: list[Difference] = []
    received = copy.texts if any(leaf.text for leaf in lost.values()) else {}
    gone: set[str] = set()
    ours, left = leftover.keys(original.leaves.values()), Left(extra, leftover.keys(copy.print.leaves))
    for name, leaf in lost.items():
        if copy.late:
            said = f"not compared any further: that took longer than {copy.limits.seconds:g} seconds"
            return [*differences, Difference(DIFFERENT, "not_compared", name, said)]
        if any(path in gone for path in leftover.above(leaf.path)):
            continue  # inside an attached message that is not there: that is said of it
        told, now = _one(original, received, name, leaf, ours[leaf.path], left)
        if now is not None:
            left.take(now)
        elif leaf.media_type in mime.MESSAGES:
            gone.add(leaf.path)
        differences += told
    return differences


def _one(
    original: Original,
    received: Mapping[str, str],
    name: str,
    leaf: Leaf,
    key: leftover.Key,
    left: Left,
) -> tuple[list[Difference], str | None]:
    """How one part differs from what stands in its place, if anything does."""
    mine, place, extra = original.texts.get(leaf.path), left.instead_of(leaf, key), left.parts
    if leaf.text is not None and leaf.media_type not in mime.MESSAGES:
        alike = [now for now in left.alike(leaf, key, TRIED) if extra[now].path in received]
        found = []
        for now in alike if mine is not None else ():
            differences = passage.find(
                name, mine or "", received[extra[now].path], markup=leaf.media_type == "text/html"
            )
            found.append((LEVELS.index(weakest(one.level for one in differences)), now != place, now, differences))
        if found:
            _, _, now, differences = min(found, key=lambda one: one[:2])
            # To a text that is read, lists and gateways add theirs. A file is the same, or another one; its blanks may
            # be columns.
            if leaf.file is None:
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


def _describe(leaf: Leaf) -> str:
    named = "" if leaf.name is None else f" “{excerpt(leaf.name)}”"
    return f"{leaf.media_type}{named}, {leaf.size:,} bytes"
