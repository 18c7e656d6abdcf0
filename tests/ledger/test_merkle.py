from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merkletools import MerkleTools

from ledger import merkle
from ledger.errors import FormatError, ProofError
from ledger.merkle import Frontier, Growth
from tests.helpers import vector_files

MOST = 70
LEAVES = [merkle.leaf_hash(str(i).encode()) for i in range(MOST)]


# RFC 6962 section 2.1, word by word: slices and recursion, nothing shared with the code under test.


def mth(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = largest_power_below(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


class Store:
    """Complete subtrees of a list of leaves, and a count of how often it was asked."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves
        self.calls = 0
        self.subtree = lru_cache(maxsize=None)(self._subtree)

    def _subtree(self, level: int, index: int) -> bytes:
        low, high = index << level, (index + 1) << level
        assert 0 <= low < high <= len(self.leaves), "not a complete subtree of this tree"
        return mth(self.leaves[low:high])

    def read(self, coordinates: Sequence[tuple[int, int]]) -> list[bytes]:
        self.calls += 1
        return [self.subtree(*coordinate) for coordinate in coordinates]


ROOTS = [mth(LEAVES[:size]) for size in range(MOST + 1)]


def flips(data: bytes) -> list[bytes]:
    number = int.from_bytes(data, "big")
    return [(number ^ 1 << bit).to_bytes(len(data), "big") for bit in range(8 * len(data))]


def broken_proofs(proof: list[bytes]) -> list[list[bytes]]:
    """Every truncation, omission, repetition, swap and flip, and some additions."""
    result = [proof[:end] for end in range(len(proof))]
    result += [proof[start:] for start in range(1, len(proof) + 1)]
    for i, item in enumerate(proof):
        result += [proof[:i] + proof[i + 1 :], [*proof[:i], item, *proof[i:]]]
        result += [[*proof[:i], flipped, *proof[i + 1 :]] for flipped in flips(item)]
        for j in range(i):
            swapped = list(proof)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            result.append(swapped)
    for extra in (bytes(32), merkle.EMPTY_ROOT, *proof):
        result += [[extra, *proof], [*proof, extra]]
    return [broken for broken in result if broken != proof]


def refuse_inclusion(*args: Any) -> None:
    with pytest.raises(ProofError):
        merkle.check_inclusion(*args)


def refuse_consistency(*args: Any) -> None:
    with pytest.raises(ProofError):
        merkle.check_consistency(*args)


def test_hashes() -> None:
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.node_hash(b"a", b"b") == sha256(b"\x01ab").digest()
    assert [merkle.root(LEAVES[:size]) for size in range(MOST + 1)] == ROOTS


def test_every_inclusion_up_to_70() -> None:
    for size in range(1, MOST + 1):
        store = Store(LEAVES[:size])
        for index in range(size):
            proof = merkle.prove_inclusion(index, size, store.read)
            assert proof == path(index, LEAVES[:size])
            merkle.check_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
            refuse_inclusion(LEAVES[index], (index + 1) % size, size, proof, ROOTS[size]) if size > 1 else None
            refuse_inclusion(LEAVES[index - 1], index, size, proof, ROOTS[size]) if size > 1 else None
            refuse_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])
        assert store.calls == size


def test_every_consistency_up_to_70() -> None:
    for size2 in range(1, MOST + 1):
        store = Store(LEAVES[:size2])
        for size1 in range(1, size2 + 1):
            proof = merkle.prove_consistency(size1, size2, store.read)
            assert proof == subproof(size1, LEAVES[:size2], True)
            merkle.check_consistency(size1, ROOTS[size1], size2, ROOTS[size2], proof)
            refuse_consistency(size1, ROOTS[size1 - 1], size2, ROOTS[size2], proof)
            refuse_consistency(size1, ROOTS[size1], size2, ROOTS[size2 - 1], proof)
            if size1 < size2:
                refuse_consistency(size2, ROOTS[size2], size1, ROOTS[size1], proof)
                refuse_consistency(size1, ROOTS[size2], size2, ROOTS[size1], proof)
        assert store.calls == size2


def test_every_change_of_an_inclusion_proof_is_refused() -> None:
    for size in [*range(1, 13), 31, 33]:
        store = Store(LEAVES[:size])
        for index in range(size) if size < 13 else (0, size // 2, size - 1):
            proof = merkle.prove_inclusion(index, size, store.read)
            for broken in broken_proofs(proof):
                refuse_inclusion(LEAVES[index], index, size, broken, ROOTS[size])
            for flipped in flips(LEAVES[index]):
                refuse_inclusion(flipped, index, size, proof, ROOTS[size])
            for flipped in flips(ROOTS[size]):
                refuse_inclusion(LEAVES[index], index, size, proof, flipped)
            for other in (*range(index), *range(index + 1, size + 3)):
                refuse_inclusion(LEAVES[index], other, size, proof, ROOTS[size])


def test_every_change_of_a_consistency_proof_is_refused() -> None:
    for size2 in range(1, 12):
        store = Store(LEAVES[:size2])
        for size1 in range(1, size2 + 1):
            proof = merkle.prove_consistency(size1, size2, store.read)
            for broken in broken_proofs(proof):
                refuse_consistency(size1, ROOTS[size1], size2, ROOTS[size2], broken)
            for flipped in flips(ROOTS[size1]):
                refuse_consistency(size1, flipped, size2, ROOTS[size2], proof)
            for flipped in flips(ROOTS[size2]):
                refuse_consistency(size1, ROOTS[size1], size2, flipped, proof)


def test_no_leaf_outside_the_tree_and_no_proof_beyond_the_root() -> None:
    # What the hashes alone would allow: the right root, by way of an index or a length the size does not have.
    refuse_inclusion(LEAVES[1], 1, 1, [LEAVES[0]], ROOTS[2])
    refuse_inclusion(LEAVES[1], 0, 1, [LEAVES[0]], ROOTS[2])
    for size in range(1, 9):
        for index in (-1, size, size + 1):
            with pytest.raises(ProofError):
                merkle.prove_inclusion(index, size, Store(LEAVES).read)


def test_an_inner_node_does_not_pass_for_a_leaf() -> None:
    # Size 4 with the node above leaves 0 and 1 as "leaf" 0 of a tree of 2: the same root, and the size gives it away.
    # With the prefixes it could only be forged by an entry whose leaf hash is that node.
    inner = merkle.node_hash(LEAVES[0], LEAVES[1])
    refuse_inclusion(inner, 0, 4, [mth(LEAVES[2:4])], ROOTS[4])
    assert merkle.leaf_hash(LEAVES[0] + LEAVES[1]) != inner


@pytest.mark.parametrize("bad", [-1, 2**63, 2**200, True, 1.0, "1", None, b"one"])
def test_sizes_and_indices_are_checked(bad: Any) -> None:
    one = LEAVES[0]
    read = Store(LEAVES).read
    refuse_inclusion(one, bad, 70, [], one)
    refuse_inclusion(one, 0, bad, [], one)
    refuse_consistency(bad, one, 70, one, [])
    refuse_consistency(1, one, bad, one, [])
    for prove, first, second in (
        (merkle.prove_inclusion, bad, 70),
        (merkle.prove_inclusion, 0, bad),
        (merkle.prove_consistency, bad, 70),
        (merkle.prove_consistency, 1, bad),
    ):
        with pytest.raises(ProofError):
            prove(first, second, read)


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(33), bytes(12), bytearray(32), "a" * 32, None, 0], ids=repr)
def test_hashes_are_checked(bad: Any) -> None:
    one, two = LEAVES[:2]
    both = ROOTS[2]
    refuse_inclusion(bad, 0, 2, [two], both)
    refuse_inclusion(one, 0, 2, [bad], both)
    refuse_inclusion(one, 0, 2, [two], bad)
    refuse_inclusion(bad, 0, 1, [], bad)
    refuse_consistency(1, bad, 2, both, [two])
    refuse_consistency(1, one, 2, bad, [two])
    refuse_consistency(1, one, 2, both, [bad])
    refuse_consistency(1, bad, 1, bad, [])
    for answer in ([bad], [], [one, two], []):
        with pytest.raises(ProofError):
            merkle.prove_inclusion(0, 2, lambda _, answer=answer: answer)  # type: ignore[misc]
    frontier = Frontier()
    frontier.append(one)
    with pytest.raises(ProofError):
        frontier.extend([two, bad])
    assert (frontier.size, frontier.root()) == (1, one)


@pytest.mark.parametrize(
    "proof", [None, LEAVES[1], "x", iter([LEAVES[1]]), {LEAVES[1]}, {LEAVES[1]: 1}, 5], ids=lambda p: type(p).__name__
)
def test_a_proof_is_a_list(proof: Any) -> None:
    refuse_inclusion(LEAVES[0], 0, 2, proof, ROOTS[2])
    refuse_consistency(1, ROOTS[1], 2, ROOTS[2], proof)


def test_nothing_is_consistent_with_size_zero() -> None:
    for size in (0, 1, 5):
        refuse_consistency(0, merkle.EMPTY_ROOT, size, ROOTS[size], [])
        with pytest.raises(ProofError):
            merkle.prove_consistency(0, size, Store(LEAVES).read)


def test_the_largest_tree() -> None:
    size = merkle.MAX_SIZE
    for index in (0, 1, size // 2, size - 1):
        proof = merkle.prove_inclusion(index, size, lambda asked: [bytes(32)] * len(asked))
        assert len(proof) <= 63
        refuse_inclusion(LEAVES[0], index, size, proof, LEAVES[0])


# Frontier


@settings(deadline=None, max_examples=150)
@given(st.lists(st.integers(0, 40), max_size=12))
def test_frontier_in_any_portions(portions: list[int]) -> None:
    leaves = [merkle.leaf_hash(bytes([i % 256, i // 256])) for i in range(sum(portions))]
    frontier = Frontier()
    reported: dict[tuple[int, int], bytes] = {}
    for portion in portions:
        start = frontier.size
        for run in frontier.extend(leaves[start : start + portion]):
            for offset, node in enumerate(run.hashes):
                assert (run.level, run.first + offset) not in reported
                reported[run.level, run.first + offset] = node
        assert frontier.root() == mth(leaves[: frontier.size])
        frontier = Frontier.from_bytes(frontier.to_bytes())
    complete = Store(leaves)
    assert reported == {
        (level, index): complete.subtree(level, index)
        for level in range(len(leaves).bit_length())
        for index in range(len(leaves) >> level)
    }


def test_frontier_one_by_one() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(LEAVES):
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])
        frontier.append(leaf)
    assert frontier.extend([]) == []
    assert frontier.root() == ROOTS[MOST]


def test_frontier_of_65536_and_of_large_runs() -> None:
    leaves = [i.to_bytes(32, "big") for i in range(65_536 + 700)]
    whole, parts = Frontier(), Frontier()
    whole.extend(leaves)
    for at in range(0, len(leaves), 1000):
        parts.extend(leaves[at : at + 1000])
    assert whole.to_bytes() == parts.to_bytes()
    assert whole.root() == parts.root() == mth(leaves)


def test_frontier_bytes() -> None:
    frontier = Frontier()
    assert frontier.to_bytes() == bytes(8)
    frontier.extend(LEAVES[:5])
    assert frontier.to_bytes() == (5).to_bytes(8, "big") + ROOTS[4] + LEAVES[4]
    good = frontier.to_bytes()
    for bad in (
        b"",
        good[:-1],
        good + b"\x00",
        good[:8],
        bytes(7),
        b"\x80" + bytes(39),
        b"\xff" * 8,
        bytearray(good),
        None,
    ):
        with pytest.raises(FormatError):
            Frontier.from_bytes(bad)  # type: ignore[arg-type]
    full = Frontier.from_bytes(merkle.MAX_SIZE.to_bytes(8, "big") + bytes(32 * 63))
    before = full.to_bytes()
    with pytest.raises(ProofError):
        full.append(LEAVES[0])
    assert full.to_bytes() == before


def grown(start: int, size: int) -> Growth:
    frontier = Frontier()
    frontier.extend(LEAVES[:start])
    return frontier.grow(LEAVES[start:size])


def test_every_step_proves_its_leaves_from_memory() -> None:
    for size in range(1, MOST + 1):
        for start in range(size):
            growth = grown(start, size)
            assert (growth.start, growth.size) == (start, size)
            for index in range(start, size):
                assert growth.prove(index) == path(index, LEAVES[:size])


@pytest.mark.parametrize(("start", "size"), [(8, 20), (13, 40), (31, 70), (20, 20)])
def test_a_step_proves_no_other_leaf(start: int, size: int) -> None:
    growth = grown(start, size)
    for index in (*range(start), -1, size, size + 1, True, float(size - 1)):
        with pytest.raises(ProofError, match="not of this step"):
            growth.prove(index)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**64 - 1) | st.integers(0, 20), st.integers(-33, 33) | st.just(0), st.randoms())
def test_fuzz_frontier(size: int, excess: int, chance: random.Random) -> None:
    data = size.to_bytes(8, "big") + chance.randbytes(max(0, 32 * size.bit_count() + excess))
    try:
        frontier = Frontier.from_bytes(data)
    except FormatError:
        return
    assert frontier.to_bytes() == data
    assert len(frontier.root()) == 32


# Known answers, see README.md beside them


SHORT_ROOTS = "sizes-are-equal-one-and-proof-is-empty.json"
"""The one exception: it is to be accepted, with "roots" of 12 bytes; here a hash has 32."""


def decoded(hashes: list[str] | None) -> list[bytes]:
    return [base64.b64decode(text or "") for text in hashes or []]


@pytest.mark.parametrize("file", vector_files("rfc6962/inclusion", "*.json"))
def test_inclusion_vector(file: Path) -> None:
    case = json.loads(file.read_bytes())
    leaf, root = decoded([case["leafHash"], case["root"]])
    args = leaf, case["leafIdx"], case["treeSize"], decoded(case["proof"]), root
    if case["wantErr"]:
        refuse_inclusion(*args)
    else:
        merkle.check_inclusion(*args)


@pytest.mark.parametrize("file", vector_files("rfc6962/consistency", "*.json"))
def test_consistency_vector(file: Path) -> None:
    case = json.loads(file.read_bytes())
    root1, root2 = decoded([case["root1"], case["root2"]])
    args = case["size1"], root1, case["size2"], root2, decoded(case["proof"])
    if case["wantErr"] or file.name == SHORT_ROOTS:
        refuse_consistency(*args)
    else:
        merkle.check_consistency(*args)


def test_the_exception_is_only_about_length(vectors: Path) -> None:
    case = json.loads((vectors / "rfc6962/consistency/additional" / SHORT_ROOTS).read_bytes())
    assert [len(root) for root in decoded([case["root1"], case["root2"]])] == [12, 12]
    assert not case["wantErr"]


# Independent implementations


def random_sizes(count: int, most: int) -> list[int]:
    chance = random.Random(6962)
    return [*range(1, 65), *(chance.randint(1, most) for _ in range(count - 64))]


def test_merkletools_agrees() -> None:
    """merkletools hashes leaves and nodes alike; given RFC 6962's node hash it is the same tree."""
    chance = random.Random(1)
    for size in random_sizes(2000, 150):
        leaves = [chance.randbytes(32) for _ in range(size)]
        other = MerkleTools()
        other.hash_function = lambda both: sha256(b"\x01" + both)
        other.add_leaf([leaf.hex() for leaf in leaves])
        other.make_tree()
        assert other.get_merkle_root() == merkle.root(leaves).hex()

        index = chance.randrange(size)
        proof = merkle.prove_inclusion(index, size, Tree(leaves).read)
        sides = directions(index, size)
        ours = [{side: node.hex()} for side, node in zip(sides, proof, strict=True)]
        assert ours == other.get_proof(index)
        assert other.validate_proof(ours, leaves[index].hex(), merkle.root(leaves).hex())
        theirs = [bytes.fromhex(node) for step in other.get_proof(index) for node in step.values()]
        merkle.check_inclusion(leaves[index], index, size, theirs, merkle.root(leaves))


def test_pymerkle_agrees() -> None:
    chance = random.Random(2)
    for size in random_sizes(1000, 100):
        entries = [chance.randbytes(chance.randrange(40)) for _ in range(size)]
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        other = pymerkle.InmemoryTree(algorithm="sha256")
        for entry in entries:
            other.append_entry(entry)
        root = merkle.root(leaves)
        assert other.get_root() == root

        index, size1 = chance.randrange(size), chance.randint(1, size)
        tree = Tree(leaves)
        proof = merkle.prove_inclusion(index, size, tree.read)
        theirs = other.prove_inclusion(index + 1, size)
        assert theirs.path == [leaves[index], *proof]
        ours = pymerkle.InclusionProof("sha256", True, size, index + 1, theirs.rule, [leaves[index], *proof])
        pymerkle.verify_inclusion(leaves[index], root, ours, index=index + 1, size=size)
        merkle.check_inclusion(leaves[index], index, size, theirs.path[1:], root)
        # Their consistency proofs have another shape (no subtree merged), so only the roots are compared.
        growth = other.prove_consistency(size1, size)
        pymerkle.verify_consistency(merkle.root(leaves[:size1]), root, growth)


class Tree:
    """Complete subtrees as `Frontier.extend` reports them: the third way to the same hashes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.nodes = {
            (run.level, run.first + offset): node
            for run in Frontier().extend(leaves)
            for offset, node in enumerate(run.hashes)
        }

    def read(self, coordinates: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.nodes[coordinate] for coordinate in coordinates]


def directions(index: int, size: int) -> list[str]:
    sides = []
    last = size - 1
    while last:
        if index & 1:
            sides.append("left")
        elif index < last:
            sides.append("right")
        index >>= 1
        last >>= 1
    return sides
