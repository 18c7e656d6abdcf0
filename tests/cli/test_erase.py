"""Holds, erasures and retention as a person types them."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from ledger.retention import DAY
from tests.cli.commands import Commands

BOB = "bob@one.example"


def test_erase_a_recipient_then_all(postseal: Commands, message: str) -> None:
    said = postseal.ok("erase", message, "--recipient", BOB, "--yes", "--json").json
    assert said["state"] == "done"
    shown = " ".join(postseal.ok("show", message).out.split())
    assert "(erased)" in shown and "erased, r1" in shown and BOB not in shown and "cy@two.example" in shown
    assert "an erasure was asked for" in shown and "erased: what was sealed" in shown
    assert "is done: 4 entries" in postseal.ok("erase", message, "--yes").out
    assert "cy@two.example" not in postseal.ok("show", message, "--json").out
    assert postseal.ok("audit").status == 0
    assert postseal.ok("erase", "--pending").out.strip() == "no erasure is pending"


def test_a_person_by_standard_input(
    postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{BOB}\n"))
    assert "is done" in postseal.ok("erase", "--address", "-", "--yes").out
    assert BOB not in postseal.ok("show", message, "--json").out
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{BOB}\n"))
    ran = postseal("erase", "--address", "-", "--yes")
    assert ran.status == 2 and BOB not in ran.err and "nothing is found" in ran.err
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or b"bob@one" not in file.read_bytes()


def test_without_a_terminal_it_must_be_meant(postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert postseal("erase", message).status == 2
    terminal = io.StringIO("no\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    ran = postseal("erase", message, "--recipient", "r1")
    assert ran.status == 1 and "erase r1 of message" in ran.err and "nothing was erased" in ran.err
    assert BOB in postseal.ok("show", message, "--json").out


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["x", "--yes"],
        ["--recipient", "r1", "--yes"],
        ["--address", "nobody", "--yes"],
        ["--approve", "x", "--yes"],
        ["--pending", "--address", "a@b.example"],
    ],
)
def test_what_cannot_be_meant(postseal: Commands, message: str, wrong: list[str]) -> None:
    assert postseal("erase", *wrong).status == 2


def test_a_hold_and_its_release(postseal: Commands, message: str) -> None:
    hold = postseal.ok("hold", message, "--recipient", "r2", "--reason", "lawsuit", "--json").json["hold"]
    assert f"hold of r2 {hold}" in " ".join(postseal.ok("show", message).out.split())
    ran = postseal("erase", message, "--yes")
    assert ran.status == 1 and hold in ran.err
    assert "released at" in postseal.ok("release", message, hold).out
    assert postseal("release", message, hold).status == 2
    assert postseal("hold", message, "--reason", "NO").status == 2
    postseal.ok("erase", message, "--yes")
    assert postseal.ok("audit").status == 0


def test_two_people(postseal: Commands, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTSEAL_DUAL_CONTROL", "1")
    said = postseal.ok("erase", message, "--yes", "--json").json
    assert said["state"] == "waiting"
    assert postseal.ok("erase", "--pending", "--json").lines[0]["erasure"] == said["erasure"]
    assert "waits for a second person" in " ".join(postseal.ok("erase", "--pending").out.split())
    ran = postseal("erase", "--approve", said["erasure"], "--yes")
    assert ran.status == 1 and "second person" in ran.err
    monkeypatch.setattr("os.getuid", lambda: 4242)
    assert "is done" in postseal.ok("erase", "--approve", said["erasure"], "--yes").out
    assert postseal.ok("audit").status == 0


def test_retention(postseal: Commands, mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTSEAL_RETENTION", "short=0-30,finance=2555-")
    sent = ["--from", "ann@sender.example", "--quiet", "--to"]
    first = postseal.ok("record", mail, *sent, "a@one.example").out.strip()
    second = postseal.ok("record", mail, *sent, "b@one.example").out.strip()
    kept = postseal.ok("record", mail, *sent, "c@one.example", "--retention", "finance").out.strip()
    assert postseal("record", mail, *sent, "d@one.example", "--retention", "none").status == 2
    assert "short: not erased before" in " ".join(postseal.ok("show", first).out.split())
    ran = postseal("erase", kept, "--yes")
    assert ran.status == 1 and "can be erased from" in ran.err
    postseal.ok("hold", second)
    assert "0 messages past" in postseal.ok("retention").out
    later = time.time_ns() + 31 * DAY * 1000
    monkeypatch.setattr("cli.retention.time.time_ns", lambda: later)
    assert {one["message"]: one["state"] for one in postseal.ok("retention", "--json").lines} == {
        first: "due",
        second: "held",
    }
    monkeypatch.setattr("cli.retention.time.time_ns", lambda: later)
    ran = postseal("retention", "--erase", "--json", "--accept-clock")
    assert {one["message"]: one["state"] for one in map(json.loads, ran.out.splitlines())} == {
        first: "done",
        second: "held",
    }
    assert "a@one.example" not in postseal.ok("show", first, "--json").out


def test_an_epoch_turned_says_what_that_means(postseal: Commands, message: str) -> None:
    said = postseal.ok("keys", "epoch").out
    assert "epoch 2 has begun: 6 data keys wrapped anew, the key of epoch 1 destroyed" in said
    assert "older copies of the database cannot be read any more" in said
    assert BOB in postseal.ok("show", message, "--json").out


def test_subject_access(postseal: Commands, message: str, tmp_path: Path) -> None:
    out = tmp_path / "bob.zip"
    assert "1 message; it holds personal data" in postseal.ok("subject", BOB, "--out", out).out
    assert out.stat().st_mode & 0o777 == 0o600 and out.read_bytes()[:2] == b"PK"
    assert postseal("subject", BOB, "--out", out).status == 2
    assert postseal("subject", "x@y.example", "--out", tmp_path / "x.zip").status == 2
    shown = postseal.ok("show", message, "--json").lines
    assert shown[-1]["entry"]["facts"] == {"what": "subject-access"}
