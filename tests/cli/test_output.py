"""Answers that cannot be written, and what they look like where they can."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import Commands, Ran, run
from tests.helpers import HOUSE, environment

FULL = Path("/dev/full")


def answer_into(where: str, data: Path, *arguments: object) -> Ran:
    """A command whose standard output is a full disk, or a pipe that nobody reads."""
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    if where == "full":
        stdout = os.open(FULL, os.O_WRONLY)
    else:
        read, stdout = os.pipe()
        os.close(read)
    try:
        ran = subprocess.run(
            command,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HOUSE,
            env=environment(DATA_DIR=str(data)),
            timeout=60,
        )
    finally:
        os.close(stdout)
    return Ran(ran.returncode, "", ran.stderr)


WHERE = pytest.mark.parametrize(
    ("where", "why"),
    [
        pytest.param(
            "full", "No space left on device", marks=pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
        ),
        ("closed", "Broken pipe"),
    ],
)


@WHERE
@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]])
def test_what_is_recorded_is_said_to_be(tmp_path: Path, mail: Path, where: str, why: str, options: list[str]) -> None:
    data = tmp_path / "data"
    ran = answer_into(where, data, "record", mail, *options)
    assert ran.status == 5
    assert ran.err == f"postseal: 1 message is recorded, but the answer could not be written: {why}\n"
    held = run("messages", "--json", DATA_DIR=str(data))
    assert held.status == 0 and len(held.lines) == 1
    message = held.lines[0]["message"]
    ran = answer_into(where, data, "event", message, "link.opened")
    assert ran.status == 5
    assert ran.err == f"postseal: what was done is recorded, but the answer could not be written: {why}\n"
    assert '"link.opened"' in run("show", message, "--json", DATA_DIR=str(data)).out


@WHERE
@pytest.mark.parametrize("command", [["messages"], ["messages", "--json"], ["trust"], ["audit"], ["keys", "list"]])
def test_a_reader_who_has_gone_is_no_failure_but_a_full_disk_is(
    postseal: Commands, message: str, where: str, why: str, command: list[str]
) -> None:
    ran = answer_into(where, postseal.data, *command)
    if where == "closed":
        assert (ran.status, ran.err) == (141, "")
    else:
        assert (ran.status, ran.err) == (5, f"postseal: the answer could not be written: {why}\n")


def test_lines_in_a_file_end_where_they_end(postseal: Commands, message: str, mail: Path) -> None:
    commands = [["record", mail], ["messages"], ["show", message], ["audit"], ["keys", "list"]]
    for command in [*commands, ["block", message, "--scope", "all"]]:
        lines = postseal.ok(*command).out.splitlines()
        assert len(lines) > 2
        assert not [line for line in lines if line != line.rstrip()], command
