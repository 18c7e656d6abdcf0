"""What nothing inside a ledger can find, done by one who holds every key and writes everything anew.

Each test shows first that it passes inside, audit and inspection both, under the right keys; then that somebody outside
catches it, and who. docs/threat-model.md says the same of each: `NAMED` holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ledger import checkpoint, disclosure, document, evidence, merkle, note, statement
from ledger.act import Own
from ledger.audit import Report
from ledger.checkpoint import Checkpoint
from ledger.errors import ProofError, RolledBack
from ledger.event import Instance
from ledger.ids import format_time, parse_time
from ledger.merkle import check_inclusion, prove_inclusion
from ledger.store import open_reader
from tests.attacks.attacker import Attacker, Item, connect, new_id
from tests.attacks.checks import audited, broken, inspected
from tests.attacks.outsiders import AUDITOR, CLOCK, COSIGNER, Vouched, Witness, consistency, tied, trust
from tests.attacks.world import ORIGIN, World

Attack = Callable[[Attacker], None]
PASSES: dict[str, Attack] = {}
NAMED: dict[str, str] = {}
"""Each such attack, and the words of docs/threat-model.md that admit it."""


def passes(words: str) -> Callable[[Attack], Attack]:
    def register(attack: Attack) -> Attack:
        PASSES[attack.__name__] = attack
        NAMED[attack.__name__] = words
        return attack

    return register


def early(a: Attacker, kind: str, where: Callable[[Item], bool] = lambda item: True) -> Item:
    """One that lies before what the outsiders saw last."""
    return a.find(kind, where)[3]


@passes("leaves an access out from the start")
def an_access_never_made(a: Attacker) -> None:
    a.drop(early(a, "message.opened"))


@passes("raises or lowers an attestation, changes a detector's verdict")
def a_claim_dressed_up(a: Attacker) -> None:
    early(a, "delivery.autoresponded").facts["attestation"] = "A"


@passes("raises or lowers an attestation, changes a detector's verdict")
def a_person_made_a_machine(a: Attacker) -> None:
    early(a, "event.reclassified").facts["verdict"]["agent"] = "person"


@passes("drops one beat of many")
def a_beat_dropped(a: Attacker) -> None:
    a.drop(early(a, "ledger.heartbeat"))


@passes("says the recorder was alive when it was not")
def a_beat_forged(a: Attacker) -> None:
    beat = early(a, "ledger.heartbeat")
    a.insert(beat, beat.copy())


@passes("backdates")
def everything_an_hour_earlier(a: Attacker) -> None:
    for item in a.items[2:]:
        item.data["at"] = max(a.items[0].data["at"], format_time(parse_time(item.data["at"]) - 3_600_000_000))


@passes("files an access under another message or recipient")
def an_access_without_its_token_moved(a: Attacker) -> None:
    item = early(a, "message.opened", lambda item: len(a.recipients(a.message_of(item))) > 1)
    item.data["chain"] = next(r.chain for r in a.recipients(a.message_of(item)) if r.chain != item.chain)
    item.boxes, item.data["sealed"] = [], []


@passes("exchanges recipients, files or words that are sealed")
def two_recipients_exchanged(a: Attacker) -> None:
    message = early(
        a,
        "message.recorded",
        lambda item: (
            item.facts["recipients"] > 2
            and not any(other.kind == "block.applied" and other.chain == item.chain for other in a.items)
        ),
    )
    one, other = a.recipients(message.chain)[:2]
    one.facts["recipient"], other.facts["recipient"] = "r2", "r1"


@passes("exchanges recipients, files or words that are sealed")
def an_address_exchanged(a: Attacker) -> None:
    opening = early(a, "recipient.added")
    opening.boxes, opening.data["sealed"] = [], []
    opening.seal(opening.chain, ("address", "nobody@example.net"), ("role", "to"))


@passes("removes a block with everything that shows it")
def a_block_that_never_was(a: Attacker) -> None:
    block = a.one("block.applied", lambda item: item.facts["scope"] == "all" and item.facts.get("recipients") == 4)
    those = {item.chain for item in a.act(block)}
    a.drop(*(item for item in a.items if item.chain in those and item.facts.get("block") == block.facts["block"]))
    for item in a.items:
        if item.chain in those:
            item.facts.pop("late", None)


@passes("leaves out or invents a `key.*` entry in the log itself")
def a_theft_never_recorded(a: Attacker) -> None:
    stolen = a.one("key.compromised")
    a.drop(stolen)
    for item in a.items:
        if "keys" in item.refs:
            item.refs["keys"] = [key for key in item.refs["keys"] if key is not stolen]


@passes("destroys what is sealed and records an erasure")
def an_erasure_invented(a: Attacker) -> None:
    opening = early(a, "recipient.added")
    for item in a.on(opening.chain):
        item.boxes = []
    done = opening.copy()
    done.data |= {"kind": "erasure.done", "facts": {"erasure": new_id(), "subject": "recipient"}, "sealed": []}
    done.data.pop("act")
    a.insert(a.on(opening.chain)[-1], done)


@passes("drops the tail of the log")
def the_tail_dropped(a: Attacker) -> None:
    a.items = a.items[: len(a.items) - 500]
    while a.items[-1].data.get("act"):
        a.items.pop()


@passes("leaves an access out from the start")
def a_message_that_was_never_sent(a: Attacker) -> None:
    message = early(a, "message.recorded", lambda item: item.facts["recipients"] == 4)
    chains = {message.chain, *(r.chain for r in a.recipients(message.chain))}
    on_log = {item.data["act"] for item in a.items if item.chain in chains and item.kind == "evidence.exported"}
    a.drop(*(item for item in a.items if item.chain in chains or item.data.get("act") in on_log))


def vouched(world: World) -> Vouched:
    """What they said in time: a timestamp of the middle, a replay of the late state."""
    state, _ = world.kept["late"]
    middle, signed = world.kept["middle"]
    text = note.parse(signed)[0]
    at = 1_780_000_000_000_000 + 7200_000_000
    told = statement.sign(statement.format(ORIGIN, state.size, state.root, 1), AUDITOR)
    return Vouched((middle, signed), told, CLOCK.stamp(sha256(text).digest(), at))


def wrong(report: Report) -> dict[str, str]:
    return broken(report)


def succeed(world: World, name: str) -> tuple[Checkpoint, bytes]:
    """Do it, and pass every check there is inside."""
    attacker = Attacker(world.path, world.ring())
    PASSES[name](attacker)
    state, signed = attacker.rewrite()
    report = audited(world, signed)
    assert wrong(report) == {}, report.findings
    assert inspected(world) == []
    assert report.checkpoint_size == state.size and report.root == state.root != world.state.root
    return state, signed


@pytest.mark.parametrize("name", PASSES)
def test_it_passes_inside_and_is_caught_by_whoever_kept_something(world: World, prey: World, name: str) -> None:
    watched = Witness(world)
    cosigned = watched.ask(world, world.kept["late"][1])
    state, signed = succeed(prey, name)
    # Who kept a checkpoint:
    late, _ = world.kept["late"]
    if state.size >= late.size:
        with pytest.raises(ProofError):
            tied(prey, late, state)
        # A witness, who is asked to cosign it; and what it cosigned before is on another tree.
        with pytest.raises(ProofError):
            watched.ask(prey, signed)
        text = note.parse(signed)[0]
        with pytest.raises(Exception, match="does not verify"):
            COSIGNER.verifier.check(text, cosigned.signature)
    else:
        with pytest.raises(ProofError, match=r"range|size|larger|smaller|tree"):
            tied(prey, late, state)
    # Who kept a receipt of something after the first change:
    failed = 0
    for receipt in world.receipts:
        leaf = sha256(b"\0" + receipt.entry).digest()
        try:
            proof = prove_inclusion(receipt.seq, state.size, open_reader(prey.url).nodes(state.size))
            check_inclusion(leaf, receipt.seq, state.size, proof, state.root)
        except ProofError:
            failed += 1
    assert failed
    # This machine's own mark, as long as it stands:
    with pytest.raises(RolledBack, match=r"it is forked|it is an older copy"):
        prey.reopen()
    assert {"high-water", "checkpoint"} & set(wrong(audited(prey, signed, expect=(late.size, late.root))))


def export(world: World, recipient: str | None) -> document.Evidence:
    """Evidence of the message that was exported before, by an operator who has removed his mark."""
    from ledger import mark

    path = mark.mark_path(world.directory, world.log)
    path.unlink()
    head = open_reader(world.url).head()
    state = Checkpoint(head.origin, head.size, head.root)
    mark.create(path, mark.Mark(world.log, state, checkpoint.sign(state, world.ring().signer())))
    with world.reopen() as log:
        return log.export(world.messages[-2].message, recipient=recipient)


def test_evidence_from_a_history_written_anew(world: World, prey: World) -> None:
    """Valid to who believes the key alone, and to nobody who has heard one outsider."""
    said = vouched(world)
    succeed(prey, "an_access_never_made")
    made = export(prey, None)
    assert evidence.check(document.format(made), trust(prey)).verdict == "valid"
    forged = document.format(said.attach(made, prey))
    found = {
        check.name: check
        for policy in (trust(prey, auditors=(AUDITOR.vkey,)), trust(prey, anchors=(CLOCK.anchor,)))
        for check in evidence.check(forged, policy).checks
        if check.status == "failed"
    }
    assert "is not tied to the checkpoint" in found["unforked"].detail
    assert set(found) == {"unforked", "timed"}
    witnessed = trust(prey, witnesses=(COSIGNER.verifier.vkey,), quorum=1, require=("witnessed",))
    verdict = evidence.check(document.format(made), witnessed)
    assert verdict.verdict == "unknown"
    # And the same document of the honest ledger holds.
    honest = said.attach(document.parse(world.evidence["all"]), world)
    verdict = evidence.check(document.format(honest), trust(world, auditors=(AUDITOR.vkey,), anchors=(CLOCK.anchor,)))
    assert [check.name for check in verdict.checks if check.status == "failed"] == []


def test_a_provider_who_kept_what_he_sent_contradicts_a_ledger_without_it(world: World, prey: World) -> None:
    """An access that was never recorded, from the first: nobody outside ever saw another ledger."""
    attacker = Attacker(prey.path, prey.ring())
    gone = attacker.find("webhook.received")[-1]
    (raw,) = [disclosure.parse(text) for _, texts in gone.boxes for text in texts]
    his = sha256(str(raw.value).encode()).digest()
    for item in attacker.items:
        if item.refs.get("input") is gone:
            item.refs["input"] = attacker.find("webhook.received")[0]
    attacker.drop(gone)
    _, signed = attacker.rewrite()
    assert wrong(audited(prey, signed)) == {} and inspected(prey) == []

    def held(by: Attacker) -> set[bytes]:
        told = [disclosure.parse(t) for i in by.find("webhook.received") for _, texts in i.boxes for t in texts]
        return {sha256(str(one.value).encode()).digest() for one in told}

    assert his in held(Attacker(world.path, world.ring()))
    assert his not in held(Attacker(prey.path, prey.ring()))


def test_missing_beats_are_told_by_the_audit_as_an_outage(prey: World) -> None:
    """Not a finding: a recorder may fail. But it cannot be overlooked, and no claim of non-access survives it."""
    assert not audited(prey).outages
    attacker = Attacker(prey.path, prey.ring())
    attacker.drop(*attacker.find("ledger.heartbeat")[10:13])
    _, signed = attacker.rewrite()
    report = audited(prey, signed)
    assert report.ok and len(report.outages) == 1


def test_a_fork_shown_to_another_audience(world: World, prey: World) -> None:
    """Both hold together by themselves; a witness signs one of them, a mirror sees two roots of one size."""
    attacker = Attacker(prey.path, prey.ring())
    item = attacker.find("message.opened")[-1]
    item.data["source"] = "api" if item.data["source"] != "api" else "portal"
    state, signed = attacker.rewrite()
    assert (state.size, state.origin) == (world.state.size, world.state.origin) and state.root != world.state.root
    assert wrong(audited(prey, signed)) == {} and inspected(prey) == []
    watched = Witness(world)
    watched.ask(world, world.note)
    with pytest.raises(ProofError):
        watched.ask(prey, signed)
    with pytest.raises(RolledBack, match="it is forked"):
        prey.reopen()


def test_an_old_checkpoint_played_again(world: World, prey: World) -> None:
    """It is not wrong, only old: the audit says how far it reaches, and whoever kept a newer one sees it."""
    state, signed = world.kept["middle"]
    report = audited(prey, signed)
    assert report.ok and report.checkpoint_size == state.size < report.size
    watched = Witness(world)
    watched.ask(world, world.note)
    with pytest.raises(Exception, match="no consistency proof leads"):
        watched.ask(prey, signed)


def test_who_has_the_log_key_but_not_the_ring_cannot_move_what_is_sealed(prey: World) -> None:
    attacker = Attacker(prey.path, prey.ring(), alone=True)
    attacker.drop(attacker.find("message.opened")[3])
    _, signed = attacker.rewrite()
    assert wrong(audited(prey, signed)) == {}
    found = inspected(prey)
    assert any("a box of entry" in one and "does not open" in one for one in found), found[:3]


def append(world: World) -> Item:
    """Somebody without any key adds a delivery that never was, as the writer would have."""
    attacker = Attacker(world.path, world.ring(), alone=True)
    last = attacker.find("delivery.delivered")[-1]
    made = last.copy()
    made.refs.pop("input", None)
    for name in ("input", "item"):
        made.facts.pop(name, None)
    attacker.insert(attacker.items[-1], made)
    attacker.rewrite()
    return made


def test_an_entry_added_by_whoever_can_write_to_the_database_is_never_signed(prey: World) -> None:
    """The worst that he can do without a key: he adds what fits. The audit says that the last entry is not signed, the
    inspection and the next writer that the head is of nobody who has the ring."""
    append(prey)
    report = audited(prey)
    assert report.ok and (report.checkpoint_size, report.size) == (prey.state.size, prey.state.size + 1)
    assert inspected(prey) == ["head: mac is not of this key ring"]
    with pytest.raises(RolledBack, match="its MAC does not hold"):
        prey.reopen()


def test_an_entry_added_under_a_running_ledger_is_never_signed(prey: World) -> None:
    log = prey.reopen()
    try:
        append(prey)
        with connect(prey.path) as db:
            (batch,) = db.execute("UPDATE head SET batch = batch + 1 RETURNING batch").fetchone()
            db.execute("INSERT INTO batches VALUES (?, ?)", [batch, new_id()])
        for refused in (log.checkpoint, lambda: log.write(Own("ledger.heartbeat", Instance(instance=log.instance)))):
            with pytest.raises(RolledBack, match="its MAC does not hold"):
                refused()
    finally:
        with pytest.raises(RolledBack):
            log.close()


def test_the_threat_model_admits_each(world: World) -> None:
    said = re.sub(r"\s+", " ", (Path(__file__).parents[2] / "docs" / "threat-model.md").read_text())
    for words in set(NAMED.values()):
        assert words in said, words


def test_the_tools_of_the_outsiders_accept_the_honest_ledger(world: World) -> None:
    """Or they would catch anything."""
    watched = Witness(world)
    for state, signed in [*world.kept.values(), (world.state, world.note)]:
        signature = watched.ask(world, signed)
        COSIGNER.verifier.check(note.parse(signed)[0], signature.signature)
        tied(world, state, world.state)
    assert consistency(world, 1, 2) == merkle.prove_consistency(1, 2, open_reader(world.url).nodes(2))
    assert world.kept.keys() == {"middle", "late"}
