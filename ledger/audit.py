"""Checks a whole log: every byte, hash, link and rule is computed again, and nothing the store says is believed.

The log is cut twice. First into parts by message, so that a part's chains fit into memory and parts can be replayed by
several processes (`ledger.replay`). Then, when every part has left its summary, into blocks, where the hashes of all
parts meet (`ledger.blocks`). What neither cut can see (tokens, transfers and acts that turn up in two parts, inputs,
closings, the log's keys and roots) is compared here, at the end.

How a reader cuts the log into parts is a matter of speed: one that cuts wrongly or leaves entries out fails the audit.
The summaries take 40 to 80 bytes an entry, in the process that asked for the audit.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import lt
from typing import Any, Final, Protocol

from ledger import blocks, checkpoint, merkle, note, statement
from ledger.blocks import BLOCK, LEVEL, Checked, Task, check_tiles, cut
from ledger.errors import LedgerError, ProofError
from ledger.journal import Record, differences
from ledger.merkle import HASH_SIZE, Frontier
from ledger.note import Verifier
from ledger.replay import Replay, Row, Summary
from ledger.rules import LIMIT, RULES_VERSION, Finding, Findings
from ledger.workers import pool

AT_ONCE: Final = 1 << 20
"""Entries whose chains are kept in memory at a time, by all processes together: some 250 MB."""


class Reader(Protocol):
    """A log as it is stored. Opened once in each process; all answers may be lies, an exception stops the audit."""

    def size(self) -> int:
        """One more than the greatest ``seq`` stored; 0 for an empty log. The first answer is what is audited."""

    def checkpoint(self) -> bytes:
        """The latest signed checkpoint, as a note; empty if there is none."""

    def rows(self, part: int, parts: int, size: int) -> Iterable[Sequence[Row]]:
        """The rows with ``seq`` < ``size`` and ``root % parts == part``, ascending by ``seq``, some thousand at a time.

        A row is (seq, root, chain number, n, leaf hash, entry bytes). ``root`` is the number of the chain of the
        message that the entry belongs to; 0 is the number of the log's own chain.
        """

    def tile(self, level: int, index: int) -> bytes | None:
        """A stored full tile, 8,192 bytes; None if it is not stored."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit came to. ``root`` is the recomputed root of all ``size`` entries.

    ``checkpoint_size``: how many entries the latest checkpoint covers, 0 if none was accepted; entries past it stand in
    the ledger and are not signed yet. ``outages`` are pairs of beats too far apart; they and ``clock_steps`` are facts,
    not findings.
    """

    origin: str
    size: int
    root: bytes
    findings: tuple[Finding, ...]
    checkpoint_size: int
    messages: int
    recipients: int
    outages: tuple[tuple[str, str], ...]
    clock_steps: int
    rules_version: int = RULES_VERSION

    @property
    def ok(self) -> bool:
        """Whether every rule held."""
        return not self.findings

    def statement(self) -> bytes:
        """The text for an auditor to sign (`ledger.statement.sign`). ProofError unless the audit passed."""
        if not self.ok:
            raise ProofError("a log that failed its audit gets no replay statement")
        return statement.format(self.origin, self.size, self.root, self.rules_version)


def audit(
    open_reader: Callable[[], Reader],
    *,
    origin: str,
    vkeys: Collection[str] = (),
    processes: int = 1,
    parts: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    expect: tuple[int, bytes] | None = None,
) -> Report:
    """Replay the log of ``origin``.

    ``vkeys`` are verifier keys of the log that the caller knows from elsewhere: the checkpoint must be signed by one of
    them, or by a key that endorsements lead to from them. Without any the log's first key vouches for itself, and a
    log forged whole passes. ``expect`` is a size and root seen before, which the log must extend.

    With more than one process ``open_reader`` is pickled. ``progress`` is told entries done and entries in all.
    """
    for vkey in vkeys:
        Verifier.parse(vkey)
    reader = open_reader()
    size = reader.size()
    latest = reader.checkpoint()
    parts = parts or processes * max(1, -(-size // AT_ONCE))
    report = progress or _silent
    with pool(open_reader, reader, processes) as workers:
        jobs = [(_replay, (origin, part, parts, size)) for part in range(parts)]
        summaries = workers.run(jobs, lambda done: report(done, size))
        whole = _Whole(origin, size, summaries, reader)
        whole.check_count()
        whole.check_parts()
        signed = whole.read_checkpoint(latest, vkeys)
        wanted = whole.wanted_roots(signed, expect)
        checked = workers.run(((_check_block, (task,)) for task in whole.blocks(wanted)), _ignore)
        whole.check_tree(checked, wanted)
    record = whole.record
    return Report(
        origin=origin,
        size=whole.size,
        root=whole.root,
        findings=whole.findings(),
        checkpoint_size=0 if signed is None else signed.size,
        messages=sum(s.messages for s in summaries),
        recipients=sum(s.recipients for s in summaries),
        outages=tuple(record.outages),
        clock_steps=record.steps,
    )


def _replay(reader: Reader, tell: Callable[[int], None], origin: str, part: int, parts: int, size: int) -> Summary:
    replay = Replay(origin)
    for chunk in reader.rows(part, parts, size):
        replay.feed(chunk)
        tell(len(chunk))
    return replay.finish()


def _check_block(reader: Reader, tell: Callable[[int], None], task: Task) -> Checked:
    return blocks.check(reader, task)


def _silent(done: int, size: int) -> None:
    return None


def _ignore(done: int) -> None:
    return None


@dataclass(slots=True)
class _Whole:
    """All parts together."""

    origin: str
    size: int
    summaries: list[Summary]
    reader: Reader
    record: Record = field(default_factory=Record)
    root: bytes = merkle.EMPTY_ROOT
    _found: Findings = field(default_factory=Findings)
    _block_findings: list[Finding] = field(default_factory=list)

    def findings(self) -> tuple[Finding, ...]:
        """Everything found, in ledger order."""
        found = {*self._found.items, *self._block_findings, *(f for s in self.summaries for f in s.findings)}
        return tuple(sorted(found)[:LIMIT])

    def check_count(self) -> None:
        """One row numbered far past all others must not make an audit look for all that should lie between."""
        missing = self.size - sum(len(s.seqs) for s in self.summaries)
        if missing > BLOCK:
            self.size -= missing
            self._found.add("seq", self.size, f"{missing} entries are missing")

    def check_parts(self) -> None:
        """What only shows when the parts are held against each other."""
        find, parts = self._found.add, self.summaries
        records = [s.record for s in parts if s.record is not None]
        if records:
            self.record = records[0]
        if len(records) != 1 or not self.record.first_vkey or not self.record.history.keys:
            find("genesis", 0, "the log is not opened once, by an entry 0 and an entry 1 that are to be found here")
        for seq in _repeated((cut(s.chains, 16), s.opened) for s in parts):
            find("chain.opening", seq, "an opening entry on a chain that is open")
        for seq in _repeated((s.numbers, s.opened) for s in parts):
            find("columns", seq, "two chains are stored under one number")
        for seq in _repeated((cut(s.tokens, HASH_SIZE), s.token_seqs) for s in parts):
            find("token", seq, "a link token opens a second chain")
        for seq in _repeated((cut(s.transfers, 16), s.transfer_seqs) for s in parts):
            find("transfer", seq, "this transfer was started before")
        self._check_acts()
        self._check_inputs()
        for seq, detail in differences(self.record, (c for s in parts for c in s.closings)):
            find("closing", seq, detail)

    def _check_acts(self) -> None:
        merged: dict[bytes, list[int]] = {}
        for summary in self.summaries:
            spans = summary.act_spans
            for place, act in enumerate(cut(summary.acts, 16)):
                first, last, count, chains = spans[4 * place : 4 * place + 4]
                known = merged.get(act)
                if known is None:
                    merged[act] = [first, last, count, chains]
                else:
                    merged[act] = [min(first, known[0]), max(last, known[1]), count + known[2], chains + known[3]]
        for first, last, count, chains in merged.values():
            if last - first + 1 != count:
                self._found.add("act", first, "the entries of this act do not stand together")
            elif chains < 2:
                self._found.add("act", first, "this act stands on one chain only")

    def _check_inputs(self) -> None:
        known = set(self.record.inputs)
        for references in (self.record.references, *(s.references for s in self.summaries)):
            inputs, by = references[::2], references[1::2]
            if known.issuperset(inputs) and all(map(lt, inputs, by)):
                continue
            for input_, seq in zip(inputs, by, strict=True):
                if input_ not in known or input_ >= seq:
                    self._found.add("input", seq, "no earlier entry recorded this input")

    def read_checkpoint(self, data: bytes, vkeys: Collection[str]) -> checkpoint.Checkpoint | None:
        """The latest checkpoint, if a live and trusted key signed it for a size the log has."""
        history = self.record.history
        try:
            said = checkpoint.parse(note.parse(data)[0])
            trusted = history.trusted(vkeys or {self.record.first_vkey})
            # What a log signs before it has an entry, it signs with the key that its first two introduce.
            live = [key.verifier for key in history.live(said.size or 2) if key.verifier.vkey in trusted]
            signed, _ = checkpoint.open(data, self.origin, live)
        except LedgerError as error:
            self._found.add("checkpoint", -1, str(error) if data else "there is none")
            return None
        if signed.size > self.size:
            self._found.add("checkpoint", -1, f"it covers {signed.size} entries, and {self.size} are here")
            return None
        return signed

    def wanted_roots(
        self, signed: checkpoint.Checkpoint | None, expect: tuple[int, bytes] | None
    ) -> list[tuple[int, bytes, str, int]]:
        """(size, root, rule, seq): what is said of the tree at some size, ascending."""
        wanted = [(r.size, r.root, "root", r.seq) for r in self.record.roots if r.size <= self.size]
        if signed is not None:
            wanted.append((signed.size, signed.root, "checkpoint", -1))
        if expect is not None and expect[0] > self.size:
            self._found.add("high-water", -1, f"the log had {expect[0]} entries, and has {self.size}")
        elif expect is not None:
            wanted.append((*expect, "high-water", -1))
        return sorted(wanted)

    def blocks(self, wanted: Sequence[tuple[int, bytes, str, int]]) -> Iterator[Task]:
        """The blocks, each with what every part has of it."""
        sizes = sorted({size for size, *_ in wanted})
        for summary in self.summaries:
            if summary.seqs and summary.seqs[-1] >= self.size:
                self._found.add("seq", summary.seqs[-1], "an entry past the end of the log")
        for first in range(0, self.size, BLOCK):
            end = min(first + BLOCK, self.size)
            low, high = bisect_right(sizes, first), bisect_right(sizes, end)
            yield Task(
                first,
                end - first,
                [blocks.piece(summary, first, end) for summary in self.summaries],
                self._leaf(first - 1),
                [size - first for size in sizes[low:high]],
            )

    def _leaf(self, seq: int) -> bytes:
        if seq < 0:
            return bytes(HASH_SIZE)
        for summary in self.summaries:
            place = bisect_left(summary.seqs, seq)
            if place < len(summary.seqs) and summary.seqs[place] == seq:
                return bytes(summary.leaves[HASH_SIZE * place : HASH_SIZE * (place + 1)])
        return b""

    def check_tree(self, checked: Sequence[Checked], wanted: Sequence[tuple[int, bytes, str, int]]) -> None:
        """The tree over the blocks' roots, and what was said of its roots."""
        frontier = Frontier()
        roots = {0: merkle.EMPTY_ROOT}
        sizes = sorted({size for size, *_ in wanted})
        levels: dict[int, list[bytes]] = {}
        latest = b""
        for number, block in enumerate(checked):
            first = number * BLOCK
            self._block_findings += block.findings
            if block.times[0] < latest:
                self._found.add("time", first, "recorded before the entry before it")
            latest = block.times[1] or latest
            asked = sizes[bisect_right(sizes, first) : bisect_right(sizes, min(first + BLOCK, self.size))]
            for size, root in [*zip(asked, block.roots, strict=True), (min(first + BLOCK, self.size), block.root)]:
                # A tree of whole blocks and a rest has the root of a tree whose last leaf is the rest's root.
                grown = Frontier.from_bytes(frontier.to_bytes())
                grown.append(root)
                roots[size] = grown.root()
            runs = frontier.extend([block.root])
            if first + BLOCK <= self.size:
                for run in runs:
                    levels.setdefault(run.level, []).extend(run.hashes)
        self.root = roots[self.size]
        for level, hashes in levels.items():
            if level % 8 == 0:
                check_tiles(self.reader, LEVEL + level, 0, hashes, self._found)
        for level in range(8):
            index = self.size >> 8 * (level + 1)
            # Unless the log has grown since its size was asked, and filled it.
            if self.reader.tile(level, index) is not None and self.reader.size() >> 8 * (level + 1) == index:
                self._found.add("tile", -1, f"tile {level}/{index} is stored before the tree has filled it")
        for size, root, rule, seq in wanted:
            if roots[size] != root:
                self._found.add(rule, seq, f"not the root of the tree of size {size}")


def _repeated(parts: Iterable[tuple[Sequence[Any], Sequence[int]]]) -> list[int]:
    """Where a value comes that came before, in ledger order, anywhere in the log."""
    parts = list(parts)
    values: set[object] = set()
    for items, _ in parts:
        values.update(items)
    if len(values) == sum(len(items) for items, _ in parts):
        return []
    values = set()
    found = []
    for seq, value in sorted((seq, value) for items, seqs in parts for value, seq in zip(items, seqs, strict=True)):
        if value in values:
            found.append(seq)
        values.add(value)
    return found
