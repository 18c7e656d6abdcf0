"""`POST /v1/verify`: what evidence proves by itself, to anyone, without anything being looked up."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger import evidence
from tests.api.serving import Served, problem, serving


@pytest.fixture(scope="module")
def exported(served: Served) -> bytes:
    return evidence.format(served.log.export(served.record()["message"]))


def verify(served: Served, body: bytes, role: str = "nobody") -> Any:
    got = served.as_(role).post("/v1/verify", content=body, headers={"content-type": "application/octet-stream"})
    assert got.status_code == 200, got.text
    assert got.headers["cache-control"] == "no-store"
    said = got.json()
    assert set(said) == {"verdict", "checks", "matches"} and said["matches"] == []
    assert all(set(one) == {"name", "status", "detail"} for one in said["checks"])
    return said


def status(said: Any) -> dict[str, str]:
    return {one["name"]: one["status"] for one in said["checks"]}


def test_evidence_of_this_log_is_intact_and_trusted(served: Served, exported: bytes) -> None:
    before = served.size
    said = verify(served, exported)
    found = status(said)
    for name in ("intact", "included", "chained", "complete", "signed", "trusted"):
        assert found[name] == "passed", said
    assert "failed" not in found.values() and said["verdict"] in ("valid", "unknown")
    assert served.size == before
    assert verify(served, exported, "legal") == said


def test_one_bit_less_and_it_is_invalid(served: Served, exported: bytes) -> None:
    document = json.loads(exported)
    # Any entry will do: an octet of it, changed in its base64.
    text = exported.decode()
    data = document["entries"][3] if isinstance(document["entries"][3], str) else document["entries"][3]["entry"]
    changed = bytearray(base64.b64decode(data))
    changed[40] ^= 1
    said = verify(served, text.replace(data, base64.b64encode(bytes(changed)).decode()).encode())
    assert said["verdict"] == "invalid" and "failed" in status(said).values()


def test_another_logs_evidence_is_not_trusted_here(served: Served, tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path) as other:
        foreign = evidence.format(other.log.export(other.record()["message"]))
        assert status(verify(other, foreign))["trusted"] == "passed"
    said = verify(served, foreign)
    assert status(said)["trusted"] != "passed" and said["verdict"] != "valid"


NONE: dict[str, bytes] = {
    "nothing": b"",
    "a mail": b"Subject: a\r\n\r\nb\r\n",
    "a PDF": b"%PDF-1.7\n" + bytes(range(256)) * 10,
    "JSON": b"{}",
    "NULs": bytes(10_000),
}
BROKEN: dict[str, bytes] = {
    "its name alone": b"postseal-evidence/1",
    "an object of its name": b'{"format":"postseal-evidence/1"}',
    "another version": b'{"format":"postseal-evidence/9"}',
    "nested without end": b'{"format":"postseal-evidence/1","a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "numbers nobody can hold": b'{"format":"postseal-evidence/1","a":1e400}',
    "a member twice": b'{"format":"postseal-evidence/1","format":"postseal-evidence/1"}',
    "not UTF-8": b'{"format":"postseal-evidence/1","a":"\xff"}',
    "a lone surrogate": b'{"format":"postseal-evidence/1","\\ud800":"\\ud800"}',
}


@pytest.mark.parametrize("body", NONE.values(), ids=NONE)
def test_what_is_no_evidence_is_not_judged(served: Served, body: bytes) -> None:
    said = verify(served, body)
    assert said["verdict"] == "unknown" and set(status(said).values()) == {"not_checked"}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_claims_to_be_evidence_and_is_not_is_invalid(served: Served, body: bytes) -> None:
    assert verify(served, body)["verdict"] == "invalid"


def test_cut_anywhere_it_is_invalid(served: Served, exported: bytes) -> None:
    for at in range(30, len(exported), max(1, len(exported) // 20)):
        # Without its name it is any file.
        want = "invalid" if b"postseal-evidence/" in exported[:at] else "unknown"
        assert verify(served, exported[:at])["verdict"] == want


def test_more_than_the_limit_is_refused(served: Served) -> None:
    limit = served.service.settings.message_bytes
    problem(served.as_("nobody").post("/v1/verify", content=b"x" * (limit + 1)), "too-large")
