"""Messages looked for and shown: what is found, what is said of one, and who looked."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import answers
from api.roles import ROLES, WATCHED, may
from api.watching import JsonLines
from ledger import disclosure, entry, fingerprint, hashonly, mime
from ledger.entry import Entry
from ledger.errors import RolledBack
from ledger.ids import format_time, parse_time, uuid7
from ledger.sequencer import Sequencer
from ledger.state import STATES
from tests.api.serving import MAIL, RECIPIENTS, SENDER, Served, problem, serving

NOBODY = uuid7(1_780_000_000_000_000, bytes(10))
READERS = [role for role in ROLES if may(role, "read")]
MACHINE = {"agent": "machine", "rule": "prefetch", "list": "v1", "inputs": "A" * 43}
"""A detector's judgement."""

OFFER = """From: Gus <gus@sales.example>\r
To: hal@far.example\r
Subject: =?utf-8?q?B=C3=BCro?= offer {number}\r
Message-ID: <{number}@sales.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
\r
see attached\r
--x\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename="Annual Figures {number}.XLSX"\r
\r
offer {number}\r
--x--\r
"""


def mail(number: int) -> bytes:
    return OFFER.format(number=f"{number:03}").encode()


def send(served: Served, number: int, **more: Any) -> str:
    said = {"mail_from": "gus@sales.example", "rcpt_to": ["Hal@Far.example"], "hosted": ["f1"]} | more
    message: str = served.record(mail(number), **said)["message"]
    return message


def tell(served: Served, message: str, kind: str, **said: Any) -> Entry:
    got = served.as_("sender").post(f"/v1/messages/{message}/events", json={"kind": kind} | said)
    assert got.status_code == 201, got.text
    return served.check(got.json()["receipt"])


def find(served: Served, role: str = "sender", **said: Any) -> httpx.Response:
    return served.as_(role).post("/v1/messages/search", json=said)


def ids(got: httpx.Response) -> list[str]:
    assert got.status_code == 200, got.text
    assert got.headers["cache-control"] == "no-store"
    return [one["message"] for one in got.json()["messages"]]


def show(served: Served, message: str, role: str = "sender") -> Any:
    got = served.as_(role).get(f"/v1/messages/{message}")
    assert got.status_code == 200, got.text
    assert got.headers["cache-control"] == "no-store"
    return got.json()


# Looking for messages


@pytest.fixture(scope="module")
def sent(served: Served) -> list[str]:
    """Three messages in the order they were recorded; the second to somebody else as well."""
    return [send(served, 1), send(served, 2, rcpt_to=["hal@far.example", "ivy@near.example"]), send(served, 3)]


FOUND: dict[str, tuple[dict[str, Any], list[int]]] = {
    "a recipient": ({"address": "hal@far.example"}, [3, 2, 1]),
    "a recipient in capitals": ({"address": "HAL@FAR.EXAMPLE"}, [3, 2, 1]),
    "a sender": ({"address": "Gus@Sales.example"}, [3, 2, 1]),
    "one recipient of two": ({"address": "ivy@near.example"}, [2]),
    "a domain": ({"domain": "near.example"}, [2]),
    "a domain in capitals": ({"domain": "Near.Example"}, [2]),
    "a word of the subject": ({"subject": "b\u00fcro", "domain": "far.example"}, [3, 2, 1]),
    "words in another order": ({"subject": "002 OFFER"}, [2]),
    "a word that one lacks": ({"subject": "offer plan"}, []),
    "a file's word": ({"file": "figures"}, [3, 2, 1]),
    "a file's name": ({"file": "Annual Figures 003.xlsx"}, [3]),
    "a file's ending": ({"file": ".xlsx"}, [3, 2, 1]),
    "another ending": ({"file": ".docx"}, []),
    "a file by its hash": ({"sha256": sha256(b"offer 002").hexdigest()}, [2]),
    "a message by its hash": ({"sha256": sha256(mail(1)).hexdigest()}, [1]),
    "several": ({"address": "ivy@near.example", "file": ".xlsx", "subject": "offer"}, [2]),
    "several that no message has": ({"address": "ivy@near.example", "subject": "003 offer"}, []),
    "nobody": ({"address": "zoe@far.example"}, []),
}


@pytest.mark.parametrize(("said", "want"), FOUND.values(), ids=FOUND)
def test_messages_are_found_by(served: Served, sent: list[str], said: Any, want: list[int]) -> None:
    assert ids(find(served, **said)) == [sent[number - 1] for number in want]


