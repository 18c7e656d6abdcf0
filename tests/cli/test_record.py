"""`postseal record`: everything once, however often it is run, and a reason for what is refused."""

from __future__ import annotations

import hashlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import intake, sources
from cli.intake import Intake, Said
from cli.sources import Found
from ledger.errors import StoreUnavailable
from tests.cli.commands import MAIL, Commands
from tests.helpers import HOUSE, environment


def test_a_message_is_recorded_under_its_declared_envelope(postseal: Commands, mail: Path) -> None:
    said = postseal.ok("record", mail, "--json").json
    assert said["envelope"] == "declared"
    assert [(one["id"], one["address"], one["role"]) for one in said["recipients"]] == [
        ("r1", "bob@one.example", "to"),
        ("r2", "cy@two.example", "cc"),
    ]
    assert [(one["id"], one["name"], one["where"]) for one in said["files"]] == [("f1", "plan.pdf", "inside")]
    assert len(said["leaf_hash"]) == 64
    assert not said["repeated"]


def test_the_first_start_makes_what_it_needs_and_nothing_that_others_can_read(postseal: Commands, mail: Path) -> None:
    postseal.ok("record", mail)
    assert postseal.data.stat().st_mode & 0o777 == 0o700
    assert (postseal.data / "keys" / "master.key").stat().st_mode & 0o777 == 0o600


def test_a_second_run_records_nothing_twice(postseal: Commands, tmp_path: Path, mail: Path) -> None:
    box = tmp_path / "box"
    one = b"From x Thu Jan  1 00:00:00 1970\n" + MAIL + b"\n"
    box.write_bytes(one + one.replace(b"The plan", b"Another"))
    first = postseal.ok("record", mail, box, "--json").lines
    assert [line["repeated"] for line in first] == [False, True, False]
    assert first[0]["message"] == first[1]["message"]
    again = postseal.ok("record", box, mail, "--json").lines
    assert [line["repeated"] for line in again] == [True] * 3
    assert {line["seq"] for line in again} == {line["seq"] for line in first}
    # Line ends changed on the way; the message did not.
    mail.write_bytes(MAIL.replace(b"\n", b"\r\n"))
    assert postseal.ok("record", mail, "--json").json["repeated"]


def test_the_envelope_is_part_of_what_a_message_is(postseal: Commands, mail: Path) -> None:
    sent = ["--from", "ann@sender.example", "--to", "bob@one.example"]
    declared = postseal.ok("record", mail, "--json").json
    given = postseal.ok("record", mail, *sent, "--bcc", "dee@three.example", "--json").json
    other = postseal.ok("record", mail, *sent, "--bcc", "eve@four.example", "--json").json
    assert len({declared["message"], given["message"], other["message"]}) == 3
    assert [one["role"] for one in given["recipients"]] == ["to", "bcc"]


def test_refusals_are_said_one_by_one_and_the_rest_recorded(postseal: Commands, tmp_path: Path, mail: Path) -> None:
    nobody = tmp_path / "nobody.eml"
    nobody.write_bytes(b"From: ann@sender.example\nSubject: x\n\nto nobody\n")
    ran = postseal("record", nobody, tmp_path / "missing", mail)
    assert ran.status == 1
    refused = [line for line in ran.err.splitlines() if line.startswith("refused")]
    assert len(refused) == 2
    assert "its headers name no recipient; say --from and --to" in ran.err
    assert "recorded    " in ran.out
    assert "1 message to 2 recipients, 1 file" in ran.out
    assert [line["subject"] for line in postseal.ok("messages", "--json").lines] == ["The plan"]
    lines = postseal("record", nobody, mail, "--json").lines
    assert lines[0] == {"path": str(nobody), "refused": "its headers name no recipient; say --from and --to"} or (
        lines[1] == {"path": str(nobody), "refused": "its headers name no recipient; say --from and --to"}
    )


