"""Where a line may end: Unicode Standard Annex 14, without dictionaries.

Scripts that put no blanks between words (Thai, Lao, Khmer, Myanmar) would need one; their words are kept together where
they fit and broken between letters where they do not. What breaks a line by force never comes here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import regex

# fmt: off
_NAMES: Final = (
    "AL", "B2", "BA", "BB", "CB", "CJ", "CL", "CM", "CP", "EB", "EM", "EX", "GL", "H2", "H3", "HL", "HY", "ID", "IN",
    "IS", "JL", "JT", "JV", "NS", "NU", "OP", "PO", "PR", "QU", "RI", "SA", "SP", "SY", "WJ", "ZWJ",
)
# fmt: on
_CLASS: Final = regex.compile("|".join(rf"(?P<{name}>\p{{Line_Break={name}}})" for name in _NAMES))
_MARK: Final = regex.compile(r"\p{M}")
_LETTERS: Final = "AL HL"
_HANGUL: Final = "JL JV JT H2 H3"
_PICTURES: Final = "ID EB EM"
_CLOSES: Final = frozenset(("CL", "CP", "EX", "IS", "SY"))
_ENDS: Final = frozenset((*_CLOSES, "WJ", "GL", "QU", "BA", "HY", "NS", "IN"))
"""Nothing breaks before these, or not without a blank."""

_BEGINS: Final = frozenset(("WJ", "GL", "QU", "BB", "OP", "ZWJ"))


def _pairs(*rules: tuple[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((one, two) for left, right in rules for one in left.split() for two in right.split())


_TOGETHER: Final = _pairs(
    (_LETTERS, f"{_LETTERS} NU PR PO OP"),
    ("NU", f"{_LETTERS} NU PO PR OP"),
    ("PR PO", f"{_LETTERS} NU OP"),
    ("PR", f"{_PICTURES} {_HANGUL}"),
    (f"{_PICTURES} {_HANGUL}", "PO"),
    ("CL CP", "PO PR"),
    ("CP", f"{_LETTERS} NU"),
    ("HY IS SY", "NU"),
    ("IS", _LETTERS),
    ("SY", "HL"),
    ("JL", "JL JV H2 H3"),
    ("JV H2", "JV JT"),
    ("JT H3", "JT"),
    ("EB", "EM"),
    ("B2", "B2"),
)
_OVER_BLANKS: Final = _pairs(("CL CP", "NS"), ("B2", "B2"))


def ends(text: str) -> list[int]:
    """The places after which the next line may begin, the end of the text last."""
    out = []
    before, blanks, flags = "", False, 0
    for at, character in enumerate(text):
        kind = _class_of(character)
        if kind == "SP":
            blanks = True
            continue
        if kind in ("CM", "ZWJ") and before and not blanks:
            before = "ZWJ" if kind == "ZWJ" else before
            continue
        kind = "AL" if kind == "CM" else kind
        if at and _may_end(before, kind, blanks, flags % 2 == 1):
            out.append(at)
        flags = flags + 1 if kind == "RI" else 0
        before, blanks = kind, False
    return [*out, len(text)] if text else []


def _may_end(before: str, after: str, blanks: bool, half: bool) -> bool:
    """``half``: an odd number of the letters that make flags stands before."""
    if blanks:
        return not (after in _CLOSES or before == "OP" or (before, after) in _OVER_BLANKS or not before)
    if after == "GL":
        return before in ("BA", "HY")
    if before in _BEGINS or after in _ENDS or (before, after) in _TOGETHER:
        return False
    return not (before == after == "RI" and half)


@lru_cache(4_096)
def _class_of(character: str) -> str:
    found = _CLASS.match(character)
    name = "AL" if found is None else found.lastgroup or "AL"
    if name == "SA":
        return "CM" if _MARK.match(character) else "AL"
    return "NS" if name == "CJ" else name
