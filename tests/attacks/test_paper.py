"""Paper that says something else than the evidence in it, and evidence that somebody else's paper carries.

The attacker has whatever he needs to write a fine PDF: our own programs, among them the one that draws certificates;
and in some of the cases the key that signs the log.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import msgspec
import pikepdf
import pytest
from pikepdf import AttachedFileSpec, Name, Pdf

from ledger import case, certified, disclosure, evidence
from ledger.errors import FormatError
from ledger.log import Log
from ledger.trust import Trust
from ledger.verdict import Verdict
from reports import attached, certificate, paper
from reports.certificate import TWIN
from tests.reports.office import Office, an_office, letter, story


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with an_office(tmp_path_factory.mktemp("office")) as made:
        story(made)
        yield made


@pytest.fixture(scope="module")
def papers(office: Office) -> dict[str, bytes]:
    asked: tuple[tuple[str, str | None], ...]
    asked = (("delivery", "r1"), ("delivery", None), ("access", "r1"), ("dispatch", "r2"), ("block", None))
    return {f"{kind} {recipient or 'all'}": office.issue(kind, recipient).pdf for kind, recipient in asked}


def judge(office: Office, pdf: bytes, ledger: Log | None = None) -> Verdict:
    trust = Trust.of(*(key.vkey for key in office.log.ring.keys))
    return paper.check(pdf, paper.twin(pdf), trust, ledger=ledger)


def failed(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.detail for check in verdict.checks if check.status == "failed"}


def saved(pdf: Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out, deterministic_id=True)
    return out.getvalue()


def with_twin(pdf: bytes, octets: bytes) -> bytes:
    """The same pages with other evidence inside."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        made = AttachedFileSpec(opened, octets, filename=TWIN, mime_type="application/json", relationship=Name.Data)
        opened.attachments[TWIN] = made
        opened.Root.AF = pikepdf.Array([opened.attachments[TWIN].obj])
        return saved(opened)


def with_pages(pdf: bytes, other: bytes) -> bytes:
    """The same evidence inside with somebody else's pages."""
    return with_twin(other, attached.attachment(pdf, TWIN))


