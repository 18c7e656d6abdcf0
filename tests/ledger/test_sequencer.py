"""The only writer, when the database does what it should: order, batches, keys, threads. On every database.

`test_sequencer_failures` is about the database failing, `test_processes` about several processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from ledger import checkpoint, entry, merkle, note
from ledger.act import Event
from ledger.checkpoint import Checkpoint
from ledger.errors import InFlight, InvalidRequest, KeyReused, StoreUnavailable, Unavailable, UnknownReference
from ledger.log import Log
from ledger.note import Signer, Verifier
from ledger.plan import Plan
from ledger.sequencer import Answer, Outcome, Submission
from ledger.store import tables as t
from ledger.store.inspect import inspect
from tests.ledger.ledgers import bare, beat, download, mail, open_log, outcome, outcomes, record, submit
from tests.ledger.walk import walk


class Place:
    """A database with a log in it, and where its secrets are."""

    def __init__(self, url: str, directory: Path, log: Log) -> None:
        self.url = url
        self.directory = directory
        self.log = log


@pytest.fixture(scope="module")
def shared(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("log")
    with open_log(any_database, directory) as log:
        yield Place(any_database, directory, log)


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    yield shared
    walk(shared.url, shared.log.ring)
    assert shared.log.sequencer.defect is None


class Watched:
    """An appender that tells what is asked of it, before and after."""

    def __init__(self, appender: Any, told: Any) -> None:
        self._appender = appender
        self._told = told

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._appender, name)
        if not callable(found):
            return found

        def call(*args: Any, **more: Any) -> Any:
            self._told(name, "before")
            answer = found(*args, **more)
            self._told(name, "after")
            return answer

        return call


class Gate:
    """Holds the writer's next batches until it is opened: before it writes them, or before it begins."""

    def __init__(self, place: str = "write") -> None:
        self._place = place
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def __call__(self, name: str, when: str) -> None:
        if (name, when) == (self._place, "before"):
            self.arrived.set()
            assert self.opened.wait(30)


class Broken:
    """An act that no test of ours foresaw."""

    refs: tuple[()] = ()

    def plan(self, view: Any) -> Plan:
        raise RuntimeError("a defect")


def digest(k: int) -> bytes:
    return k.to_bytes(32, "big")


# Order


class Telling:
    """A key that tells of each signature before it makes it."""

    def __init__(self, signer: Signer, tell: Callable[[], None]) -> None:
        self.name, self.key_id = signer.name, signer.key_id
        self._signer, self._tell = signer, tell

    def sign(self, text: bytes) -> bytes:
        self._tell()
        return self._signer.sign(text)


def test_lock_write_commit_sign_answer(place: Place) -> None:
    told: list[str] = []

    def tell(name: str, when: str) -> None:
        told.append(f"{name} {when}")

    def committed(state: Checkpoint, note: bytes) -> None:
        told.append("committed")
        # Whoever reads now finds it there: nothing was signed that is not in the database.
        assert place.log.reader.head().size == state.size

    with bare(place.url, place.directory, lambda appender: Watched(appender, tell), committed=committed) as writer:
        signer = writer.ring.signer
        writer.ring.signer = lambda: Telling(signer(), lambda: told.append("sign"))  # type: ignore[method-assign]
        future = writer.sequencer.submit([Submission(beat(place.log.instance))])
        future.add_done_callback(lambda _: told.append("answer"))
        future.result(30)
    order = ["begin before", "begin after", "write before", "write after", "commit before", "commit after"]
    order += ["sign", "committed", "answer"]
    places = [told.index(step) for step in order]
    assert places == sorted(places) and told[0] == "begin before"
    # Nothing is read outside the lock, nothing is written before everything is decided.
    reads = [
        k for k, step in enumerate(told) if step.split()[0] not in ("begin", "write", "commit", "rollback", "close")
    ]
    assert all(places[1] < k < places[2] or k >= places[5] for k in reads)


