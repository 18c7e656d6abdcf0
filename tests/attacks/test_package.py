"""Packages that lie: everything in one changed that could be, with lists of hashes that fit, and archives that two
programs would read in two ways."""

from __future__ import annotations

import io
import json
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.errors import FormatError
from ledger.trust import Trust
from reports import parcel, unzipping
from tests.ledger.ledgers import open_log
from tests.reports.packages import (
    FIGURES,
    MAIL,
    PDF,
    PLAN,
    certify,
    failed,
    forge,
    judge,
    listed,
    pack,
    record,
    trust,
    unpack,
    zipped,
)

EVIDENCE = "data/evidence.json"
CONTENT = "data/content/f1-plan.pdf"


@dataclass(frozen=True)
class Packages:
    """A package with content and certificate, one of another message of the same log, and whom to trust."""

    good: bytes
    other: bytes
    trust: Trust

    @property
    def files(self) -> dict[str, bytes]:
        return unpack(self.good)[1]

    @property
    def folder(self) -> str:
        return unpack(self.good)[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packages]:
    directory = tmp_path_factory.mktemp("packages")
    with open_log(f"sqlite:///{directory / 'ledger.db'}", directory) as log:
        message, another = record(log), record(log, MAIL.replace(b"plan", b"plot"))
        certify(log, message)
        certify(log, another, PDF + b" of another", "ps-2")
        yield Packages(pack(log, message, pdf=PDF), pack(log, another, pdf=PDF + b" of another"), trust(log))


def test_the_good_one_is_valid(made: Packages) -> None:
    verdict = judge(made.good, made.trust)
    assert (verdict.verdict, failed(verdict)) == ("valid", set())
    # An attacker's tools alone change nothing.
    assert judge(forge(made.good, {}), made.trust).verdict == "valid"


# What lies in it


def other_evidence(made: Packages) -> dict[str, bytes | None]:
    return {EVIDENCE: unpack(made.other)[1][EVIDENCE]}


def another_message_under_its_content(made: Packages) -> dict[str, bytes | None]:
    """The whole of another package, but for the files that the judge will read."""
    theirs = unpack(made.other)[1]
    kept = {place: octets for place, octets in made.files.items() if "/content/" in place}
    return dict.fromkeys(made.files) | theirs | kept


def older_evidence(made: Packages) -> dict[str, bytes | None]:
    document = json.loads(made.files[EVIDENCE])
    document["entries"].pop()
    text = json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return {EVIDENCE: text.encode()}


FORGED: dict[str, tuple[Callable[[Packages], Mapping[str, bytes | None]], set[str]]] = {
    "an attachment swapped": (lambda m: {CONTENT: PLAN + b" at all"}, {"content"}),
    "an attachment emptied": (lambda m: {CONTENT: b""}, {"content"}),
    "two attachments exchanged": (lambda m: {CONTENT: FIGURES, "data/content/f2-buro.exe": PLAN}, {"content"}),
    "the message swapped": (lambda m: {"data/content/message.eml": MAIL + b"."}, {"content"}),
    "an attachment added": (lambda m: {"data/content/f3-more.pdf": b"more"}, {"content", "package"}),
    "an attachment renamed": (
        lambda m: {CONTENT: None, "data/content/f1-invoice.pdf": PLAN},
        {"content", "package"},
    ),
    "a certificate swapped": (lambda m: {"data/certificate.pdf": PDF + b"!"}, {"certificate", "package"}),
    "another's certificate": (
        lambda m: {"data/certificate.pdf": PDF + b" of another"},
        {"certificate", "package"},
    ),
    "a checkpoint swapped": (lambda m: {"data/checkpoint.txt": unpack(m.other)[1]["data/checkpoint.txt"]}, {"package"}),
    "a key swapped": (lambda m: {"data/keys/log.vkey": b"mine+00000000+AAAA\n"}, {"package"}),
    "a key for openssl swapped": (lambda m: {"data/keys/log.pem": b"-----BEGIN"}, {"package"}),
    "an entry changed": (
        lambda m: {"data/entries/0.json": m.files["data/entries/0.json"].replace(b"ledger", b"lodger")},
        {"package"},
    ),
    "an entry dropped": (lambda m: {"data/entries/0.json": None}, {"package"}),
    "a proof forged": (lambda m: {"data/proofs/0.txt": b"L " + b"0" * 64 + b"\n"}, {"package"}),
    "a proof dropped": (lambda m: {"data/proofs/0.txt": None}, {"package"}),
    "the list of entries changed": (
        lambda m: {"data/entries.txt": m.files["data/entries.txt"].replace(b"message.recorded", b"message.refused")},
        {"package"},
    ),
    "the list of facts changed": (
        lambda m: {"data/disclosures.txt": m.files["data/disclosures.txt"].replace(b"The plan", b"No plan")},
        {"package"},
    ),
    "other commands": (
        lambda m: {"HOW-TO-VERIFY.txt": m.files["HOW-TO-VERIFY.txt"].replace(b"FAILED: ", b"OK: ")},
        {"package"},
    ),
    "a file added": (lambda m: {"data/note.txt": b"Pay to this account."}, {"package"}),
    "a file added beside data": (lambda m: {"READ-ME-FIRST.txt": b"It is all valid."}, {"package"}),
    "a fetch list added": (lambda m: {"fetch.txt": b"https://evil.example 1 data/x\n"}, {"package"}),
    "another bag's word": (lambda m: {"bagit.txt": b"BagIt-Version: 0.97\n"}, {"package"}),
    "another date": (
        lambda m: {"bag-info.txt": m.files["bag-info.txt"].replace(b"Bagging-Date: 2", b"Bagging-Date: 1")},
        {"package"},
    ),
    "other evidence": (other_evidence, {"package"}),
    "another message under its content": (another_message_under_its_content, {"content"}),
    "older evidence": (older_evidence, {"included"}),
    "no evidence": (lambda m: {EVIDENCE: None}, {"package"}),
    "nothing as evidence": (lambda m: {EVIDENCE: b""}, {"intact"}),
    "JSON as evidence": (lambda m: {EVIDENCE: b"{}"}, {"intact"}),
}


