"""`postseal serve` in processes of its own, and keys made by command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers import HOUSE, environment
from tests.ledger.ledgers import ORIGIN

_SERVING = re.compile(r"postseal: serving (http://\S+:[0-9]+), documentation at /docs")


@dataclass
class Place:
    """Where a ledger lives."""

    url: str
    directory: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        here = {"DATA_DIR": str(self.directory), "DATABASE_URL": self.url, "ORIGIN": ORIGIN, "BIND": "127.0.0.1:0"}
        return environment(**here | self.settings) | {"PYTHONPATH": str(HOUSE), "PYTHONUTF8": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cli.main", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            cwd=HOUSE,
            env=self.environment,
            timeout=120,
        )

    def key(self, role: str) -> str:
        """A new API key."""
        ran = self.run("apikey", "create", "--role", role)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


class Server:
    """A service process. ``said`` is all it wrote to standard error so far."""

    def __init__(self, place: Place) -> None:
        self._said = place.directory.parent / f"{place.directory.name}.stderr{time.monotonic_ns()}"
        with self._said.open("wb") as errors:
            self.process = subprocess.Popen(
                place.command("serve"), cwd=HOUSE, env=place.environment, stdout=subprocess.PIPE, stderr=errors
            )
        self.url = ""

    @property
    def said(self) -> str:
        return self._said.read_text()

    def wait_ready(self) -> str:
        """Its address, once it serves."""
        end = time.monotonic() + 60
        while (found := _SERVING.search(self.said)) is None:
            assert self.process.poll() is None and time.monotonic() < end, self.said
            time.sleep(0.01)
        self.url = found[1]
        return self.url

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        self.process.send_signal(number)
        return self.wait(timeout)

    def wait(self, timeout: float = 30) -> int:
        status = self.process.wait(timeout)
        assert self.process.stdout is not None
        assert self.process.stdout.read() == b""
        return status

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def served(place: Place) -> Iterator[Server]:
    """A process that serves, or at least has begun to."""
    server = Server(place)
    try:
        yield server
    finally:
        server.end()
