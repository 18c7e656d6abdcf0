"""The only writer. docs/format.md and the design's section 6, in this order:

    lock the head -> read what the batch needs -> decide each act -> assign seq and n, canonicalise, hash
    -> write entries, boxes, tiles, projections, head, batch id -> COMMIT -> sign the checkpoint -> answer

Killed before COMMIT: nothing happened and nobody was told. Killed after COMMIT: the entries stand, and whoever repeats
the request under its key gets their receipt. A checkpoint is signed only for a state that is already durable, so a
signature cannot run ahead of the ledger; two processes that sign the same size sign the same root.

Requests that arrive while a batch is being written form the next one (group commit); nobody waits for company.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from ledger import checkpoint
from ledger.checkpoint import Checkpoint
from ledger.clock import Clock, since_boot
from ledger.errors import (
    InFlight,
    InvalidRequest,
    KeyReused,
    LedgerError,
    Refused,
    RolledBack,
    SecretError,
    StartRefused,
    StoreUnavailable,
    Unavailable,
)
from ledger.ids import uuid7
from ledger.merkle import EMPTY_ROOT, Growth
from ledger.note import Signer
from ledger.plan import Act
from ledger.store.append import Appender, Conflict, Head
from ledger.transaction import Recorded, Transaction
from ledger.tree import Tree

MAX_BATCH = 4096
"""Acts in one transaction: bounds how long others wait for the lock."""

COMMIT_ATTEMPTS = 3
FIND_ATTEMPTS = 20
FIND_PAUSE = 0.5
"""Seconds between two attempts to ask for a lost batch."""


class Submission(Struct):
    """One act, with the idempotency key and request digest it came under (32 bytes each), or neither."""

    act: Act
    key: bytes | None = None
    digest: bytes | None = None


class Outcome(Struct):
    """What an act wrote, in ledger order. ``repeated``: an earlier request wrote it. ``denied``: the block that did.

    ``growth`` proves what was written just now at ``checkpoint`` without asking the database.
    """

    recorded: Sequence[Recorded]
    checkpoint: bytes = b""
    repeated: bool = False
    denied: str | None = None
    growth: Growth | None = None


Answer = Outcome | LedgerError


class Secrets(Protocol):
    """What the writer needs of a key ring."""

    def signer(self) -> Signer:
        """The log's current key."""

    def new_data_keys(self, subjects: Sequence[str]) -> Sequence[tuple[int, bytes, AESGCM]]:
        """Epoch, wrapped key and cipher of a fresh data key for each subject."""

    def open_data_key(self, subject: str, epoch: int, wrapped: bytes) -> AESGCM:
        """The cipher of a stored data key. SecretError."""

    def blind(self, kind: str, value: str) -> bytes:
        """A MAC under the ring's blind-index key, 32 bytes."""


@dataclass(slots=True)
class _Group:
    submissions: Sequence[Submission]
    future: Future[list[Answer]] = field(default_factory=Future)


