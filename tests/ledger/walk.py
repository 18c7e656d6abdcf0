"""A whole database held against its entries, and the entries against docs/format.md. Shares nothing with
`ledger.audit`, so that the writer is not checked by its own friends only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from msgspec import UNSET

from ledger import disclosure, entry, event, schema, spelling, terms, vault
from ledger.entry import Entry
from ledger.keys import KeyRing
from ledger.merkle import Frontier
from ledger.state import Chain
from ledger.store import tables
from ledger.store.append import row_of
from ledger.store.engine import open_engine
from ledger.store.read import dump

TABLES = tuple(tables.metadata.tables)


@dataclass
class Walked:
    """What stands in a database, checked."""

    entries: list[Entry]
    leaves: list[bytes]
    tables: Mapping[str, list[tuple[Any, ...]]]

    @property
    def size(self) -> int:
        return len(self.entries)

    def root(self, size: int) -> bytes:
        return root(self.leaves[:size])

    def kinds(self, chain: str | None = None) -> list[str]:
        return [e.kind for e in self.entries if chain in (None, e.chain)]


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, bottom up: an odd one out climbs as it is."""
    if not leaves:
        return sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        odd = [level.pop()] if len(level) % 2 else []
        level = [node(level[k], level[k + 1]) for k in range(0, len(level), 2)] + odd
    return level[0]


def walk(url: str, ring: KeyRing | None = None) -> Walked:
    """Check everything; with ``ring`` also that what is sealed opens to exactly the digests in the entries."""
    engine = open_engine(url)
    try:
        found = dump(engine, TABLES)
    finally:
        engine.dispose()
    rows = [_plain(row) for row in found["entries"]]
    walked = Walked(
        [entry.from_bytes(row[5]) for row in rows],
        [sha256(b"\0" + row[5]).digest() for row in rows],
        {name: [_plain(row) for row in found[name]] for name in TABLES},
    )
    chains = _entries(walked)
    _head(walked, chains)
    _tree(walked)
    _projections(walked, chains)
    _acts(walked.entries)
    if ring is not None:
        _lookups(walked, ring, _sealed(walked, ring))
    return walked


