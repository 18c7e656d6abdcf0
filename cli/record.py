"""`postseal record`: messages from files into the ledger, thousands at a time, each once however often it is run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from api import settings
from cli import paper, sources
from cli.exits import INTERRUPTED, NO, OK, UNSAID, USAGE, Stop
from cli.intake import Intake, Said
from cli.mbox import Quoting
from cli.output import Unwritten
from cli.plain import plural
from cli.sources import Found
from cli.writing import AcceptClock, open_log
from ledger import envelope, signed
from ledger.errors import FormatError, LedgerError

_RECORDS: Final = 1 << 20

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def record(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help=".eml, mbox, Maildir, directories of them; - is one message."),
    ],
    from_: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="Envelope sender, as on the wire.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Envelope recipient; may be repeated.")
    ] = None,
    bcc: Annotated[list[str] | None, typer.Option(metavar="ADDRESS", help="The same, for who is in no header.")] = None,
    hosted: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="f1, f2 ...: files that travel behind a link, which alone can be blocked."),
    ] = None,
    retention: Annotated[
        str | None, typer.Option(metavar="CLASS", help="How long they are to be kept: a class of POSTSEAL_RETENTION.")
    ] = None,
    quoting: Annotated[str, typer.Option(metavar="rd|o|none", help="How mbox files quote From lines.")] = "rd",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the messages themselves, encrypted; else their hashes alone.")
    ] = False,
    dkim_keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON object of DKIM key records (TXT) by their names in the DNS: signatures are checked, and the "
            "records archived.",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line for each message.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the messages' ids, one a line.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Record messages: their hashes and those of their parts; the content itself is kept with --keep only.

    Without --to the envelope is taken from the headers and labelled declared; nobody in Bcc can be known then.
    A message that was recorded before under the same envelope is not recorded again, unless it is to be kept now and
    was not then. Hashes and sizes are those of the
    octets with CRLF line ends, as mail travels. Exit status: 0, or 1 if anything was refused; the rest is recorded all
    the same. Interrupted, it says what is recorded, and may be run again.
    """
    if quoting not in ("rd", "o", "none"):
        raise Stop(USAGE, "--quoting is rd, o or none")
    rcpt = [*(to or []), *(bcc or [])]
    if (from_ is None) != (not rcpt):
        raise Stop(USAGE, "--from goes with --to or --bcc: an envelope has a sender and a recipient")
    here = settings.from_environment()
    kept, second = here.retention_class(retention), here.second_digest
    records = _records(dkim_keys)
    given = None if from_ is None else envelope.given(from_, rcpt)
    out, err = paper.console(), paper.console(sys.stderr)
    found = list(sources.find(paths))
    if not any(isinstance(one, sources.Source) for one in found):
        return _nothing(Said(json_, quiet, out, err), found)
    total = sum(one.size for one in found if isinstance(one, sources.Source))
    stopped: BaseException | None = None
    with open_log(accept_clock) as log, paper.progress("recording") as bar:
        said = Said(json_, quiet, out, bar.console if bar.console.is_terminal else err)
        task = bar.add_task("", total=total or None, said="")
        intake = Intake(log, said, given, tuple(hosted or ()), keep, records, second, kept, bar, task)

        def skip(path: Path) -> None:
            said.skipped += 1

        read = False
        try:
            for one in sources.read(found, _quoting(quoting), skip, lambda octets: bar.advance(task, octets)):
                intake.take(one)
            read = True
            intake.finish()
        except (KeyboardInterrupt, Unwritten, LedgerError) as error:
            stopped = error
            said.mute = isinstance(error, Unwritten)
            intake.settle()
    if stopped is not None:
        raise _stopped(said, stopped, whole=read and not intake.batch)
    if not (said.recorded or said.repeated or said.refused):
        return _nothing(said, [])
    try:
        said.conclude()
        sys.stdout.flush()
    except Unwritten as error:
        raise Stop(UNSAID, f"{_sum(said)}, but the answer could not be written: {error}") from None
    return NO if said.refused else OK


def _nothing(said: Said, found: Sequence[sources.Source | Found]) -> int:
    """There is no message in what was named; said why, where there is a reason."""
    for one in found:
        if isinstance(one, Found):
            said.refuse(one.label, one.problem)
    if said.refused:
        said.conclude()
        return NO
    passed = f" ({plural(said.skipped, 'file')} passed over)" if said.skipped else ""
    raise Stop(
        USAGE, f"nothing is recorded: no .eml file, no mbox and no Maildir with mail is in what was named{passed}"
    )


def _stopped(said: Said, error: BaseException, whole: bool) -> BaseException:
    """What to end with, once it was said what is recorded all the same; ``whole`` if that is all there is."""
    again = "; run it again for the rest, nothing is recorded twice"
    if isinstance(error, Unwritten):
        return Stop(UNSAID, f"{_sum(said)}, but the answer could not be written: {error}{'' if whole else again}")
    count = said.recorded + said.repeated
    if count or said.refused:
        said.conclude()
    if isinstance(error, KeyboardInterrupt):
        return Stop(INTERRUPTED, f"interrupted: {_sum(said)}{again if count and not whole else ''}")
    if count:
        sys.stderr.write(f"postseal: {_sum(said)}{again}\n")
    return error


def _sum(said: Said) -> str:
    count = said.recorded + said.repeated
    before = f" ({said.repeated:,} of them before)" if said.repeated else ""
    return f"{plural(count, 'message') if count else 'no message'} {'are' if count > 1 else 'is'} recorded{before}"


def _quoting(word: str) -> Quoting:
    return "rd" if word == "rd" else "o" if word == "o" else "none"


def _records(file: Path | None) -> dict[str, str]:
    """Key records from a file."""
    if file is None:
        return {}
    try:
        said = json.loads(file.read_bytes()[:_RECORDS])
    except OSError as error:
        raise Stop(USAGE, f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        said = None
    if not isinstance(said, dict) or not all(isinstance(record, str) for record in said.values()):
        raise Stop(USAGE, f'{file} is no JSON object such as {{"s1._domainkey.example.com": "v=DKIM1; p=..."}}')
    try:
        signed.check_keys(said)
    except FormatError as error:
        raise Stop(USAGE, f"{file}: {error}") from None
    return {query.lower(): record for query, record in said.items()}
