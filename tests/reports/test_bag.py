"""Packages: byte for byte as docs/format.md says, bags for whoever reads bags, and nobody in them who is not meant."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import runpy
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import case, document, envelope, fingerprint
from ledger.document import Claim
from ledger.errors import Damaged, FormatError, InvalidRequest, ProofError
from ledger.log import Log
from ledger.trust import Trust
from reports import bag, byhand, parts, unzipping, zipping
from tests.attacks.test_exports import layers
from tests.helpers import HOUSE
from tests.ledger import evidencelog
from tests.ledger.ledgers import open_log
from tests.reports.packages import (
    BOB,
    CY,
    DEE,
    FIGURES,
    MAIL,
    PDF,
    PLAN,
    certify,
    judge,
    pack,
    record,
    trust,
    unpack,
    zipped,
)

GOLDEN = HOUSE / "tests" / "golden"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*[A-Za-z0-9]|[a-z][0-9]+", re.ASCII)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open_log(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as made:
        yield made


def golden() -> bag.Package:
    evidence = (GOLDEN / "log" / "evidence.json").read_bytes()
    mail = runpy.run_path(str(GOLDEN / "package" / "make.py"))["MAIL"]
    return bag.pack(evidence, {"f1": lambda: (b"the plan ", b"itself"), "raw": lambda: (mail,)})


def test_the_golden_package_and_a_second_reading_of_the_format() -> None:
    made = golden()
    data = b"".join(made.pieces)
    assert data == (GOLDEN / "package" / "package-1.zip").read_bytes()
    assert len(data) == made.size
    second = runpy.run_path(str(GOLDEN / "package" / "make.py"))
    assert second["make"]() == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == made.files
        assert {name.split("/")[0] for name in archive.namelist()} == {made.name}
    assert second["page"]() in (HOUSE / "docs" / "format.md").read_text()
    assert judge(data, Trust.parse((GOLDEN / "log" / "trust.json").read_bytes())).verdict == "valid"


def test_the_words_of_version_1_are_those_of_the_golden_package() -> None:
    said = (GOLDEN / "package" / "HOW-TO-VERIFY.txt").read_text("ascii")
    before, between, after = re.split("@ABOUT@|@FILES@", byhand.TEMPLATE.read_text("ascii"))
    assert byhand.VERSION == 1 and said.startswith(before) and between in said and said.endswith(after)
    assert all(line.isprintable() for line in said.split("\n"))


def test_it_is_a_bag_for_those_who_read_bags(log: Log, tmp_path: Path) -> None:
    message = record(log)
    certify(log, message)
    data = pack(log, message, pdf=PDF)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "bag")
    (folder,) = (tmp_path / "bag").iterdir()
    read = bagit.Bag(str(folder))
    read.validate()
    assert read.version_info == (1, 0) and read.info["External-Identifier"] == message
    assert set(read.algorithms) == {"sha256", "sha512"}
    for place in ("data/entries/3.json", "data/certificate.pdf", "HOW-TO-VERIFY.txt"):
        kept = (folder / place).read_bytes()
        (folder / place).write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        with pytest.raises(bagit.BagValidationError):
            bagit.Bag(str(folder)).validate()
        (folder / place).write_bytes(kept)


def test_what_goes_in_comes_out(log: Log) -> None:
    message = record(log)
    certify(log, message)
    data = pack(log, message, pdf=PDF)
    folder, files = unpack(data)
    assert folder == f"postseal-{message}/"
    assert files["data/content/message.eml"] == MAIL and files["data/content/f1-plan.pdf"] == PLAN
    # The name was made to turn what follows it, and to leave the folder.
    assert files["data/content/f2-buro.exe"] == FIGURES
    assert b'file f2, called "../\\u202eb\\u00fcro.exe"' in files["HOW-TO-VERIFY.txt"]
    assert files["data/certificate.pdf"] == PDF and b"certificate ps-1" in files["HOW-TO-VERIFY.txt"]
    verdict = judge(data, trust(log))
    assert verdict.verdict == "valid"
    assert {"package", "content", "certificate"} <= verdict.required
    assert [verdict.check(name).status for name in ("package", "content", "certificate")] == ["passed"] * 3
    # The reader's own copy is judged beside it.
    assert judge(data, trust(log), PLAN).verdict == "valid"
    assert judge(data, trust(log), PLAN + b"x").verdict == "invalid"


def test_the_same_arguments_make_the_same_archive(log: Log) -> None:
    message = record(log)
    made = document.format(log.export(message))
    first, second = (b"".join(bag.pack(made, {"f1": lambda: [PLAN]}).pieces) for _ in range(2))
    assert first == second


def test_a_recipients_package_shows_no_other(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path / "log") as log:
        message = record(log)
        certify(log, message, number="ps-all")
        certify(log, message, PDF + b"2", "ps-2", 2)
        data = pack(log, message, recipient="r2", pdf=PDF + b"2")
        assert judge(data, trust(log)).verdict == "valid"
        _, files = unpack(data)
        assert {place for place in files if "/content/" in place} == {
            "data/content/f1-plan.pdf",
            "data/content/f2-buro.exe",
        }
        shown = b"\n".join(one for octets in files.values() for one in layers(octets)).lower()
        assert CY.encode() in shown
        for other in (BOB, DEE):
            assert other.encode() not in shown and other.split("@")[0].encode() + b"@" not in shown
        evidence = files["data/evidence.json"]
        with pytest.raises(ProofError, match="does not disclose raw"):
            bag.pack(evidence, {"raw": lambda: (MAIL,)})
        for pdf in (PDF, PDF + b"1"):
            with pytest.raises(ProofError, match=r"not about r2 alone|no entry"):
                bag.pack(evidence, certificate=pdf)
        with pytest.raises(InvalidRequest, match="names its other recipients"):
            pack(log, message, recipient="r2", only=["raw", "f1"])


def test_only_what_is_chosen_goes_along(log: Log) -> None:
    message = record(log)
    before = log.reader.head().size
    _, files = unpack(pack(log, message, only=["f1", "subject"]))
    assert [place for place in files if "/content/" in place] == ["data/content/f1-plan.pdf"]
    assert [line.split(b"\t")[1] for line in files["data/disclosures.txt"].splitlines()] == [b"f1", b"subject"]
    _, files = unpack(pack(log, message, only=["raw"]))
    assert [place for place in files if "/content/" in place] == ["data/content/message.eml"]
    _, files = unpack(pack(log, message, content=False))
    assert not [place for place in files if "/content/" in place]
    with pytest.raises(InvalidRequest, match="none of the content"):
        pack(log, message, only=["subject"])
    assert log.reader.head().size == before + 3 * 5


def test_content_is_held_against_the_evidence_before_anything_is_sent(log: Log) -> None:
    message = record(log)
    made = document.format(log.export(message, show=["f1"]))
    for fact, octets in (("f1", PLAN + b"x"), ("f1", b""), ("f2", FIGURES), ("raw", MAIL), ("p1", b"see attached")):
        with pytest.raises(ProofError, match=fact):
            bag.pack(made, {fact: lambda octets=octets: (octets,)})  # type: ignore[misc]
    with pytest.raises(ProofError, match="no entry"):
        bag.pack(made, certificate=PDF)
    for bad in (b"", b"{}", made[:-1]):
        with pytest.raises(FormatError):
            bag.pack(bad)


def test_content_that_changes_while_it_is_sent_breaks_the_archive_off(log: Log) -> None:
    message = record(log)
    answers = iter([PLAN, PLAN[:-1] + b"x"])
    made = bag.pack(document.format(log.export(message)), {"f1": lambda: (next(answers),)})
    with pytest.raises(Damaged, match="changed while"):
        b"".join(made.pieces)


@pytest.mark.parametrize("second", ["sha512", "sha3-256"])
def test_a_second_digest_counts(log: Log, second: Any) -> None:
    sent = envelope.given("ann@sender.example", [BOB])
    taken = fingerprint.take(MAIL, second=second)
    message = log.record(taken, sent, envelope.roles(MAIL, sent), keep=MAIL).message
    data = pack(log, message)
    assert judge(data, trust(log)).verdict == "valid"
    said = case.read(document.parse(unpack(data)[1]["data/evidence.json"]))
    for place, part in parts.parts_of(said).items():
        assert part.second is not None and part.second.algorithm == second
        octets = unpack(data)[1][place]
        part.check(parts.measure((octets,), part.second))
        other = fingerprint.Second(second, "0" * len(part.second.digest))
        with pytest.raises(ProofError, match=part.fact):
            dataclasses.replace(part, second=other).check(parts.measure((octets,), part.second))


@pytest.mark.parametrize(
    "second", [[], "sha512", {"algorithm": []}, {"algorithm": [], "digest": ""}, {"algorithm": "md5", "digest": ""}]
)
def test_a_digest_that_is_not_known_discloses_nothing(second: Any) -> None:
    told = evidencelog.begin()
    evidencelog.record(told)
    value = {"sha256": "0" * 64, "size": 0, "second": second}
    told["recorded"].texts[1] = told.text("raw", value)
    end = told.close("end", (told.r1, told.r2), 70)
    made = evidencelog.assemble(evidencelog.seal(told.drafts), Claim(kind="history", message=told.message), end)
    assert set(parts.parts_of(case.read(made))) == {"data/content/f1-plan.pdf", "data/content/f2-plan.pdf"}


def test_a_large_file_is_never_held_whole(log: Log) -> None:
    sizes: list[int] = []
    piece = bytes(1 << 16)
    large = b"".join(MAIL.partition(PLAN)[:1]) + piece * 64 + MAIL.partition(PLAN)[2]
    message = record(log, large, keep=None)
    made = bag.pack(document.format(log.export(message)), {"f1": lambda: (piece for _ in range(64))})
    for one in made.pieces:
        sizes.append(len(one))
    assert sum(sizes) == made.size > 64 << 16 and max(sizes) <= 2 * bag.PIECE


def test_a_withdrawn_certificate_goes_into_no_package() -> None:
    def story(*after: tuple[str, dict[str, Any]]) -> bytes:
        told = evidencelog.begin()
        evidencelog.record(told)
        act = evidencelog.new_id(60)
        said = {"certificate": "delivery", "claims": "c" * 64, "number": "ps-1"}
        for chain in (told.r1, told.r2):
            told.add("certificate.issued", chain, act=act, facts=said)
        told.add("certificate.issued", told.message, after=0, act=act, facts=said | {"recipients": 2})
        on_log = said | {"keys": [told["key"]], "message": told.message, "pending": 0}
        told.add("certificate.issued", after=0, act=act, facts=on_log)
        sealed = {"number": "ps-1", "sha256": hashlib.sha256(PDF).hexdigest()}
        told.add("certificate.sealed", told.message, facts=sealed)
        for kind, facts in after:
            told.add(kind, told.message, facts=facts)
        end = told.close("end", (told.r1, told.r2), 70)
        claim = Claim(kind="history", message=told.message)
        return document.format(evidencelog.assemble(evidencelog.seal(told.drafts), claim, end))

    known = Trust.of(evidencelog.KEY.vkey)
    good = b"".join(bag.pack(story(), certificate=PDF).pieces)
    assert judge(good, known).check("certificate").detail == "certificate ps-1, issued by entry 9"
    superseded = story(("certificate.superseded", {"number": "ps-1", "by": "ps-2"}))
    verdict = judge(b"".join(bag.pack(superseded, certificate=PDF).pieces), known)
    assert verdict.verdict == "valid" and "ps-2 has taken its place" in verdict.check("certificate").detail
    with pytest.raises(ProofError, match="withdrawn"):
        bag.pack(story(("certificate.withdrawn", {"number": "ps-1"})), certificate=PDF)


def test_the_watch_of_the_log_stays_in_the_evidence() -> None:
    told = evidencelog.tell()
    sealed = evidencelog.seal(told.drafts)
    claim = Claim(kind="non_access", message=told.message)
    made = evidencelog.assemble(sealed, claim, told["first.log"].act or "")
    _, files = unpack(b"".join(bag.pack(document.format(made)).pieces))
    kinds = {line.split(b"\t")[3] for line in files["data/entries.txt"].splitlines()}
    assert b"ledger.heartbeat" not in kinds and {b"ledger.opened", b"key.introduced", b"access.denied"} <= kinds
    held = sum(place.startswith("data/entries/") for place in files)
    assert held < len(made.entries) and f"{held} of the {len(made.entries)}".encode() in files["HOW-TO-VERIFY.txt"]


# Names


HOSTILE = {
    "": "f1",
    ".": "f1",
    "..": "f1",
    "../../etc/passwd": "f1-etc_passwd",
    "C:\\Windows\\con.txt": "f1-C_Windows_con.txt",
    "con": "f1-con",
    "annual\u202efdp.exe": "f1-annual_fdp.exe",
    "a\x00b\n.pdf": "f1-a_b_.pdf",
    "Übersicht 年度.pdf": "f1-Ubersicht_.pdf",
    "年度報告": "f1",
    ".bashrc": "f1-bashrc",
    "x." * 300: "f1-" + "x." * 49 + "x",
    "y" * 300 + ".tar.gz": "f1-" + "y" * 97 + ".gz",
    "$(rm -rf ~).sh": "f1-rm_-rf_.sh",
    "-rf": "f1-rf",
    "e\u0301te\u0301.txt": "f1-e_te_.txt",
    "\uff0e\uff0e\uff0fx": "f1-x",
}


@pytest.mark.parametrize(("name", "made"), HOSTILE.items(), ids=map(ascii, HOSTILE))
def test_a_name_that_a_stranger_chose_does_no_harm(name: str, made: str) -> None:
    assert parts._file_name("f1", name) == made


@given(st.text(max_size=400))
def test_any_name_is_one_that_every_system_takes(name: str) -> None:
    made = parts._file_name("f12", name)
    assert NAME.fullmatch(made) and made.startswith("f12") and len(made) <= 4 + parts.LONGEST


# The archive


def test_large_archives_have_numbers_of_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [zipping.Member.of(f"a/{k}", b"x" * k) for k in range(40)]
    plain = b"".join(zipping.write(members))
    monkeypatch.setattr(zipping, "LARGE", 30)
    wide = b"".join(zipping.write(members))
    assert len(wide) == zipping.size_of(members) > len(plain)
    for data in (plain, wide):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert {one: len(archive.read(one)) for one in archive.namelist()} == {f"a/{k}": k for k in range(40)}
        read = unzipping.read(data, 10_000)
        assert {name: bytes(octets) for name, octets in read.items()} == {f"a/{k}": b"x" * k for k in range(40)}


def test_an_archive_of_many_files_is_read() -> None:
    members = [zipping.Member.of(f"a/{k}", b"") for k in range(70_000)]
    data = b"".join(zipping.write(members))
    assert len(unzipping.read(data, 0)) == 70_000
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) == 70_000


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_whoever_packs_it_again_breaks_nothing(log: Log, tmp_path: Path, method: int) -> None:
    message = record(log)
    data = pack(log, message)
    folder, files = unpack(data)
    assert judge(zipped(folder, files, method), trust(log)).verdict == "valid"
    out = io.BytesIO()
    with zipfile.ZipFile(Unseekable(out), "w", method) as archive:  # type: ignore[arg-type]
        archive.mkdir(folder)
        for place in sorted(files, reverse=True):
            archive.writestr(folder + place, files[place])
    assert judge(out.getvalue(), trust(log)).verdict == "valid"


class Unseekable:
    """A pipe: sizes and CRC then stand after the octets."""

    def __init__(self, out: io.BytesIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        return self._out.write(data)

    def flush(self) -> None:
        pass
