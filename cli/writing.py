"""Opening the ledger that the settings name to write to it. All commands that record come through here."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from adapters.blobs import LocalBlobs
from api import settings
from api.settings import Settings
from cli import output
from cli.exits import UNAVAILABLE, USAGE, Stop
from ledger.erasing import Erasing
from ledger.errors import SecretError
from ledger.keys import MasterKey
from ledger.log import Log
from ledger.store.engine import sqlite_path

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
        here.database_url,
        here.data_dir,
        origin=here.origin,
        master=_master(here),
        accept_clock=accept_clock,
        blobs=partial(LocalBlobs, here.blobs_dir),
    ) as log:
        output.recording()
        # What an earlier process began to erase is not left lying about because it did not come to its end.
        for reason in Erasing(log).resume():
            sys.stderr.write(f"postseal: {reason}\n")
        yield log


def person(log: Log) -> tuple[str, str]:
    """Who runs this command, as the operating system knows him."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # as in many containers
        name = str(number)
    return log.person(f"uid:{number}", f"{name} (command line)")


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
