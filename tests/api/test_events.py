"""Tracking events, one at a time: what is recorded, what is denied, and what a client may not say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ledger.ids import uuid7
from tests.api.serving import RECIPIENTS, Served, problem

NOBODY = uuid7(1_780_000_000_000_000, bytes(10))


@pytest.fixture(scope="module")
def message(served: Served) -> str:
    """A message that tests add to, and never block."""
    said: str = served.record()["message"]
    return said


def tell(served: Served, message: str, key: str | None = None, role: str = "sender", **said: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return served.as_(role).post(f"/v1/messages/{message}/events", json=said, headers=headers)


def facts(served: Served, got: httpx.Response) -> Any:
    assert got.status_code == 201, got.text
    return served.check(got.json()["receipt"]).facts


def test_an_event_of_a_recipient(served: Served, message: str) -> None:
    got = tell(served, message, kind="message.opened", recipient="r2", attestation="C", source="webhook")
    assert got.json()["repeated"] is False
    made = served.check(got.json()["receipt"])
    said: Any = made.facts
    assert (made.kind, made.source) == ("message.opened", "webhook")
    assert (said.grade, said.attestation, said.attribution) == ("G3", "C", "exact")
    chain = served.log.recipients(message)[1].chain
    assert made.chain == chain


def test_a_recipient_may_be_named_by_his_address(served: Served, message: str) -> None:
    spelled = RECIPIENTS[2].replace("three", "THREE")
    made = served.check(tell(served, message, kind="message.opened", recipient=spelled).json()["receipt"])
    assert made.chain == served.log.recipients(message)[2].chain
    said = problem(tell(served, message, kind="message.opened", recipient="who@one.example"), "not-found")
    assert "who" not in said["detail"].split()


def test_without_a_recipient_it_is_about_the_message(served: Served, message: str) -> None:
    got = tell(served, message, kind="relay.accepted", facts={"code": 250, "tls": True})
    said = facts(served, got)
    assert (said.attribution, said.code, said.tls) == ("none", 250, True)
    assert served.check(got.json()["receipt"]).chain == message


def test_an_instant_with_its_clock(served: Served, message: str) -> None:
    at = "2026-07-01T10:00:00.000000Z"
    got = tell(served, message, kind="message.opened", recipient="r1", occurred=at, clock="stated")
    made = served.check(got.json()["receipt"])
    assert (made.occurred, made.clock) == (at, "stated")


def test_details_are_sealed(served: Served, message: str) -> None:
    agent = "Mozilla/5.0 (a very particular one)"
    got = tell(served, message, kind="message.opened", recipient="r1", details={"user_agent": agent, "hops": [1, True]})
    receipt = got.json()["receipt"]
    made = served.check(receipt)
    assert len(made.sealed) == 2 and agent.encode() not in (served.log.reader.entry(made.seq) or b"")
    assert any(agent in text for text in disclosed(served, made.seq))


def disclosed(served: Served, seq: int) -> list[str]:
    from ledger import disclosure

    return [str(disclosure.parse(text)) for text in served.log.disclosures([seq])[seq]]


def test_a_download_from_start_to_end(served: Served, message: str) -> None:
    started = facts(served, tell(served, message, kind="download.started", recipient="r1", file="f1"))
    assert started.file == "f1" and started.transfer
    more = {"recipient": "r1", "file": "f1", "transfer": started.transfer}
    assert facts(served, tell(served, message, kind="download.completed", **more)).transfer == started.transfer
    problem(tell(served, message, kind="download.completed", **more), "invalid")


SHAPELESS: dict[str, Any] = {
    "no kind": {"recipient": "r1"},
    "a kind unknown": {"kind": "message.eaten"},
    "a kind that is no event": {"kind": "block.applied"},
    "the ledger's own kind": {"kind": "ledger.stopped"},
    "a member unknown": {"kind": "message.opened", "ip": "192.0.2.1"},
    "a null": {"kind": None},
    "a number for a kind": {"kind": 1},
    "a recipient misspelt": {"kind": "message.opened", "recipient": "R1"},
    "a file misspelt": {"kind": "message.opened", "recipient": "r1", "file": "f0"},
    "a transfer misspelt": {"kind": "download.completed", "recipient": "r1", "file": "f1", "transfer": "1"},
    "a clock without an instant": {"kind": "message.opened", "clock": "stated"},
    "an instant without a clock": {"kind": "message.opened", "occurred": "2026-07-01T10:00:00.000000Z"},
    "an instant misspelt": {"kind": "message.opened", "occurred": "yesterday", "clock": "stated"},
    "the ledger's own voice": {"kind": "message.opened", "source": "system"},
    "a source unknown": {"kind": "message.opened", "source": "me"},
    "an attestation it cannot have": {"kind": "message.opened", "attestation": "A"},
    "the same among the facts": {"kind": "message.opened", "recipient": "r1", "facts": {"attestation": "A"}},
    "another grade": {"kind": "message.opened", "recipient": "r1", "facts": {"grade": "G8"}},
    "a file among the facts": {"kind": "message.opened", "recipient": "r1", "facts": {"file": "f1"}},
    "lateness": {"kind": "message.opened", "recipient": "r1", "facts": {"late": True}},
    "a fact unknown": {"kind": "message.opened", "recipient": "r1", "facts": {"weather": "fair"}},
    "a fact that is a float": {"kind": "relay.accepted", "facts": {"code": 250.5}},
    "a detail that is a float": {"kind": "message.opened", "details": {"score": 0.5}},
    "a detail that is a null": {"kind": "message.opened", "details": {"score": None}},
    "a null in a detail": {"kind": "message.opened", "details": {"score": [None]}},
    "a detail too large to hold": {"kind": "message.opened", "details": {"count": 1 << 53}},
    "a detail too long": {"kind": "message.opened", "details": {"words": "x" * 100_000}},
    "a detail's name misspelt": {"kind": "message.opened", "details": {"User Agent": "x"}},
    "a lone surrogate": {"kind": "message.opened", "details": {"words": "\ud800"}},
    "a lone surrogate for a name": {"kind": "message.opened", "details": {"\ud800": 1}},
    "a lone surrogate for a member": {"kind": "message.opened", "\udfff": 1},
    "an event key without end": {"kind": "message.opened", "event_key": "x" * 513},
    "a start of a file it does not name": {"kind": "download.started", "recipient": "r1"},
}


@pytest.mark.parametrize("said", SHAPELESS.values(), ids=SHAPELESS)
def test_what_does_not_fit_is_refused(served: Served, message: str, said: Any) -> None:
    before = served.size
    import json

    # httpx would refuse the surrogates itself.
    body = json.dumps(said).encode()
    headers = {"content-type": "application/json"}
    got = served.as_("sender").post(f"/v1/messages/{message}/events", content=body, headers=headers)
    problem(got, "too-large" if len(body) > 65_536 else "bad-request" if "\\ud" in json.dumps(said) else "invalid")
    assert served.size == before


ABSENT: dict[str, tuple[str | None, Any]] = {
    "a message": (NOBODY, {"kind": "message.opened", "recipient": "r1"}),
    "a recipient": (None, {"kind": "message.opened", "recipient": "r4"}),
    "an address's message": (NOBODY, {"kind": "message.opened", "recipient": "bob@one.example"}),
    "a file": (None, {"kind": "download.started", "recipient": "r1", "file": "f3"}),
    "a transfer": (None, {"kind": "download.completed", "recipient": "r1", "file": "f1", "transfer": NOBODY}),
    "a token": (None, {"kind": "link.opened", "recipient": "r1", "facts": {"token": 64 * "a"}}),
    "an input": (None, {"kind": "message.opened", "recipient": "r1", "facts": {"input": 0}}),
}


@pytest.mark.parametrize(("where", "said"), ABSENT.values(), ids=ABSENT)
def test_what_is_not_here_is_not_found(served: Served, message: str, where: str | None, said: Any) -> None:
    before = served.size
    problem(tell(served, where or message, **said), "not-found")
    assert served.size == before


def test_a_recipients_chain_is_no_message(served: Served, message: str) -> None:
    chain = served.log.recipients(message)[0].chain
    problem(tell(served, chain, kind="message.opened"), "not-found")
    problem(tell(served, chain, kind="message.opened", recipient="bob@one.example"), "not-found")


def test_the_same_event_of_a_source_is_recorded_once(served: Served, message: str) -> None:
    said = {"kind": "message.opened", "recipient": "r1", "source": "webhook", "event_key": "evt-1"}
    first = tell(served, message, **said).json()
    again = tell(served, message, **said).json()
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["receipt"]["entry"] == first["receipt"]["entry"]
    # Another source may call another event so.
    assert tell(served, message, **(said | {"source": "gateway"})).json()["repeated"] is False


def test_the_same_request_again(served: Served, message: str) -> None:
    said = {"kind": "download.started", "recipient": "r1", "file": "f2"}
    first = tell(served, message, "started-1", **said).json()
    size = served.size
    again = tell(served, message, "started-1", **said).json()
    # The transfer's id is made here: it is the request that is the same, not the act.
    assert again["repeated"] is True and again["receipt"]["entry"] == first["receipt"]["entry"]
    assert served.size == size
    problem(tell(served, message, "started-1", **(said | {"file": "f1"})), "key-reused")
    other = served.record()["message"]
    problem(tell(served, other, "started-1", **said), "key-reused")


def test_a_blocked_download_is_denied_and_the_denial_has_a_receipt(served: Served) -> None:
    message = served.record()["message"]
    block = served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "file", "file": "f1"}).json()
    said = problem(tell(served, message, "denied", kind="download.started", recipient="r1", file="f1"), "blocked")
    assert block["block"] in said["detail"]
    made = served.check(said["receipt"])
    denied: Any = made.facts
    assert (made.kind, denied.asked, denied.block) == ("access.denied", "download.started", block["block"])
    size = served.size
    again = problem(tell(served, message, "denied", kind="download.started", recipient="r1", file="f1"), "blocked")
    assert again["receipt"]["entry"] == said["receipt"]["entry"] and served.size == size
    # What has happened elsewhere is recorded all the same.
    late = tell(served, message, kind="download.started", recipient="r1", file="f1", source="webhook")
    assert facts(served, late).late is True
    assert facts(served, tell(served, message, kind="download.started", recipient="r1", file="f2")).file == "f2"


def test_the_message_is_named_by_its_id_alone(served: Served) -> None:
    for path in ("x", "R1", NOBODY.upper(), NOBODY + "0", "bob@one.example", "%00"):
        got = tell(served, path, kind="message.opened")
        said = problem(got, "invalid")
        assert "bob" not in said["detail"]
