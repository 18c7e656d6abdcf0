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

from ledger import entry, scan, schema, spelling
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
        _, reading, facts = scan.read(data)
        reading.check_words(facts)
        for name in scan.COMPARED.get(reading.name, ()):
            value = getattr(facts, name)
            for word in () if value is UNSET else (value,) if isinstance(value, str) else value:
                TESTS[name](word)
    except FormatError:
        return False
    return True


def an_id(word: str) -> None:
    if not schema.is_id(word):
        raise FormatError("not an id")


TESTS: dict[str, Callable[[str], object]] = {
    "block": an_id,
    "candidates": schema.Ordinals("r"),
    "file": schema.Ordinals("f"),
    "message": an_id,
    "recipient": schema.Ordinals("r"),
    "token": schema.parse_hash,
    "tokens": schema.parse_hash,
    "transfer": an_id,
}


def test_it_accepts_what_the_authority_accepts() -> None:
    data = mutants(20_000)
    expected = [slowly(one) for one in data]
    assert 2_000 < sum(expected) < 18_000
    # Twice: the second time with all words known.
    for _ in range(2):
        assert [quickly(one) for one in data] == expected


def each(data: bytes) -> list[Any] | None:
    """What `scan.read_all` should say of an entry, field by field; None where it should say nothing."""
    try:
        loose, reading, facts = scan.read(data)
        reading.check_words(facts)
        entry.check_sealed(loose.sealed)
        if loose.occurred is not UNSET:
            entry.check_time(loose.occurred)
        if (loose.occurred is UNSET) != (loose.clock is UNSET):
            return None
    except FormatError:
        return None
    return list(loose.spread(reading.said(facts)))


def test_many_at_once_are_what_each_is_by_itself() -> None:
    times = scan.Times()
    accepted = 0
    for data in mutants(20_000):
        lines = scan.read_all([data], times)
        if lines is not None:
            accepted += 1
            assert [column[0] for column in lines] == each(data)
    assert accepted > 2_000


def test_true_entries_are_read_many_at_once() -> None:
    """Slowly is how the others are read: were it all of them, nobody would notice but by the clock."""
    maker = Maker(8)
    rows = build(list(maker.log_of(3000)), maker.signers[-1]).rows
    data = [row[5] for row in rows]
    lines = scan.read_all(data, scan.Times())
    assert lines is not None
    assert [list(row) for row in zip(*lines, strict=True)] == [each(one) for one in data]


def test_no_entry_hides_in_another() -> None:
    maker = Maker(9)
    one, two, three = [row[5] for row in build(maker.message().recorded(), maker.signers[-1]).rows][:3]
    times = scan.Times()
    assert scan.read_all([one, two, three], times) is not None
    for data in (
        [one + b"\n" + two, three],
        [one + b"\n" + two, b""],
        [b"\n" + one],
        [b"x\n" + one],
        [one + b"\n"],
        [one + b"\nx", two],
        [one, b"", two],
        [one + two],
        [one.replace(b"api", b"ap\xff")],
        [one.replace(b"v1", b"v\xed\xa0\x80")],
        [one.replace(b'"kept"', b'"\\u006bept"')],
        [one.replace(b"}", b" " * entry.MAX_BYTES + b"}", 1)],
    ):
        assert scan.read_all(data, times) is None, data


def test_sealed_lists_are_those_of_the_format() -> None:
    rng = random.Random(2)
    maker = Maker(10)
    good = bad = 0
    for _ in range(3000):
        lists = [maker.digests(rng.choice((0, 1, 2, 3, 3, 3, 10))) for _ in range(rng.randint(1, 6))]
        if rng.random() < 0.7:
            one = rng.choice(lists)
            damage = rng.randrange(6)
            if damage == 0:
                rng.shuffle(one)
            elif damage == 1 and one:
                one.append(rng.choice(one))
            elif damage == 2 and one:
                # Alike but for the end: what tells them apart comes late.
                one.append(max(one)[:42] + rng.choice("AEIMQUYcgkosw048BZ"))
            elif damage == 3 and one:
                place = rng.randrange(43)
                one[0] = one[0][:place] + rng.choice('",é\n =+/') + one[0][place + 1 :]
            elif damage == 4 and one:
                one[-1] = one[-1][: rng.randrange(43)]
            elif damage == 5:
                one += sorted(maker.digests(256))
        try:
            for digests in lists:
                if len(digests) > 256 or {*map(len, digests)} > {43}:
                    raise FormatError("refused by its type")
                entry.check_sealed(digests)
            expected = all(len(digest) == 43 for digests in lists for digest in digests)
        except FormatError:
            expected = False
        texts = [",".join(f'"{digest}"' for digest in digests) for digests in lists]
        assert scan.are_sealed(texts) is expected, lists
        good, bad = good + expected, bad + (not expected)
    assert good > 800 and bad > 800
    assert not scan.are_sealed(['"', '"' * 45, "," * 45])


@pytest.mark.parametrize("value", [v for v in VALUES if isinstance(v, str)], ids=ascii)
def test_spellings_are_those_of_the_format(value: str) -> None:
    def authority(pattern: Any) -> bool:
        try:
            msgspec.convert(value, pattern)
        except msgspec.ValidationError:
            return False
        return True

    assert schema.is_hash(value) == schema.are_hashes([value]) == authority(spelling.Hash)
    assert schema.is_id(value) == authority(spelling.Id)
    assert ('"' not in value and scan.are_sealed([f'"{value}"'])) == authority(spelling.Digest)


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
    assert times.know([good[:20], "", "2026-07-01T12:00:01."])
    for bad in (
        "2026-02-29T12:00:00.",
        "2026-07-01T12:00:00",
        "2026-07-01T24:00:00.",
        "1969-07-01T12:00:00.",
    ):
        assert not times.know([good[:20], bad])


def test_no_log_can_fill_the_memory() -> None:
    times = scan.Times()
    for second in range(3 * schema.KNOWN):
        times.check(f"2026-07-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000000Z")
    assert len(times._seconds) <= schema.KNOWN
    reading = scan.READINGS["message.refused"]
    assert reading.check is not None
    kept = 0
    for number in range(3 * schema.KNOWN):
        facts = _refused(f"reason{number}")
        if not reading.check(facts):
            reading.check_all(facts)
        kept = max(kept, max(len(words) for words in schema._words.values()))
        scan._learn(f'{{"reason":"{facts.reason}"}},"kind":"message.refused')
        kept = max(kept, len(scan._said))
    assert kept <= schema.KNOWN + 1


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
    return scan.read(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))[2]
