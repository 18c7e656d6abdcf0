"""Turning an epoch: a new key-encryption key, every data key wrapped anew under it, the old one destroyed.

After it an older copy of the database cannot be read by whoever has no older copy of the key ring. In this order, each
step durable before the next, and all of it may be interrupted and begun again:

    new key in the ring -> data keys wrapped anew, some at a time under the writer's lock -> the head moved on
    -> under the lock once more, when nothing is under them: old keys destroyed -> the database made to forget

Others write in between: new data keys come under the new key from the first step on, because every process looks at
the ring's file before it uses a secret, and makes data keys under the same lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from ledger.errors import StoreUnavailable
from ledger.ids import uuid7
from ledger.keys import KeyRing
from ledger.store import Store
from ledger.store.append import Appender, Rows, check_mac, move_on
from ledger.store.destroying import scrub

AT_ONCE: Final = 2000
"""Data keys wrapped anew in one transaction: bounds how long others wait for the lock."""


@dataclass(frozen=True, slots=True)
class Turned:
    """What was done: the current ``epoch``, how many data keys came under it, which epochs' keys were ``destroyed``.

    ``finished``: a turn that had been interrupted, no new one. ``scrubbed``: the database has forgotten the old wrapped
    keys as well; where it has not, nothing opens them any more.
    """

    epoch: int
    wrapped: int
    destroyed: Sequence[int]
    finished: bool
    scrubbed: bool


def turn(store: Store, ring: KeyRing, now: Callable[[], int], progress: Callable[[int], None] | None = None) -> Turned:
    """Begin an epoch and end all before it; or, where a turn was interrupted, finish that one. ``now`` gives
    microseconds since 1970, ``progress`` is told how many data keys are done. SecretError, StoreUnavailable."""
    finished = bool(ring.past_epochs)
    if not finished:
        ring.new_epoch(now())
    appender = store.appender()
    try:
        wrapped = _rewrap(store, appender, ring, progress or (lambda _: None))
        _move_on(appender, ring)
        destroyed = _destroy(store, appender, ring, now)
    finally:
        appender.close()
    scrubbed = False
    with suppress(StoreUnavailable):
        scrub(store.engine)
        scrubbed = True
    return Turned(ring.epoch, wrapped, destroyed, finished, scrubbed)


def _rewrap(store: Store, appender: Appender, ring: KeyRing, progress: Callable[[int], None]) -> int:
    """Once through the table, by number: what is added meanwhile is under the new epoch already."""
    wrapped, last = 0, -1
    while True:
        check_mac(appender.begin(), partial(ring.blind, "head"))
        try:
            # Read under the lock: nobody changes a row between this and what takes its place.
            rows = store.reader.wrapped(ring.epoch, last, AT_ONCE)
            if not rows:
                appender.rollback()
                return wrapped
            made = [(*ring.rewrap_data_key(subject, epoch, key), no) for no, subject, epoch, key in rows]
            appender.rewrap(made)
            appender.commit()
        except BaseException:
            appender.rollback()
            raise
        wrapped += len(rows)
        last = rows[-1][0]
        progress(wrapped)


def _move_on(appender: Appender, ring: KeyRing) -> None:
    """Give the head another batch: who inspects the database meanwhile, with rows from before, learns that it moved."""
    mac = partial(ring.blind, "head")
    head = appender.begin()
    try:
        check_mac(head, mac)
        appender.write(Rows(), move_on(head, mac), uuid7(head.at, os.urandom(10)))
        appender.commit()
    except BaseException:
        appender.rollback()
        raise


def _destroy(store: Store, appender: Appender, ring: KeyRing, now: Callable[[], int]) -> list[int]:
    destroyed = ring.past_epochs
    check_mac(appender.begin(), partial(ring.blind, "head"))
    try:
        for epoch in destroyed:
            ring.destroy_epoch(epoch, now(), store.reader.count_under)
    finally:
        appender.rollback()
    return destroyed
