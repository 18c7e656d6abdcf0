"""Certificates over HTTP: issued, refused, handed out again, withdrawn, looked up by whoever has the paper."""

from __future__ import annotations

import re
import uuid
from hashlib import sha256
from typing import Any

import httpx
import pytest

from ledger import case, certified, disclosure, entry, evidence
from reports import attached
from reports.certificate import TWIN
from tests.api.serving import Served, problem

MAY = ("admin", "compliance", "legal", "sender")
MAY_NOT = ("auditor", "ingest")


@pytest.fixture(scope="module")
def message(served: Served) -> str:
    """Delivered to r1, opened by him, and blocked for all."""
    told = str(served.record(hosted=["f1", "f2"])["message"])
    client = served.as_("sender")
    for kind in ("relay.accepted", "delivery.delivered", "message.opened"):
        assert client.post(f"/v1/messages/{told}/events", json={"kind": kind, "recipient": "r1"}).status_code == 201
    assert client.post(f"/v1/messages/{told}/blocks", json={"scope": "all"}).status_code == 201
    return told


def ask(served: Served, message: str, role: str = "compliance", key: str | None = None, **said: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return served.as_(role).post(f"/v1/messages/{message}/certificates", json=said, headers=headers)


def issue(served: Served, message: str, **said: Any) -> Any:
    got = ask(served, message, **said)
    assert got.status_code == 201, got.text
    return got.json()


@pytest.mark.parametrize("kind", ["dispatch", "delivery", "access", "block"])
def test_issued_and_handed_out_again(served: Served, message: str, kind: str) -> None:
    got = ask(served, message, kind=kind, recipient="r1")
    assert got.status_code == 201 and got.headers["location"] == got.json()["url"]
    told = got.json()
    assert set(told) == {"number", "token", "url", "sha256", "receipt"}
    made = served.check(told["receipt"])
    assert (made.kind, made.facts.certificate, made.facts.number) == ("certificate.issued", kind, told["number"])  # type: ignore[attr-defined]
    for role in MAY:
        pdf = served.as_(role).get(told["url"])
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.headers["content-disposition"] == f'attachment; filename="certificate-{told["number"]}.pdf"'
        assert sha256(pdf.content).hexdigest() == told["sha256"]
        if role != "sender":
            data: Any = served.log.reader.entry(served.size - 1)
            view: Any = entry.decode(data)
            assert (view.kind, view.facts.what, view.chain) == ("content.viewed", "certificate", message)
    said = case.read(evidence.parse(attached.attachment(pdf.content, TWIN)))
    claims = certified.of(said).claims
    assert (claims.certificate, claims.recipient, claims.number) == (kind, "r1", told["number"])


@pytest.mark.parametrize("role", MAY_NOT)
def test_who_may_not(served: Served, message: str, role: str) -> None:
    told = issue(served, message, kind="dispatch")
    problem(ask(served, message, role, kind="dispatch"), "forbidden")
    problem(served.as_(role).get(told["url"]), "forbidden")
    problem(served.as_(role).post(f"/v1/certificates/{told['number']}/withdraw", json={}), "forbidden")
    problem(served.as_("sender").post(f"/v1/certificates/{told['number']}/withdraw", json={}), "forbidden")
    problem(served.as_("nobody").get(told["url"]), "no-key")


def test_sent_again_it_is_the_same(served: Served, message: str) -> None:
    key = str(uuid.uuid4())
    first, again = (ask(served, message, key=key, kind="dispatch", language="fr", paper="letter") for _ in "12")
    assert first.json()["number"] == again.json()["number"]
    assert first.json()["receipt"]["seq"] == again.json()["receipt"]["seq"]
    problem(ask(served, message, key=key, kind="dispatch"), "key-reused")


def test_what_would_not_be_true_is_refused_with_the_fact(served: Served, message: str) -> None:
    before = served.size
    said = problem(ask(served, message, kind="non_access", recipient="r1"), "adverse")
    assert re.search(r"entry \d+: message\.opened on the chain of r1, recorded at", said["detail"])
    said = problem(ask(served, message, kind="delivery", recipient="r2"), "adverse")
    assert said["detail"] == "no delivery is recorded, nor that a server took the message over"
    # That somebody asked, and was told so, is on record; nothing else is.
    kinds = [entry.decode(served.log.reader.entry(seq) or b"").kind for seq in range(before, served.size)]
    assert set(kinds) <= {"content.viewed", "ledger.heartbeat"} and kinds.count("content.viewed") == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no kind": ({}, "invalid"),
    "a kind unknown": ({"kind": "reading"}, "invalid"),
    "a member unknown": ({"kind": "dispatch", "seal": True}, "invalid"),
    "a language unknown": ({"kind": "dispatch", "language": "tlh"}, "invalid"),
    "a recipient misspelt": ({"kind": "dispatch", "recipient": "R1"}, "invalid"),
    "a recipient too many": ({"kind": "dispatch", "recipient": "r99"}, "not-found"),
    "an address of nobody": ({"kind": "dispatch", "recipient": "who@one.example"}, "not-found"),
    "a file too many": ({"kind": "block", "file": "f99"}, "not-found"),
    "a file where it says nothing": ({"kind": "dispatch", "file": "f1"}, "invalid"),
    "a certificate unknown": ({"kind": "dispatch", "supersedes": "aaaa-aaaa-aaaa-aaaa"}, "not-found"),
}