def with_content(pdf: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The first page drawn otherwise."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        page = opened.pages[0]
        before = page.Contents.read_bytes()
        after = change(before)
        assert after != before
        page.Contents.write(after)
        return saved(opened)


def test_what_was_issued_holds(office: Office, papers: dict[str, bytes]) -> None:
    for pdf in papers.values():
        verdict = judge(office, pdf)
        assert verdict.verdict == "valid", failed(verdict)
        assert "octet by octet" in verdict.checks[-1].detail
        assert judge(office, pdf, office.log).verdict == "valid"


def test_a_forged_twin_under_a_true_page(office: Office, papers: dict[str, bytes]) -> None:
    document = evidence.parse(attached.attachment(papers["delivery all"], TWIN))
    bounce = next(held for held in document.entries if b"delivery.bounced" in held.entry)
    left = tuple(held for held in document.entries if held is not bounce)
    forged = evidence.format(msgspec.structs.replace(document, entries=left))
    verdict = judge(office, with_twin(papers["delivery all"], forged))
    assert verdict.verdict == "invalid"
    assert {"paper"} < failed(verdict).keys()


def test_a_twin_that_holds_under_the_page_of_another(office: Office, papers: dict[str, bytes]) -> None:
    for one, other in (("delivery r1", "delivery all"), ("dispatch r2", "delivery r1"), ("block all", "access r1")):
        verdict = judge(office, with_pages(papers[one], papers[other]))
        # The evidence is as good as ever. It is the paper that lies.
        assert failed(verdict).keys() == {"paper"}
        assert verdict.verdict == "invalid"


def _hide(content: bytes) -> bytes:
    """A white sheet over the adverse facts."""
    return content + b"\nq 1 1 1 rg 0 0 600 400 re f Q"


def _sentence(content: bytes) -> bytes:
    """One glyph for another in the first line that has two."""
    start = content.index(b"<", content.index(b"TJ")) + 1
    one, two = content[start : start + 4], content[start + 4 : start + 8]
    return content[:start] + two + one + content[start + 8 :]


@pytest.mark.parametrize("change", [_hide, _sentence, lambda content: content + b"\n"], ids=["hidden", "word", "blank"])
def test_a_page_drawn_otherwise(office: Office, papers: dict[str, bytes], change: Callable[[bytes], bytes]) -> None:
    verdict = judge(office, with_content(papers["block all"], change))
    assert failed(verdict).keys() == {"paper"}
    known = judge(office, with_content(papers["block all"], change), office.log)
    assert failed(known).keys() == {"certificate"} and known.check("paper").status == "not_checked"


def test_whoever_names_another_printer_is_not_believed(office: Office, papers: dict[str, bytes]) -> None:
    with pikepdf.open(io.BytesIO(with_content(papers["block all"], _hide))) as opened:
        opened.docinfo["/Producer"] = "Postseal, reportlab 99"
        forged = saved(opened)
    verdict = judge(office, forged)
    assert verdict.verdict == "unknown"
    assert verdict.checks[-1].status == "not_checked"
    assert judge(office, forged, office.log).verdict == "invalid"


def test_octets_after_the_end_and_an_incremental_update(office: Office, papers: dict[str, bytes]) -> None:
    pdf = papers["delivery r1"]
    for more in (b"\n", b"%junk\n", b"1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF\n"):
        try:
            verdict = judge(office, pdf + more)
        except FormatError:
            continue
        assert "paper" in failed(verdict)


def test_two_twins(office: Office, papers: dict[str, bytes]) -> None:
    with pikepdf.open(io.BytesIO(papers["delivery r1"])) as opened:
        spec = AttachedFileSpec(opened, attached.attachment(papers["dispatch r2"], TWIN), filename=TWIN)
        opened.attachments["evidence.json "] = spec
        forged = saved(opened)
    assert "paper" in failed(judge(office, forged))


def test_evidence_that_is_of_no_certificate(office: Office, papers: dict[str, bytes]) -> None:
    exported = evidence.format(office.log.export(office.message, recipient="r1"))
    verdict = judge(office, with_twin(papers["delivery r1"], exported))
    assert "that of no certificate" in failed(verdict)["paper"]


def test_the_thief_of_the_key_draws_what_he_likes_and_the_ledger_knows_better(tmp_path: Path) -> None:
    """A copy of everything, keys included, goes on without what happened: its file is perfect, and was never sealed."""
    with an_office(tmp_path / "ours") as office:
        office.record(letter())
        message = office.message
    copytree(tmp_path / "ours", tmp_path / "his")
    with an_office(tmp_path / "ours") as office, an_office(tmp_path / "his") as his:
        office.message = his.message = message
        office.event("r1", "delivery.bounced", 1)
        his.event("r1", "delivery.delivered", 1)
        forged = his.issue("delivery", "r1").pdf
        assert judge(office, forged).verdict == "valid"
        known = judge(office, forged, office.log)
        assert "never sealed a certificate" in failed(known)["certificate"]
        # A number that was sealed is of no use to him either: its file had another hash.
        ours = office.issue("dispatch", "r1")
        with pikepdf.open(io.BytesIO(ours.pdf)) as opened:
            opened.docinfo["/Producer"] = "another"
            assert (
                "another file than this was sealed" in failed(judge(office, saved(opened), office.log))["certificate"]
            )


def test_whoever_leaves_something_out_is_found_out(office: Office, papers: dict[str, bytes]) -> None:
    """The entries commit to what was disclosed, not to that it is: the certificate does."""
    for gone in ({"diagnostic", "user_agent", "reply"}, {"subject"}, {"f1"}, None):
        document = evidence.parse(attached.attachment(papers["block all"], TWIN))
        entries = []
        for held in document.entries:
            left = tuple(
                text
                for text in held.disclosures
                if disclosure.parse(text).name == "claims" or (gone and disclosure.parse(text).name not in gone)
            )
            entries.append(msgspec.structs.replace(held, disclosures=left))
        forged = evidence.format(msgspec.structs.replace(document, entries=tuple(entries)))
        assert evidence.check(forged, Trust.of(office.log.ring.signer().vkey)).verdict == "valid"
        verdict = judge(office, with_twin(papers["block all"], forged))
        assert "something was left out" in failed(verdict)["paper"]


def test_nobody_adds_a_time_of_his_own(office: Office, papers: dict[str, bytes]) -> None:
    document = evidence.parse(attached.attachment(papers["delivery r1"], TWIN))
    stamp = evidence.OfCheckpoint(token=b"0" * 100)
    forged = evidence.format(msgspec.structs.replace(document, timestamps=(stamp,)))
    assert "timestamps" in failed(judge(office, with_twin(papers["delivery r1"], forged)))["paper"]


def test_claims_of_one_certificate_on_the_act_of_another(office: Office, papers: dict[str, bytes]) -> None:
    """The disclosure is bound to its entry by that entry's hash."""
    one = evidence.parse(attached.attachment(papers["delivery r1"], TWIN))
    other = evidence.parse(attached.attachment(papers["access r1"], TWIN))

    def claim(document: Any) -> str:
        texts = [text for held in document.entries for text in held.disclosures]
        return next(text for text in texts if disclosure.parse(text).name == "claims")

    entries = []
    for held in one.entries:
        texts = tuple(claim(other) if text == claim(one) else text for text in held.disclosures)
        entries.append(msgspec.structs.replace(held, disclosures=tuple(sorted(texts, key=disclosure.digest))))
    forged = evidence.format(msgspec.structs.replace(one, entries=tuple(entries)))
    verdict = judge(office, with_twin(papers["delivery r1"], forged))
    assert {"intact", "paper"} <= failed(verdict).keys()


def test_withdrawn_and_superseded_are_told(office: Office) -> None:
    first = office.issue("dispatch", "r1")
    second = office.issue("dispatch", "r1", supersedes=first.number)
    told = judge(office, first.pdf, office.log)
    assert told.verdict == "valid"
    assert f"certificate {second.number} has taken its place" in told.check("certificate").detail
    office.certifying.withdraw(second.number, actor=office.who)
    withdrawn = judge(office, second.pdf, office.log)
    assert withdrawn.verdict == "invalid"
    assert "withdrawn at" in failed(withdrawn)["certificate"]
    # Offline nobody can know.
    assert judge(office, second.pdf).verdict == "valid"


def test_one_recipient_of_five_thousand(tmp_path: Path) -> None:
    to = [f"r{k}@many.example" for k in range(1, 5001)]
    with an_office(tmp_path) as office:
        office.record(letter(), to)
        office.event("r2", "delivery.delivered", 1)
        for recipient, most in (("r2", 400_000), (None, 30_000_000)):
            made = office.issue("delivery", recipient)
            assert len(made.pdf) < most
            verdict = judge(office, made.pdf)
            assert verdict.verdict == "valid", failed(verdict)
        shown = case.read(evidence.parse(office.twins[0]))
        assert certified.of(shown).claims.recipient == "r2"
        assert b"r1@many.example" not in office.twins[0]


@pytest.mark.parametrize("junk", [b"", b"%PDF-", b"%PDF-1.7\n" * 1000, b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n<<"])
def test_what_is_no_certificate(junk: bytes) -> None:
    with pytest.raises(FormatError, match="no Postseal certificate"):
        paper.twin(junk)
    assert certificate.TWIN == "evidence.json"
