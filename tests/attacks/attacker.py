"""Whoever holds the log's key, and with it the database: he changes what he likes and writes everything anew.

`Attacker` reads a database into `Item`s, which a test edits, drops, inserts and moves. `Attacker.rewrite` then gives
every entry its seq, prev, n and cprev again, follows references to entries that moved, computes leaf hashes, tiles,
edge, head and every projection, encrypts again what the ring opens, and signs the new tree. What is left to find him by
is only what he really changed.

``alone`` is the weaker one, who has the log's key without the key ring: boxes of entries that moved stay as they were.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from ledger import checkpoint, disclosure, drafts, vault
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError
from ledger.ids import parse_time, uuid7
from ledger.keys import KeyRing
from ledger.merkle import Frontier
from ledger.note import Signer
from ledger.store.append import CHAIN_COLUMNS, Head, lookup_row, row_of
from ledger.store.projections import Folded, fold
from ledger.tiles import grow

ZERO = "0" * 64
_ids = iter(range(1, 1 << 30))
_opened: dict[bytes, tuple[str, ...]] = {}


@dataclass(eq=False)
class Item:
    """One entry as JSON. ``force`` overrides what `rewrite` computes, ``columns`` what is stored beside the entry, and
    ``raw`` the bytes themselves. ``boxes`` are (subject, disclosures)."""

    data: dict[str, Any]
    seq: int = -1
    boxes: list[tuple[str, list[str]]] = field(default_factory=list)
    force: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    raw: Callable[[bytes], bytes] = lambda data: data
    refs: dict[str, Any] = field(default_factory=dict)
    first: int = -1

    @property
    def kind(self) -> str:
        return str(self.data["kind"])

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.data["facts"]
        return facts

    @property
    def chain(self) -> str:
        return str(self.data["chain"])

    def copy(self, **changes: Any) -> Item:
        """Another like it, without what is sealed; ``changes`` go into the facts."""
        data = json.loads(json.dumps(self.data))
        data["sealed"] = []
        data["facts"] |= changes
        return Item(data, refs=dict(self.refs))

    def seal(self, subject: str, *disclosures: tuple[str, Any]) -> None:
        """Seal more on it."""
        texts = [disclosure.make(name, value, os.urandom(16)) for name, value in disclosures]
        self.boxes.append((subject, texts))
        self.data["sealed"] = sorted([*self.data["sealed"], *map(disclosure.digest, texts)])


def new_id(at: int = 1_780_000_000_000_000) -> str:
    return uuid7(at, next(_ids).to_bytes(10, "big"))


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """The database as a file that one may write to."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


