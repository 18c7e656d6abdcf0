"""Signatures of others, kept with the record, checked with the keys that were supplied, and again with the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import canonical, envelope, fingerprint, signed
from ledger.errors import FormatError
from tests.ledger.ledgers import open_log
from tests.ledger.test_dkim_oracle import RECORDS, sign

MAIL = b"\r\n".join(
    [
        b"From: Ann <ann@sender.example>",
        b"To: bob@one.example",
        b"Subject: signed",
        b"Date: Mon, 5 Jan 2026 10:00:00 +0000",
        b"Message-ID: <signed@sender.example>",
        b"",
        b"four thousand",
        b"",
    ]
)
AT = 4_000_000_000


def made() -> tuple[bytes, str, str]:
    octets = sign(MAIL, b"rsa-sha256", (b"relaxed", b"relaxed"))
    return octets, "sel._domainkey.example.org", RECORDS[b"rsa-sha256"]


def test_fields_are_kept_and_signatures_checked() -> None:
    octets, query, record = made()
    said: dict[str, Any] = dict(signed.facts(b"ARC-Seal: i=1; \xe4\r\n" + octets, {query: record}, AT))
    assert [one["name"] for one in said["signatures"]["fields"]] == ["arc-seal", "dkim-signature"]
    assert said["signatures"]["fields"][0]["field"].encode("latin-1") == b"ARC-Seal: i=1; \xe4\r\n"
    (checked,) = said["dkim"]
    assert (checked["status"], checked["record"], checked["query"], checked["at"]) == ("pass", record, query, AT)
    # Without the key nothing is said of it; without a signature nothing at all.
    assert [name for name, _ in signed.facts(octets, {}, AT)] == ["signatures"]
    assert signed.facts(MAIL, {query: record}, AT) == []
    assert signed.facts(b"x" * 2_000_000, {}, AT) == []
    changed = dict(signed.facts(octets.replace(b"four", b"five"), {query: record}, AT))
    outcome: Any = changed["dkim"]
    assert (outcome[0]["status"], outcome[0]["reason"]) == ("fail", "body-hash")


def test_what_is_too_much_is_counted() -> None:
    octets = b"".join(b"ARC-Seal: " + b"\xe4" * 5000 + b"\r\n" for _ in range(20)) + MAIL
    said: dict[str, Any] = dict(signed.facts(octets, {}, AT))["signatures"]  # type: ignore[assignment]
    assert len(said["fields"]) + said["left_out"] == 20 and said["left_out"] > 0
    assert len(canonical.dumps(said)) < 65_536


def test_a_copy_is_checked_with_the_archived_key(any_database: str, tmp_path: Path) -> None:
    octets, query, record = made()
    url = any_database.format(file=tmp_path / "ledger.db")
    with open_log(url, tmp_path) as log:
        sent = envelope.given("ann@sender.example", ["bob@one.example"])
        facts = signed.facts(octets, {query: record}, AT)
        message = log.record(fingerprint.take(octets), sent, ["to"], signed=facts).message
        assert log.disclosed(message)["dkim"][0]["status"] == "pass"
        for copy, level, status in (
            (b"Received: x\r\n" + octets, "identical but for transport headers", "pass"),
            (octets.replace(b"Subject: ", b"Subject: [list] "), "all original parts present, with additions", "fail"),
            (octets.replace(b"four", b"five"), "different", "fail"),
        ):
            (one,) = log.identify(copy)
            assert (one.level, [each.status for each in one.dkim]) == (level, [status])
        (one,) = log.identify(MAIL)
        assert one.dkim == ()


@pytest.mark.parametrize(
    "keys",
    [
        {"s1.example.com": "v=DKIM1"},
        {"s1._domainkey.ex\u00e4mple.com": "v=DKIM1"},
        {"s1._domainkey.example.com": "x" * 5000},
        {"s1._domainkey.example.com": "two\nlines"},
        {f"s{k}._domainkey.example.com": "v=DKIM1" for k in range(33)},
    ],
)
def test_what_is_no_key_record(keys: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        signed.check_keys(keys)
