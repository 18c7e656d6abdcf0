"""The demo's words: what the story does, readable at a glance, and how anybody does the same."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from api.settings import Settings
from cli import history, paper
from cli.apikey import line_for_another, program
from cli.audit import Audited
from cli.block import IN_TIME, INSIDE
from cli.demo.client import Call
from cli.demo.proof import FORGED, FORGED_PAPER, HEAVY, Checked
from cli.demo.story import HISTORY, NO_ACCESS, PACKAGE, Blocking, Certificate, Event, Letter
from cli.exits import OK
from cli.plain import moment, plural
from ledger.entry import Entry


class Telling:
    """What is printed, in the order of these methods."""

    def __init__(self, out: Console, here: Settings, place: Path, address: str) -> None:
        self.address = address
        self._out = out
        self._here = here
        self._place = place
        self._sections = 0

    def begin(self, taken: bool, key: str | None, held: int) -> None:
        """Where the service is, and the key to it."""
        out = self._out
        out.print(
            paper.text("Postseal", "bold").append(" keeps a record of e-mail in which every entry can be checked.")
        )
        out.print()
        if taken:
            host, port = self._here.bind
            out.print(f"  {host}:{port} is taken; this demo uses a free port instead.", style="yellow")
        count = plural(held, "message")
        rows = [("Address", Text(self.address, style="bold green"))]
        if key is None:
            rows.append(("API key", Text("shown before, and kept nowhere; for another, the line below")))
        else:
            once = ("\nrole admin; shown this once and kept nowhere: keep it", "dim")
            rows.append(("API key", Text.assemble((key, "bold green"), once)))
        rows.append(("Ledger", Text(f"{short(self._here.data_dir)}, " + (f"with {count}" if held else "new"))))
        self._rows(rows)
        if key is None:
            out.print()
            self._lines(line_for_another(self._here))

    def letters(self, letters: Sequence[Letter], calls: Sequence[Call]) -> None:
        self._head("Three mails go out", calls)
        self._note("Recorded: hashes of each mail and of each part, sealed addresses and names.")
        table = paper.table("mail", "subject", "to", "file", "travels", fixed=("mail", "to", "file", "travels"))
        for letter in letters:
            to = f"{len(letter.rcpt_to)}" + (f", {letter.hidden} in Bcc" if letter.hidden else "")
            files = [paper.text(f"{file} {name}") for file, name in letter.files]
            where = ("behind links" if letter.hosted else "inside") if files else ""
            table.add_row(letter.title, paper.text(letter.subject), to, Text("\n").join(files), where)
        self._out.print(table)

    def events(self, events: Sequence[Event], calls: Sequence[Call]) -> None:
        self._head("What then happens to them", calls)
        self._note("Nothing is left out because a machine may have done it: it is graded.")
        table = paper.table("entry", "mail", "to", "grade", "what it says", right=("entry",), fixed=("mail", "to"))
        for one in events:
            line = history.line(one.entry, one.recipient)
            says = Text(line.says, style="yellow" if "machine" in line.says else "")
            table.add_row(str(one.entry.seq), one.letter.title, one.recipient, line.grade, says)
        self._out.print(table)

    def blocks(self, blocks: Iterable[Blocking], calls: Sequence[Call]) -> None:
        self._head("The sender blocks what should not have gone out", calls)
        self._note("r2 of the offer is somebody at adlermann.example; aldermann.example was meant.")
        table = paper.table("mail", "to", "file", "blocked", "", fixed=("mail", "to", "blocked"))
        for one in blocks:
            for recipient, file, in_time in one.pairs:
                word, style, why = IN_TIME[in_time] if one.letter.hosted else INSIDE
                table.add_row(one.letter.title, recipient, file, paper.text(word, style), why)
        self._out.print(table)

    def denied(self, denial: Entry, calls: Sequence[Call]) -> None:
        self._head("One block holds, another is lifted", calls)
        self._say("denied", f"r2 asks for f1 at {moment(denial.at)[11:]}; it is on record as entry {denial.seq}")

    def lifted(self, lift: Entry, calls: Sequence[Call]) -> None:
        self._calls(calls)
        self._say("lifted", f"r1, for whom it was meant, may have f1 after all: entry {lift.seq}")

    def exported(self, calls: Sequence[Call]) -> None:
        self._head("Evidence is asked for", calls)
        self._say("given", f"{HISTORY} and {NO_ACCESS}")

    def certified(self, certificates: Sequence[Certificate], refusal: str, calls: Sequence[Call]) -> None:
        self._head("And certificates, for people", calls)
        self._note("PDF/A-3, each drawn from its evidence and with it inside; the hash of each is an entry.")
        table = paper.table("of", "mail", "to", "number", "file", fixed=("of", "mail", "to", "number"))
        for one in certificates:
            table.add_row(one.kind.replace("_", "-"), one.letter.title, one.recipient, one.number, one.name)
        self._out.print(table)
        self._say("refused", f"non-access of r1 to f1, because the block came too late: {refusal}")
        self._say("packed", f"{PACKAGE}: evidence, certificate and how to check both by hand")

    def audited(self, audited: Audited, calls: Sequence[Call]) -> None:
        self._head("An auditor computes the whole log again", calls)
        self._note("His key lies beside the ledger here; in earnest he keeps it elsewhere.")
        report = audited.report
        if audited.status == OK:
            said = f"{plural(report.size, 'entry')} of {plural(report.messages, 'message')} in {audited.seconds:.2f} s"
            self._say("valid", f"{said}; he signs it")
        else:
            found = [finding.detail for finding in report.findings] or ["the tables do not say what the entries say"]
            self._say("NOT VALID", found[0], "bold red")

    def checked(self, checked: Checked) -> None:
        self._head("The evidence is checked by a process that knows no ledger")
        self._verdicts(checked)
        self._note(f"It loaded {', '.join(checked.heavy) or 'none of ' + ', '.join(HEAVY)}.")
        self._note(f"{FORGED} is {HISTORY} with the block moved back by an hour.")

    def printed(self, checked: Checked) -> None:
        self._head("And so are the certificates: each is drawn again, and compared")
        self._verdicts(checked)
        self._note(f"{FORGED_PAPER} is a certificate with a line added that nobody sees.")
        self._note(f"Non-access needs the auditor's word, which comes later: it went into {PACKAGE}, beside the paper.")

    def _verdicts(self, checked: Checked) -> None:
        table = paper.table("file", "verdict", "because", fixed=("file", "verdict"))
        for name, verdict, because in checked.files:
            style = {"valid": "green", "invalid": "red"}.get(verdict, "yellow")
            table.add_row(name, paper.text(verdict, f"bold {style}"), paper.text(because))
        self._out.print(table)

    def end(self, offer: Letter, first: bool, serves: bool) -> None:
        """What there is now, and lines to copy."""
        self._head("Look for yourself")
        names = ", ".join(sorted(one.name for one in self._place.iterdir()))
        self._rows([("Files", Text(f"{short(self._place)}\n{names}"))])
        self._out.print()
        name = shlex.quote(program())
        # In full: whoever copies a line may stand elsewhere by then.
        files = shlex.quote(str(self._place.absolute()))
        self._lines(
            f"export POSTSEAL_DATA_DIR={shlex.quote(str(self._here.data_dir.absolute()))}",
            f"{name} show {offer.message}",
            f"{name} verify --trust {files}/trust.json {files}/{NO_ACCESS}",
            f"{name} verify --trust {files}/trust.json {files}/{PACKAGE} {files}/offer-block-r2.pdf",
            f"{name} verify --trust {files}/trust.json {files}/{FORGED}",
            f"{name} audit",
        )
        if not serves:
            return
        self._out.print()
        self._note("Over HTTP, with the API key from above in KEY:" if first else "Over HTTP:")
        if not first:
            self._lines(f"export KEY=$({name} apikey create --role admin)")
        self._lines(
            f'curl -H "Authorization: Bearer $KEY" {self.address}/v1/messages/{offer.message}',
            f"curl --data-binary @{files}/{HISTORY} {self.address}/v1/verify",
        )

    def serving(self, logfile: Path) -> None:
        self._out.print()
        self._out.print(Text(f"Serving {self.address} until Ctrl-C", style="bold green"))
        self._rows(
            [
                ("API documentation", Text(f"{self.address}/docs")),
                ("Verify a file", Text(f"{self.address}/verify")),
                ("Requests", Text(f"logged in {short(logfile)}")),
            ]
        )
        self._note(f"The page knows no auditor: of {NO_ACCESS} it says Unknown, and verify --trust above decides.")

    def stopped(self) -> None:
        self._out.print("\nStopped, and the ledger is closed. Run again, the demo goes on with it.")

    def _head(self, title: str, calls: Sequence[Call] = ()) -> None:
        self._sections += 1
        self._out.print()
        self._out.print(Text(f"{self._sections}  {title}", style="bold cyan"))
        self._calls(calls)

    def _calls(self, calls: Sequence[Call]) -> None:
        for (method, route, status), group in groupby(calls, lambda one: (one.method, one.route, one.status)):
            some = list(group)
            line = Text(f"{method} {route}  ", style="bold")
            line.append(str(status), style="bold yellow" if status >= 400 else "bold green")
            self._out.print(line.append(f"  {len(some)} times" if some[1:] else "", style="not bold dim"))
            if sent := min((one.sent for one in some), key=len).removeprefix("{}"):
                self._note(("with " if all(one.sent == sent for one in some) else "such as ") + sent)

    def _say(self, word: str, said: str, style: str = "bold green") -> None:
        self._out.print(Text(f"{word}  ", style=style).append(said, style="not bold default"))

    def _note(self, line: str) -> None:
        self._out.print(line, style="dim")

    def _rows(self, rows: Sequence[tuple[str, str | Text]]) -> None:
        self._out.print(paper.pairs(rows))

    def _lines(self, *lines: str) -> None:
        for line in lines:
            self._out.print(line, soft_wrap=True)


def short(path: Path) -> str:
    """As seen from here, if that is shorter."""
    relative = os.path.relpath(path.absolute())
    return relative if len(relative) < len(str(path.absolute())) and not relative.startswith("../..") else str(path)
