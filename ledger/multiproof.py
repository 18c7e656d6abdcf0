"""One inclusion proof for many leaves of one tree.

Take the recursion that defines the tree (RFC 6962 section 2.1): the leaves [0, size) are split at the largest power of
two below their number, and so on down to single leaves. Of the ranges this visits, the proof has the root hash (MTH)
of each one that holds no proved leaf while the range it was split from holds one; from left to right, 32 octets each.
Nothing else: no index, no marker. So the leaves' indices and the size fix the number of hashes and the place of each,
every hash is used exactly once, and for a single leaf the proof has the hashes of its RFC 6962 audit path, ordered by
position instead of height. A check of m leaves with p hashes computes m + p - 1 nodes.

Example, size 7, leaves 2 and 5: MTH(0:2), MTH(3:4), MTH(4:5), MTH(6:7).

Every failure is a `ProofError`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from ledger.errors import ProofError
from ledger.merkle import Read, check_hashes, check_size, node_hash, range_hashes, split


def prove_many(indices: Iterable[int], size: int, read: Read) -> list[bytes]:
    """Prove the leaves ``indices``, at least one and in any order. ``read`` is called once."""
    order = _order(indices, size)
    ranges: list[tuple[int, int]] = []

    def walk(low: int, high: int, first: int, last: int) -> None:
        """``order[first:last]`` are the indices in [low, high). At most 63 deep, as every split halves or better."""
        if first == last:
            ranges.append((low, high))
        elif high - low > 1:
            middle = split(low, high)
            between = bisect_left(order, middle, first, last)
            walk(low, middle, first, between)
            walk(middle, high, between, last)

    walk(0, size, 0, len(order))
    return range_hashes(ranges, read)


def check_many(leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the tree of ``size`` leaves under ``root`` has every leaf hash of ``leaves`` at its index."""
    check_hashes((root,))
    if _nodes(leaves, size, proof)[0, size] != root:
        raise ProofError(f"multiproof of {len(leaves)} leaves does not lead to the root of size {size}")


def prove_each(
    indices: Iterable[int], leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes]
) -> dict[int, list[bytes]]:
    """The RFC 6962 audit path of each of ``indices``, some of ``leaves``, out of one proof of them all.

    What a path needs stands in the proof, or above leaves that are held. To which root the paths lead is not looked at:
    that is `check_many`'s.
    """
    nodes = _nodes(leaves, size, proof)
    paths = {}
    for index in indices:
        if index not in leaves:
            raise ProofError(f"multiproof: leaf {index} is none of those proved")
        path = []
        low, high = 0, size
        while high - low > 1:
            middle = split(low, high)
            if index < middle:
                path.append(nodes[middle, high])
                high = middle
            else:
                path.append(nodes[low, middle])
                low = middle
        paths[index] = path[::-1]
    return paths


def _nodes(leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """The hash of every range [low, high) that the recursion visits."""
    order = _order(leaves, size)
    check_hashes(proof)
    check_hashes(tuple(leaves.values()))
    unused = iter(proof)
    nodes: dict[tuple[int, int], bytes] = {}

    def walk(low: int, high: int, first: int, last: int) -> bytes:
        if first == last:
            node = next(unused, None)
            if node is None:
                raise ProofError(f"multiproof of {len(proof)} hashes is too short")
        elif high - low == 1:
            node = leaves[low]
        else:
            middle = split(low, high)
            between = bisect_left(order, middle, first, last)
            left = walk(low, middle, first, between)
            node = node_hash(left, walk(middle, high, between, last))
        nodes[low, high] = node
        return node

    walk(0, size, 0, len(order))
    if next(unused, None) is not None:
        raise ProofError(f"multiproof of {len(proof)} hashes is too long")
    return nodes


def _order(indices: Iterable[int], size: int) -> list[int]:
    check_size(size)
    order = list(indices)
    if not set(map(type, order)) <= {int}:
        raise ProofError("multiproof: a leaf index is not an integer")
    order.sort()
    if not order or order[0] < 0 or order[-1] >= size:
        raise ProofError(f"multiproof: no leaves, or one that is not in a tree of {size}")
    if len(set(order)) != len(order):
        raise ProofError("multiproof: a leaf index comes twice")
    return order
