"""One batch under the lock: the view that acts are decided by, and the rows that what they write becomes.

Everything a batch needs to look up is loaded in a few bulk reads before the first act is planned. What the last batch
left in memory (`ledger.tree`) is used again if the head says that nobody else has written since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from msgspec import UNSET, Struct

from ledger import entry as entries
from ledger import pending, tiles
from ledger.act import Event, Recording
from ledger.blobs import Blob
from ledger.closing import Seal
from ledger.entry import TYPES, Entry
from ledger.errors import UnknownReference
from ledger.event import MAX_ITEMS, Continued, Facts, Stepped
from ledger.ids import format_time
from ledger.merkle import Growth
from ledger.pending import Pending
from ledger.plan import Act, Plan, Sealed, View, Write, split
from ledger.sealing import Box, DataKeys, seal
from ledger.state import Chain
from ledger.store.append import Appender, Head, Rows, lookup_row
from ledger.tree import Tree


class Recorded(Struct, frozen=True, gc=False):
    """One entry as it stands: its index, its leaf hash in hex, its bytes."""

    seq: int
    leaf: str
    data: bytes


class Transaction(View):
    """Between `Appender.begin` and `Appender.write`. Implements `ledger.plan.View`."""

    def __init__(
        self, appender: Appender, tree: Tree, head: Head, at: int, keys: DataKeys, random: Callable[[int], bytes]
    ) -> None:
        tree.follow(appender, head)
        self._appender = appender
        self._tree = tree
        self._head = self._made = head
        self._keys = keys
        self._random = random
        self._chains = tree.chains
        self._numbers = tree.numbers
        self._seen: dict[tuple[int, bytes], int] = {}
        self._requests: dict[bytes, tuple[bytes, str]] = {}
        # Which chain a token opens never changes; which token opens none yet is asked anew each time.
        self._tokens = tree.tokens
        self._unused: set[str] = set()
        self._transfers: dict[str, tuple[int, str, bool] | None] = {}
        self._erasures: dict[str, Sequence[Pending]] = {}
        self._boxes: list[Box] = []
        self._blobs: list[tuple[Chain, Blob]] = []
        self._pending: list[Chain] = []
        self._messages: dict[int, str] = {}
        self._touched: dict[int, Chain] = {}
        self._leaves: list[bytes] = []
        self._previous = head.leaf
        self._at_text = format_time(at)
        self._first = head.size
        self.rows = Rows()
        self.growth: Growth | None = None
        self.size = head.size
        self.root = head.root
        self.origin = head.origin
        self.next_batch = head.batch + 1
        self.at = at
        # A log about to be opened has no chain yet; its number is 0.
        self.log = tree.log if tree.log is not None else self.open(head.log, None, 0)

    # Reading: ledger.plan.View

    def load(self, submissions: Sequence[Any]) -> None:
        """Everything these submissions will ask for, in a few reads."""
        chains, numbers = self._chains, self._numbers
        missing: set[tuple[str, int]] = set()
        keyed: list[tuple[tuple[str, int], bytes]] = []
        tokens: set[str] = set()
        transfers: set[str] = set()
        for submission in submissions:
            act = submission.act
            if type(act) is Event:
                ref = act.message, act.number
                if numbers.get(ref) not in chains:
                    missing.add(ref)
                if act.key is not None:
                    keyed.append((ref, act.key))
                facts: Any = act.facts
                if getattr(facts, "token", UNSET) is not UNSET:
                    tokens.add(facts.token)
                if getattr(facts, "transfer", UNSET) is not UNSET:
                    transfers.add(facts.transfer)
            else:
                missing.update(ref for ref in act.refs if numbers.get(ref) not in chains)
                if type(act) is Seal:
                    keyed.append((act.refs[0], act.key))
                if type(act) is Recording:
                    tokens.update(token for part in act.recipients for token in part.tokens)
        if missing:
            self._find_chains(sorted(missing))
        if requests := [s.key for s in submissions if s.key is not None]:
            self._requests.update(self._appender.requests(requests))
        if seen := sorted((numbers[ref], key) for ref, key in keyed if ref in numbers):
            self._seen.update(self._appender.seen(seen))
        if unknown := sorted(tokens.difference(self._tokens)):
            self._find_tokens(unknown)
        if transfers:
            known = self._appender.transfers(list(transfers))
            self._transfers.update((t, known.get(t)) for t in transfers)

    def chain(self, message: str, number: int) -> Chain:
        ref = message, number
        no = self._numbers.get(ref)
        if no not in self._chains:
            self._find_chains([ref])
            no = self._numbers.get(ref)
        # The log's own chain has number 0 and is nobody's message.
        if not no:
            raise UnknownReference("no such recipient of this message" if number else "no such message in this log")
        return self._chains[no]

    def _find_chains(self, refs: Sequence[tuple[str, int]]) -> None:
        for ref, chain in self._appender.chains(refs).items():
            self._numbers[ref] = chain.no
            self._chains.setdefault(chain.no, chain)

    def recipients(self, message: Chain) -> Sequence[Chain]:
        refs = [(message.id, k) for k in range(1, message.recipients + 1)]
        if any(self._numbers.get(ref) not in self._chains for ref in refs):
            for chain in self._appender.recipients(message.root):
                self._numbers[message.id, chain.ordinal] = chain.no
                self._chains.setdefault(chain.no, chain)
        return [self._chains[self._numbers[ref]] for ref in refs]

    def open(self, id: str, root: Chain | None, number: int) -> Chain:
        no = self._head.chains + len(self.rows.opened) + len(self._pending)
        chain = Chain(no, id, no if root is None else root.no, number, 0 if root is None else root.files)
        self._pending.append(chain)
        return chain

    def recorded(self, chain: Chain, key: bytes) -> int | None:
        return self._seen.get((chain.no, key))

    def token(self, token: str) -> int | None:
        if token not in self._tokens and token not in self._unused:
            self._find_tokens([token])
        return self._tokens.get(token)

    def _find_tokens(self, tokens: Sequence[str]) -> None:
        found = self._appender.tokens([bytes.fromhex(token) for token in tokens])
        for token in tokens:
            chain = found.get(bytes.fromhex(token))
            if chain is None:
                self._unused.add(token)
            else:
                self._tokens[token] = chain

    def transfer(self, id: str) -> tuple[int, str, bool] | None:
        if id not in self._transfers:
            self._transfers[id] = self._appender.transfers([id]).get(id)
        return self._transfers[id]

    def entry(self, seq: int) -> tuple[int, Entry] | None:
        if seq >= self._first:
            if seq >= self.size:
                return None
            row = self.rows.entries[seq - self._first]
            return row[2], entries.decode(row[5])
        found = self._appender.entries([seq]).get(seq)
        return None if found is None else (found[0], entries.decode(found[1]))

    def numbered(self, numbers: Sequence[int]) -> Sequence[Chain]:
        known = self._chains | {0: self.log}
        if missing := sorted(set(numbers).difference(known)):
            for chain in self._appender.numbered(missing):
                known[chain.no] = self._chains.setdefault(chain.no, chain)
        return [known[no] for no in numbers]

    def pending(self, erasure: str) -> Sequence[Pending]:
        if erasure not in self._erasures:
            found = [pending.from_row(row, self._seal_pending) for row in self._appender.erasures(erasure)]
            self._erasures[erasure] = [one for one in found if one is not None]
        return self._erasures[erasure]

    def _seal_pending(self, claim: str) -> bytes:
        return self._keys.blind(pending.MAC, claim)

    def recorded_at(self, seq: int) -> Recorded:
        """An entry that stands, of this batch or an earlier one."""
        if seq >= self._first:
            row = self.rows.entries[seq - self._first]
            return Recorded(seq, row[4].hex(), row[5])
        data = self._appender.entries([seq])[seq][1]
        return Recorded(seq, sha256(b"\0" + data).hexdigest(), data)

    def request(self, key: bytes) -> tuple[bytes, list[Recorded]] | None:
        """Digest of the request recorded under this key, and what it wrote."""
        known = self._requests.get(key)
        if known is None:
            return None
        return known[0], [self.recorded_at(int(seq)) for seq in known[1].split()]

    def denied_by(self, recorded: Sequence[Recorded]) -> str | None:
        """The block that stood in the way, where what was recorded is a denial."""
        if len(recorded) == 1:
            made = entries.decode(recorded[0].data)
            if made.kind == "access.denied":
                facts: Any = made.facts
                return str(facts.block)
        return None

    # Writing

    def plan(self, act: Act) -> Plan:
        """Decide one act; nothing is changed yet."""
        self._pending = [] if self._tree.log is not None else [self.log]
        return act.plan(self)

    def note_step(self, step: int) -> None:
        """Record that the clock stepped, before anything else of this batch."""
        facts = Stepped(ahead=step > 0, micros=abs(step))
        self._append(Write(self.log, "clock.stepped", facts, "system"))

    def apply(self, plan: Plan) -> list[Recorded]:
        """Turn a plan into entries. From here on nothing may be refused."""
        if self._pending:
            self._open_pending()
        made: list[Recorded] = []
        for write in plan.writes:
            if write.more or write.tokens or sum([len(one.digests) for one in write.sealed]) > MAX_ITEMS:
                self._append_all(write, made)
            else:
                made.append(self._append(write, write.sealed))
        if plan.key is not None:
            chain, key = plan.key
            self._seen[chain.no, key] = made[0].seq
            self.rows.seen.append((chain.no, key, made[0].seq))
        if plan.lookups:
            no = plan.writes[0].chain.no
            self.rows.lookups += [lookup_row(blind, no, subject) for blind, subject in plan.lookups]
        if plan.blobs:
            self._blobs += [(plan.writes[0].chain, blob) for blob in plan.blobs]
        if plan.transfers is not None and plan.denied is None:
            self._move(plan.writes[0].chain, *plan.transfers)
        if plan.erasure is not None:
            id, left = plan.erasure
            self._erasures[id] = left
            self.rows.moved.append(id)
            self.rows.erasures = [row for row in self.rows.erasures if row[0] != id]
            self.rows.erasures += [one.to_row(self._seal_pending) for one in left]
        return made

    def _open_pending(self) -> None:
        for chain in self._pending:
            self.rows.opened.append(chain)
            if chain.root == chain.no:
                self._messages[chain.no] = chain.id
            self._chains[chain.no] = chain
            self._numbers[self._messages[chain.root], chain.ordinal] = chain.no
        if self._tree.log is None:
            self._tree.log = self.log
        self._pending = []

    def _move(self, chain: Chain, id: str, file: str, kind: str) -> None:
        started = kind == "download.started"
        self._transfers[id] = (chain.no, file, not started)
        if started:
            self.rows.transfers.append((id, chain.no, file, False))
        else:
            self.rows.ended.append(id)

    def _append_all(self, write: Write, made: list[Recorded]) -> None:
        first, *rest = split(write.sealed)
        made.append(self._append(write, first))
        for more in write.more:
            made.append(self._append(write, (), write.kind + ".continued", more))
        for part, sealed in enumerate(rest, len(write.more) + 1):
            made.append(self._append(write, sealed, write.kind + ".continued", Continued(part=part)))
        for token in write.tokens:
            self._tokens[token] = write.chain.no
            self.rows.tokens.append((bytes.fromhex(token), write.chain.no))

    def _append(
        self, write: Write, sealed: Sequence[Sealed] = (), kind: str | None = None, facts: Facts | None = None
    ) -> Recorded:
        chain = write.chain
        seq = self.size
        n = chain.n
        digests: list[str] = []
        for one in sealed:
            digests += one.digests
            self._boxes.append((seq, one.subject or chain.id, one.texts))
        digests.sort()
        made = TYPES[kind or write.kind](
            at=self._at_text,
            chain=chain.id,
            facts=facts or write.facts,
            n=n,
            prev=self._previous,
            sealed=digests,
            seq=seq,
            source=write.source,
            v=1,
            act=write.act,
            clock=write.clock,
            cprev=chain.leaf if n else UNSET,
            occurred=write.occurred,
        )
        data = entries.to_bytes(made)
        raw = sha256(b"\0" + data).digest()
        leaf = raw.hex()
        self.rows.entries.append((seq, chain.root, chain.no, n, raw, data))
        self._leaves.append(raw)
        chain.fold(made, leaf)
        self._touched[chain.no] = chain
        self._previous = leaf
        self.size = seq + 1
        return Recorded(seq, leaf, data)

    def remember(self, key: bytes, digest: bytes, recorded: Sequence[Recorded]) -> None:
        """Under what key this request came, so that a repeat gets the same answer."""
        seqs = " ".join(str(r.seq) for r in recorded)
        self._requests[key] = (digest, seqs)
        self.rows.requests.append((key, digest, seqs))

    def finish(self) -> Head:
        """Boxes, tiles, projections; the head as it will be."""
        tree, rows = self._tree, self.rows
        seal(self._boxes, self._blobs, tree, rows, self._appender, self._keys, self._head.log, self._random)
        self.growth = tree.frontier.grow(self._leaves)
        tree.edge, full = tiles.grow(tree.edge, self.growth.runs)
        rows.tiles = [(tile.level, tile.index, data) for tile, data in full]
        if full:
            rows.edge = [(level, data) for level, data in tree.edge.items() if level > 0]
            # A level that just became full has no unfinished tile; its row must not outlive it.
            rows.edge += [(t.level, b"") for t, _ in full if t.level > 0 and t.level not in tree.edge]
        opened = {c.no for c in rows.opened}
        rows.chains = [c for c in self._touched.values() if c.no not in opened]
        self.root = tree.frontier.root()
        head = self._head
        made = Head(
            log=head.log,
            origin=head.origin,
            size=self.size,
            root=self.root,
            frontier=tree.frontier.to_bytes(),
            leaf=self._previous,
            at=self.at,
            chains=head.chains + len(rows.opened),
            batch=self.next_batch,
        )
        self._made = replace(made, mac=self._keys.blind("head", made.claim()))
        return self._made

    def keep(self) -> None:
        """The batch is durable: what this transaction knows is what the next one starts from."""
        self._tree.head = self._made if self.rows.entries else self._head
        self._tree.batch = self._tree.head.batch