def test_the_checkpoint_of_an_answer_is_signed_and_holds_its_entries(place: Place) -> None:
    made = record(place.log)
    verifier = Verifier.parse(place.log.ring.signer().vkey)
    state, _ = checkpoint.open(made.outcome.checkpoint, place.log.origin, [verifier])
    walked = walk(place.url)
    assert made.outcome.recorded[-1].seq < state.size
    assert walked.root(state.size) == state.root


def asked_by_others(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, but not for this thread."""
    here = threading.get_ident()

    def ask(*arguments: Any) -> Any:
        assert threading.get_ident() != here, "the database was asked"
        return function(*arguments)

    return ask


def test_a_receipt_of_what_was_just_written_asks_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    log = place.log
    for count in (1, 2, 3, 300, 700):
        message = record(log).message
        answers = outcomes(submit(log, *(log.draft(message, "r1", "message.opened") for _ in range(count))))
        with monkeypatch.context() as patch:
            # The pulse goes on reading, for the mark.
            patch.setattr(type(log.reader), "tiles", asked_by_others(type(log.reader).tiles))
            receipts = [log.receipt(answer) for answer in answers]
        for receipt in receipts:
            state = checkpoint.parse(note.parse(receipt.checkpoint)[0])
            leaf = merkle.leaf_hash(receipt.entry)
            merkle.check_inclusion(leaf, receipt.seq, state.size, receipt.proof, state.root)
            assert list(receipt.proof) == merkle.prove_inclusion(receipt.seq, state.size, log.reader.nodes(state.size))


def test_a_receipt_of_what_was_written_before_is_proved_too(place: Place) -> None:
    """Repeated alone, nothing grows; repeated beside something new, what grew does not hold it."""
    log = place.log
    message = record(log).message
    opened = log.draft(message, "r1", "message.opened", key=log.event_key("sequencer", log.new_id()))
    (first,) = outcomes(submit(log, opened))
    outcomes(submit(log, *[beat(log.instance)] * 5))
    for acts in ([opened], [beat(log.instance), opened]):
        again = outcomes(submit(log, *acts))[-1]
        assert again.repeated and again.recorded == first.recorded
        receipt = log.receipt(again)
        state = checkpoint.parse(note.parse(receipt.checkpoint)[0])
        assert state.size > first.recorded[0].seq + 5
        leaf = merkle.leaf_hash(receipt.entry)
        merkle.check_inclusion(leaf, receipt.seq, state.size, receipt.proof, state.root)


def test_a_batch_that_writes_nothing_leaves_nothing(place: Place) -> None:
    before = place.log.reader.head()
    (answer,) = submit(place.log, place.log.draft(place.log.new_id(), "r1", "message.opened"))
    assert isinstance(answer, UnknownReference)
    assert place.log.reader.head() == before


# Batches


def test_what_arrives_while_a_batch_is_written_forms_the_next(place: Place) -> None:
    gate = Gate()
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        first = writer.sequencer.submit([Submission(beat(place.log.instance))])
        assert gate.arrived.wait(30)
        later = [writer.sequencer.submit([Submission(beat(place.log.instance))] * 3) for _ in range(40)]
        assert writer.sequencer.queued == 121
        gate.opened.set()
        alone = outcome(first.result(30)[0])
        notes = {outcome(answer).checkpoint for future in later for answer in future.result(30)}
    # All that waited share one commit, and so one signature; the order is that of their arrival.
    assert len(notes) == 1 and alone.checkpoint not in notes
    seqs = [outcome(answer).recorded[0].seq for future in later for answer in future.result()]
    assert seqs == list(range(seqs[0], seqs[0] + 120))


def test_what_arrives_while_others_hold_the_head_is_written_with_the_rest(place: Place) -> None:
    gate = Gate("begin")
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        futures = [writer.sequencer.submit([Submission(beat(place.log.instance))])]
        assert gate.arrived.wait(30)
        futures += [writer.sequencer.submit([Submission(beat(place.log.instance))] * 3) for _ in range(40)]
        gate.opened.set()
        notes = {outcome(answer).checkpoint for future in futures for answer in future.result(30)}
    assert len(notes) == 1


@pytest.mark.parametrize("halted", [False, True])
def test_a_head_that_nobody_is_left_to_write_for_is_let_go(place: Place, halted: bool) -> None:
    gate = Gate("begin")
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        gone = writer.sequencer.submit([Submission(beat(place.log.instance))])
        assert gate.arrived.wait(30)
        if halted:
            writer.sequencer.halt(Unavailable("halted by a test"))
        else:
            assert gone.cancel()
        gate.opened.set()
        while writer.sequencer.queued:
            threading.Event().wait(0.001)
        # Else this would wait until the other writer ends.
        outcomes(submit(place.log, beat(place.log.instance)))
    if halted:
        assert "halted by a test" in str(gone.result(30)[0])


def test_a_writer_knows_whether_it_is_alone(place: Place) -> None:
    told: list[bool] = []
    with bare(place.url, place.directory) as one, bare(place.url, place.directory) as other:
        one.sequencer.taken = lambda: told.append(one.sequencer.alone)
        for writer, alone in ((one, False), (one, True), (other, False), (one, False), (one, True), (one, True)):
            outcomes(submit(writer.sequencer, beat(place.log.instance)))
            assert writer.sequencer.alone is alone
    assert told == [False, False]


def test_writers_in_turns_go_on_from_each_other(place: Place) -> None:
    """Over the ends of tiles, with new data keys and with entries on the log's chain, or without."""
    log = place.log
    message = record(log).message
    with bare(place.url, place.directory) as one, bare(place.url, place.directory) as other:
        for turn, count in enumerate((1, 255, 256, 3, 300, 253, 2, 600, 1, 1)):
            writer = (one, other)[turn % 2].sequencer
            acts: list[Any] = [log.draft(message, "r1", "message.opened", facts={"item": k}) for k in range(count)]
            acts += [beat(log.instance)] * (turn % 3)
            if turn % 4 in (1, 2):
                acts.append(log.prepare(*mail())[0])
            # In one commit each: a writer that was wrong about the ledger would have tried again in parts.
            assert len({done.checkpoint for done in outcomes(submit(writer, *acts))}) == 1
            assert writer.defect is None
    assert inspect(log.reader, log.ring).findings == []


def test_a_refused_act_does_not_touch_the_others(place: Place) -> None:
    log = place.log
    message = record(log).message
    nobody = log.new_id()
    acts: list[Any] = []
    for k in range(50):
        acts.append(log.draft(message, "r1", "message.opened", facts={"item": k}))
        acts.append(log.draft(nobody, "r1", "message.opened") if k % 2 else download(log, message, "r1", "f9"))
    answers = submit(log, *acts)
    assert [type(a) for a in answers] == [Outcome, UnknownReference] * 50
    items = [entry.from_bytes(outcome(a).recorded[0].data).facts.item for a in answers[::2]]  # type: ignore[attr-defined]
    assert items == list(range(50))


def test_a_defect_fails_alone(place: Place) -> None:
    with bare(place.url, place.directory) as writer:
        acts: list[Any] = [beat(place.log.instance) for _ in range(9)]
        acts[4] = Broken()
        acts[7] = Broken()
        answers = submit(writer.sequencer, *acts)
        assert [k for k, a in enumerate(answers) if not isinstance(a, Outcome)] == [4, 7]
        assert isinstance(answers[4], Unavailable) and "RuntimeError" in str(answers[4])
        assert isinstance(writer.sequencer.defect, RuntimeError)
        outcomes(submit(writer.sequencer, beat(place.log.instance)))


def test_an_act_withdrawn_in_time_is_not_written_and_harms_nobody(place: Place) -> None:
    gate = Gate()
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        first = writer.sequencer.submit([Submission(beat(place.log.instance))])
        assert gate.arrived.wait(30)
        before = place.log.reader.head().size
        key = place.log.request_key("withdrawn", place.log.new_id())
        gone = writer.sequencer.submit([Submission(beat(place.log.instance), key, digest(1))])
        stays = writer.sequencer.submit([Submission(beat(place.log.instance))])
        # What a web framework does when its client hangs up; the batch under way can no longer be withdrawn.
        assert gone.cancel() and not first.cancel()
        gate.opened.set()
        outcomes(first.result(30) + stays.result(30))
        with pytest.raises(CancelledError):
            gone.result(30)
        assert place.log.reader.head().size == before + 2
        (again,) = writer.sequencer.submit([Submission(beat(place.log.instance), key, digest(1))]).result(30)
        assert not outcome(again).repeated
        assert writer.sequencer.queued == 0


def test_closing_writes_what_is_queued_and_takes_nothing_more(place: Place) -> None:
    gate = Gate()
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        first = writer.sequencer.submit([Submission(beat(place.log.instance))])
        assert gate.arrived.wait(30)
        second = writer.sequencer.submit([Submission(beat(place.log.instance))])
        closing = threading.Thread(target=writer.sequencer.close)
        closing.start()
        gate.opened.set()
        closing.join(30)
        outcomes(first.result(1) + second.result(1))
        with pytest.raises(Unavailable, match="closing"):
            writer.sequencer.submit([Submission(beat(place.log.instance))])


def test_a_full_queue_refuses_at_once_and_whole(place: Place) -> None:
    gate = Gate()
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate), max_queue=5) as writer:
        futures = [writer.sequencer.submit([Submission(beat(place.log.instance))] * 2) for _ in range(2)]
        with pytest.raises(Unavailable, match="busy"):
            writer.sequencer.submit([Submission(beat(place.log.instance))] * 2)
        gate.opened.set()
        outcomes([answer for future in futures for answer in future.result(30)])
        outcomes(submit(writer.sequencer, *[beat(place.log.instance)] * 5))


