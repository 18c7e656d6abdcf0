"""What the answers to one change add up to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.survival.change import Change, Copy
from bench.survival.corpus import Original
from bench.survival.expected import DIFFERENT, EXPECTED, LEVELS, Expected
from bench.survival.product import Answer

_ASCII = re.compile(r"[A-Za-z0-9._-]{3,}")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}


@dataclass(slots=True)
class Row:
    """``levels``: how often each level was the best answer for the right message; None: it was not recognised.

    ``twins``: how often a twin (`Original.twin`) was named, which is no false match.
    """

    kind: str
    hand: str
    applied: int = 0
    levels: Counter[str | None] = field(default_factory=Counter)
    right: int = 0
    to_name: int = 0
    named: int = 0
    false: int = 0
    twins: int = 0
    failures: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, change: Change) -> Row:
        return cls(change.kind, change.hand)

    @property
    def expected(self) -> Expected:
        return EXPECTED[self.kind]

    def count(self, original: Original, copy: Copy, answers: Sequence[Answer], originals: dict[str, Original]) -> None:
        """``originals`` by the identifiers under which they were recorded."""
        self.applied += 1
        # A message with the same text is the same, but not where a file is what was taken from it.
        keys = original.same if self.expected.ceiling is None else original.all
        own = [answer for answer in answers if originals[answer.message].same & keys]
        best = min(own, key=lambda answer: _RANK[answer.level], default=None)
        matched = [answer for answer in answers if answer.level != DIFFERENT and answer not in own]
        twins = [answer for answer in matched if originals[answer.message].twin(original)]
        others = [answer for answer in matched if answer not in twins]
        self.twins += bool(twins)
        level = best.level if best else None
        self.levels[level] += 1
        right = level in self.expected.levels or (self.kind == "stranger" and best is None)
        self.right += right
        ceiling = self.expected.ceiling
        too_good = ceiling is not None and level is not None and _RANK[level] < _RANK[ceiling]
        false = bool(others) or too_good
        self.false += false
        unnamed: list[str] = []
        if copy.named:
            self.to_name += 1
            unnamed = _unnamed(copy, best)
            self.named += not unnamed
        if false or not right or unnamed:
            what = f"level {level}" + (" FALSE" if false else "") + (f", not named: {unnamed}" if unnamed else "")
            wrong = f", taken for {originals[others[0].message].label} ({others[0].level})" if others else ""
            self.failures.append(f"{self.kind}\t{self.hand}\t{original.label}\t{what}{wrong}")


def _unnamed(copy: Copy, best: Answer | None) -> list[str]:
    """White space and case aside; of a name beyond ASCII, which damaged fields spell in many ways, its ASCII runs."""
    said = " ".join(" ".join(best.differences).split()).casefold() if best else ""
    unnamed = []
    for name in copy.named:
        pieces = [" ".join(name.split())] if name.isascii() else _ASCII.findall(name)
        if best is None or not all(piece.casefold() in said for piece in pieces):
            unnamed.append(name)
    return unnamed
