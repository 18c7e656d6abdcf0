"""The archive: valid by two validators, equal to the byte, and true about itself."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pikepdf
import pytest
from pikepdf import pdfa

from reports.attached import attachment
from reports.metadata import Metadata
from reports.pdfa import finish
from tests.helpers import HOUSE
from tests.reports.paper import EVERYTHING, EVIDENCE, ISSUED, TEXT, archive, paragraph, sample
from tests.reports.verapdf import VERAPDF, vera

ABOUT = Metadata("Proof of delivery", "Postseal", "Certificate 1", ISSUED)


@pytest.fixture(scope="module")
def samples() -> dict[str, bytes]:
    """Raw files by what they show: all of it, each text alone, many pages."""
    texts = {f"text{at}": paragraph(text) for at, text in enumerate(EVERYTHING)}
    return {"all": sample(), "long": sample(400), "wide": paragraph("\u202e" * 50, TEXT, 60), **texts}


def test_pikepdf_finds_them_valid(samples: dict[str, bytes]) -> None:
    for name, raw in samples.items():
        report = pdfa.validate_written(io.BytesIO(archive(raw)), "3b")
        assert not report.findings, name


def test_it_would_say_if_they_were_not() -> None:
    with pikepdf.open(io.BytesIO(archive(sample()))) as pdf:
        del pdf.Root.OutputIntents
        out = io.BytesIO()
        pdf.save(out)
    assert pdfa.validate_written(io.BytesIO(out.getvalue()), "3b").findings


def test_ci_fetches_the_version_that_is_asked_for() -> None:
    assert f"greenfield-apps:{VERAPDF} " in (HOUSE / ".ci" / "run").read_text()


@pytest.mark.parametrize("flavour", ["3a", "ua1"])
def test_verapdf_finds_them_valid_and_accessible(flavour: str, samples: dict[str, bytes], tmp_path: Path) -> None:
    for name, raw in samples.items():
        (tmp_path / f"{name}.pdf").write_bytes(archive(raw, accessible=True))
    with pikepdf.open(io.BytesIO(archive(sample(), accessible=True))) as pdf:
        del pdf.Root.MarkInfo
        pdf.save(tmp_path / "broken.pdf")
    assert vera(flavour, tmp_path) == {**dict.fromkeys(samples, True), "broken": False}


def test_verapdf_finds_what_is_claimed(samples: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "all.pdf").write_bytes(archive(samples["all"]))
    assert vera("3b", tmp_path) == {"all": True}


def test_what_it_says_of_itself_it_says_twice() -> None:
    about = replace(ABOUT, title='A <b>&amp;</b> "title" \x00\u202e\ud800', author="Zoë \u05d0 & Co", subject="")
    with pikepdf.open(io.BytesIO(finish(sample(5), about))) as pdf:
        assert str(pdf.docinfo["/CreationDate"]) == str(pdf.docinfo["/ModDate"]) == "D:20261123140311+00'00'"
        with pdf.open_metadata(update_docinfo=False) as packet:
            assert packet["dc:title"] == 'A <b>&amp;</b> "title" <U+0000><U+202E><U+D800>' == str(pdf.docinfo["/Title"])
            assert packet["dc:creator"] == ["Zoë א & Co"]
            assert str(pdf.docinfo["/Author"]) == "Zoë א & Co"
            assert (packet["pdfaid:part"], packet["pdfaid:conformance"]) == ("3", "B")
            assert packet["xmp:CreateDate"] == packet["xmp:ModifyDate"] == "2026-11-23T14:03:11+00:00"
        assert str(pdf.Root.Lang) == "en"
        assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
        assert bool(pdf.Root.MarkInfo.Marked)
    assert not pdfa.validate_written(io.BytesIO(finish(sample(5), about)), "3b").findings


def test_the_time_of_issue_is_one_instant_in_any_zone() -> None:
    elsewhere = replace(ABOUT, issued=ISSUED.astimezone(timezone(timedelta(hours=9))))
    assert finish(sample(5), elsewhere) == finish(sample(5), ABOUT)
    with pytest.raises(ValueError, match="zone"):
        replace(ABOUT, issued=datetime(2026, 11, 23))  # noqa: DTZ001
    assert replace(ABOUT, issued=datetime(2026, 1, 1, tzinfo=UTC)).date == "D:20260101000000+00'00'"


def test_the_same_input_gives_the_same_bytes_and_other_input_others() -> None:
    raw = sample(5)
    one = finish(raw, ABOUT, [EVIDENCE])
    assert one == finish(raw, ABOUT, [EVIDENCE])
    others = [
        finish(raw, ABOUT),
        finish(raw, replace(ABOUT, title="Another"), [EVIDENCE]),
        finish(raw, ABOUT, [replace(EVIDENCE, data=b"{}")]),
        finish(sample(6), ABOUT, [EVIDENCE]),
    ]
    ids = []
    for each in (one, *others):
        with pikepdf.open(io.BytesIO(each)) as pdf:
            ids.append(bytes(pdf.trailer.ID[0]))
    assert len(set(ids)) == 5


def test_files_are_inside_and_are_said_to_belong_to_it() -> None:
    second = replace(
        EVIDENCE, name="مرفق é.txt", data=b"\0" * 10_000, media_type="text/plain", relationship="Supplement"
    )
    done = finish(sample(5), ABOUT, [EVIDENCE, second])
    assert attachment(done, EVIDENCE.name) == EVIDENCE.data
    assert attachment(done, second.name) == second.data
    assert not pdfa.validate_written(io.BytesIO(done), "3b").findings
    with pikepdf.open(io.BytesIO(done)) as pdf:
        assert [str(each.AFRelationship) for each in pdf.Root.AF] == ["/Data", "/Supplement"]


def test_a_large_file_is_finished_like_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = sample(5)
    small = finish(raw, ABOUT, [EVIDENCE])
    monkeypatch.setattr("reports.pdfa._LARGE", 1)
    assert finish(raw, ABOUT, [EVIDENCE]) == small


def test_a_page_takes_a_fiftieth_of_a_second() -> None:
    archive(sample(30))
    start = time.process_time()
    for _ in range(10):
        archive(sample(30))
    assert time.process_time() - start < 10 / 50 * 3  # a machine that has other things to do
