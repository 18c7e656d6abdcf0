from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api import settings
from api.settings import SettingsError, describe, load
from ledger.fingerprint import HASHLIB
from tests.helpers import HOUSE, environment

HOME = {"HOME": "/home/someone"}


def test_defaults_hang_together() -> None:
    got = load(HOME)
    assert got.data_dir == Path("/home/someone/.local/share/postseal")
    assert got.database_url == "sqlite:////home/someone/.local/share/postseal/ledger.db"
    assert got.master_key_file == Path("/home/someone/.local/share/postseal/keys/master.key")
    assert got.origin == "localhost/postseal"


def test_xdg_data_home_comes_before_home() -> None:
    assert load({**HOME, "XDG_DATA_HOME": "/srv/data"}).data_dir == Path("/srv/data/postseal")


def test_data_dir_moves_the_defaults_under_it_and_needs_no_home() -> None:
    got = load({"POSTSEAL_DATA_DIR": "data"})
    assert got.database_url == "sqlite:///data/ledger.db"
    assert got.master_key_file == Path("data/keys/master.key")


def test_every_setting_is_taken() -> None:
    got = load(
        {
            "POSTSEAL_DATA_DIR": "/srv/postseal",
            "POSTSEAL_DATABASE_URL": "postgresql+psycopg://ledger:secret@db/ledger",
            "POSTSEAL_ORIGIN": "log.example.org:8443/mail_1",
            "POSTSEAL_MASTER_KEY_FILE": "/run/secrets/master",
        }
    )
    assert got == settings.Settings(
        data_dir=Path("/srv/postseal"),
        database_url="postgresql+psycopg://ledger:secret@db/ledger",
        origin="log.example.org:8443/mail_1",
        master_key_file=Path("/run/secrets/master"),
    )
    assert "secret@" not in repr(got)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DATABSE_URL", "sqlite:///x.db", "POSTSEAL_DATABSE_URL is not a setting"),
        ("DATABASE_URL", "", "set but empty"),
        ("DATABASE_URL", "postgresql://u:hunter2@h/d", "names no driver"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d", "names no driver"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d", "must start with"),
        ("DATABASE_URL", "sqlite:///", "must start with"),
        ("DATABASE_URL", "sqlite:///:memory:", "in memory only"),
        ("DATA_DIR", " ", "set but empty"),
        ("DATA_DIR", "~/postseal", "not expanded"),
        ("MASTER_KEY_FILE", "~root/key", "not expanded"),
        ("ORIGIN", "https://log.example.org", "without a scheme: 'log.example.org'"),
        ("ORIGIN", "log example", "must be"),
        ("ORIGIN", "log+example", "must be"),
        ("ORIGIN", "log.example.org/", "must be"),
        ("ORIGIN", "log.example.org\n", "must be"),
        ("ORIGIN", "Log.example.org", "must be"),
        ("ORIGIN", "lög.example.org", "must be"),
        ("ORIGIN", "a" * 256, "must be"),
    ],
)
def test_bad_values_are_refused_in_one_line_that_names_the_setting(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({**HOME, f"POSTSEAL_{name}": value})
    message = str(caught.value)
    assert reason in message
    assert f"POSTSEAL_{name}" in message
    assert "\n" not in message
    assert "hunter2" not in message


def test_without_any_home_the_error_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="POSTSEAL_DATA_DIR is not set"):
        load({})


def test_table_and_settings_name_the_same_things() -> None:
    fields = {field.name.upper() for field in dataclasses.fields(settings.Settings)}
    assert {row.name for row in settings.TABLE} == fields
    assert all(f"POSTSEAL_{name}\n" in describe() for name in fields)


def test_settings_load_no_database_library() -> None:
    program = "import sys, api.settings; print(*sorted({'sqlalchemy', 'psycopg', 'alembic'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=HOUSE, env=environment(), check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""


def test_the_environment_is_read_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not [name for name in os.environ if name.startswith("POSTSEAL_")]
    monkeypatch.setenv("POSTSEAL_ORIGIN", "log.example.org")
    assert settings.from_environment().origin == "log.example.org"


def test_a_second_digest_is_one_that_fingerprints_know() -> None:
    assert set(settings.SECOND_DIGESTS) == set(HASHLIB)
    for name in settings.SECOND_DIGESTS:
        assert load({"HOME": "/home/x", "POSTSEAL_SECOND_DIGEST": name}).second_digest == name
    assert load({"HOME": "/home/x"}).second_digest is None
    with pytest.raises(SettingsError, match="one of sha3-256, sha512"):
        load({"HOME": "/home/x", "POSTSEAL_SECOND_DIGEST": "md5"})
