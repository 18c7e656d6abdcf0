"""How a certificate looks: its blocks set onto pages, one below the other, nothing cut off.

Everything is drawn where it stands, in one pass, so that a table of 20,000 rows costs 20,000 rows. Tags follow the
blocks, so that a reader who hears the paper hears it in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ledger.claims import Language, Paper
from reports import picture
from reports.blocks import Block, Box, Cell, Grid, Heading, Pairs, Sheet, Steps, Text, Timeline
from reports.canvas import Canvas
from reports.look import (
    ACCENT,
    BODY,
    CELL,
    CELL_CODE,
    DIM,
    HEAD,
    INK,
    LINE,
    MM,
    NOTE,
    PAGES,
    PALE,
    SECTION,
    SMALL,
    STRONG,
    TITLE,
    TONES,
    WARN,
    WORDMARK,
)
from reports.script import LIMIT, Line, Style, lines

SIDE: Final = 20 * MM
TOP: Final = 18 * MM
BOTTOM: Final = 22 * MM
GAP: Final = 3.2 * MM
CODE_SIDE: Final = 27 * MM


def draw(sheet: Sheet, paper: Paper, language: Language) -> bytes:
    """The PDF, not finished yet."""
    return _Page(sheet, PAGES[paper], language).draw()


class _Page:
    """A canvas, and how far down the page it is filled."""

    def __init__(self, sheet: Sheet, size: tuple[float, float], language: Language) -> None:
        self._sheet: Final = sheet
        self._size: Final = size
        self._canvas: Final = Canvas(size, title=sheet.title, language=language)
        self._left: Final = SIDE
        self._width: Final = size[0] - 2 * SIDE
        self._y = size[1] - TOP
        self._cut = False
        self._frame: float | None = None
        """How high up on this page a frame begins that is not closed yet."""

    def draw(self) -> bytes:
        """All of it."""
        self._masthead()
        for block in self._sheet.blocks:
            self._block(block)
        notes = [self._sheet.glyphs] if self._canvas.missing else []
        for note in notes + ([self._sheet.cut] if self._cut else []):
            self._text(Text(note, "dim"))
        return self._canvas.close(self._footer)

    # Pages

    def _room(self, height: float) -> None:
        """A new page, where so much does not fit onto this one."""
        if self._y - height < BOTTOM and self._y < self._size[1] - TOP - 12 * MM:
            self._next()

    def _next(self) -> None:
        if self._frame is not None:
            self._framed(self._frame, BOTTOM - 2 * MM)
        self._canvas.new_page()
        self._y = self._size[1] - TOP
        with self._canvas.artifact():
            said = f"{self._sheet.title}  ·  {self._sheet.number}"
            self._canvas.line(self._lines(said, SMALL)[0], self._left, self._y)
            self._y -= 2.4 * MM
            self._canvas.rule(self._left, self._y, self._left + self._width, self._y, stroke=LINE)
        self._y -= 6 * MM
        self._frame = None if self._frame is None else self._y + 2 * MM

    def _footer(self, canvas: Canvas, number: int, of: int) -> None:
        y = 13 * MM
        canvas.rule(self._left, y + 4.2 * MM, self._left + self._width, y + 4.2 * MM, stroke=LINE)
        page = self._sheet.page.format(page=number, pages=of)
        canvas.line(lines(self._sheet.quality, NOTE, self._width)[0], self._left, y)
        canvas.line(lines(page, NOTE, self._width)[0], self._left, y, self._width, "end")
        canvas.line(lines(self._sheet.number, NOTE, self._width)[0], self._left, y - 3.6 * MM)

    def _lines(self, text: str, style: Style, width: float | None = None) -> list[Line]:
        self._cut = self._cut or len(text) > LIMIT
        return lines(text, style, self._width if width is None else width)

    def _set(self, found: Sequence[Line], x: float, width: float) -> None:
        """Lines below one another, from here on downwards; those that do not fit go on over the page."""
        for line in found:
            leading = line.style.leading
            self._room(leading)
            self._canvas.line(line, x, self._y - leading * 0.76, width)
            self._y -= leading

    # The head of the first page

    def _masthead(self) -> None:
        sheet, canvas, top = self._sheet, self._canvas, self._y
        box = CODE_SIDE + 26 * MM
        side = self._left + self._width - box
        with canvas.tag("P"):
            canvas.line(self._lines("Postseal", WORDMARK)[0], self._left, top - 9)
        self._y = top - 11 * MM
        width = self._width - box - 8 * MM
        with canvas.tag("H1"):
            self._set(self._lines(sheet.title, TITLE, width), self._left, width)
        self._y -= 1.5 * MM
        with canvas.tag("P"):
            self._set(self._lines(sheet.subtitle, DIM, width), self._left, width)
        left, self._y = self._y, top
        if sheet.address is not None:
            with canvas.tag("Link"):
                corner = side + box - CODE_SIDE
                canvas.qr(sheet.address, corner, top - CODE_SIDE, CODE_SIDE, alt=sheet.address)
                canvas.link(sheet.address, (corner, top - CODE_SIDE, side + box, top), says=sheet.address)
        self._y = top - CODE_SIDE - 1.5 * MM if sheet.address is not None else top
        for label, value in zip(sheet.labels, (sheet.number, sheet.token), strict=True):
            with canvas.tag("P"):
                self._right(label, NOTE, side, box)
                self._right(value, CELL_CODE, side, box)
        with canvas.tag("P"):
            self._right(sheet.hint, NOTE, side, box)
        self._y = min(left, self._y) - 4 * MM
        with canvas.artifact():
            canvas.rule(self._left, self._y, self._left + self._width, self._y, stroke=ACCENT, thickness=1.4)
        self._y -= 3 * MM

    def _right(self, text: str, style: Style, x: float, width: float) -> None:
        for line in self._lines(text, style, width):
            self._canvas.line(line, x, self._y - style.leading * 0.76, width, "end")
            self._y -= style.leading

    # Blocks

    def _block(self, block: Block) -> None:
        table: dict[type, Callable[..., None]] = {
            Box: self._box,
            Grid: self._grid,
            Heading: self._heading,
            Pairs: self._pairs,
            Steps: self._steps,
            Text: self._text,
            Timeline: self._timeline,
        }
        table[type(block)](block)

    def _heading(self, block: Heading) -> None:
        # With something to stand above: a heading at the foot of a page leads nowhere.
        self._room(42 * MM)
        self._y -= 4.5 * MM
        with self._canvas.tag("H2"):
            self._set(self._lines(block.text, SECTION), self._left, self._width)
        self._y -= 1.2 * MM

    def _text(self, block: Text) -> None:
        style = TONES[block.tone]
        with self._canvas.tag("P"):
            self._set(self._lines(block.text, style), self._left, self._width)
        self._y -= GAP * (0.5 if block.tone == "small" else 0.8)

    def _steps(self, block: Steps) -> None:
        inset = 7 * MM
        with self._canvas.tag("L"):
            for number, (item, typed) in enumerate(block.items, 1):
                found = self._lines(item, BODY, self._width - inset)
                for line in typed:
                    found += self._lines(line, CELL_CODE, self._width - inset)
                self._room(len(found) * BODY.leading)
                with self._canvas.tag("LI"):
                    with self._canvas.tag("Lbl"):
                        mark = self._lines(f"{number}", STRONG)[0]
                        self._canvas.line(mark, self._left, self._y - BODY.leading * 0.76)
                    with self._canvas.tag("LBody"):
                        self._set(found, self._left + inset, self._width - inset)
                self._y -= GAP * 0.5
        self._y -= GAP * 0.3

    def _pairs(self, block: Pairs) -> None:
        name = 0.27 * self._width
        width = self._width - name - 3 * MM
        with self._canvas.tag("Table"):
            for row in block.rows:
                head = self._lines(row.name, DIM, name)
                # A hash on two lines of four groups is compared more easily than on one of eight.
                value = (
                    self._lines(row.value, CELL_CODE, 0.62 * width) if row.code else self._lines(row.value, BODY, width)
                )
                self._room(max(len(head) * DIM.leading, min(len(value), 4) * BODY.leading) + 3)
                start = self._y
                with self._canvas.tag("TR"):
                    with self._canvas.tag("TH", scope="Row"):
                        self._set(head, self._left, name)
                    under, self._y = self._y, start
                    with self._canvas.tag("TD"):
                        self._set(value, self._left + name + 3 * MM, width)
                self._y = min(under, self._y) - 2.2 if self._y <= start else self._y - 2.2
        self._y -= GAP * 0.6

    def _grid(self, block: Grid) -> None:
        if not block.rows:
            return
        pad = 3 * MM
        widths = [column.share * self._width for column in block.columns]
        heads = [
            self._lines(column.head, HEAD, width - pad) for column, width in zip(block.columns, widths, strict=True)
        ]
        self._room(26 * MM)
        with self._canvas.tag("Table"):
            with self._canvas.tag("TR"):
                self._heads(heads, widths, first=True)
            for row in block.rows:
                self._row(row, widths, heads, pad)
        self._y -= GAP

    def _heads(self, heads: Sequence[Sequence[Line]], widths: Sequence[float], first: bool) -> None:
        """The head of a table: read once, and printed on each page."""
        height = max(map(len, heads)) * HEAD.leading + 2.4
        top = self._y
        with self._canvas.artifact():
            self._canvas.rect(self._left, top - height, self._width, height, fill=PALE)
        x = self._left
        for found, width in zip(heads, widths, strict=True):
            y = top - 1.2
            with self._canvas.tag("TH", scope="Column") if first else self._canvas.artifact():
                for line in found:
                    self._canvas.line(line, x + 2, y - HEAD.leading * 0.76, width)
                    y -= HEAD.leading
            x += width
        self._y = top - height - 1.2

    def _row(self, row: Sequence[Cell], widths: Sequence[float], heads: Sequence[Sequence[Line]], pad: float) -> None:
        """One row. A cell that is higher than a page goes on over it."""
        cells = [self._cell(cell, width - pad) for cell, width in zip(row, widths, strict=True)]
        height = max(sum(line.style.leading for line in cell) for cell in cells)
        tall = height > self._size[1] - TOP - BOTTOM - 40 * MM
        if self._y - (14 * MM if tall else height + 2.4) < BOTTOM:
            self._next()
            self._heads(heads, widths, first=False)
        with self._canvas.tag("TR") as node:
            nodes = [self._canvas.tag("TD") for _ in cells]
        while any(cells):
            top, lowest, x = self._y, self._y, self._left
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                y = top
                with node, nodes[place]:
                    while cell and (not tall or y - cell[0].style.leading > BOTTOM):
                        line = cell.pop(0)
                        self._canvas.line(line, x + 2, y - line.style.leading * 0.76, width - pad)
                        y -= line.style.leading
                lowest, x = min(lowest, y), x + width
            self._y = lowest - 1.4
            if any(cells):
                self._next()
                self._heads(heads, widths, first=False)
        with self._canvas.artifact():
            self._canvas.rule(self._left, self._y, self._left + self._width, self._y, stroke=LINE, thickness=0.35)
        self._y -= 1.6

    def _cell(self, cell: Cell, width: float) -> list[Line]:
        found = self._lines(cell.text, CELL_CODE if cell.code else CELL, width) if cell.text else []
        for more in cell.more:
            found += self._lines(more, NOTE, width)
        return found

    def _box(self, block: Box) -> None:
        """A frame that cannot be missed, in colour or without: a bar at its side, on each page that it reaches."""
        inset = 5 * MM
        self._room(24 * MM)
        self._frame = self._y
        self._y -= 2.4 * MM
        self._items(block.items, BODY, inset)
        if block.more:
            self._y -= 1.4 * MM
            with self._canvas.tag("P"):
                width = self._width - 2 * inset
                self._set(self._lines(block.title, HEAD, width), self._left + inset, width)
            self._y -= 0.8 * MM
            self._items(block.more, CELL, inset)
        self._y -= 1.2 * MM
        self._framed(self._frame, self._y)
        self._frame = None
        self._y -= GAP

    def _framed(self, top: float, bottom: float) -> None:
        with self._canvas.artifact():
            self._canvas.rect(self._left, bottom, self._width, top - bottom, stroke=WARN, thickness=0.8)
            self._canvas.rect(self._left, bottom, 2.2 * MM, top - bottom, fill=WARN)

    def _items(self, items: Sequence[str], style: Style, inset: float) -> None:
        width = self._width - 2 * inset - 4 * MM
        with self._canvas.tag("L"):
            for item in items:
                found = self._lines(item, style, width)
                self._room(min(len(found), 3) * style.leading)
                with self._canvas.tag("LI"):
                    with self._canvas.artifact():
                        y = self._y - style.leading * 0.55
                        self._canvas.rect(self._left + inset, y, 1.6, 1.6, fill=INK)
                    with self._canvas.tag("LBody"):
                        self._set(found, self._left + inset + 4 * MM, width)
                self._y -= 0.8 * MM

    def _timeline(self, block: Timeline) -> None:
        height = picture.height(block)
        self._room(height + 4 * MM)
        with self._canvas.tag("Figure", alt=block.says) as figure:
            figure.box = (self._left, self._y - height, self._left + self._width, self._y)
            picture.draw(self._canvas, block, self._left, self._y, self._width)
        self._y -= height + 1 * MM
        self._text(Text(block.says, "dim"))
