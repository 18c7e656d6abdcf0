"""Makes whole logs, valid ones and ones that lie: drafts of entries in order, and `build`, which gives them their
numbers, hashes, chains, tree, tiles and checkpoint.

A test changes drafts and builds: everything is then chained and signed again, as somebody who holds the log's key would
do, and only the rule he broke can tell. A field that a draft sets itself is taken as it is. What depends on places in
the log is written as `Ref`, `Keys` and `RootAt`, and resolved when it is built.
"""

from __future__ import annotations

import base64
import random
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from ledger import checkpoint, note, tiles
from ledger.checkpoint import Checkpoint
from ledger.ids import format_time, uuid7
from ledger.keyhistory import endorsement
from ledger.merkle import Frontier
from ledger.note import Signer

ORIGIN = "log.example.org/mail"
START = 1_780_000_000_000_000
ZERO = "0" * 64
GRADES = {
    "recipient.identified": "G6",
    "recipient.acknowledged": "G8",
    "relay.accepted": "G1",
    "relay.deferred": "G0",
    "delivery.delivered": "G2",
    "delivery.bounced": "G0",
    "message.opened": "G3",
    "link.opened": "G4",
    "link.confirmed": "G5",
    "download.started": "G4",
    "download.completed": "G7",
    "download.aborted": "G4",
}


@dataclass(eq=False)
class Draft:
    """An entry to be: its fields, without those `build` computes. ``root`` is the id of the message it belongs to."""

    kind: str
    chain: str
    facts: dict[str, Any]
    root: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    sealed: list[str] = field(default_factory=list)

    def get(self, name: str) -> Any:
        return self.facts.get(name)


@dataclass(frozen=True)
class Ref:
    """The seq of a draft."""

    draft: Draft


@dataclass(frozen=True)
class Keys:
    """The seq of every key entry so far."""


@dataclass(frozen=True)
class RootAt:
    """The root of the tree of the first ``size`` entries; of all before it, unless `Builder.keep` has that size."""

    size: int


Row = tuple[int, int, int, int, bytes, bytes]


@dataclass
class Log:
    """A built log. Rows are (seq, root, chain number, n, leaf, entry)."""

    rows: list[Row]
    tiles: dict[tuple[int, int], bytes]
    root: bytes
    note: bytes
    claimed: int | None = None

    def reader(self) -> Callable[[], MemoryReader]:
        return partial(MemoryReader, self)


class MemoryReader:
    """A `ledger.audit.Reader` over a `Log`."""

    def __init__(self, log: Log, chunk: int = 1000) -> None:
        self._log = log
        self._chunk = chunk

    def size(self) -> int:
        return len(self._log.rows) if self._log.claimed is None else self._log.claimed

    def checkpoint(self) -> bytes:
        return self._log.note

    def rows(self, part: int, parts: int, size: int) -> Iterator[list[Row]]:
        rows = [row for row in self._log.rows if row[1] % parts == part and row[0] < size]
        for start in range(0, len(rows), self._chunk):
            yield rows[start : start + self._chunk]

    def tile(self, level: int, index: int) -> bytes | None:
        return self._log.tiles.get((level, index))


