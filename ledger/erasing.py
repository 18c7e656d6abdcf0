"""Erasing: a recipient, a message, everything of a person. In this order, each step durable before the next:

    erasure.requested -> (erasure.approved by a second person) -> data keys, what is sealed under them and what is found
    by it deleted, in one transaction -> blobs deleted -> the database made to forget them -> erasure.done

Killed anywhere, it is finished at the next start or with the next erasure: what is still to be done stands in a table
of its own (`ledger.pending`), written with the request and emptied with the last entry. Each step may be done twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Final, Literal

from ledger import disclosure, drafts, entry, pending, subjects
from ledger.canonical import Json
from ledger.erasure import Approve, Done, Part, Request, Scope
from ledger.errors import Erased as AlreadyErased
from ledger.errors import LedgerError, Unavailable, UnknownReference
from ledger.event import Source
from ledger.hold import check_free
from ledger.ids import format_time
from ledger.log import Log
from ledger.merkle import leaf_hash
from ledger.overview import recording
from ledger.pending import Pending, is_wide
from ledger.plan import Sealed
from ledger.reading import Reading
from ledger.sequencer import Outcome
from ledger.state import NEVER, Chain
from ledger.store.append import Row, Rows, check_mac, lookup_row, move_on
from ledger.store.destroying import scrub
from ledger.transaction import Recorded
from ledger.vault import SHARED

State = Literal["done", "pending", "waiting"]

Actor = tuple[str, str]
"""Who asks or approves, as `Log.person` gives it."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How far an erasure has come, and the act that says so: ``done``, ``waiting`` for a second person, or ``pending``,
    for the ``reason`` given: it is finished later by itself."""

    erasure: str
    state: State
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """An erasure that is not done: what of, since when (a Time), and whether it waits for a second person. ``messages``
    of a person are all that are found now, those that were recorded since he was asked for among them."""

    erasure: str
    scope: str
    messages: Sequence[str]
    recipient: str | None
    since: str
    waiting: bool


def unfinished(reading: Reading) -> list[Open]:
    """All erasures that are not done."""
    found = []
    for erasure, rows in _rows(reading).items():
        chains = reading.reader.numbered([one.chain for one in rows])
        of = {chain.id for chain in chains if chain.type == "message"}
        if rows[0].scope == "person":
            of.update(part.message for part in subjects.of_person(reading, rows[0].blind))
        whose = [f"r{chain.ordinal}" for chain in chains if chain.type == "recipient"]
        # An id begins with the milliseconds of its making.
        since = format_time(1000 * int(erasure[:8] + erasure[9:13], 16))
        one = rows[0]
        recipient = whose[0] if one.scope == "recipient" and whose else None
        found.append(Open(erasure, one.scope, sorted(of), recipient, since, one.waiting))
    return found


def _rows(reading: Reading) -> dict[str, list[Pending]]:
    """What is to be done, as holders of the ring have written it down."""
    read = [pending.from_row(row, partial(reading.ring.blind, pending.MAC)) for row in reading.reader.erasures()]
    genuine = [one for one in read if one is not None]
    return {id: list(rows) for id, rows in groupby(genuine, lambda one: one.id)}


class Erasing:
    """Erasures of one log. With ``dual_control`` every one needs two people."""

    def __init__(self, log: Log, dual_control: bool = False) -> None:
        self._log: Final = log
        self._dual: Final = dual_control
        self._mac: Final = partial(log.ring.blind, pending.MAC)

    # Acts made ready for `Log.submit`. Nothing is destroyed before `go_on` is asked to.

    def of_message(
        self, message: str, actor: Actor, *, recipient: str | None = None, source: Source = "api"
    ) -> Request:
        """Of a message with all its recipients, or of one of these. Erased where nothing of it is left."""
        number = 0 if recipient is None else drafts.number_of(recipient)
        if recipient is None:
            parts = subjects.of_message(self._log, message)
        else:
            parts = subjects.of_recipient(self._log, message, number)
        theirs = [key for part in parts if part.number == number or not number for key in part.keys]
        if not self._log.reader.data_keys(theirs):
            self._refuse_again(message, number)
        return self._request("message" if recipient is None else "recipient", parts, b"", actor, source)

    def _refuse_again(self, message: str, number: int) -> None:
        chain = self._log.message(message)
        chain = self._log.reader.recipients(chain)[number - 1] if number else chain
        if chain.erased != NEVER:
            at = entry.decode(self._log.reader.entry(chain.erased) or b"").at
            raise AlreadyErased(f"nothing of it is left: it was erased at {at}, entry {chain.erased}")

    def of_person(self, address: str, actor: Actor, *, source: Source = "api") -> Request:
        """Of a person, wherever his address is found. UnknownReference where that is nowhere."""
        blind = subjects.address_index(self._log, address)
        acting = {self._log.acting(said) for said in (address, address.casefold())}
        parts = subjects.of_person(self._log, blind, acting)
        if not parts:
            raise UnknownReference("nothing is found by this address")
        return self._request("person", parts, blind, actor, source)

    def _request(self, scope: Scope, parts: Sequence[Part], blind: bytes, actor: Actor, source: Source) -> Request:
        drafts.check_source(source)
        id, act = self._log.new_id(), self._log.new_id()
        return Request(id, scope, parts, blind, actor[0], self._dual, act, source, self._sealed(actor))

    def approval(self, erasure: str, actor: Actor, *, source: Source = "api") -> Approve:
        """The second person's word."""
        drafts.check_source(source)
        return Approve(erasure, actor[0], self._log.new_id(), source, self._sealed(actor))

    def _sealed(self, actor: Actor) -> Sequence[Sealed]:
        return self._log.seal(actor[0], [("actor", actor[1])])

    # Carrying out

    def go_on(self, outcome: Outcome) -> Erased:
        """After a request or an approval that is durable: carry the erasure out, unless a second person is needed."""
        return self.go_on_all([outcome])[0]

    def go_on_all(self, outcomes: Sequence[Outcome]) -> list[Erased]:
        """The same for many: the database is brought to forget what was deleted once for all of them."""
        pending = self._rows()
        asked = [(outcome, entry.decode(outcome.recorded[0].data)) for outcome in outcomes]
        ids: list[str] = [made.facts.erasure for _, made in asked]  # type: ignore[attr-defined]  # both kinds have these
        mine = {id: pending[id] for id in ids if id in pending}
        done = self._carry_out({id: rows for id, rows in mine.items() if not rows[0].waiting})
        found = []
        for id, (outcome, first) in zip(ids, asked, strict=True):
            if id in mine and mine[id][0].waiting:
                found.append(Erased(id, "waiting", outcome))
                continue
            said = done.get(id)
            if isinstance(said, LedgerError):
                # It was asked for, and that stands: what hinders it now does not take it back.
                found.append(Erased(id, "pending", outcome, str(said)))
            else:
                found.append(Erased(id, "done", said or self._said_before(first.chain, id)))
        return found

    def resume(self) -> list[str]:
        """Finish what was begun. Returns why not, of each that could not be."""
        done = self._carry_out({id: rows for id, rows in self._rows().items() if not rows[0].waiting})
        return [f"erasure {id} is not done yet: {said}" for id, said in done.items() if isinstance(said, LedgerError)]

    def _rows(self) -> dict[str, list[Pending]]:
        return _rows(self._log)

    def _carry_out(self, wanted: Mapping[str, Sequence[Pending]]) -> dict[str, Outcome | LedgerError | None]:
        """Until each is done, or what hinders it is known. None where another process has finished it."""
        found: dict[str, Outcome | LedgerError | None] = {}
        destroyed: dict[str, list[int]] = {}
        for erasure, rows in wanted.items():
            try:
                if rows[0].scope == "person":
                    self._add(erasure, rows)
                destroyed[erasure] = self._destroy(erasure)
            except LedgerError as error:
                found[erasure] = error
        if not destroyed:
            return found
        try:
            self._drop_blobs()
            scrub(self._log.store.engine)
        except LedgerError as error:
            return found | dict.fromkeys(destroyed, error)
        for erasure in destroyed:
            try:
                done = self._log.write(Done(erasure, self._log.new_id(), "system"))
                found[erasure] = done if done.recorded else None
            except LedgerError as error:
                found[erasure] = error
        return found

    def _drop_blobs(self) -> None:
        """Delete what was kept under data keys that are destroyed, and then its names. Each may be done twice."""
        log = self._log
        doomed = log.reader.doomed()
        if not doomed:
            return
        if log.blobs is None:
            raise Unavailable("there is no vault here to delete what was kept from")
        for name in doomed:
            log.blobs.delete(name)
        appender = log.store.appender()
        try:
            appender.begin()
            appender.drop_blobs(doomed)
            appender.commit()
        finally:
            appender.rollback()
            appender.close()

    def _add(self, erasure: str, rows: Sequence[Pending]) -> None:
        """Messages of a person that were recorded since he was asked for: each is asked for as well. Held, Retained."""
        known = {one.chain for one in rows}
        found = subjects.of_person(self._log, rows[0].blind)
        for message, some in groupby(found, lambda part: part.message):
            if self._log.message(message).no not in known:
                act, one = self._log.new_id(), rows[0]
                more = Request(erasure, "person", list(some), one.blind, one.requester, False, act, "system")
                more.adding = True
                # What must be kept holds up the erasure of him altogether, as it does where it was asked for.
                self._log.write(more)

    def _destroy(self, erasure: str) -> list[int]:
        """The deletions, in one transaction under the writer's lock, which moves the head on: every other process then
        looks anew which data keys there are. Numbers of the data keys that were destroyed."""
        log = self._log
        mac = partial(log.ring.blind, "head")
        appender = log.store.appender()
        try:
            head = appender.begin()
            check_mac(head, mac)
            read = [pending.from_row(row, self._mac) for row in appender.erasures(erasure)]
            rows = [one for one in read if one is not None]
            if not rows or rows[0].waiting:
                return []
            keys = {key for one in rows for key in one.keys}
            chains = log.reader.numbered([one.chain for one in rows if one.chain])
            messages = log.reader.numbered(sorted({chain.root for chain in chains}))
            recipients: dict[int, list[Chain]] = {}
            for chain in chains:
                if chain.ordinal:
                    recipients.setdefault(chain.root, []).append(chain)
            more: list[Row] = []
            for message in messages:
                appender.now()  # PostgreSQL cuts off who holds the head and asks nothing
                theirs = recipients.get(message.no, [])
                self._check_free(message, theirs, keys)
                more += self._orphaned(message, theirs, keys)
            destroyed = appender.destroy(sorted(keys), [message.no for message in messages])
            appender.look_up(more)
            appender.write(Rows(), move_on(head, mac), log.new_id())
            appender.commit()
            return destroyed
        finally:
            appender.rollback()
            appender.close()

    def _check_free(self, message: Chain, theirs: Sequence[Chain], keys: set[str]) -> None:
        """Held where a hold has come since it was asked for."""
        wide = self._log.reader.recipients(message) if any(map(is_wide, keys)) else ()
        for chain in (message, *theirs, *wide):
            check_free(chain)

    def _orphaned(self, message: Chain, theirs: Sequence[Chain], keys: set[str]) -> list[Row]:
        """Rows of ``lookups`` for what names several people and stays: what a recipient who goes was found by alone
        until now, others in it still are."""
        if not theirs or message.id + SHARED in keys:
            return []
        facts: dict[str, list[tuple[str, Json]]] = {}
        for made in recording(self._log.reader, message):
            for subject, texts in self._log.boxes(made.seq):
                facts.setdefault(subject, []).extend((d.name, d.value) for d in map(disclosure.parse, texts))
        blinds = self._log.ring.blinds
        before = set(drafts.lookups_of(facts.items(), blinds))
        left = {subject: said for subject, said in facts.items() if subject not in keys}
        after = drafts.lookups_of(left.items(), blinds)
        return [lookup_row(blind, message.no, subject) for blind, subject in after if (blind, subject) not in before]

    def _said_before(self, chain: str, erasure: str) -> Outcome:
        """The entry that says it is done, where another request or process has written it."""
        found = self._log.reader.chain(chain) or self._log.reader.log_chain()
        for seq, data in reversed(self._log.reader.chain_entries(found)):
            made = entry.decode(data)
            if made.kind == "erasure.done" and made.facts.erasure == erasure:  # type: ignore[attr-defined]
                recorded = Recorded(seq, leaf_hash(data).hex(), data)
                return Outcome([recorded], self._log.checkpoint()[1], repeated=True)
        raise UnknownReference("no erasure of this id is pending")
