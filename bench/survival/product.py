"""The ledger, asked what a copy is. Nothing else here knows how."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol, Self

from ledger import envelope, fingerprint, mime
from ledger.errors import FormatError
from ledger.keys import MasterKey
from ledger.log import Log

ORIGIN: Final = "localhost/survival"


@dataclass(frozen=True, slots=True)
class Answer:
    """``differences`` as texts that a person would read."""

    message: str
    level: str
    differences: tuple[str, ...]


class Product(Protocol):
    """What is measured."""

    def record_all(self, messages: Sequence[bytes]) -> list[str]:
        """The identifiers that the messages got, in order."""

    def identify(self, copy: bytes) -> list[Answer]:
        """Every recorded message that the copy is taken for, with the level; none where it is unknown."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class _Held(Log):
    """A log whose messages' octets are at hand, for a ledger without a vault for them."""

    held: dict[str, bytes]

    def _content(self, message: Any) -> bytes | str:
        return self.held.get(message.id, "the content was not kept")


class Recorded:
    """A new ledger on SQLite that keeps the content of what it records: in its vault if it has one, else in memory."""

    def __init__(self, directory: Path) -> None:
        master = MasterKey.create(directory / "keys" / "master.key", directory / "keys", os.urandom)
        url = f"sqlite:///{directory / 'ledger.db'}"
        options: dict[str, Any] = {"origin": ORIGIN, "master": master, "heartbeat": False}
        self._vault = find_spec("adapters.blobs") is not None
        self._log: Any
        if self._vault:
            blobs = partial(import_module("adapters.blobs").LocalBlobs, directory / "blobs")
            self._log = Log.open(url, directory, blobs=blobs, **options)
        else:
            self._log = _Held.open(url, directory, **options)
            self._log.held = {}
        if not hasattr(self._log, "identify"):
            self._log.close()
            raise SystemExit("this ledger cannot tell what a copy is yet (Log.identify)")

    def record_all(self, messages: Sequence[bytes]) -> list[str]:
        # Those that wait together are written together.
        with ThreadPoolExecutor(32) as pool:
            return list(pool.map(self._record, messages))

    def _record(self, octets: bytes) -> str:
        taken, sent = fingerprint.take(octets), envelope.given("sender@example.org", ["reader@example.com"])
        kept = {"keep": octets} if self._vault else {}
        message = str(self._log.record(taken, sent, ["to"], **kept).message)
        if not self._vault:
            self._log.held[message] = mime.normalise(octets)
        return message

    def identify(self, copy: bytes) -> list[Answer]:
        """Files of a message that the copy holds are no answer to what the copy is."""
        try:
            found = self._log.identify(copy)
        except FormatError:
            return []
        return [Answer(one.message, one.level, _said(one.differences)) for one in found if one.part is None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()


def _said(differences: Iterable[Any]) -> tuple[str, ...]:
    fields = ("kind", "where", "detail", "recorded", "received")
    return tuple(" ".join(str(getattr(one, name, None) or "") for name in fields) for one in differences)
