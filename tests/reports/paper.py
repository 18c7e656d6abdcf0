"""A document that shows all that the pages can, and what readers of PDF make of one."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2
import pytest

from reports.canvas import Canvas
from reports.metadata import Metadata
from reports.pdfa import Attachment, finish
from reports.script import Style, lines

A4 = (595.28, 841.89)
TEXT, HEAD, CODE = Style(), Style("strong", 16, 20), Style("code", 7.5, 10)
ISSUED = datetime(2026, 11, 23, 14, 3, 11, tzinfo=UTC)
EVIDENCE = Attachment("evidence.json", b'{"format":"postseal-evidence/1"}', "application/json", "The evidence")
LATIN = "AVATAR To Yo “quoted”: naïve café, Ελληνικά, Русский, Tiếng Việt"
HEBREW = "שלום עולם (בדיקה) של דואר"
POINTED = "שָׁלוֹם עוֹלָם"
ARABIC = "مرحبا بالعالم (اختبار) للبريد"
VOWELLED = "السَّلَامُ عَلَيْكُمْ"
PERSIAN = "می‌خواهم کتاب"  # with a character that is not seen and changes the spelling
EMOJI = "😀 👍🏽 👨\u200d👩\u200d👧 ❤\ufe0f 🇩🇪"
INDIC = "हिन्दी क्षत्रिय"
THAI = "ภาษาไทย น้ำ"
MIXED = "Mixed: שלום 12.5% abc (مرحبا) end"
HOSTILE = '<img src="/etc/hostname"> </para> &amp; \x00\n\u202egpj.exe\u202c \u2067x\u2069 \ud800 \ue000 \u2028'
EVERYTHING = [
    LATIN,
    HEBREW,
    POINTED,
    ARABIC,
    VOWELLED,
    PERSIAN,
    EMOJI,
    INDIC,
    THAI,
    MIXED,
    HOSTILE,
    "漢字かな 한글",
    "𓀀",
]


def page(draw: Callable[[Canvas], None]) -> bytes:
    canvas = Canvas(A4, title="Test", language="en")
    draw(canvas)
    return canvas.close()


def paragraph(text: str, style: Style = TEXT, width: float = 500) -> bytes:
    """A page that holds this alone."""

    def draw(canvas: Canvas) -> None:
        with canvas.tag("P"):
            for at, line in enumerate(lines(text, style, width)):
                canvas.line(line, 40, 780 - at * style.leading, width)

    return page(draw)


def sample(rows: int = 60) -> bytes:
    """Two pages or more: a heading, every script, a table that goes on over the page, a figure, a link, a footer."""
    canvas = Canvas(A4, title="Proof of delivery", language="en")
    with canvas.tag("H1"):
        canvas.line(lines("Proof of delivery", HEAD, 400)[0], 40, 790)
    y = 770.0
    for text in EVERYTHING:
        with canvas.tag("P"):
            for line in lines(text, TEXT, 380):
                canvas.line(line, 40, y, 380)
                y -= TEXT.leading
    canvas.qr("https://ledger.example/c/1", 450, 690, 90, alt="QR code that leads to https://ledger.example/c/1")
    with canvas.tag("P"), canvas.tag("Link"):
        line = lines("https://ledger.example/c/1", TEXT, 140)[0]
        canvas.line(line, 440, 680)
        canvas.link("https://ledger.example/c/1", (440, 678, 440 + line.width, 689), says="The certificate")
    with canvas.artifact():
        canvas.circle(60, 60, 4, fill=(0.8, 0.1, 0.1), stroke=(0, 0, 0))
        canvas.polygon([(80, 56), (84, 64), (88, 56)], fill=(0, 0.5, 0))
        canvas.rule(40, 50, 555, 50, dash=(2, 2))
    with canvas.tag("Table"):
        table(canvas, rows, y)
    return canvas.close(footer)


def table(canvas: Canvas, rows: int, y: float) -> None:
    with canvas.tag("TR"):
        for column, head in enumerate(("Number", "What happened", "SHA-256")):
            with canvas.tag("TH", scope="Column"):
                canvas.line(lines(head, TEXT._replace(face="strong"), 100)[0], 40 + 120 * column, y)
    for row in range(rows):
        y -= 12
        if y < 80:
            canvas.new_page()
            with canvas.artifact():
                canvas.rect(40, 788, 515, 14, fill=(0.9, 0.9, 0.9))
                canvas.line(lines("Number", TEXT, 100)[0], 40, 792)
            y = 776
        with canvas.tag("TR"):
            with canvas.tag("TH", scope="Row"):
                canvas.line(lines(str(row), TEXT, 100)[0], 40, y, 60, "end")
            with canvas.tag("TD"):
                canvas.line(lines("delivery.delivered", TEXT, 100)[0], 160, y)
            with canvas.tag("TD"):
                canvas.line(lines(f"{row:064x}", CODE, 310, most=1)[0], 280, y)


def footer(canvas: Canvas, number: int, of: int) -> None:
    canvas.line(lines(f"Page {number} of {of}", TEXT, 200)[0], 355, 30, 200, "end")


def archive(raw: bytes, *, accessible: bool = False) -> bytes:
    about = Metadata("Proof of delivery", "Postseal", "Certificate 1", ISSUED, accessible=accessible)
    return finish(raw, about, [EVIDENCE])


def read(pdf: bytes) -> str:
    """The text of all pages, as a browser's viewer copies it."""
    with pypdfium2.PdfDocument(pdf) as document:
        return "\n".join(page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document)


def poppler(pdf: bytes, tmp_path: Path) -> str:
    """The text as pdftotext reads it, without the marks by which it says which way a line reads."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    (tmp_path / "read.pdf").write_bytes(pdf)
    done = subprocess.run(["pdftotext", tmp_path / "read.pdf", "-"], capture_output=True, check=True)
    return done.stdout.decode().translate(dict.fromkeys(map(ord, "\u202a\u202b\u202c\f"))).strip()


def picture(pdf: bytes, scale: float = 2) -> pypdfium2.PdfBitmap:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as document:
        return document[0].render(scale=scale)
