"""Evidence that a real ledger handed out: whom it shows, and documents put together out of several.

`tests/ledger/test_evidence_attacks.py` forges documents rule by rule; here the parts are genuine.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from ledger import checkpoint, document, entry, evidence, mark, multiproof, note
from ledger.document import Claim, Evidence, Held
from ledger.errors import LedgerError
from ledger.store import open_reader
from tests.attacks.attacker import Attacker, connect
from tests.attacks.checks import audited, broken
from tests.attacks.outsiders import trust
from tests.attacks.world import World, address, build

BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")


def layers(data: bytes, depth: int = 4) -> Iterator[bytes]:
    """The bytes, and all that stands in them as base64 of either alphabet, and what stands in that."""
    yield data
    if depth:
        for match in BASE64.finditer(data):
            text = match.group().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
            try:
                inner = base64.b64decode(text + b"=" * (-len(text) % 4))
            except ValueError:
                continue
            yield from layers(inner, depth - 1)


def shown(data: bytes) -> bytes:
    return b"\n".join(layers(data)).lower()


def forms(number: int, recipient: int) -> list[bytes]:
    """An address, and its two halves."""
    whole = address(number, recipient)
    return [part.encode().lower() for part in (whole, *whole.split("@"))]


@pytest.mark.parametrize("one", [1, 2, 3])
def test_a_recipients_evidence_shows_no_byte_of_another(world: World, one: int) -> None:
    """To, Cc and Bcc alike; neither in a header nor in a reason, a report or a raw body that stands beside."""
    data = shown(world.evidence[f"r{one}"])
    assert all(form in data for form in forms(2001, one))
    for other in {1, 2, 3} - {one}:
        for form in forms(2001, other):
            assert form not in data, form
    for word in (b"olga operator", b"raw body of", b"should not have it"):
        assert word not in data
    for name in (b'"to"', b'"cc"', b'"actor"', b'"reason_text"'):
        assert not re.search(rb'\["[a-z0-9_-]{22}",' + name, data)


def test_a_recipients_evidence_of_non_access_shows_no_raw_input_of_anybody(world: World) -> None:
    """It holds the log's own entries: among them webhooks about other messages."""
    data = shown(world.evidence["none.r1"])
    assert b"webhook.received" in data
    for number, recipient in ((2001, 1), (2001, 2), (2002, 2), (2002, 3)):
        for form in forms(number, recipient):
            assert form not in data, form


def test_evidence_of_a_message_shows_nothing_of_other_messages(world: World) -> None:
    data = shown(world.evidence["none"])
    assert all(form in data for k in (1, 2, 3) for form in forms(2002, k))
    for recipient in (1, 2, 3):
        for form in forms(2001, recipient):
            assert form not in data, form


def test_the_search_finds_what_is_there(world: World) -> None:
    """In whole-message evidence everybody stands: the search goes through all layers."""
    data = shown(world.evidence["all"])
    assert all(form in data for k in (1, 2, 3) for form in forms(2001, k))
    assert b"olga operator" in data and b"should not have it" in data


