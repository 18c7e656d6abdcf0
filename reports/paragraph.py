"""A paragraph: a face for each character, an order, and the places where its lines end."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Final, Literal, NamedTuple

import regex

from reports.bidi import direction, levels, ordered
from reports.breaking import ends
from reports.fonts import Face, Kind, chain_of, first
from reports.shaping import Run, advances, complete, run

# \X alone takes quadratic time over a row of flags, which it counts from the first.
_CLUSTER: Final = regex.compile(r"\p{Regional_Indicator}{1,2}\p{M}*|\X")
_REGIONS: Final = (
    ("JP", regex.compile(r"[\p{Hiragana}\p{Katakana}]")),
    ("KR", regex.compile(r"\p{Hangul}")),
    ("TC", regex.compile(r"\p{Bopomofo}")),
)
_PICTURE: Final = regex.compile(r"\ufe0f|\p{Emoji_Modifier}|\u20e3|\p{Regional_Indicator}{2}")
_JOINERS: Final = str.maketrans("", "", "\u200c\u200d\ufe0e\ufe0f")


class Piece(NamedTuple):
    """A part of a text: as it was written, the number of one character of it, or what is said of it. ``start`` is where
    it stood."""

    text: str
    start: int
    kind: Literal["text", "number", "said"]


class Paragraph:
    """``room`` is the width of its lines in thousandths of the size; ``stops`` are where they end in ``text``, which is
    what is printed."""

    def __init__(self, pieces: Iterable[Piece], kind: Kind, room: float) -> None:
        self._kind, self._room = kind, room
        self._faces: list[Face] = []
        self._clusters: list[int] = []
        self._starts: list[int] = []
        self._missing: list[tuple[int, int]] = []
        self._printed: list[str] = []
        self._ordering: list[str] = []
        pieces = list(pieces)
        written = "".join(piece.text for piece in pieces if piece.kind == "text")
        region = next((region for region, used in _REGIONS if used.search(written)), "SC")
        for piece in pieces:
            self._put(piece, region)
        self.text = "".join(self._printed)
        base, self._levels = levels("".join(self._ordering), direction(written))
        self.rtl = base == 1
        self._places = [0, *accumulate(self._advances())]
        self.stops = list(self._fill())

    def source(self, at: int) -> int:
        """Where a character of ``text`` stood in what was written."""
        return self._starts[at]

    def lines(self) -> Iterator[tuple[str, tuple[Run, ...], frozenset[int]]]:
        """What is printed in each line, how it looks, and which of its characters no font has."""
        start = 0
        for stop in self.stops:
            last = start + len(self.text[start:stop].rstrip(" "))
            missing = self._missing[bisect_left(self._missing, (start, 0)) : bisect_left(self._missing, (last, 0))]
            yield self.text[start:last], self._runs(start, last), frozenset(point for _, point in missing)
            start = stop

    # Faces

    def _put(self, piece: Piece, region: str) -> None:
        if piece.kind == "number":
            self._number(piece.text, piece.start)
        elif piece.kind == "said":
            self._add(piece.text, first(self._kind), piece.start, whole=False, plain=False)
        elif piece.text.isascii():
            self._starts.extend(range(piece.start, piece.start + len(piece.text)))
            self._add(piece.text, first(self._kind), None, whole=False, plain=True)
        else:
            start = piece.start
            for cluster in _CLUSTER.findall(piece.text):
                self._put_cluster(cluster, start, region)
                start += len(cluster)

    def _put_cluster(self, cluster: str, start: int, region: str) -> None:
        face = _chosen(self._kind, region, cluster)
        fits = face is not None and run(face, cluster, False).width <= self._room
        if face is not None and fits:
            self._add(cluster, face, start, whole=True, plain=True)
            return
        if face is None and len(cluster) > 1:
            self._put_cluster(cluster[0], start, region)
            cluster, start = cluster[1:], start + 1
        for at, character in enumerate(cluster, start):
            if face is None:
                self._missing.append((len(self._faces), ord(character)))
            self._number(f"<U+{ord(character):04X}>", at)

    def _number(self, text: str, start: int) -> None:
        face = first("code")
        self._add(text, face, start, whole=run(face, text, False).width <= self._room, plain=False)

    def _add(self, text: str, face: Face, start: int | None, *, whole: bool, plain: bool) -> None:
        """``whole``: never broken. What is not ``plain`` keeps its order among letters that read from right to left."""
        if start is not None:
            self._starts.extend([start] * len(text))
        at = len(self._faces)
        self._clusters.extend([at + len(text)] if whole else range(at + 1, at + len(text) + 1))
        self._faces.extend([face] * len(text))
        self._printed.append(text)
        self._ordering.append(text if plain else "a" * len(text))

    # Lines

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Parts of one face and one level."""
        while start < stop:
            face, level, at = self._faces[start], self._levels[start], start
            while start < stop and self._faces[start] is face and self._levels[start] == level:
                start += 1
            yield at, start

    def _advances(self) -> Iterator[int]:
        for start, stop in self._spans(0, len(self.text)):
            yield from advances(self._faces[start], self.text[start:stop], self._levels[start] % 2 == 1)

    def _runs(self, start: int, stop: int) -> tuple[Run, ...]:
        spans = list(self._spans(start, stop))
        drawn = [run(self._faces[at], self.text[at:end], self._levels[at] % 2 == 1) for at, end in spans]
        return tuple(ordered(drawn, [self._levels[at] for at, _ in spans]))

    def _fill(self) -> Iterator[int]:
        """As much in each line as there is room for; blanks at its end take none."""
        text, places = self.text, self._places
        start = stop = 0
        for end in ends(text):
            last = end - (len(text[stop:end]) - len(text[stop:end].rstrip(" ")))
            if places[last] - places[start] > self._room:
                if stop > start and places[last] - places[stop] <= self._room:
                    yield stop
                    start = stop
                else:
                    for forced in self._forced(start, last):
                        yield forced
                        start = forced
            stop = end
        yield len(text)

    def _forced(self, start: int, last: int) -> Iterator[int]:
        """Where a word that is too long is broken. Letters that join look otherwise at an end, so each is measured."""
        while self._places[last] - self._places[start] > self._room:
            full = bisect_right(self._places, self._places[start] + self._room) - 1
            at = bisect_right(self._clusters, min(full, last)) - 1
            least = bisect_right(self._clusters, start)
            while at > least and self._width(start, self._clusters[at]) > self._room:
                at -= 1
            start = self._clusters[max(at, least)]
            if start >= last:
                return
            yield start

    def _width(self, start: int, stop: int) -> int:
        return sum(each.width for each in self._runs(start, stop))


@lru_cache(16_384)
def _chosen(kind: Kind, region: str, cluster: str) -> Face | None:
    """The first face that has all of a cluster, as it is or composed; None if none has."""
    wanted = cluster.translate(_JOINERS)
    composed = unicodedata.normalize("NFC", wanted)
    for face in chain_of(kind, region, _PICTURE.search(cluster) is not None):
        if (face.covers(wanted) or face.covers(composed)) and (len(cluster) == 1 or complete(face, cluster)):
            return face
    return None
