"""What the ledger decides under the lock, act by act, on every database.

All tests write to one log, and each ends with a walk of everything that stands in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import act, closing, entry, event, schema
from ledger.act import Event
from ledger.errors import Blocked, InvalidRequest, LedgerError, UnknownReference
from ledger.log import Log, RecordedMessage
from tests.ledger.ledgers import beat, download, mail, open_log, outcome, outcomes, record, submit
from tests.ledger.walk import Walked, walk


class Stand:
    """A log, and its walk at the end."""

    def __init__(self, url: str, log: Log) -> None:
        self.url = url
        self.log = log
        self.salt = ""

    def walk(self) -> Walked:
        return walk(self.url, self.log.ring)

    def token(self, k: int) -> str:
        """A link token's hash; of this test alone."""
        return hashlib.sha256(f"token {self.salt} {k}".encode()).hexdigest()


@pytest.fixture(scope="module")
def shared(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with open_log(any_database, tmp_path_factory.mktemp("log")) as log:
        yield Stand(any_database, log)


@pytest.fixture
def stand(shared: Stand) -> Iterator[Stand]:
    shared.salt = shared.log.new_id()
    yield shared
    shared.walk()
    assert shared.log.sequencer.defect is None


def facts(recorded: Any) -> Any:
    return entry.from_bytes(recorded.data).facts


def refusal(stand: Stand, what: act.Act) -> LedgerError:
    """The error that refuses it; nothing is written."""
    before = stand.log.reader.head()
    (answer,) = submit(stand.log, what)
    assert isinstance(answer, LedgerError)
    assert stand.log.reader.head() == before
    return answer


def lift(log: Log, message: str, block: str) -> act.Lift:
    return act.Lift(message, block, log.new_id(), "api")


def block(log: Log, message: str, scope: str = "all", **more: Any) -> act.Block:
    return act.Block(message, log.new_id(), scope, log.new_id(), "api", **more)


# Recording


def test_a_message_and_its_recipients_are_one_act(stand: Stand) -> None:
    made = record(stand.log, recipients=3, files=2)
    written = [entry.from_bytes(r.data) for r in made.outcome.recorded]
    assert [e.kind for e in written] == ["message.recorded"] + ["recipient.added"] * 3
    assert len({e.act for e in written}) == 1
    assert [o.address for o in stand.log.recipients(made.message)] == [f"r{k}@example.com" for k in (1, 2, 3)]
    assert [e.chain for e in written] == [made.message] + [o.chain for o in made.recipients]
    said = stand.log.disclosed(made.message)
    assert said["f2"]["where"] == "hosted"
    assert {"mail_from", "from", "to", "subject", "raw", "leaves", "r1", "r2", "r3", "f1", "f2"} <= set(said)


def test_a_message_of_seven_hundred_recipients_goes_on_in_continued_entries(stand: Stand) -> None:
    made = record(stand.log, recipients=700, files=1, tokens={1: [stand.token(k) for k in range(600)]})
    kinds = [entry.from_bytes(r.data).kind for r in made.outcome.recorded]
    assert kinds[:5] == [
        "message.recorded",
        "message.recorded.continued",
        "message.recorded.continued",
        "recipient.added",
        "recipient.added.continued",
    ]
    assert kinds.count("recipient.added") == 700 and kinds.count("recipient.added.continued") == 2
    assert len(stand.log.recipients(made.message)) == 700
    # The last token opens the first recipient's chain, and no other.
    opened = stand.log.draft(made.message, "r1", "link.opened", source="portal", facts={"token": stand.token(599)})
    outcomes(submit(stand.log, opened))
    elsewhere = stand.log.draft(made.message, "r2", "link.opened", source="portal", facts={"token": stand.token(599)})
    assert isinstance(refusal(stand, elsewhere), UnknownReference)


def test_the_same_act_twice_is_refused_and_leaves_the_rest_alone(stand: Stand) -> None:
    made, _ = stand.log.prepare(*mail())
    first, again, other = submit(stand.log, made, made, beat(stand.log.instance))
    outcomes([first, other])
    assert isinstance(again, InvalidRequest)
    assert isinstance(refusal(stand, made), InvalidRequest)


def test_a_token_opens_one_chain(stand: Stand) -> None:
    for tokens in ({1: [stand.token(1), stand.token(1)]}, {1: [stand.token(1)], 2: [stand.token(1)]}):
        with pytest.raises(InvalidRequest):
            record(stand.log, tokens=tokens)
    record(stand.log, tokens={1: [stand.token(1)], 2: [stand.token(2)]})
    before = stand.log.reader.head()
    with pytest.raises(InvalidRequest):
        record(stand.log, tokens={2: [stand.token(1)]})
    assert stand.log.reader.head() == before


def test_a_token_is_a_hash(stand: Stand) -> None:
    for wrong in ("", "ab", "G" * 64, "A" * 64, "é" * 64):
        with pytest.raises(InvalidRequest):
            record(stand.log, tokens={1: [wrong]})


def test_two_messages_of_one_batch_may_not_share_a_token(stand: Stand) -> None:
    both = [stand.log.prepare(*mail(), tokens={1: [stand.token(1)]})[0] for _ in range(2)]
    first, second = submit(stand.log, *both)
    outcome(first)
    assert isinstance(second, InvalidRequest)


# References


def test_unknown_references_are_refused(stand: Stand) -> None:
    log = stand.log
    made, other = record(log, recipients=2, files=2), record(log, tokens={1: [stand.token(9)]})
    m, nobody = made.message, log.new_id()
    opened = outcome(submit(log, log.draft(m, "r1", "message.opened", source="portal"))[0]).recorded[0].seq
    raw = act.Own("webhook.received", event.WebhookReceived(attestation="B", provider="postmark"), "webhook")
    received = outcome(submit(log, raw)[0]).recorded[0].seq
    unknown: list[act.Act] = [
        log.draft(nobody, "r1", "message.opened"),
        log.draft(nobody, None, "message.opened"),
        log.draft(m, "r3", "message.opened"),
        log.draft(made.recipients[0].chain, None, "message.opened"),
        log.draft(log.id, None, "message.opened"),
        download(log, m, "r1", "f3"),
        log.draft(m, "r1", "message.opened", facts={"file": "f3"}),
        log.draft(m, "r1", "link.opened", facts={"token": stand.token(1)}),
        log.draft(m, "r1", "link.opened", facts={"token": stand.token(9)}),
        log.draft(m, None, "message.opened", facts={"attribution": "one_of", "candidates": ("r1", "r3")}),
        log.draft(m, "r1", "message.opened", facts={"input": opened}),
        log.draft(m, "r1", "message.opened", facts={"input": 2**53 - 1}),
        _reclassified(m, 1, made.outcome.recorded[1].seq),
        _reclassified(m, 1, 10_000),
        _reclassified(m, 2, opened),
        block(log, nobody),
        block(log, m, "file", file="f3"),
        block(log, m, "recipient", number=3),
        lift(log, m, nobody),
        lift(log, other.message, nobody),
        closing.Close(nobody, "evidence.exported", event.EvidenceExported, {"evidence": nobody}, nobody, "api"),
        closing.Close(m, "evidence.exported", event.EvidenceExported, {"evidence": nobody}, nobody, "api", number=3),
    ]
    for what in unknown:
        assert isinstance(refusal(stand, what), UnknownReference), what
    known: list[act.Act] = [
        log.draft(m, "r1", "message.opened", facts={"input": received, "item": 0}),
        log.draft(m, None, "message.opened", facts={"attribution": "one_of", "candidates": ("r1", "r2")}),
        log.draft(other.message, "r1", "link.opened", facts={"token": stand.token(9)}),
        _reclassified(m, 1, opened),
    ]
    outcomes(submit(log, *known))


def _reclassified(message: str, number: int, seq: int) -> Event:
    said = {"event": seq, "verdict": {"agent": "machine", "inputs": "A" * 43, "list": "own-1", "rule": "prefetch"}}
    return Event(message, number, "event.reclassified", schema.parse_facts("event.reclassified", said), "system")


def test_an_event_may_refer_to_what_its_own_batch_wrote(stand: Stand) -> None:
    log = stand.log
    made, _ = stand.log.prepare(*mail(), tokens={1: [stand.token(1)]})
    size = log.reader.head().size
    raw = act.Own("webhook.received", event.WebhookReceived(attestation="B", provider="postmark"), "webhook")
    outcomes(
        submit(
            log,
            raw,
            made,
            log.draft(made.id, "r1", "link.opened", source="webhook", facts={"token": stand.token(1), "input": size}),
            _reclassified(made.id, 1, size + 4),
        )
    )


def test_what_only_a_whole_act_may_write_is_no_single_event(stand: Stand) -> None:
    message = record(stand.log).message
    applied = {"block": stand.log.new_id(), "files": ("f1",), "scope": "all"}
    for kind, said in [
        ("block.applied", applied),
        ("block.lifted", {"block": stand.log.new_id()}),
        ("evidence.exported", {"evidence": stand.log.new_id()}),
        ("recipient.added", {"message": message, "recipient": "r1"}),
        ("message.transformed", {"by": "gateway"}),  # not on a recipient's chain
        ("ledger.heartbeat", {"instance": stand.log.new_id()}),
    ]:
        single = Event(message, 1, kind, schema.parse_facts(kind, said), "api")
        assert isinstance(refusal(stand, single), InvalidRequest), kind


def test_late_is_the_ledgers_to_say(stand: Stand) -> None:
    message = record(stand.log).message
    asked = stand.log.draft(message, "r1", "link.opened", source="webhook", facts={"file": "f1", "late": True})
    assert isinstance(refusal(stand, asked), InvalidRequest)


# Blocks


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_a_download_after_the_block_is_denied_one_before_it_is_not(stand: Stand, together: bool) -> None:
    log = stand.log
    message = record(log).message
    early, late = download(log, message, "r1"), download(log, message, "r1")
    blocking = block(log, message)
    batches = [[early, blocking, late]] if together else [[early], [blocking], [late]]
    first, second, third = [answer for batch in batches for answer in submit(log, *batch)]
    assert outcome(first).denied is None and outcome(third).denied == blocking.block
    said = facts(outcome(third).recorded[0])
    assert (said.asked, said.block, said.file) == ("download.started", blocking.block, "f1")
    assert said.transfer == late.facts.transfer  # type: ignore[attr-defined]
    assert [(n, f, in_time) for n, f, in_time in blocking.pairs] == [
        (1, "f1", "no"),
        (1, "f2", "yes"),
        (2, "f1", "yes"),
        (2, "f2", "yes"),
    ]
    assert len(outcome(second).recorded) == 3
    # What was denied has not started; what started before the block may end after it.
    assert isinstance(refusal(stand, _end(log, message, late)), UnknownReference)
    outcomes(submit(log, _end(log, message, early)))


def _end(log: Log, message: str, started: Event, recipient: str = "r1", file: str = "f1") -> Event:
    transfer = started.facts.transfer  # type: ignore[attr-defined]
    return download(log, message, recipient, file, "completed", transfer=transfer)


def test_through_the_log_a_denial_is_an_error_with_a_receipt(stand: Stand) -> None:
    log = stand.log
    message = record(log).message
    log.block(message, "all")
    with pytest.raises(Blocked) as caught:
        log.write(download(log, message, "r2"))
    receipt: Any = caught.value.receipt
    assert entry.from_bytes(receipt.entry).kind == "access.denied"


def test_blocks_overlap_and_each_is_lifted_on_its_own(stand: Stand) -> None:
    log = stand.log
    message = record(log, recipients=3, files=3).message

    def denied(recipient: str, file: str) -> bool:
        return outcome(submit(log, download(log, message, recipient, file))[0]).denied is not None

    one, _ = log.block(message, "file", file="f2")
    two, _ = log.block(message, "recipient", recipient="r2")
    pair, _ = log.block(message, "file", file="f3", recipient="r3")
    pairs = [(r, f) for r in ("r1", "r2", "r3") for f in ("f1", "f2", "f3")]
    covered = {(r, "f2") for r in ("r1", "r2", "r3")} | {("r2", f) for f in ("f1", "f2", "f3")} | {("r3", "f3")}
    assert {p for p in pairs if denied(*p)} == covered
    log.lift(message, one.block)
    assert {p for p in pairs if denied(*p)} == covered - {("r1", "f2"), ("r3", "f2")}
    log.lift(message, two.block)
    assert {p for p in pairs if denied(*p)} == {("r3", "f3")}
    with pytest.raises(UnknownReference):
        log.lift(message, two.block)
    log.lift(message, pair.block)
    assert not any(denied(*p) for p in pairs)


def test_block_lift_and_download_in_one_batch(stand: Stand) -> None:
    log = stand.log
    message = record(log).message
    blocking = block(log, message)
    downloads = [download(log, message, "r1") for _ in range(3)]
    answers = outcomes(
        submit(log, downloads[0], blocking, downloads[1], lift(log, message, blocking.block), downloads[2])
    )
    assert [a.denied for a in answers] == [None, None, blocking.block, None, None]
    assert isinstance(refusal(stand, lift(log, message, blocking.block)), UnknownReference)


def test_what_happened_elsewhere_is_recorded_and_flagged(stand: Stand) -> None:
    log = stand.log
    message = record(log).message
    log.block(message, "file", file="f1", recipient="r1")
    cases = [("webhook", "r1", "f1"), ("report", "r1", "f1"), ("import", None, "f1")]
    for source, recipient, file in cases:
        said = log.event(message, recipient, "link.opened", source=source, facts={"file": file})
        assert facts(said.recorded[0]).late is True, source
    for source, recipient, file in [("webhook", "r2", "f1"), ("webhook", "r1", "f2"), ("portal", "r1", "f1")]:
        said = log.event(message, recipient, "link.opened", source=source, facts={"file": file})
        assert not facts(said.recorded[0]).late, source
    said = log.event(message, "r1", "delivery.bounced", source="webhook")
    assert not facts(said.recorded[0]).late
    (imported,) = submit(log, download(log, message, "r1", source="import"))
    assert outcome(imported).denied is None and facts(outcome(imported).recorded[0]).late is True
    (confirmed,) = submit(log, log.draft(message, "r1", "link.confirmed", source="portal", facts={"file": "f1"}))
    assert outcome(confirmed).denied is not None


def test_a_block_of_three_hundred_files_goes_on_in_continued_entries(stand: Stand) -> None:
    log = stand.log
    message = record(log, recipients=2, files=300).message
    blocking, done = log.block(message, "all", reason="wrong-recipient", sealed=[("actor", "Jo"), ("reason_text", "!")])
    assert [entry.from_bytes(r.data).kind for r in done.recorded] == ["block.applied", "block.applied.continued"] * 3
    assert len(blocking.pairs) == 600
    assert outcome(submit(log, download(log, message, "r2", "f300"))[0]).denied == blocking.block
    log.lift(message, blocking.block)
    assert outcome(submit(log, download(log, message, "r2", "f300"))[0]).denied is None


def test_a_block_says_what_it_covers_in_the_words_of_the_format(stand: Stand) -> None:
    message = record(stand.log).message
    before = stand.log.reader.head()
    wrong: list[dict[str, Any]] = [
        {"scope": "everything"},
        {"scope": ""},
        {"scope": "all", "reason": "He sent it to the wrong person!"},
        {"scope": "file"},
        {"scope": "recipient"},
        {"scope": "all", "file": "f1"},
        {"scope": "all", "recipient": "r1"},
        {"scope": "recipient", "recipient": "r1", "file": "f1"},
        {"scope": "file", "file": "F1"},
        {"scope": "file", "file": "f01"},
        {"scope": "file", "file": "f0"},
        {"scope": "recipient", "recipient": "r0"},
        {"scope": "recipient", "recipient": "r²"},
    ]
    for words in wrong:
        with pytest.raises(InvalidRequest):
            stand.log.block(message, **words)
    assert stand.log.reader.head() == before


def test_a_lift_gives_its_reason_as_a_code(stand: Stand) -> None:
    message = record(stand.log).message
    blocking, _ = stand.log.block(message, "all")
    with pytest.raises(InvalidRequest):
        stand.log.lift(message, blocking.block, reason="He asked for it!")


def test_a_message_without_files_cannot_be_blocked(stand: Stand) -> None:
    message = record(stand.log, files=0).message
    assert isinstance(refusal(stand, block(stand.log, message)), InvalidRequest)


def test_in_time_is_unknown_after_an_access_nobody_can_place(stand: Stand) -> None:
    log = stand.log
    message = record(log).message
    log.event(message, None, "message.opened", source="webhook")
    blocking, _ = log.block(message, "all")
    assert {in_time for _, _, in_time in blocking.pairs} == {"unknown"}


# Transfers


def test_a_transfer_starts_once_ends_once_and_keeps_to_its_file(stand: Stand) -> None:
    log = stand.log
    message = record(log).message
    started = download(log, message, "r1")
    assert isinstance(refusal(stand, _end(log, message, started)), UnknownReference)
    outcomes(submit(log, started))
    assert isinstance(refusal(stand, started), InvalidRequest)
    assert isinstance(refusal(stand, _end(log, message, started, recipient="r2")), UnknownReference)
    assert isinstance(refusal(stand, _end(log, message, started, file="f2")), UnknownReference)
    aborted = download(log, message, "r1", kind="aborted", transfer=started.facts.transfer)  # type: ignore[attr-defined]
    answers = submit(log, aborted, _end(log, message, started), aborted, started)
    outcome(answers[0])
    assert [type(a) for a in answers[1:]] == [InvalidRequest] * 3
    together = download(log, message, "r2", "f2")
    outcomes(submit(log, together, _end(log, message, together, "r2", "f2")))


# Closing acts


def test_closing_writes_on_every_covered_chain_and_names_the_keys(stand: Stand) -> None:
    log = stand.log
    message = record(log, recipients=3).message
    log.export(message, recipient="r2")
    log.export(message)
    closings: list[Any] = [e.facts for e in stand.walk().entries if e.kind == "evidence.exported"][-3 - 5 :]
    on_log = closings[-1]
    assert (on_log.keys, on_log.message, on_log.pending) == ((1,), message, 0)
    one = closings[1]
    assert (one.recipients, one.recipient) == (1, "r2")


# Event keys


def test_an_event_that_comes_forty_six_times_is_recorded_once(stand: Stand) -> None:
    log = stand.log
    made = record(log)

    def hook(k: int, message: str = made.message, recipient: str = "r1") -> Event:
        key = stand.log.event_key("postmark", "bounce-1")
        return log.draft(message, recipient, "delivery.bounced", source="webhook", key=key, sealed=[("reply", str(k))])

    before = stand.walk().kinds().count("delivery.bounced")
    answers = outcomes(submit(log, *[hook(k) for k in range(23)]))
    answers += [outcome(submit(log, hook(k))[0]) for k in range(23)]
    assert len({a.recorded[0] for a in answers}) == 1
    assert [a.repeated for a in answers] == [False] + [True] * 45
    # The same key on another chain is another event: two recipients bounce on their own.
    outcomes(submit(log, hook(1, recipient="r2"), hook(1, message=record(log).message)))
    assert stand.walk().kinds().count("delivery.bounced") == before + 3
    assert log.disclosures([answers[0].recorded[0].seq]) != {}


def test_an_event_key_may_come_with_the_message_it_belongs_to(stand: Stand) -> None:
    made, _ = stand.log.prepare(*mail())
    hook = stand.log.draft(made.id, "r1", "message.opened", source="webhook", key=stand.log.event_key("a", "b"))
    first, second, third = outcomes(submit(stand.log, made, hook, hook))
    assert (first.repeated, second.repeated, third.repeated) == (False, False, True)
    assert isinstance(first, type(third)) and second.recorded == third.recorded


def test_recorded_message_is_what_log_says(stand: Stand) -> None:
    made = record(stand.log)
    assert isinstance(made, RecordedMessage) and not made.repeated
    assert stand.log.message(made.message).recipients == 2
    with pytest.raises(UnknownReference):
        stand.log.message(made.recipients[0].chain)