@pytest.mark.parametrize("case_", WRONG)
def test_what_cannot_be_asked_for(served: Served, message: str, case_: str) -> None:
    said, name = WRONG[case_]
    problem(ask(served, message, **said), name)


def test_of_no_message_and_no_number(served: Served) -> None:
    problem(ask(served, "01890a5d-ac96-774b-bcce-b302099a8057", kind="dispatch"), "not-found")
    problem(served.as_("legal").get("/v1/certificates/aaaa-aaaa-aaaa-aaaa.pdf"), "not-found")
    problem(served.as_("legal").get("/v1/certificates/AAAA.pdf"), "invalid")


def test_facts_alone_and_by_address(served: Served, message: str) -> None:
    address = served.log.recipients(message)[0].address
    told = issue(served, message, kind="delivery", recipient=address, facts_only=True)
    twin = attached.attachment(served.as_("legal").get(told["url"]).content, TWIN)
    said = case.read(evidence.parse(twin))
    names = {name for item in said.recording for name in item.disclosed}
    assert "r1" in names and not names & {"subject", "f1", "raw", "r2"}


def test_looked_up_by_whoever_has_the_paper(served: Served, message: str) -> None:
    told = issue(served, message, kind="block")
    nobody = served.as_("nobody")
    asked = {"number": told["number"].upper().replace("-", " "), "token": told["token"]}
    found = nobody.post("/v1/certificates/lookup", json=asked).json()
    assert found == {
        "number": told["number"],
        "kind": "block",
        "status": "current",
        "message": message,
        "sealed_at": found["sealed_at"],
        "seq": found["seq"],
        "sha256": told["sha256"],
    }
    unknown = [
        {"number": "aaaa-aaaa-aaaa-aaaa", "token": told["token"]},
        {"number": told["number"], "token": "aaaa-aaaa-aaaa-aaaa"},
        {"number": "x", "token": "y"},
    ]
    answers = [problem(nobody.post("/v1/certificates/lookup", json=one), "not-found") for one in unknown]
    assert answers[0] == answers[1] == answers[2]


