"""Reading: a log's entries with what is sealed on them. Nothing is written, and nothing is recorded about who read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from ledger import drafts, event, vault
from ledger.disclosure import parse
from ledger.drafts import Opening
from ledger.errors import UnknownReference
from ledger.keys import KeyRing, MasterKey, Random, ring_path
from ledger.state import Chain
from ledger.store.read import Reader


class Reading:
    """What every holder of a log can read: `reader` the entries, `ring` what is sealed on them."""

    id: str
    origin: str
    reader: Reader
    ring: KeyRing

    @classmethod
    def over(cls, reader: Reader, data_dir: Path, master: MasterKey, random: Random) -> Self:
        """A log that is only read. Its database is taken as it stands: no migration, no high-water mark."""
        made = cls.__new__(cls)
        head = reader.head()
        made.id, made.origin, made.reader = head.log, head.origin, reader
        made.ring = KeyRing.load(ring_path(data_dir, head.log), master, head.log, random)
        return made

    def message(self, id: str) -> Chain:
        """A message's own chain; UnknownReference."""
        chain = self.reader.chain(id)
        if chain is None or chain.type != "message":
            raise UnknownReference("no such message in this log")
        return chain

    def disclosures(self, seqs: Sequence[int]) -> dict[int, list[str]]:
        """What is sealed on these entries, as far as it was not erased: D texts by seq."""
        found: dict[int, list[str]] = {}
        for seq, subject, epoch, wrapped, box in self.reader.boxes(seqs):
            cipher = self.ring.open_data_key(subject, epoch, wrapped)
            found.setdefault(seq, []).extend(vault.open_box(cipher, self.id, seq, box))
        return found

    def disclosed(self, message: str) -> dict[str, Any]:
        """Names and values sealed on a message's first entry and its continuations."""
        chain = self.message(message)
        first = self.reader.chain_entries(chain, 0, 1 + (chain.recipients + chain.files + 20) // event.MAX_ITEMS)
        texts = self.disclosures([seq for seq, _ in first])
        opened = [parse(text) for one in texts.values() for text in one]
        return {d.name: d.value for d in opened}

    def recipients(self, message: str) -> list[Opening]:
        """The recipients of a message that were not erased."""
        return drafts.openings_of(self.disclosed(message))
