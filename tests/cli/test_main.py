"""The dispatcher: help, errors in one line, exit statuses, and an end that is clean."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api import settings
from cli import exits, main, messages
from ledger import errors
from tests.cli.commands import Commands, run
from tests.helpers import HOUSE, environment


def test_help_names_every_command_setting_and_exit_status(postseal: Commands) -> None:
    said = postseal.ok("--help").out
    for name, command in main.COMMANDS.items():
        assert f"  {name} " in said and command.summary.split()[0] in said
    for setting in settings.TABLE:
        assert f"POSTSEAL_{setting.name}" in said
    for status, _ in exits.MEANINGS:
        assert f"\n  {status} " in said
    assert max(map(len, said.splitlines())) <= 110


@pytest.mark.parametrize("name", [name for name in main.COMMANDS if name != "keys"])
def test_every_command_has_help(postseal: Commands, name: str) -> None:
    assert postseal.ok(name, "--help").out.lower().startswith(f"usage: postseal {name}")


GROUPS = [f"keys {name}" for name in ("list", "rotate", "epoch", "auditor")]
GROUPS += [f"apikey {name}" for name in ("create", "list", "revoke")]


@pytest.mark.parametrize("name", [*main.COMMANDS, *GROUPS, ""])
def test_help_fits_a_terminal_and_is_whole(postseal: Commands, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = postseal.ok(*name.split(), "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    # What is cut off ends so; the usage alone may, where something may be repeated.
    assert not [line for line in lines[1:] if line.endswith("...")]
    assert not re.search("<(str|int|path|list)", "\n".join(lines)), "a type of Python's tells nobody anything"


def test_without_a_command_it_says_how(postseal: Commands) -> None:
    ran = postseal()
    assert ran.status == 2 and ran.err.startswith("Usage: postseal COMMAND")
    assert postseal.ok("--version").out == "postseal 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recrod"], "there is no command 'recrod'; did you mean record?"),
        (["remember"], "there is no command 'remember'; `postseal --help` lists them"),
        (["--verbose"], "there is no option '--verbose'"),
        (["show"], "Missing argument 'MESSAGE'"),
        (["show", "--colour", "x"], "No such option: --colour"),
        (["messages", "-n", "many"], "Invalid value"),
        (["keys", "forget"], "No such command"),
    ],
)
def test_wrong_usage_is_one_line(postseal: Commands, arguments: list[str], said: str) -> None:
    ran = postseal(*arguments)
    assert ran.status == 2 and ran.out == ""
    assert said in ran.err and ran.err.startswith("postseal: ") and len(ran.err.splitlines()) == 1


def test_an_unknown_setting_is_refused(postseal: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTSEAL_DATADIR", "x")
    ran = postseal("messages")
    assert ran.status == 2 and "POSTSEAL_DATADIR is not a setting" in ran.err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.StoreUnavailable("the database is gone"), 4),
        (errors.ClockRefused("the clock"), 4),
        (errors.RolledBack("behind"), 4),
        (errors.SecretError("no key"), 4),
        (errors.FormatError("no"), 2),
        (errors.InvalidRequest("no"), 2),
        (errors.UnknownReference("no"), 2),
        (errors.KeyReused("no"), 1),
        (errors.ProofError("no"), 1),
        (PermissionError(13, "Permission denied", "file"), 2),
        (ValueError("somebody@example.com"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_one_line_and_a_status(
    postseal: Commands, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(messages, "open_reading", fail)
    ran = postseal("messages")
    assert ran.status == status and len(ran.err.splitlines()) == 1
    assert "somebody@example.com" not in ran.err, "a defect's message may quote anything"


def test_a_wrong_origin_or_an_unreachable_database_is_4(
    postseal: Commands, message: str, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("POSTSEAL_ORIGIN", "log.example/other")
        assert postseal("messages").status == 4
        ran = postseal("record", mail)
        assert ran.status == 4 and "this database holds the log localhost/postseal" in ran.err
    monkeypatch.setenv("POSTSEAL_DATABASE_URL", "postgresql+psycopg://user:secret@127.0.0.1:1/nothing")
    ran = postseal("messages")
    assert ran.status == 4 and "secret" not in ran.err and len(ran.err.splitlines()) == 1


def test_a_lost_master_key_is_not_replaced(postseal: Commands, message: str, mail: Path) -> None:
    (postseal.data / "keys" / "master.key").unlink()
    ran = postseal("record", mail)
    assert ran.status == 4 and "bring that back" in ran.err
    assert not (postseal.data / "keys" / "master.key").exists()


def test_who_reads_a_part_ends_it_without_a_word(tmp_path: Path, mail: Path) -> None:
    assert run("record", mail, DATA_DIR=str(tmp_path / "data")).status == 0
    command = f"{sys.executable} -m cli.main show --help | head -1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=HOUSE, env=environment())
    assert ran.stderr == "" and ran.stdout.startswith("Usage")


def test_an_interrupt_stops_the_recorder_cleanly(tmp_path: Path, mail: Path) -> None:
    # Reading standard input it waits for ever, with the ledger open.
    env = environment(DATA_DIR=str(tmp_path / "data"))
    command = [sys.executable, "-m", "cli.main", "record", "-", "--from", "a@b.example", "--to", "c@d.example"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HOUSE, env=env
    ) as running:
        marks = tmp_path / "data" / "marks"
        until = time.monotonic() + 30
        while time.monotonic() < until and not any(b'"size":0' not in m.read_bytes() for m in marks.glob("*.json")):
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "postseal: interrupted: no message is recorded\n")
    audited = run("audit", "--json", DATA_DIR=str(tmp_path / "data"))
    assert audited.status == 0 and '"size": 4' in audited.out, "opened, key, started, stopped"
