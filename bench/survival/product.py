"""The ledger, asked what a copy is. Nothing else here knows how."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, Self

from adapters.blobs import LocalBlobs
from ledger import envelope, fingerprint
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


class Recorded:
    """A new ledger on SQLite that keeps the content of what it records in its vault."""

    def __init__(self, directory: Path) -> None:
        self._log = Log.open(
            f"sqlite:///{directory / 'ledger.db'}",
            directory,
            origin=ORIGIN,
            master=MasterKey.create(directory / "keys" / "master.key", directory / "keys", os.urandom),
            blobs=partial(LocalBlobs, directory / "blobs"),
            heartbeat=False,
        )

    def record_all(self, messages: Sequence[bytes]) -> list[str]:
        # Those that wait together are written together.
        with ThreadPoolExecutor(32) as pool:
            return list(pool.map(self._record, messages))

    def _record(self, octets: bytes) -> str:
        sent = envelope.given("sender@example.org", ["reader@example.com"])
        return self._log.record(fingerprint.take(octets), sent, ["to"], keep=octets).message

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
