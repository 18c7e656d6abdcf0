"""`postseal audit`: the whole log computed again, and if it holds an auditor's signed word for it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from adapters.blobs import LocalBlobs
from api import settings
from api.settings import Settings
from cli import auditor, paper
from cli.attach import attach
from cli.exits import NO, OK, UNKNOWN, USAGE, Stop
from cli.opening import find_keys, open_reader
from cli.plain import moment, plural
from cli.writing import AcceptClock, open_log
from ledger import mark, note, statement
from ledger.act import Own
from ledger.audit import Report
from ledger.audit import audit as replay
from ledger.blobs import Blobs
from ledger.errors import FormatError
from ledger.event import Reviewed
from ledger.keys import KeyRing
from ledger.rules import RULES
from ledger.store.inspect import Inspection, inspect
from ledger.store.read import Reader
from ledger.store.replayed import StoredLog

LISTED = 20
"""Findings and outages shown to a person; ``--json`` has all."""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(slots=True)
class Audited:
    """What was found, and what it was held against."""

    report: Report
    seconds: float
    marked: int
    vkeys: Sequence[str]
    tables: Inspection | None = None
    moved: bool = False
    files: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Without a key that is known from outside the database, a whole forged log would pass."""
        if not self.report.ok or (self.tables is not None and self.tables.findings):
            return NO
        return OK if self.vkeys else UNKNOWN