@pytest.mark.parametrize(("change", "want"), FORGED.values(), ids=FORGED)
def test_a_forged_file_with_lists_that_fit(
    made: Packages, change: Callable[[Packages], Mapping[str, bytes | None]], want: set[str]
) -> None:
    verdict = judge(forge(made.good, change(made)), made.trust)
    assert verdict.verdict == "invalid" and want <= failed(verdict), verdict
    # And with the old lists no less.
    assert judge(forge(made.good, change(made), lists=False), made.trust).verdict == "invalid"


def test_every_file_counts(made: Packages) -> None:
    """Each one changed by a bit, emptied or dropped, with lists that fit or without."""
    lists = ("manifest", "tagmanifest", "bag-info")
    for place, octets in made.files.items():
        flipped = octets[:-1] + bytes([octets[-1] ^ 1]) if octets else b"x"
        for changed in (flipped, octets + b"\n", None):
            for lists_fit in (False, True):
                if lists_fit and place.startswith(lists):
                    continue
                verdict = judge(forge(made.good, {place: changed}, lists=lists_fit), made.trust)
                assert verdict.verdict == "invalid", (place, changed)


def test_content_may_be_left_out_and_nothing_else(made: Packages) -> None:
    """Whoever hands a package on may keep an attachment back; then all that tells of it must be made anew, by us."""
    without: dict[str, bytes | None] = {CONTENT: None}
    assert judge(forge(made.good, without), made.trust).verdict == "invalid"
    parts = parcel.open(made.good)
    left = parcel.Parcel(parts.folder, {place: o for place, o in parts.files.items() if place != CONTENT})
    again = b"".join(parcel.repack(left, left.evidence).pieces)
    assert judge(again, made.trust).verdict == "valid" and CONTENT not in unpack(again)[1]


def test_any_bit(made: Packages) -> None:
    """Wherever a bit of the archive is turned, it is found, or what is read is the same."""
    chance = random.Random(1)
    files = parcel.open(made.good).files
    for _ in range(400):
        at, bit = chance.randrange(len(made.good)), 1 << chance.randrange(8)
        turned = made.good[:at] + bytes([made.good[at] ^ bit]) + made.good[at + 1 :]
        try:
            read = parcel.open(turned)
        except FormatError:
            continue
        assert parcel.check(read, made.trust).verdict == "invalid" or dict(read.files) == dict(files), at