def test_superseded_and_withdrawn(served: Served, message: str) -> None:
    first = issue(served, message, kind="dispatch")
    second = issue(served, message, kind="dispatch", supersedes=first["number"])
    nobody, legal = served.as_("nobody"), served.as_("legal")

    def status(told: Any) -> Any:
        return nobody.post("/v1/certificates/lookup", json={n: told[n] for n in ("number", "token")}).json()

    assert (status(first)["status"], status(first)["superseded_by"]) == ("superseded", second["number"])
    key = {"idempotency-key": str(uuid.uuid4())}
    path = f"/v1/certificates/{second['number']}/withdraw"
    got = [legal.post(path, json={"reason": "wrong-recipient"}, headers=key) for _ in "12"]
    assert got[0].status_code == got[1].status_code == 201
    made: Any = served.check(got[0].json()["receipt"])
    assert (made.kind, made.facts.number, made.facts.reason) == (
        "certificate.withdrawn",
        second["number"],
        "wrong-recipient",
    )
    opened = map(disclosure.parse, served.log.disclosures([made.seq])[made.seq])
    assert {one.name: one.value for one in opened}["actor"].startswith("test-legal (legal")
    problem(legal.post(path, json={}), "invalid")
    assert (status(second)["status"], status(second)["withdrawn_at"]) == ("withdrawn", made.at)
    assert legal.get(second["url"]).status_code == 200

    def verified(told: Any) -> Any:
        return nobody.post("/v1/verify", content=legal.get(told["url"]).content).json()

    checks = {one["name"]: one for one in verified(first)["checks"]}
    assert verified(first)["verdict"] == "valid" and "has taken its place" in checks["certificate"]["detail"]
    assert verified(second)["verdict"] == "invalid"
    shown = nobody.post("/verify", files={"file": ("certificate.pdf", legal.get(first["url"]).content)}).text
    assert "<h2>Superseded</h2>" in shown and second["number"] in shown


def test_verified_by_anybody(served: Served, message: str) -> None:
    told = issue(served, message, kind="access", recipient="r1")
    pdf = served.as_("legal").get(told["url"]).content
    nobody = served.as_("nobody")
    got = nobody.post("/v1/verify", content=pdf).json()
    assert got["verdict"] == "valid" and got["matches"] == []
    checks = {one["name"]: one["status"] for one in got["checks"]}
    assert (checks["paper"], checks["certificate"], checks["trusted"]) == ("passed", "passed", "passed")
    changed = nobody.post("/v1/verify", content=pdf[:-20] + b"%" + pdf[-19:]).json()
    assert changed["verdict"] in ("invalid", "unknown")
    # Any other PDF is a file like others.
    plain = nobody.post("/v1/verify", content=b"%PDF-1.4\n%nothing\n").json()
    assert plain["checks"][0]["name"] == "intact" and plain["checks"][0]["status"] == "not_checked"


def test_the_page_opens_and_judges(served: Served, message: str) -> None:
    told = issue(served, message, kind="block")
    nobody = served.as_("nobody")
    form = {"number": told["number"], "token": told["token"]}
    got = nobody.post("/verify", data=form)
    assert got.status_code == 200 and "Issued, and not withdrawn" in got.text and told["sha256"] in got.text
    wrong = nobody.post("/verify", data=form | {"token": "aaaa-aaaa-aaaa-aaaa"})
    assert wrong.status_code == 404 and "Unknown number, or wrong token" in wrong.text
    pdf = served.as_("legal").get(told["url"]).content
    judged = nobody.post("/verify", files={"file": ("certificate.pdf", pdf)})
    assert judged.status_code == 200 and ">Valid<" in judged.text and "Paper and evidence say the same" in judged.text
    served.as_("legal").post(f"/v1/certificates/{told['number']}/withdraw", json={})
    assert "Withdrawn" in nobody.post("/verify", data=form).text


def test_after_an_erasure_it_is_gone_and_said_to_be(served: Served) -> None:
    message = str(served.record(hosted=[])["message"])
    told = issue(served, message, kind="dispatch", recipient="r1")
    pdf = served.as_("legal").get(told["url"]).content
    erased = served.as_("compliance").post(f"/v1/messages/{message}/erasures", json={"recipient": "r1"})
    assert erased.status_code == 201
    problem(served.as_("legal").get(told["url"]), "erased")
    asked = {name: told[name] for name in ("number", "token")}
    assert served.as_("nobody").post("/v1/certificates/lookup", json=asked).json()["status"] == "current"
    # Whoever has the file can still have it judged: that it was sealed is an entry.
    checks = {one["name"]: one for one in served.as_("nobody").post("/v1/verify", content=pdf).json()["checks"]}
    assert checks["certificate"]["status"] == checks["paper"]["status"] == "passed"
