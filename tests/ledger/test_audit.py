"""An audit passes a true log and names the rule that a false one breaks.

Most liars here hold the log's key: they change what an entry says, then chain, hash and sign everything again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from ledger import statement
from ledger.audit import Report, audit
from ledger.errors import FormatError, ProofError
from ledger.ids import format_time
from ledger.keyhistory import endorsement
from ledger.merkle import EMPTY_ROOT
from ledger.note import Signer, sign
from ledger.rules import LIMIT, RULES, RULES_VERSION
from tests.ledger.lies import CONSEQUENCES, DIVIDED, LIES, Lie, built, story
from tests.ledger.logmaker import (
    ORIGIN,
    Draft,
    Log,
    Maker,
    SqliteReader,
    build,
    write,
)


def check(log: Log, *, processes: int = 1, parts: int | None = None, **options: object) -> Report:
    return audit(log.reader(), origin=ORIGIN, processes=processes, parts=parts, **options)  # type: ignore[arg-type]


def rules(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


# Valid logs


def test_a_true_log_passes_and_is_counted() -> None:
    told = story()
    log = built(told)
    report = check(log, vkeys=[told.maker.signers[0].vkey], expect=(len(log.rows), log.root))
    assert report.findings == ()
    assert report.ok
    assert (report.size, report.root, report.checkpoint_size) == (len(log.rows), log.root, len(log.rows))
    assert (report.messages, report.recipients) == (3, 6)
    assert statement.parse(report.statement()) == statement.Statement(ORIGIN, report.size, log.root, RULES_VERSION)


def test_a_long_log_passes_in_every_division(tmp_path: Path) -> None:
    origin, vkey = write(tmp_path / "log.db", 70_000, seed=3)  # more than one block
    reader = partial(SqliteReader, str(tmp_path / "log.db"))
    reports = [
        audit(reader, origin=origin, vkeys=[vkey], processes=processes, parts=parts)
        for processes, parts in [(1, 1), (1, 5), (2, 2)]
    ]
    assert reports[0].ok
    assert reports[0].size >= 70_000
    assert reports[0] == reports[1] == reports[2]


def test_time_may_not_go_back_from_block_to_block() -> None:
    maker = Maker(6)
    drafts = list(maker.log_of(65_600))
    drafts[65_536].fields["at"] = drafts[0].fields["at"]
    report = check(build(drafts, maker.signers[-1]))
    assert [(f.rule, f.seq) for f in report.findings if f.seq == 65_536] == [("time", 65_536)]
    assert rules(report) == {"time"}


def test_progress_reaches_the_size() -> None:
    log = built(story())
    told: list[tuple[int, int]] = []
    check(log, parts=3, progress=lambda done, size: told.append((done, size)))
    assert told[-1] == (len(log.rows), len(log.rows))


def test_entries_past_the_checkpoint_are_no_finding() -> None:
    told = story()
    shorter = build(told.drafts[:-9], told.maker.signers[0])
    report = check(replace(built(told), note=shorter.note))
    assert report.ok
    assert report.checkpoint_size == len(told.drafts) - 9


def test_the_mark_of_a_log_whose_first_process_died_at_once_is_no_finding() -> None:
    told = story()
    first, later = told.maker.signers
    for signer, found in ((first, set()), (later, {"checkpoint"}), (Signer(ORIGIN, bytes(32)), {"checkpoint"})):
        report = check(replace(built(told), note=build([], signer).note), vkeys=[first.vkey], expect=(0, EMPTY_ROOT))
        assert (rules(report), report.checkpoint_size) == (found, 0)


def test_outages_and_steps_are_facts() -> None:
    told = story()
    last = told.maker.micros + 500_000_000
    told.drafts += [
        told.maker.own("clock.stepped", {"ahead": True, "micros": 5_000_000}, at=format_time(last)),
        told.maker.heartbeat(),
    ]
    report = check(built(told))
    assert report.ok
    assert report.clock_steps == 1
    assert len(report.outages) == 1
    assert report.outages[0][1] == format_time(last)


@pytest.mark.parametrize(("rule", "name", "change"), LIES, ids=[f"{r}-{n}" for r, n, _ in LIES])
def test_a_lie_is_found_whoever_signed_it(rule: str, name: str, change: Lie) -> None:
    told = story()
    change(told)
    log = built(told)
    report = check(log, vkeys=[told.maker.signers[0].vkey])
    assert rule in rules(report), report.findings
    assert rules(report) <= {rule} | CONSEQUENCES.get(name, set()), report.findings
    divided = check(log, parts=5, vkeys=[told.maker.signers[0].vkey])
    if name in DIVIDED:
        assert rule in rules(divided)
    else:
        assert divided == report


def test_two_processes_find_what_one_finds() -> None:
    told = story()
    for name in ("an_access_moved_to_another_recipient", "a_closing_without_the_log", "time_goes_back"):
        next(change for _, known, change in LIES if known == name)(told)
    log = built(told)
    assert rules(check(log)) == {"token", "closing", "time"}
    assert check(log, processes=2, parts=2) == check(log, processes=2, parts=3) == check(log)


# Thieves of the database, who hold no key


def tampered(change: Callable[[list[list[object]]], None]) -> Report:
    told = story()
    log = built(told)
    rows: list[list[object]] = [list(row) for row in log.rows]
    change(rows)
    claimed = len(log.rows)
    report = check(replace(log, rows=[tuple(row) for row in rows], claimed=claimed))  # type: ignore[misc]
    assert not report.ok
    return report


def test_every_flipped_bit_is_found() -> None:
    log = built(story())
    rng = random.Random(5)
    for _ in range(300):
        rows = [list(row) for row in log.rows]
        row = rng.choice(rows)
        data = bytearray(row[5])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        row[5] = bytes(data)
        assert "columns" in rules(check(replace(log, rows=rows))) or {"canonical", "schema"} & rules(  # type: ignore[arg-type]
            check(replace(log, rows=rows))  # type: ignore[arg-type]
        )


def test_columns_are_compared_not_believed() -> None:
    def number(rows: list[list[object]]) -> None:
        rows[20][2] = 17

    def place(rows: list[list[object]]) -> None:
        rows[20][3] = 17

    def leaf(rows: list[list[object]]) -> None:
        rows[20][4] = bytes(32)

    def root(rows: list[list[object]]) -> None:
        rows[20][1] = 17

    for change in (number, place, leaf, root):
        assert rules(tampered(change)) == {"columns"}

    def recipients_under_another_message(rows: list[list[object]]) -> None:
        for row in rows:
            if row[2] == 2:
                row[1] = 5

    def two_chains_under_one_number(rows: list[list[object]]) -> None:
        for row in rows:
            if row[2] == 2:
                row[2] = 3

    for change in (recipients_under_another_message, two_chains_under_one_number):
        assert rules(tampered(change)) == {"columns"}


def test_a_wrong_root_cannot_hide_a_chain_in_another_part() -> None:
    log = built(story())
    rows = [(s, 4 if s == 18 else r, c, n, leaf, e) for s, r, c, n, leaf, e in log.rows]
    assert not check(replace(log, rows=rows), parts=2).ok
    assert not check(replace(log, rows=rows), parts=5).ok


def test_a_fork_of_a_chain_cannot_hide_in_another_part() -> None:
    told = story()
    fork = Draft("message.refused", told.second.id, {"reason": "policy"}, told.second.id, {"n": 0, "cprev": None})
    told.drafts.append(fork)
    log = built(told)
    seq, root, chain, *rest = log.rows[-1]
    log.rows[-1] = (seq, root + 1000, chain + 1000, *rest)
    assert {"chain.opening"} <= rules(check(log))
    assert {"chain.opening"} <= rules(check(log, parts=4))


@pytest.mark.parametrize("value", [None, "x", 1.5, 18.0, b"x", -1, 2**63], ids=repr)
@pytest.mark.parametrize("column", range(6))
def test_hostile_columns_are_findings_not_crashes(column: int, value: object) -> None:
    def change(rows: list[list[object]]) -> None:
        assert rows[18][column] != value or type(rows[18][column]) is not type(value)
        rows[18][column] = value
        rows[8][column] = value

    log = built(story())
    rows: list[list[object]] = [list(row) for row in log.rows]
    change(rows)

    class Reader(type(log.reader()())):  # type: ignore[misc]
        def rows(self, part: int, parts: int, size: int) -> object:
            yield rows

    assert not audit(lambda: Reader(log), origin=ORIGIN).ok


def test_a_row_deleted_repeated_or_swapped() -> None:
    def delete(rows: list[list[object]]) -> None:
        del rows[20]

    def repeat(rows: list[list[object]]) -> None:
        rows.insert(20, rows[20])

    def swap(rows: list[list[object]]) -> None:
        rows[20], rows[21] = rows[21], rows[20]

    for change in (delete, repeat, swap):
        assert "seq" in rules(tampered(change))


def test_a_reader_that_gives_more_than_it_was_asked_for() -> None:
    log = built(story())
    report = check(replace(log, claimed=len(log.rows) - 2))
    assert rules(report) == {"checkpoint"}

    class Reader(type(log.reader()())):  # type: ignore[misc]
        def rows(self, part: int, parts: int, size: int) -> object:
            yield log.rows

    assert rules(audit(lambda: Reader(replace(log, claimed=len(log.rows) - 2)), origin=ORIGIN)) == {"checkpoint", "seq"}


def test_what_is_written_meanwhile_is_no_finding() -> None:
    """Tiles fill up behind the end that the audit began with."""
    maker = Maker(2)
    drafts = list(maker.log_of(900))
    grown = build(drafts, maker.signers[-1])
    shorter = build(drafts[:500], maker.signers[-1])
    assert len(grown.tiles) == 3 and len(shorter.tiles) == 1

    class Reader(type(grown.reader()())):  # type: ignore[misc]
        asked = 0

        def size(self) -> int:
            self.asked += 1
            return 500 if self.asked == 1 else len(grown.rows)

    assert audit(lambda: Reader(replace(grown, note=shorter.note)), origin=ORIGIN).ok


def test_a_tail_cut_off_leaves_a_checkpoint_too_large() -> None:
    log = built(story())
    assert rules(check(replace(log, rows=log.rows[:-2]))) == {"checkpoint"}


def test_an_empty_log() -> None:
    log = built(story())
    assert rules(check(replace(log, rows=[], tiles={}))) == {"genesis", "checkpoint"}
    assert rules(check(replace(log, rows=[], tiles={}, note=b""))) == {"genesis", "checkpoint"}


def test_tiles_are_those_of_the_tree() -> None:
    maker = Maker(2)
    log = build(list(maker.log_of(700)), maker.signers[-1])
    assert len(log.tiles) == 2
    assert check(log).ok
    for changed in (
        {(0, 0): log.tiles[0, 0]},
        {**log.tiles, (0, 1): bytes(8192)},
        {**log.tiles, (0, 2): bytes(8192)},
        {**log.tiles, (1, 0): bytes(8192)},
    ):
        assert rules(check(replace(log, tiles=changed))) == {"tile"}


# Checkpoints, keys, and what was seen before


def test_checkpoints_by_the_wrong_key_or_of_the_wrong_tree() -> None:
    told = story()
    log = built(told)
    retired, stranger = told.maker.signers[0], Signer(ORIGIN, bytes(32))
    other = build(story(8).drafts, told.maker.signers[-1])
    for note_ in (
        build(told.drafts, retired).note,
        build(told.drafts, stranger).note,
        other.note,
        b"",
        b"\xff",
        log.note[:-2],
        log.note.replace(b"60", b"060"),
    ):
        assert rules(check(replace(log, note=note_))) == {"checkpoint"}


def test_a_log_forged_whole_needs_a_key_known_from_elsewhere() -> None:
    forged = built(story(9))
    assert check(forged).ok
    vkey = story().maker.signers[0].vkey
    assert rules(check(forged, vkeys=[vkey])) == {"checkpoint"}


def test_a_pinned_key_that_a_forger_only_mentions_is_not_his() -> None:
    """The forger introduces the true key in a log of his own; only its own signature would make it speak for him."""
    told = story(9)
    true = story().maker.signers[0]
    endorsed = sign(endorsement(ORIGIN, true.vkey), [told.maker.signers[-1]]).decode()
    told.drafts.append(told.maker.own("key.introduced", {"vkey": true.vkey, "endorsement": endorsed}))
    assert rules(check(built(told), vkeys=[true.vkey])) == {"checkpoint"}


def test_a_later_key_is_trusted_through_its_endorsement() -> None:
    told = story()
    first, later = told.maker.signers
    assert check(built(told), vkeys=[first.vkey]).ok
    assert check(built(told), vkeys=[later.vkey]).ok
    with pytest.raises(FormatError):
        check(built(told), vkeys=["nonsense"])


def test_the_high_water_mark() -> None:
    told = story()
    log = built(told)
    earlier = build(told.drafts[:30], told.maker.signers[0])
    assert check(log, expect=(30, earlier.root)).ok
    assert rules(check(log, expect=(30, bytes(32)))) == {"high-water"}
    assert rules(check(log, expect=(31, earlier.root))) == {"high-water"}
    assert rules(check(log, expect=(len(log.rows) + 1, log.root))) == {"high-water"}


def test_a_failed_audit_makes_no_statement() -> None:
    log = built(story())
    with pytest.raises(ProofError):
        check(replace(log, note=b"")).statement()


# Hostile bytes, and what a report holds


def test_no_bytes_escape_as_an_exception() -> None:
    log = built(story())
    rng = random.Random(11)
    for _ in range(400):
        rows = list(log.rows)
        place = rng.randrange(len(rows))
        seq, root, chain, n, leaf, data = rows[place]
        kind = rng.randrange(5)
        said = orjson.loads(data)
        if kind == 0:
            data = rng.randbytes(rng.randrange(400))
        elif kind == 1:
            data = data[: rng.randrange(len(data))]
        elif kind == 2:
            said[rng.choice(list(said))] = rng.choice([None, 0, -1, "", [], {}, "x", 2**60, True])
            data = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        elif kind == 3 and said["facts"]:
            facts = said["facts"]
            facts[rng.choice(list(facts))] = rng.choice([None, 0, -1, "", [], {}, "x", 2**60, True, ["x"], "f1", "r1"])
            data = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        else:
            said["kind"] = orjson.loads(rng.choice(log.rows)[5])["kind"]
            data = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        rows[place] = (seq, root, chain, n, leaf, data)
        changed = data != log.rows[place][5]
        assert check(replace(log, rows=rows)).ok is not changed


def test_findings_are_few_and_hold_no_personal_data() -> None:
    maker = Maker(4)
    drafts = list(maker.log_of(2000))
    for draft in drafts:
        if draft.kind == "message.opened":
            draft.facts["grade"] = "G8"
    report = check(build(drafts, maker.signers[-1]))
    assert len(report.findings) == LIMIT
    assert list(report.findings) == sorted(report.findings)


def test_every_rule_is_broken_by_some_test() -> None:
    elsewhere = {"columns", "tile", "checkpoint", "high-water"}
    assert {rule for rule, _, _ in LIES} | elsewhere == set(RULES)


def test_every_rule_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    section = page.split("## Rules of a replay, version 1")[1].split("\n## ")[0]
    assert {rule for rule in RULES if f"| `{rule}` |" in section} == set(RULES)