def test_cut_anywhere(made: Packages) -> None:
    for at in range(100, len(made.good), len(made.good) // 50):
        verdict = judge(made.good[:at], made.trust)
        assert verdict.verdict == "invalid" and failed(verdict) == {"package"}


# The archive


def raised(data: bytes, limit: int = parcel.LIMIT) -> str:
    """Why it is not read."""
    package = parcel.open(data, limit)
    assert package.problem and not package.files
    verdict = parcel.check(package, Trust.of())
    assert verdict.verdict == "invalid" and failed(verdict) == {"package"}
    assert verdict.check("package").detail == package.problem
    return package.problem


def with_member(made: Packages, name: str, octets: bytes = b"x", mode: int = 0o100600) -> bytes:
    """One member more, whatever it is called."""
    out = io.BytesIO(made.good)
    with zipfile.ZipFile(out, "a") as archive:
        info = zipfile.ZipInfo("x")
        info.filename, info.external_attr = name, mode << 16
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *_, **__: None)
            archive.writestr(info, octets)
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "postseal-x/../../evil",
        "/etc/passwd",
        "C:/evil",
        "data\\..\\evil",
        "./evil",
        "a//b",
        ".hidden",
        "nul\0.txt",
        "a\nb",
        "b\u202e",
        "\uff0e\uff0e/evil",
        "$(id)",
        "-rf",
        "",
        "x" * 600,
    ],
    ids=ascii,
)
def test_a_name_that_leads_elsewhere(made: Packages, name: str) -> None:
    assert "is called" in raised(with_member(made, name)) or name.startswith("postseal-x")


def test_a_file_outside_of_the_folder(made: Packages) -> None:
    assert "outside of the folder" in raised(with_member(made, "evil.txt"))
    assert "outside of the folder" in raised(with_member(made, "postseal-x/evil.txt"))


def test_two_files_of_one_name(made: Packages) -> None:
    assert "two files" in raised(with_member(made, made.folder + CONTENT))
    assert "capitals" in raised(with_member(made, made.folder + CONTENT.replace("plan", "PLAN")))
    assert "file and a directory" in raised(with_member(made, made.folder + CONTENT + "/x"))
    assert "empty directory" in raised(with_member(made, made.folder + "data/empty/", b"", 0o040700))
    assert "directory that has octets" in raised(with_member(made, made.folder + "data/", b"x", 0o040700))


@pytest.mark.parametrize("mode", [0o120777, 0o020600, 0o060600, 0o010600, 0o140600], ids=oct)
def test_links_and_devices(made: Packages, mode: int) -> None:
    assert "link" in raised(with_member(made, made.folder + "link", b"/etc/passwd", mode))


def test_something_around_it(made: Packages) -> None:
    with pytest.raises(FormatError, match="not a Postseal package"):
        parcel.open(b"#!/bin/sh\n" + made.good)
    assert "follows its end" in raised(made.good + b"\n")
    # A second archive behind the first, of which other programs see only this one.
    assert raised(made.good + made.other)
    assert raised(made.good[: made.good.index(b"PK\x01\x02")] + made.other)


def test_something_in_between(made: Packages) -> None:
    """A whole file that no directory lists, as a program that reads from the front would find it."""
    start = made.good.index(b"PK\x01\x02")
    end = made.good.rindex(b"PK\x05\x06")
    count, size, place = struct.unpack_from("<HLL", made.good, end + 10)
    hidden = made.good[: made.good.index(b"PK\x03\x04", 4)]
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, place + len(hidden), 0)
    data = made.good[:start] + hidden + made.good[start:end] + tail
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    assert "side by side" in raised(data)
    assert "between its directory and its end" in raised(
        made.good[:end] + b"x" + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size + 1, place, 0)
    )


def test_something_before_the_first(made: Packages) -> None:
    """A file that begins the archive, and that the directory does not list: all places are moved behind it."""
    hidden = made.good[: made.good.index(b"PK\x03\x04", 4)]
    data = bytearray(hidden + made.good)
    at = start = data.index(b"PK\x01\x02")
    while data[at : at + 4] == b"PK\x01\x02":
        (place,) = struct.unpack_from("<L", data, at + 42)
        struct.pack_into("<L", data, at + 42, place + len(hidden))
        at += 46 + struct.unpack_from("<H", data, at + 28)[0]
    struct.pack_into("<L", data, at + 16, start)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
    assert "before the first" in raised(bytes(data))


def test_an_end_that_says_more(made: Packages) -> None:
    """A comment, in which another archive could lie, or further volumes."""
    for at in (4, 6, 8, 20):
        data = bytearray(made.good)
        data[len(data) - 22 + at] ^= 1
        assert "comment" in raised(bytes(data))
    assert raised(made.good[:-2] + b"\x02\x00ab")


