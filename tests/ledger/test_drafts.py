"""From what a caller knows to an act: what is sealed under whose key, and every wrong word refused before the lock."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, get_args

import pytest
from msgspec import UNSET

from ledger import disclosure, drafts, envelope, event, fingerprint, schema
from ledger.act import Event, Recording
from ledger.chance import Chance
from ledger.drafts import Opening
from ledger.errors import InvalidRequest
from tests.ledger.ledgers import mail

T = 1_780_000_000_000_000
TIME = "2026-11-23T14:00:00.000000Z"
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def recording(**details: Any) -> tuple[Recording, list[Opening]]:
    options = {"micros": T, "chance": Chance(), "blinds": blinds, "source": "api"} | details
    return drafts.recording(*mail(3, 2), **options)


def blinds(pairs: Sequence[tuple[str, str]]) -> list[bytes]:
    """Of none."""
    return [bytes(32)] * len(pairs)


def said(made: Recording) -> dict[str, list[tuple[str, Any]]]:
    """What is sealed on the message's entry, by subject."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for one in made.sealed:
        opened = list(map(disclosure.parse, one.texts))
        assert one.digests == list(map(disclosure.digest, one.texts))
        assert one.subject not in found
        found[one.subject] = [(fact.name, fact.value) for fact in opened]
    return found


def test_each_recipient_is_sealed_under_a_key_of_his_own() -> None:
    made, openings = recording(hosted=["f2"])
    by_subject = said(made)
    sender, shared = made.id + ":sender", made.id + ":shared"
    assert set(by_subject) == {made.id, sender, shared, *(o.chain for o in openings)}
    for opening in openings:
        value = {"address": opening.address, "chain": opening.chain, "role": opening.role}
        assert by_subject[opening.chain] == [(opening.recipient, value)]
    # Nothing that names a recipient stands under the message's own key: it outlives any one recipient's erasure.
    own = repr(by_subject[made.id])
    assert not any(o.address in own or o.chain in own for o in openings)
    assert [name for name, _ in by_subject[shared]] == ["relaxed.headers", "to"]
    assert [name for name, _ in by_subject[sender]] == ["mail_from", "from"]
    names = dict(by_subject[made.id])
    assert (names["f1"]["where"], names["f2"]["where"]) == ("inside", "hosted")
    assert {"raw", "leaves", "relaxed", "subject", "f1", "f2", "p1"} == set(names)


@pytest.mark.parametrize("subject", ["x" * 65_535, '"' * 32_768, "\u20ac" * 21_845], ids=["ascii", "escaped", "euro"])
def test_a_header_too_long_to_seal_is_sealed_by_its_hash(subject: str) -> None:
    """A message must not go unrecorded because its subject is silly, or its recipients many."""
    for value, name in ((subject[:-1], "subject"), (subject, "subject.sha256")):
        taken, sent, roles = mail(1, 0, value)
        made, _ = drafts.recording(taken, sent, roles, micros=T, chance=Chance(), blinds=blinds, source="api")
        assert taken.header("Subject") == value
        names = dict(said(made)[made.id])
        assert {fact for fact in names if fact.startswith("subject")} == {name}
        assert names[name] == (value if name == "subject" else sha256(value.encode()).hexdigest())


def test_each_recipients_part() -> None:
    made, openings = recording(tokens={2: ["a" * 64]})
    assert [part.id for part in made.recipients] == [o.chain for o in openings]
    assert [tuple(part.tokens) for part in made.recipients] == [(), ("a" * 64,), ()]
    for part, opening in zip(made.recipients, openings, strict=True):
        (group,) = part.sealed
        opened = [disclosure.parse(text) for text in group.texts]
        assert [(d.name, d.value) for d in opened] == [("address", opening.address), ("role", opening.role)]
        assert group.subject == opening.chain
    assert [o.role for o in openings] == ["to", "to", "bcc"]


