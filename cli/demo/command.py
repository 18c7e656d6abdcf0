"""`postseal demo`: tells what the story does, readable at a glance, and leaves the files for whoever wants to look."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text

from api import settings
from api.settings import Settings
from cli import auditor, history, paper
from cli.attach import attach
from cli.audit import Audited, replay_log
from cli.block import IN_TIME, INSIDE
from cli.demo import story
from cli.demo.story import Told
from cli.exits import NO, OK, Stop
from cli.opening import open_reader
from cli.plain import moment, plural
from cli.trust import policy
from cli.writing import AcceptClock, open_log
from ledger import durable, entry, evidence, statement

MANY: Final = 1000

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# What a check of evidence must do without; said by the checking process itself, after it has checked.
_HEAVY: Final = ("sqlalchemy", "alembic", "psycopg")
_CHECKER: Final = f"""
import json, sys
from cli.main import main
status = main(["verify", "--json", *sys.argv[1:]])
print(json.dumps({{"status": status, "modules": len(sys.modules),
                   "heavy": [name for name in {_HEAVY!r} if name in sys.modules]}}))
"""


@app.command()
def demo(accept_clock: AcceptClock = False) -> int:
    """Show what Postseal does: records three mails, follows them, blocks, audits, and proves it offline.

    It works on the ledger that the settings name, and begins one where there is none. Another run goes on with the same
    ledger and writes to a directory of its own. `make run` uses a ledger in ./data.
    """
    out = paper.console()
    here = settings.from_environment()
    with open_log(accept_clock) as log:
        held = len(log.reader.messages(MANY))
        if held and not (here.data_dir / "demo").exists():
            # What is written here stays for ever: letters that nobody sent do not belong into a ledger in earnest.
            raise Stop(NO, "this ledger holds mail that is not the demo's; give it another POSTSEAL_DATA_DIR")
        place = _place(here)
        _begin(out, here, held)
        told = story.tell(log)
        _letters(out, told)
        _events(out, told)
        _blocks(out, told)
    audited = _audit(here, told, place)
    _tell_audit(out, audited)
    good = _check(out, place)
    _end(out, here, told, place)
    return OK if audited.status == OK and good else NO


def _begin(out: Console, here: Settings, held: int) -> None:
    out.print(paper.text("Postseal", "bold").append(" keeps a record of e-mail in which every entry can be checked."))
    count = plural(held, "message") if held < MANY else f"{MANY:,} messages or more"
    known = f"it holds {count} already" if held else "it is new"
    out.print(f"The ledger is in {_short(here.data_dir)}; {known}.")


def _head(out: Console, number: int, title: str) -> None:
    out.print()
    out.print(Text(f"{number}  {title}", style="bold cyan"))


def _note(out: Console, line: str) -> None:
    out.print(line, style="dim")


def _letters(out: Console, told: Told) -> None:
    _head(out, 1, "Three mails go out")
    _note(out, "Recorded: hashes of each mail and of each part, sealed addresses and names.")
    table = paper.table("mail", "subject", "to", "files", "entry", right=("entry",))
    for letter in told.letters.values():
        taken = letter.print
        hidden = sum(o.role == "bcc" for o in letter.recipients)
        to = f"{len(letter.recipients)}" + (f", {hidden} in Bcc" if hidden else "")
        where = "behind links" if letter.hosted else "inside"
        names = ", ".join(f"{leaf.file} {leaf.name}" for leaf in taken.files)
        files = paper.text(f"{names} ({where})" if names else "-")
        subject = paper.text(taken.header("Subject") or "")
        table.add_row(letter.name.removesuffix(".eml"), subject, to, files, str(letter.seq))
    out.print(table)


def _events(out: Console, told: Told) -> None:
    _head(out, 2, "What then happens to them")
    _note(out, "Nothing is left out because a machine may have done it: it is graded.")
    table = paper.table("entry", "UTC", "mail", "to", "grade", "what it says", right=("entry",))
    for letter, recipient, recorded in told.events:
        line = history.line(entry.decode(recorded.data), recipient)
        at = moment(line.entry.at)[11:]
        says = Text(line.says, style="yellow" if "machine" in line.says else "")
        table.add_row(str(recorded.seq), at, letter.name.removesuffix(".eml"), recipient, line.grade, says)
    out.print(table)


def _blocks(out: Console, told: Told) -> None:
    _head(out, 3, "The sender blocks what should not have gone out")
    _note(out, "The second copy of the offer went to adlermann.example; aldermann was meant.")
    table = paper.table("mail", "to", "file", "blocked", "", fixed=("mail", "to", "blocked"))
    for one in told.blocks:
        for number, file, in_time in one.block.pairs:
            word, style, why = IN_TIME[in_time] if one.letter.hosted else INSIDE
            table.add_row(one.letter.name.removesuffix(".eml"), f"r{number}", file, paper.text(word, style), why)
    out.print(table)
    if told.denied is not None:
        recipient, receipt = told.denied
        at = moment(entry.decode(receipt.entry).at)
        out.print(f"{at[11:]}  {recipient} asks for f1 of the offer: ", end="")
        out.print("denied", style="green", end="")
        out.print(f", and on record as entry {receipt.seq}.")


def _place(here: Settings) -> Path:
    """A directory of this run's own."""
    top = here.data_dir / "demo"
    top.mkdir(mode=0o700, exist_ok=True)
    number = 1 + max((int(one.name) for one in top.iterdir() if one.name.isdigit()), default=0)
    place = top / str(number)
    place.mkdir(mode=0o700)
    return place