def test_a_halted_writer_writes_nothing_of_what_is_queued(place: Place) -> None:
    gate = Gate()
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        first = writer.sequencer.submit([Submission(beat(place.log.instance))])
        assert gate.arrived.wait(30)
        second = writer.sequencer.submit([Submission(beat(place.log.instance))])
        writer.sequencer.halt(Unavailable("halted by a test"))
        gate.opened.set()
        outcomes(first.result(30))
        (answer,) = second.result(30)
        assert "halted by a test" in str(answer)
        with pytest.raises(Unavailable, match="halted by a test"):
            writer.sequencer.submit([Submission(beat(place.log.instance))])


# Keys


def test_a_repeat_gets_the_first_answer_another_body_is_refused(place: Place) -> None:
    log = place.log
    key = log.request_key("someone", log.new_id())
    first = log.record(*mail(recipients=3), key=key, digest=digest(1))
    size = log.reader.head().size
    again = log.record(*mail(recipients=3), key=key, digest=digest(1))
    assert again.repeated and not first.repeated
    assert (again.message, again.recipients) == (first.message, first.recipients)
    assert list(again.outcome.recorded) == list(first.outcome.recorded)
    with pytest.raises(KeyReused):
        log.record(*mail(), key=key, digest=digest(2))
    assert log.reader.head().size == size
    # Another credential may use the same words for its key.
    assert not log.record(*mail(), key=log.request_key("other", "k"), digest=digest(2)).repeated


