"""The order of characters on paper: Unicode Standard Annex 9, for text in which nothing asks for another order.

What would (embeddings, overrides, isolates, marks) is shown by its number before text comes here, so the rules X1 to X8
have nothing to do. Time grows with the length of the text, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

import regex

_CLASSES: Final = ("L", "R", "AL", "EN", "ES", "ET", "AN", "CS", "NSM", "BN", "B", "S", "WS", "ON")
_CLASS: Final = regex.compile("|".join(rf"(?P<{name}>\p{{Bidi_Class={name}}})" for name in _CLASSES))
_TURNS: Final = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}\p{Bidi_Class=AN}]")
_STRONG: Final = regex.compile(r"(?P<L>\p{Bidi_Class=L})|\p{Bidi_Class=R}|\p{Bidi_Class=AL}")
_OPENING: Final = regex.compile(r"[\p{Ps}&&\p{Bidi_Mirrored}&&\p{Bidi_Class=ON}]", regex.V1)
# What closes comes next in Unicode, but for these.
_CLOSING: Final = {"[": "]", "{": "}", "\uff3b": "\uff3d", "\uff5b": "\uff5d", "\u298d": "\u2990", "\u298f": "\u298e"}
_SAME: Final = {"\u2329": "\u3008", "\u232a": "\u3009"}
_DEEPEST: Final = 63
_NEUTRAL: Final = frozenset(("B", "S", "WS", "ON"))
_Item = TypeVar("_Item")


def direction(text: str) -> int | None:
    """1 if a paragraph reads from right to left, 0 if from left to right, None if it does not say: rules P2 and P3."""
    found = _STRONG.search(text)
    return None if found is None else int(found["L"] is None)


def levels(text: str, base: int | None = None) -> tuple[int, list[int]]:
    """The level of the paragraph and of each character. ``base``: as `direction` says of it, unless it is given."""
    base = direction(text) if base is None else base
    if not base and not _TURNS.search(text):
        return 0, [0] * len(text)
    types = [_class_of(character) for character in text]
    base = base or 0
    own = "LR"[base]
    _weak(types, own)
    _brackets(text, types, own)
    _neutral(types, own)
    higher = {"R": 1, "L": 0, "AN": 2, "EN": 2} if base == 0 else {"R": 1, "L": 2, "AN": 2, "EN": 2}
    return base, [higher[kind] for kind in types]


def ordered(items: Sequence[_Item], level: Sequence[int]) -> list[_Item]:
    """What stands in a line, from left to right: rule L2."""
    out = list(range(len(items)))
    for at_least in range(max(level, default=0), 0, -1):
        start = 0
        while start < len(out):
            stop = start
            while stop < len(out) and level[out[stop]] >= at_least:
                stop += 1
            out[start:stop] = out[start:stop][::-1]
            start = stop + 1
    return [items[at] for at in out]


@lru_cache(4_096)
def _class_of(character: str) -> str:
    found = _CLASS.match(character)
    return "ON" if found is None else found.lastgroup or "ON"


def _weak(types: list[str], own: str) -> None:
    """Rules W1 to W7."""
    last = own
    for at, kind in enumerate(types):
        if kind in ("NSM", "BN"):
            types[at] = types[at - 1] if at else own
        kind = types[at]
        if kind in ("L", "R", "AL"):
            last = kind
        elif kind == "EN" and last == "AL":
            types[at] = "AN"
    _separators([*types], types)
    at = 0
    while at < len(types):
        stop = at
        while stop < len(types) and types[stop] == "ET":
            stop += 1
        if stop > at and "EN" in (types[at - 1] if at else "", types[stop] if stop < len(types) else ""):
            types[at:stop] = ["EN"] * (stop - at)
        at = stop + 1
    last = own
    for at, kind in enumerate(types):
        if kind in ("ES", "ET", "CS"):
            types[at] = "ON"
        elif kind == "AL":
            types[at] = last = "R"
        elif kind in ("L", "R"):
            last = kind
        elif kind == "EN" and last == "L":
            types[at] = "L"


def _separators(seen: list[str], types: list[str]) -> None:
    """Rule W4: one separator between two numbers of the same kind."""
    for at in range(1, len(types) - 1):
        before = types[at - 1]
        if before == types[at + 1] and (
            (before == "EN" and seen[at] in ("ES", "CS")) or (before, seen[at]) == ("AN", "CS")
        ):
            types[at] = before


def _strong(kind: str) -> str:
    return "R" if kind in ("EN", "AN") else kind


def _pairs(text: str, types: list[str]) -> list[tuple[int, int]]:
    """Rule BD16."""
    waiting: list[tuple[str, int]] = []
    pairs = []
    for at, character in enumerate(text):
        if types[at] != "ON":
            continue
        if _OPENING.match(character):
            if len(waiting) == _DEEPEST:
                return []
            closing = _CLOSING.get(character) or chr(ord(character) + 1)
            waiting.append((_SAME.get(closing, closing), at))
            continue
        closing = _SAME.get(character, character)
        for depth in range(len(waiting) - 1, -1, -1):
            if waiting[depth][0] == closing:
                pairs.append((waiting[depth][1], at))
                del waiting[depth:]
                break
    return sorted(pairs)


def _brackets(text: str, types: list[str], own: str) -> None:
    """Rule N0. Types before a bracket that opens are final when it is looked at, so one pass finds what precedes it."""
    other = "RL"[own == "R"]
    before, seen = own, 0
    marks = [_class_of(character) == "NSM" for character in text]
    for opens, closes in _pairs(text, types):
        for kind in types[seen:opens]:
            before = _strong(kind) if _strong(kind) in ("L", "R") else before
        seen = opens
        within = {_strong(kind) for kind in types[opens + 1 : closes]}
        if own in within:
            chosen = own
        elif other in within:
            chosen = before
        else:
            continue
        for at in (opens, closes):
            types[at] = chosen
            while at + 1 < len(types) and marks[at + 1]:
                at += 1
                types[at] = chosen


def _neutral(types: list[str], own: str) -> None:
    """Rules N1 and N2."""
    at = 0
    while at < len(types):
        stop = at
        while stop < len(types) and types[stop] in _NEUTRAL:
            stop += 1
        if stop > at:
            before = _strong(types[at - 1]) if at else own
            after = _strong(types[stop]) if stop < len(types) else own
            types[at:stop] = [before if before == after else own] * (stop - at)
        at = stop + 1
