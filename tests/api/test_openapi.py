"""The OpenAPI document: valid, complete, and true of what the service answers to whatever fits it or does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, get_args

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.definitions import OPENAPI_31

from api import errors, roles
from ledger import evidence
from ledger.claims import Kind
from tests.api.serving import MAIL, Served, make_key, parts

pytestmark = pytest.mark.parametrize("any_database", ["sqlite"], indirect=True, scope="module")

OPEN = {
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/logs",
    "GET /v1/logs/{log}/checkpoint",
    "POST /v1/certificates/lookup",
}
"""Operations that need no key."""

EITHER = {"POST /v1/verify"}
"""Operations that say more to a key."""

APPENDING = {
    "POST /v1/events",
    "POST /v1/messages",
    "POST /v1/certificates/{number}/withdraw",
    "POST /v1/messages/{message}/blocks",
    "POST /v1/messages/{message}/blocks/{block}/lift",
    "POST /v1/messages/{message}/certificates",
    "POST /v1/messages/{message}/events",
    "POST /v1/messages/{message}/evidence",
    "POST /v1/messages/{message}/holds",
    "POST /v1/messages/{message}/holds/{hold}/release",
    "POST /v1/messages/{message}/erasures",
    "POST /v1/erasures",
    "POST /v1/erasures/{erasure}/approve",
}
"""Operations that write what the caller says, and so may be sent again."""

UNDOCUMENTED = {
    "GET /",
    "GET /docs",
    "GET /openapi.json",
    "GET /page.css",
    "GET /verify",
    "HEAD /openapi.json",
    "POST /verify",
}
"""Pages, and the document itself."""


@pytest.fixture(scope="module")
def document(served: Served) -> Any:
    got = served.as_("nobody").get("/openapi.json")
    assert got.status_code == 200
    return got.json()


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            yield f"{method.upper()} {path}", said


def routes(app: Any) -> Iterator[tuple[str, frozenset[str]]]:
    """Path and methods of every route, those of included routers too."""
    for route in app.routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            yield route.path, frozenset(route.methods or ())


def test_it_is_valid(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        assert re.fullmatch(r"[A-Za-z]+", name)


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert found <= set(document["components"]["schemas"])
    # What nobody refers to is a leftover; lines of a bulk request are referred to by their media type.
    assert set(document["components"]["schemas"]) == found


def test_every_route_is_in_it(served: Served, document: Any) -> None:
    known = {f"{method} {path.replace(':path', '')}" for path, methods in routes(served.app) for method in methods}
    assert known - UNDOCUMENTED == {name for name, _ in operations(document)}
    assert known >= UNDOCUMENTED


def test_operations_have_names_of_their_own(document: Any) -> None:
    names = [said["operationId"] for _, said in operations(document)]
    assert len(names) == len(set(names)) and all(re.fullmatch("[a-z_]+", name) for name in names)
    assert all(said["description"] for _, said in operations(document))


def test_every_operation_says_who_may_use_it(document: Any) -> None:
    assert document["components"]["securitySchemes"] == {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": document["components"]["securitySchemes"]["key"]["description"],
        }
    }
    for name, said in operations(document):
        if name in OPEN:
            assert "security" not in said and "401" not in said["responses"] and "403" not in said["responses"], name
        elif name in EITHER:
            assert said["security"] == [{"key": []}, {}] and "401" in said["responses"], name
        else:
            assert said["security"] == [{"key": []}] and set(said["x-roles"]) <= set(roles.ROLES), name
            assert {"401", "403"} <= set(said["responses"]), name


def test_every_operation_names_its_problems(document: Any) -> None:
    for name, said in operations(document):
        assert {"400", "408", "431", "500", "503"} <= set(said["responses"]), name
        for status, answer in said["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == [errors.MEDIA_TYPE], (name, status)
                words = re.findall(r"`([a-z-]+)`", answer["description"])
                assert words and all(errors.KINDS[word].status == int(status) for word in words), (name, status)
        if "requestBody" in said:
            assert {"413", "415"} <= set(said["responses"]), name
        named = [one["name"] for one in said.get("parameters", ())]
        assert ("Idempotency-Key" in named) == (name in APPENDING), name
        if name in APPENDING:
            assert {"409", "422"} <= set(said["responses"]), name


def test_every_problem_is_one_of_the_table(document: Any) -> None:
    said = document["components"]["schemas"]["ProblemDocument"]["properties"]["type"]["enum"]
    assert said == [errors.PREFIX + name for name in errors.KINDS]


# The page for people


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "srcset", "data"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(name)


def test_the_page_shows_all_of_it(served: Served, document: Any) -> None:
    got = served.as_("nobody").get("/docs")
    assert (got.status_code, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(got.text)
    assert {said["operationId"] for _, said in operations(document)} <= set(page.ids)
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    for name, _ in operations(document):
        method, path = name.split(" ")
        assert f"<b>{method}</b> {path}" in got.text
    for name in errors.KINDS:
        assert errors.PREFIX + name in got.text


def test_the_page_asks_nobody_else_and_runs_nothing(served: Served) -> None:
    got = served.as_("nobody").get("/docs")
    page = Page(got.text)
    assert not {"script", "iframe", "object", "embed", "img", "style"} & set(page.tags) and not page.inline
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert link.startswith("/") and served.as_("nobody").get(link).status_code == 200
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert served.as_("nobody").get(path).status_code == 404


def test_every_answer_is_hardened(served: Served, document: Any) -> None:
    for path in ["/docs", "/page.css", "/openapi.json", "/nowhere", *document["paths"]]:
        for method in ("GET", "POST"):
            got = served.as_("nobody").request(method, path)
            assert got.headers["x-content-type-options"] == "nosniff", path
            assert got.headers["referrer-policy"] == "no-referrer", path
            assert "server" not in got.headers and "set-cookie" not in got.headers
            if path not in ("/page.css", "/openapi.json", "/metrics"):
                assert "cache-control" in got.headers, path


@pytest.mark.parametrize("host", ["<script>", "a b", "x:99999999", "", "\xff", "a@b/c?d"])
def test_a_strange_host_is_not_repeated(served: Served, host: str) -> None:
    got = served.as_("nobody").get("/docs", headers=[(b"host", host.encode("latin-1"))])
    assert got.status_code in (200, 400)
    assert not host.strip() or "<script>" not in got.text


# What the service does, held against it


@pytest.fixture(scope="module")
def eventful(served: Served) -> list[str]:
    """Messages of which there is everything to tell, and one of which what was told was erased."""
    client = served.as_("admin")
    made: list[str] = []
    for hosted in (["f1"], ["f1", "f2"]):
        message = served.record(hosted=hosted, keep_content=True)["message"]
        here = f"/v1/messages/{message}"
        for kind in ("relay.accepted", "delivery.delivered", "message.opened", "link.opened", "delivery.bounced"):
            for more in ({"recipient": "r1"}, {}):
                assert client.post(f"{here}/events", json={"kind": kind, **more}).status_code == 201
        assert client.post(f"{here}/events", json=ACCESS).status_code == 201
        lifted = client.post(f"{here}/blocks", json={"scope": "all", "reason": "wrong-recipient"}).json()["block"]
        assert client.post(f"{here}/blocks/{lifted}/lift", json={"reason": "mistake"}).status_code == 201
        client.post(f"{here}/blocks", json={"scope": "recipient", "recipient": "r2"})
        client.post(f"{here}/blocks", json={"scope": "file", "file": "f1"})
        assert client.post(f"{here}/events", json=ACCESS).status_code == 409
        made.append(message)
    gone = served.record(keep_content=True)["message"]
    chain = served.log.recipients(gone)[1].chain
    with served.log.store.engine.begin() as connection:
        for subject in (gone, f"{gone}:shared", chain):
            for table in ("lookups", "data_keys"):
                connection.exec_driver_sql(f"DELETE FROM {table} WHERE subject = '{subject}'")
    return [*made, gone]


ACCESS = {"kind": "download.started", "recipient": "r1", "file": "f1"}


def good(served: Served, messages: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Requests that are answered with what there is, for every operation."""
    body, kind = parts()
    log, form = f"/v1/logs/{served.log.id}", {"content": body, "headers": {"content-type": kind}}
    block = served.as_("admin").post(f"/v1/messages/{messages[1]}/blocks", json={"scope": "all"}).json()["block"]
    hold = served.as_("admin").post(f"/v1/messages/{messages[0]}/holds", json={}).json()["hold"]
    gone = f"/v1/messages/{served.record()['message']}"
    asked = {"kind": "dispatch", "recipient": "r1"}
    issued = [served.as_("admin").post(f"/v1/messages/{messages[1]}/certificates", json=asked).json() for _ in "12"]
    numbers = [{name: one[name] for name in ("number", "token")} for one in issued]
    octets = {"content-type": "application/octet-stream"}
    told = [{"message": message, "kind": kind} for message in messages for kind in ("link.opened", "x")]
    told.append({"message": messages[0], "id": "a", **ACCESS})
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in told)
    each = [f"/v1/messages/{message}" for message in messages]
    return {
        "GET /healthz": [{"path": "/healthz"}],
        "GET /metrics": [{"path": "/metrics"}],
        "GET /readyz": [{"path": "/readyz"}],
        "GET /v1/keys": [{"path": "/v1/keys"}],
        "POST /v1/keys": [{"path": "/v1/keys", "json": {"role": "legal", "label": "x"}}],
        "DELETE /v1/keys/{id}": [{"path": f"/v1/keys/{make_key(served.log, 'ingest')[1]}"}],
        "GET /v1/logs": [{"path": "/v1/logs"}],
        "GET /v1/logs/{log}/checkpoint": [{"path": f"{log}/checkpoint"}],
        "GET /v1/logs/{log}/tile/{path}": [{"path": f"{log}/tile/0/000.p/2"}, {"path": f"{log}/tile/9/000"}],
        "GET /v1/logs/{log}/entries/{seq}.tlog-proof": [{"path": f"{log}/entries/3.tlog-proof"}],
        "GET /v1/logs/{log}/entries/{seq}": [{"path": f"{log}/entries/3"}],
        "GET /v1/logs/{log}/proofs/consistency": [{"path": f"{log}/proofs/consistency?old=2"}],
        "POST /v1/messages": [{"path": "/v1/messages", **form}],
        "GET /v1/messages": [{"path": f"/v1/messages?limit={limit}"} for limit in (2, 500)],
        "POST /v1/messages/search": [{"path": "/v1/messages/search", "json": {"subject": "plan", "limit": 2}}],
        "GET /v1/messages/{message}": [{"path": path} for path in each],
        "GET /v1/messages/{message}/blocks": [{"path": f"{path}/blocks"} for path in each],
        "GET /v1/messages/{message}/content": [
            {"path": f"{path}/content{part}"} for path in each[:2] for part in ("", "?part=body")
        ],
        "GET /v1/messages/{message}/files/{file}": [{"path": f"{each[0]}/files/{file}"} for file in ("f1", "f2", "f9")],
        "POST /v1/messages/{message}/blocks": [{"path": f"{path}/blocks", "json": {"scope": "all"}} for path in each],
        "POST /v1/messages/{message}/blocks/{block}/lift": [{"path": f"{each[1]}/blocks/{block}/lift", "json": {}}],
        "POST /v1/messages/{message}/holds": [{"path": f"{path}/holds", "json": {"reason": "x"}} for path in each],
        "POST /v1/messages/{message}/holds/{hold}/release": [{"path": f"{each[0]}/holds/{hold}/release", "json": {}}],
        "POST /v1/messages/{message}/erasures": [{"path": f"{path}/erasures", "json": {}} for path in (each[0], gone)],
        "POST /v1/erasures": [{"path": "/v1/erasures", "json": {"address": "nobody@nowhere.example"}}],
        "POST /v1/erasures/{erasure}/approve": [{"path": f"/v1/erasures/{messages[0]}/approve"}],
        "GET /v1/erasures": [{"path": "/v1/erasures"}],
        "POST /v1/subject-access": [
            {"path": "/v1/subject-access", "json": {"address": said}} for said in ("cy@two.example", "x@y.example")
        ],
        "POST /v1/messages/{message}/events": [{"path": f"{path}/events", "json": ACCESS} for path in each],
        "POST /v1/messages/{message}/evidence": [
            {"path": f"{path}/evidence", "json": {"kind": kind}} for path in each for kind in ("history", "non_access")
        ],
        "POST /v1/messages/{message}/certificates": [
            {"path": f"{path}/certificates", "json": {"kind": kind}} for path in each[:2] for kind in get_args(Kind)
        ],
        "GET /v1/certificates/{number}.pdf": [{"path": one["url"]} for one in issued],
        "POST /v1/certificates/{number}/withdraw": [
            {"path": f"/v1/certificates/{issued[0]['number']}/withdraw", "json": {"reason": "mistake"}}
        ],
        "POST /v1/certificates/lookup": [{"path": "/v1/certificates/lookup", "json": one} for one in numbers],
        "POST /v1/events": [
            {"path": "/v1/events", "content": lines, "headers": {"content-type": "application/x-ndjson"}}
        ],
        "POST /v1/verify": [
            {"path": "/v1/verify", "content": said, "headers": octets}
            for said in (MAIL, b"1 2 3", evidence.format(served.log.export(messages[0])))
        ],
    }