def test_what_cannot_be_parsed_is_recorded_by_its_hash_and_said(postseal: Commands, tmp_path: Path) -> None:
    odd = tmp_path / "odd.eml"
    odd.write_bytes(b"no header field at all\nbut octets\n")
    ran = postseal("record", odd, "--from", "a@b.example", "--to", "c@d.example")
    assert ran.status == 0
    assert "unparsed" in ran.err and "recorded by its hash alone" in ran.err
    said = postseal.ok("record", odd, "--from", "a@b.example", "--to", "c@d.example", "--json").json
    assert said["unparsed"] == "no header field" and said["recipients"][0]["role"] == "envelope"


def test_a_hosted_file_must_be_there(postseal: Commands, mail: Path) -> None:
    ran = postseal("record", mail, "--hosted", "f2")
    assert (ran.status, ran.err.strip().endswith("--hosted f2: the message has 1 file")) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "a@b.example"], "--from goes with --to"),
        (["--from", "a@b.example"], "--from goes with --to"),
        (["--from", "a@b.example", "--to", "nobody"], "an address has no local part or no domain"),
        (["--quoting", "x"], "--quoting is rd, o or none"),
    ],
)
def test_wrong_usage_opens_nothing(postseal: Commands, mail: Path, arguments: list[str], said: str) -> None:
    ran = postseal("record", mail, *arguments)
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert not postseal.data.exists()


