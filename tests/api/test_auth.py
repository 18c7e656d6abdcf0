"""Who may do what: every route, every role, and everything that is no key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from api import known
from api.roles import ROLES, may
from ledger.ids import uuid7
from tests.api.serving import MAIL, Served, make_key, problem
from tests.ledger.ledgers import open_log

OPEN = frozenset(
    {
        "GET /",
        "GET /docs",
        "GET /healthz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /page.css",
        "GET /readyz",
        "GET /v1/logs",
        "GET /v1/logs/{log}/checkpoint",
        "GET /verify",
        "POST /v1/certificates/lookup",
        "POST /v1/verify",
        "POST /verify",
    }
)
"""What needs no key, and asks for none."""

NEEDS = {
    "POST /v1/messages": "record",
    "GET /v1/messages": "read",
    "POST /v1/messages/search": "read",
    "GET /v1/messages/{message}": "read",
    "GET /v1/messages/{message}/blocks": "read",
    "GET /v1/messages/{message}/content": "content",
    "GET /v1/messages/{message}/files/{file}": "content",
    "POST /v1/messages/{message}/evidence": "export",
    "POST /v1/messages/{message}/certificates": "certify",
    "GET /v1/certificates/{number}.pdf": "certify",
    "POST /v1/certificates/{number}/withdraw": "withdraw",
    "GET /v1/keys": "keys",
    "POST /v1/keys": "keys",
    "DELETE /v1/keys/{id}": "keys",
    "POST /v1/messages/{message}/events": "event",
    "POST /v1/events": "event",
    "POST /v1/messages/{message}/blocks": "block",
    "POST /v1/messages/{message}/blocks/{block}/lift": "block",
    "POST /v1/messages/{message}/holds": "hold",
    "POST /v1/messages/{message}/holds/{hold}/release": "hold",
    "POST /v1/messages/{message}/erasures": "erase",
    "POST /v1/erasures": "erase",
    "POST /v1/erasures/{erasure}/approve": "erase",
    "GET /v1/erasures": "erase",
    "POST /v1/subject-access": "subject",
    "GET /v1/logs/{log}/tile/{path}": "log",
    "GET /v1/logs/{log}/entries/{seq}.tlog-proof": "log",
    "GET /v1/logs/{log}/entries/{seq}": "log",
    "GET /v1/logs/{log}/proofs/consistency": "log",
}
"""The act of `api.roles` that each other route is."""

IN_VAIN = {
    "POST /v1/certificates/{number}/withdraw",
    "POST /v1/messages/{message}/blocks/{block}/lift",
    "POST /v1/messages/{message}/holds/{hold}/release",
    "POST /v1/messages/{message}/erasures",
    "POST /v1/erasures",
    "POST /v1/erasures/{erasure}/approve",
}
"""What is asked for here is not there, or was taken away by who asked before."""


class Asked(NamedTuple):
    """A request that is good but for the key."""

    method: str
    path: str
    body: bytes = b""
    kind: str = "application/json"


@pytest.fixture(scope="module")
def asked(served: Served) -> dict[str, Asked]:
    """A good request for each route that needs a key; made anew, a route without one fails here."""
    message = served.record(keep_content=True)["message"]
    held, gone = (served.record()["message"] for _ in range(2))
    block = served.as_("sender").post(f"/v1/messages/{message}/blocks", json={"scope": "file", "file": "f2"}).json()
    issued = served.as_("sender").post(f"/v1/messages/{message}/certificates", json={"kind": "dispatch"})
    log = f"/v1/logs/{served.log.id}"
    _, key = make_key(served.log, "ingest")
    line = b'{"message":"%s","kind":"message.opened","recipient":"r1"}\n' % message.encode()
    made = {
        "POST /v1/messages": ("/v1/messages", MAIL, "message/rfc822"),
        "GET /v1/messages": ("/v1/messages?limit=1",),
        "POST /v1/messages/search": ("/v1/messages/search", b'{"subject":"plan"}'),
        "GET /v1/messages/{message}": (f"/v1/messages/{message}",),
        "GET /v1/messages/{message}/blocks": (f"/v1/messages/{message}/blocks",),
        "GET /v1/messages/{message}/content": (f"/v1/messages/{message}/content",),
        "GET /v1/messages/{message}/files/{file}": (f"/v1/messages/{message}/files/f1",),
        "POST /v1/messages/{message}/evidence": (f"/v1/messages/{message}/evidence", b'{"recipient":"r1"}'),
        "POST /v1/messages/{message}/certificates": (f"/v1/messages/{message}/certificates", b'{"kind":"dispatch"}'),
        "GET /v1/certificates/{number}.pdf": (issued.json()["url"],),
        "POST /v1/certificates/{number}/withdraw": ("/v1/certificates/aaaa-aaaa-aaaa-aaaa/withdraw", b"{}"),
        "GET /v1/keys": ("/v1/keys",),
        "POST /v1/keys": ("/v1/keys", b'{"role":"ingest"}'),
        "DELETE /v1/keys/{id}": (f"/v1/keys/{key}",),
        "POST /v1/messages/{message}/events": (f"/v1/messages/{message}/events", b'{"kind":"message.opened"}'),
        "POST /v1/events": ("/v1/events", line, "application/x-ndjson"),
        "POST /v1/messages/{message}/blocks": (f"/v1/messages/{message}/blocks", b'{"scope":"all"}'),
        "POST /v1/messages/{message}/blocks/{block}/lift": (
            f"/v1/messages/{message}/blocks/{block['block']}/lift",
            b"{}",
        ),
        "POST /v1/messages/{message}/holds": (f"/v1/messages/{held}/holds", b'{"recipient":"r1"}'),
        "POST /v1/messages/{message}/holds/{hold}/release": (f"/v1/messages/{held}/holds/{held}/release", b"{}"),
        "POST /v1/messages/{message}/erasures": (f"/v1/messages/{gone}/erasures", b'{"recipient":"r2"}'),
        "POST /v1/erasures": ("/v1/erasures", b'{"address":"nobody@nowhere.example"}'),
        "POST /v1/erasures/{erasure}/approve": (f"/v1/erasures/{gone}/approve",),
        "GET /v1/erasures": ("/v1/erasures",),
        "POST /v1/subject-access": ("/v1/subject-access", b'{"address":"bob@one.example"}'),
        "GET /v1/logs/{log}/tile/{path}": (f"{log}/tile/0/000.p/2",),
        "GET /v1/logs/{log}/entries/{seq}.tlog-proof": (f"{log}/entries/1.tlog-proof",),
        "GET /v1/logs/{log}/entries/{seq}": (f"{log}/entries/1",),
        "GET /v1/logs/{log}/proofs/consistency": (f"{log}/proofs/consistency?old=1",),
    }
    return {name: Asked(name.split(" ")[0], *parts) for name, parts in made.items()}


def routes(app: Any) -> Iterator[str]:
    """Every route there is, those of included routers too, as method and path."""
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            # A HEAD that comes with a GET is the same act.
            yield from (f"{method} {route.path.replace(':path', '')}" for method in route.methods - {"HEAD"})


def ask(served: Served, one: Asked, authorization: str | None = None, **more: str) -> httpx.Response:
    headers = {"content-type": one.kind} | more
    if authorization is not None:
        headers["authorization"] = authorization
    return served.as_("nobody").request(one.method, one.path, content=one.body, headers=headers)


def test_no_route_is_forgotten(served: Served, asked: dict[str, Asked]) -> None:
    found = set(routes(served.app))
    assert found == OPEN | set(NEEDS)
    assert set(asked) == set(NEEDS)


def test_the_document_says_the_same(served: Served) -> None:
    for path, methods in served.as_("nobody").get("/openapi.json").json()["paths"].items():
        for method, said in methods.items():
            name = f"{method.upper()} {path}"
            want = {role for role in ROLES if may(role, NEEDS[name])} if name in NEEDS else set()
            assert set(said.get("x-roles", ())) == want, name


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", NEEDS)
def test_each_role_may_what_the_table_says(served: Served, asked: dict[str, Asked], name: str, role: str) -> None:
    before = served.size
    got = ask(served, asked[name], f"Bearer {served.keys[role]}")
    if may(role, NEEDS[name]):
        assert got.status_code in (200, 201, 204) or (name in IN_VAIN and got.status_code in (404, 410)), got.text
    else:
        said = problem(got, "forbidden")
        assert role in said["detail"] and served.size == before


def keys_that_are_none(served: Served) -> dict[str, tuple[str | None, str]]:
    good = served.keys["admin"]
    id, secret = good.split("_", 2)[1:]
    return {
        "none": (None, "no-key"),
        "empty": ("", "no-key"),
        "the scheme alone": ("Bearer", "wrong-key"),
        "another scheme": ("Basic YWRtaW46YWRtaW4=", "no-key"),
        "a key without its scheme": (good, "no-key"),
        "a scheme grown on": (f"Bearer{good}", "no-key"),
        "two keys": (f"Bearer {good}, Bearer {good}", "wrong-key"),
        "a key and more": (f"Bearer {good} {good}", "wrong-key"),
        "a key cut": (f"Bearer {good[:-1]}", "wrong-key"),
        "a key grown": (f"Bearer {good}A", "wrong-key"),
        "a key in capitals": (f"Bearer {good.upper()}", "wrong-key"),
        "its secret alone": (f"Bearer {secret}", "wrong-key"),
        "its id alone": (f"Bearer postseal_{id}_", "wrong-key"),
        "another's secret": (f"Bearer postseal_{id}_{served.keys['sender'].split('_', 2)[2]}", "wrong-key"),
        "a stranger": (f"Bearer postseal_{'a' * 10}_{'A' * 43}", "wrong-key"),
        "a wildcard": ("Bearer postseal_%_%", "wrong-key"),
        "a quote": ("Bearer ' OR 1=1 --", "wrong-key"),
        "octets": ("Bearer \xff\xfe", "wrong-key"),
        "very much": ("Bearer " + "a" * 20_000, "wrong-key"),
    }


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_no_key_opens_nothing(served: Served, asked: dict[str, Asked], name: str) -> None:
    before = served.size
    for what, (authorization, kind) in keys_that_are_none(served).items():
        one = asked[name]
        headers: dict[str, Any] = {"content-type": one.kind}
        if authorization is not None:
            headers["authorization"] = authorization.encode("latin-1")
        got = served.as_("nobody").request(one.method, one.path, content=one.body, headers=headers)
        said = problem(got, kind)
        assert got.headers["www-authenticate"] == "Bearer", what
        assert authorization is None or len(authorization) < 9 or authorization not in str(said)
    assert served.size == before


@pytest.mark.parametrize("name", NEEDS)
def test_a_key_is_taken_from_one_place_only(served: Served, asked: dict[str, Asked], name: str) -> None:
    one, key = asked[name], served.keys["admin"]
    join = "&" if "?" in one.path else "?"
    for where in (f"{one.path}{join}key={key}", f"{one.path}{join}authorization=Bearer%20{key}"):
        problem(ask(served, one._replace(path=where)), "no-key")
    problem(ask(served, one, cookie=f"authorization=Bearer {key}", **{"x-api-key": key}), "no-key")
    # Two of them: whoever looked before us may have looked at the other.
    twice = [("content-type", one.kind), ("authorization", f"Bearer {key}"), ("authorization", "Bearer x")]
    for headers in (twice, twice[::-1]):
        got = served.as_("nobody").request(one.method, one.path, content=one.body, headers=headers)
        problem(got, "no-key")


def test_the_scheme_is_spelled_as_one_likes(served: Served, asked: dict[str, Asked]) -> None:
    one = asked["GET /v1/logs/{log}/entries/{seq}"]
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert ask(served, one, f"{scheme} {served.keys['auditor']}").status_code == 200


@pytest.mark.parametrize("name", NEEDS)
def test_a_revoked_key_opens_nothing(served: Served, asked: dict[str, Asked], name: str) -> None:
    key, id = make_key(served.log, "admin")
    served.log.credentials.revoke(id, time.time_ns() // 1000)
    before = served.size
    problem(ask(served, asked[name], f"Bearer {key}"), "wrong-key")
    assert served.size == before


def test_another_processs_revocation_counts_within_a_second(served: Served, asked: dict[str, Asked]) -> None:
    one = asked["GET /v1/logs/{log}/entries/{seq}"]
    key, id = make_key(served.log, "auditor")
    assert ask(served, one, f"Bearer {key}").status_code == 200
    served.log.credentials.revoke(id, time.time_ns() // 1000)
    revoked = time.monotonic()
    while ask(served, one, f"Bearer {key}").status_code == 200:
        assert time.monotonic() - revoked < known.SECONDS + 0.5
        time.sleep(0.02)
    problem(ask(served, one, f"Bearer {key}"), "wrong-key")


def test_a_revocation_here_counts_at_once(served: Served, asked: dict[str, Asked]) -> None:
    one = asked["GET /v1/logs/{log}/entries/{seq}"]
    key, id = make_key(served.log, "auditor")
    assert ask(served, one, f"Bearer {key}").status_code == 200
    served.log.credentials.revoke(id, time.time_ns() // 1000)
    served.service.known.forget(id)
    problem(ask(served, one, f"Bearer {key}"), "wrong-key")


def test_a_key_that_was_unknown_counts_once_it_is_made(served: Served, asked: dict[str, Asked]) -> None:
    one = asked["GET /v1/logs/{log}/entries/{seq}"]
    key, _ = make_key(served.log, "auditor")
    problem(ask(served, one, f"Bearer {key[:-1]}{'E' if key.endswith('A') else 'A'}"), "wrong-key")
    assert ask(served, one, f"Bearer {key}").status_code == 200


def test_a_key_of_another_log_opens_nothing(served: Served, asked: dict[str, Asked], tmp_path: Path) -> None:
    with open_log(f"sqlite:///{tmp_path / 'other.db'}", tmp_path) as other:
        key, _ = make_key(other, "admin")
    before = served.size
    for one in asked.values():
        problem(ask(served, one, f"Bearer {key}"), "wrong-key")
    assert served.size == before


def test_another_log_is_not_here_for_any_key(served: Served, asked: dict[str, Asked]) -> None:
    elsewhere = uuid7(1_780_000_000_000_000, bytes(10))
    for name, one in asked.items():
        if "{log}" in name:
            path = one.path.replace(served.log.id, elsewhere)
            problem(ask(served, one._replace(path=path), f"Bearer {served.keys['admin']}"), "not-found")


MINDS = "POST /v1/verify"
"""What is open, and tells more to a key: one that is none is not taken for nobody's."""


