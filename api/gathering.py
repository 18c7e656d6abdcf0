"""From many requests on the event loop to few batches for the writer, and the answers back.

A future for each request would wake the loop once for each; here all that are ready go to the sequencer together, and
the loop waits for their answers, but not for long. Nobody waits for company: a request that is alone is submitted
alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from ledger.errors import InFlight, LedgerError, Unavailable
from ledger.log import Log
from ledger.sequencer import Answer, Outcome, Submission

BATCH: Final = 1024
"""Requests handed over together."""

PATIENCE: Final = 0.05
"""Seconds the event loop stands still for a batch. Python runs one thread at a time: while the loop goes on, it and the
writer take turns at every row, which makes both several times slower. Past that the database is slow, and the loop has
others to answer."""

UNDER_WAY: Final = 32
"""What was handed over and not answered: while other processes write, the sequencer waits for the head and takes all
of it when it has that."""


class Gathering:
    """One per event loop. ``waiting`` bounds how many requests may be under way."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop, waiting: int) -> None:
        self._log = log
        self._loop = loop
        self._room = waiting
        self._keys: set[bytes] = set()
        self._ready: deque[tuple[Submission, asyncio.Future[Outcome]]] = deque()
        self._under_way: deque[Future[list[Answer]]] = deque()
        log.sequencer.taken = self._taken
        self._scheduled = False

    @property
    def queued(self) -> int:
        """Requests that wait for a batch."""
        return len(self._ready)

    async def write(self, submission: Submission) -> Outcome:
        """One act, durable when this returns. Raises what refused it; Unavailable, with nothing queued, when full."""
        if self._room <= 0:
            raise Unavailable("the ledger is busy; nothing was queued")
        key = submission.key
        if key is not None:
            if key in self._keys:
                raise InFlight("a request with this idempotency key is still being answered")
            self._keys.add(key)
        answered: asyncio.Future[Outcome] = self._loop.create_future()
        self._ready.append((submission, answered))
        self._room -= 1
        if not self._scheduled and len(self._under_way) < UNDER_WAY:
            # At the end of this turn of the loop: who else is ready by then comes along.
            self._scheduled = True
            self._loop.call_soon(self._send)
        try:
            # Shielded: a client that goes away does not take back what the ledger may be writing.
            return await asyncio.shield(answered)
        finally:
            if answered.done():
                answered.cancelled() or answered.exception()

    def _send(self) -> None:
        self._scheduled = False
        while self._ready and len(self._under_way) < UNDER_WAY:
            batch = [self._ready.popleft() for _ in range(min(BATCH, len(self._ready)))]
            try:
                future = self._log.submit([submission for submission, _ in batch])
            except LedgerError as error:
                self._settle(batch, [error] * len(batch))
                continue
            if self._log.sequencer.alone:
                with suppress(TimeoutError):
                    self._settle(batch, future.result(PATIENCE))
                    continue
            self._under_way.append(future)
            future.add_done_callback(lambda done, batch=batch: self._done(done, batch))  # type: ignore[misc]

    def _taken(self) -> None:
        # On the writer's thread. A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stand_still)

    def _stand_still(self) -> None:
        if self._under_way:
            with suppress(TimeoutError):
                self._under_way[0].exception(PATIENCE)

    def _done(self, future: Future[list[Answer]], batch: list[tuple[Submission, asyncio.Future[Outcome]]]) -> None:
        # On the writer's thread. A loop that is closed has nobody left to tell.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer, future, batch)

    def _answer(self, future: Future[list[Answer]], batch: list[tuple[Submission, asyncio.Future[Outcome]]]) -> None:
        self._under_way.remove(future)
        self._settle(batch, future.result())
        self._send()

    def _settle(self, batch: list[tuple[Submission, asyncio.Future[Outcome]]], answers: list[Answer]) -> None:
        self._room += len(batch)
        for (submission, answered), answer in zip(batch, answers, strict=True):
            if submission.key is not None:
                self._keys.discard(submission.key)
            if answered.done():
                continue
            if isinstance(answer, LedgerError):
                answered.set_exception(answer)
            else:
                answered.set_result(answer)
