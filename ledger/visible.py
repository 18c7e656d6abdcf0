"""What a reader sees of a text, to be compared with what another reader saw: words in order, and where links stand.

`read` makes a `Reading` of plain text or of HTML, `tokens` takes HTML apart, `masked` leaves its addresses out. White
space is one blank each, or one line break where it held one or a block of HTML begins or ends; each link and each image
is one character; what it leads to is listed apart. So a banner above, a footer below and a link that leads elsewhere
can be told from a changed word.

HTML is not rendered: styles and scripts are passed over, and what they would hide or show is not judged. Every pass is
linear, whatever a stranger wrote.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

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
SHOWN: Final = {code: bytes((code,)).decode("windows-1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
_NUMBERS: Final = re.compile("&#[xX]?[0-9a-fA-F]{9,};?")
# As browsers read a tag. Its blanks are these alone: any other is a part of a name or of a value.
_NAME: Final = re.compile(r"/?([a-zA-Z][^ \t\n\r\f/>]*+)")
_ATTRIBUTE: Final = re.compile(
    r"""([^ \t\n\r\f/>][^ \t\n\r\f/>=]*+)
    (?:[ \t\n\r\f]*+=[ \t\n\r\f]*+(?:"([^"]*+)"|'([^']*+)'|([^ \t\n\r\f>"'][^ \t\n\r\f>]*+)))?""",
    re.VERBOSE,
)
_TAG: Final = re.compile(rf"<{_NAME.pattern}(?:[ \t\n\r\f/]++|{_ATTRIBUTE.pattern})*+>", re.VERBOSE)
_LOOSE: Final = 50
"""Tags with a quote that nothing closes, past which quotes are not looked at: each is searched for to the end."""

_COMMENT_END: Final = re.compile("--!?>")
_LEADS: Final = {"action": LINK, "background": IMAGE, "href": LINK, "src": IMAGE}
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


class Token(NamedTuple):
    """A piece of HTML, by where it begins and ends: text, a tag (and where its attributes begin), or what is not shown.

    ``whole`` is false where the end was not found, so that programs differ in how they read what follows.
    """

    kind: Literal["text", "start", "end", "other"]
    start: int
    stop: int
    name: str = ""
    inside: int = 0
    whole: bool = True


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
        text = _UNSEEN.sub("", text.translate(SHOWN))
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
    out: list[str] = []
    for token in tokens(text):
        if token.kind == "text":
            out.append(_shown(text[token.start : token.stop], links))
        elif token.kind != "other" and token.name not in _SILENT:
            if token.name.partition(":")[0] not in _INLINE and token.name != "body":
                out.append("\n")
            out += [_note(links, _unescape(text[at:to]).strip(), mark) for at, to, mark in _leads(text, token)]
            if token.name == "body":  # its background stands before it, so that a banner follows
                out.append(_BODY)
    return "".join(out)


def _shown(source: str, links: list[str]) -> str:
    shown = _UNSEEN.sub("", _MARKS.sub("", _unescape(source))) if "&" in source else source
    # A line break in the source is a blank, and no more.
    shown = shown.replace("\n", " ").replace("\r", " ")
    return _ADDRESS.sub(lambda found: _note(links, found[0]), shown)


def _leads(text: str, token: Token) -> Iterator[tuple[int, int, str]]:
    """Where the addresses of a tag stand, and the mark of each."""
    for found in _ATTRIBUTE.finditer(text, token.inside, token.stop - 1):
        mark = _LEADS.get(found[1].lower())
        if mark is not None and found.lastindex != 1 and _unescape(found[found.lastindex or 0]).strip():
            yield *found.span(found.lastindex or 0), mark


def masked(text: str) -> str:
    """HTML as it stands, but for a mark in place of each address that `read` lists, or that is read with the words."""
    text = _MARKS.sub("", text)
    out: list[str] = []
    last = 0
    for token in tokens(text):
        if token.kind == "text":
            out += (text[last : token.start], _ADDRESS.sub(LINK, text[token.start : token.stop]))
            last = token.stop
        elif token.kind != "other" and token.name not in _SILENT:
            for start, stop, mark in _leads(text, token):
                out += (text[last:start], mark)
                last = stop
    return "".join((*out, text[last:]))


def tokens(text: str) -> Iterator[Token]:
    """HTML from its beginning to its end, in pieces that leave nothing out."""
    at = loose = 0
    endless: set[str] = set()
    while (opened := text.find("<", at)) >= 0:
        if opened > at:
            yield Token("text", at, opened)
        if text.startswith("<!--", opened):
            # A comment may end with the dashes it began with.
            ended = _COMMENT_END.search(text, opened + 2)
            at = len(text) if ended is None else ended.end()
            yield Token("other", opened, at, whole=ended is not None)
            continue
        named = _NAME.match(text, opened + 1)
        if named is None and text[opened + 1 : opened + 2] not in ("!", "?", "/"):
            at = opened + 1
            yield Token("text", opened, at)
            continue
        # A > within quotes ends no tag, as long as the quotes are closed.
        found = None if named is None or loose >= _LOOSE else _TAG.match(text, opened)
        loose += named is not None and found is None
        at = found.end() if found is not None else text.find(">", opened) + 1
        if named is None or not at:
            yield Token("other", opened, at or len(text), whole=bool(at))
            at = at or len(text)
            continue
        name = named[1].lower()
        if text[opened + 1] == "/":
            yield Token("end", opened, at, name, named.end(), found is not None)
            continue
        if name not in _SILENT:
            yield Token("start", opened, at, name, named.end(), found is not None)
            continue
        closed = None if name in endless else _SILENT_END[name].search(text, at)
        yield Token("start", opened, at, name, named.end(), closed is not None)
        if closed is None:
            endless.add(name)  # nobody looks for its end again, and it is not taken to hide the rest
        else:
            yield Token("other", at, closed.end())
            at = closed.end()
    if at < len(text):
        yield Token("text", at, len(text))