def test_a_page_says_of_each_message_what_it_is(served: Served) -> None:
    recorded = served.record()
    message = recorded["message"]
    tell(served, message, "relay.accepted", recipient="r2")
    (one, *_) = find(served, subject="plan", limit=1).json()["messages"]
    assert one == {
        "message": message,
        "seq": recorded["receipt"]["seq"],
        "recorded_at": served.check(recorded["receipt"]).at,
        "subject": "The plan",
        "mail_from": SENDER,
        "files": 2,
        "recipients": 3,
        "first": [
            {"id": f"r{k}", "address": address, "state": "relayed" if k == 2 else "recorded"}
            for k, address in enumerate(RECIPIENTS, 1)
        ],
    }
    assert served.as_("sender").get("/v1/messages", params={"limit": 1}).json()["messages"] == [one]


def test_messages_are_found_by_when_they_were_recorded(served: Served) -> None:
    messages = [send(served, number) for number in (11, 12, 13)]
    # A message's own instant is that of its id.
    low, mid, high = (format_time(int(one[:8] + one[9:13], 16) * 1000) for one in messages)
    late = format_time(parse_time(high) + 1000)
    near = {"domain": "far.example"}
    assert ids(find(served, since=low, until=late, **near)) == messages[::-1]
    assert messages[2] not in ids(find(served, since=low, until=high, **near))
    assert messages[0] in ids(find(served, since=low, **near))
    assert ids(find(served, since=late, **near)) == []
    assert set(messages) & set(ids(find(served, until=low, **near))) == set()
    got = served.as_("sender").get("/v1/messages", params={"since": mid, "until": late})
    assert ids(got)[0] == messages[2] and messages[1] in ids(got)


def test_messages_are_found_by_state(served: Served) -> None:
    message = send(served, 21)
    mine = {"subject": "021 offer"}
    kinds = {"relayed": "relay.accepted", "delivered": "delivery.delivered", "opened": "message.opened"}
    kinds |= {"link_opened": "link.opened", "bounced": "delivery.bounced"}
    for state, kind in kinds.items():
        assert ids(find(served, state=state, **mine)) == []
        tell(served, message, kind, recipient="r1")
        assert ids(find(served, state=state, **mine)) == [message]
    started: Any = tell(served, message, "download.started", recipient="r1", file="f1").facts
    assert ids(find(served, state="downloaded", **mine)) == []
    tell(served, message, "download.completed", recipient="r1", file="f1", transfer=started.transfer)
    assert ids(find(served, state="downloaded", **mine)) == [message]
    assert ids(find(served, state="blocked", **mine)) == []
    served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "all"})
    assert ids(find(served, state="blocked", **mine)) == [message]
    assert (
        served.as_("sender").get("/v1/messages", params={"state": "blocked"}).json()["messages"][0]["message"]
        == message
    )
    said = {"kind": "download.started", "recipient": "r1", "file": "f1"}
    problem(served.as_("sender").post(f"/v1/messages/{message}/events", json=said), "blocked")
    assert ids(find(served, state="denied", **mine)) == [message]
    assert set(show(served, message)["recipients"][0]["states"]) == set(STATES)


def pages(served: Served, limit: int, **said: Any) -> Iterator[list[str]]:
    """Page after page, to the end."""
    before: dict[str, str] = {}
    while True:
        got = find(served, limit=limit, **said, **before)
        yield ids(got)
        if "next" not in got.json():
            return
        before = {"before": got.json()["next"]}


@pytest.mark.parametrize("by", ["subject", "nothing", "state"])
def test_page_after_page_nothing_is_missing_and_nothing_comes_twice(served: Served, by: str) -> None:
    word = f"pages{by}"
    octets = MAIL.replace(b"The plan", word.encode())
    there = [served.record(octets)["message"] for _ in range(7)]
    said = {"subject": {"subject": word}, "nothing": {}, "state": {"state": "recorded"}}[by]
    seen: list[str] = []
    sizes = []
    for page in pages(served, 3, **said):
        seen += page
        sizes.append(len(page))
        # More come while somebody reads: they are newer than the first page, and on none that follows.
        later = served.record(octets)["message"]
        assert later not in seen
        if set(there) <= set(seen):
            break
    assert sizes[:3] == [3, 3, 1 if by == "subject" else 3]
    assert len(seen) == len(set(seen)) and [one for one in seen if one in there] == there[::-1]


