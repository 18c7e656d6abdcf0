"""Holds, retention and erasures over HTTP."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ledger import retention
from ledger.errors import StoreUnavailable
from ledger.store.inspect import inspect
from tests.api.serving import MAIL, RECIPIENTS, Served, make_key, problem, serving


def erase(served: Served, message: str, role: str = "compliance", **more: Any) -> Any:
    got = served.as_(role).post(f"/v1/messages/{message}/erasures", json=more)
    assert got.status_code == 201, got.text
    return got.json()


def show(served: Served, message: str) -> Any:
    return served.as_("compliance").get(f"/v1/messages/{message}").json()


def find(served: Served, **said: Any) -> list[str]:
    return [one["message"] for one in served.as_("sender").post("/v1/messages/search", json=said).json()["messages"]]


def test_a_recipient_then_the_message(served: Served) -> None:
    message = served.record()["message"]
    said = erase(served, message, recipient=RECIPIENTS[0])
    done = served.check(said["receipt"])
    assert (said["state"], done.kind, done.chain) == ("done", "erasure.done", message)
    told = show(served, message)
    assert [one.get("address") for one in told["recipients"]] == [None, *RECIPIENTS[1:]]
    assert told["recipients"][0]["erased"]["at"] == done.at and "erased" not in told["recipients"][1]
    assert message in find(served, address=RECIPIENTS[1]) and message not in find(served, address=RECIPIENTS[0])
    said = erase(served, message)
    told = show(served, message)
    assert told["headers"] == {} and told["erased"]["at"] == served.check(said["receipt"]).at
    assert inspect(served.log.reader, served.log.ring).findings == []


def test_a_person_is_named_in_the_body_and_kept_nowhere(served: Served) -> None:
    address = "gail@goes.example"
    made = [served.record(rcpt_to=[address, RECIPIENTS[1]])["message"] for _ in range(2)]
    client = served.as_("compliance")
    first = client.post("/v1/erasures", json={"address": address}, headers={"Idempotency-Key": "gail"})
    assert first.status_code == 201 and first.json()["state"] == "done"
    assert find(served, address=address) == []
    assert all("address" not in show(served, message)["recipients"][0] for message in made)
    # Sent again it is answered as before, although nothing is found by the address any more.
    again = client.post("/v1/erasures", json={"address": address}, headers={"Idempotency-Key": "gail"})
    assert again.status_code == 201 and again.json()["receipt"]["seq"] == first.json()["receipt"]["seq"]
    said = problem(client.post("/v1/erasures", json={"address": address}), "not-found")
    assert address not in said["detail"]
    assert client.get("/v1/erasures").json() == {"erasures": []}


def test_sent_again_it_is_one_erasure(served: Served) -> None:
    message = served.record()["message"]
    client, key = served.as_("compliance"), {"Idempotency-Key": "once"}
    said = [
        client.post(f"/v1/messages/{message}/erasures", json={"recipient": RECIPIENTS[0]}, headers=key)
        for _ in range(2)
    ]
    assert [got.status_code for got in said] == [201, 201]
    assert said[0].json()["receipt"]["entry"] == said[1].json()["receipt"]["entry"]
    problem(client.post(f"/v1/messages/{message}/erasures", json={}, headers=key), "key-reused")


def test_a_hold_refuses_until_it_is_released(served: Served) -> None:
    message = served.record()["message"]
    client = served.as_("legal")
    got = client.post(f"/v1/messages/{message}/holds", json={"recipient": RECIPIENTS[2], "reason": "lawsuit"})
    hold = got.json()["hold"]
    assert got.status_code == 201 and served.check(got.json()["receipt"]).kind == "hold.placed"
    assert show(served, message)["recipients"][2]["holds"] == [hold] and show(served, message)["holds"] == []
    compliance = served.as_("compliance")
    before = served.size
    # What names several people may name who is held.
    for body in ({}, {"recipient": "r3"}, {"recipient": "r1"}):
        said = problem(compliance.post(f"/v1/messages/{message}/erasures", json=body), "held")
        assert hold in said["detail"]
    assert served.size == before
    got = client.post(f"/v1/messages/{message}/holds/{hold}/release", json={})
    assert got.status_code == 201 and served.check(got.json()["receipt"]).kind == "hold.released"
    problem(client.post(f"/v1/messages/{message}/holds/{hold}/release", json={}), "not-found")
    whole = client.post(f"/v1/messages/{message}/holds", json={}).json()["hold"]
    assert show(served, message)["holds"] == [whole]
    problem(compliance.post(f"/v1/messages/{message}/erasures", json={"recipient": "r2"}), "held")
    client.post(f"/v1/messages/{message}/holds/{whole}/release", json={"reason": "settled"})
    assert erase(served, message)["state"] == "done"


@pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")
def test_two_people_where_that_is_wanted(any_database: str, tmp_path: Path) -> None:
    with serving(f"{any_database}.dual", tmp_path, dual_control=True) as served:
        message = served.record()["message"]
        said = erase(served, message, "admin", recipient="r1")
        assert said["state"] == "waiting" and served.check(said["receipt"]).kind == "erasure.requested"
        erasure = said["erasure"]
        assert show(served, message)["recipients"][0]["address"] == RECIPIENTS[0]
        (waiting,) = served.as_("compliance").get("/v1/erasures").json()["erasures"]
        assert (waiting["erasure"], waiting["waiting"], waiting["recipient"]) == (erasure, True, "r1")
        path = f"/v1/erasures/{erasure}/approve"
        problem(served.as_("admin").post(path), "second-person")
        problem(served.as_("legal").post(path), "forbidden")
        # Another key of the same role is somebody else.
        key, _ = make_key(served.log, "admin")
        got = served.as_("nobody").post(path, headers={"authorization": f"Bearer {key}"})
        assert got.status_code == 201 and got.json()["state"] == "done"
        assert served.check(got.json()["receipt"]).kind == "erasure.done"
        assert "address" not in show(served, message)["recipients"][0]
        problem(served.as_("compliance").post(path), "not-found")


@pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")
def test_retention(any_database: str, tmp_path: Path) -> None:
    classes = retention.parse("short=0-30,finance=2555-3650,legal=2555-")
    with serving(f"{any_database}.kept", tmp_path, retention=classes) as served:
        plain, kept = served.record()["message"], served.record(retention="finance")["message"]
        assert show(served, plain)["retention"]["class"] == "short"
        said = show(served, kept)["retention"]
        assert (said["class"], said["minimum"], said["maximum"]) == ("finance", 2555, 3650)
        assert said["erasable"] < said["due"]
        got = problem(served.as_("compliance").post(f"/v1/messages/{kept}/erasures", json={}), "retained")
        assert said["erasable"] in got["detail"]
        problem(served.as_("compliance").post("/v1/erasures", json={"address": RECIPIENTS[0]}), "retained")
        assert erase(served, plain)["state"] == "done"
        octets = MAIL.replace(b"plan", b"other")
        assert "maximum" not in show(served, served.record(octets, retention="legal")["message"])["retention"]
        body = {
            "envelope": {"mail_from": "a@b.example", "rcpt_to": ["c@d.example"], "retention": "x"},
            "fingerprint": {},
        }
        problem(served.as_("sender").post("/v1/messages", json=body), "invalid")
        assert inspect(served.log.reader, served.log.ring).findings == []


@pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")
def test_what_was_hindered_is_gone_on_with(any_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hinder(_: object) -> None:
        raise StoreUnavailable("somebody reads")

    monkeypatch.setattr("api.app.ERASING_SECONDS", 0.05)
    with monkeypatch.context() as patch:
        patch.setattr("ledger.erasing.scrub", hinder)
        with serving(f"{any_database}.late", tmp_path) as served:
            message = served.record()["message"]
            said = erase(served, message)
            assert (said["state"], served.check(said["receipt"]).kind) == ("pending", "erasure.requested")
            assert served.as_("compliance").get("/v1/erasures").json()["erasures"][0]["waiting"] is False
            patch.undo()
            deadline = time.monotonic() + 20
            while served.as_("compliance").get("/v1/erasures").json()["erasures"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert "erased" in show(served, message)


def test_subject_access_is_recorded_and_names_nobody_else(served: Served) -> None:
    address = "hal@held.example"
    octets = MAIL.replace(b"bob@one.example", address.encode())
    message = served.record(octets, rcpt_to=[address, RECIPIENTS[1]])["message"]
    got = served.as_("legal").post("/v1/subject-access", json={"address": address})
    assert (got.status_code, got.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        said = json.loads(archive.read("data.json"))
        assert [one["message"] for one in said["messages"]] == [message]
        assert RECIPIENTS[1].encode() not in archive.read("data.json") + archive.read("README.html")
    assert said["messages"][0]["events"][-1]["facts"] == {"what": "subject-access"}
    before = served.size
    problem(served.as_("sender").post("/v1/subject-access", json={"address": address}), "forbidden")
    assert served.size == before
    # That there is nothing is told, and so a look.
    problem(served.as_("legal").post("/v1/subject-access", json={"address": "x@y.example"}), "not-found")
    problem(served.as_("compliance").post("/v1/erasures", json={"address": "x@y.example"}), "not-found")
    problem(served.as_("legal").post(f"/v1/messages/{message}/holds", json={"recipient": "x@y.example"}), "not-found")
    assert served.size == before + 3
