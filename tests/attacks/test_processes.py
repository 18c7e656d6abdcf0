"""An audit in several processes: what it must not do is to pass because somebody did not answer."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from ledger.audit import audit
from ledger.errors import Unavailable
from ledger.store.replayed import StoredLog
from tests.attacks.attacker import connect
from tests.attacks.checks import audited, broken
from tests.attacks.world import ORIGIN, World


class Dying(StoredLog):
    """Killed in the middle of its part, as by the kernel for want of memory."""

    def rows(self, part: int, parts: int, size: int) -> Iterator[Sequence[Any]]:
        for chunk in super().rows(part, parts, size):
            if part == parts - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield chunk


class Failing(StoredLog):
    """Meets an error of its database in the middle."""

    def rows(self, part: int, parts: int, size: int) -> Iterator[Sequence[Any]]:
        yield from super().rows(part, parts, size)
        if part == parts - 1:
            raise sqlite3.OperationalError("disk I/O error")


class Forgetful(StoredLog):
    """Says that one part is empty."""

    def rows(self, part: int, parts: int, size: int) -> Iterator[Sequence[Any]]:
        if part != parts - 1:
            yield from super().rows(part, parts, size)


class Repeating(StoredLog):
    """Gives every part everything: nothing is missing, and everything is there twice."""

    def rows(self, part: int, parts: int, size: int) -> Iterator[Sequence[Any]]:
        yield from super().rows(0, 1, size)


def ask(kind: type[StoredLog], world: World, **options: Any) -> dict[str, str]:
    return broken(audit(partial(kind, world.url, world.note), origin=ORIGIN, vkeys=world.vkeys, **options))


def test_a_process_that_dies_is_an_error(world: World) -> None:
    with pytest.raises(Unavailable, match="a process of the audit died"):
        ask(Dying, world, processes=2)


def test_a_process_that_fails_is_an_error(world: World) -> None:
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        ask(Failing, world, processes=2)
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        ask(Failing, world, parts=2)


def test_a_part_that_is_left_out_is_found(world: World) -> None:
    assert ask(Forgetful, world, parts=3)["seq"] == "an entry is missing"


def test_parts_that_are_given_twice_are_found(world: World) -> None:
    found = ask(Repeating, world, parts=2)
    assert "stands in the log twice" in found["seq"] and "genesis" in found


@pytest.mark.soak
@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("parts", [2, 3, 64, 1000])
def test_every_cut_says_the_same_of_a_good_and_of_a_bad_ledger(prey: World, processes: int, parts: int) -> None:
    assert audited(prey, processes=processes, parts=parts) == audited(prey)
    with connect(prey.path) as db:
        db.execute("UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), '\"G4\"', '\"G8\"') AS BLOB)")
    whole = audited(prey, processes=processes, parts=parts)
    assert broken(whole).keys() >= {"grade", "prev", "checkpoint", "tile"}
