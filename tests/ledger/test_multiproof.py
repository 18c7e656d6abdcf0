from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import ProofError
from ledger.merkle import Frontier
from ledger.multiproof import check_many, prove_each, prove_many

LEAVES = [merkle.leaf_hash(str(i).encode()) for i in range(300)]
NODES = {
    (run.level, run.first + offset): node for run in Frontier().extend(LEAVES) for offset, node in enumerate(run.hashes)
}
ROOTS = [merkle.root(LEAVES[:size]) for size in range(40)]


def read(coordinates: Sequence[tuple[int, int]]) -> list[bytes]:
    return [NODES[coordinate] for coordinate in coordinates]


def reference(indices: set[int], low: int, high: int) -> list[bytes]:
    """The definition in the docstring, with no index arithmetic in common."""
    if not indices & set(range(low, high)):
        return [merkle.root(LEAVES[low:high])]
    if high - low == 1:
        return []
    k = 1
    while 2 * k < high - low:
        k *= 2
    return reference(indices, low, low + k) + reference(indices, low + k, high)


def refuse(leaves: Any, size: Any, proof: Any, root: Any, reason: str = "") -> None:
    with pytest.raises(ProofError, match=reason or None):
        check_many(leaves, size, proof, root)


def chosen(indices: Sequence[int]) -> dict[int, bytes]:
    return {index: LEAVES[index] for index in indices}


def test_the_example_of_the_docstring() -> None:
    expected = [merkle.root(LEAVES[a:b]) for a, b in ((0, 2), (3, 4), (4, 5), (6, 7))]
    assert prove_many([2, 5], 7, read) == expected


def test_every_choice_of_leaves_up_to_nine() -> None:
    for size in range(1, 10):
        for count in range(1, size + 1):
            for indices in combinations(range(size), count):
                proof = prove_many(reversed(indices), size, read)
                assert proof == reference(set(indices), 0, size)
                check_many(chosen(indices), size, proof, ROOTS[size])
                refuse(chosen(indices), size, [*proof, bytes(32)], ROOTS[size])
                refuse(chosen(indices), size, proof, ROOTS[size - 1])
                for at in range(len(proof)):
                    refuse(chosen(indices), size, proof[:at] + proof[at + 1 :], ROOTS[size], "too short")
                for index in indices:
                    refuse(chosen([i for i in indices if i != index]), size, proof, ROOTS[size])
                    refuse(chosen(indices) | {index: LEAVES[(index + 1) % 9]}, size, proof, ROOTS[size])
                for other in set(range(size)) - set(indices):
                    refuse(chosen([*indices, other]), size, proof, ROOTS[size])


def test_every_bit_and_every_swap() -> None:
    for size, indices in ((7, [2, 5]), (8, [0]), (9, [8]), (23, [3, 4, 17]), (5, [0, 1, 2, 3, 4])):
        proof = prove_many(indices, size, read)
        for at in range(len(proof)):
            for bit in range(256):
                flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
                refuse(chosen(indices), size, [*proof[:at], flipped, *proof[at + 1 :]], ROOTS[size])
            for other in range(at):
                swapped = list(proof)
                swapped[at], swapped[other] = swapped[other], swapped[at]
                refuse(chosen(indices), size, swapped, ROOTS[size])
        for index in indices:
            for bit in range(256):
                flipped = (int.from_bytes(LEAVES[index], "big") ^ 1 << bit).to_bytes(32, "big")
                refuse(chosen(indices) | {index: flipped}, size, proof, ROOTS[size])
        for a, b in combinations(indices, 2):
            refuse(chosen(indices) | {a: LEAVES[b], b: LEAVES[a]}, size, proof, ROOTS[size])