class Sequencer:
    """Takes acts from any thread, writes them from one. Any number of processes may each have one."""

    def __init__(
        self,
        appender: Appender,
        secrets: Secrets,
        *,
        wall: Callable[[], int] | None = None,
        monotonic: Callable[[], int] = since_boot,
        random: Callable[[int], bytes] = os.urandom,
        accept_clock: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        max_queue: int = 100_000,
        committed: Callable[[Checkpoint, bytes], None] | None = None,
    ) -> None:
        """``wall`` and ``monotonic`` give microseconds; without ``wall`` the database's clock is asked, under the lock.

        ``committed`` is told of each state after it is durable and signed, before anybody is answered.
        """
        self._appender = appender
        self._secrets = secrets
        self._wall = wall
        self._monotonic = monotonic
        self._random = random
        self._sleep = sleep
        self._clock = Clock(accept_clock)
        self._durable = 0, EMPTY_ROOT
        self._max_queue = max_queue
        self._committed = committed
        self._tree = Tree(partial(secrets.blind, "head"))
        self._ready = threading.Condition()
        self._queue: deque[_Group] = deque()
        self._queued = 0
        self._in_flight: set[bytes] = set()
        self._held: Head | Exception | None = None
        self._closing = False
        self._halted: LedgerError | None = None
        self._thread = threading.Thread(target=self._run, name="postseal-sequencer", daemon=True)
        self._thread.start()

    def submit(self, submissions: Sequence[Submission]) -> Future[list[Answer]]:
        """Queue acts to be decided in this order in one transaction. Their answers come in the same order: an act that
        is refused does not touch the others. InFlight, Unavailable."""
        keys = [s.key for s in submissions if s.key is not None]
        with self._ready:
            if self._halted is not None:
                raise self._halted
            if self._closing:
                raise Unavailable("the ledger is closing")
            if self._queued + len(submissions) > self._max_queue:
                raise Unavailable("the ledger is busy; nothing was queued")
            if not self._in_flight.isdisjoint(keys) or len(set(keys)) != len(keys):
                raise InFlight("a request with this idempotency key is still being answered")
            self._in_flight.update(keys)
            group = _Group(submissions)
            self._queue.append(group)
            self._queued += len(submissions)
            self._ready.notify()
        return group.future

    @property
    def queued(self) -> int:
        """Acts waiting or being written."""
        return self._queued

    @property
    def halted(self) -> LedgerError | None:
        """Why nothing more is taken, if so."""
        return self._halted

    def halt(self, error: LedgerError) -> None:
        """Take nothing more; whoever asks is told why."""
        self._halted = error

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join()
        self._appender.close()

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._queue and not self._closing:
                    self._ready.wait()
                if not self._queue:
                    return
            # The head first, the batch then: whoever comes while others hold the head is written with the rest.
            self._lock()
            with self._ready:
                groups = [self._queue.popleft()]
                count = len(groups[0].submissions)
                while self._queue and count + len(self._queue[0].submissions) <= MAX_BATCH:
                    count += len(self._queue[0].submissions)
                    groups.append(self._queue.popleft())
            # From here on a caller can no longer withdraw; who has is left out, and nothing of his is written.
            wanted = [group for group in groups if group.future.set_running_or_notify_cancel()]
            submissions = [s for group in wanted for s in group.submissions]
            if self._halted is not None:
                answers: list[Answer] = [self._halted] * len(submissions)
            else:
                begun = time.perf_counter()
                answers = self._settle(submissions) if submissions else []
                if self.watch is not None and submissions:
                    self.watch(len(submissions), time.perf_counter() - begun)
            self._unlock()
            with self._ready:
                for group in groups:
                    self._queued -= len(group.submissions)
                    self._in_flight.difference_update(s.key for s in group.submissions if s.key is not None)
            start = 0
            for group in wanted:
                end = start + len(group.submissions)
                group.future.set_result(answers[start:end])
                start = end

    def _lock(self) -> None:
        if self._halted is not None:
            return
        try:
            self._held = head = self._appender.begin()
        except Exception as error:
            # The batch meets it, and answers for it.
            self._held = error
            return
        self.alone = head.batch == self._tree.batch
        if self.taken is not None and not self.alone:
            self.taken()

    def _unlock(self) -> None:
        """Where nobody was left to write for."""
        held, self._held = self._held, None
        if isinstance(held, Head):
            self._appender.rollback()

    alone = False
    """Whether the last batch found the head as this writer had left it: no other process writes."""

    taken: Callable[[], None] | None = None
    """Told, on the writer's thread, that the head is held and a batch begins, while others write too."""

    watch: Callable[[int, float], None] | None = None
    """Told of each batch, on the writer's thread: how many acts, and the seconds until they were answered for."""

    defect: Exception | None = None
    """The last exception that no error of the tree stands for; None is the only good value."""

    def _settle(self, submissions: Sequence[Submission]) -> list[Answer]:
        """An answer for each, whatever happens. What breaks a batch (a defect, a constraint of the database) is found
        by halving, so that it fails alone; nothing of a broken batch stands, so its halves may be written again."""
        try:
            signer, transaction, answers = self._write(submissions)
        except Conflict as error:
            if len(submissions) == 1:
                return [InvalidRequest(f"an act that stands already is not written again: {error}")]
        except (Unavailable, SecretError, StartRefused) as error:
            if isinstance(error, StartRefused):
                self.halt(error)
            return [error] * len(submissions)
        except Exception as error:
            # A defect must not take the writer down with it, nor be taken for an answer.
            self.defect = error
            if len(submissions) == 1:
                return [Unavailable(f"the ledger failed: {type(error).__name__}")]
        else:
            return self._sign(signer, transaction, answers)
        half = len(submissions) // 2
        return self._settle(submissions[:half]) + self._settle(submissions[half:])

    def _forget(self) -> None:
        self._appender.rollback()
        self._tree.forget()

    def _write(self, submissions: Sequence[Submission]) -> tuple[Signer, Transaction, list[Answer]]:
        """Durable when it returns; when it raises, nothing of it stands that anybody was told of.

        The key is taken under the lock and used after the commit: a rotation that is finished meanwhile introduced its
        key above the size that is signed here.
        """
        for attempt in range(COMMIT_ATTEMPTS):
            batch = uuid7(time.time_ns() // 1000, self._random(10))
            try:
                clock, signer, transaction, answers = self._decide(submissions)
                if not transaction.rows.entries:
                    self._appender.rollback()
                    transaction.keep()
                else:
                    self._appender.write(transaction.rows, transaction.finish(), batch)
                    try:
                        self._appender.commit()
                        transaction.keep()
                    except Exception:
                        # Whatever it was: only the database knows whether the batch stands.
                        self._tree.forget()
                        if not self._stands(transaction.next_batch, batch):
                            raise
                # Not before: a step of the clock that was not recorded must show again in the next attempt.
                self._clock = clock
                self._durable = transaction.size, transaction.root
                return signer, transaction, answers
            except StoreUnavailable as error:
                # Nothing of this attempt stands: a broken connection, or a COMMIT that is known not to have happened.
                self._forget()
                if attempt == COMMIT_ATTEMPTS - 1 or isinstance(error, Conflict):
                    raise
            except BaseException:
                self._forget()
                raise
        raise AssertionError("unreachable")

    def _stands(self, no: int, batch: str) -> bool:
        """Whether a batch whose COMMIT was never answered is in the ledger. Only the database knows; under the lock its
        answer is final. While it cannot be asked nothing may be written again, or it might be written twice."""
        for attempt in range(FIND_ATTEMPTS):
            try:
                return self._appender.find_batch(no) == batch
            except StoreUnavailable:
                if attempt < FIND_ATTEMPTS - 1:
                    self._sleep(FIND_PAUSE)
        raise Unavailable(
            "the database went away during COMMIT and does not answer; "
            "whether this was recorded will be known when it does: repeat it under the same key"
        )

    def _decide(self, submissions: Sequence[Submission]) -> tuple[Clock, Signer, Transaction, list[Answer]]:
        held, self._held = self._held, None
        if isinstance(held, Exception):
            raise held
        head = self._appender.begin() if held is None else held
        size, root = self._durable
        if head.size < size or (head.size == size and head.root != root):
            raise RolledBack(
                f"the database was replaced under the running ledger: it holds {head.size} entries, where {size} were "
                "acknowledged; stop, and bring back the newest database"
            )
        signer = self._secrets.signer()
        wall = self._wall() if self._wall is not None else self._appender.now()
        clock = copy(self._clock)
        at, step = clock.judge(wall, self._monotonic(), head.at)
        transaction = Transaction(self._appender, self._tree, head, at, self._secrets, self._random)
        transaction.load(submissions)
        if step:
            transaction.note_step(step)
        answers: list[Answer] = []
        for submission in submissions:
            try:
                answers.append(_answer(transaction, submission))
            except Refused as refused:
                answers.append(refused)
        return clock, signer, transaction, answers

    def _sign(self, signer: Signer, transaction: Transaction, answers: list[Answer]) -> list[Answer]:
        signed = Checkpoint(transaction.origin, transaction.size, transaction.root)
        try:
            note = checkpoint.sign(signed, signer)
            if self._committed is not None:
                self._committed(signed, note)
        except LedgerError as error:
            return [error] * len(answers)
        except Exception as error:
            self.defect = error
            return [Unavailable(f"the ledger failed to sign: {type(error).__name__}")] * len(answers)
        for answer in answers:
            if isinstance(answer, Outcome):
                answer.checkpoint = note
                answer.growth = transaction.growth
        return answers


def _answer(transaction: Transaction, submission: Submission) -> Outcome:
    if submission.key is not None:
        known = transaction.request(submission.key)
        if known is not None:
            digest, recorded = known
            if digest != submission.digest:
                raise KeyReused("this idempotency key was used for another request")
            return Outcome(recorded, repeated=True, denied=transaction.denied_by(recorded))
    plan = transaction.plan(submission.act)
    if plan.repeats is not None:
        return Outcome([transaction.recorded_at(plan.repeats)], repeated=True)
    recorded = transaction.apply(plan)
    if submission.key is not None and submission.digest is not None:
        transaction.remember(submission.key, submission.digest, recorded)
    return Outcome(recorded, denied=plan.denied)
