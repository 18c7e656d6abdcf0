"""API keys: found by their hash alone, under the key ring, and never told again."""

from __future__ import annotations

import re
import string
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from api.roles import ROLES as ASKED
from ledger.chance import Chance
from ledger.errors import InvalidRequest, StoreUnavailable, UnknownReference
from ledger.log import Log
from ledger.store.credentials import AT_ONCE, ROLES, Credential, Credentials
from ledger.store.inspect import inspect
from ledger.store.tables import api_keys
from tests.ledger.ledgers import open_log

AT = 1_780_000_000_000_000
CHANCE = Chance()


class Place:
    def __init__(self, log: Log) -> None:
        self.log = log
        self.keys = log.credentials

    def create(self, role: str = "sender", label: str = "crm", at: int = AT) -> tuple[str, Credential]:
        return self.keys.create(role, label, at, CHANCE)

    def run(self, statement: Any) -> None:
        with self.log.store.engine.begin() as connection:
            connection.execute(statement)

    def row(self, id: str) -> dict[str, Any]:
        with self.log.reader.snapshot() as connection:
            return dict(connection.execute(select(api_keys).where(api_keys.c.id == id)).mappings().one())


@pytest.fixture(scope="module")
def place(any_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_log(any_database, tmp_path_factory.mktemp("log")) as log:
        yield Place(log)


@pytest.fixture(autouse=True)
def _afresh(place: Place) -> Iterator[None]:
    yield
    place.run(delete(api_keys))


def test_a_key_is_found_by_itself_alone(place: Place) -> None:
    key, made = place.create("auditor", "replica-2.eu")
    other, _ = place.create()
    assert re.fullmatch(r"postseal_[a-z2-7]{10}_[A-Za-z0-9_-]{43}", key)
    assert key.split("_")[1] == made.id and made == Credential(made.id, "auditor", "replica-2.eu", AT)
    assert place.keys.find(key) == made
    assert place.keys.find(other) != made
    # The same id with another secret, and the other way round.
    assert place.keys.find(f"postseal_{made.id}_{other[20:]}") is None
    assert place.keys.find(other[:20] + key[20:]) is None


def test_only_its_hash_is_kept(place: Place) -> None:
    key, made = place.create()
    row = place.row(made.id)
    assert row["hash"] == sha256(key.encode()).digest()
    everything = repr(row).encode() + repr(made).encode() + repr(place.keys).encode() + repr(place.keys.list()).encode()
    assert key[20:].encode() not in everything and b"hash" not in repr(made).encode()


def test_no_two_are_alike(place: Place) -> None:
    made = [place.create() for _ in range(200)]
    assert len({key for key, _ in made}) == len({one.id for _, one in made}) == 200
    # All letters of both alphabets turn up in every place.
    for k in range(10):
        assert len({one.id[k] for _, one in made}) > 20
    assert {c for key, _ in made for c in key[20:]} == set(string.ascii_letters + string.digits + "-_")
    assert [one.id for one in place.keys.list()] == sorted(one.id for _, one in made)


class Closed:
    """An engine that nobody may ask."""

    def connect(self) -> None:
        pytest.fail("the database was asked")


KEY = "postseal_abcdefgh27_" + "A" * 43


WRONG = [
    *("", "x", KEY[:-1], KEY + "A", KEY + "\n", " " + KEY, KEY.upper(), KEY[:-1] + "B", KEY.replace("27", "81")),
    *(KEY.replace("_", "-"), KEY.replace("postseal", "Postseal"), KEY[:-2] + "\u00e9A", KEY[:-2] + "=A", "\ud800"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=ascii)
def test_what_is_no_key_is_not_asked_for(wrong: str) -> None:
    keys = Credentials(Closed(), lambda _: bytes(32))  # type: ignore[arg-type]
    assert keys.find(wrong) is None


@given(st.text(alphabet=string.ascii_letters + string.digits + "_-=+/.", max_size=80))
def test_nothing_else_is_a_key(said: str) -> None:
    if not re.fullmatch("postseal_[a-z2-7]{10}_[A-Za-z0-9_-]{43}", said):
        assert Credentials(Closed(), lambda _: bytes(32)).find(said) is None  # type: ignore[arg-type]


def test_roles_and_labels(place: Place) -> None:
    assert set(ROLES) == set(ASKED)
    for role in ROLES:
        place.create(role)
    for role in ("", "root", "Admin", "admin "):
        with pytest.raises(InvalidRequest, match="a role is one of"):
            place.create(role)
    for label in ("0", "a" * 64, "mail-gateway_2.example"):
        place.create(label=label)
    for label in ("", "a" * 65, "Jo", "-a", ".a", "a b", "jo@example.org", "a\n", "\u00e4"):
        with pytest.raises(InvalidRequest, match="a label names a system"):
            place.create(label=label)
    assert len(place.keys.list()) == len(ROLES) + 3


def test_a_revoked_key_is_found_as_such(place: Place) -> None:
    key, made = place.create()
    place.keys.revoke(made.id, AT + 7)
    found = place.keys.find(key)
    assert found is not None and found.revoked == AT + 7 and found.genuine
    place.keys.revoke(made.id, AT + 9)
    assert place.keys.find(key) == found
    for id, error in (("abcdefgh27", UnknownReference), ("x", InvalidRequest), (key, InvalidRequest)):
        with pytest.raises(error) as caught:
            place.keys.revoke(id, AT)
        assert key[20:] not in str(caught.value)


def test_two_who_revoke_at_once(place: Place) -> None:
    key, made = place.create()
    together = threading.Barrier(4)

    def revoke(at: int) -> None:
        together.wait()
        place.keys.revoke(made.id, at)

    threads = [threading.Thread(target=revoke, args=(AT + k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = place.keys.find(key)
    assert found is not None and found.revoked in range(AT, AT + 4)


def test_the_first_who_revokes_is_the_one_that_counts(place: Place) -> None:
    """Although the other had looked before, and writes after him."""
    key, made = place.create()
    mac = place.keys._mac

    def late(said: str) -> bytes:
        if said.endswith(f":{AT + 9}"):
            place.keys.revoke(made.id, AT + 1)
        return mac(said)

    Credentials(place.log.store.engine, late).revoke(made.id, AT + 9)
    found = place.keys.find(key)
    assert found is not None and found.revoked == AT + 1


def test_the_last_use_goes_forward_only(place: Place) -> None:
    (_, one), (_, two), (_, three) = (place.create() for _ in range(3))

    def used() -> list[int | None]:
        by_id = {found.id: found.last_used for found in place.keys.list()}
        return [by_id[made.id] for made in (one, two, three)]

    place.keys.touch({})
    assert used() == [None, None, None]
    place.keys.touch({one.id: AT + 5, two.id: AT + 5, "abcdefgh27": AT})
    place.keys.touch({one.id: AT + 3, two.id: AT + 8})
    assert used() == [AT + 5, AT + 8, None]
    # It is nothing that a key's validity hangs on.
    assert all(found.genuine for found in place.keys.list())


def test_a_great_many_at_once(place: Place) -> None:
    made = [place.create()[1].id for _ in range(30)]
    place.keys.touch({f"{k:010}": AT for k in range(2 * AT_ONCE)} | dict.fromkeys(made, AT + 1))
    assert {found.last_used for found in place.keys.list()} == {AT + 1}


# Whoever can write to the database


def findings(place: Place) -> list[str]:
    return inspect(place.log.reader, place.log.ring).findings


FORGED = "1 rows were not made by Postseal"


CHANGES: list[dict[str, Any]] = [
    *({"role": "admin"}, {"label": "other"}, {"created": AT - 1}, {"revoked": AT}),
    *({"id": "abcdefgh27"}, {"hash": bytes(32)}, {"mac": bytes(32)}, {"mac": b""}),
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_row_that_was_changed_opens_nothing(place: Place, change: dict[str, Any]) -> None:
    key, made = place.create("ingest")
    place.create()
    assert findings(place) == []
    place.run(update(api_keys).where(api_keys.c.id == made.id).values(change))
    assert place.keys.find(key) is None
    changed = [found for found in place.keys.list() if not found.genuine]
    assert len(changed) == 1
    (found,) = findings(place)
    assert found.startswith("api_keys: ") and FORGED in found
    with pytest.raises(UnknownReference, match="was not made by Postseal and opens nothing"):
        place.keys.revoke(changed[0].id, AT)


def test_a_revocation_taken_back_opens_nothing(place: Place) -> None:
    key, made = place.create()
    place.keys.revoke(made.id, AT)
    place.run(update(api_keys).values(revoked=None))
    assert place.keys.find(key) is None and FORGED in findings(place)[0]


def test_a_key_of_ones_own_opens_nothing(place: Place) -> None:
    """With another's MAC, or a made up one."""
    _, made = place.create("admin")
    row = place.row(made.id)
    for mac in (row["mac"], bytes(32)):
        place.run(
            insert(api_keys).values(row | {"id": "abcdefgh27", "hash": sha256(KEY.encode()).digest(), "mac": mac})
        )
        assert place.keys.find(KEY) is None and FORGED in findings(place)[0]
        place.run(delete(api_keys).where(api_keys.c.id == "abcdefgh27"))


def test_an_older_row_put_back_is_as_good_as_it_was(place: Place) -> None:
    """What docs/threat-model.md says cannot be found: the MAC was made once."""
    key, made = place.create()
    row = place.row(made.id)
    place.keys.revoke(made.id, AT)
    place.run(delete(api_keys))
    place.run(insert(api_keys).values(row))
    assert place.keys.find(key) == made and findings(place) == []


def test_a_key_of_another_log_opens_nothing(place: Place, tmp_path: Path) -> None:
    key, made = place.create("admin")
    with open_log(f"sqlite:///{tmp_path / 'l.db'}", tmp_path) as log:
        with log.store.engine.begin() as connection:
            connection.execute(insert(api_keys).values(place.row(made.id)))
        assert log.credentials.find(key) is None


def test_a_database_that_fails_is_said_without_the_key(place: Place) -> None:
    key, made = place.create()
    place.run(text("ALTER TABLE api_keys RENAME TO kept"))
    try:
        for act in (
            lambda: place.keys.find(key),
            lambda: place.create(),
            lambda: place.keys.list(),
            lambda: place.keys.revoke(made.id, AT),
            lambda: place.keys.touch({made.id: AT}),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                act()
            assert key[20:] not in str(caught.value) and caught.value.__cause__ is None
    finally:
        place.run(text("ALTER TABLE kept RENAME TO api_keys"))
