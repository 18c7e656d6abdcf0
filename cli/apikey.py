"""`postseal apikey`: who may ask the HTTP service, and who may no longer."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from api import settings
from api.settings import Settings
from cli import paper
from cli.exits import OK, Stop
from cli.opening import open_reading
from cli.plain import moment
from cli.writing import AcceptClock, open_log
from ledger import entry
from ledger.ids import format_time
from ledger.log import Log
from ledger.store import credentials
from ledger.store.credentials import ROLES, Credential

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False, help="API keys: who may ask the service."
)

FIRST_START: Final = ["ledger.opened", "key.introduced", "ledger.started"]
"""The entries of a ledger that was begun just now."""


@app.command(short_help="Make a key, and print it this once.")
def create(
    role: Annotated[str, typer.Option(metavar="ROLE", help=f"{', '.join(ROLES[:-1])} or {ROLES[-1]}.")],
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="The system that will use it, never a person; else the role.")
    ] = None,
    accept_clock: AcceptClock = False,
) -> int:
    """Make an API key, and print it alone on standard output. It is kept nowhere: only its hash is."""
    credentials.check_new(role, label or role)
    with open_log(accept_clock) as log:
        if _is_new(log):
            # Whoever meant a ledger that is elsewhere must see it: a key of this one opens nothing there.
            sys.stderr.write(f"postseal: a new ledger begins in {settings.from_environment().data_dir}\n")
        key, made = log.credentials.create(role, label or role, time.time_ns() // 1000, os.urandom)
        sys.stdout.write(f"{key}\n")
    sys.stderr.write(f"postseal: API key {made.id}, role {made.role}, label {made.label}; it is not shown again\n")
    return OK


@app.command("list", short_help="List the keys, revoked ones too.")
def list_(json_: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False) -> int:
    """List the API keys, the oldest first: what each may do, when it was last used, whether it was revoked."""
    with open_reading() as reading:
        found = reading.credentials.list()
    if json_:
        for one in found:
            sys.stdout.write(json.dumps(one.document()) + "\n")
        return OK
    if not found:
        raise Stop(OK, "there is no API key yet; `postseal apikey create` makes one")
    fixed = ("id", "created (UTC)", "last used (UTC)")
    table = paper.table("id", "role", "label", "created (UTC)", "last used (UTC)", "state", fixed=fixed)
    for one in found:
        cells = [paper.text(text) for text in (one.id, one.role, one.label)]
        table.add_row(*cells, _when(one.created), _when(one.last_used), paper.text(*_state(one)))
    paper.console().print(table)
    return OK


@app.command(short_help="Let a key open nothing from now on.")
def revoke(
    id: Annotated[str, typer.Argument(metavar="ID", help="The key's id; see `postseal apikey list`.")],
    accept_clock: AcceptClock = False,
) -> int:
    """Let an API key open nothing from now on. A service that is running knows it a second later."""
    credentials.check_id(id)
    with open_log(accept_clock) as log:
        log.credentials.revoke(id, time.time_ns() // 1000)
    sys.stderr.write(f"postseal: API key {id} is revoked\n")
    return OK


def program() -> str:
    """What a shell finds this command by."""
    return "postseal" if shutil.which("postseal") else str(Path(sys.argv[0]).absolute())


def line_for_another(here: Settings) -> str:
    """The line that makes a key of this very ledger, for whoever copies it, wherever he stands. Of a database's URL,
    which may hold a password, the value is his to fill in."""
    unless_set = settings.load({f"{settings.PREFIX}DATA_DIR": str(here.data_dir)})
    told = {"DATA_DIR": str(here.data_dir.absolute())}
    if here.database_url != unless_set.database_url:
        told["DATABASE_URL"] = "..."
    if here.master_key_file != unless_set.master_key_file:
        told["MASTER_KEY_FILE"] = str(here.master_key_file.absolute())
    if here.origin != unless_set.origin:
        told["ORIGIN"] = here.origin
    values = [f"{settings.PREFIX}{name}={shlex.quote(value)}" for name, value in told.items()]
    return " ".join([*values, shlex.quote(program()), "apikey create --role admin"])


def _is_new(log: Log) -> bool:
    size = log.reader.head().size
    return size <= len(FIRST_START) and [entry.decode(one).kind for one in log.reader.entries(0, size)] == FIRST_START


def _state(one: Credential) -> tuple[str, str]:
    if not one.genuine:
        return "not made by Postseal, opens nothing", "red"
    return ("in use", "green") if one.revoked is None else (f"revoked {_when(one.revoked)}", "dim")


def _when(at: int | None) -> str:
    return "" if at is None else moment(format_time(at)).replace("T", " ")
