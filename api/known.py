"""API keys as this process knows them: asked of the database once a second each, and once for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import anyio.to_thread

from ledger.store.credentials import Credential

SECONDS: Final = 1.0
"""How long a process takes a credential for what it was: another process's revocation counts from then on."""

AHEAD: Final = 0.5
"""Seconds before that in which it is asked for again, so that nobody waits for it who is heard of all the time."""

MOST: Final = 10_000
"""Credentials remembered."""


class Known:
    """One per event loop. ``find`` looks a key up; it is called on a worker thread."""

    def __init__(self, find: Callable[[str], Credential | None]) -> None:
        self._find = find
        self._known: dict[str, tuple[float, Credential]] = {}
        self._asked: dict[str, asyncio.Task[Credential | None]] = {}
        self._revoked = 0

    async def find(self, key: str) -> Credential | None:
        """The credential, as it was at most `SECONDS` ago; None for a key that was not made here."""
        until, credential = self._known.get(key, (0.0, None))
        left = until - time.monotonic()
        if credential is None or left < 0:
            return await asyncio.shield(self._ask(key))
        if left < AHEAD:
            self._ask(key)
        return credential

    def forget(self, id: str) -> None:
        """A credential was revoked here: it counts at once."""
        self._revoked += 1
        self._known = {key: known for key, known in self._known.items() if known[1].id != id}

    def _ask(self, key: str) -> asyncio.Task[Credential | None]:
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.get_running_loop().create_task(self._look(key))
            asked.add_done_callback(partial(self._answered, key))
        return asked

    async def _look(self, key: str) -> Credential | None:
        while True:
            now, revoked = time.monotonic(), self._revoked
            found = await anyio.to_thread.run_sync(self._find, key)
            if self._revoked == revoked:
                break
            # It may have been this one, and found before that.
        if found is None:
            self._known.pop(key, None)
        else:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = now + SECONDS, found
        return found

    def _answered(self, key: str, asked: asyncio.Task[Credential | None]) -> None:
        del self._asked[key]
        # Whoever waits is told what went wrong; where nobody does, it will be asked again.
        asked.cancelled() or asked.exception()