def _plain(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def _entries(walked: Walked) -> list[Chain]:
    """Each entry on its own, its place in the log and on its chain. Returns the chains folded anew."""
    chains: dict[str, Chain] = {}
    previous, at = entry.ZERO, ""
    for seq, (made, leaf, row) in enumerate(zip(walked.entries, walked.leaves, walked.tables["entries"], strict=True)):
        assert made.seq == seq == row[0]
        assert made.prev == previous
        assert made.at >= at
        previous, at = leaf.hex(), made.at
        chain = chains.get(made.chain)
        facts: Any = made.facts
        kind = event.KINDS[made.kind]
        assert kind.opens == (chain is None), f"entry {seq}: {made.kind}"
        if chain is None:
            no, mother = len(chains), None
            if made.kind == "recipient.added":
                mother = chains[facts.message]
            ordinal = 0 if mother is None else spelling.ordinal(facts.recipient)
            chain = Chain(no, made.chain, no if mother is None else mother.no, ordinal, mother.files if mother else 0)
            chains[made.chain] = chain
        schema.check_facts(kind, chain.type, made.facts)
        assert made.n == chain.n
        assert made.cprev == (chain.leaf if chain.n else UNSET)
        assert row == (seq, chain.root, chain.no, made.n, leaf, row[5])
        chain.fold(made, leaf.hex())
    return list(chains.values())


def _head(walked: Walked, chains: Sequence[Chain]) -> None:
    (head,) = walked.tables["head"]
    said = dict(zip(tables.head.c.keys(), head, strict=True))
    assert said["size"] == walked.size
    assert said["root"] == walked.root(walked.size)
    assert said["leaf"] == (walked.leaves[-1].hex() if walked.leaves else entry.ZERO)
    assert said["chains"] == len(chains)
    frontier = Frontier()
    frontier.extend(walked.leaves)
    assert said["frontier"] == frontier.to_bytes()
    if walked.entries:
        assert (said["log"], said["origin"]) == (walked.entries[0].chain, walked.entries[0].facts.origin)  # type: ignore[attr-defined]
        numbers = [no for no, _ in walked.tables["batches"]]
        assert numbers[-1] == said["batch"] and numbers == list(range(numbers[0], numbers[-1] + 1))


def _tree(walked: Walked) -> None:
    tiles: list[tuple[int, int, bytes]] = []
    edge: list[tuple[int, bytes]] = []
    level, hashes = 0, walked.leaves
    while hashes:
        full = len(hashes) // 256
        tiles += [(level, k, b"".join(hashes[256 * k : 256 * k + 256])) for k in range(full)]
        if level:
            edge.append((level, b"".join(hashes[256 * full :])))
        hashes = [root(hashes[256 * k : 256 * k + 256]) for k in range(full)]
        level += 1
    assert walked.tables["tiles"] == tiles
    assert walked.tables["edge"] == edge


def _projections(walked: Walked, chains: Sequence[Chain]) -> None:
    assert walked.tables["chains"] == [row_of(chain) for chain in chains]
    numbers = {chain.id: chain.no for chain in chains}
    tokens: dict[bytes, int] = {}
    transfers: dict[str, tuple[str, int, str, bool]] = {}
    for made in walked.entries:
        facts: Any = made.facts
        if made.kind.startswith("recipient.added"):
            for token in () if facts.tokens is UNSET else facts.tokens:
                assert bytes.fromhex(token) not in tokens
                tokens[bytes.fromhex(token)] = numbers[made.chain]
        elif made.kind == "download.started":
            assert facts.transfer not in transfers
            transfers[facts.transfer] = (facts.transfer, numbers[made.chain], facts.file, False)
        elif made.kind.startswith("download."):
            assert transfers[facts.transfer] == (facts.transfer, numbers[made.chain], facts.file, False)
            transfers[facts.transfer] = (*transfers[facts.transfer][:3], True)
    assert sorted(walked.tables["tokens"]) == sorted(tokens.items())
    assert sorted(walked.tables["transfers"]) == sorted(transfers.values())
    for chain, _, seq in walked.tables["seen"]:
        assert numbers[walked.entries[seq].chain] == chain
    for _, _, seqs in walked.tables["requests"]:
        assert seqs and all(int(seq) < walked.size for seq in seqs.split())


def _acts(entries: Sequence[Entry]) -> None:
    """Nothing is half there: an act's entries stand together and are as many as the act says."""
    ended: set[str] = set()
    for k, made in enumerate(entries):
        if made.kind.endswith(".continued"):
            before = entries[k - 1]
            part = 1 if not before.kind.endswith(".continued") else before.facts.part + 1  # type: ignore[attr-defined]
            assert before.kind.removesuffix(".continued") == made.kind.removesuffix(".continued")
            assert (made.chain, made.act) == (before.chain, before.act)
            assert made.facts.part == part  # type: ignore[attr-defined]
        if made.act is not UNSET and (not k or entries[k - 1].act != made.act):
            assert made.act not in ended
            ended.add(made.act)
            together = [made]
            while k + len(together) < len(entries) and entries[k + len(together)].act == made.act:
                together.append(entries[k + len(together)])
            _act([e for e in together if not e.kind.endswith(".continued")])


def _act(entries: Sequence[Entry]) -> None:
    assert len({e.chain for e in entries}) == len(entries)
    first: Any = entries[0]
    if first.kind == "message.recorded":
        assert [e.facts.recipient for e in entries[1:]] == [  # type: ignore[attr-defined]
            f"r{k}" for k in range(1, first.facts.recipients + 1)
        ]
    elif first.kind == "block.applied":
        assert len(entries) == 1 + first.facts.recipients
    elif event.KINDS[first.kind].closes:
        on_message: Any = entries[-2]
        assert len(entries) == 2 + on_message.facts.recipients
        assert entries[-1].facts.message == on_message.chain  # type: ignore[attr-defined]
    else:
        assert first.kind == "block.lifted"


def _sealed(walked: Walked, ring: KeyRing) -> dict[int, list[tuple[str, str]]]:
    """Of each entry (subject, D)."""
    log = walked.entries[0].chain
    keys = {no: (subject, epoch, wrapped) for no, subject, epoch, wrapped in walked.tables["data_keys"]}
    opened: dict[int, list[tuple[str, str]]] = {}
    for seq, key, box in walked.tables["sealed"]:
        cipher = ring.open_data_key(*keys[key])
        opened.setdefault(seq, []).extend((keys[key][0], d) for d in vault.open_box(cipher, log, seq, box))
    for made in walked.entries:
        assert made.sealed == sorted(disclosure.digest(d) for _, d in opened.get(made.seq, []))
    assert max(opened, default=0) < walked.size
    return opened


def _lookups(walked: Walked, ring: KeyRing, opened: Mapping[int, Sequence[tuple[str, str]]]) -> None:
    """Each message is found by what is sealed on its own first entries, and by nothing else."""
    facts: dict[tuple[str, int], dict[str, list[tuple[str, Any]]]] = {}
    for made, row in zip(walked.entries, walked.tables["entries"], strict=True):
        if made.kind in ("message.recorded", "message.recorded.continued"):
            for subject, d in opened.get(made.seq, []):
                fact = disclosure.parse(d)
                facts.setdefault((made.chain, row[2]), {}).setdefault(subject, []).append((fact.name, fact.value))
    expected = set()
    for (message, no), by_subject in facts.items():
        some = {(*term, subject) for subject, said in by_subject.items() for term in terms.terms(said)}
        theirs = {(kind, value) for kind, value, subject in some if not subject.startswith(message)}
        for kind, value, subject in some:
            if subject != f"{message}:shared" or (kind, value) not in theirs:
                expected.add((no // 8192, ring.blind(kind, value)[:16], no, subject))
    assert set(walked.tables["lookups"]) == expected
