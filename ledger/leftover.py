"""Parts of a copy that no recorded part is, by where they may stand in the place of one.

Parts are told apart by the attached messages that they are in: what somebody else said stays what he said.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from ledger import mime
from ledger.fingerprint import Leaf

Key = tuple[str, ...]
_OWN = 2


def keys(leaves: Iterable[Leaf]) -> dict[str, Key]:
    """What each part is known by, by its path: its text, of which its type says how it is shown, or its octets; and,
    before that, what the attached messages are known by that it is in."""
    found: dict[str, Key] = {}
    messages: dict[str, Key] = {}
    alike: Counter[Key] = Counter()
    for leaf in sorted(leaves, key=order):
        around = next((messages[path] for path in above(leaf.path) if path in messages), ())
        own = ("octets", leaf.sha256) if leaf.text is None else (leaf.media_type, leaf.text)
        found[leaf.path] = (*around, *own)
        if leaf.media_type in mime.MESSAGES:
            messages[leaf.path] = (*found[leaf.path], str(alike[found[leaf.path]]))
            alike[found[leaf.path]] += 1
    return found


def above(path: str) -> Iterator[str]:
    """What a path goes through, from the nearest."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def order(leaf: Leaf) -> tuple[int, ...]:
    """MIME order, to sort by."""
    return tuple(map(int, leaf.path.split(".")))


class Left:
    """The ``parts`` that are left, by name, of a copy whose parts have these keys."""

    def __init__(self, parts: dict[str, Leaf], known: Mapping[str, Key]) -> None:
        self.parts = parts
        self._waiting: dict[tuple[Key, str, str], deque[str]] = {}
        for name, leaf in parts.items():
            around = known[leaf.path][:-_OWN]
            for what, said in (("place", f"{leaf.path} {leaf.media_type}"), ("type", leaf.media_type)):
                self._waiting.setdefault((around, what, said), deque()).append(name)
            if leaf.name is not None:
                self._waiting.setdefault((around, "name", leaf.name), deque()).append(name)

    def take(self, name: str) -> None:
        """It stands in the place of something."""
        del self.parts[name]

    def instead_of(self, leaf: Leaf, key: Key) -> str | None:
        """What stands where a recorded part was: under its name, or, being of its kind, in its place."""
        place = ("place", f"{leaf.path} {leaf.media_type}") if leaf.name is None else ("name", leaf.name)
        return next(iter(self._among(key, *place, 1)), None)

    def alike(self, leaf: Leaf, key: Key, most: int) -> list[str]:
        """The first that are of the same type as a recorded part."""
        return self._among(key, "type", leaf.media_type, most)

    def _among(self, key: Key, what: str, said: str, most: int) -> list[str]:
        waiting = self._waiting.get((key[:-_OWN], what, said), deque())
        while waiting and waiting[0] not in self.parts:
            waiting.popleft()
        return list(islice((name for name in waiting if name in self.parts), most))
