"""Opening the ledger that the settings name. All commands that need one come through here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from api import settings
from api.settings import Settings
from cli.exits import UNAVAILABLE, USAGE, Stop
from ledger import store
from ledger.errors import SecretError
from ledger.keys import KeyRing, MasterKey, ring_path
from ledger.log import Log
from ledger.reading import Reading
from ledger.store.engine import sqlite_path
from ledger.store.read import Reader

AcceptClock = Annotated[
    bool,
    typer.Option("--accept-clock", help="Take the clock as right although it differs much from the last entry's."),
]

_PRIVATE: Final = 0o700


@contextmanager
def open_log(accept_clock: bool = False) -> Iterator[Log]:
    """The ledger, open for writing; begun where there is none. Its beat is recorded while the block runs."""
    here = settings.from_environment()
    _make_private(here.data_dir)
    path = sqlite_path(here.database_url)
    if path is not None and not path.parent.exists():
        raise Stop(USAGE, f"the directory of the database, {path.parent}, does not exist")
    with Log.open(
        here.database_url, here.data_dir, origin=here.origin, master=_master(here), accept_clock=accept_clock
    ) as log:
        yield log


@contextmanager
def open_reading() -> Iterator[Reading]:
    """The same ledger to read from. It must be there; looking writes nothing."""
    here = settings.from_environment()
    with open_reader(here) as reader:
        yield Reading.over(reader, here.data_dir, MasterKey.load(here.master_key_file), os.urandom)


@contextmanager
def open_reader(here: Settings) -> Iterator[Reader]:
    """The entries alone: no secret is needed to read them."""
    path = sqlite_path(here.database_url)
    if path is not None and not path.exists():  # to look would create it
        raise Stop(USAGE, f"there is no ledger yet in {path}; `postseal record` begins one")
    with closing(store.open_reader(here.database_url)) as reader:
        head = reader.find_head()
        if head is None:
            raise Stop(USAGE, "there is no ledger yet in this database; `postseal record` begins one")
        if head.origin != here.origin:
            raise Stop(UNAVAILABLE, f"this database holds the log {head.origin}, not {here.origin} (POSTSEAL_ORIGIN)")
        yield reader


def find_keys(here: Settings, reader: Reader) -> KeyRing | None:
    """The log's key ring, where this machine has it; who audits a copy of the database has none."""
    log = reader.head().log
    path = ring_path(here.data_dir, log)
    if not path.exists() or not here.master_key_file.exists():
        return None
    return KeyRing.load(path, MasterKey.load(here.master_key_file), log, os.urandom)


def _make_private(directory: Path) -> None:
    """The data directory, for its owner alone. One that exists keeps the mode its owner gave it."""
    try:
        directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(UNAVAILABLE, f"the data directory {directory} cannot be made: {error.strerror}") from None


def _master(here: Settings) -> MasterKey:
    """The master key; on the very first start a new one. `MasterKey.create` refuses where rings lie that it cannot
    open: then the key was lost or is elsewhere, and a new one would be worse than none."""
    path = here.master_key_file
    if not path.exists():
        try:
            return MasterKey.create(path, here.data_dir / "keys", os.urandom)
        except SecretError:
            if not path.exists():
                raise
    return MasterKey.load(path)
