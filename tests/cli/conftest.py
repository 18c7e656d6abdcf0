"""A ledger for commands, and a message in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import MAIL, Commands


@pytest.fixture
def postseal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The command, on a ledger that does not exist yet."""
    data = tmp_path / "data"
    monkeypatch.setenv("POSTSEAL_DATA_DIR", str(data))
    monkeypatch.setenv("COLUMNS", "110")
    return Commands(data, capsys)


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """An .eml file with two recipients and a file."""
    path = tmp_path / "mail.eml"
    path.write_bytes(MAIL)
    return path


@pytest.fixture
def message(postseal: Commands, mail: Path) -> str:
    """A recorded message whose file f1 travels behind a link; r3 is in Bcc."""
    sent = ["--from", "ann@sender.example", "--to", "bob@one.example", "--to", "cy@two.example"]
    ran = postseal.ok("record", mail, *sent, "--bcc", "dee@three.example", "--hosted", "f1", "--quiet")
    return ran.out.strip()
