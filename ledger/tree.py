"""What a writer remembers of the ledger between batches, so that it need not be read again.

It holds as long as the head under the lock is the very one that this writer left. Where others wrote meanwhile, what
they wrote on is read anew, and a data key is used again only after a look whether it still stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger import tiles
from ledger.errors import FormatError, ProofError, RolledBack
from ledger.merkle import Frontier
from ledger.state import Chain
from ledger.store.append import Appender, Head, check_mac

MAX_CHAINS = 100_000
"""Chain heads, and link tokens, kept in memory between batches."""

MAX_CIPHERS = 20_000
"""Data keys kept ready between batches."""


class Tree:
    """What a writer remembers of the ledger between batches. Valid only while the head still names its last batch."""

    def __init__(self, mac: Callable[[str], bytes]) -> None:
        self._mac = mac
        self.batch = -1
        self.head: Head | None = None
        self.frontier = Frontier()
        self.edge: dict[int, bytes] = {}
        self.numbers: dict[tuple[str, int], int] = {}
        """``no`` of a chain by message id and recipient number; never changes."""
        self.chains: dict[int, Chain] = {}
        """By ``no``."""
        self.log: Chain | None = None
        self.tokens: dict[str, int] = {}
        self.ciphers: dict[str, tuple[int, AESGCM, bytes]] = {}
        """By subject: number, cipher, and the wrapped key that it is of."""
        self.doubtful: dict[str, tuple[int, AESGCM, bytes]] = {}
        """Ciphers from before another process wrote: it may have destroyed their data keys, and made others under the
        same numbers. The wrapped key tells whether it is still the one."""
        self.last_key: int | None = None
        """The newest data key's number; None where it has to be asked."""

    def forget(self) -> None:
        """After a failure: what is remembered may never have been written."""
        self.batch = -1
        self.chains.clear()
        self.numbers.clear()
        self.tokens.clear()
        self.log = None
        self.ciphers.clear()
        self.doubtful.clear()

    def follow(self, appender: Appender, head: Head) -> None:
        """Be in the state the head names, from memory if it still is, else from the database.

        RolledBack for a head that no holder of the ring made, that is not that of a tree, or that does not extend what
        this process left: what is signed is what was read here, and whoever can write to the database must not choose
        it.
        """
        if self.batch == head.batch:
            if head != self.head:
                raise RolledBack("the head of the ledger was changed by something that is not a ledger")
        else:
            self._catch_up(appender, head)
        if len(self.chains) > MAX_CHAINS:
            self.chains.clear()
            self.numbers.clear()
        if len(self.tokens) > MAX_CHAINS:
            self.tokens.clear()
        if len(self.ciphers) > MAX_CIPHERS:
            self.ciphers.clear()

    def _catch_up(self, appender: Appender, head: Head) -> None:
        check_mac(head, self._mac)
        partial = head.size - head.size % tiles.FULL
        left = 0 if self.head is None else self.head.size
        known = partial if self.head is None else min(partial, left)
        rows = appender.leaves(known)
        leaves = [leaf for _, leaf in rows]
        self.frontier = self._extend(head, leaves, known)
        touched = {no for no, _ in rows[max(left - known, 0) :]}
        for no in touched:
            self.chains.pop(no, None)
        self.doubtful.update(self.ciphers)
        self.ciphers = {}
        if len(self.doubtful) > MAX_CIPHERS:
            self.doubtful = {}
        # Above the leaves the edge changes only with a tile that was filled.
        if self.log is None or left < partial:
            self.edge = dict(appender.edge())
        low = leaves[partial - known :]
        if low:
            self.edge[0] = b"".join(low)
        if self.log is None or 0 in touched:
            self.log = appender.log_chain()
        self.last_key = None

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