def test_the_last_page_names_no_next_one(served: Served) -> None:
    octets = MAIL.replace(b"The plan", b"lastpage")
    for _ in range(4):
        served.record(octets)
    assert [len(page) for page in pages(served, 3, subject="lastpage")] == [3, 1]
    # A page that is full may have been the last: the one after it is empty then.
    assert [len(page) for page in pages(served, 2, subject="lastpage")] == [2, 2, 0]
    assert [len(page) for page in pages(served, 500, subject="lastpage")] == [4]


WRONG: dict[str, dict[str, Any]] = {
    "a member unknown": {"body": "x"},
    "an address that is none": {"address": "@"},
    "an empty address": {"address": ""},
    "an empty domain": {"domain": ""},
    "a subject without words": {"subject": "  "},
    "an empty file name": {"file": ""},
    "a hash too short": {"sha256": "ab"},
    "a hash in capitals": {"sha256": "A" * 64},
    "a day alone": {"since": "2026-11-23"},
    "a time without its zone": {"since": "2026-11-23T14:03:11.000000"},
    "another zone": {"until": "2026-11-23T14:03:11.000000+01:00"},
    "a day that never was": {"until": "2026-02-30T14:03:11.000000Z"},
    "an instant before 1970": {"since": "1969-12-31T23:59:59.999999Z"},
    "words for an instant": {"until": "bob@one.example"},
    "a state unknown": {"state": "read"},
    "no messages": {"limit": 0},
    "too many messages": {"limit": 501},
    "a number in words": {"limit": "3"},
    "a page after no id": {"before": "bob@one.example"},
}


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("role", ["sender", "legal"])
def test_what_cannot_be_looked_for_is_refused(served: Served, role: str, said: Any) -> None:
    before = served.size
    assert "bob" not in problem(find(served, role, **said), "invalid")["detail"]
    assert served.size == before


@pytest.mark.parametrize("said", [value for value in WRONG.values() if set(value) & {"since", "until", "sha256"}])
def test_nor_is_it_in_a_url(served: Served, said: Any) -> None:
    before = served.size
    said = problem(served.as_("legal").get("/v1/messages", params=said), "invalid")
    assert "bob" not in said["detail"] and served.size == before


def test_a_page_after_a_message_that_is_not_here(served: Served, sent: list[str]) -> None:
    chain = served.log.recipients(sent[0])[0].chain
    for before in (NOBODY, chain, served.log.id):
        problem(find(served, before=before), "not-found")
        problem(served.as_("sender").get("/v1/messages", params={"before": before}), "not-found")


PERSONAL = {"address": "bob@one.example", "domain": "one.example", "subject": "The plan", "file": "plan.pdf"}


@pytest.mark.parametrize("name", PERSONAL)
def test_what_is_personal_is_not_taken_from_a_url(served: Served, name: str) -> None:
    before = served.size
    for params in ({name: PERSONAL[name]}, {name: ""}, {"limit": "1", name: PERSONAL[name]}):
        said = problem(served.as_("legal").get("/v1/messages", params=params), "invalid")
        assert "POST /v1/messages/search" in said["detail"] and PERSONAL[name] not in said["detail"]
    assert served.size == before


