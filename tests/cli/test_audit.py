"""`postseal audit`: the whole log and every table beside it, and an auditor's word in evidence."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger import note, statement
from ledger.note import Verifier
from tests.cli.commands import Commands


def edit(postseal: Commands, sql: str) -> None:
    """What somebody with the database's password does."""
    with sqlite3.connect(postseal.data / "ledger.db") as connection:
        assert connection.execute(sql).rowcount > 0
    connection.close()


def test_an_honest_ledger_is_valid(postseal: Commands, message: str) -> None:
    ran = postseal.ok("audit")
    assert ran.out.startswith("VALID") and "all signed" in ran.out
    said = postseal.ok("audit", "--processes", "2", "--json").json
    assert (said["verdict"], said["messages"], said["recipients"], said["findings"]) == ("valid", 1, 3, [])
    assert said["tables"] == {"checked": True, "findings": [], "opened": said["tables"]["opened"], "erased": 0}
    assert said["tables"]["opened"] > 10


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("UPDATE entries SET entry = replace(entry, 'hash_only', 'kept') WHERE seq = 3", "columns"),
        ("DELETE FROM entries WHERE seq = 5", "seq"),
        ("DELETE FROM entries WHERE seq > 5", "high-water"),
        ("UPDATE chains SET recipients = 2 WHERE ordinal = 0 AND no > 0", ""),
        ("DELETE FROM sealed WHERE seq = 3 AND key = 0", ""),
    ],
)
def test_a_database_that_was_edited_is_not(postseal: Commands, message: str, sql: str, rule: str) -> None:
    edit(postseal, sql)
    ran = postseal("audit", "--json")
    said = ran.json
    assert ran.status == 1 and said["verdict"] == "invalid"
    assert rule in {finding["rule"] for finding in said["findings"]} if rule else said["tables"]["findings"]
    assert postseal("audit").out.startswith("INVALID")


def test_without_any_known_key_it_is_unknown(postseal: Commands, message: str) -> None:
    vkey = postseal.ok("keys", "list", "--json").json["vkey"]
    for ring in (postseal.data / "keys").glob("*.ring"):
        ring.unlink()
    assert postseal("audit").status == 3
    assert postseal("audit", "--vkey", vkey).status == 0
    other = note.Signer("localhost/postseal", b"x" * 32).vkey
    assert postseal("audit", "--vkey", other).status == 1
    assert postseal("audit", "--vkey", "nonsense").status == 2


def test_the_auditors_word_is_signed_only_if_it_holds(postseal: Commands, message: str, tmp_path: Path) -> None:
    key, word = tmp_path / "auditor.key", tmp_path / "statement"
    vkey = postseal.ok("keys", "auditor", key, "--name", "auditor.example").out.strip()
    postseal.ok("audit", "--sign", key, "-o", word)
    said = statement.open(word.read_bytes(), [Verifier.parse(vkey)])
    assert said.origin == "localhost/postseal" and said.size == 8
    assert postseal("audit", "--sign", key, "-o", word).status == 2, "never written over a file"
    edit(postseal, "UPDATE entries SET entry = replace(entry, 'hash_only', 'kept') WHERE seq = 3")
    ran = postseal("audit", "--sign", key, "-o", tmp_path / "other")
    assert ran.status == 1 and "nothing was signed" in ran.err and not (tmp_path / "other").exists()


def test_a_statement_goes_only_into_evidence_of_the_same_log(
    postseal: Commands, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, ours = tmp_path / "auditor.key", tmp_path / "ours.json"
    postseal.ok("keys", "auditor", key, "--name", "auditor.example")
    postseal.ok("export", message, "-o", ours)
    postseal.ok("audit", "--sign", key, "--into", ours)
    monkeypatch.setenv("POSTSEAL_DATA_DIR", str(tmp_path / "other"))
    postseal.ok("record", tmp_path / "mail.eml")
    ran = postseal("audit", "--sign", key, "--into", ours)
    assert ran.status == 1 and "another log" in ran.err


@pytest.mark.parametrize(
    ("mode", "content", "said"),
    [
        (0o644, None, "it is open to others than its owner (mode 0644, not 0600)"),
        (0o600, b"no key\n", "is not an auditor's key"),
        (None, None, "No such file or directory"),
    ],
)
def test_a_key_that_cannot_be_used_is_wrong_input(
    postseal: Commands, message: str, tmp_path: Path, mode: int | None, content: bytes | None, said: str
) -> None:
    key = tmp_path / "auditor.key"
    if mode is not None:
        postseal.ok("keys", "auditor", key, "--name", "auditor.example")
        key.chmod(mode)
    if content is not None:
        key.write_bytes(content)
    ran = postseal("audit", "--sign", key, "-o", tmp_path / "word")
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1


def test_an_audit_can_be_recorded(postseal: Commands, message: str) -> None:
    size = postseal.ok("audit", "--record", "--json").json["size"]
    after = postseal.ok("audit", "--json").json
    assert after["size"] == size + 3, "started, reviewed, stopped"


@pytest.mark.parametrize("arguments", [["--sign", "x"], ["-o", "x"], ["--processes", "0"]])
def test_wrong_usage(postseal: Commands, message: str, arguments: list[str]) -> None:
    assert postseal("audit", *arguments).status == 2
