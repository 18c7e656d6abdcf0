"""Tiles as in C2SP tlog-tiles: the tree cut into pieces that never change, to be stored, cached and served as files.

A tile (level, index) holds the hashes, 32 octets each, of up to 256 neighbouring complete subtrees of 256^level leaves
each, from subtree index * 256 on. *Width* is their number; 256 is a full tile. Narrower ones exist only at the right
edge of a tree: for a given size, at most one on each level. The bundle of the entries themselves has the geometry of
level 0 and the level `ENTRIES`.

Paths and bundles from outside: `FormatError`. Tiles that do not fit the tree: `ProofError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from ledger.errors import FormatError, ProofError
from ledger.merkle import HASH_SIZE, MAX_SIZE, Coordinate, Read, Run, check_size

FULL: Final = 256
ENTRIES: Final = -1
"""In place of a level: the tile is a bundle of entries."""

MAX_LEVEL: Final = 63
MAX_ENTRY: Final = 65_535

_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Coordinates of a tile, and how many of its hashes or entries are meant. Its first leaf is below 2^63."""

    level: int
    index: int
    width: int = FULL

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= MAX_LEVEL or not 1 <= self.width <= FULL:
            raise FormatError("tile: level or width out of range")
        if self.index < 0 or self.index << 8 * (max(self.level, 0) + 1) > MAX_SIZE:
            raise FormatError("tile: index out of range")


FetchTiles = Callable[[Sequence[Tile]], Sequence[bytes]]
"""Tiles to their hashes, 32 octets each, in the order asked for; more than the width asked for may come back."""


def format_path(tile: Tile) -> str:
    """Path below the log's prefix, for example ``tile/0/x001/x234/067`` or ``tile/entries/000.p/17``."""
    index, last = divmod(tile.index, 1000)
    path = f"{last:03}"
    while index:
        index, group = divmod(index, 1000)
        path = f"x{group:03}/{path}"
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    suffix = "" if tile.width == FULL else f".p/{tile.width}"
    return f"tile/{level}/{path}{suffix}"