LOOKS = "POST /v1/certificates/lookup"
"""What is open, and wants more than a file."""


def test_looking_a_certificate_up_needs_its_token_and_no_key(served: Served) -> None:
    one = Asked("POST", "/v1/certificates/lookup", b'{"number":"aaaa-aaaa-aaaa-aaaa","token":"aaaa-aaaa-aaaa-aaaa"}')
    for authorization in (None, "Bearer wrong", f"Bearer {served.keys['ingest']}"):
        problem(ask(served, one, authorization), "not-found")


@pytest.mark.parametrize("name", sorted(OPEN - {MINDS, LOOKS}))
def test_what_is_open_asks_for_no_key_and_minds_none(served: Served, name: str) -> None:
    method, path = name.split(" ")
    edge = b"--edge\r\n"
    form = edge + b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\na\r\n--edge--\r\n'
    one = Asked(method, path.replace("{log}", served.log.id), form, "multipart/form-data; boundary=edge")
    for authorization in (None, "Bearer wrong", f"Bearer {served.keys['ingest']}"):
        assert ask(served, one, authorization).status_code == (302 if path == "/" else 200)


def test_verifying_is_open_to_all_but_not_to_a_key_that_is_none(served: Served) -> None:
    one = Asked("POST", "/v1/verify", MAIL, "application/octet-stream")
    key, id = make_key(served.log, "admin")
    for authorization in (None, f"Bearer {key}", *(f"Bearer {served.keys[role]}" for role in ROLES)):
        assert ask(served, one, authorization).status_code == 200
    served.log.credentials.revoke(id, time.time_ns() // 1000)
    served.service.known.forget(id)
    before = served.size
    problem(ask(served, one, f"Bearer {key}"), "wrong-key")
    problem(ask(served, one, "Bearer wrong"), "wrong-key")
    problem(ask(served, one, "Basic wrong"), "no-key")
    assert served.size == before
