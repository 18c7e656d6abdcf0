"""Log: what callers hold. One per process and ledger; every method may be called from any thread.

Opening checks the database's durability, its schema, the key ring and the high-water mark before anything is written;
then a beat is recorded, once a minute by one process of all that are open.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from msgspec import UNSET

from ledger import act, checkpoint, drafts, entry, event, export, mark
from ledger.act import Genesis, Heartbeat, Own
from ledger.blobs import Blobs
from ledger.canonical import Json
from ledger.chance import Chance
from ledger.checkpoint import Checkpoint
from ledger.closing import Close
from ledger.document import Claim, Evidence
from ledger.envelope import Envelope
from ledger.errors import Blocked, LedgerError, ProofError, Refused, RolledBack, StartRefused
from ledger.event import Source
from ledger.fingerprint import Fingerprint
from ledger.ids import uuid7
from ledger.keeping import Keeping
from ledger.keys import KeyRing, MasterKey, ring_path
from ledger.merkle import EMPTY_ROOT, prove_consistency
from ledger.note import Verifier
from ledger.plan import Act
from ledger.preparing import RecordedMessage
from ledger.receipt import Receipt, receipt
from ledger.sequencer import Answer, Outcome, Sequencer, Submission
from ledger.store import Store, create_head, lookups, open_store
from ledger.store.append import check_mac

MARK_SECONDS = 0.5
"""How often the high-water mark follows what was acknowledged."""

VERSION = "0.1.0"


class Log(Keeping):
    """One ledger, open for writing."""

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        mark_path: Path,
        *,
        clock: Callable[[], int] | None = None,
        random: Callable[[int], bytes] = os.urandom,
        accept_clock: bool = False,
        heartbeat: bool = True,
        continues: event.Predecessor | None = None,
        blobs: Callable[[str], Blobs] | None = None,
        **sequencer: Any,
    ) -> None:
        """Use `Log.open`. ``clock`` (microseconds) replaces the database's own; ``continues`` names the log that a new
        one goes on from; ``blobs`` says where a log's content is kept; ``sequencer`` goes to `Sequencer`."""
        self.store = store
        self.reader = store.reader
        self.ring = ring
        self._mark_path = mark_path
        self._chance = chance = Chance(random)
        self._now = clock or (lambda: time.time_ns() // 1000)
        head = self.reader.head()
        self.id, self.origin = head.log, head.origin
        self.blobs = None if blobs is None else blobs(head.log)
        self._check_mark(head.size, head.root)
        self._complete()
        self._latest: mark.Mark | None = None
        self._marked: mark.Mark | None = None
        self._stop = threading.Event()
        wall = clock or (None if store.kind == "postgresql" else self._now)
        self.sequencer = Sequencer(
            store.appender(),
            ring,
            wall=wall,
            random=chance,
            accept_clock=accept_clock,
            committed=self._committed,
            **sequencer,
        )
        self.instance = uuid7(self._now(), chance(10))
        try:
            self._start(continues)
        except BaseException:
            self.sequencer.close()
            raise
        self._pulse = threading.Thread(target=self._beat, args=(heartbeat,), name="postseal-beat", daemon=True)
        self._pulse.start()

    @classmethod
    def open(cls, url: str, data_dir: Path, *, origin: str, master: MasterKey, **options: Any) -> Self:
        """Open the ledger at ``url``, or begin one called ``origin`` where the database is empty.

        Key ring and high-water mark live under ``data_dir``. StartRefused and its kin say why a ledger must not be
        written to as it stands, and what the way out is.
        """
        random = options.get("random", os.urandom)
        store = open_store(url)
        try:
            head = store.find_head()
            if head is None:
                try:
                    mark.check_new(data_dir, origin)
                except RolledBack:
                    # Or another process has opened the log, and written to it, since we looked.
                    head = store.find_head()
                    if head is None:
                        raise
            if head is None:
                log = uuid7(time.time_ns() // 1000, random(10))
                ring = KeyRing.create(ring_path(data_dir, log), master, log, origin, time.time_ns() // 1000, random)
                # The mark before the head: a log that has a head but no mark is one whose mark was lost.
                empty = Checkpoint(origin, 0, EMPTY_ROOT)
                first = mark.Mark(log, empty, checkpoint.sign(empty, ring.signer()))
                mark.create(mark.mark_path(data_dir, log), first)
                create_head(store, log, origin, partial(ring.blind, "head"))
                head = store.reader.head()
            if head.origin != origin:
                raise StartRefused(f"this database holds the log {head.origin}, not {origin}")
            ring = KeyRing.load(ring_path(data_dir, head.log), master, head.log, random)
            return cls(store, ring, mark.mark_path(data_dir, head.log), **options)
        except BaseException:
            store.close()
            raise

    def _check_mark(self, size: int, root: bytes) -> None:
        verifiers = [Verifier.parse(key.vkey) for key in self.ring.keys]
        mark.check(mark.read(self._mark_path, self.id, self.origin, verifiers), size, self.reader.root)
        self._check_root(size, root)

    def _check_root(self, size: int, root: bytes) -> None:
        """What the head says of the tree is not signed unless the tree says so."""
        try:
            same = self.reader.root(size) == root
        except ProofError:
            same = False
        if not same:
            raise RolledBack(f"the head of the ledger in the database is not that of a tree of {size} entries")

    def _complete(self) -> None:
        """A log from before there were look-ups gets them now."""
        if lookups.are_missing(self.reader):
            appender = self.store.appender()
            try:
                lookups.rebuild(self.reader, appender, self.ring, missing=True)
            finally:
                appender.close()

    def _start(self, continues: event.Predecessor | None) -> None:
        vkey = self.ring.signer().vkey
        opened = event.Opened(
            log=self.id, origin=self.origin, vkey=vkey, continues=UNSET if continues is None else continues
        )
        started = event.Started(instance=self.instance, store=self._store_word(), version=VERSION)
        answers = self._submit([Genesis(opened, event.KeyIntroduced(vkey=vkey)), Own("ledger.started", started)])
        for answer in answers.result():
            if isinstance(answer, LedgerError):
                raise answer

    def _store_word(self) -> Literal["postgresql", "sqlite"]:
        return "sqlite" if self.store.kind == "sqlite" else "postgresql"

    # What the writer tells us, on its thread; and what a second thread does with it

    def _committed(self, state: Checkpoint, note: bytes) -> None:
        self._latest = mark.Mark(self.id, state, note)

    def _move_mark(self) -> None:
        latest = self._latest
        if latest is not None and latest is not self._marked:
            mark.advance(self._mark_path, latest, self.reader.root)
            self._marked = latest

    def _beat(self, heartbeat: bool) -> None:
        beaten = time.monotonic()
        while not self._stop.wait(MARK_SECONDS):
            try:
                self._move_mark()
                if heartbeat and time.monotonic() - beaten >= act.HEARTBEAT_SECONDS:
                    beaten = time.monotonic()
                    self._submit([Heartbeat(event.Instance(instance=self.instance))]).result()
            except StartRefused as error:
                # The database under us is not the one we acknowledged from. Nothing more may be said in its name.
                self.sequencer.halt(error)
            except LedgerError:
                # A mark that cannot be moved now is moved in half a second; a beat that cannot be recorded leaves the
                # gap that the ledger will speak of.
                continue

    def close(self) -> None:
        """Record the stop, write what is queued, move the mark."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._pulse.join()
        try:
            self._submit([Own("ledger.stopped", event.Instance(instance=self.instance))]).result()
        finally:
            self.sequencer.close()
            self._move_mark()
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Writing

    def _submit(self, acts: Sequence[Act]) -> Future[list[Answer]]:
        return self.sequencer.submit([Submission(a) for a in acts])

    @property
    def queued(self) -> int:
        """Acts waiting or being written."""
        return self.sequencer.queued

    @property
    def halted(self) -> LedgerError | None:
        """Why this process records nothing more, if so."""
        return self.sequencer.halted

    def submit(self, submissions: Sequence[Submission]) -> Future[list[Answer]]:
        """Many acts at once, each answered on its own: an `Outcome` or the error that refused it."""
        return self.sequencer.submit(submissions)

    def write(self, act: Act, key: bytes | None = None, digest: bytes | None = None) -> Outcome:
        """One act, durable when this returns. Blocked when a block refused it: its receipt is of the denial."""
        answer = self.sequencer.submit([Submission(act, key, digest)]).result()[0]
        if isinstance(answer, LedgerError):
            raise answer
        if answer.denied is not None:
            raise Blocked(f"block {answer.denied} covers this file", self.receipt(answer))
        return answer

    def record(
        self,
        fingerprint: Fingerprint,
        sent: Envelope,
        roles: Sequence[str],
        *,
        source: Source = "api",
        key: bytes | None = None,
        digest: bytes | None = None,
        keep: bytes | None = None,
        **details: Any,
    ) -> RecordedMessage:
        """Record a message and its recipients. ``details`` are those of `ledger.drafts.recording`; ``keep`` are its
        octets, to be kept."""
        made, openings = self.prepare_kept(keep, key, fingerprint, sent, roles, source=source, **details)
        try:
            outcome = self.write(made, key, digest)
        except Refused as refused:
            self.settle(made, refused)
            raise
        self.settle(made, outcome)
        if not outcome.repeated:
            return RecordedMessage(made.id, tuple(openings), outcome, False)
        first = entry.decode(outcome.recorded[0].data)
        return RecordedMessage(first.chain, tuple(self.recipients(first.chain)), outcome, True)

    def event(self, message: str, recipient: str | None, kind: str, **details: Any) -> Outcome:
        """Record one tracking event. ``details`` are those of `ledger.drafts.tracking`."""
        return self.write(self.draft(message, recipient, kind, **details))

    def block(
        self,
        message: str,
        scope: str,
        *,
        recipient: str | None = None,
        file: str | None = None,
        reason: str | None = None,
        sealed: Sequence[tuple[str, Json]] = (),
        source: Source = "api",
        key: bytes | None = None,
        digest: bytes | None = None,
    ) -> tuple[act.Block, Outcome]:
        """Block what ``scope`` (``file``, ``recipient``, ``all``) names; the act returned has the pairs it covers."""
        made = self.prepare_block(
            message, scope, recipient=recipient, file=file, reason=reason, sealed=sealed, source=source
        )
        return made, self.write(made, key, digest)

    def lift(self, message: str, block: str, **details: Any) -> Outcome:
        """Lift a block wherever it is in force. ``details`` are those of `prepare_lift`."""
        return self.write(self.prepare_lift(message, block, **details))

    def hold(self, message: str, **details: Any) -> Outcome:
        """Let nothing of it be erased. ``details`` are those of `prepare_hold`."""
        return self.write(self.prepare_hold(message, **details))

    def release(self, message: str, hold: str, **details: Any) -> Outcome:
        """End a hold. ``details`` are those of `prepare_release`."""
        return self.write(self.prepare_release(message, hold, **details))

    def view(self, message: str | None, what: str, actor: tuple[str, str], **details: Any) -> Outcome:
        """Record that somebody looked; the arguments are those of `prepare_view`."""
        return self.write(self.prepare_view(message, what, actor, **details))

    def export(self, message: str, *, show: Collection[str] | None = None, **claimed: Any) -> Evidence:
        """Close the chains a claim covers, and build evidence that seals them up to now. ``claimed`` is as
        `prepare_export` has it, ``show`` as `assemble`. Adverse where non-access would not be true."""
        claim, closing = self.prepare_export(message, show=show or (), **claimed)
        return self.assemble(claim, self.write(closing), show)

    def prepare_export(
        self,
        message: str,
        *,
        recipient: str | None = None,
        kind: str = "history",
        file: str | None = None,
        actor: tuple[str, str] | None = None,
        source: Source = "api",
        key: bytes | None = None,
        show: Collection[str] = (),
    ) -> tuple[Claim, Close]:
        """What is claimed, and the act that closes its chains, made ready for `submit`; `assemble` then makes the
        evidence. ``kind`` is ``history`` or ``non_access``; without ``recipient`` it covers all; ``actor`` as `person`
        gives it. Before anything is closed: a claim that cannot be made is to leave no trace. Adverse where non-access
        would not be true, UnknownReference without a fact of ``show``; a request that was recorded under ``key`` before
        is answered as of then."""
        drafts.check_source(source)
        claim = export.claim_of(message, recipient, kind, file, self.message(message).files)
        export.check_there(show, self.disclosed(message) if show else {})
        if kind == "non_access" and (key is None or not self.reader.requested(key)):
            choose = export.may_show(message, recipient, self.id)
            export.rehearse(self.reader, self.disclosures, claim, self.checkpoint()[1], self._now(), choose)
        closing = Close(
            message=message,
            kind="evidence.exported",
            facts=event.EvidenceExported,
            said={"evidence": self.new_id()},
            act=self.new_id(),
            source=source,
            number=None if recipient is None else drafts.number_of(recipient),
            sealed=() if actor is None else drafts.seal(actor[0], [("actor", actor[1])], self._chance),
        )
        return claim, closing

    def assemble(self, claim: Claim, done: Outcome, show: Collection[str] | None = None) -> Evidence:
        """The evidence for a claim whose chains this act has closed. With ``show`` it discloses of the message only the
        facts of these names (``f1``, ``subject``), and nothing else. Adverse where what came between is in the way."""
        recipient = None if claim.recipient is UNSET else claim.recipient
        choose = export.may_show(claim.message, recipient, self.id, show)
        return export.assemble(self.reader, self.disclosures, claim, done.recorded, done.checkpoint, choose)

    # Reading

    def receipt(self, outcome: Outcome, index: int = 0) -> Receipt:
        """The receipt of one of the entries an act wrote."""
        return receipt(self.id, self.reader, outcome, index)

    @property
    def signed(self) -> tuple[Checkpoint, bytes] | None:
        """The last state that this process wrote, and its checkpoint; None before the first."""
        return None if self._latest is None else (self._latest.checkpoint, self._latest.note)

    def checkpoint(self) -> tuple[Checkpoint, bytes]:
        """The newest state, signed. Read from the database: other processes write too."""
        # Before the head is read: what is acknowledged in between, that head cannot know.
        latest = self._latest
        head = self.reader.head()
        check_mac(head, partial(self.ring.blind, "head"))
        self._check_root(head.size, head.root)
        if latest is not None:
            mark.check(latest, head.size, self.reader.root)
        state = Checkpoint(head.origin, head.size, head.root)
        return state, self.sign(state)

    def sign(self, state: Checkpoint) -> bytes:
        """The log's signature on a state that is durable."""
        return checkpoint.sign(state, self.ring.signer())

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of ``new`` entries only adds to that of ``old``."""
        return prove_consistency(old, new, self.reader.nodes(new))
