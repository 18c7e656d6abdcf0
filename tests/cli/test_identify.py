"""`postseal identify`, as a person runs it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.commands import MAIL, Commands


def test_a_copy_and_what_differs(postseal: Commands, tmp_path: Path) -> None:
    mail, copy = tmp_path / "mail.eml", tmp_path / "copy.eml"
    mail.write_bytes(MAIL)
    message = postseal.ok("record", "--json", str(mail)).lines[0]["message"]
    (one,) = postseal.ok("identify", "--json", str(mail)).lines
    assert (one["message"], one["level"], one["differences"]) == (message, "identical", [])
    copy.write_bytes(MAIL.replace(b"Subject: The plan", b"Subject: [list] The plan"))
    said = postseal.ok("identify", str(copy)).out
    assert said.splitlines()[0] == "all original parts present, with additions"
    assert f"message {message}" in said and "Subject: something was added to it" in said
    assert "received: [list] The plan" in said
    copy.write_bytes(b"not really a PDF")
    (one,) = postseal.ok("identify", "--json", str(copy)).lines
    assert (one["message"], one["level"], one["part"]) == (message, "identical", "f1")


def test_what_is_not_found_or_merely_different(postseal: Commands, tmp_path: Path) -> None:
    mail, copy = tmp_path / "mail.eml", tmp_path / "copy.eml"
    mail.write_bytes(MAIL)
    postseal.ok("record", str(mail))
    copy.write_bytes(b"Subject: hi\n\nnobody knows me\n")
    ran = postseal("identify", str(copy))
    assert ran.status == 1 and "nothing recorded here is found by it" in ran.out
    copy.write_bytes(MAIL.replace(b"see attached", b"see \x1b[2Jelsewhere"))
    ran = postseal("identify", str(copy))
    assert ran.status == 1 and ran.out.startswith("different\n") and "\x1b" not in ran.out


def test_what_cannot_be_read(postseal: Commands, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for path, reason in ((empty, "is empty"), (tmp_path / "none", "cannot be read"), (tmp_path, "cannot be read")):
        ran = postseal("identify", str(path))
        assert ran.status == 2 and reason in ran.err and len(ran.err.splitlines()) == 1