def parse_path(path: str) -> Tile:
    """The inverse of `format_path`; no other spelling is taken."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise FormatError("tile: not the path of a tile")
    level, index, width = match["level"], match["index"], match["width"]
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(index.replace("x", "").replace("/", "")),
        FULL if width is None else int(width),
    )
    # Leading groups of zeros, and a width of 256 spelled out.
    if format_path(tile) != path:
        raise FormatError("tile: path is not in its canonical spelling")
    return tile


def available(level: int, index: int, size: int) -> int:
    """How wide the tile (level, index) of a tree of ``size`` leaves is: 0, not there yet, to 256, full."""
    check_size(size)
    return max(0, min(FULL, (size >> 8 * max(level, 0)) - index * FULL))


def full_tiles(old: int, new: int) -> list[Tile]:
    """The hash tiles that become full while a tree grows from ``old`` to ``new`` leaves, level by level."""
    check_size(old)
    check_size(new)
    tiles = []
    level = 0
    while new >> 8 * (level + 1):
        tiles += [Tile(level, index) for index in range(old >> 8 * (level + 1), new >> 8 * (level + 1))]
        level += 1
    return tiles


def grow(edge: Mapping[int, bytes], runs: Iterable[Run]) -> tuple[dict[int, bytes], list[tuple[Tile, bytes]]]:
    """Take what `Frontier.extend` returned; give the new edge of the tree, and the tiles that have become full.

    An *edge* is the unfinished tile of each level that has one, as the hashes in it so far. It is what a store keeps
    so that partial tiles need not be hashed from the entries again. ``edge`` itself is left as it is.
    """
    new = dict(edge)
    full = []
    for run in runs:
        level, rest = divmod(run.level, 8)
        if rest:
            continue
        index, position = divmod(run.first, FULL)
        hashes = new.pop(level, b"")
        if len(hashes) != HASH_SIZE * position:
            raise ProofError(f"edge of level {level} does not end where the tree goes on")
        hashes += b"".join(run.hashes)
        whole = len(hashes) // (FULL * HASH_SIZE)
        for offset in range(whole):
            start = offset * FULL * HASH_SIZE
            full.append((Tile(level, index + offset), hashes[start : start + FULL * HASH_SIZE]))
        if left := hashes[whole * FULL * HASH_SIZE :]:
            new[level] = left
    return new, full


def reader(fetch: FetchTiles, size: int) -> Read:
    """A `Read` over the tiles of a tree of ``size`` leaves, for proofs in trees of that size or less.

    ``fetch`` is called once for each call of the `Read`, with every tile needed, each once and as wide as the tree
    of ``size`` has it: no tile is asked for that a checkpoint of that size does not imply.
    """
    check_size(size)

    def read(coordinates: Sequence[Coordinate]) -> list[bytes]:
        wanted: dict[tuple[int, int], Tile] = {}
        spans = []
        for level, index in coordinates:
            tile_level, height = divmod(level, 8)
            tile_index, position = divmod(index << height, FULL)
            key = tile_level, tile_index
            if key not in wanted:
                width = available(tile_level, tile_index, size)
                if not width:
                    raise ProofError(f"subtree {level}/{index} is not in a tree of {size}")
                wanted[key] = Tile(tile_level, tile_index, width)
            if position + (1 << height) > wanted[key].width:
                raise ProofError(f"subtree {level}/{index} is not complete in a tree of {size}")
            spans.append((key, position, height))
        tiles = list(wanted.values())
        found = fetch(tiles)
        if len(found) != len(tiles):
            raise ProofError(f"{len(tiles)} tiles asked for, {len(found)} got")
        for tile, data in zip(tiles, found, strict=True):
            if not tile.width * HASH_SIZE <= len(data) <= FULL * HASH_SIZE:
                raise ProofError(f"{format_path(tile)} is {len(data)} octets long")
        by_key = dict(zip(wanted, found, strict=True))
        # Tiles above level 0 are few, and so are those at the right edge: every proof passes through some of them.
        often = {key for key, tile in wanted.items() if tile.level or tile.width < FULL}
        return [_subtree(by_key[key], position, height, key in often) for key, position, height in spans]

    return read


def _subtree(tile: bytes, position: int, height: int, often: bool) -> bytes:
    """Root over the 2^height hashes of a tile from ``position`` on."""
    hashes = bytes(tile[HASH_SIZE * position : HASH_SIZE * (position + (1 << height))])
    if not height:
        return hashes
    return _known_root(hashes) if often and height > 2 else _root(hashes)


def _root(hashes: bytes) -> bytes:
    two = 2 * HASH_SIZE
    nodes = [sha256(b"\x01" + hashes[at : at + two]).digest() for at in range(0, len(hashes), two)]
    while len(nodes) > 1:
        pairs = iter(nodes)
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return nodes[0]


# By content, so that nothing can be out of date; some megabytes at most.
_known_root: Final = lru_cache(8192)(_root)


def format_bundle(entries: Sequence[bytes]) -> bytes:
    """Up to 256 entries, each after its length in two octets, big-endian."""
    if not 1 <= len(entries) <= FULL:
        raise FormatError(f"bundle: {len(entries)} entries, 1 to {FULL} expected")
    if max(map(len, entries)) > MAX_ENTRY:
        raise FormatError(f"bundle: an entry is longer than {MAX_ENTRY} octets")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The inverse of `format_bundle`: exactly ``width`` entries and nothing after them."""
    if not 1 <= width <= FULL:
        raise FormatError(f"bundle: width {width}, 1 to {FULL} expected")
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    # What was cut off anywhere, in a length or in an entry, has taken ``at`` past the end.
    if at != len(data):
        raise FormatError(f"bundle: {len(data)} octets are not {width} entries")
    return entries
