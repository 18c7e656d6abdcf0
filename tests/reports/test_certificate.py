"""Certificates of every kind: what stands on them, that nothing is lost between evidence and paper, and that the same
evidence always makes the same file."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from email.header import Header
from pathlib import Path
from typing import Any, get_args

import pikepdf
import pypdfium2
import pytest
from pikepdf import pdfa

from ledger import case, certified, claims, evidence
from ledger.claims import Language, Paper
from ledger.trust import Trust
from reports import attached, certificate
from reports.blocks import Box, Cell, Grid, Heading, Pairs, Sheet, Steps, Text, Timeline
from reports.canvas import Canvas
from reports.script import Line, visible
from reports.wording import Words
from tests.reports.office import KINDS, Office, an_office, letter, story
from tests.reports.verapdf import vera

_HYPHENS = re.compile("[\\s\x02\ufffe-]")
LANGUAGES: tuple[Language, ...] = get_args(Language)
PAPERS: tuple[Paper, ...] = get_args(Paper)
NAMES = [f"{kind}-{recipient or 'all'}" for kind, recipient in KINDS]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with an_office(tmp_path_factory.mktemp("office")) as made:
        story(made)
        yield made


@pytest.fixture(scope="module")
def twins(office: Office) -> dict[str, bytes]:
    """The evidence of one certificate of each kind."""
    found = {}
    for name, (kind, recipient) in zip(NAMES, KINDS, strict=True):
        office.issue(kind, recipient)
        found[name] = office.twins[-1]
    return found


def pages(pdf: bytes) -> list[str]:
    """The text of each page, as a reader copies it."""
    opened = pypdfium2.PdfDocument(pdf)
    return [page.get_textpage().get_text_range() for page in opened]


def bare(text: str) -> str:
    """Without white space, which is where lines are broken and cells begin; and without hyphens, because the reader
    that is asked here takes one at the end of a line for the end of half a word."""
    return _HYPHENS.sub("", unicodedata.normalize("NFC", text))


def body(pdf: bytes, sheet: Sheet) -> str:
    """The bare text of all pages, without what stands at the head and foot of each."""
    found = []
    for page in map(bare, pages(pdf)):
        text, foot, _ = page.rpartition(bare(sheet.quality))
        assert foot
        found.append(text.removeprefix(bare(f"{sheet.title} · {sheet.number}")) if found else text)
    return "".join(found)


def words_of(sheet: Sheet) -> Iterator[str]:
    """All that is to stand on the paper, in order."""
    yield from (sheet.title, sheet.subtitle, *sheet.labels, sheet.number, sheet.token, sheet.hint)
    for block in sheet.blocks:
        match block:
            case Heading(text) | Text(text):
                yield text
            case Pairs(rows):
                for row in rows:
                    yield from (row.name, row.value)
            case Grid(columns, rows):
                yield from (column.head for column in columns if rows)
                yield from (text for row in rows for cell in row for text in _cell(cell))
            case Box(items, title, more):
                yield from (*items, title, *more)
            case Steps(items):
                yield from (text for said, typed in items for text in (said, *typed))
            case Timeline(lanes=lanes, says=says):
                yield from (*(lane.name for lane in lanes), says)


def _cell(cell: Cell) -> Sequence[str]:
    return (cell.text, *cell.more)


def sheet_of(octets: bytes) -> Sheet:
    said = case.read(evidence.parse(octets))
    found = certified.of(said)
    return certificate.sheet(said, found, Words(found.claims.language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize(("kind", "recipient"), KINDS, ids=NAMES)
def test_all_of_it_stands_on_the_paper(
    office: Office, kind: str, recipient: str | None, language: Language, paper: Paper
) -> None:
    made = office.issue(kind, recipient, language=language, paper=paper)
    sheet = sheet_of(office.twins[-1])
    text = body(made.pdf, sheet)
    for said in words_of(sheet):
        assert bare(visible(said)) in text, said
    assert attached.attachment(made.pdf, certificate.TWIN) == office.twins[-1]
    trust = Trust.of(office.log.ring.signer().vkey)
    verdict = evidence.check(office.twins[-1], trust)
    # Only an auditor can vouch that nothing is filed elsewhere.
    assert verdict.verdict == ("unknown" if kind == "non_access" else "valid")


@pytest.mark.parametrize("name", NAMES)
def test_each_page_says_what_was_set_there_and_what_it_is(
    twins: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_there: dict[int, list[str]] = {}
    draw = Canvas.line

    def line(self: Canvas, line: Line, *where: Any, **how: Any) -> None:
        if not footing:
            set_there.setdefault(self.page_number, []).append(line.text)
        draw(self, line, *where, **how)

    footing: list[bool] = []
    close = Canvas.close

    def closing(self: Canvas, footer: Any = None) -> bytes:
        footing.append(True)
        return close(self, footer)

    monkeypatch.setattr(Canvas, "line", line)
    monkeypatch.setattr(Canvas, "close", closing)
    pdf = certificate.draw(twins[name])
    sheet = sheet_of(twins[name])
    found = pages(pdf)
    for number, text in enumerate(found, 1):
        said = bare(text)
        assert said.startswith(bare("".join(set_there[number])))
        for standing in (sheet.quality, sheet.number, f"Page {number} of {len(found)}"):
            assert bare(standing) in said
    assert "Non-qualified" in sheet.quality and "printout loses the seal" in sheet.quality


@pytest.mark.parametrize("name", NAMES)
def test_it_is_an_archive(twins: dict[str, bytes], name: str, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pdf"
    path.write_bytes(certificate.draw(twins[name]))
    with pikepdf.open(path) as pdf:
        assert b"pdfuaid:part" in pdf.Root.Metadata.read_bytes()
        # The library's own rules know 3b and no more: without the two claims beyond it, it must find nothing.
        packet = pdf.Root.Metadata.read_bytes().decode()
        start, stop = packet.index("\n<pdfuaid:part"), packet.index("</pdfaExtension:schemas>")
        plain = packet[:start] + packet[stop + len("</pdfaExtension:schemas>") :]
        pdf.Root.Metadata.write(plain.replace("conformance>A<", "conformance>B<").encode())
        pdf.Root.Metadata.Type, pdf.Root.Metadata.Subtype = pikepdf.Name.Metadata, pikepdf.Name.XML
        kept = tmp_path / "b.pdf"
        pdf.save(kept, **pdfa.resolve_save_kwargs("3b", deterministic_id=True))
    report = pdfa.validate_written(kept, "3b")
    assert report.passed, report


@pytest.mark.parametrize("flavour", ["3a", "ua1"])
def test_verapdf_finds_what_they_claim(office: Office, flavour: str, tmp_path: Path) -> None:
    for (kind, recipient), language in zip(KINDS, itertools.cycle(LANGUAGES)):
        made = office.issue(kind, recipient, language=language)
        (tmp_path / f"{kind}.pdf").write_bytes(made.pdf)
    assert vera(flavour, tmp_path) == {kind: True for kind, _ in KINDS}


PROGRAM = """
import sys
from pathlib import Path
from hashlib import sha256
from reports import certificate
for path in sorted(Path(sys.argv[1]).glob("*.json"), reverse="turned" in sys.argv):
    print(path.name, sha256(certificate.draw(path.read_bytes())).hexdigest())
