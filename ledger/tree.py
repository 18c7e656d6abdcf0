"""What a writer remembers of the ledger between batches, so that it need not be read again.

It holds only as long as the head under the lock is the very one that this writer left; anything else is read anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger import tiles
from ledger.errors import FormatError, ProofError, RolledBack
from ledger.merkle import Frontier
from ledger.state import Chain
from ledger.store.append import Appender, Head

MAX_CHAINS = 100_000
"""Chain heads, and link tokens, kept in memory between batches."""

MAX_CIPHERS = 20_000
"""Data keys kept ready between batches."""


class Tree:
    """What a writer remembers of the ledger between batches. Valid only while the head still names its last batch."""

    def __init__(self) -> None:
        self.batch = -1
        self.head: Head | None = None
        self.frontier = Frontier()
        self.edge: dict[int, bytes] = {}
        self.chains: dict[tuple[str, int], Chain] = {}
        self.log: Chain | None = None
        self.tokens: dict[str, int] = {}
        self.ciphers: dict[str, tuple[int, AESGCM]] = {}
        self.last_key = -1

    def forget(self) -> None:
        """After a failure, or after another process wrote."""
        self.batch = -1
        self.chains.clear()
        self.tokens.clear()
        self.log = None
        self.ciphers.clear()

    def follow(self, appender: Appender, head: Head) -> None:
        """Be in the state the head names, from memory if it still is, else from the database.

        RolledBack for a head that is not that of a tree, or of one that does not extend what this process left: what is
        signed is what was read here, and whoever can write to the database must not choose it.
        """
        if self.batch == head.batch:
            if head != self.head:
                raise RolledBack("the head of the ledger was changed by something that is not a ledger")
        else:
            partial = head.size - head.size % tiles.FULL
            known = partial if self.head is None else min(partial, self.head.size)
            leaves = appender.leaves(known)
            self.frontier = self._extend(head, leaves, known)
            self.forget()
            self.edge = dict(appender.edge())
            low = leaves[partial - known :]
            if low:
                self.edge[0] = b"".join(low)
            self.log = appender.log_chain()
            self.last_key = appender.last_data_key()
        if len(self.chains) > MAX_CHAINS:
            self.chains.clear()
        if len(self.tokens) > MAX_CHAINS:
            self.tokens.clear()
        if len(self.ciphers) > MAX_CIPHERS:
            self.ciphers.clear()

    def _extend(self, head: Head, leaves: Sequence[bytes], known: int) -> Frontier:
        """The frontier the head names; ``leaves`` are those from number ``known`` on."""
        try:
            frontier = Frontier.from_bytes(head.frontier)
            if self.head is not None:
                extended = Frontier.from_bytes(self.head.frontier)
                extended.extend(leaves[self.head.size - known :])
                if extended.to_bytes() != head.frontier:
                    raise RolledBack("the ledger in the database does not extend the one that was there before")
        except (FormatError, ProofError) as error:
            raise RolledBack(f"the head of the ledger is not that of a tree: {error}") from None
        if (frontier.size, frontier.root()) != (head.size, head.root):
            raise RolledBack("the head of the ledger is not that of its tree")
        return frontier
