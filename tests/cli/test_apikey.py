"""`postseal apikey`: the key alone on standard output, once; what it may do; and an end to it."""

from __future__ import annotations

import re
import shlex
import sqlite3
import time
from pathlib import Path

import pytest

from api.settings import load
from cli.apikey import line_for_another
from ledger.ids import parse_time
from ledger.store.credentials import ROLES
from tests.cli.commands import Commands, run
from tests.ledger.ledgers import ORIGIN


def test_a_key_is_printed_alone_and_once(postseal: Commands) -> None:
    ran = postseal.ok("apikey", "create", "--role", "sender", "--label", "crm-1")
    assert re.fullmatch(r"postseal_[a-z2-7]{10}_[A-Za-z0-9_-]{43}\n", ran.out)
    id, secret = ran.out.strip().split("_", 2)[1:]
    said = f"postseal: API key {id}, role sender, label crm-1; it is not shown again\n"
    assert ran.err == f"postseal: a new ledger begins in {postseal.data}\n{said}"
    shown = [postseal.ok("apikey", "list", *more) for more in ((), ("--json",))]
    assert all(id in one.out and secret not in one.out + one.err for one in shown)
    assert secret.encode() not in (postseal.data / "ledger.db").read_bytes()


def test_of_a_ledger_that_is_there_no_new_one_is_said(postseal: Commands, message: str) -> None:
    for _ in range(2):
        assert "new ledger" not in postseal.ok("apikey", "create", "--role", "sender").err


def test_the_line_for_another_key_is_of_the_same_ledger(tmp_path: Path) -> None:
    data = tmp_path / "of mine"
    meant = {"POSTSEAL_DATA_DIR": str(data)}
    place, _, *words = shlex.split(line_for_another(load(meant)))
    assert place == f"POSTSEAL_DATA_DIR={data}" and words == ["apikey", "create", "--role", "admin"]
    meant |= {"POSTSEAL_ORIGIN": ORIGIN, "POSTSEAL_DATABASE_URL": "postgresql+psycopg://me:s3cret@127.0.0.1/ledger"}
    line = line_for_another(load(meant))
    assert shlex.split(line)[1:3] == ["POSTSEAL_DATABASE_URL=...", f"POSTSEAL_ORIGIN={ORIGIN}"] and "s3cret" not in line


def test_the_list(postseal: Commands) -> None:
    before = time.time_ns() // 1000
    made = [postseal.ok("apikey", "create", "--role", role).out.split("_")[1] for role in ROLES]
    postseal.ok("apikey", "revoke", made[1])
    lines = postseal.ok("apikey", "list", "--json").lines
    assert [(one["id"], one["role"], one["label"]) for one in lines] == [
        (id, role, role) for id, role in zip(made, ROLES, strict=True)
    ]
    assert [one["id"] for one in lines if "revoked" in one] == [made[1]]
    assert all(one["genuine"] and "last_used" not in one for one in lines)
    assert all(before <= parse_time(one["created"]) <= time.time_ns() // 1000 for one in lines)
    table = postseal.ok("apikey", "list").out
    assert table.count("in use") == len(ROLES) - 1 and table.count("revoked 2") == 1


def test_a_row_somebody_put_there_is_shown_as_such(postseal: Commands) -> None:
    id = postseal.ok("apikey", "create", "--role", "ingest").out.split("_")[1]
    with sqlite3.connect(postseal.data / "ledger.db") as db:
        db.execute("UPDATE api_keys SET role = 'admin'")
    db.close()
    assert "not made by Postseal, opens nothing" in postseal.ok("apikey", "list").out
    assert postseal.ok("apikey", "list", "--json").lines[0]["genuine"] is False
    ran = postseal("apikey", "revoke", id)
    assert ran.status == 2 and "delete its row" in ran.err
    audit = postseal("audit")
    assert audit.status == 1 and "were not made by Postseal" in audit.out


def test_revoking(postseal: Commands) -> None:
    id = postseal.ok("apikey", "create", "--role", "admin").out.split("_")[1]
    for _ in range(2):
        ran = postseal.ok("apikey", "revoke", id)
        assert (ran.out, ran.err) == ("", f"postseal: API key {id} is revoked\n")
    ran = postseal("apikey", "revoke", "abcdefgh27")
    assert ran.status == 2 and "no API key has this id" in ran.err
    assert postseal("audit").status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create"], "Missing option '--role'"),
        (["create", "--role", "root"], "a role is one of ingest, sender, compliance, auditor, legal, admin"),
        (["create", "--role", "admin", "--label", "Jo Roe"], "a label names a system"),
        (["revoke"], "Missing argument 'ID'"),
        (["revoke", "postseal_abcdefgh27_" + "A" * 43], "an API key is named by its id"),
        (["renew"], "No such command"),
    ],
)
def test_what_cannot_be_meant_opens_nothing(postseal: Commands, arguments: list[str], said: str) -> None:
    ran = postseal("apikey", *arguments)
    assert ran.status == 2 and said in ran.err and len(ran.err.splitlines()) == 1
    assert "A" * 43 not in ran.err and not postseal.data.exists()


def test_before_there_is_any(postseal: Commands, message: str) -> None:
    ran = postseal.ok("apikey", "list")
    assert ran.out == "" and "there is no API key yet" in ran.err
    assert postseal.ok("apikey", "list", "--json").out == ""


def test_into_a_file_it_is_a_line(postseal: Commands) -> None:
    ran = run("apikey", "create", "--role", "admin", DATA_DIR=str(postseal.data))
    assert ran.status == 0 and ran.out.count("\n") == 1 and ran.out.startswith("postseal_")