def found_by(*message: Any, **details: Any) -> tuple[Recording, dict[str, set[str]]]:
    """A recording, and what it is found by, by subject."""
    told: list[tuple[str, str]] = []

    def blinds(pairs: Sequence[tuple[str, str]]) -> list[bytes]:
        first = len(told)
        told.extend(pairs)
        return [k.to_bytes(drafts.BLIND_SIZE, "big") + b"the other half" for k in range(first, len(told))]

    options: dict[str, Any] = {"micros": T, "chance": Chance(), "blinds": blinds, "source": "api"}
    made, _ = drafts.recording(*message, **options, **details)
    found: dict[str, set[str]] = {}
    for blind, subject in made.lookups:
        found.setdefault(subject, set()).add(" ".join(told[int.from_bytes(blind, "big")]))
    assert sum(map(len, found.values())) == len(made.lookups)
    return made, found


def test_what_a_message_is_found_by_belongs_to_whom_it_is_of() -> None:
    message = mail(3, 2)
    made, found = found_by(*message, actor=("person:1", "jo@example.org"))
    # An actor is not what a message is about.
    shared = made.id + ":shared"
    assert set(found) == {made.id, made.id + ":sender", shared, *(part.id for part in made.recipients)}
    assert [one.split()[0] for one in found[shared]] == ["headers"]
    for k, part in enumerate(made.recipients, 1):
        assert found[part.id] == {f"address r{k}@example.com", "domain example.com"}
    own = found[made.id]
    assert found[made.id + ":sender"] == {"address sender@example.org", "domain example.org"}
    assert {"subject the plan", "subject plan"} <= own
    assert {"file f1.pdf", "file f2.pdf", "file pdf", "file .pdf"} <= own
    hashes = {f"sha256 {one.sha256}" for one in (message[0].raw, *message[0].files)}
    assert {one for one in own if one.startswith("sha256 ")} == hashes


def test_who_is_in_the_headers_alone_is_looked_up_with_all_who_are() -> None:
    """And a recipient of the envelope as himself only, or one of the others would keep him from being forgotten."""
    octets = b"From: a@us.example\r\nTo: R1@one.example, x@two.example\r\nCc: y@one.example, a@us.example\r\n\r\nhello"
    sent = envelope.given("a@us.example", ["r1@One.example", "r2@three.example"])
    made, found = found_by(fingerprint.take(octets), sent, ["to", "bcc"])
    assert {one for one in found[made.id + ":shared"] if not one.startswith("headers ")} == {
        "address x@two.example",
        "domain two.example",
        "address y@one.example",
        # The sender's own is not a recipient's: it stays although his is there.
        "address a@us.example",
        "domain us.example",
    }
    assert found[made.recipients[0].id] == {"address r1@one.example", "domain one.example"}


def test_no_two_salts_or_ids_are_alike() -> None:
    one, two = recording()[0], recording()[0]
    groups = [s for made in (one, two) for s in (*made.sealed, *(s for p in made.recipients for s in p.sealed))]
    texts = [text for group in groups for text in group.texts]
    salts = [disclosure.parse(text).salt for text in texts]
    assert len(set(salts)) == len(salts)
    ids = [i for made in (one, two) for i in (made.id, made.act, *(p.id for p in made.recipients))]
    assert len(set(ids)) == len(ids)


