"""Real PostgreSQL servers for tests, of any version, that never outlive the test run.

Each server has a keeper: a shell that starts it and waits at a pipe whose other end only the test process holds.
When the test process ends, however it ends, the pipe closes; the keeper then stops the server and removes its
directory. So there is no clean-up to miss when a run is killed.

A server listens on a Unix socket in a private directory and on no network address. It keeps its defaults for
durability (``fsync`` and ``synchronous_commit`` are on): tests of what survives a crash must not run on a server that
forgets.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

# Words come in line by line; each is answered by a number, 0 for failure. --no-sync spares initdb its own flush only.
# "immediate" is what a crash looks like: no warning, no checkpoint; the next start recovers from the write-ahead log.
KEEPER = """
directory=$1 programs=$2 data=$1/data
quietly() { "$@" </dev/null >>"$directory/log" 2>&1; }
initdb() { quietly "$programs/initdb" -D "$data" -U postgres --auth=trust --no-locale --encoding=UTF8 --no-sync; }
control() { quietly "$programs/pg_ctl" -D "$data" -s -w "$@"; }
while read -r word; do
    case $word in
        initialise) initdb && echo 1 || echo 0 ;;
        start) control -l "$directory/log" start && head -n 1 "$data/postmaster.pid" || echo 0 ;;
        crash) control -m immediate stop && echo 1 || echo 0 ;;
    esac
done
control -m immediate stop
cd / && rm -rf "$directory"
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


class Postgres:
    """A running server. ``pid`` is its first process; ``directory`` holds its data, socket and log."""

    def __init__(self, programs: Path, directory: Path, as_user: Mapping[str, Any]) -> None:
        self.directory = directory
        self.pid = 0
        self._names = count()
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", str(directory), str(programs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=directory,
            env=ENVIRONMENT,
            start_new_session=True,  # Ctrl-C goes to the tests; the keeper follows when they are done
            **as_user,
        )

    @classmethod
    @contextmanager
    def running(cls, programs: Path, **settings: str) -> Iterator[Postgres]:
        """Start a server of its own from a directory of PostgreSQL programs, with server settings if need be."""
        directory = Path(tempfile.mkdtemp(prefix="postseal-pg-"))
        as_user = _unprivileged(directory)
        programs = _reachable(programs, directory, as_user)
        server = cls(programs, directory, as_user)
        try:
            server._say("initialise")
            options = {"listen_addresses": "", "port": "5432", "unix_socket_directories": str(directory), **settings}
            with (directory / "data" / "postgresql.conf").open("a") as file:
                file.writelines(f"{name} = '{value}'\n" for name, value in options.items())
            server.start()
            yield server
        finally:
            server._keeper.communicate(timeout=60)

    def start(self) -> None:
        """Start it, or start it again after ``crash``; returns when it takes connections."""
        self.pid = self._say("start")

    def crash(self) -> None:
        """Stop it as a crash would: no warning to clients, no checkpoint. ``start`` recovers it."""
        self._say("crash")

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.directory}"

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """URL of a new, empty database, which is dropped at the end, with whatever is still connected to it."""
        name = f"t{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement beside the tests' own connections, in no transaction."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _conninfo(self, database: str) -> str:
        return f"host={self.directory} user=postgres dbname={database} connect_timeout=10"

    def _say(self, word: str) -> int:
        assert self._keeper.stdin is not None and self._keeper.stdout is not None
        self._keeper.stdin.write(word + "\n")
        self._keeper.stdin.flush()
        answer = int(self._keeper.stdout.readline())
        if answer == 0:
            raise RuntimeError(f"PostgreSQL did not {word}:\n{self.log()}")
        return answer


def _unprivileged(directory: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so root starts it as nobody; anyone else as himself."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(programs: Path, directory: Path, as_user: Mapping[str, Any]) -> Path:
    """Where that user can run the programs: a checkout in root's own home is closed to nobody, so they are copied."""
    probe: list[str | Path] = [programs / "postgres", "--version"]
    try:
        subprocess.run(probe, check=True, capture_output=True, cwd=directory, **as_user)
    except PermissionError:
        # The package's programs find their libraries beside the package, in the same place relative to themselves.
        package = programs.parents[1]
        copy = directory / "programs"
        for folder in [package, package.with_name(package.name + ".libs")]:
            if folder.exists():
                shutil.copytree(folder, copy / folder.name, symlinks=True)
        for path in [copy, *copy.rglob("*")]:
            # The keeper, who is that user too, must be able to remove the copy.
            os.chown(path, as_user["user"], as_user["group"], follow_symlinks=False)
        return copy / programs.relative_to(package.parent)
    return programs