def test_a_repeated_denial_is_a_denial_again(place: Place) -> None:
    log = place.log
    message = record(log).message
    blocking, _ = log.block(message, "all")
    key = log.request_key("someone", log.new_id())
    asked = Submission(download(log, message, "r1"), key, digest(1))
    first, again = (outcome(log.submit([asked]).result(30)[0]) for _ in range(2))
    assert (first.denied, again.denied, again.repeated) == (blocking.block, blocking.block, True)
    assert first.recorded == again.recorded


def test_a_refused_request_may_come_again_under_its_key(place: Place) -> None:
    log = place.log
    key = log.request_key("someone", log.new_id())
    message = record(log).message
    started = download(log, message, "r1")
    transfer = started.facts.transfer  # type: ignore[attr-defined]
    ended = download(log, message, "r1", kind="completed", transfer=transfer)
    (refused,) = log.submit([Submission(ended, key, digest(1))]).result(30)
    assert isinstance(refused, UnknownReference)
    outcomes(submit(log, started))
    (taken,) = log.submit([Submission(ended, key, digest(1))]).result(30)
    assert not outcome(taken).repeated


def test_a_key_in_flight_is_told_so(place: Place) -> None:
    gate = Gate()
    key = place.log.request_key("someone", place.log.new_id())
    with bare(place.url, place.directory, lambda appender: Watched(appender, gate)) as writer:
        first = writer.sequencer.submit([Submission(beat(place.log.instance), key, digest(1))])
        with pytest.raises(InFlight):
            writer.sequencer.submit([Submission(beat(place.log.instance), key, digest(1))])
        twice = place.log.request_key("someone", place.log.new_id())
        with pytest.raises(InFlight):
            writer.sequencer.submit([Submission(beat(place.log.instance), twice, digest(1))] * 2)
        gate.opened.set()
        outcomes(first.result(30))
        (again,) = writer.sequencer.submit([Submission(beat(place.log.instance), key, digest(1))]).result(30)
        assert outcome(again).repeated