@app.command()
def audit(
    processes: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many to use.")] = 1,
    vkey: Annotated[
        list[str] | None, typer.Option(metavar="VKEY", help="A key of the log that you know; else its key ring's.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="If it holds, sign a replay statement with this auditor's key.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where it goes.")] = None,
    into: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Add it to this evidence or package; may be repeated.")
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Record the audit in the ledger.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    accept_clock: AcceptClock = False,
) -> int:
    """Check the whole log: every byte, hash, link, rule, tile and table is computed again; nothing stored is believed.

    It may run while the ledger is written to. Exit status: 0 valid, 1 invalid, 3 unknown (no key of the log is known
    here but by its own word).
    """
    if (sign is None) != (output is None and not into):
        raise Stop(USAGE, "--sign goes with -o or --into: a statement has a key to sign it and a place to go")
    if output is not None and output.exists():
        raise Stop(USAGE, f"{output} is there already")
    signer = None if sign is None else auditor.load(sign)
    here = settings.from_environment()
    with open_reader(here) as reader:
        done = replay_log(here, reader, vkey or [], processes)
        if signer is not None:
            if done.status == NO:
                sys.stderr.write("postseal: nothing was signed: the audit failed\n")
            else:
                signed = statement.sign(done.report.statement(), signer)
                done.files = _deliver(reader, done.report, signed, output, into or [])
    if record:
        with open_log(accept_clock) as log:
            verdict = Reviewed(
                root=done.report.root.hex(),
                size=done.report.size,
                verdict="failed" if done.status == NO else "passed",
            )
            log.write(Own("audit.reviewed", verdict))
    if json_:
        sys.stdout.write(json.dumps(_as_json(done), ensure_ascii=False) + "\n")
    else:
        page(done)
    return done.status


def replay_log(
    here: Settings, reader: Reader, vkeys: list[str], processes: int, newest: mark.Mark | None = None
) -> Audited:
    """The audit, with progress on a terminal. The log is held against its high-water mark, or against ``newest``: a
    checkpoint that was had in another way."""
    try:
        for one in vkeys:
            note.Verifier.parse(one)
    except FormatError as error:
        raise Stop(USAGE, f"--vkey: {error}") from None
    ring = find_keys(here, reader)
    known = vkeys or ([key.vkey for key in ring.keys] if ring is not None else [])
    marked = newest or _mark(here, reader)
    with paper.progress("auditing") as bar:
        task = bar.add_task("", total=None, said="entries")
        started = time.monotonic()
        report = replay(
            partial(StoredLog, here.database_url, b"" if marked is None else marked.note),
            origin=here.origin,
            vkeys=known,
            processes=processes,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            expect=None if marked is None else (marked.checkpoint.size, marked.checkpoint.root),
        )
        seconds = time.monotonic() - started
        audited = Audited(report, seconds, 0 if marked is None else marked.checkpoint.size, known)
        _inspect(audited, reader, ring, LocalBlobs(here.blobs_dir, reader.head().log), bar)
    return audited


def _inspect(audited: Audited, reader: Reader, ring: KeyRing | None, blobs: Blobs, bar: Progress) -> None:
    """Tables beside the entries. What somebody writes meanwhile looks unrecorded: then it says nothing, either way."""
    task = bar.add_task("", total=None, said="tables")
    before = reader.head()
    bar.update(task, total=before.size)
    found = inspect(reader, ring, progress=lambda done: bar.update(task, completed=done), store=blobs)
    audited.moved = reader.head().batch != before.batch
    audited.tables = None if audited.moved and found.findings else found


def _mark(here: Settings, reader: Reader) -> mark.Mark | None:
    """What this machine last acknowledged; it lies outside the database. Its signature is the audit's to check."""
    path = mark.mark_path(here.data_dir, reader.head().log)
    if not path.exists():
        return None
    return mark.parse(path.read_bytes())


def _deliver(reader: Reader, report: Report, signed: bytes, output: Path | None, into: list[Path]) -> list[str]:
    files = []
    if output is not None:
        with output.open("xb") as opened:
            opened.write(signed)
        files.append(str(output))
    for path in into:
        attach(path, signed, report, reader)
        files.append(str(path))
    return files


def page(done: Audited) -> None:
    """The report for a person."""
    out = paper.console()
    report = done.report
    word, style = {OK: ("VALID", "bold green"), NO: ("INVALID", "bold red"), UNKNOWN: ("UNKNOWN", "bold yellow")}[
        done.status
    ]
    out.print(paper.text(word, style).append(f"  the log {report.origin}", style="default"))
    out.print(paper.pairs([(name, value) for name, value in _rows(done) if value]))
    findings = [(str(f.seq) if f.seq >= 0 else "", f.rule, RULES.get(f.rule, ""), f.detail) for f in report.findings]
    findings += [("", "tables", "every table says what the entries say", said) for said in _table_findings(done)]
    if findings:
        out.print()
        table = paper.table("entry", "rule", "what must hold", "what was found", right=("entry",))
        for seq, rule, sentence, detail in findings[:LISTED]:
            table.add_row(seq, rule, sentence, paper.text(detail, "red"))
        out.print(table)
        if len(findings) > LISTED:
            out.print(f"... and {len(findings) - LISTED} more; --json has them")


def _rows(done: Audited) -> list[tuple[str, str]]:
    report = done.report
    unsigned = report.size - report.checkpoint_size
    speed = f"{report.size / max(done.seconds, 0.001):,.0f} entries a second"
    if done.tables is None:
        tables = "not checked: the ledger was written to meanwhile"
    elif done.tables.findings:
        tables = plural(len(done.tables.findings), "row") + " wrong"
    else:
        tables = f"say what the entries say; {plural(done.tables.opened, 'disclosure')} opened"
        tables += f", {done.tables.erased:,} erased" if done.tables.erased else ""
    rows = [
        ("entries", f"{report.size:,}" + (f", the last {unsigned:,} not signed yet" if unsigned else ", all signed")),
        ("messages", f"{report.messages:,} to {plural(report.recipients, 'recipient')}"),
        ("root", note.encode_base64(report.root)),
        ("replayed", f"by rules version {report.rules_version}, in {done.seconds:.1f} s ({speed})"),
        ("held against", _anchor(done)),
        ("tables", tables),
        ("clock steps", f"{report.clock_steps:,}" if report.clock_steps else ""),
        ("outages", f"{len(report.outages):,}: the recorder was not alive" if report.outages else "none"),
    ]
    rows += [("", f"{moment(since)} to {moment(until)}") for since, until in report.outages[:LISTED]]
    rows += [("", f"... and {len(report.outages) - LISTED} more")] if len(report.outages) > LISTED else []
    return rows + [("written", file) for file in done.files]


def _anchor(done: Audited) -> str:
    keys = plural(len(done.vkeys), "known key") if done.vkeys else "no key but by the log's own word"
    marked = f"; the {done.marked:,} entries this machine acknowledged" if done.marked else "; no high-water mark"
    return keys + marked


def _table_findings(done: Audited) -> list[str]:
    return [] if done.tables is None else done.tables.findings


def _as_json(done: Audited) -> dict[str, Any]:
    report = done.report
    return {
        "verdict": {OK: "valid", NO: "invalid", UNKNOWN: "unknown"}[done.status],
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "checkpoint_size": report.checkpoint_size,
        "rules_version": report.rules_version,
        "messages": report.messages,
        "recipients": report.recipients,
        "clock_steps": report.clock_steps,
        "outages": [list(outage) for outage in report.outages],
        "findings": [{"seq": f.seq, "rule": f.rule, "detail": f.detail} for f in report.findings],
        "tables": {
            "checked": done.tables is not None,
            "findings": _table_findings(done),
            "opened": 0 if done.tables is None else done.tables.opened,
            "erased": 0 if done.tables is None else done.tables.erased,
        },
        "files": done.files,
    }