def test_facts_hold_nothing_personal() -> None:
    made, _ = recording()
    assert made.facts == schema.parse_facts(
        "message.recorded",
        {
            "content": "hash_only",
            "envelope": "given",
            "files": 2,
            "fingerprint": made.facts.fingerprint,
            "grade": "G0",
            "recipients": 3,
        },
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": "some"},
        {"source": "mail"},
        {"occurred": TIME},
        {"clock": "stated"},
        {"occurred": "yesterday", "clock": "stated"},
        {"occurred": "2026-02-30T14:00:00.000000Z", "clock": "stated"},
        {"tokens": {4: ["a" * 64]}},
        {"tokens": {0: ["a" * 64]}},
        {"tokens": {1: ["A" * 64]}},
        {"hosted": ["f3"]},
        {"hosted": ["plan.pdf"]},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        recording(**wrong)
    assert "\n" not in str(caught.value)


def test_an_actor_is_sealed_under_his_own_key() -> None:
    made, _ = recording(actor=("person:1", "jo@example.org"))
    assert said(made)["person:1"] == [("actor", "jo@example.org")]


def test_a_message_nobody_can_parse_is_recorded_with_the_reason() -> None:
    octets = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n\r\n" * 20_000
    print_ = fingerprint.take(octets)
    assert print_.reason is not None
    sent = envelope.given("", ["a@example.com"])
    made, _ = drafts.recording(print_, sent, ["envelope"], micros=T, chance=Chance(), blinds=blinds, source="gateway")
    names = dict(said(made)[made.id])
    assert names["unparsed"] == print_.reason and ("mail_from", "") in said(made)[made.id + ":sender"]


# Events


def tracking(recipient: str | None = "r2", kind: str = "link.opened", **details: Any) -> Event:
    options = {"source": "portal", "attestation": "D", "chance": Chance()} | details
    return drafts.tracking(ID, recipient, kind, **options)


def test_grade_and_attribution_are_filled_in() -> None:
    for name, kind in event.KINDS.items():
        needed: dict[str, Any] = {"purpose": "x", "method": "x", "file": "f1", "transfer": ID}
        if kind.grade is None:
            continue
        fields = kind.facts.__struct_fields__
        facts = {field: value for field, value in needed.items() if field in fields}
        made: Any = tracking(kind=name, facts=facts)
        assert (made.number, made.facts.grade, made.facts.attribution) == (2, kind.grade, "exact")
        if "message" in kind.on:
            made = tracking(None, name, facts=facts)
            assert (made.number, made.facts.attribution) == (0, "none")
        else:
            with pytest.raises(InvalidRequest):
                tracking(None, name, facts=facts)


def test_what_is_sealed_is_the_chains_own() -> None:
    made = tracking(sealed=[("ip", "192.0.2.7"), ("detail", {"k": [1, True]})])
    (group,) = made.sealed
    assert group.subject == ""
    assert [disclosure.parse(text).value for text in group.texts] == ["192.0.2.7", {"k": [1, True]}]
    assert tracking().occurred is UNSET


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ledger.heartbeat"},
        {"kind": "block.applied"},
        {"kind": "link.clicked"},
        {"kind": "link.opened.continued"},
        {"kind": "x" * 1000},
        {"source": "mail"},
        {"attestation": "F"},
        {"facts": {"grade": "G8"}},
        {"facts": {"attribution": "none"}},
        {"facts": {"attribution": "one_of", "candidates": ["r1", "r2"]}},
        {"facts": {"candidates": ["r1", "r2"]}},
        {"facts": {"more": 1}},
        {"facts": {"file": "f0"}},
        {"facts": {"token": "A" * 64}},
        {"facts": {"item": 1.0}},
        {"facts": {"file": None}},
        {"sealed": [("IP", "x")]},
        {"sealed": [("ip", 1.5)]},
        {"sealed": [("ip", None)]},
        {"sealed": [("ip", "\ud800")]},
        {"sealed": [("ip", "x" * 200_000)]},
        {"occurred": TIME},
        {"clock": "server", "occurred": TIME},
        {"recipient": "r0"},
        {"recipient": "r01"},
        {"recipient": "r100000"},
        {"recipient": "R1"},
        {"recipient": "r"},
        {"recipient": ""},
        {"recipient": "r²"},
        {"recipient": "r1\n"},
        {"recipient": "1"},
        {"sealed": [("ip", "192.0.2.1"), ("ip", "192.0.2.2")]},
        {"key": bytes(15)},
        {"key": b"k" * 17},
        {"kind": "download.started"},
    ],
    ids=lambda wrong: str(wrong)[:60],
)
def test_an_event_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        tracking(**wrong)
    assert "192.0.2" not in str(caught.value) and len(str(caught.value)) < 300


def test_every_source_is_taken() -> None:
    for source in get_args(event.Source):
        assert tracking(source=source).source == source


def test_openings_come_in_order_and_the_erased_are_missing() -> None:
    value = {"address": "a@example.com", "chain": ID, "role": "to"}
    found = drafts.openings_of({"r10": value, "r2": value, "raw": {}, "root": "x", "subject": "r3"})
    assert [o.recipient for o in found] == ["r2", "r10"]
