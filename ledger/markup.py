"""Whether HTML is the same but for pieces that were set in above or below it, and change nothing of how it looks.

Only what is known to be harmless is: some elements, some of their attributes, some properties of styles, at the top and
at the bottom. A gateway's banner and a list's footer are made of these. Everything else may hide the text, cover it,
cross it out or move it, and is told. Every pass is linear.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from html import unescape
from typing import Final

from ledger.visible import masked, tokens

_INSERTIONS: Final = 6
_ANCHOR: Final = 48
_TURNS: Final = 12
_TAGS: Final = 120
_BREAKS: Final = 12
_LENGTH: Final = 20_000
"""Tags, line breaks and characters of one piece, past which it is no banner: so many move a text out of sight."""

_BLANKS: Final = re.compile(r"[ \t\n\r\f]+")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*+)([^<>]*+)>|<|>")
_VOID: Final = frozenset(("br", "col", "hr", "img", "wbr"))
_OPTIONAL: Final = ("li", "p")  # few close them
# fmt: off
_PLAIN: Final = frozenset(
    (
        "a", "b", "blockquote", "center", "code", "div", "em", "font", "h4", "h5", "h6", "i", "li", "ol", "p",
        "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "tt", "u", "ul", *_VOID,
    )
)
"""Elements that show what is in them. None makes its text larger, or it would, one in the other, cover what is near."""

_ENDS: Final = _PLAIN | frozenset(
    ("address", "article", "big", "body", "dd", "dl", "dt", "footer", "form", "h1", "h2", "h3", "html", "main", "o:p",
     "section", "tfoot")
)
# fmt: on
_TABLES: Final = ("table", "tbody", "tfoot", "thead", "tr")
"""What stands in one of these, and not in a cell, is shown before the whole table."""

_CELLS: Final = ("td", "th", "caption")
_WITHIN: Final = {
    "col": ("table",),
    "tbody": ("table",),
    "thead": ("table",),
    "tr": ("table", "tbody", "thead"),
    "td": ("tr",),
    "th": ("tr",),
}
_OPAQUE: Final = frozenset(
    ("iframe", "math", "noembed", "noframes", "noscript", "select", "svg", "template", "textarea", "xmp")
)
_OTHERWISE: Final = ("frameset", "plaintext")
"""Elements by which all that follows is read otherwise, or is gone if anything stands before them."""

_ATTRIBUTES: Final = re.compile(
    r"""(?:[ ](?:align|bgcolor|border|cellpadding|cellspacing|class|color|colspan|face|href|id|rel|rowspan|size|src
    |style|target|valign|width)[ ]?=[ ]?(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))*[ ]?/?""",
    re.IGNORECASE | re.VERBOSE,
)
_ATTRIBUTE: Final = re.compile(r"""([a-z]+)[ ]?=[ ]?(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+))""", re.IGNORECASE)
_LONGEST: Final = 1_000
_SMALL: Final = re.compile(r"\d{1,2}(?:px|%)?(?: \d{1,2}(?:px|%)?){0,3}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl)\([0-9%,. ]{1,40}\)", re.IGNORECASE)
_MANY_DIGITS: Final = re.compile(r"\d{4}")
_PLACE: Final = re.compile(r"[+~]|:(?:first|last|nth|only|has|empty|not|is|where|root)", re.IGNORECASE)
_COMMENTED: Final = re.compile(r"<[^<>]*>|<!--|-->")
_SHEETS: Final = re.compile("<(?:style|link)", re.IGNORECASE)
_PROPERTY: Final = re.compile(
    r"""background|background-color|border|border-[a-z-]+|color|font-family|font-size|font-style|font-weight
    |line-height|margin|margin-[a-z]+|max-width|mso-(?!element-|text-raise)[a-z-]+|padding|padding-[a-z]+|text-align
    |text-decoration|vertical-align|width|word-break|word-wrap""",
    re.VERBOSE,
)
_UNSAFE: Final = re.compile(r"""[\\!@{}()]|/\*|-\s*\.?\d|\bframe\b""", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?<![\w#.])\.?\d[\w.%]*")
_WIDE: Final = re.compile(r"\d{1,3}(?:\.\d{1,4})?(?:px|pt|%)?|\d{1,2}(?:\.\d{1,4})?(?:em|rem|in|cm)", re.IGNORECASE)
_HIGH: Final = re.compile(
    r"\d{0,2}(?:\.\d{1,4})?(?:px|pt|mm)?|\d?(?:\.\d{1,4})?(?:em|rem|ex|in|cm)|\d{1,2}%|100%", re.IGNORECASE
)
# Letters that are higher than their line cover the lines around it; so would those that grow with each element.
_LINE: Final = re.compile(r"normal|[1-3](?:\.\d{1,4})?", re.IGNORECASE)
_LETTERS: Final = re.compile(
    r"""(?:1?\d|2[0-3])(?:\.\d{1,4})?px|1?\d(?:\.\d{1,4})?pt|(?:1|0?\.\d{1,4}|1\.0{1,4})r?em|\d{1,2}(?:\.\d{1,4})?%|100%
    |inherit|(?:xx?-)?small|smaller|medium|large""",
    re.IGNORECASE | re.VERBOSE,
)
_FONT: Final = re.compile(r"[1-4]|\+1|-[1-4]")
_ALLOWED: Final = {"line-height": _LINE, "font-size": _LETTERS}
_INLINE: Final = frozenset(("a", "b", "code", "em", "font", "i", "small", "span", "strong", "sub", "sup", "tt", "u"))
"""Elements whose borders and padding cover the lines above and below them."""


def same(recorded: str, received: str) -> bool:
    """Whether ``received`` is ``recorded`` with a few pieces of markup set in that leave the rest as it was.

    Blanks and the addresses that are listed as links are not compared.
    """
    one, two = (_folded(masked(text)).strip(" \n") for text in (recorded, received))
    pieces = _insertions(one, two)
    if not pieces:
        return pieces is not None
    tops, bottoms = _places(one)
    below = frozenset(bottoms)
    if _by_place(two):
        return False
    classes = _SHEETS.search(two) is None
    last = 0
    for at, piece in pieces:
        for place in (*bottoms[: bisect_right(bottoms, at)][-_TURNS:], *tops):
            turned = _turned(one, place, at, piece) if last <= place <= at else None
            if turned is not None and _neutral(turned, bottom=place in below, classes=classes):
                last = place
                break
        else:
            return False
    return True


def _folded(text: str) -> str:
    """Runs of blanks as one; within tags, styles and comments a line break stays one, since it ends what a blank does
    not."""
    out: list[str] = []
    last = 0
    for token in tokens(text):
        piece = text[last : token.stop]
        out.append(_BLANKS.sub(" " if token.kind == "text" else _break, piece))
        last = token.stop
    return "".join(out) + _BLANKS.sub(_break, text[last:])


def _break(found: re.Match[str]) -> str:
    return "\n" if "\n" in found[0] else " "


def _insertions(one: str, two: str) -> list[tuple[int, str]] | None:
    """What was set into ``one`` to make ``two``, and where, if no more than a few pieces were."""
    i = j = 0
    pieces: list[tuple[int, str]] = []
    while True:
        same = _common(one, i, two, j)
        i, j = i + same, j + same
        if i == len(one):
            return pieces + [(i, two[j:])] * (j < len(two))
        if len(pieces) == _INSERTIONS:
            return None
        on = two.find(one[i : i + _ANCHOR], j + 1)
        if on < 0:
            return None
        pieces.append((i, two[j:on]))
        j = on


def _by_place(text: str) -> bool:
    """Whether a style sheet picks elements by what stands beside them, so that any insertion may act on the rest."""
    within = ""
    for token in tokens(text):
        if within == "style" and _PLACE.search(_COMMENTED.sub("", text[token.start : token.stop])):
            return True
        within = token.name if token.kind == "start" else ""
    return "<link" in text.lower()


def _turned(one: str, place: int, at: int, piece: str) -> str | None:
    """What was set in at ``place``, if that makes the same text as ``piece`` does at ``at``: it may end like what
    stands before it."""
    back = len(piece) - (at - place)
    if back < 0 or one[place:at] != piece[back:]:
        return None
    return piece[back:] + piece[:back]


def _common(one: str, i: int, two: str, j: int) -> int:
    """How many characters are the same from there on."""
    step, same = 1 << 16, 0
    while step:
        if one[i + same : i + same + step] == two[j + same : j + same + step] and i + same + step <= len(one):
            same += step
        else:
            step >>= 1
    return same


def _places(text: str) -> tuple[list[int], list[int]]:
    """Where a piece stands above all that is shown, or where the body is said to end, though more follows; and where
    only end tags follow."""
    tops, bottoms = [0], [0]
    ends: dict[str, int] = {}
    seen: set[str] = set()
    tables: list[str] = []
    for token in tokens(text):
        if token.name in _OTHERWISE:
            return [], []
        if not token.whole:
            return [*tops, *ends.values()], []
        if token.kind != "text":
            _nest(tables, token.name, ended=token.kind == "end")
        blank = token.kind == "text" and text[token.start : token.stop] == " "
        if not (blank or (token.kind == "end" and token.name in _ENDS)):
            bottoms.clear()
        outside = not tables or tables[-1] in _CELLS
        if outside:
            bottoms.append(token.stop)
            if token.kind == "end" and token.name in ("body", "html"):
                ends.setdefault(token.name, token.start)
        first = (token.kind, token.name) in (("start", "html"), ("end", "head"), ("start", "body"))
        if (blank and tops[-1] == token.start) or (first and token.name not in seen and not tables):
            tops.append(token.stop)
        if first:
            seen.add(token.name)
        elif (token.kind == "text" and not blank) or token.name in _OPAQUE:
            seen |= {"html", "head", "body"}  # it has begun: nothing after this is the top
    return [*tops, *ends.values()], bottoms


def _nest(tables: list[str], name: str, *, ended: bool) -> None:
    """Keep account of the tables and cells that are open."""
    if name == "table" and not ended:
        tables.append(name)
    elif name == "table" or name in _TABLES or name in _CELLS:
        if tables and tables[-1] in _CELLS:
            tables.pop()
        if tables and name == "table":
            tables.pop()
        elif tables and name in _CELLS and not ended:
            tables.append(name)


def _neutral(piece: str, *, bottom: bool, classes: bool) -> bool:
    """Whether every element that a piece of markup opens it also closes, and none of them acts on what is around it.

    At the bottom nothing is left for a paragraph to wrap. ``classes``: whether there is no style sheet that a class
    could bring in.
    """
    if len(piece) > _LENGTH or piece.lower().count("<br") > _BREAKS:
        return False
    opened: list[str] = []
    for number, found in enumerate(_TAG.finditer(piece)):
        if found[2] is None or number >= _TAGS or not _ATTRIBUTES.fullmatch(found[3]):
            return False
        name = found[2].lower()
        if name not in _PLAIN or not _harmless(name, found[3], classes=classes):
            return False
        if found[1]:
            while bottom and opened and opened[-1] in _OPTIONAL and opened[-1] != name:
                opened.pop()
            if name not in _VOID and (not opened or opened.pop() != name):
                return False
            continue
        around = opened[-1] if opened else ""
        if around not in _WITHIN[name] if name in _WITHIN else around in _TABLES:
            return False
        if name not in _VOID:
            opened.append(name)
    return not opened or (bottom and set(opened) <= set(_OPTIONAL))


def _harmless(element: str, attributes: str, *, classes: bool) -> bool:
    for found in _ATTRIBUTE.finditer(attributes):
        name, value = found[1].lower(), found[2] or found[3] or found[4] or ""
        if len(value) > _LONGEST or (name in ("class", "id") and not classes):
            return False
        value = unescape(value)
        if name == "style":
            if not _plain_style(value, inline=element in _INLINE):
                return False
        elif name == "size" and element != "hr":
            if not _FONT.fullmatch(value):
                return False
        elif name in ("cellpadding", "cellspacing", "border", "size"):
            if not _SMALL.fullmatch(value):
                return False
        elif _MANY_DIGITS.search(_COLOUR.sub(" ", value)):
            return False
    return True


def _plain_style(style: str, *, inline: bool) -> bool:
    for said in filter(str.strip, style.split(";")):
        name, _, value = (part.strip().lower() for part in said.partition(":"))
        value = _COLOUR.sub(" ", value)
        if not _PROPERTY.fullmatch(name) or _UNSAFE.search(value) or _MANY_DIGITS.search(value.replace(".0001", "")):
            return False
        if inline and name.startswith(("border", "padding")):
            return False
        if name in _ALLOWED:
            if not _ALLOWED[name].fullmatch(value):
                return False
            continue
        allowed = _WIDE if name in ("font-weight", "max-width", "width") else _HIGH
        if not all(allowed.fullmatch(number) for number in _NUMBER.findall(value)):
            return False
    return True
