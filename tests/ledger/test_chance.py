"""Random bytes from a pool: each is handed out once, to one caller, in one process."""

from __future__ import annotations

import os
import threading

import pytest

from ledger.chance import POOL, Chance


class Counter:
    """A source whose every eight bytes are different."""

    def __init__(self) -> None:
        self.count = 0
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self, size: int) -> bytes:
        with self.lock:
            self.calls += 1
            first, self.count = self.count, self.count + -(-size // 8)
        return b"".join(k.to_bytes(8, "big") for k in range(first, self.count))[:size]


@pytest.mark.parametrize("size", [8, 16, 104, 8000, POOL, POOL + 8, 3 * POOL])
def test_nothing_is_handed_out_twice(size: int) -> None:
    source = Counter()
    chance = Chance(source)
    seen: set[bytes] = set()
    for _ in range(30):
        got = chance(size)
        assert len(got) == size
        pieces = {got[k : k + 8] for k in range(0, size, 8)}
        assert len(pieces) == size // 8 and not pieces & seen
        seen |= pieces
    assert source.calls <= 30 * size // POOL + 31


def test_small_pieces_take_few_calls() -> None:
    source = Counter()
    chance = Chance(source)
    for _ in range(POOL // 16):
        chance(16)
    assert source.calls == 1


def test_threads_do_not_share() -> None:
    chance = Chance(Counter())
    got: list[list[bytes]] = [[] for _ in range(4)]

    def draw(mine: list[bytes]) -> None:
        for _ in range(5000):
            mine.append(chance(24))

    threads = [threading.Thread(target=draw, args=(mine,)) for mine in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pieces = [piece[k : k + 8] for mine in got for piece in mine for k in (0, 8, 16)]
    assert len(set(pieces)) == len(pieces) == 4 * 5000 * 3


def test_salts_are_all_different() -> None:
    chance = Chance()
    salts = [chance.salt() for _ in range(5000)]
    assert len(set(salts)) == 5000
    assert all(len(salt) == 22 for salt in salts)


def test_a_forked_child_does_not_repeat_its_parent() -> None:
    chance = Chance()
    chance(16)
    chance.salt()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing but this may run here: the child shares everything with the tests.
        try:
            os.write(writing, chance(64) + chance.salt())
        finally:
            os._exit(0)
    os.close(writing)
    theirs = os.read(reading, 1000)
    os.close(reading)
    assert os.waitpid(child, 0)[1] == 0
    ours = chance(64) + chance.salt()
    assert len(theirs) == len(ours) == 86
    assert theirs[:64] != ours[:64] and theirs[64:] != ours[64:]


def test_the_default_is_the_systems_source() -> None:
    assert len({Chance()(16) for _ in range(100)}) == 100
