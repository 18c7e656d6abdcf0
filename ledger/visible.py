"""What a reader sees of a text, to be compared with what another reader saw: words in order, and where links stand.

`read` makes a `Reading` of plain text or of HTML. White space is one blank each, or one line break where it held one or
a block of HTML begins or ends; each link and each image is one character, and what it leads to is listed apart. So a
banner above, a footer below and a link that leads elsewhere can be told from a changed word.

HTML is not rendered: styles and scripts are passed over, and what they would hide or show is not judged. Every pass is
linear, whatever a stranger wrote.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final

LINK: Final = "\ufdd0"
"""Stands for an address that the text leads to. A noncharacter: no text has it (`read` drops it where one does)."""

IMAGE: Final = "\ufdd1"
"""Stands for something that is loaded when the text is shown."""

_BODY: Final = "\ufdd2"
_MARKS: Final = re.compile(f"[{LINK}{IMAGE}{_BODY}]")
_BLANKS: Final = re.compile(r"\s+")
_UNSEEN: Final = re.compile("[\u200b\ufeff\u00ad]")
_ADDRESS: Final = re.compile(r"(?:(?:https?|ftp)://|\bwww\.)[!#-;=?-~]+", re.IGNORECASE | re.ASCII)
_STUFFED: Final = re.compile(r"^>+(?=From )", re.MULTILINE)
# Browsers show Windows-1252 where a text says Latin-1, or names a character by its number.
_SHOWN: Final = {code: bytes((code,)).decode("windows-1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
_NUMBERS: Final = re.compile("&#[xX]?[0-9a-fA-F]{9,};?")
_NAME: Final = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_TAG: Final = re.compile(r"""<(?:[^>"'=]|=\s*+"[^"]*"|=\s*+'[^']*'|=|["'])*+>""")
_LOOSE: Final = 50
"""Tags with a quote that nothing closes, past which quotes are not looked at: each is searched for to the end."""

_COMMENT_END: Final = re.compile("--!?>")
_LEADS: Final = re.compile(r"\b(href|src|background|action)\s*=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
# fmt: off
_INLINE: Final = frozenset(
    (
        "a", "abbr", "acronym", "b", "big", "cite", "code", "dfn", "em", "font", "i", "img", "ins", "kbd",
        "label", "mark", "nobr", "o", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt",
        "u", "var", "wbr",
    )
)
# fmt: on
_SILENT: Final = ("script", "style", "title")
_SILENT_END: Final = {name: re.compile(rf"</{name}\b[^>]{{0,100}}>", re.IGNORECASE) for name in _SILENT}


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read before the body of HTML begins, in it, and after it ends; of plain text one piece.

    The pieces have blanks, line breaks and one mark for each of ``links``, in order; none begins or ends with white
    space.
    """

    pieces: tuple[str, ...]
    links: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(filter(None, self.pieces))


def read(text: str, *, markup: bool) -> Reading:
    """The reading of plain text, or of HTML where ``markup`` is true."""
    text = _MARKS.sub("", text)
    if not text.isascii():
        text = _UNSEEN.sub("", text.translate(_SHOWN))
    links: list[str] = []
    if markup:
        text = _html(text, links)
    else:
        # Mail stores put a > before it.
        text = _STUFFED.sub("", text)
        text = _ADDRESS.sub(lambda found: _note(links, found[0]), text)
    pieces = [_BLANKS.sub(_blank, piece).strip(" \n") for piece in text.split(_BODY)]
    return Reading(tuple(pieces), tuple(links))


def _blank(found: re.Match[str]) -> str:
    return "\n" if "\n" in found[0] else " "


def _note(links: list[str], address: str, mark: str = LINK) -> str:
    links.append(address)
    return mark


def _unescape(source: str) -> str:
    # A number of more digits than any character has is none, and Python refuses to read thousands of them.
    return html.unescape(_NUMBERS.sub("\ufffd", source))


def _html(text: str, links: list[str]) -> str:
    return _Source(text, links).read()


class _Source:
    """HTML on its way to words."""

    def __init__(self, text: str, links: list[str]) -> None:
        self._text = text
        self._links = links
        self._out: list[str] = []
        self._unclosed: set[str] = set()
        self._loose = 0

    def read(self) -> str:
        text, at = self._text, 0
        while (opened := text.find("<", at)) >= 0:
            self._say(text[at:opened])
            at = self._pass(opened)
        self._say(text[at:])
        return "".join(self._out)

    def _say(self, source: str) -> None:
        shown = _UNSEEN.sub("", _MARKS.sub("", _unescape(source))) if "&" in source else source
        # A line break in the source is a blank, and no more.
        shown = shown.replace("\n", " ").replace("\r", " ")
        self._out.append(_ADDRESS.sub(lambda found: _note(self._links, found[0]), shown))

    def _pass(self, opened: int) -> int:
        """Past what begins with the < at ``opened``."""
        text = self._text
        if text.startswith("<!--", opened):
            # A comment may end with the dashes it began with.
            ended = _COMMENT_END.search(text, opened + 2)
            return len(text) if ended is None else ended.end()
        named = _NAME.match(text, opened + 1)
        if named is None and text[opened + 1 : opened + 2] not in ("!", "?", "/"):
            self._out.append("<")
            return opened + 1
        closed = self._end(opened)
        if closed < 0:
            return len(text)
        if named is not None:
            name = named[1].lower()
            if name in _SILENT:
                return closed + 1 if text[opened + 1] == "/" else self._after(closed + 1, name)
            if name == "body":
                self._out.append(_BODY)
            elif name not in _INLINE:
                self._out.append("\n")
            self._lead(named.end(), closed)
        return closed + 1

    def _end(self, opened: int) -> int:
        """Where the > is that ends a tag: not within quotes, as long as these are closed."""
        if self._loose < _LOOSE:
            found = _TAG.match(self._text, opened)
            if found is not None:
                return found.end() - 1
            self._loose += 1
        return self._text.find(">", opened)

    def _lead(self, start: int, stop: int) -> None:
        for found in _LEADS.finditer(self._text, start, stop):
            address = _unescape(found[2] or found[3] or found[4] or "").strip()
            if address:
                mark = LINK if found[1].lower() in ("href", "action") else IMAGE
                self._out.append(_note(self._links, address, mark))

    def _after(self, start: int, name: str) -> int:
        """Where an element that is not shown ends; one that does not end is not taken to hide the rest."""
        if name not in self._unclosed:
            ended = _SILENT_END[name].search(self._text, start)
            if ended is not None:
                return ended.end()
            self._unclosed.add(name)  # and nobody looks for its end again
        return start
