"""Whether it lives, whether it can record, how it fares; and what its log tells, which is no personal data."""

from __future__ import annotations

import json
import logging
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.watching import JsonLines, RequestLog
from ledger.errors import RolledBack, StoreUnavailable
from ledger.sequencer import Sequencer
from tests.api.serving import MAIL, RECIPIENTS, SENDER, Served, make_key, parts, problem


def samples(served: Served) -> dict[tuple[str, ...], float]:
    got = served.as_("nobody").get("/metrics")
    assert got.status_code == 200 and got.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(got.text)
        for sample in family.samples
    }


def test_it_lives_and_is_ready(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        got = served.as_("nobody").get(path)
        assert (got.status_code, got.json()) == (200, {"status": "ok"})


def test_it_lives_but_is_not_ready_once_the_writer_has_stopped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RolledBack("the database at postgresql://user:secret@host was replaced")
    monkeypatch.setattr(Sequencer, "halted", property(lambda self: error))
    assert served.as_("nobody").get("/healthz").status_code == 200
    said = problem(served.as_("nobody").get("/readyz"), "unavailable")
    assert "secret" not in str(said)
    monkeypatch.undo()
    assert served.as_("nobody").get("/readyz").status_code == 200


def test_it_is_not_ready_without_its_database(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise StoreUnavailable("connection refused")

    monkeypatch.setattr(served.log.reader, "head", gone)
    problem(served.as_("nobody").get("/readyz"), "unavailable")
    # Numbers that cannot be had are left out; the others are still told.
    assert samples(served)[("postseal_requests_total", "route=/readyz", "status=503")] >= 1


def test_a_ledger_that_must_not_be_written_to_says_no_more_than_that(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RolledBack("the database holds 3 entries, where 9 were acknowledged")

    monkeypatch.setattr(Sequencer, "submit", refuse)
    body, kind = parts()
    got = served.as_("sender").post("/v1/messages", content=body, headers={"content-type": kind})
    said = problem(got, "unavailable")
    assert "entries" not in said["detail"]
    assert any("9 were acknowledged" in record.getMessage() for record in caplog.records)


def test_a_full_queue_says_when_to_come_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.record()
    monkeypatch.setattr(served.service.gathering, "_room", 0)
    before = served.size
    body, kind = parts()
    got = served.as_("sender").post("/v1/messages", content=body, headers={"content-type": kind})
    problem(got, "unavailable")
    assert got.headers["retry-after"] == "1" and served.size == before
    monkeypatch.undo()
    served.check_well()


def test_what_happens_is_counted(served: Served) -> None:
    route = ("postseal_requests_total", "route=/v1/messages")
    before = samples(served)
    served.record()
    served.as_("nobody").post("/v1/messages")
    served.as_("nobody").get("/whatever/anna@example.com")
    after = samples(served)
    assert after[(*route, "status=201")] == before.get((*route, "status=201"), 0) + 1
    assert after[(*route, "status=401")] == before.get((*route, "status=401"), 0) + 1
    assert after[("postseal_requests_total", "route=(none)", "status=404")] >= 1
    assert after[("postseal_ledger_entries",)] == served.size
    assert after[("postseal_writer_halted",)] == 0
    assert after[("postseal_queue",)] == 0
    assert 0 <= after[("postseal_heartbeat_age_seconds",)] < 600
    assert 0 <= after[("postseal_ledger_age_seconds",)] < 600
    assert not any("anna" in part for name in after for part in name)


def test_a_path_that_nobody_serves_makes_no_new_numbers(served: Served) -> None:
    def ask(k: int) -> None:
        served.as_("nobody").get(f"/nowhere/{k}")
        served.as_("nobody").request("PROPFIND", f"/v1/messages/{k}")

    ask(0)
    samples(served)
    before = set(samples(served))
    for k in range(1, 50):
        ask(k)
    assert set(samples(served)) == before


def test_the_log_names_no_person(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    message = served.record()["message"]
    served.as_("sender").post(
        f"/v1/messages/{message}/events",
        json={"kind": "message.opened", "recipient": RECIPIENTS[0], "details": {"user_agent": "agent of bob"}},
    )
    served.as_("sender").post(f"/v1/messages/{message}/events", json={"kind": "x", "bob@one.example": 1})
    served.as_("sender").post("/v1/messages/bob@one.example/events?q=bob", json={})
    served.as_("nobody").get("/bob@one.example", headers={"authorization": "Bearer bob"})
    served.as_("sender").post("/v1/messages", content=MAIL, headers={"content-type": "message/bob"})
    time.sleep(2 * RequestLog.EVERY)
    ours = [record for record in caplog.records if record.name in ("postseal", "uvicorn.error", "asyncio")]
    lines = [line for record in ours for line in JsonLines().format(record).splitlines()]
    told = [json.loads(one) for one in lines if json.loads(one)["what"] == "request"]
    assert [(one["method"], one["route"], one["status"]) for one in told] == [
        ("POST", "/v1/messages", 201),
        ("POST", "/v1/messages/{message}/events", 201),
        ("POST", "/v1/messages/{message}/events", 422),
        ("POST", "/v1/messages/{message}/events", 422),
        ("GET", "(none)", 404),
        ("POST", "/v1/messages", 415),
    ]
    key = served.keys["sender"].split("_")[1]
    assert (told[0]["key"], told[0]["role"]) == (key, "sender")
    for word in ("bob", "example", SENDER, "plan", *served.keys.values()):
        assert not any(word in one for one in lines), word


def test_a_defect_tells_the_client_its_name_and_the_log_its_place(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("bob@one.example")

    monkeypatch.setattr(type(served.log), "prepare", fail)
    before = served.size
    body, kind = parts()
    got = served.as_("sender").post("/v1/messages", content=body, headers={"content-type": kind})
    said = problem(got, "internal")
    assert said["detail"] == "a defect of ours: KeyError" and served.size == before
    lines = [JsonLines().format(record) for record in caplog.records if record.levelno >= logging.ERROR]
    assert lines and not any("bob" in one for one in lines)
    assert any(one.get("error") == "KeyError" and one["frames"] for one in map(json.loads, lines))
    monkeypatch.undo()
    served.check_well()


def test_the_last_use_of_a_key_is_written_down(served: Served) -> None:
    key, id = make_key(served.log, "sender")

    def last() -> int | None:
        return next(one.last_used for one in served.log.credentials.list() if one.id == id)

    assert last() is None
    start = time.time_ns() // 1000
    served.as_("nobody").get(f"/v1/logs/{served.log.id}/entries/0", headers={"authorization": f"Bearer {key}"})
    served.service.note_use()
    used = last()
    assert used is not None and start <= used <= time.time_ns() // 1000
