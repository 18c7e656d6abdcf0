"""The Merkle tree of RFC 6962 section 2.1 (the same as RFC 9162 section 2.1): hashes, proofs and their checks.

Leaf hash = SHA-256(0x00 || entry), node hash = SHA-256(0x01 || left || right), and a tree of n leaves is split at the
largest power of two below n. The prefixes keep a node from passing for a leaf.

A *complete subtree* (level, index) holds the 2^level leaves from index * 2^level on; its hash never changes again once
the tree has grown past it. Proofs are made from such hashes alone, got by one call of a `Read`, so that the maker of
a proof needs neither the leaves nor a store. Checks take what a stranger sent: every number and hash is validated.

Every failure is a `ProofError`, except for the stored form of a `Frontier`, which is a format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

from ledger.errors import FormatError, ProofError

HASH_SIZE: Final = 32
MAX_SIZE: Final = 2**63 - 1
EMPTY_ROOT: Final = sha256(b"").digest()

Coordinate: TypeAlias = tuple[int, int]
"""(level, index) of a complete subtree."""

Read: TypeAlias = Callable[[Sequence[Coordinate]], Sequence[bytes]]
"""Complete subtrees to their hashes, in the order asked for."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf that holds ``data`` (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of the node above two subtrees. Neither argument is checked: this is the inner loop of everything."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over ``leaf_hashes``: MTH of RFC 6962 section 2.1."""
    frontier = Frontier()
    frontier.extend(leaf_hashes)
    return frontier.root()


def check_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that leaf ``index`` of the tree of ``size`` leaves under ``root`` is ``leaf_hash`` (RFC 9162 2.1.3.2).

    ``proof`` runs from the leaf's sibling to the root's child.
    """
    check_size(size)
    _check_index(index, size)
    check_hashes((leaf_hash, root))
    check_hashes(proof)
    # Below ``inner`` the paths of this leaf and of the last one differ and each level has a sibling. From there on
    # both run along the right edge, where only the levels at which the path turns right have one.
    inner = (index ^ (size - 1)).bit_length()
    expected = inner + (index >> inner).bit_count()
    if len(proof) != expected:
        raise ProofError(f"inclusion proof of {len(proof)} hashes, {expected} expected")
    node = leaf_hash
    for level, sibling in enumerate(proof):
        on_left = level < inner and not index >> level & 1
        node = node_hash(node, sibling) if on_left else node_hash(sibling, node)
    if node != root:
        raise ProofError(f"inclusion proof of leaf {index} does not lead to the root of size {size}")


