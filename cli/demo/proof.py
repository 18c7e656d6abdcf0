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
from cli.demo.story import HISTORY, NO_ACCESS
from cli.exits import UNAVAILABLE, Stop
from cli.opening import open_reader
from cli.trust import policy
from ledger import canonical, durable, evidence, statement
from ledger.mark import Mark

FORGED: Final = "forged.json"
FILES: Final = {HISTORY: "valid", NO_ACCESS: "valid", FORGED: "invalid"}
"""What is checked, and the verdict it deserves."""

# What a check of evidence must do without; said by the checking process itself, after it has checked.
HEAVY: Final = ("sqlalchemy", "psycopg", "fastapi", "uvicorn", "http.client")
_CHECKER: Final = f"""
import json, sys
from cli.main import main
status = main(["verify", "--json", *sys.argv[1:]])
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checking process said: file, verdict and reason; and which of `HEAVY` it had loaded."""

    files: Sequence[tuple[str, str, str]]
    heavy: Sequence[str]

    @property
    def right(self) -> bool:
        return {name: verdict for name, verdict, _ in self.files} == FILES and not self.heavy


def audit(here: Settings, place: Path, exported: Mapping[str, bytes], newest: Mark) -> Audited:
    """Write the evidence, audit the whole log, which must hold what the ``newest`` checkpoint says, and put the
    auditor's word into the evidence of no access."""
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
            attach(place / NO_ACCESS, signed, audited.report, reader)
    return audited


def check(place: Path) -> Checked:
    """Check every file in another process."""
    command = [sys.executable, "-c", _CHECKER, "--trust", str(place / "trust.json"), *(str(place / n) for n in FILES)]
    # Its own settings would be refused or ignored, never needed; so it gets none.
    ran = subprocess.run(command, capture_output=True, text=True, env={"PYTHONUTF8": "1"}, check=False)
    lines: list[Any] = [json.loads(line) for line in ran.stdout.splitlines()]
    if len(lines) != len(FILES) + 1:
        raise Stop(UNAVAILABLE, f"the checking process failed: {ran.stderr.strip()}")
    *said, heavy = lines
    return Checked([(name, one["verdict"], _because(one)) for name, one in zip(FILES, said, strict=True)], heavy)


def _because(said: Mapping[str, Any]) -> str:
    checks = {check["name"]: check for check in said["checks"]}
    for check in said["checks"]:
        if check["status"] == "failed":
            return f"{check['name']}: {check['detail']}"
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