class SqliteReader:
    """A `ledger.audit.Reader` over a file that `write_sqlite` made, with the columns of the ledger's own tables."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def size(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(seq), -1) + 1 FROM entries").fetchone()[0])

    def checkpoint(self) -> bytes:
        return bytes(self._db.execute("SELECT note FROM checkpoint").fetchone()[0])

    def rows(self, part: int, parts: int, size: int) -> Iterator[list[Row]]:
        select = "SELECT seq, root, chain, n, leaf, entry FROM entries WHERE seq < ?"
        if parts == 1:
            cursor = self._db.execute(f"{select} ORDER BY seq", (size,))
        else:
            cursor = self._db.execute(f"{select} AND root % ? = ? ORDER BY seq", (size, parts, part))
        while chunk := cursor.fetchmany(2000):
            yield chunk

    def tile(self, level: int, index: int) -> bytes | None:
        found = self._db.execute("SELECT data FROM tiles WHERE level = ? AND n = ?", (level, index)).fetchone()
        return None if found is None else bytes(found[0])


def write_sqlite(path: Path, rows: Iterator[Row] | Sequence[Row], note_: Callable[[], bytes], tiles_: Any) -> None:
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    db.executescript(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
        "CREATE TABLE entries (seq INTEGER PRIMARY KEY, root INTEGER, chain INTEGER, n INTEGER, leaf BLOB, entry BLOB);"
        "CREATE TABLE tiles (level INTEGER, n INTEGER, data BLOB, PRIMARY KEY (level, n));"
        "CREATE TABLE checkpoint (note BLOB);"
    )
    db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
    db.execute("INSERT INTO checkpoint VALUES (?)", (note_(),))
    db.executemany("INSERT INTO tiles VALUES (?, ?, ?)", ((level, n, data) for (level, n), data in tiles_.items()))
    db.commit()
    db.close()


class Builder:
    """Turns drafts into rows, one after the other."""

    def __init__(self) -> None:
        self.size = 0
        self.frontier = Frontier()
        self.edge: dict[int, bytes] = {}
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.roots: dict[int, bytes] = {}
        self.keep: set[int] = set()
        self._waiting: list[bytes] = []
        self._previous = ZERO
        self._heads: dict[str, tuple[int, str]] = {}
        self._numbers: dict[str, int] = {}
        self._seqs: dict[int, int] = {}
        self._keys: list[int] = []
        self._at = format_time(START)

    def add(self, draft: Draft) -> Row:
        fields, seq = draft.fields, self.size
        number = self._numbers.setdefault(draft.chain, len(self._numbers))
        root = self._numbers.get(draft.root or draft.chain, number)
        n, cprev = self._heads.get(draft.chain, (0, None))
        self._at = fields.get("at", self._at)
        if self.size in self.keep:
            self.roots[self.size] = self.root()
        if draft.kind.startswith("key."):
            self._keys.append(seq)
        said: dict[str, Any] = {
            "at": self._at,
            "chain": draft.chain,
            "facts": self._resolve(draft.facts),
            "kind": draft.kind,
            "n": n,
            "prev": self._previous,
            "sealed": draft.sealed,
            "seq": seq,
            "source": "system",
            "v": 1,
        }
        if cprev is not None:
            said["cprev"] = cprev
        said.update(fields)
        said = {name: value for name, value in said.items() if value is not None}
        data = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        leaf = sha256(b"\0" + data).digest()
        self._previous = leaf.hex()
        self._heads[draft.chain] = said["n"] + 1, self._previous
        self._seqs[id(draft)] = seq
        self._waiting.append(leaf)
        if len(self._waiting) == tiles.FULL:
            self._grow()
        self.size += 1
        return seq, root, number, said["n"], leaf, data

    def _grow(self) -> None:
        runs = self.frontier.extend(self._waiting)
        self._waiting = []
        self.edge, full = tiles.grow(self.edge, runs)
        self.tiles.update(((tile.level, tile.index), data) for tile, data in full)

    def root(self) -> bytes:
        self._grow()
        return self.frontier.root()

    def checkpoint(self, signer: Signer) -> bytes:
        return checkpoint.sign(Checkpoint(ORIGIN, self.size, self.root()), signer)

    def _resolve(self, value: Any) -> Any:
        if type(value) is dict:
            return {name: self._resolve(item) for name, item in value.items()}
        if type(value) is Ref:
            return self._seqs[id(value.draft)]
        if type(value) is Keys:
            return list(self._keys)
        if type(value) is RootAt:
            return self.roots[value.size].hex() if value.size in self.roots else self.root().hex()
        return value


class Maker:
    """Drafts of a valid log: messages with 1 to 4 recipients, what happens to them, and the log's own life."""

    def __init__(self, seed: int = 1, origin: str = ORIGIN) -> None:
        self.random = random.Random(seed)
        self.micros = START
        self.origin = origin
        self.signers = [self._signer()]
        self.log = self.id()
        self.instance = self.id()
        self.inputs: list[Draft] = []
        self._number = 0

    def _signer(self) -> Signer:
        return Signer(self.origin, self.random.randbytes(32))

    def id(self) -> str:
        self.micros += 7
        return uuid7(self.micros, self.random.randbytes(10))

    def hash(self) -> str:
        return self.random.randbytes(32).hex()

    def digest(self) -> str:
        return base64.urlsafe_b64encode(self.random.randbytes(32))[:43].decode()

    def digests(self, count: int = 3) -> list[str]:
        return sorted(self.digest() for _ in range(count))

    def own(self, kind: str, facts: dict[str, Any], **fields: Any) -> Draft:
        return Draft(kind, self.log, facts, self.log, fields)

    def opening(self) -> list[Draft]:
        vkey = self.signers[0].vkey
        return [
            self.own("ledger.opened", {"log": self.log, "origin": self.origin, "vkey": vkey}),
            self.own("key.introduced", {"vkey": vkey}),
            self.own("ledger.started", {"instance": self.instance, "store": "sqlite", "version": "0.1.0"}),
        ]

    def heartbeat(self) -> Draft:
        return self.own("ledger.heartbeat", {"instance": self.instance})

    def rotation(self) -> list[Draft]:
        old, new = self.signers[-1], self._signer()
        self.signers.append(new)
        endorsed = note.sign(endorsement(self.origin, new.vkey), [old]).decode()
        return [
            self.own("key.introduced", {"vkey": new.vkey, "endorsement": endorsed}),
            self.own("key.retired", {"vkey": old.vkey}),
        ]

    def webhook(self) -> Draft:
        draft = self.own("webhook.received", {"attestation": "A", "provider": "ses", "items": 1})
        draft.sealed = self.digests(1)
        self.inputs.append(draft)
        return draft

    def message(self, recipients: int = 2, files: int = 3, tokens: int = 1) -> Message:
        return Message(self, recipients, files, tokens)

    def log_of(self, size: int, active: int = 100) -> Iterator[Draft]:
        """About ``size`` drafts, messages interleaved, ``at`` changing every few dozen entries."""
        count = 0
        steps: list[Iterator[list[Draft]]] = []
        pending: list[Draft] = self.opening()
        beats = rotations = stamps = 0
        while True:
            for draft in pending:
                if count % 32 == 0:
                    self.micros += 20_000
                    draft.fields.setdefault("at", format_time(self.micros))
                yield draft
                count += 1
            if count >= size:
                return
            if count // 3000 > beats:
                beats += 1
                pending = [self.heartbeat()]
            elif count // 40_000 > rotations:
                rotations += 1
                pending = self.rotation()
            elif count // 7_000 > stamps:
                stamps += 1
                pending = [
                    self.own("checkpoint.timestamped", {"size": count, "root": RootAt(count), "token": self.hash()})
                ]
            else:
                place = self.random.randrange(active)
                if place >= len(steps):
                    place = len(steps)
                    steps.append(self.life())
                pending = next(steps[place], None) or []
                if not pending:
                    steps[place] = self.life()
                    pending = next(steps[place])

    def life(self) -> Iterator[list[Draft]]:
        """What happens to one message, step by step."""
        rng = self.random
        message = self.message(rng.choice((1, 1, 2, 3, 4, 4)), rng.choice((1, 2, 3)))
        yield message.recorded()
        count = len(message.recipients)
        for k in range(1, count + 1):
            code = {"code": 250, "status": "2.0.0", "tls": True}
            yield [message.event("relay.accepted", k, source="gateway", **code)]
        for k in range(1, count + 1):
            if rng.random() < 0.7:
                hook = self.webhook()
                yield [hook, message.event("delivery.delivered", k, source="webhook", input=Ref(hook), item=0)]
            elif rng.random() < 0.1:
                yield [message.event("delivery.bounced", k, source="report", attestation="E", status="5.1.1")]
                continue
            if rng.random() < 0.8:
                yield [message.event("message.opened", k, token=message.token(k), verdict=message.verdict())]
            if rng.random() < 0.5:
                link = message.event("link.opened", k, token=message.token(k), verdict=message.verdict())
                yield [link]
                if rng.random() < 0.2:
                    yield [message.entry("event.reclassified", k, {"event": Ref(link), "verdict": message.verdict()})]
            if rng.random() < 0.4:
                yield from message.download(k, rng.randint(1, message.files))
        if rng.random() < 0.1:
            yield [message.event("message.opened", 0, attribution="none", source="webhook", attestation="C")]
        if rng.random() < 0.15:
            block = self.id()
            yield message.block(block, "all")
            yield [message.entry("access.denied", 1, {"asked": "download.started", "block": block, "file": "f1"})]
            yield [message.event("download.started", 1, source="import", file="f1", transfer=self.id(), late=True)]
            if rng.random() < 0.5:
                yield message.lift(block)
                yield from message.download(1, 1)
        if rng.random() < 0.15:
            yield message.certificate()