def check_answer(document: Any, operation: Any, got: httpx.Response) -> None:
    """That an answer is one of those the document has, whole."""
    said = operation["responses"][str(got.status_code)]
    # Of problems only some have a header of their own.
    assert got.status_code >= 400 or set(said.get("headers", {})) <= {name.title() for name in got.headers}
    if "content" not in said:
        assert got.content == b""
        return
    kind = got.headers["content-type"].partition(";")[0]
    schema = {**said["content"][kind]["schema"], "components": document["components"]}
    judge = jsonschema_rs.validator_for(schema)
    if kind == "application/x-ndjson":
        for line in got.text.splitlines():
            judge.validate(json.loads(line))
    elif kind.endswith("json"):
        judge.validate(got.json())
    else:
        judge.validate(got.text)


def test_answers_with_everything_in_them_conform(served: Served, document: Any, eventful: list[str]) -> None:
    asked = good(served, eventful)
    known = dict(operations(document))
    assert set(asked) == set(known)
    for name, requests in asked.items():
        for request in requests:
            got = served.as_("admin").request(name.split(" ")[0], request.pop("path"), **request)
            assert got.status_code < 500 and got.status_code not in (400, 401, 403, 422), (name, got.text)
            check_answer(document, known[name], got)


@schemathesis.serializer("message/rfc822")
def _rfc822(_: Any, value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.serializer("application/x-ndjson")
def _ndjson(_: Any, value: Any) -> bytes:
    line = value if isinstance(value, bytes) else json.dumps(value).encode()
    return line + b"\n" + line


CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
]


