"""Blocks and lifts: what they cover, whether they came in time, and a request that is sent again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ledger.ids import uuid7
from tests.api.serving import RECIPIENTS, Served, problem

NOBODY = uuid7(1_780_000_000_000_000, bytes(10))


def block(served: Served, message: str, key: str | None = None, **said: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return served.as_("compliance").post(f"/v1/messages/{message}/blocks", json=said, headers=headers)


def fetch(served: Served, message: str, recipient: str | None, file: str = "f1") -> httpx.Response:
    said = {"kind": "download.started", "file": file} | ({} if recipient is None else {"recipient": recipient})
    return served.as_("sender").post(f"/v1/messages/{message}/events", json=said)


def pairs(got: httpx.Response) -> dict[tuple[str, str], str]:
    assert got.status_code == 201, got.text
    return {(pair["recipient"], pair["file"]): pair["in_time"] for pair in got.json()["pairs"]}


def test_a_block_of_everything(served: Served) -> None:
    message = served.record()["message"]
    assert fetch(served, message, "r2").status_code == 201
    got = block(served, message, scope="all", reason="wrong-recipient")
    assert pairs(got) == {(f"r{r}", f"f{f}"): "no" if (r, f) == (2, 1) else "yes" for r in (1, 2, 3) for f in (1, 2)}
    made = served.check(got.json()["receipt"])
    said: Any = made.facts
    assert (made.kind, made.chain, said.block) == ("block.applied", message, got.json()["block"])
    assert (said.scope, said.reason, said.recipients) == ("all", "wrong-recipient", 3)
    for recipient in ("r1", "r2", "r3"):
        problem(fetch(served, message, recipient), "blocked")


def test_a_block_of_one_recipient_by_address(served: Served) -> None:
    message = served.record()["message"]
    got = block(served, message, scope="recipient", recipient=RECIPIENTS[1])
    assert pairs(got) == {("r2", "f1"): "yes", ("r2", "f2"): "yes"}
    assert fetch(served, message, "r1").status_code == 201
    problem(fetch(served, message, "r2"), "blocked")


def test_a_block_of_one_file_and_of_one_pair(served: Served) -> None:
    message = served.record()["message"]
    assert set(pairs(block(served, message, scope="file", file="f2"))) == {(f"r{k}", "f2") for k in (1, 2, 3)}
    assert set(pairs(block(served, message, scope="file", file="f1", recipient="r3"))) == {("r3", "f1")}
    assert fetch(served, message, "r1").status_code == 201
    problem(fetch(served, message, "r3"), "blocked")


def test_an_access_by_nobody_known_leaves_it_open_who_came_first(served: Served) -> None:
    message = served.record()["message"]
    assert fetch(served, message, None).status_code == 201
    assert set(pairs(block(served, message, scope="file", file="f1")).values()) == {"unknown"}


def test_a_block_sent_again_says_the_same_pairs(served: Served) -> None:
    message = served.record()["message"]
    fetch(served, message, "r1")
    first = block(served, message, "block-1", scope="all")
    size = served.size
    # What was fetched since does not change what the block found.
    served.as_("sender").post(
        f"/v1/messages/{message}/events",
        json={"kind": "download.started", "recipient": "r2", "file": "f2", "source": "webhook"},
    )
    second = block(served, message, "another", scope="recipient", recipient="r3")
    again = block(served, message, "block-1", scope="all")
    assert again.status_code == 201
    assert pairs(again) == pairs(first) and len(pairs(first)) == 6 and "no" in pairs(first).values()
    assert again.json()["block"] == first.json()["block"] != second.json()["block"]
    assert again.json()["receipt"]["entry"] == first.json()["receipt"]["entry"]
    served.check(again.json()["receipt"])
    assert served.size > size + 1
    problem(block(served, message, "block-1", scope="file", file="f1"), "key-reused")


def test_a_lift(served: Served) -> None:
    message = served.record()["message"]
    made = block(served, message, scope="all").json()["block"]
    problem(fetch(served, message, "r1"), "blocked")
    path = f"/v1/messages/{message}/blocks/{made}/lift"
    headers = {"idempotency-key": "lift-1"}
    got = served.as_("sender").post(path, json={"reason": "mistake"}, headers=headers)
    assert got.status_code == 201, got.text
    lifted = served.check(got.json()["receipt"])
    said: Any = lifted.facts
    assert (lifted.kind, lifted.chain, said.block, said.reason) == ("block.lifted", message, made, "mistake")
    assert fetch(served, message, "r1").status_code == 201
    again = served.as_("sender").post(path, json={"reason": "mistake"}, headers=headers)
    assert again.json()["receipt"]["entry"] == got.json()["receipt"]["entry"]
    problem(served.as_("sender").post(path, json={}), "not-found")
    problem(served.as_("sender").post(path, json={}, headers=headers), "key-reused")


def test_who_blocked_is_sealed(served: Served) -> None:
    from ledger import disclosure

    message = served.record()["message"]
    receipt = block(served, message, scope="all").json()["receipt"]
    texts = [str(disclosure.parse(text)) for text in served.log.disclosures([receipt["seq"]])[receipt["seq"]]]
    assert any("test-compliance (compliance, key " in text for text in texts)


SHAPELESS: dict[str, Any] = {
    "no scope": {},
    "a scope unknown": {"scope": "some"},
    "a file without its name": {"scope": "file"},
    "nobody for a recipient": {"scope": "recipient"},
    "all and a file": {"scope": "all", "file": "f1"},
    "a recipient and a file": {"scope": "recipient", "recipient": "r1", "file": "f1"},
    "a reason in prose": {"scope": "all", "reason": "Sent to Bob by mistake"},
    "a reason too long": {"scope": "all", "reason": "x" * 65},
    "a recipient misspelt": {"scope": "recipient", "recipient": "bob"},
    "a member unknown": {"scope": "all", "until": "tomorrow"},
}


@pytest.fixture(scope="module")
def quiet(served: Served) -> str:
    """A message nothing happens to."""
    said: str = served.record()["message"]
    return said


@pytest.mark.parametrize("said", SHAPELESS.values(), ids=SHAPELESS)
def test_what_does_not_fit_is_refused(served: Served, quiet: str, said: Any) -> None:
    before = served.size
    assert "Bob" not in problem(block(served, quiet, **said), "invalid")["detail"]
    assert served.size == before


ABSENT: dict[str, tuple[str | None, Any]] = {
    "a message": (NOBODY, {"scope": "all"}),
    "a recipient": (None, {"scope": "recipient", "recipient": "r4"}),
    "an address": (None, {"scope": "recipient", "recipient": "who@one.example"}),
    "a file": (None, {"scope": "file", "file": "f3"}),
}


@pytest.mark.parametrize(("where", "said"), ABSENT.values(), ids=ABSENT)
def test_what_is_not_here_is_not_found(served: Served, quiet: str, where: str | None, said: Any) -> None:
    before = served.size
    problem(block(served, where or quiet, **said), "not-found")
    assert served.size == before


def test_a_message_without_files_has_nothing_to_block(served: Served) -> None:
    message = served.record(b"Subject: a\r\n\r\nonly text\r\n", hosted=[])["message"]
    before = served.size
    problem(block(served, message, scope="all"), "invalid")
    assert served.size == before
