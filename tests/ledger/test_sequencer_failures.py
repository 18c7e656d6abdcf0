"""The only writer, while the database fails under it: at every step, before it and after it, once and for good.

What must hold whatever happens: who was answered finds his entries, once; who was not may send it again under his key;
nothing is half there; the next batch goes on where the ledger ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import entry
from ledger.errors import LedgerError, RolledBack, SecretError, StoreUnavailable, Unavailable, UnknownReference
from ledger.event import Instance
from ledger.log import Log
from ledger.sequencer import COMMIT_ATTEMPTS, FIND_ATTEMPTS, Answer, Outcome, Submission
from ledger.store.append import CommitUnknown
from tests.ledger.ledgers import Bare, bare, beat, download, mail, open_log, outcome, outcomes, record, submit
from tests.ledger.walk import Walked, walk

# The third is the second with an older server; it has the same driver, and so the same ways to fail.
pytestmark = pytest.mark.parametrize("any_database", ["sqlite", "postgresql18"], indirect=True, scope="module")


class Place:
    def __init__(self, url: str, directory: Path, log: Log) -> None:
        self.url = url
        self.directory = directory
        self.log = log

    def walk(self) -> Walked:
        return walk(self.url, self.log.ring)


@pytest.fixture(scope="module")
def place(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("log")
    with open_log(any_database, directory) as log:
        yield Place(any_database, directory, log)


class Flaky:
    """An appender that fails at chosen calls. It says what it was asked, so that no test has to know the steps."""

    def __init__(self, appender: Any) -> None:
        self._appender = appender
        self.calls: list[str] = []
        self.fail: Callable[[int, str, bool], Exception | None] = lambda call, name, done: None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._appender, name)
        if not callable(found) or name in ("rollback", "close"):
            return found

        def call(*args: Any, **more: Any) -> Any:
            number = len(self.calls)
            self.calls.append(name)
            if (error := self.fail(number, name, False)) is not None:
                raise error
            answer = found(*args, **more)
            if (error := self.fail(number, name, True)) is not None:
                raise error
            return answer

        return call


class Stage:
    """A writer whose database can be made to fail, and acts that use everything there is."""

    def __init__(self, place: Place, writer: Bare, flaky: Flaky) -> None:
        self.place = place
        self.writer = writer
        self.flaky = flaky
        self.submissions: list[Submission] = []

    def prepare(self) -> None:
        """A fresh batch: every table gets something, and everything is looked up that there is."""
        self.writer.sequencer._tree.forget()
        log = self.place.log
        old = record(log, tokens={1: [log.new_id().replace("-", "") * 2]})
        started = download(log, old.message, "r1")
        log.write(started)
        transfer = started.facts.transfer  # type: ignore[attr-defined]
        made, _ = log.prepare(*mail(), tokens={1: [log.new_id().replace("-", "") * 2]})
        token = entry.from_bytes(old.outcome.recorded[1].data).facts.tokens[0]  # type: ignore[attr-defined]
        hook = log.event_key("hook", old.message)
        opened = log.draft(old.message, "r1", "link.opened", source="portal", facts={"token": token}, key=hook)
        acts: list[Any] = [
            made,
            opened,
            download(log, old.message, "r1", kind="completed", transfer=transfer),
            download(log, made.id, "r2"),
            log.draft(old.message, "r2", "delivery.bounced", sealed=[("reply", "no")]),
            beat(log.instance),
        ]
        keys = [log.request_key("failures", f"{old.message} {k}") for k in range(len(acts))]
        self.submissions = [Submission(a, key, bytes(32)) for a, key in zip(acts, keys, strict=True)]

    def run(self) -> list[Answer]:
        self.flaky.calls.clear()
        return self.writer.sequencer.submit(self.submissions).result(60)

    def again(self) -> list[Outcome]:
        """The same requests under the same keys, now that nothing fails."""
        self.flaky.fail = lambda call, name, done: None
        return outcomes(self.writer.sequencer.submit(self.submissions).result(60))

    def steps(self) -> list[str]:
        """What a batch asks of the database, in order."""
        self.flaky.fail = lambda call, name, done: None
        self.prepare()
        outcomes(self.run())
        return list(self.flaky.calls)


@pytest.fixture
def stage(place: Place) -> Iterator[Stage]:
    held: list[Flaky] = []

    def wrap(appender: Any) -> Flaky:
        held.append(Flaky(appender))
        return held[0]

    with bare(place.url, place.directory, wrap) as writer:
        yield Stage(place, writer, held[0])
        held[0].fail = lambda call, name, done: None
        outcomes(submit(writer.sequencer, beat(place.log.instance)))
    place.walk()


def lost(name: str) -> StoreUnavailable:
    return CommitUnknown("lost") if name == "commit" else StoreUnavailable("lost")


WHEN = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


@WHEN
def test_a_step_that_fails_once_is_not_noticed(stage: Stage, after: bool) -> None:
    for step in range(len(stage.steps())):
        stage.prepare()
        failed = []

        def fail(call: int, name: str, done: bool, step: int = step, failed: list[str] = failed) -> Exception | None:
            if call == step and done == after:
                failed.append(name)
                return lost(name)
            return None

        stage.flaky.fail = fail
        answers = outcomes(stage.run())
        assert failed
        assert not any(a.repeated for a in answers), failed
        repeated = stage.again()
        assert [list(a.recorded) for a in answers] == [list(a.recorded) for a in repeated]
        assert all(a.repeated for a in repeated), failed


@WHEN
def test_a_step_that_fails_for_good_is_told_and_leaves_nothing(stage: Stage, after: bool) -> None:
    steps = stage.steps()
    for step in sorted(set(steps), key=steps.index):
        stage.prepare()
        size = stage.place.log.reader.head().size

        def fail(call: int, name: str, done: bool, step: str = step) -> Exception | None:
            return lost(name) if name == step and done == after else None

        stage.flaky.fail = fail
        answers = stage.run()
        stands = step == "commit" and after
        if stands:
            # COMMIT was done, only its answer was lost: the batch is found, and they are answered.
            assert [outcome(a).repeated for a in answers] == [False] * len(answers)
        else:
            assert all(isinstance(a, StoreUnavailable) for a in answers), step
            assert stage.flaky.calls.count(step) == COMMIT_ATTEMPTS
            assert stage.place.log.reader.head().size == size
        assert [a.repeated for a in stage.again()] == [stands] * len(answers), step


@WHEN
def test_a_defect_at_a_step_is_told_and_leaves_nothing(stage: Stage, after: bool) -> None:
    steps = stage.steps()
    for step in sorted(set(steps) - {"commit"}, key=steps.index):
        stage.prepare()
        size = stage.place.log.reader.head().size

        def fail(call: int, name: str, done: bool, step: str = step) -> Exception | None:
            return ZeroDivisionError() if name == step and done == after else None

        stage.flaky.fail = fail
        answers = stage.run()
        # Halved until it fails alone: an act that does not need the step may pass, one whose message failed may not.
        passed = [k for k, a in enumerate(answers) if isinstance(a, Outcome)]
        for answer in answers:
            assert isinstance(answer, Outcome | Unavailable | UnknownReference)
        if step in ("begin", "write"):
            assert not passed and stage.place.log.reader.head().size == size
        assert [k for k, a in enumerate(stage.again()) if a.repeated] == passed, step


@WHEN
def test_a_defect_in_commit_is_never_written_twice(stage: Stage, after: bool) -> None:
    stage.prepare()

    def fail(call: int, name: str, done: bool) -> Exception | None:
        return ZeroDivisionError() if name == "commit" and done == after else None

    stage.flaky.fail = fail
    answers = stage.run()
    assert all(isinstance(a, Outcome) == after for a in answers)
    assert [a.repeated for a in stage.again()] == [after] * len(answers)


@WHEN
def test_a_commit_that_cannot_be_asked_about_is_not_repeated(stage: Stage, after: bool) -> None:
    """Unknown, and the database is away: whoever asked is told so, nothing is tried again, his key finds out later."""
    stage.prepare()

    def fail(call: int, name: str, done: bool) -> Exception | None:
        if name == "find_batch":
            return StoreUnavailable("away")
        return CommitUnknown("lost") if name == "commit" and done == after else None

    stage.flaky.fail = fail
    answers = stage.run()
    assert all(isinstance(a, Unavailable) and "repeat it under the same key" in str(a) for a in answers)
    assert stage.flaky.calls.count("commit") == 1
    assert stage.flaky.calls.count("find_batch") == FIND_ATTEMPTS
    assert [a.repeated for a in stage.again()] == [after] * len(answers)


@WHEN
def test_the_batch_is_found_when_the_database_comes_back(stage: Stage, after: bool) -> None:
    stage.prepare()
    asked = 0

    def fail(call: int, name: str, done: bool) -> Exception | None:
        nonlocal asked
        if name == "find_batch" and not done:
            asked += 1
            return StoreUnavailable("away") if asked < 7 else None
        return CommitUnknown("lost") if call == first and done == after else None

    first = stage.steps().index("commit")
    stage.prepare()
    stage.flaky.fail = fail
    answers = outcomes(stage.run())
    assert asked == 7
    assert not any(a.repeated for a in answers)
    assert all(a.repeated for a in stage.again())


def test_an_unknown_commit_that_another_writer_follows(stage: Stage) -> None:
    """Between the lost answer and the question somebody else writes: his batch must not be taken for ours."""
    for after in (False, True):
        stage.prepare()

        def fail(call: int, name: str, done: bool, after: bool = after) -> Exception | None:
            if name == "commit" and done == after and stage.flaky.calls.count("commit") == 1:
                # A writer whose connection broke has let go of the lock.
                stage.flaky.rollback()
                return CommitUnknown("lost")
            if name == "find_batch" and not done:
                stage.flaky.fail = lambda call, name, done: None
                for _ in range(3):
                    stage.place.log.write(beat(stage.place.log.instance))
            return None

        stage.flaky.fail = fail
        answers = outcomes(stage.run())
        assert not any(a.repeated for a in answers)
        assert all(a.repeated for a in stage.again())


def test_a_signature_that_fails_after_commit_is_not_an_answer(stage: Stage) -> None:
    stage.prepare()
    signer = stage.writer.ring.signer
    for error in (SecretError("the key ring is gone"), OSError("disk")):

        class Failing:
            name, key_id = signer().name, signer().key_id

            def sign(self, text: bytes, error: Exception = error) -> bytes:
                raise error

        stage.prepare()
        stage.writer.ring.signer = Failing  # type: ignore[method-assign]
        answers = stage.run()
        assert all(isinstance(a, LedgerError) for a in answers)
        assert stage.flaky.calls.count("commit") == 1
        stage.writer.ring.signer = signer  # type: ignore[method-assign]
        assert all(a.repeated for a in stage.again())


def test_without_a_key_nothing_is_recorded(stage: Stage) -> None:
    stage.prepare()
    signer = stage.writer.ring.signer

    def gone() -> Any:
        raise SecretError("the key ring is gone")

    stage.writer.ring.signer = gone  # type: ignore[method-assign]
    answers = stage.run()
    assert all(isinstance(a, SecretError) for a in answers)
    assert "commit" not in stage.flaky.calls
    stage.writer.ring.signer = signer  # type: ignore[method-assign]
    assert not any(a.repeated for a in stage.again())


def test_a_ledger_that_went_backward_halts_the_writer(place: Place) -> None:
    """The head as the writer sees it names less than was acknowledged, or something else of the same size."""
    for change in ({"size": 1}, {"root": bytes(32)}):

        class Backward(Flaky):
            went = False

            def begin(self, change: dict[str, Any] = change) -> Any:
                head = self._appender.begin()
                return type(head)(**{n: getattr(head, n) for n in head.__slots__} | (change if self.went else {}))

        held: list[Backward] = []

        def wrap(appender: Any, held: list[Backward] = held, made: type[Backward] = Backward) -> Backward:
            held.append(made(appender))
            return held[0]

        with bare(place.url, place.directory, wrap) as writer:
            outcomes(submit(writer.sequencer, beat(place.log.instance)))
            held[0].went = True
            (answer,) = submit(writer.sequencer, beat(place.log.instance))
            assert isinstance(answer, RolledBack) and "\n" not in str(answer)
            with pytest.raises(RolledBack):
                submit(writer.sequencer, beat(place.log.instance))
    place.walk()


def test_instances_are_told_apart(place: Place) -> None:
    started: list[Any] = [e.facts for e in place.walk().entries if e.kind == "ledger.started"]
    assert len({s.instance for s in started}) == len(started)
    assert Instance(instance=place.log.instance).instance in {s.instance for s in started}
