"""Ledgers that can only be read, and ledgers that are not there any more."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.store.read import Reader
from tests.cli.commands import Commands, Ran
from tests.helpers import HOUSE, environment

READING = (["messages"], ["show"], ["trust"], ["keys", "list"], ["audit"], ["audit", "--processes", "2"])


class ReadOnly:
    """A copy of a ledger's directory that nobody may write to, read by a program whom permissions bind."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.prefix: list[str] = []
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root is bound by no permissions, and there is no setpriv to bind him")
            over = "-dac_override,-dac_read_search"
            self.prefix = ["setpriv", f"--bounding-set={over}", f"--inh-caps={over}"]

    def take(self, data: Path) -> None:
        shutil.copytree(data, self.place)
        for path in [self.place, *self.place.rglob("*")]:
            path.chmod(0o500 if path.is_dir() else 0o400)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.place)) for path in self.place.rglob("*")}

    def __call__(self, *arguments: object) -> Ran:
        command = [*self.prefix, sys.executable, "-m", "cli.main", *map(str, arguments)]
        env = environment(DATA_DIR=str(self.place)) | {"PYTHONUTF8": "1"}
        ran = subprocess.run(command, capture_output=True, text=True, cwd=HOUSE, env=env, timeout=120)
        return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[ReadOnly]:
    made = ReadOnly(tmp_path / "a copy, 100% #1")
    yield made
    for path in [made.place, *made.place.rglob("*")]:
        path.chmod(0o700)


def test_a_copy_that_is_read_only_is_read(postseal: Commands, message: str, copy: ReadOnly) -> None:
    copy.take(postseal.data)
    files = copy.files()
    for command in READING:
        ran = copy(*command, *([message] if command == ["show"] else []))
        assert (ran.status, ran.err) == (0, ""), command
        assert ran.out
    assert copy.files() == files


def test_writing_to_it_is_refused_in_one_line(postseal: Commands, message: str, mail: Path, copy: ReadOnly) -> None:
    copy.take(postseal.data)
    ran = copy("event", message, "link.opened")
    assert ran.status == 4 and len(ran.err.splitlines()) == 1 and "defect" not in ran.err


@pytest.mark.parametrize("half", [True, False])
def test_a_copy_of_a_ledger_in_use(postseal: Commands, message: str, copy: ReadOnly, half: bool) -> None:
    """With both files of its log it is read; with one of them only who may write there could read it, and is told."""
    connection = sqlite3.connect(postseal.data / "ledger.db")
    for sign in "+-":
        connection.execute(f"UPDATE head SET at = at {sign} 1")
        connection.commit()
    if half:
        held = (postseal.data / "ledger.db-wal").read_bytes()
        connection.close()
        (postseal.data / "ledger.db-wal").write_bytes(held)
    copy.take(postseal.data)
    connection.close()
    for command in READING:
        ran = copy(*command, *([message] if command == ["show"] else []))
        if half:
            assert ran.status == 4 and len(ran.err.splitlines()) == 1
            assert "ledger.db-wal holds what was written last" in ran.err and "copy the directory" in ran.err
        else:
            assert (ran.status, ran.err) == (0, ""), command


def test_what_changes_under_a_reader_who_takes_it_for_frozen_is_not_believed(
    postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> list[object]:
        with closing(sqlite3.connect(postseal.data / "ledger.db")) as connection:
            connection.execute("UPDATE head SET at = at + 1")
            connection.commit()
        return []

    monkeypatch.setattr("ledger.store.engine.os.access", lambda *_: False)
    postseal.ok("messages")
    monkeypatch.setattr(Reader, "messages", write)
    ran = postseal("messages")
    assert ran.status == 4 and ran.out == "" and "was written to meanwhile" in ran.err


# A database that is gone

LOOKING = (["messages"], ["trust"], ["keys", "list"], ["audit"])


@pytest.mark.parametrize("gone", ["file", "content", "tables"])
def test_a_lost_database_is_no_new_ledger(postseal: Commands, message: str, mail: Path, gone: str) -> None:
    database = postseal.data / "ledger.db"
    database.unlink()
    if gone == "content":
        database.touch()
    elif gone == "tables":
        # What a command that writes leaves of it, which refuses.
        assert postseal("record", mail).status == 4
    for command in LOOKING:
        ran = postseal(*command)
        assert ran.status == 4 and len(ran.err.splitlines()) == 1
        assert ("is not there, but" if gone == "file" else ", but") in ran.err
        assert "the key ring and the high-water mark of a ledger of 8 entries are here" in ran.err
        assert "restore the newest backup of its database" in ran.err
    shutil.rmtree(postseal.data / "marks")
    ran = postseal("audit")
    assert ran.status == 4 and "but the key ring of a ledger is here" in ran.err


def test_what_another_ledger_left_says_nothing_of_this_one(
    postseal: Commands, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTSEAL_ORIGIN", "log.example/other")
    monkeypatch.setenv("POSTSEAL_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    for command in LOOKING:
        ran = postseal(*command)
        assert ran.status == 2 and "there is no ledger yet" in ran.err


def test_an_empty_database_on_a_server_is_no_ledger_yet_or_a_lost_one(
    postseal: Commands, message: str, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTSEAL_DATABASE_URL", postgresql_url)
    for command in LOOKING:
        ran = postseal(*command)
        assert ran.status == 4 and "the database is empty, but the key ring and the high-water mark" in ran.err
    monkeypatch.setenv("POSTSEAL_ORIGIN", "log.example/other")
    for command in LOOKING:
        ran = postseal(*command)
        assert ran.status == 2 and "there is no ledger yet (the database is empty); `postseal record`" in ran.err


def test_a_damaged_mark_is_a_mark(postseal: Commands, message: str) -> None:
    (postseal.data / "ledger.db").unlink()
    next((postseal.data / "marks").glob("*.json")).write_bytes(b"{}")
    ran = postseal("audit")
    assert ran.status == 4 and "the key ring and the high-water mark of a ledger are here" in ran.err