def test_one_leaf_has_the_hashes_of_its_audit_path() -> None:
    for size in (1, 2, 70, 255, 256, 257):
        for index in range(0, size, 7):
            assert sorted(prove_many([index], size, read)) == sorted(merkle.prove_inclusion(index, size, read))


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_choice(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    indices = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=40))
    asked: list[Sequence[tuple[int, int]]] = []

    def noted(coordinates: Sequence[tuple[int, int]]) -> list[bytes]:
        asked.append(coordinates)
        return read(coordinates)

    proof = prove_many(indices, size, noted)
    assert len(asked) == 1
    assert proof == reference(indices, 0, size)
    check_many(
        chosen(sorted(indices, key=lambda i: sha256(b"%d" % i).digest())), size, proof, merkle.root(LEAVES[:size])
    )


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_each_leaf_gets_its_own_proof_out_of_that_of_all(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    indices = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=40))
    wanted = data.draw(st.sets(st.sampled_from(sorted(indices))))
    made = prove_each(wanted, chosen(sorted(indices)), size, prove_many(indices, size, read))
    assert made == {index: merkle.prove_inclusion(index, size, read) for index in wanted}
    root = merkle.root(LEAVES[:size])
    for index, path in made.items():
        merkle.check_inclusion(LEAVES[index], index, size, path, root)


def test_of_every_small_tree_each_leaf_gets_its_own_proof() -> None:
    for size in range(1, 10):
        for count in range(1, size + 1):
            for indices in combinations(range(size), count):
                made = prove_each(indices, chosen(indices), size, prove_many(indices, size, read))
                assert made == {index: merkle.prove_inclusion(index, size, read) for index in indices}


def test_no_proof_is_made_out_of_what_is_none() -> None:
    proof = prove_many([2, 5], 7, read)
    for bad in (proof[:-1], [*proof, bytes(32)], [b"", *proof[1:]]):
        with pytest.raises(ProofError):
            prove_each([2], chosen([2, 5]), 7, bad)
    with pytest.raises(ProofError, match="leaf 3 is none"):
        prove_each([3], chosen([2, 5]), 7, proof)
    # Whoever wants to know whether it leads anywhere asks for that.
    assert prove_each([2], chosen([2, 5]), 7, [bytes(32)] * 4)[2][0] == bytes(32)


def test_all_leaves_need_no_hash() -> None:
    assert prove_many(range(300), 300, read) == []
    check_many(chosen(range(300)), 300, [], merkle.root(LEAVES))


@pytest.mark.parametrize("indices", [[], [-1], [7], [0, 0], [True], [1.0], ["1"], [None], [2**63], [0, 1, 7]], ids=repr)
def test_indices_refused(indices: Any) -> None:
    with pytest.raises(ProofError):
        prove_many(indices, 7, read)
    if len(set(indices)) == len(indices):
        refuse(dict.fromkeys(indices, LEAVES[0]), 7, [LEAVES[1]] * 3, ROOTS[7])


def test_sizes_and_hashes_refused() -> None:
    proof = prove_many([2], 7, read)
    for size in (0, -1, 2**63, True, 7.0, None):
        refuse(chosen([2]), size, proof, ROOTS[7])
        with pytest.raises(ProofError):
            prove_many([0], size, read)  # type: ignore[arg-type]
    for bad in (b"", bytes(31), bytearray(32), None, "a" * 32):
        refuse({2: bad}, 7, proof, ROOTS[7])
        refuse(chosen([2]), 7, [bad, *proof[1:]], ROOTS[7])
        refuse(chosen([2]), 7, proof, bad)
        refuse(chosen([2]), 7, bad, ROOTS[7])


def test_the_largest_tree() -> None:
    size = merkle.MAX_SIZE
    indices = [0, size // 3, size - 1]
    proof = prove_many(indices, size, lambda asked: [bytes(32)] * len(asked))
    assert len(proof) < 3 * 63
    refuse(chosen([0]) | {size // 3: LEAVES[1], size - 1: LEAVES[2]}, size, proof, ROOTS[3])
    refuse({random.Random(1).randrange(size): LEAVES[0]}, size, [bytes(32)] * 1000, ROOTS[3])
