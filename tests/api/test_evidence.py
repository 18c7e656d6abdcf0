"""Evidence over HTTP: that it proves what it says, shows nobody else, and is refused where it would not be true."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx
import pytest

from ledger import act, closing, disclosure, drafts, entry, evidence
from ledger.act import Heartbeat, Own
from ledger.entry import Entry
from ledger.event import Instance
from ledger.ids import uuid7
from ledger.sequencer import Submission
from ledger.trust import Trust
from tests.api.serving import MAIL, RECIPIENTS, Served, problem, serving
from tests.ledger.ledgers import MINUTE, Time, download, open_log, outcomes, submit

NOBODY = uuid7(1_780_000_000_000_000, bytes(10))
NON_ACCESS = {"kind": "non_access"}


@pytest.fixture(autouse=True)
def _alive(served: Served) -> None:
    """The recorder beats, however long the tests before this one took."""
    outcomes(submit(served.log, Heartbeat(Instance(instance=served.log.instance))))


def export(served: Served, message: str, key: str | None = None, role: str = "legal", **said: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return served.as_(role).post(f"/v1/messages/{message}/evidence", json=said, headers=headers)


def block(served: Served, message: str, **said: Any) -> str:
    got = served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "all"} | said)
    assert got.status_code == 201, got.text
    made: str = got.json()["block"]
    return made


def tell(served: Served, message: str, kind: str, **said: Any) -> httpx.Response:
    return served.as_("sender").post(f"/v1/messages/{message}/events", json={"kind": kind} | said)


def late(served: Served, message: str, recipient: str | None = "r1", file: str = "f1") -> None:
    """A download that happened elsewhere: no block keeps it out."""
    more = {} if recipient is None else {"recipient": recipient}
    assert tell(served, message, "download.started", file=file, source="webhook", **more).status_code == 201


def judged(served: Served, got: httpx.Response) -> dict[str, str]:
    """The checks of the evidence that was answered, made here."""
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "application/json" and got.headers["cache-control"] == "no-store"
    verdict = evidence.check(got.content, Trust.of(*(key.vkey for key in served.log.ring.keys)))
    said = {one.name: one.status for one in verdict.checks}
    for name in ("intact", "included", "chained", "complete", "signed", "trusted"):
        assert said[name] == "passed", verdict
    assert "failed" not in said.values()
    # That nothing is filed elsewhere only an auditor can say, and non-access is not complete without it.
    assert verdict.verdict == ("valid" if got.json()["claim"]["kind"] == "history" else "unknown"), verdict
    return said


def seqs(got: httpx.Response) -> list[int]:
    return [held["seq"] for held in got.json()["entries"]]


def shown(got: httpx.Response) -> str:
    """Everything there is to read in evidence: the document, its entries, and every fact it discloses."""
    held = evidence.parse(got.content).entries
    texts = [str(disclosure.parse(text)) for one in held for text in one.disclosures]
    return "\n".join([got.text, *texts, *(one.entry.decode() for one in held)])


def since(served: Served, size: int) -> list[Entry]:
    return [entry.decode(data) for data in served.log.reader.entries(size, served.size)]


def looks(served: Served, size: int) -> list[str]:
    """The messages that were looked at since, for evidence, and nothing else was recorded."""
    made = since(served, size)
    assert all(one.kind == "content.viewed" and one.facts.what == "evidence" for one in made)  # type: ignore[attr-defined]
    return [one.chain for one in made]


# What is exported


def test_the_history_of_a_message(served: Served) -> None:
    message = served.record()["message"]
    tell(served, message, "message.opened", recipient="r2")
    before = served.size
    got = export(served, message)
    assert judged(served, got)["no_access_recorded"] == "not_checked"
    assert got.headers["content-disposition"] == f'attachment; filename="evidence-{message}.json"'
    assert got.json()["claim"] == {"kind": "history", "message": message}
    made = since(served, before)
    assert [one.kind for one in made] == ["evidence.exported"] * 5
    assert {one.chain for one in made} == {message, served.log.id, *(o.chain for o in served.log.recipients(message))}
    assert len({one.act for one in made}) == 1 and {one.seq for one in made} <= set(seqs(got))
    assert all(address in shown(got) for address in RECIPIENTS)
    assert served.as_("nobody").post("/v1/verify", content=got.content).json()["verdict"] == "valid"


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("by", ["number", "address"])
@pytest.mark.parametrize("kind", ["history", "non_access"])
def test_evidence_about_one_recipient_shows_no_other(served: Served, kind: str, by: str, number: int) -> None:
    message = served.record()["message"]
    for other in (1, 2, 3):
        details = {"user_agent": f"agent of {RECIPIENTS[other - 1]}"}
        assert tell(served, message, "relay.accepted", recipient=f"r{other}", details=details).status_code == 201
    assert tell(served, message, "relay.accepted", details={"text": " ".join(RECIPIENTS)}).status_code == 201
    block(served, message)
    address = RECIPIENTS[number - 1]
    before = served.size
    named = f"r{number}" if by == "number" else address.replace(".example", ".EXAMPLE")
    got = export(served, message, kind=kind, recipient=named)
    assert judged(served, got)["no_access_recorded"] == ("passed" if kind == "non_access" else "not_checked")
    assert len(since(served, before)) == 3
    said = shown(got)
    chains = [one.chain for one in served.log.recipients(message)]
    assert address in said and chains[number - 1] in said
    for other in {1, 2, 3} - {number}:
        assert RECIPIENTS[other - 1] not in said and RECIPIENTS[other - 1].split("@")[0] + "@" not in said
        assert chains[other - 1] not in said
    assert "test-legal" not in said and "test-sender" not in said


def test_who_exports_is_sealed_in_the_log_and_not_in_the_evidence(served: Served) -> None:
    message = served.record()["message"]
    for role in ("admin", "compliance", "legal", "sender"):
        before = served.size
        got = export(served, message, role=role, recipient="r1")
        (last,) = [one for one in since(served, before) if one.chain == served.log.id]
        (said,) = map(disclosure.parse, served.log.disclosures([last.seq])[last.seq])
        id = served.keys[role].split("_")[1]
        assert (said.name, said.value) == ("actor", f"test-{role} ({role}, key {id})")
        assert id not in shown(got) and "test-" not in shown(got)


def test_that_nobody_had_access(served: Served) -> None:
    message = served.record()["message"]
    block(served, message)
    assert tell(served, message, "download.started", recipient="r1", file="f1").status_code == 409
    got = export(served, message, **NON_ACCESS)
    assert judged(served, got)["no_access_recorded"] == "passed"
    checks = evidence.check(got.content, Trust.of(*(key.vkey for key in served.log.ring.keys)))
    assert "1 attempt denied" in checks.check("no_access_recorded").detail
    one = export(served, message, recipient="r2", file="f2", **NON_ACCESS)
    assert one.json()["claim"] == {"file": "f2", "kind": "non_access", "message": message, "recipient": "r2"}
    assert judged(served, one)["no_access_recorded"] == "passed"


def test_a_claim_reaches_no_further_than_what_it_names(served: Served) -> None:
    message = served.record()["message"]
    late(served, message, "r1", "f1")
    block(served, message)
    problem(export(served, message, **NON_ACCESS), "adverse")
    problem(export(served, message, recipient="r1", **NON_ACCESS), "adverse")
    problem(export(served, message, file="f1", **NON_ACCESS), "adverse")
    for more in ({"recipient": "r2"}, {"recipient": "r1", "file": "f2"}, {"file": "f2"}):
        assert judged(served, export(served, message, **NON_ACCESS, **more))["no_access_recorded"] == "passed"


# What is refused


def no_block(served: Served, message: str) -> str:
    return "no block of f1 is in force for r1"


def lifted(served: Served, message: str) -> str:
    made = block(served, message)
    assert served.as_("sender").post(f"/v1/messages/{message}/blocks/{made}/lift", json={}).status_code == 201
    return "no block of f1 is in force for r1"


def one_file_blocked(served: Served, message: str) -> str:
    block(served, message, scope="file", file="f1")
    return "no block of f2 is in force for r1"


def one_recipient_blocked(served: Served, message: str) -> str:
    block(served, message, scope="recipient", recipient="r1")
    return "no block of f1 is in force for r2"


def access_before(served: Served, message: str) -> str:
    assert tell(served, message, "download.started", recipient="r2", file="f1").status_code == 201
    block(served, message)
    return "download.started of f1 on the chain of r2"


def access_told_later(served: Served, message: str) -> str:
    block(served, message)
    late(served, message, "r3", "f2")
    return "download.started of f2 on the chain of r3"


def access_of_nobody(served: Served, message: str) -> str:
    block(served, message)
    late(served, message, None, "f1")
    return "download.started of f1 unattributed"


def link_opened(served: Served, message: str) -> str:
    assert tell(served, message, "link.opened", recipient="r1").status_code == 201
    block(served, message)
    return "link.opened on the chain of r1"


def link_opened_by_a_machine(served: Served, message: str) -> str:
    machine = {"agent": "machine", "rule": "prefetch", "list": "v1", "inputs": "A" * 43}
    assert tell(served, message, "link.opened", recipient="r1", facts={"verdict": machine}).status_code == 201
    block(served, message)
    return "link.opened on the chain of r1"


def unattributed_input(served: Served, message: str) -> str:
    block(served, message)
    facts = drafts.facts_of("input.unattributed", {"channel": "smtp", "reason": "no-such-token", "attestation": "D"})
    outcomes(submit(served.log, act.Event(message, 0, "input.unattributed", facts, "report")))
    return "an input.unattributed was received by smtp meanwhile"


ADVERSE = [
    no_block,
    lifted,
    one_file_blocked,
    one_recipient_blocked,
    access_before,
    access_told_later,
    access_of_nobody,
    link_opened,
    link_opened_by_a_machine,
    unattributed_input,
]


@pytest.mark.parametrize("fact", ADVERSE)
def test_what_would_not_be_true_is_refused_with_the_fact(served: Served, fact: Any) -> None:
    message = served.record()["message"]
    want = fact(served, message)
    before = served.size
    said = problem(export(served, message, "key-of-" + fact.__name__, **NON_ACCESS), "adverse")
    assert want in said["detail"]
    assert set(said) == {"type", "title", "status", "detail"}
    assert not any(address in str(said) for address in RECIPIENTS)
    # The fact was told, so he has looked.
    assert looks(served, before) == [message]
    # What happened can be had all the same, and the key of a request that was refused is still free.
    assert judged(served, export(served, message, "key-of-" + fact.__name__))


def test_what_travels_inside_the_mail_is_beyond_any_block(served: Served) -> None:
    inside = served.record(hosted=[])["message"]
    half = served.record(hosted=["f1"])["message"]
    for message in (inside, half):
        block(served, message)
    before = served.size
    assert "inside" in problem(export(served, inside, **NON_ACCESS), "adverse")["detail"]
    assert "inside" in problem(export(served, half, file="f2", **NON_ACCESS), "adverse")["detail"]
    assert looks(served, before) == [inside, half]
    got = export(served, half, **NON_ACCESS)
    assert judged(served, got)["no_access_recorded"] == "passed"


def test_what_was_erased_cannot_be_shown(served: Served) -> None:
    message = served.record()["message"]
    block(served, message)
    with served.log.store.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM data_keys WHERE subject = '{message}'")
    before = served.size
    assert "not disclosed" in problem(export(served, message, **NON_ACCESS), "adverse")["detail"]
    assert looks(served, before) == [message]
    assert judged(served, export(served, message, recipient="r2"))


def test_an_outage_of_the_recorder_is_in_the_way(tmp_path: Path) -> None:
    clock = Time()
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_log(url, tmp_path, clock=lambda: clock.wall) as log, serving(url, tmp_path, log=log) as served:
        before_it = served.record()["message"]
        block(served, before_it)
        clock.pass_(2 * MINUTE)
        assert judged(served, export(served, before_it, **NON_ACCESS))["no_access_recorded"] == "passed"
        clock.pass_(MINUTE)
        size = served.size
        # No beat since: nobody knows whether the recorder could have seen an access.
        assert "outage" in problem(export(served, before_it, **NON_ACCESS), "adverse")["detail"]
        # The clock of this test jumps, which is recorded too.
        assert [one.kind for one in since(served, size)] == ["clock.stepped", "content.viewed"]
        outcomes(submit(log, Heartbeat(Instance(instance=log.instance))))
        assert "outage" in problem(export(served, before_it, **NON_ACCESS), "adverse")["detail"]
        after_it = served.record()["message"]
        block(served, after_it)
        assert judged(served, export(served, after_it, **NON_ACCESS))["no_access_recorded"] == "passed"
        gap = {"since": log_time(log, before_it), "until": log_time(log, after_it), "channel": "smtp"}
        outcomes(submit(log, Own("listener.gap", drafts.facts_of("listener.gap", gap))))
        size = served.size
        assert "smtp" in problem(export(served, after_it, **NON_ACCESS), "adverse")["detail"]
        assert looks(served, size) == [after_it]


def log_time(log: Any, message: str) -> str:
    ((_, data),) = log.reader.chain_entries(log.message(message), 0, 1)
    return entry.decode(data).at


ABSENT: dict[str, tuple[str | None, dict[str, Any]]] = {
    "a message": (NOBODY, {}),
    "a message for non-access": (NOBODY, NON_ACCESS),
    "a recipient": (None, {"recipient": "r4"}),
    "a recipient for non-access": (None, {"recipient": "r4", **NON_ACCESS}),
    "an address": (None, {"recipient": "who@one.example"}),
    "a file": (None, {"file": "f3", **NON_ACCESS}),
}
SHAPELESS: dict[str, dict[str, Any]] = {
    "a kind unknown": {"kind": "delivery"},
    "a file of a history": {"file": "f1"},
    "a file misspelt": {"file": "f0", **NON_ACCESS},
    "a recipient misspelt": {"recipient": "who"},
    "a recipient called none": {"recipient": "r0"},
    "a member unknown": {"language": "de"},
    "a null": {"kind": None},
}


@pytest.mark.parametrize(("where", "said"), ABSENT.values(), ids=ABSENT)
def test_what_is_not_here_is_not_found(served: Served, where: str | None, said: Any) -> None:
    message = where or served.record()["message"]
    before = served.size
    assert "who" not in problem(export(served, message, **said), "not-found")["detail"].split()
    assert looks(served, before) == ([] if where else [message])


def test_a_recipients_chain_is_no_message(served: Served) -> None:
    chain = served.log.recipients(served.record()["message"])[0].chain
    before = served.size
    for where in (chain, served.log.id):
        problem(export(served, where), "not-found")
        problem(export(served, where, **NON_ACCESS), "not-found")
    assert served.size == before


@pytest.mark.parametrize("said", SHAPELESS.values(), ids=SHAPELESS)
def test_what_does_not_fit_is_refused(served: Served, said: Any) -> None:
    message = served.record()["message"]
    block(served, message)
    before = served.size
    assert "who" not in problem(export(served, message, **said), "invalid")["detail"]
    assert served.size == before


# What comes in between


@pytest.fixture
def in_between(served: Served, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages of which a download becomes known after the claim was found true, before its chains are closed."""
    messages: list[str] = []
    gathering = served.service.gathering
    write = gathering.write

    async def slow(submission: Submission) -> Any:
        if isinstance(submission.act, closing.Close) and submission.act.message in messages:
            told = download(served.log, submission.act.message, "r1", source="webhook")
            await anyio.to_thread.run_sync(served.log.write, told)
        return await write(submission)

    monkeypatch.setattr(gathering, "write", slow)
    return messages


