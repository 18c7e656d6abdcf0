from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle, tiles
from ledger.errors import FormatError, ProofError
from ledger.merkle import Frontier
from ledger.tiles import ENTRIES, Tile

COUNT = 66_500
LEAVES = [i.to_bytes(32, "big") for i in range(COUNT)]
LEVELS = {run.level: run.hashes for run in Frontier().extend(LEAVES)}
SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 3000, 65_535, 65_536, 65_537, COUNT]


def hashes(tile: Tile) -> bytes:
    """A tile as C2SP tlog-tiles defines it, from the whole tree."""
    start = tile.index * 256
    return b"".join(LEVELS[8 * tile.level][start : start + tile.width])


class Files:
    """What a log publishes at one size: nothing else can be fetched."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fetched: list[list[Tile]] = []

    def fetch(self, wanted: Sequence[Tile]) -> list[bytes]:
        self.fetched.append(list(wanted))
        for tile in wanted:
            assert tile.width == tiles.available(tile.level, tile.index, self.size)
        return [hashes(tile) for tile in wanted]


@cache
def root_of(size: int) -> bytes:
    return merkle.root(LEAVES[:size])


def subtrees(coordinates: Sequence[tuple[int, int]]) -> list[bytes]:
    return [LEVELS[level][index] for level, index in coordinates]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(ENTRIES, 0, 17), "tile/entries/000.p/17"),
        (Tile(ENTRIES, 1000), "tile/entries/x001/000"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(63, 0), "tile/63/000"),
        (Tile(0, 2**55 - 1), "tile/0/x036/x028/x797/x018/x963/967"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_paths(tile: Tile, path: str) -> None:
    assert tiles.format_path(tile) == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/X001/000",
        "tile/0/x1/000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/8/001",
        "tile/7/001",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/999",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000p/1",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/\u0660\u0660\u0660",
        "tile/\u0661/000",
        "tile/0/../0/000",
        "checkpoint",
    ],
    ids=ascii,
)
def test_paths_refused(path: str) -> None:
    with pytest.raises(FormatError):
        tiles.parse_path(path)


@settings(deadline=None, max_examples=200)
@given(st.integers(-1, 6), st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_paths_there_and_back(level: int, index: int, width: int) -> None:
    tile = Tile(level, index >> 8 * max(level, 0), width)
    assert tiles.parse_path(tiles.format_path(tile)) == tile


@settings(deadline=None, max_examples=400)
@given(st.text("tile/entris0129x.p", max_size=30) | st.text("x019/.p", max_size=14).map("tile/0/".__add__) | st.text())
def test_fuzz_paths(path: str) -> None:
    try:
        tile = tiles.parse_path(path)
    except FormatError:
        return
    assert tiles.format_path(tile) == path


@pytest.mark.parametrize("args", [(-2, 0), (64, 0), (0, -1), (0, 0, 0), (0, 0, 257), (0, 2**55), (7, 1)])
def test_tiles_refused(args: Any) -> None:
    with pytest.raises(FormatError):
        Tile(*args)


def test_the_examples_of_the_standard() -> None:
    # Size 70,000: 273 full and one of 112 on level 0; 1 full and one of 17 on level 1; one of 1 on level 2.
    full = tiles.full_tiles(0, 70_000)
    assert [sum(tile.level == level for tile in full) for level in range(3)] == [273, 1, 0]
    widths = [
        [tiles.available(level, index, 70_000) for index in span]
        for level, span in enumerate(([272, 273, 274], [0, 1, 2], [0, 1]))
    ]
    assert widths == [[256, 112, 0], [256, 17, 0], [1, 0]]
    assert tiles.available(ENTRIES, 273, 70_000) == 112
    assert tiles.full_tiles(0, 256) == [Tile(0, 0)]
    assert [tiles.available(0, 0, 256), tiles.available(0, 1, 256), tiles.available(1, 0, 256)] == [256, 0, 1]
    assert tiles.available(8, 0, merkle.MAX_SIZE) == 0
    assert tiles.available(7, 0, merkle.MAX_SIZE) == 127


def test_growing_in_steps_completes_each_tile_once() -> None:
    chance = random.Random(3)
    for most in (1, 100, 1000, 70_000):
        frontier, edge, done = Frontier(), dict[int, bytes](), list[Tile]()
        while frontier.size < COUNT and (most > 1 or frontier.size < 1500):
            old = frontier.size
            before = dict(edge)
            step = LEAVES[old : old + chance.randint(0, most) + (most == 1)]
            new_edge, full = tiles.grow(edge, frontier.extend(step))
            assert edge == before
            edge = new_edge
            assert sorted(t.level for t, _ in full) == [t.level for t, _ in full]
            assert [tile for tile, _ in full] == tiles.full_tiles(old, frontier.size)
            assert all(data == hashes(tile) for tile, data in full)
            done += [tile for tile, _ in full]
        size = frontier.size
        assert len(set(done)) == len(done)
        for level, data in edge.items():
            index = size >> 8 * (level + 1)
            assert data == hashes(Tile(level, index, tiles.available(level, index, size)))
        assert {level for level in range(8) if size >> 8 * level & 255} == set(edge)


def test_an_edge_of_another_size_is_refused() -> None:
    frontier = Frontier()
    edge, _ = tiles.grow({}, frontier.extend(LEAVES[:300]))
    runs = frontier.extend(LEAVES[300:310])
    for wrong in ({}, {0: edge[0][:-32], 1: edge[1]}, {0: edge[0] + bytes(32)}, {0: edge[0][:-1]}):
        with pytest.raises(ProofError):
            tiles.grow(wrong, runs)
    assert tiles.grow(edge, runs)[0][0] == hashes(Tile(0, 1, 54))


@pytest.mark.parametrize("size", SIZES)
def test_proofs_from_tiles(size: int) -> None:
    chance = random.Random(size)
    files = Files(size)
    read = tiles.reader(files.fetch, size)
    root = root_of(size)
    for index in {0, size - 1, size // 2, *(chance.randrange(size) for _ in range(30))}:
        proof = merkle.prove_inclusion(index, size, read)
        assert proof == merkle.prove_inclusion(index, size, subtrees)
        merkle.check_inclusion(LEAVES[index], index, size, proof, root)
    for size1 in {1, size, *(s for s in SIZES if s <= size), *(chance.randint(1, size) for _ in range(5))}:
        proof = merkle.prove_consistency(size1, size, read)
        merkle.check_consistency(size1, root_of(size1), size, root, proof)
        older = merkle.prove_inclusion(size1 - 1, size1, read)  # a tree of less, from the tiles of more
        merkle.check_inclusion(LEAVES[size1 - 1], size1 - 1, size1, older, root_of(size1))
    for asked in files.fetched:
        assert len(asked) <= 5
        assert len({(tile.level, tile.index) for tile in asked}) == len(asked)


def test_a_full_tile_serves_for_a_partial_one() -> None:
    read = tiles.reader(lambda wanted: [hashes(Tile(t.level, t.index)) for t in wanted], 300)
    proof = merkle.prove_inclusion(280, 300, read)
    merkle.check_inclusion(LEAVES[280], 280, 300, proof, merkle.root(LEAVES[:300]))


def test_what_a_reader_refuses() -> None:
    read = tiles.reader(Files(300).fetch, 300)
    assert read([]) == []
    for coordinate in ((0, 300), (0, 512), (8, 1), (9, 0), (5, 9), (16, 0)):
        with pytest.raises(ProofError):
            read([coordinate])
    assert read([(8, 0), (5, 8), (2, 74), (0, 299)]) == subtrees([(8, 0), (5, 8), (2, 74), (0, 299)])
    broken: list[Any] = [[], [b""], [bytes(32 * 43)], [bytes(32 * 257)], [bytes(32 * 44)] * 2]
    for answer in broken:
        with pytest.raises(ProofError):
            tiles.reader(lambda _, answer=answer: answer, 300)([(0, 299)])  # type: ignore[misc]
    for size in (-1, 2**63, True):
        with pytest.raises(ProofError):
            tiles.reader(Files(300).fetch, size)


def test_bundles() -> None:
    entries = [b"", b"a", b"\x00" * 300, b"x" * 65_535]
    data = tiles.format_bundle(entries)
    assert data[:3] == b"\x00\x00\x00"
    assert data[3:6] == b"\x01a\x01"
    assert tiles.parse_bundle(data, 4) == entries
    for width in (0, 1, 3, 5, 256, 257, -1):
        with pytest.raises(FormatError):
            tiles.parse_bundle(data, width)
    for bad in (data[:-1], data + b"\x00", data + b"\x00\x00", data[1:], b""):
        with pytest.raises(FormatError):
            tiles.parse_bundle(bad, 4)
    for wrong in ([], [b"x" * 65_536], [b""] * 257):
        with pytest.raises(FormatError):
            tiles.format_bundle(wrong)
    assert len(tiles.parse_bundle(tiles.format_bundle([b"a"] * 256), 256)) == 256


def test_every_truncation_of_a_bundle() -> None:
    data = tiles.format_bundle([b"ab", b"", b"c"])
    for end in range(len(data)):
        with pytest.raises(FormatError):
            tiles.parse_bundle(data[:end], 3)


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.binary(max_size=4), min_size=1, max_size=5),
    st.integers(0, 40),
    st.binary(max_size=2),
    st.integers(1, 6),
)
def test_fuzz_bundles(entries: list[bytes], at: int, noise: bytes, width: int) -> None:
    good = tiles.format_bundle(entries)
    assert tiles.parse_bundle(good, len(entries)) == entries
    bad = good[:at] + noise + good[at + 1 :]
    try:
        parsed = tiles.parse_bundle(bad, width)
    except FormatError:
        return
    assert tiles.format_bundle(parsed) == bad