# Documents out of several


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Another log of the same origin, with keys of its own."""
    directory = tmp_path_factory.mktemp("other")
    return build(f"sqlite:///{directory / 'ledger.db'}", directory, messages=2)


def verdict(made: Evidence, world: World, **more: Any) -> dict[str, str]:
    """What failed, and why."""
    said = evidence.check(document.format(made), trust(world, **more))
    assert said.verdict == "invalid", said
    return {check.name: check.detail for check in said.checks if check.status == "failed"}


def parsed(world: World, name: str) -> Evidence:
    return document.parse(world.evidence[name])


def chain_of(held: Held) -> str:
    return entry.from_bytes(held.entry).chain


def test_what_was_exported_is_valid(world: World) -> None:
    for name, data in world.evidence.items():
        said = evidence.check(data, trust(world))
        wanted = "unknown" if name.startswith("none") else "valid"  # non-access wants an auditor's word
        assert (name, said.verdict) == (name, wanted)
        assert [check.name for check in said.checks if check.status == "failed"] == []


def test_the_checkpoint_of_another_log(world: World, other: World) -> None:
    made = replace(parsed(world, "all"), checkpoint=parsed(other, "all").checkpoint)
    found = verdict(made, world)
    assert {"included", "signed"} <= set(found)


def test_entries_of_another_log(world: World, other: World) -> None:
    """Its entry 0 and key, on our message: whose log is it?"""
    ours, theirs = parsed(world, "all"), parsed(other, "all")
    mixed = {held.seq: held for held in ours.entries} | {held.seq: held for held in theirs.entries if held.seq < 2}
    found = verdict(replace(ours, entries=tuple(mixed[seq] for seq in sorted(mixed))), world)
    assert {"included", "chained"} & set(found) and "signed" in found


def test_another_logs_document_under_our_name(world: World, other: World) -> None:
    """Right in itself, of the same origin: only the key tells."""
    said = evidence.check(document.format(parsed(other, "all")), trust(world))
    failed = {check.name for check in said.checks if check.status == "failed"}
    assert (said.verdict, failed) == ("invalid", {"trusted"})


def remade(world: World, entries: dict[int, Held], like: Evidence, claim: Claim | None = None) -> Evidence:
    """With a proof of its own, under the checkpoint of ``like``: a holder of the ledger can always make that."""
    size = int(like.checkpoint.split("\n")[1])
    proof = multiproof.prove_many(dict.fromkeys(entries, b""), size, open_reader(world.url).nodes(size))
    return replace(
        like,
        claim=claim or like.claim,
        entries=tuple(entries[seq] for seq in sorted(entries)),
        proof=tuple(node.hex() for node in proof),
    )


def test_an_older_closing_under_a_newer_checkpoint_is_older_evidence(world: World) -> None:
    """Nothing is hidden: it says as of when it speaks. What came later is the business of newer evidence."""
    early, newer = parsed(world, "early"), parsed(world, "all")
    made = remade(world, {held.seq: held for held in early.entries}, newer)
    said = evidence.check(document.format(made), trust(world))
    # The newer checkpoint stands under the same keys, and there were no key entries between.
    assert said.verdict == "valid"
    (complete,) = [check for check in said.checks if check.name == "complete"]
    assert "nothing is said of later" in complete.detail


@pytest.mark.parametrize("kept", ["message", "recipient", "log"])
def test_one_chain_that_ends_at_the_older_closing(world: World, kept: str) -> None:
    """The access after the first export, left out of the second by mixing the two."""
    early, newer = parsed(world, "early"), parsed(world, "all")
    of = {held.seq: held for held in newer.entries}
    last = max(held.seq for held in early.entries)
    first = next(held for held in early.entries if entry.from_bytes(held.entry).kind == "message.recorded")
    log = chain_of(early.entries[0])
    chains = {chain_of(held) for held in early.entries} - {log, chain_of(first)}
    cut = {"message": chain_of(first), "recipient": sorted(chains)[1], "log": log}[kept]
    mixed = {seq: held for seq, held in of.items() if chain_of(held) != cut or seq <= last}
    if kept == "log":
        mixed |= {held.seq: held for held in early.entries if chain_of(held) == log}
    found = verdict(remade(world, mixed, newer), world)
    assert "complete" in found, found


def test_one_recipients_evidence_passed_off_for_anothers(world: World) -> None:
    one = parsed(world, "r1")
    found = verdict(replace(one, claim=Claim(kind="history", message=one.claim.message, recipient="r2")), world)
    assert "complete" in found
    found = verdict(replace(one, claim=Claim(kind="history", message=one.claim.message)), world)
    assert "complete" in found


def test_two_recipients_evidence_put_together(world: World) -> None:
    one, two = parsed(world, "r1"), parsed(world, "r2")
    both = {held.seq: held for held in one.entries} | {held.seq: held for held in two.entries}
    found = verdict(remade(world, both, two), world)
    assert "complete" in found


def test_evidence_of_one_message_with_the_closing_of_another(world: World) -> None:
    one, other = parsed(world, "all"), parsed(world, "none")
    log = chain_of(one.entries[0])
    last = max(held.seq for held in one.entries if chain_of(held) == log)
    closing = max(held.seq for held in other.entries if chain_of(held) == log)
    mixed = {held.seq: held for held in one.entries if held.seq != last}
    mixed[closing] = next(held for held in other.entries if held.seq == closing)
    assert "complete" in verdict(remade(world, mixed, other, one.claim), world)


# Export from a ledger that was tampered with


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chains SET no = -no WHERE id = (SELECT id FROM chains WHERE no = {no})",
        "UPDATE entries SET chain = 90000, n = seq WHERE chain = {no} AND n = 3",
        "UPDATE chains SET id = 'x' || substr(id, 2) WHERE no = {no}",
        "DELETE FROM entries WHERE chain = {no} AND n = 2",
        "UPDATE entries SET entry = CAST(replace(CAST(entry AS TEXT), 'portal', 'import') AS BLOB) WHERE chain = {no}",
    ],
)
def test_nothing_is_exported_that_would_not_verify(prey: World, statement: str) -> None:
    """An access hidden from the tables that an export reads."""
    message = prey.messages[1].message
    with connect(prey.path) as db:
        (no,) = db.execute(
            "SELECT no FROM chains WHERE ordinal = 1 AND root = (SELECT no FROM chains WHERE id = ?)", [message]
        ).fetchone()
        db.execute(statement.format(no=no))
    with pytest.raises(LedgerError), prey.reopen() as log:
        log.export(message)


def test_a_disclosure_taken_from_another_entry(world: World) -> None:
    made = parsed(world, "all")
    told = [held for held in made.entries if held.disclosures]
    swapped = {
        told[0].seq: replace(told[0], disclosures=told[1].disclosures),
        told[1].seq: replace(told[1], disclosures=told[0].disclosures),
    }
    found = verdict(replace(made, entries=tuple(swapped.get(held.seq, held) for held in made.entries)), world)
    assert "intact" in found


def test_two_recipients_swapped_by_who_holds_the_ring_are_seen_in_evidence(prey: World) -> None:
    """The replay does not open what is sealed; evidence does, and the message names each recipient's chain."""
    attacker = Attacker(prey.path, prey.ring())
    message = prey.messages[-2].message
    one, other = attacker.recipients(message)[:2]
    one.facts["recipient"], other.facts["recipient"] = "r2", "r1"
    for item in attacker.items:
        # Evidence of one recipient names him: let nothing but the sealed address tell.
        if item.chain == message and item.facts.get("recipient") in ("r1", "r2"):
            item.facts["recipient"] = {"r1": "r2", "r2": "r1"}[item.facts["recipient"]]
    _, signed = attacker.rewrite()
    assert broken(audited(prey, signed)) == {}
    path = mark.mark_path(prey.directory, prey.log)
    path.unlink()
    mark.create(path, mark.Mark(prey.log, checkpoint.parse(note.parse(signed)[0]), signed))
    with prey.reopen() as log, pytest.raises(LedgerError, match="another address than the message's entry"):
        log.export(message)
