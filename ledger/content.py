"""The content of a message that was kept: how its octets become blobs, and blobs its octets again.

Two blobs a message, so that the erasure of one person who is named in its header need not take everything. ``header``
is the header block, under a data key of its own. ``body`` is the rest, under the message's: a small message that can be
read by itself, because the fields that say how to read it stand before it once more. What has no header block that we
can tell, or one that breaks off at a line that is no field, so that fields may stand in what is taken for the body, is
one blob, ``whole``, under the first of the two keys.

Nothing is given before all of it was authenticated, and the octets of a message not before they have its hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final

from ledger import blobs, mime
from ledger.blobs import NAME_SIZE, Blob, Blobs
from ledger.errors import Damaged, Erased, Unavailable, UnknownReference
from ledger.vault import HEADER, KEY_SIZE

PARTS: Final[Mapping[str, str]] = {"header": HEADER, "body": "", "whole": HEADER}
"""Each part, and what ends the subject of the data key that its own key is wrapped under."""

STRUCTURE: Final = frozenset(
    (b"content-disposition", b"content-id", b"content-transfer-encoding", b"content-type", b"mime-version")
)
"""Header fields that say how a body is to be read, and nobody's name."""

PIECE: Final = 1 << 18
"""Octets handed over at a time."""


def keep(
    store: Blobs, log: str, message: str, octets: bytes, header_size: int | None, random: Callable[[int], bytes]
) -> list[Blob]:
    """Put the content of a message, before the entry that says so is written. ``octets`` are normalised, and
    ``header_size`` is that of their fingerprint. Durable when this returns. Unavailable: then nothing is left."""
    made: list[Blob] = []
    try:
        for part, small, parts in _split(octets, header_size):
            made.append(
                Blob(
                    part=part,
                    name=random(NAME_SIZE).hex(),
                    subject=message + PARTS[part],
                    size=sum(map(len, parts)),
                    small=small,
                    key=random(KEY_SIZE),
                )
            )
            store.put(made[-1].name, blobs.encrypt(made[-1], log, message, _pieces(parts)))
    except BaseException:
        discard(store, made)
        raise
    return made


def discard(store: Blobs, made: Iterable[Blob]) -> None:
    """Delete blobs that no entry tells of. What cannot be deleted now is swept away later."""
    for blob in made:
        with suppress(Unavailable):
            store.delete(blob.name)


def _split(octets: bytes, header_size: int | None) -> list[tuple[str, int, list[memoryview]]]:
    """Part, size of its small header, octets."""
    view = memoryview(octets)
    header = mime.read_header(octets, 0, len(octets), mime.Limits()) if header_size is not None else None
    if header is None or header.cut:
        return [("whole", 0, [view])]
    small = _small_header(header)
    return [("header", 0, [view[:header_size]]), ("body", len(small), [memoryview(small), view[header_size:]])]


def _small_header(header: mime.Header) -> bytes:
    lines = [name + b":" + value for name, value in header.fields if name in STRUCTURE]
    # Only where a message ends within its header does a field lack its line end.
    return b"".join(line if line.endswith(b"\r\n") else line + b"\r\n" for line in lines) + b"\r\n"


def _pieces(parts: Iterable[memoryview]) -> Iterator[memoryview]:
    for part in parts:
        for start in range(0, len(part), PIECE):
            yield part[start : start + PIECE]


def missing(parts: Iterable[str]) -> list[str]:
    """What there should be beside these parts of a message that was kept."""
    there = set(parts)
    return [] if "whole" in there else [part for part in ("header", "body") if part not in there]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file of a message. ``name`` is the sender's own word, and may be anything; ``pieces`` gives its octets."""

    name: str | None
    media_type: str
    size: int
    pieces: Callable[[], Iterator[bytes | memoryview]]


@dataclass(frozen=True, slots=True)
class Content:
    """What is kept of one message, and is left. ``sealed`` are the facts under the message's own data key; ``erased``
    is when an erasure took what is missing. Damaged, from everything here, where something was lost otherwise."""

    log: str
    message: str
    files: int
    store: Blobs
    parts: Mapping[str, Blob]
    sealed: Mapping[str, Any]
    erased: str | None = None

    @property
    def size(self) -> int:
        """Octets of the whole. Erased."""
        return int(self._fact("raw")["size"])

    def whole(self) -> Iterator[bytes]:
        """The octets, as they were recorded with CRLF line ends. They are hashed before this returns. Erased."""
        raw = self._fact("raw")
        if missing(self.parts):
            raise self._gone("the header block" if "body" in self.parts else "the content")
        _check(self._whole(), raw)
        return self._whole()

    def body(self) -> tuple[int, Iterator[bytes]]:
        """Size and octets of the message without its header block, but for the fields that say how to read it. All of
        it is authenticated before this returns. Erased."""
        if "whole" in self.parts:
            raise UnknownReference("this message could not be parsed: it has no body of its own")
        self.check("body")
        return self.parts["body"].size, self._open("body")

    def file(self, file: str) -> Leaf:
        """A file by its number (``f1``), hashed before this returns; the whole body is held in memory meanwhile.
        UnknownReference, Erased."""
        return self.several([file])[file]

    def several(self, files: Sequence[str]) -> dict[str, Leaf]:
        """The same of some files; the body is held in memory once for all of them."""
        for file in files:
            if int(file[1:]) > self.files:
                raise UnknownReference(f"the message has {self.files} files, no {file}")
        said = {file: self._fact(file) for file in files}
        where = "whole" if "whole" in self.parts else "body"
        octets = b"".join(self._open(where))
        header = mime.read_header(octets, 0, self.parts[where].small or len(octets), mime.Limits())
        wanted = {one["path"]: file for file, one in said.items()}
        found = {}
        for part in mime.Walk(octets, mime.Limits()).leaves(header):
            if part.path in wanted:
                one = said[wanted[part.path]]
                _check(mime.pieces(part, []), one)
                leaf = Leaf(one.get("name"), one["media_type"], one["size"], partial(mime.pieces, part, []))
                found[wanted.pop(part.path)] = leaf
            if not wanted:
                return found
        raise Damaged(f"the kept content of this message has no {', '.join(wanted.values())}")

    def check(self, part: str) -> None:
        """That one part is there and authentic, to its end. Erased."""
        for _ in self._open(part):
            pass

    def _whole(self) -> Iterator[bytes]:
        if "whole" in self.parts:
            yield from self._open("whole")
            return
        yield from self._open("header")
        over = self.parts["body"].small
        for piece in self._open("body"):
            if len(piece) > over:
                yield piece[over:]
            over = max(0, over - len(piece))

    def _open(self, part: str) -> Iterator[bytes]:
        blob = self.parts.get(part)
        if blob is None:
            raise self._gone("the content")
        return blobs.decrypt(blob, self.log, self.message, self.store.get(blob.name))

    def _fact(self, name: str) -> Any:
        if name not in self.sealed:
            raise self._gone("the content")
        return self.sealed[name]

    def _gone(self, what: str) -> Erased | Damaged:
        if self.erased is None:
            return Damaged(f"{what} of this message is missing, and no entry tells of an erasure")
        return Erased(f"{what} of this message was erased; that was recorded {self.erased}")


def _check(pieces: Iterator[bytes] | Iterator[bytes | memoryview], said: Mapping[str, Any]) -> None:
    digest, size = sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    if (digest.hexdigest(), size) != (said["sha256"], said["size"]):
        raise Damaged("the kept content of this message is not what was recorded")
