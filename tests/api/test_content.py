"""Content over HTTP: to whom it is given, what is on record by then, and that what is sent does no harm."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from api.disposition import LONGEST, attachment
from ledger import disclosure, entry
from ledger.errors import StoreUnavailable, Unavailable
from tests.api.serving import MAIL, Served, parts, problem, serving
from tests.ledger.vaults import LARGE, MAILS

MAY = ("admin", "compliance", "legal")
MAY_NOT = ("auditor", "ingest", "sender")


@pytest.fixture(scope="module")
def message(served: Served) -> str:
    return str(served.record(keep_content=True)["message"])


def get(served: Served, path: str, role: str = "legal", **more: Any) -> httpx.Response:
    return served.as_(role).get(f"/v1/messages/{path}", **more)


def last(served: Served) -> tuple[Any, dict[str, Any]]:
    """The newest entry, and what it seals."""
    data = served.log.reader.entry(served.size - 1)
    assert data is not None
    made = entry.decode(data)
    opened = map(disclosure.parse, served.log.disclosures([made.seq]).get(made.seq, ()))
    return made, {one.name: one.value for one in opened}


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, not for ever."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check_look(served: Served, message: str, what: str, role: str) -> None:
    made, said = last(served)
    assert (made.kind, made.chain, made.facts.what) == ("content.viewed", message, what)
    assert said["actor"].startswith(f"test-{role} ({role}, key ")


@pytest.mark.parametrize("role", MAY)
def test_it_comes_as_it_was_and_the_look_is_on_record(served: Served, message: str, role: str) -> None:
    before = served.size
    got = get(served, f"{message}/content", role)
    assert got.status_code == 200 and got.content == MAIL
    assert served.size == before + 1
    check_look(served, message, "content", role)
    for file, octets in (("f1", b"not really a PDF"), ("f2", b"1 2 3")):
        assert get(served, f"{message}/files/{file}", role).content == octets
        check_look(served, message, f"file.{file}", role)
    body = get(served, f"{message}/content?part=body", role).content
    assert body.startswith(b"mime-version: 1.0\r\ncontent-type: multipart/mixed") and b"bob@" not in body
    check_look(served, message, "content.body", role)


@pytest.mark.parametrize("role", MAY_NOT)
def test_not_to_everybody(served: Served, message: str, role: str) -> None:
    before = served.size
    for path in ("content", "content?part=body", "files/f1"):
        problem(get(served, f"{message}/{path}", role), "forbidden")
        problem(get(served, f"{message}/{path}", "nobody"), "no-key")
    assert served.size == before


def test_what_is_sent_is_inert(served: Served, message: str) -> None:
    for path, kind in (("content", "message/rfc822"), ("files/f1", "application/octet-stream")):
        got = get(served, f"{message}/{path}", headers={"accept-encoding": "identity"})
        assert got.headers["content-type"] == kind
        assert got.headers["content-disposition"].startswith("attachment; filename=")
        assert got.headers["x-content-type-options"] == "nosniff" and got.headers["cache-control"] == "no-store"
        assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert int(got.headers["content-length"]) == len(got.content)
    assert get(served, f"{message}/content").headers["content-disposition"] == f'attachment; filename="{message}.eml"'
    assert get(served, f"{message}/files/f1").headers["content-disposition"] == 'attachment; filename="plan.pdf"'


def test_nothing_is_sent_that_is_not_on_record(served: Served, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = served.log.content

    async def lost(*_: object) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(served.service.gathering, "write", lost)
    monkeypatch.setattr(served.log, "content", lambda one: (read.append(one), real(one))[1])
    for path in ("content", "content?part=body", "files/f1"):
        got = get(served, f"{message}/{path}")
        problem(got, "unavailable")
        assert b"see attached" not in got.content and b"1 2 3" not in got.content
    # Not so much as opened.
    assert read == []
    monkeypatch.undo()
    assert get(served, f"{message}/content").status_code == 200


def test_the_entry_is_durable_before_the_content_is_opened(
    served: Served, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = served.log.content
    monkeypatch.setattr(served.log, "content", lambda one: (sizes.append(served.size), real(one))[1])
    before = served.size
    get(served, f"{message}/files/f1")
    assert sizes == [before + 1]


def test_what_was_not_kept(served: Served) -> None:
    told = served.record()["message"]
    for path in ("content", "content?part=body", "files/f1"):
        said = problem(get(served, f"{told}/{path}"), "not-found")
        assert said["detail"] == "the content of this message was not kept"
    # That it was not is told from the record, and so it is a look.
    check_look(served, told, "file.f1", "legal")


def test_what_is_not_there(served: Served, message: str) -> None:
    before = served.size
    problem(get(served, f"{served.log.id}/content"), "not-found")
    recipient = served.log.recipients(message)[0].chain
    problem(get(served, f"{recipient}/content"), "not-found")
    assert served.size == before
    assert "has 2 files, no f3" in problem(get(served, f"{message}/files/f3"), "not-found")["detail"]
    for path in ("files/f0", "files/f", "files/1", "files/f1x", "content?part=header"):
        problem(get(served, f"{message}/{path}"), "invalid")


def test_what_cannot_be_parsed_is_kept_whole(served: Served) -> None:
    octets = MAILS["no mail at all"]
    told = served.record(octets, keep_content=True, hosted=[])["message"]
    assert get(served, f"{told}/content").content == octets.replace(b"\n", b"\r\n")
    problem(get(served, f"{told}/content?part=body"), "not-found")
    problem(get(served, f"{told}/files/f1"), "not-found")


def test_a_large_one_comes_whole_and_in_pieces(served: Served) -> None:
    octets = MAILS["a large file"]
    told = served.record(octets, keep_content=True, hosted=[])["message"]
    for path, expected in (("content", octets), ("files/f1", LARGE)):
        for coding in ("identity", "gzip"):
            with served.as_("legal").stream(
                "GET", f"/v1/messages/{told}/{path}", headers={"accept-encoding": coding}
            ) as got:
                pieces = list(got.iter_raw())
                assert len(pieces) > 1
                assert coding == "gzip" or b"".join(pieces) == expected
        assert sha256(get(served, f"{told}/{path}").content).digest() == sha256(expected).digest()
    until(lambda: served.service.opened == 0)


def test_a_reader_who_goes_away_takes_no_memory_along(served: Served) -> None:
    told = served.record(MAILS["a large file"], keep_content=True, hosted=[])["message"]
    for _ in range(3):
        with served.as_("legal").stream("GET", f"/v1/messages/{told}/files/f1") as got:
            next(got.iter_raw())
    until(lambda: served.service.opened == 0)
    served.check_well()


def test_what_is_in_memory_at_a_time_is_bounded(served: Served, message: str) -> None:
    served.service.opened = 1 << 30
    try:
        problem(get(served, f"{message}/files/f1"), "unavailable")
        # What needs no memory goes on.
        assert get(served, f"{message}/content").status_code == 200
    finally:
        served.service.opened = 0
    assert get(served, f"{message}/files/f1").status_code == 200


def test_keeping_is_asked_for_in_the_envelope_alone(served: Served) -> None:
    client = served.as_("sender")
    declared = client.post("/v1/messages", content=MAIL, headers={"content-type": "message/rfc822"}).json()
    problem(get(served, f"{declared['message']}/content"), "not-found")
    said = {"mail_from": "a@b.example", "rcpt_to": ["c@d.example"], "keep_content": True}
    got = client.post("/v1/messages", json={"envelope": said, "fingerprint": {}})
    assert "nothing can be kept" in problem(got, "invalid")["detail"]
    for wrong in ("yes", 1, None):
        body, kind = parts(keep_content=wrong)
        problem(client.post("/v1/messages", content=body, headers={"content-type": kind}), "invalid")


def test_a_repeat_is_kept_once(served: Served) -> None:
    store = served.log.blobs
    assert store is not None
    body, kind = parts(keep_content=True)
    headers = {"content-type": kind, "idempotency-key": "kept-once"}
    first = served.as_("sender").post("/v1/messages", content=body, headers=headers).json()
    before = {name for name, _ in store.names()}
    again = served.as_("sender").post("/v1/messages", content=body, headers=headers).json()
    assert (again["message"], again["repeated"]) == (first["message"], True)
    hash_only, kind = parts()
    got = served.as_("sender").post("/v1/messages", content=hash_only, headers=headers | {"content-type": kind})
    problem(got, "key-reused")
    assert {name for name, _ in store.names()} == before
    assert get(served, f"{first['message']}/content").content == MAIL


def test_a_vault_that_cannot_be_written_records_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = served.size
    monkeypatch.setattr("ledger.durable.create_from", full)
    body, kind = parts(keep_content=True)
    got = served.as_("sender").post("/v1/messages", content=body, headers={"content-type": kind})
    assert "No space left" in problem(got, "unavailable")["detail"]
    assert served.size == before


def test_what_is_damaged_is_not_shown(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    told = served.record(keep_content=True)["message"]
    store = served.log.blobs
    assert store is not None
    real = store.get

    def flipped(name: str) -> Iterator[bytes]:
        data = b"".join(real(name))
        yield data[:-1] + bytes([data[-1] ^ 1])

    monkeypatch.setattr(store, "get", flipped)
    for path in ("content", "content?part=body", "files/f1"):
        said = problem(get(served, f"{told}/{path}"), "damaged")
        assert "does not open" in said["detail"]
    monkeypatch.setattr(store, "get", lambda name: (_ for _ in ()).throw(Unavailable("the vault cannot be read")))
    problem(get(served, f"{told}/content"), "unavailable")


def test_what_was_erased(served: Served) -> None:
    told = served.record(keep_content=True)["message"]

    def erase(**whom: str) -> None:
        got = served.as_("compliance").post(
            f"/v1/messages/{told}/erasures", json=whom, headers={"idempotency-key": os.urandom(8).hex()}
        )
        assert got.status_code == 201, got.text

    erase(recipient="r2")
    said = problem(get(served, f"{told}/content"), "erased")
    assert re.search(r"the header block of this message was erased; that was recorded 20\d\d-", said["detail"])
    assert b"see attached" in get(served, f"{told}/content?part=body").content
    assert get(served, f"{told}/files/f2").content == b"1 2 3"
    erase()
    for path in ("content", "content?part=body", "files/f1"):
        assert "the content of this message was erased" in problem(get(served, f"{told}/{path}"), "erased")["detail"]


def test_the_service_sweeps_when_it_starts(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with serving(url, tmp_path) as served:
        store = served.log.blobs
        assert store is not None
        store.put("ab" * 16, [b"orphan"])
        served.record(keep_content=True)
    for path in (tmp_path / "blobs").rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    with serving(url, tmp_path) as served:
        store = served.log.blobs
        assert store is not None
        until(lambda: len(list(store.names())) == 2)
        (chain,) = served.log.reader.messages(5)
        assert "ab" * 16 not in {name for name, _ in store.names()}
        assert get(served, f"{chain.id}/content").content == MAIL


# Names that strangers choose

HOSTILE = {
    "plan.pdf": 'filename="plan.pdf"',
    "Plan (v2)-final_1.pdf": 'filename="Plan (v2)-final_1.pdf"',
    "übersicht.pdf": "filename=\"_bersicht.pdf\"; filename*=UTF-8''%C3%BCbersicht.pdf",
    "../../etc/passwd": 'filename="_.._etc_passwd"',
    "..\\..\\evil.exe": 'filename="_.._evil.exe"',
    "/": 'filename="f1"',
    ".": 'filename="f1"',
    "...": 'filename="f1"',
    "": 'filename="f1"',
    ".bashrc": 'filename="bashrc"',
    "evil.exe.": 'filename="evil.exe"',
    "C:evil.exe": 'filename="C_evil.exe"',
    'a"; filename="b.exe': "filename=\"a__ filename__b.exe\"; filename*=UTF-8''a_%3B%20filename%3D_b.exe",
    "a\r\nSet-Cookie: x=1": "filename=\"a__Set-Cookie_ x_1\"; filename*=UTF-8''a__Set-Cookie_%20x%3D1",
    "a%0d%0ab": "filename=\"a_0d_0ab\"; filename*=UTF-8''a%250d%250ab",
    "gpj.\u202eexe": 'filename="gpj._exe"',
    "a\u200bb\u2028c\x00d": 'filename="a_b_c_d"',
    "\ud800.pdf": 'filename="_.pdf"',
    "報告.pdf": "filename=\"__.pdf\"; filename*=UTF-8''%E5%A0%B1%E5%91%8A.pdf",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_does_no_harm(name: str) -> None:
    said = attachment(name, "f1")
    assert said == f"attachment; {HOSTILE[name]}"
    assert re.fullmatch(r"[ -~]+", said)


def test_a_name_ends_as_it_did_however_long_it_is() -> None:
    said = attachment("ä" * 5000 + ".pdf", "f1")
    assert len(said) < 8 * LONGEST and said.endswith(".pdf")
    shown = unquote(said.rpartition("''")[2])
    assert len(shown) == LONGEST and shown.endswith("ä.pdf")
    assert attachment("x" * 5000, "f1") == f'attachment; filename="{"x" * LONGEST}"'
    assert attachment("x" * 200 + "." + "y" * 200, "f1") == f'attachment; filename="{"x" * LONGEST}"'
    assert attachment(None, "f7") == 'attachment; filename="f7"'


def test_hostile_names_in_real_mail(served: Served) -> None:
    said = b"=?utf-8?Q?=2E=2E/a=0D=0ASet-Cookie:_x=22=E2=80=AE.exe?="
    octets = MAIL.replace(b"filename=plan.pdf", b'filename="' + said + b'"')
    told = served.record(octets, keep_content=True)["message"]
    got = get(served, f"{told}/files/f1")
    assert got.status_code == 200 and "set-cookie" not in got.headers
    shown = got.headers["content-disposition"]
    assert re.fullmatch(r"""attachment; filename="[A-Za-z0-9 ._()-]+"(; filename\*=UTF-8''[A-Za-z0-9%._~-]+)?""", shown)
