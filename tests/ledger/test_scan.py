"""The fast way to read an entry accepts what `ledger.entry` accepts, and nothing else."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from msgspec import UNSET

from ledger import entry, scan, spelling
from ledger.errors import FormatError
from tests.ledger.logmaker import Maker, build

VALUES: tuple[Any, ...] = (
    "",
    "x",
    "X",
    "f1",
    "f01",
    "f100000",
    "r1",
    "r1\n",
    "G0",
    "2.0.0",
    "2.0.0\n",
    "a" * 64,
    "A" * 64,
    "a" * 64 + "\n",
    "a" * 65,
    "A" * 43,
    "A" * 42 + "B",
    "A" * 42 + "\n",
    "A" * 42 + "é",
    "0197a5d0-ac96-774b-bcce-b302099a8057",
    "0197a5d0-ac96-474b-bcce-b302099a8057",
    "0197a5d0-ac96-774b-bcce-b302099a8057\n",
    "é",
    "\u0000",
    0,
    1,
    -1,
    2**53 - 1,
    2**53,
    1.0,
    None,
    True,
    False,
    [],
    ["f1"],
    ["f1", "r1"],
    ["a" * 64],
    ["r1", "r2"],
    {},
    {"agent": "machine", "inputs": "A" * 43, "list": "x", "rule": "x"},
    {"agent": "machine", "inputs": "A" * 43, "list": "X", "rule": "x"},
)


def mutants(count: int) -> list[bytes]:
    """Entries of every kind that a log has, with a field or two changed, and bytes that are none."""
    maker = Maker(5)
    rows = build(list(maker.log_of(1500)), maker.signers[-1]).rows
    by_kind: dict[str, list[bytes]] = {}
    for row in rows:
        by_kind.setdefault(orjson.loads(row[5])["kind"], []).append(row[5])
    rng = random.Random(3)
    made = []
    for _ in range(count):
        said = orjson.loads(rng.choice(by_kind[rng.choice(sorted(by_kind))]))
        for _ in range(rng.randint(0, 2)):
            where = said if rng.random() < 0.3 or not isinstance(said["facts"], dict) else said["facts"]
            names = [*where, "file", "token", "late", "verdict", "reason", "candidates", "act", "occurred", "clock"]
            where[rng.choice(names)] = copy.deepcopy(rng.choice(VALUES))
        if not isinstance(said["facts"], dict):
            said["facts"] = {}
        data = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        if rng.random() < 0.05:
            data = data.replace(b",", b", ", 1)
        if rng.random() < 0.05:
            data = data[: rng.randrange(len(data))]
        made.append(data)
    return made


def slowly(data: bytes) -> bool:
    try:
        entry.decode(data)
    except FormatError:
        return False
    return True


def quickly(data: bytes) -> bool:
    """With the facts tested that a replay compares."""
    try:
        line = scan.read(data)
        reading = scan.READINGS[type(line)]
        if reading.check is not None and not reading.check(line.facts):
            reading.check_all(line.facts)
        for name in scan.COMPARED.get(reading.name, ()):
            value = getattr(line.facts, name)
            for word in () if value is UNSET else (value,) if isinstance(value, str) else value:
                TESTS[name](word)
    except FormatError:
        return False
    return True


def an_id(word: str) -> None:
    if not scan.is_id(word):
        raise FormatError("not an id")


TESTS: dict[str, Callable[[str], object]] = {
    "block": an_id,
    "candidates": scan.Ordinals("r"),
    "file": scan.Ordinals("f"),
    "message": an_id,
    "recipient": scan.Ordinals("r"),
    "token": scan.parse_hash,
    "tokens": scan.parse_hash,
    "transfer": an_id,
}


def test_it_accepts_what_the_authority_accepts() -> None:
    data = mutants(20_000)
    expected = [slowly(one) for one in data]
    assert 2_000 < sum(expected) < 18_000
    # Twice: the second time with all words known.
    for _ in range(2):
        assert [quickly(one) for one in data] == expected


@pytest.mark.parametrize("value", [v for v in VALUES if isinstance(v, str)], ids=ascii)
def test_spellings_are_those_of_the_format(value: str) -> None:
    def authority(pattern: Any) -> bool:
        try:
            msgspec.convert(value, pattern)
        except msgspec.ValidationError:
            return False
        return True

    assert scan.is_hash(value) == authority(spelling.Hash)
    assert scan.is_id(value) == authority(spelling.Id)
    assert (len(value) == 43 and scan.are_digests([value])) == authority(spelling.Digest)


def test_times_are_those_of_the_format() -> None:
    times = scan.Times()
    good = "2026-07-01T12:00:00.123456Z"
    times.check(good)
    for bad in (
        good[:-1],
        good + "Z",
        good.replace("Z", "z"),
        good.replace("3456", "٣٤٥٦"),
        good.replace("123456", "12345 "),
        good.replace("123456", "+12345"),
        good.replace(".", ","),
        "2026-02-29T12:00:00.123456Z",
        "1969-07-01T12:00:00.123456Z",
        "2026-07-01T24:00:00.123456Z",
        "2026-07-01T12:00:60.123456Z",
        "",
    ):
        with pytest.raises(FormatError):
            times.check(bad)
        with pytest.raises(FormatError):
            entry.check_time(bad)


def test_no_log_can_fill_the_memory() -> None:
    times = scan.Times()
    for second in range(3 * scan.KNOWN):
        times.check(f"2026-07-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000000Z")
    assert len(times._seconds) <= scan.KNOWN
    reading = next(r for r in scan.READINGS.values() if r.name == "message.refused")
    assert reading.check is not None
    kept = 0
    for number in range(3 * scan.KNOWN):
        facts = _refused(f"reason{number}")
        if not reading.check(facts):
            reading.check_all(facts)
        kept = max(kept, max(len(words) for words in scan._words.values()))
    assert kept <= scan.KNOWN + 1


def _refused(reason: str) -> Any:
    fields = {
        "at": "2026-07-01T12:00:00.123456Z",
        "chain": "0197a5d0-ac96-774b-bcce-b302099a8057",
        "facts": {"reason": reason},
        "kind": "message.refused",
        "n": 0,
        "prev": "0" * 64,
        "sealed": [],
        "seq": 0,
        "source": "api",
        "v": 1,
    }
    return scan.read(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).facts
