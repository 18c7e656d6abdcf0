"""What a lawyer of the other side would look for: sentences that claim too much, adverse facts that are not to be seen,
affairs of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import case, certified, envelope, evidence, fingerprint
from ledger.act import Own
from ledger.errors import Adverse
from ledger.event import Instance
from reports import certificate
from reports.blocks import Box, Grid, Sheet, Steps, Text
from reports.wording import Words
from tests.ledger.ledgers import download
from tests.reports.office import SCANNER, Office, an_office, letter


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with an_office(tmp_path) as made:
        made.record(letter())
        yield made


def sheet(office: Office, *asked: Any, **more: Any) -> Sheet:
    """What stands on a certificate that is issued now."""
    office.issue(*asked, **more)
    said = case.read(evidence.parse(office.twins[-1]))
    return certificate.sheet(said, certified.of(said), Words("en"))


def lead(made: Sheet) -> str:
    return next(block.text for block in made.blocks if isinstance(block, Text) and block.tone == "lead")


def box(made: Sheet) -> list[str]:
    return [item for block in made.blocks if isinstance(block, Box) for item in block.items]


def tables(made: Sheet) -> list[list[str]]:
    """Each table as the text of its cells."""
    grids = [block for block in made.blocks if isinstance(block, Grid)]
    return [[text for row in grid.rows for cell in row for text in (cell.text, *cell.more)] for grid in grids]


def inside_and_hosted(office: Office, hosted: list[str]) -> None:
    octets = letter()
    sent = envelope.given("anna@notary.example", ["bob@client.example"])
    made = office.log.record(fingerprint.take(octets), sent, envelope.roles(octets, sent), hosted=hosted)
    office.message = made.message


def test_no_block_of_what_travelled_inside_the_mail(office: Office) -> None:
    inside_and_hosted(office, [])
    office.log.block(office.message, "all")
    for kind in ("block", "non_access"):
        with pytest.raises(Adverse, match=r"travelled inside the mail is beyond any block|has no hosted file"):
            office.issue(kind, "r1")
    inside_and_hosted(office, ["f2"])
    office.log.block(office.message, "all")
    for kind in ("block", "non_access"):
        made = sheet(office, kind, "r1")
        assert "the file f2" in lead(made) and "f1" not in lead(made)
        claims = tables(made)[1]
        assert "f2 withheld." in claims and "Travelled inside the mail, where no block reaches: f1." in claims
        assert not any("No access to f1" in text for text in claims)


def test_non_access_to_one_file_says_nothing_of_another(office: Office) -> None:
    transfer = office.log.new_id()
    for word in ("started", "completed"):
        office.log.write(download(office.log, office.message, "r1", "f2", word, transfer=transfer))
    office.log.block(office.message, "all")
    made = sheet(office, "non_access", "r1", file="f1")
    claims = tables(made)[1]
    assert "f1 withheld." in claims
    assert not any("f2" in text for text in claims) and "f2" not in lead(made)


def test_more_files_than_an_entry_holds(office: Office) -> None:
    parts = "".join(
        f"--x\r\nContent-Disposition: attachment; filename=n{k}.txt\r\n\r\nfile {k}\r\n" for k in range(1, 301)
    )
    octets = f"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n{parts}--x--\r\n".encode()
    sent = envelope.given("a@b.example", ["bob@client.example"])
    files = [f"f{k}" for k in range(1, 301)]
    made = office.log.record(fingerprint.take(octets), sent, envelope.roles(octets, sent), hosted=files)
    office.message = made.message
    office.log.block(office.message, "all")
    whole = sheet(office, "block", "r1")
    assert "(300)" in lead(whole) and any("(300) withheld" in text for text in tables(whole)[1])
    last = sheet(office, "non_access", "r1", file="f299")
    assert "f299 withheld." in tables(last)[1]


def test_a_bounce_is_not_lost_among_deferrals(office: Office) -> None:
    office.event("r1", "delivery.delivered", 1, source="report", attestation="E")
    for _ in range(20):
        office.event("r1", "relay.deferred", 1)
    office.event("r1", "delivery.bounced", 1, source="report")
    for kind in ("recipient.refused", "delivery.complained", "delivery.autoresponded", "code.failed"):
        office.event("r1", kind, 1, source="portal")
    made = sheet(office, "delivery", "r1")
    said = "\n".join(box(made))
    for fact in ("undeliverable", "receipt was refused", "a complaint was stated", "automatic reply", "wrong one-time"):
        assert fact in said, fact
    assert "And 8 more of this kind (a server asked to try again later)" in said
    assert "says afterwards: the message came back as undeliverable" in lead(made)


def test_what_only_began_is_no_access(office: Office) -> None:
    office.log.write(download(office.log, office.message, "r1", "f1"))
    with pytest.raises(Adverse, match=r"no access is recorded that came to its end"):
        office.issue("access", "r1")
    transfer = office.log.new_id()
    facts = {"file": "f1", "transfer": transfer}
    office.event("r1", "download.started", 1, source="portal", facts={**facts, "verdict": SCANNER})
    office.event("r1", "download.completed", 1, source="portal", facts=facts)
    # Who began to fetch it was a machine, and so was who ended.
    with pytest.raises(Adverse):
        office.issue("access", "r1")
    office.event("r1", "message.opened", 1, source="portal")
    with pytest.raises(Adverse):
        office.issue("access", "r1", file="f2")
    office.issue("access", "r1")


def test_a_recorder_that_was_stopped_is_told(office: Office) -> None:
    office.log.block(office.message, "all")
    office.log.write(Own("ledger.stopped", Instance(instance=office.log.instance)))
    office.clock.wait(100)
    office.beat()
    made = sheet(office, "non_access", "r1")
    assert "no outage of the recorder (more than 150 seconds" in lead(made)
    assert any("the recorder was stopped" in item for item in box(made))
    assert "the recorder stopped" in tables(made)[2]


def test_facts_alone_do_not_say_that_they_withhold_what_they_show(office: Office) -> None:
    office.log.block(office.message, "all", sealed=[("reason_text", "settlement with Smith")])
    sealed = [("subject", "Re: settlement"), ("body", "thanks for the offer"), ("ip", "203.0.113.9")]
    office.event("r1", "delivery.autoresponded", 1, source="report", sealed=sealed)
    for kind in ("block", "dispatch"):
        made = sheet(office, kind, content=False)
        words = "\n".join(block.text for block in made.blocks if isinstance(block, Text))
        assert ("The files are named, because this certificate is about them." in words) == (kind == "block")
        assert ("names and hashes of this message are withheld" in words) == (kind == "dispatch")
        twin = office.twins[-1].decode()
        shown = "\n".join(text for table in tables(made) for text in table)
        assert "203.0.113.9" in shown and "offer" not in shown and "Smith" not in shown
        assert "Purchase" not in shown and "Purchase" not in twin


def test_what_was_done_about_another_is_not_told(office: Office) -> None:
    office.log.block(office.message, "recipient", recipient="r1")
    block, _ = office.log.block(office.message, "recipient", recipient="r2", reason="carol-fraud-case")
    office.log.lift(office.message, block.block, reason="carol-cleared")
    theirs = office.issue("dispatch", "r2")
    office.certifying.withdraw(theirs.number, "carol-complained", actor=office.who)
    made = sheet(office, "block", "r1")
    words = "\n".join([*box(made), *(text for table in tables(made) for text in table)])
    assert "carol" not in words and theirs.number not in words and "lifted" not in words
    assert words.count("an act about another recipient") == 5
    assert "in force at the end of this record" in lead(made)


def test_who_asked_stands_on_no_certificate(office: Office) -> None:
    for recipient in (None, "r1"):
        office.issue("dispatch", recipient)
        assert b"Anna (sender, key k2)" not in office.twins[-1]
        said = case.read(evidence.parse(office.twins[-1]))
        assert not any("actor" in item.disclosed for item in said.items.values())


def test_the_command_that_is_printed_is_one_word_for_a_shell(office: Office) -> None:
    steps = next(block for block in sheet(office, "dispatch").blocks if isinstance(block, Steps))
    key = office.log.ring.signer().vkey
    assert " ".join(steps.items[1][1]).split() == ["postseal", "verify", "certificate.pdf", "\\", "--vkey", key]


def test_a_relay_before_a_bounce_is_in_neither_sentence_nor_table(office: Office) -> None:
    for kind in ("relay.accepted", "delivery.bounced", "relay.accepted"):
        office.event("r1", kind, 60)
    made = sheet(office, "delivery", "r1")
    office.event("r2", "relay.accepted", 60)
    whole = sheet(office, "delivery")
    again = [
        item for item in case.read(evidence.parse(office.twins[-1])).items.values() if item.kind == "relay.accepted"
    ][1]
    instant = f"{again.entry.at[:10]} {again.entry.at[11:23]}"
    for one in (made, whole):
        assert instant in lead(one) and str(again.seq) in tables(one)[1]
        assert sum("G1, relayed" in text for text in tables(one)[1]) == (1 if one is made else 2)
