"""The demo's evidence put to the test: the whole log audited, each file judged by a process that knows no ledger."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from api.settings import Settings
from cli import auditor
from cli.attach import attach
from cli.audit import Audited, replay_log
from cli.demo.story import HISTORY, NO_ACCESS, PACKAGE, Certificate
from cli.exits import UNAVAILABLE, Stop
from cli.opening import open_reader
from cli.trust import policy
from ledger import canonical, durable, evidence, statement
from ledger.mark import Mark

FORGED: Final = "forged.json"
FORGED_PAPER: Final = "forged.pdf"
EVIDENCE: Final = {HISTORY: "valid", NO_ACCESS: "valid", FORGED: "invalid", PACKAGE: "valid"}
"""What is checked, and the verdict it deserves; with certificates further files."""

# What a check of evidence must do without; said by the checking process itself, after it has checked.
HEAVY: Final = ("sqlalchemy", "psycopg", "fastapi", "uvicorn", "reportlab", "pikepdf")
_CHECKER: Final = f"""
import json, sys
from cli.main import main
status = main(["verify", "--json", *sys.argv[1:]])
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checking process said: file, verdict and reason; and which of `HEAVY` it had loaded. ``right``: that
    each verdict is the one that the file deserves."""

    files: Sequence[tuple[str, str, str]]
    heavy: Sequence[str]
    right: bool


def audit(here: Settings, place: Path, exported: Mapping[str, bytes], newest: Mark) -> Audited:
    """Write the evidence, audit the whole log, which must hold what the ``newest`` checkpoint says, and put the
    auditor's word into the evidence of no access, and into the package."""
    for name, document in exported.items():
        durable.create(place / name, document)
    durable.create(place / FORGED, tamper(exported[HISTORY]))
    key = here.data_dir / "demo" / "auditor.key"
    signer = auditor.load(key) if key.exists() else auditor.create(key, "auditor.example")
    with open_reader(here) as reader:
        audited = replay_log(here, reader, [], 1, newest)
        durable.create(place / "trust.json", policy(reader, [signer.vkey], []).to_bytes())
        if audited.report.ok:
            signed = statement.sign(audited.report.statement(), signer)
            durable.create(place / "replay-statement", signed)
            for name in (NO_ACCESS, PACKAGE):
                attach(place / name, signed, audited.report, reader)
    return audited


def keep(place: Path, certificates: Sequence[Certificate], package: bytes) -> dict[str, str]:
    """Write them, and a forgery of one; which verdict each of the papers deserves."""
    for one in certificates:
        durable.create(place / one.name, one.pdf)
    block = next(one for one in certificates if one.kind == "block")
    durable.create(place / FORGED_PAPER, block.pdf + b"\n% and nothing else\n")
    durable.create(place / PACKAGE, package)
    # What was sealed is not changed: the auditor's word, which one of them needs, goes into the package beside it.
    verdicts = {one.name: "unknown" if one.kind == "non_access" else "valid" for one in certificates}
    return verdicts | {FORGED_PAPER: "invalid"}


def check(place: Path, wanted: Mapping[str, str]) -> Checked:
    """Check every file in another process."""
    command = [sys.executable, "-c", _CHECKER, "--trust", str(place / "trust.json"), *(str(place / n) for n in wanted)]
    # Its own settings would be refused or ignored, never needed; so it gets none.
    ran = subprocess.run(command, capture_output=True, text=True, env={"PYTHONUTF8": "1"}, check=False)
    lines: list[Any] = [json.loads(line) for line in ran.stdout.splitlines()]
    if len(lines) != len(wanted) + 1:
        raise Stop(UNAVAILABLE, f"the checking process failed: {ran.stderr.strip()}")
    *said, heavy = lines
    files = [(name, one["verdict"], _because(one)) for name, one in zip(wanted, said, strict=True)]
    return Checked(files, heavy, {name: verdict for name, verdict, _ in files} == dict(wanted))


def _because(said: Mapping[str, Any]) -> str:
    checks = {check["name"]: check for check in said["checks"]}
    for status in ("failed", "not_checked"):
        for check in said["checks"]:
            if check["status"] == status and (status == "failed" or check["name"] in said["required"]):
                return f"{check['name']}: {check['detail']}"
    for name in ("paper", "certificate", "package"):
        if name in checks and checks[name]["status"] == "passed":
            return str(checks[name]["detail"])
    if checks["no_access_recorded"]["status"] == "passed":
        return "; ".join(checks["no_access_recorded"]["detail"].split("; ")[:2])
    return str(checks["complete"]["detail"]).partition(": ")[0]


def tamper(data: bytes) -> bytes:
    """The evidence with the block's instant moved back by an hour, by someone who hopes that nobody computes."""
    document = evidence.parse(data)
    value: Any = canonical.loads(data, limit=len(data))
    for place, held in enumerate(document.entries):
        if b'"kind":"block.applied"' in held.entry:
            start = held.entry.index(b'"at":"') + len(b'"at":"2026-11-23T')
            hour = (int(held.entry[start : start + 2]) - 1) % 24
            forged = held.entry[:start] + b"%02d" % hour + held.entry[start + 2 :]
            value["entries"][place]["entry"] = base64.b64encode(forged).decode()
    return canonical.dumps(value)