class Attacker:
    """Over a database at rest."""

    def __init__(self, path: Path, ring: KeyRing, alone: bool = False) -> None:
        self.path = path
        self._ring = ring
        self._alone = alone
        self.signer: Signer = ring.signer()
        with connect(path) as c:
            self.log, self.origin = c.execute("SELECT log, origin FROM head").fetchone()
            entries = c.execute("SELECT seq, entry FROM entries ORDER BY 1").fetchall()
            self.items = [Item(orjson.loads(data), seq) for seq, data in entries]
            self._keys = {no: row for no, *row in c.execute("SELECT no, subject, epoch, wrapped FROM data_keys")}
            self._sealed = c.execute("SELECT seq, key, box FROM sealed ORDER BY seq, key").fetchall()
            self._requests = [
                (key, digest, [self.items[int(seq)] for seq in seqs.split()])
                for key, digest, seqs in c.execute("SELECT key, digest, seqs FROM requests")
            ]
            self._seen = [(key, self.items[seq]) for key, seq in c.execute("SELECT key, seq FROM seen")]
        self._numbers = {row[0]: no for no, row in self._keys.items()}
        self._ciphers: dict[int, Any] = {}
        if not alone:
            self._open()
        for item in self.items:
            self._refer(item)

    def _cipher(self, no: int) -> Any:
        if no not in self._ciphers:
            self._ciphers[no] = self._ring.open_data_key(*self._keys[no])
        return self._ciphers[no]

    def _open(self) -> None:
        for seq, no, box in self._sealed:
            # Opening everything takes a while, and one ledger is attacked a hundred times.
            if box not in _opened:
                _opened[box] = tuple(vault.open_box(self._cipher(no), self.log, seq, box))
            self.items[seq].boxes.append((self._keys[no][0], list(_opened[box])))
        self._kept = {(seq, self._keys[no][0], _opened[box]): (no, box) for seq, no, box in self._sealed}

    def _refer(self, item: Item) -> None:
        facts = item.facts
        for name in ("event", "input"):
            if type(facts.get(name)) is int:
                item.refs[name] = self.items[facts[name]]
        if "keys" in facts:
            item.refs["keys"] = [self.items[seq] for seq in facts["keys"]]
        if item.kind in ("audit.reviewed", "checkpoint.timestamped"):
            item.refs["size"] = self.items[facts["size"] - 1]

    # Finding

    def find(self, kind: str, where: Callable[[Item], bool] = lambda item: True) -> list[Item]:
        """Entries of a kind, in order."""
        return [item for item in self.items if item.kind == kind and where(item)]

    def one(self, kind: str, where: Callable[[Item], bool] = lambda item: True) -> Item:
        """The first such entry."""
        return self.find(kind, where)[0]

    def on(self, chain: str) -> list[Item]:
        """The entries of a chain."""
        return [item for item in self.items if item.chain == chain]

    def act(self, item: Item) -> list[Item]:
        """The entries of the act that this one is of."""
        return [other for other in self.items if other.data.get("act") == item.data["act"]]

    def message_of(self, item: Item) -> str:
        """Id of the message that a recipient's or message's entry belongs to."""
        first = self.on(item.chain)[0]
        return str(first.facts.get("message", first.chain))

    def recipients(self, message: str) -> list[Item]:
        """The openings of a message's recipients' chains."""
        return self.find("recipient.added", lambda item: item.facts["message"] == message)

    # Changing

    def drop(self, *items: Item) -> None:
        gone = set(map(id, items))
        self.items = [item for item in self.items if id(item) not in gone]

    def insert(self, after: Item, *items: Item) -> None:
        place = self.items.index(after) + 1
        for item in items:
            item.data["at"] = after.data["at"]
        self.items[place:place] = items

    def swap(self, one: Item, other: Item) -> None:
        a, b = self.items.index(one), self.items.index(other)
        self.items[a], self.items[b] = other, one

    # Writing it all anew

    def bless(self, c: sqlite3.Connection) -> None:
        """Put the ring's MAC on the head as it stands."""
        columns = Head.__slots__
        head = Head(*c.execute(f"SELECT {', '.join(columns)} FROM head").fetchone())
        c.execute("UPDATE head SET mac = ?", [self._ring.blind("head", head.claim())])

    def rewrite(self) -> tuple[Checkpoint, bytes]:
        """Make the whole database say it; the signed checkpoint of what it says now."""
        rows = self._rows()
        with connect(self.path) as c:
            c.execute("BEGIN")
            for table in ("entries", "sealed", "requests", "seen", "tiles", "edge", "chains", "tokens", "transfers"):
                c.execute(f"DELETE FROM {table}")
            c.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._write_boxes(c)
            self._write_lookups(c, rows)
            known = {id(item): row for item, row in zip(self.items, rows, strict=True)}
            requests = [
                (key, digest, " ".join(str(known[id(item)][0]) for item in items if id(item) in known))
                for key, digest, items in self._requests
            ]
            c.executemany("INSERT INTO requests VALUES (?, ?, ?)", [row for row in requests if row[2]])
            seen = [(known[id(item)][2], key, known[id(item)][0]) for key, item in self._seen if id(item) in known]
            c.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", seen)
            state = self._write_derived(c, rows)
            c.execute("COMMIT")
        return state, checkpoint.sign(state, self.signer)

    def _rows(self) -> list[tuple[Any, ...]]:
        numbers: dict[str, tuple[int, int]] = {}
        heads: dict[str, tuple[int, str]] = {}
        frontier, roots, previous = Frontier(), {0: Frontier().root()}, ZERO
        sizes = {id(item.refs["size"]) for item in self.items if "size" in item.refs}
        for seq, item in enumerate(self.items):
            item.first, item.seq = (seq if item.seq < 0 else item.seq), seq
        rows: list[tuple[Any, ...]] = []
        leaves: list[bytes] = []
        for seq, item in enumerate(self.items):
            data = item.data
            n, leaf = heads.get(item.chain, (-1, ""))
            data |= {"seq": seq, "prev": previous, "n": n + 1}
            data.pop("cprev", None)
            if leaf:
                data["cprev"] = leaf
            self._resolve(item, roots)
            data |= item.force
            octets = item.raw(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
            raw = sha256(b"\0" + octets).digest()
            heads[item.chain] = data["n"], raw.hex()
            if item.chain not in numbers:
                no = len(numbers)
                owner = numbers.get(str(item.facts.get("message"))) if item.kind == "recipient.added" else None
                numbers[item.chain] = no, no if owner is None else owner[0]
            no, root = numbers[item.chain]
            said = {"root": root, "chain": no, "n": data["n"], "leaf": raw, "entry": octets} | item.columns
            rows.append((seq, said["root"], said["chain"], said["n"], said["leaf"], said["entry"]))
            leaves.append(raw)
            if id(item) in sizes:
                frontier.extend(leaves)
                roots[seq + 1], leaves = frontier.root(), []
            previous = raw.hex()
        return rows

    def _resolve(self, item: Item, roots: dict[int, bytes]) -> None:
        facts = item.facts
        for name in ("event", "input"):
            if name in item.refs:
                facts[name] = item.refs[name].seq
        if "keys" in item.refs:
            facts["keys"] = [key.seq for key in item.refs["keys"]]
        if "size" in item.refs:
            facts["size"] = item.refs["size"].seq + 1
            facts["root"] = roots[facts["size"]].hex()

    def _write_boxes(self, c: sqlite3.Connection) -> None:
        if self._alone:
            new = {item.first: item.seq for item in self.items}
            moved = [(new[seq], key, box) for seq, key, box in self._sealed if seq in new]
            c.executemany("INSERT OR IGNORE INTO sealed VALUES (?, ?, ?)", moved)
            return
        boxes = []
        for item in self.items:
            for subject, texts in item.boxes:
                no, box = self._kept.get((item.seq, subject, tuple(texts)), (self._numbers[subject], None))
                box = box or vault.seal_box(self._cipher(no), self.log, item.seq, texts, os.urandom(12))
                boxes.append((item.seq, no, box))
        c.executemany("INSERT INTO sealed VALUES (?, ?, ?)", boxes)

    def _write_lookups(self, c: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> None:
        """What messages are found by, from what is sealed on them now; without the ring nobody can."""
        if self._alone:
            return
        c.execute("DELETE FROM lookups")
        parts: dict[int, dict[str, list[tuple[str, Any]]]] = {}
        for item, row in zip(self.items, rows, strict=True):
            if item.kind.startswith("message.recorded"):
                for subject, texts in item.boxes:
                    facts = [(fact.name, fact.value) for fact in map(disclosure.parse, texts)]
                    parts.setdefault(row[2], {}).setdefault(subject, []).extend(facts)
        for no, said in parts.items():
            made = drafts.lookups_of(said.items(), self._ring.blinds)
            c.executemany("INSERT INTO lookups VALUES (?, ?, ?, ?)", [lookup_row(blind, no, s) for blind, s in made])

    def add_key(self, subject: str) -> None:
        """A data key for a subject that had none."""
        epoch, wrapped, cipher = self._ring.new_data_key(subject)
        no = max(self._keys) + 1
        self._keys[no] = [subject, epoch, wrapped]
        self._numbers[subject], self._ciphers[no] = no, cipher
        with connect(self.path) as c:
            c.execute("INSERT INTO data_keys VALUES (?, ?, ?, ?)", (no, subject, epoch, wrapped))

    def _write_derived(self, c: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> Checkpoint:
        frontier = Frontier()
        edge, full = grow({}, frontier.extend([sha256(b"\0" + row[5]).digest() for row in rows]))
        c.executemany("INSERT INTO tiles VALUES (?, ?, ?)", [(tile.level, tile.index, data) for tile, data in full])
        c.executemany("INSERT INTO edge VALUES (?, ?)", [(level, data) for level, data in edge.items() if level > 0])
        try:
            folded = fold([rows])
        except LedgerError:
            # What is no entry adds up to nothing.
            folded = Folded()
        # The database itself will not hold two chains of one recipient, so one of them is left out.
        marks = ", ".join("?" * len(CHAIN_COLUMNS.split(", ")))
        c.executemany(
            f"INSERT OR IGNORE INTO chains VALUES ({marks})", [row_of(chain) for chain in folded.chains.values()]
        )
        c.executemany("INSERT INTO tokens VALUES (?, ?)", folded.tokens.items())
        c.executemany("INSERT INTO transfers VALUES (?, ?, ?, ?)", [(k, *v) for k, v in folded.transfers.items()])
        at = self.items[-1].data["at"]
        # Keys nothing is sealed under any more would give him away.
        c.execute("DELETE FROM data_keys WHERE no NOT IN (SELECT key FROM sealed)")
        c.execute(
            "UPDATE head SET size = ?, root = ?, frontier = ?, leaf = ?, at = ?, chains = ?",
            (len(rows), frontier.root(), frontier.to_bytes(), rows[-1][4].hex(), parse_time(at), len(folded.chains)),
        )
        if not self._alone:
            self.bless(c)
        return Checkpoint(self.origin, len(rows), frontier.root())