"""


def test_the_same_evidence_is_the_same_file_everywhere(twins: dict[str, bytes], tmp_path: Path) -> None:
    for name, octets in twins.items():
        (tmp_path / f"{name}.json").write_bytes(octets)
    told = []
    for seed, zone, how in (("0", "UTC", ""), ("1", "Asia/Kathmandu", "turned"), ("77", "America/St_Johns", "")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": "."}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), how]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told.append(sorted(done.stdout.splitlines()))
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == len(twins) == len(set(told[0]))


def test_another_order_of_words_is_another_drawing(twins: dict[str, bytes]) -> None:
    # A change of what stands on a certificate is a new version of how it is drawn, and old ones stay as they are.
    assert claims.DRAWING == "postseal-certificate/1"
    titles = [block.text for block in sheet_of(twins["block-all"]).blocks if isinstance(block, Heading)]
    assert titles == [
        "What is certified",
        "The parties",
        "The content",
        "What is recorded for each recipient",
        "Adverse facts, and what was not checked",
        "Timeline",
        "The whole record of events",
        "Where this stands in the ledger",
        "How to verify, in three steps",
        "Limits, retention and responsibility",
    ]


def adverse(octets: bytes) -> list[str]:
    return [item for block in sheet_of(octets).blocks if isinstance(block, Box) for item in block.items]


def test_what_speaks_against_it_is_in_the_box(twins: dict[str, bytes]) -> None:
    said = "\n".join(adverse(twins["block-all"]))
    for fact in (
        "undeliverable (r3)",
        "attributed to a machine (r1)",
        "all bytes of the file were handed over (r1)",
        "One attempt to reach a withheld file was denied",
        "unauthenticated claim (E)",
    ):
        assert fact in said
    # Of one recipient nobody else's.
    assert "undeliverable" not in "\n".join(adverse(twins["access-r1"]))
    assert "attributed to a machine" in "\n".join(adverse(twins["access-r1"]))


def test_an_internal_line_is_drawn_once(twins: dict[str, bytes]) -> None:
    text = bare("".join(pages(certificate.draw(twins["delivery-r1"]))))
    assert text.count(bare("250 2.0.0 Ok: queued as 4XyZ1234")) == 1


HOSTILE = {
    "markup": "<b>bold</b> <img src='/etc/hostname'/> &amp; </para>",
    "a bidi override": "invoice\u202efdp.exe and \u2066more\u2069",
    "controls": "a\x00b\x07c\x1b[31md",
    "a link": "<link href='file:///etc/passwd'>x</link>",
    "long": "long " * 12_000,
    "200,000 characters": "long " * 40_000,
    "one word without end": "W" * 5_000,
    "many scripts": "Größe Ελληνικά Кириллица עברית (123) العربية 5%",
    "marks upon marks": "Z" + "\u0301" * 500,
    "a replacement": "\ufffd\ufffe\U0001f468\u200d\U0001f469",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_subject_is_shown_and_does_nothing(name: str, tmp_path: Path) -> None:
    subject = HOSTILE[name]
    spelled = (
        Header(subject, "utf-8", maxlinelen=70).encode().replace("\n", "\r\n") if not subject.isascii() else subject
    )
    with an_office(tmp_path) as office:
        office.record(letter("x").replace(b"Subject: x", b"Subject: " + spelled.encode()))
        made = office.issue("dispatch")
        text = "".join(pages(made.pdf))
        assert os.uname().nodename not in text or len(os.uname().nodename) < 3
        assert not any(unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "RLI", "LRI") for c in text)
        assert not any(unicodedata.category(c) == "Cc" and c not in "\r\n\t\ufffe" for c in text)
        if name == "markup":
            assert bare("<b>bold</b>") in bare(text)
        if name == "a bidi override":
            assert "<U+202E>" in bare(text)
        if name == "200,000 characters":
            assert bare("too long to be sealed as it is") in bare(text)
        if name == "long":
            assert "[+" in text and bare("Text that is too long for paper is cut") in bare(text)
        assert len(pypdfium2.PdfDocument(made.pdf)) < 12
        assert office.log.certificate(made.number) == made.pdf
