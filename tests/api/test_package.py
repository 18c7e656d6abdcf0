"""Packages over HTTP: asked for by Accept, with content for those who may, and judged by the service and its page."""

from __future__ import annotations

import zipfile
from typing import Any

import httpx
import pytest

from ledger import entry
from ledger.trust import Trust
from tests.api.serving import MAIL, RECIPIENTS, Served, problem
from tests.reports.packages import forge, judge, unpack, zipped

ZIP = "application/zip"


@pytest.fixture(scope="module")
def kept(served: Served) -> str:
    return str(served.record(keep_content=True)["message"])


def export(
    served: Served, message: str, role: str = "legal", accept: str = ZIP, key: str | None = None, **said: Any
) -> httpx.Response:
    headers = {"accept": accept} | ({} if key is None else {"idempotency-key": key})
    return served.as_(role).post(f"/v1/messages/{message}/evidence", json=said, headers=headers)


def package(served: Served, got: httpx.Response) -> dict[str, bytes]:
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == ZIP and got.headers["cache-control"] == "no-store"
    assert int(got.headers["content-length"]) == len(got.content)
    folder, files = unpack(got.content)
    assert got.headers["content-disposition"] == f'attachment; filename="{folder[:-1]}.zip"'
    assert judge(got.content, Trust.of(*(key.vkey for key in served.log.ring.keys))).verdict == "valid"
    return files


def content(files: dict[str, bytes]) -> list[str]:
    return [place.removeprefix("data/content/") for place in files if place.startswith("data/content/")]


def looks(served: Served, size: int) -> list[str]:
    made = [entry.decode(data) for data in served.log.reader.entries(size, served.size)]
    return [one.facts.what for one in made if one.kind == "content.viewed"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (ZIP, ZIP),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (f"application/json, {ZIP}", "application/json"),
        (f"application/json;q=0.5, {ZIP}", ZIP),
        (f"text/html, {ZIP};q=0.9, */*;q=0.1", ZIP),
        (f"{ZIP};q=0", "application/json"),
        (f"{ZIP};q=2", "application/json"),
        (f"{ZIP.upper()} ; Q=1.000", ZIP),
        ("", "application/json"),
        (",;q=,,", "application/json"),
    ],
)
def test_it_is_asked_for_by_accept(served: Served, kept: str, accept: str, media: str) -> None:
    got = export(served, kept, accept=accept)
    assert (got.status_code, got.headers["content-type"]) == (200, media)
    assert "accept" in [one.strip().lower() for one in got.headers["vary"].split(",")]


def test_without_content_whoever_may_export_gets_one(served: Served, kept: str) -> None:
    before = served.size
    assert content(package(served, export(served, kept, "sender"))) == []
    assert looks(served, before) == []


@pytest.mark.parametrize("role", ["admin", "compliance", "legal"])
def test_with_content_for_those_who_may_see_it(served: Served, kept: str, role: str) -> None:
    before = served.size
    files = package(served, export(served, kept, role, content=True))
    assert content(files) == ["f1-plan.pdf", "f2-figures.bin", "message.eml"]
    assert files["data/content/message.eml"] == MAIL and files["data/content/f2-figures.bin"] == b"1 2 3"
    assert looks(served, before) == ["content"]
    assert b"content.viewed" in files["data/entries.txt"]


def test_who_may_not_see_content_gets_none_of_it(served: Served, kept: str) -> None:
    before = served.size
    problem(export(served, kept, "sender", content=True), "forbidden")
    for role in ("ingest", "auditor"):
        problem(export(served, kept, role), "forbidden")
    assert "Accept: application/zip" in problem(export(served, kept, accept="*/*", content=True), "invalid")["detail"]
    assert served.size == before


@pytest.mark.parametrize("number", [1, 2, 3])
def test_of_one_recipient_no_word_of_another(served: Served, kept: str, number: int) -> None:
    before = served.size
    got = export(served, kept, recipient=f"r{number}", content=True)
    files = package(served, got)
    assert content(files) == ["f1-plan.pdf", "f2-figures.bin"]
    assert looks(served, before) == ["file.f1", "file.f2"]
    shown = b"\n".join(files.values())
    for other in {1, 2, 3} - {number}:
        assert RECIPIENTS[other - 1].encode() not in shown
    assert RECIPIENTS[number - 1].encode() in shown and b"see attached" not in shown