def test_the_log_says_nothing_of_what_was_looked_for(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    message = served.record()["message"]
    caplog.set_level(logging.DEBUG)
    for said in PERSONAL.items():
        assert find(served, "legal", **dict([said])).status_code == 200
        served.as_("legal").get("/v1/messages", params=dict([said]))
    find(served, "legal", since="bob@one.example")
    show(served, message, "legal")
    served.as_("legal").get("/v1/messages/bob@one.example")
    served.as_("legal").get(f"/v1/messages/{message}/blocks")
    for said in ({"recipient": RECIPIENTS[0]}, {"recipient": "bob@nowhere.example"}, {"recipient": "bob"}):
        served.as_("legal").post(f"/v1/messages/{message}/evidence", json=said)
    served.as_("legal").post("/v1/verify", content=MAIL, headers={"content-type": "message/rfc822"})
    # Lines are logged some at a time.
    end = time.monotonic() + 5
    while len(told := requests(caplog)) < 16 and time.monotonic() < end:
        time.sleep(0.02)
    assert [one["route"] for one in told][:2] == ["/v1/messages/search", "/v1/messages"] and len(told) == 16
    lines = list(logged(caplog))
    for word in ("bob", "example", "plan", *served.keys.values()):
        assert [one for one in lines if word in one] == [], word


def logged(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """What a service's own loggers said, line by line."""
    for record in list(caplog.records):
        if record.name in ("postseal", "uvicorn.error", "asyncio"):
            yield from JsonLines().format(record).splitlines()


def requests(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [said for said in map(json.loads, logged(caplog)) if said["what"] == "request"]


# Who looked


def looks(served: Served, message: str) -> dict[str, tuple[str, str, httpx.Request]]:
    """Everything that shows something: what it is called on record, on whose chain, and how it is asked for."""
    client = served.as_("nobody")
    here, log = f"/v1/messages/{message}", served.log.id
    made = {
        "list": ("search", log, client.build_request("GET", "/v1/messages")),
        "search": ("search", log, client.build_request("POST", "/v1/messages/search", json={"subject": "plan"})),
        "message": ("message", message, client.build_request("GET", here)),
        "blocks": ("blocks", message, client.build_request("GET", f"{here}/blocks")),
        "verify": ("verify", log, client.build_request("POST", "/v1/verify", content=MAIL)),
    }
    return made


def ask(served: Served, role: str, request: httpx.Request) -> httpx.Response:
    headers = {**request.headers, "authorization": f"Bearer {served.keys[role]}"}
    asked = httpx.Request(request.method, request.url, headers=headers, content=request.content)
    return served.as_("nobody").send(asked)


def since(served: Served, size: int) -> list[Entry]:
    return [entry.decode(data) for data in served.log.reader.entries(size, served.size)]


def sealed(served: Served, seq: int) -> dict[str, Any]:
    said = map(disclosure.parse, served.log.disclosures([seq]).get(seq, ()))
    return {one.name: one.value for one in said}


LOOKS = ("list", "search", "message", "blocks", "verify")


@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize("look", LOOKS)
def test_looks_of_some_roles_are_entries(served: Served, sent: list[str], look: str, role: str) -> None:
    what, chain, request = looks(served, sent[0])[look]
    before = served.size
    assert ask(served, role, request).status_code == 200
    made = since(served, before)
    assert len(made) == (role in WATCHED)
    for one in made:
        facts: Any = one.facts
        assert (one.kind, one.chain, facts.what, one.source) == ("content.viewed", chain, what, "api")
        assert set(sealed(served, one.seq)) == {"actor"}
        id = served.keys[role].split("_")[1]
        assert sealed(served, one.seq)["actor"] == f"test-{role} ({role}, key {id})"
        data = served.log.reader.entry(one.seq) or b""
        assert role.encode() not in data and id.encode() not in data


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_is_on_record_before_anything_is_shown(
    served: Served, sent: list[str], look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, request = looks(served, sent[0])[look]
    told: list[int] = []
    found = answers.found

    def tell(said: Any) -> Any:
        told.append(served.size)
        return found(said)

    monkeypatch.setattr(answers, "found", tell)
    before = served.size
    assert ask(served, "compliance", request).status_code == 200
    assert told == [before + 1]


@pytest.mark.parametrize("look", LOOKS)
def test_what_cannot_be_recorded_is_not_shown(
    served: Served, sent: list[str], look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, request = looks(served, sent[0])[look]
    before = served.size
    monkeypatch.setattr(served.service.gathering, "_room", 0)
    said = problem(ask(served, "admin", request), "unavailable")
    assert set(said) == {"type", "title", "status", "detail"}
    # Who is not watched needs no room.
    assert ask(served, "sender", request).status_code == 200
    monkeypatch.undo()
    assert served.size == before and ask(served, "admin", request).status_code == 200


@pytest.mark.parametrize("look", LOOKS)
def test_nor_is_it_shown_once_the_writer_has_stopped(
    served: Served, sent: list[str], look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RolledBack("the database holds 3 entries, where 9 were acknowledged")

    _, _, request = looks(served, sent[0])[look]
    monkeypatch.setattr(Sequencer, "submit", refuse)
    said = problem(ask(served, "legal", request), "unavailable")
    assert "entries" not in said["detail"] and sent[0] not in str(said)


def test_a_small_queue_shows_no_more_than_it_records(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path, queue=1) as served:
        message = served.record()["message"]
        before = served.size
        client = served.as_("auditor"), served.as_("legal")
        assert client[0].get(f"/v1/messages/{message}").status_code == 403
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda _: client[1].get(f"/v1/messages/{message}").status_code, range(40)))
        assert set(got) <= {200, 503} and got.count(200) == served.size - before


# One message


def test_one_message_is_told_as_it_was_recorded(served: Served) -> None:
    recorded = served.record(hosted=["f2"])
    message = recorded["message"]
    said = show(served, message)
    assert said == {
        "message": message,
        "seq": recorded["receipt"]["seq"],
        "recorded_at": served.check(recorded["receipt"]).at,
        "content": "hash_only",
        "envelope": "given",
        "mail_from": SENDER,
        "headers": {
            "subject": "The plan",
            "from": "Ann <ann@sender.example>",
            "to": "bob@one.example",
            "cc": "cy@two.example",
            "message_id": "<1@sender.example>",
        },
        "raw": {"sha256": sha256(MAIL).hexdigest(), "size": len(MAIL)},
        "files": [{**one, "where": where} for one, where in zip(recorded["files"], ["inside", "hosted"], strict=True)],
        "recipients": [
            {
                "id": f"r{k}",
                "address": address,
                "role": role,
                "state": "recorded",
                "states": ["recorded"],
                "grade": "G0",
                "firsts": {},
                "files": [],
                "holds": [],
            }
            for k, (address, role) in enumerate(zip(RECIPIENTS, ("to", "cc", "bcc"), strict=True), 1)
        ],
        "unattributed": {},
        "holds": [],
    }
    assert [one["sha256"] for one in said["files"]] == [sha256(b).hexdigest() for b in (b"not really a PDF", b"1 2 3")]


def test_what_happened_is_told_with_the_entry_that_recorded_it(served: Served) -> None:
    message = served.record()["message"]
    first = {
        "relay.accepted": tell(served, message, "relay.accepted", recipient="r1", source="gateway"),
        "delivery.delivered": tell(served, message, "delivery.delivered", recipient="r1", source="webhook"),
        "message.opened": tell(
            served, message, "message.opened", recipient="r1", source="webhook", facts={"verdict": MACHINE}
        ),
    }
    again = tell(served, message, "message.opened", recipient="r1")
    first["download.started"] = tell(served, message, "download.started", recipient="r1", file="f2")
    nobody = tell(served, message, "link.opened", source="webhook")
    block = served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "file", "file": "f1"}).json()
    denied = served.as_("sender").post(
        f"/v1/messages/{message}/events", json={"kind": "download.started", "recipient": "r1", "file": "f1"}
    )
    first["access.denied"] = served.check(problem(denied, "blocked")["receipt"])
    assert first["access.denied"].kind == "access.denied"
    said = show(served, message)
    one, two, three = said["recipients"]
    assert one["firsts"] == {kind: {"seq": made.seq, "at": made.at} for kind, made in first.items()}
    assert again.seq not in [told["seq"] for told in one["firsts"].values()]
    assert said["unattributed"] == {"link.opened": {"seq": nobody.seq, "at": nobody.at}}
    assert (one["state"], one["grade"]) == ("blocked", "G4")
    assert one["states"] == ["recorded", "relayed", "delivered", "opened", "blocked", "denied"]
    assert one["files"] == [
        {"id": "f1", "fetched": False, "blocks": [block["block"]]},
        {"id": "f2", "fetched": True, "blocks": []},
    ]
    for other in (two, three):
        assert (other["state"], other["states"], other["grade"]) == ("blocked", ["recorded", "blocked"], "G0")
        assert other["firsts"] == {} and other["files"] == one["files"][:1]
    served.as_("sender").post(f"/v1/messages/{message}/blocks/{block['block']}/lift", json={})
    said = show(served, message)
    assert [one["state"] for one in said["recipients"]] == ["opened", "recorded", "recorded"]
    assert said["recipients"][0]["files"] == one["files"][1:] and said["recipients"][1]["files"] == []


def test_hash_only_and_declared_messages_are_told_for_what_they_are(served: Served) -> None:
    declared = served.as_("sender").post("/v1/messages", content=MAIL, headers={"content-type": "message/rfc822"})
    said = show(served, declared.json()["message"])
    assert said["envelope"] == "declared" and len(said["recipients"]) == 2
    body = {
        "envelope": {"mail_from": "", "rcpt_to": ["a@b.example"]},
        "fingerprint": hashonly.to_json(fingerprint.take(b"Subject: x\r\n\r\ny\r\n")),
    }
    hashes = served.as_("sender").post("/v1/messages", json=body)
    assert hashes.status_code == 201, hashes.text
    said = show(served, hashes.json()["message"])
    assert (said["mail_from"], said["files"], said["recipients"][0]["role"]) == ("", [], "envelope")


def test_of_headers_that_are_too_long_nothing_is_told(served: Served) -> None:
    people = ",\r\n ".join(f"somebody{k}@with-a-long-name.example" for k in range(2500))
    message = served.record(MAIL.replace(b"To: bob@one.example", b"To: " + people.encode()))["message"]
    assert set(show(served, message)["headers"]) == {"subject", "from", "cc", "message_id"}


ERASED = MAIL.replace(b"plan", b"erasure").replace(b"Message-ID: <", b"Message-ID: <erased-")


def test_what_was_erased_is_left_out(served: Served) -> None:
    recorded = served.record(ERASED)
    message = recorded["message"]
    served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "all"})

    def erase(subject: str) -> None:
        with served.log.store.engine.begin() as connection:
            for table in ("lookups", "data_keys"):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE subject = '{subject}'")

    erase(served.log.recipients(message)[1].chain)
    said = show(served, message)
    assert [one.get("address") for one in said["recipients"]] == [RECIPIENTS[0], None, RECIPIENTS[2]]
    assert "role" not in said["recipients"][1] and said["recipients"][1]["state"] == "blocked"
    assert find(served, subject="erasure").json()["messages"][0]["first"][1] == {"id": "r2", "state": "blocked"}
    for subject in (f"{message}:shared", f"{message}:sender", message):
        erase(subject)
    said = show(served, message)
    assert said["headers"] == {} and said["files"] == [{"id": "f1"}, {"id": "f2"}]
    assert not {"mail_from", "raw"} & set(said) and len(said["recipients"]) == 3
    assert ids(find(served, subject="erasure")) == []
    (one,) = [m for m in served.as_("sender").get("/v1/messages").json()["messages"] if m["message"] == message]
    assert not {"subject", "mail_from"} & set(one) and one["recipients"] == 3
    got = served.as_("sender").get(f"/v1/messages/{message}/blocks").json()["blocks"]
    assert len(got) == 1 and len(got[0]["pairs"]) == 6
    octets = ERASED
    # Its files went out with other messages, too.
    said = served.as_("sender").post("/v1/verify", content=octets).json()
    assert message not in [one["message"] for one in said["matches"]]


