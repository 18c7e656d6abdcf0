"""Blocks and lifts: what they cover, whether they came in time, and a request that is sent again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ledger import entry
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
    # Who finds out so who is a recipient has looked.
    made = [entry.decode(data) for data in served.log.reader.entries(before, served.size)]
    assert [(one.kind, one.chain) for one in made] == ([] if where else [("content.viewed", quiet)])


def test_a_message_without_files_has_nothing_to_block(served: Served) -> None:
    message = served.record(b"Subject: a\r\n\r\nonly text\r\n", hosted=[])["message"]
    before = served.size
    problem(block(served, message, scope="all"), "invalid")
    assert served.size == before


# What is blocked, told later


def listed(served: Served, message: str) -> list[Any]:
    got = served.as_("sender").get(f"/v1/messages/{message}/blocks")
    assert got.status_code == 200, got.text
    assert got.headers["cache-control"] == "no-store"
    told: list[Any] = got.json()["blocks"]
    return told


def lift(served: Served, message: str, made: str, **said: Any) -> httpx.Response:
    got = served.as_("sender").post(f"/v1/messages/{message}/blocks/{made}/lift", json=said)
    assert got.status_code == 201, got.text
    return got


def late(served: Served, message: str, recipient: str | None, file: str) -> None:
    """A download that happened elsewhere: no block keeps it out."""
    said = {"kind": "download.started", "file": file, "source": "webhook"}
    said |= {} if recipient is None else {"recipient": recipient}
    assert served.as_("sender").post(f"/v1/messages/{message}/events", json=said).status_code == 201


def test_a_message_without_blocks_lists_none(served: Served) -> None:
    assert listed(served, served.record()["message"]) == []


def test_blocks_are_listed_as_they_were_answered(served: Served) -> None:
    message = served.record()["message"]
    answered = []

    def blocked(**said: Any) -> httpx.Response:
        got = block(served, message, **said)
        answered.append(got)
        assert [one["pairs"] for one in listed(served, message)] == [one.json()["pairs"] for one in answered]
        return got

    fetch(served, message, "r2", "f1")
    one = blocked(scope="all", reason="wrong-recipient")
    lifted = lift(served, message, one.json()["block"], reason="mistake")
    fetch(served, message, "r1", "f2")
    two = blocked(scope="file", file="f2")
    late(served, message, "r3", "f2")
    three = blocked(scope="recipient", recipient=RECIPIENTS[2])
    four = blocked(scope="file", file="f1", recipient="r1", reason="again")
    late(served, message, None, "f1")
    five = blocked(scope="all")
    late(served, message, "r1", "f1")
    lift(served, message, three.json()["block"])
    told = listed(served, message)
    assert [one["pairs"] for one in told] == [one.json()["pairs"] for one in answered]
    assert pairs(one)["r2", "f1"] == "no" and pairs(two)["r1", "f2"] == "no" and pairs(two)["r3", "f2"] == "yes"
    assert pairs(three) == {("r3", "f1"): "yes", ("r3", "f2"): "no"} and pairs(four) == {("r1", "f1"): "yes"}
    assert pairs(five)["r1", "f1"] == pairs(five)["r3", "f1"] == "unknown" and pairs(five)["r2", "f1"] == "no"
    for said, got in zip(told, answered, strict=True):
        made = served.check(got.json()["receipt"])
        assert (said["block"], said["seq"], said["at"]) == (got.json()["block"], made.seq, made.at)
    assert [one["in_force"] for one in told] == [False, True, False, True, True]
    assert [one["scope"] for one in told] == ["all", "file", "recipient", "file", "all"]
    assert [one.get("recipient") for one in told] == [None, None, "r3", "r1", None]
    assert [one.get("reason") for one in told] == ["wrong-recipient", None, None, "again", None]
    entry = served.check(lifted.json()["receipt"])
    assert told[0]["lifted"] == {"seq": entry.seq, "at": entry.at, "reason": "mistake"}
    assert set(told[2]["lifted"]) == {"seq", "at"} and "lifted" not in told[1]


def test_sent_again_after_all_that_happened_since_it_says_the_same(served: Served) -> None:
    message = served.record()["message"]
    fetch(served, message, "r1", "f2")
    first = block(served, message, f"first-{message}", scope="all")
    lift(served, message, first.json()["block"])
    fetch(served, message, "r1", "f1")
    fetch(served, message, None, "f2")
    late(served, message, "r3", "f1")
    block(served, message, scope="file", file="f1")
    size = served.size
    again = block(served, message, f"first-{message}", scope="all")
    assert again.status_code == 201 and served.size == size
    assert again.json()["pairs"] == first.json()["pairs"] and again.json()["block"] == first.json()["block"]
    assert list(pairs(first).values()).count("no") == 1


def test_more_files_than_one_entry_names(served: Served) -> None:
    octets = b"Subject: many\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    for k in range(300):
        octets += b"--x\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=%d.pdf\r\n" % k
        octets += b"\r\n%d\r\n" % k
    message = served.record(octets + b"--x--\r\n", hosted=[f"f{k}" for k in range(1, 301)])["message"]
    fetch(served, message, "r2", "f300")
    got = block(served, message, scope="all")
    assert len(pairs(got)) == 900 and pairs(got)["r2", "f300"] == "no"
    (told,) = listed(served, message)
    assert told["pairs"] == got.json()["pairs"]


def test_a_block_made_while_they_are_read_is_listed_whole_or_not_at_all(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = served.record()["message"]
    block(served, message, scope="file", file="f1")
    read = type(served.log.reader).chain_entries
    waiting = [1]

    def slowly(*arguments: Any) -> Any:
        found = read(*arguments)
        # After the message's own chain, before those of its recipients.
        if waiting:
            waiting.clear()
            served.log.block(message, "all")
        return found

    monkeypatch.setattr(type(served.log.reader), "chain_entries", slowly)
    assert [len(one["pairs"]) for one in listed(served, message)] == [3]
    assert [len(one["pairs"]) for one in listed(served, message)] == [3, 6]


def test_no_block_reaches_what_travelled_inside_the_mail(served: Served) -> None:
    message = served.record(hosted=["f2"])["message"]
    want = {(f"r{r}", f): "out_of_reach" if f == "f1" else "yes" for r in (1, 2, 3) for f in ("f1", "f2")}
    assert pairs(block(served, message, scope="all")) == want
    (listed,) = served.as_("sender").get(f"/v1/messages/{message}/blocks").json()["blocks"]
    assert {(pair["recipient"], pair["file"]): pair["in_time"] for pair in listed["pairs"]} == want
