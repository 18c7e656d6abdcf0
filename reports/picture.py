"""The picture of a timeline: lanes, marks of six shapes, times in which files were withheld, and a scale below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ledger.ids import format_time
from reports.blocks import Lane, Sort, Timeline
from reports.canvas import Canvas
from reports.look import GREY, LINE, MARKS, MM, NOTE
from reports.script import lines

_LANE: Final = 7.5 * MM
_SCALE: Final = 8 * MM
_LEGEND: Final = 6 * MM
_NAMES: Final = 20 * MM
_SIDE: Final = 3 * MM
_TICKS: Final = 4
_SIZE: Final = 2.3
_APART: Final = 1.2
"""Points that two marks of a sort are apart at least, to be drawn both: more could not be told apart."""


def height(block: Timeline) -> float:
    """Of the whole picture, in points."""
    return len(block.lanes) * _LANE + _SCALE + _LEGEND


def draw(canvas: Canvas, block: Timeline, x: float, top: float, width: float) -> None:
    """The picture, below ``top``."""
    left, right = x + _NAMES, x + width - _SIDE
    span = max(1, block.until - block.since)

    def place(at: int) -> float:
        return left + (right - left) * (min(max(at, block.since), block.until) - block.since) / span

    base = top - len(block.lanes) * _LANE
    for tick in range(_TICKS + 1):
        at = left + (right - left) * tick / _TICKS
        canvas.rule(at, top, at, base - 1 * MM, stroke=LINE, thickness=0.35)
    for number, lane in enumerate(block.lanes):
        _lane(canvas, lane, x, left, right, top - (number + 0.5) * _LANE, place)
    for tick in range(_TICKS + 1):
        instant = format_time(block.since + span * tick // _TICKS)
        # Within seconds the seconds alone would all be the same.
        for row, said in enumerate((instant[:10], instant[11 : 19 if span > 8_000_000 else 23])):
            line = lines(said, NOTE, width)[0]
            at = left + (right - left) * tick / _TICKS
            at = min(max(at - line.width / 2, x), x + width - line.width)
            canvas.line(line, at, base - 4 * MM - row * 3 * MM)
    _legend(canvas, block, left, base - _SCALE - 3.6 * MM)


def _lane(
    canvas: Canvas, lane: Lane, x: float, left: float, right: float, y: float, place: Callable[[int], float]
) -> None:
    canvas.line(lines(lane.name, NOTE, _NAMES)[0], x, y - 2.4)
    for start, end in lane.spans:
        canvas.rect(place(start), y - 2.2 * MM, max(place(end) - place(start), 0.6), 4.4 * MM, fill=(0.86, 0.88, 0.89))
    canvas.rule(left, y, right, y, stroke=GREY, thickness=0.6)
    drawn: dict[Sort, float] = {}
    # What says little first, so that nothing lies on what says much.
    for mark in sorted(lane.marks, key=lambda one: (one.sort != "other", one.at)):
        at = place(mark.at)
        if at - drawn.get(mark.sort, -_APART) >= _APART:
            drawn[mark.sort] = at
            _SHAPES[mark.sort](canvas, at, y, MARKS[mark.sort])


_Colour = tuple[float, float, float]
_Shape = Callable[[Canvas, float, float, _Colour], None]


def _dot(canvas: Canvas, x: float, y: float, colour: _Colour) -> None:
    canvas.circle(x, y, _SIZE * 0.6, fill=colour)


def _disc(canvas: Canvas, x: float, y: float, colour: _Colour) -> None:
    canvas.circle(x, y, _SIZE, fill=colour)


def _diamond(canvas: Canvas, x: float, y: float, colour: _Colour) -> None:
    size = _SIZE * 1.4
    canvas.polygon([(x, y - size), (x + size, y), (x, y + size), (x - size, y)], fill=colour)


def _cross(canvas: Canvas, x: float, y: float, colour: _Colour) -> None:
    canvas.rule(x - _SIZE, y - _SIZE, x + _SIZE, y + _SIZE, stroke=colour, thickness=1.2)
    canvas.rule(x - _SIZE, y + _SIZE, x + _SIZE, y - _SIZE, stroke=colour, thickness=1.2)


def _ring(canvas: Canvas, x: float, y: float, colour: _Colour) -> None:
    canvas.circle(x, y, _SIZE, fill=(1, 1, 1), stroke=colour, thickness=1.1)


def _bar(canvas: Canvas, x: float, y: float, colour: _Colour) -> None:
    canvas.rect(x - 0.8, y - 2.6 * MM, 1.6, 5.2 * MM, fill=colour)


_SHAPES: Final[Mapping[Sort, _Shape]] = {
    "access": _diamond,
    "block": _bar,
    "delivery": _disc,
    "denied": _ring,
    "lost": _cross,
    "other": _dot,
}


def _legend(canvas: Canvas, block: Timeline, x: float, y: float) -> None:
    for sort, name in block.legend:
        line = lines(name, NOTE, 60 * MM)[0]
        _SHAPES[sort](canvas, x + 3, y + 2.4, MARKS[sort])
        canvas.line(line, x + 9, y)
        x += line.width + 9 + 6 * MM