def test_a_wrong_crc(made: Packages) -> None:
    """Both places agree on it, and other programs would call the file damaged."""
    data = bytearray(made.good)
    start = data.index(b"PK\x01\x02")
    data[14] ^= 1
    data[start + 16] ^= 1
    assert "CRC" in raised(bytes(data))


def test_two_members_in_one_place(made: Packages) -> None:
    """Overlapping members are how a small archive becomes a large one."""
    second = made.good.index(b"PK\x01\x02", made.good.index(b"PK\x01\x02") + 4)
    data = bytearray(made.good)
    struct.pack_into("<L", data, second + 42, 0)
    assert "side by side" in raised(bytes(data))


def test_a_member_that_says_two_things(made: Packages) -> None:
    start = made.good.index(b"PK\x01\x02")
    for at, form in ((6, "<H"), (8, "<H"), (14, "<L"), (18, "<L"), (22, "<L"), (30, "<B")):
        local = bytearray(made.good)
        (value,) = struct.unpack_from(form, local, at)
        struct.pack_into(form, local, at, value ^ 2)
        if at == 30:
            with pytest.raises(FormatError):
                parcel.open(bytes(local))
            continue
        assert raised(bytes(local)), at
    for at, form in ((8, "<H"), (10, "<H"), (16, "<L"), (20, "<L"), (24, "<L"), (32, "<H"), (42, "<L"), (46, "<B")):
        central = bytearray(made.good)
        (value,) = struct.unpack_from(form, central, start + at)
        struct.pack_into(form, central, start + at, value ^ 2)
        assert raised(bytes(central)), at


def test_another_name_in_an_extra_field(made: Packages) -> None:
    """Info-ZIP's field 0x7075 gives a member another name for some programs; others see the one we saw."""
    info = zipfile.ZipInfo(made.folder + "data/x")
    name = b"data/y"
    info.extra = struct.pack("<HHBL", 0x7075, 5 + len(name), 1, zlib.crc32(info.filename.encode())) + name
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"x")
    assert "another name" in raised(out.getvalue())


def test_encryption(made: Packages) -> None:
    data = bytearray(made.good)
    start = data.index(b"PK\x01\x02")
    data[start + 8] |= 1
    data[6] |= 1
    assert "encrypted" in raised(bytes(data))


def test_a_bomb(made: Packages) -> None:
    folder = made.folder
    bomb = zipped(folder, {**made.files, "data/bomb": bytes(64 << 20)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    assert "larger than" in raised(bomb, 16 << 20)
    # One that says it is small is inflated no further than it says.
    name = folder.encode() + b"data/bomb"
    small = bytearray(bomb)
    struct.pack_into("<L", small, small.rindex(name) - 46 + 24, 10)
    assert "directory says" in raised(bytes(small), 16 << 20)
    struct.pack_into("<L", small, small.index(name) - 30 + 22, 10)
    tracemalloc.start()
    assert "another size" in raised(bytes(small), 16 << 20)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_many_members(made: Packages) -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    count = unzipping.MAX_MEMBERS + 1
    place = made.good.index(b"PK\x01\x02")
    wide = len(made.good) - 22
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, wide - place, place)
    data = made.good[:-22] + end64 + struct.pack("<4sLQL", b"PK\x06\x07", 0, wide, 1) + end
    assert f"{count} files" in raised(data)


def test_any_octets_at_all(made: Packages) -> None:
    """Nothing that a stranger sends is a defect of ours."""
    chance = random.Random(2)
    start = made.good.index(b"PK\x01\x02")
    for _ in range(300):
        data = bytearray(made.good)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(chance.choice([0, start, len(data) - 22]), len(data))
            data[at] = chance.randrange(256)
        try:
            package = parcel.open(bytes(data))
        except FormatError:
            continue
        parcel.check(package, made.trust)
    for text in (b"", b"PK", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(26) + b"postseal-"):
        with pytest.raises(FormatError):
            parcel.open(text)


def test_an_ordinary_archive_is_none(tmp_path: Path) -> None:
    for folder in ("", "bag/", "postseal-/", "postseal-01890a5d-ac96-474b-bcce-b302099a8058/"):
        with pytest.raises(FormatError, match="not a Postseal package"):
            parcel.open(zipped(folder, {"bagit.txt": b"x"}))


def test_lists_alone_do_not_make_a_package(made: Packages) -> None:
    folder, files = unpack(made.good)
    only = {place: octets for place, octets in files.items() if not place.startswith("data/")}
    verdict = judge(zipped(folder, listed(only)), made.trust)
    assert verdict.verdict == "invalid" and "evidence.json is missing" in verdict.check("package").detail
