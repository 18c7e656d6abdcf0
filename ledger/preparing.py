"""Acts made ready: from what a caller means to what `Log.submit` takes. Nothing is written, and no lock is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType

from ledger import act, drafts, hold
from ledger.act import Event
from ledger.canonical import Json
from ledger.chance import Chance
from ledger.drafts import Opening
from ledger.envelope import Envelope
from ledger.errors import InvalidRequest
from ledger.event import Source
from ledger.fingerprint import Fingerprint
from ledger.ids import uuid7
from ledger.plan import Act, Sealed
from ledger.reading import Reading
from ledger.sequencer import Outcome


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message as recorded. ``repeated``: an earlier request with the same key recorded it."""

    message: str
    recipients: tuple[Opening, ...]
    outcome: Outcome
    repeated: bool


class Preparing(Reading):
    """The half of a log that makes acts, with its clock (microseconds since 1970) and its chance."""

    _now: Callable[[], int]
    _chance: Chance

    def prepare(
        self, fingerprint: Fingerprint, sent: Envelope, roles: Sequence[str], *, source: Source = "api", **details: Any
    ) -> tuple[act.Recording, list[Opening]]:
        """A message made ready for `submit`, and its recipients as they will be recorded."""
        blinds, now = self.ring.blinds, self._now()
        return drafts.recording(
            fingerprint, sent, roles, micros=now, chance=self._chance, blinds=blinds, source=source, **details
        )

    def draft(self, message: str, recipient: str | None, kind: str, **details: Any) -> Event:
        """A tracking event made ready for `submit`."""
        return drafts.tracking(message, recipient, kind, self._chance, **details)

    def prepare_block(
        self,
        message: str,
        scope: str,
        *,
        recipient: str | None = None,
        file: str | None = None,
        reason: str | None = None,
        sealed: Sequence[tuple[str, Json]] = (),
        source: Source = "api",
    ) -> act.Block:
        """A block made ready for `submit`."""
        drafts.check_source(source)
        drafts.check_block(scope, recipient, file, reason)
        return act.Block(
            message=message,
            block=self.new_id(),
            scope=scope,
            act=self.new_id(),
            source=source,
            number=None if recipient is None else drafts.number_of(recipient),
            file=file,
            reason=UNSET if reason is None else reason,
            sealed=drafts.seal("", sealed, self._chance),
        )

    def prepare_lift(
        self,
        message: str,
        block: str,
        *,
        reason: str | None = None,
        sealed: Sequence[tuple[str, Json]] = (),
        source: Source = "api",
    ) -> act.Lift:
        """A lift made ready for `submit`."""
        drafts.check_source(source)
        drafts.check_lift(block, reason)
        because = UNSET if reason is None else reason
        return act.Lift(message, block, self.new_id(), source, because, drafts.seal("", sealed, self._chance))

    def prepare_hold(
        self,
        message: str,
        *,
        recipient: str | None = None,
        reason: str | None = None,
        sealed: Sequence[tuple[str, Json]] = (),
        source: Source = "api",
    ) -> hold.Place:
        """A hold of a message, or of one recipient of it, made ready for `submit`."""
        drafts.check_source(source)
        id = self.new_id()
        because = _reason("hold.placed", id, reason)
        number = 0 if recipient is None else drafts.number_of(recipient)
        return hold.Place(message, number, id, source, because, self.seal("", sealed))

    def prepare_release(
        self,
        message: str,
        id: str,
        *,
        reason: str | None = None,
        sealed: Sequence[tuple[str, Json]] = (),
        source: Source = "api",
    ) -> hold.Release:
        """The end of a hold made ready for `submit`."""
        drafts.check_source(source)
        because = _reason("hold.released", id, reason)
        return hold.Release(message, id, source, because, self.seal("", sealed))

    def prepare_view(
        self,
        message: str | None,
        what: str,
        actor: tuple[str, str],
        *,
        recipient: str | None = None,
        source: Source = "api",
    ) -> Act:
        """A look at a message, at one recipient of it or, with neither, at the log, made ready for `submit`: ``what``
        (a code) was looked at, and by whom. ``actor`` is (subject, name), as `person` gives it."""
        drafts.check_source(source)
        facts = drafts.facts_of("content.viewed", {"what": what})
        sealed = drafts.seal(actor[0], [("actor", actor[1])], self._chance)
        if message is None:
            if recipient is not None:
                raise InvalidRequest("a recipient is one of a message")
            return act.Own("content.viewed", facts, source, sealed=sealed)
        number = 0 if recipient is None else drafts.number_of(recipient)
        return Event(message, number, "content.viewed", facts, source, sealed)

    def seal(self, subject: str, facts: Sequence[tuple[str, Json]]) -> Sequence[Sealed]:
        """What an act seals under the data key of a subject."""
        return drafts.seal(subject, facts, self._chance)

    def person(self, id: str, name: str) -> tuple[str, str]:
        """An acting person, known as ``id`` (never the name) wherever he acts: under whose data key his name is sealed,
        and the name."""
        return self.acting(id), name

    def request_key(self, scope: str, key: str) -> bytes:
        """The idempotency key of a request as stored. Under the ring: nobody else can tell which keys stand there, or
        put one there before its request comes."""
        return self.ring.blind("request", f"{scope}\n{key}")

    def event_key(self, scope: str, key: str) -> bytes:
        """The key of one event at its source (16 bytes): ``scope`` names the source, ``key`` is what it calls it."""
        return self.ring.blind("event", f"{scope}\n{key}")[:16]

    def new_id(self) -> str:
        """A fresh id."""
        return uuid7(self._now(), self._chance(10))

    def random(self, size: int) -> bytes:
        """So many random octets."""
        return self._chance(size)

    def now(self) -> int:
        """The instant of this log's clock."""
        return self._now()


def _reason(kind: str, hold: str, reason: str | None) -> str | UnsetType:
    """InvalidRequest unless these are a hold's words."""
    drafts.facts_of(kind, {"hold": hold} | ({} if reason is None else {"reason": reason}))
    return UNSET if reason is None else reason
