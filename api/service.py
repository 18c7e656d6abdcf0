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

from api import answers
from api.errors import Problem
from api.gathering import Gathering
from api.metrics import Metrics, age
from api.roles import may
from api.settings import Settings
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.ids import parse_time
from ledger.log import Log
from ledger.sequencer import Outcome
from ledger.store.credentials import Credential, Credentials

KNOWN_SECONDS: Final = 1.0
"""How long a process takes a credential for what it was: another process's revocation counts from then on."""

FRESH_SECONDS: Final = 0.1
"""How old a checkpoint may be that is handed out."""

KNOWN: Final = 10_000
"""Credentials remembered."""


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
        self._known: dict[str, tuple[float, Credential]] = {}
        self._used: dict[str, int] = {}
        self._gathering: Gathering | None = None
        self._checkpoint = log.checkpoint()
        self._checkpoint_until = 0.0

    @property
    def gathering(self) -> Gathering:
        """The way to the writer, on the loop that is running."""
        if self._gathering is None:
            self._gathering = Gathering(self.log, asyncio.get_running_loop(), self.settings.queue)
        return self._gathering

    async def caller(self, connection: HTTPConnection, act: str) -> Caller:
        """Who sent this request, if he may do ``act``. Problem otherwise."""
        said = connection.headers.getlist("authorization")
        # Of two, whoever looked on the way may have looked at the other.
        if len(said) != 1:
            raise Problem("no-key", "send one API key: Authorization: Bearer postseal_...")
        scheme, _, key = said[0].partition(" ")
        if scheme.lower() != "bearer":
            raise Problem("no-key", "the Authorization header must be: Bearer, and an API key")
        credential = await self._find(key.strip())
        if credential is None or credential.revoked is not None:
            raise Problem("wrong-key", "this API key is not known here, or was revoked")
        if not may(credential.role, act):
            raise Problem("forbidden", f"a key of role {credential.role} may not do this")
        connection.scope.setdefault("state", {})["caller"] = {"key": credential.id, "role": credential.role}
        return Caller(credential.id, credential.role, f"{credential.label} ({credential.role}, key {credential.id})")

    def actor(self, caller: Caller) -> tuple[str, str]:
        """Whose data key protects the caller's name, and the name."""
        return f"person:{self.log.ring.blind('actor', caller.id).hex()}", caller.name

    async def _find(self, key: str) -> Credential | None:
        now = time.monotonic()
        known = self._known.get(key)
        if known is None or now > known[0]:
            found = await anyio.to_thread.run_sync(self.credentials.find, key)
            if found is None:
                self._known.pop(key, None)
                return None
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[key] = now + KNOWN_SECONDS, found
        self._used[known[1].id] = time.time_ns() // 1000
        return known[1]

    async def receipt(self, outcome: Outcome, index: int = 0) -> dict[str, Any]:
        """The receipt of one entry of an act, as JSON."""
        return answers.receipt(await anyio.to_thread.run_sync(self.log.receipt, outcome, index))

    async def checkpoint(self, holding: int = 0) -> tuple[Checkpoint, bytes]:
        """A state and its signed note, at most `FRESH_SECONDS` old: readers are not to tax the database. Never an older
        one than before; and the newest if it must hold ``holding`` entries, because whoever has a receipt knows of a
        state that was not read here yet."""
        now = time.monotonic()
        if now > self._checkpoint_until or self._checkpoint[0].size < holding:
            found = await anyio.to_thread.run_sync(self.log.checkpoint)
            if found[0].size >= self._checkpoint[0].size:
                self._checkpoint = found
            self._checkpoint_until = now + FRESH_SECONDS
        return self._checkpoint

    def _gauges(self) -> Iterator[tuple[str, str, float]]:
        """Read for `/metrics`, on a worker thread."""
        queued = self.log.queued + (0 if self._gathering is None else self._gathering.queued)
        yield "postseal_queue", "Acts that wait for the writer of this process, or are being written", queued
        yield "postseal_writer_halted", "1 when the writer has stopped for good", float(self.log.halted is not None)
        # Without the database the rest cannot be told; that it is away shows in what is missing.
        with suppress(LedgerError):
            head = self.log.reader.head()
            beat = parse_time(self.log.reader.log_chain().beat)
            yield "postseal_ledger_entries", "Entries in the ledger", head.size
            yield "postseal_ledger_age_seconds", "Since the last entry", age(head.at)
            yield "postseal_heartbeat_age_seconds", "Since a recorder was last known to be alive", age(beat)

    def forget(self, id: str) -> None:
        """A credential was revoked here: it counts at once."""
        self._known = {key: known for key, known in self._known.items() if known[1].id != id}

    def note_use(self) -> None:
        """Write down when credentials were last used. Not on the event loop."""
        used, self._used = self._used, {}
        if used:
            self.credentials.touch(used)


def serving(connection: HTTPConnection) -> Service:
    """The service that this request came to."""
    found: Service = connection.app.state.service
    return found
