"""The dispatcher: finds the command and imports it, and nothing else before it is known which.

So `postseal verify` loads no database library, and `postseal --help` nothing at all. Whatever a command raises ends
here, in one line and an exit status; nobody who runs a command is shown a stack trace.
"""

from __future__ import annotations

import gc
import importlib
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from cli import exits, output
from cli.exits import Stop
from cli.output import Unwritten
from ledger import errors

VERSION: Final = "0.1.0"


class Command(NamedTuple):
    """``module`` has ``app``, a `typer.Typer`, or ``run``, a function; ``summary`` is its line in the list."""

    module: str
    summary: str


COMMANDS: Final = {
    "demo": Command("cli.demo.command", "show what Postseal does, on real mail, before your eyes"),
    "record": Command("cli.record", "record messages: .eml files, mbox files, Maildirs"),
    "event": Command("cli.event", "record what happened to a message"),
    "block": Command("cli.block", "block files, a recipient, or everything of a message"),
    "lift": Command("cli.lift", "lift a block"),
    "hold": Command("cli.hold", "let nothing of a message or a recipient be erased"),
    "release": Command("cli.release", "release a hold"),
    "erase": Command("cli.erase", "erase a recipient, a message, or everything of a person"),
    "retention": Command("cli.retention", "list what has been kept long enough, and erase it"),
    "subject": Command("cli.subject", "write all that is held about an address, for whom it is about"),
    "messages": Command("cli.messages", "list recorded messages, newest first"),
    "show": Command("cli.show", "show one message and its whole history"),
    "content": Command("cli.content", "write a message that was kept, or one of its files"),
    "export": Command("cli.export", "write evidence that anyone can check offline"),
    "certificate": Command("cli.certificate", "issue a certificate as a PDF with its proof inside"),
    "withdraw": Command("cli.withdraw", "withdraw a certificate"),
    "verify": Command("cli.verify", "check evidence: no database, no network, no settings"),
    "identify": Command("cli.identify", "tell which recorded message a copy is of, and what differs"),
    "fingerprint": Command("cli.fingerprint", "print the fingerprint of a message"),
    "audit": Command("cli.audit", "check the whole log, and sign that it holds"),
    "trust": Command("cli.trust", "print whom a verifier should believe, for this log"),
    "serve": Command("cli.serve", "serve the ledger over HTTP"),
    "apikey": Command("cli.apikey", "make, list and revoke the API keys of the HTTP service"),
    "keys": Command("cli.keys", "list and rotate signing keys, renew epochs, make auditor's keys"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with output.guarded():
        status = _answer(given)
        try:
            sys.stdout.flush()
        except Unwritten as error:
            status = _unwritten(error)
        return status


def _answer(given: list[str]) -> int:
    try:
        return _dispatch(given)
    except Unwritten as error:
        return _unwritten(error)
    except SystemExit as end:  # a parser that has printed its help
        return int(end.code or exits.OK)
    except KeyboardInterrupt:
        return _say(exits.INTERRUPTED, "interrupted")
    except Exception as error:
        return _explain(error)


def _unwritten(error: Unwritten) -> int:
    if error.recorded:
        return _say(exits.UNSAID, f"what was done is recorded, but the answer could not be written: {error}")
    if error.closed:
        return exits.CLOSED
    return _say(exits.UNSAID, f"the answer could not be written: {error}")


def _dispatch(given: list[str]) -> int:
    name = given[0] if given else ""
    if name in ("-h", "--help", "help", ""):
        _write(_help(), sys.stdout if name else sys.stderr)
        return exits.OK if name else exits.USAGE
    if name == "--version":
        _write(f"postseal {VERSION}\n", sys.stdout)
        return exits.OK
    command = COMMANDS.get(name)
    if command is None:
        kind = "option" if name.startswith("-") else "command"
        raise Stop(exits.USAGE, f"there is no {kind} {name[:40]!r}; {_nearest(name)}`postseal --help` lists them")
    # What is being imported is all needed: looking for garbage in it takes a tenth of the time of a short command.
    gc.disable()
    module = importlib.import_module(command.module)
    gc.freeze()
    gc.enable()
    if hasattr(module, "run"):
        return int(module.run(given[1:]))
    return _run(module.app, f"postseal {name}", given[1:])


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    return "".join(f"did you mean {found}? " for found in get_close_matches(name, COMMANDS, 1))


def _run(app: Any, name: str, arguments: list[str]) -> int:
    from typer import TyperException
    from typer.main import get_command

    command = get_command(app)
    for one in [command, *getattr(command, "commands", {}).values()]:
        for parameter in one.params:
            if parameter.param_type_name == "argument":
                # A Python type behind an argument's name tells nobody anything.
                parameter.display_type_rich = lambda ctx: None
    try:
        status = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except TyperException as error:
        raise Stop(exits.USAGE, f"{error.format_message()} Try `{name} --help`.") from None
    if status == exits.INTERRUPTED:
        raise KeyboardInterrupt
    return status if isinstance(status, int) else exits.OK


def _explain(error: Exception) -> int:
    """Say what an exception means, and which status it is."""
    from api import settings

    line = str(error)
    match error:
        case Stop():
            return _say(error.status, line)
        case settings.SettingsError():
            return _say(exits.USAGE, line)
        case errors.Unavailable() | errors.StartRefused() | errors.SecretError():
            return _say(exits.UNAVAILABLE, line)
        case errors.FormatError() | errors.InvalidRequest() | errors.UnknownReference():
            return _say(exits.USAGE, line)
        case errors.LedgerError():
            return _say(exits.NO, line)
        case OSError():
            where = f"{error.filename}: " if isinstance(error.filename, str) else ""
            return _say(exits.USAGE, f"{where}{error.strerror or type(error).__name__}")
    # A defect. Its message may quote anything, even an address; where it happened cannot.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return _say(exits.UNAVAILABLE, f"a defect of ours, please report it: {type(error).__name__} at {place}")


def _say(status: int, line: str) -> int:
    text = "".join(c if c.isprintable() else " " for c in line)
    _write(f"postseal: {text}\n", sys.stderr)
    return status


def _write(text: str, stream: Any) -> None:
    stream.write(text)
    stream.flush()


def _help() -> str:
    from shutil import get_terminal_size

    from api import settings

    width = min(get_terminal_size().columns, 110)
    lines = ["Usage: postseal COMMAND ...", ""]
    lines += ["A compliance and proof-of-delivery ledger for e-mail.", "", "Commands (each has --help):"]
    lines += _rows([(name, command.summary) for name, command in COMMANDS.items()], width)
    lines += ["", "Settings, from the environment:"]
    for line in settings.describe().splitlines():
        indent = "  " if not line.startswith(" ") else "      "
        lines += textwrap.wrap(line.strip(), width, initial_indent=indent, subsequent_indent=indent)
    lines += ["", "Exit status:"]
    lines += _rows([(str(status), meaning) for status, meaning in exits.MEANINGS], width)
    return "\n".join(lines) + "\n"


def _rows(rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    left = max(len(name) for name, _ in rows) + 4
    return [
        line
        for name, text in rows
        for line in textwrap.wrap(text, width, initial_indent=f"  {name:<{left - 2}}", subsequent_indent=" " * left)
    ]


if __name__ == "__main__":
    sys.exit(main())