class Message:
    """Drafts about one message."""

    def __init__(self, maker: Maker, recipients: int, files: int, tokens: int) -> None:
        self.maker = maker
        self.id = maker.id()
        self.files = files
        self.recipients = [maker.id() for _ in range(recipients)]
        self.tokens = [[maker.hash() for _ in range(tokens)] for _ in range(recipients)]

    def token(self, k: int) -> str:
        return self.tokens[k - 1][0]

    def verdict(self) -> dict[str, str]:
        agent = self.maker.random.choice(("machine", "person", "unknown"))
        return {"agent": agent, "rule": "prefetch", "list": "2026-07", "inputs": self.maker.digest()}

    def entry(self, kind: str, k: int, facts: dict[str, Any], **fields: Any) -> Draft:
        """On the message's chain (0) or that of recipient ``k``."""
        chain = self.recipients[k - 1] if k else self.id
        return Draft(kind, chain, facts, self.id, {"source": "api", **fields}, self.maker.digests())

    def event(self, kind: str, k: int, source: str = "portal", **facts: Any) -> Draft:
        said = {"attestation": "D", "attribution": "exact", "grade": GRADES[kind], **facts}
        occurred = format_time(self.maker.micros - 1_500_000 - self.maker.random.randrange(500_000))
        clock = "observed" if source in ("portal", "gateway") else "stated"
        return self.entry(kind, k, said, source=source, occurred=occurred, clock=clock)

    def recorded(self) -> list[Draft]:
        act = self.maker.id()
        count = len(self.recipients)
        facts = {
            "content": "kept",
            "envelope": "given",
            "files": self.files,
            "fingerprint": "v1",
            "grade": "G0",
            "recipients": count,
        }
        message = self.entry("message.recorded", 0, facts, act=act)
        message.sealed = self.maker.digests(4 + count + self.files)
        drafts = self._continued(message, "sealed", [])
        for k in range(1, count + 1):
            added = {"message": self.id, "recipient": f"r{k}"}
            draft = self.entry("recipient.added", k, added, act=act)
            drafts += self._continued(draft, "tokens", self.tokens[k - 1])
        return drafts

    def _continued(self, draft: Draft, name: str, items: list[str]) -> list[Draft]:
        if name == "sealed":
            items, draft.sealed = draft.sealed, draft.sealed[:256]
        elif items or name == "files":
            draft.facts[name] = items[:256]
        drafts = [draft]
        for part in range(1, -(-len(items) // 256)):
            some = items[256 * part : 256 * part + 256]
            facts: dict[str, Any] = {"part": part} if name == "sealed" else {"part": part, name: some}
            more = Draft(f"{draft.kind}.continued", draft.chain, facts, draft.root, {**draft.fields})
            more.sealed = some if name == "sealed" else []
            drafts.append(more)
        return drafts

    def download(self, k: int, file: int) -> Iterator[list[Draft]]:
        facts = {"file": f"f{file}", "transfer": self.maker.id()}
        yield [self.event("download.started", k, **facts)]
        if self.maker.random.random() < 0.9:
            yield [self.event("download.completed", k, **facts)]
        else:
            yield [self.event("download.aborted", k, **facts, reason="closed")]

    def block(self, block: str, scope: str, k: int = 0, files: list[str] | None = None) -> list[Draft]:
        act = self.maker.id()
        covered = [k] if k else range(1, len(self.recipients) + 1)
        files = files if files is not None else [f"f{i}" for i in range(1, self.files + 1)]
        said = {"block": block, "scope": scope}
        on_message = {**said, "recipients": len(covered), **({"recipient": f"r{k}"} if k else {})}
        drafts = self._continued(self.entry("block.applied", 0, on_message, act=act), "files", files)
        for one in covered:
            drafts += self._continued(self.entry("block.applied", one, {**said}, act=act), "files", files)
        return drafts

    def lift(self, block: str, k: int = 0) -> list[Draft]:
        act = self.maker.id()
        covered = [k] if k else range(1, len(self.recipients) + 1)
        return [self.entry("block.lifted", one, {"block": block}, act=act) for one in [0, *covered]]

    def certificate(self, k: int = 0) -> list[Draft]:
        self.maker._number += 1
        act = self.maker.id()
        said = {"certificate": "access", "claims": self.maker.hash(), "number": f"ps-{self.maker._number}"}
        covered = [k] if k else range(1, len(self.recipients) + 1)
        drafts = [self.entry("certificate.issued", one, {**said}, act=act) for one in covered]
        on_message = {**said, "recipients": len(covered), **({"recipient": f"r{k}"} if k else {})}
        drafts.append(self.entry("certificate.issued", 0, on_message, act=act))
        on_log = {**said, "message": self.id, "keys": Keys(), "pending": 0}
        drafts.append(self.maker.own("certificate.issued", on_log, act=act, source="api"))
        sealed = {"number": said["number"], "sha256": self.maker.hash()}
        return [*drafts, self.entry("certificate.sealed", 0, sealed)]


def build(drafts: Sequence[Draft], signer: Signer) -> Log:
    """All of it, chained and signed."""
    builder = Builder()
    rows = [builder.add(draft) for draft in drafts]
    return Log(rows, builder.tiles, builder.root(), builder.checkpoint(signer))


def write(path: Path, size: int, seed: int = 1) -> tuple[str, str]:
    """A valid log of about ``size`` entries as an SQLite file, never held in memory. Origin and first key."""
    maker, builder = Maker(seed), Builder()
    rows = (builder.add(draft) for draft in maker.log_of(size))
    write_sqlite(path, rows, lambda: builder.checkpoint(maker.signers[-1]), builder.tiles)
    return maker.origin, maker.signers[0].vkey


if __name__ == "__main__":
    print(*write(Path(sys.argv[1]), int(sys.argv[2])))
