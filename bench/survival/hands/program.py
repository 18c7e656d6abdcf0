"""Programs that are asked to change one message after another.

A filter is started for each message. A worker is started once: it reads ``WHAT SIZE`` and a line feed, then that many
octets, and answers ``SIZE`` and a line feed and the octets, or ``-`` and a line feed where there is nothing to change.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from bench.survival.change import Missing, lf

SECONDS: Final = 30


def find(name: str, without: str) -> str:
    """The path of an installed program. Raises Missing."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed: {without}")
    return path


def version_of(package: str) -> str:
    """What the package manager says is installed; nothing where there is no such manager."""
    dpkg = shutil.which("dpkg-query")
    if dpkg is None:
        return ""
    done = subprocess.run([dpkg, "-W", "-f=${Version}", package], capture_output=True, text=True, check=False)
    return done.stdout.partition("-")[0].rpartition(":")[2]


def titled(name: str, package: str) -> str:
    return f"{name} {version_of(package)}".strip()


def filtered(arguments: Sequence[str], octets: bytes, directory: Path | None = None) -> bytes | None:
    """What a filter writes when it is given the message with LF line ends; None if it fails or says nothing."""
    try:
        done = subprocess.run(
            arguments, input=lf(octets), capture_output=True, check=False, timeout=SECONDS, cwd=directory
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 and done.stdout else None


class Worker:
    """One started worker; ask it from any thread."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._lock = threading.Lock()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def ask(self, what: str, octets: bytes) -> bytes | None:
        """The changed message; None where there is none, or where the worker died of it (a new one takes its place)."""
        with self._lock:
            given = lf(octets)
            asked = self._process
            assert asked.stdin is not None and asked.stdout is not None
            timer = threading.Timer(SECONDS, asked.kill)
            timer.start()
            try:
                asked.stdin.write(f"{what} {len(given)}\n".encode() + given)
                asked.stdin.flush()
                size = asked.stdout.readline().strip()
                if size == b"-":
                    return None
                if size.isdigit():
                    answer = asked.stdout.read(int(size))
                    if len(answer) == int(size):
                        return answer
            except BrokenPipeError:
                pass
            finally:
                timer.cancel()
            self.close()
            self._process = self._start()
            return None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        if self.ask("hello", b"Subject: hello\n\nhello\n") is None:
            self.close()
            raise Missing(f"{self._arguments[0]}: does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
