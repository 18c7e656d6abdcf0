"""Tagged pages: what is drawn stands within an element of the structure tree, or is declared an artifact.

Points, from the lower left corner. A canvas is one document, and belongs to one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel
from reportlab.pdfbase import pdfdoc

from reports.embedded import Embedded
from reports.fonts import Face
from reports.objects import Objects, Raw, number
from reports.script import Line
from reports.shaping import Run
from reports.structure import Annotation, Mark, Node, write

Colour = tuple[float, float, float]
BLACK: Final[Colour] = (0.0, 0.0, 0.0)
WHITE: Final[Colour] = (1.0, 1.0, 1.0)
_ROUND: Final = 0.5523
"""Where the handles of four curves stand that make a circle."""

_MASK: Final = 3
_QUIET: Final = 4
"""Modules of white around a QR code: ISO/IEC 18004 section 9.1."""


class _Artifact:
    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas

    def __enter__(self) -> None:
        self._canvas.enter(None)

    def __exit__(self, *_: object) -> None:
        self._canvas.leave()


class Canvas:
    def __init__(self, page: tuple[float, float], *, title: str, language: str) -> None:
        self.page, self.title, self.language = page, title, language
        self._missing: set[int] = set()
        self._fonts: list[Embedded] = []
        self._current: dict[Face, Embedded] = {}
        self._document = Node(self, "Document", scope="", alt="", span=1, lang="")
        self._within: list[Node | None] = []
        self._pages: list[list[str]] = []
        self._counts: list[int] = []
        self._code: list[str] = []
        self._marked = False
        self._fill: Colour | None = None
        self._stroke: Colour | None = None
        self._thickness = 0.0
        self._start()

    @property
    def page_number(self) -> int:
        return len(self._pages)

    @property
    def missing(self) -> frozenset[int]:
        """Code points that stand as their numbers on the pages so far, because no font has them."""
        return frozenset(self._missing)

    # What belongs to what

    def tag(
        self,
        role: str,
        *,
        scope: Literal["", "Row", "Column"] = "",
        alt: str = "",
        span: int = 1,
        lang: str = "",
    ) -> Node:
        """A new element, the last so far of the one that is entered."""
        parent = next((node for node in reversed(self._within) if node is not None), self._document)
        node = Node(self, role, scope=scope, alt=alt, span=span, lang=lang)
        parent.kids.append(node)
        return node

    def artifact(self) -> AbstractContextManager[None]:
        """Backgrounds, rules, repeated heads: what no one needs to hear read out."""
        return _Artifact(self)

    def enter(self, node: Node | None) -> None:
        self._end_mark()
        self._within.append(node)

    def leave(self) -> None:
        self._end_mark()
        self._within.pop()

    def _mark(self) -> None:
        """Begin the marked content in which what comes next is drawn, unless it has begun."""
        if self._marked:
            return
        if not self._within:
            raise ValueError("drawn outside of every element")
        self._marked, node = True, self._within[-1]
        if node is None:
            self._code.append("/Artifact BMC")
            return
        page = len(self._pages) - 1
        mark = self._counts[page]
        self._counts[page] += 1
        node.kids.append(Mark(page, mark))
        self._code.append(f"/{node.role}<</MCID {mark}>>BDC")

    def _end_mark(self) -> None:
        if self._marked:
            self._code.append("EMC")
            self._marked = False

    # Text

    def line(
        self,
        line: Line,
        x: float,
        y: float,
        width: float | None = None,
        align: Literal["start", "middle", "end"] = "start",
    ) -> None:
        """``y`` is the baseline. In ``width``, a line that reads from right to left starts at the right."""
        if not line.runs:
            return
        self._mark()
        self._missing.update(line.missing)
        if width is not None and (align != "start" or line.rtl):
            spare = width - line.width
            x += spare / 2 if align == "middle" else spare if (align == "end") != line.rtl else 0
        style = line.style
        self._paint(style.colour, None)
        drawn = " ".join([self._run(run, style.size) for run in line.runs])
        self._code.append(f"BT {number(x)} {number(y)} Td {drawn} ET")

    def _run(self, run: Run, size: float) -> str:
        font = self._current.get(run.face)
        if font is None or font.full:
            font = self._current[run.face] = Embedded(run.face, f"F{len(self._fonts) + 1}")
            self._fonts.append(font)
        if run.operand:
            font.use(run.text)
            shown = run.operand
        else:
            codes = [f"<{font.code(glyph):04X}>{-glyph.after or ''}" for glyph in run.glyphs]
            shown = f"[{''.join(codes)}] TJ".replace("><", "")
        return f"/{font.name} {number(size)} Tf {shown}"

    # Shapes

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: Colour | None = None,
        stroke: Colour | None = None,
        thickness: float = 0.5,
    ) -> None:
        self._shape(f"{number(x)} {number(y)} {number(width)} {number(height)} re", fill, stroke, thickness)

    def rule(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        *,
        stroke: Colour = BLACK,
        thickness: float = 0.5,
        dash: tuple[float, float] | None = None,
    ) -> None:
        path = f"{number(x1)} {number(y1)} m {number(x2)} {number(y2)} l"
        if dash is not None:
            path = f"[{number(dash[0])} {number(dash[1])}] 0 d {path}"
        self._shape(path, None, stroke, thickness)
        if dash is not None:
            self._code.append("[] 0 d")

    def polygon(
        self,
        points: Sequence[tuple[float, float]],
        *,
        fill: Colour | None = None,
        stroke: Colour | None = None,
        thickness: float = 0.5,
    ) -> None:
        steps = [f"{number(x)} {number(y)} {'l' if at else 'm'}" for at, (x, y) in enumerate(points)]
        self._shape(f"{' '.join(steps)} h", fill, stroke, thickness)

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        *,
        fill: Colour | None = None,
        stroke: Colour | None = None,
        thickness: float = 0.5,
    ) -> None:
        far, near = radius, radius * _ROUND
        turns = ((far, near, near, far, 0, far), (-near, far, -far, near, -far, 0))
        curves = [
            " ".join(number(turn * sign + (y if at % 2 else x)) for at, turn in enumerate(points)) + " c"
            for sign in (1, -1)
            for points in turns
        ]
        self._shape(f"{number(x + radius)} {number(y)} m {' '.join(curves)} h", fill, stroke, thickness)

    def _shape(self, path: str, fill: Colour | None, stroke: Colour | None, thickness: float) -> None:
        self._mark()
        self._paint(fill, stroke)
        if stroke is not None and thickness != self._thickness:
            self._thickness = thickness
            self._code.append(f"{number(thickness)} w")
        done = {(True, True): "B", (True, False): "f", (False, True): "S"}.get((fill is not None, stroke is not None))
        self._code.append(f"{path} {done or 'n'}")

    def _paint(self, fill: Colour | None, stroke: Colour | None) -> None:
        if fill is not None and fill != self._fill:
            self._fill = fill
            self._code.append(f"{' '.join(map(_shade, fill))} rg")
        if stroke is not None and stroke != self._stroke:
            self._stroke = stroke
            self._code.append(f"{' '.join(map(_shade, stroke))} RG")

    def qr(self, url: str, x: float, y: float, size: float, *, alt: str) -> None:
        """A QR code with its margin: a figure of its own."""
        code = QRCode(None, QRErrorCorrectLevel.M)
        code.addData(url)
        # Any of the eight masks can be read. To look for the one that reads best would take ten times as long as all
        # else on a page.
        code.version = code.calculate_version()
        code.makeImpl(False, _MASK)
        count = code.getModuleCount()
        unit = size / (count + 2 * _QUIET)
        left, top = x + _QUIET * unit, y + size - _QUIET * unit
        bars = []
        for row in range(count):
            dark = "".join("1" if code.isDark(row, column) else "0" for column in range(count)) + "0"
            start = dark.find("1")
            while start >= 0:
                stop = dark.find("0", start)
                bars.append(
                    f"{left + start * unit:.3f} {top - (row + 1) * unit:.3f} {(stop - start) * unit:.3f} {unit:.3f} re"
                )
                start = dark.find("1", stop)
        with self.tag("Figure", alt=alt) as figure:
            figure.box = (x, y, x + size, y + size)
            self.rect(x, y, size, size, fill=WHITE)
            self._shape("\n".join(bars), BLACK, None, 0)

    def link(self, url: str, box: tuple[float, float, float, float], *, says: str) -> None:
        """Where a reader may press, within a ``Link``; ``says`` is what is read out to who does not see it."""
        node = self._within[-1] if self._within else None
        if node is None or node.role != "Link":
            raise ValueError("a link stands within an element Link")
        node.kids.append(Annotation(len(self._pages) - 1, url, box, says))

    # Pages

    def new_page(self) -> None:
        """The elements that are entered go on."""
        self._end_mark()
        self._start()

    def _start(self) -> None:
        self._code = []
        self._pages.append(self._code)
        self._counts.append(0)
        self._marked = False
        self._forget()

    def _forget(self) -> None:
        self._fill = self._stroke = None
        self._thickness = 0.0

    def close(self, footer: Callable[[Canvas, int, int], None] | None = None) -> bytes:
        """The file, which `reports.pdfa.finish` makes an archive of. ``footer`` is called for each page with its number
        and how many there are; all it draws are artifacts."""
        if self._within:
            raise ValueError("elements are still entered")
        for at, code in enumerate(self._pages, 1):
            self._code = code
            self._forget()
            if footer is not None:
                with self.artifact():
                    footer(self, at, len(self._pages))
        return self._write()

    def _write(self) -> bytes:
        document = pdfdoc.PDFDocument(compression=1, invariant=1, lang=self.language, pdfVersion=(1, 7))
        objects = Objects(document)
        pages = [objects.new() for _ in self._pages]
        tree, catalog = objects.new(), document.Catalog
        structure = write(objects, self._document, pages, self._counts)
        names = [f"/{font.name} {font.write(objects).ref}" for font in self._fonts]
        resources = objects.new(f"<</Font<<{''.join(names)}>>>>")
        for at, (page, code) in enumerate(zip(pages, self._pages, strict=True)):
            content = objects.stream("\n".join(code).encode("ascii"))
            links = structure.annotations.get(at)
            linked = f"/Annots[{' '.join(links)}]" if links else ""
            page.content = (
                f"<</Type/Page/Parent {tree.ref}/MediaBox[0 0 {number(self.page[0])} {number(self.page[1])}]"
                f"/Resources {resources.ref}/Contents {content.ref}/StructParents {at}/Tabs/S"
                f"{linked}>>"
            ).encode("ascii")
        tree.content = f"<</Type/Pages/Kids[{' '.join(page.ref for page in pages)}]/Count {len(pages)}>>".encode(
            "ascii"
        )
        catalog.Pages, catalog.StructTreeRoot = _as(tree), _as(structure.root)
        catalog.MarkInfo = _as(objects.new("<</Marked true>>"))
        catalog.ViewerPreferences = _as(objects.new("<</DisplayDocTitle true>>"))
        document.setTitle(self.title)
        data: bytes = document.GetPDFData(self)
        return data


def _as(raw: Raw) -> pdfdoc.PDFObjectReference:
    return pdfdoc.PDFObjectReference(raw.__InternalName__)


def _shade(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