def test_only_what_is_chosen(served: Served, kept: str) -> None:
    files = package(served, export(served, kept, content=True, only=["f2"]))
    assert content(files) == ["f2-figures.bin"] and files["data/disclosures.txt"].count(b"\n") == 1
    before = served.size
    problem(export(served, kept, content=True, only=["subject"]), "invalid")
    problem(export(served, kept, content=True, only=["raw"], recipient="r1"), "invalid")
    assert served.size == before


def test_what_was_not_kept_does_not_go_along(served: Served) -> None:
    message = served.record()["message"]
    before = served.size
    assert "not kept" in problem(export(served, message, content=True), "not-found")["detail"]
    made = [entry.decode(data).kind for data in served.log.reader.entries(before, served.size)]
    assert made == ["content.viewed"]
    assert content(package(served, export(served, message))) == []


def test_sent_again_it_closes_nothing_again(served: Served, kept: str) -> None:
    first = package(served, export(served, kept, key="package-1", content=True))
    size = served.size
    again = package(served, export(served, kept, key="package-1", content=True))
    # The checkpoint is newer, and what it proves is the same.
    assert again["data/entries.txt"] == first["data/entries.txt"]
    assert [one for one in looks(served, size) if one != "evidence"] == ["content"]
    made = [entry.decode(data).kind for data in served.log.reader.entries(size, served.size)]
    assert "evidence.exported" not in made


def test_room_in_memory_is_given_back(served: Served, kept: str) -> None:
    for _ in range(3):
        package(served, export(served, kept, content=True))
    assert served.service.opened == 0


# Judged by the service


def test_a_package_is_judged_by_anyone(served: Served, kept: str) -> None:
    data = export(served, kept, content=True).content
    before = served.size
    for role in ("nobody", "ingest", "legal"):
        said = served.as_(role).post("/v1/verify", content=data).json()
        assert said["verdict"] == "valid" and said["matches"] == []
        assert {one["name"]: one["status"] for one in said["checks"]}["package"] == "passed"
    form = {"file": ("package.zip", data, ZIP), "content": ("figures.bin", b"1 2 3", "application/octet-stream")}
    assert served.as_("nobody").post("/v1/verify", files=form).json()["verdict"] == "valid"
    form["content"] = ("figures.bin", b"1 2 4", "application/octet-stream")
    assert served.as_("nobody").post("/v1/verify", files=form).json()["verdict"] == "invalid"
    assert served.size == before


def test_a_package_that_lies_is_invalid(served: Served, kept: str) -> None:
    data = export(served, kept, content=True).content
    for forged in (
        forge(data, {"data/content/f1-plan.pdf": b"x"}),
        forge(data, {"data/proofs/0.txt": None}),
        forge(data, {"data/evidence.json": None}),
        data[:-1],
        data + b"x",
    ):
        said = served.as_("nobody").post("/v1/verify", content=forged).json()
        assert said["verdict"] == "invalid" and "failed" in [one["status"] for one in said["checks"]]


def test_a_bomb_is_refused_before_it_goes_off(served: Served, kept: str) -> None:
    data = export(served, kept).content
    folder, files = unpack(data)
    room = 2 * served.service.settings.message_bytes
    bomb = zipped(folder, {**files, "data/bomb": bytes(room)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < served.service.settings.message_bytes
    said = served.as_("nobody").post("/v1/verify", content=bomb).json()
    assert said["verdict"] == "invalid" and "larger than" in str(said["checks"])


def test_any_other_archive_is_a_file_like_any_other(served: Served) -> None:
    archive = zipped("", {"a.txt": b"an archive that was sent"})
    said = served.as_("nobody").post("/v1/verify", content=archive).json()
    assert said["verdict"] == "unknown" and [one["status"] for one in said["checks"]] == ["not_checked"]


def test_the_page_judges_it(served: Served, kept: str) -> None:
    data = export(served, kept, content=True).content
    nobody = served.as_("nobody")
    good = nobody.post("/verify", files={"file": ("package.zip", data, ZIP)})
    assert good.status_code == 200 and "<h1>Valid</h1>" in good.text and "A whole package" in good.text
    assert "all its recipients" in good.text and "still stands, was not checked" in good.text
    bad = nobody.post("/verify", files={"file": ("p.zip", forge(data, {"data/x": b"y"}), ZIP)})
    assert "<h1>Invalid</h1>" in bad.text and "Something in the package is missing" in bad.text
    cut = nobody.post("/verify", files={"file": ("p.zip", data[:-1], ZIP)})
    assert "<h1>Invalid</h1>" in cut.text