def takes(operation: Any) -> bool:
    """Whether a request can say anything."""
    return bool(operation.get("parameters") or "requestBody" in operation)


def exercise(served: Served, role: str, examples: int) -> dict[int, int]:
    """Generated requests to every operation, half of them about things that are there; answers by status."""
    recorded = served.record(keep_content=True)
    block = served.as_("sender").post(
        f"/v1/messages/{recorded['message']}/blocks", json={"scope": "file", "file": "f1"}
    )
    there = {
        "log": served.log.id,
        "message": recorded["message"],
        "file": "f1",
        "block": block.json()["block"],
        "seq": 3,
        "path": "0/000.p/2",
        "id": make_key(served.log, "ingest")[1],
    }
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    headers = {} if role == "nobody" else {"Authorization": f"Bearer {served.keys[role]}"}
    statuses: dict[int, int] = {}
    results: Any = schema.get_all_operations()
    for operation in (result.ok() for result in results):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(mode), real=st.booleans())
            def ask(case: Any, real: bool) -> None:
                if real:
                    case.path_parameters = {
                        name: there.get(name, old) for name, old in (case.path_parameters or {}).items()
                    }
                got = case.call(headers=headers, timeout=30)
                statuses[got.status_code] = statuses.get(got.status_code, 0) + 1
                case.validate_response(got, checks=CHECKS)

            try:
                ask()
            except Unsatisfiable:
                # What takes nothing can be asked nothing wrong.
                assert mode is GenerationMode.NEGATIVE and not takes(operation.definition.raw)
    return statuses


EVERYBODY = pytest.mark.parametrize("role", ["nobody", *roles.ROLES])


@EVERYBODY
def test_generated_requests(served: Served, role: str) -> None:
    statuses = exercise(served, role, 10 if role == "admin" else 4)
    assert 200 in statuses and 422 in statuses
    assert (401 in statuses) >= (role == "nobody") and (201 in statuses) >= (role == "admin")
    served.check_well()


@pytest.mark.soak
@EVERYBODY
def test_many_generated_requests(served: Served, role: str) -> None:
    exercise(served, role, 60)
    served.check_well()