def _audit(here: Settings, told: Told, place: Path) -> Audited:
    """Write the evidence, audit the whole log, and put the auditor's word into the evidence of no access."""
    for name, document in told.evidence.items():
        durable.create(place / name, evidence.format(document))
    key = here.data_dir / "demo" / "auditor.key"
    signer = auditor.load(key) if key.exists() else auditor.create(key, "auditor.example")
    with open_reader(here) as reader:
        audited = replay_log(here, reader, [], 1)
        durable.create(place / "trust.json", policy(reader, [signer.vkey], []).to_bytes())
        if audited.report.ok:
            signed = statement.sign(audited.report.statement(), signer)
            durable.create(place / "replay-statement", signed)
            attach(place / "offer-no-access-r2.json", signed, audited.report, reader)
    history_ = (place / "offer-history.json").read_bytes()
    durable.create(place / "forged.json", story.tamper(history_))
    return audited


def _tell_audit(out: Console, audited: Audited) -> None:
    report = audited.report
    _head(out, 4, "An auditor computes the whole log again")
    _note(out, "His key lies beside the ledger here; in earnest he keeps it elsewhere.")
    word = Text("valid", style="green") if audited.status == OK else Text("NOT VALID", style="red")
    said = f": {plural(report.size, 'entry')} of {plural(report.messages, 'message')} in {audited.seconds:.2f} s; "
    said += "he signs it."
    out.print(word.append(said if report.ok else f": {report.findings[0].detail}", style="default"))


def _check(out: Console, place: Path) -> bool:
    """Check the evidence in another process; whether every verdict was the right one."""
    _head(out, 5, "Evidence is checked by a process that knows no ledger")
    names = ["offer-history.json", "offer-no-access-r2.json", "forged.json"]
    command = [sys.executable, "-c", _CHECKER, "--trust", str(place / "trust.json"), *(str(place / n) for n in names)]
    # Its own settings would be refused or ignored, never needed; so it gets none.
    ran = subprocess.run(command, capture_output=True, text=True, env={"PYTHONUTF8": "1"}, check=False)
    lines: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    if len(lines) != len(names) + 1:
        out.print(paper.text(f"   it failed: {ran.stderr.strip()}", "red"))
        return False
    table = paper.table("file", "verdict", "because", fixed=("file", "verdict"))
    for name, said in zip(names, lines, strict=False):
        style = {"valid": "green", "invalid": "red"}.get(said["verdict"], "yellow")
        table.add_row(name, paper.text(said["verdict"], f"bold {style}"), paper.text(_because(said)))
    out.print(table)
    heavy = lines[-1]["heavy"]
    free = f"but it loaded {', '.join(heavy)}" if heavy else f"none of {', '.join(_HEAVY)}"
    _note(out, f"No database, network, settings, secret: {free}.")
    _note(out, "forged.json is offer-history.json with the block moved back by an hour.")
    return [line["verdict"] for line in lines[:-1]] == ["valid", "valid", "invalid"] and not heavy


def _because(said: dict[str, Any]) -> str:
    checks = {check["name"]: check for check in said["checks"]}
    failed = [check for check in said["checks"] if check["status"] == "failed"]
    if failed:
        return f"{failed[0]['name']}: {failed[0]['detail']}"
    if checks["no_access_recorded"]["status"] == "passed":
        return str(checks["no_access_recorded"]["detail"])
    return str(checks["complete"]["detail"])


def _end(out: Console, here: Settings, told: Told, place: Path) -> None:
    _head(out, 6, "Look for yourself")
    offer = told.letters["offer.eml"].message
    name = shlex.quote(_program())
    # In full: whoever copies a line may stand elsewhere by then.
    files = shlex.quote(str(place.absolute()))
    lines = [
        f"export POSTSEAL_DATA_DIR={shlex.quote(str(here.data_dir.absolute()))}",
        f"{name} messages",
        f"{name} show {offer}",
        f"{name} verify --trust {files}/trust.json {files}/offer-no-access-r2.json",
        f"{name} verify --trust {files}/trust.json {files}/forged.json",
        f"{name} audit",
    ]
    for line in lines:
        out.print(line, soft_wrap=True)


def _program() -> str:
    return "postseal" if shutil.which("postseal") else str(Path(sys.argv[0]).absolute())


def _short(path: Path) -> str:
    """As seen from here, if that is shorter."""
    relative = os.path.relpath(path.absolute())
    return relative if len(relative) < len(str(path.absolute())) and not relative.startswith("../..") else str(path)
