"""`postseal verify`: judge evidence from its own bytes. No database, no network, no settings, no secret.

What this file loads is part of what it promises (an import contract and a test hold it to that): a court's expert runs
it where there is none of our systems.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Final, NoReturn

from cli import plain
from cli.exits import NO, OK, UNKNOWN, USAGE, Stop
from ledger import evidence
from ledger.document import Evidence
from ledger.errors import FormatError
from ledger.evidence import Check, Trust, Verdict
from reports import parcel, unzipping

MARK: Final = b'"postseal-evidence/'
MAX_BYTES: Final = 256 * 1024 * 1024
MAX_PACKAGE: Final = 1024 * 1024 * 1024
"""Octets of a package, too, when it is unpacked: the content lies in it."""

STDIN: Final = Path("-")
PDF: Final = b"%PDF-"
PRINTED: Final = "cli.printed"

MEANINGS: Final = {
    "intact": "The document agrees with itself: each fact shown is the one its entry has hashed.",
    "content": "The file given is the one this is evidence of.",
    "included": "All entries are in the log that the checkpoint describes.",
    "chained": "Each entry names the one before it.",
    "complete": "No entry of these chains is left out.",
    "unforked": "An auditor replayed the whole log: nothing is filed elsewhere.",
    "signed": "A key of the log signed the checkpoint.",
    "trusted": "That key is one you trust.",
    "timed": "An independent authority attested the time.",
    "witnessed": "Independent witnesses saw the same log.",
    "no_access_recorded": "No access is recorded, and an access would have been.",
    "package": "Each file of the package says what the evidence says.",
    "certificate": "The certificate is the one that was issued.",
    "paper": "The paper says what the evidence in it says: drawn again it is the same.",
}
_MARKS: Final = {"passed": ("✓", plain.GREEN), "failed": ("✗", plain.RED), "not_checked": ("-", plain.YELLOW)}
_COLOURS: Final = {"valid": plain.GREEN, "invalid": plain.RED, "unknown": plain.YELLOW}
_STATUS: Final = {"valid": OK, "invalid": NO, "unknown": UNKNOWN}
_WEIGHT: Final = (NO, USAGE, UNKNOWN, OK)
"""Of several files the worst counts."""


class _Parser(argparse.ArgumentParser):
    """Typer would load as much again as the check itself; this is the one command that has to be light."""

    def format_help(self) -> str:
        # As the other commands have it.
        return super().format_help().replace("usage:", "Usage:", 1)

    def error(self, message: str) -> NoReturn:
        raise Stop(USAGE, f"{message}. Try `postseal verify --help`.")


def _parser() -> _Parser:
    parser = _Parser(
        prog="postseal verify",
        description="Check a certificate, evidence or a package of it offline: from its own bytes and your word whom "
        "you trust.",
        epilog="Exit status: 0 valid, 1 invalid, 3 unknown (nothing failed, but something needed was not checked), "
        "2 if a file is neither of these or cannot be read. Of several files the worst counts: 1, 2, 3, 0.",
        allow_abbrev=False,
        add_help=False,
    )
    arguments, options = parser.add_argument_group("Arguments"), parser.add_argument_group("Options")
    arguments.add_argument(
        "files",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="evidence, package or certificate, as `postseal` wrote it; - is standard input",
    )
    options.add_argument("--trust", metavar="TRUST.json", type=Path, help="whom you believe; see `postseal trust`")
    options.add_argument("--vkey", action="append", default=[], help="instead of --trust: the log's verifier key")
    options.add_argument(
        "--content", metavar="FILE", type=Path, help="the mail or the file itself: is this evidence of it?"
    )
    options.add_argument("--json", action="store_true", help="one JSON object for each file")
    options.add_argument("-h", "--help", action="help", help="show this message and exit")
    return parser


def run(arguments: Sequence[str]) -> int:
    """The command."""
    said = _parser().parse_args(arguments)
    if [*said.files, said.trust, said.content].count(STDIN) > 1:
        raise Stop(USAGE, "standard input (-) can be read once")
    return verify(said.files, said.trust, said.vkey, said.content, said.json)


def verify(files: Sequence[Path], trust: Path | None, vkeys: list[str], content: Path | None, as_json: bool) -> int:
    """Judge each file and say so; the exit status of the worst."""
    policy = read_trust(trust, vkeys)
    octets = None if content is None else _read(content)
    statuses = []
    for file in files:
        try:
            verdict, data = judge(file, policy, octets)
        except Stop as stop:
            statuses.append(USAGE)
            if as_json:
                _print(json.dumps({"file": str(file), "problem": str(stop)}))
            else:
                sys.stderr.write(f"postseal: {plain.clean(str(stop))}\n")
            continue
        statuses.append(_STATUS[verdict.verdict])
        _print(_as_json(file, verdict) if as_json else _as_text(file, data, verdict))
    return min(statuses, key=_WEIGHT.index)


def judge(file: Path, policy: Trust, content: bytes | None) -> tuple[Verdict, bytes]:
    """The verdict on evidence or a package, and the evidence; no octets where a package has none."""
    data = _read(file, MAX_PACKAGE)
    if data.startswith(unzipping.START):
        try:
            package = parcel.open(data, MAX_PACKAGE)
        except FormatError as error:
            raise Stop(USAGE, f"{file} is {error}") from None
        return parcel.check(package, policy, content), package.evidence
    if data.startswith(PDF):
        # What reads and draws paper is loaded by those alone who have some.
        judged: tuple[Verdict, bytes] = importlib.import_module(PRINTED).judge(file, data, policy, content)
        return judged
    if MARK not in data:
        raise Stop(USAGE, f"{file} is not Postseal evidence")
    if len(data) > MAX_BYTES:
        raise Stop(USAGE, f"{file} is larger than {MAX_BYTES // 1024**2} MiB")
    return evidence.check(data, policy, content), data


def read_trust(trust: Path | None, vkeys: list[str]) -> Trust:
    """A policy from a file or from keys alone; nobody at all where neither is given."""
    if trust is not None and vkeys:
        raise Stop(USAGE, "--trust and --vkey exclude each other: a trust file names its keys")
    try:
        if trust is None:
            return Trust.of(*vkeys)
        # `postseal trust` writes none, but an editor or a shell may have ended the file with a newline.
        return Trust.parse(_read(trust).removesuffix(b"\n"))
    except FormatError as error:
        raise Stop(USAGE, f"{trust or '--vkey'}: {error}") from None


def _read(file: Path, limit: int = MAX_BYTES) -> bytes:
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(limit + 1)
    except OSError as error:
        raise Stop(USAGE, f"{file} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise Stop(USAGE, f"{file} is larger than {limit // 1024**2} MiB")
    return data


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _as_json(file: Path, verdict: Verdict) -> str:
    checks = [{"name": c.name, "status": c.status, "detail": c.detail} for c in verdict.checks]
    said = {"file": str(file), "verdict": verdict.verdict, "checks": checks, "required": sorted(verdict.required)}
    return json.dumps(said, ensure_ascii=False)


def _as_text(file: Path, data: bytes, verdict: Verdict) -> str:
    on = plain.colour(sys.stdout)
    width = min(get_terminal_size().columns, 110)
    word = plain.paint(verdict.verdict.upper(), _COLOURS[verdict.verdict], plain.BOLD, on=on)
    lines = [f"{word}  {plain.clean(str(file))}"]
    if verdict.checks[0].status == "passed":
        lines += textwrap.wrap(_claim(evidence.parse(data)), width, initial_indent="  ", subsequent_indent="  ")
    lines.append("")
    for check in verdict.checks:
        lines += _lines(check, check.name in verdict.required, width, on)
    lines += ["", *textwrap.wrap(_conclusion(verdict), width)]
    return "\n".join(lines)


def _claim(document: Evidence) -> str:
    claim = document.claim
    whom = "all its recipients" if not isinstance(claim.recipient, str) else f"recipient {claim.recipient}"
    if claim.kind == "history":
        return f"Claim: the history of message {claim.message}, for {whom}."
    what = "its hosted files" if not isinstance(claim.file, str) else f"its file {claim.file}"
    return f"Claim: no access to {what} of message {claim.message} by {whom} is recorded."


def _lines(check: Check, required: bool, width: int, on: bool) -> list[str]:
    sign, code = _MARKS[check.status]
    left = 24
    head = f"  {plain.paint(sign, code, on=on)} {plain.paint(f'{check.name:<{left - 4}}', plain.BOLD, on=on)}"
    if check.status == "not_checked":
        reason = f"Not checked{' (needed)' if required else ''}: {check.detail}."
        texts = textwrap.wrap(reason, width - left)
    else:
        meaning = MEANINGS[check.name] if check.status == "passed" else f"FAILED: {check.detail}."
        texts = textwrap.wrap(meaning, width - left)
        if check.status == "passed":
            detail = textwrap.wrap(check.detail, width - left)
            texts += [plain.paint(line, plain.DIM, on=on) for line in detail]
    return [head + texts[0], *(" " * left + line for line in texts[1:])]


def _conclusion(verdict: Verdict) -> str:
    if verdict.verdict == "valid":
        said = "Everything that this claim and your trust policy require was checked here, and holds."
        if any(check.name == "paper" for check in verdict.checks):
            said += " Whether the certificate was withdrawn since, only the ledger can tell: look its number up."
        return said
    failed = [check.name for check in verdict.checks if check.status == "failed"]
    if failed:
        return f"Do not rely on it: {', '.join(failed)} failed."
    missing = [c.name for c in verdict.checks if c.name in verdict.required and c.status == "not_checked"]
    hint = ""
    if "trusted" in missing:
        hint = " Name whom you believe with --trust or --vkey; take it from somewhere you trust, not from this file."
    return f"Neither valid nor invalid: {', '.join(missing)} could not be checked.{hint}"
