"""What a certificate is laid out from: blocks of text, each of them plain data. `reports.layout` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Sort = Literal["access", "block", "delivery", "denied", "lost", "other"]
Tone = Literal["body", "dim", "lead", "small"]


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    tone: Tone = "body"


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and its value. ``code``: to be compared letter by letter."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Pairs:
    rows: Sequence[Pair]


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table's cell, and below it in small what is said to it."""

    text: str
    more: Sequence[str] = ()
    code: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, and its share of the width."""

    head: str
    share: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Its head stands again on each page."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Box:
    """What must not be missed: ``items`` in a frame, and below them ``more``."""

    items: Sequence[str]
    title: str = ""
    more: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """Numbered; below each the lines that are to be typed, if there are any."""

    items: Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, at an instant in microseconds since 1970."""

    at: int
    sort: Sort


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of a timeline. ``spans`` are the times in which files were withheld."""

    name: str
    marks: Sequence[Mark]
    spans: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes between two instants; ``legend`` names the sorts of marks that occur, ``says`` all of it in words."""

    since: int
    until: int
    lanes: Sequence[Lane]
    legend: Sequence[tuple[Sort, str]]
    says: str


Block: TypeAlias = Heading | Text | Pairs | Grid | Box | Steps | Timeline


@dataclass(frozen=True, slots=True)
class Sheet:
    """A certificate, ready to be laid out. ``address`` is what the code is of, if there is one; ``glyphs`` and ``cut``
    are set at the end if a glyph was missing, or a text was cut."""

    title: str
    subtitle: str
    number: str
    token: str
    labels: tuple[str, str]
    hint: str
    address: str | None
    quality: str
    page: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    glyphs: str = ""
    cut: str = ""
