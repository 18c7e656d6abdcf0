"""One word changed, or one number: the smallest change that changes what a message says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from bench.survival import raw
from bench.survival.change import Copy
from bench.survival.raw import Part, Untouchable

_WORD = re.compile(rb"(?<![A-Za-z0-9_.@/&%=+-])[A-Za-z]{5,15}(?![A-Za-z0-9_.@/;%=+-])")
_NUMBER = re.compile(rb"(?<![A-Za-z0-9_.@/&%=#:+-])[1-9][0-9]{1,6}(?![A-Za-z0-9_@/;%=:+-])")
# A word with the blank after it, between two others on its line.
_FOLLOWED = re.compile(rb"(?<=[a-z,] )[A-Za-z]{5,15} (?=[a-z])")
_BETWEEN = re.compile(rb"(?<=[a-z]{3}) (?=[a-z]{3})")
INSERTED: Final = b"hardly"
# Where the octets of ASCII letters mean something else.
_NOT_ASCII = re.compile(r"utf-?(16|32|7)|iso-?2022|hz|ucs|unknown", re.IGNORECASE)
_LINK = re.compile(rb"\b(?:https?|ftp|mailto):\S+", re.IGNORECASE)
_UNSEEN = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(style|script|head|title)\b.*?(?:</\1[^>]*>|\Z)|<[^>]*>", re.IGNORECASE | re.DOTALL
)


def in_text(octets: bytes) -> Copy | None:
    return _changed(octets, {"text/plain"}, _WORD)


def in_html(octets: bytes) -> Copy | None:
    return _changed(octets, {"text/html"}, _WORD)


def a_number(octets: bytes) -> Copy | None:
    return _changed(octets, {"text/plain"}, _NUMBER)


def inserted_in_text(octets: bytes) -> Copy | None:
    """Between two words of a line, where it turns what is said."""
    return _changed(octets, {"text/plain"}, _BETWEEN)


def inserted_in_html(octets: bytes) -> Copy | None:
    return _changed(octets, {"text/html"}, _BETWEEN)


def deleted(octets: bytes) -> Copy | None:
    return _changed(octets, {"text/plain"}, _FOLLOWED)


def in_both(octets: bytes) -> Copy | None:
    """The same word wherever it stands in either; only where the message has both."""
    texts = list(_texts(octets))
    words = [{content[start:end] for start, end in _seen(content, part, _WORD)} for part, content in texts]
    if {part.type for part, _ in texts} != {"text/plain", "text/html"} or len(texts) != 2:
        return None
    common = sorted(words[0] & words[1])
    if not common:
        return None
    word = common[len(common) // 2]
    edits = []
    for part, content in texts:
        changed = content
        for start, end in reversed(list(_seen(content, part, _WORD))):
            if content[start:end] == word:
                changed = changed[:start] + _other(word) + changed[end:]
        edits += raw.recode(octets, part, changed)
    return Copy(raw.edited(octets, edits), (word.decode(), _other(word).decode()))


def _changed(octets: bytes, kinds: set[str], pattern: re.Pattern[bytes]) -> Copy | None:
    for part, content in _texts(octets):
        places = list(_seen(content, part, pattern))
        if part.type not in kinds or not places:
            continue
        start, end = places[len(places) // 2]
        old = content[start:end]
        new = {_BETWEEN: b" " + INSERTED + b" ", _FOLLOWED: b""}.get(pattern, _other(old))
        changed = content[:start] + new + content[end:]
        named = tuple(one.decode().strip() for one in (old, new) if one.strip())
        return Copy(raw.edited(octets, raw.recode(octets, part, changed)), named)
    return None


def _texts(octets: bytes) -> Iterator[tuple[Part, bytes]]:
    for part in raw.inline_texts(octets):
        if _NOT_ASCII.search(part.charset):
            continue
        try:
            yield part, raw.decoded(octets, part)
        except Untouchable:
            continue


def _seen(content: bytes, part: Part, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    """Where a reader sees a word: not within a link, a tag or a style sheet, and not next to a letter beyond ASCII."""
    hidden = _UNSEEN if part.type == "text/html" else _LINK
    shown = hidden.sub(lambda found: b"\0" * len(found[0]), content)
    for found in pattern.finditer(shown):
        around = shown[max(0, found.start() - 1) : found.end() + 1]
        if around.isascii():
            yield found.span()


def _other(word: bytes) -> bytes:
    """Of the same length and shape, and never itself."""
    if word.isdigit():
        return bytes((48 + (word[0] - 48) % 9 + 1,)) + word[1:]
    turned = word[::-1].lower()
    return turned if turned != word.lower() else turned[:-1] + (b"q" if turned[-1:] != b"q" else b"z")