@pytest.mark.parametrize("role", ["sender", "legal"])
def test_a_message_that_is_not_here(served: Served, sent: list[str], role: str) -> None:
    before = served.size
    chain = served.log.recipients(sent[0])[0].chain
    for where in (NOBODY, chain, served.log.id):
        problem(served.as_(role).get(f"/v1/messages/{where}"), "not-found")
        problem(served.as_(role).get(f"/v1/messages/{where}/blocks"), "not-found")
    for where in ("1", "bob@one.example", NOBODY.upper()):
        assert "bob" not in problem(served.as_(role).get(f"/v1/messages/{where}"), "invalid")["detail"]
    assert served.size == before


def test_bare_line_feeds_are_no_other_message(served: Served) -> None:
    octets = mail(31).replace(b"\r\n", b"\n")
    assert mime.normalise(octets) == mail(31)
    said = {"mail_from": "gus@sales.example", "rcpt_to": ["hal@far.example"], "hosted": []}
    message = served.record(octets, **said)["message"]
    assert ids(find(served, sha256=sha256(mail(31)).hexdigest())) == [message]
    assert show(served, message)["raw"]["sha256"] == sha256(mail(31)).hexdigest()


@pytest.mark.parametrize("name", ["status", "to", "recipient", "Address", "next"])
def test_a_condition_that_there_is_not_is_refused(served: Served, sent: list[str], name: str) -> None:
    said = problem(served.as_("sender").get("/v1/messages", params={name: "bob@one.example"}), "invalid")
    assert "bob" not in said["detail"]


def test_instants_are_written_as_rfc_3339_has_them(served: Served) -> None:
    message = send(served, 1)
    for said in ("2026-11-23T00:00:00Z", "2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.123456Z"):
        assert find(served, since=said, limit=1).status_code == find(served, until=said).status_code == 200
        made = tell(served, message, "message.opened", recipient="r1", occurred=said, clock="observed")
        assert made.occurred in (said, said.replace("00Z", "00.000000Z").replace(".5Z", ".500000Z"))
    for said in ("2020-01-01T00:00:00.Z", "2020-01-01T00:00:00.1234567Z", "2020-01-01T00:00:00+00:00", "Z", ""):
        problem(find(served, since=said), "invalid")