# Threads


def test_two_sequencers_race_on_every_key_and_each_is_recorded_once(place: Place) -> None:
    """Both are given the same eighty requests at the same time, in different orders."""
    log = place.log
    made = record(log)
    keys = [place.log.request_key("race", f"{made.message} {k}") for k in range(40)]
    answers: list[list[Answer]] = [[], []]

    def events() -> list[Submission]:
        keyed = [
            Submission(log.draft(made.message, "r1", "message.opened", facts={"item": k}), key, digest(k))
            for k, key in enumerate(keys)
        ]
        hooks = [
            Submission(
                log.draft(made.message, "r2", "delivery.bounced", source="webhook", key=log.event_key("race", str(k)))
            )
            for k in range(40)
        ]
        return keyed + hooks

    with bare(place.url, place.directory) as one, bare(place.url, place.directory) as two:
        start = threading.Barrier(2)

        def race(number: int) -> None:
            sequencer = (one, two)[number].sequencer
            mine = events()
            order = list(range(80))[:: -1 if number else 1]
            start.wait()
            futures = {k: sequencer.submit([mine[k]]) for k in order}
            answers[number] = [futures[k].result(60)[0] for k in range(80)]

        threads = [threading.Thread(target=race, args=(k,)) for k in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for first, second in zip(outcomes(answers[0]), outcomes(answers[1]), strict=True):
            assert first.recorded == second.recorded
            assert first.repeated != second.repeated
    written = [e for e in walk(place.url).entries if e.chain in {o.chain for o in made.recipients}]
    assert len(written) == 2 + 80


def test_two_writers_take_turns_on_the_same_chains(place: Place) -> None:
    """Each remembers what it left, and reads anew only what the other wrote on."""
    log = place.log
    made = [record(log).message for _ in range(3)]
    asked: list[str] = []
    with (
        bare(place.url, place.directory) as one,
        bare(place.url, place.directory, lambda a: Watched(a, lambda name, when: asked.append(name))) as two,
    ):
        for turn in range(12):
            acts = [log.draft(made[turn % 3], f"r{1 + turn % 2}", "message.opened", sealed=[("turn", str(turn))])]
            if turn in (4, 9):
                acts.append(download(log, made[turn % 3], "r2"))
            outcomes(submit((one, two)[turn % 2].sequencer, *acts))
        outcomes(submit(one.sequencer, log.draft(made[0], "r1", "message.opened")))
        asked.clear()
        # What nobody else has touched since is still known; what somebody has is asked for.
        outcomes(submit(two.sequencer, log.draft(made[2], "r2", "message.opened")))
        assert "leaves" in asked and "chains" not in asked
        outcomes(submit(one.sequencer, log.draft(made[2], "r2", "message.opened")))
        outcomes(submit(two.sequencer, log.draft(made[2], "r2", "message.opened")))
        assert "chains" in asked
        block, _ = log.block(made[0], "all")
        assert outcome(submit(two.sequencer, download(log, made[0], "r1"))[0]).denied == block.block


def test_a_data_key_that_another_process_destroyed_is_not_used_again(database_url: str, tmp_path: Path) -> None:
    with open_log(database_url, tmp_path) as log:
        made = record(log)
        subject = made.recipients[0].chain

        def key(seq: int) -> Any:
            row = select(t.data_keys).join(t.sealed, t.sealed.c.key == t.data_keys.c.no).where(t.sealed.c.seq == seq)
            with log.store.engine.connect() as connection:
                return connection.execute(row).one()

        def seal(sequencer: Any) -> Outcome:
            return outcome(submit(sequencer, log.draft(made.message, "r1", "message.opened", sealed=[("k", "v")]))[0])

        with bare(database_url, tmp_path) as other:
            before = [key(seal(other.sequencer).recorded[0].seq) for _ in range(2)]
            assert before[0] == before[1] and before[0].subject == subject
            with log.store.engine.begin() as connection:
                connection.execute(delete(t.data_keys).where(t.data_keys.c.subject == subject))
            # Whoever destroys a key records it, and that is a batch of his.
            log.write(beat(log.instance))
            after = key(seal(other.sequencer).recorded[0].seq)
        assert after.subject == subject and after.wrapped != before[0].wrapped


def test_many_threads_on_one_sequencer(place: Place) -> None:
    log = place.log
    messages = [record(log).message for _ in range(4)]
    size = log.reader.head().size
    failures: list[BaseException] = []

    def work(message: str) -> None:
        try:
            for k in range(25):
                seq = log.event(message, "r1", "message.opened", facts={"item": k}).recorded[0].seq
                assert entry.from_bytes(log.reader.entry(seq) or b"").chain == message_chain[message]
        except BaseException as error:
            failures.append(error)

    message_chain = {m: log.recipients(m)[0].chain for m in messages}
    threads = [threading.Thread(target=work, args=(m,)) for m in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert log.reader.head().size == size + 100


def test_submitting_is_not_writing(place: Place) -> None:
    """A future that nobody waits for is settled all the same."""
    future: Future[list[Answer]] = place.log.submit([Submission(beat(place.log.instance))])
    place.log.write(beat(place.log.instance))
    assert future.done()


def test_an_event_made_by_hand_is_held_to_its_kind(place: Place) -> None:
    message = record(place.log).message
    draft = place.log.draft(message, "r1", "message.opened")
    for kind in ("access.denied", "block.applied.continued", "recipient.added"):
        (answer,) = submit(place.log, Event(message, 1, kind, draft.facts, "api"))
        assert isinstance(answer, InvalidRequest), kind


# Writers that hold the head and do nothing


def need_server(any_database: str) -> None:
    if not any_database.startswith("postgresql"):
        pytest.skip("SQLite's lock is the kernel's: it goes with its process")


def test_who_waits_too_long_for_the_head_is_told_so_once(
    place: Place, any_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_server(any_database)
    monkeypatch.setattr("ledger.store.postgres.LOCK_TIMEOUT", "300ms")
    holder = place.log.store.appender()
    asked: list[str] = []
    with bare(place.url, place.directory, lambda a: Watched(a, lambda name, when: asked.append(name))) as writer:
        holder.begin()
        (answer,) = submit(writer.sequencer, beat(place.log.instance))
        assert isinstance(answer, Unavailable) and "held the head" in str(answer)
        assert asked.count("begin") == 1
        holder.close()
        outcomes(submit(writer.sequencer, beat(place.log.instance)))


def test_a_frozen_writer_loses_the_head(place: Place, any_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need_server(any_database)
    with monkeypatch.context() as short:
        short.setattr("ledger.store.postgres.IDLE_TIMEOUT", "300ms")
        holder = place.log.store.appender()
        holder.begin()
    outcomes(submit(place.log, beat(place.log.instance)))
    with pytest.raises(StoreUnavailable):
        holder.now()
    holder.close()