def test_an_access_that_comes_in_between_is_in_the_way(served: Served, in_between: list[str]) -> None:
    message = served.record()["message"]
    block(served, message)
    in_between.append(message)
    before = served.size
    said = problem(export(served, message, "race-1", **NON_ACCESS), "adverse")
    assert "download.started of f1 on the chain of r1" in said["detail"]
    made = since(served, before)
    assert [one.kind for one in made] == ["download.started", *["evidence.exported"] * 5, "content.viewed"]
    in_between.clear()
    # Sent again it is the same request, and no truer.
    assert problem(export(served, message, "race-1", **NON_ACCESS), "adverse")["detail"] == said["detail"]
    assert looks(served, before + len(made)) == [message]
    in_between.append(message)
    assert judged(served, export(served, message, recipient="r2", **NON_ACCESS))["no_access_recorded"] == "passed"


# Sent again


@pytest.mark.parametrize("kind", ["history", "non_access"])
def test_a_request_sent_again_closes_nothing_again(served: Served, kind: str) -> None:
    message = served.record()["message"]
    block(served, message)
    key = f"again-{kind}"
    first = export(served, message, key, kind=kind)
    # What became known since is no part of what was exported then.
    late(served, message)
    size = served.size
    again = export(served, message, key, kind=kind)
    assert judged(served, again)["no_access_recorded"] == judged(served, first)["no_access_recorded"]
    assert again.json()["entries"] == first.json()["entries"] and again.json()["claim"] == first.json()["claim"]
    # He has it once more, which is recorded, and nothing is closed.
    assert looks(served, size) == [message]
    if kind == "non_access":
        problem(export(served, message, kind=kind), "adverse")
        problem(export(served, message, "another", kind=kind), "adverse")


