"""Running commands: in this process where that is enough, in one of their own where the process is the point."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.helpers import HOUSE, environment

MAIL = b"""From: Ann <ann@sender.example>
To: bob@one.example
Cc: cy@two.example
Subject: The plan
Message-ID: <1@sender.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x

see attached
--x
Content-Type: application/pdf
Content-Disposition: attachment; filename=plan.pdf

not really a PDF
--x--
"""


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Commands:
    """A ledger of its own in ``data``, and the command ``postseal`` on it."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Ran:
        self._capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return Ran(status, out, err)

    def ok(self, *arguments: object) -> Ran:
        ran = self(*arguments)
        assert ran.status == 0, ran
        return ran


def run(*arguments: object, cwd: Path = HOUSE, **settings: str) -> Ran:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    env = environment(**settings) | {"PYTHONPATH": str(HOUSE), "PYTHONUTF8": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120)
    return Ran(ran.returncode, ran.stdout, ran.stderr)
