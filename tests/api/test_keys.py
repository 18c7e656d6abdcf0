"""API keys over HTTP: made, listed, revoked; told once, and never again by anything."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.roles import ROLES
from api.watching import JsonLines
from ledger.ids import parse_time
from tests.api.serving import Served, make_key, problem
from tests.ledger.ledgers import open_log

KEY = re.compile(r"postseal_([a-z2-7]{10})_[A-Za-z0-9_-]{43}")


def make(served: Served, **said: Any) -> Any:
    got = served.as_("admin").post("/v1/keys", json=said)
    assert got.status_code == 201, got.text
    assert got.headers["cache-control"] == "no-store"
    return got.json()


def listed(served: Served) -> dict[str, Any]:
    got = served.as_("admin").get("/v1/keys")
    assert got.status_code == 200 and got.headers["cache-control"] == "no-store"
    assert not KEY.search(got.text)
    return {one["id"]: one for one in got.json()["keys"]}


def use(served: Served, key: str, path: str = "/v1/keys", method: str = "GET") -> httpx.Response:
    return served.as_("nobody").request(method, path, headers={"authorization": f"Bearer {key}"})


def revoke(served: Served, id: str) -> httpx.Response:
    return served.as_("admin").delete(f"/v1/keys/{id}")


@pytest.mark.parametrize("role", ROLES)
def test_a_key_is_told_once_and_opens_what_its_role_may(served: Served, role: str) -> None:
    start = time.time_ns() // 1000
    made = make(served, role=role, label=f"portal-{role}")
    assert set(made) == {"key", "id", "role", "label", "created", "genuine"}
    found = KEY.fullmatch(made["key"])
    assert found is not None and found[1] == made["id"]
    assert (made["role"], made["label"], made["genuine"]) == (role, f"portal-{role}", True)
    assert start <= parse_time(made["created"]) <= time.time_ns() // 1000
    known = {name: value for name, value in made.items() if name != "key"}
    assert listed(served)[made["id"]] == known
    got = use(served, made["key"])
    if role == "admin":
        assert got.status_code == 200
    else:
        assert role in problem(got, "forbidden")["detail"]


def test_a_key_without_a_label_is_called_by_its_role(served: Served) -> None:
    assert make(served, role="ingest")["label"] == "ingest"


def test_no_two_keys_are_alike(served: Served) -> None:
    made = [make(served, role="ingest", label="twin") for _ in range(5)]
    assert len({one["key"] for one in made}) == len({one["id"] for one in made}) == 5


def test_keys_are_listed_the_oldest_first_with_their_last_use(served: Served) -> None:
    made = make(served, role="legal")
    assert "last_used" not in listed(served)[made["id"]]
    start = time.time_ns() // 1000
    assert use(served, made["key"], "/v1/messages").status_code == 200
    served.service.note_use()
    used = listed(served)[made["id"]]["last_used"]
    assert start <= parse_time(used) <= time.time_ns() // 1000
    created = [one["created"] for one in listed(served).values()]
    assert created == sorted(created)


def test_a_revoked_key_opens_nothing_from_that_moment(served: Served) -> None:
    made = make(served, role="legal")
    assert use(served, made["key"], "/v1/messages").status_code == 200
    start = time.time_ns() // 1000
    got = revoke(served, made["id"])
    assert (got.status_code, got.content) == (204, b"")
    problem(use(served, made["key"], "/v1/messages"), "wrong-key")
    at = listed(served)[made["id"]]["revoked"]
    assert start <= parse_time(at) <= time.time_ns() // 1000
    # Revoked again it keeps its time.
    assert revoke(served, made["id"]).status_code == 204
    assert listed(served)[made["id"]]["revoked"] == at


def test_an_admin_can_revoke_himself(served: Served) -> None:
    key, id = make_key(served.log, "admin")
    assert use(served, key, f"/v1/keys/{id}", "DELETE").status_code == 204
    problem(use(served, key), "wrong-key")
    problem(use(served, key, f"/v1/keys/{id}", "DELETE"), "wrong-key")
    assert "revoked" in listed(served)[id]


def test_another_logs_keys_are_not_here(served: Served, tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path / 'other.db'}", tmp_path) as other:
        key, id = make_key(other, "admin")
        assert id not in listed(served)
        problem(revoke(served, id), "not-found")
        problem(use(served, key), "wrong-key")
        assert other.credentials.list()[0].revoked is None


def test_a_row_that_somebody_put_there_is_shown_and_opens_nothing(served: Served) -> None:
    key, id = make_key(served.log, "ingest")
    with served.log.store.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE api_keys SET role = 'admin' WHERE id = '{id}'")
    said = listed(served)[id]
    assert (said["role"], said["genuine"]) == ("admin", False)
    problem(use(served, key), "wrong-key")
    assert "delete its row" in problem(revoke(served, id), "not-found")["detail"]
    assert "revoked" not in listed(served)[id]


WRONG: dict[str, Any] = {
    "no role": {},
    "a role unknown": {"role": "owner"},
    "a role in capitals": {"role": "ADMIN"},
    "roles": {"role": ["admin"]},
    "an empty label": {"role": "ingest", "label": ""},
    "a person": {"role": "ingest", "label": "Bob Smith"},
    "an address": {"role": "ingest", "label": "bob@one.example"},
    "a line break": {"role": "ingest", "label": "bob\n"},
    "a label too long": {"role": "ingest", "label": "b" * 65},
    "a null": {"role": None},
    "a key of one's own": {"role": "ingest", "key": "postseal_bob"},
}


@pytest.mark.parametrize("said", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_makes_no_key(served: Served, said: Any) -> None:
    before = len(served.log.credentials.list())
    assert "bob" not in problem(served.as_("admin").post("/v1/keys", json=said), "invalid")["detail"].lower()
    assert len(served.log.credentials.list()) == before


def test_a_body_of_another_kind_makes_no_key(served: Served) -> None:
    client = served.as_("admin")
    problem(client.post("/v1/keys", content=b'{"role":"admin"}'), "unsupported-media-type")
    problem(client.post("/v1/keys", content=b"{", headers={"content-type": "application/json"}), "bad-request")


@pytest.mark.parametrize(
    "id", ["x", "ABCDEFGHIJ", "aaaaaaaaa", "aaaaaaaaaaa", "%27%20OR%201=1", "postseal_aaaaaaaaaa_b"]
)
def test_what_is_no_id_revokes_nothing(served: Served, id: str) -> None:
    before = listed(served)
    assert id not in problem(revoke(served, id), "invalid")["detail"]
    assert listed(served) == before


def test_an_id_of_no_key_is_not_found(served: Served) -> None:
    problem(revoke(served, "a" * 10), "not-found")


def test_nothing_ever_says_a_key_again(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = make(served, role="admin", label="once")
    key, secret = made["key"], made["key"].split("_", 2)[2]
    told = [use(served, key), use(served, key, "/v1/messages"), use(served, key, f"/v1/keys/{key}", "DELETE")]
    told += [use(served, key[:-1]), revoke(served, made["id"]), use(served, key), use(served, key, "/metrics")]
    assert [one.status_code for one in told] == [200, 200, 422, 401, 204, 401, 200]
    assert not any(secret in one.text or secret in str(one.headers) for one in told)
    # Lines are logged some at a time.
    end = time.monotonic() + 5
    while made["id"] not in (said := logged(caplog)) and time.monotonic() < end:
        time.sleep(0.02)
    assert made["id"] in said and secret not in said and secret[:20] not in said
    with served.log.store.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM api_keys").all()
    assert secret not in str(rows) and secret.encode() not in b"".join(bytes(row.hash) for row in rows)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    ours = [record for record in list(caplog.records) if record.name in ("postseal", "uvicorn.error", "asyncio")]
    return "\n".join(map(JsonLines().format, ours))
