"""Pages: all that is drawn is tagged, looks as it should, and gives back the text that was set."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unicodedata import normalize

import pikepdf
import pytest
import zxingcpp

from reports import embedded
from reports.canvas import Canvas
from reports.script import Style, lines
from tests.helpers import HOUSE
from tests.reports import paper
from tests.reports.paper import (
    A4,
    ARABIC,
    CODE,
    EVERYTHING,
    HEBREW,
    LATIN,
    TEXT,
    page,
    paragraph,
    picture,
    poppler,
    read,
    sample,
)

PRINTED = [text for text in EVERYTHING if text != paper.MIXED]


@pytest.mark.parametrize("style", [TEXT, Style("strong"), CODE], ids=lambda style: style.face)
@pytest.mark.parametrize("text", PRINTED)
def test_the_text_that_is_read_is_the_text_that_is_printed(text: str, style: Style, tmp_path: Path) -> None:
    printed = " ".join(line.text for line in lines(text, style, 540))
    assert poppler(paragraph(text, style, 540), tmp_path).split() == printed.split()


@pytest.mark.parametrize("text", [*PRINTED, "Mixed: שלום abc مرحبا end"])
def test_a_browser_reads_it_too(text: str) -> None:
    found = lines(text, TEXT, 540)
    said = [" ".join(line.text for line in found), read(paragraph(text, TEXT, 540))]
    if found[0].rtl:
        # It turns brackets round that stand among such letters, and may put two marks of one in their other order.
        said = [normalize("NFC", each.translate(dict.fromkeys(map(ord, "()")))) for each in said]
    assert said[0].split() == said[1].split()


def test_text_over_several_lines_is_read_in_its_order(tmp_path: Path) -> None:
    for text in (f"{LATIN} " * 5, f"{ARABIC} " * 8, f"{HEBREW} " * 8, "9f86d081" * 40):
        printed = [line.text for line in lines(text, TEXT, 200)]
        assert len(printed) > 2
        assert poppler(paragraph(text, TEXT, 200), tmp_path).split() == " ".join(printed).split()


def test_codes_beyond_one_font_go_to_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded, "FULL", 3)
    text = "éàüßñøåæœç Ωμέγα abc"
    raw = paragraph(text, TEXT, 30)
    assert poppler(raw, tmp_path).split() == " ".join(line.text for line in lines(text, TEXT, 30)).split()
    with pikepdf.open(io.BytesIO(raw)) as pdf:
        assert len(pdf.pages[0].Resources.Font) > 3


def test_ink_stands_where_the_line_does() -> None:
    """The edges of what is drawn, at a tenth of a point."""
    line = lines("HIH", TEXT, 200)[0]
    rtl = lines("משמ", TEXT, 200)[0]

    def draw(canvas: Canvas) -> None:
        with canvas.tag("P"):
            canvas.line(line, 100, 700)
            canvas.line(line, 100, 600, 200, "end")
            canvas.line(line, 100, 500, 200, "middle")
            canvas.line(rtl, 100, 400, 200)
            canvas.line(rtl, 100, 300, 200, "end")

    image = picture(page(draw), scale=10).to_pil().convert("L")

    def ink(baseline: int) -> tuple[float, float, float]:
        top = round(10 * (A4[1] - baseline)) - 120
        box = image.crop((0, top, image.width, top + 160)).point(lambda value: 255 * (value < 128)).getbbox()
        assert box is not None
        return box[0] / 10, box[2] / 10, A4[1] - (top + box[3]) / 10

    left, right, bottom = ink(700)
    assert (left, bottom) == pytest.approx((100, 700), abs=1.2)
    assert right - left == pytest.approx(line.width, abs=2)
    assert ink(600)[1] == pytest.approx(300, abs=1.2)
    assert sum(ink(500)[:2]) / 2 == pytest.approx(200, abs=0.5)
    assert ink(400)[1] == pytest.approx(300, abs=1.2)
    assert ink(300)[0] == pytest.approx(100, abs=1.2)


def test_lines_do_not_reach_into_others() -> None:
    """Marks stacked as high as a stranger can stack them stay within two lines."""
    line = lines("é\u0301\u0301\u0301\u0301\u0301\u0301", Style(size=9), 500)[0]
    glyphs = [glyph for run in line.runs for glyph in run.glyphs]
    highest = max(
        y + int.from_bytes(run.face.glyphs(part)[8:10], "big", signed=True)
        for run in line.runs
        for glyph in run.glyphs
        for part, _, y in glyph.parts
        if run.face.glyphs(part)
    )
    assert glyphs
    assert highest * 9 / 1000 < 12


@pytest.mark.parametrize("size", [40, 90])
def test_the_qr_code_is_read(size: float) -> None:
    url = "https://ledger.example/verify/PoD-2026-000001?k=0123456789abcdef0123456789abcdef"
    image = picture(page(lambda canvas: canvas.qr(url, 100, 600, size, alt="QR code")), scale=6).to_pil()
    assert [found.text for found in zxingcpp.read_barcodes(image)] == [url]


def test_nothing_is_drawn_untagged() -> None:
    canvas = Canvas(A4, title="T", language="en")
    with pytest.raises(ValueError, match="outside"):
        canvas.rect(0, 0, 1, 1, fill=(0, 0, 0))
    with pytest.raises(ValueError, match="Link"), canvas.tag("P"):
        canvas.link("https://ledger.example", (0, 0, 1, 1), says="x")
    with pytest.raises(ValueError, match="no role"):
        canvas.tag("Paragraph")
    with canvas.tag("P"), pytest.raises(ValueError, match="entered"):
        canvas.close()


def marks(pdf: pikepdf.Pdf) -> list[list[str]]:
    """For each page its marked content: role and number, or Artifact. Nothing may stand outside, or within another."""
    found: list[list[str]] = []
    drawn = {"Tj", "TJ", "f", "S", "B"}
    for each in pdf.pages:
        found.append([])
        within = 0
        for operands, operator in pikepdf.parse_content_stream(each):
            if str(operator) in ("BDC", "BMC"):
                found[-1].append(str(operands[0]) + (str(operands[1].MCID) if len(operands) > 1 else ""))
                within += 1
            elif str(operator) == "EMC":
                within -= 1
            assert within in (0, 1)
            assert within or str(operator) not in drawn
        assert within == 0
    return found


def test_every_mark_has_its_element_and_knows_it() -> None:
    with pikepdf.open(io.BytesIO(sample())) as pdf:
        root = pdf.Root.StructTreeRoot
        nums = list(root.ParentTree.Nums)
        parents = dict(zip((int(number) for number in nums[::2]), nums[1::2], strict=True))
        for at, (each, seen) in enumerate(zip(pdf.pages, marks(pdf), strict=True)):
            tagged = [mark for mark in seen if mark != "/Artifact"]
            assert int(each.StructParents) == at
            assert [f"{element.S}{number}" for number, element in enumerate(parents[at])] == tagged
            for link in each.get("/Annots", []):
                assert parents[int(link.StructParent)].S == "/Link"
        top = root.K[0]
        assert (top.S, [str(kid.S) for kid in top.K][:2]) == ("/Document", ["/H1", "/P"])
        rows = next(kid for kid in top.K if kid.S == "/Table").K
        assert [[str(cell.S) for cell in row.K] for row in rows][:2] == [["/TH"] * 3, ["/TH", "/TD", "/TD"]]
        assert str(rows[0].K[0].A.Scope) == "/Column"
        figure = next(kid for kid in top.K if kid.S == "/Figure")
        assert "QR code" in str(figure.Alt)
        assert [float(side) for side in figure.A.BBox] == [450, 690, 540, 780]


def test_an_element_goes_on_over_the_page() -> None:
    canvas = Canvas(A4, title="T", language="en")
    with canvas.tag("P") as entered:
        canvas.line(lines("one", TEXT, 100)[0], 40, 700)
        canvas.new_page()
        with canvas.artifact():
            canvas.line(lines("head", TEXT, 100)[0], 40, 800)
        canvas.line(lines("two", TEXT, 100)[0], 40, 700)
    with canvas.tag("P"):
        canvas.line(lines("three", TEXT, 100)[0], 40, 680)
    with entered:
        canvas.line(lines("four", TEXT, 100)[0], 40, 660)
    with pikepdf.open(io.BytesIO(canvas.close())) as pdf:
        assert marks(pdf) == [["/P0"], ["/Artifact", "/P0", "/P1", "/P2"]]
        first, second = pdf.Root.StructTreeRoot.K[0].K
        assert int(first.K[0]) == 0
        assert [(int(kid.MCID), kid.Pg.objgen == pdf.pages[1].obj.objgen) for kid in list(first.K)[1:]] == [
            (0, True),
            (2, True),
        ]
        assert (int(second.K), second.Pg.objgen) == (1, pdf.pages[1].obj.objgen)


def test_the_footer_knows_how_many_pages_there_are() -> None:
    text = read(sample(200))
    count = text.count("Page ")
    assert count > 3
    assert [f"Page {number} of {count}" in text for number in range(1, count + 1)] == [True] * count


def test_missing_characters_are_remembered() -> None:
    canvas = Canvas(A4, title="T", language="en")
    line = lines("a 𓀀", TEXT, 100)[0]
    assert canvas.missing == frozenset()
    with canvas.tag("P"):
        canvas.line(line, 40, 700)
    assert canvas.missing == {0x13000}


def test_only_embedded_fonts_and_nothing_that_acts() -> None:
    with pikepdf.open(io.BytesIO(sample())) as pdf:
        for each in pdf.objects:
            if isinstance(each, pikepdf.Dictionary):
                assert each.get("/S") not in ("/JavaScript", "/Launch", "/SubmitForm")
                assert each.get("/Type") != "/FontDescriptor" or "/FontFile2" in each
                assert each.get("/Subtype") not in ("/Type1", "/TrueType")
        assert b"Helvetica" not in sample()


DRAWN = """
import hashlib
from tests.reports.paper import *
print(hashlib.sha256(archive(sample())).hexdigest())
"""


def drawn(seed: str, zone: str, locale: str) -> str:
    settings = {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run([sys.executable, "-c", DRAWN], env=settings, capture_output=True, check=True, cwd=HOUSE)
    return done.stdout.decode().strip()


def test_the_same_bytes_in_every_process() -> None:
    assert (
        len({drawn("0", "UTC", "C"), drawn("1", "Asia/Tokyo", "C.UTF-8"), drawn("random", "America/Lima", "POSIX")})
        == 1
    )


def test_what_was_drawn_before_makes_no_difference() -> None:
    first = sample()
    for text in (*EVERYTHING, "zyx ÿ ﻻ", "".join(map(chr, range(0xC0, 0x180)))):
        paragraph(text, Style("strong", 11, 14))
        paragraph(text, TEXT, 60)
    assert sample() == first


THREADS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from tests.reports.paper import *
sys.setswitchinterval(1e-6)
with ThreadPoolExecutor(8) as pool:
    made = list(pool.map(lambda _: sample(), range(16)))
print(len(set(made)), made[0] == sample())
"""


def test_threads_draw_at_the_same_time() -> None:
    """In a fresh process, where all of them want the same fonts for the first time."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, cwd=HOUSE)
    assert done.stdout.split() == ["1", "True"]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(paragraph, EVERYTHING * 2)) == set(map(paragraph, EVERYTHING))
