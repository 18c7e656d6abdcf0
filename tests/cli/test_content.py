"""`postseal record --keep` and `postseal content`: what is kept comes out, and who looked is on record."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.intake import Intake
from cli.main import main
from tests.cli.commands import MAIL, Commands
from tests.helpers import HOUSE, environment

CRLF = MAIL.replace(b"\n", b"\r\n")
ENVELOPE = ("--from", "ann@sender.example", "--to", "bob@one.example", "--to", "cy@two.example")


@pytest.fixture
def kept(postseal: Commands, mail: Path) -> str:
    return postseal.ok("record", "--keep", mail, *ENVELOPE, "--quiet").out.strip()


def blobs(postseal: Commands) -> list[Path]:
    return [path for path in (postseal.data / "blobs").rglob("*") if path.is_file()]


def looks(postseal: Commands, message: str) -> list[tuple[str, Any]]:
    """What was looked at, and by whom."""
    lines = postseal.ok("show", message, "--json").lines
    views = [line for line in lines if line["entry"]["kind"] == "content.viewed"]
    return [(line["entry"]["facts"]["what"], line["disclosed"]["actor"]) for line in views]


def piped(postseal: Commands, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "cli.main", "content", *arguments]
    env = environment(DATA_DIR=str(postseal.data)) | {"PYTHONPATH": str(HOUSE)}
    return subprocess.run(command, capture_output=True, cwd=HOUSE, env=env, timeout=120, check=False)


def test_it_comes_out_as_it_was_recorded(postseal: Commands, kept: str, tmp_path: Path) -> None:
    assert len(blobs(postseal)) == 2
    wanted = {
        "mail.out": ((), CRLF),
        "file.out": (("--file", "f1"), b"not really a PDF"),
    }
    for name, (more, octets) in wanted.items():
        path = tmp_path / name
        ran = postseal.ok("content", kept, *more, "-o", path)
        assert path.read_bytes() == octets and str(path) in ran.out.replace("\n", "")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        ran = piped(postseal, kept, *more)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, octets, b"")
    body = piped(postseal, kept, "--body").stdout
    assert body.startswith(b"mime-version: 1.0\r\n") and b"bob@one.example" not in body
    user = pwd.getpwuid(os.getuid()).pw_name
    assert {who for _, who in looks(postseal, kept)} == {f"{user} (command line)"}
    assert [what for what, _ in looks(postseal, kept)] == ["content"] * 2 + ["file.f1"] * 2 + ["content.body"]
    assert "kept; `postseal content` writes it" in postseal.ok("show", kept).out
    assert postseal.ok("audit").status == 0


def test_it_is_not_written_over_a_file_or_to_a_terminal(
    postseal: Commands, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"before")
    assert "is there already" in postseal("content", kept, "-o", there).err and there.read_bytes() == b"before"
    assert "cannot be written" in postseal("content", kept, "-o", tmp_path / "no" / "where").err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("cli.output._Stream.isatty", lambda self: True, raising=False)
    assert main(["content", kept]) == 2
    monkeypatch.undo()
    monkeypatch.setenv("POSTSEAL_DATA_DIR", str(postseal.data))
    assert looks(postseal, kept) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "a message is named by its id"),
        (["{}", "--file", "1"], "--file expects"),
        (["{}", "--file", "f1", "--body"], "two things"),
        (["01890a5d-ac96-774b-bcce-b302099a8057"], "no such message"),
        (["{}", "--file", "f2"], "the message has 1 file"),
    ],
)
def test_what_cannot_be_meant(postseal: Commands, kept: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    ran = postseal("content", *[one.format(kept) for one in arguments], "-o", tmp_path / "out")
    assert ran.status == 2 and words in ran.err, ran
    assert not (tmp_path / "out").exists()


def test_what_was_not_kept(postseal: Commands, message: str, tmp_path: Path) -> None:
    ran = postseal("content", message, "-o", tmp_path / "out")
    assert (ran.status, "was not kept" in ran.err) == (2, True)
    assert blobs(postseal) == [] and len(looks(postseal, message)) == 1


def test_what_is_damaged(postseal: Commands, kept: str, tmp_path: Path) -> None:
    for path in blobs(postseal):
        path.write_bytes(path.read_bytes()[:-1])
    ran = postseal("content", kept, "-o", tmp_path / "out")
    assert (ran.status, "does not open" in ran.err) == (1, True)
    assert not (tmp_path / "out").exists()
    ran = postseal("audit")
    assert ran.status == 1 and "blobs:" in ran.out


def test_the_same_mail_is_kept_once_and_hashes_become_content(postseal: Commands, mail: Path) -> None:
    hashed = postseal.ok("record", mail, *ENVELOPE, "--quiet").out
    copy = mail.with_name("copy.eml")
    copy.write_bytes(CRLF)
    kept = postseal.ok("record", "--keep", mail, copy, *ENVELOPE, "--json").lines
    assert [one["repeated"] for one in kept] == [False, True]
    again = postseal.ok("record", "--keep", mail, *ENVELOPE, "--json").lines
    assert again[0]["repeated"] and again[0]["message"] == kept[0]["message"] != hashed.strip()
    assert len(blobs(postseal)) == 2
    assert postseal.ok("record", mail, *ENVELOPE, "--quiet").out == hashed


def test_what_was_not_handed_over_is_not_left_behind(
    postseal: Commands, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Intake.take

    def interrupt(self: Intake, found: Any) -> None:
        real(self, found)
        raise KeyboardInterrupt

    monkeypatch.setattr(Intake, "take", interrupt)
    assert postseal("record", "--keep", mail, *ENVELOPE).status == 130
    monkeypatch.undo()
    assert blobs(postseal) == []
