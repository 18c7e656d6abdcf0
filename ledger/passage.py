"""Whether one text stands in another, and what stands around it.

A recorded text counts as contained if all of it stands there in one piece, line breaks and links aside, and what was
added begins and ends at line breaks, as banners and footers do. Anything within it is a change, and is named. Of HTML
the markup is compared apart: text that says the same may be shown otherwise, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final
from urllib.parse import unquote

from ledger import markup as marked
from ledger.differs import ADDITIONS, DIFFERENT, LINKS, REENCODED, Difference, excerpt
from ledger.visible import IMAGE, LINK, Reading, read

LIMIT: Final = 2 << 20
"""Characters of a text past which it is not compared."""

_SIGNS: Final = re.compile(r"(?:^|(?<=\n))--(?= ?(?:\n|\Z))\s*+([^ \n]{0,40})|\[[xX ]?\] ?([^ \n]{0,40}\n?)")
_LINES: Final = 200
"""Line breaks more than there were, past which a text is moved out of sight."""

_TRIES: Final = 100
_BESIDE: Final = 200
_RULE: Final = 3
_WORDS: Final = 400
"""Words between the first and the last that differ, past which they are not told one by one."""

_MARKS: Final = {LINK: "(link)", IMAGE: "(image)"}


def find(where: str, recorded: str, received: str, *, markup: bool) -> list[Difference]:
    """How ``received`` differs from ``recorded``, which stands in it unless a difference says DIFFERENT."""
    if max(len(recorded), len(received)) > LIMIT:
        said = f"its text is not the same, and is over {LIMIT:,} characters, which are not compared"
        return [Difference(DIFFERENT, "not_compared", where, said)]
    one, two = read(recorded, markup=markup), read(received, markup=markup)
    placed = _places(one.pieces, two.pieces) or _places((one.text,), (two.text,))
    if placed is None:
        return _changes(where, one.text, two.text)
    differences = [
        Difference(ADDITIONS, "added", where, f"text was added {side} it", received=excerpt(_told(text)))
        for old, new, at in placed
        for side, text in (("before", new[:at]), ("after", new[at + len(old) :]))
        if text.strip()
    ]
    differences += _links(where, one, two, placed)
    if markup and not marked.same(recorded, received):
        said = "its markup was changed: the same text and links may look otherwise, or be hidden"
        differences.append(Difference(LINKS, "markup", where, said))
    if not markup and (_moved(placed) or received.count("\n") - recorded.count("\n") > _LINES):
        said = "line breaks or blanks were moved where they count: at quotes, boxes, a signature, or by the hundred"
        differences.append(Difference(LINKS, "moved", where, said))
    # Blanks and line breaks within the text.
    return differences or [Difference(REENCODED, "re-encoded", where, "its text was wrapped or spaced anew")]


Placed = list[tuple[str, str, int]]
"""Each piece of a text, the one it stands in, and where."""


def _places(one: Sequence[str], two: Sequence[str]) -> Placed | None:
    """Where each piece stands, parted from what is around it; None unless every one does."""
    if len(one) != len(two):
        return None
    placed: Placed = []
    for old, new in zip(one, two, strict=True):
        at = _place(old, new)
        if at is None:
            return None
        placed.append((old, new, at))
    return placed


def _place(old: str, new: str) -> int | None:
    wanted, flat = old.replace("\n", " "), new.replace("\n", " ")
    at = flat.find(wanted)
    for _ in range(_TRIES):
        if at < 0:
            return None
        if _parted(new, at) and _parted(new, at + len(wanted)):
            return at
        at = flat.find(wanted, at + 1)
    return None


def _parted(text: str, at: int) -> bool:
    """Whether a text begins or ends at this place: at a line break, beside an image, or at a rule of signs that was
    glued to it, as programs do that set their text after a last line without an end."""
    before, after = text[:at][-_BESIDE:], text[at : at + _BESIDE]
    if not before or not after or before[-1] in "\n" + IMAGE or after[0] in "\n" + IMAGE:
        return True
    if before.endswith(IMAGE + " ") or after.startswith(" " + IMAGE):
        return True
    return _is_rule(after.partition("\n")[0]) or _is_rule(before.rpartition("\n")[2])


def _is_rule(line: str) -> bool:
    return len(line) >= _RULE and line[0] in "_-*=#~" and not line.strip(line[0])


def _moved(placed: Placed) -> bool:
    """Whether something else than before begins a line with a quote's sign, a box or the dashes of a signature."""
    return any(_shape(old) != _shape(new[at : at + len(old)]) for old, new, at in placed)


def _shape(text: str) -> list[object]:
    """What is quoted, block by block; and what follows a box or the dashes of a signature."""
    found: list[object] = _SIGNS.findall(text)
    for quoted, lines in groupby(text.split("\n"), lambda line: line.startswith(">")):
        if quoted:
            found.append(" ".join(lines).replace(">", " ").split())
    return found


def _links(where: str, one: Reading, two: Reading, placed: Placed) -> list[Difference]:
    found = []
    mine = theirs = 0
    for old, new, at in placed:
        count, before = _count(old), _count(new[:at])
        pairs = zip(one.links[mine : mine + count], two.links[theirs + before :], strict=False)
        mine, theirs = mine + count, theirs + _count(new)
        for was, now in pairs:
            if was != now:
                says = "carries the address that was recorded" if _carries(was, now) else "does not tell where it led"
                detail = f"a link was rewritten; the new one {says}"
                found.append(Difference(LINKS, "link", where, detail, excerpt(was), excerpt(now)))
    return found


def _count(text: str) -> int:
    return text.count(LINK) + text.count(IMAGE)


def _carries(old: str, new: str) -> bool:
    plain = re.sub(r"^[a-z]+://", "", old, flags=re.IGNORECASE).rstrip("/.,;)")
    return any(plain in spelt for spelt in (new, unquote(new), unquote(unquote(new))))


def _changes(where: str, one: str, two: str) -> list[Difference]:
    """The words that differ, each run of them once."""
    old, new = one.split(), two.split()
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    stop = 0
    while stop < min(len(old), len(new)) - start and old[-1 - stop] == new[-1 - stop]:
        stop += 1
    old, new = old[start : len(old) - stop], new[start : len(new) - stop]
    if max(len(old), len(new)) > _WORDS:
        return [_change(where, old, new, f"from word {start + 1} on the text differs")]
    told = []
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what != "equal":
            told.append(_change(where, old[a:b], new[c:d], f"words differ, from word {start + a + 1} on"))
    return told


def _change(where: str, old: Sequence[str], new: Sequence[str], detail: str) -> Difference:
    said = [excerpt(_told(" ".join(words))) if words else None for words in (old, new)]
    return Difference(DIFFERENT, "changed", where, detail, *said)


def _told(text: str) -> str:
    for mark, name in _MARKS.items():
        text = text.replace(mark, name)
    return text
