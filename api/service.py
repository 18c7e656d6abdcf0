"""What every route works with: the log, who is calling, and the way to the writer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import anyio.to_thread
from starlette.requests import HTTPConnection

from api import answers, bodies
from api.errors import Problem
from api.gathering import Gathering
from api.keeping import Kept
from api.known import Known
from api.metrics import Metrics, age
from api.roles import may
from api.settings import Settings
from ledger import certifying, entry
from ledger.certifying import Certifying
from ledger.checkpoint import Checkpoint
from ledger.erasing import Erasing
from ledger.errors import LedgerError
from ledger.ids import parse_time
from ledger.log import Log
from ledger.receipt import is_at_hand
from ledger.sequencer import Outcome
from ledger.state import Chain
from ledger.store.credentials import Credentials
from ledger.store.read import Reader
from reports import certificate

FRESH_SECONDS: Final = 0.1
"""How old a checkpoint may be that is handed out."""

TILES: Final = 32 << 20
"""Octets of tiles and entry bundles kept in memory."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking."""

    id: str
    role: str
    name: str
    """What an entry says of him, sealed."""


class Service:
    """One per process. Everything here runs on the event loop but what says otherwise."""

    def __init__(self, log: Log, credentials: Credentials, settings: Settings) -> None:
        self.log = log
        self.credentials = credentials
        self.settings = settings
        self.metrics = Metrics(self._gauges)
        log.sequencer.watch = self.metrics.batch
        self.known = Known(credentials.find)
        self._used: dict[str, int] = {}
        self.tiles = Kept(TILES)
        self.erasing = Erasing(log, settings.dual_control)
        said = certifying.Service(settings.operator, settings.legal_basis, settings.verify_page)
        self.certifying = Certifying(log, certificate.draw, said)
        self._gathering: Gathering | None = None
        self._audited = LastAudit()
        self._checkpoint = log.checkpoint()
        self._checkpoint_until = 0.0
        self._looking = asyncio.Lock()
        self._looks = 0
        self._looked: tuple[int, LedgerError | None] = 0, None
        self.held = {True: 0, False: 0}
        """Octets of bodies that are being read, of those who came with a key and of strangers."""
        self.opened = 0
        """Octets of kept messages in memory, whose files are being sent."""

    @property
    def gathering(self) -> Gathering:
        """The way to the writer, on the loop that is running."""
        if self._gathering is None:
            self._gathering = Gathering(self.log, asyncio.get_running_loop(), self.settings.queue)
        return self._gathering

    async def caller(self, connection: HTTPConnection, act: str | None) -> Caller:
        """Who sent this request, if he may do ``act`` (None: something that is open to all). Problem otherwise."""
        said = bodies.header(connection, b"authorization")
        # Of two, whoever looked on the way may have looked at the other.
        if len(said) != 1:
            raise Problem("no-key", "send one API key: Authorization: Bearer postseal_...")
        scheme, _, key = said[0].decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise Problem("no-key", "the Authorization header must be: Bearer, and an API key")
        return await self.holder(connection, key, act)

    async def holder(self, connection: HTTPConnection, key: str, act: str | None) -> Caller:
        """Who holds this key, if he may do ``act``."""
        credential = await self.known.find(key.strip())
        if credential is not None:
            self._used[credential.id] = time.time_ns() // 1000
        if credential is None or credential.revoked is not None:
            raise Problem("wrong-key", "this API key is not known here, or was revoked")
        if act is not None and not may(credential.role, act):
            raise Problem("forbidden", f"a key of role {credential.role} may not do this")
        connection.scope.setdefault("state", {})["caller"] = {"key": credential.id, "role": credential.role}
        return Caller(credential.id, credential.role, f"{credential.label} ({credential.role}, key {credential.id})")

    def hold(self, room: int) -> int:
        """Take so many octets of memory for kept content; who took them gives them back to `opened`. One is always let
        in, so that any message can be read."""
        if self.opened and self.opened + room > max(bodies.HELD, 4 * self.settings.message_bytes):
            raise Problem("unavailable", "too many kept messages are being read at a time")
        self.opened += room
        return room

    async def receipt(self, outcome: Outcome, index: int = 0) -> dict[str, Any]:
        """The receipt of one entry of an act, as JSON."""
        if is_at_hand(outcome):
            return answers.receipt(self.log.receipt(outcome, index))
        return answers.receipt(await anyio.to_thread.run_sync(self.log.receipt, outcome, index))

    async def checkpoint(self, holding: int = 0) -> tuple[Checkpoint, bytes]:
        """A state and its signed note, at most `FRESH_SECONDS` old: readers are not to tax the database. Never an older
        one than before or than what was written here; and the newest if it must hold ``holding`` entries, because
        whoever has another process's receipt knows of a state that was not read here yet."""
        written = self.log.signed
        if written is not None and written[0].size > self._checkpoint[0].size:
            self._checkpoint = written
        if not self._has(holding):
            await self._look(holding)
        return self._checkpoint

    def _has(self, holding: int) -> bool:
        return time.monotonic() <= self._checkpoint_until and self._checkpoint[0].size >= holding

    async def _look(self, holding: int) -> None:
        """Read the newest state, once for all who wait. Whoever asks for what is not there yet has it read anew, unless
        that was begun after he asked."""
        before = self._looks
        async with self._looking:
            number, failed = self._looked
            if number > before and failed is not None:
                raise failed
            if number > before or self._has(holding):
                return
            self._looks += 1
            now = time.monotonic()
            try:
                found = await anyio.to_thread.run_sync(self.log.checkpoint)
            except LedgerError as error:
                self._looked = self._looks, error
                raise
            if found[0].size >= self._checkpoint[0].size:
                self._checkpoint = found
            self._checkpoint_until = now + FRESH_SECONDS
            self._looked = self._looks, None

    def _gauges(self) -> Iterator[tuple[str, str, float]]:
        """Read for `/metrics`, on a worker thread."""
        queued = self.log.queued + (0 if self._gathering is None else self._gathering.queued)
        yield "postseal_queue", "Acts that wait for the writer of this process, or are being written", queued
        yield "postseal_writer_halted", "1 when the writer has stopped for good", float(self.log.halted is not None)
        # Without the database the rest cannot be told; that it is away shows in what is missing.
        with suppress(LedgerError):
            head = self.log.reader.head()
            own = self.log.reader.log_chain()
            beat = parse_time(own.beat)
            audited = self._audited.find(self.log.reader, own)
            yield "postseal_ledger_entries", "Entries in the ledger", head.size
            yield "postseal_ledger_age_seconds", "Since the last entry", age(head.at)
            yield "postseal_heartbeat_age_seconds", "Since a recorder was last known to be alive", age(beat)
            if audited is not None:
                yield "postseal_audit_age_seconds", "Since an audit was last recorded", age(audited)

    def note_use(self) -> None:
        """Write down when credentials were last used. Not on the event loop."""
        used, self._used = self._used, {}
        if used:
            self.credentials.touch(used)


class LastAudit:
    """When an audit was last recorded. Remembers how far it has looked; at first it goes back `MOST` of the log's own
    entries and no further."""

    MOST: Final = 100_000
    STEP: Final = 1000

    def __init__(self) -> None:
        self._seen: int | None = None
        self._at: int | None = None

    def find(self, reader: Reader, log: Chain) -> int | None:
        """In microseconds since 1970."""
        least = max(0, log.n - self.MOST) if self._seen is None else self._seen
        self._seen = log.n
        for stop in range(log.n, least, -self.STEP):
            for _, data in reversed(reader.chain_entries(log, max(least, stop - self.STEP), stop)):
                if b'"kind":"audit.reviewed"' in data:
                    self._at = parse_time(entry.decode(data).at)
                    return self._at
        return self._at


def serving(connection: HTTPConnection) -> Service:
    """The service that this request came to."""
    found: Service = connection.app.state.service
    return found