def check_consistency(size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of ``size1`` leaves under ``root1`` is a prefix of that of ``size2`` (RFC 9162 2.1.4.2).

    Equal sizes need equal roots and an empty proof. Size 0 is refused: every tree extends the empty one, so a proof
    of it says nothing, and a caller who starts from nothing must know that he does.
    """
    check_size(size1)
    check_size(size2)
    check_hashes((root1, root2))
    check_hashes(proof)
    if not 0 < size1 <= size2:
        raise ProofError(f"no consistency proof leads from size {size1} to size {size2}")
    if size1 == size2:
        if proof:
            raise ProofError("consistency proof of equal sizes is not empty")
        if root1 != root2:
            raise ProofError(f"two roots of one size {size1}")
        return
    # The last complete subtree that ends at size1 takes the part a leaf has in an inclusion proof: ``seed``. Where
    # size1 is a power of two it is the whole old tree, and the proof leaves it out.
    shift = (size1 & -size1).bit_length() - 1
    mask = (size1 - 1) >> shift
    inner = ((size1 - 1) ^ (size2 - 1)).bit_length() - shift
    path = list(proof)
    seeded = size1 == 1 << shift
    expected = inner + (mask >> inner).bit_count() + (not seeded)
    if len(path) != expected:
        raise ProofError(f"consistency proof of {len(path)} hashes, {expected} expected")
    seed = root1 if seeded else path.pop(0)
    old = new = seed
    for level, sibling in enumerate(path):
        if level >= inner or mask >> level & 1:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    if old != root1:
        raise ProofError(f"consistency proof does not lead to the root of size {size1}")
    if new != root2:
        raise ProofError(f"consistency proof does not lead to the root of size {size2}")


def prove_inclusion(index: int, size: int, read: Read) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1. ``read`` is called once."""
    check_size(size)
    _check_index(index, size)
    ranges = []
    low, high = 0, size
    while high - low > 1:
        middle = split(low, high)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return range_hashes(ranges[::-1], read)


def prove_consistency(size1: int, size2: int, read: Read) -> list[bytes]:
    """PROOF(size1, D[size2]) of RFC 6962 section 2.1.2, for 0 < size1 <= size2. ``read`` is called once."""
    check_size(size1)
    check_size(size2)
    if not 0 < size1 <= size2:
        raise ProofError(f"no consistency proof leads from size {size1} to size {size2}")
    ranges = []
    low, high = 0, size2
    while size1 != high:
        middle = split(low, high)
        if size1 <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    if low:  # b of SUBPROOF has become false: the old root is not what is left
        ranges.append((low, high))
    return range_hashes(ranges[::-1], read)


def split(low: int, high: int) -> int:
    """Where RFC 6962 divides the leaves [low, high), two or more: the largest power of two below their number."""
    return low + (1 << (high - low - 1).bit_length() - 1)


def range_hashes(ranges: Iterable[tuple[int, int]], read: Read) -> list[bytes]:
    """MTH of each range of leaves [low, high) that the recursion of RFC 6962 reaches, with one call of ``read``.

    Such a range starts at a multiple of a power of two that is not less than its length, and so falls into one
    complete subtree for each binary digit of its length, the largest first.
    """
    coordinates: list[Coordinate] = []
    counts = []
    for low, high in ranges:
        counts.append((high - low).bit_count())
        start = low
        while start < high:
            level = (high - start).bit_length() - 1
            coordinates.append((level, start >> level))
            start += 1 << level
    hashes = list(read(coordinates))
    if len(hashes) != len(coordinates):
        raise ProofError(f"{len(coordinates)} subtree hashes asked for, {len(hashes)} got")
    check_hashes(hashes)
    result = []
    end = 0
    for count in counts:
        end += count
        result.append(_fold(hashes[end - count : end]))
    return result


def check_size(size: int) -> None:
    """Refuse what is not the size of a tree: an integer from 0 to 2^63 - 1, and not a boolean."""
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise ProofError("tree size is not an integer from 0 to 2^63 - 1")


def check_hashes(hashes: Sequence[bytes]) -> None:
    """Refuse a sequence that holds anything but ``bytes`` of length 32."""
    if not isinstance(hashes, (list, tuple)) or not set(map(type, hashes)) <= {bytes}:
        raise ProofError("hashes are not a list of bytes")
    if not set(map(len, hashes)) <= {HASH_SIZE}:
        raise ProofError(f"a hash is not {HASH_SIZE} bytes long")


def _check_index(index: int, size: int) -> None:
    if type(index) is not int or not 0 <= index < size:
        raise ProofError(f"leaf index is not in a tree of {size}")


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Root over neighbouring complete subtrees, largest first."""
    node = hashes[-1]
    for left in hashes[-2::-1]:
        node = node_hash(left, node)
    return node


class Run(NamedTuple):
    """Neighbouring complete subtrees of one level: ``hashes[i]`` is that of (level, first + i)."""

    level: int
    first: int
    hashes: list[bytes]


class Frontier:
    """What an append-only tree must remember to go on: its size and one complete subtree per binary digit of it."""

    __slots__ = ("_nodes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._nodes: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.extend([leaf])

    def extend(self, leaves: Sequence[bytes]) -> list[Run]:
        """Add leaf hashes, in order; all or, with a `ProofError`, none.

        Returned are the complete subtrees this made, a run for each level from the leaves up: what tiles are filled
        with. A last one without its right sibling has no parent yet; it waits in the frontier.
        """
        check_hashes(leaves)
        if self._size + len(leaves) > MAX_SIZE:
            raise ProofError("tree would grow past 2^63 - 1 leaves")
        runs = []
        level = 0
        first = self._size
        hashes = list(leaves)
        while hashes:
            runs.append(Run(level, first, hashes))
            if first & 1:
                hashes = [self._nodes.pop(level), *hashes]
            if len(hashes) & 1:
                self._nodes[level] = hashes[-1]
            pairs = iter(hashes)
            hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
            first >>= 1
            level += 1
        self._size += len(leaves)
        return runs

    def root(self) -> bytes:
        """Root of the tree so far."""
        if not self._size:
            return EMPTY_ROOT
        return _fold([self._nodes[level] for level in sorted(self._nodes, reverse=True)])

    def grow(self, leaves: Sequence[bytes]) -> Growth:
        """`extend`, with all that proofs of these leaves will need."""
        start = self._size
        waiting = {(level, (start >> level) - 1): node for level, node in self._nodes.items()}
        runs = self.extend(leaves)
        return Growth(start, self._size, waiting, runs)

    def to_bytes(self) -> bytes:
        """Size as eight octets, big-endian, then the hashes of the complete subtrees, the largest first."""
        return self._size.to_bytes(8, "big") + b"".join(
            self._nodes[level] for level in sorted(self._nodes, reverse=True)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """The inverse of `to_bytes`; anything else is a `FormatError`."""
        if type(data) is not bytes or len(data) < 8:
            raise FormatError("frontier: shorter than its size field, or no bytes")
        size = int.from_bytes(data[:8], "big")
        if size > MAX_SIZE or len(data) != 8 + HASH_SIZE * size.bit_count():
            raise FormatError("frontier: its length does not fit its size")
        frontier = cls()
        frontier._size = size
        levels = (level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1)
        for position, level in enumerate(levels):
            start = 8 + HASH_SIZE * position
            frontier._nodes[level] = data[start : start + HASH_SIZE]
        return frontier


class Growth:
    """The step of a tree from ``start`` leaves to ``size``: proves the leaves it added, from memory alone.

    Such a proof needs no more: a subtree beside its path either came to be in this step, or was complete before and
    waited in the frontier for its sibling.
    """

    __slots__ = ("_by_level", "_rests", "_waiting", "runs", "size", "start")

    def __init__(self, start: int, size: int, waiting: dict[Coordinate, bytes], runs: list[Run]) -> None:
        """Use `Frontier.grow`. ``waiting`` is what the frontier held before, ``runs`` what `Frontier.extend` gave."""
        self.start: Final = start
        self.size: Final = size
        self.runs: Final = runs
        self._waiting = waiting
        self._by_level = {run.level: run for run in runs}
        self._rests: list[bytes | None] = []
        """For each level the hash of the leaves past its last complete subtree, if there are any."""

    def prove(self, index: int) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962 section 2.1.1. ProofError for a leaf of before."""
        if type(index) is not int or not self.start <= index < self.size:
            raise ProofError(f"leaf index is not of this step of the tree, {self.start} to {self.size}")
        rests = self._rests or self._fill()
        size, node, path = self.size, self._node, []
        for level, rest in enumerate(rests):
            place = index >> level
            if place & 1:
                path.append(node(level, place - 1))
            elif (place + 2) << level <= size:
                path.append(node(level, place + 1))
            elif (place + 1) << level < size and rest is not None:
                path.append(rest)
        return path

    def _fill(self) -> list[bytes | None]:
        rest: bytes | None = None
        for level in range((self.size - 1).bit_length()):
            self._rests.append(rest)
            count = self.size >> level
            if count & 1:
                last = self._node(level, count - 1)
                rest = last if rest is None else node_hash(last, rest)
        return self._rests

    def _node(self, level: int, index: int) -> bytes:
        run = self._by_level.get(level)
        if run is not None and 0 <= index - run.first < len(run.hashes):
            return run.hashes[index - run.first]
        found = self._waiting.get((level, index))
        if found is None:
            raise ProofError(f"subtree {level}/{index} is not of this step of the tree")
        return found