def test_a_key_is_for_one_request(served: Served) -> None:
    message, other = served.record()["message"], served.record()["message"]
    block(served, message)
    export(served, message, "once", **NON_ACCESS)
    late(served, message)
    before = served.size
    for said in ({}, {"recipient": "r1"}, {"recipient": "r1", **NON_ACCESS}, {"file": "f1", **NON_ACCESS}):
        problem(export(served, message, "once", **said), "key-reused")
    problem(export(served, other, "once"), "key-reused")
    problem(export(served, other, "once", **NON_ACCESS), "key-reused")
    problem(export(served, message, "no key\x7f"), "bad-request")
    assert served.size == before
    # Another's keys are his own.
    assert export(served, message, "once", role="sender").status_code == 200


@pytest.mark.parametrize("kind", ["history", "non_access"])
def test_the_same_request_at_the_same_time_is_recorded_once(served: Served, kind: str) -> None:
    message = served.record()["message"]
    block(served, message)
    before = served.size
    served.as_("legal")
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: export(served, message, f"crowd-{kind}", kind=kind), range(24)))
    fine = [one for one in got if one.status_code == 200]
    for one in got:
        if one.status_code != 200:
            problem(one, "in-flight")
    assert fine and all(seqs(one) == seqs(fine[0]) for one in fine)
    kinds = [one.kind for one in since(served, before)]
    assert kinds.count("evidence.exported") == 5 and kinds.count("content.viewed") == len(fine) - 1 == len(kinds) - 5
    assert judged(served, fine[-1])


def test_nothing_is_exported_that_cannot_be_recorded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    message = served.record()["message"]
    block(served, message)
    before = served.size
    monkeypatch.setattr(served.service.gathering, "_room", 0)
    for role in ("legal", "sender"):
        said = problem(export(served, message, role=role, **NON_ACCESS), "unavailable")
        assert message not in json.dumps(said)
    assert served.size == before


def test_evidence_of_a_declared_message(served: Served) -> None:
    octets = MAIL.replace(b"plan", b"declared")
    got = served.as_("sender").post("/v1/messages", content=octets, headers={"content-type": "message/rfc822"})
    message = got.json()["message"]
    assert judged(served, export(served, message))
    problem(export(served, message, **NON_ACCESS), "adverse")