def test_many_are_recorded_in_one_opening(postseal: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH", 16)
    box = tmp_path / "many.mbox"

    def letters() -> Iterator[bytes]:
        for number in range(300):
            yield b"From x Thu Jan  1 00:00:00 1970\n" + MAIL.replace(b"The plan", b"Plan %d" % (number % 250)) + b"\n"

    box.write_bytes(b"".join(letters()))
    ran = postseal.ok("record", box)
    assert "250 messages to 500 recipients, 250 files" in ran.out
    assert "recorded before  50" in ran.out
    report = postseal.ok("audit", "--json").json
    assert (report["messages"], report["recipients"]) == (250, 500)
    # One start, one stop: 2 to open the log, 3 entries a message.
    assert report["size"] == 2 + 2 + 250 * 3


@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]])
@pytest.mark.parametrize("what", ["nothing", "no mail", "an empty mailbox"])
def test_where_there_is_no_message_it_says_so(
    postseal: Commands, tmp_path: Path, what: str, options: list[str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    if what == "no mail":
        (place / "notes.txt").write_text("no mail")
    elif what == "an empty mailbox":
        (place / "empty.mbox").touch()
    ran = postseal("record", place, *options)
    assert ran.status == 2 and ran.out == ""
    assert "nothing is recorded" in ran.err and len(ran.err.splitlines()) == 1
    assert ("1 file passed over" in ran.err) == (what == "no mail")
    assert what != "nothing" or not postseal.data.exists(), "no ledger is begun for nothing"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten messages, which are handed over by fours."""
    monkeypatch.setattr(intake, "BATCH", 4)
    path = tmp_path / "ten.mbox"
    one = b"From x Thu Jan  1 00:00:00 1970\n" + MAIL + b"\n"
    path.write_bytes(b"".join(one.replace(b"The plan", b"Plan %d" % number) for number in range(10)))
    return path


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int, error: BaseException) -> None:
    """While the message after ``count`` is read."""
    real = sources.read

    def read(*arguments: Any) -> Iterator[Found]:
        for number, one in enumerate(real(*arguments)):
            if number == count:
                raise error
            yield one

    monkeypatch.setattr(sources, "read", read)


def test_interrupted_it_says_what_is_recorded_and_goes_on_when_run_again(
    postseal: Commands, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 9, KeyboardInterrupt())
        ran = postseal("record", box)
    assert ran.status == 130
    assert "8 messages to 16 recipients, 8 files" in ran.out
    told = "postseal: interrupted: 8 messages are recorded; run it again for the rest, nothing is recorded twice\n"
    assert ran.err == told
    assert len(postseal.ok("messages", "--json").lines) == 8
    again = postseal.ok("record", box)
    assert "2 messages to 4 recipients" in again.out and "recorded before  8" in again.out
    with monkeypatch.context() as patch:
        stop_after(patch, 4, KeyboardInterrupt())
        ran = postseal("record", box, "--quiet")
    assert ran.status == 130 and len(ran.out.splitlines()) == 4
    assert "interrupted: 4 messages are recorded (4 of them before); run it again" in ran.err


def test_an_interrupt_while_answers_are_told_loses_no_count(
    postseal: Commands, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Said.tell

    def tell(self: Said, *arguments: Any) -> None:
        if self.recorded == 1:
            os.kill(os.getpid(), signal.SIGINT)
        real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Said, "tell", tell)
        ran = postseal("record", box)
    assert ran.status == 130
    held = len(postseal.ok("messages", "--json").lines)
    assert held in (4, 8, 10) and f"{held} messages are recorded" in ran.err


def test_a_failure_half_way_says_what_is_recorded(
    postseal: Commands, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Intake._prepare
    seen: list[Found] = []

    def prepare(self: Intake, found: Found) -> Any:
        seen.append(found)
        if len(seen) == 7:
            raise StoreUnavailable("the database is gone")
        return real(self, found)

    with monkeypatch.context() as patch:
        patch.setattr(Intake, "_prepare", prepare)
        ran = postseal("record", box)
    assert ran.status == 4
    assert ran.err.splitlines() == [
        "postseal: 4 messages are recorded; run it again for the rest, nothing is recorded twice",
        "postseal: the database is gone",
    ]
    assert len(postseal.ok("messages", "--json").lines) == 4


def test_answers_stay_on_standard_output_beside_a_progress_bar(tmp_path: Path, mail: Path) -> None:
    terminal, slave = pty.openpty()
    command = [sys.executable, "-m", "cli.main", "record", str(mail), "--quiet"]
    env = environment(DATA_DIR=str(tmp_path / "data")) | {"TERM": "xterm", "PYTHONPATH": str(HOUSE)}
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=slave, text=True, cwd=HOUSE, env=env, timeout=60)
    os.close(slave)
    shown = os.read(terminal, 65536)
    os.close(terminal)
    assert ran.returncode == 0 and len(ran.stdout.strip()) == 36
    assert b"recording" in shown and ran.stdout.strip().encode() not in shown


def test_all_of_it_on_postgresql(
    postseal: Commands, mail: Path, tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTSEAL_DATABASE_URL", postgresql_url)
    message = postseal.ok("record", mail, "--hosted", "f1", "-q").out.strip()
    assert postseal.ok("record", mail, "--hosted", "f1", "--json").json["repeated"]
    postseal.ok("block", message, "--scope", "all")
    assert postseal("event", message, "download.started", "--file", "f1", "--recipient", "r1").status == 1
    assert "plan.pdf" in postseal.ok("show", message).out
    postseal.ok("export", message, "-o", tmp_path / "evidence.json")
    vkey = postseal.ok("keys", "list", "--json").json["vkey"]
    postseal.ok("verify", "--vkey", vkey, tmp_path / "evidence.json")
    assert postseal.ok("audit", "--processes", "2", "--json").json["findings"] == []


def test_a_second_digest_beside_the_first(postseal: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = tmp_path / "mail.eml"
    mail.write_bytes(MAIL)
    monkeypatch.setenv("POSTSEAL_SECOND_DIGEST", "sha512")
    message = postseal.ok("record", "--json", str(mail)).lines[0]["message"]
    shown = postseal.ok("show", "--json", message).out
    assert hashlib.sha512(MAIL.replace(b"\n", b"\r\n")).hexdigest() in shown
    printed = postseal.ok("fingerprint", str(mail)).json
    assert printed["raw"]["second"]["algorithm"] == "sha512"
