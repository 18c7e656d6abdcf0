"""Where messages are found, and what is said of what is none."""

from __future__ import annotations

import mailbox
import os
from pathlib import Path

import pytest

from cli import sources
from cli.sources import Found
from tests.cli.commands import MAIL


def found(*paths: Path) -> tuple[list[Found], list[Path]]:
    skipped: list[Path] = []
    read = sources.read(sources.find(paths), "rd", skipped.append, lambda octets: None)
    return list(read), skipped


def test_a_maildir_is_what_the_standard_library_sees(tmp_path: Path) -> None:
    top = tmp_path / "Maildir"
    box = mailbox.Maildir(top, create=True)
    for number in range(5):
        one = mailbox.MaildirMessage(MAIL + b"%d\n" % number)
        one.set_subdir("cur" if number % 2 else "new")
        box.add(one)
    (top / "tmp" / "half").write_bytes(b"half-delivered")
    (top / "dovecot.index").write_bytes(b"no mail")
    box.add_folder("Sent").add(mailbox.MaildirMessage(MAIL))
    expected = [box.get_bytes(key) for key in box.iterkeys()] + [MAIL]
    read, skipped = found(top)
    assert sorted(one.octets for one in read) == sorted(expected)
    assert not any(one.problem for one in read)
    assert skipped == [top / "dovecot.index", *([top / ".Sent" / "maildirfolder"])]


def test_directories_are_searched_and_each_file_taken_once(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "one.eml").write_bytes(MAIL)
    (tmp_path / "a" / "box.mbox").write_bytes(b"From x Thu Jan  1 00:00:00 1970\n" + MAIL)
    (tmp_path / "a" / "box").write_bytes(b"From x Thu Jan  1 00:00:00 1970\n" + MAIL)
    (tmp_path / "notes.txt").write_bytes(b"no mail")
    (deep / "again").symlink_to(tmp_path)
    os.link(deep / "one.eml", tmp_path / "same.eml")
    read, skipped = found(tmp_path, deep / "one.eml")
    assert [one.label.removeprefix(str(tmp_path)) for one in read] == ["/same.eml", "/a/box#1", "/a/box.mbox#1"]
    assert {one.octets for one in read} == {MAIL}
    assert skipped == [tmp_path / "notes.txt"]


def test_a_file_that_is_named_is_a_message_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(MAIL)
    assert found(path) == ([Found(str(path), MAIL)], [])


def test_the_separator_of_a_saved_message_is_not_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "one.eml"
    path.write_bytes(b"From x Thu Jan  1 00:00:00 1970\n" + MAIL + b"\nFrom y Thu Jan  1 00:00:00 1970\nstays\n")
    read, _ = found(path)
    assert read[0].octets == MAIL + b"\nFrom y Thu Jan  1 00:00:00 1970\nstays\n"


def test_what_cannot_be_used_is_said_and_the_rest_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LIMIT", 1000)
    (tmp_path / "empty.eml").touch()
    (tmp_path / "large.eml").write_bytes(MAIL + b"x" * 1000)
    (tmp_path / "not.mbox").write_bytes(MAIL)
    (tmp_path / "good.eml").write_bytes(MAIL)
    (tmp_path / "gone.eml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    read, _ = found(tmp_path, tmp_path / "pipe", tmp_path / "missing")
    said = {Path(one.label).name: one.problem for one in read}
    assert said == {
        "empty.eml": "empty",
        "large.eml": "larger than 0 MB",
        "not.mbox": "not an mbox: it does not begin with a From line",
        "good.eml": "",
        "gone.eml": "No such file or directory",
        "pipe": "neither a file nor a directory",
        "missing": "No such file or directory",
    }
